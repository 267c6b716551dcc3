"""What an analysis notebook opens: a store, a window of it, its frames and its page.

Belongs here: reading the marts for a window and saying which hours they are. Does not
belong here: indicators (`energy.py`), drawing (`plots.py`).
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import holidays
import holidays.countries  # which it loads late: a forked kernel has it
import pandas as pd
from pandas import DataFrame

from lib import config as settings
from lib import coverage, origins, registry, study_frames
from lib.config import Config, Site
from lib.page import Page, Vintage
from lib.paths import Paths
from lib.times import floor_hour

SUMMED = (
    *("alive_s", "power_s"),
    *("energy_wh_increment", "energy_wh_total", "energy_wh_integral"),
)
# Categories of Tuya for meters at the service entrance, and their breakers.
MAINS_CATEGORIES = ("zndb", "dlq")


@dataclass(frozen=True)
class Study:
    """A window of a store; the frames are read when first asked for.

    Of `devices` alone where some are given, by id: the house is then these devices.
    """

    paths: Paths
    config: Config
    start: datetime
    end: datetime
    devices: tuple[str, ...] = ()

    @classmethod
    def open(
        cls, data_dir: str | Path = "", start: str = "", end: str = "", devices: str = ""
    ) -> "Study":
        """Open a window given in ISO 8601; an empty end of it is the data's own.

        A date alone is its midnight at the site; the hours that its ends cut are of the window,
        for the marts hold whole hours. `devices` are names or ids, comma separated;
        empty: all. Raises ConfigError for what is no instant and for a device nobody knows.
        """
        paths, config = Paths.at(data_dir), settings.load()
        first, last = study_frames.extent(paths)
        zone = origins.site(paths, config.site).time_zone
        window_start = floor_hour(study_frames.instant(start, zone)) if start else first
        window_end = study_frames.full_hour(study_frames.instant(end, zone)) if end else last
        chosen = study_frames.chosen(paths, registry.names(paths, config.devices), devices)
        return cls(paths, config, window_start, max(window_start, window_end), chosen)

    @cached_property
    def successors(self) -> dict[str, str]:
        """The newest id of each device that was paired again, by each of its ids before."""
        own = {str(d["id"]): d.get("replaces") for d in registry.known(self.paths)}
        found: dict[str, str] = {}
        for newest in own.keys() - {*own.values()}:
            before = own[newest]
            while before and before not in found:
                found[before] = newest
                before = own.get(before)
        return found

    @property
    def whole(self) -> "Study":
        """The same window of all devices: what fell together is only seen there."""
        return replace(self, devices=()) if self.devices else self

    def own(self, frame: DataFrame) -> DataFrame:
        """The rows of the chosen devices; all where none was chosen."""
        if not self.devices:
            return frame
        return frame[frame["device_id"].isin(self.devices)].reset_index(drop=True)

    @property
    def time_zone(self) -> str:
        """The time zone of the place where the rows were measured."""
        return self.site.time_zone

    @cached_property
    def site(self) -> Site:
        """The place where the rows were measured."""
        return origins.site(self.paths, self.config.site)

    @cached_property
    def hourly(self) -> DataFrame:
        """Energy and observed time of each device and hour that begins in the window."""
        return self._read("energy_hourly", "hour_start", floor_hour(self.start))

    @cached_property
    def availability(self) -> DataFrame:
        """Each hour of a device by what is known of its 3600 seconds. [s]"""
        return self._read("availability_hourly", "hour_start", floor_hour(self.start))

    @cached_property
    def voltage(self) -> DataFrame:
        """Mean voltage of each device in slots of ten minutes. [voltage_v: V, voltage_s: s]"""
        return self._read("voltage_10min", "slot_start", floor_hour(self.start))

    def power(self, minutes: Literal[5, 15, 30, 60] = 15) -> DataFrame:
        """Mean power of each device in slots of 5, 15, 30 or 60 minutes, where it was known.

        Columns device_id, device_name, slot_start (UTC), power_w [W], power_s [s], power_w_max.
        """
        return self._named(
            study_frames.power(self.paths, floor_hour(self.start), self.end, minutes)
        )

    @cached_property
    def loads(self) -> DataFrame:
        """Stretches in which a device's power stayed on one side of its thresholds. [Wh, W]"""
        return self._read("loads", "load_start")

    @cached_property
    def states(self) -> DataFrame:
        """Stretches in which a switch kept its state."""
        return self._read("states", "state_start")

    def _named(self, frame: DataFrame) -> DataFrame:
        """The newest name of each device: one device is one row of a table, renamed or not."""
        names = registry.names(self.paths, self.config.devices)
        frame = self.own(frame)
        return frame.assign(device_name=frame["device_id"].map(lambda own: names.get(own, own)))

    @cached_property
    def daily(self) -> DataFrame:
        """Energy of each device and local date, from the window's hours. [Wh]

        `coverage` is of the whole day: a day that the window cuts has less. What a counter
        added over a stretch of days, nobody knows on which, is a row without `local_date`: sums
        over the window have it, sums by day leave it out. A stretch that began before the
        window is not of it.
        """
        hours = self.hourly
        day, began = (self._local_date(hours[c]) for c in ("hour_start", "unplaced_start"))
        own_wh = hours["energy_wh_unplaced"].where(
            hours["unplaced_start"] >= floor_hour(self.start)
        )
        total_wh = hours["energy_wh_total"].add(own_wh.where(began == day), fill_value=0.0)
        keys = [day.rename("local_date"), hours["device_id"], hours["device_name"]]
        sums = hours.assign(energy_wh_total=total_wh)[list(SUMMED)].groupby(keys)
        days = sums.sum(min_count=1).reset_index()
        days["coverage"] = (days["alive_s"] / _day_s(days, self.time_zone)).clip(0, 1)
        between = hours.assign(energy_wh_total=own_wh)[began < day]
        return _with_undated(days, between.dropna(subset=["energy_wh_total"]))

    def _local_date(self, instants: "pd.Series[Any]") -> "pd.Series[Any]":
        local = instants.dt.tz_convert(self.time_zone).dt.tz_localize(None)
        days: pd.Series[Any] = local.dt.normalize()
        return days

    @property
    def span_s(self) -> float:
        """The length of the window. [s]"""
        return (self.end - self.start).total_seconds()

    @cached_property
    def gaps(self) -> DataFrame:
        """Stretches in which a device was not observed, whole. [gap_s: s]"""
        found = coverage.joined_gaps(self._read("gaps", "gap_start"))
        return coverage.completed(self.paths, found, self.hourly, (self.start, self.end))

    @cached_property
    def mains(self) -> list[str]:
        """Ids of the meters that see the whole house, where they are among the devices chosen."""
        return [own for own in self._mains() if not self.devices or own in self.devices]

    def _mains(self) -> list[str]:
        """Those that the user or the source names.

        Otherwise the only meter there is, or the only metering breaker: of several, nobody
        can tell which sees the house and which a shower.
        """
        origin = origins.of(self.paths)
        named = [device.id for device in self.config.devices if device.mains]
        if named or (origin and origin.mains):
            return named or list(origin.mains if origin else ())
        known = registry.known(self.paths)
        before = {str(d["replaces"]) for d in known if d.get("replaces")}
        for category in MAINS_CATEGORIES:
            found = [str(d["id"]) for d in known if d.get("category") == category]
            if len(set(found) - before) == 1:
                return found  # a meter that was paired again has two ids, each in its time
        return []

    @cached_property
    def rows(self) -> int:
        """Staged rows with an event in the window."""
        return study_frames.rows(self.paths, (self.start, self.end), self.devices)

    def _read(self, table: str, time: str, start: datetime | None = None) -> DataFrame:
        found = study_frames.window(self.paths, table, time, start or self.start, self.end)
        return self._named(found)

    def vintage(self) -> Vintage:
        """Which hours of data the window stands on; coverage is of the devices that meter."""
        origin = origins.of(self.paths)
        return Vintage(
            start=self.start,
            end=self.end,
            newest_event=study_frames.newest(self.paths, self.end, self.devices),
            coverage=coverage.share(coverage.metering(self.hourly), self.start, self.end),
            rows=self.rows,
            content_hash=study_frames.content_hash(self.hourly),
            simulated=bool(origin and origin.simulated),
            attribution=origin.attribution if origin else "",
        )

    def page(self, notebook: str, run_dir: str = "", **parameters: Any) -> Page:
        """Where the notebook's figures and numbers go, with what they stand on."""
        chosen = {"devices": ", ".join(self.devices)} if self.devices else {}
        return Page.open(
            self.paths,
            notebook,
            vintage=self.vintage(),
            time_zone=self.time_zone,
            parameters=parameters | chosen,
            run_dir=run_dir,
        )

    def is_holiday(self, day: date) -> bool:
        """Whether a date is a public holiday at the site."""
        site = self.site
        return day in holidays.country_holidays(site.country, subdiv=site.subdivision)


def _with_undated(days: DataFrame, between: DataFrame) -> DataFrame:
    """Days, and for each device a row without date or observed time of what lies between them."""
    if between.empty:
        return days
    sums = between.groupby(["device_id", "device_name"], as_index=False)["energy_wh_total"].sum()
    rows = sums.assign(alive_s=0.0, power_s=0.0, coverage=0.0)
    both: DataFrame = pd.concat([days, rows], ignore_index=True)
    return both


def _day_s(days: DataFrame, time_zone: str) -> "pd.Series[float]":
    """The length of each local date. [s]"""
    start, end = coverage.midnights(days["local_date"], time_zone)
    length: pd.Series[float] = (end - start).dt.total_seconds()
    return length
