"""Why a span was not read in time: what the record of collections and the journal say of it.

Belongs here: the cause of each part of a lost span. Does not belong here: which spans are lost
(`losses.py`), how causes are called on the page (`loss_sums.py`).

An instant can be read from when it is past until the cloud forgets it. Of the collections in
that time the last that wanted it and did not get it decides; where there was none at all, the
collector was down.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from lib import attempts, held
from lib.attempts import Attempt
from lib.config import Ingestion
from lib.journal import Entry
from lib.paths import Paths
from lib.spans import Span, missing
from lib.times import iso
from lib.tuya_codes import TRIAL_OVER, USED_UP
from lib.warehouse import Connection

EXPIRED, NOT_LOGGED = "expired", "not logged"
CAUSES = {
    EXPIRED: (
        *("collector down", "quota", "account expired", "API error", "deadline"),
        *("bad file", "unknown"),
    ),
    NOT_LOGGED: ("device offline", "silence"),
}
# https://github.com/rospogrigio/localtuya/issues/2079, https://github.com/jasonacox/tinytuya/issues/346
_NAMED = {
    "quota": "quota",
    "deadline": "deadline",
    "OutOfTime": "deadline",
    "interrupted": "collector down",
}
# Such an answer is of the device, not of the span: it also explains what the run had not planned
# to ask, such as the minutes up to its own instant.
_REFUSALS = {"SourceRejected", "DeviceRejected"}
# A run that began so long after the end of its youngest window did not want what came since.
_SLACK = timedelta(minutes=1)


@dataclass(frozen=True)
class Cause:
    """Why: one of CAUSES, the cloud's code, the error's class and when it was last met."""

    name: str
    code: int | None = None
    detail: str = ""
    at: datetime | None = None

    @property
    def told(self) -> str:
        """Its detail with the instant at which it was last met."""
        return f"{self.detail}, last at {iso(self.at)}" if self.at else self.detail


Claim = tuple[Span, Cause]


@dataclass(frozen=True)
class Past:
    """What is known of earlier collections: their record, by time, and the journal.

    `unheld` are the journal's lines that are not complete; `asked` is when the cloud was asked,
    by time: before the first record, as the journal has it, for older versions left no other
    trace.
    """

    attempts: Sequence[Attempt]
    unheld: Sequence[Entry]
    asked: Sequence[datetime]
    memory: timedelta
    young: timedelta

    @classmethod
    def of(cls, connection: Connection, paths: Paths, settings: Ingestion) -> "Past":
        """The past of a store, whose journal is loaded into a connection."""
        recorded = sorted(attempts.every(paths), key=lambda one: one.at)
        first = recorded[0].at if recorded else None
        return cls(
            recorded,
            held.unheld(connection),
            sorted({one.at for one in recorded} | held.asked(connection, first)),
            timedelta(days=settings.retention_days),
            timedelta(seconds=settings.margin_s) + _SLACK,
        )

    def told(self, device_id: str, span: Span, cause: Cause) -> str:
        """The detail of a lost span; answers cut short may have left some of its rows."""
        cut_short = any(
            (e.device_id == device_id and e.pages is not None)
            and (e.start < span[1] and e.end > span[0])
            for e in self.unheld
            if e.rows
        )
        kept = "rows of answers cut short are kept" if cut_short else ""
        return "; ".join(text for text in (cause.told, kept) if text)

    def taken_back(self, device_id: str) -> list[Entry]:
        """The windows of a device whose raw files were set aside."""
        return [e for e in self.unheld if e.device_id == device_id and not e.rows]


def explained(device_id: str, span: Span, past: Past) -> list[Claim]:
    """A lost span of a device with its cause, cut where the cause changes; oldest first."""
    left, found = [span], []
    for (start, end), cause in _claims(device_id, span, past):
        if start < end and left:
            found += [(own, cause) for own in _common(left, (start, end))]
            left = [rest for own in left for rest in missing(own, [(start, end)])]
    return _joined(sorted(found, key=lambda claim: claim[0]))


def _common(own: Iterable[Span], with_: Span) -> list[Span]:
    both = [(max(start, with_[0]), min(end, with_[1])) for start, end in own]
    return [(start, end) for start, end in both if start < end]


def _claims(device_id: str, span: Span, past: Past) -> Iterator[Claim]:
    """What may have been the cause of which part, the most telling first."""
    for entry in past.taken_back(device_id):
        yield (entry.start, entry.end), Cause("bad file", detail=entry.file)
    tries = [one for one in past.attempts if span[0] < one.at < span[1] + past.memory]
    for attempt in reversed(tries):
        yield from _said(attempt, device_id, past)
    for at in past.asked:
        if span[0] < at < span[1] + past.memory:
            yield (at - past.memory, at - past.young), Cause("unknown")
    yield span, Cause("collector down")


def _said(attempt: Attempt, device_id: str, past: Past) -> Iterator[Claim]:
    """What a collection went without, of a device: as it says itself, and where it ended early."""
    readable = attempt.at - past.memory, attempt.at
    own = [one for one in attempt.unanswered if one.device_id == device_id]
    for one in own:
        wanted = max(one.start, readable[0]), min(one.end, attempt.at)
        yield wanted, _cause(one.cause, one.code, attempt.at)
    for one in own:
        if one.cause in _REFUSALS:
            yield readable, _cause(one.cause, one.code, attempt.at)
    if attempt.stopped:
        yield readable, _cause(attempt.stopped, attempt.code, attempt.at)


def _cause(error: str, code: int | None, at: datetime) -> Cause:
    if code in (USED_UP, TRIAL_OVER):
        name = "quota" if code == USED_UP else "account expired"
    else:
        name = _NAMED.get(error, "API error")
    return Cause(name, code, error, at)


def _joined(claims: list[Claim]) -> list[Claim]:
    """Claims side by side with one cause put together; the last time it was met counts."""
    joined = claims[:1]
    for before, ((start, end), cause) in pairwise(claims):
        (_, until), known = before[0], joined[-1][1]
        if start == until and replace(known, at=None) == replace(cause, at=None):
            at = max((one for one in (known.at, cause.at) if one), default=None)
            joined[-1] = (joined[-1][0][0], end), replace(known, at=at)
        else:
            joined.append(((start, end), cause))
    return joined
