"""A month of bad weather: is a row lost, or staged twice?

    tools/env python bench/weather.py [--days N] [--devices N] [--seed S]

Hourly runs on the moving clock, a fault in one call of ten, runs killed at a random instant of
their life, three outages of one to six days, rows that come late. Then every key in staging is
compared with the house. After that an outage of nine days: what expired in it, and nothing else,
must be missing, and the ledger of losses must name it. Belongs here: driving the month.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench import children, server
from bench.collect import ORIGIN, collect, settings
from bench.houses import DenseHouse
from bench.month import Month
from bench.server import Server
from bench.verdict import Verdict, judge
from lib import losses, origins
from lib.config import Config
from lib.errors import SourceError
from lib.loss_causes import EXPIRED
from lib.paths import Paths
from lib.raw import DAY_MS
from lib.times import DAY, HOUR, iso

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
RATE = 0.1
ROWS_A_DAY = 1_700  # of a device: 8 devices and 30 days make 408,000
LONG_OUTAGE = 9 * DAY
AFTERWARDS_H = 12


@dataclass
class Tally:
    """Runs: how many, how many killed, how long [s]; requests, and what struck them."""

    runs: int = 0
    killed: int = 0
    lasted_s: dict[datetime, float] = field(default_factory=dict)
    requests: int = 0
    struck: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Weather:
    """A month, its house, the stand-in that serves it, and the store that is filled."""

    month: Month
    house: DenseHouse
    standin: Server
    paths: Paths
    config: Config
    tally: Tally = field(default_factory=Tally)

    def begin(self) -> None:
        """Claim the store, hold rows back, let the storm loose."""
        origins.claim(self.paths, ORIGIN, now=self.month.begin)
        for one in self.month.late(self.house.ids):
            self.standin.do(server.late, one.device_id, one.start, one.end, one.until)
        self.standin.do(server.storm, self.month.seed, RATE)

    def run(self, now: datetime, *, dies_at: float | None = None) -> None:
        """One hourly run in a child; killed at a share of how long such a run lasts."""
        self.standin.do(server.move, now)
        after_s = None if dies_at is None else dies_at * self._lasts_s(now)
        end = children.run(lambda: self._collect(now), kill_after_s=after_s)
        self.tally.runs += 1
        self.tally.killed += end.killed
        if not end.killed:
            self.tally.lasted_s[now] = end.seconds

    def _lasts_s(self, now: datetime) -> float:
        """How long a run lasts: as the day before, when it too asked for all again; or the last."""
        lasted_s = self.tally.lasted_s
        return lasted_s.get(now - DAY) or next(reversed(lasted_s.values()), 0.5)

    def _collect(self, now: datetime) -> None:
        """What a run cannot do the next one does; so an hourly job would see it, too."""
        with suppress(SourceError), origins.alone(self.paths):
            collect(self.paths, self.standin.access, self.config, now, patient=False)

    def judged(self, until: datetime, expired: list[tuple[datetime, datetime]]) -> Verdict:
        """Stage all and compare it with the house up to an instant."""
        span = self.month.begin, until
        return children.result_of(judge, self.paths, self.config, self.house, span, expired)


def month_of(weather: Weather) -> Verdict:
    """Run the days and the day after them, then judge the rows of the days."""
    weather.begin()
    day = None
    for now in weather.month.runs():
        weather.run(now, dies_at=weather.month.deadly(now))
        if day != now.date():
            day = now.date()
            _progress(weather, now)
    return weather.judged(weather.month.end, [])


def long_outage(weather: Weather) -> tuple[Verdict, bool]:
    """Nine days without a run; what is missing then, and whether the ledger names just that.

    The runs at both edges are calm, so that what must be missing is known to the millisecond.
    """
    last = weather.month.end + DAY + HOUR
    first = last + LONG_OUTAGE
    asked, tally = weather.config.ingestion, weather.tally
    tally.requests, tally.struck = weather.standin.do(server.calm)
    weather.run(last)
    weather.run(first)
    weather.standin.do(server.storm, weather.month.seed + 1, RATE)
    for hour in range(1, AFTERWARDS_H + 1):
        weather.run(first + hour * HOUR)
    margin, memory = timedelta(seconds=asked.margin_s), timedelta(days=asked.retention_days)
    expired = last - margin, first - memory
    verdict = weather.judged(first - margin, [expired])
    now = first + AFTERWARDS_H * HOUR
    named = children.result_of(_named, weather.paths, weather.config, weather.month.begin, now)
    for device, own in named.items():
        print(f"  {device}: {'; '.join(f'{iso(a)} to {iso(b)} {why}' for a, b, why in own)}")
    right = {own: [(*expired, "collector down")] for own in weather.house.ids}
    return verdict, named == right


def _named(
    paths: Paths, config: Config, since: datetime, now: datetime
) -> dict[str, list[tuple[datetime, datetime, str]]]:
    """What the ledger says is expired of each device since the house began."""
    found: dict[str, list[tuple[datetime, datetime, str]]] = {}
    for loss in losses.ledger(paths, config, now=now).to_dict("records"):
        start, end = (loss[name].to_pydatetime() for name in ("lost_start", "lost_end"))
        if loss["kind"] == EXPIRED and end > since:
            found.setdefault(loss["device_id"], []).append((start, end, loss["cause"]))
    return found


def _progress(weather: Weather, now: datetime) -> None:
    tally, since = weather.tally, (now - weather.month.begin) / DAY
    spent_s = sum(tally.lasted_s.values())
    told = f"day {since:4.0f}: {tally.runs} runs, {tally.killed} killed, {spent_s:.0f} s together"
    print(told, file=sys.stderr, flush=True)


def tell(what: str, verdict: Verdict) -> None:
    """Print a verdict."""
    print(
        f"{what}: {verdict.truth} rows of the house, {verdict.staged} staged\n"
        f"  lost {verdict.lost}, twice {verdict.twice}, invented {verdict.invented}, "
        f"of another value {verdict.otherwise}, expired as they must {verdict.expired}"
    )


def _tell_weather(weather: Weather) -> None:
    month, tally = weather.month, weather.tally
    share = tally.struck.total() / tally.requests
    outages = ", ".join(f"{iso(a)} {(b - a) / HOUR:.0f} h" for a, b in month.outages)
    late = month.late(weather.house.ids)
    print(f"{month.days} days, {weather.house.size} devices, seed {month.seed}; outages: {outages}")
    print(f"{tally.runs} runs, {tally.killed} of them killed; {len(late)} spans of late rows")
    print(f"{tally.requests} requests, {tally.struck.total()} spoiled ({share:.1%}):")
    print(f"  {', '.join(f'{kind} {n}' for kind, n in tally.struck.most_common())}")


def bad_weather(days: int, devices: int, seed: int) -> int:
    """Live through it, print what came of it; the exit code."""
    month = Month(BEGIN, days, seed)
    rows = ROWS_A_DAY * (days + 1 + 10 + 1)
    house = DenseHouse(BEGIN, DAY_MS // ROWS_A_DAY, rows, size=devices, seed=seed)
    temporary = tempfile.TemporaryDirectory(prefix="tcc-weather-")
    with temporary as folder, Server(house, now=BEGIN) as standin:
        paths = Paths.at(Path(folder) / "data")
        weather = Weather(month, house, standin, paths, settings())
        whole = month_of(weather)
        outage, named = long_outage(weather)
    _tell_weather(weather)
    tell("The month", whole)
    tell("After the outage of nine days", outage)
    print(f"  the ledger of losses names {'just these windows' if named else 'SOMETHING ELSE'}")
    good = whole.flawless and outage.flawless and outage.expired and named
    return 0 if good else 1


def main() -> int:
    """Read the command line; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--devices", type=int, default=8)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    began = time.monotonic()
    code = bad_weather(given.days, given.devices, given.seed)
    print(f"{time.monotonic() - began:.0f} s; {'nothing lost' if code == 0 else 'FAILED'}")
    return code


if __name__ == "__main__":
    sys.exit(main())
