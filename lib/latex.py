"""Text, quantities and tables as LaTeX.

Belongs here: pure functions from values to LaTeX text. Does not belong here: files, keys,
vintages (`values.py`), or macros (`tcc/tcc.sty`).
"""

import math
import re
from collections.abc import Sequence
from typing import Any

from lib.portuguese import plain, printable

LONGEST_FLOAT = 30  # rows; beyond, a table breaks across pages
WIDEST_TEXT = 34  # characters; beyond, a text column wraps

_ESCAPES = {
    **{c: rf"\{c}" for c in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''"},
    **{"–": "--", "—": "---", "‘": "`", "’": "'", "“": "``", "”": "''", "…": r"\ldots{}"},
    **{"€": r"\texteuro{}", "≤": r"\ensuremath{\leq}", "≥": r"\ensuremath{\geq}"},
    **{"−": r"\ensuremath{-}", "→": r"\ensuremath{\rightarrow}", "Ω": r"\ensuremath{\Omega}"},
}
_TRANSLATION = str.maketrans(_ESCAPES)


def escape(text: str) -> str:
    """Plain text as LaTeX; numbers stay with their per cent sign."""
    return re.sub(r"(\d) \\%", r"\1\\,\\%", printable(text).translate(_TRANSLATION))


def quantity(value: float, unit: str, digits: int, uncertainty: float | None = None) -> str:
    """A number with unit and uncertainty for siunitx; money goes before its number."""
    if uncertainty:
        digits = max(digits, _digits_of(uncertainty))
    text = plain(value, digits)
    if uncertainty:
        text += f" +- {plain(uncertainty, digits)}"
    if unit.startswith("R$"):
        rest = unit.removeprefix("R$").lstrip("/")
        return rf"R\$~\num{{{text}}}" + (rf"/\unit{{{_unit(rest)}}}" if rest else "")
    return rf"\qty{{{text}}}{{{_unit(unit)}}}" if unit else rf"\num{{{text}}}"


def _digits_of(uncertainty: float) -> int:
    """Decimals that show at least one significant digit of an uncertainty."""
    return max(0, -math.floor(math.log10(uncertainty)))


def _unit(unit: str) -> str:
    """A unit as siunitx takes it literally."""
    named = {"%": r"\percent", "°C": r"\degreeCelsius"}
    return named.get(unit, escape(unit).replace("·", "."))


def cell(value: Any, digits: int | None) -> str:
    """A table cell; a missing value is a dash, never a zero."""
    if value is None:
        return "--"
    return escape(str(value)) if digits is None else rf"\num{{{plain(value, digits)}}}"


def tabular(
    headers: Sequence[str], digits: Sequence[int | None], rows: Sequence[Sequence[Any]]
) -> tuple[str, str, str]:
    """Column specification, header and body of a table with open sides."""
    columns = [_column([row[at] for row in rows], digits[at]) for at in range(len(headers))]
    head = " & ".join(rf"\textbf{{{escape(header)}}}" for header in headers)
    lines = [
        " & ".join(cell(value, d) for value, d in zip(row, digits, strict=True)) + r" \\"
        for row in rows
    ]
    empty = [rf"\multicolumn{{{len(headers)}}}{{c}}{{Sem dados no período.}} \\"]
    return f"@{{}}{''.join(columns)}@{{}}", head + r" \\", "\n".join(lines or empty)


def _column(values: Sequence[Any], digits: int | None) -> str:
    """Numbers to the right; texts to the left, the long ones wrapped."""
    if digits is not None:
        return "r"
    longest = max((len(str(value)) for value in values), default=0)
    return "l" if longest <= WIDEST_TEXT else r">{\raggedright\arraybackslash}p{0.38\linewidth}"
