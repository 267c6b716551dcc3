"""DuckDB: only parsing, which nobody who reads the same files with it can undercut; and the
way that comes to mind first. Belongs here: these two. Does not belong here: our own SQL.
"""

from pathlib import Path
from typing import Any

import duckdb

FILES = "*/*/*_logs*.json.gz"
_TEXT = (
    *("device_id", "code", "value", "event_id", "event_from", "event_time", "status"),
    *("ingestion_timestamp_utc", "ingested_by"),
)
_NAIVE = """
COPY (
    SELECT * EXCLUDE (turn, event_time), make_timestamp(event_time * 1000) AS event_time,
        make_timestamp(event_time * 1000)::DATE AS event_date
    FROM (
        SELECT *, row_number() OVER (
            PARTITION BY device_id, event_time, event_id, code ORDER BY ingestion_timestamp_utc
        ) AS turn
        FROM read_json_auto('{files}')
    )
    WHERE turn = 1
) TO '{target}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (event_date))
"""


def parsed(raw: Path, target: Path) -> dict[str, Any]:
    """Every field of every row as text, counted and thrown away."""
    columns = ", ".join(f"{name}: 'VARCHAR'" for name in _TEXT)
    counts = ", ".join(f"count({name})" for name in _TEXT)
    rows_of = f"read_json($files, format = 'array', columns = {{{columns}}})"
    query = f"SELECT count(*), {counts} FROM {rows_of}"
    with duckdb.connect() as connection:
        ((rows, *_),) = connection.execute(query, {"files": str(raw / FILES)}).fetchall()
    return {"read": rows}


def naive(raw: Path, target: Path) -> dict[str, Any]:
    """Inferred columns, one query over the whole archive, a window to keep one row a key."""
    with duckdb.connect() as connection:
        connection.execute(_NAIVE.format(files=raw / FILES, target=target))
    return {}
