"""What the parts of a difference consist of, in words.

Belongs here: sentences about hours, settings, parameters and commits. Does not belong here: what
they did to a number (`why.py`), the table on the terminal (`cli_why.py`).
"""

import json
import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from lib.paths import ROOT
from lib.restated import NewHours
from lib.said import Said
from lib.times import HOUR

GIT_S = 20
MOST_COMMITS = 12


def hours(span: timedelta, came: NewHours) -> list[str]:
    """How long the new hours are, and how many rows of how many devices they brought."""
    return [f"{span / HOUR:,.1f} h, {came.rows:,} rows of {came.devices} devices"]


def parameters(old: Mapping[str, str], new: Mapping[str, str], leave: Collection[str]) -> list[str]:
    """The parameters of the notebook that differ, each with both values as JSON."""
    names = sorted((old.keys() | new.keys()) - set(leave)) if old else []
    both = ((name, old.get(name, "-"), new.get(name, "-")) for name in names)
    return [f"{name}: {a} -> {b}" for name, a, b in both if a != b]


def settings(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The settings that differ, by their names in config.toml, and the files beside it."""
    one, other = (dict(_flat(run["settings"])) for run in (old, new))
    named = [
        f"{name}: {json.dumps(one.get(name))} -> {json.dumps(other.get(name))}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]
    files = old["files"].keys() | new["files"].keys()
    changed = sorted(f for f in files if old["files"].get(f) != new["files"].get(f))
    return named + [f"{file} was edited" for file in changed]


def _flat(content: Mapping[str, Any], head: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{head}{name}.")
        else:
            yield f"{head}{name}", value


def commits(old: Said, new: Said, files: Sequence[str]) -> list[str]:
    """The commits between two runs that touched the files that differ, the newest first."""
    places = {"notebook": [f"notebooks/{new.notebook}.ipynb"]}
    places |= {"sql": ["lib/sql", "lib/schema.toml"]}
    named = [place for file in files for place in places.get(file, [file])]
    span = f"{old.commit}..{new.commit or 'HEAD'}"
    git = shutil.which("git") or "git"
    command = [git, "-C", str(ROOT), "log", "--format=%h %s", span, "--", *named]
    done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_S)
    lines = done.stdout.splitlines()
    more = [f"and {len(lines) - MOST_COMMITS} more"] if len(lines) > MOST_COMMITS else []
    return lines[:MOST_COMMITS] + more or [f"not committed: {', '.join(files)}"]
