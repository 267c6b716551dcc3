"""Which meter of a device counts, and how well its two meters agree.

Belongs here: the choice between increments, totals and the integral of power, its reason, and
the comparison of counter and integral by device and day. Does not belong here: sums of energy
(`energy.py`), what a reading is worth (`uncertainty.py`).
"""

import math
from dataclasses import dataclass

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
WHY = {
    "increment": "envia incrementos",
    "total": "envia só um total",
    "integral": "envia só potência",
}
NONE_WHY = "não mede energia"
ENOUGH = 0.9  # an hour or day counts as observed from this share of its time
SMALLEST_WH = 100.0  # two meters are compared on days of at least this energy
AGREEING = 0.05  # the share of the counter within which the integral agrees with it
DAY_S = 86_400.0
ALL = "Todos"


def chosen(daily: DataFrame) -> DataFrame:
    """Add `energy_wh` and `meter`: one meter for each device over the whole window.

    The first of increments, totals and the integral of power that counted anything. [Wh]
    Rows without a `local_date` are energy of which nobody knows the day (`Study.daily`).
    """
    sums_wh = _sums(daily)
    meters = _first_counting(sums_wh)
    kinds = daily["device_id"].map(meters)
    energy_wh = pd.Series(np.nan, index=daily.index, dtype=float)
    for meter in METERS:
        energy_wh = energy_wh.mask(kinds == meter, daily[f"energy_wh_{meter}"])
    return daily.assign(meter=kinds, energy_wh=energy_wh)


def _sums(daily: DataFrame) -> DataFrame:
    columns = [f"energy_wh_{meter}" for meter in METERS]
    sums: DataFrame = daily.groupby("device_id")[columns].sum(min_count=1)
    return sums


def _first_counting(sums_wh: DataFrame) -> "Series[str]":
    """The preferred of the meters that counted anything, by device; None where there is none."""
    found = [
        next((m for m in METERS if row[f"energy_wh_{m}"] > 0), None)
        for row in sums_wh.to_dict("records")
    ]
    return Series(found, index=sums_wh.index, dtype=object)


def metered(daily: DataFrame) -> DataFrame:
    """Only devices that measure energy."""
    return daily[daily["meter"].notna()]


def choices(daily: DataFrame) -> DataFrame:
    """What each meter of each device counted in the window, which one counts, and why. [kWh]

    Columns device_id, device_name, increment_kwh, total_kwh, integral_kwh (missing where the
    device has no such meter), meter_name, why. From a frame that `chosen` gave.
    """
    names = daily.groupby("device_id")["device_name"].first()
    sums_wh = _sums(daily)
    meters = _first_counting(sums_wh)
    table = DataFrame({f"{m}_kwh": sums_wh[f"energy_wh_{m}"] / 1000 for m in METERS})
    table = table.assign(
        device_name=names,
        meter_name=meters.map(METER_NAMES).fillna("—"),
        why=meters.map(WHY).fillna(NONE_WHY),
    )
    return table.reset_index().sort_values(["device_name", "device_id"], ignore_index=True)


def divergence(daily: DataFrame) -> "Series[float]":
    """(integral - counter) / counter for each device and well observed day, as a fraction."""
    return compared(daily)["divergence"]


def compared(daily: DataFrame) -> DataFrame:
    """Device-days on which counter and integral can be compared; from a frame of `chosen`.

    Columns device_id, device_name, local_date, mean_kwh and difference_kwh (integral - counter)
    as Bland and Altman (1986) plot them, divergence (difference / counter, a fraction). Power
    must be known for 90 % of the day, and the counter have 0.1 kWh.
    """
    counter = daily["energy_wh"].where(daily["meter"].isin(["increment", "total"]))
    integral = daily["energy_wh_integral"]
    full = (daily["power_s"] >= ENOUGH * DAY_S) & (counter >= SMALLEST_WH) & integral.notna()
    days = daily.assign(
        mean_kwh=(integral + counter) / 2000,
        difference_kwh=(integral - counter) / 1000,
        divergence=(integral - counter) / counter,
    )
    kept = ["device_id", "device_name", "local_date", "mean_kwh", "difference_kwh", "divergence"]
    return days.loc[full & daily["local_date"].notna(), kept]


@dataclass(frozen=True)
class Limits:
    """Bias and 95 % limits of agreement of two meters; in the unit of the differences."""

    bias: float
    lower: float
    upper: float
    days: int


def limits(differences: "Series[float]") -> Limits:
    """Mean difference and mean +- 1.96 standard deviations (Bland and Altman, 1986)."""
    bias, spread = float(differences.mean()), float(differences.std(ddof=1))
    return Limits(bias, bias - 1.96 * spread, bias + 1.96 * spread, len(differences))


def agreement(days: DataFrame) -> DataFrame:
    """How far the integral is from the counter over device-days, from `compared`; all last. [%]

    Columns device_name, days, median_pct, p5_pct, p95_pct, within_pct: the share of the days
    with a difference of at most 5 % of the counter.
    """
    groups = [(str(name), own) for (_, name), own in days.groupby(["device_id", "device_name"])]
    rows = [_agreement(name, own) for name, own in sorted(groups, key=lambda group: group[0])]
    rows += [_agreement(ALL, days)] if len(groups) > 1 else []
    return DataFrame(rows, columns=list(AGREEMENT_COLUMNS))


AGREEMENT_COLUMNS = ("device_name", "days", "median_pct", "p5_pct", "p95_pct", "within_pct")


def _agreement(name: str, days: DataFrame) -> tuple[str | float | int, ...]:
    low, middle, high = days["divergence"].quantile([0.05, 0.5, 0.95]) * 100
    within = (days["divergence"].abs() <= AGREEING + 1e-12).mean() * 100
    return name, len(days), middle, low, high, within


def findings(daily: DataFrame, reading_errors: "Series[float]") -> list[Finding]:
    """Devices whose two meters differ by more than what a reading may be wrong by."""
    found = []
    for (device, name), own in compared(daily).groupby(["device_id", "device_name"]):
        median = float(own["divergence"].median())
        if abs(median) > reading_errors.get(device, math.inf):
            found.append(_apart(str(name), median, len(own)))
    return found


def _apart(name: str, median: float, days: int) -> Finding:
    return Finding(
        "tcc.energy.meters_apart",
        f"{name}: a integral da potência difere do contador em {number(median * 100, 1)} % "
        f"(mediana de {days} dia(s)).",
        {"device": name, "median": median, "days": days},
    )
