"""Tariff posts: which of them an hour of a day belongs to, and on which days there are any.

Belongs here: posts, their names, hours and holidays. Does not belong here: rates
(`tariff_rates.py`) and energy (`tariff.py`).
"""

from collections.abc import Iterable
from datetime import date
from functools import lru_cache

import holidays
import holidays.countries  # which it loads late: a forked kernel has it
import numpy as np
from numpy.typing import NDArray
from pandas import DatetimeIndex

from lib.tariff_settings import Tariff, minutes

PEAK, INTERMEDIATE, OFF_PEAK, SINGLE = "ponta", "intermediario", "fora_de_ponta", "unico"
UNPLACED = "sem_horario"  # energy of which the hour is not known
POSTS = (PEAK, INTERMEDIATE, OFF_PEAK)
NAMES = {
    PEAK: "ponta",
    INTERMEDIATE: "intermediário",
    OFF_PEAK: "fora de ponta",
    UNPLACED: "sem horário",
}
BLACK_AWARENESS = (11, 20)  # a national holiday since 2024, but none of ANEEL's
OPTIONAL = ("Carnival", "Corpus Christi")


@lru_cache(maxsize=64)
def aneel_holidays(year: int) -> frozenset[date]:
    """The eleven dates of a year on which ANEEL's rules know no peak.

    The national holidays without 20 November, with Carnival Tuesday and Corpus Christi
    (ANEEL, "postos tarifários"); the dates of both, which follow Easter, are the package's.
    """
    found = holidays.country_holidays(
        "BR", years=year, categories=("public", "optional"), language="en_US"
    )
    public = holidays.country_holidays("BR", years=year)
    optional = {day for day, name in found.items() if name in OPTIONAL}
    carnival_monday = {day for day in optional if day.weekday() == 0}
    national = {day for day in public if (day.month, day.day) != BLACK_AWARENESS}
    return frozenset(national | (optional - carnival_monday))


def hourly_weights(terms: Tariff) -> NDArray[np.float64]:
    """Which part of each local hour of a working day is in each post: 24 rows, as POSTS.

    An hour that a post's limit divides is divided by time.
    """
    post = np.full(24 * 60, POSTS.index(OFF_PEAK))
    for start, end in terms.intermediate:
        post[minutes(start) : minutes(end)] = POSTS.index(INTERMEDIATE)
    post[minutes(terms.peak[0]) : minutes(terms.peak[1])] = POSTS.index(PEAK)
    by_hour = post.reshape(24, 60)
    return np.stack([(by_hour == n).mean(axis=1) for n in range(len(POSTS))], axis=1)


def is_working_day(days: DatetimeIndex) -> NDArray[np.bool_]:
    """Whether each local date has a peak: Monday to Friday, none of ANEEL's holidays."""
    eves = DatetimeIndex(sorted(_holidays({int(year) for year in set(days.year)})))
    return np.asarray((days.day_of_week < 5) & ~days.normalize().isin(eves), dtype=np.bool_)


def _holidays(years: Iterable[int]) -> set[date]:
    return {day for year in years for day in aneel_holidays(year)}


def weights(hours: DatetimeIndex, terms: Tariff) -> NDArray[np.float64]:
    """Which part of each hour is in each post, by the hour's start in local time."""
    on_working_days = hourly_weights(terms)[hours.hour]
    otherwise = np.array([0.0, 0.0, 1.0])
    return np.where(is_working_day(hours)[:, None], on_working_days, otherwise)
