"""The pace of calls: spaced over all threads, halved by a complaint, and never past the end."""

import threading
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import DeviceRejected, OutOfTime, SourceError, SourceUnavailable, TokenExpired
from lib.pace import RECOVERY_S, Pace, repeating
from lib.tuya_codes import THROTTLED, error_of


class Time:
    """A clock that only a pause moves."""

    def __init__(self) -> None:
        self.now, self.pauses = 1000.0, list[float]()

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def paced(calls_per_s: float | None) -> tuple[Pace, Time]:
    clock = Time()
    return Pace(calls_per_s, clock=clock, pause=clock.pause), clock


def test_calls_are_spaced_by_the_rate() -> None:
    pace, clock = paced(10)
    turns = [pace.take_turn() for _ in range(5)]
    assert turns == pytest.approx([1000, 1000.1, 1000.2, 1000.3, 1000.4])
    assert sum(clock.pauses) == pytest.approx(0.4) and len(clock.pauses) == 4


@pytest.mark.parametrize("none", [None, 0])
def test_without_a_rate_no_call_waits(none: float | None) -> None:
    pace, clock = paced(none)
    assert [pace.take_turn() for _ in range(100)] == [1000] * 100
    pace.slow_down(1000)
    assert pace.rate is None and clock.pauses == []


def test_time_without_calls_is_not_saved_up() -> None:
    pace, clock = paced(2)
    pace.take_turn()
    clock.now += 60
    pace.take_turn()
    pace.take_turn()
    assert clock.pauses == pytest.approx([0.5])


def test_threads_stand_in_one_row() -> None:
    """With a clock that stands still each of forty calls has a moment of its own."""
    pauses: list[float] = []
    pace = Pace(10, clock=lambda: 0.0, pause=pauses.append)
    turns: list[float] = []
    threads = [
        threading.Thread(target=lambda: turns.extend(pace.take_turn() for _ in range(5)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(turns) == pytest.approx([n / 10 for n in range(40)])
    assert sum(pauses) == pytest.approx(sum(turns))


@given(
    rate=st.floats(0.2, 50),
    idle=st.lists(st.floats(0, 3), min_size=2, max_size=30),
    complaints=st.sets(st.integers(0, 29)),
)
def test_no_two_calls_are_closer_than_the_rate_allows(
    rate: float, idle: list[float], complaints: set[int]
) -> None:
    pace, clock = paced(rate)
    turns = []
    for number, seconds in enumerate(idle):
        clock.now += seconds
        turns.append(pace.take_turn())
        if number in complaints:
            pace.slow_down(turns[-1])
        assert pace.rate is not None and min(1, rate) <= pace.rate <= rate
    assert all(after - before >= 1 / rate - 1e-9 for before, after in pairwise(turns))


def test_each_complaint_halves_the_rate_down_to_one_a_second() -> None:
    pace, _ = paced(10)
    rates = []
    for _ in range(6):
        pace.slow_down(pace.take_turn())
        rates.append(pace.rate)
    assert rates[0] == 5
    assert rates == sorted(rates, key=lambda rate: -(rate or 0))
    assert rates[-1] == pytest.approx(1, abs=0.2)


def test_a_rate_below_one_a_second_is_not_raised_by_a_complaint() -> None:
    pace, _ = paced(0.5)
    pace.slow_down(pace.take_turn())
    assert pace.rate == 0.5


def test_calls_made_before_the_rate_fell_complain_in_vain() -> None:
    """Four threads are throttled at once: that is one burst, and one halving."""
    pace, _ = paced(10)
    turns = [pace.take_turn() for _ in range(4)]
    for turn in turns:
        pace.slow_down(turn)
    assert pace.rate == 5
    pace.slow_down(pace.take_turn())
    assert pace.rate == pytest.approx(2.5, abs=0.1)


def test_the_rate_recovers_slowly_and_never_beyond_itself() -> None:
    pace, clock = paced(10)
    pace.slow_down(pace.take_turn())
    clock.now += RECOVERY_S / 4
    assert pace.rate == pytest.approx(7.5)
    clock.now += RECOVERY_S
    assert pace.rate == 10


def test_no_turn_is_taken_past_the_end_of_the_run() -> None:
    pace, clock = paced(1)
    pace.take_turn(until=1000.5)
    for _ in range(3):
        with pytest.raises(OutOfTime):
            pace.take_turn(until=1000.5)
    with pytest.raises(OutOfTime):
        pace.take_turn(until=1001)
    assert clock.pauses == [] and pace.take_turn() == 1001  # none of them kept a place


# ---- Repeats -----------------------------------------------------------------------------


def failing(error: SourceError, until: float | None = None) -> tuple[list[float], int]:
    """Pauses and calls of something that fails for ever."""
    pauses: list[float] = []
    calls: list[int] = []

    def call() -> None:
        calls.append(1)
        raise error

    with pytest.raises(SourceError) as caught:
        repeating(pauses.append, lambda: until)(call)
    assert caught.value is error
    return pauses, len(calls)


@pytest.mark.parametrize("code", THROTTLED)
def test_throttled_calls_wait_about_three_six_and_twelve_seconds(code: int) -> None:
    pauses, calls = failing(error_of({"code": code}, ""))
    assert calls == 4 and pauses == pytest.approx([3.5, 6.5, 12], abs=0.51)


@pytest.mark.parametrize("code", [500, 501])
def test_other_failures_of_the_moment_wait_less(code: int) -> None:
    pauses, calls = failing(error_of({"code": code}, ""))
    assert calls == 4 and pauses == pytest.approx([1, 1.5, 2.5], abs=0.51)


@pytest.mark.parametrize("kind", [OutOfTime, DeviceRejected, TokenExpired])
def test_what_waiting_cannot_mend_is_not_repeated(kind: Callable[[str], SourceError]) -> None:
    assert failing(kind("no.")) == ([], 1)


def test_a_wait_past_the_end_of_the_run_is_not_begun() -> None:
    pauses: list[float] = []
    calls: list[int] = []

    def call() -> None:
        calls.append(1)
        raise SourceUnavailable("no.", code=1199)

    end = time.monotonic() + 7
    with pytest.raises(OutOfTime) as caught:
        repeating(pauses.append, lambda: end if len(calls) < 2 else end - 4)(call)
    assert len(calls) == 2 and len(pauses) == 1
    assert isinstance(caught.value.__cause__, SourceUnavailable)
