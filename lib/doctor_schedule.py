"""Whether something starts the collection every hour, and what: cron, systemd or Dagster.

Belongs here: looking where schedules are kept, and when the last one was kept. Does not belong
here: setting one up (`schedules.py`). A crontab's lines are never shown: they may hold secrets.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from lib.doctor_checks import Check, Visit, bad, good, output, unchecked, warning
from lib.journal import Journal
from lib.times import HOUR

LATEST = timedelta(hours=2)
STARTS = re.compile(r"\btcc\W+(run|ingest)\b")
MAKES = re.compile(r"\bmake\b.*\brun\b")  # of this project, where its folder is named too
DAEMON = re.compile(r"dagster-daemon|dagster\._daemon|dagster\W+dev\b")
UNITS = (".config/systemd/user", ".local/share/systemd/user")


@dataclass(frozen=True)
class Places:
    """Where schedules are looked for."""

    home: Path
    etc: Path = Path("/etc")
    processes: Path = Path("/proc")


@dataclass(frozen=True)
class Starter:
    """Something that starts a collection; `enable` switches it on where it is off."""

    place: str
    enable: str = ""


def schedule(visit: Visit) -> Check:
    """Whether there was a collection in the last two hours, and what is set up to start one."""
    if not visit.measured:
        return unchecked("Only devices of your own need one.")
    starters, last = [*found(Places(Path.home()), visit.root)], _last(visit)
    on = [one.place for one in starters if not one.enable]
    off = next((one for one in starters if one.enable), None)
    what = ", ".join(on) or (f"{off.place} is off" if off else NONE)
    start = off.enable if off else _hourly()
    if last is None:
        return warning(f"{what}; nothing was collected yet.", "Run: tcc run")
    said = f"{what}; last collection {(visit.now - last) / HOUR:.1f} h ago."
    if not on:
        return warning(said, start)
    if visit.now - last > LATEST:
        return bad(said, f"Look why {on[0]} does not start it; meanwhile run: tcc run")
    return good(said)


NONE = "No crontab, systemd timer or Dagster daemon starts it"


def _hourly() -> str:
    if shutil.which("crontab"):
        return "Run: tcc schedule cron --install"
    if shutil.which("systemctl"):
        return "Run: tcc schedule systemd --install"
    return "Let it run every hour: install cron (docs/scheduling.md), or run: make dagster"


def _last(visit: Visit) -> datetime | None:
    """When the cloud was last asked."""
    entry = Journal(visit.paths.journal).last()
    asked = [entry.asked_at] if entry else []
    return max([*asked, *(attempt.at for attempt in visit.attempts[-1:])], default=None)


def found(places: Places, root: Path) -> Iterator[Starter]:
    """Everything that starts a collection, by its name and place."""
    yield from _crontabs(places, root)
    yield from _timers(places, root)
    yield from _daemons(places, root)


def _crontabs(places: Places, root: Path) -> Iterator[Starter]:
    """The user's own crontab, by the program that may read it, and the system's."""
    if number := _line(output("crontab", "-l"), root):
        yield Starter(f"crontab -l (line {number})")
    files = [places.etc / "crontab", *sorted((places.etc / "cron.d").glob("[!.]*"))]
    for file in [*files, *sorted((places.etc / "cron.hourly").glob("[!.]*"))]:
        if number := _line(_text(file).splitlines(), root):
            yield Starter(f"{file} (line {number})")


def _line(lines: list[str], root: Path) -> int:
    """The number of the first line that starts a collection, 0 if none does."""
    of_this = any(str(root) in line for line in lines)
    for number, line in enumerate(lines, 1):
        starts = STARTS.search(line) or (of_this and MAKES.search(line))
        if starts and not line.lstrip().startswith("#"):
            return number
    return 0


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:  # a folder, or somebody else's
        return ""


def _timers(places: Places, root: Path) -> Iterator[Starter]:
    """Timers of systemd whose service starts a collection."""
    system = [places.etc / "systemd" / kind for kind in ("system", "user")]
    for folder in [*(places.home / unit for unit in UNITS), *system]:
        for timer in sorted(folder.glob("*.timer")):
            if _line(_text(timer.with_suffix(".service")).splitlines(), root):
                on = any(folder.glob(f"*.wants/{timer.name}"))
                of_user = "" if folder == system[0] else "--user "
                enable = f"Run: systemctl {of_user}enable --now {timer.name}"
                yield Starter(str(timer), "" if on else enable)


def _daemons(places: Places, root: Path) -> Iterator[Starter]:
    """A running daemon of Dagster that was started in the project's folder."""
    for folder in sorted(places.processes.glob("[0-9]*")):
        words = _text(folder / "cmdline").replace("\0", " ")
        if DAEMON.search(words) and _started_in(folder) == root.resolve():
            yield Starter(f"Dagster's daemon (process {folder.name})")
            return


def _started_in(process: Path) -> Path | None:
    try:
        return (process / "cwd").readlink()
    except OSError:  # it has ended, or is somebody else's
        return None
