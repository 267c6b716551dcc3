"""One page of rows: where it ends, how it is written, and how faults twist it.

Belongs here: the JSON of rows and the page faults. Does not belong here: which rows (storage),
who asks and for what (logs).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lib.demo.house import LogRow
from lib.demo.rowkeys import key_before, row_key

Rows = list[LogRow]
_TWISTS = frozenset({"duplicate_rows", "ascending", "extra_fields", "odd_value"})
_quoted: Callable[[str], str] = json.encoder.encode_basestring


@dataclass(frozen=True)
class Page:
    """The rows of a page, its own key and the next one's; None: there is a next, without key."""

    rows: Rows
    first_key: str
    next_key: str | None
    has_next: bool


def wanted(size: int, kinds: tuple[str, ...]) -> int:
    """How many rows a page takes from the storage."""
    size = size * 2 if "too_many_rows" in kinds else size
    size = max(1, size // 3) if "short_page" in kinds else size
    size = max(1, size - 2) if "duplicate_rows" in kinds else size
    return 0 if "empty_page" in kinds else size


def cut(device_id: str, found: Rows, cursor: str, size: int, kinds: tuple[str, ...]) -> Page:
    """The page of `size` rows at the head of what was found; one more shows that more follow."""
    rows, rest = found[:size], found[size:]
    first_key = row_key(device_id, found[0]) if found else ""
    next_key: str | None = row_key(device_id, rest[0]) if rest else ""
    has_next = bool(rest)
    if "empty_page" in kinds and rest and cursor in ("", first_key):
        next_key = key_before(device_id, rest[0])  # clients stop at a repeat
    if "late_rows" in kinds:
        del rows[::-5]  # they arrive behind the cursor, a moment after this answer
    if "early_end" in kinds:
        next_key, has_next = "", False
    if "no_row_key" in kinds:
        next_key, has_next = None, True
    if "repeated_key" in kinds:
        next_key, has_next = first_key, True
    return Page(rows, first_key, next_key, has_next)


def encoded(rows: Rows, text: Callable[[LogRow], str], kinds: tuple[str, ...]) -> tuple[str, int]:
    """The rows as a JSON list, twisted as faults want it, and how many it holds."""
    texts = [text(row) for row in rows]
    if not _TWISTS.isdisjoint(kinds):
        items = _twisted([json.loads(one) for one in texts], kinds)
        texts = [json.dumps(item, ensure_ascii=False) for item in items]
    return f"[{','.join(texts)}]", len(texts)


def _twisted(items: list[dict[str, Any]], kinds: tuple[str, ...]) -> list[dict[str, Any]]:
    if "duplicate_rows" in kinds:
        items = items[:2] + items
    if "ascending" in kinds:
        items = items[::-1]
    if "extra_fields" in kinds:
        items = [{**one, "trace": {"unheard": "of"}} for one in items]
    if "odd_value" in kinds and items:
        items = [{**items[0], "value": {"not": ["a", "string"]}}, *items[1:]]
    return items


def row_text(row: LogRow) -> str:
    """A row as the cloud writes it; absent fields are left out."""
    code = f'"code":{_quoted(row.code)},' if row.code is not None else ""
    signal = f'"event_value":{_quoted(row.event_value)},' if row.event_value is not None else ""
    value = f',"value":{_quoted(row.value)}' if row.value is not None else ""
    return (
        f'{{{code}"event_from":"{row.event_from}","event_id":{row.event_id},'
        f'"event_time":{row.event_time_ms},{signal}"status":"1"{value}}}'
    )


def brief_text(row: LogRow) -> str:
    """A row of report logs."""
    code, value = _quoted(row.code or ""), _quoted(row.value or "")
    return f'{{"code":{code},"event_time":{row.event_time_ms},"value":{value}}}'
