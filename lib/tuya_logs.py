"""The logs of a device: the addresses they may come from, and their pages.

Belongs here: which address is open to the project, paging, guards against pages without end.
Does not belong here: signing and sending (`tuya.py`), which windows to ask for (`plan.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lib.errors import DeviceRejected, SourceError, SourceRejected
from lib.tuya_codes import NOT_OPENED, PATH_INVALID, broken_off, no_answer

EVENT_TYPES = "1,2,3,4,5,6,7,8,9,10"
CODES_IN_A_QUESTION = 20  # keeps the address short, some 300 characters
MORE = "has_next", "has_more", "hasMore"  # each is what some address says of a next page

Objects = list[dict[str, Any]]
Get = Callable[[str, dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class LogPage:
    """Rows of one answer, as they came, newest first; `last` says that no page follows.

    `reports_only` says that they came from where only reports of named codes are: no rows of
    going online or offline, and neither `event_id` nor `event_from`.
    """

    rows: Objects
    last: bool
    reports_only: bool = False


@dataclass(frozen=True)
class _Address:
    """Where logs may come from, and under which names it takes and gives the next page."""

    path: str
    cursor: str = "start_row_key"
    next_key: str = "next_row_key"
    reports: bool = False


_REPORTS = ("last_row_key", "last_row_key", True)
ADDRESSES = (
    _Address("/v1.0/devices/{id}/logs"),
    _Address("/v2.0/cloud/thing/{id}/logs"),
    _Address("/v2.0/cloud/thing/{id}/report-logs", *_REPORTS),
    _Address("/v2.1/cloud/thing/{id}/report-logs", *_REPORTS),
)


class _Door:
    """An address and whom it refused in this run, so that a refusal is not asked for twice."""

    def __init__(self, address: _Address) -> None:
        self.address, self.answered, self.closed = address, False, False
        self.refusals: list[SourceRejected] = []
        self._refused: set[str] = set()

    def closed_to(self, device_id: str) -> bool:
        return self.closed or device_id in self._refused

    def doubtful_to(self, device_id: str) -> bool:
        """Closed because of other devices alone, by a code that may be theirs alone."""
        own = device_id in self._refused
        return self.closed and not own and all(e.code == PATH_INVALID for e in self.refusals)

    def refuse(self, device_id: str, error: SourceRejected) -> None:
        """Closed to one device; to all where the code says so, or a second one meets the same.

        1108 alone may be of one odd device, and whole logs of the others must not become
        reports because of it.
        """
        self._refused.add(device_id)
        self.refusals.append(error)
        certain = error.code != PATH_INVALID or len(self._refused) > 1
        self.closed = certain and not self.answered


class Logs:
    """The logs of a project's devices, from an address that is open to the project."""

    def __init__(self, get: Get, page_size: int) -> None:
        self._get, self._page_size = get, page_size
        self._doors = [_Door(address) for address in ADDRESSES]
        self._first = 0  # of the addresses of whole logs the one that answered last

    def pages(
        self, device_id: str, start_ms: int, end_ms: int, codes: Sequence[str]
    ) -> Iterator[LogPage]:
        """All rows of a window, page by page. Raises SourceError.

        An address that is not open to the project is left for the next one, before the first
        page only: a key of one address says nothing at another. Where none is open, the first
        refusal is raised; without codes no address of reports is asked.
        """
        window = {"start_time": start_ms, "end_time": end_ms, "size": self._page_size}
        refusals: list[SourceRejected] = []
        for door in self._tried(device_id):
            if door.address.reports and not codes:
                continue
            pages = self._at(door.address, device_id, window, codes)
            try:
                first = next(pages)
            except SourceRejected as error:
                if error.code not in NOT_OPENED:
                    raise
                door.refuse(device_id, error)
                refusals.append(error)
                continue
            self._note_answer(door)
            yield first
            yield from pages
            return
        raise self._refusal(device_id, refusals, codes)

    def _in_order(self) -> list["_Door"]:
        """The address of whole logs that answered last, the other one, those of reports."""
        return [self._doors[self._first], self._doors[1 - self._first], *self._doors[2:]]

    def _tried(self, device_id: str) -> Iterator["_Door"]:
        """The open addresses; where none answers, those that 1108 closed to other devices."""
        shut = [door for door in self._doors if door.doubtful_to(device_id)]
        yield from (door for door in self._in_order() if not door.closed_to(device_id))
        yield from shut

    def _note_answer(self, door: "_Door") -> None:
        door.answered, door.closed = True, False
        if not door.address.reports:
            self._first = self._doors.index(door)

    def _refusal(
        self, device_id: str, refusals: list[SourceRejected], codes: Sequence[str]
    ) -> SourceError:
        """The first refusal, of this question or else of this run, told of this device."""
        if not codes and any(door.answered for door in self._doors[2:]):
            return _without_codes(device_id)
        if refusals:
            return refusals[0]
        error = self._doors[0].refusals[0]
        told = {"where": f"logs of {device_id}", "risk": error.risk, "remedy": error.remedy}
        return SourceRejected(error.what, code=error.code, **told)

    def _at(
        self, address: _Address, device_id: str, window: dict[str, Any], codes: Sequence[str]
    ) -> Iterator[LogPage]:
        """The pages of one address; of many codes some are asked for at a time."""
        if not address.reports:
            query = {"type": EVENT_TYPES, "query_type": 1, **window}
            yield from self._followed(address, device_id, query, last=True)
            return
        named = list(dict.fromkeys(codes))
        for start in range(0, len(named), CODES_IN_A_QUESTION):
            stop = start + CODES_IN_A_QUESTION
            query = {"codes": ",".join(named[start:stop]), **window}
            yield from self._followed(address, device_id, query, last=stop >= len(named))

    def _followed(
        self, address: _Address, device_id: str, query: dict[str, Any], *, last: bool
    ) -> Iterator[LogPage]:
        """The pages of one question, until the cloud says that none is left."""
        path, where = address.path.format(id=device_id), f"logs of {device_id}"
        seen: set[str] = set()
        while True:
            result = self._get(path, query)
            more = any(map(result.get, MORE))
            rows = result.get("logs")
            rows = objects(result.get("list") if rows is None else rows, where)
            yield LogPage(rows, last and not more, address.reports)
            if not more:
                return
            key = next_key(result.get(address.next_key), seen, device_id)
            query = {**query, address.cursor: key}


def _without_codes(device_id: str) -> DeviceRejected:
    """The error for a device that cannot be asked for its reports, which others are."""
    return DeviceRejected(
        "only reports of named codes are open to this project, and no code of it is known.",
        where=f"logs of {device_id}",
        risk="Its rows stay in the cloud for up to 7 days.",
        remedy="At platform.tuya.com, Cloud > Development > your project > Service API > Go to "
        "Authorize: add Device Log Query. The other devices go on.",
    )


def objects(items: Any, where: str) -> Objects:
    """The objects of a list that may be absent. Raises SourceUnavailable for anything else."""
    if items is None:
        return []
    if isinstance(items, list) and all(isinstance(item, dict) for item in items):
        return items
    raise no_answer(where, "an answer of another shape")


def next_key(key: Any, seen: set[str], where: str) -> str:
    """The key of the next page. Raises TruncatedPull where there is none or it came before."""
    name = str(key or "")
    if name and name not in seen:
        seen.add(name)
        return name
    raise broken_off(where, len(seen) + 1, repeated=bool(name))
