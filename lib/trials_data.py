"""The trials of the data: without the new hours, without what came later of hours before.

Belongs here: telling the two apart, and the stores without either. Does not belong here: cutting
hours (`hours.py`), counting rows (`restated.py`).
"""

from datetime import datetime, timedelta

from lib import hours, restated, study_frames, why_words
from lib.paths import Paths
from lib.trials import CLOCK, NEW_HOURS, RESTATED, Trials, differing

BASELINES = "control/baselines.json"


def run(trials: Trials) -> None:
    """Try both, where the two runs' tables differ; what is not there is not tried.

    Raises PipelineError.
    """
    names = _differing(trials)
    if not names:
        return
    if BASELINES in names:
        trials.notes.append("the frozen baselines differ and were not swapped")
    old = trials.stores["old"] = trials.store_of("old", trials.known_old)
    end, last = (study_frames.extent(store)[1] for store in (old, trials.store))
    came = restated.since(trials.store, end)
    if last > end or came.rows or _clock_moved(trials):
        trials.what[NEW_HOURS] = why_words.hours(max(last - end, timedelta()), came)
        _both(trials, old, end)
    elif changed := restated.changes(old, trials.store):
        trials.what[RESTATED] = changed.lines()
        trials.evaluate(RESTATED, old, trials.root, trials.given(trials.new, trials.new))


def _both(trials: Trials, old: Paths, end: datetime) -> None:
    """Without the new hours; and without the restated ones, where there are any."""
    pieces, new = trials.shop.folder / "pieces", trials.new
    pair = trials.known_old, trials.known
    short = trials.store_of(
        "without new hours", hours.without_new(trials.paths, *pair, end, pieces / "1")
    )
    changed = restated.changes(old, short)
    # Where nothing was restated both are one; the older one's journal is as it was, uncut.
    store = short if changed else old
    trials.evaluate(NEW_HOURS, store, trials.root, trials.given(new, trials.old))
    if changed:
        trials.what[RESTATED] = changed.lines()
        mixed = hours.without_restated(trials.paths, *pair, end, pieces / "2")
        store = trials.store_of("without restated hours", mixed)
        trials.evaluate(RESTATED, store, trials.root, trials.given(new, new))


def _clock_moved(trials: Trials) -> bool:
    one, other = (run.parameters.get(CLOCK) for run in (trials.old, trials.new))
    return one != other and bool(trials.old.parameters)


def _differing(trials: Trials) -> set[str]:
    """The tables that the two runs did not have alike; of an unknown ground any may differ."""
    one, other = trials.old.ground["data"], trials.new.ground["data"]
    return differing(one, other) if one else set(other) - {BASELINES}
