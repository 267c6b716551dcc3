"""Staging and marts made anew from the raw files for chosen UTC dates.

Belongs here: what a choice of dates is, and both steps for one. Does not belong here: staging a
date (`staging.py`), building it (`marts.py`), running their notebooks (`pipeline.py`).

For when partitions were deleted or spoiled, or came from a copy: whatever they hold is not
read. The bookmarks of both steps stay as they are, so that an hourly run goes on as if nothing
had been done in between; where a rule changed it still does everything again.
"""

import time
from dataclasses import dataclass, field
from datetime import date

from lib import catalogue, held, marts, staged_date, staging, warehouse
from lib.config import Config
from lib.errors import ConfigError
from lib.files import literal
from lib.findings import Finding
from lib.journal import Journal
from lib.paths import Paths
from lib.progress import Progress, silent


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


@dataclass
class Report:
    """What became of the chosen dates, by step, and how long that took. [s]"""

    staged: staged_date.Report = field(default_factory=staged_date.Report)
    built: marts.Report = field(default_factory=marts.Report)
    seconds: float = 0.0

    @property
    def dates(self) -> list[str]:
        """The UTC dates made anew, with the later ones that changed with them, ascending."""
        return sorted({*self.staged.dates, *self.built.dates})

    @property
    def rows(self) -> int:
        """The rows staged on the chosen dates."""
        return self.staged.staged

    @property
    def findings(self) -> list[Finding]:
        """What staging found, as in an hourly run."""
        return self.staged.findings


def rebuild(
    paths: Paths, config: Config, first: date, last: date, *, progress: Progress = silent
) -> Report:
    """Make staging and marts anew for the dates from `first` to `last`, in UTC, both included.

    Later dates of the marts only as far as what a date leaves to the next changes. The caller
    holds the store (`origins.alone`). Raises ConfigError where `first` is after `last` or none
    of the dates holds a raw file.
    """
    began, only = time.monotonic(), chosen(paths, str(first), str(last))
    staged = staging.run(paths, config, only=only, progress=progress)
    built = marts.run(paths, config, only=only, progress=progress)
    catalogue.refresh(paths)
    return Report(staged, built, time.monotonic() - began)


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
