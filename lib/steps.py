"""What a run is: its steps in order, what it was told, what became of it.

Belongs here: the list of notebooks, once, and the records of a run. Does not belong here: running
them (`pipeline.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from lib import origins, sources
from lib.alarms import Told
from lib.config import Config
from lib.errors import PipelineError
from lib.findings import Finding
from lib.monograph import Built
from lib.paths import Paths

COLLECT = ("01_ingest",)
PREPARE = ("02_stage", "03_marts")
ANALYSE = ("10_energy", "11_voltage", "12_control_chart", "13_tariff", "14_data_quality")
JUDGED = ("14_data_quality",)  # told the run's clock: what is lost and at risk depends on it
STEPS = (*COLLECT, *PREPARE, *ANALYSE)
PAGE = "monograph"
NOT_SET = "not set"
UNCHANGED = "unchanged"
DONE = ("ok", UNCHANGED, NOT_SET)


@dataclass
class Step:
    """What became of one notebook, or of the page: ok, unchanged, failed, skipped or not set.

    Unchanged: what an earlier run left still stands. The page is not set where LaTeX is missing
    or no row has come yet; the rest is done.
    """

    name: str
    status: str
    seconds: float = 0.0
    error: PipelineError | None = None


@dataclass(frozen=True)
class Order:
    """What to run, from which source and at which instant; `wait_s` for another run to end.

    `rebuild` makes all data anew from the raw files, `first_date` and `last_date` (UTC, an empty
    one open) do that for chosen dates; `force` runs what has not changed too.
    """

    steps: Sequence[str] = STEPS
    source: sources.Name = "auto"
    series: str = ""
    now: str = ""
    days: int | None = None
    rebuild: bool = False
    first_date: str = ""
    last_date: str = ""
    force: bool = False
    page: bool = True
    promote: bool = False
    wait_s: float = 0.0


@dataclass
class Run:
    """What became of a run: its folder, steps, findings and page."""

    paths: Paths
    config: Config
    order: Order
    source: sources.Name
    now: datetime
    folder: Path
    moved_aside: Path | None = None  # where a simulated store went that gave way to real rows
    kept: dict[str, Path] = field(default_factory=dict)  # step -> folder with what it wrote
    steps: list[Step] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    built: Built | None = None
    alarms: Told = field(default_factory=Told)

    @property
    def origin(self) -> origins.Origin | None:
        """What the store's rows are: measured, simulated or recorded."""
        return origins.of(self.paths)

    @property
    def errors(self) -> list[PipelineError]:
        """What went wrong, in order."""
        return [step.error for step in self.steps if step.error]

    @property
    def ok(self) -> bool:
        """Whether every step came to its end; a page not set is nobody's failure."""
        return all(step.status in DONE for step in self.steps)
