"""An hourly cycle beside the same notebooks run one after the other by the papermill command.

    tools/env python bench/cycle.py [--rounds N] [--days N] [--store FOLDER]

The demo house, with one new hour and with nothing new (the same instant again). Both sides begin
from copies of one store. Ours is `tcc run` with HTML, run pages and alarms; theirs is papermill
alone, which makes none of these. Belongs here: running both and printing. Does not belong here:
where the time of the notebooks goes (`split.py`).

Memory is the proportional share of all processes of a side, looked at every fifth of a second.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Event, Thread

import psutil

from bench import harness, split
from bench.harness import Ratio
from lib import runs
from lib.origins import clock
from lib.paths import NOTEBOOKS, ROOT, Paths
from lib.pipeline import COLLECT, STEPS
from lib.steps import JUDGED
from lib.times import HOUR, iso

HALF, LOOK_S = 0.5, 0.2
BIN = Path(sys.executable).parent


@dataclass
class Took:
    """What a way cost: seconds, those of the page in it, and the most memory. [s, MB]"""

    seconds: float
    mb: float
    page_s: float = 0.0
    steps: dict[str, float] = field(default_factory=dict)


def ours(store: Path, scratch: Path, now: datetime) -> Took:
    """One cycle as it happens every hour: `tcc run`, on a copy of the store."""
    copy = _copied(store, scratch / "ours")
    command = [str(BIN / "tcc"), "run", "--source", "demo", "--now", iso(now)]
    seconds, mb = _measured([[*command, "--data-dir", str(copy)]])
    folder = runs.every(Paths.at(copy))[-1]
    steps = {s["name"]: s["seconds"] for s in (runs.recorded(folder) or {})["steps"]}
    return Took(seconds, mb, steps.pop("monograph", 0.0), steps)


def theirs(store: Path, scratch: Path, now: datetime) -> Took:
    """The same notebooks by a papermill command each, on a copy of the store."""
    copy = _copied(store, scratch / "theirs")
    folder = copy / "runs" / "papermill"
    folder.mkdir(parents=True)
    commands = [_papermill(name, copy, folder, now) for name in STEPS]
    return Took(*_measured(commands))


def _papermill(name: str, store: Path, folder: Path, now: datetime) -> list[str]:
    given = {"data_dir": str(store), "run_dir": str(folder)}
    given |= {"source": "demo"} if name in COLLECT else {}
    given |= {"now": iso(now)} if name in (*COLLECT, *JUDGED) else {}
    pairs = [word for key, value in given.items() for word in ("-r", key, value)]
    book, target = NOTEBOOKS / f"{name}.ipynb", folder / f"{name}.ipynb"
    quiet = ["--no-progress-bar", "--log-level", "ERROR", "--cwd", str(NOTEBOOKS)]
    return [str(BIN / "papermill"), str(book), str(target), *pairs, *quiet]


def _copied(store: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(store, target, symlinks=True)
    return target


def _measured(commands: Sequence[list[str]]) -> tuple[float, float]:
    """Run commands one after the other: seconds, and the most memory at a time. [s, MB]"""
    began, most, done = time.monotonic(), [0.0], Event()
    watcher = Thread(target=_watch, args=(most, done))
    watcher.start()
    try:
        for command in commands:
            subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.cmd}: {error.stderr.decode()[-2000:]}")
    finally:
        seconds = time.monotonic() - began
        done.set()
        watcher.join()
    return seconds, most[0]


def _watch(most: list[float], done: Event) -> None:
    """Keep the largest sum of what the processes under this one hold. [MB]"""
    while not done.wait(LOOK_S):
        held = 0
        for process in psutil.Process().children(recursive=True):
            try:
                held += process.memory_full_info().pss
            except psutil.Error:
                continue
        most[0] = max(most[0], held / 2**20)


def measure(store: Path, scratch: Path, rounds: int) -> list[Ratio]:
    """Both cycles some times, each way first in turn."""
    found, held = [], clock(Paths.at(store), "")
    for title, now in (("one new hour", held + HOUR), ("nothing new", held)):
        ways = [partial(way, store, scratch, now) for way in (ours, theirs)]
        pairs = harness.side_by_side(ways, rounds)
        for own, other in pairs:
            print(
                f"  {title}: {own.seconds:.1f} s, of which the page {own.page_s:.1f}, and "
                f"{own.mb:.0f} MB; by papermill {other.seconds:.1f} s, {other.mb:.0f} MB"
            )
        print("   ", ", ".join(f"{n} {s:.1f}" for n, s in pairs[-1][0].steps.items()), flush=True)
        shares = [(own.seconds - own.page_s) / other.seconds for own, other in pairs]
        whole = [own.seconds / (other.seconds + own.page_s) for own, other in pairs]
        found += [
            Ratio(f"{title}: ours / papermill commands", shares, HALF),
            Ratio(f"{title}: the same with the page on both sides", whole, HALF),
            Ratio(f"{title}: peak memory, ours / theirs", [o.mb / t.mb for o, t in pairs]),
        ]
    return found


def prepared(folder: Path, days: int | None) -> Path:
    """A store of the demo house with its page, made where it is not there yet."""
    if not Paths.at(folder).journal.exists():
        days_of = ["--days", str(days)] if days else []
        command = [str(BIN / "tcc"), "run", "--source", "demo", "--data-dir", str(folder)]
        subprocess.run([*command, *days_of], cwd=ROOT, check=True, capture_output=True)
    return folder


def main() -> int:
    """Read the command line; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--days", type=int, help="of the demo house; its own eight weeks")
    parser.add_argument("--store", type=Path, help="make it here, or take what is there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tcc-cycle-") as temporary:
        scratch = Path(temporary)
        store = prepared((given.store or scratch / "store").resolve(), given.days)
        ratios = measure(store, scratch, given.rounds)
        split.print_of(_copied(store, scratch / "split"))
    return harness.concluded(ratios)


if __name__ == "__main__":
    sys.exit(main())
