"""Voltage by ten-minute means: limits, sets of a week, bounds, what the meter's error leaves open.

Limits and examples: group `voltage` of reference_values.json (PRODIST Module 8, annex VIII of
ANEEL's resolution 956/2021, from agreeing transcriptions; EN 50160 from a secondary source).
"""

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import DataFrame

from lib import (
    indicators_voltage,
    plots,
    plots_voltage,
    tables_voltage,
    voltage,
    voltage_error,
    voltage_house,
)
from lib import voltage_meters as meters
from lib.config import Voltage
from lib.errors import ConfigError
from lib.figures import style
from lib.voltage import ABOVE, NO_TABLE, OUTSIDE, SET, UNDECIDED, WITHIN

ZONE = "America/Sao_Paulo"
START = datetime(2026, 3, 2, 3, tzinfo=UTC)  # midnight in Belo Horizonte
OF_127 = voltage.limits(127)
RULE = Voltage()
ADEQUATE_V, PRECARIOUS_V, CRITICAL_V = 127.0, 115.0, 105.0


def slots(
    *means: list[float], names: list[str] | None = None, start: datetime = START
) -> DataFrame:
    """Slots of ten minutes as `Study.voltage`, one list of means for each device; NaN: none."""
    frames = [
        DataFrame(
            {
                "device_id": f"plug{at:02d}",
                "device_name": names[at] if names else f"Tomada {at:02d}",
                "slot_start": pd.date_range(start, periods=len(own), freq="10min"),
                "voltage_v": np.asarray(own, dtype=float),
                "voltage_s": 600.0,
            }
        )
        for at, own in enumerate(means)
    ]
    if not frames:
        return slots([127.0])[:0]
    return pd.concat(frames, ignore_index=True).dropna(subset="voltage_v")


def week(precarious: int = 0, critical: int = 0, n: int = SET) -> list[float]:
    """Means of so many slots, the first ones precarious, then critical, the others adequate."""
    rest = n - precarious - critical
    return [PRECARIOUS_V] * precarious + [CRITICAL_V] * critical + [ADEQUATE_V] * rest


def assessed(frame: DataFrame, nominal_v: float = 127, **changes: Any) -> voltage_house.House:
    span_s = max(600.0, 600.0 * frame["slot_start"].nunique())
    return voltage_house.assess(frame, nominal_v, RULE, **({"span_s": span_s} | changes))


def found(house: voltage_house.House) -> dict[str, dict[str, Any]]:
    return {f.name: f.data for f in voltage_house.findings(house)}


@pytest.mark.parametrize(
    ("mean_v", "name"),  # reference_values.json, voltage.prodist_m8.classification
    [
        *((109.99, "crítica"), (110, "precária"), (116.99, "precária"), (117, "adequada")),
        *((133, "adequada"), (133.01, "precária"), (135, "precária"), (135.01, "crítica")),
    ],
)
def test_a_limit_belongs_to_the_better_class(mean_v: float, name: str) -> None:
    assert voltage.LEVELS[int(voltage.classify([mean_v], OF_127)[0])] == name


@pytest.mark.parametrize(
    ("nominal_v", "lines"),  # reference_values.json, voltage.prodist_m8.limits_V
    [
        (110, (96, 101, 116, 117)),
        (127, (110, 117, 133, 135)),
        (220, (191, 202, 231, 233)),
    ],
)
def test_every_table_closes_its_classes_as_the_specification(
    nominal_v: float, lines: tuple[float, ...]
) -> None:
    own = voltage.limits(nominal_v)
    critical_below, low, high, critical_above = lines
    assert own.lines_v == [*lines]
    edges = [critical_below, np.nextafter(low, 0) - 1e-5, low, high, high + 1e-5, critical_above]
    assert voltage.classify(edges, own).tolist() == [1, 1, 0, 0, 1, 1]
    assert voltage.classify([critical_below - 1e-5, critical_above + 1e-5], own).tolist() == [2, 2]


def test_for_254_volts_only_the_upper_side_is_known() -> None:
    own = voltage.limits(254)
    levels = voltage.classify([240, 254, 267, 267.01, 269, 269.01], own)
    assert levels.tolist() == [-1, 0, 0, 1, 1, 2]
    house = assessed(slots([250.0] * SET), 254)
    assert house.sets["verdict"].tolist() == [UNDECIDED]
    assert house.sets[["drp_low_pct", "drp_high_pct"]].to_numpy().tolist() == [[0, 100]]
    assert math.isnan(house.sets["drp_pct"].iloc[0])
    assert assessed(slots([270.0] * SET), 254).sets["verdict"].tolist() == [ABOVE]


@pytest.mark.parametrize("nominal_v", [230, 240])
def test_where_prodist_has_no_table_only_en_50160_judges(nominal_v: float) -> None:
    house = assessed(slots([nominal_v * 0.99] * SET), nominal_v)
    row = house.sets.iloc[0]
    assert (row["verdict"], row["en_verdict"]) == (NO_TABLE, WITHIN)
    assert math.isnan(row["drp_low_pct"])
    assert math.isnan(house.summary["adequate_pct"])
    shown = indicators_voltage.of_voltage(house)
    assert shown["tensao.tabela"].value == "—"
    assert shown["tensao.drp"].shown()["value"] == "—"
    assert found(house) == {}


def test_en_50160_has_closed_ranges() -> None:
    # reference_values.json, voltage.en50160.for_127V
    assert OF_127.share_v(voltage.EN_NORMAL) == (114.3, 139.7)
    assert OF_127.share_v(voltage.EN_ALL) == (107.95, 139.7)
    rows = voltage.judged(
        voltage.valid(slots([114.29, 114.3, 139.7, 139.71, 107.95, 107.94])), OF_127
    )
    assert rows["en_normal"].tolist() == [False, True, True, False, False, False]
    assert rows["en_all"].tolist() == [True, True, True, False, True, False]


@pytest.mark.parametrize(
    ("low_n", "far_n", "verdict"), [(50, 0, WITHIN), (51, 0, OUTSIDE), (0, 1, OUTSIDE)]
)
def test_en_50160_wants_95_percent_in_ten_percent_and_all_in_the_wide_range(
    low_n: int, far_n: int, verdict: str
) -> None:
    means = [112.0] * low_n + [107.0] * far_n
    rows = assessed(slots(means + [127.0] * (SET - len(means)))).sets
    assert rows["en_verdict"].tolist() == [verdict]
    assert rows["en_normal_pct"].iloc[0] == pytest.approx((SET - len(means)) / SET * 100)


@pytest.mark.parametrize(
    ("count", "drp_pct", "verdict"),  # reference_values.json, drp_examples; limit 3 %
    [(30, 2.97619, WITHIN), (31, 3.075397, ABOVE)],
)
def test_30_precarious_readings_pass_and_31_fail(count: int, drp_pct: float, verdict: str) -> None:
    row = assessed(slots(week(precarious=count))).sets.iloc[0]
    assert row["drp_pct"] == pytest.approx(drp_pct, abs=5e-7)
    assert (row["drc_pct"], row["verdict"]) == (0, verdict)


@pytest.mark.parametrize(
    ("count", "drc_pct", "verdict"),  # reference_values.json, drc_examples; limit 0.5 %
    [(5, 0.496032, WITHIN), (6, 0.595238, ABOVE)],
)
def test_5_critical_readings_pass_and_6_fail(count: int, drc_pct: float, verdict: str) -> None:
    row = assessed(slots(week(critical=count))).sets.iloc[0]
    assert row["drc_pct"] == pytest.approx(drc_pct, abs=5e-7)
    assert (row["drp_pct"], row["verdict"]) == (0, verdict)


@pytest.mark.parametrize(
    ("n", "precarious", "verdict"),
    # 8 missing readings may all have been critical: 0.79 % is more than 0.5 %
    [(1000, 0, UNDECIDED), (100, 30, UNDECIDED), (100, 31, ABOVE)],
)
def test_fewer_readings_have_bounds_and_no_drp(n: int, precarious: int, verdict: str) -> None:
    row = assessed(slots(week(precarious=precarious, n=n))).sets.iloc[0]
    assert math.isnan(row["drp_pct"])
    assert row["drp_low_pct"] == pytest.approx(precarious / SET * 100)
    assert row["drp_high_pct"] == pytest.approx((precarious + SET - n) / SET * 100)
    assert (row["n"], row["verdict"]) == (n, verdict)


def test_four_missing_readings_leave_no_doubt() -> None:
    row = assessed(slots(week(precarious=26, n=1004))).sets.iloc[0]
    assert row["verdict"] == WITHIN
    assert row["en_verdict"] == UNDECIDED  # one of the four may have been out of every range


def test_an_invalid_slot_is_replaced_by_those_that_follow() -> None:
    frame = slots(week(precarious=31, n=SET + 10))
    frame.loc[:9, "voltage_s"] = 539.0
    rows = assessed(frame).sets
    assert rows["n"].tolist() == [SET]
    assert rows["drp_pct"].iloc[0] == pytest.approx(21 / SET * 100)
    frame.loc[:9, "voltage_s"] = 540.0
    assert assessed(frame).sets["n"].tolist() == [SET, 10]


def test_a_set_spans_what_lies_between_its_readings() -> None:
    means = [*week(n=504), *[math.nan] * 1008, *week(n=504)]
    row = assessed(slots(means)).sets.iloc[0]
    assert row["set_start"] == START
    assert row["set_end"] == START + pd.Timedelta(days=14)
    assert row["coverage_pct"] == 50
    sparse = assessed(slots([*means[:504], math.nan, *means[504:]]))
    assert found(sparse)["tcc.voltage.sparse"] == {"sets": 1}


def test_more_data_gives_more_sets_and_each_device_has_its_own() -> None:
    frame = slots(week(precarious=31) + week(critical=6) + week(n=8), week(n=3))
    rows = assessed(frame).sets
    assert rows["device_id"].tolist() == ["plug00"] * 3 + ["plug01"]
    assert rows["number"].tolist() == [1, 2, 3, 1]
    assert rows["n"].tolist() == [SET, SET, 8, 3]
    assert rows["verdict"].tolist() == [ABOVE, ABOVE, UNDECIDED, UNDECIDED]


def test_the_error_of_a_sum_moves_no_reading_below_its_limit() -> None:
    frame = slots([117 - 1e-12, 133 + 1e-12])
    assert assessed(frame).rows["level"].tolist() == [voltage.ADEQUATE] * 2


def test_the_worst_week_does_not_depend_on_where_the_first_set_begins() -> None:
    means = week(n=990) + week(precarious=40, n=SET)
    row = assessed(slots(means)).summary
    assert row["drp_max_pct"] == pytest.approx(18 / SET * 100)
    assert row["drp_rolling_pct"] == pytest.approx(40 / SET * 100)
    assert math.isnan(assessed(slots(week(n=100))).summary["drp_rolling_pct"])


levels = st.sampled_from([ADEQUATE_V, PRECARIOUS_V, CRITICAL_V, 134.0, 140.0])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(80, 160), min_size=1, max_size=60))
def test_the_classes_add_up_to_the_readings(means: list[float]) -> None:
    house = assessed(slots(means, [127.0] * 3))
    shares = house.devices[["adequate_pct", "precarious_pct", "critical_pct"]]
    assert np.allclose(shares.sum(axis=1), 100)
    assert house.devices["n"].sum() == len(house.rows) == house.sets["n"].sum()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 60), st.integers(0, 12), st.integers(0, 2**32 - 1), st.floats(0, 0.9))
def test_bounds_contain_the_value_of_the_full_week_whatever_is_missing(
    precarious: int, critical: int, seed: int, lost: float
) -> None:
    full = slots(week(precarious, critical))
    kept = full[np.random.default_rng(seed).random(SET) >= lost]
    if kept.empty:
        return
    whole, part = assessed(full).sets.iloc[0], assessed(kept).sets.iloc[0]
    for index in ("drp", "drc"):
        low, high = part[f"{index}_low_pct"], part[f"{index}_high_pct"]
        assert low - 1e-9 <= whole[f"{index}_pct"] <= high + 1e-9
    assert part["verdict"] in {whole["verdict"], UNDECIDED}
    assert part["en_verdict"] in {whole["en_verdict"], UNDECIDED}


@settings(max_examples=8, deadline=None)
@given(st.lists(levels, min_size=1, max_size=80), st.integers(0, 2**32 - 1))
def test_the_order_of_rows_does_not_matter(means: list[float], seed: int) -> None:
    frame = slots(means, means[::-1])
    other = frame.sample(frac=1, random_state=np.random.RandomState(seed))
    one, two = assessed(frame), assessed(other)
    pd.testing.assert_frame_equal(one.sets, two.sets)
    pd.testing.assert_frame_equal(one.devices, two.devices)
    pd.testing.assert_frame_equal(one.sensitivity, two.sensitivity)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(100, 145), min_size=1, max_size=60), st.floats(0, 5), st.floats(-1, 1))
def test_what_the_dead_band_allows_lies_between_its_least_and_its_most(
    means: list[float], band_pct: float, share: float
) -> None:
    own = voltage.valid(slots(means))
    table = voltage_error.sensitivity(own, OF_127, dead_band_pct=band_pct, draws=0)
    named = table.set_index("scenario")
    least, most = (named.loc[voltage_error.SCENARIOS[key]] for key in ("least", "most"))
    moved = voltage.classify(own["voltage_v"] * (1 + share * band_pct / 100), OF_127)
    assert least["precarious"] <= (moved == voltage.PRECARIOUS).sum() <= most["precarious"]
    assert least["critical"] <= (moved == voltage.CRITICAL).sum() <= most["critical"]


def test_readings_near_a_limit_depend_on_the_dead_band() -> None:
    # 2 % of 127 V are 2.54 V: 118 V may have been 115.6 V, and 134 V anything from 131.3 to 136.7
    house = assessed(slots([118.0] * 40 + [134.0] * 20 + [127.0] * (SET - 60)))
    table = house.sensitivity.set_index("scenario")
    names = voltage_error.SCENARIOS
    assert table.loc[names["read"], ["precarious", "critical"]].tolist() == [20, 0]
    assert table.loc[names["band_down"], ["precarious", "critical"]].tolist() == [40, 0]
    assert table.loc[names["band_up"], ["precarious", "critical"]].tolist() == [0, 20]
    assert table.loc[names["least"], ["precarious", "critical"]].tolist() == [0, 0]
    assert table.loc[names["most"], ["precarious", "critical"]].tolist() == [60, 20]
    assert table["offset_v"].iloc[1:5].tolist() == pytest.approx(
        [-2.54, 2.54, -2.1997, 2.1997], abs=1e-4
    )
    assert found(house)["tcc.voltage.uncertain"] == {"least": 0, "most": 1}


def test_random_errors_are_the_same_in_every_run_and_shared_by_one_report() -> None:
    own = voltage.valid(slots([117.0] * SET))
    one, two = (voltage_error.sensitivity(own, OF_127, draws=60) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    drawn = one[one["scenario"].str.startswith(voltage_error.SCENARIOS["random"])]
    assert drawn["precarious"].tolist()[::2] == [0, SET]  # one report: all or nothing


def test_the_mains_meter_is_the_reference_unless_it_saw_little() -> None:
    frame = slots(week(n=100), week(n=60), week(n=20))
    assert assessed(frame, mains=["plug01"]).reference == "plug01"
    assert assessed(frame, mains=["plug02"]).reference == "plug00"
    assert assessed(frame).reference == "plug00"


def test_meters_are_compared_in_the_slots_they_share() -> None:
    frame = slots([127.0] * 10, [130.0] * 5, [126.0] * 10, names=["A", "B", "C"])
    house = assessed(frame)
    table = tables_voltage.meters_table(house).set_index("device_name")
    assert table["deviation_v"].fillna(0).to_dict() == {"A": 0, "B": 3, "C": -1}
    assert table["together"].fillna(0).to_dict() == {"A": 0, "B": 5, "C": 10}
    assert table.loc["B", "together_pct"] == 100  # within two dead bands of 2.54 V
    assert found(house)["tcc.voltage.apart"] == {"device": "B", "deviation_v": 3.0}
    assert meters.spread(house.rows).tolist() == [4.0] * 5 + [1.0] * 5


def test_an_outlet_of_another_nominal_voltage_is_left_out_and_named() -> None:
    house = assessed(slots([127.0] * 20, [219.0] * 30, names=["Sala", "Chuveiro"]))
    assert house.devices["device_name"].tolist() == ["Sala"]
    assert found(house)["tcc.voltage.other_nominal"] == {"devices": ["Chuveiro"]}
    assert assessed(slots([127.0], [219.0]), 220).devices["median_v"].tolist() == [219.0]


def test_findings_name_sets_above_the_limits_and_too_little_data() -> None:
    both = slots(week(precarious=31), week(critical=60))
    data = found(assessed(both))
    assert data["tcc.voltage.above"]["drp_max_pct"] == pytest.approx(3.075397, abs=5e-7)
    assert data["tcc.voltage.others_above"] == {"devices": 1, "of": 1}
    assert "tcc.voltage.en50160" not in data  # the reference's own 31 means of 115 V are in 10 %
    little = found(assessed(slots(week(n=12))))
    assert little["tcc.voltage.too_little"] == {"device": "Tomada 00", "n": 12}


def test_a_nominal_voltage_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="nominal"):
        voltage.limits(0)


def test_the_daily_profile_is_in_local_hours() -> None:
    means = [120.0] * 6 + [130.0] * 6  # from midnight, local time
    profile = meters.profile(assessed(slots(means)).own, ZONE).set_index("hour")
    assert profile["median_v"].to_dict() == {0: 120, 1: 130}
    assert profile["n"].tolist() == [6, 6]


def test_a_trace_keeps_gaps_and_becomes_daily_beyond_two_weeks() -> None:
    short = assessed(slots([127.0, math.nan, 128.0], [126.0, 126.0, 129.0]))
    traced = meters.trace(short.rows, "plug00", ZONE)
    assert traced["mean_v"].isna().tolist() == [False, True, False]
    assert traced["others_high_v"].tolist() == [126, 126, 129]
    assert str(traced["time"].iloc[0]) == "2026-03-02 00:00:00"
    means = [*[120.0, 130.0] * 72, *[math.nan] * 144, *[127.0] * 144 * 18]
    daily = meters.trace(assessed(slots(means)).rows, "plug00", ZONE)
    assert len(daily) == 20
    assert daily.iloc[0][["mean_v", "low_v", "high_v"]].tolist() == [125, 120, 130]
    assert math.isnan(daily["mean_v"].iloc[1])


def test_a_table_of_many_sets_keeps_the_worst_in_their_order() -> None:
    means = [v for n in range(30) for v in week(precarious=n)]
    shown = tables_voltage.sets_table(assessed(slots(means)), ZONE)
    assert shown["number"].tolist() == list(range(5, 31))
    assert shown["drp_text"].iloc[-1] == "2,88"
    assert shown["start_text"].iloc[0] == "30/03/2026 00h00"
    part = tables_voltage.sets_table(assessed(slots(week(n=998, precarious=3))), ZONE)
    assert part["drp_text"].tolist() == ["0,30 a 1,29"]


def test_the_limits_are_printed_as_they_judge() -> None:
    table = tables_voltage.limits_table(voltage.limits(254)).set_index("nominal_v")
    assert table.index.tolist() == [127, 220, 254]
    assert table.loc[127, "precarious"] == "110 ≤ U < 117; 133 < U ≤ 135"
    assert table.loc[127, "en_all"] == "107,95 a 139,7"
    assert table.loc[254, "critical"] == "U > 269"
    assert tables_voltage.limits_table(voltage.limits(230))["adequate"].iloc[-1] == "—"


CASES: dict[str, tuple[DataFrame, float]] = {
    "none": (slots(), 127),
    "one reading": (slots([127.0]), 127),
    "one day, one device": (slots(week(n=144)), 127),
    "a week, three devices": (slots(*[week(31, 6)] * 3), 127),
    "twenty devices": (slots(*[week(n=300)] * 20, names=["$_Tomada %"] * 20), 127),
    "without a table": (slots([231.0] * 300, [229.0] * 300), 230),
    "one side of a table": (slots([255.0] * 300), 254),
    "two years": (slots([127.0 + n % 9 for n in range(144 * 730)], week(n=9)), 127),
}


@pytest.mark.parametrize("case", CASES)
def test_every_amount_of_data_has_figures_numbers_and_tables(case: str) -> None:
    frame, nominal_v = CASES[case]
    house = assessed(frame, nominal_v)
    traced = meters.trace(house.rows, house.reference, ZONE)
    figures = [
        plots_voltage.over_time(traced, house.given),
        plots_voltage.distribution(house.rows, house.given, house.reference),
        plots_voltage.by_hour(meters.profile(house.own, ZONE), house.given),
    ]
    with style():
        for figure in figures:
            figure.canvas.draw()
    said = [text.get_text() for figure in figures for text in figure.texts]
    assert said.count(plots.NO_DATA) == (3 if case == "none" else 0)
    shown = indicators_voltage.of_voltage(house)
    assert all(indicator.shown() for indicator in shown.values())
    assert {*tables_voltage.SETS} <= {*tables_voltage.sets_table(house, ZONE).columns}
    assert {*tables_voltage.METERS} <= {*tables_voltage.meters_table(house).columns}
    assert {*tables_voltage.SENSITIVITY} <= {*house.sensitivity.columns}
    names = {finding.name for finding in voltage_house.findings(house)}
    assert ("tcc.voltage.none" in names) == (case == "none")
