"""The language of claims (`% afirma: ...`) and what one says over the values of a page.

Belongs here: reading and evaluating one claim. Does not belong here: what follows from it
(`claims.py`), where claims stand in the text (`manuscript.py`).

The language: keys of values; numbers with decimal point or comma (a comma between two digits is
always a decimal one: write `min(a; 2)`, no thousands separators, no units); `+ - * / ( )`, `abs`,
`min`, `max`; `< <= > >= = != ≤ ≥ ≠`, in chains too (`1 < a < 3`); `e ou não`, `and or not`.
Nothing is ever run: known words are translated one by one, parsed by `ast`, and walked.
"""

import ast
import difflib
import math
import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from lib.errors import ClaimError, UnknownValue

STAYS = "The last good PDF stays."
LONGEST, DEEPEST = 300, 20
# A comparison and how sure it is. Of several, "and" is the least and "or" the most (Kleene).
TRUE, CLOSE, CLOSELY_FALSE, FALSE = 2, 1, -1, -2
Record = Mapping[str, Any]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:[.,]\d+)?(?![\w.]|,\d))|(?P<word>[^\W\d]\w*(?:\.\w+)*)"
    r"|(?P<sign><=|>=|==|!=|[-+*/()<>=≤≥≠,;]))"
)
_WORDS = {"e": "and", "ou": "or", "não": "not", "nao": "not"}
_RESERVED = {"and", "or", "not", "abs", "min", "max"}
_SIGNS = {"=": "==", "≤": "<=", "≥": ">=", "≠": "!=", ";": ","}
_COMPARED: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    **{ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge},
    **{ast.Eq: operator.eq, ast.NotEq: operator.ne},
}


@dataclass(frozen=True)
class Claim:
    """A claim, its file and line, and the sentence that it stands beside."""

    where: str
    text: str
    sentence: str


def keys(claim: Claim) -> list[str]:
    """The keys that a claim speaks of, each once. Raises ClaimError."""
    return list(dict.fromkeys(_translated(claim)[1].values()))


def unknown(claim: Claim, key: str, known: Collection[str]) -> UnknownValue:
    """The error for a key that nothing wrote, with the nearest ones that are known."""
    remedy = suggestion(key, known) or "Correct the key."
    what = f"nothing wrote {key}, of which the claim '{claim.text}' speaks."
    return UnknownValue(what, where=claim.where, risk=STAYS, remedy=remedy)


def suggestion(key: str, known: Collection[str]) -> str:
    """A question that names the nearest keys; empty where none is near."""
    close = difflib.get_close_matches(key, known, n=3)
    return f"Did you mean {' or '.join(close)}?" if close else ""


def evaluate(claim: Claim, records: Mapping[str, Record]) -> int:
    """TRUE, CLOSE (true by less than its uncertainty), CLOSELY_FALSE or FALSE.

    Uncertainties of different keys count as independent (GUM 5.1.2), to first order; the same
    key on both sides counts once. Raises ClaimError and UnknownValue.
    """
    source, names = _translated(claim)
    try:
        tree = ast.parse(source, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _unclear(claim, "is no comparison that can be read") from None
    found = _Evaluation(claim, names, records).of(tree.body)
    if isinstance(found, int):
        return found
    raise _unclear(claim, "compares nothing")


def _unclear(claim: Claim, why: str) -> ClaimError:
    return ClaimError(
        f"the claim '{claim.text}' {why}.",
        where=claim.where,
        risk=STAYS,
        remedy="Write e.g. % afirma: energia.total < 30,5 (keys, numbers, + - * / ( ), < <= > >= "
        "= !=, abs, min, max, e, ou, não).",
    )


def _translated(claim: Claim) -> tuple[str, dict[str, str]]:
    """A claim in Python's words, with names k0, k1, ... for the keys."""
    if len(claim.text) > LONGEST:
        raise _unclear(claim, f"is longer than {LONGEST} characters")
    parts: list[str] = []
    names: dict[str, str] = {}
    at, depth, text = 0, 0, claim.text.rstrip()
    while at < len(text):
        if not (found := _TOKEN.match(text, at)):
            raise _unclear(claim, f"cannot be read at '{text[at:].strip()[:12]}'")
        at = found.end()
        parts.append(_part(found, names))
        depth += {"(": 1, ")": -1}.get(parts[-1], 0)
        if depth > DEEPEST:
            raise _unclear(claim, f"has more than {DEEPEST} nested parentheses")
    return " ".join(parts), names


def _part(found: re.Match[str], names: dict[str, str]) -> str:
    if number := found["number"]:
        return repr(float(number.replace(",", ".")))
    if sign := found["sign"]:
        return _SIGNS.get(sign, sign)
    word = _WORDS.get(found["word"], found["word"])
    if word in _RESERVED:
        return word
    name = f"k{len(names)}"
    names[name] = word
    return name


@dataclass(frozen=True)
class _Quantity:
    """A number, its unit (None: a plain number, of any) and what each key adds to U (k = 2)."""

    value: float
    unit: str | None = None
    parts: Mapping[str, float] = field(default_factory=dict)

    @property
    def uncertainty(self) -> float:
        return math.hypot(*self.parts.values())

    def times(self, factor: float) -> "_Quantity":
        parts = {key: factor * part for key, part in self.parts.items()}
        return _Quantity(factor * self.value, self.unit, parts)

    def plus(self, other: "_Quantity", unit: str | None) -> "_Quantity":
        both = self.parts.keys() | other.parts.keys()
        parts = {key: self.parts.get(key, 0.0) + other.parts.get(key, 0.0) for key in both}
        return _Quantity(self.value + other.value, unit, parts)


@dataclass(frozen=True)
class _Evaluation:
    """One claim over one set of values."""

    claim: Claim
    names: Mapping[str, str]
    records: Mapping[str, Record]

    def of(self, node: ast.expr) -> "_Quantity | int":
        match node:
            case ast.Constant(value=float(value)):
                return _Quantity(value)
            case ast.Name(id=name) if name in self.names:
                return self._key(self.names[name])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return -self._truth(operand)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._quantity(operand).times(-1)
            case ast.BoolOp(op=op, values=terms):
                return (min if isinstance(op, ast.And) else max)(map(self._truth, terms))
            case ast.Compare(left=left, ops=ops, comparators=rest):
                pairs = list(pairwise(map(self._quantity, [left, *rest])))
                return min(self._compared(op, *two) for op, two in zip(ops, pairs, strict=True))
            case ast.BinOp(left=left, op=op, right=right):
                return self._sum(op, self._quantity(left), self._quantity(right))
            case ast.Call(func=ast.Name(id="abs" | "min" | "max" as name), args=terms, keywords=[]):
                return self._called(name, [self._quantity(term) for term in terms])
        raise self._wrong("is no comparison that can be read")

    def _wrong(self, why: str) -> ClaimError:
        return _unclear(self.claim, why)

    def _quantity(self, node: ast.expr) -> _Quantity:
        found = self.of(node)
        if isinstance(found, int) or not math.isfinite(found.value):
            raise self._wrong("calculates with what is no number")
        return found

    def _truth(self, node: ast.expr) -> int:
        found = self.of(node)
        if not isinstance(found, int):
            raise self._wrong("joins something that compares nothing")
        return found

    def _key(self, key: str) -> _Quantity:
        record = self.records.get(key)
        if record is None:
            raise unknown(self.claim, key, list(self.records))
        value, spread = record["value"], record["uncertainty"]
        if isinstance(value, str):
            raise ClaimError(
                f"the claim '{self.claim.text}' speaks of {key}, which has no number: '{value}'.",
                where=self.claim.where,
                risk=STAYS,
                remedy=f"Put sentence and claim on lines of their own within \\sehaval{{{key}}}"
                "{...}{...}: where that branch is not printed, they are not judged.",
            )
        return _Quantity(value, record["unit"], {key: spread} if spread else {})

    def _unit(self, terms: Iterable[_Quantity]) -> str | None:
        """The one unit of terms that are added or compared."""
        units = sorted({term.unit for term in terms if term.unit is not None})
        if len(units) > 1:
            raise self._wrong(f"compares or adds {' and '.join(u or 'no unit' for u in units)}")
        return units[0] if units else None

    def _compared(self, op: ast.cmpop, left: _Quantity, right: _Quantity) -> int:
        if (compare := _COMPARED.get(type(op))) is None:
            raise self._wrong("compares in a way that is not known")
        apart = left.plus(right.times(-1), self._unit((left, right)))
        close = bool(apart.parts) and abs(apart.value) < apart.uncertainty
        if compare(left.value, right.value):
            return CLOSE if close else TRUE
        return CLOSELY_FALSE if close else FALSE

    def _sum(self, op: ast.operator, left: _Quantity, right: _Quantity) -> _Quantity:
        if isinstance(op, ast.Add | ast.Sub):
            unit = self._unit((left, right))
            return left.plus(right if isinstance(op, ast.Add) else right.times(-1), unit)
        if isinstance(op, ast.Div):
            if right.value == 0:
                raise self._wrong("divides by zero")
            inverse = right.times(-1 / right.value**2).parts
            right = _Quantity(1 / right.value, None if right.unit is None else "1/", inverse)
        elif not isinstance(op, ast.Mult):
            raise self._wrong("calculates in a way that is not known")
        return _product(left, right)

    def _called(self, name: str, terms: list[_Quantity]) -> _Quantity:
        if name == "abs" and len(terms) == 1:
            return terms[0].times(math.copysign(1, terms[0].value))
        if name in ("min", "max") and len(terms) > 1:
            self._unit(terms)
            return (min if name == "min" else max)(terms, key=lambda term: term.value)
        raise self._wrong(f"calls {name} with {len(terms)} numbers")


def _product(left: _Quantity, right: _Quantity) -> _Quantity:
    """A product; its unit is known where only one factor has one."""
    whole = left.times(right.value).plus(right.times(left.value), None)
    units = [term.unit for term in (left, right) if term.unit is not None]
    unit = units[0] if len(units) == 1 and units[0] != "1/" else None
    return _Quantity(left.value * right.value, unit, whole.parts)
