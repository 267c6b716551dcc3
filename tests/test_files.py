"""Files that a crash cannot half-write, and locks that a dead process cannot keep."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lib import files
from lib.errors import ConfigError
from lib.paths import ROOT

BUSY = ConfigError("busy.")
HOLD = """
import sys
from pathlib import Path
from lib import files
from lib.errors import ConfigError
with files.locked(Path(sys.argv[1]), busy=ConfigError("busy.")):
    print("held", flush=True)
    sys.stdin.read()
"""


def name(n: int) -> str:
    return "a.txt" if n == 1 else f"a-{n}.txt"


def test_a_new_file_never_takes_the_place_of_another(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "folder"
    written = [files.write_new(folder, name, content) for content in (b"one", b"two", b"three")]
    assert [file.name for file in written] == ["a.txt", "a-2.txt", "a-3.txt"]
    assert [file.read_bytes() for file in written] == [b"one", b"two", b"three"]
    assert sorted(f.name for f in folder.iterdir()) == ["a-2.txt", "a-3.txt", "a.txt"]


def test_a_second_name_never_takes_the_place_of_another(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    first.write_bytes(b"one")
    second.write_bytes(b"two")
    linked = [files.link_new(file, tmp_path / "to", name) for file in (first, second)]
    assert [(file.name, file.read_bytes()) for file in linked] == [
        ("a.txt", b"one"),
        ("a-2.txt", b"two"),
    ]
    assert first.exists() and second.exists()


def test_a_file_is_replaced_only_when_its_check_passes(tmp_path: Path) -> None:
    target = tmp_path / "x" / "table.txt"
    files.write_text(target, "old")

    def refuse(written: Path) -> None:
        assert written.read_text() == "half" and target.read_text() == "old"
        raise BUSY

    with pytest.raises(ConfigError), files.replacing(target, check=refuse) as temporary:
        temporary.write_text("half")
    assert target.read_text() == "old"
    with files.replacing(target, check=lambda written: None) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "new"
    assert [f.name for f in target.parent.iterdir()] == ["table.txt"]


def test_a_failure_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    target = files.write_text(tmp_path / "table.txt", "old")
    with pytest.raises(ZeroDivisionError), files.replacing(target) as temporary:
        temporary.write_text("half")
        _ = 1 // 0
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("before", "after"), [(b"", b"new\n"), (b"a\n", b"a\nnew\n"), (b"a\nto", b"a\nto\nnew\n")]
)
def test_an_appended_line_closes_a_torn_one(tmp_path: Path, before: bytes, after: bytes) -> None:
    file = tmp_path / "journal"
    file.write_bytes(before)
    files.append_line(file, "new")
    assert file.read_bytes() == after


def test_what_a_killed_writer_left_is_cleared_by_the_next_and_a_living_one_s_is_not(
    tmp_path: Path,
) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name in (f".table.txt.{dead.pid}.7.tmp", f".{dead.pid}.7.tmp", f".{os.getpid()}.7.tmp"):
        (tmp_path / name).write_text("half")
    files.write_text(tmp_path / "table.txt", "new")
    assert not (tmp_path / f".table.txt.{dead.pid}.7.tmp").exists()
    files.write_new(tmp_path, lambda n: f"row-{n}", b"x")
    left = {f.name for f in tmp_path.iterdir()}
    assert left == {"table.txt", "row-1", f".{os.getpid()}.7.tmp"}


def test_a_lock_is_held_against_another_process_and_dies_with_it(tmp_path: Path) -> None:
    lock = tmp_path / "run.lock"
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdout and other.stdout.readline() == b"held\n"
    with pytest.raises(ConfigError) as caught, files.locked(lock, busy=BUSY):
        pytest.fail("two processes hold the lock")
    assert caught.value is BUSY
    os.kill(other.pid, signal.SIGKILL)
    other.communicate()
    assert lock.exists()
    with files.locked(lock, busy=BUSY):
        refused = subprocess.run(
            [sys.executable, "-c", HOLD, str(lock)], cwd=ROOT, capture_output=True, input=b""
        )
        assert refused.returncode == 1 and b"ConfigError: busy." in refused.stderr
    with files.locked(lock, busy=BUSY):
        pass
