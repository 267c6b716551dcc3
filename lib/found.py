"""What a raw file says of itself: the journal's line for one that it does not know.

Belongs here: reading window, device and completeness from a file's name and rows, and what the
journal said of it before. Does not belong here: which files to look at (`archive.py`).
"""

import gzip
import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lib import raw
from lib.errors import BadRawFile, ConfigError
from lib.journal import Entry, Journal, Window
from lib.paths import Paths
from lib.raw import Row
from lib.times import DAY, from_ms, from_stamp, parse_instant, to_ms

NO_ROWS = hashlib.sha256(raw.encode([])).hexdigest()
_NAMED = re.compile(r"_(\d{8}T\d{6}Z)_(\d{8}T\d{6}Z)_logs(_partial|_import)?(-\d+)?\.json(\.gz)?$")


def latest_ms(paths: Paths, now_s: float) -> int:
    """From when on no event of a found file can be. [ms since 1970]

    Its rows do not always say when they were taken in. A whole UTC day counts or none of it; a
    store of another time lives by its own clock.
    """
    last = Journal(paths.journal).last()
    known_ms = max(now_s * 1000, to_ms(last.asked_at) if last else 0)
    return (int(known_ms) // raw.DAY_MS + 2) * raw.DAY_MS


def lines_of(paths: Paths, names: Collection[str]) -> dict[str, list[Entry]]:
    """All that the journal ever said of files, oldest first."""
    known: dict[str, list[Entry]] = {}
    for entry in Journal(paths.journal).since()[0]:
        if entry.file in names:
            known.setdefault(entry.file, []).append(entry)
    return known


def taken_back(entry: Entry) -> bool:
    """Whether a file's rows were taken back; a file that never had any was not."""
    return not entry.rows and entry.pages is None and entry.sha256 != NO_ROWS


def entry_of(
    file: Path,
    name: str,
    before: Sequence[Entry] = (),
    *,
    as_found: bool = True,
    latest_ms: int = raw.YEAR_3000_MS,
) -> Entry:
    """The journal's line for a file under its name in data/raw. Raises BadRawFile.

    It is the line of old where the content is what one said `before`; else what the file says
    of itself. One that was changed since, by those lines or not `as_found`, answers for nothing
    but its own rows.
    """
    device_id, rows = Path(name).parts[0], raw.read(file)
    raw.check_device(file, rows, device_id)
    dates = raw.event_dates(rows, latest_ms)
    if rows and not dates:
        raise no_usable_time(file, len(rows))
    sha256 = hashlib.sha256(raw.content(file)).hexdigest()
    for line in before:
        if line.sha256 == sha256:
            again = replace(line, file=name, rows=len(rows), dates=dates, pages=None)
            return replace(again, packed_sha256=raw.digest(file))
    named = _NAMED.search(Path(name).name) if as_found and not before else None
    packed = bool(named and named[5])
    ours = packed and (all(map(_by_us, rows)) if rows else raw.content(file) == raw.encode([]))
    told = _named_window(device_id, named) if named and (ours or not rows) else None
    window = told or (
        span(device_id, rows, file, latest_ms) if rows else _day(device_id, name, file)
    )
    return Entry(
        file=name,
        device_id=device_id,
        start=window.start,
        end=window.end,
        asked_at=_asked_at(rows, file),
        complete=bool(told and named and ours and not named[3]),
        rows=len(rows),
        sha256=sha256,
        dates=dates,
        packed_sha256=raw.digest(file),
    )


def no_usable_time(path: Path, rows: int) -> BadRawFile:
    """The error for a file of which no row can be put on any date."""
    return raw.bad_file(path, f"none of its {rows} rows has an event time that can be true")


def span(device_id: str, rows: list[Row], file: Path, latest_ms: int) -> Window:
    """The window from the first to the last event of rows. Raises BadRawFile without any."""
    times = [ms for row in rows if (ms := raw.event_time_ms(row, latest_ms)) is not None]
    if not times:
        raise raw.bad_file(file, "no row of it has an event time that can be true")
    return Window(device_id, from_ms(min(times)), from_ms(max(times)) + timedelta(seconds=1))


def _named_window(device_id: str, named: re.Match[str]) -> Window | None:
    """The window that a file's name tells, or None where its figures are no instants."""
    try:
        return Window(device_id, from_stamp(named[1]), from_stamp(named[2]))
    except ValueError:
        return None


def _day(device_id: str, name: str, file: Path) -> Window:
    """The day of a file's folder, for a file without rows. Raises BadRawFile."""
    try:
        start = datetime.strptime(Path(name).parent.name, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise raw.bad_file(file, "it has no row and its folder names no day") from None
    return Window(device_id, start, start + DAY)


def _by_us(row: Row) -> bool:
    return str(row.get("ingested_by", "")).startswith("tcc/")


def _asked_at(rows: list[Row], file: Path) -> datetime:
    """When the rows were asked for, as they say; an empty file's packing or its own time."""
    key = "ingestion_timestamp_utc"
    try:
        return max(parse_instant(str(row[key])) for row in rows if key in row)
    except (ValueError, ConfigError):
        at = _packed_at(file) or file.stat().st_mtime
        return datetime.fromtimestamp(at, UTC).replace(microsecond=0)


def _packed_at(file: Path) -> float | None:
    if file.suffix != ".gz":
        return None
    with gzip.open(file) as packed:
        packed.read(1)
        return packed.mtime
