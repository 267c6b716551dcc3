"""What each failure of the Tuya Cloud means for a run, and what to tell the user.

Belongs here: code -> error class and remedy, and failures without a code. Does not belong
here: asking or retrying.
Meanings: Tuya's global error codes (developer.tuya.com, Error Code) and public threads;
none was provoked on the live cloud.
"""

from typing import Any

from lib.errors import (
    DeviceRejected,
    SourceError,
    SourceRejected,
    SourceUnavailable,
    TokenExpired,
    TruncatedPull,
)

_RETRY = "The next run asks again."
_SKIP = "The other devices go on."
_CONSOLE = "At platform.tuya.com, Cloud, your project:"

_UNAVAILABLE = {
    **dict.fromkeys((500, 501), "The cloud has a fault of its own. " + _RETRY),
    **dict.fromkeys(
        (1110, 1111, 1112, 1113, 1199, 40000309),
        "Too many calls at once: another program may share this project. " + _RETRY,
    ),
}
_TOKEN = dict.fromkeys((1002, 1010, 1011, 1012, 1400), "The token is renewed.")
_DEVICE = {
    1000: "The cloud has no such data for this device. " + _SKIP,
    1106: f"{_CONSOLE} Devices, link the app account that owns it, and check the data centre.",
    2001: "The device is offline; its logs are still read. " + _SKIP,
    **dict.fromkeys((2003, 2008), "The device lacks this function. " + _SKIP),
    2009: "The product has no data points. " + _SKIP,
    2010: "It was removed from the account: take it out of config.toml, or pair it again.",
}
_REJECTED = {
    1001: "Copy the Access Secret again into TUYA_ACCESS_SECRET (.env).",
    1004: "Check TUYA_ACCESS_ID and TUYA_ACCESS_SECRET (.env), copied without blanks.",
    1005: "Check TUYA_ACCESS_ID and TUYA_REGION (.env): the id is unknown at this data centre.",
    1013: "This computer's clock is off: switch on network time (timedatectl set-ntp true).",
    1108: f"{_CONSOLE} Service API, authorise IoT Core and Device Log Query.",
    1114: f"{_CONSOLE} Authorization, IP allow-list: add this address, or switch the list off.",
    2007: "Set TUYA_REGION to the data centre of the account.",
    2017: "Set TUYA_REGION to the data centre of the account.",
    2406: "The project or its data centre is wrong: create a new cloud project.",
    28841001: f"{_CONSOLE} Service API, authorise IoT Core.",
    28841002: f"{_CONSOLE} Service API, IoT Core, extend the trial. The 7-day clock is running.",
    28841004: "The monthly calls are used up until the first of the month.",
    28841101: f"{_CONSOLE} Service API, subscribe to this API group.",
    28841105: f"{_CONSOLE} Service API, authorise the project for this API.",
    28841106: f"{_CONSOLE} Service API, subscribe to this API group.",
    28841107: f"{_CONSOLE} Overview, the data centre is suspended: remove it and add it again.",
    **dict.fromkeys(
        (1100, 1101, 1102, 1104, 1105, 1109),
        "The cloud does not accept this request: report it with the call named above.",
    ),
}
NOT_OPENED = (1108, 28841101, 28841105, 28841106)  # this endpoint only: another may answer
_PROJECT = {1001, 1004, 1005, 1013, 1114, 2007, 2017, 2406, *range(28841000, 28842000)}
_CLASSES: tuple[tuple[type[SourceError], dict[int, str]], ...] = (
    (SourceUnavailable, _UNAVAILABLE),
    (TokenExpired, _TOKEN),
    (DeviceRejected, _DEVICE),
    (SourceRejected, _REJECTED),
)


def error_of(answer: dict[str, Any], where: str) -> SourceError:
    """Turn an answer that is no success into the error it means."""
    code = int(answer["code"]) if str(answer.get("code", "")).lstrip("-").isdigit() else None
    what = f"the cloud answered {code}: {str(answer.get('msg', 'no message'))[:200]}."
    for kind, remedies in _CLASSES:
        if code in remedies:
            return kind(what, code=code, where=where, remedy=remedies[code])
    return SourceRejected(what, code=code, where=where, remedy="This code is not known here.")


def of_the_project(code: int | None) -> bool:
    """Whether a refusal concerns the project, so that no device of it can be read.

    Of any other code one cannot say so before a second device is refused with it.
    """
    return code in _PROJECT


def no_answer(where: str, why: str) -> SourceUnavailable:
    """The error for an answer that is none: no connection, no JSON, another shape."""
    return SourceUnavailable(
        f"no usable answer ({why}).",
        where=where,
        risk="What the cloud holds expires after 7 days.",
        remedy="The next run asks again; if it lasts, check the network.",
    )


def untrusted(where: str) -> SourceRejected:
    """The error for a server that cannot show a certificate of a known authority."""
    return SourceRejected(
        "the server's certificate is not trusted.",
        where=where,
        risk="Nothing was sent: the access secret travels in this connection.",
        remedy="Check API_ENDPOINT; name the authority of a server of your own in TUYA_CA_BUNDLE.",
    )


def unsendable(where: str) -> SourceRejected:
    """The error for credentials that no header can carry; it does not repeat them."""
    return SourceRejected(
        "the access id or secret holds characters that cannot be sent.",
        where=where,
        remedy="Copy TUYA_ACCESS_ID and TUYA_ACCESS_SECRET again (.env), without quotes.",
    )


def broken_off(where: str, page: int, *, repeated: bool) -> TruncatedPull:
    """The error for a list that goes on, but gives no way to its next page."""
    why = "repeats a row key" if repeated else "names no next row key"
    return TruncatedPull(
        f"page {page} says that more follows but {why}.",
        where=where,
        risk="What came is kept, but not counted as the whole.",
        remedy="The next run asks for it again.",
    )
