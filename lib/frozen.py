"""States of the page that stay as they are, with all that they stand on, and which one is printed.

Belongs here: finding a frozen state, whether it is whole, the pin. Does not belong here: making
one (`freezing.py`), comparing it with the living one (`drift.py`).

`data/frozen/NAME/` is a data folder like any other: whatever takes a store takes it too.
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from lib import contents, files
from lib.errors import ConfigError, StaleArtifact
from lib.page import VALUES
from lib.paths import Paths
from lib.times import parse_instant

MANIFEST = "manifest.json"
PIN = "pinned.json"
LIVE = "live"


@dataclass(frozen=True)
class Frozen:
    """A frozen state: its name, its folder as a store, when it was made and what it holds."""

    name: str
    paths: Paths
    manifest: dict[str, Any]

    @property
    def frozen_at(self) -> datetime:
        """When it was made."""
        return parse_instant(self.manifest["frozen_at"])

    def changed(self, *, printed_only: bool = False) -> list[str]:
        """The files that are not as they were frozen, by name; of the printed ones alone or all."""
        told: dict[str, str] = self.manifest["files"]
        prefixes = ("figures/", f"tcc/generated/{VALUES}/") if printed_only else ("",)
        chosen = {name: own for name, own in told.items() if name.startswith(prefixes)}
        data = self.paths.data
        there = contents.of(self.paths, (data / name for name in chosen if (data / name).exists()))
        return sorted(name for name, own in chosen.items() if there.get(name) != own)


def every(paths: Paths) -> list[Frozen]:
    """The frozen states of a store, by the time they were made."""
    found = [_read(paths, file.parent.name) for file in paths.frozen.glob(f"*/{MANIFEST}")]
    return sorted(found, key=lambda one: (one.frozen_at, one.name))


def named(paths: Paths, name: str) -> Frozen:
    """A frozen state by its name. Raises ConfigError."""
    if not (paths.frozen / name / MANIFEST).is_file():
        known = ", ".join(one.name for one in every(paths)) or "none"
        raise ConfigError(
            f"nothing is frozen as '{name}'.",
            where=str(paths.frozen),
            remedy=f"There are: {known}. Make one: tcc freeze NAME.",
        )
    return _read(paths, name)


def _read(paths: Paths, name: str) -> Frozen:
    folder = paths.frozen / name
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
        return Frozen(manifest["name"], Paths.at(folder), manifest)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"cannot be read: {error}.",
            where=str(folder / MANIFEST),
            risk="What is frozen there can be neither printed nor compared.",
            remedy="Bring the file back from a backup, or move the folder away.",
        ) from error


# ---- The pin ------------------------------------------------------------------------------


def pin(paths: Paths, name: str) -> None:
    """Let the page stand on a frozen state, or again on the living one (`live`).

    Raises ConfigError for a name that is not known.
    """
    if name == LIVE:
        (paths.frozen / PIN).unlink(missing_ok=True)
        return
    own = named(paths, name)
    files.write_text(paths.frozen / PIN, json.dumps({"name": own.name}) + "\n")


def pinned(paths: Paths) -> Frozen | None:
    """The state that the page stands on; None where it is the living one. Raises ConfigError."""
    try:
        name = json.loads((paths.frozen / PIN).read_text("utf-8"))["name"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"cannot be read: {error}.",
            where=str(paths.frozen / PIN),
            risk="Nobody can tell which numbers the page is to print.",
            remedy="Choose again: tcc pin NAME, or tcc pin live.",
        ) from error
    return named(paths, str(name))


def printed(paths: Paths) -> Paths:
    """Where the page reads its numbers and figures: the store, or the state that is pinned.

    The PDF lies where it always lies. Raises ConfigError, and StaleArtifact where a pinned
    number or figure is not as it was frozen.
    """
    if (own := pinned(paths)) is None:
        return paths
    if changed := own.changed(printed_only=True):
        raise StaleArtifact(
            f"of '{own.name}' this is not as it was frozen: {', '.join(changed[:3])}.",
            where=str(own.paths.data),
            risk="The page would print numbers that were never frozen; the last good PDF stays.",
            remedy="Bring them back from a backup, or print the living ones: tcc pin live.",
        )
    return replace(own.paths, pdf=paths.pdf)


def name_of(paths: Paths) -> str:
    """The name of a frozen state whose folder this is; empty for a store that lives."""
    manifest = paths.data / MANIFEST
    return paths.data.name if manifest.is_file() and paths.data.parent.name == "frozen" else ""
