"""dlt: its filesystem source, a transformer for arrays of JSON, Parquet by its filesystem
destination, with both processors for its normalisation.

What it does not do: its plain Parquet destination only appends (`merge` needs Delta or Iceberg)
and lays files out by load, not by a column; nor does it join. So a key stays twice, no value is
scaled and no folder is a date; DuckDB does that afterwards, as in the naive way, and its share of
the time is told apart. Belongs here: that way.
"""

import gzip
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ |= {  # before the import, which reads them
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "NORMALIZE__WORKERS": "2",
    "DATA_WRITER__FILE_MAX_ITEMS": "250000",  # one file would leave a processor without work
}

import dlt
from dlt.sources.filesystem import filesystem

from bench.way_duckdb import FILES, write

_COLUMNS = {
    name: {"name": name, "data_type": kind}
    for name, kind in {
        "device_id": "text",
        "code": "text",
        "value": "text",
        "event_id": "bigint",
        "event_from": "text",
        "event_time": "bigint",
        "status": "text",
        "ingestion_timestamp_utc": "timestamp",
        "ingested_by": "text",
        "filename": "text",
    }.items()
}


@dlt.transformer(name="readings", columns=_COLUMNS, write_disposition="append")
def rows(items: list[Any]) -> Iterator[list[dict[str, Any]]]:
    """The rows of each file, a file at a time, with its name."""
    for item in items:
        came = json.loads(gzip.decompress(Path(item["file_url"][7:]).read_bytes()))
        yield [row | {"filename": item["relative_path"]} for row in came]


def staged(raw: Path, target: Path, known: Path) -> dict[str, Any]:
    """Load all files, then keep the first ingestion of each key, scaled, by date."""
    with TemporaryDirectory(prefix="tcc-dlt-") as folder:
        bucket = Path(folder) / "bucket"
        pipeline = dlt.pipeline(
            "tcc",
            pipelines_dir=folder,
            destination=dlt.destinations.filesystem(bucket.as_uri()),
            dataset_name="raw",
        )
        found = filesystem(bucket_url=raw.as_uri(), file_glob=FILES, files_per_page=500)
        pipeline.run(found | rows, loader_file_format="parquet")
        began = time.monotonic()
        loaded = bucket / "raw" / "readings" / "*.parquet"
        write(f"SELECT * FROM read_parquet('{loaded}')", target, known)
        return {"afterwards_s": time.monotonic() - began}
