"""What the notebooks said, as the LaTeX files that `tcc/` reads.

Belongs here: values, tables, figures and the vintage of the whole -> `generated/*.tex`, the
same text for the same input. Does not belong here: LaTeX syntax (`latex.py`), running LaTeX
(`monograph.py`).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import latex
from lib.errors import ManuscriptError, StaleArtifact
from lib.files import write_text
from lib.page import VALUES, Vintage, read_json, sidecars
from lib.paths import Paths
from lib.portuguese import floored_percent
from lib.times import brazilian

HEAD = "% Gerado a cada execução pelos cadernos; não edite.\n"
SIMULATED = " (dados simulados)"
MISSING = "—"  # what a notebook says where there is no number


@dataclass(frozen=True)
class Typeset:
    """What the page may use: known keys, the vintage of the whole, files that changed."""

    values: frozenset[str]
    tables: frozenset[str]
    figures: frozenset[str]
    vintage: Vintage | None
    changed: tuple[Path, ...]


def typeset(paths: Paths) -> Typeset:
    """Turn all that the notebooks said into LaTeX; a file is written only when it changes.

    Raises ManuscriptError for a key said twice and StaleArtifact for a figure that is not
    the one its sidecar speaks of.
    """
    said = [read_json(file) for file in sorted((paths.generated / VALUES).glob("*.json"))]
    figures = list(sidecars(paths.figures))
    for sidecar in figures:
        _check_figure(paths.figures, sidecar)
    values, tables = _merged(said, "values"), _merged(said, "tables")
    whole = _whole([*(s["vintage"] for s in said if s["values"] or s["tables"]), *figures])
    zones = [item["time_zone"] for item in [*said, *figures]]
    texts = {
        "valores.tex": "".join(_value_line(key, values[key][0]) for key in sorted(values)),
        "figuras.tex": "".join(_figure_line(sidecar) for sidecar in figures),
        "situacao.tex": _situation(whole, zones[0] if zones else "UTC"),
        "procedencia.tex": _provenance(said, figures),
        **{f"tabelas/{key}.tex": _table_text(key, *tables[key]) for key in sorted(tables)},
    }
    changed = [*_written(paths.generated, texts), *_removed(paths.generated, texts)]
    names = frozenset(str(sidecar["name"]) for sidecar in figures)
    return Typeset(frozenset(values), frozenset(tables), names, whole, tuple(changed))


def _check_figure(folder: Path, sidecar: dict[str, Any]) -> None:
    pdf = folder / f"{sidecar['name']}.pdf"
    if pdf.exists() and hashlib.sha256(pdf.read_bytes()).hexdigest() == sidecar["sha256"]:
        return
    raise StaleArtifact(
        "the figure is not the one that its sidecar speaks of.",
        where=str(pdf),
        risk="The page would name hours that the figure does not show.",
        remedy=f"Run the notebook {sidecar['notebook']} again.",
    )


def _merged(said: list[dict[str, Any]], kind: str) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Every key with its record and the notebook's file; a key has one author."""
    merged: dict[str, tuple[Any, dict[str, Any]]] = {}
    for notebook in said:
        for key, record in notebook[kind].items():
            if key in merged:
                raise ManuscriptError(
                    f"the key '{key}' is written by {merged[key][1]['notebook']} too.",
                    where=notebook["notebook"],
                    risk="The page would print either number.",
                    remedy=f"Rename one; or delete the file in {VALUES}/ of a notebook that "
                    "no longer exists.",
                )
            merged[key] = record, notebook
    return merged


def _whole(records: list[dict[str, Any]]) -> Vintage | None:
    """The vintage of everything printed: the newest event, the lowest coverage."""
    vintages = [Vintage.from_record(record) for record in records]
    if not vintages:
        return None
    newest = [v.newest_event for v in vintages if v.newest_event]
    return Vintage(
        start=min(v.start for v in vintages),
        end=max(v.end for v in vintages),
        newest_event=max(newest) if newest else None,
        coverage=min(v.coverage for v in vintages),
        rows=max(v.rows for v in vintages),
        content_hash="",
        simulated=any(v.simulated for v in vintages),
        attribution="; ".join(dict.fromkeys(v.attribution for v in vintages if v.attribution)),
    )


def _value_line(key: str, record: dict[str, Any]) -> str:
    value = record["value"]
    if value == MISSING:
        return rf"\tccsemval{{{key}}}" + "\n"
    if isinstance(value, str):
        printed = latex.escape(value)
    else:
        printed = latex.quantity(value, record["unit"], record["digits"], record["uncertainty"])
    return rf"\tccdefval{{{key}}}{{{printed}}}" + "\n"


def _figure_line(sidecar: dict[str, Any]) -> str:
    caption = latex.escape(sidecar["caption"]) + (SIMULATED if sidecar["simulated"] else "")
    origin = _origin(Vintage.from_record(sidecar), sidecar["time_zone"], sidecar["source"])
    return rf"\tccdeffig{{{sidecar['name']}}}{{{caption}}}{{{origin}}}" + "\n"


def _origin(vintage: Vintage, time_zone: str, source: str = "") -> str:
    """The Fonte line: who made it, from whose series, and up to when the data goes."""
    made = latex.escape(source) if source else r"\TCCautoria"
    recorded = "" if vintage.simulated else vintage.attribution.rstrip(". ")
    series = f", a partir de {latex.escape(recorded)}" if recorded else ""
    return f"{made}{series}; {latex.escape(vintage.sentence(time_zone))}."


def _situation(whole: Vintage | None, time_zone: str) -> str:
    """Whether the data is simulated, and the vintage of the whole."""
    simulated = whole is not None and whole.simulated
    newest = whole.newest_event if whole else None
    sentence = whole.sentence(time_zone) if whole else "sem dados"
    year = brazilian(newest, time_zone).split(",")[0].split()[-1] if newest else ""
    lines = (
        rf"\TCCsimulado{'true' if simulated else 'false'}",
        rf"\def\TCCalcance{{{latex.escape(sentence)}}}",
        rf"\def\TCCanodosdados{{{year}}}",
        rf"\def\TCCatribuicao{{{latex.escape(_whose(whole))}}}",
    )
    return "\n".join(lines) + "\n"


def _whose(whole: Vintage | None) -> str:
    """Whose series it is, as a sentence; nothing for simulated and for own measurements."""
    attribution = whole.attribution.rstrip(". ") if whole and not whole.simulated else ""
    return f"{attribution}." if attribution else ""


def _provenance(said: list[dict[str, Any]], figures: list[dict[str, Any]]) -> str:
    """A table of what stands on which hours, for the appendix."""
    rows = [*_provenance_rows(said, figures)]
    spec, head, body = latex.tabular(
        ("Item", "Caderno", "Até (UTC)", "Registros", "Cob. (%)", "Resumo"),
        (None, None, None, 0, 1, None),
        rows,
    )
    return f"\\tccprocedencia{{{spec}}}{{{head}}}{{%\n{body}}}\n"


def _provenance_rows(
    said: list[dict[str, Any]], figures: list[dict[str, Any]]
) -> Iterator[list[Any]]:
    items = [(s["name"], s["notebook"], s) for s in figures]
    items += [(key, s["notebook"], s["vintage"]) for s in said for key in sorted(s["tables"])]
    items += [("valores no texto", s["notebook"], s["vintage"]) for s in said if s["values"]]
    for name, notebook, vintage in items:
        newest = vintage["newest_event"]
        when = newest[:16].replace("T", " ") if newest else None
        coverage = floored_percent(vintage["coverage"])
        yield [name, notebook, when, vintage["rows"], coverage, vintage["content_hash"][:12]]


def _table_text(key: str, record: dict[str, Any], notebook: dict[str, Any]) -> str:
    vintage = Vintage.from_record(notebook["vintage"])
    headers, digits = zip(*record["columns"], strict=True)
    spec, head, body = latex.tabular(headers, digits, record["rows"])
    caption = latex.escape(record["caption"]) + (SIMULATED if vintage.simulated else "")
    macro = "tcctabelalonga" if len(record["rows"]) > latex.LONGEST_FLOAT else "tcctabela"
    origin = _origin(vintage, notebook["time_zone"])
    return f"\\{macro}{{{key}}}{{{caption}}}{{{origin}}}{{{spec}}}{{{head}}}{{%\n{body}}}\n"


def _written(generated: Path, texts: dict[str, str]) -> Iterator[Path]:
    for name, text in texts.items():
        target = generated / name
        if not target.exists() or target.read_text("utf-8") != HEAD + text:
            yield write_text(target, HEAD + text)


def _removed(generated: Path, texts: dict[str, str]) -> Iterator[Path]:
    """Tables that nothing writes any more."""
    for file in sorted((generated / "tabelas").glob("*.tex")):
        if f"tabelas/{file.name}" not in texts:
            file.unlink()
            yield file
