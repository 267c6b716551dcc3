"""What a store holds right now, for `tcc status` and for alarms.

Belongs here: reading the journal and the marts and saying where things stand. Does not
belong here: printing (`terminal.py`), what is worth an alarm (`alarms.py`), changing anything.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from lib import attempts, coverage, held, origins, raw, registry, spans, usage, warehouse
from lib.attempts import Attempt
from lib.config import Config
from lib.errors import BadRawFile
from lib.journal import Entry, Journal
from lib.paths import Paths
from lib.times import DAY, from_ms, parse_instant, to_ms


@dataclass(frozen=True)
class DeviceStatus:
    """One device: rows, newest event, until when it is held, hours until unread logs expire."""

    device_id: str
    name: str
    rows: int
    newest_event: datetime | None
    held_until: datetime | None
    gaps: int
    gap_h: float
    expires_h: float | None


@dataclass(frozen=True)
class Status:
    """A store at an instant.

    `last_run` is the record of the newest run, `last_attempt` that of the newest collection,
    `calls` how often the cloud was asked this month.
    """

    now: datetime
    origin: origins.Origin | None
    devices: list[DeviceStatus]
    files: int
    quarantined: int
    last_run: dict[str, object] | None
    last_attempt: Attempt | None
    calls: int
    monthly_calls: int

    @property
    def measured(self) -> bool:
        """Whether the rows are the user's own."""
        return self.origin is not None and self.origin.kind == "measured"


def of(paths: Paths, config: Config, *, now: datetime) -> Status:
    """Where every device of the store stands at an instant."""
    kept, entries = _kept(paths), Journal(paths.journal).recent(_recently(config, now))
    rows = _rows(paths)
    gaps = coverage.joined_gaps(warehouse.read(paths.marts / "gaps"))
    names = registry.names(paths, config.devices)
    listed = {str(device["id"]) for device in registry.known(paths)}
    ids = sorted(listed | kept.keys(), key=lambda i: (names.get(i, i), i))
    devices = [
        _device(
            *(i, names.get(i, i), kept.get(i, _NOTHING), _held(entries, i), rows),
            *(gaps[gaps["device_id"] == i], config, now),
        )
        for i in ids
    ]
    quarantined = list(paths.quarantine.rglob("*.reason.json"))
    return Status(
        now,
        origins.of(paths),
        devices,
        files=sum(own.files for own in kept.values()),
        quarantined=len(quarantined),
        last_run=_last_run(paths),
        last_attempt=attempts.last(paths),
        calls=usage.used(paths, now),
        monthly_calls=config.ingestion.monthly_calls,
    )


@dataclass(frozen=True)
class _Kept:
    """What the whole journal says of a device: its files, and the end of its newest window."""

    files: int
    held_until: datetime | None


_NOTHING = _Kept(0, None)


def _kept(paths: Paths) -> dict[str, _Kept]:
    with warehouse.asking() as connection:
        held.load_journal(connection, paths)
        rows = warehouse.run(connection, "journal_devices").fetchall()
    return {
        device: _Kept(files, None if end is None else from_ms(end / 1000))
        for device, files, end in rows
    }


def _recently(config: Config, now: datetime) -> datetime:
    """Since when a window must have been asked to say anything of what the cloud holds."""
    return now - timedelta(days=config.ingestion.retention_days) - 2 * DAY


def _held(entries: list[Entry], device_id: str) -> list[spans.Span]:
    """The spans of a device that were asked about in whole, merged and ascending."""
    own = (e for e in entries if e.device_id == device_id and e.complete)
    return spans.merge((e.start, e.end) for e in own)


def _device(
    device_id: str,
    name: str,
    kept: _Kept,
    recent: list[spans.Span],
    rows: pd.DataFrame,
    gaps: pd.DataFrame,
    config: Config,
    now: datetime,
) -> DeviceStatus:
    staged = rows[rows["device_id"] == device_id]
    newest = staged["newest"].iloc[0].to_pydatetime() if len(staged) else None
    return DeviceStatus(
        device_id=device_id,
        name=name,
        rows=int(staged["rows"].iloc[0]) if len(staged) else 0,
        newest_event=newest,
        held_until=kept.held_until,
        gaps=len(gaps),
        gap_h=float(gaps["gap_s"].sum() / 3600),
        expires_h=_expires_h(recent, config, now),
    )


def _expires_h(read: list[spans.Span], config: Config, now: datetime) -> float | None:
    """Hours until the oldest log that the cloud still has and we do not is forgotten."""
    memory = timedelta(days=config.ingestion.retention_days)
    unread = spans.missing((now - memory, now), read)
    return (unread[0][0] + memory - now).total_seconds() / 3600 if unread else None


@dataclass(frozen=True)
class Watched:
    """A device that is still asked: hours until unread logs expire, and hours of known silence.

    Silence is time that was asked about in whole and held no row of it, unless the device left
    the list; `newest_event` is None where none came in what was asked of late.
    """

    device_id: str
    name: str
    expires_h: float | None
    silent_h: float
    newest_event: datetime | None


def watched(paths: Paths, config: Config, *, now: datetime) -> list[Watched]:
    """Where the devices stand that are still asked, at a cost that does not grow with the store.

    Only what was asked within the cloud's memory is looked at, staged or not.
    """
    since = min(_recently(config, now), now - timedelta(hours=config.alarms.silent_h) - 2 * DAY)
    entries, names = Journal(paths.journal).recent(since), registry.names(paths, config.devices)
    gone = {str(device["id"]) for device in registry.known(paths) if "left" in device}
    found = []
    for device_id in _asked(paths, config, now):
        own = [e for e in entries if e.device_id == device_id]
        read, newest = _held(own, device_id), _newest_event(paths, own)
        silent_h = 0.0 if device_id in gone else _silent_h(read, newest)
        expires_h, name = _expires_h(read, config, now), names.get(device_id, device_id)
        found.append(Watched(device_id, name, expires_h, silent_h, newest))
    return found


def _asked(paths: Paths, config: Config, now: datetime) -> list[str]:
    """The devices that collection asks: of one that only an archive knows nothing expires.

    The names in config.toml are of the user's own devices, not of a demo house.
    """
    origin = origins.of(paths)
    named = () if origin and origin.kind != "measured" else config.devices
    return registry.asked(paths, named, now)


def _silent_h(read: list[spans.Span], newest: datetime | None) -> float:
    """How long the newest span that was asked about in whole goes on without a row. [h]"""
    if not read:
        return 0.0
    start, end = read[-1]
    return max(0.0, (end - max(start, newest or start)).total_seconds() / 3600)


def _newest_event(paths: Paths, entries: list[Entry]) -> datetime | None:
    """The newest event in the raw files of a device; those that can hold none are not read."""
    newest: datetime | None = None
    for entry in sorted((e for e in entries if e.rows), key=_latest, reverse=True):
        if newest and newest >= _latest(entry):
            break
        newest = max(filter(None, (newest, _newest_in(paths, entry))), default=None)
    return newest


def _latest(entry: Entry) -> datetime:
    """An instant that no event in a raw file is later than."""
    days = [parse_instant(day) + DAY for day in entry.dates]
    return min(entry.end, max(days, default=entry.end))


def _newest_in(paths: Paths, entry: Entry) -> datetime | None:
    try:
        rows = raw.read(paths.raw / entry.file)
    except BadRawFile:  # staging sets it aside and says so
        return None
    latest_ms = to_ms(entry.asked_at) + raw.DAY_MS
    times = (raw.event_time_ms(row, latest_ms) for row in rows)
    newest = max((ms for ms in times if ms is not None), default=None)
    return None if newest is None else from_ms(newest)


def _rows(paths: Paths) -> pd.DataFrame:
    if not warehouse.has_rows(paths.staging):
        return pd.DataFrame({"device_id": [], "rows": [], "newest": []})
    query = (
        "SELECT device_id, count(*) AS rows, max(event_time) AS newest "
        "FROM read_parquet($files) GROUP BY device_id"
    )
    with warehouse.asking() as connection:
        return warehouse.frame(connection, query, {"files": warehouse.partitions(paths.staging)})


def _last_run(paths: Paths) -> dict[str, object] | None:
    records = sorted(paths.runs.glob("[0-9]*/run.json"), key=lambda file: file.stat().st_mtime)
    if not records:
        return None
    record: dict[str, object] = json.loads(records[-1].read_text("utf-8"))
    return record | {"folder": records[-1].parent.name}
