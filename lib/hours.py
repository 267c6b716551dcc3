"""Hours taken out of what is known: only those before an instant, or old ones with new hours.

Belongs here: cutting windows and raw files at an instant, which dates two states differ on. Does
not belong here: what was known when (`as_of.py`), rows as they are staged (`restated.py`).
"""

import gzip
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path

from lib import as_of, found, held, raw
from lib.as_of import Known
from lib.errors import BadRawFile, StaleArtifact
from lib.journal import Entry
from lib.paths import Paths
from lib.times import DAY, to_ms

LISTS = "devices/"


@dataclass
class Cutter:
    """Cuts raw files of a store at an instant, into a folder."""

    paths: Paths
    end: datetime
    folder: Path
    cut: dict[str, Path] = field(default_factory=dict)

    def before(self, entry: Entry) -> Entry | None:
        """What of a line is of the time before the instant."""
        if entry.end <= self.end and not self._reaches(entry):
            return entry
        shorter = replace(entry, start=min(entry.start, self.end), end=min(entry.end, self.end))
        return self._kept(shorter, lambda ms: ms is None or ms < to_ms(self.end))

    def after(self, entry: Entry) -> Entry | None:
        """What of a line is of the time from the instant on."""
        if entry.end <= self.end and not self._reaches(entry):
            return None
        shorter = replace(entry, start=max(entry.start, self.end), end=max(entry.end, self.end))
        return self._kept(shorter, lambda ms: ms is not None and ms >= to_ms(self.end))

    def _reaches(self, entry: Entry) -> bool:
        """Whether rows of a line may be of the instant's date or a later one."""
        return any(day >= f"{self.end:%Y-%m-%d}" for day in entry.dates)

    def _kept(self, entry: Entry, wanted: Callable[[int | None], bool]) -> Entry | None:
        """A line with the wanted rows of its file; None where nothing is left of either."""
        if found.taken_back(entry):
            return entry if entry.start < entry.end else None
        latest_ms = to_ms(entry.asked_at) + raw.DAY_MS
        source = as_of.raw_file(self.paths, entry.file)
        try:
            rows = raw.read(source)
        except BadRawFile:
            return entry if entry.start < entry.end else None
        kept = [row for row in rows if wanted(raw.event_time_ms(row, latest_ms))]
        if not kept and entry.start >= entry.end:
            return None
        if len(kept) == len(rows):
            return entry
        plain = raw.encode(kept)
        packed = gzip.compress(plain, 6, mtime=0) if source.suffix == ".gz" else plain
        target = self.folder / entry.file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(packed)
        self.cut[entry.file] = target
        return replace(
            entry,
            rows=len(kept),
            sha256=hashlib.sha256(plain).hexdigest(),
            packed_sha256=entry.packed_sha256 and hashlib.sha256(packed).hexdigest(),
            dates=raw.event_dates(kept, latest_ms),
        )


def without_new(paths: Paths, old: Known, new: Known, end: datetime, folder: Path) -> Known:
    """What is known newly, of the time before an instant alone: the new hours taken away.

    With the device list of old, which says nothing of a device that came later.
    """
    cutter = Cutter(paths, end, folder)
    lines = tuple(e for e in map(cutter.before, new.lines) if e)
    listed = {name for name in old.registry if name.startswith(LISTS)}
    specified = {name for name in new.registry if not name.startswith(LISTS)}
    return Known(old.at, lines, frozenset(listed | specified), old.attempts, cutter.cut)


def without_restated(paths: Paths, old: Known, new: Known, end: datetime, folder: Path) -> Known:
    """What was known of old, and the new hours: what came later of hours before is taken away.

    Raises StaleArtifact where the new journal does not go on from the old one.
    """
    count = len(old.lines)
    if new.lines[:count] != old.lines:
        raise StaleArtifact(
            "the newer run's journal does not begin with the older run's.",
            where=str(paths.journal),
            risk="What came later cannot be told from what was there.",
            remedy="Compare two runs of one store, the older one first.",
        )
    had, cutter = {entry.file for entry in old.lines}, Cutter(paths, end, folder)
    added = [cutter.after(e) for e in new.lines[count:] if e.file not in had]
    devices = {name.partition("/")[0] for name in old.registry}
    later = {
        name
        for name in new.registry
        if name.startswith(LISTS) or name.partition("/")[0] not in devices
    }
    kept = {name for name in old.registry if not name.startswith(LISTS)}
    lines = (*old.lines, *(e for e in added if e))
    return Known(new.at, lines, frozenset(kept | later), new.attempts, cutter.cut)


def differing(one: Known, other: Known) -> set[str] | None:
    """The UTC dates on which two states may differ; None where they may on any.

    With the day before each, whose local date goes on into it.
    """
    own = {name for name in one.registry ^ other.registry if name not in as_of.OWN_MEMORY}
    if own:
        return None
    lines = set(one.effective()) ^ set(other.effective())
    days = {day for entry in lines for day in (*entry.dates, *held.days(entry))}
    return days | {str(date.fromisoformat(day) - DAY) for day in days}
