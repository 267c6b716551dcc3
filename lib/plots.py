"""The drawings: frames in, matplotlib figures out.

Belongs here: how a table of energy or power looks. Does not belong here: computing it, or
saving it (`figures.save`). A gap is drawn as a gap; an empty frame says so in a sentence.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray
from pandas import DataFrame, DatetimeIndex, Series

from lib.figures import DARK, GREY, PALETTE, canvas, localize, style
from lib.portuguese import number, printable
from lib.times import MONTHS

NO_DATA = "Sem dados no período."
FULL_DAY = 0.9
DAY_KINDS = ("dia útil", "sábado", "domingo e feriado")
LONGEST_NAME = 24
MOST_BARS = 12
WIDEST_BARS_DAYS = 62  # beyond, single bars would be thinner than their edges


def blank(sentence: str = NO_DATA) -> Figure:
    """A figure that only says, in a sentence, why there is nothing to draw."""
    figure = canvas(height=0.2)
    figure.text(0.5, 0.5, sentence, ha="center", va="center", color=DARK)
    return figure


def drawing(draw: Callable[[DataFrame], Figure]) -> Callable[[DataFrame], Figure]:
    """Draw in the document's style; an empty frame gives a sentence instead."""

    @wraps(draw)
    def drawn(frame: DataFrame) -> Figure:
        with style():
            return localize(blank() if frame.empty else draw(frame))

    return drawn


@drawing
def daily_energy(daily: DataFrame) -> Figure:
    """Energy of each local day, stacked by device; days observed below 90 % are hatched.

    Columns: date or local_date, device_name, energy_wh [Wh], coverage (0 to 1).
    """
    daily = daily.rename(columns={"local_date": "date"})
    daily = daily.assign(date=pd.to_datetime(daily["date"]))
    days = pd.date_range(daily["date"].min(), daily["date"].max(), freq="D")
    energy_wh = daily.pivot_table(
        index="date", columns="device_name", values="energy_wh", aggfunc="sum"
    )
    energy_kwh = _largest(_kwh(energy_wh.reindex(days).fillna(0.0)), len(PALETTE))
    figure = canvas(height=0.55)
    axes = figure.add_subplot()
    _stack(axes, energy_kwh)
    low = daily.groupby("date")["coverage"].mean().reindex(days).fillna(0.0) < FULL_DAY
    _hatch(axes, low)
    axes.set_ylabel("Energia diária (kWh)")
    axes.set_ylim(bottom=0, top=None if energy_kwh.to_numpy().any() else 1)
    date_axis(axes, days)
    _legend_above(figure, axes, hatched=bool(low.any()))
    return figure


def _kwh(energy_wh: DataFrame) -> DataFrame:
    """Energy to the milliwatt-hour: a sum in another order must not move a figure's bytes."""
    return (energy_wh / 1000).round(6)


def as_dates(days: DatetimeIndex) -> NDArray[np.float64]:
    """Days as matplotlib counts them."""
    return np.asarray(dates.date2num(days.to_numpy()), np.float64)  # type: ignore[no-untyped-call]


def _largest(energy_kwh: DataFrame, most: int) -> DataFrame:
    """The columns by their sum; those beyond `most` become one column "outros (n)"."""
    ordered = energy_kwh[energy_kwh.sum().sort_values(ascending=False, kind="stable").index]
    if ordered.shape[1] <= most:
        return ordered
    rest = ordered.iloc[:, most - 1 :]
    return ordered.iloc[:, : most - 1].assign(**{f"outros ({rest.shape[1]})": rest.sum(axis=1)})


def _stack(axes: Axes, energy_kwh: DataFrame) -> None:
    """Stacked bars; over months, contiguous steps, which stay light and legible."""
    at = as_dates(DatetimeIndex(energy_kwh.index))
    edges = np.append(at - 0.5, at[-1] + 0.5)
    base = np.zeros(len(at))
    for position, name in enumerate(energy_kwh.columns):
        top = base + energy_kwh[name].to_numpy(dtype=float)
        colour = GREY if str(name).startswith("outros (") else PALETTE[position]
        label = short(str(name))
        if len(at) <= WIDEST_BARS_DAYS:
            axes.bar(at, top - base, 0.86, base, color=colour, label=label, **_EDGES)
        else:
            axes.stairs(top, edges, baseline=base, color=colour, label=label, **_PLAIN)
        base = top


_EDGES: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.3}
_PLAIN: dict[str, Any] = {"fill": True, "linewidth": 0}


def _hatch(axes: Axes, low: Series) -> None:
    """Hatch each run of poorly observed days over the whole height, also empty ones."""
    days = as_dates(DatetimeIndex(low.index))
    runs = (low != low.shift()).cumsum()
    for _, run in pd.Series(days, index=low.index)[low].groupby(runs[low]):
        axes.axvspan(run.iloc[0] - 0.5, run.iloc[-1] + 0.5, **_HATCHED, zorder=3)


_HATCHED: dict[str, Any] = {
    "facecolor": "none",
    "edgecolor": "#666666",
    "hatch": "//////",
    "linewidth": 0,
}


def _legend_above(figure: Figure, axes: Axes, *, hatched: bool) -> None:
    handles, names = axes.get_legend_handles_labels()
    if hatched:
        handles, names = [*handles, Patch(**_HATCHED)], [*names, "cobertura < 90 %"]
    columns = 4 if max(map(len, names)) <= 18 else 3
    figure.legend(handles, names, loc="outside upper left", ncols=columns, borderaxespad=0)


def date_axis(axes: Axes, days: DatetimeIndex) -> None:
    """Days as "14 mar.", months as "mar. 2026"; at least a week wide."""
    first, last = as_dates(days)[[0, -1]]
    spare = max(0.0, 6 - (last - first)) / 2
    axes.set_xlim(first - 0.6 - spare, last + 0.6 + spare)
    long = last - first > 150
    axes.set_xticks(as_dates(_ticks(days, monthly=long)))
    axes.xaxis.set_major_formatter(lambda at, _: _date_label(at, monthly=long))
    years = f"{days[0].year}" if days[0].year == days[-1].year else f"{days[0]:%Y}–{days[-1]:%Y}"
    axes.set_xlabel("Mês" if long else f"Dia ({years})")
    axes.grid(visible=False, axis="x")


def _ticks(days: DatetimeIndex, *, monthly: bool) -> DatetimeIndex:
    """At most nine ticks, at firsts of months or every n days."""
    firsts = days[days.day == 1]
    return firsts[:: -(-len(firsts) // 8)] if monthly else days[:: -(-len(days) // 9)]


def _date_label(at: float, *, monthly: bool) -> str:
    day = pd.Timestamp(at, unit="D")
    month = MONTHS[day.month - 1]
    return f"{month} {day.year}" if monthly else f"{day.day} {month}"


def short(name: str) -> str:
    """A name for a label: a dollar sign is no formula, and it fits."""
    name = printable(name).replace("$", r"\$").lstrip("_")
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1].rstrip()}…"


@drawing
def load_curve(curve: DataFrame) -> Figure:
    """Mean power over the local day with the band of P10 to P90, one panel for each kind of day.

    Columns: day_kind, hour (from 0, by hours or quarters), power_w_mean, power_w_p10,
    power_w_p90 [W], days.
    """
    found = list(dict.fromkeys(curve["day_kind"]))
    kinds = [kind for kind in DAY_KINDS if kind in found]
    kinds += [kind for kind in found if kind not in DAY_KINDS]
    figure = canvas(height=0.42)
    panels = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
    for axes, kind in zip(panels, kinds, strict=True):
        _panel(axes, curve[curve["day_kind"] == kind], kind)
    panels[0].set_ylabel("Potência (W)")
    panels[0].set_ylim(bottom=0)
    figure.supxlabel("Hora local (h)", size="medium")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=2, borderaxespad=0)
    return figure


def _panel(axes: Axes, rows: DataFrame, kind: str) -> None:
    steps = int(24 / _step_h(rows["hour"]))
    edges = np.arange(steps + 1) * 24 / steps
    slots = rows.set_index("hour").reindex(edges[:-1]).round(3)
    mean, low, high = (
        slots[f"power_w_{name}"].to_numpy(dtype=float) for name in ("mean", "p10", "p90")
    )
    axes.stairs(
        *(high, edges), baseline=low, fill=True, color="#A9CCE3", label="P10 a P90", linewidth=0
    )
    axes.stairs(mean, edges, baseline=None, color=PALETTE[0], linewidth=1.4, label="média")
    count = int(rows["days"].max())
    axes.set_title(f"{kind} ({number(count)} {'dia' if count == 1 else 'dias'})")
    axes.set_xlim(0, 24)
    axes.set_xticks(range(0, 25, 6))


def _step_h(hours: Series) -> float:
    """The length of a curve's slots: a quarter of an hour where one begins at one. [h]"""
    return 1.0 if (hours % 1 == 0).all() else 0.25


@drawing
def energy_share(share: DataFrame) -> Figure:
    """Energy of each device, largest first, with its share and the running sum.

    Columns: device_name, energy_wh [Wh].
    """
    sums_wh = share.groupby("device_name")["energy_wh"].sum()
    energy_kwh = _largest(_kwh(sums_wh.to_frame().T), MOST_BARS).iloc[0]
    total_kwh = float(energy_kwh.sum())
    if total_kwh <= 0:
        return blank("Nenhuma energia registrada no período.")
    figure = canvas(height=0.12 + 0.045 * len(energy_kwh))
    axes = figure.add_subplot()
    names = [short(str(name)) for name in energy_kwh.index]
    colours = [GREY if name.startswith("outros (") else PALETTE[0] for name in names]
    rows = np.arange(len(names))
    axes.barh(rows, energy_kwh.to_numpy(dtype=float), 0.7, color=colours)
    _share_labels(axes, energy_kwh / total_kwh, energy_kwh)
    axes.set_yticks(rows, names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 1.42 * float(energy_kwh.max()))
    axes.set_xlabel("Energia (kWh)")
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    return figure


def _share_labels(axes: Axes, share: Series, energy_kwh: Series) -> None:
    for row, (part, running) in enumerate(zip(share, share.cumsum(), strict=True)):
        text = f"{number(100 * part, 1)} %"
        if row:
            text += f" (acum. {number(100 * running, 1)} %)"
        at = (float(energy_kwh.iloc[row]), row)
        axes.annotate(text, at, (4, 0), textcoords="offset points", va="center", size="small")
