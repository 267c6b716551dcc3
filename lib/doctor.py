"""`tcc doctor`: everything that a run needs, looked at in order, and the one next step.

Belongs here: the order of the checks, which need which, the next step, how it is shown. Does
not belong here: a check (`doctor_checks.py` and its neighbours). It fails at nothing: what
cannot be looked at is a bad check. Of the store only the count of calls is written to.
"""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lib import doctor_checks as here
from lib import doctor_cloud as cloud
from lib import doctor_store as held
from lib import origins, sources, usage
from lib import paths as places
from lib.credentials import secret_values
from lib.doctor_checks import Check, State, Visit, bad, unchecked
from lib.doctor_schedule import schedule
from lib.errors import PipelineError
from lib.paths import Paths

# A step: its name, its check, and the steps without which it says nothing.
Step = tuple[str, Callable[[Visit], Check], tuple[str, ...]]
FIRST: tuple[Step, ...] = (
    ("Python", here.python, ()),
    ("Settings", here.settings, ()),
    ("Store", here.store, ()),
    ("Origin", here.origin, ("Store",)),
    ("Credentials", here.access, ()),
    ("Secret files", here.secret_files, ()),
)
CLOUD: tuple[Step, ...] = (
    ("Cloud host", cloud.host, ("Credentials",)),
    ("Sign-in", cloud.sign_in, ("Cloud host",)),
    ("Clock", cloud.clock, ("Cloud host",)),
    ("Device list", cloud.device_list, ("Sign-in",)),
    ("Specification", cloud.specification, ("Device list",)),
    ("Logs", cloud.logs, ("Specification",)),
    ("Devices", cloud.devices, ("Device list",)),
)
REST: tuple[Step, ...] = (
    ("Quota", held.quota, ()),
    ("Newest events", held.newest_events, ("Store", "Origin")),
    ("Unread logs", held.unread_logs, ("Store", "Origin")),
    ("Collection", held.last_collection, ("Store", "Origin")),
    ("Disk", held.disk, ("Store",)),
    ("Integrity", held.integrity, ("Store", "Origin")),
    ("TeX", here.tex, ()),
    ("Alarms", here.notifications, ("Origin",)),
    ("Schedule", schedule, ("Store", "Origin")),
)
NOTHING = "Nothing to do."
TICKS: dict[State, tuple[str, str, str]] = {
    "good": ("✓", "ok", "green"),
    "warning": ("!", "!", "yellow"),
    "bad": ("✗", "x", "bold red"),
    "not checked": ("–", "-", "dim"),
}


@dataclass(frozen=True)
class Examination:
    """What every check found, in order."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is bad."""
        return all(check.state != "bad" for check in self.checks)

    @property
    def next_step(self) -> str:
        """What to do about the first bad check, else about the first warning."""
        ordered = [c for state in ("bad", "warning") for c in self.checks if c.state == state]
        return next((check.remedy for check in ordered if check.remedy), NOTHING)

    def json(self) -> str:
        """The same for scripts."""
        checks = [{k: v for k, v in asdict(c).items() if k != "stops"} for c in self.checks]
        plain = {"ok": self.ok, "next": self.next_step, "checks": checks}
        return json.dumps(plain, indent=1)


def examine(
    paths: Paths,
    text: str = "",
    *,
    root: Path = places.ROOT,
    pause: Callable[[float], None] = time.sleep,
) -> Examination:
    """Look at everything, with a few calls to the cloud, which are counted.

    `text` is the instant as given, the computer's where it is empty. Raises ConfigError for a
    text that is no instant, and nothing else.
    """
    now = sources.instant("cloud", paths, text)
    visit = Visit(paths, root, now, _clock(paths, text, now), pause)
    done: dict[str, Check] = {}
    _look(FIRST, visit, done)
    try:
        _look(CLOUD, visit, done)
    finally:
        _count(visit)
    _look(REST, visit, done)
    secrets = sorted(secret_values(root), key=len, reverse=True)
    return Examination(tuple(_without(check, secrets) for check in done.values()))


def _clock(paths: Paths, text: str, now: datetime) -> datetime:
    """The instant by which the store is judged, even where its mark cannot be read."""
    try:
        return origins.clock(paths, text)
    except (PipelineError, OSError):
        return now


def _look(steps: tuple[Step, ...], visit: Visit, done: dict[str, Check]) -> None:
    for name, check, needs in steps:
        stopped = next((done[need] for need in needs if done[need].stops), None)
        if stopped and stopped.state == "not checked":
            found = stopped
        elif stopped:
            found = unchecked(f"See {stopped.name}.")
        else:
            found = _looked(check, visit)
        done[name] = replace(found, name=name)


def _looked(check: Callable[[Visit], Check], visit: Visit) -> Check:
    """What a check found; an error of it is its finding."""
    try:
        return check(visit)
    except PipelineError as error:
        where = f"{error.where}: " if error.where else ""
        return bad(f"{where}{error.what}", error.remedy, stops=True)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        said = f"{where}{error.strerror or error}"
        return bad(said, f"Mend this: {said}", stops=True)
    except (duckdb.Error, ValueError, LookupError, TypeError) as error:  # a file of another shape
        said = f"A file of the store cannot be read ({type(error).__name__})."
        return bad(said, "Make all that can be made again: tcc stage --rebuild", stops=True)


def _count(visit: Visit) -> None:
    """Let go of the cloud and count what it was asked, where that can be written down."""
    if visit.cloud:
        visit.cloud.close()
        with suppress(OSError):
            usage.add(visit.paths, visit.now, visit.cloud.calls)


def _without(check: Check, secrets: list[str]) -> Check:
    """The check in single lines, without any secret, whatever the cloud or a file said."""

    def clean(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "***")
        return text

    said, remedy = (" ".join(clean(text).split()) for text in (check.said, check.remedy))
    return replace(check, said=said, remedy=remedy, details=tuple(map(clean, check.details)))


def show(out: Console, found: Examination) -> None:
    """Print the list with ticks, and the next step as the last line."""
    plain = out.options.ascii_only
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for check in found.checks:
        tick, word, colour = TICKS[check.state]
        said = "\n".join(_writable(line, out) for line in (check.said, *check.details))
        table.add_row(f"[{colour}]{word if plain else tick}[/]", check.name, said)
    out.print(table)
    out.print(f"Next: {_writable(found.next_step, out)}", soft_wrap=True)


def _writable(text: str, out: Console) -> str:
    """A text as a terminal of another alphabet can take it."""
    return escape(text.encode(out.encoding, "replace").decode(out.encoding))
