"""What the cloud knows of devices: lists, details, status, specification, model, shadow.

Belongs here: the shapes of those answers. The personal fields (local_key, ip, lat, lon, uid)
hold obvious inventions, so that a client can be caught keeping them.
"""

import base64
import hashlib
import json
from functools import lru_cache
from typing import Any

from lib.demo.house import OFFLINE, ONLINE, DemoDevice, House
from lib.demo.state import PERMISSION_DENY, Answer, Call, Clock, Refusal

LOCAL_KEY, IP, LAT, LON, UID = (
    *("FAKE-LOCAL-KEY-0", "203.0.113.77", "-11.111111", "-22.222222"),
    "eu0000FAKEUID0000000",
)
FAKE_MARKERS = LOCAL_KEY, IP, LAT, LON, UID
_CREATED_S = 1_760_000_000
_HOUR_MS = 3_600_000
_LOOK_BACK_MS = 26 * _HOUR_MS, 8 * 24 * _HOUR_MS
_EMPTY_VALUES: dict[str, Any] = {"Boolean": False, "Integer": 0, "Bitmap": 0}
_MODEL_TYPES = {"Boolean": "bool", "Integer": "value", "Raw": "raw", "Bitmap": "bitmap"}

Values = dict[str, tuple[str, int]]


class Registry:
    """The device endpoints of one house."""

    def __init__(self, house: House, clock: Clock, page_limit: int) -> None:
        self._house, self._clock, self._page_limit = house, clock, page_limit
        self._devices = {device.id: device for device in house.devices()}
        self._latest = lru_cache(maxsize=128)(self._find_latest)

    def linked(self, call: Call) -> Answer:
        """`/v1.0/iot-01/associated-users/devices`, by pages of `size`."""
        return self._listed(call, list(self._devices.values()), "size", "devices")

    def by_user(self, call: Call) -> Answer:
        """`/v1.3/iot-03/devices`, by pages of `page_size`."""
        if call.query.get("source_id", UID) != UID:
            return Refusal(*PERMISSION_DENY)
        wanted = [name for name in call.query.get("device_ids", "").split(",") if name]
        chosen = [one for one in self._devices.values() if not wanted or one.id in wanted]
        return self._listed(call, chosen, "page_size", "list")

    def of_user(self, call: Call, uid: str) -> Answer:
        """`/v1.0/users/{uid}/devices`."""
        if uid != UID:
            return Refusal(*PERMISSION_DENY)
        return [self._described(device) for device in self._devices.values()]

    def factory_infos(self, call: Call) -> Answer:
        """`/v1.0/devices/factory-infos`: hardware addresses."""
        wanted = call.query.get("device_ids", "").split(",")
        return [_factory(device_id) for device_id in wanted if device_id in self._devices]

    def detail(self, call: Call, device_id: str) -> Answer:
        """`/v1.0/devices/{id}`."""
        device = self._devices.get(device_id)
        return self._described(device) if device else Refusal(*PERMISSION_DENY)

    def status(self, call: Call, device_id: str) -> Answer:
        """`/v1.0/iot-03/devices/{id}/status`: latest values, typed."""
        device = self._devices.get(device_id)
        return self._status(device) if device else Refusal(*PERMISSION_DENY)

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
        device = self._devices.get(device_id)
        if device is None:
            return Refusal(*PERMISSION_DENY)
        return {"category": device.category, **device.specification}

    def model(self, call: Call, device_id: str) -> Answer:
        """`/v2.0/cloud/thing/{id}/model`: the model is JSON text."""
        device = self._devices.get(device_id)
        if device is None:
            return Refusal(*PERMISSION_DENY)
        settable = {one["code"] for one in device.specification["functions"]}
        properties = [_property(one, settable) for one in device.specification["status"]]
        services = [{"actions": [], "code": "", "events": [], "properties": properties}]
        return {"model": json.dumps({"modelId": device.product_id[:6], "services": services})}

    def shadow(self, call: Call, device_id: str) -> Answer:
        """`/v2.0/cloud/thing/{id}/shadow/properties`: last value of each code and its time."""
        device = self._devices.get(device_id)
        if device is None:
            return Refusal(*PERMISSION_DENY)
        values, _, _ = self._latest(device_id, self._clock.now_ms)
        wanted = [code for code in call.query.get("codes", "").split(",") if code]
        items = [one for one in device.specification["status"] if one["code"] in values]
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

    def _listed(self, call: Call, devices: list[DemoDevice], size: str, part: str) -> Answer:
        text, cursor = call.query.get(size, "20"), call.query.get("last_row_key", "")
        if not text.isdigit() or int(text) < 1:
            return Refusal(1101, "param range is invalid")
        cursors = [_cursor(device.id) for device in devices]
        if cursor and cursor not in cursors:
            return Refusal(1109, "param is illegal")
        start = cursors.index(cursor) + 1 if cursor else 0
        page = devices[start : start + min(int(text), self._page_limit)]
        end = start + len(page)
        return {
            part: [self._described(device) for device in page],
            "has_more": end < len(devices),
            "last_row_key": cursors[end - 1] if end else "",
            "total": len(devices),
        }

    def _described(self, device: DemoDevice) -> dict[str, Any]:
        _, online, seen_ms = self._latest(device.id, self._clock.now_ms)
        personal = {"ip": IP, "lat": LAT, "lon": LON, "local_key": LOCAL_KEY, "uid": UID}
        times_s = {"create_time": _CREATED_S, "active_time": _CREATED_S}
        return {
            **{"id": device.id, "name": device.name, "category": device.category},
            **{"product_id": device.product_id, "product_name": device.product_name},
            **{"model": device.model, "online": online, "sub": False, "biz_type": 18},
            **{"uuid": _factory(device.id)["uuid"], "owner_id": "10000001"},
            **{"icon": "smart/icon/demo.png", "time_zone": device.time_zone},
            **personal,
            **times_s,
            "update_time": seen_ms // 1000 or _CREATED_S,
            "status": self._status(device),
        }

    def _status(self, device: DemoDevice) -> list[dict[str, Any]]:
        values, _, _ = self._latest(device.id, self._clock.now_ms)
        reported = device.specification["status"]
        return [{"code": one["code"], "value": _typed(one, values)} for one in reported]

    def _find_latest(self, device_id: str, now_ms: int) -> tuple[Values, bool, int]:
        """Last value and time of each code, whether online, and the newest event. [ms]"""
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


def _factory(device_id: str) -> dict[str, str]:
    digest = hashlib.sha256(device_id.encode()).hexdigest()
    return {"id": device_id, "mac": f"02{digest[:10]}", "sn": digest[:14], "uuid": digest[:16]}


def _cursor(device_id: str) -> str:
    return base64.b64encode(device_id.encode()).decode()
