"""Two simulated days of the hourly schedule, one hour killed and one skipped, beside a quiet two.

    tools/env python bench/two_days.py [--hours N] [--kill H] [--skip H] [--whole]

Each hour the schedule is asked what it runs at that tick, and the run it asks for is executed in
a process and a Dagster instance of its own, on the demo house, whose clock stands at the tick.
The killed hour dies as its marts are being built; of the skipped hour there is no process. At
the end both stores must hold the same, with no stretch of the two days unasked. Belongs here:
the hours and the comparison. Does not belong here: what a store holds (`passes.py`).

Without --whole only the last hour draws its figures and sets its page: the others collect,
stage and build.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dagster import AssetKey, DagsterInstance, build_schedule_context

from bench import passes
from lib import config, held, page, runs, spans
from lib.journal import Journal
from lib.paths import ROOT, Paths
from lib.pipeline import ANALYSE
from lib.times import HOUR, iso, parse_instant
from orchestration.definitions import defs

BEGIN = datetime(2026, 4, 20, 15, tzinfo=UTC)
VALUES_OF = {f"{name}.json" for name in ANALYSE}
MARGIN = timedelta(seconds=config.Config().ingestion.margin_s)  # questions end so long before
AGES = re.compile("latencia")
PREPARED = ("raw_tuya_logs", "staging_tuya_logs", "marts")


def tick(now: str, whole: bool, days: int | None) -> None:
    """Execute what the schedule asks for at an instant. Raises RuntimeError where it fails."""
    schedule = defs.resolve_schedule_def("hourly_schedule")
    with DagsterInstance.get() as instance:
        at = parse_instant(now)
        context = build_schedule_context(instance=instance, scheduled_execution_time=at)
        asked = schedule.evaluate_tick(context).run_requests or []
        if len(asked) != 1:
            raise RuntimeError(f"the schedule asks for {len(asked)} runs at {now}")
        result = defs.resolve_job_def(schedule.job_name).execute_in_process(
            instance=instance,
            tags=asked[0].tags,
            asset_selection=None if whole else [AssetKey(name) for name in PREPARED],
            run_config={"resources": {"run": {"config": {"now": now, "days": days}}}},
        )
        if not result.success:
            raise RuntimeError(f"the run of {now} failed")


class House:
    """A store and a Dagster instance that live through the hours."""

    def __init__(self, folder: Path) -> None:
        self.paths, self._home = Paths.at(folder / "data"), folder / "dagster"
        self._home.mkdir(parents=True)

    def hour(self, now: datetime, *, whole: bool, kill: bool, first: bool) -> str:
        """One tick in a process of its own; what became of it."""
        given = {"now": iso(now), "whole": whole, "days": 1 if first else None}
        environment = os.environ | {
            "DAGSTER_HOME": str(self._home),
            "TCC_DATA_DIR": str(self.paths.data),
            "TCC_ENV_FILE": str(self._home / "none.env"),
        }
        command = [sys.executable, "-m", "bench.two_days", json.dumps(given)]
        with (self._home / "said.txt").open("wb") as said:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=said, stderr=subprocess.STDOUT
            )
        if kill:
            self._kill_in_its_marts(process)
            return "killed"
        if process.wait():
            sys.exit((self._home / "said.txt").read_text()[-3000:])
        return "done"

    def _kill_in_its_marts(self, process: "subprocess.Popen[bytes]") -> None:
        before = len(list(self.paths.runs.glob("*/03_marts.ipynb")))
        while process.poll() is None:
            if len(list(self.paths.runs.glob("*/03_marts.ipynb"))) > before:
                break
            time.sleep(0.02)
        process.kill()
        if process.wait() == 0:
            sys.exit("the run that was to be killed had come to its end")

    def unasked(self, begin: datetime, end: datetime) -> dict[str, list[spans.Span]]:
        """What no complete answer covers between two instants, by device."""
        found: dict[str, list[spans.Span]] = {}
        entries = Journal(self.paths.journal).all()
        for (device, _), own in held.by_date(entries, config.load().ingestion).items():
            found.setdefault(device, []).extend(own)
        return {
            d: left
            for d, own in found.items()
            if (left := spans.missing((begin, end), spans.merge(own)))
        }


def lived(folder: Path, hours: int, *, kill: int, skip: int, whole: bool) -> House:
    """A house that goes through the hours; `kill` and `skip` are numbers of hours, 0 for none."""
    house, went = House(folder), dict[str, int]()
    for number in range(hours + 1):
        now, last = BEGIN + number * HOUR, number == hours
        if number and number == skip:
            became = "skipped"
        else:
            kill_it = bool(number) and number == kill
            became = house.hour(now, whole=whole or last, kill=kill_it, first=not number)
        went[became] = went.get(became, 0) + 1
    recorded = [runs.recorded(run) for run in runs.every(house.paths)]
    print(f"{folder.name}: {went}, {sum(one is not None for one in recorded)} runs recorded")
    return house


def leaves(plain: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value of a JSON file, by where it stands."""
    if isinstance(plain, dict | list):
        pairs = plain.items() if isinstance(plain, dict) else enumerate(plain)
        for key, value in pairs:
            yield from leaves(value, f"{name}/{key}")
    else:
        yield name, plain


def told_otherwise(one: Paths, other: Paths, file: str) -> list[str]:
    """Where two stores' values differ, one by one; ages of rows as they came are left out.

    Rows of a killed or skipped hour truly came later.
    """
    pair = [paths.generated / page.VALUES / file for paths in (one, other)]
    if not all(values.exists() for values in pair):
        return [file]
    first, second = (dict(leaves(json.loads(values.read_text("utf-8")))) for values in pair)
    names = sorted(n for n in first.keys() | second.keys() if first.get(n) != second.get(n))
    return [f"{file}{name}" for name in names if not AGES.search(name)]


def main() -> int:
    """Read the command line; the exit code: 1 where the two differ or a stretch is unasked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hours", type=int, default=48)
    parser.add_argument("--kill", type=int, default=20)
    parser.add_argument("--skip", type=int, default=31)
    parser.add_argument("--whole", action="store_true", help="figures and page each hour")
    given = parser.parse_args()
    rest = {"hours": given.hours, "whole": given.whole}
    with tempfile.TemporaryDirectory(prefix="tcc-two-days-") as temporary:
        folder = Path(temporary)
        disturbed = lived(folder / "disturbed", **rest, kill=given.kill, skip=given.skip)
        quiet = lived(folder / "undisturbed", **rest, kill=0, skip=0)
        one, other = (passes.state(house.paths, config.load()) for house in (disturbed, quiet))
        apart = sorted(n for n in one.keys() | other.keys() if one.get(n) != other.get(n))
        wrong = [n for n in apart if n not in VALUES_OF]
        for file in VALUES_OF & {*apart}:
            wrong += told_otherwise(disturbed.paths, quiet.paths, file)
        end = BEGIN + given.hours * HOUR - MARGIN
        unasked = disturbed.unasked(BEGIN, end) | quiet.unasked(BEGIN, end)
    print(f"{len(one)} contents compared, {len(wrong)} different: {', '.join(wrong[:8]) or 'none'}")
    print(f"devices with a stretch of the days unasked: {len(unasked)}")
    return 1 if wrong or unasked else 0


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1].startswith("{"):
        tick(**json.loads(sys.argv[1]))
    else:
        sys.exit(main())
