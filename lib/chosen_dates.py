"""A choice of UTC dates of which staging and marts are to be made anew from the raw files.

Belongs here: what a choice of dates is, and what is staged of one. Does not belong here: staging a
date (`staging.py`), building it (`marts.py`), running their notebooks (`pipeline.py`).

For when partitions were deleted or spoiled, or came from a copy: whatever they hold is not
read. The bookmarks of both steps stay as they are, so that an hourly run goes on as if nothing
had been done in between; where a rule changed it still does everything again.
"""

from dataclasses import dataclass
from datetime import date

from lib import held, warehouse
from lib.errors import ConfigError
from lib.files import literal
from lib.journal import Journal
from lib.paths import Paths


@dataclass(frozen=True)
class Chosen:
    """UTC dates as texts, such as `2026-03-14`, from the first to the last, both included."""

    first: str
    last: str

    def __contains__(self, day: object) -> bool:
        """Whether a date is among them."""
        return isinstance(day, str) and self.first <= day <= self.last

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


def chosen(paths: Paths, first_date: str, last_date: str) -> Chosen | None:
    """The dates that two texts choose, an empty one leaving its end open; None for two of them.

    Raises ConfigError where a text is no date, where they are the wrong way round, or where
    none of the dates holds a raw file.
    """
    if not first_date and not last_date:
        return None
    one = Chosen(_date(first_date or "0001-01-01"), _date(last_date or "9999-12-31"))
    if one.first > one.last:
        raise ConfigError(
            f"{one.first} is after {one.last}: there is no date between them.",
            risk="Nothing was changed.",
            remedy="Name the earlier date first, the later one last.",
        )
    days = _held(paths)
    if not any(day in one for day in days):
        known = f"Those of this store go from {min(days)} to {max(days)}." if days else ""
        raise ConfigError(
            f"none of the dates {one} (UTC) holds a raw file.",
            where=str(paths.raw),
            risk="Nothing was changed.",
            remedy=known or "Run: tcc run, which collects.",
        )
    return one


def staged(paths: Paths, only: Chosen) -> tuple[list[str], int]:
    """The chosen dates that are staged, ascending, and how many rows they hold."""
    files = [warehouse.partition(paths.staging, day) for day in sorted(_held(paths)) if day in only]
    there = [file for file in files if file.exists()]
    if not there:
        return [], 0
    with warehouse.connect() as connection:
        query = "SELECT count(*) FROM read_parquet($files, hive_partitioning = false)"
        named = {"files": [literal(file) for file in there]}
        ((rows,),) = connection.execute(query, named).fetchall()
    return [file.parent.name.partition("=")[2] for file in there], rows


def _date(text: str) -> str:
    """A date as ISO 8601 writes it. Raises ConfigError."""
    try:
        return str(date.fromisoformat(text))
    except ValueError:
        raise ConfigError(
            f"'{text}' is no date.",
            risk="Nothing was changed.",
            remedy="Write year, month and day, e.g. 2026-03-14; dates are those of UTC.",
        ) from None


def _held(paths: Paths) -> set[str]:
    """The dates of which there are raw files: of their windows, of their rows, of their folders.

    Files that the journal does not know yet lie in a folder named after their date.
    """
    lines = Journal(paths.journal).since()[0]
    named = {folder.name for folder in paths.raw.glob("*/????-??-??") if folder.is_dir()}
    return {day for line in lines for day in (*line.dates, *held.days(line))} | named
