"""How far a store is behind: for each device its newest complete window and what expires next.

Belongs here: naming what is late by the limits of the alarms and of `tcc doctor`. Does not
belong here: the limits' own rules (`alarm_kinds.py`), where devices stand (`status.py`), telling
anybody (`alarms.py`).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lib import status
from lib.alarm_kinds import HORIZON, LOST
from lib.alarms import Told
from lib.config import Config
from lib.doctor_store import READ_AGAIN_H
from lib.journal import Journal
from lib.paths import Paths
from lib.status import Watched
from lib.times import DAY, HOUR

State = Literal["fresh", "late", "expiring"]


@dataclass(frozen=True)
class Device:
    """A device that is asked: how long ago its newest complete window ended. [h]

    `expires_h` is how long the cloud still holds the oldest of what is unread. [h]
    """

    device_id: str
    name: str
    held_until: datetime | None
    behind_h: float | None
    expires_h: float | None
    state: State


@dataclass(frozen=True)
class Freshness:
    """All devices of a store, and whether logs of any expired unread within the last day."""

    devices: tuple[Device, ...]
    losing: bool

    @property
    def state(self) -> State:
        """The worst of the devices; expiring where something was lost of late."""
        states = {device.state for device in self.devices}
        if self.losing or "expiring" in states:
            return "expiring"
        return "late" if "late" in states else "fresh"

    @property
    def behind_h(self) -> float | None:
        """How long ago the newest complete window of the last device ended. [h]"""
        return max((d.behind_h for d in self.devices if d.behind_h is not None), default=None)

    @property
    def expires_h(self) -> float | None:
        """How long the cloud still holds the oldest of what is unread. [h]"""
        return min((d.expires_h for d in self.devices if d.expires_h is not None), default=None)


def of(paths: Paths, config: Config, told: Told, *, now: datetime) -> Freshness:
    """Where each device stands at an instant, judged by the alarms that are on.

    Late: the alarm of expiring logs is on, or the newest complete window ended alarms.silent_h
    ago, so that nobody would know that the device is silent. Expiring: within a day.
    """
    on = {alarm.key for alarm in told.on}
    until = _held_until(paths, config, now)
    watched = status.watched(paths, config, now=now)
    devices = (_device(one, until.get(one.device_id), on, config, now) for one in watched)
    return Freshness(tuple(devices), LOST in on)


def _held_until(paths: Paths, config: Config, now: datetime) -> dict[str, datetime]:
    """Where the newest complete window of each device ends, of those asked within memory."""
    since = now - config.ingestion.retention_days * DAY - 2 * DAY
    entries = (entry for entry in Journal(paths.journal).recent(since) if entry.complete)
    found: dict[str, datetime] = {}
    for entry in entries:
        found[entry.device_id] = max(entry.end, found.get(entry.device_id, entry.end))
    return found


def _device(
    one: Watched, until: datetime | None, on: Collection[str], config: Config, now: datetime
) -> Device:
    behind_h = None if until is None else (now - until) / HOUR
    late = behind_h is None or behind_h >= config.alarms.silent_h
    state: State = "late" if late or f"{HORIZON}{one.device_id}" in on else "fresh"
    if one.expires_h is not None and one.expires_h < READ_AGAIN_H:
        state = "expiring"
    return Device(one.device_id, one.name, until, behind_h, one.expires_h, state)
