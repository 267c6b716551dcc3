"""What the house used, by device, day and month; its emission and its uncertainty."""

import math

import pandas as pd
import pytest
from pandas import DataFrame
from pydantic import ValidationError

from lib import coverage, energy, indicators_load, uncertainty
from lib.config import Co2, Co2Factor, Config, Device
from tests.rows import at

NAN = math.nan


def days(*rows: tuple[str, int, float, float, float]) -> DataFrame:
    """Daily rows: device, day of March, increments, totals and integral in Wh; well observed."""
    frame = DataFrame(
        rows,
        columns=[
            *("device_id", "day", "energy_wh_increment", "energy_wh_total", "energy_wh_integral"),
        ],
    )
    return frame.assign(
        device_name=frame["device_id"].str.title(),
        local_date=[pd.Timestamp(2026, 3, day) for day in frame["day"]],
        alive_s=86400.0,
        power_s=86400.0,
        coverage=1.0,
    )


def test_what_the_mains_meter_saw_beyond_the_devices_is_a_bar_of_its_own() -> None:
    daily = energy.chosen(
        days(
            *(("plug", 10, 100, NAN, NAN), ("meter", 10, NAN, 350, NAN)),
            *(("plug", 11, 90, NAN, NAN), ("meter", 11, NAN, 80, NAN)),
            ("plug", 12, 90, NAN, NAN),
        )
    )
    shown = energy.with_rest(daily, ["meter"]).set_index(["device_name", "local_date"])["energy_wh"]
    assert shown[energy.REST, pd.Timestamp(2026, 3, 10)] == 250
    assert math.isnan(shown[energy.REST, pd.Timestamp(2026, 3, 11)])
    assert (energy.REST, pd.Timestamp(2026, 3, 12)) not in shown.index
    silent = daily.assign(coverage=[0.2, 0.95, 0.2, 0.5, 0.2])
    assert energy.with_rest(silent, ["meter"]).groupby("local_date")["coverage"].max().tolist() == [
        *(0.95, 0.5, 0.0),
    ]
    assert ("Meter", pd.Timestamp(2026, 3, 10)) not in shown.index
    assert energy.house(daily, ["meter"])["energy_wh"].sum() == 430
    assert energy.house(daily, [])["energy_wh"].sum() == 710


def outage() -> DataFrame:
    """A mains meter back after an outage of days, a plug behind it that was read throughout."""
    seen = days(
        *(("plug", 10, 300, NAN, NAN), ("meter", 10, NAN, 200, NAN)),
        *(("plug", 11, 300, NAN, NAN), ("meter", 11, NAN, 1000, NAN)),
    )
    seen.loc[1, "coverage"] = 0.5
    undated = DataFrame(
        {
            "device_id": ["meter"],
            "device_name": ["Meter"],
            "energy_wh_total": [900.0],
            **{"alive_s": [0.0], "power_s": [0.0], "coverage": [0.0]},
        }
    )
    return pd.concat([seen, undated], ignore_index=True)


def test_energy_without_a_day_is_in_sums_over_the_window_and_in_no_day() -> None:
    daily = energy.metered(energy.chosen(outage()))
    house = energy.house(daily, ["meter"])
    assert house["energy_wh"].sum() == 2100
    assert house.groupby("local_date")["energy_wh"].sum().tolist() == [200, 1000]
    shown = energy.with_rest(daily, ["meter"])
    table = energy.by_device(shown, 86400 * 2, 2100).set_index("device_name")
    assert table["energy_wh"].to_dict() == {energy.REST: 1500, "Plug": 600}
    assert table["share_pct"].sum() == pytest.approx(100)
    rest = shown[shown["device_name"] == energy.REST].set_index("local_date")["energy_wh"]
    assert rest[pd.Timestamp(2026, 3, 11)] == 700
    assert math.isnan(rest[pd.Timestamp(2026, 3, 10)])


def test_a_device_without_a_day_takes_its_energy_from_the_rest_of_the_window() -> None:
    daily = energy.chosen(outage())
    daily = daily.assign(device_id=daily["device_id"].map({"plug": "meter", "meter": "plug"}))
    shown = energy.with_rest(daily.assign(device_name=daily["device_id"]), ["meter"])
    table = energy.by_device(shown, 86400 * 2, 600).set_index("device_name")
    assert table.loc[energy.REST, "energy_wh"] == 0
    assert table.loc["plug", "energy_wh"] == 2100


def test_a_counter_that_grew_only_between_days_is_still_the_meter() -> None:
    daily = energy.chosen(outage().assign(energy_wh_total=[NAN, 0.0, NAN, 0.0, 900.0]))
    assert daily.loc[daily["device_id"] == "meter", "meter"].unique().tolist() == ["total"]


def test_energy_without_a_day_is_a_finding_and_no_disagreement_of_meters() -> None:
    daily = energy.metered(energy.chosen(outage()))
    none = DataFrame(columns=list(coverage.GAP_COLUMNS))
    found = {f.name: f.data for f in energy.findings(daily, none, 2 * 86400, ["meter"])}
    assert found["tcc.energy.unplaced"] == {"device": "Meter", "energy_wh": 900}
    assert "tcc.energy.rest_negative" not in found


def test_shares_add_up_and_the_largest_comes_first() -> None:
    daily = energy.chosen(days(("a", 10, 100, NAN, NAN), ("b", 10, 300, NAN, NAN)))
    table = energy.by_device(daily, 86400, 400)
    assert table["device_name"].tolist() == ["B", "A"]
    assert table["share_pct"].tolist() == [75, 25]
    assert table["energy_kwh"].sum() == pytest.approx(0.4)
    assert energy.by_device(daily, 2 * 86400, 400)["coverage_pct"].tolist() == [50, 50]


def test_two_devices_of_one_name_stay_two() -> None:
    daily = energy.chosen(days(("a", 10, 100, NAN, NAN), ("b", 10, 300, NAN, NAN)))
    daily["device_name"] = "Tomada"
    assert len(energy.by_device(daily, 86400, 400)) == 2


def test_days_on_which_the_devices_exceed_the_mains_meter_are_a_finding() -> None:
    daily = energy.chosen(days(("plug", 10, 400, NAN, NAN), ("meter", 10, NAN, 350, NAN)))
    none = DataFrame(columns=list(coverage.GAP_COLUMNS))
    found = {f.name: f.data for f in energy.findings(daily, none, 86400, ["meter"])}
    assert found["tcc.energy.rest_negative"] == {"days": 1}
    shown = energy.with_rest(daily, ["meter"]).set_index("device_name")
    assert math.isnan(shown.loc[energy.REST, "energy_wh"])
    assert shown.loc[energy.REST, "alive_s"] == 86400


def test_gaps_that_only_midnight_divides_are_one() -> None:
    parts = [("10 22:00", "11 00:00"), ("11 00:00", "11 03:00"), ("11 05:00", "11 06:00")]
    gaps = DataFrame(
        [("a", "A", at(s), at(e), "silence", at(s)) for s, e in parts],
        columns=["device_id", "device_name", "gap_start", "gap_end", "cause", "last_seen"],
    )
    joined = coverage.joined_gaps(gaps)
    assert (joined["gap_s"] / 3600).tolist() == [5, 1]


def test_coverage_is_observed_time_over_all_devices_and_the_whole_window() -> None:
    hourly = DataFrame({"device_id": ["a", "a", "b"], "alive_s": [3600.0, 1800.0, 3600.0]})
    assert coverage.share(hourly, at("10 00:00"), at("10 02:00")) == pytest.approx(9000 / 14400)
    assert coverage.share(hourly[:0], at("10 00:00"), at("10 02:00")) == 0


def test_the_coverage_of_energy_is_that_of_the_devices_that_measure_it() -> None:
    hourly = DataFrame(
        {
            "device_id": ["plug", "lamp"],
            "alive_s": [3600.0, 0.0],
            "energy_wh_increment": [5.0, NAN],
            "energy_wh_integral": [NAN, NAN],
        }
    )
    assert coverage.metering(hourly)["device_id"].tolist() == ["plug"]
    assert len(coverage.metering(hourly[1:])) == 1


def test_findings_name_devices_little_observed() -> None:
    daily = energy.chosen(days(("a", 10, 1000, NAN, 1200), ("b", 10, 100, NAN, 100)))
    daily.loc[1, "alive_s"] = 0.4 * 86400
    found = energy.findings(daily, DataFrame(columns=list(coverage.GAP_COLUMNS)), 86400)
    assert [(f.name, f.data["device"]) for f in found] == [("tcc.coverage.little_observed", "B")]


# ---- Months and emissions ------------------------------------------------------------------


def year_of_days(first: str, count: int) -> DataFrame:
    """A device of 1 kWh a day by increments, 1.1 kWh by its power; well observed."""
    frame = days(*((("a", 1, 1000.0, NAN, 1100.0),) * count))
    dates = pd.date_range(first, periods=count)
    return energy.chosen(frame.assign(local_date=dates))


def test_a_month_has_its_energy_by_each_meter_and_its_coverage() -> None:
    months = energy.monthly(year_of_days("2026-01-30", 31)).set_index("month_name")
    assert months.index.tolist() == ["jan. 2026", "fev. 2026", "mar. 2026"]
    assert months["energy_kwh"].tolist() == [2, 28, 1]
    assert months["integral_kwh"].tolist() == pytest.approx([2.2, 30.8, 1.1])
    assert months["total_kwh"].isna().all()
    assert months["coverage_pct"].tolist() == pytest.approx([2 / 31 * 100, 100, 1 / 31 * 100])
    assert months["valid_name"].tolist() == ["não", "sim", "não"]


@pytest.mark.parametrize(("poor", "valid"), [(2, True), (3, False)])
def test_a_month_is_valid_where_nine_days_of_ten_are(poor: int, valid: bool) -> None:
    """eemeter's 90 %: of 28 days, 26 are enough and 25 are not."""
    daily = year_of_days("2026-02-01", 28)
    daily.loc[: poor - 1, "coverage"] = 0.89
    months = energy.monthly(daily)
    assert months["valid"].tolist() == [valid]
    assert months["valid_days"].tolist() == [28 - poor]


def test_energy_without_a_day_is_in_no_month() -> None:
    daily = energy.metered(energy.chosen(outage()))
    assert energy.monthly(energy.of_house(daily, ["meter"]))["energy_kwh"].tolist() == [1.2]


def test_the_house_is_one_device_with_the_worst_coverage() -> None:
    daily = energy.chosen(days(("a", 10, 100, NAN, 90), ("b", 10, NAN, 300, 310)))
    daily.loc[1, "coverage"] = 0.5
    (house,) = energy.of_house(daily, []).to_dict("records")
    assert (house["energy_wh"], house["energy_wh_integral"], house["coverage"]) == (400, 400, 0.5)
    assert house["meter"] is None
    assert energy.monthly(energy.of_house(daily[:0], [])).empty


FACTORS = [
    Co2Factor(year=2011, t_per_mwh=0.0292, source="MCTI/SIRENE"),
    Co2Factor(year=2023, t_per_mwh=0.0385, source="MCTI/SIRENE"),
]


def test_a_hundred_kilowatt_hours_of_2023_are_3_85_kg() -> None:
    """reference_values.json, co2: 0.0385 t/MWh in 2023 (observatoriocientifico.ufc.br, MCTI)."""
    (row,) = energy.co2(year_of_days("2023-03-01", 100), FACTORS).to_dict("records")
    assert (row["year"], row["energy_kwh"], row["factor_year"]) == (2023, 100, 2023)
    assert row["co2_kg"] == pytest.approx(3.85)
    assert energy.co2_findings(energy.co2(year_of_days("2023-03-01", 100), FACTORS)) == []


def test_a_year_without_a_factor_has_the_last_one_before_it_and_says_so() -> None:
    emissions = energy.co2(year_of_days("2025-12-31", 2), FACTORS)
    assert emissions["factor_year"].tolist() == [2023, 2023]
    assert emissions["co2_kg"].tolist() == pytest.approx([0.0385, 0.0385])
    found = energy.co2_findings(emissions)
    assert [f.data for f in found] == [
        {"year": 2025, "applied": 2023},
        {"year": 2026, "applied": 2023},
    ]


def test_without_any_factor_there_is_no_emission() -> None:
    emissions = energy.co2(year_of_days("2010-01-01", 2), FACTORS)
    assert emissions["co2_kg"].isna().all()
    (found,) = energy.co2_findings(emissions)
    assert found.data == {"year": 2010, "applied": None}
    assert energy.co2(year_of_days("2026-01-01", 2)[:0], []).empty


def test_a_part_of_the_emission_does_not_pass_for_all_of_it() -> None:
    emissions = energy.co2(year_of_days("2010-12-31", 2), FACTORS)
    assert emissions["co2_kg"].notna().tolist() == [False, True]
    total = indicators_load.of_co2(emissions)["co2.total"]
    assert math.isnan(float(total.value)), "2010 has no factor"
    known = indicators_load.of_co2(emissions[1:])["co2.total"]
    assert known.value == pytest.approx(0.0292)


def test_a_share_is_of_the_dates_that_the_mains_meter_has() -> None:
    own = [("plug", day, 100, NAN, NAN) for day in (10, 11, 12)]
    daily = energy.chosen(days(*own, ("meter", 10, NAN, 400, NAN)))
    shown = energy.with_rest(daily, ["meter"])
    table = energy.by_device(shown, 3 * 86400, 400).set_index("device_name")
    assert table["energy_kwh"].to_dict() == {"Plug": 0.3, energy.REST: 0.3}
    assert table["share_pct"].to_dict() == {"Plug": 25.0, energy.REST: 75.0}
    alone = energy.by_device(daily[:3], 3 * 86400, 300)
    assert alone["share_pct"].tolist() == [100.0]


def test_a_year_has_one_factor() -> None:
    with pytest.raises(ValidationError, match="more than one factor"):
        Co2(factors=(FACTORS[0], FACTORS[0]))


# ---- Uncertainty: reference_values.json, group uncertainty ---------------------------------


def test_a_stated_error_is_a_rectangular_bound() -> None:
    """5 % by pulses (BL0937, HLW8012), 3 % serial (BL0942, HLW8032): developer.tuya.com."""
    assert uncertainty.standard(0.05) == pytest.approx(0.0288675, abs=5e-8)
    assert uncertainty.standard(0.03) == pytest.approx(0.0173205, abs=5e-8)


def test_a_sum_has_its_uncertainty_independent_and_fully_correlated() -> None:
    energies_kwh = pd.Series([30.0, 20.0, 10.0])
    spread = uncertainty.of_sum(energies_kwh, pd.Series([0.05] * 3))
    assert spread.independent == pytest.approx(2.160247, abs=1e-6)
    assert spread.independent / 2 == pytest.approx(1.080123, abs=1e-6)
    assert spread.correlated / 2 == pytest.approx(1.732051, abs=1e-6)


def test_days_of_one_plug_share_its_error_and_plugs_may_have_their_own() -> None:
    daily = energy.chosen(days(*((("a", n, 1000, NAN, NAN)) for n in range(10, 14))))
    plug = Device(id="a1", name="A", reading_error=0.03)
    spread = uncertainty.of_devices(daily, Config(devices=(plug,)))
    assert spread.independent == spread.correlated == pytest.approx(4000 * 2 * 0.05 / 3**0.5)
    errors = uncertainty.reading_errors(Config(devices=(plug,)), ["a1", "b1"])
    assert errors.to_dict() == {"a1": 0.03, "b1": 0.05}


def test_rounding_counts_each_increment_and_both_ends_of_a_total() -> None:
    energies_wh, kinds = pd.Series([1200.0, 5000.0, 70.0]), pd.Series(["increment", "total", None])
    increments, total = 1200 / 12, 2 * 10**2 / 12
    assert uncertainty.quantum(energies_wh[:1], kinds[:1]) == pytest.approx(increments**0.5)
    assert uncertainty.quantum(energies_wh, kinds) == pytest.approx((increments + total) ** 0.5)


def test_a_held_power_may_be_off_by_what_a_plug_does_not_report() -> None:
    """developer.tuya.com, Electrical-service-Wi-Fi, Kb6iu9lqwt0lf: 20 %, below 20 W by 3 W."""
    assert uncertainty.dead_band(pd.Series([0.0, 10, 20, 1000])).tolist() == [3, 3, 4, 200]


def test_the_dead_band_of_a_mean_is_no_less_than_that_of_what_it_is_of() -> None:
    half = uncertainty.dead_band(pd.Series([50.0, 500.0, 9.5]), pd.Series([100.0, 1000.0, 19.0]))
    assert half.tolist() == pytest.approx([(3 + 20) / 2, (3 + 200) / 2, 3.0])


def test_unobserved_time_is_an_interval_and_no_energy() -> None:
    daily = energy.chosen(days(("a", 10, 1000, NAN, NAN), ("b", 10, NAN, 1000, NAN)))
    demand_w = pd.Series({"a": 500.0, "b": 500.0})
    bound_wh = uncertainty.unobserved(daily, demand_w, 86400 + 7200)
    assert bound_wh.to_dict() == {"a": 1000, "b": 0}  # a total goes on counting
    assert uncertainty.unobserved(daily, demand_w, 3600).sum() == 0
    unknown = uncertainty.unobserved(daily, demand_w[1:], 86400 + 7200)
    assert math.isnan(unknown["a"]), "what has no power has no bound, and none is zero"
    assert uncertainty.unobserved(daily, demand_w[1:], 86400).to_dict() == {"a": 0, "b": 0}
