"""The cloud's storage of rows: by device and hour, newest first.

Belongs here: finding the rows of a window from a cursor on, in bounded memory. Does not belong
here: parameters, retention and shapes of answers (logs), cursors as text (rowkeys).
"""

from bisect import bisect_left
from collections import OrderedDict
from dataclasses import dataclass

from lib.demo.edits import Edits
from lib.demo.house import LogRow, log_order

BLOCK_MS = 3_600_000
MOST_ROWS = 50_000

Rows = list[LogRow]
Place = tuple[int, str, str]  # of a row in the storage, as `log_order` gives it


@dataclass(frozen=True)
class Query:
    """Which rows: of a device, from `start_ms` to `end_ms` (both in), of types and codes.

    `types` and `codes` are comma lists; empty ones let all pass.
    """

    device_id: str
    start_ms: int
    end_ms: int
    types: str = ""
    codes: str = ""


class Storage:
    """The rows of a house, of which the latest used are kept at hand."""

    def __init__(self, house: Edits) -> None:
        self._house = house
        self._blocks: OrderedDict[tuple[object, ...], Rows] = OrderedDict()
        self._weight = 0

    def read(self, query: Query, place: Place | None, count: int) -> Rows:
        """At most `count` rows from a place on, newest first."""
        newest = (-query.end_ms, "", "")
        begin = max(newest, place) if place else newest
        end = (1 - query.start_ms, "", "")
        found: Rows = []
        stamp = self._house.stamp()
        for block in range(-begin[0] // BLOCK_MS, query.start_ms // BLOCK_MS - 1, -1):
            rows = self._block(query, block, stamp)
            if rows:
                first = bisect_left(rows, begin, key=log_order)
                found += rows[first : first + count - len(found)]
            if len(found) == count:
                break
        del found[bisect_left(found, end, key=log_order) :]
        return found

    def _block(self, query: Query, block: int, stamp: object) -> Rows:
        key = (query.device_id, block, query.types, query.codes, stamp)
        rows = self._blocks.get(key)
        if rows is None:
            rows = self._blocks[key] = self._made(query, block)
            self._weight += len(rows) + 1
            while self._weight > MOST_ROWS and len(self._blocks) > 1:
                _, oldest = self._blocks.popitem(last=False)
                self._weight -= len(oldest) + 1
        else:
            self._blocks.move_to_end(key)
        return rows

    def _made(self, query: Query, block: int) -> Rows:
        start_ms = block * BLOCK_MS
        rows = list(self._house.rows(query.device_id, start_ms, start_ms + BLOCK_MS))
        rows.reverse()
        if query.types:
            types = set(query.types.split(","))
            rows = [row for row in rows if str(row.event_id) in types]
        if query.codes:
            codes = set(query.codes.split(","))
            rows = [row for row in rows if row.code in codes]
        return rows
