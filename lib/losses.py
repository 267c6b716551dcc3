"""What is gone for ever, by device and span, with the cause; and what is at risk now.

Belongs here: spans that the cloud forgot before they were read, time in which nothing was
logged, the unread spans that it still holds. Does not belong here: why a span was not read
(`loss_causes.py`), sums of it (`loss_sums.py`), what to ask next (`plan.py`).

Nothing of it is stored. It follows from the journal, the device lists, the record of
collections and the gaps of the marts: an archive that is imported later heals it.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from pandas import DataFrame

from lib import coverage, held, raw, registry, settings, spans, warehouse
from lib.config import Config, Ingestion
from lib.journal import Entry, Journal
from lib.loss_causes import EXPIRED, NOT_LOGGED, Cause, Past, explained
from lib.paths import Paths
from lib.registry_lists import Listed, by_id, is_followed
from lib.spans import Span
from lib.times import DAY, HOUR, from_ms, from_stamp, parse_instant, to_ms

COLUMNS = (
    *("device_id", "device_name", "lost_start", "lost_end", "lost_s"),
    *("kind", "cause", "code", "detail"),
)
_LOGGED_NOTHING = {"offline": "device offline", "silence": "silence"}
_Spans = dict[str, list[Span]]


def ledger(paths: Paths, config: Config, *, now: datetime) -> DataFrame:
    """What is gone for ever at an instant, oldest first. [lost_s: s, instants in UTC]

    `kind` is "expired" for spans that the cloud forgot before anybody read them in whole, and
    "not logged" for those that were asked about, while the device was offline or silent.
    """
    names = registry.names(paths, config.devices)
    rows = [
        (device, names.get(device, device), start, end, EXPIRED, cause.name, cause.code, text)
        for device, (start, end), cause, text in _expired(paths, config.ingestion, now)
    ]
    gaps = coverage.joined_gaps(warehouse.read(paths.marts / "gaps")).to_dict("records")
    for gap in (gap for gap in gaps if gap["cause"] in _LOGGED_NOTHING):
        device, cause = gap["device_id"], _LOGGED_NOTHING[gap["cause"]]
        span = gap["gap_start"], gap["gap_end"]
        rows.append((device, names.get(device, device), *span, NOT_LOGGED, cause, None, ""))
    columns = [column for column in COLUMNS if column != "lost_s"]
    frame = _typed(DataFrame(rows, columns=columns), "lost").astype({"code": "Int64"})
    return frame.sort_values(["lost_start", "device_id"], ignore_index=True)[[*COLUMNS]]


def _expired(
    paths: Paths, settings: Ingestion, now: datetime
) -> Iterator[tuple[str, Span, Cause, str]]:
    forgotten = now - timedelta(days=settings.retention_days)
    with warehouse.asking() as connection:
        held.load_journal(connection, paths)
        read = held.by_device(connection, settings)
        lost = _unread(paths, read, settings, now, until=forgotten)
        past = Past.of(connection, paths, settings) if lost else None
    for device, own in lost.items():
        for span in own:
            for piece, cause in explained(device, span, past) if past else ():
                yield device, piece, cause, past.told(device, piece, cause) if past else ""


def newly_expired(paths: Paths, config: Config, *, now: datetime) -> _Spans:
    """What the cloud forgot unread, by device, where that went on within the last day."""
    memory = timedelta(days=config.ingestion.retention_days)
    entries = Journal(paths.journal).recent(now - 2 * memory - 2 * DAY)
    bounds = {"since": now - 2 * memory, "until": now - memory}
    read = _read(entries, config.ingestion)
    lost = _unread(paths, read, config.ingestion, now, **bounds)
    return {d: own for d, o in lost.items() if (own := [s for s in o if s[1] > now - memory - DAY])}


def at_risk(paths: Paths, config: Config, *, now: datetime) -> DataFrame:
    """Unread spans that the cloud still holds, the first to expire first. [risk_s: s]

    `expires_h` is how long the cloud holds their beginning from now on. [h]
    """
    memory = timedelta(days=config.ingestion.retention_days)
    entries = Journal(paths.journal).recent(now - memory - 2 * DAY)
    read_to = now - timedelta(seconds=config.ingestion.margin_s)
    read = _read(entries, config.ingestion)
    unread = _unread(paths, read, config.ingestion, now, since=now - memory, until=read_to)
    names = registry.names(paths, config.devices)
    rows = [
        (device, names.get(device, device), start, end, (start + memory - now) / HOUR)
        for device, own in unread.items()
        for start, end in own
    ]
    columns = ["device_id", "device_name", "risk_start", "risk_end", "expires_h"]
    frame = _typed(DataFrame(rows, columns=columns), "risk")
    return frame.sort_values(["expires_h", "device_id"], ignore_index=True)


def _typed(frame: DataFrame, name: str) -> DataFrame:
    """A frame of spans whose instants have their type even where it is empty. [s]"""
    instants = dict.fromkeys((f"{name}_start", f"{name}_end"), "datetime64[us, UTC]")
    frame = frame.astype(instants)
    lasting = frame[f"{name}_end"] - frame[f"{name}_start"]
    return frame.assign(**{f"{name}_s": lasting.dt.total_seconds()})


def _read(entries: Iterable[Entry], settings: Ingestion) -> _Spans:
    """The spans of each device that entries answer for, merged and ascending."""
    read: _Spans = {}
    for entry in entries:
        if own := held.span(entry, settings):
            read.setdefault(entry.device_id, []).append(own)
    return {device: spans.merge(own) for device, own in read.items()}


def _unread(
    paths: Paths,
    read: _Spans,
    settings: Ingestion,
    now: datetime,
    *,
    since: datetime | None = None,
    until: datetime,
) -> _Spans:
    """What was to be read of each device between two instants, and is not held."""
    wanted = _wanted(paths, read, settings, now)
    unread = {
        device: [
            open_span
            for start, end in wanted[device]
            for open_span in spans.missing(
                (max(start, since or start), min(end, until)), read.get(device, [])
            )
        ]
        for device in sorted(wanted)
    }
    return {device: own for device, own in unread.items() if own}


def _wanted(paths: Paths, read: _Spans, settings: Ingestion, now: datetime) -> _Spans:
    """When each device was to be read.

    As long as an archived list names it. What the cloud still held when a list first named it
    was to be read too, but nothing of before the device was activated. Beside that, all between
    the first and the last that is held of it: rows of an older archive need no list. Of a device
    that is only named by the user, and never answered, nobody knows whether it exists.
    """
    lists = _lists(paths)
    first = {device: at for at, devices in reversed(lists) for device in devices}
    found = {
        device: [(own[0][0], max(own[0][0], min(own[-1][1], first.get(device, own[-1][1]))))]
        for device, own in read.items()
        if own
    }
    for (at, devices), (end, _) in pairwise([*lists, (now, {})]):
        oldest = at - timedelta(days=settings.retention_days)
        for device, said in devices.items():
            if is_followed(said) and (device in read or "unlisted" not in said):
                start = max(oldest, _activated(said, at) or oldest)
                stop = min(end, parse_instant(said["left"])) if "left" in said else end
                found.setdefault(device, []).append((start, stop))
    return {device: spans.merge(own) for device, own in found.items()}


def _lists(paths: Paths) -> list[tuple[datetime, Listed]]:
    """Every archived device list with the instant from which it holds, oldest first."""
    files = sorted((paths.registry / "devices").glob("*_devices*.json"), key=_age)
    return [
        (from_stamp(file.name.split("_")[0]), by_id(settings.parse(file, json.loads)))
        for file in files
    ]


def _age(file: Path) -> tuple[str, int]:
    return file.name.split("_")[0], len(file.name)


def _activated(device: dict[str, Any], listed_at: datetime) -> datetime | None:
    """When a device was activated, where its list says so and it can be true."""
    ms = raw.event_time_ms({"event_time": device.get("active_time")}, to_ms(listed_at))
    return None if ms is None else from_ms(ms)
