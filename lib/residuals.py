"""What is left of a day's energy after what that kind of day leads one to expect.

Belongs here: the transformation of energy, expected values, residuals and how much each
depends on the one before. Does not belong here: which days the means come from (`baseline.py`).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pandas import Series
from statsmodels.stats.diagnostic import acorr_ljungbox
from statsmodels.tsa.stattools import acf

from lib import load

WEEK = 7
ALL = "todos os dias"
WEEKDAYS = ("segunda", "terça", "quarta", "quinta", "sexta", "sábado", "domingo")
METHOD_NAMES = {
    "day_kind": "média do tipo de dia",
    "weekday": "média do dia da semana",
    "seasonal_naive": "mesmo dia da semana anterior",
    "none": "média de todos os dias",
}


def transformed(energy_wh: "Series[float]", transform: str) -> "Series[float]":
    """Energy on the scale of the chart: as it is, or ln(1 + energy) for skewed appliances."""
    return energy_wh.map(math.log1p) if transform == "log1p" else energy_wh


def restored(level: "Series[float]", transform: str) -> "Series[float]":
    """Back from the scale of the chart. [Wh]"""
    return level.map(math.expm1) if transform == "log1p" else level


def groups(days: "Series[Any]", method: str, is_holiday: Callable[[date], bool]) -> "Series[str]":
    """The group of each date whose mean is expected of it: kind of day, weekday, or all."""
    if method == "day_kind":
        names = [load.day_kind(day.date(), is_holiday) for day in days]
    elif method == "weekday":
        names = [WEEKDAYS[day.weekday()] for day in days]
    else:
        names = [ALL] * len(days)
    return pd.Series(names, index=days.index, dtype=str)


def levels(values: "Series[float]", group: "Series[str]") -> dict[str, float]:
    """The mean of each group and of all; a group of a single day has none of its own."""
    known = values.dropna()
    by_group = known.groupby(group[known.index]).agg(["mean", "count"])
    enough = by_group.loc[by_group["count"] > 1, "mean"]
    return {ALL: float(known.mean())} | {str(name): float(v) for name, v in enough.items()}


def expected(
    values: "Series[float]", group: "Series[str]", level: Mapping[str, float], method: str
) -> "Series[float]":
    """What each day is expected to be: its group's mean, or the same weekday a week before.

    `values` are of successive dates. A group that Phase I did not know has the mean of all.
    """
    if method == "seasonal_naive":
        return values.shift(WEEK)
    return group.map(lambda own: level.get(own, level[ALL]))


def leave_one_out(values: "Series[float]", group: "Series[str]", method: str) -> "Series[float]":
    """Residuals of the days that the means come from, each from the mean of the others.

    A residual from a mean that holds the day itself is too small, with four Saturdays by a
    quarter; the days to come would seem to vary more than those of Phase I.
    """
    if method == "seasonal_naive":
        return values - values.shift(WEEK)
    count = values.groupby(group).transform("count").astype(float)
    mean = values.groupby(group).transform("mean")
    alone = count < 2
    count, mean = count.mask(alone, float(values.count())), mean.mask(alone, values.mean())
    left: Series[float] = (values - mean) * count / (count - 1)
    return left


@dataclass(frozen=True)
class Autocorrelation:
    """Correlation at one day and one week, and the Ljung-Box test's p over a week of lags."""

    lag1: float
    lag7: float
    p_value: float
    days: int


def autocorrelation(values: ArrayLike) -> Autocorrelation:
    """How much each value depends on those before; NaN in all for fewer than 15 values.

    The correlations keep a missing day's place; the test of Ljung and Box (statsmodels) is of
    the known values in their order.
    """
    x = np.asarray(values, float)
    known = x[~np.isnan(x)]
    if len(known) < 2 * WEEK + 1 or np.ptp(known) == 0:
        return Autocorrelation(math.nan, math.nan, math.nan, len(known))
    lags = acf(x, nlags=WEEK, missing="conservative", fft=False)
    test = acorr_ljungbox(known, lags=[WEEK])
    return Autocorrelation(
        float(lags[1]), float(lags[WEEK]), float(test["lb_pvalue"].iloc[0]), len(known)
    )
