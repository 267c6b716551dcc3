"""The append-only raw files: what came, as it came.

Belongs here: writing, reading and setting aside raw files. Does not belong here: what to
ask for (`ingest.py`), older archives and strays (`archive.py`), what rows mean.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lib import files
from lib.errors import BadRawFile
from lib.journal import Entry, Journal, Window
from lib.paths import Paths
from lib.times import from_ms, iso, stamp, to_ms

Row = dict[str, Any]
DAY_MS = 86_400_000
SECONDS_BELOW = 100_000_000_000  # a smaller number counts seconds, not milliseconds
YEAR_2000_MS = 946_684_800_000
YEAR_3000_MS = 32_503_680_000_000


def event_time_ms(row: Row, latest_ms: int = YEAR_3000_MS) -> int | None:
    """A row's event time; 10-digit seconds and ISO text are understood too. [ms since 1970]

    None where it has none, or one before 2000 or after `latest_ms`: no device lived then.
    """
    value = row.get("event_time")
    try:
        number = int(value)  # type: ignore[arg-type]
        ms = number * 1000 if abs(number) < SECONDS_BELOW else number
    except (TypeError, ValueError, OverflowError):
        ms = _iso_ms(value)
    return ms if YEAR_2000_MS <= ms < latest_ms else None


def _iso_ms(value: Any) -> int:
    """An instant as ISO text, or -1."""
    try:
        instant = datetime.fromisoformat(str(value))
    except ValueError:
        return -1
    return to_ms(instant if instant.tzinfo else instant.replace(tzinfo=UTC))


def event_dates(rows: Iterable[Row], asked_at: datetime | None = None) -> tuple[str, ...]:
    """The UTC dates of the rows' events, ascending; none is from a day after it was asked for."""
    latest_ms = to_ms(asked_at) + DAY_MS if asked_at else YEAR_3000_MS
    days = {ms // DAY_MS for row in rows if (ms := event_time_ms(row, latest_ms)) is not None}
    return tuple(str(from_ms(day * DAY_MS).date()) for day in sorted(days))


def encode(rows: Iterable[Row]) -> bytes:
    """Rows as a JSON array, one a line, every field as it came.

    Half a character (a lone surrogate) becomes "?": no reader of JSON would take the file.
    """
    lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    return b"[\n" + ",\n".join(lines).encode(errors="replace") + b"\n]\n"


def content(path: Path) -> bytes:
    """The unpacked bytes of a raw file. Raises BadRawFile."""
    try:
        packed = path.read_bytes()
        return gzip.decompress(packed) if path.suffix == ".gz" else packed
    except (OSError, EOFError, zlib.error) as error:
        raise bad_file(path, f"it cannot be unpacked ({error})") from error


def read_json(path: Path) -> Any:
    """The content of a JSON file, packed or not. Raises BadRawFile."""
    try:
        return json.loads(content(path))
    except (ValueError, RecursionError) as error:
        raise bad_file(path, f"it is not JSON ({error})") from error


def read(path: Path) -> list[Row]:
    """The rows of a raw file. Raises BadRawFile with the reason."""
    rows = read_json(path)
    if isinstance(rows, dict) and rows.get("success") is False:
        raise bad_file(path, f"it is an answer of the cloud with error {rows.get('code')}")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise bad_file(path, "it is not a list of log rows")
    return rows


def verify(path: Path, entry: Entry) -> list[Row]:
    """The rows of a raw file, checked against its line in the journal. Raises BadRawFile."""
    rows = read(path)
    if hashlib.sha256(content(path)).hexdigest() != entry.sha256:
        raise bad_file(path, "its content is not what the journal says")
    return rows


def bad_file(path: Path, why: str) -> BadRawFile:
    """The error for a file that cannot be used as log rows."""
    return BadRawFile(
        f"{why}.",
        where=str(path),
        risk="Its rows are missing from every figure until it is mended.",
        remedy="Mend it and run: tcc import FILE --device ID.",
    )


def write_window(
    paths: Paths,
    window: Window,
    rows: list[Row],
    *,
    asked_at: datetime,
    ingested_by: str,
    complete: bool,
    pages: int | None = None,
    origin_sha256: str = "",
    reports_only: bool = False,
) -> Entry:
    """Keep an answered window for ever: first the file, then its line in the journal.

    An empty window is a file too, and a window asked again is a new file. Only `complete`
    windows count as held. The packed file's own time says when the cloud was asked.
    """
    kept = [*_marked(rows, window.device_id, asked_at, ingested_by)]
    plain = encode(kept)
    dates = event_dates(kept, asked_at)
    stem = f"{window.device_id}_{stamp(window.start)}_{stamp(window.end)}_logs"
    stem += "" if complete else "_import" if origin_sha256 else "_partial"
    day = f"{window.start:%Y-%m-%d}" if complete or not dates else dates[-1]
    file = files.write_new(
        paths.raw / window.device_id / day,
        lambda n: f"{stem}{'' if n == 1 else f'-{n}'}.json.gz",
        gzip.compress(plain, 6, mtime=int(asked_at.timestamp())),
    )
    entry = Entry(
        file=str(file.relative_to(paths.raw)),
        device_id=window.device_id,
        start=window.start,
        end=window.end,
        asked_at=asked_at,
        complete=complete,
        rows=len(kept),
        sha256=hashlib.sha256(plain).hexdigest(),
        dates=dates,
        pages=pages,
        origin_sha256=origin_sha256,
        reports_only=reports_only,
    )
    Journal(paths.journal).append(entry)
    return entry


def _marked(rows: Iterable[Row], device_id: str, at: datetime, by: str) -> Iterator[Row]:
    """Add who asked and when; what an older archive says of itself stays as it is."""
    added = {"device_id": device_id, "ingestion_timestamp_utc": iso(at), "ingested_by": by}
    for row in rows:
        yield row | {key: value for key, value in added.items() if key not in row}


def set_aside(paths: Paths, file: Path, error: BadRawFile, entry: Entry | None) -> Path:
    """Move a bad file to the quarantine, with the reason beside it, and take its window back."""
    relative = file.relative_to(paths.raw)
    target = files.link_new(
        file,
        paths.quarantine / relative.parent,
        lambda n: file.name if n == 1 else f"{n}-{file.name}",
    )
    reason = {"file": str(relative), "what": error.what, "remedy": error.remedy}
    files.write_text(_reason(target), json.dumps(reason, ensure_ascii=False, indent=1) + "\n")
    if entry:
        take_back(paths, entry)
    file.unlink()
    return target


def _reason(quarantined: Path) -> Path:
    return quarantined.with_name(f"{quarantined.name}.reason.json")


def reason(quarantined: Path) -> dict[str, str]:
    """Why a file was set aside: its name of old, what was wrong and the remedy."""
    told: dict[str, str] = json.loads(_reason(quarantined).read_text("utf-8"))
    return told


def take_back(paths: Paths, entry: Entry) -> None:
    """Hold a window no longer: it is asked for again while the cloud still has it."""
    Journal(paths.journal).append(replace(entry, complete=False, rows=0, pages=None))
