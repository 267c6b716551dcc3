"""Signatures and tokens: who may ask. Belongs here: the checks before any endpoint.

Does not belong here: what is answered. Rules and texts are those of Tuya's documentation and
of traces in public threads; headers hold secrets and are never logged.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote_plus

from lib.demo.state import Answer, Call, Clock, Refusal

TOKEN_PATH = "/v1.0/token"
TOLERANCE_S = 300
CLOUD_UID = "bay0000000000000demo"


def parameters(raw_query: str) -> list[tuple[str, str]]:
    """The decoded pairs of a query string, in the order they came."""
    pairs = (part.partition("=") for part in raw_query.split("&") if part)
    return [(unquote_plus(name), unquote_plus(value)) for name, _, value in pairs]


def string_to_sign(call: Call) -> str:
    """Method, hash of the body, signed headers, and path with its query sorted and decoded."""
    names = [name for name in call.headers.get("signature-headers", "").split(":") if name]
    signed = "".join(f"{name}:{call.headers.get(name.lower(), '')}\n" for name in names)
    query = "&".join(f"{name}={value}" for name, value in sorted(call.pairs))
    url = f"{call.path}?{query}" if query else call.path
    return f"{call.method}\n{hashlib.sha256(call.body).hexdigest()}\n{signed}\n{url}"


@dataclass
class Gate:
    """Knows the project's id and secret and refuses what is not signed with them."""

    access_id: str
    access_secret: str
    clock: Clock

    def refusal(self, call: Call) -> Refusal | None:
        """Why a call may not pass, in the cloud's numbers; None if it may."""
        stamp = call.headers.get("t", "")
        if call.headers.get("client_id") != self.access_id:
            return Refusal(1005, "clientId invalid")
        if not stamp.isascii() or not stamp.isdigit():
            return Refusal(1013, "request time is invalid")
        if abs(int(stamp) - self.clock.signing_ms()) > TOLERANCE_S * 1000:
            return Refusal(1013, "request time is invalid")
        offered = call.headers.get("sign", "")
        if not hmac.compare_digest(self.signature(call, stamp).encode(), offered.encode()):
            return Refusal(1004, "sign invalid")
        return None

    def signature(self, call: Call, stamp: str) -> str:
        """HMAC-SHA256 in upper case; token requests are signed without a token."""
        is_token = call.path.startswith(TOKEN_PATH)
        token = "" if is_token else call.headers.get("access_token", "")
        nonce = call.headers.get("nonce", "")
        payload = f"{self.access_id}{token}{stamp}{nonce}{string_to_sign(call)}"
        digest = hmac.new(self.access_secret.encode(), payload.encode(), hashlib.sha256)
        return digest.hexdigest().upper()


@dataclass(frozen=True)
class Token:
    """A pair of tokens and when it ends. [s since 1970]"""

    access: str
    refresh: str
    ends_s: float


class Tokens:
    """The project's shared token: the same for everybody until it ends or is rotated."""

    def __init__(self, now_s: Callable[[], float], life_s: float = 7200) -> None:
        self.life_s = life_s
        self._now_s = now_s
        self._current: Token | None = None
        self._expired: set[str] = set()

    def grant(self) -> Answer:
        """The current token with its remaining life, or a new one after its end."""
        if self._current and self._now_s() >= self._current.ends_s:
            self._expired.add(self._current.access)
            self._current = None
        self._current = self._current or self._new()
        return self._described(self._current)

    def refresh(self, refresh_token: str) -> Answer:
        """A new token for a refresh token, which works once and kills the old one."""
        if not self._current or refresh_token != self._current.refresh:
            return Refusal(1010, "token invalid")
        self._current = self._new()
        return self._described(self._current)

    def rotate(self) -> None:
        """Kill the current token at once, as when another client signs in."""
        self._current = None

    def expire(self) -> None:
        """Let the current token end now, before its announced time."""
        if self._current:
            self._expired.add(self._current.access)
            self._current = None

    def refusal(self, token: str) -> Refusal | None:
        """Why a token is not accepted; the two texts of 1010 both occur."""
        if not token:
            return Refusal(1002, "access_token is null")
        known = self._current is not None and token == self._current.access
        if token in self._expired or (
            known and self._current and self._now_s() >= self._current.ends_s
        ):
            return Refusal(1010, "token is expired")
        return None if known else Refusal(1010, "token invalid")

    def _new(self) -> Token:
        return Token(secrets.token_hex(16), secrets.token_hex(16), self._now_s() + self.life_s)

    def _described(self, token: Token) -> dict[str, object]:
        return {
            "access_token": token.access,
            "expire_time": max(0, int(token.ends_s - self._now_s())),
            "refresh_token": token.refresh,
            "uid": CLOUD_UID,
        }
