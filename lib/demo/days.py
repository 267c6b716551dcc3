"""The calendar of the simulated house: kinds of day, the people's hours, the stories.

Belongs here: what a day is like, as a pure function of seed and date. Does not belong here:
what devices make of it. A day of the house runs from 4h to 4h local time, when nearly
everything rests, so that each day can be computed without the one before.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays
import numpy as np

STEP_S = 10
STEPS = 86_400 // STEP_S
DAY_MS = 86_400_000
FIRST_H = 4

# The stories repeat every CYCLE days, counted from the start of the default demo window.
STORIES_BEGIN = date(2026, 2, 25)
CYCLE = 56
SAG_DAY, AGEING_FROM, FORGOTTEN_LAMP_DAYS, POWER_CUT_DAY = 42, 32, (12, 44), 50
SAG_H, SAG_DIP_H, POWER_CUT_H = (18.3, 20.1), (18.9, 19.1), (19.2, 19.2 + 40 / 60)

_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class Day:
    """One day of the house; hours are local clock hours, past midnight from 24 on."""

    seed: int
    number: int
    start_ms: int
    date: date
    kind: str
    up_h: float
    away_h: tuple[float, float] | None
    sleep_h: float

    @property
    def story_day(self) -> int:
        """The day's place in the cycle of stories, from 0."""
        return (self.date - STORIES_BEGIN).days % CYCLE

    @property
    def free(self) -> bool:
        """Whether nobody goes to work."""
        return self.kind != "workday"

    @property
    def power_cut(self) -> bool:
        """Whether the whole house goes dark for 40 minutes this evening."""
        return self.story_day == POWER_CUT_DAY

    def rng(self, stream: int) -> np.random.Generator:
        """The day's own random numbers for one purpose."""
        return np.random.default_rng([self.seed, stream, self.number + 1_000_000])


def step(hour: float) -> int:
    """The index of a local clock hour in the day's arrays."""
    return min(STEPS, max(0, round((hour - FIRST_H) * 3600 / STEP_S)))


class Calendar:
    """The days of a site; `subdivision` is the state, for its holidays."""

    def __init__(self, seed: int, time_zone: str, subdivision: str = "MG") -> None:
        self.seed = seed
        self._holidays = holidays.country_holidays("BR", subdiv=subdivision)
        winter = datetime(2026, 7, 1, tzinfo=UTC).astimezone(ZoneInfo(time_zone))
        offset = winter.utcoffset() or timedelta()
        self._shift_ms = FIRST_H * 3_600_000 - int(offset.total_seconds() * 1000)
        self.day = lru_cache(maxsize=512)(self._day)

    def number(self, ms: int) -> int:
        """The number of the day that an instant falls in. [ms since 1970, UTC]"""
        return (ms - self._shift_ms) // DAY_MS

    def start_ms(self, number: int) -> int:
        """When a day begins. [ms since 1970, UTC]"""
        return number * DAY_MS + self._shift_ms

    def kind(self, day: date) -> str:
        """workday, saturday, sunday or holiday."""
        if day in self._holidays:
            return "holiday"
        return {5: "saturday", 6: "sunday"}.get(day.weekday(), "workday")

    def _day(self, number: int) -> Day:
        today = date.fromordinal(_EPOCH + number)
        kind = self.kind(today)
        rng = np.random.default_rng([self.seed, 99, number + 1_000_000])
        up_h, away_h, sleep_h = _hours(kind, rng)
        start_ms = self.start_ms(number)
        return Day(self.seed, number, start_ms, today, kind, up_h, away_h, sleep_h)


def _hours(kind: str, rng: np.random.Generator) -> tuple[float, tuple[float, float] | None, float]:
    """When the people get up, are away and go to sleep. [local h]"""
    early, late = rng.uniform(0, 1, 2)
    if kind == "workday":
        return 6.2 + 0.6 * early, (7.6 + 0.4 * early, 17.9 + 1.1 * late), 22.5 + late
    if kind == "saturday":
        return 7.5 + 1.3 * early, (15.0 + early, 18.2 + late), 23.6 + 1.2 * late
    return 8.0 + 1.4 * early, None, 22.8 + 1.2 * late
