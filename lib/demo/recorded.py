"""Which recorded series there are, by name or by path.

Belongs here: finding a series. Does not belong here: how it becomes events (uci, plug).
"""

from pathlib import Path

from lib.demo import plug, uci
from lib.demo.series import RecordedHouse, missing, series_folder

__all__ = ["RecordedHouse", "recorded_house"]


def recorded_house(series: str | Path) -> RecordedHouse:
    """The house of "uci", "plug", or of the file or folder of one. Raises ConfigError."""
    known = {"uci": ("uci_household", uci.FILES), "plug": ("tuya_plug", plug.FILES)}
    folder, pattern = known.get(str(series), (None, ""))
    place = series_folder() / folder if folder else Path(series).expanduser()
    for pattern, build in ((uci.FILES, uci.house), (plug.FILES, plug.house)):
        found = [place] if place.is_file() and place.match(pattern) else sorted(place.glob(pattern))
        if found:
            return build(found[0])
    raise missing(place, str(series))
