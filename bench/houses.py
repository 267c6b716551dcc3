"""A house of plugs that report steadily: many rows, cheap to serve, known to the last one.

Belongs here: rows as a pure function of device and time, and their keys. Does not belong here:
loads that look like a real house's (`lib/demo/simulated.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lib.demo import catalogue
from lib.demo.house import OFFLINE, ONLINE, REPORT, DemoDevice, LogRow
from lib.times import to_ms

# Device, event time [ms], event type, code, value: what makes a row this row.
Key = tuple[str, int, int, str | None, str | None]

# Reports come in fives: three data points at one instant, as real plugs send them, then two.
_CODES = (
    *(("cur_voltage", 20), ("cur_power", 19), ("cur_current", 18)),
    *(("cur_power", 19), ("add_ele", 17)),
)
_TOGETHER, _CONTACT, _SWITCHED = 3, 500, 100
_MEAN_POWER_W = 160


@dataclass(frozen=True)
class DenseHouse:
    """Plugs with so many rows each, one every `step_ms` from `begin` on."""

    begin: datetime
    step_ms: int
    rows_each: int
    size: int = 8
    seed: int = 7

    name = "Casa densa (simulada, para medir o desempenho)"
    simulated = True
    attribution = "Dados simulados por este projeto; nenhum valor foi medido."

    @property
    def ids(self) -> list[str]:
        """The ids of the plugs."""
        return [f"bench0000tomada{n:07d}" for n in range(self.size)]

    def devices(self) -> list[DemoDevice]:
        """The plugs, alike but for id and name."""
        plug = catalogue.devices()[0]
        return [replace(plug, id=own, name=f"Tomada {n}") for n, own in enumerate(self.ids, 1)]

    def rows(self, device_id: str, start_ms: int, end_ms: int) -> Sequence[LogRow]:
        """The plug's rows in [start_ms, end_ms), oldest first. Raises ValueError."""
        number, begin_ms = self.ids.index(device_id), to_ms(self.begin)
        first = max(0, (start_ms - begin_ms) // self.step_ms - 1)
        last = min(self.rows_each, (end_ms - begin_ms) // self.step_ms + _TOGETHER)
        made = (self._row(number, begin_ms, n) for n in range(first, last))
        return [row for row in made if start_ms <= row.event_time_ms < end_ms]

    def _row(self, number: int, begin_ms: int, n: int) -> LogRow:
        """The n-th row of a plug; the first three of five are of one instant."""
        place = n % len(_CODES)
        at = n - place if place < _TOGETHER else n
        jitter_ms = self._drawn(number, at) % max(1, self.step_ms // 2)
        time_ms = begin_ms + at * self.step_ms + jitter_ms
        if n % _CONTACT >= _CONTACT - 2:
            event = OFFLINE if n % _CONTACT == _CONTACT - 2 else ONLINE
            return LogRow(time_ms, event, None, 0, None)
        code, dp_id = ("switch_1", 1) if n % _SWITCHED == _SWITCHED // 2 + 4 else _CODES[place]
        return LogRow(time_ms, REPORT, code, dp_id, self._value(code, self._drawn(number, n)))

    def _value(self, code: str, drawn: int) -> str:
        """A value as the cloud writes it, in the scale of the plug's specification."""
        if code == "switch_1":
            return "true" if drawn % 4 else "false"
        if code == "add_ele":
            return str(round(_MEAN_POWER_W * len(_CODES) * self.step_ms / 3_600_000))
        base = {"cur_voltage": 1230, "cur_power": _MEAN_POWER_W * 10 - 600}.get(code, 600)
        return str(base + drawn % (80 if code == "cur_voltage" else 1200))

    def _drawn(self, number: int, n: int) -> int:
        """A number that looks drawn at random and is the same at every asking."""
        mixed = (n * 2_654_435_761 + number * 97_531 + self.seed * 7_919) & 0xFFFFFFFF
        mixed = ((mixed ^ mixed >> 15) * 2_246_822_519) & 0xFFFFFFFF
        return mixed ^ mixed >> 13

    def keys(self, start: datetime, end: datetime) -> Iterator[Key]:
        """The keys of all rows in [start, end), device by device."""
        for own in self.ids:
            for row in self.rows(own, to_ms(start), to_ms(end)):
                yield own, row.event_time_ms, row.event_id, row.code, row.value


def dense(rows: int, *, now: datetime, size: int = 8, seed: int = 7) -> DenseHouse:
    """So many rows altogether in the seven days before `now`, all of which the cloud serves."""
    margin = timedelta(minutes=5)  # windows end two minutes before now
    span, each = timedelta(days=7) - 2 * margin, rows // size
    return DenseHouse(
        begin=now - timedelta(days=7) + margin,
        step_ms=int(span.total_seconds() * 1000) // each,
        rows_each=each,
        size=size,
        seed=seed,
    )
