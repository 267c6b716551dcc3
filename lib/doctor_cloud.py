"""What `tcc doctor` asks the cloud: about four calls, and what their answers mean.

Belongs here: host, sign-in, clock, permissions, the list of devices. Does not belong here: what
a code means (`tuya_codes.py`), counting the calls (`doctor.py`).
"""

from datetime import timedelta

from lib import registry
from lib.credentials import REGIONS
from lib.doctor_checks import Check, Visit, bad, good, unchecked, warning
from lib.errors import SourceError, SourceUnavailable, Transient
from lib.times import to_ms
from lib.tuya import TuyaCloud
from lib.tuya_codes import NOT_OPENED, error_of, of_the_project

CLOCK_GOOD_S, CLOCK_WARNING_S = 30, 240  # Tuya refuses signatures of another time with 1013
TIMEOUT_S = 10.0
MINUTE = timedelta(minutes=1)
LINK = "At platform.tuya.com, Cloud, your project: Devices, Link App Account."


def host(visit: Visit) -> Check:
    """Whether the host of the region answers over TLS; the first question shows it."""
    assert visit.access
    name = visit.access.host
    regions = "/".join(region for region, own in REGIONS.items() if own == name) or "API_ENDPOINT"
    _ask(visit)
    if (error := visit.refused) and _at_sign_in(error) and error.code is None:
        check = "Check this computer's network, and TUYA_REGION or API_ENDPOINT (.env)."
        remedy = check if isinstance(error, SourceUnavailable) else error.remedy
        return bad(f"{name} ({regions}): {error.what}", remedy, stops=True)
    return good(f"{name} ({regions}) answers over TLS.")


def _ask(visit: Visit) -> None:
    """Ask for the list of devices, for which the client signs in first."""
    assert visit.access
    settings = visit.config.ingestion
    timeout_s = min(settings.request_timeout_s, TIMEOUT_S)
    visit.cloud = TuyaCloud(visit.access, timeout_s=timeout_s, pause=visit.pause)
    try:
        visit.listed = visit.cloud.devices()
    except SourceError as error:
        visit.refused = error


def _at_sign_in(error: SourceError) -> bool:
    return error.where == "sign-in" or error.where.endswith("/token")


def sign_in(visit: Visit) -> Check:
    """Whether the cloud gives a token for the credentials."""
    if (error := visit.refused) and _at_sign_in(error):
        return bad(_sentence(error), error.remedy, stops=True)
    return good("The cloud gave a token.")


def _sentence(error: SourceError) -> str:
    return error.what[:1].upper() + error.what[1:]


def clock(visit: Visit) -> Check:
    """This computer's clock against the cloud's."""
    assert visit.cloud
    skew_s = visit.cloud.skew_s
    way = "behind" if skew_s > 0 else "ahead of"
    said = f"{abs(skew_s):.0f} s {way} the cloud's." if abs(skew_s) >= 1 else "As the cloud's."
    remedy = error_of({"code": 1013}, "").remedy
    if abs(skew_s) > CLOCK_WARNING_S or (visit.refused and visit.refused.code == 1013):
        return bad(said, remedy)
    return good(said) if abs(skew_s) <= CLOCK_GOOD_S else warning(said, remedy)


def device_list(visit: Visit) -> Check:
    """Whether the project may list its devices."""
    if error := visit.refused:
        whole = of_the_project(error.code) and error.code not in NOT_OPENED
        stops = whole or isinstance(error, Transient)
        return bad(_sentence(error), error.remedy, stops=stops)
    return good(f"Granted: {len(visit.listed or ())} device(s).")


def specification(visit: Visit) -> Check:
    """Whether the project may read the data points of a device."""
    assert visit.cloud
    if not (device := _chosen(visit)):
        return unchecked("No device is known to ask about.")
    visit.asked = device
    try:
        points = visit.cloud.specification(device).get("status") or []
    except SourceError as error:
        stops = isinstance(error, Transient)
        return bad(f"{_name(visit)}: {error.what}", error.remedy, stops=stops)
    visit.codes = tuple(str(point["code"]) for point in points if "code" in point)
    return good(f"Granted: {_name(visit)} has {len(visit.codes)} data points.")


def _chosen(visit: Visit) -> str:
    """The device to ask about: one in use, and online where the list says so."""
    named = [device.id for device in visit.config.devices]
    listed = sorted(visit.listed or [], key=lambda device: not device.get("online"))
    ids = [str(device.get("id", "")) for device in listed]
    wanted = [one for one in ids if one in named] or (ids if not named else [])
    known = [str(device["id"]) for device in registry.known(visit.paths)]
    return next(iter([*wanted, *named, *known]), "")


def _name(visit: Visit) -> str:
    listed = {str(one.get("id")): str(one.get("name")) for one in visit.listed or []}
    return (listed | registry.names(visit.paths, visit.config.devices)).get(
        visit.asked, visit.asked
    )


def logs(visit: Visit) -> Check:
    """Whether the project may read the log of a device; asks for one minute of it."""
    assert visit.cloud
    if not visit.asked:
        return unchecked("No device is known to ask about.")
    end = visit.now - timedelta(seconds=visit.config.ingestion.margin_s)
    span = to_ms(end - MINUTE), to_ms(end)
    try:
        page = next(visit.cloud.log_pages(visit.asked, *span, visit.codes))
    except SourceError as error:
        return bad(f"{_name(visit)}: {error.what}", error.remedy)
    if page.reports_only:
        refusal = error_of({"code": 28841105}, "")
        return warning("Only reports: online and offline rows are not given.", refusal.remedy)
    return good(f"Granted: {_name(visit)}, {len(page.rows)} rows in a minute.")


def devices(visit: Visit) -> Check:
    """How many devices are listed, named in config.toml, and named but not listed."""
    named = {device.id: device.name for device in visit.config.devices}
    if visit.listed is None:
        return unchecked(f"No list came; {len(named)} named in config.toml.")
    listed = {str(device.get("id", "")) for device in visit.listed}
    said = f"{len(listed)} listed, {len(named)} named in config.toml"
    if absent := [name for own, name in named.items() if own not in listed]:
        remedy = f"Link the account of {', '.join(absent)} again, or take them out of config.toml."
        return warning(f"{said}, {len(absent)} of these not listed.", remedy)
    if not listed:
        return bad("The project has no devices.", LINK)
    unread = len(listed - named.keys()) if named else 0
    return good(f"{said}{f', {unread} listed but not read' if unread else ', all are read'}.")
