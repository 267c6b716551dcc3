"""The numbers that the monograph prints, by key, with unit, digits and uncertainty.

Belongs here: which number stands under which key. Does not belong here: how it is computed
(`energy.py`, `coverage.py`, `losses.py`) or set (`values.py`).
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
from pandas import DataFrame

from lib import energy, loss_sums, meters, uncertainty
from lib.loss_causes import EXPIRED, NOT_LOGGED
from lib.portuguese import floored_percent
from lib.study import Study
from lib.times import brazilian, brazilian_date


@dataclass(frozen=True)
class Indicator:
    """A value with its unit, digits, expanded uncertainty and Portuguese label."""

    value: float | int | str
    label: str
    unit: str = ""
    digits: int = 0
    uncertainty: float | None = None

    def shown(self) -> dict[str, Any]:
        """The arguments with which `values.put` prints it; "—" where there is no number."""
        missing = isinstance(self.value, float) and not math.isfinite(self.value)
        return asdict(self) | ({"value": "—", "unit": "", "uncertainty": None} if missing else {})


def of_data(study: Study) -> dict[str, Indicator]:
    """The window, its rows, devices and gaps."""
    return {
        "periodo.inicio": Indicator(brazilian(study.start, study.time_zone), "início do período"),
        "periodo.fim": Indicator(brazilian(study.end, study.time_zone), "fim do período"),
        "periodo.dias": Indicator(study.span_s / 86400, "duração do período", "d", 1),
        "dados.linhas": Indicator(study.rows, "linhas tratadas"),
        "dados.dispositivos": Indicator(study.hourly["device_id"].nunique(), "dispositivos"),
        "energia.cobertura": Indicator(
            floored_percent(study.vintage().coverage), "cobertura dos que medem energia", "%", 1
        ),
        "metodo.limite_lacuna": _gap_limit(study),
        "lacunas.total": Indicator(len(study.gaps), "lacunas de observação"),
        "lacunas.horas": Indicator(study.gaps["gap_s"].sum() / 3600, "horas em lacuna", "h", 1),
    }


def _gap_limit(study: Study) -> Indicator:
    hours = study.config.energy.gap_limit_h
    return Indicator(hours, "limite de lacuna", "h", 0 if hours == int(hours) else 1)


def of_energy(study: Study, daily: DataFrame) -> dict[str, Indicator]:
    """Energy of the house, its largest device and day; `daily` as `energy.metered` gives it."""
    house = energy.house(daily, study.mains)
    house_wh = float(house["energy_wh"].sum())
    shown = energy.with_rest(daily, study.mains)
    by_device = energy.by_device(shown, study.span_s, house_wh)
    devices = by_device[by_device["device_name"] != energy.REST]
    by_day = house.groupby("local_date")["energy_wh"].sum(min_count=1) / 1000
    apart = meters.divergence(daily)
    return {
        "dados.dispositivos_energia": Indicator(daily["device_id"].nunique(), "com energia"),
        "energia.total": Indicator(
            house_wh / 1000,
            "energia da casa no período",
            "kWh",
            1,
            uncertainty.of_devices(house, study.config).correlated / 1000,
        ),
        "energia.media_diaria": Indicator(_per_day(house), "média dos dias completos", "kWh/d", 2),
        "energia.maior_dispositivo": Indicator(_first(devices, "device_name"), "maior consumo"),
        "energia.maior_participacao": Indicator(
            _first(devices, "share_pct"), "participação do maior", "%", 1
        ),
        "energia.dia_maior": Indicator(
            brazilian_date(pd.Timestamp(str(by_day.idxmax()))) if by_day.notna().any() else "—",
            "dia de maior consumo",
        ),
        "energia.dia_maior_total": Indicator(float(by_day.max()), "consumo desse dia", "kWh", 2),
        "energia.divergencia_mediana": Indicator(
            float(apart.median() * 100), "divergência mediana entre medidores", "%", 1
        ),
    }


def of_losses(study: Study, lost: DataFrame) -> dict[str, Indicator]:
    """What is gone for ever, as `losses.ledger` says, and its main cause and longest window."""
    hours = (lost["lost_s"] / 3600).groupby(lost["kind"]).sum()
    sums = loss_sums.by_cause(lost[lost["kind"] == EXPIRED]).nlargest(1, "lost_h")
    main = sums[sums["lost_h"] > 0]
    longest = loss_sums.windows(lost, study.time_zone).nlargest(1, "lost_h")
    return {
        "metodo.guarda_nuvem": Indicator(
            study.config.ingestion.retention_days, "tempo de guarda da nuvem", "d"
        ),
        "dados.perdido_h": Indicator(hours.get(EXPIRED, 0.0), "expirado sem leitura", "h", 1),
        "dados.janelas_perdidas": Indicator(
            int((lost["kind"] == EXPIRED).sum()), "janelas expiradas sem leitura"
        ),
        "dados.perda_principal": Indicator(_first(main, "cause_name"), "causa principal"),
        "dados.perda_principal_h": Indicator(
            float(main["lost_h"].sum()), "expirado por essa causa", "h", 1
        ),
        "dados.perda_maior_inicio": Indicator(_first(longest, "start_text"), "a maior, desde"),
        "dados.perda_maior_fim": Indicator(_first(longest, "end_text"), "a maior, até"),
        "dados.nao_registrado_h": Indicator(hours.get(NOT_LOGGED, 0.0), "não registrado", "h", 1),
    }


def of_arrivals(late: DataFrame, received: int) -> dict[str, Indicator]:
    """How many rows came and how long they were on their way, as `coverage.latency` says."""
    of_all = late[late["device_id"].isna()]
    ages = [float(of_all[name].iloc[0]) if len(of_all) else math.nan for name in _AGES]
    return {
        "dados.recebidas": Indicator(
            received, "linhas recebidas em todo o acervo, com as repetidas"
        ),
        "dados.latencia_mediana": Indicator(ages[0], "idade mediana ao chegar", "h", 1),
        "dados.latencia_p95": Indicator(ages[1], "percentil 95 da idade ao chegar", "h", 1),
    }


_AGES = ("median_h", "p95_h")


def _per_day(house: DataFrame) -> float:
    """Mean over the well observed days: an unobserved hour is no saving. [kWh/d]"""
    days = house.groupby("local_date").agg(
        energy_wh=("energy_wh", "sum"), coverage=("coverage", "min")
    )
    return float(days.loc[days["coverage"] >= energy.ENOUGH, "energy_wh"].mean() / 1000)


def _first(frame: DataFrame, column: str) -> Any:
    return frame[column].iloc[0] if len(frame) else "—"
