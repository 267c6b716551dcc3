"""The list of steps, once; run it.

Belongs here: the order of the notebooks, the run's folder and record, what goes on after a
failure. Does not belong here: what a step does (its notebook and `lib/`), drawing bars.
"""

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from lib import files, findings, ingest, monograph, notebooks, page, sources
from lib.config import Config
from lib.errors import ConfigError, ManuscriptError, PipelineError
from lib.findings import Finding
from lib.journal import Journal
from lib.monograph import Built
from lib.paths import NOTEBOOKS, Paths
from lib.progress import Progress, silent, watched
from lib.times import DAY, HOUR, iso, stamp

COLLECT = ("01_ingest",)
PREPARE = ("02_stage", "03_marts")
ANALYSE = ("10_energy",)
STEPS = (*COLLECT, *PREPARE, *ANALYSE)

# What the demo house's first run looks back on: three weeks by day, the last one by hour.
DEMO_DAYS = 21
Show = Callable[[str], Progress]


@dataclass
class Step:
    """What became of one notebook: ok, failed or skipped."""

    name: str
    status: str
    seconds: float = 0.0
    error: PipelineError | None = None


@dataclass
class Run:
    """What became of a run: its folder, steps, findings and page."""

    folder: Path
    now: datetime
    steps: list[Step] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    built: Built | None = None

    @property
    def errors(self) -> list[PipelineError]:
        """What went wrong, in order."""
        return [step.error for step in self.steps if step.error]

    @property
    def ok(self) -> bool:
        """Whether every step came to its end."""
        return not self.errors


@dataclass(frozen=True)
class Order:
    """What to run: which steps, from which source, at which instant, with a page or not."""

    steps: Sequence[str] = STEPS
    source: sources.Name = "auto"
    series: str = ""
    now: str = ""
    days: int | None = None
    rebuild: bool = False
    page: bool = True
    promote: bool = False


def quiet(step: str) -> Progress:
    """Show no progress."""
    return silent


def run(paths: Paths, config: Config, order: Order, *, show: Show = quiet) -> Run:
    """Run the steps one after the other, then the page, into a folder of their own.

    A failed collection does not stop the rest; a failed preparation does, and no page is
    made of it. Raises ConfigError where the source or the clock is wrong, or another run is
    under way.
    """
    with files.locked(paths.data / "run.lock", busy=_busy(paths)):
        source = sources.resolve(order.source)
        now = sources.instant(source, paths, order.now, series=order.series)
        if COLLECT[0] in order.steps:
            _look_back(paths, config, order, source, now, show)
        this = Run(_new_folder(paths, now), now)
        for name in order.steps:
            this.steps.append(_step(paths, order, this, name, source, show))
        if order.promote and this.ok:
            page.promote(this.folder, paths)
        if order.page:
            this.steps.append(_page(paths, this, show))
        this.findings = _findings(this.folder)
        _record(paths, this)
    return this


def _look_back(
    paths: Paths,
    config: Config,
    order: Order,
    source: sources.Name,
    now: datetime,
    show: Show,
) -> None:
    """Let a source with a clock of its own arrive at now: runs one after the other till then."""
    instants = _instants(paths, order, source, now)
    if not instants:
        return
    progress = show("collecting")
    with sources.opened(source, paths, config, now=instants[0], series=order.series) as opened:
        for done, instant in enumerate(instants):
            progress(done, len(instants), f"run of {instant:%Y-%m-%d %H:%M} UTC")
            opened.move_to(instant)
            ingest.run(paths, opened, config, now=instant).raise_if_stopped()
    progress(len(instants), len(instants), "")


def _instants(paths: Paths, order: Order, source: sources.Name, now: datetime) -> list[datetime]:
    """The clock's stops on the way to now: every day, and every hour of the last one."""
    last = Journal(paths.journal).last()
    if source == "replay":
        start = last.asked_at + DAY if last else sources.series_span(order.series)[0] + DAY
        return _every(DAY, start, now)
    days = order.days if order.days is not None else DEMO_DAYS if _first_demo(order, last) else 0
    if source != "demo" or not days:
        return []
    hourly_from = now - DAY
    return _every(DAY, now - timedelta(days=days), hourly_from) + _every(HOUR, hourly_from, now)


def _first_demo(order: Order, last: object) -> bool:
    return not order.now and last is None


def _every(step: timedelta, start: datetime, end: datetime) -> list[datetime]:
    return [start + step * n for n in range(max(0, -((start - end) // step)))]


def _step(
    paths: Paths, order: Order, this: Run, name: str, source: sources.Name, show: Show
) -> Step:
    """Run one notebook, unless an earlier failure forbids it."""
    if _forbidden(paths, this, name):
        return Step(name, "skipped")
    given: dict[str, Any] = {"data_dir": str(paths.data), "run_dir": str(this.folder)}
    if name in COLLECT:
        given |= {"source": source, "series": order.series, "now": iso(this.now)}
    if name in PREPARE:
        given |= {"rebuild": order.rebuild}
    began, progress = time.monotonic(), show(name)
    try:
        with watched(this.folder, progress):
            notebooks.run(NOTEBOOKS / f"{name}.ipynb", this.folder, given)
    except PipelineError as error:
        return Step(name, "failed", time.monotonic() - began, error)
    progress(1, 1, "")
    return Step(name, "ok", time.monotonic() - began)


def _forbidden(paths: Paths, this: Run, name: str) -> bool:
    """After a failed preparation nothing follows; after a failed collection, what is held does."""
    failed = {step.name for step in this.steps if step.status != "ok"}
    return bool(failed - set(COLLECT)) or (bool(failed) and Journal(paths.journal).last() is None)


def _page(paths: Paths, this: Run, show: Show) -> Step:
    """Promote what the run wrote and set the page, unless something before it failed."""
    blocking = [finding for finding in _findings(this.folder) if finding.blocks]
    if any(step.status != "ok" and step.name not in COLLECT for step in this.steps) or blocking:
        return Step("monograph", "skipped", error=_blocked(blocking) if blocking else None)
    began, progress = time.monotonic(), show("monograph")
    try:
        page.promote(this.folder, paths)
        this.built = monograph.build(paths)
    except PipelineError as error:
        return Step("monograph", "failed", time.monotonic() - began, error)
    progress(1, 1, "")
    return Step("monograph", "ok", time.monotonic() - began)


def _blocked(blocking: list[Finding]) -> ManuscriptError:
    return ManuscriptError(
        f"{len(blocking)} finding(s) block the page: {', '.join(f.name for f in blocking)}.",
        risk="The last good PDF stays.",
        remedy="Read them in the run's notebooks, mend the cause and run again.",
    )


def _findings(folder: Path) -> list[Finding]:
    kept = sorted((folder / "findings").glob("*.json"))
    return [finding for file in kept for finding in findings.load(file)]


def _new_folder(paths: Paths, now: datetime) -> Path:
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


def _record(paths: Paths, this: Run) -> None:
    """Write down how the run went; a good one becomes `latest`."""
    steps = [
        {
            "name": s.name,
            "status": s.status,
            "seconds": round(s.seconds, 2),
            "error": str(s.error or ""),
        }
        for s in this.steps
    ]
    plain = {"now": iso(this.now), "ok": this.ok, "steps": steps}
    text = notebooks.redacted(json.dumps(plain, ensure_ascii=False, indent=1))
    files.write_text(this.folder / "run.json", text + "\n")
    if this.ok:
        link = paths.runs / f".latest.{os.getpid()}"
        link.unlink(missing_ok=True)
        link.symlink_to(this.folder.name)
        link.replace(paths.runs / "latest")


def _busy(paths: Paths) -> ConfigError:
    return ConfigError(
        "another run is under way in this folder.",
        where=str(paths.data),
        risk="Nothing is lost: the next run asks for all that is not held.",
        remedy="Wait for it to end, then start again.",
    )
