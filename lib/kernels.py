"""Kernels for notebooks, forked from one process that has loaded their imports.

Belongs here: the process that forks (`kernel_server.py`), its start and end, and how Jupyter is
told of a kernel that it did not start. Does not belong here: running a notebook (`notebooks.py`).

Where a system cannot watch a process that is not its child (all but Linux) kernels are started
as Jupyter does: slower, with the same outcome. The seam is Jupyter's own:
https://jupyter-client.readthedocs.io/en/stable/provisioning.html
"""

import ast
import asyncio
import atexit
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from multiprocessing.connection import Pipe
from pathlib import Path
from threading import Lock
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from lib.kernel_server import Launch

CAN_FORK = hasattr(os, "pidfd_open")
LAUNCHER = "ipykernel_launcher"
LOOK_S, LOOKS = 0.005, 400


class Server:
    """The process that forks kernels, as the asking process holds it."""

    def __init__(self) -> None:
        """Start it."""
        self.owner = os.getpid()
        self._lock = Lock()
        self._door, other = Pipe()
        number = other.fileno()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "lib.kernel_server", str(number)],
            stdin=subprocess.DEVNULL,
            pass_fds=[number],
            start_new_session=True,
        )
        other.close()

    def load(self, modules: Iterable[str]) -> None:
        """Let it load modules while nobody asks for a kernel. Raises OSError where it has died."""
        with self._lock:
            self._door.send(list(modules))

    @property
    def pid(self) -> int:
        """Its number as a process."""
        return self._process.pid

    @property
    def usable(self) -> bool:
        """Whether it is this process's own and lives."""
        return self.owner == os.getpid() and self._process.poll() is None

    def fork(self, launch: Launch) -> "Forked":
        """A new kernel. Raises EOFError or OSError where the server has died."""
        with self._lock:
            self._door.send(launch)
            return Forked(self._door.recv())

    def close(self) -> None:
        """End it; kernels that still run end themselves."""
        self._door.close()
        if self.owner == os.getpid():
            self._process.kill()  # it may be in the middle of an import that nobody needs
            self._process.wait()


class Forked:
    """A kernel's process, which is not our child, as Jupyter expects to find one."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        """Hold on to the process, so that its number cannot come to mean another."""
        self.pid = pid
        try:
            self._handle = os.pidfd_open(pid)
        except ProcessLookupError:  # it has ended already
            self._handle = -1

    def poll(self) -> int | None:
        """None while it runs; what it ended with is not known, and 0 stands for it."""
        if self._handle >= 0 and not select.select([self._handle], [], [], 0)[0]:
            return None
        return 0

    def wait(self) -> int:
        """Wait for its end."""
        if self._handle >= 0:
            select.select([self._handle], [], [])
            os.close(self._handle)
            self._handle = -1
        return 0

    def send_signal(self, number: int) -> None:
        """Send it a signal; one that has ended gets none."""
        with suppress(ProcessLookupError):
            if self._handle >= 0:
                signal.pidfd_send_signal(self._handle, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


class ForkedProvisioner(LocalProvisioner):
    """Launches a kernel by a fork; as Jupyter does it where the server has died."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Launch the kernel that a command line describes."""
        environment = {name: str(value) for name, value in (kwargs.get("env") or {}).items()}
        folder = str(kwargs.get("cwd") or Path.cwd())
        try:
            launch = Launch(cmd[cmd.index(LAUNCHER) + 1 :], environment, folder)
            forked = server().fork(launch)
        except (EOFError, OSError, ValueError):
            return await super().launch_kernel(cmd, **kwargs)
        await _listening(self.connection_info, forked)
        self.process = forked  # type: ignore[assignment]  # what Jupyter uses of a Popen
        self.pid = self.pgid = forked.pid  # each is the first of its own session
        self.cwd = folder
        return self.connection_info


async def _listening(connection: KernelConnectionInfo, kernel: Forked) -> None:
    """Wait for a kernel's last socket: who knocks before it is there waits for much longer.

    https://libzmq.readthedocs.io/en/latest/zmq_setsockopt.html (ZMQ_RECONNECT_IVL).
    """
    door = Path(f"{connection['ip']}-{connection['hb_port']}")
    for _ in range(LOOKS):
        if connection["transport"] != "ipc" or door.exists() or kernel.poll() is not None:
            return
        await asyncio.sleep(LOOK_S)


class ForkedKernelManager(AsyncKernelManager):
    """Jupyter's manager of one kernel, which is forked where the system allows."""

    async def _async_wait(self, pollinterval: float = LOOK_S) -> None:
        await super()._async_wait(pollinterval)

    async def _async_pre_start_kernel(self, **kwargs: Any) -> tuple[list[str], dict[str, Any]]:
        if CAN_FORK and self.provisioner is None:
            self.provisioner = ForkedProvisioner(
                parent=self, kernel_id=self.kernel_id, kernel_spec=self.kernel_spec
            )
        return await super()._async_pre_start_kernel(**kwargs)


_held: list[Server] = []
_starting, _parsing = Lock(), Lock()


def server() -> Server:
    """The server of this process, started where there is none that lives."""
    with _starting:
        if not _held or not _held[-1].usable:
            _held[:] = [Server()]
        return _held[-1]


def preload(notebooks: Iterable[Path]) -> None:
    """Let the server load what these notebooks import, in their order, before they run."""
    modules = dict.fromkeys(name for book in notebooks for name in imported(book))
    with suppress(OSError):
        if CAN_FORK:
            server().load(modules)


@atexit.register
def close() -> None:
    """End the server of this process, if there is one."""
    with _starting:
        while _held:
            _held.pop().close()


def imported(notebook: Path) -> list[str]:
    """The modules that the cells of a notebook import; none where one cannot be read."""
    try:
        cells = json.loads(notebook.read_text("utf-8"))["cells"]
    except (OSError, ValueError, LookupError):
        return []  # whoever runs it says so
    codes = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return [name for code in codes for name in imports(code)]


@lru_cache(maxsize=1000)
def imports(code: str) -> tuple[str, ...]:
    """The modules that a Python text imports, at its top or within; none of a faulty text.

    One at a time: https://github.com/python/cpython/issues/106905.
    """
    with _parsing, suppress(SyntaxError):
        return tuple(name for node in ast.walk(ast.parse(code)) for name in _names(node))
    return ()


def _names(node: ast.AST) -> list[str]:
    """What an import may load: of `from lib import energy` both lib and lib.energy."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []
