"""Plugs of a real plug's habits: what each of their days looks like, to the last digit.

Belongs here: rows as a pure function of seed, plug and UTC date, whose bytes pack like real ones.
Does not belong here: the cloud that serves them, the files that they end in (`tree.py`). All of
it is simulated; loads of a whole house are in `lib/demo/`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lib.raw import DAY_MS, Row

Ints = NDArray[np.int64]

EVERY_S = 56  # between reports of voltage, current and power
_JITTER_MS = 500
_LONE, _METERED, _SWITCHED = 0.6, 0.61, 0.0025  # more of each report than the three values
_LOADS_W = (78, 145, 320, 1_250)
_LOAD_HOLDS_S = 2_400
_OFF_MS = 4_000
_CONTACT_LOST = 1 / 3  # on so many days, for:
_CONTACT_MS = 45_000
_DATA_POINT = {"switch_1": 1, "add_ele": 17, "cur_current": 18, "cur_power": 19, "cur_voltage": 20}


@dataclass(frozen=True)
class Plug:
    """A plug that reports every so often; `apart_ms` is most between values of one report."""

    device_id: str
    number: int
    seed: int
    apart_ms: int = 0

    def day(self, day: int, every_s: int = EVERY_S) -> tuple[list[int], list[Row]]:
        """Event times [ms] and rows, as the cloud has them, of a day since 1970; oldest first."""
        made = _Day(self, day, every_s)
        parts = [*made.reports(), *made.lone(), *made.metered(), *made.switched()]
        found = [(ms, code, value) for code, own in parts for ms, value in own]
        found.sort(key=lambda row: (row[0], -_DATA_POINT[row[1]]))
        rows = [(ms, _report(ms, code, value)) for ms, code, value in found]
        rows += made.contact()
        rows.sort(key=lambda row: row[0])
        return [ms for ms, _ in rows], [row for _, row in rows]


def _report(ms: int, code: str, value: str) -> Row:
    named = {"code": code, "event_from": "1", "event_id": 7, "event_time": ms}
    return named | {"status": "1", "value": value}


Part = tuple[str, Sequence[tuple[int, str]]]  # a code, its times [ms] and values


class _Day:
    """The draws behind a plug's day; each is made once, in one order."""

    def __init__(self, plug: Plug, day: int, every_s: int) -> None:
        self._plug, self._begin_ms, self._every_ms = plug, day * DAY_MS, every_s * 1000
        self._drawn: Generator = np.random.default_rng((plug.seed, plug.number, day))
        steps = self._every_ms + self._drawn.integers(-_JITTER_MS, _JITTER_MS, self._most)
        since_ms = np.cumsum(steps) - int(self._drawn.integers(0, self._every_ms))
        self._since_ms = since_ms[(since_ms > 0) & (since_ms < DAY_MS - self._every_ms)]
        self._size = len(self._since_ms)
        self._volts_d = self._voltage()
        self._power_d = self._noisy(self._load())

    @property
    def _most(self) -> int:
        return DAY_MS // (self._every_ms - _JITTER_MS) + 2

    @cached_property
    def _factor(self) -> float:
        """What makes the loads of this plug others than its neighbour's."""
        return 1 + 0.07 * (self._plug.number % 11)

    def _voltage(self) -> Ints:
        """A walk in steps of 0.1 V that is turned back at 123 V and at 131 V. [0.1 V]"""
        walk = np.cumsum(self._drawn.integers(-1, 2, self._size)) + self._drawn.integers(0, 80)
        turned: Ints = 1_230 + np.abs((walk + 80) % 160 - 80)
        return turned

    def _load(self) -> Ints:
        """The level that each report finds; a load stays for about forty minutes. [0.1 W]"""
        changes = self._drawn.random(self._size) < self._every_ms / 1000 / _LOAD_HOLDS_S
        levels = self._drawn.choice(_LOADS_W, int(changes.sum()) + 1)
        return (levels[np.cumsum(changes)] * self._factor * 10).astype(np.int64)

    def _noisy(self, level_d: Ints) -> Ints:
        """A few tenths of a watt about a level. [0.1 W]"""
        return level_d + self._drawn.integers(-2, 3, len(level_d))

    def _current(self, power_d: Ints, volts_d: Ints) -> Ints:
        """What makes the power at that voltage, by the plug's own power factor. [mA]"""
        cosine = 0.93 + 0.01 * (self._plug.number % 7)
        return np.rint(power_d / volts_d * 1000 / cosine).astype(int)

    def _apart(self, at: Ints) -> Ints:
        most = self._plug.apart_ms
        return at + self._drawn.integers(0, most + 1, len(at)) if most else at

    def _part(self, code: str, at_ms: Ints, values: Ints) -> Part:
        times = (self._begin_ms + self._apart(at_ms)).tolist()
        return code, list(zip(times, map(str, values.tolist()), strict=True))

    def reports(self) -> Iterator[Part]:
        """Voltage, current and power of one instant."""
        current = self._current(self._power_d, self._volts_d)
        yield self._part("cur_voltage", self._since_ms, self._volts_d)
        yield self._part("cur_power", self._since_ms, self._power_d)
        yield self._part("cur_current", self._since_ms, current)

    def lone(self) -> Iterator[Part]:
        """Power and current that moved between two reports."""
        chosen = self._drawn.random(self._size) < _LONE
        later = self._drawn.integers(5_000, self._every_ms - 5_000, self._size)
        at, power_d = (self._since_ms + later)[chosen], self._noisy(self._power_d[chosen])
        yield self._part("cur_power", at, power_d)
        yield self._part("cur_current", at, self._current(power_d, self._volts_d[chosen]))

    def metered(self) -> Iterator[Part]:
        """The energy since the last increment, in whole Wh; never none."""
        used_wh = np.cumsum(self._power_d) * (self._every_ms / 36_000_000)
        chosen = np.flatnonzero(np.diff(np.floor(np.arange(self._size + 1) * _METERED)))
        whole = np.floor(used_wh[chosen]).astype(int)
        yield self._part(
            "add_ele", self._since_ms[chosen], np.maximum(1, np.diff(whole, prepend=0))
        )

    def switched(self) -> Iterator[Part]:
        """Off and, a moment later, on again."""
        at = self._since_ms[self._drawn.random(self._size) < _SWITCHED] + 300
        moments = [(self._begin_ms + int(ms), "false") for ms in at]
        yield "switch_1", [pair for ms, _ in moments for pair in _off_and_on(ms)]

    def contact(self) -> list[tuple[int, Row]]:
        """On some days the plug goes offline for a moment: rows without code and value."""
        if not self._size or self._drawn.random() > _CONTACT_LOST:
            return []
        lost_ms = self._begin_ms + int(self._drawn.choice(self._since_ms)) + 500
        return [_contact(lost_ms, 2), _contact(min(lost_ms + _CONTACT_MS, self._last_ms), 1)]

    @property
    def _last_ms(self) -> int:
        return self._begin_ms + DAY_MS - 1


def _off_and_on(ms: int) -> list[tuple[int, str]]:
    return [(ms, "false"), (ms + _OFF_MS, "true")]


def _contact(ms: int, event_id: int) -> tuple[int, dict[str, Any]]:
    return ms, {"event_from": "1", "event_id": event_id, "event_time": ms, "status": "1"}
