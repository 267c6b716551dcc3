"""What the checks of values found, said in Portuguese: what, where and what to do.

Belongs here: sentences. Does not belong here: finding anything out (`quality.py`).
"""

from datetime import datetime
from typing import Any

import pandas as pd
from pandas import DataFrame

from lib.findings import Finding
from lib.portuguese import number
from lib.quality import SKEW_S

LATE_H = 26.0  # a collection of each day is late after so long


def told(
    names: dict[str, str],
    beyond: DataFrame,
    leaps: DataFrame,
    impossible: DataFrame,
    found: DataFrame,
) -> list[Finding]:
    """What the checks of values found, by device; `names` gives the name of each device's id."""
    texts = [
        *(_beyond(names, row) for row in beyond.to_dict("records")),
        *(
            _leaps(names, device, kind, own)
            for (device, kind), own in leaps.groupby(["device_id", "kind"])
        ),
        *(_impossible(names, row) for row in impossible.to_dict("records") if row["impossible"]),
    ]
    early = int(found["from_future"].sum())
    if early:
        text = (
            f"{number(early)} evento(s) têm instante mais de {number(SKEW_S)} s posterior ao da "
            "própria coleta. Confira o relógio deste computador."
        )
        texts.append(Finding("tcc.quality.from_future", text, {"rows": early}))
    return texts


def _beyond(names: dict[str, str], row: dict[Any, Any]) -> Finding:
    name = names.get(row["device_id"], row["device_id"])
    limits_ = f"de {number(row['low'], 1)} a {number(row['high'], 1)} {row['unit']}"
    text = (
        f"{name}: {number(row['outside'])} valor(es) de {row['code']} fora da faixa {limits_}; "
        f"vão de {number(row['lowest'], 1)} a {number(row['highest'], 1)} {row['unit']}. Ficam nos "
        "dados; confira a escala do código e nominal_voltage_v em config.toml."
    )
    data = {"device": name, "code": row["code"], "rows": int(row["outside"])}
    return Finding("tcc.quality.out_of_range", text, data)


def _leaps(names: dict[str, str], device: Any, kind: Any, own: DataFrame) -> Finding:
    name, last = names.get(device, device), own.iloc[-1]
    text = (
        f"{name}: {number(len(own))} {_KINDS[kind]} de contador; o último, em "
        f"{last['event_time']:%d/%m/%Y %Hh%M} UTC, de {number(last['before_wh'] / 1000, 2)} para "
        f"{number(last['total_wh'] / 1000, 2)} kWh. {_MEANING[kind]}"
    )
    data = {"device": name, "count": len(own), "last": str(last["event_time"])}
    return Finding(f"tcc.quality.counter_{kind}", text, data)


_KINDS = {"reset": "recomeço(s)", "dip": "recuo(s)", "jump": "salto(s)"}
_MEANING = {
    "reset": "Conta-se de novo a partir de zero.",
    "dip": "Vale a maior leitura até que o contador a ultrapasse.",
    "jump": "Nenhuma casa usa tanto em tão pouco tempo, e a energia o inclui: confira o medidor.",
}


def _impossible(names: dict[str, str], row: dict[Any, Any]) -> Finding:
    name = names.get(row["device_id"], row["device_id"])
    text = (
        f"{name}: em {number(row['impossible'])} de {number(row['reports'])} relatos a potência "
        "excede em mais de um décimo o produto de tensão e corrente. Confira as escalas."
    )
    data = {"device": name, "reports": int(row["reports"]), "impossible": int(row["impossible"])}
    return Finding("tcc.quality.impossible_power", text, data)


def stale(fresh: DataFrame, names: dict[str, str], now: datetime) -> list[Finding]:
    """Devices that were not heard for longer than usual, and a collection that is late."""
    found = []
    for row in fresh[fresh["is_stale"]].to_dict("records"):
        name = names.get(row["device_id"], row["device_id"])
        text = (
            f"{name}: o último sinal de vida foi há {number(row['age_h'], 1)} h; espera-se "
            f"menos de {number(row['limit_h'], 1)} h. Confira se está ligado e na rede."
        )
        found.append(Finding("tcc.quality.stale", text, {"device": name, "age_h": row["age_h"]}))
    newest = fresh["newest_ingest"].max()
    if pd.notna(newest) and (late_h := (now - newest).total_seconds() / 3600) > LATE_H:
        text = f"A última coleta que trouxe registros foi há {number(late_h)} h. Execute: tcc run."
        found.append(Finding("tcc.quality.collection_late", text, {"late_h": late_h}))
    return found
