"""Findings: what the data says about itself. Belongs here: the record and its file.

Does not belong here: the checks that raise findings; they lie beside what they check.
The idea (name, sentence, numbers) is OpenDSM's.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lib import files

FOLDER = "findings"


@dataclass(frozen=True)
class Finding:
    """A named fact about the data: a sentence in Portuguese and the numbers behind it."""

    name: str
    text: str
    data: dict[str, Any] = field(default_factory=dict)
    blocks: bool = False

    def __str__(self) -> str:
        return f"{'[bloqueia] ' if self.blocks else ''}{self.name}: {self.text}"


def dump(findings: Iterable[Finding]) -> str:
    """Write findings as JSON text."""
    return json.dumps([asdict(f) for f in findings], ensure_ascii=False, indent=1, default=str)


def keep(run_dir: str | Path, notebook: str, findings: Iterable[Finding]) -> None:
    """Print a notebook's findings and leave them in the run's folder, if it has one."""
    kept = list(findings)
    print("\n".join(map(str, kept)) or "Nenhum achado.")
    if run_dir:
        files.write_text(Path(run_dir) / FOLDER / f"{notebook}.json", dump(kept) + "\n")


def load(path: Path) -> list[Finding]:
    """Read findings back from a file; a missing file holds none."""
    if not path.exists():
        return []
    return [Finding(**item) for item in json.loads(path.read_text("utf-8"))]
