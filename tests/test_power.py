"""Power by slots, and stretches in which a load was on or off by its thresholds."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib import config, study_frames
from lib.config import Config, Ingestion, Load
from lib.errors import ConfigError
from lib.paths import Paths
from lib.study import Study
from tests.rows import CONFIG, at, build, event, keep, report, table

Stretch = tuple[bool, str, str]


def loads(store: Paths) -> list[Stretch]:
    """The stretches of the only device: on or off, since when, until when (day and clock)."""
    found = table(store, "loads")
    return [
        (bool(r.is_on), f"{r.load_start:%d %H:%M}", f"{r.load_end:%d %H:%M}")
        for r in found.itertuples()
    ]


def watts(when: str, power_w: float) -> dict[str, object]:
    """A report of power; the plug speaks in tenths of a watt."""
    return report(when, "cur_power", str(round(10 * power_w)))


def test_the_power_of_a_slot_is_weighted_by_time(store: Paths) -> None:
    keep(store, [watts("10 10:01", 100), watts("10 10:03", 400), watts("10 10:05", 0)])
    build(store)
    first = table(store, "power_5min").iloc[0]
    assert first["slot_start"].to_pydatetime() == at("10 10:00")
    assert first["power_w"] == pytest.approx((2 * 100 + 2 * 400) / 4)
    assert first["power_s"] == 240  # the minute before the first report is not known
    assert first["power_w_max"] == 400


def test_longer_slots_are_means_of_what_was_known(store: Paths) -> None:
    keep(store, [watts("10 10:10", 90), watts("10 10:20", 30), event("10 10:25", 2)])
    build(store)
    slots = study_frames.power(store, at("10"), at("11"), 15)
    assert slots["slot_start"].dt.strftime("%H:%M").tolist() == ["10:00", "10:15"]
    assert slots["power_w"].tolist() == pytest.approx([90, (5 * 90 + 5 * 30) / 10])
    assert slots["power_s"].tolist() == [300, 600]
    assert slots["power_w_max"].tolist() == [90, 90]
    hour = study_frames.power(store, at("10"), at("11"), 60)
    assert hour["power_w"].tolist() == pytest.approx([(10 * 90 + 5 * 30) / 15])


def test_a_load_is_on_from_one_threshold_until_it_falls_below_the_other(store: Paths) -> None:
    powers = (
        ("10:00", 2),
        ("10:10", 9.9),
        ("10:20", 10),
        ("10:30", 6),
        ("10:40", 4.9),
        ("10:50", 7),
    )
    keep(store, [watts(f"10 {clock}", power_w) for clock, power_w in powers])
    build(store)
    assert loads(store)[:3] == [
        (False, "10 10:00", "10 10:20"),
        (True, "10 10:20", "10 10:40"),
        (False, "10 10:40", "10 13:50"),  # 7 W is between the two: still off, up to the gap limit
    ]
    on = table(store, "loads").iloc[1]
    assert on["energy_wh"] == pytest.approx((10 * 10 + 6 * 10) / 60)
    assert on["power_w_max"] == 10


def test_what_is_between_the_thresholds_at_midnight_stays_as_it_was(store: Paths) -> None:
    keep(
        store,
        [watts("10 23:00", 50), watts("10 23:30", 7), watts("11 01:00", 6), watts("11 02:00", 1)],
    )
    build(store)
    assert loads(store)[:3] == [
        (True, "10 23:00", "11 00:00"),
        (True, "11 00:00", "11 02:00"),
        (False, "11 02:00", "11 05:00"),
    ]


def test_unobserved_time_ends_a_stretch(store: Paths) -> None:
    keep(
        store,
        [watts("10 10:00", 50), event("10 10:30", 2), event("10 11:00", 1), watts("10 11:10", 8)],
    )
    build(store)
    assert loads(store) == [(True, "10 10:00", "10 10:30"), (True, "10 11:10", "10 14:10")]


def test_other_thresholds_build_every_date_again(store: Paths) -> None:
    keep(store, [watts("10 10:00", 50), watts("11 10:00", 200)])
    build(store)
    higher = Config(ingestion=Ingestion(retention_days=60), load=Load(on_w=100, off_w=60))
    _, report_ = build(store, higher)
    assert {"2026-03-10", "2026-03-11"} <= set(report_.dates)
    assert [is_on for is_on, _, _ in loads(store)] == [False, True]
    assert build(store, higher)[1].dates == []


def test_a_threshold_of_off_above_that_of_on_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[load]\non_w = 5\noff_w = 6\n")
    with pytest.raises(ConfigError, match=r"off_w \(6.0\) is above on_w \(5.0\)"):
        config.load(tmp_path)


changes = st.lists(
    st.tuples(st.integers(0, 2 * 1440 - 1), st.sampled_from([0, 3, 6, 9, 12, 80])),
    min_size=1,
    max_size=12,
    unique_by=lambda change: change[0],
)


@pytest.mark.slow
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=changes)
def test_slots_and_stretches_hold_the_energy_of_the_hours(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    store = Paths.at(tmp_path_factory.mktemp("own"))
    keep(
        store, [watts(f"{10 + m // 1440} {m % 1440 // 60:02d}:{m % 60:02d}", w) for m, w in changes]
    )
    build(store)
    hours = table(store, "energy_hourly")
    slots, stretches = table(store, "power_5min"), table(store, "loads")
    energy_wh = hours["energy_wh_integral"].sum()
    assert (slots["power_w"] * slots["power_s"]).sum() / 3600 == pytest.approx(energy_wh)
    assert stretches["energy_wh"].sum() == pytest.approx(energy_wh)
    assert slots["power_s"].sum() == pytest.approx(hours["power_s"].sum())
    length_s = (stretches["load_end"] - stretches["load_start"]).dt.total_seconds()
    assert length_s.sum() == pytest.approx(hours["power_s"].sum())
    for one, two in pairwise(stretches.itertuples()):
        assert one.load_end <= two.load_start
        follows = one.load_end == two.load_start and two.load_start.hour + two.load_start.minute > 0
        assert not follows or one.is_on != two.is_on


def test_a_study_of_nothing_has_empty_frames_with_their_columns(store: Paths) -> None:
    study = Study(store, CONFIG, at("10"), at("11"))
    for frame in (study.power(15), study.loads, study.voltage, study.states, study.availability):
        assert frame.empty
        assert "device_name" in frame
    assert str(study.power(15)["slot_start"].dtype) == "datetime64[us, UTC]"
    assert study.daily.empty
