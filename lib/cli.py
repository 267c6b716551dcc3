"""The command `tcc`: words on the terminal for what `pipeline.py` does.

Belongs here: options, progress bars, what is printed, exit codes. Does not belong here: any
decision about data.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from lib import config, credentials, terminal
from lib.errors import ConfigError, PipelineError
from lib.paths import DEFAULT_DATA, Paths

if TYPE_CHECKING:
    from lib.pipeline import Order

# Commands import what they need when they run: pandas and papermill take a second each.
app = typer.Typer(
    name="tcc",
    help="From the logs of Tuya devices to a printed page that knows which hours it stands on.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
out, err = Console(highlight=False), Console(stderr=True, highlight=False)

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder of the store; the project's data/.")
]
Now = Annotated[
    str, typer.Option("--now", help="The run's clock, ISO 8601, e.g. 2026-03-14T12:00Z.")
]
SourceName = Annotated[
    str, typer.Option("--source", help="auto, cloud, demo or replay; auto: cloud with credentials.")
]
Wait = Annotated[
    float, typer.Option("--wait", min=0, help="Wait so long for another run to end. [s]")
]
Series = Annotated[str, typer.Option("--series", help="A recorded series, for --source replay.")]


@contextmanager
def _told() -> Iterator[None]:
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


def _execute(data_dir: Path | None, *, rest: Mapping[str, object]) -> None:
    """Run the steps with bars and say how it went.

    Exits with 1 where a step failed, and with 2 where only an alarm of real rows is on.
    """
    from lib import pipeline

    with _told():
        order = pipeline.Order(**rest)  # type: ignore[arg-type]
        paths = Paths.at(data_dir or _of_series(order.source, order.series))
        terminal.print_exposed(err, credentials.exposed())
        settings = _settings(paths, order)
        with terminal.Bars(err) as bars:
            this = pipeline.run(paths, settings, order, show=bars.show)
        terminal.print_run(out, err, paths, this)
    if not this.ok or this.alarms.heard:
        raise typer.Exit(2 if this.ok else 1)


def _settings(paths: Paths, order: "Order") -> config.Config:
    """The settings; without them no run begins, which is an alarm. Raises ConfigError."""
    from lib import pipeline

    try:
        return config.load()
    except ConfigError as error:
        terminal.print_alarms(out, pipeline.alarmed(paths, config.Config(), order, error=error))
        raise


def _of_series(source: str, series: str) -> Path | None:
    """A recorded series keeps to a folder of its own, unless one is named."""
    if source != "replay" or "TCC_DATA_DIR" in os.environ:
        return None
    return DEFAULT_DATA / "replay" / Path(series).stem


@app.command()
def run(
    source: SourceName = "auto",
    series: Series = "",
    now: Now = "",
    days: Annotated[
        int | None, typer.Option(min=0, help="Demo house: days of runs that lead up to --now.")
    ] = None,
    page: Annotated[bool, typer.Option("--pdf/--no-pdf", help="Set the monograph too.")] = True,
    wait: Wait = 0,
    data_dir: DataDir = None,
) -> None:
    """Collect, stage, analyse and set the page: what happens every hour."""
    rest = {"source": _source(source, series), "series": series, "now": now, "days": days}
    _execute(data_dir, rest=rest | {"page": page, "wait_s": wait})


@app.command()
def ingest(
    source: SourceName = "auto",
    series: Series = "",
    now: Now = "",
    wait: Wait = 0,
    data_dir: DataDir = None,
) -> None:
    """Ask the cloud for every window that is not held."""
    from lib.pipeline import COLLECT

    rest = {"source": _source(source, series), "series": series, "now": now, "wait_s": wait}
    _execute(data_dir, rest=rest | {"days": 0, "steps": COLLECT, "page": False})


@app.command()
def stage(
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Every date again.")] = False,
    now: Now = "",
    data_dir: DataDir = None,
) -> None:
    """Turn raw rows into typed, unique rows, energy and gaps."""
    from lib.pipeline import PREPARE

    _execute(data_dir, rest={"now": now, "steps": PREPARE, "page": False, "rebuild": rebuild})


@app.command()
def analyse(now: Now = "", data_dir: DataDir = None) -> None:
    """Draw the figures and compute the numbers of the page."""
    from lib.pipeline import ANALYSE

    _execute(data_dir, rest={"now": now, "steps": ANALYSE, "page": False, "promote": True})


@app.command()
def pdf(data_dir: DataDir = None) -> None:
    """Set the monograph from the figures and numbers that are there."""
    from lib import monograph

    with _told():
        built = monograph.build(Paths.at(data_dir))
        done = "set" if built.rebuilt else "unchanged"
        out.print(f"{built.pdf}: {built.pages} pages, {done} in {built.seconds:.1f} s")


@app.command()
def replay(
    series: Annotated[str, typer.Argument(help="uci, plug, or the path of such a series.")],
    now: Now = "",
    page: Annotated[bool, typer.Option("--pdf/--no-pdf", help="Set the monograph too.")] = True,
    data_dir: DataDir = None,
) -> None:
    """Serve a recorded series as Tuya devices and run on it, day by day to its end.

    Without --data-dir it lies in data/replay/SERIES, with figures and PDF of its own.
    """
    _execute(data_dir, rest={"source": "replay", "series": series, "now": now, "page": page})


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False)],
    device: Annotated[str, typer.Option("--device", help="Id of the device the rows are of.")] = "",
    now: Now = "",
    data_dir: DataDir = None,
) -> None:
    """Keep the rows of an older archive: answers of the cloud, lists of rows, older layouts."""
    from lib import origins

    paths = Paths.at(data_dir)
    with _told(), origins.alone(paths):
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


@app.command("status")
def status_(now: Now = "", data_dir: DataDir = None) -> None:
    """What is held, the newest event, gaps, and the hours until unread logs expire."""
    from lib import alarms, origins, status

    with _told():
        paths, settings = Paths.at(data_dir), config.load()
        clock = origins.clock(paths, now)
        terminal.print_status(out, paths, status.of(paths, settings, now=clock))
        terminal.print_alarms(out, alarms.current(paths, settings, now=clock))


@app.command("doctor")
def doctor_(
    as_json: Annotated[bool, typer.Option("--json", help="The same for scripts.")] = False,
    now: Now = "",
    data_dir: DataDir = None,
) -> None:
    """Look at all that a run needs, from credentials to the schedule, and say the next step.

    Costs about four calls to the cloud; the exit code is 1 where something is bad.
    """
    from lib import doctor

    with _told():
        found = doctor.examine(Paths.at(data_dir), now)
    if as_json:
        typer.echo(found.json())
    else:
        doctor.show(out, found)
    if not found.ok:
        raise typer.Exit(1)


def _source(name: str, series: str) -> str:
    """The source as named; a series means a replay."""
    if name not in (names := ("auto", "cloud", "demo", "replay")):
        raise typer.BadParameter(f"--source '{name}' is none of {', '.join(names)}.")
    if series and name not in ("auto", "replay"):
        raise typer.BadParameter(f"--series is for --source replay, not for {name}.")
    if name == "replay" and not series:
        raise typer.BadParameter("--series is missing: uci, plug, or the path of such a series.")
    return "replay" if series else name
