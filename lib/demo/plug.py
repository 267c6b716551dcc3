"""A real Tuya plug polled once a second for a day, as one device that reports on change.

Belongs here: the conversion of its seconds to events, exact by the series' own rule.
"""

from pathlib import Path

import duckdb
import numpy as np

from lib.demo.catalogue import integer, specification
from lib.demo.house import DemoDevice
from lib.demo.series import Ints, RecordedHouse, levels, merged

FILES = "*.csv.gz"
PLUG = "plug0000aquecedor00001"
ATTRIBUTION = (
    "Tomada Tuya real, Córdoba (Argentina), 17 ago. 2025: lucianoinso/smartplug-monitor, "
    "licença MIT; convertido em eventos por este projeto."
)
_OFFSET_MS = 3 * 3_600_000

_QUERY = """
select epoch_ms("timestamp"), current::bigint, round(power * 10)::bigint,
       round(voltage * 10)::bigint
from read_csv($file, columns = {'timestamp': 'TIMESTAMP', 'voltage': 'DOUBLE',
                                'current': 'DOUBLE', 'power': 'DOUBLE'})
order by "timestamp"
"""


def house(file: Path) -> RecordedHouse:
    """The one plug of the series: changed values only."""
    with duckdb.connect() as connection:
        columns = connection.execute(_QUERY, {"file": str(file)}).fetchnumpy().values()
    local_ms, *values = (np.asarray(column, dtype=np.int64) for column in columns)
    time_ms = local_ms + _OFFSET_MS
    codes = ("cur_current", "cur_power", "cur_voltage")
    tracks = [
        levels(code, time_ms, value, _changed(value))
        for code, value in zip(codes, values, strict=True)
    ]
    return RecordedHouse(
        "Aquecedor em Córdoba (2025)",
        ATTRIBUTION,
        [(_device(), merged(tracks))],
        time_zone="Etc/GMT+3",
        country="AR",
        nominal_voltage_v=220,
    )


def _changed(value: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray(np.diff(value, prepend=value[:1] - 1) != 0)


def _device() -> DemoDevice:
    reported = [
        integer("cur_current", 18, "mA", 30000, 0),
        integer("cur_power", 19, "W", 80000, 1),
        integer("cur_voltage", 20, "V", 5000, 1),
    ]
    product = ("cz", "demoplug34000001", "Tomada 3.4", "PLUG-34")
    return DemoDevice(PLUG, "Aquecedor", *product, specification=specification([], reported))
