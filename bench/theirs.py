"""The rows of some devices by `tinytuya.Cloud.getdevicelog`, in a process without ours.

Belongs here: what a user of tinytuya would write. Does not belong here: anything of `lib`, whose
client teaches tinytuya to send otherwise. Prints one line of JSON for `harness.measured`.
"""

import hashlib
import json
import os
import sys
import time
from typing import Any

import tinytuya


class _Cloud(tinytuya.Cloud):  # type: ignore[misc]
    """tinytuya's cloud at a host that is no region of its list."""

    host = ""

    def setregion(self, apiRegion: str | None = None) -> None:  # noqa: N803 (tinytuya's name)
        self.apiRegion, self.urlhost = apiRegion, self.host


def main(given: dict[str, Any]) -> dict[str, Any]:
    """Ask for the logs of each device, one after the other; seconds, rows and their digest."""
    os.environ["REQUESTS_CA_BUNDLE"] = given["ca_bundle"]
    _Cloud.host, pages = given["host"], given.get("max_fetches")
    limit = {} if pages is None else {"max_fetches": pages}
    began, keys, said = time.monotonic(), [], []
    cloud = _Cloud("us", given["access_id"], given["access_secret"])
    for own in given["devices"]:
        answer = cloud.getdevicelog(own, given["start_ms"], given["end_ms"], **limit)
        keys += [_key(own, row) for row in answer["result"]["logs"]]
        said.append(bool(answer["success"]))
    seconds = time.monotonic() - began
    digest = hashlib.sha256("\n".join(sorted(set(keys))).encode()).hexdigest()
    return {"seconds": seconds, "rows": len(set(keys)), "digest": digest, "success": all(said)}


def _key(device: str, row: dict[str, Any]) -> str:
    named = [row.get(name) for name in ("event_time", "event_id", "code", "value")]
    return json.dumps([device, *named])


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
