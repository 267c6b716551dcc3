"""Notebooks run by papermill: the only importer of it.

Belongs here: the signature check, running into the run's folder, HTML, redaction.
Does not belong here: which notebooks run, and in what order (`pipeline.py`).
"""

import asyncio
import errno
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

# jsonschema imports a grammar of IRIs for 1.6 s where JupyterLab is installed, and notebooks
# have no IRI to check: https://github.com/python-jsonschema/jsonschema/issues/1428
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

import papermill  # noqa: E402
from papermill.engines import NBClientEngine, papermill_engines  # noqa: E402
from papermill.exceptions import PapermillExecutionError  # noqa: E402
from papermill.iorw import papermill_io  # noqa: E402
from traitlets.config import Config  # noqa: E402

from lib import files, kernels, rendering  # noqa: E402
from lib.errors import NotebookFailed, NotebookSignature  # noqa: E402
from lib.paths import NOTEBOOKS  # noqa: E402
from lib.redaction import redacted  # noqa: E402

CELL_TIMEOUT_S = 900
COPY_EACH_S = 0.5
AT_A_TIME = 2
KEPT = "kept:"  # papermill's copies go through `_Kept`


@dataclass(frozen=True)
class Executed:
    """The kept copy of an executed notebook, its HTML and how long it took."""

    notebook: Path
    html: Path
    seconds: float


def signature(notebook: Path) -> dict[str, Any]:
    """The parameters of a notebook and their defaults, as text."""
    return {name: p["default"] for name, p in papermill.inspect_notebook(_named(notebook)).items()}


def check(notebook: Path, parameters: dict[str, Any]) -> None:
    """Compare parameters with the notebook's own; papermill would only warn.

    Raises NotebookSignature before anything runs.
    """
    known = signature(notebook)
    if unknown := sorted(parameters.keys() - known.keys()):
        raise NotebookSignature(
            f"there is no parameter {', '.join(unknown)}.",
            where=notebook.name,
            risk="The notebook would run on its defaults and look right. Nothing ran.",
            remedy=f"It has: {', '.join(known) or 'none'}.",
        )


def run(notebook: Path, folder: Path, parameters: dict[str, Any]) -> Executed:
    """Execute a notebook into a run's folder and keep the copy and its HTML, failed or not.

    Raises NotebookSignature before, and NotebookFailed after, with the cell's own error.
    """
    check(notebook, parameters)
    folder.mkdir(parents=True, exist_ok=True)
    target, began = folder / notebook.name, time.monotonic()
    failure: Exception | None = None
    Thread(target=rendering.make_ready, daemon=True).start()
    try:
        _execute(notebook, target, parameters)
    except Exception as error:  # noqa: BLE001 (a job boundary: what a kernel dies of is told)
        failure = error
    try:
        html_file = _publish(target)
    except OSError as error:  # of the cell's own error there is more to say
        failure = failure or error
    if failure:
        raise _failed(notebook, target, failure) from failure
    return Executed(target, html_file, time.monotonic() - began)


def side_by_side(jobs: Iterable[Callable[[], object]]) -> None:
    """Do jobs that run notebooks, two at a time: half of a short one is its kernel's start."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for done in [pool.submit(_in_its_thread, job) for job in jobs]:
            done.result()


def _in_its_thread(job: Callable[[], object]) -> None:
    """Close the event loop that jupyter_core leaves in each thread that speaks to a kernel."""
    try:
        job()
    finally:
        with suppress(RuntimeError):  # it ran none
            asyncio.get_event_loop().close()


class _Kept:
    """Where papermill writes a copy after each cell: whole, and never with a secret in it.

    Taking secrets out at the end would leave them on the disk where a run is killed.
    """

    @staticmethod
    def write(text: str, path: str) -> None:
        files.write_text(Path(path.removeprefix(KEPT)), redacted(text), durable=False)

    @staticmethod
    def pretty_path(path: str) -> str:
        return path.removeprefix(KEPT)


papermill_io.register(KEPT, _Kept)


class _Sparing(NBClientEngine):  # type: ignore[misc]  # papermill has no types
    """Papermill's own engine; of copies that follow each other closely it keeps the last.

    Each is the whole notebook with its figures: two for every cell cost more than short cells.
    """

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **kwargs: Any) -> None:
        every = nb_man.save
        nb_man.save = later = _Later(nb_man, every)
        try:
            super().execute_managed_notebook(nb_man, kernel_name, **kwargs)
        finally:
            later.cancel()
            nb_man.save = every  # papermill's last copy, which it makes after this, is whole


class _Later:
    """Keep a copy now or, so soon after the last one, a moment later: a long cell is told of."""

    def __init__(self, nb_man: Any, every: Callable[[], None]) -> None:
        self.nb_man, self.every = nb_man, every
        self.due: asyncio.TimerHandle | None = None

    def __call__(self) -> None:
        since_s = (self.nb_man.now() - self.nb_man.last_save_time).total_seconds()
        if since_s >= COPY_EACH_S:
            self.keep()
        elif self.due is None:  # in this thread, while it waits for the kernel
            self.due = asyncio.get_event_loop().call_later(COPY_EACH_S - since_s, self.keep)

    def keep(self) -> None:
        self.cancel()
        self.every()

    def cancel(self) -> None:
        if self.due:
            self.due.cancel()
        self.due = None


papermill_engines.register("sparing", _Sparing)


def _named(path: Path) -> str:
    """A path as papermill takes it: braces would be filled in with parameters."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _execute(notebook: Path, target: Path, parameters: dict[str, Any]) -> None:
    logging.getLogger("papermill").setLevel(logging.ERROR)
    with TemporaryDirectory(prefix="tcc-") as sockets:
        papermill.execute_notebook(
            _named(notebook),
            KEPT + _named(target),
            parameters=parameters,
            engine_name="sparing",
            kernel_name="python3",
            progress_bar=False,
            cwd=str(NOTEBOOKS),
            execution_timeout=CELL_TIMEOUT_S,
            config=_local(Path(sockets)),
        )


def _local(sockets: Path) -> Config:
    """Speak to the kernel through sockets in a folder of its own, not through open ports.

    That the kernel is interrupted at its end is no error worth a line; and its logger repeats
    each traceback, secrets included, so that it must be silent and not only its terminal.
    """
    silent = "{'loggers': {'IPKernelApp': {'level': 'CRITICAL'}}}"
    told = ["--IPKernelApp.log_level=50", f"--IPKernelApp.logging_config={silent}"]
    return Config(
        KernelManager={"transport": "ipc", "ip": str(sockets / "kernel")},
        NotebookClient={
            "extra_arguments": told,
            "kernel_manager_class": kernels.ForkedKernelManager,
            "shutdown_kernel": "immediate",  # its last cell has ended: nothing is left to do
        },
    )


def _publish(target: Path) -> Path:
    """Render the executed copy as HTML beside it."""
    page = target.with_suffix(".html")
    if target.exists():
        files.write_text(page, redacted(rendering.html(target)))
    return page


def _failed(notebook: Path, target: Path, error: Exception) -> NotebookFailed:
    where = (
        f"cell {error.exec_count}" if isinstance(error, PapermillExecutionError) else "the kernel"
    )
    said, page = _said(error), target.with_suffix(".html")
    shown = f"The executed copy shows it: {page}" if page.exists() else ""
    return NotebookFailed(
        f"{where} raised {said}",
        where=notebook.name,
        risk="Figures and numbers of the run before stay as they are.",
        remedy=f"{_of_the_disk(said, target)} {shown}".strip() or "Run it again.",
    )


def _of_the_disk(said: str, target: Path) -> str:
    """What to do about a disk that takes nothing more; empty where that is not the trouble."""
    if os.strerror(errno.ENOSPC) in said:
        return f"The disk is full: make room (df -h {target.parent}) and run again."
    if os.strerror(errno.EROFS) in said:
        return f"Nothing can be written to {target.parent}: mount it for writing and run again."
    return ""


def _said(error: Exception) -> str:
    if isinstance(error, PapermillExecutionError):
        return redacted(f"{error.ename}: {error.evalue}")
    return redacted(f"{type(error).__name__}: {error}")
