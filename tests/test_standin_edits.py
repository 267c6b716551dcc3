"""Devices renamed, removed, paired again, shared or respecified, and rows that come late."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import tinytuya

from lib.demo.catalogue import FRIDGE, SENSOR, TV
from lib.demo.edits import UID
from lib.demo.house import DemoDevice, LogRow
from lib.demo.simulated import SimulatedHouse
from lib.demo.standin import StandIn
from lib.errors import ConfigError, DeviceRejected
from lib.tuya import TuyaCloud
from tests.signed import Asker

NOW = datetime(2026, 4, 22, 15, tzinfo=UTC)
NOW_MS = 1_776_870_000_000
HOUR_MS = 3_600_000
START_MS = NOW_MS - 6 * HOUR_MS
HOUSE = SimulatedHouse()
NEW = "demo_0000.televisao-02"
LIST = "/v1.0/iot-01/associated-users/devices"
FACTORY = "/v1.0/devices/factory-infos"
STRANGER = "eu1111FAKEUID1111111"


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with StandIn(HOUSE, now=NOW) as stand_in:
        yield stand_in


@pytest.fixture
def standin(server: StandIn) -> StandIn:
    server.edits.clear()
    server.clock.move_to(NOW)
    return server


@pytest.fixture
def asker(standin: StandIn) -> Iterator[Asker]:
    with Asker(standin) as own:
        yield own


@pytest.fixture
def cloud(standin: StandIn) -> Iterator[TuyaCloud]:
    own = TuyaCloud(standin.credentials, pause=lambda pause_s: None)
    yield own
    own.close()


def listed(asker: Asker) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in asker.result(LIST, size=50)["devices"]}


def times_ms(rows: list[dict[str, Any]]) -> list[int]:
    return [row["event_time"] for row in rows]


def held(device: str, start_ms: int, end_ms: int) -> list[int]:
    return [row.event_time_ms for row in HOUSE.rows(device, start_ms, end_ms + 1)][::-1]


EVERYWHERE = [
    *("/v1.0/devices/{}", "/v1.0/devices/{}/logs", "/v1.1/devices/{}/specifications"),
    *("/v1.0/iot-03/devices/{}/status", "/v1.0/iot-03/devices/{}/functions"),
    *("/v2.0/cloud/thing/{}/model", "/v2.0/cloud/thing/{}/shadow/properties"),
    *("/v2.0/cloud/thing/{}/report-logs", "/v2.0/cloud/thing/{}/logs"),
    *("/v2.1/cloud/thing/{}/report-logs", "/v1.0/iot-03/devices/{}/specification"),
]


def codes(asker: Asker, device: str) -> set[int]:
    """The codes of all endpoints of a device; 0 is success."""
    query = {"type": "7", "codes": "cur_power", "start_time": START_MS, "end_time": NOW_MS}
    return {asker.ask(path.format(device), **query).get("code", 0) for path in EVERYWHERE}


def test_a_renamed_device_has_its_new_name_everywhere(standin: StandIn, asker: Asker) -> None:
    before = listed(asker)
    standin.edits.rename(TV, "Televisão da sala")
    after = listed(asker)
    assert list(after) == list(before)
    assert after[TV] == before[TV] | {"name": "Televisão da sala"}
    assert asker.result(f"/v1.0/devices/{TV}")["name"] == "Televisão da sala"
    assert standin.house.devices() == HOUSE.devices()  # the house itself is as it was
    standin.edits.clear()
    assert listed(asker) == before


def test_a_removed_device_is_neither_listed_nor_read(
    standin: StandIn, asker: Asker, cloud: TuyaCloud
) -> None:
    assert codes(asker, TV) == {0}
    standin.edits.remove(TV)
    assert TV not in listed(asker) and len(listed(asker)) == 9
    assert asker.result(FACTORY, device_ids=f"{TV},{FRIDGE}")[0]["id"] == FRIDGE
    assert codes(asker, TV) == {1106} and codes(asker, FRIDGE) == {0}
    assert [one["id"] for one in cloud.devices()] == list(listed(asker))
    with pytest.raises(DeviceRejected):
        list(cloud.log_pages(TV, START_MS, NOW_MS))


def test_a_device_paired_again_is_the_same_hardware_under_a_new_id(
    standin: StandIn, asker: Asker
) -> None:
    old = listed(asker)[TV]
    address = asker.result(FACTORY, device_ids=TV)[0]
    standin.edits.repair(TV, NEW)
    standin.clock.move_to(NOW + timedelta(hours=3))
    devices = listed(asker)
    assert TV not in devices and list(devices).index(NEW) == 2
    new = devices[NEW]
    same = ("uuid", "name", "product_id", "create_time", "uid")
    assert [new[name] for name in same] == [old[name] for name in same]
    assert new["active_time"] == NOW_MS // 1000 > old["active_time"]
    assert asker.result(FACTORY, device_ids=f"{TV},{NEW}") == [address | {"id": NEW}]
    assert codes(asker, TV) == {1106} and codes(asker, NEW) == {0}


def test_rows_belong_to_the_id_that_the_hardware_had(standin: StandIn, asker: Asker) -> None:
    later_ms = NOW_MS + 3 * HOUR_MS
    standin.edits.repair(TV, NEW)
    assert asker.logs(NEW, START_MS, NOW_MS - 1) == []
    assert asker.result(f"/v1.0/devices/{NEW}")["online"] is False
    standin.clock.move_to(NOW + timedelta(hours=3))
    found = times_ms(asker.logs(NEW, START_MS, later_ms))
    assert found == held(TV, NOW_MS, later_ms) and len(found) == 30
    again = times_ms(asker.logs(NEW, START_MS, later_ms, size=7))  # cursors name the new id
    assert again == found
    status = {one["code"]: one["value"] for one in asker.result(f"/v1.0/devices/{NEW}")["status"]}
    newest = next(
        row for row in reversed(HOUSE.rows(TV, NOW_MS, later_ms)) if row.code == "cur_power"
    )
    assert status["cur_power"] == int(newest.value or "")
    standin.edits.repair(NEW, "third")
    assert asker.logs("third", START_MS, later_ms - 1) == [] and codes(asker, NEW) == {1106}


def test_a_shared_device_belongs_to_another_account(standin: StandIn, asker: Asker) -> None:
    standin.edits.share(TV, STRANGER)
    devices = listed(asker)
    assert (devices[TV]["uid"], devices[FRIDGE]["uid"]) == (STRANGER, UID)
    assert devices[TV]["owner_id"] != devices[FRIDGE]["owner_id"] == "10000001"
    assert devices[TV]["owner_id"].isdigit() and len(devices[TV]["owner_id"]) == 8
    for uid, count in ((STRANGER, 1), (UID, 9)):
        assert len(asker.result(f"/v1.0/users/{uid}/devices")) == count
        query = {"source_id": uid, "source_type": "tuyaUser", "page_size": 50}
        assert asker.result("/v1.3/iot-03/devices", **query)["total"] == count
    assert asker.ask("/v1.0/users/nobody/devices")["code"] == 1106
    assert codes(asker, TV) == {0}


def test_tinytuyas_own_list_finds_shared_devices_too(
    standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Here(tinytuya.Cloud):
        def setregion(self, apiRegion: str | None = None) -> None:  # noqa: N803
            super().setregion(apiRegion)
            self.urlhost = standin.endpoint.removeprefix("https://")

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(standin.ca_bundle))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    standin.edits.share(TV, STRANGER)
    standin.edits.repair(FRIDGE, NEW)
    keys = {"apiKey": standin.access_id, "apiSecret": standin.access_secret}
    found = Here(apiRegion="us", **keys).getdevices()
    assert {one["id"] for one in found} == {one.id for one in standin.edits.devices()}
    assert len(found) == 10 and {one["mac"][:2] for one in found} == {"02"}


def test_a_new_scale_counts_from_now_on(standin: StandIn, asker: Asker, cloud: TuyaCloud) -> None:
    standin.edits.respecify(TV, "cur_power", scale=2)
    standin.clock.move_to(NOW + timedelta(hours=3))
    later_ms = NOW_MS + 3 * HOUR_MS
    whole = HOUSE.rows(TV, START_MS, later_ms + 1)[::-1]
    factor = [10 if r.event_time_ms >= NOW_MS and r.code == "cur_power" else 1 for r in whole]
    found = asker.logs(TV, START_MS, later_ms)
    assert [row.get("value") for row in found] == [
        row.value if times == 1 else str(int(row.value or "") * times)
        for row, times in zip(whole, factor, strict=True)
    ]
    assert factor.count(10) == 9
    newest = next(row["value"] for row in found if row.get("code") == "cur_power")
    status = {one["code"]: one["value"] for one in asker.result(f"/v1.0/devices/{TV}")["status"]}
    assert status["cur_power"] == int(newest)
    assert scale_of(cloud.specification(TV)) == {"scale": 2, "unit": "W"}
    assert scale_of(cloud.specification(FRIDGE)) == {"scale": 1, "unit": "W"}


def scale_of(specification: dict[str, Any], code: str = "cur_power") -> dict[str, Any]:
    item = next(one for one in specification["status"] if one["code"] == code)
    values = json.loads(item["values"])
    return {name: values[name] for name in ("scale", "unit")}


def test_a_new_unit_and_a_mere_label_leave_the_rows_alone(standin: StandIn, asker: Asker) -> None:
    before = asker.logs(TV, START_MS, NOW_MS)
    standin.edits.respecify(TV, "add_ele", unit="Wh")
    standin.edits.respecify(TV, "cur_power", scale=0, values=False)
    spec = asker.result(f"/v1.0/iot-03/devices/{TV}/specification")
    assert scale_of(spec, "add_ele") == {"scale": 3, "unit": "Wh"}
    assert scale_of(spec) == {"scale": 0, "unit": "W"}
    model = json.loads(asker.result(f"/v2.0/cloud/thing/{TV}/model")["model"])
    power = next(p for p in model["services"][0]["properties"] if p["code"] == "cur_power")
    assert power["typeSpec"]["scale"] == 0
    assert asker.logs(TV, START_MS, NOW_MS) == before


def test_late_rows_come_when_their_time_has_come(standin: StandIn, asker: Asker) -> None:
    hour = timedelta(hours=1)
    whole = times_ms(asker.logs(SENSOR, START_MS, NOW_MS))
    standin.edits.late(SENSOR, NOW - 3 * hour, NOW - hour, NOW + 2 * hour)
    spell = range(NOW_MS - 3 * HOUR_MS, NOW_MS - HOUR_MS)
    early = times_ms(asker.logs(SENSOR, START_MS, NOW_MS))
    assert early == [ms for ms in whole if ms not in spell] and len(whole) - len(early) > 3
    standin.clock.move_to(NOW + 2 * hour - timedelta(milliseconds=1))
    assert times_ms(asker.logs(SENSOR, START_MS, NOW_MS)) == early
    standin.clock.move_to(NOW + 2 * hour)
    assert times_ms(asker.logs(SENSOR, START_MS, NOW_MS)) == whole
    standin.clock.move_to(NOW)
    assert times_ms(asker.logs(SENSOR, START_MS, NOW_MS)) == early


def test_late_rows_are_no_sign_of_life_either(standin: StandIn, asker: Asker) -> None:
    clean = asker.result(f"/v1.0/devices/{SENSOR}")
    standin.edits.late(
        SENSOR, NOW - timedelta(days=9), NOW + timedelta(days=1), NOW + timedelta(days=1)
    )
    silent = asker.result(f"/v1.0/devices/{SENSOR}")
    assert (clean["online"], silent["online"]) == (True, False)
    assert silent["update_time"] < clean["update_time"]
    assert asker.logs(SENSOR, START_MS, NOW_MS) == []


def test_edits_add_up(standin: StandIn, asker: Asker) -> None:
    standin.edits.late(TV, NOW, NOW + timedelta(hours=1), NOW + timedelta(hours=2))
    standin.edits.rename(TV, "Outra")
    standin.edits.share(TV, STRANGER)
    standin.edits.respecify(TV, "cur_power", scale=0)
    standin.edits.repair(TV, NEW)
    standin.clock.move_to(NOW + timedelta(minutes=90))
    device = listed(asker)[NEW]
    assert (device["name"], device["uid"]) == ("Outra", STRANGER)
    end_ms = NOW_MS + 90 * 60_000
    found = asker.logs(NEW, START_MS, end_ms)
    assert times_ms(found) == held(TV, NOW_MS + HOUR_MS, end_ms) != []
    row = next(one for one in found if one.get("code") == "cur_power")
    raw = next(one for one in reversed(HOUSE.rows(TV, NOW_MS, end_ms)) if one.code == "cur_power")
    assert row["value"] == str(round(int(raw.value or "") / 10))


def test_what_cannot_be_done_is_an_error(standin: StandIn) -> None:
    edits = standin.edits
    edits.remove(TV)
    for wrong in (
        lambda: edits.rename(TV, "x"),
        lambda: edits.remove(TV),
        lambda: edits.repair("nobody", NEW),
        lambda: edits.repair(FRIDGE, SENSOR),
        lambda: edits.share("nobody", STRANGER),
        lambda: edits.late("nobody", NOW, NOW, NOW),
        lambda: edits.respecify(FRIDGE, "no_such_code", scale=1),
    ):
        with pytest.raises(ConfigError):
            wrong()


class Odd:
    """Any house will do: here one of a single device with an unusual id."""

    name, simulated, attribution = "odd", False, "nobody"

    def __init__(self, device_id: str) -> None:
        plug = HOUSE.devices()[0]
        self._device = DemoDevice(device_id, "Plug", *("cz", "p", "P", "M"), plug.specification)

    def devices(self) -> list[DemoDevice]:
        return [self._device]

    def rows(self, device_id: str, start_ms: int, end_ms: int) -> list[LogRow]:
        minutes = range(-(-start_ms // 60_000), -(-end_ms // 60_000))
        return [
            LogRow(minute * 60_000, 7, "cur_power", 19, str(minute % 900)) for minute in minutes
        ]


@pytest.mark.parametrize("device_id", ["a_b.c-D_9", "_", "vdevo.17_x"])
def test_ids_may_hold_dots_and_underscores(device_id: str) -> None:
    with StandIn(Odd(device_id), now=NOW) as own, Asker(own) as asker:
        assert codes(asker, device_id) == {0}
        assert list(listed(asker)) == [device_id]
        found = times_ms(asker.logs(device_id, START_MS, NOW_MS - 1))
        assert found == list(range(NOW_MS - 60_000, START_MS - 1, -60_000))
        own.edits.repair(device_id, f"{device_id}.2")
        assert list(listed(asker)) == [f"{device_id}.2"]
