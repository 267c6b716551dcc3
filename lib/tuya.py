"""The Tuya Cloud: the only importer of tinytuya. Dicts in, exceptions out.

Belongs here: signing in, one request with its deadline, renewal by code, paging, masking.
Does not belong here: which windows to ask for, and where rows are kept.

tinytuya 1.20 reports half-read logs as success, has no time-out and repeats a query with a
wrong signature after it renewed a token. So it only signs and sends here: its transport
turns every answer that is no success into an error before tinytuya sees it.
"""

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import requests
import tinytuya
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from lib.credentials import Credentials
from lib.errors import SourceRejected, SourceUnavailable, TokenExpired
from lib.tuya_codes import broken_off, error_of, no_answer, unsendable, untrusted

EVENT_TYPES = "1,2,3,4,5,6,7,8,9,10"
ATTEMPTS = 4
CHUNK = 65_536
UNREAD = requests.exceptions.BaseHTTPError  # type: ignore[attr-defined]  # of a body cut short
NOT_OPENED = (1108, 28841101, 28841105, 28841106)  # this endpoint only: another may answer


@dataclass(frozen=True)
class LogPage:
    """Rows of one answer, as they came, newest first; `last` says that no page follows."""

    rows: list[dict[str, Any]]
    last: bool


@dataclass(frozen=True)
class _Answer:
    """What tinytuya sees of an answer; in `text` it would look for a dead token, and log it."""

    content: bytes
    text: str = ""
    status_code: int = 200


class _Transport:
    """What tinytuya takes for `requests`: kept connections, a deadline, no redirects."""

    def __init__(self, credentials: Credentials, timeout_s: float) -> None:
        self.session = requests.Session()
        self.verify = str(credentials.ca_bundle) if credentials.ca_bundle else True
        self.timeout_s = timeout_s
        self.calls = 0

    def get(self, url: str, headers: dict[str, str]) -> _Answer:
        """Send one GET and read all of it in time. Raises SourceError."""
        where = url.split("?")[0]
        status, content = self._sent(url, headers, where)
        answer = _json(content)
        if not isinstance(answer, dict):
            raise no_answer(where, f"HTTP {status} without JSON")
        if answer.get("success") is not True:
            raise error_of(answer, where)
        if not isinstance(answer.get("result"), dict):
            raise no_answer(where, "success without a result")
        return _Answer(content)

    def _sent(self, url: str, headers: dict[str, str], where: str) -> tuple[int, bytes]:
        self.calls += 1
        try:
            return self._read(url, headers)
        except requests.exceptions.SSLError as error:
            if "SSLEOFError" in str(error):
                raise no_answer(where, "the connection broke") from error
            raise untrusted(where) from error
        except (requests.exceptions.InvalidHeader, UnicodeError):
            raise unsendable(where) from None  # the error itself repeats the secret
        except (OSError, UNREAD) as error:
            raise no_answer(where, type(error).__name__) from error

    def _read(self, url: str, headers: dict[str, str]) -> tuple[int, bytes]:
        """HTTP status and body; requests limits only the pause between two bytes of it."""
        deadline = time.monotonic() + self.timeout_s
        with self.session.get(
            url,
            headers=headers,
            verify=self.verify,
            timeout=self.timeout_s,
            allow_redirects=False,
            stream=True,
        ) as response:
            body = bytearray()
            while chunk := response.raw.read1(CHUNK, decode_content=True):
                body += chunk
                if time.monotonic() > deadline:
                    raise requests.ReadTimeout(f"more than {self.timeout_s} s")
            return response.status_code, bytes(body)


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


_active: ContextVar[_Transport | None] = ContextVar("transport", default=None)


class _Requests:
    """Stands where tinytuya looks for `requests`; other users of tinytuya see no change."""

    Request = requests.Request
    request = staticmethod(requests.request)

    @staticmethod
    def get(url: str, headers: dict[str, str]) -> requests.Response | _Answer:
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
        self._transport = _Transport(credentials, timeout_s)
        self._client: _Client | None = None
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
        active = _active.set(self._transport)
        try:
            self._client = self._client or _Client(self._credentials)
            result: dict[str, Any] = self._client.cloudrequest(path, query=query)["result"]
            return result
        except (KeyError, TypeError) as error:  # a token answer without a token
            raise no_answer(path, "an answer of another shape") from error
        finally:
            _active.reset(active)

    def devices(self) -> list[dict[str, Any]]:
        """All devices linked to the project, as they came (secrets included: never write them).

        Raises TruncatedPull where the list breaks off.
        """
        found: list[dict[str, Any]] = []
        query: dict[str, Any] = {"size": "50"}
        seen: set[str] = set()
        while True:
            result = self.get("/v1.0/iot-01/associated-users/devices", dict(query))
            found += result.get("devices") or []
            if not result.get("has_more"):
                return found
            query["last_row_key"] = _next_key(result.get("last_row_key"), seen, "device list")

    def specification(self, device_id: str) -> dict[str, Any]:
        """The device's own data points: type, scale and unit of each code."""
        try:
            return self.get(f"/v1.1/devices/{device_id}/specifications")
        except SourceRejected as error:
            if error.code not in NOT_OPENED:
                raise
            return self.get(f"/v1.0/iot-03/devices/{device_id}/specification")

    def log_pages(self, device_id: str, start_ms: int, end_ms: int) -> Iterator[LogPage]:
        """All log rows of a window, page by page, until the cloud says that none is left.

        Raises TruncatedPull where the cloud says that more follows but gives no way to it;
        any other SourceError of a page goes through.
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
            result = self.get(f"/v1.0/devices/{device_id}/logs", dict(query))
            last = not result.get("has_next")
            yield LogPage(rows=result.get("logs") or [], last=last)
            if last:
                return
            query["start_row_key"] = _next_key(result.get("next_row_key"), seen, device_id)


def _next_key(key: Any, seen: set[str], where: str) -> str:
    """The key of the next page. Raises TruncatedPull where there is none or it came before."""
    if key and key not in seen:
        seen.add(key)
        return str(key)
    raise broken_off(where, len(seen) + 1, repeated=bool(key))
