"""Which failures end a run: silence, a refused project, the same refusal device after device.

Belongs here: what the failures so far mean for the windows that are left. Does not belong
here: asking (`ingest.py`), what a code means (`tuya_codes.py`).
"""

from collections.abc import Iterable

from lib.errors import (
    DeviceRejected,
    SourceError,
    SourceRejected,
    SourceUnavailable,
    TokenExpired,
)
from lib.tuya_codes import of_the_project

SILENT_IN_A_ROW = 3  # so many windows without an answer end the run


class Refusals:
    """The failures of a run so far; a refused device is left alone until the next run."""

    def __init__(self, device_ids: Iterable[str]) -> None:
        self._all = set(device_ids)
        self._refused: set[str] = set()
        self._silent = 0

    def __contains__(self, device_id: str) -> bool:
        return device_id in self._refused

    def end(self, device_id: str, error: SourceError | None) -> SourceError | None:
        """Take in how a window went; return the error that ends the run, if there is one.

        One device's refusal leaves the others to be asked. It ends the run where its code is
        one of the whole project, and where no other device is left.
        """
        silent = isinstance(error, SourceUnavailable | TokenExpired)
        self._silent = self._silent + 1 if silent else 0
        if isinstance(error, SourceRejected | DeviceRejected):
            self._refused.add(device_id)
            over = self._of_all(error) or self._refused >= self._all
        else:
            over = self._silent >= SILENT_IN_A_ROW
        return error if over else None

    def _of_all(self, error: SourceRejected | DeviceRejected) -> bool:
        """Whether a refusal is of the project, by its code."""
        if isinstance(error, DeviceRejected):
            return False
        return of_the_project(error.code)
