"""The white tariff against the conventional one: shares of the posts, prices, break-even.

Belongs here: the comparison and its limits. Does not belong here: energy by post (`tariff.py`),
the rates (`tariff_rates.py`).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pandas import DataFrame, DatetimeIndex, Series

from lib import posts
from lib.posts import INTERMEDIATE, OFF_PEAK, PEAK, POSTS, UNPLACED
from lib.tariff_settings import Tariff

HALF_HOUR = 0.5  # an increment is reported up to so many hours after its energy was used


def post_shares(split: DataFrame) -> "Series[float]":
    """The share of each post in the energy with a known hour, by POSTS; missing without any."""
    sums = split[split["post"] != UNPLACED].groupby("post")["energy_wh"].sum()
    sums = sums.reindex([*POSTS]).fillna(0.0)
    return sums / sums.sum() if sums.sum() > 0 else sums * np.nan


def price_ratios(split: DataFrame, by_day: DataFrame) -> "Series[float]":
    """White rate of each post over the conventional one, mean by the energy's dates."""
    sums = split.groupby("local_date")["energy_wh"].sum().rename("energy_wh")
    both = by_day.set_index("local_date").join(sums, how="inner")
    ratios = both[[*POSTS]].div(both["conventional"], axis=0)
    weights = both["energy_wh"] / both["energy_wh"].sum()
    return ratios.mul(weights, axis=0).sum(skipna=False, min_count=1)


def break_even(ratios: Mapping[str, float] | Any, intermediate_share: Any) -> Any:
    """The share at peak below which the white tariff costs less than the conventional one.

    `ratios` gives the white rate of each post over the conventional rate; it pays while
    sum(s_p r_p) < 1. Between 0 and what the intermediate share leaves; 0 where it never pays.
    """
    peak, between, off = (ratios[post] for post in (PEAK, INTERMEDIATE, OFF_PEAK))
    share = np.asarray(intermediate_share, dtype=float)
    limit = (1 - off - share * (between - off)) / (peak - off)
    return np.clip(limit, 0.0, 1.0 - share)


def peak_edge(hours: DataFrame, terms: Tariff, time_zone: str) -> float:
    """How far late reports can move the house's share at peak, as a fraction of its energy.

    Increments come up to half an hour after use: at most about half of the energy of the hour
    before each limit of the peak is counted beyond it; the larger of both limits counts.
    """
    placed = hours[hours["is_placed"]]
    if placed.empty or placed["energy_wh"].sum() <= 0:
        return np.nan
    local = DatetimeIndex(placed["hour_start"].dt.tz_convert(time_zone).dt.tz_localize(None))
    working = posts.is_working_day(local)
    peak = np.append(posts.hourly_weights(terms)[:, 0], 0.0)
    before = [hour for hour in range(24) if abs(peak[hour + 1] - peak[hour]) > 0]
    moved = [placed.loc[working & (local.hour == h), "energy_wh"].sum() for h in before]
    return HALF_HOUR * max(moved, default=0.0) / float(placed["energy_wh"].sum())


def comparison(costs: DataFrame) -> tuple[float, float]:
    """What the energy with a known hour costs by the conventional and by the white tariff. [R$]

    `costs` of the house (`tariff.priced`), without flag, taxes and minimum; missing where a
    rate of some date is.
    """
    placed = costs[costs["post"] != UNPLACED]
    if placed.empty:
        return np.nan, np.nan
    used = placed[placed["energy_wh"] > 0]
    conventional, white = (used[name].sum(skipna=False) for name in ("energy_brl", "white_brl"))
    return float(conventional), float(white)


LINE = (*("intermediate_pct", "limit_pct", "house_intermediate_pct", "house_peak_pct", "edge_pct"),)


def line(costs: DataFrame, by_day: DataFrame, edge: float) -> DataFrame:
    """The break-even share at peak over the intermediate share, and the house's point. [%]

    No rows where a rate of the white tariff is missing, or no energy has an hour.
    """
    ratios, shares = price_ratios(costs, by_day), post_shares(costs)
    if ratios.isna().any() or shares.isna().any():
        return DataFrame(columns=[*LINE], dtype=float)
    most = max(0.3, 1.2 * float(shares[INTERMEDIATE]))
    share = np.linspace(0.0, min(most, 1.0), 61)
    limit = break_even(ratios, share)
    values = (share, limit, shares[INTERMEDIATE], shares[PEAK], edge)
    table = {name: 100 * value for name, value in zip(LINE, values, strict=True)}
    return DataFrame(table).round(6)
