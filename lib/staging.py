"""Raw rows -> typed, unique rows in one Parquet file for each UTC date.

Belongs here: which dates to rebuild, by the journal and by the rules in force. Does not
belong here: building one date (`staged_date.py`), what a row means (`sql/stage_date.sql`).

State lies in `staging/_state`: how far the journal was read and by which rules, and for each
date the raw files that hold rows of it. It is a cache: without it everything is staged again.
"""

import shutil
import time
from collections.abc import Collection
from pathlib import Path

from lib import (
    archive,
    bookmark,
    files,
    found,
    quarantine,
    raw,
    registry,
    staging_files,
    staging_pool,
)
from lib import staging_findings as said
from lib.bookmark import Bookmark
from lib.config import Config
from lib.datapoints import KNOWN
from lib.findings import Finding
from lib.journal import Entry, Journal
from lib.paths import Paths
from lib.progress import Progress, silent
from lib.raw import Row
from lib.staged_date import Report
from lib.staging_files import Bad, Raw
from lib.times import DAY, parse_instant, to_ms

RECENT = 131_072  # bytes of the journal: about a day of ten devices
SQL = ("stage_prepare", "stage_before", "stage_numbers", "stage_texts", "stage_date")


def run(
    paths: Paths, config: Config, *, rebuild: bool = False, progress: Progress = silent
) -> Report:
    """Stage what the journal names since the last run; with `rebuild`, everything.

    Everything is staged again too where the journal is another one, or where a scale, a name
    or the SQL changed. Files that cannot be read are set aside; the rest goes on.
    """
    began, report = time.monotonic(), Report()
    mark, scanned_at = _bookmark(paths, config, rebuild=rebuild), time.time()
    folders = archive.folders(paths.raw, _trusted(paths, mark.scanned_at, scanned_at))
    entries, offset = _new_entries(paths, mark, scanned_at, folders, report)
    new = {entry.file: entry for entry in entries}
    store = Raw(paths, new, mark.scanned_at, goes_on=mark.offset > 0)
    report.files, report.dates = len(entries), _index(store, report)
    most = len(report.dates)
    progress(0, most, f"{most} dates")
    for done, outcome in enumerate(staging_pool.built(store, config, report.dates), 1):
        report.add(outcome)
        progress(done, most, f"{outcome.day}, {most - done} left, {report.came:,} rows")
    _take_back_missing(store, report)
    report.findings += _undated(store, report)
    report.findings += report.by_code()
    if mark.offset == 0:
        _drop_others(paths, report.dates)
    _remember(paths, folders.keys())
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
        staging_files.forget(paths)
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
    paths: Paths, mark: Bookmark, scanned_at: float, folders: dict[str, float], report: Report
) -> tuple[list[Entry], int]:
    """Entries since the bookmark, those of files that the journal did not know included."""
    journal = Journal(paths.journal)
    new, offset = journal.since(mark.offset)
    # Files of the moments before the last look seem new; the journal's last lines know them.
    recent = {e.file: e for e in journal.since(max(0, mark.offset - RECENT))[0]}
    adopted, bad = archive.adopt_strays(
        paths,
        entered={name for name, entry in recent.items() if not found.taken_back(entry)},
        scanned_at=mark.scanned_at,
        seen=_seen(paths),
        there=folders,
        latest_ms=found.latest_ms(paths, scanned_at),
    )
    for moved in bad:
        report.set_aside(moved, raw.reason(moved)["file"], None)
    report.findings += [said.adopted(paths.journal, adopted)] if adopted else []
    more, offset = journal.since(offset)
    return list({entry.file: entry for entry in (*new, *more)}.values()), offset


def _index(store: Raw, report: Report) -> list[str]:
    """Enter each new file under the dates of its rows; the dates to rebuild, ascending."""
    by_date: dict[str, list[Entry]] = {}
    for entry in store.new.values():
        for day in entry.dates:
            by_date.setdefault(day, []).append(entry)
    usable = {name for name, entry in store.new.items() if _usable(store, entry, report)}
    for day, entries in by_date.items():
        staging_files.enter(store.paths, day, entries, usable)
    return sorted(by_date)


def _usable(store: Raw, entry: Entry, report: Report) -> bool:
    """Whether a new file counts; its content is checked when a date is built from it.

    A file without any date is checked here, and so is one that was taken back and lies there.
    """
    file, bad = store.root / entry.file, Bad()
    back = found.taken_back(entry)
    if back and (not file.exists() or quarantine.coming_back(store.paths, file)):
        return False
    report.undated[entry.file] = entry.rows
    if back or not entry.dates:
        content = store.checked(entry.file, entry.packed_sha256, bad)
        if back and content is not None:
            report.undated[entry.file] = len(raw.read(file))
        report.add_bad(bad)
    return True


def _take_back_missing(store: Raw, report: Report) -> None:
    """A new file that is gone is a finding, and its window is asked for once more."""
    for name in sorted(report.gone & report.undated.keys() - report.aside):
        entry = store.new[name]
        del report.undated[name]
        if entry.rows:
            report.findings.append(said.missing(entry))
            raw.take_back(store.paths, entry)


def _undated(store: Raw, report: Report) -> list[Finding]:
    """Copy rows on no date to the quarantine; a file of nothing else goes there whole.

    The findings of files that stay.
    """
    findings = []
    for name in [name for name, rows in report.undated.items() if rows]:
        file, entry = store.paths.raw / name, store.new.get(name)
        if entry and file.exists():
            rows = raw.read(file)
            absurd = _on_no_date(rows, entry)
            if len(absurd) == len(rows):
                absent = found.no_usable_time(file, len(rows))
                moved = raw.set_aside(store.paths, file, absent, entry, ask_again=False)
                report.set_aside(moved, name, entry)
                continue
            if absurd:
                quarantine.keep_rows(store.paths, file, absurd, len(rows))
            findings.append(said.undated(file, report.undated[name]))
    return findings


def _on_no_date(rows: list[Row], entry: Entry) -> list[Row]:
    """The rows whose time is on none of the dates that the journal has for their file."""
    days = {to_ms(parse_instant(day)) // raw.DAY_MS for day in entry.dates}
    times = ((row, raw.event_time_ms(row)) for row in rows)
    return [row for row, ms in times if ms is None or ms // raw.DAY_MS not in days]


def _drop_others(paths: Paths, dates: list[str]) -> None:
    """After everything was staged, a partition of another date has no raw file any more."""
    for folder in paths.staging.glob("event_date=*"):
        if folder.name.removeprefix("event_date=") not in dates:
            shutil.rmtree(folder)


def _seen(paths: Paths) -> set[str]:
    """The folders `device/day` of data/raw at the last look; after most runs the same."""
    file = _seen_file(paths)
    return set(file.read_text("utf-8").splitlines()) if file.exists() else set()


def _trusted(paths: Paths, last: float | None, now: float) -> set[str]:
    """Folders of long ago that need no look: they were looked at today (UTC)."""
    day_s = DAY.total_seconds()
    return _seen(paths) if last is not None and last // day_s == now // day_s else set()


def _remember(paths: Paths, folders: Collection[str]) -> None:
    if folders != _seen(paths):
        files.write_text(_seen_file(paths), "\n".join(sorted(folders)) + "\n")


def _seen_file(paths: Paths) -> Path:
    return paths.staging / "_state" / "folders.txt"


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
