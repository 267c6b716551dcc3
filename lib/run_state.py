"""What a run knew, kept with it: how far the journal went, and the settings themselves.

Belongs here: writing and reading `state.json` of a run's folder. Does not belong here: what an
outcome stands on (`grounds.py` keeps hashes, which say that a setting differs but not which).

The raw store is append-only, so that its length is all that is needed to have it again as it was.
Settings hold no secret: those have a door of their own (`credentials.py`).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib import bookmark, files, grounds, redaction
from lib.config import Config
from lib.paths import Paths
from lib.version import code_version

FILE = "state.json"
State = Mapping[str, Any]


def keep(paths: Paths, config: Config, folder: Path) -> Path:
    """Write down in a run's folder what it knew, for `tcc why`."""
    told = {
        "version": code_version(),
        "journal": _length(paths.journal),
        "attempts": _length(paths.attempts),
        "settings": config.model_dump(mode="json"),
        "files": {file.name: file.read_text("utf-8") for file in grounds.setting_files()},
    }
    text = redaction.redacted(json.dumps(told, ensure_ascii=False, indent=1))
    return files.write_text(folder / FILE, text + "\n")


def _length(file: Path) -> dict[str, Any]:
    """How long an append-only file is, with a hash of its last bytes."""
    size = file.stat().st_size if file.exists() else 0
    return {"bytes": size, "before": bookmark.fingerprint(file, size)}


def load(folder: Path) -> State:
    """What a run knew; nothing of a run from before this was kept."""
    try:
        told = json.loads((folder / FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
