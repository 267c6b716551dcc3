"""The trials between two runs: one notebook again, with one part as in the older run.

Belongs here: what all trials share: the newer run's project and store, stores that knew something
else, evaluating and remembering. Does not belong here: the trial of each part (`trials_data.py`,
`trials_code.py`), dividing a difference among them (`why.py`).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lib import as_of, config, grounds, hours
from lib.as_of import Known
from lib.errors import StaleArtifact
from lib.paths import NOTEBOOKS, ROOT, Paths
from lib.said import Said
from lib.swaps import Shop

NEW_HOURS, RESTATED, PARAMETERS, CODE = "new hours", "restated hours", "parameters", "code"
PARTS = (NEW_HOURS, RESTATED, PARAMETERS, CODE)
CLOCK = "now"  # a parameter that goes with the hours, not with what a person chose
Tell = Callable[[str], None]


@dataclass
class Trials:
    """Two runs' states of one key, and what came of each trial.

    `values` are the key's values without a part, `what` says what each part consists of, `roots`
    are copies of the project, and of `rebuilt` parts staging and marts must be made anew.
    """

    paths: Paths
    shop: Shop
    key: str
    old: Said
    new: Said
    tell: Tell
    values: dict[str, float | None] = field(default_factory=dict)
    what: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    roots: dict[str, Path] = field(default_factory=dict)
    rebuilt: set[str] = field(default_factory=set)
    stores: dict[str, Paths] = field(default_factory=dict)

    # ---- The newer run, from which each trial starts -------------------------------------

    @cached_property
    def root(self) -> Path:
        """The project as the newer run had it: this one, or a copy made of what was kept.

        Raises StaleArtifact where its code or settings are nowhere to be had.
        """
        here, ground = self.is_here(self.new), self.new.ground
        if here and grounds.settings(config.load()) == ground["settings"]:
            return ROOT
        root = self.copy("new", self.new, self.new.state) if self.new.state else None
        if root and self.shop.is_code_of(root, ground["code"]):
            return root
        raise StaleArtifact(
            "the code or the settings that the newer run had are neither here nor kept.",
            where=self.new.name,
            risk="Nothing can be evaluated as it did; nothing was changed.",
            remedy="Run: tcc run, then ask again of its run.",
        )

    @cached_property
    def known(self) -> Known:
        """What the newer run knew."""
        return self._known(self.new)

    @cached_property
    def known_old(self) -> Known:
        """What the older run knew."""
        return self._known(self.old)

    def _known(self, one: Said) -> Known:
        return as_of.known(self.paths, one.at, one.state, one.seen, self.shop.folder)

    @cached_property
    def store(self) -> Paths:
        """What the newer run knew, laid out, with its tables."""
        self.tell(f"the store as {self.new.name} knew it")
        here = self.shop.from_live(self.known) if self.root == ROOT else None
        return here or self.shop.build("new", self.known, self.root)

    def is_here(self, one: Said) -> bool:
        """Whether the code of a run is the one that lies here."""
        return grounds.code(NOTEBOOKS / f"{one.notebook}.ipynb") == one.ground["code"]

    # ---- What a trial needs --------------------------------------------------------------

    def store_of(self, name: str, known: Known) -> Paths:
        """A store of the newer run's code that knew something else; only what differs is built."""
        dates = hours.differing(known, self.known)
        base = self.store if dates is not None else None
        self.tell(f"the store {name}")
        return self.shop.build(name, known, self.root, base=base, dates=dates)

    def copy(self, name: str, code: Said, state: Mapping[str, Any]) -> Path | None:
        """A copy of the project with the code of a run; None where no commit has it."""
        try:
            return self.shop.copy(name, "" if self.is_here(code) else code.commit or "-", state)
        except FileNotFoundError:
            return None

    def given(self, one: Said, clock: Said) -> dict[str, Any]:
        """The parameters of one run, with the clock of another."""
        told = {name: json.loads(text) for name, text in one.parameters.items()}
        if CLOCK in clock.parameters:
            told[CLOCK] = json.loads(clock.parameters[CLOCK])
        return told

    def evaluate(
        self,
        name: str,
        store: Paths | Known,
        root: Path,
        given: Mapping[str, Any],
    ) -> None:
        """Run the notebook on a store, and remember what it says of the key.

        Of what was `Known` alone the code in `root` makes all tables first. Where all that it
        would stand on is as the older run recorded it, it says what that run said.
        """
        if isinstance(store, Paths) and root == self.root and self._is_old(store, given):
            self.values[name] = float(self.old.value)
            return
        self.tell(f"{self.new.notebook} again: {name}")
        slug, anew = name.replace(" ", "-"), isinstance(store, Known)
        laid = self.shop.lay(f"store-{slug}", store) if isinstance(store, Known) else store
        record = self.shop.value(slug, laid, root, given, self.key, anew=anew)
        value = record["value"] if record else None
        self.values[name] = None if value is None or isinstance(value, str) else float(value)

    def _is_old(self, store: Paths, given: Mapping[str, Any]) -> bool:
        """Whether a store's tables, byte for byte, and all else are those of the older run."""
        old, new = self.old.ground, self.new.ground
        same = all(old[part] == new[part] for part in ("code", "packages", "settings"))
        if not same or given != self.given(self.old, self.old):
            return False
        held = grounds.data(store, baselines=grounds.reads_baselines(old))
        return differing(held, old["data"]) == set()


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> set[str]:
    """The tables that two grounds have not alike; when the registry was asked is none."""
    own = {f"{as_of.REGISTRY}{name}" for name in as_of.OWN_MEMORY}
    return {n for n in (one.keys() | other.keys()) - own if one.get(n) != other.get(n)}
