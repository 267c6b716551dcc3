"""Which meter counts, what the house used, when, and how well two meters agree."""

import math
from datetime import date, timedelta

import pandas as pd
import pytest
from pandas import DataFrame

from lib import coverage, energy
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


def hours(power_w: dict[str, list[float]], power_s: float = 3600.0) -> DataFrame:
    """Hourly rows of devices from midnight UTC of 10 March."""
    rows = [
        (device, pd.Timestamp(at("10")) + timedelta(hours=n), w, power_s)
        for device, own in power_w.items()
        for n, w in enumerate(own)
    ]
    frame = DataFrame(rows, columns=["device_id", "hour_start", "energy_wh_integral", "power_s"])
    frame["energy_wh_integral"] *= power_s / 3600
    return frame


def test_increments_come_before_totals_and_totals_before_the_integral() -> None:
    daily = energy.chosen(
        days(
            ("plug", 10, 100, NAN, 90),
            ("plug", 11, 0, NAN, 5),
            ("meter", 10, NAN, 300, 310),
            ("old", 10, NAN, NAN, 50),
            ("lamp", 10, NAN, NAN, NAN),
        )
    )
    assert daily["meter"].fillna("").tolist() == [
        *("increment", "increment", "total", "integral", ""),
    ]
    assert daily["energy_wh"].fillna(-1).tolist() == [100, 0, 300, 50, -1]
    assert energy.metered(daily)["device_id"].nunique() == 3


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


def test_the_expanded_uncertainty_of_correlated_readings_adds_up() -> None:
    energies_kwh = pd.Series([30.0, 20.0, 10.0])
    assert energy.expanded_uncertainty(energies_kwh) / 2 == pytest.approx(1.73, abs=0.005)


def test_two_meters_are_compared_on_well_observed_days_of_some_energy() -> None:
    daily = energy.chosen(
        days(("a", 10, 1000, NAN, 1050), ("a", 11, 1000, NAN, 900), ("a", 12, 50, NAN, 99))
    )
    daily.loc[1, "power_s"] = 0.5 * 86400
    assert energy.divergence(daily).tolist() == pytest.approx([0.05])


def test_an_hour_with_a_part_of_the_house_missing_has_no_power() -> None:
    both = hours({"a": [100, 200], "b": [10, 20]})
    assert energy.hourly_power(both, []).tolist() == [110, 220]
    partly = both.copy()
    partly.loc[partly["device_id"].eq("b") & partly["energy_wh_integral"].eq(10), "power_s"] = 900
    assert energy.hourly_power(partly, []).tolist() == [220]
    assert energy.hourly_power(both, ["b"]).tolist() == [10, 20]
    assert energy.hourly_power(hours({"a": [100]}, power_s=1800), []).empty


def test_a_meter_added_later_does_not_undo_the_hours_before_it() -> None:
    both = hours({"a": [100, 200, 300]})
    late = hours({"b": [0, 0, 30]})
    late.loc[late["energy_wh_integral"] == 0, "power_s"] = 0
    assert energy.hourly_power(pd.concat([both, late]), []).tolist() == [100, 200, 330]


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


def test_holidays_count_as_sundays() -> None:
    good_friday = date(2026, 4, 3)

    def is_holiday(day: date) -> bool:
        return day == good_friday

    kinds = [energy.day_kind(good_friday + timedelta(days=n), is_holiday) for n in range(4)]
    assert kinds == ["domingo e feriado", "sábado", "domingo e feriado", "dia útil"]


def test_the_load_curve_is_in_local_hours() -> None:
    power_w = energy.hourly_power(hours({"a": [float(h) for h in range(48)]}), [])
    curve = energy.load_curve(power_w, "America/Sao_Paulo", lambda day: False)
    at_21h = curve.set_index("hour").loc[21]
    assert at_21h["power_w_mean"] == (0 + 24) / 2
    assert at_21h["days"] == 2
    assert (at_21h["power_w_p10"], at_21h["power_w_p90"]) == pytest.approx((2.4, 21.6))


def test_the_base_load_is_a_low_quantile_of_the_small_hours() -> None:
    night = [500.0] * 5 + [90.0, 100.0, 110.0] + [500.0] * 16
    power_w = energy.hourly_power(hours({"a": night * 7}), [])
    assert energy.base_load(power_w, "America/Sao_Paulo") == pytest.approx(90)
    assert math.isnan(energy.base_load(power_w[: 6 * 24], "America/Sao_Paulo"))


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


def test_findings_name_devices_little_observed_and_meters_apart() -> None:
    daily = energy.chosen(days(("a", 10, 1000, NAN, 1200), ("b", 10, 100, NAN, 100)))
    daily.loc[1, "alive_s"] = 0.4 * 86400
    found = energy.findings(daily, DataFrame(columns=list(coverage.GAP_COLUMNS)), 86400)
    assert [(f.name, f.data["device"]) for f in found] == [
        ("tcc.energy.meters_apart", "A"),
        ("tcc.coverage.little_observed", "B"),
    ]
