"""What the notebooks said, as the LaTeX files that `tcc/` reads.

Belongs here: values, tables, figures and the vintage of the whole -> `generated/*.tex`, the
same text for the same input. Does not belong here: LaTeX syntax (`latex.py`), what a thing stands
on (`provenance.py`), running LaTeX (`monograph.py`).
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lib import latex, provenance
from lib.errors import ManuscriptError, StaleArtifact
from lib.files import write_text
from lib.latex import Float
from lib.page import VALUES, Vintage, read_json, sidecars
from lib.paths import Paths
from lib.provenance import Origin

HEAD = "% Gerado a cada execução pelos cadernos; não edite.\n"
SIMULATED = " (dados simulados)"
MISSING = "—"  # what a notebook says where there is no number
UNSAID = "---"
Record = dict[str, Any]
Merged = dict[str, tuple[Any, Record]]


@dataclass(frozen=True)
class Typeset:
    """What the page may use: known keys, the vintage of the whole, files that changed.

    `records` are the numbers, `missing` the keys without one, `authors` the notebook of each
    (command, key), `printed` what a command prints of a key as LaTeX, `words` the same of macros
    of the whole, `stale` the notebooks that are older than the rest, each with the reason.
    """

    values: frozenset[str]
    tables: frozenset[str]
    figures: frozenset[str]
    vintage: Vintage | None
    changed: tuple[Path, ...]
    records: Mapping[str, Record] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    authors: Mapping[tuple[str, str], str] = field(default_factory=dict)
    printed: Mapping[tuple[str, str], str] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    stale: Mapping[str, str] = field(default_factory=dict)

    @property
    def simulated(self) -> bool:
        """Whether the text shows what is for simulated data only."""
        return bool(self.vintage and self.vintage.simulated)

    @property
    def recorded(self) -> bool:
        """Whether the series is somebody else's, whom the text names."""
        return bool(_whose(self.vintage))


def typeset(paths: Paths) -> Typeset:
    """Turn all that the notebooks said into LaTeX; a file is written only when it changes.

    Raises ManuscriptError for a key said twice and StaleArtifact for a figure that is not
    the one its sidecar speaks of.
    """
    said = [read_json(file) for file in sorted((paths.generated / VALUES).glob("*.json"))]
    drawn = list(sidecars(paths.figures))
    for sidecar in drawn:
        _check_figure(paths.figures, sidecar)
    content = _Content(said, drawn, provenance.origins(paths, said, drawn))
    texts = content.texts()
    changed = [*_written(paths.generated, texts), *_removed(paths.generated, texts)]
    return Typeset(
        values=frozenset(content.values),
        tables=frozenset(content.tables),
        figures=frozenset(content.figures),
        vintage=content.whole,
        changed=tuple(changed),
        records={key: record for key, (record, _) in content.values.items()},
        missing=frozenset(k for k, (r, _) in content.values.items() if r["value"] == MISSING),
        authors=content.authors(),
        printed=content.printed(),
        words={**content.words(), r"\tccselo": content.stamp(), r"\procedencia": content.table()},
        stale=provenance.stale(paths, said),
    )


def _check_figure(folder: Path, sidecar: Record) -> None:
    pdf = folder / f"{sidecar['name']}.pdf"
    if pdf.exists() and hashlib.sha256(pdf.read_bytes()).hexdigest() == sidecar["sha256"]:
        return
    raise StaleArtifact(
        "the figure is not the one that its sidecar speaks of.",
        where=str(pdf),
        risk="The page would name hours that the figure does not show.",
        remedy=f"Run the notebook {sidecar['notebook']} again.",
    )


class _Content:
    """All that the notebooks said, and the LaTeX of it."""

    def __init__(self, said: list[Record], drawn: list[Record], known: dict[str, Origin]) -> None:
        self.said, self.drawn, self.known = said, drawn, known
        self.values, tables = _merged(said, "values"), _merged(said, "tables")
        spoken = [s["vintage"] for s in said if s["values"] or s["tables"]]
        self.whole = provenance.whole([*spoken, *drawn])
        self.zone = next((item["time_zone"] for item in [*said, *drawn]), "UTC")
        self.tables = {
            key: _table(key, record, known[by["notebook"]]) for key, (record, by) in tables.items()
        }
        self.figures = {
            str(one["name"]): _figure(one, provenance.of_figure(one, known)) for one in drawn
        }
        self._by = {("tabdata", key): str(by["notebook"]) for key, (_, by) in tables.items()}

    def texts(self) -> dict[str, str]:
        """Every generated file but its first line."""
        ordered = sorted(self.values)
        return {
            "valores.tex": "".join(_value_line(key, self.values[key][0]) for key in ordered),
            "figuras.tex": "".join(self.figures[name].macro() for name in sorted(self.figures)),
            "situacao.tex": "\n".join([*self._definitions()]) + "\n",
            "procedencia.tex": self.table() + self.stamp() + "".join(map(self._dated, ordered)),
            **{f"tabelas/{key}.tex": self.tables[key].macro() for key in sorted(self.tables)},
        }

    def printed(self) -> dict[tuple[str, str], str]:
        """What each command prints of each key."""
        dated = {key: f"{_printed(r)} ({self._origin(key)})" for key, (r, _) in self.values.items()}
        return {
            **{("val", key): _printed(record) for key, (record, _) in self.values.items()},
            **{("valsafra", key): text for key, text in dated.items()},
            **{("figdata", name): one.plain() for name, one in self.figures.items()},
            **{("tabdata", key): one.plain() for key, one in self.tables.items()},
        }

    def authors(self) -> dict[tuple[str, str], str]:
        """The notebook that wrote each key."""
        value = {key: str(by["notebook"]) for key, (_, by) in self.values.items()}
        each = {(c, key): n for c in ("val", "valsafra", "sehaval") for key, n in value.items()}
        return each | self._by | {("figdata", s["name"]): s["notebook"] for s in self.drawn}

    def words(self) -> dict[str, str]:
        """What the macros that speak of the whole print."""
        sentence = self.whole.sentence(self.zone) if self.whole else "sem dados"
        whose = _whose(self.whole)
        return {
            r"\TCCalcance": latex.escape(sentence),
            r"\TCCatribuicao": latex.escape(whose) if whose else "",
        }

    def stamp(self) -> str:
        """The definitions behind the stamp of the title page's verso."""
        return provenance.stamp(self.whole, self.known.values(), self.zone)

    def table(self) -> str:
        """The appendix's table of what stands on which hours."""
        return provenance.table(self.said, self.drawn)

    def _definitions(self) -> Iterator[str]:
        yield rf"\TCCsimulado{'true' if self.whole and self.whole.simulated else 'false'}"
        for macro, text in self.words().items():
            yield rf"\def{macro}{{{text}}}"

    def _origin(self, key: str) -> str:
        return self.known[self.values[key][1]["notebook"]].linked()

    def _dated(self, key: str) -> str:
        return rf"\tccdefsafra{{{key}}}{{{self._origin(key)}}}" + "\n"


def _merged(said: list[Record], kind: str) -> Merged:
    """Every key with its record and the notebook's file; a key has one author."""
    merged: Merged = {}
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


def _value_line(key: str, record: Record) -> str:
    if record["value"] == MISSING:
        return rf"\tccsemval{{{key}}}" + "\n"
    return rf"\tccdefval{{{key}}}{{{_printed(record)}}}" + "\n"


def _printed(record: Record) -> str:
    value = record["value"]
    if value == MISSING:
        return UNSAID
    if isinstance(value, str):
        return latex.escape(value)
    return latex.quantity(value, record["unit"], record["digits"], record["uncertainty"])


def _figure(sidecar: Record, origin: Origin) -> Float:
    caption = latex.escape(sidecar["caption"]) + (SIMULATED if sidecar["simulated"] else "")
    return Float(sidecar["name"], caption, origin.source(sidecar["source"]))


def _table(key: str, record: Record, origin: Origin) -> Float:
    headers, digits = zip(*record["columns"], strict=True)
    own = latex.cited(record["source"]) + "." if record.get("source") else ""
    simulated = origin.vintage.simulated and not own
    caption = latex.escape(record["caption"]) + (SIMULATED if simulated else "")
    parts = latex.tabular(headers, digits, record["rows"])
    return Float(
        key, caption, own or origin.source(), parts, len(record["rows"]) > latex.LONGEST_FLOAT
    )


def _whose(whole: Vintage | None) -> str:
    """Whose series it is, as a sentence; nothing for simulated and for own measurements."""
    attribution = whole.attribution.rstrip(". ") if whole and not whole.simulated else ""
    return f"{attribution}." if attribution else ""


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
