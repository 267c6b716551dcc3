"""One question asked and its answer kept, whole or not.

Belongs here: reading the pages of a question, noticing that it is too long, writing what came
by UTC days. Does not belong here: what to ask (`plan.py`), the order of a run (`ingest.py`).
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil

from lib import raw
from lib.errors import SourceError
from lib.paths import Paths
from lib.plan import SHORTEST, Question
from lib.raw import Row
from lib.times import to_ms
from lib.tuya import TuyaCloud

MOST_PARTS = 8  # each is judged anew, so a burst of rows costs little


@dataclass
class Answer:
    """The rows that came, in how many pages; `error` cut it short, `parts` says how to go on.

    It is whole only where its last page said so. With `reports_only` it came from where rows
    of going online and offline are not.
    """

    rows: list[Row] = field(default_factory=list)
    pages: int = 0
    error: SourceError | None = None
    parts: int = 0
    reports_only: bool = False

    @property
    def whole(self) -> bool:
        """Whether nothing of the span is left to ask for."""
        return self.error is None and not self.parts


def pull(
    cloud: TuyaCloud, question: Question, codes: Sequence[str], most_pages: int, *, new: bool
) -> Answer:
    """All pages of a question, or those before an error, or before it proves too long.

    Of a `new` device the first page already tells how dense its rows are.
    """
    answer = Answer()
    span_ms = to_ms(question.start), to_ms(question.end)
    try:
        for page in cloud.log_pages(question.device_id, *span_ms, codes=codes):
            answer.rows += page.rows
            answer.pages += 1
            answer.reports_only |= page.reports_only
            if not page.last and (answer.pages == most_pages or (new and answer.pages == 1)):
                answer.parts = too_long(question, answer, most_pages)
            if answer.parts:
                break
    except SourceError as error:
        answer.error = error
    return answer


def too_long(question: Question, answer: Answer, most_pages: int) -> int:
    """In how many parts a question should be asked anew: 0 where it may go on."""
    if question.length <= SHORTEST:
        return 0
    covered = min(1.0, _covered_s(answer.rows) / question.length.total_seconds())
    expected = answer.pages / max(covered, 1e-6)
    if answer.pages < most_pages and expected <= most_pages:
        return 0
    return min(MOST_PARTS, max(2, ceil(expected / most_pages)))


def _covered_s(rows: Sequence[Row]) -> float:
    """Time between the first and the last event of the rows. [s]"""
    times = [ms for row in rows if (ms := raw.event_time_ms(row)) is not None]
    return max(1.0, (max(times) - min(times)) / 1000) if times else float("inf")


def keep(
    paths: Paths, question: Question, answer: Answer, *, asked_at: datetime, ingested_by: str
) -> None:
    """Write the answer by UTC days; of one cut short only the days that have rows.

    A row without a usable time stands in the newest day.
    """
    windows = question.windows
    starts = [to_ms(window.start) for window in windows]
    latest_ms = to_ms(question.end)
    by_window: list[list[Row]] = [[] for _ in windows]
    for row in answer.rows:
        ms = raw.event_time_ms(row)
        at = latest_ms if ms is None else ms
        by_window[max(0, bisect_right(starts, at) - 1)].append(row)
    for window, rows in zip(windows, by_window, strict=True):
        if answer.whole or rows:
            raw.write_window(
                paths,
                window,
                rows,
                asked_at=asked_at,
                ingested_by=ingested_by,
                complete=answer.whole,
                pages=answer.pages,
                reports_only=answer.reports_only,
            )
