"""Rows that did not come through `tcc ingest`: older archives and files found lying about.

Belongs here: reading the shapes such files have, keeping their rows in the raw store.
Does not belong here: what a found file says of itself (`found.py`), reading the cloud.
Nobody can say that an archive is whole (collectors of the time took half a log for a whole
one), so no window of it counts as held.
"""

import hashlib
import os
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from lib import found, origins, raw
from lib.config import is_device_id
from lib.errors import BadRawFile, ConfigError
from lib.journal import Entry, Journal
from lib.paths import Paths
from lib.raw import Row
from lib.times import to_ms

SLACK_S = 2.0  # file systems keep coarse times
NEWEST = 45  # days of which each run looks at the folders; at the others once a day
ANSWER = {"success", "result", "logs"}  # an answer of the cloud has one of them, a row none
PAGE = {"has_next", "has_more", "hasMore"}  # a page of logs has one of them, with rows or none


@dataclass(frozen=True)
class Imported:
    """What became of one imported file: rows kept, or 0 where it was known already.

    `moved_aside` is where a simulated store went that gave way to these rows.
    """

    file: Path
    device_id: str
    rows: int
    known: bool
    moved_aside: Path | None = None


def import_file(
    paths: Paths, file: Path, *, device_id: str | None, now: datetime, ingested_by: str
) -> list[Imported]:
    """Keep the rows of an older archive, as they came; the same file again adds nothing.

    Understood: answers of the cloud as they came, a list of such answers, a plain list of
    rows, and files of the older layout. The store is claimed for measured rows once the
    file was read. Raises BadRawFile, StoreMismatch, and ConfigError where neither the rows
    nor `device_id` say which device they are of.
    """
    by_device = _by_device(_rows(raw.read_json(file), file), device_id, file)
    latest_ms = to_ms(now) + raw.DAY_MS
    windows = [(found.span(device, own, file, latest_ms), own) for device, own in by_device.items()]
    aside = origins.claim(paths, origins.Origin("measured"), now=now) if windows else None
    origin = hashlib.sha256(file.read_bytes()).hexdigest()
    # What was set aside since then has no rows any more, and may come again.
    held = {entry.origin_sha256 for entry in Journal(paths.journal).all() if entry.rows}
    done = []
    for window, own in windows:
        mark = f"{origin}:{window.device_id}"
        known = mark in held
        if not known:
            raw.write_window(
                paths,
                window,
                own,
                asked_at=now,
                ingested_by=ingested_by,
                complete=False,
                origin_sha256=mark,
            )
        done.append(Imported(file, window.device_id, 0 if known else len(own), known, aside))
    return done


def _rows(content: Any, file: Path) -> list[Row]:
    """The rows of any of the shapes that archives have."""
    if isinstance(content, dict):
        return _answered(content, file)
    if not isinstance(content, list):
        raise raw.bad_file(file, "it holds no list of log rows")
    for number, item in enumerate(content, 1):
        if not isinstance(item, dict):
            raise raw.bad_file(file, f"item {number} of its list is no log row")
    pages = [_answered(item, file) if item.keys() & ANSWER else [item] for item in content]
    return [row for page in pages for row in page]


def _answered(answer: dict[str, Any], file: Path) -> list[Row]:
    """The rows of an answer of the cloud, which may say what device they are of."""
    if answer.get("success") is False:
        raise raw.bad_file(file, f"it is an answer of the cloud with error {answer.get('code')}")
    result = answer.get("result", answer)
    if not isinstance(result, dict):
        return _rows(result, file)
    logs = result.get("logs", result.get("list"))
    if logs is None and result.keys() & PAGE:
        return []
    own = {key: result[key] for key in ("device_id",) if result.get(key)}
    return [own | row for row in _rows(logs, file)]


def _by_device(rows: list[Row], device_id: str | None, file: Path) -> dict[str, list[Row]]:
    own_rows: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        own = str(row.get("device_id") or device_id or "")
        if not own:
            raise ConfigError(
                "the rows do not say which device they are of.",
                where=str(file),
                remedy="Name it: tcc import FILE --device ID.",
            )
        if not is_device_id(own):
            raise raw.bad_file(file, f"'{own}' is no device id")
        if device_id and own != device_id:
            raise raw.bad_file(file, f"it holds rows of '{own}', not of '{device_id}'")
        own_rows[own].append(row)
    return own_rows


def adopt_strays(
    paths: Paths,
    *,
    entered: set[str],
    scanned_at: float | None,
    seen: Collection[str] = (),
    there: dict[str, float] | None = None,
    latest_ms: int = raw.YEAR_3000_MS,
) -> tuple[list[Entry], list[Path]]:
    """Enter raw files that the journal does not know; set aside those that cannot be read.

    They were left by a crash between file and journal, or copied in by hand; a file that was
    taken back and lies there again counts too. Only folders that were not `seen` at the last
    look, and what changed since then in the others, are read; `entered` are the files entered
    since then, `there` is what `folders` tells. No event is from `latest_ms` or later.
    Returns the new entries and the files set aside.
    """
    there = folders(paths.raw) if there is None else there
    unknown = set(_changed(paths.raw, there, scanned_at, seen)) - entered
    lines = found.lines_of(paths, unknown) if unknown else {}
    adopted, bad = [], []
    for name in sorted(unknown):
        before = lines.get(name, [])
        if before and not found.taken_back(before[-1]):
            continue
        try:
            entry = found.entry_of(file := paths.raw / name, name, before, latest_ms=latest_ms)
        except BadRawFile as error:
            bad.append(raw.set_aside(paths, file, error, None))
            continue
        # Cut off on its way out or back: `tcc quarantine retry` ends that.
        halfway = raw.linked(file, (paths.quarantine / name).parent)
        adopted += [entry] if not halfway and (entry.rows or not before) else []
    adopted.sort(key=lambda entry: (entry.asked_at, entry.file))
    for entry in adopted:
        Journal(paths.journal).append(entry)
    return adopted, bad


def folders(root: Path, trusted: Collection[str] = ()) -> dict[str, float]:
    """Every folder `device/day`, with the time of its last change. [s since 1970]

    The `trusted` ones that are not among the newest of their device count as never changed:
    to ask the disk about each day of years would be most of an hour's work.
    """
    found = {}
    for device in _folders(root):
        days = sorted(_folders(device), key=lambda day: day.name)
        for place, day in enumerate(days, NEWEST - len(days)):
            name = f"{device.name}/{day.name}"
            found[name] = 0.0 if place < 0 and name in trusted else day.stat().st_ctime
    return found


def _changed(
    root: Path, there: dict[str, float], since: float | None, seen: Collection[str]
) -> Iterator[str]:
    """Names of raw files that are new, as text: there may be many.

    A folder that was moved in keeps its times, and so do its files.
    """
    for folder, changed_at in there.items():
        limit = 0.0 if since is None or folder not in seen else since - SLACK_S
        if changed_at >= limit:
            with os.scandir(root / folder) as found:
                kept = [f for f in found if f.name.endswith((".json", ".json.gz"))]
            yield from (f"{folder}/{f.name}" for f in kept if f.stat().st_ctime >= limit)


def _folders(root: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    if not Path(root).exists():
        return []
    with os.scandir(root) as found:
        return [f for f in found if f.name[0] not in "._" and f.is_dir()]
