"""The voltage meters of a house: which is the reference, how they agree.

Belongs here: sums by device, agreement at the same instant, the daily profile, the trace that a
figure draws. Does not belong here: classes and sets (`voltage.py`), what the meter's error
does (`voltage_error.py`), findings (`voltage_house.py`), drawing (`plots_voltage.py`).
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame, DatetimeIndex, Series, Timedelta

from lib.voltage import ABOVE, ADEQUATE, CRITICAL, PRECARIOUS, SLOT_S, Limits, complete, rolling

SLOT = Timedelta(seconds=SLOT_S)
_QUANTILES = {"median_v": 0.5, "p5_v": 0.05, "p95_v": 0.95}
DAILY_FROM = Timedelta(days=15)  # beyond, a trace is drawn by days


def by_device(rows: DataFrame, found: DataFrame, given: Limits, span_s: float) -> DataFrame:
    """What each device saw: readings, shares of the classes, quantiles, worst sets. [V, %]

    `rows` as `voltage.judged`, `found` as `voltage.sets`; `span_s` is the length of the window,
    of which the coverage is. Shares are of the valid readings; they are not DRP* and DRC*.
    Sorted by name; columns device_id, device_name, n, coverage_pct, adequate_pct,
    precarious_pct, critical_pct, median_v, p5_v, p95_v, min_v, max_v, sets, sets_above,
    drp_max_pct, drc_max_pct (over complete sets), drp_rolling_pct, drc_rolling_pct.
    """
    device = rows["device_id"]
    by_id, volts = rows.groupby("device_id"), rows["voltage_v"].groupby(device)
    columns: dict[str, Any] = {"device_name": by_id["device_name"].last(), "n": by_id.size()}
    columns["coverage_pct"] = (columns["n"] * SLOT_S / span_s * 100).clip(upper=100)
    for level, name in ((ADEQUATE, "adequate"), (PRECARIOUS, "precarious"), (CRITICAL, "critical")):
        share_pct = (rows["level"] == level).groupby(device).mean() * 100
        columns[f"{name}_pct"] = share_pct if given.has_table else share_pct * np.nan
    columns |= {name: volts.quantile(share) for name, share in _QUANTILES.items()}
    table = DataFrame(columns | {"min_v": volts.min(), "max_v": volts.max()})
    whole = complete(found).groupby("device_id")
    table["sets"] = whole.size().reindex(table.index, fill_value=0)
    above = (found["verdict"] == ABOVE).groupby(found["device_id"]).sum()
    table["sets_above"] = above.reindex(table.index, fill_value=0)
    table[["drp_max_pct", "drc_max_pct"]] = whole[["drp_pct", "drc_pct"]].max()
    table = table.join(rolling(rows, given)).reset_index()
    return table.sort_values(["device_name", "device_id"], ignore_index=True)


def reference(table: DataFrame, mains: Iterable[str]) -> str:
    """The device whose voltage stands for the house; "" where none has any.

    The mains meter, nearest to the point of connection, unless it has fewer than half the
    readings of the best plug; else the plug with the most valid readings.
    """
    if table.empty:
        return ""
    ordered = table.sort_values(["n", "device_id"], ascending=[False, True])
    meters = ordered[ordered["device_id"].isin(list(mains))]
    if len(meters) and meters["n"].iloc[0] * 2 >= ordered["n"].iloc[0]:
        return str(meters["device_id"].iloc[0])
    return str(ordered["device_id"].iloc[0])


def wide(rows: DataFrame) -> DataFrame:
    """Voltages by slot (index, UTC) and device (columns). [V]"""
    if rows.empty:
        return DataFrame(index=DatetimeIndex([], tz="UTC"), dtype=float)
    return rows.pivot(index="slot_start", columns="device_id", values="voltage_v")


def spread(rows: DataFrame) -> "Series[float]":
    """Largest minus smallest voltage of slots that two meters or more saw. [V]"""
    by_slot = rows.groupby("slot_start")["voltage_v"].agg(["min", "max", "size"])
    apart = by_slot["max"] - by_slot["min"]
    return apart[by_slot["size"] > 1].rename("spread_v")


def deviations(rows: DataFrame, reference_id: str, dead_band_v: float) -> DataFrame:
    """How each meter differs from the reference in the same slots. [V, %]

    Columns device_id, together (slots), deviation_v (median), deviation_p95_v (of its absolute
    value), together_pct (slots within two dead bands, as two honest meters may differ).
    """
    columns = ["device_id", "together", "deviation_v", "deviation_p95_v", "together_pct"]
    volts = wide(rows)
    if reference_id not in volts:
        return DataFrame(columns=columns)
    apart = volts.drop(columns=reference_id).sub(volts[reference_id], axis=0)
    seen = apart.notna().sum()
    near = (apart.abs() <= 2 * dead_band_v + 1e-6).sum() / seen.where(seen > 0) * 100
    found = {
        "together": seen,
        "deviation_v": apart.median(),
        "deviation_p95_v": apart.abs().quantile(0.95),
        "together_pct": near,
    }
    return DataFrame(found).rename_axis("device_id").reset_index()[columns]


def profile(own: DataFrame, time_zone: str) -> DataFrame:
    """Median, P5 and P95 of one meter's ten-minute means by local hour. [V]

    Columns hour (0 to 23), median_v, p5_v, p95_v, n.
    """
    hour = pd.DatetimeIndex(own["slot_start"]).tz_convert(time_zone).hour
    by_hour = own["voltage_v"].groupby(Series(hour, index=own.index, name="hour"))
    found = {name: by_hour.quantile(share) for name, share in _QUANTILES.items()}
    return DataFrame(found | {"n": by_hour.size()}).reset_index()


def trace(rows: DataFrame, reference_id: str, time_zone: str) -> DataFrame:
    """The reference's voltage over time, with the range of the other meters. [V]

    Ten-minute means up to two weeks; beyond, the mean, smallest and largest of each local day.
    Columns time (local, without zone), mean_v, low_v, high_v, others_low_v, others_high_v; a
    row for every slot or day from the first to the last, empty where nothing was valid.
    """
    if rows.empty:
        return DataFrame(columns=["time", *_TRACED], dtype=float)
    first = rows["slot_start"].min().tz_convert(time_zone)
    local = rows["slot_start"].dt.tz_convert("UTC").dt.tz_localize(None) + first.utcoffset()
    daily = local.max() - local.min() > DAILY_FROM
    if daily:
        local = rows["slot_start"].dt.tz_convert(time_zone).dt.tz_localize(None).dt.normalize()
    volts, is_own = rows["voltage_v"], rows["device_id"] == reference_id
    own = volts[is_own].groupby(local[is_own]).agg(["mean", "min", "max"])
    others = volts[~is_own].groupby(local[~is_own]).agg(["min", "max"])
    grid = pd.date_range(local.min(), local.max(), freq="D" if daily else SLOT, name="time")
    both = pd.concat([own.reindex(grid), others.reindex(grid)], axis=1)
    return both.set_axis(list(_TRACED), axis=1).reset_index()


_TRACED = ("mean_v", "low_v", "high_v", "others_low_v", "others_high_v")
