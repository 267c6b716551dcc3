"""Cadence, rates of what did not come, roll-up, ranges, counters, clocks: values and sources.

Published values are of `shared/reference/reference_values.json`, group `quality`; each test names
the program and file that they were read from.
"""

import math
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import DataFrame, Series

from lib import cadence, coverage, energy, plots_coverage, quality, quality_findings, tables
from lib import indicators_quality as page_of
from lib.findings import Finding, dump
from lib.gap_causes import CLASS_NAMES
from lib.paths import Paths
from lib.plots import NO_DATA
from lib.study import Study
from tests.rows import at, build, event, keep, report, staged

DAY_S = 86_400.0


# ---- Rates of what did not come -----------------------------------------------------------


@pytest.mark.parametrize(("reports", "rate"), [(140, 0.034483), (145, 0.0), (160, 0.0)])
def test_the_dropout_rate_is_nilmtk_s(reports: int, rate: float) -> None:
    """nilmtk/stats/dropoutrate.py (quality.nilmtk_dropout): a day of one report each 600 s."""
    found = cadence.dropout_rate(Series([float(reports)]), Series([DAY_S]), 600)
    assert found[0] == pytest.approx(rate, abs=5e-7)


def test_of_fewer_than_five_reports_there_is_no_rate() -> None:
    """nilmtk/stats/dropoutrate.py: NaN when n < 5."""
    found = cadence.dropout_rate(Series([4.0, 5.0]), Series([DAY_S, DAY_S]), 600)
    assert math.isnan(found[0])
    assert found[1] == pytest.approx(1 - 5 / 145)


def test_a_crowd_of_reports_hides_silence_from_nilmtk_s_rate_and_not_from_ours() -> None:
    """Where ours differs on purpose: 160 reports in half a day, on change, and then none."""
    assert cadence.dropout_rate(Series([160.0]), Series([DAY_S]), 600)[0] == 0
    assert cadence.silent_share(Series([72.0]), Series([144.0]))[0] == 0.5


@given(st.integers(5, 10_000), st.floats(600, 1e7), st.floats(1, 1e4))
@settings(max_examples=50)
def test_a_rate_is_a_share(reports: int, span_s: float, period_s: float) -> None:
    rate = cadence.dropout_rate(Series([float(reports)]), Series([span_s]), period_s)[0]
    assert 0 <= rate < 1


# ---- Roll-up and valid months -------------------------------------------------------------


def test_a_sum_is_scaled_only_where_more_than_half_was_observed() -> None:
    """opendsm/eemeter data_processor_utilities.py, commit 6c932ee (quality.eemeter)."""
    found = coverage.rolled_up(
        Series([6.0, 5.0, 9.0, 10.0, 0.0]), Series([0.6, 0.5, 0.9, 1.0, 0.0])
    )
    assert found["value"].fillna(-1).tolist() == pytest.approx([10, -1, 10, 10, -1])
    assert found["is_scaled"].tolist() == [True, False, True, False, False]


@given(st.floats(0, 1e6), st.floats(0.500001, 1))
@settings(max_examples=50)
def test_a_scaled_sum_is_no_less_than_what_was_observed(value: float, share: float) -> None:
    found = coverage.rolled_up(Series([value]), Series([share]))
    assert found["value"][0] >= value
    assert found["value"][0] * share == pytest.approx(value)


def house(*rows: tuple[str, float]) -> DataFrame:
    """Days of one device: date and coverage; 1 kWh an observed day."""
    found = DataFrame(rows, columns=["local_date", "coverage"])
    found["local_date"] = pd.to_datetime(found["local_date"])
    counted_wh = dict.fromkeys(("energy_wh", "energy_wh_increment"), 1000 * found["coverage"])
    found = found.assign(device_id="a", device_name="A", **counted_wh)
    return found.assign(energy_wh_total=math.nan, energy_wh_integral=math.nan)


def months_of(*rows: tuple[str, float]) -> DataFrame:
    return coverage.scaled(energy.monthly(house(*rows)))


def test_a_month_is_valid_from_nine_tenths_of_valid_days() -> None:
    """eemeter sufficiency_criteria.py: min_fraction_daily_coverage 0.9 (quality.eemeter)."""
    april = [(f"2026-04-{day:02d}", 0.9 if day > 3 else 0.89) for day in range(1, 31)]
    months = months_of(*april)
    assert months[["days", "valid_days"]].to_numpy().tolist() == [[30, 27]]
    assert months["valid"].tolist() == [True]
    worse = months_of(*april[:-1], ("2026-04-30", 0.5))
    assert worse["valid"].tolist() == [False]


def test_a_date_without_rows_was_not_observed_and_is_never_filled_in() -> None:
    months = months_of(("2026-03-01", 1.0), ("2026-03-10", 1.0), ("2026-04-01", 1.0))
    assert months["days"].tolist() == [31, 30]
    assert months["coverage_pct"].tolist() == pytest.approx([200 / 31, 100 / 30])
    assert months["energy_kwh"].tolist() == pytest.approx([2.0, 1.0])
    assert months["scaled_kwh"].isna().all(), "too little was observed to estimate the rest"
    assert months_of().empty
    shown = tables.shown(months, page_of.MONTHLY)
    assert shown["Mês"].tolist() == ["mar. 2026", "abr. 2026"]
    assert shown["Mês válido"].tolist() == ["não", "não"]


def test_a_month_that_the_window_cuts_is_estimated_from_the_whole_month_or_not_at_all() -> None:
    ten = [(f"2026-04-{day:02d}", 1.0) for day in range(1, 11)]
    twenty = [(f"2026-04-{day:02d}", 1.0) for day in range(1, 21)]
    assert months_of(*ten)["scaled_kwh"].isna().all(), "a third says nothing of the month"
    found = months_of(*twenty)
    assert found["scaled_kwh"].tolist() == pytest.approx([30.0])
    assert found["valid"].tolist() == [False], "as the energy chapter says of the same month"


def test_a_month_of_which_nobody_asked_anything_has_its_row() -> None:
    months = months_of(("2026-01-31", 1.0), ("2026-03-01", 1.0))
    assert months["month_name"].tolist() == ["jan. 2026", "fev. 2026", "mar. 2026"]
    assert months["coverage_pct"][1] == 0 and months["valid_days"].tolist() == [1, 0, 1]
    assert math.isnan(months["energy_kwh"][1]), "unobserved is not zero"


# ---- Gap limits: emoncms ------------------------------------------------------------------


def integral_wh(store: Paths, hours: float) -> float:
    """The energy that is observed of a plug at 100 W with one report, after so many hours one."""
    later = at("10 02:00") + timedelta(hours=hours)
    rows = [report("10 02:00", "cur_power", "1000"), report(f"{later:%d %H:%M}", "cur_power", "0")]
    keep(store, rows, asked="12")
    build(store)
    return float(Study.open(store.data).hourly["energy_wh_integral"].sum())


@pytest.mark.parametrize(("hours", "ours_wh"), [(1.9, 190.0), (2.5, 250.0), (4.0, 300.0)])
def test_a_value_holds_up_to_the_gap_limit_and_then_no_longer(
    store: Paths, hours: float, ours_wh: float
) -> None:
    """emoncms power_to_kwh counts nothing of an interval of 7,200 s or more (quality.emoncms).

    Below it both count all. Ours differs on purpose: plugs at rest are silent for two hours, so
    that the limit is three; and of a longer interval those three hours were observed.
    """
    assert integral_wh(store, hours) == pytest.approx(ours_wh, rel=1e-6)


def test_a_jump_of_a_counter_is_what_emoncms_leaves_out(store: Paths) -> None:
    """emoncms kwh_accumulator adds nothing from 60 kW on (quality.emoncms); ours tells of it."""
    totals = [("00", 100.00), ("01", 160.00), ("02", 221.00), ("03", 220.50), ("04", 5.00)]
    rows = [report(f"10 {h}:00", "forward_energy_total", str(round(100 * v))) for h, v in totals]
    keep(store, rows)
    build(store)
    found = quality.counters(store, at("10"), at("11"))
    assert found["kind"].tolist() == ["jump", "dip", "reset"]
    assert found["before_wh"].tolist() == pytest.approx([160_000, 221_000, 220_500])
    told = quality_findings.told({"plug01": "Medidor"}, *nothing(), found, *nothing(2))
    assert [one.name.split(".")[-1] for one in told] == [
        *("counter_dip", "counter_jump", "counter_reset"),
    ]
    assert not any(one.blocks for one in told)
    assert "de 221,00 para 220,50 kWh" in told[0].text


def test_a_step_of_a_counter_is_no_jump(store: Paths) -> None:
    rows = [
        report("10 10:00", "forward_energy_total", "100"),
        report("10 10:00", "forward_energy_total", "101", event_time=None)
        | {"event_time": report("10 10:00", "x", "1")["event_time"] + 90},
    ]
    keep(store, rows)
    build(store)
    assert quality.counters(store, at("10"), at("11")).empty


def nothing(frames: int = 1) -> list[DataFrame]:
    """Answers of checks that found nothing, as `told` takes them: beyond; impossible and codes."""
    empty = DataFrame(columns=["device_id", "kind", "impossible", "from_future", "outside"])
    return [empty] * frames


# ---- Cadence ------------------------------------------------------------------------------


def test_cadence_is_told_by_code_and_state_and_leaves_disconnections_out(store: Paths) -> None:
    rows = [report(f"10 00:{m:02d}", "cur_power", "900") for m in range(0, 60, 10)]
    rows += [report(f"10 01:{m:02d}", "cur_power", "0") for m in range(0, 60, 20)]
    rows += [report(f"10 {h:02d}:00", "cur_power", "0") for h in range(2, 6)]
    rows += [event("10 05:30", 2), event("10 09:00", 1)]
    rows += [report(f"10 {h:02d}:00", "cur_power", "0") for h in range(10, 16)]
    keep(store, rows)
    build(store)
    found = cadence.of(store, at("11"), 1, on_w=10)
    off, on = found[found["code"] == "cur_power"].sort_values("is_on").to_dict("records")
    assert (on["is_on"], on["reports"], on["median_s"]) == (True, 6, 600)
    assert (off["reports"], off["median_s"], off["max_s"]) == (11, 3600, 3600)
    (whole,) = cadence.signs_of_life(found).to_dict("records")
    assert whole["max_s"] == 3600, "nobody could report between offline and online"
    assert (whole["slots_heard"], whole["slots"]) == (13, 16)
    shown = page_of.by_device(found)
    assert shown[["on_p95_min", "off_p95_min"]].to_numpy().tolist() == [[10, 60]]
    assert shown["silent_pct"].tolist() == pytest.approx([100 * 3 / 16])


def test_reports_stamped_within_a_second_are_one_sign_of_life(store: Paths) -> None:
    rows = []
    for h in range(12):
        base = report(f"10 {h:02d}:00", "cur_power", "900")
        rows += [base, base | {"code": "cur_voltage", "event_time": base["event_time"] + 180}]
    keep(store, rows)
    build(store)
    (whole,) = cadence.signs_of_life(cadence.of(store, at("11"), 1, 10)).to_dict("records")
    assert whole["reports"] == 12
    assert whole["median_s"] == pytest.approx(3600, abs=0.2)


def test_without_rows_cadence_has_its_columns(store: Paths) -> None:
    found = cadence.of(store, at("11"), 28, 10)
    assert found.empty
    assert page_of.by_device(found).empty
    numbers = page_of.of_cadence(found, 28)
    assert numbers["qualidade.cadencia_p95"].shown()["value"] == "—"


# ---- Values that cannot be ----------------------------------------------------------------


def test_what_cannot_be_is_counted_and_stays(store: Paths) -> None:
    rows = [report(f"10 {h:02d}:00", "cur_voltage", "1270") for h in range(10)]
    rows += [report("10 11:00", "cur_voltage", "1501"), report("10 12:00", "cur_voltage", "899")]
    rows += [report("10 13:00", "cur_voltage", "1500"), report("10 14:00", "cur_voltage", "900")]
    rows += [report("10 15:00", "cur_power", "22353"), report("10 16:00", "cur_power", "22352")]
    keep(store, rows)
    build(store)
    start, end = at("10"), at("11")
    codes = quality.codes(store, start, end)
    bounds = quality.limits(codes, 127, 127 * 16, ["other"])
    beyond = quality.outside(store, codes, bounds, start, end)
    assert beyond.set_index("code")["outside"].to_dict() == {"cur_power": 1, "cur_voltage": 2}
    mains = quality.limits(codes, 127, 127 * 16, ["plug01"])
    assert set(quality.outside(store, codes, mains, start, end)["code"]) == {"cur_voltage"}
    assert len(staged(store)) == len(rows)
    texts = [str(one) for one in quality_findings.told({}, beyond, *nothing(2), codes)]
    assert any("2 valor(es) de cur_voltage" in text and "90,0 a 150,0 V" in text for text in texts)


@pytest.mark.parametrize("nominal_v", [110, 127, 220, 230, 240, 254])
def test_limits_of_voltage_go_with_the_nominal_one(nominal_v: float) -> None:
    codes = DataFrame({"device_id": ["a"], "code": ["cur_voltage"], "unit": ["V"]})
    (bounds,) = quality.limits(codes, nominal_v, 2000, []).to_dict("records")
    assert bounds["low"] == pytest.approx(90 / 127 * nominal_v)
    assert bounds["high"] == pytest.approx(150 / 127 * nominal_v)


def test_limits_come_in_the_unit_of_the_code() -> None:
    codes = DataFrame({"device_id": ["a", "a"], "code": ["power_total", "x"], "unit": ["kW", None]})
    (bounds,) = quality.limits(codes, 127, 2000, []).to_dict("records")
    assert (bounds["low"], bounds["high"]) == (0, pytest.approx(2.2))


def together(when: str, volts: int, milliamps: int, tenths_w: int) -> list[dict[str, object]]:
    """One report of a plug: three data points 150 ms apart."""
    amounts = (("cur_current", milliamps), ("cur_power", tenths_w), ("cur_voltage", volts))
    return [
        report(when, code, str(value))
        | {"event_time": report(when, "x", "1")["event_time"] + 150 * n}
        for n, (code, value) in enumerate(amounts)
    ]


def test_power_beyond_voltage_times_current_is_found(store: Paths) -> None:
    rows = together("10 10:00", 1270, 1000, 1270) + together("10 11:00", 1270, 1000, 1390)
    rows += together("10 12:00", 1270, 1000, 1420) + together("10 13:00", 1270, 0, 9)
    rows += [report("10 14:00", "cur_power", "9000")]
    keep(store, rows)
    build(store)
    (found,) = quality.impossible_power(store, at("10"), at("11")).to_dict("records")
    assert (found["reports"], found["impossible"]) == (4, 1), "1.1 x 127 V x 1 A, and 1 W beside"
    (early,) = quality.impossible_power(store, at("10"), at("10 12:00")).to_dict("records")
    assert (early["reports"], early["impossible"]) == (2, 0), "what comes later is not of the time"


def test_an_event_after_its_own_collection_is_from_the_future(store: Paths) -> None:
    rows = [report(f"10 10:{m:02d}", "cur_power", "1") for m in (0, 1, 2, 3)]
    keep(store, rows, asked="10 10:01")
    build(store)
    codes = quality.codes(store, at("10"), at("11"))
    assert codes["from_future"].tolist() == [1], "two minutes after; one minute is no skew"
    (told,) = quality_findings.told({}, *nothing(3), codes)
    assert told.name == "tcc.quality.from_future"


def test_what_came_again_adds_nothing_and_conflicts_are_those_staging_told_of(
    store: Paths,
) -> None:
    rows = [report("10 10:00", "cur_power", "1"), report("10 11:00", "cur_power", "2")]
    keep(store, rows, asked="12")
    keep(store, rows, asked="13")
    build(store)
    for run, n in (("20260313T000000Z", 5), ("20260314T000000Z", 2)):
        folder = store.runs / run / "findings"
        folder.mkdir(parents=True)
        data = {"date": "2026-03-10", "conflicting": n}
        (folder / "02_stage.json").write_text(dump([Finding("tcc.staging.conflict", "", data)]))
    assert quality.repeated(store) == {
        **{"received": 4, "staged": 2, "conflicting": 2, "quarantined": 0}
    }
    codes = quality.codes(store, at("10"), at("11"))
    leaps = quality.counters(store, at("10"), at("11"))
    product = quality.impossible_power(store, at("10"), at("11"))
    checks = quality.summary(quality.repeated(store), codes, *nothing_beyond(), leaps, product)
    assert checks["found"].tolist() == [2, 2, 0, 0, 0, 0, 0, 0, 0]
    numbers = page_of.of_checks(checks, months_of())
    assert numbers["qualidade.repetidas"].value == 2
    assert numbers["qualidade.saltos"].value == 0


def nothing_beyond() -> list[DataFrame]:
    """No value outside its limits, as `outside` says it."""
    return [DataFrame({"code": Series(dtype="str"), "outside": Series(dtype="int64")})]


def test_a_device_is_stale_after_twice_its_usual_silence() -> None:
    codes = DataFrame(
        {
            "device_id": ["a", "b", "c"],
            "newest_event": pd.to_datetime([at("10 10:00"), at("10 03:00"), at("10 03:00")]),
            "newest_ingest": pd.to_datetime([at("09 09:00")] * 3),
        }
    )
    signs = DataFrame({"device_id": ["a", "b"], "p95_s": [3600.0, 3600.0]})
    fresh = quality.freshness(codes, signs, at("10 12:00"))
    assert fresh["is_stale"].tolist() == [False, True, False], "of c nothing usual is known"
    held = quality.freshness(codes, signs, at("10 12:00"), least_h=9.5)
    assert held["is_stale"].tolist() == [False] * 3, "no hourly collection could know better"
    found = quality_findings.stale(fresh, {"b": "Lâmpada"}, at("10 12:00"))
    assert [one.name for one in found] == ["tcc.quality.stale", "tcc.quality.collection_late"]
    assert found[1].data["late_h"] == 27
    numbers = page_of.of_freshness(fresh, DataFrame(columns=["expires_h"]), 7, at("10 12:00"))
    assert numbers["qualidade.ultimo_evento_h"].value == 2
    assert numbers["qualidade.horizonte_h"].value == 168


def test_a_window_of_the_past_does_not_make_a_device_silent(store: Paths) -> None:
    keep(store, [report(f"{day} {hour:02d}:00", "cur_power", "1") for day in (10, 11, 12)
                 for hour in range(24)])  # fmt: skip
    build(store)
    end, now = at("11"), at("12 23:30")
    codes = quality.codes(store, at("10"), end)
    signs = cadence.signs_of_life(cadence.of(store, end, 1, 10))
    heard = quality.until_now(store, codes, end, now)
    fresh = quality.freshness(heard, signs, now)
    assert fresh["age_h"].tolist() == pytest.approx([0.5])
    assert quality_findings.stale(fresh, {}, now) == []
    assert quality.until_now(store, codes, now, now) is codes


def test_an_empty_store_gives_empty_answers(store: Paths) -> None:
    start, end = at("10"), at("11")
    codes = quality.codes(store, start, end)
    bounds = quality.limits(codes, 127, 2000, [])
    assert quality.outside(store, codes, bounds, start, end).empty
    assert quality.counters(store, start, end).empty
    assert quality.impossible_power(store, start, end).empty
    assert quality.repeated(store) == dict.fromkeys(
        ("received", "staged", "conflicting", "quarantined"), 0
    )
    fresh = quality.freshness(codes, cadence.of(store, end, 1, 10), end)
    assert quality_findings.stale(fresh, {}, end) == []


# ---- The gaps as they are drawn ----------------------------------------------------------


def classed(*rows: tuple[str, str, str, str, int, float]) -> DataFrame:
    """Gaps with device, start, end, class, event and lost time. [s]"""
    columns = ["device_id", "gap_start", "gap_end", "gap_class", "event", "lost_s"]
    found = DataFrame(rows, columns=columns)
    for edge in ("gap_start", "gap_end"):
        found[edge] = pd.to_datetime([at(text) for text in found[edge]], utc=True)
    lasting = found["gap_end"] - found["gap_start"]
    return found.assign(gap_s=lasting.dt.total_seconds(), device_name=found["device_id"])


WINDOW = at("01"), at("29")


def test_the_gaps_are_drawn_by_class_and_events_of_the_house_have_a_mark() -> None:
    gaps = classed(
        *((d, "10 19:12", "10 19:52", "power", 0, 0.0) for d in "ab"),
        ("a", "20 00:00", "23 00:00", "collector", 1, 3600.0),
        ("b", "05 01:00", "05 02:00", "device", -1, 0.0),
        ("b", "06 01:00:00", "06 01:00:30", "device", -1, 0.0),
    )
    names = Series({"a": "Abajur", "b": "Bomba", "c": "Cafeteira"})
    axes = plots_coverage.timeline(gaps, names, WINDOW, "UTC").axes[0]
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels == ["quedas conjuntas", "Abajur", "Bomba", "Cafeteira"]
    marks = {line.get_marker(): len(line.get_xdata()) for line in axes.lines if line.get_marker()}
    assert marks["v"] == 1 and marks["s"] == 0
    strokes = sum(len(c.get_segments()) for c in axes.collections if hasattr(c, "get_segments"))
    assert strokes == 3, "a gap of half a minute is not drawn"
    (legend,) = axes.figure.legends
    shown = [text.get_text() for text in legend.texts]
    assert shown == [
        *("dispositivo", CLASS_NAMES["power"], CLASS_NAMES["collector"], "perdida em definitivo"),
    ]


def test_without_gaps_or_devices_the_figure_says_so() -> None:
    names = Series({"a": "Abajur"})
    figure = plots_coverage.timeline(classed(), names, WINDOW, "UTC")
    assert figure.texts[0].get_text().startswith("Nenhuma lacuna")
    nobody = plots_coverage.timeline(classed(), Series(dtype="str"), WINDOW, "UTC")
    assert nobody.texts[0].get_text() == NO_DATA


def test_two_years_of_many_devices_stay_one_page() -> None:
    rng = np.random.default_rng(1)
    names = Series({f"p{n:02d}": f"Tomada {n:02d}" for n in range(45)})
    rows = [
        (own, at("01") + timedelta(days=float(d)))
        for own in names.index
        for d in rng.uniform(0, 730, 60)
    ]
    gaps = DataFrame(rows, columns=["device_id", "gap_start"])
    gaps["gap_start"] = pd.to_datetime(gaps["gap_start"], utc=True)
    gaps = gaps.assign(gap_end=gaps["gap_start"] + pd.Timedelta(hours=1), gap_s=3600.0, lost_s=0.0)
    gaps = gaps.assign(gap_class="device", event=-1)
    window = at("01"), at("01") + timedelta(days=730)
    figure = plots_coverage.timeline(gaps, names, window, "America/Sao_Paulo")
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert (len(labels), labels[-1]) == (plots_coverage.MOST_ROWS + 1, "outros (16)")
    assert figure.get_figheight() / figure.get_figwidth() <= plots_coverage.TALLEST


def test_the_longest_events_are_told_once_and_by_time() -> None:
    gaps = classed(
        ("a", "20 00:00", "20 01:00", "device", -1, 0.0),
        *((d, "10 19:12", "10 19:52", "power", 0, 0.0) for d in "abc"),
    )
    found = page_of.longest(gaps, "America/Sao_Paulo")
    assert found["what"].tolist() == ["3 dispositivos", "a"]
    assert found["gap_h"].tolist() == [2.0, 1.0]
    assert found["start_text"][0] == "10 mar. 2026, 16h12"
    numbers = page_of.of_gaps(gaps, "America/Sao_Paulo")
    assert numbers["qualidade.energia_vezes"].value == 1
    assert numbers["qualidade.energia_maior"].value == 40
    assert numbers["qualidade.energia_maior_inicio"].value == "10 mar. 2026, 16h12"
    none = page_of.of_gaps(classed(), "UTC")
    assert none["qualidade.energia_maior"].shown()["value"] == "—"


def test_a_window_cuts_the_ledger_of_losses() -> None:
    lost = DataFrame(
        {
            "device_id": ["a", "b"],
            "lost_start": pd.to_datetime([at("10"), at("12")]),
            "lost_end": pd.to_datetime([at("12"), at("13")]),
            "lost_s": [2 * DAY_S, DAY_S],
        }
    )
    assert coverage.within(lost)["lost_s"].sum() == 3 * DAY_S
    assert coverage.within(lost, at("11"), at("12"))["lost_s"].tolist() == [DAY_S]


def test_of_two_devices_of_one_name_the_silent_one_is_told() -> None:
    hours = DataFrame(
        {"device_id": ["a", "b"], "device_name": ["Lâmpada"] * 2, "alive_s": [3600.0, 0.0]}
    )
    assert [one.data["device"] for one in coverage.never_heard(hours)] == ["Lâmpada"]
