"""Alarms: what of a store's state somebody must hear of, and when it is over.

Belongs here: which alarms are on since when. Does not belong here: the conditions and their
words (`alarm_kinds.py`), telling the user's addresses (`notify.py`), where things stand
(`status.py`), exit codes (`cli.py`).

Messages go out only for measured rows: an alarm of the demo house or of a recorded series is
printed with its mark, and neither sent nor remembered.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from lib import attempts, losses, notify, origins, registry, sources, status, usage
from lib.alarm_kinds import FAILED, HORIZON, LOST, SILENT, judged, lost
from lib.config import Config
from lib.errors import ConfigError, PipelineError
from lib.notify import Alarm, ByKey, Memory
from lib.paths import Paths


@dataclass(frozen=True)
class Outcome:
    """How a run's steps went: step -> first sentence of what failed, and the steps unheard of.

    A failure stays on until its step comes to its end.
    """

    failed: Mapping[str, str] = field(default_factory=dict)
    unheard: Collection[str] = ()


@dataclass(frozen=True)
class Told:
    """The alarms that are on, those that are over, and what could not be sent."""

    on: Sequence[Alarm] = ()
    over: Sequence[Alarm] = ()
    notes: Sequence[str] = ()
    kind: origins.Kind = "measured"

    @property
    def heard(self) -> bool:
        """Whether an alarm of real rows is on."""
        return self.kind == "measured" and bool(self.on)

    def lines(self) -> Iterator[tuple[str, str]]:
        """What there is to print: a word and a sentence each."""
        mark = "" if self.kind == "measured" else f"{self.kind.upper()}: "
        yield from (("alarm", f"{mark}{alarm}") for alarm in self.on)
        yield from (("over", f"{mark}no longer so: {alarm.what}") for alarm in self.over)
        yield from (("not sent", note) for note in self.notes)


def measured(paths: Paths, source: sources.Name | None) -> bool:
    """Whether a run from a source, or of what is held (None), is about measured rows.

    Half a pair of credentials and a mark that cannot be read are no demo house.
    """
    try:
        if source:
            return sources.resolve(source, paths) == "cloud"
        held = origins.of(paths)
    except ConfigError:
        return True
    return held is not None and held.kind == "measured"


def watch(
    paths: Paths, config: Config, outcome: Outcome, *, now: datetime, real: bool | None = None
) -> Told:
    """Judge a store at the end of a run and tell the user's addresses what is new and over.

    `real` says whether its rows are measured where the store itself does not. Without a file
    to remember by (a full disk) everything is told once more.
    """
    if not (measured(paths, None) if real is None else real):
        return current(paths, config, outcome, now=now)
    memory, notes = Memory.load(paths), []
    memory.on, over = _compared(memory.on, *_found(paths, config, outcome, now), outcome, now)
    try:
        notes += notify.tell(config.site.name, memory)
    except ConfigError as error:
        notes.append(str(error))
    try:
        memory.save(paths)
    except OSError as error:
        notes.append(f"{paths.alarms}: {error.strerror}. All is told again at the next run.")
    return Told([*memory.on.values()], over, notes)


def current(paths: Paths, config: Config, outcome: Outcome | None = None, *, now: datetime) -> Told:
    """The alarms that are on; nothing is sent and nothing is written. Raises ConfigError."""
    held = origins.of(paths)
    kind = held.kind if held else "measured"
    before = Memory.load(paths).on if kind == "measured" else {}
    steps = [key.removeprefix(FAILED) for key in before if key.startswith(FAILED)]
    outcome = outcome or Outcome(unheard=steps)
    on, _ = _compared(before, *_found(paths, config, outcome, now), outcome, now)
    return Told([*on.values()], kind=kind)


def _found(
    paths: Paths, config: Config, outcome: Outcome, now: datetime
) -> tuple[list[Alarm], bool]:
    """The alarms that are on now, and whether devices could be looked at."""
    try:
        devices, seen = status.watched(paths, config, now=now), True
    except (PipelineError, OSError):
        devices, seen = [], False
    calls, last = usage.used(paths, now), attempts.last(paths)
    found = judged(devices, config, now=now, calls=calls, last=last, failed=outcome.failed)
    if seen:
        names = registry.names(paths, config.devices)
        found += lost(losses.newly_expired(paths, config, now=now), names)
    return found, seen


def _compared(
    before: ByKey, found: list[Alarm], seen: bool, outcome: Outcome, now: datetime
) -> tuple[ByKey, list[Alarm]]:
    """The alarms that are on, each since it was first seen, and those that are over.

    What was not looked at stays as it was.
    """
    unheard = {f"{FAILED}{step}" for step in outcome.unheard}
    on = {alarm.key: alarm for alarm in found}
    for key, alarm in before.items():
        if key in unheard or (not seen and key.startswith((HORIZON, SILENT, LOST))):
            on.setdefault(key, alarm)
    on = {key: _since(alarm, before.get(key), now) for key, alarm in on.items()}
    return on, [alarm for key, alarm in before.items() if key not in on]


def _since(alarm: Alarm, before: Alarm | None, now: datetime) -> Alarm:
    return replace(alarm, since=before.since if before else now)
