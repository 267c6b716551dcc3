"""Where rows come from: the Tuya Cloud, the demo house or a recorded series.

Belongs here: choosing and opening a source, and its clock. Does not belong here: asking for
rows, and the mark that a store carries (`origins.py`). The demo house and the series stand
behind the same protocol as the cloud; nothing past this module knows the difference.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lib import origins
from lib.config import Config, Device
from lib.credentials import Credentials, credentials
from lib.errors import ConfigError
from lib.journal import Journal
from lib.origins import Origin
from lib.paths import Paths
from lib.times import HOUR, parse_instant
from lib.tuya import TuyaCloud

if TYPE_CHECKING:
    from lib.demo.recorded import RecordedHouse
    from lib.demo.simulated import SimulatedHouse

Name = Literal["auto", "cloud", "demo", "replay"]
MEASURED = Origin("measured")

# The demo house's own clock, where none is given: its first run ends here.
DEMO_NOW = parse_instant("2026-04-22T15:00:00Z")


@dataclass(frozen=True)
class Source:
    """An open source: the signed-in cloud, what its rows are and which devices are wanted."""

    cloud: TuyaCloud
    origin: Origin
    devices: tuple[Device, ...]
    move_to: Callable[[datetime], None]


def instant(name: Name, paths: Paths, text: str = "", *, series: str = "") -> datetime:
    """The clock of a run: as given, else the computer's.

    The demo house has a clock of its own, an hour later at each run; a recorded series ends
    shortly after its last event.
    """
    if text:
        return parse_instant(text)
    if (name := resolve(name, paths)) == "replay":
        return series_span(series)[1] + timedelta(minutes=10)
    if name == "demo":
        last = Journal(paths.journal).last()
        return last.asked_at + HOUR if last else DEMO_NOW
    return datetime.now(UTC).replace(microsecond=0)


def series_span(series: str) -> tuple[datetime, datetime]:
    """The first and the last event of a recorded series. Raises ConfigError."""
    from lib.demo.recorded import recorded_house

    house = recorded_house(series)
    return house.first_event, house.last_event


def resolve(name: Name, paths: Paths) -> Name:
    """What `auto` means here: the cloud with credentials, the demo house without.

    Raises ConfigError where credentials are missing and the store holds measured rows: then
    the demo house is not what was meant.
    """
    if name != "auto":
        return name
    if credentials():
        return "cloud"
    held = origins.of(paths)
    if held and held.kind == "measured":
        raise _no_credentials(f"there are no Tuya credentials, but {paths.data} holds real rows.")
    return "demo"


@contextmanager
def opened(
    name: Name, paths: Paths, config: Config, *, now: datetime, series: str = ""
) -> Iterator[Source]:
    """Open a source and claim the store for it.

    Raises ConfigError, StoreMismatch, and SourceError where the cloud refuses the credentials
    for which a store would change.
    """
    name = resolve(name, paths)
    if name == "cloud":
        with closing(_client(_access(), config)) as cloud:
            _claim_for(cloud, paths, now)
            yield Source(cloud, MEASURED, config.devices, lambda instant: None)
        return
    with _stand_in(name, series, now) as (access, origin, move_to):
        origins.claim(paths, origin, now=now)
        with closing(_client(access, config)) as cloud:
            yield Source(cloud, origin, (), move_to)


def prepared(name: Name, paths: Paths, *, now: datetime, series: str = "") -> Path | None:
    """Check that a source can be opened and claim the store for it, before anything runs.

    Returns where a simulated store was moved aside to, if it was. Raises ConfigError,
    StoreMismatch, and SourceError where the cloud refuses the credentials for which a store
    would change.
    """
    if name == "cloud":
        access = _access()
        _not_of_another_time(access, now)
        with closing(_client(access, Config())) as cloud:
            return _claim_for(cloud, paths, now)
    return origins.claim(paths, _origin_of(_house(name, series)), now=now)


def _claim_for(cloud: TuyaCloud, paths: Paths, now: datetime) -> Path | None:
    """Claim the store for measured rows; the cloud is tried before a store changes for it."""
    if origins.gives_way(paths, MEASURED):
        cloud.check()
    return origins.claim(paths, MEASURED, now=now)


def _not_of_another_time(access: Credentials, now: datetime) -> None:
    """Raise ConfigError for a clock that is not of now: the cloud is always asked as of now.

    Ahead, what has not been would count as held; behind, what it has forgotten would. A
    server on this machine may live at any time.
    """
    if abs(now - datetime.now(UTC)) > HOUR and not access.on_this_machine:
        raise ConfigError(
            f"--now {now:%Y-%m-%d %H:%M} UTC is not of this hour.",
            risk="Hours that the cloud does not hold now would count as asked for.",
            remedy="Leave --now out: the cloud is always asked as of now.",
        )


def _access() -> Credentials:
    access = credentials()
    if access is None:
        raise _no_credentials("there are no Tuya credentials.")
    return access


def _no_credentials(what: str) -> ConfigError:
    return ConfigError(
        what,
        risk="Nothing is collected, and the cloud forgets logs after 7 days.",
        remedy="Fill TUYA_ACCESS_ID, TUYA_ACCESS_SECRET and TUYA_REGION in .env, "
        "or try the demo house in a folder of its own: "
        "tcc run --source demo --data-dir FOLDER.",
    )


def _client(access: Credentials, config: Config) -> TuyaCloud:
    """The signed-in cloud; a server on this machine has no rate that must not be passed."""
    settings = config.ingestion
    return TuyaCloud(
        access,
        timeout_s=settings.request_timeout_s,
        page_size=settings.page_size,
        calls_per_s=None if access.on_this_machine else settings.calls_per_s,
    )


@contextmanager
def _stand_in(
    name: Name, series: str, now: datetime
) -> Iterator[tuple[Credentials, Origin, Callable[[datetime], None]]]:
    """Start the HTTPS stand-in with the demo house or a series behind it."""
    from lib.demo.standin import StandIn  # the web server is not needed for the real cloud

    house = _house(name, series)
    with StandIn(house, now=now) as standin:
        yield standin.credentials, _origin_of(house), standin.clock.move_to


def _house(name: Name, series: str) -> "SimulatedHouse | RecordedHouse":
    from lib.demo.recorded import recorded_house
    from lib.demo.simulated import SimulatedHouse

    return SimulatedHouse() if name == "demo" else recorded_house(series)


def _origin_of(house: "SimulatedHouse | RecordedHouse") -> Origin:
    """A simulated house stands at the site of config.toml, a recorded one where it stood."""
    return Origin(
        "simulated" if house.simulated else "recorded",
        house.name,
        house.attribution,
        mains=getattr(house, "mains", ()),
        time_zone=getattr(house, "time_zone", ""),
        country=getattr(house, "country", ""),
        nominal_voltage_v=getattr(house, "nominal_voltage_v", 0),
    )
