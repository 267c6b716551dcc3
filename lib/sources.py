"""Where rows come from: the Tuya Cloud, the demo house or a recorded series.

Belongs here: choosing and opening a source, and the mark that a store carries of it.
Does not belong here: asking for rows. The demo house and the series stand behind the same
protocol as the cloud; nothing past this module knows the difference.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import SecretStr

import lib
from lib import files
from lib.config import Config, Device
from lib.credentials import Credentials, credentials
from lib.errors import ConfigError, StoreMismatch
from lib.journal import Journal
from lib.paths import Paths
from lib.times import HOUR, parse_instant, stamp
from lib.tuya import TuyaCloud

if TYPE_CHECKING:
    from lib.demo.recorded import RecordedHouse
    from lib.demo.simulated import SimulatedHouse

Name = Literal["auto", "cloud", "demo", "replay"]
Kind = Literal["measured", "simulated", "recorded"]

SAID: dict[Kind, str] = {
    "measured": "medições próprias",
    "simulated": "DADOS SIMULADOS",
    "recorded": "série gravada por outros",
}

# The demo house's own clock, where none is given: its first run ends here.
DEMO_NOW = parse_instant("2026-04-22T15:00:00Z")


@dataclass(frozen=True)
class Origin:
    """What a store's rows are: measured, simulated or a recorded series, and whose.

    `mains` are ids of meters of the whole house, where the source knows them.
    """

    kind: Kind
    name: str = ""
    attribution: str = ""
    mains: tuple[str, ...] = ()

    @property
    def simulated(self) -> bool:
        """Whether the rows come from a simulation."""
        return self.kind == "simulated"

    def __str__(self) -> str:
        """What the rows are, as notebooks say it."""
        return SAID[self.kind] + (f": {self.name}" if self.name else "")

    @property
    def ingested_by(self) -> str:
        """The mark that each raw record carries."""
        return f"tcc/{lib.__version__}" + ("" if self.kind == "measured" else f" {self.kind}")


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
    if resolve(name) == "replay":
        return series_span(series)[1] + timedelta(minutes=10)
    if resolve(name) == "demo":
        last = Journal(paths.journal).last()
        return last.asked_at + HOUR if last else DEMO_NOW
    return datetime.now(UTC).replace(microsecond=0)


def series_span(series: str) -> tuple[datetime, datetime]:
    """The first and the last event of a recorded series. Raises ConfigError."""
    from lib.demo.recorded import recorded_house

    house = recorded_house(series)
    return house.first_event, house.last_event


def resolve(name: Name) -> Name:
    """What `auto` means here: the cloud with credentials, the demo house without."""
    if name != "auto":
        return name
    return "cloud" if credentials() else "demo"


@contextmanager
def opened(
    name: Name, paths: Paths, config: Config, *, now: datetime, series: str = ""
) -> Iterator[Source]:
    """Open a source and claim the store for it. Raises ConfigError and StoreMismatch."""
    name = resolve(name)
    if name == "cloud":
        measured = Origin("measured")
        access = _access()
        claim(paths, measured, now=now)
        with closing(_client(access, config)) as cloud:
            yield Source(cloud, measured, config.devices, lambda instant: None)
        return
    with _stand_in(name, series, now) as (access, origin, move_to):
        claim(paths, origin, now=now)
        with closing(_client(access, config)) as cloud:
            yield Source(cloud, origin, (), move_to)


def prepared(name: Name, paths: Paths, *, now: datetime, series: str = "") -> Path | None:
    """Check that a source can be opened and claim the store for it, before anything runs.

    Returns where a simulated store was moved aside to, if it was. Raises ConfigError and
    StoreMismatch.
    """
    if name == "cloud":
        _access()
        return claim(paths, Origin("measured"), now=now)
    return claim(paths, _origin_of(_house(name, series)), now=now)


def _access() -> Credentials:
    access = credentials()
    if access is None:
        raise ConfigError(
            "there are no Tuya credentials.",
            risk="Nothing is collected, and the cloud forgets logs after 7 days.",
            remedy="Fill TUYA_ACCESS_ID, TUYA_ACCESS_SECRET and TUYA_REGION in .env, "
            "or try the demo house: tcc run --source demo.",
        )
    return access


def _client(access: Credentials, config: Config) -> TuyaCloud:
    settings = config.ingestion
    return TuyaCloud(access, timeout_s=settings.request_timeout_s, page_size=settings.page_size)


@contextmanager
def _stand_in(
    name: Name, series: str, now: datetime
) -> Iterator[tuple[Credentials, Origin, Callable[[datetime], None]]]:
    """Start the HTTPS stand-in with the demo house or a series behind it."""
    from lib.demo.standin import StandIn  # the web server is not needed for the real cloud

    house = _house(name, series)
    with StandIn(house, now=now) as standin:
        access = Credentials(
            access_id=SecretStr(standin.access_id),
            access_secret=SecretStr(standin.access_secret),
            host=standin.endpoint.removeprefix("https://"),
            ca_bundle=standin.ca_bundle,
        )
        yield access, _origin_of(house), standin.clock.move_to


def _house(name: Name, series: str) -> "SimulatedHouse | RecordedHouse":
    from lib.demo.recorded import recorded_house
    from lib.demo.simulated import SimulatedHouse

    return SimulatedHouse() if name == "demo" else recorded_house(series)


def _origin_of(house: "SimulatedHouse | RecordedHouse") -> Origin:
    kind: Kind = "simulated" if house.simulated else "recorded"
    return Origin(kind, house.name, house.attribution, getattr(house, "mains", ()))


def origin(paths: Paths) -> Origin | None:
    """What the store holds, or None while it is empty."""
    if not paths.source.exists():
        return None
    plain = json.loads(paths.source.read_text("utf-8"))
    return Origin(**plain | {"mains": tuple(plain["mains"])})


def claim(paths: Paths, wanted: Origin, *, now: datetime) -> Path | None:
    """Mark the store as holding rows of this origin; rows of two kinds never mix.

    A simulated store gives way to real rows: it is moved aside, whole, and the folder is
    returned. Raises StoreMismatch where real rows would be mixed with others.
    """
    held = origin(paths)
    if held and (held.kind, held.name) == (wanted.kind, wanted.name):
        return None
    if held and not (held.simulated and not wanted.simulated):
        raise StoreMismatch(
            f"this folder holds {_named(held)}; {_named(wanted)} must not mix with it.",
            where=str(paths.data),
            risk="A figure would stand on both without saying so. Nothing was changed.",
            remedy="Give the other source a folder of its own: --data-dir FOLDER.",
        )
    aside = _move_aside(paths, f"simulated-{stamp(now)}") if held else None
    text = json.dumps(asdict(wanted), ensure_ascii=False, indent=1) + "\n"
    files.write_text(paths.source, text)
    return aside


def _named(origin: Origin) -> str:
    return f"{origin.kind} rows{f' ({origin.name})' if origin.name else ''}"


def _move_aside(paths: Paths, name: str) -> Path:
    """Move a simulated store into a folder of its own; its mark goes last."""
    target = paths.data / name
    target.mkdir(parents=True, exist_ok=True)
    for item in (paths.raw, paths.staging, paths.marts, paths.runs, paths.quarantine):
        if item.exists():
            item.rename(target / item.name)
    for folder in (paths.generated, paths.figures):
        for item in folder.glob("[!.]*"):
            (target / folder.name).mkdir(exist_ok=True)
            shutil.move(item, target / folder.name / item.name)
    for item in (paths.catalogue, paths.pdf, paths.source):
        if item.exists():
            shutil.move(item, target / item.name)
    return target
