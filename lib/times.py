"""Instants in and out of text. Belongs here: parsing and formatting of UTC instants.

Does not belong here: reading the clock for a decision. Time is passed in.
"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from lib.errors import ConfigError

STAMP = "%Y%m%dT%H%M%SZ"
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def parse_instant(text: str) -> datetime:
    """Read an ISO 8601 instant; without an offset it is UTC. Raises ConfigError."""
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ConfigError(
            f"'{text}' is not an ISO 8601 instant.", remedy="Write e.g. 2026-03-14T12:00:00Z."
        ) from error
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)


def stamp(instant: datetime) -> str:
    """Write an instant as it stands in file names, e.g. 20260314T120000Z."""
    return instant.astimezone(UTC).strftime(STAMP)


def from_stamp(text: str) -> datetime:
    """Read an instant back from a file name."""
    return datetime.strptime(text, STAMP).replace(tzinfo=UTC)


def iso(instant: datetime) -> str:
    """Write an instant as ISO 8601 in UTC, to the second, e.g. 2026-03-14T12:00:00Z."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_ms(instant: datetime) -> int:
    """Milliseconds since 1970 (UTC). [ms]"""
    return round(instant.timestamp() * 1000)


def from_ms(milliseconds: int) -> datetime:
    """The instant of a Tuya time stamp. [ms since 1970, UTC]"""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def floor_hour(instant: datetime) -> datetime:
    """The start of the hour."""
    return instant.replace(minute=0, second=0, microsecond=0)


def midnight(instant: datetime) -> datetime:
    """The start of the UTC day."""
    return instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def brazilian(instant: datetime, time_zone: str) -> str:
    """Write an instant for the page, e.g. 14 mar. 2026, 13h05, in the site's zone."""
    local = instant.astimezone(ZoneInfo(time_zone))
    return f"{brazilian_date(local)}, {local:%Hh%M}"


def brazilian_date(day: date) -> str:
    """Write a date for the page, e.g. 14 mar. 2026."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


MONTHS = (
    *("jan.", "fev.", "mar.", "abr.", "maio", "jun."),
    *("jul.", "ago.", "set.", "out.", "nov.", "dez."),
)
