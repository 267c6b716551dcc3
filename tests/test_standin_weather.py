"""Faults of the stand-in, single, combined and at random; its speed, its quota, its memory."""

import gc
import json
import resource
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from lib.demo import weather as weathers
from lib.demo.catalogue import FRIDGE, METER, SENSOR, TV
from lib.demo.faults import KINDS, Fault, Faults
from lib.demo.house import DemoDevice, LogRow
from lib.demo.kinds import CODED, TEXTS, TOKENS
from lib.demo.simulated import SimulatedHouse
from lib.demo.standin import StandIn
from lib.demo.weather import Weather
from lib.errors import ConfigError, SourceError, SourceUnavailable, TokenExpired
from lib.tuya import TuyaCloud
from lib.tuya_codes import error_of
from tests.signed import Asker

NOW = datetime(2026, 4, 22, 15, tzinfo=UTC)
NOW_MS = 1_776_870_000_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
START_MS = NOW_MS - DAY_MS
HOUSE = SimulatedHouse()
LOGS = f"/v1.0/devices/{FRIDGE}/logs"


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with StandIn(HOUSE, now=NOW) as stand_in:
        yield stand_in


@pytest.fixture
def standin(server: StandIn) -> StandIn:
    server.faults.clear()
    server.edits.clear()
    server.clock.move_to(NOW)
    server.latency_s, server.monthly_calls = 0.0, None
    server.tokens.rotate()
    server.counters.months.clear()
    return server


@pytest.fixture
def asker(standin: StandIn) -> Iterator[Asker]:
    with Asker(standin) as own:
        own.sign_in()
        yield own


@pytest.fixture
def cloud(standin: StandIn) -> Iterator[TuyaCloud]:
    own = TuyaCloud(standin.credentials, pause=lambda pause_s: None)
    yield own
    own.close()


def names(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Rows by their natural key and value."""
    return [(r["event_time"], r["event_id"], r.get("code"), str(r.get("value"))) for r in rows]


def truth(device: str, start_ms: int, end_ms: int) -> list[tuple[Any, ...]]:
    rows = reversed(HOUSE.rows(device, start_ms, end_ms + 1))
    return [(r.event_time_ms, r.event_id, r.code, str(r.value)) for r in rows]


# ---- Codes -------------------------------------------------------------------------------


def test_every_code_of_the_reference_can_be_asked_for(standin: StandIn, asker: Asker) -> None:
    assert len(CODED) == len(TEXTS) == 43
    for kind, refusal in CODED.items():
        standin.faults.add(Fault(kind, path="/logs"))
        reply = asker.page(FRIDGE, START_MS, NOW_MS)
        assert (reply["code"], reply["msg"], reply["success"]) == (refusal.code, refusal.msg, False)
        assert kind == f"code:{refusal.code}"


def test_the_client_has_a_class_for_each_of_them() -> None:
    for code, text in TEXTS.items():
        error = error_of({"code": code, "msg": text}, "somewhere")
        assert isinstance(error, SourceError) and error.code == code


def test_an_unheard_code_or_two_answers_at_once_are_errors() -> None:
    for kind in ("code:7", "code:x", "quota+html_502", "code:500+quota", "short_page+", ""):
        with pytest.raises(ConfigError):
            Fault(kind)
    assert len(KINDS) >= 80


# ---- Slow answers ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["slow_headers", "slow_body", "slow_headers+slow_body"])
def test_a_slow_answer_is_whole_in_the_end(standin: StandIn, asker: Asker, kind: str) -> None:
    whole = asker.page(SENSOR, NOW_MS - HOUR_MS, NOW_MS, size=1)["result"]
    standin.faults.add(Fault(kind, pause_s=0.0001))
    began = time.monotonic()
    assert asker.page(SENSOR, NOW_MS - HOUR_MS, NOW_MS, size=1)["result"] == whole
    assert time.monotonic() - began > 0.01
    assert asker.page(SENSOR, NOW_MS - HOUR_MS, NOW_MS, size=1)["result"] == whole


def test_slow_headers_come_byte_by_byte(standin: StandIn) -> None:
    standin.faults.add(Fault("slow_headers", pause_s=0.01))
    assert arrived(standin, 0.15) in range(3, 18)


def test_a_slow_body_begins_at_once_and_then_drips(standin: StandIn) -> None:
    standin.faults.add(Fault("slow_body", pause_s=0.01))
    assert arrived(standin, 0.15, after=b"\r\n\r\n") in range(3, 18)


def connected(standin: StandIn) -> ssl.SSLSocket:
    """A connection on which a request was sent."""
    context = ssl.create_default_context(cafile=str(standin.ca_bundle))
    port = int(standin.endpoint.rsplit(":", 1)[1])
    raw = socket.create_connection(("127.0.0.1", port), 1)
    connection = context.wrap_socket(raw, server_hostname="127.0.0.1")
    connection.sendall(b"GET /v1.0/devices HTTP/1.1\r\nHost: here\r\n\r\n")
    return connection


def arrived(standin: StandIn, wait_s: float, after: bytes = b"") -> int:
    """How many bytes of an answer came within a time, after a mark in it."""
    end, found, more = time.monotonic() + wait_s, b"", b"more"
    with connected(standin) as connection:
        while more and (left_s := end - time.monotonic()) > 0:
            connection.settimeout(left_s)
            try:
                more = connection.recv(4096)
            except OSError:
                break
            found += more
    return len(found.partition(after)[2] if after else found)


@pytest.mark.parametrize("kind", ["slow_headers", "slow_body", "hang"])
def test_neither_a_client_that_leaves_nor_one_that_waits_holds_the_stand_in(kind: str) -> None:
    """The answers would take minutes."""
    with StandIn(HOUSE, now=NOW) as own:
        own.faults.add(Fault(kind, times=None, pause_s=0.02, path="/v1.0"))
        assert arrived(own, 0.1) < 200  # and leaves
        tasks = own._server.server_state.tasks
        end = time.monotonic() + 2
        while tasks and time.monotonic() < end:
            time.sleep(0.01)
        assert not tasks
        left = threading.Thread(target=arrived, args=(own, 5))
        left.start()
        while own.counters.total_requests < 2:
            time.sleep(0.01)
        began = time.monotonic()
    left.join(2)
    assert not left.is_alive() and time.monotonic() - began < 0.8


def test_the_client_gives_a_slow_answer_up_in_time(standin: StandIn) -> None:
    cloud = TuyaCloud(standin.credentials, timeout_s=0.3, pause=lambda pause_s: None)
    standin.faults.add(Fault("slow_body", path="/v1.1/devices", times=None))
    began = time.monotonic()
    with pytest.raises(SourceUnavailable):
        cloud.specification(FRIDGE)
    assert time.monotonic() - began < 6
    cloud.close()


def test_broken_connections_leave_no_warning(standin: StandIn) -> None:
    with warnings.catch_warnings(record=True) as caught, StandIn(HOUSE, now=NOW) as own:
        warnings.simplefilter("always")
        for kind in ("cut_body", "drop_connection", "slow_body+cut_body", "html_502+cut_body") * 3:
            own.faults.add(Fault(kind, pause_s=0.00001))
            with Asker(own) as asker, pytest.raises(requests.RequestException):
                asker.result(LOGS, type="8", start_time=START_MS, end_time=NOW_MS, size=1)
        own.faults.add(Fault("cut_body", times=None))
        kept = [connected(own) for _ in range(3)]  # and never closed by the client
        while own.counters.requests["unknown"] < 3:
            time.sleep(0.01)
        began = time.monotonic()
    assert time.monotonic() - began < 0.8
    gc.collect()
    for connection in kept:
        connection.close()
    assert [str(one.message) for one in caught] == []


# ---- Pages -------------------------------------------------------------------------------


def test_late_rows_appear_behind_the_cursor(standin: StandIn, asker: Asker) -> None:
    fault = standin.faults.add(Fault("late_rows", times=3))
    first = names(asker.logs(FRIDGE, START_MS, NOW_MS))
    whole = truth(FRIDGE, START_MS, NOW_MS)
    assert fault.done == 3 and len(whole) - len(first) == 60
    assert set(first) < set(whole)
    assert names(asker.logs(FRIDGE, START_MS, NOW_MS)) == whole


def test_a_page_may_hold_more_than_was_asked_for(standin: StandIn, asker: Asker) -> None:
    standin.faults.add(Fault("too_many_rows", times=2))
    assert len(asker.page(FRIDGE, START_MS, NOW_MS, size=20)["result"]["logs"]) == 40
    found = names(asker.logs(FRIDGE, START_MS, NOW_MS))
    assert found == truth(FRIDGE, START_MS, NOW_MS)


def test_an_early_end_hides_the_rest_until_the_next_asking(standin: StandIn, asker: Asker) -> None:
    standin.faults.add(Fault("early_end", after=1))
    whole = truth(FRIDGE, START_MS, NOW_MS)
    assert names(asker.logs(FRIDGE, START_MS, NOW_MS)) == whole[:200]
    assert names(asker.logs(FRIDGE, START_MS, NOW_MS)) == whole


def test_kinds_joined_by_plus_strike_the_same_page(standin: StandIn, asker: Asker) -> None:
    clean = asker.page(FRIDGE, START_MS, NOW_MS)["result"]["logs"]
    kind = "duplicate_rows+short_page+extra_fields+odd_value+ascending+slow_body"
    fault = standin.faults.add(Fault(kind, pause_s=0.0001))
    page = asker.page(FRIDGE, START_MS, NOW_MS, size=12)["result"]
    assert (fault.seen, fault.done, page["has_next"]) == (1, 1, True)
    twisted = (clean[:2] + clean[:2])[::-1]
    assert names(page["logs"])[1:] == names(twisted)[1:] and len(page["logs"]) == 4
    assert all("trace" in row for row in page["logs"])
    assert isinstance(page["logs"][0]["value"], dict)
    assert asker.page(FRIDGE, START_MS, NOW_MS, size=12)["result"]["logs"] == clean[:12]


def test_faults_that_are_together_keep_their_own_schedules(standin: StandIn, asker: Asker) -> None:
    short = standin.faults.add(Fault("short_page", times=None, together=True))
    extra = standin.faults.add(Fault("extra_fields", after=1))
    last = standin.faults.add(Fault("ascending"))  # waits for the one before
    counts, traced = [], []
    for _ in range(3):
        logs = asker.page(FRIDGE, START_MS, NOW_MS, size=30)["result"]["logs"]
        counts.append(len(logs))
        traced.append("trace" in logs[0])
    assert counts == [10, 10, 10] and traced == [False, True, False]
    assert (short.done, extra.done, last.done) == (3, 1, 1)


def test_a_refusal_may_drip(standin: StandIn, asker: Asker) -> None:
    standin.faults.add(Fault("too_frequent+slow_body", pause_s=0.0001))
    assert asker.page(FRIDGE, START_MS, NOW_MS)["code"] == 40000309


@pytest.mark.parametrize("kind", ["short_page", "empty_page", "duplicate_rows", "too_many_rows"])
def test_report_logs_are_twisted_too(standin: StandIn, asker: Asker, kind: str) -> None:
    path = f"/v2.0/cloud/thing/{FRIDGE}/report-logs"
    query = {"codes": "cur_power", "start_time": START_MS, "end_time": NOW_MS, "size": 50}
    fault = standin.faults.add(Fault(kind, after=1, times=2))
    found: list[tuple[int, str]] = []
    more = True
    while more:
        result = asker.result(path, **query)
        found += [(row["event_time"], row["value"]) for row in result["logs"]]
        more, query["last_row_key"] = result["has_more"], result["last_row_key"]
    whole = [(time_ms, value) for time_ms, _, code, value in truth(FRIDGE, START_MS, NOW_MS)
             if code == "cur_power"]  # fmt: skip
    assert fault.done == 2 and sorted(set(found)) == sorted(whole)
    assert len(found) - len(whole) == (4 if kind == "duplicate_rows" else 0)


@pytest.mark.parametrize(("kind", "text"), [("token_rotated", "token invalid"),
                                            ("token_ended", "token is expired")])  # fmt: skip
def test_a_token_dies_in_mid_page(standin: StandIn, asker: Asker, kind: str, text: str) -> None:
    standin.faults.add(Fault(kind, after=1))
    old = asker.token
    assert asker.page(FRIDGE, START_MS, NOW_MS)["success"] is True
    for _ in range(2):  # it is not one refusal: the token stays dead
        reply = asker.page(FRIDGE, START_MS, NOW_MS)
        assert (reply["code"], reply["msg"]) == (1010, text)
    asker.sign_in()
    assert asker.token != old and asker.page(FRIDGE, START_MS, NOW_MS)["success"] is True


def test_anything_may_happen_between_two_pages(standin: StandIn, asker: Asker) -> None:
    gone = Fault("event", path="/logs", after=2, do=lambda: standin.edits.remove(FRIDGE))
    standin.faults.add(gone)
    replies = [asker.page(FRIDGE, START_MS, NOW_MS) for _ in range(3)]
    assert [reply.get("code", 0) for reply in replies] == [0, 0, 1106] and gone.done == 1


# ---- Weather -----------------------------------------------------------------------------


def drawn(seed: int, paths: list[str], **more: Any) -> list[str | None]:
    weather = Weather(seed, 0.3, **more)
    return [weather.strikes(path) for path in paths]


def test_the_same_seed_is_the_same_weather() -> None:
    paths = ["/v1.0/token", LOGS, "/v1.1/devices/x/specifications", LOGS] * 500
    assert drawn(1, paths) == drawn(1, paths) != drawn(2, paths)
    spoiled = [(path, kind) for path, kind in zip(paths, drawn(1, paths), strict=True) if kind]
    assert 500 < len(spoiled) < 700
    assert {kind for path, kind in spoiled if path == LOGS} == set(weathers.DEFAULT)
    tokens = {kind for path, kind in spoiled if path == "/v1.0/token"}
    assert tokens and tokens <= {*weathers.TRANSIENT} - TOKENS - {"token_invalid", "token_expired"}


def test_weather_of_page_faults_spares_what_is_no_page() -> None:
    paths = [LOGS, "/v1.1/devices/x/specifications"] * 300
    found = drawn(3, paths, kinds=["short_page", "late_rows"])
    assert not any(found[1::2]) and 60 < sum(map(bool, found[::2])) < 120


def test_weather_counts_what_struck_and_can_be_stopped(standin: StandIn, asker: Asker) -> None:
    weather = standin.faults.weather(5, 1.0, ["quota", "code:2010"])
    codes = [asker.page(FRIDGE, START_MS, NOW_MS)["code"] for _ in range(20)]
    assert weather.seen == weather.done.total() == 20
    assert weather.done == {"quota": codes.count(28841004), "code:2010": codes.count(2010)}
    assert len(weather.done) == 2
    weather.stop()
    assert asker.page(FRIDGE, START_MS, NOW_MS)["success"] is True and weather.seen == 20


def test_faults_come_before_the_weather(standin: StandIn, asker: Asker) -> None:
    weather = standin.faults.weather(5, 1.0, ["quota"])
    standin.faults.add(Fault("suspended", path="/logs"))
    codes = [asker.page(FRIDGE, START_MS, NOW_MS)["code"] for _ in range(2)]
    assert codes == [28841107, 28841004] and weather.seen == 1
    standin.faults.clear()
    assert asker.page(FRIDGE, START_MS, NOW_MS)["success"] is True


def test_no_rate_beyond_certainty_and_no_unknown_kind() -> None:
    for arguments in ((1, 1.5), (1, -0.1), (1, 0.5, ["rain"])):
        with pytest.raises(ConfigError):
            Faults().weather(*arguments)


def test_weather_is_counted_right_from_many_threads() -> None:
    weather = Weather(1, 0.5, ["quota"])
    threads = [
        threading.Thread(target=lambda: [weather.strikes(LOGS) for _ in range(500)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert weather.seen == 4000 and weather.done.total() == drawn_half(4000)


def drawn_half(count: int) -> int:
    weather = Weather(1, 0.5, ["quota"])
    return sum(weather.strikes(LOGS) is not None for _ in range(count))


def test_the_real_client_gets_every_row_through_bad_weather(
    standin: StandIn, cloud: TuyaCloud
) -> None:
    weather = standin.faults.weather(11, 0.3)
    hours = range(START_MS, NOW_MS, 2 * HOUR_MS)
    found: set[tuple[Any, ...]] = set()
    open_ = [(device, start_ms) for device in (FRIDGE, METER, TV) for start_ms in hours]
    whole = {row for one in (FRIDGE, METER, TV) for row in truth(one, START_MS, NOW_MS - 1)}
    rounds = 0
    while open_:
        rounds += 1
        open_ = [window for window in open_ if not pulled(cloud, *window, found)]
    assert found == whole and len(whole) > 2000
    assert weather.done.total() > 10 and rounds < 10


def pulled(cloud: TuyaCloud, device: str, start_ms: int, found: set[tuple[Any, ...]]) -> bool:
    try:
        for page in cloud.log_pages(device, start_ms, start_ms + 2 * HOUR_MS - 1):
            found.update(names(page.rows))
    except (SourceUnavailable, TokenExpired):
        return False
    return True


# ---- Time, quota, memory -----------------------------------------------------------------


def test_each_answer_waits_and_several_wait_side_by_side(standin: StandIn) -> None:
    askers = [Asker(standin) for _ in range(4)]
    for asker in askers:
        asker.sign_in()
    standin.latency_s = 0.2
    threads = [
        threading.Thread(target=asker.page, args=(FRIDGE, START_MS, NOW_MS)) for asker in askers
    ]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.2 <= time.monotonic() - began < 0.6
    for asker in askers:
        asker.session.close()
    assert StandIn(HOUSE, now=NOW, latency_s=0.1).latency_s == 0.1


def test_a_spent_quota_lasts_until_the_month_ends(standin: StandIn, asker: Asker) -> None:
    standin.counters.months.clear()
    standin.monthly_calls = 3
    codes = [asker.page(FRIDGE, START_MS, NOW_MS).get("code", 0) for _ in range(5)]
    assert codes == [0, 0, 0, 28841004, 28841004]
    asker.sign_in()  # a token is still given
    standin.clock.move_to(datetime(2026, 4, 30, 23, 59, tzinfo=UTC))
    assert asker.page(FRIDGE, START_MS, NOW_MS)["code"] == 28841004
    standin.clock.move_to(datetime(2026, 5, 1, tzinfo=UTC))
    assert asker.page(FRIDGE, START_MS, NOW_MS)["success"] is True
    assert standin.counters.months == {"2026-04": 7, "2026-05": 1}
    standin.monthly_calls = None
    standin.clock.move_to(NOW)
    assert asker.page(FRIDGE, START_MS, NOW_MS)["success"] is True


class Dense:
    """A house of one device with so many rows, evenly over seven days."""

    name, simulated, attribution = "dense", True, "nobody"

    def __init__(self, device: DemoDevice, count: int) -> None:
        self._device, self._step_ms = device, 7 * DAY_MS // count
        self._first_ms = NOW_MS - count * self._step_ms + 1

    def devices(self) -> list[DemoDevice]:
        return [self._device]

    def rows(self, device_id: str, start_ms: int, end_ms: int) -> list[LogRow]:
        first, end = (-(-(ms - self._first_ms) // self._step_ms) for ms in (start_ms, end_ms))
        times_ms = (self._first_ms + n * self._step_ms for n in range(max(0, first), end))
        return [LogRow(ms, 7, "cur_power", 19, str(ms % 997)) for ms in times_ms if ms <= NOW_MS]


@pytest.mark.slow
def test_many_rows_are_served_in_little_memory() -> None:
    count = 100_000
    house = Dense(HOUSE.devices()[0], count)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with StandIn(house, now=NOW) as own, Asker(own) as asker:
        found = 0
        for start_ms in range(NOW_MS - 7 * DAY_MS + 1, NOW_MS + 1, DAY_MS):
            found += len(asker.logs(FRIDGE, start_ms, start_ms + DAY_MS - 1))
    assert found == count
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 60_000


def test_rows_are_written_as_json_writes_them(standin: StandIn, asker: Asker) -> None:
    odd = 'ü "quoted" \\ \n\t\x00 {"a": [1]}'
    device = HOUSE.devices()[0]

    class Odd(Dense):
        def rows(self, device_id: str, start_ms: int, end_ms: int) -> list[LogRow]:
            row = LogRow(NOW_MS - 5, 7, odd, 19, odd, odd, "2")
            return [row] if start_ms <= row.event_time_ms < end_ms else []

    with StandIn(Odd(device, 1), now=NOW) as own, Asker(own) as other:
        row = other.logs(FRIDGE, START_MS, NOW_MS)[0]
    assert (row["code"], row["value"], row["event_value"], row["event_from"]) == (
        odd,
        odd,
        odd,
        "2",
    )
    assert json.dumps(row)
