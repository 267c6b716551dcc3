"""Commands of `tcc` on the printed page.

Belongs here: `pdf`, `claims`, `diff`: options, and what they print. Does not belong here: setting
the page (`monograph.py`), comparing two states of it (`latexdiff.py`), any decision.
"""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from lib.cli_data import DataDir, out, told
from lib.paths import Paths

if TYPE_CHECKING:
    from lib.monograph import Built

# Commands import what they need when they run.
State = Annotated[
    str, typer.Argument(help="A run's folder in data/runs, `latest`, a commit, or `now`.")
]


def pdf(data_dir: DataDir = None) -> None:
    """Set the monograph from the figures and numbers that are there."""
    from lib import monograph

    with told():
        built = monograph.build(Paths.at(data_dir))
        done = "set" if built.rebuilt else "unchanged"
        out.print(f"{built.pdf}: {built.pages} pages, {done} in {built.seconds:.1f} s")
        print_said(built)


def print_said(built: "Built") -> None:
    """Say how many claims hold, what LaTeX warned of and what was found in the text."""
    if built.claims:
        out.print(f"{len(built.claims)} claims hold")
    for line in built.warnings:
        out.print(f"[yellow]warning[/]         {escape(line)}", soft_wrap=True)
    for line in built.findings:
        out.print(f"[yellow]finding[/]         {escape(line)}", soft_wrap=True)


def claims_(data_dir: DataDir = None) -> None:
    """Judge what the text claims of the numbers, and list it; LaTeX does not run."""
    from lib import claims, monograph

    with told():
        ready, text = monograph.checked(Paths.at(data_dir))
        judged = claims.judge(text.claims, ready.records)
    for one in judged:
        mark = "[yellow]close[/]" if one.close else "[green]holds[/]"
        out.print(f"{mark}  {escape(one.claim.where)}: {escape(one.claim.text)}", soft_wrap=True)
        out.print(f"       {escape(one.numbers)}", soft_wrap=True)
    idle = f", {len(text.idle)} beside sentences that are not printed" if text.idle else ""
    out.print(f"{len(judged)} claims hold{idle}")


def diff_(old: State, new: State = "now", data_dir: DataDir = None) -> None:
    """Set a PDF of the page with all marked that changed between two of its states."""
    from lib import latexdiff

    with told():
        found = latexdiff.diff(Paths.at(data_dir), old, new)
        if found.pdf is None:
            out.print(f"{old} and {new} print the same.")
        else:
            out.print(f"{found.pdf}: {found.changes} changes from {old} to {new}", soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `tcc`."""
    app.command("pdf")(pdf)
    app.command("claims")(claims_)
    app.command("diff")(diff_)
