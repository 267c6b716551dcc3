"""What a person opens first: the devices, their readings and SQL, of one store, as DataFrames.

Belongs here: short names for what other modules do, bound to a store. Does not belong here:
anything that the analysis notebooks use.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import DataFrame, Series

from lib import catalogue, registry, warehouse
from lib import config as settings
from lib.figures import canvas, localize, style
from lib.paths import Paths
from lib.plots import NO_DATA, blank
from lib.study import Study
from lib.warehouse import When

_NOTHING = "Ainda não há dados nesta pasta. Execute no terminal: tcc run"


@dataclass(frozen=True)
class Store:
    """A store to look around in."""

    paths: Paths
    time_zone: str

    @property
    def has_data(self) -> bool:
        """Whether any row is staged."""
        return warehouse.has_rows(self.paths.staging)

    @property
    def welcome(self) -> str:
        """A sentence: up to when the data goes, or what to run to get some."""
        if not self.has_data:
            return f"{_NOTHING} (a pasta é {self.paths.data})."
        return self.study().vintage().sentence(self.time_zone)

    def study(self, start: str = "", end: str = "") -> Study:
        """The frames that the analysis notebooks use, of a window given in ISO 8601."""
        return Study.open(self.paths.data, start, end)

    def devices(self) -> DataFrame:
        """The devices with rows: id, name, rows and newest event (local)."""
        if not self.has_data:
            return DataFrame(columns=["device_id", "device_name", "rows", "newest_event"])
        query = (
            "SELECT device_id, count(*) AS rows, max(event_time) AS newest_event "
            "FROM read_parquet($files) GROUP BY device_id ORDER BY device_id"
        )
        with warehouse.asking() as connection:
            files = {"files": warehouse.partitions(self.paths.staging)}
            found = warehouse.frame(connection, query, files)
        names = registry.names(self.paths, settings.load().devices)
        found.insert(1, "device_name", [names.get(own, own) for own in found["device_id"]])
        local = found["newest_event"].dt.tz_convert(self.time_zone)
        return found.assign(newest_event=local).sort_values("device_name", ignore_index=True)

    def busiest(self, code: str) -> str:
        """The id of the device with most rows of a code, of any where it has none; "" of no data.

        For an example that works on any store.
        """
        if not self.has_data:
            return ""
        query = (
            "SELECT device_id FROM read_parquet($files) GROUP BY device_id "
            "ORDER BY count_if(code = $code) DESC, count(*) DESC, device_id LIMIT 1"
        )
        with warehouse.asking() as connection:
            given = {"files": warehouse.partitions(self.paths.staging), "code": code}
            return str(warehouse.frame(connection, query, given)["device_id"][0])

    def readings(
        self, device: str, since: When, until: When | None = None, *, code: str | None = None
    ) -> DataFrame:
        """Rows of a device by name or id, oldest first, with the local time in `local_time`.

        `since` is an instant in ISO 8601, or so many days back from the newest row. Raises
        ConfigError, which names the devices there are; without any data, no rows.
        """
        columns = ["local_time", "device_name", "code", "value", "value_num", "unit", "event_time"]
        if not self.has_data:
            return DataFrame(columns=columns)
        found = warehouse.readings(self.paths, device, since, until, code=code)
        return found.assign(local_time=found["event_time"].dt.tz_convert(self.time_zone))[columns]

    def sql(self, query: str) -> DataFrame:
        """The answer of the catalogue to one SELECT; `SHOW TABLES` and `FROM columns` explain it.

        Raises ConfigError for another statement. Without any data, no rows.
        """
        if not self.paths.catalogue.exists():
            return DataFrame()
        with catalogue.answer(self.paths, query) as found:
            answer: DataFrame = found.to_arrow_table().to_pandas(date_as_object=False)
        return answer

    def figure(
        self, device: str, code: str, since: When, until: When | None = None, *, label: str = ""
    ) -> Figure:
        """One code of a device over local time, each value held until the next; gaps are gaps.

        `label` is what the axis says, with its unit. Raises ConfigError for an unknown device.
        """
        rows = self.readings(device, since, until)
        own = rows[(rows["code"] == code) & rows["value_num"].notna()]
        with style():
            if own.empty:
                return blank(NO_DATA)
            first, last = own["event_time"].iloc[0], rows["event_time"].max()
            line = DataFrame({"at": own["event_time"], "value": own["value_num"]})
            end = DataFrame({"at": [last], "value": [own["value_num"].iloc[-1]]})
            line = pd.concat([line, end[end["at"] > line["at"].iloc[-1]]])
            gaps = self._gaps(device, first, last)
            line = pd.concat([line, DataFrame({"at": gaps, "value": float("nan")})])
            line["at"] = line["at"].dt.tz_convert(self.time_zone).dt.tz_localize(None)
            figure = canvas(height=0.4)
            axes = figure.add_subplot()
            _draw(axes, line.sort_values("at", kind="stable"), label or code)
            return localize(figure)

    def _gaps(self, device: str, first: pd.Timestamp, last: pd.Timestamp) -> "Series[Any]":
        """When the gaps of a device between two instants begin."""
        where = "$device IN (device_id, device_name) AND gap_start >= $first AND gap_start < $last"
        given = {"device": device, "first": first, "last": last}
        found = warehouse.read(self.paths.marts / "gaps", where=where, parameters=given)
        return found["gap_start"] if len(found) else Series(dtype="datetime64[us, UTC]")


def at(data_dir: str | Path = "") -> Store:
    """The store of a folder; without one, the project's own."""
    paths = Paths.at(data_dir)
    return Store(paths, Study.open(paths.data).time_zone)


def _draw(axes: Axes, line: DataFrame, label: str) -> None:
    """Values as steps over local time; a missing value breaks the line."""
    axes.plot(line["at"].to_numpy(), line["value"].to_numpy(dtype=float), drawstyle="steps-post")
    locator = dates.AutoDateLocator(maxticks=8)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(
        dates.ConciseDateFormatter(  # type: ignore[no-untyped-call]
            locator,
            formats=["%Y", "%m/%Y", "%d/%m", "%Hh%M", "%Hh%M", "%Hh%M:%S"],
            zero_formats=["%Y", "%Y", "%m/%Y", "%d/%m", "%Hh%M", "%Hh%M"],
            show_offset=False,
        )
    )
    first, last = line["at"].iloc[0], line["at"].iloc[-1]
    days = f"{first:%d/%m/%Y}" + (f" a {last:%d/%m/%Y}" if last.date() > first.date() else "")
    axes.set_xlabel(f"Hora local ({days})")
    axes.set_ylabel(label)
