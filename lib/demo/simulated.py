"""The simulated house: devices whose rows are a pure function of seed and time.

Belongs here: putting loads, conditions and reporting together, day by day. Does not belong
here: the rules of any of them. Nobody measured any of this, and the house says so.
"""

from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from lib.demo import catalogue, conditions, instruments, loads
from lib.demo.days import DAY_MS, STEP_S, STEPS, Calendar, Day
from lib.demo.house import DemoDevice, LogRow
from lib.demo.reporting import Array, Draw

_STEP_MS = STEP_S * 1000
# The meter's register is cleared by its owner four times a year, at 4h local time.
CLEARED = ((3, 15), (6, 15), (9, 15), (12, 15))


def _draw(power_w: Array) -> Draw:
    steps_wh = power_w * (STEP_S / 3600)
    return Draw(power_w, np.concatenate(([0.0], np.cumsum(steps_wh))))


def _whole(power_w: Array) -> Array:
    """Trim a load by less than one Wh, so that a day ends on a whole number of them."""
    total_wh = float(power_w.sum()) * STEP_S / 3600
    return power_w * (np.floor(total_wh) / total_wh) if total_wh else power_w


class SimulatedHouse:
    """Ten invented devices in Minas Gerais; the same seed gives the same rows at any date."""

    simulated = True
    attribution = (
        "Dados simulados por este projeto (casa de demonstração); nenhum valor foi medido."
    )

    def __init__(self, seed: int = 7, time_zone: str = "America/Sao_Paulo") -> None:
        self.seed = seed
        self.name = f"Casa de demonstração (simulada, semente {seed})"
        self.calendar = Calendar(seed, time_zone)
        self._devices = catalogue.devices()
        self._index = {device.id: n for n, device in enumerate(self._devices)}
        self._volts = lru_cache(maxsize=64)(conditions.voltage_v)
        self._day_rows = lru_cache(maxsize=512)(self._make_rows)
        self._draws = lru_cache(maxsize=128)(self._make_draw)
        self._register_wh = lru_cache(maxsize=512)(self._make_register)
        self._meter_day_wh = lru_cache(maxsize=4096)(self._make_meter_day)

    def devices(self) -> list[DemoDevice]:
        """Six plugs, a meter, two lamps and a sensor."""
        return list(self._devices)

    def rows(self, device_id: str, start_ms: int, end_ms: int) -> Sequence[LogRow]:
        """The device's rows in [start_ms, end_ms), oldest first. Raises KeyError."""
        index = self._index[device_id]
        found: list[LogRow] = []
        first, last = self.calendar.number(start_ms), self.calendar.number(end_ms - 1)
        for number in range(first, last + 1):
            rows, times = self._day_rows(index, number)
            found += rows[bisect_left(times, start_ms) : bisect_left(times, end_ms)]
        return found

    def true_energy_wh(self, device_id: str, start_ms: int, end_ms: int) -> float:
        """What the device's load really used in [start_ms, end_ms). [Wh]"""
        index = self._index[device_id]
        first, last = self.calendar.number(start_ms), self.calendar.number(end_ms - 1)
        return sum(
            self._used_wh(index, number, end_ms) - self._used_wh(index, number, start_ms)
            for number in range(first, last + 1)
        )

    def _used_wh(self, index: int, number: int, until_ms: int) -> float:
        energy_wh = self._draws(index, number).energy_wh
        at = (until_ms - self.calendar.start_ms(number)) / _STEP_MS
        return float(np.interp(at, np.arange(STEPS + 1), energy_wh))

    def _make_draw(self, index: int, number: int) -> Draw:
        day, device_id = self.calendar.day(number), self._devices[index].id
        if device_id == catalogue.METER:
            return _draw(self._house_load(day))
        if device_id in (catalogue.ROOM_LAMP, catalogue.PORCH_LAMP):
            return _draw(_without_mains(day, loads.lamp(day, device_id)))
        if device_id not in loads.APPLIANCES:
            return _draw(np.zeros(STEPS))
        power_w = loads.APPLIANCES[device_id](day, day.rng(index))
        power_w = power_w * conditions.switched_on(day, device_id)
        return _draw(_whole(_without_mains(day, power_w)))

    def _house_load(self, day: Day) -> Array:
        total = _without_mains(day, loads.unmetered(day, day.rng(50)))
        for n, device in enumerate(self._devices):
            if device.id not in (catalogue.METER, catalogue.SENSOR):
                total = total + self._draws(n, day.number).power_w
        return total

    def _make_meter_day(self, number: int) -> float:
        return float(self._draws(self._index[catalogue.METER], number).energy_wh[STEPS])

    def _make_register(self, number: int) -> float:
        """The meter's register at the start of a day, summed since it was cleared. [Wh]"""
        begin = number
        while not self._cleared(begin):
            begin -= 1
        return sum(self._meter_day_wh(n) for n in range(begin, number))

    def _cleared(self, number: int) -> bool:
        today = self.calendar.day(number).date
        return (today.month, today.day) in CLEARED

    def _make_rows(self, index: int, number: int) -> tuple[list[LogRow], list[int]]:
        day, device = self.calendar.day(number), self._devices[index]
        silent = conditions.spells(day, index)
        draw = self._draws(index, number)
        if device.category == "cz":
            rows = instruments.plug_rows(day, index, draw, self._volts(day), silent)
        elif device.category == "zndb":
            draw = Draw(draw.power_w, draw.energy_wh + self._register_wh(number))
            rows = instruments.meter_rows(day, index, draw, self._volts(day), silent)
        elif device.category == "dj":
            rows = instruments.lamp_rows(day, index, loads.lamp_on(day, device.id), silent)
        else:
            rows = instruments.sensor_rows(day, index, silent)
        rows = [row for row in rows if day.start_ms <= row.event_time_ms < day.start_ms + DAY_MS]
        return rows, [row.event_time_ms for row in rows]


def _without_mains(day: Day, power_w: Array) -> Array:
    cut = conditions.power_cut(day)
    if cut:
        power_w = power_w.copy()
        power_w[cut[0] : cut[1]] = 0
    return power_w
