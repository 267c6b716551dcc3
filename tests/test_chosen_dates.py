"""Chosen dates made anew: whatever their partitions held, all is as by a full rebuild after it."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from lib import catalogue, chosen_dates, cli, marts, staged_date, staging, staging_again, warehouse
from lib.config import Config, Device
from lib.errors import ConfigError, DataError
from lib.journal import Entry, Window
from lib.paths import Paths
from lib.raw import write_window
from tests.rows import CONFIG, at, build, event, keep, report
from tests.test_incremental import dying

DAYS = ("2026-03-10", "2026-03-11", "2026-03-12", "2026-03-13")
TABLES = ("staging", *(f"marts/{name}" for name in (*marts.BY_DATE, "held")))
Contents = dict[str, list[tuple[object, ...]]]


def filled(store: Paths) -> Paths:
    """Four days of two devices, with a value held over midnights, a conflict and a day of none."""
    plug = [report(f"{day} 0{h}:30", "cur_power", "100") for day in (10, 11, 13) for h in (1, 4)]
    plug += [report("10 23:00", "cur_power", "4000"), report("13 02:00", "cur_power", "0")]
    plug += [report(f"{day} 05:00", "switch_1", value) for day, value in ((10, True), (13, False))]
    keep(store, [*plug, report("11 05:00", "cur_voltage", "1270"), event("11 13:00", 2)])
    keep(store, [report("11 05:00", "cur_voltage", "1280")], asked="21")
    keep(store, [], day="12")
    keep(store, [report(f"{day} 08:00", "add_ele", "5") for day in (10, 12)], device="plug02")
    build(store)
    return store


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A store that no test changes."""
    return filled(Paths.at(tmp_path_factory.mktemp("chosen") / "data"))


@pytest.fixture(scope="module")
def expected(house: Paths, tmp_path_factory: pytest.TempPathFactory) -> Contents:
    """What a full rebuild makes of its raw files."""
    again = copy(house, tmp_path_factory.mktemp("full") / "data")
    staging.run(again, CONFIG, rebuild=True)
    marts.run(again, CONFIG, rebuild=True)
    found = contents(again)
    assert found == contents(house) and len(found) > 50
    return found


def contents(store: Paths) -> Contents:
    """What every partition holds, by one connection: each would take as long as the reading."""
    found: Contents = {}
    with warehouse.connect() as connection:
        for file in sorted(store.data.glob("[sm]*/**/event_date=*/data_0.parquet")):
            query = "SELECT * FROM read_parquet($file, hive_partitioning = false)"
            rows = connection.execute(query, {"file": str(file)}).fetchall()
            found[str(file.parent.relative_to(store.data))] = rows
    return found


def copy(store: Paths, folder: Path) -> Paths:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(store.data, folder)
    return Paths.at(folder)


@pytest.fixture
def own(house: Paths, tmp_path: Path) -> Iterator[Paths]:
    """A copy of the store that a test may spoil."""
    yield copy(house, tmp_path / "own")


@dataclass(frozen=True)
class Made:
    """What both steps say of chosen dates."""

    staged: staged_date.Report
    built: marts.Report

    @property
    def dates(self) -> set[str]:
        return {*self.staged.dates, *self.built.dates}


def rebuild(store: Paths, first: str, last: str, settings: Config = CONFIG) -> Made:
    """Both steps for chosen dates, as their notebooks do them."""
    only = chosen_dates.chosen(store, first, last)
    made = Made(
        staging.run(store, settings, only=only),
        marts.run(store, settings, only=only),
    )
    catalogue.refresh(store)
    return made


def spoil(store: Paths, table: str, day: str, how: str) -> None:
    """Do to a partition what people, disks and copies do."""
    file = warehouse.partition(store.data / table, day)
    if how == "deleted":
        shutil.rmtree(file.parent, ignore_errors=True)
    elif how == "another date's":
        other = warehouse.partition(store.data / table, DAYS[DAYS.index(day) - 1])
        if other.exists():
            file.parent.mkdir(exist_ok=True)
            shutil.copy(other, file)
    elif how == "no index":
        (store.staging / "_state" / "dates" / f"{day}.txt").unlink(missing_ok=True)
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"PAR1" * 9 if how == "garbage" else b"")


HOWS = ("deleted", "another date's", "garbage", "empty", "no index")
spoilt = st.tuples(st.sampled_from(TABLES), st.sampled_from(DAYS), st.sampled_from(HOWS))


@given(st.tuples(st.sampled_from(DAYS), st.sampled_from(DAYS)), st.lists(spoilt, max_size=8))
@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_any_choice_of_dates_however_spoilt_ends_as_a_full_rebuild(
    house: Paths,
    expected: Contents,
    tmp_path: Path,
    chosen: tuple[str, str],
    spoils: list[tuple[str, str, str]],
) -> None:
    store, (first, last) = copy(house, tmp_path / "drawn"), sorted(chosen)
    for table, day, how in spoils:
        if first <= day <= last:
            spoil(store, table, day, how)
    made = rebuild(store, first, last)
    assert contents(store) == expected
    assert {day for day in DAYS if first <= day <= last} <= made.dates
    staged, built = build(store)  # the next hour has nothing to do, and nothing is left to it
    assert (staged.dates, built.dates, contents(store)) == ([], [], expected)


def test_all_tables_of_all_dates_deleted_come_back(own: Paths, expected: Contents) -> None:
    for table in (*TABLES, *(f"marts/{name}" for name in marts.BY_LOCAL_DATE)):
        shutil.rmtree(own.data / table, ignore_errors=True)
    made = rebuild(own, DAYS[0], DAYS[-1])
    assert contents(own) == expected
    assert made.staged.staged == sum(
        len(v) for k, v in expected.items() if k.startswith("staging/")
    )
    with warehouse.connect(own.catalogue) as connection:
        assert connection.execute("SELECT count(*) FROM readings").fetchall() == [
            (made.staged.staged,)
        ]


def test_later_dates_change_only_as_far_as_what_a_date_leaves_to_the_next(own: Paths) -> None:
    assert rebuild(own, "2026-03-11", "2026-03-11").built.dates == ["2026-03-11"]
    spoil(own, "marts/carry", "2026-03-11", "another date's")
    found = rebuild(own, "2026-03-11", "2026-03-11").built.dates
    assert found == ["2026-03-11", "2026-03-12"]  # what the 12th left is as it was


def test_what_an_hour_made_of_a_spoilt_date_is_mended_too(own: Paths, expected: Contents) -> None:
    spoil(own, "staging", "2026-03-10", "deleted")
    keep(own, [report("10 22:00", "cur_power", "1000")], asked="22")
    marts.run(own, CONFIG)  # built of the spoilt date, and what follows of what that left
    assert contents(own) != expected
    rebuild(own, "2026-03-10", "2026-03-10")
    build(own)
    after = contents(own)
    staging.run(own, CONFIG, rebuild=True)
    marts.run(own, CONFIG, rebuild=True)
    assert contents(own) == after


def test_what_is_new_stays_new_for_the_next_hour(own: Paths) -> None:
    keep(own, [report(f"{day} 20:00", "cur_power", "7") for day in (10, 12)], asked="22")
    made = rebuild(own, "2026-03-12", "2026-03-12")
    assert made.staged.dates == ["2026-03-12"]
    hours = warehouse.partition(own.staging, "2026-03-10")
    assert len(warehouse.read(own.staging, where="value = '7'")) == 1 and hours.exists()
    staged, _ = build(own)
    assert staged.dates == ["2026-03-10", "2026-03-12"]
    after = contents(own)
    staging.run(own, CONFIG, rebuild=True)
    marts.run(own, CONFIG, rebuild=True)
    assert contents(own) == after


def test_files_copied_in_by_hand_count_and_a_bad_one_goes_to_the_quarantine(own: Paths) -> None:
    folder = own.raw / "plug03" / "2026-03-11"
    folder.mkdir(parents=True)
    (folder / "old.json").write_text(f"[{report('11 06:00', 'cur_power', '9')}]".replace("'", '"'))
    (folder / "bad.json").write_text("[{")
    made = rebuild(own, "2026-03-11", "2026-03-11")
    assert {f.name for f in made.staged.findings} >= {
        "tcc.staging.adopted",
        "tcc.staging.quarantined",
    }
    assert len(warehouse.read(own.staging, where="device_id = 'plug03'")) == 1
    build(own)
    after = contents(own)
    staging.run(own, CONFIG, rebuild=True)
    marts.run(own, CONFIG, rebuild=True)
    assert contents(own) == after


# ---- Bookmarks and rules -------------------------------------------------------------------


def test_after_a_change_of_rules_the_rest_is_not_taken_for_done(own: Paths) -> None:
    named = CONFIG.model_copy(update={"devices": (Device(id="plug02", name="Geladeira"),)})
    rebuild(own, "2026-03-12", "2026-03-12", named)
    known = {name for name in warehouse.read(own.staging)["device_name"] if name != "plug01"}
    assert known == {"plug02", "Geladeira"}
    staged, built = build(own, named)
    assert (staged.dates, built.dates) == ([*DAYS], [*DAYS])
    assert {*warehouse.read(own.staging)["device_name"]} == {"plug01", "Geladeira"}


def test_rules_that_change_back_leave_no_date_of_the_others(own: Paths, expected: Contents) -> None:
    named = CONFIG.model_copy(update={"devices": (Device(id="plug02", name="Geladeira"),)})
    rebuild(own, "2026-03-12", "2026-03-12", named)
    build(own)
    assert contents(own) == expected


def test_dates_of_a_store_that_was_never_staged_are_made_and_the_rest_follows(
    own: Paths, expected: Contents
) -> None:
    shutil.rmtree(own.staging)
    shutil.rmtree(own.marts)
    made = rebuild(own, "2026-03-11", "2026-03-11")
    assert made.dates == {"2026-03-11"}
    staged, built = build(own)
    assert (staged.dates, built.dates, contents(own)) == ([*DAYS], [*DAYS], expected)


# ---- Findings and counts -------------------------------------------------------------------


def test_conflicts_and_findings_are_those_of_an_hourly_run(own: Paths) -> None:
    hourly = staging.run(own, CONFIG, rebuild=True)
    made = rebuild(own, DAYS[0], DAYS[-1])
    assert [str(f) for f in made.staged.findings] == [str(f) for f in hourly.findings]
    counted = ("came", "staged", "duplicate", "conflicting", "quarantined_rows")
    assert [getattr(made.staged, n) for n in counted] == [getattr(hourly, n) for n in counted]
    assert made.staged.conflicting == 1
    none = rebuild(own, "2026-03-12", "2026-03-13")
    assert none.staged.conflicting == 0


def over_midnight(store: Paths) -> Entry:
    """A file with rows of two dates and one of none."""
    rows = [report("10 23:30", "cur_power", "1"), report("11 00:30", "cur_power", "2")]
    absurd = report("11 00:31", "cur_power", "3") | {"event_time": 0}
    window = Window("plug04", at("10 23:00"), at("11 01:00"))
    return write_window(
        store,
        window,
        [*rows, absurd],
        asked_at=at("20"),
        ingested_by="tcc/0",
        complete=False,
    )


def test_rows_on_dates_that_were_not_chosen_are_not_taken_for_rows_of_no_date(own: Paths) -> None:
    entry = over_midnight(own)
    build(own)
    made = rebuild(own, "2026-03-11", "2026-03-11")
    assert made.staged.undated[entry.file] == 1
    counts = made.staged
    parts = counts.staged + counts.duplicate + counts.conflicting + counts.quarantined_rows
    assert counts.rows_in == parts


def test_a_file_that_is_gone_is_said_and_its_window_asked_again(own: Paths) -> None:
    gone = next((own.raw / "plug02" / "2026-03-12").glob("*.json*"))
    gone.unlink()
    made = rebuild(own, "2026-03-12", "2026-03-12")
    assert "tcc.staging.missing_file" in {f.name for f in made.staged.findings}
    assert not warehouse.partition(own.staging, "2026-03-12").exists()
    build(own)
    after = contents(own)
    staging.run(own, CONFIG, rebuild=True)
    marts.run(own, CONFIG, rebuild=True)
    assert contents(own) == after


# ---- Runs that die -------------------------------------------------------------------------


def test_a_rebuild_killed_anywhere_costs_only_time(
    own: Paths, expected: Contents, tmp_path: Path
) -> None:
    for table in ("staging", "marts/carry", "marts/energy_hourly", "marts/held"):
        spoil(own, table, "2026-03-11", "garbage")
    for number, done in ((0, False), (2, False), (3, True), (5, False), (8, True)):
        store = copy(own, tmp_path / "killed")
        with pytest.raises(KeyboardInterrupt), dying(number, done=done):
            rebuild(store, "2026-03-11", "2026-03-11")
        begun = bool(staging_again.waiting(store))
        build(store)  # the hour after it is none the worse, and ends what was begun
        if not begun:
            rebuild(store, "2026-03-11", "2026-03-11")
        assert contents(store) == expected, number
        assert not list(store.data.rglob(".*.tmp")) and not staging_again.waiting(store)


def test_what_a_killed_hour_left_to_do_is_still_to_be_done(own: Paths, expected: Contents) -> None:
    note = own.marts / "_state" / "building_from.txt"
    note.write_text("2026-03-10\n")
    spoil(own, "marts/gaps", "2026-03-13", "deleted")
    rebuild(own, "2026-03-12", "2026-03-12")
    assert note.read_text() == "2026-03-10\n"
    _, built = build(own)
    assert (built.dates, contents(own)) == ([*DAYS], expected)


# ---- What cannot be chosen -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("2026-03-12", "2026-03-11", "is after"),
        ("2026-04-01", "2026-04-30", "go from 2026-03-10 to 2026-03-13"),
        ("2026-04-01", "", "holds a raw file"),
        ("", "2026-03-09", "holds a raw file"),
        ("2026-02-30", "", "is no date"),
        ("", "ontem", "is no date"),
    ],
)
def test_dates_that_cannot_be_chosen_are_refused_and_nothing_changes(
    house: Paths, expected: Contents, first: str, last: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        chosen_dates.chosen(house, first, last)
    asked = ["stage", "--from", first, "--to", last, "--data-dir", str(house.data)]
    refused = CliRunner().invoke(cli.app, asked)
    assert refused.exit_code == 1 and said in " ".join(refused.stderr.split())
    assert not house.runs.exists() and contents(house) == expected


def test_a_day_of_silence_counts_as_held_and_an_end_may_be_open(house: Paths) -> None:
    only = chosen_dates.chosen(house, "2026-03-12", "")
    assert only and "2026-03-12" in only and "2026-03-11" not in only
    assert chosen_dates.staged(house, only)[0] == ["2026-03-12", "2026-03-13"]
    assert chosen_dates.chosen(house, "", "") is None


def test_an_empty_store_says_what_to_run(store: Paths) -> None:
    with pytest.raises(ConfigError, match="tcc run"):
        rebuild(store, "2026-03-10", "2026-03-10")


def test_what_lies_before_the_chosen_dates_and_is_spoilt_is_named(own: Paths) -> None:
    spoil(own, "marts/carry", "2026-03-10", "garbage")
    with pytest.raises(DataError, match=re.escape("tcc stage --from 2026-03-10 --to 2026-03-10")):
        rebuild(own, "2026-03-11", "2026-03-11")


# ---- At the terminal -----------------------------------------------------------------------


@pytest.mark.slow
def test_the_command_makes_chosen_dates_anew_by_the_same_notebooks(
    own: Paths, expected: Contents
) -> None:
    spoil(own, "staging", "2026-03-11", "garbage")
    asked = ["stage", "--from", "2026-03-11", "--to", "2026-03-12", "--data-dir", str(own.data)]
    done = CliRunner().invoke(cli.app, [*asked, "--now", "2026-03-22T00:00Z"])
    rows = sum(len(expected[f"staging/event_date={day}"]) for day in DAYS[1:3])
    line = f"Made anew: 2 date(s) (2026-03-11 to 2026-03-12), {rows} rows staged"
    assert done.exit_code == 0 and line in " ".join(done.stdout.split())
    assert "linha(s) repetem uma chave" in " ".join(done.stdout.split())
    told = (own.runs / "latest" / "02_stage.ipynb").read_text("utf-8")
    assert 'first_date = \\"2026-03-11\\"' in told
    found = contents(own)
    assert {k for k in found.keys() | expected.keys() if found.get(k) != expected.get(k)} == set()
    own.catalogue.unlink()
    hour = ["stage", "--data-dir", str(own.data), "--now", "2026-03-22T00:00Z"]
    assert CliRunner().invoke(cli.app, hour).exit_code == 0
    assert CliRunner().invoke(cli.app, hour).exit_code == 0  # nothing new
    assert own.catalogue.exists()
    both = CliRunner().invoke(cli.app, [*asked, "--rebuild"])
    assert both.exit_code == 2
