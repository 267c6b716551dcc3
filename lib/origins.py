"""What a store's rows are: measured, simulated or recorded by others; rows never mix.

Belongs here: the mark that a store carries, claiming and holding a store, its clock. Does not
belong here: opening a source (`sources.py`).
"""

import json
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Literal

from pydantic import TypeAdapter, ValidationError

import lib
from lib import files, settings
from lib.config import Site
from lib.errors import ConfigError, StoreMismatch
from lib.journal import Journal
from lib.paths import Paths
from lib.times import parse_instant, stamp

Kind = Literal["measured", "simulated", "recorded"]

SAID: dict[Kind, str] = {
    "measured": "medições próprias",
    "simulated": "DADOS SIMULADOS",
    "recorded": "série gravada por outros",
}


@dataclass(frozen=True)
class Origin:
    """What a store's rows are: measured, simulated or a recorded series, and whose.

    `mains` are ids of meters of the whole house; `time_zone`, `country` and `nominal_voltage_v`
    say where it stood, where the source knows them.
    """

    kind: Kind
    name: str = ""
    attribution: str = ""
    mains: tuple[str, ...] = ()
    time_zone: str = ""
    country: str = ""
    nominal_voltage_v: int = 0

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


def site(paths: Paths, configured: Site) -> Site:
    """Where the rows were measured: the configured site, or the place of a recorded series."""
    held = of(paths)
    if held is None or not held.time_zone:
        return configured
    place = {"time_zone": held.time_zone, "country": held.country, "subdivision": None}
    volts = {"nominal_voltage_v": held.nominal_voltage_v} if held.nominal_voltage_v else {}
    return configured.model_copy(update=place | volts)


def of(paths: Paths) -> Origin | None:
    """What the store holds, or None while it is empty. Raises ConfigError."""
    if not paths.source.exists():
        return None
    plain = settings.parse(paths.source, json.loads)
    try:
        return _ORIGIN.validate_python(plain)
    except ValidationError as error:
        raise ConfigError(
            "it does not say what rows the store holds.",
            where=str(paths.source),
            risk="Nothing runs until it is mended, lest rows of two kinds mix.",
            remedy=f'Write e.g. {{"kind": "measured"}}; kinds are {", ".join(SAID)}.',
        ) from error


_ORIGIN = TypeAdapter(Origin)


def gives_way(paths: Paths, wanted: Origin) -> bool:
    """Whether a claim would change the store: it is unclaimed, or simulated before real rows.

    Raises StoreMismatch where real rows would be mixed with others, and ConfigError.
    """
    held = of(paths)
    if held and (held.kind, held.name) == (wanted.kind, wanted.name):
        return False
    if held and not (held.simulated and not wanted.simulated):
        raise StoreMismatch(
            f"this folder holds {_named(held)}; {_named(wanted)} must not mix with it.",
            where=str(paths.data),
            risk="A figure would stand on both without saying so. Nothing was changed.",
            remedy="Give the other source a folder of its own: --data-dir FOLDER.",
        )
    return True


def claim(paths: Paths, wanted: Origin, *, now: datetime) -> Path | None:
    """Mark the store as holding rows of this origin; rows of two kinds never mix.

    A simulated store gives way to real rows: it is moved aside, whole, and the folder is
    returned. Raises StoreMismatch where real rows would be mixed with others, and ConfigError.
    """
    if not gives_way(paths, wanted):
        return None
    aside = _move_aside(paths, f"simulated-{stamp(now)}") if paths.source.exists() else None
    text = json.dumps(asdict(wanted), ensure_ascii=False, indent=1) + "\n"
    files.write_text(paths.source, text)
    return aside


@contextmanager
def alone(paths: Paths) -> Iterator[None]:
    """Hold the store for the block. Raises ConfigError where a run or an import is under way.

    SIGTERM ends the block as Ctrl+C does, so that no kernel and no LaTeX outlives it.
    """
    busy = ConfigError(
        "another run is under way in this folder.",
        where=str(paths.data),
        risk="Nothing is lost: the next run asks for all that is not held.",
        remedy="Wait for it to end, then start again.",
    )
    with files.locked(paths.data / "run.lock", busy=busy), _ended_in_order():
        yield


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Unwind the stack at SIGTERM, unless somebody else (Dagster) already sees to it."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _named(origin: Origin) -> str:
    return f"{origin.kind} rows{f' ({origin.name})' if origin.name else ''}"


def _move_aside(paths: Paths, name: str) -> Path:
    """Move a simulated store into a folder of its own; its mark goes last."""
    target = paths.data / name
    target.mkdir(parents=True, exist_ok=True)
    made = (paths.staging, paths.marts, paths.runs, paths.quarantine, paths.control)
    for item in (paths.raw, *made):
        if item.exists():
            item.rename(target / item.name)
    for folder in (paths.generated, paths.figures):
        for item in folder.glob("[!.]*"):
            (target / folder.name).mkdir(exist_ok=True)
            shutil.move(item, target / folder.name / item.name)
    for item in (paths.catalogue, paths.pdf, paths.usage, paths.alarms, paths.source):
        if item.exists():
            shutil.move(item, target / item.name)
    return target


def clock(paths: Paths, text: str = "") -> datetime:
    """The instant to judge a store by: as given, the computer's, or the store's own.

    Simulated and recorded rows live at the time of their last collection.
    """
    if text:
        return parse_instant(text)
    held, last = of(paths), Journal(paths.journal).last()
    if held and held.kind != "measured" and last:
        return last.asked_at
    return datetime.now(UTC).replace(microsecond=0)
