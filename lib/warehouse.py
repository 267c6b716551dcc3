"""DuckDB: short connections, SQL from files, the read-only catalogue for people.

Belongs here: how SQL is run and where its files lie. Does not belong here: what it says.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from lib import files, paths
from lib.paths import Paths

Connection = duckdb.DuckDBPyConnection

TABLES = ("energy_hourly", "energy_daily", "voltage_10min", "gaps", "states")


@contextmanager
def connect(path: Path | None = None) -> Iterator[Connection]:
    """A short-lived connection in UTC; in memory, or read-only on the catalogue."""
    with duckdb.connect(str(path or ":memory:"), read_only=path is not None) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


@cache
def sql(name: str) -> str:
    """The text of `lib/sql/<name>.sql`."""
    return (paths.SQL / f"{name}.sql").read_text("utf-8")


def run(connection: Connection, name: str, parameters: dict[str, Any] | None = None) -> Connection:
    """Run each statement of a SQL file with the parameters that it names."""
    for statement in connection.extract_statements(sql(name)):
        used = {k: v for k, v in (parameters or {}).items() if k in statement.named_parameters}
        connection.execute(statement, used)
    return connection


def write_parquet(connection: Connection, table: str, target: Path) -> None:
    """Write a table as one Parquet file, in its order."""
    relation = connection.table(table)
    relation.write_parquet(str(target), compression="zstd")


def literal(path: Path) -> str:
    """A path that DuckDB takes as it is: brackets and the like are patterns to it."""
    return re.sub(r"([\[\]?*])", r"[\1]", str(path))


def partitions(folder: Path) -> str:
    """The glob of a table's partitions."""
    return f"{literal(folder)}/event_date=*/data_0.parquet"


def partition(folder: Path, day: str) -> Path:
    """The one file of a table's date."""
    return folder / f"event_date={day}" / "data_0.parquet"


def has_rows(folder: Path) -> bool:
    """Whether a table has any partition."""
    return folder.exists() and any(folder.glob("event_date=*/data_0.parquet"))


def frame(connection: Connection, query: str, parameters: dict[str, Any]) -> pd.DataFrame:
    """The result of a query as a DataFrame; instants in UTC."""
    table = connection.sql(query, params=parameters).to_arrow_table()
    result: pd.DataFrame = table.to_pandas(date_as_object=False)
    return result


def read(
    folder: Path, *, where: str = "true", parameters: dict[str, Any] | None = None
) -> pd.DataFrame:
    """The rows of a partitioned table as a DataFrame; without columns where there is none."""
    if not has_rows(folder):
        return pd.DataFrame()
    query = f"SELECT * FROM read_parquet($files, hive_partitioning = false) WHERE {where}"
    with connect() as connection:
        return frame(connection, query, {"files": partitions(folder), **(parameters or {})})


def refresh_catalogue(paths: Paths) -> Path:
    """Make the read-only catalogue anew, views only, and put it in the old one's place."""
    tables = {"readings": paths.staging} | {name: paths.marts / name for name in TABLES}
    with files.replacing(paths.catalogue) as new, duckdb.connect(str(new)) as connection:
        for name, folder in tables.items():
            if has_rows(folder):
                connection.execute(f"CREATE VIEW {name} AS {_view(folder)}")
    return paths.catalogue


def _view(folder: Path) -> str:
    """A view cannot have parameters; the path is ours."""
    glob = partitions(folder).replace("'", "''")
    return f"SELECT * FROM read_parquet('{glob}', hive_partitioning = true)"


def readings(paths: Paths, device: str, since: datetime) -> pd.DataFrame:
    """Staged rows of a device, by id or name, since an instant, oldest first."""
    return read(
        paths.staging,
        where="(device_id = $device OR device_name = $device) AND event_time >= $since "
        "ORDER BY event_time",
        parameters={"device": device, "since": since},
    )
