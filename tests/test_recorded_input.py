"""Real input through the whole way: what must come out, to the watt-hour."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from pandas import DataFrame

from bench.rebuilt import compare, rebuilt
from lib import archive, config, energy, ingest, sources, warehouse
from lib.config import Config
from lib.demo import uci
from lib.demo.recorded import recorded_house
from lib.paths import Paths
from lib.study import Study
from lib.times import DAY, parse_instant
from tests.rows import CONFIG, build, contents, staged, table

NOW = parse_instant("2026-01-01")


def replay(series: Path, store: Paths, *, step: timedelta) -> None:
    """Serve a series with seven days of memory and collect it on a moving clock."""
    first, last = sources.series_span(str(series))
    end = last + timedelta(minutes=10)
    settings = Config(ingestion=config.Ingestion(overlap_h=0))
    with sources.opened("replay", store, settings, now=first, series=str(series)) as source:
        instant = first
        while instant < end:
            instant = min(instant + step, end)
            source.move_to(instant)
            ingest.run(store, source, settings, now=instant).raise_if_stopped()


def query(store: Paths, text: str, folder: Path) -> DataFrame:
    with warehouse.connect() as connection:
        return warehouse.frame(connection, text, {"files": warehouse.partitions(folder)})


@pytest.fixture(scope="module")
def uci_store(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """Four devices, 135 days, served with seven days of memory, collected, staged and built."""
    store = Paths.at(tmp_path_factory.mktemp("uci"))
    replay(shared_data / "uci_household", store, step=6 * DAY)
    counts, _ = build(store)
    assert counts.came - counts.duplicate == counts.staged
    assert counts.conflicting == 0
    return store


@pytest.mark.slow
def test_every_row_that_the_uci_house_served_is_staged_once(
    uci_store: Paths, shared_data: Path
) -> None:
    store = uci_store
    house = recorded_house(shared_data / "uci_household")
    span = (0, 2**62)
    served = {device.id: len(house.rows(device.id, *span)) for device in house.devices()}
    count = "SELECT device_id, count(*) AS n FROM read_parquet($files) GROUP BY 1"
    found = query(store, count, store.staging)
    assert dict(zip(found["device_id"], found["n"], strict=True)) == served


@pytest.mark.slow
def test_the_uci_house_has_its_energy_to_the_watt_hour(uci_store: Paths) -> None:
    sums = query(
        uci_store,
        "SELECT device_id, sum(value::BIGINT)::BIGINT AS wh FROM read_parquet($files) "
        "WHERE code = 'add_ele' GROUP BY 1",
        uci_store.staging,
    )
    energy_wh = dict(zip(sums["device_id"], sums["wh"], strict=True))
    assert energy_wh[uci.KITCHEN] == 234_324
    assert energy_wh[uci.LAUNDRY] == 335_769
    assert energy_wh[uci.HEATER] == 1_242_667


@pytest.mark.slow
def test_the_uci_house_has_the_months_and_the_gap_that_were_published(uci_store: Paths) -> None:
    months = query(
        uci_store,
        "SELECT month(hour_start + INTERVAL 1 HOUR) AS month, "
        "sum(energy_wh_integral) / 1000 AS kwh, sum(alive_s) / 86400 AS days "
        "FROM read_parquet($files) WHERE device_id LIKE '%casa%' GROUP BY 1",
        uci_store.marts / "energy_hourly",
    ).set_index("month")
    expected = {1: 1150.198, 2: 941.481, 3: 981.037, 4: 586.358}
    for month, kwh in expected.items():
        assert months.loc[month, "kwh"] == pytest.approx(kwh, rel=1e-4)
    assert months.loc[4, "days"] / 30 == pytest.approx(0.914, abs=0.0005)


@pytest.mark.slow
def test_the_uci_house_keeps_its_own_clock_and_holidays(uci_store: Paths) -> None:
    study = Study.open(uci_store.data)
    assert study.time_zone == "Etc/GMT-1"
    assert study.is_holiday(date(2007, 4, 9)) and not study.is_holiday(date(2007, 4, 21))
    april = study.daily[
        study.daily["device_id"].eq(uci.HOUSE) & study.daily["local_date"].dt.month.eq(4)
    ]
    assert april["energy_wh_integral"].sum() / 1000 == pytest.approx(586.358, rel=1e-4)


@pytest.fixture(scope="module")
def uci_days(shared_data: Path) -> DataFrame:
    """Energy of each day straight from the recorded minutes, missing ones as nothing. [Wh]"""
    file = shared_data / "uci_household" / "minutes_2006-12-16_2007-04-30.parquet"
    with warehouse.connect() as connection:
        return warehouse.frame(
            connection,
            "SELECT ts_local_naive::DATE AS day, sum(Global_active_power) * 1000 / 60 AS house_wh, "
            "sum(Sub_metering_1 + Sub_metering_2 + Sub_metering_3)::DOUBLE AS parts_wh, "
            "count(Global_active_power) AS minutes FROM read_parquet($file) GROUP BY 1 ORDER BY 1",
            {"file": str(file)},
        ).set_index("day")


@pytest.mark.slow
def test_the_uci_house_has_its_days_and_what_the_sub_meters_leave(
    uci_store: Paths, uci_days: DataFrame
) -> None:
    study = Study.open(uci_store.data)
    assert study.mains == [uci.HOUSE]
    daily = energy.metered(energy.chosen(study.daily))
    house = energy.of_house(daily, study.mains).set_index("local_date")
    expected = uci_days.set_index(uci_days.index.astype(house.index.dtype)).reindex(house.index)
    assert len(house) >= 135
    # Increments are whole watt-hours, and the remainder of a day is sent on the next.
    assert (house["energy_wh"] - expected["house_wh"].fillna(0)).abs().max() < 1.5
    assert (house["energy_wh_integral"] - expected["house_wh"]).abs().max() < 0.5
    rest_wh = energy.rest(daily, study.mains)
    left_wh = expected["house_wh"].fillna(0) - expected["parts_wh"].fillna(0)
    assert (rest_wh - left_wh).abs().max() < 1.5


@pytest.mark.slow
def test_the_gap_of_april_is_shown_and_never_bridged(uci_store: Paths, uci_days: DataFrame) -> None:
    study = Study.open(uci_store.data)
    daily = energy.metered(energy.chosen(study.daily))
    house = energy.of_house(daily, study.mains).set_index("local_date")
    observed = house.loc["2007-04-28":"2007-04-30", "coverage"] * 1440
    assert observed.tolist() == pytest.approx([21, 0, 576], abs=0.5)
    dark = house.loc["2007-04-29"]
    assert not dark["energy_wh_integral"] > 0 and not dark["energy_wh"] > 0
    hours = study.hourly[study.hourly["device_id"].eq(uci.HOUSE)].set_index("hour_start")
    inside = hours.loc["2007-04-28T00:00Z":"2007-04-30T12:00Z"]
    assert inside["energy_wh_integral"].isna().all() and (inside["alive_s"] == 0).all()
    months = energy.monthly(energy.of_house(daily, study.mains)).set_index("month_name")
    april = months.loc["abr. 2007"]
    assert april["integral_kwh"] == pytest.approx(586.358, rel=1e-4)
    assert (april["valid_days"], april["days"]) == (27, 30)
    gap = study.gaps[study.gaps["device_id"].eq(uci.HOUSE)].nlargest(1, "gap_s").iloc[0]
    assert gap["gap_s"] / 60 == pytest.approx(3723, abs=1)


@pytest.mark.slow
@pytest.mark.parametrize("backwards", [False, True], ids=["as they came", "backwards"])
def test_the_uci_house_is_rebuilt_to_the_same_contents_in_whatever_order_its_files_come(
    uci_store: Paths, tmp_path: Path, backwards: bool
) -> None:
    again = rebuilt(uci_store, tmp_path / "again", CONFIG, backwards=backwards)
    found = compare(uci_store, again)
    assert found.unequal == []
    assert found.rows["staging"] == len(staged(uci_store)) > 100_000
    assert found.partitions > 135 * 7


def test_a_real_plugs_day_has_its_energy_and_no_gap(shared_data: Path, store: Paths) -> None:
    replay(shared_data / "tuya_plug", store, step=DAY)
    build(store)
    device = staged(store)["device_id"].iloc[0]
    daily = table(store, "energy_daily", device).set_index("local_date")["energy_wh_integral"]
    assert daily["2025-08-17"] / 1000 == pytest.approx(11.464, rel=1e-3)
    gaps = table(store, "gaps", device)
    assert gaps[gaps["gap_start"] < parse_instant("2025-08-18T03:00Z")].empty


def test_a_real_cloud_log_is_staged_row_for_row(shared_data: Path, store: Paths) -> None:
    file = shared_data / "tuya_cloud_log" / "log_2025-10-23_2025-10-27.json.gz"

    def take() -> None:
        archive.import_file(store, file, device_id="sensor01", now=NOW, ingested_by="tcc/0")
        build(store)

    take()
    rows = staged(store)
    assert rows["event_id"].value_counts().to_dict() == {7: 10_618, 8: 83, 1: 2, 2: 2}
    assert rows["code"].notna().sum() == 10_618
    temperatures = rows[rows["code"] == "va_temperature"]
    assert temperatures["value_num"].iloc[-1] == 22.5
    before = contents(store)
    take()
    assert contents(store) == before
