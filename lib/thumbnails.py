"""A figure made small enough to be kept in a log of every hour.

Belongs here: shrinking a PNG. Does not belong here: drawing it (`figures.py`), where the small
one is shown.
"""

from io import BytesIO
from pathlib import Path

from PIL import Image

MOST_BYTES = 12_000
# Width and colours, the best first: lines and letters stay legible down to the second.
_TRIES = ((400, 16), (320, 16), (240, 8), (160, 4))


def png(figure: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """A figure's PNG with few colours, 400 px wide at most and of so many bytes. [B]

    Where even the smallest has more, it is empty. Raises OSError where it cannot be read.
    """
    with Image.open(figure) as opened:
        whole = opened.convert("RGB")
    for width, colours in _TRIES:
        if len(small := _shrunk(whole, width, colours)) <= most_bytes:
            return small
    return b""


def _shrunk(whole: Image.Image, width: int, colours: int) -> bytes:
    image = whole.copy()
    image.thumbnail((width, 2 * width))
    content = BytesIO()
    image.quantize(colours, dither=Image.Dither.NONE).save(content, "PNG", optimize=True)
    return content.getvalue()
