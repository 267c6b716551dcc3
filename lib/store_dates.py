"""The UTC dates that a store or one of its tables has.

Belongs here: names of folders as dates. Does not belong here: what is in them, which of them
are made anew (`chosen_dates.py`).
"""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

from lib import contract
from lib.paths import Paths


def of(table: Path) -> list[date]:
    """The UTC dates of a partitioned table, ascending; none where it is empty or not there."""
    files = table.glob(f"{contract.PARTITION}=*/data_0.parquet")
    return _dates(file.parent.name.partition("=")[2] for file in files)


def first(paths: Paths) -> date | None:
    """The oldest UTC date of which the store has rows or raw files; None while it is empty."""
    raw = _dates(folder.name for folder in paths.raw.glob("*/????-??-??"))
    return min([*raw[:1], *of(paths.staging)[:1]], default=None)


def _dates(names: Iterable[str]) -> list[date]:
    found = set()
    for name in names:
        try:
            found.add(date.fromisoformat(name))
        except ValueError:  # a folder of somebody else's
            continue
    return sorted(found)
