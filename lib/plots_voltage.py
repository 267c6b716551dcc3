"""The drawings of voltage: over time, its distribution, its day.

Belongs here: how judged voltages look beside the limits of the classes. Does not belong here:
computing them (`voltage.py`, `voltage_meters.py`), other drawings (`plots.py`).
"""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.transforms import blended_transform_factory
from numpy.typing import NDArray
from pandas import DataFrame, DatetimeIndex

from lib.figures import DARK, PALETTE, canvas
from lib.plots import as_dates, date_axis, drawing
from lib.portuguese import number
from lib.voltage import EN_ALL, EN_NORMAL, LEVELS, UNCLASSED, Limits, classify

BIN_V = 0.5
BAND = "#7FB2D6"
OTHERS = "#D2D2D2"
NO_CLASS = "sem classe"
ALL_READINGS = "medidor de referência"
# Colour and hatch of each class, as a background and as bars.
GROUND: dict[str, dict[str, Any]] = {
    "precária": {"facecolor": "#FBEFC4"},
    "crítica": {"facecolor": "#F6D3BF", "hatch": "////", "hatchcolor": "#C98F70"},
}
BARS: dict[str, dict[str, Any]] = {
    "adequada": {"facecolor": PALETTE[0]},
    "precária": {"facecolor": PALETTE[1], "hatch": "\\\\\\\\", "hatchcolor": "white"},
    "crítica": {"facecolor": "#8E2F00", "hatch": "xxxx", "hatchcolor": "white"},
    NO_CLASS: {"facecolor": DARK},
    ALL_READINGS: {"facecolor": PALETTE[0]},
}


def over_time(traced: DataFrame, given: Limits) -> Figure:
    """The reference's voltage over the classes, with the range of the other meters.

    `traced` as `voltage_meters.trace` gives it: ten-minute means, or for longer windows each
    day's mean within its smallest and largest. [V]
    """
    return drawing(lambda frame: _over_time(frame, given))(traced)


def _over_time(traced: DataFrame, given: Limits) -> Figure:
    times = DatetimeIndex(traced["time"])
    daily = bool((times == times.normalize()).all()) and len(times) > 1
    step = 1.0 if daily else 1 / 144
    starts = as_dates(times) - 0.5
    edges = np.append(starts, starts[-1] + step)
    values = {name: traced[name].to_numpy(dtype=float).round(3) for name in _TRACED}
    figure = canvas(height=0.5)
    axes = figure.add_subplot()
    handles = _ranges(axes, edges, values, daily=daily)
    axes.stairs(values["mean_v"], edges, baseline=None, color="#0B3C5D", linewidth=0.9)
    _limits(axes, given, np.concatenate(list(values.values())))
    _time_axis(axes, times, edges)
    axes.set_ylabel("Tensão (V)")
    mean = "média diária" if daily else "média de 10 min"
    handles.insert(0, axes.plot([], [], color="#0B3C5D", linewidth=1.2, label=mean)[0])
    figure.legend(handles=handles, loc="outside upper left", ncols=3, borderaxespad=0)
    return figure


_TRACED = ("mean_v", "low_v", "high_v", "others_low_v", "others_high_v")


def _ranges(
    axes: Axes, edges: NDArray[np.float64], values: dict[str, NDArray[np.float64]], *, daily: bool
) -> list[Any]:
    """The range of the day and that of the other meters, as steps; handles for the legend."""
    handles: list[Any] = []
    plain: dict[str, Any] = {"fill": True, "linewidth": 0}
    if np.isfinite(values["others_low_v"]).any():
        low, high = values["others_low_v"], values["others_high_v"]
        axes.stairs(high, edges, baseline=low, color=OTHERS, **plain)
        handles.append(Patch(color=OTHERS, label="faixa dos demais medidores"))
    if daily:
        axes.stairs(values["high_v"], edges, baseline=values["low_v"], color=BAND, **plain)
        handles.insert(0, Patch(color=BAND, label="mínima e máxima do dia (de 10 min)"))
    return handles


def _limits(axes: Axes, given: Limits, volts: NDArray[np.float64]) -> None:
    """Classes as named bands behind the data; without a table the ranges of EN 50160 as lines."""
    lines = given.lines_v or [*given.share_v(EN_ALL), *given.share_v(EN_NORMAL)]
    margin = 0.025 * given.nominal_v
    seen = volts[np.isfinite(volts)]
    low = min(np.floor(seen.min() - 1), min(lines) - margin) if len(seen) else min(lines) - margin
    high = max(np.ceil(seen.max() + 1), max(lines) + margin) if len(seen) else max(lines) + margin
    axes.set_ylim(low, high)
    at_right = blended_transform_factory(axes.transAxes, axes.transData)
    for first, last, name in _bands(given, low, high):
        if name in GROUND:
            axes.axhspan(first, last, linewidth=0, zorder=0, **GROUND[name])
        middle = (max(first, low) + min(last, high)) / 2
        axes.text(1.01, middle, name, transform=at_right, va="center", size="small")
    for line in dict.fromkeys(lines):
        axes.axhline(line, color="#666666", linewidth=0.6, linestyle=(0, (4, 3)), zorder=2.5)
    axes.grid(visible=False)


def _bands(given: Limits, low: float, high: float) -> list[tuple[float, float, str]]:
    """The classes from below with their limits. [V]"""
    if not given.has_table:
        normal, everything = given.share_v(EN_NORMAL), given.share_v(EN_ALL)
        return [(*normal, "Un ± 10 %"), (everything[0], normal[0], "até −15 %")]
    floor = [given.nominal_v] if np.isnan(given.adequate_min_v) else []
    pairs = list(pairwise([low, *floor, *given.lines_v, high]))
    levels = classify([(first + last) / 2 for first, last in pairs], given)
    named = [LEVELS.get(int(level), NO_CLASS) for level in levels]
    return [(first, last, name) for (first, last), name in zip(pairs, named, strict=True)]


def _time_axis(axes: Axes, times: DatetimeIndex, edges: NDArray[np.float64]) -> None:
    """Days, or hours of the day where there are at most three days."""
    days = pd.date_range(times[0].normalize(), times[-1].normalize(), freq="D")
    if len(days) > 3:
        date_axis(axes, days)
        return
    axes.set_xlim(edges[0], edges[-1])
    hours = pd.date_range(days[0], periods=4 * len(days) + 1, freq="6h")
    at = as_dates(hours) - 0.5
    shown = (at >= edges[0] - 1e-9) & (at <= edges[-1] + 1e-9)
    axes.set_xticks(at[shown], [f"{hour:%Hh}\n{hour:%d/%m}" for hour in hours[shown]])
    axes.set_xlabel(f"Hora local ({days[0].year})")


def distribution(rows: DataFrame, given: Limits, reference_id: str) -> Figure:
    """How often each voltage was read: bars of the reference by class, outline of the others.

    Columns: device_id, voltage_v [V], level, as `voltage.judged` gives them. Shares are of the
    valid ten-minute means, on a logarithmic axis, since the limits are of a few per cent.
    """
    return drawing(lambda frame: _distribution(frame, given, reference_id))(rows)


def _distribution(rows: DataFrame, given: Limits, reference_id: str) -> Figure:
    is_own = rows["device_id"] == reference_id
    own, others = rows[is_own], rows[~is_own]
    lines = given.lines_v or [*given.share_v(EN_NORMAL)]
    low = np.floor(min(rows["voltage_v"].min(), min(lines) - 1))
    high = np.ceil(max(rows["voltage_v"].max(), max(lines) + 1)) + BIN_V
    edges = np.arange(low, high + BIN_V / 2, BIN_V)
    figure = canvas(height=0.48)
    axes = figure.add_subplot()
    handles = _bars(axes, own, edges)
    if len(others):
        share = np.histogram(others["voltage_v"], edges)[0] / len(others) * 100
        axes.stairs(np.where(share > 0, share, np.nan), edges, color="black", linewidth=0.9)
        handles.append(axes.plot([], [], color="black", label="demais medidores")[0])
    for line in lines:
        axes.axvline(line, color="#444444", linewidth=0.8, linestyle=(0, (4, 3)), zorder=3)
        axes.text(
            line,
            1.01,
            number(line, 0 if line % 1 == 0 else 1),
            ha="center",
            va="bottom",
            size="small",
            transform=axes.get_xaxis_transform(),
        )
    axes.set_yscale("log")
    axes.set_ylim(10 ** np.floor(np.log10(50 / max(len(own), 1))), 100)
    axes.yaxis.set_major_formatter(lambda at, _: number(at, max(0, int(np.ceil(-np.log10(at))))))
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel("Tensão média de 10 min (V)")
    axes.set_ylabel("Parcela das leituras (%)")
    figure.legend(handles=handles, loc="outside upper left", ncols=4, borderaxespad=0)
    return figure


def _bars(axes: Axes, own: DataFrame, edges: NDArray[np.float64]) -> list[Any]:
    """One histogram for each class, so that a bin on a limit has both; handles with shares.

    Without a table of classes there is one, of the meter's name.
    """
    handles: list[Any] = []
    classed = bool((own["level"] != UNCLASSED).any())
    for level, name in (LEVELS | {UNCLASSED: NO_CLASS}).items():
        volts = own.loc[own["level"] == level, "voltage_v"].to_numpy(dtype=float)
        share = np.histogram(volts, edges)[0] / max(len(own), 1) * 100
        label = f"{name} ({number(len(volts) / max(len(own), 1) * 100, 2)} %)"
        if not classed:
            name = label = ALL_READINGS
        if len(volts):
            axes.bar(edges[:-1], share, BIN_V, align="edge", linewidth=0, **BARS[name])
        if len(volts) or (level != UNCLASSED and classed):
            handles.append(Patch(**BARS[name], label=label, linewidth=0))
    return handles


def by_hour(profiled: DataFrame, given: Limits) -> Figure:
    """Median of the reference's voltage by local hour, with the band of P5 to P95.

    Columns hour (0 to 23), median_v, p5_v, p95_v [V], as `voltage_meters.profile` gives them.
    """
    return drawing(lambda frame: _by_hour(frame, given))(profiled)


def _by_hour(profiled: DataFrame, given: Limits) -> Figure:
    hours = profiled.set_index("hour").reindex(range(24)).round(3)
    median, low, high = (hours[c].to_numpy(dtype=float) for c in ("median_v", "p5_v", "p95_v"))
    figure = canvas(height=0.42)
    axes = figure.add_subplot()
    edges = np.arange(25)
    axes.stairs(high, edges, baseline=low, fill=True, color=BAND, linewidth=0, label="P5 a P95")
    axes.stairs(median, edges, baseline=None, color="#0B3C5D", linewidth=1.4, label="mediana")
    _limits(axes, given, np.concatenate([low, high]))
    axes.set_xlim(0, 24)
    axes.set_xticks(range(0, 25, 3))
    axes.set_xlabel("Hora local (h)")
    axes.set_ylabel("Tensão (V)")
    figure.legend(loc="outside upper left", ncols=2, borderaxespad=0)
    return figure
