"""What an analysis opens: a window by local dates, and some devices or all of them."""

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from pandas import DataFrame, Series

from lib import coverage, energy, study_frames, tariff
from lib import study as study_module
from lib.errors import ConfigError
from lib.notebooks import signature
from lib.paths import NOTEBOOKS, Paths
from lib.study import Study
from tests.rows import at, build, keep, report

MIDNIGHT_CHANGES = "America/Santiago"  # its clocks go forward and back at midnight


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """Two plugs over two days of March 2026: 10 Wh and 1 Wh an hour."""
    store = Paths.at(tmp_path_factory.mktemp("two"))
    for device, wh in (("plug01", "10"), ("plug02", "1")):
        hours = [(day, hour) for day in (10, 11) for hour in range(24)]
        keep(store, [report(f"{d} {h:02d}:30", "add_ele", wh) for d, h in hours], device=device)
    build(store)
    return store


def test_a_device_chosen_is_the_house(two: Paths, tmp_path: Path) -> None:
    study = Study.open(two.data, devices="plug02")
    assert set(study.hourly["device_id"]) == set(study.gaps["device_id"]) | {"plug02"}
    assert study.rows == 48 and Study.open(two.data).rows == 96
    house = energy.house(energy.metered(energy.chosen(study.daily)), study.mains)
    whole = energy.metered(energy.chosen(Study.open(two.data).daily))
    own_wh = whole.loc[whole["device_id"] == "plug02", "energy_wh"].sum()
    assert house["energy_wh"].sum() == own_wh > 0
    assert set(study.whole.hourly["device_id"]) == {"plug01", "plug02"}
    rows = DataFrame({"device_id": ["plug01", "plug02"], "n": [1, 2]})
    assert study.own(rows)["n"].tolist() == [2]
    assert study.whole.own(rows) is rows
    assert study.vintage().content_hash != study.whole.vintage().content_hash
    given = study.page("10_energy", str(tmp_path), window_start="").parameters
    assert given == {"window_start": "", "devices": "plug02"}, "each figure's sidecar says so"
    assert study.whole.page("10_energy", str(tmp_path)).parameters == {}


def test_devices_are_named_or_given_by_id_and_a_name_may_stand_for_two(two: Paths) -> None:
    names = {"plug01": "Geladeira", "plug02": "Geladeira", "other": "Lâmpada"}
    assert study_frames.chosen(two, names, "") == study_frames.chosen(two, names, " , ") == ()
    assert study_frames.chosen(two, names, "Geladeira") == ("plug01", "plug02")
    assert study_frames.chosen(two, names, " Lâmpada , plug01 ") == ("other", "plug01")


def test_an_unknown_device_is_refused_with_those_that_are_known(two: Paths) -> None:
    with pytest.raises(ConfigError, match="no device is called geladera") as refused:
        Study.open(two.data, devices="plug01, geladera")
    assert refused.value.remedy == "Known are: plug01, plug02."


@pytest.mark.parametrize("name", ["10_energy", "11_voltage", "13_tariff", "14_data_quality"])
def test_every_analysis_takes_a_window_and_devices(name: str) -> None:
    known = signature(NOTEBOOKS / f"{name}.ipynb")
    assert known.keys() >= {"window_start", "window_end", "devices"}


def test_the_newest_id_of_a_device_is_known_by_all_before(
    two: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = [
        {"id": "third", "replaces": "second"},
        {"id": "second", "replaces": "first"},
        {"id": "first"},
        {"id": "lamp"},
    ]
    monkeypatch.setattr(study_module.registry, "known", lambda _: listed)
    assert Study.open(two.data).successors == {"first": "third", "second": "third"}


def test_a_date_is_its_midnight_at_the_site(two: Paths) -> None:
    study = Study.open(two.data, "2026-03-10", "2026-03-11")
    assert (study.start, study.end) == (at("10 03:00"), at("11 03:00")), "Belo Horizonte"
    days = study.daily["local_date"].dropna().unique()
    assert [f"{day:%d}" for day in days] == ["10"]
    exact = Study.open(two.data, "2026-03-10T00:00Z", "2026-03-11T00:00-03:00")
    assert (exact.start, exact.end) == (at("10"), at("11 03:00"))
    with pytest.raises(ConfigError, match="ISO 8601"):
        Study.open(two.data, "março")


def test_a_window_is_of_whole_hours_and_says_so(two: Paths) -> None:
    cut = Study.open(two.data, "2026-03-10T10:20Z", "2026-03-10T12:40Z", "plug01")
    assert (cut.start, cut.end) == (at("10 10:00"), at("10 13:00"))
    assert cut.vintage().end == at("10 13:00")
    assert cut.hourly["energy_wh_increment"].sum() == 30 and cut.rows == 3
    assert Study.open(two.data, "", "2026-03-10T12:00Z").end == at("10 12:00")


@pytest.mark.parametrize(("day", "hours"), [("2025-09-07", 23), ("2025-04-05", 25)])
def test_a_date_whose_midnight_the_clocks_change_has_its_length(day: str, hours: int) -> None:
    days = Series(pd.to_datetime([day]))
    begins, ends = coverage.midnights(days, MIDNIGHT_CHANGES)
    assert (ends - begins).iloc[0] == timedelta(hours=hours)
    start = study_frames.instant(day, MIDNIGHT_CHANGES)
    assert start == begins.iloc[0].to_pydatetime()
    window = (start, start + timedelta(hours=hours))
    frame = DataFrame(
        {
            "device_id": "a",
            "hour_start": pd.date_range(start, periods=hours, freq="h", unit="us"),
            "alive_s": 3600.0,
        }
    )
    found = tariff.coverage(frame, days, window, MIDNIGHT_CHANGES)
    lengths = found[["observed_s", "window_s", "day_s"]].iloc[0]
    assert set(lengths) == {hours * 3600.0}
