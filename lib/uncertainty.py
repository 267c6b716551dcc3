"""How well energy is known: what the makers state, carried to sums after the GUM.

Belongs here: standard and expanded uncertainty of sums, quantum of counters, dead band of held
power, bound of unobserved time. Does not belong here: the energies (`energy.py`), agreement of
meters (`meters.py`).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from lib.config import Config

COVERAGE_FACTOR = 2.0
# What one count of a counter is worth: add_ele has scale 3 in kWh, forward_energy_total scale 2.
QUANTUM_WH = {"increment": 1.0, "total": 10.0}
# A plug sends no new power before it changed by this much (Tuya, Electrical service Wi-Fi).
DEAD_BAND_SHARE, SMALL_LOAD_W, SMALL_LOAD_CHANGE_W = 0.20, 20.0, 3.0


@dataclass(frozen=True)
class Spread:
    """Expanded uncertainty (k = 2) of a sum, its terms independent or fully correlated."""

    independent: float
    correlated: float


def standard(reading_error: float) -> float:
    """Relative standard uncertainty of a reading within +- `reading_error`, as a fraction.

    A rectangular bound, u = a / sqrt(3) (JCGM 100:2008, 4.3.7).
    """
    return reading_error / math.sqrt(3)


def reading_errors(config: Config, device_ids: Iterable[str]) -> "Series[float]":
    """What is stated of each device's reading error, as a fraction; else what [energy] says."""
    own = {d.id: d.reading_error for d in config.devices if d.reading_error is not None}
    ids = list(dict.fromkeys(device_ids))
    values = [own.get(device, config.energy.reading_error) for device in ids]
    return Series(values, index=ids, dtype=float)


def of_sum(energies: "Series[float]", errors: "Series[float]") -> Spread:
    """Expanded uncertainty of the sum of energies by device, in their unit.

    Independent: root of the sum of squares; fully correlated: the sum (JCGM 100:2008, 5.1.2,
    5.2.2), as plugs of one model share their bias. `errors` are those of the same devices.
    Within a device, days share its bias: sum them before.
    """
    u = standard(1.0) * errors.reindex(energies.index).to_numpy(float) * energies.to_numpy(float)
    both = math.sqrt(float(np.nansum(u**2))), float(np.nansum(np.abs(u)))
    return Spread(*(COVERAGE_FACTOR * value for value in both))


def of_devices(daily: DataFrame, config: Config) -> Spread:
    """Expanded uncertainty of the energy of all devices of a frame of `chosen` together. [Wh]"""
    energies_wh = daily.groupby("device_id")["energy_wh"].sum()
    return of_sum(energies_wh, reading_errors(config, energies_wh.index))


def quantum(energies_wh: "Series[float]", meters: "Series[str]") -> float:
    """Standard uncertainty by rounding to whole counts, of a sum over devices, at most. [Wh]

    One count is rectangular, u = q / sqrt(12). A total is read at both ends of the window; of
    increments there are no more than counts, E / q, each taken as rounded by itself.
    """
    squares = 0.0
    for energy_wh, meter in zip(energies_wh, meters, strict=True):
        q = QUANTUM_WH.get(meter, 0.0)
        readings = 2.0 if meter == "total" else max(energy_wh, 0.0) / q if q else 0.0
        squares += readings * q**2 / 12
    return math.sqrt(squares)


def dead_band(
    power_w: "Series[float]", highest_w: "Series[float] | None" = None
) -> "Series[float]":
    """By how much a mean power may be off, at most, before a plug says so. [W]

    Below 20 W a plug sends changes above 3 W, else those of 20 % (developer.tuya.com,
    "Electrical service", Wi-Fi). `highest_w` are the highest powers that the means are of:
    a mean of 10 W may be of 0 and 1000 W, and is off by most where it is of nothing between.
    """
    highest = power_w if highest_w is None else highest_w
    slope = DEAD_BAND_SHARE - SMALL_LOAD_CHANGE_W / highest.where(highest >= SMALL_LOAD_W)
    return SMALL_LOAD_CHANGE_W + power_w * slope.fillna(0.0)


def unobserved(daily: DataFrame, demand_w: "Series[float]", span_s: float) -> "Series[float]":
    """What each device may have used, at most, while nobody observed it in the window. [Wh]

    The time without observation at the device's highest demand of 15 minutes. Nothing of a total:
    it goes on counting, and its growth is in the window's sum. Energy lies between the sum
    without and the sum with this; nothing is added to any sum. Missing where a demand is: what has
    no power has no bound. `daily` as `chosen` gives it.
    """
    own = daily.groupby("device_id").agg(alive_s=("alive_s", "sum"), meter=("meter", "first"))
    missing_s = (span_s - own["alive_s"]).clip(lower=0)
    bound_wh = (missing_s * demand_w.reindex(own.index) / 3600).mask(missing_s == 0, 0.0)
    return pd.Series(bound_wh.mask(own["meter"] == "total", 0.0), name="unobserved_wh")
