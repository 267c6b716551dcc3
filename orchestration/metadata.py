"""What Dagster shows of a step: numbers, so that they plot over time, and files to open.

Put here reading what a step left behind: journal, newest partition, values, figures. Keep out
computing anything new from the data. Only the newest date is read: the cost does not grow.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import date, datetime
from functools import partial
from pathlib import Path

from dagster import MetadataValue

from lib import attempts, status, store_dates, thumbnails, warehouse
from lib.freshness import Freshness
from lib.page import FIGURES, VALUES, Vintage, read_json, sidecars
from lib.pipeline import ANALYSE, Run, Step
from lib.steps import UNCHANGED
from lib.times import iso

Numbers = dict[str, float | None]
Metadata = dict[str, float | MetadataValue | None]
NEWEST = "newest_event_s"  # since 1970, UTC: a time stamp does not plot, a number does


def of(this: Run, step: Step, *, findings: int) -> Metadata:
    """A step's seconds, findings and own numbers, its executed notebook and its figures."""
    numbers = MEASURES[step.name](this)
    known: Metadata = {name: number for name, number in numbers.items() if number is not None}
    files = _catalogue(this, step) | executed(this, step) | pictures(this, step)
    return _how(step) | {"findings": findings} | known | _newest_event(numbers) | files


def executed(this: Run, step: Step) -> Metadata:
    """The executed notebook, which Dagster's page can open, and the path of its HTML.

    Of a step that is unchanged those of the run that it stands on.
    """
    notebook = this.kept.get(step.name, this.folder) / f"{step.name}.ipynb"
    if not notebook.exists():
        return {}
    html = MetadataValue.path(notebook.with_suffix(".html"))
    return {"notebook": MetadataValue.notebook(notebook), "html": html}


def pictures(this: Run, step: Step) -> Metadata:
    """The step's figures as small images with their captions; none where it is unchanged."""
    if step.status == UNCHANGED:
        return {}
    shown = "\n\n".join(_images(this.kept.get(step.name, this.folder) / FIGURES, step.name))
    return {"figures_seen": MetadataValue.md(shown)} if shown else {}


def printed(this: Run, step: Step) -> Metadata:
    """The PDF, its pages, claims, findings and warnings, and whether LaTeX ran (1 or 0). [s]

    The step's seconds are of all that it took, those of the build of the PDF alone.
    """
    if this.built is None:
        return _how(step)
    return _how(step) | {
        "pages": this.built.pages,
        "rebuilt": int(this.built.rebuilt),
        "build_seconds": round(this.built.seconds, 2),
        "claims": len(this.built.claims),
        "claims_close": sum(one.close for one in this.built.claims),
        "findings": len(this.built.findings),
        "text": MetadataValue.md("\n".join(f"- {one}" for one in this.built.findings) or "–"),
        "warnings": len(this.built.warnings),
        "pdf": MetadataValue.path(this.built.pdf),
    }


def behind(fresh: Freshness) -> Metadata:
    """How far a store is behind: numbers of the worst device, and a table of all. [h]"""
    numbers = {
        "devices": len(fresh.devices),
        "devices_late": sum(device.state != "fresh" for device in fresh.devices),
        "behind_h": fresh.behind_h,
        "expires_h": fresh.expires_h,
    }
    rows = [
        f"| {d.name} | {_instant(d.held_until)} | {_hours(d.behind_h)} | "
        f"{_hours(d.expires_h)} | {d.state} |"
        for d in fresh.devices
    ]
    head = (
        "| device | complete until (UTC) | behind [h] | expires in [h] | |\n|---|---|---|---|---|"
    )
    known = {name: round(number, 2) for name, number in numbers.items() if number is not None}
    return {**known, "by_device": MetadataValue.md("\n".join([head, *rows]))}


def rebuilt(this: Run, *, rows: dict[str, int], findings: int) -> Metadata:
    """What became of chosen dates: how many, their rows, findings, notebooks. [seconds: s]"""
    done: Metadata = {
        "seconds": round(sum(step.seconds for step in this.steps), 2),
        "rows_staged": sum(rows.values()),
        "dates_staged": sum(map(bool, rows.values())),
        "findings": findings,
    }
    for step in this.steps:
        done |= {f"{name}_{step.name}": file for name, file in executed(this, step).items()}
    return done


def rows_of(table: Path, days: list[date]) -> dict[str, int]:
    """How many rows some UTC dates of a partitioned table have, by date; 0 where there is none."""
    files = {f"{day}": warehouse.partition(table, f"{day}") for day in days}
    found = dict.fromkeys(files, 0)
    query = "SELECT coalesce(max(num_rows), 0) FROM parquet_file_metadata($file)"
    with warehouse.connect() as connection:
        for day, file in ((day, file) for day, file in files.items() if file.exists()):
            ((found[day],),) = connection.execute(query, {"file": str(file)}).fetchall()
    return found


def newest_date(table: Path) -> str | None:
    """The newest date of a partitioned table, e.g. 2026-03-14; None where it is empty."""
    dates = store_dates.of(table)
    return f"{dates[-1]}" if dates else None


def _how(step: Step) -> Metadata:
    """How long a step took, and whether what an earlier run left still stands (1 or 0). [s]"""
    return {"seconds": round(step.seconds, 2), "unchanged": int(step.status == UNCHANGED)}


def _newest_event(numbers: Numbers) -> Metadata:
    """The newest event as an instant, beside the number that plots."""
    newest_s = numbers.get(NEWEST)
    return {} if newest_s is None else {"newest_event": MetadataValue.timestamp(newest_s)}


def _catalogue(this: Run, step: Step) -> Metadata:
    """Where the catalogue is that the marts refresh, and its size. [bytes]"""
    file = this.paths.catalogue
    if step.name != "03_marts" or not file.exists():
        return {}
    return {"catalogue": MetadataValue.path(file), "catalogue_bytes": file.stat().st_size}


def _images(figures: Path, notebook: str) -> Iterator[str]:
    """Markdown of each figure that a notebook left in a run's folder, the image in it."""
    for told in sidecars(figures):
        file = figures / f"{told['name']}.png"
        if told["notebook"] == notebook and file.exists():
            caption = " ".join(str(told.get("caption") or told["name"]).replace("--", "–").split())
            data = b64encode(thumbnails.png(file)).decode()
            yield f"![{told['name']}](data:image/png;base64,{data})\n\n{caption}"


def _collected(this: Run) -> Numbers:
    """Windows asked and confirmed by this run, rows and calls; the newest event held. [s]"""
    asked = attempts.last(this.paths)
    if asked is None or asked.at < this.now:
        return {"windows": 0, "windows_confirmed": 0, "rows": 0, "calls": 0}
    watched = status.watched(this.paths, this.config, now=this.now)
    newest = max((one.newest_event for one in watched if one.newest_event), default=None)
    return {
        "windows": asked.planned,
        "windows_confirmed": asked.confirmed,
        "windows_unanswered": len(asked.unanswered),
        "rows": asked.rows,
        "calls": asked.calls,
        NEWEST: newest.timestamp() if newest else None,
    }


def _staged(this: Run) -> Numbers:
    """Rows of the newest staged date, and its newest event. [s since 1970, UTC]"""
    return _newest(this.paths.staging, ("rows", NEWEST), "count(*), epoch(max(event_time))")


def _built(this: Run) -> Numbers:
    """Rows of hourly energy of the newest date, the time observed in them, its share. [h, %]

    The share is of the time that was asked about: the rest of the date is still to come.
    """
    energy = _newest(
        this.paths.marts / "energy_hourly", ("rows", "observed_h"), "count(*), sum(alive_s) / 3600"
    )
    share = "100 * sum(observed_s) / nullif(sum(observed_s + offline_s + silent_s), 0)"
    available = _newest(this.paths.marts / "availability_hourly", ("coverage_pct",), share)
    return energy | {"coverage_pct": _rounded(available.get("coverage_pct"))}


def _newest(table: Path, columns: tuple[str, ...], select: str) -> Numbers:
    """One row of numbers on the newest partition of a table, and how many dates there are."""
    dates = store_dates.of(table)
    if not dates:
        return {"dates": 0, "rows": 0}
    file = {"file": str(warehouse.partition(table, f"{dates[-1]}"))}
    with warehouse.connect() as connection:
        row = connection.execute(f"SELECT {select} FROM read_parquet($file)", file).fetchone()
    return {"dates": len(dates), **dict(zip(columns, row or (), strict=False))}


def _analysed(name: str, this: Run) -> Numbers:
    """Rows and coverage that an analysis stands on, its values and its figures."""
    folder = this.kept.get(name, this.folder)
    written = read_json(folder / VALUES / f"{name}.json")
    vintage = Vintage.from_record(written["vintage"])
    return {
        "rows": vintage.rows,
        "coverage_pct": _rounded(100 * vintage.coverage),
        NEWEST: vintage.newest_event.timestamp() if vintage.newest_event else None,
        "values": len(written["values"]),
        "figures": sum(told["notebook"] == name for told in sidecars(folder / FIGURES)),
    }


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 2)


def _instant(when: datetime | None) -> str:
    return iso(when) if when else "never"


def _hours(hours: float | None) -> str:
    return "–" if hours is None else f"{hours:.1f}"


MEASURES: dict[str, Callable[[Run], Numbers]] = {
    "01_ingest": _collected,
    "02_stage": _staged,
    "03_marts": _built,
    **{name: partial(_analysed, name) for name in ANALYSE},
}
