"""Log pages: the cloud's storage, read newest first by a key cursor.

Belongs here: windows, filters, retention, paging and its faults. Does not belong here: who
asks, or how rows came about.
"""

from bisect import bisect_left
from functools import lru_cache
from typing import Any

from lib.demo.house import REPORT, House, LogRow, log_order
from lib.demo.rowkeys import key_before, order_of, row_key
from lib.demo.state import PERMISSION_DENY, Answer, Call, Clock, Counters, Refusal

DEFAULT_SIZE = 20
_DAY_MS = 86_400_000
_EMPTY, _RANGE = Refusal(1100, "param is empty"), Refusal(1101, "param range is invalid")
_ILLEGAL = Refusal(1109, "param is illegal")

Rows = list[LogRow]
Words = frozenset[str] | None


class Logs:
    """The log endpoints of one house."""

    def __init__(
        self,
        house: House,
        clock: Clock,
        counters: Counters,
        *,
        retention_days: float,
        page_limit: int,
    ) -> None:
        self._house, self._clock, self._counters = house, clock, counters
        self.retention_days, self.page_limit = retention_days, page_limit
        self._known = {device.id for device in house.devices()}
        self._view = lru_cache(maxsize=8)(self._make_view)

    def device_logs(self, call: Call, device_id: str, fault: str | None = None) -> Answer:
        """`/v1.0/devices/{id}/logs`: rows of all types, `next_row_key` names the next page."""
        if device_id not in self._known:
            return Refusal(*PERMISSION_DENY)
        if not call.query.get("type"):
            return _EMPTY
        asked = self._asked(call, device_id, _words(call.query["type"]))
        if isinstance(asked, Refusal):
            return asked
        rows, size = asked
        cursor = call.query.get("start_row_key", "")
        start = _position(device_id, rows, cursor)
        if start is None:
            return _ILLEGAL
        result, page = _page(device_id, rows, (cursor, start), size, fault)
        self._count(device_id, page, len(result["logs"]))
        return result

    def report_logs(self, call: Call, device_id: str) -> Answer:
        """`/v2.x/cloud/thing/{id}/report-logs`: reports of named codes, other field names."""
        if device_id not in self._known:
            return Refusal(*PERMISSION_DENY)
        if not call.query.get("codes"):
            return _EMPTY
        asked = self._asked(call, device_id, frozenset({str(REPORT)}))
        if isinstance(asked, Refusal):
            return asked
        rows, size = asked
        cursor = call.query.get("last_row_key", "")
        start = _position(device_id, rows, cursor)
        if start is None:
            return _ILLEGAL
        start += bool(cursor)
        page = rows[start : start + size]
        self._count(device_id, page, len(page))
        return {
            "device_id": device_id,
            "has_more": start + size < len(rows),
            "last_row_key": row_key(device_id, page[-1]) if page else "",
            "logs": [_brief(row) for row in page],
            "total": len(rows),
        }

    def _asked(self, call: Call, device_id: str, types: Words) -> tuple[Rows, int] | Refusal:
        """The rows of the window that the cloud still holds, newest first, and the page size."""
        window = _milliseconds(call, "start_time"), _milliseconds(call, "end_time")
        size = _number(call.query.get("size") or str(DEFAULT_SIZE))
        start_ms, end_ms = window
        if start_ms is None or end_ms is None:
            return _EMPTY
        if size is None or size < 1 or start_ms > end_ms:
            return _RANGE
        now_ms = self._clock.now_ms
        oldest_ms = max(0.0, now_ms - self.retention_days * _DAY_MS)
        held = max(start_ms, int(oldest_ms)), min(end_ms, now_ms)
        codes = _words(call.query.get("codes", ""))
        return self._view(device_id, *held, types, codes), min(size, self.page_limit)

    def _make_view(
        self, device_id: str, start_ms: int, end_ms: int, types: Words, codes: Words
    ) -> Rows:
        if start_ms > end_ms:
            return []
        rows = list(self._house.rows(device_id, start_ms, end_ms + 1))
        rows.reverse()
        if types is not None:
            rows = [row for row in rows if str(row.event_id) in types]
        return rows if codes is None else [row for row in rows if row.code in codes]

    def _count(self, device_id: str, rows: Rows, served: int) -> None:
        tracked = self._counters.track_keys
        keys = [row_key(device_id, row) for row in rows] if tracked else []
        self._counters.note_rows(device_id, keys, served)


def _page(
    device_id: str, rows: Rows, place: tuple[str, int], size: int, fault: str | None
) -> tuple[dict[str, Any], Rows]:
    """A page and the rows in it, twisted as a fault wants it."""
    cursor, start = place
    size = {"short_page": max(1, size // 3), "duplicate_rows": max(1, size - 2)}.get(
        fault or "", size
    )
    end = start if fault == "empty_page" else start + size
    page, has_next = rows[start:end], end < len(rows)
    first = row_key(device_id, rows[start]) if start < len(rows) else ""
    result: dict[str, Any] = {
        "current_row_key": first,
        "device_id": device_id,
        "has_next": has_next,
        "logs": _twisted([_item(row) for row in page], fault),
        "next_row_key": row_key(device_id, rows[end]) if has_next else "",
    }
    if fault == "empty_page" and has_next and cursor in ("", first):
        result["next_row_key"] = key_before(device_id, rows[start])  # clients stop at a repeat
    if fault == "no_row_key":
        del result["next_row_key"]
        result["has_next"] = True
    if fault == "repeated_key":
        result["next_row_key"], result["has_next"] = first, True
    return result, page


def _twisted(items: list[dict[str, Any]], fault: str | None) -> list[dict[str, Any]]:
    if fault == "duplicate_rows":
        return items[:2] + items
    if fault == "ascending":
        return items[::-1]
    if fault == "extra_fields":
        return [{**one, "trace": {"unheard": "of"}} for one in items]
    if fault == "odd_value" and items:
        return [{**items[0], "value": {"not": ["a", "string"]}}, *items[1:]]
    return items


def _item(row: LogRow) -> dict[str, Any]:
    """A row as the cloud writes it; absent fields are left out."""
    item: dict[str, Any] = {"code": row.code} if row.code is not None else {}
    item["event_from"] = row.event_from
    item["event_id"] = row.event_id
    item["event_time"] = row.event_time_ms
    if row.event_value is not None:
        item["event_value"] = row.event_value
    item["status"] = "1"
    if row.value is not None:
        item["value"] = row.value
    return item


def _brief(row: LogRow) -> dict[str, Any]:
    return {"code": row.code, "event_time": row.event_time_ms, "value": row.value}


def _position(device_id: str, rows: Rows, cursor: str) -> int | None:
    """Where a cursor points; its row may have gone, the place remains."""
    if not cursor:
        return 0
    order = order_of(device_id, cursor)
    return None if order is None else bisect_left(rows, order, key=log_order)


def _words(text: str) -> Words:
    return frozenset(text.split(",")) if text else None


def _milliseconds(call: Call, name: str) -> int | None:
    """An instant of the query; ten digits are seconds."""
    text = call.query.get(name, "")
    number = _number(text)
    return number * 1000 if number is not None and len(text) == 10 else number


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
