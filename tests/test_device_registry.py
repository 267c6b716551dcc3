"""The device registry: dated lists and specifications, without keys, addresses or places."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from lib import datapoints, registry
from lib.config import Device
from lib.credentials import Credentials
from lib.demo import catalogue
from lib.demo.catalogue import FRIDGE, SENSOR, TV
from lib.demo.faults import Fault
from lib.demo.registry import FAKE_MARKERS
from lib.demo.simulated import SimulatedHouse
from lib.demo.standin import StandIn
from lib.errors import ConfigError, SourceRejected, SourceUnavailable
from lib.paths import Paths
from lib.tuya import TuyaCloud
from tests.scripted import by_path, scripted

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


Listed = dict[str, str | None]  # ids and names, as a list of the cloud has them


@pytest.fixture
def listed() -> Listed:
    return {"plug01": "Geladeira", "plug02": "TV"}


@pytest.fixture
def house(tmp_path: Path, listed: Listed) -> Iterator[TuyaCloud]:
    """A cloud whose list is what the test makes of `listed`; it knows no specification."""

    def answer(path: str) -> Any:
        devices = [{"id": own, "name": name, "category": "cz"} for own, name in listed.items()]
        return {"devices": devices} if LIST in path else {"status": []}

    with scripted(tmp_path, by_path(answer)) as cloud:
        yield cloud


@pytest.mark.parametrize("left", [["plug02"], ["plug01", "plug02"]])
def test_a_device_that_left_the_list_is_still_asked_for_and_named_once_a_day(
    store: Paths, house: TuyaCloud, listed: Listed, left: list[str]
) -> None:
    names = dict(listed)
    assert registry.refresh(store, house, (), now=NOW) == []
    for own in left:
        del listed[own]
    (finding,) = registry.refresh(store, house, (), now=NOW + DAY)
    assert finding.name == "tcc.registry.device_left"
    assert finding.data["device_ids"] == left
    assert all(names[own] in finding.text for own in left)  # type: ignore[operator]
    assert registry.names(store) == names
    assert registry.refresh(store, house, (), now=NOW + DAY + HOUR) == []
    (again,) = registry.refresh(store, house, (), now=NOW + 2 * DAY)
    assert again.data == finding.data


def test_what_does_not_answer_repeats_no_finding_on_devices_that_left(
    store: Paths, cloud: TuyaCloud, tmp_path: Path
) -> None:
    """While a specification is missing the cloud is asked each hour; the finding comes once."""
    with scripted(tmp_path, by_path(gone_at_500)) as house:
        registry.refresh(store, cloud, (Device(id=TV, name="Sala"),), now=NOW)
        told = [
            [f.name for f in registry.refresh(store, house, (), now=NOW + DAY + hour * HOUR)]
            for hour in range(3)
        ]
    left, refused = "tcc.registry.device_left", "tcc.registry.refused"
    assert told == [[left, refused], [refused], [refused]]


def gone_at_500(path: str) -> Any:
    return {"devices": []} if LIST in path else 500


def test_a_device_that_came_back_is_found_no_longer(
    store: Paths, house: TuyaCloud, listed: Listed
) -> None:
    registry.refresh(store, house, (), now=NOW)
    name = listed.pop("plug02")
    registry.refresh(store, house, (), now=NOW + DAY)
    listed["plug02"] = name
    assert registry.refresh(store, house, (), now=NOW + 2 * DAY) == []
    assert list(registry.names(store)) == ["plug01", "plug02"]


def test_a_named_device_keeps_what_was_known_of_it_when_it_leaves(
    store: Paths, house: TuyaCloud, listed: Listed
) -> None:
    wanted = (Device(id="plug01", name="Sala"), Device(id="never-listed", name="Nova"))
    assert registry.refresh(store, house, wanted, now=NOW) == []
    before = registry.known(store)
    listed.clear()
    (finding,) = registry.refresh(store, house, wanted, now=NOW + DAY)
    assert finding.data["device_ids"] == ["plug01"]
    assert registry.known(store) == before and before[0]["category"] == "cz"


@pytest.mark.parametrize(
    "odd", ["../../evil", "a b", "x", "", "-x", "_registry", "devices", "journal.jsonl", "a" * 65]
)
def test_a_listed_id_that_names_no_folder_is_a_finding(
    store: Paths, house: TuyaCloud, listed: Listed, odd: str
) -> None:
    listed[odd] = "Estranho"
    findings = registry.refresh(store, house, (), now=NOW)
    assert [f.name for f in findings] == ["tcc.registry.odd_id"] * bool(odd)
    assert list(registry.names(store)) == ["plug01", "plug02"]
    assert not list(store.data.parent.rglob("*evil*"))
    assert registry.refresh(store, house, (), now=NOW + HOUR) == []


def test_an_archived_list_that_is_broken_is_an_error_with_its_name(
    store: Paths, house: TuyaCloud
) -> None:
    registry.refresh(store, house, (), now=NOW)
    (file,) = (store.registry / "devices").iterdir()
    file.write_text("[{")
    with pytest.raises(ConfigError, match=file.name):
        registry.known(store)


def test_a_malformed_specification_is_archived_and_read_without_what_is_odd(
    store: Paths, tmp_path: Path
) -> None:
    odd = {"functions": None, "status": [None, {"code": "switch_1", "type": "Boolean"}]}

    def answer(path: str) -> Any:
        return {"devices": [{"id": "plug01"}]} if LIST in path else odd

    with scripted(tmp_path, by_path(answer)) as cloud:
        assert registry.refresh(store, cloud, (), now=NOW) == []
    assert [s.spec.code for s in registry.specifications(store)] == ["switch_1"]


# ---- What a specification says -----------------------------------------------------------


def item(values: Any, code: Any = "add_ele", kind: Any = "Integer") -> dict[str, Any]:
    return {"code": code, "type": kind, "values": values}


@pytest.mark.parametrize(
    "odd",
    [
        {"functions": None},
        {"status": None},
        {"status": {"code": "add_ele"}},
        {"status": "add_ele"},
        {"status": [None, 1, "x", [], {}]},
        {"status": [item("{}", code=None), item("{}", code=["x"]), item("{}", code="")]},
        {"status": [item("[" * 100_000)]},
        {"status": [item(v) for v in (None, 7, "7", "[]", [], "", "{", '"x"')]},
        [],
        None,
        "x",
    ],
)
def test_what_cannot_be_read_of_a_specification_is_left_out(odd: Any) -> None:
    assert datapoints.code_specs(odd) == []


@pytest.mark.parametrize("scale", ["3", '"3"', "3.0", '"3.0"', '" 3 "'])
@pytest.mark.parametrize("unit", ["kwh", "kWh", "KWH", "kW·h", "kW*h", "度", " kWh "])
def test_scale_and_unit_are_understood_in_their_spellings(scale: str, unit: str) -> None:
    text = f'{{"unit": "{unit}", "scale": {scale}}}'
    (spec,) = datapoints.code_specs({"status": [item(text)]})
    assert (spec.scale, spec.unit, spec.is_number) == (3, "kWh", True)


@pytest.mark.parametrize(
    "values",
    [
        {"unit": "kwh"},
        {"unit": "kwh", "scale": None},
        {"unit": "kwh", "scale": ""},
        {"unit": "kwh", "scale": "three"},
        {"unit": "kwh", "scale": 2.5},
        {"unit": "kwh", "scale": True},
        {"unit": "kwh", "scale": float("nan")},
        {"unit": "kwh", "scale": 1e300},
        {"unit": "kwh", "scale": 10**400},
        {"unit": "kwh", "scale": [3]},
        {"scale": 3},
        {"unit": "", "scale": 3},
        {"unit": None, "scale": 3},
        {"unit": 7, "scale": 3},
        {"unit": "furlong", "scale": 3},
    ],
)
def test_a_known_number_without_a_scale_and_a_unit_is_left_to_the_typical_ones(
    values: dict[str, Any],
) -> None:
    others = [item("{}", "switch_1", "Boolean"), item({"scale": 2}, "own_code")]
    for given in (values, json.dumps(values)):
        found = datapoints.code_specs({"functions": others, "status": [item(given)]})
        assert [(s.code, s.scale, s.unit) for s in found] == [
            ("switch_1", 0, ""),
            ("own_code", 2, ""),
        ]


def test_a_usable_entry_stands_where_its_repetition_is_not() -> None:
    usable, odd = item({"unit": "kwh", "scale": 2}), item({"unit": "kwh"})
    for parts in ((usable, odd), (odd, usable)):
        (spec,) = datapoints.code_specs({"functions": [parts[0]], "status": [parts[1]]})
        assert spec.scale == 2


def test_a_number_that_has_no_unit_needs_none() -> None:
    (spec,) = datapoints.code_specs({"status": [item({"unit": "", "scale": 0}, "bright_value_v2")]})
    assert (spec.scale, spec.unit) == (0, "")


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
