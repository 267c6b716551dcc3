"""Reading a settings file and saying in one sentence what is wrong with it.

Belongs here: what config.py and credentials.py share. Does not belong here: any one setting.
A message never repeats a value, for it may be a secret.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from lib.errors import ConfigError


class Frozen(BaseModel):
    """A group of settings: unchangeable, without unknown keys, silent about values."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def parse(file: Path, parser: Callable[[str], Any]) -> Any:
    """Read a settings file with json.loads or tomllib.loads. Raises ConfigError."""
    try:
        return parser(file.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise unreadable(file, str(error)) from error


def unreadable(file: Path, why: str) -> ConfigError:
    """The error for a settings file that cannot be read."""
    return ConfigError(
        f"cannot be read: {why}.",
        where=str(file),
        risk="Nothing runs until it is mended; data already collected is untouched.",
        remedy="Correct the file at the place named.",
    )


def explained(error: ValidationError, where: str) -> ConfigError:
    """One sentence for all that is wrong, without the values (they may be secrets)."""
    faults = [f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()]
    return ConfigError(
        f"{len(faults)} wrong setting(s): {'; '.join(faults)}.",
        where=where,
        risk="Nothing runs until it is mended; data already collected is untouched.",
        remedy="The README lists every setting with its meaning.",
    )


def existing(variable: str, file: Path | None, root: Path) -> Path | None:
    """The file a variable names, seen from the working folder or else from the project's.

    Raises ConfigError where it names none.
    """
    if file is None:
        return None
    for candidate in (file.expanduser(), root / file.expanduser()):
        if candidate.is_file():
            return candidate
    raise ConfigError(
        f"{variable} names '{file}', which does not exist.",
        remedy="Correct the path, or remove the variable: both it and the file are optional.",
    )
