"""Staged rows -> energy, power, voltage, availability, gaps and states of loads and switches.

Belongs here: which dates to rebuild, and replacing their partitions. Does not belong here:
the rules of holding and coverage (`sql/marts_date.sql`), indicators (`energy.py`).

Each date starts from what the day before left (table `carry`); where that changes, the next
date is rebuilt too. State lies in `marts/_state`; without it every date is built again.
"""

import time
from collections.abc import Container
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from lib import files, held, marts_state, origins, registry, staging_again, warehouse
from lib.bookmark import Bookmark
from lib.config import Config
from lib.datapoints import FACTORS, KNOWN
from lib.journal import Entry, Journal
from lib.marts_state import dates as _days
from lib.marts_tables import differs, insert, replace
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
    paths: Paths,
    config: Config,
    *,
    rebuild: bool = False,
    only: Container[str] | None = None,
    progress: Progress = silent,
) -> Report:
    """Rebuild the dates that new windows touch and those after them that change with them.

    With `rebuild` every date; with `only` chosen UTC dates, whatever their partitions hold, and
    those after them. What is new stays new then. Raises DataError where the date before the
    chosen ones cannot be read.
    """
    began, report = time.monotonic(), Report()
    mark = _bookmark(paths, config, rebuild=rebuild, chosen=only is not None)
    entries, offset = Journal(paths.journal).since(mark.offset)
    with warehouse.connect() as connection:
        _prepare(connection, paths, config)
        waiting, before = _waiting(connection, paths, config, entries, mark, only)
        if mark.offset == 0:
            gone = marts_state.drop_others(paths, (*BY_DATE, "held"), waiting, only)
            waiting |= {next_ for day in gone if only and (next_ := _following(paths, day))}
        _build(connection, paths, config, waiting, report, progress)
        report.local_dates = _build_daily(connection, paths, config, report.dates)
    progress(len(report.dates), len(report.dates), "")
    if only is None:
        marts_state.end(paths, config, SQL, offset)
    marts_state.kept(paths, before)
    staging_again.followed(paths, report.dates)
    report.seconds = time.monotonic() - began
    return report


def _bookmark(paths: Paths, config: Config, *, rebuild: bool, chosen: bool) -> Bookmark:
    """Where to go on from: for chosen dates the beginning, as for all."""
    if chosen:
        marts_state.begin_chosen(paths, config, SQL)
        return Bookmark()
    return marts_state.begin(paths, config, SQL, rebuild=rebuild)


def _waiting(
    connection: Connection,
    paths: Paths,
    config: Config,
    entries: list[Entry],
    mark: Bookmark,
    only: Container[str] | None,
) -> tuple[set[str], str]:
    """The dates to build, after it was noted where that begins; what was noted before.

    A note of a run that died is for a run of all dates to see to.
    """
    noted, settings = staging_again.waiting(paths), config.ingestion
    waiting = {day for entry in entries for day in entry.dates} | noted
    touched = waiting | {day for entry in entries for day in held.days(entry)}
    if only is not None:
        before = marts_state.promise(paths, {day for day in touched if day in only})
        waiting = {day for day in waiting if day in only}
        return waiting | held.update(connection, paths, entries, settings, only), before
    left = marts_state.unfinished(paths)
    marts_state.promise(paths, touched | left)
    if mark.offset == 0:  # whatever lies there: readers still find a file of each date
        return waiting | held.update(connection, paths, entries, settings, touched), ""
    if undone := noted | left:  # of these it is not known what became of their spans
        held.update(connection, paths, Journal(paths.journal).since()[0], settings, undone)
    return waiting | left | held.update(connection, paths, entries, settings), ""


def _build(
    connection: Connection,
    paths: Paths,
    config: Config,
    waiting: set[str],
    report: Report,
    progress: Progress,
) -> None:
    """Build the waiting dates in their order, and those that change with them."""
    while waiting:
        day = min(waiting)
        done, left = len(report.dates), len(waiting)
        progress(done, done + left, f"{day}, {left} left")
        waiting.remove(day)
        changed = _build_date(connection, paths, config, day)
        report.dates.append(day)
        if changed and (following := _following(paths, day)):
            waiting.add(following)


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
    switches = marts_state.switches(config)
    warehouse.table(connection, "switches", {"device_id": text, "code": text}, switches)


def _build_date(connection: Connection, paths: Paths, config: Config, day: str) -> bool:
    """Build every table of a date; whether what it leaves to the next day changed."""
    warehouse.run(connection, "marts_empty")
    staged = warehouse.partition(paths.staging, day)
    if staged.exists():
        warehouse.run(connection, "marts_inputs", {"partition": [files.literal(staged)]})
    insert(connection, "before", _previous(paths.marts / "carry", day))
    insert(connection, "before_states", _previous(paths.marts / "carry_states", day))
    insert(connection, "held", warehouse.partition(paths.marts / "held", day))
    parameters = {"day": day, "gap_s": config.energy.gap_limit_h * 3600, **dict(config.load)}
    for name in TABLES_OF_A_DATE:
        warehouse.run(connection, name, parameters)
    changed = any(differs(connection, paths, table, day) for table in ("carry", "carry_states"))
    for table in BY_DATE:
        replace(connection, paths, table, day)
    return changed


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
            replace(connection, paths, table, local_date)
    return local_dates


def _there(folder: Path, days: list[str]) -> list[str]:
    """The partitions of dates that exist."""
    found = [warehouse.partition(folder, day) for day in days]
    return [files.literal(file) for file in found if file.exists()]


def _local_dates(day: str, zone: ZoneInfo) -> set[date]:
    start = parse_instant(day)
    return {(start + HOUR * h).astimezone(zone).date() for h in (0, 23)}
