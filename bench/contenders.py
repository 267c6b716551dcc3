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
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb

from bench.harness import measured, peak_mb
from lib.paths import Paths

Told = dict[str, Any]
# Name -> module and function: (raw folder, target folder) -> what else there is to tell.
WAYS = {
    "ours": ("bench.way_ours", "staged"),
    "parse": ("bench.way_duckdb", "parsed"),
    "naive": ("bench.way_duckdb", "naive"),
    "polars": ("bench.way_polars", "staged"),
    "pandas": ("bench.way_pandas", "staged"),
    "dlt": ("bench.way_dlt", "staged"),
}
UNTOLD = ("ours", "parse")  # no need to be told what is known of devices, as a third folder
KNOWN = "known"  # in place of a way: write that

KEY = ("device_id", "code", "event_time", "event_id")
_SHAPE = "DESCRIBE FROM read_parquet($file, hive_partitioning = false)"
_CODECS = "SELECT DISTINCT compression FROM parquet_metadata($file)"
# The digests are the same whatever the order of rows. Each value but the key's own is bound to
# its key: two that changed places are noticed.
_JUDGED = """
SELECT
    count(*),
    count(*) FILTER (place < place_before),
    count(*) FILTER (event_time::TIMESTAMPTZ::DATE <> $day::DATE),
    {digests}
FROM (
    SELECT
        *,
        (device_id, code IS NULL, coalesce(code, ''), event_time) AS place,
        lag(place) OVER (ORDER BY file_row_number) AS place_before
    FROM read_parquet($file, hive_partitioning = false, file_row_number = true)
)
"""


def main(given: dict[str, Any]) -> Told:
    """Go the way; seconds, peak memory [MB], and what was written, as `judged` tells it."""
    store, target = Paths.at(Path(given["store"])), Path(given["target"])
    if given["way"] == KNOWN:
        return prepared(store, target)
    module, name = WAYS[given["way"]]
    way: Callable[..., Told] = getattr(import_module(module), name)
    more = [] if given["way"] in UNTOLD else [_known(given)]
    shutil.rmtree(target, ignore_errors=True)
    began = time.monotonic()
    told = way(store.raw, target, *more)
    seconds, peak = time.monotonic() - began, peak_mb()
    return {"seconds": seconds, "peak_mb": peak} | judged(target) | told


def _known(given: dict[str, Any]) -> Path:
    """Prepare what is known of the devices, in another process: its packages are not the way's."""
    folder = Path(f"{given['target']}-{KNOWN}")
    measured("bench.contenders", given | {"way": KNOWN, "target": str(folder)})
    return folder


def prepared(store: Paths, folder: Path) -> Told:
    """Write names.json, the names of devices, and codes.json, how each code of each is scaled.

    As `lib/staged_date.py` prepares it for ours; a specification that changed would need more.
    """
    from lib import registry  # no way's process shall carry it

    specs = registry.specifications(store)
    assert len({(one.device_id, one.spec.code) for one in specs}) == len(specs)
    named = registry.names(store).items()
    codes = [
        {
            "device_id": one.device_id,
            "code": one.spec.code,
            "factor": 10.0 ** max(-one.spec.scale, 0),
            "divisor": 10.0 ** max(one.spec.scale, 0),
            "unit": one.spec.unit if one.spec.is_number else None,
            "is_number": one.spec.is_number,
        }
        for one in specs
    ]
    names = [{"device_id": own, "device_name": name} for own, name in named]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "names.json").write_text(json.dumps(names), "utf-8")
    (folder / "codes.json").write_text(json.dumps(codes), "utf-8")
    return {"names": len(names), "codes": len(codes)}


def judged(target: Path) -> Told:
    """What a folder of Parquet by date holds; nothing where there is none.

    Of each column its digests by type; rows that stand before their place or in another date's
    file; how the files are packed.
    """
    if not target.exists():
        return {}
    written = sorted(target.glob("event_date=*/*.parquet"))
    told: Told = dict.fromkeys(("rows", "unsorted", "misplaced"), 0)
    columns: dict[str, Counter[str]] = {}
    codecs: set[str] = set()
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for file in written:
            given = {"file": str(file)}
            codecs |= {codec for (codec,) in connection.execute(_CODECS, given).fetchall()}
            counts, digests = _judged(connection, file)
            told |= {key: told[key] + count for key, count in zip(told, counts, strict=True)}
            for name, kind, digest in digests:
                columns.setdefault(name, Counter())[kind] += digest
    told |= {"dates": len({file.parent for file in written}), "files": len(written)}
    told |= {"bytes": sum(file.stat().st_size for file in written), "codecs": sorted(codecs)}
    return told | {"columns": columns}


def _judged(
    connection: duckdb.DuckDBPyConnection, file: Path
) -> tuple[list[int], list[tuple[str, str, int]]]:
    """Of a file: rows, those out of order, those of other dates; name, type, digest a column."""
    given = {"file": str(file)}
    shape = [(name, kind) for name, kind, *_ in connection.execute(_SHAPE, given).fetchall()]
    key = ", ".join(KEY)
    hashed = (name if name in KEY else f"{key}, {name}" for name, _ in shape)
    query = _JUDGED.format(digests=", ".join(f"sum(hash({what}))" for what in hashed))
    given |= {"day": file.parent.name.partition("=")[2]}
    ((*found,),) = connection.execute(query, given).fetchall()
    kinds = zip(shape, found[3:], strict=True)
    return found[:3], [(name, kind, int(digest)) for (name, kind), digest in kinds]


def differences(ours: Told, other: Told) -> Iterator[str]:
    """What keeps two ways from having written one and the same table, in words.

    Only what the other tells is compared; where keys differ, they alone are named.
    """
    for key in ("read", "rows", "dates"):
        if other.get(key, ours[key]) != ours[key]:
            yield f"{other[key]} {key} instead of {ours[key]}"
    if "columns" not in other:
        return
    own, its = ours["columns"], other["columns"]
    odd = [name for name in own | its if own.get(name) != its.get(name)]
    if odd:
        yield f"other contents of {', '.join([n for n in odd if n in KEY] or odd)}"
    for key, what in (("unsorted", "out of order"), ("misplaced", "in the file of another date")):
        if other[key]:
            yield f"{other[key]} rows {what}"
    if other["files"] != other["dates"]:
        yield f"{other['files']} files of {other['dates']} dates"
    if other["codecs"] != ["ZSTD"]:
        yield f"packed by {', '.join(other['codecs'])}"


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
