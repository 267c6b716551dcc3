"""What each analysis notebook takes on a long archive: time and memory, as shares of what it may.

    tools/env python bench/notebooks.py [--days N] [--rounds N] [--store FOLDER]

Ten plugs; 655 days are 50 million staged rows. A store that is named is made there once and kept
for the next time. Belongs here: running the notebooks and printing. Does not belong here: the
archive (`tree.py`); what a notebook computes.

Each runs through papermill in a kernel of its own, as every hour does, its HTML included.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import harness, tree
from bench.harness import Ratio
from lib import catalogue, config, held, marts, notebooks, staging, warehouse
from lib.paths import NOTEBOOKS, Paths
from lib.pipeline import ANALYSE

MOST_S, MOST_MB = 20, 2048


def prepared(folder: Path, days: int) -> Paths:
    """A staged archive with its marts, made where it is not there yet."""
    paths = Paths.at(folder)
    if not paths.journal.exists():
        tree.build(folder, days=days)
    began = time.monotonic()
    report = staging.run(paths, config.load())
    print(f"staged {report.staged:,} new rows in {time.monotonic() - began:.0f} s", flush=True)
    began = time.monotonic()
    dates = marts.run(paths, config.load()).dates
    print(f"marts of {len(dates)} dates in {time.monotonic() - began:.0f} s", flush=True)
    catalogue.refresh(paths)
    return paths


def run(name: str, store: str, folder: str) -> dict[str, Any]:
    """Run one notebook; its seconds and the most memory that its kernel held. [MB]"""
    given = {"data_dir": store, "run_dir": folder}
    began = time.monotonic()
    notebooks.run(NOTEBOOKS / f"{name}.ipynb", Path(folder), given)
    seconds = time.monotonic() - began
    most_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {"seconds": seconds, "mb": most_mb}


def measure(paths: Paths, names: list[str], rounds: int) -> list[Ratio]:
    """Each notebook some times: its time of what it may take, and its memory."""
    found = []
    for name in names:
        told = []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory(prefix="tcc-notebooks-") as folder:
                given = {"name": name, "store": str(paths.data), "folder": folder}
                told.append(harness.measured("bench.notebooks", given))
            print(f"  {name}: {told[-1]['seconds']:.1f} s, {told[-1]['mb']:.0f} MB", flush=True)
        found += [
            Ratio(f"{name}: time / {MOST_S} s", [t["seconds"] / MOST_S for t in told], 1),
            Ratio(f"{name}: memory / {MOST_MB} MB", [t["mb"] / MOST_MB for t in told], 1),
        ]
    return found


def rows_of(paths: Paths) -> int:
    """Staged rows of the store."""
    with warehouse.connect() as connection:
        files = {"files": warehouse.partitions(paths.staging)}
        query = "SELECT count(*) FROM read_parquet($files)"
        ((rows,),) = connection.execute(query, files).fetchall()
    return int(rows)


def main() -> int:
    """Read the command line; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--store", type=Path, help="make it here, or take what is there")
    parser.add_argument("--only", nargs="+", choices=ANALYSE, default=list(ANALYSE))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tcc-notebooks-") as temporary:
        paths = prepared((given.store or Path(temporary)).resolve(), given.days)
        span = held.until(paths)
        print(f"{rows_of(paths):,} staged rows, up to {span:%Y-%m-%d}:", flush=True)
        ratios = measure(paths, given.only, given.rounds)
    return harness.concluded(ratios)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1].startswith("{"):
        print(json.dumps(run(**json.loads(sys.argv[1]))))
    else:
        sys.exit(main())
