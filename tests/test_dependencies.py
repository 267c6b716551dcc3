"""One list of dependencies: pyproject.toml, uv.lock, environment.yml and the documents agree."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from itertools import chain
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import lib
from lib.paths import ROOT

CONDA_NAMES = {"python-duckdb": "duckdb", "matplotlib-base": "matplotlib"}
NOT_FROM_PYPI = {"python", "pip"}
# cycler came out of it and is re-exported by it; without pillow it writes no PNG.
PART_OF = {"cycler": "matplotlib", "pillow": "matplotlib"}
OUR_OWN = {"lib", "orchestration", "tests", "bench", "tools"}
USED_UNSEEN = {"pyarrow": "pandas' text columns"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))


def pins(lines: list[str]) -> dict[str, str]:
    """Requirement lines as name -> version limits in one order."""
    found = [Requirement(line) for line in lines]
    return {canonicalize_name(r.name): ",".join(sorted(map(str, r.specifier))) for r in found}


@cache
def direct() -> dict[str, str]:
    """Every dependency that pyproject.toml names, with its limits."""
    groups = PROJECT["dependency-groups"].values()
    return pins([*PROJECT["project"]["dependencies"], *chain.from_iterable(groups)])


def conda_pins() -> dict[str, str]:
    """The same from environment.yml, conda's names turned into PyPI's."""
    lines: list[Any] = ENVIRONMENT["dependencies"]
    by_pip = next(line["pip"] for line in lines if isinstance(line, dict))
    by_conda = pins([line for line in lines if isinstance(line, str)])
    named = {CONDA_NAMES.get(name, name): pin for name, pin in by_conda.items()}
    chosen = {name: pin for name, pin in named.items() if name not in NOT_FROM_PYPI}
    assert by_pip[0] == "-e ."
    return chosen | pins(by_pip[1:])


def test_conda_and_uv_have_the_same_pins() -> None:
    assert conda_pins() == direct()


def test_conda_and_uv_have_the_same_python() -> None:
    python = next(d for d in ENVIRONMENT["dependencies"] if str(d).startswith("python "))
    wanted = ",".join(sorted(map(str, Requirement(python).specifier)))
    assert wanted == ",".join(sorted(PROJECT["project"]["requires-python"].split(",")))


def test_the_lock_file_holds_what_pyproject_asks_for() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))
    own = next(p for p in lock["package"] if p["name"] == PROJECT["project"]["name"])
    metadata = own["metadata"]
    asked = chain(metadata["requires-dist"], *metadata["requires-dev"].values())
    limits = {item["name"]: item.get("specifier", "") for item in asked}
    assert pins([f"{name} {limit}" for name, limit in limits.items()]) == direct()
    assert lock["requires-python"].replace(" ", "") == PROJECT["project"]["requires-python"]


def test_uv_finds_the_lock_file_up_to_date() -> None:
    uv = ROOT / ".venv" / "bin" / "uv"
    if not uv.exists():
        pytest.skip("uv is not part of this environment")
    mirrors = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX")
    kept = {name: value for name, value in os.environ.items() if name not in mirrors}
    command = [str(uv), "lock", "--check", "--offline", "--python", sys.executable]
    done = subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("document", ["README.md", "docs/technical-context.md"])
def test_each_dependency_has_its_reason(document: str) -> None:
    text = (ROOT / document).read_text("utf-8")
    rows = re.findall(r"^\|([^|]+)\|[^|]*?(\w[^|]{8,})\|", text, re.M)
    told = {
        canonicalize_name(name) for names, _ in rows for name in re.findall(r"`([^`]+)`", names)
    }
    assert sorted(direct().keys() - told) == []


def imported(tree: ast.Module) -> Iterator[str]:
    """The top-level packages that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def test_what_is_imported_is_a_direct_dependency() -> None:
    files = [file for folder in OUR_OWN for file in (ROOT / folder).rglob("*.py")]
    names = {name for file in files for name in imported(ast.parse(file.read_text("utf-8")))}
    foreign = names - set(sys.stdlib_module_names) - OUR_OWN
    owners = packages_distributions()
    unnamed = {
        name
        for name in foreign
        if not {PART_OF.get(d, canonicalize_name(d)) for d in owners.get(name, [name])}
        & direct().keys()
    }
    assert sorted(unnamed - {file.stem for file in files}) == []


def test_every_dependency_of_the_pipeline_is_used() -> None:
    owners = packages_distributions()
    used = {
        canonicalize_name(owner)
        for file in (ROOT / "lib").rglob("*.py")
        for name in imported(ast.parse(file.read_text("utf-8")))
        for owner in owners.get(name, [name])
    }
    unused = pins(PROJECT["project"]["dependencies"]).keys() - used
    assert sorted(unused) == sorted(USED_UNSEEN)


def test_the_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == PROJECT["project"]["version"] == lib.__version__
    assert citation["license"] == PROJECT["project"]["license"] == "MIT"


def test_the_bootstrap_is_for_the_uv_that_the_documents_name() -> None:
    script = (ROOT / "tools" / "bootstrap.py").read_text("utf-8")
    version = re.search(r'UV_VERSION = "([\d.]+)"', script)
    assert version and version[1] in (ROOT / "docs" / "technical-context.md").read_text("utf-8")


def test_the_readme_names_every_target_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = re.findall(r"^([a-z]+):.*## ", makefile, re.M)
    readme = (ROOT / "README.md").read_text("utf-8")
    assert [t for t in targets if f"make {t}" not in readme] == []
