"""Executed notebooks as HTML.

Belongs here: nbconvert. Does not belong here: running notebooks (`notebooks.py`), the page of a
run (`run_pages.py`).
"""

from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import nbformat

_rendering = Lock()  # one exporter for all threads


def html(notebook: Path) -> str:
    """An executed notebook as one page; it may hold secrets still."""
    content = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    with _rendering:
        body, _ = _exporter().from_notebook_node(content)
    return str(body)


@cache
def _exporter() -> Any:
    """One exporter for all notebooks: its templates are compiled once."""
    from nbconvert import HTMLExporter  # takes half a second to import: only where needed

    return HTMLExporter()  # type: ignore[no-untyped-call]


def make_ready() -> None:
    """Load what renders, while a kernel has its work."""
    with _rendering:
        _exporter()
