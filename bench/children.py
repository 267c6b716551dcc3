"""Work in a forked child that may be killed: what is loaded here is loaded there.

Belongs here: forking, killing, and bringing results back. Does not belong here: the work.
The process that forks must have no threads of its own: no DuckDB, no stand-in.
"""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, TypeVar

Result = TypeVar("Result")
_FORK = get_context("fork")


@dataclass(frozen=True)
class End:
    """How a child ended: by itself, or killed; how long it lived; the last word it said."""

    killed: bool
    seconds: float
    said: str = ""


def run(work: Callable[[], None], *, kill_after_s: float | None = None) -> End:
    """Do the work in a child; SIGKILL it after so long, if it still lives then.

    Raises RuntimeError where it failed by itself.
    """
    process, began = _FORK.Process(target=work), time.monotonic()
    process.start()
    process.join(kill_after_s)
    if process.is_alive():
        process.kill()
        process.join()
    return _ended(process.exitcode, began, "")


def strike(work: Callable[[Callable[[str], None]], None], word: str, after_s: float) -> End:
    """Do the work, which says where it is, in a child; SIGKILL it so long after a word.

    The end tells the last word said. Raises RuntimeError where the work failed by itself.
    """
    ours, theirs = _FORK.Pipe(duplex=False)
    process, began = _FORK.Process(target=lambda: work(theirs.send)), time.monotonic()
    process.start()
    theirs.close()
    said = _heard(ours, word, after_s)
    os.kill(process.pid or 0, signal.SIGKILL)  # the child is not reaped yet: the id is its own
    process.join()
    return _ended(process.exitcode, began, _last(ours, said))


def _heard(pipe: Connection, word: str, after_s: float) -> str:
    """Listen until a word, then for so long; the last word heard."""
    said, until = "", None
    try:
        while pipe.poll(None if until is None else max(0.0, until - time.monotonic())):
            said = pipe.recv()
            if said == word:
                until = time.monotonic() + after_s
    except EOFError:
        pass
    return said


def _last(pipe: Connection, said: str) -> str:
    """What was said between the last listening and the end."""
    try:
        while pipe.poll(0):
            said = pipe.recv()
    except EOFError:
        pass
    pipe.close()
    return said


def _ended(code: int | None, began: float, said: str) -> End:
    if code not in (0, -signal.SIGKILL):
        raise RuntimeError(f"the child ended with {code}")
    return End(code == -signal.SIGKILL, time.monotonic() - began, said)


def result_of(work: Callable[..., Result], *given: Any) -> Result:
    """Do the work in a child and bring its result back. Raises RuntimeError where it failed."""
    ours, theirs = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=lambda: theirs.send(work(*given)))
    process.start()
    theirs.close()
    try:
        result: Result = ours.recv()
    except EOFError:
        raise RuntimeError(f"{getattr(work, '__name__', 'the work')} failed in its child") from None
    finally:
        process.join()
        ours.close()
    return result
