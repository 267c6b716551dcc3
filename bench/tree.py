"""A raw archive as the collector would have left it: hourly files, journal, registry.

    tools/env python bench/tree.py FOLDER [--days N] [--devices N] [--copies] [--light-days N]

Ten plugs, a question an hour, a file an hour and plug: 21,600 files and about 6.9 million rows in
90 days, 3 % of them twice. Belongs here: which questions were asked, and what came lies where.
Does not belong here: what plugs say (`plugs.py`); who reads the files.

Written without fsync, and the journal at once: nothing here must survive a power cut.
"""

import argparse
import gzip
import hashlib
import json
import sys
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

from bench import known
from bench.plugs import EVERY_S, Plug
from lib import origins, raw
from lib.journal import Entry, Window
from lib.origins import Origin
from lib.paths import Paths
from lib.raw import DAY_MS, Row
from lib.spans import by_day
from lib.times import DAY, HOUR, iso, midnight, stamp, to_ms

ORIGIN = Origin("simulated", "bench")
# Some hours of the last date are left: each new hour then touches a date that is nearly full.
END = datetime(2026, 4, 20, 18, tzinfo=UTC)
HOURS_LEFT = 6
OVERLAP = timedelta(seconds=116)  # brings 3 % of the rows twice
COLLECTORS_OVERLAP = 3 * HOUR  # what `ingestion.overlap_h` is by default
MARGIN = timedelta(minutes=2)
RETENTION_D = 7
LIGHT_EVERY_S = 1_800
_SPAWN = get_context("spawn")


@dataclass(frozen=True)
class Tree:
    """An archive of the hours in [begin, end), and how its rows came about.

    Before `full_since` plugs report rarely. `copies`: questions overlap by three hours and every
    day was asked for again, whole, on each of the seven days after it.
    """

    folder: Path
    begin: datetime
    end: datetime
    devices: int = 10
    seed: int = 7
    full_since: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    copies: bool = False
    apart_ms: int = 0

    @property
    def paths(self) -> Paths:
        """The store."""
        return Paths.at(self.folder)

    @property
    def days(self) -> int:
        """How many times 24 hours it holds."""
        return (self.end - self.begin) // DAY

    def plugs(self) -> list[Plug]:
        """Its devices."""
        named = ((n, f"bench0000tomada{n:07d}") for n in range(self.devices))
        return [Plug(own, n, self.seed, self.apart_ms) for n, own in named]

    def raw_files(self) -> list[Path]:
        """Every raw file, sorted."""
        return sorted(self.paths.raw.glob("*/*/*_logs*.json.gz"))


Asked = tuple[datetime, Window]  # when, and what for
Line = tuple[datetime, str, str]  # when asked, of which device, the journal's line


def build(
    folder: Path,
    *,
    days: int,
    devices: int = 10,
    seed: int = 7,
    light_days: int = 0,
    copies: bool = False,
    apart_ms: int = 0,
    processes: int = 2,
) -> Tree:
    """Write an archive of so many days into an empty folder; of the oldest `light_days` only a
    few rows an hour, though as many files."""
    begin = END - days * DAY
    full_since, where = midnight(begin + light_days * DAY), Path(folder).resolve()
    tree = Tree(where, begin, END, devices, seed, full_since, copies, apart_ms)
    origins.claim(tree.paths, ORIGIN, now=begin)
    known.archive(tree.paths, [plug.device_id for plug in tree.plugs()], begin)
    with ProcessPoolExecutor(processes, mp_context=_SPAWN) as pool:
        parts = pool.map(_written, [tree] * devices, range(devices))
        _enter(tree, [line for part in parts for line in part])
    return tree


def append_hour(tree: Tree) -> Tree:
    """Add one more hour of all devices: their files, and the journal's lines; the tree then."""
    after = replace(tree, end=tree.end + HOUR)
    lines: list[Line] = []
    for number in range(tree.devices):
        lines += _Collector(after, number).answers(tree.end)
    _enter(after, lines)
    return after


def _written(tree: Tree, number: int) -> list[Line]:
    """All files of a device; their lines for the journal."""
    lines: list[Line] = []
    collector, hour = _Collector(tree, number), tree.begin
    while hour < tree.end:
        lines += collector.answers(hour)
        hour += HOUR
    return lines


def _enter(tree: Tree, lines: list[Line]) -> None:
    """Append to the journal, in the order in which the cloud was asked."""
    with tree.paths.journal.open("a", encoding="utf-8") as journal:
        journal.writelines(f"{line}\n" for _, _, line in sorted(lines))


class _Collector:
    """What the hourly runs keep of one device."""

    def __init__(self, tree: Tree, number: int) -> None:
        self._tree, self._plug = tree, tree.plugs()[number]
        self._day = lru_cache(maxsize=RETENTION_D + 2)(self._rows_of)
        self._folder = tree.paths.raw / self._plug.device_id
        self._names: Counter[str] = Counter()
        self._folders: set[Path] = set()

    def answers(self, hour: datetime) -> Iterator[Line]:
        """Keep the answers of the run that follows an hour."""
        for asked_at, window in self._asked(hour):
            yield asked_at, window.device_id, self._kept(asked_at, window).line()

    def _asked(self, hour: datetime) -> Iterator[Asked]:
        at, own = hour + HOUR + MARGIN, self._plug.device_id
        today, overlap = midnight(hour), OVERLAP
        if self._tree.copies:
            today, overlap = midnight(hour - COLLECTORS_OVERLAP), COLLECTORS_OVERLAP
        start = max(hour - overlap, today, self._tree.begin)
        for a, b in by_day(start, hour + HOUR):
            yield at, Window(own, a, b)
        if self._tree.copies and hour == midnight(hour):
            for n in range(RETENTION_D, 0, -1):
                if (day := hour - n * DAY) >= self._tree.begin:
                    yield at, Window(own, day, day + DAY)

    def _rows_of(self, day: int) -> tuple[list[int], list[Row]]:
        full = day >= to_ms(self._tree.full_since) // DAY_MS
        return self._plug.day(day, EVERY_S if full else LIGHT_EVERY_S)

    def _rows(self, window: Window) -> list[Row]:
        """The window's rows, newest first."""
        start_ms, end_ms = to_ms(window.start), to_ms(window.end)
        times, rows = self._day(start_ms // DAY_MS)
        return rows[bisect_left(times, start_ms) : bisect_left(times, end_ms)][::-1]

    def _kept(self, asked_at: datetime, window: Window) -> Entry:
        """As `raw.write_window` does, but without fsync and with the journal left to others."""
        named = {"device_id": window.device_id, "ingestion_timestamp_utc": iso(asked_at)}
        named |= {"ingested_by": ORIGIN.ingested_by}
        kept = [row | named for row in self._rows(window)]
        plain = raw.encode(kept)
        packed = gzip.compress(plain, 6, mtime=int(asked_at.timestamp()))
        file = self._new_file(window)
        file.write_bytes(packed)
        return Entry(
            file=str(file.relative_to(self._tree.paths.raw)),
            device_id=window.device_id,
            start=window.start,
            end=window.end,
            asked_at=asked_at,
            complete=True,
            rows=len(kept),
            sha256=hashlib.sha256(plain).hexdigest(),
            dates=(f"{window.start:%Y-%m-%d}",) if kept else (),
            pages=max(1, -(-len(kept) // 100)),
            packed_sha256=hashlib.sha256(packed).hexdigest(),
        )

    def _new_file(self, window: Window) -> Path:
        """The first free name, which only this collector gives away."""
        folder = self._folder / f"{window.start:%Y-%m-%d}"
        if folder not in self._folders:
            folder.mkdir(parents=True, exist_ok=True)
            self._folders.add(folder)
        stem = f"{window.device_id}_{stamp(window.start)}_{stamp(window.end)}_logs"
        self._names[stem] += 1
        nth = self._names[stem]
        return folder / f"{stem}{'' if nth == 1 else f'-{nth}'}.json.gz"


def main() -> int:
    """Read the command line, build, say what there is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--devices", type=int, default=10)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--light-days", type=int, default=0, help="of these only a few rows")
    parser.add_argument("--copies", action="store_true", help="each row about eleven times")
    parser.add_argument("--apart-ms", type=int, default=0, help="between values of one report")
    given = vars(parser.parse_args())
    if (folder := given.pop("folder")).exists() and any(folder.iterdir()):
        sys.exit(f"{folder} is not empty: name a new folder.")
    began = time.monotonic()
    tree = build(folder, **given)
    print(f"{told(tree)}; {time.monotonic() - began:.0f} s; all of it simulated")
    return 0


@dataclass(frozen=True)
class Size:
    """Files, rows in them, and bytes as they lie."""

    files: int
    rows: int
    packed: int


def size(tree: Tree) -> Size:
    """How large an archive is, by its journal and its files."""
    lines = tree.paths.journal.read_text("utf-8").splitlines()
    rows = sum(json.loads(line)["rows"] for line in lines)
    return Size(len(lines), rows, sum(file.stat().st_size for file in tree.raw_files()))


def told(tree: Tree) -> str:
    """The same in words."""
    own = size(tree)
    packed = f"{own.packed / 1e6:.1f} MB, {own.packed / own.rows:.2f} bytes a row"
    return f"{own.files} files, {own.rows} rows, {packed}"


if __name__ == "__main__":
    sys.exit(main())
