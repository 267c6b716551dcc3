"""Ingestion: which windows are asked for, and runs of the real client against the stand-in."""

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from lib import ingest, raw
from lib.config import Config, Device, Ingestion
from lib.credentials import Credentials
from lib.demo.catalogue import SENSOR, TV
from lib.demo.faults import Fault
from lib.demo.registry import FAKE_MARKERS
from lib.demo.simulated import SimulatedHouse
from lib.demo.standin import ACCESS_ID, ACCESS_SECRET, StandIn
from lib.errors import (
    DeviceRejected,
    SourceRejected,
    SourceUnavailable,
    TokenExpired,
    TruncatedPull,
)
from lib.ingest import plan, settled
from lib.journal import Entry, Journal, Window
from lib.paths import Paths
from lib.sources import Origin, Source
from lib.spans import Span, by_day, merge, missing
from lib.times import from_ms, to_ms
from lib.tuya import TuyaCloud
from tests.scripted import LIST, by_path, scripted

NOW = datetime(2026, 4, 22, 15, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOUSE = SimulatedHouse()
SETTINGS = Ingestion()
MARGIN = timedelta(seconds=SETTINGS.margin_s)
TWO = (Device(id=SENSOR, name="Sensor"), Device(id=TV, name="TV"))

minutes = st.integers(-20_000, 20_000).map(lambda n: NOW + timedelta(minutes=n))
pairs = st.tuples(minutes, minutes)


def held(start: datetime, end: datetime, asked_at: datetime, **more: Any) -> Entry:
    plain = {"file": f"{start}{end}{asked_at}", "device_id": "plug", "complete": True, "rows": 0}
    times = {"start": start, "end": end, "asked_at": asked_at}
    return Entry(**{**plain, **times, "sha256": "", "dates": (), **more})


# ---- Spans -------------------------------------------------------------------------------


def inside(instant: datetime, spans: list[Span]) -> bool:
    return any(start <= instant < end for start, end in spans)


@given(st.lists(pairs, max_size=12))
def test_merged_spans_are_disjoint_and_cover_the_same_instants(spans: list[Span]) -> None:
    merged = merge(spans)
    assert all(start < end for start, end in merged)
    assert all(a[1] < b[0] for a, b in pairwise(merged))
    edges = {edge for span in spans for edge in span}
    around = {edge + timedelta(seconds=s) for edge in edges for s in (-1, 0, 1)}
    assert all(inside(at, merged) == inside(at, spans) for at in around)


@given(pairs, st.lists(pairs, max_size=12))
def test_missing_and_held_together_are_the_whole(span: Span, spans: list[Span]) -> None:
    own = merge(spans)
    gaps = missing(span, own)
    assert gaps == merge(gaps)
    clipped = [(max(a, span[0]), min(b, span[1])) for a, b in own]
    assert merge([*gaps, *clipped]) == merge([span])
    assert not any(a < d and c < b for a, b in gaps for c, d in own)


@given(pairs)
def test_windows_are_contiguous_and_never_cross_midnight(span: Span) -> None:
    start, end = span
    cut = by_day(start, end)
    assert (not cut) == (start >= end)
    if cut:
        assert (cut[0][0], cut[-1][1]) == span
        assert all(a[1] == b[0] for a, b in pairwise(cut))
        assert all(a.date() == (b - timedelta(microseconds=1)).date() for a, b in cut)


@given(st.lists(st.tuples(pairs, minutes), max_size=8), minutes)
def test_the_plan_is_oldest_first_and_asks_for_all_that_is_not_settled(
    history: list[tuple[Span, datetime]], now: datetime
) -> None:
    entries = [held(start, end, asked) for (start, end), asked in history]
    windows = plan(entries, ["plug", "other"], SETTINGS, now=now)
    assert windows == sorted(windows, key=lambda w: (w.start, w.device_id))
    whole = (now - timedelta(days=7), now - MARGIN)
    for device, known in (("plug", entries), ("other", [])):
        own = [(w.start, w.end) for w in windows if w.device_id == device]
        assert all(a.date() == (b - timedelta(seconds=1)).date() for a, b in own)
        assert all(a[1] <= b[0] for a, b in pairwise(own))
        covered = merge([*own, *settled(known, SETTINGS).get("plug", [])])
        assert missing(whole, covered) == []


# ---- What counts as held -----------------------------------------------------------------


def test_the_first_plan_asks_for_all_that_the_cloud_holds() -> None:
    windows = plan([], ["plug"], SETTINGS, now=NOW)
    assert len(windows) == 8
    assert windows[0].start == NOW - 7 * DAY - HOUR  # an hour more, for its edge
    assert windows[-1].end == NOW - timedelta(seconds=120)


def test_the_next_hour_asks_again_for_the_overlap_only() -> None:
    first = [held(w.start, w.end, NOW) for w in plan([], ["plug"], SETTINGS, now=NOW)]
    assert plan(first, ["plug"], SETTINGS, now=NOW + HOUR) == [
        Window("plug", NOW - 3 * HOUR, NOW + HOUR - MARGIN)
    ]


def test_an_empty_window_counts_and_a_partial_one_never_does() -> None:
    span = (NOW - 2 * DAY, NOW - DAY)
    assert settled([held(*span, NOW, rows=0)], SETTINGS) == {"plug": [span]}
    assert settled([held(*span, NOW, rows=9, complete=False)], SETTINGS) == {}


def test_a_window_that_had_partly_expired_counts_from_where_the_cloud_still_held_it() -> None:
    entry = held(NOW - 9 * DAY, NOW - 5 * DAY, NOW)
    assert settled([entry], SETTINGS) == {"plug": [(NOW - 7 * DAY, NOW - 5 * DAY)]}
    gone = held(NOW - 9 * DAY, NOW - 8 * DAY, NOW)
    assert settled([gone], SETTINGS) == {"plug": []}


def test_a_device_in_the_plan_does_not_stand_for_another() -> None:
    entries = [held(NOW - 8 * DAY, NOW, NOW)]
    windows = plan(entries, ["plug", "new"], SETTINGS, now=NOW)
    assert [w.device_id for w in windows if w.start < NOW - DAY] == ["new"] * 7


# ---- Runs --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with StandIn(HOUSE, now=NOW) as stand_in:
        yield stand_in


Run = Callable[..., ingest.Report]


@pytest.fixture
def standin(server: StandIn) -> StandIn:
    server.faults.clear()
    server.clock.move_to(NOW)
    server.tokens.rotate()
    server.counters.requests.clear()
    return server


@pytest.fixture
def run(standin: StandIn, store: Paths) -> Iterator[Run]:
    """An ingestion run at an instant, of two devices where nothing else is said."""
    opened: list[TuyaCloud] = []

    def at(now: datetime = NOW, devices: tuple[Device, ...] = TWO, **more: Any) -> ingest.Report:
        standin.clock.move_to(now)
        timeout_s = more.pop("timeout_s", 10)
        cloud = TuyaCloud(access(standin), timeout_s=timeout_s, pause=lambda pause_s: None)
        opened.append(cloud)
        source = Source(cloud, Origin("simulated"), devices, standin.clock.move_to)
        config = Config(ingestion=Ingestion(**more.pop("ingestion", {})))
        return ingest.run(store, source, config, now=now, **more)

    yield at
    for cloud in opened:
        cloud.close()


def access(standin: StandIn) -> Credentials:
    return Credentials(
        access_id=SecretStr(standin.access_id),
        access_secret=SecretStr(standin.access_secret),
        host=standin.endpoint.removeprefix("https://"),
        ca_bundle=standin.ca_bundle,
    )


Key = tuple[str, int, int, str | None, str | None]


def kept(store: Paths) -> list[Key]:
    """The keys of all raw rows, as often as they came."""
    rows = [r for f in sorted(store.raw.rglob("*_logs*.gz")) for r in raw.read(f)]
    names = ("device_id", "event_time", "event_id", "code", "value")
    return [tuple(row.get(name) for name in names) for row in rows]  # type: ignore[misc]


def served(start: datetime, end: datetime, *devices: str) -> set[Key]:
    """The rows of the house in [start, end], as the cloud serves them."""
    return {
        (device, r.event_time_ms, r.event_id, r.code, r.value)
        for device in devices
        for r in HOUSE.rows(device, to_ms(start), to_ms(end) + 1)
    }


def holes(store: Paths, device: str, now: datetime) -> list[Span]:
    """What of the cloud's memory is not held in whole files."""
    own = [e for e in Journal(store.journal).all() if e.device_id == device and e.complete]
    return missing((now - 7 * DAY, now - MARGIN), merge((e.start, e.end) for e in own))


def test_the_first_run_takes_every_row_that_the_cloud_still_has(run: Run, store: Paths) -> None:
    report = run(devices=())
    ids = [device.id for device in HOUSE.devices()]
    assert set(kept(store)) == served(NOW - 7 * DAY, NOW - MARGIN, *ids)
    assert (report.planned, report.confirmed, report.left) == (80, 80, 0)
    assert report.rows == len(kept(store)) > 10_000 and report.calls > 150
    assert report.failures == {} and report.findings == [] and report.stopped is None
    assert all(holes(store, device, NOW) == [] for device in ids)


def test_hourly_runs_on_a_moved_clock_hold_everything(run: Run, store: Paths) -> None:
    run()
    for hour in (1, 2, 3, 9, 10, 33):
        report = run(NOW + hour * HOUR)
        assert report.left == 0 and report.planned <= 6
    end = NOW + 33 * HOUR
    assert set(kept(store)) == served(NOW - 7 * DAY, end - MARGIN, TV, SENSOR)
    assert len(kept(store)) > len(set(kept(store)))  # the overlap came twice
    assert holes(store, TV, end) == []


def test_an_hourly_run_costs_a_page_or_two_a_device(run: Run, standin: StandIn) -> None:
    run()
    standin.counters.requests.clear()
    report = run(NOW + HOUR)
    assert report.calls == standin.counters.total_requests <= 10
    assert standin.counters.requests["/v1.0/iot-01/associated-users/devices"] == 0


def test_raw_records_keep_all_fields_and_gain_three(
    run: Run, standin: StandIn, store: Paths
) -> None:
    standin.faults.add(Fault("extra_fields", times=None))
    run()
    records = [r for f in store.raw.rglob("*_logs*.gz") for r in raw.read(f)]
    added = {"device_id", "ingestion_timestamp_utc", "ingested_by"}
    came = {"event_from", "event_id", "event_time", "status", "trace"}
    for record in records:
        assert record.keys() - {"code", "value", "event_value"} == added | came
        assert record["ingestion_timestamp_utc"] == "2026-04-22T15:00:00Z"
        assert record["ingested_by"].startswith("tcc/") and "simulated" in record["ingested_by"]
        assert record["trace"] == {"unheard": "of"}


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("system_error", SourceUnavailable),
        ("html_502", SourceUnavailable),
        ("no_row_key", TruncatedPull),
        ("token_invalid", TokenExpired),
    ],
)
def test_a_page_that_fails_leaves_a_partial_file_and_the_next_run_completes_it(
    run: Run, standin: StandIn, store: Paths, kind: str, error: type[Exception]
) -> None:
    """The second page of the second window of the TV fails as often as it is asked."""
    first = HOUSE.rows(TV, to_ms(NOW - 7 * DAY), to_ms(NOW.replace(hour=0) - 6 * DAY) + 1)
    before = -(-len(first) // 100) + 1
    times = {SourceUnavailable: 4, TokenExpired: 2}.get(error, 1)
    standin.faults.add(Fault(kind, path=f"{TV}/logs", after=before, times=times))
    report = run()
    (window, failure), *others = report.failures.items()
    assert others == [] and type(failure) is error and window.device_id == TV
    assert (report.left, report.stopped) == (1, None)
    (finding,) = report.findings
    assert finding.name == "tcc.ingest.window_failed" and finding.data["error"] == error.__name__
    (partial,) = [e for e in Journal(store.journal).all() if not e.complete]
    assert "_partial" in partial.file and partial.rows >= 100
    assert (partial.start, partial.end) == (window.start, window.end)
    assert holes(store, TV, NOW) == [(window.start, window.end)]
    again = run(NOW + HOUR)
    assert again.left == 0 and holes(store, TV, NOW + HOUR) == []
    assert (store.raw / partial.file).exists()
    oldest = NOW - 7 * DAY
    assert set(kept(store)) == served(oldest, NOW + HOUR - MARGIN, TV, SENSOR)


@pytest.mark.parametrize(("kind", "code"), [("permission_denied", 1106), ("device_removed", 2010)])
def test_a_refused_device_does_not_stop_the_others(
    run: Run, standin: StandIn, store: Paths, kind: str, code: int
) -> None:
    fault = standin.faults.add(Fault(kind, path="/logs", device=SENSOR, times=None))
    report = run()
    assert fault.done == 1  # the device is left alone for the rest of the run
    ((window, error),) = report.failures.items()
    assert window.device_id == SENSOR and isinstance(error, DeviceRejected)
    assert error.code == code and report.stopped is None and report.left == 8
    assert set(kept(store)) == served(NOW - 7 * DAY, NOW - MARGIN, TV)


@pytest.mark.parametrize(
    ("kind", "code"), [("subscription_expired", 28841002), ("quota", 28841004)]
)
def test_a_refused_project_stops_the_run_and_keeps_what_came(
    run: Run, standin: StandIn, store: Paths, kind: str, code: int
) -> None:
    fault = standin.faults.add(Fault(kind, path="/logs", after=6, times=None))
    report = run()
    assert isinstance(report.stopped, SourceRejected) and report.stopped.code == code
    assert fault.done == 1 and 0 < report.confirmed < report.planned
    assert len(kept(store)) == report.rows > 100
    with pytest.raises(SourceRejected, match=str(code)):
        report.raise_if_stopped()
    standin.faults.clear()
    assert run().left == 0
    assert set(kept(store)) == served(NOW - 7 * DAY, NOW - MARGIN, TV, SENSOR)


def answered(
    folder: Path, store: Paths, devices: str, logs: Callable[[str], Any]
) -> tuple[ingest.Report, list[str]]:
    """A run of some devices whose logs a function answers; the ids asked for, in order."""
    asked: list[str] = []
    ids = devices.split()

    def answer(path: str) -> Any:
        if path == LIST:
            return {"devices": [{"id": own, "name": own} for own in ids]}
        return logs(path.split("/")[-2]) if path.endswith("/logs") else {"status": []}

    with scripted(folder, by_path(answer, asked)) as cloud:
        source = Source(cloud, Origin("measured"), (), lambda instant: None)
        settings = Config(ingestion=Ingestion(retention_days=0.5))
        report = ingest.run(store, source, settings, now=NOW)
    return report, [path.split("/")[-2] for path in asked if path.endswith("/logs")]


ROW = {"code": "cur_power", "event_id": 7, "event_time": to_ms(NOW - HOUR), "value": "1"}


@pytest.mark.parametrize("code", [1100, 1101, 1102, 1104, 1105, 1109, 4711, 1106])
def test_one_refused_device_leaves_the_others_to_be_asked(
    store: Paths, tmp_path: Path, code: int
) -> None:
    report, asked = answered(
        tmp_path, store, "a1 b1 c1", lambda own: code if own == "a1" else {"logs": [ROW]}
    )
    assert asked == ["a1", "b1", "c1"] and report.stopped is None
    assert (report.confirmed, report.rows) == (2, 2)
    ((window, error),) = report.failures.items()
    assert window.device_id == "a1" and error.code == code


@pytest.mark.parametrize("code", [1101, 1109, 4711])
def test_the_next_device_with_the_same_refusal_ends_the_run(
    store: Paths, tmp_path: Path, code: int
) -> None:
    report, asked = answered(tmp_path, store, "a1 b1 c1", lambda own: code)
    assert asked == ["a1", "b1"]
    assert report.stopped is not None and report.stopped.code == code


def test_refusals_of_two_kinds_or_apart_from_each_other_end_nothing(
    store: Paths, tmp_path: Path
) -> None:
    told = {"a1": 1109, "b1": 1101, "d1": 1101}
    report, asked = answered(
        tmp_path, store, "a1 b1 c1 d1 e1", lambda own: told.get(own, {"logs": []})
    )
    assert asked == ["a1", "b1", "c1", "d1", "e1"]
    assert report.stopped is None and report.confirmed == 2


def test_devices_that_were_unlinked_do_not_end_the_run_for_the_one_that_was_not(
    store: Paths, tmp_path: Path
) -> None:
    report, asked = answered(
        tmp_path, store, "a1 b1 c1", lambda own: {"logs": []} if own == "c1" else 1106
    )
    assert asked == ["a1", "b1", "c1"] and report.stopped is None and report.confirmed == 1


def test_a_run_in_which_every_device_was_refused_failed(store: Paths, tmp_path: Path) -> None:
    report, asked = answered(tmp_path, store, "a1 b1", lambda own: 1106)
    assert asked == ["a1", "b1"]
    assert isinstance(report.stopped, DeviceRejected) and report.stopped.code == 1106


@pytest.mark.parametrize("code", [1001, 1004, 1005, 1013, 1114, 2007, 28841002, 28841777])
def test_a_refusal_of_the_whole_project_ends_the_run_at_once(
    store: Paths, tmp_path: Path, code: int
) -> None:
    report, asked = answered(tmp_path, store, "a1 b1 c1", lambda own: code)
    assert asked == ["a1"]
    assert isinstance(report.stopped, SourceRejected) and report.stopped.code == code


def test_logs_closed_at_both_addresses_skip_the_device(store: Paths, tmp_path: Path) -> None:
    report, asked = answered(
        tmp_path, store, "a1 b1", lambda own: 1108 if own == "a1" else {"logs": [ROW]}
    )
    assert asked == ["a1", "a1", "b1"]
    assert report.stopped is None and report.confirmed == 1


def test_rows_that_are_no_objects_fail_their_window_only(store: Paths, tmp_path: Path) -> None:
    report, asked = answered(
        tmp_path, store, "a1 b1", lambda own: {"logs": [None] if own == "a1" else [ROW]}
    )
    assert asked == ["a1", "b1"] and report.stopped is None
    ((window, error),) = report.failures.items()
    assert window.device_id == "a1" and type(error) is SourceUnavailable
    assert [entry.device_id for entry in Journal(store.journal).all()] == ["b1"]


@pytest.mark.parametrize("evil", ["../../evil", "/etc/evil", "a/../../evil", "x..evil", "é-evil"])
def test_a_hostile_id_makes_no_folder_and_is_not_asked_for(
    store: Paths, tmp_path: Path, evil: str
) -> None:
    before = {f for f in tmp_path.rglob("*") if store.data not in f.parents}
    report, asked = answered(tmp_path, store, f"{evil} a_b.c", lambda own: {"logs": [ROW]})
    assert asked == ["a_b.c"] and report.stopped is None and report.confirmed == 1
    (finding,) = report.findings
    assert finding.name == "tcc.registry.odd_id" and finding.data["ids"] == [evil]
    after = {f for f in tmp_path.rglob("*") if store.data not in f.parents}
    assert after - before <= {store.data, tmp_path / "ca.pem"}
    assert not [f for f in tmp_path.rglob("*evil*") if "hostile" not in f.name]
    assert {f.name for f in store.raw.iterdir()} == {"_registry", "a_b.c", "journal.jsonl"}


def test_an_id_with_underscores_names_files_that_are_read_back(
    store: Paths, tmp_path: Path
) -> None:
    from lib import archive

    answered(tmp_path, store, "demo_plug_1", lambda own: {"logs": [ROW]})
    (entry,) = Journal(store.journal).all()
    store.journal.unlink()
    (again,), bad = archive.adopt_strays(store, entered=set(), scanned_at=None)
    assert bad == [] and again.complete and again.device_id == "demo_plug_1"
    assert (again.start, again.end, again.rows) == (entry.start, entry.end, 1)


@pytest.mark.parametrize(
    ("kind", "error", "asked"),
    [("html_502", SourceUnavailable, 12), ("token_expired", TokenExpired, 6)],
)
def test_three_unanswered_windows_in_a_row_stop_the_run(
    run: Run, standin: StandIn, store: Paths, kind: str, error: type[Exception], asked: int
) -> None:
    fault = standin.faults.add(Fault(kind, path="/logs", times=None))
    report = run()
    assert fault.done == asked and len(report.failures) == 3 and report.left == 16
    assert type(report.stopped) is error
    assert not store.journal.exists()  # what was never answered leaves no file


def test_unanswered_windows_apart_from_each_other_do_not(run: Run, standin: StandIn) -> None:
    for after in (0, 1, 2, 3):
        standin.faults.add(Fault("no_row_key", device=SENSOR, path="/logs", after=after))
    standin.faults.add(Fault("html_502", device=TV, path="/logs", times=4))
    report = run()
    assert report.stopped is None and len(report.failures) == 5


def test_a_run_ends_at_its_deadline_and_the_next_goes_on(run: Run, store: Paths) -> None:
    told: list[tuple[int, int]] = []
    report = run(
        ingestion={"run_deadline_s": 1e-9},
        progress=lambda done, all_, text: told.append((done, all_)),
    )
    assert (
        isinstance(report.stopped, SourceUnavailable) and "16 windows left" in report.stopped.what
    )
    assert report.left == 16 and told == [(0, 16)] and kept(store) == []
    assert run().left == 0


def test_progress_names_the_window_and_ends_at_the_whole(run: Run) -> None:
    told: list[tuple[int, int, str]] = []
    run(progress=lambda *news: told.append(news))
    assert [done for done, _, _ in told] == [*range(16), 16]
    assert {whole for _, whole, _ in told} == {16} and told[0][2].startswith(f"{SENSOR} 2026-04-15")


def test_a_run_without_any_device_list_raises(run: Run, standin: StandIn, store: Paths) -> None:
    standin.faults.add(Fault("subscription_expired", path="associated-users", times=None))
    with pytest.raises(SourceRejected):
        run(devices=())
    assert not store.journal.exists()


def test_rows_that_arrive_late_are_taken_with_the_overlap(
    run: Run, standin: StandIn, store: Paths
) -> None:
    """The cloud learns of rows 2 h after their time; they are held all the same."""
    end = NOW + 4 * HOUR
    late = list(served(NOW - 2 * HOUR, NOW, TV))
    run()
    files = list(store.raw.rglob(f"{TV}_20260422*.gz"))
    for file in files:  # as if those rows had not been there yet
        rows = [r for r in raw.read(file) if r["event_time"] < to_ms(NOW - 2 * HOUR)]
        file.write_bytes(gzip.compress(raw.encode(rows)))
    assert not set(late) & set(kept(store))
    run(NOW + HOUR)
    run(end)
    assert set(late) <= set(kept(store))


def test_no_secret_and_no_place_is_in_any_file_of_the_store(run: Run, store: Paths) -> None:
    run(devices=())
    run(NOW + HOUR)
    seen = everything(store.data)
    assert len(seen) > 100
    secrets = [*FAKE_MARKERS, ACCESS_ID, ACCESS_SECRET, "local_key", "access_token", "owner_id"]
    found = [(f.name, s) for f, text in seen.items() for s in secrets if s.encode() in text]
    assert found == []


def everything(folder: Path) -> dict[Path, bytes]:
    """Every file of a folder, unpacked where it is packed."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {
        f: gzip.decompress(f.read_bytes()) if f.suffix == ".gz" else f.read_bytes() for f in files
    }


def test_the_journal_alone_says_what_to_ask_next_when_it_was_rebuilt(
    run: Run, store: Paths
) -> None:
    from lib import archive

    run()
    before = plan(Journal(store.journal).all(), [TV, SENSOR], SETTINGS, now=NOW + HOUR)
    same = ("device_id", "start", "end", "asked_at", "complete", "rows", "sha256", "dates")
    old = {e.file: [getattr(e, f) for f in same] for e in Journal(store.journal).all()}
    store.journal.unlink()
    adopted, bad = archive.adopt_strays(store, entered=set(), scanned_at=None)
    assert bad == [] and {e.file: [getattr(e, f) for f in same] for e in adopted} == old
    assert plan(Journal(store.journal).all(), [TV, SENSOR], SETTINGS, now=NOW + HOUR) == before
    assert json.loads(store.journal.read_text().splitlines()[0])["complete"] is True
    assert from_ms(to_ms(NOW)) == NOW
