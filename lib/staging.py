"""Raw rows -> typed, unique rows in one Parquet file for each UTC date.

Belongs here: which dates to rebuild, by the journal and by the rules in force. Does not
belong here: building one date (`staged_date.py`), what a row means (`sql/stage_date.sql`).

State lies in `staging/_state`: how far the journal was read and by which rules, and for each
date the raw files that hold rows of it. It is a cache: without it everything is staged again.
"""

import shutil
import time
from pathlib import Path

from lib import archive, bookmark, files, found, quarantine, raw, registry, staged_date, warehouse
from lib import staging_findings as said
from lib.bookmark import Bookmark
from lib.config import Config
from lib.datapoints import KNOWN
from lib.errors import BadRawFile
from lib.findings import Finding
from lib.journal import Entry, Journal
from lib.paths import Paths
from lib.progress import Progress, silent
from lib.raw import Row
from lib.staged_date import Report
from lib.times import parse_instant, to_ms

SQL = ("stage_prepare", "stage_date")


def run(
    paths: Paths, config: Config, *, rebuild: bool = False, progress: Progress = silent
) -> Report:
    """Stage what the journal names since the last run; with `rebuild`, everything.

    Everything is staged again too where the journal is another one, or where a scale, a name
    or the SQL changed. Files that cannot be read are set aside; the rest goes on.
    """
    began, report = time.monotonic(), Report()
    mark, scanned_at = _bookmark(paths, config, rebuild=rebuild), time.time()
    entries, offset = _new_entries(paths, mark, scanned_at, report)
    dates = _index(paths, entries, report)
    report.files, report.dates = len(entries), dates
    with warehouse.connect() as connection:
        staged_date.prepare(connection, paths, config)
        for done, day in enumerate(dates):
            progress(done, len(dates), day)
            _set_aside_spoiled(paths, day, entries, mark.scanned_at, report)
            staged_date.build(connection, paths, day, lambda d: files_of(paths, d), report)
        report.findings += _undated(paths, report)
        report.findings += staged_date.unspecified(connection)
    progress(len(dates), len(dates), "")
    if mark.offset == 0:
        _drop_others(paths, dates)
    _save(paths, config, mark, entries, offset, scanned_at)
    report.findings += [said.set_aside(path) for path in report.quarantined]
    report.findings += [
        said.changed(change, confirmed=change.name in config.confirmed_changes)
        for change in registry.changes(paths)
    ]
    report.seconds = time.monotonic() - began
    return report


def _bookmark(paths: Paths, config: Config, *, rebuild: bool) -> Bookmark:
    """Where to go on from; the beginning where everything must be done again.

    Then the state goes first, so that a run killed on its way begins there again.
    """
    mark = bookmark.load(_file(paths), paths.journal)
    if rebuild or mark.offset == 0 or bookmark.outdated(mark, _rules(paths, config, set())):
        mark = Bookmark(generation=mark.generation + 1)
        bookmark.save(_file(paths), mark)
        shutil.rmtree(_dates_folder(paths), ignore_errors=True)
    return mark


def generation(paths: Paths) -> int:
    """How often everything was staged again; what stands on it must be built again too."""
    return bookmark.load(_file(paths), paths.journal).generation


def _rules(paths: Paths, config: Config, devices: set[str]) -> dict[str, str]:
    """By what rows are typed: SQL, typical scales, and each device's name and specifications.

    Of devices that were staged without any, the rule is that there was none.
    """
    rules: dict[str, list[object]] = {device: [] for device in devices}
    for spec in registry.specifications(paths):
        rules.setdefault(spec.device_id, []).append((spec.valid_from, spec.spec))
    for device, name in registry.names(paths, config.devices).items():
        rules.setdefault(device, []).append(name)
    own = {device: bookmark.digest(rule) for device, rule in rules.items()}
    return own | {"*": bookmark.sql_rules(*SQL) + bookmark.digest(KNOWN)}


def _new_entries(
    paths: Paths, mark: Bookmark, scanned_at: float, report: Report
) -> tuple[list[Entry], int]:
    """Entries since the bookmark, those of files that the journal did not know included."""
    journal = Journal(paths.journal)
    new = journal.since(mark.offset)[0]
    entered = {entry.file for entry in new if not found.taken_back(entry)}
    adopted, bad = archive.adopt_strays(
        paths,
        entered=entered,
        scanned_at=mark.scanned_at,
        latest_ms=found.latest_ms(paths, scanned_at),
    )
    for moved in bad:
        report.set_aside(moved, raw.reason(moved)["file"], None)
    report.findings += [said.adopted(paths.journal, adopted)] if adopted else []
    entries, offset = journal.since(mark.offset)
    return list({entry.file: entry for entry in entries}.values()), offset


def _index(paths: Paths, entries: list[Entry], report: Report) -> list[str]:
    """Enter each good file under the dates of its rows; the dates to rebuild, ascending."""
    by_date: dict[str, set[str]] = {}
    for entry in entries:
        good = _validated(paths, entry, report)
        for day in entry.dates:
            by_date.setdefault(day, set()).update({entry.file} if good else ())
    for day, names in by_date.items():
        known = names | set(files_of(paths, day))
        files.write_text(_dates_folder(paths) / f"{day}.txt", "\n".join(sorted(known)) + "\n")
    return sorted(by_date)


def _validated(paths: Paths, entry: Entry, report: Report) -> bool:
    """Whether a new file can be read and is what the journal says; else set it aside."""
    file = paths.raw / entry.file
    if not file.exists():
        if entry.rows:
            report.findings.append(said.missing(entry))
            raw.take_back(paths, entry)
        return False
    if found.taken_back(entry) and quarantine.coming_back(paths, file):
        return False
    try:
        rows = raw.verify(file, entry)
    except BadRawFile as error:
        report.set_aside(raw.set_aside(paths, file, error, entry), entry.file, entry)
        return False
    report.undated[entry.file] = len(rows)
    absurd = _on_no_date(rows, entry)
    if rows and len(absurd) == len(rows):
        absent = found.no_usable_time(file, len(rows))
        moved = raw.set_aside(paths, file, absent, entry, ask_again=False)
        report.set_aside(moved, entry.file, entry)
        return False
    if absurd:
        quarantine.keep_rows(paths, file, absurd, len(rows))
    return True


def _on_no_date(rows: list[Row], entry: Entry) -> list[Row]:
    """The rows whose time is on none of the dates that the journal has for their file."""
    days = {to_ms(parse_instant(day)) // raw.DAY_MS for day in entry.dates}
    times = ((row, raw.event_time_ms(row)) for row in rows)
    return [row for row, ms in times if ms is None or ms // raw.DAY_MS not in days]


def _undated(paths: Paths, report: Report) -> list[Finding]:
    """A finding for each file of which rows found no date, but not all of it was set aside."""
    left = [(paths.raw / name, rows) for name, rows in report.undated.items() if rows]
    return [said.undated(file, rows) for file, rows in left if file.exists()]


def _set_aside_spoiled(
    paths: Paths, day: str, new: list[Entry], since: float | None, report: Report
) -> None:
    """Set aside files of a date that went bad after they were staged.

    DuckDB compares no checksum of a packed file, takes an empty one for no rows and an error
    of the cloud for a row: rows would change or go without a word.
    """
    validated = {entry.file for entry in new}
    for name in files_of(paths, day):
        try:
            if name not in validated:
                _check_again(paths.raw / name, Path(name).parts[0], since)
        except BadRawFile as error:
            entry = next((e for e in Journal(paths.journal).all() if e.file == name), None)
            moved = raw.set_aside(paths, paths.raw / name, error, entry)
            report.set_aside(moved, name, entry)


def _check_again(file: Path, device_id: str, since: float | None) -> None:
    """Check a file that was validated once: its checksum is enough where nobody touched it.

    Raises BadRawFile.
    """
    packed = file.suffix == ".gz"
    if packed and since is not None and file.stat().st_ctime < since - archive.SLACK_S:
        raw.content(file)
    else:
        raw.check_device(file, raw.read(file), device_id)


def _drop_others(paths: Paths, dates: list[str]) -> None:
    """After everything was staged, a partition of another date has no raw file any more."""
    for folder in paths.staging.glob("event_date=*"):
        if folder.name.removeprefix("event_date=") not in dates:
            shutil.rmtree(folder)


def _dates_folder(paths: Paths) -> Path:
    return paths.staging / "_state" / "dates"


def files_of(paths: Paths, day: str) -> list[str]:
    """The raw files with rows of a date that are still there, sorted."""
    index = _dates_folder(paths) / f"{day}.txt"
    names = set(index.read_text("utf-8").split("\n")) - {""} if index.exists() else set()
    return sorted(name for name in names if (paths.raw / name).exists())


def _file(paths: Paths) -> Path:
    return paths.staging / "_state" / "position.json"


def _save(
    paths: Paths,
    config: Config,
    mark: Bookmark,
    entries: list[Entry],
    offset: int,
    scanned_at: float,
) -> None:
    devices = {name for name in mark.rules if name != "*"} | {e.device_id for e in entries}
    rules = _rules(paths, config, devices)
    kept = {name: rule for name, rule in rules.items() if name in devices | {"*"}}
    before = bookmark.fingerprint(paths.journal, offset)
    bookmark.save(_file(paths), Bookmark(offset, before, kept, scanned_at, mark.generation))
