"""Two states of the printed page beside each other, with what changed marked.

Belongs here: keeping the text of each run with its values filled in, finding an earlier state,
latexdiff. Does not belong here: filling in the values (`manuscript.py`), LaTeX (`latexmk.py`).

A state is a run that set the page, a commit of the text (with today's values), or `now`. Figures
are those in place: a picture is not compared.
"""

import gzip
import io
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from lib import latexmk, manuscript, provenance
from lib.errors import ConfigError, LatexMissing, TypesettingFailed
from lib.files import replacing, write_text
from lib.paths import ROOT, TCC, Paths
from lib.typesetting import Typeset, typeset

KEPT = "page.tex.gz"
NOW = "now"
NAME = "diferenca"
TIMEOUT_S = 300.0
# Numbers with their unit and links are one word each; CFONT marks by colour and size, because
# what underlines (ulem) breaks on siunitx.
SAFE = "num,qty,unit,tccligar,texteuro,ensuremath,TCCautoria"
OPTIONS = ("--type=CFONT", "--encoding=utf8", "--graphics-markup=none", "--no-label")
_CHANGE = re.compile(r"\\DIF(?:add|del)begin")


@dataclass(frozen=True)
class Difference:
    """The PDF with what changed marked, and how many changes; no PDF where there is none."""

    pdf: Path | None
    changes: int


def keep(paths: Paths, flat: str) -> Path | None:
    """Keep the text as printed with the newest run; one that is the same takes no room of its own.

    It goes when the run's folder goes.
    """
    if (folder := provenance.newest_run(paths)) is None or not flat:
        return None
    target, content = folder / KEPT, gzip.compress(flat.encode(), mtime=0)
    before = max(paths.runs.glob(f"[0-9]*/{KEPT}"), default=None)
    if target.exists() and target.read_bytes() == content:
        return target
    with replacing(target) as new:
        if before and before != target and before.read_bytes() == content:
            os.link(before, new)
        else:
            new.write_bytes(content)
    return target


def diff(paths: Paths, old: str, new: str = NOW, *, source: Path = TCC) -> Difference:
    """Set a PDF of the page's new state with what changed since the old one marked.

    Raises ConfigError for a state that is not known, LatexMissing, TypesettingFailed.
    """
    if not shutil.which("latexdiff"):
        raise LatexMissing(
            "latexdiff is not installed, so no difference can be shown.",
            risk="Nothing else needs it.",
            remedy=latexmk.install(),
        )
    ready = typeset(paths)
    texts = [state(paths, name, ready, source=source) for name in (old, new)]
    if texts[0] == texts[1]:
        return Difference(None, 0)
    folder = paths.latex / NAME
    _sources(source, folder)
    marked = _marked(folder, *texts)
    write_text(folder / f"{NAME}.tex", marked, durable=False)
    inputs = (paths.generated.parent, paths.figures)
    job = latexmk.Job(folder, NAME, folder / "build", inputs, 0)
    latexmk.run(job, timeout_s=TIMEOUT_S)
    with replacing(pdf := paths.latex / f"{NAME}.pdf") as temporary:
        shutil.copyfile(job.pdf, temporary)
    body = marked.partition(r"\begin{document}")[2]
    return Difference(pdf, len(_CHANGE.findall(body)))


def state(paths: Paths, name: str, ready: Typeset, *, source: Path = TCC) -> str:
    """The text of a state, values filled in. Raises ConfigError for one that is not known."""
    if name == NOW:
        return manuscript.read(source, ready).flat
    folder = paths.runs / name
    if (folder / KEPT).is_file():
        return gzip.decompress((folder / KEPT).read_bytes()).decode()
    if not folder.is_dir() and (text := _of_commit(name, ready)):
        return text
    known = sorted(one.parent.name for one in paths.runs.glob(f"[0-9]*/{KEPT}"))
    raise ConfigError(
        f"'{name}' is neither a run that set the page nor a commit of the text.",
        where=str(paths.runs),
        remedy=f"Name two of: {', '.join([*known[-6:], NOW])}, or a commit.",
    )


def _of_commit(name: str, ready: Typeset) -> str:
    """The text as it was in a commit, with the values of now; empty where there is none."""
    if name.startswith("-") or not (git := shutil.which("git")):
        return ""
    command = [git, "-C", str(ROOT), "archive", "--format=zip", name, TCC.name]
    done = subprocess.run(command, capture_output=True, timeout=60)
    if done.returncode != 0:
        return ""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(io.BytesIO(done.stdout)) as archive:
            archive.extractall(folder)
        return manuscript.read(Path(folder) / TCC.name, ready).flat


def _sources(source: Path, folder: Path) -> None:
    """Put what the text reads besides, but its chapters, beside the marked text."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in manuscript.files(source, ("*.sty", "*.bib", "*.bst")):
        shutil.copyfile(file, folder / file.name)


def _marked(folder: Path, old: str, new: str) -> str:
    """The new text, with what changed marked. Raises TypesettingFailed."""
    names = [
        str(write_text(folder / f"{name}.tex", text, durable=False))
        for name, text in (("antes", old), ("depois", new))
    ]
    command = ["latexdiff", *OPTIONS, f"--append-safecmd={SAFE}", *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    if done.returncode == 0 and done.stdout:
        return done.stdout
    raise TypesettingFailed(
        f"latexdiff: {done.stderr.strip()[-300:]}",
        where=names[1],
        risk="No difference is shown; the page stays as it is.",
        remedy="Compare states that lie nearer to each other.",
    )
