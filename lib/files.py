"""Writing that a crash cannot half-do. Belongs here: atomic writes and locks on files.

Does not belong here: what is written, or where.
"""

import fcntl
import glob
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from lib.errors import PipelineError


def _who() -> str:
    """A name that no other writer has at this time."""
    return f"{os.getpid()}.{threading.get_ident()}"


def _clear_up(folder: Path, name: str = "") -> None:
    """Delete what killed writers left of a name, or of any in the folder."""
    for left in folder.glob(f".{glob.escape(name)}*.tmp"):
        writer = left.name.removesuffix(".tmp").split(".")[-2]
        if writer.isdigit() and not _lives(int(writer)):
            left.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let an error of the disk name the file: one met while writing does not know it."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def _sync(path: Path) -> None:
    """Make a file's content, or a rename in a folder, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def replacing(
    target: Path, check: Callable[[Path], None] | None = None, *, durable: bool = True
) -> Iterator[Path]:
    """Yield a temporary file beside the target; check it, then put it in the target's place.

    The target is the old file or the new one at every instant, never a part of either;
    `durable` makes that true of a power cut too.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _clear_up(target.parent, f"{target.name}.")
    temporary = target.with_name(f".{target.name}.{_who()}.tmp")
    try:
        with _naming(target):
            yield temporary
        if check:
            check(temporary)
        if durable:
            _sync(temporary)
        os.replace(temporary, target)
        if durable:
            _sync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def scratch(folder: Path, name: str) -> Iterator[Path]:
    """Yield the path of a file of this thread's own, which does not outlive the block."""
    folder.mkdir(parents=True, exist_ok=True)
    _clear_up(folder, f"{name}.")
    path = folder / f".{name}.{_who()}.tmp"
    try:
        with _naming(path):
            yield path
    finally:
        path.unlink(missing_ok=True)


def write_text(target: Path, text: str, *, durable: bool = True) -> Path:
    """Write a text file atomically."""
    with replacing(target, durable=durable) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return target


def literal(path: Path) -> str:
    """A path that DuckDB takes as it is: brackets and the like are patterns to it."""
    return re.sub(r"([\[\]?*])", r"[\1]", str(path))


def write_new(folder: Path, name: Callable[[int], str], content: bytes) -> Path:
    """Write bytes under the first free name, never over another file.

    `name(n)` is the n-th candidate, from 1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _clear_up(folder)
    temporary = folder / f".{_who()}.tmp"
    try:
        with _naming(temporary), temporary.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        return link_new(temporary, folder, name)
    finally:
        temporary.unlink(missing_ok=True)


def link_new(file: Path, folder: Path, name: Callable[[int], str]) -> Path:
    """Give a file a second name in a folder, the first free one of `name(1)`, `name(2)`, ...

    A hard link is exclusive: two writers cannot take the same name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for attempt in count(1):
        target = folder / name(attempt)
        with suppress(FileExistsError):
            os.link(file, target)
            _sync(folder)
            break
    return target


def append_line(path: Path, line: str) -> None:
    """Append one line and make it last; a line torn by an earlier crash is closed first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _naming(path), path.open("ab+") as handle:
        size = handle.seek(0, os.SEEK_END)
        torn = size > 0 and _last_byte(handle.fileno(), size) != b"\n"
        handle.write((b"\n" if torn else b"") + line.encode() + b"\n")
        handle.flush()
        os.fsync(handle.fileno())


def backwards(path: Path, block: int = 65_536) -> Iterator[bytes]:
    """The lines of a file, from the last to the first, after what follows the last line end."""
    if not path.exists():
        return
    with path.open("rb") as handle:
        position, rest = handle.seek(0, os.SEEK_END), b""
        while position > 0:
            size = min(block, position)
            position -= size
            handle.seek(position)
            rest, *lines = (handle.read(size) + rest).split(b"\n")
            yield from reversed(lines)
        yield rest


def _last_byte(handle: int, size: int) -> bytes:
    return os.pread(handle, 1, size - 1)


@contextmanager
def locked(path: Path, *, busy: PipelineError) -> Iterator[None]:
    """Hold a lock for the block; raise `busy` where another process holds it.

    The kernel lets go of it when a process dies, so a dead run is no obstacle.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise busy from None
        yield
