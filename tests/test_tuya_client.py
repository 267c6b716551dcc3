"""The client against the stand-in, over real TLS: all rows or an error that says why."""

import json
import logging
import re
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import tinytuya
from pydantic import SecretStr

from lib.credentials import Credentials
from lib.demo.catalogue import FRIDGE, TV
from lib.demo.faults import REFUSALS, Fault
from lib.demo.registry import FAKE_MARKERS
from lib.demo.simulated import SimulatedHouse
from lib.demo.standin import StandIn
from lib.demo.state import Refusal
from lib.errors import (
    DeviceRejected,
    SourceError,
    SourceRejected,
    SourceUnavailable,
    TokenExpired,
    TruncatedPull,
)
from lib.tuya import TuyaCloud
from lib.tuya_codes import error_of
from tests.scripted import SECRET, TOKEN, by_path, scripted, send

NOW = datetime(2026, 4, 22, 15, tzinfo=UTC)
NOW_MS = 1_776_870_000_000
START_MS = NOW_MS - 12 * 3_600_000
HOUSE = SimulatedHouse()
LOGS, NEWER_LOGS = "/v1.0/devices/{id}/logs", "/v2.0/cloud/thing/{id}/logs"
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
    plain = {
        "access_id": SecretStr(standin.access_id),
        "access_secret": SecretStr(standin.access_secret),
        "host": standin.endpoint.removeprefix("https://"),
        "ca_bundle": standin.ca_bundle,
    }
    return Credentials(**plain | changes)


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
    assert fault.done == 1  # which address answered is remembered
    assert standin.counters.requests[NEWER_LOGS] > 5


def test_logs_closed_at_both_addresses_are_refused(standin: StandIn, cloud: TuyaCloud) -> None:
    standin.faults.add(Fault("path_invalid", path="/logs", times=None))
    with pytest.raises(SourceRejected) as caught:
        rows(cloud)
    assert caught.value.code == 1108
    assert (standin.counters.requests[LOGS], standin.counters.requests[NEWER_LOGS]) == (1, 1)


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


def test_a_clock_far_off_is_refused(standin: StandIn, cloud: TuyaCloud) -> None:
    standin.clock.skew_s = 1200
    with pytest.raises(SourceRejected, match="network time") as caught:
        cloud.devices()
    assert caught.value.code == 1013


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


# ---- Servers that the stand-in does not play ---------------------------------------------


def test_an_answer_that_trickles_meets_the_deadline(tmp_path: Path) -> None:
    """Each byte comes in time, the whole would take minutes."""
    over = threading.Event()

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "20000")
        handler.end_headers()
        try:
            while not over.wait(0.02):
                handler.wfile.write(b" ")
        except OSError:
            handler.close_connection = True

    with scripted(tmp_path, trickle, timeout_s=0.3) as cloud:
        began = time.monotonic()
        with pytest.raises(SourceUnavailable, match="ReadTimeout"):
            cloud.devices()
        over.set()
    assert time.monotonic() - began < 5


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
        assert not connect(host=host)._transport.session.trust_env
    for host in ("openapi.tuyaus.com", "127.evil.example", "192.168.0.9:8443"):
        assert connect(host=host)._transport.session.trust_env


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
    import socket

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
