"""Run the steps: collect, prepare, analyse side by side, set the page.

Belongs here: what goes on after a failure. Does not belong here: the list of steps (`steps.py`),
what a step does (its notebook and `lib/`), the run's folder and record (`runs.py`), drawing
bars, what is worth an alarm (`alarms.py`).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from lib import (
    alarms,
    findings,
    history,
    monograph,
    notebooks,
    origins,
    page,
    run_pages,
    runs,
    sources,
)
from lib.alarm_kinds import sentence
from lib.alarms import Outcome, Told
from lib.config import Config
from lib.errors import LatexMissing, ManuscriptError, NothingToPrint, PipelineError
from lib.findings import Finding
from lib.journal import Journal
from lib.paths import NOTEBOOKS, Paths
from lib.progress import Progress, silent, watched
from lib.steps import (
    ANALYSE,
    COLLECT,
    DONE,
    JUDGED,
    NOT_SET,
    PAGE,
    PREPARE,
    STEPS,
    Order,
    Run,
    Step,
)
from lib.times import iso, parse_instant

__all__ = [
    "ANALYSE",
    "COLLECT",
    "DONE",
    "NOT_SET",
    "PAGE",
    "PREPARE",
    "STEPS",
    "Order",
    "Run",
    "Step",
]

Show = Callable[[str], Progress]


def quiet(step: str) -> Progress:
    """Show no progress."""
    return silent


def run(paths: Paths, config: Config, order: Order, *, show: Show = quiet) -> Run:
    """Run the steps, the analyses side by side, then the page, into a folder of their own.

    A failed collection does not stop the rest; a failed preparation does, and no page is
    made of it. Raises ConfigError and StoreMismatch before anything runs.
    """
    with begun(paths, config, order, show=show) as this:
        for name in (step for step in order.steps if step not in ANALYSE):
            run_step(this, name, show)
        analyse(this, [step for step in order.steps if step in ANALYSE], show)
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
            runs.record(
                this.folder,
                map(vars, this.steps),
                now=this.now,
                ok=this.ok,
                kept=this.kept,
                found=this.findings,
            )
        except Exception as error:
            on = alarmed(paths, config, order, this, error)
            for word, line in (_shown(this, on, error) if this else on).lines():
                error.add_note(f"{word}: {line}")
            raise
        this.alarms = _shown(this, alarmed(paths, config, order, this))


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


def _shown(this: Run, told: Told, error: Exception | None = None) -> Told:
    """Let old runs go and leave pages of this one and of all; that itself fails no run."""
    this.alarms = told
    try:
        runs.prune(this.paths, this.config, this.now)
        run_pages.write(this, error)
    except Exception as fault:  # noqa: BLE001 (a job boundary: no page may cost a run)
        note = notebooks.redacted(f"the run's page could not be written: {fault!r}")
        return replace(told, notes=[*told.notes, note])
    return told


def run_step(this: Run, name: str, show: Show = quiet) -> Step:
    """Run one notebook, unless an earlier failure forbids it, and enter how it went."""
    step, forbidden = Step(name, "skipped"), _forbidden(this)
    this.steps.append(step)
    if not forbidden:
        this.kept[name] = this.folder
        _do(step, lambda: _execute(this, name, show))
    return step


def analyse(this: Run, names: Sequence[str], show: Show = quiet) -> None:
    """Run analyses side by side; one that fails keeps none of the others from their end."""
    notebooks.side_by_side(partial(run_step, this, name, show) for name in names)
    this.steps.sort(key=lambda step: STEPS.index(step.name))


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
    failed = {step.name for step in this.steps if step.status in ("failed", "skipped")}
    nothing_held = failed & {*COLLECT} and Journal(this.paths.journal).last() is None
    return bool(failed & {*PREPARE} or nothing_held)


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
