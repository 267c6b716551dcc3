"""The record of collections: one append-only line for each run that asked the cloud.

Belongs here: what was asked for, what failed and what was left out. Does not belong here: what
was kept (`journal.py`), why something is lost for ever (`losses.py`).
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import lib
from lib import files
from lib.paths import Paths
from lib.times import iso


@dataclass(frozen=True)
class Unanswered:
    """A span of a device that a run wanted and did not get.

    `cause` is the name of the error's class, or `quota` or `deadline` where it was not asked
    for; `code` is the cloud's own number, if it gave one.
    """

    device_id: str
    start: datetime
    end: datetime
    cause: str
    code: int | None = None


@dataclass(frozen=True)
class Attempt:
    """A run of the collection: when it was, what came of it, what it went without.

    `stopped` is the name of the error's class that ended it early, with its `code`.
    """

    at: datetime
    planned: int
    confirmed: int
    rows: int
    calls: int
    unanswered: tuple[Unanswered, ...] = ()
    stopped: str = ""
    code: int | None = None
    version: str = lib.__version__

    def line(self) -> str:
        """The attempt as one line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"), default=iso)

    @classmethod
    def parse(cls, line: str | bytes) -> "Attempt":
        """Read a line back; raises ValueError, TypeError or KeyError where it was torn."""
        plain = json.loads(line)
        unanswered = tuple(_unanswered(one) for one in plain.pop("unanswered"))
        return cls(**plain | {"at": _instant(plain["at"]), "unanswered": unanswered})


def _unanswered(plain: dict[str, Any]) -> Unanswered:
    return Unanswered(**plain | {key: _instant(plain[key]) for key in ("start", "end")})


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def append(paths: Paths, attempt: Attempt) -> None:
    """Write down how a collection went."""
    files.append_line(paths.attempts, attempt.line())


def last(paths: Paths) -> Attempt | None:
    """The newest collection of a store, if there is any."""
    found = (_parsed(line) for line in files.backwards(paths.attempts))
    return next((attempt for attempt in found if attempt), None)


def every(paths: Paths) -> list[Attempt]:
    """All collections of a store, oldest first; a line torn by a crash says nothing."""
    if not paths.attempts.exists():
        return []
    found = map(_parsed, paths.attempts.read_bytes().splitlines())
    return [attempt for attempt in found if attempt]


def _parsed(line: bytes) -> Attempt | None:
    try:
        return Attempt.parse(line)
    except (ValueError, TypeError, KeyError):
        return None
