"""The UCI household series (one house in Sceaux, 2006-2007) as four Tuya devices.

Belongs here: the conversion of its minutes to events. A minute's mean holds from its time
stamp; the clock is taken as UTC+01:00 all year; sub-meters have energy only.
"""

import json
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt

from lib.demo.catalogue import integer, item, specification
from lib.demo.house import DemoDevice
from lib.demo.series import (
    Ints,
    RecordedHouse,
    Track,
    connection,
    levels,
    merged,
    missing,
    series_folder,
)

FILES = "minutes_*.parquet"
METER_SPECIFICATION = Path("tuya_specs") / "cz_2jxesipczks0kdct.json"
HOUSE, KITCHEN, LAUNDRY, HEATER = (
    f"uci0000{name}" for name in ("casa00000001", "cozinha000002", "lavanderia003", "aquecedor0004")
)
ATTRIBUTION = (
    "Individual Household Electric Power Consumption, de G. Hébrail e A. Bérard, "
    "UCI Machine Learning Repository, CC BY 4.0; recortado e convertido em eventos de "
    "dispositivos Tuya por este projeto."
)
_MINUTE_MS = 60_000
_OFFSET_MS = 3_600_000
_DP_IDS = {"switch_1": 1, "switch_2": 2, "add_ele": 17}
_DP_IDS |= {"cur_current": 18, "cur_power": 19, "cur_voltage": 20}

_QUERY = """
select epoch_ms(ts_local_naive), Global_active_power is null,
       round(Global_active_power * 1000)::bigint, round(Voltage * 10)::bigint,
       round(Global_intensity * 1000)::bigint, Sub_metering_1::bigint,
       Sub_metering_2::bigint, Sub_metering_3::bigint
from read_parquet($file) order by ts_local_naive
"""


def house(file: Path) -> RecordedHouse:
    """The four devices of the series: meter, kitchen, laundry, heater. Raises ConfigError."""
    with duckdb.connect() as connection_:
        columns = connection_.execute(_QUERY, {"file": str(file)}).fetchnumpy().values()
    local_ms, gap, watts, volts, amps, kitchen, laundry, heater = (
        np.ma.filled(column, 0) for column in columns
    )
    time_ms = local_ms.astype(np.int64) - _OFFSET_MS
    missing_ = gap.astype(np.bool_)
    contact = _contact(time_ms, missing_)
    meter = [
        levels("cur_power", time_ms, watts * 10, _changed(watts, missing_)),
        levels("cur_voltage", time_ms, volts, _changed(volts, missing_)),
        levels("cur_current", time_ms, amps, _changed(amps, missing_)),
        _increments(time_ms, np.diff(np.cumsum(watts) // 60, prepend=0)),
    ]
    contents = [(_device(HOUSE, "Casa", _meter_specification(file)), merged([*meter, contact]))]
    submeters = (KITCHEN, "Cozinha", kitchen), (LAUNDRY, "Lavanderia", laundry)
    for device_id, name, wh in (*submeters, (HEATER, "Aquecedor e ar-condicionado", heater)):
        track = merged([_increments(time_ms, wh), contact])
        contents.append((_device(device_id, name, _submeter_specification()), track))
    return RecordedHouse(
        "Casa em Sceaux (UCI, 2006-2007)",
        ATTRIBUTION,
        contents,
        time_zone="Etc/GMT-1",
        country="FR",
        nominal_voltage_v=230,
        mains=(HOUSE,),
    )


def _changed(value: Ints, missing_: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Minutes to report: a new value, or the first one after a gap."""
    new = np.diff(value, prepend=value[:1] - 1) != 0
    after_gap = np.concatenate(([True], missing_[:-1]))
    return np.asarray((new | after_gap) & ~missing_)


def _increments(time_ms: Ints, wh: Ints) -> Track:
    """Every increment that is not zero; equal ones in a row are all real."""
    return levels("add_ele", time_ms, wh, wh > 0)


def _contact(time_ms: Ints, missing_: npt.NDArray[np.bool_]) -> Track:
    """Offline at the start of each gap and after the last minute, online at a gap's end."""
    edges = np.diff(missing_.astype(np.int64), prepend=0)
    offline_ms = np.append(time_ms[edges == 1], time_ms[-1] + _MINUTE_MS)
    return connection(offline_ms, time_ms[edges == -1])


def _device(device_id: str, name: str, spec: dict[str, list[dict[str, object]]]) -> DemoDevice:
    product = ("cz", "2jxesipczks0kdct", "Dual channel metering", "UCI-235")
    return DemoDevice(device_id, name, *product, specification=spec, time_zone="+01:00")


def _submeter_specification() -> dict[str, list[dict[str, object]]]:
    return specification([], [integer("add_ele", 17, "kwh", 50000, 3, step=100)])


def _meter_specification(file: Path) -> dict[str, list[dict[str, object]]]:
    """A real meter's definition, brought into the cloud's shape."""
    beside, usual = file.parent.parent / METER_SPECIFICATION, series_folder() / METER_SPECIFICATION
    source = beside if beside.is_file() else usual
    if not source.is_file():
        raise missing(source, METER_SPECIFICATION.name)
    definition = json.loads(source.read_text("utf-8"))
    return {
        "functions": _items(definition["function"]),
        "status": _items(definition["status_range"]),
    }


def _items(described: dict[str, dict[str, object]]) -> list[dict[str, object]]:
    return [
        item(code, _DP_IDS[code], str(one["type"]), **_values(one["value"]))
        for code, one in described.items()
    ]


def _values(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}
