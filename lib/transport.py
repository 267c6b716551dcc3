"""One request to the cloud: kept connections, a deadline, an error for what is no success.

Belongs here: sending and reading over HTTPS, from several threads. Does not belong here:
signing (`tuya.py`), what a code means (`tuya_codes.py`), when a call may be made (`pace.py`).

requests limits only the pause between two bytes, so that an answer which trickles never ends.
Here one instant ends all of a request: each address of the host, the handshake, a proxy,
headers and body. Only the look-up of a name cannot be cut short; the system limits it.
"""

import http.client
import io
import json
import socket
import threading
import time
from collections import deque
from datetime import UTC, datetime
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import NameResolutionError
from urllib3.poolmanager import PoolManager

from lib.credentials import Credentials
from lib.pace import Pace
from lib.tuya_codes import THROTTLED, error_of, no_answer, unsendable, untrusted

CHUNK = 65_536
SHORTEST_S = 0.001  # a socket takes 0 for "do not wait at all"
UNREAD = requests.exceptions.BaseHTTPError  # type: ignore[attr-defined]  # of a body cut short


class _Deadline(Timeout):
    """What urllib3 asks how long it may still wait: at each step what is left of the whole."""

    def __init__(self, ends: float) -> None:
        super().__init__()
        self._ends = ends

    def clone(self) -> "_Deadline":
        return self

    def start_connect(self) -> float:
        return time.monotonic()

    @property
    def connect_timeout(self) -> float:
        return _left(self._ends)

    @property
    def read_timeout(self) -> float:
        return _left(self._ends)


def _left(ends: float) -> float:
    return max(SHORTEST_S, ends - time.monotonic())


class _Timely(io.RawIOBase):
    """A socket's bytes, until the time that the socket was given is over."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock, self._raw = sock, raw
        self._ends = time.monotonic() + (sock.gettimeout() or SHORTEST_S)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer trickles")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """Status, headers and body of an answer, the proxy's to CONNECT too, in the time left."""

    def __init__(self, sock: socket.socket, *args: Any, **named: Any) -> None:
        super().__init__(sock, *args, **named)
        self.fp = io.BufferedReader(_Timely(sock, self.fp.detach()), CHUNK)


class _Connection(HTTPSConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        """The addresses of a host share the time; what they leave is for the handshake."""
        ends = time.monotonic() + (self.timeout or SHORTEST_S)
        try:
            found = socket.getaddrinfo(self.host.strip("[]"), self.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        self.timeout = _left(ends) / max(1, len(found))
        sock = super()._new_conn()
        sock.settimeout(_left(ends))
        return sock


class _Pool(HTTPSConnectionPool):
    ConnectionCls = _Connection


class _Adapter(HTTPAdapter):
    """Of one host by one way: the pool of its connections is looked for once."""

    _pool: Any = None

    def init_poolmanager(self, *args: Any, **named: Any) -> None:
        super().init_poolmanager(*args, **named)
        _use_deadlines(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **named)
        if not proxy.lower().startswith("socks"):  # their connections are of another kind
            _use_deadlines(manager)
        return manager

    def get_connection_with_tls_context(self, *args: Any, **named: Any) -> Any:
        self._pool = self._pool or super().get_connection_with_tls_context(*args, **named)
        return self._pool

    def close(self) -> None:
        super().close()
        self._pool = None


def _use_deadlines(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {**manager.pool_classes_by_scheme, "https": _Pool}


class Transport:
    """GETs to the cloud: kept connections, one deadline each, no redirects; of any thread."""

    def __init__(self, credentials: Credentials, timeout_s: float, pace: Pace) -> None:
        self._credentials, self.timeout_s, self._pace = credentials, timeout_s, pace
        self.until: float | None = None  # [s of time.monotonic]
        self.skew_s = 0.0
        self.calls = 0
        self._counting = threading.Lock()
        self._opened: list[requests.Session] = []
        self._idle: deque[requests.Session] = deque()  # each is one thread's at a time

    def get(self, url: str, headers: dict[str, str]) -> dict[str, Any]:
        """Send one GET and read all of it in time: the answer. Raises SourceError."""
        where = url.partition("?")[0]
        turn = self._pace.take_turn(self.until)
        with self._counting:
            self.calls += 1
        sent = time.time()
        status, content = self._sent(url, headers, where)
        here = (sent + time.time()) / 2
        answer = _json(content)
        if not isinstance(answer, dict):
            raise no_answer(where, f"HTTP {status} without JSON")
        self._note_clock(answer.get("t"), here)
        if answer.get("success") is not True:
            said = self._without_secrets(answer, headers)
            error = error_of(said, where, here=datetime.fromtimestamp(here, UTC))
            if error.code in THROTTLED:
                self._pace.slow_down(turn)
            raise error
        if not isinstance(answer.get("result"), dict):
            raise no_answer(where, "success without a result")
        return answer

    def _without_secrets(self, answer: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        """An answer whose message repeats nothing of what was sent: id, secret, token, sign."""
        said, own = str(answer.get("msg", "no message")), self._credentials.access_secret
        sent = {*map(str, headers.values()), own.get_secret_value()}
        for value in sorted((one for one in sent if len(one) > 5), key=len, reverse=True):
            said = said.replace(value, "***")
        return answer | {"msg": said}

    def _note_clock(self, stamp: Any, here: float) -> None:
        if type(stamp) is int and 0 < stamp < 10**15:
            self.skew_s = stamp / 1000 - here

    def _sent(self, url: str, headers: dict[str, str], where: str) -> tuple[int, bytes]:
        session = self._session(url)
        try:
            return self._read(session, url, headers)
        except requests.exceptions.SSLError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise untrusted(where) from error
            raise no_answer(where, "the connection broke") from error
        except (requests.exceptions.InvalidHeader, UnicodeError):
            raise unsendable(where) from None  # the error itself repeats the secret
        except (OSError, UNREAD) as error:
            raise no_answer(where, type(error).__name__) from error
        finally:
            self._idle.append(session)

    def _read(
        self, session: requests.Session, url: str, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        """HTTP status and body, by the session's adapter: what `Session.get` adds is not needed."""
        ends = time.monotonic() + self.timeout_s
        request = requests.PreparedRequest()
        request.method, request.url, request._cookies = "GET", url, None  # type: ignore[attr-defined]
        request.prepare_headers({**session.headers, **headers})
        with session.get_adapter(url).send(
            request,
            stream=True,
            timeout=_Deadline(min(ends, self.until or ends)),  # type: ignore[arg-type]
            verify=session.verify or True,
            proxies=session.proxies,
        ) as response:
            body = bytearray()
            while chunk := response.raw.read1(CHUNK, decode_content=True):
                body += chunk
            return response.status_code, bytes(body)

    def _session(self, url: str) -> requests.Session:
        """A session that no other thread uses now; what the environment says is read once."""
        try:
            return self._idle.pop()
        except IndexError:
            session = requests.Session()
        session.mount("https://", _Adapter(pool_connections=1, pool_maxsize=1))
        # No proxy leads to this machine, and many a network sets one without an exception for it.
        session.trust_env = not self._credentials.on_this_machine
        ca_bundle = self._credentials.ca_bundle
        verify = str(ca_bundle) if ca_bundle else True
        found = session.merge_environment_settings(url, {}, True, verify, None)
        session.proxies, session.verify = found["proxies"], found["verify"]
        self._opened.append(session)
        return session

    def close(self) -> None:
        """Let go of all kept connections."""
        for session in self._opened:
            session.close()


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
