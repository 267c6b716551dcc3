"""What a notebook's outcome stands on: nothing runs twice, and nothing that changed is kept."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from lib import contents, findings, grounds
from lib.config import Config
from lib.grounds import Ground
from lib.paths import NOTEBOOKS, ROOT, Paths

BOOK = NOTEBOOKS / "10_energy.ipynb"
GIVEN = {"data_dir": "/here", "run_dir": "/run/1", "window_start": ""}
NAME = "10_energy"


@pytest.fixture
def filled(store: Paths) -> Paths:
    """A store with a row in each of two tables, an origin and a device list."""
    for table in (store.staging, store.marts / "energy_hourly"):
        write(table / "event_date=2026-03-14" / "data_0.parquet", 1)
    store.source.write_text("{}")
    (store.registry / "devices").mkdir(parents=True)
    (store.registry / "devices" / "2026_devices.json").write_text("[]")
    return store


def write(file: Path, number: int) -> None:
    """A Parquet file of one row, put in the place of the one before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    duckdb.sql(f"COPY (SELECT {number} AS n) TO '{new}' (FORMAT parquet)")
    new.replace(file)


def ground(paths: Paths, config: Config | None = None, **given: object) -> Ground:
    """The ground of 10_energy on a store."""
    return grounds.of(paths, config or Config(), BOOK, GIVEN | given)


def differences(one: Ground, other: Ground) -> set[tuple[str, str]]:
    """The parts of a ground, and the names in them, that differ."""
    pairs = {
        (part, name) for ground in (one, other) for part, names in ground.items() for name in names
    }
    return {(part, name) for part, name in pairs if one[part].get(name) != other[part].get(name)}


# ---- Contents ----------------------------------------------------------------------------


def test_an_equal_file_written_again_is_no_change(filled: Paths) -> None:
    before = ground(filled)
    for file in contents.tables(filled):
        shutil.copyfile(file, file.with_suffix(".new"))
        file.with_suffix(".new").replace(file)
    assert ground(filled) == before


def test_a_file_that_was_not_touched_is_not_read_again(filled: Paths) -> None:
    file, *_ = contents.tables(filled)
    first = contents.of(filled, [file])
    cache = filled.data / "contents.json"
    plain = json.loads(cache.read_text())
    (name,) = first
    plain[name][1] = "what the cache says"
    cache.write_text(json.dumps(plain))
    assert contents.of(filled, [file]) == {name: "what the cache says"}
    os.utime(file, ns=(1, 1))
    assert contents.of(filled, [file]) == first


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', "no JSON"])
def test_a_spoiled_cache_costs_only_reading(filled: Paths, text: str) -> None:
    before = ground(filled)
    (filled.data / "contents.json").write_text(text)
    assert ground(filled) == before


def test_the_cache_forgets_files_that_are_gone(filled: Paths) -> None:
    ground(filled)
    shutil.rmtree(filled.staging / "event_date=2026-03-14")
    write(filled.staging / "event_date=2026-03-15" / "data_0.parquet", 2)
    ground(filled)
    kept = json.loads((filled.data / "contents.json").read_text())
    assert {name for name in kept if name.startswith("staging/")} == {
        "staging/event_date=2026-03-15/data_0.parquet"
    }


# ---- What an outcome stands on -----------------------------------------------------------


def test_code_is_the_notebook_and_every_module_behind_it() -> None:
    named = grounds.code(BOOK)
    assert {"notebook", "sql", "lib/energy.py", "lib/study.py", "lib/warehouse.py"} <= named.keys()
    assert not {"lib/pipeline.py", "lib/cli.py", "lib/voltage_house.py"} & named.keys()
    assert all((ROOT / name).is_file() for name in named.keys() - {"notebook", "sql"})


def another_row(paths: Paths) -> None:
    write(paths.marts / "energy_hourly" / "event_date=2026-03-14" / "data_0.parquet", 2)


def another_date(paths: Paths) -> None:
    write(paths.staging / "event_date=2026-03-15" / "data_0.parquet", 1)


def another_name(paths: Paths) -> None:
    (paths.registry / "devices" / "2026_devices.json").write_text('[{"name": "Geladeira"}]')


def another_baseline(paths: Paths) -> None:
    paths.control.mkdir()
    (paths.control / "baselines.json").write_text("{}")


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (another_row, "marts/energy_hourly"),
        (another_date, "staging"),
        (another_name, "raw/_registry/devices/2026_devices.json"),
    ],
)
def test_each_change_of_the_data_is_another_ground(
    filled: Paths, change: Callable[[Paths], None], name: str
) -> None:
    before = ground(filled)
    change(filled)
    assert differences(before, ground(filled)) == {("data", name)}


def test_frozen_baselines_are_data_only_to_what_may_freeze_them(filled: Paths) -> None:
    def charts() -> Ground:
        return grounds.of(filled, Config(), NOTEBOOKS / "12_control_chart.ipynb", GIVEN)

    energy, before = ground(filled), charts()
    another_baseline(filled)
    assert ground(filled) == energy
    assert differences(before, charts()) == {("data", "control/baselines.json")}


def test_another_parameter_or_setting_is_another_ground(filled: Paths) -> None:
    before = ground(filled)
    assert differences(before, ground(filled, window_start="2026-03-14")) == {
        ("parameters", "window_start")
    }
    other = Config.model_validate({"energy": {"gap_limit_h": 2.0}})
    assert differences(before, ground(filled, other)) == {("settings", "config")}


def test_where_it_runs_and_writes_is_no_part_of_the_ground(filled: Paths) -> None:
    assert ground(filled, run_dir="/run/2", data_dir="/there") == ground(filled)


def test_attempts_and_findings_count_for_what_judges_the_collection(filled: Paths) -> None:
    folder = filled.runs / "20260314T000000Z"
    said = folder / findings.FOLDER / "02_stage.json"

    def judging() -> Ground:
        return grounds.of(filled, Config(), BOOK, GIVEN, {"02_stage": folder})

    plain, before = ground(filled), judging()
    filled.attempts.write_text("{}\n")
    tried = judging()
    said.parent.mkdir(parents=True)
    said.write_text(findings.dump([findings.Finding("tcc.test", "Um achado.")]))
    assert differences(before, tried) == {("data", "raw/attempts.jsonl")}
    assert differences(tried, judging()) == {("data", "findings of 02_stage")}
    assert ground(filled) == plain


# ---- The run whose outcome still stands --------------------------------------------------


@pytest.fixture
def ran(filled: Paths) -> Path:
    """A run that left a notebook, its page, values and one figure, on the ground as it is."""
    folder = filled.runs / "20260314T000000Z"
    for name in (f"{NAME}.ipynb", f"{NAME}.html", f"values/{NAME}.json", "figures/one.pdf"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    told = {"name": "one", "notebook": NAME}
    (folder / "figures" / "one.json").write_text(json.dumps(told))
    grounds.keep(folder, NAME, ground(filled))
    return folder


def test_an_outcome_on_the_same_ground_stands(filled: Paths, ran: Path) -> None:
    assert grounds.standing(filled, NAME, ground(filled)) == ran
    assert grounds.standing(filled, "11_voltage", ground(filled)) is None


def test_an_outcome_on_another_ground_does_not_stand(filled: Paths, ran: Path) -> None:
    another_row(filled)
    assert grounds.standing(filled, NAME, ground(filled)) is None


@pytest.mark.parametrize("name", [f"{NAME}.html", f"values/{NAME}.json", "figures/one.pdf"])
def test_an_outcome_of_which_a_file_is_gone_or_changed_does_not_stand(
    filled: Paths, ran: Path, name: str
) -> None:
    (ran / name).write_text("changed by hand")
    assert grounds.standing(filled, NAME, ground(filled)) is None
    (ran / name).unlink()
    assert grounds.standing(filled, NAME, ground(filled)) is None


def test_only_the_newest_outcome_counts(filled: Paths, ran: Path) -> None:
    later = filled.runs / "20260314T010000Z"
    shutil.copytree(ran, later)
    before = ground(filled)
    another_row(filled)
    grounds.keep(later, NAME, ground(filled))
    assert grounds.standing(filled, NAME, before) is None
    assert grounds.standing(filled, NAME, ground(filled)) == later
