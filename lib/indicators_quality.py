"""The numbers and tables on the quality of data that the monograph prints.

Belongs here: which number stands under which key, rows and headings of tables. Does not belong
here: how anything is computed (`coverage.py`, `gap_causes.py`, `cadence.py`, `quality.py`).
"""

import math
from datetime import datetime

import pandas as pd
from pandas import DataFrame

from lib import cadence
from lib.gap_causes import API, CLASS_NAMES, COLLECTOR, DEVICE, JOINT, NETWORK, POWER
from lib.indicators import Indicator
from lib.times import brazilian

LONGEST = 20  # so many of the longest gaps are printed
Columns = dict[str, tuple[str, int | None]]

DEVICES: Columns = {
    "device_name": ("Dispositivo", None),
    "coverage_pct": ("Cobertura (%)", 1),
    "not_logged_h": ("Não registrado (h)", 1),
    "expired_h": ("Perdido (h)", 1),
    "median_h": ("Idade mediana (h)", 2),
    "p95_h": ("Idade, P95 (h)", 2),
    "age_h": ("Último sinal há (h)", 1),
}
DEVICES_NOW: Columns = DEVICES | {"expires_h": ("Não lido expira em (h)", 1)}
BY_CLASS: Columns = {
    "class_name": ("Classe", None),
    "events": ("Ocasiões", 0),
    "gaps": ("Lacunas", 0),
    "devices": ("Dispositivos", 0),
    "gap_h": ("Tempo (h)", 1),
    "lost_h": ("Perdido (h)", 1),
}
GAPS: Columns = {
    "start_text": ("Início", None),
    "end_text": ("Fim", None),
    "what": ("Dispositivos", None),
    "class_name": ("Classe", None),
    "gap_h": ("Tempo (h)", 1),
}
CADENCE: Columns = {
    "device_name": ("Dispositivo", None),
    "median_min": ("Mediana (min)", 1),
    "p95_min": ("P95 (min)", 1),
    "max_min": ("Máximo (min)", 1),
    "on_p95_min": ("P95 ligado (min)", 1),
    "off_p95_min": ("P95 desligado (min)", 1),
    "silent_pct": ("Horas sem registro (%)", 1),
}
CADENCE_BY_CODE: Columns = {
    "device_name": ("Dispositivo", None),
    "code_name": ("Código", None),
    "state_name": ("Estado", None),
    "reports": ("Registros", 0),
    "median_s": ("Mediana (s)", 1),
    "p95_s": ("P95 (s)", 1),
    "max_s": ("Máximo (s)", 1),
    "dropout_pct": ("Falta, nilmtk (%)", 1),
    "silent_pct": ("Horas sem registro (%)", 1),
}
CHECKS: Columns = {
    "check_name": ("Verificação", None),
    "looked": ("Examinados", 0),
    "found": ("Encontrados", 0),
}
MONTHLY: Columns = {
    "month_name": ("Mês", None),
    "days": ("Dias", 0),
    "valid_days": ("Dias válidos", 0),
    "valid_name": ("Mês válido", None),
    "coverage_pct": ("Cobertura (%)", 1),
    "energy_kwh": ("Observada (kWh)", 1),
    "scaled_kwh": ("Estimada (kWh)", 1),
}


def devices(
    names: "pd.Series[str]",
    hourly: DataFrame,
    fresh: DataFrame,
    late: DataFrame,
    lost: DataFrame,
    risk: DataFrame,
    span_s: float,
) -> DataFrame:
    """A row for each device, as DEVICES_NOW heads it: coverage, losses, latency, last sign, risk.

    `late` by `coverage.latency`, `fresh` by `quality.freshness`, `lost` and `risk` by `losses`.
    """
    own = DataFrame({"device_name": names}).rename_axis("device_id")
    alive_s = hourly.groupby("device_id")["alive_s"].sum()
    own["coverage_pct"] = 100 * (alive_s / span_s if span_s > 0 else alive_s * math.nan).clip(0, 1)
    hours = (lost["lost_s"] / 3600).groupby([lost["device_id"], lost["kind"]]).sum()
    for kind, column in (("expired", "expired_h"), ("not logged", "not_logged_h")):
        of_kind = hours[hours.index.get_level_values("kind") == kind].droplevel("kind")
        own[column] = of_kind.reindex(own.index).fillna(0.0)
    ages = late.dropna(subset=["device_id"]).set_index("device_id")[["median_h", "p95_h"]]
    own = own.join(ages).join(fresh.set_index("device_id")[["age_h"]])
    own["expires_h"] = risk.groupby("device_id")["expires_h"].min()
    return own.sort_values("device_name").reset_index()


def longest(gaps: DataFrame, time_zone: str) -> DataFrame:
    """The events that took most time of all devices, by time, as GAPS heads them.

    A gap of a device alone is an event of its own; `gap_h` is of all its devices. [h]
    """
    alone = -1 - pd.Series(range(len(gaps)), index=gaps.index, dtype="int64")
    occasion = gaps["event"].where(gaps["event"] >= 0, alone)
    found = gaps.groupby(occasion.rename("occasion")).agg(
        start=("gap_start", "min"),
        end=("gap_end", "max"),
        count=("device_id", "nunique"),
        name=("device_name", "first"),
        gap_class=("gap_class", "first"),
        gap_s=("gap_s", "sum"),
    )
    found = found.sort_values(["gap_s", "start", "name"], ascending=[False, True, True])
    found = found.head(LONGEST).sort_values(["start", "name"], ignore_index=True)
    many = found["count"].astype(str) + " dispositivos"
    return found.assign(
        start_text=[brazilian(at, time_zone) for at in found["start"]],
        end_text=[brazilian(at, time_zone) for at in found["end"]],
        what=found["name"].where(found["count"] == 1, many),
        class_name=found["gap_class"].map(CLASS_NAMES),
        gap_h=found["gap_s"] / 3600,
    )


def by_device(cadence_: DataFrame) -> DataFrame:
    """Time between signs of life of each device, and between its power reports on and off. [min]

    As CADENCE heads it; of a device without power, its switch tells on and off.
    """
    whole = cadence.table(cadence.signs_of_life(cadence_))
    signs = whole.assign(
        **{f"{n}_min": whole[f"{n}_s"].astype("float64") / 60 for n in ("median", "p95", "max")}
    )
    power = cadence_[cadence_["code"].isin(cadence.codes_of("power"))]
    for state, column in ((True, "on_p95_min"), (False, "off_p95_min")):
        own = power[power["is_on"].eq(state)].groupby("device_id")["p95_s"].max()
        signs[column] = signs["device_id"].map(own.astype("float64") / 60)
    return signs


def of_gaps(gaps: DataFrame, time_zone: str) -> dict[str, Indicator]:
    """Hours and events of each class of gap, and the longest power cut."""
    hours = (gaps["gap_s"] / 3600).groupby(gaps["gap_class"]).sum()
    events = gaps.groupby("gap_class")["event"].nunique()
    cut = gaps[gaps["gap_class"] == POWER].nlargest(1, "gap_s")
    longest_min = float(cut["gap_s"].max() / 60) if len(cut) else math.nan
    began = brazilian(cut["gap_start"].iloc[0], time_zone) if len(cut) else "—"
    keys = {
        DEVICE: "dispositivo",
        JOINT: "conjunta",
        NETWORK: "rede",
        POWER: "energia",
        COLLECTOR: "coletor",
        API: "nuvem",
    }
    return {
        **{
            f"qualidade.{key}_h": Indicator(
                float(hours.get(name, 0.0)), f"lacunas: {CLASS_NAMES[name]}", "h", 1
            )
            for name, key in keys.items()
        },
        **{
            f"qualidade.{keys[name]}_vezes": Indicator(
                int(events.get(name, 0)), f"ocasiões: {CLASS_NAMES[name]}"
            )
            for name in (JOINT, NETWORK, POWER)
        },
        "qualidade.energia_maior": Indicator(longest_min, "maior falta de energia", "min"),
        "qualidade.energia_maior_inicio": Indicator(began, "a maior, desde"),
    }


def of_cadence(cadence_: DataFrame, days: float) -> dict[str, Indicator]:
    """The days looked at, and the slowest device's time between signs of life."""
    signs = by_device(cadence_)
    slowest = signs.nlargest(1, "p95_min")
    found = len(slowest) > 0
    return {
        "metodo.cadencia_dias": Indicator(days, "dias da cadência", "d"),
        "qualidade.cadencia_p95": Indicator(
            float(slowest["p95_min"].iloc[0]) if found else math.nan, "maior P95", "min"
        ),
        "qualidade.cadencia_lento": Indicator(
            str(slowest["device_name"].iloc[0]) if found else "—", "o de maior P95"
        ),
        "qualidade.horas_mudas": Indicator(
            float(signs["silent_pct"].max()) if found else math.nan,
            "maior parte de horas sem registro",
            "%",
            1,
        ),
    }


def of_checks(checks: DataFrame, months: DataFrame) -> dict[str, Indicator]:
    """What the checks of values found, by `quality.summary`; `months` by `energy.monthly`."""
    found = checks.set_index("check_name")["found"]
    keys = ("repetidas", "conflitos", "futuro", "tensao", "potencia", "produto")
    leaps = ("recomecos", "recuos", "saltos")
    numbers = zip((*keys, *leaps), found.items(), strict=True)
    return {
        **{f"qualidade.{key}": Indicator(int(n), str(name)) for key, (name, n) in numbers},
        "qualidade.meses": Indicator(len(months), "meses"),
        "qualidade.meses_validos": Indicator(int(months["valid"].sum()), "meses válidos"),
    }


def of_freshness(
    fresh: DataFrame, risk: DataFrame, retention_days: float, now: datetime
) -> dict[str, Indicator]:
    """How long ago anything was heard and collected, and when unread logs begin to expire. [h]"""
    newest = (now - fresh["newest_event"].max()).total_seconds() / 3600 if len(fresh) else math.nan
    came = fresh["newest_ingest"].max() if len(fresh) else pd.NaT
    ingest = math.nan if pd.isna(came) else (now - came).total_seconds() / 3600
    horizon = float(risk["expires_h"].min()) if len(risk) else 24.0 * retention_days
    return {
        "qualidade.ultimo_evento_h": Indicator(newest, "tempo desde o último evento", "h", 1),
        "qualidade.ultima_coleta_h": Indicator(ingest, "tempo desde a última coleta", "h", 1),
        "qualidade.calados": Indicator(int(fresh["is_stale"].sum()), "dispositivos calados"),
        "qualidade.horizonte_h": Indicator(horizon, "horizonte de perda", "h"),
    }
