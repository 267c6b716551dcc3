"""The list of steps, once; run it.

Belongs here: the order of the notebooks, the run's folder and record, what goes on after a
failure. Does not belong here: what a step does (its notebook and `lib/`), drawing bars.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from lib import files, findings, history, monograph, notebooks, origins, page, sources
from lib.config import Config
from lib.errors import LatexMissing, ManuscriptError, NothingToPrint, PipelineError
from lib.findings import Finding
from lib.journal import Journal
from lib.monograph import Built
from lib.paths import NOTEBOOKS, Paths
from lib.progress import Progress, silent, watched
from lib.times import iso, stamp

COLLECT = ("01_ingest",)
PREPARE = ("02_stage", "03_marts")
ANALYSE = ("10_energy",)
STEPS = (*COLLECT, *PREPARE, *ANALYSE)
PAGE = "monograph"
NOT_SET = "not set"
Show = Callable[[str], Progress]


@dataclass
class Step:
    """What became of one notebook, or of the page: ok, failed, skipped or not set.

    The page is not set where LaTeX is missing or no row has come yet; the rest is done.
    """

    name: str
    status: str
    seconds: float = 0.0
    error: PipelineError | None = None


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


@dataclass
class Run:
    """What became of a run: its folder, steps, findings and page."""

    paths: Paths
    config: Config
    order: Order
    source: sources.Name
    now: datetime
    folder: Path
    moved_aside: Path | None = None  # where a simulated store went that gave way to real rows
    kept: dict[str, Path] = field(default_factory=dict)  # step -> folder with what it wrote
    steps: list[Step] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    built: Built | None = None

    @property
    def origin(self) -> origins.Origin | None:
        """What the store's rows are: measured, simulated or recorded."""
        return origins.of(self.paths)

    @property
    def errors(self) -> list[PipelineError]:
        """What went wrong, in order."""
        return [step.error for step in self.steps if step.error]

    @property
    def ok(self) -> bool:
        """Whether every step came to its end; a page not set is nobody's failure."""
        return all(step.status in ("ok", NOT_SET) for step in self.steps)


def quiet(step: str) -> Progress:
    """Show no progress."""
    return silent


def run(paths: Paths, config: Config, order: Order, *, show: Show = quiet) -> Run:
    """Run the steps one after the other, then the page, into a folder of their own.

    A failed collection does not stop the rest; a failed preparation does, and no page is
    made of it. Raises ConfigError and StoreMismatch before anything runs.
    """
    with begun(paths, config, order) as this:
        for name in order.steps:
            run_step(this, name, show)
        if order.promote and this.ok:
            page.promote(this.folder, paths)
        if order.page:
            set_page(this, show)
    return this


@contextmanager
def begun(paths: Paths, config: Config, order: Order) -> Iterator[Run]:
    """Begin a run: no other runs in this store until it ends, and then it is recorded.

    Raises ConfigError where the source or the clock is wrong or another run is under way,
    StoreMismatch where the store holds other rows than the source's, and SourceError where
    the cloud refuses a store's first run.
    """
    with origins.alone(paths):
        source, aside = order.source, None
        if COLLECT[0] in order.steps:
            source = sources.resolve(order.source, paths)
            now = sources.instant(source, paths, order.now, series=order.series)
            aside = sources.prepared(source, paths, now=now, series=order.series)
        else:
            now = origins.clock(paths, order.now)
        this = Run(paths, config, order, source, now, _new_folder(paths, now), aside)
        yield this
        this.findings = findings_of(this)
        _record(this)


def run_step(this: Run, name: str, show: Show = quiet) -> Step:
    """Run one notebook, unless an earlier failure forbids it, and enter how it went."""
    step, forbidden = Step(name, "skipped"), _forbidden(this)
    this.steps.append(step)
    if not forbidden:
        this.kept[name] = this.folder
        _do(step, lambda: _execute(this, name, show))
    return step


def _execute(this: Run, name: str, show: Show) -> None:
    given: dict[str, Any] = {"data_dir": str(this.paths.data), "run_dir": str(this.folder)}
    if name in COLLECT:
        order = this.order
        history.look_back(
            *(this.paths, this.config, this.source, order.series),
            now=this.now,
            days=0 if order.now and order.days is None else order.days,
            progress=lambda: show("collecting"),
        )
        given |= {"source": this.source, "series": this.order.series, "now": iso(this.now)}
    if name in PREPARE:
        given |= {"rebuild": this.order.rebuild}
    progress = show(name)
    with watched(this.folder, progress):
        notebooks.run(NOTEBOOKS / f"{name}.ipynb", this.folder, given)
    progress(1, 1, "")


def _do(step: Step, work: Callable[[], None]) -> None:
    """Do a step's work; a known error becomes a part of the step, and any leaves it failed."""
    began, step.status = time.monotonic(), "failed"
    try:
        work()
        step.status = "ok"
    except (LatexMissing, NothingToPrint) as error:
        step.status, step.error = NOT_SET, error
    except PipelineError as error:
        step.error = error
    finally:
        step.seconds = round(time.monotonic() - began, 2)


def _forbidden(this: Run) -> bool:
    """After a failed preparation nothing follows; after a failed collection, what is held does."""
    failed = {step.name for step in this.steps if step.status != "ok"}
    return bool(failed - set(COLLECT) or (failed and Journal(this.paths.journal).last() is None))


def set_page(this: Run, show: Show = quiet) -> Step:
    """Promote what the run wrote and set the page, unless something before it failed."""
    blocking = [finding for finding in findings_of(this) if finding.blocks]
    ready = not blocking and all(s.status == "ok" or s.name in COLLECT for s in this.steps)
    step = Step(PAGE, "skipped", error=_blocked(blocking) if blocking else None)
    this.steps.append(step)
    if ready:
        _do(step, lambda: _print(this, show))
    return step


def _print(this: Run, show: Show) -> None:
    progress = show(PAGE)
    for folder in sorted({this.kept[name] for name in ANALYSE if name in this.kept}):
        page.promote(folder, this.paths)
    this.built = monograph.build(this.paths)
    progress(1, 1, "")


def _blocked(blocking: list[Finding]) -> ManuscriptError:
    return ManuscriptError(
        f"{len(blocking)} finding(s) block the page: {', '.join(f.name for f in blocking)}.",
        risk="The last good PDF stays.",
        remedy="Read them in the run's notebooks, mend the cause and run again.",
    )


def findings_of(this: Run) -> list[Finding]:
    """What the run's steps found in the data, those of an earlier run that it stands on too."""
    kept = [folder / "findings" / f"{name}.json" for name, folder in this.kept.items()]
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


def _record(this: Run) -> None:
    """Write down how the run went; a good one becomes `latest`."""
    steps = [vars(step) | {"error": str(step.error or "")} for step in this.steps]
    plain = {"now": iso(this.now), "ok": this.ok, "steps": steps}
    text = notebooks.redacted(json.dumps(plain, ensure_ascii=False, indent=1))
    files.write_text(this.folder / "run.json", text + "\n")
    if this.ok:
        link = this.paths.runs / f".latest.{os.getpid()}"
        link.unlink(missing_ok=True)
        link.symlink_to(this.folder.name)
        link.replace(this.paths.runs / "latest")
