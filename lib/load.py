"""Power over time: load curve, duration, heat map, demand, load factor, coincidence.

Belongs here: pure functions over slots of mean power (`Study.power`). Does not belong here:
energy by days (`energy.py`), what is always on (`standby.py`), on/off cycles (`cycles.py`),
drawing (`plots.py`, `plots_load.py`).
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np
from pandas import DataFrame, DatetimeIndex, Series

from lib.meters import ENOUGH

DAY_KINDS = ("dia útil", "sábado", "domingo e feriado")
FEWEST_DAYS = 3  # a cell of the heat map needs so many
MOST_STEPS = 400  # of the duration curve
QUARTER_MIN = 15


def observed(power: DataFrame, minutes: int = QUARTER_MIN) -> DataFrame:
    """The slots whose power was known for at least 90 % of their time."""
    return power[power["power_s"] >= ENOUGH * 60 * minutes]


def _grid(power: DataFrame, minutes: int) -> DataFrame:
    """Power by slot and device, missing where it was not known for long enough. [W]

    A device is in service from its first known slot to its last; outside it counts nothing.
    """
    grid = observed(power, minutes).pivot(index="slot_start", columns="device_id", values="power_w")
    service = power.groupby("device_id")["slot_start"].agg(["min", "max"])
    slots = DatetimeIndex(power["slot_start"].unique()).sort_values()
    grid = grid.reindex(index=slots, columns=service.index)
    for device in grid.columns:
        first, last = service.loc[device]
        outside = (grid.index < first) | (grid.index > last)
        grid[device] = grid[device].mask(outside, 0.0)
    return grid


def house_power(
    power: DataFrame, mains: Iterable[str], minutes: int = QUARTER_MIN
) -> "Series[float]":
    """Mean power of the house in each well observed slot, by its start in UTC. [W]

    That of the mains meter, or else of all devices. Slots in which a meter in service was
    observed less than 90 % of the time are left out: a sum with a part missing is no power of
    the house. A meter is in service from its first observed slot to its last.
    """
    is_mains = power["device_id"].isin(list(mains))
    own = power[is_mains] if is_mains.any() else power
    if own.empty:
        return Series(dtype=float, index=DatetimeIndex([], tz="UTC"), name="power_w")
    return _grid(own, minutes).sum(axis=1, skipna=False).dropna().rename("power_w")


def local_time(power_w: "Series[float]", time_zone: str) -> DatetimeIndex:
    """When each slot begins, by the site's clocks."""
    return DatetimeIndex(power_w.index).tz_convert(time_zone)


def day_kind(day: date, is_holiday: Callable[[date], bool]) -> str:
    """Working day, Saturday, or Sunday and holiday, in Portuguese."""
    if day.weekday() == 6 or is_holiday(day):
        return DAY_KINDS[2]
    return DAY_KINDS[1] if day.weekday() == 5 else DAY_KINDS[0]


def load_curve(
    power_w: "Series[float]", time_zone: str, is_holiday: Callable[[date], bool]
) -> DataFrame:
    """Mean, P10 and P90 of power by kind of day and local time of its slots. [W]

    Columns day_kind, hour (start of the slot, 0 to less than 24), power_w_mean, power_w_p10,
    power_w_p90, days.
    """
    local = local_time(power_w, time_zone)
    days, place = np.unique(local.normalize().tz_localize(None), return_inverse=True)
    kinds = np.array([day_kind(day, is_holiday) for day in DatetimeIndex(days).date], dtype=object)
    frame = DataFrame(
        {
            "power_w": power_w.to_numpy(),
            "day_kind": kinds[place] if len(kinds) else kinds,
            "hour": local.hour + local.minute / 60,
        }
    )
    slots = frame.groupby(["day_kind", "hour"])["power_w"]
    curve: DataFrame = slots.agg(power_w_mean="mean", days="count").assign(
        power_w_p10=slots.quantile(0.1), power_w_p90=slots.quantile(0.9)
    )
    return curve.reset_index()


def duration(power_w: "Series[float]") -> DataFrame:
    """The duration curve: power in falling order over the share of the observed time. [W, %]

    Columns share_pct (where a step ends), power_w (its mean). Slots are gathered into at most
    400 steps; the area under the steps stays that under the slots, the mean power.
    """
    falling = np.sort(power_w.to_numpy(float))[::-1]
    steps = min(len(falling), MOST_STEPS)
    if not steps:
        return DataFrame({"share_pct": [], "power_w": []}, dtype=float)
    ends = np.linspace(0, len(falling), steps + 1).round().astype(int)
    means = np.add.reduceat(falling, ends[:-1]) / np.diff(ends)
    return DataFrame({"share_pct": ends[1:] / len(falling) * 100, "power_w": means})


def heat_map(power_w: "Series[float]", time_zone: str, minutes: int = QUARTER_MIN) -> DataFrame:
    """Mean energy of each hour of the week, local time; missing for fewer than three days. [kWh]

    Columns weekday (0 is Monday), hour, energy_kwh, days. An hour counts where all of its
    slots were observed.
    """
    local = local_time(power_w, time_zone)
    hours = power_w.groupby(local.floor("h", ambiguous=np.ones(len(local), dtype=bool)))
    whole = hours.mean()[hours.size() * minutes >= 60]
    at = DatetimeIndex(whole.index)
    frame = DataFrame({"weekday": at.day_of_week, "hour": at.hour, "kwh": whole.to_numpy() / 1000})
    cells = frame.groupby(["weekday", "hour"])["kwh"].agg(energy_kwh="mean", days="count")
    cells["energy_kwh"] = cells["energy_kwh"].where(cells["days"] >= FEWEST_DAYS)
    return cells.reset_index()


def load_factor(power_w: "Series[float]") -> float:
    """Mean power over the highest, both of the same slots; missing without power."""
    highest = float(power_w.max()) if len(power_w) else 0.0
    return float(power_w.mean()) / highest if highest > 0 else math.nan


def demands(power: DataFrame, minutes: int = QUARTER_MIN) -> DataFrame:
    """Highest mean power of a well observed slot, when, and the load factor, by device. [W]

    Columns device_id, device_name, demand_w, demand_start (UTC), mean_w, load_factor.
    """
    own = observed(power, minutes)
    by_device = own.groupby(["device_id", "device_name"])["power_w"]
    table = by_device.agg(demand_w="max", mean_w="mean").reset_index()
    at = own.loc[by_device.idxmax(), ["device_id", "slot_start"]]
    table = table.merge(at.rename(columns={"slot_start": "demand_start"}), on="device_id")
    return table.assign(
        load_factor=table["mean_w"] / table["demand_w"].where(table["demand_w"] > 0)
    )


@dataclass(frozen=True)
class Coincidence:
    """The highest demand of all devices together against the sum of their own. [W]"""

    max_of_sum_w: float
    sum_of_max_w: float
    slots: int
    devices: int

    @property
    def factor(self) -> float:
        """Coincidence, at most 1: maximum of the sum over sum of the maxima."""
        return self.max_of_sum_w / self.sum_of_max_w if self.sum_of_max_w > 0 else math.nan

    @property
    def diversity(self) -> float:
        """The inverse of coincidence, at least 1."""
        return self.sum_of_max_w / self.max_of_sum_w if self.max_of_sum_w > 0 else math.nan


def coincidence(power: DataFrame, mains: Iterable[str], minutes: int = QUARTER_MIN) -> Coincidence:
    """Coincidence of the devices behind the mains on one grid of slots.

    Only slots in which every device in service was well observed; missing for less than two
    devices.
    """
    own = power[~power["device_id"].isin(list(mains))]
    grid = _grid(own, minutes).dropna() if len(own) else DataFrame()
    if grid.empty or grid.shape[1] < 2:
        return Coincidence(math.nan, math.nan, len(grid), grid.shape[1])
    highest = float(grid.sum(axis=1).max())
    return Coincidence(highest, float(grid.max().sum()), len(grid), grid.shape[1])
