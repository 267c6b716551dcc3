"""The client against the stand-in, over real TLS: all rows or an error that says why."""

import json
import logging
import re
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import tinytuya
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from lib.credentials import Credentials
from lib.demo.catalogue import FRIDGE, TV, WASHER
from lib.demo.faults import REFUSALS, Fault
from lib.demo.house import REPORT
from lib.demo.registry import FAKE_MARKERS
from lib.demo.simulated import SimulatedHouse
from lib.demo.standin import StandIn
from lib.demo.state import Refusal
from lib.errors import (
    DeviceRejected,
    OutOfTime,
    SourceError,
    SourceRejected,
    SourceUnavailable,
    TokenExpired,
    TruncatedPull,
)
from lib.tuya import LogPage, TuyaCloud
from lib.tuya_codes import Consequence, consequence, error_of
from lib.tuya_logs import CODES_IN_A_QUESTION, Logs
from tests.scripted import ELSEWHERE, SECRET, TOKEN, by_path, drip, proxy, scripted, send
from tests.scripted import server as scripted_server

NOW = datetime(2026, 4, 22, 15, tzinfo=UTC)
NOW_MS = 1_776_870_000_000
START_MS = NOW_MS - 12 * 3_600_000
HOUSE = SimulatedHouse()
LOGS, NEWER_LOGS = "/v1.0/devices/{id}/logs", "/v2.0/cloud/thing/{id}/logs"
REPORTS, NEWER_REPORTS = (f"/{v}/cloud/thing/{{id}}/report-logs" for v in ("v2.0", "v2.1"))
CODES = ("cur_power", "add_ele", "switch_1")
KEY_OF_ROW = ("event_time", "event_id", "code", "value")

Connect = Callable[..., TuyaCloud]


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with StandIn(HOUSE, now=NOW, access_secret=SECRET) as stand_in:
        yield stand_in


@pytest.fixture
def standin(server: StandIn) -> StandIn:
    server.faults.clear()
    server.clock.skew_s = 0.0
    server.tokens.rotate()
    server.counters.requests.clear()
    server.counters.refusals.clear()
    return server


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def connect(standin: StandIn, pauses: list[float]) -> Iterator[Connect]:
    opened: list[TuyaCloud] = []

    def open_one(**changes: Any) -> TuyaCloud:
        timing = {"timeout_s": changes.pop("timeout_s", 10), "pause": pauses.append}
        opened.append(TuyaCloud(credentials(standin, **changes), **timing))
        return opened[-1]

    yield open_one
    for cloud in opened:
        cloud.close()


@pytest.fixture
def cloud(connect: Connect) -> TuyaCloud:
    return connect()


def credentials(standin: StandIn, **changes: Any) -> Credentials:
    return standin.credentials.model_copy(update=changes)


def rows(cloud: TuyaCloud, device: str = FRIDGE, start_ms: int = START_MS) -> list[tuple[Any, ...]]:
    """All rows of a window by the client, newest first."""
    found = [row for page in cloud.log_pages(device, start_ms, NOW_MS) for row in page.rows]
    return [tuple(row.get(name) for name in KEY_OF_ROW) for row in found]


def expected(device: str = FRIDGE, start_ms: int = START_MS) -> list[tuple[Any, ...]]:
    """The same from the house itself."""
    found = reversed(HOUSE.rows(device, start_ms, NOW_MS + 1))
    return [(r.event_time_ms, r.event_id, r.code, r.value) for r in found]


def text_of(error: BaseException) -> str:
    """Everything that a terminal or a notebook shows of an error."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))


# ---- Pages -------------------------------------------------------------------------------


def test_the_pages_of_a_window_are_the_rows_of_the_house(
    standin: StandIn, cloud: TuyaCloud
) -> None:
    whole = expected()
    found = list(cloud.log_pages(FRIDGE, START_MS, NOW_MS))
    assert rows(cloud) == whole and len(whole) > 400
    assert [page.last for page in found] == [False] * (len(found) - 1) + [True]
    assert len(found) == -(-len(whole) // 100)
    assert standin.counters.requests[LOGS] == 2 * len(found)


def test_one_token_serves_many_calls(standin: StandIn, cloud: TuyaCloud) -> None:
    for device in (FRIDGE, TV):
        assert rows(cloud, device) == expected(device)
    cloud.specification(TV)
    assert standin.counters.requests[TOKEN] == 1
    assert cloud.calls == standin.counters.total_requests


@pytest.mark.parametrize(("kind", "times"), [("short_page", 5), ("empty_page", 2)])
def test_pages_with_more_to_come_are_followed_to_the_end(
    standin: StandIn, cloud: TuyaCloud, kind: str, times: int
) -> None:
    fault = standin.faults.add(Fault(kind, times=times))
    assert rows(cloud) == expected()
    assert fault.done == times


def test_new_rows_between_two_pages_shift_nothing(standin: StandIn, cloud: TuyaCloud) -> None:
    pages = cloud.log_pages(FRIDGE, START_MS, NOW_MS)
    first = next(pages).rows
    standin.clock.move_to(datetime(2026, 4, 22, 16, tzinfo=UTC))
    whole = first + [row for page in pages for row in page.rows]
    standin.clock.move_to(NOW)
    assert [row["event_time"] for row in whole] == [row[0] for row in expected()]


@pytest.mark.parametrize(("kind", "why"), [("no_row_key", "names no"), ("repeated_key", "repeats")])
def test_more_to_come_without_a_way_to_it_is_a_truncated_pull(
    standin: StandIn, cloud: TuyaCloud, kind: str, why: str
) -> None:
    standin.faults.add(Fault(kind, after=1, times=None))
    came = []
    with pytest.raises(TruncatedPull, match=why) as caught:
        came += cloud.log_pages(FRIDGE, START_MS, NOW_MS)
        pytest.fail("the pull ended as if it were whole")
    assert caught.value.where == FRIDGE and caught.value.remedy
    assert standin.counters.requests[LOGS] <= 4


def test_the_device_list_is_paged_to_its_end() -> None:
    with StandIn(HOUSE, now=NOW, page_limit=3) as standin:
        cloud = TuyaCloud(credentials(standin))
        listed = cloud.devices()
        cloud.close()
        assert [device["id"] for device in listed] == [d.id for d in HOUSE.devices()]
        assert standin.counters.requests["/v1.0/iot-01/associated-users/devices"] == 4
    assert listed[0]["local_key"] == FAKE_MARKERS[0]


@pytest.mark.parametrize("kind", ["unauthorised", "path_invalid", "permission_denied"])
def test_a_specification_comes_from_the_older_endpoint_where_the_newer_is_closed(
    standin: StandIn, cloud: TuyaCloud, kind: str
) -> None:
    standin.faults.add(Fault(kind, path="/v1.1/devices", times=None))
    codes = {item["code"]: json.loads(item["values"]) for item in cloud.specification(TV)["status"]}
    assert codes["cur_power"]["scale"] == 1


@pytest.mark.parametrize("kind", ["unauthorised", "path_invalid"])
def test_logs_come_from_the_newer_address_where_the_older_is_closed(
    standin: StandIn, cloud: TuyaCloud, kind: str
) -> None:
    fault = standin.faults.add(Fault(kind, path="/v1.0/devices", times=None))
    assert rows(cloud) == expected() and rows(cloud, TV) == expected(TV)
    assert fault.done == 1  # that the older one is closed is remembered
    assert standin.counters.requests[NEWER_LOGS] > 5


@pytest.mark.parametrize(
    ("closed", "path"), [(["/logs"], REPORTS), (["/logs", "/v2.0"], NEWER_REPORTS)]
)
@pytest.mark.parametrize(("kind", "times"), [("unauthorised", 1), ("path_invalid", 2)])
def test_reports_come_where_no_log_is_open_and_say_that_they_are_reports(
    standin: StandIn, cloud: TuyaCloud, kind: str, times: int, closed: list[str], path: str
) -> None:
    """An address costs a call where it is closed in so many words, else one of two devices."""
    start_ms = NOW_MS - 72 * 3_600_000
    for part in closed:
        standin.faults.add(Fault(kind, path=part, times=None))
    for device in (FRIDGE, TV, WASHER):
        pages = list(cloud.log_pages(device, start_ms, NOW_MS, CODES))
        came = [(r["event_time"], r["code"], r["value"]) for page in pages for r in page.rows]
        house = reversed(HOUSE.rows(device, start_ms, NOW_MS + 1))
        reports = [row for row in house if row.event_id == REPORT and row.code in CODES]
        assert came == [(r.event_time_ms, r.code, r.value) for r in reports] and len(came) > 100
        assert all(page.reports_only for page in pages)
        assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    asked = standin.counters.requests
    refused = [LOGS, NEWER_LOGS, *[REPORTS] * (len(closed) - 1)]
    assert [asked[address] for address in refused] == [times] * len(refused)
    assert asked[path] >= 6


def test_one_odd_device_does_not_turn_the_logs_of_others_into_reports(
    standin: StandIn, cloud: TuyaCloud
) -> None:
    fault = standin.faults.add(Fault("path_invalid", path=f"{FRIDGE}/logs", times=None))
    for _ in range(3):
        assert all(p.reports_only for p in cloud.log_pages(FRIDGE, START_MS, NOW_MS, CODES))
        assert rows(cloud, TV) == expected(TV)
    assert fault.done == 2  # once at each address


def test_log_pages_say_that_they_are_not_reports_alone(cloud: TuyaCloud) -> None:
    pages = list(cloud.log_pages(FRIDGE, START_MS, NOW_MS, CODES))
    assert pages and not any(page.reports_only for page in pages)


def test_logs_closed_everywhere_are_refused_with_the_first_refusal(
    standin: StandIn, cloud: TuyaCloud
) -> None:
    standin.faults.add(Fault("path_invalid", path="/v1.0/devices", times=None))
    standin.faults.add(Fault("unauthorised", path="/v2", times=None))
    with pytest.raises(SourceRejected) as caught:
        list(cloud.log_pages(FRIDGE, START_MS, NOW_MS, CODES))
    assert caught.value.code == 1108 and f"/v1.0/devices/{FRIDGE}/logs" in caught.value.where
    every = (LOGS, NEWER_LOGS, REPORTS, NEWER_REPORTS)
    assert [standin.counters.requests[path] for path in every] == [1, 1, 1, 1]


def test_a_device_refused_everywhere_closes_no_address_for_the_others(
    standin: StandIn, cloud: TuyaCloud
) -> None:
    standin.faults.add(Fault("path_invalid", device=FRIDGE, times=None))
    with pytest.raises(SourceRejected):
        list(cloud.log_pages(FRIDGE, START_MS, NOW_MS, CODES))
    assert rows(cloud, TV) == expected(TV)


def test_reports_are_not_asked_for_without_codes(standin: StandIn, cloud: TuyaCloud) -> None:
    standin.faults.add(Fault("unauthorised", path="/logs", times=None))
    with pytest.raises(SourceRejected) as caught:
        rows(cloud)
    asked = standin.counters.requests
    assert caught.value.code == 28841105 and (asked[LOGS], asked[NEWER_LOGS]) == (1, 1)
    assert asked[REPORTS] == 0
    assert list(cloud.log_pages(FRIDGE, START_MS, NOW_MS, CODES))  # with codes they are


def test_where_reports_are_all_there_is_a_device_without_codes_is_refused_alone(
    standin: StandIn, cloud: TuyaCloud
) -> None:
    standin.faults.add(Fault("unauthorised", path="/logs", times=None))
    assert list(cloud.log_pages(FRIDGE, START_MS, NOW_MS, CODES))
    calls = cloud.calls
    with pytest.raises(DeviceRejected) as caught:
        rows(cloud, TV)
    assert consequence(caught.value) == "skip" and TV in caught.value.where
    assert cloud.calls == calls


def test_a_refusal_between_two_pages_is_not_mended_at_another_address(
    standin: StandIn, cloud: TuyaCloud
) -> None:
    """Another address would not know the key; the window is asked for again from its start."""
    standin.faults.add(Fault("unauthorised", path="/v1.0/devices", after=1, times=None))
    came: list[LogPage] = []
    with pytest.raises(SourceRejected):
        came += cloud.log_pages(FRIDGE, START_MS, NOW_MS)
    assert standin.counters.requests[NEWER_LOGS] == 0
    assert rows(cloud) == expected()


def test_a_refused_device_is_not_asked_for_at_the_other_address(
    standin: StandIn, cloud: TuyaCloud
) -> None:
    standin.faults.add(Fault("permission_denied", device=TV, times=None))
    with pytest.raises(DeviceRejected):
        rows(cloud, TV)
    assert standin.counters.requests[NEWER_LOGS] == 0


# ---- Tokens ------------------------------------------------------------------------------

RENEWED = [(1010, "token invalid"), (1010, "token is expired"), (1011, "token invalid")]
RENEWED += [(1012, "token status is invalid"), (1400, "token invalid"), (1010, "neither of both")]


@pytest.mark.parametrize(("code", "text"), RENEWED)
def test_a_token_is_renewed_by_code_and_the_page_is_asked_again(
    standin: StandIn,
    cloud: TuyaCloud,
    monkeypatch: pytest.MonkeyPatch,
    pauses: list[float],
    code: int,
    text: str,
) -> None:
    monkeypatch.setitem(REFUSALS, "token_expired", Refusal(code, text))
    standin.faults.add(Fault("token_expired", path="/logs", after=2))
    assert rows(cloud) == expected()
    assert standin.counters.requests[TOKEN] == 2
    assert dict(standin.counters.refusals) == {code: 1}  # no 1004: the repeat was signed rightly
    assert pauses == []


@pytest.mark.parametrize("end", ["rotate", "expire"])
def test_a_token_that_really_ended_between_two_pages_is_renewed(
    standin: StandIn, cloud: TuyaCloud, end: str
) -> None:
    pages = cloud.log_pages(FRIDGE, START_MS, NOW_MS)
    came = next(pages).rows
    getattr(standin.tokens, end)()
    came += [row for page in pages for row in page.rows]
    assert [row["event_time"] for row in came] == [row[0] for row in expected()]
    assert dict(standin.counters.refusals) == {1010: 1}


def test_a_second_refusal_of_the_token_ends_in_token_expired(
    standin: StandIn, cloud: TuyaCloud, pauses: list[float]
) -> None:
    standin.faults.add(Fault("token_expired", path="/logs", times=None))
    with pytest.raises(TokenExpired) as caught:
        rows(cloud)
    assert caught.value.code == 1010
    assert (standin.counters.requests[TOKEN], standin.counters.requests[LOGS]) == (2, 2)
    standin.faults.clear()
    assert rows(cloud) == expected()  # the client is not dead


def test_a_failed_renewal_leaves_a_client_that_signs_in_anew(
    standin: StandIn, cloud: TuyaCloud, pauses: list[float]
) -> None:
    assert rows(cloud) == expected()
    standin.tokens.rotate()
    standin.faults.add(Fault("system_error", path=TOKEN, times=None))
    with pytest.raises(SourceUnavailable):
        rows(cloud)
    assert len(pauses) == 3
    standin.faults.clear()
    assert rows(cloud) == expected()


@pytest.mark.parametrize("end", [None, 1004, 1010])
def test_a_signature_refused_after_a_renewal_is_worth_one_more_client(
    tmp_path: Path, end: int | None
) -> None:
    """The token ends, the page signed with the next one is refused, then all is well, or not."""
    asked: list[str] = []
    answers: list[Any] = [{"devices": [{"id": "a"}]}, 1010, 1004, end or {"devices": []}]
    with scripted(tmp_path, by_path(lambda path: answers[len(asked) - 1], asked)) as cloud:
        assert cloud.devices() == [{"id": "a"}]
        if end is None:
            assert cloud.devices() == []
        else:
            with pytest.raises((SourceRejected, TokenExpired)) as caught:
                cloud.devices()
            assert caught.value.code == end
        assert len(asked) == 4 and cloud.calls - len(asked) == 3  # a token for each client


def test_a_signature_refused_long_after_a_renewal_ends_it(tmp_path: Path) -> None:
    asked: list[str] = []
    answers: list[Any] = [1010, {"devices": []}, 1004]
    with scripted(tmp_path, by_path(lambda path: answers[len(asked) - 1], asked)) as cloud:
        assert cloud.devices() == []
        with pytest.raises(SourceRejected) as caught:
            cloud.devices()
        assert caught.value.code == 1004 and (len(asked), cloud.calls) == (3, 5)


@pytest.mark.parametrize("token", ["", None, 5, [], {"a": 1}])
def test_a_token_that_is_no_text_is_no_answer(tmp_path: Path, token: Any) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.path = "/elsewhere"
        send(handler, {"access_token": token})

    with scripted(tmp_path, answer) as cloud, pytest.raises(SourceUnavailable):
        cloud.devices()


# ---- Several threads ---------------------------------------------------------------------

DEVICES = [device.id for device in HOUSE.devices()]


def test_threads_share_a_token_and_lose_no_row(standin: StandIn, cloud: TuyaCloud) -> None:
    with ThreadPoolExecutor(4) as threads:
        for device, came in zip(
            DEVICES, threads.map(lambda device: rows(cloud, device), DEVICES), strict=True
        ):
            assert came == expected(device)
    assert standin.counters.requests[TOKEN] == 1
    assert cloud.calls == standin.counters.total_requests
    assert len(cloud._transport._opened) <= 4


def test_threads_that_meet_an_ended_token_ask_for_one_new_token(
    standin: StandIn, cloud: TuyaCloud
) -> None:
    """All have read a first page when the token dies."""
    threads = 8
    ready = threading.Barrier(threads, action=standin.tokens.rotate, timeout=30)

    def pull(number: int) -> list[int]:
        pages = cloud.log_pages(FRIDGE, START_MS - number, NOW_MS)
        came = list(next(pages).rows)
        ready.wait()
        return [row["event_time"] for page in (came, *(p.rows for p in pages)) for row in page]

    with ThreadPoolExecutor(threads) as pool:
        for number, came in enumerate(pool.map(pull, range(threads))):
            assert came == [row[0] for row in expected(start_ms=START_MS - number)]
    assert standin.counters.requests[TOKEN] == 2
    assert set(standin.counters.refusals) == {1010}
    assert 1 <= standin.counters.refusals[1010] <= threads


def test_a_thread_that_only_took_a_renewed_client_may_have_it_rebuilt(tmp_path: Path) -> None:
    """The renewing thread is answered late; the other one meets the refused signature first."""
    asked: list[str] = []
    other: list[Any] = []

    def answer(path: str) -> Any:
        number = len(asked)
        if number == 2:  # signed with the renewed client, which no answer has proved yet
            with ThreadPoolExecutor(1) as pool:
                other.append(pool.submit(cloud.specification, "plug02").result(30))
        return {1: 1010, 3: 1004}.get(number, {"status": [number]})

    with scripted(tmp_path, by_path(answer, asked)) as cloud:
        assert cloud.specification("plug01") == {"status": [2]}
        assert other == [{"status": [4]}] and cloud.calls == 7


# ---- Refusals ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "code", "advice"),
    [
        ("sign_invalid", 1004, "TUYA_ACCESS_SECRET"),
        ("client_invalid", 1005, "TUYA_REGION"),
        ("time_invalid", 1013, "clock"),
        ("ip_refused", 1114, "allow-list"),
        ("subscription_expired", 28841002, "7-day clock"),
        ("quota", 28841004, "first of the month"),
        ("suspended", 28841107, "data centre"),
    ],
)
def test_a_refused_project_is_told_with_its_code_and_remedy(
    standin: StandIn, cloud: TuyaCloud, kind: str, code: int, advice: str
) -> None:
    fault = standin.faults.add(Fault(kind, times=None))
    with pytest.raises(SourceRejected, match=advice) as caught:
        rows(cloud)
    assert caught.value.code == code and advice in caught.value.remedy
    assert fault.done == 1  # asking again would change nothing


@pytest.mark.parametrize(("kind", "code"), [("permission_denied", 1106), ("device_removed", 2010)])
def test_a_refused_device_is_not_a_refused_project(
    standin: StandIn, cloud: TuyaCloud, kind: str, code: int
) -> None:
    standin.faults.add(Fault(kind, device=TV, times=None))
    with pytest.raises(DeviceRejected) as caught:
        rows(cloud, TV)
    assert caught.value.code == code and caught.value.remedy
    assert rows(cloud) == expected()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"access_secret": SecretStr("x" * 32)}, 1004),
        ({"access_id": SecretStr("y" * 20)}, 1005),
    ],
)
def test_wrong_credentials_are_refused_with_the_token(
    standin: StandIn, connect: Connect, changes: dict[str, Any], code: int
) -> None:
    with pytest.raises(SourceRejected) as caught:
        connect(**changes).devices()
    assert caught.value.code == code
    assert standin.counters.total_requests == 1


@pytest.mark.parametrize(("skew_s", "way"), [(1200, "behind"), (-1200, "ahead")])
def test_a_clock_far_off_is_refused_with_both_clocks(
    standin: StandIn, cloud: TuyaCloud, skew_s: float, way: str
) -> None:
    standin.clock.skew_s = skew_s
    with pytest.raises(SourceRejected, match="network time") as caught:
        cloud.devices()
    told = caught.value.remedy
    assert caught.value.code == 1013
    assert re.search(rf"0:(19:5\d|20:0\d) \(h:mm:ss\) {way}\.", told)
    there, here = map(datetime.fromisoformat, re.findall(r"\d{4}-\S+ \S+(?= UTC)", told))
    assert (there - here).total_seconds() == pytest.approx(skew_s, abs=2)
    assert cloud.skew_s == pytest.approx(skew_s, abs=2)


def test_the_skew_is_the_clouds_clock_less_this_computers(
    standin: StandIn, cloud: TuyaCloud
) -> None:
    assert cloud.skew_s == 0
    for skew_s in (100.0, -40.0):
        standin.clock.skew_s = skew_s
        cloud.devices()
        assert cloud.skew_s == pytest.approx(skew_s, abs=1)


@pytest.mark.parametrize("stamp", [None, "text", True, -1, 10**400, 1e400, [], {}])
def test_an_answer_without_a_sane_clock_is_an_answer(tmp_path: Path, stamp: Any) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        send(handler, {"devices": []}, stamp=stamp)

    with scripted(tmp_path, answer) as cloud:
        assert cloud.devices() == [] and cloud.skew_s == 0
    for code in (1013, 28841004):
        assert error_of({"code": code, "t": stamp}, "", here=NOW).code == code


@pytest.mark.parametrize("answer", [{"code": 4711, "msg": "new"}, {"code": "x"}, {}])
def test_an_unknown_code_is_a_refusal(answer: dict[str, Any]) -> None:
    error = error_of(answer, "somewhere")
    assert type(error) is SourceRejected
    assert error.code == (4711 if answer.get("code") == 4711 else None)


# ---- Faults of the way -------------------------------------------------------------------

TRANSIENT = ["system_error", "too_frequent", "html_502", "empty_body", "result_null"]
TRANSIENT += ["drop_connection", "cut_body"]


@pytest.mark.parametrize("kind", TRANSIENT)
def test_a_transient_failure_is_repeated_and_nothing_is_lost(
    standin: StandIn, cloud: TuyaCloud, pauses: list[float], kind: str
) -> None:
    standin.faults.add(Fault(kind, path="/logs", after=1, times=3))
    assert rows(cloud) == expected()
    assert len(pauses) == 3 and all(0 < pause <= 12 for pause in pauses)


@pytest.mark.parametrize("kind", TRANSIENT)
def test_a_lasting_failure_ends_in_source_unavailable(
    standin: StandIn, cloud: TuyaCloud, pauses: list[float], kind: str
) -> None:
    fault = standin.faults.add(Fault(kind, path="/logs", times=None))
    with pytest.raises(SourceUnavailable) as caught:
        rows(cloud)
    assert fault.done == 4 and len(pauses) == 3
    assert f"/v1.0/devices/{FRIDGE}/logs" in caught.value.where
    assert caught.value.code == {"system_error": 500, "too_frequent": 40000309}.get(kind)


def test_a_server_that_hangs_meets_the_deadline(standin: StandIn, connect: Connect) -> None:
    standin.faults.add(Fault("hang", path="/logs", times=None))
    began = time.monotonic()
    with pytest.raises(SourceUnavailable, match="ReadTimeout"):
        rows(connect(timeout_s=0.15))
    assert 4 * 0.15 <= time.monotonic() - began < 3


def test_a_server_without_a_trusted_certificate_gets_nothing(
    standin: StandIn, connect: Connect, pauses: list[float]
) -> None:
    with pytest.raises(SourceRejected, match="certificate is not trusted") as caught:
        connect(ca_bundle=None).devices()
    assert "Nothing was sent" in caught.value.risk
    assert standin.counters.total_requests == 0 and pauses == []


def test_no_call_is_made_past_the_end_of_the_run(
    standin: StandIn, cloud: TuyaCloud, pauses: list[float]
) -> None:
    cloud.devices()
    before = cloud.calls
    cloud.until = time.monotonic() - 1
    for ask in (cloud.devices, lambda: rows(cloud), cloud.check):
        with pytest.raises(OutOfTime):
            ask()
    assert cloud.calls == before == standin.counters.total_requests and pauses == []
    cloud.until = None
    assert rows(cloud) == expected()


def test_a_wait_past_the_end_of_the_run_is_not_begun(
    standin: StandIn, cloud: TuyaCloud, pauses: list[float]
) -> None:
    fault = standin.faults.add(Fault("too_frequent", path="/logs", times=None))
    cloud.until = time.monotonic() + 2.9  # the first wait is 3 s or more
    with pytest.raises(OutOfTime) as caught:
        rows(cloud)
    assert fault.done == 1 and pauses == []
    assert isinstance(caught.value.__cause__, SourceUnavailable)


def test_a_request_is_given_no_more_time_than_the_run_has_left(
    standin: StandIn, connect: Connect
) -> None:
    fault = standin.faults.add(Fault("hang", path="/logs", times=None))
    cloud = connect(timeout_s=30)
    cloud.devices()
    began = time.monotonic()
    cloud.until = began + 0.3
    with pytest.raises(OutOfTime):
        rows(cloud)
    assert time.monotonic() - began < 3 and fault.done == 1


def test_calls_are_spaced_and_throttling_slows_them_all_down(
    standin: StandIn, pauses: list[float]
) -> None:
    cloud = TuyaCloud(credentials(standin), pause=pauses.append, calls_per_s=5)
    standin.faults.add(Fault("too_frequent", path="/logs"))
    assert rows(cloud) == expected()
    cloud.close()
    waits = [pause for pause in pauses if pause < 3]
    assert len(pauses) - len(waits) == 1  # the one after the complaint
    # As the pauses do not last here, each call is expected a turn later than the one before.
    assert cloud.calls - 2 <= len(waits) < cloud.calls
    assert cloud._transport._pace.rate == pytest.approx(2.5, abs=1)


# ---- Servers that the stand-in does not play ---------------------------------------------


HEADERS = b"HTTP/1.1 200 OK\r\nX-Slow: "
BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4000\r\n"
CHUNK_EXTENSION = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4000;"
TRICKLES = [b"HTTP/1.1 ", b"HTTP/1.1 100 Continue\r\nA: ", HEADERS, BODY, CHUNKED, CHUNK_EXTENSION]


@pytest.mark.parametrize("first", TRICKLES)
def test_an_answer_that_trickles_meets_the_deadline(tmp_path: Path, first: bytes) -> None:
    """Each byte comes in time, the whole would take minutes."""
    over = threading.Event()
    with scripted(tmp_path, lambda it: drip(it.wfile, over, first), timeout_s=0.15) as cloud:
        began = time.monotonic()
        with pytest.raises(SourceUnavailable, match="Timeout"):
            cloud.devices()
        over.set()
    assert 4 * 0.15 <= time.monotonic() - began < 3


def test_a_handshake_that_never_ends_meets_the_deadline(tmp_path: Path) -> None:
    with scripted_server(tmp_path, lambda handler: None) as access:
        pass
    with socket.create_server(("127.0.0.1", 0)) as silent:
        access = access.model_copy(update={"host": f"127.0.0.1:{silent.getsockname()[1]}"})
        cloud = TuyaCloud(access, timeout_s=0.15, pause=lambda pause_s: None)
        began = time.monotonic()
        with pytest.raises(SourceUnavailable):
            cloud.devices()
        cloud.close()
    assert 4 * 0.15 <= time.monotonic() - began < 3


def test_the_addresses_of_a_host_share_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full queues of three addresses: none refuses, none answers."""
    with scripted_server(tmp_path, lambda handler: None) as access:
        pass
    with full_queue() as port:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))] * 3
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **named: found)
        access = access.model_copy(update={"host": f"127.0.0.1:{port}"})
        cloud = TuyaCloud(access, timeout_s=0.15, pause=lambda pause_s: None)
        began = time.monotonic()
        with pytest.raises(SourceUnavailable):
            cloud.devices()
        cloud.close()
    assert 4 * 0.15 <= time.monotonic() - began < 4 * 0.15 * 2


@contextmanager
def full_queue() -> Iterator[int]:
    """A port whose queue of connections is full, so that a connection waits for ever."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        try:
            yield port
        finally:
            for one in waiting:
                one.close()


@pytest.mark.parametrize("place", ["answer", "proxy", "nowhere"])
def test_the_deadline_holds_behind_a_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    over = threading.Event()
    respond = by_path(lambda path: {"devices": [{"id": "a"}]})
    if place == "answer":
        respond = lambda handler: drip(handler.wfile, over)  # noqa: E731
    with scripted_server(tmp_path, respond) as access:
        port = int(access.host.partition(":")[2])
        with proxy(port, silent=place == "proxy") as url:
            monkeypatch.setenv("HTTPS_PROXY", url)
            monkeypatch.delenv("NO_PROXY", raising=False)
            monkeypatch.delenv("no_proxy", raising=False)
            behind = access.model_copy(update={"host": ELSEWHERE})
            limit_s = 5 if place == "nowhere" else 0.15
            cloud = TuyaCloud(behind, timeout_s=limit_s, pause=lambda pause_s: None)
            began = time.monotonic()
            if place == "nowhere":
                assert cloud.devices() == [{"id": "a"}]
            else:
                with pytest.raises(SourceUnavailable):
                    cloud.devices()
            over.set()
            cloud.close()
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("key", ["", "again"])
def test_a_device_list_that_breaks_off_is_not_taken_for_whole(tmp_path: Path, key: str) -> None:
    page = {"devices": [{"id": "a"}], "has_more": True, "last_row_key": key}
    with scripted(tmp_path, lambda handler: send(handler, page)) as cloud:
        with pytest.raises(TruncatedPull, match="device list"):
            cloud.devices()
        assert cloud.calls == (3 if key else 2)


@pytest.mark.parametrize("logs", [[None], ["row"], {}, {"code": "x"}, "text", 7, [{}, None]])
def test_log_rows_that_are_no_objects_are_no_usable_answer(tmp_path: Path, logs: Any) -> None:
    page = {"logs": logs, "has_next": False}
    with scripted(tmp_path, by_path(lambda path: page)) as cloud:
        with pytest.raises(SourceUnavailable, match="another shape") as caught:
            list(cloud.log_pages("plug01", START_MS, NOW_MS))
        assert "plug01" in caught.value.where and cloud.calls == 2


@pytest.mark.parametrize("page", [{"has_next": False}, {"hasMore": False}, {"logs": None}])
def test_a_page_without_rows_is_an_empty_one(tmp_path: Path, page: dict[str, Any]) -> None:
    with scripted(tmp_path, by_path(lambda path: page)) as cloud:
        (only,) = cloud.log_pages("plug01", START_MS, NOW_MS)
    assert only.rows == [] and only.last


@pytest.mark.parametrize("more", [{"has_next": True, "next_row_key": {}}, {"has_more": True}])
def test_more_rows_behind_a_key_that_is_none_are_a_truncated_pull(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    with (
        scripted(tmp_path, by_path(lambda path: more | {"logs": []})) as cloud,
        pytest.raises(TruncatedPull),
    ):
        list(cloud.log_pages("plug01", START_MS, NOW_MS))


@pytest.mark.parametrize("devices", [[None], {"a": 1}, "text"])
def test_a_device_list_of_something_else_is_no_usable_answer(tmp_path: Path, devices: Any) -> None:
    with (
        scripted(tmp_path, by_path(lambda path: {"devices": devices})) as cloud,
        pytest.raises(SourceUnavailable, match="another shape"),
    ):
        cloud.devices()


def test_no_proxy_stands_before_this_machine(
    standin: StandIn, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert len(connect().devices()) == 10
    for host in ("localhost:8443", "127.0.0.1", "127.1.2.3:1"):
        assert not connect(host=host)._transport._session(f"https://{host}/").proxies
    for host in ("openapi.tuyaus.com", "127.evil.example", "192.168.0.9:8443"):
        assert connect(host=host)._transport._session(f"https://{host}/").proxies


def test_a_check_costs_a_token_and_a_call_and_tells_refused_credentials(
    standin: StandIn, connect: Connect
) -> None:
    connect().check()
    assert standin.counters.total_requests == 2
    with pytest.raises(SourceRejected) as caught:
        connect(access_secret=SecretStr("x" * 32)).check()
    assert caught.value.code == 1004


@pytest.mark.parametrize("code", [1004, 1114, 28841002])
def test_a_check_tells_a_refused_project_behind_a_good_token(tmp_path: Path, code: int) -> None:
    with (
        scripted(tmp_path, by_path(lambda path: code)) as cloud,
        pytest.raises(SourceRejected) as caught,
    ):
        cloud.check()
    assert caught.value.code == code and cloud.calls == 2


@pytest.mark.parametrize("code", [1106, 1108, 28841105, 500, 4711])
def test_a_check_makes_nothing_of_a_device_list_that_is_closed(tmp_path: Path, code: int) -> None:
    with scripted(tmp_path, by_path(lambda path: code)) as cloud:
        cloud.check()
        assert cloud.calls == 2


def test_words_in_a_good_answer_renew_nothing(tmp_path: Path) -> None:
    listed = {"devices": [{"id": "a", "name": "token invalid"}], "has_more": False}
    with scripted(tmp_path, lambda handler: send(handler, listed)) as cloud:
        assert cloud.devices() == listed["devices"]
        assert cloud.calls == 2


@pytest.mark.parametrize("result", [[], {}, "text"])
def test_a_token_answer_without_a_token_is_no_answer(tmp_path: Path, result: Any) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.path = "/elsewhere"
        send(handler, result)

    with scripted(tmp_path, answer) as cloud, pytest.raises(SourceUnavailable):
        cloud.devices()


def test_a_connection_broken_in_the_handshake_is_not_a_question_of_trust(tmp_path: Path) -> None:
    with scripted(tmp_path, lambda handler: None) as cloud:
        host, port = cloud._credentials.host.split(":")
    with silent_listener(host, int(port)) as cloud_port:
        access = Credentials(
            access_id=SecretStr("id"),
            access_secret=SecretStr(SECRET),
            host=f"{host}:{cloud_port}",
            ca_bundle=tmp_path / "ca.pem",
        )
        again = TuyaCloud(access, timeout_s=1, pause=lambda pause_s: None)
        with pytest.raises(SourceUnavailable):
            again.devices()
        again.close()


@contextmanager
def silent_listener(host: str, port: int) -> Iterator[int]:
    """Takes each connection and closes it at once."""
    listener = socket.create_server((host, 0))

    def hang_up() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.recv(4096)
            connection.close()

    thread = threading.Thread(target=hang_up, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


# ---- Every code of the reference ---------------------------------------------------------

RENEW, RETRY, SKIP, STOP, OTHER = "renew", "retry", "skip", "stop", "other address"
TABLE: list[tuple[int, type[SourceError], Consequence]] = [
    *((code, SourceUnavailable, RETRY) for code in (500, 501)),
    *((code, SourceUnavailable, RETRY) for code in (1110, 1111, 1112, 1113, 1199, 40000309)),
    *((code, TokenExpired, RENEW) for code in (1002, 1010, 1011, 1012, 1400)),
    *((code, DeviceRejected, SKIP) for code in (1000, 1106, 2001, 2003, 2008, 2009, 2010)),
    *((code, SourceRejected, SKIP) for code in (1100, 1101, 1102, 1104, 1105, 1109)),
    *((code, SourceRejected, OTHER) for code in (1108, 28841101, 28841105, 28841106)),
    *((code, SourceRejected, STOP) for code in (1001, 1004, 1005, 1013, 1114, 2007, 2017, 2406)),
    *((code, SourceRejected, STOP) for code in (28841001, 28841002, 28841004, 28841107)),
    (-9999999, SourceRejected, STOP),
]
# What the client does of itself: calls for tokens, calls for pages, waits.
DOES = {RETRY: (1, 4, 3), RENEW: (2, 2, 0), SKIP: (1, 1, 0), OTHER: (1, 4, 0), STOP: (1, 1, 0)}


class Told:
    """A server that refuses each page by one code, and what it was asked."""

    def __init__(self) -> None:
        self.code, self.asked = 0, list[str]()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Told, Credentials]]:
    told = Told()
    folder = tmp_path_factory.mktemp("told")
    with scripted_server(folder, by_path(lambda path: told.code, told.asked)) as access:
        yield told, access


@pytest.mark.parametrize(("code", "kind", "word"), TABLE)
def test_each_code_has_its_class_its_remedy_and_its_consequence(
    told: tuple[Told, Credentials],
    pauses: list[float],
    code: int,
    kind: type[SourceError],
    word: Consequence,
) -> None:
    server, access = told
    server.code = code
    server.asked.clear()
    cloud = TuyaCloud(access, pause=pauses.append)
    with pytest.raises(SourceError) as caught:
        list(cloud.log_pages("plug01", START_MS, NOW_MS, CODES))
    cloud.close()
    assert type(caught.value) is kind and caught.value.code == code
    assert consequence(caught.value) == word
    assert "plug01" in caught.value.where and len(caught.value.remedy) > 40
    tokens, pages, waits = DOES[word]
    assert (cloud.calls - len(server.asked), len(server.asked), len(pauses)) == (
        tokens,
        pages,
        waits,
    )
    assert len(set(server.asked)) == (4 if word == OTHER else 1)


def test_the_console_is_named_wherever_it_can_help() -> None:
    told = {code: error_of({"code": code}, "").remedy for code, _, word in TABLE if word != RETRY}
    silent = {code for code, remedy in told.items() if "platform.tuya.com" not in remedy}
    assert silent == {1013, 2001, 2003, 2008, 2009, 1100, 1101, 1102, 1104, 1105, 1109}
    assert all(
        "calls_per_s" in error_of({"code": code}, "").remedy for code in (1110, 1199, 40000309)
    )


def test_an_ended_trial_is_told_loudly() -> None:
    error = error_of({"code": 28841002, "msg": "expired"}, "")
    assert "TODAY" in error.remedy and "lost for ever" in error.risk and "ANY MORE" in error.risk


@pytest.mark.parametrize(
    ("t", "day"),
    [(NOW_MS, "2026-05-01"), (1_798_675_200_000, "2027-01-01"), (1_801_353_600_000, "2027-02-01")],
)
def test_a_spent_quota_says_when_it_comes_back(t: int, day: str) -> None:
    assert error_of({"code": 28841004, "t": t}, "").remedy.endswith(f"come back on {day}.")


def test_failures_without_a_code_have_a_consequence_too() -> None:
    whole = {SourceUnavailable: RETRY, TruncatedPull: RETRY, OutOfTime: STOP, DeviceRejected: SKIP}
    assert {kind: consequence(kind("no.")) for kind in whole} == whole


@pytest.mark.parametrize("code", ["1010", "-9999999", "--5", "²", "", None, 1.5, True, [1]])
def test_a_code_may_come_as_text_and_nonsense_is_none(code: Any) -> None:
    expected_code = int(code) if code in ("1010", "-9999999") else None
    assert error_of({"code": code}, "").code == expected_code


# ---- Paging, by any server ---------------------------------------------------------------

Answers = dict[str, dict[str, Any]]  # by the key that is asked with; "" is the first page
BREAKS = st.none() | st.sampled_from(["missing", "null", "empty", "repeated"])


class Pages:
    """A cloud without network: answers by cursor, and counts."""

    def __init__(self, answers: Answers, cursor: str, closed: int = 0) -> None:
        self.answers, self.cursor, self.closed = answers, cursor, closed
        self.queries: list[dict[str, Any]] = []

    def get(self, path: str, query: dict[str, Any]) -> dict[str, Any]:
        if self.closed:
            self.closed -= 1
            raise SourceRejected("closed.", code=1108)
        self.queries.append(query)
        assert len(self.queries) <= 40, "an endless loop"
        return self.answers[query.get(self.cursor, "")]


@st.composite
def split_rows(draw: st.DrawFn) -> tuple[list[list[dict[str, Any]]], str | None]:
    """Rows cut into pages, some short, empty or served twice, and how the last key is broken."""
    sizes = draw(st.lists(st.integers(0, 3), min_size=1, max_size=10))
    pages: list[list[dict[str, Any]]] = []
    for number, size in enumerate(sizes):
        pages.append([{"event_time": 100 * number + row} for row in range(size)])
        if draw(st.integers(0, 5)) == 0:
            pages.append(pages[-1])
    return pages, draw(BREAKS) if len(pages) > 2 else None


def written(
    pages: list[list[dict[str, Any]]], broken: str | None, more: str, names: tuple[str, str]
) -> Answers:
    """The answers of a server that serves these pages, and breaks off at the last one."""
    rows_name, key_name = names
    keys = ["", *(f"key{number}" for number in range(1, len(pages)))]
    answers: Answers = {}
    for number, (key, page) in enumerate(zip(keys, pages, strict=True)):
        end = number == len(pages) - 1
        answer: dict[str, Any] = {more: not end or broken is not None}
        if page or number % 2:  # rows may be absent where there are none
            answer[rows_name] = page
        if not end:
            answer[key_name] = keys[number + 1]
        elif broken in ("null", "empty", "repeated"):
            answer[key_name] = {"null": None, "empty": "", "repeated": keys[1]}[broken]
        answers[key] = answer
    return answers


SHAPES = [
    ("has_next", ("logs", "next_row_key"), "start_row_key", 0),
    ("has_more", ("logs", "last_row_key"), "last_row_key", 2),
    ("hasMore", ("list", "last_row_key"), "last_row_key", 3),
]


@pytest.mark.parametrize(("more", "names", "cursor", "closed"), SHAPES)
@given(made=split_rows())
def test_any_split_of_rows_comes_whole_and_in_order_or_is_a_truncated_pull(
    more: str,
    names: tuple[str, str],
    cursor: str,
    closed: int,
    made: tuple[list[list[dict[str, Any]]], str | None],
) -> None:
    pages, broken = made
    server = Pages(written(pages, broken, more, names), cursor, closed)
    came: list[LogPage] = []
    try:
        came += Logs(server.get, 100).pages("plug01", 1, 2, CODES)
        assert broken is None and [page.last for page in came] == [False] * (len(pages) - 1) + [
            True
        ]
    except TruncatedPull as error:
        assert broken is not None and error.where == "plug01"
        assert f"page {len(pages)} " in error.what
    assert [page.rows for page in came] == pages


ALPHABET = ["", "a", "b", "c"]
ANY_ANSWER = st.fixed_dictionaries(
    {"logs": st.lists(st.just({"event_time": 1}), max_size=2)},
    optional={
        "has_next": st.booleans(),
        "hasMore": st.booleans(),
        "next_row_key": st.sampled_from([*ALPHABET, None]),
        "last_row_key": st.sampled_from([*ALPHABET, None]),
    },
)


@pytest.mark.parametrize("closed", [0, 2])
@given(answers=st.fixed_dictionaries(dict.fromkeys(ALPHABET, ANY_ANSWER)))
def test_no_server_leads_the_client_round_in_circles(closed: int, answers: Answers) -> None:
    server = Pages(answers, "last_row_key" if closed else "start_row_key", closed)
    pages = Logs(server.get, 100).pages("plug01", 1, 2, CODES)
    ended = False
    try:
        for page in pages:
            assert not ended
            ended = page.last
        assert ended
    except TruncatedPull:
        assert not ended
    assert len(server.queries) <= len(ALPHABET)


@given(count=st.integers(1, 70), splits=st.integers(1, 3))
def test_many_codes_are_asked_for_in_several_questions(count: int, splits: int) -> None:
    """Each code once, no long address, and only the very last page is the last."""
    codes = [f"code_{number}" for number in range(count)]
    pages = [[{"event_time": number}] for number in range(splits)]
    answers = written(pages, None, "has_more", ("logs", "last_row_key"))
    server = Pages(answers, "last_row_key", closed=2)
    came = list(Logs(server.get, 100).pages("plug01", 1, 2, [*codes, *codes]))
    questions = -(-count // CODES_IN_A_QUESTION)
    assert len(came) == len(server.queries) == questions * splits
    assert [page.last for page in came] == [False] * (len(came) - 1) + [True]
    firsts = [q["codes"].split(",") for q in server.queries if "last_row_key" not in q]
    assert [code for question in firsts for code in question] == codes
    assert all(len(question) <= CODES_IN_A_QUESTION for question in firsts)


# ---- Secrets -----------------------------------------------------------------------------


def test_no_secret_token_or_signature_is_ever_shown(
    standin: StandIn, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """With every logger at DEBUG and tinytuya's own debugging switched on."""
    tinytuya.set_debug(True, False)
    caplog.set_level(logging.DEBUG)
    for name in ("tinytuya", "tinytuya.core", "tinytuya.Cloud", "urllib3"):
        caplog.set_level(logging.DEBUG, logger=name)
    shown = []
    for kind in [*TRANSIENT, "sign_invalid", "token_expired", "permission_denied", "no_row_key"]:
        standin.faults.clear()
        cloud = connect()
        cloud.devices()
        standin.faults.add(Fault(kind, path="/logs", times=None))
        with pytest.raises(SourceError) as caught:
            rows(cloud)
        shown += [text_of(caught.value), repr(cloud), str(vars(cloud))]
    standin.faults.clear()
    with pytest.raises(SourceRejected) as untrusted:
        connect(ca_bundle=None).devices()
    shown += [text_of(untrusted.value), caplog.text, *map(repr, caplog.records)]
    shown += [str(record.args) for record in caplog.records]
    tinytuya.set_debug(False)
    text = "\n".join(shown)
    assert "urllib3" in caplog.text and "GET /v1.0" in caplog.text  # something was listening
    assert SECRET not in text
    assert standin.tokens.grant()["access_token"] not in text
    assert not re.search(r"\b[0-9A-F]{64}\b", text)
    assert not any(marker in text for marker in FAKE_MARKERS)


@pytest.mark.parametrize("part", ["access_id", "access_secret"])
@pytest.mark.parametrize("wrong", ["“curly0quotes0secret”", "line\nend0secret"])
def test_credentials_that_no_header_can_carry_are_refused_unseen(
    standin: StandIn, connect: Connect, part: str, wrong: str
) -> None:
    with pytest.raises(SourceRejected, match="Copy") as caught:
        connect(**{part: SecretStr(wrong)}).devices()
    assert "0secret" not in text_of(caught.value)
    assert standin.counters.total_requests == 0
