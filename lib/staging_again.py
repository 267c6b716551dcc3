"""Chosen dates staged anew: which raw files they have, and the note that the marts must follow.

Belongs here: what is so only where a few dates are made anew. Does not belong here: staging
them (`staging.py`), what a choice is (`chosen_dates.py`).

Hourly the marts learn from the journal which dates are new; of dates staged anew it says
nothing. A note of them stays until the marts were built of them, whoever does that.
"""

import shutil
from collections.abc import Collection, Container
from pathlib import Path

from lib import files, raw, staging_files
from lib.errors import BadRawFile
from lib.journal import Entry, Journal
from lib.paths import Paths
from lib.times import parse_instant, to_ms


def entries(paths: Paths, only: Container[str]) -> list[Entry]:
    """The journal's last line of each file that has rows on a chosen date, or once had."""
    lines = Journal(paths.journal).all()
    return [entry for entry in lines if any(day in only for day in entry.dates)]


def elsewhere(paths: Paths, entry: Entry, only: Container[str]) -> int:
    """How many rows of a file are on dates that were not chosen: nothing becomes of them now."""
    others = {day for day in entry.dates if day not in only}
    if not others:
        return 0
    try:
        rows = raw.read(paths.raw / entry.file)
    except BadRawFile:
        return 0  # it is set aside, whole, when one of its dates is staged
    days = {to_ms(parse_instant(day)) // raw.DAY_MS for day in others}
    times = map(raw.event_time_ms, rows)
    return sum(1 for ms in times if ms is not None and ms // raw.DAY_MS in days)


def drop_others(paths: Paths, days: Collection[str], only: Container[str] | None) -> None:
    """Remove partitions, of chosen dates or of all, that no raw file is under any more."""
    for folder in paths.staging.glob("event_date=*"):
        day = folder.name.removeprefix("event_date=")
        if day not in days and (only is None or day in only):
            shutil.rmtree(folder)


def note(paths: Paths, days: Collection[str]) -> None:
    """Note dates that are staged anew, once all their files are entered: the marts must follow."""
    _write(paths, waiting(paths) | set(days))


def waiting(paths: Paths) -> set[str]:
    """Dates that were staged anew and that the marts have not followed."""
    file = _file(paths)
    return set(file.read_text("utf-8").split()) if file.exists() else set()


def cut_short(paths: Paths) -> list[str]:
    """Dates noted by a run that died before it had staged them."""
    return [day for day in waiting(paths) if staging_files.is_read_whole(paths, day)]


def followed(paths: Paths, days: Collection[str]) -> None:
    """Take the note of dates back, which the marts were built of."""
    if known := waiting(paths):
        _write(paths, known - set(days))


def _write(paths: Paths, days: set[str]) -> None:
    if days:
        files.write_text(_file(paths), "\n".join(sorted(days)) + "\n")
    else:
        _file(paths).unlink(missing_ok=True)


def _file(paths: Paths) -> Path:
    return paths.staging / "_state" / "again.txt"
