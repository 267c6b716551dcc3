"""What the bill's data lacks or leaves open: findings in Portuguese.

Belongs here: sentences about rates, flags, taxes, posts and the part of the house that nobody
measured. Does not belong here: the sums (`tariff.py`, `bill.py`), the rows (`tariff_rates.py`).
"""

from collections.abc import Iterable
from typing import Any

import pandas as pd
from pandas import DataFrame, Series

from lib.energy import REST
from lib.findings import Finding
from lib.portuguese import number
from lib.posts import NAMES, POSTS, SINGLE, UNPLACED
from lib.tariff_rates import FLAGS, RATES, TAXES, Reference, disagreeing_flags, of_house
from lib.tariff_settings import Tariff
from lib.times import brazilian_date


def of_rates(reference: Reference, terms: Tariff, by_day: DataFrame) -> list[Finding]:
    """Dates of consumption without a rate, flag, tax or white tariff, and unverified rows.

    `by_day` as `tariff_rates.by_day` gives it for the dates with energy. Of a date without a
    rate nothing else is said.
    """
    if by_day.empty:
        return []
    known = by_day[by_day["conventional"].notna()]
    found = [_without_rate(terms, _missing(by_day, ["conventional"]))]
    found += [_without_flag(_missing(known, ["flag"]))]
    found += [_without_taxes(terms, _missing(known, ["icms", "pis_cofins"]))]
    found += [_without_white(terms, _missing(known, [*POSTS]))]
    found += [_unverified(by_day), *_disagreeing(reference, by_day)]
    return [each for each in found if each]


def _missing(by_day: DataFrame, columns: list[str]) -> "Series[Any]":
    return by_day.loc[by_day[columns].isna().any(axis=1), "local_date"]


def _dates(days: "Series[Any]") -> dict[str, Any]:
    return {
        "days": len(days),
        "first": f"{days.min():%Y-%m-%d}",
        "last": f"{days.max():%Y-%m-%d}",
    }


def _between(days: "Series[Any]") -> str:
    first, last = (brazilian_date(day) for day in (days.min(), days.max()))
    return f"em {first}" if first == last else f"em {len(days)} dia(s) entre {first} e {last}"


def without_rate(terms: Tariff, days: "Series[Any]") -> str:
    """The sentence that stands where costs would, for dates without a conventional rate."""
    house = f"{terms.utility}, {terms.consumer_class}" if terms.utility else "a casa"
    return (
        f"Sem tarifa para {house} {_between(days)}: os custos desse tempo não são calculados. "
        f"Preencha data/reference/{RATES} e a seção [tariff] de config.toml."
    )


def _without_rate(terms: Tariff, days: "Series[Any]") -> Finding | None:
    if days.empty:
        return None
    data = _dates(days) | {"file": f"data/reference/{RATES}", "utility": terms.utility}
    return Finding("tcc.tariff.no_rate", without_rate(terms, days), data)


def _without_flag(days: "Series[Any]") -> Finding | None:
    if days.empty:
        return None
    months = sorted({f"{day:%Y-%m}" for day in days})
    shown = f"{months[0]} a {months[-1]}" if len(months) > 1 else months[0]
    text = f"Sem bandeira para {len(months)} mês(es) ({shown}): preencha data/reference/{FLAGS}."
    data = {"months": months, "file": f"data/reference/{FLAGS}"}
    return Finding("tcc.tariff.no_flag", text, data)


def _without_taxes(terms: Tariff, days: "Series[Any]") -> Finding | None:
    if days.empty:
        return None
    text = f"Sem tributos {_between(days)}: os custos aparecem sem ICMS, PIS e COFINS. "
    text += f"Copie as alíquotas da fatura para data/reference/{TAXES}."
    return Finding("tcc.tariff.no_taxes", text, _dates(days) | {"file": f"data/reference/{TAXES}"})


def _without_white(terms: Tariff, days: "Series[Any]") -> Finding | None:
    if days.empty:
        return None
    text = f"Sem tarifa branca de {terms.utility} {_between(days)}: a comparação não é feita. "
    text += f"Faltam três linhas (ponta, intermediario, fora_de_ponta) em data/reference/{RATES}."
    return Finding("tcc.tariff.no_white", text, _dates(days) | {"file": f"data/reference/{RATES}"})


def _unverified(by_day: DataFrame) -> Finding | None:
    days = by_day.loc[by_day["unverified"], "local_date"]
    if days.empty:
        return None
    text = f"Tarifas, bandeiras ou tributos não verificados foram usados {_between(days)}."
    return Finding("tcc.tariff.unverified", text, _dates(days))


def _disagreeing(reference: Reference, by_day: DataFrame) -> list[Finding]:
    """Months of the window charged with another surcharge than their flag's."""
    months = by_day["local_date"].dt.to_period("M").dt.to_timestamp()
    apart = disagreeing_flags(reference)
    return [
        Finding(
            "tcc.tariff.flag_differs",
            f"Em {row['month']:%m/%Y} a bandeira {row['flag']} foi cobrada a "
            f"{number(row['surcharge_brl_per_mwh'], 2)} R$/MWh, e o adicional em vigor era de "
            f"{number(row['in_force_brl_per_mwh'], 2)}; vale o cobrado.",
            {str(k): str(v) if k == "month" else v for k, v in row.items()},
        )
        for row in apart[apart["month"].isin(set(months))].to_dict("records")
    ]


def of_house_data(
    costs: DataFrame, terms: Tariff, mains: Iterable[str], country: str
) -> list[Finding]:
    """What of the house the bill does not cover, and which of its hours are assumptions.

    `costs`: devices and rest (`tariff.with_rest`), with energy_wh by post. [Wh]
    """
    if costs.empty:
        return []
    total_wh = float(costs["energy_wh"].sum())
    found = [_uncovered(costs, total_wh, metered=bool(list(mains)))]
    unplaced_wh = float(costs.loc[costs["post"] == UNPLACED, "energy_wh"].sum())
    if unplaced_wh > 0:
        text = f"{number(unplaced_wh / 1000, 2)} kWh não têm hora conhecida: aparecem como “sem "
        text += "horário” e não entram em nenhum posto."
        found.append(Finding("tcc.tariff.unplaced", text, {"energy_wh": unplaced_wh}))
    if terms.posts_unverified:
        text = f"Os postos (ponta das {terms.peak[0]} às {terms.peak[1]}) não foram confirmados em "
        text += "fonte oficial da distribuidora; confira-os em [tariff] de config.toml."
        found.append(Finding("tcc.tariff.posts_unverified", text, {"peak": [*terms.peak]}))
    if country != "BR":
        text = f"A casa fica em {country}: postos, feriados e bandeiras da ANEEL não valem lá."
        found.append(Finding("tcc.tariff.other_country", text, {"country": country}))
    return found


def _uncovered(costs: DataFrame, total_wh: float, *, metered: bool) -> Finding:
    if not metered:
        text = "Não há medidor geral: o custo é só o do que as tomadas mediram, e não a fatura; "
        text += "o mínimo faturável não é aplicado."
        return Finding("tcc.tariff.plugs_only", text, {"energy_wh": total_wh})
    rest = costs[costs["device_name"] == REST]
    rest_wh = float(rest["energy_wh"].sum())
    total_wh = float(costs.loc[costs["local_date"].isin(rest["local_date"]), "energy_wh"].sum())
    if rest_wh < 0 or total_wh <= 0:
        text = "Os dispositivos somam mais que o medidor geral: não se sabe o que falta medir."
        return Finding("tcc.tariff.rest_negative", text, {"energy_wh": rest_wh})
    share = rest_wh / total_wh
    text = f"{number(share * 100, 1)} % da energia da casa passou por cargas sem medição própria."
    return Finding("tcc.tariff.unmonitored", text, {"energy_wh": rest_wh, "share": share})


def acts(reference: Reference, terms: Tariff, by_day: DataFrame) -> DataFrame:
    """The rate rows in force on some of the dates, for the page, with their act and address."""
    rows = of_house(reference, terms)
    first, last = by_day["local_date"].min(), by_day["local_date"].max()
    within = (rows["valid_from"] <= last) & (rows["valid_to"] >= first)
    used: DataFrame = rows[within].sort_values(["modality", "post", "valid_from"])
    named = used["modality"].where(
        used["post"] == SINGLE, used["modality"] + ", " + used["post"].map(NAMES)
    )
    validity = [
        f"{row.valid_from:%d/%m/%Y} a {row.valid_to:%d/%m/%Y}"  # as the page prints dates
        for row in used.itertuples()
    ]
    marked = used["act"].where(~used["unverified"], used["act"] + " (não verificada)")
    return used.assign(name=named, validity=validity, act_name=marked)


def answer(by_day: DataFrame, terms: Tariff) -> str:
    """Whether the energy has prices, in one sentence for the notebook."""
    days = by_day.loc[by_day["conventional"].isna(), "local_date"]
    if by_day.empty:
        return "Sem energia medida no período."
    if len(days):
        return without_rate(terms, days)
    days = pd.Series(by_day["local_date"])
    return f"{len(days)} dia(s) com energia, todos com tarifa convencional vigente."
