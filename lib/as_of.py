"""A store as it was at an instant: what was known then, laid out in a folder of its own.

Belongs here: which lines of the journal, which registry files and attempts were there, and laying
them out beside hard links. Does not belong here: cutting hours out of it (`hours.py`), staging
and marts of it (`swap_job.py`), what for (`why.py`).

Raw is append-only: a store of long ago is a prefix of its journal. The links cost no room, and
nothing here writes through one: every file of ours is replaced whole.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from lib import bookmark, contents, files, found, marts, marts_state, raw, staging
from lib.config import Config
from lib.errors import StaleArtifact
from lib.journal import Entry, Journal
from lib.paths import Paths
from lib.times import from_stamp, iso

REGISTRY = "raw/_registry/"
JOURNAL, ATTEMPTS = "raw/journal.jsonl", "raw/attempts.jsonl"
OWN_MEMORY = {"checked.json", "again"}  # when the registry was asked, which no number reads
FOUND = ("02_stage", "03_marts")


@dataclass(frozen=True)
class Known:
    """What was known of a store: the journal's lines, the registry's files, the attempts.

    `cut` names files of which only a part counts, with where that part lies.
    """

    at: datetime
    lines: tuple[Entry, ...]
    registry: frozenset[str]
    attempts: bytes = b""
    cut: Mapping[str, Path] = field(default_factory=dict)

    def effective(self) -> list[Entry]:
        """The last line of each file."""
        return list({entry.file: entry for entry in self.lines}.values())


def known(
    paths: Paths, at: datetime, state: Mapping[str, Any], data: Mapping[str, str], scratch: Path
) -> Known:
    """What a store knew at a run's instant, as exactly as the run says.

    `state` is what the run kept of itself (`run_state.py`), `data` its tables' hashes; without
    them lines count that were asked by then. Raises StaleArtifact where the journal is another.
    """
    journal = _prefix(paths.journal, JOURNAL, state.get("journal"), data, at)
    told = _prefix(paths.attempts, ATTEMPTS, state.get("attempts"), data, at)
    beginning = scratch / f"{paths.journal.name}.{len(journal)}"
    beginning.write_bytes(journal)
    lines = tuple(Journal(beginning).since()[0])
    names = {name.removeprefix(REGISTRY) for name in data if name.startswith(REGISTRY)}
    return Known(at, lines, frozenset(names or _registered(paths, at)), told)


def now(paths: Paths, at: datetime) -> Known:
    """What a store knows now."""
    names = {file.relative_to(paths.registry).as_posix() for file in paths.registry.glob("*/*_*")}
    return Known(at, tuple(Journal(paths.journal).since()[0]), frozenset(names))


def _prefix(
    file: Path, name: str, length: Mapping[str, Any] | None, data: Mapping[str, str], at: datetime
) -> bytes:
    """The beginning of an append-only file: by its length, by its hash, or by its instants."""
    content = file.read_bytes() if file.exists() else b""
    if length is not None:
        if bookmark.fingerprint(file, length["bytes"]) != length["before"]:
            raise StaleArtifact(
                "it is not the file that the run read: it was changed or made anew.",
                where=str(file),
                risk="The store cannot be rebuilt as it was; nothing was changed.",
                remedy="Name a run of this store, or bring the file back.",
            )
        return content[: length["bytes"]]
    lines = content.splitlines(keepends=True)
    wanted, digest, whole = data.get(name), hashlib.sha256(), b""
    for number, line in enumerate(lines, 1):
        digest.update(line)
        if wanted and contents.text_hash(f"{name} {digest.hexdigest()}") == wanted:
            return b"".join(lines[:number])
    for line in lines:
        if not _by_then(line, at):
            break
        whole += line
    return whole


def _by_then(line: bytes, at: datetime) -> bool:
    """Whether a line was written by an instant, as far as it says."""
    try:
        plain = json.loads(line)
        return str(plain.get("asked_at") or plain.get("at") or "") <= iso(at)
    except (ValueError, AttributeError):
        return True


def _registered(paths: Paths, at: datetime) -> set[str]:
    """The dated files of the registry that were there at an instant."""
    return {
        file.relative_to(paths.registry).as_posix()
        for file in paths.registry.glob("*/*_*.json")
        if from_stamp(file.name.partition("_")[0]) <= at
    }


# ---- Laying it out -----------------------------------------------------------------------


def lay(
    paths: Paths,
    target: Paths,
    wanted: Known,
    *,
    base: Paths | None = None,
    dates: Container[str] | None = None,
) -> list[str]:
    """Lay a store out as it was known, its raw files linked from the store that has them.

    With a `base` its partitions are linked too, and of the raw files only those with rows on
    `dates`, which must be made anew. The names of files that are gone are returned.
    """
    files.write_text(target.journal, "".join(e.line() + "\n" for e in wanted.lines), durable=False)
    target.attempts.write_bytes(wanted.attempts)
    gone, back = [], set()
    for entry in wanted.effective():
        if found.taken_back(entry):
            back.add(entry.file)
        elif dates is None or any(day in dates for day in entry.dates):
            source = wanted.cut.get(entry.file) or raw_file(paths, entry.file)
            gone += [] if link(source, target.raw / entry.file) else [entry.file]
    for name in wanted.registry - OWN_MEMORY:
        link(paths.registry / name, target.registry / name)
    _link_rest(paths, target, wanted, back)
    if base:
        _link_tables(base, target, dates if dates is not None else ())
    return gone


def raw_file(paths: Paths, name: str) -> Path:
    """Where a raw file lies, or lies now that it was set aside."""
    file = paths.raw / name
    return file if file.exists() else paths.quarantine / name


def link(source: Path, target: Path) -> bool:
    """Give a file a second name; a copy on another disk. Whether it was there."""
    if not source.exists():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
    return True


def _link_rest(paths: Paths, target: Paths, wanted: Known, back: set[str]) -> None:
    """What else a notebook reads: the origin, frozen baselines, what was set aside and found."""
    link(paths.source, target.source)
    for file in paths.control.glob("*.json"):
        link(file, target.control / file.name)
    for name in back:
        reason = raw.reason_file(paths.quarantine / name)
        link(reason, target.quarantine / reason.relative_to(paths.quarantine))
    for run in paths.runs.glob("[0-9]*Z*"):
        if run.name.partition("-")[0] <= f"{wanted.at:%Y%m%dT%H%M%SZ}":
            for step in FOUND:
                told = run / "findings" / f"{step}.json"
                link(told, target.runs / told.relative_to(paths.runs))


def _link_tables(base: Paths, target: Paths, dates: Container[str]) -> None:
    """The partitions of a store; of tables by local date only those that stay."""
    for file in contents.tables(base):
        name = file.relative_to(base.data)
        local = name.parts[-3] in marts.BY_LOCAL_DATE
        if not (local and name.parts[-2].partition("=")[2] in dates):
            link(file, target.data / name)


def current(paths: Paths, config: Config) -> bool:
    """Whether a store's partitions stand for its whole journal, and nothing is under way."""
    return staging.current(paths, config) and marts_state.current(paths, config, marts.SQL)
