"""Requests signed by hand, as Tuya's documentation says: no client between a test and a server."""

import hashlib
import hmac
import time
from typing import Any
from urllib.parse import urlencode

import requests

from lib.demo.standin import StandIn

EVERY_TYPE = "1,2,3,4,5,6,7,8,9,10"
EMPTY_SHA = hashlib.sha256(b"").hexdigest()


class Asker:
    """One kept connection to a stand-in, with a token that is renewed only on demand."""

    def __init__(self, standin: StandIn, timeout_s: float = 5) -> None:
        self.standin, self.timeout_s, self.token = standin, timeout_s, ""
        self.session = requests.Session()
        self.session.verify = str(standin.ca_bundle)
        self.session.trust_env = False

    def __enter__(self) -> "Asker":
        return self

    def __exit__(self, *error: object) -> None:
        self.session.close()

    def send(self, path: str, query: dict[str, Any]) -> requests.Response:
        """A signed GET."""
        own, stamp = self.standin, str(int(time.time() * 1000))
        plain = "&".join(f"{name}={value}" for name, value in sorted(query.items()))
        url = f"{path}?{plain}" if plain else path
        token = "" if path.startswith("/v1.0/token") else self.token
        payload = f"{own.access_id}{token}{stamp}GET\n{EMPTY_SHA}\n\n{url}"
        sign = hmac.new(own.access_secret.encode(), payload.encode(), hashlib.sha256)
        headers = {"client_id": own.access_id, "t": stamp, "sign": sign.hexdigest().upper()}
        headers |= {"access_token": token} if token else {}
        whole = f"{own.endpoint}{path}" + (f"?{urlencode(query)}" if query else "")
        return self.session.get(whole, headers=headers, timeout=self.timeout_s)

    def sign_in(self) -> None:
        """Take the current token."""
        self.token = self.send("/v1.0/token", {"grant_type": 1}).json()["result"]["access_token"]

    def ask(self, path: str, **query: Any) -> dict[str, Any]:
        """The envelope of an answer."""
        if not self.token:
            self.sign_in()
        return self.send(path, query).json()

    def result(self, path: str, **query: Any) -> Any:
        """The result of an answer that is a success."""
        envelope = self.ask(path, **query)
        assert envelope["success"] is True, envelope
        return envelope["result"]

    def page(self, device: str, start_ms: int, end_ms: int, **query: Any) -> dict[str, Any]:
        """One page of the log, as an envelope."""
        asked = {"type": EVERY_TYPE, "size": 100, "start_time": start_ms, "end_time": end_ms}
        return self.ask(f"/v1.0/devices/{device}/logs", **{**asked, **query})

    def logs(self, device: str, start_ms: int, end_ms: int, **query: Any) -> list[dict[str, Any]]:
        """All rows of a window, by the cursor."""
        found: list[dict[str, Any]] = []
        key: dict[str, str] = {}
        while True:
            envelope = self.page(device, start_ms, end_ms, **query, **key)
            assert envelope["success"] is True, envelope
            found += envelope["result"]["logs"]
            if not envelope["result"]["has_next"]:
                return found
            key = {"start_row_key": envelope["result"]["next_row_key"]}
