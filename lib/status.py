"""What a store holds right now, for `tcc status`.

Belongs here: reading the journal and the marts and saying where things stand. Does not
belong here: printing (`terminal.py`), changing anything.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from lib import coverage, origins, registry, spans, warehouse
from lib.config import Config
from lib.journal import Entry, Journal
from lib.paths import Paths


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
    """A store at an instant; `last_run` is the record of the newest run."""

    now: datetime
    origin: origins.Origin | None
    devices: list[DeviceStatus]
    files: int
    quarantined: int
    last_run: dict[str, object] | None


def of(paths: Paths, config: Config, *, now: datetime) -> Status:
    """Where every device of the store stands at an instant."""
    entries = Journal(paths.journal).all()
    rows = _rows(paths)
    gaps = coverage.joined_gaps(warehouse.read(paths.marts / "gaps"))
    names = registry.names(paths, config.devices)
    listed = {str(device["id"]) for device in registry.known(paths)}
    ids = sorted(listed | {e.device_id for e in entries}, key=lambda i: (names.get(i, i), i))
    devices = [
        _device(i, names.get(i, i), entries, rows, gaps[gaps["device_id"] == i], config, now)
        for i in ids
    ]
    quarantined = list(paths.quarantine.rglob("*.reason.json"))
    return Status(now, origins.of(paths), devices, len(entries), len(quarantined), _last_run(paths))


def _device(
    device_id: str,
    name: str,
    entries: list[Entry],
    rows: pd.DataFrame,
    gaps: pd.DataFrame,
    config: Config,
    now: datetime,
) -> DeviceStatus:
    own = [e for e in entries if e.device_id == device_id and e.complete]
    held = spans.merge((e.start, e.end) for e in own)
    staged = rows[rows["device_id"] == device_id]
    newest = staged["newest"].iloc[0].to_pydatetime() if len(staged) else None
    return DeviceStatus(
        device_id=device_id,
        name=name,
        rows=int(staged["rows"].iloc[0]) if len(staged) else 0,
        newest_event=newest,
        held_until=held[-1][1] if held else None,
        gaps=len(gaps),
        gap_h=float(gaps["gap_s"].sum() / 3600),
        expires_h=_expires_h(held, config, now),
    )


def _expires_h(held: list[spans.Span], config: Config, now: datetime) -> float | None:
    """Hours until the oldest log that the cloud still has and we do not is forgotten."""
    memory = timedelta(days=config.ingestion.retention_days)
    unread = spans.missing((now - memory, now), held)
    return (unread[0][0] + memory - now).total_seconds() / 3600 if unread else None


def _rows(paths: Paths) -> pd.DataFrame:
    if not warehouse.has_rows(paths.staging):
        return pd.DataFrame({"device_id": [], "rows": [], "newest": []})
    query = (
        "SELECT device_id, count(*) AS rows, max(event_time) AS newest "
        "FROM read_parquet($files) GROUP BY device_id"
    )
    with warehouse.connect() as connection:
        return warehouse.frame(connection, query, {"files": warehouse.partitions(paths.staging)})


def _last_run(paths: Paths) -> dict[str, object] | None:
    records = sorted(paths.runs.glob("[0-9]*/run.json"), key=lambda file: file.stat().st_mtime)
    if not records:
        return None
    record: dict[str, object] = json.loads(records[-1].read_text("utf-8"))
    return record | {"folder": records[-1].parent.name}
