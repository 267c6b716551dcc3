"""Row keys, the cursors of the cloud's log pages. Belongs here: writing and reading them.

A key is base64 of `<8 hex><device id reversed>_<2^63-1-ms>_<event type>_<dp id>`, as decoded
from a real one; it names a row by its place in the storage, so new rows do not shift pages.
"""

import base64
import binascii
import hashlib

from lib.demo.house import LogRow

_LAST = 2**63 - 1


def row_key(device_id: str, row: LogRow) -> str:
    """The key of a row."""
    return _key(device_id, row, str(row.dp_id))


def key_before(device_id: str, row: LogRow) -> str:
    """Another cursor for the same place: after every row before this one, but not its key."""
    dp_id = str(row.dp_id)
    return _key(device_id, row, f"{dp_id[:-1]}{chr(ord(dp_id[-1]) - 1)}~")


def _key(device_id: str, row: LogRow, dp_id: str) -> str:
    salt = hashlib.sha256(device_id.encode()).hexdigest()[:8]
    inverted = _LAST - row.event_time_ms
    text = f"{salt}{device_id[::-1]}_{inverted}_{row.event_id}_{dp_id}"
    return base64.b64encode(text.encode()).decode()


def order_of(device_id: str, key: str) -> tuple[int, str, str] | None:
    """The `log_order` of the row that a key names; None for a key of something else."""
    try:
        text = base64.b64decode(key, validate=True).decode("ascii")
        owner, inverted, event_id, dp_id = text.rsplit("_", 3)
        event_time_ms = _LAST - int(inverted)
    except (binascii.Error, ValueError):
        return None
    return (-event_time_ms, event_id, dp_id) if owner[8:] == device_id[::-1] else None
