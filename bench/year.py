"""A year of hourly runs on the moving clock: is what grew hour by hour what a rebuild makes?

    tools/env python bench/year.py [--days N] [--seed S]

A plug and a meter; hours that nobody ran, runs that end half-way, outages, rows that come late,
a device offline for days, another scale, another name. Every hour the sums of staging must add
up. At four instants all is made anew from data/raw and every partition compared, at the end also
from the files in reverse order. What an hour costs in the last month against the first is told.
Belongs here: driving the year. Does not belong here: what happens when (`course.py`), comparing
(`rebuilt.py`).
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TypeVar

from bench import harness, server
from bench.collect import ORIGIN, collect, settings
from bench.course import BEGIN, CHECKED, METER, PLUG, RENAMED, RESPECIFIED, STEPS, Course
from bench.harness import Ratio
from bench.rebuilt import compare, rebuilt
from bench.server import Server
from lib import marts, origins, staging
from lib.config import Config
from lib.demo.standin import StandIn
from lib.paths import Paths
from lib.staged_date import Report
from lib.times import HOUR

LIMIT = 1.2
WARMING_UP_D = 9  # the cloud's memory and two days: so long the hours still grow by themselves
SHORT_D = 60  # a shorter run tells its ratios only: a few days, on any machine, say little
Result = TypeVar("Result")


@dataclass(frozen=True)
class Hour:
    """What an hour's run took of each step that it did: seconds, and those of the processor."""

    hour: int
    rows: int
    seconds: tuple[float, ...]
    busy_s: tuple[float, ...]
    again: bool  # whether everything was staged once more


@dataclass
class Year:
    """A year, the stand-in that serves it, the store that grows, and what was seen."""

    course: Course
    standin: Server
    folder: Path
    config: Config
    hours: list[Hour] = field(default_factory=list)
    checks: int = 0
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.paths = Paths.at(self.folder / "data")

    def live(self) -> None:
        """Every hour of it."""
        origins.claim(self.paths, ORIGIN, now=BEGIN)
        print(f"{'month':>5} {'runs':>6} {'rows':>9}  seconds an hour: {', '.join(STEPS)}")
        course = self.course
        for hour in range(1, course.hours + 1):
            self._happen(hour)
            if steps := course.steps(hour):
                self.hours.append(self._run(hour, steps))
            if hour in map(course.hour, CHECKED):
                self._check(hour)
            if hour == course.hours or course.month(hour + 1) != course.month(hour):
                self._tell(course.month(hour))

    def _happen(self, hour: int) -> None:
        """Move the clock, and let happen to the devices what is due."""
        course, do = self.course, self.standin.do
        do(server.move, BEGIN + hour * HOUR)
        for late in course.late(hour):
            do(server.late, *late)
        if hour == course.hour(RESPECIFIED):
            do(respecify, METER, "forward_energy_total", 3)
        if hour == course.hour(RENAMED):
            do(rename, PLUG, "Lavadora nova")

    def _run(self, hour: int, steps: int) -> Hour:
        """An hour's run, or the first steps of it. Raises SourceError."""
        paths, config, now = self.paths, self.config, BEGIN + hour * HOUR
        before = staging.generation(paths)
        report, *took = _timed(lambda: collect(paths, self.standin.access, config, now))
        report.raise_if_stopped()
        times = [took]
        if steps > 1:
            staged, *took = _timed(lambda: staging.run(paths, config))
            times.append(took)
            self._add_up(hour, staged)
        if steps > 2:
            _, *took = _timed(lambda: marts.run(paths, config))
            times.append(took)
        again = staging.generation(paths) != before
        seconds, busy_s = zip(*times, strict=True)
        return Hour(hour, report.rows, seconds, busy_s, again)

    def _add_up(self, hour: int, report: Report) -> None:
        """Rows in = staged + duplicate + conflicting + quarantined; here nothing is quarantined."""
        parts = report.staged, report.duplicate, report.conflicting, report.quarantined_rows
        if report.rows_in != sum(parts) or report.quarantined:
            self.wrong.append(f"hour {hour}: {report.rows_in} rows in, parts {parts}")

    def _check(self, hour: int) -> None:
        """Make everything anew, at the end also from files in reverse order, and compare."""
        for backwards in (False, True)[: 1 + (hour == self.course.hours)]:
            began = time.monotonic()
            with tempfile.TemporaryDirectory(dir=self.folder) as folder:
                again = rebuilt(self.paths, Path(folder), self.config, backwards=backwards)
                between, found = time.monotonic(), compare(self.paths, again)
            self.checks += 1
            self.wrong += [f"hour {hour}: {name}" for name in found.unequal]
            self.wrong += [] if found.rows["staging"] else [f"hour {hour}: nothing is staged"]
            print(
                f"  day {hour / 24:.0f}: {found.partitions} partitions of {len(found.rows)} tables "
                f"compared{' in reverse order' if backwards else ''}, {len(found.unequal)} "
                f"differ; {found.rows['staging']} rows staged, {found.rows.total()} in all; "
                f"rebuilt in {between - began:.0f} s, compared in {time.monotonic() - between:.0f}",
                flush=True,
            )

    def _tell(self, month: int) -> None:
        """Print a month: what an hour of it cost, without those that staged everything again."""
        own = [one for one in self.hours if self.course.month(one.hour) == month]
        columns = [[one.seconds[n] for one in own if _counts(one, n)] for n in range(3)]
        spent = " ".join(f"{fmean(column):.3f}" if column else "-" for column in columns)
        again = [f"{one.hour} ({sum(one.seconds):.1f} s)" for one in own if one.again]
        told = f"; everything again in hour {', '.join(again)}" if again else ""
        rows = sum(one.rows for one in own)
        print(f"{month + 1:>5} {len(own):>6} {rows:>9}  {spent}{told}", flush=True)

    def ratios(self) -> list[Ratio]:
        """The last month against the first, day by day; only seconds have a limit."""
        last = self.course.months
        found = []
        for n, step in enumerate(STEPS):
            limit = None if n == 0 or self.course.days < SHORT_D else LIMIT
            name = f"{step}, month {last} / month 1"
            found.append(Ratio(f"{name}, time", self._grown(n, lambda one: one.seconds), limit))
            found.append(Ratio(f"{name}, processor", self._grown(n, lambda one: one.busy_s)))
        return found

    def _grown(self, step: int, of: Callable[[Hour], tuple[float, ...]]) -> list[float]:
        first, last = (self._days(month, step, of) for month in (0, self.course.months - 1))
        return [late / early for early, late in zip(first, last, strict=False)]

    def _days(self, month: int, step: int, of: Callable[[Hour], tuple[float, ...]]) -> list[float]:
        """What an hour took on each day of a month, without the first days of all."""
        days: dict[int, list[float]] = {}
        warm_h = 24 * min(WARMING_UP_D, self.course.days // self.course.months // 2)
        for one in self.hours:
            if self.course.month(one.hour) == month and one.hour > warm_h and _counts(one, step):
                days.setdefault((one.hour - 1) // 24, []).append(of(one)[step])
        return [fmean(own) for own in days.values()]


def _counts(one: Hour, step: int) -> bool:
    return len(one.seconds) > step and not one.again


def _timed(work: Callable[[], Result]) -> tuple[Result, float, float]:
    began, busy_s = time.monotonic(), time.process_time()
    result = work()
    return result, time.monotonic() - began, time.process_time() - busy_s


def respecify(standin: StandIn, device_id: str, code: str, scale: int) -> None:
    """Let a device report a code in another scale from now on."""
    standin.edits.respecify(device_id, code, scale)


def rename(standin: StandIn, device_id: str, name: str) -> None:
    """Give a device another name."""
    standin.edits.rename(device_id, name)


def year(days: int, seed: int) -> int:
    """Live through it, print what came of it; the exit code."""
    course = Course(days, seed)
    temporary = tempfile.TemporaryDirectory(prefix="tcc-year-")
    with temporary as folder, Server(course.house, now=BEGIN) as standin:
        lived = Year(course, standin, Path(folder), settings())
        lived.live()
    for wrong in lived.wrong[:20]:
        print(f"WRONG: {wrong}")
    print(
        f"{len(lived.hours)} runs in {course.hours} hours, seed {seed}; {lived.checks} times made "
        f"anew, {len(lived.wrong)} differences; at most {harness.peak_mb():.0f} MB"
    )
    return max(harness.concluded(lived.ratios()), bool(lived.wrong))


def main() -> int:
    """Read the command line; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    if given.days < 2:
        parser.error("a year has two days at least")
    began = time.monotonic()
    code = year(given.days, given.seed)
    print(f"{time.monotonic() - began:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
