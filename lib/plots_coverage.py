"""The drawing of coverage: a calendar of devices by days.

Belongs here: how coverage and lost hours look. Does not belong here: computing them
(`coverage.py`, `loss_sums.py`), other drawings (`plots.py`).
"""

from itertools import zip_longest
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from pandas import DataFrame, DatetimeIndex

from lib.figures import PALETTE, canvas
from lib.plots import WIDEST_BARS_DAYS, as_dates, date_axis, drawing, short

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
