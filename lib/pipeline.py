"""Run the steps: collect, prepare, analyse side by side, set the page.

Belongs here: what goes on after a failure. Does not belong here: the list of steps (`steps.py`),
what a step does (its notebook and `lib/`), the run's folder and record (`runs.py`), drawing
bars, what is worth an alarm (`alarms.py`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from lib import (
    alarms,
    findings,
    monograph,
    notebooks,
    origins,
    page,
    redaction,
    run_pages,
    runs,
    sources,
)
from lib.alarm_kinds import sentence
from lib.alarms import Outcome, Told
from lib.config import Config
from lib.errors import ManuscriptError
from lib.execution import Show, do, quiet, run_step
from lib.findings import Finding
from lib.paths import Paths
from lib.steps import (
    ANALYSE,
    COLLECT,
    DONE,
    NOT_SET,
    PAGE,
    PREPARE,
    STEPS,
    UNCHANGED,
    Order,
    Run,
    Step,
)
from lib.times import parse_instant

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
    "Show",
    "Step",
    "quiet",
    "run_step",
]


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
            _promote(this)
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
        outcome = Outcome({name: redaction.redacted(text) for name, text in said.items()}, unheard)
        now = this.now if this else sources.instant("cloud", paths, order.now)
        return alarms.watch(paths, config, outcome, now=now, real=alarms.measured(paths, begins))
    except Exception as fault:  # noqa: BLE001 (a job boundary: no alarm may cost a run)
        return Told(notes=[redaction.redacted(f"alarms could not be judged: {fault!r}")])


def _shown(this: Run, told: Told, error: Exception | None = None) -> Told:
    """Let old runs go and leave pages of this one and of all; that itself fails no run."""
    this.alarms = told
    try:
        runs.prune(this.paths, this.config, this.now)
        run_pages.write(this, error)
    except Exception as fault:  # noqa: BLE001 (a job boundary: no page may cost a run)
        note = redaction.redacted(f"the run's page could not be written: {fault!r}")
        return replace(told, notes=[*told.notes, note])
    return told


def analyse(this: Run, names: Sequence[str], show: Show = quiet) -> None:
    """Run analyses side by side; one that fails keeps none of the others from their end."""
    notebooks.side_by_side(partial(run_step, this, name, show) for name in names)
    this.steps.sort(key=lambda step: STEPS.index(step.name))


def set_page(this: Run, show: Show = quiet) -> Step:
    """Promote what the run wrote and set the page, unless something before it failed."""
    blocking = [finding for finding in findings_of(this) if finding.blocks]
    ready = not blocking and all(s.status in DONE or s.name in COLLECT for s in this.steps)
    step = Step(PAGE, "skipped", error=_blocked(blocking) if blocking else None)
    this.steps.append(step)
    if ready:
        do(step, lambda: _print(this, show))
    return step


def _print(this: Run, show: Show) -> str:
    progress = show(PAGE)
    _promote(this)
    this.built = monograph.build(this.paths)
    progress(1, 1, "")
    return "ok" if this.built.rebuilt else UNCHANGED


def _promote(this: Run) -> None:
    """Let the page read what the analyses left, those of earlier runs too."""
    for name in (step for step in ANALYSE if step in this.kept):
        page.promote(this.kept[name], this.paths, name)


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
