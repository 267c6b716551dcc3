"""The command `tcc quarantine`: what was set aside and why, and the way back.

Belongs here: its options, words and exit codes. Does not belong here: what is checked and moved
(`quarantine.py`).
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from lib import config
from lib.cli_data import DataDir, Now, out, told
from lib.errors import BadRawFile, ConfigError
from lib.paths import Paths

if TYPE_CHECKING:
    from lib.quarantine import Aside
    from lib.spans import Span

app = typer.Typer(help="List, explain and retry the files that could not be used.")
FIRST_LINES, MOST_LETTERS = 3, 160


def _say(text: str) -> None:
    """Print a line as it is: paths are to be copied whole."""
    out.print(text, soft_wrap=True)


@app.callback(invoke_without_command=True)
def quarantine(context: typer.Context, now: Now = "", data_dir: DataDir = None) -> None:
    """List what was set aside; `explain` and `retry` do more."""
    if context.invoked_subcommand and (now or data_dir):
        raise typer.BadParameter(f"give options after '{context.invoked_subcommand}'.")
    if context.invoked_subcommand is None:
        list_(now, data_dir)


@app.command("list")
def list_(now: Now = "", data_dir: DataDir = None) -> None:
    """Every file set aside: why, since when, and whether another one answers for its window.

    Exits with 1 where a file is left that nothing else answers for.
    """
    from lib import origins, quarantine

    with told():
        paths = Paths.at(data_dir)
        asides, clock = quarantine.every(paths), origins.clock(paths, now)
        _show_all(paths, asides, clock)
        left = _left(paths, asides)
    if left:
        raise typer.Exit(1)


def _left(paths: Paths, asides: "list[Aside]") -> int:
    """How many files are set aside that nothing else answers for."""
    from lib import quarantine

    spans = quarantine.open_spans(paths, asides, config.load().ingestion)
    return sum(own != [] for own in spans.values())


def _show_all(paths: Paths, asides: "list[Aside]", now: datetime) -> None:
    from lib import quarantine, registry

    settings = config.load()
    names = registry.names(paths, settings.devices)
    left = quarantine.open_spans(paths, asides, settings.ingestion)
    for aside in asides:
        device = names.get(aside.device_id, aside.device_id)
        _say(f"[bold]{_short(paths, aside)}[/]")
        _say(f"  {escape(device)}, set aside {aside.set_aside_at:%Y-%m-%d %H:%M} UTC")
        _say(f"  {escape(aside.what)}")
        _say(f"  {_window(aside)}: {_standing(left[aside.file], now, settings)}")
    if not asides:
        _say(f"Nothing in {escape(str(paths.quarantine))}")
    else:
        _say("Next: tcc quarantine explain FILE, mend it, tcc quarantine retry")


def _short(paths: Paths, aside: "Aside") -> str:
    return escape(str(aside.file.relative_to(paths.quarantine)))


def _window(aside: "Aside") -> str:
    if aside.window is None:
        return "window unknown to the journal"
    start, end = aside.window
    return f"{start:%Y-%m-%d %H:%M:%S} to {end:%Y-%m-%d %H:%M:%S} UTC"


def _standing(left: "list[Span] | None", now: datetime, settings: config.Config) -> str:
    """Whether anything else answers for a window, and how long the cloud still can."""
    from lib import quarantine

    if left is None:
        return "[yellow]nothing else is known to answer for it[/]"
    if not left:
        return "[green]answered, nothing to do[/]"
    hours = quarantine.expires_h(left, now, settings.ingestion)
    if not hours:
        return "[red]not answered, and the cloud has forgotten it[/]"
    return f"[yellow]not answered; asked again, the cloud forgets it in {hours:.1f} h[/]"


@app.command()
def explain(
    file: Annotated[str, typer.Argument(help="Its path, or its name as the list has it.")],
    now: Now = "",
    data_dir: DataDir = None,
) -> None:
    """Why a file was set aside, what to do, and where it goes wrong."""
    from lib import origins, quarantine

    with told():
        paths = Paths.at(data_dir)
        (aside,) = _chosen(paths, quarantine.every(paths), [file])
        _show_all(paths, [aside], origins.clock(paths, now))
        _say(f"  {escape(aside.remedy)}")
        _show_text(quarantine.text_of(aside.file), quarantine.fault)


def _show_text(text: str, fault: Callable[[str], int | None]) -> None:
    """The first lines of a file, and the line at which it stops being JSON."""
    lines = text.splitlines()
    if not lines:
        _say("  Nothing of it can be read.")
        return
    wrong = fault(text)
    for number, line in enumerate(lines, 1):
        if number <= FIRST_LINES or (wrong and abs(number - wrong) <= 1):
            mark = "[red]>[/]" if number == wrong else " "
            _say(f"{mark} {number:>6}  {escape(line[:MOST_LETTERS])}")
    more = "" if wrong is None else f"; it stops being JSON in line {min(wrong, len(lines))}"
    _say(f"  {len(lines)} lines can be read{more}.")


@app.command()
def retry(
    files: Annotated[list[str] | None, typer.Argument(help="Which; all without any.")] = None,
    now: Now = "",
    data_dir: DataDir = None,
) -> None:
    """Check again: what is good now goes back into data/raw, the rest stays with its reason.

    Exits with 1 where a file is left that nothing else answers for.
    """
    from lib import origins, quarantine

    paths = Paths.at(data_dir)
    with told(), origins.alone(paths):
        every, clock = quarantine.every(paths), origins.clock(paths, now)
        chosen = _chosen(paths, every, files) if files else every
        _retry(paths, chosen, clock)
        left = _left(paths, quarantine.every(paths))
    if left:
        _say(f"{left} file(s) left that nothing else answers for: tcc quarantine")
        raise typer.Exit(1)


def _retry(paths: Paths, chosen: "list[Aside]", now: datetime) -> None:
    """Try file by file and say what became of each."""
    from lib import quarantine, staged_date, warehouse

    back = 0
    with warehouse.asking() as connection:
        staged_date.prepare(connection, paths, config.load())
        for aside in chosen:
            name = _short(paths, aside)
            try:
                target = quarantine.retry(paths, aside, connection, now)
            except BadRawFile as error:
                _say(f"[yellow]stays[/]  {name}: {escape(error.what)}")
                continue
            back += 1
            _say(f"[green]back[/]   {name}: {escape(str(target))}")
    if back:
        _say("Next: tcc stage")


def _chosen(paths: Paths, asides: "list[Aside]", words: list[str]) -> "list[Aside]":
    """The files that are meant, each by path, name in the list or last part. ConfigError."""
    found = []
    for word in words:
        path = Path(word)
        places = (path.absolute(), paths.quarantine / path)
        own = [a for a in asides if a.file in places] or [
            a for a in asides if a.file.name == path.name == word
        ]
        if len(own) != 1:
            raise ConfigError(
                f"{len(own)} files in quarantine have this name.",
                where=word,
                remedy="Name one as the list has it: tcc quarantine",
            )
        found += own
    return found
