"""Which windows to ask for; ask; write; confirm.

Belongs here: the plan, which follows from the journal alone, and the run that works it off.
Does not belong here: how one page is asked (`tuya.py`) or kept (`raw.py`), which failures end
a run (`refusals.py`).
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from lib import raw, registry
from lib.config import Config, Ingestion
from lib.errors import SourceError, SourceUnavailable
from lib.findings import Finding
from lib.journal import Entry, Journal, Window
from lib.paths import Paths
from lib.progress import Progress, silent
from lib.refusals import Refusals
from lib.sources import Source
from lib.spans import Span, by_day, merge, missing
from lib.times import HOUR, floor_hour, to_ms
from lib.tuya import TuyaCloud


@dataclass
class Report:
    """What a run asked for and what came of it; `stopped` ended it early."""

    planned: int = 0
    confirmed: int = 0
    rows: int = 0
    calls: int = 0
    seconds: float = 0.0
    failures: dict[Window, SourceError] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    stopped: SourceError | None = None

    @property
    def left(self) -> int:
        """Windows that the next run must ask for again."""
        return self.planned - self.confirmed

    def raise_if_stopped(self) -> None:
        """Raise what ended the run early, if anything did."""
        if self.stopped:
            raise self.stopped


def settled(entries: Iterable[Entry], settings: Ingestion) -> dict[str, list[Span]]:
    """The spans of each device that need not be asked again, merged and ascending.

    A window counts from where the cloud still held it to `overlap_h` before it was asked:
    rows younger than that may arrive late.
    """
    spans: dict[str, list[Span]] = {}
    for entry in entries:
        if entry.complete:
            start = max(entry.start, entry.asked_at - timedelta(days=settings.retention_days))
            end = min(entry.end, entry.asked_at - timedelta(hours=settings.overlap_h))
            spans.setdefault(entry.device_id, []).append((start, end))
    return {device: merge(own) for device, own in spans.items()}


def plan(
    entries: Iterable[Entry], device_ids: Sequence[str], settings: Ingestion, *, now: datetime
) -> list[Window]:
    """The windows to ask for at `now`, oldest first: all that the cloud holds and we do not.

    The oldest one begins an hour before the cloud's memory, so that nothing is left at its
    edge. Windows end `margin_s` before now.
    """
    held = settled(entries, settings)
    oldest = now - timedelta(days=settings.retention_days)
    end = (now - timedelta(seconds=settings.margin_s)).replace(microsecond=0)
    windows = []
    for device in device_ids:
        for start, stop in missing((oldest, end), held.get(device, [])):
            start = floor_hour(start - HOUR) if start == oldest else start
            windows += [Window(device, a, b) for a, b in by_day(start, stop)]
    return sorted(windows, key=lambda window: (window.start, window.device_id))


def run(
    paths: Paths,
    source: Source,
    config: Config,
    *,
    now: datetime,
    progress: Progress = silent,
) -> Report:
    """Ask for every window that is not held and keep what comes.

    Raises SourceError where not even the list of devices can be had; any later failure is
    in the report, and what came before it is kept.
    """
    began, report = time.monotonic(), Report()
    report.findings = registry.refresh(paths, source.cloud, source.devices, now=now)
    device_ids = [str(device["id"]) for device in registry.known(paths)]
    since = now - timedelta(days=config.ingestion.retention_days + 2)
    entries = Journal(paths.journal).recent(since)
    windows = plan(entries, device_ids, config.ingestion, now=now)
    report.planned = len(windows)
    _work_off(
        paths, source, windows, report, now, began + config.ingestion.run_deadline_s, progress
    )
    report.calls, report.seconds = source.cloud.calls, time.monotonic() - began
    report.findings += [_failed(window, error) for window, error in report.failures.items()]
    return report


def _work_off(
    paths: Paths,
    source: Source,
    windows: list[Window],
    report: Report,
    now: datetime,
    deadline: float,
    progress: Progress,
) -> None:
    """Ask for one window after the other until all are done or the run must stop."""
    refused = Refusals(window.device_id for window in windows)
    for done, window in enumerate(windows):
        progress(done, len(windows), str(window))
        if time.monotonic() > deadline:
            report.stopped = _out_of_time(len(windows) - done)
        if report.stopped:
            return
        if window.device_id not in refused:
            error = _ask(paths, source, window, report, now)
            report.stopped = refused.end(window.device_id, error)
    progress(len(windows), len(windows), "")


def _ask(
    paths: Paths, source: Source, window: Window, report: Report, now: datetime
) -> SourceError | None:
    """Ask for one window and keep what came, whole or not; the error that cut it short."""
    rows, pages, error = _pull(source.cloud, window)
    if error is None or rows:
        raw.write_window(
            paths,
            window,
            rows,
            asked_at=now,
            ingested_by=source.origin.ingested_by,
            complete=error is None,
            pages=pages,
        )
    report.rows += len(rows)
    report.confirmed += error is None
    if error:
        report.failures[window] = error
    return error


def _pull(cloud: TuyaCloud, window: Window) -> tuple[list[raw.Row], int, SourceError | None]:
    """All pages of a window, or those before the error that cut it short."""
    rows: list[raw.Row] = []
    pages = 0
    try:
        for page in cloud.log_pages(window.device_id, to_ms(window.start), to_ms(window.end)):
            rows += page.rows
            pages += 1
    except SourceError as error:
        return rows, pages, error
    return rows, pages, None


def _out_of_time(left: int) -> SourceUnavailable:
    return SourceUnavailable(
        f"the run's time is over with {left} windows left.",
        risk="They are asked for at the next run; the cloud forgets after 7 days.",
        remedy="If it lasts, raise run_deadline_s in config.toml.",
    )


def _failed(window: Window, error: SourceError) -> Finding:
    return Finding(
        "tcc.ingest.window_failed",
        f"A janela {window} não foi confirmada: {error}",
        {"device_id": window.device_id, "code": error.code, "error": type(error).__name__},
    )
