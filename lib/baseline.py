"""Phase I: the days that say what is usual, kept apart from those that are watched.

Belongs here: which days they are, which of them are set aside and why, the parameters that
come from them, and whether they still are what they were. Does not belong here: the file that
keeps them (`baseline_file.py`), charts of the days after (`monitor.py`).
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from lib import residuals, spc
from lib.config import ControlChart
from lib.portuguese import number

FEWEST_DAYS = 20  # Montgomery asks for 20 to 25 observations
ENOUGH = 0.9  # a day is valid from this coverage on
IDLE = 0.1  # a day below this share of a busy one (the 90th percentile) counts as zero
MOST_IDLE, SOME_IDLE = 0.5, 0.1  # of the days: beyond, no chart; beyond, the logarithm
MOST_REMOVED = 0.1  # of the days: special causes are few, or the model is not this appliance's
ROUNDS = 5  # of looking for special causes


@dataclass(frozen=True)
class Removed:
    """A day of Phase I that the parameters do not come from, and why."""

    day: str
    energy_wh: float
    reason: str


@dataclass(frozen=True)
class Baseline:
    """What is usual for a device: dates, means and sigma, on the scale of `transform`.

    `levels` are expected values by group, `center` and `sigma` those of the residuals;
    `mean_wh` and `levels_wh` are the mean energy of the days used, of all and by group. [Wh/d]
    """

    device_id: str
    first: str
    last: str
    days: int
    days_hash: str
    transform: str
    levels: dict[str, float]
    center: float
    sigma: float
    sigma_moving_range: float
    sigma_robust: float
    mean_wh: float
    levels_wh: dict[str, float]
    settings: dict[str, Any] = field(default_factory=dict)
    removed: tuple[Removed, ...] = ()

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Baseline":
        """A baseline as `asdict` wrote it."""
        removed = tuple(Removed(**item) for item in record.get("removed", ()))
        return cls(**record | {"removed": removed})


@dataclass(frozen=True)
class Refused:
    """Why a device has no baseline, as a sentence in Portuguese."""

    device_id: str
    reason: str


def frozen_settings(settings: ControlChart) -> dict[str, Any]:
    """The settings that a baseline and its chart stand on: all but what is only shown."""
    given = settings.model_dump(mode="json", exclude={"device", "threshold_pct"})
    return given | {"coverage": ENOUGH}


def estimate(
    own: DataFrame, settings: ControlChart, is_holiday: Callable[[date], bool]
) -> Baseline | Refused:
    """The parameters of one device from its first valid days, or why there are none.

    `own` has one row for each successive date: device_id, local_date, energy_wh, valid.
    """
    device = str(own["device_id"].iloc[0]) if len(own) else ""
    phase = _phase(own, settings)
    if isinstance(phase, str):
        return Refused(device, phase)
    transform = _transform(phase.loc[phase["valid"], "energy_wh"])
    if transform is None:
        return Refused(device, "em repouso em mais da metade dos dias da Fase I")
    values = residuals.transformed(phase["energy_wh"].where(phase["valid"]), transform)
    group = residuals.groups(phase["local_date"], settings.residuals, is_holiday)
    kept, reasons = _screened(values, group, settings)
    if len(reasons) > MOST_REMOVED * values.count():
        text = (
            f"{len(reasons)} dos {values.count()} dias da Fase I ficam além de três desvios-padrão"
        )
        return Refused(device, f"{text}: a média do grupo não descreve este uso")
    left = residuals.leave_one_out(kept, group, settings.residuals)
    if left.count() < FEWEST_DAYS:
        return Refused(device, f"só {left.count()} resíduos na Fase I")
    if not sigma_of(left, settings.sigma) > 0:
        return Refused(device, "a energia não varia de um dia para o outro")
    return Baseline(
        device_id=device,
        first=_text(phase["local_date"].iloc[0]),
        last=_text(phase["local_date"].iloc[-1]),
        days=int(kept.count()),
        days_hash=content_hash(phase),
        transform=transform,
        levels=residuals.levels(kept, group),
        center=float(left.mean()) if settings.residuals == "seasonal_naive" else 0.0,
        sigma=sigma_of(left, settings.sigma),
        sigma_moving_range=sigma_of(left, "moving_range"),
        sigma_robust=sigma_of(left, "robust"),
        mean_wh=float(phase["energy_wh"].where(kept.notna()).mean()),
        levels_wh=residuals.levels(phase["energy_wh"].where(kept.notna()), group),
        settings=frozen_settings(settings),
        removed=_removed(phase, reasons),
    )


def _phase(own: DataFrame, settings: ControlChart) -> DataFrame | str:
    """The dates of Phase I, valid or not, or in a sentence why there are too few."""
    if settings.phase1_start and settings.phase1_end:
        dates = own["local_date"].dt.date
        phase = own[(dates >= settings.phase1_start) & (dates <= settings.phase1_end)]
        wanted = FEWEST_DAYS
    else:
        phase = own[own["valid"].cummax()]
        wanted = settings.phase1_days
        phase = phase[(phase["valid"].cumsum() - phase["valid"].astype(int)) < wanted]
    valid = int(phase["valid"].sum())
    return phase if valid >= wanted else f"{valid} dias válidos, e a Fase I requer {wanted}"


def _transform(energy_wh: "Series[float]") -> str | None:
    """log1p for an appliance that rests on some of the days; None for one that mostly does."""
    idle = float((energy_wh <= IDLE * energy_wh.quantile(0.9)).mean())
    if idle > MOST_IDLE:
        return None
    return "log1p" if idle > SOME_IDLE else "identity"


def _screened(
    values: "Series[float]", group: "Series[str]", settings: ControlChart
) -> tuple["Series[float]", dict[Any, str]]:
    """Values without those beyond three sigma, looked for again until there are none."""
    reasons: dict[Any, str] = {}
    for _ in range(ROUNDS):
        left = residuals.leave_one_out(values, group, settings.residuals)
        sigma = sigma_of(left, settings.sigma)
        away = (left - left.mean()) / sigma
        if not sigma > 0 or not (out := away.index[away.abs() > 3]).size:
            break
        reasons |= {at: f"resíduo de {number(away[at], 1)} desvios-padrão" for at in out}
        values = values.mask(values.index.isin(out))
    return values, reasons


def sigma_of(left: "Series[float]", method: str) -> float:
    """Sigma of residuals by moving range, or robust."""
    values = left.to_numpy(dtype=float)
    return spc.robust_sigma(values) if method == "robust" else spc.moving_range_sigma(values)


def _removed(phase: DataFrame, reasons: dict[Any, str]) -> tuple[Removed, ...]:
    uncovered = phase.index[~phase["valid"]]
    why = dict.fromkeys(uncovered, "cobertura inferior a 90 %") | reasons
    return tuple(
        Removed(
            day=_text(phase.at[at, "local_date"]),
            energy_wh=_rounded(phase.at[at, "energy_wh"]),
            reason=why[at],
        )
        for at in sorted(why)
    )


def _text(day: Any) -> str:
    return f"{pd.Timestamp(day):%Y-%m-%d}"


def _rounded(energy_wh: Any) -> float:
    return 0.0 if math.isnan(energy_wh) else round(float(energy_wh), 3)


def content_hash(phase: DataFrame) -> str:
    """A hash of what the days held: dates, energy to the milliwatt-hour, valid or not."""
    rows = zip(phase["local_date"], phase["energy_wh"], phase["valid"], strict=True)
    text = "\n".join(f"{_text(day)} {_rounded(wh):.3f} {bool(valid)}" for day, wh, valid in rows)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def of_phase(own: DataFrame, baseline: Baseline) -> "Series[bool]":
    """Which dates of a device are those of its Phase I."""
    first, last = pd.Timestamp(baseline.first), pd.Timestamp(baseline.last)
    return own["local_date"].between(first, last)


def changes(own: DataFrame, held: Baseline, settings: ControlChart) -> dict[str, Any]:
    """What is no longer as it was when the baseline was frozen; empty if nothing.

    `days`: True where the content of Phase I's days differs (a window that does not hold them
    cannot tell); `settings`: names of those that were changed.
    """
    phase = own[of_phase(own, held)]
    whole = len(phase) == len(pd.date_range(held.first, held.last))
    now = frozen_settings(settings)
    names = sorted(n for n in now.keys() | held.settings if now.get(n) != held.settings.get(n))
    found: dict[str, Any] = {"settings": names} if names else {}
    return found | ({"days": True} if whole and content_hash(phase) != held.days_hash else {})


def as_record(baseline: Baseline) -> dict[str, Any]:
    """A baseline as JSON takes it, its numbers without the last digits that a sum's order moves."""
    record = asdict(baseline)
    numbers = {k: _significant(v) for k, v in record.items() if isinstance(v, float)}
    means = {
        name: {group: _significant(level) for group, level in record[name].items()}
        for name in ("levels", "levels_wh")
    }
    return record | numbers | means


def _significant(value: float) -> float:
    return float(np.format_float_positional(value, 12, unique=False, fractional=False))
