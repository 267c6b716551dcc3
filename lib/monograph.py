"""From the text and the generated files to the monograph's PDF.

Belongs here: whether there is anything to do, and which keys are unknown. Does not belong here:
what the generated files say (`typesetting.py`), reading the text (`manuscript.py`), judging claims
(`claims.py`), what is worth saying of keys (`text_findings.py`), LaTeX (`latexmk.py`).
"""

import fcntl
import hashlib
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import claim_language, claims, frozen, latexdiff, latexmk, manuscript, text_findings
from lib.claims import Judged
from lib.errors import ManuscriptError, NothingToPrint, StaleArtifact, UnknownValue
from lib.files import replacing
from lib.manuscript import MAIN, TEXTS, Text, Use
from lib.page import read_json, write_json
from lib.paths import TCC, Paths
from lib.typesetting import Typeset, typeset

TIMEOUT_S = 300.0
SOURCES = (*TEXTS, "*.sty", "*.bib", "*.bst")
DATED = frozenset({r"\today", r"\year", r"\month", r"\day"})
STAMPED = frozenset({r"\tccselo", r"\TCCjanela", r"\TCCresumodados", r"\TCCversao"})


@dataclass(frozen=True)
class Built:
    """The PDF, its pages, how long it took [s], and whether LaTeX ran at all.

    `warnings` are undefined references, lines more than 5 pt too wide and missing glyphs;
    `findings` are unused and stale keys and claims that hold by less than their uncertainty;
    `claims` are those that were judged: they all hold.
    """

    pdf: Path
    pages: int
    seconds: float
    rebuilt: bool
    warnings: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    claims: tuple[Judged, ...] = ()


def build(paths: Paths, *, source: Path = TCC, timeout_s: float = TIMEOUT_S) -> Built:
    """Typeset the monograph of a store; LaTeX runs only when something printed has changed.

    Where a frozen state is pinned, of that. Raises UnknownValue for a key that nothing wrote,
    FalseClaim and ClaimError, StaleArtifact, and TypesettingFailed; the last good PDF stays in
    each case.
    """
    started, live = time.monotonic(), paths
    paths = frozen.printed(live)
    with _alone(paths.latex):
        ready, text = checked(paths, source)
        judged = claims.judge(text.claims, ready.records)
        job = _job(paths, source, ready)
        inputs = _fingerprint(paths, job, ready, text)
        held = _held(paths, inputs)
        rebuilt = held is None
        if held is None:
            latexmk.run(job, timeout_s=timeout_s)
            held = _accept(paths, job, inputs)
        found = text_findings.of(ready, text, judged)
        _note(paths, held, judged, found, text_findings.unused(ready, text))
        latexdiff.keep(live, text.flat)
    seconds = time.monotonic() - started
    kept = tuple(held["warnings"]), tuple(found), tuple(judged)
    return Built(paths.pdf, held["pages"], seconds, rebuilt, *kept)


def checked(paths: Paths, source: Path = TCC) -> tuple[Typeset, Text]:
    """What the notebooks said and what the text makes of it; every key of the text is known.

    Raises NothingToPrint, UnknownValue, ClaimError and StaleArtifact.
    """
    try:
        ready = typeset(paths)
    except StaleArtifact as error:
        raise _placed(error, source) from None
    if ready.vintage is not None and ready.vintage.newest_event is None:
        raise _nothing(paths)
    return ready, check_keys(source, ready)


def _placed(error: StaleArtifact, source: Path) -> StaleArtifact:
    """The same error with the places of the text that use the figure."""
    name = Path(error.where).stem
    places = manuscript.places(source, "figdata", name)
    used = f" The text uses it at {', '.join(places)}." if places else ""
    risk = error.risk + used
    return StaleArtifact(error.what, where=error.where, risk=risk, remedy=error.remedy)


def _nothing(paths: Paths) -> NothingToPrint:
    return NothingToPrint(
        "no log row has come yet, so there is no page.",
        where=str(paths.data),
        risk="The last good PDF, if there is one, stays.",
        remedy="Next: tcc run; if it lasts, see tcc status.",
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one build of a store run at a time; the next one waits."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def check_keys(source: Path, ready: Typeset) -> Text:
    """Read the text, and make sure that each key in it was written. Raises UnknownValue."""
    text = manuscript.read(source, ready)
    known = {
        **dict.fromkeys(("sehaval", "val", "valsafra"), ready.values),
        **{"figdata": ready.figures, "tabdata": ready.tables},
    }
    unknown = [use for use in text.uses if use.key not in known[use.command]]
    if unknown:
        raise _unknown(unknown, known[unknown[0].command])
    for claim in (*text.claims, *text.idle):
        for key in claim_language.keys(claim):
            if key not in ready.values:
                raise claim_language.unknown(claim, key, ready.values)
    return text


def _unknown(unknown: list[Use], known: frozenset[str]) -> UnknownValue:
    first = unknown[0]
    others = [f"\\{use.command}{{{use.key}}} ({use.where})" for use in unknown[1:4]]
    also = f"; nor {', '.join(others)}" if others else ""
    more = f" and {len(unknown) - 4} more" if len(unknown) > 4 else ""
    suggestion = claim_language.suggestion(first.key, known)
    return UnknownValue(
        f"nothing wrote \\{first.command}{{{first.key}}}{also}{more}.",
        where=first.where,
        risk=latexmk.STAYS,
        remedy=suggestion or "Correct the key, or run the notebook that writes it: tcc run.",
    )


def _note(
    paths: Paths, held: dict[str, Any], judged: list[Judged], found: list[str], left: list[str]
) -> None:
    """Enter what was judged and found into the record of the build, where it is news."""
    told = {"claims": [one.record() for one in judged], "findings": found, "unused": left}
    if any(held.get(name) != value for name, value in told.items()):
        write_json(_record(paths), held | told)


# ---- Whether there is anything to do ------------------------------------------------------


def _job(paths: Paths, source: Path, ready: Typeset) -> latexmk.Job:
    newest = ready.vintage.newest_event if ready.vintage else None
    return latexmk.Job(
        folder=source,
        name=MAIN,
        output=paths.latex,
        inputs=(paths.generated.parent, paths.figures),
        epoch=int(newest.timestamp()) if newest else 0,
    )


def _fingerprint(paths: Paths, job: latexmk.Job, ready: Typeset, text: Text) -> str:
    """A hash of what can change the PDF: the text, and all that it prints of values and figures.

    The date counts only where the text prints one. Where the text puts keys together by macros
    of its own, everything that was generated counts.
    """
    seen = [f"{f.relative_to(job.folder).as_posix()} {_sha256(f)}" for f in _files(job.folder)]
    generated = ("*.tex", "tabelas/*.tex") if text.composed else ()
    seen += [f"{f.name} {_sha256(f)}" for f in manuscript.files(paths.generated, generated)]
    seen += [f"{job.epoch}"] if text.composed or text.words & DATED else []
    seen += [f"{ready.simulated} {ready.words}"] if text.composed else _words(ready, text)
    for use in text.uses:
        if use.printed or text.composed:
            seen.append(f"{use.command} {use.key} {_as_printed(paths, ready, use)}")
    return hashlib.sha256("\n".join(seen).encode()).hexdigest()


def _files(source: Path) -> list[Path]:
    return manuscript.files(source, SOURCES)


def _words(ready: Typeset, text: Text) -> list[str]:
    """What is printed of the whole: what tcc.sty prints by itself, and what the text asks for."""
    asked = {r"\TCCatribuicao"} | text.words
    if text.words & STAMPED:
        asked |= {r"\tccselo", r"\TCCalcance"}
    said = [f"{word} {printed}" for word, printed in ready.words.items() if word in asked]
    return [f"simulated {ready.simulated}", *said]


def _as_printed(paths: Paths, ready: Typeset, use: Use) -> str:
    if use.command == "sehaval":
        return str(use.key in ready.missing)
    printed = ready.printed[use.command, use.key]
    if use.command == "figdata":
        return f"{printed} {_sha256(paths.figures / f'{use.key}.pdf')}"
    return printed


def _held(paths: Paths, inputs: str) -> dict[str, Any] | None:
    """What is known of the PDF in place, if it was made of these inputs."""
    try:
        held = read_json(_record(paths))
    except ManuscriptError:
        return None
    same = held.get("inputs") == inputs and paths.pdf.exists()
    return held if same and held.get("pdf") == _sha256(paths.pdf) else None


def _record(paths: Paths) -> Path:
    return paths.latex / "build.json"


def _accept(paths: Paths, job: latexmk.Job, inputs: str) -> dict[str, Any]:
    """Put a good PDF, and the geometry that LaTeX measured, in their places."""
    _place(job.pdf, paths.pdf)
    _place(job.output / "geometry.json", paths.generated / "geometry.json")
    held = {
        "inputs": inputs,
        "pdf": _sha256(paths.pdf),
        "pages": latexmk.pages(job),
        "warnings": list(latexmk.warnings(job)),
    }
    write_json(_record(paths), held)
    return held


def _place(source: Path, target: Path) -> None:
    if source.exists():
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
