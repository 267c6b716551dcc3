"""What the tests of both pages share: servers that end whole, Debian's Chromium, screenshots.

Belongs here: how to start, reach and end what is looked at. Does not belong here: what a page
must show, nor waiting for a fixed time: everything waits for what it needs to see.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from lib.paths import ROOT
from tests.conftest import USERS_OWN

IN_THE_PROJECT = ROOT / "data" / "test-artifacts"  # git ignores it
ARTIFACTS = Path(os.environ.get("TCC_ARTIFACTS") or IN_THE_PROJECT)
CHROMIUM = shutil.which("chromium")
STARTS_S, ENDS_S = 90, 30
SEEN_MS = 60_000  # most that a page may take to show what was clicked

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium: make chromium, or sudo apt-get install chromium"
)


def environment(store: Path, **more: str) -> dict[str, str]:
    """The environment of a program of the project that sees a scratch store, not the user's."""
    kept = {name: value for name, value in os.environ.items() if not USERS_OWN.search(name)}
    chosen = {"TCC_DATA_DIR": str(store), "TCC_ENV_FILE": str(store / "no.env")}
    return kept | chosen | more


def programs(folder: str) -> str:
    """Where tools/env finds programs: in the activated conda environment, or in a folder."""
    conda = Path(os.environ.get("CONDA_PREFIX", "/nowhere"), "bin")
    return str(conda if (conda / "tcc").exists() else ROOT / folder / "bin")


def made(target: str, *, settled: str, **variables: str) -> list[str]:
    """The command of a target of the Makefile; what it stands on was set up before the tests."""
    kept = [part for name in settled.split() for part in ("-o", name)]
    given = [f"{name}={value}" for name, value in variables.items()]
    return ["make", "--no-print-directory", *kept, target, *given]


def tcc(store: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Start a command of `tcc` on a store."""
    return subprocess.Popen(
        [sys.executable, "-c", "from lib.cli import app; app()", *arguments],
        cwd=ROOT,
        env=environment(store),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def done(process: "subprocess.Popen[str]") -> str:
    """What a command said, once it has ended well."""
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def serving(command: list[str], env: Mapping[str, str], log: Path) -> Iterator[None]:
    """Run a server, as a shell does in the background; at its end nothing of it may be left."""
    ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)  # what the shell's `&` does
    try:
        with log.open("w") as said:
            server = subprocess.Popen(
                command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )
    finally:
        signal.signal(signal.SIGINT, ignored)
    try:
        yield
    finally:
        left = _ended(server, env["TCC_DATA_DIR"])
    assert not left, f"Processes left behind: {left}. Said: {log.read_text()[-2000:]}"


def _ended(server: "subprocess.Popen[bytes]", mark: str) -> list[str]:
    """End a server by the signal that `kill` sends; kill and name what outlives it."""
    server.terminate()
    try:
        server.wait(ENDS_S)
        until(lambda: not _of(mark), ENDS_S)
    except (subprocess.TimeoutExpired, TimeoutError):
        pass
    left = _of(mark)
    for process in left:
        os.kill(process, signal.SIGKILL)
    server.wait()
    return list(left.values())


def _of(mark: str) -> dict[int, str]:
    """Processes with a text in their environment, and their command lines."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                found[int(folder.name)] = line[:200]
        except OSError:  # it ended, or is another user's
            continue
    return found


def until(seen: Callable[[], object], seconds: float = STARTS_S) -> None:
    """Wait until something is so. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not seen():
        if time.monotonic() > end:
            raise TimeoutError(f"Not so after {seconds} s.")
        time.sleep(0.1)


def answers(address: str) -> bool:
    """Whether a server answers there, whatever it says."""
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@contextmanager
def chromium() -> Iterator[Page]:
    """A page in Debian's Chromium, which refuses root unless its sandbox is left out."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = browser.new_page(viewport={"width": 1400, "height": 900}, locale="en-US")
        page.set_default_timeout(SEEN_MS)
        expect.set_options(timeout=SEEN_MS)
        try:
            yield page
        finally:
            browser.close()


def keep(page: Page, name: str) -> Path:
    """Keep what the page shows as an artefact of the tests."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    file = ARTIFACTS / f"{name}.png"
    page.screenshot(path=file)
    return file
