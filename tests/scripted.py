"""A cloud that answers as a test says, where the stand-in is too well behaved."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme
from pydantic import SecretStr

from lib.credentials import Credentials
from lib.tuya import TuyaCloud

TOKEN = "/v1.0/token"
LIST = "/v1.0/iot-01/associated-users/devices"
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
    authority.issue_cert("127.0.0.1").configure_cert(context)
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


def send(handler: BaseHTTPRequestHandler, result: Any) -> None:
    """A whole answer: of success, or of refusal where the result is a number.

    On the path of tokens it is a token.
    """
    if handler.path.startswith(TOKEN):
        result = {"access_token": "t0ken" * 6}
    refused = isinstance(result, int)
    told = {"code": result, "msg": "no"} if refused else {"result": result}
    body = json.dumps({"success": not refused, "t": 1, **told}).encode()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
