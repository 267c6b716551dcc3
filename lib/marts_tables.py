"""Partitions of the marts: read to start from, compared, put in another's place.

Belongs here: what is done with one partition of any table. Does not belong here: what is in it
(`sql/marts_date.sql`), which dates are built (`marts.py`).
"""

from pathlib import Path

import duckdb

from lib import contract, files, warehouse
from lib.errors import DataError
from lib.paths import Paths
from lib.warehouse import Connection


def insert(connection: Connection, table: str, file: Path | None) -> None:
    """Read a partition that a date starts from. Raises DataError where that is spoiled."""
    if not file or not file.exists():
        return
    query = f"INSERT INTO {table} BY NAME FROM read_parquet($file, hive_partitioning = false)"
    try:
        connection.execute(query, {"file": files.literal(file)})
    except duckdb.Error as error:
        day = file.parent.name.removeprefix("event_date=")
        raise DataError(
            f"it cannot be read ({str(error).splitlines()[0]}).",
            where=str(file),
            risk="The dates after it keep what they hold; what they are made from is untouched.",
            remedy=f"Make the date anew: tcc stage --from {day} --to {day}.",
        ) from error


def replace(connection: Connection, paths: Paths, table: str, day: str) -> None:
    """Put a date's table in the old one's place, if it keeps the contract. Raises DataError."""
    target = warehouse.partition(paths.marts / table, day)
    with files.replacing(target, lambda new: contract.judge(connection, table, new, day)) as new:
        warehouse.write_parquet(connection, table, new)


def differs(connection: Connection, paths: Paths, table: str, day: str) -> bool:
    """Whether a date's table is another than before; so it is where that cannot be read."""
    old = warehouse.partition(paths.marts / table, day)
    if not old.exists():
        return True
    query = (
        f"WITH old AS (SELECT * FROM read_parquet($file, hive_partitioning = false)), "
        f"new AS (SELECT * FROM {table}) SELECT count(*) FROM "
        "((FROM old EXCEPT ALL FROM new) UNION ALL (FROM new EXCEPT ALL FROM old))"
    )
    try:
        return connection.execute(query, {"file": files.literal(old)}).fetchall() != [(0,)]
    except duckdb.Error:  # spoiled, or of other columns
        return True
