"""The monograph: real LaTeX on invented values; wrong keys and broken text leave the old PDF."""

import json
import os
import re
import shutil
import subprocess
import unicodedata
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from pandas import DataFrame

from lib import figures, latexmk, plots, plots_coverage, text_findings, values
from lib.claim_language import FALSE, TRUE, Claim, evaluate, keys
from lib.errors import StaleArtifact, TypesettingFailed, UnknownValue
from lib.monograph import Built, build, check_keys, checked
from lib.page import Page, Vintage
from lib.paths import TCC, Paths
from lib.values import typeset
from tests.conftest import digest

needs_latex = pytest.mark.skipif(shutil.which("latexmk") is None, reason="latexmk: make tex")

NUMBERS: dict[str, tuple[float, str, int]] = {
    **{"periodo.dias": (28.5, "d", 1), "dados.linhas": (123456, "", 0)},
    **{"dados.dispositivos": (8, "", 0), "dados.dispositivos_energia": (6, "", 0)},
    **{"energia.media_diaria": (9.026, "kWh/d", 2), "energia.cobertura": (98.2, "%", 1)},
    **{"energia.maior_participacao": (40.8, "%", 1), "energia.dia_maior_total": (11.1, "kWh", 2)},
    **{"energia.divergencia_mediana": (-0.7, "%", 1), "potencia.media": (251, "W", 0)},
    **{"potencia.demanda": (1251.4, "W", 0), "potencia.base": (99, "W", 0)},
    **{"lacunas.total": (3, "", 0), "lacunas.horas": (12.25, "h", 1)},
    **{"metodo.limite_lacuna": (3, "h", 0), "metodo.guarda_nuvem": (7, "d", 0)},
    **{"dados.perdido_h": (1234.56, "h", 1), "dados.janelas_perdidas": (17, "", 0)},
    **{"dados.perda_principal_h": (384, "h", 1), "dados.nao_registrado_h": (8.25, "h", 1)},
    **{"dados.recebidas": (234567, "", 0), "dados.latencia_mediana": (0.55, "h", 1)},
    **{"dados.latencia_p95": (3.1, "h", 1)},
}
TEXTS = {
    **{"periodo.inicio": "14 fev. 2026, 0h00", "periodo.fim": "14 mar. 2026, 13h00"},
    **{"dados.perda_principal": "coletor parado", "dados.perda_maior_fim": "4 mar. 2026, 21h00"},
    **{"dados.perda_maior_inicio": "2 mar. 2026, 21h00"},
    **{"energia.maior_dispositivo": 'TV $5_% & "cama" #1 🧊', "energia.dia_maior": "14 fev. 2026"},
}
# What a short series, or plugs without a counter, leave without a number, and the text says so.
SAID_INSTEAD = {
    "energia.divergencia_mediana": "Não há no período dia em que se possa comparar",
    "energia.dia_maior": "Nenhum dispositivo mediu energia no período.",
    "energia.maior_dispositivo": "Não há no período medição de energia por dispositivo.",
    "dados.perda_principal": "Nada do que a nuvem guardou desde que o sistema conhece",
    "dados.latencia_mediana": "Eles não dizem quando foram lidos.",
    "potencia.media": "Em nenhum intervalo do período a potência foi conhecida",
    "potencia.base": "Ela não é informada, porque requer ao menos sete noites observadas.",
}
MINIMAL = r"\documentclass{article}\begin{document}%s\end{document}"


def vintage(*, simulated: bool) -> Vintage:
    return Vintage(
        start=datetime(2026, 2, 14, 3, tzinfo=UTC),
        end=datetime(2026, 3, 14, 17, tzinfo=UTC),
        newest_event=datetime(2026, 3, 14, 16, tzinfo=UTC),
        coverage=0.982,
        rows=123456,
        content_hash="ab12" * 16,
        simulated=simulated,
        attribution="" if simulated else "Hebrail e Berard (2006), CC BY 4.0",
    )


def text() -> str:
    """All chapters of the real text."""
    return "".join(file.read_text("utf-8") for file in sorted((TCC / "capitulos").rglob("*.tex")))


def used(command: str) -> list[str]:
    """The keys that the real text uses by a command, each once."""
    return list(dict.fromkeys(re.findall(rf"\\{command}\{{([\w.]+)\}}", text())))


def fill(folder: Path, *, simulated: bool, missing: Iterable[str] = ()) -> Paths:
    """A store in which the notebook 10_energy wrote all that the text uses.

    What no test looks at has a number of no meaning, a table of two rows, a small figure.
    """
    paths = Paths.at(folder)
    page = Page.open(
        paths, "10_energy", vintage=vintage(simulated=simulated), time_zone="America/Sao_Paulo"
    )
    for key in used("(?:val|sehaval)"):
        values.put(page, key, 1.5, digits=1)
    for key, (value, unit, digits) in NUMBERS.items():
        values.put(page, key, value, unit=unit, digits=digits)
    for key, text in TEXTS.items():
        values.put(page, key, text)
    values.put(page, "energia.total", 257.44, unit="kWh", digits=1, uncertainty=14.9)
    for key in missing:
        values.put(page, key, "—")
    energy = DataFrame(
        [
            (day, name, wh, 0.95)
            for day in pd.date_range("2026-02-14", periods=29).date
            for name, wh in (("Geladeira", 4000.0), ("TV 🧊 & som", 1500.0))
        ],
        columns=["date", "device_name", "energy_wh", "coverage"],
    )
    columns: dict[str, tuple[str, int | None]] = {
        "device_name": ("Dispositivo", None),
        "energy_wh": ("Energia (Wh)", 0),
    }
    table = {"caption": "Energia por dispositivo", "columns": columns}
    for key in used("tabdata"):
        values.table(page, key, energy.head(2), **table)
    values.table(page, "longa", energy, **table)
    values.table(page, "perdas_por_causa", energy.head(9), **table | {"caption": "Perdas"})
    values.table(page, "janelas_perdidas", energy.head(3), **table | {"caption": "Janelas"})
    covered = energy.assign(device_id=energy["device_name"], local_date=energy["date"], lost_h=1.0)
    covered["local_date"] = pd.to_datetime(covered["local_date"])
    curve = [("dia útil", hour, 200.0 + hour, 100.0, 400.0, 20) for hour in range(24)]
    names = ["day_kind", "hour", "power_w_mean", "power_w_p10", "power_w_p90", "days"]
    drawn = dict.fromkeys(used("figdata"), plots.blank())
    for name, figure in {
        **drawn,
        "energia_diaria": plots.daily_energy(energy),
        "participacao": plots.energy_share(energy),
        "curva_de_carga": plots.load_curve(DataFrame(curve, columns=names)),
        "calendario_cobertura": plots_coverage.calendar(covered),
    }.items():
        figures.save(page, name, figure, caption=f"Figura de {name}")
    return paths


def text_of(pdf: Path) -> str:
    command = ["pdftotext", "-layout", str(pdf), "-"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def prose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real text without its claims: invented numbers need not bear them out."""
    source = tmp_path_factory.mktemp("text") / "tcc"
    shutil.copytree(TCC, source, ignore=shutil.ignore_patterns("generated", "build", "*.pdf"))
    for file in source.rglob("*.tex"):
        file.write_text(re.sub(r"% ?afirma:.*", "%", file.read_text("utf-8")), "utf-8")
    return source


@pytest.fixture(scope="module")
def simulated(
    tmp_path_factory: pytest.TempPathFactory, prose: Path
) -> Iterator[tuple[Paths, Built, Path]]:
    """The simulated store, its PDF and a copy of it; in a folder with a space and an accent."""
    paths = fill(tmp_path_factory.mktemp("casa é") / "a b", simulated=True)
    built = build(paths, source=prose)
    copy = paths.data / "first.pdf"
    shutil.copyfile(built.pdf, copy)
    yield paths, built, copy


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, prose: Path) -> tuple[Built, str]:
    """Measurements of which little can be said, and a chapter that also uses a long table."""
    folder = tmp_path_factory.mktemp("measured")
    source = folder / "tcc"
    shutil.copytree(prose, source)
    with (source / "capitulos" / "resultados.tex").open("a", encoding="utf-8") as chapter:
        chapter.write("\n\\tabdata{longa}\nComo se vê na \\autoref{tab:longa}.\n")
    store = fill(folder / "store", simulated=False, missing=SAID_INSTEAD)
    built = build(store, source=source)
    return built, text_of(built.pdf)


@needs_latex
@pytest.mark.slow
def test_the_real_text_is_set_without_a_warning(simulated: tuple[Paths, Built, Path]) -> None:
    _, built, _ = simulated
    assert built.warnings == ()
    assert built.rebuilt
    assert built.pages >= 15


@needs_latex
@pytest.mark.slow
def test_numbers_are_brazilian_on_the_page(simulated: tuple[Paths, Built, Path]) -> None:
    text = text_of(simulated[2])
    for printed in ("123.456", "1.251", "98,2", "257 ± 15", "9,03", "−0,7", "TV $5_% &"):
        assert printed in text
    assert re.search(r"dados até 14 mar\. 2026, 13h00, cobertura 98,2\s?%", text)


@needs_latex
@pytest.mark.slow
def test_fields_to_fill_in_are_visible(simulated: tuple[Paths, Built, Path]) -> None:
    text = text_of(simulated[2])
    for field in ("nome do autor", "título e nome do orientador", "cidade", "grau"):
        assert f"[a preencher: {field}]" in " ".join(text.split())
    assert "\n 2026" in re.sub(r" +", " ", text)


@needs_latex
@pytest.mark.slow
def test_simulated_data_says_so_on_every_page(
    simulated: tuple[Paths, Built, Path], prose: Path
) -> None:
    pages = text_of(simulated[2]).split("\f")[:-1]
    assert len(pages) == simulated[1].pages
    assert all("dados simulados" in page.lower() for page in pages)
    assert "Versão com dados simulados" in " ".join(pages[1].split())
    first = next(n for n, page in enumerate(pages) if "Capítulo 1" in page)
    body = " ".join(" ".join(pages[first:]).split())
    printed = [use for use in checked(simulated[0], prose)[1].uses if use.printed]
    drawn = {use.key for use in printed if use.command in ("figdata", "tabdata")}
    tables = r"Tabela \d+ – (?:Energia por dispositivo|Perdas|Janelas)"
    made = rf"(?:{tables}|Figura \d+ – Figura de \w++)"  # not written by hand
    assert len(re.findall(made, body)) >= len(drawn)
    assert re.findall(rf"{made}(?! \(dados simulados\))", body) == []


@needs_latex
@pytest.mark.slow
def test_measured_data_shows_nothing_of_it(measured: tuple[Built, str]) -> None:
    built, text = measured
    assert "simulad" not in text.lower()
    assert built.warnings == ()


@needs_latex
@pytest.mark.slow
@pytest.mark.parametrize("sentence", SAID_INSTEAD.values())
def test_where_a_number_is_missing_the_text_says_so(
    simulated: tuple[Paths, Built, Path], measured: tuple[Built, str], sentence: str
) -> None:
    assert sentence in " ".join(measured[1].split())
    assert sentence not in " ".join(text_of(simulated[2]).split())


@needs_latex
@pytest.mark.slow
def test_no_sentence_ends_in_a_dash(measured: tuple[Built, str]) -> None:
    assert "—" not in measured[1]
    assert "On no day of the period can the integral" in " ".join(measured[1].split())


@needs_latex
@pytest.mark.slow
def test_a_recorded_series_is_attributed_and_long_tables_break(measured: tuple[Built, str]) -> None:
    text = " ".join(measured[1].split())
    assert "a partir de Hebrail e Berard (2006), CC BY 4.0; dados até" in text
    assert text.count("Dispositivo Energia (Wh)") >= 3


@needs_latex
@pytest.mark.slow
def test_the_committed_geometry_is_the_measured_one(simulated: tuple[Paths, Built, Path]) -> None:
    measured = json.loads((simulated[0].generated / "geometry.json").read_text("utf-8"))
    assert measured == json.loads(figures.GEOMETRY.read_text("utf-8"))


@needs_latex
@pytest.mark.slow
def test_fonts_are_embedded_and_no_path_or_date_is(simulated: tuple[Paths, Built, Path]) -> None:
    pdf = simulated[2]
    listed = subprocess.run(["pdffonts", str(pdf)], capture_output=True, text=True, check=True)
    assert {row.split()[-5] for row in listed.stdout.splitlines()[2:]} == {"yes"}
    told = subprocess.run(["pdfinfo", str(pdf)], capture_output=True, text=True, check=True)
    assert "CreationDate" not in told.stdout
    assert b"PTEX" not in pdf.read_bytes()


@needs_latex
@pytest.mark.slow
def test_nothing_is_done_when_nothing_changed(
    simulated: tuple[Paths, Built, Path], prose: Path
) -> None:
    paths, built, _ = simulated
    again = build(paths, source=prose)
    assert (again.rebuilt, again.pages) == (False, built.pages)
    assert again.seconds < 1


@needs_latex
@pytest.mark.slow
def test_two_builds_of_the_same_inputs_are_the_same_bytes(
    simulated: tuple[Paths, Built, Path], prose: Path, tmp_path: Path
) -> None:
    again = build(fill(tmp_path / "elsewhere", simulated=True), source=prose)
    assert digest(again.pdf) == digest(simulated[2])


@needs_latex
@pytest.mark.slow
def test_a_lost_or_altered_pdf_is_set_again(
    simulated: tuple[Paths, Built, Path], prose: Path
) -> None:
    paths, built, copy = simulated
    built.pdf.write_bytes(b"%PDF-1.5 altered")
    assert build(paths, source=prose).rebuilt
    assert digest(built.pdf) == digest(copy)


def small(folder: Path, body: str) -> tuple[Paths, Path]:
    """A one-page document and an empty store for it."""
    source = folder / "texto"
    source.mkdir(exist_ok=True)
    (source / "monografia.tex").write_text(MINIMAL % body, "utf-8")
    return Paths.at(folder / "store"), source


@needs_latex
@pytest.mark.slow
def test_the_last_good_pdf_stays_after_a_failure(tmp_path: Path) -> None:
    paths, source = small(tmp_path, "\nBom.\n")
    good = digest(build(paths, source=source).pdf)
    small(tmp_path, "\nRuim.\n\\comandoinexistente\n")
    with pytest.raises(TypesettingFailed) as caught:
        build(paths, source=source)
    assert caught.value.where == "texto/monografia.tex:3"
    assert "Undefined control sequence" in caught.value.what
    assert str(paths.latex / "monografia.log") in caught.value.remedy
    assert digest(paths.pdf) == good
    small(tmp_path, "\nBom.\n")
    build(paths, source=source)
    assert digest(paths.pdf) == good


@needs_latex
@pytest.mark.slow
def test_an_undefined_reference_is_a_warning(tmp_path: Path) -> None:
    paths, source = small(tmp_path, r"Ver \ref{nada}.")
    assert "Reference `nada'" in build(paths, source=source).warnings[0]


@needs_latex
@pytest.mark.slow
def test_a_document_that_never_ends_is_stopped(tmp_path: Path) -> None:
    paths, source = small(tmp_path, r"\def\x{\x}\x")
    with pytest.raises(TypesettingFailed, match="did not finish"):
        build(paths, source=source, timeout_s=1.5)
    assert not paths.pdf.exists()


@needs_latex
@pytest.mark.slow
def test_the_list_of_references_is_complete(simulated: tuple[Paths, Built, Path]) -> None:
    references = text_of(simulated[2]).split("REFERÊNCIAS")[-1]
    assert "[S.l.], [20--]. Datasheet" in references
    assert "(HIIT Technical Reports, 2009-1)" in " ".join(references.split())
    assert "s.n." not in references


def put(
    paths: Paths, numbers: dict[str, float | str], notebook: str = "10_energy", **of: object
) -> None:
    """What one notebook says; `of` changes its vintage."""
    told = replace(vintage(simulated=False), **of)  # type: ignore[arg-type]
    page = Page.open(paths, notebook, vintage=told, time_zone="America/Sao_Paulo")
    for key, value in numbers.items():
        values.put(page, key, value, digits=1)


def unpacked(pdf: Path) -> str:
    """What a PDF's compressed objects say, without its pictures and fonts."""
    streams = re.findall(rb"/ObjStm.*?stream\r?\n(.*?)endstream", pdf.read_bytes(), re.DOTALL)
    return b"".join(zlib.decompress(stream) for stream in streams).decode("latin-1")


def runs_of(pdf: Path) -> int:
    return len(pdf.read_text("utf-8").splitlines())


def test_only_a_change_of_what_is_printed_sets_the_page_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latexmk_that('echo x >> "$out/monografia.pdf"', tmp_path, monkeypatch)
    body = "\\val{a} \\sehaval{b}{\\val{c}}{D.} % afirma: d < 100\n"
    paths, source = small(tmp_path, body)
    numbers: dict[str, float | str] = {"a": 1.11, "b": 2.0, "c": 3.0, "d": 4.0, "e": 5.0}
    put(paths, numbers)
    first = build(paths, source=source)
    assert (first.rebuilt, len(first.claims)) == (True, 1)
    assert first.findings == ("1 value(s) that no text uses: e",)
    put(paths, numbers | {"a": 1.14, "b": 22.0, "d": 44.0, "e": 55.0}, rows=7)
    again = build(paths, source=source)
    assert (again.rebuilt, runs_of(paths.pdf)) == (False, 1)
    kept = json.loads((paths.latex / "build.json").read_text("utf-8"))
    assert kept["claims"][0]["numbers"] == "d = 44"
    assert kept["unused"] == ["e"]
    put(paths, numbers | {"b": "—"})
    assert build(paths, source=source).rebuilt
    put(paths, numbers | {"b": "—", "c": 33.0})
    assert not build(paths, source=source).rebuilt
    put(paths, numbers | {"b": "—", "a": 1.16})
    assert build(paths, source=source).rebuilt
    assert runs_of(paths.pdf) == 3


@pytest.mark.parametrize(("printed", "rebuilt"), [("Nada.", False), (r"\TCCalcance", True)])
def test_the_date_of_the_data_counts_where_it_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str, rebuilt: bool
) -> None:
    latexmk_that('echo x >> "$out/monografia.pdf"', tmp_path, monkeypatch)
    paths, source = small(tmp_path, printed)
    put(paths, {"a": 1.0})
    build(paths, source=source)
    put(paths, {"a": 1.0}, newest_event=datetime(2026, 3, 14, 17, tzinfo=UTC))
    assert build(paths, source=source).rebuilt == rebuilt


def test_keys_that_a_macro_puts_together_make_everything_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latexmk_that('echo x >> "$out/monografia.pdf"', tmp_path, monkeypatch)
    paths, source = small(tmp_path, r"\newcommand{\dia}[1]{\val{dia.#1}}\dia{a}")
    put(paths, {"dia.a": 1.0})
    assert build(paths, source=source).findings == ()
    put(paths, {"dia.a": 2.0})
    assert build(paths, source=source).rebuilt


def test_output_on_other_data_than_the_rest_is_stale(tmp_path: Path) -> None:
    paths, source = small(tmp_path, "\n\\val{a}\n\\val{b} \\val{c}")
    put(paths, {"a": 1.0})
    put(paths, {"b": 1.0, "c": 1.0}, "11_voltage", content_hash="cd34")
    ready, text = checked(paths, source)
    assert text_findings.of(ready, text, []) == [
        r"texto/monografia.tex:3: \val{b} and 1 more of 11_voltage is stale: "
        "it stands on other data than 10_energy"
    ]


def test_a_newer_run_that_did_not_come_to_the_page_is_named(tmp_path: Path) -> None:
    paths, source = small(tmp_path, "\n\\val{a}")
    put(paths, {"a": 1.0})
    for name, ok in (("20260314T180000Z", True), ("20260314T190000Z", False)):
        written = paths.runs / name / "values" / "10_energy.json"
        written.parent.mkdir(parents=True)
        written.write_text("{}", "utf-8")
        (paths.runs / name / "run.json").write_text(json.dumps({"ok": ok}), "utf-8")
    ready, text = checked(paths, source)
    assert text_findings.of(ready, text, []) == [
        r"texto/monografia.tex:2: \val{a} of 10_energy is stale: the run 20260314T180000Z wrote "
        "other numbers, which are not on the page"
    ]


def test_a_figure_that_is_not_its_sidecars_names_the_line_that_uses_it(tmp_path: Path) -> None:
    paths, source = small(tmp_path, "\n% \\figdata{f}\n\\figdata{f}")
    page = Page.open(paths, "10_energy", vintage=vintage(simulated=False), time_zone="UTC")
    pdf = figures.save(page, "f", plots.blank(), caption="F")
    pdf.write_bytes(b"%PDF other")
    with pytest.raises(StaleArtifact, match=r"uses it at texto/monografia\.tex:3\."):
        build(paths, source=source)


@needs_latex
@pytest.mark.slow
def test_a_missing_glyph_and_a_wide_line_are_warnings_with_their_place(tmp_path: Path) -> None:
    paths, source = small(tmp_path, "(a \\input{dois} \\input{um}\n")
    (source / "dois.tex").write_text("\\mbox{(}Bom.\n\n", "utf-8")
    (source / "um.tex").write_text("\n\n\\char200 \\rule{20cm}{1pt}\n\n", "utf-8")
    warned = build(paths, source=source).warnings
    assert re.match(r"Missing glyph: There is no .+ in font cmr10", warned[0])
    assert re.match(r"um\.tex: Overfull \\hbox .* at lines \d--\d", warned[1])


@needs_latex
@pytest.mark.slow
def test_vintage_link_and_stamp_are_on_the_page(tmp_path: Path) -> None:
    store = Paths.at(tmp_path / "store")
    put(store, {"a": 1.5})
    run = store.runs / "20260314T170000Z"
    (run / "values").mkdir(parents=True)
    shutil.copy(store.generated / "values" / "10_energy.json", run / "values")
    (run / "10_energy.html").write_text("<p>executado</p>", "utf-8")
    job = preamble(tmp_path, r"Vale \valsafra{a}.\par\tccselo")
    latexmk.run(job, timeout_s=60)
    text = unicodedata.normalize("NFC", " ".join(text_of(job.pdf).split()))
    assert "Vale 1,5 (dados até 14 mar. 2026, 13h00, cobertura 98,2 %, versão " in text
    assert "Dados de 14 fev. 2026, 00h00 a 14 mar. 2026, 14h00; dados até" in text
    assert "dos dados: ab12ab12ab12." in text
    address = "generated/cadernos/10_energy.html"
    assert address in unpacked(job.pdf)
    assert (store.pdf.parent / address).read_text("utf-8") == "<p>executado</p>"


def preamble(folder: Path, body: str) -> latexmk.Job:
    """A document with the project's macros over an empty store."""
    shutil.copy(TCC / "tcc.sty", folder)
    shutil.copy(TCC / "metadados.tex", folder)
    own = r"\input{metadados}\let\TCCmeuano\meuano\let\TCCminhaautoria\minhaautoria"
    lines = (r"\documentclass{abntex2}", own + r"\usepackage{tcc}", r"\begin{document}")
    document = "\n".join((*lines, body, r"\end{document}"))
    (folder / "monografia.tex").write_text(document, "utf-8")
    paths = Paths.at(folder / "store")
    typeset(paths)
    return latexmk.Job(folder, "monografia", paths.latex, (paths.generated.parent,), 0)


@needs_latex
@pytest.mark.slow
def test_without_a_year_there_are_no_parentheses(tmp_path: Path) -> None:
    job = preamble(tmp_path, r"Fonte: \TCCautoria. \TCCano")
    latexmk.run(job, timeout_s=60)
    assert "Fonte: elaborada pelo autor. [a preencher: ano]" in text_of(job.pdf)


def latexmk_that(does: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> latexmk.Job:
    """A document, and a latexmk of our own that knows its output folder as $out."""
    script = folder / "bin" / "latexmk"
    script.parent.mkdir()
    find = "for a; do case $a in -outdir=*) out=${a#-outdir=};; esac; done"
    script.write_text(f"#!/bin/sh\n{find}\n{does}\n", "utf-8")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    return latexmk.Job(folder, "texto", folder / "build", (), 0)


@needs_latex
@pytest.mark.slow
def test_the_contents_are_right_where_latexmk_ends_too_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_pass = 'exec pdflatex -halt-on-error -output-directory="$out" texto.tex'
    job = latexmk_that(one_pass, tmp_path, monkeypatch)
    sections = r"\section{S}\newpage" * 59 + r"\section{S}\typeout{on=\thepage}"
    body = r"\setcounter{page}{200}\tableofcontents\newpage" + sections
    (tmp_path / "texto.tex").write_text(MINIMAL % body, "utf-8")
    latexmk.run(job, timeout_s=60)
    told = re.findall(r"^60 S\s+(\d+)$", text_of(job.pdf), re.MULTILINE)
    assert told == re.findall(r"^on=(\d+)$", job.log.read_text("utf-8"), re.MULTILINE) == ["262"]


def test_a_text_that_never_settles_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restless = 'echo x >> "$out/texto.toc"; touch "$out/texto.pdf"'
    job = latexmk_that(restless, tmp_path, monkeypatch)
    with pytest.raises(TypesettingFailed, match="still change after 5 runs"):
        latexmk.run(job, timeout_s=60)
    assert (job.output / "texto.toc").read_text("utf-8") == "x\n" * 5


@needs_latex
@pytest.mark.slow
@pytest.mark.parametrize("use", [r"\val{energia.totl}", r"\sehaval{energia.totl}{a}{b}"])
def test_latex_itself_names_the_line_of_an_unknown_key(tmp_path: Path, use: str) -> None:
    job = preamble(tmp_path, f"Total: {use}.")
    with pytest.raises(TypesettingFailed) as caught:
        latexmk.run(job, timeout_s=60)
    assert caught.value.where.endswith("monografia.tex:4")
    assert "energia.totl" in caught.value.what


@needs_latex
@pytest.mark.slow
def test_a_missing_package_names_what_to_install(tmp_path: Path) -> None:
    paths, source = small(tmp_path, "")
    text = MINIMAL.replace("article", "inexistente") % "\nBom."
    (source / "monografia.tex").write_text(text, "utf-8")
    with pytest.raises(TypesettingFailed, match=r"apt-get install .*texlive-publishers") as caught:
        build(paths, source=source)
    assert "inexistente.cls" in caught.value.what


def test_without_latexmk_the_remedy_is_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, source = small(tmp_path, "Bom.")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TypesettingFailed) as caught:
        build(paths, source=source)
    assert "sudo apt-get install --no-install-recommends texlive-latex-base" in str(caught.value)
    assert "latexmk" in caught.value.remedy.split()


@pytest.mark.parametrize(
    ("line", "key"),
    [
        (r"Total de \val{energia.totl}.", "energia.totl"),
        (r"\sehaval{energia.totl}{a}{b}", "energia.totl"),
        (r"\figdata{energia_diria}", "energia_diria"),
        (r"50\% \tabdata{energia_por_aparelho}", "energia_por_aparelho"),
    ],
)
def test_an_unknown_key_is_named_with_file_and_line(tmp_path: Path, line: str, key: str) -> None:
    paths, source = small(tmp_path, "")
    (source / "capitulos").mkdir()
    text = f"% \\val{{so.comentario}}\n\\val{{energia.total}}\n{line} % \\val{{outro}}\n"
    (source / "capitulos" / "um.tex").write_text(text, "utf-8")
    page = Page.open(paths, "10_energy", vintage=vintage(simulated=True), time_zone="UTC")
    values.put(page, "energia.total", 1.0)
    with pytest.raises(UnknownValue) as caught:
        build(paths, source=source)
    assert caught.value.where == "texto/capitulos/um.tex:3"
    assert key in caught.value.what
    assert "comentario" not in str(caught.value)


def test_a_misspelt_key_brings_a_suggestion(tmp_path: Path) -> None:
    paths, source = small(tmp_path, r"\val{energia.totl}")
    page = Page.open(paths, "10_energy", vintage=vintage(simulated=True), time_zone="UTC")
    values.put(page, "energia.total", 1.0)
    with pytest.raises(UnknownValue, match=r"Did you mean energia\.total"):
        check_keys(source, typeset(paths))


def test_every_key_of_the_contract_is_used_in_the_text() -> None:
    assert {*NUMBERS, *TEXTS, "energia.total"} <= set(used("val"))


def test_every_claim_of_the_text_can_be_read() -> None:
    told = [Claim("tcc", line, "") for line in re.findall(r"% ?afirma: *(.*)", text())]
    assert len(told) >= 5
    record = {"value": 1.0, "unit": None, "uncertainty": None}
    for claim in told:
        assert evaluate(claim, dict.fromkeys(keys(claim), record)) in (TRUE, FALSE)


def test_every_citation_is_in_the_bibliography() -> None:
    groups = re.findall(r"\\cite(?:online)?\{([^}]+)\}", text())
    cited = {k for group in groups for k in group.split(",")}
    entries = set(re.findall(r"^@\w+\{(\w+),", (TCC / "referencias.bib").read_text("utf-8"), re.M))
    assert cited <= entries
    assert len(cited) >= 15


def test_every_figure_is_referred_to_in_the_text() -> None:
    names = used("figdata")
    assert len(names) >= 12
    assert [n for n in names if f"\\autoref{{fig:{n}}}" not in text()] == []


def test_every_table_is_referred_to_in_the_text() -> None:
    names = used("tabdata")
    assert len(names) >= 15
    assert [n for n in names if f"\\autoref{{tab:{n}}}" not in text()] == []
