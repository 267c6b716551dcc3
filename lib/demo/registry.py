"""What the cloud knows of devices: lists, details, status, specification, model, shadow.

Belongs here: the shapes of those answers. The personal fields (local_key, ip, lat, lon, uid)
hold obvious inventions, so that a client can be caught keeping them.
"""

import base64
import hashlib
import json
from functools import lru_cache
from typing import Any

from lib.demo.edits import UID, Edits, Entry
from lib.demo.house import OFFLINE, ONLINE
from lib.demo.state import PERMISSION_DENY, Answer, Call, Clock, Refusal

LOCAL_KEY, IP, LAT, LON = ("FAKE-LOCAL-KEY-0", "203.0.113.77", "-11.111111", "-22.222222")
FAKE_MARKERS = LOCAL_KEY, IP, LAT, LON, UID
_CREATED_S = 1_760_000_000
_HOUR_MS = 3_600_000
_LOOK_BACK_MS = 26 * _HOUR_MS, 8 * 24 * _HOUR_MS
_EMPTY_VALUES: dict[str, Any] = {"Boolean": False, "Integer": 0, "Bitmap": 0}
_MODEL_TYPES = {"Boolean": "bool", "Integer": "value", "Raw": "raw", "Bitmap": "bitmap"}

Values = dict[str, tuple[str, int]]


class Registry:
    """The device endpoints of one house."""

    def __init__(self, house: Edits, clock: Clock, page_limit: int) -> None:
        self._house, self._clock, self._page_limit = house, clock, page_limit
        self._latest = lru_cache(maxsize=128)(self._find_latest)

    def linked(self, call: Call) -> Answer:
        """`/v1.0/iot-01/associated-users/devices`, by pages of `size`."""
        return self._listed(call, self._house.entries(), "size", "devices")

    def by_user(self, call: Call) -> Answer:
        """`/v1.3/iot-03/devices`, by pages of `page_size`."""
        uid = call.query.get("source_id", "")
        owned = self._owned(uid) if uid else self._house.entries()
        if owned is None:
            return Refusal(*PERMISSION_DENY)
        wanted = [name for name in call.query.get("device_ids", "").split(",") if name]
        chosen = [one for one in owned if not wanted or one.device.id in wanted]
        return self._listed(call, chosen, "page_size", "list")

    def of_user(self, call: Call, uid: str) -> Answer:
        """`/v1.0/users/{uid}/devices`."""
        owned = self._owned(uid)
        if owned is None:
            return Refusal(*PERMISSION_DENY)
        return [self._described(entry) for entry in owned]

    def _owned(self, uid: str) -> list[Entry] | None:
        """The devices of an account; None for one that is not linked."""
        found = [entry for entry in self._house.entries() if entry.uid == uid]
        return found if found or uid == UID else None

    def factory_infos(self, call: Call) -> Answer:
        """`/v1.0/devices/factory-infos`: hardware addresses, which outlive a device's id."""
        entries = map(self._house.entry, call.query.get("device_ids", "").split(","))
        return [{"id": one.device.id, **_factory(one.hardware)} for one in entries if one]

    def detail(self, call: Call, device_id: str) -> Answer:
        """`/v1.0/devices/{id}`."""
        entry = self._house.entry(device_id)
        return self._described(entry) if entry else Refusal(*PERMISSION_DENY)

    def status(self, call: Call, device_id: str) -> Answer:
        """`/v1.0/iot-03/devices/{id}/status`: latest values, typed."""
        entry = self._house.entry(device_id)
        return self._status(entry) if entry else Refusal(*PERMISSION_DENY)

    def functions(self, call: Call, device_id: str) -> Answer:
        """`/v1.0/iot-03/devices/{id}/functions`: what can be set."""
        plain = self.specification(call, device_id)
        if isinstance(plain, Refusal):
            return plain
        return {"category": plain["category"], "functions": plain["functions"]}

    def specification(self, call: Call, device_id: str) -> Answer:
        """`/v1.0/iot-03/devices/{id}/specification`: without data point ids."""
        full = self.specifications(call, device_id)
        if isinstance(full, Refusal):
            return full
        return full | {
            part: [_plain(one) for one in full[part]] for part in ("functions", "status")
        }

    def specifications(self, call: Call, device_id: str) -> Answer:
        """`/v1.1/devices/{id}/specifications`: with data point ids."""
        entry = self._house.entry(device_id)
        if entry is None:
            return Refusal(*PERMISSION_DENY)
        return {"category": entry.device.category, **entry.device.specification}

    def model(self, call: Call, device_id: str) -> Answer:
        """`/v2.0/cloud/thing/{id}/model`: the model is JSON text."""
        entry = self._house.entry(device_id)
        if entry is None:
            return Refusal(*PERMISSION_DENY)
        specification = entry.device.specification
        settable = {one["code"] for one in specification["functions"]}
        properties = [_property(one, settable) for one in specification["status"]]
        services = [{"actions": [], "code": "", "events": [], "properties": properties}]
        told = {"modelId": entry.device.product_id[:6], "services": services}
        return {"model": json.dumps(told)}

    def shadow(self, call: Call, device_id: str) -> Answer:
        """`/v2.0/cloud/thing/{id}/shadow/properties`: last value of each code and its time."""
        entry = self._house.entry(device_id)
        if entry is None:
            return Refusal(*PERMISSION_DENY)
        values, _, _ = self._now(entry)
        wanted = [code for code in call.query.get("codes", "").split(",") if code]
        items = [one for one in entry.device.specification["status"] if one["code"] in values]
        return {
            "properties": [
                {
                    "code": one["code"],
                    "custom_name": "",
                    "dp_id": one["dp_id"],
                    "time": values[one["code"]][1],
                    "value": _typed(one, values),
                }
                for one in items
                if not wanted or one["code"] in wanted
            ]
        }

    def _listed(self, call: Call, entries: list[Entry], size: str, part: str) -> Answer:
        text, cursor = call.query.get(size, "20"), call.query.get("last_row_key", "")
        if not text.isdigit() or int(text) < 1:
            return Refusal(1101, "param range is invalid")
        cursors = [_cursor(entry.device.id) for entry in entries]
        if cursor and cursor not in cursors:
            return Refusal(1109, "param is illegal")
        start = cursors.index(cursor) + 1 if cursor else 0
        page = entries[start : start + min(int(text), self._page_limit)]
        end = start + len(page)
        return {
            part: [self._described(entry) for entry in page],
            "has_more": end < len(entries),
            "last_row_key": cursors[end - 1] if end else "",
            "total": len(entries),
        }

    def _described(self, entry: Entry) -> dict[str, Any]:
        device = entry.device
        _, online, seen_ms = self._now(entry)
        personal = {"ip": IP, "lat": LAT, "lon": LON, "local_key": LOCAL_KEY, "uid": entry.uid}
        paired_s = _CREATED_S if entry.since_ms is None else entry.since_ms // 1000
        return {
            **{"id": device.id, "name": device.name, "category": device.category},
            **{"product_id": device.product_id, "product_name": device.product_name},
            **{"model": device.model, "online": online, "sub": False, "biz_type": 18},
            **{"uuid": _factory(entry.hardware)["uuid"], "owner_id": _owner(entry.uid)},
            **{"icon": "smart/icon/demo.png", "time_zone": device.time_zone},
            **personal,
            **{"create_time": _CREATED_S, "active_time": paired_s},
            "update_time": seen_ms // 1000 or paired_s,
            "status": self._status(entry),
        }

    def _status(self, entry: Entry) -> list[dict[str, Any]]:
        values, _, _ = self._now(entry)
        reported = entry.device.specification["status"]
        return [{"code": one["code"], "value": _typed(one, values)} for one in reported]

    def _now(self, entry: Entry) -> tuple[Values, bool, int]:
        """Last value and time of each code, whether online, and the newest event. [ms]"""
        return self._latest(entry.device.id, self._clock.now_ms, self._house.stamp())

    def _find_latest(self, device_id: str, now_ms: int, stamp: object) -> tuple[Values, bool, int]:
        for back_ms in _LOOK_BACK_MS:
            rows = self._house.rows(device_id, now_ms - back_ms, now_ms + 1)
            if rows:
                break
        values = {row.code: (row.value or "", row.event_time_ms) for row in rows if row.code}
        contact = [row.event_id for row in rows if row.event_id in (ONLINE, OFFLINE)]
        online = bool(rows) and contact[-1:] != [OFFLINE]
        return values, online, rows[-1].event_time_ms if rows else 0


def _typed(item: dict[str, Any], values: Values) -> Any:
    """A value as status endpoints give it: numbers and booleans, not text."""
    kind, held = item["type"], values.get(item["code"])
    if held is None:
        ranged = json.loads(item["values"]).get("range", [""])
        return _EMPTY_VALUES.get(kind, ranged[0])
    if kind == "Boolean":
        return held[0] == "true"
    return int(held[0]) if kind in ("Integer", "Bitmap") else held[0]


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in item.items() if name != "dp_id"}


def _property(item: dict[str, Any], settable: set[str]) -> dict[str, Any]:
    kind = _MODEL_TYPES.get(item["type"], item["type"].lower())
    return {
        "abilityId": item["dp_id"],
        "accessMode": "rw" if item["code"] in settable else "ro",
        "code": item["code"],
        "typeSpec": {"type": kind, **json.loads(item["values"])},
    }


def _factory(hardware: str) -> dict[str, str]:
    digest = hashlib.sha256(hardware.encode()).hexdigest()
    return {"mac": f"02{digest[:10]}", "sn": digest[:14], "uuid": digest[:16]}


def _owner(uid: str) -> str:
    """The number of the home that an account keeps a device in."""
    return "10000001" if uid == UID else f"2{int(hashlib.sha256(uid.encode()).hexdigest(), 16)}"[:8]


def _cursor(device_id: str) -> str:
    return base64.b64encode(device_id.encode()).decode()
