"""The device registry: dated lists and specifications, without keys, addresses or places."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from lib import registry
from lib.config import Device
from lib.credentials import Credentials
from lib.demo import catalogue
from lib.demo.catalogue import FRIDGE, SENSOR, TV
from lib.demo.faults import Fault
from lib.demo.registry import FAKE_MARKERS
from lib.demo.simulated import SimulatedHouse
from lib.demo.standin import StandIn
from lib.errors import SourceRejected, SourceUnavailable
from lib.paths import Paths
from lib.tuya import TuyaCloud

NOW = datetime(2026, 4, 22, 15, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOUSE = SimulatedHouse()
LIST = "associated-users"


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with StandIn(HOUSE, now=NOW) as stand_in:
        yield stand_in


@pytest.fixture
def standin(server: StandIn) -> StandIn:
    server.faults.clear()
    server.counters.requests.clear()
    return server


@pytest.fixture
def cloud(standin: StandIn) -> Iterator[TuyaCloud]:
    access = Credentials(
        access_id=SecretStr(standin.access_id),
        access_secret=SecretStr(standin.access_secret),
        host=standin.endpoint.removeprefix("https://"),
        ca_bundle=standin.ca_bundle,
    )
    one = TuyaCloud(access, pause=lambda pause_s: None)
    yield one
    one.close()


def archived(store: Paths) -> list[str]:
    return sorted(str(f.relative_to(store.registry)) for f in store.registry.rglob("*_*.json"))


def test_the_list_and_each_specification_are_archived_with_their_date(
    store: Paths, cloud: TuyaCloud
) -> None:
    assert registry.refresh(store, cloud, (), now=NOW) == []
    ids = [device.id for device in HOUSE.devices()]
    names = [f"{device}/20260422T150000Z_specification.json" for device in ids]
    assert archived(store) == sorted([*names, "devices/20260422T150000Z_devices.json"])
    assert [device["id"] for device in registry.known(store)] == ids
    assert registry.names(store)[FRIDGE] == "Geladeira"


def test_what_is_private_of_a_device_is_not_kept(store: Paths, cloud: TuyaCloud) -> None:
    registry.refresh(store, cloud, (), now=NOW)
    text = "".join(f.read_text("utf-8") for f in store.registry.rglob("*.json"))
    assert "Geladeira" in text and not [m for m in FAKE_MARKERS if m in text]
    assert all(device.keys() <= set(registry.KEPT) for device in registry.known(store))
    assert not {"local_key", "ip", "lat", "lon", "uid", "uuid", "owner_id"} & set(registry.KEPT)


def test_scale_and_unit_are_in_force_from_the_archived_instant(
    store: Paths, cloud: TuyaCloud
) -> None:
    registry.refresh(store, cloud, (), now=NOW)
    of_tv = {s.spec.code: s for s in registry.specifications(store) if s.device_id == TV}
    power = of_tv["cur_power"]
    assert (power.valid_from, power.spec.scale, power.spec.unit) == (NOW, 1, "W")


def test_the_cloud_is_asked_once_a_day_and_nothing_unchanged_is_written(
    store: Paths, standin: StandIn, cloud: TuyaCloud
) -> None:
    registry.refresh(store, cloud, (), now=NOW)
    before, calls = archived(store), cloud.calls
    registry.refresh(store, cloud, (), now=NOW + DAY - HOUR)
    assert cloud.calls == calls
    registry.refresh(store, cloud, (), now=NOW + DAY)
    assert cloud.calls == calls + 11
    # Whether a device is online changes by itself: a new list, but no new specification.
    assert [name for name in archived(store) if "specification" in name] == [
        name for name in before if "specification" in name
    ]


def test_a_changed_specification_is_archived_beside_the_old_one(
    store: Paths, cloud: TuyaCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.refresh(store, cloud, (), now=NOW)
    tv = next(device for device in HOUSE.devices() if device.id == TV)
    other = catalogue.specification([], [catalogue.integer("cur_power", 19, "W", 80000, 2)])
    with monkeypatch.context() as patch:
        for part, items in other.items():
            patch.setitem(tv.specification, part, items)
        registry.refresh(store, cloud, (), now=NOW + DAY)
    found = [
        s for s in registry.specifications(store) if (s.device_id, s.spec.code) == (TV, "cur_power")
    ]
    assert [(s.valid_from, s.spec.scale) for s in found] == [(NOW, 1), (NOW + DAY, 2)]


def test_two_lists_of_one_instant_are_read_in_their_order(store: Paths, cloud: TuyaCloud) -> None:
    registry.refresh(store, cloud, (Device(id=TV, name="one"),), now=NOW)
    registry.refresh(
        store, cloud, (Device(id=TV, name="one"), Device(id=SENSOR, name="two")), now=NOW
    )
    assert [device["id"] for device in registry.known(store)] == [TV, SENSOR]
    assert [n for n in archived(store) if n.startswith("devices/")] == [
        "devices/20260422T150000Z_devices-2.json",
        "devices/20260422T150000Z_devices.json",
    ]


def test_only_the_devices_that_the_user_named_are_followed(store: Paths, cloud: TuyaCloud) -> None:
    wanted = (Device(id=TV, name="Sala"), Device(id="unlinked0device", name="Nova"))
    findings = registry.refresh(store, cloud, wanted, now=NOW)
    tv, new = registry.known(store)
    assert (tv["id"], tv["name"], tv["category"]) == (TV, "Sala", "cz")
    assert new == {"id": "unlinked0device", "name": "Nova"}
    (finding,) = findings
    assert finding.name == "tcc.registry.refused" and finding.data["code"] == 1106
    assert registry.names(store, [Device(id=TV, name="Quarto")])[TV] == "Quarto"


def test_a_newly_named_device_is_not_kept_waiting_for_a_day(store: Paths, cloud: TuyaCloud) -> None:
    wanted = (Device(id=TV, name="Sala"),)
    registry.refresh(store, cloud, wanted, now=NOW)
    registry.refresh(store, cloud, (*wanted, Device(id=SENSOR, name="Ar")), now=NOW + HOUR)
    assert [device["id"] for device in registry.known(store)] == [TV, SENSOR]


@pytest.mark.parametrize(
    ("kind", "error"), [("unauthorised", SourceRejected), ("html_502", SourceUnavailable)]
)
def test_a_first_run_without_any_list_raises(
    store: Paths, standin: StandIn, cloud: TuyaCloud, kind: str, error: type[Exception]
) -> None:
    standin.faults.add(Fault(kind, path=LIST, times=None))
    with pytest.raises(error):
        registry.refresh(store, cloud, (), now=NOW)
    assert not store.registry.exists()


@pytest.mark.parametrize("named", [True, False])
def test_a_list_that_does_not_answer_later_leaves_the_older_one(
    store: Paths, standin: StandIn, cloud: TuyaCloud, named: bool
) -> None:
    """Logs expire while nobody collects: what was known goes on, and the next run asks again."""
    wanted = (Device(id=TV, name="Sala"),) if named else ()
    registry.refresh(store, cloud, wanted, now=NOW)
    before = registry.known(store)
    standin.faults.add(Fault("html_502", path=LIST, times=4))
    (finding,) = registry.refresh(store, cloud, wanted, now=NOW + DAY)
    assert "lista de dispositivos" in finding.text and finding.data["terminal"] is False
    assert registry.known(store) == before
    assert registry.refresh(store, cloud, wanted, now=NOW + DAY + HOUR) == []


def test_a_specification_that_did_not_answer_is_asked_again_an_hour_later(
    store: Paths, standin: StandIn, cloud: TuyaCloud
) -> None:
    fault: dict[str, Any] = {"path": f"/v1.1/devices/{TV}", "times": 4}
    standin.faults.add(Fault("system_error", **fault))
    (finding,) = registry.refresh(store, cloud, (), now=NOW)
    assert TV in finding.text and finding.data == {"code": 500, "terminal": False}
    assert TV not in {s.device_id for s in registry.specifications(store)}
    assert registry.refresh(store, cloud, (), now=NOW + HOUR) == []
    assert TV in {s.device_id for s in registry.specifications(store)}


def test_an_empty_store_knows_nothing(store: Paths) -> None:
    assert registry.known(store) == [] and registry.names(store) == {}
    assert registry.specifications(store) == []
    assert json.dumps(registry.names(store, [Device(id=TV, name="Sala")])) == f'{{"{TV}": "Sala"}}'
