"""The numbers of the control charts that the monograph prints, by key.

Belongs here: which number stands under which key. Does not belong here: how it is computed
(`monitor.py`, `baseline.py`, `detection.py`), tables (`tables_spc.py`).
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame

from lib import monitor, run_length
from lib.baseline import Baseline
from lib.config import ControlChart
from lib.indicators import Indicator
from lib.monitor import SIDE_NAMES
from lib.times import brazilian_date


def of_design(
    held: Mapping[str, Baseline],
    drawn: Mapping[str, DataFrame],
    found: DataFrame,
    settings: ControlChart,
) -> dict[str, Indicator]:
    """The charts' design, what it promises for independent normal residuals, and its signals.

    Where charts were frozen by several designs there is no one to print.
    """
    designs = {_design(own.settings) for own in held.values()}
    designs = designs or {_design(monitor.design(None, settings))}
    k, h, start = next(iter(designs)) if len(designs) == 1 else (math.nan,) * 3
    arl0 = run_length.cusum_two_sided(k, h, 0.0, start) if len(designs) == 1 else math.nan
    watched = sum(int(((own["phase"] == 2) & own["score"].notna()).sum()) for own in drawn.values())
    count, removed = len(held), sum(len(own.removed) for own in held.values())
    return {
        "controle.cartas": Indicator(count, "cartas de controle"),
        "controle.k": Indicator(k, "valor de referência do CUSUM", "", _digits(k)),
        "controle.h": Indicator(h, "intervalo de decisão do CUSUM", "", _digits(h)),
        "controle.arl0": Indicator(arl0, "dias entre alarmes falsos de uma carta", "d"),
        "controle.arl0_conjunto": Indicator(
            arl0 / count if count else math.nan, "dias entre alarmes falsos do conjunto", "d"
        ),
        **_of_estimates(held, k, h, start),
        "controle.excluidos_total": Indicator(
            removed or math.nan, "dias excluídos da Fase I em todas as cartas"
        ),
        "controle.sinais_total": Indicator(len(found) or math.nan, "sinais de todas as cartas"),
        "controle.dias_carta": Indicator(watched, "dias de carta na Fase II", "d"),
        "controle.alarmes_esperados": Indicator(
            watched / arl0 if watched else math.nan, "alarmes falsos esperados", "", 1
        ),
    }


def _of_estimates(
    held: Mapping[str, Baseline], k: float, h: float, start: float
) -> dict[str, Indicator]:
    """What Phase I's length leaves of the ARL: tenth, middle and ninth tenth of the charts."""
    days = sorted(own.days for own in held.values())
    typical = days[len(days) // 2] if days else 0
    known = bool(days) and math.isfinite(k)
    lengths = (
        run_length.with_estimates(k, h, typical, head_start=start)
        if known
        else np.full(1, math.nan)
    )
    low, middle, high = (float(q) for q in np.quantile(lengths, (0.1, 0.5, 0.9)))
    return {
        "controle.fase1_tipica": Indicator(typical, "dias da Fase I, mediana das cartas"),
        "controle.arl0_p10": Indicator(low, "ARL real de um décimo das cartas, no máximo", "d"),
        "controle.arl0_p50": Indicator(middle, "ARL real mediano", "d"),
        "controle.arl0_p90": Indicator(high, "ARL real de nove décimos, no máximo", "d"),
    }


def _digits(value: float) -> int:
    """As few decimals as show a setting, at most three."""
    return next((n for n in range(3) if round(value, n) == value), 3)


def _design(design: Mapping[str, Any]) -> tuple[float, float, float]:
    return float(design["k"]), float(design["h"]), 0.5 if design["fast_start"] else 0.0


def of_device(chart: DataFrame, held: Baseline | None, found: DataFrame) -> dict[str, Indicator]:
    """The device that the page shows: its Phase I, the signal that lasts or came last. [kWh/d]

    `chart` and `found` hold the rows of that device only; None: there is no such device.
    """
    phase2 = chart[chart["phase"] == 2]
    linear = held is not None and held.transform == "identity"
    out = 0 if held is None else len(held.removed)
    return {
        "controle.dispositivo": Indicator(
            chart["device_name"].iloc[0] if held else "—", "dispositivo da carta"
        ),
        "controle.fase1_inicio": Indicator(_date(held.first) if held else "—", "início da Fase I"),
        "controle.fase1_fim": Indicator(_date(held.last) if held else "—", "fim da Fase I"),
        "controle.fase1_dias": Indicator(held.days if held else math.nan, "dias usados na Fase I"),
        "controle.fase1_excluidos": Indicator(out, "dias excluídos da Fase I"),
        "controle.media": Indicator(_kwh(held.mean_wh if held else None), "média", "kWh/d", 3),
        "controle.sigma": Indicator(
            _kwh(held.sigma if held and linear else None), "desvio-padrão", "kWh/d", 3
        ),
        "controle.dias_fase2": Indicator(int(phase2["score"].notna().sum()), "dias da Fase II"),
        "controle.pontos_3sigma": Indicator(
            int(phase2["beyond"].astype(bool).sum()), "pontos além de três desvios-padrão"
        ),
        "controle.sinais_dispositivo": Indicator(len(found), "sinais do CUSUM nessa carta"),
        **_signal(found),
    }


def _signal(found: DataFrame) -> dict[str, Indicator]:
    own = found.sort_values(["lasts", "signal_date"]).iloc[-1] if len(found) else None
    text = {
        "controle.sinal_data": (own is not None and _date(own["signal_date"]), "data do sinal"),
        "controle.mudanca_data": (own is not None and _date(own["change_date"]), "mudança após"),
        "controle.sinal_sentido": (own is not None and SIDE_NAMES[own["side"]], "sentido"),
        "controle.sinal_dura": (
            "sim" if own is not None and own["lasts"] else "—",
            "dura até o fim do período",
        ),
    }
    size = {} if own is None else own.to_dict()
    return {key: Indicator(value or "—", label) for key, (value, label) in text.items()} | {
        "controle.mudanca_dp": Indicator(
            abs(size.get("size_sigma", math.nan)), "tamanho da mudança, em desvios-padrão", "", 2
        ),
        "controle.mudanca": Indicator(
            abs(_kwh(size.get("size_wh"))), "tamanho da mudança", "kWh/d", 3
        ),
        "controle.mudanca_pct": Indicator(
            abs(size.get("size_pct", math.nan)), "tamanho da mudança", "%", 1
        ),
        "controle.nova_media": Indicator(_kwh(size.get("new_mean_wh")), "nova média", "kWh/d", 3),
    }


def of_detection(found: DataFrame, threshold_pct: float) -> dict[str, Indicator]:
    """Delays for a shift of one sigma, and days between false alarms, of the page's device."""
    cells = found.set_index(["kind", "size", "method"])
    one = {m: _at(cells, "delay_d", ("shift", 1.0, m)) for m in ("cusum", "ewma", "shewhart")}
    names = {"cusum": "CUSUM", "ewma": "EWMA", "shewhart": "Shewhart"}
    false_d = _at(cells, "false_alarm_d", ("none", 0.0, "cusum"))
    return {
        **{
            f"controle.atraso_{m}": Indicator(value, f"atraso do {names[m]} a 1 DP", "d", 1)
            for m, value in one.items()
        },
        "controle.alarme_falso_cusum": Indicator(
            false_d, "dias entre alarmes falsos do CUSUM nos resíduos", "d"
        ),
        "controle.limiar_pct": Indicator(threshold_pct, "limiar fixo acima da média", "%"),
    }


def _at(cells: DataFrame, column: str, key: tuple[str, float, str]) -> float:
    return float(cells[column].to_dict().get(key, math.nan))


def _kwh(energy_wh: float | None) -> float:
    return math.nan if energy_wh is None else float(energy_wh) / 1000


def _date(day: Any) -> str:
    return brazilian_date(pd.Timestamp(day))
