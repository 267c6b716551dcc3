"""The stand-in in a process of its own, which does what it is told over a pipe.

Belongs here: starting it, telling it things, and the things that benches tell it. Does not
belong here: what it answers (`lib/demo/`).
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from pydantic import SecretStr

from lib.credentials import Credentials
from lib.demo.house import House
from lib.demo.standin import StandIn
from lib.demo.weather import BREAKS, TRANSIENT, TWISTS, Weather

Result = TypeVar("Result")
# A fresh interpreter: what measures has no thread of the stand-in's, so that it may fork.
_FRESH = get_context("spawn")
_storms: list[Weather] = []  # in the stand-in's process


class Server:
    """A stand-in for as long as the `with` block lasts; `access` is what leads to it."""

    def __init__(self, house: House, *, now: datetime, **options: Any) -> None:
        self._pipe, theirs = _FRESH.Pipe()
        self._process = _FRESH.Process(
            target=_serve, args=(theirs, house, now, options), daemon=True
        )

    def __enter__(self) -> "Server":
        self._process.start()
        self.access: Credentials = self._pipe.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.send(None)
        self._process.join(10)
        self._pipe.close()

    def do(self, order: Callable[..., Result], *given: Any) -> Result:
        """Let the stand-in's process call a function of a module with the stand-in first."""
        self._pipe.send((order, given))
        result: Result = self._pipe.recv()
        return result


def _serve(pipe: Connection, house: House, now: datetime, options: dict[str, Any]) -> None:
    with StandIn(house, now=now, **options) as standin:
        pipe.send(_access(standin))
        while told := pipe.recv():
            order, given = told
            pipe.send(order(standin, *given))


def _access(standin: StandIn) -> Credentials:
    return Credentials(
        access_id=SecretStr(standin.access_id),
        access_secret=SecretStr(standin.access_secret),
        host=standin.endpoint.removeprefix("https://"),
        ca_bundle=standin.ca_bundle,
    )


def move(standin: StandIn, instant: datetime) -> None:
    """Set the data clock."""
    standin.clock.move_to(instant)


def requests(standin: StandIn) -> int:
    """Requests since the last `forget`."""
    return standin.counters.total_requests


def forget(standin: StandIn) -> None:
    """Count from nought again."""
    standin.counters.requests.clear()


def storm(standin: StandIn, seed: int, rate: float) -> None:
    """Let so many of all calls go wrong at random: what passes, and windows that break off.

    Without calls that hang, which cost real time, and without what no client can notice.
    """
    _storms.append(standin.faults.weather(seed, rate, (*TRANSIENT, *TWISTS, *BREAKS)))


def calm(standin: StandIn) -> tuple[int, Counter[str]]:
    """Let nothing go wrong any more; the requests so far and what struck them, by kind."""
    standin.faults.clear()
    struck = sum((one.done for one in _storms), Counter[str]())
    return sum(one.seen for one in _storms), struck


def late(standin: StandIn, device_id: str, start: datetime, end: datetime, until: datetime) -> None:
    """Serve rows only once the data clock is at an instant."""
    standin.edits.late(device_id, start, end, until)
