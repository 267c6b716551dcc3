"""The arithmetic of a bill: minimum, flag, taxes "por dentro", and a change of rates within it.

Belongs here: formulas of energy bills and the table of billing periods. Does not belong here:
rates and their dates (`tariff_rates.py`), energy by post (`tariff.py`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from lib.tariff_settings import Connection, Formula, Tariff

# kWh billed at least (REN ANEEL 1.000/2021, art. 291).
MINIMUM_KWH: dict[Connection, float] = {
    "monofasico": 30,
    "bifasico_2_fios": 30,
    "bifasico_3_fios": 50,
    "trifasico": 100,
}
SCALED_FROM = 0.5  # below this coverage nothing is extrapolated (CalTRACK 2.2.2.1)


@dataclass(frozen=True)
class Bill:
    """A bill before taxes: what is billed, the energy's and the flag's part. [kWh, R$]"""

    billed_kwh: float
    energy_brl: float
    flag_brl: float

    @property
    def net_brl(self) -> float:
        """Energy and flag, before taxes. [R$]"""
        return self.energy_brl + self.flag_brl


def conventional(
    used_kwh: float,
    connection: Connection,
    rate_brl_per_mwh: float,
    flag_brl_per_mwh: float = 0.0,
) -> Bill:
    """The bill of one period under one rate: the minimum is of the energy, not of the flag.

    Rates and surcharges are in R$/MWh, as ANEEL publishes them: a thousandth of it is a kWh.
    """
    billed_kwh = max(used_kwh, MINIMUM_KWH[connection])
    return Bill(
        billed_kwh, billed_kwh * rate_brl_per_mwh / 1000, used_kwh * flag_brl_per_mwh / 1000
    )


def tax_factor(icms: Any, pis_cofins: Any, formula: Formula) -> Any:
    """What a price without taxes is multiplied by; shares as fractions, numbers or Series.

    "soma": 1 / (1 - (ICMS + PIS/COFINS)). "icms_fora_da_base", since the Supreme Court took
    the ICMS out of the base of PIS/COFINS (Tema 69): 1 / ((1 - ICMS)(1 - PIS/COFINS)).
    """
    if formula == "soma":
        return 1 / (1 - (icms + pis_cofins))
    return 1 / ((1 - icms) * (1 - pis_cofins))


def implied_pis_cofins(net: float, gross: float, icms: float, formula: Formula) -> float:
    """The PIS/COFINS, as a fraction, that a real bill's price with taxes stands for."""
    if formula == "soma":
        return 1 - icms - net / gross
    return 1 - net / (gross * (1 - icms))


def period_start(days: "Series[Any]", reading_day: int) -> "Series[Any]":
    """The first date of the billing period of each local date."""
    moved = days - pd.to_timedelta(reading_day - 1, unit="D")
    first = pd.Series(moved.dt.to_period("M").dt.to_timestamp())
    begun: Series[Any] = first.add(pd.Timedelta(days=reading_day - 1))
    return begun


def period_days(days: "Series[Any]", reading_day: int) -> "Series[Any]":
    """Every date of the billing periods that some local dates touch."""
    if days.dropna().empty:
        return pd.Series(dtype="datetime64[us]")
    starts = period_start(days.dropna(), reading_day)
    last = starts.max() + pd.DateOffset(months=1) - pd.Timedelta(days=1)
    return pd.Series(pd.date_range(starts.min(), last, unit="us"))


PERIODS = (
    *("period_start", "period_end", "is_whole", "coverage", "energy_kwh", "billed_kwh"),
    *("energy_brl", "energy_by_days_brl", "flag_brl", "net_brl", "taxed_brl", "total_brl"),
    "scaled_kwh",
)


def periods(
    house: DataFrame, by_day: DataFrame, coverage: DataFrame, terms: Tariff, *, is_metered: bool
) -> DataFrame:
    """One row for each billing period with energy of the house. [kWh, R$]

    `house` has local_date, energy_wh, energy_brl, flag_brl and taxed_brl, each date by its own
    rate; `by_day` (`tariff_rates.by_day`) the rates of all dates of the periods; `coverage`
    local_date, observed_s and window_s. `is_metered` says that a mains meter saw the house:
    only then, and only for a whole period, there is a minimum. What no row prices is missing.
    """
    if house.empty:
        return DataFrame(columns=[*PERIODS])
    own = house.assign(period_start=period_start(house["local_date"], terms.reading_day))
    sums = own.groupby("period_start")[[*_SUMMED]].agg(_sum)
    table = sums.join(_of_days(by_day, terms)).join(_of_coverage(coverage, terms))
    table["energy_kwh"] = table["energy_wh"] / 1000
    applies = table["is_whole"] & is_metered
    least_kwh = np.where(applies, MINIMUM_KWH[terms.connection], 0.0)
    table["billed_kwh"] = np.maximum(table["energy_kwh"], least_kwh)
    return _priced(table, terms).reset_index()[[*PERIODS]]


_SUMMED = ("energy_wh", "energy_brl", "flag_brl", "taxed_brl")


def _sum(part: "Series[float]") -> float:
    """A sum that is missing where a part of it is."""
    return float(part.sum(skipna=False))


def _mean(part: "Series[float]") -> float:
    return float(part.mean(skipna=False))


def _of_days(by_day: DataFrame, terms: Tariff) -> DataFrame:
    """The mean rate and tax factor of each period by its days, and its end."""
    days = by_day.assign(period_start=period_start(by_day["local_date"], terms.reading_day))
    factor = tax_factor(days["icms"], days["pis_cofins"], terms.tax_formula)
    means = days.assign(mean_rate=days["conventional"], mean_factor=factor)
    found = means.groupby("period_start")[["mean_rate", "mean_factor"]].agg(_mean)
    end = days.groupby("period_start")["local_date"].max() + pd.Timedelta(days=1)
    return found.assign(period_end=end)


def _of_coverage(coverage: DataFrame, terms: Tariff) -> DataFrame:
    """How much of each period was observed, and whether the window holds all of it."""
    days = coverage.assign(period_start=period_start(coverage["local_date"], terms.reading_day))
    sums = days.groupby("period_start")[["observed_s", "window_s", "day_s"]].sum()
    return DataFrame(
        {
            "coverage": (sums["observed_s"] / sums["day_s"]).clip(0, 1),
            "is_whole": sums["window_s"] >= sums["day_s"],
        }
    )


def _priced(table: DataFrame, terms: Tariff) -> DataFrame:
    """The energy beyond what was used, the two ways over a change of rates, and the total."""
    beyond_brl = (table["billed_kwh"] - table["energy_kwh"]) * table["mean_rate"] / 1000
    beyond_brl = beyond_brl.mask(table["billed_kwh"] == table["energy_kwh"], 0.0)
    taxed_brl = table["taxed_brl"] + (beyond_brl * table["mean_factor"]).mask(beyond_brl == 0, 0.0)
    table = table.assign(energy_brl=table["energy_brl"] + beyond_brl, taxed_brl=taxed_brl)
    lighting_brl = np.where(table["is_whole"], terms.public_lighting_brl or 0.0, 0.0)
    return table.assign(
        energy_by_days_brl=table["billed_kwh"] * table["mean_rate"] / 1000,
        net_brl=table["energy_brl"] + table["flag_brl"],
        total_brl=table["taxed_brl"] + lighting_brl,
        scaled_kwh=(table["energy_kwh"] / table["coverage"]).where(table["coverage"] > SCALED_FROM),
    )
