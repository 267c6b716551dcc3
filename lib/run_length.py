"""How long a control chart runs until it signals, on average, for independent normal values.

Belongs here: average run lengths by integral equation, in closed form, by approximation and
by simulation, and the h for a wanted one. Does not belong here: charts (`spc.py`), delays on
a house's own residuals (`detection.py`).

A shift is in sigma and present from the first value on; an ARL is in values (here, days).
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray
from pandas import DataFrame
from scipy.optimize import brentq
from scipy.stats import norm

NODES = 60
SIEGMUND = 1.166  # what the approximation adds to h for the overshoot
SHIFTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)


def cusum_one_sided(k: float, h: float, shift: float = 0.0, head_start: float = 0.0) -> float:
    """ARL of an upper CUSUM that begins at `head_start` (in sigma, not a share of h).

    L(u) = 1 + L(0) P(k - u - shift) + integral over 0..h of L(y) p(y + k - u - shift) dy, as
    Nyström's system on Gauss-Legendre nodes (Brook and Evans 1972; Lucas and Crosier 1982).
    """
    nodes, weights = _legendre(0.0, h)
    at = np.append(nodes, 0.0)
    kernel = np.empty((len(at), len(at)))
    kernel[:, :-1] = weights * norm.pdf(nodes[None, :] + k - at[:, None] - shift)
    kernel[:, -1] = norm.cdf(k - at - shift)
    lengths = np.linalg.solve(np.eye(len(at)) - kernel, np.ones(len(at)))
    last = weights * norm.pdf(nodes + k - head_start - shift)
    zero = norm.cdf(k - head_start - shift) * lengths[-1]
    return float(1 + zero + last @ lengths[:-1])


def cusum_two_sided(k: float, h: float, shift: float = 0.0, head_start: float = 0.0) -> float:
    """ARL of the tabular CUSUM, both sides beginning at `head_start`, a share of h.

    1/L = 1/L+ + 1/L-, and with a head start the combination of Lucas and Crosier (1982).
    """
    zero = [cusum_one_sided(k, h, side * shift) for side in (1, -1)]
    if not head_start:
        return zero[0] * zero[1] / sum(zero)
    fast = [cusum_one_sided(k, h, side * shift, head_start * h) for side in (1, -1)]
    return (fast[0] * zero[1] + fast[1] * zero[0] - zero[0] * zero[1]) / sum(zero)


def ewma_two_sided(weight: float, width: float, shift: float = 0.0) -> float:
    """ARL of an EWMA with limits at their asymptote (Crowder 1987; Lucas and Saccucci 1990)."""
    limit = width * math.sqrt(weight / (2 - weight))
    nodes, weights = _legendre(-limit, limit)
    at = np.append(nodes, 0.0)
    moved = (nodes[None, :] - (1 - weight) * at[:, None]) / weight - shift
    kernel = weights * norm.pdf(moved) / weight
    lengths = np.linalg.solve(np.eye(len(nodes)) - kernel[:-1], np.ones(len(nodes)))
    return float(1 + kernel[-1] @ lengths)


def shewhart(shift: float = 0.0, width: float = 3.0) -> float:
    """ARL of the chart of individuals: one over the chance of a point beyond its limits."""
    return float(1 / (norm.sf(width - shift) + norm.cdf(-width - shift)))


def siegmund_one_sided(k: float, h: float, shift: float = 0.0) -> float:
    """Siegmund's approximation of an upper CUSUM's ARL (1985; Montgomery, 9.1.4)."""
    away, reach = shift - k, h + SIEGMUND
    if abs(away) < 1e-9:
        return reach**2
    return (math.exp(-2 * away * reach) + 2 * away * reach - 1) / (2 * away**2)


def siegmund_two_sided(k: float, h: float, shift: float = 0.0) -> float:
    """Siegmund's approximation of the tabular CUSUM's ARL: 1/L = 1/L+ + 1/L-."""
    return 1 / sum(1 / siegmund_one_sided(k, h, side * shift) for side in (1, -1))


def decision_interval(arl: float, k: float = 0.5) -> float:
    """The h for which the two-sided CUSUM has a wanted ARL without a shift."""
    high = 1.0
    while cusum_two_sided(k, high) < arl:
        high += 1.0
    return float(brentq(lambda h: cusum_two_sided(k, h) - arl, 1e-3, high, xtol=1e-6))


def _legendre(low: float, high: float) -> tuple[NDArray[Any], NDArray[Any]]:
    nodes, weights = _nodes()
    half = (high - low) / 2
    return low + half * (nodes + 1), half * weights


@lru_cache(maxsize=1)
def _nodes() -> tuple[NDArray[Any], NDArray[Any]]:
    nodes, weights = leggauss(NODES)
    return nodes, weights


def simulated(
    k: float,
    h: float,
    shift: float = 0.0,
    *,
    phi: float = 0.0,
    head_start: float = 0.0,
    runs: int = 2000,
    seed: int = 7,
    longest: int = 20_000,
) -> tuple[float, float]:
    """ARL of the tabular CUSUM by simulation, with its standard error.

    The values are normal with variance 1 and correlation `phi` from one to the next, sigma
    known. A run that reaches `longest` counts as so long.
    """
    rng = np.random.default_rng(seed)
    value = rng.standard_normal(runs)
    upper, lower = np.full(runs, head_start * h), np.full(runs, head_start * h)
    lengths = np.full(runs, float(longest))
    going: NDArray[Any] = np.arange(runs)
    for step in range(1, longest + 1):
        upper = np.maximum(0, upper + value + shift - k)
        lower = np.maximum(0, lower - value - shift - k)
        out = (upper > h) | (lower > h)
        lengths[going[out]] = step
        going, upper, lower = going[~out], upper[~out], lower[~out]
        if not len(going):
            break
        fresh = rng.standard_normal(len(going))
        value = phi * value[~out] + math.sqrt(1 - phi**2) * fresh
    return float(lengths.mean()), float(lengths.std(ddof=1) / math.sqrt(runs))


def with_estimates(
    k: float, h: float, days: int, *, head_start: float = 0.0, runs: int = 400, seed: int = 7
) -> NDArray[np.float64]:
    """The ARL without a shift that charts really have whose parameters come from so many days.

    For each of `runs` samples of normal values, mean and moving-range sigma are estimated; a
    chart on them is that on the true ones with k and h times the ratio of the sigmas and a
    shift by the mean's error, so that the integral equation gives its ARL. Both sides begin at
    `head_start`, a share of h. Ascending.
    """
    samples = np.random.default_rng(seed).standard_normal((runs, days))
    errors = samples.mean(axis=1)
    ratios = np.abs(np.diff(samples, axis=1)).mean(axis=1) * math.sqrt(math.pi) / 2
    found = [
        cusum_two_sided(k * ratio, h * ratio, -error, head_start)
        for error, ratio in zip(errors, ratios, strict=True)
    ]
    return np.sort(np.array(found, float))


def comparison(
    k: float, h: float, weight: float, width: float, shifts: tuple[float, ...] = SHIFTS
) -> DataFrame:
    """The ARL of each chart for each shift, in days, without and with a head start.

    Columns shift_sigma, cusum, cusum_fir, siegmund, simulated, simulated_error, ewma, shewhart.
    """
    rows = []
    for shift in shifts:
        mean, error = simulated(k, h, shift)
        rows.append(
            (
                *(shift, cusum_two_sided(k, h, shift), cusum_two_sided(k, h, shift, 0.5)),
                *(siegmund_two_sided(k, h, shift), mean, error),
                *(ewma_two_sided(weight, width, shift), shewhart(shift)),
            )
        )
    return DataFrame(rows, columns=[*_COMPARED])


_COMPARED = (
    *("shift_sigma", "cusum", "cusum_fir", "siegmund", "simulated", "simulated_error"),
    *("ewma", "shewhart"),
)
