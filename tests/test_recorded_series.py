"""Recorded series as houses: the rows must give back the published arithmetic."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from lib import datapoints
from lib.demo.house import OFFLINE, ONLINE, LogRow, log_order
from lib.demo.recorded import RecordedHouse, recorded_house
from lib.demo.uci import HEATER, HOUSE, KITCHEN, LAUNDRY
from lib.errors import ConfigError

ALWAYS = 0, 2**60
FRANCE = timezone(timedelta(hours=1))
CORDOBA = timezone(timedelta(hours=-3))
MINUTE_MS = 60_000


def ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data


@pytest.fixture(scope="module")
def uci(folder: Path) -> RecordedHouse:
    if not (folder / "uci_household").is_dir():
        pytest.skip(f"no UCI series in {folder}")
    return recorded_house(folder / "uci_household")


@pytest.fixture(scope="module")
def plug(folder: Path) -> RecordedHouse:
    if not (folder / "tuya_plug").is_dir():
        pytest.skip(f"no plug series in {folder}")
    return recorded_house(folder / "tuya_plug")


@pytest.fixture(scope="module")
def meter(uci: RecordedHouse) -> list[LogRow]:
    return uci.rows(HOUSE, *ALWAYS)


def held_kwh(rows: list[LogRow], start: datetime, end: datetime) -> float:
    """Power held until its next row, cut by an offline row. [kWh]"""
    kept = [row for row in rows if row.code == "cur_power" or row.event_id == OFFLINE]
    edges = np.clip([row.event_time_ms for row in kept], ms(start), ms(end))
    watts = np.array([int(row.value or 0) / 10 for row in kept])
    last = np.append(edges[1:], edges[-1])
    return float((watts * (last - edges)).sum() / 3.6e9)


@pytest.mark.parametrize(
    ("device", "total_wh"), [(KITCHEN, 234_324), (LAUNDRY, 335_769), (HEATER, 1_242_667)]
)
def test_submeters_give_back_every_watt_hour(
    uci: RecordedHouse, device: str, total_wh: int
) -> None:
    rows = uci.rows(device, *ALWAYS)
    assert {row.code for row in rows} == {"add_ele", None}
    assert sum(int(row.value or "") for row in rows if row.code) == total_wh


@pytest.mark.parametrize(
    ("month", "energy_kwh"), [(1, 1150.198), (2, 941.481), (3, 981.037), (4, 586.358)]
)
def test_power_held_gives_the_months(meter: list[LogRow], month: int, energy_kwh: float) -> None:
    start, end = (datetime(2007, m, 1, tzinfo=FRANCE) for m in (month, month + 1))
    assert held_kwh(meter, start, end) == pytest.approx(energy_kwh, abs=0.0005)


def test_increments_of_the_meter_carry_their_remainder(meter: list[LogRow]) -> None:
    sent_wh = sum(int(row.value or "") for row in meter if row.code == "add_ele")
    start, end = (datetime(y, 1, 1, tzinfo=UTC) for y in (2006, 2008))
    assert 0 <= 1000 * held_kwh(meter, start, end) - sent_wh < 1


def test_the_meters_first_minute_is_exact(meter: list[LogRow]) -> None:
    first_ms = ms(datetime(2006, 12, 16, 17, 24, tzinfo=FRANCE))
    first = {row.code: row.value for row in meter[:4]}
    assert {row.event_time_ms for row in meter[:4]} == {first_ms}
    assert first["cur_power"] == "42160" and first["cur_current"] == "18400"
    assert first["cur_voltage"] == "2348" and first["add_ele"] == "70"
    assert max(int(r.value or "") for r in meter if r.code == "cur_power") == 106_700


def test_gaps_are_offline_spells(uci: RecordedHouse, meter: list[LogRow]) -> None:
    contact = [row for row in meter if row.event_id in (OFFLINE, ONLINE)]
    assert [row.event_id for row in contact] == [OFFLINE, ONLINE] * 7 + [OFFLINE]
    spells = list(zip(contact[:-1:2], contact[1::2], strict=True))
    minutes = [(b.event_time_ms - a.event_time_ms) // MINUTE_MS for a, b in spells]
    assert max(minutes) == 3723 and sum(minutes) == 3732
    starts = [a.event_time_ms for a, _ in spells]
    assert ms(datetime(2007, 4, 28, 0, 21, tzinfo=FRANCE)) in starts
    for _, back in spells:
        codes = {row.code for row in meter if row.event_time_ms == back.event_time_ms}
        assert codes >= {"cur_power", "cur_voltage", "cur_current"}
    end = datetime(2007, 5, 1, tzinfo=FRANCE)
    assert contact[-1].event_time_ms == meter[-1].event_time_ms == ms(end)
    assert uci.last_event == end
    assert uci.first_event == datetime(2006, 12, 16, 16, 24, tzinfo=UTC)


def test_unchanged_values_are_not_repeated(meter: list[LogRow]) -> None:
    held: dict[str | None, str | None] = {}
    for _, rows in by_time(meter).items():
        if any(row.event_id in (OFFLINE, ONLINE) for row in rows):
            held.clear()
        levels = {row.code: row.value for row in rows if row.code not in (None, "add_ele")}
        assert all(held.get(code) != value for code, value in levels.items())
        held |= levels


def by_time(rows: list[LogRow]) -> dict[int, list[LogRow]]:
    found: dict[int, list[LogRow]] = {}
    for row in rows:
        found.setdefault(row.event_time_ms, []).append(row)
    return found


def test_a_slice_is_cut_from_the_whole(uci: RecordedHouse, meter: list[LogRow]) -> None:
    start, end = meter[1000].event_time_ms, meter[2000].event_time_ms
    wanted = [row for row in meter if start <= row.event_time_ms < end]
    assert uci.rows(HOUSE, start, end) == wanted
    assert all(log_order(a) > log_order(b) for a, b in pairwise(meter))


def test_the_meters_specification_is_the_real_one(uci: RecordedHouse) -> None:
    devices = {device.id: device for device in uci.devices()}
    assert list(devices) == [HOUSE, KITCHEN, LAUNDRY, HEATER]
    specs = {s.code: s for s in datapoints.code_specs(devices[HOUSE].specification)}
    assert (specs["cur_current"].unit, specs["cur_current"].scale) == ("A", 3)
    assert (specs["cur_power"].unit, specs["cur_power"].scale) == ("W", 1)
    assert (specs["add_ele"].unit, specs["add_ele"].scale) == ("kWh", 3)
    assert {device.time_zone for device in devices.values()} == {"+01:00"}
    assert not uci.simulated and "CC BY 4.0" in uci.attribution


def test_the_plug_speaks_when_something_changes(plug: RecordedHouse) -> None:
    (device,) = plug.devices()
    rows = plug.rows(device.id, *ALWAYS)
    assert len(rows) == 84
    assert rows[0].event_time_ms == ms(datetime(2025, 8, 17, tzinfo=CORDOBA))
    for code in ("cur_current", "cur_power", "cur_voltage"):
        sent = [row.value for row in rows if row.code == code]
        assert 20 <= len(sent) <= 40 and all(a != b for a, b in pairwise(sent))
    day = (datetime(2025, 8, n, tzinfo=CORDOBA) for n in (17, 18))
    closing = LogRow(ms(datetime(2025, 8, 18, tzinfo=CORDOBA)), OFFLINE, None, 0, None)
    assert held_kwh([*rows, closing], *day) == pytest.approx(11.464, abs=0.001)
    assert "MIT" in plug.attribution and not plug.simulated


def test_series_are_found_by_name_file_or_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCC_SERIES_DIR", str(folder))
    file = next((folder / "tuya_plug").glob("*.csv.gz"))
    assert recorded_house("plug").name == recorded_house(file).name


def test_an_absent_series_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TCC_SERIES_DIR", str(tmp_path))
    for series in ("uci", "plug", str(tmp_path / "nothing"), tmp_path):
        with pytest.raises(ConfigError, match="TCC_SERIES_DIR"):
            recorded_house(series)
