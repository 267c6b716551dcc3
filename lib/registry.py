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

from lib import files, settings
from lib.config import Device, is_device_id
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

    A refusal is a finding; what did not answer is asked again at the next run. A device that
    left the list is still asked for, and named in a finding. Raises SourceError where the list
    is refused and there is neither an older one nor a device that the user named.
    """
    if _at(_checked(paths)) > now - DAY and not {d.id for d in wanted} - names(paths).keys():
        return []
    devices, findings = _listed(paths, cloud, wanted, now)
    _archive(paths.registry / "devices", "devices", devices, now)
    for device in devices:
        findings += _refresh_specification(paths, cloud, device["id"], now)
    if all(finding.data["terminal"] for finding in findings):
        _note(_checked(paths), now)
    return findings


def _listed(
    paths: Paths, cloud: TuyaCloud, wanted: Sequence[Device], now: datetime
) -> tuple[list[dict[str, Any]], list[Finding]]:
    """The devices of the project and those known before; of these the ones the user named."""
    before, named = {str(d["id"]): d for d in known(paths)}, {d.id: d.name for d in wanted}
    try:
        came = {str(d["id"]): _kept(d) for d in cloud.devices() if d.get("id")}
    except SourceError as error:
        if not wanted and not before:
            raise
        found, findings = before, [_refused("lista de dispositivos", error)]
    else:
        found = before | {own: d for own, d in came.items() if is_device_id(own)}
        found = {own: found[own] for own in (*came, *before) if own in found}
        left = [own for own in before if own not in came and _was_listed(before[own], named)]
        findings = _odd([own for own in came if own not in found and not named])
        findings += _left(paths, {own: str(found[own].get("name") or own) for own in left}, now)
    if wanted:
        found = {own: found.get(own, {"id": own}) | {"name": n} for own, n in named.items()}
    return list(found.values()), findings


def _kept(device: dict[str, Any]) -> dict[str, Any]:
    return {key: device[key] for key in KEPT if key in device} | {"id": str(device["id"])}


def _was_listed(device: dict[str, Any], named: dict[str, str]) -> bool:
    """Whether a device in use was ever listed; of others only the user's name is known."""
    return not named or (device["id"] in named and bool(device.keys() - {"id", "name"}))


def _odd(ids: list[str]) -> list[Finding]:
    """The finding that names listed ids which cannot name a folder."""
    if not ids:
        return []
    shown = ", ".join(repr(own[:80]) for own in ids)
    return [
        Finding(
            "tcc.registry.odd_id",
            f"A nuvem lista {len(ids)} identificador(es) que não podem nomear uma pasta: {shown}. "
            "Os logs deles não são pedidos e faltam em toda figura; confira quem responde em "
            "API_ENDPOINT.",
            {"ids": ids, "terminal": True},
        )
    ]


def _left(paths: Paths, left: dict[str, str], now: datetime) -> list[Finding]:
    """The finding that names devices which the list no longer has, once a day."""
    told = paths.registry / "left.json"
    if not left or _at(told) > now - DAY:
        return []
    _note(told, now)
    shown = ", ".join(f"{name} ({own})" if name != own else own for own, name in left.items())
    return [
        Finding(
            "tcc.registry.device_left",
            f"A lista da nuvem não traz mais {len(left)} dispositivo(s): {shown}. Seus logs ainda "
            "são pedidos, mas podem deixar de vir. Confira se a conta do aplicativo continua "
            "vinculada ao projeto; se saíram da casa, nomeie os que ficam em config.toml.",
            {"device_ids": list(left), "terminal": True},
        )
    ]


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
    if newest is None or settings.parse(newest, json.loads) != content:
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


def _note(file: Path, now: datetime) -> None:
    files.write_text(file, json.dumps({"at": iso(now)}) + "\n")


def _at(file: Path) -> datetime:
    """When something was last done, long ago where it never was."""
    noted = settings.parse(file, json.loads) if file.exists() else {}
    return parse_instant(noted.get("at", "1970-01-01T00:00:00Z"))


def known(paths: Paths) -> list[dict[str, Any]]:
    """The newest archived device list. Raises ConfigError where it cannot be read."""
    newest = _newest(paths.registry / "devices", "devices")
    devices: list[dict[str, Any]] = settings.parse(newest, json.loads) if newest else []
    return [device for device in devices if is_device_id(str(device["id"]))]


def names(paths: Paths, named: Iterable[Device] = ()) -> dict[str, str]:
    """Device id -> name: as the user named it, else as the newest list does."""
    listed = {str(d["id"]): str(d.get("name") or d["id"]) for d in known(paths)}
    return listed | {device.id: device.name for device in named}


def specifications(paths: Paths) -> list[SpecInForce]:
    """Every archived specification, with the instant from which it is in force."""
    return [*_specifications(paths.registry)] if paths.registry.exists() else []


@dataclass(frozen=True)
class SpecChange:
    """A code whose scale or unit is another one in a later specification of its device."""

    before: SpecInForce
    after: SpecInForce

    @property
    def name(self) -> str:
        """What the user writes into `confirmed_changes` when it is right."""
        after = self.after
        return f"{after.device_id}/{after.spec.code}@{stamp(after.valid_from)}"


def changes(paths: Paths) -> list[SpecChange]:
    """Every change of scale or unit that the archived specifications show."""
    newest: dict[tuple[str, str], SpecInForce] = {}
    found = []
    for spec in specifications(paths):
        before = newest.get(key := (spec.device_id, spec.spec.code))
        if before and (before.spec.scale, before.spec.unit) != (spec.spec.scale, spec.spec.unit):
            found.append(SpecChange(before, spec))
        newest[key] = spec
    return found


def _specifications(registry: Path) -> Iterator[SpecInForce]:
    for folder in sorted(f for f in registry.iterdir() if f.is_dir() and f.name != "devices"):
        for file in _dated(folder, "specification"):
            valid_from = from_stamp(file.name.split("_")[0])
            for spec in code_specs(settings.parse(file, json.loads)):
                yield SpecInForce(folder.name, valid_from, spec)
