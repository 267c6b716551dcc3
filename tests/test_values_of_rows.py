"""What the values of rows become: texts kept, finite numbers or none, phases decoded."""

import base64
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lib import files, marts, staged_date, staging, warehouse
from lib.config import Config, Device
from lib.datapoints import FACTORS, KNOWN
from lib.paths import Paths
from lib.raw import Row
from lib.staging_files import Raw
from lib.times import stamp
from tests.rows import CONFIG, at, build, contents, keep, report, staged, table

LONG = "x" * 1_000_000
ODD: list[tuple[Any, str, float | None]] = [  # of cur_power: whole numbers of 0.1 W
    ("853", "853", 85.3),
    (853, "853", 85.3),
    ("-7", "-7", -0.7),
    ("007", "007", 0.7),
    ("-0", "-0", 0.0),
    (2**64, "18446744073709551616", 2**64 / 10),
    ("9" * 30, "9" * 30, float("9" * 30) / 10),
    ("9" * 400, "9" * 400, None),
    ("-" + "9" * 400, "-" + "9" * 400, None),
    *((text, text, None) for text in ("85.3", "853.0", "1e3", "1e400", "5.", ".5", "1d", "-")),
    *((text, text, None) for text in ("NaN", "nan", "inf", "-Infinity", "0x1F", "0b11")),
    *((text, text, None) for text in ("1_000", "1,000", "1.000,5", "1 000", "+5", "--5")),
    *((text, text, None) for text in (" 12", "12 ", "12\n", "\t12", " ", "", "٣", "１２", "a\0b")),
    *((text, text, None) for text in ("many", "true", LONG)),
    (853.5, "853.5", None),
    (math.nan, "NaN", None),
    (math.inf, "Infinity", None),
    (True, "true", None),
    ({"h": 1, "s": [2.5, "é"]}, '{"h":1,"s":[2.5,"é"]}', None),
    ([1, "2"], '[1,"2"]', None),
    ([], "[]", None),
]


def specify(store: Paths, when: str, device: str = "plug01", **codes: tuple[str, Any]) -> None:
    """Archive a device's specification: code=(type, values)."""
    items = [
        {"code": code, "type": kind, "values": json.dumps(values)}
        for code, (kind, values) in codes.items()
    ]
    name = f"{stamp(at(when))}_specification.json"
    text = json.dumps({"category": "cz", "functions": [], "status": items})
    files.write_text(store.registry / device / name, text)


def power(scale: int) -> tuple[str, Any]:
    return ("Integer", {"unit": "W", "scale": scale, "min": 0, "max": 50_000})


def minutes(values: list[Any], code: str = "cur_power") -> list[Row]:
    """One row a minute."""
    return [report(f"10 {n // 60:02d}:{n % 60:02d}", code, value) for n, value in enumerate(values)]


def numbers(store: Paths) -> list[float | None]:
    return [None if pd.isna(number) else float(number) for number in staged(store)["value_num"]]


def test_a_value_keeps_its_text_and_its_number_is_finite_or_none(store: Paths) -> None:
    keep(store, minutes([value for value, _, _ in ODD]))
    assert staging.run(store, CONFIG).quarantined == []
    assert staged(store)["value"].tolist() == [text for _, text, _ in ODD]
    assert numbers(store) == [number for _, _, number in ODD]


@settings(max_examples=15, deadline=None)
@given(values=st.lists(st.one_of(st.text(max_size=12), st.floats().map(str)), min_size=1))
def test_any_text_is_kept_and_only_digits_are_a_number(
    tmp_path_factory: pytest.TempPathFactory, values: list[str]
) -> None:
    store = Paths.at(tmp_path_factory.mktemp("any"))
    texts = [value.encode(errors="replace").decode() for value in values]
    keep(store, minutes(texts[:1400]))
    staging.run(store, CONFIG)
    assert staged(store)["value"].tolist() == texts
    digits = [t.removeprefix("-") for t in texts]
    assert numbers(store) == [
        int(text) / 10 if digit.isascii() and digit.isdigit() else None
        for text, digit in zip(texts, digits, strict=True)
    ]


def test_a_number_with_a_point_is_one_where_the_specification_says_float(store: Paths) -> None:
    specify(store, "1", level=("Float", {"unit": "V", "scale": 0}))
    texts = ["12.5", "-3", "1e3", "2.5E-1", "1e400", "NaN", "12.", " 1", "+1"]
    keep(store, minutes(texts, "level"))
    staging.run(store, CONFIG)
    assert numbers(store) == [12.5, -3.0, 1000.0, 0.25, None, None, None, None, None]


def test_a_number_that_overflows_only_by_its_scale_is_none(store: Paths) -> None:
    specify(store, "1", level=("Integer", {"unit": "V", "scale": -9}))
    keep(store, minutes(["1", "9" * 305], "level"))
    staging.run(store, CONFIG)
    assert numbers(store) == [1e9, None]


def test_rows_without_code_or_value_are_kept_without_a_number(store: Paths) -> None:
    rows = [report("10 10:00", "cur_power", None)]
    rows += [report("10 10:01", "", "1") | {"code": None}]
    rows += [report("10 10:02", "cur_power", "1") | {"value": None}]
    keep(store, rows)
    found = {f.name: f.data for f in staging.run(store, CONFIG).findings}
    assert found["tcc.staging.incomplete"]["rows"] == 3
    assert staged(store)["code"].fillna("-").tolist() == ["cur_power", "-", "cur_power"]
    assert staged(store)["value"].fillna("-").tolist() == ["-", "1", "-"]
    assert numbers(store) == [None, None, None]


def test_texts_where_a_number_belongs_are_counted_for_each_device_and_code(store: Paths) -> None:
    keep(store, minutes(["853", "85.3", "NaN"]) + minutes(["on"], "switch_1"))
    keep(store, minutes(["many", "1"], "cur_voltage"), device="plug02")
    staging.run(store, CONFIG)
    with warehouse.connect() as connection:
        staged_date.prepare(connection, store, CONFIG)
        found = staged_date.build(connection, Raw(store), "2026-03-10").misfits
    assert sorted(found) == [
        ("plug01", "cur_power", 2, "85.3"),
        ("plug02", "cur_voltage", 1, "many"),
    ]


@pytest.mark.parametrize(
    ("code", "values", "expected"),
    [
        ("switch_1", ["true", "False", True, "on", "1"], [1.0, 0.0, 1.0, None, None]),
        ("fault", ["0", 5, "x"], [0.0, 5.0, None]),
        ("work_mode", ["white", "colour"], [None, None]),
        ("relay_status", ["0", "last"], [None, None]),
        ("colour_data_v2", ['{"h":1}', {"h": 1}], [None, None]),
        ("phase_a", ["CP0ABNIAARw="], [None]),
    ],
)
@pytest.mark.parametrize("specified", [True, False])
def test_only_booleans_bit_masks_and_numbers_have_a_number(
    store: Paths, code: str, values: list[Any], expected: list[float | None], specified: bool
) -> None:
    kinds = {"switch_1": "Boolean", "fault": "Bitmap", "phase_a": "Raw", "colour_data_v2": "Json"}
    if specified:
        specify(store, "1", **{code: (kinds.get(code, "Enum"), {})})
    keep(store, minutes(values, code))
    staging.run(store, CONFIG)
    assert numbers(store) == expected


def test_a_specification_holds_from_its_very_instant_on(store: Paths) -> None:
    specify(store, "5", cur_power=power(1))
    specify(store, "11 12:00", cur_power=power(2))
    start = report("11 12:00", "cur_power", "853")
    stamps = [start["event_time"] + after_ms for after_ms in (-1, 0, 1)]
    keep(store, [start | {"event_time": stamp_ms} for stamp_ms in stamps])
    staging.run(store, CONFIG)
    assert numbers(store) == [85.3, 8.53, 8.53]


def test_a_device_paired_again_has_another_id_and_its_own_specification(store: Paths) -> None:
    specify(store, "1", "plug01", cur_power=power(1))
    specify(store, "12", "plug02", cur_power=power(2))
    keep(store, [report("10 12:00", "cur_power", "853")], device="plug01")
    keep(store, [report("11 12:00", "cur_power", "853")], device="plug02")
    names = tuple(Device(id=device, name="Geladeira") for device in ("plug01", "plug02"))
    staging.run(store, CONFIG.model_copy(update={"devices": names}))
    assert numbers(store) == [85.3, 8.53]
    assert staged(store)["device_name"].tolist() == ["Geladeira", "Geladeira"]
    assert staged(store)["device_id"].tolist() == ["plug01", "plug02"]


def test_a_device_renamed_keeps_its_numbers(store: Paths) -> None:
    def named(name: str) -> Config:
        return CONFIG.model_copy(update={"devices": (Device(id="plug01", name=name),)})

    specify(store, "1", cur_power=power(2))
    keep(store, [report("10 12:00", "cur_power", "853"), report("11 12:00", "cur_power", "853")])
    staging.run(store, named("Geladeira"))
    staging.run(store, named("Freezer"))
    assert numbers(store) == [8.53, 8.53]
    assert staged(store)["device_name"].tolist() == ["Freezer", "Freezer"]


def phases_of(folder: Path, values: list[str]) -> list[tuple[float | None, float | None]]:
    """Voltage and power that the marts read in each text. [V, W]"""
    times = pd.to_datetime(range(len(values)), unit="ms", utc=True)
    texts = {"code": "phase_a", "event_time": times, "event_id": 7, "value": values}
    same = {"device_id": "meter1", "device_name": "Medidor", "value_num": math.nan, "unit": "V"}
    file = folder / "data_0.parquet"
    pd.DataFrame(texts | same).to_parquet(file, index=False)
    codes = [(c, point.quantity, point.kind) for c, point in KNOWN.items()]
    with warehouse.connect() as connection:
        connection.register("codes", pd.DataFrame(codes, columns=["code", "quantity", "kind"]))
        connection.register("units", pd.DataFrame(FACTORS.items(), columns=["unit", "factor"]))
        warehouse.run(connection, "marts_inputs", {"partition": [str(file)]})
        query = "SELECT epoch_ms(event_time), voltage_v, power_w FROM phases"
        found = {ms: (volts, watts) for ms, volts, watts in connection.execute(query).fetchall()}
    return [found.get(n, (None, None)) for n in range(len(values))]


def eight(volts: float, amperes: float, watts: float) -> str:
    """A phase as a meter sends it: 0.1 V, mA and W."""
    parts = ((round(volts * 10), 2), (round(amperes * 1000), 3), (round(watts), 3))
    return base64.b64encode(b"".join(n.to_bytes(size, "big") for n, size in parts)).decode()


@pytest.mark.parametrize(
    ("text", "volts", "watts"),
    [
        ("CP0ABNIAARw=", 230.1, 284.0),
        ("CSIAFfQABKE=", 233.8, 1185.0),
        ("CR8ADjAAAtw=", 233.5, 732.0),
        ("AAAAAAAAAAA=", 0.0, 0.0),
        ("//////////8=", 6553.5, 16_777_215.0),
        ('{"electricCurrent":599.552,"power":6.912,"voltage":52.7}', 52.7, 6912.0),
        ('{"power":-1,"voltage":230}', 230.0, -1000.0),
        ('{"voltage":230.1}', 230.1, None),
    ],
)
def test_a_phase_is_read_as_the_reference_says(
    tmp_path: Path, text: str, volts: float, watts: float | None
) -> None:
    (found,) = phases_of(tmp_path, [text])
    assert found == (volts, watts)


@settings(max_examples=20, deadline=None)
@given(values=st.lists(st.binary(min_size=8, max_size=8), min_size=1, max_size=200))
@example(values=[bytes(8), bytes([255]) * 8, bytes([128]) + bytes(7), bytes(7) + bytes([1])])
def test_any_eight_bytes_are_what_python_says(
    tmp_path_factory: pytest.TempPathFactory, values: list[bytes]
) -> None:
    texts = [base64.b64encode(value).decode() for value in values]
    assert phases_of(tmp_path_factory.mktemp("eight"), texts) == [
        (int.from_bytes(value[:2], "big") / 10, float(int.from_bytes(value[5:], "big")))
        for value in values
    ]


@settings(max_examples=20, deadline=None)
@given(values=st.lists(st.binary(max_size=20).filter(lambda b: len(b) != 8), min_size=1))
def test_other_lengths_stay_unread(
    tmp_path_factory: pytest.TempPathFactory, values: list[bytes]
) -> None:
    texts = [base64.b64encode(value).decode() for value in values]
    nothing = [(None, None)] * len(texts)
    assert phases_of(tmp_path_factory.mktemp("others"), texts) == nothing


@settings(max_examples=20, deadline=None)
@given(values=st.lists(st.text(max_size=16).map(lambda t: t.replace("\0", "")), min_size=1))
@example(
    values=["{", "{}", '{"voltage":', '{"voltage":1e400,"power":1e400}', "[230.1]", "CP0ABNIAARw"]
)
@example(values=['{"voltage":"230","power":" 1"}', '{"voltage":null,"power":true}', "CP0ABNIA-Rw="])
@example(
    values=["CP0ABNIAARw= ", "CP0ABNIAARw=\n", "08FD0004D200011C", '{"Voltage":1,"x":{"power":1}}']
)
def test_what_is_no_phase_stays_unread_and_stops_nothing(
    tmp_path_factory: pytest.TempPathFactory, values: list[str]
) -> None:
    texts = [value.encode(errors="replace").decode() for value in values]
    nothing = [(None, None)] * len(texts)
    assert phases_of(tmp_path_factory.mktemp("words"), texts) == nothing


def ms_after(row: Row, ms: int) -> Row:
    return row | {"event_time": row["event_time"] + ms}


def three(when: str, a: float, b: float, c: float, apart_ms: int = 200) -> list[Row]:
    """One report of a three-phase meter: the power of each phase. [W]"""
    codes = zip(("phase_a", "phase_b", "phase_c"), (a, b, c), strict=True)
    return [
        ms_after(report(when, code, eight(220 + n, 1, watts)), n * apart_ms)
        for n, (code, watts) in enumerate(codes)
    ]


def energy_wh(store: Paths) -> float:
    """The integral of power over everything."""
    return float(table(store, "energy_hourly")["energy_wh_integral"].sum())


@pytest.mark.parametrize("apart_ms", [0, 200, 1000])
def test_the_power_of_a_meter_is_the_sum_of_its_phases(store: Paths, apart_ms: int) -> None:
    rows = three("10 10:00", 100, 200, 300, apart_ms) + three("10 11:00", 0, 0, 0, apart_ms)
    keep(store, rows)
    build(store)
    assert energy_wh(store) == pytest.approx(600)
    assert table(store, "energy_hourly")["power_w_max"].max() == 600
    volts = table(store, "voltage_10min")["voltage_v"]
    assert volts.unique().tolist() == [220.0]  # phase a alone


def test_phases_further_apart_or_missing_or_unread_are_no_power(store: Paths) -> None:
    keep(store, three("10 10:00", 100, 200, 300, apart_ms=1100))  # c is 2.2 s after a
    keep(store, three("10 11:00", 100, 200, 300)[:2])  # c does not come
    odd = three("10 12:00", 100, 200, 300)
    odd[1] |= {"value": base64.b64encode(bytes(15)).decode()}
    keep(store, odd)
    build(store)
    assert energy_wh(store) == 0
    assert table(store, "energy_hourly")["power_s"].sum() == 0
    assert len(table(store, "voltage_10min")) > 0


def test_one_phase_is_a_whole_meter_if_it_is_phase_a(store: Paths) -> None:
    for device, code in (("meter1", "phase_a"), ("meter2", "phase_b")):
        texts = [("10 10:00", eight(220, 1, 150)), ("10 12:00", eight(220, 0, 0)), ("10 12:01", "")]
        keep(store, [report(when, code, text) for when, text in texts], device=device)
    build(store)
    energies = [
        table(store, "energy_hourly", d)["energy_wh_integral"].sum() for d in ("meter1", "meter2")
    ]
    assert energies == pytest.approx([300, 0])
    assert table(store, "voltage_10min", "meter2").empty


def test_a_meter_that_reports_its_own_power_and_voltage_is_believed(store: Paths) -> None:
    own = [report("10 10:00:30", "total_power", "10000"), report("10 11:00:30", "total_power", "0")]
    own += [report("10 10:00:30", "cur_voltage", "1270")]
    keep(store, three("10 10:00", 100, 200, 300) + three("10 10:30", 1, 1, 1) + own)
    build(store)
    assert energy_wh(store) == pytest.approx(1000)
    assert table(store, "voltage_10min")["voltage_v"].unique().tolist() == [127.0]


def test_phases_in_any_order_and_over_midnight_equal_a_rebuild(store: Paths) -> None:
    times = ["10 22:00", "10 23:59:59", "11 00:00:01", "11 03:00", "11 23:59:59"]
    rows = [row for n, when in enumerate(times) for row in three(when, n, 10 * n, 100, 700)]
    for number in range(3):
        keep(store, rows[2 - number :: 3], asked=f"20 {number:02d}:00")
        build(store)
    before = contents(store)
    marts.run(store, CONFIG, rebuild=True)
    assert contents(store) == before
    staging.run(store, CONFIG, rebuild=True)
    marts.run(store, CONFIG)
    assert contents(store) == before
    assert energy_wh(store) > 0


def test_a_text_that_is_no_integer_is_a_finding_for_its_device_and_code(store: Paths) -> None:
    specify(store, "1", brand_new=power(1), level=("Float", {"unit": "V"}))
    keep(store, minutes(["853", "85.3", "NaN"], "brand_new") + minutes(["1.5"], "level"))
    found = [f for f in staging.run(store, CONFIG).findings if f.name == "tcc.staging.misfit"]
    assert [(f.data["device_id"], f.data["code"], f.data["rows"]) for f in found] == [
        ("plug01", "brand_new", 2)
    ]
    assert numbers(store) == [85.3, 1.5, None, None]
