"""What lies in data/quarantine: why, whether anything else answers for it, and the way back.

Belongs here: listing what was set aside, the rows without a usable time, checking again what
was mended. Does not belong here: finding out that a file is bad (`raw.py`, `staging.py`), what
is printed (`cli_quarantine.py`).
"""

import hashlib
import json
import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from lib import files, found, held, raw, spans, staged_date
from lib.config import Ingestion
from lib.errors import BadRawFile
from lib.journal import Entry, Journal
from lib.paths import Paths
from lib.raw import Row
from lib.spans import Span
from lib.warehouse import Connection

SUFFIX = ".reason.json"
CUT_OFF = "No reason was written: the run was cut off while it set the file aside."


@dataclass(frozen=True)
class Aside:
    """A file in quarantine.

    `name` is where in data/raw it came from, `window` what it answered for, as far as the
    journal knows, `lines` all that the journal said of it. A `copy` holds rows of a raw file
    that stayed. `sha256` is of the bytes that were set aside, where that was written down.
    """

    file: Path
    name: str
    what: str
    remedy: str
    set_aside_at: datetime
    sha256: str
    lines: tuple[Entry, ...]
    copy: bool = False

    @property
    def device_id(self) -> str:
        """The device whose folder it came from."""
        return Path(self.name).parts[0]

    @property
    def window(self) -> Span | None:
        """The window that it answered for, or None where the journal never knew it."""
        return (self.lines[0].start, self.lines[0].end) if self.lines else None

    @property
    def as_found(self) -> bool:
        """Whether nobody changed it since it was set aside."""
        return not self.sha256 or raw.digest(self.file) == self.sha256


def every(paths: Paths) -> list[Aside]:
    """All that lies in quarantine, by path; the journal is read only where anything does."""
    own = {file: _told(paths, file) for file in _files(paths)}
    lines = found.lines_of(paths, {told["of"] for told in own.values()}) if own else {}
    return [_aside(file, told, lines.get(told["of"], [])) for file, told in own.items()]


def _files(paths: Paths) -> list[Path]:
    kept = paths.quarantine.rglob("[!.]*.json*")
    return sorted(f for f in kept if f.is_file() and not f.name.endswith(SUFFIX))


def _told(paths: Paths, file: Path) -> dict[str, str]:
    """The reason of a file; one that was packed or unpacked since then keeps it."""
    if (reason := _reason_file(file)) is None:
        name = str(file.relative_to(paths.quarantine))
        return {"file": name, "of": name, "what": CUT_OFF}
    told: dict[str, str] = json.loads(reason.read_text("utf-8"))
    name = told["file"].removesuffix(".gz") + (".gz" if file.suffix == ".gz" else "")
    return {"of": told["file"]} | told | {"file": name}


def _reason_file(file: Path) -> Path | None:
    twin = file.with_suffix("") if file.suffix == ".gz" else file.with_name(f"{file.name}.gz")
    reasons = (raw.reason_file(one) for one in (file, twin))
    return next((one for one in reasons if one.exists()), None)


def _aside(file: Path, told: dict[str, str], lines: list[Entry]) -> Aside:
    at = (_reason_file(file) or file).stat().st_mtime
    return Aside(
        file=file,
        name=told["file"],
        what=told["what"],
        remedy=told.get("remedy", raw.REMEDY),
        set_aside_at=datetime.fromtimestamp(at, UTC).replace(microsecond=0),
        sha256=told.get("sha256", ""),
        lines=tuple(lines),
        copy=told["of"].removesuffix(".gz") != told["file"].removesuffix(".gz"),
    )


def open_spans(
    paths: Paths, asides: Iterable[Aside], settings: Ingestion
) -> dict[Path, list[Span] | None]:
    """What of each file's window nothing else answers for; None where its window is unknown.

    The same rule as in `tcc doctor`: see `held.span`.
    """
    own = list(asides)
    answered: dict[str, list[Span]] = {aside.device_id: [] for aside in own}
    for entry in Journal(paths.journal).all() if own else ():
        if entry.device_id in answered and (span := held.span(entry, settings)):
            answered[entry.device_id].append(span)
    merged = {device: spans.merge(spans_) for device, spans_ in answered.items()}
    return {a.file: a.window and spans.missing(a.window, merged[a.device_id]) for a in own}


def expires_h(left: list[Span], now: datetime, settings: Ingestion) -> float:
    """Hours until the cloud forgets the oldest that it still has of open spans; 0 if nothing."""
    memory = timedelta(days=settings.retention_days)
    kept = [max(start, now - memory) for start, end in left if end > now - memory]
    return (min(kept) + memory - now).total_seconds() / 3600 if kept else 0.0


def keep_rows(paths: Paths, file: Path, rows: list[Row], total: int) -> Path | None:
    """Copy the rows of a good raw file that no date can take to the quarantine, with the reason.

    The raw file keeps them too. What was copied before, or has gone back since, stays as it is.
    """
    relative = file.relative_to(paths.raw)
    stem = file.name.removesuffix(".gz").removesuffix(".json")
    name = str(relative.with_name(f"{stem}.absurd.json"))
    target = paths.quarantine / name
    if target.exists() or (paths.raw / name).exists():
        return None
    times = ", ".join(sorted({repr(row.get("event_time")) for row in rows})[:3])
    what = f"{len(rows)} of {total} rows of {relative} have no time that can be true ({times})."
    plain = raw.encode(rows)
    told = {"file": name, "what": what, "of": str(relative)}
    raw.write_reason(target, told | {"sha256": hashlib.sha256(plain).hexdigest()})
    return files.write_text(target, plain.decode())


# ---- Looking at one ------------------------------------------------------------------------


def text_of(file: Path) -> str:
    """A file's text, unpacked as far as that goes."""
    content = file.read_bytes()
    if file.suffix == ".gz":
        try:
            content = zlib.decompressobj(wbits=31).decompress(content)
        except zlib.error:
            return ""
    return content.decode("utf-8", errors="replace")


def fault(text: str) -> int | None:
    """The line at which a text stops being JSON, from 1; None where it is JSON."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.lineno
    except RecursionError:
        return 1
    return None


# ---- The way back --------------------------------------------------------------------------


def retry(paths: Paths, aside: Aside, connection: Connection, now: datetime) -> Path:
    """Check a file again and bring it back into data/raw, where the next run stages it.

    It takes its old name, or the next free one. Raises BadRawFile where it is still bad: then
    it stays, with the new reason. The file is in one of the two places at every instant.
    """
    try:
        entry = _checked(paths, aside, connection, now)
    except BadRawFile as error:
        _say_again(aside, error)
        raise
    back = _link_back(paths, aside)
    entry = replace(entry, file=str(back.relative_to(paths.raw)))
    known = {one.file: one for one in Journal(paths.journal).all()}.get(entry.file)
    if known is None or (known.sha256, known.rows) != (entry.sha256, entry.rows):
        Journal(paths.journal).append(entry)
    _forget(aside)
    return back


def coming_back(paths: Paths, file: Path) -> bool:
    """Whether a file in data/raw was mended and `retry` was cut off before it entered it."""
    aside = raw.linked(file, (paths.quarantine / file.relative_to(paths.raw)).parent)
    if aside is None or not raw.reason_file(aside).exists():
        return False
    return raw.reason(aside).get("sha256") != raw.digest(file)


def _checked(paths: Paths, aside: Aside, connection: Connection, now: datetime) -> Entry:
    """The journal's line for a file in quarantine, if it is good now. Raises BadRawFile."""
    latest_ms, before = found.latest_ms(paths, now.timestamp()), aside.lines
    entry = found.entry_of(
        aside.file, aside.name, before, as_found=aside.as_found, latest_ms=latest_ms
    )
    same = any(line.sha256 == entry.sha256 for line in before)
    if before and not same and aside.as_found and not aside.copy:
        raise raw.bad_file(aside.file, "its content is not what the journal says")
    if error := staged_date.unreadable(connection, aside.file):
        raise error
    return entry


def _say_again(aside: Aside, error: BadRawFile) -> None:
    """Put the new reason in the old one's place, with the time of old."""
    file = _reason_file(aside.file)
    if error.what == aside.what:
        return
    told = json.loads(file.read_text("utf-8")) if file else {"file": aside.name}
    at = aside.set_aside_at.timestamp()
    owner = _owner(file) if file else aside.file
    os.utime(raw.write_reason(owner, told | {"what": error.what}), (at, at))


def _link_back(paths: Paths, aside: Aside) -> Path:
    """Give the file its name in data/raw again, never another file's; its own if it has it."""
    old = paths.raw / aside.name
    for number in count(1):
        target = old.with_name(_numbered(number, old.name))
        if not target.exists():
            break
        if target.read_bytes() == aside.file.read_bytes():
            return target
    return files.link_new(aside.file, old.parent, lambda n: _numbered(n, old.name))


def _numbered(number: int, name: str) -> str:
    """The n-th name that a raw file may take: `x_logs.json.gz`, `x_logs-2.json.gz`, ..."""
    stem, dot, ending = name.partition(".")
    return name if number == 1 else f"{stem}-{number}{dot}{ending}"


def _forget(aside: Aside) -> None:
    """Take a file that is in data/raw again out of the quarantine, its reason first."""
    reason = _reason_file(aside.file)
    if reason and (reason == raw.reason_file(aside.file) or not _owner(reason).exists()):
        reason.unlink()
    aside.file.unlink()


def _owner(reason: Path) -> Path:
    return reason.with_name(reason.name.removesuffix(SUFFIX))
