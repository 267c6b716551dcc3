"""How far a step has read the journal, and by which rules: state that is only a cache.

Belongs here: positions in the journal that notice when it is another journal, or when the
rules changed. Does not belong here: what a step does from there on.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lib import files, paths

CONTEXT = 4096  # bytes before the position that must still be the same


@dataclass(frozen=True)
class Bookmark:
    """A byte offset in the journal, a hash of what stands before it, and the rules in force.

    `scanned_at` is when the raw folders were last looked through; `generation` counts how
    often everything was done again.
    """

    offset: int = 0
    before: str = ""
    rules: dict[str, str] = field(default_factory=dict)
    scanned_at: float | None = None
    generation: int = 0


def load(file: Path, journal: Path) -> Bookmark:
    """The bookmark in a file; the beginning where there is none or the journal is another."""
    try:
        mark = Bookmark(**json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return Bookmark()
    if mark.before != fingerprint(journal, mark.offset):
        return Bookmark(generation=mark.generation)
    return mark


def save(file: Path, mark: Bookmark) -> None:
    """Put a bookmark into a file."""
    files.write_text(file, json.dumps(asdict(mark), sort_keys=True) + "\n")


def fingerprint(journal: Path, offset: int) -> str:
    """A hash of the bytes before an offset of the journal; empty where it does not reach it."""
    if not journal.exists() or journal.stat().st_size < offset:
        return ""
    with journal.open("rb") as handle:
        handle.seek(max(0, offset - CONTEXT))
        return hashlib.sha256(handle.read(min(offset, CONTEXT))).hexdigest()


def sql_rules(*names: str) -> str:
    """A hash of SQL files: other SQL gives other rows."""
    texts = [(paths.SQL / f"{name}.sql").read_bytes() for name in names]
    return hashlib.sha256(b"".join(texts)).hexdigest()


def digest(content: object) -> str:
    """A hash of settings, by their text."""
    return hashlib.sha256(repr(content).encode()).hexdigest()


def outdated(mark: Bookmark, rules: dict[str, str]) -> bool:
    """Whether a rule by which something was done is another now; new rules are no change."""
    return any(rules.get(name, old) != old for name, old in mark.rules.items())
