"""However the files came, hour by hour or at once: staging and marts hold the same.

What is drawn here is everything at once: devices, layouts, days, double and contradicting rows,
odd values and times, files cut short, runs that die. One thing at a time is in test_staging.py,
test_quarantine.py and test_marts.py.
"""

import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bench.course import CHECKED, METER, OUTAGES_H, PLUG, Course
from bench.rebuilt import compare, rebuilt
from lib import archive, files, marts, raw, staging, warehouse
from lib.errors import BadRawFile
from lib.journal import Journal, Window
from lib.paths import Paths
from lib.raw import Row
from lib.staged_date import Report
from lib.times import DAY, HOUR, iso, to_ms
from tests.rows import CONFIG, at, contents, keep, report

# ---- Files that come -----------------------------------------------------------------------

MOMENTS = [at(when) for when in ("9 23:59", "10", "10 12:00", "10 23:59", "11", "11 06:00")]
TIMES: list[Any] = [to_ms(moment) for moment in MOMENTS]
OTHERWISE: list[Any] = [  # the same instants in other words, and what is none
    *(str(to_ms(MOMENTS[1])), to_ms(MOMENTS[2]) // 1000, iso(MOMENTS[3]), to_ms(MOMENTS[4]) + 0.4),
    *(None, "soon", 0, "1970-01-01T00:00:00Z", 4_070_908_800_000, True, {}),  # 2099
]
VALUES: list[Any] = [
    *("1", "2", "1", "2", "", 1, 1.0, True, None, "NaN", "1e400", " 7", "1_0", 2**70, '"', "é"),
    *({"h": 1}, [1], "AAECAwQFBgc=", '{"voltage":2301}'),
]
KINDS = ["answer", "answer", "answer", "partial", "import", "old", "lost line", "cut short"]
drawn_rows = st.fixed_dictionaries(
    {"event_time": st.sampled_from([*TIMES, *TIMES, *OTHERWISE])},
    optional={
        "code": st.sampled_from(["cur_power", "cur_power", "switch_1", "phase_a", None, ""]),
        "value": st.sampled_from(VALUES),
        "event_id": st.sampled_from([7, 7, 1, 2, "report", None]),
        "event_from": st.sampled_from(["1", "2"]),
        "event_value": st.sampled_from(["-49", None]),
        "ingestion_timestamp_utc": st.sampled_from(["2026-03-12T00:00:00Z", "lately"]),
    },
)


@st.composite
def drawn_files(draw: st.DrawFn) -> "list[Drawn]":
    """Some files with rows of a few kinds, so that they meet: the same again, or another value."""
    pool = st.sampled_from(draw(st.lists(drawn_rows, min_size=1, max_size=5)))
    changed = st.builds(lambda row, value: row | {"value": value}, pool, st.sampled_from(VALUES))
    one = st.tuples(
        st.sampled_from(["plug01", "plug01", "plug02"]),
        st.sampled_from(KINDS),
        st.sampled_from(["10", "11", "12", "12"]),
        st.lists(st.one_of(pool, changed), max_size=6),
    )
    return draw(st.lists(one, min_size=1, max_size=7))


Drawn = tuple[str, str, str, list[Row]]


@dataclass(frozen=True)
class Arrival:
    """A raw file and the line that the journal has for it, if it has any."""

    name: str
    content: bytes
    line: bytes

    def at(self, store: Paths) -> None:
        """Let it come: first the file, then the line."""
        file = store.raw / self.name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.content)
        with store.journal.open("ab") as journal:
            journal.write(self.line)


def arrivals(drawn: Sequence[Drawn], folder: Path) -> list[Arrival]:
    """Files as drawn, made once, so that they have the same names wherever they come."""
    store, made = Paths.at(folder), []
    for number, (device, kind, asked, rows) in enumerate(drawn):
        offset = Journal(store.journal).since()[1]
        file = _written(store, number, device, kind, asked, rows)
        if file is None:
            continue
        content = file.read_bytes()
        line = store.journal.read_bytes()[offset:] if store.journal.exists() else b""
        line = b"" if kind == "lost line" else line
        content = content[:-9] if kind == "cut short" else content
        made.append(Arrival(str(file.relative_to(store.raw)), content, line))
    return made


def _written(
    store: Paths, number: int, device: str, kind: str, asked: str, rows: list[Row]
) -> Path | None:
    text = json.dumps(rows, indent=2)
    if kind == "old":  # a layout of old, copied in by hand
        return files.write_text(store.raw / device / "2026-03-10" / f"old-{number}.json", text)
    if kind == "import":
        other = files.write_text(store.data / f"archive-{number}.json", text)
        try:
            archive.import_file(store, other, device_id=device, now=at(asked), ingested_by="tcc/0")
        except BadRawFile:
            return None
        last = Journal(store.journal).last()
        return store.raw / last.file if rows and last else None
    window, whole = Window(device, at("10"), at("10") + DAY), kind != "partial"
    entry = raw.write_window(
        store, window, rows, asked_at=at(asked), ingested_by="tcc/0", complete=whole
    )
    return store.raw / entry.file


def stage(store: Paths, *, rebuild: bool = False) -> Report:
    """Stage; the sums of every run must add up."""
    counts = staging.run(store, CONFIG, rebuild=rebuild)
    parts = counts.staged + counts.duplicate + counts.conflicting + counts.quarantined_rows
    assert counts.rows_in == parts
    assert (
        min(counts.staged, counts.duplicate, counts.conflicting, *counts.undated.values(), 0) == 0
    )
    return counts


def come(store: Paths, some: Sequence[Arrival], cuts: Sequence[int], *, built: bool) -> None:
    """Let files come in groups, a run after each."""
    bounds = sorted({0, len(some), *(min(cut, len(some)) for cut in cuts)})
    for start, end in pairwise(bounds):
        for arrival in some[start:end]:
            arrival.at(store)
        stage(store)
        if built:
            marts.run(store, CONFIG)


@contextmanager
def folders() -> Iterator[Callable[[str], Paths]]:
    """Stores that last as long as an example."""
    with tempfile.TemporaryDirectory() as folder:
        yield lambda name: Paths.at(Path(folder) / name)


# ---- Any order, any grouping ---------------------------------------------------------------


def the_same_however_they_came(
    drawn: list[Drawn], order: list[int], cuts: list[int], *, built: bool
) -> None:
    """Hour by hour in one order, at once in another, and rebuilt: by content one and the same."""
    with folders() as store:
        some = arrivals(drawn, store("made").data)
        shuffled = [some[n] for n in order if n < len(some)]
        by_hours, at_once = store("hours"), store("once")
        come(by_hours, shuffled, cuts, built=built)
        come(at_once, some, [], built=built)
        assert compare(by_hours, at_once).unequal == []
        before = contents(by_hours)
        counts = stage(by_hours, rebuild=True)
        if built:
            marts.run(by_hours, CONFIG, rebuild=True)
        assert contents(by_hours) == before
        assert counts.rows_in == sum(entry.rows for entry in Journal(by_hours.journal).all())
        assert counts.staged == sum(len(r) for n, r in before.items() if n.startswith("staging/"))


calmly = settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking would outlast the time-out
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
orders, groups = st.permutations(range(7)), st.lists(st.integers(1, 6), max_size=3)


@given(drawn_files(), orders, groups)
@settings(calmly, max_examples=20)
def test_staging_is_the_same_in_whatever_order_and_groups_the_files_came(
    drawn: list[Drawn], order: list[int], cuts: list[int]
) -> None:
    the_same_however_they_came(drawn, order, cuts, built=False)


@pytest.mark.slow
@given(drawn_files(), orders, groups)
@settings(calmly, max_examples=15)
def test_marts_too_are_the_same_in_whatever_order_and_groups_the_files_came(
    drawn: list[Drawn], order: list[int], cuts: list[int]
) -> None:
    the_same_however_they_came(drawn, order, cuts, built=True)


# ---- Runs that die -------------------------------------------------------------------------


@contextmanager
def dying(at_call: int, *, done: bool) -> Iterator[None]:
    """Let the run die where it puts a file in another's place: before that, or just after."""
    replace, lock, calls = os.replace, threading.Lock(), 0

    def replaced(source: Any, target: Any) -> None:
        nonlocal calls
        with lock:
            calls += 1
            dies = calls > at_call
        if done or not dies:
            replace(source, target)
        if dies:  # the others, too: a process dies as a whole
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", replaced)
        yield


@given(drawn_files(), st.integers(0, 6), st.integers(0, 9), st.booleans(), st.booleans())
@settings(calmly, max_examples=20)
def test_a_killed_run_leaves_the_old_partition_or_the_new_one_and_the_next_ends_its_work(
    drawn: list[Drawn], split: int, at_call: int, done: bool, rebuild: bool
) -> None:
    with folders() as store:
        some = arrivals(drawn, store("made").data)
        killed, whole = store("killed"), store("whole")
        come(killed, some[:split], [], built=False)
        old = contents(killed)
        come(whole, some, [], built=False)
        new = contents(whole)
        for arrival in some[split:]:
            arrival.at(killed)
        try:
            with dying(at_call, done=done):
                staging.run(killed, CONFIG, rebuild=rebuild)
        except KeyboardInterrupt:
            held = contents(killed)
            assert held.keys() <= old.keys() | new.keys()
            for name in old.keys() | new.keys():
                assert held.get(name) in (old.get(name), new.get(name)), name
        stage(killed)
        assert contents(killed) == new
        assert not list(killed.data.rglob(".*.tmp"))


def test_a_run_killed_at_each_of_its_replacings_is_ended_by_the_next(store: Paths) -> None:
    days = ("9", "10", "11")
    keep(store, [report(f"{day} 12:00", "cur_power", "1") for day in days])
    stage(store)
    for number in range(12):
        rows = [report(f"{day} 13:{number:02d}", "cur_power", "2") for day in days]
        keep(store, rows, asked=f"20 {number:02d}:00")
        with dying(number, done=False):
            try:
                staging.run(store, CONFIG)
                break
            except KeyboardInterrupt:
                last = number
        counted = {len(rows) for rows in contents(store).values()}
        assert counted <= {number + 1, number + 2}
        stage(store)
        assert {len(rows) for rows in contents(store).values()} == {number + 2}
    assert last >= 3  # three partitions at least were put in place, and the position


# ---- The bench -----------------------------------------------------------------------------


def test_a_store_made_anew_is_compared_by_content_and_in_either_order(
    store: Paths, tmp_path: Path
) -> None:
    keep(store, [report(f"{day} 12:00", "cur_power", str(day)) for day in (9, 10, 11)])
    keep(store, [report("10 12:00", "cur_power", "7")], asked="21")
    stage(store)
    marts.run(store, CONFIG)
    journal = store.journal.read_bytes()
    for name, backwards in (("one", False), ("two", True)):
        again = rebuilt(store, tmp_path / name, CONFIG, backwards=backwards)
        assert (again.journal.read_bytes() == journal) != backwards
        found = compare(store, again)
        assert (found.unequal, found.rows["staging"]) == ([], 3)
        assert found.partitions > 3 * 5
    assert store.journal.read_bytes() == journal
    staging_10 = warehouse.partition(again.staging, "2026-03-10")
    staging_10.write_bytes(warehouse.partition(again.staging, "2026-03-11").read_bytes())
    warehouse.partition(again.marts / "gaps", "2026-03-11").unlink()
    assert compare(store, again).unequal == [
        "marts/gaps/event_date=2026-03-11/data_0.parquet",
        "staging/event_date=2026-03-10/data_0.parquet",
    ]


def test_the_year_has_hours_without_a_run_runs_cut_short_and_devices_offline() -> None:
    course = Course(365, 7)
    steps = [course.steps(hour) for hour in range(1, course.hours + 1)]
    missed = sum(length for _, length in OUTAGES_H)
    assert missed < steps.count(0) < missed + 300
    assert min(steps.count(1), steps.count(2)) > 30 and steps.count(3) > 8000
    assert [course.steps(course.hour(share)) for share in CHECKED] == [3] * len(CHECKED)
    assert {course.month(hour) for hour in range(1, course.hours + 1)} == set(range(12))
    late = [one for hour in range(1, course.hours + 1) for one in course.late(hour)]
    assert 150 < len(late) < 350 and all(start < end < until for _, start, end, until in late)
    for device, first, last in course.house.away:
        assert device in (PLUG, METER)
        hour_ms = HOUR // timedelta(milliseconds=1)
        rows = course.house.rows(device, first - 3 * hour_ms, last + 3 * hour_ms)
        inside = [row for row in rows if first <= row.event_time_ms <= last]
        assert [(row.event_time_ms, row.event_id) for row in inside] == [(first, 2), (last, 1)]
        assert len(rows) > 4
