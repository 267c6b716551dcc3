"""One notebook evaluated again: on a store as it was, by other code, with other settings.

Belongs here: copies of the project, stores built for a trial, running the notebook on them. Does
not belong here: what runs inside a copy (`swap_job.py`), which trials there are (`why.py`).

All of it lies in a folder of its own beside the store's tables, where hard links cost no room, and
goes when the work is done. What is there of the store is read, and linked, never written.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import as_of, config, grounds, hours, page, redaction, swap_job
from lib.as_of import Known
from lib.errors import NotebookFailed
from lib.paths import CONFIG, NOTEBOOKS, ROOT, TCC, Paths

PREFIX = ".why-"
TIMEOUT_S, LEFT_S = 3600.0, 86_400.0
USERS_OWN = re.compile(r"^(TUYA_|ACCESS_|TCC_)|^(API_ENDPOINT|DEVICE_MAPPING_PATH)$")
COPIED = ("lib", "notebooks")
Record = dict[str, Any]


@dataclass(frozen=True)
class Shop:
    """A folder to try things in, for one notebook of a store."""

    paths: Paths
    notebook: str
    folder: Path

    def build(
        self,
        name: str,
        known: Known,
        root: Path,
        *,
        base: Paths | None = None,
        dates: Collection[str] | None = None,
    ) -> Paths:
        """A store as it was known, built by the code in `root`; of a base, only `dates` anew.

        Raises PipelineError.
        """
        store = self.lay(name, known, base=base, dates=dates if base else None)
        self._do(root, store, dates=sorted(dates or ()) if base else None)
        return store

    def lay(
        self,
        name: str,
        known: Known,
        *,
        base: Paths | None = None,
        dates: Collection[str] | None = None,
    ) -> Paths:
        """A store as it was known, whose tables are those of a base or not made yet."""
        store = Paths.at(self.folder / name)
        as_of.lay(self.paths, store, known, base=base, dates=dates)
        return store

    def from_live(self, known: Known) -> Paths | None:
        """A store as it was known, of the live one's tables, those dates anew that differ.

        None where the live tables do not stand for its journal, now or by other rules: a run may
        be under way. No lock is taken: what changed while the links were made shows afterwards.
        Raises PipelineError.
        """
        settings, live = config.load(), as_of.now(self.paths, known.at)
        dates = hours.differing(known, live)
        if dates is None or not as_of.current(self.paths, settings):
            return None
        store = self.lay("live", known, base=self.paths, dates=dates)
        after = as_of.now(self.paths, known.at)
        if after != live or not as_of.current(self.paths, settings):
            return None
        self._do(ROOT, store, sorted(dates))
        return store

    def value(
        self,
        name: str,
        store: Paths,
        root: Path,
        parameters: Mapping[str, Any],
        key: str,
        *,
        anew: bool = False,
    ) -> Record | None:
        """What the notebook says of a key on a store, by the code in `root`; None if nothing.

        With `anew` that code makes the store's tables first. Raises PipelineError.
        """
        run_dir = self.folder / f"run-{name}"
        self._do(root, store, None if anew else [], run_dir, parameters)
        told = page.read_json(run_dir / page.VALUES / f"{self.notebook}.json")
        found: Record | None = told["values"].get(key)
        return found

    def _do(
        self,
        root: Path,
        store: Paths,
        dates: list[str] | None,
        run_dir: Path | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the tables of dates (None: all), then run the notebook into a folder, if any."""
        job = {
            "data_dir": str(store.data),
            "dates": dates,
            "notebook": self.notebook if run_dir else "",
            "run_dir": str(run_dir or ""),
            "parameters": dict(parameters or {}),
        }
        if root == ROOT:
            swap_job.work(job)
        else:
            _elsewhere(job, root)

    # ---- Copies of the project ------------------------------------------------------------

    def copy(self, name: str, commit: str, settings: Mapping[str, Any]) -> Path:
        """The project as it is, or as a commit has it, with settings that a run kept.

        Raises FileNotFoundError where git has no such commit.
        """
        root = self.folder / f"project-{name}"
        if commit:
            _extract(commit, root)
        else:
            for own in COPIED:
                shutil.copytree(ROOT / own, root / own)
        for place in (root / TCC.name, root / "data" / "reference"):
            place.mkdir(parents=True, exist_ok=True)
        (root / CONFIG.name).write_text(toml(settings["settings"]), "utf-8")
        for file, text in settings["files"].items():
            folder = root / TCC.name if file == "geometry.json" else root / "data" / "reference"
            (folder / file).write_text(text, "utf-8")
        return root

    def is_code_of(self, root: Path, ground: Mapping[str, str]) -> bool:
        """Whether a copy holds the code that a ground names, to the last byte."""
        book = root / NOTEBOOKS.name / f"{self.notebook}.ipynb"
        return book.exists() and grounds.code(book, root) == ground


@contextmanager
def opened(paths: Paths, notebook: str) -> Iterator[Shop]:
    """A folder to try things in, which goes at the end; what a killed one left goes first."""
    for left in paths.data.glob(f"{PREFIX}*"):
        if time.time() - left.stat().st_mtime > LEFT_S:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=paths.data) as folder:
        yield Shop(paths, notebook, Path(folder))


def _elsewhere(job: Mapping[str, Any], root: Path) -> None:
    """Do a job in a process of its own, with a copy's `lib` and none of the user's secrets."""
    file = root / "job.json"
    file.write_text(json.dumps(job), "utf-8")
    own = {name: value for name, value in os.environ.items() if not USERS_OWN.search(name)}
    own |= {"PYTHONPATH": str(root), "TCC_ENV_FILE": str(root / "no.env")}
    command = [sys.executable, "-P", str(Path(swap_job.__file__)), str(file)]
    try:
        done = subprocess.run(
            command, cwd=root, env=own, capture_output=True, text=True, timeout=TIMEOUT_S
        )
        said = done.stderr.strip().splitlines()[-1:] or ["it ended without a word"]
    except subprocess.TimeoutExpired as late:
        said, done = [f"it took more than {late.timeout:.0f} s"], None
    if done is None or done.returncode != 0:
        raise NotebookFailed(
            redaction.redacted(said[0]),
            where=f"{job['notebook'] or 'staging and marts'}, by other code or settings",
            risk="Its effect is not known; nothing was changed.",
            remedy="Compare two runs that lie nearer to each other.",
        )


def _extract(commit: str, root: Path) -> None:
    """Put the project as a commit has it into a folder. Raises FileNotFoundError without one."""
    if commit.startswith("-") or not (git := shutil.which("git")):
        raise FileNotFoundError(commit)
    command = [git, "-C", str(ROOT), "archive", "--format=zip", commit]
    done = subprocess.run(command, capture_output=True, timeout=60)
    if done.returncode != 0:
        raise FileNotFoundError(commit)
    with zipfile.ZipFile(io.BytesIO(done.stdout)) as archive:
        archive.extractall(root)


def toml(settings: Mapping[str, Any]) -> str:
    """Settings as a config.toml, each section in one line."""
    return "".join(f"{key} = {_toml(v)}\n" for key, v in settings.items() if v is not None)


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items() if v is not None)
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def narrowed(settings: Any, known: Any) -> Any:
    """Settings without those that older code does not know: the ones an older run did not keep."""
    if isinstance(settings, Mapping) and isinstance(known, Mapping):
        return {k: narrowed(v, known[k]) for k, v in settings.items() if k in known}
    return settings
