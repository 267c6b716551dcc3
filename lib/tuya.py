"""The Tuya Cloud: the only importer of tinytuya. Dicts in, exceptions out.

Belongs here: signing in, renewal by code, endpoints, paging, masking. Does not belong here:
sending (`transport.py`), which windows to ask for, and where rows are kept.

tinytuya 1.20 reports half-read logs as success, has no time-out and repeats a query with a
wrong signature after it renewed a token. So it only signs and sends here: its transport
turns every answer that is no success into an error before tinytuya sees it.
"""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import requests
import tinytuya
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from lib.credentials import Credentials
from lib.errors import (
    DeviceRejected,
    SourceRejected,
    SourceUnavailable,
    TokenExpired,
)
from lib.transport import Answer, Transport
from lib.tuya_codes import NOT_OPENED, broken_off, no_answer, of_the_project

EVENT_TYPES = "1,2,3,4,5,6,7,8,9,10"
ATTEMPTS = 4
LIST = "/v1.0/iot-01/associated-users/devices"
LIST_QUERY = {"size": "50"}
# The same rows at two addresses; which of them a project may use differs.
LOGS = "/v1.0/devices/{id}/logs", "/v2.0/cloud/thing/{id}/logs"
NO_SPECIFICATION = (*NOT_OPENED, 1106)


@dataclass(frozen=True)
class LogPage:
    """Rows of one answer, as they came, newest first; `last` says that no page follows."""

    rows: list[dict[str, Any]]
    last: bool


_active: ContextVar[Transport | None] = ContextVar("transport", default=None)


class _Requests:
    """Stands where tinytuya looks for `requests`; other users of tinytuya see no change."""

    Request = requests.Request
    request = staticmethod(requests.request)

    @staticmethod
    def get(url: str, headers: dict[str, str]) -> requests.Response | Answer:
        transport = _active.get()
        return transport.get(url, headers) if transport else requests.get(url, headers=headers)


_module: Any = sys.modules["tinytuya.Cloud"]
_module.requests = _Requests
# At DEBUG tinytuya's cloud prints headers with the secret and the token; it may warn only.
_module.log = logging.getLogger("tinytuya.Cloud")
_module.log.addFilter(lambda record: record.levelno >= logging.WARNING)


class _Client(tinytuya.Cloud):  # type: ignore[misc]
    """tinytuya's signing, pointed at the configured host."""

    def __init__(self, credentials: Credentials) -> None:
        self._host = credentials.host
        super().__init__(
            apiRegion="cn",
            apiKey=credentials.access_id.get_secret_value(),
            apiSecret=credentials.access_secret.get_secret_value(),
        )

    def setregion(self, apiRegion: str | None = None) -> None:  # noqa: N803 (tinytuya's name)
        self.apiRegion, self.urlhost = apiRegion, self._host


class TuyaCloud:
    """A signed-in project of the Tuya Cloud; every failure is an exception."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        timeout_s: float = 20,
        page_size: int = 100,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._credentials, self._page_size = credentials, page_size
        self._transport = Transport(credentials, timeout_s)
        self._client: _Client | None = None
        self._logs = LOGS  # the one that answered last comes first
        self._retrying = Retrying(
            retry=retry_if_exception_type(SourceUnavailable),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential_jitter(multiplier=0.5, max=12),
            sleep=pause,
            reraise=True,
        )

    @property
    def calls(self) -> int:
        """Requests sent so far, repeats and tokens included: what the monthly quota counts."""
        return self._transport.calls

    def close(self) -> None:
        """Let go of the kept connections."""
        self._transport.session.close()

    def check(self) -> None:
        """Ask for little, so that refused credentials show before anything is changed.

        Costs a token and one call. Raises SourceError where there is no token or the project
        is refused; that the list of devices alone is closed says nothing of the logs.
        """
        self._retrying(self._signed_in)
        try:
            self._get_with_token(LIST, dict(LIST_QUERY))
        except (SourceUnavailable, DeviceRejected):
            return
        except SourceRejected as error:
            if of_the_project(error.code) and error.code not in NOT_OPENED:
                raise

    def get(self, path: str, query: dict[str, Any] | None = None) -> dict[str, Any]:
        """The `result` of a GET; transient failures are repeated. Raises SourceError."""
        return self._retrying(self._get_with_token, path, query)

    def _get_with_token(self, path: str, query: dict[str, Any] | None) -> dict[str, Any]:
        """Repeat once with a new client where the token ended, by code and not by text."""
        try:
            return self._get_once(path, query)
        except TokenExpired:
            self._client = None
            return self._get_once(path, query)

    def _get_once(self, path: str, query: dict[str, Any] | None) -> dict[str, Any]:
        client = self._signed_in()
        with self._speaking(path):
            result: dict[str, Any] = client.cloudrequest(path, query=query)["result"]
            return result

    def _signed_in(self) -> _Client:
        """The client with its token, which costs one call where there is none yet."""
        with self._speaking("sign-in"):
            self._client = self._client or _Client(self._credentials)
            return self._client

    @contextmanager
    def _speaking(self, where: str) -> Iterator[None]:
        """Let tinytuya speak through this project's transport."""
        active = _active.set(self._transport)
        try:
            yield
        except (KeyError, TypeError) as error:  # a token answer without a token
            raise no_answer(where, "an answer of another shape") from error
        finally:
            _active.reset(active)

    def devices(self) -> list[dict[str, Any]]:
        """All devices linked to the project, as they came (secrets included: never write them).

        Raises TruncatedPull where the list breaks off.
        """
        found: list[dict[str, Any]] = []
        query: dict[str, Any] = dict(LIST_QUERY)
        seen: set[str] = set()
        while True:
            result = self.get(LIST, dict(query))
            found += _objects(result.get("devices"), LIST)
            if not result.get("has_more"):
                return found
            query["last_row_key"] = _next_key(result.get("last_row_key"), seen, "device list")

    def specification(self, device_id: str) -> dict[str, Any]:
        """The device's own data points: type, scale and unit of each code."""
        try:
            return self.get(f"/v1.1/devices/{device_id}/specifications")
        except (SourceRejected, DeviceRejected) as error:
            if error.code not in NO_SPECIFICATION:
                raise
            return self.get(f"/v1.0/iot-03/devices/{device_id}/specification")

    def log_pages(self, device_id: str, start_ms: int, end_ms: int) -> Iterator[LogPage]:
        """All log rows of a window, page by page, until the cloud says that none is left.

        Raises TruncatedPull where the cloud says that more follows but gives no way to it, and
        SourceUnavailable where its rows are none; any other SourceError of a page goes through.
        """
        query: dict[str, Any] = {
            "type": EVENT_TYPES,
            "start_time": start_ms,
            "end_time": end_ms,
            "query_type": 1,
            "size": self._page_size,
        }
        seen: set[str] = set()
        while True:
            result = self._page(device_id, query)
            last = not (result.get("has_next") or result.get("has_more"))
            yield LogPage(rows=_objects(result.get("logs"), f"logs of {device_id}"), last=last)
            if last:
                return
            query["start_row_key"] = _next_key(result.get("next_row_key"), seen, device_id)

    def _page(self, device_id: str, query: dict[str, Any]) -> dict[str, Any]:
        """One answer of the logs, from the other address where this one is closed."""
        first, other = self._logs
        try:
            return self.get(first.format(id=device_id), dict(query))
        except SourceRejected as error:
            if error.code not in NOT_OPENED:
                raise
        result = self.get(other.format(id=device_id), dict(query))
        self._logs = other, first
        return result


def _objects(items: Any, where: str) -> list[dict[str, Any]]:
    """The objects of a list that may be absent. Raises SourceUnavailable for anything else."""
    if items is None:
        return []
    if isinstance(items, list) and all(isinstance(item, dict) for item in items):
        return items
    raise no_answer(where, "an answer of another shape")


def _next_key(key: Any, seen: set[str], where: str) -> str:
    """The key of the next page. Raises TruncatedPull where there is none or it came before."""
    name = str(key or "")
    if name and name not in seen:
        seen.add(name)
        return name
    raise broken_off(where, len(seen) + 1, repeated=bool(name))
