"""The only place that knows Tuya codes: code -> quantity, unit, scale, increment or total.

Belongs here: the meaning of data points. Does not belong here: rows or devices.
Scale and unit are the typical ones, used (with a finding) only where a device's own
specification is not known; `reference` values: Tuya's standard function list and
device definitions seen in public projects.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal

# `flags` are numbers, but their amounts mean nothing: a bit for each fault.
Kind = Literal["increment", "total", "level", "state", "flags"]


@dataclass(frozen=True)
class DataPoint:
    """What a code means: its quantity, typical unit and scale, and how values add up."""

    quantity: str
    unit: str
    scale: int
    kind: Kind


def _level(quantity: str, unit: str, scale: int) -> DataPoint:
    return DataPoint(quantity, unit, scale, "level")


STATE = DataPoint("state", "", 0, "state")
_SWITCHES = ("switch", *(f"switch_{n}" for n in range(1, 8)), "switch_led")

KNOWN: dict[str, DataPoint] = {
    "add_ele": DataPoint("energy", "kWh", 3, "increment"),
    "forward_energy_total": DataPoint("energy", "kWh", 2, "total"),
    "total_forward_energy": DataPoint("energy", "kWh", 2, "total"),
    "reverse_energy_total": DataPoint("energy_returned", "kWh", 2, "total"),
    "cur_power": _level("power", "W", 1),
    "total_power": _level("power", "W", 1),
    "power_total": _level("power", "kW", 3),
    "cur_voltage": _level("voltage", "V", 1),
    "cur_current": _level("current", "mA", 0),
    "va_temperature": _level("temperature", "°C", 1),
    "temp_current": _level("temperature", "°C", 0),
    "va_humidity": _level("humidity", "%", 0),
    "humidity_value": _level("humidity", "%", 0),
    "battery_percentage": _level("battery", "%", 0),
    "bright_value_v2": _level("brightness", "", 0),
    "temp_value_v2": _level("colour_temperature", "", 0),
    "countdown_1": _level("countdown", "s", 0),
    "fault": DataPoint("fault", "", 0, "flags"),
    **dict.fromkeys(_SWITCHES, STATE),
    **dict.fromkeys(
        (
            *("relay_status", "light_mode", "child_lock", "cycle_time", "random_time"),
            *("work_mode", "colour_data_v2", "battery_state", "test_bit"),
            *("voltage_coe", "electric_coe", "power_coe", "electricity_coe"),
            *("phase_a", "phase_b", "phase_c"),
        ),
        STATE,
    ),
}

# Spellings of units in device specifications -> the one used here.
UNITS = {
    "kwh": "kWh",
    "kw·h": "kWh",
    "kw.h": "kWh",
    "kw*h": "kWh",
    "kw h": "kWh",
    "度": "kWh",
    "wh": "Wh",
    "w": "W",
    "kw": "kW",
    "v": "V",
    "a": "A",
    "ma": "mA",
    "℃": "°C",
    "°c": "°C",
    "℉": "°F",
    "°f": "°F",
    "%": "%",
    "hz": "Hz",
    "s": "s",
}
MOST_DIGITS = 9  # no scale moves the point further

# Unit -> what one of it is in the unit that analysis uses (W, V, A, Wh).
FACTORS = {"W": 1.0, "kW": 1e3, "V": 1.0, "A": 1.0, "mA": 1e-3, "Wh": 1.0, "kWh": 1e3}


@dataclass(frozen=True)
class CodeSpec:
    """Scale and unit of one code in a device's own specification; type as Tuya names it."""

    code: str
    type: str
    scale: int
    unit: str

    @property
    def is_number(self) -> bool:
        """Whether values of the code are numbers to be scaled."""
        return self.is_integer or self.type.lower() == "float"

    @property
    def is_integer(self) -> bool:
        """Whether values of the code are whole numbers before scaling, and nothing else."""
        return self.type.lower() in ("integer", "value", "bitmap")


def unit(spelling: str) -> str:
    """The unit in its standard spelling; an unknown one as it came."""
    return UNITS.get(spelling.strip().lower(), spelling.strip())


def code_specs(specification: Any) -> list[CodeSpec]:
    """Read scale and unit of each code from a Tuya specification; never raises.

    `values` is JSON text in the cloud's answers and an object in some exports. Left out is
    what cannot be read, and a number of `KNOWN` without a type, scale or unit that is
    understood: for it the typical ones hold, with a finding. Other codes keep their type,
    and scale 0 and no unit where they have none.
    """
    parts = specification if isinstance(specification, dict) else {}
    items = [*_items(parts.get("functions")), *_items(parts.get("status"))]
    specs = [spec for item in items if (spec := _code_spec(item))]
    return list({spec.code: spec for spec in specs}.values())


def _items(part: Any) -> list[dict[str, Any]]:
    items = part if isinstance(part, list) else []
    return [item for item in items if isinstance(item, dict) and _text(item.get("code"))]


def _code_spec(item: dict[str, Any]) -> CodeSpec | None:
    code, kind, values = item["code"], _text(item.get("type")), _values(item.get("values"))
    scale, spelling = _scale(values.get("scale")), _text(values.get("unit")).strip()
    typical = KNOWN.get(code, STATE)
    if typical.kind not in ("state", "flags"):
        understood = spelling.lower() in UNITS or spelling == typical.unit
        if not kind or scale is None or not understood:
            return None
    return CodeSpec(code=code, type=kind, scale=scale or 0, unit=unit(spelling))


def _values(values: Any) -> dict[str, Any]:
    try:
        values = json.loads(values) if isinstance(values, str) else values
    except (ValueError, RecursionError):
        values = None
    return values if isinstance(values, dict) else {}


def _scale(value: Any) -> int | None:
    """Digits behind the point, as a number or its text; None where it is neither."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return int(number) if number.is_integer() and abs(number) <= MOST_DIGITS else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
