"""The journal of the raw store: one append-only line for each raw file.

Belongs here: windows, the journal's lines and how they are read. Does not belong here: the
raw files themselves (`raw.py`) and what to ask for next (`ingest.py`).
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import lib
from lib import files
from lib.times import iso


@dataclass(frozen=True, order=True)
class Window:
    """A half-open UTC interval of one device, never across midnight."""

    device_id: str
    start: datetime
    end: datetime

    def __str__(self) -> str:
        return f"{self.device_id} {self.start:%Y-%m-%d %H:%M:%S}-{self.end:%H:%M:%S} UTC"


@dataclass(frozen=True, slots=True)
class Entry:
    """A raw file, the window it answers and what is in it.

    `asked_at` is when the cloud was asked, `dates` the UTC dates of the events. A window
    counts as held only where `complete`. A later entry of the same file replaces it: so a
    file that went bad is taken back without changing a line. Only a line written when the
    cloud was asked has `pages`; the others may stand anywhere in the journal. `sha256` is of
    the rows' bytes, `packed_sha256` of the file's as it lies there; older lines have none.
    """

    file: str
    device_id: str
    start: datetime
    end: datetime
    asked_at: datetime
    complete: bool
    rows: int
    sha256: str
    dates: tuple[str, ...]
    pages: int | None = None
    version: str = lib.__version__
    origin_sha256: str = ""
    reports_only: bool = False
    packed_sha256: str = ""

    def line(self) -> str:
        """The entry as one line of JSON."""
        plain = asdict(self) | {k: iso(getattr(self, k)) for k in ("start", "end", "asked_at")}
        return json.dumps(plain, separators=(",", ":"))

    @classmethod
    def parse(cls, line: str | bytes) -> "Entry":
        """Read a line back; raises ValueError, TypeError or KeyError where it was torn."""
        plain = json.loads(line)
        for key in ("start", "end", "asked_at"):
            plain[key] = datetime.fromisoformat(plain[key])
        return cls(**plain | {"dates": tuple(plain["dates"])})


class Journal:
    """Append-only lines; everything about coverage follows from them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, entry: Entry) -> None:
        """Add the entry; before that its file does not count."""
        files.append_line(self.path, entry.line())

    def since(self, offset: int = 0) -> tuple[list[Entry], int]:
        """Entries from a byte offset on, and the offset to go on from next time."""
        if not self.path.exists():
            return [], 0
        with self.path.open("rb") as handle:
            handle.seek(offset)
            content = handle.read()
        whole = content[: content.rfind(b"\n") + 1]
        return list(_entries(whole.splitlines())), offset + len(whole)

    def all(self) -> list[Entry]:
        """Every entry, oldest first; of a file entered twice, the later one."""
        return list({entry.file: entry for entry in self.since()[0]}.values())

    def recent(self, since: datetime) -> list[Entry]:
        """Entries asked since an instant, oldest first, without reading the whole journal."""
        found: dict[str, Entry] = {}
        for entry in self._newest_first():
            if entry.asked_at >= since:
                found.setdefault(entry.file, entry)
            elif entry.pages is not None:  # older lines are of older questions
                break
        return list(found.values())[::-1]

    def last(self) -> Entry | None:
        """The newest entry, if there is any."""
        return next(self._newest_first(), None)

    def _newest_first(self) -> Iterator[Entry]:
        lines = files.backwards(self.path)
        next(lines, b"")  # nothing, or a line torn by a crash
        return _entries(lines)


def _entries(lines: Iterable[bytes]) -> Iterator[Entry]:
    """A line torn by a crash says nothing; its file is found again by `archive.adopt_strays`."""
    for line in lines:
        try:
            yield Entry.parse(line)
        except (ValueError, TypeError, KeyError):
            continue
