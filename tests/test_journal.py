"""The journal: append-only lines, torn ones tolerated, read from either end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib import files
from lib.journal import Entry, Journal, Window

T0 = datetime(2026, 4, 22, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)


def entry(number: int, **changes: object) -> Entry:
    """An entry asked for at the n-th hour; each has its own file."""
    at = T0 + number * HOUR
    plain = Entry(
        file=f"plug/2026-04-22/{number}.json.gz",
        device_id="plug",
        start=at - HOUR,
        end=at,
        asked_at=at,
        complete=True,
        rows=number,
        sha256="0" * 64,
        dates=("2026-04-22",),
        pages=1,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.fixture
def book(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "raw" / "journal.jsonl")


def test_a_journal_that_does_not_exist_holds_nothing(book: Journal) -> None:
    assert (book.all(), book.since(), book.recent(T0), book.last()) == ([], ([], 0), [], None)


def test_entries_come_back_as_they_were_written(book: Journal) -> None:
    written = [
        entry(0),
        entry(1, complete=False, pages=None, dates=()),
        entry(2, origin_sha256="x"),
    ]
    for one in written:
        book.append(one)
    assert book.all() == book.recent(T0) == written
    assert book.last() == written[-1]


def test_a_window_says_device_and_hours() -> None:
    assert str(Window("plug", T0, T0 + HOUR)) == "plug 2026-04-22 15:00:00-16:00:00 UTC"


def test_reading_goes_on_where_it_stopped(book: Journal) -> None:
    book.append(entry(0))
    first, offset = book.since()
    assert first == [entry(0)] and book.since(offset) == ([], offset)
    book.append(entry(1))
    assert book.since(offset) == ([entry(1)], book.path.stat().st_size)


@pytest.mark.parametrize("cut", [1, 2, 40, 200])
def test_a_torn_last_line_says_nothing_and_is_closed_by_the_next(book: Journal, cut: int) -> None:
    """A crash while appending: the lines before it and after it count, the torn one does not."""
    for number in range(3):
        book.append(entry(number))
    content = book.path.read_bytes()
    book.path.write_bytes(content[:-cut])
    assert book.all() == book.recent(T0) == [entry(0), entry(1)]
    assert book.last() == entry(1)
    before, offset = book.since()
    assert before == [entry(0), entry(1)]
    book.append(entry(3))
    whole = [entry(0), entry(1), *([entry(2)] if cut == 1 else []), entry(3)]
    assert book.all() == book.recent(T0) == whole
    assert [e.rows for e in book.since(offset)[0]] == ([2, 3] if cut == 1 else [3])


@pytest.mark.parametrize(
    "junk", [b"{}", b"[1]", b"7", b"\xff\xfe", b'{"start": 3}', b'{"start": "x"}', b"null", b""]
)
def test_lines_that_are_no_entries_are_passed_over(book: Journal, junk: bytes) -> None:
    book.append(entry(0))
    with book.path.open("ab") as handle:
        handle.write(junk + b"\n")
    book.append(entry(1))
    assert book.all() == book.recent(T0) == [entry(0), entry(1)]


def test_a_later_entry_of_a_file_replaces_the_earlier(book: Journal) -> None:
    for number in range(2):
        book.append(entry(number))
    taken_back = entry(0, complete=False, rows=0, pages=None)
    book.append(taken_back)
    assert sorted(book.all(), key=lambda e: e.file) == [taken_back, entry(1)]
    assert sorted(book.recent(T0), key=lambda e: e.file) == [taken_back, entry(1)]


def test_recent_leaves_out_what_was_asked_before(book: Journal) -> None:
    for number in range(5):
        book.append(entry(number))
    assert book.recent(T0 + 3 * HOUR) == [entry(3), entry(4)]
    assert book.recent(T0 + 9 * HOUR) == []


def test_an_old_stray_does_not_hide_what_was_asked_before_it(book: Journal) -> None:
    """An archive copied in by hand, or a file taken back, has a late line of an early question."""
    book.append(entry(9))
    book.append(entry(-5000, pages=None, complete=False))
    book.append(entry(10))
    assert book.recent(T0) == [entry(9), entry(10)]


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_recent_is_the_tail_of_all_whatever_the_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    """Lines of any length, torn at the end or not, read backwards in blocks of any size."""
    names = data.draw(st.lists(st.text('aé\\"', max_size=30), max_size=7), label="names")
    entries = [entry(n, device_id=name) for n, name in enumerate(names)]
    tail = data.draw(st.binary(max_size=50).filter(lambda b: b"\n" not in b), label="tail")
    block = data.draw(st.integers(1, 700), label="block")
    since = data.draw(st.integers(0, 8), label="since")
    book = Journal(tmp_path / "journal.jsonl")
    book.path.write_bytes(b"".join(e.line().encode() + b"\n" for e in entries) + tail)
    backwards = files.backwards
    with monkeypatch.context() as patch:
        patch.setattr(files, "backwards", partial(backwards, block=block))
        assert book.all() == entries
        assert book.recent(T0 + since * HOUR) == entries[since:]
        assert book.last() == (entries[-1] if entries else None)
    lines = list(backwards(book.path, block))
    assert b"\n".join(reversed(lines)) == book.path.read_bytes()
