"""Frames of a window, as the marts hold them: empty ones with their types, extents, hashes.

Belongs here: reading for `study.py`. Does not belong here: what a study is; indicators.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from pandas import DataFrame

from lib import contract, coverage, held, warehouse
from lib.errors import ConfigError
from lib.paths import Paths
from lib.times import HOUR, floor_hour, parse_instant


def window(paths: Paths, table: str, time: str, start: datetime, end: datetime) -> DataFrame:
    """The rows of a mart whose `time` is in a window, in order; with its columns where none is."""
    frame = warehouse.read(
        paths.marts / table,
        where=f"{time} >= $start AND {time} < $end ORDER BY device_id, {time}",
        parameters={"start": start, "end": end},
    )
    return frame if len(frame.columns) else empty(table)


def empty(table: str) -> DataFrame:
    """A frame without rows whose columns have the types that analysis relies on."""
    return DataFrame(
        {c.name: pd.Series(dtype=_TYPES[c.type]) for c in contract.tables()[table].columns}
    )


_TYPES: dict[str, Any] = {
    "VARCHAR": "str",
    "DOUBLE": "float64",
    "BOOLEAN": "bool",
    "TIMESTAMP WITH TIME ZONE": "datetime64[us, UTC]",
    "DATE": "datetime64[us]",
}


def power(paths: Paths, start: datetime, end: datetime, minutes: int) -> DataFrame:
    """Mean power of each device in slots of so many minutes. [power_w: W, power_s: s]"""
    if not warehouse.has_rows(paths.marts / "power_5min"):
        return empty("power_5min")
    with warehouse.asking() as connection:
        parameters = {"start": start, "end": end, "minutes": minutes}
        files = {"files": warehouse.partitions(paths.marts / "power_5min")}
        return warehouse.frame(connection, warehouse.sql("power_slots"), files | parameters)


def extent(paths: Paths) -> tuple[datetime, datetime]:
    """The first event, and until when the data was asked for or goes."""
    query = "SELECT min(event_time) AS first, max(event_time) AS last FROM read_parquet($files)"
    if warehouse.has_rows(paths.staging):
        with warehouse.asking() as connection:
            files = {"files": warehouse.partitions(paths.staging)}
            found = warehouse.frame(connection, query, files)
        first, last = found["first"][0].to_pydatetime(), found["last"][0].to_pydatetime()
        after = last + timedelta(milliseconds=1)
        return first, max(after, held.until(paths) or after)
    return parse_instant("1970-01-01"), parse_instant("1970-01-01") + HOUR


def newest(paths: Paths, end: datetime, devices: tuple[str, ...] = ()) -> datetime | None:
    """The newest event before an instant, of some devices or of all."""
    found = _staged(paths, "max(event_time)", "event_time < $end", {"end": end}, devices)
    return None if pd.isna(found) else found.to_pydatetime()


def rows(paths: Paths, window: tuple[datetime, datetime], devices: tuple[str, ...] = ()) -> int:
    """Staged rows with an event in a window, of some devices or of all."""
    given = dict(zip(("start", "end"), window, strict=True))
    within = "event_time >= $start AND event_time < $end"
    return int(_staged(paths, "count(*)", within, given, devices) or 0)


def _staged(
    paths: Paths, what: str, where: str, given: dict[str, Any], devices: tuple[str, ...]
) -> Any:
    """One number of the staged rows, None without any."""
    if not warehouse.has_rows(paths.staging):
        return None
    files = {"files": warehouse.partitions(paths.staging)}
    query = f"SELECT {what} AS found FROM read_parquet($files) WHERE {where}"
    if devices:
        query += " AND list_contains($devices, device_id)"
        given = given | {"devices": list(devices)}
    with warehouse.asking() as connection:
        return warehouse.frame(connection, query, files | given)["found"][0]


def instant(text: str, time_zone: str) -> datetime:
    """An ISO 8601 instant; a date alone is its midnight at the site. Raises ConfigError."""
    parsed = parse_instant(text)
    if len(text.strip()) > len("2026-03-14"):
        return parsed
    begins, _ = coverage.midnights(pd.Series([pd.Timestamp(parsed.date())]), time_zone)
    return begins.iloc[0].tz_convert("UTC").to_pydatetime()


def full_hour(instant: datetime) -> datetime:
    """The end of the hour that an instant cuts; a full hour stays."""
    begun = floor_hour(instant)
    return begun if begun == instant else begun + HOUR


def chosen(paths: Paths, names: Mapping[str, str], wanted: str) -> tuple[str, ...]:
    """The ids of devices given by name or id, comma separated. Raises ConfigError.

    A name stands for every device that has it, as one that was paired again keeps its name.
    """
    if not (asked := [part.strip() for part in wanted.split(",") if part.strip()]):
        return ()
    known = {own: names.get(own, own) for own in sorted({*names, *_with_hours(paths)})}
    if unknown := [one for one in asked if one not in {*known, *known.values()}]:
        raise ConfigError(
            f"no device is called {', '.join(unknown)}.",
            where="the parameter devices",
            risk="The analysis would be of other devices than those meant. Nothing was computed.",
            remedy=f"Known are: {', '.join(sorted(set(known.values()))) or 'none'}.",
        )
    return tuple(own for own, name in known.items() if {own, name} & {*asked})


def content_hash(frame: DataFrame) -> str:
    """A content hash of a frame, the same wherever it is computed."""
    total = int(pd.util.hash_pandas_object(frame, index=False).sum()) if len(frame) else 0
    return f"{total:016x}-{len(frame)}"


def _with_hours(paths: Paths) -> list[str]:
    """The ids of all devices that the marts have hours of."""
    folder = paths.marts / "energy_hourly"
    if not warehouse.has_rows(folder):
        return []
    with warehouse.asking() as connection:
        query = "SELECT DISTINCT device_id FROM read_parquet($files)"
        found = warehouse.frame(connection, query, {"files": warehouse.partitions(folder)})
    return [str(own) for own in found["device_id"]]
