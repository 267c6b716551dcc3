"""How devices report: on change, by heartbeat, in increments. From true load to log rows.

Belongs here: the rules of real devices (2 % of voltage, 20 % of power or 3 W, an hourly
heartbeat, add_ele after 10 min from 0.1 kWh or after 30 min from 0.001 kWh) and their ragged
time stamps. Does not belong here: what the devices measure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lib.demo.conditions import Spell, stretches
from lib.demo.days import DAY_MS, STEP_S, STEPS, Day
from lib.demo.house import OFFLINE, ONLINE, REPORT, SIGNAL, LogRow

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
_HOUR = 3600 // STEP_S
_VOLTAGE_EVERY = 30 // STEP_S
Reading = tuple[str, int, str]


@dataclass(frozen=True)
class Draw:
    """A device-day's true load: power by step [W], energy up to each step [Wh]."""

    power_w: Array
    energy_wh: Array


@dataclass
class Recorder:
    """Collects a device-day's rows and gives each report its time stamps."""

    day: Day
    index: int
    rows: list[LogRow] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = self.day.rng(400 + self.index)
        self._delays_ms = rng.integers(80, 201, 256).tolist()
        self._jitter_ms = rng.integers(0, 900, 256).tolist()
        self._phase_ms = 300 + 613 * self.index % 5000
        self._next = 0
        self._free_ms: dict[int, int] = {}

    def report(self, at: int, readings: Iterable[Reading], event_from: str = "1") -> None:
        """Data points of one report, 80 to 200 ms apart, as the cloud stamps them."""
        time_ms = self._free_ms.get(at, self._time_ms(at))
        for code, dp_id, value in readings:
            self.rows.append(LogRow(time_ms, REPORT, code, dp_id, value, None, event_from))
            time_ms += self._delays_ms[self._next % 256]
            self._next += 1
        self._free_ms[at] = time_ms

    def event(self, at: int, event_id: int, event_value: str | None = None) -> None:
        """A row without a data point: online, offline or signal strength."""
        before_reports_ms = self._time_ms(at) - 50
        self.rows.append(LogRow(before_reports_ms, event_id, None, 0, None, event_value))

    def last_moment(self, reading: Reading) -> None:
        """A report just before the day of the house ends."""
        code, dp_id, value = reading
        time_ms = self.day.start_ms + DAY_MS - 400 + self.index
        self.rows.append(LogRow(time_ms, REPORT, code, dp_id, value))

    def connection(self, silent: Sequence[Spell]) -> None:
        """Offline and online rows around each silence, and signal strength in most hours."""
        for first, last in silent:
            self.event(first + 1, OFFLINE)
            self.event(last, ONLINE)
        rng = self.day.rng(600 + self.index)
        for hour in range(24):
            at = hour * _HOUR + 37 * self.index % _HOUR
            heard = not any(first <= at <= last for first, last in silent)
            if rng.random() < 0.8 and heard:
                self.event(at, SIGNAL, str(-52 + int(rng.integers(-6, 7))))

    def _time_ms(self, at: int) -> int:
        jitter_ms: int = self._jitter_ms[at % 256]
        return self.day.start_ms + at * STEP_S * 1000 + self._phase_ms + jitter_ms


def on_change(
    power_w: Array, volts: Array, relay: Flags, watched: Flags, silent: list[Spell]
) -> list[int]:
    """The steps at which a plug sends voltage, current and power together."""
    power, voltage = power_w.tolist(), volts.tolist()
    forced = (watched | np.diff(relay, prepend=relay[:1])).tolist()
    chosen: list[int] = []
    for first, last in stretches(silent):
        sent_w, sent_v, sent_at = power[first], voltage[first], first
        chosen.append(first)
        for i in range(first + 1, last):
            change_w = abs(power[i] - sent_w)
            if (
                (change_w >= 3.0 and change_w >= 0.2 * sent_w)
                or i - sent_at >= _HOUR
                or forced[i]
                or (i % _VOLTAGE_EVERY == 0 and abs(voltage[i] - sent_v) >= 0.02 * sent_v)
            ):
                chosen.append(i)
                sent_w, sent_v, sent_at = power[i], voltage[i], i
    return chosen


def increments(energy_wh: Array, silent: list[Spell]) -> tuple[list[tuple[int, int]], int]:
    """When a plug sends add_ele, and how many whole Wh; then what remains at the day's end.

    `energy_wh[i]` is the energy of the day up to step i; a day's total is a whole number,
    so that nothing is carried from one day to the next. [Wh]
    """
    sent_wh, sent_at, found = 0, 0, []
    for first, last in stretches(silent):
        for i in range(first + (-first) % 6, last, 6):
            waited_s = (i - sent_at) * STEP_S
            pending_wh = int(energy_wh[i] - sent_wh + 1e-6)
            if (waited_s >= 600 and pending_wh >= 100) or (waited_s >= 1800 and pending_wh >= 1):
                found.append((i, pending_wh))
                sent_wh, sent_at = sent_wh + pending_wh, i
    return found, round(float(energy_wh[STEPS])) - sent_wh
