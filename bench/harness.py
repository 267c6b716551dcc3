"""Ways measured side by side: a line a ratio, an exit code, the peak memory of a process.

Belongs here: measuring and printing. Does not belong here: what is measured.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from lib.paths import ROOT

Result = TypeVar("Result")
_COLUMNS = "{:<46} {:>9} {:>9} {:>9}  {:<14} {}"


@dataclass(frozen=True)
class Ratio:
    """A ratio measured a few times; its median must be at least, or at most, the limit.

    Without a limit it is only told.
    """

    name: str
    values: Sequence[float]
    limit: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the median keeps the limit."""
        middle = median(self.values)
        if self.limit is None:
            return True
        return middle >= self.limit if self.at_least else middle <= self.limit

    def line(self) -> str:
        """The ratio as it is printed: name, median, min, max, limit."""
        numbers = [f"{n:.3f}" for n in (median(self.values), min(self.values), max(self.values))]
        if self.limit is None:
            return _COLUMNS.format(self.name, *numbers, "none", "").rstrip()
        limit = f"{'at least' if self.at_least else 'at most'} {self.limit:g}"
        return _COLUMNS.format(self.name, *numbers, limit, "met" if self.met else "MISSED")


def concluded(ratios: Sequence[Ratio]) -> int:
    """Print every ratio; the exit code: 1 where one is missed."""
    print(_COLUMNS.format("ratio", "median", "min", "max", "limit", ""))
    for ratio in ratios:
        print(ratio.line())
    return 0 if all(ratio.met for ratio in ratios) else 1


def side_by_side(ways: Sequence[Callable[[], Result]], rounds: int) -> list[tuple[Result, ...]]:
    """Each way once a round, the first way changing from round to round; one tuple a round."""
    measured = []
    for turn in range(rounds):
        order = [(turn + n) % len(ways) for n in range(len(ways))]
        came = {n: ways[n]() for n in order}
        measured.append(tuple(came[n] for n in range(len(ways))))
    return measured


def peak_mb() -> float:
    """The most memory that this process held at any time since it started. [MB]

    `ru_maxrss` would not do: a child begins with the peak of the process that started it.
    """
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    (kilobytes,) = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(kilobytes) / 1024


def measured(module: str, given: dict[str, Any]) -> dict[str, Any]:
    """What a module prints as JSON when it runs in a fresh process. Raises CalledProcessError."""
    command = [sys.executable, "-m", module, json.dumps(given)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    told: dict[str, Any] = json.loads(done.stdout)
    return told
