"""The trials of settings, parameters and code, and the one of all parts at once.

Belongs here: which copy of the project each takes, and whether it makes other tables. Does not
belong here: making copies (`swaps.py`), the trials of the data (`trials_data.py`).
"""

from collections.abc import Callable
from typing import Any

from lib import marts, marts_state, swaps, why_words
from lib.as_of import Known
from lib.config import Config
from lib.errors import PipelineError
from lib.grounds import code as code_of
from lib.paths import NOTEBOOKS, Paths
from lib.steps import PREPARE
from lib.trials import CLOCK, CODE, NEW_HOURS, PARAMETERS, PARTS, RESTATED, Trials


def run(trials: Trials) -> None:
    """Try the settings and parameters, then the code; what does not run any more is said."""
    _tried(trials, PARAMETERS, _parameters)
    _tried(trials, CODE, _code)


def _tried(trials: Trials, part: str, trial: Callable[[Trials], None]) -> None:
    try:
        trial(trials)
    except PipelineError as error:
        trials.what.pop(part, None)
        trials.notes.append(f"{part} differ and were not swapped: {error.what}")


def _parameters(trials: Trials) -> None:
    """Settings and parameters of the older run, as far as they are kept."""
    old, new = trials.old, trials.new
    lines = why_words.parameters(old.parameters, new.parameters, {CLOCK})
    root = trials.root
    if old.ground["settings"] != new.ground["settings"]:
        if not (old.state and new.state):
            trials.notes.append("settings: unknown, because the older run did not keep them")
        elif said := why_words.settings(old.state, new.state):
            root, lines = trials.copy(PARAMETERS, new, old.state) or root, lines + said
            if _builds_otherwise(trials):
                trials.rebuilt.add(PARAMETERS)
    if lines:
        trials.what[PARAMETERS], trials.roots[PARAMETERS] = lines, root
        store = trials.known if PARAMETERS in trials.rebuilt else trials.store
        trials.evaluate(PARAMETERS, store, root, trials.given(old, new))


def _builds_otherwise(trials: Trials) -> bool:
    """Whether the older settings make other tables of the same rows."""
    one, other = (Config.model_validate(run.state["settings"]) for run in (trials.old, trials.new))
    return _rules(trials.paths, one) != _rules(trials.paths, other)


def _rules(paths: Paths, config: Config) -> tuple[Any, ...]:
    return marts_state.rules(paths, config, marts.SQL), config.devices, config.site


def _code(trials: Trials) -> None:
    """The notebook and lib as of the older run's commit."""
    before, after = trials.old.ground["code"], trials.new.ground["code"]
    if before == after or not before:
        return
    files = sorted(n for n in before.keys() | after.keys() if before.get(n) != after.get(n))
    state = _known_to_older_code(trials, trials.new.state)
    root = trials.copy(CODE, trials.old, state) if state else None
    if root is None or not trials.shop.is_code_of(root, before):
        why = "it is in no commit that is here" if state else "the settings were not kept"
        trials.notes.append(f"code differs and was not swapped: {why} ({', '.join(files)})")
        return
    trials.what[CODE] = why_words.commits(trials.old, trials.new, files)
    trials.roots[CODE] = root
    if set(files) & _builders():
        trials.rebuilt.add(CODE)
    store = trials.known if CODE in trials.rebuilt else trials.store
    trials.evaluate(CODE, store, root, trials.given(trials.new, trials.new))


def _known_to_older_code(trials: Trials, state: Any) -> Any:
    """Kept settings, without those that came with newer code."""
    if not state:
        return None
    known = trials.old.state.get("settings", state["settings"])
    return {**state, "settings": swaps.narrowed(state["settings"], known)}


def _builders() -> set[str]:
    """The files that staging and marts are made by."""
    found = {name for step in PREPARE for name in code_of(NOTEBOOKS / f"{step}.ipynb")}
    return found - {"notebook"}


def together(trials: Trials) -> float | None:
    """The value with every tried part as in the older run: the older one again, if all is known.

    Raises PipelineError.
    """
    tried = [part for part in PARTS if part in trials.values]
    if len(tried) < 2:
        return trials.values[tried[0]] if tried else float(trials.new.value)
    data, root = bool({NEW_HOURS, RESTATED} & set(tried)), trials.root
    if CODE in tried:
        older = PARAMETERS in tried and trials.old.state
        state = trials.old.state if older else trials.new.state
        root = trials.copy("all", trials.old, _known_to_older_code(trials, state)) or root
    elif PARAMETERS in tried:
        root = trials.roots[PARAMETERS]
    if set(tried) & trials.rebuilt:
        store: Paths | Known = trials.known_old if data else trials.known
    else:
        store = trials.stores["old"] if data else trials.store
    one = trials.old if PARAMETERS in tried else trials.new
    clock = trials.old if data else trials.new
    trials.evaluate("all", store, root, trials.given(one, clock))
    return trials.values["all"]
