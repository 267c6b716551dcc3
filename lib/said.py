"""What runs said of a key, and what each stands on: the states that `tcc why` compares.

Belongs here: finding the runs and frozen names that wrote a value. Does not belong here: why two
differ (`why.py`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from lib import grounds, run_state, runs
from lib.errors import ConfigError, UnknownValue
from lib.grounds import Ground
from lib.page import FIGURES, VALUES, read_json, sidecars
from lib.paths import Paths
from lib.times import parse_instant

FROZEN, MANIFEST, LATEST = "frozen", "manifest.json", "latest"
EMPTY: Ground = {part: {} for part in ("code", "packages", "settings", "parameters", "data")}


@dataclass(frozen=True)
class Said:
    """What a run or a frozen name said of a key, and what it stands on, as far as it is known.

    `seen` are hashes of the data as any notebook of the run saw it: one read the journal.
    """

    name: str
    notebook: str
    record: Mapping[str, Any]
    at: datetime
    ground: Ground
    state: run_state.State
    commit: str = ""
    seen: Mapping[str, str] = field(default_factory=dict)

    @property
    def value(self) -> Any:
        """The number or text."""
        return self.record["value"]

    @property
    def parameters(self) -> Mapping[str, str]:
        """What the notebook was given, as JSON, by name."""
        return self.ground["parameters"]


def every(paths: Paths, key: str) -> Iterator[Said]:
    """What each run said that wrote a key itself, the newest first."""
    for folder in reversed(runs.every(paths)):
        if one := _of_folder(folder, folder.name, key):
            yield one


def named(paths: Paths, name: str, key: str) -> Said:
    """What a run, `latest` or a frozen name said. Raises ConfigError and UnknownValue."""
    if (frozen := paths.data / FROZEN / name).is_dir() and name:
        return _frozen(paths, frozen, key)
    folder = (paths.runs / name).resolve()
    if not folder.is_dir() or folder.parent != paths.runs.resolve():
        known = [one.name for one in runs.every(paths)][-6:]
        raise ConfigError(
            f"'{name}' is neither a run that is kept nor a frozen name.",
            where=str(paths.runs),
            remedy=f"Name one of: {', '.join([*known, LATEST])}.",
        )
    record = runs.recorded(folder) or {}
    for place in (folder, *(paths.runs / n for n in (record.get("kept") or {}).values())):
        if one := _of_folder(place, folder.name, key):
            return one
    raise unknown(paths, key)


def unknown(paths: Paths, key: str) -> UnknownValue:
    """The error for a key that no run wrote, with those that look like it."""
    keys = {
        known
        for folder in runs.every(paths)[-3:]
        for file in (folder / VALUES).glob("*.json")
        for known in read_json(file)["values"]
    }
    like = get_close_matches(key, sorted(keys), 3)
    return UnknownValue(
        f"no run that is kept wrote '{key}'.",
        where=str(paths.runs),
        remedy=f"Did you mean {', '.join(like)}?" if like else "tcc pdf lists what is used.",
    )


def _of_folder(folder: Path, name: str, key: str) -> Said | None:
    for file in sorted((folder / VALUES).glob("*.json")):
        record = read_json(file)["values"].get(key)
        told = grounds.kept(folder, file.stem)
        if record is not None and told:
            at, state = runs.instant(folder), run_state.load(folder)
            commit = str(state.get("version", "")).partition("+")[2]
            commit = commit or _commit(folder / FIGURES, file.stem)
            ground, seen = told["ground"], _seen(folder)
            return Said(name, file.stem, record, at, ground, state, commit, seen)
    return None


def _seen(folder: Path) -> dict[str, str]:
    told = [grounds.kept(folder, file.stem) for file in (folder / grounds.INPUTS).glob("*.json")]
    return {name: own for one in told if one for name, own in one["ground"]["data"].items()}


def _frozen(paths: Paths, folder: Path, key: str) -> Said:
    """What was frozen, on the ground of the run that it was frozen from, if that is kept."""
    own, manifest = Paths.at(folder), read_json(folder / MANIFEST)
    for file in sorted((own.generated / VALUES).glob("*.json")):
        if (record := read_json(file)["values"].get(key)) is not None:
            run = str(manifest.get("run") or "")
            if run and (paths.runs / run).is_dir():
                return replace(named(paths, run, key), name=folder.name, record=record)
            at = parse_instant(str(manifest["frozen_at"]))
            commit = _commit(own.figures, file.stem)
            return Said(folder.name, file.stem, record, at, EMPTY, {}, commit)
    raise unknown(paths, key)


def _commit(figures: Path, notebook: str) -> str:
    """The commit of the code that a notebook ran with, as its figures say, or any beside them."""
    if not figures.is_dir():
        return ""
    told = {str(s["notebook"]): str(s["code_version"]) for s in sidecars(figures)}
    version = told.get(notebook) or next(iter(told.values()), "")
    return version.partition("+")[2]
