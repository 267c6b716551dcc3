"""Numbers and tables for the page: what a notebook says.

Belongs here: `put` and `table`, which write JSON with the vintage it stands on. Does not
belong here: turning that into LaTeX (`typesetting.py`, offered here as `typeset`).
"""

import math
import numbers
import re
from datetime import date, datetime
from typing import Any

import numpy as np
from pandas import DataFrame, isna

from lib.errors import ManuscriptError
from lib.page import Page
from lib.typesetting import Typeset, typeset

__all__ = ["Typeset", "put", "table", "typeset"]

KEY = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")


def put(
    page: Page,
    key: str,
    value: float | int | str,
    *,
    unit: str = "",
    digits: int = 0,
    uncertainty: float | None = None,
    label: str = "",
) -> None:
    """Write a number or text that the monograph prints as `\\val{key}`.

    `uncertainty` is the expanded uncertainty (k = 2) in the same unit, printed after "±";
    `label` says in words what the number is. Raises ManuscriptError for NaN, infinities and
    bad keys.
    """
    _check_key(page, key)
    shown = value if isinstance(value, str) else _finite(page, key, value)
    spread = None if uncertainty is None else abs(float(_finite(page, key, uncertainty)))
    record = {"value": shown, "unit": unit, "digits": digits}
    content = page.read()
    content["values"][key] = record | {"uncertainty": spread, "label": label}
    page.write({name: content[name] for name in ("values", "tables")})


def table(
    page: Page,
    key: str,
    frame: DataFrame,
    *,
    caption: str,
    columns: dict[str, tuple[str, int | None]],
    source: str = "",
) -> None:
    """Write a table that the monograph prints as `\\tabdata{key}`.

    `columns` gives each column its Portuguese header and digits (None: text). A missing
    cell is printed as a dash. `source` is the whole Fonte of what does not stand on the data,
    with references as `[@key]`. Raises ManuscriptError for absent columns and infinities.
    """
    _check_key(page, key)
    if absent := [name for name in columns if name not in frame.columns]:
        raise _refused(page, key, f"has no column {', '.join(absent)}")
    digits = [digits for _, digits in columns.values()]
    rows = [
        [_cell(page, key, value, d) for value, d in zip(row, digits, strict=True)]
        for row in frame[list(columns)].itertuples(index=False)
    ]
    heads = [list(head) for head in columns.values()]
    content = page.read()
    written = {"caption": caption.rstrip("."), "columns": heads, "rows": rows}
    content["tables"][key] = written | ({"source": source.rstrip(".")} if source else {})
    page.write({name: content[name] for name in ("values", "tables")})


def _check_key(page: Page, key: str) -> None:
    if not KEY.fullmatch(key):
        raise _refused(page, key, "is no key of a-z, 0-9, dots, _ and -")


def _finite(page: Page, key: str, value: object) -> float | int:
    """A number that can be printed, as a plain Python number."""
    if isinstance(value, bool | np.bool_):
        raise _refused(page, key, "is true or false, which is no number to print")
    if isinstance(value, numbers.Real) and math.isfinite(value):
        return int(value) if isinstance(value, numbers.Integral) else float(value)
    raise _refused(page, key, f"is {value}, which is no number to print")


def _cell(page: Page, key: str, value: Any, digits: int | None) -> float | int | str | None:
    if value is None or isna(value):
        return None
    if digits is not None:
        return _finite(page, key, value)
    if isinstance(value, datetime):
        midnight = (value.hour, value.minute, value.second) == (0, 0, 0)
        return f"{value:%d/%m/%Y}" if midnight else f"{value:%d/%m/%Y %Hh%M}"
    return f"{value:%d/%m/%Y}" if isinstance(value, date) else str(value)


def _refused(page: Page, key: str, why: str) -> ManuscriptError:
    return ManuscriptError(
        f"'{key}' {why}.",
        where=page.notebook,
        risk="It would stand in the monograph as a number.",
        remedy="Correct the calculation, or leave the value out where there is no data.",
    )
