"""The pipeline runs with the packages it names, without those of tests and orchestration."""

import os
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from lib.paths import ROOT

HERE = Path(__file__).parent / "runtime_only"


def runtime() -> set[str]:
    """The packages that `make demo` installs: ours and theirs, by the lock file."""
    locked = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))["package"]
    needs = {p["name"]: [d["name"] for d in p.get("dependencies", [])] for p in locked}
    extras = {p["name"]: p.get("optional-dependencies", {}) for p in locked}
    found, waiting = set(), ["tcc-energia"]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += needs.get(name, [])
            waiting += [d["name"] for own in extras.get(name, {}).values() for d in own]
    return found


def hidden() -> list[str]:
    """Top-level modules that only tests, tools or orchestration bring."""
    kept = runtime() | {"pip", "setuptools"}
    return sorted(
        module
        for module, names in packages_distributions().items()
        if not any(name.lower().replace("_", "-") in kept for name in names)
        and module.isidentifier()
        and module not in ("sitecustomize", "lib", "orchestration")
    )


def test_what_is_hidden_is_what_a_first_user_does_not_have() -> None:
    assert {"pytest", "hypothesis", "dagster", "mypy"} <= set(hidden())
    assert not {"pandas", "duckdb", "papermill", "tinytuya"} & set(hidden())


@pytest.mark.slow
def test_two_hours_of_the_demo_house_need_no_other_package(tmp_path: Path) -> None:
    path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    env = os.environ | {"PYTHONPATH": path, "TCC_HIDDEN_PACKAGES": " ".join(hidden())}
    program = "from lib.cli import app; app()"

    def tcc(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", program, *words, "--data-dir", str(tmp_path / "data")],
            env=env,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    runs = [tcc("run", "--source", "demo", "--days", days, "--no-pdf") for days in ("1", "0")]
    assert [run.returncode for run in runs] == [0, 0], runs[-1].stdout + runs[-1].stderr
    assert tcc("status").returncode == 0
