"""Which spans of each device were asked about in whole, by date: what observation rests on.

Belongs here: spans from the journal, kept as a table by date, and the whole journal as a table
for those that need all of it. Does not belong here: what was seen in them (`marts.py`), what to
ask next (`ingest.py`).

Python parses a line of the journal in some ten microseconds, and two years have 175,000: what
runs each hour reads the new lines, or lets DuckDB read all of them (`sql/journal.sql`).
"""

import os
from collections.abc import Container, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from lib import files, raw, spans, warehouse
from lib.config import Ingestion
from lib.journal import Entry
from lib.paths import Paths
from lib.spans import Span
from lib.times import parse_instant
from lib.warehouse import Connection

Spans = dict[tuple[str, str], list[Span]]  # (date, device) -> spans of it


def span(entry: Entry, settings: Ingestion) -> Span | None:
    """The span that a raw file answers for, or None.

    A complete window counts from where the cloud still held it to when it was asked. An older
    archive counts from its first to its last event: nobody can say more of it. A window cut
    short counts not at all, nor one that was taken back.
    """
    if entry.complete:
        memory = timedelta(days=settings.retention_days)
        return max(entry.start, entry.asked_at - memory), min(entry.end, entry.asked_at)
    cut_short = "_logs_partial" in entry.file and not entry.origin_sha256  # found after a crash
    archived = entry.rows and entry.pages is None and not cut_short
    return (entry.start, entry.end) if archived else None


def by_date(entries: Iterable[Entry], settings: Ingestion) -> Spans:
    """The spans of entries, cut at midnight UTC."""
    found: Spans = {}
    for entry in entries:
        if own := span(entry, settings):
            for start, end in spans.by_day(*own):
                found.setdefault((f"{start:%Y-%m-%d}", entry.device_id), []).append((start, end))
    return found


def update(
    connection: Connection,
    paths: Paths,
    entries: list[Entry],
    settings: Ingestion,
    anew: Container[str] | None = None,
) -> set[str]:
    """Enter what new entries answer for into the table; the dates whose spans changed.

    Where a window was taken back its dates are counted anew from the whole journal. With `anew`
    so are those of the entries that it names, and no other date is touched.
    """
    new = by_date(entries, settings)
    back = {day for e in entries if not e.complete and not e.rows for day in days(e)}
    if anew is not None:
        back, new = {day for day in back | {day for day, _ in new} if day in anew}, {}
    whole = by_date(_touching(connection, paths, back), settings) if back else {}
    changed = set()
    for day in sorted({day for day, _ in new} | back):
        before = {} if day in back else read(connection, paths, day)
        source = whole if day in back else new
        after = {device: list(own) for device, own in before.items()}
        for (date, device), own in source.items():
            if date == day:
                after.setdefault(device, []).extend(own)
        merged = {device: spans.merge(own) for device, own in sorted(after.items())}
        if day in back or merged != before:
            _write(connection, paths, day, merged)
            changed.add(day)
    return changed


def days(entry: Entry) -> list[str]:
    """The UTC dates of an entry's window."""
    return [f"{start:%Y-%m-%d}" for start, _ in spans.by_day(entry.start, entry.end)]


def read(connection: Connection, paths: Paths, day: str) -> dict[str, list[Span]]:
    """The held spans of a date, merged and ascending, by device."""
    file = warehouse.partition(paths.marts / "held", day)
    if not file.exists():
        return {}
    query = (
        "SELECT device_id, epoch_us(held_start), epoch_us(held_end) "
        "FROM read_parquet($file, hive_partitioning = false) ORDER BY ALL"
    )
    found: dict[str, list[Span]] = {}
    given = {"file": files.literal(file)}
    for device, start, end in connection.execute(query, given).fetchall():
        found.setdefault(device, []).append((_instant(start), _instant(end)))
    return found


def _instant(microseconds: int) -> datetime:
    """DuckDB gives instants to Python only with the package pytz."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds)


def _microseconds(instant: datetime) -> int:
    return (instant - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


def _write(connection: Connection, paths: Paths, day: str, held: dict[str, list[Span]]) -> None:
    rows = [(device, *span) for device, own in held.items() for span in own]
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE held "
        "(device_id VARCHAR, held_start TIMESTAMPTZ, held_end TIMESTAMPTZ)"
    )
    if rows:
        connection.executemany("INSERT INTO held VALUES (?, ?, ?)", rows)
    with files.replacing(warehouse.partition(paths.marts / "held", day)) as new:
        warehouse.write_parquet(connection, "held", new)


def until(paths: Paths) -> datetime | None:
    """The newest instant of which any device was asked about in whole."""
    folder = paths.marts / "held"
    days = sorted(f.name.removeprefix("event_date=") for f in folder.glob("event_date=*"))
    with warehouse.asking() as connection:
        for day in reversed(days):
            if ends := [own[-1][1] for own in read(connection, paths, day).values() if own]:
                return max(ends)
    return None


def load_journal(connection: Connection, paths: Paths) -> None:
    """Read the whole journal into the table `journal`; without one it is empty."""
    source = files.literal(paths.journal) if paths.journal.exists() else os.devnull
    warehouse.run(connection, "journal", {"journal": [source]})


def by_device(connection: Connection, settings: Ingestion) -> dict[str, list[Span]]:
    """The spans that the table `journal` answers for, merged and ascending, by device."""
    memory_us = timedelta(days=settings.retention_days) // timedelta(microseconds=1)
    found: dict[str, list[Span]] = {}
    rows = warehouse.run(connection, "held_spans", {"memory_us": memory_us}).fetchall()
    for device, start, end in rows:
        own = found.setdefault(device, [])
        own += [] if start is None else [(_instant(start), _instant(end))]
    return found


def unheld(connection: Connection) -> list[Entry]:
    """The lines of the table `journal` that are not complete, oldest first."""
    return _lines(connection, {"start_us": None, "end_us": None, "unheld": True})


def asked(connection: Connection, before: datetime | None) -> set[datetime]:
    """When the cloud was asked before an instant (None: ever), by the table `journal`."""
    before_us = before and _microseconds(before)
    rows = warehouse.run(connection, "journal_asked", {"before_us": before_us}).fetchall()
    return {_instant(at) for (at,) in rows}


def _touching(connection: Connection, paths: Paths, days: set[str]) -> list[Entry]:
    """The lines of the journal whose windows touch the time from the first to the last date."""
    load_journal(connection, paths)
    first, last = (_microseconds(parse_instant(day)) for day in (min(days), max(days)))
    between = {"start_us": first, "end_us": last + raw.DAY_MS * 1000}
    return _lines(connection, between | {"unheld": False})


def _lines(connection: Connection, wanted: Mapping[str, int | None]) -> list[Entry]:
    rows = warehouse.run(connection, "journal_lines", dict(wanted)).fetchall()
    return [
        Entry(
            *(file, device, _instant(start), _instant(end), _instant(asked), complete, count),
            *(sha256, tuple(dates)),
            pages=pages,
            origin_sha256=origin,
        )
        for file, device, start, end, asked, complete, count, sha256, dates, pages, origin in rows
    ]
