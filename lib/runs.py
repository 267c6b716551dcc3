"""One run at a time, in a folder of its own, with a record of how it went.

Belongs here: waiting for the store, the run's folder, `run.json` and `latest`, which old folders
go. Does not belong here: the lock itself (`origins.py`), what a run does (`pipeline.py`), its
page (`run_pages.py`).
"""

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from lib import files, findings, origins, redaction
from lib.config import Config
from lib.errors import ConfigError, StaleArtifact
from lib.findings import Finding
from lib.paths import Paths
from lib.progress import Progress
from lib.times import DAY, from_stamp, iso, stamp

POLL_S = 0.5
NAME = re.compile(r"(\d{8}T\d{6}Z)(?:-(\d+))?")
ASIDE = ".pruned-"
Record = dict[str, Any]


@contextmanager
def alone(paths: Paths, *, wait_s: float, show: Callable[[str], Progress]) -> Iterator[None]:
    """Hold the store for the block, waiting so long for the run that holds it to end. [s]

    Raises ConfigError where it is still under way then. The lock of a dead process is none.
    """
    began, progress = time.monotonic(), None
    with ExitStack() as held:
        while True:
            waited = time.monotonic() - began
            try:
                held.enter_context(origins.alone(paths))
                break
            except ConfigError:
                if waited >= wait_s:
                    raise
            progress = progress or show("waiting")
            progress(int(waited), int(wait_s) + 1, "for another run to end [s]")
            time.sleep(min(POLL_S, wait_s - waited))
        if progress:
            progress(1, 1, "the other run has ended")
        yield


def new_folder(paths: Paths, now: datetime) -> Path:
    """A folder of its own for each run, even for two at the same instant."""
    number = 1
    while True:
        folder = paths.runs / (stamp(now) if number == 1 else f"{stamp(now)}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
            continue
        return folder


def record(
    folder: Path,
    steps: Iterable[Mapping[str, Any]],
    *,
    now: datetime,
    ok: bool,
    kept: Mapping[str, Path] | None = None,
    found: Sequence[Finding] = (),
) -> None:
    """Write down how a run went, on which runs it stands and how much it found.

    A good one becomes `latest`.
    """
    told = [{**step, "error": str(step["error"] or "")} for step in steps]
    stands_on = {name: earlier.name for name, earlier in (kept or {}).items()}
    counts = {"findings": len(found), "blocking": sum(one.blocks for one in found)}
    plain = {"now": iso(now), "ok": ok, "steps": told, "kept": stands_on, **counts}
    text = redaction.redacted(json.dumps(plain, ensure_ascii=False, indent=1))
    files.write_text(folder / "run.json", text + "\n")
    if ok:
        link = folder.with_name(f".latest.{os.getpid()}")
        link.unlink(missing_ok=True)
        link.symlink_to(folder.name)
        link.replace(folder.with_name("latest"))


def recorded(folder: Path) -> Record | None:
    """How a run went; None where it was cut short before its end, or cannot be read."""
    try:
        told = json.loads((folder / "run.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None


def every(paths: Paths) -> list[Path]:
    """The folders of all runs that are kept, the oldest first."""
    found = [(NAME.fullmatch(one.name), one) for one in paths.runs.glob("[0-9]*")]
    dated = [(name[1], int(name[2] or 1), one) for name, one in found if name and one.is_dir()]
    return [one for text, _, one in sorted(dated) if _is_instant(text) and not one.is_symlink()]


def instant(folder: Path) -> datetime:
    """The instant that a run's folder is named after."""
    return from_stamp(folder.name.partition("-")[0])


def _is_instant(text: str) -> bool:
    try:
        from_stamp(text)
    except ValueError:
        return False
    return True


def findings_in(folder: Path, step: str) -> list[Finding]:
    """What a step of a kept run found; nothing where its file is gone or cannot be read."""
    try:
        return findings.load(folder / "findings" / f"{step}.json")
    except (OSError, ValueError, TypeError):
        return []


def folder_of(paths: Paths, name: str) -> Path:
    """The folder of an earlier run that something stands on. Raises StaleArtifact if it is gone."""
    if (folder := paths.runs / name).is_dir():
        return folder
    raise StaleArtifact(
        "the run is no longer kept, and with it what it found and drew.",
        where=str(folder),
        risk="What stands on it cannot be judged or printed; the last good PDF stays.",
        remedy="Run everything again, from 01_ingest to the page; [runs] says how long runs stay.",
    )


# ---- Old runs ----------------------------------------------------------------------------


def prune(paths: Paths, config: Config, now: datetime) -> list[str]:
    """Remove the folders of old runs and return their names; called by the run that ends.

    The newest ones stay, as do `latest`, the run that set the page last, those that a run
    which stays stands on, and those whose conflicts of staging are still counted. What
    cannot be removed stays until the next run.
    """
    for left in paths.runs.glob(f"{ASIDE}*"):
        shutil.rmtree(left, ignore_errors=True)
    folders = every(paths)
    records = {folder.name: recorded(folder) for folder in folders}
    old = {f.name for f in folders if _is_old(now - instant(f), records[f.name], config)}
    old -= {folder.name for folder in folders[-config.runs.keep_newest :]}
    if old:
        old -= _needed(paths, folders, records)
        old -= _stood_on(records, records.keys() - old)
    return [folder.name for folder in folders if folder.name in old and _removed(folder)]


def _is_old(age: timedelta, record: Record | None, config: Config) -> bool:
    """Whether a run is older than its kind is kept; one without a record failed."""
    went_well = bool(record and record.get("ok"))
    days = config.runs.keep_days if went_well else config.runs.keep_failed_days
    return days > 0 and age > days * DAY


def _needed(
    paths: Paths, folders: Sequence[Path], records: Mapping[str, Record | None]
) -> set[str]:
    """The runs that the page in place and the counts of the next one rest on."""
    printed = [name for name, record in records.items() if _has_set_the_page(record)]
    counted = {}
    for folder in folders:
        for found in findings_in(folder, "02_stage"):
            if found.name == "tcc.staging.conflict":
                counted[found.data.get("date")] = folder.name
    return {(paths.runs / "latest").resolve().name, *printed[-1:], *counted.values()}


def _has_set_the_page(record: Record | None) -> bool:
    steps = record.get("steps", []) if record else []
    return any(step["name"] == "monograph" and step["status"] == "ok" for step in steps)


def _stood_on(records: Mapping[str, Record | None], staying: Iterable[str]) -> set[str]:
    """The runs that these stand on, and those that those stand on, and so forth."""
    found, new = set[str](), set(staying)
    while new:
        found |= new
        stands_on = [(records.get(name) or {}).get("kept") or {} for name in new]
        new = {ground for kept in stands_on for ground in kept.values()} - found
    return found


def _removed(folder: Path) -> bool:
    """Take a run's folder away, whole: by one rename first, so that none is ever half there."""
    aside = folder.with_name(f"{ASIDE}{folder.name}")
    try:
        folder.rename(aside)
    except OSError:
        return False
    shutil.rmtree(aside, ignore_errors=True)
    return True
