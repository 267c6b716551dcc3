"""What the terminal shows: bars, the summary of a run, the table of a status.

Belongs here: rich, and words in English. Does not belong here: options and exit codes
(`cli.py`), any decision about data.
"""

import shlex
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from lib.errors import PipelineError
from lib.paths import Paths
from lib.progress import Progress as Tell
from lib.times import iso

if TYPE_CHECKING:
    from lib.alarms import Told
    from lib.archive import Imported
    from lib.pipeline import Run
    from lib.status import DeviceStatus, Status

# On a terminal of 80 columns device names are cut so that all the rest fits.
WIDE, NARROW = 100, 16
MARKS = {
    "ok": "[green]ok[/]",
    "unchanged": "[dim]unchanged[/]",
    "failed": "[bold red]failed[/]",
    "skipped": "[yellow]skipped[/]",
    "not set": "[yellow]not set[/]",
}
COLOURS = {"alarm": "bold red", "over": "green", "not sent": "yellow"}


class Bars:
    """A bar for each step: what is being done, and how much is left."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.fields[step]:<16}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=console,
        )

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, step: str) -> Tell:
        """A new bar, and the callback that moves it."""
        task = self._progress.add_task("", step=step, total=None)

        def tell(done: int, total: int, text: str) -> None:
            self._progress.update(task, completed=done, total=total, description=escape(text))
            if done >= total:
                self._progress.stop_task(task)

        return tell


def print_error(err: Console, error: Exception, text: str = "") -> None:
    """Say an error in one paragraph, with the alarms of a run that it cut short."""
    name = type(error).__name__ if isinstance(error, PipelineError) else "Error"
    err.print(f"[bold red]{name}[/] {escape(text or str(error))}")
    for note in getattr(error, "__notes__", ()):
        err.print(escape(note))


def print_run(out: Console, err: Console, paths: Paths, this: "Run") -> None:
    """Say how each step went, what was found and where the results are."""
    for step in this.steps:
        out.print(f"{step.name:<16} {MARKS[step.status]:<9} {step.seconds:6.1f} s")
    for finding in this.findings[:20]:
        out.print(f"[yellow]finding[/]          {escape(str(finding))}")
    if len(this.findings) > 20:
        out.print(
            f"[yellow]finding[/]         and {len(this.findings) - 20} more, in the notebooks"
        )
    for error in this.errors:
        print_error(err, error)
    print_alarms(out, this.alarms)
    if this.origin and this.origin.simulated:
        out.print("[yellow]simulated[/]       Every row, figure and number is of the demo house.")
    if this.moved_aside:
        out.print(f"The simulated store gave way to real rows, whole: {this.moved_aside}")
    out.print(f"Run of {iso(this.now)} kept in {this.folder}")
    if this.built:
        out.print(f"Figures in {paths.figures}")
        out.print(f"Monograph: {this.built.pdf} ({this.built.pages} pages)")


def print_alarms(out: Console, told: "Told") -> None:
    """Say which alarms are on, which are over and what could not be sent."""
    for word, line in told.lines():
        out.print(f"[{COLOURS[word]}]{word:<16}[/] {escape(line)}")


def print_exposed(err: Console, exposed: list[Path]) -> None:
    """Name the files of secrets that others can read, each with the command that mends it."""
    for file in exposed:
        err.print(
            f"[yellow]warning[/]         {escape(str(file))} holds secrets and others can read it. "
            f"Run: chmod 600 {escape(shlex.quote(str(file)))}",
            soft_wrap=True,
        )


def print_imported(out: Console, file: Path, kept: "list[Imported]") -> None:
    """Say what became of one imported file."""
    for aside in {one.moved_aside for one in kept} - {None}:
        out.print(f"The simulated store gave way to real rows, whole: {aside}")
    for one in kept:
        news = "known already, nothing added" if one.known else f"{one.rows} rows kept"
        out.print(f"{escape(str(file))}: {one.device_id}, {news}")
    if not kept:
        out.print(f"{escape(str(file))}: 0 rows in it")


def print_status(out: Console, paths: Paths, status: "Status") -> None:
    """Print the table of devices and one line on the store."""
    if status.origin is None and not status.devices:
        out.print(f"{paths.data} holds nothing yet. Next: tcc run")
        return
    width = NARROW if out.width < WIDE else None
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading, right in _COLUMNS:
        justify: JustifyMethod = "right" if right else "left"
        table.add_column(heading, justify=justify, no_wrap=True, max_width=width)
    for device in status.devices:
        table.add_row(*_cells(device))
    out.print(_head(paths, status))
    out.print(table)
    out.print("UTC. expires h: hours until the cloud forgets the oldest unread log.")
    if status.quarantined:
        out.print(f"[yellow]{status.quarantined} file(s) in quarantine[/]: {paths.quarantine}")
    if status.measured:
        out.print(_calls(status.calls, status.monthly_calls))
    if (last := status.last_attempt) and last.stopped:
        code = f" ({last.code})" if last.code else ""
        said = f"Last collection, {last.at:%Y-%m-%d %H:%M} UTC: stopped by {last.stopped}{code}"
        out.print(f"[yellow]{said}[/], {len(last.unanswered)} span(s) left")
    if status.last_run:
        went = "ok" if status.last_run["ok"] else "[bold red]failed[/]"
        out.print(f"Last run: {status.last_run['folder']}, {went}")


def _calls(used: int, limit: int) -> str:
    """How much of the month's quota is spent, by our own count."""
    of = f" of {limit:,} ({100 * used / limit:.0f} %)" if limit else ""
    return f"calls this month: {used:,}{of}"


_COLUMNS = (
    ("device", False),
    ("rows", True),
    ("newest event", False),
    ("held until", False),
    ("gaps", True),
    ("gap h", True),
    ("expires h", True),
)


def _cells(device: "DeviceStatus") -> tuple[str, ...]:
    return (
        escape(device.name),
        f"{device.rows:,}",
        f"{device.newest_event:%Y-%m-%d %H:%M}" if device.newest_event else "-",
        f"{device.held_until:%Y-%m-%d %H:%M}" if device.held_until else "-",
        str(device.gaps),
        f"{device.gap_h:.1f}",
        _expiry(device.expires_h),
    )


def _expiry(hours: float | None) -> str:
    if hours is None:
        return "-"
    colour = "red" if hours < 24 else "yellow" if hours < 96 else "green"
    return f"[{colour}]{hours:.1f}[/]"


def _head(paths: Paths, status: "Status") -> str:
    kind = status.origin.kind if status.origin else "unknown"
    name = f" ({escape(status.origin.name)})" if status.origin and status.origin.name else ""
    return f"{paths.data}: {kind} rows{name}, {status.files} raw files, at {iso(status.now)}"
