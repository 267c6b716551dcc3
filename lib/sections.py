"""The sections of config.toml, each a frozen, validated record with its defaults.

Belongs here: names, defaults and bounds of settings. Does not belong here: reading them
(`config.py`, which offers these names too), [tariff] (`tariff_settings.py`), what uses them.
"""

from datetime import date, datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from lib.settings import Frozen


def _known_zone(name: str) -> str:
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: a folder of zones
        raise ValueError(f"'{name}' is not a time zone such as America/Sao_Paulo") from error
    offset = datetime(2026, 1, 1, tzinfo=zone).utcoffset()
    if offset and offset % timedelta(hours=1):
        raise ValueError(f"'{name}' is not whole hours from UTC: energy is counted by hours of UTC")
    return name


class Site(Frozen):
    """The measured house."""

    name: str = "Casa"
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "America/Sao_Paulo"
    nominal_voltage_v: Literal[110, 127, 220, 230, 240, 254] = 127
    country: str = "BR"
    subdivision: str | None = "MG"


class Ingestion(Frozen):
    """How the cloud is asked."""

    retention_days: float = Field(default=7, gt=0)
    overlap_h: float = Field(default=3, ge=0)
    margin_s: float = Field(default=120, ge=0)
    page_size: int = Field(default=100, ge=1, le=100)
    request_timeout_s: float = Field(default=20, gt=0)
    run_deadline_s: float = Field(default=1500, gt=0)
    reconcile_h: float = Field(default=24, ge=0)
    span_pages: int = Field(default=30, ge=1)
    side_by_side: int = Field(default=6, ge=1, le=16)
    calls_per_s: float = Field(default=10, gt=0)
    monthly_calls: int = Field(default=26_000, ge=0)


class Alarms(Frozen):
    """When to be told."""

    horizon_h: float = Field(default=96, gt=0)
    silent_h: float = Field(default=24, gt=0)
    quota_pct: float = Field(default=90, gt=0, le=100)


class Energy(Frozen):
    """Rules of energy and coverage; what the maker states of a reading's error."""

    gap_limit_h: float = Field(default=3, gt=0)
    reading_error: float = Field(default=0.05, gt=0, lt=1)


class Load(Frozen):
    """When a load counts as on: from `on_w`, until it falls below `off_w`."""

    on_w: float = Field(default=10, gt=0)
    off_w: float = Field(default=5, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> "Load":
        if self.off_w > self.on_w:
            raise ValueError(f"off_w ({self.off_w}) is above on_w ({self.on_w})")
        return self


class Voltage(Frozen):
    """When a ten-minute mean counts, and how far the meter's reading may be from the voltage.

    `dead_band_pct` is the change below which a plug sends no new voltage, `reading_error_pct`
    the bound of the reading's own error.
    """

    valid_pct: float = Field(default=90, gt=0, le=100)
    dead_band_pct: float = Field(default=2, ge=0, lt=20)
    reading_error_pct: float = Field(default=3, ge=0, lt=20)


class Runs(Frozen):
    """How long the folders of runs are kept, in `data/runs`; 0 days: for ever.

    The `keep_newest` newest ones stay whatever their age.
    """

    keep_days: float = Field(default=30, ge=0)
    keep_failed_days: float = Field(default=90, ge=0)
    keep_newest: int = Field(default=24, ge=1)


class Co2Factor(Frozen):
    """What the grid emitted for each unit of energy in a year, and who says so. [t/MWh]"""

    year: int = Field(ge=1990)
    t_per_mwh: float = Field(ge=0)
    source: str = Field(min_length=1)


class Co2(Frozen):
    """The grid's mean emission factors, one for each year."""

    factors: tuple[Co2Factor, ...] = ()

    @model_validator(mode="after")
    def _one_a_year(self) -> "Co2":
        years = [factor.year for factor in self.factors]
        if len(years) != len(set(years)):
            raise ValueError("a year has more than one factor")
        return self


class ControlChart(Frozen):
    """How Phase I is chosen and residuals are formed, and the charts' design, in sigma.

    Explicit dates of Phase I come before the count of days; `device` is shown in the page.
    """

    phase1_days: int = Field(default=28, ge=20)
    phase1_start: date | Literal[""] = ""
    phase1_end: date | Literal[""] = ""
    residuals: Literal["day_kind", "weekday", "seasonal_naive", "none"] = "day_kind"
    sigma: Literal["moving_range", "robust"] = "moving_range"
    k: float = Field(default=0.5, gt=0, le=3)
    h: float = Field(default=5, gt=0, le=20)
    fast_start: bool = False
    ewma_weight: float = Field(default=0.1, gt=0, le=1)
    ewma_width: float = Field(default=2.814, gt=0, le=6)
    threshold_pct: float = Field(default=20, gt=0)
    device: str = ""

    @model_validator(mode="after")
    def _dates_in_order(self) -> "ControlChart":
        if (self.phase1_start == "") != (self.phase1_end == ""):
            raise ValueError("phase1_start and phase1_end are given together or not at all")
        if self.phase1_start and self.phase1_end and self.phase1_start > self.phase1_end:
            raise ValueError("phase1_start is after phase1_end")
        return self
