"""DuckDB: short connections, SQL from files, the read-only catalogue for people.

Belongs here: how SQL is run and where its files lie. Does not belong here: what it says, what a
table holds (`schema.toml`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb

from lib import contract, files, paths
from lib.contract import Table
from lib.errors import ConfigError
from lib.paths import Paths
from lib.times import from_ms, parse_instant

if TYPE_CHECKING:  # at run time only where a DataFrame is made: it takes time and memory
    import pandas as pd

Connection = duckdb.DuckDBPyConnection
Answer = TypeVar("Answer")
ASKED_AGAIN = 4  # times; a file is replaced once an hour
When = datetime | str | float  # an instant, as ISO text, or days back from the newest row


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


def table(
    connection: Connection, name: str, columns: dict[str, str], rows: Iterable[Sequence[Any]]
) -> None:
    """Make a temporary table of a few rows; `columns` are names and types."""
    values = list(zip(*rows, strict=True)) or [()] * len(columns)
    lists = dict(zip(columns, map(list, values), strict=True))
    chosen = ", ".join(f"unnest(${own}::{kind}[]) AS {own}" for own, kind in columns.items())
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT {chosen}", lists)


def write_parquet(connection: Connection, table: str, target: Path) -> None:
    """Write a table as one Parquet file, in its order.

    A file has one row group as a rule, of which a bloom filter says nothing: 3 % smaller without.
    """
    how = "FORMAT parquet, COMPRESSION zstd, WRITE_BLOOM_FILTER false"
    connection.execute(f"COPY {table} TO {_text(str(target))} ({how})")


def partitions(folder: Path) -> str:
    """The glob of a table's partitions."""
    return f"{files.literal(folder)}/event_date=*/data_0.parquet"


def partition(folder: Path, day: str) -> Path:
    """The one file of a table's date."""
    return folder / f"event_date={day}" / "data_0.parquet"


def has_rows(folder: Path) -> bool:
    """Whether a table has any partition."""
    return folder.exists() and any(folder.glob("event_date=*/data_0.parquet"))


def settled(ask: Callable[[], Answer]) -> Answer:
    """The answer to a question, asked again where a file was replaced while DuckDB read it.

    It opens a file more than once for a query, by name. Of two versions it makes an error, never
    rows; one of a spoilt file comes each time, and is raised.
    """
    for _ in range(ASKED_AGAIN):
        try:
            return ask()
        except duckdb.Error as error:
            if type(error) is not duckdb.Error and not isinstance(error, duckdb.IOException):
                raise
    return ask()


def frame(connection: Connection, query: str, parameters: dict[str, Any]) -> "pd.DataFrame":
    """The result of a query as a DataFrame; instants in UTC."""
    table = settled(lambda: connection.sql(query, params=parameters).to_arrow_table())
    result: pd.DataFrame = table.to_pandas(date_as_object=False)
    return result


def read(
    folder: Path, *, where: str = "true", parameters: dict[str, Any] | None = None
) -> "pd.DataFrame":
    """The rows of a partitioned table as a DataFrame; without columns where there is none."""
    if not has_rows(folder):
        import pandas as pd

        return pd.DataFrame()
    return _rows([partitions(folder)], where, parameters or {})


def refresh_catalogue(paths: Paths) -> Path:
    """Make the read-only catalogue anew, views only, and put it in the old one's place.

    Who has the old one open goes on reading: its views name the same files. What somebody wrote
    into the old one goes with it, and first of all the log that DuckDB keeps beside it: the new
    one could not be opened with that.
    """
    with files.replacing(paths.catalogue) as new:
        for log in new.parent.glob(f".{paths.catalogue.name}.*.tmp.wal"):
            if not log.with_suffix("").exists():  # of a killed refresh, whose file is gone
                log.unlink(missing_ok=True)
        with duckdb.connect(str(new)) as connection, _together(connection):
            for table in contract.for_people():
                view = _view(paths.data / table.folder, table)
                connection.execute(f"CREATE VIEW {table.name} AS {view}")
                connection.execute(f"COMMENT ON VIEW {table.name} IS {_text(table.grain)}")
            connection.execute(f"CREATE VIEW columns AS {_columns()}")
        _log(paths.catalogue).unlink(missing_ok=True)
    return paths.catalogue


@contextmanager
def _together(connection: Connection) -> Iterator[None]:
    """Put statements onto the disk once, not one by one."""
    connection.execute("BEGIN")
    yield
    connection.execute("COMMIT")


def _log(database: Path) -> Path:
    return database.with_name(f"{database.name}.wal")


def _view(folder: Path, table: Table) -> str:
    """A view cannot have parameters; the path is ours. Without a file it is empty."""
    if not has_rows(folder):
        shape = [*table.shape, (contract.PARTITION, "DATE")]
        return f"SELECT {', '.join(f'NULL::{kind} AS {name}' for name, kind in shape)} WHERE false"
    return f"SELECT * FROM read_parquet({_text(partitions(folder))}, hive_partitioning = true)"


def _columns() -> str:
    """The contract as a view: what each column of each table holds."""
    rows = [
        (table.name, c.name, c.type, c.unit, c.allowed, c.meaning)
        for table in contract.for_people()
        for c in table.columns
    ]
    values = ", ".join(f"({', '.join(map(_text, row))})" for row in rows)
    return f"FROM (VALUES {values}) AS t(table_name, column_name, type, unit, allowed, meaning)"


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def answer(paths: Paths, query: str) -> Iterator[duckdb.DuckDBPyRelation]:
    """What the catalogue answers to one SELECT (or DESCRIBE, SHOW, SUMMARIZE, FROM).

    Raises ConfigError without a catalogue or for another statement, duckdb.Error for a wrong one.
    """
    if not paths.catalogue.exists():
        raise _nothing(paths, "there is no catalogue yet")
    with connect(paths.catalogue) as connection:
        kinds = [statement.type for statement in connection.extract_statements(query)]
        if kinds != [duckdb.StatementType.SELECT]:
            raise ConfigError(
                "only one question (SELECT, FROM, DESCRIBE, SHOW, SUMMARIZE) is answered: the "
                "catalogue is opened read-only.",
                remedy="Write results to a file with --csv FILE.",
            )
        yield connection.sql(query)


def _nothing(paths: Paths, what: str) -> ConfigError:
    remedy = "Run: tcc stage, or tcc run where nothing was collected yet."
    return ConfigError(f"{what}.", where=str(paths.data), remedy=remedy)


def readings(
    paths: Paths, device: str, since: When, until: When | None = None, *, code: str | None = None
) -> "pd.DataFrame":
    """Staged rows of a device, by id or name, oldest first; of one code where it is named.

    From `since` to before `until`. Raises ConfigError where the device or an instant is unknown.
    """
    if not has_rows(paths.staging):
        raise _nothing(paths, "nothing is staged yet")
    days = sorted(paths.staging.glob(f"{contract.PARTITION}=*/data_0.parquet"))
    start, end = (
        _instant(days[-1], since),
        _instant(days[-1], "9999-12-31" if until is None else until),
    )
    first, last = (f"{contract.PARTITION}={edge:%Y-%m-%d}" for edge in (start, end))
    chosen = [files.literal(file) for file in days if first <= file.parent.name <= last]
    found = _rows(
        chosen or [files.literal(days[-1])],
        "(device_id = $device OR device_name = $device) "
        "AND ($code::VARCHAR IS NULL OR code = $code) "
        "AND event_time >= $start AND event_time < $end ORDER BY event_time, code",
        {"device": device, "code": code, "start": start, "end": end},
    )
    if found.empty:
        _must_be_known(paths, device)
    return found


def _rows(files: list[str], where: str, parameters: dict[str, Any]) -> "pd.DataFrame":
    query = f"SELECT * FROM read_parquet($files, hive_partitioning = false) WHERE {where}"
    with connect() as connection:
        return frame(connection, query, {"files": files, **parameters})


def _instant(newest: Path, when: When) -> datetime:
    """An instant as it was given; days back are counted from the newest row."""
    if isinstance(when, datetime | str):
        return parse_instant(when if isinstance(when, str) else when.isoformat())
    with connect() as connection:
        query = "SELECT max(epoch_us(event_time)) FROM read_parquet($file)"
        ((last_us,),) = connection.execute(query, {"file": files.literal(newest)}).fetchall()
    return from_ms(last_us / 1000) - timedelta(days=when)


def _must_be_known(paths: Paths, device: str) -> None:
    """Refuse a device of which no row is staged, naming those of which there are any."""
    query = "SELECT DISTINCT device_name, device_id FROM read_parquet($files) ORDER BY ALL"
    with connect() as connection:
        files = {"files": partitions(paths.staging)}
        known = connection.execute(query, files).fetchall()
    if device not in {word for row in known for word in row}:
        names = ", ".join(f"{name} ({own})" for name, own in known)
        raise ConfigError(
            f"no row of a device '{device}' is staged.",
            where=str(paths.staging),
            remedy=f"Name one of: {names}.",
        )
