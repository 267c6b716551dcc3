"""On which hours, which data and which code a printed thing stands, as the page says it.

Belongs here: the Fonte line, the stamp, the table of the appendix, the executed notebook behind
a number, and what of the page is older than the rest. Does not belong here: the vintage itself
(`page.py`), values and tables (`typesetting.py`).

The version is the commit of the code that a notebook ran with, as its values and the sidecars of
its figures say: it changes with what was computed, not with each commit.
"""

import filecmp
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import latex
from lib.errors import ManuscriptError
from lib.page import VALUES, Vintage, read_json
from lib.paths import Paths
from lib.portuguese import floored_percent
from lib.times import brazilian

EXECUTED = "cadernos"
SHOWN_HASH, SHOWN_COMMIT = 12, 7
Record = dict[str, Any]


@dataclass(frozen=True)
class Origin:
    """What one notebook's output stands on: its vintage, version and executed copy."""

    vintage: Vintage
    time_zone: str
    version: str = ""
    executed: str = ""

    def sentence(self) -> str:
        """Up to when the data goes, its coverage and the version, as LaTeX."""
        version = f", versão {self.version}" if self.version else ""
        return latex.escape(self.vintage.sentence(self.time_zone) + version)

    def linked(self) -> str:
        """The sentence as a link to the executed notebook, where there is one."""
        said = self.sentence()
        return rf"\tccligar{{{self.executed}}}{{{said}}}" if self.executed else said

    def source(self, made: str = "") -> str:
        """The Fonte line: who made it, from whose series, and up to when the data goes."""
        author = latex.escape(made) if made else r"\TCCautoria"
        recorded = "" if self.vintage.simulated else self.vintage.attribution.rstrip(". ")
        series = f", a partir de {latex.escape(recorded)}" if recorded else ""
        return f"{author}{series}; {self.linked()}."


def origins(paths: Paths, said: list[Record], figures: list[Record]) -> dict[str, Origin]:
    """What each notebook's output stands on, by its name."""
    drawn = {sidecar["notebook"]: sidecar["code_version"] for sidecar in figures}
    found = {}
    for record in said:
        name = record["notebook"]
        vintage = Vintage.from_record(record["vintage"])
        executed = _executed(paths, name)
        version = record.get("code_version") or drawn.get(name, "")
        found[name] = Origin(vintage, record["time_zone"], _commit(version), executed)
    return found


def of_figure(sidecar: Record, known: dict[str, Origin]) -> Origin:
    """What a figure stands on, by its own sidecar."""
    executed = known[sidecar["notebook"]].executed if sidecar["notebook"] in known else ""
    version = _commit(sidecar["code_version"])
    return Origin(Vintage.from_record(sidecar), sidecar["time_zone"], version, executed)


def _commit(code_version: str) -> str:
    """The short commit of a version such as 0.1.0+753a5e686359; without one, the version."""
    version, _, commit = code_version.partition("+")
    return commit[:SHOWN_COMMIT] or version


# ---- The run behind a number --------------------------------------------------------------


def _executed(paths: Paths, notebook: str) -> str:
    """The address, from the PDF, of a link to the executed notebook that wrote what is printed.

    The address is always the same, so that a new run by itself is no reason to set the page.
    """
    link = paths.generated / EXECUTED / f"{notebook}.html"
    folder = standing(paths, notebook)[0]
    if folder is None or not (folder / link.name).exists():
        link.unlink(missing_ok=True)
        return ""
    link.parent.mkdir(parents=True, exist_ok=True)
    target = os.path.relpath(folder / link.name, link.parent)
    if not link.is_symlink() or link.readlink() != Path(target):
        new = link.with_name(f".{link.name}.{os.getpid()}")
        new.unlink(missing_ok=True)
        new.symlink_to(target)
        new.replace(link)
    return os.path.relpath(link, paths.pdf.parent)


def standing(paths: Paths, notebook: str) -> tuple[Path | None, Path | None]:
    """The newest run that wrote a notebook's values as they are printed, and a newer good one.

    The newer one wrote others, which did not come to the page.
    """
    printed, newer = paths.generated / VALUES / f"{notebook}.json", None
    for folder in _newest_first(paths.runs):
        wrote = folder / VALUES / printed.name
        if not wrote.exists() or not printed.exists():
            continue
        if filecmp.cmp(wrote, printed, shallow=False):
            return folder, newer
        newer = newer or (folder if _went_well(folder) else None)
    return None, newer


def _newest_first(runs: Path) -> list[Path]:
    folders = [one for one in runs.glob("[0-9]*Z*") if one.is_dir()]
    return sorted(folders, key=lambda one: _order(one.name), reverse=True)


def newest_run(paths: Paths) -> Path | None:
    """The folder of the newest run: the one that is setting the page, or that set it last."""
    return next(iter(_newest_first(paths.runs)), None)


def _order(name: str) -> tuple[str, int]:
    instant, _, number = name.partition("-")
    return instant, int(number) if number.isdigit() else 1


def _went_well(folder: Path) -> bool:
    try:
        return bool(read_json(folder / "run.json").get("ok"))
    except ManuscriptError:  # cut short, or under way
        return False


def stale(paths: Paths, said: list[Record]) -> dict[str, str]:
    """Notebooks whose output is older than the rest of the page, each with the reason why."""
    if not said:
        return {}
    found = {}
    newest = max(said, key=lambda one: one["vintage"]["newest_event"] or "")
    for one in said:
        name, newer = one["notebook"], standing(paths, one["notebook"])[1]
        if newer:
            found[name] = f"the run {newer.name} wrote other numbers, which are not on the page"
        elif one["vintage"]["content_hash"] != newest["vintage"]["content_hash"]:
            found[name] = f"it stands on other data than {newest['notebook']}"
    return found


# ---- The whole ----------------------------------------------------------------------------


def whole(records: Iterable[Record]) -> Vintage | None:
    """The vintage of everything printed: the newest event, the lowest coverage."""
    vintages = [Vintage.from_record(record) for record in records]
    if not vintages:
        return None
    newest = [v.newest_event for v in vintages if v.newest_event]
    hashes = sorted({v.content_hash[:SHOWN_HASH] for v in vintages})
    return Vintage(
        start=min(v.start for v in vintages),
        end=max(v.end for v in vintages),
        newest_event=max(newest) if newest else None,
        coverage=min(v.coverage for v in vintages),
        rows=max(v.rows for v in vintages),
        content_hash=", ".join(hashes),
        simulated=any(v.simulated for v in vintages),
        attribution="; ".join(dict.fromkeys(v.attribution for v in vintages if v.attribution)),
    )


def stamp(vintage: Vintage | None, known: Iterable[Origin], time_zone: str) -> str:
    """The definitions behind \\tccselo: window, hash of the data, commits of the code."""
    versions = ", ".join(sorted({one.version for one in known if one.version}))
    window = _window(vintage, time_zone) if vintage else ""
    told = {"TCCjanela": window, "TCCresumodados": vintage.content_hash if vintage else ""}
    lines = [rf"\def\{n}{{{latex.escape(t)}}}" for n, t in told.items() if t]
    return "\n".join([*lines, *([rf"\def\TCCversao{{{versions}}}"] if versions else [])]) + "\n"


def _window(vintage: Vintage, time_zone: str) -> str:
    return f"{brazilian(vintage.start, time_zone)} a {brazilian(vintage.end, time_zone)}"


def table(said: list[Record], figures: list[Record]) -> str:
    """A table of what stands on which hours, for the appendix."""
    spec, head, body = latex.tabular(
        ("Item", "Caderno", "Até (UTC)", "Registros", "Cob. (%)", "Resumo"),
        (None, None, None, 0, 1, None),
        list(_rows(said, figures)),
    )
    return f"\\tccprocedencia{{{spec}}}{{{head}}}{{%\n{body}}}\n"


def _rows(said: list[Record], figures: list[Record]) -> Iterator[list[Any]]:
    items = [(s["name"], s["notebook"], s) for s in figures]
    items += [(key, s["notebook"], s["vintage"]) for s in said for key in sorted(s["tables"])]
    items += [("valores no texto", s["notebook"], s["vintage"]) for s in said if s["values"]]
    for name, notebook, vintage in items:
        newest = vintage["newest_event"]
        when = newest[:16].replace("T", " ") if newest else None
        coverage = floored_percent(vintage["coverage"])
        yield [name, notebook, when, vintage["rows"], coverage, vintage["content_hash"][:12]]
