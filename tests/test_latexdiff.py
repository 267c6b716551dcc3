"""Two states of the page: what is kept with each run, and what is marked between two of them."""

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from lib import latexdiff, values
from lib.errors import ConfigError, LatexMissing
from lib.latexdiff import KEPT, diff, keep, state
from lib.manuscript import read
from lib.page import Page, Vintage
from lib.paths import ROOT, Paths
from lib.typesetting import typeset

TABLE = r"""\documentclass{article}
\usepackage{siunitx,booktabs}
\newcommand{\fonte}[1]{#1}\newcommand{\TCCautoria}{N\'os}\let\ABNTEXfontereduzida\small
\newcommand{\tccligar}[2]{#2}
\begin{document}
O total \'e de \val{energia.total} em \val{dias}. \tabdata{t}
\end{document}"""
needs_latexdiff = pytest.mark.skipif(
    not (shutil.which("latexdiff") and shutil.which("latexmk")), reason="latexdiff: make tex"
)


def written(folder: Path) -> tuple[Paths, Path]:
    source = folder / "texto"
    source.mkdir()
    (source / "monografia.tex").write_text(TABLE, "utf-8")
    return Paths.at(folder / "store"), source


def run(paths: Paths, source: Path, name: str, total: float) -> None:
    """A run that says a total, and keeps its page."""
    at = datetime(2026, 3, 14, 16, tzinfo=UTC)
    vintage = Vintage(at, at, at, 0.98, 10, "ab12", simulated=False)
    page = Page.open(paths, "10_energy", vintage=vintage, time_zone="UTC")
    values.put(page, "energia.total", total, unit="kWh", digits=1)
    values.put(page, "dias", 7, unit="d")
    frame = pd.DataFrame({"name": ["Sala", "Quarto"], "kwh": [total, 1.5]})
    columns: dict[str, tuple[str, int | None]] = {"name": ("Nome", None), "kwh": ("kWh", 1)}
    values.table(page, "t", frame, caption="Energia", columns=columns)
    (paths.runs / name).mkdir(parents=True)
    keep(paths, read(source, typeset(paths)).flat)


@needs_latexdiff
@pytest.mark.slow
def test_a_changed_number_is_marked_in_sentence_and_table(tmp_path: Path) -> None:
    paths, source = written(tmp_path)
    run(paths, source, "20260314T160000Z", 41.3)
    run(paths, source, "20260314T170000Z", 52.6)
    found = diff(paths, "20260314T160000Z", "now", source=source)
    assert found.changes == 4
    assert found.pdf == paths.latex / "diferenca.pdf"
    told = subprocess.run(["pdftotext", "-layout", str(found.pdf), "-"], capture_output=True)
    text = " ".join(told.stdout.decode().split())
    assert "41.3 kWh 52.6 kWh em 7 d." in text
    assert "Sala 41.3 52.6" in text


def test_a_page_that_is_the_same_is_kept_once(tmp_path: Path) -> None:
    paths, source = written(tmp_path)
    for name, total in (("20260314T160000Z", 41.3), ("20260314T170000Z", 41.3)):
        run(paths, source, name, total)
    run(paths, source, "20260314T170000Z-2", 52.6)
    kept = [file.stat().st_ino for file in sorted(paths.runs.glob(f"*/{KEPT}"))]
    assert kept[0] == kept[1] != kept[2]
    ready = typeset(paths)
    assert "41.3" in state(paths, "20260314T170000Z", ready, source=source)
    assert "52.6" in state(paths, "20260314T170000Z-2", ready, source=source)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no git checkout")
def test_a_commit_is_a_state_of_the_text(tmp_path: Path) -> None:
    paths, source = written(tmp_path)
    text = state(paths, "HEAD", typeset(paths), source=source)
    assert "\\begin{document}" in text
    assert "\\input{capitulos/" not in text


def test_a_state_that_is_not_known_is_named_with_those_that_are(tmp_path: Path) -> None:
    paths, source = written(tmp_path)
    run(paths, source, "20260314T160000Z", 41.3)
    (paths.runs / "20260314T170000Z").mkdir()
    for name in ("20260314T170000Z", "ontem", "--output=x"):
        with pytest.raises(ConfigError, match="20260314T160000Z, now") as caught:
            state(paths, name, typeset(paths), source=source)
        assert name in caught.value.what


def test_without_latexdiff_the_remedy_is_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LatexMissing, match=r"apt-get install .*latexdiff"):
        latexdiff.diff(Paths.at(tmp_path), "a", "b")
