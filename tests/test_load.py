"""Power over time, what is always on, cycles, and how they are drawn."""

import math
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from pandas import DataFrame, Series

from lib import cycles, figures, load, meters, plots, plots_load, standby
from lib.demo.catalogue import PORCH_LAMP
from lib.demo.simulated import SimulatedHouse
from tests.conftest import digest
from tests.rows import at
from tests.test_figures import page_of, texts

ZONE = "America/Sao_Paulo"


def slots(
    power_w: dict[str, list[float]], minutes: int = 15, start: str = "10 03:00", share: float = 1.0
) -> DataFrame:
    """Slots of devices, one after the other; 10 March 3h UTC is local midnight."""
    rows = [
        (device, device.title(), pd.Timestamp(at(start)) + timedelta(minutes=minutes * n), w)
        for device, own in power_w.items()
        for n, w in enumerate(own)
    ]
    frame = DataFrame(rows, columns=["device_id", "device_name", "slot_start", "power_w"])
    return frame.assign(power_s=60.0 * minutes * share, power_w_max=frame["power_w"])


def series(power_w: list[float], minutes: int = 15, start: str = "10 03:00") -> "Series[float]":
    """The power of a house in slots."""
    return load.house_power(slots({"house": power_w}, minutes, start), [], minutes)


# ---- The house's power --------------------------------------------------------------------


def test_a_slot_with_a_part_of_the_house_missing_has_no_power() -> None:
    both = slots({"a": [100, 200], "b": [10, 20]})
    assert load.house_power(both, []).tolist() == [110, 220]
    partly = both.copy()
    partly.loc[partly["power_w"] == 10, "power_s"] = 0.89 * 900
    assert load.house_power(partly, []).tolist() == [220]
    assert load.house_power(both, ["b"]).tolist() == [10, 20]
    assert load.house_power(slots({"a": [100]}, share=0.5), []).empty
    assert load.house_power(both[:0], ["b"]).empty


def test_a_slot_in_which_a_device_was_silent_is_no_slot_of_the_house() -> None:
    both = slots({"a": [100, 200, 300], "b": [10, 20, 30]})
    silent = both[both["power_w"] != 20]
    assert load.house_power(silent, []).tolist() == [110, 330]


def test_a_meter_added_later_or_taken_away_does_not_undo_the_other_slots() -> None:
    both = slots({"a": [100, 200, 300], "b": [10, 20, 30]})
    late = both[both["power_w"] != 10]
    gone = late[late["power_w"] != 30]
    assert load.house_power(gone, []).tolist() == [100, 220, 300]


# ---- Curves and maps ------------------------------------------------------------------------


def test_holidays_count_as_sundays() -> None:
    good_friday = date(2026, 4, 3)

    def is_holiday(day: date) -> bool:
        return day == good_friday

    kinds = [load.day_kind(good_friday + timedelta(days=n), is_holiday) for n in range(4)]
    assert kinds == ["domingo e feriado", "sábado", "domingo e feriado", "dia útil"]


def test_the_load_curve_is_in_local_quarters_of_an_hour() -> None:
    power_w = series([float(n) for n in range(3 * 96)])
    curve = load.load_curve(power_w, ZONE, lambda day: False)
    assert curve["hour"].tolist() == [n / 4 for n in range(96)]
    at_noon = curve.set_index("hour").loc[12.0]
    assert at_noon["power_w_mean"] == 48 + 96
    assert at_noon["days"] == 3
    assert (at_noon["power_w_p10"], at_noon["power_w_p90"]) == pytest.approx((67.2, 220.8))
    assert load.load_curve(power_w[:0], ZONE, lambda day: False).empty


def test_each_kind_of_day_has_a_curve() -> None:
    friday_to_sunday = series([100.0] * 96 + [200.0] * 96 + [300.0] * 96, start="13 03:00")
    curve = load.load_curve(friday_to_sunday, ZONE, lambda day: False)
    means = curve.groupby("day_kind")["power_w_mean"].mean().to_dict()
    assert means == {"dia útil": 100, "sábado": 200, "domingo e feriado": 300}


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=1500))
def test_the_area_under_the_duration_curve_is_the_energy(power_w: list[float]) -> None:
    curve = load.duration(Series(power_w))
    widths = np.diff(np.append(0, curve["share_pct"])) / 100
    mean_w = sum(power_w) / len(power_w)
    assert float((curve["power_w"] * widths).sum()) == pytest.approx(mean_w, rel=1e-9, abs=1e-9)
    assert (np.diff(curve["power_w"]) <= 1e-9).all()
    assert curve["share_pct"].iloc[-1] == 100
    assert len(curve) <= load.MOST_STEPS


def test_a_cell_of_the_week_needs_three_days() -> None:
    days = [[100.0] * 96] * 15  # from Tuesday the 10th: three Tuesdays, two of the other days
    cells = load.heat_map(series([w for day in days for w in day]), ZONE)
    by_day = cells.groupby("weekday")["energy_kwh"].first()
    assert by_day[1] == pytest.approx(0.1)
    assert by_day.drop(1).isna().all()
    assert cells.groupby("weekday")["days"].max().to_dict()[1] == 3
    assert load.heat_map(series([])[:0], ZONE).empty


def test_an_hour_with_a_quarter_missing_is_no_hour_of_the_map() -> None:
    power_w = series([100.0] * 8).drop(pd.Timestamp(at("10 03:15")))
    assert load.heat_map(power_w, ZONE)["hour"].tolist() == [1]


# ---- Demand and coincidence: reference_values.json, group load (derived) ------------------

HOURLY_KW = (
    *(0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.5, 0.9, 0.6, 0.4, 0.4, 0.5),
    *(0.8, 0.6, 0.4, 0.4, 0.5, 1.0, 2.4, 2.0, 1.5, 0.9, 0.4, 0.2),
)


def test_a_day_has_its_demand_mean_and_load_factor() -> None:
    power_w = series([1000 * kw for kw in HOURLY_KW], minutes=60)
    assert power_w.sum() / 1000 == pytest.approx(15.6)
    assert (power_w.max(), power_w.mean()) == pytest.approx((2400, 650))
    assert load.load_factor(power_w) == pytest.approx(0.270833, abs=5e-7)
    assert math.isnan(load.load_factor(power_w[:0]))
    assert math.isnan(load.load_factor(power_w * 0))


def test_devices_coincide_by_the_maximum_of_their_sum() -> None:
    both = {"a": [1000.0, 200, 300, 2000], "b": [500.0, 1500, 100, 200]}
    found = load.coincidence(slots(both | {"meter": [5000.0] * 4}), ["meter"])
    assert (found.max_of_sum_w, found.sum_of_max_w) == (2200, 3500)
    assert found.factor == pytest.approx(0.628571, abs=5e-7)
    assert found.diversity == pytest.approx(1.590909, abs=5e-7)
    assert (found.slots, found.devices) == (4, 2)


def test_one_device_coincides_with_nothing() -> None:
    assert math.isnan(load.coincidence(slots({"a": [100.0]}), []).factor)
    assert math.isnan(load.coincidence(slots({}), []).factor)


def test_the_demand_is_the_highest_well_observed_mean_and_when_it_was() -> None:
    power = slots({"a": [100.0, 900, 500], "b": [0.0, 0, 0]})
    power.loc[1, "power_s"] = 0.89 * 900
    table = load.demands(power).set_index("device_id")
    assert table.loc["a", "demand_w"] == 500
    assert table.loc["a", "demand_start"] == pd.Timestamp(at("10 03:30"))
    assert table.loc["a", "load_factor"] == pytest.approx(0.6)
    assert math.isnan(table.loc["b", "load_factor"])
    assert load.demands(power[:0]).empty


# ---- What is always on --------------------------------------------------------------------


def test_the_base_load_is_a_low_quantile_of_the_small_hours() -> None:
    """Five-minute means from 2 to 5 h of a week of nights, of devices and of the house."""
    night = [90.0 + n for n in range(36)]
    day = [500.0] * 24 + night + [500.0] * (288 - 60)
    power = slots({"a": day * 7, "b": [5.0] * 288 * 7}, minutes=5)
    bases = standby.base_loads(power, ZONE).set_index("device_id")["base_w"]
    assert bases.to_dict() == pytest.approx({"a": float(np.quantile(night, 0.05)), "b": 5.0}, abs=1)
    house_w = standby.house_base(power, [], ZONE)
    assert house_w == pytest.approx(bases["a"] + 5)
    assert standby.house_base(power, ["b"], ZONE) == 5
    six = power[power["slot_start"] < pd.Timestamp(at("16 03:00"))]
    assert math.isnan(standby.house_base(six, [], ZONE))
    assert standby.base_loads(power[:0], ZONE).empty


def stretches(*rows: tuple[str, bool, str, str, float]) -> DataFrame:
    """Stretches of loads: device, whether on, from, to, energy. [Wh]"""
    names = ["device_id", "is_on", "load_start", "load_end", "energy_wh"]
    frame = DataFrame(rows, columns=names)
    times = {name: [pd.Timestamp(at(t)) for t in frame[name]] for name in names[2:4]}
    typed = {name: pd.to_datetime(own, utc=True) for name, own in times.items()}
    return frame.assign(device_name=frame["device_id"].str.title(), power_w_max=0.0, **typed)


def switched(*rows: tuple[str, bool, str, str], code: str = "switch_1") -> DataFrame:
    """Stretches of a switch: device, whether on, from, to."""
    frame = stretches(*((*row, 0.0) for row in rows))
    names = {"load_start": "state_start", "load_end": "state_end"}
    return frame.rename(columns=names).assign(code=code)


def test_standby_is_power_below_the_threshold_while_the_switch_is_on() -> None:
    loads = stretches(
        ("tv", False, "10 00:00", "10 10:00", 20.0),
        ("tv", True, "10 10:00", "10 12:00", 200.0),
        ("tv", False, "10 12:00", "11 00:00", 10.0),
    )
    always = standby.at_rest(loads, switched()).iloc[0]
    assert always["standby_w"] == pytest.approx(30 / 22)
    off = switched(("tv", False, "10 14:00", "11 00:00"), ("tv", True, "10 00:00", "10 14:00"))
    dark = standby.at_rest(loads, off).iloc[0]
    assert (dark["standby_h"], dark["standby_w"]) == pytest.approx((12, 2.5))
    assert dark["standby_kwh"] == pytest.approx(0.03)


def test_a_device_with_several_switches_counts_as_switched_on() -> None:
    loads = stretches(("strip", False, "10 00:00", "10 10:00", 20.0))
    off = [switched(("strip", False, "10 00:00", "10 10:00"), code=f"switch_{n}") for n in (1, 2)]
    assert standby.at_rest(loads, pd.concat(off)).iloc[0]["standby_h"] == pytest.approx(10)
    assert standby.at_rest(loads[:0], off[0]).empty


def test_a_profile_has_a_row_for_every_device_with_power() -> None:
    demands = load.demands(slots({"a": [100.0], "b": [900.0]}))
    bases = DataFrame({"device_id": ["a"], "base_w": [7.0]})
    table = standby.profile(demands, bases, standby.at_rest(stretches(), switched()))
    assert table["device_id"].tolist() == ["b", "a"]
    assert table["base_w"].fillna(-1).tolist() == [-1, 7]
    assert table["standby_w"].isna().all()


# ---- Cycles -------------------------------------------------------------------------------


def runs(frame: DataFrame) -> list[tuple[bool, float]]:
    """Whether each stretch is on, and its minutes."""
    return [(bool(r["is_on"]), r["duration_s"] / 60) for r in frame.to_dict("records")]


def test_a_cycle_goes_on_over_midnight() -> None:
    frame = stretches(
        ("tv", False, "10 20:00", "10 22:00", 1.0),
        ("tv", True, "10 22:00", "11 00:00", 200.0),
        ("tv", True, "11 00:00", "11 01:00", 100.0),
        ("tv", False, "11 01:00", "11 02:00", 1.0),
    )
    joined = cycles.stretches(frame.iloc[::-1])
    assert runs(joined) == [(False, 120), (True, 180), (False, 60)]
    assert joined["energy_wh"].tolist() == [1, 300, 1]
    (row,) = cycles.summary(joined).to_dict("records")
    assert (row["cycles"], row["mean_min"], row["cycle_wh"]) == (1, 180, 300)
    assert row["duty_pct"] == pytest.approx(50)
    assert row["per_day"] == pytest.approx(4)


def test_unobserved_time_ends_a_cycle_whose_length_is_then_unknown() -> None:
    frame = stretches(
        ("tv", False, "10 00:00", "10 01:00", 1.0),
        ("tv", True, "10 01:00", "10 02:00", 100.0),
        ("tv", True, "10 05:00", "10 06:00", 100.0),
        ("tv", False, "10 06:00", "10 07:00", 1.0),
    )
    joined = cycles.stretches(frame)
    assert runs(joined) == [(False, 60), (True, 60), (True, 60), (False, 60)]
    assert joined["whole_end"].tolist() == [True, False, True, False]
    (row,) = cycles.summary(joined).to_dict("records")
    assert row["cycles"] == 2
    assert math.isnan(row["mean_min"])


def test_short_rests_are_merged_before_short_runs_are_dropped() -> None:
    """The order of nilmtk's get_activations: two runs of 40 s with a rest of 30 s are one."""
    frame = stretches(
        ("a", False, "10 00:00", "10 01:00", 1.0),
        ("a", True, "10 01:00:00", "10 01:00:40", 10.0),
        ("a", False, "10 01:00:40", "10 01:01:10", 0.0),
        ("a", True, "10 01:01:10", "10 01:01:50", 10.0),
        ("a", False, "10 01:01:50", "10 02:00", 1.0),
        ("a", True, "10 02:00", "10 02:00:40", 10.0),
        ("a", False, "10 02:00:40", "10 03:00", 1.0),
    )
    joined = cycles.stretches(frame, min_on_s=60, min_off_s=120)
    assert [on for on, _ in runs(joined)] == [False, True, False]
    assert joined["duration_s"].tolist()[1] == 110
    assert joined["energy_wh"].tolist() == [1, 20, 12]
    assert len(cycles.stretches(frame)) == 7


def test_a_rest_that_gaps_cut_is_not_merged() -> None:
    frame = stretches(
        ("a", True, "10 01:00", "10 02:00", 10.0),
        ("a", False, "10 02:00", "10 02:01", 0.0),
        ("a", True, "10 03:00", "10 04:00", 10.0),
    )
    assert len(cycles.stretches(frame, min_off_s=3600)) == 3


@st.composite
def loads_of_devices(draw: Any) -> DataFrame:
    """Stretches of two devices, some of them touching."""
    rows = []
    for device in ("a", "b"):
        minute = 0
        for on, length, gap in draw(
            st.lists(st.tuples(st.booleans(), st.integers(1, 90), st.sampled_from((0, 0, 0, 7))))
        ):
            rows.append((device, on, minute, minute + length))
            minute += length + gap
    frame = DataFrame(rows, columns=["device_id", "is_on", "load_start", "load_end"])
    start = pd.Timestamp(at("10"))
    for name in ("load_start", "load_end"):
        frame[name] = start + pd.to_timedelta(frame[name].astype(float), unit="min")
    return frame.assign(device_name=frame["device_id"], energy_wh=1.0, is_on=frame["is_on"] == 1)


@given(frame=loads_of_devices(), on_min=st.integers(0, 60), off_min=st.integers(0, 60))
def test_cycles_keep_all_time_and_energy_whatever_is_merged(
    frame: DataFrame, on_min: int, off_min: int
) -> None:
    joined = cycles.stretches(frame, on_min * 60, off_min * 60)
    assert joined["energy_wh"].sum() == len(frame)
    seen_s = (frame["load_end"] - frame["load_start"]).dt.total_seconds().sum()
    assert joined["duration_s"].sum() == pytest.approx(seen_s)
    on = joined[joined["is_on"]]
    assert (on["duration_s"] >= on_min * 60).all()
    whole = ~joined["is_on"] & joined["whole_start"] & joined["whole_end"]
    assert (joined.loc[whole, "duration_s"] >= min(off_min * 60, 60)).all()


def evenings(count: int, forgotten: tuple[int, ...], *, code: str = "switch_led") -> DataFrame:
    """A lamp that is on from 21h to about 2h UTC, on some evenings until the next one."""
    rows, free = [], pd.Timestamp(at("01"))
    for n in range(count):
        start = pd.Timestamp(at("01 21:00")) + timedelta(days=n)
        length = timedelta(hours=29 if n in forgotten else 5, minutes=n % 7)
        if start >= free:
            rows += [("lamp", False, free, start), ("lamp", True, start, start + length)]
            free = start + length
    frame = DataFrame(rows, columns=["device_id", "is_on", "state_start", "state_end"])
    return frame.assign(device_name="Luz da varanda", code=code)


def test_a_forgotten_lamp_is_found_by_its_switch() -> None:
    sources = cycles.sources(stretches(), evenings(40, (12,)), [])
    unusual = cycles.unusual(cycles.stretches(sources, 60, 120))
    assert unusual["duration_h"].round(1).tolist() == [29.1]
    (found,) = cycles.findings(unusual, ZONE)
    assert found.name == "tcc.load.long_on"
    assert found.data["start"] == pd.Timestamp(at("13 21:00"))
    assert (
        "Luz da varanda: 1 funcionamento(s)" in found.text
        and "desde 13 mar. 2026, 18h00" in found.text
    )
    assert "29,1 h" in found.text and "5,0 h" in found.text


def test_a_lamp_still_on_at_the_end_counts_by_what_is_known() -> None:
    states = evenings(20, (19,))
    unusual = cycles.unusual(cycles.stretches(cycles.of_switches(states)))
    assert len(unusual) == 1


def test_late_evenings_and_rare_runs_are_not_unusual() -> None:
    assert cycles.unusual(cycles.stretches(cycles.of_switches(evenings(40, ())))).empty
    few = cycles.stretches(cycles.of_switches(evenings(9, (5,))))
    assert cycles.unusual(few).empty
    assert cycles.findings(cycles.unusual(few[:0]), ZONE) == []


def test_power_says_more_than_the_switch_and_the_mains_have_no_cycles() -> None:
    loads = stretches(
        ("tv", True, "10 00:00", "10 01:00", 9.0), ("meter", True, "10 00:00", "10 01:00", 9.0)
    )
    states = pd.concat(
        [switched(("tv", True, "10 00:00", "10 05:00")), evenings(3, ()), evenings(3, ())]
    )
    found = cycles.sources(loads, states, ["meter"])
    assert sorted(found["device_id"].unique()) == ["lamp", "tv"]
    assert found.loc[found["device_id"] == "tv", "energy_wh"].tolist() == [9.0]
    assert found.loc[found["device_id"] == "lamp", "energy_wh"].isna().all()
    assert cycles.sources(loads[:0], states[:0], []).empty
    assert cycles.summary(cycles.stretches(cycles.sources(loads[:0], states[:0], []))).empty


def test_each_switch_of_a_device_has_its_own_cycles() -> None:
    both = pd.concat([evenings(3, (), code="switch_1"), evenings(3, (), code="switch_2")])
    names = cycles.of_switches(both)["device_name"].unique().tolist()
    assert names == ["Luz da varanda (switch_1)", "Luz da varanda (switch_2)"]


def test_the_lamp_that_the_demo_house_forgets_is_found_and_no_other_evening() -> None:
    """The porch lamp stays on from the evenings of story days 12 and 44, 9 March and 10 April."""
    first, last = (int(pd.Timestamp(day, tz=ZONE).timestamp() * 1000) for day in STORY)
    rows = SimulatedHouse().rows(PORCH_LAMP, first, last)
    sent = [(row.event_time_ms, row.value == "true") for row in rows if row.code == "switch_led"]
    frame = DataFrame(sorted(sent), columns=["state_start", "is_on"])
    frame["state_start"] = pd.to_datetime(frame["state_start"], unit="ms", utc=True)
    frame = frame.assign(
        device_id=PORCH_LAMP,
        device_name="Luz da varanda",
        code="switch_led",
        state_end=frame["state_start"].shift(-1, fill_value=pd.Timestamp(last * 10**6, tz="UTC")),
    )
    unusual = cycles.unusual(cycles.stretches(cycles.of_switches(frame), 60, 120))
    days = unusual["start"].dt.tz_convert(ZONE).dt.date.tolist()
    assert sorted(days) == [date(2026, 3, 9), date(2026, 4, 10)]
    assert unusual["duration_h"].between(28, 30).all()


STORY = ("2026-02-25", "2026-04-22")


# ---- Drawings -----------------------------------------------------------------------------


def device_days(devices: int, count: int) -> DataFrame:
    rows = [
        (f"d{d}", f"Tomada {d}", 1 + d + 0.01 * n, 0.01 * (n % 5 - 2))
        for d in range(devices)
        for n in range(count)
    ]
    return DataFrame(rows, columns=["device_id", "device_name", "mean_kwh", "difference_kwh"])


def panels(figure: Figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes if axes.get_visible()]


def test_each_device_has_a_panel_with_its_bias_largest_first() -> None:
    days = device_days(2, 10)
    titles = panels(plots_load.agreement(days))
    relative = (days["difference_kwh"] / days["mean_kwh"] * 100).groupby(days["device_id"]).mean()
    assert titles[0].startswith("Tomada 1\n10 dias, viés")
    assert len(titles) == 2
    figure = plots_load.agreement(days[days["device_id"] == "d0"])
    lines = figure.axes[0].lines
    assert float(np.asarray(lines[0].get_ydata())[0]) == pytest.approx(relative["d0"], abs=1e-6)
    found = meters.limits(
        days.loc[days["device_id"] == "d0", "difference_kwh"]
        / days.loc[days["device_id"] == "d0", "mean_kwh"]
        * 100
    )
    band = figure.axes[0].patches[0]
    assert band.get_extents().height > 0
    assert found.lower < found.bias < found.upper


def test_twenty_devices_over_two_years_stay_light(tmp_path: Path) -> None:
    figure = plots_load.agreement(device_days(20, 730))
    assert len(panels(figure)) == plots_load.MOST_PANELS
    legend = [t.get_text() for t in figure.legends[0].get_texts()]
    assert "sem mais 8 dispositivo(s)" in legend
    pdf = figures.save(page_of(tmp_path), "a", figure, caption="A")
    assert pdf.stat().st_size < 900_000


def week(days: int = 3) -> DataFrame:
    rows = [(d, h, 0.1 * h, days) for d in range(7) for h in range(24)]
    return DataFrame(rows, columns=["weekday", "hour", "energy_kwh", "days"])


def test_a_cell_without_a_number_is_hatched() -> None:
    cells = week()
    cells.loc[cells["hour"] == 4, "energy_kwh"] = np.nan
    figure = plots_load.heat_map(cells[cells["weekday"] != 6])
    hatched = [p for p in figure.axes[0].patches if p.get_hatch()]
    assert len(hatched) == 6 + 24
    assert {"seg.", "dom.", "12"} <= set(texts(figure))


def test_a_week_without_a_cell_is_a_sentence() -> None:
    figure = plots_load.heat_map(week().assign(energy_kwh=np.nan))
    assert "Menos de três dias" in texts(figure)[0]


def test_the_duration_curve_says_the_mean() -> None:
    curve = load.duration(Series([100.0, 200.0, 300.0, 1400.0]))
    figure = plots_load.duration_curve(curve)
    assert "média: 500 W" in texts(figure)
    assert "1.000" in texts(figure)


def test_a_curve_by_quarters_has_ninety_six_steps_and_keeps_its_gaps() -> None:
    curve = load.load_curve(series([float(n) for n in range(96)]), ZONE, lambda day: False)
    figure = plots.load_curve(curve[curve["hour"] != 4.25])
    means = figure.axes[0].patches[1].get_data().values
    assert len(means) == 96
    assert np.flatnonzero(np.isnan(means)).tolist() == [17]


@pytest.mark.parametrize(
    "draw", [plots_load.agreement, plots_load.duration_curve, plots_load.heat_map]
)
def test_an_empty_frame_gives_a_sentence(draw: Any) -> None:
    assert texts(draw(DataFrame())) == [plots.NO_DATA]


def test_a_day_alone_says_nothing_of_agreement() -> None:
    assert "dias bastantes" in texts(plots_load.agreement(device_days(1, 2)))[0]


def test_an_invisible_change_leaves_the_bytes_alone(tmp_path: Path) -> None:
    page, days = page_of(tmp_path), device_days(2, 10)
    moved = days.assign(mean_kwh=days["mean_kwh"] + 1e-10)
    first = digest(figures.save(page, "a", plots_load.agreement(days), caption="A"))
    assert digest(figures.save(page, "a", plots_load.agreement(moved), caption="A")) == first
