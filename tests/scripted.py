"""A cloud that answers as a test says, where the stand-in is too well behaved."""

import json
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import trustme
from pydantic import SecretStr

from lib.credentials import Credentials
from lib.tuya import TuyaCloud

TOKEN = "/v1.0/token"
LIST = "/v1.0/iot-01/associated-users/devices"
ELSEWHERE = "cloud.example"  # a name that leads nowhere, for what stands behind a proxy
SECRET = "clear0text0secret0of0this0test00"  # pragma: allowlist secret

Respond = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def server(folder: Path, respond: Respond) -> Iterator[Credentials]:
    """An HTTPS server that answers each request by a function; what leads to it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or each answer waits 40 ms

        def do_GET(self) -> None:
            respond(self)

        def log_message(self, *args: object) -> None:
            pass

    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", ELSEWHERE).configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.daemon_threads = True
    web.socket = context.wrap_socket(web.socket, server_side=True)
    thread = threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield Credentials(
            access_id=SecretStr("id"),
            access_secret=SecretStr(SECRET),
            host=f"127.0.0.1:{web.server_address[1]}",
            ca_bundle=folder / "ca.pem",
        )
    finally:
        web.shutdown()
        web.server_close()
        thread.join()


@contextmanager
def scripted(folder: Path, respond: Respond, *, timeout_s: float = 10) -> Iterator[TuyaCloud]:
    """A client of such a server."""
    with server(folder, respond) as access:
        cloud = TuyaCloud(access, timeout_s=timeout_s, pause=lambda pause_s: None)
        try:
            yield cloud
        finally:
            cloud.close()


@contextmanager
def proxy(port: int, *, silent: bool = False) -> Iterator[str]:
    """A proxy that leads every CONNECT to a port of this machine; or never ends its answer."""
    over = threading.Event()

    class Tunnel(StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            if silent:
                return drip(self.wfile, over)
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with socket.create_connection(("127.0.0.1", port)) as onward:
                ends = {self.connection: onward, onward: self.connection}
                while not over.is_set():
                    for end in select.select(list(ends), [], [], 0.01)[0]:
                        if not (some := end.recv(65_536)):
                            return None
                        ends[end].sendall(some)

    class Server(ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Tunnel) as tunnels:
        thread = threading.Thread(target=tunnels.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{tunnels.server_address[1]}"
        finally:
            over.set()
            tunnels.shutdown()
            thread.join()


def drip(out: Any, over: threading.Event, first: bytes = b"HTTP/1.1 200 OK\r\nX-Slow: ") -> None:
    """Send an answer's beginning, then a byte now and then until it is over or nobody listens."""
    try:
        out.write(first)
        while not over.wait(0.02):
            out.write(b"x")
    except OSError:
        return


def by_path(answer: Callable[[str], Any], asked: list[str] | None = None) -> Respond:
    """Answer each path by a result, or refuse it by a code; the token is given by itself.

    `asked` takes the paths that came, in order, without those of tokens.
    """

    def respond(handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.split("?")[0]
        if asked is not None and path != TOKEN:
            asked.append(path)
        send(handler, {} if path == TOKEN else answer(path))

    return respond


def send(handler: BaseHTTPRequestHandler, result: Any, *, stamp: Any = 1) -> None:
    """A whole answer: of success, or of refusal where the result is a number.

    On the path of tokens it is a token.
    """
    if handler.path.startswith(TOKEN):
        result = {"access_token": "t0ken" * 6}
    refused = isinstance(result, int)
    told = {"code": result, "msg": "no"} if refused else {"result": result}
    body = json.dumps({"success": not refused, "t": stamp, **told}).encode()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
