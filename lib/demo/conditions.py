"""What happens to the house: mains voltage, switched plugs, power cuts and lost Wi-Fi.

Belongs here: conditions that devices share or suffer. Does not belong here: loads or rows.
"""

import numpy as np
import numpy.typing as npt

from lib.demo import catalogue
from lib.demo.days import POWER_CUT_H, SAG_DAY, SAG_DIP_H, SAG_H, STEPS, Day, step

NOMINAL_V = 127.0
_MAINS, _WIFI, _PANEL = 90, 200, 1000
_HOURS = np.arange(STEPS) / STEPS * 24 + 4

# A stretch of steps [first, last) in which a device is silent.
Spell = tuple[int, int]


def voltage_v(day: Day) -> npt.NDArray[np.float64]:
    """The mains voltage, low in the evening; a long sag on one day of a cycle. [V]"""
    rng = day.rng(_MAINS)
    evening = np.exp(-(((_HOURS - 19.5) / 2.2) ** 2))
    slow = _wander(rng, 60, 1.0)
    quick = _wander(rng, 12, 0.85)
    volts = NOMINAL_V + 0.8 - 3.2 * evening + slow + quick
    if day.story_day == SAG_DAY:
        volts[step(SAG_H[0]) : step(SAG_H[1])] -= 11.0
        volts[step(SAG_DIP_H[0]) : step(SAG_DIP_H[1])] -= 5.0
    return np.asarray(volts)


def _wander(rng: np.random.Generator, every: int, spread_v: float) -> npt.NDArray[np.float64]:
    knots = rng.standard_normal(STEPS // every + 2) * spread_v
    return np.interp(np.arange(STEPS), np.arange(len(knots)) * every, knots)


def power_cut(day: Day) -> Spell | None:
    """The steps without mains, if the house goes dark that day."""
    return (step(POWER_CUT_H[0]), step(POWER_CUT_H[1])) if day.power_cut else None


def spells(day: Day, index: int) -> list[Spell]:
    """When a device cannot be heard: the power cut, or now and then its Wi-Fi.

    Without mains a device is silent at once; all come back within a minute of each other.
    Wi-Fi spells keep away from the ends of the day, so that days stay independent.
    """
    rng = day.rng(_WIFI + index)
    cut = power_cut(day)
    if cut:
        return [(cut[0], cut[1] + 1 + int(rng.integers(0, 5)))]
    if rng.random() > 0.06:
        return []
    first = step(float(rng.uniform(6, 22)))
    return [(first, first + int(rng.integers(30, 540)))]


def switched_on(day: Day, device_id: str) -> npt.NDArray[np.bool_]:
    """Whether the plug's relay is closed; two plugs are switched off for the night."""
    on = np.ones(STEPS, dtype=np.bool_)
    if device_id == catalogue.TV:
        on[: step(day.up_h)] = False
        on[step(day.sleep_h + 0.1) :] = False
    if device_id == catalogue.COMPUTER:
        on[: step(7.9)] = False
        on[step(22.2) :] = False
    return on


def watched(day: Day, index: int) -> npt.NDArray[np.bool_]:
    """When somebody has the plug's panel open in the app: it then reports at every step."""
    open_panel = np.zeros(STEPS, dtype=np.bool_)
    rng = day.rng(_PANEL + index)
    for hour in rng.uniform(day.up_h, day.sleep_h, int(rng.integers(2, 6))):
        open_panel[step(hour) : step(hour + rng.uniform(0.04, 0.16))] = True
    return open_panel


def stretches(silent: list[Spell]) -> list[Spell]:
    """The steps in which a device can be heard, between its spells."""
    edges = [0, *(edge for spell in silent for edge in spell), STEPS]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]
