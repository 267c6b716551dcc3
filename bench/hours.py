"""What one new hour costs on archives of any length: staging, marts, and the naive way.

Belongs here: stores that are filled, staged and built once and then get hour after hour; the
figure of cost against length. Does not belong here: rebuilding everything (`contenders.py`).
"""

import csv
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from bench import harness, tree
from bench.tree import HOURS_LEFT, Tree
from lib import marts, staging
from lib.config import Config

ROUNDS = HOURS_LEFT - 1  # hours that are left of the last date, but for one to warm up
FULL_DAYS = 1  # of a long archive only the newest days have all rows; all have all files
NAIVE_DAYS = 90  # the longest archive that the naive way is asked to read whole
LENGTHS = (1, 10, 90, 365, 730)
COLUMNS = ("days", "files", "rows", "ours_s", "naive_s")


@dataclass(frozen=True)
class Hour:
    """Seconds of one new hour, and what was touched."""

    staging_s: float
    marts_s: float
    dates: tuple[str, ...]


class Archive:
    """A store that was staged and built, and is an hour longer after each `hour`."""

    def __init__(self, made: Tree, *, with_marts: bool = True) -> None:
        self.tree, self._with_marts = made, with_marts
        staging.run(made.paths, Config())
        if with_marts:
            marts.run(made.paths, Config())
        self.hour()  # what is only slow the first time in a process is no cost of length

    def hour(self) -> Hour:
        """Add an hour, stage it and build its marts."""
        self.tree = tree.append_hour(self.tree)
        began = time.monotonic()
        report = staging.run(self.tree.paths, Config())
        between = time.monotonic()
        if self._with_marts:
            marts.run(self.tree.paths, Config())
        end = time.monotonic()
        assert report.files == self.tree.devices, f"{report.files} files were new"
        return Hour(between - began, end - between, tuple(report.dates))

    def naive(self) -> float:
        """The naive way once more over the whole archive, in a process of its own. [s]"""
        target = self.tree.folder.parent / f"{self.tree.folder.name}-naive"
        given = {"way": "naive", "store": str(self.tree.folder), "target": str(target)}
        return float(harness.measured("bench.contenders", given)["seconds"])


def archive(folder: Path, days: int, **given: Any) -> Archive:
    """An archive of so many days, of which only the newest have all rows."""
    light = max(0, days - FULL_DAYS)
    return Archive(tree.build(folder, days=days, light_days=light), **given)


def pairs(folder: Path, days: tuple[int, int], rounds: int) -> list[tuple[Hour, ...]]:
    """New hours on a long and on a short archive, in turn; each touches one and the same date."""
    stores = [archive(folder / f"{n}-days", n) for n in days]
    for store in stores:
        print(f"  {store.tree.days} days: {tree.told(store.tree)}", flush=True)
    measured = harness.side_by_side([store.hour for store in stores], min(rounds, ROUNDS))
    for pair in measured:
        assert len({hour.dates for hour in pair}) == 1 == len(pair[0].dates), pair
    return measured


def costs(folder: Path, lengths: Iterable[int] = LENGTHS, rounds: int = ROUNDS) -> list[list[Any]]:
    """Seconds of one new hour by length of the archive: ours, and naive where it is feasible.

    Up to `NAIVE_DAYS` all rows are there; of longer archives all files, with few rows in the
    oldest ones, of which ours reads none.
    """
    found = []
    for days in lengths:
        own = folder / f"cost-{days}"
        whole = days <= NAIVE_DAYS
        made = tree.build(own, days=days) if whole else None
        store = Archive(made, with_marts=False) if made else archive(own, days, with_marts=False)
        ours = median(store.hour().staging_s for _ in range(rounds))
        naive = median(store.naive() for _ in range(min(3, rounds))) if whole else None
        size = tree.size(store.tree)
        found.append([days, size.files, size.rows, round(ours, 4), naive and round(naive, 4)])
        print(dict(zip(COLUMNS, found[-1], strict=True)), flush=True)
    return found


def write_costs(found: list[list[Any]], target: Path) -> None:
    """Write the figure (SVG) and, beside it, its data (CSV)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".csv").open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle, lineterminator="\n").writerows([COLUMNS, *found])
    with mpl.rc_context({"svg.hashsalt": "tcc", "svg.fonttype": "none", "font.size": 9}):
        _drawn(found).savefig(target, format="svg", metadata={"Date": None})
    lines = target.read_text("utf-8").splitlines()
    target.write_text("".join(f"{line.rstrip()}\n" for line in lines), "utf-8")


def _drawn(found: list[list[Any]]) -> Figure:
    figure = Figure(figsize=(6.2, 3.1), layout="constrained")
    axes = figure.add_subplot(xscale="log", yscale="log")
    for column, name, style in ((4, "naive: the whole archive again", "s--"), (3, "tcc", "o-")):
        known = [(row[0], row[column]) for row in found if row[column]]
        axes.plot(*zip(*known, strict=True), style, label=name, color="C0" if column == 3 else "C1")
    axes.set_xlabel("archive length (days)")
    axes.set_ylabel("one new hour staged (s)")
    axes.set_xticks([row[0] for row in found], [str(row[0]) for row in found])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    title = "10 simulated plugs; beyond 90 days the old days have all files but few rows"
    axes.set_title(title, fontsize=8)
    return figure
