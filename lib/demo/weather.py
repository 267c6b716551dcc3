"""Bad weather: a random schedule of faults, the same for the same seed.

Belongs here: which request is spoiled, and by what. Does not belong here: faults at a chosen
place (faults).
"""

import random
import threading
from collections import Counter
from collections.abc import Sequence

from lib.demo.kinds import PAGES, TRANSPORT, is_log_page, is_token, parts
from lib.errors import ConfigError

# What may succeed when it is asked again, at once or in the next run.
TRANSIENT = (
    *("system_error", "code:501", "too_frequent", "code:1110", "code:1111", "code:1199"),
    *("html_502", "empty_body", "result_null", "drop_connection", "cut_body"),
    *("token_invalid", "token_expired", "token_rotated", "token_ended", "code:1011", "code:1400"),
)
# Nothing is lost by these, if the client reads to the end and keeps each row once.
TWISTS = (
    *("short_page", "empty_page", "duplicate_rows", "ascending", "extra_fields"),
    *("too_many_rows", "short_page+duplicate_rows+extra_fields", "short_page+ascending"),
)
# The window breaks off; another run must ask for it again.
BREAKS = ("no_row_key", "repeated_key")
DEFAULT = TRANSIENT + TWISTS
_OF_TOKENS = TRANSPORT | {"system_error", "too_frequent", "code:501"}


class Weather:
    """Spoils requests at random; `seen` counts the requests, `done` what struck, by kind."""

    def __init__(self, seed: int, rate: float, kinds: Sequence[str] = DEFAULT) -> None:
        if not 0 <= rate <= 1:
            raise ConfigError(f"the rate {rate} is no probability.", remedy="Use 0 to 1.")
        self.rate = rate
        self.seen = 0
        self.done: Counter[str] = Counter()
        self._parts = {kind: frozenset(parts(kind)) for kind in kinds}
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._over = False

    def stop(self) -> None:
        """Let the sun come out: nothing more is spoiled."""
        self._over = True

    def strikes(self, path: str) -> str | None:
        """The kind that spoils the next request, if any."""
        with self._lock:
            if self._over:
                return None
            self.seen += 1
            # Always two numbers a request, so that a path without a fitting kind shifts none.
            chance, choice = self._random.random(), self._random.random()
            fitting = self._fitting(path) if chance < self.rate else []
            kind = fitting[int(choice * len(fitting))] if fitting else None
            self.done.update([kind] if kind else [])
            return kind

    def _fitting(self, path: str) -> list[str]:
        if is_token(path):
            return [kind for kind, own in self._parts.items() if own <= _OF_TOKENS]
        if is_log_page(path):
            return list(self._parts)
        return [kind for kind, own in self._parts.items() if own.isdisjoint(PAGES)]
