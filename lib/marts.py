"""Staged rows -> energy, power, voltage, availability, gaps and states of loads and switches.

Belongs here: which dates to rebuild, and replacing their partitions. Does not belong here:
the rules of holding and coverage (`sql/marts_date.sql`), indicators (`energy.py`).

Each date starts from what the day before left (table `carry`); where that changes, the next
date is rebuilt too. State lies in `marts/_state`; without it every date is built again.
"""

import shutil
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from lib import bookmark, contract, files, held, origins, registry, staging, warehouse
from lib.bookmark import Bookmark
from lib.config import Config
from lib.datapoints import FACTORS, KNOWN
from lib.journal import Journal
from lib.paths import Paths
from lib.progress import Progress, silent
from lib.times import DAY, HOUR, parse_instant
from lib.warehouse import Connection

TABLES_OF_A_DATE = ("marts_date", "marts_power", "marts_carry")
SQL = ("marts_empty", "marts_inputs", *TABLES_OF_A_DATE, "marts_daily")
BY_DATE = (
    *("energy_hourly", "power_5min", "loads", "voltage_10min", "availability_hourly"),
    *("gaps", "states", "carry", "carry_states"),
)
BY_LOCAL_DATE = ("energy_daily", "availability")


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
    mark = _bookmark(paths, config, rebuild=rebuild)
    entries, offset = Journal(paths.journal).since(mark.offset)
    with warehouse.connect() as connection:
        _prepare(connection, paths, config)
        waiting = {day for entry in entries for day in entry.dates} | _unfinished(paths)
        _begin(paths, waiting | {day for entry in entries for day in held.days(entry)})
        waiting |= held.update(connection, paths, entries, config.ingestion)
        if mark.offset == 0:
            _drop_others(paths, waiting)
        while waiting:
            day = min(waiting)
            done, left = len(report.dates), len(waiting)
            progress(done, done + left, f"{day}, {left} left")
            waiting.remove(day)
            changed = _build_date(connection, paths, config, day)
            report.dates.append(day)
            if changed and (following := _following(paths, day)):
                waiting.add(following)
        report.local_dates = _build_daily(connection, paths, config, report.dates)
    progress(len(report.dates), len(report.dates), "")
    before = bookmark.fingerprint(paths.journal, offset)
    bookmark.save(_file(paths), Bookmark(offset, before, _rules(paths, config)))
    _mark(paths).unlink(missing_ok=True)
    report.seconds = time.monotonic() - began
    return report


def _bookmark(paths: Paths, config: Config, *, rebuild: bool) -> Bookmark:
    """Where to go on from; the beginning where the journal or the rules are others."""
    mark = bookmark.load(_file(paths), paths.journal)
    if rebuild or mark.offset == 0 or bookmark.outdated(mark, _rules(paths, config)):
        _file(paths).unlink(missing_ok=True)
        for table in ("held", "carry"):  # other rules may give them other columns
            shutil.rmtree(paths.marts / table, ignore_errors=True)
        return Bookmark()
    return mark


def _drop_others(paths: Paths, days: set[str]) -> None:
    """Where everything is built again, what will not be has nothing to stand on any more."""
    for table in BY_DATE:
        for day in set(_days(paths.marts / table)) - days:
            shutil.rmtree(warehouse.partition(paths.marts / table, day).parent)


def _rules(paths: Paths, config: Config) -> dict[str, str]:
    """By what dates are built: SQL, settings, and how often all was staged again."""
    zone = origins.site(paths, config.site).time_zone
    settings = (
        config.energy.gap_limit_h,
        config.load,
        zone,
        config.ingestion.retention_days,
        _switches(config),
    )
    names = sorted(registry.names(paths, config.devices).items())
    return {
        "sql": bookmark.sql_rules(*SQL),
        "settings": bookmark.digest((settings, KNOWN, FACTORS)),
        "staged": str(staging.generation(paths)),
    } | {f"name of {device}": name for device, name in names}


def _prepare(connection: Connection, paths: Paths, config: Config) -> None:
    """One thread: sums of doubles depend on their order, and a rebuild must give equal ones."""
    connection.execute("SET threads = 1")
    text = "VARCHAR"
    codes = [(code, point.quantity, point.kind) for code, point in KNOWN.items()]
    columns = {"code": text, "quantity": text, "kind": text}
    warehouse.table(connection, "codes", columns, codes)
    warehouse.table(connection, "units", {"unit": text, "factor": "DOUBLE"}, FACTORS.items())
    names = registry.names(paths, config.devices).items()
    warehouse.table(connection, "names", {"device_id": text, "device_name": text}, names)
    warehouse.table(connection, "switches", {"device_id": text, "code": text}, _switches(config))


def _switches(config: Config) -> list[tuple[str, str]]:
    """The codes that the user says switch a device, beside Tuya's own `switch...`."""
    return [(d.id, d.on_off_code) for d in config.devices if d.on_off_code]


def _build_date(connection: Connection, paths: Paths, config: Config, day: str) -> bool:
    """Build every table of a date; whether what it leaves to the next day changed."""
    warehouse.run(connection, "marts_empty")
    staged = warehouse.partition(paths.staging, day)
    if staged.exists():
        warehouse.run(connection, "marts_inputs", {"partition": [files.literal(staged)]})
    _insert(connection, "before", _previous(paths.marts / "carry", day))
    _insert(connection, "before_states", _previous(paths.marts / "carry_states", day))
    _insert(connection, "held", warehouse.partition(paths.marts / "held", day))
    parameters = {"day": day, "gap_s": config.energy.gap_limit_h * 3600, **dict(config.load)}
    for name in TABLES_OF_A_DATE:
        warehouse.run(connection, name, parameters)
    changed = any(_differs(connection, paths, table, day) for table in ("carry", "carry_states"))
    for table in BY_DATE:
        _replace(connection, paths, table, day)
    return changed


def _insert(connection: Connection, table: str, file: Path | None) -> None:
    if file and file.exists():
        connection.execute(
            f"INSERT INTO {table} BY NAME FROM read_parquet($file, hive_partitioning = false)",
            {"file": files.literal(file)},
        )


def _replace(connection: Connection, paths: Paths, table: str, day: str) -> None:
    """Put a date's table in the old one's place, if it keeps the contract. Raises DataError."""
    target = warehouse.partition(paths.marts / table, day)
    with files.replacing(target, lambda new: contract.judge(connection, table, new, day)) as new:
        warehouse.write_parquet(connection, table, new)


def _differs(connection: Connection, paths: Paths, table: str, day: str) -> bool:
    old = warehouse.partition(paths.marts / table, day)
    if not old.exists():
        return True
    query = (
        f"WITH old AS (SELECT * FROM read_parquet($file, hive_partitioning = false)), "
        f"new AS (SELECT * FROM {table}) SELECT count(*) FROM "
        "((FROM old EXCEPT ALL FROM new) UNION ALL (FROM new EXCEPT ALL FROM old))"
    )
    return connection.execute(query, {"file": files.literal(old)}).fetchall() != [(0,)]


def _days(folder: Path) -> list[str]:
    return sorted(p.name.removeprefix("event_date=") for p in folder.glob("event_date=*"))


def _previous(folder: Path, day: str) -> Path | None:
    """The newest partition before a date: days that nobody asked about leave none."""
    if (before := warehouse.partition(folder, _shifted(day, -1))).exists():
        return before  # listing the folder would cost more with each day
    earlier = [d for d in _days(folder) if d < day]
    return warehouse.partition(folder, earlier[-1]) if earlier else None


def _following(paths: Paths, day: str) -> str | None:
    """The first date after one that was built."""
    if warehouse.partition(paths.marts / "carry", after := _shifted(day, 1)).exists():
        return after
    return next((d for d in _days(paths.marts / "carry") if d > day), None)


def _shifted(day: str, days: int) -> str:
    return str(date.fromisoformat(day) + days * DAY)


def _build_daily(
    connection: Connection, paths: Paths, config: Config, days: list[str]
) -> list[str]:
    """Build the local dates that the hours of the UTC dates fall on."""
    time_zone = origins.site(paths, config.site).time_zone
    zone = ZoneInfo(time_zone)
    local_dates = sorted({str(d) for day in days for d in _local_dates(day, zone)})
    for local_date in local_dates:
        around = [_shifted(local_date, n) for n in (-1, 0, 1)]
        parameters = {
            "hours": _there(paths.marts / "energy_hourly", around),
            "available": _there(paths.marts / "availability_hourly", around),
            "local_date": local_date,
            "time_zone": time_zone,
        }
        warehouse.run(connection, "marts_daily", parameters)
        for table in BY_LOCAL_DATE:
            _replace(connection, paths, table, local_date)
    return local_dates


def _there(folder: Path, days: list[str]) -> list[str]:
    """The partitions of dates that exist."""
    found = [warehouse.partition(folder, day) for day in days]
    return [files.literal(file) for file in found if file.exists()]


def _local_dates(day: str, zone: ZoneInfo) -> set[date]:
    start = parse_instant(day)
    return {(start + HOUR * h).astimezone(zone).date() for h in (0, 23)}


def _file(paths: Paths) -> Path:
    return paths.marts / "_state" / "position.json"


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
    known = {*_days(paths.marts / "carry"), *_days(paths.marts / "held")}
    return {first, *(day for day in known if day > first)}
