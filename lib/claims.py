"""Claims: what sentences say of the numbers, judged at every build.

Belongs here: all claims of a page together, and the error where one is not true. Does not belong
here: the language (`claim_language.py`), where claims stand in the text (`manuscript.py`), what
a false one stops (`monograph.py`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lib.claim_language import CLOSE, CLOSELY_FALSE, STAYS, Claim, Record, evaluate, keys
from lib.errors import FalseClaim


@dataclass(frozen=True)
class Judged:
    """A claim that holds; `close` if by less than its expanded uncertainty (k = 2)."""

    claim: Claim
    close: bool
    numbers: str

    def record(self) -> dict[str, Any]:
        """The judgement as it stands in the record of a build."""
        said = {"where": self.claim.where, "claim": self.claim.text}
        return {**said, "close": self.close, "numbers": self.numbers}


def judge(claims: Iterable[Claim], records: Mapping[str, Record]) -> list[Judged]:
    """Judge claims over values: all of them hold, or an error names the first that does not.

    Raises FalseClaim, ClaimError for one that cannot be judged, and UnknownValue.
    """
    judged, wrong = [], []
    for claim in claims:
        verdict = evaluate(claim, records)
        numbers = _numbers(claim, records)
        if verdict > 0:
            judged.append(Judged(claim, verdict == CLOSE, numbers))
        else:
            wrong.append((claim, numbers, verdict))
    if wrong:
        raise _false(wrong)
    return judged


def _false(wrong: list[tuple[Claim, str, int]]) -> FalseClaim:
    claim, numbers, verdict = wrong[0]
    others = ", ".join(other.where for other, _, _ in wrong[1:])
    also = f" No longer true either: {others}." if others else ""
    little = " (false by less than its uncertainty)" if verdict == CLOSELY_FALSE else ""
    return FalseClaim(
        f'the sentence "{claim.sentence}" claims {claim.text}, which is not true{little}: '
        f"{numbers}.{also}",
        where=claim.where,
        risk=STAYS,
        remedy="Correct the sentence and its claim, or the notebook that writes the number.",
    )


def _numbers(claim: Claim, records: Mapping[str, Record]) -> str:
    """Each key of a claim with its number, uncertainty and unit."""
    return ", ".join(f"{key} = {_shown(records[key])}" for key in keys(claim)) or "no key in it"


def _shown(record: Record) -> str:
    spread = f" ± {record['uncertainty']:.3g}" if record["uncertainty"] else ""
    return f"{record['value']:.7g}{spread} {record['unit']}".rstrip()
