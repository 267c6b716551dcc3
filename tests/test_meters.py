"""Which meter counts, by which rule, and how far two meters agree: published vectors, through SQL.

The vectors are of `shared/reference/reference_values.json`, group `energy`; each test names the
source that the group states.
"""

import math
from datetime import timedelta
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas import DataFrame

from lib import meters, raw, warehouse
from lib.config import Config, Energy
from lib.journal import Window
from lib.paths import Paths
from lib.raw import Row
from lib.study import Study
from tests.rows import CONFIG, at, build, event, keep, report, table

NAN = math.nan


def power(second: float, power_w: float) -> Row:
    """A report of power, so many seconds into the 10th of March; scale 1, in W."""
    row = report("10 00:00", "cur_power", str(round(power_w * 10)))
    return row | {"event_time": row["event_time"] + round(second * 1000)}


def silence(second: float) -> Row:
    """The plug goes offline."""
    row = event("10 00:00", 2)
    return row | {"event_time": row["event_time"] + round(second * 1000)}


def integral_wh(store: Paths, gap_limit_h: float = 3.0) -> float:
    build(store, Config(ingestion=CONFIG.ingestion, energy=Energy(gap_limit_h=gap_limit_h)))
    return float(table(store, "energy_hourly")["energy_wh_integral"].sum())


# energy-analysis.md, section 1 (irregular_vector, derived).
T_S = (0, 600, 900, 1800, 3600, 12600, 13200)
P_W = (100, 100, 1500, 200, 40, 60, 60)


@pytest.mark.parametrize(
    ("gap_limit_h", "energy_wh"),
    [
        (3.0, 610.0),  # left_Wh: no interval is longer
        (0.25, 470.0),  # left_hold_cap_900s_Wh
        # Not left_drop_gt_3600s_Wh, 510: of the long interval the first hour, 40 Wh, is held,
        # and the rest unobserved; to drop all of it would lose energy that was seen.
        (1.0, 550.0),
    ],
)
def test_an_irregular_series_is_held_up_to_the_gap_limit(
    store: Paths, gap_limit_h: float, energy_wh: float
) -> None:
    rows = [power(t, p) for t, p in zip(T_S[:-1], P_W[:-1], strict=True)]
    keep(store, [*rows, silence(T_S[-1])])
    assert integral_wh(store, gap_limit_h) == pytest.approx(energy_wh)


def test_nilmtk_s_power_series_has_nilmtk_s_energy(store: Paths) -> None:
    """nilmtk/stats/tests/test_totalenergy.py, commit e5c3c1a: left hold, steps of 10 s."""
    series_w = (0, 0, 0, 100, 100, 100, 150, 150, 200, 0, 0, 100, 5000, 0)
    rows = [power(10 * n, p) for n, p in enumerate(series_w)]
    keep(store, [*rows, silence(10 * len(rows))])
    assert integral_wh(store, gap_limit_h=15 / 3600) / 1000 == pytest.approx(0.016388889, abs=1e-9)


def test_two_weeks_at_rest_before_a_kettle_are_not_a_thousand_kilowatt_hours(store: Paths) -> None:
    """The case of home-assistant/core PR 116736: by trapezoids 1,008 kWh, by right sums 2,016."""
    hours = 336
    keep(store, [power(0, 0), power(hours * 3600, 6000), silence(hours * 3600 + 0.001)])
    assert integral_wh(store) == pytest.approx(0.0, abs=0.01)
    observed_s = table(store, "energy_hourly")["power_s"].sum()
    assert observed_s == pytest.approx(3 * 3600, abs=0.01)  # the rest is unobserved, not zero


# home-assistant core sensor/recorder.py (2025.4.4, commit 0069cd7), utility_meter/sensor.py
# 2025.4.4, emoncms process_processlist.php (commit ef64645): readings in kWh; ours; Home
# Assistant's statistics; its utility_meter, equal to emoncms kwh_accumulator; emoncms pulse_diff.
RESETS: list[tuple[list[float], float, float, float, float]] = [
    ([10, 12, 15, 0.5, 3], 8.0, 8.0, 7.5, 8.0),
    ([10, 12, 11.5, 13], 3.0, 3.0, 3.5, 15.0),
    ([10, 9, 11], 1.0, 1.0, 2.0, 11.0),
    ([10, 8.99, 11], 11.0, 11.0, 2.01, 11.0),
    ([100, 100, 90, 95], 0.0, -5.0, 5.0, 95.0),
    ([0, 5, 0, 5], 10.0, 10.0, 10.0, 10.0),
    ([7, 7, 7], 0.0, 0.0, 0.0, 0.0),
    ([999999.9, 3.2, 5.0], 5.0, 5.0, 1.8, 5.0),
]


def counter(store: Paths, readings_kwh: list[float], device: str) -> None:
    rows = [
        report(f"10 10:{5 * n:02d}", "forward_energy_total", str(round(100 * kwh)))
        for n, kwh in enumerate(readings_kwh)
    ]
    keep(store, rows, device=device)


@pytest.fixture(scope="module")
def counters(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """Each published series of readings as a meter of one store."""
    store = Paths.at(tmp_path_factory.mktemp("counters"))
    for number, (readings, *_) in enumerate(RESETS):
        counter(store, readings, f"meter{number}")
    build(store)
    return store


@pytest.mark.parametrize("number", range(len(RESETS)))
def test_a_counter_is_read_with_its_resets(counters: Paths, number: int) -> None:
    ours_kwh = RESETS[number][1]
    hours = table(counters, "energy_hourly", f"meter{number}")
    assert hours["energy_wh_total"].sum() / 1000 == pytest.approx(ours_kwh)


def test_resets_are_home_assistants_and_a_dip_is_never_negative_energy() -> None:
    """Ours differs from the statistics only where those would count a dip as negative."""
    differing = [readings for readings, ours, theirs, *_ in RESETS if ours != theirs]
    assert differing == [[100, 100, 90, 95]]
    # What is counted after a reset, before the first new reading, is energy: 0.5 kWh.
    assert RESETS[0][1] - RESETS[0][3] == 0.5
    # A dip is no reset: what was counted once is not counted again.
    assert RESETS[1][4] - RESETS[1][1] == 12


def test_a_negative_reading_of_a_total_is_skipped(store: Paths) -> None:
    """As Home Assistant does: 10, -1, 12 kWh are 2 kWh; emoncms pulse_diff has 12."""
    counter(store, [10, -1, 12], "meter1")
    build(store)
    assert table(store, "energy_hourly", "meter1")["energy_wh_total"].sum() == pytest.approx(2000)


def test_equal_increments_in_a_row_are_each_counted(store: Paths) -> None:
    """home-assistant/core issue 65622; make-all/tuya-local issue 392, PR 1573: scale 3, kWh."""
    keep(store, [report("10 10:00", "add_ele", "201"), report("10 10:10", "add_ele", "201")])
    build(store)
    assert table(store, "energy_hourly")["energy_wh_increment"].sum() == pytest.approx(2 * 201.0)


# ---- Properties of the integral ----------------------------------------------------------

DAYS, GAP_MIN = 2, 180
samples = st.lists(
    st.tuples(st.integers(0, DAYS * 1440 - 1), st.integers(0, 2000)),
    min_size=1,
    max_size=12,
    unique_by=lambda sample: sample[0],
).map(sorted)


def held_wh(series: list[tuple[int, int]]) -> float:
    """The step integral of energy-analysis.md 1.1, straight from its formula."""
    ends = [minute for minute, _ in series[1:]] + [DAYS * 1440]
    spans = [min(end, t + GAP_MIN) - t for (t, _), end in zip(series, ends, strict=True)]
    return sum(p * span / 60 for (_, p), span in zip(series, spans, strict=True))


def repeated(series: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """With an equal sample in the middle of each interval that is no gap."""
    pairs = pairwise(series)
    between = [((t + u) // 2, p) for (t, p), (u, _) in pairs if 2 <= u - t <= GAP_MIN]
    return sorted(series + between)


def answer(store: Paths, device: str, series: list[tuple[int, int]], *, hour: int) -> None:
    """Keep samples as whole days, asked at an hour of the 20th, in the order they come in."""
    for day in range(DAYS):
        start = at("10") + timedelta(days=day)
        window = Window(device, start, start + timedelta(days=1))
        of_day = [power(60 * t, p) for t, p in series if t // 1440 == day]
        raw.write_window(
            store,
            window,
            of_day,
            asked_at=at("20") + timedelta(hours=hour),
            ingested_by="tcc/0",
            complete=True,
        )


@pytest.mark.slow
@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(series=samples, cut=st.integers(1, DAYS * 24 - 1))
def test_the_integral_keeps_its_properties(
    tmp_path_factory: pytest.TempPathFactory, series: list[tuple[int, int]], cut: int
) -> None:
    """Equal samples, order and duplicates change nothing; windows and local days add up."""
    store = Paths.at(tmp_path_factory.mktemp("integral"))
    answer(store, "plain", series, hour=0)
    answer(store, "repeated", repeated(series), hour=0)
    answer(store, "mixed", series[::-1], hour=0)
    answer(store, "mixed", series[::2], hour=1)  # the same rows again
    build(store)
    whole = windowed(store, "", "")
    of_device = whole.groupby("device_id")["energy_wh_integral"].sum()
    assert of_device.to_dict() == pytest.approx(
        dict.fromkeys(("plain", "repeated", "mixed"), held_wh(series))
    )
    edges = [at("10") + timedelta(hours=hours) for hours in (0, cut, DAYS * 24)]
    parts = [windowed(store, a.isoformat(), b.isoformat()) for a, b in pairwise(edges)]
    assert sum(float(p["energy_wh_integral"].sum()) for p in parts) == pytest.approx(
        3 * held_wh(series)
    )
    daily = warehouse.read(store.marts / "energy_daily")
    assert daily["energy_wh_integral"].sum() == pytest.approx(3 * held_wh(series))
    unobserved = whole[whole["power_s"] == 0]
    assert unobserved["energy_wh_integral"].isna().all()


def windowed(store: Paths, start: str, end: str) -> DataFrame:
    return Study.open(store.data, start, end).hourly


# ---- The choice of a meter and the agreement of two --------------------------------------


def days(*rows: tuple[str, int, float, float, float]) -> DataFrame:
    """Daily rows: device, day of March, increments, totals and integral in Wh; well observed."""
    columns = ["device_id", "day", *(f"energy_wh_{meter}" for meter in meters.METERS)]
    frame = DataFrame(rows, columns=columns)
    return frame.assign(
        device_name=frame["device_id"].str.title(),
        local_date=[pd.Timestamp(2026, 3, day) for day in frame["day"]],
        alive_s=86400.0,
        power_s=86400.0,
        coverage=1.0,
    )


def test_increments_come_before_totals_and_totals_before_the_integral() -> None:
    daily = meters.chosen(
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
    assert meters.metered(daily)["device_id"].nunique() == 3


def test_a_table_records_what_each_meter_counted_and_why_one_counts() -> None:
    daily = days(
        ("plug", 10, 100, NAN, 90),
        ("meter", 10, NAN, 300, 310),
        ("old", 10, NAN, NAN, 50),
        ("lamp", 10, NAN, NAN, NAN),
    )
    table = meters.choices(meters.chosen(daily)).set_index("device_id")
    assert table["why"].to_dict() == {
        "lamp": "não mede energia",
        "meter": "envia só um total",
        "old": "envia só potência",
        "plug": "envia incrementos",
    }
    assert table.loc["meter", "total_kwh"] == 0.3
    assert math.isnan(table.loc["meter", "increment_kwh"])
    assert table.loc["lamp", "meter_name"] == "—"
    assert meters.choices(meters.chosen(daily[:0])).empty


def test_two_meters_are_compared_on_well_observed_days_of_some_energy() -> None:
    daily = meters.chosen(
        days(("a", 10, 1000, NAN, 1050), ("a", 11, 1000, NAN, 900), ("a", 12, 50, NAN, 99))
    )
    daily.loc[1, "power_s"] = 0.5 * 86400
    assert meters.divergence(daily).tolist() == pytest.approx([0.05])
    compared = meters.compared(daily)
    assert compared["mean_kwh"].tolist() == [1.025]
    assert compared["difference_kwh"].tolist() == [0.05]


def test_a_device_that_only_sends_power_is_compared_with_nothing() -> None:
    assert meters.compared(meters.chosen(days(("a", 10, NAN, NAN, 900)))).empty


def test_agreement_is_told_by_device_and_of_all_days() -> None:
    rows = [("a", 1 + n, 1000, NAN, 1000 + 10 * n) for n in range(11)]
    rows += [("b", 1, 1000, NAN, 1200)]
    table = meters.agreement(meters.compared(meters.chosen(days(*rows)))).set_index("device_name")
    assert table.index.tolist() == ["A", "B", meters.ALL]
    assert table.loc["A", "median_pct"] == pytest.approx(5)
    assert table.loc["A", "p5_pct"] == pytest.approx(0.5)
    assert table.loc["A", "p95_pct"] == pytest.approx(9.5)
    assert table.loc["A", "within_pct"] == pytest.approx(6 / 11 * 100)
    assert table.loc[meters.ALL, "days"] == 12
    assert meters.agreement(meters.compared(meters.chosen(days()))).empty


def test_limits_of_agreement_are_the_bias_and_1_96_standard_deviations() -> None:
    found = meters.limits(pd.Series([-1.0, 0.0, 1.0, 4.0]))
    spread = math.sqrt((4 + 1 + 0 + 9) / 3)
    assert found.bias == 1
    assert (found.lower, found.upper) == pytest.approx((1 - 1.96 * spread, 1 + 1.96 * spread))


def test_meters_further_apart_than_a_reading_may_be_wrong_are_a_finding() -> None:
    daily = meters.chosen(days(("a", 10, 1000, NAN, 1040), ("b", 10, 1000, NAN, 1040)))
    errors = pd.Series({"a": 0.05, "b": 0.03})
    (found,) = meters.findings(daily, errors)
    assert (found.name, found.data["device"]) == ("tcc.energy.meters_apart", "B")
