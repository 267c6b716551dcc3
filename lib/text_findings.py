"""What is no error in the text, but worth saying at each build.

Belongs here: values that nothing uses, output older than the rest of the page, claims that hold by
less than their uncertainty. Does not belong here: errors (`monograph.py`, `claims.py`).
"""

from collections.abc import Iterator

from lib import claim_language
from lib.claims import Judged
from lib.manuscript import Text
from lib.typesetting import Typeset

NAMED = 12  # keys in one finding; the record of the build names all


def of(ready: Typeset, text: Text, judged: list[Judged]) -> list[str]:
    """What to say of a text and the values it stands on, each with file and line of its use."""
    found = [
        f"{one.claim.where}: the claim {one.claim.text} holds, but by less than its "
        f"uncertainty (k = 2): {one.numbers}"
        for one in judged
        if one.close
    ]
    if left := unused(ready, text):
        more = f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
        found.append(f"{len(left)} value(s) that no text uses: {', '.join(left[:NAMED])}{more}")
    return [*found, *_stale(ready, text)]


def unused(ready: Typeset, text: Text) -> list[str]:
    """The values that neither a sentence nor a claim uses; tables and figures need no text."""
    used = {use.key for use in text.uses if use.command not in ("figdata", "tabdata")}
    used |= {key for claim in (*text.claims, *text.idle) for key in claim_language.keys(claim)}
    return [] if text.composed else sorted(ready.values - used)


def _stale(ready: Typeset, text: Text) -> Iterator[str]:
    """One line for each notebook that is older than the rest, with the first use of its output."""
    for notebook, why in ready.stale.items():
        uses = [u for u in text.uses if u.printed and ready.authors[u.command, u.key] == notebook]
        if uses:
            first, rest = uses[0], f" and {len(uses) - 1} more" if len(uses) > 1 else ""
            said = f"\\{first.command}{{{first.key}}}{rest}"
            yield f"{first.where}: {said} of {notebook} is stale: {why}"
