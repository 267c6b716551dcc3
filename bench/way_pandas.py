"""pandas with the json of the standard library: a frame a day and device, then all of them.

Belongs here: that way. Does not belong here: its clock (`contenders.py`).
"""

import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd

from bench.way_duckdb import FILES

_KEY = ["device_id", "code", "event_time", "event_id"]


def staged(raw: Path, target: Path) -> dict[str, Any]:
    """Read all files, keep the first ingestion of each key, write by date."""
    by_folder: dict[Path, list[Path]] = {}
    for file in sorted(raw.glob(FILES)):
        by_folder.setdefault(file.parent, []).append(file)
    rows = pd.concat([_read(files) for files in by_folder.values()], ignore_index=True)
    unique = rows.sort_values([*_KEY, "ingestion_timestamp_utc"]).drop_duplicates(_KEY)
    unique["event_time"] = pd.to_datetime(unique["event_time"], unit="ms", utc=True)
    taken_in = pd.to_datetime(unique["ingestion_timestamp_utc"], utc=True)
    unique["ingestion_timestamp_utc"] = taken_in
    unique["event_date"] = unique["event_time"].dt.strftime("%Y-%m-%d")
    unique.to_parquet(target, partition_cols=["event_date"], compression="zstd", index=False)
    return {"read": len(rows)}


def _read(files: list[Path]) -> pd.DataFrame:
    return pd.DataFrame(
        [row for file in files for row in json.loads(gzip.decompress(file.read_bytes()))]
    )
