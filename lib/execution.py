"""Run one step of a run: its notebook, unless an earlier outcome of it still stands.

Belongs here: what a notebook is given, whether it need run, how it went. Does not belong here:
the order of steps and what goes on after a failure of all (`pipeline.py`), what an outcome stands
on (`grounds.py`), papermill (`notebooks.py`).
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lib import grounds, history, kernels, notebooks, restatements, run_state
from lib.errors import LatexMissing, NothingToPrint, PipelineError
from lib.journal import Journal
from lib.paths import NOTEBOOKS
from lib.progress import Progress, silent, watched
from lib.steps import ANALYSE, COLLECT, JUDGED, NOT_SET, PREPARE, UNCHANGED, Run, Step
from lib.times import iso

Show = Callable[[str], Progress]


def quiet(step: str) -> Progress:
    """Show no progress."""
    return silent


def run_step(this: Run, name: str, show: Show = quiet) -> Step:
    """Run one notebook, unless an earlier failure forbids it, and enter how it went."""
    step, forbidden = Step(name, "skipped"), _forbidden(this)
    this.steps.append(step)
    if not forbidden:
        this.kept[name] = this.folder
        do(step, lambda: _settle(this, step, show))
    return step


def _settle(this: Run, step: Step, show: Show) -> str:
    """Run a step's notebook, unless all that it stands on is as in the run that it ran in."""
    name, given = step.name, _given(this, step.name)
    if name not in ANALYSE:  # they look for what is new, of which silence is a part
        _execute(this, name, given, show)
        if name == PREPARE[-1]:
            restatements.notice(this.paths, this.config, now=this.now, run=this.folder.name)
        return "ok"
    judges, anew = _judged(this, name), this.order.force or this.order.rebuild
    ground = grounds.of(this.paths, this.config, notebook(name), given, judges)
    if earlier := None if anew else grounds.standing(this.paths, name, ground):
        this.kept[name] = earlier
        show(name)(1, 1, "unchanged")
        return UNCHANGED
    _execute(this, name, given, show)
    # The code as it was loaded, the data as it was left: what it froze is its own ground.
    left = grounds.data(this.paths, judges, baselines=grounds.reads_baselines(ground))
    run_state.keep(this.paths, this.config, this.folder)
    grounds.keep(this.folder, name, ground | {"data": left})
    return "ok"


def notebook(name: str) -> Path:
    """The notebook of a step."""
    return NOTEBOOKS / f"{name}.ipynb"


def _judged(this: Run, name: str) -> dict[str, Path] | None:
    """The folders of the steps whose findings a step that judges the collection counts."""
    return {own: this.kept[own] for own in PREPARE if own in this.kept} if name in JUDGED else None


def _given(this: Run, name: str) -> dict[str, Any]:
    """The parameters of a step's notebook in a run."""
    given: dict[str, Any] = {"data_dir": str(this.paths.data), "run_dir": str(this.folder)}
    if name in COLLECT:
        given |= {"source": this.source, "series": this.order.series, "now": iso(this.now)}
    if name in PREPARE:
        order = this.order
        given |= {"rebuild": order.rebuild}
        given |= {"first_date": order.first_date, "last_date": order.last_date}
    return given | ({"now": iso(this.now)} if name in JUDGED else {})


def _execute(this: Run, name: str, given: dict[str, Any], show: Show) -> None:
    rest = this.order.steps[this.order.steps.index(name) :] if name in this.order.steps else [name]
    kernels.preload(map(notebook, rest))
    if name in COLLECT:
        order = this.order
        history.look_back(
            *(this.paths, this.config, this.source, order.series),
            now=this.now,
            days=0 if order.now and order.days is None else order.days,
            progress=lambda: show("collecting"),
        )
    progress = show(name)
    with watched(this.folder, progress):
        notebooks.run(notebook(name), this.folder, given)
    progress(1, 1, "")


def do(step: Step, work: Callable[[], str]) -> None:
    """Do a step's work; a known error becomes a part of the step, and any leaves it failed."""
    began, step.status = time.monotonic(), "failed"
    try:
        step.status = work()
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
