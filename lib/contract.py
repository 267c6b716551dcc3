"""The contract of the tables: columns, units, keys and ranges, once, in `lib/schema.toml`.

Belongs here: reading it, checking a written file by it, printing it as `docs/data.md`. Does
not belong here: how a table is made (`lib/sql/`), what a failed check stops.
"""

import sys
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, ValidationError, model_validator

from lib import files, settings
from lib.errors import ConfigError, DataError
from lib.paths import ROOT
from lib.settings import Frozen

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SCHEMA = ROOT / "lib" / "schema.toml"
PAGE = ROOT / "lib" / "schema.md"  # what the page says around the tables
PARTITION = "event_date"  # every table's partitions are folders `event_date=YYYY-MM-DD`
TOLERANCE = 1e-9  # of a range's end, for sums of doubles

Offenders = dict[str, list[tuple[str | None, ...]]]  # broken rule -> rows


class Column(Frozen):
    """What one column holds."""

    name: str
    type: str = Field(min_length=1)
    meaning: str = Field(pattern=r"\.$")
    unit: str = ""
    nullable: bool = False
    min: float | None = None
    max: float | None = None
    above: float | None = None
    values: tuple[str, ...] = ()

    def rules(self) -> Iterator[str]:
        """SQL that is true of every row in which the column is as it should be."""
        if not self.nullable:
            yield f"{self.name} IS NOT NULL"
        if self.min is not None:
            yield f"{self.name} >= {self.min - _slack(self.min)!r}"
        if self.above is not None:
            yield f"{self.name} > {self.above!r}"
        if self.max is not None:
            yield f"{self.name} <= {self.max + _slack(self.max)!r}"
        if self.values:
            yield f"{self.name} IN ({', '.join(map(_quoted, self.values))})"

    @property
    def allowed(self) -> str:
        """The range or the values, in words; none where anything goes."""
        ends = (("from", self.min), ("above", self.above), ("to", self.max))
        known = [f"{word} {end:,g}" for word, end in ends if end is not None]
        return " ".join(known) or ", ".join(f"`{value}`" for value in self.values)


class Table(Frozen):
    """A table: its columns in order, its key, and how its files lie."""

    name: str
    folder: str
    grain: str
    key: tuple[str, ...] = Field(min_length=1)
    order: tuple[str, ...] = Field(min_length=1)
    partition: str | None = None
    rules: tuple[str, ...] = ()
    internal: bool = False
    columns: tuple[Column, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _named(cls, given: Any) -> Any:
        columns = given.get("columns") if isinstance(given, dict) else None
        if not isinstance(columns, dict):
            return given
        return given | {"columns": [{"name": n} | dict(c) for n, c in columns.items()]}

    @model_validator(mode="after")
    def _of_its_columns(self) -> Self:
        named = {*self.key, *self.order, *filter(None, [self.partition])}
        if unknown := sorted(named - {column.name for column in self.columns}):
            raise ValueError(f"{', '.join(unknown)}: no such column")
        return self

    @property
    def shape(self) -> list[tuple[str, str]]:
        """Names and types of the columns, in order."""
        return [(column.name, column.type) for column in self.columns]

    def all_rules(self) -> list[str]:
        """SQL that is true of every row: nothing missing, all in range, the right date."""
        own = [rule for column in self.columns for rule in column.rules()] + [*self.rules]
        return own + ([of_day(self)] if self.partition else [])


def _slack(end: float) -> float:
    return TOLERANCE * max(1.0, abs(end))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def of_day(table: Table) -> str:
    """The rule that a row is of its partition's date; turning each instant into one is slow."""
    column, start = table.partition, "$day::TIMESTAMPTZ"
    if dict(table.shape)[column or ""] == "DATE":
        return f"{column} = $day::DATE"
    return f"{column} >= {start} AND {column} < {start} + INTERVAL 1 DAY"


@cache
def tables() -> dict[str, Table]:
    """Every table of the contract, by name. Raises ConfigError."""
    return read(SCHEMA)


def read(file: Path) -> dict[str, Table]:
    """The tables that a schema file describes. Raises ConfigError."""
    described = settings.parse(file, tomllib.loads)
    try:
        return {name: Table.model_validate({"name": name} | own) for name, own in described.items()}
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise ConfigError(
            f"{error.title}: {'; '.join(faults)}.",
            where=str(file),
            risk="Nothing is staged or built without it.",
            remedy="Its first lines say what a table and a column need.",
        ) from None


def for_people() -> list[Table]:
    """The tables that the catalogue shows."""
    return [table for table in tables().values() if not table.internal]


def offenders(
    connection: "DuckDBPyConnection", table: str, file: Path, day: str, *, keyed: bool = True
) -> Offenders:
    """What of a table's written file is not as agreed: each broken rule with its rows.

    A row is its number in the file and its key, as text. Where columns or types are others,
    nothing else is looked at; `keyed=False` leaves key and order to others.
    """
    agreed = tables()[table]
    if other := _other_shape(connection, agreed, file):
        return {"columns and types": other}
    rules = agreed.all_rules()
    sound = " AND ".join(f"coalesce({rule}, true)" for rule in rules)
    suspect = _run(connection, f"SELECT count(*) FROM {FILE} WHERE NOT ({sound})", file, day)
    queries = {
        rule: f"SELECT *, NOT coalesce({rule}, true) AS broken FROM {FILE}" for rule in rules
    }
    queries = queries if suspect != [(0,)] else {}  # rule by rule would cost twice as much
    queries |= _of_keys(agreed) if keyed else {}
    key = ", ".join(f"{name}::VARCHAR" for name in ("file_row_number", *agreed.key))
    found = {
        rule: _run(connection, f"SELECT {key} FROM ({query}) WHERE broken", file, day)
        for rule, query in queries.items()
    }
    return {rule: rows for rule, rows in found.items() if rows}


def judge(
    connection: "DuckDBPyConnection", table: str, file: Path, day: str, *, keyed: bool = True
) -> None:
    """Refuse a written file that breaks the contract. Raises DataError."""
    for rule, rows in offenders(connection, table, file, day, keyed=keyed).items():
        raise DataError(
            f"{len(rows)} row(s) break the contract ({rule}), first {rows[0]}.",
            where=f"{table} {day}",
            risk="The old partition stays; what it is made from is untouched.",
            remedy="See lib/schema.toml.",
        )


FILE = "read_parquet($file, file_row_number = true, hive_partitioning = false)"


def _run(connection: "DuckDBPyConnection", query: str, file: Path, day: str) -> list[Any]:
    given = {"file": files.literal(file)} | ({"day": day} if "$day" in query else {})
    return connection.execute(query, given).fetchall()


def _other_shape(
    connection: "DuckDBPyConnection", table: Table, file: Path
) -> list[tuple[str | None, ...]]:
    """Columns, by place, whose name or type is another one than agreed."""
    relation = connection.read_parquet(files.literal(file), hive_partitioning=False)
    found = zip(relation.columns, map(str, relation.types), strict=True)
    pairs = zip_longest(found, table.shape, fillvalue=(None, None))
    return [(*is_, *should) for is_, should in pairs if is_ != should]


def _of_keys(table: Table) -> dict[str, str]:
    """Queries that mark rows whose key stands more than once, or that are out of order."""
    key, order = ", ".join(table.key), ", ".join(table.order)
    twice = f"SELECT *, count(*) OVER (PARTITION BY {key}) > 1 AS broken FROM {FILE}"
    above = f"lag(row({order})) OVER (ORDER BY file_row_number) > row({order})"
    return {
        f"key {key}": twice,
        f"order {order}": f"SELECT *, {above} AS broken FROM {FILE}",
    }


# ---- The page ------------------------------------------------------------------------------


def document() -> str:
    """The page `docs/data.md`: every table and column, and how to read them."""
    parts = [_overview(), *map(_described, for_people()), _internal()]
    return PAGE.read_text("utf-8").replace("TABLES\n", "\n".join(parts))


def _overview() -> str:
    rows = [(f"[`{t.name}`](#{t.name})", f"`data/{t.folder}/`", t.grain) for t in for_people()]
    return _markdown(("table", "where", "one row is"), rows)


def _described(table: Table) -> str:
    rows = [
        (f"`{c.name}`", c.type, c.unit, "yes" if c.nullable else "", c.allowed, c.meaning)
        for c in table.columns
    ]
    listed = _markdown(("column", "type", "unit", "NULL", "allowed", "meaning"), rows)
    lines = [f"## {table.name}", "", f"One row is {table.grain}.", ""]
    lines += [f"Key: {_names(table.key)}. Order in a file: {_names(table.order)}."]
    lines += [f"Partitions: the date of `{table.partition}`."] if table.partition else []
    lines += [f"In every row: {_names(table.rules)}."] if table.rules else []
    return "\n".join([*lines, "", listed])


def _internal() -> str:
    own = [f"- `data/{t.folder}/`: {t.grain}." for t in tables().values() if t.internal]
    text = "For the pipeline's own use, in no view, and changed without notice:"
    return "\n".join(["## Not for reading", "", text, "", *own, ""])


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _markdown(heading: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [heading, ("---",) * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
