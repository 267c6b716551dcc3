"""Phase II: the daily energy of each device on control charts with frozen parameters.

Belongs here: the series of successive dates, charts, events, and the tables of all devices.
Does not belong here: the statistics (`spc.py`), Phase I (`baseline.py`), drawing
(`plots_spc.py`).
"""

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from lib import baseline, residuals, spc
from lib.baseline import Baseline
from lib.config import ControlChart

HOUSE_ID, HOUSE = "casa", "Casa (soma)"
COLUMNS = ("device_id", "device_name", "local_date", "energy_wh", "coverage", "valid")
EVENTS = (
    *("device_id", "device_name", "side", "signal_date", "change_date", "count"),
    *("size_sigma", "size_wh", "new_mean_wh", "size_pct", "end_date", "lasts"),
)
SIDE_NAMES = {"upper": "aumento", "lower": "redução"}


def series(
    daily: DataFrame,
    mains: Iterable[str],
    end: datetime,
    time_zone: str,
    successors: Mapping[str, str] | None = None,
) -> dict[str, DataFrame]:
    """The successive dates of each device, and of the house where no meter sees all of it.

    `daily` as `meters.chosen` gives it, until an instant `end`. A date that is not over by
    then, without energy, or with a coverage below 90 % is not valid; rows without date are
    left out. In the sum a device that was paired again is one: `successors` has its newest id by
    those before (`Study.successors`). [Wh]
    """
    today = pd.Timestamp(end).tz_convert(time_zone).tz_localize(None).normalize()
    dated = daily.dropna(subset=["local_date"])
    dated = dated[dated["meter"].notna()] if len(dated) else dated
    if dated["device_id"].nunique() > 1 and not dated["device_id"].isin(list(mains)).any():
        dated = pd.concat([dated, _house(dated, successors or {})], ignore_index=True)
    each = dated.groupby("device_id", sort=True)
    return {str(device): _calendar(own, today) for device, own in each}


def _house(dated: DataFrame, successors: Mapping[str, str]) -> DataFrame:
    """The sum of all devices, on days of which each is known."""
    same = dated["device_id"].map(lambda own: successors.get(own, own))
    devices = dated.groupby(["local_date", same])[["energy_wh", "coverage"]].sum(min_count=1)
    by_day = devices.groupby("local_date").agg(
        energy_wh=("energy_wh", "sum"), coverage=("coverage", "min"), known=("energy_wh", "count")
    )
    whole = by_day["known"] == same.nunique()
    summed = by_day.assign(coverage=by_day["coverage"].where(whole, 0.0)).reset_index()
    return summed.assign(device_id=HOUSE_ID, device_name=HOUSE)


def _calendar(own: DataFrame, today: pd.Timestamp) -> DataFrame:
    days = pd.date_range(own["local_date"].min(), own["local_date"].max(), name="local_date")
    frame = own.set_index("local_date")[["energy_wh", "coverage"]].reindex(days).reset_index()
    coverage = frame["coverage"].fillna(0.0)
    valid = frame["energy_wh"].notna() & (coverage >= baseline.ENOUGH)
    valid &= frame["local_date"] < today
    frame = frame.assign(coverage=coverage, valid=valid)
    names = {name: own[name].iloc[0] for name in COLUMNS[:2]}
    return frame.assign(**names)[list(COLUMNS)]


def chart(own: DataFrame, held: Baseline, is_holiday: Callable[[date], bool]) -> DataFrame:
    """The dates of a device from Phase I on, in sigma, with the statistics of each chart.

    Columns: those of `series`, phase (1 or 2), removed, expected (on the chart's scale),
    usual_wh, score (the residual in sigma), shown_score (also of removed days), c_plus, c_minus,
    n_plus, n_minus, upper, lower, z, z_lower, z_upper, z_signal, beyond (3 sigma) and h. Both
    phases begin at zero, or at the head start.
    """
    values = residuals.transformed(own["energy_wh"].where(own["valid"]), held.transform)
    method = held.settings["residuals"]
    group = residuals.groups(own["local_date"], method, is_holiday)
    expected = residuals.expected(values, group, held.levels, method)
    frame = own.assign(
        phase=np.where(own["local_date"] > pd.Timestamp(held.last), 2, 1),
        removed=own["local_date"].isin([pd.Timestamp(r.day) for r in held.removed]) & own["valid"],
        usual_wh=residuals.expected(own["energy_wh"], group, held.levels_wh, method),
        expected=expected,
    )
    first = baseline.of_phase(own, held)
    left = values.where(~first, np.nan) - expected
    kept = values.where(first & ~frame["removed"])
    left = left.where(~first, residuals.leave_one_out(kept, group, method))
    frame["score"] = ((left - held.center) / held.sigma).where(own["valid"])
    frame["shown_score"] = frame["score"].fillna(
        ((values - expected - held.center) / held.sigma).where(frame["removed"])
    )
    since = frame[own["local_date"] >= pd.Timestamp(held.first)]
    parts = [_statistics(part, held.settings) for _, part in since.groupby("phase")]
    return pd.concat(parts, ignore_index=True) if parts else no_chart()


def no_chart() -> DataFrame:
    """A chart without a day, for where no device has one."""
    empty = DataFrame(columns=list(COLUMNS)).astype({"local_date": "datetime64[us]"})
    numbers = ("phase", "expected", "usual_wh", "score", "shown_score")
    part = empty.assign(**dict.fromkeys((*numbers, "removed"), Series(dtype=float)))
    return _statistics(part, design(None, ControlChart()))


def design(held: Baseline | None, settings: ControlChart) -> dict[str, Any]:
    """What a chart is drawn by: as frozen with its baseline, or else as configured."""
    return held.settings if held else baseline.frozen_settings(settings)


def _statistics(part: DataFrame, design: Mapping[str, Any]) -> DataFrame:
    score = part["score"].to_numpy(dtype=float)
    start = 0.5 if design["fast_start"] else 0.0
    sums = spc.cusum(score, k=design["k"], h=design["h"], head_start=start)
    mean = spc.ewma(score, 0.0, 1.0, design["ewma_weight"], design["ewma_width"])
    mean.columns = pd.Index(["z", "z_lower", "z_upper", "z_signal"])
    beyond = spc.individuals(0.0, 1.0).beyond(part["shown_score"])
    both = pd.concat([part.reset_index(drop=True), sums, mean], axis=1)
    return both.assign(beyond=beyond, h=float(design["h"]))


def charts(
    own: Mapping[str, DataFrame], held: Mapping[str, Baseline], is_holiday: Callable[[date], bool]
) -> dict[str, DataFrame]:
    """The chart of each device that has a baseline."""
    known = cache(is_holiday)  # the same dates come again with each device
    return {device: chart(own[device], held[device], known) for device in sorted(held)}


def events(drawn: Mapping[str, DataFrame], held: Mapping[str, Baseline]) -> DataFrame:
    """The CUSUM's signals in Phase II, by date: moment of change, size and new mean.

    `size_sigma` is the mean residual that K + C/N says; `size_wh` what it is in energy, on the
    logarithm's scale the ratio to what was expected; `lasts` says that the sum is still above
    H on the last valid day. [Wh/d]
    """
    rows = [row for device in drawn for row in _events(drawn[device], held[device])]
    frame = DataFrame(rows, columns=list(EVENTS))
    return frame.sort_values(["signal_date", "device_name"], ignore_index=True)


def _events(frame: DataFrame, held: Baseline) -> list[dict[str, Any]]:
    watched = frame[frame["phase"] == 2].reset_index(drop=True)
    score = watched["score"].to_numpy(dtype=float)
    known = np.flatnonzero(~np.isnan(score))
    found = spc.signals(watched, score, k=held.settings["k"])
    return [_event(watched, held, s, lasts=s.end == known[-1]) for s in found]


def _event(watched: DataFrame, held: Baseline, s: spc.Signal, *, lasts: bool) -> dict[str, Any]:
    size_wh = _size_wh(watched.iloc[s.change_after + 1 : s.at + 1], held, s.new_mean)
    dates = watched["local_date"]
    before = dates.iloc[0] - pd.Timedelta(days=1)
    return {
        "device_id": held.device_id,
        "device_name": watched["device_name"].iloc[0],
        "side": s.side,
        "signal_date": dates.iloc[s.at],
        "change_date": dates.iloc[s.change_after] if s.change_after >= 0 else before,
        "count": s.count,
        "size_sigma": s.new_mean,
        "size_wh": size_wh,
        "new_mean_wh": held.mean_wh + size_wh,
        "size_pct": 100 * size_wh / held.mean_wh if held.mean_wh else math.nan,
        "end_date": dates.iloc[s.end],
        "lasts": lasts,
    }


def _size_wh(since: DataFrame, held: Baseline, size_sigma: float) -> float:
    if held.transform == "identity":
        return held.center + size_sigma * held.sigma
    known = since[since["score"].notna()]
    ratio = float(known["energy_wh"].sum() / known["usual_wh"].sum())
    return (ratio - 1) * held.mean_wh


def ranked(drawn: Mapping[str, DataFrame], found: DataFrame) -> list[str]:
    """Device ids: those whose signal lasts first, then by how far a sum ever went over H."""
    lasting = set(found.loc[found["lasts"].astype(bool), "device_id"])
    return sorted(drawn, key=lambda own: (own not in lasting, -_reach(drawn[own]), own))


def _reach(frame: DataFrame) -> float:
    watched = frame.loc[frame["phase"] == 2, ["c_plus", "c_minus"]]
    return round(float(watched.to_numpy().max()), 9) if len(watched) else 0.0


def shown(drawn: Mapping[str, DataFrame], found: DataFrame, wanted: str = "") -> str:
    """The device that the monograph shows: the wanted id or name, else the first by rank; or ""."""
    named = [d for d in drawn if wanted in (d, drawn[d]["device_name"].iloc[0])]
    return next(iter(named + ranked(drawn, found)), "")
