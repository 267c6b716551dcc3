"""What a collection costs, beside `tinytuya.Cloud.getdevicelog`: time, requests, memory.

    tools/env python bench/ingest.py [--rows N] [--rounds N] [--latency-ms N]

The same rows of the same stand-in, in turn: by tinytuya one device after the other with its own
paging, kept in memory; by this project onto the disk, as raw files and journal. Both are checked
against the house to the last row. Belongs here: these comparisons and their limits.
"""

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench import collect, harness, server
from bench.harness import Ratio
from bench.houses import DenseHouse, dense
from bench.server import Server
from lib import origins, registry
from lib.paths import Paths
from lib.times import iso, to_ms
from lib.tuya import TuyaCloud

NOW = datetime(2026, 4, 22, 15, tzinfo=UTC)
PAGES = 1_000_000  # no limit for getdevicelog, whose own would leave rows out
FEW, MANY, PACED = 10_000, 1_000_000, 10_000
PLUGS, DENSE = 40, 8  # of these 2,500 rows a week each, as a plug's; of those 12,500
NAMES = "getdevicelog", "tcc"


@dataclass(frozen=True)
class Came:
    """What one collection took: seconds, requests, and what its process told."""

    seconds: float
    requests: int
    told: dict[str, Any]


class Bench:
    """A house behind a stand-in, and a folder for the stores that are filled from it."""

    def __init__(self, house: DenseHouse, standin: Server, folder: Path) -> None:
        self.house, self.standin, self.folder = house, standin, folder
        self._registry = folder / "known" / "data"
        self._know_the_devices(Paths.at(self._registry))
        keys = sorted(json.dumps(key) for key in house.keys(house.begin, NOW))
        self.rows = len(keys)
        self.digest = hashlib.sha256("\n".join(keys).encode()).hexdigest()

    def _know_the_devices(self, paths: Paths) -> None:
        cloud = TuyaCloud(self.standin.access)
        registry.refresh(paths, cloud, (), now=NOW)
        cloud.close()
        origins.claim(paths, collect.ORIGIN, now=NOW)

    def theirs(self, max_fetches: int | None = PAGES) -> Came:
        """By tinytuya: the seven days of each device with one call of getdevicelog."""
        span = {"start_ms": to_ms(NOW - timedelta(days=7)), "end_ms": to_ms(NOW)}
        asked = {"devices": self.house.ids, "max_fetches": max_fetches}
        return self._came("bench.theirs", span | asked)

    def ours(self, **settings: float) -> Came:
        """By this project: a store that knows its devices and holds no row yet."""
        store = self.folder / "store"
        shutil.rmtree(store, ignore_errors=True)
        shutil.copytree(self._registry, store)
        given = {"store": str(store), "now": iso(NOW), "settings": settings}
        return self._came("bench.ours", given)

    def _came(self, module: str, given: dict[str, Any]) -> Came:
        access = self.standin.access
        plain = {
            "access_id": access.access_id.get_secret_value(),
            "access_secret": access.access_secret.get_secret_value(),
            "host": access.host,
            "ca_bundle": str(access.ca_bundle),
        }
        self.standin.do(server.forget)
        told = harness.measured(module, given | plain)
        return Came(told["seconds"], self.standin.do(server.requests), told)

    def check(self, came: Came) -> None:
        """Leave where a row is missing or came wrong: then nothing was compared."""
        if came.told["digest"] != self.digest or came.told.get("left"):
            sys.exit(f"{came.told['rows']} of {self.rows} rows came: {came.told}")


@contextmanager
def bench_of(rows: int, *, size: int = DENSE, latency_s: float = 0) -> Iterator[Bench]:
    """A bench with a fresh house of so many rows, of so many plugs."""
    house = dense(rows, now=NOW, size=size)
    temporary = tempfile.TemporaryDirectory(prefix="tcc-bench-")
    with temporary as folder, Server(house, now=NOW, latency_s=latency_s) as standin:
        yield Bench(house, standin, Path(folder))


def side_by_side(rows: int, rounds: int, latency_s: float) -> list[Ratio]:
    """Time and requests of both, in turn; what getdevicelog leaves out by default."""
    with bench_of(rows, size=PLUGS, latency_s=latency_s) as bench:
        print(f"{bench.rows} rows of {bench.house.size} devices, {latency_s * 1000:g} ms a request")
        pairs = harness.side_by_side([bench.theirs, bench.ours], rounds)
        for pair in pairs:
            for name, came in zip(NAMES, pair, strict=True):
                bench.check(came)
                print(f"  {name:<13} {came.seconds:7.2f} s {came.requests:6d} requests")
    _tell_denser(rows, latency_s)
    return [
        Ratio("time, getdevicelog / tcc", [a.seconds / b.seconds for a, b in pairs], 4, True),
        Ratio("requests, tcc / getdevicelog", [b.requests / a.requests for a, b in pairs], 1),
        *[
            Ratio(f"requests per 1,000 rows, {name}", [p[n].requests / rows * 1000 for p in pairs])
            for n, name in enumerate(NAMES)
        ],
    ]


def _tell_denser(rows: int, latency_s: float) -> None:
    """What the same rows of fewer plugs take: no question of ours is longer than 3,000 rows."""
    with bench_of(rows, latency_s=latency_s) as bench:
        their, our = bench.theirs(), bench.ours()
        for came in (their, our):
            bench.check(came)
        print(f"  of {bench.house.size} plugs: {our.requests} requests, theirs {their.requests}")
        _tell_default(bench)


def _tell_default(bench: Bench) -> None:
    """What getdevicelog gives without `max_fetches`, and what it says of it."""
    came = bench.theirs(max_fetches=None)
    said = "success" if came.told["success"] else "an error"
    left = bench.rows - came.told["rows"]
    print(f"  getdevicelog with its default of 50 pages says {said} and leaves out {left} rows")


def paced(rows: int, latency_s: float) -> None:
    """Tell what the default limit of calls a second makes of it, on fewer rows."""
    with bench_of(rows, latency_s=latency_s) as bench:
        came = bench.ours(calls_per_s=10)
        bench.check(came)
        rate = came.requests / came.seconds
        print(f"  tcc with its default of 10 calls a second: {rate:.1f} requests a second,")
        print(f"  {came.seconds:.1f} s for {bench.rows} rows (the others run without that limit)")


def memory(few: int, many: int) -> Ratio:
    """The peak of a whole process that collects, interpreter and imports included."""
    peaks = [_peak_mb(rows) for rows in (few, many)]
    print(f"  peak memory of tcc: {peaks[0]:.0f} MB for {few} rows, {peaks[1]:.0f} MB for {many}")
    return Ratio(f"peak memory, {many} rows / {few} rows", [peaks[1] / peaks[0]], limit=1.25)


def _peak_mb(rows: int) -> float:
    with bench_of(rows) as bench:
        came = bench.ours()
        bench.check(came)
        return float(came.told["peak_mb"])


def main() -> int:
    """Measure, print, and give the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency-ms", type=float, default=20)
    parser.add_argument("--many", type=int, default=MANY, help="rows of the larger memory run")
    given = parser.parse_args()
    latency_s = given.latency_ms / 1000
    ratios = side_by_side(given.rows, given.rounds, latency_s)
    paced(min(PACED, given.rows), latency_s)
    ratios.append(memory(FEW, given.many))
    return harness.concluded(ratios)


if __name__ == "__main__":
    sys.exit(main())
