"""What the meter's error does to DRP* and DRC*: shifted readings, the dead band, its bounds.

Belongs here: recomputing one meter's sets with other voltages that its reports allow. Does not
belong here: classes and sets (`voltage.py`), comparing meters (`voltage_meters.py`).

A plug sends a voltage only when it has changed by its dead band, so the true mean of a slot
lies within that band of the mean that was held. 2 % of 127 V are 2,5 V, more than the 2 V
between 133 and 135 V: near a limit the class is uncertain.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from lib.voltage import (
    CRITICAL,
    DRC_LIMIT_PCT,
    DRP_LIMIT_PCT,
    EN_NORMAL,
    PRECARIOUS,
    SET,
    Limits,
    classify,
    inside,
)

DRAWS = 200
SEED = 20260101
RANDOM_QUANTILES = (0.05, 0.5, 0.95)
Flags = NDArray[np.bool_]
Volts = NDArray[np.float64]


def sensitivity(
    own: DataFrame,
    given: Limits,
    *,
    dead_band_pct: float = 2,
    reading_error_pct: float = 3,
    draws: int = DRAWS,
    seed: int = SEED,
) -> DataFrame:
    """One meter's counts, worst sets and sets above the limits, as the voltage may have been.

    `own` are the valid rows of one device in order of time. Rows: as read; readings shifted by
    the dead band and by the standard uncertainty of the reading (a rectangular bound,
    u = a/sqrt(3), JCGM 100:2008, 4.3.7); the least and the most that the dead band allows in
    every slot; quantiles over draws in which each reported value errs by its own uniform
    amount within the dead band. Columns scenario, offset_v [V], precarious, critical (slots),
    drp_max_pct, drc_max_pct (over complete sets, NaN without), sets_above, en_normal_pct. [%]
    """
    volts = own["voltage_v"].to_numpy(dtype=float)
    if not len(volts):
        return DataFrame(columns=list(COLUMNS))
    band, u = dead_band_pct / 100, reading_error_pct / 100 / math.sqrt(3)
    rows = [
        {"scenario": SCENARIOS[name], "offset_v": share * given.nominal_v}
        | _shifted(volts * (1 + share), given)
        for name, share in zip(_SHIFTS, (0.0, -band, band, -u, u), strict=True)
    ]
    low, high = volts * (1 - band), volts * (1 + band)
    rows.append({"scenario": SCENARIOS["least"]} | _summary(*_certain(low, high, given)))
    rows.append({"scenario": SCENARIOS["most"]} | _summary(*_possible(low, high, given)))
    rows += _quantiles(_drawn(volts, given, band, draws, seed)) if draws else []
    table = DataFrame(rows, columns=list(COLUMNS))
    return table if given.has_table else table.assign(**dict.fromkeys(_OF_CLASSES, math.nan))


COLUMNS = (
    *("scenario", "offset_v", "precarious", "critical", "drp_max_pct", "drc_max_pct"),
    *("sets_above", "en_normal_pct"),
)
SCENARIOS = {
    "read": "como lida",
    "band_down": "faixa morta, para baixo",
    "band_up": "faixa morta, para cima",
    "error_down": "leitura − u",
    "error_up": "leitura + u",
    "least": "faixa morta, mínimo certo",
    "most": "faixa morta, máximo possível",
    "random": "faixa morta aleatória",
}


_SHIFTS = ("read", "band_down", "band_up", "error_down", "error_up")
_OF_CLASSES = COLUMNS[2:7]


def depends(table: DataFrame) -> bool:
    """Whether the number of sets above the limits depends on where in the dead band it was."""
    named = table.set_index("scenario")["sets_above"].dropna()
    least, most = (named.get(SCENARIOS[name]) for name in ("least", "most"))
    return least is not None and bool(least != most)


def _shifted(volts: Volts, given: Limits) -> dict[str, Any]:
    levels = classify(volts, given)
    normal = inside(volts, given.share_v(EN_NORMAL))
    return _summary(levels == PRECARIOUS, levels == CRITICAL, normal)


def _summary(precarious: Flags, critical: Flags, normal: Flags) -> dict[str, Any]:
    """Counts over all slots, and the worst complete set."""
    drp_pct, drc_pct = (_of_sets(flags) for flags in (precarious, critical))
    above = int(((drp_pct > DRP_LIMIT_PCT) | (drc_pct > DRC_LIMIT_PCT)).sum())
    return {
        "precarious": int(precarious.sum()),
        "critical": int(critical.sum()),
        "drp_max_pct": float(drp_pct.max()) if len(drp_pct) else math.nan,
        "drc_max_pct": float(drc_pct.max()) if len(drc_pct) else math.nan,
        "sets_above": above,
        "en_normal_pct": float(normal.mean() * 100),
    }


def _of_sets(flags: Flags) -> NDArray[np.float64]:
    whole = len(flags) // SET
    counts = flags[: whole * SET].reshape(whole, SET).sum(axis=1)
    return np.asarray(counts * (100 / SET), dtype=float)


def _certain(low: Volts, high: Volts, given: Limits) -> tuple[Flags, ...]:
    """Slots that are precarious, critical or normal wherever in the range the voltage was."""
    below, above = classify(low, given), classify(high, given)
    one_side = (low < given.nominal_v) == (high < given.nominal_v)
    ends = [(below == level) & (above == level) & one_side for level in (PRECARIOUS, CRITICAL)]
    normal = given.share_v(EN_NORMAL)
    return ends[0], ends[1], inside(low, normal) & inside(high, normal)


def _possible(low: Volts, high: Volts, given: Limits) -> tuple[Flags, ...]:
    """Slots that may be precarious, critical or normal somewhere in the range."""
    unknown = np.isnan(given.adequate_min_v) & (low < given.nominal_v)
    under = (low < given.adequate_min_v) & (high >= given.critical_below_v)
    over = (high > given.adequate_max_v) & (low <= given.critical_above_v)
    critical = (low < given.critical_below_v) | (high > given.critical_above_v)
    floor, ceiling = given.share_v(EN_NORMAL)
    return under | over | unknown, critical | unknown, (high >= floor) & (low <= ceiling)


def _drawn(volts: Volts, given: Limits, band: float, draws: int, seed: int) -> DataFrame:
    """Summaries of draws; equal readings in a row are one report and share its error."""
    report = np.cumsum(np.diff(volts, prepend=math.nan) != 0) - 1
    generator = np.random.default_rng(seed)
    errors = (generator.uniform(-band, band, int(report[-1]) + 1)[report] for _ in range(draws))
    return DataFrame([_shifted(volts * (1 + error), given) for error in errors])


def _quantiles(drawn: DataFrame) -> list[dict[str, Any]]:
    """Rows of quantiles; each column by itself."""
    rows = []
    for share in RANDOM_QUANTILES:
        own = drawn.quantile(share, interpolation="nearest")
        name = f"{SCENARIOS['random']}, P{share * 100:g}"
        rows.append({"scenario": name} | {str(column): value for column, value in own.items()})
    return rows
