"""Values and tables: what a notebook says becomes LaTeX, or is refused."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas import DataFrame

from lib import figures, latex, plots, values
from lib.errors import ManuscriptError, StaleArtifact
from lib.page import Page, Vintage
from lib.paths import Paths
from lib.version import code_version

ZONE = "America/Sao_Paulo"


def open_page(folder: Path, notebook: str = "10_energy", **changes: Any) -> Page:
    fields: dict[str, Any] = {
        "start": datetime(2026, 2, 14, 3, tzinfo=UTC),
        "end": datetime(2026, 3, 14, 17, tzinfo=UTC),
        "newest_event": datetime(2026, 3, 14, 16, tzinfo=UTC),
        "coverage": 0.982,
        "rows": 12345,
        "content_hash": "ab12" * 8,
        "simulated": False,
    }
    vintage = Vintage(**fields | changes)
    return Page.open(Paths.at(folder), notebook, vintage=vintage, time_zone=ZONE)


def lines(folder: Path, name: str) -> list[str]:
    values.typeset(Paths.at(folder))
    return (Paths.at(folder).generated / name).read_text("utf-8").splitlines()


@pytest.mark.parametrize(
    ("value", "options", "printed"),
    [
        (1234, {}, r"\num{1234}"),
        (np.int64(7), {}, r"\num{7}"),
        (-0.04, {"unit": "%", "digits": 1}, r"\qty{0.0}{\percent}"),
        (9.026, {"unit": "kWh/d", "digits": 2}, r"\qty{9.03}{kWh/d}"),
        (123.44, {"unit": "kWh", "digits": 1, "uncertainty": 7.13}, r"\qty{123.4 +- 7.1}{kWh}"),
        (123.44, {"unit": "kWh", "digits": 1, "uncertainty": 0.02}, r"\qty{123.440 +- 0.020}{kWh}"),
        (0.9033, {"unit": "R$/kWh", "digits": 3}, r"R\$~\num{0.903}/\unit{kWh}"),
        (21.5, {"unit": "°C", "digits": 1}, r"\qty{21.5}{\degreeCelsius}"),
        ("Máquina & cia 100%", {}, r"Máquina \& cia 100\%"),
    ],
)
def test_a_value_is_printed_with_unit_and_uncertainty(
    tmp_path: Path, value: Any, options: dict[str, Any], printed: str
) -> None:
    values.put(open_page(tmp_path), "a.b", value, **options)
    assert lines(tmp_path, "valores.tex")[1] == rf"\tccdefval{{a.b}}{{{printed}}}"


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), np.float64("nan"), None, pd.NA, True, np.bool_(True)]
)
def test_what_is_no_number_is_refused(tmp_path: Path, value: Any) -> None:
    page = open_page(tmp_path)
    with pytest.raises(ManuscriptError) as caught:
        values.put(page, "energia.total", value, unit="kWh")
    assert "energia.total" in str(caught.value)
    assert page.read()["values"] == {}


def test_a_number_that_is_not_there_is_marked_as_missing(tmp_path: Path) -> None:
    page = open_page(tmp_path)
    values.put(page, "a", "—")
    values.put(page, "b", "Sala — quarto")
    assert lines(tmp_path, "valores.tex")[1:] == [
        r"\tccsemval{a}",
        r"\tccdefval{b}{Sala --- quarto}",
    ]


def test_an_infinite_uncertainty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManuscriptError):
        values.put(open_page(tmp_path), "a", 1.0, uncertainty=float("inf"))


@pytest.mark.parametrize("key", ["", "Energia", "a b", "a..b", "../a", "a}"])
def test_bad_keys_are_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(ManuscriptError):
        values.put(open_page(tmp_path), key, 1)


def test_the_json_keeps_numbers_and_vintage(tmp_path: Path) -> None:
    page = open_page(tmp_path)
    values.put(page, "energia.total", np.float64(1.25), unit="kWh", digits=1, label="energia")
    said = json.loads(page.file.read_text("utf-8"))
    assert said["notebook"] == "10_energy"
    assert said["vintage"]["rows"] == 12345
    assert said["values"]["energia.total"] == {
        **{"value": 1.25, "unit": "kWh", "digits": 1},
        **{"uncertainty": None, "label": "energia"},
    }


def test_one_key_has_one_author(tmp_path: Path) -> None:
    for notebook in ("10_energy", "11_voltage"):
        values.put(open_page(tmp_path, notebook), "a", 1)
    with pytest.raises(ManuscriptError) as caught:
        values.typeset(Paths.at(tmp_path))
    assert caught.value.where == "11_voltage"
    assert "10_energy" in caught.value.what


FRAME = DataFrame(
    {
        "name": ["Geladeira", "TV & som", None],
        "kwh": [1234.56, np.nan, 0.0],
        "day": [date(2026, 3, 1), pd.Timestamp("2026-03-02 14:30"), pd.NaT],
    }
)
COLUMNS: dict[str, tuple[str, int | None]] = {
    "name": ("Dispositivo", None),
    "kwh": ("Energia (kWh)", 1),
    "day": ("Dia", None),
}


def test_a_table_has_dashes_for_what_is_missing(tmp_path: Path) -> None:
    values.table(open_page(tmp_path), "t", FRAME, caption="Energia.", columns=COLUMNS)
    text = "\n".join(lines(tmp_path, "tabelas/t.tex"))
    assert r"Geladeira & \num{1234.6} & 01/03/2026 \\" in text
    assert r"TV \& som & -- & 02/03/2026 14h30 \\" in text
    assert r"-- & \num{0.0} & --" in text
    assert r"\tcctabela{t}{Energia}" in text
    assert r"cobertura 98,2\,\%, versão " in text


def test_a_simulated_table_says_so_in_its_caption(tmp_path: Path) -> None:
    page = open_page(tmp_path, simulated=True)
    values.table(page, "t", FRAME, caption="Energia", columns=COLUMNS)
    assert "Energia (dados simulados)" in "\n".join(lines(tmp_path, "tabelas/t.tex"))


def test_a_recorded_series_names_its_authors(tmp_path: Path) -> None:
    page = open_page(tmp_path, attribution="Hebrail e Berard (2006).")
    values.table(page, "t", FRAME, caption="Energia", columns=COLUMNS)
    assert "a partir de Hebrail e Berard (2006); dados até" in "\n".join(
        lines(tmp_path, "tabelas/t.tex")
    )


def test_a_long_table_breaks_across_pages_and_an_empty_one_says_so(tmp_path: Path) -> None:
    page = open_page(tmp_path)
    one = {"name": ("Dispositivo", None)}
    long = DataFrame({"name": ["x"] * 40})
    values.table(page, "longa", long, caption="Longa", columns=one)
    values.table(page, "vazia", long.head(0), caption="Vazia", columns=one)
    assert r"\tcctabelalonga" in lines(tmp_path, "tabelas/longa.tex")[1]
    assert "Sem dados no período." in "\n".join(lines(tmp_path, "tabelas/vazia.tex"))


def test_absent_columns_and_infinities_are_refused(tmp_path: Path) -> None:
    page = open_page(tmp_path)
    with pytest.raises(ManuscriptError, match="cost"):
        values.table(page, "t", FRAME, caption="A", columns={"cost": ("Custo", 2)})
    with pytest.raises(ManuscriptError):
        frame = DataFrame({"kwh": [float("inf")]})
        values.table(page, "t", frame, caption="A", columns={"kwh": ("Energia", 1)})


def test_typesetting_writes_only_what_changed(tmp_path: Path) -> None:
    page = open_page(tmp_path)
    values.put(page, "a", 1)
    values.table(page, "t", FRAME, caption="A", columns=COLUMNS)
    first = values.typeset(Paths.at(tmp_path))
    assert {f.name for f in first.changed} == {
        *("valores.tex", "figuras.tex", "situacao.tex", "procedencia.tex", "t.tex")
    }
    assert values.typeset(Paths.at(tmp_path)).changed == ()
    values.put(page, "a", 2)
    assert [f.name for f in values.typeset(Paths.at(tmp_path)).changed] == ["valores.tex"]


def test_a_table_may_name_a_source_of_its_own_with_references(tmp_path: Path) -> None:
    said = "Módulo 8 do PRODIST [@aneel956] e EN 50160 [@en50160]"
    page = open_page(tmp_path, simulated=True)
    values.table(page, "t", FRAME, caption="Limites", columns=COLUMNS, source=said)
    written = "\n".join(lines(tmp_path, "tabelas/t.tex"))
    assert r"{Limites}{Módulo 8 do PRODIST~\cite{aneel956} e EN 50160~\cite{en50160}.}" in written
    assert "dados até" not in written and r"\TCCautoria" not in written


def test_a_table_without_figures_beside_it_has_a_version_too(tmp_path: Path) -> None:
    page = open_page(tmp_path)
    values.table(page, "t", FRAME, caption="A", columns=COLUMNS)
    assert json.loads(page.file.read_text("utf-8"))["code_version"] == code_version()
    version = code_version().partition("+")[2][:7] or code_version()
    assert f", versão {version}" in "\n".join(lines(tmp_path, "tabelas/t.tex"))


def test_a_table_that_nothing_writes_any_more_goes_away(tmp_path: Path) -> None:
    values.table(open_page(tmp_path), "t", FRAME, caption="A", columns=COLUMNS)
    assert values.typeset(Paths.at(tmp_path)).tables == {"t"}
    open_page(tmp_path)
    ready = values.typeset(Paths.at(tmp_path))
    assert ready.tables == frozenset()
    assert not (Paths.at(tmp_path).generated / "tabelas" / "t.tex").exists()


def test_the_whole_is_simulated_if_any_part_is(tmp_path: Path) -> None:
    values.put(open_page(tmp_path), "a", 1)
    values.put(open_page(tmp_path, "11_voltage", simulated=True, coverage=0.5), "b", 1)
    situation = lines(tmp_path, "situacao.tex")
    assert r"\TCCsimuladotrue" in situation
    assert "cobertura 50,0" in "\n".join(situation)


def test_the_provenance_tells_date_rows_coverage_and_hash(tmp_path: Path) -> None:
    values.put(open_page(tmp_path, coverage=0.9997), "a", 1)
    assert lines(tmp_path, "procedencia.tex")[2] == (
        r"valores no texto & 10\_energy & 2026-03-14 16:00 & \num{12345} & \num{99.9} "
        r"& ab12ab12ab12 \\}"
    )


def test_an_empty_store_is_typeset_too(tmp_path: Path) -> None:
    ready = values.typeset(Paths.at(tmp_path))
    assert (ready.vintage, ready.values) == (None, frozenset())
    assert r"\TCCsimuladofalse" in lines(tmp_path, "situacao.tex")


def test_a_figure_that_is_not_its_sidecars_is_stale(tmp_path: Path) -> None:
    page = open_page(tmp_path)
    pdf = figures.save(page, "a", plots.blank(), caption="A")
    pdf.write_bytes(pdf.read_bytes() + b"%")
    with pytest.raises(StaleArtifact) as caught:
        values.typeset(Paths.at(tmp_path))
    assert caught.value.where == str(pdf)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    file = open_page(tmp_path).file
    file.write_text('{"cut')
    with pytest.raises(ManuscriptError) as caught:
        values.typeset(Paths.at(tmp_path))
    assert caught.value.where == str(file)


def test_every_special_character_is_escaped() -> None:
    assert latex.escape(r"a_b & 5 % #{$}~^\ 🧊") == (
        r"a\_b \& 5\,\% \#\{\$\}\textasciitilde{}\textasciicircum{}\textbackslash{}"
    )


def test_a_decimal_is_a_text_or_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ManuscriptError):
        values.put(open_page(tmp_path), "a", Decimal("NaN"))  # type: ignore[arg-type]
