"""Older archives and strays: every shape of them is kept, nothing of them counts as held."""

import gzip
import json
import os
import shutil
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lib import archive, plan, raw
from lib.config import Ingestion
from lib.errors import BadRawFile, ConfigError
from lib.journal import Entry, Journal, Window
from lib.paths import Paths

NOW = datetime(2026, 4, 22, 15, tzinfo=UTC)
NOW_MS = 1_776_870_000_000
DAY_MS = 86_400_000
BY = "tcc/1 test"
ROWS = [
    {"code": "add_ele", "event_time": NOW_MS - n * 3_600_000, "event_id": 7, "value": str(n)}
    for n in range(30)
]
OLDER = {"device_id": "plug-1", "ingestion_timestamp_utc": "2026-04-22T15:30:00+00:00"}
OLDER |= {"ingested_by": "tuya_collector"}


def older_layout(rows: list[dict[str, Any]], **more: Any) -> str:
    """Indented, newest first, spanning dates, with the device in each record."""
    kept = ("code", "event_time", "value")
    return json.dumps([{k: r[k] for k in kept} | OLDER | more for r in rows], indent=2)


def answer(rows: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"result": {"logs": rows, "has_next": False, **more}, "success": True, "t": 1}


SHAPES = {
    "an answer": answer(ROWS),
    "answers": [answer(ROWS[:10]), answer(ROWS[10:]), answer([])],
    "results": [{"logs": ROWS[:10]}, {"logs": ROWS[10:]}],
    "a report log": {"result": {"list": ROWS, "has_more": False}, "success": True},
    "a plain list": ROWS,
    "a list as result": {"result": ROWS, "success": True},
}


def give(store: Paths, file: Path, device_id: str | None = "plug-1") -> list[archive.Imported]:
    return archive.import_file(store, file, device_id=device_id, now=NOW, ingested_by=BY)


def written(folder: Path, content: Any) -> Path:
    file = folder / "archive.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return file


def kept_rows(store: Paths) -> list[dict[str, Any]]:
    files = sorted(store.raw.rglob("*.json*"))
    return [r for f in files if f != store.journal for r in raw.read(f)]


def adopt(
    store: Paths, scanned_at: float | None = None, seen: Collection[str] = ()
) -> tuple[list[Entry], list[Path]]:
    return archive.adopt_strays(store, entered=set(), scanned_at=scanned_at, seen=seen)


# ---- Import ------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_an_archive_is_kept_row_by_row(
    store: Paths, tmp_path: Path, shape: str
) -> None:
    (done,) = give(store, written(tmp_path, SHAPES[shape]))
    assert (done.device_id, done.rows, done.known) == ("plug-1", 30, False)
    kept = kept_rows(store)
    assert [{k: row[k] for k in ROWS[0]} for row in kept] == ROWS
    assert {(row["device_id"], row["ingested_by"]) for row in kept} == {("plug-1", BY)}


def test_a_packed_archive_is_unpacked(store: Paths, tmp_path: Path) -> None:
    file = tmp_path / "archive.json.gz"
    file.write_bytes(gzip.compress(json.dumps(ROWS).encode()))
    assert give(store, file)[0].rows == 30


@pytest.mark.parametrize("device_id", [None, "plug-1"])
def test_the_older_layout_needs_no_device_and_keeps_what_it_says_of_itself(
    store: Paths, tmp_path: Path, device_id: str | None
) -> None:
    give(store, written(tmp_path, older_layout(ROWS)), device_id)
    assert all(OLDER.items() <= row.items() for row in kept_rows(store))
    (entry,) = Journal(store.journal).all()
    assert entry.dates == ("2026-04-21", "2026-04-22")
    assert entry.file.startswith("plug-1/2026-04-22/")  # the date of the newest event


def test_an_imported_window_is_not_taken_for_held(store: Paths, tmp_path: Path) -> None:
    give(store, written(tmp_path, ROWS))
    (entry,) = Journal(store.journal).all()
    assert not entry.complete and "_logs_import" in entry.file
    assert entry.start == NOW - timedelta(hours=29) and entry.end == NOW + timedelta(seconds=1)
    assert plan.settled([entry], Ingestion(), now=entry.asked_at) == {}


def test_the_same_file_again_adds_nothing(store: Paths, tmp_path: Path) -> None:
    file = written(tmp_path, ROWS)
    give(store, file)
    before = {f: f.read_bytes() for f in store.raw.rglob("*") if f.is_file()}
    renamed = shutil.copy(file, tmp_path / "again.json")
    for again in (file, Path(renamed)):
        (done,) = give(store, again)
        assert (done.known, done.rows) == (True, 0)
    assert {f: f.read_bytes() for f in store.raw.rglob("*") if f.is_file()} == before


def test_what_was_set_aside_may_come_again(store: Paths, tmp_path: Path) -> None:
    file = written(tmp_path, ROWS)
    give(store, file)
    (entry,) = Journal(store.journal).all()
    kept = store.raw / entry.file
    kept.write_bytes(b"rotten")
    raw.set_aside(store, kept, raw.bad_file(kept, "it is rotten"), entry)
    assert give(store, file)[0].rows == 30
    assert len(kept_rows(store)) == 30


def test_a_file_of_several_devices_is_kept_for_each(store: Paths, tmp_path: Path) -> None:
    mixed = [row | {"device_id": f"plug-{n % 3}"} for n, row in enumerate(ROWS)]
    done = give(store, written(tmp_path, mixed), None)
    assert [(one.device_id, one.rows) for one in done] == [(f"plug-{n}", 10) for n in range(3)]
    assert {f.parent.parent.name for f in store.raw.rglob("*.gz")} == {"plug-0", "plug-1", "plug-2"}


def test_an_answer_may_say_which_device_it_is_of(store: Paths, tmp_path: Path) -> None:
    file = written(tmp_path, answer(ROWS, device_id="plug-9"))
    assert give(store, file, None)[0].device_id == "plug-9"
    with pytest.raises(BadRawFile, match="rows of 'plug-9', not of 'plug-1'"):
        give(store, file, "plug-1")


def test_rows_without_code_value_or_time_stay(store: Paths, tmp_path: Path) -> None:
    odd: list[dict[str, Any]] = [{"event_id": 1, "event_time": NOW_MS}, {"code": "x"}, {}]
    odd += [{"event_time": 10**18, "code": "y", "value": None}]
    assert give(store, written(tmp_path, [*ROWS, *odd]))[0].rows == 34
    (entry,) = Journal(store.journal).all()
    assert entry.rows == 34 and entry.dates == ("2026-04-21", "2026-04-22")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (json.dumps(ROWS)[:-20], "not JSON"),
        ("", "not JSON"),
        ("<html>502</html>", "not JSON"),
        ({"code": 28841002, "msg": "expired", "success": False}, "error 28841002"),
        ([answer(ROWS), {"code": 1010, "msg": "token invalid", "success": False}], "error 1010"),
        ({"result": None, "success": True}, "no list"),
        ({"result": {"id": "plug-1"}, "success": True}, "no list"),
        ({"a": 1}, "no list"),
        ([1, 2], "item 1"),
        ([{"code": "x", "value": "1"}], "no row of it has an event time"),
        (older_layout(ROWS, device_id="plug-2"), "rows of 'plug-2', not of 'plug-1'"),
        ([*ROWS, ROWS[0] | {"device_id": "plug-2"}], "rows of 'plug-2', not of 'plug-1'"),
    ],
)
def test_a_bad_archive_says_why_and_writes_nothing(
    store: Paths, tmp_path: Path, content: Any, why: str
) -> None:
    file = written(tmp_path, content)
    with pytest.raises(BadRawFile, match=why) as caught:
        give(store, file)
    assert caught.value.remedy and caught.value.where == str(file)
    assert not store.raw.exists() and file.exists()


EMPTY = [
    [],
    answer([]),
    {"result": {"has_next": False}, "success": True},
    {"result": {"hasMore": False}, "success": True, "t": 1},
    {"result": {"logs": None, "has_more": False}, "success": True},
    [answer([]), {"result": {"has_next": False}, "success": True}],
]


@pytest.mark.parametrize("device_id", [None, "plug-1"])
@pytest.mark.parametrize("content", EMPTY)
def test_an_archive_without_rows_is_no_error_and_claims_nothing(
    store: Paths, tmp_path: Path, content: Any, device_id: str | None
) -> None:
    assert give(store, written(tmp_path, content), device_id) == []
    assert not store.data.exists()


def test_an_empty_answer_among_others_takes_nothing_from_them(store: Paths, tmp_path: Path) -> None:
    pages = [answer(ROWS[:10]), {"result": {"has_next": False}, "success": True}, answer(ROWS[10:])]
    assert give(store, written(tmp_path, pages))[0].rows == 30


@pytest.mark.parametrize("name", ["demo_plug_1", "a1", "eb.12", "x" * 64])
def test_an_id_may_have_underscores_and_dots(store: Paths, tmp_path: Path, name: str) -> None:
    (done,) = give(store, written(tmp_path, ROWS), name)
    assert done.device_id == name and (store.raw / name).is_dir()
    store.journal.unlink()
    (entry,), bad = adopt(store)
    assert (entry.device_id, entry.rows, entry.complete, bad) == (name, 30, False, [])


def test_one_bad_device_of_several_writes_nothing(store: Paths, tmp_path: Path) -> None:
    mixed = [*(r | {"device_id": "plug-1"} for r in ROWS), {"code": "x", "device_id": "plug-2"}]
    with pytest.raises(BadRawFile):
        give(store, written(tmp_path, mixed), None)
    assert not store.raw.exists()


@pytest.mark.parametrize(
    "name",
    ["../../outside", "/etc", "_registry", ".", "a b", "a", "x..y", "journal.jsonl", "x" * 65],
)
def test_a_device_cannot_name_a_place_outside_the_store(
    store: Paths, tmp_path: Path, name: str
) -> None:
    with pytest.raises(BadRawFile, match="no device id"):
        give(store, written(tmp_path, [r | {"device_id": name} for r in ROWS]), None)
    assert not store.raw.exists()


@pytest.mark.parametrize("shape", SHAPES)
def test_without_any_device_the_user_is_asked_for_one(
    store: Paths, tmp_path: Path, shape: str
) -> None:
    with pytest.raises(ConfigError, match="--device"):
        give(store, written(tmp_path, SHAPES[shape]), None)
    assert not store.raw.exists()


def test_a_missing_file_is_a_bad_one(store: Paths, tmp_path: Path) -> None:
    with pytest.raises(BadRawFile):
        give(store, tmp_path / "nowhere.json")


# ---- Strays ------------------------------------------------------------------------------


def stray(store: Paths, content: str, name: str = "copied.json", day: str = "2026-04-22") -> Path:
    """A file copied in by hand with its old times, as `cp -a` leaves it."""
    file = store.raw / "plug-1" / day / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, "utf-8")
    for path in (file, file.parent, file.parent.parent):
        os.utime(path, (1_500_000_000, 1_500_000_000))
    return file


def test_a_file_copied_in_by_hand_is_entered_once(store: Paths) -> None:
    file = stray(store, older_layout(ROWS))
    (entry,), bad = adopt(store)
    assert bad == [] and entry.file == str(file.relative_to(store.raw))
    assert (entry.rows, entry.complete, entry.dates) == (30, False, ("2026-04-21", "2026-04-22"))
    assert (entry.start, entry.end) == (NOW - timedelta(hours=29), NOW + timedelta(seconds=1))
    assert entry.asked_at == NOW + timedelta(minutes=30)
    assert adopt(store) == ([], [])


def test_a_copy_with_old_times_is_found_since_the_last_look(store: Paths) -> None:
    stray(store, older_layout(ROWS[:5]), "first.json")
    assert len(adopt(store)[0]) == 1
    looked_at = (store.raw / "plug-1" / "2026-04-22").stat().st_ctime + archive.SLACK_S
    stray(store, older_layout(ROWS[5:9]), "second.json")
    (entry,), _ = adopt(store, scanned_at=looked_at, seen={"plug-1/2026-04-22"})
    assert entry.file.endswith("second.json")


def test_a_whole_device_moved_in_with_old_times_is_found(store: Paths, tmp_path: Path) -> None:
    stray(store, older_layout(ROWS))
    shutil.move(store.raw / "plug-1", tmp_path / "plug-1")
    store.raw.mkdir(exist_ok=True)
    shutil.move(tmp_path / "plug-1", store.raw / "plug-1")
    looked_at = (store.raw / "plug-1").stat().st_ctime + 60
    assert adopt(store, scanned_at=looked_at, seen={"plug-1/2026-04-22"}) == ([], [])
    assert len(adopt(store, scanned_at=looked_at, seen={"plug-2/2026-04-22"})[0]) == 1


def test_folders_that_did_not_change_are_not_read(store: Paths) -> None:
    stray(store, older_layout(ROWS))
    later = (store.raw / "plug-1").stat().st_ctime + 60
    assert adopt(store, scanned_at=later, seen={"plug-1/2026-04-22"}) == ([], [])


def test_of_trusted_folders_only_the_newest_are_looked_at(store: Paths) -> None:
    days = [f"2026-{month:02d}-{day:02d}" for month in (1, 2) for day in range(1, 29)]
    for day in days:
        (store.raw / "plug-1" / day).mkdir(parents=True)
    names = [f"plug-1/{day}" for day in days]
    found = archive.folders(store.raw, set(names[1:]))
    assert list(found) == names
    unlooked = [name for name, changed_at in found.items() if not changed_at]
    assert unlooked == names[1 : len(days) - archive.NEWEST]
    assert all(archive.folders(store.raw).values())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (json.dumps(ROWS)[:-3], "not JSON"),
        (json.dumps(answer(ROWS)), "not a list"),
        (older_layout(ROWS, device_id="plug-2"), "rows of plug-2"),
        ("", "not JSON"),
        ("{}", "not a list"),
    ],
)
def test_a_bad_stray_is_set_aside_with_its_reason(store: Paths, content: str, why: str) -> None:
    good = stray(store, older_layout(ROWS), "good.json")
    file = stray(store, content, "bad.json")
    (entry,), (moved,) = adopt(store)
    assert entry.file == str(good.relative_to(store.raw))
    assert not file.exists() and moved.read_text() == content
    assert moved == store.quarantine / "plug-1" / "2026-04-22" / "bad.json"
    reason = json.loads(moved.with_name("bad.json.reason.json").read_text())
    assert why in reason["what"]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("name", "start", "hours"),
    [
        ("copied", "2026-04-22T00:00", 24),
        ("plug-1_20269999T000000Z_20269999T000000Z_logs", "2026-04-22T00:00", 24),
        ("plug-1_20260421T220000Z_20260421T230000Z_logs", "2026-04-21T22:00", 1),
        ("plug-1_20260421T220000Z_20260421T230000Z_logs_partial", "2026-04-21T22:00", 1),
    ],
)
def test_an_empty_file_of_an_older_archive_is_entered_and_never_held(
    store: Paths, name: str, start: str, hours: int, packed: bool
) -> None:
    file = stray(store, "[]", f"{name}.json")
    if packed:
        file.with_suffix(".json.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    (entry,), bad = adopt(store)
    begin = datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert bad == [] and (entry.rows, entry.complete, entry.dates) == (0, False, ())
    assert (entry.start, entry.end) == (begin, begin + timedelta(hours=hours))
    assert plan.settled([entry], Ingestion(), now=entry.asked_at) == {}
    assert adopt(store) == ([], [])


def test_an_empty_file_in_a_folder_without_a_date_is_set_aside(store: Paths) -> None:
    stray(store, "[]", day="elsewhere")
    entered, (moved,) = adopt(store)
    assert entered == [] and moved.read_text() == "[]"


def test_a_file_whose_name_tells_no_instants_is_known_by_its_rows(store: Paths) -> None:
    name = "plug-1_20269999T000000Z_20269999T000000Z_logs.json.gz"
    file = stray(store, older_layout(ROWS, ingested_by="tcc/1"), name)
    file.write_bytes(gzip.compress(file.read_bytes()))
    (entry,), bad = adopt(store)
    assert bad == [] and (entry.rows, entry.complete) == (30, False)
    assert entry.end == NOW + timedelta(seconds=1)


def test_strays_of_several_times_leave_the_newest_question_last(store: Paths) -> None:
    for hour in (17, 15, 16):
        at = f"2026-04-22T{hour}:00:00Z"
        stray(store, older_layout(ROWS[:2], ingestion_timestamp_utc=at), f"{20 - hour}.json")
    adopt(store)
    last = Journal(store.journal).last()
    assert last and last.asked_at == datetime(2026, 4, 22, 17, tzinfo=UTC)


# ---- The journal again, from the files ----------------------------------------------------


def test_the_journal_can_be_rebuilt_from_the_files(store: Paths, tmp_path: Path) -> None:
    for hour, rows in ((1, ROWS[1:2]), (2, []), (3, ROWS[3:4])):
        window = Window("plug-1", NOW - timedelta(hours=hour), NOW - timedelta(hours=hour - 1))
        for complete in (True, hour != 3):
            raw.write_window(
                store,
                window,
                rows,
                asked_at=NOW + timedelta(hours=hour),
                ingested_by=BY,
                complete=complete,
                pages=1,
            )
    give(store, written(tmp_path, ROWS), "plug-2")
    give(store, written(tmp_path, older_layout(ROWS)), None)
    before = {entry.file: entry for entry in Journal(store.journal).all()}
    for file in store.raw.rglob("*.gz"):
        os.utime(file, (1_500_000_000, 1_500_000_000))
    store.journal.unlink()
    adopted, bad = adopt(store)
    after = {entry.file: entry for entry in Journal(store.journal).all()}
    assert bad == [] and len(adopted) == len(before) == 8 and after.keys() == before.keys()
    same = ("device_id", "start", "end", "complete", "rows", "sha256", "dates")
    for name, entry in before.items():
        assert [getattr(after[name], f) for f in same] == [getattr(entry, f) for f in same]
        if entry.pages:
            assert after[name].asked_at == entry.asked_at
