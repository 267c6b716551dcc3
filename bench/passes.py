"""The whole way from the cloud to the figures in one process, and what a store then holds.

Belongs here: running the steps as `tcc run` orders them, and the contents by which two stores
are the same. Does not belong here: killing (`kill.py`). A notebook's cells run as plain code:
a kernel of its own would be another process, which nobody kills here.
"""

import ast
import contextlib
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from bench.collect import collect
from lib import held, marts, origins, page, raw, spans, staging, warehouse
from lib.config import Config
from lib.credentials import Credentials
from lib.journal import Journal
from lib.paths import NOTEBOOKS, Paths
from lib.times import stamp

PHASES = ("ingestion", "staging", "marts", "figures")
END = "end"
NOTEBOOK = "10_energy"
# When and in which file a row first came is another thing after a killed run, and truly so.
_STAGED = "SELECT * EXCLUDE (ingestion_timestamp_utc, filename)"

Say = Callable[[str], None]


def run(paths: Paths, access: Credentials, config: Config, now: datetime, say: Say) -> None:
    """Collect, stage, build, draw; says the name of each phase as it begins, then the end."""
    with origins.alone(paths):
        say("ingestion")
        collect(paths, access, config, now).raise_if_stopped()
        say("staging")
        staging.run(paths, config)
        say("marts")
        marts.run(paths, config)
        say("figures")
        draw(paths, paths.runs / f"{stamp(now)}-{os.getpid()}")
        say(END)


def draw(paths: Paths, run_dir: Path, notebook: str = NOTEBOOK) -> None:
    """Run a notebook's cells into a folder of the run, then put what they made in its place."""
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for is_parameters, code in _cells(notebook):
            exec(code, names)  # the project's own notebook, as papermill runs it
            if is_parameters:
                names |= {"data_dir": str(paths.data), "run_dir": str(run_dir)}
    page.promote(run_dir, paths)


def preload(notebook: str = NOTEBOOK) -> None:
    """Load what a notebook imports, so that children which are forked need not, each anew."""
    for cell in json.loads((NOTEBOOKS / f"{notebook}.ipynb").read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            found = ast.parse("".join(cell["source"])).body
            imports = [node for node in found if isinstance(node, ast.Import | ast.ImportFrom)]
            exec(compile(ast.Module(imports, []), notebook, "exec"), {})


@cache
def _cells(notebook: str) -> list[tuple[bool, Any]]:
    """The compiled code cells of a notebook; the first of each pair marks its parameters."""
    found = json.loads((NOTEBOOKS / f"{notebook}.ipynb").read_text("utf-8"))["cells"]
    return [
        ("parameters" in cell["metadata"].get("tags", []), compile(source, notebook, "exec"))
        for cell in found
        if cell["cell_type"] == "code" and (source := "".join(cell["source"]))
    ]


def state(paths: Paths, config: Config) -> dict[str, str]:
    """A digest of each thing that a store holds, by content; times of writing are left out."""
    set_aside = [(f"set aside: {f.name}", b"") for f in paths.quarantine.rglob("*.gz")]
    own = [*_raw(paths), *_held(paths, config), *_tables(paths), *_page(paths), *set_aside]
    return {name: hashlib.sha256(content).hexdigest() for name, content in own}


def _raw(paths: Paths) -> Iterator[tuple[str, bytes]]:
    """Raw rows as a set, without who took them in and when."""
    added = {"ingestion_timestamp_utc", "ingested_by"}
    rows = {
        json.dumps({name: row[name] for name in sorted(row.keys() - added)})
        for file in paths.raw.rglob("*_logs*.gz")
        for row in raw.read(file)
    }
    yield f"raw: {len(rows)} rows", _lines(rows)


def _held(paths: Paths, config: Config) -> Iterator[tuple[str, bytes]]:
    by_date = held.by_date(Journal(paths.journal).all(), config.ingestion)
    yield "held windows", _lines(f"{key} {spans.merge(own)}" for key, own in by_date.items())


def _tables(paths: Paths) -> Iterator[tuple[str, bytes]]:
    """The rows of every partition, never Parquet's bytes."""
    tables = [paths.staging, *sorted(f for f in paths.marts.glob("*") if f.name[0] != "_")]
    with warehouse.connect() as connection:
        for table in tables:
            columns = _STAGED if table == paths.staging else "SELECT *"
            for file in sorted(table.glob("event_date=*/data_0.parquet")):
                query = f"{columns} FROM read_parquet($file, hive_partitioning = false)"
                found = f"SELECT rows::VARCHAR FROM ({query}) AS rows"
                rows = connection.execute(found, {"file": str(file)}).fetchall()
                yield f"{table.name} {file.parent.name}", _lines(row for (row,) in rows)


def _page(paths: Paths) -> Iterator[tuple[str, bytes]]:
    """Figures byte by byte; values and sidecars without the version of the code behind them."""
    for file in sorted((paths.generated / page.VALUES).glob("*.json")):
        plain = json.loads(file.read_text("utf-8"))
        yield file.name, json.dumps(plain | {"code_version": ""}).encode()
    for file in sorted(f for f in paths.figures.glob("*") if f.name[0] != "."):
        if file.suffix == ".json":
            plain = json.loads(file.read_text("utf-8"))
            yield file.name, json.dumps(plain | {"code_version": ""}).encode()
        else:
            yield file.name, file.read_bytes()


def _lines(texts: Iterable[str]) -> bytes:
    return "\n".join(sorted(texts)).encode()


def leftovers(paths: Paths) -> list[Path]:
    """Temporary files that a killed run left behind."""
    return [file for file in paths.data.rglob(".*") if file.name.endswith(".tmp")]
