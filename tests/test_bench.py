"""The benches themselves: do they notice what they are there to notice?"""

import gzip
import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest

from bench import contenders, harness, hours, passes, tree
from bench import staging as bench_staging
from bench.harness import Ratio
from bench.houses import DenseHouse, dense
from bench.month import CHANCE_H, Month
from bench.tree import Tree
from bench.verdict import judge
from lib import contract, files, raw, registry, staging, warehouse
from lib.config import Config
from lib.demo.house import log_order
from lib.journal import Entry, Journal, Window
from lib.paths import ROOT, Paths
from lib.raw import Row
from lib.times import DAY, HOUR, to_ms

NOW = datetime(2026, 4, 22, 15, tzinfo=UTC)
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def command(*arguments: str, code: int = 0) -> str:
    """What a command prints; it must end with a code."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


# ---- Ratios ------------------------------------------------------------------------------


def test_the_median_of_a_ratio_is_held_against_its_limit() -> None:
    assert Ratio("r", [9, 1, 4], limit=4, at_least=True).met
    assert not Ratio("r", [9, 1, 3.9], limit=4, at_least=True).met
    assert Ratio("r", [0.5, 1, 9], limit=1).met and not Ratio("r", [0.5, 1.1, 9], limit=1).met
    assert Ratio("r", [1e9]).met


def test_one_missed_ratio_is_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = Ratio("quick", [5, 4, 6], 4, at_least=True), Ratio("small", [2.5], 1.25)
    assert harness.concluded([good, Ratio("told", [3])]) == 0
    assert harness.concluded([good, bad]) == 1
    last = capsys.readouterr().out.splitlines()[-2:]
    assert last[0].split() == ["quick", "5.000", "4.000", "6.000", "at", "least", "4", "met"]
    assert last[1].split() == ["small", "2.500", "2.500", "2.500", "at", "most", "1.25", "MISSED"]


def test_ways_take_turns_and_results_keep_their_order() -> None:
    asked: list[str] = []

    def way(name: str) -> str:
        asked.append(name)
        return name

    pairs = harness.side_by_side([lambda: way("a"), lambda: way("b")], 3)
    assert pairs == [("a", "b")] * 3
    assert asked == ["a", "b", "b", "a", "a", "b"]


def test_the_peak_of_a_process_is_its_own() -> None:
    """A child does not begin with the peak of the process that started it."""
    held = bytearray(200_000_000)
    code = "from bench.harness import peak_mb; print(peak_mb())"
    child = float(command("-c", code))
    assert harness.peak_mb() > 190 and 5 < child < 150 and len(held) == 200_000_000


# ---- The house ---------------------------------------------------------------------------


def test_a_dense_house_has_the_rows_that_were_ordered_in_the_cloud_s_memory() -> None:
    house = dense(10_000, now=NOW)
    keys = list(house.keys(NOW - 7 * DAY, NOW - timedelta(minutes=2)))
    assert len(keys) == 10_000 == len({key[:4] for key in keys})
    assert {key[2] for key in keys} == {1, 2, 7} and len({key[0] for key in keys}) == 8
    assert list(dense(10_000, now=NOW).keys(NOW - 7 * DAY, NOW)) == keys
    assert list(dense(10_000, now=NOW, seed=8).keys(NOW - 7 * DAY, NOW)) != keys


def test_any_part_of_a_dense_house_is_served_as_the_whole_is() -> None:
    house = dense(900, now=NOW, size=1)
    (own,) = house.ids
    rows = list(house.rows(own, 0, to_ms(NOW)))
    assert rows[::-1] == sorted(rows, key=log_order)
    times = [row.event_time_ms for row in rows]
    assert len(times) > len(set(times))  # data points of one instant, as plugs send them
    for at in times[5:40]:
        for start, end in ((at, at + 1), (at + 1, at + 10**7), (at - 10**7, at)):
            inside = [row for row in rows if start <= row.event_time_ms < end]
            assert list(house.rows(own, start, end)) == inside


# ---- The month ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_a_month_has_three_outages_without_runs_and_late_rows_that_can_be_had(seed: int) -> None:
    month = Month(BEGIN, 30, seed)
    spans = month.outages
    assert sorted((end - start) / DAY for start, end in spans) == [1, 3, 6]
    assert month.begin < spans[0][0] and spans[-1][1] < month.end
    assert all(a[1] < b[0] for a, b in pairwise(spans))
    runs = list(month.runs())
    assert len(runs) == 31 * 24 - 10 * 24
    assert not [now for now in runs for start, end in spans if start <= now < end]
    deadly = [at for now in runs if (at := month.deadly(now)) is not None]
    assert 40 < len(deadly) < 110 and all(0 <= at < 1 for at in deadly)
    late = month.late(["a", "b"])
    assert len(late) > 10
    for one in late:
        chances = [now for now in runs if one.until <= now < one.start + 7 * DAY]
        assert len(chances) >= CHANCE_H and one.start < one.end < one.until


# ---- The verdict -------------------------------------------------------------------------

HOUSE = DenseHouse(BEGIN, 60_000, 3_000, size=2)
SPAN = BEGIN, BEGIN + DAY


def fill(store: Paths, change: Any = None) -> None:
    """A store with a day of the house, as the cloud gives it, changed by a function."""
    for own in HOUSE.ids:
        rows = [served(row) for row in HOUSE.rows(own, to_ms(SPAN[0]), to_ms(SPAN[1]))]
        window = Window(own, *SPAN)
        given = {"asked_at": SPAN[1] + HOUR, "ingested_by": "tcc/0", "complete": True}
        raw.write_window(store, window, change(rows) if change else rows, **given)


def served(row: Any) -> Row:
    plain = {"event_time": row.event_time_ms, "event_id": row.event_id, "event_from": "1"}
    return plain | ({"code": row.code, "value": row.value} if row.code else {})


def test_a_store_with_every_row_once_is_flawless(store: Paths) -> None:
    fill(store)
    fill(store)  # the same rows again are duplicates in raw, not in staging
    verdict = judge(store, Config(), HOUSE, SPAN)
    assert verdict.flawless and verdict.truth == verdict.staged == 2_880
    assert verdict.came == 2 * 2_880 and verdict.expired == 0


def test_a_lost_an_invented_and_a_changed_row_are_counted(store: Paths) -> None:
    def spoil(rows: list[Row]) -> list[Row]:
        moved = rows[1] | {"event_time": rows[1]["event_time"] + 1}
        return [moved, *rows[2:-1], rows[-1] | {"value": "4711"}]

    fill(store, spoil)
    verdict = judge(store, Config(), HOUSE, SPAN)
    assert not verdict.flawless
    counts = verdict.lost, verdict.invented, verdict.otherwise, verdict.twice
    assert counts == (4, 2, 2, 0)


def test_a_row_twice_in_staging_is_counted(store: Paths) -> None:
    fill(store)
    assert judge(store, Config(), HOUSE, SPAN).twice == 0
    (file,) = store.staging.glob("event_date=*/data_0.parquet")
    with duckdb.connect() as connection, files.replacing(file) as new:
        twice = "CREATE TABLE t AS FROM read_parquet($file) UNION ALL (FROM read_parquet($file)"
        connection.execute(f"{twice} LIMIT 3)", {"file": str(file)})
        warehouse.write_parquet(connection, "t", new)
    verdict = judge(store, Config(), HOUSE, SPAN)
    assert (verdict.twice, verdict.lost, verdict.flawless) == (3, 0, False)


def test_what_expired_must_be_missing_and_nothing_else(store: Paths) -> None:
    cut = BEGIN + 6 * HOUR, BEGIN + 9 * HOUR
    edges = to_ms(cut[0]), to_ms(cut[1])

    def forget(rows: list[Row]) -> list[Row]:
        return [row for row in rows if not edges[0] < row["event_time"] < edges[1]]

    fill(store, forget)
    verdict = judge(store, Config(), HOUSE, SPAN, [cut])
    assert verdict.flawless and 350 < verdict.expired < 362
    longer = cut[0] - HOUR, cut[1]
    assert not judge(store, Config(), HOUSE, SPAN, [longer]).flawless  # more came than could
    assert judge(store, Config(), HOUSE, SPAN).lost == verdict.expired


# ---- What two stores have in common ------------------------------------------------------


def test_the_state_of_a_store_tells_what_differs(store: Paths) -> None:
    fill(store)
    config = Config()
    judge(store, config, HOUSE, SPAN)
    files.write_text(store.figures / "f.json", json.dumps({"name": "f", "code_version": "1"}))
    files.write_text(store.figures / "f.pdf", "drawn")
    before = passes.state(store, config)
    assert {name.split()[0] for name in before} == {"raw:", "held", "staging", "f.json", "f.pdf"}
    fill(store)
    files.write_text(store.figures / "f.json", json.dumps({"name": "f", "code_version": "2"}))
    assert passes.state(store, config) == before
    files.write_text(store.figures / "f.pdf", "otherwise")
    for file in (store.raw / HOUSE.ids[0]).rglob("*.gz"):
        file.unlink()
    after = passes.state(store, config)
    assert after["f.pdf"] != before["f.pdf"] and "raw: 2880 rows" not in after


# ---- The tree ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """Two plugs, a day."""
    return tree.build(tmp_path_factory.mktemp("tree") / "store", days=1, devices=2, processes=1)


def keys_of(made: Tree, entry: Entry) -> list[tuple[Any, ...]]:
    packed = (made.paths.raw / entry.file).read_bytes()
    plain = gzip.decompress(packed)
    assert hashlib.sha256(packed).hexdigest() == entry.packed_sha256
    assert hashlib.sha256(plain).hexdigest() == entry.sha256
    rows = json.loads(plain)
    return [(row["device_id"], row["event_time"], row["event_id"], row.get("code")) for row in rows]


def test_a_tree_has_a_file_an_hour_and_device_and_three_percent_of_its_rows_twice(
    small: Tree,
) -> None:
    entries = Journal(small.paths.journal).all()
    assert len(entries) == 2 * 24 == len(small.raw_files())
    assert [entry.asked_at for entry in entries] == sorted(entry.asked_at for entry in entries)
    came = [key for entry in entries for key in keys_of(small, entry)]
    assert len(came) == sum(entry.rows for entry in entries)
    assert 300 < len(came) / len(entries) < 340
    assert 0.026 < 1 - len(set(came)) / len(came) < 0.034
    assert all(entry.start.date() == (entry.end - HOUR).date() for entry in entries)
    assert small.paths.source.exists() and len(registry.known(small.paths)) == 2


def test_a_tree_s_files_are_those_that_the_collector_would_have_written(
    small: Tree, store: Paths
) -> None:
    added = {"device_id", "ingestion_timestamp_utc", "ingested_by"}
    for entry in Journal(small.paths.journal).all()[::9]:
        rows = raw.read(small.paths.raw / entry.file)
        again = raw.write_window(
            store,
            Window(entry.device_id, entry.start, entry.end),
            [{key: value for key, value in row.items() if key not in added} for row in rows],
            asked_at=entry.asked_at,
            ingested_by=tree.ORIGIN.ingested_by,
            complete=True,
            pages=entry.pages,
        )
        assert again == entry
        assert (store.raw / again.file).read_bytes() == (small.paths.raw / entry.file).read_bytes()
        times = [row["event_time"] for row in rows]
        assert times == sorted(times, reverse=True) and len(set(times)) < len(times)


def test_a_tree_is_the_same_each_time_and_another_with_another_seed(
    small: Tree, tmp_path: Path
) -> None:
    def digests(made: Tree) -> list[str]:
        entries = Journal(made.paths.journal).all()
        return [e.sha256 for e in entries if e.device_id == made.plugs()[0].device_id]

    same, other = (
        tree.build(tmp_path / str(seed), days=1, devices=1, seed=seed, processes=1)
        for seed in (small.seed, small.seed + 1)
    )
    assert digests(same) == digests(small)
    assert not set(digests(other)) & set(digests(small))


def test_a_tree_stages_with_its_own_scales_and_a_new_hour_touches_one_date(tmp_path: Path) -> None:
    made = tree.build(tmp_path / "store", days=1, devices=2, processes=1)
    report = staging.run(made.paths, Config())
    assert report.findings == [] and report.conflicting == 0
    assert report.came == tree.size(made).rows == report.staged + report.duplicate
    assert report.dates == ["2026-04-19", "2026-04-20"]
    store = hours.Archive(made)  # one hour to warm up, then another
    before = tree.size(store.tree)
    hour = store.hour()
    after = tree.size(store.tree)
    assert hour.dates == ("2026-04-20",) and hour.staging_s > 0 < hour.marts_s
    assert after.files == before.files + 2 and after.rows > before.rows
    assert store.tree.end == tree.END + 2 * HOUR


def test_in_a_tree_with_copies_each_row_came_about_eleven_times(tmp_path: Path) -> None:
    made = tree.build(tmp_path / "s", days=12, light_days=20, devices=1, copies=True, processes=1)
    entries = Journal(made.paths.journal).all()
    assert len({entry.file for entry in entries}) == len(made.raw_files()) == len(entries)
    came = [key for entry in entries for key in keys_of(made, entry)]
    amid = [
        key for key in came if to_ms(made.begin) + 2 * 864e5 < key[1] < to_ms(made.end - 8 * DAY)
    ]
    assert len(amid) / len(set(amid)) == pytest.approx(11, abs=0.2)
    report = staging.run(made.paths, Config())
    assert report.staged == len(set(came)) and report.came == len(came)


def go(way: str, made: Tree, target: Path) -> dict[str, Any]:
    given = {"way": way, "store": str(made.folder), "target": str(target)}
    return harness.measured("bench.contenders", given)


@pytest.fixture(scope="module")
def ours(small: Tree) -> dict[str, Any]:
    """What our staging of the small tree came to."""
    return go("ours", small, small.paths.staging)


def test_ours_is_the_table_that_is_asked_for(small: Tree, ours: dict[str, Any]) -> None:
    assert ours["read"] == tree.size(small).rows > ours["rows"] and ours["dates"] == 2
    assert list(ours["columns"]) == [name for name, _ in contract.tables()["readings"].shape]
    assert [*contenders.differences(ours, ours)] == []


@pytest.mark.parametrize("way", [name for name in contenders.WAYS if name != "ours"])
def test_every_way_comes_to_the_same_table(
    way: str, small: Tree, ours: dict[str, Any], tmp_path: Path
) -> None:
    if way in bench_staging.NOT_IN_VENV and not find_spec(way):
        pytest.skip(f"{way} is only in the environment of make bench-staging")
    other = go(way, small, tmp_path / way)
    assert ("columns" in other) == (way != "parse") and other.keys() & {"read", "rows"}
    assert [*contenders.differences(ours, other)] == []
    assert other["seconds"] > 0 and other["peak_mb"] > 20


READ = "FROM read_parquet('{file}', hive_partitioning = false)"
NOT_OURS = {
    "SELECT * REPLACE (value_num + 1e-13 AS value_num)": "other contents of value_num",
    "SELECT * REPLACE (value_num::FLOAT AS value_num)": "other contents of value_num",
    "SELECT * EXCLUDE (unit)": "other contents of unit",
    "SELECT *, 1 AS more": "other contents of more",
    "SELECT * REPLACE (lag(unit, 1, unit) OVER () AS unit, 'x' AS filename)": (
        "other contents of unit, filename"
    ),
    "SELECT * REPLACE (event_id + 1 AS event_id)": "other contents of event_id",
}


@pytest.mark.parametrize("query", NOT_OURS)
def test_a_column_that_is_not_ours_is_named(
    query: str, small: Tree, ours: dict[str, Any], tmp_path: Path
) -> None:
    other = rewritten(small, tmp_path, f"{query} {READ}")
    assert [*contenders.differences(ours, other)] == [NOT_OURS[query]]


def rewritten(made: Tree, target: Path, query: str, options: str = "COMPRESSION zstd") -> Any:
    """What is told of our partitions after a query went over each."""
    for file in made.paths.staging.glob("*/*.parquet"):
        new = target / file.parent.name / file.name
        new.parent.mkdir(exist_ok=True)
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(f"COPY ({query.format(file=file)}) TO '{new}' ({options})")
    return json.loads(json.dumps(contenders.judged(target)))


def test_rows_order_files_and_packing_that_are_not_ours_are_named(
    small: Tree, ours: dict[str, Any], tmp_path: Path
) -> None:
    turned = rewritten(small, tmp_path, f"{READ} ORDER BY event_time", "COMPRESSION snappy")
    (more,) = tmp_path.glob("event_date=2026-04-19/*.parquet")
    told = [*contenders.differences(ours, turned)]
    assert told == [f"{turned['unsorted']} rows out of order", "packed by SNAPPY"]
    assert turned["unsorted"] > 1_000
    more.with_name("data_1.parquet").write_bytes(more.read_bytes())
    (tmp_path / "event_date=2026-04-20").rename(tmp_path / "event_date=2026-04-21")
    twice = contenders.judged(tmp_path)
    told = [*contenders.differences(ours, twice)]
    assert told[0] == f"{twice['rows']} rows instead of {ours['rows']}"
    assert told[1] == f"other contents of {', '.join(contenders.KEY)}"
    assert told[3].endswith("rows in the file of another date") and told[4] == "3 files of 2 dates"


def test_the_bench_ends_where_a_way_wrote_another_table(
    small: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"seconds": 1, "peak_mb": 1, "read": 2, "rows": 2, "dates": 1, "files": 1}
    own |= {"unsorted": 0, "misplaced": 0, "codecs": ["ZSTD"], "columns": {"unit": {"VARCHAR": 5}}}
    told = {"ours": own, "naive": own | {"columns": {"unit": {"VARCHAR": 6}}}}
    monkeypatch.setattr(bench_staging, "way", lambda name, _: told[name])
    with pytest.raises(SystemExit, match=r"^naive did not .*: other contents of unit\.$"):
        bench_staging.against(small, ["naive"], 1)


def test_the_figure_of_cost_against_length_has_its_data_beside_it(tmp_path: Path) -> None:
    found = [[1, 240, 76_000, 0.31, 0.4], [730, 175_200, 2_000_000, 0.33, None]]
    hours.write_costs(found, tmp_path / "cost.svg")
    first = (tmp_path / "cost.svg").read_bytes()
    hours.write_costs(found, tmp_path / "cost.svg")
    assert (tmp_path / "cost.svg").read_bytes() == first and b"archive length" in first
    assert (tmp_path / "cost.csv").read_text("utf-8").splitlines() == [
        "days,files,rows,ours_s,naive_s",
        "1,240,76000,0.31,0.4",
        "730,175200,2000000,0.33,",
    ]


# ---- The commands ------------------------------------------------------------------------


def test_a_child_dies_at_the_word_and_its_result_comes_back(tmp_path: Path) -> None:
    """In a process of its own: one with threads should not fork."""
    code = """
import time
from bench import children

def work(say):
    say("one")
    say("two")
    time.sleep(60)

end = children.strike(work, "two", 0.2)
assert end.killed and end.said == "two" and 0.2 <= end.seconds < 30, end
end = children.strike(lambda say: say("end"), "two", 0.2)
assert not end.killed and end.said == "end", end
assert children.run(lambda: time.sleep(60), kill_after_s=0.1).killed
assert not children.run(lambda: None, kill_after_s=20).killed
assert children.result_of(lambda a: a + 1, 41) == 42
print("done")
"""
    assert command("-c", code) == "done\n"


@pytest.mark.slow
def test_both_ways_bring_every_row_of_a_small_house() -> None:
    arguments = ["--rows=1000", "--rounds=1", "--latency-ms=0", "--many=12000"]
    done = subprocess.run(
        [sys.executable, "bench/ingest.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = {line.split("  ")[0]: line for line in done.stdout.splitlines()}
    assert done.returncode in (0, 1), done.stderr  # so few rows say nothing of time
    assert lines["requests, tcc / getdevicelog"].endswith(("met", "MISSED"))
    assert "leaves out 0 rows" in done.stdout and done.stderr == ""


@pytest.mark.slow
def test_three_days_of_bad_weather_lose_nothing() -> None:
    told = command("bench/weather.py", "--days", "3", "--devices", "2")
    assert told.count("lost 0, twice 0, invented 0, of another value 0") == 2
    assert "just these windows" in told and told.splitlines()[-1].endswith("nothing lost")


@pytest.mark.slow
def test_the_run_after_five_kills_is_as_if_nobody_had_been_killed() -> None:
    told = command("bench/kill.py", "--kills", "5")
    assert [line.split()[:3] for line in told.splitlines() if line.startswith("together")] == [
        ["together", "5", "0"]
    ]
