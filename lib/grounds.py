"""What a notebook's outcome stands on: code, packages, settings, parameters, data, by content.

Belongs here: whether a notebook need run again, and the run whose outcome still stands. Does not
belong here: running it (`notebooks.py`), hashing (`contents.py`), which steps there are.

Where all of it is the same as in an earlier run, and what that run left is untouched, the
notebook would say the same again. Data is taken by table, generously: whatever a notebook could
read counts, and a doubt costs seconds, never a stale number.
"""

import json
import sysconfig
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from lib import bookmark, contents, files, findings, kernels, runs
from lib.config import Config
from lib.page import FIGURES, VALUES, figures_of
from lib.paths import CONFIG, ROOT, TCC, Paths

INPUTS = "inputs"
BASELINES = "lib/baseline_file.py"
NOT_INPUTS = {"data_dir", "run_dir"}  # where things lie says nothing of what they hold
Ground = dict[str, dict[str, str]]


def of(
    paths: Paths,
    config: Config,
    notebook: Path,
    parameters: Mapping[str, Any],
    judges: Mapping[str, Path] | None = None,
) -> Ground:
    """All that the outcome of a notebook depends on, in five parts, each by name and hash.

    One that judges the collection depends on its records too, and on what the steps in these
    folders found.
    """
    own = code(notebook)
    given = {n: json.dumps(v) for n, v in sorted(parameters.items()) if n not in NOT_INPUTS}
    return {
        "code": own,
        "packages": packages(),
        "settings": settings(config),
        "parameters": given,
        "data": data(paths, judges, baselines=BASELINES in own),
    }


def code(notebook: Path, root: Path = ROOT) -> dict[str, str]:
    """A notebook and every module of lib that it loads, directly or not, with its SQL.

    Of a copy of the project in another folder, where `root` names one.
    """
    lib = root / "lib"
    named, waiting = {}, _of_lib(kernels.imported(notebook), lib)
    while waiting:
        file = waiting.pop()
        if (name := file.relative_to(root).as_posix()) not in named:
            text = file.read_text("utf-8")
            named[name] = contents.text_hash(text)
            waiting |= _of_lib(kernels.imports(text), lib)
    sql = "\n".join(file.read_text("utf-8") for file in sorted((lib / "sql").rglob("*.sql")))
    schema = (lib / "schema.toml").read_text("utf-8")
    own = {"notebook": contents.sha256(notebook), "sql": contents.text_hash(sql + schema)}
    return own | dict(sorted(named.items()))


def _of_lib(modules: Iterable[str], lib: Path) -> set[Path]:
    """The files of modules of lib; what is imported from a module is none."""
    names = [module.split(".")[1:] for module in modules if module.split(".")[0] == "lib"]
    stems = [lib.joinpath(*name) for name in names]
    ways = [way for stem in stems for way in (stem.with_suffix(".py"), stem / "__init__.py")]
    return {way for way in ways if way.is_file()}


@cache
def packages() -> dict[str, str]:
    """The names and versions of all that is installed."""
    found = Path(sysconfig.get_path("purelib")).glob("*.dist-info")
    text = "\n".join(sorted(folder.name for folder in found))
    return {"installed": contents.text_hash(text)}


def settings(config: Config) -> dict[str, str]:
    """All that a person may have set, by name and hash."""
    own = {file.name: contents.sha256(file) for file in setting_files()}
    return {"config": bookmark.digest(config), **own}


def setting_files() -> list[Path]:
    """What a person may have set beside config.toml: the page's measures, rates, taxes, factors."""
    own = [TCC / "geometry.json", *sorted((CONFIG.parent / "data" / "reference").glob("*.csv"))]
    return [file for file in own if file.exists()]


def reads_baselines(ground: Ground) -> bool:
    """Whether the frozen baselines are data to a notebook: to one that may freeze them."""
    return BASELINES in ground["code"]


def data(
    paths: Paths, judges: Mapping[str, Path] | None = None, *, baselines: bool = False
) -> dict[str, str]:
    """Every table, the devices as they were known, the origin, and baselines where asked for.

    For what judges the collection also what was asked, each attempt, what was set aside and
    what was found.
    """
    known = [paths.source, *(paths.control.glob("*.json") if baselines else ())]
    known += paths.registry.rglob("*.json*")
    there = [*contents.tables(paths), *(file for file in known if file.exists())]
    if judges is not None:
        told = [paths.journal, paths.attempts, paths.restatements]
        told += paths.quarantine.rglob("*.reason.json")
        there += [file for file in told if file.exists()]
    return contents.by_folder(contents.of(paths, there)) | _found(judges or {})


def _found(folders: Mapping[str, Path]) -> dict[str, str]:
    said = {step: runs.findings_in(folder, step) for step, folder in sorted(folders.items())}
    return {f"findings of {step}": bookmark.digest(found) for step, found in said.items()}


# ---- The run whose outcome still stands --------------------------------------------------


def keep(folder: Path, notebook: str, ground: Ground) -> None:
    """Write down what a notebook's outcome in a run's folder stands on, and what it left."""
    told = {"ground": ground, "left": left(folder, notebook)}
    files.write_text(_file(folder, notebook), json.dumps(told, indent=1) + "\n")


def standing(paths: Paths, notebook: str, ground: Ground) -> Path | None:
    """The run whose outcome of a notebook still stands: the newest, on the same ground.

    None where there is none, or what it left is no longer there as it was.
    """
    for folder in reversed(runs.every(paths)):
        if told := kept(folder, notebook):
            same = told["ground"] == ground and told["left"] == left(folder, notebook)
            return folder if same else None
    return None


def kept(folder: Path, notebook: str) -> dict[str, Any] | None:
    """What was written down of a notebook in a run's folder; None where it did not succeed."""
    try:
        told: dict[str, Any] = json.loads(_file(folder, notebook).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return told


def left(folder: Path, notebook: str) -> dict[str, str]:
    """The files that a notebook left in a run's folder, by their hashes."""
    own = [folder / f"{notebook}{suffix}" for suffix in (".ipynb", ".html")]
    own += [folder / kind / f"{notebook}.json" for kind in (VALUES, findings.FOLDER)]
    own += [
        file
        for name in figures_of(folder / FIGURES, {notebook})
        for file in (folder / FIGURES).glob(f"{name}.*")
    ]
    there = [file for file in own if file.exists()]
    return {file.relative_to(folder).as_posix(): contents.sha256(file) for file in sorted(there)}


def _file(folder: Path, notebook: str) -> Path:
    return folder / INPUTS / f"{notebook}.json"
