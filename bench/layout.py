"""How raw files should lie for reading: packing, size, and what asking again costs.

    tools/env python bench/layout.py [--days N] [--rounds N]

The same rows, packed in four ways, a file an hour or a day of each device, read by DuckDB and as
staging reads them; then an archive in which each row came about eleven times. Behind the
decisions in docs/raw-layout.md. Belongs here: this comparison; it has no limits to keep.
"""

import argparse
import gzip
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from statistics import median

import duckdb
import pyarrow as pa

from bench import tree
from bench.tree import Tree
from bench.way_duckdb import parse
from lib import files, raw, staging, staging_files, warehouse
from lib.config import Config

_LINE = "{:<26} {:>9} {:>10} {:>12}"
_ZSTD = pa.Codec("zstd", 3)
PACKINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "plain": (".json", lambda plain: plain),
    "gzip 1": (".json.gz", lambda plain: gzip.compress(plain, 1, mtime=0)),
    "gzip 6": (".json.gz", lambda plain: gzip.compress(plain, 6, mtime=0)),
    "zstd 3": (".json.zst", lambda plain: _ZSTD.compress(plain, asbytes=True)),
}


def contents(made: Tree, *, by_day: bool) -> Iterator[tuple[str, bytes]]:
    """Unpacked raw files of a tree, as they are or one for each day and device."""
    found = sorted(str(f.relative_to(made.paths.raw)) for f in made.raw_files())
    for folder, names in groupby(found, key=lambda name: name.rpartition("/")[0]):
        own = [(name, raw.read(made.paths.raw / name)) for name in names]
        if by_day:
            rows = [row for _, rows in own for row in rows]
            own = [(f"{folder}/day_logs.json.gz", rows)]
        yield from ((name.removesuffix(".json.gz"), raw.encode(rows)) for name, rows in own)


def seconds(work: Callable[[], object], rounds: int) -> float:
    """The median time of a piece of work. [s]"""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return median(taken)


def layout(made: Tree, folder: Path, packing: str, *, by_day: bool, rounds: int) -> str:
    """A line of the table: files, bytes a row, seconds of parsing."""
    ending, pack = PACKINGS[packing]
    paths, size, rows = [], 0, tree.size(made).rows
    for name, plain in contents(made, by_day=by_day):
        target = folder / f"{name}{ending}"
        target.parent.mkdir(parents=True, exist_ok=True)
        size += target.write_bytes(pack(plain))
        paths.append(str(target))
    with warehouse.connect() as connection:
        taken = seconds(lambda: parse(connection, paths), rounds)
    label = f"{packing}, by {'day' if by_day else 'hour'}"
    return _LINE.format(label, len(paths), f"{size / rows:.2f}", f"{taken:.2f}")


def gathered(made: Tree, rounds: int) -> str:
    """The hourly files once more, as staging reads them: date by date from one gathered file."""
    by_date: dict[str, list[Path]] = {}
    for file in sorted(made.raw_files()):
        by_date.setdefault(file.parent.name, []).append(file)

    def read() -> None:
        with warehouse.connect() as connection:
            connection.execute("SET threads = 1")
            for names in by_date.values():
                with files.scratch(made.folder, "gathered") as rows:
                    own = ((n, str(f), f.read_bytes()) for n, f in enumerate(names))
                    staging_files.gather(rows, Path("/"), own)
                    parse(connection, [str(rows)])

    taken = seconds(read, rounds)
    return _LINE.format("gathered, one thread", len(by_date), "", f"{taken:.2f}")


def rebuilt(made: Tree) -> tuple[float, int, int]:
    """Seconds of a rebuild, rows that came and rows that stay."""
    report = staging.run(made.paths, Config(), rebuild=True)
    return report.seconds, report.came, report.staged


def touched(made: Tree, *, whole: bool) -> tuple[Tree, float]:
    """One new hour later: its seconds, from all files of its date where they must all be read."""
    longer = tree.append_hour(made)
    if whole:
        for day in {f"{longer.end:%Y-%m-%d}", f"{made.end:%Y-%m-%d}"}:
            staging_files.read_whole(longer.paths, day)
    return longer, staging.run(longer.paths, Config()).seconds


def copies(folder: Path, days: int, *, again: bool) -> None:
    """Tell what an archive costs whose rows came once, or about eleven times."""
    made = tree.build(folder / f"copies {again}", days=days, copies=again)
    report = staging.run(made.paths, Config(), rebuild=True)
    each = report.seconds / report.staged * 1e6
    made, alone = touched(made, whole=False)
    _, whole = touched(made, whole=True)
    print(f"{report.came / report.staged:4.1f} copies: rebuilt in {report.seconds:.2f} s,", end=" ")
    print(f"{each:.2f} s a million staged rows; one new hour {alone:.2f} s,", end=" ")
    print(f"from all files of its date {whole:.2f} s")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--days", type=int, default=9)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tcc-layout-") as name:
        folder = Path(name)
        made = tree.build(folder / "tree", days=given.days)
        print(f"{tree.size(made).rows:,} rows; DuckDB {duckdb.__version__}")
        print(_LINE.format("layout", "files", "bytes/row", "parsing s"))
        for by_day in (False, True):
            for packing in PACKINGS:
                place = folder / f"{packing} {by_day}"
                print(layout(made, place, packing, by_day=by_day, rounds=given.rounds))
        print(gathered(made, given.rounds))
        for again in (False, True):
            copies(folder, given.days, again=again)
    return 0


if __name__ == "__main__":
    sys.exit(main())
