"""Devices that a store's registry knows without anybody having asked a cloud for them.

Belongs here: their list and specifications, archived as `lib/registry.py` does, so that no scale
is assumed. Does not belong here: what the devices say (`plugs.py`).
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from lib import files, registry_lists
from lib.demo import catalogue
from lib.demo.house import DemoDevice
from lib.paths import Paths
from lib.times import iso, stamp

_LISTED = ("id", "name", "category", "product_id", "product_name", "model", "time_zone")


def archive(paths: Paths, ids: Iterable[str], at: datetime) -> None:
    """Archive plugs of these ids, alike but for id and name, as listed at an instant."""
    plug, listed = catalogue.devices()[0], []
    for n, own in enumerate(ids, 1):
        device = replace(plug, id=own, name=f"Tomada {n}")
        listed.append(registry_lists.kept(_described(device)))
        specification = {"category": device.category, **device.specification}
        _write(paths, f"{own}/{stamp(at)}_specification.json", specification)
    _write(paths, f"devices/{stamp(at)}_devices.json", listed)
    _write(paths, "checked.json", {"at": iso(at)})


def _described(device: DemoDevice) -> dict[str, object]:
    return {name: getattr(device, name) for name in _LISTED} | {"sub": False, "online": True}


def _write(paths: Paths, name: str, content: object) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    files.write_text(paths.registry / name, text, durable=False)
