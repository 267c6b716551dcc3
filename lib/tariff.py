"""Energy and cost by tariff post: pure functions over the marts' frames and dated rates.

Belongs here: which energy falls in which post and what it costs. Does not belong here: reading
rates (`tariff_rates.py`), a bill's formulas and periods (`bill.py`), when the white tariff pays
(`white_tariff.py`), what is to be said of gaps (`tariff_findings.py`), drawing.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame, DatetimeIndex, Series

from lib import bill, posts, uncertainty
from lib.coverage import midnights
from lib.energy import REST
from lib.meters import ENOUGH, METERS
from lib.posts import PEAK, POSTS, UNPLACED
from lib.tariff_settings import Tariff
from lib.times import floor_hour

PRICED = ("energy_brl", "flag_brl", "net_brl", "taxed_brl", "white_brl")


def hourly_energy(hourly: DataFrame, daily: DataFrame, start: datetime) -> DataFrame:
    """Energy of each device and hour by the meter that counts for it over the whole window.

    `daily` says which (`energy.chosen`). Columns device_id, device_name, hour_start, energy_wh
    [Wh], is_placed: a total that grew between distant readings grew in no known hour, and is
    of the hour in which it was read; what grew from before `start` on is left out.
    """
    known = daily.dropna(subset=["meter"])
    meters = dict(zip(known["device_id"], known["meter"], strict=True))
    kinds = hourly["device_id"].map(meters)
    energy_wh = pd.Series(np.nan, index=hourly.index, dtype=float)
    for meter in METERS:
        energy_wh = energy_wh.mask(kinds == meter, hourly[f"energy_wh_{meter}"])
    hours = hourly[["device_id", "device_name", "hour_start"]].assign(is_placed=True)
    began_inside = hourly["unplaced_start"] >= floor_hour(start)
    late_wh = hourly["energy_wh_unplaced"].where((kinds == "total") & began_inside)
    placed = hours.assign(energy_wh=energy_wh).dropna(subset=["energy_wh"])
    late = hours.assign(energy_wh=late_wh, is_placed=False)
    late = late[late["energy_wh"].fillna(0) > 0]
    return pd.concat([placed, late], ignore_index=True) if len(late) else placed


def by_post(hours: DataFrame, terms: Tariff, time_zone: str) -> DataFrame:
    """Energy of each device, local date and post; posts add up to the hours' sum. [Wh]

    Columns device_id, device_name, local_date, post (`posts.POSTS` or UNPLACED), energy_wh.
    """
    local = DatetimeIndex(hours["hour_start"].dt.tz_convert(time_zone).dt.tz_localize(None))
    weights = posts.weights(local, terms) * hours["is_placed"].to_numpy()[:, None]
    parts = np.column_stack([weights, ~hours["is_placed"].to_numpy()])
    energy_wh = DataFrame(
        parts * hours["energy_wh"].to_numpy()[:, None],
        columns=[*POSTS, UNPLACED],
        index=hours.index,
    )
    keys = ["device_id", "device_name", "local_date"]
    daily = hours[keys[:2]].assign(local_date=local.normalize()).join(energy_wh)
    long = daily.groupby(keys, as_index=False).sum().melt(keys, var_name="post")
    found = long.rename(columns={"value": "energy_wh"})
    return found[(found["post"] != UNPLACED) | (found["energy_wh"] > 0)].reset_index(drop=True)


def house(split: DataFrame, mains: Iterable[str]) -> DataFrame:
    """The rows that make up the house: the mains meter's, or else all devices' together."""
    is_mains = split["device_id"].isin(list(mains))
    return split[is_mains] if is_mains.any() else split


def with_rest(split: DataFrame, mains: Iterable[str]) -> DataFrame:
    """Devices behind the mains meter, and what the meter saw beyond them in each post. [Wh]

    The rest is signed, so that devices and rest add up to the house on each date with the
    mains meter; it is negative where meters disagree by more than the unmeasured load. A date
    without the meter has no rest: its devices used what they measured, as in `energy.with_rest`.
    """
    is_mains = split["device_id"].isin(list(mains))
    if not is_mains.any():
        return split
    keys = ["local_date", "post"]
    of_house = split[is_mains].groupby(keys)["energy_wh"].sum()
    own = split[~is_mains]
    seen = own[own["local_date"].isin(of_house.index.get_level_values(0))]
    rest_wh = of_house.sub(seen.groupby(keys)["energy_wh"].sum(), fill_value=0.0)
    rest = rest_wh.reset_index().assign(device_id="", device_name=REST)
    return pd.concat([own, rest], ignore_index=True)


def priced(split: DataFrame, by_day: DataFrame, terms: Tariff) -> DataFrame:
    """Add what each row costs by the rates of its own date (`tariff_rates.by_day`). [R$]

    `energy_brl` by the conventional rate, `flag_brl` the flag's surcharge, `net_brl` both,
    `taxed_brl` with taxes, `white_brl` the energy by the white tariff. Missing where no row of
    data/reference covers the date; energy without an hour has no price in the white tariff.
    """
    rates = split[["local_date"]].merge(by_day, on="local_date", how="left").set_index(split.index)
    energy_mwh = split["energy_wh"] / 1e6
    white = pd.Series(np.nan, index=split.index, dtype=float)
    for post in POSTS:
        white = white.mask(split["post"] == post, rates[post])
    factor = bill.tax_factor(rates["icms"], rates["pis_cofins"], terms.tax_formula)
    energy_brl, flag_brl = energy_mwh * rates["conventional"], energy_mwh * rates["flag"]
    net_brl = energy_brl + flag_brl
    return split.assign(
        energy_brl=energy_brl,
        flag_brl=flag_brl,
        net_brl=net_brl,
        taxed_brl=net_brl * factor,
        white_brl=energy_mwh * white,
    )


def total(values: "Series[float]") -> float:
    """A sum that is missing where a part of it is."""
    return float(values.sum(skipna=False)) if len(values) else np.nan


def by_device(costs: DataFrame, errors: "Series[float]") -> DataFrame:
    """Energy in each post and cost of each device, largest first. [kWh, R$, %]

    `costs` as `priced` gives it, `errors` by device (`uncertainty.reading_errors`). Columns
    device_id, device_name, energy_kwh, one `<post>_kwh` for each post, peak_pct, net_brl with
    net_u_brl (k = 2; missing for the rest, which no meter read), taxed_brl.
    """
    keys = ["device_id", "device_name"]
    energy_kwh = costs.pivot_table(
        index=keys, columns="post", values="energy_wh", aggfunc="sum", observed=True
    )
    energy_kwh = energy_kwh.reindex(columns=[*POSTS, UNPLACED]).fillna(0.0) / 1000
    money = costs.groupby(keys)[["net_brl", "taxed_brl"]].agg(total)
    table = energy_kwh.add_suffix("_kwh").join(money).assign(energy_kwh=energy_kwh.sum(axis=1))
    placed_kwh = table["energy_kwh"] - table[f"{UNPLACED}_kwh"]
    table["peak_pct"] = (table[f"{PEAK}_kwh"] / placed_kwh * 100).where(placed_kwh > 0)
    of_row = errors.reindex(table.index.get_level_values(0)).to_numpy(float)
    table["net_u_brl"] = relative_uncertainty(of_row) * table["net_brl"].abs()
    ordered = table.sort_values("energy_kwh", ascending=False, kind="stable")
    return ordered.reset_index().rename_axis(columns=None)


def relative_uncertainty(reading_error: Any) -> Any:
    """Expanded relative uncertainty (k = 2) of a cost, as a fraction, from a meter's error.

    The tariff is exact, so that (u_C / C)^2 = (u_E / E)^2 (JCGM 100:2008, 5.1.6).
    """
    return uncertainty.COVERAGE_FACTOR * uncertainty.standard(1.0) * reading_error


def profile(hours: DataFrame, hourly: DataFrame, terms: Tariff, time_zone: str) -> DataFrame:
    """Mean energy of each local hour of working days, and the post of most of the hour. [kWh]

    `hours` of the house (`hourly_energy`); an hour counts when its devices were observed 90 %
    of it. Columns hour (0 to 23), energy_kwh, days, post. No rows where no such hour is.
    """
    own = hourly[hourly["device_id"].isin(hours["device_id"])]
    alive_s = own.groupby("hour_start")["alive_s"].mean()
    sums = hours[hours["is_placed"]].groupby("hour_start")["energy_wh"].sum()
    sums = sums[alive_s.reindex(sums.index) >= ENOUGH * 3600]
    local = DatetimeIndex(sums.index).tz_convert(time_zone).tz_localize(None)
    working = posts.is_working_day(local)
    found = (sums[working] / 1000).groupby(local.hour[working]).agg(["mean", "count"])
    if found.empty:
        return DataFrame(columns=["hour", "energy_kwh", "days", "post"])
    names = np.array(POSTS)[posts.hourly_weights(terms).argmax(axis=1)]
    table = found.reindex(range(24)).rename(columns={"mean": "energy_kwh", "count": "days"})
    return table.assign(days=table["days"].fillna(0), post=names).rename_axis("hour").reset_index()


def coverage(
    hourly: DataFrame, days: "Series[Any]", window: tuple[datetime, datetime], time_zone: str
) -> DataFrame:
    """Observed time of each local date, mean of the devices given, and the window's part. [s]

    Columns local_date, observed_s, window_s, day_s.
    """
    local = hourly["hour_start"].dt.tz_convert(time_zone).dt.tz_localize(None).dt.normalize()
    devices = max(hourly["device_id"].nunique(), 1)
    observed_s = hourly.groupby(local)["alive_s"].sum() / devices
    dates = pd.Series(days).reset_index(drop=True)
    first, last = midnights(dates, time_zone)
    start, end = (pd.Timestamp(edge).tz_convert(time_zone) for edge in window)
    inside = last.mask(last > end, end) - first.mask(first < start, start)
    return DataFrame(
        {
            "local_date": dates,
            "observed_s": dates.map(observed_s).fillna(0.0),
            "window_s": inside.dt.total_seconds().clip(lower=0.0),
            "day_s": (last - first).dt.total_seconds(),
        }
    )
