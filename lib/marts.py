"""Staged rows -> hourly and daily energy, voltage, gaps and switch states.

Belongs here: which dates to rebuild, and replacing their partitions. Does not belong here:
the rules of holding and coverage (`sql/marts_date.sql`), indicators (`energy.py`).

Each date starts from what the day before left (table `carry`); where that changes, the next
date is rebuilt too. State lies in `marts/_state`; without it every date is built again.
"""

import json
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from lib import files, warehouse
from lib.config import Config
from lib.datapoints import FACTORS, KNOWN
from lib.ingest import by_day
from lib.journal import Entry, Journal
from lib.paths import Paths
from lib.progress import Progress, silent
from lib.times import DAY, HOUR, iso, parse_instant
from lib.warehouse import Connection

BY_DATE = ("energy_hourly", "voltage_10min", "gaps", "states", "carry", "carry_states")


_START: dict[str, Any] = {"offset": 0, "horizon": {}}


@dataclass
class Report:
    """The dates that were rebuilt, UTC and local."""

    dates: list[str] = field(default_factory=list)
    local_dates: list[str] = field(default_factory=list)
    seconds: float = 0.0


def run(
    paths: Paths, config: Config, *, rebuild: bool = False, progress: Progress = silent
) -> Report:
    """Rebuild the dates that new windows touch and those after them that change with them."""
    began, report = time.monotonic(), Report()
    state = _START if rebuild else _state(paths)
    entries, offset = Journal(paths.journal).since(state["offset"])
    horizon = _horizon(state["horizon"], entries)
    waiting = _touched(entries) | _unfinished(paths)
    _begin(paths, waiting)
    with warehouse.connect() as connection:
        _prepare(connection, horizon)
        while waiting:
            day = min(waiting)
            progress(len(report.dates), len(report.dates) + len(waiting), day)
            waiting.remove(day)
            changed = _build_date(connection, paths, config, day)
            report.dates.append(day)
            if changed and (following := _following(paths, day)):
                waiting.add(following)
        report.local_dates = _build_daily(connection, paths, config, report.dates)
    progress(len(report.dates), len(report.dates), "")
    _save(paths, offset, horizon)
    report.seconds = time.monotonic() - began
    return report


def _touched(entries: list[Entry]) -> set[str]:
    """Dates of the events, and of the windows: an empty window says that nothing changed."""
    days = {day for entry in entries for day in entry.dates}
    for entry in entries:
        if entry.complete:
            days |= {f"{start:%Y-%m-%d}" for start, _ in by_day(entry.start, entry.end)}
    return days


def _horizon(known: dict[str, str], entries: list[Entry]) -> dict[str, str]:
    """Until when each device was asked for, in whole; nothing is held past it."""
    until = {device: parse_instant(text) for device, text in known.items()}
    for entry in entries:
        if entry.complete:
            until[entry.device_id] = max(entry.end, until.get(entry.device_id, entry.end))
    return {device: iso(instant) for device, instant in until.items()}


def _prepare(connection: Connection, horizon: dict[str, str]) -> None:
    """One thread: sums of doubles depend on their order, and a rebuild must give equal ones."""
    connection.execute("SET threads = 1")
    codes = [(code, point.quantity, point.kind) for code, point in KNOWN.items()]
    connection.register("codes", pd.DataFrame(codes, columns=["code", "quantity", "kind"]))
    connection.register("units", pd.DataFrame(FACTORS.items(), columns=["unit", "factor"]))
    known = pd.DataFrame(horizon.items(), columns=["device_id", "until"]).astype("str")
    connection.register("asked", known)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE horizon AS "
        "SELECT device_id, until::TIMESTAMPTZ AS until FROM asked"
    )


def _build_date(connection: Connection, paths: Paths, config: Config, day: str) -> bool:
    """Build every table of a date; whether what it leaves to the next day changed."""
    warehouse.run(connection, "marts_empty")
    staged = warehouse.partition(paths.staging, day)
    if staged.exists():
        warehouse.run(connection, "marts_inputs", {"partition": [str(staged)]})
    for table, carried in (("before", "carry"), ("before_states", "carry_states")):
        if previous := _previous(paths.marts / carried, day):
            connection.execute(
                f"INSERT INTO {table} BY NAME FROM read_parquet($file, hive_partitioning = false)",
                {"file": str(previous)},
            )
    parameters = {"day": day, "gap_s": config.energy.gap_limit_h * 3600}
    warehouse.run(connection, "marts_date", parameters)
    changed = any(_differs(connection, paths, table, day) for table in ("carry", "carry_states"))
    for table in BY_DATE:
        _replace(connection, table, warehouse.partition(paths.marts / table, day))
    return changed


def _replace(connection: Connection, table: str, target: Path) -> None:
    with files.replacing(target) as new:
        warehouse.write_parquet(connection, table, new)


def _differs(connection: Connection, paths: Paths, table: str, day: str) -> bool:
    old = warehouse.partition(paths.marts / table, day)
    if not old.exists():
        return True
    query = "SELECT * FROM read_parquet($file, hive_partitioning = false)"
    before = connection.execute(query, {"file": str(old)}).fetchall()
    return before != connection.table(table).fetchall()


def _days(folder: Path) -> list[str]:
    return sorted(p.name.removeprefix("event_date=") for p in folder.glob("event_date=*"))


def _previous(folder: Path, day: str) -> Path | None:
    """The newest partition before a date: silent days leave none."""
    earlier = [d for d in _days(folder) if d < day]
    return warehouse.partition(folder, earlier[-1]) if earlier else None


def _following(paths: Paths, day: str) -> str | None:
    return next((d for d in _days(paths.marts / "carry") if d > day), None)


def _build_daily(
    connection: Connection, paths: Paths, config: Config, days: list[str]
) -> list[str]:
    """Build the local dates that the hours of the UTC dates fall on."""
    zone = ZoneInfo(config.site.time_zone)
    local_dates = sorted({str(d) for day in days for d in _local_dates(day, zone)})
    for local_date in local_dates:
        around = [str(date.fromisoformat(local_date) + DAY * n) for n in (-1, 0, 1)]
        hours = [warehouse.partition(paths.marts / "energy_hourly", day) for day in around]
        parameters = {
            "hours": [str(file) for file in hours if file.exists()],
            "local_date": local_date,
            "time_zone": config.site.time_zone,
        }
        warehouse.run(connection, "marts_daily", parameters)
        _replace(
            connection,
            "energy_daily",
            warehouse.partition(paths.marts / "energy_daily", local_date),
        )
    return local_dates


def _local_dates(day: str, zone: ZoneInfo) -> set[date]:
    start = parse_instant(day)
    return {(start + HOUR * h).astimezone(zone).date() for h in (0, 23)}


def _file(paths: Paths) -> Path:
    return paths.marts / "_state" / "position.json"


def _state(paths: Paths) -> dict[str, Any]:
    if not _file(paths).exists():
        return _START
    state: dict[str, Any] = json.loads(_file(paths).read_text("utf-8"))
    return state


def _save(paths: Paths, offset: int, horizon: dict[str, str]) -> None:
    files.write_text(_file(paths), json.dumps({"offset": offset, "horizon": horizon}) + "\n")
    _mark(paths).unlink(missing_ok=True)


def _mark(paths: Paths) -> Path:
    return paths.marts / "_state" / "building_from.txt"


def _begin(paths: Paths, waiting: set[str]) -> None:
    """Note where building begins: a run killed on its way must not leave a later date stale."""
    if waiting:
        files.write_text(_mark(paths), min(waiting) + "\n")


def _unfinished(paths: Paths) -> set[str]:
    """Every date from where a killed run began."""
    if not _mark(paths).exists():
        return set()
    first = _mark(paths).read_text("utf-8").strip()
    return {first, *(day for day in _days(paths.marts / "carry") if day > first)}
