"""The way of a clock to now, for sources that have a clock of their own.

Belongs here: at which instants the demo house or a recorded series is collected before the
run itself. Does not belong here: the real cloud, whose past nobody can visit.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from lib import ingest, sources
from lib.config import Config
from lib.journal import Journal
from lib.paths import Paths
from lib.progress import Progress
from lib.times import DAY, HOUR

# What the demo house's first run looks back on: eight weeks by day, the last one by hour. Four of
# them are enough to learn what is usual, and four to see what is not.
DEMO_DAYS = 56


def look_back(
    paths: Paths,
    config: Config,
    source: sources.Name,
    series: str,
    *,
    now: datetime,
    days: int | None,
    progress: Callable[[], Progress],
) -> None:
    """Collect at every stop of the clock on its way to now, as the hourly runs would have.

    Raises SourceError, and StoreMismatch where the store holds other rows.
    """
    instants = stops(paths, source, series, now=now, days=days)
    if not instants:
        return
    tell, hourly = progress(), _without_reconciliation(config)
    with sources.opened(source, paths, config, now=instants[0], series=series) as opened:
        for done, instant in enumerate(instants):
            tell(done, len(instants), f"run of {instant:%Y-%m-%d %H:%M} UTC")
            opened.move_to(instant)
            ingest.run(paths, opened, hourly, now=instant).raise_if_stopped()
    tell(len(instants), len(instants), "")


def _without_reconciliation(config: Config) -> Config:
    """A source that we move along holds nothing back, so asking twice would bring nothing."""
    once = config.ingestion.model_copy(update={"reconcile_h": 0})
    return config.model_copy(update={"ingestion": once})


def stops(
    paths: Paths, source: sources.Name, series: str, *, now: datetime, days: int | None
) -> list[datetime]:
    """The clock's stops before now: each day, and for the demo house each hour of the last.

    `days` is how far the demo house looks back; None: eight weeks at its first run.
    """
    last = Journal(paths.journal).last()
    if source == "replay":
        start = last.asked_at + DAY if last else sources.series_span(series)[0] + DAY
        return _every(DAY, start, now)
    if source != "demo":
        return []
    if days is None:
        days = 0 if last else DEMO_DAYS
    yesterday = now - DAY if days else now
    return _every(DAY, now - timedelta(days=days), yesterday) + _every(HOUR, yesterday, now)


def _every(step: timedelta, start: datetime, end: datetime) -> list[datetime]:
    return [start + step * n for n in range(max(0, -((start - end) // step)))]
