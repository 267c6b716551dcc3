"""One way to turn a raw archive into typed, unique Parquet by date, in a process of its own.

    python -m bench.contenders '{"way": "polars", "store": "FOLDER", "target": "FOLDER"}'

Belongs here: choosing the way, its clock and its peak memory, and what it wrote, judged after the
clock has stopped. Does not belong here: the ways (`way_*.py`), which are imported only when
chosen, so that no process carries another's packages. Prints one line of JSON.
"""

import json
import shutil
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb

from bench.harness import peak_mb
from lib.paths import Paths

# Name -> module and function: (raw folder, target folder) -> what else there is to tell.
WAYS = {
    "ours": ("bench.way_ours", "staged"),
    "parse": ("bench.way_duckdb", "parsed"),
    "naive": ("bench.way_duckdb", "naive"),
    "polars": ("bench.way_polars", "staged"),
    "pandas": ("bench.way_pandas", "staged"),
    "dlt": ("bench.way_dlt", "staged"),
}
# The same whatever the order of rows, the type of times and further columns.
_JUDGED = """
SELECT count(*), count(DISTINCT event_date),
    sum(hash(device_id, code, epoch_ms(event_time::TIMESTAMPTZ), event_id::INTEGER, value))::VARCHAR
FROM read_parquet($files, hive_partitioning = true)
"""


def main(given: dict[str, Any]) -> dict[str, Any]:
    """Go the way; seconds, peak memory [MB], rows, dates and the digest of what was written."""
    store, target = Path(given["store"]), Path(given["target"])
    module, name = WAYS[given["way"]]
    way: Callable[[Path, Path], dict[str, Any]] = getattr(import_module(module), name)
    shutil.rmtree(target, ignore_errors=True)
    began = time.monotonic()
    told = way(Paths.at(store).raw, target)
    seconds, peak = time.monotonic() - began, peak_mb()
    return {"seconds": seconds, "peak_mb": peak} | judged(target) | told


def judged(target: Path) -> dict[str, Any]:
    """What a folder of Parquet by date holds; nothing where there is none."""
    if not target.exists():
        return {}
    written = [*target.glob("event_date=*/*.parquet")]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        files = {"files": [str(file) for file in written]}
        ((rows, dates, digest),) = connection.execute(_JUDGED, files).fetchall()
    size = sum(file.stat().st_size for file in written)
    return {"rows": rows, "dates": dates, "digest": digest, "bytes": size}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
