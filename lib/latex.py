"""Text, quantities and tables as LaTeX.

Belongs here: pure functions from values to LaTeX text. Does not belong here: files, keys,
vintages (`values.py`), or macros (`tcc/tcc.sty`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
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


def cited(text: str) -> str:
    """Plain text with references, e.g. `EN 50160 [@en50160]`, as LaTeX."""
    return re.sub(r" ?\[@([\w.:-]+)\]", r"~\\cite{\1}", escape(text))


def quantity(value: float, unit: str, digits: int, uncertainty: float | None = None) -> str:
    """A number with unit and uncertainty for siunitx; money goes before its number.

    An uncertainty has two significant digits, and the value as many decimals (GUM 7.2.6).
    """
    if uncertainty:
        digits = _digits_of(uncertainty)
        value, uncertainty = round(value, digits), round(uncertainty, digits)
    text = plain(value, max(digits, 0))
    if uncertainty:
        text += f" +- {plain(uncertainty, max(digits, 0))}"
    if unit.startswith("R$"):
        rest = unit.removeprefix("R$").lstrip("/")
        return rf"R\$~\num{{{text}}}" + (rf"/\unit{{{_unit(rest)}}}" if rest else "")
    return rf"\qty{{{text}}}{{{_unit(unit)}}}" if unit else rf"\num{{{text}}}"


def _digits_of(uncertainty: float) -> int:
    """Decimals that leave an uncertainty two significant digits; negative for tens and more."""
    return 1 - int(f"{uncertainty:.1e}".partition("e")[2])


def _unit(unit: str) -> str:
    """A unit as siunitx takes it literally."""
    named = {"%": r"\percent", "°C": r"\degreeCelsius"}
    return named.get(unit, escape(unit).replace("·", "."))


def cell(value: Any, digits: int | None) -> str:
    """A table cell; a missing value is a dash, never a zero, and an empty text is empty."""
    if value is None or value == "":
        return "--" if value is None else ""
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


@dataclass(frozen=True)
class Float:
    """A figure, or a table with its column specification, header and body."""

    key: str
    caption: str
    origin: str
    parts: tuple[str, str, str] | None = None
    breaks: bool = False

    def macro(self) -> str:
        """It as the macros of `tcc.sty` take it."""
        if self.parts is None:
            return f"\\tccdeffig{{{self.key}}}{{{self.caption}}}{{{self.origin}}}\n"
        spec, head, body = self.parts
        name = "tcctabelalonga" if self.breaks else "tcctabela"
        given = f"{{{self.key}}}{{{self.caption}}}{{{self.origin}}}{{{spec}}}{{{head}}}"
        return f"\\{name}{given}{{%\n{body}}}\n"

    def plain(self) -> str:
        """It in LaTeX's own words, so that two states of it can be compared."""
        caption = f"\\caption{{\\label{{{self._label()}}}{self.caption}}}"
        if self.parts is None:
            image = f"\\includegraphics[width=\\linewidth]{{{self.key}}}\\par"
            return _environment("figure", f"{caption}\n\\centering\n{image}", self.origin)
        spec, head, body = self.parts
        rows = f"\\toprule\n{head}\n\\midrule\n{body}\n\\bottomrule"
        if not self.breaks:
            inner = f"\\begin{{tabular}}{{{spec}}}\n{rows}\n\\end{{tabular}}\\par"
            small = "\\centering\n\\ABNTEXfontereduzida"
            return _environment("table", f"{caption}\n{small}\n{inner}", self.origin)
        long = f"\\begin{{longtable}}{{{spec}}}\n{caption}\\\\\n{rows}\n\\end{{longtable}}"
        small = "\\ABNTEXfontereduzida\\SingleSpacing"
        return f"\\begingroup\n{small}\n{long}\n\\fonte{{{self.origin}}}\n\\endgroup"

    def _label(self) -> str:
        return f"{'tab' if self.parts else 'fig'}:{self.key}"


def _environment(name: str, inner: str, origin: str) -> str:
    return f"\\begin{{{name}}}[htbp]\n{inner}\n\\fonte{{{origin}}}\n\\end{{{name}}}"
