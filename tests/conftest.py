"""What every test gets: no settings of the user's, and the folders to work in."""

import hashlib
import os
import re
import signal
from pathlib import Path

import pytest

from lib.paths import ROOT, Paths

# A suite started by a server or in the background may ignore or block Ctrl+C and the request to
# end, and so would all that it starts: tests that interrupt a process would wait in vain.
signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

SERIES_DIR = Path(os.environ.get("TCC_SERIES_DIR") or ROOT.parent / "shared" / "data")
USERS_OWN = re.compile(r"^(TUYA_|ACCESS_|TCC_)|^(API_ENDPOINT|DEVICE_MAPPING_PATH)$")


def digest(file: Path) -> str:
    """What a test compares large files by: pytest would look for differences for hours."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, so that two processes end at about the same time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def nobody_s_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the user's credentials and folders: a test must never reach a real house."""
    for name in filter(USERS_OWN.search, list(os.environ)):
        monkeypatch.delenv(name)
    monkeypatch.setenv("TCC_ENV_FILE", str(tmp_path / "no.env"))


@pytest.fixture
def store(tmp_path: Path) -> Paths:
    """An empty store of its own."""
    return Paths.at(tmp_path / "data")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded reference data, which a newcomer does not have."""
    if not SERIES_DIR.is_dir():
        pytest.skip(f"no recorded series in {SERIES_DIR}; name their folder in TCC_SERIES_DIR")
    return SERIES_DIR
