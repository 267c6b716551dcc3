"""What of a plan the month's calls allow, and what must be left out.

Belongs here: pure arithmetic over questions and a quota. Does not belong here: counting calls
(`usage.py`). The count is ours alone and the quota's figure not confirmed, so what would expire
within a day is asked for in any case: the cloud itself says when there is no more.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from lib.config import Ingestion
from lib.plan import Question
from lib.times import DAY, HOUR, midnight

# Asking again leaves this part of the month's calls: for outages, tcc doctor, other programs.
RESERVED = 0.15
# However little is left, a device is asked at least so often. [h]
SELDOM_H = 72.0

Cost = Callable[[Question], int]


@dataclass(frozen=True)
class Allowance:
    """Calls that a run may spend: in all, and on asking again what is held.

    `stretch_h` is how many hours should pass between two questions of a device, 1 where the
    quota is enough for every hour.
    """

    calls: int
    again: int
    stretch_h: float = 1.0


def allowance(used: int, hourly: float, settings: Ingestion, *, now: datetime) -> Allowance:
    """What is left for this run, where `hourly` calls are what an ordinary hour takes.

    Asking again must leave enough for every hour to come, and keep the month's count below a
    straight line to its end, where a part stays in reserve.
    """
    left = settings.monthly_calls - used - 1  # the run's token
    start = midnight(now).replace(day=1)
    end = midnight(start + timedelta(days=32)).replace(day=1)
    tomorrow = midnight(now) + DAY
    need = hourly * ((end - now) / HOUR)
    line = (1 - RESERVED) * settings.monthly_calls * ((tomorrow - start) / (end - start))
    spare = min(left - need, line - used - hourly * ((tomorrow - now) / HOUR))
    stretch_h = min(max(1.0, need / left), SELDOM_H) if left > 0 else SELDOM_H
    return Allowance(max(0, left), max(0, int(spare)), stretch_h)


def fit(
    questions: Iterable[Question],
    cost: Cost,
    allowed: Allowance,
    settings: Ingestion,
    *,
    now: datetime,
) -> tuple[list[Question], list[Question]]:
    """The questions that the allowance covers, in their order, and those left out."""
    questions = list(questions)
    urgent = now - timedelta(days=settings.retention_days) + DAY
    since: dict[str, datetime] = {}  # a device's span may be cut: its oldest part says how long
    for one in (one for one in questions if one.why == "missing"):
        since[one.device_id] = min(one.start, since.get(one.device_id, one.start))
    taken: list[Question] = []
    left_out: list[Question] = []
    calls, again = allowed.calls, allowed.again
    for question in questions:
        own = cost(question)
        if question.why == "again":
            fits = own <= min(calls, again)
            again -= own if fits else 0
        else:
            waited_h = (now - since[question.device_id]) / HOUR - settings.overlap_h
            due = allowed.stretch_h <= 1 or waited_h >= allowed.stretch_h - 0.5
            fits = question.start < urgent or (own <= calls and due)
        calls -= own if fits else 0
        (taken if fits else left_out).append(question)
    return taken, left_out
