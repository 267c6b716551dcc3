"""What `tcc doctor` reads in the store: quota, devices, the last collection, disk, integrity.

Belongs here: checks of what is held; they only read. Does not belong here: what `tcc status`
computes (`status.py`), why something is lost for ever (`losses.py`).
"""

import os
import shutil
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from lib import held, registry, spans, usage
from lib.attempts import Attempt, Unanswered
from lib.doctor_checks import Check, State, Visit, bad, good, unchecked, warning
from lib.errors import OutOfTime
from lib.journal import Entry, Journal
from lib.status import Watched
from lib.times import DAY
from lib.tuya_codes import USED_UP, error_of

COLLECT = "Run: tcc ingest"
READ_AGAIN_H = 24.0  # with less left, one day without a run is a loss
FEW_DAYS, SOME_DAYS = 3, 30
FEW_BYTES, SOME_BYTES = 100_000_000, 1_000_000_000
LONG_DAYS = 3650
NEVER = datetime.min.replace(tzinfo=UTC)


def quota(visit: Visit) -> Check:
    """Calls of this month by our own count, and how many it would be by the month's end."""
    used, limit = usage.used(visit.paths, visit.now), visit.config.ingestion.monthly_calls
    if not limit:
        return good(f"{used:,} calls this month; no limit is set (ingestion.monthly_calls).")
    expected = _by_the_end(visit, used)
    end = "too early to tell its end" if expected is None else f"about {expected:,} by its end"
    said = f"{used:,} of {limit:,} calls this month, {end}."
    fewer = "Run less often, or name only the devices you need in config.toml."
    answers = [one.code for one in (*visit.attempts[-1:], visit.refused) if one]
    refused = USED_UP in answers
    if refused:
        said = f"The cloud says that this month's calls are used up; we counted {used:,}."
    if used >= limit or refused:
        return bad(said, f"{error_of({'code': USED_UP}, '').remedy} {fewer}")
    tight = used >= limit * visit.config.alarms.quota_pct / 100 or (expected or 0) > limit
    return warning(said, fewer) if tight else good(said)


def _by_the_end(visit: Visit, used: int) -> int | None:
    """This month's calls if each day to come costs as many as the last; None in the first day.

    The first collection asks for all that the cloud remembers, so it says nothing of the next.
    """
    now = visit.now
    start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    gone = (now - start) / DAY
    left = monthrange(now.year, now.month)[1] - gone
    if now - (visit.attempts[0].at if visit.attempts else start) < DAY:
        return None
    last_day = sum(one.calls for one in visit.attempts if now - DAY < one.at <= now)
    return round(used + left * (last_day if visit.attempts else used / gone))


def newest_events(visit: Visit) -> Check:
    """The newest event of each device, oldest first, and how long its unread logs last."""
    devices = sorted(visit.watched, key=_age)
    if not devices:
        return unchecked("No device has been asked yet.")
    silent_h = visit.config.alarms.silent_h
    silent = [one for one in devices if one.silent_h >= silent_h]
    details = [_line(one, silent=one in silent) for one in devices]
    if silent:
        said = f"{len(silent)} of {len(devices)} device(s) silent for {silent_h:g} h or more:"
        remedy = f"See whether {silent[0].name} has power and Wi-Fi: is it online in the app?"
        return warning(said, remedy, details)
    return good(f"None of {len(devices)} device(s) is silent for {silent_h:g} h:", details)


def _age(device: Watched) -> tuple[datetime, str]:
    return device.newest_event or NEVER, device.name


def _line(device: Watched, *, silent: bool) -> str:
    newest = f"{device.newest_event:%Y-%m-%d %H:%M}" if device.newest_event else "none of late"
    left = "nothing unread" if device.expires_h is None else f"expires in {device.expires_h:.1f} h"
    return f"{'!' if silent else ' '} {newest:<16}  {left:<18} {device.name}"


def unread_logs(visit: Visit) -> Check:
    """Hours until the cloud forgets the oldest log that is not held."""
    if visit.origin and visit.origin.kind != "measured":
        return unchecked(f"Only a cloud forgets; these rows are {visit.origin.kind}.")
    first = min(visit.watched, key=_left_h, default=None)
    if first is None:
        return unchecked("No device has been asked yet.")
    if first.expires_h is None:
        return good("Nothing is unread.")
    said = f"{first.name} first: the oldest expire in {first.expires_h:.1f} h."
    if first.expires_h < READ_AGAIN_H:
        return bad(said, COLLECT)
    tight = first.expires_h < visit.config.alarms.horizon_h
    return warning(said, COLLECT) if tight else good(said)


def _left_h(device: Watched) -> float:
    return float("inf") if device.expires_h is None else device.expires_h


def last_collection(visit: Visit) -> Check:
    """What the last collection left out or failed at, and whether the last run came to its end."""
    if not visit.attempts:
        return unchecked("No collection is on record yet.")
    last = visit.attempts[-1]
    said = f"{last.at:%Y-%m-%d %H:%M}: {last.confirmed} of {last.planned} questions answered"
    gone = {str(device["id"]) for device in registry.known(visit.paths) if "left" in device}
    without = tuple(one for one in last.unanswered if one.device_id not in gone)
    last = replace(last, unanswered=without)
    details = _went_without(visit, last)
    if last.stopped and last.stopped != OutOfTime.__name__:
        number = f" {last.code}" if last.code else ""
        return bad(f"{said}, stopped by {last.stopped}{number}.", _remedy(last.code), details)
    if last.unanswered:
        code = next((one.code for one in last.unanswered if one.code), None)
        return warning(f"{said}; without:", _remedy(code), details)
    run = visit.status.last_run
    if run and not run["ok"]:
        folder = visit.paths.runs / str(run["folder"])
        return warning(f"{said}, but the run failed.", f"Read {folder}/run.json, then: tcc run")
    return good(f"{said}.")


def _remedy(code: int | None) -> str:
    return error_of({"code": code}, "").remedy if code else COLLECT


def _went_without(visit: Visit, last: Attempt) -> Iterator[str]:
    """A line for each device and cause."""
    names = registry.names(visit.paths, visit.config.devices)
    groups: dict[tuple[str, str], list[Unanswered]] = {}
    for one in last.unanswered:
        cause = f"{one.cause} {one.code}" if one.code else one.cause
        groups.setdefault((one.device_id, cause), []).append(one)
    for (device, cause), own in groups.items():
        hours = spans.hours((one.start, one.end) for one in own)
        yield f"{hours:6.1f} h of {names.get(device, device)}: {cause}"


def disk(visit: Visit) -> Check:
    """Free space, and for how many days it lasts as the store has grown so far."""
    data = visit.paths.data
    free = shutil.disk_usage(next(one for one in (data, *data.parents) if one.exists())).free
    said, daily = f"{_size(free)} free", _growth(visit)
    if daily:
        days = free / daily
        lasts = "over 10 years" if days >= LONG_DAYS else f"about {days:,.0f} days"
        said += f"; the store grows {_size(daily)} a day: {lasts}"
    remedy = f"Free space on the disk of {data}; of {visit.paths.runs} old folders may go."
    return Check(state := room(free, daily), f"{said}.", "" if state == "good" else remedy)


def room(free: float, daily: float) -> State:
    """Whether free space is enough for a store that grows so much a day. [bytes]"""
    days = free / daily if daily else LONG_DAYS
    if free < FEW_BYTES or days < FEW_DAYS:
        return "bad"
    return "warning" if free < SOME_BYTES or days < SOME_DAYS else "good"


def _growth(visit: Visit) -> float:
    """Bytes a day: rows by the days they are of, kept runs by the days they were made on."""
    if not visit.entries:
        return 0
    first, last = min(e.start for e in visit.entries), max(e.end for e in visit.entries)
    rows = sum(
        _bytes(folder) for folder in (visit.paths.raw, visit.paths.staging, visit.paths.marts)
    )
    made = [one.stat().st_mtime for one in visit.paths.runs.glob("[0-9]*")]
    made_s = max(made) - min(made) if made else 0
    return rows / max((last - first) / DAY, 1) + _bytes(visit.paths.runs) / max(made_s / 86_400, 1)


def _bytes(folder: Path) -> int:
    """What files take on the disk: a small one takes a whole block."""
    return sum(
        (Path(place) / name).lstat().st_blocks * 512
        for place, _, names in os.walk(folder)
        for name in names
    )


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def integrity(visit: Visit) -> Check:
    """The store at a glance: the journal's lines, the files it names, files set aside."""
    lines, torn = _lines(visit.paths.journal)
    if not lines:
        return unchecked("No raw file is on record yet.")
    entries, raw = visit.entries, visit.paths.raw
    absent = [entry.file for entry in entries if entry.rows and not (raw / entry.file).exists()]
    said = f"{len(entries):,} raw files on record, {len(absent)} missing, "
    said += f"{visit.status.quarantined} in quarantine"
    said += f", {torn} line(s) of the journal cut short." if torn else "."
    if not entries:
        return bad(said, f"Restore {visit.paths.journal} from a backup.")
    if absent:
        remedy = f"Restore {absent[0]} from a backup of {raw}; else run: tcc stage --rebuild"
        return bad(said, remedy)
    if _taken_back(visit):
        return warning(said, "Run: tcc quarantine")
    return good(said)


def _lines(journal: Path) -> tuple[int, int]:
    """How many lines the journal has, and how many of them a crash cut short."""
    if not journal.exists():
        return 0, 0
    count = journal.read_bytes().count(b"\n")
    return count, count - len(Journal(journal).since()[0])


def _taken_back(visit: Visit) -> list[Entry]:
    """Windows whose file was set aside or is gone, and that nothing else answers for."""
    settings, answered = visit.config.ingestion, dict[str, list[spans.Span]]()
    for entry in visit.entries:
        if own := held.span(entry, settings):
            answered.setdefault(entry.device_id, []).append(own)
    merged = {device: spans.merge(own) for device, own in answered.items()}
    back = [e for e in visit.entries if not e.complete and not e.rows and e.pages is None]
    return [e for e in back if spans.missing((e.start, e.end), merged.get(e.device_id, []))]
