"""How much is done and left, told across processes: a notebook writes it, the terminal shows it.

Belongs here: the callback's type and the file between two processes. Does not belong here:
drawing bars (`cli.py`).
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lib import files

# done, total, what is being done
Progress = Callable[[int, int, str], None]
POLL_S = 0.2


def silent(done: int, total: int, text: str) -> None:
    """Show nothing."""


def to_folder(run_dir: str | Path) -> Progress:
    """A callback that leaves its news in a run's folder; without a folder it is silent."""
    if not run_dir:
        return silent
    file = Path(run_dir) / "progress.json"

    def tell(done: int, total: int, text: str) -> None:
        files.write_text(file, json.dumps([done, total, text]), durable=False)

    return tell


@contextmanager
def watched(run_dir: Path, progress: Progress) -> Iterator[None]:
    """Pass on the news that another process leaves in the folder, until the block ends."""
    file, stop = run_dir / "progress.json", threading.Event()

    def watch() -> None:
        while not stop.wait(POLL_S):
            if file.exists():
                done, total, text = json.loads(file.read_text("utf-8"))
                progress(done, total, text)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        file.unlink(missing_ok=True)
