"""What every demo house offers: devices and their log rows.

Belongs here: the types shared by the houses and the stand-in. Does not belong here: how rows
come about, or how they travel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

ONLINE, OFFLINE, REPORT, SIGNAL = 1, 2, 7, 8


@dataclass(slots=True)
class LogRow:
    """One row of a device's log; rows without a data point have dp_id 0 and no code."""

    event_time_ms: int
    event_id: int
    code: str | None
    dp_id: int
    value: str | None
    event_value: str | None = None
    event_from: str = "1"


@dataclass(frozen=True)
class DemoDevice:
    """A device as Tuya lists it; `specification` has "functions" and "status" items."""

    id: str
    name: str
    category: str
    product_id: str
    product_name: str
    model: str
    specification: dict[str, list[dict[str, Any]]]
    time_zone: str = "-03:00"


class House(Protocol):
    """A source of devices and rows; `simulated` says whether anybody ever measured them.

    Rows never change, so that what was read once may be kept; rows that come late or devices
    that change are edits of the stand-in.
    """

    name: str
    simulated: bool
    attribution: str

    def devices(self) -> list[DemoDevice]:
        """All devices, in a fixed order."""

    def rows(self, device_id: str, start_ms: int, end_ms: int) -> Sequence[LogRow]:
        """The device's rows in [start_ms, end_ms), oldest first, ties as in `log_order`."""


def log_order(row: LogRow) -> tuple[int, str, str]:
    """Sort key of the cloud's storage: newest first, then type and data point as text."""
    return -row.event_time_ms, str(row.event_id), str(row.dp_id)
