"""The device registry: which devices there are, and their specifications, archived with dates.

Belongs here: asking for lists and specifications once a day, keeping them when they change,
without keys, addresses or places. Does not belong here: log rows.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from lib import files
from lib.config import Device
from lib.datapoints import CodeSpec, code_specs
from lib.errors import SourceError, Terminal
from lib.findings import Finding
from lib.paths import Paths
from lib.times import DAY, from_stamp, iso, parse_instant, stamp
from lib.tuya import TuyaCloud

# What is kept of a device: a list of what may stay, since local_key, ip, lat, lon and uid must not.
KEPT = (
    *("id", "name", "category", "product_id", "product_name", "model"),
    *("sub", "online", "time_zone", "create_time", "active_time"),
)


@dataclass(frozen=True)
class SpecInForce:
    """Scale and unit of a device's code, from an instant on."""

    device_id: str
    valid_from: datetime
    spec: CodeSpec


def refresh(
    paths: Paths, cloud: TuyaCloud, wanted: Sequence[Device], *, now: datetime
) -> list[Finding]:
    """Archive the device list and each specification where they changed; at most once a day.

    A refusal is a finding; what did not answer is asked again at the next run. Raises
    SourceError where the list is refused and there is neither an older one nor a device that
    the user named.
    """
    if _checked_at(paths) > now - DAY and not {d.id for d in wanted} - names(paths).keys():
        return []
    devices, findings = _listed(paths, cloud, wanted)
    _archive(paths.registry / "devices", "devices", devices, now)
    for device in devices:
        findings += _refresh_specification(paths, cloud, device["id"], now)
    if all(finding.data["terminal"] for finding in findings):
        files.write_text(_checked(paths), json.dumps({"at": iso(now)}) + "\n")
    return findings


def _listed(
    paths: Paths, cloud: TuyaCloud, wanted: Sequence[Device]
) -> tuple[list[dict[str, Any]], list[Finding]]:
    """The devices of the project, cut down to the wanted ones where the user named some."""
    findings = []
    try:
        found = {str(d["id"]): _kept(d) for d in cloud.devices() if d.get("id")}
    except SourceError as error:
        found = {str(d["id"]): d for d in known(paths)}
        if not wanted and not found:
            raise
        findings.append(_refused("lista de dispositivos", error))
    if wanted:
        found = {d.id: found.get(d.id, {"id": d.id}) | {"name": d.name} for d in wanted}
    return list(found.values()), findings


def _kept(device: dict[str, Any]) -> dict[str, Any]:
    return {key: device[key] for key in KEPT if key in device}


def _refresh_specification(
    paths: Paths, cloud: TuyaCloud, device_id: str, now: datetime
) -> list[Finding]:
    try:
        specification = cloud.specification(device_id)
    except SourceError as error:
        return [_refused(f"especificação de {device_id}", error)]
    _archive(paths.registry / device_id, "specification", specification, now)
    return []


def _refused(what: str, error: SourceError) -> Finding:
    return Finding(
        "tcc.registry.refused",
        f"A nuvem não forneceu a {what}: {error}",
        {"code": error.code, "terminal": isinstance(error, Terminal)},
    )


def _archive(folder: Path, name: str, content: Any, now: datetime) -> None:
    """Write a dated file only where the content differs from the newest one."""
    newest = _newest(folder, name)
    if newest is None or json.loads(newest.read_text("utf-8")) != content:
        text = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
        files.write_new(
            folder,
            lambda n: f"{stamp(now)}_{name}{'' if n == 1 else f'-{n}'}.json",
            text.encode(),
        )


def _dated(folder: Path, name: str) -> list[Path]:
    """The archived files, oldest first; of one instant, `-2` comes after the first."""
    return sorted(folder.glob(f"*_{name}*.json"), key=_age)


def _age(file: Path) -> tuple[str, int, str]:
    return file.name.split("_")[0], len(file.name), file.name


def _newest(folder: Path, name: str) -> Path | None:
    return next(reversed(_dated(folder, name)), None)


def _checked(paths: Paths) -> Path:
    return paths.registry / "checked.json"


def _checked_at(paths: Paths) -> datetime:
    file = _checked(paths)
    if not file.exists():
        return parse_instant("1970-01-01T00:00:00Z")
    return parse_instant(json.loads(file.read_text("utf-8"))["at"])


def known(paths: Paths) -> list[dict[str, Any]]:
    """The newest archived device list."""
    newest = _newest(paths.registry / "devices", "devices")
    devices: list[dict[str, Any]] = json.loads(newest.read_text("utf-8")) if newest else []
    return devices


def names(paths: Paths, named: Iterable[Device] = ()) -> dict[str, str]:
    """Device id -> name: as the user named it, else as the newest list does."""
    listed = {str(d["id"]): str(d.get("name") or d["id"]) for d in known(paths)}
    return listed | {device.id: device.name for device in named}


def specifications(paths: Paths) -> list[SpecInForce]:
    """Every archived specification, with the instant from which it is in force."""
    return [*_specifications(paths.registry)] if paths.registry.exists() else []


def _specifications(registry: Path) -> Iterator[SpecInForce]:
    for folder in sorted(f for f in registry.iterdir() if f.is_dir() and f.name != "devices"):
        for file in _dated(folder, "specification"):
            valid_from = from_stamp(file.name.split("_")[0])
            for spec in code_specs(json.loads(file.read_text("utf-8"))):
                yield SpecInForce(folder.name, valid_from, spec)
