"""The loss ledger summed up: by cause, device, window and local day, and its findings.

Belongs here: pure functions over the frames of `losses.py`, and Portuguese names of kinds and
causes. Does not belong here: what is lost and why, headings (`tables.py`).
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from pandas import DataFrame

from lib.coverage import DAY_KEYS
from lib.findings import Finding
from lib.loss_causes import CAUSES, EXPIRED, NOT_LOGGED
from lib.portuguese import number
from lib.times import HOUR, brazilian

KIND_NAMES = {EXPIRED: "expirado sem leitura", NOT_LOGGED: "não registrado"}
CAUSE_NAMES = {
    "collector down": "coletor parado",
    "quota": "cota de chamadas esgotada",
    "account expired": "assinatura da nuvem vencida",
    "API error": "erro da nuvem ou da rede",
    "deadline": "tempo da execução esgotado",
    "bad file": "arquivo bruto inutilizado",
    "unknown": "causa desconhecida",
    "device offline": "dispositivo desconectado",
    "silence": "dispositivo em silêncio",
}
LONGEST = 30  # so many of the lost windows are printed


def by_cause(lost: DataFrame) -> DataFrame:
    """Windows, devices and hours of each cause, also of those that took nothing. [lost_h: h]"""
    rows = []
    for kind, causes in CAUSES.items():
        for cause in causes:
            own = lost[(lost["kind"] == kind) & (lost["cause"] == cause)]
            devices, hours = own["device_id"].nunique(), own["lost_s"].sum() / 3600
            rows.append((KIND_NAMES[kind], CAUSE_NAMES[cause], len(own), devices, hours))
    return DataFrame(rows, columns=["kind_name", "cause_name", "windows", "devices", "lost_h"])


def by_device(lost: DataFrame) -> DataFrame:
    """Hours that expired unread and hours not logged, of each device. [h]"""
    hours = lost["lost_s"] / 3600
    expired = lost["kind"] == EXPIRED
    parts = lost.assign(expired_h=hours.where(expired, 0.0), not_logged_h=hours.mask(expired, 0.0))
    table = parts.groupby(["device_id", "device_name"])[["expired_h", "not_logged_h"]].sum()
    return table.reset_index().drop(columns="device_id")


def windows(lost: DataFrame, time_zone: str) -> DataFrame:
    """What expired unread, by time: devices that lost the same span for one cause are one row.

    Spans to the minute; `start_text` and `end_text` in a time zone. [lost_h: h, of all devices]
    """
    own = lost[lost["kind"] == EXPIRED]
    keys = [own["lost_start"].dt.floor("min"), own["lost_end"].dt.floor("min"), own["cause"]]
    found = own.groupby(keys).agg(
        devices=("device_id", "nunique"), code=("code", "max"), lost_s=("lost_s", "sum")
    )
    found = found.reset_index()
    texts = {
        f"{edge}_text": [brazilian(at, time_zone) for at in found[f"lost_{edge}"]]
        for edge in ("start", "end")
    }
    names = [CAUSE_NAMES[cause] for cause in found["cause"]]
    return found.assign(lost_h=found["lost_s"] / 3600, cause_name=names, **texts)


def longest(shown: DataFrame) -> DataFrame:
    """The windows that took most, by time: as many as a page holds."""
    return shown.nlargest(LONGEST, "lost_h").sort_values("lost_start", ignore_index=True)


def by_day(lost: DataFrame, time_zone: str) -> DataFrame:
    """Hours of each device and local date that expired unread. [lost_h: h]"""
    rows = [
        (row.device_id, row.device_name, start.tz_localize(None).normalize(), (end - start) / HOUR)
        for row in lost[lost["kind"] == EXPIRED].itertuples()
        for start, end in _local_days(row.lost_start, row.lost_end, time_zone)
    ]
    found = DataFrame(rows, columns=[*DAY_KEYS, "lost_h"])
    found = found.astype({"local_date": "datetime64[us]", "lost_h": "float64"})
    return found.groupby(DAY_KEYS, as_index=False).agg(lost_h=("lost_h", "sum"))


def _local_days(start: Any, end: Any, time_zone: str) -> Iterator[tuple[Any, Any]]:
    """A span cut at local midnights."""
    start, end = start.tz_convert(time_zone), end.tz_convert(time_zone)
    while start < end:
        following = (start.tz_localize(None).normalize() + pd.Timedelta(days=1)).tz_localize(
            time_zone, nonexistent="shift_forward", ambiguous=True
        )
        stop = min(end, following)
        yield start, stop
        start = stop


def findings(lost: DataFrame, risk: DataFrame, horizon_h: float) -> list[Finding]:
    """What expired unread, and what will within the horizon. [h]"""
    found = []
    gone = lost[lost["kind"] == EXPIRED]
    if len(gone):
        hours = float(gone["lost_s"].sum() / 3600)
        causes = ", ".join(CAUSE_NAMES[cause] for cause in dict.fromkeys(gone["cause"]))
        text = f"Expiraram sem leitura {len(gone)} janela(s), {number(hours, 1)} h ao todo: "
        data = {"windows": len(gone), "hours": hours}
        found.append(Finding("tcc.losses.expired", f"{text}{causes}.", data))
    soon = risk[risk["expires_h"] < horizon_h]
    if len(soon):
        hours = float(soon["risk_s"].sum() / 3600)
        text = (
            f"{len(soon)} janela(s) ainda não lida(s), {number(hours, 1)} h ao todo; a primeira "
            f"expira em {number(soon['expires_h'].min(), 1)} h. Execute: tcc ingest."
        )
        data = {"windows": len(soon), "hours": hours, "expires_h": float(soon["expires_h"].min())}
        found.append(Finding("tcc.losses.at_risk", text, data))
    return found
