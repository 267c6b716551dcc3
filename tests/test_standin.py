"""The stand-in, asked by the real client over real TLS: it must pass for the Tuya Cloud."""

import base64
import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import tinytuya

from lib.demo.catalogue import COMPUTER, FRIDGE, PORCH_LAMP, SENSOR, TV
from lib.demo.faults import KINDS, REFUSALS, Fault
from lib.demo.house import LogRow
from lib.demo.registry import FAKE_MARKERS, UID
from lib.demo.rowkeys import order_of, row_key
from lib.demo.simulated import SimulatedHouse
from lib.demo.standin import StandIn
from lib.errors import ConfigError
from lib.paths import ROOT

NOW = datetime(2026, 4, 22, 15, tzinfo=UTC)
NOW_MS = 1_776_870_000_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
HOUSE = SimulatedHouse()
ALL_TYPES = "1,2,3,4,5,6,7,8,9,10"

Connect = Callable[..., tinytuya.Cloud]


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with StandIn(HOUSE, now=NOW) as stand_in:
        yield stand_in


@pytest.fixture
def standin(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.ca_bundle))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server.faults.clear()
    server.clock.move_to(NOW)
    server.clock.skew_s = 0.0
    server.tokens.rotate()
    return server


@pytest.fixture
def connect(standin: StandIn) -> Connect:
    return lambda **more: client(standin, **more)


@pytest.fixture
def cloud(connect: Connect) -> tinytuya.Cloud:
    return connect()


def client(standin: StandIn, **more: Any) -> tinytuya.Cloud:
    """The real client, pointed at the stand-in as its documentation of code allows."""

    class Here(tinytuya.Cloud):
        def setregion(self, apiRegion: str | None = None) -> None:  # noqa: N803
            super().setregion(apiRegion)
            self.urlhost = standin.endpoint.removeprefix("https://")

    keys = {"apiKey": standin.access_id, "apiSecret": standin.access_secret}
    return Here(apiRegion="us", **{**keys, **more})


def ask(cloud: tinytuya.Cloud, device: str, **query: Any) -> dict[str, Any]:
    """One page of a device's log."""
    window = {"start_time": NOW_MS - 6 * HOUR_MS, "end_time": NOW_MS}
    asked = {"type": ALL_TYPES, "size": 100, **window, **query}
    return cloud.cloudrequest(f"/v1.0/devices/{device}/logs", query=asked)


def pages(cloud: tinytuya.Cloud, device: str, **query: Any) -> list[dict[str, Any]]:
    """All pages of a window, by the cursor."""
    found, key = [], ""
    while not found or found[-1]["has_next"]:
        cursor = {"start_row_key": key} if key else {}
        found.append(ask(cloud, device, **query, **cursor)["result"])
        key = found[-1].get("next_row_key")
    return found


def as_item(row: LogRow) -> dict[str, Any]:
    fields = {"code": row.code, "event_from": row.event_from, "event_id": row.event_id}
    fields |= {"event_time": row.event_time_ms, "event_value": row.event_value}
    fields |= {"status": "1", "value": row.value}
    return {name: value for name, value in fields.items() if value is not None}


def expected(device: str, start_ms: int, end_ms: int) -> list[dict[str, Any]]:
    return [as_item(row) for row in reversed(HOUSE.rows(device, start_ms, end_ms + 1))]


# ---- Logs --------------------------------------------------------------------------------


@pytest.mark.parametrize("device", [FRIDGE, PORCH_LAMP, SENSOR])
def test_all_pages_together_are_the_rows_of_the_house(cloud: tinytuya.Cloud, device: str) -> None:
    start_ms = NOW_MS - DAY_MS
    logs = [row for page in pages(cloud, device, start_time=start_ms) for row in page["logs"]]
    assert logs == expected(device, start_ms, NOW_MS)


def test_the_clients_own_paging_finds_the_same(cloud: tinytuya.Cloud) -> None:
    reply = cloud.getdevicelog(FRIDGE, start=NOW_MS - DAY_MS, end=NOW_MS)
    assert reply["result"]["logs"] == expected(FRIDGE, NOW_MS - DAY_MS, NOW_MS)
    assert reply["fetches"] == -(-len(reply["result"]["logs"]) // 100)


def test_rows_look_like_real_ones(cloud: tinytuya.Cloud) -> None:
    cut_ms = int(datetime(2026, 4, 16, 22, tzinfo=UTC).timestamp() * 1000)
    logs = ask(cloud, FRIDGE, start_time=cut_ms, end_time=cut_ms + 2 * HOUR_MS, type="1,2,8")
    by_type = {row["event_id"]: row for row in logs["result"]["logs"]}
    for contact in (1, 2):
        assert by_type[contact].keys() == {"event_from", "event_id", "event_time", "status"}
    assert by_type[8].keys() == {"event_from", "event_id", "event_time", "event_value", "status"}
    assert -70 < int(by_type[8]["event_value"]) < -40
    report = ask(cloud, FRIDGE, type="7")["result"]["logs"][0]
    assert report.keys() == {"code", "event_from", "event_id", "event_time", "status", "value"}
    assert isinstance(report["value"], str) and report["status"] == "1"


def test_the_cursor_is_the_key_of_the_next_pages_first_row(cloud: tinytuya.Cloud) -> None:
    rows = HOUSE.rows(FRIDGE, NOW_MS - 6 * HOUR_MS, NOW_MS + 1)[::-1]
    first, second = pages(cloud, FRIDGE, size=20)[:2]
    assert first["current_row_key"] == row_key(FRIDGE, rows[0])
    assert first["next_row_key"] == second["current_row_key"] == row_key(FRIDGE, rows[20])
    plain = base64.b64decode(first["next_row_key"]).decode()
    assert plain[8:].startswith(
        f"{FRIDGE[::-1]}_{2**63 - 1 - rows[20].event_time_ms}_{rows[20].event_id}_"
    )
    assert order_of(TV, first["next_row_key"]) is None


def test_new_rows_do_not_shift_pages(standin: StandIn, cloud: tinytuya.Cloud) -> None:
    standin.clock.move_to(NOW - timedelta(hours=1))
    first = ask(cloud, FRIDGE, size=20)["result"]
    standin.clock.move_to(NOW)
    second = ask(cloud, FRIDGE, size=20, start_row_key=first["next_row_key"])["result"]
    together = first["logs"] + second["logs"]
    older = expected(FRIDGE, NOW_MS - 6 * HOUR_MS, NOW_MS - HOUR_MS)
    assert together == older[:40]


@pytest.mark.parametrize(("size", "rows"), [({}, 20), ({"size": 7}, 7), ({"size": 500}, 100)])
def test_pages_are_clamped(cloud: tinytuya.Cloud, size: dict[str, int], rows: int) -> None:
    query = {"type": "7", "start_time": NOW_MS - DAY_MS, "end_time": NOW_MS, **size}
    reply = cloud.cloudrequest(f"/v1.0/devices/{FRIDGE}/logs", query=query)
    assert len(reply["result"]["logs"]) == rows and reply["result"]["has_next"]


def test_types_codes_and_window_filter(cloud: tinytuya.Cloud) -> None:
    whole = expected(FRIDGE, NOW_MS - 6 * HOUR_MS, NOW_MS)
    wanted = [row for row in whole if row.get("code") in ("add_ele", "cur_power")]
    found = pages(cloud, FRIDGE, type="7", codes="add_ele,cur_power")
    assert [row for page in found for row in page["logs"]] == wanted
    newest, oldest = wanted[0]["event_time"], wanted[5]["event_time"]
    inside = ask(cloud, FRIDGE, start_time=oldest, end_time=newest, codes="add_ele,cur_power")
    assert inside["result"]["logs"] == wanted[:6]
    seconds = {"start_time": NOW_MS // 1000 - 3600, "end_time": NOW_MS // 1000}
    assert (
        ask(cloud, FRIDGE, **seconds)["result"]["logs"]
        == expected(FRIDGE, NOW_MS - HOUR_MS, NOW_MS)[:100]
    )


def test_the_newer_log_path_answers_the_same(cloud: tinytuya.Cloud) -> None:
    query = {"type": "7", "start_time": NOW_MS - HOUR_MS, "end_time": NOW_MS, "size": 100}
    old, new = (
        cloud.cloudrequest(path, query=query)["result"]
        for path in (f"/v1.0/devices/{TV}/logs", f"/v2.0/cloud/thing/{TV}/logs")
    )
    assert old == new and old["logs"]


def test_nothing_is_older_than_the_retention_or_newer_than_the_clock(
    standin: StandIn, cloud: tinytuya.Cloud
) -> None:
    everything = {"start_time": NOW_MS - 30 * DAY_MS, "end_time": NOW_MS + DAY_MS, "type": "8"}
    times_ms = [row["event_time"] for p in pages(cloud, FRIDGE, **everything) for row in p["logs"]]
    assert NOW_MS - 7 * DAY_MS <= min(times_ms) < NOW_MS - 7 * DAY_MS + 6 * HOUR_MS
    assert NOW_MS - 6 * HOUR_MS < max(times_ms) <= NOW_MS
    standin.clock.move_to(NOW + timedelta(hours=12))
    later = [row["event_time"] for p in pages(cloud, FRIDGE, **everything) for row in p["logs"]]
    assert min(later) >= NOW_MS - 6.5 * DAY_MS and NOW_MS < max(later) <= NOW_MS + DAY_MS / 2


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"type": ""}, 1100),
        ({"start_time": ""}, 1100),
        ({"size": 0}, 1101),
        ({"start_time": NOW_MS, "end_time": NOW_MS - 1}, 1101),
        ({"start_row_key": "bm90IGEga2V5"}, 1109),
    ],
)
def test_wrong_parameters_are_named(
    cloud: tinytuya.Cloud, query: dict[str, Any], code: int
) -> None:
    assert ask(cloud, FRIDGE, **query)["code"] == code


@pytest.mark.parametrize("version", ["v2.0", "v2.1"])
def test_report_logs_need_codes_and_page_by_last_row_key(
    cloud: tinytuya.Cloud, version: str
) -> None:
    path = f"/{version}/cloud/thing/{FRIDGE}/report-logs"
    query: dict[str, Any] = {"start_time": NOW_MS - DAY_MS, "end_time": NOW_MS, "size": 30}
    assert cloud.cloudrequest(path, query=query)["code"] == 1100
    query["codes"] = "add_ele"
    found: list[dict[str, Any]] = []
    more = True
    while more:
        result = cloud.cloudrequest(path, query=query)["result"]
        found, more = found + result["logs"], result["has_more"]
        query["last_row_key"] = result["last_row_key"]
    whole = expected(FRIDGE, NOW_MS - DAY_MS, NOW_MS)
    keys = ("code", "event_time", "value")
    assert found == [{k: r[k] for k in keys} for r in whole if r.get("code") == "add_ele"]


def test_served_rows_can_be_counted_and_named(standin: StandIn, cloud: tinytuya.Cloud) -> None:
    before = standin.counters.rows_served
    standin.counters.track_keys = True
    found = pages(cloud, TV)
    standin.counters.track_keys = False
    count = sum(len(page["logs"]) for page in found)
    assert standin.counters.rows_served - before == count
    assert len(standin.counters.served_keys[TV]) == count > 100
    assert standin.counters.requests["/v1.0/devices/{id}/logs"] >= len(found)


# ---- Who may ask -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "code"), [({"apiSecret": "x" * 32}, 1004), ({"apiKey": "y" * 20}, 1005)]
)
def test_wrong_credentials_are_refused(
    standin: StandIn, connect: Connect, wrong: dict[str, str], code: int
) -> None:
    before = standin.counters.refusals[code]
    cloud = connect(**wrong)
    assert cloud.token is None and cloud.error["Err"] == "911"
    assert standin.counters.refusals[code] == before + 1


@pytest.mark.parametrize("skew_s", [-400.0, 400.0])
def test_a_clock_five_minutes_off_is_refused(
    standin: StandIn, cloud: tinytuya.Cloud, skew_s: float
) -> None:
    standin.clock.skew_s = skew_s * 0.7
    assert ask(cloud, TV)["success"] is True
    standin.clock.skew_s = skew_s
    reply = ask(cloud, TV)
    assert reply["code"] == 1013
    assert abs(reply["t"] / 1000 - time.time() - skew_s) < 30


def test_the_old_signature_scheme_is_refused(connect: Connect) -> None:
    assert connect(new_sign_algorithm=False).token is None


def test_posts_are_signed_over_their_body(cloud: tinytuya.Cloud) -> None:
    reply = cloud.cloudrequest("/v1.0/nowhere", post={"a": ["ü", 1]}, query={"b": "c d=,"})
    assert reply["code"] == 1108


def test_a_query_out_of_order_is_refused(cloud: tinytuya.Cloud) -> None:
    window = f"end_time={NOW_MS}&start_time={NOW_MS - HOUR_MS}&type=7"
    backwards = "&".join(reversed(window.split("&")))
    path = f"/v1.0/devices/{TV}/logs"
    assert cloud.cloudrequest(path, query=window)["success"] is True
    assert cloud.cloudrequest(path, query=backwards)["code"] == 1004


def raw(standin: StandIn, path: str, nonce: str = "", token: str = "") -> dict[str, Any]:
    """A request signed by hand, as Tuya's documentation says."""
    stamp = str(int(time.time() * 1000))
    text = f"GET\n{hashlib.sha256(b'').hexdigest()}\n\n{path}"
    payload = f"{standin.access_id}{token}{stamp}{nonce}{text}".encode()
    sign = hmac.new(standin.access_secret.encode(), payload, hashlib.sha256).hexdigest().upper()
    headers = {"client_id": standin.access_id, "sign": sign, "t": stamp, "access_token": token}
    headers |= {"nonce": nonce} if nonce else {}
    reply = requests.get(standin.endpoint + path, headers=headers, timeout=5)
    assert reply.status_code == 200
    return reply.json()


def test_a_nonce_is_part_of_the_signature(standin: StandIn) -> None:
    assert raw(standin, "/v1.0/token?grant_type=1", nonce="abc")["success"] is True


def test_the_token_is_shared_and_its_life_shrinks(standin: StandIn) -> None:
    first = raw(standin, "/v1.0/token?grant_type=1")["result"]
    standin.clock.skew_s = 100
    second = raw(standin, "/v1.0/token?grant_type=1")["result"]
    assert second["access_token"] == first["access_token"] and first["expire_time"] >= 7199
    assert 90 <= first["expire_time"] - second["expire_time"] <= 110
    assert len(first["access_token"]) == len(first["refresh_token"]) == 32


def test_a_refresh_token_works_once_and_kills_the_old_token(standin: StandIn) -> None:
    first = raw(standin, "/v1.0/token?grant_type=1")["result"]
    path = f"/v1.0/token/{first['refresh_token']}"
    second = raw(standin, path)["result"]
    assert raw(standin, path)["msg"] == "token invalid"
    device = f"/v1.0/devices/{TV}"
    assert raw(standin, device, token=first["access_token"])["code"] == 1010
    assert raw(standin, device, token=second["access_token"])["success"] is True
    assert raw(standin, device)["code"] == 1002


def test_both_texts_of_an_ended_token_occur(standin: StandIn, cloud: tinytuya.Cloud) -> None:
    standin.tokens.expire()
    assert ask(cloud, TV) | {"t": 0, "tid": ""} == {
        **{"code": 1010, "msg": "token is expired", "success": False},
        **{"t": 0, "tid": ""},
    }
    assert ask(cloud, TV)["msg"] == "token is expired"  # the client never renews on this text
    cloud = client(standin)
    standin.tokens.rotate()
    plain = {"type": "7", "start_time": NOW_MS - HOUR_MS, "end_time": NOW_MS}
    old = cloud.token
    assert cloud.cloudrequest(f"/v1.0/devices/{TV}/logs", query=plain)["success"] is True
    assert cloud.token != old  # renewed on "token invalid"


def test_the_clients_repeat_after_a_renewal_is_signed_wrongly(
    standin: StandIn, cloud: tinytuya.Cloud
) -> None:
    standin.tokens.rotate()
    assert ask(cloud, TV, type="7,8")["code"] == 1004


# ---- Devices -----------------------------------------------------------------------------


def test_device_lists_never_exceed_the_page(cloud: tinytuya.Cloud) -> None:
    for path, size, part in (
        ("/v1.0/iot-01/associated-users/devices", "size", "devices"),
        ("/v1.3/iot-03/devices", "page_size", "list"),
    ):
        query: dict[str, Any] = {size: 3}
        ids, more = [], True
        while more:
            result = cloud.cloudrequest(path, query=query)["result"]
            assert len(result[part]) <= 3 and result["total"] == 10
            ids += [device["id"] for device in result[part]]
            more, query["last_row_key"] = result["has_more"], result["last_row_key"]
        assert ids == [device.id for device in HOUSE.devices()]
        assert cloud.cloudrequest(path, query={"last_row_key": "bm8="})["code"] == 1109


@pytest.mark.parametrize("anchor", [{}, {"apiDeviceID": FRIDGE}])
def test_the_clients_device_list_is_complete(connect: Connect, anchor: dict[str, str]) -> None:
    found = connect(**anchor).getdevices(include_map=True)
    assert [device["name"] for device in found] == [device.name for device in HOUSE.devices()]
    assert found[0]["mapping"]["19"]["values"]["scale"] == 1
    assert len(found[0]["uuid"]) == 16 and found[0]["mac"].startswith("02")


def test_personal_fields_are_there_to_be_left_out(cloud: tinytuya.Cloud) -> None:
    listed = cloud.getdevices(verbose=True)["result"][0]
    held = tuple(listed[name] for name in ("local_key", "ip", "lat", "lon", "uid"))
    assert held == FAKE_MARKERS
    assert len(listed["local_key"]) == 16


def test_status_is_typed_and_of_the_moment(standin: StandIn, cloud: tinytuya.Cloud) -> None:
    status = {item["code"]: item["value"] for item in cloud.getstatus(FRIDGE)["result"]}
    newest = {
        row["code"]: row["value"]
        for row in expected(FRIDGE, NOW_MS - DAY_MS, NOW_MS)[::-1]
        if "code" in row
    }
    assert status["switch_1"] is True and status["relay_status"] == "power_off"
    assert status["cur_voltage"] == int(newest["cur_voltage"])
    shadow = cloud.cloudrequest(f"/v2.0/cloud/thing/{FRIDGE}/shadow/properties")["result"]
    power = next(item for item in shadow["properties"] if item["code"] == "cur_power")
    assert power["value"] == status["cur_power"] and power["dp_id"] == 19
    assert NOW_MS - 2 * HOUR_MS < power["time"] <= NOW_MS
    assert cloud.getconnectstatus(FRIDGE) is True
    standin.clock.move_to(datetime(2026, 4, 16, 22, 30, tzinfo=UTC))
    assert cloud.getconnectstatus(FRIDGE) is False


def test_specifications_come_with_and_without_data_point_ids(cloud: tinytuya.Cloud) -> None:
    with_ids, without = cloud.getdps(FRIDGE)["result"], cloud.getproperties(FRIDGE)["result"]
    assert with_ids["category"] == without["category"] == "cz"
    assert {item["code"]: item["dp_id"] for item in with_ids["status"]}["add_ele"] == 17
    assert all(item.keys() == {"code", "type", "values"} for item in without["status"])
    assert json.loads(without["status"][3]["values"])["scale"] == 3
    assert cloud.getfunctions(FRIDGE)["result"]["functions"] == without["functions"]
    model = json.loads(cloud.cloudrequest(f"/v2.0/cloud/thing/{FRIDGE}/model")["result"]["model"])
    power = next(p for p in model["services"][0]["properties"] if p["code"] == "cur_power")
    assert power["abilityId"] == 19 and power["typeSpec"]["unit"] == "W"


@pytest.mark.parametrize(
    "path",
    [
        *("/v1.0/devices/{}", "/v1.0/devices/{}/logs", "/v1.1/devices/{}/specifications"),
        *("/v1.0/iot-03/devices/{}/status", "/v1.0/iot-03/devices/{}/functions"),
        *("/v2.0/cloud/thing/{}/model", "/v2.0/cloud/thing/{}/shadow/properties"),
        *("/v2.0/cloud/thing/{}/report-logs", "/v1.0/users/{}/devices"),
    ],
)
def test_an_unknown_device_is_refused(cloud: tinytuya.Cloud, path: str) -> None:
    assert cloud.cloudrequest(path.format("bf0000000000nobody0000"))["code"] == 1106


def test_an_unknown_path_is_refused(cloud: tinytuya.Cloud) -> None:
    assert cloud.cloudrequest("/v9.9/devices")["code"] == 1108
    assert UID not in str(cloud.cloudrequest("/v1.0/users/devices"))


# ---- Faults ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(set(REFUSALS) - {"token_invalid"}))
def test_refusals_on_demand_reach_the_client(
    standin: StandIn, cloud: tinytuya.Cloud, kind: str
) -> None:
    standin.faults.add(Fault(kind, path="/logs"))
    reply = ask(cloud, TV)
    assert (reply["code"], reply["msg"]) == (REFUSALS[kind].code, REFUSALS[kind].msg)
    assert reply["success"] is False and "result" not in reply and len(reply["tid"]) == 32
    assert ask(cloud, TV)["success"] is True


def test_the_codes_of_refusals_are_the_clouds() -> None:
    codes = {kind: refusal.code for kind, refusal in REFUSALS.items()}
    assert codes["token_invalid"] == codes["token_expired"] == 1010
    assert (codes["subscription_expired"], codes["quota"]) == (28841002, 28841004)
    assert (codes["unauthorised"], codes["suspended"]) == (28841105, 28841107)
    assert (codes["too_frequent"], codes["system_error"]) == (40000309, 500)


def test_token_invalid_on_demand_makes_the_client_renew(
    standin: StandIn, cloud: tinytuya.Cloud
) -> None:
    tokens = standin.counters.requests["/v1.0/token"]
    fault = standin.faults.add(Fault("token_invalid", path="/logs", times=2))
    assert ask(cloud, TV, type="7") is None  # the client gives up after the second
    assert fault.done == 2 and standin.counters.requests["/v1.0/token"] == tokens + 1


@pytest.mark.parametrize("kind", ["html_502", "empty_body"])
def test_answers_that_are_no_json(standin: StandIn, cloud: tinytuya.Cloud, kind: str) -> None:
    standin.faults.add(Fault(kind))
    assert ask(cloud, TV)["Err"] == "909"


def test_a_null_result(standin: StandIn, cloud: tinytuya.Cloud) -> None:
    standin.faults.add(Fault("result_null"))
    reply = ask(cloud, TV)
    assert reply["success"] is True and reply["result"] is None


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("drop_connection", requests.exceptions.ConnectionError),
        ("cut_body", requests.exceptions.ChunkedEncodingError),
    ],
)
def test_cut_connections_raise(
    standin: StandIn, cloud: tinytuya.Cloud, kind: str, error: type[Exception]
) -> None:
    standin.faults.add(Fault(kind))
    with pytest.raises(error):
        ask(cloud, TV)
    assert ask(cloud, TV)["success"] is True


def test_a_hang_lasts_until_the_client_gives_up_or_the_server_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with StandIn(HOUSE, now=NOW) as own:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(own.ca_bundle))
        own.faults.add(Fault("hang", path="/v1.0/devices"))
        with pytest.raises(requests.exceptions.ReadTimeout):
            requests.get(f"{own.endpoint}/v1.0/devices/x", timeout=0.2)
        began = time.monotonic()
    assert time.monotonic() - began < 0.8


@pytest.mark.parametrize("kind", ["short_page", "empty_page"])
def test_short_and_empty_pages_lose_nothing(
    standin: StandIn, cloud: tinytuya.Cloud, kind: str
) -> None:
    standin.faults.add(Fault(kind, after=1, times=2))
    reply = cloud.getdevicelog(FRIDGE, start=NOW_MS - DAY_MS, end=NOW_MS)
    whole = expected(FRIDGE, NOW_MS - DAY_MS, NOW_MS)
    assert reply["result"]["logs"] == whole
    assert reply["fetches"] > -(-len(whole) // 100)


def test_pages_without_a_usable_cursor(standin: StandIn, cloud: tinytuya.Cloud) -> None:
    standin.faults.add(Fault("no_row_key"))
    broken = ask(cloud, FRIDGE)["result"]
    assert broken["has_next"] is True and "next_row_key" not in broken
    standin.faults.add(Fault("repeated_key", times=None))
    first = ask(cloud, FRIDGE)["result"]
    again = ask(cloud, FRIDGE, start_row_key=first["next_row_key"])["result"]
    assert again == first and first["has_next"] is True


def test_rows_that_come_twice_reversed_or_disfigured(
    standin: StandIn, cloud: tinytuya.Cloud
) -> None:
    clean = ask(cloud, FRIDGE)["result"]["logs"]
    for kind in ("duplicate_rows", "ascending", "extra_fields", "odd_value"):
        standin.faults.add(Fault(kind))
    doubled = ask(cloud, FRIDGE)["result"]["logs"]
    assert doubled == clean[:2] + clean[:98]
    assert ask(cloud, FRIDGE)["result"]["logs"] == clean[::-1]
    assert ask(cloud, FRIDGE)["result"]["logs"][5]["trace"] == {"unheard": "of"}
    assert isinstance(ask(cloud, FRIDGE)["result"]["logs"][0]["value"], dict)


def test_a_fault_may_be_for_one_device_and_for_later(
    standin: StandIn, cloud: tinytuya.Cloud
) -> None:
    fault = standin.faults.add(Fault("permission_denied", device=TV, after=1, times=None))
    assert ask(cloud, TV)["success"] is True
    assert [ask(cloud, TV)["code"] for _ in range(2)] == [1106, 1106]
    assert ask(cloud, COMPUTER)["success"] is True
    assert (fault.seen, fault.done) == (3, 2)


def test_the_client_hides_a_failed_page_which_is_why_it_is_not_trusted(
    standin: StandIn, cloud: tinytuya.Cloud
) -> None:
    standin.faults.add(Fault("quota", path="/logs", after=2))
    reply = cloud.getdevicelog(FRIDGE, start=NOW_MS - DAY_MS, end=NOW_MS)
    assert reply["success"] is True and reply["result"]["has_next"] is False
    assert len(reply["result"]["logs"]) == 200


def test_token_requests_fail_only_when_named(standin: StandIn, connect: Connect) -> None:
    standin.faults.add(Fault("system_error"))
    assert connect().token
    standin.faults.add(Fault("system_error", path="/v1.0/token"))
    assert connect().token is None


def test_an_unknown_kind_of_fault_is_an_error() -> None:
    with pytest.raises(ConfigError, match="duplicate_rows"):
        Fault("earthquake")
    assert len(KINDS) >= 25


# ---- Beginning and end -------------------------------------------------------------------


def test_it_leaves_neither_thread_nor_port_nor_file() -> None:
    threads = threading.active_count()
    began = time.monotonic()
    with StandIn(HOUSE, now=NOW) as own:
        port, bundle = int(own.endpoint.rsplit(":", 1)[1]), own.ca_bundle
        assert (
            requests.get(f"{own.endpoint}/", verify=str(bundle), timeout=5).json()["code"] == 1005
        )
    assert time.monotonic() - began < 1.5
    assert threading.active_count() == threads and not bundle.exists()
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port), 1):
        pass


def test_a_port_in_use_is_an_error() -> None:
    with StandIn(HOUSE, now=NOW) as own, pytest.raises(ConfigError, match="port"):
        StandIn(HOUSE, now=NOW, port=int(own.endpoint.rsplit(":", 1)[1])).__enter__()


def test_a_clock_without_a_zone_is_an_error() -> None:
    with pytest.raises(ConfigError):
        StandIn(HOUSE, now=datetime(2026, 4, 22))  # noqa: DTZ001


def test_the_command_prints_what_a_client_needs() -> None:
    command = [sys.executable, "-m", "lib.demo", "--now", "2026-04-02T00:00:00Z"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        lines = [next(process.stdout) for _ in range(7)]
        pairs = (line.split()[1].split("=", 1) for line in lines if line.startswith("export "))
        settings = dict(pairs)
        assert "SIMULATED" in lines[0] and "2026-04-02T00:00:00Z" in lines[0]
        reply = requests.get(settings["API_ENDPOINT"], verify=settings["TUYA_CA_BUNDLE"], timeout=5)
        assert reply.json()["code"] == 1005
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 0
    assert not Path(settings["TUYA_CA_BUNDLE"]).exists()
    assert settings.keys() - os.environ.keys() >= {"TUYA_ACCESS_ID", "TUYA_ACCESS_SECRET"}
