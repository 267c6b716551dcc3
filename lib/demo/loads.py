"""What each appliance draws on a day: active power in steps of ten seconds. [W]

Belongs here: the true load, before any plug looks at it. Does not belong here: reporting.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from lib.demo import catalogue, days
from lib.demo.days import AGEING_FROM, STEP_S, STEPS, STORIES_BEGIN, Day, step

Watts = npt.NDArray[np.float64]
_HOT_MONTHS = (10, 11, 12, 1, 2, 3, 4)
_DOORS = 51  # the stream of a day's random numbers
FRIDGE_DUTY, DOORS, AGED, AGEING_DAYS = 0.36, 0.03, 0.05, 5.0


def _add(load: Watts, start_h: float, minutes: float, power_w: float) -> None:
    first = step(start_h)
    load[first : first + max(1, round(minutes * 60 / STEP_S))] += power_w


def _noisy(load: Watts, rng: np.random.Generator, share: float) -> Watts:
    """A slow wobble, as screens and processors have."""
    knots = 1 + share * rng.standard_normal(STEPS // 60 + 1)
    wobble = np.interp(np.arange(STEPS), np.arange(0, STEPS + 1, 60), knots)
    return np.asarray(load * np.clip(wobble, 0.2, None))


def fridge_duty(day: Day) -> float:
    """The share of time the compressor runs; it grows while the fridge ages.

    A door seal that wears: 5 % more in the end, most of it within two weeks. That is little
    beside what doors opened and the kitchen's warmth change from one day to the next.
    """
    doors = 1 + DOORS * float(np.clip(day.rng(_DOORS).standard_normal(), -2.5, 2.5))
    return FRIDGE_DUTY * (1 + ageing(day)) * doors


def ageing(day: Day) -> float:
    """What the wear of the fridge adds to its duty; none before the first of the stories."""
    worn = day.story_day - AGEING_FROM if day.date >= STORIES_BEGIN else 0
    return AGED * -math.expm1(-max(0, worn) / AGEING_DAYS)


def fridge(day: Day, rng: np.random.Generator) -> Watts:
    """Compressor cycles with a start-up peak, and one defrost."""
    load = np.full(STEPS, 1.6)
    duty, position = fridge_duty(day), int(rng.integers(20, 120))
    while position < STEPS:
        period = rng.normal(42, 3) * 6
        running = max(30, int(period * min(0.9, duty * (1.12 if day.free else 1.0))))
        warm = np.linspace(118, 88, running)[: STEPS - position]
        load[position : position + running] = warm
        load[position : position + 1] = 430
        position += max(running + 30, int(period))
    defrost = step(float(rng.uniform(13, 16)))
    load[defrost : defrost + 90] = 165
    return load


def washer(day: Day, rng: np.random.Generator) -> Watts:
    """A wash on Saturdays, sometimes on Wednesdays and holidays."""
    load = np.full(STEPS, 0.7)
    chance = {"saturday": 1.0, "sunday": 0.15, "holiday": 0.5}.get(day.kind, 0.0)
    chance = 0.6 if day.date.weekday() == 2 and not day.free else chance
    if rng.random() < chance:
        start = step(float(rng.uniform(9.2, 10.5)) if day.free else 19.9)
        turning = rng.random(50 * 6) < 0.6
        load[start : start + len(turning)] = np.where(turning, rng.normal(260, 30, 300), 12)
        load[start + 300 : start + 300 + 48] = rng.normal(430, 15, 48)
    return load


def television(day: Day, rng: np.random.Generator) -> Watts:
    """Evenings; much longer on free days."""
    load = np.full(STEPS, 0.4)
    evening = 19.4 + 0.6 * rng.random()
    spans = [(evening, day.sleep_h - 0.3)]
    if day.kind in ("sunday", "holiday"):
        spans += [(10 + rng.random(), 12.2), (14 + rng.random(), 17.5)]
    elif rng.random() < 0.4:
        spans += [(day.up_h + 0.2, day.up_h + 0.8)]
    for first, last in spans:
        load[step(first) : step(last)] = 84
    return _noisy(load, rng, 0.12)


def computer(day: Day, rng: np.random.Generator) -> Watts:
    """Work at home on working days, a little play on some of the others."""
    load = np.full(STEPS, 1.1)
    if not day.free:
        for first, last in ((8.1 + 0.3 * rng.random(), 12.0), (13.1, 17.4 + 0.6 * rng.random())):
            load[step(first) : step(last)] = 92
    elif rng.random() < 0.4:
        load[step(15.2) : step(17 + rng.random())] = 135
    return _noisy(load, rng, 0.25)


def microwave(day: Day, rng: np.random.Generator) -> Watts:
    """A few minutes at meals."""
    load = np.full(STEPS, 1.2)
    meals = [day.up_h + 0.4, 12.2 + 0.5 * rng.random(), 19.6 + 0.6 * rng.random()]
    for meal in meals + ([16 + rng.random()] if day.free else []):
        _add(load, meal, rng.uniform(1, 4), 1270)
    return load


def air_conditioner(day: Day, rng: np.random.Generator) -> Watts:
    """Warm nights, and warm afternoons when somebody is at home."""
    load = np.full(STEPS, 0.9)
    warm = 0.6 if day.date.month in _HOT_MONTHS else 0.05
    spans = [(day.sleep_h - 0.6, min(27.8, day.sleep_h + 2.6))] if rng.random() < warm else []
    if day.kind in ("sunday", "holiday") and rng.random() < warm:
        spans += [(13.5, 16.5)]
    for first, last in spans:
        position, end = step(first), step(last)
        load[position:end] = 38
        while position < end:
            running = int(rng.normal(9, 1.5) * 6)
            load[position : min(end, position + running)] = rng.normal(870, 15)
            position += running + int(rng.normal(7, 1) * 6)
    return load


def unmetered(day: Day, rng: np.random.Generator) -> Watts:
    """What no plug sees: router, ceiling lights, showers and the oven."""
    load = _noisy(np.full(STEPS, 62.0), rng, 0.1)
    load[step(18.2) : step(day.sleep_h)] += rng.uniform(60, 120)
    back = day.away_h[1] if day.away_h else 18.5
    for shower in (day.up_h + 0.15, back + 0.7, day.sleep_h - 0.9):
        _add(load, shower, rng.uniform(6, 12), 4850)
    if day.free and rng.random() < 0.7:
        _add(load, 11.4, rng.uniform(30, 55), 1350)
    return load


def lamp(day: Day, device_id: str) -> Watts:
    """Nine watts while the lamp is on."""
    return 9.0 * lamp_on(day, device_id)


def lamp_on(day: Day, device_id: str) -> Watts:
    """1 while a lamp is on, else 0; the porch lamp is forgotten on two days of a cycle."""
    on = np.zeros(STEPS)
    porch = device_id == catalogue.PORCH_LAMP
    on[step(18.3 if porch else 18.6) : step(day.sleep_h)] = 1
    if porch and day.story_day in days.FORGOTTEN_LAMP_DAYS:
        on[step(18.3) :] = 1
    if porch and day.story_day - 1 in days.FORGOTTEN_LAMP_DAYS:
        on[: step(day.sleep_h)] = 1
    return on


Appliance = Callable[[Day, np.random.Generator], Watts]
APPLIANCES: dict[str, Appliance] = {
    catalogue.FRIDGE: fridge,
    catalogue.WASHER: washer,
    catalogue.TV: television,
    catalogue.COMPUTER: computer,
    catalogue.MICROWAVE: microwave,
    catalogue.AIR: air_conditioner,
}
