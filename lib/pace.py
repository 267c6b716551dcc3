"""How fast calls may follow one another: one rate for all threads, slower after a complaint.

Belongs here: when the next call may be made, and when one that failed may be repeated. Does
not belong here: which answer is a complaint (`tuya_codes.py`), making a call (`transport.py`).
"""

import threading
import time
from collections.abc import Callable

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from lib.errors import SourceUnavailable
from lib.tuya_codes import THROTTLED, out_of_time

ATTEMPTS = 4
WAIT, WAIT_THROTTLED = (wait_exponential_jitter(multiplier=s, max=12) for s in (0.5, 3))  # [s]
LOWEST_PER_S = 1.0
RECOVERY_S = 120.0  # from nothing to the full rate


class Pace:
    """A row of moments, one for each call; without a rate each call may be made at once."""

    def __init__(
        self,
        calls_per_s: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._full, self._clock, self._pause = calls_per_s or None, clock, pause
        self._lock = threading.Lock()
        self._next = float("-inf")  # no call may be made before
        self._lowered: tuple[float, float] | None = None  # when, and to which rate
        self._heard = float("-inf")  # complaints of earlier calls are answered already

    @property
    def rate(self) -> float | None:
        """Calls in a second that are allowed now; None: as many as come."""
        return self._rate(self._clock())

    def _rate(self, now: float) -> float | None:
        if self._full is None or self._lowered is None:
            return self._full
        since, rate = self._lowered
        return min(self._full, rate + self._full * (now - since) / RECOVERY_S)

    def take_turn(self, until: float | None = None) -> float:
        """Wait for the next free moment of the row and return it. [s of the clock]

        Raises OutOfTime where it does not lie before `until`; then it stays free.
        """
        with self._lock:
            now = self._clock()
            turn = max(now, self._next)
            if until is not None and turn >= until:
                raise out_of_time("before the next call")
            rate = self._rate(now)
            if rate:
                self._next = turn + 1 / rate
        if turn > now:
            self._pause(turn - now)
        return turn

    def slow_down(self, turn: float) -> None:
        """Halve the rate, because the call of this turn was one too many.

        Calls made before the rate was last halved say nothing against the new one.
        """
        with self._lock:
            now = self._clock()
            rate = self._rate(now)
            if self._full and rate and turn >= self._heard:
                self._lowered = now, max(min(LOWEST_PER_S, self._full), rate / 2)
                self._heard = max(now, self._next)


def repeating(pause: Callable[[float], None], until: Callable[[], float | None]) -> Retrying:
    """Repeat what fails for the moment, after growing waits: about 3, 6, 12 s where throttled.

    Raises OutOfTime instead of a wait that ends past `until`, which it asks each time.
    """

    def in_time(state: RetryCallState) -> None:
        end = until()
        if end is not None and time.monotonic() + state.upcoming_sleep >= end:
            raise out_of_time("before a repeat") from _failure(state)

    return Retrying(
        retry=retry_if_exception_type(SourceUnavailable),
        stop=stop_after_attempt(ATTEMPTS),
        wait=_wait,
        before_sleep=in_time,
        sleep=pause,
        reraise=True,
    )


def _wait(state: RetryCallState) -> float:
    failure = _failure(state)
    throttled = isinstance(failure, SourceUnavailable) and failure.code in THROTTLED
    return (WAIT_THROTTLED if throttled else WAIT)(state)


def _failure(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
