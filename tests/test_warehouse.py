"""Reading for people: the catalogue, `readings()` and `tcc sql`; none of it hinders a run."""

import csv
import io
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner, Result

from lib import catalogue, cli, contract, marts, staging, warehouse
from lib.config import Config, Device, Ingestion
from lib.errors import ConfigError
from lib.paths import Paths
from tests.rows import at, build, contents, event, keep, report

CONFIG = Config(
    ingestion=Ingestion(retention_days=60), devices=(Device(id="plug01", name="Geladeira"),)
)


def filled(store: Paths) -> Paths:
    """Three days of a plug with a name and one without, staged, built and in the catalogue."""
    plug = [report(f"{day} {h:02d}:30", "cur_power", "100") for day in (10, 11, 12) for h in (1, 9)]
    plug += [report(f"{day} 12:00", "cur_voltage", "1270") for day in (10, 11, 12)]
    keep(store, [*plug, event("10 13:00", 2)])
    keep(store, [report("11 05:00", "cur_power", "7")], device="plug02")
    build(store, CONFIG)
    catalogue.refresh(store)
    return store


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A store that no test changes."""
    return filled(Paths.at(tmp_path_factory.mktemp("warehouse") / "data"))


def count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    rows = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
    return int(rows[0][0])


# ---- readings() --------------------------------------------------------------------------


def test_rows_of_a_device_are_found_by_id_and_by_name(house: Paths) -> None:
    by_name = warehouse.readings(house, "Geladeira", since="2026-03-01")
    assert by_name.equals(warehouse.readings(house, "plug01", since=at("1")))
    assert len(by_name) == 10 and by_name["event_time"].is_monotonic_increasing
    assert by_name["code"].isna().sum() == 1  # going offline is a row without a code
    assert [*by_name.columns] == [c.name for c in contract.tables()["readings"].columns]


def test_since_counts_and_until_does_not(house: Paths) -> None:
    since, until = "2026-03-10T09:30:00Z", "2026-03-11T01:30:00Z"
    found = warehouse.readings(house, "plug01", since, until, code="cur_power")
    assert [*found["event_time"]] == [at("10 09:30")]
    assert len(warehouse.readings(house, "plug01", at("10 09:30"), at("11 01:31"))) == 4


def test_an_instant_without_a_zone_is_utc(house: Paths) -> None:
    naive = datetime(2026, 3, 12, 9, 30)  # noqa: DTZ001
    found = warehouse.readings(house, "plug01", naive)
    assert [*found["event_time"]] == [at("12 09:30"), at("12 12:00")]
    shifted = warehouse.readings(house, "plug01", "2026-03-12T06:30:00-03:00")
    assert found.equals(shifted)


@pytest.mark.parametrize(("days", "rows"), [(0, 1), (0.2, 2), (1, 4), (2.5, 10)])
def test_days_back_are_counted_from_the_newest_row(house: Paths, days: float, rows: int) -> None:
    assert len(warehouse.readings(house, "Geladeira", since=days)) == rows


def test_one_code_is_told_from_the_others(house: Paths) -> None:
    volts = warehouse.readings(house, "Geladeira", since=30, code="cur_voltage")
    assert volts["value_num"].tolist() == [127.0, 127.0, 127.0]
    assert warehouse.readings(house, "Geladeira", since=30, code="cur_pover").empty


def test_nothing_in_a_span_is_an_empty_frame_with_columns(house: Paths) -> None:
    for since in ("2030-01-01", "2026-03-12T23:00Z"):
        found = warehouse.readings(house, "plug02", since)
        assert found.empty and "value_num" in found.columns


def test_an_unknown_device_is_refused_with_those_that_are_known(house: Paths) -> None:
    with pytest.raises(ConfigError) as refused:
        warehouse.readings(house, "geladera", since=7)
    assert "Geladeira (plug01), plug02 (plug02)" in str(refused.value)


def test_what_is_no_instant_is_refused(house: Paths) -> None:
    with pytest.raises(ConfigError, match="yesterday"):
        warehouse.readings(house, "plug01", since="yesterday")


def test_an_empty_store_says_what_to_run(store: Paths) -> None:
    with pytest.raises(ConfigError, match="tcc run"):
        warehouse.readings(store, "plug01", since=7)


# ---- The catalogue -----------------------------------------------------------------------


def test_the_catalogue_shows_every_table_for_people(house: Paths) -> None:
    with warehouse.connect(house.catalogue) as connection:
        views = connection.execute("SELECT view_name, comment FROM duckdb_views()").fetchall()
        tables = {table.name: table.grain for table in contract.for_people()}
        assert {name: text for name, text in views if name in tables} == tables
        assert count(connection, "readings") == 11
        for table in contract.for_people():
            described = connection.execute(f"DESCRIBE {table.name}").fetchall()
            shape = [(name, kind) for name, kind, *_ in described]
            assert shape == [*table.shape, ("event_date", "DATE")]
        columns = sum(len(table.columns) for table in contract.for_people())
        assert count(connection, "columns") == columns
        assert not connection.execute("FROM duckdb_tables()").fetchall()


def test_an_empty_store_has_empty_tables_of_the_same_columns(store: Paths) -> None:
    catalogue.refresh(store)
    with warehouse.connect(store.catalogue) as connection:
        for table in contract.for_people():
            described = connection.execute(f"DESCRIBE {table.name}").fetchall()
            shape = [(name, kind) for name, kind, *_ in described]
            assert shape == [*table.shape, ("event_date", "DATE")]
            assert count(connection, table.name) == 0


def test_the_catalogue_cannot_be_written_to(house: Paths) -> None:
    with warehouse.connect(house.catalogue) as connection:
        for statement in ("CREATE TABLE t (a INTEGER)", "DROP VIEW gaps"):
            with pytest.raises(duckdb.InvalidInputException, match="read-only"):
                connection.execute(statement)


READER = """
import sys
import duckdb
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    for line in sys.stdin:
        print(connection.execute(line).fetchall()[0][0], flush=True)
"""


def test_a_reader_neither_hinders_a_run_nor_loses_its_catalogue(store: Paths) -> None:
    filled(store)
    command = [sys.executable, "-c", READER, str(store.catalogue)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as reader:  # type: ignore[call-overload]

        def ask(table: str) -> int:
            reader.stdin.write(f"SELECT count(*) FROM {table}\n")
            reader.stdin.flush()
            return int(reader.stdout.readline())

        assert ask("readings") == 11
        before = store.catalogue.stat().st_ino
        keep(store, [report("13 01:00", "cur_power", "1")])
        build(store, CONFIG)
        catalogue.refresh(store)
        assert store.catalogue.stat().st_ino != before
        assert ask("readings") == 12  # views name the files of every date
        with warehouse.connect(store.catalogue) as connection:
            assert count(connection, "readings") == 12
        assert ask("energy_daily") > 0
    assert reader.returncode == 0


def test_a_reader_in_this_process_sees_a_refreshed_catalogue_too(store: Paths) -> None:
    filled(store)
    with warehouse.connect(store.catalogue) as reader:
        for _ in range(2):
            keep(store, [report("13 01:00", "cur_power", "1")], asked="21")
            build(store, CONFIG)
            catalogue.refresh(store)
            assert count(reader, "readings") == 12
    assert [f.name for f in store.data.iterdir() if "tcc.duckdb" in f.name] == ["tcc.duckdb"]


LOOP = """
import sys
import threading
import duckdb
from lib import catalogue, warehouse
ended, asked, wrong = threading.Event(), 0, []
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    while not ended.is_set():
        for view in sys.argv[2:]:
            try:
                query = f"SELECT sum(hash(COLUMNS(*))) FROM {view}"
                warehouse.settled(lambda: connection.execute(query).fetchall())
            except duckdb.Error as error:
                wrong.append(f"{view}: {error}")
            asked += 1
            if asked == 1:
                print("begun", flush=True)
print(asked, wrong)
"""


@pytest.mark.slow
def test_who_asks_all_the_time_meets_no_error_while_every_date_is_replaced(store: Paths) -> None:
    filled(store)
    views = [table.name for table in contract.for_people()]
    command = [sys.executable, "-c", LOOP, str(store.catalogue), *views]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as reader:  # type: ignore[call-overload]
        assert reader.stdout.readline() == "begun\n"
        for hour in range(4):
            rows = [report(f"{day} 20:0{hour}", "cur_power", "1") for day in (10, 11, 12)]
            keep(store, rows, asked=f"21 0{hour}:00")
            staging.run(store, CONFIG, rebuild=hour == 2)
            marts.run(store, CONFIG, rebuild=hour == 2)
            catalogue.refresh(store)
            with warehouse.connect(store.catalogue) as connection:
                assert count(connection, "readings") == 11 + 3 * (hour + 1)
        asked, _, wrong = reader.communicate()[0].strip().partition(" ")
    assert (int(asked) > len(views), wrong) == (True, "[]")


def test_a_question_is_asked_again_only_where_a_file_was_replaced_under_it() -> None:
    asked: list[int] = []

    def fail(error: type[duckdb.Error], times: int) -> int:
        asked.append(1)
        if len(asked) <= times:
            raise error("TProtocolException: Invalid data")
        return len(asked)

    assert warehouse.settled(lambda: fail(duckdb.Error, 4)) == 5
    asked.clear()
    with pytest.raises(duckdb.IOException):
        warehouse.settled(lambda: fail(duckdb.IOException, 9))
    assert len(asked) == 5
    asked.clear()
    with pytest.raises(duckdb.BinderException):
        warehouse.settled(lambda: fail(duckdb.BinderException, 9))
    assert len(asked) == 1


WRITER = """
import sys
import duckdb
connection = duckdb.connect(sys.argv[1])
for line in sys.stdin:
    print(connection.execute(line).fetchall()[0][0], flush=True)
connection.close()
"""


def test_who_has_the_catalogue_open_for_writing_keeps_it_and_all_others_get_the_new_one(
    store: Paths,
) -> None:
    filled(store)
    command = [sys.executable, "-c", WRITER, str(store.catalogue)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as writer:  # type: ignore[call-overload]

        def ask(statement: str) -> int:
            writer.stdin.write(f"{statement}\n")
            writer.stdin.flush()
            return int(writer.stdout.readline())

        assert ask("CREATE TABLE own AS SELECT 7 AS a") == 1
        log = store.catalogue.with_name("tcc.duckdb.wal")
        assert log.exists()  # the new catalogue could not be opened beside it
        for rows in (1, 2):
            catalogue.refresh(store)
            assert not log.exists()
            with warehouse.connect(store.catalogue) as connection:
                assert count(connection, "readings") == 11
            assert ask("INSERT INTO own VALUES (8)") == 1
            assert ask("SELECT count(*) FROM own") == rows + 1
    assert writer.returncode == 0
    with warehouse.connect(store.catalogue) as connection:
        assert not connection.execute("FROM duckdb_tables()").fetchall()


def test_a_log_that_a_killed_writer_left_hinders_nobody(store: Paths) -> None:
    filled(store)
    killed = "import os; import duckdb; c = duckdb.connect(os.sys.argv[1]); "
    killed += "c.execute('CREATE TABLE own (a INTEGER)'); os._exit(1)"
    command = [sys.executable, "-c", killed, str(store.catalogue)]
    assert subprocess.run(command, timeout=60, check=False).returncode == 1
    assert store.catalogue.with_name("tcc.duckdb.wal").exists()
    catalogue.refresh(store)
    with warehouse.connect(store.catalogue) as connection:
        assert count(connection, "readings") == 11
    assert [f.name for f in store.data.iterdir() if "tcc.duckdb" in f.name] == ["tcc.duckdb"]


def test_what_a_killed_refresh_left_goes_with_the_next(store: Paths) -> None:
    filled(store)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for left in (f".tcc.duckdb.{dead.pid}.1.tmp", f".tcc.duckdb.{dead.pid}.1.tmp.wal"):
        (store.data / left).write_bytes(b"half")
    (store.data / f".tcc.duckdb.{dead.pid}.2.tmp.wal").write_bytes(b"alone")
    alive = [f".tcc.duckdb.{os.getpid()}.7.tmp{end}" for end in ("", ".wal")]
    for under_way in alive:
        (store.data / under_way).write_bytes(b"of another thread")
    catalogue.refresh(store)
    assert sorted(f.name for f in store.data.glob(".tcc.duckdb*")) == alive


# ---- tcc sql -----------------------------------------------------------------------------


def sql(store: Paths, *words: str) -> Result:
    """Run `tcc sql` in this process."""
    return CliRunner().invoke(cli.app, ["sql", *words, "--data-dir", str(store.data)])


def test_a_question_is_answered_with_a_table(house: Paths) -> None:
    query = "SELECT device_name, count(*) AS n, NULL AS x, '[b]' AS y FROM readings GROUP BY ALL"
    done = sql(house, query + " ORDER BY n DESC")
    assert done.exit_code == 0 and done.stderr == ""
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines == [
        ["device_name", "n", "x", "y"],
        ["Geladeira", "10", "NULL", "[b]"],
        ["plug02", "1", "NULL", "[b]"],
    ]


def test_forty_rows_are_printed_unless_more_are_asked_for(house: Paths) -> None:
    done = sql(house, "SELECT range AS n FROM range(100)")
    assert len(done.stdout.splitlines()) == 1 + 40 + 1
    assert "--rows" in done.stdout
    done = sql(house, "SELECT range AS n FROM range(100) ORDER BY n DESC", "--rows", "100")
    assert done.stdout.split() == ["n", *map(str, reversed(range(100)))]


def test_all_rows_are_written_as_csv(house: Paths, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    query = "SELECT range AS n, 'a,\"b\"' AS text, NULL AS x, 0.1 AS d FROM range(25000) ORDER BY n"
    assert sql(house, query, "--csv", str(file)).exit_code == 0
    rows = [*csv.reader(io.StringIO(file.read_text()))]
    assert rows[0] == ["n", "text", "x", "d"]
    assert rows[1:] == [[str(n), 'a,"b"', "", "0.1"] for n in range(25000)]
    shown = sql(house, "SELECT event_time FROM readings ORDER BY 1 LIMIT 1", "--csv", "-")
    assert shown.stdout == "event_time\n2026-03-10 01:30:00+00\n" and shown.stderr == ""


def test_a_process_ends_in_one_paragraph_too(house: Paths) -> None:
    command = [sys.executable, "-c", "from lib.cli import app; app()", "sql", "FROM nowhere"]
    done = subprocess.run(
        [*command, "--data-dir", str(house.data)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and done.stdout == ""
    assert "nowhere does not exist" in done.stderr and "Traceback" not in done.stderr


def test_who_reads_only_the_first_lines_is_no_error(house: Paths) -> None:
    command = [sys.executable, "-c", "from lib.cli import app; app()", "sql"]
    query = "SELECT range FROM range(1000000)"
    with subprocess.Popen(
        [*command, query, "--csv", "-", "--data-dir", str(house.data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline() == "range\n"
        process.stdout.close()
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FRM readings", "syntax error"),
        ("SELECT * FROM reading", 'Did you mean "readings"'),
        ("SELECT nme FROM readings", "nme"),
        ("SELECT 'a'::INTEGER", "Could not convert"),
        ("SELECT error('deep inside') FROM range(3)", "deep inside"),
        ("", "only one question"),
        ("SELECT 1; SELECT 2", "only one question"),
    ],
)
def test_a_wrong_question_is_told_in_one_paragraph(house: Paths, query: str, said: str) -> None:
    done = sql(house, query)
    assert done.exit_code == 1
    assert said in " ".join(done.stderr.split()) and "Traceback" not in done.stderr
    assert len(done.stderr.split("\n\n")) == 1 and "^" not in done.stderr
    assert done.stdout == ""


WRITING = (
    "DROP VIEW readings",
    "CREATE TABLE t AS FROM readings",
    "INSERT INTO readings SELECT * FROM readings",
    "COPY readings TO 'copied.csv'",
    "EXPLAIN ANALYZE COPY readings TO 'copied.csv'",
    "ATTACH 'other.duckdb'",
    "SET enable_external_access = false",
)


def test_what_writes_is_refused_and_changes_nothing(
    house: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before, catalogue = contents(house), house.catalogue.read_bytes()
    for statement in WRITING:
        done = sql(house, statement)
        assert done.exit_code == 1 and "read-only" in done.stderr, statement
    assert contents(house) == before and house.catalogue.read_bytes() == catalogue
    assert not [*tmp_path.glob("*copied*"), *tmp_path.glob("other*")]


def test_without_a_catalogue_it_is_said_what_to_run(store: Paths) -> None:
    done = sql(store, "FROM readings")
    assert done.exit_code == 1 and "tcc stage" in done.stderr
    assert not store.data.exists()
