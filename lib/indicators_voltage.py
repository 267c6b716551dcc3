"""The numbers on voltage that the monograph prints.

Belongs here: which number stands under which key. Does not belong here: the tables
(`tables_voltage.py`), how they are computed (`voltage.py`, `voltage_house.py`) or set
(`values.py`).
"""

import math

from lib import voltage, voltage_error, voltage_meters
from lib.indicators import Indicator
from lib.voltage_house import House


def of_voltage(house: House) -> dict[str, Indicator]:
    """The rule, the reference meter, its sets and its agreement with the others."""
    return {
        **_of_rule(house),
        **_of_reference(house),
        **_of_sets(house),
        **_of_doubt(house),
    }


def _of_rule(house: House) -> dict[str, Indicator]:
    given, rule = house.given, house.rule
    return {
        "tensao.nominal": Indicator(given.nominal_v, "tensão nominal", "V"),
        "tensao.tabela": Indicator(_word(given.has_table, "sim"), "há tabela do PRODIST"),
        "tensao.tabela_parcial": Indicator(
            _word(given.has_table and math.isnan(given.adequate_min_v), "sim"),
            "só o lado superior da tabela é conhecido",
        ),
        "tensao.parte_valida": Indicator(rule.valid_pct, "parte conhecida exigida", "%"),
        "tensao.faixa_morta": Indicator(
            rule.dead_band_pct, "faixa morta do envio", "%", _digits(rule.dead_band_pct)
        ),
        "tensao.faixa_morta_v": Indicator(house.dead_band_v, "faixa morta do envio", "V", 2),
        "tensao.erro_leitura": Indicator(
            rule.reading_error_pct,
            "limite do erro da leitura",
            "%",
            _digits(rule.reading_error_pct),
        ),
        "tensao.sorteios": Indicator(voltage_error.DRAWS, "sorteios do erro"),
    }


def _word(condition: bool, word: str) -> str:
    return word if condition else "—"


def _digits(value: float) -> int:
    return 0 if value == int(value) else 1


def _of_reference(house: House) -> dict[str, Indicator]:
    row = house.summary

    def of(column: str) -> float:
        return float(row.get(column, math.nan))

    return {
        "tensao.medidores": Indicator(len(house.devices), "medidores com tensão"),
        "tensao.referencia": Indicator(str(row.get("device_name", "—")), "medidor de referência"),
        "tensao.validas": Indicator(int(row.get("n", 0)), "leituras válidas"),
        "tensao.cobertura": Indicator(of("coverage_pct"), "cobertura das leituras", "%", 1),
        "tensao.mediana": Indicator(of("median_v"), "mediana", "V", 1),
        "tensao.p5": Indicator(of("p5_v"), "percentil 5", "V", 1),
        "tensao.p95": Indicator(of("p95_v"), "percentil 95", "V", 1),
        "tensao.minima": Indicator(of("min_v"), "menor média de 10 min", "V", 1),
        "tensao.maxima": Indicator(of("max_v"), "maior média de 10 min", "V", 1),
        "tensao.adequada": Indicator(of("adequate_pct"), "leituras adequadas", "%", 2),
        "tensao.precaria": Indicator(of("precarious_pct"), "leituras precárias", "%", 2),
        "tensao.critica": Indicator(of("critical_pct"), "leituras críticas", "%", 2),
        "tensao.drp": Indicator(of("drp_max_pct"), "maior DRP* dos conjuntos", "%", 2),
        "tensao.drc": Indicator(of("drc_max_pct"), "maior DRC* dos conjuntos", "%", 2),
        "tensao.drp_movel": Indicator(of("drp_rolling_pct"), "maior DRP* móvel", "%", 2),
        "tensao.drc_movel": Indicator(of("drc_rolling_pct"), "maior DRC* móvel", "%", 2),
    }


def _of_sets(house: House) -> dict[str, Indicator]:
    """Counts of sets; the bounds of the last set where it is not complete."""
    sets = house.own_sets
    whole = voltage.complete(sets)
    rest = sets[sets["n"] < voltage.SET]
    numbers = {
        "tensao.conjuntos": Indicator(len(whole), "conjuntos completos"),
        "tensao.conjuntos_acima": Indicator(
            int((sets["verdict"] == voltage.ABOVE).sum()), "conjuntos acima dos limites"
        ),
        "tensao.en_fora": Indicator(
            int((sets["en_verdict"] == voltage.OUTSIDE).sum()), "conjuntos fora da EN 50160"
        ),
        "tensao.en_menor": Indicator(
            float(whole["en_normal_pct"].min()), "menor parcela em ±10 %", "%", 2
        ),
        "tensao.resto": Indicator(
            int(rest["n"].iloc[0]) if len(rest) else "—", "leituras do conjunto incompleto"
        ),
    }
    for column in ("drp_low", "drp_high", "drc_low", "drc_high"):
        value = float(rest[f"{column}_pct"].iloc[0]) if len(rest) else math.nan
        name = column.replace("low", "resto_min").replace("high", "resto_max")
        numbers[f"tensao.{name}"] = Indicator(value, "limite do conjunto incompleto", "%", 2)
    return numbers


def _of_doubt(house: House) -> dict[str, Indicator]:
    """How far the meters differ, and what the dead band leaves open."""
    apart = voltage_meters.spread(house.rows)
    named = house.sensitivity.set_index("scenario")
    numbers = {
        "tensao.espalhamento": Indicator(
            float(apart.median()), "diferença mediana entre medidores", "V", 2
        ),
        "tensao.espalhamento_p95": Indicator(
            float(apart.quantile(0.95)), "percentil 95 da diferença", "V", 2
        ),
    }
    for key, scenario in (("min", "least"), ("max", "most")):
        name = voltage_error.SCENARIOS[scenario]
        row = dict(named.loc[name]) if name in named.index else {}
        for index in ("drp", "drc"):
            value = float(row.get(f"{index}_max_pct", math.nan))
            label = f"maior {index.upper()}*, na faixa morta ({key}.)"
            numbers[f"tensao.{index}_faixa_{key}"] = Indicator(value, label, "%", 2)
        above = float(row.get("sets_above", math.nan))
        shown = "—" if math.isnan(above) else int(above)
        numbers[f"tensao.acima_faixa_{key}"] = Indicator(shown, f"conjuntos acima ({key}.)")
    return numbers
