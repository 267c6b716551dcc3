"""The drawings of energy and cost by tariff post.

Belongs here: how tables of posts, devices and billing periods look. Does not belong here:
computing them (`tariff.py`, `bill.py`), saving them (`figures.save`).
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from pandas import DataFrame

from lib import posts
from lib.figures import DARK, PALETTE, canvas, localize, style
from lib.plots import blank, drawing, short
from lib.portuguese import number
from lib.posts import INTERMEDIATE, OFF_PEAK, PEAK, POSTS, UNPLACED
from lib.times import MONTHS

# Dark, middle and light, so that posts also differ in grey; hatches say it twice.
LOOK: dict[str, dict[str, Any]] = {
    PEAK: {"facecolor": PALETTE[4], "hatch": "////"},
    INTERMEDIATE: {"facecolor": PALETTE[1], "hatch": "...."},
    OFF_PEAK: {"facecolor": "#A9CCE3"},
    UNPLACED: {"facecolor": "white", "hatch": "xxxx"},
}
BANDS = {PEAK: "#F2C4A6", INTERMEDIATE: "#FBE7C6"}
MOST_BARS = 12
_EDGES: dict[str, Any] = {"edgecolor": DARK, "linewidth": 0.4}


def _legend(figure: Figure, handles: list[Any], names: list[str], columns: int = 4) -> None:
    figure.legend(handles, names, loc="outside upper left", ncols=columns, borderaxespad=0)


@drawing
def by_post(table: DataFrame) -> Figure:
    """Energy of each device by tariff post, largest first; the right label is its cost.

    Columns: device_name, `<post>_kwh` for each post [kWh], net_brl [R$], missing without rates.
    """
    rows = _largest(table)
    if float(rows["energy_kwh"].abs().sum()) <= 0:
        return blank("Nenhuma energia registrada no período.")
    figure = canvas(height=0.16 + 0.045 * len(rows))
    axes = figure.add_subplot()
    at = np.arange(len(rows))
    left = np.zeros(len(rows))
    handles = []
    shown = [p for p in (*POSTS, UNPLACED) if float(rows[f"{p}_kwh"].clip(lower=0).sum()) > 0]
    for post in shown:
        width = rows[f"{post}_kwh"].clip(lower=0).round(6).to_numpy(dtype=float)
        axes.barh(at, width, 0.7, left, **LOOK[post], **_EDGES)
        handles.append(Patch(**LOOK[post], **_EDGES))
        left = left + width
    _costs(axes, rows, left)
    axes.set_yticks(at, [short(str(name)) for name in rows["device_name"]])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 1.2 * float(left.max()))
    axes.set_xlabel("Energia (kWh)")
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.tick_params(axis="y", length=0)
    _legend(figure, handles, [posts.NAMES[post] for post in shown])
    return figure


def _largest(table: DataFrame) -> DataFrame:
    """The devices by energy; those beyond a dozen become one row "outros (n)"."""
    ordered = table.sort_values("energy_kwh", ascending=False, kind="stable", ignore_index=True)
    if len(ordered) <= MOST_BARS:
        return ordered
    kept, rest = ordered.iloc[: MOST_BARS - 1], ordered.iloc[MOST_BARS - 1 :]
    sums = rest.select_dtypes("number").sum(skipna=False)
    row = DataFrame([sums.to_dict() | {"device_name": f"outros ({len(rest)})"}])
    return DataFrame(kept.to_dict("records") + row.to_dict("records"))


def _costs(axes: Axes, rows: DataFrame, right: Any) -> None:
    """The cost at the end of each bar, where there are rates."""
    for row, cost in enumerate(rows["net_brl"].to_numpy(dtype=float)):
        if np.isfinite(cost):
            text = rf"R\$ {number(cost, 2)}"
            at = (float(right[row]), row)
            axes.annotate(text, at, (4, 0), textcoords="offset points", va="center", size="small")


@drawing
def profile(table: DataFrame) -> Figure:
    """Mean energy of each local hour of working days, with the posts' hours shaded.

    Columns: hour (0 to 23), energy_kwh [kWh], days, post. A missing hour is a gap.
    """
    figure = canvas(height=0.42)
    axes = figure.add_subplot()
    edges = np.arange(25)
    energy_kwh = table.set_index("hour")["energy_kwh"].reindex(range(24)).round(6)
    named = table.set_index("hour")["post"].reindex(range(24))
    for hour, post in named.items():
        if post in BANDS:
            hatch = "////" if post == PEAK else "...."
            band: dict[str, Any] = {
                "facecolor": BANDS[str(post)],
                "hatch": hatch,
                "edgecolor": "white",
            }
            axes.axvspan(int(str(hour)), int(str(hour)) + 1, linewidth=0, zorder=0, **band)
    values = energy_kwh.to_numpy(dtype=float)
    axes.stairs(values, edges, fill=True, color=PALETTE[0], alpha=0.35, linewidth=0)
    axes.stairs(values, edges, baseline=None, color=PALETTE[0], linewidth=1.4)
    axes.set_xlim(0, 24)
    axes.set_xticks(range(0, 25, 3))
    axes.set_ylim(bottom=0)
    days = int(table["days"].max())
    axes.set_xlabel("Hora local (h)")
    axes.set_ylabel("Energia média (kWh)")
    line = Patch(facecolor=PALETTE[0], alpha=0.5)
    label = f"energia média ({number(days)} {'dia útil' if days == 1 else 'dias úteis'})"
    bands = [post for post in BANDS if (named == post).any()]
    patches = [_band_patch(post) for post in bands]
    _legend(figure, [line, *patches], [label, *(posts.NAMES[post] for post in bands)])
    return figure


def _band_patch(post: str) -> Patch:
    hatch = "////" if post == PEAK else "...."
    return Patch(facecolor=BANDS[post], hatch=hatch, edgecolor="white", linewidth=0)


@drawing
def bills(table: DataFrame) -> Figure:
    """Cost of the measured energy in each billing period, before taxes: energy and flag. [R$]

    Columns: period_start, energy_brl, flag_brl, coverage (0 to 1). Periods observed below 90 %
    are hatched: their sum is no estimate of the whole period.
    """
    rows = table.dropna(subset=["energy_brl"]).sort_values("period_start", ignore_index=True)
    if rows.empty:
        return blank("Sem tarifa para o período: nenhum custo a mostrar.")
    figure = canvas(height=0.42)
    axes = figure.add_subplot()
    at = np.arange(len(rows))
    energy_brl = rows["energy_brl"].round(6).to_numpy(dtype=float)
    flag_brl = rows["flag_brl"].fillna(0.0).round(6).to_numpy(dtype=float)
    partial = (rows["coverage"] < 0.9).to_numpy()
    axes.bar(at, energy_brl, 0.62, color="#A9CCE3", **_EDGES)
    axes.bar(at, flag_brl, 0.62, energy_brl, color=PALETTE[4], **_EDGES)
    both = energy_brl + flag_brl
    hatched: dict[str, Any] = {"facecolor": "none", "hatch": "////", "edgecolor": "#666666"}
    axes.bar(at[partial], both[partial], 0.62, linewidth=0, **hatched)
    _bill_labels(axes, rows, both)
    handles = [Patch(facecolor="#A9CCE3", **_EDGES)]
    names = ["energia, tarifa convencional"]
    if flag_brl.any():
        handles, names = [*handles, Patch(facecolor=PALETTE[4], **_EDGES)], [*names, "bandeira"]
    if partial.any():
        handles = [*handles, Patch(linewidth=0, **hatched)]
        names = [*names, "cobertura < 90 %"]
    _legend(figure, handles, names, 3)
    return figure


def _bill_labels(axes: Axes, rows: DataFrame, both: Any) -> None:
    starts = [*rows["period_start"]]
    step = -(-len(starts) // 8)
    labels = [f"{MONTHS[start.month - 1]} {start.year}" for start in starts]
    if starts[0].day > 1:
        labels = [f"{start.day} {label}" for start, label in zip(starts, labels, strict=True)]
    axes.set_xticks(range(0, len(starts), step), labels[::step])
    if len(starts) <= 8:
        for at, cost in enumerate(both):
            place: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "size": "small"}
            axes.annotate(number(float(cost), 2), (at, float(cost)), (0, 3), **place)
    spare = max(0.0, 4 - len(starts)) / 2
    axes.set_xlim(-0.6 - spare, len(starts) - 0.4 + spare)
    axes.set_ylim(0, 1.12 * float(both.max()) if both.max() > 0 else 1)
    axes.set_ylabel(r"Custo sem tributos (R\$)")
    axes.set_xlabel("Período de faturamento (início)" if starts[0].day > 1 else "Mês")
    axes.grid(visible=False, axis="x")


def break_even(table: DataFrame) -> Figure:
    """The share at peak below which the white tariff pays, and where the house stands.

    Columns: intermediate_pct, limit_pct of the limit's line, and the house's
    house_intermediate_pct, house_peak_pct and edge_pct in its first row. [%]
    """
    with style():
        return localize(blank(NO_WHITE) if table.empty else _break_even(table))


NO_WHITE = "Sem tarifa branca vigente: o limite não pode ser traçado."


def _break_even(table: DataFrame) -> Figure:
    figure = canvas(height=0.42)
    axes = figure.add_subplot()
    between, limit = (table[c].to_numpy(dtype=float) for c in ("intermediate_pct", "limit_pct"))
    axes.fill_between(between, 0, limit, color="#A9CCE3", linewidth=0, label="branca custa menos")
    axes.plot(between, limit, color=PALETTE[0], label="custos iguais")
    first = table.iloc[0]
    point = (float(first["house_intermediate_pct"]), float(first["house_peak_pct"]))
    marked: dict[str, Any] = {"fmt": "D", "color": PALETTE[4], "ecolor": DARK, "capsize": 3}
    axes.errorbar([point[0]], [point[1]], [float(first["edge_pct"])], **marked, label="a casa")
    axes.set_xlim(0, float(between.max()))
    axes.set_ylim(0, 1.3 * max(float(limit.max()), point[1] + float(first["edge_pct"])))
    axes.set_xlabel("Participação do intermediário (%)")
    axes.set_ylabel("Participação da ponta (%)")
    handles, names = axes.get_legend_handles_labels()
    _legend(figure, handles, names, 3)
    return figure
