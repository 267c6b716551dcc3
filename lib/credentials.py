"""Secrets and where to send them: the environment, `.env` and tinytuya.json -> Credentials.

Belongs here: every environment variable that says how to reach the cloud; the one place that
sees secrets first. Does not belong here: using them. A message never repeats a secret.
"""

import json
import os
import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from lib import paths, settings
from lib.errors import ConfigError
from lib.settings import Frozen

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


# What tinytuya's wizard leaves behind: the pair, and the devices' own keys.
WIZARD_FILES = ("tinytuya.json", "devices.json", "tuya-raw.json", "snapshot.json")


class Environment(BaseSettings):
    """Environment variables and `.env`; each may be absent."""

    # An empty variable counts as absent, as in a copied .env.example.
    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, hide_input_in_errors=True, env_ignore_empty=True
    )

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
    notify: SecretStr | None = Field(None, validation_alias="TCC_NOTIFY")


class Credentials(Frozen):
    """What it takes to sign in; the secrets print as asterisks."""

    access_id: SecretStr
    access_secret: SecretStr
    host: str
    ca_bundle: Path | None = None

    @property
    def on_this_machine(self) -> bool:
        """Whether the server is on this machine, as a stand-in is."""
        name = self.host.partition(":")[0].lower()
        try:
            return ip_address(name).is_loopback
        except ValueError:
            return name == "localhost"


def environment(root: Path = paths.ROOT) -> Environment:
    """Read the process environment and, behind it, the project's `.env`."""
    file = _dotenv(root)
    try:
        return Environment(_env_file=file)  # type: ignore[call-arg]
    except ValidationError as error:
        raise settings.explained(error, "environment") from None
    except (UnicodeDecodeError, OSError) as error:
        raise settings.unreadable(file, str(error)) from None


def _dotenv(root: Path) -> Path:
    """The `.env` in use: the project's, or the one that TCC_ENV_FILE names."""
    return Path(os.environ.get("TCC_ENV_FILE") or root / ".env").expanduser()


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
        raise _half_a_pair("TUYA_ACCESS_ID" if access_id is None else "TUYA_ACCESS_SECRET", root)
    return Credentials(
        access_id=access_id,
        access_secret=secret,
        host=_host(env.endpoint, region),
        ca_bundle=settings.existing("TUYA_CA_BUNDLE", env.ca_bundle, root),
    )


def _half_a_pair(missing: str, root: Path) -> ConfigError:
    return ConfigError(
        f"{missing} is missing.",
        where=f"environment or {_dotenv(root).name}",
        risk="Nothing is collected, and the cloud forgets logs after 7 days.",
        remedy="Copy both values from platform.tuya.com, Cloud, your project, Overview.",
    )


def _filled(secret: SecretStr | None) -> SecretStr | None:
    """The secret without the blanks and line ends that copying picks up; blank is absent."""
    text = secret.get_secret_value().strip() if secret else ""
    return SecretStr(text) if text else None


def _from_wizard(
    file: Path, region: str | None
) -> tuple[SecretStr | None, SecretStr | None, str | None]:
    if not file.exists():
        return None, None, region
    wizard = settings.parse(file, json.loads)
    if not isinstance(wizard, dict):
        raise settings.unreadable(file, "it is not a JSON object")
    fields = [wizard.get(name) or "" for name in ("apiKey", "apiSecret", "apiRegion")]
    if not all(isinstance(field, str) for field in fields):
        raise settings.unreadable(file, "apiKey, apiSecret and apiRegion must be texts")
    key, secret, wizard_region = fields
    return _filled(SecretStr(key)), _filled(SecretStr(secret)), region or wizard_region


MISSING_REGION = "TUYA_REGION is missing."


def _host(endpoint: str | None, region: str | None) -> str:
    """Where to ask: the endpoint if one is given, else the region's host."""
    if endpoint:
        return _endpoint_host(endpoint)
    name = (region or "").strip().lower()
    if name not in REGIONS:
        shown = f"'{name}'" if len(name) <= 8 else "(not shown: it may be a secret)"
        raise ConfigError(
            f"TUYA_REGION {shown} is not a Tuya data centre." if name else MISSING_REGION,
            risk="A wrong region asks another continent, which knows none of the devices.",
            remedy=f"Use one of {', '.join(REGIONS)}: the one of your project in Tuya's console.",
        )
    return REGIONS[name]


def _endpoint_host(endpoint: str) -> str:
    try:
        parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
        host = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme != "https" or not host or parts.netloc.lower() != host or parts.path.strip("/"):
        raise ConfigError(
            "API_ENDPOINT is not of the form https://host[:port].",
            risk="The access secret travels in a header, so plain HTTP is refused.",
            remedy="Write e.g. https://openapi.tuyaus.com.",
        )
    return host


def exposed(root: Path = paths.ROOT) -> list[Path]:
    """The files of secrets that the computer's other users can read; chmod 600 mends it."""
    held = (_dotenv(root), *(root / name for name in WIZARD_FILES))
    return [file for file in held if file.is_file() and file.stat().st_mode & 0o077]


def notify_addresses(root: Path = paths.ROOT) -> list[str]:
    """The addresses of TCC_NOTIFY, separated by blanks or commas; each is a secret.

    A comma parts two addresses only before a scheme: one address may name several recipients.
    Raises ConfigError.
    """
    told = environment(root).notify
    text = told.get_secret_value() if told else ""
    return [part for part in _BETWEEN.split(text) if part]


_BETWEEN = re.compile(r"[\s,]*\s[\s,]*|,+(?=\w+://)|^,+|,+$")
_SECRET_NAME = re.compile(r"SECRET|ACCESS_ID|TOKEN|PASSWORD|API_KEY|TCC_NOTIFY", re.IGNORECASE)


def secret_values(root: Path = paths.ROOT) -> set[str]:
    """Every secret that this process can see, to be taken out of what it writes."""
    seen = {value for name, value in os.environ.items() if _SECRET_NAME.search(name)}
    try:
        for address in notify_addresses(root):
            seen |= {address, *_parts_of(address)}
    except ConfigError:
        pass
    try:
        access = credentials(root)
    except ConfigError:
        access = None
    if access:
        seen |= {access.access_id.get_secret_value(), access.access_secret.get_secret_value()}
    return {value for value in seen if len(value) > 5}


def _parts_of(address: str) -> Iterator[str]:
    """What of an address of TCC_NOTIFY must not be written either, also as it is sent.

    User and password, and of the rest all that may be a token: neither the name of a server
    nor a short word in small letters, which, taken out, would tear words of notebooks.
    """
    place, _, query = address.partition("://")[2].partition("?")
    authority, _, path = place.partition("/")
    person, _, host = authority.rpartition("@")
    user, _, password = person.partition(":")
    tokens = [*path.split("/"), *(re.split("[=,]", query.replace("&", "=")))]
    if not _SERVER.fullmatch(host):  # some services have a token where others have a server
        tokens += [host, *host.split(":")]
    for part in (person, user, password, *(t for t in tokens if not _NO_TOKEN.fullmatch(t))):
        yield from (part, unquote(part))


_SERVER = re.compile(r"(localhost|\[[0-9a-f:.]+\]|[\w-]+(\.[\w-]+)+)(:\d{1,5})?", re.IGNORECASE)
_NO_TOKEN = re.compile(r"[a-z_]{1,11}|.*(%20|\+|\s).*")
