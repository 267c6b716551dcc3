"""DuckDB: only parsing, which nobody who reads the same files with it can undercut; and the
way that comes to mind first. Belongs here: these two, and what gives rows name, scale, unit and
order. Does not belong here: our own SQL.
"""

from pathlib import Path
from typing import Any

import duckdb

FILES = "*/*/*_logs*.json.gz"
TEXT = (
    *("device_id", "code", "value", "event_id", "event_from", "event_time", "status"),
    *("ingestion_timestamp_utc", "ingested_by"),
)
_UNIQUE = """
CREATE TEMP TABLE unique_rows AS
SELECT
    device_id, device_name, code, make_timestamptz(event_time * 1000) AS event_time,
    event_id::INTEGER AS event_id, value,
    CASE
        WHEN is_number THEN try_cast(value AS DOUBLE) * factor / divisor
        WHEN value = 'true' THEN 1
        WHEN value = 'false' THEN 0
    END AS value_num,
    unit, event_from, ingestion_timestamp_utc::TIMESTAMPTZ AS ingestion_timestamp_utc,
    ingested_by, taken.filename, make_timestamp(event_time * 1000)::DATE AS event_date
FROM (
    SELECT *, row_number() OVER (
        PARTITION BY device_id, event_time, event_id, code
        ORDER BY ingestion_timestamp_utc, filename
    ) AS turn
    FROM ({rows})
) AS taken
LEFT JOIN read_json_auto('{known}/names.json') USING (device_id)
LEFT JOIN read_json_auto('{known}/codes.json') USING (device_id, code)
WHERE turn = 1
"""
_DATE = """
COPY (
    SELECT * EXCLUDE (event_date) FROM unique_rows WHERE event_date = '{day}'
    ORDER BY device_id, code, event_time, event_id
) TO '{file}' (FORMAT parquet, COMPRESSION zstd)
"""


def parsed(raw: Path, target: Path) -> dict[str, Any]:
    """Every field of every row as text, counted and thrown away."""
    with duckdb.connect() as connection:
        return {"read": parse(connection, str(raw / FILES))}


def parse(connection: duckdb.DuckDBPyConnection, files: str | list[str]) -> int:
    """Parse files, or those of a pattern, and nothing else; their rows."""
    columns = ", ".join(f"{name}: 'VARCHAR'" for name in TEXT)
    counts = ", ".join(f"count({name})" for name in TEXT)
    rows_of = f"read_json($files, format = 'array', columns = {{{columns}}})"
    query = f"SELECT count(*), {counts} FROM {rows_of}"
    ((rows, *_),) = connection.execute(query, {"files": files}).fetchall()
    return int(rows)


def naive(raw: Path, target: Path, known: Path) -> dict[str, Any]:
    """Inferred columns, one query over the whole archive, a window to keep one row a key."""
    name = f"substr(filename, {len(str(raw)) + 2}) AS filename"
    found = f"read_json_auto('{raw / FILES}', filename = true)"
    write(f"SELECT * REPLACE ({name}) FROM {found}", target, known)
    return {}


def write(rows: str, target: Path, known: Path) -> None:
    """Write the first ingestion of each key of a query's rows, a sorted file a date.

    Of the ways to do so this is the quickest and the smallest: PARTITION_BY keeps no order with
    more than one thread.
    """
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(_UNIQUE.format(rows=rows, known=known))
        days = connection.execute("SELECT DISTINCT event_date::VARCHAR FROM unique_rows")
        for (day,) in days.fetchall():
            folder = target / f"event_date={day}"
            folder.mkdir(parents=True)
            connection.execute(_DATE.format(day=day, file=folder / "data_0.parquet"))
