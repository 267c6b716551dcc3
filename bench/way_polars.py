"""Polars, as somebody who knows it would do it: two files at a time, declared columns, one frame.

It has no reader for packed arrays of JSON: each file is unpacked here and parsed by Polars.
Belongs here: that way. Does not belong here: its clock (`contenders.py`).
"""

import gzip
import io
from concurrent.futures import ThreadPoolExecutor
from functools import partial
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
_FIRST = ["ingestion_timestamp_utc", "filename"]
_COLUMNS = [
    *("device_id", "device_name", "code", "event_time", "event_id", "value", "value_num", "unit"),
    *("event_from", "ingestion_timestamp_utc", "ingested_by", "filename"),
]


def staged(raw: Path, target: Path, known: Path) -> dict[str, Any]:
    """Read all files, keep the first ingestion of each key, write by date."""
    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
        frames = list(pool.map(partial(_read, raw), sorted(raw.glob(FILES))))
    rows = pl.concat(frames)
    unique = (
        rows.lazy()
        .sort([*_KEY, *_FIRST], nulls_last=True)
        .unique(_KEY, keep="first", maintain_order=True)
    )
    dated = _typed(unique, known).with_columns(event_date=pl.col("event_time").dt.date())
    by_date = pl.PartitionBy(target, key="event_date", include_key=False)
    # Collected first: streaming all of it into the files takes longer.
    dated.collect().lazy().sink_parquet(by_date, compression="zstd", mkdir=True)
    return {"read": rows.height}


def _read(raw: Path, file: Path) -> pl.DataFrame:
    rows = pl.read_json(io.BytesIO(gzip.decompress(file.read_bytes())), schema=_SCHEMA)
    return rows.with_columns(filename=pl.lit(str(file.relative_to(raw))))


def _typed(rows: pl.LazyFrame, known: Path) -> pl.LazyFrame:
    """The rows in their order, with instants, names, scaled values and units."""
    names, codes = (pl.read_json(known / name).lazy() for name in ("names.json", "codes.json"))
    value = pl.col("value")
    scaled = value.cast(pl.Float64, strict=False) * pl.col("factor") / pl.col("divisor")
    states = pl.when(value == "true").then(1.0).when(value == "false").then(0.0)
    return (
        rows.join(names, on="device_id", how="left", maintain_order="left")
        .join(codes, on=["device_id", "code"], how="left", maintain_order="left")
        .with_columns(
            event_time=pl.from_epoch("event_time", time_unit="ms").dt.replace_time_zone("UTC"),
            value_num=pl.when("is_number").then(scaled).otherwise(states),
            ingestion_timestamp_utc=pl.col("ingestion_timestamp_utc").str.to_datetime(
                time_zone="UTC"
            ),
        )
        .select(_COLUMNS)
    )
