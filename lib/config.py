"""config.toml and the device mappings -> one frozen, validated object.

Belongs here: the settings that are no secrets. Does not belong here: secrets and hosts
(credentials.py, whose names are offered here too) and the use of any of them.
"""

import json
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from lib import paths, settings
from lib.credentials import REGIONS, Credentials, Environment, credentials, environment
from lib.sections import (
    Alarms,
    Co2,
    Co2Factor,
    ControlChart,
    Energy,
    Ingestion,
    Load,
    Runs,
    Site,
    Voltage,
)
from lib.settings import Frozen
from lib.tariff_settings import Tariff

__all__ = [
    "REGIONS",
    "Alarms",
    "Co2",
    "Co2Factor",
    "Config",
    "ControlChart",
    "Credentials",
    "Device",
    "Energy",
    "Environment",
    "Ingestion",
    "Load",
    "Runs",
    "Site",
    "Tariff",
    "Voltage",
    "credentials",
    "environment",
    "is_device_id",
    "load",
    "mapped_devices",
]


_DEVICE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,63}")
_OURS = {"devices", "journal.jsonl", "attempts.jsonl"}  # what the raw store itself calls so


def is_device_id(text: str) -> bool:
    """Whether a text can be the id of a device, which names folders and stands in addresses."""
    return bool(_DEVICE_ID.fullmatch(text)) and ".." not in text and text not in _OURS


def _device_id(text: str) -> str:
    if not is_device_id(text):
        raise ValueError("a device id has 2 to 64 letters, digits, hyphens, underscores or dots")
    return text


DeviceId = Annotated[str, AfterValidator(_device_id)]


class Device(Frozen):
    """A device the user named.

    `on_off_code` is the data point that switches it; `mains` marks a meter of the whole house;
    `reading_error` is what its maker states, where it differs from [energy].
    """

    id: DeviceId
    name: str = Field(min_length=1)
    on_off_code: str | None = None
    mains: bool = False
    reading_error: float | None = Field(default=None, gt=0, lt=1)


class Config(Frozen):
    """All settings that are no secrets."""

    site: Site = Site()
    ingestion: Ingestion = Ingestion()
    energy: Energy = Energy()
    load: Load = Load()
    co2: Co2 = Co2()
    voltage: Voltage = Voltage()
    control_chart: ControlChart = ControlChart()
    tariff: Tariff = Tariff()
    alarms: Alarms = Alarms()
    runs: Runs = Runs()
    devices: tuple[Device, ...] = ()
    confirmed_changes: tuple[str, ...] = ()


def load(root: Path = paths.ROOT) -> Config:
    """Read config.toml and the device mappings of a project folder. Raises ConfigError."""
    file = root / paths.CONFIG.name
    chosen = settings.parse(file, tomllib.loads) if file.exists() else {}
    try:
        config = Config.model_validate(chosen)
    except ValidationError as error:
        raise settings.explained(error, str(file)) from None
    named = {device.id: device for device in mapped_devices(root)}
    named |= {device.id: device for device in config.devices}
    return config.model_copy(update={"devices": tuple(named.values())})


def mapped_devices(root: Path = paths.ROOT) -> list[Device]:
    """Devices named in device_mapping.json or in tinytuya's devices.json.

    The mapping may be id -> name or id -> {name, on_off_code}; of devices.json only id and
    name are read, never the keys. Raises ConfigError.
    """
    explicit = settings.existing("DEVICE_MAPPING_PATH", environment(root).mapping_path, root)
    for file in (explicit, root / "device_mapping.json", root / "devices.json"):
        if file and file.exists():
            return _devices(file)
    return []


def _devices(file: Path) -> list[Device]:
    content = settings.parse(file, json.loads)
    if isinstance(content, dict) and "devices" in content:
        content = content["devices"]
    if isinstance(content, list):
        items = [item if isinstance(item, dict) else {} for item in content]
        content = {str(item.get("id", "")): str(item.get("name", "")) for item in items}
    if not isinstance(content, dict):
        raise settings.unreadable(
            file, "it is neither an object of id -> name nor a list of devices"
        )
    return [_device(file, key, value) for key, value in content.items()]


def _device(file: Path, device_id: str, value: Any) -> Device:
    described = value if isinstance(value, dict) else {"name": value}
    known = {k: described[k] for k in ("name", "on_off_code") if k in described}
    try:
        return Device(id=device_id, **known)
    except ValidationError as error:
        raise settings.explained(error, f"{file}, device '{device_id}'") from None
