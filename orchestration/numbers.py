"""What Dagster shows of a step: numbers, so that they plot over time, and what to open.

Put here reading what a step left behind: journal, newest partition, values, figures. Keep out
computing anything new from the data. Only the newest date is read: the cost does not grow.
"""

from pathlib import Path

from dagster import MetadataValue, RawMetadataMapping

from lib import pipeline, warehouse
from lib.journal import Journal
from lib.page import Vintage, figures_of, read_json
from lib.paths import Paths

Numbers = dict[str, float]


def of(this: pipeline.Run, step: pipeline.Step) -> RawMetadataMapping:
    """A step's seconds, findings and own numbers, its executed notebook and its HTML."""
    found = pipeline.findings_of_step(this, step.name)
    shown: dict[str, float | MetadataValue] = {
        "seconds": round(step.seconds, 2),
        "findings": len(found),
        **MEASURES[step.name](this),
    }
    return shown | opened(this.folder, step.name)


def opened(folder: Path, name: str) -> dict[str, MetadataValue]:
    """The executed notebook, which Dagster's page renders, and the path of its HTML."""
    notebook = folder / f"{name}.ipynb"
    if not notebook.exists():
        return {}
    html = MetadataValue.path(str(notebook.with_suffix(".html")))
    return {"notebook": MetadataValue.notebook(str(notebook)), "html": html}


def collected(this: pipeline.Run) -> Numbers:
    """Windows asked and confirmed at this run's instant, and the rows that came."""
    asked = [e for e in Journal(this.paths.journal).recent(this.now) if e.asked_at == this.now]
    return {
        "windows": len(asked),
        "windows_confirmed": sum(entry.complete for entry in asked),
        "rows": sum(entry.rows for entry in asked),
    }


def staged(this: pipeline.Run) -> Numbers:
    """Staged dates, the rows of the newest one and its newest event. [s since 1970, UTC]"""
    query = "SELECT count(*), epoch(max(event_time)) FROM read_parquet($file)"
    rows, newest = _newest(this.paths.staging, query)
    return {"dates": _dates(this.paths.staging), "rows": rows, "newest_event_s": newest}


def built(this: pipeline.Run) -> Numbers:
    """Dates of hourly energy, the rows of the newest one and the share of it observed."""
    query = "SELECT count(*), sum(alive_s) / count(*) / 36 FROM read_parquet($file)"
    rows, coverage = _newest(this.paths.marts / "energy_hourly", query)
    dates = _dates(this.paths.marts / "energy_hourly")
    return {"dates": dates, "rows": rows, "coverage_pct": coverage}


def analysed(this: pipeline.Run) -> Numbers:
    """Rows and coverage that the analysis stands on, and the figures it drew."""
    name = "10_energy"
    written = read_json(this.folder / "values" / f"{name}.json")
    vintage = Vintage.from_record(written["vintage"])
    drawn = figures_of(this.folder / "figures", {name})
    return {
        "rows": vintage.rows,
        "coverage_pct": round(100 * vintage.coverage, 2),
        "values": len(written["values"]),
        "figures": len(drawn),
    }
