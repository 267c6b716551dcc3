"""Faults on demand: what a test may ask the stand-in to do wrong, and when.

Belongs here: the kinds and the schedule. Does not belong here: how a connection is cut
(cloud) or a page is twisted (logs).
"""

from dataclasses import dataclass, field

from lib.demo.access import TOKEN_PATH
from lib.demo.state import PERMISSION_DENY, Refusal
from lib.errors import ConfigError

REFUSALS: dict[str, Refusal] = {
    "token_invalid": Refusal(1010, "token invalid"),
    "token_expired": Refusal(1010, "token is expired"),
    "sign_invalid": Refusal(1004, "sign invalid"),
    "client_invalid": Refusal(1005, "clientId invalid"),
    "time_invalid": Refusal(1013, "request time is invalid"),
    "permission_denied": Refusal(*PERMISSION_DENY),
    "path_invalid": Refusal(1108, "uri path invalid"),
    "ip_refused": Refusal(1114, "your ip(203.0.113.7) don't have access to this API"),
    "device_removed": Refusal(2010, "device not exist"),
    "too_frequent": Refusal(40000309, "too frequent, please try again later"),
    "system_error": Refusal(500, "system error, please contact the admin"),
    "subscription_expired": Refusal(
        28841002, "No permissions. Your subscription to cloud development plan has expired."
    ),
    "quota": Refusal(28841004, "No permissions. Your quota of Trial Edition is used up."),
    "unauthorised": Refusal(
        28841105, "No permissions. This project is not authorized to call this API."
    ),
    "suspended": Refusal(28841107, "No permissions. The data center is suspended."),
}
TRANSPORT = frozenset(
    {"html_502", "empty_body", "result_null", "drop_connection", "cut_body", "hang"}
)
_SHORTENED = {"short_page", "empty_page", "no_row_key", "repeated_key", "duplicate_rows"}
PAGES = frozenset(_SHORTENED | {"ascending", "extra_fields", "odd_value"})
KINDS = frozenset(REFUSALS) | TRANSPORT | PAGES


@dataclass
class Fault:
    """One thing to go wrong: after so many matching requests, so many times (None: for ever).

    `path` is a part of the path, `device` an id in it. Without a path a fault leaves token
    requests alone; kinds of page faults touch log pages only. Raises ConfigError.
    """

    kind: str
    path: str = ""
    device: str = ""
    after: int = 0
    times: int | None = 1
    seen: int = field(default=0, init=False)
    done: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(
                f"'{self.kind}' is not a kind of fault.", remedy=f"Use one of {sorted(KINDS)}."
            )

    def matches(self, path: str) -> bool:
        """Whether a request is one that this fault counts."""
        if self.kind in PAGES and not path.endswith("/logs"):
            return False
        if not self.path and path.startswith(TOKEN_PATH):
            return False
        return self.path in path and self.device in path

    def strikes(self) -> bool:
        """Count a matching request; whether it is one to spoil."""
        self.seen += 1
        if self.seen <= self.after or (self.times is not None and self.done >= self.times):
            return False
        self.done += 1
        return True


class Faults:
    """The faults in force; the first that strikes a request spoils it, the others wait."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Put a fault in force; the object tells afterwards what it `seen` and `done`."""
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Take all faults away."""
        self._faults.clear()

    def take(self, path: str) -> str | None:
        """The kind of fault that spoils this request, if any."""
        for fault in list(self._faults):
            if fault.matches(path) and fault.strikes():
                return fault.kind
        return None
