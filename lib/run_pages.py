"""The page of one run for a browser: its steps, findings, alarms and figures.

Belongs here: what stands on it, in Portuguese, and writing it. Does not belong here: the list of
all runs (`run_list.py`), how pages look (`templates/`), the printed page (`monograph.py`).

What errors and alarms say is English, as on the terminal, and marked so.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from lib import files, origins, run_list, runs
from lib.errors import ManuscriptError
from lib.page import FIGURES, VALUES, Vintage, read_json
from lib.run_list import (
    EARLIER,
    INDEX,
    WORDS,
    Model,
    duration,
    origin_of,
    rendered,
    state_of,
    title,
)
from lib.steps import PAGE, STEPS, Run, Step
from lib.times import brazilian


def write(this: Run, error: Exception | None = None) -> Path:
    """Write the page of a run that ended or was cut short, then the list of all runs.

    Returns the run's page. Raises OSError where it cannot be written.
    """
    page = files.write_text(this.folder / INDEX, rendered("run.html", of_run(this, error)))
    run_list.write(this.paths, name=this.config.site.name, time_zone=_time_zone(this))
    return page


def of_run(this: Run, error: Exception | None = None) -> Model:
    """All that the page of a run shows, as plain values."""
    steps = [_step(this, step) for step in _steps(this)]
    state = "cut" if error else state_of({"ok": this.ok, "steps": list(map(vars, this.steps))})
    errors = [str(one) for one in this.errors] + ([_said(error)] if error else [])
    return {
        "site": this.config.site.name,
        "when": brazilian(this.now, _time_zone(this)),
        "utc": f"{this.now:%Y-%m-%d %H:%M} UTC",
        "folder": this.folder.name,
        "state": state,
        "word": WORDS[state],
        "spent": duration(sum(step.seconds for step in this.steps)),
        "steps": steps,
        "findings": [one | {"step": s["title"]} for s in steps for one in s["found"]],
        "errors": errors,
        "alarms": [{"kind": kind, "text": text} for kind, text in this.alarms.lines()],
        "origin": origin_of(this.origin),
        "vintage": _vintage(this),
        "pdf": _pdf(this),
        "record": _link(this.folder, this.folder / "run.json"),
    }


def _steps(this: Run) -> list[Step]:
    """The run's steps, and those of earlier runs that it stands on, in order."""
    own = {step.name for step in this.steps}
    earlier = [Step(name, EARLIER) for name in this.kept if name not in own]
    order = [*STEPS, PAGE]
    return sorted([*this.steps, *earlier], key=lambda step: order.index(step.name))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _time_zone(this: Run) -> str:
    """The zone of the place that the rows are of."""
    return origins.site(this.paths, this.config.site).time_zone


def _step(this: Run, step: Step) -> Model:
    """A step, what it found and drew, and where its executed notebook is."""
    name, folder = step.name, this.kept.get(step.name, this.folder)
    found = runs.findings_in(folder, name)
    return {
        "name": name,
        "title": title(name),
        "status": step.status,
        "word": WORDS[step.status],
        "seconds": duration(step.seconds) if step.seconds else "",
        "found": [{"name": f.name, "text": f.text, "blocks": f.blocks} for f in found],
        "blocking": sum(one.blocks for one in found),
        "html": _link(this.folder, folder / f"{name}.html"),
        "notebook": _link(this.folder, folder / f"{name}.ipynb"),
        "earlier": folder.name if folder != this.folder else "",
        "figures": list(_figures(this.folder, folder, name)),
    }


def _link(page_folder: Path, file: Path) -> str:
    """The address of a file from a page's folder; empty where there is no such file."""
    return quote(os.path.relpath(file, page_folder)) if file.exists() else ""


def _figures(page_folder: Path, folder: Path, notebook: str) -> Iterator[Model]:
    """The figures that a notebook left in a run's folder, in order of their names."""
    for sidecar in sorted((folder / FIGURES).glob("*.json")):
        told = _read(sidecar)
        if told.get("notebook") == notebook:
            yield {
                "caption": str(told.get("caption") or sidecar.stem).replace("--", "–"),
                "png": _link(page_folder, sidecar.with_suffix(".png")),
                "pdf": _link(page_folder, sidecar.with_suffix(".pdf")),
            }


def _read(file: Path) -> Model:
    """A file that a run wrote; nothing where it cannot be read: a page is shown all the same."""
    try:
        return read_json(file)
    except ManuscriptError:
        return {}


def _vintage(this: Run) -> str:
    """Which hours of data the run's numbers stand on, as its last analysis says."""
    for name in reversed(STEPS):
        told = _read(this.kept.get(name, this.folder) / VALUES / f"{name}.json")
        if "vintage" in told:
            return Vintage.from_record(told["vintage"]).sentence(_time_zone(this))
    return ""


def _pdf(this: Run) -> Model:
    if this.built is None:
        return {"href": "", "pages": 0}
    return {"href": _link(this.folder, this.built.pdf), "pages": this.built.pages}
