"""The course of a bad month: outages, late rows, runs that die; drawn by a seed.

Belongs here: what shall happen, and when. Does not belong here: making it happen (`weather.py`).
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from lib.spans import Span
from lib.times import HOUR

OUTAGES_D = 1, 3, 6  # of a month of 30 days
DEADLY = 0.15  # of these some come to their end before they are killed
# Rows come late by hours (the overlap takes them) or by days (the daily reconciliation does).
LATE_SHORT_H, LATE_LONG_H = (0.5, 2.0), (6.0, 72.0)
KEPT_H = 168
CHANCE_H = 30  # hours of runs that a late row needs: reconciliation comes once a day


@dataclass(frozen=True)
class Late:
    """Rows of a device that the cloud learns of long after their time."""

    device_id: str
    start: datetime
    end: datetime
    until: datetime


@dataclass(frozen=True)
class Month:
    """So many days of hourly runs from an instant on."""

    begin: datetime
    days: int
    seed: int

    @property
    def end(self) -> datetime:
        """The end of the days whose rows are judged."""
        return self.begin + timedelta(days=self.days)

    @property
    def outages(self) -> list[Span]:
        """Three spans without any run, ascending; in a shorter month they are shorter."""
        drawn = random.Random(f"outages {self.seed}")
        lengths = [max(1, round(24 * n * self.days / 30)) for n in OUTAGES_D]
        drawn.shuffle(lengths)
        free = self.days * 24 - sum(lengths)
        apart = free // 8
        cuts = sorted(drawn.randrange(free - 4 * apart) for _ in lengths)
        spans, passed = [], 0
        for number, (cut, length) in enumerate(zip(cuts, lengths, strict=True), 1):
            start = self.begin + (cut + number * apart + passed) * HOUR
            spans.append((start, start + length * HOUR))
            passed += length
        return spans

    def runs(self) -> Iterator[datetime]:
        """The instants of the hourly runs of the days and of the day after them."""
        outages = self.outages
        for hour in range(1, (self.days + 1) * 24 + 1):
            now = self.begin + hour * HOUR
            if not any(start <= now < end for start, end in outages):
                yield now

    def deadly(self, now: datetime) -> float | None:
        """When in its life the run of an instant dies, 0 to 1, or None."""
        drawn = random.Random(f"deadly {self.seed} {now}")
        return drawn.random() if drawn.random() < DEADLY else None

    def late(self, device_ids: list[str]) -> list[Late]:
        """Late rows of every device, none so late that no run could still have asked for them."""
        drawn = random.Random(f"late {self.seed}")
        runs = list(self.runs())
        wanted = [self._late(drawn, own) for own in device_ids for _ in range(self.days // 2 + 2)]
        return [one for one in wanted if _chances(one, runs) >= CHANCE_H]

    def _late(self, drawn: random.Random, own: str) -> Late:
        start = self.begin + drawn.uniform(0, self.days * 24 - 2) * HOUR
        end = start + drawn.uniform(0.2, 1.5) * HOUR
        late_h = drawn.uniform(*drawn.choice([LATE_SHORT_H, LATE_LONG_H]))
        return Late(own, start, end, end + late_h * HOUR)


def _chances(late: Late, runs: list[datetime]) -> int:
    """Runs between the instant from which the rows are served and their end."""
    return sum(late.until <= now < late.start + KEPT_H * HOUR for now in runs)
