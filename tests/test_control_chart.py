"""Phase I frozen and kept apart, residuals, signals, injected changes: from energy to findings."""

import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from pandas import DataFrame, Series

from lib import (
    baseline,
    baseline_file,
    detection,
    indicators_spc,
    monitor,
    notebooks,
    plots_detection,
    plots_spc,
    residuals,
    spc_findings,
    tables_spc,
)
from lib.baseline import Baseline, Refused
from lib.config import Config, ControlChart
from lib.demo.catalogue import FRIDGE
from lib.demo.simulated import SimulatedHouse
from lib.errors import DataError
from lib.findings import Finding
from lib.paths import NOTEBOOKS, Paths

ZONE = "America/Sao_Paulo"
SETTINGS = ControlChart()
FIRST = pd.Timestamp(2026, 3, 2)  # a Monday
KINDS = (1000.0, 1080.0, 1120.0)  # working day, Saturday, Sunday [Wh]


def never(_: date) -> bool:
    return False


def usual(count: int, *, seed: int = 5, sd: float = 30.0) -> "Series[float]":
    """Energy of successive days that varies by kind of day and at random. [Wh]"""
    weekday = np.arange(count) % 7
    mean = np.select([weekday == 5, weekday == 6], KINDS[1:], KINDS[0])
    return Series(mean + sd * np.random.default_rng(seed).standard_normal(count))


def daily(energy_wh: Any, *, device: str = "fridge", coverage: Any = 1.0) -> DataFrame:
    """Daily rows of a device as `meters.chosen` gives them."""
    count = len(energy_wh)
    return DataFrame(
        {
            "device_id": device,
            "device_name": device.title(),
            "local_date": pd.date_range(FIRST, periods=count),
            "energy_wh": np.asarray(energy_wh, float),
            "coverage": coverage,
            "meter": "increment",
        }
    )


def series(*frames: DataFrame, mains: tuple[str, ...] = ("fridge",)) -> dict[str, DataFrame]:
    return monitor.series(pd.concat(frames), mains, datetime(2030, 1, 1, tzinfo=UTC), ZONE)


def estimated(own: DataFrame, settings: ControlChart = SETTINGS) -> Baseline:
    made = baseline.estimate(own, settings, never)
    assert isinstance(made, Baseline), made
    return made


def refusal(own: DataFrame, settings: ControlChart = SETTINGS) -> str:
    made = baseline.estimate(own, settings, never)
    assert isinstance(made, Refused)
    return made.reason


def charted(energy_wh: Any, settings: ControlChart = SETTINGS, coverage: Any = 1.0) -> DataFrame:
    own = series(daily(energy_wh, coverage=coverage))["fridge"]
    return monitor.chart(own, estimated(own, settings), never)


def names(found: tuple[Finding, ...] | list[Finding]) -> list[str]:
    return [finding.name for finding in found]


def texts(figure: Figure) -> list[str]:
    artists = [text for axes in figure.axes for text in axes.texts] + figure.texts
    return [text.get_text() for text in artists]


# ---- Residuals ---------------------------------------------------------------------------


def test_the_groups_are_kinds_of_day_weekdays_or_all() -> None:
    days = Series(pd.date_range("2026-04-17", periods=5))  # Friday to the holiday on Tuesday
    holiday = date(2026, 4, 21)
    kinds = residuals.groups(days, "day_kind", lambda day: day == holiday)
    sunday = "domingo e feriado"
    assert kinds.tolist() == ["dia útil", "sábado", sunday, "dia útil", sunday]
    assert residuals.groups(days, "weekday", never).tolist()[0] == "sexta"
    assert set(residuals.groups(days, "none", never)) == {residuals.ALL}


def test_a_residual_of_phase_1_is_from_the_mean_of_the_other_days() -> None:
    values = Series([10.0, 14.0, 12.0, math.nan, 100.0])
    group = Series(["a", "a", "a", "a", "b"])
    left = residuals.leave_one_out(values, group, "day_kind")
    assert left.iloc[:3].tolist() == [10 - 13, 14 - 11, 0]
    assert math.isnan(left.iloc[3])
    assert left.iloc[4] == pytest.approx(100 - 12)  # alone of its kind: the mean of all others
    assert residuals.levels(values, group) == {residuals.ALL: 34, "a": 12}


def test_the_seasonal_naive_residual_is_the_difference_to_a_week_before() -> None:
    values = Series(np.arange(10.0) ** 2)
    group = residuals.groups(Series(pd.date_range(FIRST, periods=10)), "seasonal_naive", never)
    left = residuals.leave_one_out(values, group, "seasonal_naive")
    assert left.isna().tolist() == [True] * 7 + [False] * 3
    assert left.iloc[7:].tolist() == [49, 63, 77]


def test_the_logarithm_and_back_is_the_energy() -> None:
    energy_wh = Series([0.0, 20.0, 2000.0])
    there = residuals.transformed(energy_wh, "log1p")
    assert there.iloc[0] == 0 and there.iloc[2] == pytest.approx(math.log(2001))
    assert residuals.restored(there, "log1p").tolist() == pytest.approx(energy_wh.tolist())
    assert residuals.transformed(energy_wh, "identity").equals(energy_wh)


def test_weekly_dependence_is_in_the_energy_and_not_in_the_residuals() -> None:
    chart = charted(usual(84, sd=20), ControlChart(phase1_days=84))
    before = residuals.autocorrelation(chart["energy_wh"])
    after = residuals.autocorrelation(chart["score"])
    assert before.lag7 > 0.6 and before.p_value < 1e-6
    assert abs(after.lag7) < 0.25 and abs(after.lag1) < 0.25 and after.p_value > 0.05
    assert math.isnan(residuals.autocorrelation([1.0] * 30).lag1)
    assert math.isnan(residuals.autocorrelation([1.0, 2.0]).p_value)


# ---- Phase I -----------------------------------------------------------------------------


def test_phase_1_is_the_first_28_valid_days() -> None:
    coverage = np.ones(40)
    coverage[[0, 10]] = 0.5
    own = series(daily(usual(40), coverage=coverage))["fridge"]
    made = estimated(own)
    assert (made.first, made.last, made.days) == ("2026-03-03", "2026-03-31", 28)
    (gap,) = made.removed
    assert gap.day == "2026-03-12" and "cobertura" in gap.reason
    used = own[own["valid"] & (own["local_date"] <= "2026-03-31")]
    assert made.mean_wh == pytest.approx(used["energy_wh"].mean())
    assert made.sigma == made.sigma_moving_range == pytest.approx(30, rel=0.35)
    assert made.levels["dia útil"] == pytest.approx(1000, abs=15)


def test_phase_1_can_be_given_by_dates() -> None:
    given = ControlChart(phase1_start=date(2026, 3, 10), phase1_end=date(2026, 4, 5))
    made = estimated(series(daily(usual(60)))["fridge"], given)
    assert (made.first, made.last, made.days) == ("2026-03-10", "2026-04-05", 27)
    short = ControlChart(phase1_start=date(2026, 3, 10), phase1_end=date(2026, 3, 20))
    assert "11 dias válidos" in refusal(series(daily(usual(60)))["fridge"], short)


@pytest.mark.parametrize(
    "wrong",
    [
        {"phase1_days": 19},
        {"phase1_start": "2026-03-01"},
        {"phase1_start": "2026-03-01", "phase1_end": "2026-02-01"},
        {"residuals": "monthly"},
    ],
)
def test_settings_that_make_no_chart_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"phase1|residuals"):
        Config.model_validate({"control_chart": wrong})


def test_a_special_cause_is_set_aside_and_written_down() -> None:
    energy_wh = usual(40)
    energy_wh[9] += 400
    made = estimated(series(daily(energy_wh))["fridge"])
    (removed,) = made.removed
    assert removed.day == "2026-03-11" and removed.energy_wh == pytest.approx(
        energy_wh[9], abs=1e-3
    )
    assert "desvios-padrão" in removed.reason
    assert made.days == 27 and made.mean_wh < usual(40)[:28].mean() + 10


def test_an_appliance_that_mostly_rests_has_no_chart() -> None:
    washer = np.where(np.arange(40) % 3 == 0, 250.0, 0.0)
    assert "em repouso" in refusal(series(daily(washer))["fridge"])
    assert "não varia" in refusal(series(daily(np.full(40, 500.0)))["fridge"])
    assert "12 dias válidos" in refusal(series(daily(usual(12)))["fridge"])


def test_an_appliance_that_sometimes_rests_is_charted_by_logarithm() -> None:
    rng = np.random.default_rng(2)
    air = np.where(rng.random(60) < 0.3, 20.0, rng.uniform(600, 2000, 60))
    made = estimated(series(daily(air))["fridge"], ControlChart(residuals="none"))
    assert made.transform == "log1p"
    assert made.levels[residuals.ALL] == pytest.approx(np.log1p(air[:28]).mean())


def test_a_use_that_the_groups_do_not_describe_has_no_chart() -> None:
    energy_wh = usual(40, sd=3)
    energy_wh[[5, 12, 19, 26]] = [10, 300, 15, 280]
    assert "não descreve" in refusal(series(daily(energy_wh))["fridge"])


# ---- Frozen ------------------------------------------------------------------------------


@pytest.fixture
def settle(tmp_path: Path) -> Callable[..., baseline_file.Frozen]:
    file = tmp_path / "control" / "baselines.json"

    def run(own: dict[str, DataFrame], **changes: Any) -> baseline_file.Frozen:
        given: dict[str, Any] = {"file": file, "until": datetime(2026, 5, 1, tzinfo=UTC)}
        settings = changes.pop("settings", SETTINGS)
        return baseline_file.settle(own, settings, never, **given | changes)

    return run


def versions(tmp_path: Path) -> list[dict[str, Any]]:
    content = json.loads((tmp_path / "control" / "baselines.json").read_text("utf-8"))
    found: list[dict[str, Any]] = content["devices"]["fridge"]
    return found


def test_parameters_are_frozen_once(settle: Any, tmp_path: Path) -> None:
    first = settle(series(daily(usual(30))))
    assert names(first.findings) == ["tcc.spc.frozen"]
    before = (tmp_path / "control" / "baselines.json").read_bytes()
    later = settle(series(daily(np.append(usual(30), usual(60, seed=9) + 200))))
    assert later.findings == () and later.baselines == first.baselines
    assert (tmp_path / "control" / "baselines.json").read_bytes() == before
    (version,) = versions(tmp_path)
    assert version["version"] == 1 and version["frozen_with_data_until"].startswith("2026-05-01")
    assert version["baseline"]["settings"]["k"] == 0.5


def test_late_rows_in_phase_1_are_a_finding_and_change_no_parameter(settle: Any) -> None:
    first = settle(series(daily(usual(40))))
    energy_wh = usual(40)
    energy_wh[3] += 1
    later = settle(series(daily(energy_wh)))
    assert names(later.findings) == ["tcc.spc.phase1_changed"]
    assert later.baselines == first.baselines
    energy_wh = usual(40)
    energy_wh[35] += 100  # a day of Phase II
    assert settle(series(daily(energy_wh))).findings == ()


def test_changed_settings_are_a_finding_and_change_no_parameter(settle: Any) -> None:
    first = settle(series(daily(usual(40))))
    later = settle(series(daily(usual(40))), settings=ControlChart(h=4, sigma="robust"))
    (finding,) = later.findings
    assert finding.name == "tcc.spc.settings_changed"
    assert finding.data["settings"] == ["h", "sigma"]
    assert later.baselines == first.baselines
    only_shown = settle(series(daily(usual(40))), settings=ControlChart(device="x"))
    assert only_shown.findings == ()


def test_freezing_again_keeps_the_old_version(settle: Any, tmp_path: Path) -> None:
    settle(series(daily(usual(40))))
    same = settle(series(daily(usual(40))), refreeze=True)
    assert len(versions(tmp_path)) == 1 and same.findings == ()
    energy_wh = usual(40)
    energy_wh[3] += 30
    again = settle(series(daily(energy_wh)), refreeze=True)
    assert names(again.findings) == ["tcc.spc.frozen"]
    old, new = versions(tmp_path)
    assert (old["version"], new["version"]) == (1, 2)
    assert old["baseline"]["days_hash"] != new["baseline"]["days_hash"]
    assert settle(series(daily(energy_wh))).baselines == again.baselines
    few = settle(series(daily(usual(10))), refreeze=True)  # nothing to take: the last one holds
    assert few.baselines == again.baselines and few.refused == {}


def test_a_chosen_window_freezes_nothing(settle: Any, tmp_path: Path) -> None:
    found = settle(series(daily(usual(40))), may_freeze=False)
    assert names(found.findings) == ["tcc.spc.not_frozen"] and "fridge" in found.baselines
    assert not (tmp_path / "control").exists()


def test_a_window_without_phase_1_uses_what_was_frozen(settle: Any) -> None:
    energy_wh = usual(60)
    first = settle(series(daily(energy_wh)))
    own = {"fridge": series(daily(energy_wh))["fridge"].iloc[40:].reset_index(drop=True)}
    later = settle(own, may_freeze=False)
    assert later.findings == () and later.baselines == first.baselines
    chart = monitor.charts(own, later.baselines, never)["fridge"]
    assert set(chart["phase"]) == {2} and len(chart) == 20


@pytest.mark.parametrize("text", ["", "{", '{"format": 9, "devices": {}}', '{"format": 1}'])
def test_a_broken_file_stops_the_charts_and_stays_as_it_is(
    settle: Any, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "control" / "baselines.json"
    file.parent.mkdir()
    file.write_text(text, "utf-8")
    with pytest.raises(DataError, match=r"baselines\.json"):
        settle(series(daily(usual(40))))
    assert file.read_text("utf-8") == text


# ---- Phase II ----------------------------------------------------------------------------


def test_a_day_badly_observed_or_not_over_is_never_fed_to_a_chart() -> None:
    energy_wh = usual(60)
    coverage = np.ones(60)
    energy_wh[45], coverage[45] = 0.0, 0.4
    chart = charted(energy_wh, coverage=coverage)
    at = int(np.flatnonzero(~chart["valid"])[0])
    sums = chart[["c_plus", "c_minus", "z"]]
    assert at == 45 and math.isnan(chart["score"].iloc[at])
    assert sums.iloc[at].equals(sums.iloc[at - 1].rename(at))
    without = charted(energy_wh.where(coverage > 0.9), coverage=coverage)
    assert without[["c_plus", "z", "upper"]].equals(chart[["c_plus", "z", "upper"]])
    own = monitor.series(daily(usual(10)), (), datetime(2026, 3, 11, 23, tzinfo=UTC), ZONE)
    assert own["fridge"]["valid"].tolist() == [True] * 9 + [False]
    missing = daily(usual(10)).drop(index=4)
    assert series(missing)["fridge"]["valid"].tolist() == [True] * 4 + [False] + [True] * 5


def test_a_device_that_was_paired_again_stays_in_the_sum_of_the_house() -> None:
    old = daily([100.0, 100.0, 40.0], device="old", coverage=[1.0, 1.0, 0.4])
    new = daily([60.0, 100.0], device="new", coverage=[0.6, 1.0])
    new["local_date"] += pd.Timedelta(days=2)
    rows, end = pd.concat([daily([10.0] * 4), old, new]), datetime(2030, 1, 1, tzinfo=UTC)
    found = monitor.series(rows, (), end, ZONE, {"old": "new"})[monitor.HOUSE_ID]
    assert found["energy_wh"].tolist() == [110.0] * 4
    assert found["valid"].all(), "the day of the pairing too: each part of it was observed"
    apart = monitor.series(rows, (), end, ZONE)[monitor.HOUSE_ID]
    assert not apart["valid"][[0, 1, 3]].any(), "of two devices one is missing"


def test_without_a_meter_of_all_the_house_is_the_sum_on_days_that_have_every_device() -> None:
    a, b = daily(usual(10)), daily(usual(10), device="tv").drop(index=2)
    found = series(a, b, mains=())
    house = found[monitor.HOUSE_ID]
    assert house["valid"].tolist() == [True, True, False] + [True] * 7
    assert house["energy_wh"].iloc[0] == pytest.approx(2 * usual(10)[0])
    assert set(series(a, b, mains=("tv",))) == {"fridge", "tv"}
    assert monitor.series(a.iloc[:0], (), datetime(2026, 5, 1, tzinfo=UTC), ZONE) == {}


def test_a_small_step_is_dated_and_sized() -> None:
    energy_wh = usual(70)
    energy_wh[45:] += 40
    own = series(daily(energy_wh))
    held = {"fridge": estimated(own["fridge"])}
    drawn = monitor.charts(own, held, never)
    found = monitor.events(drawn, held)
    last = found.iloc[-1]
    assert bool(last["lasts"]) and last["side"] == "upper"
    change = (pd.Timestamp(last["change_date"]) - FIRST).days
    assert 41 <= change <= 48
    assert last["size_wh"] == pytest.approx(last["size_sigma"] * held["fridge"].sigma)
    assert last["new_mean_wh"] == pytest.approx(held["fridge"].mean_wh + last["size_wh"])
    assert last["size_wh"] == pytest.approx(40, abs=25)
    assert monitor.ranked(drawn, found) == ["fridge"]
    assert monitor.shown(drawn, found, "Fridge") == "fridge" == monitor.shown(drawn, found)


def test_the_size_of_a_change_on_the_logarithms_scale_is_a_ratio_of_energies() -> None:
    rng = np.random.default_rng(2)
    air = np.where(rng.random(80) < 0.3, 20.0, rng.uniform(900, 1100, 80))
    air[50:] = 20.0
    own = series(daily(air))
    held = {"fridge": estimated(own["fridge"], ControlChart(residuals="none"))}
    last = monitor.events(monitor.charts(own, held, never), held).iloc[-1]
    assert last["side"] == "lower" and bool(last["lasts"])
    assert 0 < last["new_mean_wh"] < 300


@pytest.mark.parametrize("method", ["day_kind", "weekday", "seasonal_naive", "none"])
@pytest.mark.parametrize("sigma", ["moving_range", "robust"])
def test_every_choice_of_residuals_and_sigma_gives_a_chart(method: Any, sigma: Any) -> None:
    given = ControlChart(phase1_days=42, residuals=method, sigma=sigma)
    chart = charted(usual(90), given)
    phase1 = chart.loc[chart["phase"] == 1, "score"]
    assert abs(phase1.mean()) < 0.25 and 0.6 < phase1.std() < 1.6
    assert (chart["phase"] == 2).sum() == 48


def test_the_head_start_of_the_settings_is_taken() -> None:
    chart = charted(usual(60), ControlChart(fast_start=True))
    second = chart[chart["phase"] == 2].iloc[0]
    assert second["c_plus"] == pytest.approx(max(0, 2.5 + second["score"] - 0.5))


def test_the_ageing_fridge_is_found_by_cusum_and_by_no_point_beyond_three_sigma() -> None:
    """The demo house wears its fridge by 5 % from 29 March 2026 on."""
    house = SimulatedHouse()
    days = pd.date_range("2026-02-19", "2026-04-21")
    start = [int((day + timedelta(hours=3)).timestamp() * 1000) for day in days]
    used_wh = [house.true_energy_wh(FRIDGE, ms, ms + 86_400_000) for ms in start]
    frame = daily(used_wh).assign(local_date=days)
    own = series(frame)
    held = {
        d: b
        for d, f in own.items()
        if isinstance(b := baseline.estimate(f, SETTINGS, _brazil(house)), Baseline)
    }
    drawn = monitor.charts(own, held, _brazil(house))
    found = monitor.events(drawn, held)
    assert found["side"].tolist() == ["upper"] and found["lasts"].tolist() == [True]
    assert pd.Timestamp(2026, 3, 29) <= found["change_date"].iloc[0] <= pd.Timestamp(2026, 4, 8)
    assert pd.Timestamp(2026, 4, 5) <= found["signal_date"].iloc[0] <= pd.Timestamp(2026, 4, 16)
    assert 0.02 < found["size_pct"].iloc[0] / 100 < 0.06
    assert not drawn["fridge"]["beyond"].any()


def _brazil(house: SimulatedHouse) -> Callable[[date], bool]:
    return lambda day: house.calendar.kind(day) == "holiday"


# ---- Injected changes --------------------------------------------------------------------


def test_injected_shifts_are_found_sooner_the_larger_and_sooner_by_cusum() -> None:
    own = series(daily(usual(60)))["fridge"]
    held = estimated(own, ControlChart(phase1_days=56))
    chart = monitor.chart(own, held, never)
    found = detection.study(chart, detection.Rule.of(held, 20), runs=300)
    assert set(found["method"]) == set(detection.METHODS)
    shift = found[found["kind"] == "shift"].pivot(index="size", columns="method", values="delay_d")
    assert shift["cusum"].dropna().is_monotonic_decreasing
    assert shift["cusum"][1.0] == pytest.approx(10.4, rel=0.35)
    assert shift["cusum"][1.0] < shift["shewhart"].fillna(999)[1.0]
    assert shift["threshold"].isna()[1.0]  # 20 % of a steady appliance is many sigma
    drift = found[found["kind"] == "drift"].pivot(index="size", columns="method", values="delay_d")
    assert (drift["cusum"] < drift["threshold"]).all()
    none = found[found["kind"] == "none"].set_index("method")["false_alarm_d"]
    assert math.isnan(none["cusum"]) or none["cusum"] > 80
    assert found.equals(detection.study(chart, detection.Rule.of(held, 20), runs=300))


def test_the_fixed_threshold_is_an_energy_on_either_scale() -> None:
    own = series(daily(usual(60)))["fridge"]
    held = estimated(own)
    rule = detection.Rule.of(held, 20)
    assert rule.threshold_wh == pytest.approx(1.2 * held.mean_wh) and not rule.logarithm
    assert detection.of(monitor.no_chart(), None, 20).empty
    table = detection.table(detection.of(monitor.no_chart(), None, 20))
    assert list(table) == ["name", *detection.METHODS] and table.empty


# ---- What is said ------------------------------------------------------------------------


def told(energy_wh: Any) -> tuple[dict[str, DataFrame], dict[str, Baseline], DataFrame]:
    own = series(daily(energy_wh))
    held = {"fridge": estimated(own["fridge"])}
    drawn = monitor.charts(own, held, never)
    return drawn, held, monitor.events(drawn, held)


def test_a_signal_that_lasts_is_a_finding_with_its_numbers() -> None:
    energy_wh = usual(70)
    energy_wh[45:] += 45
    drawn, _, found = told(energy_wh)
    correlated = tables_spc.autocorrelation(drawn, found)
    refused = tables_spc.refused({"w": daily([1.0], device="w")}, {"w": "em repouso"})
    said = spc_findings.findings(found, drawn, correlated, refused)
    assert "tcc.spc.signal" in names(said) and "tcc.spc.not_charted" in names(said)
    signal = next(finding for finding in said if finding.name == "tcc.spc.signal")
    assert signal.data["side"] == "upper" and signal.data["size_wh"] > 10
    nothing = spc_findings.findings(
        monitor.events({}, {}), {}, tables_spc.autocorrelation({}, monitor.events({}, {})), refused
    )
    assert names(nothing) == ["tcc.spc.not_charted", "tcc.spc.no_chart"]


def test_the_numbers_of_the_page() -> None:
    energy_wh = usual(70)
    energy_wh[45:] += 45
    drawn, held, found = told(energy_wh)
    numbers = {
        **indicators_spc.of_design(held, drawn, found, SETTINGS),
        **indicators_spc.of_device(drawn["fridge"], held["fridge"], found),
    }
    assert numbers["controle.arl0"].value == pytest.approx(465.44, abs=0.01)
    assert numbers["controle.arl0_conjunto"].value == numbers["controle.arl0"].value
    assert numbers["controle.dias_carta"].value == 42
    assert numbers["controle.sinal_sentido"].value == "aumento"
    assert numbers["controle.sinal_dura"].value == "sim"
    table = tables_spc.devices(drawn, held, found)
    assert table["state"].tolist() == ["aumento que dura"] and set(tables_spc.DEVICES) <= {*table}
    assert set(tables_spc.EVENTS) <= {*tables_spc.events(found)}


def test_two_charts_share_their_false_alarms() -> None:
    drawn, held, found = told(usual(60))
    both = {**held, "tv": held["fridge"]}
    twice = indicators_spc.of_design(both, {**drawn, "tv": drawn["fridge"]}, found, SETTINGS)
    assert twice["controle.arl0_conjunto"].value == pytest.approx(465.44 / 2, abs=0.01)
    assert twice["controle.dias_carta"].value == 64


def test_without_a_chart_there_are_sentences_and_dashes() -> None:
    empty = monitor.events({}, {})
    assert plots_spc.NO_CHART in texts(plots_spc.control_chart(monitor.no_chart(), empty))
    nothing = detection.of(monitor.no_chart(), None, 20)
    assert plots_detection.NO_RESIDUALS in texts(plots_detection.detection_delay(nothing, 0.5, 5))
    numbers = {
        **indicators_spc.of_design({}, {}, empty, SETTINGS),
        **indicators_spc.of_device(monitor.no_chart(), None, empty),
        **indicators_spc.of_detection(nothing, 20),
    }
    shown = {key: number.shown()["value"] for key, number in numbers.items()}
    assert shown["controle.dispositivo"] == shown["controle.sinal_data"] == "—"
    assert shown["controle.media"] == shown["controle.atraso_cusum"] == "—"
    assert tables_spc.devices({}, {}, empty).empty and tables_spc.removed({}, {}).empty


@pytest.mark.parametrize("count", [29, 70, 730])
def test_the_chart_marks_limits_phase_and_signals(count: int) -> None:
    energy_wh = usual(count)
    energy_wh[45:] += 45
    drawn, _, found = told(energy_wh)
    figure = plots_spc.control_chart(drawn["fridge"], found)
    assert [axes.get_ylabel().split(" ")[0] for axes in figure.axes] == ["CUSUM", "Resíduo", "EWMA"]
    marked = [text for text in texts(figure) if text.startswith(("sinal", "mudança"))]
    assert len(marked) == (2 if len(found) == 1 else 0)
    again = plots_spc.control_chart(drawn["fridge"], found)
    figure.draw_without_rendering()
    assert texts(again) == texts(figure)


@pytest.mark.slow
def test_the_notebook_of_an_empty_store_says_so_and_writes_no_parameters(tmp_path: Path) -> None:
    store = Paths.at(tmp_path / "empty")
    given = {"data_dir": str(store.data), "run_dir": str(tmp_path / "run")}
    done = notebooks.run(NOTEBOOKS / "12_control_chart.ipynb", tmp_path / "run", given)
    assert "nenhum dado" in done.notebook.read_text("utf-8")
    drawn = {file.stem for file in (tmp_path / "run" / "figures").glob("*.pdf")}
    assert drawn == {"carta_controle", "atraso_deteccao"}
    assert not store.control.exists()
