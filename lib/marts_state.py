"""How far the marts were built and by which rules: state in `marts/_state`, only a cache.

Belongs here: where building goes on, what an interrupted run left, which rules count. Does not
belong here: building a date (`marts.py`).
"""

import shutil
from collections.abc import Container, Iterable
from dataclasses import replace
from pathlib import Path

from lib import bookmark, files, origins, registry, staging, warehouse
from lib.bookmark import Bookmark
from lib.config import Config
from lib.datapoints import FACTORS, KNOWN
from lib.paths import Paths


def begin(paths: Paths, config: Config, sql: Iterable[str], *, rebuild: bool) -> Bookmark:
    """Where to go on from; the beginning where the journal or the rules are others."""
    mark = bookmark.load(_file(paths), paths.journal)
    if rebuild or mark.offset == 0 or bookmark.outdated(mark, rules(paths, config, sql)):
        _file(paths).unlink(missing_ok=True)
        return Bookmark()
    return mark


def current(paths: Paths, config: Config, sql: Iterable[str]) -> bool:
    """Whether the marts stand for the whole journal, by the rules in force."""
    mark = bookmark.load(_file(paths), paths.journal)
    whole = paths.journal.exists() and mark.offset == paths.journal.stat().st_size > 0
    return whole and not bookmark.outdated(mark, rules(paths, config, sql)) and not _promised(paths)


def begin_chosen(paths: Paths, config: Config, sql: Iterable[str]) -> None:
    """See to it that dates built by other rules than the rest do not pass for the rest.

    Should the rules be those of before again at the next run, they are not of all dates.
    """
    mark = bookmark.load(_file(paths), paths.journal)
    if bookmark.outdated(mark, rules(paths, config, sql)):
        bookmark.save(_file(paths), replace(mark, rules={"sql": ""}))


def end(paths: Paths, config: Config, sql: Iterable[str], offset: int) -> None:
    """Enter that the journal was followed up to an offset, by the rules in force."""
    before = bookmark.fingerprint(paths.journal, offset)
    bookmark.save(_file(paths), Bookmark(offset, before, rules(paths, config, sql)))


def rules(paths: Paths, config: Config, sql: Iterable[str]) -> dict[str, str]:
    """By what dates are built: SQL, settings, and how often all was staged again."""
    zone = origins.site(paths, config.site).time_zone
    settings = (
        config.energy.gap_limit_h,
        config.load,
        zone,
        config.ingestion.retention_days,
        switches(config),
    )
    names = sorted(registry.names(paths, config.devices).items())
    return {
        "sql": bookmark.sql_rules(*sql),
        "settings": bookmark.digest((settings, KNOWN, FACTORS)),
        "staged": str(staging.generation(paths)),
    } | {f"name of {device}": name for device, name in names}


def switches(config: Config) -> list[tuple[str, str]]:
    """The codes that the user says switch a device, beside Tuya's own `switch...`."""
    return [(d.id, d.on_off_code) for d in config.devices if d.on_off_code]


def drop_others(
    paths: Paths, tables: Iterable[str], days: set[str], only: Container[str] | None = None
) -> set[str]:
    """Remove dates, of chosen ones `only`, that will not be built: nothing is under them.

    The dates that went.
    """
    gone = set()
    for table in tables:
        for day in set(dates(paths.marts / table)) - days:
            if only is None or day in only:
                shutil.rmtree(warehouse.partition(paths.marts / table, day).parent)
                gone.add(day)
    return gone


def dates(folder: Path) -> list[str]:
    """The dates of a table, ascending."""
    return sorted(p.name.removeprefix("event_date=") for p in folder.glob("event_date=*"))


def promise(paths: Paths, waiting: set[str]) -> str:
    """Note where building begins: a run killed on its way must not leave a later date stale.

    What was noted before, by a run that did not come to its end.
    """
    before = _promised(paths)
    if waiting:
        files.write_text(_mark(paths), min({*waiting, *filter(None, [before])}) + "\n")
    return before


def kept(paths: Paths, before: str = "") -> None:
    """Take the note back, but for what was noted `before` and is still to be done."""
    if before:
        files.write_text(_mark(paths), before + "\n")
    else:
        _mark(paths).unlink(missing_ok=True)


def unfinished(paths: Paths) -> set[str]:
    """Every date from where a killed run began."""
    if not (first := _promised(paths)):
        return set()
    known = {*dates(paths.marts / "carry"), *dates(paths.marts / "held")}
    return {first, *(day for day in known if day > first)}


def _promised(paths: Paths) -> str:
    return _mark(paths).read_text("utf-8").strip() if _mark(paths).exists() else ""


def _file(paths: Paths) -> Path:
    return paths.marts / "_state" / "position.json"


def _mark(paths: Paths) -> Path:
    return paths.marts / "_state" / "building_from.txt"
