"""Telling the user's own addresses of alarms, once each: the only importer of apprise.

Belongs here: TCC_NOTIFY, sending, and the memory of which address was told of what. Does not
belong here: what is worth an alarm (`alarms.py`). The addresses hold tokens and passwords:
they are secrets, kept nowhere, and no logger of what sends them says a word.
"""

import json
import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from lib import files
from lib.credentials import notify_addresses
from lib.paths import Paths
from lib.times import iso

MOST_CHARACTERS = 3500  # Telegram and ntfy take little more
_TALKERS = ("apprise", "urllib3", "urllib3.connection", "urllib3.connectionpool", "requests")


@dataclass(frozen=True)
class Alarm:
    """What must be heard of: what happened where, what is at risk, what to do.

    The key stays the same while it lasts; `since` is when it was first seen.
    """

    key: str
    what: str
    risk: str = ""
    remedy: str = ""
    since: datetime | None = None

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.risk, self.remedy, self._since) if part)

    @property
    def dated(self) -> str:
        """What happened, and since when."""
        return " ".join(part for part in (self.what, self._since) if part)

    @property
    def _since(self) -> str:
        return f"(Since {self.since:%Y-%m-%d %H:%M} UTC.)" if self.since else ""


ByKey = dict[str, Alarm]


@dataclass
class Memory:
    """The alarms that are on, and those that each address (by its label) was told of."""

    on: ByKey = field(default_factory=dict)
    told: dict[str, ByKey] = field(default_factory=dict)

    @classmethod
    def load(cls, paths: Paths) -> "Memory":
        """What was remembered; nothing where it cannot be read, and then all is told again."""
        try:
            plain = json.loads(paths.alarms.read_text("utf-8"))
            told = {str(label): _read(alarms) for label, alarms in plain["told"].items()}
            return cls(_read(plain["on"]), told)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return cls()

    def save(self, paths: Paths) -> None:
        """Remember. Raises OSError."""
        text = json.dumps(asdict(self), ensure_ascii=False, indent=1, default=iso)
        files.write_text(paths.alarms, text + "\n")


def _read(plain: Mapping[str, Any]) -> ByKey:
    return {
        key: Alarm(**alarm | {"since": datetime.fromisoformat(alarm["since"])})
        for key, alarm in plain.items()
    }


def tell(site: str, memory: Memory) -> list[str]:
    """Send each address one message of what is new to it and what is over, and remember that.

    Returns a sentence for each address that did not take it: it is tried again next time.
    Raises ConfigError where the addresses cannot be read.
    """
    asked, failures = addresses(), []
    before, memory.told = memory.told, {}
    for number, address in enumerate(asked, start=1):
        name = label(number, address)
        told = before.get(name, {})
        new = [a for key, a in memory.on.items() if key not in told or told[key].since != a.since]
        over = [alarm for key, alarm in told.items() if key not in memory.on]
        messages = _messages(site, new, over) if new or over else []
        if all(send(address, *message) for message in messages):
            memory.told[name] = dict(memory.on)
        else:
            memory.told[name] = told
            failures.append(
                f"address {name} of TCC_NOTIFY did not take the message; it is tried again "
                "at the next run."
            )
    return failures


def _messages(site: str, new: list[Alarm], over: list[Alarm]) -> list[tuple[str, str]]:
    """Titles and bodies: one message, or several where one would be too long for a service."""
    counts = ((len(new), "alarm" if len(new) == 1 else "alarms"), (len(over), "over"))
    title = f"{site}: {', '.join(f'{count} {word}' for count, word in counts if count)}"
    lines = [*_told_together(new), *(f"OVER, no longer so: {alarm.what}" for alarm in over)]
    bodies = [""]
    for line in (line[:MOST_CHARACTERS] for line in lines):
        if len(bodies[-1]) + len(line) + 2 > MOST_CHARACTERS:
            bodies.append("")
        bodies[-1] = f"{bodies[-1]}\n\n{line}" if bodies[-1] else line
    return [(title if n == 0 else f"{title} ({n + 1})", body) for n, body in enumerate(bodies)]


def _told_together(new: list[Alarm]) -> Iterator[str]:
    """A line for each alarm; what several have in common is said once, after them."""
    groups: dict[tuple[str, str], list[Alarm]] = {}
    for alarm in new:
        groups.setdefault((alarm.risk, alarm.remedy), []).append(alarm)
    for common, own in groups.items():
        yield from (f"ALARM {alarm.dated}" for alarm in own)
        yield " ".join(filter(None, common))


def addresses() -> list[str]:
    """The addresses of TCC_NOTIFY; none where it is empty. Raises ConfigError."""
    return notify_addresses()


def label(number: int, address: str) -> str:
    """What an address may be called where others read it: its number and its service."""
    service = re.match(r"([A-Za-z0-9]{1,16})://", address)
    return f"{number} ({service[1].lower()})" if service else f"{number} (not an address)"


def send(address: str, title: str, body: str) -> bool:
    """Send to one address; whether it took the message. What went wrong is not said aloud."""
    with _muted():
        import apprise  # with a hundred services: only where something is sent

        box = apprise.Apprise()
        try:
            known = box.add(address)
            plain = apprise.NotifyFormat.TEXT
            return bool(known and box.notify(title=title, body=body, body_format=plain))
        except (OSError, ValueError, TypeError, LookupError, RuntimeError):
            return False  # an address so wrong that apprise stumbles over it


@contextmanager
def _muted() -> Iterator[None]:
    """Let no logger speak, at any level, of what is sent where."""
    known = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in _TALKERS]
    loggers = [logging.getLogger(name) for name in {*_TALKERS, *known}]
    before = [(logger, logger.disabled) for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of apprise's own imports, not of ours
            yield
    finally:
        for logger, disabled in before:
            logger.disabled = disabled
