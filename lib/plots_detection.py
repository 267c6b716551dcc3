"""The drawing of detection delays: how soon each method finds a change in real residuals.

Belongs here: how the study looks. Does not belong here: the study (`detection.py`), the charts
(`plots_spc.py`).
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator
from pandas import DataFrame

from lib import detection, run_length
from lib.figures import PALETTE, canvas
from lib.plots import drawing
from lib.plots_spc import SIGMA, TIGHT, said
from lib.portuguese import number

NO_RESIDUALS = "Sem resíduos da Fase I para o ensaio de detecção."
LOOKS: dict[str, dict[str, Any]] = {
    "cusum": {"color": PALETTE[0], "linestyle": "-", "marker": "o"},
    "ewma": {"color": PALETTE[2], "linestyle": (0, (5, 2)), "marker": "s"},
    "shewhart": {"color": PALETTE[4], "linestyle": (0, (4, 1.5, 1, 1.5)), "marker": "^"},
    "threshold": {"color": PALETTE[6], "linestyle": (0, (1, 1.2)), "marker": "D"},
}
DELAYS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


def detection_delay(found: DataFrame, k: float, h: float) -> Figure:
    """Mean delay of each method against the size of a shift and of a drift, from real residuals.

    `found` as `detection.study` gives it; the theory of CUSUM and Shewhart beside it.
    """
    if found.empty:
        return said(NO_RESIDUALS)
    return drawing(lambda frame: _detection_delay(frame, k, h))(found)


def _detection_delay(found: DataFrame, k: float, h: float) -> Figure:
    figure = canvas(height=0.52)
    shift, drift = figure.subplots(1, 2, sharey=True, width_ratios=(1.6, 1))
    for axes, kind in ((shift, "shift"), (drift, "drift")):
        for name, look in LOOKS.items():
            own = found[(found["kind"] == kind) & (found["method"] == name)]
            axes.plot(own["size"], own["delay_d"].round(3), markersize=3.4, linewidth=1.3, **look)
    sizes = np.linspace(0.25, 4, 40)
    for length in (lambda s: run_length.cusum_two_sided(k, h, s), run_length.shewhart):
        lengths = [round(float(length(s)), 4) for s in sizes]
        shift.plot(sizes, lengths, color="#9A9A9A", linewidth=0.8, zorder=0)
    _delay_axes(shift, drift)
    names = detection.METHODS.items()
    handles = [Line2D([], [], label=name, markersize=3.4, **LOOKS[key]) for key, name in names]
    handles.append(Line2D([], [], color="#9A9A9A", linewidth=0.8, label="teoria (CUSUM, Shewhart)"))
    figure.legend(handles=handles, loc="outside upper left", ncols=5, **TIGHT, handlelength=2.4)
    return figure


def _delay_axes(shift: Axes, drift: Axes) -> None:
    shift.set_yscale("log")
    shift.set_ylim(0.9, 400)
    shift.set_yticks(DELAYS[:-1])
    shift.yaxis.set_major_formatter(FuncFormatter(lambda y, _: number(y)))
    shift.yaxis.set_minor_locator(NullLocator())
    shift.set_ylabel("Atraso médio (d)")
    shift.set_xlabel(f"Degrau ({SIGMA})")
    drift.set_xlabel(f"Deriva ({SIGMA} por dia)")
    shift.set_xlim(0, 4.15)
    drift.set_xlim(0, 0.21)
    drift.set_xticks((0, 0.05, 0.1, 0.15, 0.2))
    drift.tick_params(axis="y", length=0)
