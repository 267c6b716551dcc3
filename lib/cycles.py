"""On/off cycles of loads and switches: joined over midnight, cleaned, counted, judged.

Belongs here: stretches in which something was on or off (`Study.loads`, `Study.states`) ->
cycles, their sums by device, and findings of what stayed on unusually long. Does not belong
here: the hysteresis that makes stretches from power (SQL), standby (`load.py`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame, Series

from lib.findings import Finding
from lib.portuguese import number
from lib.times import brazilian

COLUMNS = (
    *("device_id", "device_name", "is_on", "start", "end", "duration_s", "energy_wh"),
    *("whole_start", "whole_end"),
)
FEWEST_CYCLES = 10  # are needed to say what is usual
ROBUST_Z = 3.5  # the limit of Iglewicz and Hoaglin for 0.6745 (x - median) / MAD
LONGER = 2.0  # and at least so many times the median,
LONG_H = 1.0  # and at least this long [h]


@dataclass(frozen=True)
class _Runs:
    """Stretches of all devices as arrays, in the order of device and time."""

    device: NDArray[np.int64]
    is_on: NDArray[np.bool_]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    energy_wh: NDArray[np.float64]

    def touching(self) -> NDArray[np.bool_]:
        """Whether each stretch follows the one before it without time between."""
        same = self.device[1:] == self.device[:-1]
        follows = same & (self.start[1:] == self.end[:-1])
        return np.asarray(np.append([False], follows)[: len(self.start)], np.bool_)

    def joined(self, is_on: NDArray[np.bool_]) -> "_Runs":
        """With these states, neighbours of one state as one stretch."""
        begins = ~self.touching() | np.append([True], is_on[1:] != is_on[:-1])[: len(is_on)]
        at = np.flatnonzero(begins)
        if not len(at):
            return self
        last = np.append(at[1:], len(is_on)) - 1
        energy_wh = np.add.reduceat(self.energy_wh, at)
        return _Runs(self.device[at], is_on[at], self.start[at], self.end[last], energy_wh)

    def inner(self) -> NDArray[np.bool_]:
        """Whether a stretch has known neighbours on both sides."""
        touching = self.touching()
        followed = np.append(touching[1:], [False])[: len(touching)]
        return np.asarray(touching & followed, np.bool_)


def stretches(loads: DataFrame, min_on_s: float = 0.0, min_off_s: float = 0.0) -> DataFrame:
    """Stretches on and off, joined over midnight; short rests merged, then short runs dropped.

    `loads` has device_id, device_name, is_on, load_start, load_end, energy_wh [Wh]. A rest
    shorter than `min_off_s` between two runs is part of one run; then a run shorter than
    `min_on_s` is part of the rest around it (the order of nilmtk's get_activations). Time that
    was not observed ends a stretch: `whole_start`, `whole_end` say whether its beginning and end
    were seen, so that its length is known. [duration_s: s]
    """
    loads = loads.sort_values(["device_id", "load_start"], ignore_index=True)
    codes, ids = pd.factorize(loads["device_id"])
    runs = _Runs(
        codes.astype(np.int64),
        loads["is_on"].to_numpy(bool),
        _microseconds(loads["load_start"]),
        _microseconds(loads["load_end"]),
        loads["energy_wh"].to_numpy(float),
    )
    runs = runs.joined(runs.is_on)
    short_rest = ~runs.is_on & runs.inner() & (runs.end - runs.start < min_off_s * 1e6)
    runs = runs.joined(runs.is_on | short_rest)
    short_run = runs.is_on & (runs.end - runs.start < min_on_s * 1e6)
    runs = runs.joined(runs.is_on & ~short_run)
    names = loads.groupby("device_id")["device_name"].last()
    return _framed(runs, [str(i) for i in ids], names)


def _microseconds(instants: "Series[pd.Timestamp]") -> NDArray[np.int64]:
    return pd.DatetimeIndex(instants).as_unit("us").asi8


def _framed(runs: _Runs, ids: list[str], names: "Series[str]") -> DataFrame:
    own = pd.Series(np.array(ids, dtype=object)[runs.device], dtype="str")
    touching = runs.touching()
    frame = DataFrame(
        {
            "device_id": own,
            "device_name": own.map(names).astype("str"),
            "is_on": runs.is_on,
            "start": pd.to_datetime(runs.start, unit="us", utc=True),
            "end": pd.to_datetime(runs.end, unit="us", utc=True),
            "duration_s": (runs.end - runs.start) / 1e6,
            "energy_wh": runs.energy_wh,
            "whole_start": touching,
            "whole_end": np.append(touching[1:], [False])[: len(touching)],
        }
    )
    return frame[list(COLUMNS)]


def of_switches(states: DataFrame) -> DataFrame:
    """Switch states as stretches of loads, without energy; one of several codes has its name.

    `states` has device_id, device_name, code, is_on, state_start, state_end.
    """
    several = states.groupby("device_id")["code"].transform("nunique") > 1
    apart = (" (" + states["code"].astype("str") + ")").where(several, "")
    return DataFrame(
        {
            "device_id": states["device_id"].astype("str") + apart,
            "device_name": states["device_name"].astype("str") + apart,
            "is_on": states["is_on"],
            "load_start": states["state_start"],
            "load_end": states["state_end"],
            "energy_wh": np.nan,
        }
    )


def sources(loads: DataFrame, states: DataFrame, mains: Iterable[str]) -> DataFrame:
    """What can have cycles: the loads behind the mains, and switches whose load nobody measures.

    `loads` and `states` as a study gives them; a device's own power says more than its switch.
    """
    own = loads[~loads["device_id"].isin(list(mains))]
    others = states[~states["device_id"].isin(loads["device_id"].unique())]
    columns = ["device_id", "device_name", "is_on", "load_start", "load_end", "energy_wh"]
    parts = [frame[columns] for frame in (own, of_switches(others)) if len(frame)]
    return pd.concat(parts, ignore_index=True) if parts else own[columns]


def summary(stretched: DataFrame) -> DataFrame:
    """Cycles of each device: how many, how long, how often, what one uses.

    Columns device_id, device_name, cycles, per_day (of observed time), mean_min and median_min
    (of cycles seen from beginning to end) [min], duty_pct (of the observed time) [%],
    cycle_wh (mean of whole cycles) [Wh]. Devices that never were on are left out.
    """
    whole = stretched["is_on"] & stretched["whole_start"] & stretched["whole_end"]
    frame = stretched.assign(
        on_s=stretched["duration_s"].where(stretched["is_on"], 0.0),
        whole_min=(stretched["duration_s"] / 60).where(whole),
        whole_wh=stretched["energy_wh"].where(whole),
    )
    table = frame.groupby(["device_id", "device_name"], as_index=False).agg(
        cycles=("is_on", "sum"),
        seen_s=("duration_s", "sum"),
        on_s=("on_s", "sum"),
        mean_min=("whole_min", "mean"),
        median_min=("whole_min", "median"),
        cycle_wh=("whole_wh", "mean"),
    )
    table = table[table["cycles"] > 0]
    return table.assign(
        per_day=table["cycles"] / table["seen_s"] * 86_400,
        duty_pct=table["on_s"] / table["seen_s"] * 100,
    ).drop(columns=["seen_s", "on_s"])


def unusual(stretched: DataFrame) -> DataFrame:
    """Runs that lasted unusually long for their device, longest first.

    Columns device_id, device_name, start, end, duration_h, usual_h (the median), robust_z =
    0.6745 (x - median) / MAD. A run is unusual above 3.5, at twice the median or more and an
    hour at least, where ten cycles say what is usual. A run whose end was not seen counts by
    what is known of it.
    """
    on = stretched[stretched["is_on"].astype(bool)]
    hours = on["duration_s"] / 3600
    usual = hours.where(on["whole_start"] & on["whole_end"])
    median = usual.groupby(on["device_id"]).transform("median")
    mad = (usual - median).abs().groupby(on["device_id"]).transform("median")
    enough = usual.groupby(on["device_id"]).transform("count") >= FEWEST_CYCLES
    z = 0.6745 * (hours - median) / mad.where(mad > 0, 1e-9)
    long = enough & (z > ROBUST_Z) & (hours >= LONGER * median) & (hours >= LONG_H)
    found = on[["device_id", "device_name", "start", "end"]].assign(
        duration_h=hours, usual_h=median, robust_z=z
    )
    return found[long].sort_values(["duration_h", "start"], ascending=[False, True])


def findings(unusual_runs: DataFrame, time_zone: str) -> list[Finding]:
    """One finding for each device with runs that lasted unusually long, from `unusual`."""
    found = []
    for (device, name), own in unusual_runs.groupby(["device_id", "device_name"], sort=True):
        longest = own.iloc[0]
        data: dict[str, Any] = {
            "device": str(name),
            "device_id": str(device),
            "runs": len(own),
            "start": longest["start"],
            "duration_h": round(float(longest["duration_h"]), 2),
            "usual_h": round(float(longest["usual_h"]), 2),
        }
        text = (
            f"{name}: {len(own)} funcionamento(s) de duração incomum; o mais longo, de "
            f"{number(data['duration_h'], 1)} h, desde {brazilian(longest['start'], time_zone)} "
            f"(o usual é {number(data['usual_h'], 1)} h)."
        )
        found.append(Finding("tcc.load.long_on", text, data))
    return found
