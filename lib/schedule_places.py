"""Putting schedules in place for one user, and taking them out: crontab, systemd's user units.

Belongs here: the programs `crontab` and `systemctl`, the folder of units. Does not belong here:
what is written there (`schedules.py`), recognising any schedule (`doctor_schedule.py`).

All other lines of a crontab stay as they are; nothing here needs more than the user's rights.
"""

import getpass
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lib import files, schedules
from lib.errors import ConfigError
from lib.schedules import Timetable

COMMAND_S = 30
EMPTY = ("no crontab", "no such file", "can't open")  # how programs say that there is none yet
LINGER = Path("/var/lib/systemd/linger")


@dataclass(frozen=True)
class Placed:
    """What was done, and what is left to do by hand."""

    done: tuple[str, ...]
    left: tuple[str, ...] = ()


def units_folder(home: Path | None = None) -> Path:
    """Where a user's own units lie."""
    return (home or Path.home()) / ".config" / "systemd" / "user"


# ---- cron --------------------------------------------------------------------------------


def install_cron(table: Timetable) -> Placed:
    """Put a timetable into the user's crontab, once however often. Raises ConfigError."""
    before = _crontab()
    kept = schedules.without(before, table.name)
    _ours(table.name, table.root, [line for line in before if line not in kept])
    after = [*kept, *schedules.crontab(table)]
    if after != before:
        _write(after)
    word = "stand in" if after == before else "are now in"
    return Placed((f"The lines of {table.unit} {word} the crontab of {_user()}.",))


def remove_cron(name: str) -> Placed:
    """Take a timetable out of the user's crontab. Raises ConfigError."""
    before = _crontab()
    after = schedules.without(before, name)
    if after == before:
        return Placed((f"The crontab of {_user()} has no lines of tcc-{name}.",))
    _write(after)
    return Placed((f"The lines of tcc-{name} are out of the crontab of {_user()}.",))


def _crontab() -> list[str]:
    """The lines of the user's crontab; none where there is no crontab yet."""
    done = _run("crontab", "-l")
    if done.returncode == 0:
        return done.stdout.splitlines()
    if any(word in done.stderr.lower() for word in EMPTY):
        return []
    raise _refused("crontab -l", done.stderr)


def _write(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    done = _run("crontab", "-", text=text)
    if done.returncode != 0:
        raise _refused("crontab -", done.stderr)


# ---- systemd -----------------------------------------------------------------------------


def install_units(table: Timetable, home: Path | None = None) -> Placed:
    """Write the user's units and switch the timer on, where systemd answers. ConfigError."""
    folder, texts = units_folder(home), schedules.units(table)
    service = folder / f"{table.unit}.service"
    if service.exists():
        _ours(table.name, table.root, service.read_text("utf-8").splitlines())
    for name, text in texts.items():
        files.write_text(folder / name, text)
    written = tuple(f"Written: {folder / name}" for name in texts)
    enable = ("systemctl", "--user", "enable", "--now", f"{table.unit}.timer")
    done, left = _systemctl(("systemctl", "--user", "daemon-reload"), enable)
    return Placed((*written, *done), (*left, *_linger()))


def remove_units(name: str, home: Path | None = None) -> Placed:
    """Switch a timer off and delete its units; what runs at this time ends by itself."""
    folder, unit = units_folder(home), f"tcc-{name}"
    own = [folder / f"{unit}.{kind}" for kind in ("timer", "service")]
    if not any(file.exists() for file in own):
        return Placed((f"There is no {unit} in {folder}.",))
    done, left = _systemctl(("systemctl", "--user", "disable", "--now", f"{unit}.timer"))
    for file in [*own, folder / "timers.target.wants" / f"{unit}.timer"]:
        file.unlink(missing_ok=True)
    again, _ = _systemctl(("systemctl", "--user", "daemon-reload"))
    gone = tuple(f"Deleted: {file}" for file in own)
    return Placed((*done, *gone, *again), left)


def _systemctl(*commands: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give orders to the user's systemd; what it did, and what is left where it is not there."""
    done: list[str] = []
    for number, command in enumerate(commands):
        if not shutil.which(command[0]) or _run(*command).returncode != 0:
            return tuple(done), tuple(" ".join(one) for one in commands[number:])
        done.append(f"Done: {' '.join(command)}")
    return tuple(done), ()


def _linger() -> tuple[str, ...]:
    """What lets a user's timers run while nobody is logged in."""
    allowed = (LINGER / _user()).exists()
    return () if allowed else (f"loginctl enable-linger {_user()}",)


# ---- both --------------------------------------------------------------------------------


def _ours(name: str, root: Path, lines: list[str]) -> None:
    """Whether a schedule of this name is of this project. Raises ConfigError."""
    if lines and not any(str(root) in line for line in lines):
        raise ConfigError(
            f"there is a tcc-{name} already, and it is of another folder.",
            risk="Nothing was changed.",
            remedy="Choose another name with --name, or take that one out first with --remove.",
        )


def _run(*command: str, text: str | None = None) -> "subprocess.CompletedProcess[str]":
    """A program of the system, in plain English. Raises ConfigError where it is absent."""
    env = os.environ | {"LC_ALL": "C"}
    try:
        return subprocess.run(
            command,
            env=env,
            input=text or "",
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=COMMAND_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _refused(" ".join(command), str(error)) from error


def _refused(command: str, said: str) -> ConfigError:
    """What could not be asked or written; a crontab's own lines are never shown."""
    absent = not shutil.which(command.split()[0])
    lines = said.strip().splitlines() or ["no reason given"]
    return ConfigError(
        "it is not installed." if absent else f"it refuses: {lines[0]}.",
        where=command,
        risk="Nothing was changed, and nothing starts tcc run every hour.",
        remedy="Install cron, or use: tcc schedule systemd, or: make dagster.",
    )


def _user() -> str:
    return getpass.getuser()
