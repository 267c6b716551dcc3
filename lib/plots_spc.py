"""The drawings of control charts: CUSUM, individuals and EWMA of a device.

Belongs here: how charts with frozen parameters look. Does not belong here: computing them
(`monitor.py`), detection delays (`plots_detection.py`), other drawings (`plots.py`).
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray
from pandas import DataFrame, DatetimeIndex

from lib.figures import DARK, PALETTE, canvas
from lib.plots import WIDEST_BARS_DAYS, as_dates, blank, date_axis, drawing
from lib.times import MONTHS

PHASE = "#ECECEC"
UPPER, LOWER, POINTS, MEAN = PALETTE[0], PALETTE[4], "#3B3B3B", PALETTE[2]
ALARM = "#A2142F"
SIGMA = r"$\sigma$"  # the text face has no Greek
NO_CHART = "Nenhum dispositivo tem dias bastantes para uma carta de controle."
LIMIT: dict[str, Any] = {"color": DARK, "linewidth": 0.9, "linestyle": (0, (6, 2))}


def control_chart(chart: DataFrame, found: DataFrame) -> Figure:
    """CUSUM, individuals and EWMA of one device over the days, in sigma, one above the other.

    `chart` as `monitor.chart` gives it, `found` as `monitor.events`; of both only the rows of
    the device. Phase I is shaded; days that are not valid, signals and the estimated moments of
    change are marked.
    """
    if chart.empty:
        return said(NO_CHART)
    return drawing(lambda frame: _control_chart(frame, found, float(frame["h"].iloc[0])))(chart)


def said(sentence: str) -> Figure:
    """A figure that only says why there is nothing to draw, in the document's style."""
    return drawing(lambda _: blank(sentence))(DataFrame([0]))


def _control_chart(chart: DataFrame, found: DataFrame, h: float) -> Figure:
    days = DatetimeIndex(chart["local_date"])
    at = as_dates(days)
    figure = canvas(height=0.98)
    panels = figure.subplots(3, 1, sharex=True, height_ratios=(1.35, 1.1, 0.95))
    date_axis(panels[-1], days)
    for axes in panels:
        _ground(axes, chart, at)
    _cusum(panels[0], chart, at, h)
    _individuals(panels[1], chart, at)
    _ewma(panels[2], chart, at)
    _mark_events(panels, found, h)
    for axes, label in zip(panels, (f"{name} ({SIGMA})" for name in _PANELS), strict=True):
        axes.set_ylabel(label)
    figure.align_ylabels(panels)
    figure.legend(handles=_handles(chart, found), loc="outside upper left", ncols=4, **TIGHT)
    return figure


_PANELS = ("CUSUM", "Resíduo", "EWMA")
TIGHT: dict[str, Any] = {"borderaxespad": 0, "columnspacing": 1.4}


def _ground(axes: Axes, chart: DataFrame, at: NDArray[np.float64]) -> None:
    """Phase I as a shade, the zero line, and a cross below for each day that does not count."""
    first = (chart["phase"] == 1).to_numpy()
    if first.any():
        axes.axvspan(at[0] - 0.6, at[first][-1] + 0.5, color=PHASE, zorder=-2, linewidth=0)
    axes.axhline(0, color="#999999", linewidth=0.6, zorder=0)
    out = ~chart["valid"].to_numpy(dtype=bool)
    cross: dict[str, Any] = {
        "markersize": 3.5 if len(at) <= 2 * WIDEST_BARS_DAYS else 2.0,
        "color": DARK,
    }
    across = axes.get_xaxis_transform()
    axes.plot(at[out], np.full(out.sum(), 0.045), "x", transform=across, **cross)


def _line(axes: Axes, at: NDArray[np.float64], values: Any, phase: Any, **look: Any) -> None:
    """A line that is cut between the phases, with markers where there is room for them."""
    if len(at) > 2 * WIDEST_BARS_DAYS:
        look |= {"markersize": 1.2 if look.get("linestyle") == "none" else 0, "linewidth": 1.0}
    y = np.asarray(values, float).round(6)
    for own in (1, 2):
        part = np.asarray(phase) == own
        axes.plot(at[part], y[part], **look)


def _cusum(axes: Axes, chart: DataFrame, at: NDArray[np.float64], h: float) -> None:
    _line(axes, at, chart["c_plus"], chart["phase"], color=UPPER, **_PLUS)
    _line(axes, at, -chart["c_minus"], chart["phase"], color=LOWER, **_MINUS)
    for level in (h, -h):
        axes.axhline(level, **LIMIT)
    axes.set_ylim(min(-1.3 * h, -1.1 * chart["c_minus"].max()), _top(chart, h))
    _limit_labels(axes, {h: "H", -h: "−H"})


def _top(chart: DataFrame, h: float) -> float:
    return max(1.45 * h, 1.18 * float(chart["c_plus"].max()))


_PLUS: dict[str, Any] = {"marker": "o", "markersize": 2.6, "linewidth": 1.3}
_MINUS: dict[str, Any] = {
    **{"marker": "s", "markersize": 2.2, "linewidth": 1.0, "markerfacecolor": "white"},
    "linestyle": (0, (3, 1.2)),
}


def _individuals(axes: Axes, chart: DataFrame, at: NDArray[np.float64]) -> None:
    score = chart["shown_score"].to_numpy(dtype=float)
    _line(axes, at, score, chart["phase"], color=POINTS, **_DOTS)
    beyond = chart["beyond"].to_numpy(dtype=bool)
    axes.plot(at[beyond], score[beyond].round(6), "o", color=ALARM, markersize=4.2, zorder=5)
    for level in (3.0, -3.0):
        axes.axhline(level, **LIMIT)
    reach = max(4.0, 1.15 * float(np.nanmax(np.abs(score), initial=0.0)))
    axes.set_ylim(-reach, reach)
    _limit_labels(axes, {3.0: f"+3 {SIGMA}", -3.0: f"−3 {SIGMA}"})


_DOTS: dict[str, Any] = {"marker": "o", "markersize": 2.4, "linewidth": 0.7}


def _ewma(axes: Axes, chart: DataFrame, at: NDArray[np.float64]) -> None:
    for name in ("z_lower", "z_upper"):
        _line(axes, at, chart[name], chart["phase"], **LIMIT)
    _line(axes, at, chart["z"], chart["phase"], color=MEAN, **(_DOTS | {"linewidth": 1.2}))
    out = chart["z_signal"].to_numpy(dtype=bool)
    axes.plot(at[out], chart.loc[out, "z"].round(6), "o", color=ALARM, markersize=3.4, zorder=5)
    reach = 1.25 * float(chart[["z", "z_lower", "z_upper"]].abs().to_numpy().max())
    axes.set_ylim(-reach, reach)
    last = chart[["z_lower", "z_upper"]].iloc[-1]
    _limit_labels(axes, {float(last["z_upper"]): "LSC", float(last["z_lower"]): "LIC"})


def _limit_labels(axes: Axes, levels: dict[float, str]) -> None:
    """What each limit is called, at its right end, outside the axes."""
    for level, name in levels.items():
        text: dict[str, Any] = {
            "textcoords": "offset points",
            "va": "center",
            "size": "small",
            "color": DARK,
        }
        axes.annotate(name, (1, level), (3, 0), xycoords=("axes fraction", "data"), **text)


def _mark_events(panels: Any, found: DataFrame, h: float) -> None:
    """A triangle at each signal; a dotted line where its change is put, with dates if one."""
    for row in found.itertuples():
        changed, signalled = (_at(day) for day in (row.change_date, row.signal_date))
        for axes in panels:
            axes.axvline(changed + 0.5, color=ALARM, zorder=0.5, **_DOTTED)
        side = 1 if row.side == "upper" else -1
        point = (signalled, side * h)
        panels[0].plot(*point, "v" if side > 0 else "^", color=ALARM, markersize=6, zorder=6)
        if len(found) == 1:
            away = -1 if _is_right(panels[0], changed) else 1
            place = {"ha": "right" if away < 0 else "left", **_NOTE}
            text = f"sinal em {_day(row.signal_date)}"
            panels[0].annotate(text, point, (5 * away, (7 if away < 0 else 17) * side), **place)
            foot = {"xycoords": ("data", "axes fraction"), **place}
            text = f"mudança após {_day(row.change_date)}"
            panels[2].annotate(text, (changed + 0.5, 0.08), (5 * away, 0), **foot)


def _is_right(axes: Axes, at: float) -> bool:
    """Whether there is room for a note to the left of a day."""
    first, last = axes.get_xlim()
    return at - first > 0.35 * (last - first)


_DOTTED: dict[str, Any] = {"linewidth": 0.9, "linestyle": (0, (1, 1.5))}
_NOTE: dict[str, Any] = {
    **{"textcoords": "offset points", "color": ALARM, "size": "small", "va": "center"},
    "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.6},
    "zorder": 0.8,  # a note never hides a value
}


def _at(day: Any) -> float:
    return float(as_dates(DatetimeIndex([day]))[0])


def _day(day: Any) -> str:
    return f"{pd.Timestamp(day).day} {MONTHS[pd.Timestamp(day).month - 1]}"


def _handles(chart: DataFrame, found: DataFrame) -> list[Any]:
    handles: list[Any] = [
        Line2D([], [], color=UPPER, label=r"$C^{+}$", **_PLUS),
        Line2D([], [], color=LOWER, label=r"$C^{-}$ (para baixo)", **_MINUS),
        Line2D([], [], label="limites", **LIMIT),
    ]
    if (chart["phase"] == 1).any():
        handles.append(Patch(color=PHASE, label="Fase I"))
    if not chart["valid"].all():
        cross: dict[str, Any] = {
            "marker": "x",
            "markersize": 3.5,
            "linestyle": "none",
            "color": DARK,
        }
        handles.append(Line2D([], [], label="dia excluído", **cross))
    if chart["beyond"].any() or chart["z_signal"].any():
        dot: dict[str, Any] = {
            "marker": "o",
            "markersize": 3.8,
            "linestyle": "none",
            "color": ALARM,
        }
        handles.append(Line2D([], [], label="além dos limites", **dot))
    if len(found):
        mark: dict[str, Any] = {"marker": "v", "markersize": 5, "linestyle": "none", "color": ALARM}
        handles.append(Line2D([], [], label="sinal do CUSUM", **mark))
        handles.append(Line2D([], [], label="mudança estimada", color=ALARM, **_DOTTED))
    return handles
