"""One date of staging: its raw files -> one Parquet file, checked before it replaces the old.

Belongs here: running the SQL on the files of a date. Does not belong here: which dates
(`staging.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pandas as pd

from lib import checks, contract, files, raw, registry, warehouse
from lib import staging_findings as said
from lib.config import Config
from lib.datapoints import KNOWN, CodeSpec
from lib.errors import BadRawFile, DataError
from lib.findings import Finding
from lib.journal import Entry, Journal
from lib.paths import Paths
from lib.warehouse import Connection

FilesOf = Callable[[str], list[str]]


@dataclass
class Report:
    """What a run staged and what it set aside: rows in = staged + duplicate + conflicting +
    quarantined.

    Rows in are those of the touched dates, old and new, and what is on no date of the new files
    and of those set aside (as many as the journal knows of those). `came` are the rows on a
    date; `undated` counts, for each of these files, its rows on none.
    """

    files: int = 0
    dates: list[str] = field(default_factory=list)
    came: int = 0
    staged: int = 0
    duplicate: int = 0
    conflicting: int = 0
    undated: dict[str, int] = field(default_factory=dict)
    quarantined: list[Path] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def quarantined_rows(self) -> int:
        """Rows on no date: absurd times, and all of the files set aside."""
        return sum(self.undated.values())

    @property
    def rows_in(self) -> int:
        """All rows that this run had to do with."""
        return self.came + self.quarantined_rows

    def set_aside(self, moved: Path, name: str, entry: Entry | None) -> None:
        """Enter a file that was moved to the quarantine, with the rows that it was known for."""
        self.quarantined.append(moved)
        self.undated.setdefault(name, entry.rows if entry else 0)


def prepare(connection: Connection, paths: Paths, config: Config) -> None:
    """The tables that give a row its name, scale and unit."""
    specs = [
        (one.device_id, one.spec.code, one.valid_from, *_typed(one.spec))
        for one in registry.specifications(paths)
    ]
    columns = ["device_id", "code", "valid_from", "scale", "unit", "is_number", "is_integer"]
    connection.register("archived", pd.DataFrame(specs, columns=columns).astype({"scale": int}))
    assumed = [(c, p.scale, p.unit, p.kind != "state") for c, p in KNOWN.items()]
    connection.register("known", pd.DataFrame(assumed, columns=["code", *columns[3:6]]))
    names = list(registry.names(paths, config.devices).items())
    connection.register("named", pd.DataFrame(names, columns=["device_id", "device_name"]))
    warehouse.run(connection, "stage_prepare")


def _typed(spec: CodeSpec) -> tuple[int, str, bool, bool]:
    return spec.scale, spec.unit, spec.is_number, spec.is_integer


def build(
    connection: Connection, paths: Paths, day: str, files_of: FilesOf, report: Report
) -> None:
    """Build the partition of one date and put it in the old one's place.

    A raw file that cannot be read is set aside, and the date built without it.
    """
    target = warehouse.partition(paths.staging, day)
    names = files_of(day)
    if not names:
        target.unlink(missing_ok=True)
        return
    sources = [files.literal(paths.raw / name) for name in names]
    parameters = {"files": sources, "day": day, "root_length": len(str(paths.raw))}
    try:
        warehouse.run(connection, "stage_date", parameters)
    except duckdb.Error:
        if not _set_aside_unreadable(connection, paths, names, report):
            raise
        build(connection, paths, day, files_of, report)
        return
    with files.replacing(target, check=lambda written: _check(connection, written, day)) as new:
        warehouse.write_parquet(connection, "staged", new)
    counts = warehouse.run(connection, "stage_counts").fetchall()[0]
    report.came += counts[0]
    report.staged += counts[1]
    report.duplicate += counts[2]
    report.conflicting += counts[3]
    for name, rows in warehouse.run(connection, "stage_files").fetchall():
        if name in report.undated:
            report.undated[name] -= rows
    report.findings += [said.conflict(day, counts[3])] if counts[3] else []
    report.findings += [said.incomplete(day, counts[4])] if counts[4] else []


def _set_aside_unreadable(
    connection: Connection, paths: Paths, names: list[str], report: Report
) -> bool:
    """Find the files that DuckDB cannot read, whatever Python makes of them."""
    known = {entry.file: entry for entry in Journal(paths.journal).all()}
    before = len(report.quarantined)
    for name in names:
        if error := unreadable(connection, file := paths.raw / name):
            moved = raw.set_aside(paths, file, error, known.get(name))
            report.set_aside(moved, name, known.get(name))
    return len(report.quarantined) > before


def unreadable(connection: Connection, file: Path) -> BadRawFile | None:
    """The reason why DuckDB cannot read a file, if it cannot."""
    try:
        warehouse.run(connection, "stage_readable", {"files": [files.literal(file)]})
    except duckdb.Error as error:
        return raw.bad_file(file, f"DuckDB cannot read it ({str(error).splitlines()[0]})")
    return None


def unspecified(connection: Connection) -> list[Finding]:
    """What was staged with a typical scale or without any, or without its number."""
    rows = warehouse.run(connection, "stage_unspecified").fetchall()
    misfits = warehouse.run(connection, "stage_misfits").fetchall()
    return [said.unspecified(*row) for row in rows] + [said.misfit(*row) for row in misfits]


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
    contract.judge(connection, "readings", written, day, keyed=False)  # the key: checked above
