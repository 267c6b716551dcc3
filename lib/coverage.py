"""Which hours of data there are: windows, coverage, gaps, and how long rows were on their way.

Belongs here: pure functions over the marts' frames, and the age of staged rows. Does not belong
here: energy, what is lost for ever (`losses.py`).
"""

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame

from lib import held, warehouse
from lib.findings import Finding
from lib.paths import Paths

SCALED_FROM = 0.5  # a sum is scaled to its whole time above this coverage alone (eemeter)
DAY_KEYS = ["device_id", "device_name", "local_date"]
_INSTANT = "datetime64[us, UTC]"
GAP_COLUMNS = ("device_id", "device_name", "gap_start", "gap_end", "cause", "last_seen", "gap_s")


def share(hourly: DataFrame, start: datetime, end: datetime) -> float:
    """Observed time of all devices over the time of the window, 0 to 1."""
    devices = hourly["device_id"].nunique() if len(hourly) else 0
    span_s = (end - start).total_seconds()
    if devices == 0 or span_s <= 0:
        return 0.0
    return float(min(1.0, hourly["alive_s"].sum() / (devices * span_s)))


def metering(hourly: DataFrame) -> DataFrame:
    """The hours of the devices that measure energy; of all where none does."""
    columns = [column for column in hourly.columns if column.startswith("energy_wh_")]
    meters = hourly.loc[hourly[columns].notna().any(axis=1), "device_id"].unique()
    return hourly[hourly["device_id"].isin(meters)] if len(meters) else hourly


def never_heard(hourly: DataFrame) -> list[Finding]:
    """Devices that were asked about and never gave a sign of life."""
    alive_s = hourly.groupby("device_id")["alive_s"].sum()
    return [
        Finding(
            "tcc.coverage.never_heard",
            f"{name} não deu sinal de vida em todo o período. Confira se está ligado e na rede, "
            "ou tire-o de config.toml.",
            {"device": name},
        )
        for name in names(hourly)[alive_s.index[alive_s == 0]]
    ]


def names(hourly: DataFrame) -> "pd.Series[str]":
    """The name of each device that was asked about, by device_id."""
    named: pd.Series[str] = hourly.groupby("device_id")["device_name"].last()
    return named


def within(
    lost: DataFrame, start: datetime | None = None, end: datetime | None = None
) -> DataFrame:
    """The part of the ledger of losses that lies in a window; an open edge cuts nothing. [s]"""
    began, ended = lost["lost_start"], lost["lost_end"]
    cut = lost.assign(
        lost_start=began if start is None else began.mask(began < start, start),
        lost_end=ended if end is None else ended.mask(ended > end, end),
    )
    cut["lost_s"] = (cut["lost_end"] - cut["lost_start"]).dt.total_seconds()
    return cut[cut["lost_s"] > 0].reset_index(drop=True)


_GAP_TYPES = dict.fromkeys(("device_id", "device_name", "cause"), "str") | {
    **dict.fromkeys(("gap_start", "gap_end", "last_seen"), _INSTANT),
    "gap_s": "float64",
}


def joined_gaps(gaps: DataFrame) -> DataFrame:
    """Gaps with those that only midnight divides put together. [gap_s: s]"""
    if gaps.empty:
        return DataFrame(columns=list(GAP_COLUMNS)).astype(_GAP_TYPES)
    gaps = gaps.sort_values(["device_id", "gap_start"])
    before = gaps.groupby(["device_id", "cause"])["gap_end"].shift()
    number = (gaps["gap_start"] != before).groupby([gaps["device_id"], gaps["cause"]]).cumsum()
    joined = gaps.groupby(["device_id", "device_name", "cause", number.rename("number")]).agg(
        gap_start=("gap_start", "min"), gap_end=("gap_end", "max"), last_seen=("last_seen", "max")
    )
    joined = joined.reset_index().drop(columns="number")
    joined["gap_s"] = (joined["gap_end"] - joined["gap_start"]).dt.total_seconds()
    return joined.sort_values(["gap_start", "device_id"])[list(GAP_COLUMNS)].reset_index(drop=True)


def first_seen(hourly: DataFrame) -> "pd.Series[pd.Timestamp]":
    """The hour in which each device was first observed, by device_id."""
    heard: pd.Series[pd.Timestamp] = (
        hourly[hourly["alive_s"] > 0].groupby("device_id")["hour_start"].min()
    )
    return heard


def completed(
    paths: Paths, gaps: DataFrame, hourly: DataFrame, window: tuple[datetime, datetime]
) -> DataFrame:
    """The gaps of a window with all time that nobody asked about, whole dates of it too.

    The marts have no row of a date of which nobody asked anything. Of each device it counts from
    its first hour of observation to the last that was asked about. Columns as `study.gaps`.
    """
    spans = warehouse.read(paths.marts / "held")
    first = first_seen(hourly).rename("first_seen")
    if spans.empty or first.empty:
        return gaps
    start, end = map(pd.Timestamp, window)
    own = spans.merge(first, left_on="device_id", right_index=True)
    own = own[(own["held_end"] > own["first_seen"]) & (own["held_start"] < end)]
    own = own.sort_values(["device_id", "held_start"])
    before = own.groupby("device_id")["held_end"].cummax().groupby(own["device_id"]).shift()
    edge = before.fillna(own["first_seen"])
    unasked = own.assign(gap_start=edge.mask(edge < start, start), gap_end=own["held_start"])
    unasked = unasked[unasked["gap_end"] > unasked["gap_start"]]
    unasked = unasked.assign(
        device_name=unasked["device_id"].map(names(hourly)),
        cause="not asked",
        last_seen=unasked["gap_start"],
        gap_s=(unasked["gap_end"] - unasked["gap_start"]).dt.total_seconds(),
    )
    found = pd.concat([gaps[gaps["cause"] != "not asked"], unasked[list(gaps.columns)]])
    return found.sort_values(["gap_start", "device_id"], ignore_index=True)


def calendar(
    daily: DataFrame, lost: DataFrame, window: tuple[datetime, datetime], time_zone: str
) -> DataFrame:
    """Coverage of each device and local date, and the hours of it that are lost. [lost_h: h]

    `daily` as a study gives it, `lost` as `loss_sums.by_day` does. A device has a row for every
    date from its first on: a date without any hour was not observed. Of a date that the window
    cuts, the part inside counts.
    """
    both = [frame.astype(_DAY_TYPES) for frame in (daily, lost)]
    found = both[0][[*DAY_KEYS, "alive_s"]].merge(both[1], how="outer", on=DAY_KEYS)
    last = found["local_date"].max()
    firsts = found.groupby(DAY_KEYS[:2], as_index=False).agg(first=("local_date", "min"))
    days = [
        (row["device_id"], row["device_name"], day)
        for row in firsts.to_dict("records")
        for day in pd.date_range(row["first"], last)
    ]
    every = DataFrame(days, columns=DAY_KEYS).astype(_DAY_TYPES)
    cells = every.merge(found, how="left", on=DAY_KEYS).fillna({"alive_s": 0.0, "lost_h": 0.0})
    inside_s = _inside_s(cells["local_date"], window, time_zone)
    share = (cells["alive_s"] / inside_s.where(inside_s > 0)).clip(0, 1).fillna(0.0)
    return cells.assign(coverage=share).drop(columns="alive_s")


# Frames without rows have columns of any type, which cannot be merged.
_DAY_TYPES = {"device_id": "str", "device_name": "str", "local_date": "datetime64[us]"}


def _inside_s(
    days: "pd.Series[Any]", window: tuple[datetime, datetime], time_zone: str
) -> "pd.Series[float]":
    """How much of each local date is inside a window. [s]"""
    first, last = map(pd.Timestamp, window)
    edges = midnights(days, time_zone)
    start, end = (edge.mask(edge < first, first).mask(edge > last, last) for edge in edges)
    inside: pd.Series[float] = (end - start).dt.total_seconds()
    return inside


def midnights(
    days: "pd.Series[Any]", time_zone: str
) -> tuple["pd.Series[pd.Timestamp]", "pd.Series[pd.Timestamp]"]:
    """When each local date begins and ends.

    Where clocks change at midnight there is none, and the date begins an hour later; or there
    are two, and it begins with the earlier.
    """
    earlier = np.ones(len(days), dtype=bool)
    begins, ends = (
        (days + pd.Timedelta(days=after)).dt.tz_localize(
            time_zone, nonexistent="shift_forward", ambiguous=earlier
        )
        for after in (0, 1)
    )
    return begins, ends


def rolled_up(sums: "pd.Series[float]", share: "pd.Series[float]") -> DataFrame:
    """Sums scaled to their whole time: value over coverage, where more than half was observed.

    The rule of eemeter (CalTRACK 2.2.2.1). Columns value (missing where too little was observed)
    and is_scaled: such a value is an estimate, and must be called so.
    """
    value = sums / share.where(share > SCALED_FROM)
    return DataFrame({"value": value, "is_scaled": value.notna() & (share < 1)})


def scaled(months: DataFrame) -> DataFrame:
    """The months of `energy.monthly` with what their whole time would have, as an estimate. [kWh]

    Adds scaled_kwh (missing unless more than half of the calendar month was observed) and
    is_scaled.
    """
    whole = rolled_up(months["energy_kwh"], months["coverage_pct"] / 100)
    return months.assign(scaled_kwh=whole["value"], is_scaled=whole["is_scaled"])


def latency(paths: Paths) -> DataFrame:
    """How long after its event a row was first taken in: of each device, and of all last. [h]

    Columns device_id (missing where it is all), device_name, rows, median_h, p95_h, max_h.
    """
    if not warehouse.has_rows(paths.staging):
        return DataFrame(columns=["device_id", "device_name", "rows", "median_h", "p95_h", "max_h"])
    with warehouse.asking() as connection:
        files = {"files": warehouse.partitions(paths.staging)}
        return warehouse.frame(connection, warehouse.sql("latency"), files)


def received(paths: Paths) -> int:
    """How many rows came, those that came again included."""
    with warehouse.asking() as connection:
        held.load_journal(connection, paths)
        ((rows,),) = connection.execute(
            "SELECT coalesce(sum(rows), 0)::BIGINT FROM journal"
        ).fetchall()
    return int(rows)
