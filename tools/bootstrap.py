"""Set up .venv with Python's standard library alone: uv first, then what uv.lock names.

Belongs here: what must work before anything is installed (Debian's python3 has neither pip
nor ensurepip). Does not belong here: versions of packages; those are in uv.lock.

Usage: python3 tools/bootstrap.py [GROUP...]      dependency groups of pyproject.toml
An index of one's own (UV_DEFAULT_INDEX, or PIP_INDEX_URL) is used if one is set.
"""

import hashlib
import io
import os
import platform
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / os.environ.get("UV_PROJECT_ENVIRONMENT", ".venv")
PYPI = "https://pypi.org/simple"
UV_VERSION = "0.13.9"
UV_WHEELS = {  # platform -> (tag, sha256) of the wheel on PyPI
    "Linux x86_64": (
        "manylinux_2_17_x86_64.manylinux2014_x86_64",
        # pragma: allowlist nextline secret
        "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19",
    ),
    "Linux aarch64": (
        "manylinux_2_28_aarch64",
        # pragma: allowlist nextline secret
        "ecb6028d79dc96fbeafffe5c8af62a7099487ebc05a701e76714eebcffd06375",
    ),
    "Darwin x86_64": (
        "macosx_10_12_x86_64",
        # pragma: allowlist nextline secret
        "c16ed11e013557536b3e60065f1b912f6407bd6518e041b961e23ef9e6b4fbf5",
    ),
    "Darwin arm64": (
        "macosx_11_0_arm64",
        # pragma: allowlist nextline secret
        "66c512266d633bef48384a1f53003f41f2a8e7b36fe6e7fbfd3e0fd52d96fa63",
    ),
}


def main(groups: list[str]) -> None:
    """Make or complete the environment; a second run takes a moment."""
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        sys.exit(
            f"Python 3.11, 3.12 or 3.13 is needed and {sys.executable} is "
            f"{platform.python_version()}. Name another one: make demo PYTHON=python3.12"
        )
    if not (VENV / "bin" / "python").exists():  # also where the Python behind the link is gone
        venv.EnvBuilder(symlinks=True, clear=True).create(VENV)
        (VENV / ".gitignore").write_text("*\n")
    uv = VENV / "bin" / "uv"
    if not uv.exists():
        unpack(wheel(*uv_wheel()), uv)
    print(f"Installing the Python packages of uv.lock into {VENV.name}.", flush=True)
    install(str(uv), [part for group in groups for part in ("--group", group)])


def index() -> str:
    """The package index in use, without the slash at its end."""
    chosen = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL") or PYPI
    return chosen.rstrip("/")


def uv_wheel() -> tuple[str, str]:
    """The file name and sha256 of uv's wheel for this machine."""
    machine = f"{platform.system()} {platform.machine()}"
    if machine not in UV_WHEELS:
        sys.exit(
            f"No uv {UV_VERSION} is pinned for {machine}. Use conda instead: "
            "conda env create -f environment.yml && conda activate tcc-energia"
        )
    tag, sha256 = UV_WHEELS[machine]
    return f"uv-{UV_VERSION}-py3-none-{tag}.whl", sha256


def wheel(name: str, sha256: str) -> bytes:
    """Fetch a wheel from the index and verify it."""
    page = f"{index()}/uv/"
    link = re.search(rf'href="([^"]*{re.escape(name)}[^"]*)"', fetch(page).decode())
    if not link:
        sys.exit(f"{page} does not list {name}: use an index that mirrors PyPI.")
    content = fetch(urllib.parse.urljoin(page, link[1]))
    if hashlib.sha256(content).hexdigest() != sha256:
        sys.exit(f"{name} from {index()} is not the file pinned here (sha256 differs): refused.")
    return content


def fetch(url: str, *, mended: bool = False) -> bytes:
    """Read a URL; where the machine knows no certificate authorities, install Debian's."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return bytes(answer.read())
    except urllib.error.URLError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error) and not mended:
            subprocess.run([ROOT / "tools" / "apt", "HTTPS", "ca-certificates"], check=False)
            return fetch(url, mended=True)
        sys.exit(
            f"{url} cannot be read: {error}. The set-up needs the network once; behind a mirror "
            "set UV_DEFAULT_INDEX, behind an authority of your own SSL_CERT_FILE."
        )


def unpack(content: bytes, uv: Path) -> None:
    """Put the program uv, and nothing else of its wheel, into the environment."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/scripts/uv"))
        uv.write_bytes(archive.read(name))
    uv.chmod(0o755)


def install(uv: str, groups: list[str]) -> None:
    """Install what the lock file names, compiled, for compiling at first import is slow."""
    os.environ["UV_PROJECT_ENVIRONMENT"] = os.environ["VIRTUAL_ENV"] = str(VENV)
    if index() == PYPI:
        run(uv, "sync", "--quiet", "--locked", "--inexact", *groups)
        return
    os.environ["UV_DEFAULT_INDEX"] = index()  # the lock file names PyPI's own addresses
    pins = VENV / "requirements.txt"
    run(uv, "export", "--frozen", "--quiet", *groups, "--no-emit-project", "-o", str(pins))
    run(uv, "pip", "install", "--quiet", "--compile-bytecode", "--require-hashes", "-r", str(pins))
    run(uv, "pip", "install", "--quiet", "--no-deps", "--editable", ".")


def run(*command: str) -> None:
    """Run a program from the project folder; its failure is ours."""
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(f"The set-up stopped at: {' '.join(command)}")


if __name__ == "__main__":
    main(sys.argv[1:])
