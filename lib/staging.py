"""Raw rows -> typed, unique rows in one Parquet file for each UTC date.

Belongs here: which dates to rebuild, and replacing a partition atomically. Does not belong
here: what a row means (`sql/stage_date.sql`), energy and gaps (`marts.py`).

State lies in `staging/_state`: how far the journal was read, and for each date the raw files
that hold rows of it. It is a cache: without it everything is staged again, to the same rows.
"""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pandas as pd

from lib import archive, checks, files, raw, registry, warehouse
from lib import staging_findings as said
from lib.config import Config
from lib.datapoints import KNOWN
from lib.errors import BadRawFile, DataError
from lib.findings import Finding
from lib.journal import Entry, Journal
from lib.paths import Paths
from lib.progress import Progress, silent
from lib.warehouse import Connection


@dataclass
class Report:
    """What a run staged: rows of the touched dates, which add up, and what was set aside."""

    files: int = 0
    dates: list[str] = field(default_factory=list)
    came: int = 0
    staged: int = 0
    duplicate: int = 0
    conflicting: int = 0
    quarantined: list[Path] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class _Position:
    """How far the journal was read, and when the raw folders were last looked through."""

    offset: int = 0
    scanned_at: float | None = None


def run(
    paths: Paths, config: Config, *, rebuild: bool = False, progress: Progress = silent
) -> Report:
    """Stage what the journal names since the last run; with `rebuild`, everything.

    Files that cannot be read are set aside with their reason; the rest goes on.
    """
    began, report = time.monotonic(), Report()
    position = _Position() if rebuild else _position(paths)
    scanned_at = time.time()
    entries, offset = _new_entries(paths, position, report)
    dates = _index(paths, entries, report, rebuild=rebuild)
    report.files, report.dates = len(entries), dates
    with warehouse.connect() as connection:
        _prepare(connection, paths, config)
        for done, day in enumerate(dates):
            progress(done, len(dates), day)
            _stage_date(connection, paths, day, report)
        unspecified = warehouse.run(connection, "stage_unspecified").fetchall()
        report.findings += [said.unspecified(*row) for row in unspecified]
    progress(len(dates), len(dates), "")
    _save(paths, _Position(offset, scanned_at))
    report.findings += [said.set_aside(path) for path in report.quarantined]
    report.seconds = time.monotonic() - began
    return report


def _new_entries(paths: Paths, position: _Position, report: Report) -> tuple[list[Entry], int]:
    """Entries since the position, those of files that the journal did not know included."""
    journal = Journal(paths.journal)
    entered = {entry.file for entry in journal.since(position.offset)[0]}
    _, bad = archive.adopt_strays(paths, entered=entered, scanned_at=position.scanned_at)
    report.quarantined += bad
    entries, offset = journal.since(position.offset)
    return list({entry.file: entry for entry in entries}.values()), offset


def _index(paths: Paths, entries: list[Entry], report: Report, *, rebuild: bool) -> list[str]:
    """Enter each good file under the dates of its rows; the dates to rebuild, ascending."""
    by_date: dict[str, list[str]] = {}
    for entry in entries:
        good = _validated(paths, entry, report)
        for day in entry.dates:
            by_date.setdefault(day, []).extend([entry.file] if good else [])
    if rebuild:
        for old in _dates_folder(paths).glob("*.txt"):
            old.unlink()
    for day, names in by_date.items():
        known = set(_files_of(paths, day))
        for name in sorted(set(names) - known):
            files.append_line(_dates_folder(paths) / f"{day}.txt", name)
    return sorted(by_date)


def _validated(paths: Paths, entry: Entry, report: Report) -> bool:
    """Whether a new file can be read and is what the journal says; else set it aside."""
    file = paths.raw / entry.file
    if not file.exists():
        return False
    try:
        rows = raw.verify(file, entry)
    except BadRawFile as error:
        report.quarantined.append(raw.set_aside(paths, file, error, entry))
        return False
    undated = sum(raw.event_time_ms(row) is None for row in rows)
    report.findings += [said.undated(file, undated)] if undated else []
    return True


def _prepare(connection: Connection, paths: Paths, config: Config) -> None:
    """The tables that give a row its name, scale and unit."""
    specs = [
        (s.device_id, s.spec.code, s.valid_from, s.spec.scale, s.spec.unit, s.spec.is_number)
        for s in registry.specifications(paths)
    ]
    columns = ["device_id", "code", "valid_from", "scale", "unit", "is_number"]
    connection.register("archived", pd.DataFrame(specs, columns=columns).astype({"scale": int}))
    assumed = [(c, p.scale, p.unit, p.kind != "state") for c, p in KNOWN.items()]
    connection.register("known", pd.DataFrame(assumed, columns=["code", *columns[3:]]))
    names = list(registry.names(paths, config.devices).items())
    connection.register("named", pd.DataFrame(names, columns=["device_id", "device_name"]))
    warehouse.run(connection, "stage_prepare")


def _stage_date(connection: Connection, paths: Paths, day: str, report: Report) -> None:
    """Build the partition of one date and put it in the old one's place."""
    target = warehouse.partition(paths.staging, day)
    names = _files_of(paths, day)
    if not names:
        target.unlink(missing_ok=True)
        return
    sources = [str(paths.raw / name) for name in names]
    parameters = {"files": sources, "day": day, "root_length": len(str(paths.raw))}
    try:
        warehouse.run(connection, "stage_date", parameters)
    except duckdb.Error:
        if not _set_aside_unreadable(paths, names, report):
            raise
        _stage_date(connection, paths, day, report)
        return
    with files.replacing(target, check=lambda written: _check(connection, written, day)) as new:
        warehouse.write_parquet(connection, "staged", new)
    counts = warehouse.run(connection, "stage_counts").fetchone() or (0, 0, 0, 0, 0)
    report.came += counts[0]
    report.staged += counts[1]
    report.duplicate += counts[2]
    report.conflicting += counts[3]
    report.findings += [said.conflict(day, counts[3])] if counts[3] else []
    report.findings += [said.incomplete(day, counts[4])] if counts[4] else []


def _set_aside_unreadable(paths: Paths, names: Iterable[str], report: Report) -> bool:
    """A file that went bad after it was staged stops the query: find it and set it aside."""
    known = {entry.file: entry for entry in Journal(paths.journal).all()}
    before = len(report.quarantined)
    for name in names:
        if name in known:
            _validated(paths, known[name], report)
    return len(report.quarantined) > before


def _check(connection: Connection, written: Path, day: str) -> None:
    """Judge what was written before it replaces what was there. Raises DataError."""
    for check, offenders in checks.offenders(connection, "staging", written, day).items():
        if offenders:
            raise DataError(
                f"{len(offenders)} rows fail the check {check}, first {offenders[0]}.",
                where=f"staging {day}",
                risk="The old partition stays; the new rows are in data/raw.",
                remedy=f"See lib/sql/checks/{check}.sql.",
            )


def _dates_folder(paths: Paths) -> Path:
    return paths.staging / "_state" / "dates"


def _files_of(paths: Paths, day: str) -> list[str]:
    """The raw files with rows of a date that are still there, sorted."""
    index = _dates_folder(paths) / f"{day}.txt"
    names = set(index.read_text("utf-8").split("\n")) - {""} if index.exists() else set()
    return sorted(name for name in names if (paths.raw / name).exists())


def _position(paths: Paths) -> _Position:
    file = paths.staging / "_state" / "position.json"
    return _Position(**json.loads(file.read_text("utf-8"))) if file.exists() else _Position()


def _save(paths: Paths, position: _Position) -> None:
    text = json.dumps({"offset": position.offset, "scanned_at": position.scanned_at})
    files.write_text(paths.staging / "_state" / "position.json", text + "\n")
