"""The look of the figures and their way to the page.

Belongs here: style, canvas, decimal comma, deterministic saving with a sidecar. Does not
belong here: what is drawn (`plots.py`). Sizes come from the document: LaTeX measures them
into `tcc/geometry.json`, so a figure is drawn at its final size.
"""

import hashlib
import io
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib
from cycler import cycler
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import ScalarFormatter
from PIL import Image

from lib.errors import ManuscriptError
from lib.files import replacing
from lib.page import Page, read_json, write_json
from lib.paths import TCC
from lib.version import code_version

GEOMETRY = TCC / "geometry.json"
TEX_POINTS_PER_INCH = 72.27
PNG_DPI = 200
MARK = "dados simulados"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")

# Okabe and Ito's colours, ordered so that neighbours also differ in grey.
PALETTE = (
    *("#0072B2", "#E69F00", "#009E73", "#F0E442"),
    *("#D55E00", "#56B4E9", "#4D4D4D", "#CC79A7"),
)
GREY = "#B8B8B8"
DARK = "#4D4D4D"

_LATIN_MODERN = "/usr/share/texmf/fonts/opentype/public/lm"
_FACES = ("lmroman10-regular.otf", "lmroman10-bold.otf", "lmroman10-italic.otf")


class _Canvas(Figure):
    """A figure that a notebook shows without pyplot and its global state.

    Drawing is half of a notebook's time: one that was saved is shown as it was saved.
    """

    saved_png = b""

    def _repr_png_(self) -> bytes:
        if not self.saved_png or self.stale:
            with style():
                return _drawn(self, format="png", dpi=PNG_DPI // 2)
        with Image.open(io.BytesIO(self.saved_png)) as whole:
            half = io.BytesIO()
            whole.convert("RGB").reduce(2).save(half, "PNG")
        return half.getvalue()


def canvas(*, height: float = 0.5) -> Figure:
    """An empty figure as wide as the text; `height` as a share of that width."""
    width_in = geometry()["text_width_pt"] / TEX_POINTS_PER_INCH
    return _Canvas(figsize=(width_in, width_in * height), layout="constrained")


@lru_cache(maxsize=1)
def geometry() -> dict[str, float]:
    """The document's text width and font sizes, as LaTeX measured them. [TeX pt]"""
    return read_json(GEOMETRY)


def style() -> AbstractContextManager[None]:
    """The document's fonts, sizes and colours, for as long as the context is open."""
    label_pt = geometry()["footnote_pt"] * 72 / TEX_POINTS_PER_INCH
    small_pt = geometry()["script_pt"] * 72 / TEX_POINTS_PER_INCH
    return matplotlib.rc_context(
        {
            "font.family": [*_families(), "DejaVu Serif"],
            "font.size": label_pt,
            "axes.labelsize": label_pt,
            "axes.titlesize": label_pt,
            **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), small_pt),
            "axes.prop_cycle": cycler(color=PALETTE),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
            "axes.grid": True,
            "axes.grid.axis": "y",
            **{"grid.color": "#DDDDDD", "grid.linewidth": 0.5, "axes.linewidth": 0.6},
            **{"xtick.major.width": 0.6, "ytick.major.width": 0.6, "lines.linewidth": 1.2},
            **{"hatch.linewidth": 0.5, "hatch.color": "#666666"},
            **{"legend.frameon": False, "legend.handlelength": 1.2},
            "mathtext.fontset": "cm",
            # Type 3 embeds Latin Modern's outlines without a mismatch of font types.
            "pdf.fonttype": 3,
            "savefig.bbox": None,
            "axes.formatter.use_locale": False,
        }
    )


@lru_cache(maxsize=1)
def _families() -> tuple[str, ...]:
    """The document's typeface in its 10 pt cut, if TeX's OpenType files are installed.

    Asked by the cut's own name: all optical sizes share the family's name, and matplotlib
    would take any of them.
    """
    faces = [path for face in _FACES if (path := _font_file(face))]
    for path in faces:
        font_manager.fontManager.addfont(path)
    known = {font.name for font in font_manager.fontManager.ttflist}
    return tuple(n for n in ("LM Roman 10", "Latin Modern Roman") if n in known)[:1]


def _font_file(face: str) -> Path | None:
    usual = Path(_LATIN_MODERN) / face
    if usual.exists():
        return usual
    if not (asked := shutil.which("kpsewhich")):
        return None
    found = subprocess.run([asked, face], capture_output=True, text=True, timeout=20).stdout
    return Path(found.strip()) if found.strip() else None


class _Comma(ScalarFormatter):
    """Tick labels with decimal comma and dots between thousands."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        whole, _, decimals = super().__call__(x, pos).partition(".")
        if whole.lstrip("−-").isdigit():
            whole = re.sub(r"(?<=\d)(?=(\d{3})+$)", ".", whole)
        return f"{whole},{decimals}" if decimals else whole

    def get_offset(self) -> str:
        return super().get_offset().replace(".", ",")


def localize(figure: Figure) -> Figure:
    """Write decimal commas on every axis that has matplotlib's plain number labels."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if type(axis.get_major_formatter()) is ScalarFormatter:
                axis.set_major_formatter(_Comma(useOffset=False))
    return figure


def save(page: Page, name: str, figure: Figure, *, caption: str, source: str = "") -> Path:
    """Write a figure as byte-stable PDF, PNG and sidecar; gives the PDF's path.

    `caption` is plain text without "Figura 1"; `source` replaces the author in the Fonte
    line. Raises ManuscriptError.
    """
    if not NAME.fullmatch(name) or not caption.strip():
        raise ManuscriptError(
            f"the figure '{name}' needs a caption and a name of a-z, 0-9, _ and -.",
            where=page.notebook,
            remedy='Call e.g. save(page, "energia_diaria", figure, caption="Energia diária").',
        )
    localize(figure)
    if page.vintage.simulated:
        _mark(figure)
    pdf = page.figures / f"{name}.pdf"
    with style():
        _put(pdf, _drawn(figure, format="pdf", metadata={"CreationDate": None}))
        with _laid_out(figure):
            png = _drawn(figure, format="png", dpi=PNG_DPI, metadata={"Software": None})
    _put(pdf.with_suffix(".png"), png)
    if isinstance(figure, _Canvas):
        figure.saved_png, figure.stale = png, False  # what changes it makes it stale again
    write_json(pdf.with_suffix(".json"), _sidecar(page, pdf, caption, source))
    return pdf


def make_ready() -> None:
    """Draw a little, so that kernels forked from this process have fonts and formats loaded."""
    figure = canvas()
    with style():
        figure.add_subplot(xlabel="0", title="0")
        for format in ("pdf", "png"):
            _drawn(figure, format=format)
    geometry.cache_clear()  # the document may change before a kernel begins


@contextmanager
def _laid_out(figure: Figure) -> Iterator[None]:
    """Keep the layout that the last drawing found: it costs as much as the drawing."""
    engine = figure.get_layout_engine()
    figure.set_layout_engine("none")
    try:
        yield
    finally:
        figure.set_layout_engine(engine)


def _drawn(figure: Figure, **how: Any) -> bytes:
    """Draw into memory: on a full disk matplotlib's own error hides the true one."""
    content = io.BytesIO()
    figure.savefig(content, **how)
    return content.getvalue()


def _put(target: Path, content: bytes) -> None:
    with replacing(target) as temporary:
        temporary.write_bytes(content)


def _mark(figure: Figure) -> None:
    """Say inside the figure, once, that its data is simulated; a margin is kept for it."""
    if any(text.get_text() == MARK for text in figure.texts):
        return
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(rect=(0, 0, 0.97, 1))
    with style():
        at_right, middle = 0.998, 0.5
        text = figure.text(at_right, middle, MARK, rotation=90, ha="right", va="center")
        text.set(style="italic", color="#9A3324", size="medium")


def _sidecar(page: Page, pdf: Path, caption: str, source: str) -> dict[str, Any]:
    return {
        "name": pdf.stem,
        "caption": caption.strip().rstrip("."),
        "source": source,
        **page.vintage.record(),
        "time_zone": page.time_zone,
        "notebook": page.notebook,
        "parameters": page.parameters,
        "code_version": code_version(),
        "sha256": hashlib.sha256(pdf.read_bytes()).hexdigest(),
    }
