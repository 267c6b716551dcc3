"""What to ask for: questions that follow from the journal alone.

Belongs here: what is held and what is not, what is asked again once a day, how long a question
may be. Does not belong here: what the quota allows (`budget.py`), asking (`ingest.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil
from typing import Literal

from lib.config import Ingestion
from lib.journal import Entry, Window
from lib.spans import Span, by_day, merge, missing
from lib.times import DAY, HOUR, floor_hour, midnight

# Part of a question's pages that it is planned to fill: what speaks more today still fits.
FILLED = 0.7
# Runs of the same hour of each day are not to the second a day apart.
JITTER = timedelta(minutes=30)
# A question this short is read to its end, however many pages that takes.
SHORTEST = timedelta(minutes=10)
# So much of what is not known yet a device is taken to say in an hour.
ASSUMED_ROWS_H = 60.0

Why = Literal["missing", "again"]


@dataclass(frozen=True)
class Question:
    """A span of a device to ask the cloud for: because it is not held, or once more.

    It may cross midnight; its answer is kept by UTC days.
    """

    device_id: str
    start: datetime
    end: datetime
    why: Why = "missing"

    def __str__(self) -> str:
        return f"{self.device_id} {self.start:%Y-%m-%d %H:%M:%S} – {self.end:%m-%d %H:%M:%S} UTC"

    @property
    def length(self) -> timedelta:
        """How much time it asks about."""
        return self.end - self.start

    @property
    def windows(self) -> list[Window]:
        """The windows of its answer: one for each UTC day."""
        return [Window(self.device_id, a, b) for a, b in by_day(self.start, self.end)]

    def parts(self, number: int) -> list["Question"]:
        """The question in so many parts of equal length, to the second, oldest first."""
        step = timedelta(seconds=max(1, ceil(self.length.total_seconds() / number)))
        starts = [self.start + n * step for n in range(number) if self.start + n * step < self.end]
        own = pairwise([*starts, self.end])
        return [Question(self.device_id, a, b, self.why) for a, b in own]


@dataclass(frozen=True)
class Known:
    """What the journal says of the past days: what is settled, asked lately, and how dense."""

    settled: dict[str, list[Span]]
    lately: dict[str, list[Span]]
    rows_h: dict[str, float]


def known(entries: Sequence[Entry], settings: Ingestion, *, now: datetime) -> Known:
    """What the journal's recent entries say, as of an instant."""
    daily = timedelta(hours=settings.reconcile_h)
    since = now - daily + min(JITTER, 0.1 * daily)
    entries = _in_force(entries)
    lately: dict[str, list[Span]] = {}
    for entry in entries:
        if entry.complete and since < entry.asked_at <= now:
            lately.setdefault(entry.device_id, []).append((entry.start, entry.end))
    return Known(
        settled(entries, settings, now=now),
        {device: merge(own) for device, own in lately.items()},
        _rows_h(entries, settings),
    )


def _in_force(entries: Sequence[Entry]) -> list[Entry]:
    """Without answers of reports alone of devices that have given whole logs since."""
    whole: dict[str, datetime] = {}
    for one in entries:
        if one.complete and not one.reports_only:
            whole[one.device_id] = max(one.asked_at, whole.get(one.device_id, one.asked_at))
    return [
        one
        for one in entries
        if not one.reports_only or one.asked_at >= whole.get(one.device_id, one.asked_at)
    ]


def settled(
    entries: Iterable[Entry], settings: Ingestion, *, now: datetime
) -> dict[str, list[Span]]:
    """The spans of each device that need not be asked again, merged and ascending.

    A window counts from where the cloud still held it to `overlap_h` before it was asked:
    rows younger than that may arrive late. What a clock ahead of `now` has asked does not
    count: nobody knows when that was.
    """
    spans: dict[str, list[Span]] = {}
    for entry in entries:
        if entry.complete and entry.asked_at <= now:
            start = max(entry.start, entry.asked_at - timedelta(days=settings.retention_days))
            end = min(entry.end, entry.asked_at - timedelta(hours=settings.overlap_h))
            spans.setdefault(entry.device_id, []).append((start, end))
    return {device: merge(own) for device, own in spans.items()}


def _rows_h(entries: Iterable[Entry], settings: Ingestion) -> dict[str, float]:
    """Rows an hour of each device, over the windows that were answered in whole."""
    rows: dict[str, float] = {}
    hours: dict[str, float] = {}
    memory = timedelta(days=settings.retention_days)
    for entry in entries:
        if entry.complete:
            length = entry.end - max(entry.start, entry.asked_at - memory)
            rows[entry.device_id] = rows.get(entry.device_id, 0) + entry.rows
            hours[entry.device_id] = hours.get(entry.device_id, 0) + length / HOUR
    return {device: rows[device] / hours[device] for device in rows if hours[device] > 0}


def questions(
    past: Known, device_ids: Sequence[str], settings: Ingestion, *, now: datetime
) -> list[Question]:
    """What to ask at `now`: all that the cloud holds and we do not, oldest first, then again.

    The oldest one begins an hour before the cloud's memory, so that nothing is left at its
    edge. Questions end `margin_s` before now.
    """
    oldest = now - timedelta(days=settings.retention_days)
    end = (now - timedelta(seconds=settings.margin_s)).replace(microsecond=0)
    found: list[Question] = []
    for device in device_ids:
        held = past.settled.get(device, [])
        open_spans = missing((oldest, end), held)
        due = _due(past, device, (oldest, end), held) if settings.reconcile_h else []
        if device in past.rows_h:
            open_spans = _oldest_apart(open_spans, oldest + DAY)
        for spans, why in ((open_spans, "missing"), (due, "again")):
            for start, stop in spans:
                start = floor_hour(start - HOUR) if start == oldest else start
                cut = cut_to((start, stop), _longest(past, device, settings))
                found += [Question(device, a, b, why) for a, b in cut]  # type: ignore[arg-type]
    return sorted(found, key=lambda one: (one.why == "again", one.start, one.device_id))


def _oldest_apart(spans: list[Span], urgent: datetime) -> list[Span]:
    """Spans with what expires within a day cut off: pages come newest first, so it comes last."""
    edge = floor_hour(urgent + HOUR)
    return [
        piece
        for start, stop in spans
        for piece in ([(start, edge), (edge, stop)] if start < edge < stop else [(start, stop)])
    ]


def _due(past: Known, device: str, span: Span, held: list[Span]) -> list[Span]:
    """Whole days that are held, but were not asked about since the last reconciliation."""
    days = [own for own in by_day(*span) if own[1] == midnight(own[1])]
    lately = past.lately.get(device, [])
    due = [own for own in days if missing(own, lately) and not missing(own, held)]
    return merge(due)


def _longest(past: Known, device: str, settings: Ingestion) -> timedelta:
    """How long a question of a device may be, so that its answer fits into its pages."""
    if device not in past.rows_h:
        return timedelta(days=settings.retention_days + 1)  # its first page will tell
    rows = FILLED * settings.span_pages * settings.page_size
    hours = min(rows / max(past.rows_h[device], 1e-3), 24 * (settings.retention_days + 1))
    return timedelta(hours=hours)


def cut_to(span: Span, longest: timedelta) -> list[Span]:
    """A span in parts not much longer than that: of whole UTC days, else of whole hours."""
    if span[1] - span[0] <= longest:
        return [span]
    if longest >= DAY:
        days, together = by_day(*span), longest // DAY
        groups = [days[n : n + together] for n in range(0, len(days), together)]
        return [(group[0][0], group[-1][1]) for group in groups]
    step = max(1, 24 // ceil(DAY / longest)) * HOUR
    return [piece for day in by_day(*span) for piece in _by_step(day, step)]


def _by_step(span: Span, step: timedelta) -> list[Span]:
    start, pieces = span[0], []
    while start < span[1]:
        stop = min(floor_hour(start) + step, span[1])
        pieces.append((start, stop))
        start = stop
    return pieces


def pages(question: Question, past: Known, settings: Ingestion) -> int:
    """How many pages its answer will about have."""
    rows_h = past.rows_h.get(question.device_id, ASSUMED_ROWS_H)
    return max(1, ceil(rows_h * (question.length / HOUR) / settings.page_size))
