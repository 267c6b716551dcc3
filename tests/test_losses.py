"""The loss ledger: what is gone for ever, of which device, when and why; what is at risk."""

import json
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
from pandas import DataFrame

from lib import archive, attempts, coverage, files, loss_sums, losses, plots, plots_coverage, raw
from lib.attempts import Attempt, Unanswered
from lib.config import Config
from lib.journal import Journal, Window
from lib.loss_causes import CAUSES
from lib.paths import Paths
from lib.times import iso, stamp
from tests.rows import at, build, event, report

CONFIG = Config()  # the cloud forgets after seven days
HOUR = timedelta(hours=1)
PLUG = "plug01"


def listed(store: Paths, when: str, *devices: str | dict[str, Any]) -> None:
    """An archived device list, as it holds from an instant on."""
    known = [{"id": d, "name": d.title()} if isinstance(d, str) else d for d in devices]
    name = f"{stamp(at(when))}_devices.json"
    files.write_text(store.registry / "devices" / name, json.dumps(known))


def answered(
    store: Paths, start: str, end: str, asked: str = "", *, device: str = PLUG, **more: Any
) -> None:
    """A window that was asked, at its end where nothing else is said, and kept."""
    given = {"complete": True, "pages": 1, "rows": []} | more
    window = Window(device, at(start), at(end))
    raw.write_window(
        store,
        window,
        given.pop("rows"),
        asked_at=at(asked or end),
        ingested_by="tcc/0",
        **given,
    )


def begun(store: Paths, *devices: str) -> None:
    """A store that holds all of its devices up to the 8th, 0h00."""
    listed(store, "08", *devices)
    for device in devices:
        answered(store, "01", "08", device=device)


def tried(store: Paths, when: str, *unanswered: Unanswered, stopped: str = "", **more: Any) -> None:
    """A collection, with what it went without."""
    numbers = {"planned": len(unanswered), "confirmed": 0, "rows": 0, "calls": 1}
    attempts.append(
        store, Attempt(at=at(when), unanswered=unanswered, stopped=stopped, **numbers, **more)
    )


def without(start: str, end: str, cause: str, code: int | None = None, device: str = PLUG) -> Any:
    return Unanswered(device, at(start), at(end), cause, code)


def ledger(store: Paths, now: str) -> list[tuple[str, str, str, str]]:
    """The ledger in short: device, start and end by day and hour, cause."""
    found = losses.ledger(store, CONFIG, now=at(now))
    return [
        (row.device_id, f"{row.lost_start:%d %H:%M}", f"{row.lost_end:%d %H:%M}", row.cause)
        for row in found.itertuples()
    ]


# ---- What expired unread -----------------------------------------------------------------


def test_of_an_outage_of_nine_days_exactly_the_first_two_are_lost(store: Paths) -> None:
    begun(store, PLUG, "plug02")
    tried(store, "08")
    tried(store, "17")
    for device in (PLUG, "plug02"):
        answered(store, "09 23:00", "17", device=device)
    found = losses.ledger(store, CONFIG, now=at("18"))
    assert found[["device_id", "device_name", "kind", "cause"]].to_numpy().tolist() == [
        [PLUG, "Plug01", "expired", "collector down"],
        ["plug02", "Plug02", "expired", "collector down"],
    ]
    assert set(found["lost_start"]) == {at("08")}
    assert set(found["lost_end"]) == {at("10")}
    assert found["lost_s"].tolist() == [2 * 86400.0] * 2
    assert list(found.columns) == list(losses.COLUMNS)


def test_nothing_is_lost_while_the_cloud_still_holds_it(store: Paths) -> None:
    begun(store, PLUG)
    assert ledger(store, "15") == []
    assert ledger(store, "15 06:00") == [(PLUG, "08 00:00", "08 06:00", "collector down")]


def test_a_store_in_which_nothing_is_lost_gives_an_empty_ledger_with_types(store: Paths) -> None:
    found = losses.ledger(store, CONFIG, now=at("12"))
    assert list(found.columns) == list(losses.COLUMNS)
    assert found["lost_s"].sum() == 0
    assert str(found["lost_start"].dtype) == "datetime64[us, UTC]"


def test_what_the_cloud_held_when_a_device_was_first_listed_was_to_be_read(store: Paths) -> None:
    listed(store, "08", PLUG)
    tried(store, "08", without("01", "08", "SourceUnavailable", 500))
    answered(store, "02", "09")
    assert ledger(store, "20")[0] == (PLUG, "01 00:00", "02 00:00", "API error")


def test_before_its_activation_a_device_lost_nothing(store: Paths) -> None:
    paired = {"id": PLUG, "name": "A", "active_time": int(at("07").timestamp())}
    listed(store, "08", paired)
    answered(store, "07 12:00", "14", "14 12:00")
    assert ledger(store, "20") == [(PLUG, "07 00:00", "07 12:00", "collector down")]
    impossible = paired | {"active_time": int(at("30").timestamp())}
    listed(store, "08", impossible)
    assert ledger(store, "20")[0][1:3] == ("01 00:00", "07 12:00")


def test_a_device_that_left_the_list_loses_nothing_more(store: Paths) -> None:
    begun(store, PLUG, "plug02")
    listed(store, "09", "plug02")
    assert ledger(store, "17") == [
        (PLUG, "08 00:00", "09 00:00", "collector down"),
        ("plug02", "08 00:00", "10 00:00", "collector down"),
    ]


@pytest.mark.parametrize(
    ("words", "lost"),
    [
        ({}, ["08 00:00", "10 00:00"]),
        ({"left": iso(at("09"))}, ["08 00:00", "09 00:00"]),
        ({"followed": False}, ["08 00:00", "08 12:00"]),
    ],
)
def test_a_device_is_expected_until_it_left_or_nobody_follows_it(
    store: Paths, words: dict[str, Any], lost: list[str]
) -> None:
    begun(store, PLUG)
    listed(store, "08 12:00", {"id": PLUG, "name": "A"} | words)
    assert [row[1:3] for row in ledger(store, "17")] == [(lost[0], lost[1])]


def test_a_device_that_is_only_named_and_never_answered_has_nothing_to_lose(store: Paths) -> None:
    listed(store, "08", {"id": PLUG, "unlisted": True}, {"id": "plug02", "unlisted": True})
    answered(store, "01", "08", device="plug02")
    assert ledger(store, "16") == [("plug02", "08 00:00", "09 00:00", "collector down")]
    assert losses.at_risk(store, CONFIG, now=at("16"))["device_id"].unique().tolist() == ["plug02"]


def test_a_window_cut_short_is_lost_but_says_that_rows_of_it_are_kept(store: Paths) -> None:
    begun(store, PLUG)
    rows = [report("08 01:00", "cur_power", "5")]
    answered(store, "08", "09", rows=rows, complete=False)
    tried(store, "09", without("08", "09", "TruncatedPull"))
    answered(store, "09", "16")
    (row,) = losses.ledger(store, CONFIG, now=at("20")).itertuples()
    assert (row.lost_s, row.cause) == (86400, "API error")
    assert row.detail == (
        f"TruncatedPull, last at {iso(at('09'))}; rows of answers cut short are kept"
    )


# ---- Why ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "cause"),
    [
        ("quota", None, "quota"),
        ("SourceRejected", 28841004, "quota"),
        ("SourceRejected", 28841002, "account expired"),
        ("SourceUnavailable", 500, "API error"),
        ("DeviceRejected", 1106, "API error"),
        ("OutOfTime", None, "deadline"),
        ("deadline", None, "deadline"),
        ("interrupted", None, "collector down"),
    ],
)
def test_the_last_collection_that_went_without_it_decides(
    store: Paths, error: str, code: int | None, cause: str
) -> None:
    begun(store, PLUG)
    tried(store, "08 01:00", without("08", "08 01:00", "SourceUnavailable", 501))
    tried(store, "08 02:00", without("08", "08 02:00", error, code))
    answered(store, "08 02:00", "09")
    (row,) = losses.ledger(store, CONFIG, now=at("20 00:00")).iloc[:1].itertuples()
    assert (row.lost_start, row.lost_end) == (at("08"), at("08 02:00"))
    assert row.cause == cause
    assert (row.code if code else None) == code
    assert row.detail == f"{error}, last at {iso(at('08 02:00'))}"


def test_an_error_met_hour_after_hour_is_one_row_with_its_last_instant(store: Paths) -> None:
    begun(store, PLUG)
    for hour in range(1, 24 * 9):
        now = at("08") + hour * HOUR
        own = Unanswered(PLUG, max(at("08"), now - 169 * HOUR), now, "SourceRejected", 28841002)
        attempts.append(store, Attempt(now, 1, 0, 0, 1, (own,), "SourceRejected", 28841002))
    (row,) = losses.ledger(store, CONFIG, now=at("17")).itertuples()
    assert (row.lost_start, row.lost_end) == (at("08"), at("10"))
    assert (row.cause, row.code) == ("account expired", 28841002)
    assert row.detail.endswith(iso(at("16 23:00")))


def test_a_span_that_two_causes_explain_is_cut_where_they_change(store: Paths) -> None:
    begun(store, PLUG, "plug02")
    tried(store, "08 12:00", without("08", "08 12:00", "quota"))
    tried(store, "18")
    answered(store, "11", "18")
    answered(store, "11", "18", device="plug02")
    assert ledger(store, "19") == [
        (PLUG, "08 00:00", "08 12:00", "quota"),
        ("plug02", "08 00:00", "08 11:57", "unknown"),
        ("plug02", "08 11:57", "11 00:00", "collector down"),
        (PLUG, "08 12:00", "11 00:00", "collector down"),
    ]


def test_only_collections_that_could_still_read_it_count(store: Paths) -> None:
    """What failed after the cloud had forgotten the span is not its cause."""
    begun(store, PLUG)
    tried(store, "16", without("08", "16", "SourceUnavailable", 500))
    answered(store, "09 12:00", "16", "16 12:00")
    assert ledger(store, "17") == [
        (PLUG, "08 00:00", "09 00:00", "collector down"),
        (PLUG, "09 00:00", "09 12:00", "API error"),
    ]


def test_a_collection_that_ended_early_explains_what_it_did_not_reach(store: Paths) -> None:
    begun(store, PLUG)
    tried(store, "08 06:00", stopped="SourceRejected", code=28841002)
    answered(store, "08 06:00", "09")
    assert ledger(store, "16")[0] == (PLUG, "08 00:00", "08 06:00", "account expired")


def test_a_refused_device_explains_all_that_was_left_of_it(store: Paths) -> None:
    """A refusal is of the device: whatever could be read of it then was refused."""
    begun(store, PLUG)
    refused = without("08", "08 01:00", "DeviceRejected", 1106)
    tried(store, "09", refused)
    answered(store, "09", "10")
    assert ledger(store, "16 12:00") == [(PLUG, "08 00:00", "09 00:00", "API error")]


@pytest.mark.parametrize(("asked", "cause"), [("08 12:00", "unknown"), ("", "collector down")])
def test_without_a_record_the_journal_says_only_whether_anybody_asked(
    store: Paths, asked: str, cause: str
) -> None:
    begun(store, PLUG, "plug02")
    if asked:
        answered(store, "08", "08 11:00", asked, device="plug02")
    answered(store, "08 11:00", "15 11:00", "15 11:00")
    assert ledger(store, "16")[0] == (PLUG, "08 00:00", "08 11:00", cause)


def test_a_raw_file_that_went_bad_too_late_is_the_cause(store: Paths) -> None:
    begun(store, PLUG)
    answered(store, "08", "09")
    answered(store, "09", "16", "16 00:00")
    entry = Journal(store.journal).all()[1]
    raw.take_back(store, entry)
    (row,) = losses.ledger(store, CONFIG, now=at("20")).iloc[:1].itertuples()
    assert (row.lost_start, row.lost_end, row.cause) == (at("08"), at("09"), "bad file")
    assert row.detail == entry.file


def test_a_bad_file_is_not_blamed_on_a_reconciliation_that_failed(store: Paths) -> None:
    begun(store, PLUG)
    answered(store, "08", "09")
    answered(store, "09", "16", "16 00:00")
    tried(store, "10", without("08", "09", "SourceUnavailable", 500))
    raw.take_back(store, Journal(store.journal).all()[1])
    assert ledger(store, "20") == [(PLUG, "08 00:00", "09 00:00", "bad file")]


def test_a_device_that_left_and_came_back_lost_nothing_in_between(store: Paths) -> None:
    begun(store, PLUG, "plug02")
    answered(store, "08", "09")
    answered(store, "08", "30", device="plug02")
    listed(store, "09", {"id": PLUG, "name": "A", "left": iso(at("09"))}, "plug02")
    listed(store, "26", PLUG, "plug02")
    answered(store, "19", "26", "26 00:00")
    answered(store, "26", "30")
    assert [row[1:3] for row in ledger(store, "30") if row[0] == PLUG] == []


def test_what_expired_within_the_last_day_is_told_by_device(store: Paths) -> None:
    begun(store, PLUG, "plug02")
    answered(store, "08", "17", "17 00:00", device="plug02")
    answered(store, "10", "17", "17 00:00")
    for now, hours in (("15", 0), ("15 06:00", 6), ("17", 48), ("17 23:00", 48), ("18 01:00", 0)):
        gone = losses.newly_expired(store, CONFIG, now=at(now))
        own = gone.get(PLUG, [])
        assert sum((b - a).total_seconds() / 3600 for a, b in own) == hours, now


# ---- What heals it, and what cannot be lost ----------------------------------------------


def test_an_archive_imported_later_heals_the_ledger(store: Paths, tmp_path: Any) -> None:
    begun(store, PLUG)
    answered(store, "09", "17")
    assert ledger(store, "17") == [(PLUG, "08 00:00", "10 00:00", "collector down")]
    rows = [report(f"{day} {hour:02d}:00", "cur_power", "5") for day in (8, 9) for hour in (6, 18)]
    file = tmp_path / "found.json"
    file.write_text(json.dumps(rows))
    archive.import_file(store, file, device_id=PLUG, now=at("17"), ingested_by="tcc/0")
    assert ledger(store, "17") == [
        (PLUG, "08 00:00", "08 06:00", "collector down"),
        (PLUG, "09 18:00", "10 00:00", "collector down"),
    ]


def test_an_old_archive_of_a_device_that_no_list_names_loses_nothing_after_it(
    store: Paths, tmp_path: Any
) -> None:
    file = tmp_path / "old.json"
    file.write_text(json.dumps([report("02 06:00", "cur_power", "5")]))
    archive.import_file(store, file, device_id="gone01", now=at("20"), ingested_by="tcc/0")
    assert ledger(store, "30") == []


def test_offline_and_silent_time_is_kept_apart_from_what_expired(store: Paths) -> None:
    begun(store, PLUG)
    rows = [
        *(report("08 01:00", "cur_power", "5"), event("08 02:00", 2), event("08 05:00", 1)),
        report("08 05:00", "cur_power", "5"),
    ]
    answered(store, "08", "09", rows=rows)
    build(store, CONFIG)
    found = losses.ledger(store, CONFIG, now=at("10"))
    assert found[["kind", "cause"]].to_numpy().tolist() == [
        ["not logged", "device offline"],
        ["not logged", "silence"],
    ]
    assert found["lost_s"].tolist() == [3 * 3600.0, 16 * 3600.0]
    later = losses.ledger(store, CONFIG, now=at("17"))
    assert later["kind"].tolist() == ["not logged", "not logged", "expired"]


# ---- At risk -----------------------------------------------------------------------------


def test_unread_spans_are_at_risk_with_the_hours_that_are_left(store: Paths) -> None:
    begun(store, PLUG)
    answered(store, "09", "11")
    found = losses.at_risk(store, CONFIG, now=at("12"))
    assert found["risk_start"].tolist() == [at("08"), at("11")]
    assert found["risk_end"].tolist() == [at("09"), at("12") - timedelta(seconds=120)]
    assert found["expires_h"].tolist() == [72, 144]
    assert found["risk_s"].tolist() == [86400, 86400 - 120]
    assert losses.ledger(store, CONFIG, now=at("12")).empty
    assert losses.at_risk(store, CONFIG, now=at("15 12:00"))["expires_h"].min() == 0


# ---- Sums, findings, drawing -------------------------------------------------------------


@pytest.fixture
def lost(store: Paths) -> DataFrame:
    """Two devices: both lost two days to an outage, one an hour to the quota."""
    begun(store, PLUG, "plug02")
    tried(store, "08")
    for device in (PLUG, "plug02"):
        answered(store, "10", "17", device=device)
    tried(store, "17 01:00", without("17", "17 01:00", "quota"))
    answered(store, "17 01:00", "18")
    answered(store, "17", "18", device="plug02")
    return losses.ledger(store, CONFIG, now=at("25"))


def test_sums_by_cause_name_every_cause_and_add_up(lost: DataFrame) -> None:
    sums = loss_sums.by_cause(lost)
    assert len(sums) == sum(map(len, CAUSES.values())) == len(loss_sums.CAUSE_NAMES)
    assert sums["lost_h"].sum() == lost["lost_s"].sum() / 3600 == 97
    by_name = sums.set_index("cause_name")
    assert by_name.loc["coletor parado", ["windows", "devices", "lost_h"]].tolist() == [2, 2, 96]
    assert by_name.loc["cota de chamadas esgotada", "lost_h"] == 1
    assert by_name.loc["dispositivo em silêncio", ["windows", "lost_h"]].tolist() == [0, 0]


def test_devices_that_lost_the_same_span_are_one_window(lost: DataFrame) -> None:
    shown = loss_sums.windows(lost, "America/Sao_Paulo")
    assert shown[["devices", "lost_h"]].to_numpy().tolist() == [[2, 96], [1, 1]]
    assert shown["start_text"].tolist() == ["7 mar. 2026, 21h00", "16 mar. 2026, 21h00"]
    assert loss_sums.longest(shown)["lost_start"].tolist() == [at("08"), at("17")]
    assert loss_sums.by_device(lost)["expired_h"].tolist() == [49, 48]


def test_lost_hours_fall_on_local_days_that_may_have_23_or_25_hours(lost: DataFrame) -> None:
    days = loss_sums.by_day(lost, "America/Sao_Paulo")
    own = days[days["device_id"] == PLUG].set_index("local_date")["lost_h"]
    assert own.to_dict() == {
        pd.Timestamp(2026, 3, 7): 3,
        pd.Timestamp(2026, 3, 8): 24,
        pd.Timestamp(2026, 3, 9): 21,
        pd.Timestamp(2026, 3, 16): 1,
    }
    spring = lost.assign(lost_start=at("28"), lost_end=at("30 12:00"), kind="expired")[:1]
    assert loss_sums.by_day(spring, "Europe/Berlin")["lost_h"].tolist() == [23, 23, 14]


def test_the_findings_say_what_is_lost_and_what_soon_will_be(store: Paths, lost: DataFrame) -> None:
    risk = losses.at_risk(store, CONFIG, now=at("20"))
    found = loss_sums.findings(lost, risk, 121)
    assert [(f.name, f.data["windows"]) for f in found] == [
        ("tcc.losses.expired", 3),
        ("tcc.losses.at_risk", 3),
    ]
    assert found[0].data["hours"] == 97
    assert found[1].data["expires_h"] == 96
    assert "coletor parado, cota de chamadas esgotada" in found[0].text
    assert loss_sums.findings(lost[:0], risk, 1) == []


def test_sums_of_nothing_are_zeros(store: Paths) -> None:
    nothing = losses.ledger(store, CONFIG, now=at("12"))
    assert loss_sums.by_cause(nothing)["lost_h"].sum() == 0
    assert loss_sums.windows(nothing, "UTC").empty
    assert loss_sums.longest(loss_sums.windows(nothing, "UTC")).empty
    assert loss_sums.by_device(nothing).empty
    assert loss_sums.by_day(nothing, "UTC").empty


def daily(*rows: tuple[str, int, float]) -> DataFrame:
    """Days of March of devices, with the share of each that was observed."""
    frame = DataFrame(rows, columns=["device_id", "day", "coverage"])
    days = [pd.Timestamp(2026, 3, day) for day in frame["day"]]
    named = frame.assign(device_name=frame["device_id"].str.title(), local_date=days)
    return named.assign(alive_s=frame["coverage"] * 86400)


def test_the_calendar_has_every_day_of_a_device_from_its_first_on(lost: DataFrame) -> None:
    own = daily(("plug01", 7, 1.0), ("plug01", 10, 0.95), ("plug03", 9, 0.4))
    window = at("07"), at("11")
    cells = coverage.calendar(own, loss_sums.by_day(lost[:1], "UTC"), window, "UTC")
    shown = cells.set_index(["device_id", cells["local_date"].dt.day])
    assert shown["coverage"]["plug01"].to_dict() == {7: 1.0, 8: 0.0, 9: 0.0, 10: 0.95}
    assert shown["lost_h"]["plug01"].to_dict() == {7: 0, 8: 24, 9: 24, 10: 0}
    assert shown["coverage"]["plug03"].to_dict() == {9: 0.4, 10: 0.0}
    nothing = coverage.calendar(own[:0], loss_sums.by_day(lost[:0], "UTC"), window, "UTC")
    assert nothing.empty


def test_of_a_day_that_the_window_cuts_the_calendar_counts_the_part_inside() -> None:
    own = daily(("a", 7, 0.25), ("a", 8, 1.0), ("a", 9, 0.125))
    none = loss_sums.by_day(DataFrame(columns=[*losses.COLUMNS]), "UTC")
    cells = coverage.calendar(own, none, (at("07 21:00"), at("09 09:00")), "America/Sao_Paulo")
    assert cells["coverage"].tolist() == [1.0, 1.0, 0.5]


def test_the_calendar_hatches_runs_of_days_with_lost_hours() -> None:
    cells = daily(*[("a", day, 1.0) for day in range(1, 9)], ("b", 5, 0.5), ("b", 6, 0.0))
    cells = cells.assign(lost_h=[0, 0, 3, 24, 1, 0, 0, 2, 0, 0])
    figure = plots_coverage.calendar(cells)
    hatched = [p for p in figure.axes[0].patches if p.get_hatch()]
    assert [p.get_width() for p in hatched] == [3.0, 1.0]
    labels = [text.get_text() for text in figure.legends[0].texts]
    assert {"sem registro", "com horas perdidas"} < set(labels) and len(labels) == 7
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["A", "B"]


def test_the_calendar_of_many_devices_and_days_stays_one_page_and_says_how_many_it_joins() -> None:
    many = daily(*[(f"p{n:02d}", day, 0.9) for n in range(45) for day in range(1, 31)])
    figure = plots_coverage.calendar(many.assign(lost_h=0.0))
    names = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert (len(names), names[-1]) == (plots_coverage.MOST_ROWS, "outros (16)")
    assert figure.get_figheight() / figure.get_figwidth() <= plots_coverage.TALLEST
    assert plots_coverage.calendar(DataFrame()).texts[0].get_text() == plots.NO_DATA


def test_rows_tell_how_long_they_were_on_their_way(store: Paths) -> None:
    rows = [report(f"02 {hour:02d}:00", "cur_power", str(hour)) for hour in (0, 6, 12)]
    answered(store, "02", "03", "03", rows=rows)
    answered(store, "02", "03", "04", rows=rows)
    build(store, CONFIG)
    late = coverage.latency(store)
    assert late["device_id"].fillna("all").tolist() == [PLUG, "all"]
    assert late.iloc[-1][["rows", "median_h", "max_h"]].tolist() == [3, 18, 24]
    assert coverage.received(store) == 6
    assert coverage.latency(Paths.at(store.data / "none")).empty
