"""Checks of the values themselves: ranges, counters, clocks, repeated rows, how fresh it all is.

Belongs here: looking for what cannot be. Does not belong here: what is missing (`coverage.py`,
`gap_causes.py`, `losses.py`), sentences (`quality_findings.py`). A strange value is told and
never taken out.
"""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from pandas import DataFrame

from lib import cadence, coverage, warehouse
from lib.datapoints import FACTORS, KNOWN
from lib.findings import load
from lib.paths import Paths

VOLTAGE_RANGE = 90 / 127, 150 / 127  # of the nominal voltage
TOLERANCE = 1.1  # power beyond the plug's rating, or beyond voltage times current
SLACK_W = 1.0  # of small loads a step of the current is more than a tenth
SKEW_S = 60.0
RESET_SHARE = 0.9  # a counter below so much of its reading before began anew (Home Assistant)
MOST_W = 60_000.0  # no house takes more (emoncms, kwh_accumulator)
_KEYS = ["device_id", "code", "unit"]
_COUNTS = ("rows", "from_future")


def codes(paths: Paths, start: datetime, end: datetime) -> DataFrame:
    """Each code of each device: rows, newest event and ingestion, extremes, rows of the future."""
    columns = [*_KEYS, "rows", "newest_event", "newest_ingest", "lowest", "highest", "from_future"]
    if not warehouse.has_rows(paths.staging):
        instants = dict.fromkeys(("newest_event", "newest_ingest"), "datetime64[us, UTC]")
        counts = dict.fromkeys(_COUNTS, "int64")
        return DataFrame(columns=columns).astype({**instants, **counts})
    given = {"start": start, "end": end, "skew_s": SKEW_S}
    return _ask(paths, "quality_codes", given)[columns]


def limits(found: DataFrame, nominal_v: float, rating_w: float, mains: Iterable[str]) -> DataFrame:
    """What voltages and powers of each device can be, in the unit in which they come.

    90 to 150 V of a nominal 127 V, in proportion; no power below zero or a tenth beyond the
    rating, of a meter of the mains none that no house takes.
    """
    quantity = found["code"].map({code: point.quantity for code, point in KNOWN.items()})
    factor = found["unit"].map(FACTORS)
    most_w = found["device_id"].isin(list(mains)).map({True: MOST_W, False: TOLERANCE * rating_w})
    of_voltage, of_power = quantity == "voltage", quantity == "power"
    low, high = (share * nominal_v for share in VOLTAGE_RANGE)
    bounds = found[_KEYS].assign(
        low=(low / factor).where(of_voltage, 0.0),
        high=(high / factor).where(of_voltage, most_w / factor),
    )
    return bounds[(of_voltage | of_power) & factor.notna()].reset_index(drop=True)


def outside(
    paths: Paths, found: DataFrame, bounds: DataFrame, start: datetime, end: datetime
) -> DataFrame:
    """The codes with values beyond their limits, and how many. Columns as `codes`, and outside."""
    both = found.merge(bounds, on=_KEYS)
    wrong = both[(both["lowest"] < both["low"]) | (both["highest"] > both["high"])]
    if wrong.empty:
        return wrong.assign(outside=pd.Series(dtype="int64"))
    rows = wrong[[*_KEYS, "low", "high"]].itertuples(index=False)
    text, real = "VARCHAR", "DOUBLE"
    columns = {**dict.fromkeys(_KEYS, text), "low": real, "high": real}
    with warehouse.asking() as connection:
        warehouse.table(connection, "limits", columns, list(rows))
        given = {"files": warehouse.partitions(paths.staging), "start": start, "end": end}
        counts = warehouse.frame(connection, warehouse.sql("quality_outside"), given)
    return wrong.merge(counts, on=_KEYS)


def counters(paths: Paths, start: datetime, end: datetime) -> DataFrame:
    """Readings of counters that only grow which do not follow from the one before. [Wh]

    `kind` is "reset" (below nine tenths), "dip" (a smaller fall: the highest reading holds) or
    "jump" (more than 60 kW since the reading before).
    """
    columns = ["device_id", "code", "event_time", "before_at", "before_wh", "total_wh", "kind"]
    if not warehouse.has_rows(paths.staging):
        return DataFrame(columns=columns)
    totals = [code for code, point in KNOWN.items() if point.kind == "total"]
    given = {"totals": totals, "reset_share": RESET_SHARE, "most_w": MOST_W}
    return _ask(paths, "quality_counters", {**given, "start": start, "end": end})[columns]


def impossible_power(paths: Paths, since: datetime, until: datetime) -> DataFrame:
    """Reports of a time with more power than 1.1 times voltage times current allow."""
    chosen = cadence.recent(paths, since)
    if not chosen:
        return DataFrame(columns=["device_id", "reports", "impossible"])
    names = {f"{kind}s": cadence.codes_of(kind) for kind in ("power", "voltage", "current")}
    given: dict[str, Any] = {"since": since, "until": until, **names}
    return _ask(
        paths, "quality_power", given | {"tolerance": TOLERANCE, "slack_w": SLACK_W}, chosen
    )


def _ask(
    paths: Paths, name: str, given: dict[str, Any], chosen: list[str] | None = None
) -> DataFrame:
    """The answer of a SQL file to staged rows, all or those of some partitions."""
    with warehouse.asking() as connection:
        units = {"unit": "VARCHAR", "factor": "DOUBLE"}
        warehouse.table(connection, "units", units, FACTORS.items())
        parameters = {"files": chosen or [warehouse.partitions(paths.staging)], **given}
        return warehouse.frame(connection, warehouse.sql(name), parameters)


def repeated(paths: Paths) -> dict[str, int]:
    """How many rows came, how many of them are staged, how many keys came with two values.

    The rest of what came says nothing new, or has no usable instant. Conflicts are those that
    staging told of when it last met them on a date; `quarantined` counts files.
    """
    staged = 0
    if warehouse.has_rows(paths.staging):
        with warehouse.asking() as connection:
            query = "SELECT count(*) AS rows FROM read_parquet($files)"
            asked = {"files": warehouse.partitions(paths.staging)}
            staged = int(warehouse.frame(connection, query, asked)["rows"][0])
    return {
        "received": coverage.received(paths),
        "staged": staged,
        "conflicting": sum(_conflicts(paths.runs).values()),
        "quarantined": len(list(paths.quarantine.rglob("*.reason.json"))),
    }


def _conflicts(runs: Path) -> dict[str, int]:
    """Keys of each date that came with two values, as the newest run says that staged it."""
    told = {}
    for file in sorted(runs.glob("[0-9]*/findings/02_stage.json")):
        for one in load(file):
            if one.name == "tcc.staging.conflict":
                told[str(one.data["date"])] = int(one.data["conflicting"])
    return told


def until_now(paths: Paths, found: DataFrame, end: datetime, now: datetime) -> DataFrame:
    """`found` by `codes`, and the same of the rows from an instant until now.

    What was heard last was heard after a window of the past.
    """
    chosen = cadence.recent(paths, end) if now > end else []
    if not chosen:
        return found
    given = {"start": end, "end": now, "skew_s": SKEW_S}
    later = _ask(paths, "quality_codes", given, chosen)[found.columns]
    return pd.concat([found, later], ignore_index=True) if len(later) else found


def freshness(found: DataFrame, signs: DataFrame, now: datetime, least_h: float = 0.0) -> DataFrame:
    """How long ago each device was heard, and whether that is long for it. [age_h, limit_h: h]

    `found` by `until_now`, `signs` by `cadence.signs_of_life`. `is_stale` after twice the 95th
    percentile of the time between its signs of life, but not before `least_h`: even of a device
    that reports each minute the newest rows come with the next hourly collection. [h]
    """
    newest = found.groupby("device_id", as_index=False)[["newest_event", "newest_ingest"]].max()
    limit_h = 2 * signs.set_index("device_id")["p95_s"].astype("float64") / 3600
    age_h = (now - newest["newest_event"]).dt.total_seconds() / 3600
    limit_h = newest["device_id"].map(limit_h).clip(lower=least_h)
    newest = newest.assign(age_h=age_h, limit_h=limit_h)
    return newest.assign(is_stale=newest["age_h"] > newest["limit_h"])


def summary(
    rows: dict[str, int],
    found: DataFrame,
    beyond: DataFrame,
    leaps: DataFrame,
    impossible: DataFrame,
) -> DataFrame:
    """What every check looked at and what it found. Columns check_name, looked, found.

    `rows` by `repeated`, then what `codes`, `outside`, `counters` and `impossible_power` say.
    """
    quantity = {code: point.quantity for code, point in KNOWN.items()}
    of_code, wrong = (frame["code"].map(quantity) for frame in (found, beyond))
    kinds = leaps["kind"].value_counts()
    totals = found["code"].isin([c for c, point in KNOWN.items() if point.kind == "total"])
    readings = int(found.loc[totals, "rows"].sum())
    lines = [
        (OF_ALL, rows["received"], rows["received"] - rows["staged"]),
        (OF_RUNS, rows["staged"], rows["conflicting"]),
        ("eventos depois da coleta", found["rows"].sum(), found["from_future"].sum()),
        *(
            (
                name,
                found.loc[of_code == what, "rows"].sum(),
                beyond.loc[wrong == what, "outside"].sum(),
            )
            for name, what in (
                ("tensões fora da faixa", "voltage"),
                ("potências fora da faixa", "power"),
            )
        ),
        ("potência maior que tensão vezes corrente", *_sums(impossible)),
        *((name, readings, kinds.get(kind, 0)) for kind, name in LEAPS.items()),
    ]
    frame = DataFrame(lines, columns=["check_name", "looked", "found"])
    return frame.astype({"looked": "int64", "found": "int64"})


# Neither is of the window: of all that ever came, and of what the runs that are kept say.
OF_ALL = "linhas que nada acrescentam, em todo o acervo"
OF_RUNS = "chaves com dois valores, nas execuções guardadas"
LEAPS = {
    "reset": "recomeços de contador",
    "dip": "recuos de contador",
    "jump": "saltos de contador",
}


def _sums(impossible: DataFrame) -> tuple[int, int]:
    return int(impossible["reports"].sum()), int(impossible["impossible"].sum())
