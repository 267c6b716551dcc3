"""How soon each chart finds a change put into a house's own residuals, and how often it errs.

Belongs here: injected shifts and drifts, detection delay and false alarms, for CUSUM, EWMA,
Shewhart and a fixed threshold. Does not belong here: run lengths in theory (`run_length.py`).

The days are Phase I's own, drawn with replacement in blocks of a week, so that what remains of
their dependence and their distribution is kept; the seed is fixed.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from lib.baseline import Baseline
from lib.residuals import WEEK

METHODS = {
    "cusum": "CUSUM",
    "ewma": "EWMA",
    "shewhart": "Shewhart",
    "threshold": "limiar fixo",
}
SHIFTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
DRIFTS = (0.02, 0.05, 0.1, 0.2)  # sigma a day
RUNS, LONGEST, LONGEST_DELAY, SEED = 1000, 2000, 365, 11
ENOUGH_FOUND = 0.95  # of the runs: a mean over fewer would leave out the longest
COLUMNS = ("kind", "size", "method", "delay_d", "found", "false_alarm_d")

Floats = NDArray[np.float64]
Sample = tuple[Floats, Floats]


@dataclass(frozen=True)
class Rule:
    """What the four methods decide by, in sigma; the threshold is an energy. [Wh/d]"""

    k: float
    h: float
    head_start: float
    weight: float
    width: float
    threshold_wh: float
    sigma: float
    logarithm: bool

    @classmethod
    def of(cls, held: Baseline, threshold_pct: float) -> "Rule":
        """The design frozen with a baseline; the threshold is so much above its mean."""
        design = held.settings
        return cls(
            k=design["k"],
            h=design["h"],
            head_start=0.5 if design["fast_start"] else 0.0,
            weight=design["ewma_weight"],
            width=design["ewma_width"],
            threshold_wh=held.mean_wh * (1 + threshold_pct / 100),
            sigma=held.sigma,
            logarithm=held.transform == "log1p",
        )


def of(chart: DataFrame, held: Baseline | None, threshold_pct: float) -> DataFrame:
    """`study` of a device by the design frozen with it; without a baseline no rows."""
    if held is None:
        return DataFrame(columns=list(COLUMNS))
    return study(chart, Rule.of(held, threshold_pct))


def study(chart: DataFrame, rule: Rule, *, runs: int = RUNS, seed: int = SEED) -> DataFrame:
    """Delay of each method for each shift and drift, and days between false alarms without.

    `chart` is a device's, of which the known days of Phase I are used. Columns kind ("shift",
    "drift" or "none"), size [sigma; sigma/d], method, delay_d (mean, the day of the signal
    counted; NaN where under 95 % of the runs signalled within a year), found (share of runs),
    false_alarm_d (of kind "none": days watched over alarms; NaN without any).
    """
    own = chart[(chart["phase"] == 1) & chart["score"].notna()]
    if own.empty:
        return DataFrame(columns=list(COLUMNS))
    sample = own["score"].to_numpy(dtype=float), own["expected"].to_numpy(dtype=float)
    rows: list[dict[str, Any]] = []
    for kind, size in _cases():
        longest = LONGEST if kind == "none" else LONGEST_DELAY
        first = _first_alarms(sample, rule, (kind, size), (runs, longest), seed)
        rows += [
            {"kind": kind, "size": size, "method": name} | _said(kind, first[name], longest)
            for name in METHODS
        ]
    return DataFrame(rows, columns=list(COLUMNS))


def _cases() -> Iterator[tuple[str, float]]:
    yield "none", 0.0
    yield from (("shift", size) for size in SHIFTS if size)
    yield from (("drift", size) for size in DRIFTS)


def _said(kind: str, first: Floats, longest: int) -> dict[str, float]:
    """`first` has the day of each run's first alarm, infinite where there was none."""
    found = np.isfinite(first)
    share = float(found.mean())
    if kind == "none":
        days = float(np.where(found, first, longest).sum())
        apart = days / found.sum() if found.any() else math.nan
        return {"delay_d": math.nan, "found": share, "false_alarm_d": apart}
    delay = float(first[found].mean()) if share >= ENOUGH_FOUND else math.nan
    return {"delay_d": delay, "found": share, "false_alarm_d": math.nan}


def _days(count: int, runs: int, longest: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Which day of Phase I each day of each run is: whole weeks from random days, in a circle."""
    weeks = -(-longest // WEEK)
    starts = rng.integers(0, count, (weeks, 1, runs))
    days = (starts + np.arange(WEEK)[None, :, None]) % count
    return days.reshape(weeks * WEEK, runs)[:longest]


def _first_alarms(
    sample: Sample, rule: Rule, change: tuple[str, float], shape: tuple[int, int], seed: int
) -> dict[str, Floats]:
    """The day of the first alarm in each run, from 1, infinite where there is none."""
    (score, expected), (kind, size), (runs, longest) = sample, change, shape
    days = _days(len(score), runs, longest, np.random.default_rng(seed))
    state = {"upper": np.full(runs, rule.head_start * rule.h), "ewma": np.zeros(runs)}
    state["lower"] = state["upper"].copy()
    first = {name: np.full(runs, math.inf) for name in METHODS}
    for step in range(longest):
        added = size * (step + 1) if kind == "drift" else size
        value = score[days[step]] + added
        level = expected[days[step]] + rule.sigma * value
        for name, alarm in _alarms(state, value, level, rule, step).items():
            first[name] = np.where(alarm & np.isinf(first[name]), step + 1.0, first[name])
        if all(np.isfinite(own).all() for own in first.values()):
            break
    return first


def _alarms(
    state: dict[str, Floats], value: Floats, level: Floats, rule: Rule, step: int
) -> dict[str, NDArray[np.bool_]]:
    """One day of all runs: move the statistics on, and say which methods give an alarm."""
    state["upper"] = np.maximum(0, state["upper"] + value - rule.k)
    state["lower"] = np.maximum(0, state["lower"] - value - rule.k)
    state["ewma"] = rule.weight * value + (1 - rule.weight) * state["ewma"]
    share = 1 - (1 - rule.weight) ** (2 * (step + 1))
    reach = rule.width * math.sqrt(rule.weight / (2 - rule.weight) * share)
    energy_wh = np.expm1(level) if rule.logarithm else level
    return {
        "cusum": (state["upper"] > rule.h) | (state["lower"] > rule.h),
        "ewma": np.abs(state["ewma"]) > reach,
        "shewhart": np.abs(value) > 3,
        "threshold": energy_wh > rule.threshold_wh,
    }


def table(found: DataFrame) -> DataFrame:
    """A row for each change, a column for each method: delay, or days between false alarms. [d]"""
    value = found["delay_d"].where(found["kind"] != "none", found["false_alarm_d"])
    rows = found.assign(value=value, name=[_name(k, s) for k, s in _pairs(found)])
    wide = rows.pivot(index="name", columns="method", values="value")
    order = list(dict.fromkeys(rows["name"]))
    return (
        wide.reindex(index=order, columns=list(METHODS)).rename_axis(None).reset_index(names="name")
    )


def _pairs(found: DataFrame) -> Iterator[tuple[str, float]]:
    yield from zip(found["kind"], found["size"], strict=True)


def _name(kind: str, size: float) -> str:
    text = f"{size:g}".replace(".", ",")
    if kind == "none":
        return "nenhuma"
    return f"degrau de {text}" if kind == "shift" else f"deriva de {text} por dia"
