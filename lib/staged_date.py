"""One date of staging: its raw files -> one Parquet file, checked before it replaces the old.

Belongs here: running the SQL on the files of a date. Does not belong here: which dates
(`staging.py`).
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb

from lib import checks, contract, files, raw, registry, staging_files, warehouse
from lib import staging_findings as said
from lib.config import Config
from lib.datapoints import KNOWN, CodeSpec
from lib.errors import BadRawFile, DataError
from lib.findings import Finding
from lib.journal import Entry
from lib.paths import Paths
from lib.staging_files import Bad, Raw
from lib.times import iso
from lib.warehouse import Connection


@dataclass
class Outcome:
    """What became of the raw rows of one date, and of its files.

    `came` rows are staged + duplicate + conflicting; `by_file` tells how many came of each.
    `unspecified` and `misfits` are rows of the SQL files of that name.
    """

    day: str
    came: int = 0
    staged: int = 0
    duplicate: int = 0
    conflicting: int = 0
    incomplete: int = 0
    by_file: dict[str, int] = field(default_factory=dict)
    unspecified: list[tuple[str, str, bool]] = field(default_factory=list)
    misfits: list[tuple[str, str, int, str]] = field(default_factory=list)
    bad: Bad = field(default_factory=Bad)


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
    aside: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0
    _known: dict[tuple[str, str], bool] = field(default_factory=dict)
    _misfits: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)

    @property
    def quarantined_rows(self) -> int:
        """Rows on no date: absurd times, and all of the files set aside."""
        return sum(self.undated.values())

    @property
    def rows_in(self) -> int:
        """All rows that this run had to do with."""
        return self.came + self.quarantined_rows

    def add(self, one: Outcome) -> None:
        """Enter what became of a date."""
        self.came += one.came
        self.staged += one.staged
        self.duplicate += one.duplicate
        self.conflicting += one.conflicting
        for name, rows in one.by_file.items():
            if name in self.undated:
                self.undated[name] -= rows
        if one.conflicting:
            self.findings.append(said.conflict(one.day, one.conflicting))
        if one.incomplete:
            self.findings.append(said.incomplete(one.day, one.incomplete))
        self._known |= {(device, code): known for device, code, known in one.unspecified}
        for device, code, rows, example in one.misfits:
            before, other = self._misfits.get((device, code), (0, example))
            self._misfits[device, code] = before + rows, min(example, other)
        self.add_bad(one.bad)

    def add_bad(self, bad: Bad) -> None:
        """Enter files that cannot be used."""
        self.gone |= set(bad.gone)
        for moved, name, entry in bad.aside:
            self.set_aside(moved, name, entry)

    def set_aside(self, moved: Path, name: str, entry: Entry | None) -> None:
        """Enter a file that was moved to the quarantine, with the rows that it was known for."""
        self.quarantined.append(moved)
        self.aside.add(name)
        self.undated.setdefault(name, entry.rows if entry else 0)

    def by_code(self) -> list[Finding]:
        """What was staged with a typical scale or without any, or without its number."""
        typical = [said.unspecified(*key, known) for key, known in sorted(self._known.items())]
        return typical + [said.misfit(*key, *own) for key, own in sorted(self._misfits.items())]


def prepare(connection: Connection, paths: Paths, config: Config) -> None:
    """The tables that give a row its name, scale and unit."""
    text, whole, truth = "VARCHAR", "INTEGER", "BOOLEAN"
    specs = [
        (one.device_id, one.spec.code, iso(one.valid_from), *_typed(one.spec))
        for one in registry.specifications(paths)
    ]
    columns = {"device_id": text, "code": text, "valid_from": "TIMESTAMPTZ", "scale": whole}
    columns |= {"unit": text, "is_number": truth, "is_integer": truth}
    warehouse.table(connection, "archived", columns, specs)
    assumed = [
        (code, point.scale, point.unit, point.kind != "state") for code, point in KNOWN.items()
    ]
    columns = {"code": text, "scale": whole, "unit": text, "is_number": truth}
    warehouse.table(connection, "known", columns, assumed)
    names = registry.names(paths, config.devices).items()
    warehouse.table(connection, "named", {"device_id": text, "device_name": text}, names)
    warehouse.run(connection, "stage_prepare")


def _typed(spec: CodeSpec) -> tuple[int, str, bool, bool]:
    return spec.scale, spec.unit, spec.is_number, spec.is_integer


def build(connection: Connection, store: Raw, day: str) -> Outcome:
    """Build the partition of one date and put it in the old one's place.

    Rows that are staged already are taken from it, and only new files are read; all of them
    where that would not be the same. A file that cannot be read is set aside, and the date built
    without it.
    """
    outcome, target = Outcome(day), warehouse.partition(store.paths.staging, day)
    while sound := store.sound(day, outcome.bad):
        if _read(connection, store, day, sound, outcome.bad):
            break
    if not sound:
        target.unlink(missing_ok=True)
        return outcome
    if not _same(connection, target):
        with files.replacing(target, check=lambda written: _check(connection, written, day)) as new:
            warehouse.write_parquet(connection, "staged", new)
    outcome = _counted(connection, target, outcome)
    if not outcome.conflicting:
        staging_files.read_whole(store.paths, day, always=False)
    return outcome


def _same(connection: Connection, target: Path) -> bool:
    """Whether the partition has just these rows; the same written again would be other bytes."""
    if not target.exists() or connection.execute("SELECT 1 FROM before LIMIT 1").fetchall() == []:
        return False
    told = warehouse.run(connection, "stage_same", {"partition": files.literal(target)})
    return told.fetchall() == [(True,)]


def _read(connection: Connection, store: Raw, day: str, sound: dict[str, bytes], bad: Bad) -> bool:
    """Read the rows of a date; False where it must be done again in another way."""
    target, names = warehouse.partition(store.paths.staging, day), list(sound)
    read = (target.exists() and store.to_read(day, names)) or names
    goes_on, numbers = len(read) < len(names), staging_files.numbered(names)
    connection.execute("TRUNCATE before")
    try:
        if goes_on:
            warehouse.run(connection, "stage_before", {"partition": files.literal(target)})
        with files.scratch(staging_files.folder(store.paths), "gathered") as rows:
            wanted = ((numbers[name], name, sound[name]) for name in read)
            staging_files.gather(rows, store.root, wanted)
            parameters = {"rows": files.literal(rows), "day": day}
            _run(connection, parameters | {"names": names, "numbers": [*numbers.values()]})
    except (duckdb.Error, BadRawFile):
        if not goes_on and not _set_aside(connection, store, names, bad):
            raise
        staging_files.read_whole(store.paths, day)
        return False
    ((stands, conflicting),) = _rows(connection, "stage_stands")
    if conflicting or not stands:
        staging_files.read_whole(store.paths, day)
    return not goes_on or (stands and not conflicting)


def _run(connection: Connection, parameters: dict[str, Any]) -> None:
    """Read event times as numbers; as texts where one of them is none."""
    warehouse.run(connection, "stage_numbers")
    try:
        warehouse.run(connection, "stage_date", parameters)
    except duckdb.Error:
        warehouse.run(connection, "stage_texts")
        warehouse.run(connection, "stage_date", parameters)


def _set_aside(connection: Connection, store: Raw, names: list[str], bad: Bad) -> bool:
    """Set aside the files that DuckDB cannot read, whatever Python made of them."""
    before = len(bad.aside)
    for name in names:
        if error := unreadable(connection, store.root / name):
            store.set_aside(name, error, bad)
    return len(bad.aside) > before


def _counted(connection: Connection, written: Path, outcome: Outcome) -> Outcome:
    """Add what the date was made of."""
    checks.look_at(connection, written)
    (counts,) = _rows(connection, "stage_counts")
    came, staged, duplicate, conflicting, incomplete, misfits = counts
    return replace(
        outcome,
        came=came,
        staged=staged,
        duplicate=duplicate,
        conflicting=conflicting,
        incomplete=incomplete,
        by_file=dict(_rows(connection, "stage_files")),
        unspecified=_rows(connection, "stage_unspecified"),
        misfits=_rows(connection, "stage_misfits") if misfits else [],
    )


def _rows(connection: Connection, name: str) -> list[Any]:
    return warehouse.run(connection, name).fetchall()


def unreadable(connection: Connection, file: Path) -> BadRawFile | None:
    """The reason why DuckDB cannot read a file, if it cannot."""
    try:
        warehouse.run(connection, "stage_readable", {"files": [files.literal(file)]})
    except duckdb.Error as error:
        return raw.bad_file(file, f"DuckDB cannot read it ({str(error).splitlines()[0]})")
    return None


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
