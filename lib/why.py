"""Why a number changed between two runs: new hours, restated hours, parameters, code.

Belongs here: which two runs, and dividing the difference among its parts. Does not belong here:
what a run said (`said.py`), the trials (`trials.py`), words for the terminal (`cli_why.py`).

The newer run is the start. Each trial has one part as in the older run and all else as in the
newer; the part's effect is the newer value less that of the trial. What the effects leave of the
change when all parts are swapped at once is their working together; what even that leaves of the
older value is not explained. So the lines add up to the difference, whatever they are.
"""

from dataclasses import dataclass, field

from lib import said, swaps, trials_code, trials_data
from lib.errors import ConfigError
from lib.paths import Paths
from lib.said import Said
from lib.trials import PARTS, Tell, Trials

EXACT = 1e-9  # of a difference in the key's own unit; less is the rounding of a sum


@dataclass
class Part:
    """What one part did: the value without it, its effect, and what it consists of."""

    name: str
    without: float | None
    effect: float | None
    what: list[str]


@dataclass
class Answer:
    """The difference of two runs' value of a key, divided; all in the key's unit."""

    key: str
    old: Said
    new: Said
    parts: list[Part] = field(default_factory=list)
    together: float = 0.0
    unexplained: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def difference(self) -> float:
        """The newer value less the older one."""
        return float(self.new.value) - float(self.old.value)


def why(paths: Paths, key: str, old: str = "", new: str = "", tell: Tell = print) -> Answer | None:
    """Divide the difference of a key between two runs; None where no earlier run said otherwise.

    Raises UnknownValue for a key that no run wrote, ConfigError for a run that is not known and
    for a text, StaleArtifact where the newer run cannot be evaluated again.
    """
    pair = _pair(paths, key, old, new)
    if pair is None:
        return None
    for one in pair:
        if isinstance(one.value, str):
            raise ConfigError(
                f"'{key}' is a text ('{one.value}' in {one.name}); only numbers are divided.",
                remedy=f"tcc diff {pair[0].name} {pair[1].name} marks what changed.",
            )
    if pair[0].value == pair[1].value:
        return Answer(key, *pair)
    with swaps.opened(paths, pair[1].notebook) as shop:
        trials = Trials(paths, shop, key, *pair, tell)
        trials_data.run(trials)
        trials_code.run(trials)
        return divided(trials, trials_code.together(trials))


def _pair(paths: Paths, key: str, old: str, new: str) -> tuple[Said, Said] | None:
    """The older and the newer state; None where no earlier run said otherwise."""
    later = said.named(paths, new, key) if new else next(said.every(paths, key), None)
    if later is None:
        raise said.unknown(paths, key)
    if old:
        earlier = said.named(paths, old, key)
        if earlier.at > later.at:
            raise ConfigError(
                f"{earlier.name} is later than {later.name}.",
                remedy="Name the older state first, the newer one last.",
            )
        return earlier, later
    others = (one for one in said.every(paths, key) if one.at < later.at)
    return next(((one, later) for one in others if one.value != later.value), None)


def divided(trials: Trials, whole: float | None) -> Answer:
    """The difference among the parts that were tried; `whole` is the value without all of them."""
    old, new = trials.old, trials.new
    found = Answer(trials.key, old, new, notes=list(trials.notes))
    for name in (part for part in PARTS if part in trials.values):
        value = trials.values[name]
        effect = None if value is None else float(new.value) - value
        found.parts.append(Part(name, value, effect, trials.what[name]))
    if not old.ground["code"]:
        found.notes.append("what the older state stands on is not known in full")
    elif old.ground["packages"] != new.ground["packages"]:
        found.notes.append("the installed packages differ and were not swapped")
    effects = sum(part.effect for part in found.parts if part.effect is not None)
    if whole is None or any(part.effect is None for part in found.parts):
        found.notes.append("a trial wrote no such number, so that its effect is not known")
        found.unexplained = found.difference - effects
        return found
    found.together = float(new.value) - whole - effects
    found.unexplained = found.difference - effects - found.together
    if found.parts and abs(found.unexplained) > EXACT:
        found.notes.append(
            f"with all that was swapped as in {old.name} the notebook says {whole}, "
            f"while the run said {old.value}"
        )
    return found
