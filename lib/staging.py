"""Raw rows -> typed, unique rows in one Parquet file for each UTC date.

Belongs here: which dates to rebuild, by the journal and by the rules in force. Does not
belong here: building one date (`staged_date.py`), what a row means (`sql/stage_date.sql`).

State lies in `staging/_state`: how far the journal was read and by which rules, and for each
date the raw files that hold rows of it. It is a cache: without it everything is staged again.
"""

import time
from collections.abc import Collection, Container
from dataclasses import replace
from pathlib import Path

from lib import (
    archive,
    bookmark,
    files,
    found,
    raw,
    registry,
    staging_again,
    staging_files,
    staging_left_out,
    staging_pool,
)
from lib import staging_findings as said
from lib.bookmark import Bookmark
from lib.config import Config
from lib.datapoints import KNOWN
from lib.journal import Entry, Journal
from lib.paths import Paths
from lib.progress import Progress, silent
from lib.staged_date import Report
from lib.staging_files import Raw
from lib.times import DAY

RECENT = 131_072  # bytes of the journal: about a day of ten devices
SQL = ("stage_prepare", "stage_before", "stage_numbers", "stage_texts", "stage_date")


def run(
    paths: Paths,
    config: Config,
    *,
    rebuild: bool = False,
    only: Container[str] | None = None,
    progress: Progress = silent,
) -> Report:
    """Stage what the journal names since the last run; with `rebuild`, everything.

    Everything is staged again too where the journal is another one, or where a scale, a name
    or the SQL changed. Files that cannot be read are set aside; the rest goes on. With `only`
    chosen UTC dates are staged from all their files, and what is new elsewhere stays new.
    """
    began, report = time.monotonic(), Report()
    mark, scanned_at = (
        _bookmark(paths, config, rebuild=rebuild, chosen=only is not None),
        time.time(),
    )
    folders = archive.folders(paths.raw, _trusted(paths, mark.scanned_at, scanned_at))
    entries, offset = _new_entries(paths, mark, scanned_at, folders, report)
    if only is not None:
        entries = staging_again.entries(paths, only)
    new = {entry.file: entry for entry in entries}
    store = Raw(paths, new, mark.scanned_at, goes_on=mark.offset > 0 and only is None)
    report.files, report.dates = len(entries), _index(store, report, only)
    _build(store, config, report, progress)
    if only is not None or mark.offset == 0:
        staging_again.drop_others(paths, report.dates, only)
    if only is None:
        _remember(paths, folders.keys())
        _save(paths, config, mark, entries, offset, scanned_at)
    report.findings += [said.set_aside(path) for path in report.quarantined]
    report.findings += [
        said.changed(change, confirmed=change.name in config.confirmed_changes)
        for change in registry.changes(paths)
    ]
    report.seconds = time.monotonic() - began
    return report


def _build(store: Raw, config: Config, report: Report, progress: Progress) -> None:
    """Build the dates, then see what was left out."""
    most = len(report.dates)
    progress(0, most, f"{most} dates")
    for done, outcome in enumerate(staging_pool.built(store, config, report.dates), 1):
        report.add(outcome)
        progress(done, most, f"{outcome.day}, {most - done} left, {report.came:,} rows")
    staging_left_out.take_back_missing(store, report)
    report.findings += staging_left_out.undated(store, report)
    report.findings += report.by_code()


def _bookmark(paths: Paths, config: Config, *, rebuild: bool, chosen: bool) -> Bookmark:
    """Where to go on from; the beginning where everything must be done again.

    Then the state goes first, so that a run killed on its way begins there again. Of chosen
    dates the bookmark stays; where the rules changed it will not pass for one of those of before
    again, should they come back: then the dates are not all of one kind.
    """
    mark = bookmark.load(_file(paths), paths.journal)
    outdated = bookmark.outdated(mark, _rules(paths, config, set()))
    if chosen:
        if outdated:
            bookmark.save(_file(paths), replace(mark, rules={"*": ""}))
        return mark
    if rebuild or mark.offset == 0 or outdated:
        mark = Bookmark(generation=mark.generation + 1)
        bookmark.save(_file(paths), mark)
        staging_files.forget(paths)
    return mark


def generation(paths: Paths) -> int:
    """How often everything was staged again; what stands on it must be built again too."""
    return bookmark.load(_file(paths), paths.journal).generation


def current(paths: Paths, config: Config) -> bool:
    """Whether the partitions stand for the whole journal, by the rules in force."""
    mark = bookmark.load(_file(paths), paths.journal)
    whole = paths.journal.exists() and mark.offset == paths.journal.stat().st_size > 0
    undone = bookmark.outdated(mark, _rules(paths, config, set())) or staging_again.waiting(paths)
    return whole and not undone


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


def _index(store: Raw, report: Report, only: Container[str] | None) -> list[str]:
    """Enter each new file under the dates of its rows; the dates to rebuild, ascending.

    With those that a run left undone which died while it staged chosen dates.
    """
    by_date: dict[str, list[Entry]] = {}
    for entry in store.new.values():
        for day in entry.dates:
            if only is None or day in only:
                by_date.setdefault(day, []).append(entry)
    usable = {e.file for e in store.new.values() if staging_left_out.usable(store, e, report)}
    for day, entries in by_date.items():
        staging_files.enter(store.paths, day, entries, usable, anew=only is not None)
    if only is None:
        return sorted({*by_date, *staging_again.cut_short(store.paths)})
    for name in report.undated.keys() & usable:
        report.undated[name] -= staging_again.elsewhere(store.paths, store.new[name], only)
    staging_again.note(store.paths, by_date)
    return sorted(by_date)


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
