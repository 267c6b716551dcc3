"""The kinds of alarms: when each is on, and what it says.

Belongs here: pure conditions and their sentences: what happened where, what is at risk, what to
do. Does not belong here: since when one is on (`alarms.py`), who is told (`notify.py`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from lib import spans
from lib.attempts import Attempt
from lib.config import Config
from lib.errors import PipelineError
from lib.notify import Alarm
from lib.spans import Span
from lib.status import Watched
from lib.times import iso
from lib.tuya_codes import TRIAL_OVER, USED_UP, error_of

COLLECTION = "01_ingest"
MOST_CHARACTERS = 300  # of what an error says
FAILED, HORIZON, SILENT, LOST = "failed/", "horizon/", "silent/", "lost"
LEAST_LOST_H = 0.5  # less is the edge of what the cloud remembers
READ_IT = "Run tcc ingest; if it fails, it says what to do."


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
    known = code in (TRIAL_OVER, USED_UP)  # then the collection fails for that
    fails = {k: said for k, said in (failed or {}).items() if not (known and k == COLLECTION)}
    return [
        *(_failed(step, said, now) for step, said in fails.items()),
        *_trial(code),
        *_quota(code, calls, config),
        *(_horizon(one, config) for one in devices if _expiring(one, config)),
        *(_silent(one) for one in devices if one.silent_h >= config.alarms.silent_h),
    ]


def sentence(error: Exception) -> str:
    """What an error says happened, and where, in one line."""
    if not isinstance(error, PipelineError):
        said = f"{type(error).__name__}: {error}"
    else:
        said = f"{error.where}: {error.what}" if error.where else error.what
    return said.strip().partition("\n")[0]


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
            f"The trial of the cloud project has expired ({TRIAL_OVER}).",
            "Nothing is collected, and the cloud forgets logs after 7 days.",
            error_of({"code": TRIAL_OVER}, "").remedy,
        )
    ]


def _quota(code: int | None, calls: int, config: Config) -> list[Alarm]:
    limit = config.ingestion.monthly_calls
    pct = 100 * calls / limit if limit else 0.0
    if code == USED_UP:
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
    soon = one.expires_h and one.expires_h >= 1
    when = f"begin to expire in {one.expires_h:.0f} h" if soon else "are expiring now"
    return Alarm(
        f"{HORIZON}{one.device_id}",
        f"{_named(one)}: logs that nobody has read yet {when}.",
        "What expires is lost for ever.",
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


def lost(gone: Mapping[str, Sequence[Span]], names: Mapping[str, str]) -> list[Alarm]:
    """The alarm of what the cloud forgot unread of late, by device: one for all of it."""
    hours = {device: spans.hours(own) for device, own in gone.items()}
    hours = {device: h for device, h in hours.items() if h >= LEAST_LOST_H}
    if not hours:
        return []
    start = min(gone[device][0][0] for device in hours)
    end = max(gone[device][-1][1] for device in hours)
    said = ", ".join(f"{names.get(device, device)} {h:.1f} h" for device, h in hours.items())
    return [
        Alarm(
            LOST,
            f"Logs of {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC expired unread: {said}.",
            "They are lost for ever.",
            "The notebook 14_data_quality names the windows and the cause. This stays on for a "
            "day after the last loss.",
        )
    ]
