"""Faults on demand: what a test may ask the stand-in to do wrong, and when.

Belongs here: one fault and the faults in force. Does not belong here: their kinds (kinds), a
random schedule (weather), how they are done (cloud, wire, pages).
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lib.demo.kinds import KINDS, PAGES, REFUSALS, TRANSPORT, is_log_page, is_token, parts
from lib.demo.weather import DEFAULT, Weather

__all__ = ["KINDS", "PAGES", "REFUSALS", "TRANSPORT", "Fault", "Faults", "Struck"]
PAUSE_S = 0.05


@dataclass
class Fault:
    """One thing to go wrong: after so many matching requests, so many times (None: for ever).

    `kind` is one of KINDS, or several joined by `+` that strike the same requests. `path` is a
    part of the path, `device` an id in it. Without a path a fault leaves token requests alone;
    kinds of page faults touch log pages only. A fault that is `together` also strikes where
    another one does. `pause_s` is the pause between two bytes of slow answers; `do` is called
    before the answer. Raises ConfigError.
    """

    kind: str
    path: str = ""
    device: str = ""
    after: int = 0
    times: int | None = 1
    together: bool = False
    pause_s: float = PAUSE_S
    do: Callable[[], object] | None = None
    seen: int = field(default=0, init=False)
    done: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.kinds = parts(self.kind)

    def matches(self, path: str) -> bool:
        """Whether a request is one that this fault counts."""
        if not PAGES.isdisjoint(self.kinds) and not is_log_page(path):
            return False
        if not self.path and is_token(path):
            return False
        return self.path in path and self.device in path

    def strikes(self) -> bool:
        """Count a matching request; whether it is one to spoil."""
        self.seen += 1
        if self.seen <= self.after or (self.times is not None and self.done >= self.times):
            return False
        self.done += 1
        return True


@dataclass(frozen=True)
class Struck:
    """All that spoils one request; nothing, most of the time."""

    kinds: tuple[str, ...] = ()
    pause_s: float = PAUSE_S

    def by(self, kinds: str | frozenset[str]) -> bool:
        """Whether a kind, or any of several, is among them."""
        return kinds in self.kinds if isinstance(kinds, str) else not kinds.isdisjoint(self.kinds)


_UNSPOILED = Struck()


class Faults:
    """The faults in force; the first that strikes a request spoils it, the others wait.

    Those that are `together` do not wait, and weather strikes where no fault does.
    """

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._weathers: list[Weather] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        """Put a fault in force; the object tells afterwards what it `seen` and `done`."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def weather(self, seed: int, rate: float, kinds: Sequence[str] = DEFAULT) -> Weather:
        """Spoil each request with the probability `rate` by one of the kinds, from now on.

        The same seed spoils the same sequence of requests alike. Raises ConfigError.
        """
        weather = Weather(seed, rate, kinds)
        with self._lock:
            self._weathers.append(weather)
        return weather

    def clear(self) -> None:
        """Take all faults and all weather away."""
        with self._lock:
            self._faults.clear()
            self._weathers.clear()

    def take(self, path: str) -> Struck:
        """What spoils this request, if anything."""
        with self._lock:
            striking = self._striking(path) if self._faults else []
            kinds = tuple(kind for fault in striking for kind in fault.kinds)
            kinds = kinds or self._blown(path)
        for fault in striking:
            if fault.do:
                fault.do()
        pause_s = max((fault.pause_s for fault in striking), default=PAUSE_S)
        return Struck(kinds, pause_s) if kinds else _UNSPOILED

    def _striking(self, path: str) -> list[Fault]:
        found: list[Fault] = []
        for fault in self._faults:
            waits = not fault.together and not all(one.together for one in found)
            if not waits and fault.matches(path) and fault.strikes():
                found.append(fault)
        return found

    def _blown(self, path: str) -> tuple[str, ...]:
        for weather in self._weathers:
            kind = weather.strikes(path)
            if kind:
                return parts(kind)
        return ()
