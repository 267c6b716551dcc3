"""What an analysis notebook opens: a store, a window of it, its frames and its page.

Belongs here: reading the marts for a window and saying which hours they are. Does not
belong here: indicators (`energy.py`), drawing (`plots.py`).
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import holidays
import pandas as pd
from pandas import DataFrame

from lib import config as settings
from lib import coverage, held, origins, registry, warehouse
from lib.config import Config, Site
from lib.page import Page, Vintage
from lib.paths import Paths
from lib.times import HOUR, floor_hour, parse_instant

HOURLY = (
    *("device_id", "device_name", "hour_start", "alive_s", "power_s"),
    *("energy_wh_increment", "energy_wh_total", "energy_wh_integral", "power_w_max"),
    *("energy_wh_unplaced", "unplaced_start"),
)
SUMMED = HOURLY[3:8]
# Categories of Tuya for meters at the service entrance, and their breakers.
MAINS_CATEGORIES = ("zndb", "dlq")


@dataclass(frozen=True)
class Study:
    """A window of a store; the frames are read when first asked for."""

    paths: Paths
    config: Config
    start: datetime
    end: datetime

    @classmethod
    def open(cls, data_dir: str | Path = "", start: str = "", end: str = "") -> "Study":
        """Open a window given in ISO 8601; an empty end of it is the data's own."""
        paths, config = Paths.at(data_dir), settings.load()
        first, last = _extent(paths)
        window_start = parse_instant(start) if start else first
        window_end = parse_instant(end) if end else last
        return cls(paths, config, window_start, max(window_start, window_end))

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
        return self._named(
            self._read("energy_hourly", "hour_start", HOURLY, floor_hour(self.start))
        )

    def _named(self, frame: DataFrame) -> DataFrame:
        """The newest name of each device: one device is one row of a table, renamed or not."""
        names = registry.names(self.paths, self.config.devices)
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
        return coverage.joined_gaps(
            self._named(self._read("gaps", "gap_start", coverage.GAP_COLUMNS, self.start))
        )

    @cached_property
    def mains(self) -> list[str]:
        """Ids of the meters that see the whole house: as the user or the source names them.

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
        if not warehouse.has_rows(self.paths.staging):
            return 0
        query = (
            "SELECT count(*) AS rows FROM read_parquet($files) "
            "WHERE event_time >= $start AND event_time < $end"
        )
        with warehouse.connect() as connection:
            files = warehouse.partitions(self.paths.staging)
            parameters = {"files": files, "start": self.start, "end": self.end}
            return int(warehouse.frame(connection, query, parameters)["rows"][0])

    def _read(self, table: str, time: str, columns: tuple[str, ...], start: datetime) -> DataFrame:
        frame = warehouse.read(
            self.paths.marts / table,
            where=f"{time} >= $start AND {time} < $end ORDER BY device_id, {time}",
            parameters={"start": start, "end": self.end},
        )
        return frame if len(frame.columns) else _empty(columns)

    def vintage(self) -> Vintage:
        """Which hours of data the window stands on; coverage is of the devices that meter."""
        origin = origins.of(self.paths)
        return Vintage(
            start=self.start,
            end=self.end,
            newest_event=_newest(self.paths, self.end),
            coverage=coverage.share(coverage.metering(self.hourly), self.start, self.end),
            rows=self.rows,
            content_hash=_hash(self.hourly),
            simulated=bool(origin and origin.simulated),
            attribution=origin.attribution if origin else "",
        )

    def page(self, notebook: str, run_dir: str = "", **parameters: Any) -> Page:
        """Where the notebook's figures and numbers go, with what they stand on."""
        return Page.open(
            self.paths,
            notebook,
            vintage=self.vintage(),
            time_zone=self.time_zone,
            parameters=parameters,
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
    start = days["local_date"].dt.tz_localize(time_zone)
    end = (days["local_date"] + pd.Timedelta(days=1)).dt.tz_localize(time_zone)
    length: pd.Series[float] = (end - start).dt.total_seconds()
    return length


def _empty(columns: tuple[str, ...]) -> DataFrame:
    """A frame without rows whose columns have the types that analysis relies on."""
    instants = [c for c in columns if c.endswith(("_start", "_end", "_seen"))]
    numbers = [c for c in columns if c.endswith("_s") or "_wh_" in c or "_w_" in c]
    types = dict.fromkeys(instants, "datetime64[us, UTC]") | dict.fromkeys(numbers, "float64")
    return DataFrame(columns=list(columns)).astype(types)


def _extent(paths: Paths) -> tuple[datetime, datetime]:
    """The first event, and until when the data was asked for or goes."""
    query = "SELECT min(event_time) AS first, max(event_time) AS last FROM read_parquet($files)"
    if warehouse.has_rows(paths.staging):
        with warehouse.connect() as connection:
            files = {"files": warehouse.partitions(paths.staging)}
            found = warehouse.frame(connection, query, files)
        first, last = found["first"][0].to_pydatetime(), found["last"][0].to_pydatetime()
        newest = last + timedelta(milliseconds=1)
        return first, max(newest, held.until(paths) or newest)
    return parse_instant("1970-01-01"), parse_instant("1970-01-01") + HOUR


def _newest(paths: Paths, end: datetime) -> datetime | None:
    if not warehouse.has_rows(paths.staging):
        return None
    query = "SELECT max(event_time) AS newest FROM read_parquet($files) WHERE event_time < $end"
    with warehouse.connect() as connection:
        parameters = {"files": warehouse.partitions(paths.staging), "end": end}
        newest = warehouse.frame(connection, query, parameters)["newest"][0]
    return None if pd.isna(newest) else newest.to_pydatetime()


def _hash(frame: DataFrame) -> str:
    """A content hash of a frame, the same wherever it is computed."""
    total = int(pd.util.hash_pandas_object(frame, index=False).sum()) if len(frame) else 0
    return f"{total:016x}-{len(frame)}"
