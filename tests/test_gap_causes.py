"""Which gaps are one event, what the meters say of it, and that no time gets lost among classes."""

from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import DataFrame, Series
from pandas.testing import assert_frame_equal, assert_series_equal

from lib import attempts, coverage, gap_causes, losses, raw
from lib.attempts import Attempt, Unanswered
from lib.demo import catalogue
from lib.demo.house import House, LogRow
from lib.demo.recorded import recorded_house
from lib.demo.simulated import SimulatedHouse
from lib.gap_causes import API, COLLECTOR, DEVICE, JOINT, NETWORK, POWER
from lib.journal import Window
from lib.paths import Paths
from lib.study import Study
from lib.times import parse_instant, to_ms
from tests.rows import CONFIG, at, build, event, keep, report, table

Gap = tuple[str, str, str] | tuple[str, str, str, str]
NO_LOSSES = DataFrame(columns=[*losses.COLUMNS]).astype(
    dict.fromkeys(("lost_start", "lost_end"), "datetime64[us, UTC]")
)


def gaps(*rows: Gap) -> DataFrame:
    """Gaps: device, start and end as `10 12:30`, cause (offline unless said)."""
    found = DataFrame(
        [
            (device, device.title(), at(start), at(end), (*cause, "offline")[0], at(start))
            for device, start, end, *cause in rows
        ],
        columns=["device_id", "device_name", "gap_start", "gap_end", "cause", "last_seen"],
    )
    instants = dict.fromkeys(("gap_start", "gap_end", "last_seen"), "datetime64[us, UTC]")
    found = found.astype(instants)
    return found.assign(gap_s=(found["gap_end"] - found["gap_start"]).dt.total_seconds())


def seen(*devices: str, since: str = "01") -> "Series[pd.Timestamp]":
    """Devices that were first observed at an instant."""
    return Series(pd.Timestamp(at(since)), index=list(devices))


def used(*rows: tuple[int, str, float, float], hours: float = 0.7) -> DataFrame:
    """What devices used in events, and usually would have: event, device, Wh, Wh."""
    found = DataFrame(rows, columns=["event", "device_id", "gap_wh", "usual_wh"])
    return found.assign(gap_h=hours)


def classes(
    found: DataFrame, first: "Series[pd.Timestamp]", energy: DataFrame | None = None
) -> DataFrame:
    """The gaps with their classes, where nothing is lost and all was asked about."""
    events = gap_causes.together(found, first)
    named = gap_causes.verdicts(events, used() if energy is None else energy)
    nothing = found[found["cause"] == "not asked"].assign(gap_class=COLLECTOR)
    return gap_causes.classified(found, events, named, nothing, NO_LOSSES)


HOUSE = seen("a", "b", "c", "d")
FALL = gaps(
    ("a", "10 19:12", "10 19:52"),
    ("b", "10 19:12", "10 19:53"),
    ("c", "10 19:13", "10 19:52"),
    ("d", "10 19:13", "10 19:53"),
)


def test_a_device_that_falls_alone_is_its_own_event() -> None:
    found = classes(gaps(("a", "10 12:00", "10 13:00")), HOUSE)
    assert found["gap_class"].tolist() == [DEVICE]
    assert found["event"].tolist() == [-1]


def test_a_house_that_fell_and_used_nothing_was_dark() -> None:
    found = classes(FALL, HOUSE, used((0, "a", 1.0, 60.0), (0, "b", -3.0, 20.0)))
    assert set(found["gap_class"]) == {POWER}
    assert set(found["event"]) == {0}
    table = gap_causes.by_class(found).set_index("gap_class")
    assert table.loc[POWER, ["events", "gaps", "devices"]].tolist() == [1, 4, 4]


def test_a_house_that_fell_and_went_on_using_lost_its_network() -> None:
    found = classes(FALL, HOUSE, used((0, "a", 55.0, 60.0), (0, "b", 25.0, 20.0)))
    assert set(found["gap_class"]) == {NETWORK}


@pytest.mark.parametrize(
    "energy",
    [
        used(),  # nothing counts energy
        used((0, "a", 0.0, 9.9)),  # less than a step of a counter
        used((0, "a", 30.0, 80.0)),  # neither dark nor lit
        used((0, "a", 0.0, 9000.0), hours=60.0),  # the meters themselves may have been off
    ],
)
def test_without_a_clear_answer_of_the_meters_the_cause_stays_open(energy: DataFrame) -> None:
    assert set(classes(FALL, HOUSE, energy)["gap_class"]) == {JOINT}


def test_the_meter_of_the_mains_is_believed_before_the_plugs() -> None:
    events = gap_causes.together(FALL, HOUSE)
    energy = used((0, "mains", 290.0, 300.0), (0, "a", 0.0, 60.0))
    assert gap_causes.verdicts(events, energy, ["mains"]).tolist() == [NETWORK]
    assert gap_causes.verdicts(events, energy[1:], ["mains"]).tolist() == [POWER]


def test_of_a_fall_of_less_than_three_minutes_nobody_can_say_that_the_power_failed() -> None:
    """Shorter events are PRODIST's VTCD, which reports on change cannot show."""
    events, dark = gap_causes.together(FALL, HOUSE), (0, "a", 0.0, 60.0)
    assert gap_causes.verdicts(events, used(dark, hours=2 / 60)).tolist() == [JOINT]
    assert gap_causes.verdicts(events, used(dark, hours=3 / 60)).tolist() == [POWER]


def test_a_part_of_the_house_that_falls_together_is_no_power_cut() -> None:
    house = seen(*"abcdefgh")
    found = classes(FALL[:3], house, used((0, "a", 0.0, 60.0)))
    assert set(found["gap_class"]) == {JOINT}
    two = classes(FALL[:2], house)
    assert set(two["gap_class"]) == {DEVICE}, "two of eight may fall together by chance"


def test_two_devices_are_a_house_where_there_are_no_others() -> None:
    pair = seen("a", "b")
    assert set(classes(FALL[:2], pair, used((0, "a", 0.0, 60.0)))["gap_class"]) == {POWER}
    alone = classes(FALL[:1], seen("a"), used((0, "a", 0.0, 60.0)))
    assert alone["gap_class"].tolist() == [DEVICE], "one device says nothing of the house"


def test_who_comes_back_late_still_fell_with_the_house() -> None:
    late = pd.concat([FALL[:3], gaps(("d", "10 19:13", "10 23:00"))], ignore_index=True)
    found = classes(late, HOUSE, used((0, "a", 0.0, 60.0)))
    assert set(found["gap_class"]) == {POWER}


def test_who_was_away_before_is_not_asked_for() -> None:
    away = pd.concat([gaps(("d", "09 08:00", "11 08:00")), FALL[:3]], ignore_index=True)
    found = classes(away, HOUSE, used((0, "a", 0.0, 60.0)))
    assert found["gap_class"].tolist() == [DEVICE, POWER, POWER, POWER]
    later = pd.concat([HOUSE[:3], seen("d", since="20")])
    assert set(classes(FALL[:3], later, used((0, "a", 0.0, 60.0)))["gap_class"]) == {POWER}


def test_falls_at_the_same_time_that_end_apart_are_not_one() -> None:
    apart = gaps(("a", "10 12:15", "10 13:42"), ("b", "10 12:16", "10 13:12"))
    assert set(classes(apart, HOUSE)["gap_class"]) == {DEVICE}


def test_twenty_devices_fall_and_two_events_are_kept_apart() -> None:
    names = [f"p{n:02d}" for n in range(20)]
    rows = [(name, f"10 {h}:00", f"10 {h}:30") for h in (12, 18) for name in names]
    energy = used((0, "p00", 0.0, 100.0), (1, "p00", 90.0, 100.0))
    found = classes(gaps(*rows), seen(*names), energy)
    table = gap_causes.by_class(found).set_index("gap_class")
    assert table["events"].to_dict() == {
        **{DEVICE: 0, JOINT: 0, NETWORK: 1, POWER: 1, COLLECTOR: 0, API: 0}
    }
    assert table.loc[POWER, "gap_h"] == 10


def test_without_gaps_every_class_is_there_and_empty() -> None:
    found = classes(gaps(), HOUSE)
    assert found.empty
    table = gap_causes.by_class(found)
    assert table["gaps"].tolist() == [0] * 6
    assert table["class_name"].notna().all()
    assert gap_causes.findings(found) == []
    assert gap_causes.together(gaps(), seen()).empty


def test_time_that_nobody_asked_about_never_makes_the_house_fall() -> None:
    rows = [(d, "10 19:12", "10 19:52", "not asked") for d in "abcd"]
    found = classes(gaps(*rows), HOUSE)
    assert set(found["gap_class"]) == {COLLECTOR}
    assert found["event"].nunique() == 1, "one stop of the collector is one occasion"


def test_what_is_lost_for_ever_is_counted_within_its_class() -> None:
    found = gaps(("a", "10 00:00", "10 12:00", "not asked"))
    lost = DataFrame(
        {
            "device_id": ["a", "a", "b"],
            "kind": ["expired", "not logged", "expired"],
            "lost_start": pd.to_datetime([at("10 09:00"), at("10 00:00"), at("10 00:00")]),
            "lost_end": pd.to_datetime([at("10 18:00"), at("10 12:00"), at("10 12:00")]),
        }
    )
    named = found.assign(gap_class=API)
    events = gap_causes.together(found, HOUSE)
    of_event = gap_causes.verdicts(events, used())
    table = gap_causes.by_class(gap_causes.classified(found, events, of_event, named, lost))
    row = table.set_index("gap_class").loc[API]
    assert row[["gap_h", "lost_h"]].tolist() == [12.0, 3.0]


SPANS = st.lists(
    st.tuples(
        st.sampled_from("abcdef"),
        st.integers(0, 500),
        st.integers(1, 300),
        st.sampled_from(["offline", "silence", "not asked"]),
    ),
    max_size=25,
)


def drawn(rows: list[tuple[str, int, int, str]]) -> DataFrame:
    """Gaps of minutes since midnight, without a device twice at the same minute."""
    apart = {(device, start): (device, start, length, why) for device, start, length, why in rows}
    minute = timedelta(minutes=1)
    found = gaps(*((d, "10", "11", why) for d, _, _, why in apart.values()))
    starts = [at("10") + start * minute for _, start, _, _ in apart.values()]
    ends = [at("10") + (start + length) * minute for _, start, length, _ in apart.values()]
    found = found.assign(gap_start=starts, gap_end=ends).astype(
        dict.fromkeys(("gap_start", "gap_end"), "datetime64[us, UTC]")
    )
    return found.assign(gap_s=(found["gap_end"] - found["gap_start"]).dt.total_seconds())


@settings(max_examples=20, deadline=None)
@given(SPANS)
def test_the_classes_add_up_to_all_gaps(rows: list[tuple[str, int, int, str]]) -> None:
    found = drawn(rows)
    events = gap_causes.together(found, seen(*"abcdef"))
    energy = used(*((n, "a", 0.0 if n % 2 else 50.0, 50.0) for n in range(25)))
    asked = found[found["cause"] == "not asked"].assign(gap_class=API)
    named = gap_causes.verdicts(events, energy)
    table = gap_causes.by_class(gap_causes.classified(found, events, named, asked, NO_LOSSES))
    assert table["gap_h"].sum() == pytest.approx(found["gap_s"].sum() / 3600)
    assert table["gaps"].sum() == len(found)


@settings(max_examples=20, deadline=None)
@given(SPANS, st.randoms(use_true_random=False))
def test_the_order_of_gaps_does_not_matter(
    rows: list[tuple[str, int, int, str]], random: Random
) -> None:
    found = drawn(rows)
    order = list(found.index)
    random.shuffle(order)
    first = gap_causes.together(found, seen(*"abcdef"))
    again = gap_causes.together(found.loc[order], seen(*"abcdef"))
    assert_frame_equal(again.sort_index(), first)
    both = [gap_causes.verdicts(events, used()) for events in (first, again)]
    assert_series_equal(*both)


# ---- What the meters counted, from staged rows -------------------------------------------


def house(store: Paths, counted_wh: int) -> None:
    """Two plugs at 600 W that fall from 12:00 to 13:00, and what the first counts in it."""
    for device in ("plug01", "plug02"):
        rows = [
            report(f"10 {h:02d}:{m:02d}", "cur_power", "6000") for h in (10, 11) for m in (0, 30)
        ]
        rows += [
            event("10 12:00", 2),
            event("10 13:00", 1),
            report("10 13:00", "cur_power", "6000"),
        ]
        if device == "plug01":
            # Half an hour at 600 W before the fall, twelve minutes after, and what is between.
            rows += [report("10 11:30", "add_ele", "300")]
            rows += [report("10 13:12", "add_ele", str(300 + counted_wh + 120))]
        keep(store, rows, device=device)
    build(store, CONFIG)


@pytest.mark.parametrize(("counted_wh", "named"), [(0, POWER), (600, NETWORK), (250, JOINT)])
def test_the_increment_after_a_fall_tells_a_dark_house_from_a_deaf_one(
    store: Paths, counted_wh: int, named: str
) -> None:
    house(store, counted_wh)
    study = Study.open(store.data)
    events = gap_causes.together(study.gaps, coverage.first_seen(study.hourly))
    energy = gap_causes.energy_around(store, study.gaps, events)
    ((gap_wh, usual_wh),) = energy[["gap_wh", "usual_wh"]].to_numpy()
    assert gap_wh == pytest.approx(counted_wh, abs=0.5)
    assert usual_wh == pytest.approx(600, abs=0.5)
    assert gap_causes.verdicts(events, energy).tolist() == [named]


def test_whole_dates_that_nobody_asked_about_are_gaps_of_the_collector(store: Paths) -> None:
    for day, asked in (("02", "03"), ("05", "06")):
        keep(store, [report(f"{day} 12:00", "cur_power", "853")], asked=asked)
    build(store, CONFIG)
    study = Study.open(store.data)
    in_marts = table(store, "gaps")
    assert set(in_marts["cause"]) == {"silence"}, "the marts have no row of such dates"
    found = gap_causes.not_asked(store, CONFIG, study.gaps)
    assert found["gap_class"].tolist() == [COLLECTOR]
    assert found[["gap_start", "gap_end"]].to_numpy().tolist() == [[at("03"), at("05")]]
    assert study.gaps["gap_s"].sum() == in_marts["gap_s"].sum() + 2 * 86400
    inside = coverage.completed(store, study.gaps, study.hourly, (at("04"), study.end))
    assert inside.loc[inside["cause"] == "not asked", "gap_s"].tolist() == [86400]
    assert gap_causes.not_asked(store, CONFIG, study.gaps[:0]).empty
    window = study.start, study.end
    nothing = coverage.completed(Paths.at(store.data / "none"), study.gaps, study.hourly, window)
    assert_frame_equal(nothing, study.gaps)


@pytest.mark.parametrize(
    ("error", "code", "named"),
    [("SourceDown", None, API), ("quota", 28841004, API), ("deadline", None, COLLECTOR)],
)
def test_what_the_cloud_refused_is_not_the_collector_s(
    store: Paths, error: str, code: int | None, named: str
) -> None:
    for day, asked in (("02", "03"), ("05", "06")):
        keep(store, [report(f"{day} 12:00", "cur_power", "853")], asked=asked)
    refused = Unanswered("plug01", at("03"), at("05"), error, code)
    attempts.append(store, Attempt(at("06"), 1, 0, 0, 1, (refused,)))
    build(store, CONFIG)
    study = Study.open(store.data)
    assert gap_causes.not_asked(store, CONFIG, study.gaps)["gap_class"].tolist() == [named]


def told(store: Paths, source: House, first: str, days: int) -> Study:
    """A store of some dates of a house, as the cloud would have told them."""
    for device in source.devices():
        for n in range(days):
            start = parse_instant(first) + timedelta(days=n)
            end = start + timedelta(days=1)
            rows = source.rows(device.id, to_ms(start), to_ms(end))
            raw.write_window(
                store,
                Window(device.id, start, end),
                [{"event_time": row.event_time_ms, **_said(row)} for row in rows],
                asked_at=end,
                ingested_by="tcc/0",
                complete=True,
            )
    build(store, CONFIG)
    return Study.open(store.data)


def _said(row: LogRow) -> dict[str, object]:
    """What the cloud says of a row beside its time."""
    plain = {"code": row.code, "event_id": row.event_id, "value": row.value}
    return {key: value for key, value in plain.items() if value is not None}


def test_the_demo_house_s_power_cut_is_classed_as_such(store: Paths) -> None:
    demo = told(store, SimulatedHouse(), "2026-04-16", 2)
    events = gap_causes.together(demo.gaps, coverage.first_seen(demo.hourly))
    energy = gap_causes.energy_around(demo.paths, demo.gaps, events)
    named = gap_causes.verdicts(events, energy, [catalogue.METER])
    asked = gap_causes.not_asked(demo.paths, demo.config, demo.gaps)
    found = gap_causes.classified(demo.gaps, events, named, asked, NO_LOSSES)
    cut = found[found["gap_class"] == POWER]
    assert cut["device_id"].nunique() == 10
    assert cut["event"].nunique() == 1
    local = cut["gap_start"].dt.tz_convert("America/Sao_Paulo")
    assert set(local.dt.strftime("%Y-%m-%d %H:%M")) == {"2026-04-16 19:12"}
    assert cut["gap_s"].between(39 * 60, 42 * 60).all()
    assert gap_causes.verdicts(events, energy).tolist() == named.tolist(), "plugs alone say so too"
    assert coverage.names(demo.hourly).size == 10
    (one,) = [f for f in gap_causes.findings(found) if f.name == "tcc.quality.power"]
    assert one.data["events"] == 1 and not one.blocks


def test_an_event_s_own_files_are_read_alone(store: Paths, tmp_path: Path) -> None:
    house(store, 0)
    study = Study.open(store.data)
    none = gap_causes.together(study.gaps[:0], coverage.first_seen(study.hourly))
    assert gap_causes.energy_around(store, study.gaps[:0], none).empty
    empty = Paths.at(tmp_path / "nothing")
    events = gap_causes.together(study.gaps, coverage.first_seen(study.hourly))
    assert gap_causes.energy_around(empty, study.gaps, events).empty
    assert isinstance(study.start, datetime)


def test_the_april_gap_of_the_recorded_house_is_one_of_unknown_cause(
    store: Paths, shared_data: Path
) -> None:
    """UCI, 28 to 30 April 2007: the recorder was off, and so its counters say nothing."""
    (series,) = (shared_data / "uci_household").glob("*.parquet")
    study = told(store, recorded_house(series), "2007-04-27", 4)
    events = gap_causes.together(study.gaps, coverage.first_seen(study.hourly))
    energy = gap_causes.energy_around(store, study.gaps, events)
    named = events["event"].map(gap_causes.verdicts(events, energy))
    longest = study.gaps[study.gaps["gap_s"] > 200_000]
    assert longest["device_id"].nunique() == 4
    assert set(longest["gap_s"]) == {223_380.0}
    assert set(named[longest.index]) == {JOINT}
