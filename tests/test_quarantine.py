"""Bad files and rows are set aside with a reason, counted, listed, and find their way back."""

import gzip
import json
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from lib import cli_quarantine, found, quarantine, raw, staged_date, staging, tables, warehouse
from lib.errors import BadRawFile
from lib.journal import Entry, Journal, Window
from lib.paths import Paths
from lib.raw import Row
from lib.times import DAY, to_ms
from tests.rows import CONFIG, at, keep, report, staged

NOW = at("20 06:00")
ABSURD = [0, 1000, "1970-01-01T00:00:00Z", to_ms(at("10")) * 1000, 4_070_908_800_000]  # 2099


def write(
    store: Paths, rows: Sequence[Row], *, day: str = "10", asked: str = "20", whole: bool = True
) -> Entry:
    """Keep rows as the answer for a whole UTC day, whatever their times are."""
    window = Window("plug01", at(day), at(day) + DAY)
    kept = [*rows]
    return raw.write_window(
        store, window, kept, asked_at=at(asked), ingested_by="tcc/0", complete=whole
    )


def timed(event_time: object, value: str = "1", **others: Any) -> Row:
    """A report of power at a time of any kind."""
    row = {"code": "cur_power", "event_id": 7, "event_time": event_time, "value": value}
    return row | others


def spoil(store: Paths, entry: Entry, content: bytes) -> Path:
    file = store.raw / entry.file
    file.write_bytes(content)
    return file


def retried(store: Paths) -> dict[str, Path | str]:
    """What became of each file in quarantine: where it is now, or why it stays."""
    done: dict[str, Path | str] = {}
    with warehouse.connect() as connection:
        staged_date.prepare(connection, store, CONFIG)
        for aside in quarantine.every(store):
            try:
                done[aside.file.name] = quarantine.retry(store, aside, connection, NOW)
            except BadRawFile as error:
                done[aside.file.name] = error.what
    return done


def tcc(store: Paths, *words: str) -> tuple[int, str]:
    """Exit code and words of `tcc quarantine`."""
    command = [*words, "--now", "2026-03-20T06:00Z", "--data-dir", str(store.data)]
    result = CliRunner().invoke(cli_quarantine.app, command, env={"COLUMNS": "300"})
    return result.exit_code, re.sub(r"\s+", " ", result.output)


def adds_up(counts: staging.Report) -> bool:
    parts = counts.staged + counts.duplicate + counts.conflicting + counts.quarantined_rows
    return counts.rows_in == parts


# ---- Set aside -----------------------------------------------------------------------------


def api_error(plain: bytes) -> bytes:
    return b'{"code":1010,"msg":"token invalid","success":false,"t":1}'


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda packed: packed[:-12], "it cannot be unpacked"),
        (lambda packed: b"", "empty, 0 bytes"),
        (lambda packed: gzip.compress(b""), "empty, 0 bytes"),
        (lambda packed: gzip.compress(b"<html>502</html>"), "it is not JSON"),
        (lambda packed: gzip.compress(gzip.decompress(packed)[:-30]), "it is not JSON"),
        (lambda packed: gzip.compress(api_error(packed)), "error 1010"),
        (lambda packed: gzip.compress(b'{"a":1}'), "not a list"),
        (
            lambda packed: gzip.compress(gzip.decompress(packed).replace(b"plug01", b"plug02")),
            "it holds rows of plug02, not of plug01 alone",
        ),
    ],
    ids=["cut", "empty", "empty packed", "html", "not closed", "api error", "object", "foreign"],
)
def test_every_kind_of_bad_file_goes_to_quarantine_with_its_reason_and_the_rest_goes_on(
    store: Paths, change: Callable[[bytes], bytes], why: str
) -> None:
    bad, _ = keep(store, [report("10 12:00", "cur_power", "1"), report("11 12:00", "cur_power", 2)])
    spoil(store, bad, change((store.raw / bad.file).read_bytes()))
    counts = staging.run(store, CONFIG)
    assert counts.quarantined == [store.quarantine / bad.file]
    (aside,) = quarantine.every(store)
    assert why in aside.what and "tcc quarantine retry" in aside.remedy
    assert (aside.name, aside.device_id, aside.window) == (bad.file, "plug01", (bad.start, bad.end))
    assert (counts.rows_in, counts.staged, counts.quarantined_rows) == (2, 1, 1)
    assert staged(store)["value"].tolist() == ["2"]


def test_rows_of_another_device_that_came_as_an_answer_are_set_aside_too(store: Paths) -> None:
    write(store, [report("10 12:00", "cur_power", "1", device_id="plug02")])
    write(store, [report("11 12:00", "cur_power", "1", device_id=None)], day="11")
    counts = staging.run(store, CONFIG)
    assert [path.parent.name for path in counts.quarantined] == ["2026-03-10"]
    assert staged(store)["device_id"].tolist() == ["plug01"]
    assert not Journal(store.journal).all()[0].complete  # its window is asked again


@pytest.mark.parametrize("times", [ABSURD, [None], ["soon", 10**17], [to_ms(at("22"))]])
def test_a_file_of_absurd_times_only_is_set_aside_and_not_asked_for_again_and_again(
    store: Paths, times: list[object]
) -> None:
    entry = write(store, [timed(time) for time in times])
    counts = staging.run(store, CONFIG)
    assert counts.quarantined == [store.quarantine / entry.file]
    assert (counts.rows_in, counts.quarantined_rows) == (len(times), len(times))
    (aside,) = quarantine.every(store)
    assert "event time that can be true" in aside.what
    (line,) = Journal(store.journal).all()
    assert (line.complete, line.rows) == (True, 0)
    assert staging.run(store, CONFIG).findings == []
    assert staging.run(store, CONFIG, rebuild=True).findings == []


def test_absurd_rows_of_a_good_file_are_copied_to_quarantine_and_the_good_ones_staged(
    store: Paths,
) -> None:
    entry = write(store, [report("10 12:00", "cur_power", "1"), *map(timed, ABSURD)])
    before = (store.raw / entry.file).read_bytes()
    counts = staging.run(store, CONFIG)
    assert (counts.rows_in, counts.staged, counts.quarantined_rows) == (6, 1, 5)
    assert counts.quarantined == [] and counts.dates == ["2026-03-10"]
    (aside,) = quarantine.every(store)
    assert [row["event_time"] for row in raw.read(aside.file)] == ABSURD
    assert aside.copy and f"5 of 6 rows of {entry.file}" in aside.what
    assert (store.raw / entry.file).read_bytes() == before
    (finding,) = [f for f in counts.findings if f.name == "tcc.staging.undated"]
    assert finding.data["rows"] == 5
    written = aside.file.stat().st_mtime_ns
    staging.run(store, CONFIG, rebuild=True)
    assert [a.file.stat().st_mtime_ns for a in quarantine.every(store)] == [written]


def test_a_found_file_of_the_year_2099_makes_no_partition(store: Paths) -> None:
    folder = store.raw / "plug01" / "2099-01-01"
    folder.mkdir(parents=True)
    (folder / "odd.json").write_text(json.dumps([timed(4_070_908_800_000)]))
    assert [f.name for f in staging.run(store, CONFIG).quarantined] == ["odd.json"]
    assert len(staged(store)) == 0


def test_a_run_killed_while_setting_aside_leaves_one_copy_and_one_reason(
    store: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = write(store, [report("10 12:00", "cur_power", "1")])
    spoil(store, entry, b"odd")

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for step in ("write_reason", "take_back"):
        monkeypatch.setattr(raw, step, die)
        with pytest.raises(KeyboardInterrupt):
            staging.run(store, CONFIG)
        assert (store.raw / entry.file).exists() and (store.quarantine / entry.file).exists()
        monkeypatch.undo()
        assert len(quarantine.every(store)) == 1
    assert staging.run(store, CONFIG).quarantined == [store.quarantine / entry.file]
    assert len(quarantine.every(store)) == 1
    assert not (store.raw / entry.file).exists()


# ---- The sum -------------------------------------------------------------------------------

times_ = st.one_of(
    st.sampled_from([to_ms(at(when)) for when in ("10", "10 12:00", "10 23:59", "11", "11 06:00")]),
    st.sampled_from([*ABSURD, None, "soon", "2026-03-10T05:00:00Z", True, 1773144000, "", [], {}]),
    st.sampled_from([1773144000000.7, "1773144000000.7", "1_773_144_000_000", " 1773144000000 "]),
    st.sampled_from(["2026-W11-2", "20260310T050000Z", "2026-03-10", "1e3", "0x10", 1.773144e12]),
)
odd_rows = st.builds(
    timed,
    times_,
    st.sampled_from(["1", "2"]),
    code=st.sampled_from(["cur_power", None]),
    event_id=st.sampled_from([7, 1]),
)
no_value = odd_rows.map(lambda row: {k: v for k, v in row.items() if k not in ("code", "value")})
answers = st.tuples(
    st.lists(st.one_of(odd_rows, no_value), max_size=6),
    st.sampled_from(["good", "good", "good", "cut", "words", "error", "foreign", "stray"]),
    st.sampled_from(["10", "11", "12"]),
)


def bring(store: Paths, rows: list[Row], kind: str, asked: str) -> None:
    """Another raw file, spoiled or not."""
    entry = write(store, rows, asked=asked)
    content = gzip.decompress((store.raw / entry.file).read_bytes())
    if kind == "stray":
        other = (store.raw / entry.file).with_name(f"found-{entry.file[-12:]}{asked}.json")
        other.write_bytes(content)
    spoiled = {
        "cut": gzip.compress(content)[:-9],
        "words": b"no JSON",
        "error": gzip.compress(api_error(content)),
        "foreign": gzip.compress(content.replace(b"plug01", b"plug02")),
    }
    if kind in spoiled:
        spoil(store, entry, spoiled[kind])


@given(st.lists(st.lists(answers, max_size=4), min_size=1, max_size=3))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
def test_rows_in_are_staged_duplicate_conflicting_or_quarantined(
    batches: list[list[tuple[list[Row], str, str]]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Paths.at(folder)
        for batch in batches:
            offset = Journal(store.journal).since()[1]
            for answer in batch:
                bring(store, *answer)
            counts = staging.run(store, CONFIG)
            assert adds_up(counts) and counts.came >= counts.staged
            lines = Journal(store.journal).since(offset)[0]
            if not offset:  # the first run has to do with every row there is
                assert counts.rows_in == sum(line.rows for line in lines)
        held = sum(entry.rows for entry in Journal(store.journal).all())
        counts = staging.run(store, CONFIG, rebuild=True)
        assert adds_up(counts) and counts.rows_in == held
        assert counts.staged == len(staged(store))
        assert min([0, *counts.undated.values()]) == 0


def test_an_hourly_run_counts_the_rows_of_the_dates_it_touched(store: Paths) -> None:
    keep(store, [report(f"{day} 12:00", "cur_power", "1") for day in (10, 11)])
    staging.run(store, CONFIG)
    write(store, [report("11 12:00", "cur_power", "1"), *map(timed, ABSURD)], day="11", asked="21")
    counts = staging.run(store, CONFIG)
    assert (counts.rows_in, counts.staged, counts.duplicate, counts.quarantined_rows) == (
        7,
        1,
        1,
        5,
    )
    table = tables.staged(counts)["valor"]
    parts = [f"linhas {word}" for word in ("tratadas", "repetidas", "em conflito", "em quarentena")]
    assert table["linhas lidas"] == sum(table[part] for part in parts) == 7
    idle = staging.run(store, CONFIG)
    assert (idle.rows_in, idle.quarantined_rows) == (0, 0)


# ---- The way back --------------------------------------------------------------------------


def test_what_is_still_bad_stays_with_the_new_reason_and_the_time_of_old(store: Paths) -> None:
    entry = write(store, [report("10 12:00", "cur_power", "1")])
    spoil(store, entry, b"odd")
    staging.run(store, CONFIG)
    (before,) = quarantine.every(store)
    reason = raw.reason_file(before.file)
    os.utime(reason, (1_700_000_000, 1_700_000_000))
    assert "cannot be unpacked" in str(retried(store)[before.file.name])
    before.file.write_bytes(gzip.compress(b"{}"))
    retried(store)
    (after,) = quarantine.every(store)
    assert "not a list" in after.what and after.sha256 == before.sha256
    assert reason.stat().st_mtime == 1_700_000_000
    assert not (store.raw / entry.file).exists()


def test_a_file_whose_content_is_whole_again_takes_its_old_name_and_answers_for_its_window(
    store: Paths,
) -> None:
    entry = write(store, [report("10 12:00", "cur_power", "1")])
    good = (store.raw / entry.file).read_bytes()
    spoil(store, entry, good[:-9])
    staging.run(store, CONFIG)
    (aside,) = quarantine.every(store)
    aside.file.write_bytes(good)
    assert retried(store) == {aside.file.name: store.raw / entry.file}
    (line,) = Journal(store.journal).all()
    assert (line.complete, line.rows, line.dates) == (True, 1, ("2026-03-10",))
    assert not [f for f in store.quarantine.rglob("*") if f.is_file()]
    assert staging.run(store, CONFIG).staged == 1


def test_a_mended_file_answers_for_its_rows_only_and_never_goes_over_another(
    store: Paths,
) -> None:
    rows = [report("10 12:00", "cur_power", "1"), report("10 13:00", "cur_power", "2")]
    entry = write(store, rows)
    plain = gzip.decompress((store.raw / entry.file).read_bytes())
    spoil(store, entry, gzip.compress(plain[:-40]))
    staging.run(store, CONFIG)
    (aside,) = quarantine.every(store)
    again = write(store, rows[1:])  # the same window, asked for again
    assert again.file == entry.file
    new = (store.raw / again.file).read_bytes()
    aside.file.write_bytes(gzip.compress(plain[: plain.index(b"},\n")] + b"}]"))
    (back,) = retried(store).values()
    assert isinstance(back, Path) and back.name == Path(entry.file).name.replace("_logs", "_logs-2")
    assert (store.raw / again.file).read_bytes() == new
    lines = {line.file: line for line in Journal(store.journal).all()}
    mended = lines[str(back.relative_to(store.raw))]
    assert (mended.complete, mended.rows) == (False, 1)
    assert (mended.start, mended.end) == (at("10 12:00"), at("10 12:00") + timedelta(seconds=1))
    staging.run(store, CONFIG)
    assert staged(store)["value"].tolist() == ["1", "2"]


def test_a_file_unpacked_to_be_mended_keeps_its_reason(store: Paths) -> None:
    entry = write(store, [report("10 12:00", "cur_power", "1")])
    plain = gzip.decompress((store.raw / entry.file).read_bytes())
    spoil(store, entry, gzip.compress(plain[:-3]))
    staging.run(store, CONFIG)
    (aside,) = quarantine.every(store)
    aside.file.unlink()
    aside.file.with_suffix("").write_bytes(plain)
    (unpacked,) = quarantine.every(store)
    assert (unpacked.what, unpacked.window) == (aside.what, aside.window)
    assert retried(store) == {unpacked.file.name: (store.raw / entry.file).with_suffix("")}
    assert Journal(store.journal).all()[-1].complete  # to the letter what it was
    assert not [f for f in store.quarantine.rglob("*") if f.is_file()]
    assert staging.run(store, CONFIG).staged == 1


def test_a_content_that_the_journal_does_not_know_stays_until_somebody_changes_it(
    store: Paths,
) -> None:
    entry = write(store, [report("10 12:00", "cur_power", "1")])
    plain = gzip.decompress((store.raw / entry.file).read_bytes())
    spoil(store, entry, gzip.compress(plain.replace(b'"1"', b'"9"')))
    staging.run(store, CONFIG)
    (why,) = retried(store).values()
    assert "not what the journal says" in str(why)


def test_a_file_that_a_newer_version_understands_goes_back_whole(
    store: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = write(store, [timed("the 10th of March")])
    staging.run(store, CONFIG)
    original = raw.event_time_ms
    monkeypatch.setattr(
        raw,
        "event_time_ms",
        lambda row, *rest: original(row | {"event_time": to_ms(at("10"))}, *rest),
    )
    assert retried(store) == {Path(entry.file).name: store.raw / entry.file}
    (line,) = Journal(store.journal).all()
    assert (line.complete, line.rows, line.dates) == (True, 1, ("2026-03-10",))


def test_absurd_rows_that_were_mended_are_staged_once_and_not_set_aside_again(
    store: Paths,
) -> None:
    write(store, [report("10 12:00", "cur_power", "1"), timed(0, "2")])
    staging.run(store, CONFIG)
    (aside,) = quarantine.every(store)
    assert "can be true" in str(retried(store)[aside.file.name])
    mended = [row | {"event_time": to_ms(at("10 13:00"))} for row in raw.read(aside.file)]
    aside.file.write_bytes(raw.encode(mended))
    assert retried(store) == {aside.file.name: store.raw / aside.name}
    staging.run(store, CONFIG)
    staging.run(store, CONFIG, rebuild=True)
    assert staged(store)["value"].tolist() == ["1", "2"]
    assert quarantine.every(store) == []


@pytest.mark.parametrize("step", ["append", "unlink reason", "unlink file"])
@pytest.mark.parametrize("mended", [False, True])
def test_a_way_back_cut_off_at_any_step_loses_nothing_and_is_ended_later(
    store: Paths, monkeypatch: pytest.MonkeyPatch, step: str, mended: bool
) -> None:
    entry = write(store, [report("10 12:00", "cur_power", "1")])
    good = (store.raw / entry.file).read_bytes()
    if mended:
        good = gzip.compress(gzip.decompress(good).replace(b'"1"', b'"3"'))
    spoil(store, entry, good[:-9])
    staging.run(store, CONFIG)
    (aside,) = quarantine.every(store)
    aside.file.write_bytes(good)
    unlink = Path.unlink

    def die(path: Path, *_: object, **__: object) -> None:
        if step == "append" or path.name.endswith(".json") == (step == "unlink reason"):
            raise KeyboardInterrupt
        unlink(path)

    monkeypatch.setattr(*((Journal, "append") if step == "append" else (Path, "unlink")), die)
    with pytest.raises(KeyboardInterrupt):
        retried(store)
    monkeypatch.undo()
    assert (store.raw / entry.file).read_bytes() == good == aside.file.read_bytes()
    staging.run(store, CONFIG)
    assert len(staged(store)) == (step != "append")
    assert retried(store) == {aside.file.name: store.raw / entry.file}
    staging.run(store, CONFIG)
    assert len(staged(store)) == 1 and quarantine.every(store) == []
    assert len(list(store.raw.rglob("*_logs*"))) == 1
    assert Journal(store.journal).all()[0].complete != mended


def test_a_taken_back_file_that_was_put_back_by_hand_is_staged(store: Paths) -> None:
    entry = write(store, [report("10 12:00", "cur_power", "1")])
    good = (store.raw / entry.file).read_bytes()
    spoil(store, entry, good[:-9])
    staging.run(store, CONFIG)
    (store.raw / entry.file).write_bytes(good)
    folder = (store.raw / entry.file).parent
    os.utime(folder)
    assert staging.run(store, CONFIG).staged == 1
    assert staging.run(store, CONFIG).dates == []
    assert Journal(store.journal).all()[0].complete


def test_an_empty_file_is_never_entered_twice(store: Paths) -> None:
    write(store, [], whole=False)
    folder = store.raw / "plug01" / "2026-03-10"
    (folder / "found.json").write_text("[]")
    staging.run(store, CONFIG)
    size = store.journal.stat().st_size
    for _ in range(2):
        assert found.lines_of(store, {"plug01/2026-03-10/found.json"})
        os.utime(folder)
        staging.run(store, CONFIG)
    assert store.journal.stat().st_size == size


# ---- The command ---------------------------------------------------------------------------


def test_the_list_says_why_since_when_and_whether_something_else_answers(store: Paths) -> None:
    assert tcc(store) == (0, f"Nothing in {store.quarantine} ")
    entry = write(store, [report("10 12:00", "cur_power", "1")], day="19", asked="20 01:00")
    spoil(store, entry, b"")
    staging.run(store, CONFIG)
    code, said = tcc(store)
    assert code == 1 and entry.file in said and "empty, 0 bytes" in said
    assert "2026-03-19 00:00:00 to 2026-03-20 00:00:00 UTC" in said
    assert "the cloud forgets it in 138.0 h" in said  # 7 days less 30 hours
    write(store, [report("19 12:00", "cur_power", "1")], day="19", asked="20 02:00")
    code, said = tcc(store, "list")
    assert code == 0 and "answered, nothing to do" in said


def test_the_list_says_what_the_cloud_has_forgotten_and_what_nobody_knows(store: Paths) -> None:
    entry = write(store, [report("1 12:00", "cur_power", "1")], day="1", asked="2")
    spoil(store, entry, b"")
    stray = (store.raw / entry.file).with_name("stray.json")
    stray.write_text(json.dumps([timed(to_ms(at("1")), device_id="plug02")]))
    staging.run(store, CONFIG)
    code, said = tcc(store, "list")
    assert code == 1 and "the cloud has forgotten it" in said
    assert "window unknown to the journal" in said and "rows of plug02" in said


def test_explain_shows_the_reason_the_remedy_and_the_place(store: Paths) -> None:
    rows = [report(f"10 {hour:02d}:00", "cur_power", str(hour)) for hour in range(20)]
    entry = write(store, rows)
    plain = gzip.decompress((store.raw / entry.file).read_bytes())
    spoil(store, entry, gzip.compress(plain.replace(b'"value":"11"', b'"value":[11')))
    staging.run(store, CONFIG)
    code, said = tcc(store, "explain", Path(entry.file).name)
    assert code == 0 and "it is not JSON" in said and "tcc quarantine retry" in said
    assert "> 13 " in said and "it stops being JSON in line 13" in said
    assert tcc(store, "explain", str(store.quarantine / entry.file))[0] == 0
    code, said = tcc(store, "explain", "other.json")
    assert code == 1 and "0 files in quarantine have this name" in said


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b\x08", b"no gzip"])
def test_explain_stands_what_cannot_be_read_at_all(store: Paths, content: bytes) -> None:
    entry = write(store, [report("10 12:00", "cur_power", "1")])
    spoil(store, entry, content)
    staging.run(store, CONFIG)
    code, said = tcc(store, "explain", entry.file)
    assert code == 0 and "Nothing of it can be read" in said


def test_options_in_front_of_a_subcommand_are_not_taken_for_another_store(store: Paths) -> None:
    result = CliRunner().invoke(cli_quarantine.app, ["--data-dir", str(store.data), "list"])
    assert result.exit_code == 2 and "after 'list'" in result.output


def test_retry_brings_back_what_is_good_and_says_what_is_left(store: Paths) -> None:
    first, second = (write(store, [report(f"{d} 12:00", "cur_power", "1")], day=d) for d in "12")
    good = (store.raw / first.file).read_bytes()
    for entry in (first, second):
        spoil(store, entry, b"odd")
    staging.run(store, CONFIG)
    (store.quarantine / first.file).write_bytes(good)
    code, said = tcc(store, "retry", first.file)
    assert code == 1 and f"back {first.file}" in said and "Next: tcc stage" in said
    assert second.file not in said and "1 file(s) left that nothing else answers for" in said
    code, said = tcc(store, "retry")
    assert code == 1 and f"stays {second.file}" in said and "unpacked" in said
    staging.run(store, CONFIG)
    assert len(staged(store)) == 1


def test_a_file_that_only_duckdb_cannot_read_stays(
    store: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = write(store, [report("10 12:00", "cur_power", "1")])
    good = (store.raw / entry.file).read_bytes()
    spoil(store, entry, b"odd")
    staging.run(store, CONFIG)
    (store.quarantine / entry.file).write_bytes(good)
    error = raw.bad_file(store.raw, "DuckDB cannot read it")
    monkeypatch.setattr(staged_date, "unreadable", lambda *_: error)
    assert retried(store) == {Path(entry.file).name: "DuckDB cannot read it."}
