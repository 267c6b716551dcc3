"""What each failure of the Tuya Cloud means for a run, and what to tell the user.

Belongs here: code -> error class, consequence and remedy, and failures without a code. Does
not belong here: asking, renewing or waiting.
Meanings: Tuya's global error codes (developer.tuya.com, Error Code) and public threads;
none was provoked on the live cloud. Menus: Tuya's documentation and the same threads.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from lib.errors import (
    DeviceRejected,
    OutOfTime,
    SourceError,
    SourceRejected,
    SourceUnavailable,
    TokenExpired,
    TruncatedPull,
)

Consequence = Literal["retry", "renew", "skip", "other address", "stop"]

SIGN_INVALID, CLOCK_OFF, PATH_INVALID = 1004, 1013, 1108
TRIAL_OVER, USED_UP = 28841002, 28841004
THROTTLED = (1110, 1111, 1112, 1113, 1199, 40000309)
NOT_OPENED = (PATH_INVALID, 28841101, 28841105, 28841106)  # this endpoint only: another may answer

_RETRY = "The next run asks again."
_SKIP = "The other devices go on."
_MENU = "platform.tuya.com, Cloud > Development > your project >"
_ADD_API = f"At {_MENU} Service API > Go to Authorize: add IoT Core and Device Log Query."
_REGION = f"Set TUYA_REGION (.env) to the data centre of the account; see {_MENU} Overview."
_FORGOTTEN = "Tuya forgets logs after 7 days."

_UNAVAILABLE = {
    **dict.fromkeys((500, 501), "Nothing to do: the cloud has a fault of its own. " + _RETRY),
    **dict.fromkeys(
        THROTTLED,
        f"Too many calls at once. {_RETRY} If it lasts, look for another program with this "
        "project's Access ID, or lower calls_per_s in config.toml.",
    ),
}
_TOKEN = dict.fromkeys(
    (1002, 1010, 1011, 1012, 1400),
    "The token is renewed by itself; if it is refused again and again, another program uses this "
    f"project: give it one of its own ({_MENU} Overview shows the Access ID).",
)
_DEVICE = {
    1000: "The cloud has no such data for this device; check its id in config.toml against "
    f"{_MENU} Devices. {_SKIP}",
    1106: f"At {_MENU} Devices > Link App Account: link the account that OWNS the device (a "
    "device shared from another account belongs to that one). If it is listed there, check the "
    f"data centre (TUYA_REGION) and Service API: IoT Core authorised. {_SKIP}",
    2001: f"The device is offline: look at its power and Wi-Fi; its logs are still read. {_SKIP}",
    **dict.fromkeys((2003, 2008), f"Nothing to do: the device lacks this function. {_SKIP}"),
    2009: f"Nothing to do: the product has no data points. {_SKIP}",
    2010: "It was removed from the account: take it out of config.toml, or pair it again in the "
    f"app; {_MENU} Devices lists those that are left. {_SKIP}",
}
_PROJECT = {
    1001: f"Copy the Access Secret ({_MENU} Overview) again into TUYA_ACCESS_SECRET "
    "(.env), without blanks.",
    SIGN_INVALID: "Check TUYA_ACCESS_ID and TUYA_ACCESS_SECRET (.env), copied without blanks from "
    f"{_MENU} Overview.",
    1005: "Check TUYA_ACCESS_ID and TUYA_REGION (.env): the id is unknown at this data centre. "
    f"See {_MENU} Overview.",
    CLOCK_OFF: "Switch on network time (timedatectl set-ntp true): the cloud refuses a request "
    "whose time is far from its own clock.",
    1114: f"At {_MENU} Authorization > IP allow-list: add the address named above, or switch "
    "the list off. Without a list: check TUYA_REGION and the Access ID (.env).",
    2007: _REGION,
    2017: _REGION,
    2406: f"{_REGION} If it is right, the project is too old: create a new one there (Cloud > "
    "Development > Create Cloud Project) and link the app account to it.",
    28841001: f"At {_MENU} Service API > Go to Authorize: add IoT Core.",
    TRIAL_OVER: "Extend the trial TODAY: at platform.tuya.com, Cloud > Cloud Services > IoT Core > "
    "View Details > Extend Trial Period; it may take a day to work. The 7-day clock is running.",
    USED_UP: "The monthly calls are used up until the first of the month; `tcc doctor` shows how "
    "many. Plans: at platform.tuya.com, Cloud > Cloud Services > IoT Core > View Details.",
    28841107: f"At {_MENU} Overview > Data Center: it is suspended; enable it, or remove the "
    "data centre and add it again.",
    -9999999: "That is an answer of the app-sharing service, not of the OpenAPI: clear "
    "API_ENDPOINT (.env) and check TUYA_REGION and TUYA_ACCESS_SECRET "
    f"({_MENU} Overview).",
}
_CLOSED = {
    PATH_INVALID: f"No address of this call is open to the project. {_ADD_API}",
    28841101: f"At {_MENU} Service API > Go to Authorize: subscribe to this API group.",
    28841105: f"At {_MENU} Service API > Go to Authorize: authorise the project for this API.",
    28841106: f"At {_MENU} Service API > Go to Authorize: subscribe to this API group.",
}
_UNACCEPTED = dict.fromkeys(
    (1100, 1101, 1102, 1104, 1105, 1109),
    "The cloud does not accept this request, and nothing in Tuya's console changes that: report "
    f"it with the call named above. {_SKIP}",
)
_CLASSES: tuple[tuple[type[SourceError], dict[int, str]], ...] = (
    (SourceUnavailable, _UNAVAILABLE),
    (TokenExpired, _TOKEN),
    (DeviceRejected, _DEVICE),
    (SourceRejected, _PROJECT | _CLOSED | _UNACCEPTED),
)
_RISKS = dict.fromkeys(_PROJECT, f"Until it is mended nothing is collected, and {_FORGOTTEN}") | {
    TRIAL_OVER: f"NOTHING IS COLLECTED ANY MORE: {_FORGOTTEN} What is older is lost for ever.",
}


def error_of(answer: dict[str, Any], where: str, *, here: datetime | None = None) -> SourceError:
    """Turn an answer that is no success into the error it means; `here` is this computer's time."""
    code = _number(answer.get("code"))
    what = f"the cloud answered {code}: {str(answer.get('msg', 'no message'))[:200]}."
    for kind, remedies in _CLASSES:
        if code in remedies:
            remedy = remedies[code] + _of_the_moment(code, _stamp(answer), here)
            return kind(what, code=code, where=where, risk=_RISKS.get(code, ""), remedy=remedy)
    return SourceRejected(
        what,
        code=code,
        where=where,
        remedy="This code is not known here: look it up at developer.tuya.com, Error Code.",
    )


def _number(code: object) -> int | None:
    """A code as a number, whether it came as one or as text."""
    text = str(code)
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None


def _stamp(answer: dict[str, Any]) -> datetime | None:
    """The cloud's clock in an answer, if it is a sane one."""
    stamp = answer.get("t")
    if isinstance(stamp, int) and 10**12 <= stamp < 10**13:
        return datetime.fromtimestamp(stamp / 1000, UTC)
    return None


def _of_the_moment(code: int, there: datetime | None, here: datetime | None) -> str:
    """What only the clock can add: by how much it is off, or when the calls come back."""
    if code == USED_UP and (now := there or here):
        reset = (now.replace(day=1) + timedelta(days=32)).replace(day=1)
        return f" They come back on {reset:%Y-%m-%d}."
    if code == CLOCK_OFF and there and here:
        off = timedelta(seconds=round(abs((here - there).total_seconds())))
        way = "ahead" if here > there else "behind"
        cloud, computer = (f"{instant:%Y-%m-%d %H:%M:%S}" for instant in (there, here))
        return (
            f" The cloud's clock says {cloud} UTC, this computer's {computer} UTC: "
            f"{off} (h:mm:ss) {way}."
        )
    return ""


def of_the_project(code: int | None) -> bool:
    """Whether a refusal concerns the project, so that no device of it can be read.

    Of any other code one cannot say so before a second device is refused with it.
    """
    return code in _PROJECT or (code is not None and 28841000 <= code < 28842000)


def consequence(error: SourceError) -> Consequence:
    """What a run does about a failure, in one word; `skip` is the device alone.

    A device's refusal stops the run too where the next device meets the same
    (`refusals.py`); `other address` means stop where none is left.
    """
    if isinstance(error, SourceUnavailable | TruncatedPull):
        return "retry"
    if isinstance(error, TokenExpired):
        return "renew"
    if isinstance(error, SourceRejected) and error.code in NOT_OPENED:
        return "other address"
    return "stop" if isinstance(error, OutOfTime) or of_the_project(error.code) else "skip"


def no_answer(where: str, why: str) -> SourceUnavailable:
    """The error for an answer that is none: no connection, no JSON, another shape."""
    return SourceUnavailable(
        f"no usable answer ({why}).",
        where=where,
        risk="What the cloud holds expires after 7 days.",
        remedy="The next run asks again; if it lasts, check the network.",
    )


def out_of_time(where: str) -> OutOfTime:
    """The error for a call that is not made because the run's own time is over."""
    return OutOfTime(
        "the time of this run is over; this call was not made.",
        where=where,
        risk="What is left stays in the cloud for up to 7 days.",
        remedy=_RETRY,
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
