"""The device registry: dated lists and specifications, without keys, addresses or places."""

import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pandas import Series, isna

from lib import datapoints, registry, registry_lists, tables_devices
from lib.config import Device
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
    server.edits.clear()
    server.counters.requests.clear()
    return server


@pytest.fixture
def cloud(standin: StandIn) -> Iterator[TuyaCloud]:
    one = TuyaCloud(standin.credentials, pause=lambda pause_s: None)
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


def test_a_table_says_what_each_device_specifies_and_of_which_nothing_is_known(
    store: Paths, cloud: TuyaCloud
) -> None:
    registry.refresh(store, cloud, (), now=NOW)
    names = Series(registry.names(store) | {"older0000000000000001": "Forno"})
    told = tables_devices.specified(store, names)
    first = told[told["devices"] != ""]["devices"].tolist()
    assert sum("Geladeira" in line for line in first) == 1 and len(first) < len(names)
    (shared,) = (line for line in first if "Geladeira" in line)
    assert shared.endswith(": Tomada demo 10 A (cz)") and "Televisão" in shared
    assert told[told["code"] == tables_devices.UNKNOWN]["devices"].tolist() == [
        "Forno: produto desconhecido"
    ]
    start = told.index[told["devices"] == shared][0]
    own = told.iloc[start : start + 7].set_index("code")
    assert own.loc["add_ele", ["type_name", "scale", "unit", "reported_name"]].tolist() == [
        *["inteiro", 3, "kWh", "sim"]
    ]
    assert own.loc["switch_1", "type_name"] == "lógico" and isna(own.loc["switch_1", "scale"])


def test_what_is_private_of_a_device_is_not_kept(store: Paths, cloud: TuyaCloud) -> None:
    registry.refresh(store, cloud, (), now=NOW)
    text = "".join(f.read_text("utf-8") for f in store.registry.rglob("*.json"))
    assert "Geladeira" in text and not [m for m in FAKE_MARKERS if m in text]
    assert not {device["uuid"] for device in cloud.devices() if device["uuid"] in text}
    kept = {*registry_lists.KEPT, "hardware", "owner"}
    assert all(device.keys() == kept for device in registry.known(store))
    assert not {"local_key", "ip", "lat", "lon", "uid", "uuid", "owner_id"} & kept


def test_hardware_and_owner_are_kept_as_short_hashes(store: Paths, cloud: TuyaCloud) -> None:
    registry.refresh(store, cloud, (), now=NOW)
    devices = registry.known(store)
    assert {len(d["hardware"]) for d in devices} == {len(d["owner"]) for d in devices} == {16}
    assert len({d["hardware"] for d in devices}) == len(devices)
    assert len({d["owner"] for d in devices}) == 1


def test_a_list_that_was_archived_before_there_were_hashes_is_read_and_joined(
    store: Paths, cloud: TuyaCloud
) -> None:
    registry.refresh(store, cloud, (), now=NOW)
    (file,) = (store.registry / "devices").iterdir()
    devices = json.loads(file.read_text("utf-8"))
    for device in devices:
        del device["hardware"], device["owner"]
    file.write_text(json.dumps(devices), "utf-8")
    assert len(registry.known(store)) == len(devices) == len(registry.names(store))
    assert registry.refresh(store, cloud, (), now=NOW + DAY) == []
    assert all("hardware" in device for device in registry.known(store))


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
    assert (tv["id"], tv["name"], tv["category"]) == (TV, "Televisão", "cz")
    assert new == {"id": "unlinked0device", "unlisted": True}
    (finding,) = findings
    assert finding.name == "tcc.registry.refused" and finding.data["code"] == 1106
    names = registry.names(store, wanted)
    assert (names[TV], names["unlinked0device"]) == ("Sala", "Nova")
    assert registry.asked(store, wanted, NOW) == [TV, "unlinked0device"]
    assert len([name for name in archived(store) if "specification" in name]) == 1


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
def test_a_device_that_left_the_list_is_named_once_and_asked_for_7_days(
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
    for later in (DAY + HOUR, 2 * DAY, 9 * DAY):
        assert registry.refresh(store, house, (), now=NOW + later) == []
    assert registry.names(store) == names
    assert registry.asked(store, (), NOW + 8 * DAY - HOUR) == ["plug01", "plug02"]
    assert registry.asked(store, (), NOW + 8 * DAY) == sorted(names.keys() - left)


def test_a_device_that_left_is_asked_for_where_the_user_names_it(
    store: Paths, house: TuyaCloud, listed: Listed
) -> None:
    registry.refresh(store, house, (), now=NOW)
    del listed["plug02"]
    registry.refresh(store, house, (), now=NOW + DAY)
    named = (Device(id="plug02", name="Sala"), Device(id="plug01", name="Cozinha"))
    assert registry.asked(store, named, NOW + 30 * DAY) == ["plug02", "plug01"]
    assert registry.asked(store, (), NOW + 30 * DAY) == ["plug01"]


def test_what_does_not_answer_repeats_no_finding_on_devices_that_left(
    store: Paths, house: TuyaCloud, listed: Listed, tmp_path: Path
) -> None:
    """While a specification is missing the cloud is asked each hour; the finding comes once."""
    registry.refresh(store, house, (), now=NOW)
    folder = tmp_path / "other"
    folder.mkdir()
    with scripted(folder, by_path(one_left_at_500)) as other:
        told = [
            [f.name for f in registry.refresh(store, other, (), now=NOW + DAY + hour * HOUR)]
            for hour in range(3)
        ]
    left, refused = "tcc.registry.device_left", "tcc.registry.refused"
    assert told == [[left, refused], [refused], [refused]]


def one_left_at_500(path: str) -> Any:
    return {"devices": [{"id": "plug01", "name": "Geladeira"}]} if LIST in path else 500


def test_a_device_that_came_back_is_told_once_and_asked_again(
    store: Paths, house: TuyaCloud, listed: Listed
) -> None:
    registry.refresh(store, house, (), now=NOW)
    name = listed.pop("plug02")
    registry.refresh(store, house, (), now=NOW + DAY)
    listed["plug02"] = name
    (finding,) = registry.refresh(store, house, (), now=NOW + 20 * DAY)
    assert (finding.name, finding.data) == (
        "tcc.registry.device_back",
        {"device_ids": ["plug02"]},
    )
    assert registry.refresh(store, house, (), now=NOW + 21 * DAY) == []
    assert registry.asked(store, (), NOW + 21 * DAY) == ["plug01", "plug02"]


def test_a_named_device_keeps_what_was_known_of_it_when_it_leaves(
    store: Paths, house: TuyaCloud, listed: Listed
) -> None:
    wanted = (Device(id="plug01", name="Sala"), Device(id="never-listed", name="Nova"))
    assert registry.refresh(store, house, wanted, now=NOW) == []
    before = registry.known(store)
    listed.clear()
    (finding,) = registry.refresh(store, house, wanted, now=NOW + DAY)
    assert finding.data["device_ids"] == ["plug01"]
    left, unlisted = registry.known(store)
    assert left == before[0] | {"left": "2026-04-23T15:00:00Z"} and left["category"] == "cz"
    assert unlisted == before[1]
    assert registry.asked(store, wanted, NOW + 30 * DAY) == ["plug01", "never-listed"]


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


# ---- What happens to a device, told once --------------------------------------------------


def told(
    store: Paths, cloud: TuyaCloud, now: datetime, wanted: tuple[Device, ...] = ()
) -> list[tuple[str, dict[str, Any]]]:
    """What a refresh finds: the last word of each name, and the data."""
    findings = registry.refresh(store, cloud, wanted, now=now)
    return [(f.name.removeprefix("tcc.registry."), f.data) for f in findings]


def text_of(store: Paths, cloud: TuyaCloud, now: datetime, *wanted: Device) -> str:
    (finding,) = registry.refresh(store, cloud, wanted, now=now)
    return finding.text


@pytest.fixture
def listed_once(store: Paths, cloud: TuyaCloud) -> TuyaCloud:
    """The cloud, after the first list of its house was archived."""
    assert registry.refresh(store, cloud, (), now=NOW) == []
    return cloud


def test_a_new_device_is_told_once_and_asked_for(
    store: Paths, standin: StandIn, cloud: TuyaCloud
) -> None:
    standin.edits.remove(TV)
    assert told(store, cloud, NOW) == []
    assert TV not in registry.asked(store, (), NOW)
    standin.edits.clear()
    assert told(store, cloud, NOW + DAY) == [("device_new", {"device_ids": [TV]})]
    assert told(store, cloud, NOW + 2 * DAY) == []
    assert TV in registry.asked(store, (), NOW + 2 * DAY)
    assert "cur_power" in registry.codes(store, TV)


def test_a_new_device_that_the_user_did_not_name_is_told_once_and_not_followed(
    store: Paths, standin: StandIn, cloud: TuyaCloud
) -> None:
    wanted = (Device(id=FRIDGE, name="Geladeira"),)
    standin.edits.remove(TV)
    assert told(store, cloud, NOW, wanted) == []
    standin.edits.clear()
    text = text_of(store, cloud, NOW + DAY, *wanted)
    assert f'[[devices]]\nid = "{TV}"\nname = "Televisão"' in text
    assert told(store, cloud, NOW + 2 * DAY, wanted) == []
    assert registry.asked(store, wanted, NOW + 2 * DAY) == [FRIDGE]
    assert [device["id"] for device in registry.known(store)] == [FRIDGE]
    # As soon as it is named, or nobody is, it is asked for, its specification at once.
    assert told(store, cloud, NOW + 2 * DAY + HOUR, (*wanted, Device(id=TV, name="TV"))) == []
    assert len([name for name in archived(store) if name.startswith(TV)]) == 1


def test_config_without_devices_follows_all_at_the_next_run(store: Paths, cloud: TuyaCloud) -> None:
    registry.refresh(store, cloud, (Device(id=TV, name="Sala"),), now=NOW)
    assert [device["id"] for device in registry.known(store)] == [TV]
    assert told(store, cloud, NOW + HOUR) == []
    assert len(registry.known(store)) == len(registry.asked(store, (), NOW)) == 10


def test_a_new_name_is_told_once_and_printed(
    store: Paths, standin: StandIn, listed_once: TuyaCloud
) -> None:
    standin.edits.rename(TV, "TV do quarto")
    renamed = {"device_id": TV, "old": "Televisão", "new": "TV do quarto"}
    assert told(store, listed_once, NOW + DAY) == [("device_renamed", renamed)]
    assert told(store, listed_once, NOW + 2 * DAY) == []
    assert registry.names(store)[TV] == "TV do quarto"
    standin.edits.rename(TV, "TV nova")
    own = Device(id=TV, name="Sala")
    assert "Imprime-se Sala" in text_of(store, listed_once, NOW + 3 * DAY, own)
    assert registry.names(store, [own])[TV] == "Sala"


def test_a_removed_device_is_told_once_and_stays_known(
    store: Paths, standin: StandIn, listed_once: TuyaCloud
) -> None:
    standin.edits.remove(TV)
    assert told(store, listed_once, NOW + DAY) == [("device_left", {"device_ids": [TV]})]
    calls = listed_once.calls
    assert told(store, listed_once, NOW + 2 * DAY) == []
    assert listed_once.calls == calls + 10  # the list and nine specifications: not its own
    assert registry.names(store)[TV] == "Televisão"
    assert TV in {spec.device_id for spec in registry.specifications(store)}
    assert TV in registry.asked(store, (), NOW + 8 * DAY - HOUR)
    assert TV not in registry.asked(store, (), NOW + 8 * DAY)
    standin.edits.clear()
    assert told(store, listed_once, NOW + 9 * DAY) == [("device_back", {"device_ids": [TV]})]


def test_a_device_paired_again_is_recognised_by_its_hardware(
    store: Paths, standin: StandIn, listed_once: TuyaCloud
) -> None:
    standin.edits.repair(TV, "paired0again")
    standin.edits.rename("paired0again", "Smart Plug")
    finding, *others = registry.refresh(store, listed_once, (), now=NOW + DAY)
    assert finding.name == "tcc.registry.device_repaired" and others == []
    assert finding.data == {"old_id": TV, "new_id": "paired0again"}
    lines = tomllib.loads(finding.text[finding.text.index("[[devices]]") :])["devices"]
    names = {line["id"]: line["name"] for line in lines}
    assert names[TV] == names["paired0again"] == "Televisão"
    assert names.keys() == registry.names(store).keys() and len(names) == 11
    assert told(store, listed_once, NOW + 2 * DAY) == []
    assert {TV, "paired0again"} <= {*registry.asked(store, (), NOW + 2 * DAY)}
    assert TV not in registry.asked(store, (), NOW + 8 * DAY)


def test_a_device_paired_again_days_after_it_left_is_recognised(
    store: Paths, standin: StandIn, listed_once: TuyaCloud
) -> None:
    standin.edits.remove(TV)
    assert [name for name, _ in told(store, listed_once, NOW + DAY)] == ["device_left"]
    standin.edits.clear()
    standin.edits.repair(TV, "paired0again")
    repaired = {"old_id": TV, "new_id": "paired0again"}
    assert told(store, listed_once, NOW + 3 * DAY) == [("device_repaired", repaired)]


def test_a_named_device_is_followed_under_its_new_id(
    store: Paths, standin: StandIn, cloud: TuyaCloud
) -> None:
    """Else its logs would expire until somebody reads the finding."""
    wanted = (Device(id=FRIDGE, name="Fria"), Device(id=TV, name="Sala"))
    registry.refresh(store, cloud, wanted, now=NOW)
    standin.edits.repair(TV, "paired0again")
    text = text_of(store, cloud, NOW + DAY, *wanted)
    assert text.endswith('\n[[devices]]\nid = "paired0again"\nname = "Sala"')
    assert registry.asked(store, wanted, NOW + DAY) == [FRIDGE, TV, "paired0again"]
    assert "cur_power" in {
        spec.spec.code
        for spec in registry.specifications(store)
        if spec.device_id == "paired0again"
    }
    both = (*wanted, Device(id="paired0again", name="Sala"))
    assert told(store, cloud, NOW + DAY + HOUR, both) == []
    # Once its logs expired, the old id stands in config.toml for its name alone.
    assert registry.asked(store, both, NOW + 8 * DAY) == [FRIDGE, "paired0again"]


def test_pairing_back_and_forth_ends(
    store: Paths, standin: StandIn, listed_once: TuyaCloud
) -> None:
    standin.edits.repair(TV, "paired0again")
    registry.refresh(store, listed_once, (), now=NOW + DAY)
    standin.edits.repair("paired0again", TV)
    back = {"old_id": "paired0again", "new_id": TV}
    assert told(store, listed_once, NOW + 2 * DAY) == [("device_repaired", back)]
    assert told(store, listed_once, NOW + 3 * DAY) == []
    assert registry.asked(store, [Device(id=TV, name="TV")], NOW + 20 * DAY) == [TV]


def plug(own: str, name: str = "TV", **more: str) -> dict[str, str]:
    return {"id": own, "name": name, "product_id": "p1", **more}


@pytest.mark.parametrize(
    ("before", "after", "pairs"),
    [
        ([plug("a1")], [plug("b1")], {"b1": "a1"}),
        ([plug("a1", uuid="x")], [plug("b1")], {"b1": "a1"}),
        ([plug("a1", uuid="x")], [plug("b1", uuid="y")], {}),
        ([plug("a1", uuid="x")], [plug("b1", "Other", uuid="x")], {"b1": "a1"}),
        ([plug("a1")], [plug("b1", "Other")], {}),
        ([plug("a1")], [plug("b1") | {"product_id": "p2"}], {}),
        ([plug("a1", "")], [plug("b1", "")], {}),
        ([plug("a1"), plug("a2")], [plug("b1")], {}),
        ([plug("a1")], [plug("b1"), plug("b2")], {}),
        ([plug("a1"), plug("c1", "PC")], [plug("c1"), plug("d1", "X")], {}),
        ([plug("a1", uuid="x")], [plug("a1", uuid="x"), plug("b1", uuid="x")], {}),
    ],
)
def test_the_same_name_and_product_count_only_where_the_hardware_is_not_known(
    before: list[dict[str, str]], after: list[dict[str, str]], pairs: dict[str, str]
) -> None:
    first, second = ({d["id"]: registry_lists.kept(d) for d in one} for one in (before, after))
    found = registry_lists.joined(first, second, {}, NOW)
    assert {own: d["replaces"] for own, d in found.items() if "replaces" in d} == pairs


def test_a_device_of_another_account_is_told_once(
    store: Paths, standin: StandIn, listed_once: TuyaCloud
) -> None:
    standin.edits.share(TV, "someone-else")
    assert told(store, listed_once, NOW + DAY) == [("device_shared", {"device_ids": [TV]})]
    assert told(store, listed_once, NOW + 2 * DAY) == []
    standin.edits.share(TV, "a-third-one")
    assert told(store, listed_once, NOW + 3 * DAY) == []
    text = "".join(f.read_text("utf-8") for f in store.registry.rglob("*.json"))
    assert "someone-else" not in text and "a-third-one" not in text
    assert TV in registry.asked(store, (), NOW + 3 * DAY)


def test_a_device_of_another_account_is_told_of_the_first_list_too(
    store: Paths, standin: StandIn, cloud: TuyaCloud
) -> None:
    standin.edits.share(TV, "someone-else")
    assert told(store, cloud, NOW) == [("device_shared", {"device_ids": [TV]})]


def test_online_and_offline_are_archived_but_not_told(store: Paths, tmp_path: Path) -> None:
    online = iter((True, False, False))

    def answer(path: str) -> Any:
        return {"devices": [plug("a1") | {"online": next(online)}]} if LIST in path else {}

    with scripted(tmp_path, by_path(answer)) as cloud:
        assert [told(store, cloud, NOW + day * DAY) for day in range(3)] == [[], [], []]
    lists = [name for name in archived(store) if name.startswith("devices/")]
    assert len(lists) == 2 and registry.known(store)[0]["online"] is False


def test_another_scale_is_archived_and_left_to_the_finding_that_blocks_the_page(
    store: Paths, standin: StandIn, listed_once: TuyaCloud
) -> None:
    standin.edits.respecify(TV, "cur_power", scale=2)
    assert told(store, listed_once, NOW + DAY) == []
    (change,) = registry.changes(store)
    assert (change.before.spec.scale, change.after.spec.scale) == (1, 2)
    assert change.name == f"{TV}/cur_power@20260423T150000Z"


def test_a_unit_that_cannot_be_read_is_told_since_nothing_else_sees_it(
    store: Paths, standin: StandIn, listed_once: TuyaCloud
) -> None:
    standin.edits.respecify(TV, "cur_power", unit="furlong")
    text = text_of(store, listed_once, NOW + DAY)
    assert registry.changes(store) == [] and "cur_power: unit de W para furlong" in text
    assert told(store, listed_once, NOW + 2 * DAY) == []


def test_codes_that_are_new_gone_or_of_another_range_are_told_once(
    store: Paths, tmp_path: Path
) -> None:
    old = [
        item({"scale": 1, "unit": "W", "max": 9}, "cur_power"),
        item({}, "switch_1", "Boolean"),
        item({"scale": 3, "unit": "kwh"}),
    ]
    new = [
        item({"scale": 1, "unit": "w", "max": 99}, "cur_power"),
        item({}, "fault", "Bitmap"),
        item({"scale": 2, "unit": "kwh"}),
    ]
    days = iter((old, new, new))

    def answer(path: str) -> Any:
        return {"devices": [plug("a1")]} if LIST in path else {"status": next(days)}

    with scripted(tmp_path, by_path(answer)) as cloud:
        assert told(store, cloud, NOW) == []
        (finding,) = registry.refresh(store, cloud, (), now=NOW + DAY)
        assert told(store, cloud, NOW + 2 * DAY) == []
    assert finding.name == "tcc.registry.respecified"
    assert finding.data == {
        "device_id": "a1",
        "new": ["fault"],
        "gone": ["switch_1"],
        "changed": ["cur_power"],
    }
    assert "max de 9 para 99" in finding.text and "scale" not in finding.text
    assert [change.after.spec.code for change in registry.changes(store)] == ["add_ele"]


def test_a_run_that_dies_on_its_way_tells_the_same_again(
    store: Paths, standin: StandIn, listed_once: TuyaCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = archived(store)
    standin.edits.rename(TV, "TV do quarto")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(listed_once, "specification", interrupted)
        registry.refresh(store, listed_once, (), now=NOW + DAY)
    assert archived(store) == before
    assert [name for name, _ in told(store, listed_once, NOW + DAY)] == ["device_renamed"]


def interrupted(device_id: str) -> None:
    raise KeyboardInterrupt


def test_a_clock_that_went_back_hides_no_list(
    store: Paths, standin: StandIn, listed_once: TuyaCloud
) -> None:
    standin.edits.rename(TV, "TV do quarto")
    back = NOW - 2 * HOUR
    assert [name for name, _ in told(store, listed_once, back)] == ["device_renamed"]
    assert registry.names(store)[TV] == "TV do quarto"
    assert told(store, listed_once, back + DAY) == []


# ---- How often it is asked ----------------------------------------------------------------


def test_somebody_may_have_the_registry_asked_again_once_a_day(
    store: Paths, listed_once: TuyaCloud
) -> None:
    """A device that is refused for good would else cost a list and all specifications hourly."""
    calls = []
    for hour in (1, 2, 23, 24, 25, 26, 27):
        registry.ask_again(store)
        before = listed_once.calls
        registry.refresh(store, listed_once, (), now=NOW + hour * HOUR)
        calls.append(listed_once.calls - before)
    assert calls == [11, 0, 0, 0, 11, 0, 0]


def test_a_wish_to_ask_again_is_forgotten_once_all_was_asked(
    store: Paths, listed_once: TuyaCloud
) -> None:
    registry.ask_again(store)
    calls = [listed_once.calls]
    for hour in (1, 2, 25, 26):
        registry.refresh(store, listed_once, (), now=NOW + hour * HOUR)
        calls.append(listed_once.calls)
    assert [after - before for before, after in pairwise(calls)] == [11, 0, 11, 0]


@pytest.mark.parametrize(("kind", "calls"), [("quota", 1), ("drop_connection", 4)])
def test_what_stops_the_list_costs_no_question_for_each_device(
    store: Paths, standin: StandIn, listed_once: TuyaCloud, kind: str, calls: int
) -> None:
    standin.faults.add(Fault(kind, times=None))
    before = listed_once.calls
    found = told(store, listed_once, NOW + DAY)
    assert [name for name, _ in found] == ["refused"]
    assert listed_once.calls - before == calls
    assert len(registry.asked(store, (), NOW + DAY)) == 10


@pytest.mark.parametrize(
    ("kind", "code", "refused"),
    [("system_error", 500, 2), ("unauthorised", 28841105, 1), ("permission_denied", 1106, 10)],
)
def test_specifications_are_asked_until_it_is_clear_that_none_comes(
    store: Paths, standin: StandIn, listed_once: TuyaCloud, kind: str, code: int, refused: int
) -> None:
    standin.faults.add(Fault(kind, path="/specification", times=None))
    found = told(store, listed_once, NOW + DAY)
    terminal = kind != "system_error"
    assert found == [("refused", {"code": code, "terminal": terminal})] * refused
    standin.faults.clear()
    calls = listed_once.calls
    assert told(store, listed_once, NOW + DAY + HOUR) == []
    assert listed_once.calls - calls == (0 if terminal else 11)


def test_an_empty_list_tells_what_to_do_until_there_is_a_device(
    store: Paths, house: TuyaCloud, listed: Listed
) -> None:
    listed.clear()
    (finding,) = registry.refresh(store, house, (), now=NOW)
    assert finding.name == "tcc.registry.no_device" and "Link App Account" in finding.text
    calls = house.calls
    assert [name for name, _ in told(store, house, NOW + HOUR)] == ["no_device"]
    assert house.calls == calls + 1
    listed["plug01"] = "Geladeira"
    assert told(store, house, NOW + 2 * HOUR) == []
    assert registry.asked(store, (), NOW + 2 * HOUR) == ["plug01"]


def test_an_empty_list_leaves_the_devices_that_the_user_named(
    store: Paths, house: TuyaCloud, listed: Listed
) -> None:
    listed.clear()
    wanted = (Device(id="plug01", name="Sala"),)
    assert [name for name, _ in told(store, house, NOW, wanted)] == ["no_device"]
    assert told(store, house, NOW + HOUR, wanted) == []
    assert registry.asked(store, wanted, NOW + HOUR) == ["plug01"]


# ---- Which codes a device has -------------------------------------------------------------


def test_the_codes_of_a_device_are_those_of_its_newest_specification(
    store: Paths, listed_once: TuyaCloud
) -> None:
    assert registry.codes(store, TV) == [
        *("switch_1", "countdown_1", "relay_status", "add_ele"),
        *("cur_current", "cur_power", "cur_voltage", "fault"),
    ]


@pytest.mark.parametrize("odd", [None, [], {}, {"status": None}, {"status": [None, {"code": 7}]}])
def test_without_a_usable_specification_all_known_codes_are_asked_for(
    store: Paths, odd: Any
) -> None:
    assert registry.codes(store, "plug01") == list(datapoints.KNOWN)
    folder = store.registry / "plug01"
    folder.mkdir(parents=True)
    (folder / "20260422T150000Z_specification.json").write_text(json.dumps(odd), "utf-8")
    assert registry.codes(store, "plug01") == list(datapoints.KNOWN)


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
