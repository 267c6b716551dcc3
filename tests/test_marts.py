"""Energy, voltage, gaps and states: what holds, what cuts, and what midnight changes."""

import json
import math
import shutil
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib import energy, files, indicators, marts, raw, spans, staging, warehouse
from lib.config import Config, Device, Energy
from lib.journal import Journal, Window
from lib.paths import Paths
from lib.raw import Row
from lib.study import Study
from lib.times import to_ms
from tests.rows import CONFIG, at, build, contents, event, keep, report, table

HOUR_S = 3600.0


def hourly(store: Paths, column: str, device: str = "plug01") -> dict[str, float]:
    """A column of the hours that have a number in it, by hour."""
    hours = table(store, "energy_hourly", device).dropna(subset=[column])
    return {f"{t:%d %H}": float(v) for t, v in zip(hours["hour_start"], hours[column], strict=True)}


def test_a_power_holds_until_the_next_one(store: Paths) -> None:
    keep(
        store,
        [
            report("10 10:00", "cur_power", "1000"),
            report("10 10:30", "cur_power", "2000"),
            report("10 11:00", "cur_power", "0"),
        ],
    )
    build(store)
    energy_wh = hourly(store, "energy_wh_integral")
    assert energy_wh["10 10"] == pytest.approx(100 * 0.5 + 200 * 0.5)
    assert energy_wh["10 11"] == 0.0
    assert hourly(store, "power_s")["10 10"] == HOUR_S


def test_a_silence_longer_than_the_limit_is_unobserved_and_never_zero_energy(store: Paths) -> None:
    keep(store, [report("10 10:00", "cur_power", "1000"), report("10 20:00", "cur_power", "1000")])
    build(store)
    energy_wh = hourly(store, "energy_wh_integral")
    assert [energy_wh[f"10 {h}"] for h in (10, 11, 12)] == pytest.approx([100, 100, 100])
    assert "10 13" not in energy_wh
    gaps = table(store, "gaps")
    assert gaps["cause"].tolist()[0] == "silence"
    assert gaps["gap_start"][0].to_pydatetime() == at("10 13:00")
    assert gaps["gap_end"][0].to_pydatetime() == at("10 20:00")
    assert gaps["gap_s"][0] == 7 * HOUR_S


def test_any_row_of_the_device_is_a_sign_of_life(store: Paths) -> None:
    keep(
        store,
        [
            report("10 10:00", "cur_power", "1000"),
            report("10 12:30", "cur_voltage", "1270"),
            report("10 15:00", "cur_voltage", "1271"),
            report("10 17:00", "cur_power", "0"),
        ],
    )
    build(store)
    assert sum(hourly(store, "energy_wh_integral").values()) == pytest.approx(700)


def test_a_value_cut_by_a_silence_does_not_come_back_with_another_code(store: Paths) -> None:
    keep(
        store,
        [
            report("10 10:00", "cur_power", "1000"),
            report("10 16:00", "cur_voltage", "1270"),
            report("10 17:00", "cur_power", "500"),
            report("10 18:00", "cur_power", "0"),
        ],
    )
    build(store)
    assert sum(hourly(store, "energy_wh_integral").values()) == pytest.approx(300 + 50)


def test_the_gap_limit_is_a_setting(store: Paths) -> None:
    keep(store, [report("10 10:00", "cur_power", "1000"), report("10 20:00", "cur_power", "0")])
    build(store, Config(ingestion=CONFIG.ingestion, energy=Energy(gap_limit_h=1)))
    assert sum(hourly(store, "energy_wh_integral").values()) == pytest.approx(100)


def test_an_offline_row_cuts_the_value_until_the_device_reports_again(store: Paths) -> None:
    keep(
        store,
        [
            report("10 10:00", "cur_power", "1000"),
            event("10 10:30", 2),
            event("10 11:00", 1),
            report("10 11:30", "cur_power", "2000"),
            report("10 12:00", "cur_power", "0"),
        ],
    )
    build(store)
    energy_wh = hourly(store, "energy_wh_integral")
    assert (energy_wh["10 10"], energy_wh["10 11"]) == pytest.approx((50, 100))
    gap = table(store, "gaps").iloc[0]
    assert (gap["cause"], gap["gap_s"]) == ("offline", 0.5 * HOUR_S)
    assert hourly(store, "alive_s")["10 11"] == HOUR_S
    assert hourly(store, "power_s")["10 11"] == 0.5 * HOUR_S


def test_a_command_from_the_cloud_is_no_sign_of_life(store: Paths) -> None:
    keep(
        store,
        [
            report("10 10:00", "cur_power", "1000"),
            event("10 12:00", 5),
            report("10 20:00", "cur_power", "0"),
        ],
    )
    build(store)
    assert sum(hourly(store, "energy_wh_integral").values()) == pytest.approx(300)


def test_a_value_holds_over_midnight(store: Paths) -> None:
    keep(store, [report("10 23:00", "cur_power", "1000"), report("11 01:00", "cur_power", "0")])
    build(store)
    energy_wh = hourly(store, "energy_wh_integral")
    assert (energy_wh["10 23"], energy_wh["11 00"]) == pytest.approx((100, 100))
    assert table(store, "gaps")["gap_start"].min().to_pydatetime() == at("11 04:00")


def test_a_late_row_of_yesterday_changes_todays_hours(store: Paths) -> None:
    keep(store, [report("10 22:00", "cur_power", "1000"), report("11 00:30", "cur_power", "0")])
    build(store)
    assert hourly(store, "energy_wh_integral")["11 00"] == pytest.approx(50)
    keep(store, [report("10 23:00", "cur_power", "4000")], asked="21")
    _, built = build(store)
    assert built.dates == ["2026-03-10", "2026-03-11"]
    assert hourly(store, "energy_wh_integral")["11 00"] == pytest.approx(200)


def test_what_the_day_leaves_unchanged_stops_the_rebuild(store: Paths) -> None:
    rows = [report(f"{day} 12:00", "cur_power", "1000") for day in range(10, 15)]
    keep(store, rows)
    build(store)
    keep(store, [report("10 11:00", "cur_power", "1000")], asked="21")
    assert build(store)[1].dates == ["2026-03-10"]


def test_nothing_holds_past_the_time_that_was_asked_for(store: Paths) -> None:
    keep(store, [report("10 23:30", "cur_power", "1000")])
    build(store)
    assert sum(hourly(store, "energy_wh_integral").values()) == pytest.approx(50)
    keep(store, [], day="11", asked="12")
    assert build(store)[1].dates == ["2026-03-11"]
    assert sum(hourly(store, "energy_wh_integral").values()) == pytest.approx(300)


def test_increments_belong_to_the_hour_of_their_report(store: Paths) -> None:
    minutes = ("10:10", "10:40", "11:10")
    keep(store, [report(f"10 {minute}", "add_ele", "100") for minute in minutes])
    build(store)
    energy_wh = hourly(store, "energy_wh_increment")
    assert (energy_wh["10 10"], energy_wh["10 11"], energy_wh["10 12"]) == pytest.approx(
        (200, 100, 0)
    )
    assert "10 20" not in energy_wh


def test_a_total_counts_its_differences_with_resets_and_dips(store: Paths) -> None:
    counted = ("100", "150", "149", "160", "20", "50")  # kWh with scale 2
    keep(
        store,
        [report(f"10 {10 + n}:00", "forward_energy_total", v) for n, v in enumerate(counted)],
    )
    build(store)
    energy_wh = hourly(store, "energy_wh_total")
    assert [round(energy_wh[f"10 {10 + n}"]) for n in range(6)] == [0, 500, 0, 100, 200, 300]


def test_a_total_counts_over_midnight(store: Paths) -> None:
    keep(
        store,
        [
            report("10 23:00", "forward_energy_total", "100"),
            report("11 01:00", "forward_energy_total", "130"),
        ],
    )
    build(store)
    assert hourly(store, "energy_wh_total")["11 01"] == pytest.approx(300)


def test_ten_minute_voltages_are_weighted_by_time(store: Paths) -> None:
    keep(
        store,
        [report("10 10:00", "cur_voltage", "1200"), report("10 10:04", "cur_voltage", "1300")],
    )
    build(store)
    first = table(store, "voltage_10min").iloc[0]
    assert first["voltage_v"] == pytest.approx((4 * 120 + 6 * 130) / 10)
    assert first["voltage_s"] == 600


def test_switch_states_are_stretches_that_go_on_over_midnight(store: Paths) -> None:
    keep(
        store,
        [
            report("10 20:00", "switch_1", "true"),
            report("11 02:00", "switch_1", "false"),
        ],
    )
    build(store)
    states = table(store, "states")
    assert [(bool(s.is_on), s.state_start.to_pydatetime()) for s in states.itertuples()] == [
        (True, at("10 20:00")),
        (True, at("11 00:00")),
        (False, at("11 02:00")),
    ]


def test_a_day_ends_at_local_midnight(store: Paths) -> None:
    keep(store, [report("11 02:00", "cur_power", "1000"), report("11 04:00", "cur_power", "0")])
    build(store)
    daily = table(store, "energy_daily").set_index("local_date")["energy_wh_integral"]
    assert daily[str(date(2026, 3, 10))] == pytest.approx(100)
    assert daily[str(date(2026, 3, 11))] == pytest.approx(100)


def test_a_run_killed_between_two_dates_leaves_none_of_them_stale(
    store: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, [report("10 22:00", "cur_power", "1000"), report("11 00:30", "cur_power", "0")])
    build(store)
    keep(store, [report("10 23:00", "cur_power", "4000")], asked="21")
    staging.run(store, CONFIG)
    original = marts._build_date

    def die(connection: object, paths: Paths, config: Config, day: str) -> bool:
        if day == "2026-03-11":
            raise KeyboardInterrupt
        return original(connection, paths, config, day)  # type: ignore[arg-type]

    monkeypatch.setattr(marts, "_build_date", die)
    with pytest.raises(KeyboardInterrupt):
        marts.run(store, CONFIG)
    monkeypatch.undo()
    marts.run(store, CONFIG)
    assert hourly(store, "energy_wh_integral")["11 00"] == pytest.approx(200)


CODES = ("cur_power", "cur_voltage", "add_ele", "forward_energy_total", "switch_1")
EVENTS = {"online": 1, "offline": 2, "command": 5}
DEVICES = ("plug01", "meter1")
DAYS = 4  # from the 10th on
minutes = st.integers(0, DAYS * 1440 - 1)
happened = st.lists(
    st.tuples(st.sampled_from(DEVICES), minutes, st.sampled_from((*CODES, *EVENTS))),
    min_size=1,
    max_size=30,
    unique=True,
)
# An answer: of which device, from which hour on, for how many hours, and whether it was whole.
answers = st.lists(
    st.tuples(
        st.sampled_from(DEVICES), st.integers(0, DAYS * 24 - 1), st.integers(1, 60), st.booleans()
    ),
    min_size=2,
    max_size=6,
)


def _row(number: int, minute: int, what: str) -> Row:
    when = f"{10 + minute // 1440} {minute % 1440 // 60:02d}:{minute % 60:02d}"
    if what in EVENTS:
        return event(when, EVENTS[what])
    return report(when, what, "false" if number % 2 and what == "switch_1" else str(97 * number))


def _answer(
    store: Paths, rows: list[tuple[str, Row]], answer: tuple[str, int, int, bool], number: int
) -> None:
    """Keep what happened to a device in the hours of an answer, by UTC days; many hold nothing."""
    device, first, length, whole = answer
    start = at("10") + timedelta(hours=first)
    for begin, end in spans.by_day(start, start + timedelta(hours=length)):
        own = [r for d, r in rows if d == device and to_ms(begin) <= r["event_time"] < to_ms(end)]
        raw.write_window(
            store,
            Window(device, begin, end),
            own,
            asked_at=at("20") + number * timedelta(hours=1),
            ingested_by="tcc/0",
            complete=whole,
            pages=1,
        )


@pytest.mark.slow
@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    happened=happened,
    answers=answers,
    stops=st.sets(st.integers(0, 5), max_size=2),
    spoiled=st.none() | st.integers(0, 9),
)
def test_answers_in_any_order_and_number_of_runs_equal_a_rebuild(
    tmp_path_factory: pytest.TempPathFactory,
    happened: list[tuple[str, int, str]],
    answers: list[tuple[str, int, int, bool]],
    stops: set[int],
    spoiled: int | None,
) -> None:
    """Late days, days nobody asked about, answers cut short, without rows or gone bad since."""
    rows = [(device, _row(n, minute, what)) for n, (device, minute, what) in enumerate(happened)]
    by_runs, at_once = (Paths.at(tmp_path_factory.mktemp(n)) for n in ("runs", "once"))
    for number, answer in enumerate(answers):
        _answer(by_runs, rows, answer, number)
        if number in stops:
            build(by_runs)
    if spoiled is not None:
        build(by_runs)
        known = Journal(by_runs.journal).all()
        bad = known[spoiled % len(known)]
        (by_runs.raw / bad.file).unlink()
        raw.take_back(by_runs, bad)
    build(by_runs)
    shutil.copytree(by_runs.raw, at_once.raw)
    build(at_once)
    assert contents(by_runs) == contents(at_once)
    assert _counted_wh(at_once, "energy_hourly") == pytest.approx(
        _counted_wh(at_once, "energy_daily")
    )


def _counted_wh(store: Paths, name: str) -> float:
    columns = ["energy_wh_total", "energy_wh_unplaced"]
    return float(warehouse.read(store.marts / name)[columns].sum().sum())


def test_the_sum_of_hours_is_the_sum_of_local_days(store: Paths) -> None:
    rows = [
        report(f"{d} {h:02d}:17", "cur_power", str(h * 100)) for d in (10, 11) for h in range(24)
    ]
    keep(store, rows)
    build(store)
    by_hour = sum(hourly(store, "energy_wh_integral").values())
    by_day = float(table(store, "energy_daily")["energy_wh_integral"].sum())
    assert by_day == pytest.approx(by_hour)
    assert ZoneInfo(CONFIG.site.time_zone).utcoffset(at("10")) == timedelta(hours=-3)


def test_time_that_nobody_asked_about_is_a_gap_of_its_own_and_cuts_what_was_held(
    store: Paths,
) -> None:
    keep(store, [report("10 23:00", "cur_power", "1000")])
    keep(store, [report("13 12:00", "cur_power", "1000")])
    build(store)
    energy_wh = hourly(store, "energy_wh_integral")
    assert energy_wh == pytest.approx({"10 23": 100, "13 12": 100, "13 13": 100, "13 14": 100})
    keep(store, [], day="11", asked="21")
    build(store)
    energy_wh = hourly(store, "energy_wh_integral")
    assert [energy_wh[f"11 0{h}"] for h in (0, 1)] == pytest.approx([100, 100])
    before = contents(store)
    marts.run(store, CONFIG, rebuild=True)
    assert contents(store) == before


def test_an_hour_that_was_not_asked_about_is_no_silence(store: Paths) -> None:
    noon, later = at("10 12:00"), at("10 14:00")
    for start, end, own in (
        (at("10"), noon, [report("10 11:50", "cur_power", "1000")]),
        (later, at("11"), [report("10 15:00", "cur_power", "1000")]),
    ):
        raw.write_window(
            store,
            Window("plug01", start, end),
            own,
            asked_at=at("11"),
            ingested_by="tcc/0",
            complete=True,
        )
    build(store)
    gaps = table(store, "gaps")
    first = gaps.iloc[0]
    assert (first["cause"], first["gap_start"].to_pydatetime()) == ("not asked", noon)
    assert first["gap_end"].to_pydatetime() == later
    assert "10 12" not in hourly(store, "energy_wh_integral")


def test_an_archive_holds_its_last_value_over_midnight_to_its_last_event(store: Paths) -> None:
    rows = [
        report("10 22:30", "cur_power", "1000"),
        report("11 00:30", "cur_power", "1000"),
        report("11 02:30", "cur_power", "0"),
    ]
    window = Window("plug01", at("10 22:30"), at("11 02:30"))
    raw.write_window(
        store,
        window,
        rows,
        asked_at=at("20"),
        ingested_by="tcc/0",
        complete=False,
        origin_sha256="0" * 64,
    )
    build(store)
    assert sum(hourly(store, "energy_wh_integral").values()) == pytest.approx(400)


def test_a_meter_not_heard_of_for_days_keeps_its_counter(store: Paths) -> None:
    keep(store, [report("10 12:00", "forward_energy_total", "1000")], device="meter1")
    for day in (10, 11, 12, 13):
        keep(store, [report(f"{day} 12:00", "cur_power", "1")])
    keep(store, [report("13 12:00", "forward_energy_total", "1500")], device="meter1")
    build(store)
    assert hourly(store, "energy_wh_unplaced", "meter1") == pytest.approx({"13 12": 5000})
    assert sum(hourly(store, "energy_wh_total", "meter1").values()) == 0


def test_a_changed_gap_limit_builds_every_date_again(store: Paths) -> None:
    keep(store, [report("10 10:00", "cur_power", "1000")])
    build(store)
    keep(store, [report("12 10:00", "cur_power", "1000")])
    build(store, Config(ingestion=CONFIG.ingestion, energy=Energy(gap_limit_h=1)))
    assert hourly(store, "energy_wh_integral") == pytest.approx({"10 10": 100, "12 10": 100})


def test_the_code_that_the_user_says_switches_a_device_makes_its_states(store: Paths) -> None:
    heater = Device(id="plug01", name="Aquecedor", on_off_code="heat_on")
    rows = [report("10 10:00", "heat_on", "true"), report("10 11:00", "heat_on", "false")]
    keep(store, rows)
    build(store)
    assert warehouse.read(store.marts / "states").empty
    build(store, CONFIG.model_copy(update={"devices": (heater,)}))
    states = table(store, "states")
    assert [(s.code, bool(s.is_on)) for s in states.itertuples()] == [
        ("heat_on", True),
        ("heat_on", False),
    ]


def reading(when: str, energy_wh: float) -> Row:
    """A counter's reading; its scale is 2, in kWh."""
    return report(when, "forward_energy_total", str(round(energy_wh / 10)))


def daily(store: Paths, column: str) -> dict[str, float]:
    """A column of the local days that have a number in it, by day of the month."""
    days = table(store, "energy_daily").dropna(subset=[column])
    dates = pd.to_datetime(days["local_date"])
    return {f"{d:%d}": float(v) for d, v in zip(dates, days[column], strict=True)}


def house_after_an_outage() -> list[Row]:
    """400 Wh an hour to 10th 12:00, nothing read to 12th 05:00, then 100 Wh an hour."""
    before = [reading(f"10 {h:02d}:00", 400 * h) for h in range(13)]
    hours = [(12, h) for h in range(5, 24)] + [(13, h) for h in range(4)]
    return before + [
        reading(f"{d} {h:02d}:{m}", 4800 + 15_890 + 100 * n + 5 * int(m) / 3)
        for n, (d, h) in enumerate(hours)
        for m in ("00", "30")
    ]


def test_what_a_counter_added_over_an_outage_is_in_no_hour_and_no_day(store: Paths) -> None:
    keep(store, house_after_an_outage())
    build(store)
    assert hourly(store, "energy_wh_unplaced") == pytest.approx({"12 05": 15_890})
    hour = table(store, "energy_hourly").set_index("hour_start").loc[at("12 05:00")]
    assert hour["energy_wh_total"] == pytest.approx(50)
    assert hour["unplaced_start"].to_pydatetime() == at("10 12:00")
    assert daily(store, "energy_wh_unplaced") == pytest.approx({"12": 15_890})
    assert daily(store, "energy_wh_total") == pytest.approx(
        {"09": 800, "10": 4000, "12": 2150, "13": 100}
    )
    coverage = daily(store, "coverage")
    assert coverage["12"] == pytest.approx(22 / 24)


def test_the_day_after_an_outage_is_not_the_one_of_highest_consumption(store: Paths) -> None:
    keep(store, house_after_an_outage())
    build(store)
    study = Study.open(store.data)
    days = energy.metered(energy.chosen(study.daily))
    shown = {key: i.value for key, i in indicators.of_energy(study, days).items()}
    assert shown["energia.total"] == pytest.approx((4800 + 15_890 + 2250) / 1000)
    assert shown["energia.dia_maior"] == "10 mar. 2026"
    assert shown["energia.dia_maior_total"] == pytest.approx(4.0)
    assert shown["energia.media_diaria"] == pytest.approx(2.15)
    by_device = energy.by_device(days, study.span_s, shown["energia.total"] * 1000)
    assert by_device["energy_kwh"].tolist() == pytest.approx([shown["energia.total"]])
    assert by_device["share_pct"].tolist() == pytest.approx([100])
    found = energy.findings(days, study.gaps, study.span_s, study.mains)
    amounts = [f.data["energy_wh"] for f in found if f.name == "tcc.energy.unplaced"]
    assert amounts == pytest.approx([15_890])


@pytest.mark.parametrize(
    ("start", "total_wh"),
    [("2026-03-10T12:00Z", 15_890 + 2250), ("2026-03-10T13:00Z", 2250), ("2026-03-11", 2250)],
)
def test_a_difference_from_before_the_window_is_not_of_the_window(
    store: Paths, start: str, total_wh: float
) -> None:
    keep(store, house_after_an_outage())
    build(store)
    days = energy.chosen(Study.open(store.data, start).daily)
    within = 400 if start.endswith("T12:00Z") else 0  # the reading at 12:00 ends an hour
    assert days["energy_wh"].sum() == pytest.approx(total_wh + within)


@pytest.mark.parametrize(
    ("first", "second", "hour", "placed"),
    [
        ("10 12:00", "10 18:00", "10 18", {"10": 500}),  # within a local day
        ("10 22:00", "11 02:30", "11 02", {"10": 500}),  # over midnight UTC only
        ("10 22:00", "11 04:00", "11 04", {}),  # over local midnight
        ("10 22:00", "13 04:00", "13 04", {}),
    ],
)
def test_a_stretch_is_of_a_day_where_both_readings_are(
    store: Paths, first: str, second: str, hour: str, placed: dict[str, float]
) -> None:
    keep(store, [reading(first, 1000), reading(second, 1500)])
    build(store)
    assert hourly(store, "energy_wh_unplaced") == pytest.approx({hour: 500})
    assert sum(hourly(store, "energy_wh_total").values()) == 0
    days = {day: wh for day, wh in daily(store, "energy_wh_total").items() if wh}
    assert days == pytest.approx(placed)
    assert sum(daily(store, "energy_wh_unplaced").values()) == (0 if placed else 500)
    study = Study.open(store.data).daily
    dated = study.dropna(subset=["local_date"])
    assert study["energy_wh_total"].sum() == pytest.approx(500)
    assert dated["energy_wh_total"].sum() == pytest.approx(sum(placed.values()))


@pytest.mark.parametrize(
    ("first", "second", "hour", "day"),
    [("10 12:00", "10 20:00", "10 20", {"10": 300}), ("10 22:00", "11 04:00", "11 04", {})],
)
def test_what_was_counted_since_a_reset_in_a_stretch_has_no_hour_either(
    store: Paths, first: str, second: str, hour: str, day: dict[str, float]
) -> None:
    keep(store, [reading(first, 50_000), reading(second, 300)])
    build(store)
    assert hourly(store, "energy_wh_unplaced") == pytest.approx({hour: 300})
    totals = {d: wh for d, wh in daily(store, "energy_wh_total").items() if wh}
    assert totals == pytest.approx(day)


def test_a_short_absence_between_two_hours_leaves_the_hour_unknown(store: Paths) -> None:
    absent = [event("10 10:50", 2), event("10 11:10", 1)]
    keep(store, [reading("10 10:40", 1000), *absent, reading("10 11:20", 1200)])
    keep(store, [reading("11 11:05", 1200), event("11 11:10", 2), reading("11 11:50", 1300)])
    build(store)
    assert hourly(store, "energy_wh_unplaced") == pytest.approx({"10 11": 200})
    assert hourly(store, "energy_wh_total")["11 11"] == pytest.approx(100)


def test_a_counter_that_stood_still_used_nothing_in_any_hour(store: Paths) -> None:
    keep(store, [reading("10 10:00", 1000), reading("11 20:00", 1000)])
    build(store)
    assert hourly(store, "energy_wh_unplaced") == {}
    assert hourly(store, "energy_wh_total")["11 20"] == 0


def test_a_late_answer_about_the_time_between_places_what_was_counted(store: Paths) -> None:
    def window(start: str, end: str, rows: list[Row], asked: str) -> None:
        own = Window("plug01", at(start), at(end))
        raw.write_window(store, own, rows, asked_at=at(asked), ingested_by="tcc/0", complete=True)

    window("10 20:00", "10 23:30", [reading("10 23:00", 1000)], "20 00:00")
    window("11 00:00", "11 06:00", [reading("11 00:30", 1200)], "20 00:00")
    build(store)
    assert hourly(store, "energy_wh_unplaced") == pytest.approx({"11 00": 200})
    window("10 23:30", "11 00:00", [], "20 01:00")
    build(store)
    assert hourly(store, "energy_wh_unplaced") == {}
    assert hourly(store, "energy_wh_total")["11 00"] == pytest.approx(200)
    before = contents(store)
    marts.run(store, CONFIG, rebuild=True)
    assert contents(store) == before


def test_marts_built_by_other_sql_are_built_again_whatever_their_columns(store: Paths) -> None:
    keep(store, house_after_an_outage())
    build(store)
    before = contents(store)
    for name, gone in (
        ("carry", ("total_at", "total_watched_us")),
        ("energy_hourly", ("energy_wh_unplaced", "unplaced_start")),
        ("energy_daily", ("energy_wh_unplaced",)),
    ):
        for file in (store.marts / name).glob("event_date=*/data_0.parquet"):
            old = pd.read_parquet(file, partitioning=None).drop(columns=list(gone))
            old.to_parquet(file, index=False)
    state = store.marts / "_state" / "position.json"
    said = json.loads(state.read_text())
    said["rules"]["sql"] = "another"
    files.write_text(state, json.dumps(said))
    marts.run(store, CONFIG)
    assert contents(store) == before
    assert not math.isnan(daily(store, "energy_wh_unplaced")["12"])


def test_a_day_between_two_others_that_comes_last_gets_what_the_day_before_left(
    store: Paths,
) -> None:
    """Neighbours are found where days are missing between them, on either side."""
    for day in (10, 16):
        keep(store, [reading(f"{day} 12:00", 1000 * day)])
    assert build(store)[1].dates == ["2026-03-10", "2026-03-16"]
    keep(store, [reading("13 12:00", 13_500)], asked="21")
    assert build(store)[1].dates == ["2026-03-13", "2026-03-16"]
    assert hourly(store, "energy_wh_unplaced") == pytest.approx({"13 12": 3500, "16 12": 2500})


def test_an_hour_lists_no_partitions_but_those_after_the_newest(
    store: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What runs each hour must not cost more with each day that is kept."""
    for day in (10, 11, 12):
        keep(store, [report(f"{day} 12:00", "cur_power", "5")])
    build(store)
    keep(store, [report("11 23:00", "cur_power", "7")], asked="21")
    staging.run(store, CONFIG)
    monkeypatch.setattr(marts, "_days", lambda folder: pytest.fail(f"{folder} was listed"))
    monkeypatch.setattr(Journal, "all", lambda self: pytest.fail("the whole journal was read"))
    assert marts.run(store, CONFIG).dates == ["2026-03-11", "2026-03-12"]


PARTS = ["observed_s", "offline_s", "silent_s", "not_asked_s"]


def available(store: Paths, name: str = "availability", device: str = "plug01") -> dict[str, Any]:
    """Hours observed, offline, silent and not asked about, by local day or by hour. [h]"""
    found = table(store, name, device)
    time = pd.to_datetime(found["local_date" if name == "availability" else "hour_start"])
    shown = time.dt.strftime("%d" if name == "availability" else "%d %H")
    hours = (found[PARTS] / 3600).round(9).to_numpy().tolist()
    return dict(zip(shown, hours, strict=True))


def test_a_day_is_observed_offline_silent_or_not_asked_about_and_nothing_else(
    store: Paths,
) -> None:
    keep(store, [report("10 03:00", "cur_power", "5"), event("10 04:30", 2)])
    keep(store, [event("11 01:00", 1)], complete=True)
    build(store)
    hours = available(store, "availability_hourly")
    assert hours["10 00"] == [0, 0, 1, 0]  # asked about, but never heard of before
    assert hours["10 04"] == [0.5, 0.5, 0, 0]
    assert hours["11 00"] == [0, 1, 0, 0]
    assert hours["11 05"] == [0, 0, 1, 0]
    # Local dates begin at 3h00 UTC: of the 9th three hours were asked about, of the 11th 21.
    assert available(store) == {
        "09": [0, 0, 3, 21],
        "10": [1.5 + 2, 20.5, 0, 0],
        "11": [1, 0, 20, 3],
    }
    alive_s = table(store, "energy_hourly")["alive_s"].tolist()
    assert table(store, "availability_hourly")["observed_s"].tolist() == alive_s


def test_an_hour_nobody_asked_about_is_neither_silence_nor_absence(store: Paths) -> None:
    noon = at("10 12:00")
    for start, end in ((at("10"), noon), (noon + timedelta(hours=2), at("11"))):
        hours = range(start.hour, end.hour or 24)
        own = [report(f"{start:%d} {hour:02d}:30", "cur_power", "1") for hour in hours]
        window = Window("plug01", start, end)
        raw.write_window(store, window, own, asked_at=at("11"), ingested_by="tcc/0", complete=True)
    build(store)
    day = available(store)["10"]
    assert (day[3], sum(day)) == (2 + 3, 24)
    gaps = table(store, "gaps")
    lost_h = gaps[gaps["cause"] == "not asked"]["gap_s"].sum() / 3600
    assert lost_h == 2  # the three hours after the last window are not over yet: no gap


def test_a_local_date_of_23_hours_is_filled_too(store: Paths) -> None:
    far = Config(ingestion=CONFIG.ingestion, site={"time_zone": "America/New_York"})
    for day in ("07", "08", "09"):
        keep(store, [report(f"{day} {h:02d}:00", "cur_power", "1") for h in range(24)])
    build(store, far)
    assert {day: sum(parts) for day, parts in available(store).items()} == {
        "06": 24,
        "07": 24,
        "08": 23,  # clocks go forward
        "09": 24,
    }
