"""Log pages: the cloud's storage, read newest first by a key cursor.

Belongs here: parameters, retention, and the two shapes of an answer. Does not belong here: who
asks, where rows lie (storage), how a page is twisted (pages).
"""

import json
from collections.abc import Callable
from typing import Any

from lib.demo import pages
from lib.demo.edits import Edits
from lib.demo.house import REPORT, LogRow
from lib.demo.pages import Page
from lib.demo.rowkeys import order_of, row_key
from lib.demo.state import PERMISSION_DENY, Answer, Call, Clock, Counters, Encoded, Refusal
from lib.demo.storage import Query, Storage

DEFAULT_SIZE = 20
_DAY_MS = 86_400_000
_EMPTY, _RANGE = Refusal(1100, "param is empty"), Refusal(1101, "param range is invalid")
_ILLEGAL = Refusal(1109, "param is illegal")

Kinds = tuple[str, ...]


class Logs:
    """The log endpoints of one house."""

    def __init__(
        self,
        house: Edits,
        clock: Clock,
        counters: Counters,
        *,
        retention_days: float,
        page_limit: int,
    ) -> None:
        self._house, self._clock, self._counters = house, clock, counters
        self.retention_days, self.page_limit = retention_days, page_limit
        self._storage = Storage(house)

    def device_logs(self, call: Call, device_id: str, kinds: Kinds = ()) -> Answer:
        """`/v1.0/devices/{id}/logs`: rows of all types, `next_row_key` names the next page."""
        types, cursor = call.query.get("type", ""), call.query.get("start_row_key", "")
        page = self._page(call, device_id, types, cursor, kinds)
        if isinstance(page, Refusal):
            return page
        head: dict[str, Any] = {
            "current_row_key": page.first_key,
            "device_id": device_id,
            "has_next": page.has_next,
        }
        if page.next_key is not None:
            head["next_row_key"] = page.next_key
        return self._answer(device_id, head, page, pages.row_text, kinds)

    def report_logs(self, call: Call, device_id: str, kinds: Kinds = ()) -> Answer:
        """`/v2.x/cloud/thing/{id}/report-logs`: reports of named codes, other field names."""
        types = str(REPORT) if call.query.get("codes") else ""
        page = self._page(call, device_id, types, call.query.get("last_row_key", ""), kinds)
        if isinstance(page, Refusal):
            return page
        head: dict[str, Any] = {
            "device_id": device_id,
            "has_more": page.has_next,
            "total": len(page.rows),  # of no use at the cloud either
        }
        if page.next_key is not None:
            last = row_key(device_id, page.rows[-1]) if page.rows else ""
            head["last_row_key"] = page.next_key or last
        return self._answer(device_id, head, page, pages.brief_text, kinds)

    def _page(
        self, call: Call, device_id: str, types: str, cursor: str, kinds: Kinds
    ) -> Page | Refusal:
        """The page that a call asks for, of what the cloud still holds."""
        if self._house.entry(device_id) is None:
            return Refusal(*PERMISSION_DENY)
        start_ms, end_ms = _milliseconds(call, "start_time"), _milliseconds(call, "end_time")
        size = _number(call.query.get("size") or str(DEFAULT_SIZE))
        if not types or start_ms is None or end_ms is None:
            return _EMPTY
        if size is None or size < 1 or start_ms > end_ms:
            return _RANGE
        place = order_of(device_id, cursor) if cursor else None
        if cursor and place is None:
            return _ILLEGAL
        size = pages.wanted(min(size, self.page_limit), kinds)
        query = self._held(device_id, start_ms, end_ms, types, call.query.get("codes", ""))
        found = self._storage.read(query, place, size + 1)
        return pages.cut(device_id, found, cursor, size, kinds)

    def _held(self, device_id: str, start_ms: int, end_ms: int, types: str, codes: str) -> Query:
        """What a window still holds: retention on one side, the data clock on the other."""
        now_ms = self._clock.now_ms
        oldest_ms = max(0, int(now_ms - self.retention_days * _DAY_MS))
        return Query(device_id, max(start_ms, oldest_ms), min(end_ms, now_ms), types, codes)

    def _answer(
        self,
        device_id: str,
        head: dict[str, Any],
        page: Page,
        text: Callable[[LogRow], str],
        kinds: Kinds,
    ) -> Encoded:
        logs, count = pages.encoded(page.rows, text, kinds)
        tracked = self._counters.track_keys
        keys = [row_key(device_id, row) for row in page.rows] if tracked else []
        self._counters.note_rows(device_id, keys, count)
        return Encoded(f'{json.dumps(head)[:-1]},"logs":{logs}}}')


def _milliseconds(call: Call, name: str) -> int | None:
    """An instant of the query; ten digits are seconds."""
    text = call.query.get(name, "")
    number = _number(text)
    return number * 1000 if number is not None and len(text) == 10 else number


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
