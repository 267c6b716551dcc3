"""What is always on: the base load of house and devices, and power at rest.

Belongs here: pure functions over five-minute slots of power (`Study.power`), stretches of loads
and switch states. Does not belong here: power over the day (`load.py`), cycles (`cycles.py`).
"""

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame, DatetimeIndex, Series

from lib import load

NIGHTS = 7  # so many are needed to speak of a base load
NIGHT_H = (2, 5)  # of local time, when nearly everything rests


def nightly(power: DataFrame, time_zone: str) -> DataFrame:
    """The slots that begin from 2 to 5 h, local time."""
    hour = power["slot_start"].dt.tz_convert(time_zone).dt.hour
    small_hours: DataFrame = power[(hour >= NIGHT_H[0]) & (hour < NIGHT_H[1])]
    return small_hours


def base_load(power_w: "Series[float]", time_zone: str) -> float:
    """The power that is always on: P5 of means from 2 to 5 h, local time. [W]

    Of five-minute means as a rule. Nothing is said of it before a week of nights.
    """
    local = load.local_time(power_w, time_zone)
    small_hours = (local.hour >= NIGHT_H[0]) & (local.hour < NIGHT_H[1])
    if local[small_hours].normalize().nunique() < NIGHTS:
        return math.nan
    return float(power_w[small_hours].quantile(0.05))


def base_loads(power: DataFrame, time_zone: str, minutes: int = 5) -> DataFrame:
    """The base load of each device, from its own slots. [base_w: W]"""
    own = load.observed(nightly(power, time_zone), minutes)
    rows = [
        (device, base_load(slots.set_index("slot_start")["power_w"], time_zone))
        for device, slots in own.groupby("device_id")
    ]
    return DataFrame(rows, columns=["device_id", "base_w"])


def house_base(power: DataFrame, mains: Iterable[str], time_zone: str, minutes: int = 5) -> float:
    """The base load of the house, as the mains meter or all devices together have it. [W]"""
    power_w = load.house_power(nightly(power, time_zone), mains, minutes)
    return base_load(power_w, time_zone)


def at_rest(loads: DataFrame, states: DataFrame) -> DataFrame:
    """Mean power of each device while its load was off and its switch on. [W]

    Columns device_id, standby_w, standby_h (how long), standby_kwh. `loads` and `states` as a
    study gives them. A device with several switches, or none, counts as switched on.
    """
    rows = []
    for device, own in loads[~loads["is_on"].astype(bool)].groupby("device_id"):
        begins, ends = _seconds(own["load_start"]), _seconds(own["load_end"])
        dark_s = _overlap_s(begins, ends, _switched_off(states[states["device_id"] == device]))
        hours = float((ends - begins - dark_s).sum()) / 3600
        energy_wh = float(own["energy_wh"].sum())
        mean_w = energy_wh / hours if hours > 0 else math.nan
        rows.append((device, mean_w, hours, energy_wh / 1000))
    return DataFrame(rows, columns=["device_id", "standby_w", "standby_h", "standby_kwh"])


def _seconds(instants: "Series[pd.Timestamp]") -> NDArray[np.float64]:
    """Instants as seconds since 1970, as numpy counts them."""
    return np.asarray(DatetimeIndex(instants).as_unit("us").asi8 / 1e6, np.float64)


def _switched_off(states: DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Beginnings and ends of the stretches in which a device's only switch was off."""
    off = states[~states["is_on"].astype(bool)] if states["code"].nunique() == 1 else states[:0]
    off = off.sort_values("state_start")
    return _seconds(off["state_start"]), _seconds(off["state_end"])


def _overlap_s(
    begins: NDArray[np.float64],
    ends: NDArray[np.float64],
    others: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """How much of each stretch lies in others, which are in order and apart. [s]"""
    if not len(others[0]):
        return np.zeros(len(begins))
    edges = np.column_stack(others).ravel()
    passed = np.column_stack([np.zeros(len(others[0])), others[1] - others[0]]).ravel().cumsum()
    within = np.interp(ends, edges, passed) - np.interp(begins, edges, passed)
    return np.asarray(within, np.float64)


def profile(demands: DataFrame, bases: DataFrame, rests: DataFrame) -> DataFrame:
    """Demand, load factor, base load and standby of each device, highest demand first. [W]

    The columns of `load.demands`, and base_w, standby_w, standby_h, standby_kwh where known.
    """
    table = demands.merge(bases, how="left", on="device_id").merge(
        rests, how="left", on="device_id"
    )
    return table.sort_values("demand_w", ascending=False, ignore_index=True)
