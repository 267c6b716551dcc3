"""One collection by this project from the stand-in, as the benches need it.

Belongs here: source and settings of such a run. Does not belong here: the run (`lib/ingest.py`).
"""

from contextlib import closing
from datetime import datetime

from lib import ingest
from lib.collected import Report
from lib.config import Config, Ingestion
from lib.credentials import Credentials
from lib.origins import Origin
from lib.paths import Paths
from lib.sources import Source
from lib.tuya import TuyaCloud

ORIGIN = Origin("simulated", "bench")
NO_LIMIT = 1e9  # calls a second: the stand-in has no rate that we must stay below


def settings(**more: float) -> Config:
    """The defaults without the limits of rate and quota, which are Tuya's."""
    free = {"calls_per_s": NO_LIMIT, "monthly_calls": 0, "request_timeout_s": 5}
    return Config(ingestion=Ingestion.model_validate(free | more))


def collect(
    paths: Paths, access: Credentials, config: Config, now: datetime, *, patient: bool = True
) -> Report:
    """One run; without patience it does not wait before it asks again. Raises SourceError."""
    asked = config.ingestion
    pause = {} if patient else {"pause": lambda pause_s: None}
    cloud = TuyaCloud(
        access,
        timeout_s=asked.request_timeout_s,
        page_size=asked.page_size,
        calls_per_s=asked.calls_per_s,
        **pause,
    )
    with closing(cloud):
        source = Source(cloud, ORIGIN, (), lambda instant: None)
        return ingest.run(paths, source, config, now=now)
