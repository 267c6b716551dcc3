"""Dates staged side by side, each by a connection of its own.

Belongs here: how many at once, their connections. Does not belong here: one date
(`staged_date.py`), which dates (`staging.py`).
"""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from lib import staged_date, warehouse
from lib.config import Config
from lib.paths import Paths
from lib.staged_date import Outcome
from lib.staging_files import Raw

MOST_AT_ONCE = 4  # dates; each holds its rows in memory


def built(store: Raw, config: Config, days: list[str]) -> Iterator[Outcome]:
    """Build dates side by side, each by a connection of its own; what became of each, in order.

    A few dates at once with one thread each are faster than one after the other with all
    threads: most of the work on a date does not divide.
    """
    with _connections(store.paths, config, len(days)) as (pool, local):
        yield from pool.map(lambda day: staged_date.build(local.connection, store, day), days)


@contextmanager
def _connections(
    paths: Paths, config: Config, wanted: int
) -> Iterator[tuple[ThreadPoolExecutor, threading.local]]:
    """A pool in which each thread has a connection of one thread."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = max(1, min(wanted, cores or 1, MOST_AT_ONCE))
    local, opening = threading.local(), threading.Lock()
    with ExitStack() as stack:

        def connect() -> None:
            with opening:
                local.connection = stack.enter_context(warehouse.connect())
            local.connection.execute("SET threads = 1")  # rows are read in their order
            # What a date took is given back before the next one: a fifth less at the peak.
            give_back = "SET allocator_bulk_deallocation_flush_threshold = '32MB'"
            local.connection.execute(give_back)
            staged_date.prepare(local.connection, paths, config)

        with ThreadPoolExecutor(workers, initializer=connect) as pool:
            yield pool, local
