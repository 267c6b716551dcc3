"""The journal as a table: what DuckDB reads of it is what Python reads, whatever lies in it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lib import coverage, held, losses, marts, raw, staging, warehouse
from lib.config import Ingestion
from lib.journal import Entry, Journal
from lib.paths import Paths
from lib.spans import Span
from lib.times import DAY
from tests.rows import CONFIG, at, contents, keep, report

SETTINGS = Ingestion(retention_days=2.5)
HOUR = timedelta(hours=1)
TORN = [b"", b"{}", b"[]", b"null", b"7", b"\x00\x00\x00", b"\xff\xfe{", b'{"file":"a"', b"}{"]
NAMES = ["plug/2026-03-10/a_logs.json.gz", "plug/2026-03-10/a_logs_partial.json.gz", "it's/b.json"]

entries = st.builds(
    lambda file, device, hour, length, asked, complete, rows, pages, origin: Entry(
        file=file,
        device_id=device,
        start=at("10") + hour * HOUR,
        end=at("10") + (hour + length) * HOUR,
        asked_at=at("10") + timedelta(hours=asked, microseconds=asked),
        complete=complete,
        rows=rows,
        sha256=str(hour),
        dates=("2026-03-10", "2026-03-11")[: hour % 3],
        pages=pages,
        origin_sha256=origin,
    ),
    *(st.sampled_from(NAMES) | st.integers(0, 99).map(str), st.sampled_from(["plug", "it's"])),
    *(st.integers(0, 60), st.integers(-1, 30), st.integers(0, 130), st.booleans()),
    *(st.integers(0, 2), st.sampled_from([None, 0, 1]), st.sampled_from(["", "f" * 64])),
)
lines = st.lists(entries.map(lambda one: one.line().encode()) | st.sampled_from(TORN), max_size=30)


def journal(store: Paths, content: bytes) -> Journal:
    store.journal.parent.mkdir(parents=True, exist_ok=True)
    store.journal.write_bytes(content)
    return Journal(store.journal)


def read(store: Paths) -> tuple[list[Entry], dict[str, list[Span]]]:
    """Every line as the table has it, and the spans by device."""
    wanted = {"start_us": None, "end_us": None, "unheld": False}
    with warehouse.connect() as connection:
        held.load_journal(connection, store)
        return held._lines(connection, wanted), held.by_device(connection, SETTINGS)


def by_file(found: list[Entry]) -> dict[str, Entry]:
    return {one.file: replace(one, version="") for one in found}


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(written=lines)
@example(written=[])
def test_the_table_and_python_read_the_same_lines_and_spans(
    tmp_path: Path, written: list[bytes]
) -> None:
    store = Paths.at(tmp_path)
    known = journal(store, b"".join(line + b"\n" for line in written)).all()
    found, spans = read(store)
    assert by_file(found) == by_file(known)
    assert spans == losses._read(known, SETTINGS)
    assert coverage.received(store) == sum(one.rows for one in known)
    with warehouse.connect() as connection:
        held.load_journal(connection, store)
        assert by_file(held.unheld(connection)) == by_file([e for e in known if not e.complete])
        asked = {e.asked_at for e in known if e.pages is not None}
        assert held.asked(connection, None) == asked
        assert held.asked(connection, at("12")) == {one for one in asked if one < at("12")}


def test_of_a_file_entered_again_far_below_the_later_line_counts(store: Paths) -> None:
    """DuckDB reads parts of a large file side by side; the order of lines must survive it."""
    plain = Entry("", "plug", at("10"), at("11"), at("11"), True, 1, "0" * 64, (), pages=1)
    many = [replace(plain, file=f"{n:06d}", start=at("10") + n * HOUR / 99) for n in range(40_000)]
    again = [replace(one, rows=0, complete=False, pages=None) for one in many[::50]]
    content = "".join(one.line() + "\n" for one in many[:500] + again + many[500:] + again[10:])
    known = journal(store, content.encode()).all()
    found, _ = read(store)
    assert len(content) > 10_000_000
    assert by_file(found) == by_file(known)
    assert sum(one.rows for one in known) == coverage.received(store) == 39_200


def test_without_a_journal_nothing_is_held(store: Paths) -> None:
    assert read(store) == ([], {})
    assert coverage.received(store) == 0


@pytest.mark.parametrize("days", [("10",), ("10", "12")])
def test_a_window_that_is_taken_back_is_counted_out_of_its_own_days_only(
    store: Paths, days: tuple[str, ...]
) -> None:
    for day in ("10", "11", "12"):
        keep(store, [report(f"{day} 12:00", "cur_power", "5")])
    staging.run(store, CONFIG)
    marts.run(store, CONFIG)
    for one in Journal(store.journal).all():
        if f"{one.start:%d}" in days:
            raw.take_back(store, one)
            (store.raw / one.file).unlink()
    staging.run(store, CONFIG)
    marts.run(store, CONFIG)
    with warehouse.connect() as connection:
        left = [d for d in ("10", "11", "12") if held.read(connection, store, f"2026-03-{d}")]
    assert left == [d for d in ("10", "11", "12") if d not in days]
    before = contents(store)
    marts.run(store, CONFIG, rebuild=True)
    assert contents(store) == before
    assert held.until(store) == at(left[-1]) + DAY
