"""What a device list says: what is kept of it, who left, who came back under another id.

Belongs here: joining a new list to the older one, and which devices of it are asked for. Does
not belong here: asking the cloud (`registry.py`), what to tell of it (`registry_findings.py`).

Besides what the cloud says of a device, a list has words of our own on it: since when it is
not listed any more (`left`), which id it had before (`replaces`), that it never was listed, only
named (`unlisted`), and that it is listed, but not among those that the user named (`followed`).
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from lib.config import is_device_id
from lib.times import DAY, iso, parse_instant

# What is kept of a device: a list of what may stay, since local_key, ip, lat, lon and uid must not.
KEPT = (
    *("id", "name", "category", "product_id", "product_name", "model"),
    *("sub", "online", "time_zone", "create_time", "active_time"),
)
# Kept as a short hash: it recognises a device that was paired again, or one of another account.
MARKS = {"uuid": "hardware", "uid": "owner"}
MARK_DIGITS = 16
STILL_HELD = 7 * DAY  # the cloud may hold logs of a device so long after it left

Listed = dict[str, dict[str, Any]]  # device id -> what a list says of it
Names = Mapping[str, str]  # device id -> the name that the user gave


def by_id(devices: Iterable[dict[str, Any]]) -> Listed:
    """The devices of an archived list whose id can name a folder."""
    return {str(d["id"]): d for d in devices if is_device_id(str(d["id"]))}


def kept(device: dict[str, Any]) -> dict[str, Any]:
    """What may be written of a device as the cloud describes it."""
    marks = {mark: _mark(device[key]) for key, mark in MARKS.items() if device.get(key)}
    return {key: device[key] for key in KEPT if key in device} | marks | {"id": str(device["id"])}


def _mark(value: Any) -> str:
    return hashlib.sha256(str(value).encode()).hexdigest()[:MARK_DIGITS]


def joined(before: Listed, came: Listed, named: Names, now: datetime) -> Listed:
    """The list that came, those that left it, and those that the user named without any."""
    after = {own: _carried(before.get(own, {})) | device for own, device in came.items()}
    after |= {
        own: device | {"left": device.get("left", iso(now))}
        for own, device in before.items()
        if own not in came and "unlisted" not in device
    }
    return marked(_with_former_ids(before, after), named)


def marked(devices: Listed, named: Names) -> Listed:
    """The same devices with those that are only named, and which of all are followed."""
    found = {own: device for own, device in devices.items() if "unlisted" not in device}
    found |= {own: {"id": own, "unlisted": True} for own in named if own not in found}
    for own, device in found.items():
        rest = {key: value for key, value in device.items() if key != "followed"}
        found[own] = rest if _in_use(own, found, named) else rest | {"followed": False}
    return found


def _carried(device: dict[str, Any]) -> dict[str, Any]:
    return {key: device[key] for key in (*MARKS.values(), "replaces") if key in device}


def _in_use(own: str, devices: Listed, named: Names) -> bool:
    return not named or any(one in named for one in _line(own, devices))


def _line(own: str | None, devices: Listed) -> Iterator[str]:
    """The id and those that the device had before, newest first."""
    seen: set[str] = set()
    while own and own not in seen:
        yield own
        seen.add(own)
        own = devices.get(own, {}).get("replaces")


def is_listed(device: dict[str, Any]) -> bool:
    """Whether the cloud's list has the device: it neither left nor was it only named."""
    return not device.keys() & {"left", "unlisted"}


def is_followed(device: dict[str, Any]) -> bool:
    """Whether the device is one of those that the user wants."""
    return bool(device.get("followed", True))


def misses(devices: Listed, named: Names) -> bool:
    """Whether other devices are wanted now than when the list was joined, more or fewer."""
    return marked(devices, named) != devices


def asked(devices: Listed, named: Names, now: datetime) -> list[str]:
    """Ids to ask logs for: those that the user named and their new ids, or else all.

    One that left is asked for as long as the cloud may hold its logs. Afterwards only where
    the user named it and no new id took its place: then it is named for its name.
    """
    replaced = {device.get("replaces") for device in devices.values() if is_listed(device)}
    ids = dict.fromkeys((*named, *(own for own in devices if _in_use(own, devices, named))))
    return [
        own
        for own in ids
        if _may_be_held(devices.get(own, {"unlisted": True}), now)
        or (own in named and own not in replaced)
    ]


def _may_be_held(device: dict[str, Any], now: datetime) -> bool:
    if "left" in device:
        return parse_instant(device["left"]) > now - STILL_HELD
    return is_listed(device)


def of_other_accounts(devices: Listed) -> set[str]:
    """The listed devices whose owner is not the one that most have; of a tie, the first."""
    owners = {own: d["owner"] for own, d in devices.items() if is_listed(d) and d.get("owner")}
    most = Counter(owners.values()).most_common(1)
    return {own for own, owner in owners.items() if owner != most[0][0]}


def _with_former_ids(before: Listed, after: Listed) -> Listed:
    """Enter the old id of each device that was paired again.

    It is recognised by its hardware; where that is not known of both, by a name and product
    that only one device had of those that left, and only one has of those that are new.
    """
    left = {own: device for own, device in after.items() if "left" in device}
    taken = {device.get("replaces") for device in after.values()}
    free = {own: device for own, device in left.items() if own not in taken}
    here = {own: device for own, device in after.items() if is_listed(device)}
    new = {own for own in here if "unlisted" in before.get(own, {"unlisted": True})}
    found = {own: _by_hardware(device, left) for own, device in here.items()}
    found |= {own: _by_name(here[own], free) for own in new if not found[own]}
    often = Counter(found.values())
    pairs = {own: old for own, old in found.items() if old and often[old] == 1}
    return after | {own: after[own] | {"replaces": old} for own, old in pairs.items()}


def _by_hardware(device: dict[str, Any], left: Listed) -> str | None:
    """The id that left last of those with the same hardware."""
    known = device.get("hardware")
    same = [own for own, other in left.items() if known and other.get("hardware") == known]
    return max(same, key=lambda own: str(left[own]["left"]), default=None)


def _by_name(device: dict[str, Any], left: Listed) -> str | None:
    """The only id with the same name and product, where the hardware is not known of both."""
    looks = (device.get("name"), device.get("product_id"))
    alike = [
        own
        for own, other in left.items()
        if all(looks)
        and looks == (other.get("name"), other.get("product_id"))
        and not ("hardware" in device and "hardware" in other)
    ]
    return alike[0] if len(alike) == 1 else None
