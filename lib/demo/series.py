"""Recorded series as a house: real measurements replayed as the rows of Tuya devices.

Belongs here: serving rows from arrays, and the folder of the series. Does not belong here:
how a series becomes events (uci, plug), and which there are (recorded).
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lib import paths, times
from lib.demo.house import OFFLINE, ONLINE, REPORT, DemoDevice, LogRow
from lib.errors import ConfigError

Ints = npt.NDArray[np.int64]
CODES = ("", "cur_current", "cur_power", "cur_voltage", "add_ele")
DP_IDS = (0, 18, 19, 20, 17)


@dataclass(frozen=True)
class Track:
    """A device's events as parallel arrays, oldest first: time [ms], type, code, raw value."""

    time_ms: Ints
    event_id: Ints
    code: Ints
    value: Ints

    def rows(self, start_ms: int, end_ms: int) -> list[LogRow]:
        """The rows in [start_ms, end_ms)."""
        first, last = np.searchsorted(self.time_ms, [start_ms, end_ms]).tolist()
        parts = (self.time_ms, self.event_id, self.code, self.value)
        columns = [part[first:last].tolist() for part in parts]
        return [_row(*record) for record in zip(*columns, strict=True)]


def _row(time_ms: int, event_id: int, code: int, value: int) -> LogRow:
    if event_id != REPORT:
        return LogRow(time_ms, event_id, None, 0, None)
    return LogRow(time_ms, event_id, CODES[code], DP_IDS[code], str(value))


def levels(code: str, time_ms: Ints, value: Ints, keep: npt.NDArray[np.bool_]) -> Track:
    """Reports of one code at the instants to keep."""
    count = int(keep.sum())
    reports, codes = np.full(count, REPORT), np.full(count, CODES.index(code))
    return Track(time_ms[keep], reports, codes, value[keep])


def connection(offline_ms: Ints, online_ms: Ints) -> Track:
    """Offline and online rows."""
    times_ms = np.concatenate([offline_ms, online_ms])
    ids = np.repeat([OFFLINE, ONLINE], [len(offline_ms), len(online_ms)])
    return Track(times_ms, ids, np.zeros_like(ids), np.zeros_like(ids))


def merged(tracks: list[Track]) -> Track:
    """Several tracks of one device in the order of the cloud's storage."""
    columns = [
        np.concatenate([getattr(track, name) for track in tracks])
        for name in ("time_ms", "event_id", "code", "value")
    ]
    # Ties: the storage sorts type and data point as text, newest first; all are digits of
    # equal length or 0, so numbers sort alike.
    dp_id = np.asarray(DP_IDS)[columns[2]]
    order = np.lexsort((-dp_id, -columns[1], columns[0]))
    return Track(*(column[order] for column in columns))


class RecordedHouse:
    """Devices of a recorded series; the rows are measurements, not inventions."""

    simulated = False

    def __init__(
        self,
        name: str,
        attribution: str,
        contents: Sequence[tuple[DemoDevice, Track]],
        *,
        time_zone: str,
        country: str,
        nominal_voltage_v: int,
        mains: tuple[str, ...] = (),
    ) -> None:
        self.name, self.attribution, self.mains = name, attribution, mains
        self.time_zone, self.country = time_zone, country
        self.nominal_voltage_v = nominal_voltage_v
        self._devices = [device for device, _ in contents]
        self._tracks = {device.id: track for device, track in contents}

    @property
    def first_event(self) -> datetime:
        """The oldest event of any device. [UTC]"""
        return times.from_ms(min(int(track.time_ms[0]) for track in self._tracks.values()))

    @property
    def last_event(self) -> datetime:
        """The newest event of any device. [UTC]"""
        return times.from_ms(max(int(track.time_ms[-1]) for track in self._tracks.values()))

    def devices(self) -> list[DemoDevice]:
        """The devices of the series."""
        return list(self._devices)

    def rows(self, device_id: str, start_ms: int, end_ms: int) -> list[LogRow]:
        """The device's rows in [start_ms, end_ms), oldest first. Raises KeyError."""
        return self._tracks[device_id].rows(start_ms, end_ms)


def series_folder() -> Path:
    """Where recorded series lie: TCC_SERIES_DIR, else beside the project."""
    chosen = os.environ.get("TCC_SERIES_DIR")
    return Path(chosen).expanduser() if chosen else paths.ROOT.parent / "shared" / "data"


def missing(place: Path, series: str) -> ConfigError:
    """The error for a series that is not there."""
    return ConfigError(
        f"the recorded series '{series}' is not there.",
        where=str(place),
        risk="Nothing else is affected; the simulated house needs no files.",
        remedy='Name "uci", "plug" or a file, and set TCC_SERIES_DIR to the folder of the series.',
    )
