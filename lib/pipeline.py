"""The list of steps, once; run it.

Belongs here: the order of the notebooks, what goes on after a failure. Does not belong here:
what a step does (its notebook and `lib/`), the run's folder and record (`runs.py`), drawing
bars, what is worth an alarm (`alarms.py`).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from lib import alarms, findings, history, monograph, notebooks, origins, page, runs, sources
from lib.alarm_kinds import sentence
from lib.alarms import Outcome, Told
from lib.config import Config
from lib.errors import LatexMissing, ManuscriptError, NothingToPrint, PipelineError
from lib.findings import Finding
from lib.journal import Journal
from lib.monograph import Built
from lib.paths import NOTEBOOKS, Paths
from lib.progress import Progress, silent, watched
from lib.times import iso, parse_instant

COLLECT = ("01_ingest",)
PREPARE = ("02_stage", "03_marts")
ANALYSE = ("10_energy", "14_data_quality")
JUDGED = ("14_data_quality",)  # told the run's clock: what is lost and at risk depends on it
STEPS = (*COLLECT, *PREPARE, *ANALYSE)
PAGE = "monograph"
NOT_SET = "not set"
DONE = ("ok", NOT_SET)
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
    """What to run, from which source and at which instant; `wait_s` for another run to end."""

    steps: Sequence[str] = STEPS
    source: sources.Name = "auto"
    series: str = ""
    now: str = ""
    days: int | None = None
    rebuild: bool = False
    page: bool = True
    promote: bool = False
    wait_s: float = 0.0


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
    alarms: Told = field(default_factory=Told)

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
        return all(step.status in DONE for step in self.steps)


def quiet(step: str) -> Progress:
    """Show no progress."""
    return silent


def run(paths: Paths, config: Config, order: Order, *, show: Show = quiet) -> Run:
    """Run the steps one after the other, then the page, into a folder of their own.

    A failed collection does not stop the rest; a failed preparation does, and no page is
    made of it. Raises ConfigError and StoreMismatch before anything runs.
    """
    with begun(paths, config, order, show=show) as this:
        for name in order.steps:
            run_step(this, name, show)
        if order.promote and this.ok:
            page.promote(this.folder, paths)
        if order.page:
            set_page(this, show)
    return this


@contextmanager
def begun(paths: Paths, config: Config, order: Order, *, show: Show = quiet) -> Iterator[Run]:
    """Begin a run: no other runs in this store until it ends; then it is recorded and judged.

    Raises ConfigError where the source or the clock is wrong or another run is under way,
    StoreMismatch where the store holds other rows than the source's, and SourceError where
    the cloud refuses a store's first run. What ends a run early carries its alarms as notes.
    """
    if order.now:
        parse_instant(order.now)  # a slip at the terminal is no alarm
    with runs.alone(paths, wait_s=order.wait_s, show=show):
        this = None
        try:
            this = _opened(paths, config, order)
            yield this
            this.findings = findings_of(this)
            runs.record(this.folder, now=this.now, ok=this.ok, steps=map(vars, this.steps))
        except Exception as error:
            for word, line in alarmed(paths, config, order, this, error).lines():
                error.add_note(f"{word}: {line}")
            raise
        this.alarms = alarmed(paths, config, order, this)


def _opened(paths: Paths, config: Config, order: Order) -> Run:
    """A run in a folder of its own, in a store that is claimed for its source."""
    source, aside = order.source, None
    if COLLECT[0] in order.steps:
        source = sources.resolve(order.source, paths)
        now = sources.instant(source, paths, order.now, series=order.series)
        aside = sources.prepared(source, paths, now=now, series=order.series)
    else:
        now = origins.clock(paths, order.now)
    return Run(paths, config, order, source, now, runs.new_folder(paths, now), aside)


def alarmed(
    paths: Paths,
    config: Config,
    order: Order,
    this: Run | None = None,
    error: Exception | None = None,
) -> Told:
    """Judge a run that ended, was cut short or could not begin; that itself fails no run."""
    begins = order.source if this is None and COLLECT[0] in order.steps else None
    steps = this.steps if this else []
    said = {s.name: sentence(s.error) for s in steps if s.error and s.status not in DONE}
    if error and not said:
        said = {steps[-1].name if steps else order.steps[0]: sentence(error)}
    unheard = {*STEPS, PAGE} - {s.name for s in steps if s.status in DONE}
    try:
        outcome = Outcome({name: notebooks.redacted(text) for name, text in said.items()}, unheard)
        now = this.now if this else sources.instant("cloud", paths, order.now)
        return alarms.watch(paths, config, outcome, now=now, real=alarms.measured(paths, begins))
    except Exception as fault:  # noqa: BLE001 (a job boundary: no alarm may cost a run)
        return Told(notes=[notebooks.redacted(f"alarms could not be judged: {fault!r}")])


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
    given |= {"rebuild": this.order.rebuild} if name in PREPARE else {}
    given |= {"now": iso(this.now)} if name in JUDGED else {}
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
