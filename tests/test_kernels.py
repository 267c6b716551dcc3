"""Kernels that are forked from one process: loaded once, alone in the rest, gone with their run."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from lib import kernels, notebooks
from lib.errors import NotebookFailed
from lib.paths import ROOT

PATIENCE_S = 15
pytestmark = pytest.mark.skipif(not kernels.CAN_FORK, reason="this system starts kernels as usual")


@pytest.fixture(autouse=True)
def own_server() -> Iterator[None]:
    """A server of each test's own, begun by it."""
    kernels.close()
    yield
    kernels.close()


def book(folder: Path, *cells: str) -> Path:
    """A notebook of these code cells."""
    content = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    content.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
    file = folder / "book.ipynb"
    nbformat.write(content, file)
    return file


def printed(notebook: Path, folder: Path) -> list[str]:
    """Run a notebook; the lines that it printed."""
    copy = nbformat.read(notebooks.run(notebook, folder, {}).notebook, as_version=4)
    outputs = [output for cell in copy.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs).splitlines()


def until_loaded(module: str, folder: Path) -> None:
    """Wait until the server has loaded a module: it loads while nobody asks for a kernel."""
    asked, began = f"import sys; print({module!r} in sys.modules)", time.monotonic()
    while time.monotonic() - began < PATIENCE_S:
        if printed(book(folder, asked), folder / "asked") == ["True"]:
            return
    raise AssertionError(f"{module} was never loaded")


def test_a_module_is_loaded_once_for_all_kernels(tmp_path: Path) -> None:
    kernels.preload([book(tmp_path, "import colorsys\nfrom lib import spans")])
    until_loaded("lib.spans", tmp_path)
    shown = book(tmp_path, "import os, sys\nprint('colorsys' in sys.modules, os.getppid())")
    first, second = printed(shown, tmp_path / "1"), printed(shown, tmp_path / "2")
    assert first == second == [f"True {kernels.server().pid}"]


def test_what_one_kernel_does_another_does_not_see(tmp_path: Path) -> None:
    change = "import os, json\njson.spoiled = True\nos.environ['SPOILED'] = 'yes'\nos.chdir('/')"
    printed(book(tmp_path, change), tmp_path / "1")
    look = (
        "import os, json\nprint(hasattr(json, 'spoiled'), os.environ.get('SPOILED'), os.getcwd())"
    )
    assert printed(book(tmp_path, look), tmp_path / "2") == [f"False None {ROOT / 'notebooks'}"]


def test_a_kernel_has_the_environment_of_the_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = book(tmp_path, "import os\nprint(os.environ.get('OF_THE_MOMENT'))")
    monkeypatch.setenv("OF_THE_MOMENT", "first")
    assert printed(look, tmp_path / "1") == ["first"]
    monkeypatch.delenv("OF_THE_MOMENT")
    assert printed(look, tmp_path / "2") == ["None"]


def test_a_module_that_cannot_be_loaded_fails_only_its_own_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faulty_of_test.py").write_text("a = b\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    faulty = book(tmp_path, "import faulty_of_test")
    kernels.preload([faulty])
    with pytest.raises(NotebookFailed, match="NameError: name 'b' is not defined"):
        notebooks.run(faulty, tmp_path / "1", {})
    assert printed(book(tmp_path, "print(7)"), tmp_path / "2") == ["7"]


def test_a_kernel_that_dies_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotebookFailed, match="the kernel raised DeadKernelError"):
        notebooks.run(book(tmp_path, "import os\nos._exit(3)"), tmp_path / "1", {})


def test_where_the_server_has_died_kernels_start_as_usual(tmp_path: Path) -> None:
    os.kill(kernels.server().pid, signal.SIGKILL)
    shown = book(tmp_path, "import os\nprint(os.getppid())")
    assert len(printed(shown, tmp_path / "1")) == 1


def test_kernels_end_with_the_process_that_runs_them(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    sleeping = book(
        tmp_path,
        f"import os, pathlib, time\npathlib.Path({str(told)!r}).write_text(str(os.getpid()))\n"
        "time.sleep(600)",
    )
    code = (
        "import sys; from pathlib import Path; from lib import notebooks;"
        "notebooks.run(Path(sys.argv[1]), Path(sys.argv[2]), {})"
    )
    command = [sys.executable, "-c", code, str(sleeping), str(tmp_path / "1")]
    driver = subprocess.Popen(command, cwd=ROOT)
    began = time.monotonic()
    while not (told.exists() and told.read_text()):
        assert time.monotonic() - began < PATIENCE_S * 2
        time.sleep(0.05)
    handle = os.pidfd_open(int(told.read_text()))
    driver.kill()
    driver.wait()
    try:
        assert ended(handle), "the kernel outlives its run"
    finally:
        os.close(handle)


def ended(handle: int) -> bool:
    """Whether a process ends within the tests' patience."""
    return bool(select.select([handle], [], [], PATIENCE_S)[0])
