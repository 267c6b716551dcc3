"""Where the time of a cycle's notebooks goes: kernels, imports, DuckDB, figures, the rest.

Belongs here: taking one run apart. Does not belong here: comparing ways (`cycle.py`).

Kernels: papermill's time beside the cells, from the kept copies. Imports: the cell that imports,
in a fresh kernel and in a forked one. DuckDB and figures: the cells run as plain code under a
profiler, which itself costs a part.
"""

import cProfile
import json
import pstats
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import harness, passes
from lib.paths import ROOT, Paths
from lib.pipeline import ANALYSE, STEPS

IMPORTS = "from lib"


def print_of(store: Path) -> None:
    """Run one more cycle on a store of the demo house and print its parts. [s]"""
    command = [str(Path(sys.executable).parent / "tcc"), "run", "--source", "demo", "--no-pdf"]
    subprocess.run([*command, "--data-dir", str(store)], cwd=ROOT, check=True, capture_output=True)
    folder = (Paths.at(store).runs / "latest").resolve()
    print(f"  {'seconds':<18} {'papermill':>10} {'its cells':>10} {'imports':>8}")
    for name in STEPS:
        book = json.loads((folder / f"{name}.ipynb").read_text("utf-8"))
        whole, cells, imports = taken(book)
        print(f"  {name:<18} {whole:>10.2f} {cells:>10.2f} {imports:>8.2f}")
    print(f"  {'as plain code':<18} {'cells':>10} {'DuckDB':>10} {'figures':>8}")
    for name in ANALYSE:
        told = harness.measured("bench.split", {"name": name, "store": str(store)})
        print(
            f"  {name:<18} {told['cells']:>10.2f} {told['duckdb']:>10.2f} {told['figures']:>8.2f}"
        )


def taken(book: dict[str, Any]) -> tuple[float, float, float]:
    """Seconds of an executed notebook: in all, in its cells, in the cell that imports."""
    cells = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    times = [cell["metadata"]["papermill"]["duration"] or 0.0 for cell in cells]
    named = zip(cells, times, strict=True)
    imports = sum(time for cell, time in named if IMPORTS in "".join(cell["source"]))
    return book["metadata"]["papermill"]["duration"], sum(times), imports


def profiled(name: str, store: str) -> dict[str, float]:
    """A notebook's cells as plain code: seconds in all, in DuckDB and in figures."""
    passes.preload(name)
    with cProfile.Profile() as profile:
        passes.draw(Paths.at(store), Path(store) / "runs" / "split", name)
    stats = pstats.Stats(profile)
    own = stats.stats  # type: ignore[attr-defined]
    duckdb = sum(v[2] for (file, _, call), v in own.items() if "duckdb" in f"{file} {call}".lower())
    drawn = sum(v[3] for (file, _, call), v in own.items() if _draws(file, call))
    return {"cells": stats.total_tt, "duckdb": duckdb, "figures": drawn}  # type: ignore[attr-defined]


def _draws(file: str, call: str) -> bool:
    return file.endswith("lib/figures.py") and call in ("save", "_repr_png_")


if __name__ == "__main__":
    print(json.dumps(profiled(**json.loads(sys.argv[1]))))
