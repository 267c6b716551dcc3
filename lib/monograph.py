"""From the text and the generated files to the monograph's PDF.

Belongs here: checking the keys that the text uses, and whether there is anything to do.
Does not belong here: what the generated files say (`typesetting.py`), LaTeX (`latexmk.py`).
"""

import difflib
import fcntl
import hashlib
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import latexmk
from lib.errors import ManuscriptError, NothingToPrint, UnknownValue
from lib.files import replacing
from lib.page import read_json, write_json
from lib.paths import TCC, Paths
from lib.typesetting import Typeset, typeset

MAIN = "monografia"
TIMEOUT_S = 300.0
TEXTS = ("*.tex", "capitulos/**/*.tex")
SOURCES = (*TEXTS, "*.sty", "*.bib", "*.bst")
_COMMAND = re.compile(r"\\(sehaval|val|figdata|tabdata)\s*\{\s*([^{}#]*?)\s*\}")
_COMMENT = re.compile(r"(?<!\\)%.*")


@dataclass(frozen=True)
class Built:
    """The PDF, its pages, how long it took [s], and whether LaTeX ran at all.

    `warnings` are undefined references and lines more than 5 pt too wide.
    """

    pdf: Path
    pages: int
    seconds: float
    rebuilt: bool
    warnings: tuple[str, ...] = ()


def build(paths: Paths, *, source: Path = TCC, timeout_s: float = TIMEOUT_S) -> Built:
    """Typeset the monograph of a store; LaTeX runs only when something printed has changed.

    Raises UnknownValue for a key that nothing wrote, StaleArtifact, and TypesettingFailed;
    the last good PDF stays in each case.
    """
    started = time.monotonic()
    with _alone(paths.latex):
        ready = typeset(paths)
        if ready.vintage is not None and ready.vintage.newest_event is None:
            raise _nothing(paths)
        check_keys(source, ready)
        job = _job(paths, source, ready)
        inputs = _fingerprint(paths, job)
        held = _held(paths, inputs)
        rebuilt = held is None
        if held is None:
            latexmk.run(job, timeout_s=timeout_s)
            held = _accept(paths, job, inputs)
    seconds = time.monotonic() - started
    return Built(paths.pdf, held["pages"], seconds, rebuilt, tuple(held["warnings"]))


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


def check_keys(source: Path, ready: Typeset) -> None:
    """Make sure that each key the text uses was written. Raises UnknownValue."""
    known = {
        "sehaval": ready.values,
        "val": ready.values,
        "figdata": ready.figures,
        "tabdata": ready.tables,
    }
    unknown = [use for use in _uses(source) if use[2] not in known[use[1]]]
    if not unknown:
        return
    where, command, key = unknown[0]
    others = [f"\\{c}{{{k}}} ({w})" for w, c, k in unknown[1:4]]
    also = f"; nor {', '.join(others)}" if others else ""
    more = f" and {len(unknown) - 4} more" if len(unknown) > 4 else ""
    raise UnknownValue(
        f"nothing wrote \\{command}{{{key}}}{also}{more}.",
        where=where,
        risk=latexmk.STAYS,
        remedy=_suggestion(key, known[command]),
    )


def _uses(source: Path) -> Iterator[tuple[str, str, str]]:
    """Each use of a key in the text: file and line, command, key."""
    for file in _files(source, TEXTS):
        name = f"{source.name}/{file.relative_to(source).as_posix()}"
        for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
            for command, key in _COMMAND.findall(_COMMENT.sub("", line)):
                yield f"{name}:{number}", command, key


def _suggestion(key: str, known: frozenset[str]) -> str:
    if close := difflib.get_close_matches(key, known, n=3):
        return f"Did you mean {' or '.join(close)}?"
    return "Correct the key, or run the notebook that writes it: tcc run."


def _files(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    return sorted({file for pattern in patterns for file in folder.glob(pattern)})


def _job(paths: Paths, source: Path, ready: Typeset) -> latexmk.Job:
    newest = ready.vintage.newest_event if ready.vintage else None
    return latexmk.Job(
        folder=source,
        name=MAIN,
        output=paths.latex,
        inputs=(paths.generated.parent, paths.figures),
        epoch=int(newest.timestamp()) if newest else 0,
    )


def _fingerprint(paths: Paths, job: latexmk.Job) -> str:
    """A hash of all that can change the PDF: text, generated files, figures and date."""
    digest = hashlib.sha256(str(job.epoch).encode())
    for folder, patterns in (
        (job.folder, SOURCES),
        (paths.generated, ("*.tex", "tabelas/*.tex")),
        (paths.figures, ("*.pdf",)),
    ):
        for file in _files(folder, patterns):
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{file.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()


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
