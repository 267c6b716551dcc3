"""Notebooks run by papermill: signature, kept copies, redaction, and every one as it stands."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from lib import notebooks
from lib.errors import NotebookFailed, NotebookSignature
from lib.paths import NOTEBOOKS, Paths
from lib.pipeline import ANALYSE
from tests.rows import build, keep, report

SECRET = "f00dfeedfacecafe0123456789abcdef"  # pragma: allowlist secret


def write(folder: Path, *sources: str) -> Path:
    """A notebook whose first cell holds its parameters."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells[0].metadata["tags"] = ["parameters"]
    spec = {"name": "python3", "language": "python", "display_name": "Python 3"}
    book = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec})
    file = folder / "made.ipynb"
    nbformat.write(book, file)
    return file


def test_a_misspelt_parameter_fails_before_anything_runs(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    book = write(tmp_path, 'device = "all"', f"open({str(mark)!r}, 'w')")
    with pytest.raises(NotebookSignature, match="devise") as caught:
        notebooks.run(book, tmp_path / "run", {"devise": "plug01"})
    assert "device" in caught.value.remedy
    assert not mark.exists()
    assert not (tmp_path / "run").exists()


def test_a_parameter_reaches_the_notebook_and_the_copy_and_its_html_are_kept(
    tmp_path: Path,
) -> None:
    book = write(tmp_path, "hours = 1", "print('hours', hours)")
    done = notebooks.run(book, tmp_path / "run", {"hours": 24})
    assert "hours 24" in done.notebook.read_text("utf-8")
    assert "hours 24" in done.html.read_text("utf-8")
    assert done.seconds > 0


def test_a_failed_notebook_keeps_its_copy_and_html_and_the_source_is_untouched(
    tmp_path: Path,
) -> None:
    book = write(tmp_path, "hours = 1", "print('before')", "1 / 0")
    before = book.read_bytes()
    with pytest.raises(NotebookFailed, match="ZeroDivisionError") as caught:
        notebooks.run(book, tmp_path / "run", {})
    html = (tmp_path / "run" / "made.html").read_text("utf-8")
    assert "before" in html
    assert "ZeroDivisionError" in html
    assert str(tmp_path / "run" / "made.html") in caught.value.remedy
    assert book.read_bytes() == before


def test_no_secret_of_the_environment_stays_in_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUYA_ACCESS_SECRET", SECRET)
    talk = (
        "import os\nprint(dict(os.environ))\nraise RuntimeError(os.environ['TUYA_ACCESS_SECRET'])"
    )
    book = write(tmp_path, "hours = 1", talk)
    with pytest.raises(NotebookFailed) as caught:
        notebooks.run(book, tmp_path / "run", {})
    assert SECRET not in str(caught.value)
    for file in (tmp_path / "run").iterdir():
        assert SECRET not in file.read_text("utf-8"), file.name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["01_ingest", "02_stage", "03_marts", *ANALYSE, "90_explore"])
def test_every_notebook_runs_as_it_stands_by_plain_papermill(name: str, tmp_path: Path) -> None:
    keep(Paths.at(tmp_path / "data"), [report("10 12:00", "cur_power", "853")])
    build(Paths.at(tmp_path / "data"))
    env = os.environ | {"TCC_DATA_DIR": str(tmp_path / "data")}
    if name == "01_ingest":  # a store of its own: the demo house never mixes with other rows
        env["TCC_DATA_DIR"] = str(tmp_path / "demo")
    target = tmp_path / "out.ipynb"
    command = ["-m", "papermill", str(NOTEBOOKS / f"{name}.ipynb"), str(target)]
    done = subprocess.run(
        [sys.executable, *command],
        env=env,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    outputs = [
        output
        for cell in json.loads(target.read_text("utf-8"))["cells"]
        for output in cell.get("outputs", [])
    ]
    assert outputs
    assert not [output for output in outputs if output["output_type"] == "error"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        (
            "10_energy",
            {
                *("energia_diaria", "participacao", "concordancia_medidores", "curva_de_carga"),
                *("curva_de_duracao", "mapa_de_calor"),
            },
        ),
        ("11_voltage", {"tensao_no_tempo", "tensao_distribuicao", "tensao_no_dia"}),
        ("12_control_chart", {"carta_controle", "atraso_deteccao"}),
        (
            "13_tariff",
            {"energia_por_posto", "perfil_postos", "custo_por_periodo", "tarifa_branca"},
        ),
        ("14_data_quality", {"calendario_cobertura", "linha_lacunas"}),
    ],
)
def test_an_analysis_says_a_sentence_where_there_is_no_data(
    tmp_path: Path, name: str, drawn: set[str]
) -> None:
    store = Paths.at(tmp_path / "empty")
    given = {"data_dir": str(store.data), "run_dir": str(tmp_path / "run")}
    done = notebooks.run(NOTEBOOKS / f"{name}.ipynb", tmp_path / "run", given)
    assert "nenhum dado" in done.notebook.read_text("utf-8")
    assert {file.stem for file in (tmp_path / "run" / "figures").glob("*.pdf")} == drawn
