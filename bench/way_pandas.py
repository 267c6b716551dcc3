"""pandas with the json of the standard library: a frame a day and device, then all of them.

Belongs here: that way. Does not belong here: its clock (`contenders.py`).
"""

import gzip
import json
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.way_duckdb import FILES

_KEY = ["device_id", "code", "event_time", "event_id"]
_FIRST = ["ingestion_timestamp_utc", "filename"]
_COLUMNS = [
    *("device_id", "device_name", "code", "event_time", "event_id", "value", "value_num", "unit"),
    *("event_from", "ingestion_timestamp_utc", "ingested_by", "filename"),
]


def staged(raw: Path, target: Path, known: Path) -> dict[str, Any]:
    """Read all files, keep the first ingestion of each key, write by date."""
    by_folder: dict[Path, list[Path]] = {}
    for file in sorted(raw.glob(FILES)):
        by_folder.setdefault(file.parent, []).append(file)
    rows = pd.concat([_read(raw, files) for files in by_folder.values()], ignore_index=True)
    unique = rows.sort_values([*_KEY, *_FIRST]).drop_duplicates(_KEY)
    typed = _typed(unique, known)
    for day, part in typed.groupby(typed["event_time"].dt.strftime("%Y-%m-%d")):
        folder = target / f"event_date={day}"
        folder.mkdir(parents=True)
        part.to_parquet(folder / "data_0.parquet", compression="zstd", index=False)
    return {"read": len(rows)}


def _read(raw: Path, files: list[Path]) -> pd.DataFrame:
    parts = [json.loads(gzip.decompress(file.read_bytes())) for file in files]
    frame = pd.DataFrame(list(chain.from_iterable(parts)))
    names = [str(file.relative_to(raw)) for file in files]
    frame["filename"] = np.repeat(names, [len(part) for part in parts])
    return frame


def _typed(rows: pd.DataFrame, known: Path) -> pd.DataFrame:
    """The rows in their order, with instants, names, scaled values and units."""
    names, codes = (
        pd.DataFrame(json.loads((known / name).read_bytes()))
        for name in ("names.json", "codes.json")
    )
    rows = rows.merge(names, "left", "device_id").merge(codes, "left", ["device_id", "code"])
    scaled = pd.to_numeric(rows["value"], errors="coerce") * rows["factor"] / rows["divisor"]
    states = rows["value"].map({"true": 1.0, "false": 0.0})
    return rows.assign(
        event_time=pd.to_datetime(rows["event_time"], unit="ms", utc=True).dt.as_unit("us"),
        event_id=rows["event_id"].astype("int32"),
        value_num=scaled.where(rows["is_number"].eq(True), states),
        ingestion_timestamp_utc=pd.to_datetime(rows["ingestion_timestamp_utc"], utc=True),
    )[_COLUMNS]
