"""Build a store that was laid out and run one notebook on it, in this project or another copy.

Belongs here: what runs inside the copy whose code or settings are tried. Does not belong here:
making the copy, and which one (`swaps.py`).

It runs as a file in a process of its own, with the copy's `lib`, which may be of long ago: it uses
only what every version has.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib import config, marts, notebooks, staging
from lib.paths import NOTEBOOKS, Paths


def work(job: Mapping[str, Any]) -> None:
    """Stage and build the dates of a job (None: all), then run its notebook, if it has one.

    Raises PipelineError.
    """
    paths, settings, dates = Paths.at(job["data_dir"]), config.load(), job["dates"]
    if dates is None or dates:
        chosen: dict[str, Any] = {} if dates is None else {"only": set(dates)}
        staging.run(paths, settings, **chosen)
        marts.run(paths, settings, **chosen)
    if job["notebook"]:
        given = {**job["parameters"], "data_dir": job["data_dir"], "run_dir": job["run_dir"]}
        notebooks.run(NOTEBOOKS / f"{job['notebook']}.ipynb", Path(job["run_dir"]), given)


if __name__ == "__main__":
    work(json.loads(Path(sys.argv[1]).read_text("utf-8")))
