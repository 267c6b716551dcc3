"""Energy of devices and of the house: pure functions over the marts' frames.

Belongs here: which meter counts, sums, shares, the load curve, agreement of two meters.
Does not belong here: reading (`study.py`), drawing (`plots.py`), rules of holding (SQL).
"""

import math
from collections.abc import Callable, Iterable
from datetime import date

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from lib.findings import Finding
from lib.portuguese import number

# A counter is preferred for energy, the integral of power for shape.
METERS = ("increment", "total", "integral")
METER_NAMES = {
    "increment": "incrementos",
    "total": "totalizador",
    "integral": "integral da potência",
    "difference": "diferença",
}
READING_ERROR = 0.05  # of the reading, as Tuya states it for pulse-metering plugs
REST = "Demais cargas"
DAY_KINDS = ("dia útil", "sábado", "domingo e feriado")
ENOUGH = 0.9  # an hour or day counts as observed from this share of its time
NIGHTS = 7  # so many are needed to speak of a base load
SMALLEST_WH = 100.0  # two meters are compared on days of at least this energy


def chosen(daily: DataFrame) -> DataFrame:
    """Add `energy_wh` and `meter`: one meter for each device over the whole window.

    The first of increments, totals and the integral of power that counted anything. [Wh]
    Rows without a `local_date` are energy of which nobody knows the day (`Study.daily`).
    """
    meters = {device: _meter(own) for device, own in daily.groupby("device_id")}
    kinds = daily["device_id"].map(meters)
    energy_wh = pd.Series(np.nan, index=daily.index, dtype=float)
    for meter in METERS:
        energy_wh = energy_wh.mask(kinds == meter, daily[f"energy_wh_{meter}"])
    return daily.assign(meter=kinds, energy_wh=energy_wh)


def _meter(daily: DataFrame) -> str | None:
    return next((m for m in METERS if daily[f"energy_wh_{m}"].sum() > 0), None)


def metered(daily: DataFrame) -> DataFrame:
    """Only devices that measure energy."""
    return daily[daily["meter"].notna()]


def with_rest(daily: DataFrame, mains: Iterable[str]) -> DataFrame:
    """Devices behind the mains meter, and what the meter saw beyond them. [energy_wh: Wh]

    Without a mains meter the devices alone; with it, a day's coverage is that of the meter,
    on which the day's sum stands. A day's rest is missing where it would be
    negative: then the meters disagree by more than the unmeasured load. The rest of energy
    without a date makes the window's rest right, and may be negative.
    """
    is_mains = daily["device_id"].isin(list(mains))
    if not is_mains.any():
        return daily
    of_house = (
        daily[is_mains]
        .groupby("local_date")
        .agg(
            energy_wh=("energy_wh", "sum"), alive_s=("alive_s", "min"), coverage=("coverage", "min")
        )
    )
    rest_wh = rest(daily, mains)
    shown = of_house.assign(energy_wh=rest_wh.where(rest_wh > 0)).reset_index()
    if len(undated := daily[daily["local_date"].isna()]):
        signed_wh = undated["energy_wh"].where(is_mains, -undated["energy_wh"])
        short_wh = rest_wh[(rest_wh < 0) & (of_house["coverage"] < ENOUGH)]
        undated_wh = max(signed_wh.sum() + short_wh.sum(), -shown["energy_wh"].sum())
        row = {"energy_wh": undated_wh, "alive_s": 0.0, "coverage": 0.0}
        shown = pd.concat([shown, DataFrame([row])], ignore_index=True)
    shown = shown.assign(device_id="", device_name=REST, meter="difference")
    both = pd.concat([daily[~is_mains], shown], ignore_index=True)
    of_day = both["local_date"].map(of_house["coverage"]).fillna(0.0)
    return both.assign(coverage=of_day)


def rest(daily: DataFrame, mains: Iterable[str]) -> "Series[float]":
    """What the mains meter saw beyond the devices behind it, by local date; may be < 0. [Wh]"""
    is_mains = daily["device_id"].isin(list(mains))
    of_house = daily[is_mains].groupby("local_date")["energy_wh"].sum()
    known_wh = daily[~is_mains].groupby("local_date")["energy_wh"].sum()
    return of_house - known_wh.reindex(of_house.index).fillna(0)


def disagreeing(daily: DataFrame, mains: Iterable[str]) -> int:
    """On how many days the devices exceed a mains meter that was observed enough to say so."""
    own = daily[daily["device_id"].isin(list(mains))]
    observed = own.groupby("local_date")["coverage"].min() >= ENOUGH
    return int(((rest(daily, mains) < 0) & observed).sum())


def house(daily: DataFrame, mains: Iterable[str]) -> DataFrame:
    """The rows that make up the house: the mains meter, or else all devices together."""
    is_mains = daily["device_id"].isin(list(mains))
    return daily[is_mains] if is_mains.any() else daily


def by_device(daily: DataFrame, span_s: float, house_wh: float) -> DataFrame:
    """Energy, share of the house, meter and coverage of each device, largest first. [kWh]

    `span_s` is the length of the window, of which the coverage is; `house_wh` what the house
    used in it. [s, Wh]
    """
    table = daily.groupby(["device_id", "device_name"], as_index=False).agg(
        energy_wh=("energy_wh", "sum"), alive_s=("alive_s", "sum"), meter=("meter", "first")
    )
    table = table.sort_values("energy_wh", ascending=False, ignore_index=True)
    return table.assign(
        energy_kwh=table["energy_wh"] / 1000,
        share_pct=table["energy_wh"] / house_wh * 100 if house_wh > 0 else np.nan,
        coverage_pct=(table["alive_s"] / span_s * 100).clip(upper=100),
        meter_name=table["meter"].map(METER_NAMES),
    )


def expanded_uncertainty(energies: "Series[float]") -> float:
    """Expanded uncertainty (k = 2) of a sum, readings fully correlated; unit of the input.

    The stated error is a rectangular bound, u = a / sqrt(3) (JCGM 100:2008, 4.3.7); plugs of
    one model share their bias, so their uncertainties add up.
    """
    return float(2 * READING_ERROR / math.sqrt(3) * energies.sum())


def divergence(daily: DataFrame) -> "Series[float]":
    """(integral - counter) / counter for each device and well observed day, as a fraction."""
    counter = daily["energy_wh"].where(daily["meter"].isin(["increment", "total"]))
    full = (daily["power_s"] >= ENOUGH * 86400) & (counter >= SMALLEST_WH)
    integral = daily["energy_wh_integral"]
    return ((integral - counter) / counter)[full].dropna()


def hourly_power(hourly: DataFrame, mains: Iterable[str]) -> "Series[float]":
    """Mean power of the house in each well observed hour, by its start in UTC. [W]

    Hours in which a power meter in service was observed less than 90 % of the time are left
    out: a sum with a part missing is no power of the house. A meter is in service from its
    first observed hour to its last.
    """
    measuring = hourly.groupby("device_id")["power_s"].transform("sum") > 0
    own = house(hourly[measuring], mains)
    if own.empty:
        return Series(dtype=float, index=pd.DatetimeIndex([], tz="UTC"))
    observed = own[own["power_s"] > 0].groupby("device_id")["hour_start"].agg(["min", "max"])
    service = own["device_id"].map(observed["min"]), own["device_id"].map(observed["max"])
    own = own[own["hour_start"].between(*service)]
    full = own["power_s"] >= ENOUGH * 3600
    power_w = (own["energy_wh_integral"] * 3600 / own["power_s"]).where(full)
    by_hour = power_w.groupby(own["hour_start"])
    return by_hour.sum(min_count=1)[by_hour.count() == by_hour.size()].rename("power_w")


def day_kind(day: date, is_holiday: Callable[[date], bool]) -> str:
    """Working day, Saturday, or Sunday and holiday, in Portuguese."""
    if day.weekday() == 6 or is_holiday(day):
        return DAY_KINDS[2]
    return DAY_KINDS[1] if day.weekday() == 5 else DAY_KINDS[0]


def load_curve(
    power_w: "Series[float]", time_zone: str, is_holiday: Callable[[date], bool]
) -> DataFrame:
    """Mean, P10 and P90 of hourly power by kind of day and local hour. [W]

    Columns day_kind, hour (0 to 23), power_w_mean, power_w_p10, power_w_p90, days.
    """
    local = pd.DatetimeIndex(power_w.index).tz_convert(time_zone)
    kinds = {day: day_kind(day, is_holiday) for day in set(local.date)}
    frame = DataFrame(
        {
            "power_w": power_w.to_numpy(),
            "day_kind": [kinds[day] for day in local.date],
            "hour": local.hour,
        }
    )
    return frame.groupby(["day_kind", "hour"], as_index=False).agg(
        power_w_mean=("power_w", "mean"),
        power_w_p10=("power_w", lambda own: own.quantile(0.1)),
        power_w_p90=("power_w", lambda own: own.quantile(0.9)),
        days=("power_w", "count"),
    )


def base_load(power_w: "Series[float]", time_zone: str) -> float:
    """The power that is always on: P5 of hourly means from 2 to 5 h, local time. [W]

    Nothing is said of it before a week of nights.
    """
    local = pd.DatetimeIndex(power_w.index).tz_convert(time_zone)
    small_hours = (local.hour >= 2) & (local.hour < 5)
    if len(set(local[small_hours].date)) < NIGHTS:
        return math.nan
    return float(power_w[small_hours].quantile(0.05))


def findings(
    daily: DataFrame, gaps: DataFrame, span_s: float, mains: Iterable[str] = ()
) -> list[Finding]:
    """Devices little observed in a window of that length, meters that disagree, gaps. [s]"""
    found = []
    for (_, name), own in daily.groupby(["device_id", "device_name"]):
        coverage = own["alive_s"].sum() / span_s
        if coverage < ENOUGH:
            found.append(_little_observed(str(name), float(coverage)))
        if undated_wh := float(own.loc[own["local_date"].isna(), "energy_wh"].sum()):
            found.append(_unplaced(str(name), undated_wh))
        apart = divergence(own)
        if len(apart) and abs(apart.median()) > READING_ERROR:
            found.append(_apart(str(name), float(apart.median()), len(apart)))
    if negative := disagreeing(daily, mains):
        found.append(_negative(negative))
    if len(gaps):
        hours = float(gaps["gap_s"].sum() / 3600)
        text = f"Há {len(gaps)} lacuna(s) de observação, {number(hours, 1)} h ao todo."
        found.append(Finding("tcc.coverage.gaps", text, {"gaps": len(gaps), "hours": hours}))
    return found


def _negative(days: int) -> Finding:
    return Finding(
        "tcc.energy.rest_negative",
        f"Em {days} dia(s) os dispositivos somam mais que o medidor geral; esses dias ficam fora "
        "de “Demais cargas”. Confira se algum deles está fora do alcance do medidor.",
        {"days": days},
    )


def _unplaced(name: str, energy_wh: float) -> Finding:
    text = f"{name}: não se sabe em que dia foram usados {number(energy_wh / 1000, 2)} kWh, "
    text += "medidos entre leituras distantes do contador; estão no total e em nenhum dia."
    return Finding("tcc.energy.unplaced", text, {"device": name, "energy_wh": energy_wh})


def _little_observed(name: str, coverage: float) -> Finding:
    return Finding(
        "tcc.coverage.little_observed",
        f"{name}: só {number(coverage * 100, 1)} % do período foi observado.",
        {"device": name, "coverage": coverage},
    )


def _apart(name: str, median: float, days: int) -> Finding:
    return Finding(
        "tcc.energy.meters_apart",
        f"{name}: a integral da potência difere do contador em {number(median * 100, 1)} % "
        f"(mediana de {days} dias).",
        {"device": name, "median": median, "days": days},
    )
