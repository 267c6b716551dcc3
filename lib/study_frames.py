"""Frames of a window, as the marts hold them: empty ones with their types, extents, hashes.

Belongs here: reading for `study.py`. Does not belong here: what a study is; indicators.
"""

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from pandas import DataFrame

from lib import contract, held, warehouse
from lib.paths import Paths
from lib.times import HOUR, parse_instant


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
    with warehouse.connect() as connection:
        parameters = {"start": start, "end": end, "minutes": minutes}
        files = {"files": warehouse.partitions(paths.marts / "power_5min")}
        return warehouse.frame(connection, warehouse.sql("power_slots"), files | parameters)


def extent(paths: Paths) -> tuple[datetime, datetime]:
    """The first event, and until when the data was asked for or goes."""
    query = "SELECT min(event_time) AS first, max(event_time) AS last FROM read_parquet($files)"
    if warehouse.has_rows(paths.staging):
        with warehouse.connect() as connection:
            files = {"files": warehouse.partitions(paths.staging)}
            found = warehouse.frame(connection, query, files)
        first, last = found["first"][0].to_pydatetime(), found["last"][0].to_pydatetime()
        after = last + timedelta(milliseconds=1)
        return first, max(after, held.until(paths) or after)
    return parse_instant("1970-01-01"), parse_instant("1970-01-01") + HOUR


def newest(paths: Paths, end: datetime) -> datetime | None:
    """The newest event before an instant."""
    if not warehouse.has_rows(paths.staging):
        return None
    query = "SELECT max(event_time) AS newest FROM read_parquet($files) WHERE event_time < $end"
    with warehouse.connect() as connection:
        parameters = {"files": warehouse.partitions(paths.staging), "end": end}
        found = warehouse.frame(connection, query, parameters)["newest"][0]
    return None if pd.isna(found) else found.to_pydatetime()


def content_hash(frame: DataFrame) -> str:
    """A content hash of a frame, the same wherever it is computed."""
    total = int(pd.util.hash_pandas_object(frame, index=False).sum()) if len(frame) else 0
    return f"{total:016x}-{len(frame)}"
