"""The command `tcc`: words on the terminal for what `pipeline.py` does.

Belongs here: options, progress bars, what is printed, exit codes. Does not belong here: any
decision about data.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lib import (
    cli_data,
    cli_page,
    cli_quarantine,
    cli_schedule,
    cli_why,
    config,
    credentials,
    terminal,
)
from lib.cli_data import DataDir, From, Now, To, err, out, told
from lib.errors import ConfigError
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

SourceName = Annotated[
    str, typer.Option("--source", help="auto, cloud, demo or replay; auto: cloud with credentials.")
]
Wait = Annotated[
    float, typer.Option("--wait", min=0, help="Wait so long for another run to end. [s]")
]
Force = Annotated[bool, typer.Option("--force", help="Run what has not changed, too.")]
Series = Annotated[str, typer.Option("--series", help="A recorded series, for --source replay.")]


def _execute(data_dir: Path | None, *, rest: Mapping[str, object]) -> None:
    """Run the steps with bars and say how it went.

    Exits with 1 where a step failed, and with 2 where only an alarm of real rows is on.
    """
    from lib import pipeline

    with told():
        order = pipeline.Order(**rest)  # type: ignore[arg-type]
        paths = Paths.at(data_dir or _of_series(order.source, order.series))
        terminal.print_exposed(err, credentials.exposed())
        settings = _settings(paths, order)
        with terminal.Bars(err) as bars:
            this = pipeline.run(paths, settings, order, show=bars.show)
        terminal.print_run(out, err, paths, this)
        if this.built:
            cli_page.print_said(this.built)
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
    force: Force = False,
    wait: Wait = 0,
    data_dir: DataDir = None,
) -> None:
    """Collect, stage, analyse and set the page: what happens every hour."""
    rest = {"source": _source(source, series), "series": series, "now": now, "days": days}
    _execute(data_dir, rest=rest | {"page": page, "force": force, "wait_s": wait})


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
    first_date: From = "",
    last_date: To = "",
    now: Now = "",
    data_dir: DataDir = None,
) -> None:
    """Turn raw rows into typed, unique rows, energy and gaps; of chosen dates, anew."""
    from lib.pipeline import PREPARE

    if rebuild and (first_date or last_date):
        raise typer.BadParameter("--rebuild is of every date: leave out --from and --to, or it.")
    chosen = {"rebuild": rebuild, "first_date": first_date, "last_date": last_date}
    with cli_data.choosing(data_dir, first_date, last_date):
        _execute(data_dir, rest=chosen | {"now": now, "steps": PREPARE, "page": False})


@app.command()
def analyse(now: Now = "", force: Force = False, data_dir: DataDir = None) -> None:
    """Draw the figures and compute the numbers of the page."""
    from lib.pipeline import ANALYSE

    rest = {"steps": ANALYSE, "page": False, "promote": True}
    _execute(data_dir, rest=rest | {"now": now, "force": force})


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

    with told():
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


cli_data.register(app)
cli_page.register(app)
cli_why.register(app)
app.add_typer(cli_quarantine.app, name="quarantine")
app.add_typer(cli_schedule.app, name="schedule")
