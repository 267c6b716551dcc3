"""Answers: where their rows are kept; the records of calls and collections."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib import answers, archive, attempts, held, raw, usage
from lib.answers import Answer
from lib.attempts import Attempt, Unanswered
from lib.config import Ingestion
from lib.errors import SourceUnavailable
from lib.journal import Journal
from lib.paths import Paths
from lib.plan import Question
from lib.times import to_ms

NOW = datetime(2026, 4, 22, 15, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WEEK = Question("plug", NOW - 7 * DAY, NOW)


def rows(*instants: datetime | None) -> list[raw.Row]:
    return [{"code": "cur_power", "event_time": to_ms(t) if t else None} for t in instants]


def keep(store: Paths, question: Question, answer: Answer) -> None:
    answers.keep(store, question, answer, asked_at=NOW, ingested_by="tcc/test")


def kept(store: Paths) -> dict[str, list[int | None]]:
    """The event times in each raw file, by its folder."""
    files = sorted(store.raw.rglob("*.json.gz"))
    return {f.parent.name: [row["event_time"] for row in raw.read(f)] for f in files}


def test_a_whole_answer_has_a_file_for_each_day_even_for_those_without_rows(store: Paths) -> None:
    inside = [NOW - 6 * DAY, NOW - HOUR, NOW - 6 * DAY + HOUR]
    keep(store, WEEK, Answer(rows(*inside), pages=1))
    assert len(kept(store)) == 8
    assert kept(store)["2026-04-16"] == [to_ms(inside[0]), to_ms(inside[2])]
    assert kept(store)["2026-04-22"] == [to_ms(inside[1])]
    assert all(entry.complete for entry in Journal(store.journal).all())
    spans = [(entry.start, entry.end) for entry in Journal(store.journal).all()]
    assert (spans[0][0], spans[-1][1]) == (WEEK.start, WEEK.end)


@pytest.mark.parametrize("cut", [{"error": SourceUnavailable("gone")}, {"parts": 3}])
def test_an_answer_cut_short_has_files_for_the_days_with_rows_and_none_counts(
    store: Paths, cut: dict[str, object]
) -> None:
    answer = Answer(rows(NOW - HOUR, NOW - DAY), pages=1, **cut)  # type: ignore[arg-type]
    keep(store, WEEK, answer)
    assert sorted(kept(store)) == ["2026-04-21", "2026-04-22"]
    assert not any(entry.complete for entry in Journal(store.journal).all())
    keep(store, WEEK, Answer([], pages=0, error=SourceUnavailable("gone")))
    assert len(kept(store)) == 2


instants = st.none() | st.integers(-20_000, 5_000).map(lambda n: NOW + timedelta(minutes=n))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.lists(instants, max_size=30), st.booleans(), st.integers(0, 10_000))
def test_no_row_is_dropped_and_each_day_s_rows_stand_in_its_file(
    tmp_path_factory: pytest.TempPathFactory,
    times: list[datetime | None],
    whole: bool,
    length_min: int,
) -> None:
    store = Paths.at(tmp_path_factory.mktemp("store"))
    question = Question("plug", NOW - timedelta(minutes=length_min + 1), NOW)
    keep(store, question, Answer(rows(*times), pages=1, parts=0 if whole else 2))
    found = [t for own in kept(store).values() for t in own]
    assert sorted(map(str, found)) == sorted(str(to_ms(t) if t else None) for t in times)
    for folder, own in kept(store).items():
        for ms in own:
            at = datetime.fromtimestamp(ms / 1000, UTC) if ms else NOW
            if whole and question.start <= at < question.end:
                assert folder == f"{at:%Y-%m-%d}"


@pytest.mark.parametrize("whole", [True, False])
def test_a_partial_file_found_after_a_crash_does_not_count_as_asked_in_whole(
    store: Paths, whole: bool
) -> None:
    """The run was killed between the file and its line in the journal."""
    keep(store, WEEK, Answer(rows(NOW - HOUR), pages=1, parts=0 if whole else 2))
    store.journal.unlink()
    found, bad = archive.adopt_strays(store, entered=set(), scanned_at=None)
    assert bad == [] and len(found) == (8 if whole else 1)
    spans = [held.span(entry, Ingestion()) for entry in found]
    assert all(spans) if whole else spans == [None]


# ---- Too long ----------------------------------------------------------------------------


def spread(number: int, over: timedelta) -> list[raw.Row]:
    return rows(*(NOW - over * n / number for n in range(number)))


@pytest.mark.parametrize(
    ("over", "pages", "parts"),
    [
        (7 * DAY, 1, 0),  # one page says nearly all
        (7 * DAY, 30, 2),  # as many pages as expected, and more to come
        (8 * HOUR, 1, 0),  # 21 pages are expected
        (4 * HOUR, 1, 2),  # 42 pages
        (timedelta(minutes=5), 1, answers.MOST_PARTS),  # a burst, perhaps
        (2 * DAY, 30, 4),
    ],
)
def test_a_question_is_asked_in_parts_where_its_rows_say_that_it_is_too_long(
    over: timedelta, pages: int, parts: int
) -> None:
    answer = Answer(spread(100, over), pages=pages)
    assert answers.too_long(WEEK, answer, 30) == parts


def test_a_short_question_is_read_to_its_end() -> None:
    short = Question("plug", NOW - timedelta(minutes=10), NOW)
    assert answers.too_long(short, Answer(spread(100, HOUR / 60), pages=30), 30) == 0


# ---- Records -----------------------------------------------------------------------------


def test_calls_are_counted_by_month_and_a_spoiled_count_begins_anew(store: Paths) -> None:
    usage.add(store, NOW, 12)
    usage.add(store, NOW, 0)
    usage.add(store, NOW + 10 * DAY, 5)
    assert usage.by_month(store) == {"2026-04": 12, "2026-05": 5}
    assert usage.used(store, NOW) == 12
    store.usage.write_text("[")
    assert usage.used(store, NOW) == 0
    usage.add(store, NOW, 3)
    assert usage.by_month(store) == {"2026-04": 3}


def test_attempts_are_read_back_as_written_and_a_torn_line_says_nothing(store: Paths) -> None:
    missed = Unanswered("plug", NOW - DAY, NOW, "SourceRejected", 28841004)
    own = [
        Attempt(NOW, 3, 2, 100, 7, (missed,), "SourceRejected", 28841004),
        Attempt(NOW + HOUR, 1, 1, 0, 2),
    ]
    assert attempts.every(store) == [] and attempts.last(store) is None
    attempts.append(store, own[0])
    with store.attempts.open("a") as file:
        file.write('{"at":"2026-04-')
    attempts.append(store, own[1])
    assert attempts.every(store) == own and attempts.last(store) == own[1]
