"""The simulated house: the same for a seed, true to its own energy, alive like a household."""

from collections import Counter
from datetime import UTC, date, datetime
from itertools import pairwise

import pytest

from lib import datapoints
from lib.config import Device
from lib.demo import catalogue, loads
from lib.demo.catalogue import AIR, COMPUTER, FRIDGE, METER, PORCH_LAMP, SENSOR, TV, WASHER
from lib.demo.days import DAY_MS, Calendar
from lib.demo.house import OFFLINE, ONLINE, REPORT, SIGNAL, LogRow, log_order
from lib.demo.simulated import SimulatedHouse

HOUSE = SimulatedHouse()
PLUGS = [device.id for device in HOUSE.devices() if device.category == "cz"]
START = int(datetime(2026, 4, 1, tzinfo=UTC).timestamp() * 1000)
HOUR_MS = 3_600_000


def local_ms(day: int, hour: float, month: int = 4) -> int:
    """A local hour of a day in 2026. [ms since 1970]"""
    midnight = datetime(2026, month, day, 3, tzinfo=UTC)
    return int(midnight.timestamp() * 1000 + hour * HOUR_MS)


def values(rows: list[LogRow], code: str) -> list[int]:
    return [int(row.value or "") for row in rows if row.code == code]


def whole_days(device: str, first: int, count: int) -> tuple[int, int]:
    """Bounds of days of the house, from 4h local."""
    return local_ms(first, 4), local_ms(first, 4) + count * DAY_MS


def test_all_kinds_of_device_are_present() -> None:
    kinds = Counter(device.category for device in HOUSE.devices())
    assert kinds == {"cz": 6, "zndb": 1, "dj": 2, "wsdcg": 1}
    assert HOUSE.simulated and "simulad" in HOUSE.name and "simulados" in HOUSE.attribution
    assert len({device.id for device in HOUSE.devices()}) == 10
    for device in HOUSE.devices():
        assert Device(id=device.id, name=device.name).id == device.id


def test_specifications_explain_every_code_that_is_sent() -> None:
    for device in HOUSE.devices():
        sent = {row.code for row in HOUSE.rows(device.id, START, START + DAY_MS)} - {None}
        described = {spec.code for spec in datapoints.code_specs(device.specification)}
        assert sent and sent <= described
        assert sent <= datapoints.KNOWN.keys()


@pytest.mark.parametrize("device", [FRIDGE, METER, PORCH_LAMP, SENSOR])
def test_a_seed_is_a_house(device: str) -> None:
    window = START, START + 2 * DAY_MS
    again, other = SimulatedHouse(7), SimulatedHouse(8)
    assert again.rows(device, *window) == HOUSE.rows(device, *window)
    assert other.rows(device, *window) != HOUSE.rows(device, *window)


@pytest.mark.parametrize("device", [FRIDGE, METER, SENSOR])
def test_what_was_asked_before_changes_nothing(device: str) -> None:
    middle, end = START + 31 * HOUR_MS + 12_345, START + 3 * DAY_MS
    fresh = SimulatedHouse()
    late = fresh.rows(device, middle, end)
    assert [*fresh.rows(device, START, middle), *late] == list(HOUSE.rows(device, START, end))


@pytest.mark.parametrize("year", [2015, 2024, 2031])
def test_it_works_at_any_other_date(year: int) -> None:
    start = int(datetime(year, 11, 1, tzinfo=UTC).timestamp() * 1000)
    assert all(HOUSE.rows(d.id, start, start + DAY_MS) for d in HOUSE.devices())


def test_rows_are_ascending_unique_and_inside_the_window() -> None:
    for device in HOUSE.devices():
        rows = HOUSE.rows(device.id, START + 777, START + 3 * DAY_MS)
        assert all(log_order(a) > log_order(b) for a, b in pairwise(rows))
        assert rows[0].event_time_ms >= START + 777
        assert rows[-1].event_time_ms < START + 3 * DAY_MS


@pytest.mark.parametrize("device", PLUGS)
def test_increments_are_the_true_energy(device: str) -> None:
    begin, end = whole_days(device, 1, 21)
    sent_wh = values(list(HOUSE.rows(device, begin, end)), "add_ele")
    assert sum(sent_wh) == pytest.approx(HOUSE.true_energy_wh(device, begin, end), abs=1)
    assert min(sent_wh) >= 1
    for day in range(21):
        bounds = begin + day * DAY_MS, begin + (day + 1) * DAY_MS
        day_wh = sum(values(list(HOUSE.rows(device, *bounds)), "add_ele"))
        assert day_wh == pytest.approx(HOUSE.true_energy_wh(device, *bounds), abs=1e-3)


def test_increments_wait_ten_or_thirty_minutes() -> None:
    begin, end = whole_days(AIR, 1, 21)
    rows = [row for row in HOUSE.rows(AIR, begin, end) if row.code == "add_ele"]
    for before, row in pairwise(rows):
        waited_ms = row.event_time_ms - before.event_time_ms
        closing = (
            row.event_time_ms % DAY_MS > 7 * HOUR_MS - 60_000 or waited_ms > 30 * 60_000 - 5_000
        )
        assert closing or (waited_ms >= 600_000 - 5_000 and int(row.value or "") >= 100)


def test_the_meter_counts_the_whole_house() -> None:
    begin, end = local_ms(2, 0), local_ms(9, 0)
    register = values(list(HOUSE.rows(METER, begin, end)), "forward_energy_total")
    assert register == sorted(register)
    counted_wh = 10 * (register[-1] - register[0])
    true_wh = HOUSE.true_energy_wh(METER, begin, end)
    assert counted_wh == pytest.approx(true_wh, abs=100)
    plugs_wh = sum(HOUSE.true_energy_wh(device, begin, end) for device in PLUGS)
    assert 0.2 * true_wh < plugs_wh < 0.8 * true_wh


def test_the_meters_register_is_cleared_in_mid_june_only() -> None:
    begin = int(datetime(2026, 6, 13, tzinfo=UTC).timestamp() * 1000)
    register = values(list(HOUSE.rows(METER, begin, begin + 4 * DAY_MS)), "forward_energy_total")
    falls = [b for a, b in pairwise(register) if b < a]
    assert falls == [0]


def test_plugs_report_as_often_as_real_ones() -> None:
    for device in PLUGS:
        rows = HOUSE.rows(device, START, START + 21 * DAY_MS)
        assert 400 <= len(rows) / 21 <= 1500


def test_voltage_current_and_power_come_together_but_not_at_once() -> None:
    rows = [
        r for r in HOUSE.rows(FRIDGE, START, START + DAY_MS) if (r.code or "").startswith("cur")
    ]
    triples = list(zip(rows[::3], rows[1::3], rows[2::3], strict=True))
    for triple in triples:
        assert [row.code for row in triple] == ["cur_current", "cur_power", "cur_voltage"]
        for before, row in pairwise(triple):
            assert 80 <= row.event_time_ms - before.event_time_ms <= 200
    silence = max(b[0].event_time_ms - a[0].event_time_ms for a, b in pairwise(triples))
    assert 55 * 60_000 < silence <= 60 * 60_000 + 20_000 or silence < 60 * 60_000


def test_readings_are_physical() -> None:
    for device in PLUGS:
        rows = list(HOUSE.rows(device, START, START + 21 * DAY_MS))
        assert min(values(rows, "cur_voltage")) > 1000 and max(values(rows, "cur_voltage")) < 1350
        assert min(values(rows, "cur_power")) >= 0 and max(values(rows, "cur_power")) < 20_000
        assert max(values(rows, "cur_current")) < 16_000


def test_switched_plugs_say_so() -> None:
    for device in (TV, COMPUTER):
        rows = HOUSE.rows(device, *whole_days(device, 6, 5))
        states = [row.value for row in rows if row.code == "switch_1"]
        assert states == ["false", "true", "false"] * 5


def test_a_power_cut_silences_every_device_for_forty_minutes() -> None:
    for device in HOUSE.devices():
        rows = HOUSE.rows(device.id, local_ms(16, 19.2), local_ms(16, 20.2))
        contact = [row for row in rows if row.event_id in (OFFLINE, ONLINE)]
        assert [row.event_id for row in contact] == [OFFLINE, ONLINE]
        assert all(row.code is None and row.value is None for row in contact)
        gone_s = (contact[1].event_time_ms - contact[0].event_time_ms) / 1000
        assert gone_s == pytest.approx(40 * 60, abs=60)
        between = [
            r for r in rows if contact[0].event_time_ms < r.event_time_ms < contact[1].event_time_ms
        ]
        assert between == []
    assert HOUSE.true_energy_wh(METER, local_ms(16, 19.25), local_ms(16, 19.8)) == 0


def test_wifi_is_lost_now_and_then() -> None:
    rows = [r for device in PLUGS for r in HOUSE.rows(device, START, START + 40 * DAY_MS)]
    counts = Counter(row.event_id for row in rows)
    assert counts[OFFLINE] == counts[ONLINE]
    assert 10 <= counts[OFFLINE] <= 40  # six plugs, forty days, the power cut among them
    assert counts[SIGNAL] > 3000 and counts[REPORT] > 100_000


def test_the_sag_day_is_below_the_adequate_voltage() -> None:
    sag = values(list(HOUSE.rows(FRIDGE, local_ms(8, 18.4), local_ms(8, 20))), "cur_voltage")
    usual = values(list(HOUSE.rows(FRIDGE, local_ms(9, 18.4), local_ms(9, 20))), "cur_voltage")
    assert max(sag) < 1200 and min(sag) < 1100 and min(usual) > 1170


def test_the_fridge_ages_a_little_and_is_mended() -> None:
    young, worn = local_ms(4, 4, month=3), local_ms(8, 4)  # both Wednesdays
    ratio = HOUSE.true_energy_wh(FRIDGE, worn, worn + 14 * DAY_MS) / HOUSE.true_energy_wh(
        FRIDGE, young, young + 14 * DAY_MS
    )
    assert 1.03 < ratio < 1.08
    calendar = Calendar(7, "America/Sao_Paulo")
    law = {
        (month, day): loads.ageing(calendar.day(calendar.number(local_ms(day, 12, month=month))))
        for month, day in ((2, 20), (3, 29), (4, 3), (4, 21), (4, 22))
    }
    assert law[2, 20] == law[3, 29] == law[4, 22] == 0
    assert law[4, 3] == pytest.approx(0.05 * (1 - 1 / 2.718282), abs=1e-6)
    assert 0.049 < law[4, 21] < 0.05


def test_the_porch_lamp_is_forgotten_for_a_night_and_a_day() -> None:
    rows = HOUSE.rows(PORCH_LAMP, local_ms(9, 12), local_ms(12, 12))
    switched = [r for r in rows if r.code == "switch_led" and r.event_from == "2"]
    on_ms = [row.event_time_ms for row in switched if row.value == "true"]
    off_ms = [row.event_time_ms for row in switched if row.value == "false"]
    longest_h = (off_ms[1] - on_ms[1]) / HOUR_MS
    assert 27 < longest_h < 31
    day_wh = HOUSE.true_energy_wh(PORCH_LAMP, local_ms(11, 4), local_ms(11, 18))
    assert day_wh == pytest.approx(9 * 14)


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        ((2026, 4, 2), "workday"),
        ((2026, 4, 3), "holiday"),
        ((2026, 4, 4), "saturday"),
        ((2026, 4, 5), "sunday"),
        ((2026, 4, 21), "holiday"),
    ],
)
def test_the_calendar_knows_the_holidays(day: tuple[int, int, int], kind: str) -> None:
    assert HOUSE.calendar.kind(date(*day)) == kind


def test_holidays_are_not_lived_like_working_days() -> None:
    def daytime_wh(device: str, day: int) -> float:
        return HOUSE.true_energy_wh(device, local_ms(day, 9), local_ms(day, 18))

    holidays, workdays = (3, 21), (1, 2, 6, 7, 8, 9, 10, 13, 14, 15, 17, 20)
    assert max(daytime_wh(TV, day) for day in workdays) < min(daytime_wh(TV, d) for d in holidays)
    assert min(daytime_wh(COMPUTER, d) for d in workdays) > 2 * max(
        daytime_wh(COMPUTER, day) for day in holidays
    )
    washed = [HOUSE.true_energy_wh(WASHER, *whole_days(WASHER, day, 1)) for day in (4, 11, 18)]
    assert min(washed) > 100


def test_devices_are_made_anew_for_each_caller() -> None:
    HOUSE.devices().clear()
    assert len(HOUSE.devices()) == len(catalogue.devices()) == 10
