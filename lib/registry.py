"""The device registry: which devices there are, and their specifications, archived with dates.

Belongs here: asking for lists and specifications once a day, keeping them when they change,
reading them back. Does not belong here: log rows, what is kept of a device
(`registry_lists.py`), what to tell of a change (`registry_findings.py`).
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib import files, registry_lists, settings
from lib import registry_findings as said
from lib.config import Device
from lib.datapoints import KNOWN, CodeSpec, code_specs
from lib.errors import DeviceRejected, OutOfTime, SourceError, Transient
from lib.findings import Finding
from lib.paths import Paths
from lib.registry_lists import Listed, is_followed, is_listed
from lib.times import DAY, from_stamp, iso, parse_instant, stamp
from lib.tuya_codes import NOT_OPENED, of_the_project

if TYPE_CHECKING:  # staging needs specifications, and no client
    from lib.tuya import TuyaCloud


def refresh(
    paths: Paths, cloud: "TuyaCloud", wanted: Sequence[Device], *, now: datetime
) -> list[Finding]:
    """Archive the device list and each specification where they changed; at most once a day.

    What happened to a device since the last list is a finding, once; so is what the cloud
    refused. What did not answer is asked again at the next run. Raises SourceError where the
    list is refused and there is neither an older one nor a device that the user named.
    """
    named = {device.id: device.name for device in wanted}
    before, noted = _archived(paths), _noted(paths)
    extra = _again(paths).exists() and _is_old(noted, "extra_at", now)
    if not (extra or _is_old(noted, "at", now) or registry_lists.misses(before, named)):
        return []
    after, findings, failed = _listed(cloud, before, named, now)
    answers, refused = _specifications_of(cloud, after, failed)
    # Kept at the end, and the list last: a run that dies on its way asks, and tells, again.
    for device_id, answer in answers.items():
        findings += _keep_specification(paths, after[device_id], answer, now)
    _archive(paths.registry / "devices", "devices", list(after.values()), now)
    somebody = bool(named) or any(is_listed(device) for device in after.values())
    if somebody and not any(isinstance(e, Transient) for e in (failed, *refused.values())):
        noted |= {"at": iso(now)} | ({"extra_at": iso(now)} if extra else {})
        files.write_text(_checked(paths), json.dumps(noted) + "\n")
        _again(paths).unlink(missing_ok=True)
    return findings + [said.refused(f"especificação de {own}", e) for own, e in refused.items()]


def ask_again(paths: Paths) -> None:
    """Have the registry asked at the next run; heeded once a day, for it costs calls."""
    paths.registry.mkdir(parents=True, exist_ok=True)
    _again(paths).touch()


def _listed(
    cloud: "TuyaCloud", before: Listed, named: dict[str, str], now: datetime
) -> tuple[Listed, list[Finding], SourceError | None]:
    """The devices of the project and those known before; what happened to them; the refusal."""
    try:
        came = [registry_lists.kept(device) for device in cloud.devices() if device.get("id")]
    except SourceError as error:
        if not named and not before:
            raise
        found = said.refused("lista de dispositivos", error)
        return registry_lists.marked(before, named), [found], error
    good = registry_lists.by_id(came)
    after = registry_lists.joined(before, good, named, now)
    odd = [device["id"] for device in came if device["id"] not in good and not named]
    return after, [*said.odd(odd), *said.of_lists(before, after, named)], None


def _specifications_of(
    cloud: "TuyaCloud", devices: Listed, failed: SourceError | None
) -> tuple[dict[str, Any], dict[str, SourceError]]:
    """Answer or refusal for each followed device that did not leave.

    None is asked any more where the failures so far show that no answer is to be had.
    """
    answers: dict[str, Any] = {}
    refused: dict[str, SourceError] = {}
    last = None if failed and failed.code in NOT_OPENED else failed
    over = last is not None and (isinstance(last, Transient) or of_the_project(last.code))
    for own in (own for own, d in devices.items() if is_followed(d) and "left" not in d):
        if over:
            break
        try:
            answers[own], last = cloud.specification(own), None
        except SourceError as error:
            over, last, refused[own] = _is_over(error, last), error, error
    return answers, refused


def _is_over(error: SourceError, last: SourceError | None) -> bool:
    """Whether a failure tells of all devices: by its kind, or because it came twice."""
    twice = last is not None and (type(last), last.code) == (type(error), error.code)
    everyone = isinstance(error, OutOfTime) or of_the_project(error.code)
    return everyone or (twice and not isinstance(error, DeviceRejected))


def _keep_specification(
    paths: Paths, device: dict[str, Any], answer: Any, now: datetime
) -> list[Finding]:
    folder = paths.registry / str(device["id"])
    old = _content(folder, "specification", answer)
    _archive(folder, "specification", answer, now)
    return said.respecified(device, old, answer, now) if old != answer else []


def _archive(folder: Path, name: str, content: Any, now: datetime) -> None:
    """Write a dated file only where the content differs from the newest one."""
    newest = _newest(folder, name)
    if newest is None or _content(folder, name, None) != content:
        # A clock that went back must not make this file older than what it follows.
        head = f"{max(stamp(now), _age(newest)[0] if newest else '')}_{name}"
        text = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
        files.write_new(folder, lambda n: f"{head}{f'-{n}' * (n > 1)}.json", text.encode())


def _dated(folder: Path, name: str) -> list[Path]:
    """The archived files, oldest first; of one instant, `-2` comes after the first."""
    return sorted(folder.glob(f"*_{name}*.json"), key=_age)


def _age(file: Path) -> tuple[str, int, str]:
    return file.name.split("_")[0], len(file.name), file.name


def _newest(folder: Path, name: str) -> Path | None:
    return next(reversed(_dated(folder, name)), None)


def _content(folder: Path, name: str, default: Any) -> Any:
    """What the newest archived file holds. Raises ConfigError where it cannot be read."""
    newest = _newest(folder, name)
    return settings.parse(newest, json.loads) if newest else default


def _checked(paths: Paths) -> Path:
    return paths.registry / "checked.json"


def _again(paths: Paths) -> Path:
    return paths.registry / "again"


def _noted(paths: Paths) -> dict[str, str]:
    """When the registry was asked last, and when last because of `ask_again`."""
    return dict(settings.parse(file, json.loads)) if (file := _checked(paths)).exists() else {}


def _is_old(noted: dict[str, str], name: str, now: datetime) -> bool:
    """Whether something was done a day ago, never, or by a clock that went back since."""
    return not now - DAY < parse_instant(noted.get(name, "1970-01-01T00:00:00Z")) <= now


def _archived(paths: Paths) -> Listed:
    return registry_lists.by_id(_content(paths.registry / "devices", "devices", []))


def known(paths: Paths) -> list[dict[str, Any]]:
    """The devices that are or were followed, listed or not. Raises ConfigError."""
    return [device for device in _archived(paths).values() if is_followed(device)]


def asked(paths: Paths, wanted: Sequence[Device], now: datetime) -> list[str]:
    """Ids to ask logs for: the user's, with new ids of the same devices, or else all listed.

    One that left is asked for 7 days more: the cloud may hold its logs. Raises ConfigError.
    """
    return registry_lists.asked(_archived(paths), {d.id: d.name for d in wanted}, now)


def names(paths: Paths, named: Iterable[Device] = ()) -> dict[str, str]:
    """Device id -> name: as the user named it, else the newest that a list gave it."""
    listed = {own: str(d.get("name") or own) for own, d in _archived(paths).items()}
    return listed | {device.id: device.name for device in named}


def codes(paths: Paths, device_id: str) -> list[str]:
    """The codes that a device reports by its newest specification, else all that are known."""
    return reported(paths, device_id) or list(KNOWN)


def reported(paths: Paths, device_id: str) -> list[str]:
    """The codes that a device reports by its newest specification; none without one."""
    return said.reported(_content(paths.registry / device_id, "specification", None))


@dataclass(frozen=True)
class SpecInForce:
    """Scale and unit of a device's code, from an instant on."""

    device_id: str
    valid_from: datetime
    spec: CodeSpec


def specifications(paths: Paths) -> list[SpecInForce]:
    """Every archived specification, with the instant from which it is in force."""
    return [*_specifications(paths.registry)] if paths.registry.exists() else []


def newest_specifications(paths: Paths) -> list[SpecInForce]:
    """What the newest archived specification of each device says, code by code."""
    found = specifications(paths)
    newest = {one.device_id: one.valid_from for one in found}
    return [one for one in found if one.valid_from == newest[one.device_id]]


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
