"""Past days whose energy changed after they had been counted: an append-only ledger.

Belongs here: noticing a restated day and entering it, reading the ledger. Does not belong here:
making the marts, printing (`tables.py`, `drift.py`).

A day is past once its local midnight lies further back than rows usually come late. What it then
holds is remembered; a later change is a line. The line comes first and the memory after it, so
that a run killed between them notices again, and the line's own id keeps it from being entered
twice.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from lib import contents, files, origins, warehouse
from lib.config import Config
from lib.paths import Paths
from lib.times import DAY, iso, parse_instant

TABLE = "energy_daily"
MEASURED = ("energy_wh_increment", "energy_wh_total", "energy_wh_integral", "alive_s")
DIGITS = 6  # of Wh and seconds: below them a sum differs by its order alone
LATE, ANEW = "late rows", "made anew"  # other rows, or other rules: settings, scales, code
Values = list[float | None]
Days = dict[str, dict[str, Values]]  # local date -> device -> measured
Line = dict[str, Any]


def notice(paths: Paths, config: Config, *, now: datetime, run: str) -> list[Line]:
    """Enter each past day that is not what it was; the lines entered, oldest day first.

    Of a store's first time all days are new, and none is restated. Where nothing changed this
    reads no table.
    """
    state = _state(paths)
    zone = ZoneInfo(origins.site(paths, config.site).time_zone)
    found = contents.of(paths, (paths.marts / TABLE).glob("*/*.parquet"))
    hashes = {Path(name).parent.name.partition("=")[2]: known for name, known in found.items()}
    late = timedelta(hours=config.ingestion.overlap_h)
    past = {day for day in hashes | state["partitions"] if _end(day, zone) + late <= now}
    moved = {day for day in past if hashes.get(day) != state["partitions"].get(day)}
    if not moved:
        return []
    days, names = _measured(paths, moved & hashes.keys())
    told = {"noticed_at": iso(now), "run": run}
    lines = list(_changes(state, moved, days, names, told)) if state["came_by"] else []
    lines = [_explained(paths, zone, state["came_by"], line) for line in lines]
    _enter(paths, lines)
    kept = {day: hashes[day] for day in past & hashes.keys()}
    held = {day: known for day, known in (state["days"] | days).items() if day in kept}
    _keep(paths, {"came_by": _newest_ingestion(paths, moved), "partitions": kept, "days": held})
    return lines


def ledger(paths: Paths, since: datetime | None = None) -> list[Line]:
    """The restated days that were entered, from an instant on, in the order of their entry."""
    if not paths.restatements.exists():
        return []
    lines = map(_parsed, paths.restatements.read_bytes().splitlines())
    told = [line for line in lines if line]
    return [one for one in told if not since or parse_instant(one["noticed_at"]) >= since]


def _parsed(line: bytes) -> Line:
    """A line torn by a crash says nothing: what it was to say was noticed again."""
    try:
        read: Line = json.loads(line)
    except ValueError:
        return {}
    return read


def _end(day: str, zone: ZoneInfo) -> datetime:
    following = date.fromisoformat(day) + timedelta(days=1)
    return datetime(following.year, following.month, following.day, tzinfo=zone)


def _changes(
    state: dict[str, Any], moved: Iterable[str], days: Days, names: dict[str, str], told: Line
) -> Iterator[Line]:
    """A line for each device and day that is not what it was, or was not there."""
    newest = max(state["partitions"], default="")
    for day in sorted(day for day in moved if day <= newest):
        before, after = state["days"].get(day, {}), days.get(day, {})
        for device in sorted(before | after):
            old, new = before.get(device), after.get(device)
            if old != new:
                yield told | {
                    "local_date": day,
                    "device_id": device,
                    "device_name": names.get(device, device),
                    "before": dict(zip(MEASURED, old, strict=True)) if old else None,
                    "after": dict(zip(MEASURED, new, strict=True)) if new else None,
                }


def _explained(paths: Paths, zone: ZoneInfo, since: str, line: Line) -> Line:
    """The line with the rows of its day that came since the last look, and an id of its own.

    A row beside midnight changes the day beyond it too, by what it carries over.
    """
    day = date.fromisoformat(line["local_date"])
    end = _end(line["local_date"], zone)
    begin = _end(str(day - timedelta(days=1)), zone)
    rows, around = _came_since(paths, line["device_id"], begin, end, since)
    said = {key: value for key, value in line.items() if key not in ("noticed_at", "run")}
    own = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
    return {"id": own} | line | {"late_rows": rows, "reason": LATE if around else ANEW}


def _came_since(
    paths: Paths, device: str, begin: datetime, end: datetime, since: str
) -> tuple[int, int]:
    """How many staged rows of a stretch came after an instant, and of it with a day around it."""
    wide = begin - DAY, end + DAY
    dates = {(wide[0] + n * DAY).astimezone(UTC).date() for n in range(5)}
    there = _partitions(paths, map(str, dates))
    if not there:
        return 0, 0
    query = (
        "SELECT count(*) FILTER (event_time >= $begin AND event_time < $end), count(*) "
        "FROM read_parquet($files) WHERE device_id = $device "
        "AND event_time >= $first AND event_time < $last AND ingestion_timestamp_utc > $since"
    )
    given = {"files": there, "device": device, "begin": begin, "end": end, "since": since}
    with warehouse.asking() as connection:
        told = given | {"first": wide[0], "last": wide[1]}
        ((own, around),) = connection.execute(query, told).fetchall()
    return int(own), int(around)


def _newest_ingestion(paths: Paths, dates: Iterable[str]) -> str:
    """When the newest of the staged rows came, of some dates and the last three."""
    last = sorted(paths.staging.glob("event_date=*"))[-3:]
    there = _partitions(paths, {*dates, *(folder.name.partition("=")[2] for folder in last)})
    if not there:
        return ""
    query = "SELECT max(ingestion_timestamp_utc)::VARCHAR FROM read_parquet($files)"
    with warehouse.asking() as connection:
        ((newest,),) = connection.execute(query, {"files": there}).fetchall()
    return str(newest or "")


def _partitions(paths: Paths, dates: Iterable[str]) -> list[str]:
    found = [warehouse.partition(paths.staging, day) for day in sorted(dates)]
    return [files.literal(file) for file in found if file.exists()]


def _measured(paths: Paths, chosen: Iterable[str]) -> tuple[Days, dict[str, str]]:
    """What the marts hold of some local dates, and the devices' names."""
    days: Days = {day: {} for day in chosen}
    if not days:
        return {}, {}
    found = [files.literal(warehouse.partition(paths.marts / TABLE, day)) for day in sorted(days)]
    columns = ", ".join(f"round({name}, {DIGITS})" for name in MEASURED)
    query = f"SELECT local_date::VARCHAR, device_id, device_name, {columns} FROM read_parquet($f)"
    with warehouse.asking() as connection:
        rows = warehouse.settled(lambda: connection.execute(query, {"f": found}).fetchall())
    for day, device, _, *values in rows:
        days[day][device] = values
    return days, {device: name for _, device, name, *_ in rows}


def _enter(paths: Paths, lines: list[Line]) -> None:
    if lines:
        entered = {line["id"] for line in ledger(paths)}
        for line in lines:
            if line["id"] not in entered:
                files.append_line(paths.restatements, json.dumps(line, ensure_ascii=False))


def _memory(paths: Paths) -> Path:
    return paths.data / "restatements_state.json"


def _state(paths: Paths) -> dict[str, Any]:
    """What was known of past days; of a memory that is gone or spoilt nothing is."""
    try:
        known: dict[str, Any] = json.loads(_memory(paths).read_text("utf-8"))
    except (OSError, ValueError):
        return {"came_by": "", "partitions": {}, "days": {}}
    return known


def _keep(paths: Paths, state: dict[str, Any]) -> None:
    files.write_text(_memory(paths), json.dumps(state, separators=(",", ":")) + "\n")
