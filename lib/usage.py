"""Calls counted by month, because the cloud's quota is.

Belongs here: the count and its file. Does not belong here: what a run may spend (`budget.py`).
Tuya resets the quota on the first of the month; of which time zone is not documented, so UTC
is taken. Other programs that use the same project are not seen.
"""

import json
from datetime import datetime

from lib import files
from lib.paths import Paths


def add(paths: Paths, now: datetime, calls: int) -> None:
    """Count calls that were made in the month of an instant."""
    if calls:
        counted = by_month(paths)
        month = f"{now:%Y-%m}"
        counted[month] = counted.get(month, 0) + calls
        text = json.dumps(counted, indent=1, sort_keys=True) + "\n"
        files.write_text(paths.usage, text, durable=False)


def by_month(paths: Paths) -> dict[str, int]:
    """Calls of each month, e.g. {"2026-03": 8112}; a file that cannot be read counts none."""
    try:
        counted = json.loads(paths.usage.read_text("utf-8"))
        return {str(month): int(calls) for month, calls in counted.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def used(paths: Paths, now: datetime) -> int:
    """Calls made in the month of an instant."""
    return by_month(paths).get(f"{now:%Y-%m}", 0)
