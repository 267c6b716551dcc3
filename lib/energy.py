"""Energy of devices and of the house: pure functions over the marts' frames.

Belongs here: sums, shares, days and months, what is left unmeasured, and CO2. Does not belong
here: which meter counts (`meters.py`, whose choice is offered here too), power (`load.py`),
reading (`study.py`), drawing (`plots.py`), rules of holding (SQL).
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from lib.config import Co2Factor
from lib.findings import Finding
from lib.meters import ENOUGH, METER_NAMES, METERS, chosen, metered
from lib.portuguese import number
from lib.times import MONTHS

__all__ = ["ENOUGH", "METERS", "METER_NAMES", "REST", "chosen", "metered"]

REST = "Demais cargas"
HOUSE = "Casa"


def with_rest(daily: DataFrame, mains: Iterable[str]) -> DataFrame:
    """Devices behind the mains meter, and what the meter saw beyond them. [energy_wh: Wh]

    Without a mains meter the devices alone; with it, a day's coverage is that of the meter,
    on which the day's sum stands. A day's rest is missing where it would be
    negative: then the meters disagree by more than the unmeasured load. The rest of energy
    without a date makes the window's rest right, and may be negative.
    """
    is_mains = daily["device_id"].isin(list(mains))
    if not is_mains.any():
        return daily
    of_house = (
        daily[is_mains]
        .groupby("local_date")
        .agg(
            energy_wh=("energy_wh", "sum"), alive_s=("alive_s", "min"), coverage=("coverage", "min")
        )
    )
    rest_wh = rest(daily, mains)
    shown = of_house.assign(energy_wh=rest_wh.where(rest_wh > 0)).reset_index()
    if len(undated := daily[daily["local_date"].isna()]):
        signed_wh = undated["energy_wh"].where(is_mains, -undated["energy_wh"])
        short_wh = rest_wh[(rest_wh < 0) & (of_house["coverage"] < ENOUGH)]
        undated_wh = max(signed_wh.sum() + short_wh.sum(), -shown["energy_wh"].sum())
        row = {"energy_wh": undated_wh, "alive_s": 0.0, "coverage": 0.0}
        shown = pd.concat([shown, DataFrame([row])], ignore_index=True)
    shown = shown.assign(device_id="", device_name=REST, meter="difference")
    both = pd.concat([daily[~is_mains], shown], ignore_index=True)
    of_day = both["local_date"].map(of_house["coverage"]).fillna(0.0)
    return both.assign(coverage=of_day)


def rest(daily: DataFrame, mains: Iterable[str]) -> "Series[float]":
    """What the mains meter saw beyond the devices behind it, by local date; may be < 0. [Wh]"""
    is_mains = daily["device_id"].isin(list(mains))
    of_house = daily[is_mains].groupby("local_date")["energy_wh"].sum()
    known_wh = daily[~is_mains].groupby("local_date")["energy_wh"].sum()
    return of_house - known_wh.reindex(of_house.index).fillna(0)


def disagreeing(daily: DataFrame, mains: Iterable[str]) -> int:
    """On how many days the devices exceed a mains meter that was observed enough to say so."""
    own = daily[daily["device_id"].isin(list(mains))]
    observed = own.groupby("local_date")["coverage"].min() >= ENOUGH
    return int(((rest(daily, mains) < 0) & observed).sum())


def house(daily: DataFrame, mains: Iterable[str]) -> DataFrame:
    """The rows that make up the house: the mains meter, or else all devices together."""
    is_mains = daily["device_id"].isin(list(mains))
    return daily[is_mains] if is_mains.any() else daily


def by_device(daily: DataFrame, span_s: float, house_wh: float) -> DataFrame:
    """Energy, share of the house, meter and coverage of each device, largest first. [kWh]

    `span_s` is the length of the window, of which the coverage is; `house_wh` what the house
    used in it. Where a mains meter says that, a device's share is of the dates that the meter
    has. [s, Wh]
    """
    table = daily.groupby(["device_id", "device_name"], as_index=False).agg(
        energy_wh=("energy_wh", "sum"), alive_s=("alive_s", "sum"), meter=("meter", "first")
    )
    table = table.sort_values("energy_wh", ascending=False, ignore_index=True)
    within_wh = _beside_the_meter(daily).groupby("device_id")["energy_wh"].sum()
    shared_wh = table["device_id"].map(within_wh).fillna(0.0)
    return table.assign(
        energy_kwh=table["energy_wh"] / 1000,
        share_pct=shared_wh / house_wh * 100 if house_wh > 0 else np.nan,
        coverage_pct=(table["alive_s"] / span_s * 100).clip(upper=100),
        meter_name=table["meter"].map(METER_NAMES),
    )


def _beside_the_meter(daily: DataFrame) -> DataFrame:
    """The rows of dates that the mains meter has, and those without one; all without a meter."""
    dates = daily.loc[daily["device_name"] == REST, "local_date"].dropna()
    if dates.empty:
        return daily
    return daily[daily["local_date"].isna() | daily["local_date"].isin(dates)]


def of_house(daily: DataFrame, mains: Iterable[str]) -> DataFrame:
    """The house as one device, day by day: energies summed, the worst coverage. [Wh, s]"""
    rows = house(daily, mains)
    energies = [c for c in rows.columns if c.startswith("energy_wh")]
    sums = rows.groupby("local_date")[energies].sum(min_count=1)
    worst = rows.groupby("local_date")[["alive_s", "coverage"]].min()
    days = sums.join(worst).reset_index()
    return days.assign(device_id="", device_name=HOUSE, meter=_shared(rows["meter"]))


def _shared(meters: "Series[str]") -> str | None:
    kinds = meters.dropna().unique()
    return str(kinds[0]) if len(kinds) == 1 else None


def monthly(daily: DataFrame) -> DataFrame:
    """Energy of each device and calendar month, by each meter, with its coverage. [kWh]

    Columns device_id, device_name, month (its first day), month_name, energy_kwh, and of each
    meter increment_kwh, total_kwh, integral_kwh; coverage_pct of the whole month; days (of the
    calendar), valid_days (coverage of at least 90 %), valid, valid_name. A month is valid where
    90 % of its days are, as eemeter has it. Energy without a day is in no month. A month of which
    nobody asked anything has its row between a device's first and last.
    """
    dated = daily[daily["local_date"].notna()]
    dated = dated.assign(
        month=pd.to_datetime(dated["local_date"]).dt.to_period("M").dt.to_timestamp(),
        full=dated["coverage"] >= ENOUGH,
        part=dated["coverage"].clip(upper=1),
    )
    energies = ["energy_wh", *(f"energy_wh_{meter}" for meter in METERS)]
    grouped = dated.groupby(["device_id", "device_name", "month"])
    sums = grouped[energies].sum(min_count=1) / 1000
    sums.columns = ["energy_kwh", *(f"{meter}_kwh" for meter in METERS)]
    parts = grouped.agg(valid_days=("full", "sum"), part=("part", "sum"))
    months = _every_month(sums.join(parts)).fillna({"valid_days": 0, "part": 0.0}).reset_index()
    months["valid_days"] = months["valid_days"].astype("int64")
    days = months["month"].dt.days_in_month
    valid = months["valid_days"] >= ENOUGH * days
    return months.drop(columns="part").assign(
        month_name=[f"{MONTHS[m.month - 1]} {m.year}" for m in months["month"]],
        coverage_pct=months["part"] / days * 100,
        days=days,
        valid=valid,
        valid_name=valid.map({True: "sim", False: "não"}),
    )


def _every_month(months: DataFrame) -> DataFrame:
    """Months by device_id, device_name and month, with the empty ones between first and last."""
    if months.empty:
        return months
    keys = [
        (*device, month)
        for device, own in months.groupby(level=[0, 1])
        for month in pd.date_range(
            own.index.get_level_values(2).min(), own.index.get_level_values(2).max(), freq="MS"
        )
    ]
    return months.reindex(pd.MultiIndex.from_tuples(keys, names=months.index.names))


def co2(daily: DataFrame, factors: Iterable[Co2Factor]) -> DataFrame:
    """Emission of each calendar year's energy, with the year whose factor was applied.

    Columns year, energy_kwh, factor_year, t_per_mwh, co2_kg, source. The factor is the year's
    own, else of the last year before it that has one: `factor_year` says which. Without any,
    the emission is missing. E in MWh times the mean factor of the grid, for inventories.
    """
    known = {factor.year: factor for factor in factors}
    dated = daily[daily["local_date"].notna()]
    years = pd.to_datetime(dated["local_date"]).dt.year.rename("year")
    sums_wh = dated.groupby(years)["energy_wh"].sum()
    rows = []
    for year, energy_wh in sums_wh.items():
        own = known.get(max((y for y in known if y <= int(str(year))), default=0))
        factor, of, source = (own.t_per_mwh, own.year, own.source) if own else (np.nan, None, "")
        rows.append((year, energy_wh / 1000, of, factor, energy_wh / 1000 * factor, source))
    names = ["year", "energy_kwh", "factor_year", "t_per_mwh", "co2_kg", "source"]
    return DataFrame(rows, columns=names)


def findings(
    daily: DataFrame, gaps: DataFrame, span_s: float, mains: Iterable[str] = ()
) -> list[Finding]:
    """Devices little observed in a window of that length, energy without a day, gaps. [s]"""
    found = []
    for (_, name), own in daily.groupby(["device_id", "device_name"]):
        coverage = own["alive_s"].sum() / span_s
        if coverage < ENOUGH:
            found.append(_little_observed(str(name), float(coverage)))
        if undated_wh := float(own.loc[own["local_date"].isna(), "energy_wh"].sum()):
            found.append(_unplaced(str(name), undated_wh))
    if negative := disagreeing(daily, mains):
        found.append(_negative(negative))
    if len(gaps):
        hours = float(gaps["gap_s"].sum() / 3600)
        text = f"Há {len(gaps)} lacuna(s) de observação, {number(hours, 1)} h ao todo."
        found.append(Finding("tcc.coverage.gaps", text, {"gaps": len(gaps), "hours": hours}))
    return found


def _negative(days: int) -> Finding:
    return Finding(
        "tcc.energy.rest_negative",
        f"Em {days} dia(s) os dispositivos somam mais que o medidor geral; esses dias ficam fora "
        "de “Demais cargas”. Confira se algum deles está fora do alcance do medidor.",
        {"days": days},
    )


def _unplaced(name: str, energy_wh: float) -> Finding:
    text = f"{name}: não se sabe em que dia foram usados {number(energy_wh / 1000, 2)} kWh, "
    text += "medidos entre leituras distantes do contador; estão no total e em nenhum dia."
    return Finding("tcc.energy.unplaced", text, {"device": name, "energy_wh": energy_wh})


def _little_observed(name: str, coverage: float) -> Finding:
    return Finding(
        "tcc.coverage.little_observed",
        f"{name}: só {number(coverage * 100, 1)} % do período foi observado.",
        {"device": name, "coverage": coverage},
    )


def co2_findings(emissions: DataFrame) -> list[Finding]:
    """Years whose energy was given another year's emission factor, or none."""
    found = []
    for row in emissions[emissions["factor_year"] != emissions["year"]].to_dict("records"):
        year, applied = int(row["year"]), row["factor_year"]
        none = applied is None or pd.isna(applied)
        instead = "sem ele não há emissão" if none else f"vale o de {int(applied)}"
        found.append(
            Finding(
                "tcc.energy.no_emission_factor",
                f"Não há fator de emissão de {year} em config.toml ([[co2.factors]]): {instead}.",
                {"year": year, "applied": None if none else int(applied)},
            )
        )
    return found
