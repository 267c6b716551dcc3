"""The read-only catalogue: one file of views over staging and marts, for questions from outside.

Belongs here: making it anew under its readers, and asking it. Does not belong here: what the
tables hold (`contract.py`), our own questions, which name the files (`warehouse.py`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from lib import contract, files, warehouse
from lib.contract import Table
from lib.errors import ConfigError
from lib.paths import Paths
from lib.warehouse import Connection, quoted


def refresh(paths: Paths) -> Path:
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
                connection.execute(f"COMMENT ON VIEW {table.name} IS {quoted(table.grain)}")
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
    if not warehouse.has_rows(folder):
        shape = [*table.shape, (contract.PARTITION, "DATE")]
        return f"SELECT {', '.join(f'NULL::{kind} AS {name}' for name, kind in shape)} WHERE false"
    every = quoted(warehouse.partitions(folder))
    return f"SELECT * FROM read_parquet({every}, hive_partitioning = true)"


def _columns() -> str:
    """The contract as a view: what each column of each table holds."""
    rows = [
        (table.name, c.name, c.type, c.unit, c.allowed, c.meaning)
        for table in contract.for_people()
        for c in table.columns
    ]
    values = ", ".join(f"({', '.join(map(quoted, row))})" for row in rows)
    return f"FROM (VALUES {values}) AS t(table_name, column_name, type, unit, allowed, meaning)"


@contextmanager
def answer(paths: Paths, query: str) -> Iterator[duckdb.DuckDBPyRelation]:
    """What the catalogue answers to one SELECT (or DESCRIBE, SHOW, SUMMARIZE, FROM).

    Raises ConfigError without a catalogue or for another statement, duckdb.Error for a wrong one.
    """
    if not paths.catalogue.exists():
        raise warehouse.nothing(paths, "there is no catalogue yet")
    with warehouse.connect(paths.catalogue) as connection:
        kinds = [statement.type for statement in connection.extract_statements(query)]
        if kinds != [duckdb.StatementType.SELECT]:
            raise ConfigError(
                "only one question (SELECT, FROM, DESCRIBE, SHOW, SUMMARIZE) is answered: the "
                "catalogue is opened read-only.",
                remedy="Write results to a file with --csv FILE.",
            )
        yield connection.sql(query)
