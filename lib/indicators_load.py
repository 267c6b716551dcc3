"""The numbers and tables that the monograph prints of meters, uncertainty, load and cycles.

Belongs here: which number stands under which key, which column under which heading. Does not
belong here: how they are computed (`meters.py`, `uncertainty.py`, `load.py`, `standby.py`,
`cycles.py`, `energy.py`).
"""

import math
from typing import Any

import pandas as pd
from pandas import DataFrame, Series

from lib import load, meters, uncertainty
from lib.indicators import Indicator
from lib.study import Study
from lib.times import brazilian

Columns = dict[str, tuple[str, int | None]]

CHOICES: Columns = {
    "device_name": ("Dispositivo", None),
    "meter_name": ("Vale", None),
    "why": ("Por quê", None),
    "increment_kwh": ("Incrementos (kWh)", 2),
    "total_kwh": ("Totalizador (kWh)", 2),
    "integral_kwh": ("Integral (kWh)", 2),
}
AGREEMENT: Columns = {
    "device_name": ("Dispositivo", None),
    "days": ("Dias", 0),
    "median_pct": ("Mediana (%)", 1),
    "p5_pct": ("P5 (%)", 1),
    "p95_pct": ("P95 (%)", 1),
    "within_pct": ("Dias com até 5 % (%)", 1),
}
MONTHS: Columns = {
    "month_name": ("Mês", None),
    "energy_kwh": ("Energia (kWh)", 1),
    "integral_kwh": ("Integral (kWh)", 1),
    "coverage_pct": ("Cobertura (%)", 1),
    "days": ("Dias", 0),
    "valid_days": ("Válidos", 0),
    "valid_name": ("Mês válido", None),
}
MONTHS_BY_DEVICE: Columns = {
    "device_name": ("Dispositivo", None),
    "month_name": ("Mês", None),
    "increment_kwh": ("Incrementos (kWh)", 2),
    "total_kwh": ("Totalizador (kWh)", 2),
    "integral_kwh": ("Integral (kWh)", 2),
    "coverage_pct": ("Cobertura (%)", 1),
    "valid_days": ("Dias válidos", 0),
    "valid_name": ("Mês válido", None),
}
PROFILE: Columns = {
    "device_name": ("Dispositivo", None),
    "demand_w": ("Demanda (W)", 0),
    "load_factor": ("Fator de carga", 3),
    "base_w": ("Base (W)", 1),
    "standby_w": ("Espera (W)", 1),
    "standby_kwh": ("Espera (kWh)", 2),
}
CYCLES: Columns = {
    "device_name": ("Dispositivo", None),
    "cycles": ("Ciclos", 0),
    "per_day": ("Por dia", 2),
    "mean_min": ("Média (min)", 1),
    "median_min": ("Mediana (min)", 1),
    "duty_pct": ("Ligado (%)", 1),
    "cycle_wh": ("Por ciclo (Wh)", 1),
}


def of_meters(study: Study, daily: DataFrame) -> dict[str, Indicator]:
    """How far the two meters of the devices agree, day by day; `daily` as `chosen` gives it."""
    days = meters.compared(daily)
    table = meters.agreement(days)
    all_days = table.iloc[-1] if len(table) else Series(dtype=float)
    return {
        "concordancia.dias": Indicator(len(days), "dias de dispositivo comparados"),
        "concordancia.p5": _of(all_days, "p5_pct", "percentil 5 da diferença", "%", 1),
        "concordancia.p95": _of(all_days, "p95_pct", "percentil 95 da diferença", "%", 1),
        "concordancia.dentro": _of(all_days, "within_pct", "dias com diferença até 5 %", "%", 1),
        "metodo.erro_leitura": Indicator(
            study.config.energy.reading_error * 100, "erro de leitura declarado", "%"
        ),
    }


def _of(row: "Series[Any]", column: str, label: str, unit: str, digits: int) -> Indicator:
    return Indicator(float(row.get(column, math.nan)), label, unit, digits)


def of_uncertainty(study: Study, daily: DataFrame, power: DataFrame) -> dict[str, Indicator]:
    """Energy of the plugs with each part of its uncertainty; `power` in slots of 15 minutes."""
    plugs = daily[~daily["device_id"].isin(study.mains)]
    own = plugs.groupby("device_id").agg(energy_wh=("energy_wh", "sum"), meter=("meter", "first"))
    spread = uncertainty.of_devices(plugs, study.config)
    demand_w = load.demands(power).set_index("device_id")["demand_w"]
    missing_wh = uncertainty.unobserved(plugs, demand_w, study.span_s).sum(skipna=False)
    held = power[power["device_id"].isin(own.index)]
    band_w = uncertainty.dead_band(held["power_w"], held["power_w_max"])
    band_wh = (band_w * held["power_s"]).sum() / 3600
    parts_wh = {
        "tomadas.energia": (own["energy_wh"].sum(), "energia das tomadas", 1),
        "tomadas.incerteza_correlacionada": (spread.correlated, "U, erros correlacionados", 1),
        "tomadas.incerteza_independente": (spread.independent, "U, erros independentes", 1),
        "tomadas.quantizacao": (
            2 * uncertainty.quantum(own["energy_wh"], own["meter"]),
            "U da quantização, no máximo",
            3,
        ),
        "tomadas.nao_observado": (missing_wh, "não observado, no máximo", 1),
        "tomadas.faixa_morta": (band_wh, "faixa sem envio, no máximo", 1),
    }
    known = len(own) > 0
    return {
        key: Indicator(float(wh) / 1000 if known else math.nan, label, "kWh", digits)
        for key, (wh, label, digits) in parts_wh.items()
    }


def of_months(months: DataFrame) -> dict[str, Indicator]:
    """How many months the window touches, and how many are valid; months of the house."""
    return {
        "meses.total": Indicator(len(months), "meses no período"),
        "meses.validos": Indicator(int(months["valid"].sum()), "meses válidos"),
    }


def of_load(
    study: Study, power_w: "Series[float]", base_w: float, together: load.Coincidence
) -> dict[str, Indicator]:
    """Mean, demand, load factor and base of the house's power, and how devices coincide."""
    mean_w = float(power_w.mean()) if len(power_w) else math.nan
    highest_at = pd.Timestamp(str(power_w.idxmax())) if len(power_w) else None
    when = brazilian(highest_at, study.time_zone) if highest_at else "—"
    return {
        "potencia.media": Indicator(mean_w, "potência média", "W"),
        "potencia.demanda": Indicator(float(power_w.max()), "demanda de 15 minutos", "W"),
        "potencia.demanda_quando": Indicator(when, "início da maior demanda"),
        "potencia.fator_carga": Indicator(load.load_factor(power_w), "fator de carga", "", 3),
        "potencia.base": Indicator(base_w, "carga de base", "W"),
        "potencia.base_ano": Indicator(base_w * 8.76, "carga de base em um ano", "kWh"),
        "potencia.base_participacao": Indicator(
            base_w / mean_w * 100 if mean_w > 0 else math.nan, "base sobre a média", "%", 1
        ),
        "potencia.coincidencia": Indicator(together.factor, "fator de coincidência", "", 2),
        "potencia.diversidade": Indicator(together.diversity, "fator de diversidade", "", 2),
    }


def of_rest(profile: DataFrame, mains: list[str]) -> dict[str, Indicator]:
    """Energy of the plugs' devices at rest; `profile` as `standby.profile` gives it."""
    plugs = profile[~profile["device_id"].isin(mains)]
    watts, kwh = (plugs[name].sum(min_count=1) for name in ("standby_w", "standby_kwh"))
    return {
        "espera.potencia": Indicator(float(watts), "potência em espera", "W", 1),
        "espera.energia": Indicator(float(kwh), "energia em espera", "kWh", 1),
    }


def of_cycles(
    study: Study, summary: DataFrame, unusual: DataFrame, *, min_on_s: float, min_off_s: float
) -> dict[str, Indicator]:
    """By what rule there were how many cycles, and the run of unusual length, if any. [s]"""
    rule = study.config.load
    longest = unusual.iloc[0] if len(unusual) else None
    return {
        "metodo.carga_ligada": Indicator(rule.on_w, "limiar de carga ligada", "W"),
        "metodo.carga_desligada": Indicator(rule.off_w, "limiar de carga desligada", "W"),
        "metodo.ciclo_minimo": Indicator(min_on_s, "ciclo mais curto", "s"),
        "metodo.repouso_minimo": Indicator(min_off_s, "repouso mais curto", "s"),
        "ciclos.total": Indicator(int(summary["cycles"].sum()), "ciclos"),
        "ciclos.incomuns": Indicator(len(unusual), "ciclos de duração incomum"),
        "ciclos.longo_dispositivo": Indicator(
            "—" if longest is None else str(longest["device_name"]), "o mais longo deles, de"
        ),
        "ciclos.longo_inicio": Indicator(
            "—" if longest is None else brazilian(longest["start"], study.time_zone), "desde"
        ),
        "ciclos.longo_h": Indicator(
            math.nan if longest is None else float(longest["duration_h"]), "duração", "h", 1
        ),
        "ciclos.longo_usual_h": Indicator(
            math.nan if longest is None else float(longest["usual_h"]), "duração usual", "h", 1
        ),
    }


def of_co2(emissions: DataFrame) -> dict[str, Indicator]:
    """Emission of the house's energy, and the year of the factor; from `energy.co2`.

    There is none where the energy of some year has no factor: a part would pass for all.
    """
    known, used = emissions.dropna(subset=["co2_kg"]), emissions[emissions["energy_kwh"] > 0]
    years = ", ".join(str(int(y)) for y in dict.fromkeys(known["factor_year"]))
    factors = known["t_per_mwh"]
    return {
        "co2.total": Indicator(
            float(used["co2_kg"].sum(skipna=False)) if len(used) else math.nan, "emissão", "kg", 1
        ),
        "co2.ano_fator": Indicator(years or "—", "ano do fator"),
        "co2.fator": Indicator(
            float(factors.iloc[-1]) if factors.nunique() == 1 else math.nan,
            "fator médio",
            "t/MWh",
            4,
        ),
        "co2.fonte": Indicator(str(known["source"].iloc[-1]) if len(known) else "—", "fonte"),
    }
