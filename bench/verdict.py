"""What a store holds against what the house knows: lost, twice, invented, key by key.

Belongs here: comparing. Does not belong here: how the store came about. It uses DuckDB, so it
runs in a child of its own where another process forks.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from bench.houses import DenseHouse, Key
from lib import staging, warehouse
from lib.config import Config
from lib.paths import Paths
from lib.spans import Span
from lib.times import to_ms

_STAGED = """
SELECT device_id, epoch_ms(event_time), event_id, code, value
FROM read_parquet($files, hive_partitioning = false)
"""


@dataclass(frozen=True)
class Verdict:
    """Counts of rows, and the first and last event time of what is missing of each device. [ms]"""

    truth: int
    staged: int
    came: int
    lost: int
    twice: int
    invented: int
    otherwise: int  # staged with another value than the house's
    expired: int  # missing, and gone before any run could ask for it
    gone: dict[str, tuple[int, int]]

    @property
    def flawless(self) -> bool:
        """Whether nothing is missing but what had expired, and nothing is there but the truth."""
        return not (self.lost or self.twice or self.invented or self.otherwise)


def judge(
    paths: Paths, config: Config, house: DenseHouse, span: Span, expired: Iterable[Span] = ()
) -> Verdict:
    """Stage what is new, then compare the staged rows with the house's of a span.

    Rows of `expired` spans, each without its first and with its last instant, shall be missing.
    """
    report = staging.run(paths, config)
    window = to_ms(span[0]), to_ms(span[1])
    held = Counter(row[:4] for row in _staged(paths) if window[0] <= row[1] < window[1])
    values = {row[:4]: row[4] for row in _staged(paths)}
    truth = {row[:4]: row[4] for row in house.keys(*span)}
    missing = truth.keys() - held.keys()
    due = {key for key in truth if _inside(key[1], expired)}
    return Verdict(
        truth=len(truth),
        staged=held.total(),
        came=report.came,
        lost=len(missing - due) + len(due & held.keys()),
        twice=held.total() - len(held),
        invented=len(held.keys() - truth.keys()),
        otherwise=sum(values[key] != truth[key] for key in held.keys() & truth.keys()),
        expired=len(missing & due),
        gone=_ends(missing & due),
    )


def _staged(paths: Paths) -> list[Key]:
    with warehouse.connect() as connection:
        files = {"files": warehouse.partitions(paths.staging)}
        rows: list[Key] = connection.execute(_STAGED, files).fetchall()
        return rows


def _inside(time_ms: int, spans: Iterable[Span]) -> bool:
    return any(to_ms(start) < time_ms < to_ms(end) for start, end in spans)


def _ends(keys: Iterable[tuple[str, int, int, str | None]]) -> dict[str, tuple[int, int]]:
    """The first and the last event time of each device."""
    times: dict[str, list[int]] = {}
    for device, time_ms, *_ in keys:
        times.setdefault(device, []).append(time_ms)
    return {device: (min(own), max(own)) for device, own in sorted(times.items())}
