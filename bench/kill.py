"""kill -9 at random instants: does the next run make everything as if nothing had happened?

    tools/env python bench/kill.py [--kills N] [--seed S]

A small store's whole way, from the cloud to the figures, is killed at a random instant of a
phase: of a store's first run, or of a later one. The next run must leave the same raw rows, held
windows, staging, marts, values, figures and sidecars as a run that was never killed. Belongs
here: choosing the instants, killing, comparing.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench import children, passes, server
from bench.collect import ORIGIN, settings
from bench.houses import dense
from bench.passes import END, PHASES
from bench.server import Server
from lib import origins
from lib.config import Config
from lib.credentials import Credentials
from lib.paths import Paths

NOW = datetime(2026, 4, 22, 15, tzinfo=UTC)
ROWS, DEVICES = 4_000, 2
_COLUMNS = "{:<12} {:>6} {:>20} {:>21}"
LATENCY_S = 0.005  # so that asking, too, takes a while in which to die
EARLIER = timedelta(hours=30)


@dataclass(frozen=True)
class Start:
    """A store before the run that is killed, how long each phase takes, and the right outcome."""

    name: str
    folder: Path
    phases_s: dict[str, float]
    right: dict[str, str]


@dataclass(frozen=True)
class Struck:
    """Where a kill struck, and what after the next run was not as it should be."""

    start: str
    phase: str
    wrong: list[str]
    leftovers: int


class Bench:
    """A stand-in, and stores that are killed on their way."""

    def __init__(self, standin: Server, folder: Path) -> None:
        self.standin, self.folder, self.config = standin, folder, settings()
        self._work = folder / "work" / "data"

    def start(self, name: str, earlier: datetime | None) -> Start:
        """A store that ran at an earlier instant, or never; and a run of it that nobody kills."""
        store = self.folder / name / "data"
        origins.claim(Paths.at(store), ORIGIN, now=NOW)
        if earlier:
            self.standin.do(server.move, earlier)
            children.run(lambda: _whole(Paths.at(store), self.standin.access, self.config, earlier))
            self.standin.do(server.move, NOW)
        self._copy(store)
        phases_s = children.result_of(self._timed)
        return Start(name, store, phases_s, children.result_of(self._state))

    def _copy(self, store: Path) -> None:
        shutil.rmtree(self._work, ignore_errors=True)
        shutil.copytree(store, self._work, symlinks=True)

    def _cycle(self, say: passes.Say) -> None:
        passes.run(Paths.at(self._work), self.standin.access, self.config, NOW, say)

    def _timed(self) -> dict[str, float]:
        """How long each phase takes. [s]"""
        said: list[tuple[str, float]] = []
        self._cycle(lambda word: said.append((word, time.monotonic())))
        ends = [at for _, at in said[1:]]
        return {name: end - at for (name, at), end in zip(said, ends, strict=False)}

    def _state(self) -> dict[str, str]:
        return passes.state(Paths.at(self._work), self.config)

    def _again(self) -> dict[str, str]:
        """The next run, whole, and what the store then holds."""
        self._cycle(lambda word: None)
        return self._state()

    def strike(self, start: Start, phase: str, drawn: random.Random) -> Struck | None:
        """Kill a run at a random instant of a phase; None where it had come to its end before."""
        self._copy(start.folder)
        after_s = drawn.uniform(0, start.phases_s[phase])
        end = children.strike(self._cycle, phase, after_s)
        if not end.killed or end.said == END:
            return None
        came = children.result_of(self._again)
        left = len(passes.leftovers(Paths.at(self._work)))
        names = sorted(came.keys() | start.right.keys())
        wrong = [name for name in names if came.get(name) != start.right.get(name)]
        return Struck(start.name, end.said, wrong, left)


def _whole(paths: Paths, access: Credentials, config: Config, now: datetime) -> None:
    passes.run(paths, access, config, now, lambda word: None)


def struck(kills: int, seed: int) -> list[Struck]:
    """Kill so often, the phases in turn, from either start; what came of each kill."""
    drawn, done = random.Random(seed), list[Struck]()
    passes.preload()
    house = dense(ROWS, now=NOW, size=DEVICES, seed=seed)
    temporary = tempfile.TemporaryDirectory(prefix="tcc-kill-")
    with temporary as folder, Server(house, now=NOW, latency_s=LATENCY_S) as standin:
        bench = Bench(standin, Path(folder))
        starts = [bench.start("first", None), bench.start("later", NOW - EARLIER)]
        _tell_starts(starts)
        while len(done) < kills:
            start, phase = drawn.choice(starts), PHASES[len(done) % len(PHASES)]
            if one := bench.strike(start, phase, drawn):
                done.append(one)
                _tell(one, len(done), kills)
    return done


def _tell_starts(starts: list[Start]) -> None:
    for start in starts:
        phases = ", ".join(f"{name} {s:.2f} s" for name, s in start.phases_s.items())
        print(f"{start.name} run: {phases}; {len(start.right)} things compared", flush=True)


def _tell(one: Struck, number: int, kills: int) -> None:
    what = f"WRONG: {', '.join(one.wrong)}" if one.wrong else "all as it should be"
    told = f"kill {number:3d} of {kills}: {one.start:<6} {one.phase:<10} {what}"
    print(told, file=sys.stderr, flush=True)


def report(done: list[Struck]) -> int:
    """Print where the kills struck and what came of them; the exit code."""
    kills, wrong = Counter(one.phase for one in done), Counter(o.phase for o in done if o.wrong)
    left = Counter[str]()
    for one in done:
        left[one.phase] += one.leftovers
    print(_COLUMNS.format("killed in", "kills", "not as never killed", "temporary files stay"))
    for phase in sorted(kills, key=PHASES.index):
        print(_COLUMNS.format(phase, kills[phase], wrong[phase], left[phase]))
    print(_COLUMNS.format("together", kills.total(), wrong.total(), left.total()))
    return 1 if wrong else 0


def main() -> int:
    """Kill, compare, print, and give the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    began = time.monotonic()
    code = report(struck(given.kills, given.seed))
    print(f"{time.monotonic() - began:.0f} s, seed {given.seed}")
    return code


if __name__ == "__main__":
    sys.exit(main())
