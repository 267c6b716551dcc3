"""The [tariff] group of config.toml: which rates apply to the house, and how its bill is made.

Belongs here: settings and their validation. Does not belong here: any rate (`data/reference`),
reading one (`tariff_rates.py`), hours of posts put to use (`posts.py`).
"""

import re
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lib.settings import Frozen

Connection = Literal["monofasico", "bifasico_2_fios", "bifasico_3_fios", "trifasico"]
Formula = Literal["icms_fora_da_base", "soma"]
Basis = Literal["aplicacao", "economica"]
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")


def minutes(time: str) -> int:
    """Minutes since midnight of a time such as 17:30. [min]"""
    hour, minute = time.split(":")
    return int(hour) * 60 + int(minute)


def _a_time(text: str) -> str:
    if not _TIME.fullmatch(text):
        raise ValueError("a time of day is written as 17:00; the end of the day is 24:00")
    return text


Time = Annotated[str, AfterValidator(_a_time)]
Span = tuple[Time, Time]


class Tariff(Frozen):
    """The house's utility, class and connection, the hours of its posts and its taxes' formula.

    `utility`, `consumer_class` and `basis` choose the rows of data/reference/tariffs.csv; an
    empty `utility` means none. Posts are local times; `posts_unverified` marks hours that nobody
    confirmed with the utility. `public_lighting_brl` is what the municipality adds to a bill.
    """

    utility: str = "CEMIG-D"
    consumer_class: str = "B1 Residencial"
    basis: Basis = "aplicacao"
    connection: Connection = "bifasico_3_fios"
    reading_day: int = Field(default=1, ge=1, le=28)
    peak: Span = ("17:00", "20:00")
    intermediate: tuple[Span, ...] = (("16:00", "17:00"), ("20:00", "21:00"))
    posts_unverified: bool = True
    tax_formula: Formula = "icms_fora_da_base"
    public_lighting_brl: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _apart(self) -> "Tariff":
        spans = sorted((minutes(a), minutes(b)) for a, b in (self.peak, *self.intermediate))
        if any(start >= end for start, end in spans):
            raise ValueError("a post begins before it ends, on one day")
        if any(later[0] < earlier[1] for earlier, later in pairwise(spans)):
            raise ValueError("the peak and the intermediate posts overlap")
        return self
