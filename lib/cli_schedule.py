"""The command `tcc schedule`: every hour without a daemon, by cron or by systemd.

Belongs here: its options and words. Does not belong here: the lines and units (`schedules.py`),
where they are put (`schedule_places.py`).
"""

from typing import TYPE_CHECKING, Annotated

import typer

from lib.cli_data import DataDir, err, told
from lib.paths import Paths

if TYPE_CHECKING:
    from lib.schedule_places import Placed

app = typer.Typer(
    help="Start tcc run every hour by cron or systemd: print it, install it, remove it.",
    no_args_is_help=True,
)

Install = Annotated[bool, typer.Option("--install", help="Put it in place, for this user.")]
Remove = Annotated[bool, typer.Option("--remove", help="Take it out again.")]
Minute = Annotated[int, typer.Option(min=0, max=59, help="The minute of each hour.")]
Name = Annotated[str, typer.Option(help="Tells it from another one; its units are tcc-NAME.")]
Page = Annotated[bool, typer.Option("--pdf/--no-pdf", help="Set the monograph too.")]


@app.command()
def cron(
    install: Install = False,
    remove: Remove = False,
    minute: Minute = 0,
    name: Name = "run",
    page: Page = True,
    data_dir: DataDir = None,
) -> None:
    """The lines for a crontab: each hour, and once after a start. Other lines stay."""
    from lib import schedule_places, schedules

    _one(install, remove)
    with told():
        if remove:
            return _say(schedule_places.remove_cron(name))
        table = schedules.planned(Paths.at(data_dir), name=name, minute=minute, page=page)
        if install:
            return _installed(schedule_places.install_cron(table))
        typer.echo("\n".join(schedules.crontab(table)))
        _hint("cron")


@app.command()
def systemd(
    install: Install = False,
    remove: Remove = False,
    minute: Minute = 0,
    name: Name = "run",
    page: Page = True,
    data_dir: DataDir = None,
) -> None:
    """The user's units: a timer that catches up after sleep, and the service it starts."""
    from lib import schedule_places, schedules

    _one(install, remove)
    with told():
        if remove:
            return _say(schedule_places.remove_units(name))
        table = schedules.planned(Paths.at(data_dir), name=name, minute=minute, page=page)
        if install:
            return _installed(schedule_places.install_units(table))
        for file, text in schedules.units(table).items():
            typer.echo(f"# {schedule_places.units_folder() / file}\n{text}")
        _hint("systemd")


def _one(install: bool, remove: bool) -> None:
    if install and remove:
        raise typer.BadParameter("--install and --remove exclude each other.")


def _hint(kind: str) -> None:
    """What else there is to do, apart from what a script takes."""
    typer.echo(f"Nothing is installed yet. Next: tcc schedule {kind} --install", err=True)


def _installed(placed: "Placed") -> None:
    """Say what was done, and what the schedule will not know."""
    from lib import schedules

    _say(placed)
    if names := schedules.unseen():
        err.print(
            f"[yellow]warning[/]         A schedule does not see this shell: {', '.join(names)}. "
            "What it needs belongs in .env",
            soft_wrap=True,
        )
    typer.echo("tcc doctor tells whether it is kept.")


def _say(placed: "Placed") -> None:
    for line in placed.done:
        typer.echo(line)
    for line in placed.left:
        typer.echo(f"Left to do: {line}")
