"""The course of a year on two devices: what happens in which hour, drawn by a seed.

Belongs here: the house, and what shall happen to it and to the runs. Does not belong here:
making it happen (`year.py`).
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from lib.demo import catalogue
from lib.demo.house import OFFLINE, ONLINE, DemoDevice, LogRow, log_order
from lib.demo.simulated import SimulatedHouse
from lib.times import HOUR, to_ms

BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
PLUG, METER = catalogue.WASHER, catalogue.METER
STEPS = ("collection", "staging", "marts")
# Shares of the way: when what happens.
CHECKED = (0.25, 0.5, 0.75, 1.0)
OUTAGES_H = ((0.3, 7), (0.55, 50), (0.8, 9 * 24))  # the last one is longer than the cloud's memory
AWAY = ((PLUG, 0.15, 0.01), (METER, 0.65, 0.02))
RESPECIFIED, RENAMED = 0.4, 0.6
MISSED, CUT_SHORT, LATE = 0.02, 0.02, 1 / 72  # chances an hour
LATE_H = ((0.5, 2.0), (6.0, 72.0))


@cache
def _house() -> SimulatedHouse:
    return SimulatedHouse()


@dataclass(frozen=True)
class Pair:
    """Two devices of the demo house, each without a word for a while. [ms]"""

    away: tuple[tuple[str, int, int], ...]

    name = "Dois dispositivos da casa de demonstração (simulados)"
    simulated = True
    attribution = "Dados simulados por este projeto; nenhum valor foi medido."

    def devices(self) -> list[DemoDevice]:
        """The plug and the meter."""
        return [device for device in _house().devices() if device.id in (PLUG, METER)]

    def rows(self, device_id: str, start_ms: int, end_ms: int) -> Sequence[LogRow]:
        """The device's rows in [start_ms, end_ms), oldest first."""
        rows = _house().rows(device_id, start_ms, end_ms)
        for _, first, last in (own for own in self.away if own[0] == device_id):
            edges = LogRow(first, OFFLINE, None, 0, None), LogRow(last, ONLINE, None, 0, None)
            heard = [row for row in rows if not first <= row.event_time_ms <= last]
            heard += [row for row in edges if start_ms <= row.event_time_ms < end_ms]
            rows = sorted(heard, key=log_order, reverse=True)
        return rows


@dataclass(frozen=True)
class Course:
    """What happens in which hour, drawn by a seed."""

    days: int
    seed: int

    @property
    def hours(self) -> int:
        """How many hours the year has."""
        return self.days * 24

    def hour(self, share: float) -> int:
        """The hour at a share of the way."""
        return max(1, round(self.hours * share))

    @property
    def house(self) -> Pair:
        """The house, and when its devices are offline."""
        hour_ms, begin_ms = round(HOUR.total_seconds() * 1000), to_ms(BEGIN)
        away = [
            (device, begin_ms + self.hour(at) * hour_ms + 754_321, self.hour(share) * hour_ms)
            for device, at, share in AWAY
        ]
        return Pair(tuple((device, start, start + length) for device, start, length in away))

    def steps(self, hour: int) -> int:
        """How many steps of an hour's run are done: none, or the collection, or staging too."""
        if hour in (1, *map(self.hour, CHECKED)):
            return len(STEPS)
        outages = [(self.hour(at), own) for at, own in OUTAGES_H if own * 8 <= self.hours]
        if any(start <= hour < start + length for start, length in outages):
            return 0
        drawn = random.Random(f"steps {self.seed} {hour}").random()
        if drawn < MISSED:
            return 0
        return 1 + int(2 * (drawn - MISSED) / CUT_SHORT) if drawn < MISSED + CUT_SHORT else 3

    def late(self, hour: int) -> list[tuple[str, datetime, datetime, datetime]]:
        """Spans of rows from this hour on that the cloud will have only later."""
        drawn, now = random.Random(f"late {self.seed} {hour}"), BEGIN + hour * HOUR
        found = []
        for device in (PLUG, METER):
            end = now + drawn.uniform(0.2, 1.5) * HOUR
            if drawn.random() < LATE:
                found.append((device, now, end, end + drawn.uniform(*drawn.choice(LATE_H)) * HOUR))
        return found

    @property
    def months(self) -> int:
        """Twelve in a year; in a short run two halves."""
        return max(2, min(12, self.days // 30))

    def month(self, hour: int) -> int:
        """The month of an hour, from 0."""
        return (hour - 1) // 24 * self.months // self.days
