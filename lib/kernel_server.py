"""A process that loads what notebooks import, once, and forks a kernel from it for each notebook.

Belongs here: what runs in that process and in the kernels forked from it. Does not belong here:
starting it and asking it (`kernels.py`).

Half of a short notebook is the start of Python and its imports; a fork has both already. A
module is loaded only while no kernel is asked for, so that none waits for what it may not need.
"""

import contextlib
import gc
import importlib
import os
import signal
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection

# The debugger is loaded by every kernel as it begins, for nothing here.
KERNEL = ("ipykernel.kernelapp", "ipykernel.ipkernel", "ipykernel.debugger")
# What a module that somebody is just writing may raise as it is loaded.
FAULTS = (
    *(ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError),
    *(OSError, RuntimeError, SyntaxError, TypeError, ValueError, Warning),
)
MAKE_READY = "make_ready"  # a module's own function
BACKEND = "module://matplotlib_inline.backend_inline"


@dataclass(frozen=True)
class Launch:
    """What a kernel is started with: its arguments, environment and folder."""

    arguments: list[str]
    environment: dict[str, str]
    folder: str


def main(door: Connection) -> int:
    """Load modules and fork kernels until the asking process is gone."""
    os.environ.setdefault("MPLBACKEND", BACKEND)  # read as matplotlib is loaded
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # a warning nobody can act on
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody here waits for a kernel's end
    waiting = [*KERNEL]
    while True:
        if waiting and not door.poll(0):
            _load(waiting.pop(0))
            continue
        try:
            asked: Launch | list[str] = door.recv()
        except EOFError:
            return 0
        if isinstance(asked, list):
            waiting += [module for module in asked if module not in waiting]
            continue
        gc.freeze()  # what is loaded stays: no kernel need look through it, or copy its pages
        if (pid := os.fork()) == 0:
            door.close()
            return _be_a_kernel(asked)
        door.send(pid)


def _load(module: str) -> None:
    """Load a module, and what it says is slow the first time.

    What cannot be loaded is the notebook's to report, in its own cell.
    """
    with contextlib.suppress(*FAULTS):
        loaded = importlib.import_module(module)
        getattr(loaded, MAKE_READY, lambda: None)()


def _be_a_kernel(launch: Launch) -> int:
    """Become what `python -m ipykernel_launcher` would be, in a session of its own.

    A kernel ends itself when its parent is another than the one it was told of; that is this
    process, which ends with the one that asks: https://github.com/ipython/ipykernel.
    """
    server = os.getppid()
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(launch.folder)
    os.environ.clear()
    os.environ.update(launch.environment, JPY_PARENT_PID=str(server))
    parent = f"--IPKernelApp.parent_handle={server}"  # the variable was read as it was loaded
    sys.argv = ["ipykernel_launcher", *launch.arguments, parent]
    from ipykernel import kernelapp

    kernelapp.launch_new_instance()
    return 0


if __name__ == "__main__":
    sys.exit(main(Connection(int(sys.argv[1]))))
