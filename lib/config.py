"""config.toml, mapping files and the environment -> frozen, validated objects.

Belongs here: reading and checking settings, and the one place that sees secrets first.
Does not belong here: using them. A message never repeats a secret.
"""

import json
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from lib import paths
from lib.errors import ConfigError

# tinytuya takes an unknown region for China without a word, so it is checked here.
REGIONS = {
    "cn": "openapi.tuyacn.com",
    "us": "openapi.tuyaus.com",
    "az": "openapi.tuyaus.com",
    "us-e": "openapi-ueaz.tuyaus.com",
    "ue": "openapi-ueaz.tuyaus.com",
    "eu": "openapi.tuyaeu.com",
    "eu-w": "openapi-weaz.tuyaeu.com",
    "we": "openapi-weaz.tuyaeu.com",
    "in": "openapi.tuyain.com",
    "sg": "openapi-sg.iotbing.com",
}


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"'{name}' is not a time zone such as America/Sao_Paulo") from error
    return name


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Site(_Frozen):
    """The measured house."""

    name: str = "Casa"
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "America/Sao_Paulo"
    nominal_voltage_v: Literal[127, 220, 230] = 127
    country: str = "BR"
    subdivision: str | None = "MG"


class Ingestion(_Frozen):
    """How the cloud is asked."""

    retention_days: float = Field(7, gt=0)
    overlap_h: float = Field(3, ge=0)
    margin_s: float = Field(120, ge=0)
    page_size: int = Field(100, ge=1, le=100)
    request_timeout_s: float = Field(20, gt=0)
    run_deadline_s: float = Field(1500, gt=0)


class Energy(_Frozen):
    """Rules of energy and coverage."""

    gap_limit_h: float = Field(3, gt=0)


DeviceId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{2,63}$")]


class Device(_Frozen):
    """A device the user named; `on_off_code` is the data point that switches it."""

    id: DeviceId
    name: str = Field(min_length=1)
    on_off_code: str | None = None


class Config(_Frozen):
    """All settings that are no secrets."""

    site: Site = Site()
    ingestion: Ingestion = Ingestion()
    energy: Energy = Energy()
    devices: tuple[Device, ...] = ()


class Environment(BaseSettings):
    """Environment variables and `.env`; each may be absent."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    access_id: SecretStr | None = Field(
        None, validation_alias=AliasChoices("TUYA_ACCESS_ID", "ACCESS_ID")
    )
    access_secret: SecretStr | None = Field(
        None, validation_alias=AliasChoices("TUYA_ACCESS_SECRET", "ACCESS_SECRET")
    )
    region: str | None = Field(None, validation_alias="TUYA_REGION")
    endpoint: str | None = Field(None, validation_alias="API_ENDPOINT")
    ca_bundle: Path | None = Field(None, validation_alias="TUYA_CA_BUNDLE")
    mapping_path: Path | None = Field(None, validation_alias="DEVICE_MAPPING_PATH")


class Credentials(_Frozen):
    """What it takes to sign in; the secrets print as asterisks."""

    access_id: SecretStr
    access_secret: SecretStr
    host: str
    ca_bundle: Path | None = None


def load(root: Path = paths.ROOT) -> Config:
    """Read config.toml and the device mappings of a project folder. Raises ConfigError."""
    file = root / paths.CONFIG.name
    settings = _parse(file, tomllib.loads) if file.exists() else {}
    try:
        config = Config.model_validate(settings)
    except ValidationError as error:
        raise _explained(error, str(file)) from None
    named = {device.id: device for device in mapped_devices(root)}
    named |= {device.id: device for device in config.devices}
    return config.model_copy(update={"devices": tuple(named.values())})


def environment(root: Path = paths.ROOT) -> Environment:
    """Read the process environment and, behind it, the project's `.env`."""
    try:
        return Environment(_env_file=_dotenv(root))  # type: ignore[call-arg]
    except ValidationError as error:
        raise _explained(error, "environment") from None


def _dotenv(root: Path) -> Path:
    """The `.env` in use: the project's, or the one that TCC_ENV_FILE names."""
    return Path(os.environ.get("TCC_ENV_FILE", root / ".env"))


def credentials(root: Path = paths.ROOT) -> Credentials | None:
    """The cloud credentials, or None where there are none at all. Raises ConfigError.

    Environment first, then tinytuya's own tinytuya.json. Half a pair is an error.
    """
    env = environment(root)
    access_id, secret, region = _filled(env.access_id), _filled(env.access_secret), env.region
    if access_id is None and secret is None:
        access_id, secret, region = _from_wizard(root / "tinytuya.json", region)
    if access_id is None and secret is None:
        return None
    if access_id is None or secret is None:
        missing = "TUYA_ACCESS_ID" if access_id is None else "TUYA_ACCESS_SECRET"
        raise ConfigError(
            f"{missing} is missing.",
            where=str(_dotenv(root)),
            risk="Nothing is collected, and the cloud forgets logs after 7 days.",
            remedy="Copy both values from platform.tuya.com, Cloud, your project, Overview.",
        )
    return Credentials(
        access_id=access_id,
        access_secret=secret,
        host=_host(env.endpoint, region),
        ca_bundle=_existing(env.ca_bundle),
    )


def _filled(secret: SecretStr | None) -> SecretStr | None:
    """An empty variable counts as absent, as in a copied .env.example."""
    return secret if secret and secret.get_secret_value().strip() else None


def _from_wizard(
    file: Path, region: str | None
) -> tuple[SecretStr | None, SecretStr | None, str | None]:
    if not file.exists():
        return None, None, region
    wizard = _parse(file, json.loads)
    if not isinstance(wizard, dict):
        raise _unreadable(file, "it is not a JSON object")
    key, secret = wizard.get("apiKey"), wizard.get("apiSecret")
    return (
        SecretStr(key) if key else None,
        SecretStr(secret) if secret else None,
        region or wizard.get("apiRegion"),
    )


def _host(endpoint: str | None, region: str | None) -> str:
    """Where to ask: the endpoint if one is given, else the region's host."""
    if endpoint:
        parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
        if parts.scheme != "https" or not parts.netloc or parts.path.strip("/"):
            raise ConfigError(
                f"API_ENDPOINT '{endpoint}' is not of the form https://host[:port].",
                risk="The access secret travels in a header, so plain HTTP is refused.",
                remedy="Write e.g. https://openapi.tuyaus.com.",
            )
        return parts.netloc
    if region is None or region.strip().lower() not in REGIONS:
        raise ConfigError(
            f"TUYA_REGION '{region or ''}' is not a Tuya data centre.",
            risk="A wrong region asks another continent, which knows none of the devices.",
            remedy=f"Use one of {', '.join(REGIONS)}: the one of your project in Tuya's console.",
        )
    return REGIONS[region.strip().lower()]


def _existing(file: Path | None) -> Path | None:
    if file and not file.is_file():
        raise ConfigError(
            f"TUYA_CA_BUNDLE names '{file}', which does not exist.",
            remedy="Name a PEM file, or remove the variable to use the public authorities.",
        )
    return file


def mapped_devices(root: Path = paths.ROOT) -> list[Device]:
    """Devices named in device_mapping.json or in tinytuya's devices.json.

    The mapping may be id -> name or id -> {name, on_off_code}; of devices.json only id and
    name are read, never the keys. Raises ConfigError.
    """
    explicit = environment(root).mapping_path
    if explicit and not explicit.is_file():
        raise ConfigError(
            f"DEVICE_MAPPING_PATH names '{explicit}', which does not exist.",
            remedy="Correct the path, or remove the variable to read every linked device.",
        )
    for file in (explicit, root / "device_mapping.json", root / "devices.json"):
        if file and file.exists():
            return _devices(file)
    return []


def _devices(file: Path) -> list[Device]:
    content = _parse(file, json.loads)
    if isinstance(content, dict) and "devices" in content:
        content = content["devices"]
    if isinstance(content, list):
        items = [item if isinstance(item, dict) else {} for item in content]
        content = {str(item.get("id", "")): str(item.get("name", "")) for item in items}
    if not isinstance(content, dict):
        raise _unreadable(file, "it is neither an object of id -> name nor a list of devices")
    try:
        return [_device(key, value) for key, value in content.items()]
    except ValidationError as error:
        raise _explained(error, str(file)) from None


def _device(device_id: str, value: Any) -> Device:
    described = value if isinstance(value, dict) else {"name": value}
    known = {k: described[k] for k in ("name", "on_off_code") if k in described}
    return Device(id=device_id, **known)


def _parse(file: Path, parser: Any) -> Any:
    try:
        return parser(file.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise _unreadable(file, str(error)) from error


def _unreadable(file: Path, why: str) -> ConfigError:
    return ConfigError(
        f"cannot be read: {why}.",
        where=str(file),
        risk="Nothing runs until it is mended; data already collected is untouched.",
        remedy="Correct the file at the place named, or restore it with git.",
    )


def _explained(error: ValidationError, where: str) -> ConfigError:
    """One sentence for all that is wrong, without the values (they may be secrets)."""
    faults = [f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()]
    return ConfigError(
        f"{len(faults)} wrong setting(s): {'; '.join(faults)}.",
        where=where,
        risk="Nothing runs until it is mended; data already collected is untouched.",
        remedy="The README lists every setting with its meaning.",
    )
