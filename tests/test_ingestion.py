"""Ingestion: runs of the real client against the stand-in."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lib import attempts, ingest, plan, raw, usage
from lib.collected import Report
from lib.config import Config, Device, Ingestion
from lib.demo.catalogue import SENSOR, TV
from lib.demo.faults import Fault
from lib.demo.registry import FAKE_MARKERS
from lib.demo.simulated import SimulatedHouse
from lib.demo.standin import ACCESS_ID, ACCESS_SECRET, StandIn
from lib.errors import (
    ConfigError,
    DeviceRejected,
    OutOfTime,
    SourceRejected,
    SourceUnavailable,
    TokenExpired,
    TruncatedPull,
)
from lib.journal import Journal
from lib.paths import Paths
from lib.sources import Origin, Source
from lib.spans import Span, merge, missing
from lib.times import from_ms, to_ms
from lib.tuya import TuyaCloud
from tests.scripted import LIST, by_path, scripted

NOW = datetime(2026, 4, 22, 15, tzinfo=UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
HOUSE = SimulatedHouse()
ONE_BY_ONE: dict[str, Any] = {"side_by_side": 1, "reconcile_h": 0}
SETTINGS = Ingestion()
MARGIN = timedelta(seconds=SETTINGS.margin_s)
FIVE = tuple(Device(id=device.id, name=device.name) for device in HOUSE.devices()[:5])
TWO = (Device(id=SENSOR, name="Sensor"), Device(id=TV, name="TV"))


# ---- Runs --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with StandIn(HOUSE, now=NOW) as stand_in:
        yield stand_in


Run = Callable[..., Report]


@pytest.fixture
def standin(server: StandIn) -> StandIn:
    server.faults.clear()
    server.edits.clear()
    server.clock.skew_s = 0
    server.clock.move_to(NOW)
    server.tokens.rotate()
    server.counters.requests.clear()
    return server


@pytest.fixture
def run(standin: StandIn, store: Paths) -> Iterator[Run]:
    """An ingestion run at an instant, of two devices where nothing else is said."""
    opened: list[TuyaCloud] = []

    def at(now: datetime = NOW, devices: tuple[Device, ...] = TWO, **more: Any) -> Report:
        standin.clock.move_to(more.pop("clock", now))
        timeout_s = more.pop("timeout_s", 10)
        cloud = TuyaCloud(standin.credentials, timeout_s=timeout_s, pause=lambda pause_s: None)
        opened.append(cloud)
        source = Source(cloud, Origin(more.pop("origin", "simulated")), devices, lambda at: None)
        config = Config(ingestion=Ingestion(**ONE_BY_ONE | more.pop("ingestion", {})))
        return ingest.run(store, source, config, now=now, **more)

    yield at
    for cloud in opened:
        cloud.close()


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
    assert report.planned == report.confirmed > 10 and report.left == 0
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
    """The fourth page of the TV fails as often as it is asked."""
    times = {SourceUnavailable: 4, TokenExpired: 2, TruncatedPull: None}[error]
    standin.faults.add(Fault(kind, path=f"{TV}/logs", after=4, times=times))
    report = run(ingestion={"span_pages": 100})
    standin.faults.clear()
    (question, failure), *others = report.failures.items()
    assert others == [] and type(failure) is error and question.device_id == TV
    assert (report.left, report.stopped) == (1, None)
    (finding,) = report.findings
    assert finding.name == "tcc.ingest.window_failed" and finding.data["error"] == error.__name__
    partial = [e for e in Journal(store.journal).all() if not e.complete]
    assert sum(e.rows for e in partial) >= 400
    assert all("_partial" in e.file and e.start.date() == (e.end - SECOND).date() for e in partial)
    assert holes(store, TV, NOW) == [(NOW - 7 * DAY, question.end)]
    (attempt,) = attempts.every(store)
    (missed,) = attempt.unanswered
    assert (missed.device_id, missed.start, missed.end) == (TV, question.start, question.end)
    assert (missed.cause, missed.code) == (error.__name__, failure.code)
    again = run(NOW)
    assert again.left == 0 and holes(store, TV, NOW) == []
    assert all((store.raw / e.file).exists() for e in partial)
    assert set(kept(store)) == served(NOW - 7 * DAY, NOW - MARGIN, TV, SENSOR)


def test_an_answer_that_breaks_off_once_is_asked_anew_in_the_same_run(
    run: Run, standin: StandIn, store: Paths
) -> None:
    for kind, after in (("no_row_key", 4), ("repeated_key", 30)):
        standin.faults.add(Fault(kind, path=f"{TV}/logs", after=after))
    report = run()
    assert report.left == 0 and report.failures == {} and report.findings == []
    assert any(not e.complete for e in Journal(store.journal).all())
    assert set(kept(store)) == served(NOW - 7 * DAY, NOW - MARGIN, TV, SENSOR)


@pytest.mark.parametrize(("kind", "code"), [("permission_denied", 1106), ("device_removed", 2010)])
def test_a_refused_device_does_not_stop_the_others(
    run: Run, standin: StandIn, store: Paths, kind: str, code: int
) -> None:
    fault = standin.faults.add(Fault(kind, path="/logs", device=SENSOR, times=None))
    report = run()
    assert fault.done == 1  # the device is left alone for the rest of the run
    ((window, error),) = report.failures.items()
    assert window.device_id == SENSOR and isinstance(error, DeviceRejected)
    assert error.code == code and report.stopped is None and report.left == 1
    assert set(kept(store)) == served(NOW - 7 * DAY, NOW - MARGIN, TV)


def test_the_other_questions_of_a_refused_device_are_entered_as_missed(
    run: Run, standin: StandIn, store: Paths
) -> None:
    run()
    standin.faults.add(Fault("permission_denied", path="/logs", device=TV, times=None))
    report = run(NOW + 6 * DAY + 12 * HOUR)
    assert [q.device_id for q in report.skipped] == [TV] * len(report.skipped) != []
    assert len(report.findings) == 1
    missed = [u for u in attempts.every(store)[-1].unanswered if u.device_id == TV]
    assert {(u.cause, u.code) for u in missed} == {("DeviceRejected", 1106)}
    assert merge((u.start, u.end) for u in missed) == [
        (NOW - 3 * HOUR, NOW + 6 * DAY + 12 * HOUR - MARGIN)
    ]


@pytest.mark.parametrize(
    ("kind", "code"), [("subscription_expired", 28841002), ("quota", 28841004)]
)
def test_a_refused_project_stops_the_run_and_keeps_what_came(
    run: Run, standin: StandIn, store: Paths, kind: str, code: int
) -> None:
    fault = standin.faults.add(Fault(kind, path="/logs", after=12, times=None))
    report = run(ingestion={"span_pages": 5})
    assert isinstance(report.stopped, SourceRejected) and report.stopped.code == code
    assert fault.done == 1 and 0 < report.confirmed < report.planned
    (attempt,) = attempts.every(store)
    assert (attempt.stopped, attempt.code) == ("SourceRejected", code)
    _, *unasked = attempt.unanswered
    assert len(unasked) == len(report.unasked) > 0 and {u.code for u in unasked} == {code}
    assert len(kept(store)) == report.rows > 100
    with pytest.raises(SourceRejected, match=str(code)):
        report.raise_if_stopped()
    standin.faults.clear()
    assert run().left == 0
    assert set(kept(store)) == served(NOW - 7 * DAY, NOW - MARGIN, TV, SENSOR)


def answered(
    folder: Path, store: Paths, devices: str, logs: Callable[[str], Any]
) -> tuple[Report, list[str]]:
    """A run of some devices whose logs a function answers; the ids asked for, in order."""
    asked: list[str] = []
    ids = devices.split()

    def answer(path: str) -> Any:
        if path == LIST:
            return {"devices": [{"id": own, "name": own} for own in ids]}
        if path.endswith("/report-logs"):
            return 1108
        return logs(path.split("/")[-2]) if path.endswith("/logs") else {"status": []}

    with scripted(folder, by_path(answer, asked)) as cloud:
        source = Source(cloud, Origin("measured"), (), lambda instant: None)
        settings = Config(ingestion=Ingestion(retention_days=0.5, **ONE_BY_ONE))
        report = ingest.run(store, source, settings, now=NOW)
    return report, [path.split("/")[-2] for path in asked if path.endswith("/logs")]


BOOKS = {"journal.jsonl", "attempts.jsonl", ".collect.lock"}
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


@pytest.mark.parametrize("code", [1101, 1104, 1108, 1109, 4711])
def test_two_devices_with_the_same_refusal_do_not_stop_the_others(
    store: Paths, tmp_path: Path, code: int
) -> None:
    report, asked = answered(
        tmp_path, store, "a1 b1 c1 d1", lambda own: code if own < "c" else {"logs": [ROW]}
    )
    assert report.stopped is None and (report.confirmed, report.rows) == (2, 2)
    assert {"a1", "b1", "c1", "d1"} == set(asked)
    assert {q.device_id: e.code for q, e in report.failures.items()} == {"a1": code, "b1": code}


def test_devices_that_were_refused_last_time_come_after_the_others(
    store: Paths, tmp_path: Path
) -> None:
    for number, order in enumerate((["a1", "b1", "c1"], ["b1", "c1", "a1"])):
        folder = tmp_path / str(number)
        folder.mkdir()
        _, asked = answered(
            folder, store, "a1 b1 c1", lambda own: 1106 if own == "a1" else {"logs": [ROW]}
        )
        assert asked == order


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


def test_logs_closed_at_every_address_skip_the_device(store: Paths, tmp_path: Path) -> None:
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
    assert {f.name for f in store.raw.iterdir()} == {"_registry", "a_b.c", *BOOKS}


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
    report = run(devices=FIVE)
    assert fault.done == asked and len(report.failures) == 3 and report.left == 5
    assert type(report.stopped) is error
    assert not store.journal.exists()  # what was never answered leaves no file


def test_unanswered_windows_apart_from_each_other_do_not(run: Run, standin: StandIn) -> None:
    ids = sorted(device.id for device in FIVE)
    for own in (ids[0], ids[1], ids[3], ids[4]):
        standin.faults.add(Fault("html_502", device=own, path="/logs", times=4))
    report = run(devices=FIVE)
    assert report.stopped is None and len(report.failures) == 4 and report.confirmed > 0


def test_a_run_ends_at_its_deadline_and_the_next_goes_on(run: Run, store: Paths) -> None:
    """The device list is known: what is left out are the logs."""
    run()
    told: list[tuple[int, int]] = []
    report = run(
        NOW + DAY,
        ingestion={"run_deadline_s": 1e-9},
        progress=lambda done, all_, text: told.append((done, all_)),
    )
    assert isinstance(report.stopped, OutOfTime) and "2 questions left" in report.stopped.what
    assert report.left == 2 and told == [(0, 2)] and report.rows == 0
    assert [u.cause for u in attempts.every(store)[-1].unanswered] == ["OutOfTime"] * 2
    assert run(NOW + DAY).left == 0


def test_progress_names_the_window_and_ends_at_the_whole(run: Run) -> None:
    told: list[tuple[int, int, str]] = []
    report = run(progress=lambda *news: told.append(news))
    done = [done for done, _, _ in told]
    assert done == sorted(done) and done[0] == 0
    assert told[-1] == (report.planned, report.planned, "")
    assert told[0][2].startswith(f"{SENSOR} 2026-04-15")


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


# ---- Side by side, again, in parts, within the quota -------------------------------------


def test_several_devices_side_by_side_bring_what_one_by_one_brings(
    run: Run, standin: StandIn, store: Paths
) -> None:
    standin.faults.add(Fault("token_expired", path="/logs", after=5))
    report = run(devices=(), ingestion={"side_by_side": 5})
    ids = [device.id for device in HOUSE.devices()]
    assert report.left == 0 and report.failures == {}
    assert set(kept(store)) == served(NOW - 7 * DAY, NOW - MARGIN, *ids)
    assert report.calls == standin.counters.total_requests
    assert standin.counters.requests["/v1.0/token"] == 2  # the first, and one for all threads


def test_once_a_day_all_that_the_cloud_holds_is_asked_again(
    run: Run, standin: StandIn, store: Paths
) -> None:
    """Rows of five days ago that came late are taken with the reconciliation, not before."""
    late = NOW - 5 * DAY, NOW - 5 * DAY + 2 * HOUR
    hidden = {key for key in served(*late, TV) if to_ms(late[0]) <= key[1] < to_ms(late[1])}
    standin.edits.late(TV, *late, until=NOW + HOUR)
    run()
    daily = {"reconcile_h": 24}
    report = run(NOW + HOUR, ingestion=daily)
    assert report.again == 0 and not hidden & set(kept(store))
    report = run(NOW + DAY, ingestion=daily)
    assert report.again > 0 and hidden <= set(kept(store))
    run(NOW + DAY + HOUR, ingestion=daily)
    assert run(NOW + DAY + 2 * HOUR, ingestion=daily).again == 0
    assert set(kept(store)) == served(NOW - 7 * DAY, NOW + DAY + 2 * HOUR - MARGIN, TV, SENSOR)


@pytest.mark.parametrize("span_pages", [2, 7])
def test_an_answer_of_too_many_pages_is_asked_for_in_parts(
    run: Run, store: Paths, span_pages: int
) -> None:
    report = run(ingestion={"span_pages": span_pages})
    assert report.left == 0 and holes(store, TV, NOW) == []
    assert set(kept(store)) == served(NOW - 7 * DAY, NOW - MARGIN, TV, SENSOR)
    whole = [e for e in Journal(store.journal).all() if e.complete and e.device_id == TV]
    assert len(whole) > 10 and all(e.pages <= span_pages for e in whole if e.pages)
    hourly = run(NOW + HOUR, ingestion={"span_pages": span_pages})
    assert hourly.left == 0 and hourly.planned <= 10  # what is dense is known by now


def test_the_plan_fits_the_quota_and_says_what_it_left_out(
    run: Run, standin: StandIn, store: Paths
) -> None:
    run(NOW - DAY)
    spent = usage.used(store, NOW)
    assert spent == standin.counters.total_requests > 0
    few = {"monthly_calls": spent + 3, "reconcile_h": 24}
    report = run(origin="measured", ingestion=few)
    assert {q.why for q in report.left_out} == {"missing", "again"} and report.calls <= 20
    finding = report.findings[-1]
    assert finding.name == "tcc.ingest.left_out" and finding.data["missing"] >= 1
    assert {u.cause for u in attempts.every(store)[-1].unanswered} == {"quota"}
    assert usage.used(store, NOW) == standin.counters.total_requests
    assert run(origin="measured", ingestion={"monthly_calls": 0}).left_out == []
    assert holes(store, TV, NOW) == []


def test_a_clock_ahead_of_the_cloud_s_holds_nothing_that_has_not_been(
    run: Run, standin: StandIn, store: Paths
) -> None:
    """This computer is four minutes ahead: the cloud's own time is what counts."""
    standin.clock.skew_s = -240
    run(NOW, clock=NOW - timedelta(seconds=240))
    assert {e.asked_at for e in Journal(store.journal).all()} <= {
        NOW - timedelta(seconds=s) for s in (239, 240, 241)
    }
    standin.clock.skew_s = 0
    run(NOW + HOUR)
    oldest = NOW - 7 * DAY - timedelta(seconds=240)
    assert set(kept(store)) == served(oldest, NOW + HOUR - MARGIN, TV, SENSOR)


def test_a_second_collection_leaves_with_a_sentence(run: Run, store: Paths) -> None:
    seen: list[ConfigError] = []

    def second(done: int, planned: int, text: str) -> None:
        if not seen:
            with pytest.raises(ConfigError, match="another collection is under way") as error:
                run(NOW)
            seen.append(error.value)

    report = run(progress=second)
    assert report.left == 0 and "Nothing is lost" in str(seen[0])


def test_a_run_that_breaks_off_is_recorded_and_the_threads_end(run: Run, store: Paths) -> None:
    def full(done: int, planned: int, text: str) -> None:
        if done:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        run(devices=FIVE, ingestion={"side_by_side": 3}, progress=full)
    (attempt,) = attempts.every(store)
    assert attempt.confirmed < attempt.planned
    assert {u.cause for u in attempt.unanswered} == {"interrupted"}
    assert not [t for t in threading.enumerate() if t.name.startswith("tcc_")]
    assert run(devices=FIVE).left == 0


def questions(store: Paths, now: datetime) -> list[plan.Question]:
    """What the journal says to ask of the two."""
    past = plan.known(Journal(store.journal).all(), SETTINGS, now=now)
    return plan.questions(past, [TV, SENSOR], SETTINGS, now=now)


def test_the_journal_alone_says_what_to_ask_next_when_it_was_rebuilt(
    run: Run, store: Paths
) -> None:
    from lib import archive

    run()
    before = questions(store, NOW + HOUR)
    same = ("device_id", "start", "end", "asked_at", "complete", "rows", "sha256", "dates")
    old = {e.file: [getattr(e, f) for f in same] for e in Journal(store.journal).all()}
    store.journal.unlink()
    adopted, bad = archive.adopt_strays(store, entered=set(), scanned_at=None)
    assert bad == [] and {e.file: [getattr(e, f) for f in same] for e in adopted} == old
    assert questions(store, NOW + HOUR) == before
    assert json.loads(store.journal.read_text().splitlines()[0])["complete"] is True
    assert from_ms(to_ms(NOW)) == NOW
