"""The contract: what the pipeline writes, what the checks find and what docs/data.md says."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from lib import catalogue, contract, marts, warehouse
from lib.config import Config, Device, Ingestion
from lib.contract import Column, Table
from lib.errors import ConfigError, DataError
from lib.paths import ROOT, Paths
from tests.rows import build, event, keep, report

TABLES = contract.tables()
DAY = "2026-03-10"
CONFIG = Config(
    ingestion=Ingestion(retention_days=60), devices=(Device(id="plug01", name="Geladeira"),)
)
PAGE = (ROOT / "docs" / "data.md").read_text("utf-8")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A store in which every table has rows: a plug, a meter, a silence, an offline device."""
    store = Paths.at(tmp_path_factory.mktemp("contract") / "data")
    plug = [report(f"10 {h:02d}:30", "cur_power", str(100 + h)) for h in range(24)]
    plug += [report(f"10 {h:02d}:31", "cur_voltage", "1270") for h in range(24)]
    plug += [report(f"10 {h:02d}:32", "add_ele", "5") for h in range(24)]
    plug += [report("10 08:00", "switch_1", "true"), report("10 20:00", "switch_1", "false")]
    plug += [event("10 22:15", 2), event("10 23:00", 1), report("11 00:10", "cur_power", "90")]
    meter = [report("10 01:00", "forward_energy_total", "1000"), report("10 01:20", "fault", None)]
    meter += [report("10 09:10", "forward_energy_total", "1100")]
    meter += [report("11 02:00", "forward_energy_total", "1200")]
    keep(store, plug)
    keep(store, meter, device="meter1")
    build(store, CONFIG)
    catalogue.refresh(store)
    return store


def written(store: Paths, table: Table) -> list[Path]:
    return sorted((store.data / table.folder).glob("event_date=*/data_0.parquet"))


def day_of(file: Path) -> str:
    return file.parent.name.removeprefix("event_date=")


# ---- What is written is what is agreed ---------------------------------------------------


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_file_keeps_the_contract(built: Paths, table: Table) -> None:
    files = written(built, table)
    assert len(files) >= 2
    with warehouse.connect() as connection:
        rows = 0
        for file in files:
            found = connection.execute("DESCRIBE FROM read_parquet($f)", {"f": str(file)})
            shape = [(name, kind) for name, kind, *_ in found.fetchall()]
            assert [c for c in shape if c[0] != "event_date"] == table.shape
            assert contract.offenders(connection, table.name, file, day_of(file)) == {}
            count = connection.execute("SELECT count(*) FROM read_parquet($f)", {"f": str(file)})
            rows += count.fetchall()[0][0]
    assert rows > 0


def test_the_contract_names_every_table_that_is_written(built: Paths) -> None:
    folders = {f.name for f in built.marts.iterdir() if f.name[0] != "_"}
    assert {f"marts/{name}" for name in folders} | {"staging"} == {
        table.folder for table in TABLES.values()
    }
    assert {*marts.BY_DATE, *marts.BY_LOCAL_DATE, "held"} == TABLES.keys() - {"readings"}


def test_a_date_without_rows_keeps_the_contract(store: Paths) -> None:
    keep(store, [], day="10")
    build(store, CONFIG)
    with warehouse.connect() as connection:
        for table in TABLES.values():
            for file in written(store, table):
                assert contract.offenders(connection, table.name, file, day_of(file)) == {}
    assert written(store, TABLES["energy_hourly"])


# ---- What breaks it is found -------------------------------------------------------------


@dataclass
class Bench:
    """A file of a table with whole rows, and the same file with some of them changed."""

    connection: duckdb.DuckDBPyConnection
    file: Path

    def offenders(self, table: str, change: str) -> contract.Offenders:
        changed = self.file.with_name(f"changed [{table}].parquet")
        source = f"(FROM read_parquet('{self.file}', hive_partitioning = false))"
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE changed AS FROM {source}")
        self.connection.execute(change).fetchall()
        warehouse.write_parquet(self.connection, "changed", changed)
        return contract.offenders(self.connection, table, changed, DAY)


@contextmanager
def bench(built: Paths, table: str, tmp_path: Path) -> Iterator[Bench]:
    """The first rows of a table on one date, to be changed."""
    source = warehouse.partition(built.data / TABLES[table].folder, DAY)
    with warehouse.connect() as connection:
        connection.execute(
            "CREATE TEMP TABLE whole AS FROM read_parquet($f, hive_partitioning = false)",
            {"f": str(source)},
        )
        file = tmp_path / "whole.parquet"
        warehouse.write_parquet(connection, "whole", file)
        yield Bench(connection, file)


def breaking(column: Column) -> Iterator[tuple[str, str]]:
    """Each promise of a column with a value that breaks it."""
    if not column.nullable:
        yield "NOT NULL", "NULL"
    if column.min is not None:
        yield f"{column.name} >=", repr(column.min - 0.01)
    if column.max is not None:
        yield f"{column.name} <=", repr(column.max + 0.01)
        yield f"{column.name} <=", "'nan'::DOUBLE"
    if column.above is not None:
        yield f"{column.name} >", repr(column.above)
    if column.values:
        yield f"{column.name} IN", "'another'"


PROMISES = [
    (table.name, column.name, rule, value)
    for table in TABLES.values()
    for column in table.columns
    for rule, value in breaking(column)
]


@pytest.mark.parametrize("table", TABLES)
def test_every_promise_of_a_column_is_checked(built: Paths, table: str, tmp_path: Path) -> None:
    promises = [promise[1:] for promise in PROMISES if promise[0] == table]
    assert promises
    with bench(built, table, tmp_path) as own:
        assert own.offenders(table, "SELECT 1") == {}
        for column, rule, value in promises:
            change = f"UPDATE changed SET {column} = {value} WHERE rowid = 0"
            found = own.offenders(table, change)
            rules = [name for name in found if rule in name and column in name]
            assert rules, f"{column} {rule} {value}: {found}"
            assert [row[0] for row in found[rules[0]]] == ["0"]


RULES = {
    "abs(observed_s + offline_s + silent_s + not_asked_s - 3600) < 0.000001": (
        "observed_s = 1, offline_s = 2, silent_s = 3, not_asked_s = 3593.9"
    ),
    "observed_s + offline_s + silent_s + not_asked_s >= 82799": "not_asked_s = 0, observed_s = 0",
    "isfinite(value_num)": "value_num = 'inf'",
    "power_s <= alive_s + 0.001": "power_s = 10, alive_s = 9",
    "unplaced_start < hour_start": "unplaced_start = hour_start, energy_wh_unplaced = 1",
    "(unplaced_start IS NULL) = (energy_wh_unplaced IS NULL)": "energy_wh_unplaced = 1, "
    "unplaced_start = NULL",
    "hour_start = date_trunc('hour', hour_start)": "hour_start = hour_start + INTERVAL 1 MINUTE",
    "slot_start = time_bucket(INTERVAL 10 MINUTE, slot_start)": "slot_start = slot_start "
    "+ INTERVAL 1 MINUTE",
    "slot_start = time_bucket(INTERVAL 5 MINUTE, slot_start)": "slot_start = slot_start "
    "+ INTERVAL 1 MINUTE",
    "power_w <= power_w_max + 1e-9 * abs(power_w_max)": "power_w = power_w_max + 1",
    "load_start < load_end": "load_end = load_start",
    "load_end <= $day::TIMESTAMPTZ + INTERVAL 1 DAY": "load_end = '2026-03-11 00:00:01+00'",
    "gap_start < gap_end": "gap_end = gap_start",
    "gap_end <= $day::TIMESTAMPTZ + INTERVAL 1 DAY": "gap_end = '2026-03-11 00:00:01+00'",
    "last_seen < gap_end": "last_seen = gap_end",
    "state_start < state_end": "state_end = state_start",
    "state_end <= $day::TIMESTAMPTZ + INTERVAL 1 DAY": "state_end = '2026-03-11 00:00:01+00'",
    "held_start < held_end": "held_end = held_start",
    "held_end <= $day::TIMESTAMPTZ + INTERVAL 1 DAY": "held_end = '2026-03-11 00:00:01+00'",
    "last_seen < $day::TIMESTAMPTZ + INTERVAL 1 DAY": "last_seen = '2026-03-11 00:00:00+00'",
    "(total_wh IS NULL) = (total_at IS NULL)": "total_wh = 1, total_at = NULL",
}


@pytest.mark.parametrize("table", [t for t in TABLES.values() if t.rules], ids=lambda t: t.name)
def test_every_rule_of_a_table_is_checked(built: Paths, table: Table, tmp_path: Path) -> None:
    with bench(built, table.name, tmp_path) as own:
        for rule in table.rules:
            change = f"UPDATE changed SET {RULES[rule]} WHERE rowid = 0"
            assert [row[0] for row in own.offenders(table.name, change)[rule]] == ["0"]


@pytest.mark.parametrize("table", [t for t in TABLES.values() if t.partition], ids=lambda t: t.name)
def test_a_row_of_another_date_is_found(built: Paths, table: Table, tmp_path: Path) -> None:
    column = table.partition
    with bench(built, table.name, tmp_path) as own:
        for days in ("- INTERVAL 1 DAY", "+ INTERVAL 1 DAY"):
            change = f"UPDATE changed SET {column} = {column} {days} WHERE rowid = 0"
            found = own.offenders(table.name, change)
            assert [row[0] for row in found[contract.of_day(table)]] == ["0"]


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_keys_that_stand_twice_and_rows_out_of_order_are_found(
    built: Paths, table: Table, tmp_path: Path
) -> None:
    with bench(built, table.name, tmp_path) as own:
        found = own.offenders(table.name, "INSERT INTO changed FROM whole WHERE rowid = 0")
        last = str(own.connection.execute("SELECT count(*) FROM whole").fetchall()[0][0])
        assert [row[0] for row in found[f"key {', '.join(table.key)}"]] == ["0", last]
        if int(last) > 1:
            assert [row[0] for row in found[f"order {', '.join(table.order)}"]] == [last]


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE changed DROP COLUMN voltage_s",
        "ALTER TABLE changed ADD COLUMN more INTEGER",
        "ALTER TABLE changed ALTER voltage_v TYPE FLOAT",
        "ALTER TABLE changed RENAME voltage_v TO volts",
        "CREATE OR REPLACE TEMP TABLE changed AS SELECT device_name, * EXCLUDE device_name "
        "FROM changed",
    ],
)
def test_other_columns_types_and_places_are_found(
    built: Paths, change: str, tmp_path: Path
) -> None:
    with bench(built, "voltage_10min", tmp_path) as own:
        assert [*own.offenders("voltage_10min", change)] == ["columns and types"]


def test_the_last_bit_of_a_sum_breaks_no_range(built: Paths, tmp_path: Path) -> None:
    with bench(built, "energy_hourly", tmp_path) as own:
        change = "UPDATE changed SET alive_s = 3600.0000000001 WHERE rowid = 0"
        assert own.offenders("energy_hourly", change) == {}


def test_a_file_that_breaks_the_contract_is_refused(built: Paths, tmp_path: Path) -> None:
    with bench(built, "gaps", tmp_path) as own:
        own.offenders("gaps", "UPDATE changed SET cause = 'rain' WHERE rowid = 0")
        broken = tmp_path / "changed [gaps].parquet"
        with pytest.raises(DataError, match=r"1 row\(s\) break the contract \(cause IN"):
            contract.judge(own.connection, "gaps", broken, DAY)
        contract.judge(own.connection, "gaps", own.file, DAY)


# ---- The schema file ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (('key = ["device_id", "hour_start"]', 'key = ["hour"]'), "hour: no such column"),
        (("above = 0", "over = 0"), "over"),
        (('type = "DATE", ', ""), "type"),
        (('folder = "staging"\n', ""), "folder"),
        (("[readings]", "[readings"), "cannot be read"),
    ],
)
def test_a_wrong_schema_is_refused_by_name(
    tmp_path: Path, change: tuple[str, str], named: str
) -> None:
    text = contract.SCHEMA.read_text("utf-8")
    assert change[0] in text
    file = tmp_path / "schema.toml"
    file.write_text(text.replace(*change, 1))
    with pytest.raises(ConfigError, match=re.escape(named)):
        contract.read(file)


def test_units_stand_where_the_names_say_so() -> None:
    units = {"_wh": "Wh", "_w": "W", "_v": "V", "_s": "s", "_us": "µs"}
    for table in TABLES.values():
        for column in table.columns:
            parts = {f"_{part}" for part in column.name.split("_")[1:]}
            expected = [unit for suffix, unit in units.items() if suffix in parts]
            assert [column.unit] == expected or not expected, f"{table.name}.{column.name}"
            if column.type == "TIMESTAMP WITH TIME ZONE":
                assert column.unit.startswith("UTC")


# ---- The page ----------------------------------------------------------------------------


def test_the_page_is_what_the_contract_says() -> None:
    remake = "make it anew: tools/env python -m lib.contract > docs/data.md"
    assert contract.document() == PAGE, remake


def test_the_page_names_every_column() -> None:
    for table in contract.for_people():
        section = PAGE.split(f"\n## {table.name}\n")[1].split("\n## ")[0]
        assert all(f"| `{c.name}` | {c.type} | {c.unit} |" in section for c in table.columns)


def examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


@pytest.fixture
def in_project(built: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which `data/` is the store, as the examples expect."""
    (tmp_path / "data").symlink_to(built.data)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TCC_DATA_DIR", str(built.data))
    return tmp_path


@pytest.mark.parametrize("query", examples("sql"))
def test_the_page_s_queries_give_rows(in_project: Path, built: Paths, query: str) -> None:
    with warehouse.connect(built.catalogue) as connection:
        assert len(warehouse.frame(connection, query.strip().removesuffix(";"), {})) > 0


@pytest.mark.parametrize("code", examples("python"))
def test_the_page_s_python_runs(
    in_project: Path, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    exec(compile(code, "docs/data.md", "exec"), {})
    assert "Geladeira" in (shown := capsys.readouterr().out) or "event_time" in shown


def test_the_page_s_commands_run(in_project: Path) -> None:
    (commands,) = examples("sh")
    tcc = f'tcc() {{ "{sys.executable}" -c "from lib.cli import app; app()" "$@"; }}\nset -e\n'
    env = f'export PYTHONPATH="{ROOT}"\n'
    done = subprocess.run(
        ["/bin/sh", "-c", env + tcc + commands], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "not asked" in done.stdout and "Geladeira" in done.stdout
    assert len(Path("voltage.csv").read_text().splitlines()) > 10
