"""What happens to the devices of a house while it is served: a house around another house.

Belongs here: names, owners, ids, scales and late rows as somebody changed them. Does not belong
here: what goes wrong with an answer (faults), or the shapes of answers (registry, logs).
"""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from lib import times
from lib.demo.house import REPORT, DemoDevice, House, LogRow
from lib.demo.state import Clock
from lib.errors import ConfigError

UID = "eu0000FAKEUID0000000"

_Spec = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Entry:
    """A device as it is listed; `hardware` is its id in the house behind.

    Rows from `since_ms` on are its own. `factors` says from when on which code's raw values
    are multiplied.
    """

    device: DemoDevice
    hardware: str
    uid: str = UID
    since_ms: int | None = None
    factors: tuple[tuple[int, str, float], ...] = ()


@dataclass(frozen=True)
class _Late:
    hardware: str
    start_ms: int
    end_ms: int
    until_ms: int


class Edits:
    """A house whose devices may change; all endpoints of the stand-in read it through this."""

    def __init__(self, house: House, clock: Clock) -> None:
        self.name, self.simulated, self.attribution = house.name, house.simulated, house.attribution
        self._house, self._clock = house, clock
        self._lock = threading.Lock()
        self._version = 0
        self._late: tuple[_Late, ...] = ()
        self.clear()

    # ---- As a house ----

    def devices(self) -> list[DemoDevice]:
        """The devices as they are listed now."""
        return [entry.device for entry in self._entries.values()]

    def entries(self) -> list[Entry]:
        """The same with what the house behind does not know."""
        return list(self._entries.values())

    def entry(self, device_id: str) -> Entry | None:
        """One of them; None for an id that is none now."""
        return self._entries.get(device_id)

    def rows(self, device_id: str, start_ms: int, end_ms: int) -> Sequence[LogRow]:
        """The device's rows in [start_ms, end_ms) that have come in by now, oldest first."""
        entry = self._entries.get(device_id)
        start_ms = max(start_ms, entry.since_ms or start_ms) if entry else end_ms
        if entry is None or start_ms >= end_ms:
            return []
        rows = self._house.rows(entry.hardware, start_ms, end_ms)
        for late in self._outstanding():
            if late.hardware == entry.hardware:
                spell = range(late.start_ms, late.end_ms)
                rows = [row for row in rows if row.event_time_ms not in spell]
        return [_rescaled(row, entry) for row in rows] if entry.factors else rows

    def stamp(self) -> tuple[int, int]:
        """Changes whenever the rows of an instant do."""
        return self._version, len(self._outstanding()) if self._late else 0

    # ---- What may happen ----

    def rename(self, device_id: str, name: str) -> None:
        """Give a device another name. Raises ConfigError for an unknown one, as all these do."""
        with self._lock:
            entry = self._known(device_id)
            self._put(device_id, replace(entry, device=replace(entry.device, name=name)))

    def remove(self, device_id: str) -> None:
        """Take a device out of the account: it is not listed, and refused with 1106."""
        with self._lock:
            self._known(device_id)
            self._put(device_id, None)

    def repair(self, old_id: str, new_id: str) -> None:
        """Pair the same hardware again under a new id.

        Rows from now on belong to the new id; the old id is removed, its rows with it.
        """
        with self._lock:
            entry = self._known(old_id)
            if new_id in self._entries:
                raise ConfigError(f"there is a device '{new_id}'.", remedy="Take another new id.")
            device = replace(entry.device, id=new_id)
            self._put(old_id, replace(entry, device=device, since_ms=self._clock.now_ms))

    def share(self, device_id: str, uid: str) -> None:
        """Let a device belong to another account that shares it."""
        with self._lock:
            self._put(device_id, replace(self._known(device_id), uid=uid))

    def respecify(
        self,
        device_id: str,
        code: str,
        scale: int | None = None,
        unit: str | None = None,
        *,
        values: bool = True,
    ) -> None:
        """Change a data point's scale or unit; from now on raw values follow the scale.

        Without `values` only the label changes, and rows stay as the house has them.
        """
        with self._lock:
            entry = self._known(device_id)
            old = _values(entry.device.specification, code, device_id)
            new = old | {
                name: value
                for name, value in (("scale", scale), ("unit", unit))
                if value is not None
            }
            spec = _respecified(entry.device.specification, code, new)
            factors = entry.factors
            if values and new.get("scale", 0) != old.get("scale", 0):
                factor = 10.0 ** (new["scale"] - old.get("scale", 0))
                factors = (*factors, (self._clock.now_ms, code, factor))
            device = replace(entry.device, specification=spec)
            self._put(device_id, replace(entry, device=device, factors=factors))

    def late(self, device_id: str, start: datetime, end: datetime, until: datetime) -> None:
        """Serve rows of [start, end) only once the data clock has reached `until`."""
        with self._lock:
            hardware = self._known(device_id).hardware
            late = _Late(hardware, *(times.to_ms(one) for one in (start, end, until)))
            self._late = (*self._late, late)
            self._version += 1

    def clear(self) -> None:
        """Undo all of it."""
        with self._lock:
            devices = self._house.devices()
            self._entries = {device.id: Entry(device, device.id) for device in devices}
            self._late = ()
            self._version += 1

    def _known(self, device_id: str) -> Entry:
        entry = self._entries.get(device_id)
        if entry is None:
            known = ", ".join(self._entries)
            raise ConfigError(f"there is no device '{device_id}'.", remedy=f"Use one of {known}.")
        return entry

    def _put(self, device_id: str, entry: Entry | None) -> None:
        """Replace an entry, in its place; in one step, because the server reads meanwhile."""
        pairs = ((key, entry if key == device_id else old) for key, old in self._entries.items())
        self._entries = {one.device.id: one for _, one in pairs if one}
        self._version += 1

    def _outstanding(self) -> list[_Late]:
        now_ms = self._clock.now_ms if self._late else 0
        return [late for late in self._late if late.until_ms > now_ms]


def _values(spec: _Spec, code: str, device_id: str) -> dict[str, Any]:
    """A data point's numbers. Raises ConfigError."""
    for item in spec["status"]:
        if item["code"] == code:
            found: dict[str, Any] = json.loads(item["values"])
            return found
    codes = ", ".join(item["code"] for item in spec["status"])
    raise ConfigError(f"{device_id} has no '{code}'.", remedy=f"Use one of {codes}.")


def _respecified(spec: _Spec, code: str, values: dict[str, Any]) -> _Spec:
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return {
        part: [item | {"values": text} if item["code"] == code else item for item in items]
        for part, items in spec.items()
    }


def _rescaled(row: LogRow, entry: Entry) -> LogRow:
    """A row as the device sends it since its scale changed; a copy, for houses keep theirs."""
    factor = 1.0
    for since_ms, code, own in entry.factors:
        if row.code == code and row.event_time_ms >= since_ms:
            factor *= own
    if factor == 1.0 or row.event_id != REPORT or row.value is None:
        return row
    return replace(row, value=str(round(int(row.value) * factor)))
