"""Numbers and names as a Brazilian page prints them.

Belongs here: plain text, used by figures and tables alike. Does not belong here: LaTeX
(`latex.py`), instants (`times.py`).
"""

import math
import unicodedata

# What both the document's fonts and LaTeX's input encoding know beyond Latin-1.
EXTRA = frozenset("–—‘’“”…€≤≥−→Ω")


def number(value: float, digits: int = 0) -> str:
    """A number with decimal comma and dots between thousands, e.g. 1.234,5."""
    return plain(value, digits, grouped=True).translate(_BRAZILIAN)


_BRAZILIAN = str.maketrans({",": ".", ".": ",", "-": "−"})


def plain(value: float, digits: int, *, grouped: bool = False) -> str:
    """A number rounded to its digits, with decimal point and without a negative zero."""
    text = f"{value:{',' if grouped else ''}.{digits}f}"
    return text.lstrip("-") if not text.strip("-0.") else text


def printable(text: str) -> str:
    """A name without what the fonts lack, such as the emoji of a device's name."""
    composed = unicodedata.normalize("NFC", " ".join(text.split()))
    kept = " ".join("".join(_in_fonts(c) for c in composed).split())
    return kept or "?"


def _in_fonts(character: str) -> str:
    if character in EXTRA or (character.isprintable() and ord(character) < 0x100):
        return character
    simpler = unicodedata.normalize("NFKD", character)
    return "".join(c for c in simpler if c.isascii() and c.isprintable())


def floored_percent(share: float) -> float:
    """A share in per cent, rounded down to a tenth: 99.97 % is not "100,0 %"."""
    return math.floor(min(max(share, 0.0), 1.0) * 1000 + 1e-9) / 10
