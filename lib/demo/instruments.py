"""The devices' own view of a day: rows of plugs, meter, lamps and sensor.

Belongs here: which data points a kind of device sends, and their raw values. Does not belong
here: when a change is worth a report (reporting), or what is measured (loads).
"""

import base64

import numpy as np

from lib.demo.conditions import Spell, stretches, watched
from lib.demo.days import STEP_S, STEPS, Day
from lib.demo.house import LogRow, log_order
from lib.demo.reporting import Array, Draw, Reading, Recorder, increments, on_change

_HOUR = 3600 // STEP_S


def _sorted(recorder: Recorder) -> list[LogRow]:
    recorder.rows.sort(key=log_order, reverse=True)
    return recorder.rows


def triple(power_w: float, volts: float, power_factor: float) -> list[Reading]:
    """Current [mA], power [0.1 W] and voltage [0.1 V] of one instant."""
    current_ma = round(1000 * power_w / (volts * power_factor)) if volts else 0
    return [
        ("cur_current", 18, str(current_ma)),
        ("cur_power", 19, str(round(10 * power_w))),
        ("cur_voltage", 20, str(round(10 * volts))),
    ]


def plug_rows(day: Day, index: int, draw: Draw, volts: Array, silent: list[Spell]) -> list[LogRow]:
    """A plug's day; where it draws nothing at all its relay is open."""
    recorder, power_w = Recorder(day, index), draw.power_w
    power_factor = 0.99 if power_w.max() > 1000 else 0.62 + 0.05 * (index % 5)
    relay = power_w > 0
    before: bool | None = None
    for i in on_change(power_w, volts, relay, watched(day, index), silent):
        closed = bool(relay[i])
        if closed != before:
            origin = "1" if before is None else "2"  # later changes come from the app
            recorder.report(i, [("switch_1", 1, str(closed).lower())], origin)
        before = closed
        recorder.report(i, triple(float(power_w[i]), float(volts[i]), power_factor))
    _send_increments(recorder, draw.energy_wh, silent)
    recorder.connection(silent)
    return _sorted(recorder)


def _send_increments(recorder: Recorder, energy_wh: Array, silent: list[Spell]) -> None:
    sent, rest_wh = increments(energy_wh, silent)
    for i, amount_wh in sent:
        recorder.report(i, [("add_ele", 17, str(amount_wh))])
    if rest_wh:
        recorder.last_moment(("add_ele", 17, str(rest_wh)))


def phase(volts: float, power_w: float) -> str:
    """A meter's phase_a: 2 bytes 0.1 V, 3 bytes mA, 3 bytes W, big-endian, base64."""
    current_ma = round(1000 * power_w / (volts * 0.95)) if volts else 0
    parts = (round(10 * volts), 2), (current_ma, 3), (round(power_w), 3)
    packed = b"".join(number.to_bytes(size, "big") for number, size in parts)
    return base64.b64encode(packed).decode()


def meter_rows(day: Day, index: int, draw: Draw, volts: Array, silent: list[Spell]) -> list[LogRow]:
    """The meter's day: power on change, and its register (Wh since cleared) every 5 min."""
    recorder, power_w = Recorder(day, index), draw.power_w
    never = np.zeros(STEPS, dtype=np.bool_)
    for i in on_change(power_w, volts, never, never, silent):
        watts, mains_v = float(power_w[i]), float(volts[i])
        total = ("total_power", 115, str(round(10 * watts)))
        recorder.report(i, [("phase_a", 6, phase(mains_v, watts)), total])
    before, sent_at = -1, 0
    for first, last in stretches(silent):
        for i in range(first + (-first) % 30, last, 30):
            units = int(draw.energy_wh[i] / 10 + 1e-6)
            if units != before or i - sent_at >= _HOUR:
                recorder.report(i, [("forward_energy_total", 1, str(units))])
                before, sent_at = units, i
    recorder.connection(silent)
    return _sorted(recorder)


def lamp_rows(day: Day, index: int, on: Array, silent: list[Spell]) -> list[LogRow]:
    """A lamp's day: its switch, and with it mode, brightness and colour temperature."""
    recorder = Recorder(day, index)
    rng = day.rng(800 + index)
    for first, last in stretches(silent):
        before: bool | None = None
        for i in range(first, last):
            if bool(on[i]) != before:
                recorder.report(i, _lamp_state(bool(on[i]), rng), "1" if before is None else "2")
                before = bool(on[i])
    recorder.connection(silent)
    return _sorted(recorder)


def _lamp_state(on: bool, rng: np.random.Generator) -> list[Reading]:
    state: list[Reading] = [("switch_led", 20, str(on).lower())]
    if on:
        bright = str(int(rng.choice([300, 600, 1000])))
        state += [("work_mode", 21, "white"), ("bright_value_v2", 22, bright)]
        state += [("temp_value_v2", 23, "500")]
    return state


def sensor_rows(day: Day, index: int, silent: list[Spell]) -> list[LogRow]:
    """The sensor's day: temperature and humidity together, the battery once."""
    recorder = Recorder(day, index)
    celsius, humidity = _climate(day, index)
    battery = max(20, 100 - day.story_day)
    recorder.report(0, [("battery_percentage", 4, str(battery))])
    for first, last in stretches(silent):
        sent, sent_at = 1e9, first
        for i in range(first, last, 6):
            if abs(celsius[i] - sent) >= 0.3 or i - sent_at >= _HOUR:
                raw = str(round(10 * celsius[i]))
                pair = [("va_temperature", 1, raw), ("va_humidity", 2, str(round(humidity[i])))]
                recorder.report(i, pair)
                sent, sent_at = float(celsius[i]), i
    recorder.connection(silent)
    return _sorted(recorder)


def _climate(day: Day, index: int) -> tuple[Array, Array]:
    rng = day.rng(800 + index)
    hours = np.arange(STEPS) / _HOUR + 4
    summer = np.cos(2 * np.pi * (day.date.timetuple().tm_yday - 20) / 365)
    wave = np.sin(2 * np.pi * (hours - 9.5) / 24)
    knots = rng.normal(0, 0.25, 97)
    noise = np.interp(np.arange(STEPS), np.arange(97) * 90, knots)
    celsius = 22 + 3 * summer + 3.2 * wave + noise
    return celsius, np.clip(62 - 11 * wave + 2 * noise, 20, 98)
