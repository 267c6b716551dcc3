"""What a person opens first: devices, readings, SQL and a figure, with data and without."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest

from lib import catalogue, explore, notebooks
from lib.errors import ConfigError
from lib.paths import NOTEBOOKS, Paths
from lib.plots import NO_DATA
from tests.rows import at, build, event, keep, report

BOOK = NOTEBOOKS / "90_explore.ipynb"


@pytest.fixture
def looked(store: Paths) -> explore.Store:
    """A plug that was heard at 10 and 11, offline from 11:30 to 13, and a lamp."""
    rows = [report("10 10:00", "cur_power", "853"), report("10 11:00", "cur_power", "900")]
    rows += [event("10 11:30", 2), event("10 13:00", 1), report("10 13:00", "cur_power", "10")]
    rows += [report("10 13:30", "cur_voltage", "1270")]
    keep(store, rows)
    keep(store, [report("10 12:00", "switch_led", "true")] * 1, device="lamp01")
    build(store)
    catalogue.refresh(store)
    return explore.at(store.data)


def test_the_devices_are_those_with_rows(looked: explore.Store) -> None:
    found = looked.devices()
    assert found["device_id"].tolist() == ["lamp01", "plug01"]
    assert found["rows"].tolist() == [1, 6]
    assert str(found["newest_event"].dt.tz) == "America/Sao_Paulo"
    assert looked.busiest("cur_power") == "plug01"
    assert looked.busiest("switch_led") == "lamp01"
    assert looked.busiest("unheard_of") == "plug01"
    assert "dados até" in looked.welcome


def test_readings_come_in_local_time(looked: explore.Store) -> None:
    found = looked.readings("plug01", "2026-03-10", code="cur_power")
    assert found["value_num"].tolist() == [85.3, 90.0, 1.0]
    assert found["local_time"].dt.hour.tolist() == [7, 8, 10]
    assert looked.readings("plug01", 0.05)["event_time"].min() == at("10 13:00")
    with pytest.raises(ConfigError, match="unheard"):
        looked.readings("unheard", 1)


def test_sql_answers_and_changes_nothing(looked: explore.Store) -> None:
    found = looked.sql("SELECT count(*) AS n FROM readings")
    assert found["n"].tolist() == [7]
    assert "unit" in looked.sql("FROM columns").columns
    with pytest.raises(ConfigError):
        looked.sql("DROP VIEW readings")


def test_the_figure_holds_values_and_breaks_at_gaps(looked: explore.Store) -> None:
    figure = looked.figure("plug01", "cur_power", "2026-03-10", label="Potência (W)")
    (axes,) = figure.axes
    values = np.asarray(axes.lines[0].get_ydata(), dtype=float)
    assert values[~np.isnan(values)].tolist() == [85.3, 90.0, 1.0, 1.0]
    assert np.isnan(values).tolist() == [False, False, True, False, False]
    assert axes.get_ylabel() == "Potência (W)"
    assert axes.get_title() == ""
    assert axes.get_xlabel() == "Hora local (10/03/2026)"
    none = looked.figure("plug01", "add_ele", "2026-03-10")
    assert none.texts[0].get_text() == NO_DATA


def test_without_data_it_says_what_to_run(store: Paths) -> None:
    empty = explore.at(store.data)
    assert "tcc run" in empty.welcome
    assert empty.devices().empty
    assert empty.sql("SHOW TABLES").empty
    assert empty.readings("any", 1).empty
    assert empty.busiest("cur_power") == ""
    assert empty.figure("any", "cur_power", 1).texts[0].get_text() == NO_DATA


def test_the_guide_uses_names_that_exist() -> None:
    cells = json.loads(BOOK.read_text("utf-8"))["cells"]
    code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    used = {
        node.attr
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "store"
    }
    assert {"welcome", "devices", "readings", "sql", "figure", "study"} <= used
    assert [name for name in used if not hasattr(explore.Store, name)] == []


@pytest.mark.slow
@pytest.mark.parametrize("filled", [True, False])
def test_the_guide_runs_with_data_and_without(
    filled: bool, store: Paths, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if filled:
        request.getfixturevalue("looked")
    given = {"data_dir": str(store.data), "save": filled}
    done = notebooks.run(BOOK, tmp_path / "run", given)
    text = done.notebook.read_text("utf-8")
    assert ("dados até" in text) is filled
    assert ("tcc run" in text) is not filled
    drawn = {file.stem for file in store.figures.glob("*.pdf")}
    assert drawn == ({"energia_por_hora"} if filled else set())
