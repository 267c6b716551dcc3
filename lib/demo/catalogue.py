"""The devices of the simulated house. Belongs here: names, products and specifications.

All ids are invented. Does not belong here: what the devices do.
"""

import json
from typing import Any

from lib.demo.house import DemoDevice

FRIDGE = "demo0000geladeira00001"
WASHER = "demo0000lavadora000002"
TV = "demo0000televisao00003"
COMPUTER = "demo0000computador0004"
MICROWAVE = "demo0000microondas0005"
AIR = "demo0000arcondicion006"
METER = "demo0000medidor0000007"
ROOM_LAMP = "demo0000luzdasala00008"
PORCH_LAMP = "demo0000luzvaranda0009"
SENSOR = "demo0000sensorquarto10"

Item = dict[str, Any]


def item(code: str, dp_id: int, kind: str, **values: Any) -> Item:
    """One line of a specification; `values` becomes JSON text, as the cloud sends it."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return {"code": code, "dp_id": dp_id, "type": kind, "values": text}


def integer(code: str, dp_id: int, unit: str, limit: int, scale: int, **more: int) -> Item:
    """A numeric data point: its unit, largest raw value and scale."""
    values = {"unit": unit, "min": 0, "max": limit, "scale": scale, "step": 1, **more}
    return item(code, dp_id, "Integer", **values)


def specification(functions: list[Item], status: list[Item]) -> dict[str, list[Item]]:
    """A specification in Tuya's shape: what can be set and what is reported."""
    return {"functions": functions, "status": [*functions, *status]}


def _plug_specification() -> dict[str, list[Item]]:
    settable = [
        item("switch_1", 1, "Boolean"),
        integer("countdown_1", 9, "s", 86400, 0),
        item("relay_status", 38, "Enum", range=["power_off", "power_on", "last"]),
    ]
    reported = [
        integer("add_ele", 17, "kwh", 50000, 3, step=100),
        integer("cur_current", 18, "mA", 30000, 0),
        integer("cur_power", 19, "W", 80000, 1),
        integer("cur_voltage", 20, "V", 5000, 1),
        item("fault", 26, "Bitmap", label=["ov_cr", "ov_vol", "ov_pwr"]),
    ]
    return specification(settable, reported)


def _meter_specification() -> dict[str, list[Item]]:
    return specification(
        [],
        [
            integer("forward_energy_total", 1, "kW·h", 99999999, 2),
            item("phase_a", 6, "Raw"),
            integer("total_power", 115, "W", 999999, 1),
        ],
    )


def _lamp_specification() -> dict[str, list[Item]]:
    settable = [
        item("switch_led", 20, "Boolean"),
        item("work_mode", 21, "Enum", range=["white", "colour", "scene", "music"]),
        integer("bright_value_v2", 22, "", 1000, 0, min=10),
        integer("temp_value_v2", 23, "", 1000, 0),
    ]
    return specification(settable, [])


def _sensor_specification() -> dict[str, list[Item]]:
    return specification(
        [],
        [
            integer("va_temperature", 1, "℃", 600, 1, min=-200),
            integer("va_humidity", 2, "%", 100, 0),
            integer("battery_percentage", 4, "%", 100, 0),
        ],
    )


def _plug(device_id: str, name: str) -> DemoDevice:
    product = ("cz", "demoplug00000001", "Tomada demo 10 A", "DEMO-P10")
    return DemoDevice(device_id, name, *product, specification=_plug_specification())


def _lamp(device_id: str, name: str) -> DemoDevice:
    product = ("dj", "demolamp00000001", "Lâmpada demo 9 W", "DEMO-L9")
    return DemoDevice(device_id, name, *product, specification=_lamp_specification())


def devices() -> list[DemoDevice]:
    """The devices of the simulated house, in the order of their numbers."""
    meter = ("zndb", "demometer0000001", "Medidor demo monofásico", "DEMO-M1")
    sensor = ("wsdcg", "demosensor000001", "Sensor demo de temperatura", "DEMO-T1")
    return [
        _plug(FRIDGE, "Geladeira"),
        _plug(WASHER, "Máquina de lavar"),
        _plug(TV, "Televisão"),
        _plug(COMPUTER, "Computador"),
        _plug(MICROWAVE, "Micro-ondas"),
        _plug(AIR, "Ar-condicionado"),
        DemoDevice(METER, "Medidor geral", *meter, specification=_meter_specification()),
        _lamp(ROOM_LAMP, "Luz da sala"),
        _lamp(PORCH_LAMP, "Luz da varanda"),
        DemoDevice(SENSOR, "Sensor do quarto", *sensor, specification=_sensor_specification()),
    ]
