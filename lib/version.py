"""Which code this is. Belongs here: version and commit. Does not belong here: what ran with it."""

import shutil
import subprocess
from functools import lru_cache

from lib import __version__
from lib.paths import ROOT


@lru_cache(maxsize=1)
def code_version() -> str:
    """The library's version and, in a git checkout, the commit."""
    if not (git := shutil.which("git")):
        return __version__
    command = [git, "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip()
    return f"{__version__}+{commit}" if commit else __version__
