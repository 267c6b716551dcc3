"""Posts, dated rates, bills and costs: published numbers, and what must hold for any house."""

import json
import math
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import DataFrame

from lib import (
    bill,
    energy,
    indicators_tariff,
    plots_tariff,
    posts,
    tariff,
    tariff_findings,
    tariff_rates,
    uncertainty,
    white_tariff,
)
from lib.errors import ConfigError
from lib.posts import INTERMEDIATE, OFF_PEAK, PEAK, POSTS, UNPLACED
from lib.tariff_rates import COLUMNS, FLAGS, RATES, SURCHARGES, TAXES, WHITE
from lib.tariff_settings import Tariff

ZONE = "America/Sao_Paulo"
CEMIG = Tariff()
MADE_UP = Tariff(utility="EXEMPLO")  # rates of nobody, for what CEMIG's rows are not known for
START = datetime(2026, 3, 2, 3, tzinfo=UTC)  # a Monday, midnight in Belo Horizonte
NAN = math.nan
# reference_values.json, group tariff, aneel_peak_holidays (gov.br/aneel "postos tarifários");
# 2024 by the same rule, which that group checked for 2024-2027.
HOLIDAYS = {
    2024: "01-01 02-13 03-29 04-21 05-01 05-30 09-07 10-12 11-02 11-15 12-25",
    2025: "01-01 03-04 04-18 04-21 05-01 06-19 09-07 10-12 11-02 11-15 12-25",
    2026: "01-01 02-17 04-03 04-21 05-01 06-04 09-07 10-12 11-02 11-15 12-25",
    2027: "01-01 02-09 03-26 04-21 05-01 05-27 09-07 10-12 11-02 11-15 12-25",
}
# Newspaper of October 2017 on Cemig (tarifa_branca_press_values.json): ratios, not official rows.
PRESS_2017 = {PEAK: 1.94, INTERMEDIATE: 1.25, OFF_PEAK: 0.80}


# ---- Posts -------------------------------------------------------------------------------


@pytest.mark.parametrize("year", HOLIDAYS)
def test_aneel_knows_eleven_days_without_a_peak(year: int) -> None:
    expected = {date.fromisoformat(f"{year}-{day}") for day in HOLIDAYS[year].split()}
    assert posts.aneel_holidays(year) == expected
    assert len(expected) == 11 and date(year, 11, 20) not in expected


def test_posts_of_cemig_are_by_hours_of_working_days() -> None:
    weights = posts.hourly_weights(CEMIG)
    names = [POSTS[row.argmax()] for row in weights]
    assert [h for h in range(24) if names[h] == PEAK] == [17, 18, 19]
    assert [h for h in range(24) if names[h] == INTERMEDIATE] == [16, 20]
    assert weights.sum() == 24 and set(weights.ravel()) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("when", "post"),
    [
        ("2026-03-02 18:00", PEAK),  # Monday
        ("2026-03-07 18:00", OFF_PEAK),  # Saturday
        ("2026-03-08 18:00", OFF_PEAK),  # Sunday
        ("2026-02-16 18:00", PEAK),  # Carnival Monday is no holiday of ANEEL's
        ("2026-02-17 18:00", OFF_PEAK),  # Carnival Tuesday
        ("2026-11-20 18:00", PEAK),  # Friday, Consciência Negra
    ],
)
def test_weekends_and_holidays_have_no_peak(when: str, post: str) -> None:
    weights = posts.weights(pd.DatetimeIndex([when]), CEMIG)[0]
    assert POSTS[weights.argmax()] == post


def test_a_post_that_begins_at_the_half_hour_shares_the_hour() -> None:
    """Celpa's hours of 2019, of tarifa_branca_press_values.json: peak from 18:30 to 21:30."""
    spans = (("17:30", "18:30"), ("21:30", "22:30"))
    weights = posts.hourly_weights(Tariff(peak=("18:30", "21:30"), intermediate=spans))
    assert weights[18].tolist() == [0.5, 0.5, 0.0]
    assert weights.sum(axis=0).tolist() == [3.0, 2.0, 19.0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"peak": ("20:00", "17:00")},
        {"peak": ("17:00", "25:00")},
        {"intermediate": (("16:00", "17:30"),)},
        {"reading_day": 31},
        {"connection": "tetrafasico"},
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Tariff(**wrong)


# ---- Dated rows --------------------------------------------------------------------------


def write(folder: Path, name: str, *rows: str) -> Path:
    """A reference file of its own; a row lacks the four columns of its source."""
    lines = [
        ",".join(COLUMNS[name]),
        *(f"{row},ato,https://example.org,2026-01-01,false" for row in rows),
    ]
    (folder / name).write_text("\n".join(lines) + "\n", "utf-8")
    return folder


def made_up(folder: Path) -> tariff_rates.Reference:
    """Rates that no utility has: conventional 800 R$/MWh, 1000 from 28 May; white 1600/1000/600."""
    key = "EXEMPLO,B1 Residencial"
    dates = "2026-01-01,2026-05-27", "2026-05-28,2026-12-31"
    write(
        folder,
        RATES,
        f"{key},convencional,unico,aplicacao,300,500,800,{dates[0]}",
        f"{key},convencional,unico,aplicacao,400,600,1000,{dates[1]}",
        *(
            f"{key},branca,{post},aplicacao,300,{total - 300},{total},{dates[0]}"
            for post, total in zip(POSTS, (1600, 1000, 600), strict=True)
        ),
    )
    write(folder, FLAGS, *(f"2026-{month:02d}-01,amarela,20" for month in range(1, 13)))
    write(folder, TAXES, "EXEMPLO,2026-01-01,2026-12-31,18,4.59")
    return tariff_rates.load(folder)


@pytest.fixture
def rates(tmp_path: Path) -> tariff_rates.Reference:
    return made_up(tmp_path)


OURS = tariff_rates.load()


@pytest.fixture
def aneel(shared_data: Path) -> Path:
    """ANEEL's files and the bills worked by others."""
    if not (folder := shared_data / "aneel").is_dir():
        pytest.skip(f"no files of ANEEL in {folder}")
    return folder


@pytest.mark.parametrize(
    ("day", "basis", "te", "tusd", "total", "act"),
    [
        # ANEEL's open data, extract of 2026-09-30: "Tarifa de Aplicação", which bills use.
        (date(2025, 5, 28), "aplicacao", 317.28, 541.30, 858.58, "REH 3.459/2025"),
        (date(2026, 5, 27), "aplicacao", 317.28, 541.30, 858.58, "REH 3.459/2025"),
        # reference_values.json, tariff.cemig_b1_convencional[1].
        (date(2026, 5, 28), "aplicacao", 310.21, 593.08, 903.29, "REH 3.589/2026"),
        (date(2027, 5, 27), "aplicacao", 310.21, 593.08, 903.29, "REH 3.589/2026"),
        # reference_values.json, tariff.cemig_b1_convencional[0]: 840.18 is the "Base Econômica".
        (date(2025, 5, 28), "economica", 318.75, 521.43, 840.18, "REH 3.459/2025"),
        (date(2026, 5, 27), "economica", 318.75, 521.43, 840.18, "REH 3.459/2025"),
    ],
)
def test_the_rate_is_that_of_the_date_of_consumption(
    day: date, basis: Any, te: float, tusd: float, total: float, act: str
) -> None:
    row = tariff_rates.rate(OURS, Tariff(basis=basis), day)
    assert (row["te_brl_per_mwh"], row["tusd_brl_per_mwh"]) == (te, tusd)
    assert (row["total_brl_per_mwh"], row["act"]) == (total, act)
    assert row["source_url"].startswith("https://dadosabertos.aneel.gov.br/")


def test_every_rate_of_ours_is_a_row_of_aneel(aneel: Path) -> None:
    file = aneel / "aneel_tarifas_homologadas_cemig_b1_extract.csv"
    theirs = pd.read_csv(file, sep=";", decimal=",")
    plain = theirs["DscSubClasse"].eq("Residencial") & theirs["DscDetalhe"].eq("Não se aplica")
    bases = {"Tarifa de Aplicação": "aplicacao", "Base Econômica": "economica"}
    named = theirs[plain].assign(basis=theirs["DscBaseTarifaria"].map(bases))
    columns = ["basis", "DatInicioVigencia", "DatFimVigencia", "VlrTE", "VlrTUSD"]
    found = {tuple(row) for row in named[columns].itertuples(index=False)}
    assert found == {
        (r.basis, f"{r.valid_from:%Y-%m-%d}", f"{r.valid_to:%Y-%m-%d}", *row)
        for r, row in zip(
            OURS.rates.itertuples(),
            OURS.rates[["te_brl_per_mwh", "tusd_brl_per_mwh"]].to_numpy().tolist(),
            strict=True,
        )
    }


def test_a_date_without_a_row_is_an_error_that_names_the_file_and_the_row() -> None:
    with pytest.raises(ConfigError, match=r"tariffs\.csv: no row for CEMIG-D, B1 .*2025-05-27"):
        tariff_rates.rate(OURS, CEMIG, date(2025, 5, 27))
    with pytest.raises(ConfigError, match="branca, ponta") as caught:
        tariff_rates.rate(OURS, CEMIG, date(2026, 3, 2), WHITE, PEAK)
    assert "te_brl_per_mwh,tusd_brl_per_mwh" in caught.value.remedy
    assert caught.value.where.endswith(RATES)
    with pytest.raises(ConfigError, match=r"flags\.csv.*2026-10-05"):
        tariff_rates.flag(OURS, date(2026, 10, 5))
    with pytest.raises(ConfigError, match=r"taxes\.csv.*CEMIG-D"):
        tariff_rates.taxes(OURS, CEMIG, date(2026, 3, 2))


def test_the_terms_of_many_dates_are_the_rows_of_each() -> None:
    days = pd.Series(pd.date_range("2025-12-30", "2026-06-02"))
    table = tariff_rates.by_day(OURS, CEMIG, days)
    for row in table.itertuples():
        day = row.local_date.date()
        assert row.conventional == tariff_rates.rate(OURS, CEMIG, day)["total_brl_per_mwh"]
        assert row.flag == tariff_rates.flag(OURS, day)["surcharge_brl_per_mwh"]
    assert table["ponta"].isna().all() and table["icms"].isna().all()


def test_no_white_rate_of_cemig_is_invented() -> None:
    assert set(OURS.rates["modality"]) == {"convencional"}
    assert not OURS.rates["unverified"].any() and OURS.taxes.empty


def test_without_files_there_are_no_rows_but_every_column(tmp_path: Path) -> None:
    empty = tariff_rates.load(tmp_path)
    days = pd.Series(pd.date_range("2026-03-01", periods=2))
    table = tariff_rates.by_day(empty, CEMIG, days)
    assert table[["conventional", *POSTS, "flag", "icms"]].isna().all(axis=None)
    with pytest.raises(ConfigError, match="no row"):
        tariff_rates.rate(empty, CEMIG, date(2026, 3, 1))


KEY = "X,B1,convencional,unico,aplicacao"


@pytest.mark.parametrize(
    ("name", "rows", "why"),
    [
        (RATES, [f"{KEY},0.3,0.5,0.8,2026-01-01,2026-12-31"], "R\\$/kWh"),
        (RATES, [f"{KEY},300,500,801,2026-01-01,2026-12-31"], "TE \\+ TUSD"),
        (RATES, [f"{KEY},300,500,800,2026-12-31,2026-01-01"], "ends before"),
        (RATES, [f"{KEY},300,,500,2026-01-01,2026-12-31"], "empty"),
        (RATES, [f"{KEY},300,x,800,2026-01-01,2026-12-31"], "number"),
        (RATES, [f"{KEY},300,500,800,01/02/2026,2026-12-31"], "ISO 8601"),
        (RATES, ["X,B1,branca,unico,aplicacao,300,500,800,2026-01-01,2026-12-31"], "none of"),
        (RATES, [f"{KEY},300,500,800,2026-01-01,2026-06-30"] * 2, "row 2 overlaps"),
        (FLAGS, ["2026-03-01,amarela,0.01885"], "R\\$/kWh"),
        (FLAGS, ["2026-03-01,amarela,18.85"] * 2, "twice"),
        (TAXES, ["X,2026-01-01,2026-12-31,118,4"], "percentage"),
    ],
)
def test_a_wrong_row_is_refused(tmp_path: Path, name: str, rows: list[str], why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        tariff_rates.load(write(tmp_path, name, *rows))
    assert caught.value.where == str(tmp_path / name)


def test_a_file_without_a_column_is_refused(tmp_path: Path) -> None:
    (tmp_path / FLAGS).write_text("month,flag\n2026-03-01,verde\n", "utf-8")
    with pytest.raises(ConfigError, match="no column surcharge_brl_per_mwh"):
        tariff_rates.load(tmp_path)


# ---- Flags -------------------------------------------------------------------------------

COLOURS = {
    "Verde": "verde",
    "Amarela": "amarela",
    "Vermelha P1": "vermelha_1",
    "Vermelha P2": "vermelha_2",
    "Escassez Hídrica": "escassez_hidrica",
}


def from_aneel(folder: Path, target: Path) -> tariff_rates.Reference:
    """ANEEL's two files of flags as rows of ours."""
    months = pd.read_csv(folder / "aneel_bandeira_acionamento.csv", sep=";", decimal=",")
    table = pd.read_csv(folder / "aneel_bandeira_adicional.csv", sep=";", decimal=",")
    charged = months["VlrAdicionalBandeira"].astype(str).str.replace(",", ".").astype(float)
    write(
        target,
        FLAGS,
        *(
            f"{month},{COLOURS[name]},{value}"
            for month, name, value in zip(
                months["DatCompetencia"], months["NomBandeiraAcionada"], charged, strict=True
            )
        ),
    )
    write(
        target,
        SURCHARGES,
        *(
            f"{COLOURS[row.NomBandeiraAcionada]},{row.DatVigencia},{row.VlrAdicionalBandeiraRSMWh}"
            for row in table.itertuples()
        ),
    )
    return tariff_rates.load(target)


def test_published_flag_discrepancies_are_found_and_the_charged_value_counts(
    aneel: Path, tmp_path: Path
) -> None:
    """shared/data/aneel/SOURCE.md: 2015-09..2016-01, 2017-11 and 2022-04, of 141 months."""
    published = from_aneel(aneel, tmp_path)
    assert len(published.flags) == 141
    found = tariff_rates.disagreeing_flags(published)
    values = [
        (f"{row.month:%Y-%m}", row.surcharge_brl_per_mwh, row.in_force_brl_per_mwh)
        for row in found.itertuples()
    ]
    autumn = ("2015-09", "2015-10", "2015-11", "2015-12", "2016-01")
    assert values == [
        *((month, 45.0, 55.0) for month in autumn),
        ("2017-11", 50.0, 35.0),
        ("2022-04", 71.0, 142.0),
    ]
    assert tariff_rates.flag(published, date(2017, 11, 30))["surcharge_brl_per_mwh"] == 50.0


def test_a_month_charged_otherwise_becomes_a_finding(rates: tariff_rates.Reference) -> None:
    write(rates.folder, SURCHARGES, "amarela,2026-01-01,18.85")
    again = tariff_rates.load(rates.folder)
    by_day = tariff_rates.by_day(again, MADE_UP, pd.Series([pd.Timestamp("2026-03-02")]))
    found = tariff_findings.of_rates(again, MADE_UP, by_day)
    assert [each.name for each in found] == ["tcc.tariff.flag_differs"]
    assert found[0].data["surcharge_brl_per_mwh"] == 20.0


def test_our_flags_are_those_of_aneel(aneel: Path, tmp_path: Path) -> None:
    theirs = from_aneel(aneel, tmp_path).flags
    columns = ["month", "flag", "surcharge_brl_per_mwh"]
    recent = theirs[theirs["month"] >= OURS.flags["month"].min()][columns]
    pd.testing.assert_frame_equal(OURS.flags[columns], recent.reset_index(drop=True))


# ---- Bills -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("used_kwh", "connection", "flag", "billed_kwh", "net_brl"),
    [
        # worked_bills_convencional_cemig_2026.json and reference_values.json
        # (tariff.bills_without_taxes): a public simulator's tests, REH 3.589/2026.
        (200, "bifasico_3_fios", 0.0, 200, 180.658),
        (200, "bifasico_3_fios", 18.85, 200, 184.428),
        (20, "monofasico", 0.0, 30, 27.0987),
        (50, "trifasico", 0.0, 100, 90.329),
        (50, "trifasico", 18.85, 100, 90.329 + 0.9425),
    ],
)
def test_published_bills_are_reproduced(
    used_kwh: float, connection: Any, flag: float, billed_kwh: float, net_brl: float
) -> None:
    rate = tariff_rates.rate(OURS, CEMIG, date(2026, 6, 15))["total_brl_per_mwh"]
    found = bill.conventional(used_kwh, connection, rate, flag)
    assert found.billed_kwh == billed_kwh
    assert found.net_brl == pytest.approx(net_brl, abs=5e-5)


def test_the_shared_worked_bills_are_these(aneel: Path) -> None:
    file = aneel / "worked_bills_convencional_cemig_2026.json"
    worked = json.loads(file.read_text("utf-8"))
    assert (worked["tariff"]["TE_RS_MWh"], worked["tariff"]["TUSD_RS_MWh"]) == (310.21, 593.08)
    rate = 310.21 + 593.08
    assert worked["worked"][0]["energia"] == pytest.approx(200 * rate / 1000)
    assert worked["worked"][4]["bandeira"] == pytest.approx(
        bill.conventional(50, "trifasico", rate, worked["amarela_RS_MWh"]).flag_brl
    )


def test_a_flag_is_a_thousandth_of_its_number_per_kwh() -> None:
    """energy-analysis.md 4.3: a published tool took R$/MWh for R$/kWh, 1000 times too much."""
    flag_brl = bill.conventional(200, "bifasico_3_fios", 903.29, 18.85).flag_brl
    assert flag_brl == pytest.approx(3.77)
    assert flag_brl * 1000 == pytest.approx(200 * 18.85)


def test_minimum_billing_is_by_connection() -> None:
    """REN ANEEL 1.000/2021, art. 291, as in reference_values.json (tariff.availability_kWh)."""
    assert bill.MINIMUM_KWH == {
        "monofasico": 30,
        "bifasico_2_fios": 30,
        "bifasico_3_fios": 50,
        "trifasico": 100,
    }


def test_taxes_are_inside_the_price() -> None:
    """reference_values.json, tariff.taxes_por_dentro: ICMS 18 %, PIS/COFINS 4.59 %."""
    new = bill.tax_factor(0.18, 0.0459, "icms_fora_da_base")
    old = bill.tax_factor(0.18, 0.0459, "soma")
    assert (round(new, 6), round(old, 6)) == (1.278181, 1.291823)
    assert round(0.90329 * new, 6) == 1.154568
    assert round(0.90329 * old, 6) == pytest.approx(1.166891, abs=1.1e-6)


@pytest.mark.parametrize(("formula", "pct"), [("icms_fora_da_base", 6.86), ("soma", 5.62)])
def test_a_real_price_tells_its_pis_cofins(formula: Any, pct: float) -> None:
    """energy-analysis.md 4.5: 1.1827 R$/kWh with taxes stands for 6.86 % (new) or 5.62 % (old)."""
    found = bill.implied_pis_cofins(0.90329, 1.1827, 0.18, formula)
    assert round(found * 100, 2) == pct
    assert bill.tax_factor(0.18, found, formula) * 0.90329 == pytest.approx(1.1827)


def daily_split(kwh: dict[str, float], device: str = "meter") -> DataFrame:
    """Energy of a device on dates, all off peak."""
    return DataFrame(
        {
            "device_id": device,
            "device_name": device.title(),
            "local_date": pd.to_datetime([*kwh]),
            "post": OFF_PEAK,
            "energy_wh": [value * 1000 for value in kwh.values()],
        }
    )


def may(split: DataFrame, reference: tariff_rates.Reference, terms: Tariff, **others: Any) -> Any:
    """The billing period of some rows, observed throughout."""
    days = bill.period_days(split["local_date"], terms.reading_day)
    by_day = tariff_rates.by_day(reference, terms, days)
    seen = DataFrame({"local_date": days, "observed_s": 86400.0, "day_s": 86400.0})
    seen["window_s"] = others.pop("window_s", 86400.0)
    costs = tariff.priced(split, by_day, terms)
    return bill.periods(costs, by_day, seen, terms, is_metered=others.pop("is_metered", True))


def test_a_bill_over_28_may_is_pro_rata_by_date_and_by_days() -> None:
    """CEMIG's change from REH 3.459/2025 to 3.589/2026, by each date's energy and by days."""
    split = daily_split({"2026-05-10": 100, "2026-05-28": 50, "2026-05-31": 50})
    found = may(split, OURS, CEMIG).iloc[0]
    assert found["energy_brl"] == pytest.approx(0.1 * 858.58 + 0.1 * 903.29)
    assert found["energy_by_days_brl"] == pytest.approx(0.2 * (27 * 858.58 + 4 * 903.29) / 31)
    assert found["flag_brl"] == pytest.approx(0.2 * 18.85)
    assert math.isnan(found["taxed_brl"]) and math.isnan(found["total_brl"])
    assert found["period_end"] == pd.Timestamp("2026-06-01")


def test_a_period_begins_on_the_day_of_reading(rates: tariff_rates.Reference) -> None:
    split = daily_split({"2026-05-14": 60, "2026-05-15": 80, "2026-06-14": 10})
    found = may(split, rates, MADE_UP.model_copy(update={"reading_day": 15}))
    assert found["period_start"].dt.strftime("%m-%d").tolist() == ["04-15", "05-15"]
    assert found["energy_kwh"].tolist() == [60, 90]
    assert found["energy_brl"].tolist() == pytest.approx([48, 64 + 10])


def test_the_minimum_is_only_of_a_whole_period_of_a_metered_house(
    rates: tariff_rates.Reference,
) -> None:
    split = daily_split({"2026-03-10": 20})
    whole = may(split, rates, MADE_UP).iloc[0]
    assert (whole["billed_kwh"], whole["energy_brl"]) == (50, pytest.approx(40))
    factor = bill.tax_factor(0.18, 0.0459, "icms_fora_da_base")
    assert whole["taxed_brl"] == pytest.approx((40 + 0.4) * factor)
    for others in ({"is_metered": False}, {"window_s": 80000.0}):
        found = may(split, rates, MADE_UP, **others).iloc[0]
        assert (found["billed_kwh"], found["energy_brl"]) == (20, pytest.approx(16))


def test_public_lighting_is_added_after_the_taxes(rates: tariff_rates.Reference) -> None:
    lit = MADE_UP.model_copy(update={"public_lighting_brl": 12.5})
    found = may(daily_split({"2026-03-10": 100}), rates, lit).iloc[0]
    assert found["total_brl"] == pytest.approx(found["taxed_brl"] + 12.5)


def test_a_period_with_an_unpriced_date_has_no_cost() -> None:
    split = daily_split({"2025-05-20": 10, "2025-05-30": 10, "2025-06-02": 10})
    found = may(split, OURS, CEMIG)
    assert np.isnan(found["energy_brl"].iloc[0])
    assert found["energy_brl"].iloc[1] > 0 and found["energy_kwh"].iloc[0] == 20


# ---- Energy and cost by post -------------------------------------------------------------


def hourly(**wh: list[float]) -> DataFrame:
    """Hours of devices from Monday 2 March 2026, 0 h in Belo Horizonte, by increments. [Wh]"""
    frames = [
        DataFrame(
            {
                "device_id": name,
                "device_name": name.title(),
                "hour_start": pd.date_range(START, periods=len(own), freq="h", unit="us"),
                "alive_s": 3600.0,
                "energy_wh_increment": np.array(own, dtype=float),
                "energy_wh_total": NAN,
                "energy_wh_integral": NAN,
                "energy_wh_unplaced": NAN,
                "unplaced_start": pd.Series(pd.NaT, index=range(len(own))).dt.tz_localize("UTC"),
            }
        )
        for name, own in wh.items()
    ]
    return pd.concat(frames, ignore_index=True)


def by_increments(hours: DataFrame) -> DataFrame:
    """What `energy.chosen` says of such devices."""
    return hours[["device_id"]].drop_duplicates().assign(meter="increment")


def split_of(hours: DataFrame, terms: Tariff = CEMIG) -> DataFrame:
    return tariff.by_post(tariff.hourly_energy(hours, by_increments(hours), START), terms, ZONE)


def test_each_hour_of_a_working_day_falls_in_its_post() -> None:
    found = split_of(hourly(tv=[float(2**0)] * 24)).set_index("post")["energy_wh"]
    assert found.to_dict() == {PEAK: 3.0, INTERMEDIATE: 2.0, OFF_PEAK: 19.0}


def test_a_weekend_is_off_peak_throughout() -> None:
    split = split_of(hourly(tv=[1.0] * 24 * 7))
    by_day = split.pivot_table(index="local_date", columns="post", values="energy_wh")
    assert by_day[PEAK].tolist() == [3.0] * 5 + [0.0] * 2
    assert by_day[OFF_PEAK].tolist() == [19.0] * 5 + [24.0] * 2


def test_energy_of_no_known_hour_is_a_line_of_its_own() -> None:
    hours = hourly(meter=[NAN, NAN, NAN])
    hours["energy_wh_total"] = [10.0, 20.0, NAN]
    hours["energy_wh_unplaced"] = [5.0, NAN, 7.0]
    hours["unplaced_start"] = [pd.Timestamp(START) - pd.Timedelta(hours=5), pd.NaT, START]
    meters = DataFrame({"device_id": ["meter"], "meter": ["total"]})
    found = tariff.hourly_energy(hours, meters, START)
    assert found["is_placed"].tolist() == [True, True, False]
    split = tariff.by_post(found, CEMIG, ZONE).set_index("post")["energy_wh"]
    assert (split[OFF_PEAK], split[UNPLACED]) == (30.0, 7.0)


def test_devices_and_rest_add_up_to_the_mains_meter() -> None:
    split = split_of(hourly(meter=[100.0] * 24, tv=[30.0] * 24))
    shown = tariff.with_rest(split, ["meter"])
    peak = shown[shown["post"] == PEAK].set_index("device_name")["energy_wh"]
    assert peak.to_dict() == {"Tv": 90.0, "Demais cargas": 210.0}
    house = tariff.house(split, ["meter"])
    assert shown["energy_wh"].sum() == house["energy_wh"].sum() == 2400
    assert tariff.with_rest(split, []) is split


def test_on_a_date_without_the_mains_meter_a_device_keeps_what_it_measured() -> None:
    """As in the energy chapter: the same device has the same kWh in both."""
    hours = hourly(meter=[100.0] * 24, tv=[30.0] * 48)
    split = split_of(hours)
    shown = tariff.with_rest(split, ["meter"])
    sums = shown.groupby("device_name")["energy_wh"].sum()
    assert sums.to_dict() == {"Tv": 1440.0, "Demais cargas": 2400.0 - 720.0}
    dates = pd.to_datetime(["2026-03-02", "2026-03-03"])
    daily = DataFrame(
        {
            "device_id": ["meter", "tv", "tv"],
            "device_name": ["Meter", "Tv", "Tv"],
            "local_date": [dates[0], *dates],
            "energy_wh": [2400.0, 720.0, 720.0],
            "alive_s": 86400.0,
            "coverage": 1.0,
            "meter": "increment",
        }
    )
    days = energy.with_rest(daily, ["meter"]).groupby("device_name")["energy_wh"].sum()
    assert days.to_dict() == sums.to_dict()
    (found, _) = tariff_findings.of_house_data(shown, CEMIG, ["meter"], "BR")
    assert found.data["share"] == pytest.approx(0.7), "of the dates that the meter saw"


def test_cost_of_a_device_by_both_tariffs_with_flag_and_taxes(
    rates: tariff_rates.Reference,
) -> None:
    split = split_of(hourly(tv=[1000.0] * 24), MADE_UP)
    by_day = tariff_rates.by_day(rates, MADE_UP, split["local_date"])
    costs = tariff.priced(split, by_day, MADE_UP)
    assert costs["energy_brl"].sum() == pytest.approx(24 * 0.8)
    assert costs["flag_brl"].sum() == pytest.approx(24 * 0.02)
    assert costs["taxed_brl"].sum() == pytest.approx(24 * 0.82 / (0.82 * (1 - 0.0459)))
    assert white_tariff.comparison(costs) == pytest.approx((19.2, 3 * 1.6 + 2 * 1.0 + 19 * 0.6))
    row = tariff.by_device(costs, pd.Series({"tv": 0.05})).iloc[0]
    assert row["peak_pct"] == pytest.approx(12.5)
    # energy-analysis.md 5.8: rectangular 5 %, u = 2.89 %, U = 2 u; the tariff is exact.
    assert row["net_u_brl"] / row["net_brl"] == pytest.approx(2 * 0.05 / math.sqrt(3))
    assert tariff.relative_uncertainty(0.05) == pytest.approx(2 * uncertainty.standard(0.05))


def test_a_missing_rate_makes_no_cost_out_of_part_of_the_energy() -> None:
    split = pd.concat([daily_split({"2025-05-27": 1, "2025-05-28": 1})])
    costs = tariff.priced(split, tariff_rates.by_day(OURS, CEMIG, split["local_date"]), CEMIG)
    assert costs["energy_brl"].isna().tolist() == [True, False]
    assert math.isnan(tariff.by_device(costs, pd.Series({"meter": 0.05}))["net_brl"].iloc[0])
    assert math.isnan(tariff.total(costs["net_brl"]))


AMOUNTS = st.lists(st.floats(0, 5000), min_size=1, max_size=24 * 6)


@settings(max_examples=30, deadline=None)
@given(first=AMOUNTS, second=AMOUNTS)
def test_posts_add_up_to_the_total(first: list[float], second: list[float]) -> None:
    hours = hourly(a=first, b=second)
    split = split_of(hours)
    found = split.groupby("device_id")["energy_wh"].sum()
    assert found.to_dict() == pytest.approx({"a": sum(first), "b": sum(second)})
    assert (split["energy_wh"] >= 0).all()


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> tariff_rates.Reference:
    """The rates of nobody, read once."""
    return made_up(tmp_path_factory.mktemp("rates"))


@settings(max_examples=20, deadline=None)
@given(first=AMOUNTS, second=AMOUNTS, cut=st.integers(0, 24 * 9))
def test_cost_adds_up_over_devices_and_over_hours(
    first: list[float], second: list[float], cut: int, lasting: tariff_rates.Reference
) -> None:
    rates = lasting
    hours = hourly(a=first, b=second)
    edge = pd.Timestamp(START) + pd.Timedelta(hours=cut)
    parts = [hours, hours[hours["hour_start"] < edge], hours[hours["hour_start"] >= edge]]
    sums = [cost_of(part, rates) for part in parts]
    alone = [cost_of(hours[hours["device_id"] == name], rates) for name in ("a", "b")]
    for name in ("net_brl", "taxed_brl", "white_brl"):
        assert sums[0][name] == pytest.approx(sums[1][name] + sums[2][name])
        assert sums[0][name] == pytest.approx(alone[0][name] + alone[1][name])


def cost_of(hours: DataFrame, rates: tariff_rates.Reference) -> "pd.Series[float]":
    split = split_of(hours, MADE_UP)
    by_day = tariff_rates.by_day(rates, MADE_UP, split["local_date"])
    return tariff.priced(split, by_day, MADE_UP)[[*tariff.PRICED]].sum()


@given(used=st.floats(0, 2000), more=st.floats(0, 500), flag=st.floats(0, 200))
def test_a_bill_never_falls_with_use(used: float, more: float, flag: float) -> None:
    for connection in bill.MINIMUM_KWH:
        low, high = (
            bill.conventional(kwh, connection, 858.58, flag) for kwh in (used, used + more)
        )
        assert high.net_brl >= low.net_brl
        assert low.billed_kwh >= bill.MINIMUM_KWH[connection]


@given(icms=st.floats(0, 0.4), pis_cofins=st.floats(0, 0.2))
def test_taxes_never_lower_a_price_and_the_old_formula_is_dearer(
    icms: float, pis_cofins: float
) -> None:
    new, old = (bill.tax_factor(icms, pis_cofins, f) for f in ("icms_fora_da_base", "soma"))
    assert 1 <= new <= old * (1 + 1e-12)


# ---- White tariff ------------------------------------------------------------------------


def test_the_break_even_share_at_peak_needs_only_ratios() -> None:
    """Ratios of a newspaper of 2017 as an example: 17.5 % without, 13.6 % with 10 % between."""
    assert white_tariff.break_even(PRESS_2017, 0.0) == pytest.approx(0.2 / 1.14)
    assert white_tariff.break_even(PRESS_2017, 0.1) == pytest.approx((0.2 - 0.045) / 1.14)
    assert white_tariff.break_even(PRESS_2017, 0.9) == 0.0


@given(
    share=st.floats(0, 1), peak=st.floats(1.2, 3), between=st.floats(1, 1.2), off=st.floats(0.3, 1)
)
def test_at_the_break_even_both_tariffs_cost_the_same(
    share: float, peak: float, between: float, off: float
) -> None:
    ratios = {PEAK: peak, INTERMEDIATE: between, OFF_PEAK: off}
    limit = float(white_tariff.break_even(ratios, share))
    white = limit * peak + share * between + (1 - limit - share) * off
    assert 0 <= limit <= 1 - share
    if 0 < limit < 1 - share:
        assert white == pytest.approx(1)


def test_with_rates_the_house_stands_beside_the_limit(rates: tariff_rates.Reference) -> None:
    split = split_of(hourly(tv=[1000.0] * 24), MADE_UP)
    by_day = tariff_rates.by_day(rates, MADE_UP, split["local_date"])
    costs = tariff.priced(split, by_day, MADE_UP)
    assert white_tariff.price_ratios(costs, by_day).to_dict() == pytest.approx(
        {PEAK: 2.0, INTERMEDIATE: 1.25, OFF_PEAK: 0.75}
    )
    line = white_tariff.line(costs, by_day, 0.01)
    assert line["limit_pct"].iloc[0] == pytest.approx(100 * 0.25 / 1.25)
    assert line["house_peak_pct"].iloc[0] == pytest.approx(12.5)
    numbers = indicators_tariff.of_white(costs, by_day)
    assert numbers["tarifa.branca_diferenca"].value == pytest.approx(19.2 - 18.2)
    assert numbers["tarifa.branca_sentido"].value == "a menos"


def test_without_rates_the_shares_stand_and_the_comparison_does_not() -> None:
    split = split_of(hourly(tv=[1.0] * 24))
    by_day = tariff_rates.by_day(OURS, CEMIG, split["local_date"])
    costs = tariff.priced(split, by_day, CEMIG)
    assert white_tariff.post_shares(costs).to_dict() == pytest.approx(
        {PEAK: 3 / 24, INTERMEDIATE: 2 / 24, OFF_PEAK: 19 / 24}
    )
    assert white_tariff.line(costs, by_day, 0.01).empty
    shown = {k: v.shown()["value"] for k, v in indicators_tariff.of_white(costs, by_day).items()}
    assert shown["tarifa.branca_energia"] == shown["tarifa.branca_limite_ponta"] == "—"
    assert shown["tarifa.branca_diferenca"] == shown["tarifa.branca_sentido"] == "—"
    assert shown["tarifa.convencional_energia"] == pytest.approx(24 * 858.58 / 1e6)


def test_late_reports_move_at_most_half_an_hour_over_a_limit_of_the_peak() -> None:
    hours = tariff.hourly_energy(
        frame := hourly(tv=[0.0] * 16 + [4.0, 0, 0, 6.0] + [10.0] * 4), by_increments(frame), START
    )
    assert white_tariff.peak_edge(hours, CEMIG, ZONE) == pytest.approx(0.5 * 6 / 50)


# ---- What is said and drawn --------------------------------------------------------------


def names(reference: tariff_rates.Reference, terms: Tariff, day: str) -> list[str]:
    by_day = tariff_rates.by_day(reference, terms, pd.Series([pd.Timestamp(day)]))
    return [each.name for each in tariff_findings.of_rates(reference, terms, by_day)]


def test_what_is_lacking_is_a_finding(rates: tariff_rates.Reference) -> None:
    lacking = ["tcc.tariff.no_taxes", "tcc.tariff.no_white"]
    assert names(OURS, CEMIG, "2026-03-02") == lacking
    assert names(OURS, CEMIG, "2026-12-02") == ["tcc.tariff.no_flag", *lacking]
    assert names(OURS, CEMIG, "2007-03-02") == ["tcc.tariff.no_rate"]
    assert names(OURS, Tariff(utility=""), "2026-03-02") == ["tcc.tariff.no_rate"]
    assert names(rates, MADE_UP, "2026-03-02") == []


def test_a_house_without_a_tariff_is_told_which_file_to_fill() -> None:
    by_day = tariff_rates.by_day(OURS, CEMIG, pd.Series(pd.date_range("2007-03-01", periods=3)))
    said = tariff_findings.answer(by_day, CEMIG)
    assert said.startswith("Sem tarifa para CEMIG-D, B1 Residencial em 3 dia(s) entre 1 mar. 2007")
    assert "data/reference/tariffs.csv" in said


def test_an_unverified_row_is_marked(tmp_path: Path) -> None:
    row = f"{KEY},300,500,800,2026-01-01,2026-12-31,ato,https://example.org,2026-01-01,true"
    (tmp_path / RATES).write_text(",".join(COLUMNS[RATES]) + "\n# remark\n" + row + "\n", "utf-8")
    write(tmp_path, FLAGS, "2026-03-01,verde,0")
    terms = Tariff(utility="X", consumer_class="B1")
    own = tariff_rates.load(tmp_path)
    assert "tcc.tariff.unverified" in names(own, terms, "2026-03-02")
    by_day = tariff_rates.by_day(own, terms, pd.Series([pd.Timestamp("2026-03-02")]))
    assert tariff_findings.acts(own, terms, by_day)["act_name"].tolist() == ["ato (não verificada)"]


def test_the_part_nobody_measured_is_a_finding() -> None:
    split = split_of(hourly(meter=[100.0] * 24, tv=[30.0] * 24))
    metered = tariff_findings.of_house_data(
        tariff.with_rest(split, ["meter"]), CEMIG, ["meter"], "BR"
    )
    assert [each.name for each in metered] == [
        *("tcc.tariff.unmonitored", "tcc.tariff.posts_unverified"),
    ]
    assert metered[0].data["share"] == pytest.approx(0.7)
    sure = CEMIG.model_copy(update={"posts_unverified": False})
    alone = tariff_findings.of_house_data(split, sure, [], "FR")
    assert [each.name for each in alone] == ["tcc.tariff.plugs_only", "tcc.tariff.other_country"]


def test_the_rates_in_force_are_listed_with_their_acts() -> None:
    days = pd.Series(pd.to_datetime(["2026-05-27", "2026-05-28"]))
    acts = tariff_findings.acts(OURS, CEMIG, tariff_rates.by_day(OURS, CEMIG, days))
    assert acts["act"].tolist() == ["REH 3.459/2025", "REH 3.589/2026"]
    assert acts["validity"].tolist() == ["01/01/2026 a 27/05/2026", "28/05/2026 a 27/05/2027"]
    assert acts["name"].tolist() == ["convencional"] * 2
    assert acts["act_name"].tolist() == acts["act"].tolist()
    numbers = indicators_tariff.of_terms(CEMIG, acts)
    assert numbers["tarifa.convencional"].value == "858,58 e 903,29 R$/MWh"


def test_the_profile_is_of_working_days_and_leaves_unobserved_hours_out() -> None:
    frame = hourly(tv=[1000.0] * 24 * 7)
    frame.loc[10, "alive_s"] = 600.0
    hours = tariff.hourly_energy(frame, by_increments(frame), START)
    profile = tariff.profile(hours, frame, CEMIG, ZONE)
    assert profile["days"].tolist() == [5] * 10 + [4] + [5] * 13
    assert set(profile["energy_kwh"]) == {1.0}
    assert profile["post"].iloc[15:22].tolist() == [
        *(OFF_PEAK, INTERMEDIATE, PEAK, PEAK, PEAK, INTERMEDIATE, OFF_PEAK),
    ]


@pytest.mark.parametrize("devices", [0, 1, 20])
@pytest.mark.parametrize("count", [24, 24 * 40])
def test_every_table_and_figure_stands_with_any_number_of_devices(
    devices: int, count: int, rates: tariff_rates.Reference
) -> None:
    every = hourly(d0=[1.0] * count, **{f"d{n}": [1.0 + n] * count for n in range(1, devices)})
    frame = every if devices else every.head(0)
    hours = tariff.hourly_energy(frame, by_increments(frame), START)
    split = tariff.by_post(hours, MADE_UP, ZONE)
    by_day = tariff_rates.by_day(rates, MADE_UP, split["local_date"])
    costs = tariff.priced(split, by_day, MADE_UP)
    table = tariff.by_device(costs, pd.Series(0.05, index=[f"d{n}" for n in range(20)]))
    days = bill.period_days(split["local_date"], 1)
    window = START, START + pd.Timedelta(hours=count)
    seen = tariff.coverage(frame, days, window, ZONE)
    all_days = tariff_rates.by_day(rates, MADE_UP, days)
    periods = bill.periods(costs, all_days, seen, MADE_UP, is_metered=False)
    assert len(table) == devices and len(periods) == (0 if not devices else 1 + (count > 24))
    figures = [
        plots_tariff.by_post(table),
        plots_tariff.profile(tariff.profile(hours, frame, MADE_UP, ZONE)),
        plots_tariff.bills(indicators_tariff.named(periods)),
        plots_tariff.break_even(white_tariff.line(costs, by_day, 0.02)),
    ]
    drawn = [bool(figure.axes) for figure in figures]
    assert drawn == [devices > 0] * 4


def test_coverage_is_of_the_whole_period() -> None:
    frame = hourly(tv=[1.0] * 24)
    days = pd.Series(pd.date_range("2026-03-01", "2026-03-03"))
    found = tariff.coverage(frame, days, (START, START + pd.Timedelta(hours=24)), ZONE)
    assert found["observed_s"].tolist() == [0.0, 86400.0, 0.0]
    assert found["window_s"].tolist() == [0.0, 86400.0, 0.0]
