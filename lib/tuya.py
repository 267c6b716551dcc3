"""The Tuya Cloud: the only importer of tinytuya. Dicts in, exceptions out.

Belongs here: signing in, renewal by code, repeats, the device list, masking. Does not belong
here: sending (`transport.py`), pages of logs (`tuya_logs.py`), which windows to ask for.

tinytuya 1.20 reports half-read logs as success, has no time-out and repeats a query with a
wrong signature after it renewed a token. So it only signs here: this project's transport
sends, and turns every answer that is no success into an error before tinytuya sees it.
"""

import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import requests
import tinytuya

from lib.credentials import Credentials
from lib.errors import DeviceRejected, SourceRejected, SourceUnavailable, TokenExpired
from lib.pace import Pace, repeating
from lib.transport import Transport
from lib.tuya_codes import NOT_OPENED, SIGN_INVALID, no_answer, of_the_project
from lib.tuya_logs import LogPage, Logs, next_key, objects

__all__ = ["LogPage", "TuyaCloud"]

LIST = "/v1.0/iot-01/associated-users/devices"
LIST_QUERY = {"size": "50"}
NO_SPECIFICATION = (*NOT_OPENED, 1106)


@dataclass(frozen=True)
class _Answer:
    """What tinytuya sees of an answer; in `text` it would look for a dead token, and log it."""

    content: bytes
    text: str = ""
    status_code: int = 200


@dataclass(frozen=True)
class _Prepared:
    """What tinytuya wants of `requests.Request`: the address with its query."""

    url: str

    def prepare(self) -> "_Prepared":
        return self


Send = Callable[[str, dict[str, str]], _Answer]
_SUCCESS = _Answer(b'{"success":true,"result":{}}')  # the real one is parsed once, by transport
_send: ContextVar[Send | None] = ContextVar("send", default=None)


class _Requests:
    """Stands where tinytuya looks for `requests`; other users of tinytuya see no change."""

    request = staticmethod(requests.request)

    @staticmethod
    def Request(method: str, url: str, params: Any) -> requests.Request | _Prepared:  # noqa: N802
        if _send.get():
            return _Prepared(f"{url}?{urlencode(params)}")
        return requests.Request(method, url, params=params)

    @staticmethod
    def get(url: str, headers: dict[str, str]) -> requests.Response | _Answer:
        send = _send.get()
        return send(url, headers) if send else requests.get(url, headers=headers)


@contextmanager
def _sending(send: Send) -> Iterator[None]:
    """Let tinytuya send by this project's transport."""
    before = _send.set(send)
    try:
        yield
    finally:
        _send.reset(before)


_module: Any = sys.modules["tinytuya.Cloud"]
_module.requests = _Requests
# At DEBUG tinytuya's cloud prints headers with the secret and the token; it may warn only.
_module.log = logging.getLogger("tinytuya.Cloud")
_module.log.addFilter(lambda record: record.levelno >= logging.WARNING)


class _Client(tinytuya.Cloud):  # type: ignore[misc]
    """tinytuya's signing with a token of its own, pointed at the configured host."""

    def __init__(self, credentials: Credentials, *, renewed: bool) -> None:
        self._host = credentials.host
        self.renewed = renewed  # in place of an ended token, and not yet answered
        super().__init__(
            apiRegion="cn",
            apiKey=credentials.access_id.get_secret_value(),
            apiSecret=credentials.access_secret.get_secret_value(),
        )

    def setregion(self, apiRegion: str | None = None) -> None:  # noqa: N803 (tinytuya's name)
        self.apiRegion, self.urlhost = apiRegion, self._host


class TuyaCloud:
    """A signed-in project of the Tuya Cloud, for several threads; every failure is an exception."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        timeout_s: float = 20,
        page_size: int = 100,
        pause: Callable[[float], None] = time.sleep,
        calls_per_s: float | None = None,
    ) -> None:
        self._credentials = credentials
        self._transport = Transport(credentials, timeout_s, Pace(calls_per_s, pause=pause))
        self._logs = Logs(self.get, page_size)
        self._client: _Client | None = None
        self._signing_in = threading.Lock()
        self._retrying = repeating(pause, lambda: self.until)

    @property
    def calls(self) -> int:
        """Requests sent so far, repeats and tokens included: what the monthly quota counts."""
        return self._transport.calls

    @property
    def skew_s(self) -> float:
        """The cloud's clock less this computer's at the newest answer; 0 before any. [s]"""
        return self._transport.skew_s

    @property
    def until(self) -> float | None:
        """When the run's time is over: no call is made past it. [s of time.monotonic]"""
        return self._transport.until

    @until.setter
    def until(self, deadline: float | None) -> None:
        self._transport.until = deadline

    def close(self) -> None:
        """Let go of the kept connections."""
        self._transport.close()

    def check(self) -> None:
        """Ask for little, so that refused credentials show before anything is changed.

        Costs a token and one call. Raises SourceError where there is no token or the project
        is refused; that the list of devices alone is closed says nothing of the logs.
        """
        self._retrying(self._signed_in)
        try:
            self._get_with_token(LIST, LIST_QUERY)
        except (SourceUnavailable, DeviceRejected):
            return
        except SourceRejected as error:
            if of_the_project(error.code) and error.code not in NOT_OPENED:
                raise

    def get(self, path: str, query: dict[str, Any] | None = None) -> dict[str, Any]:
        """The `result` of a GET; transient failures are repeated. Raises SourceError."""
        return self._retrying(self._get_with_token, path, query)

    def _get_with_token(self, path: str, query: dict[str, Any] | None) -> dict[str, Any]:
        """Repeat with a new client where the token ended, by code and not by text.

        A signature refused directly after that is worth one more client.
        """
        client: _Client | None = None
        renewed = rebuilt = False
        while True:
            try:
                client = self._signed_in(client, renewed=renewed and not rebuilt)
                return self._get_once(client, path, query)
            except TokenExpired:
                if renewed:
                    raise
                renewed = True
            except SourceRejected as error:
                if error.code != SIGN_INVALID or rebuilt or not (client and client.renewed):
                    raise
                renewed = rebuilt = True

    def _get_once(self, client: _Client, path: str, query: dict[str, Any] | None) -> dict[str, Any]:
        """tinytuya signs and hands over; what comes stays here, so that it is parsed once."""
        came: list[dict[str, Any]] = []

        def send(url: str, headers: dict[str, str]) -> _Answer:
            came.append(self._transport.get(url, headers))
            return _SUCCESS

        with _sending(send):
            client.cloudrequest(path, query=query)
        client.renewed = False
        result: dict[str, Any] = came[-1]["result"]
        return result

    def _signed_in(self, failed: _Client | None = None, *, renewed: bool = False) -> _Client:
        """The client in force, unless it is the one that failed; a new one costs one call.

        Of several threads whose client failed one builds the next, the others take it.
        """
        with self._signing_in:
            if self._client is None or self._client is failed:
                self._client = None  # even if no token comes now
                with _sending(self._send_for_token):
                    self._client = _Client(self._credentials, renewed=renewed)
            return self._client

    def _send_for_token(self, url: str, headers: dict[str, str]) -> _Answer:
        """tinytuya sees the token alone: in all else it trusts without looking."""
        token = self._transport.get(url, headers)["result"].get("access_token")
        if not (token and isinstance(token, str)):
            raise no_answer("sign-in", "an answer without a token")
        return _Answer(json.dumps({"success": True, "result": {"access_token": token}}).encode())

    def devices(self) -> list[dict[str, Any]]:
        """All devices linked to the project, as they came (secrets included: never write them).

        Raises TruncatedPull where the list breaks off.
        """
        found: list[dict[str, Any]] = []
        query: dict[str, Any] = dict(LIST_QUERY)
        seen: set[str] = set()
        while True:
            result = self.get(LIST, dict(query))
            found += objects(result.get("devices"), LIST)
            if not result.get("has_more"):
                return found
            query["last_row_key"] = next_key(result.get("last_row_key"), seen, "device list")

    def specification(self, device_id: str) -> dict[str, Any]:
        """The device's own data points: type, scale and unit of each code."""
        try:
            return self.get(f"/v1.1/devices/{device_id}/specifications")
        except (SourceRejected, DeviceRejected) as error:
            if error.code not in NO_SPECIFICATION:
                raise
            return self.get(f"/v1.0/iot-03/devices/{device_id}/specification")

    def log_pages(
        self, device_id: str, start_ms: int, end_ms: int, codes: Sequence[str] = ()
    ) -> Iterator[LogPage]:
        """All log rows of a window, page by page, until the cloud says that none is left.

        `codes` are asked for where only reports are open to the project. Raises TruncatedPull
        where more follows but nothing leads to it, any other SourceError as it came.
        """
        return self._logs.pages(device_id, start_ms, end_ms, codes)
