"""Spans of time and their arithmetic. Belongs here: pure functions over half-open spans.

Does not belong here: what a span stands for.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from lib.times import midnight

Span = tuple[datetime, datetime]


def merge(spans: Iterable[Span]) -> list[Span]:
    """Spans as disjoint ones, ascending; empty and reversed ones vanish."""
    merged: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def missing(span: Span, spans: Sequence[Span]) -> list[Span]:
    """What of a span the (merged) spans leave open."""
    start, end = span
    open_spans = []
    for held_start, held_end in spans:
        if held_start > start:
            open_spans.append((start, min(held_start, end)))
        start = max(start, held_end)
        if start >= end:
            break
    open_spans.append((start, end))
    return [(a, b) for a, b in open_spans if a < b]


def by_day(start: datetime, end: datetime) -> list[Span]:
    """A span cut at each midnight UTC."""
    spans = []
    while start < end:
        stop = min(end, midnight(start) + timedelta(days=1))
        spans.append((start, stop))
        start = stop
    return spans


def hours(spans: Iterable[Span]) -> float:
    """How long spans are together. [h]"""
    return sum((end - start).total_seconds() for start, end in spans) / 3600
