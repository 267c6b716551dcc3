"""The list of all runs for a browser, and what it shares with the page of one run.

Belongs here: its rows, and how pages are made of plain values. Does not belong here: the page of
a run (`run_pages.py`), how they look (`templates/`), which runs are kept (`runs.py`).

They are plain files: opened without a server, without scripts, with nothing from elsewhere.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from lib import files, origins, redaction, runs
from lib.paths import NOTEBOOKS, Paths
from lib.portuguese import number
from lib.runs import Record
from lib.steps import PAGE
from lib.times import brazilian

TEMPLATES = Path(__file__).with_name("templates")
INDEX = "index.html"
MOST = 1000  # runs in the list; older ones only in their folders
EARLIER = "earlier"
WORDS = {
    "ok": "concluída",
    "unchanged": "sem mudança",
    "failed": "falhou",
    "skipped": "não executada",
    "not set": "não composta",
    "held": "página retida",
    "cut": "interrompida",
    EARLIER: "feita antes",
}
Model = dict[str, Any]


def write(paths: Paths, *, name: str, time_zone: str) -> Path:
    """Write the list of all runs that are kept, the newest first. Raises OSError."""
    model = of_store(paths, name=name, time_zone=time_zone)
    return files.write_text(paths.runs / INDEX, rendered("runs.html", model))


def of_store(paths: Paths, *, name: str, time_zone: str) -> Model:
    """All that the list of runs shows, as plain values: days, the newest first, and their runs."""
    folders = runs.every(paths)[::-1]
    days: dict[str, list[Model]] = {}
    for folder in folders[:MOST]:
        row = _row(folder, time_zone)
        days.setdefault(row["day"], []).append(row)
    latest = (paths.runs / "latest").resolve()
    return {
        "site": name,
        "time_zone": time_zone,
        "days": [{"day": day, "runs": rows} for day, rows in days.items()],
        "count": len(folders),
        "left_out": max(len(folders) - MOST, 0),
        "latest": ", ".join(_local(latest, time_zone)) if (latest / INDEX).exists() else "",
        "origin": origin_of(origins.of(paths)),
    }


def _row(folder: Path, time_zone: str) -> Model:
    """One run of the list, by its record."""
    record = runs.recorded(folder) or {}
    steps, local = record.get("steps", []), _local(folder, time_zone)
    state = state_of(record)
    return {
        "folder": folder.name,
        "day": local[0],
        "hour": local[1],
        "state": state,
        "word": WORDS[state],
        "spent": duration(sum(step["seconds"] for step in steps)) if steps else "",
        "done": sum(step["status"] in ("ok", "unchanged") for step in steps),
        "steps": len(steps),
        "trouble": [f"{title(s['name'])}: {WORDS[s['status']]}" for s in steps if _troubled(s)],
        "findings": record.get("findings", 0),
        "blocking": record.get("blocking", 0),
        "href": f"{folder.name}/{INDEX}" if (folder / INDEX).exists() else "",
    }


def _troubled(step: Mapping[str, Any]) -> bool:
    return bool(step["status"] in ("failed", "not set") or step.get("error"))


def _local(folder: Path, time_zone: str) -> tuple[str, str]:
    """The day and the hour of a run at the site, as they are printed."""
    day, _, hour = brazilian(runs.instant(folder), time_zone).rpartition(", ")
    return day, hour


# ---- What both pages share ---------------------------------------------------------------


def rendered(template: str, model: Model) -> str:
    """A page without any secret: they are taken out of the texts before these are escaped."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.loader = jinja2.FileSystemLoader(TEMPLATES)
    environment.trim_blocks = environment.lstrip_blocks = True
    plain = redaction.redacted(json.dumps(model, ensure_ascii=False, default=str))
    return environment.get_template(template).render(**json.loads(plain))


@cache
def title(step: str) -> str:
    """What a notebook is called in its first line, e.g. Energia; else its own name."""
    if step == PAGE:
        return "Monografia"
    try:
        cells = json.loads((NOTEBOOKS / f"{step}.ipynb").read_text("utf-8"))["cells"]
        return "".join(cells[0]["source"]).splitlines()[0].lstrip("# ").strip() or step
    except (OSError, ValueError, LookupError):
        return step


def origin_of(origin: origins.Origin | None) -> Model:
    """What to say of rows that are not the user's own; nothing of those that are."""
    if origin is None or origin.kind == "measured":
        return {}
    said = origin.attribution or "Série registrada por terceiros."
    return {"text": said, "simulated": origin.simulated}


def state_of(record: Record) -> str:
    """How a run went: ok, failed, held (findings keep the page from being set) or cut."""
    if not record:
        return "cut"
    if record.get("ok"):
        return "ok"
    statuses = {step["status"] for step in record.get("steps", [])}
    return "failed" if "failed" in statuses else "held"


def duration(seconds: float) -> str:
    """A time as it is read, e.g. 3,6 s or 2 min 05 s."""
    if seconds < 60:
        return f"{number(seconds, 1)} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02} s"
