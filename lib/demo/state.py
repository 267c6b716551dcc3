"""What a running stand-in remembers besides its house: clock, counters and plain answers.

Belongs here: the parts that tests move or read. Does not belong here: endpoints.
"""

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from lib import times
from lib.errors import ConfigError

PERMISSION_DENY = 1106, "permission deny"


@dataclass(frozen=True)
class Refusal:
    """An error in the cloud's own numbers."""

    code: int
    msg: str


@dataclass(frozen=True)
class Call:
    """One request, decoded; header names are in lower case, `pairs` are those of the query."""

    method: str
    path: str
    pairs: list[tuple[str, str]]
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""


class Encoded(str):
    """The `result` of an envelope as JSON text, where writing it is worth the trouble."""


Answer = Any  # the `result` of an envelope, its text, or a Refusal


class Clock:
    """The data clock (retention, newest row served) and the clock of signatures.

    The data clock stands still until moved, unless `live`; the signing clock is the machine's
    own plus `skew_s`, because real clients sign with the machine's time. [s]
    """

    def __init__(self, now: datetime, *, live: bool = False) -> None:
        self.live = live
        self.skew_s = 0.0
        self.move_to(now)

    @property
    def now(self) -> datetime:
        """The instant up to which rows exist. [UTC]"""
        passed_s = time.monotonic() - self._set_at if self.live else 0.0
        return self._now + timedelta(seconds=passed_s)

    @property
    def now_ms(self) -> int:
        """The same in milliseconds since 1970."""
        return times.to_ms(self.now)

    def move_to(self, instant: datetime) -> None:
        """Set the data clock. Raises ConfigError for an instant without a zone."""
        if instant.tzinfo is None:
            raise ConfigError(f"'{instant}' has no time zone.", remedy="Pass an aware datetime.")
        self._now, self._set_at = instant.astimezone(UTC), time.monotonic()

    def signing_ms(self) -> int:
        """What the server takes for the present when it checks a signature. [ms since 1970]"""
        return int((time.time() + self.skew_s) * 1000)


@dataclass
class Counters:
    """What was asked and served; keys of served rows only if `track_keys` is set.

    `months` counts the calls of each month of the data clock, as 2026-04, in UTC.
    """

    requests: Counter[str] = field(default_factory=Counter)
    refusals: Counter[int] = field(default_factory=Counter)
    months: Counter[str] = field(default_factory=Counter)
    rows_served: int = 0
    track_keys: bool = False
    served_keys: dict[str, set[str]] = field(default_factory=dict)

    @property
    def total_requests(self) -> int:
        """All requests, answered or not."""
        return self.requests.total()

    def note_rows(self, device_id: str, keys: list[str], count: int) -> None:
        """Count the rows of a page, and their keys if they were asked for."""
        self.rows_served += count
        if self.track_keys:
            self.served_keys.setdefault(device_id, set()).update(keys)
