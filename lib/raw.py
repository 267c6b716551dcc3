"""The append-only raw files: what came, as it came.

Belongs here: writing, reading and setting aside raw files. Does not belong here: what to
ask for (`ingest.py`), older archives and strays (`archive.py`), what rows mean.
"""

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import count
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
ISO = re.compile(r"\d{4}-\d\d-\d\d($|[T ]\d\d:\d\d)")
REMEDY = (
    "Mend it where it lies and run: tcc quarantine retry; or bring a good copy: "
    "tcc import FILE --device ID."
)


def event_time_ms(row: Row, latest_ms: int = YEAR_3000_MS) -> int | None:
    """A row's event time; 10-digit seconds and ISO text are understood too. [ms since 1970]

    None where it has none, or an absurd one: before 2000, from `latest_ms` on, or more than a
    day after the row says it was taken in. `sql/stage_date.sql` has the same rule.
    """
    value = row.get("event_time")
    try:
        number = round(value) if isinstance(value, float) else int(value)  # type: ignore[arg-type]
        ms = number * 1000 if abs(number) < SECONDS_BELOW else number
    except (TypeError, ValueError, OverflowError):
        ms = _iso_ms(str(value))
    taken_in = row.get("ingestion_timestamp_utc")
    if taken_in and (taken_in_ms := _iso_ms(str(taken_in))) >= 0:
        latest_ms = min(YEAR_3000_MS, taken_in_ms + DAY_MS + 1)
    return ms if YEAR_2000_MS <= ms < latest_ms else None


@lru_cache(maxsize=4096)  # the rows of an answer were all taken in at one instant
def _iso_ms(text: str) -> int:
    """An instant as ISO text that DuckDB reads too, or -1."""
    try:
        instant = datetime.fromisoformat(text if ISO.match(text) else "")
    except ValueError:
        return -1
    return to_ms(instant if instant.tzinfo else instant.replace(tzinfo=UTC))


def event_dates(rows: Iterable[Row], latest_ms: int = YEAR_3000_MS) -> tuple[str, ...]:
    """The UTC dates of the rows' events, ascending; absurd ones are left out."""
    days = {ms // DAY_MS for row in rows if (ms := event_time_ms(row, latest_ms)) is not None}
    return tuple(str(from_ms(day * DAY_MS).date()) for day in sorted(days))


def encode(rows: Iterable[Row]) -> bytes:
    """Rows as a JSON array, one a line, every field as it came.

    Half a character (a lone surrogate) becomes "?": no reader of JSON would take the file.
    """
    lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    return b"[\n" + ",\n".join(lines).encode(errors="replace") + b"\n]\n"


def content(path: Path, packed: bytes | None = None) -> bytes:
    """The unpacked bytes of a raw file, of which `packed` was read. Raises BadRawFile."""
    try:
        packed = path.read_bytes() if packed is None else packed
        return gzip.decompress(packed) if path.suffix == ".gz" else packed
    except (OSError, EOFError, zlib.error) as error:
        raise bad_file(path, f"it cannot be unpacked ({error})") from error


def read_json(path: Path) -> Any:
    """The content of a JSON file, packed or not. Raises BadRawFile."""
    return _parsed(path, content(path))


def _parsed(path: Path, plain: bytes) -> Any:
    try:
        return json.loads(plain)
    except (ValueError, RecursionError) as error:
        why = str(error) if plain else "it is empty, 0 bytes"
        raise bad_file(path, f"it is not JSON ({why})") from error


def read(path: Path) -> list[Row]:
    """The rows of a raw file. Raises BadRawFile with the reason."""
    return rows_of(path, content(path))


def rows_of(path: Path, plain: bytes) -> list[Row]:
    """The rows that the unpacked bytes of a file are. Raises BadRawFile with the reason."""
    rows = _parsed(path, plain)
    if isinstance(rows, dict) and rows.get("success") is False:
        raise bad_file(path, f"it is an answer of the cloud with error {rows.get('code')}")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise bad_file(path, "it is not a list of log rows")
    return rows


def check_device(path: Path, rows: Iterable[Row], device_id: str) -> None:
    """Raise BadRawFile where rows say that they are of another device than their folder's."""
    others = {str(row["device_id"]) for row in rows if row.get("device_id")} - {device_id}
    if others:
        named = ", ".join(sorted(others))
        raise bad_file(path, f"it holds rows of {named}, not of {device_id} alone")


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

    A window asked again, or empty, is a new file too. Only `complete` windows count as held.
    The packed file's own time says when the cloud was asked.
    """
    kept = [*_marked(rows, window.device_id, asked_at, ingested_by)]
    # Without its hash staging looks at the rows themselves, and sets them aside.
    foreign = any(row["device_id"] != window.device_id for row in kept)
    plain = encode(kept)
    packed = gzip.compress(plain, 6, mtime=int(asked_at.timestamp()))
    dates = event_dates(kept, to_ms(asked_at) + DAY_MS)
    day = f"{window.start:%Y-%m-%d}" if complete or not dates else dates[-1]
    folder = paths.raw / window.device_id / day
    names = _names(window, "" if complete else "_import" if origin_sha256 else "_partial")
    file = files.write_new(folder, names, packed)
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
        packed_sha256="" if foreign else hashlib.sha256(packed).hexdigest(),
    )
    Journal(paths.journal).append(entry)
    return entry


def _names(window: Window, kind: str) -> Callable[[int], str]:
    """The names that the file of a window may take."""
    stem = f"{window.device_id}_{stamp(window.start)}_{stamp(window.end)}_logs{kind}"
    return lambda n: f"{stem}{'' if n == 1 else f'-{n}'}.json.gz"


def _marked(rows: Iterable[Row], device_id: str, at: datetime, by: str) -> Iterator[Row]:
    """Add who asked and when; what an older archive says of itself stays as it is."""
    added = {"device_id": device_id, "ingestion_timestamp_utc": iso(at), "ingested_by": by}
    for row in rows:
        yield row | {key: value for key, value in added.items() if key not in row}


def set_aside(
    paths: Paths, file: Path, error: BadRawFile, entry: Entry | None, *, ask_again: bool = True
) -> Path:
    """Move a bad file to the quarantine, with the reason beside it, and take its window back.

    Without `ask_again` its window stays answered: the cloud would say the same once more.
    """
    relative = file.relative_to(paths.raw)
    folder = paths.quarantine / relative.parent
    # A run killed between the next two lines left the second name already.
    target = linked(file, folder) or files.link_new(file, folder, lambda n: _aside(n, file.name))
    write_reason(target, {"file": str(relative), "what": error.what, "sha256": digest(file)})
    if entry:
        take_back(paths, entry, ask_again=ask_again)
    file.unlink()
    return target


def _aside(number: int, name: str) -> str:
    return name if number == 1 else f"{number}-{name}"


def linked(file: Path, folder: Path) -> Path | None:
    """The name that the very same file has in the quarantine already, if it has one."""
    for number in count(1):
        target = folder / _aside(number, file.name)
        if not target.exists():
            return None
        if target.samefile(file):
            return target
    return None


def digest(file: Path) -> str:
    """The SHA-256 of a file as it lies there, or nothing where the disk cannot read it."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""


def write_reason(quarantined: Path, told: dict[str, str]) -> Path:
    """Write why a file was set aside beside it, with what to do about it."""
    plain = told | {"remedy": REMEDY}
    text = json.dumps(plain, ensure_ascii=False, indent=1) + "\n"
    return files.write_text(reason_file(quarantined), text)


def reason_file(quarantined: Path) -> Path:
    """Where the reason of a file in quarantine lies."""
    return quarantined.with_name(f"{quarantined.name}.reason.json")


def reason(quarantined: Path) -> dict[str, str]:
    """Why a file was set aside: its name of old, what was wrong and the remedy."""
    told: dict[str, str] = json.loads(reason_file(quarantined).read_text("utf-8"))
    return told


def take_back(paths: Paths, entry: Entry, *, ask_again: bool = True) -> None:
    """Count no row of a file any more; with `ask_again` its window is asked for once more."""
    held = entry.complete and not ask_again
    Journal(paths.journal).append(replace(entry, complete=held, rows=0, pages=None))
