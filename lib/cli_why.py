"""The command `tcc why`: why a printed number is another than it was.

Belongs here: its options, its table, its JSON and its sentence. Does not belong here: dividing
the difference (`why.py`).
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from lib import portuguese
from lib.cli_data import DataDir, err, out, told
from lib.paths import Paths

if TYPE_CHECKING:
    from lib.said import Said
    from lib.why import Answer, Part

PORTUGUESE = {
    "new hours": "horas novas",
    "restated hours": "horas já cobertas, com dados que chegaram depois",
    "parameters": "parâmetros",
    "code": "código",
}
Key = Annotated[str, typer.Argument(help="A key of the text, such as energia.total.")]
Old = Annotated[
    str, typer.Argument(help="A run, or a frozen name; the newest that said otherwise.")
]
New = Annotated[str, typer.Argument(help="A run, `latest` or a frozen name; the newest run.")]
Sentence = Annotated[bool, typer.Option("--frase", help="One sentence, in Portuguese.")]
Json = Annotated[bool, typer.Option("--json", help="For scripts: one object, not rounded.")]


def why_(
    key: Key,
    old: Old = "",
    new: New = "",
    as_json: Json = False,
    as_sentence: Sentence = False,
    data_dir: DataDir = None,
) -> None:
    """Say why a number changed between two runs: new hours, restated ones, code, parameters."""
    from lib import why

    with told(), err.status("reading the runs") as status:
        paths = Paths.at(data_dir)
        answer = why.why(paths, key, old, new, tell=lambda text: status.update(escape(text)))
    if answer is None:
        out.print(
            json.dumps(None) if as_json else f"No earlier run that is kept says {key} otherwise."
        )
    elif as_json:
        out.print_json(json.dumps(record(answer), ensure_ascii=False))
    elif as_sentence:
        out.print(escape(sentence(answer)), soft_wrap=True)
    else:
        _print(answer)


def record(answer: "Answer") -> dict[str, Any]:
    """The answer as JSON: values in the key's unit, not rounded."""
    return {
        "key": answer.key,
        "notebook": answer.new.notebook,
        "unit": answer.new.record["unit"],
        "old": _state(answer.old),
        "new": _state(answer.new),
        "difference": answer.difference,
        "parts": [vars(part) for part in answer.parts],
        "together": answer.together,
        "unexplained": answer.unexplained,
        "notes": answer.notes,
    }


def _state(one: "Said") -> dict[str, Any]:
    return {"name": one.name, "value": one.value, "commit": one.commit}


def _print(answer: "Answer") -> None:
    """The parts as a table, whose effects add up to the last line."""
    shown, own = answer.new.record, answer.old
    out.print(
        f"{answer.key}: {number(own.value, shown)} in {own.name} -> "
        f"{number(answer.new.value, shown)} {shown['unit']} in {answer.new.name}".replace("  ", " ")
    )
    table = Table("part", "without it", "effect", "what", box=None, pad_edge=False)
    for column in table.columns[1:3]:
        column.justify = "right"
    for part in answer.parts:
        _row(table, part, shown)
    for name, effect in (("together", answer.together), ("not explained", answer.unexplained)):
        if abs(effect) > 1e-9:
            table.add_row(name, "", number(effect, shown, sign=True), "")
    unit = escape(str(shown["unit"]))
    table.add_row("difference", "", number(answer.difference, shown, sign=True), unit)
    out.print(table)
    for note in answer.notes:
        out.print(f"[yellow]note[/] {escape(note)}", soft_wrap=True)


def _row(table: Table, part: "Part", shown: Mapping[str, Any]) -> None:
    without, effect = number(part.without, shown), number(part.effect, shown, sign=True)
    table.add_row(part.name, without, effect, escape("\n".join(part.what)))


def number(value: float | None, shown: Mapping[str, Any], *, sign: bool = False) -> str:
    """A number with the digits that are printed; with more where it would vanish."""
    if value is None:
        return "-"
    text = f"{value:{'+' if sign else ''},.{shown['digits']}f}"
    vanishes = value != 0 and not any(digit in text for digit in "123456789")
    return f"{value:{'+' if sign else ''}.2g}" if vanishes else text


def sentence(answer: "Answer") -> str:
    """The whole in one sentence of Portuguese, as the text could print it."""
    shown = answer.new.record
    digits, unit = int(shown["digits"]), f" {shown['unit']}" if shown["unit"] else ""
    parts = [(PORTUGUESE[part.name], part.effect) for part in answer.parts]
    parts += [("a ação conjunta", answer.together), ("o que não se explica", answer.unexplained)]
    said = [
        f"{name} ({_signed(effect, digits)}{unit})"
        for name, effect in parts
        if effect is not None and _signed(effect, digits).strip("+−0,")
    ]
    values = (portuguese.number(float(one.value), digits) for one in (answer.old, answer.new))
    return f"De {' a '.join(values)}{unit}: {'; '.join(said) or 'nada que se imprima'}."


def _signed(effect: float, digits: int) -> str:
    return f"{'+' if effect >= 0 else '−'}{portuguese.number(abs(effect), digits)}"


def register(app: typer.Typer) -> None:
    """Add the command to `tcc`."""
    app.command("why")(why_)
