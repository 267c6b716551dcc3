"""The plan: spans, questions that follow from the journal alone, and what the quota allows."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import budget, plan
from lib.budget import Allowance
from lib.config import Ingestion
from lib.journal import Entry
from lib.plan import Question, settled
from lib.spans import Span, by_day, hours, merge, missing

NOW = datetime(2026, 4, 22, 15, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SETTINGS = Ingestion()
MARGIN = timedelta(seconds=SETTINGS.margin_s)

minutes = st.integers(-20_000, 20_000).map(lambda n: NOW + timedelta(minutes=n))
pairs = st.tuples(minutes, minutes)


def held(start: datetime, end: datetime, asked_at: datetime, **more: Any) -> Entry:
    plain = {"file": f"{start}{end}{asked_at}", "device_id": "plug", "complete": True, "rows": 0}
    times = {"start": start, "end": end, "asked_at": asked_at}
    return Entry(**{**plain, **times, "sha256": "", "dates": (), **more})


def asked(
    entries: list[Entry], *devices: str, now: datetime = NOW, settings: Ingestion = SETTINGS
) -> list[Question]:
    """The plan at an instant."""
    past = plan.known(entries, settings, now=now)
    return plan.questions(past, devices or ("plug",), settings, now=now)


def spans_of(questions: list[Question], why: str = "missing") -> list[Span]:
    return [(q.start, q.end) for q in questions if q.why == why]


def answered(questions: list[Question], at: datetime, rows_h: float = 0) -> list[Entry]:
    """What the journal says after all questions were answered."""
    return [
        held(
            w.start, w.end, at, device_id=q.device_id, rows=int(rows_h * hours([(w.start, w.end)]))
        )
        for q in questions
        for w in q.windows
    ]


# ---- Spans -------------------------------------------------------------------------------


def inside(instant: datetime, spans: list[Span]) -> bool:
    return any(start <= instant < end for start, end in spans)


@given(st.lists(pairs, max_size=12))
def test_merged_spans_are_disjoint_and_cover_the_same_instants(spans: list[Span]) -> None:
    merged = merge(spans)
    assert all(start < end for start, end in merged)
    assert all(a[1] < b[0] for a, b in pairwise(merged))
    edges = {edge for span in spans for edge in span}
    around = {edge + timedelta(seconds=s) for edge in edges for s in (-1, 0, 1)}
    assert all(inside(at, merged) == inside(at, spans) for at in around)


@given(pairs, st.lists(pairs, max_size=12))
def test_missing_and_held_together_are_the_whole(span: Span, spans: list[Span]) -> None:
    own = merge(spans)
    gaps = missing(span, own)
    assert gaps == merge(gaps)
    clipped = [(max(a, span[0]), min(b, span[1])) for a, b in own]
    assert merge([*gaps, *clipped]) == merge([span])
    assert not any(a < d and c < b for a, b in gaps for c, d in own)


@given(pairs)
def test_windows_are_contiguous_and_never_cross_midnight(span: Span) -> None:
    start, end = span
    cut = by_day(start, end)
    assert (not cut) == (start >= end)
    if cut:
        assert (cut[0][0], cut[-1][1]) == span
        assert all(a[1] == b[0] for a, b in pairwise(cut))
        assert all(a.date() == (b - timedelta(microseconds=1)).date() for a, b in cut)


lengths = st.integers(10, 60 * 24 * 9).map(lambda n: timedelta(minutes=n))


@given(pairs, lengths)
def test_a_span_is_cut_without_a_hole_and_hardly_longer_than_asked(
    span: Span, longest: timedelta
) -> None:
    if span[0] >= span[1]:
        return
    cut = plan.cut_to(span, longest)
    assert (cut[0][0], cut[-1][1]) == span
    assert all(a[1] == b[0] and a[0] < a[1] for a, b in pairwise([*cut, (span[1], span[1])]))
    assert all(b - a <= max(longest, HOUR) for a, b in cut)


@given(pairs, st.integers(2, 48))
def test_the_parts_of_a_question_are_the_question(span: Span, number: int) -> None:
    if span[0] >= span[1]:
        return
    question = Question("plug", *span, "again")
    parts = question.parts(number)
    assert len(parts) <= number and {(p.device_id, p.why) for p in parts} == {("plug", "again")}
    assert (parts[0].start, parts[-1].end) == span
    assert all(a.end == b.start for a, b in pairwise(parts))


# ---- What is asked -----------------------------------------------------------------------


@given(
    st.lists(st.tuples(pairs, minutes, st.integers(0, 30_000)), max_size=8),
    minutes,
    st.sampled_from([0, 24]),
)
def test_the_plan_is_oldest_first_and_asks_for_all_that_is_not_settled(
    history: list[tuple[Span, datetime, int]], now: datetime, reconcile_h: float
) -> None:
    entries = [held(start, end, at, rows=rows) for (start, end), at, rows in history]
    settings = Ingestion(reconcile_h=reconcile_h)
    questions = asked(entries, "plug", "other", now=now, settings=settings)
    urgency = [(q.why == "again", q.start, q.device_id) for q in questions]
    assert urgency == sorted(urgency)
    whole = (now - timedelta(days=7), now - MARGIN)
    for device, known in (("plug", entries), ("other", [])):
        own = sorted((q.start, q.end) for q in questions if q.device_id == device)
        assert all(a[1] <= b[0] for a, b in pairwise(own))  # nothing is asked twice in a run
        covered = merge([*own, *settled(known, settings, now=now).get("plug", [])])
        assert missing(whole, covered) == []


@given(st.lists(st.integers(1, 60), min_size=1, max_size=60), st.integers(0, 3))
def test_whatever_the_hours_between_runs_nothing_that_was_there_goes_unasked(
    pauses_h: list[int], fails: int
) -> None:
    """Of every run but some failing ones the answers are kept: then all is held."""
    entries: list[Entry] = []
    now = NOW
    for number, pause_h in enumerate(pauses_h):
        now += pause_h * HOUR
        if number % 4 >= fails or number == len(pauses_h) - 1:
            entries += answered(asked(entries, now=now), now)
    spans = merge((e.start, e.end) for e in entries)
    reach = now - timedelta(days=7)
    assert missing((reach, now - MARGIN), spans) == []


def test_the_first_plan_asks_one_question_for_all_that_the_cloud_holds() -> None:
    (question,) = asked([])
    assert question.start == NOW - 7 * DAY - HOUR  # an hour more, for its edge
    assert question.end == NOW - timedelta(seconds=120)
    assert [w.start.hour for w in question.windows] == [14, 0, 0, 0, 0, 0, 0, 0]


def test_what_expires_within_a_day_is_a_question_of_its_own() -> None:
    """Pages come newest first: a long answer that breaks off would lack just that."""
    first = answered(asked([]), NOW)
    at = NOW + 6 * DAY + 12 * HOUR
    urgent, rest = asked(first, now=at, settings=Ingestion(reconcile_h=0))
    assert (urgent.start, urgent.end) == (NOW - 3 * HOUR, at - 6 * DAY + HOUR)
    assert (rest.start, rest.end) == (urgent.end, at - MARGIN)


def test_the_next_hour_asks_again_for_the_overlap_only() -> None:
    first = answered(asked([]), NOW)
    assert asked(first, now=NOW + HOUR) == [Question("plug", NOW - 3 * HOUR, NOW + HOUR - MARGIN)]


def test_an_empty_window_counts_and_a_partial_one_never_does() -> None:
    span = (NOW - 2 * DAY, NOW - DAY)
    assert settled([held(*span, NOW, rows=0)], SETTINGS, now=NOW) == {"plug": [span]}
    assert settled([held(*span, NOW, rows=9, complete=False)], SETTINGS, now=NOW) == {}


def test_a_window_that_had_partly_expired_counts_from_where_the_cloud_still_held_it() -> None:
    entry = held(NOW - 9 * DAY, NOW - 5 * DAY, NOW)
    assert settled([entry], SETTINGS, now=NOW) == {"plug": [(NOW - 7 * DAY, NOW - 5 * DAY)]}
    gone = held(NOW - 9 * DAY, NOW - 8 * DAY, NOW)
    assert settled([gone], SETTINGS, now=NOW) == {"plug": []}


def test_what_a_clock_ahead_has_asked_does_not_count() -> None:
    ahead = NOW + 5 * HOUR
    before, wrong = held(NOW - 7 * DAY, NOW - DAY, NOW), held(NOW - 2 * DAY, ahead, ahead)
    assert settled([before, wrong], SETTINGS, now=NOW) == {"plug": [(NOW - 7 * DAY, NOW - DAY)]}
    assert spans_of(asked([before, wrong])) == [(NOW - DAY, NOW - MARGIN)]


def test_a_device_in_the_plan_does_not_stand_for_another() -> None:
    entries = [held(NOW - 8 * DAY, NOW, NOW)]
    old = [q.device_id for q in asked(entries, "plug", "new") if q.start < NOW - DAY]
    assert old == ["new"]


# ---- Once a day again --------------------------------------------------------------------


def history(until: datetime, rows_h: float = 10) -> list[Entry]:
    """The journal of a device that was asked every hour for eight days."""
    entries: list[Entry] = []
    at = until - 8 * DAY
    while at <= until:
        entries += answered(asked(entries, now=at), at, rows_h)
        at += HOUR
    return entries


def test_each_whole_day_is_asked_again_once_a_day_while_the_cloud_holds_it() -> None:
    entries, often = history(NOW), dict.fromkeys(range(8), 0)
    for hour in range(1, 25):
        at = NOW + hour * HOUR
        questions = asked(entries, now=at)
        for question in questions:
            if question.why == "again":
                for window in question.windows:
                    often[(window.start.date() - (NOW - 7 * DAY).date()).days] += 1
        entries += answered(questions, at, 10)
    assert list(often.values()) == [0, 1, 1, 1, 1, 1, 1, 1]  # the first has expired by then


def test_it_takes_one_question_where_a_device_says_little_and_more_where_it_says_much() -> None:
    at = NOW.replace(hour=4) + DAY
    few, many = (
        [q for q in asked(history(at - HOUR, rows_h), now=at) if q.why == "again"]
        for rows_h in (10, 60)
    )
    assert len(few) == 1 and len(many) == 7
    assert merge((q.start, q.end) for q in few) == merge((q.start, q.end) for q in many)


def test_a_reconciliation_that_failed_is_due_again_and_one_switched_off_never_is() -> None:
    at = NOW.replace(hour=4) + DAY
    entries = history(at - HOUR)
    due = [q for q in asked(entries, now=at) if q.why == "again"]
    new = [q for q in asked(entries, now=at) if q.why == "missing"]
    entries += answered(new, at)
    later = [q for q in asked(entries, now=at + HOUR) if q.why == "again"]
    assert due and spans_of(later, "again") and later[-1].end == due[-1].end
    off = Ingestion(reconcile_h=0)
    assert [q.why for q in asked(entries, now=at + HOUR, settings=off)] == ["missing"]


def test_runs_at_the_same_hour_of_each_day_reconcile_each_day() -> None:
    """Today's run may be half a minute earlier in the day than yesterday's."""
    entries, days = history(NOW), []
    for day in range(1, 6):
        at = NOW + day * DAY - timedelta(seconds=30 * (day % 2))
        questions = asked(entries, now=at)
        entries += answered(questions, at, 10)
        again = [w.start.date() for q in questions if q.why == "again" for w in q.windows]
        days.append(len(set(again)))
    assert days == [6, 6, 6, 6, 6]


def test_rows_that_reports_lack_are_asked_for_once_whole_logs_come() -> None:
    reports = answered(asked([]), NOW)
    reports = [held(e.start, e.end, NOW, reports_only=True) for e in reports]
    hour = [Question("plug", NOW - 3 * HOUR, NOW + HOUR - MARGIN)]
    assert asked(reports, now=NOW + HOUR) == hour
    whole = held(NOW - 3 * HOUR, NOW + HOUR - MARGIN, NOW + HOUR)
    (urgent, rest), at = asked([*reports, whole], now=NOW + HOUR)[:2], NOW + HOUR
    assert urgent.start == at - 7 * DAY - HOUR and rest.end == NOW - 3 * HOUR


# ---- The month's calls -------------------------------------------------------------------


def spared(used: int, hourly: float = 11, at: datetime = NOW, calls: int = 26_000) -> Allowance:
    return budget.allowance(used, hourly, Ingestion(monthly_calls=calls), now=at)


def test_the_ordinary_hours_to_come_go_before_asking_again() -> None:
    """Eight and a half days are left: 201 h of 11 calls."""
    allowed = spared(12_000)
    assert allowed.calls == 13_999 and allowed.stretch_h == 1.0
    assert allowed.again == int(0.85 * 26_000 * 22 / 30) - 12_000 - 9 * 11  # a line to the end
    assert spared(18_000).again == 0 and spared(18_000).stretch_h == 1.0
    assert spared(24_500).again == 0 and spared(24_500).stretch_h > 1


def test_a_month_begins_with_its_own_calls() -> None:
    first = spared(0, at=datetime(2026, 5, 1, 0, 30, tzinfo=UTC))
    assert first.calls == 25_999 and 0 < first.again < 26_000 / 31


@given(st.integers(0, 40_000), st.floats(1, 200), minutes, st.integers(1, 60_000))
def test_an_allowance_is_never_negative_nor_more_than_what_is_left(
    used: int, hourly: float, now: datetime, calls: int
) -> None:
    allowed = spared(used, hourly, now, calls)
    assert 0 <= allowed.again <= max(0, calls - used) and allowed.calls == max(0, calls - used - 1)
    assert 1 <= allowed.stretch_h <= budget.SELDOM_H


def fitted(questions: list[Question], allowed: Allowance) -> tuple[list[Question], list[Question]]:
    return budget.fit(questions, lambda question: 5, allowed, SETTINGS, now=NOW)


def test_what_does_not_fit_is_left_out_and_what_is_about_to_expire_never() -> None:
    old = [Question(own, NOW - 7 * DAY, NOW - 5 * DAY) for own in "abc"]
    late = [Question(own, NOW - 2 * DAY, NOW) for own in "abc"]
    again = [Question("d", NOW - 6 * DAY, NOW - DAY, "again")]
    taken, left_out = fitted([*old, *late, *again], Allowance(22, 10))
    assert taken == [*old, late[0]] and left_out == [*late[1:], *again]
    assert fitted(old, Allowance(0, 0)) == (old, [])


def test_asking_again_has_a_share_of_its_own() -> None:
    again = [Question(own, NOW - 6 * DAY, NOW - DAY, "again") for own in "abc"]
    taken, left_out = fitted(again, Allowance(1_000, 11))
    assert taken == again[:2] and left_out == again[2:]


def test_a_quota_with_plenty_left_leaves_nothing_out_however_short_the_questions() -> None:
    """A span cut into hours, and a run twenty minutes after the last."""
    cut = [Question("a", NOW - n * HOUR, NOW - (n - 1) * HOUR) for n in range(30, 0, -1)]
    soon = Question("b", NOW - 3.3 * HOUR, NOW - MARGIN)
    assert fitted([*cut, soon], Allowance(10_000, 0)) == ([*cut, soon], [])
    stretched = fitted(cut, Allowance(10_000, 0, 20.0))
    assert stretched == (cut, [])  # the oldest part says how long the device has waited


@pytest.mark.parametrize(("stretch_h", "hours_waited"), [(1.0, 1), (2.0, 2), (6.0, 6)])
def test_a_quota_too_small_for_every_hour_makes_the_hours_longer(
    stretch_h: float, hours_waited: int
) -> None:
    first = 0
    for waited in range(1, 10):
        question = Question("a", NOW - waited * HOUR - 3 * HOUR, NOW - MARGIN)
        if fitted([question], Allowance(100, 0, stretch_h))[0]:
            first = first or waited
    assert first == hours_waited
