"""Which hours of data there are: windows, coverage, gaps and the vintage of what is printed.

Belongs here: pure functions over the marts' frames. Does not belong here: energy.
"""

from datetime import datetime

from pandas import DataFrame

from lib.findings import Finding

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
    alive_s = hourly.groupby("device_name")["alive_s"].sum()
    return [
        Finding(
            "tcc.coverage.never_heard",
            f"{name} não deu sinal de vida em todo o período. Confira se está ligado e na rede, "
            "ou tire-o de config.toml.",
            {"device": name},
        )
        for name in alive_s[alive_s == 0].index
    ]


def joined_gaps(gaps: DataFrame) -> DataFrame:
    """Gaps with those that only midnight divides put together. [gap_s: s]"""
    if gaps.empty:
        return DataFrame(columns=list(GAP_COLUMNS))
    gaps = gaps.sort_values(["device_id", "gap_start"])
    before = gaps.groupby(["device_id", "cause"])["gap_end"].shift()
    number = (gaps["gap_start"] != before).groupby([gaps["device_id"], gaps["cause"]]).cumsum()
    joined = gaps.groupby(["device_id", "device_name", "cause", number.rename("number")]).agg(
        gap_start=("gap_start", "min"), gap_end=("gap_end", "max"), last_seen=("last_seen", "max")
    )
    joined = joined.reset_index().drop(columns="number")
    joined["gap_s"] = (joined["gap_end"] - joined["gap_start"]).dt.total_seconds()
    return joined.sort_values(["gap_start", "device_id"])[list(GAP_COLUMNS)].reset_index(drop=True)
