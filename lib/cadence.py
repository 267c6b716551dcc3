"""How often devices report: time between reports by code and state, and time without a report.

Belongs here: cadence from staged rows, and rates of what did not come. Does not belong here:
coverage (`coverage.py`), gaps and their causes (`gap_causes.py`).
"""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from lib import files, warehouse
from lib.contract import PARTITION
from lib.datapoints import KNOWN
from lib.paths import Paths

SLOT_S = 3600.0  # devices with nothing to tell still report about once an hour
FEWEST_REPORTS = 5  # of fewer no rate is told
COLUMNS = (
    *("device_id", "device_name", "code", "is_on", "reports"),
    *("median_s", "p95_s", "max_s", "slots_heard", "slots", "span_s"),
)
STATE_NAMES = {True: "ligado", False: "desligado"}


def codes_of(*quantities: str) -> list[str]:
    """The codes that report one of some quantities, as `datapoints.KNOWN` has them."""
    return [code for code, point in KNOWN.items() if point.quantity in quantities]


def recent(paths: Paths, since: datetime) -> list[str]:
    """The staged partitions from the date of an instant on."""
    first = f"{PARTITION}={since:%Y-%m-%d}"
    found = sorted(paths.staging.glob(f"{PARTITION}=*/data_0.parquet"))
    return [files.literal(file) for file in found if file.parent.name >= first]


def of(paths: Paths, end: datetime, days: float, on_w: float) -> DataFrame:
    """Time between reports of each device, code and state over the last days. [s]

    A row without code is of any report, a sign of life, and has the slots of an hour that had
    one. `is_on` is whether the load was on (a power of at least `on_w`, or the switch of what
    has no power) when the time began. Time that a disconnection cuts is left out.
    """
    since = end - timedelta(days=days)
    chosen = recent(paths, since)
    if not chosen:
        return DataFrame(columns=list(COLUMNS))
    given = {"files": chosen, "since": since, "until": end, "on_w": on_w, "slot_s": SLOT_S}
    switches = [code for code in codes_of("state") if code.startswith("switch")]
    codes = {"power_codes": codes_of("power"), "switch_codes": switches}
    with warehouse.asking() as connection:
        return warehouse.frame(connection, warehouse.sql("cadence"), given | codes)


def dropout_rate(
    reports: "Series[float]", span_s: "Series[float]", period_s: float
) -> "Series[float]":
    """The share of expected reports that did not come, by nilmtk's rule. [1]

    1 - n / (round(T / period) + 1), no less than 0; of fewer than five reports none
    (nilmtk/stats/dropoutrate.py). Right for devices that report at a steady pace.
    """
    expected = (span_s / period_s).round() + 1
    rate = (1 - reports / expected).clip(lower=0)
    return rate.where(reports >= FEWEST_REPORTS)


def silent_share(heard: "Series[float]", slots: "Series[float]") -> "Series[float]":
    """The share of slots of time without any report. [1]

    Unlike nilmtk's rate it sees silence that a crowd of reports at another time makes up for,
    as reports on change come.
    """
    return 1 - heard / slots.where(slots > 0)


def table(cadence: DataFrame) -> DataFrame:
    """The cadence of each device, code and state, with rates of its signs of life. [%]"""
    whole = cadence["code"].isna()
    n, span, heard, slots = (
        cadence[c].astype("float64") for c in ("reports", "span_s", "slots_heard", "slots")
    )
    states = cadence["is_on"].map(STATE_NAMES).astype("object")
    return cadence.assign(
        code_name=cadence["code"].astype("object").where(~whole, "qualquer"),
        state_name=states.where(states.notna(), None),
        dropout_pct=100 * dropout_rate(n, span, SLOT_S).where(whole),
        silent_pct=100 * silent_share(heard, slots).where(whole),
    )


def signs_of_life(cadence: DataFrame) -> DataFrame:
    """The rows of `of` that are of any report, of each device."""
    return cadence[cadence["code"].isna()].reset_index(drop=True)


def longest_p95_s(cadence: DataFrame) -> float:
    """The longest of the devices' 95th percentiles between signs of life. [s]"""
    found = pd.to_numeric(signs_of_life(cadence)["p95_s"], errors="coerce").max()
    return float(found) if pd.notna(found) else float(np.nan)
