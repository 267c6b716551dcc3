"""The tables on voltage: which columns with which headings and digits, and their texts.

Belongs here: what a table of voltages looks like to its reader. Does not belong here: computing
it (`voltage.py`, `voltage_house.py`), single numbers (`indicators_voltage.py`).
"""

import math
from typing import Any

from pandas import DataFrame, Series

from lib import voltage
from lib.portuguese import number
from lib.voltage import DRC_LIMIT_PCT, DRP_LIMIT_PCT, PRODIST, Limits
from lib.voltage_house import House

MOST_SETS = 26  # half a year of weeks fits on a page

LIMITS: dict[str, tuple[str, int | None]] = {
    "nominal_v": ("Nominal", 0),
    "adequate": ("Adequada", None),
    "precarious": ("Precária", None),
    "critical": ("Crítica", None),
    "en_normal": ("EN, 95 %", None),
    "en_all": ("EN, todas", None),
}
SETS: dict[str, tuple[str, int | None]] = {
    "number": ("Nº", 0),
    "start_text": ("Início", None),
    "end_text": ("Fim", None),
    "n": ("Válidas", 0),
    "drp_text": ("DRP* (%)", None),
    "drc_text": ("DRC* (%)", None),
    "verdict": ("PRODIST", None),
    "en_normal_pct": ("Em ±10 % (%)", 2),
    "en_verdict": ("EN 50160", None),
}
METERS: dict[str, tuple[str, int | None]] = {
    "device_name": ("Medidor", None),
    "coverage_pct": ("Cobertura (%)", 1),
    "p5_v": ("P5 (V)", 1),
    "median_v": ("Mediana (V)", 1),
    "p95_v": ("P95 (V)", 1),
    "deviation_v": ("Desvio (V)", 2),
    "drp_max_pct": ("DRP* (%)", 2),
    "drc_max_pct": ("DRC* (%)", 2),
    "above_text": ("Acima", None),
}
SENSITIVITY: dict[str, tuple[str, int | None]] = {
    "scenario": ("Tensão", None),
    "offset_v": ("Desvio (V)", 2),
    "precarious": ("Precárias", 0),
    "critical": ("Críticas", 0),
    "drp_max_pct": ("DRP* (%)", 2),
    "drc_max_pct": ("DRC* (%)", 2),
    "sets_above": ("Acima", 0),
    "en_normal_pct": ("Em ±10 % (%)", 2),
}


# How `values.table` prints each table: caption and columns.
TABLES: dict[str, dict[str, Any]] = {
    "tensao_limites": {
        "caption": "Limites das médias de 10 minutos, em volts: PRODIST e EN 50160",
        "columns": LIMITS,
        "source": "Módulo 8 do PRODIST [@aneel956], por transcrições, e valores usuais da "
        "EN 50160 [@en50160], por fonte secundária",
    },
    "tensao_conjuntos": {
        "caption": "Conjuntos de 1.008 leituras do medidor de referência, resultado indicativo",
        "columns": SETS,
    },
    "tensao_medidores": {
        "caption": "Tensão por medidor e conjuntos acima dos limites, resultado indicativo",
        "columns": METERS,
    },
    "tensao_sensibilidade": {
        "caption": "DRP* e DRC* do medidor de referência sob os erros possíveis da tensão",
        "columns": SENSITIVITY,
    },
}


def sets_table(house: House, time_zone: str) -> DataFrame:
    """The reference's sets with local dates and bounds as text; of many, the worst ones. [%]"""
    sets = house.own_sets
    if len(sets) > MOST_SETS:
        drp, drc = sets["drp_high_pct"], sets["drc_high_pct"]
        worst = (drp / DRP_LIMIT_PCT).clip(lower=drc / DRC_LIMIT_PCT)
        worst = worst.fillna(-sets["en_normal_pct"])
        sets = sets.loc[worst.nlargest(MOST_SETS).index].sort_values("number")
    texts = {
        f"{at}_text": sets[f"set_{at}"].dt.tz_convert(time_zone).dt.strftime("%d/%m/%Y %Hh%M")
        for at in ("start", "end")
    }
    return sets.assign(**texts, drp_text=_bounds(sets, "drp"), drc_text=_bounds(sets, "drc"))


def _bounds(sets: DataFrame, index: str) -> "Series[str]":
    """The index, or its bounds where readings are missing, as text."""
    pairs = zip(sets[f"{index}_low_pct"], sets[f"{index}_high_pct"], strict=True)
    texts = [
        "—" if math.isnan(low) else number(low, 2) + (f" a {number(high, 2)}" if high > low else "")
        for low, high in pairs
    ]
    return Series(texts, index=sets.index, dtype=object)


def meters_table(house: House) -> DataFrame:
    """Each meter with its deviation from the reference and how many sets are above. [V, %]"""
    counts = house.sets.groupby("device_id").size()
    of = house.devices["device_id"].map(counts).astype(object)
    above = house.devices["sets_above"].astype(object)
    texts = [f"{n} de {total}" for n, total in zip(above, of, strict=True)]
    table = house.devices.assign(above_text=Series(texts, index=house.devices.index, dtype=object))
    return table.merge(house.deviations, on="device_id", how="left")


def limits_table(given: Limits) -> DataFrame:
    """The limits of 127 and 220 V and of the nominal voltage in hand, as text. [V]"""
    rows = [own for own in PRODIST if own.nominal_v in (127, 220)]
    return DataFrame([_limits_row(own) for own in [*rows, *([] if given in rows else [given])]])


def _limits_row(own: Limits) -> dict[str, object]:
    lines = (own.critical_below_v, own.adequate_min_v, own.adequate_max_v, own.critical_above_v)
    a, b, c, d = (f"{line:g}" for line in lines)
    lower = not math.isnan(own.adequate_min_v)
    texts = {
        "adequate": f"{b} ≤ U ≤ {c}" if lower else f"U ≤ {c}",
        "precarious": f"{a} ≤ U < {b}; " * lower + f"{c} < U ≤ {d}",
        "critical": f"U < {a}; " * lower + f"U > {d}",
    }
    ranges = {"en_normal": voltage.EN_NORMAL, "en_all": voltage.EN_ALL}
    en = {
        name: " a ".join(f"{v:g}" for v in own.share_v(shares)) for name, shares in ranges.items()
    }
    shown = (texts if own.has_table else dict.fromkeys(texts, "—")) | en
    return {"nominal_v": own.nominal_v} | {k: v.replace(".", ",") for k, v in shown.items()}
