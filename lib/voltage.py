"""Voltage at the outlets by ten-minute means: classes, sets of a week, indicative DRP* and DRC*.

Belongs here: limits, validity, classes, sets of 1,008 readings, their indices with bounds.
Does not belong here: choosing and comparing meters (`voltage_meters.py`), what the meter's
error does to the result (`voltage_error.py`), reading (`study.py`), drawing. Nothing here is
a regulatory measurement: a plug is no class A or S instrument and stands at an outlet, not at
the point of connection; one phase is seen. The compensation of the utility is not computed:
it needs the charge for the use of the network and a measurement of the regulation's kind.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pandas import DataFrame, Series

from lib.errors import ConfigError

NAN = float("nan")
SET = 1008  # valid readings of ten minutes: a week
SLOT_S = 600
DRP_LIMIT_PCT = 3.0
DRC_LIMIT_PCT = 0.5
EN_NORMAL = (0.90, 1.10)  # of the nominal voltage: 95 % of a week's means
EN_ALL = (0.85, 1.10)  # all of them
EN_SHARE_PCT = 95.0
OF_NOMINAL = 0.2  # a median farther from the nominal voltage is that of another network
DECIMALS = 6  # the mean of equal readings must not fall below them by the error of a sum

UNCLASSED, ADEQUATE, PRECARIOUS, CRITICAL = -1, 0, 1, 2
LEVELS = {ADEQUATE: "adequada", PRECARIOUS: "precária", CRITICAL: "crítica"}
WITHIN, ABOVE, UNDECIDED, NO_TABLE = "dentro", "acima", "indeterminado", "sem tabela"
OUTSIDE = "fora"


@dataclass(frozen=True)
class Limits:
    """Limits of the classes for a nominal voltage; NaN where no table is known. [V]

    PRODIST Module 8 (annex VIII of ANEEL's resolution 956/2021), from transcriptions that
    agree and not from the act itself. For 254 V only the upper side is known; for 230 and
    240 V there is no table, and only EN 50160 judges.
    """

    nominal_v: float
    critical_below_v: float = NAN
    adequate_min_v: float = NAN
    adequate_max_v: float = NAN
    critical_above_v: float = NAN

    @property
    def has_table(self) -> bool:
        """Whether PRODIST's classes are known, at least on one side."""
        return not np.isnan(self.adequate_max_v)

    @property
    def lines_v(self) -> list[float]:
        """The known limits, from below. [V]"""
        own = (self.critical_below_v, self.adequate_min_v)
        both = (*own, self.adequate_max_v, self.critical_above_v)
        return [line for line in both if not np.isnan(line)]

    def share_v(self, shares: tuple[float, float]) -> tuple[float, float]:
        """A range given as shares of the nominal voltage. [V]"""
        low, high = (round(share * self.nominal_v, DECIMALS) for share in shares)
        return low, high


PRODIST = (
    Limits(110, 96, 101, 116, 117),
    Limits(127, 110, 117, 133, 135),
    Limits(220, 191, 202, 231, 233),
    Limits(254, adequate_max_v=267, critical_above_v=269),
)
_PRODIST = {float(own.nominal_v): own for own in PRODIST}


def limits(nominal_v: float) -> Limits:
    """The limits for a nominal voltage. [V] Raises ConfigError where it is not positive."""
    if not nominal_v > 0:
        raise ConfigError(
            f"a nominal voltage of {nominal_v} V is none.",
            where="site.nominal_voltage_v, or the notebook's parameter of that name",
            risk="The voltage would be judged by limits that do not exist.",
            remedy="Write 127 or 220, as the electricity bill says.",
        )
    return _PRODIST.get(float(nominal_v), Limits(nominal_v))


def classify(voltage_v: ArrayLike, given: Limits) -> NDArray[np.int8]:
    """Class of each ten-minute mean: adequate 0, precarious 1, critical 2, unknown -1.

    Limits belong to the better class: 117 and 133 V are adequate, 110 and 135 V precarious
    for 127 V (PRODIST Module 8). A side without limits is unknown below the nominal voltage.
    """
    volts = np.round(np.asarray(voltage_v, dtype=float), DECIMALS)
    floor = given.nominal_v if np.isnan(given.adequate_min_v) else given.adequate_min_v
    low = (volts >= given.critical_below_v) & (volts < given.adequate_min_v)
    high = (volts > given.adequate_max_v) & (volts <= given.critical_above_v)
    levels = np.full(volts.shape, UNCLASSED, dtype=np.int8)
    levels[(volts >= floor) & (volts <= given.adequate_max_v)] = ADEQUATE
    levels[low | high] = PRECARIOUS
    levels[(volts < given.critical_below_v) | (volts > given.critical_above_v)] = CRITICAL
    return levels


def inside(voltage_v: ArrayLike, range_v: tuple[float, float]) -> NDArray[np.bool_]:
    """Which means lie in a closed range. [V]"""
    volts = np.round(np.asarray(voltage_v, dtype=float), DECIMALS)
    return (volts >= range_v[0]) & (volts <= range_v[1])


def valid(slots: DataFrame, valid_pct: float = 90) -> DataFrame:
    """The slots whose voltage was known long enough, by device and time. [%, of 600 s]

    Columns device_id, device_name, slot_start (UTC), voltage_v [V].
    """
    long_enough = slots["voltage_s"] >= valid_pct / 100 * SLOT_S - 1e-6
    kept = slots.loc[long_enough & slots["voltage_v"].notna(), list(_SLOT)]
    kept = kept.sort_values(["device_id", "slot_start"], kind="stable", ignore_index=True)
    return kept.assign(voltage_v=kept["voltage_v"].astype(float).round(DECIMALS))


_SLOT = ("device_id", "device_name", "slot_start", "voltage_v")


def judged(means: DataFrame, given: Limits) -> DataFrame:
    """Valid slots with `level` (as `classify`) and whether they are in EN 50160's two ranges."""
    return means.assign(
        level=classify(means["voltage_v"], given),
        en_normal=inside(means["voltage_v"], given.share_v(EN_NORMAL)),
        en_all=inside(means["voltage_v"], given.share_v(EN_ALL)),
    )


def of_nominal(means: DataFrame, given: Limits) -> "Series[bool]":
    """Which rows are of devices whose median voltage belongs to the nominal one, +-20 %.

    A house of 127 V may have an outlet of 220 V: it is judged by other limits.
    """
    median_v = means.groupby("device_id")["voltage_v"].median()
    apart = (median_v / given.nominal_v - 1).abs() > OF_NOMINAL
    return ~means["device_id"].isin(apart.index[apart])


def sets(rows: DataFrame, given: Limits) -> DataFrame:
    """Sets of 1,008 consecutive valid readings of each device, the last one perhaps shorter.

    `rows` as `judged` gives them. Columns device_id, device_name, number (from 1), set_start,
    set_end (UTC), n, coverage_pct (of the set's own span), precarious, critical, drp_pct and
    drc_pct (NaN where fewer than 1,008), drp_low_pct ... drc_high_pct (bounds), verdict;
    en_normal_pct and en_all_pct (of the valid readings), en_verdict. [%]
    DRP = nlp/1008*100, DRC = nlc/1008*100 (PRODIST Module 8); invalid readings are replaced by
    those that follow.
    """
    number = rows.groupby("device_id").cumcount() // SET + 1
    flags = rows.assign(
        number=number,
        precarious=rows["level"] == PRECARIOUS,
        critical=rows["level"] == CRITICAL,
        unclassed=rows["level"] == UNCLASSED,
    )
    found = flags.groupby(["device_id", "number"], as_index=False).agg(
        device_name=("device_name", "last"),
        set_start=("slot_start", "min"),
        set_end=("slot_start", "max"),
        n=("level", "size"),
        **{c: (c, "sum") for c in ("precarious", "critical", "unclassed", "en_normal", "en_all")},
    )
    found["set_end"] += pd.Timedelta(seconds=SLOT_S)
    span_s = (found["set_end"] - found["set_start"]).dt.total_seconds()
    found["coverage_pct"] = found["n"] / (span_s / SLOT_S) * 100
    return _with_en(_with_bounds(found, given))


def _with_bounds(found: DataFrame, given: Limits) -> DataFrame:
    """DRP* and DRC* with the bounds that the missing and unclassed readings leave. [%]"""
    open_n = SET - found["n"] + found["unclassed"]
    for name, of in (("drp", "precarious"), ("drc", "critical")):
        share = 100 / SET if given.has_table else NAN
        found[f"{name}_low_pct"] = found[of] * share
        found[f"{name}_high_pct"] = (found[of] + open_n) * share
        found[f"{name}_pct"] = found[f"{name}_low_pct"].where(open_n == 0)
    above = (found["drp_low_pct"] > DRP_LIMIT_PCT) | (found["drc_low_pct"] > DRC_LIMIT_PCT)
    within = (found["drp_high_pct"] <= DRP_LIMIT_PCT) & (found["drc_high_pct"] <= DRC_LIMIT_PCT)
    found["verdict"] = _verdict(above, within, ABOVE) if given.has_table else NO_TABLE
    return found


def _with_en(found: DataFrame) -> DataFrame:
    """EN 50160 over the same sets: 95 % of the means in Un +-10 %, all in +10/-15 %."""
    normal, everything, n = found["en_normal"], found["en_all"], found["n"]
    least = EN_SHARE_PCT / 100 * SET
    missing = SET - n
    outside = (normal + missing < least) | (everything < n)
    within = (normal >= least) & (everything == SET)
    return found.assign(
        en_normal_pct=normal / n * 100,
        en_all_pct=everything / n * 100,
        en_verdict=_verdict(outside, within, OUTSIDE),
    ).drop(columns=["en_normal", "en_all"])


def _verdict(failed: "Series[bool]", passed: "Series[bool]", word: str) -> "Series[str]":
    said = np.select([failed.to_numpy(), passed.to_numpy()], [word, WITHIN], UNDECIDED)
    return Series(said, index=failed.index, dtype=object)


def complete(found: DataFrame) -> DataFrame:
    """The sets that have all of their 1,008 readings."""
    return found[found["n"] == SET]


def rolling(rows: DataFrame, given: Limits) -> DataFrame:
    """The largest DRP* and DRC* of each device over any 1,008 consecutive valid readings. [%]

    Says how much the choice of the first reading matters. Index device_id; columns
    drp_rolling_pct and drc_rolling_pct, NaN where there are fewer readings.
    """
    device = rows["device_id"]
    worst = {}
    for name, level in (("drp", PRECARIOUS), ("drc", CRITICAL)):
        total = (rows["level"] == level).astype(int).groupby(device).cumsum()
        before = total.groupby(device).shift(SET)
        nth = rows.groupby("device_id").cumcount() + 1
        of_set = (total - before.fillna(0)).where(nth >= SET)
        worst[f"{name}_rolling_pct"] = of_set.groupby(device).max() * 100 / SET
    known = bool(given.has_table and (rows["level"] != UNCLASSED).all())
    return DataFrame(worst) if known else DataFrame(worst) * NAN
