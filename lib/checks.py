"""Checks in SQL on a written partition; a check returns the offending rows, none is good.

Belongs here: running `sql/checks/*.sql`. Does not belong here: what a failed check stops.
"""

import itertools
from pathlib import Path
from typing import Any

from lib import paths, warehouse
from lib.warehouse import Connection


def names(table: str) -> list[str]:
    """The checks on a table, by the names of their SQL files."""
    return sorted(file.stem for file in (paths.SQL / "checks").glob(f"{table}_*.sql"))


def described(table: str) -> dict[str, str]:
    """What each check on a table looks for, in the words at the head of its SQL file."""
    return {name: _head(paths.SQL / "checks" / f"{name}.sql") for name in names(table)}


def _head(file: Path) -> str:
    written = file.read_text("utf-8").splitlines()
    lines = itertools.takewhile(lambda line: line.startswith("--"), written)
    return " ".join(line.removeprefix("--").strip() for line in lines)


def look_at(connection: Connection, file: Path) -> None:
    """Let SQL see a partition's file as `partition`."""
    quoted = str(file).replace("'", "''")  # a view cannot have parameters; the path is ours
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW partition AS SELECT * FROM read_parquet("
        f"'{quoted}', file_row_number = true, hive_partitioning = false)"
    )


def offenders(
    connection: Connection, table: str, file: Path, day: str
) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of a partition's file that offend each check on its table."""
    look_at(connection, file)
    return {
        name: warehouse.run(connection, f"checks/{name}", {"day": day}).fetchall()
        for name in names(table)
    }
