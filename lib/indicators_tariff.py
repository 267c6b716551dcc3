"""The numbers and tables of the tariff chapter, by key and by column.

Belongs here: which number or column stands under which name. Does not belong here: how it is
computed (`tariff.py`, `bill.py`, `white_tariff.py`).
"""

import math
from typing import Any

from pandas import DataFrame, Series

from lib import bill, tariff, uncertainty, white_tariff
from lib.energy import REST
from lib.indicators import Indicator
from lib.portuguese import number
from lib.posts import INTERMEDIATE, OFF_PEAK, PEAK, UNPLACED
from lib.study import Study
from lib.tariff_settings import Tariff
from lib.times import MONTHS, brazilian_date

# Short headings, units in the caption: a wide table is shrunk to the page.
RATES: dict[str, tuple[str, int | None]] = {
    "name": ("Modalidade e posto", None),
    "te_brl_per_mwh": ("TE", 2),
    "tusd_brl_per_mwh": ("TUSD", 2),
    "total_brl_per_mwh": ("Total", 2),
    "validity": ("Vigência", None),
    "act_name": ("Ato", None),
}
BY_DEVICE: dict[str, tuple[str, int | None]] = {
    "device_name": ("Dispositivo", None),
    f"{PEAK}_kwh": ("Ponta", 2),
    f"{INTERMEDIATE}_kwh": ("Interm.", 2),
    f"{OFF_PEAK}_kwh": ("Fora", 2),
    f"{UNPLACED}_kwh": ("Sem hora", 2),
    "net_brl": ("Custo", 2),
    "net_u_brl": ("±", 2),
    "taxed_brl": ("C/ trib.", 2),
}
PERIODS: dict[str, tuple[str, int | None]] = {
    "period_name": ("Período", None),
    "coverage_pct": ("Cob. (%)", 1),
    "energy_kwh": ("Medida", 1),
    "billed_kwh": ("Faturável", 1),
    "scaled_kwh": ("Escalada", 1),
    "energy_brl": ("Energia", 2),
    "energy_by_days_brl": ("Por dias", 2),
    "flag_brl": ("Bandeira", 2),
    "total_brl": ("Total", 2),
}
BASES = {"aplicacao": "Tarifa de Aplicação", "economica": "Base Econômica"}
FORMULAS = {"icms_fora_da_base": "com o ICMS fora da base", "soma": "com a soma das alíquotas"}
CONNECTIONS = {
    "monofasico": "monofásica",
    "bifasico_2_fios": "bifásica a dois fios",
    "bifasico_3_fios": "bifásica a três fios",
    "trifasico": "trifásica",
}


def named(periods: DataFrame) -> DataFrame:
    """Billing periods with their name and coverage as the page shows them."""
    starts = periods["period_start"]
    names = [
        f"{MONTHS[day.month - 1]} {day.year}" if day.day == 1 else f"desde {brazilian_date(day)}"
        for day in starts
    ]
    return periods.assign(period_name=names, coverage_pct=periods["coverage"] * 100)


def of_terms(terms: Tariff, acts: DataFrame) -> dict[str, Indicator]:
    """Utility, rates in force with their acts, posts and minimum, as configured."""
    used = acts[acts["modality"] == "convencional"]
    rates = dict.fromkeys(number(value, 2) for value in used["total_brl_per_mwh"])
    lighting = terms.public_lighting_brl
    return {
        "tarifa.distribuidora": Indicator(terms.utility or "—", "distribuidora"),
        "tarifa.convencional": Indicator(_joined(rates, " R$/MWh"), "tarifa convencional"),
        "tarifa.atos": Indicator(_joined(dict.fromkeys(used["act"])), "atos"),
        "tarifa.base": Indicator(BASES[terms.basis], "base da tarifa"),
        "tarifa.formula": Indicator(FORMULAS[terms.tax_formula], "fórmula dos tributos"),
        "tarifa.ponta_inicio": Indicator(terms.peak[0].replace(":", "h"), "início da ponta"),
        "tarifa.ponta_fim": Indicator(terms.peak[1].replace(":", "h"), "fim da ponta"),
        "tarifa.postos_por_confirmar": Indicator(
            "sim" if terms.posts_unverified else "—", "postos por confirmar"
        ),
        "tarifa.ligacao": Indicator(CONNECTIONS[terms.connection], "ligação"),
        "tarifa.minimo": Indicator(bill.MINIMUM_KWH[terms.connection], "mínimo faturável", "kWh"),
        "tarifa.iluminacao": Indicator(
            math.nan if lighting is None else lighting, "iluminação pública", "R$", 2
        ),
    }


def _joined(parts: dict[str, Any], unit: str = "") -> str:
    return " e ".join(parts) + unit if parts else "—"


def of_shares(house: DataFrame, check: DataFrame, edge: float) -> dict[str, Indicator]:
    """Shares of the posts in the house's energy, and how far late reports may move them.

    `house` and `check` by post (`tariff.by_post`): by the chosen meter, and by the integral.
    """
    shares = white_tariff.post_shares(house) * 100
    other = white_tariff.post_shares(check) * 100
    unplaced_kwh = float(house.loc[house["post"] == UNPLACED, "energy_wh"].sum()) / 1000
    return {
        "tarifa.participacao_ponta": Indicator(float(shares[PEAK]), "ponta", "%", 1),
        "tarifa.participacao_intermediario": Indicator(
            float(shares[INTERMEDIATE]), "intermediário", "%", 1
        ),
        "tarifa.participacao_fora": Indicator(float(shares[OFF_PEAK]), "fora de ponta", "%", 1),
        "tarifa.borda_ponta": Indicator(edge * 100, "atraso dos envios na ponta", "%", 1),
        "tarifa.ponta_pela_integral": Indicator(
            float(other[PEAK]), "ponta pela integral da potência", "%", 1
        ),
        "tarifa.sem_horario": Indicator(unplaced_kwh or math.nan, "sem horário", "kWh", 2),
    }


def of_costs(study: Study, house: DataFrame, by_device: DataFrame) -> dict[str, Indicator]:
    """Cost of the house and of its dearest device; `house` as `tariff.priced` gives it."""
    net_brl = tariff.total(house["net_brl"])
    own = by_device[by_device["device_name"] != REST]
    first = own.dropna(subset=["net_brl"]).nlargest(1, "net_brl")
    name = str(first["device_name"].iloc[0]) if len(first) else "—"
    rest_kwh = by_device.loc[by_device["device_name"] == REST, "energy_kwh"]
    all_kwh = float(house["energy_wh"].sum()) / 1000
    return {
        "tarifa.custo": Indicator(net_brl, "custo sem tributos", "R$", 2, _spread(study, house)),
        "tarifa.custo_bandeira": Indicator(
            tariff.total(house["flag_brl"]), "do qual bandeira", "R$", 2
        ),
        "tarifa.custo_com_tributos": Indicator(
            tariff.total(house["taxed_brl"]), "custo com tributos", "R$", 2
        ),
        "tarifa.maior_dispositivo": Indicator(name, "dispositivo de maior custo"),
        "tarifa.maior_custo": Indicator(
            float(first["net_brl"].sum()) if len(first) else math.nan, "seu custo", "R$", 2
        ),
        "tarifa.maior_ponta": Indicator(
            float(first["peak_pct"].iloc[0]) if len(first) else math.nan, "na ponta", "%", 1
        ),
        "tarifa.sem_medicao": Indicator(
            float(rest_kwh.sum()) / all_kwh * 100 if len(rest_kwh) and all_kwh > 0 else math.nan,
            "energia sem medição própria",
            "%",
            1,
        ),
    }


def _spread(study: Study, house: DataFrame) -> float | None:
    """Expanded uncertainty of the house's cost, its meters fully correlated. [R$]"""
    costs: Series[float] = house.groupby("device_id")["net_brl"].agg(tariff.total)
    if costs.empty or costs.isna().any():
        return None
    errors = uncertainty.reading_errors(study.config, costs.index)
    return uncertainty.of_sum(costs, errors).correlated


def of_white(house: DataFrame, by_day: DataFrame) -> dict[str, Indicator]:
    """The white tariff's cost and break-even share at peak, where its rates are known."""
    conventional_brl, white_brl = white_tariff.comparison(house)
    shares = white_tariff.post_shares(house)
    ratios = white_tariff.price_ratios(house, by_day)
    limit = float(white_tariff.break_even(ratios, shares[INTERMEDIATE]))
    return {
        "tarifa.convencional_energia": Indicator(
            conventional_brl, "energia com horário, convencional", "R$", 2
        ),
        "tarifa.branca_energia": Indicator(white_brl, "energia com horário, branca", "R$", 2),
        "tarifa.branca_diferenca": Indicator(
            abs(white_brl - conventional_brl), "diferença entre branca e convencional", "R$", 2
        ),
        "tarifa.branca_sentido": Indicator(
            _sense(white_brl - conventional_brl), "pela branca se pagaria"
        ),
        "tarifa.branca_limite_ponta": Indicator(
            limit * 100, "participação da ponta que iguala os custos", "%", 1
        ),
    }


def _sense(difference_brl: float) -> str:
    """In a word which of the two costs more; "—" where that is not known."""
    if math.isnan(difference_brl):
        return "—"
    return "a mais" if difference_brl > 0 else "a menos"
