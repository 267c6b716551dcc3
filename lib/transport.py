"""One request to the cloud: kept connections, a deadline, an error for what is no success.

Belongs here: sending and reading over HTTPS. Does not belong here: signing (`tuya.py`), what
a code means (`tuya_codes.py`).
"""

import json
import time
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import requests

from lib.credentials import Credentials
from lib.tuya_codes import error_of, no_answer, unsendable, untrusted

CHUNK = 65_536
UNREAD = requests.exceptions.BaseHTTPError  # type: ignore[attr-defined]  # of a body cut short


@dataclass(frozen=True)
class Answer:
    """What tinytuya sees of an answer; in `text` it would look for a dead token, and log it."""

    content: bytes
    text: str = ""
    status_code: int = 200


class Transport:
    """What tinytuya takes for `requests`: kept connections, a deadline, no redirects."""

    def __init__(self, credentials: Credentials, timeout_s: float) -> None:
        self.session = requests.Session()
        # No proxy leads to this machine, and many a network sets one without an exception for it.
        self.session.trust_env = not _is_this_machine(credentials.host)
        self.verify = str(credentials.ca_bundle) if credentials.ca_bundle else True
        self.timeout_s = timeout_s
        self.calls = 0

    def get(self, url: str, headers: dict[str, str]) -> Answer:
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
        return Answer(content)

    def _sent(self, url: str, headers: dict[str, str], where: str) -> tuple[int, bytes]:
        self.calls += 1
        try:
            return self._read(url, headers)
        except requests.exceptions.SSLError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise untrusted(where) from error
            raise no_answer(where, "the connection broke") from error
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


def _is_this_machine(host: str) -> bool:
    name = host.partition(":")[0].lower()
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
