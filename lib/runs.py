"""One run at a time, in a folder of its own, with a record of how it went.

Belongs here: waiting for the store, the run's folder, `run.json` and `latest`. Does not belong
here: the lock itself (`origins.py`), what a run does (`pipeline.py`).
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from lib import files, notebooks, origins
from lib.errors import ConfigError
from lib.paths import Paths
from lib.progress import Progress
from lib.times import iso, stamp

POLL_S = 0.5


@contextmanager
def alone(paths: Paths, *, wait_s: float, show: Callable[[str], Progress]) -> Iterator[None]:
    """Hold the store for the block, waiting so long for the run that holds it to end. [s]

    Raises ConfigError where it is still under way then. The lock of a dead process is none.
    """
    began, progress = time.monotonic(), None
    with ExitStack() as held:
        while True:
            waited = time.monotonic() - began
            try:
                held.enter_context(origins.alone(paths))
                break
            except ConfigError:
                if waited >= wait_s:
                    raise
            progress = progress or show("waiting")
            progress(int(waited), int(wait_s) + 1, "for another run to end [s]")
            time.sleep(min(POLL_S, wait_s - waited))
        if progress:
            progress(1, 1, "the other run has ended")
        yield


def new_folder(paths: Paths, now: datetime) -> Path:
    """A folder of its own for each run, even for two at the same instant."""
    number = 1
    while True:
        folder = paths.runs / (stamp(now) if number == 1 else f"{stamp(now)}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
            continue
        return folder


def record(folder: Path, *, now: datetime, ok: bool, steps: Iterable[Mapping[str, Any]]) -> None:
    """Write down how a run went; a good one becomes `latest`."""
    told = [{**step, "error": str(step["error"] or "")} for step in steps]
    plain = {"now": iso(now), "ok": ok, "steps": told}
    text = notebooks.redacted(json.dumps(plain, ensure_ascii=False, indent=1))
    files.write_text(folder / "run.json", text + "\n")
    if ok:
        link = folder.with_name(f".latest.{os.getpid()}")
        link.unlink(missing_ok=True)
        link.symlink_to(folder.name)
        link.replace(folder.with_name("latest"))
