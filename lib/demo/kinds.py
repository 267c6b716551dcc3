"""What can go wrong, by name: the cloud's refusals, spoiled connections, twisted pages.

Belongs here: the kinds of faults and which of them fit together or to a path. Does not belong
here: when one strikes (faults, weather), or how it is done (cloud, wire, pages).
Numbers and texts are those of Tuya's list of error codes and of traces in public threads.
"""

from lib.demo.access import TOKEN_PATH
from lib.demo.state import PERMISSION_DENY, Refusal
from lib.errors import ConfigError

_NO_PERMISSIONS = {
    28841001: "",
    28841002: " Your subscription to cloud development plan has expired.",
    28841004: " Your quota of Trial Edition is used up.",
    28841101: " This API is not subscribed.",
    28841105: " This project is not authorized to call this API.",
    28841106: " This API is not subscribed.",
    28841107: " The data center is suspended.",
}
TEXTS: dict[int, str] = {
    500: "system error, please contact the admin",
    501: "server error",
    1000: "data not exist",
    1001: "secret invalid",
    1002: "access_token is null",
    1004: "sign invalid",
    1005: "clientId invalid",
    1010: "token is expired",
    1011: "token invalid",
    1012: "token status is invalid",
    1013: "request time is invalid",
    1100: "param is empty",
    1101: "param range is invalid",
    1102: "param is null",
    1104: "type is incorrect",
    1105: "missing the header",
    1106: PERMISSION_DENY[1],
    1108: "uri path invalid",
    1109: "param is illegal",
    1110: "concurrency over limit",
    1111: "system is busy, please try again later",
    1112: "data is synchronizing, please try again later",
    1113: "repeated request",
    1114: "your ip(203.0.113.7) don't have access to this API",
    1199: "too frequent, please try again later",
    1400: "token invalid",
    2001: "device is offline",
    2003: "function not support",
    2007: "your ip(203.0.113.7) cross-region access is not allowed",
    2008: "command or value not support",
    2009: "not support this device",
    2010: "device not exist",
    2017: "schema does not exist",
    2406: "skill id invalid",
    40000309: "too frequent, please try again later",
    -9999999: "sign invalid",
    **{code: "No permissions." + more for code, more in _NO_PERMISSIONS.items()},
}
CODED = {f"code:{code}": Refusal(code, text) for code, text in TEXTS.items()}
_NAMES = {
    **{"token_expired": 1010, "sign_invalid": 1004, "client_invalid": 1005, "time_invalid": 1013},
    **{"permission_denied": 1106, "path_invalid": 1108, "ip_refused": 1114},
    **{"device_removed": 2010, "too_frequent": 40000309, "system_error": 500},
    **{"subscription_expired": 28841002, "quota": 28841004, "unauthorised": 28841105},
    "suspended": 28841107,
}
REFUSALS: dict[str, Refusal] = {
    "token_invalid": Refusal(1010, "token invalid"),
    **{name: Refusal(code, TEXTS[code]) for name, code in _NAMES.items()},
}
UNASKED = frozenset({"html_502", "empty_body", "result_null", "drop_connection", "hang"})
SLOW = frozenset({"slow_headers", "slow_body"})
ON_THE_WIRE = SLOW | {"drop_connection", "hang", "cut_body"}
TRANSPORT = UNASKED | ON_THE_WIRE
# The token dies before the answer: rotated, as when another client signs in; or ended.
TOKENS = frozenset({"token_rotated", "token_ended"})
PAGES = frozenset(
    {
        *("short_page", "empty_page", "no_row_key", "repeated_key", "duplicate_rows"),
        *("ascending", "extra_fields", "odd_value", "late_rows", "too_many_rows", "early_end"),
    }
)
EVENT = "event"  # nothing is spoiled; only what the fault's `do` does
_ENDINGS = frozenset(REFUSALS) | frozenset(CODED) | UNASKED  # what leaves no room for another
KINDS = _ENDINGS | TRANSPORT | TOKENS | PAGES | {EVENT}


def parts(kind: str) -> tuple[str, ...]:
    """The kinds in `a+b`. Raises ConfigError for unknown ones and for two that exclude another."""
    found = tuple(kind.split("+"))
    for one in found:
        if one not in KINDS:
            raise ConfigError(
                f"'{one}' is not a kind of fault.", remedy=f"Use one of {sorted(KINDS)}."
            )
    if sum(one in _ENDINGS for one in found) > 1:
        raise ConfigError(f"'{kind}' asks for two answers at once.", remedy="Name one of them.")
    return found


def refusal(kinds: tuple[str, ...]) -> Refusal | None:
    """The first refusal among some kinds."""
    found = (REFUSALS.get(kind) or CODED.get(kind) for kind in kinds)
    return next((one for one in found if one), None)


def is_log_page(path: str) -> bool:
    """Whether a path is one of logs, where alone pages can be twisted."""
    return path.endswith(("/logs", "/report-logs"))


def is_token(path: str) -> bool:
    """Whether a path gives tokens."""
    return path.startswith(TOKEN_PATH)
