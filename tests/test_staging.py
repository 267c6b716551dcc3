"""Raw rows become typed, unique rows in one file for each UTC date."""

import gzip
import json
import os
from pathlib import Path

import pytest

from lib import checks as checks_
from lib import files, raw, staged_date, staging, warehouse
from lib.errors import BadRawFile, ConfigError, DataError
from lib.journal import Journal, Window
from lib.paths import Paths
from lib.staging_files import Raw
from lib.times import DAY, stamp
from tests.rows import CONFIG, at, build, event, keep, report, staged, table

SPECIFICATION = {
    "category": "cz",
    "functions": [],
    "status": [
        {"code": "cur_power", "type": "Integer", "values": '{"unit":"W","scale":1}'},
        {"code": "cur_current", "type": "Integer", "values": '{"unit":"A","scale":3}'},
        {"code": "mode", "type": "Enum", "values": '{"range":["1","2"]}'},
    ],
}


def archive_specification(store: Paths, when: str, specification: dict[str, object]) -> None:
    folder = store.registry / "plug01"
    name = f"{stamp(at(when))}_specification.json"
    files.write_text(folder / name, json.dumps(specification))


def test_a_partition_has_the_columns_of_the_contract(store: Paths) -> None:
    keep(store, [report("10 12:00", "cur_power", "853")])
    staging.run(store, CONFIG)
    with warehouse.connect() as connection:
        file = str(warehouse.partition(store.staging, "2026-03-10"))
        described = connection.execute(
            "DESCRIBE SELECT * FROM read_parquet($file, hive_partitioning = false)", {"file": file}
        ).fetchall()
    assert [(name, kind) for name, kind, *_ in described] == [
        ("device_id", "VARCHAR"),
        ("device_name", "VARCHAR"),
        ("code", "VARCHAR"),
        ("event_time", "TIMESTAMP WITH TIME ZONE"),
        ("event_id", "INTEGER"),
        ("value", "VARCHAR"),
        ("value_num", "DOUBLE"),
        ("unit", "VARCHAR"),
        ("event_from", "VARCHAR"),
        ("ingestion_timestamp_utc", "TIMESTAMP WITH TIME ZONE"),
        ("ingested_by", "VARCHAR"),
        ("filename", "VARCHAR"),
    ]


def test_values_are_scaled_once_by_the_devices_own_specification(store: Paths) -> None:
    archive_specification(store, "1", SPECIFICATION)
    keep(store, [report("10 12:00", "cur_power", "853"), report("10 12:00", "cur_current", "412")])
    rows = staging.run(store, CONFIG) and staged(store).set_index("code")
    assert rows.loc["cur_power", ["value", "value_num", "unit"]].tolist() == ["853", 85.3, "W"]
    assert rows.loc["cur_current", ["value_num", "unit"]].tolist() == [0.412, "A"]


def test_the_specification_in_force_at_the_rows_time_counts(store: Paths) -> None:
    changed = json.loads(json.dumps(SPECIFICATION).replace('\\"scale\\":1', '\\"scale\\":2'))
    archive_specification(store, "5", SPECIFICATION)
    archive_specification(store, "11", changed)
    days = ("4 12:00", "10 12:00", "12 12:00")
    keep(store, [report(day, "cur_power", "853") for day in days])
    staging.run(store, CONFIG)
    assert staged(store)["value_num"].tolist() == [85.3, 85.3, 8.53]


def test_a_changed_scale_blocks_the_page_until_it_is_confirmed(store: Paths) -> None:
    changed = json.loads(json.dumps(SPECIFICATION).replace('\\"scale\\":1', '\\"scale\\":2'))
    archive_specification(store, "5", SPECIFICATION)
    archive_specification(store, "8", SPECIFICATION)
    assert staging.run(store, CONFIG).findings == []
    archive_specification(store, "11", changed)
    (found,) = staging.run(store, CONFIG).findings
    assert (found.name, found.blocks) == ("tcc.staging.scale_changed", True)
    name = "plug01/cur_power@20260311T000000Z"
    assert found.data["change"] == name
    confirmed = CONFIG.model_copy(update={"confirmed_changes": (name,)})
    assert [f.blocks for f in staging.run(store, confirmed).findings] == [False]


def test_without_a_specification_the_typical_scale_is_used_and_a_finding_says_so(
    store: Paths,
) -> None:
    keep(store, [report("10 12:00", "add_ele", "201"), report("10 12:01", "brand_new", "7")])
    found = staging.run(store, CONFIG).findings
    rows = staged(store)
    assert rows["value_num"].iloc[0] == 0.201
    assert rows["unit"].iloc[0] == "kWh"
    assert rows["value"].iloc[1] == "7"
    assert rows["value_num"].isna().tolist() == [False, True]
    assert {(f.name, f.data["code"]) for f in found} == {
        ("tcc.staging.scale_assumed", "add_ele"),
        ("tcc.staging.unknown_code", "brand_new"),
    }


def test_equal_increments_in_a_row_are_all_real(store: Paths) -> None:
    keep(store, [report(f"10 12:{minute:02d}", "add_ele", "100") for minute in range(0, 60, 10)])
    counts = staging.run(store, CONFIG)
    assert (counts.came, counts.staged, counts.duplicate) == (6, 6, 0)
    assert staged(store)["value_num"].sum() == pytest.approx(0.6)


def test_the_same_row_again_is_dropped_and_counted(store: Paths) -> None:
    row = report("10 12:00", "cur_power", "853")
    keep(store, [row, row], asked="11")
    keep(store, [row, report("10 12:01", "cur_power", "9")], asked="12")
    counts = staging.run(store, CONFIG)
    assert (counts.came, counts.staged, counts.duplicate, counts.conflicting) == (4, 2, 2, 0)
    assert staged(store)["ingestion_timestamp_utc"].iloc[0].to_pydatetime() == at("11")


def test_another_value_under_a_key_is_a_conflict_that_the_newest_ingestion_wins(
    store: Paths,
) -> None:
    keep(store, [report("10 12:00", "cur_power", "1")], asked="12")
    keep(store, [report("10 12:00", "cur_power", "2")], asked="11")
    counts = staging.run(store, CONFIG)
    assert (counts.came, counts.staged, counts.duplicate, counts.conflicting) == (2, 1, 0, 1)
    assert staged(store)["value"].tolist() == ["1"]
    assert "tcc.staging.conflict" in {f.name for f in counts.findings}


def test_online_offline_and_signal_rows_are_staged_without_code(store: Paths) -> None:
    keep(
        store,
        [event("10 12:00", 2), event("10 12:05", 1), event("10 12:06", 8, event_value="-49")],
    )
    staging.run(store, CONFIG)
    rows = staged(store)
    assert rows["event_id"].tolist() == [2, 1, 8]
    assert rows["code"].isna().all()
    assert rows["value"].fillna("").tolist() == ["", "", "-49"]


def test_a_row_without_a_value_and_values_of_odd_types_are_kept(store: Paths) -> None:
    odd = [
        report("10 12:00", "cur_power", None),
        report("10 12:01", "cur_power", 853),
        report("10 12:02", "cur_power", "many"),
        report("10 12:03", "colour_data_v2", {"h": 1}),
        report("10 12:04", "switch_1", True),
    ]
    keep(store, odd)
    found = {f.name: f.data for f in staging.run(store, CONFIG).findings}
    assert found["tcc.staging.incomplete"]["rows"] == 2
    rows = staged(store)
    assert rows["value"].fillna("").tolist() == ["", "853", "many", '{"h":1}', "true"]
    assert rows["value_num"].fillna(-1).tolist() == [-1, 85.3, -1, -1, 1.0]


def test_only_the_dates_of_new_rows_are_rebuilt(store: Paths) -> None:
    keep(store, [report("10 12:00", "cur_power", "1"), report("11 12:00", "cur_power", "1")])
    staging.run(store, CONFIG)
    untouched = warehouse.partition(store.staging, "2026-03-10")
    before = untouched.stat()
    keep(store, [report("11 13:00", "cur_power", "2")], asked="21")
    assert staging.run(store, CONFIG).dates == ["2026-03-11"]
    assert untouched.stat().st_mtime_ns == before.st_mtime_ns
    assert staging.run(store, CONFIG).dates == []


def test_rows_that_come_late_reach_their_own_date(store: Paths) -> None:
    keep(store, [report("12 12:00", "cur_power", "1")])
    staging.run(store, CONFIG)
    keep(store, [report("10 12:00", "cur_power", "2")], asked="21")
    assert staging.run(store, CONFIG).dates == ["2026-03-10"]
    assert staged(store)["value"].tolist() == ["2", "1"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut", gzip.compress(b'[\n{"code":"cur_power"}\n]\n', mtime=0)[:-12]),
        ("words", gzip.compress(b"<html>502 Bad Gateway</html>", mtime=0)),
        ("error", gzip.compress(b'{"success":false,"code":1010,"msg":"token invalid"}', mtime=0)),
        (
            "foreign",
            gzip.compress(b'[{"device_id":"other01","event_time":1773144000000}]', mtime=0),
        ),
    ],
    ids=["cut", "words", "error", "foreign"],
)
def test_a_file_that_cannot_be_read_is_set_aside_and_the_rest_goes_on(
    store: Paths, name: str, content: bytes
) -> None:
    keep(store, [report("10 12:00", "cur_power", "1")])
    bad = store.raw / "plug01" / "2026-03-10" / f"{name}.json.gz"
    bad.write_bytes(content)
    report_ = staging.run(store, CONFIG)
    kept = store.quarantine / "plug01" / "2026-03-10" / bad.name
    assert report_.quarantined == [kept]
    assert kept.read_bytes() == content
    assert json.loads(Path(f"{kept}.reason.json").read_text())["what"]
    assert not bad.exists()
    assert len(staged(store)) == 1


def test_a_file_that_goes_bad_later_is_set_aside_and_its_window_taken_back(store: Paths) -> None:
    first, _ = keep(
        store, [report("10 12:00", "cur_power", "1"), report("11 12:00", "cur_power", "1")]
    )
    staging.run(store, CONFIG)
    file = store.raw / first.file
    file.write_bytes(file.read_bytes()[:-9])
    keep(store, [report("10 13:00", "cur_power", "2")], asked="21")
    counts = staging.run(store, CONFIG)
    assert [path.name for path in counts.quarantined] == [file.name]
    assert [str(value) for value in staged(store)["value"]] == ["2", "1"]
    entries = {entry.file: entry for entry in Journal(store.journal).all()}
    assert not entries[first.file].complete


def test_a_content_that_is_not_what_the_journal_says_is_set_aside(store: Paths) -> None:
    (entry,) = keep(store, [report("10 12:00", "cur_power", "1")])
    file = store.raw / entry.file
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()).replace(b'"1"', b'"9"')))
    assert len(staging.run(store, CONFIG).quarantined) == 1
    assert len(staged(store)) == 0


def test_an_older_layout_copied_in_by_hand_stages(store: Paths) -> None:
    folder = store.raw / "plug01" / "2026-03-11"
    folder.mkdir(parents=True)
    rows = [
        report("11 01:00", "cur_power", 853, device_id="plug01", ingested_by="old"),
        report("10 23:00", "cur_power", 120, device_id="plug01", ingested_by="old"),
    ]
    old = folder / "plug01_20260310T220000Z_20260311T020000Z_logs.json"
    old.write_text(json.dumps(rows, indent=2))
    os.utime(old, (0, 0))
    counts = staging.run(store, CONFIG)
    assert counts.dates == ["2026-03-10", "2026-03-11"]
    assert staged(store)["value_num"].tolist() == [12.0, 85.3]
    assert set(staged(store)["ingested_by"]) == {"old"}


def test_a_row_without_a_usable_time_is_a_finding_and_stops_nothing(store: Paths) -> None:
    times = (None, "soon", 10**17, -5, 4 * 10**13)
    odd = [{"code": "cur_power", "event_id": 7, "event_time": t, "value": "1"} for t in times]
    window = staging_window("10")
    raw.write_window(
        store,
        window,
        [report("10 12:00", "cur_power", "1"), *odd],
        asked_at=at("11"),
        ingested_by="tcc/0",
        complete=True,
    )
    found = [f for f in staging.run(store, CONFIG).findings if f.name == "tcc.staging.undated"]
    assert [f.data["rows"] for f in found] == [len(times)]
    assert len(staged(store)) == 1


def staging_window(day: str) -> Window:
    """A whole UTC day of the plug."""
    return Window("plug01", at(day), at(day) + DAY)


def test_a_rebuild_of_everything_gives_the_same_contents(store: Paths) -> None:
    rows = [
        report(f"{day} {hour:02d}:00", "cur_power", str(hour))
        for day in (9, 10)
        for hour in (1, 23)
    ]
    for number, own in enumerate((rows[1:], rows[:3], rows)):
        keep(store, own, asked=f"{15 + number}")
        staging.run(store, CONFIG)
    before = staged(store)
    counts = staging.run(store, CONFIG, rebuild=True)
    assert counts.came == counts.staged + counts.duplicate + counts.conflicting == 10
    assert staged(store).equals(before)


def test_a_check_that_fails_leaves_the_old_partition(
    store: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keep(store, [report("10 12:00", "cur_power", "1")])
    staging.run(store, CONFIG)
    checks = tmp_path / "sql"
    checks.mkdir()
    for file in warehouse.paths.SQL.glob("*.sql"):
        (checks / file.name).write_text(file.read_text())
    (checks / "checks").mkdir()
    for name in checks_.names("staging"):
        (checks / "checks" / f"{name}.sql").write_text("SELECT 1 FROM partition WHERE value = '2';")
    monkeypatch.setattr(warehouse.paths, "SQL", checks)
    monkeypatch.setattr(warehouse, "sql", warehouse.sql.__wrapped__)
    keep(store, [report("10 13:00", "cur_power", "2")], asked="21")
    with pytest.raises(DataError, match="staging_date"):
        staging.run(store, CONFIG)
    assert staged(store)["value"].tolist() == ["1"]
    monkeypatch.undo()
    staging.run(store, CONFIG)
    assert staged(store)["value"].tolist() == ["1", "2"]


def test_a_specification_that_comes_late_corrects_the_days_before_it(store: Paths) -> None:
    keep(store, [report("10 12:00", "add_ele", "201")])
    assert "tcc.staging.scale_assumed" in {f.name for f in staging.run(store, CONFIG).findings}
    late = {"code": "add_ele", "type": "Integer", "values": '{"unit":"kwh","scale":2}'}
    archive_specification(store, "11", {"functions": [], "status": [late]})
    keep(store, [report("11 12:00", "add_ele", "201")])
    assert staging.run(store, CONFIG).dates == ["2026-03-10", "2026-03-11"]
    assert staged(store)["value_num"].tolist() == [2.01, 2.01]


def test_a_new_device_does_not_stage_the_others_again(store: Paths) -> None:
    keep(store, [report("10 12:00", "add_ele", "201")])
    staging.run(store, CONFIG)
    keep(store, [report("11 12:00", "add_ele", "1")], device="plug02")
    assert staging.run(store, CONFIG).dates == ["2026-03-11"]


def test_a_touched_date_reads_its_new_files_alone(store: Paths, tmp_path: Path) -> None:
    keep(store, [report("10 12:00", "cur_power", "1"), report("10 12:01", "cur_power", "2")])
    staging.run(store, CONFIG)
    keep(store, [report("10 12:01", "cur_power", "2"), report("10 13:00", "cur_power", "3")])
    counts = staging.run(store, CONFIG)
    assert (counts.came, counts.staged, counts.duplicate) == (4, 3, 1)
    first, second = sorted(staged(store)["filename"].unique())
    with warehouse.connect() as connection:
        staged_date.prepare(connection, store, CONFIG)
        new = {second: next(e for e in Journal(store.journal).all() if e.file == second)}
        one = staged_date.build(connection, Raw(store, new, goes_on=True), "2026-03-10")
        assert one.by_file == {second: 2}
        whole = staged_date.build(connection, Raw(store, new), "2026-03-10")
        assert whole.by_file == {first: 2, second: 2}


def test_a_conflict_with_what_is_staged_reads_all_files_of_the_date(store: Paths) -> None:
    """The newest asking of the old value, a duplicate then, is in no partition."""
    keep(store, [report("10 12:00", "cur_power", "1")], asked="11")
    staging.run(store, CONFIG)
    keep(store, [report("10 12:00", "cur_power", "1")], asked="13")
    staging.run(store, CONFIG)
    keep(store, [report("10 12:00", "cur_power", "2")], asked="12")
    counts = staging.run(store, CONFIG)
    assert (counts.came, counts.staged, counts.duplicate, counts.conflicting) == (3, 1, 1, 1)
    assert staged(store)["value"].tolist() == ["1"]
    keep(store, [report("10 12:00", "cur_power", "2")], asked="14")
    assert staging.run(store, CONFIG).came == 4
    assert staged(store)["value"].tolist() == ["2"]
    assert staged(store)["ingestion_timestamp_utc"].iloc[0].to_pydatetime() == at("12")


def test_a_partition_that_cannot_be_read_is_built_from_all_files(store: Paths) -> None:
    keep(store, [report("10 12:00", "cur_power", "1")])
    staging.run(store, CONFIG)
    warehouse.partition(store.staging, "2026-03-10").write_bytes(b"PAR1 spoiled PAR1")
    keep(store, [report("10 13:00", "cur_power", "2")], asked="21")
    counts = staging.run(store, CONFIG)
    assert (counts.came, counts.quarantined) == (2, [])
    assert staged(store)["value"].tolist() == ["1", "2"]


def test_a_file_that_lost_rows_by_mending_leaves_none_of_them_staged(store: Paths) -> None:
    (entry,) = keep(store, [report("10 12:00", "cur_power", "1"), report("10 12:01", "mode", "1")])
    staging.run(store, CONFIG)
    rows = raw.read(store.raw / entry.file)[:1]
    (store.raw / entry.file).unlink()
    raw.take_back(store, entry, ask_again=False)
    keep(store, rows, asked="21")
    staging.run(store, CONFIG)
    assert staged(store)["code"].tolist() == ["cur_power"]


def test_progress_says_dates_done_dates_left_and_rows(store: Paths) -> None:
    keep(store, [report(f"{day} 12:00", "cur_power", "1") for day in (10, 11, 12)])
    told: list[tuple[int, int, str]] = []
    staging.run(store, CONFIG, progress=lambda *news: told.append(news))
    assert told == [
        (0, 3, "3 dates"),
        (1, 3, "2026-03-10, 2 left, 1 rows"),
        (2, 3, "2026-03-11, 1 left, 2 rows"),
        (3, 3, "2026-03-12, 0 left, 3 rows"),
    ]


def test_a_lost_journal_stages_everything_again(store: Paths) -> None:
    for day in (10, 11, 12):
        keep(store, [report(f"{day} 12:00", "cur_power", "1")])
    build(store)
    store.journal.unlink()
    keep(store, [report("13 12:00", "cur_power", "1")])
    build(store)
    assert len(staged(store)) == 4
    assert table(store, "energy_daily")["energy_wh_integral"].notna().sum() == 4


def test_a_rebuild_killed_at_its_start_loses_nothing(
    store: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, [report(f"10 1{minute}:00", "cur_power", "1") for minute in range(3)])
    staging.run(store, CONFIG)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(staging, "_index", die)
    with pytest.raises(KeyboardInterrupt):
        staging.run(store, CONFIG, rebuild=True)
    monkeypatch.undo()
    keep(store, [report("10 20:00", "cur_power", "1")], asked="21")
    staging.run(store, CONFIG)
    assert len(staged(store)) == 4


@pytest.mark.parametrize("event_id", ["report", "", {}, 2**40, None])
def test_an_event_type_of_any_kind_stops_nothing(store: Paths, event_id: object) -> None:
    keep(store, [report("10 12:00", "cur_power", "1", event_id=event_id)])
    assert staging.run(store, CONFIG).quarantined == []
    assert staged(store)["event_id"].tolist() == [7]


def test_a_file_that_only_duckdb_cannot_read_is_set_aside(store: Paths) -> None:
    keep(store, [report("10 12:00", "cur_power", "1")])
    twice = store.raw / "plug01" / "2026-03-10" / "twice.json"
    twice.write_text('[{"code":"a","code":"b","event_time":1773144000000}]')
    kept = staging.run(store, CONFIG)
    assert len(staged(store)) + len(kept.quarantined) == 2
    assert staging.run(store, CONFIG).quarantined == []


@pytest.mark.parametrize("time", ["1960-01-01", "2099-01-01"])
def test_a_row_of_another_age_is_a_finding_and_no_partition(store: Paths, time: str) -> None:
    row = {"code": "cur_power", "event_id": 7, "value": "1", "event_time": f"{time}T00:00:00Z"}
    raw.write_window(
        store,
        staging_window("10"),
        [row, report("10 12:00", "cur_power", "1")],
        asked_at=at("11"),
        ingested_by="tcc/0",
        complete=True,
    )
    counts = staging.run(store, CONFIG)
    assert counts.dates == ["2026-03-10"]
    assert "tcc.staging.undated" in {f.name for f in counts.findings}


TIMES: list[object] = [True, False, 0, -1, 2**70, "", " 1773144000000", "+1773144000000"]
TIMES += [1773144000000.0, 1773144000000.4, "1773144000000", "1773144000", "1773144000000.6"]


@pytest.mark.parametrize("told", TIMES)
def test_a_time_means_the_same_whatever_the_other_rows_of_its_date_say(
    store: Paths, tmp_path: Path, told: object
) -> None:
    """Event times are read as numbers, and as texts where one of a date is none."""
    odd = {"code": "cur_power", "event_id": 7, "event_time": told, "value": "1"}
    numbers, text = report("10 13:00", "mode", "1"), report("10 14:00", "mode", "1")
    text["event_time"] = "2026-03-10T14:00:00Z"
    found = []
    for own, rows in ((store, [odd, numbers]), (Paths.at(tmp_path / "b"), [odd, numbers, text])):
        stamp_ = {"asked_at": at("11"), "ingested_by": "tcc/0", "complete": True}
        raw.write_window(own, staging_window("10"), rows, **stamp_)
        staging.run(own, CONFIG)
        frame = staged(own)
        found.append(frame.loc[frame["code"] == "cur_power", "event_time"].tolist())
    assert found[0] == found[1]


def test_a_folder_with_brackets_in_its_name_is_read_as_it_is(tmp_path: Path) -> None:
    store = Paths.at(tmp_path / "data [1]*")
    keep(store, [report("10 12:00", "cur_power", "1")])
    build(store)
    assert len(staged(store)) == 1


def test_a_folder_that_duckdb_cannot_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="question mark"):
        Paths.at(tmp_path / "why?")


def test_a_raw_file_that_is_gone_is_a_finding_and_its_window_is_asked_again(store: Paths) -> None:
    (entry,) = keep(store, [report("10 12:00", "cur_power", "1")])
    (store.raw / entry.file).unlink()
    assert "tcc.staging.missing_file" in {f.name for f in staging.run(store, CONFIG).findings}
    assert not Journal(store.journal).all()[0].complete


@pytest.mark.parametrize("touched", [True, False])
def test_a_byte_that_rots_is_found_whether_or_not_the_file_looks_touched(
    store: Paths, touched: bool
) -> None:
    """Of a packed file that nobody touched since it was staged the checksum is compared."""
    keep(store, [report("08 10:00", "cur_power", str(n)) for n in range(40)])
    (file,) = store.raw.rglob("*.json.gz")
    packed = bytearray(file.read_bytes())
    packed[len(packed) // 2] ^= 1
    file.write_bytes(packed)
    since = file.stat().st_ctime + (-60 if touched else 60)
    with pytest.raises(BadRawFile):
        Raw(store, since=since)._check(file, str(file.relative_to(store.raw)), "")
