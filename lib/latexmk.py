"""Running LaTeX and saying what stopped it.

Belongs here: the command, its environment and deadline, the reading of its log. Does not
belong here: which document, and what becomes of the PDF (`monograph.py`).
"""

import hashlib
import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lib.credentials import secret_values
from lib.errors import LatexMissing, TypesettingFailed
from lib.paths import TCC

PACKAGES = TCC / "debian-packages.txt"
STAYS = "The last good PDF stays."
_ERROR = re.compile(r"^(?P<file>[^:\n]+):(?P<line>\d+): (?P<message>.+)$", re.MULTILINE)
_MISSING = re.compile(r"^! LaTeX Error: (File `.+' not found)", re.MULTILINE)
_BIBTEX = re.compile(r"^(?P<message>.+)---line (?P<line>\d+) of file (?P<file>.+)$", re.MULTILINE)
_UNDEFINED = re.compile(r"^LaTeX Warning: ((?:Citation|Reference) .+? undefined)", re.MULTILINE)
_TOO_WIDE = re.compile(r"^(Overfull \\hbox \((\d+\.\d+)pt too wide\).*)", re.MULTILINE)
_NO_GLYPH = re.compile(r"^Missing character: (There is no .+? in font \S+?)!?$", re.MULTILINE)
_BRACKET = re.compile(r"\((?:([^\s()]+\.\w+))?|\)")
_SHOWN = re.compile(r"^(?:Over|Under)full .*\n(?:.+\n)*", re.MULTILINE)
_PAGES = re.compile(r"Output written on .*?\((\d+) pages?", re.DOTALL)
WIDEST_PT = 5.0
# What a run that stopped half-way may leave torn; the log stays.
_CARRIED = ("aux", "bbl", "lof", "lot", "out", "toc", "brf", "idx")
_AUXILIARY = (*_CARRIED, "fls", "fdb_latexmk")
MOST_RUNS = 5


@dataclass(frozen=True)
class Job:
    """One document: where it lies, where its output goes, what it reads besides.

    `inputs` are folders asked before the document's own; `epoch` is the date printed. [s]
    """

    folder: Path
    name: str
    output: Path
    inputs: tuple[Path, ...]
    epoch: int

    @property
    def log(self) -> Path:
        """LaTeX's log."""
        return self.output / f"{self.name}.log"

    @property
    def pdf(self) -> Path:
        """The PDF, before anybody accepted it."""
        return self.output / f"{self.name}.pdf"


def run(job: Job, *, timeout_s: float) -> None:
    """Run LaTeX and BibTeX until nothing changes any more.

    latexmk alone ends too early at times: it tells versions of a file apart by size and whole
    seconds, and two passes in one second may change page numbers in the contents only.
    Raises TypesettingFailed and LatexMissing.
    """
    for _ in range(MOST_RUNS):
        before = _auxiliary(job)
        _latexmk(job, timeout_s)
        if _auxiliary(job) == before:
            return
    raise _failed(
        f"The contents or references still change after {MOST_RUNS} runs",
        where=str(job.log),
        remedy="Look for text that depends on its own page number.",
    )


def _auxiliary(job: Job) -> dict[str, str]:
    """What a pass leaves for the next one: the hash of each auxiliary file."""
    found = (file for kind in _CARRIED for file in job.output.rglob(f"*.{kind}"))
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in found}


def _latexmk(job: Job, timeout_s: float) -> None:
    if not (latexmk := shutil.which("latexmk")):
        raise LatexMissing(
            "LaTeX is not installed, so there is no PDF.",
            risk="Everything else is done: data, figures and numbers.",
            remedy=install(),
        )
    job.output.mkdir(parents=True, exist_ok=True)
    job.log.unlink(missing_ok=True)
    modes = ("-halt-on-error", "-file-line-error", "-interaction=nonstopmode")
    command = [latexmk, "-norc", "-pdf", "-g", *modes, f"-outdir={job.output}", f"{job.name}.tex"]
    process = subprocess.Popen(
        command,
        cwd=job.folder,
        env=_environment(job),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        said = process.communicate(timeout=timeout_s)[0].decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        raise _failed(
            f"LaTeX did not finish within {timeout_s:g} s",
            where=str(job.log),
            remedy="Read the end of the log; a macro that calls itself never ends.",
        ) from None
    finally:
        if process.returncode is None:  # Ctrl+C does not reach a session of its own
            _stop(process)
            _forget(job)
    if process.returncode != 0 or not job.pdf.exists():
        _forget(job)
        raise _explained(job, said)


def _environment(job: Job) -> dict[str, str]:
    """Folders to read from, a fixed date, and log lines that are not broken at 79 characters.

    Secrets stay out: LaTeX needs none, and what it prints is kept.
    """
    folders, secrets = ":".join(map(str, (*job.inputs, "."))), secret_values()
    plain = {name: value for name, value in os.environ.items() if value not in secrets}
    return plain | {
        "TEXINPUTS": f"{folders}:",
        "BIBINPUTS": f"{job.folder}:",
        "BSTINPUTS": f"{job.folder}:",
        "SOURCE_DATE_EPOCH": str(job.epoch),
        "FORCE_SOURCE_DATE": "1",
        "max_print_line": "2000",
        "error_line": "254",
        "half_error_line": "238",
    }


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End latexmk and what it started, by their own process group."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _forget(job: Job) -> None:
    """Remove auxiliary files that may be torn, so that they cannot stop the next run."""
    for suffix in _AUXILIARY:
        (job.output / f"{job.name}.{suffix}").unlink(missing_ok=True)


def _explained(job: Job, said: str) -> TypesettingFailed:
    """The first error, by its file and line."""
    log, bibliography = _text(job.log), _text(job.log.with_suffix(".blg"))
    found = _ERROR.search(log) or _BIBTEX.search(bibliography)
    if found is None:
        last = next((line for line in reversed(said.splitlines()) if line.strip()), "no output")
        return _failed(f"latexmk: {last.strip()}", where=str(job.log), remedy="Read the log.")
    missing = _MISSING.search(log)
    message = missing[1] if missing else found["message"].strip().rstrip(".")
    remedy = install() if re.search(r"File `.+' not found", message) else "Correct that line."
    file = Path(found["file"])
    place = file if file.is_absolute() else job.folder.name / file
    where = f"{place}:{found['line']}"
    return _failed(message, where=where, remedy=f"{remedy} Log: {job.log}")


def _failed(what: str, *, where: str, remedy: str) -> TypesettingFailed:
    return TypesettingFailed(f"{what}.", where=where, risk=STAYS, remedy=remedy)


def install() -> str:
    """The command that installs all that the document needs."""
    packages = " ".join(PACKAGES.read_text("utf-8").split())
    return f"Run: sudo apt-get install --no-install-recommends {packages}"


def _text(file: Path) -> str:
    return file.read_text("utf-8", "replace") if file.exists() else ""


def pages(job: Job) -> int:
    """How many pages the last run wrote."""
    found = _PAGES.search(_text(job.log))
    return int(found[1]) if found else 0


def warnings(job: Job) -> tuple[str, ...]:
    """Undefined references, glyphs that no font has, lines that are more than 5 pt too wide.

    A line too wide is named by file and lines, because TeX itself names only the lines.
    """
    text = _text(job.log)
    missing = [f"Missing glyph: {found}" for found in _NO_GLYPH.findall(text)]
    wide = [
        f"{_open_at(text[: found.start()])}: {found[1]}"
        for found in _TOO_WIDE.finditer(text)
        if float(found[2]) > WIDEST_PT
    ]
    return tuple(dict.fromkeys([*_UNDEFINED.findall(text), *missing, *wide]))


def _open_at(log: str) -> str:
    """The file that TeX was reading at the end of a log: it brackets each file by ( and ).

    The text of a line that TeX shows, below a word of its width, has brackets of its own.
    """
    opened: list[str] = []
    for bracket in _BRACKET.finditer(_SHOWN.sub("", log)):
        if bracket[0] != ")":
            opened.append(bracket[1])
        elif opened:
            opened.pop()
    return next((name for name in reversed(opened) if name), "?").removeprefix("./")
