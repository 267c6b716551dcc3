"""What Dagster shows of a step: numbers, so that they plot over time, and files to open.

Put here reading what a step left behind: journal, newest partition, values, figures. Keep out
computing anything new from the data. Only the newest date is read: the cost does not grow.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from dagster import MetadataValue

from lib import warehouse
from lib.journal import Journal
from lib.page import Vintage, figures_of, read_json
from lib.pipeline import ANALYSE, Run, Step

Numbers = dict[str, float | None]
Metadata = dict[str, float | MetadataValue | None]


def of(this: Run, step: Step, *, findings: int) -> Metadata:
    """A step's seconds, findings and own numbers, and its executed notebook."""
    numbers = MEASURES[step.name](this)
    known: Metadata = {name: number for name, number in numbers.items() if number is not None}
    return {"seconds": round(step.seconds, 2), "findings": findings} | known | executed(this, step)


def executed(this: Run, step: Step) -> Metadata:
    """The executed notebook, which Dagster's page can open, and the path of its HTML."""
    notebook = this.folder / f"{step.name}.ipynb"
    if not notebook.exists():
        return {}
    html = MetadataValue.path(notebook.with_suffix(".html"))
    return {"notebook": MetadataValue.notebook(notebook), "html": html}


def printed(this: Run, step: Step) -> Metadata:
    """The PDF, its pages, its warnings, and whether LaTeX ran at all (1 or 0)."""
    if this.built is None:
        return {"seconds": round(step.seconds, 2)}
    return {
        "seconds": round(step.seconds, 2),
        "pages": this.built.pages,
        "rebuilt": int(this.built.rebuilt),
        "warnings": len(this.built.warnings),
        "pdf": MetadataValue.path(this.built.pdf),
    }


def newest_date(table: Path) -> str | None:
    """The newest date of a partitioned table, e.g. 2026-03-14; None where it is empty."""
    dates = [folder.parent.name for folder in table.glob("event_date=*/data_0.parquet")]
    return max(dates).removeprefix("event_date=") if dates else None


def _collected(this: Run) -> Numbers:
    """Windows asked and confirmed at this run's instant, and the rows that came."""
    asked = Journal(this.paths.journal).recent(this.now)
    confirmed = sum(entry.complete for entry in asked)
    rows = sum(entry.rows for entry in asked)
    return {"windows": len(asked), "windows_confirmed": confirmed, "rows": rows}


def _staged(this: Run) -> Numbers:
    """Rows of the newest staged date, and its newest event. [s since 1970, UTC]"""
    columns = ("rows", "newest_event_s")
    return _newest(this.paths.staging, columns, "count(*), epoch(max(event_time))")


def _built(this: Run) -> Numbers:
    """Rows of hourly energy of the newest date, and the time observed in them. [h]"""
    columns = ("rows", "observed_h")
    return _newest(this.paths.marts / "energy_hourly", columns, "count(*), sum(alive_s) / 3600")


def _newest(table: Path, columns: tuple[str, ...], select: str) -> Numbers:
    """One row of numbers on the newest partition of a table, and how many dates there are."""
    if (day := newest_date(table)) is None:
        return {"dates": 0, "rows": 0}
    file = {"file": str(warehouse.partition(table, day))}
    with warehouse.connect() as connection:
        row = connection.execute(f"SELECT {select} FROM read_parquet($file)", file).fetchone()
    dates = sum(1 for _ in table.glob("event_date=*"))
    return {"dates": dates, **dict(zip(columns, row or (), strict=False))}


def _analysed(name: str, this: Run) -> Numbers:
    """Rows and coverage that an analysis stands on, its values and its figures."""
    written = read_json(this.folder / "values" / f"{name}.json")
    vintage = Vintage.from_record(written["vintage"])
    return {
        "rows": vintage.rows,
        "coverage_pct": round(100 * vintage.coverage, 2),
        "values": len(written["values"]),
        "figures": len(figures_of(this.folder / "figures", {name})),
    }


MEASURES: dict[str, Callable[[Run], Numbers]] = {
    "01_ingest": _collected,
    "02_stage": _staged,
    "03_marts": _built,
    **{name: partial(_analysed, name) for name in ANALYSE},
}
