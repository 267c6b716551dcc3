"""Polars, as somebody who knows it would do it: two files at a time, declared columns, one frame.

It has no reader for packed arrays of JSON: each file is unpacked here and parsed by Polars.
Belongs here: that way. Does not belong here: its clock (`contenders.py`).
"""

import gzip
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl

from bench.way_duckdb import FILES

_SCHEMA = {
    "device_id": pl.String,
    "code": pl.String,
    "value": pl.String,
    "event_id": pl.Int32,
    "event_from": pl.String,
    "event_time": pl.Int64,
    "status": pl.String,
    "ingestion_timestamp_utc": pl.String,
    "ingested_by": pl.String,
}
_KEY = ["device_id", "code", "event_time", "event_id"]


def staged(raw: Path, target: Path) -> dict[str, Any]:
    """Read all files, keep the first ingestion of each key, write by date."""
    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
        frames = list(pool.map(_read, sorted(raw.glob(FILES))))
    rows = pl.concat(frames)
    when = pl.from_epoch("event_time", time_unit="ms").dt.replace_time_zone("UTC")
    taken_in = pl.col("ingestion_timestamp_utc").str.to_datetime(time_zone="UTC")
    unique = (
        rows.lazy()
        .sort([*_KEY, "ingestion_timestamp_utc"])
        .unique(_KEY, keep="first", maintain_order=True)
        .with_columns(
            event_time=when,
            ingestion_timestamp_utc=taken_in,
            event_date=when.dt.date(),
        )
        .collect()
    )
    unique.write_parquet(target, partition_by=["event_date"], mkdir=True)
    return {"read": rows.height}


def _read(file: Path) -> pl.DataFrame:
    return pl.read_json(io.BytesIO(gzip.decompress(file.read_bytes())), schema=_SCHEMA)
