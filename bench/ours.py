"""The same rows by this project's collection, in a process of its own.

Belongs here: one run on a store, its time and its peak memory. Prints one line of JSON for
`harness.measured`; rows are read back and counted after the clock has stopped.
"""

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bench.collect import collect, settings
from bench.harness import peak_mb
from lib import raw
from lib.credentials import Credentials
from lib.paths import Paths
from lib.times import parse_instant


def main(given: dict[str, Any]) -> dict[str, Any]:
    """Collect into a store; seconds, peak memory [MB], rows in its raw files, their digest."""
    paths, began = Paths.at(given["store"]), time.monotonic()
    config, now = settings(**given.get("settings", {})), parse_instant(given["now"])
    report = collect(paths, _access(given), config, now)
    seconds, peak = time.monotonic() - began, peak_mb()
    report.raise_if_stopped()
    keys = {_key(row) for file in paths.raw.rglob("*_logs*.gz") for row in raw.read(file)}
    digest = hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()
    told = {"seconds": seconds, "peak_mb": peak, "rows": len(keys), "digest": digest}
    return told | {"left": report.left, "calls": report.calls}


def _access(given: dict[str, Any]) -> Credentials:
    return Credentials(
        access_id=SecretStr(given["access_id"]),
        access_secret=SecretStr(given["access_secret"]),
        host=given["host"],
        ca_bundle=Path(given["ca_bundle"]),
    )


def _key(row: raw.Row) -> str:
    names = ("device_id", "event_time", "event_id", "code", "value")
    return json.dumps([row.get(name) for name in names])


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
