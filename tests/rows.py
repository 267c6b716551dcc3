"""Rows by hand for tests: a raw store as the cloud would have filled it."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from pandas import DataFrame

from lib import marts, raw, staging, warehouse
from lib.config import Config, Ingestion
from lib.journal import Entry, Window
from lib.paths import Paths
from lib.raw import Row
from lib.times import midnight, parse_instant, to_ms

CONFIG = Config(ingestion=Ingestion(retention_days=60))


def at(text: str) -> datetime:
    """An instant in UTC: `10 12:30` is the 10th of March 2026."""
    day, _, clock = text.partition(" ")
    return parse_instant(f"2026-03-{int(day):02d}T{clock or '00:00'}Z")


def report(when: str, code: str, value: Any, **others: Any) -> Row:
    """A row as the cloud gives it; a None value stands for an absent field."""
    row = {"code": code, "event_id": 7, "event_from": "1", "event_time": to_ms(at(when))}
    return row | {"status": "1"} | ({} if value is None else {"value": value}) | others


def event(when: str, event_id: int, **others: Any) -> Row:
    """A row without code and value: 1 online, 2 offline."""
    return {"event_id": event_id, "event_from": "1", "event_time": to_ms(at(when))} | others


def keep(
    store: Paths,
    rows: Iterable[Row],
    *,
    device: str = "plug01",
    asked: str = "20",
    day: str = "",
    complete: bool = True,
) -> list[Entry]:
    """Keep rows as answered windows, a whole UTC day each, asked at an instant."""
    by_day: dict[datetime, list[Row]] = {midnight(at(day)): []} if day else {}
    for row in rows:
        start = midnight(parse_instant("1970-01-01") + timedelta(milliseconds=row["event_time"]))
        by_day.setdefault(start, []).append(row)
    return [
        raw.write_window(
            store,
            Window(device, start, start + timedelta(days=1)),
            own,
            asked_at=at(asked),
            ingested_by="tcc/0",
            complete=complete,
        )
        for start, own in by_day.items()
    ]


def staged(store: Paths) -> DataFrame:
    """All staged rows, in the order of their key."""
    order = "true ORDER BY device_id, event_time, event_id, code"
    return warehouse.read(store.staging, where=order)


def build(store: Paths, config: Config = CONFIG) -> tuple[staging.Report, marts.Report]:
    """Stage and build what is new."""
    return staging.run(store, config), marts.run(store, config)


def table(store: Paths, name: str, device: str = "plug01") -> DataFrame:
    """The rows of a mart for one device, in time order."""
    found = warehouse.read(
        store.marts / name, where="device_id = $device", parameters={"device": device}
    )
    time = next(
        c for c in found.columns if c.endswith("_start") or c in ("local_date", "last_seen")
    )
    return found.sort_values(time).reset_index(drop=True)


def contents(store: Paths) -> dict[str, list[tuple[Any, ...]]]:
    """What every partition holds, to compare stores: names and rows, not bytes."""
    found = {}
    for folder in (store.staging, *sorted(p for p in store.marts.glob("*") if p.name[0] != "_")):
        for file in sorted(folder.glob("event_date=*/data_0.parquet")):
            with warehouse.connect() as connection:
                query = "SELECT * FROM read_parquet($file, hive_partitioning = false)"
                rows = connection.execute(query, {"file": str(file)}).fetchall()
            found[f"{folder.name}/{file.parent.name}"] = rows
    return found
