"""Alarms: what of a store's state somebody must hear of, and when it is over.

Belongs here: the conditions, and which alarms are on since when. Does not belong here: telling
the user's addresses (`notify.py`), where things stand (`status.py`), exit codes (`cli.py`).

Messages go out only for measured rows: an alarm of the demo house or of a recorded series is
printed with its mark, and neither sent nor remembered.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from lib import notify, origins, sources, status, usage
from lib.attempts import Attempt
from lib.config import Config
from lib.errors import ConfigError, PipelineError
from lib.notify import Alarm, ByKey, Memory
from lib.paths import Paths
from lib.status import Watched
from lib.times import iso

TRIAL_OVER = 28841002
MOST_CHARACTERS = 300  # of what an error says
FAILED, HORIZON, SILENT = "failed/", "horizon/", "silent/"
READ_IT = "Run tcc ingest; if it fails, it says what to do."


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
        yield from (("over", f"{mark}{alarm.what}") for alarm in self.over)
        yield from (("not sent", note) for note in self.notes)


def judged(
    devices: Sequence[Watched],
    config: Config,
    *,
    now: datetime,
    calls: int = 0,
    last: Attempt | None = None,
    failed: Mapping[str, str] | None = None,
) -> list[Alarm]:
    """Every alarm that is on: failures, the trial, the quota, expiring logs, silent devices.

    `calls` is how often the cloud was asked this month, `last` the newest collection.
    """
    code = last.code if last else None
    return [
        *(_failed(step, said, now) for step, said in (failed or {}).items()),
        *_trial(code),
        *_quota(code, calls, config),
        *(_horizon(one, config) for one in devices if _expiring(one, config)),
        *(_silent(one) for one in devices if one.silent_h >= config.alarms.silent_h),
    ]


def sentence(error: Exception) -> str:
    """The first sentence of an error: what happened, and where."""
    if not isinstance(error, PipelineError):
        said = f"{type(error).__name__}: {error}"
    else:
        said = f"{error.where}: {error.what}" if error.where else error.what
    return re.split(r"(?<=[.!?])\s|\n", said.strip(), maxsplit=1)[0]


def _failed(step: str, said: str, now: datetime) -> Alarm:
    return Alarm(
        f"{FAILED}{step}",
        f"The run of {iso(now)} failed at {step}: {said[:MOST_CHARACTERS]}",
        "What was collected stays; what is not collected is forgotten by the cloud.",
        "It is tried again at the next run; tcc doctor names the next step.",
    )


def _trial(code: int | None) -> list[Alarm]:
    if code != TRIAL_OVER:
        return []
    return [
        Alarm(
            "trial",
            f"The trial of the cloud project is over ({TRIAL_OVER}).",
            "Nothing is collected, and the cloud forgets logs after 7 days.",
            "At platform.tuya.com, Cloud, your project: Service API, IoT Core, extend the trial.",
        )
    ]


def _quota(code: int | None, calls: int, config: Config) -> list[Alarm]:
    limit = config.ingestion.monthly_calls
    pct = 100 * calls / limit if limit else 0.0
    if code == usage.QUOTA_USED_UP:
        what = f"The monthly calls are used up ({code}); we counted {calls:,} of them."
    elif pct >= config.alarms.quota_pct:
        what = f"{calls:,} of {limit:,} calls of this month are used ({pct:.0f} %)."
    else:
        return []
    risk = "Without calls nothing is collected until the first of the month."
    remedy = "Close other programs that use this project, or name fewer devices in config.toml."
    return [Alarm("quota", what, risk, remedy)]


def _expiring(one: Watched, config: Config) -> bool:
    """Whether unread logs expire soon; of a short memory half is soon, or all would always be."""
    limit_h, memory_h = config.alarms.horizon_h, 24 * config.ingestion.retention_days
    limit_h = limit_h if limit_h < memory_h else memory_h / 2
    return one.expires_h is not None and one.expires_h < limit_h


def _horizon(one: Watched, config: Config) -> Alarm:
    when = f"in {one.expires_h:.0f} h" if one.expires_h and one.expires_h >= 1 else "right now"
    return Alarm(
        f"{HORIZON}{one.device_id}",
        f"{_named(one)}: the cloud forgets logs that were never read {when}.",
        "They are lost for ever.",
        READ_IT,
    )


def _silent(one: Watched) -> Alarm:
    last = f", the last one {one.newest_event:%Y-%m-%d %H:%M} UTC" if one.newest_event else ""
    return Alarm(
        f"{SILENT}{one.device_id}",
        f"{_named(one)}: no row came for {one.silent_h:.0f} h although all was asked for{last}.",
        "What it uses meanwhile is not measured.",
        "See whether it is plugged in and online in the app; if it left the house, remove it "
        "there, and name in config.toml the devices that stay.",
    )


def _named(one: Watched) -> str:
    return one.name if one.name == one.device_id else f"{one.name} ({one.device_id})"


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
    calls, last = usage.used(paths, now), status.last_attempt(paths)
    found = judged(devices, config, now=now, calls=calls, last=last, failed=outcome.failed)
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
        if key in unheard or (not seen and key.startswith((HORIZON, SILENT))):
            on.setdefault(key, alarm)
    on = {key: _since(alarm, before.get(key), now) for key, alarm in on.items()}
    return on, [alarm for key, alarm in before.items() if key not in on]


def _since(alarm: Alarm, before: Alarm | None, now: datetime) -> Alarm:
    return replace(alarm, since=before.since if before else now)
