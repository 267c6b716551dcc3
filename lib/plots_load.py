"""The drawings of meters and loads: agreement, duration curve, heat map of the week.

Belongs here: how these look. Does not belong here: computing them (`meters.py`, `load.py`),
the drawings of energy and of the load curve (`plots.py`).
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from pandas import DataFrame

from lib.figures import DARK, PALETTE, canvas
from lib.meters import limits
from lib.plots import blank, drawing, short
from lib.portuguese import number

FEWEST_DAYS = 3  # of a device, to speak of limits of agreement
MOST_PANELS = 12
WEEKDAYS = ("seg.", "ter.", "qua.", "qui.", "sex.", "sáb.", "dom.")
# From light to dark: the same order in grey.
HEAT = ("#F4F8FB", "#D3E5F2", "#97C2E0", "#3F8FC5", "#0B5F9E", "#063C66", "#021B33")


@drawing
def agreement(days: DataFrame) -> Figure:
    """Difference of a device's two meters against their mean, day by day, one panel each.

    After Bland and Altman (1986), the difference in per cent of the mean, with its bias and
    limits of agreement (1.96 standard deviations) of the device. Columns: device_id,
    device_name, mean_kwh, difference_kwh. Of many devices those of most energy are drawn.
    """
    days = days.round({"mean_kwh": 6, "difference_kwh": 6})  # to the milliwatt-hour
    groups = [own for _, own in days.groupby("device_id") if len(own) >= FEWEST_DAYS]
    if not groups:
        return blank("Sem dias bastantes em que se possam comparar os dois medidores.")
    groups.sort(key=lambda own: (-round(own["mean_kwh"].mean(), 6), str(own["device_id"].iloc[0])))
    shown = groups[:MOST_PANELS]
    columns = min(4, len(shown))
    rows = -(-len(shown) // columns)
    figure = canvas(height=0.14 + 0.27 * rows)
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for axes, own in zip(panels, shown, strict=False):
        _differences(axes, own)
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    _symmetric(panels[0], shown)
    _agreement_labels(figure, panels[0], hidden=len(groups) - len(shown))
    return figure


def _relative_pct(days: DataFrame) -> "pd.Series[float]":
    relative: pd.Series[float] = days["difference_kwh"] / days["mean_kwh"] * 100
    return relative


def _differences(axes: Axes, days: DataFrame) -> None:
    """A device's points, its bias and its limits."""
    relative = _relative_pct(days)
    found = limits(relative)
    lower, upper, bias = (round(v, 6) for v in (found.lower, found.upper, found.bias))
    axes.axhspan(lower, upper, color="#DCE9F3", linewidth=0, label="limites de concordância")
    axes.axhline(bias, color=DARK, linewidth=1.0, label="viés")
    axes.plot(days["mean_kwh"].round(6), relative.round(6), "o", **_POINTS)
    said = f"{number(found.days)} dias, viés {number(found.bias, 1)} %"
    axes.set_title(f"{short(str(days['device_name'].iloc[0]))}\n{said}", size="small")
    low, high = float(days["mean_kwh"].min()), float(days["mean_kwh"].max())
    spare = max(0.08 * (high - low), 0.02 * high)
    axes.set_xlim(low - spare, high + spare)
    axes.xaxis.set_major_locator(MaxNLocator(3))


def _symmetric(axes: Axes, shown: list[DataFrame]) -> None:
    """The same scale for all panels, with zero in the middle."""
    highest = max(float(_relative_pct(own).abs().max()) for own in shown)
    axes.set_ylim(-1.15 * max(highest, 5.0), 1.15 * max(highest, 5.0))


def _agreement_labels(figure: Figure, axes: Axes, *, hidden: int) -> None:
    figure.supylabel("Integral − contador (% da média)", size="medium")
    figure.supxlabel("Média dos dois medidores (kWh por dia)", size="medium")
    handles, names = axes.get_legend_handles_labels()
    handles.append(Line2D([], [], marker="o", **_POINTS))
    names.append("um dia")
    if hidden:
        handles.append(Line2D([], [], linestyle="none"))
        names.append(f"sem mais {hidden} dispositivo(s)")
    figure.legend(handles, names, loc="outside upper left", ncols=4, borderaxespad=0)


_POINTS: dict[str, Any] = {
    "color": PALETTE[0],
    "markersize": 3.0,
    "markeredgecolor": "white",
    "markeredgewidth": 0.3,
    "linestyle": "none",
}
_AT_RIGHT: dict[str, Any] = {
    "xycoords": ("axes fraction", "data"),
    "xytext": (-1, 2),
    "textcoords": "offset points",
    "ha": "right",
    "va": "bottom",
    "size": "small",
    "color": DARK,
}


@drawing
def duration_curve(curve: DataFrame) -> Figure:
    """Power in falling order over the share of the observed time, with its mean.

    Columns: share_pct (where a step ends), power_w (its mean) [W]; from `load.duration`.
    """
    figure = canvas(height=0.42)
    axes = figure.add_subplot()
    edges = np.append(0.0, curve["share_pct"].to_numpy(float))
    power_w = curve["power_w"].round(3).to_numpy(float)
    axes.stairs(power_w, edges, fill=True, color="#A9CCE3", linewidth=0)
    axes.stairs(power_w, edges, baseline=None, color=PALETTE[0], linewidth=1.3)
    mean_w = float(np.average(power_w, weights=np.diff(edges)))
    axes.axhline(mean_w, color=DARK, linestyle="--", linewidth=0.9)
    axes.annotate(f"média: {number(mean_w)} W", (1, mean_w), **_AT_RIGHT)
    axes.set_xlim(0, 100)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("Parte do tempo observado (%)")
    axes.set_ylabel("Potência (W)")
    return figure


@drawing
def heat_map(cells: DataFrame) -> Figure:
    """Mean energy of each hour by day of the week; a cell of too few days stays blank.

    Columns: weekday (0 is Monday), hour, energy_kwh [kWh]; from `load.heat_map`.
    """
    grid = cells.pivot(index="weekday", columns="hour", values="energy_kwh")
    grid = grid.reindex(index=range(7), columns=range(24)).round(6)
    if not grid.notna().to_numpy().any():
        return blank("Menos de três dias observados em cada hora da semana.")
    figure = canvas(height=0.36)
    axes = figure.add_subplot()
    top = float(np.nanmax(grid.to_numpy(float)))
    mesh = axes.pcolormesh(
        np.arange(25),
        np.arange(8),
        np.ma.masked_invalid(grid.to_numpy(float)),
        cmap=LinearSegmentedColormap.from_list("heat", HEAT),
        norm=Normalize(0, top if top > 0 else 1),
        edgecolors="white",
        linewidth=0.4,
    )
    _blanks(axes, grid)
    axes.set_yticks(np.arange(7) + 0.5, WEEKDAYS)
    axes.set_ylim(7, 0)
    axes.tick_params(axis="y", length=0)
    axes.set_xticks(range(0, 25, 3))
    axes.set_xlabel("Hora local (h)")
    axes.grid(visible=False)
    bar = figure.colorbar(mesh, ax=axes, pad=0.015, aspect=14)
    bar.set_label("Energia média (kWh/h)")
    bar.outline.set_linewidth(0.4)
    return figure


def _blanks(axes: Axes, grid: DataFrame) -> None:
    """Hatch the cells without a number: white alone would look like little energy."""
    for row, column in np.argwhere(grid.isna().to_numpy()):
        axes.add_patch(Rectangle((float(column), float(row)), 1, 1, **_BLANK))


_BLANK: dict[str, Any] = {
    "facecolor": "white",
    "edgecolor": "#BBBBBB",
    "hatch": "//////",
    "linewidth": 0,
}
