"""The raw store: what came stays as it came, and nothing takes its place."""

import gzip
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import raw, staging_files
from lib.errors import BadRawFile
from lib.journal import Entry, Journal, Window
from lib.paths import Paths

T0 = datetime(2026, 4, 22, 15, tzinfo=UTC)
T0_MS = 1_776_870_000_000
HOUR = timedelta(hours=1)
WINDOW = Window("plug", T0 - HOUR, T0)
ADDED = {"device_id", "ingestion_timestamp_utc", "ingested_by"}


def row(**more: Any) -> dict[str, Any]:
    return {"code": "cur_power", "event_time": T0_MS - 1000, "event_id": 7, "value": "853", **more}


def write(store: Paths, rows: list[dict[str, Any]], **more: Any) -> Entry:
    given = {"asked_at": T0, "ingested_by": "tcc/1 test", "complete": True, "pages": 1}
    return raw.write_window(store, WINDOW, rows, **given | more)


def test_a_record_keeps_every_field_and_says_who_asked_and_when(store: Paths) -> None:
    came = [row(trace={"unheard": ["of", None, 1.5]}), row(code="switch_1", value="true é ☃ \\")]
    entry = write(store, came)
    kept = raw.read(store.raw / entry.file)
    assert [{k: v for k, v in one.items() if k not in ADDED} for one in kept] == came
    assert {tuple(one[k] for k in sorted(ADDED)) for one in kept} == {
        ("plug", "tcc/1 test", "2026-04-22T15:00:00Z")
    }
    assert entry == Journal(store.journal).last()
    assert (entry.rows, entry.dates, entry.complete) == (2, ("2026-04-22",), True)


def test_a_file_is_named_by_its_window_and_lies_under_its_date(store: Paths) -> None:
    entry = write(store, [row()])
    name = "plug_20260422T140000Z_20260422T150000Z_logs.json.gz"
    assert entry.file == f"plug/2026-04-22/{name}"
    content = gzip.decompress((store.raw / entry.file).read_bytes())
    assert entry.sha256 == hashlib.sha256(content).hexdigest()
    assert len(content.splitlines()) == 3  # a row a line, for people and for grep


def test_an_empty_window_is_a_file_too(store: Paths) -> None:
    entry = write(store, [])
    assert raw.read(store.raw / entry.file) == []
    assert (entry.rows, entry.dates, entry.complete) == (0, (), True)
    assert entry.file.startswith("plug/2026-04-22/")


def test_a_window_asked_again_is_a_new_file(store: Paths) -> None:
    first = write(store, [row()])
    before = (store.raw / first.file).read_bytes()
    second = write(store, [row(), row(value="854")], asked_at=T0 + HOUR)
    third = write(store, [row()], complete=False)
    assert second.file.endswith("_logs-2.json.gz") and third.file.endswith("_logs_partial.json.gz")
    assert (store.raw / first.file).read_bytes() == before
    assert [e.rows for e in Journal(store.journal).all()] == [1, 2, 1]
    assert not third.complete


@pytest.mark.parametrize(
    ("event_time", "ms"),
    [
        (T0_MS, T0_MS),
        (str(T0_MS), T0_MS),
        (T0_MS // 1000, T0_MS),
        ("2026-04-22T15:00:00Z", T0_MS),
        ("2026-04-22 12:00:00.250-03:00", T0_MS + 250),
        ("2026-04-22T15:00:00", T0_MS),
        *((odd, None) for odd in (None, "", "soon", [], {}, float("inf"), float("nan"))),
        *((odd, None) for odd in (-5, 10**17, 10**40, "1" * 5000, "0001-01-01T00:00:00Z")),
    ],
)
def test_event_times_of_every_kind_are_understood_or_none(event_time: Any, ms: int | None) -> None:
    assert raw.event_time_ms({"event_time": event_time}) == ms
    assert raw.event_time_ms({}) is None


@given(st.lists(st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.datetimes())))
def test_no_event_time_stops_a_run(values: list[Any]) -> None:
    dates = raw.event_dates({"event_time": v} for v in values)
    assert list(dates) == sorted(set(dates)) and len(dates) <= len(values)


def test_dates_are_utc_and_ascending() -> None:
    day_ms = 86_400_000
    times = [T0_MS, T0_MS - day_ms, T0_MS, 1_776_902_399_999, 1_776_902_400_000]
    dates = raw.event_dates({"event_time": ms} for ms in times)
    assert dates == ("2026-04-21", "2026-04-22", "2026-04-23")


def test_half_a_character_does_not_make_a_file_unreadable(store: Paths) -> None:
    """A text cut inside an emoji is valid JSON for Python and for no other reader."""
    came = json.loads('[{"code": "name", "event_time": 1776869999000, "value": "ab\\ud83d"}]')
    entry = write(store, came)
    assert raw.read(store.raw / entry.file)[0]["value"] == "ab?"
    staging_files.verify(store.raw / entry.file, entry)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"[{}]", "unpacked"),
        (gzip.compress(b'[{"code": "a"}]', mtime=0)[:-9], "unpacked"),
        (gzip.compress(b'[{"code": "a"', mtime=0), "not JSON"),
        (gzip.compress(b"\xff\xfe[", mtime=0), "not JSON"),
        (gzip.compress(b"[" * 200_000, mtime=0), "not JSON"),
        (
            gzip.compress(b'{"success": false, "code": 1010, "msg": "token invalid"}', mtime=0),
            "error 1010",
        ),
        (gzip.compress(b'{"result": []}', mtime=0), "not a list"),
        (gzip.compress(b"[1, 2]", mtime=0), "not a list"),
    ],
)
def test_a_bad_file_says_why(store: Paths, content: bytes, why: str) -> None:
    file = store.raw / "plug" / "2026-04-22" / "bad.json.gz"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    with pytest.raises(BadRawFile, match=why) as caught:
        raw.read(file)
    assert str(file) in caught.value.where and "tcc import" in caught.value.remedy


def test_a_file_that_changed_is_not_what_the_journal_says(store: Paths) -> None:
    entry = write(store, [row()])
    file = store.raw / entry.file
    staging_files.verify(file, entry)
    file.write_bytes(gzip.compress(raw.encode([row(value="9999")])))
    with pytest.raises(BadRawFile, match="not what the journal says"):
        staging_files.verify(file, entry)


def test_a_bad_file_is_set_aside_with_its_reason_and_its_window_taken_back(store: Paths) -> None:
    entry = write(store, [row()])
    error = raw.bad_file(store.raw / entry.file, "it is odd")
    moved = raw.set_aside(store, store.raw / entry.file, error, entry)
    assert moved == store.quarantine / entry.file and moved.exists()
    assert not (store.raw / entry.file).exists()
    reason = json.loads(moved.with_name(moved.name + ".reason.json").read_text())
    assert reason["what"] == "it is odd." and reason["file"] == entry.file and reason["remedy"]
    (now,) = Journal(store.journal).all()
    assert (now.file, now.complete, now.rows) == (entry.file, False, 0)


def test_two_bad_files_of_one_name_are_both_kept(store: Paths) -> None:
    for content in (b"first", b"second"):
        file = store.raw / "plug" / "2026-04-22" / "bad.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        raw.set_aside(store, file, raw.bad_file(file, "it is odd"), None)
    kept = sorted(f.read_bytes() for f in store.quarantine.rglob("*bad.json"))
    assert kept == [b"first", b"second"]
    assert len(list(store.quarantine.rglob("*.reason.json"))) == 2
