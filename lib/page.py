"""Where a notebook's figures and numbers go, and which hours of data they stand on.

Belongs here: the vintage of printed things, the folders of one notebook's output and their
promotion after a good run. Does not belong here: drawing, formatting, LaTeX.
"""

import filecmp
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from lib.errors import ManuscriptError
from lib.files import replacing, write_text
from lib.paths import Paths
from lib.portuguese import floored_percent, number
from lib.times import brazilian, iso, parse_instant
from lib.version import code_version

VALUES = "values"
FIGURES = "figures"
# The sidecar comes last: where it stands, the figure it speaks of is already there.
SUFFIXES = (".pdf", ".png", ".json")


@dataclass(frozen=True)
class Vintage:
    """Which hours of data a printed thing stands on; instants in UTC, coverage 0 to 1."""

    start: datetime
    end: datetime
    newest_event: datetime | None
    coverage: float
    rows: int
    content_hash: str
    simulated: bool
    attribution: str = ""

    def __post_init__(self) -> None:
        if self.newest_event is not None and self.newest_event != self.newest_event:
            object.__setattr__(self, "newest_event", None)  # pandas' NaT
        if not -1e-6 <= self.coverage <= 1 + 1e-6:
            raise ManuscriptError(
                f"a coverage of {self.coverage} is no fraction between 0 and 1.",
                where=f"vintage of {iso(self.start)} to {iso(self.end)}",
                risk="The page would name hours that the data does not have.",
                remedy="Pass observed time divided by the time of the window.",
            )

    def sentence(self, time_zone: str) -> str:
        """Say up to when the data goes and how much of it there is, in Portuguese."""
        if self.newest_event is None:
            until = f"nenhum dado até {brazilian(self.end, time_zone)}"
        else:
            until = f"dados até {brazilian(self.newest_event, time_zone)}"
        simulated = ", dados simulados" if self.simulated else ""
        return f"{until}, cobertura {number(floored_percent(self.coverage), 1)} %{simulated}"

    def record(self) -> dict[str, Any]:
        """The vintage as it stands in JSON files."""
        return {
            "window": {"start": iso(self.start), "end": iso(self.end)},
            "newest_event": iso(self.newest_event) if self.newest_event else None,
            "coverage": float(self.coverage),
            "rows": int(self.rows),
            "content_hash": self.content_hash,
            "simulated": bool(self.simulated),
            "attribution": self.attribution,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Vintage":
        """Read a vintage back from a JSON record that may hold other fields too."""
        window, newest = record["window"], record["newest_event"]
        return cls(
            start=parse_instant(window["start"]),
            end=parse_instant(window["end"]),
            newest_event=parse_instant(newest) if newest else None,
            **{k: record[k] for k in ("coverage", "rows", "content_hash", "simulated")},
            attribution=record["attribution"],
        )


@dataclass(frozen=True)
class Page:
    """Where a notebook's figures and numbers go, and what they stand on."""

    figures: Path
    values: Path
    notebook: str
    parameters: dict[str, Any] = field(hash=False)
    vintage: Vintage
    time_zone: str

    @classmethod
    def open(
        cls,
        paths: Paths,
        notebook: str,
        *,
        vintage: Vintage,
        time_zone: str,
        parameters: dict[str, Any] | None = None,
        run_dir: str | Path = "",
    ) -> "Page":
        """Start a notebook's output afresh; what it wrote there before is forgotten.

        With a run folder, figures and values wait there for `promote`; without one they go
        where the monograph reads them.
        """
        figures = Path(run_dir) / FIGURES if run_dir else paths.figures
        values = Path(run_dir) / VALUES if run_dir else paths.generated / VALUES
        name = Path(notebook).stem
        page = cls(figures, values, name, dict(parameters or {}), vintage, time_zone)
        _remove_figures(figures, figures_of(figures, {name}))
        page.write({"values": {}, "tables": {}})
        return page

    @property
    def file(self) -> Path:
        """The JSON file of this notebook's values and tables."""
        return self.values / f"{self.notebook}.json"

    def write(self, content: dict[str, Any]) -> Path:
        """Write values and tables, with the vintage and the version they stand on."""
        head = {"notebook": self.notebook, "time_zone": self.time_zone}
        head |= {"code_version": code_version()}
        return write_json(self.file, head | {"vintage": self.vintage.record()} | content)

    def read(self) -> dict[str, Any]:
        """The values and tables that this notebook wrote so far."""
        return read_json(self.file)


def promote(run_dir: Path, paths: Paths, notebook: str = "*") -> list[Path]:
    """Put a good run's figures and values where the monograph reads them, file by file.

    Of one notebook, where it is named. Figures and values that the same notebooks no longer
    write go away. Returns the files now in place.
    """
    figures, values = run_dir / FIGURES, run_dir / VALUES
    written = sorted(values.glob(f"{notebook}.json"))
    notebooks = {read_json(file)["notebook"] for file in written}
    names = figures_of(figures, notebooks)
    _remove_figures(paths.figures, figures_of(paths.figures, notebooks) - names)
    files = [figures / f"{name}{suffix}" for name in sorted(names) for suffix in SUFFIXES]
    placed = [_place(file, paths.figures / file.name) for file in files if file.exists()]
    return placed + [_place(file, paths.generated / VALUES / file.name) for file in written]


def _place(source: Path, target: Path) -> Path:
    if not (target.exists() and filecmp.cmp(source, target, shallow=False)):
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)
    return target


def sidecars(figures: Path) -> Iterator[dict[str, Any]]:
    """The sidecar of every figure in a folder, by name."""
    for file in sorted(figures.glob("*.json")):
        yield read_json(file)


def figures_of(figures: Path, notebooks: set[str]) -> set[str]:
    """The names of the figures that these notebooks wrote into a folder."""
    return {str(s["name"]) for s in sidecars(figures) if s["notebook"] in notebooks}


def _remove_figures(figures: Path, names: Iterable[str]) -> None:
    """Remove figures, the sidecar first: what has no sidecar is not printed."""
    for name in names:
        for suffix in reversed(SUFFIXES):
            (figures / f"{name}{suffix}").unlink(missing_ok=True)


def read_json(file: Path) -> dict[str, Any]:
    """Read a generated JSON file. Raises ManuscriptError."""
    try:
        content: dict[str, Any] = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ManuscriptError(
            f"cannot be read: {error}.",
            where=str(file),
            risk="The page cannot be set without it; the last good PDF stays.",
            remedy="It is generated: delete it and run the notebook again.",
        ) from error
    return content


def write_json(file: Path, content: dict[str, Any]) -> Path:
    """Write a generated JSON file atomically."""
    text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False, default=str)
    return write_text(file, text + "\n")
