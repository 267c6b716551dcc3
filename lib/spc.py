"""Control charts: Shewhart's individuals and moving range, EWMA and the tabular CUSUM.

Belongs here: statistics and limits of a series of values, and what a signal says. Does not
belong here: which values are charted (`monitor.py`), the run lengths of a chart
(`run_length.py`), parameters (`baseline.py`).

A value that is not known is NaN: it changes no statistic, and none is made up for it. After a
signal nothing is set back: the statistic goes on, as in Montgomery's table and R's qcc.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pandas import DataFrame

Values = NDArray[np.float64]

D2 = 2 / math.sqrt(math.pi)  # E of the range of two standard normal values; books print 1.128
D4 = 1 + 3 * math.sqrt(2 - 4 / math.pi) / D2  # 3.267: sd of that range is sqrt(2 - 4/pi)
TO_SIGMA = 1.4826  # a normal sample's sd for each unit of its median absolute deviation
SIDES = {"upper": "plus", "lower": "minus"}


def moving_ranges(values: ArrayLike) -> Values:
    """|x_i - x_(i-1)|, the first is NaN; values that are not known are passed over."""
    x = np.asarray(values, float)
    known = np.flatnonzero(~np.isnan(x))
    ranges = np.full(len(x), math.nan)
    ranges[known[1:]] = np.abs(np.diff(x[known]))
    return ranges


def moving_range_sigma(values: ArrayLike, d2: float = D2) -> float:
    """Sigma as the mean moving range over d2 (Montgomery, 6.4); NaN for fewer than two values."""
    ranges = moving_ranges(values)
    ranges = ranges[~np.isnan(ranges)]
    return float(ranges.mean() / d2) if len(ranges) else math.nan


def robust_sigma(values: ArrayLike) -> float:
    """Sigma as 1.4826 times the median absolute deviation from the median."""
    x = np.asarray(values, float)
    x = x[~np.isnan(x)]
    return float(TO_SIGMA * np.median(np.abs(x - np.median(x)))) if len(x) else math.nan


@dataclass(frozen=True)
class Individuals:
    """Limits of the chart of individuals and of its moving range, in the data's unit."""

    center: float
    sigma: float
    lower: float
    upper: float
    range_upper: float

    def beyond(self, values: ArrayLike) -> NDArray[np.bool_]:
        """Which values lie strictly beyond the limits."""
        x = np.asarray(values, float)
        return np.asarray((x < self.lower) | (x > self.upper))


def individuals(center: float, sigma: float, width: float = 3.0) -> Individuals:
    """Shewhart's chart for a given centre and sigma; the range's limit is 3.267 of its mean."""
    reach = width * sigma
    return Individuals(center, sigma, center - reach, center + reach, D4 * D2 * sigma)


def ewma(
    values: ArrayLike, center: float, sigma: float, weight: float = 0.1, width: float = 2.814
) -> DataFrame:
    """The exponentially weighted moving average and its limits, which widen to their asymptote.

    Columns z, lower, upper, signal. Roberts (1959); z starts at the centre, and the i of the
    limits counts known values only.
    """
    x = np.asarray(values, float)
    known = ~np.isnan(x)
    z, state = np.empty(len(x)), center
    for at, value in enumerate(x):
        state = weight * value + (1 - weight) * state if known[at] else state
        z[at] = state
    share = 1 - (1 - weight) ** (2 * np.cumsum(known))
    reach = width * sigma * np.sqrt(weight / (2 - weight) * share)
    frame = DataFrame({"z": z, "lower": center - reach, "upper": center + reach})
    return frame.assign(signal=known & ((z > center + reach) | (z < center - reach)))


def cusum(
    values: ArrayLike,
    center: float = 0.0,
    sigma: float = 1.0,
    *,
    k: float = 0.5,
    h: float = 5.0,
    head_start: float = 0.0,
) -> DataFrame:
    """The tabular CUSUM, in the data's unit: K = k sigma, H = h sigma, signal where C > H.

    Columns c_plus, c_minus, n_plus, n_minus (values since the sum was last zero), upper, lower
    (signals). `head_start` is the share of H that both begin at: 0.5 is the fast initial
    response of Lucas and Crosier (1982). Page (1954); Montgomery, 9.1.2.
    """
    x = np.asarray(values, float)
    start = head_start * h * sigma
    above = _one_sided(x - (center + k * sigma), start)
    below = _one_sided((center - k * sigma) - x, start)
    frame = DataFrame(
        {"c_plus": above[0], "c_minus": below[0], "n_plus": above[1], "n_minus": below[1]}
    )
    known = ~np.isnan(x)
    return frame.assign(upper=known & (above[0] > h * sigma), lower=known & (below[0] > h * sigma))


def _one_sided(steps: Values, start: float) -> tuple[Values, NDArray[np.int64]]:
    """max(0, C + step), and how many values in a row left it above zero."""
    sums, counts = np.empty(len(steps)), np.zeros(len(steps), np.int64)
    total, count = start, 0
    for at, value in enumerate(steps):
        if not math.isnan(value):
            total = max(0.0, total + value)
            count = count + 1 if total > 0 else 0
        sums[at], counts[at] = total, count
    return sums, counts


@dataclass(frozen=True)
class Signal:
    """An excursion of one side of a CUSUM that went above H; positions count from 0.

    `at` is the first position above H, `end` the last before the sum is zero again;
    `change_after` is the last position before the change (-1: before the first value),
    `new_mean` in the data's unit.
    """

    side: Literal["upper", "lower"]
    at: int
    end: int
    change_after: int
    count: int
    new_mean: float


def signals(
    chart: DataFrame, values: ArrayLike, center: float = 0.0, sigma: float = 1.0, *, k: float = 0.5
) -> list[Signal]:
    """The signals of a CUSUM with the estimated moment of change and mean since, by time.

    The change is put after value i - N, the new mean is center + K + C/N (or - K - C/N), both
    at the first value above H (Montgomery, 9.1.2). Values that are not known do not count in N.
    """
    known = np.flatnonzero(~np.isnan(np.asarray(values, float)))
    found = [
        _signal(side, run, chart, known, (center, k * sigma))
        for side, name in SIDES.items()
        for run in _runs(chart[side].to_numpy()[known], chart[f"n_{name}"].to_numpy()[known])
    ]
    return sorted(found, key=lambda signal: (signal.at, signal.side))


def _runs(above: NDArray[np.bool_], counts: NDArray[np.int64]) -> list[NDArray[np.intp]]:
    """Positions above H of each excursion: those that count from the same zero."""
    hits = np.flatnonzero(above)
    zero = hits - counts[hits]
    return [run for run in np.split(hits, np.flatnonzero(np.diff(zero)) + 1) if len(run)]


def _signal(
    side: str,
    run: NDArray[np.intp],
    chart: DataFrame,
    known: NDArray[np.intp],
    scale: tuple[float, float],
) -> Signal:
    center, slack = scale
    at, end = int(known[run[0]]), int(known[run[-1]])
    name = SIDES[side]
    count, total = int(chart[f"n_{name}"].iloc[at]), float(chart[f"c_{name}"].iloc[at])
    before = int(run[0]) - count
    away = slack + total / count
    return Signal(
        side="upper" if side == "upper" else "lower",
        at=at,
        end=end,
        change_after=int(known[before]) if before >= 0 else -1,
        count=count,
        new_mean=center + away if side == "upper" else center - away,
    )


def first_signal(flags: ArrayLike) -> int | None:
    """The position of the first signal, from 0, or None."""
    hits = np.flatnonzero(np.asarray(flags, bool))
    return int(hits[0]) if len(hits) else None
