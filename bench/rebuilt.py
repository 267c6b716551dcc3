"""A store made anew from another's raw files, and whether the two hold the same.

Belongs here: the second store, and comparing by content. Does not belong here: how the first
store came about (`year.py`), stores of which the raw rows differ too (`passes.py`).
"""

import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from lib import marts, staging, warehouse
from lib.config import Config
from lib.journal import Journal
from lib.paths import Paths
from lib.warehouse import Connection


@dataclass
class Compared:
    """How many partitions were compared, their rows by table, and which are not the same."""

    partitions: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    unequal: list[str] = field(default_factory=list)


def rebuilt(paths: Paths, folder: Path, config: Config, *, backwards: bool = False) -> Paths:
    """Stage and build everything from a store's raw files once more, in a new folder.

    The raw files are not copied; the journal is, and `backwards` it names them the other way
    round: then they come in another order.
    """
    again = Paths.at(folder)
    again.raw.mkdir(parents=True)
    for own in (own for own in paths.raw.iterdir() if own.is_dir()):
        (again.raw / own.name).symlink_to(own, target_is_directory=True)
    if paths.source.exists():
        shutil.copy2(paths.source, again.source)
    again.journal.write_text("".join(_lines(paths, backwards=backwards)), encoding="utf-8")
    staging.run(again, config, rebuild=True)
    marts.run(again, config, rebuild=True)
    return again


def _lines(paths: Paths, *, backwards: bool) -> list[str]:
    """The journal's lines; of a file that has several, the later one stays the later one."""
    by_file: dict[str, list[str]] = {}
    for entry in Journal(paths.journal).since()[0]:
        by_file.setdefault(entry.file, []).append(entry.line() + "\n")
    files = reversed(by_file) if backwards else by_file
    return [line for file in files for line in by_file[file]]


def compare(one: Paths, other: Paths) -> Compared:
    """Compare every partition of staging and of the marts: names, columns, rows, their order.

    Not bytes, and a partition at a time: a year need not fit into memory.
    """
    found = Compared()
    with warehouse.connect() as connection:
        for name in sorted(_partitions(one) | _partitions(other)):
            ours, theirs = (_content(connection, store.data / name) for store in (one, other))
            found.partitions += 1
            found.rows[Path(name).parent.parent.name] += ours.num_rows if ours else 0
            if ours is None or theirs is None or not ours.equals(theirs):
                found.unequal.append(name)
    return found


def _partitions(paths: Paths) -> set[str]:
    tables = [paths.staging, *(own for own in paths.marts.glob("*") if own.name[0] not in "._")]
    files = (file for table in tables for file in table.glob("event_date=*/data_0.parquet"))
    return {str(file.relative_to(paths.data)) for file in files}


def _content(connection: Connection, file: Path) -> pa.Table | None:
    if not file.exists():
        return None
    query = "SELECT * FROM read_parquet($file, hive_partitioning = false)"
    return connection.sql(query, params={"file": str(file)}).to_arrow_table()
