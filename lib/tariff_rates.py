"""Dated rows of data/reference: rates, flags and taxes, read, checked and found by date.

Belongs here: what stands in those files and which row covers a date. Does not belong here:
any rate itself, the arithmetic of a bill (`bill.py`), the hours of posts (`posts.py`).
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from lib import paths
from lib.errors import ConfigError
from lib.posts import POSTS, SINGLE
from lib.tariff_settings import Tariff

REFERENCE = paths.ROOT / "data" / "reference"
RATES, FLAGS, SURCHARGES, TAXES = (
    *("tariffs.csv", "flags.csv", "flag_surcharges.csv", "taxes.csv"),
)
SOURCED = ("act", "source_url", "retrieved_at", "unverified")
COLUMNS: dict[str, tuple[str, ...]] = {
    RATES: (
        *("utility", "class", "modality", "post", "basis", "te_brl_per_mwh", "tusd_brl_per_mwh"),
        *("total_brl_per_mwh", "valid_from", "valid_to", *SOURCED),
    ),
    FLAGS: ("month", "flag", "surcharge_brl_per_mwh", *SOURCED),
    SURCHARGES: ("flag", "valid_from", "surcharge_brl_per_mwh", *SOURCED),
    TAXES: ("utility", "valid_from", "valid_to", "icms_pct", "pis_cofins_pct", *SOURCED),
}
CONVENTIONAL, WHITE = "convencional", "branca"
MODALITIES = {CONVENTIONAL: (SINGLE,), WHITE: POSTS}
KEY = ["utility", "class", "modality", "post", "basis"]
ROUNDING = 0.006  # TE and TUSD are published to the hundredth of R$/MWh
LEAST_BRL_PER_MWH = 1.0  # a smaller price is R$/kWh in a column of R$/MWh


@dataclass(frozen=True)
class Reference:
    """The rows of each file, and the folder they came from."""

    folder: Path
    rates: DataFrame
    flags: DataFrame
    surcharges: DataFrame
    taxes: DataFrame


def load(folder: Path = REFERENCE) -> Reference:
    """Read and check every file; a missing one has no rows. Raises ConfigError."""
    rates, flags, surcharges, taxes = (_read(folder / name) for name in COLUMNS)
    _check_rates(folder / RATES, rates)
    for name, frame in ((FLAGS, flags), (SURCHARGES, surcharges)):
        small = frame["surcharge_brl_per_mwh"].between(0, LEAST_BRL_PER_MWH, inclusive="neither")
        _refuse(folder / name, small | (frame["surcharge_brl_per_mwh"] < 0), _IN_KWH)
    _refuse(folder / FLAGS, flags.duplicated("month"), "states a month twice")
    shares = taxes[["icms_pct", "pis_cofins_pct"]]
    _refuse(folder / TAXES, ((shares < 0) | (shares >= 100)).any(axis=1), "is no percentage")
    _check_dates(folder / TAXES, taxes, ["utility"])
    return Reference(folder, rates, flags, surcharges, taxes)


_IN_KWH = "has a price that is negative or below 1 R$/MWh: it looks like R$/kWh (1000 times less)"


def _read(file: Path) -> DataFrame:
    """A file's rows with their types; lines that begin with # are remarks."""
    columns = COLUMNS[file.name]
    if not file.exists():
        return _typed(file, DataFrame(columns=[*columns], dtype="str"))
    frame = pd.read_csv(
        file, comment="#", dtype="str", keep_default_na=False, skipinitialspace=True
    )
    if absent := [name for name in columns if name not in frame.columns]:
        raise _wrong(file, f"has no column {', '.join(absent)}")
    frame = frame[[*columns]].apply(lambda own: own.str.strip())
    empty = (frame.drop(columns=["unverified"]) == "").any(axis=1)
    _refuse(file, empty, "leaves a column empty")
    _refuse(file, ~frame["unverified"].isin(["true", "false"]), "says neither true nor false")
    return _typed(file, frame)


def _typed(file: Path, frame: DataFrame) -> DataFrame:
    types: dict[str, Series] = {"unverified": frame["unverified"] == "true"}
    for name in frame.columns:
        if name in ("valid_from", "valid_to", "retrieved_at", "month"):
            dates = pd.to_datetime(frame[name], format="ISO8601", errors="coerce")
            types[name] = dates.astype("datetime64[us]")
        elif name.endswith(("_mwh", "_pct")):
            types[name] = pd.to_numeric(frame[name], errors="coerce").astype(float)
    bad = DataFrame(types).isna().any(axis=1)
    _refuse(file, bad, "has a date that is not ISO 8601 or a number that is none")
    return frame.assign(**types)


def _check_rates(file: Path, rates: DataFrame) -> None:
    known = {(modality, post) for modality, posts in MODALITIES.items() for post in posts}
    pairs = pd.Series([*zip(rates["modality"], rates["post"], strict=True)], index=rates.index)
    _refuse(file, ~pairs.isin([*known]), f"is none of {sorted(known)}")
    parts = rates["te_brl_per_mwh"] + rates["tusd_brl_per_mwh"]
    _refuse(file, (parts - rates["total_brl_per_mwh"]).abs() > ROUNDING, "is not TE + TUSD")
    _refuse(file, rates["total_brl_per_mwh"] < 10 * LEAST_BRL_PER_MWH, _IN_KWH)
    _check_dates(file, rates, KEY)


def _check_dates(file: Path, frame: DataFrame, key: list[str]) -> None:
    _refuse(file, frame["valid_to"] < frame["valid_from"], "ends before it begins")
    ordered = frame.sort_values([*key, "valid_from"])
    before = ordered.groupby(key)["valid_to"].shift()
    _refuse(file, ordered["valid_from"] <= before, "overlaps the row before it")


def _refuse(file: Path, wrong: "Series[bool]", why: str) -> None:
    if wrong.any():
        number = int(np.flatnonzero(wrong.sort_index().to_numpy())[0]) + 1
        raise _wrong(file, f"row {number} {why}")


def _wrong(file: Path, what: str) -> ConfigError:
    return ConfigError(
        f"{what}.",
        where=str(file),
        risk="A cost would be computed from it.",
        remedy=f"Correct it; the columns are {', '.join(COLUMNS[file.name])}.",
    )


def of_house(reference: Reference, terms: Tariff) -> DataFrame:
    """The rate rows of the house's utility, class and basis."""
    rates = reference.rates
    own = rates["utility"] == terms.utility
    own &= (rates["class"] == terms.consumer_class) & (rates["basis"] == terms.basis)
    return rates[own]


def rate(
    reference: Reference, terms: Tariff, day: date, modality: str = CONVENTIONAL, post: str = SINGLE
) -> "Series[Any]":
    """The rate row in force on a date of consumption. Raises ConfigError where there is none."""
    rows = of_house(reference, terms)
    rows = rows[(rows["modality"] == modality) & (rows["post"] == post)]
    key = f"{terms.utility or '(no utility)'}, {terms.consumer_class}, {modality}, {post}"
    return _only(reference.folder / RATES, _on(rows, day), f"{key}, {terms.basis}", day)


def flag(reference: Reference, day: date) -> "Series[Any]":
    """The flag row of a date's month. Raises ConfigError where there is none."""
    first = pd.Timestamp(day).replace(day=1)
    rows = reference.flags[reference.flags["month"] == first]
    return _only(reference.folder / FLAGS, rows, "the flag of the month", day)


def taxes(reference: Reference, terms: Tariff, day: date) -> "Series[Any]":
    """The tax row in force on a date. Raises ConfigError where there is none."""
    rows = reference.taxes[reference.taxes["utility"] == terms.utility]
    return _only(reference.folder / TAXES, _on(rows, day), f"{terms.utility}, taxes", day)


def _on(rows: DataFrame, day: date) -> DataFrame:
    return rows[(rows["valid_from"] <= str(day)) & (rows["valid_to"] >= str(day))]


def _only(file: Path, rows: DataFrame, key: str, day: date) -> "Series[Any]":
    if rows.empty:
        raise ConfigError(
            f"no row for {key} covers {day:%Y-%m-%d}.",
            where=str(file),
            risk="Without it nothing consumed on that date has a price.",
            remedy=f"Add the row with its act and address; columns: {','.join(COLUMNS[file.name])}",
        )
    return rows.iloc[0]


def by_day(reference: Reference, terms: Tariff, days: "Series[Any]") -> DataFrame:
    """The terms of each date: columns local_date, conventional, ponta, intermediario,
    fora_de_ponta, flag [R$/MWh], icms, pis_cofins [fractions], unverified.

    A date that no row covers has a missing value: `missing` names it, `rate` is the strict way.
    """
    table = DataFrame({"local_date": pd.Series(days).drop_duplicates().sort_values()})
    table = table.dropna().reset_index(drop=True).assign(unverified=False)
    rows = of_house(reference, terms)
    for name, modality, post in _PRICES:
        own = rows[(rows["modality"] == modality) & (rows["post"] == post)]
        table = _joined(table, own, {name: "total_brl_per_mwh"})
    own = reference.taxes[reference.taxes["utility"] == terms.utility]
    table = _joined(table, own, {"icms": "icms_pct", "pis_cofins": "pis_cofins_pct"})
    table[["icms", "pis_cofins"]] /= 100
    month = table["local_date"].dt.to_period("M").dt.to_timestamp()
    surcharges = reference.flags.set_index("month")["surcharge_brl_per_mwh"]
    doubted = month.isin(reference.flags.loc[reference.flags["unverified"], "month"])
    flags = month.map(surcharges).astype(float)
    return table.assign(flag=flags, unverified=table["unverified"] | doubted)


_PRICES = (("conventional", CONVENTIONAL, SINGLE), *((post, WHITE, post) for post in POSTS))


def _joined(table: DataFrame, rows: DataFrame, columns: dict[str, str]) -> DataFrame:
    """Each date with the columns of the row that covers it, or nothing."""
    table = table.assign(**dict.fromkeys(columns, np.nan))
    for row in rows.to_dict("records"):  # a few rows, each over many dates
        within = table["local_date"].between(row["valid_from"], row["valid_to"])
        table.loc[within, [*columns]] = [row[name] for name in columns.values()]
        table.loc[within, "unverified"] |= bool(row["unverified"])
    return table


def disagreeing_flags(reference: Reference) -> DataFrame:
    """Months charged with another surcharge than that of their flag in force on the first.

    Columns month, flag, surcharge_brl_per_mwh (charged, which counts), in_force_brl_per_mwh.
    Months before the first row of their flag are left out, for nothing can be said of them.
    """
    coloured = reference.flags[reference.flags["surcharge_brl_per_mwh"] > 0]
    in_force = reference.surcharges.rename(
        columns={"surcharge_brl_per_mwh": "in_force_brl_per_mwh"}
    )
    both = pd.merge_asof(
        coloured.sort_values("month"),
        in_force[["flag", "valid_from", "in_force_brl_per_mwh"]].sort_values("valid_from"),
        left_on="month",
        right_on="valid_from",
        by="flag",
    ).dropna(subset=["in_force_brl_per_mwh"])
    apart = (both["surcharge_brl_per_mwh"] - both["in_force_brl_per_mwh"]).abs() > ROUNDING
    return both.loc[apart, ["month", "flag", "surcharge_brl_per_mwh", "in_force_brl_per_mwh"]]
