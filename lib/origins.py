"""What a store's rows are: measured, simulated or recorded by others; rows never mix.

Belongs here: the mark that a store carries, claiming a store, its clock. Does not belong
here: opening a source (`sources.py`).
"""

import json
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import lib
from lib import files
from lib.errors import StoreMismatch
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


def of(paths: Paths) -> Origin | None:
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
    held = of(paths)
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
