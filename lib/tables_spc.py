"""The tables of the control charts that notebook and monograph show.

Belongs here: rows and headings. Does not belong here: how they are computed (`monitor.py`,
`baseline.py`, `detection.py`, `run_length.py`), single numbers (`indicators_spc.py`).
"""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from pandas import DataFrame

from lib import monitor, residuals
from lib.baseline import Baseline
from lib.monitor import SIDE_NAMES

Columns = dict[str, tuple[str, int | None]]
DEVICES: Columns = {
    "device_name": ("Dispositivo", None),
    "phase": ("Fase I até", None),
    "days": ("Dias", 0),
    "mean_kwh": ("Média (kWh/d)", 3),
    "sigma_kwh": ("DP (kWh/d)", 3),
    "sigma_ratio": ("Razão dos DP", 2),
    "state": ("Situação", None),
}
EVENTS: Columns = {
    "device_name": ("Dispositivo", None),
    "signal_date": ("Sinal", None),
    "side_name": ("Sentido", None),
    "change_date": ("Mudança após", None),
    "size_sigma": ("DP", 2),
    "size_kwh": ("kWh/d", 3),
    "new_mean_kwh": ("Nova média", 3),
    "lasts_name": ("Ao fim", None),
}
REMOVED: Columns = {
    "device_name": ("Dispositivo", None),
    "day": ("Dia", None),
    "energy_kwh": ("Energia (kWh)", 3),
    "reason": ("Motivo", None),
}
AUTOCORRELATION: Columns = {
    "device_name": ("Dispositivo", None),
    "lag1_before": ("r1 antes", 2),
    "lag7_before": ("r7 antes", 2),
    "p_before": ("p antes", 3),
    "lag1_after": ("r1 depois", 2),
    "lag7_after": ("r7 depois", 2),
    "p_after": ("p depois", 3),
}
REFUSED: Columns = {"device_name": ("Dispositivo", None), "reason": ("Motivo", None)}
RUN_LENGTHS: Columns = {
    "shift_sigma": ("Degrau (DP)", 2),
    "cusum": ("CUSUM", 2),
    "cusum_fir": ("CUSUM, h/2", 2),
    "siegmund": ("Siegmund", 2),
    "simulated": ("Simulação", 2),
    "simulated_error": ("Erro", 2),
    "ewma": ("EWMA", 2),
    "shewhart": ("Shewhart", 2),
}
DELAYS: Columns = {
    "name": ("Mudança (DP)", None),
    "cusum": ("CUSUM", 1),
    "ewma": ("EWMA", 1),
    "shewhart": ("Shewhart", 1),
    "threshold": ("Limiar fixo", 1),
}


def devices(
    drawn: Mapping[str, DataFrame], held: Mapping[str, Baseline], found: DataFrame
) -> DataFrame:
    """A row for each chart, those with a signal that lasts first; columns DEVICES. [kWh/d]"""
    rows = [_device(drawn[d], held[d], found) for d in monitor.ranked(drawn, found)]
    return DataFrame(rows, columns=["device_id", *DEVICES])


def _device(chart: DataFrame, held: Baseline, found: DataFrame) -> dict[str, Any]:
    linear = held.transform == "identity"
    return {
        "device_id": held.device_id,
        "device_name": chart["device_name"].iloc[0],
        "phase": _date(held.last),
        "days": held.days,
        "mean_kwh": held.mean_wh / 1000,
        "sigma_kwh": held.sigma / 1000 if linear else math.nan,
        "sigma_ratio": held.sigma_robust / held.sigma_moving_range,
        "state": _state(chart, found[found["device_id"] == held.device_id]),
    }


def _state(chart: DataFrame, own: DataFrame) -> str:
    if not (chart["phase"] == 2).any():
        return "ainda só Fase I"
    if not len(own):
        return "sem sinal"
    last = own.iloc[-1]
    return f"{SIDE_NAMES[last['side']]} que dura" if last["lasts"] else "sinal passageiro"


def events(found: DataFrame) -> DataFrame:
    """The signals by date, for the page; columns EVENTS. [kWh/d]"""
    return found.assign(
        side_name=found["side"].map(SIDE_NAMES),
        size_kwh=found["size_wh"].astype(float) / 1000,
        new_mean_kwh=found["new_mean_wh"].astype(float) / 1000,
        lasts_name=found["lasts"].map({True: "dura", False: "cessou"}),
    )


def removed(drawn: Mapping[str, DataFrame], held: Mapping[str, Baseline]) -> DataFrame:
    """The days of Phase I that no parameter comes from, and why; columns REMOVED."""
    rows = [
        (drawn[d]["device_name"].iloc[0], _date(r.day), r.energy_wh / 1000, r.reason)
        for d in sorted(held, key=lambda own: drawn[own]["device_name"].iloc[0])
        for r in held[d].removed
    ]
    return DataFrame(rows, columns=[*REMOVED])


def refused(series: Mapping[str, DataFrame], reasons: Mapping[str, str]) -> DataFrame:
    """The devices without a chart and why, by name; columns REFUSED."""
    rows = sorted((series[d]["device_name"].iloc[0], reason) for d, reason in reasons.items())
    return DataFrame(rows, columns=[*REFUSED])


def autocorrelation(drawn: Mapping[str, DataFrame], found: DataFrame) -> DataFrame:
    """Dependence of Phase I's energy, and of what the expected value leaves of it.

    Columns AUTOCORRELATION; p is of the test of Ljung and Box over seven lags.
    """
    rows = []
    for device in monitor.ranked(drawn, found):
        own = drawn[device][drawn[device]["phase"] == 1]
        known = own["valid"].astype(bool) & ~own["removed"].astype(bool)
        before = residuals.autocorrelation(own["energy_wh"].where(known).to_numpy(dtype=float))
        after = residuals.autocorrelation(own["score"].to_numpy(dtype=float))
        rows.append(
            (
                *(own["device_name"].iloc[0] if len(own) else device,),
                *(before.lag1, before.lag7, before.p_value),
                *(after.lag1, after.lag7, after.p_value),
            )
        )
    return DataFrame(rows, columns=[*AUTOCORRELATION])


def _date(day: Any) -> str:
    return f"{pd.Timestamp(day):%d/%m/%Y}"
