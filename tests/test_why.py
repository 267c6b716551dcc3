"""Why a number changed: each part has exactly the effect that it had, and the parts add up."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from lib import cli_why, config, grounds, said, swaps, why, why_words
from lib.config import Config
from lib.errors import ConfigError, UnknownValue
from lib.paths import ROOT, Paths
from lib.why import Answer, Part

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="no git")
RUNS = ("20260311T000000Z", "20260312T000000Z", "20260312T010000Z")
KEY = "energia.teste"

# A notebook that prints one number, by a helper of its own: all else of the project is as it is.
CELLS = (
    'data_dir: str = ""\nrun_dir: str = ""',
    "from lib import helper, values\nfrom lib.study import Study",
    'study = Study.open(data_dir)\npage = study.page("13_tariff", run_dir)',
    'total_wh = float(study.hourly["energy_wh_integral"].sum())\n'
    f'values.put(page, "{KEY}", helper.kwh(total_wh), unit="kWh", digits=2)\n'
    'values.put(page, "nome", "Casa")',
)
HELPER = '"""A helper."""\n\n\ndef kwh(energy_wh: float) -> float:\n    return energy_wh / FACTOR\n'
# What each process does: rows come, the notebook runs, and then it is asked why.
DRIVER = """
import hashlib, json, sys
from lib import cli_why, config, pipeline, why
from lib.paths import Paths
from tests.rows import build, keep, report
store, asked, found = Paths.at(sys.argv[1]), json.loads(sys.argv[2]), {}
for stage in asked["stages"]:
    rows = [report(when, "cur_power", str(watts * 10)) for when, watts in stage["rows"]]
    if rows:
        keep(store, rows, asked=stage["asked"], complete=stage["complete"])
    build(store, config.load())
    order = pipeline.Order(steps=("13_tariff",), now=stage["now"], page=False)
    assert pipeline.run(store, config.load(), order).errors == []
def lies():
    files = (f for f in sorted(store.data.rglob("*")) if f.is_file() and f.name != "contents.json")
    return {str(f): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}
before = lies()
for old, new in asked["why"]:
    answer = why.why(store, asked["key"], old, new, tell=lambda text: None)
    found[f"{old} {new}"] = answer and cli_why.record(answer)
print(json.dumps({"found": found, "untouched": lies() == before}))
"""


def halves(day: int, until: int, watts: int) -> list[tuple[str, int]]:
    """A report of the same power each half hour."""
    return [(f"{day} {h:02d}:{m:02d}", watts) for h in range(until) for m in (0, 30)]


def stage(now: str, asked: str = "", rows: Any = (), complete: bool = True) -> dict[str, Any]:
    return {"now": now, "asked": asked, "rows": rows, "complete": complete}


class Project:
    """A copy of this project in a git repository of its own, with a store."""

    def __init__(self, folder: Path) -> None:
        self.root, self.store = folder / "project", folder / "data"
        for name in ("lib", "notebooks", "data/reference"):
            shutil.copytree(ROOT / name, self.root / name)
        for name in ("config.toml", "tests/__init__.py", "tests/rows.py", "tcc/geometry.json"):
            (self.root / name).parent.mkdir(exist_ok=True)
            if (ROOT / name).exists():
                shutil.copyfile(ROOT / name, self.root / name)
        book = nbformat.v4.new_notebook(cells=[*map(nbformat.v4.new_code_cell, CELLS)])
        book.cells[0].metadata["tags"] = ["parameters"]
        book.metadata |= {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
        }
        nbformat.write(book, self.root / "notebooks" / "13_tariff.ipynb")
        (self.root / ".gitignore").write_text("__pycache__/\n")
        self.git("init", "-q")
        self.commit("1000", "The helper")

    def git(self, *words: str) -> None:
        own = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", "-C", str(self.root), *own, *words], check=True, capture_output=True)

    def commit(self, factor: str, title: str) -> None:
        (self.root / "lib" / "helper.py").write_text(HELPER.replace("FACTOR", factor))
        self.git("add", "-A")
        self.git("commit", "-q", "-m", title)

    def do(self, *stages: dict[str, Any], why: Any) -> dict[str, Any]:
        """Let the stages come and ask why, in a process of the copy's own."""
        told = json.dumps({"stages": stages, "why": why, "key": KEY})
        done = subprocess.run(
            [sys.executable, "-P", "-c", DRIVER, str(self.store), told],
            env=os.environ | {"PYTHONPATH": str(self.root)},
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("why"))


@pytest.fixture(scope="module")
def data(project: Project) -> dict[str, Any]:
    """A day; then a second one with one row that came late of the first."""
    return project.do(
        stage("2026-03-11T00:00:00Z", "11", halves(10, 20, 600)),
        stage("2026-03-12T00:00:00Z", "12", [("10 12:10", 1200), *halves(11, 24, 1200)]),
        why=[(RUNS[0], RUNS[1])],
    )


def effects(answer: dict[str, Any]) -> dict[str, float]:
    total = sum(part["effect"] for part in answer["parts"])
    rest = answer["together"] + answer["unexplained"]
    assert total + rest == pytest.approx(answer["difference"], abs=1e-9)
    return {part["name"]: part["effect"] for part in answer["parts"]}


@pytest.mark.slow
def test_new_hours_and_late_rows_have_each_their_own_effect(data: dict[str, Any]) -> None:
    answer = data["found"][f"{RUNS[0]} {RUNS[1]}"]
    assert effects(answer) == pytest.approx({"new hours": 28.8, "restated hours": 0.2}, abs=1e-9)
    assert answer["together"] == pytest.approx(0, abs=1e-9)
    assert answer["unexplained"] == pytest.approx(0, abs=1e-9)
    hours, restated = (part["what"] for part in answer["parts"])
    assert hours == ["24.0 h, 48 rows of 1 devices"]
    assert restated[0] == "1 late rows on 2026-03-10"


@pytest.mark.slow
def test_the_store_is_read_and_never_written(data: dict[str, Any]) -> None:
    assert data["untouched"]


@pytest.mark.slow
def test_a_setting_and_a_helper_are_named_and_what_they_do_together_is_a_line(
    project: Project, data: dict[str, Any]
) -> None:
    """An hour of 600 W less by the setting; the helper doubles it."""
    file = project.root / "config.toml"
    file.write_text(file.read_text().replace("gap_limit_h = 3", "gap_limit_h = 2"))
    project.commit("500", "Halve the helper's factor")
    done = project.do(stage("2026-03-12T01:00:00Z"), why=[("", "")])
    (answer,) = done["found"].values()
    assert (answer["old"]["name"], answer["new"]["name"]) == (RUNS[1], RUNS[2])
    before = answer["old"]["value"]
    wanted = {"parameters": 2 * -0.6, "code": before - 0.6}
    assert effects(answer) == pytest.approx(wanted, abs=1e-9)
    assert answer["together"] == pytest.approx(0.6, abs=1e-9)
    assert answer["unexplained"] == pytest.approx(0, abs=1e-9)
    parameters, code = (part["what"] for part in answer["parts"])
    assert parameters == ["energy.gap_limit_h: 3.0 -> 2.0"]
    assert len(code) == 1 and code[0].endswith(" Halve the helper's factor")
    assert done["untouched"]


def test_settings_written_for_a_copy_are_read_back_as_they_were(tmp_path: Path) -> None:
    own = config.load().model_dump(mode="json")
    own["devices"] = [{"id": "plug01", "name": 'Aspas "e" é', "mains": True}]
    (tmp_path / "config.toml").write_text(swaps.toml(own), "utf-8")
    assert config.load(tmp_path) == Config.model_validate(own)


def test_older_code_is_not_given_settings_that_it_does_not_know() -> None:
    newer = {"load": {"on_w": 10, "new_w": 5}, "spoken": {"a": 1}}
    assert swaps.narrowed(newer, {"load": {"on_w": 1}}) == {"load": {"on_w": 10}}


def test_settings_that_differ_are_named_as_in_the_file() -> None:
    one = {"settings": {"load": {"on_w": 10, "off_w": 5}}, "files": {"flags.csv": "a"}}
    other = {"settings": {"load": {"on_w": 12, "off_w": 5}}, "files": {"flags.csv": "b"}}
    assert why_words.settings(one, other) == ["load.on_w: 10 -> 12", "flags.csv was edited"]


# ---- What runs said ----------------------------------------------------------------------


def ran(folder: Path, run: str, **values: Any) -> None:
    """The folder of a run that wrote values, as `tcc why` reads it."""
    (folder / "runs" / run / "values").mkdir(parents=True)
    records = {k: {"value": v, "unit": "kWh", "digits": 1} for k, v in values.items()}
    written = json.dumps({"notebook": "10_energy", "values": records})
    (folder / "runs" / run / "values" / "10_energy.json").write_text(written)
    grounds.keep(folder / "runs" / run, "10_energy", said.EMPTY)


def test_the_newest_run_is_held_against_the_newest_that_said_otherwise(store: Paths) -> None:
    for run, value in zip(RUNS, (1.0, 2.0, 2.0), strict=True):
        ran(store.data, run, total=value)
    assert [one.name for one in said.every(store, "total")] == list(reversed(RUNS))
    (store.runs / RUNS[2] / "inputs" / "10_energy.json").unlink()  # it failed on its way
    same = why.why(store, "total", RUNS[1], RUNS[1])
    assert same and (same.difference, same.parts) == (0, [])
    for run in RUNS[:1]:
        shutil.rmtree(store.runs / run)
    assert why.why(store, "total") is None


def test_a_key_that_nobody_wrote_is_an_error_with_those_like_it(store: Paths) -> None:
    ran(store.data, RUNS[0], **{"energia.total": 1.0})
    with pytest.raises(UnknownValue, match=r"Did you mean energia\.total"):
        why.why(store, "energia.totl")


def test_texts_unknown_runs_and_a_wrong_order_are_refused(store: Paths) -> None:
    ran(store.data, RUNS[0], total=1.0, name="Casa")
    ran(store.data, RUNS[1], total=2.0, name="Sala")
    with pytest.raises(ConfigError, match="is a text"):
        why.why(store, "name")
    with pytest.raises(ConfigError, match=f"neither a run .* {RUNS[1]}, latest"):
        why.why(store, "total", "../ontem")
    with pytest.raises(ConfigError, match="is later than"):
        why.why(store, "total", RUNS[1], RUNS[0])


@pytest.mark.parametrize("kept", [True, False])
def test_a_frozen_name_is_a_state_on_the_ground_of_its_run(store: Paths, kept: bool) -> None:
    frozen = store.data / "frozen" / "entrega"
    ran(store.data, RUNS[0], total=1.0)
    shutil.copytree(store.runs / RUNS[0] / "values", Paths.at(frozen).generated / "values")
    told = {"name": "entrega", "run": RUNS[0], "frozen_at": "2026-03-11T00:05:00Z"}
    (frozen / "manifest.json").write_text(json.dumps(told))
    if not kept:
        shutil.rmtree(store.runs / RUNS[0])
    one = said.named(store, "entrega", "total")
    assert (one.name, one.value, one.notebook) == ("entrega", 1.0, "10_energy")
    assert one.at.minute == (0 if kept else 5)


def test_the_sentence_names_what_can_be_seen_in_the_printed_digits(store: Paths) -> None:
    ran(store.data, RUNS[0], total=205.7)
    ran(store.data, RUNS[1], total=1207.7)
    old, new = (said.named(store, run, "total") for run in RUNS[:2])
    parts = [Part("new hours", 207.6, 1000.1, []), Part("code", 207.7, 0.0, [])]
    answer = Answer("total", old, new, parts, together=1.9)
    assert cli_why.sentence(answer) == (
        "De 205,7 a 1.207,7 kWh: horas novas (+1.000,1 kWh); a ação conjunta (+1,9 kWh)."
    )
