"""What two states of a store hold differently: rows of staging, and spans that were asked about.

Belongs here: counting them by date and device. Does not belong here: where the states come from
(`as_of.py`, `hours.py`), what they do to a number (`why.py`).
"""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from lib import files, held, marts_state, warehouse
from lib.paths import Paths
from lib.warehouse import Connection


@dataclass
class Changes:
    """Rows that came late, went or changed, by date; dates on which more or less was held."""

    late: dict[str, int] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)
    other: dict[str, int] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)
    devices: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.late or self.gone or self.other or self.held)

    def lines(self) -> list[str]:
        """In words, a line for each kind."""
        kinds = (("late", self.late), ("taken-back", self.gone), ("changed", self.other))
        said = [
            f"{sum(by_day.values()):,} {kind} rows on {_days(sorted(by_day))}"
            for kind, by_day in kinds
            if by_day
        ]
        if self.held:
            said.append(f"other spans asked about in whole on {_days(self.held)}")
        return said + ([f"devices: {', '.join(sorted(self.devices))}"] if self.devices else [])


def _days(days: list[str], most: int = 6) -> str:
    shown = ", ".join(days[:most])
    return f"{shown} and {len(days) - most} more" if len(days) > most else shown


def changes(before: Paths, after: Paths) -> Changes:
    """What the later state of a store holds differently from the earlier one."""
    found = Changes()
    with warehouse.connect() as connection:
        for day in _both(before.staging, after.staging):
            pair = [warehouse.partition(paths.staging, day) for paths in (before, after)]
            if not _same(*pair):
                _count(connection, pair, day, found)
        for day in _both(before.marts / "held", after.marts / "held"):
            pair = [warehouse.partition(paths.marts / "held", day) for paths in (before, after)]
            one, other = (held.read(connection, paths, day) for paths in (before, after))
            if not _same(*pair) and one != other:
                found.held.append(day)
                found.devices |= {d for d in one | other if one.get(d) != other.get(d)}
    return found


def _both(before: Path, after: Path) -> list[str]:
    return sorted({*marts_state.dates(before), *marts_state.dates(after)})


def _same(one: Path, other: Path) -> bool:
    """Whether two partitions are one file, linked."""
    return one.exists() and other.exists() and one.samefile(other)


def _count(connection: Connection, pair: list[Path], day: str, found: Changes) -> None:
    if not (there := [file for file in pair if file.exists()]):
        return
    for name, file in zip(("readings_before", "readings_after"), pair, strict=True):
        limit = "" if file.exists() else "LIMIT 0"
        source = files.literal(file if file.exists() else there[0])
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * "
            f"FROM read_parquet($file, hive_partitioning = false) {limit}",
            {"file": source},
        )
    rows = warehouse.run(connection, "restated_rows").fetchall()
    for place, kind in enumerate((found.late, found.gone, found.other), 1):
        if number := sum(row[place] for row in rows):
            kind[day] = number
    found.devices |= {row[0] for row in rows}


@dataclass(frozen=True)
class NewHours:
    """Rows with events from an instant on, and the devices that they are of."""

    rows: int
    devices: int


def since(paths: Paths, start: datetime) -> NewHours:
    """How many staged rows have an event from an instant on, and of how many devices."""
    days = [d for d in marts_state.dates(paths.staging) if d >= f"{start:%Y-%m-%d}"]
    if not days:
        return NewHours(0, 0)
    partitions = [files.literal(warehouse.partition(paths.staging, day)) for day in days]
    query = (
        "SELECT count(*), count(DISTINCT device_id) "
        "FROM read_parquet($files, hive_partitioning = false) "
        "WHERE event_time >= $start::TIMESTAMPTZ"
    )
    with warehouse.connect() as connection:
        given = {"files": partitions, "start": start.isoformat()}
        ((rows, devices),) = connection.execute(query, given).fetchall()
    return NewHours(rows, devices)
