"""Claims beside sentences: their language, their branches, and what a false one stops."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lib import claims, values
from lib.claim_language import CLOSE, CLOSELY_FALSE, FALSE, TRUE, Claim, evaluate
from lib.errors import ClaimError, FalseClaim, UnknownValue
from lib.manuscript import Text
from lib.monograph import build, checked
from lib.page import Page, Vintage
from lib.paths import Paths

PUT: dict[str, dict[str, Any]] = {
    "energia.total": {"value": 483.24, "unit": "kWh", "digits": 1, "uncertainty": 27.9},
    "energia.contador": {"value": 470.0, "unit": "kWh", "digits": 1, "uncertainty": 10.0},
    "energia.minima": {"value": 0.3, "unit": "kWh"},
    "consumo.noturno_pct": {"value": 24.6, "unit": "%", "digits": 1},
    "potencia.2025.media": {"value": 251, "unit": "W"},
    "lacunas.total": {"value": 3},
    "lacunas.nenhuma": {"value": 0},
    "controle.sinal": {"value": "—"},
    "energia.dia": {"value": "14 fev. 2026"},
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    paths = Paths.at(tmp_path_factory.mktemp("store"))
    at = datetime(2026, 3, 14, 16, tzinfo=UTC)
    vintage = Vintage(at, at, at, 0.98, 10, "ab12", simulated=True)
    page = Page.open(paths, "10_energy", vintage=vintage, time_zone="UTC")
    for key, record in PUT.items():
        values.put(page, key, **record)
    return paths


def text_of(store: Paths, folder: Path, body: str) -> Text:
    return checked(store, source(folder, body))[1]


def source(folder: Path, body: str) -> Path:
    written = folder / "texto"
    written.mkdir(exist_ok=True)
    lines = (r"\documentclass{article}", r"\begin{document}", body, r"\end{document}")
    (written / "monografia.tex").write_text("\n".join(lines), "utf-8")
    return written


def said(store: Paths, text: str) -> int:
    return evaluate(Claim("x.tex:1", text, "Frase."), values.typeset(store).records)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("consumo.noturno_pct < 30", TRUE),
        ("consumo.noturno_pct < 24,5", FALSE),
        ("consumo.noturno_pct = 24,6", TRUE),
        ("24.5 < consumo.noturno_pct <= 24.6 < 30", TRUE),
        ("24.5 < consumo.noturno_pct < 24.6", FALSE),
        ("20 < consumo.noturno_pct e lacunas.total = 3", TRUE),
        ("consumo.noturno_pct > 30 ou não lacunas.total ≠ 3", TRUE),
        ("not (lacunas.total > 2 and lacunas.total < 4)", FALSE),
        ("potencia.2025.media * 2 - 2 == 500", TRUE),
        ("-lacunas.total + 5 >= 2 * (lacunas.total - 2)", TRUE),
        ("abs(lacunas.total - 5) = 2 e min(lacunas.total; 2) = 2", TRUE),
        ("max(lacunas.total, 7, 1.5) ≥ 7", TRUE),
        ("lacunas.total / 4 < 0,76", TRUE),
        ("energia.total < 600", TRUE),
        ("energia.total < 490", CLOSE),
        ("energia.total > 490", CLOSELY_FALSE),
        ("energia.total < 490 ou lacunas.total = 3", TRUE),
        ("energia.total < 490 e lacunas.total = 3", CLOSE),
        ("energia.contador < energia.total", CLOSE),
        ("energia.total - energia.total = 0", TRUE),
        ("energia.total / energia.contador < 1,2", TRUE),
        ("energia.total / energia.contador > 1", CLOSE),
        ("energia.total / 2 > 240", CLOSE),
        ("energia.total / 2 > 227,5", TRUE),
    ],
)
def test_a_claim_is_judged(store: Paths, text: str, verdict: int) -> None:
    assert said(store, text) == verdict


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no comparison"),
        ("lacunas.total", "compares nothing"),
        ("lacunas.total < ", "no comparison"),
        ("lacunas.total < 3 4", "no comparison"),
        ("energia.total < potencia.2025.media", "W and kWh"),
        ("energia.total + lacunas.total > 3", "no unit and kWh"),
        ("lacunas.total < 1.234,5", "cannot be read"),
        ("consumo.noturno_pct < 30 %", "cannot be read at '%'"),
        ("min(1,2) < 3", "calls min with 1"),
        ("lacunas.total / lacunas.nenhuma > 1", "divides by zero"),
        ("lacunas.total ** 99 > 1", "no comparison"),
        ("lacunas.total and 3 < 4", "compares nothing"),
        ("(1 < 2) < 3", "no number"),
        ("min(*lacunas.total) < 3", "no comparison"),
        ("lacunas.total(3) < 3", "no comparison"),
        ("__import__('os').system('true') < 3", "cannot be read"),
        ("lambda: 3 < 4", "cannot be read at ':"),
        ("[x for x in y] < 3", "cannot be read"),
        ("(" * 21 + "1" + ")" * 21 + " < 2", "nested"),
        ("1 < 2 e " * 60 + "1 < 2", "longer than 300"),
        ("controle.sinal < 3", "has no number"),
        ("energia.dia = 14", "has no number: '14 fev. 2026'"),
    ],
)
def test_what_cannot_be_judged_is_refused(store: Paths, text: str, why: str) -> None:
    with pytest.raises(ClaimError) as caught:
        said(store, text)
    assert why in caught.value.what
    assert caught.value.where == "x.tex:1"


def test_a_claim_on_an_unknown_key_brings_a_suggestion(store: Paths, tmp_path: Path) -> None:
    with pytest.raises(UnknownValue, match=r"Did you mean lacunas\.total") as caught:
        text_of(store, tmp_path, "Uma frase. % afirma: lacunas.totl < 3")
    assert caught.value.where == "texto/monografia.tex:3"


def test_a_false_claim_stops_the_page_and_the_last_good_pdf_stays(
    store: Paths, tmp_path: Path
) -> None:
    body = "Certo. % afirma: lacunas.total = 3\nO total passa de 550 kWh.  % afirma: 550 < "
    written = source(tmp_path, body + "energia.total\nOutra.% afirma: lacunas.total > 9")
    store.pdf.parent.mkdir(parents=True, exist_ok=True)
    store.pdf.write_bytes(b"good")
    with pytest.raises(FalseClaim) as caught:
        build(store, source=written)
    error = caught.value
    assert error.where == "texto/monografia.tex:4"
    assert '"O total passa de 550 kWh."' in error.what
    assert "550 < energia.total" in error.what
    assert "energia.total = 483.24 ± 27.9 kWh" in error.what
    assert "texto/monografia.tex:5" in error.what
    assert error.remedy.startswith("Correct the sentence")
    assert store.pdf.read_bytes() == b"good"


def test_a_claim_stands_at_the_end_of_a_line_or_on_lines_before(
    store: Paths, tmp_path: Path
) -> None:
    body = (
        "% afirma: lacunas.total > 1\n  %% Afirma : lacunas.total > 2\n% um comentário\nHá 100\\% "
        "delas.\nFim. % afirma: lacunas.total < 9\n\\verb|% afirma: a b| e \\% afirma: nada.\n"
        "\\begin{verbatim}\nx % afirma: outro < 3\n\\end{verbatim}"
    )
    text = text_of(store, tmp_path, body)
    assert [(c.where[-2:], c.text, c.sentence) for c in text.claims] == [
        (":3", "lacunas.total > 1", r"Há 100\% delas."),
        (":4", "lacunas.total > 2", r"Há 100\% delas."),
        (":7", "lacunas.total < 9", "Fim."),
    ]


def test_a_claim_without_a_sentence_is_refused(store: Paths, tmp_path: Path) -> None:
    with pytest.raises(ClaimError, match="beside no sentence"):
        text_of(store, tmp_path, "Frase.\n\n% afirma: lacunas.total > 1\n\nOutra.")


def test_claims_in_branches_that_are_not_printed_are_not_judged(
    store: Paths, tmp_path: Path
) -> None:
    body = r"""
\sehaval{controle.sinal}{% afirma: lacunas.total > 91
  A. % afirma: controle.sinal > 92
  \sehaval{lacunas.total}{%
    B \{ não fecha. % afirma: lacunas.total > 93
  }{}%
  {\bfseries C.} % afirma: lacunas.total > 94
}% fim
% outra
{%
  \sehaval{energia.total}{D. % afirma: lacunas.total < 11
  }{E. % afirma: lacunas.total > 95
  }
}
\sosimulado{F. % afirma: lacunas.total < 12
}{G. % afirma: lacunas.total > 96
}
\sogravado{H.
% afirma: lacunas.total > 97
I.}{J.} Fim. % afirma: lacunas.total < 13
"""
    text = text_of(store, tmp_path, body)
    assert [c.text[-2:] for c in text.claims] == ["11", "12", "13"]
    assert [c.text[-2:] for c in text.idle] == ["91", "92", "93", "94", "95", "96", "97"]


def test_a_chapter_that_is_not_read_claims_nothing(store: Paths, tmp_path: Path) -> None:
    written = source(tmp_path, "\\sehaval{controle.sinal}{\\input{capitulos/um}}{}\\input{dois}")
    (written / "capitulos").mkdir()
    (written / "capitulos" / "um.tex").write_text("Um. % afirma: lacunas.total > 9\n", "utf-8")
    (written / "capitulos" / "tres.tex").write_text("Três. % afirma: lacunas.total > 9\n", "utf-8")
    (written / "dois.tex").write_text("Dois. % afirma: lacunas.total = 3\n", "utf-8")
    text = checked(store, written)[1]
    assert [c.where for c in text.claims] == ["texto/dois.tex:1"]
    assert len(text.idle) == 2


def test_the_flat_text_has_values_and_chosen_branches_only(store: Paths, tmp_path: Path) -> None:
    text = text_of(
        store,
        tmp_path,
        "Há \\val{lacunas.total} lacunas%\n\\sehaval{controle.sinal}{ e um sinal}%\n  {, sem}. "
        "% afirma: lacunas.total = 3\n\\sosimulado{Simulado {\\bf A}.}{Medido.} \\verb|\\val{x}|",
    )
    body = text.flat.partition("\\begin{document}")[2]
    assert "Há \\num{3} lacunas%\n, sem. %\nSimulado {\\bf A}. \\verb|\\val{x}|" in body


def test_all_claims_that_hold_are_told_with_their_numbers(store: Paths, tmp_path: Path) -> None:
    body = "A. % afirma: energia.total < 490\nB. % afirma: lacunas.total = 3"
    ready, text = checked(store, source(tmp_path, body))
    judged = claims.judge(text.claims, ready.records)
    assert [(one.close, one.numbers) for one in judged] == [
        (True, "energia.total = 483.24 ± 27.9 kWh"),
        (False, "lacunas.total = 3"),
    ]
    assert judged[1].record()["where"] == "texto/monografia.tex:4"
