"""Staging and marts against every other way on the same bytes, and in the third year.

    make bench-staging        (or: .venv-bench/bin/python bench/staging.py [--days N] [--only ...])

One tree of simulated plugs (`tree.py`), read by each way in a process of its own, in turn, and
what they wrote checked equal in every column; then one new hour on archives of 1 and 730 days.
Belongs here: which comparisons there are, and their limits.

What each is asked for, but for parsing alone: one and the same table. Every row once (the first
ingestion of a key), with name, unit and scaled value; sorted, zstd Parquet, a file a date. Ours
verifies each file and checks the contract besides; the others do not.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench import contenders, harness, hours, tree
from bench.harness import Ratio
from bench.tree import Tree
from lib import ingest, sources, staging
from lib.config import Config, Ingestion
from lib.paths import ROOT, Paths
from lib.times import DAY

Told = dict[str, Any]
# Ours against each: the limit of the ratio of times, and of the ratio of peaks.
LIMITS: dict[str, tuple[float, float | None]] = {
    "parse": (1.8, None),
    "naive": (0.55, 0.1),
    "polars": (0.4, None),
    "pandas": (0.1, None),
    "dlt": (0.05, None),
}
SLOW = ("pandas", "dlt")
SAID = {"parse": "DuckDB parsing alone", "naive": "the naive way", "polars": "Polars"}
SAID |= {"pandas": "pandas with json", "dlt": "dlt"}
NOT_IN_VENV = ("polars", "dlt")
PARTS = (*LIMITS, "hour", "naive-hour", "marts", "bytes", "uci")
LONG_DAYS, SHORT_DAYS = 730, 1
GROWN, HOUR_OF_NAIVE, BYTES_A_ROW = 1.2, 0.04, 2.6


@dataclass(frozen=True)
class Asked:
    """What to measure: days of the tree, days of the long archive, rounds, parts."""

    days: int
    long_days: int
    rounds: int
    slow_rounds: int
    only: Sequence[str]

    def has(self, *parts: str) -> bool:
        """Whether any of the parts is asked for."""
        return any(part in self.only for part in parts)


def way(name: str, made: Tree) -> Told:
    """Let one way read the tree in a fresh process."""
    target = made.paths.staging if name == "ours" else made.folder.parent / f"by-{name}"
    given = {"way": name, "store": str(made.folder), "target": str(target)}
    told = harness.measured("bench.contenders", given)
    print(f"  {name:<7} {told['seconds']:8.2f} s {told['peak_mb']:8.0f} MB", flush=True)
    return told


def against(made: Tree, names: Sequence[str], rounds: int) -> list[Ratio]:
    """Ours and the named ways in turn; leave where they did not write the same table."""
    if not names:
        return []
    ways: list[Callable[[], Told]] = [partial(way, name, made) for name in ("ours", *names)]
    measured = harness.side_by_side(ways, rounds)
    for round_ in measured:
        _same(round_, names)
    ratios = []
    for n, name in enumerate(names, 1):
        time_limit, peak_limit = LIMITS[name]
        for what, limit in (("seconds", time_limit), ("peak_mb", peak_limit)):
            values = [told[0][what] / told[n][what] for told in measured]
            label = f"{'time' if what == 'seconds' else 'peak memory'}, ours / {SAID[name]}"
            ratios.append(Ratio(label, values, limit))
    return ratios


def _same(told: tuple[Told, ...], names: Sequence[str]) -> None:
    """Leave where a way read other rows than ours, or wrote another table."""
    for name, other in zip(("ours", *names), told, strict=True):
        if odd := [*contenders.differences(told[0], other)]:
            sys.exit(f"{name} did not come to the table that is asked for: {'; '.join(odd)}.")


def contest(asked: Asked, folder: Path) -> list[Ratio]:
    """All ways on one tree; bytes per row of what ours wrote; one new hour of it."""
    if not asked.has(*LIMITS, "bytes", "naive-hour"):
        return []
    made = tree.build(folder / "tree", days=asked.days)
    print(f"{asked.days} days of 10 simulated plugs: {tree.told(made)}", flush=True)
    quick = [name for name in LIMITS if name in asked.only and name not in SLOW]
    slow = [name for name in SLOW if name in asked.only]
    ratios = against(made, quick, asked.rounds) + against(made, slow, asked.slow_rounds)
    if asked.has("bytes"):
        ratios.append(_bytes("Parquet bytes per row, this tree", made.paths, BYTES_A_ROW))
    return ratios + (naive_hour(made, asked.rounds) if asked.has("naive-hour") else [])


def _bytes(name: str, paths: Paths, limit: float | None = None) -> Ratio:
    report = staging.run(paths, Config(), rebuild=True)
    size = sum(file.stat().st_size for file in paths.staging.glob("event_date=*/*.parquet"))
    return Ratio(name, [size / report.staged], limit)


def naive_hour(made: Tree, rounds: int) -> list[Ratio]:
    """One new hour on the tree, against the naive way, which reads all of it again."""
    store = hours.Archive(made, with_marts=False)
    pairs = harness.side_by_side(
        [lambda: store.hour().staging_s, store.naive], min(rounds, hours.ROUNDS)
    )
    for ours, theirs in pairs:
        print(f"  one new hour: ours {ours:.3f} s, naive {theirs:.2f} s", flush=True)
    label = f"one new hour at {made.days} days, ours / naive"
    return [Ratio(label, [ours / theirs for ours, theirs in pairs], HOUR_OF_NAIVE)]


def lengths(asked: Asked, folder: Path) -> list[Ratio]:
    """One new hour on a long archive and on a short one: staging, marts."""
    if not asked.has("hour", "marts"):
        return []
    print(f"One new hour, {asked.long_days} and {SHORT_DAYS} days of archive:", flush=True)
    pairs = hours.pairs(folder, (asked.long_days, SHORT_DAYS), asked.rounds)
    for long, short in pairs:
        print(
            f"  staging {long.staging_s:.3f} s, {short.staging_s:.3f} s; "
            f"marts {long.marts_s:.3f} s, {short.marts_s:.3f} s",
            flush=True,
        )
    label = f"for one new hour, {asked.long_days} d / {SHORT_DAYS} d"
    found = {
        "hour": [long.staging_s / short.staging_s for long, short in pairs],
        "marts": [long.marts_s / short.marts_s for long, short in pairs],
    }
    said = {"hour": "staging", "marts": "marts"}
    return [Ratio(f"{said[part]} {label}", found[part], GROWN) for part in said if asked.has(part)]


def uci(asked: Asked, folder: Path) -> list[Ratio]:
    """The recorded house served, collected and staged: bytes per row, only told."""
    series = ROOT.parent / "shared" / "data" / "uci_household"
    if not asked.has("uci"):
        return []
    if not series.is_dir():
        print(f"No bytes per row of the UCI replay: {series} is not there.")
        return []
    paths = Paths.at(folder / "uci")
    first, last = sources.series_span(str(series))
    settings, end = Config(ingestion=Ingestion(overlap_h=0)), last + timedelta(minutes=10)
    with sources.opened("replay", paths, settings, now=first, series=str(series)) as source:
        instant = first
        while instant < end:
            instant = min(instant + 6 * DAY, end)
            source.move_to(instant)
            ingest.run(paths, source, settings, now=instant).raise_if_stopped()
    return [_bytes("Parquet bytes per row, the UCI replay", paths)]


def measure(asked: Asked) -> int:
    """Everything that is asked for; the exit code."""
    print(
        f"{asked.rounds} paired rounds, {asked.slow_rounds} of pandas and dlt, at most "
        f"{hours.ROUNDS} new hours",
        flush=True,
    )
    with tempfile.TemporaryDirectory(prefix="tcc-staging-") as temporary:
        folder = Path(temporary).resolve()
        ratios = contest(asked, folder) + lengths(asked, folder) + uci(asked, folder)
    return harness.concluded(ratios)


def main() -> int:
    """Read the command line; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--long-days", type=int, default=LONG_DAYS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slow-rounds", type=int, help="of pandas and dlt; else as the others")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--figure", type=Path, help="instead: cost by length, SVG with CSV beside")
    given = parser.parse_args()
    began = time.monotonic()
    if given.figure:
        with tempfile.TemporaryDirectory(prefix="tcc-staging-") as temporary:
            hours.write_costs(hours.costs(Path(temporary).resolve()), given.figure)
        return 0
    absent = [name for name in NOT_IN_VENV if name in given.only and not find_spec(name)]
    if absent:
        sys.exit(f"{', '.join(absent)} not installed here: make bench-staging sets them up.")
    asked = Asked(
        given.days,
        given.long_days,
        given.rounds,
        given.rounds if given.slow_rounds is None else given.slow_rounds,
        given.only,
    )
    code = measure(asked)
    print(f"{time.monotonic() - began:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
