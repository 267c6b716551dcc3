"""The drawing of coverage: a calendar of devices by days, and the gaps in time.

Belongs here: how coverage, lost hours and gaps look. Does not belong here: computing them
(`coverage.py`, `loss_sums.py`, `gap_causes.py`), other drawings (`plots.py`).
"""

from datetime import datetime
from itertools import zip_longest
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray
from pandas import DataFrame, DatetimeIndex, Series

from lib.figures import PALETTE, canvas, localize, style
from lib.gap_causes import API, CLASS_NAMES, COLLECTOR, DEVICE, JOINT, NETWORK, POWER
from lib.plots import NO_DATA, WIDEST_BARS_DAYS, as_dates, blank, date_axis, drawing, short

MOST_ROWS = 30
TALLEST = 1.25  # of the text's width: higher, it would not fit beside its caption
# Coverage from this share on, its colour and what the legend calls it; darker is better.
CLASSES = (
    (0.0, "#FFFFFF", "não observado"),
    (0.0005, "#D3E5F2", "< 50 %"),
    (0.5, "#97C2E0", "50 a 90 %"),
    (0.9, "#3F8FC5", "90 a 99 %"),
    (0.99, "#084A7C", "≥ 99 %"),
)
UNKNOWN = "#E4E4E4"
EDGE = "#BBBBBB"
LOST: dict[str, Any] = {
    "facecolor": "none",
    "edgecolor": PALETTE[4],
    "hatch": "//////",
    "hatchcolor": PALETTE[4],
    "linewidth": 0.7,
}


@drawing
def calendar(cells: DataFrame) -> Figure:
    """Coverage of each device and local date in classes; days with lost hours are hatched.

    Columns: device_id, device_name, local_date, coverage (0 to 1), lost_h [h].
    """
    cells = _fitting(cells)
    names = cells.drop_duplicates("device_id").set_index("device_id")["device_name"]
    days = pd.date_range(cells["local_date"].min(), cells["local_date"].max(), freq="D")
    share, lost_h = (
        cells.pivot(index="device_id", columns="local_date", values=column)
        .reindex(names.index)
        .reindex(days, axis="columns")
        for column in ("coverage", "lost_h")
    )
    lost = lost_h > 0
    figure = canvas(height=min(TALLEST, 0.2 + 0.038 * len(names)))
    axes = figure.add_subplot()
    _cells(axes, share, days)
    _lost(axes, lost, days)
    axes.set_yticks(np.arange(len(names)), [short(str(name)) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    date_axis(axes, days)
    axes.grid(visible=False)
    _legend(figure, unknown=bool(share.isna().to_numpy().any()), lost=bool(lost.to_numpy().any()))
    return figure


def _fitting(cells: DataFrame) -> DataFrame:
    """Devices by name; those that no row is left for are one row, the mean of them."""
    cells = cells.sort_values(["device_name", "device_id", "local_date"])
    ids = cells["device_id"].unique()
    if len(ids) <= MOST_ROWS:
        return cells
    rest = cells["device_id"].isin(ids[MOST_ROWS - 1 :])
    label = f"outros ({len(ids) - MOST_ROWS + 1})"
    mean = cells[rest].groupby("local_date", as_index=False)[["coverage", "lost_h"]].mean()
    return pd.concat([cells[~rest], mean.assign(device_id=label, device_name=label)])


def _cells(axes: Axes, share: DataFrame, days: DatetimeIndex) -> None:
    """One coloured cell for each device and day; over months without edges, which would hide it."""
    lower = [floor for floor, _, _ in CLASSES]
    colours = ListedColormap([colour for _, colour, _ in CLASSES]).with_extremes(bad=UNKNOWN)
    at = as_dates(days)
    few = len(at) <= WIDEST_BARS_DAYS
    edges: dict[str, Any] = {"edgecolors": EDGE, "linewidth": 0.3} if few else {}
    axes.pcolormesh(
        np.append(at - 0.5, at[-1] + 0.5),
        np.arange(len(share) + 1) - 0.5,
        np.ma.masked_invalid(share.round(6).to_numpy(dtype=float)),
        cmap=colours,
        norm=BoundaryNorm([*lower, 1.01], colours.N),
        **edges,
    )
    for row in range(1, 0 if few else len(share)):
        axes.axhline(row - 0.5, color="white", linewidth=0.8)


def _lost(axes: Axes, lost: DataFrame, days: DatetimeIndex) -> None:
    """Hatch each run of days of a device that have lost hours."""
    at = as_dates(days)
    for row, own in enumerate(lost.to_numpy()):
        edges = np.flatnonzero(np.diff(own.astype(int), prepend=0, append=0))
        for first, after in edges.reshape(-1, 2):
            corner = at[first] - 0.5, row - 0.5
            axes.add_patch(Rectangle(corner, float(after - first), 1.0, **LOST))


def _legend(figure: Figure, *, unknown: bool, lost: bool) -> None:
    shown = [Patch(facecolor=c, edgecolor=EDGE, linewidth=0.3, label=n) for _, c, n in CLASSES]
    marks = [Patch(**LOST, label="com horas perdidas")] if lost else []
    if unknown:
        marks.append(Patch(facecolor=UNKNOWN, edgecolor=EDGE, linewidth=0.3, label="sem registro"))
    # Legends are filled by columns: so the classes are the first row, the marks the second.
    handles = [patch for pair in zip_longest(shown, marks) for patch in pair if patch]
    figure.legend(handles=handles, loc="outside upper left", ncols=len(shown), borderaxespad=0)


SHORTEST_S = 60.0  # what is shorter is not drawn: it is the jitter of an hourly report
NARROWEST = 1 / 250  # of the width: what is narrower is drawn as a stroke
# A class is a bar or, where it is short, a stroke; events of the house have a mark above as well.
BARS: dict[str, dict[str, Any]] = {
    DEVICE: {"facecolor": PALETTE[5], "edgecolor": PALETTE[5], "linewidth": 0},
    JOINT: {"facecolor": PALETTE[7], "edgecolor": "white", "hatch": "....", "linewidth": 0},
    NETWORK: {"facecolor": PALETTE[4], "edgecolor": "white", "hatch": "----", "linewidth": 0},
    POWER: {"facecolor": "black", "edgecolor": "black", "linewidth": 0},
    COLLECTOR: {"facecolor": PALETTE[1], "edgecolor": "black", "hatch": "////", "linewidth": 0},
    API: {"facecolor": PALETTE[2], "edgecolor": "black", "hatch": "\\\\\\\\", "linewidth": 0},
}
MARKS = {POWER: "v", NETWORK: "s", JOINT: "o"}
STROKES: dict[str, Literal["solid", "dashed", "dotted"]] = {NETWORK: "dashed", JOINT: "dotted"}
GONE: dict[str, Any] = {"facecolor": "none", "edgecolor": "black", "linewidth": 1.0}


def timeline(
    gaps: DataFrame, names: "Series[str]", window: tuple[datetime, datetime], time_zone: str
) -> Figure:
    """The gaps of each device in time by class; what is lost for ever is outlined.

    `gaps` as `gap_causes.classified`, `names` by device_id, of devices without gaps too. Gaps of
    less than a minute are left out, narrow ones drawn as strokes that are wider than they are.
    """
    with style():
        shown = gaps[(gaps["gap_s"] >= SHORTEST_S) & gaps["device_id"].isin(names.index)]
        if names.empty:
            return blank(NO_DATA)
        if shown.empty:
            return blank("Nenhuma lacuna de um minuto ou mais no período.")
        return localize(_timeline(shown, names, window, time_zone))


def _timeline(
    gaps: DataFrame, names: "Series[str]", window: tuple[datetime, datetime], time_zone: str
) -> Figure:
    lanes = names.sort_values(kind="stable")
    labels = [short(str(name)) for name in lanes.iloc[:MOST_ROWS]]
    if len(lanes) > MOST_ROWS:
        labels[-1] = f"outros ({len(lanes) - MOST_ROWS + 1})"
    row = dict(zip(lanes.index, range(len(lanes)), strict=True))
    gaps = gaps.assign(
        row=gaps["device_id"].map(row).clip(upper=len(labels) - 1),
        start=_local(gaps["gap_start"], time_zone),
        end=_local(gaps["gap_end"], time_zone),
    )
    first, last = (pd.Timestamp(edge).tz_convert(time_zone).tz_localize(None) for edge in window)
    days = pd.date_range(first.normalize(), last.normalize(), freq="D")
    figure = canvas(height=min(TALLEST, 0.3 + 0.038 * len(labels)))
    axes = figure.add_subplot()
    date_axis(axes, days)
    _gaps(axes, gaps, sum(axes.get_xlim() * np.array([-1, 1])) * NARROWEST)
    _events(axes, gaps)
    axes.set_yticks(np.arange(-1, len(labels)), ["quedas conjuntas", *labels])
    axes.set_ylim(len(labels) - 0.4, -1.7)
    axes.tick_params(axis="y", length=0)
    for edge in np.arange(len(labels)) - 0.5:
        axes.axhline(edge, color="#DDDDDD", linewidth=0.5, zorder=0)
    axes.grid(visible=False, axis="y")
    _classes(figure, gaps)
    return figure


def _local(instants: "Series[pd.Timestamp]", time_zone: str) -> NDArray[np.float64]:
    """Instants as matplotlib counts local days."""
    local = instants.dt.tz_convert(time_zone).dt.tz_localize(None)
    return as_dates(DatetimeIndex(local)).round(5)


def _gaps(axes: Axes, gaps: DataFrame, narrowest: float) -> None:
    """Bars and strokes of each class; an event of the house goes through from lane to lane."""
    for name, look in BARS.items():
        own = gaps[gaps["gap_class"] == name]
        reach = 0.5 if name in MARKS else 0.3
        wide = own["end"] - own["start"] >= narrowest
        for _, bars in own[wide].groupby("row"):
            spans = list(zip(bars["start"], bars["end"] - bars["start"], strict=True))
            lane = float(bars["row"].iloc[0])
            axes.broken_barh(spans, (lane - reach, 2 * reach), **look)
        thin = own[~wide]
        colour = look["facecolor"]
        edges = thin["row"] - reach, thin["row"] + reach
        line = STROKES.get(name, "solid")
        axes.vlines(thin["start"], *edges, colour, line, linewidth=1.0 if name in MARKS else 0.7)
    for gone in gaps[gaps["lost_s"] > 0].to_dict("records"):
        corner = gone["start"], gone["row"] - 0.42
        axes.add_patch(Rectangle(corner, gone["end"] - gone["start"], 0.84, **GONE))


def _events(axes: Axes, gaps: DataFrame) -> None:
    """A mark above the lanes for each event that took the house, or a part of it."""
    for name, mark in MARKS.items():
        own = gaps[(gaps["gap_class"] == name) & (gaps["event"] >= 0)]
        starts = own.groupby("event")["start"].min()
        axes.plot(starts, np.full(len(starts), -1.05), mark, clip_on=False, **_mark(name))


def _mark(name: str) -> dict[str, Any]:
    colour = BARS[name]["facecolor"]
    hollow = "white" if name == NETWORK else colour
    return {"color": colour, "markersize": 4.5, "markerfacecolor": hollow, "linestyle": "none"}


def _classes(figure: Figure, gaps: DataFrame) -> None:
    """The classes that occur, each as it is drawn."""
    found = set(gaps["gap_class"])
    handles: list[Any] = [
        Line2D([], [], marker=MARKS[name], label=CLASS_NAMES[name], **_mark(name))
        if name in MARKS
        else Patch(label=CLASS_NAMES[name], **look)
        for name, look in BARS.items()
        if name in found
    ]
    if (gaps["lost_s"] > 0).any():
        handles.append(Patch(label="perdida em definitivo", **GONE))
    figure.legend(handles=handles, loc="outside upper left", ncols=3, borderaxespad=0)
