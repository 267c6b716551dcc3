"""config.toml and the device mappings -> one frozen, validated object.

Belongs here: the settings that are no secrets. Does not belong here: secrets and hosts
(credentials.py, whose names are offered here too) and the use of any of them.
"""

import json
import re
import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, ValidationError

from lib import paths, settings
from lib.credentials import REGIONS, Credentials, Environment, credentials, environment
from lib.settings import Frozen

__all__ = [
    "REGIONS",
    "Alarms",
    "Config",
    "Credentials",
    "Device",
    "Energy",
    "Environment",
    "Ingestion",
    "Site",
    "credentials",
    "environment",
    "is_device_id",
    "load",
    "mapped_devices",
]


def _known_zone(name: str) -> str:
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: a folder of zones
        raise ValueError(f"'{name}' is not a time zone such as America/Sao_Paulo") from error
    offset = datetime(2026, 1, 1, tzinfo=zone).utcoffset()
    if offset and offset % timedelta(hours=1):
        raise ValueError(f"'{name}' is not whole hours from UTC: energy is counted by hours of UTC")
    return name


class Site(Frozen):
    """The measured house."""

    name: str = "Casa"
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "America/Sao_Paulo"
    nominal_voltage_v: Literal[127, 220, 230] = 127
    country: str = "BR"
    subdivision: str | None = "MG"


class Ingestion(Frozen):
    """How the cloud is asked."""

    retention_days: float = Field(default=7, gt=0)
    overlap_h: float = Field(default=3, ge=0)
    margin_s: float = Field(default=120, ge=0)
    page_size: int = Field(default=100, ge=1, le=100)
    request_timeout_s: float = Field(default=20, gt=0)
    run_deadline_s: float = Field(default=1500, gt=0)
    reconcile_h: float = Field(default=24, ge=0)
    span_pages: int = Field(default=30, ge=1)
    side_by_side: int = Field(default=6, ge=1, le=16)
    calls_per_s: float = Field(default=10, gt=0)
    monthly_calls: int = Field(default=26_000, ge=0)


class Alarms(Frozen):
    """When to be told."""

    horizon_h: float = Field(default=96, gt=0)
    silent_h: float = Field(default=24, gt=0)
    quota_pct: float = Field(default=90, gt=0, le=100)


class Energy(Frozen):
    """Rules of energy and coverage."""

    gap_limit_h: float = Field(default=3, gt=0)


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

    `on_off_code` is the data point that switches it; `mains` marks a meter of the whole house.
    """

    id: DeviceId
    name: str = Field(min_length=1)
    on_off_code: str | None = None
    mains: bool = False


class Config(Frozen):
    """All settings that are no secrets."""

    site: Site = Site()
    ingestion: Ingestion = Ingestion()
    energy: Energy = Energy()
    alarms: Alarms = Alarms()
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
