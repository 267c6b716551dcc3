"""The stand-in as a context manager: a real HTTPS server on this machine for a while.

Belongs here: certificates, the server thread, its start and end. Does not belong here: what
it answers (cloud).
"""

import asyncio
import socket
import tempfile
import threading
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import trustme
import uvicorn
from pydantic import SecretStr
from uvicorn.protocols.http.h11_impl import H11Protocol

from lib.credentials import Credentials
from lib.demo.access import Tokens
from lib.demo.cloud import CloudApp
from lib.demo.edits import Edits
from lib.demo.faults import Faults
from lib.demo.house import House
from lib.demo.logs import Logs
from lib.demo.state import Clock, Counters
from lib.errors import ConfigError, SourceUnavailable

ACCESS_ID = "demo0access0id000000"
ACCESS_SECRET = "demo0access0secret00000000000000"  # pragma: allowlist secret
_HOST = "127.0.0.1"
_SILENT = 100  # above CRITICAL: spoiled connections are asked for, not reported


class _Protocol(H11Protocol):
    """Hands each request its connection, so that a fault can cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class _Server(uvicorn.Server):
    """A server that says when it is ready and stops the moment it is told."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._closing = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        while not self._closing.is_set():
            await self.on_tick(0)  # renews the Date header
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), 1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Kept, hanging and slow connections would each hold the end up, some for ever.
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0.01)
        await super().shutdown(sockets)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)


def _listener(port: int) -> socket.socket:
    """A listening socket; without the explicit protocol asyncio leaves Nagle's delay on."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
    except OSError as error:
        listener.close()
        raise ConfigError(f"port {port}: {error}.", remedy="Name another, or 0.") from error
    listener.listen(128)
    return listener


class StandIn:
    """The Tuya Cloud on 127.0.0.1 for as long as the `with` block lasts.

    Each answer waits `latency_s`; after `monthly_calls` calls in a month of the data clock
    (None: no limit) the quota is used up until the month ends. Both may be set at any time.
    """

    def __init__(
        self,
        house: House,
        *,
        now: datetime,
        access_id: str = ACCESS_ID,
        access_secret: str = ACCESS_SECRET,
        retention_days: float = 7,
        page_limit: int = 100,
        port: int = 0,
        live: bool = False,
        latency_s: float = 0.0,
        monthly_calls: int | None = None,
    ) -> None:
        self.house, self.access_id, self.access_secret = house, access_id, access_secret
        self._port = port
        self._app = CloudApp(
            house,
            Clock(now, live=live),
            access_id=access_id,
            access_secret=access_secret,
            retention_days=retention_days,
            page_limit=page_limit,
        )
        self.latency_s, self.monthly_calls = latency_s, monthly_calls
        self.endpoint = ""
        self.ca_bundle = Path()

    @property
    def clock(self) -> Clock:
        """The data clock and the skew of the signing clock."""
        return self._app.clock

    @property
    def latency_s(self) -> float:
        """How long each answer waits; several wait side by side. [s]"""
        return self._app.latency_s

    @latency_s.setter
    def latency_s(self, latency_s: float) -> None:
        self._app.latency_s = latency_s

    @property
    def monthly_calls(self) -> int | None:
        """How many calls a month of the data clock allows; None: any number."""
        return self._app.monthly_calls

    @monthly_calls.setter
    def monthly_calls(self, calls: int | None) -> None:
        self._app.monthly_calls = calls

    @property
    def edits(self) -> Edits:
        """What happens to the devices."""
        return self._app.edits

    @property
    def faults(self) -> Faults:
        """What shall go wrong."""
        return self._app.faults

    @property
    def counters(self) -> Counters:
        """What was asked and served."""
        return self._app.counters

    @property
    def tokens(self) -> Tokens:
        """The shared token: its life, and its early end."""
        return self._app.tokens

    @property
    def logs(self) -> Logs:
        """The log storage: retention and page limit."""
        return self._app.logs

    @property
    def credentials(self) -> Credentials:
        """What leads a client here; it is there once the `with` block has begun."""
        return Credentials(
            access_id=SecretStr(self.access_id),
            access_secret=SecretStr(self.access_secret),
            host=self.endpoint.removeprefix("https://"),
            ca_bundle=self.ca_bundle,
        )

    def __enter__(self) -> "StandIn":
        listener = _listener(self._port)
        self._folder = tempfile.TemporaryDirectory(prefix="tcc-demo-")
        self.endpoint = f"https://{_HOST}:{listener.getsockname()[1]}"
        self._server = _Server(self._configured(Path(self._folder.name)))
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="tcc-demo", daemon=True
        )
        self._thread.start()
        if not self._server.ready.wait(10):
            raise SourceUnavailable("the stand-in did not start within 10 s.")
        return self

    def _configured(self, folder: Path) -> uvicorn.Config:
        authority = trustme.CA()
        self.ca_bundle = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_bundle))
        certificate, own = authority.issue_cert(_HOST), folder / "server.pem"
        certificate.private_key_and_cert_chain_pem.write_to_path(str(own))
        quiet: dict[str, Any] = {"log_config": None, "log_level": _SILENT, "access_log": False}
        return uvicorn.Config(
            self._app.asgi,
            http=_Protocol,
            ws="none",
            loop="asyncio",
            interface="asgi3",
            lifespan="off",
            ssl_certfile=str(own),
            server_header=False,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
            **quiet,
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.stop()
        self._thread.join(10)
        self._folder.cleanup()
