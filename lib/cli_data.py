"""Commands of `tcc` on what a store holds, and what all commands share.

Belongs here: `import`, `status`, `sql`; options, consoles and words for errors. Does not belong
here: what runs steps (`cli.py`), any decision about data.
"""

import csv
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lib import config, files, terminal
from lib.errors import PipelineError
from lib.paths import Paths

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

    from lib.chosen_dates import Chosen

# Commands import what they need when they run: pandas and papermill take a second each.
ALARM = 2  # exit code of a run that went well while an alarm is on
out, err = Console(highlight=False), Console(stderr=True, highlight=False)

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder of the store; the project's data/.")
]
Now = Annotated[
    str, typer.Option("--now", help="The run's clock, ISO 8601, e.g. 2026-03-14T12:00Z.")
]
From = Annotated[
    str, typer.Option("--from", metavar="DATE", help="Only UTC dates from this one on, anew.")
]
To = Annotated[str, typer.Option("--to", metavar="DATE", help="Only up to this one, included.")]


@contextmanager
def told() -> Iterator[None]:
    """Say an error in one paragraph instead of a traceback, and exit with 1 (Ctrl+C: 130)."""
    try:
        yield
    except PipelineError as error:
        terminal.print_error(err, error)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        err.print("Interrupted. What came is kept; the next run asks for the rest.")
        raise typer.Exit(130) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        remedy = "What was written before is whole: mend it and run again."
        terminal.print_error(err, error, f"{where}{error.strerror}. {remedy}")
        raise typer.Exit(1) from error


@contextmanager
def choosing(data_dir: Path | None, first_date: str, last_date: str) -> Iterator[None]:
    """Refuse dates that cannot be chosen, and say at the end what was made of those that can."""
    if not first_date and not last_date:
        yield
        return
    from lib import chosen_dates

    began, paths = time.monotonic(), Paths.at(data_dir)
    with told():
        only = chosen_dates.chosen(paths, first_date, last_date)
    try:
        yield
    except typer.Exit as end:
        if end.exit_code != ALARM:
            raise
        _say_chosen(paths, only, time.monotonic() - began)
        raise
    _say_chosen(paths, only, time.monotonic() - began)


def _say_chosen(paths: Paths, only: "Chosen | None", seconds: float) -> None:
    from lib import chosen_dates

    dates, rows = chosen_dates.staged(paths, only) if only else ([], 0)
    span = f" ({dates[0]} to {dates[-1]})" if dates else ""
    out.print(f"Made anew: {len(dates)} date(s){span}, {rows:,} rows staged, {seconds:.1f} s")


def import_(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False)],
    device: Annotated[str, typer.Option("--device", help="Id of the device the rows are of.")] = "",
    now: Now = "",
    data_dir: DataDir = None,
) -> None:
    """Keep the rows of an older archive: answers of the cloud, lists of rows, older layouts."""
    from lib import origins

    paths = Paths.at(data_dir)
    with told(), origins.alone(paths):
        failed = not _imported(paths, files, device, now)
    if failed:
        raise typer.Exit(1)


def _imported(paths: Paths, files: list[Path], device: str, now: str) -> bool:
    """Import file by file and say what became of each; whether all went well."""
    from lib import archive, origins, sources

    instant, done, failed = sources.instant("cloud", paths, now), [], False
    by = origins.Origin("measured").ingested_by
    for file in files:
        try:
            kept = archive.import_file(
                paths, file, device_id=device or None, now=instant, ingested_by=by
            )
        except PipelineError as error:
            terminal.print_error(err, error)
            failed = True
            continue
        done += kept
        terminal.print_imported(out, file, kept)
    if any(one.rows for one in done):
        out.print("Next: tcc stage")
    return not failed


def status_(now: Now = "", data_dir: DataDir = None) -> None:
    """What is held, the newest event, gaps, and the hours until unread logs expire."""
    from lib import alarms, origins, status

    with told():
        paths, settings = Paths.at(data_dir), config.load()
        clock = origins.clock(paths, now)
        terminal.print_status(out, paths, status.of(paths, settings, now=clock))
        terminal.print_alarms(out, alarms.current(paths, settings, now=clock))


def sql(
    query: Annotated[str, typer.Argument(help='One SELECT; "SHOW TABLES" tells what there is.')],
    rows: Annotated[int, typer.Option("--rows", min=1, help="Print so many at most.")] = 40,
    csv_file: Annotated[
        str, typer.Option("--csv", help="Write all rows as CSV to a file, or to - (the terminal).")
    ] = "",
    data_dir: DataDir = None,
) -> None:
    """Ask the tables a question in SQL; nothing can be changed by it. See docs/data.md."""
    import duckdb

    from lib import catalogue, warehouse

    def ask() -> None:
        with catalogue.answer(Paths.at(data_dir), query) as found:
            _write_csv(found, csv_file) if csv_file else _print_rows(found, rows)

    with told():
        try:  # what was printed cannot be printed again
            ask() if csv_file == "-" else warehouse.settled(ask)
        except duckdb.Error as error:
            message = " ".join(str(error).partition("\n\nLINE ")[0].split())
            terminal.print_error(err, error, message)
            raise typer.Exit(1) from None


def _print_rows(found: "DuckDBPyRelation", most: int) -> None:
    """Print the first rows of an answer as a table."""
    shown = found.limit(most + 1).project("COLUMNS(*)::VARCHAR").fetchall()
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name, kind in zip(found.columns, found.types, strict=True):
        right = str(kind).startswith(("DOUBLE", "FLOAT", "DECIMAL", "BIGINT", "INTEGER", "HUGEINT"))
        table.add_column(escape(name), justify="right" if right else "left", overflow="fold")
    for row in shown[:most]:
        table.add_row(*("[dim]NULL[/]" if cell is None else escape(cell) for cell in row))
    out.print(table)
    if len(shown) > most:
        out.print(f"The first {most} rows. More: --rows N. All: --csv FILE.")


def _write_csv(found: "DuckDBPyRelation", target: str) -> None:
    """Write an answer as CSV to a file, or to the terminal (-); NULL is an empty field."""
    if target == "-":
        try:
            _csv(found, sys.stdout)
            sys.stdout.flush()
        except BrokenPipeError:  # `| head` has enough; see "Note on SIGPIPE" in Python's signal
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    with files.replacing(Path(target)) as new, new.open("w", encoding="utf-8") as handle:
        _csv(found, handle)
    err.print(f"Written: {escape(target)}")


def _csv(found: "DuckDBPyRelation", handle: TextIO) -> None:
    writer = csv.writer(handle, lineterminator="\n")
    writer.writerow(found.columns)
    for batch in found.project("COLUMNS(*)::VARCHAR").to_arrow_reader(10_000):
        writer.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `tcc`."""
    app.command("import")(import_)
    app.command("status")(status_)
    app.command("sql")(sql)
