"""Freezing the page: its numbers, its figures and every partition that they stand on.

Belongs here: what goes into a frozen state, and whether it may be made. Does not belong here:
finding and printing one (`frozen.py`).

Partitions and figures are replaced whole and never changed in place, so a hard link keeps them as
they are and takes no room; what grows by lines is copied.
"""

import os
import re
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from lib import contents, frozen, grounds, origins, provenance
from lib.errors import ConfigError, StaleArtifact
from lib.files import replacing
from lib.frozen import MANIFEST, Frozen
from lib.page import VALUES, read_json, sidecars, write_json
from lib.paths import CONFIG, Paths
from lib.times import iso
from lib.version import code_version

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,60}")
GROWING = (".jsonl",)


def freeze(paths: Paths, name: str, *, now: datetime) -> Frozen:
    """Freeze the page as it stands and let it stand on that from now on.

    The caller holds the store (`runs.alone`). Raises ConfigError for a name that is taken or no
    name, and StaleArtifact where the page does not stand on the data that is there.
    """
    _check_name(paths, name)
    runs = _runs(paths)
    _check_ground(paths, runs)
    target = paths.frozen / name
    aside = paths.frozen / f".{name}.{os.getpid()}.tmp"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        for source, own in _members(paths, runs):
            _put(source, aside / own)
        write_json(aside / MANIFEST, _manifest(paths, name, aside, runs, now))
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    frozen.pin(paths, name)
    return frozen.named(paths, name)


def _check_name(paths: Paths, name: str) -> None:
    if not NAME.fullmatch(name) or name in (frozen.LIVE, frozen.PIN):
        raise ConfigError(
            f"'{name}' is no name for a frozen state.",
            remedy="Use letters, digits, dots, _ and -, e.g. defesa-2026.",
        )
    if (paths.frozen / name).exists():
        raise ConfigError(
            f"'{name}' is frozen already.",
            where=str(paths.frozen / name),
            risk="What is frozen never changes. Nothing was done.",
            remedy=f"Take another name, or print that one: tcc pin {name}.",
        )


def _runs(paths: Paths) -> dict[str, Path]:
    """The run behind the printed values of each notebook. Raises StaleArtifact where it is gone."""
    found = {}
    for file in sorted((paths.generated / VALUES).glob("*.json")):
        folder, newer = provenance.standing(paths, file.stem)
        if folder is None or newer is not None:
            raise _stale(
                f"the printed numbers of {file.stem} are not those of its newest run", paths
            )
        found[file.stem] = folder
    if not found:
        raise _stale("no number is printed yet", paths)
    return found


def _check_ground(paths: Paths, runs: dict[str, Path]) -> None:
    """Make sure that each notebook read the tables as they are now. Raises StaleArtifact."""
    now = contents.by_folder(contents.of(paths, contents.tables(paths)))
    for name, folder in runs.items():
        told = grounds.kept(folder, name)
        held = told["ground"]["data"] if told else {}
        if not now or any(held.get(table) != own for table, own in now.items()):
            raise _stale(f"the numbers of {name} stand on other data than the store holds", paths)


def _stale(what: str, paths: Paths) -> StaleArtifact:
    return StaleArtifact(
        f"{what}.",
        where=str(paths.generated / VALUES),
        risk="A frozen page would not follow from the data frozen with it. Nothing was done.",
        remedy="Run everything once: tcc run, then freeze.",
    )


def _members(paths: Paths, runs: dict[str, Path]) -> Iterator[tuple[Path, Path]]:
    """Every file that is frozen, with its place in the frozen folder."""
    data = paths.data
    kept = [*contents.tables(paths), *paths.control.rglob("*.json"), *paths.registry.rglob("*")]
    kept += [paths.source, paths.journal, paths.attempts, paths.restatements]
    kept += [*paths.quarantine.rglob("*.reason.json"), *(data / "raw").glob("_*")]
    for folder in {*runs.values()}:
        kept += folder.rglob("*")
    for file in dict.fromkeys(kept):
        if file.is_file():
            yield file, file.relative_to(data)
    for sidecar in sidecars(paths.figures):
        if sidecar["notebook"] in runs:
            for file in sorted(paths.figures.glob(f"{sidecar['name']}.*")):
                yield file, Path("figures") / file.name
    for file in (paths.generated / VALUES / f"{name}.json" for name in runs):
        yield file, Path("tcc/generated") / VALUES / file.name
    if paths.pdf.exists():
        yield paths.pdf, Path("tcc") / paths.pdf.name
    yield CONFIG, Path(CONFIG.name)


def _put(source: Path, target: Path) -> None:
    """Link a file that is only ever replaced; copy one that grows, or where links are not made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix not in GROWING and source != CONFIG:
        try:
            os.link(source, target)
        except OSError:
            pass
        else:
            return
    with replacing(target) as new:
        shutil.copyfile(source, new)


def _manifest(
    paths: Paths, name: str, folder: Path, runs: dict[str, Path], now: datetime
) -> dict[str, Any]:
    """What the frozen state is, and the hash of each of its files."""
    said = [read_json(file) for file in sorted((paths.generated / VALUES).glob("*.json"))]
    whole = provenance.whole([one["vintage"] for one in said])
    own = sorted(file for file in folder.rglob("*") if file.is_file())
    origin = origins.of(paths)
    return {
        "name": name,
        "frozen_at": iso(now),
        "run": max(run.name for run in runs.values()),
        "runs": {notebook: run.name for notebook, run in runs.items()},
        "code_version": code_version(),
        "vintage": whole.record() if whole else None,
        "source": origin.kind if origin else "",
        "values": sum(len(one["values"]) for one in said),
        "tables": contents.by_folder(contents.of(paths, contents.tables(paths))),
        "files": {file.relative_to(folder).as_posix(): contents.sha256(file) for file in own},
    }
