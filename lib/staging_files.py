"""Which raw files hold rows of a date, and whether they are still what the journal says.

Belongs here: the index of dates, checking files before DuckDB sees them, setting bad ones aside.
Does not belong here: which dates to build (`staging.py`), what rows mean (`sql/stage_date.sql`).

The index lies in `staging/_state/dates`, a file for each date with a line for each raw file: its
name and the hash of its bytes, as far as the journal has one. What a date's partition holds
stands for the files that it was made from, so that only new ones are read; a second file,
`<date>.whole`, says that it does not: a key came with two values, or a file was taken back.
"""

import hashlib
import shutil
import threading
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path

from lib import archive, files, raw
from lib.errors import BadRawFile
from lib.journal import Entry, Journal
from lib.paths import Paths
from lib.raw import Row

MARK = b"tcc:file_no"  # no field of a row has such a name
PER_DEVICE = 65_536  # no device has as many files with rows of one date
_MOVING = threading.Lock()  # a file may hold rows of two dates that are built side by side


@dataclass
class Bad:
    """Files of a date that cannot be used: those set aside, with where to, and those gone."""

    aside: list[tuple[Path, str, Entry | None]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Raw:
    """The raw files, of which `new` ones were not staged before; `since` is the last look.

    A file that nobody changed since then was checked already, should its hash not be known.
    Where it `goes_on`, the other files are in the partitions already.
    """

    paths: Paths
    new: dict[str, Entry] = field(default_factory=dict)
    since: float | None = None
    goes_on: bool = False

    @cached_property
    def root(self) -> Path:
        """The folder of the raw files."""
        return self.paths.raw

    def sound(self, day: str, bad: Bad) -> dict[str, bytes]:
        """The files of a date that can be read, in ascending order, each with its bytes.

        Others are set aside, or told as gone. DuckDB compares no checksum of a packed file, takes
        an empty one for no rows and an error of the cloud for a row: rows would change or go
        without a word.
        """
        listed = sorted(of_date(self.paths, day).items())
        looked = ((name, self.checked(name, packed, bad)) for name, packed in listed)
        sound = {name: content for name, content in looked if content is not None}
        if len(sound) < len(listed):
            read_whole(self.paths, day)
        return sound

    def to_read(self, day: str, names: Iterable[str]) -> list[str]:
        """Of the files of a date those that its partition does not stand for."""
        if not self.goes_on or is_read_whole(self.paths, day):
            return list(names)
        return [name for name in names if name in self.new]

    def checked(self, name: str, packed_sha256: str, bad: Bad) -> bytes | None:
        """The bytes of a file that can be used; else it is set aside, or told as gone."""
        file = self.root / name
        content = _bytes(file)
        if content is not None and hashlib.sha256(content).hexdigest() == packed_sha256:
            return content  # as it was once entered
        try:
            self._check(file, name, packed_sha256)
        except BadRawFile as error:
            if file.exists():
                self.set_aside(name, error, bad)
            else:
                bad.gone.append(name)
            return None
        return file.read_bytes() if content is None else content

    def _check(self, file: Path, name: str, packed: str) -> None:
        """Look at all of it, or at its checksum where nobody changed it."""
        if entry := self.new.get(name):
            verify(file, entry)
        elif packed or self.since is None or not _untouched(file, self.since):
            raw.check_device(file, raw.read(file), Path(name).parts[0])
        else:
            raw.content(file)

    def set_aside(self, name: str, error: BadRawFile, bad: Bad) -> None:
        """Move a file to the quarantine, unless another date's builder did so just now."""
        with _MOVING:
            file = self.paths.raw / name
            if file.exists():
                entry = self.new.get(name) or _told_of(self.paths, name)
                moved = raw.set_aside(self.paths, file, error, entry)
                bad.aside.append((moved, name, entry))


def _bytes(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None


def numbered(names: Iterable[str]) -> dict[str, int]:
    """Ascending numbers for ascending names of files, 65536 for each device."""
    numbers: dict[str, int] = {}
    for place, (_, own) in enumerate(groupby(names, key=lambda name: name.partition("/")[0])):
        numbers |= {name: place * PER_DEVICE + n for n, name in enumerate(own)}
    return numbers


def gather(target: Path, root: Path, read: Iterable[tuple[int, str, bytes]]) -> None:
    """Write the rows of many raw files into one: opening a file costs DuckDB more than its rows.

    Before the rows of a file comes an object with its number alone, in the field MARK.
    `read` are numbers, names and bytes of sound files. Raises BadRawFile.
    """
    with target.open("wb") as handle:
        handle.write(b"[")
        for place, (number, name, content) in enumerate(read):
            plain = raw.content(root / name, content)
            start, end = plain.index(b"[") + 1, plain.rindex(b"]")
            handle.write(b'%s\n{"%s":%d}' % (b"," if place else b"", MARK, number))
            if plain.find(b"{", start) >= 0:
                handle.write(b",")
                handle.write(memoryview(plain)[start:end])
        handle.write(b"]\n")


def verify(file: Path, entry: Entry) -> list[Row]:
    """The rows of a raw file, checked against its line in the journal. Raises BadRawFile."""
    plain = raw.content(file)
    rows = raw.rows_of(file, plain)
    raw.check_device(file, rows, entry.device_id)
    if hashlib.sha256(plain).hexdigest() != entry.sha256:
        raise raw.bad_file(file, "its content is not what the journal says")
    return rows


def _untouched(file: Path, since: float) -> bool:
    """Whether a packed file, which has a checksum of its own, was not changed since."""
    return file.suffix == ".gz" and file.stat().st_ctime < since - archive.SLACK_S


def _told_of(paths: Paths, name: str) -> Entry | None:
    return next((e for e in Journal(paths.journal).all() if e.file == name), None)


def enter(
    paths: Paths, day: str, entries: Iterable[Entry], usable: Container[str], *, anew: bool = False
) -> None:
    """Add files to those that hold rows of a date, if they are usable; else take them out.

    With `anew` what was entered before counts no more, nor what the date's partition holds.
    """
    known = {} if anew else of_date(paths, day)
    if anew or any(entry.file in known for entry in entries):
        read_whole(paths, day)
    for entry in entries:
        known.pop(entry.file, None)
        if entry.file in usable:
            known[entry.file] = entry.packed_sha256
    lines = [f"{name}\t{packed}" for name, packed in sorted(known.items())]
    files.write_text(folder(paths) / f"{day}.txt", "\n".join(lines) + "\n")


def of_date(paths: Paths, day: str) -> dict[str, str]:
    """The raw files that hold rows of a date, or once did, with the hash of their bytes."""
    index = folder(paths) / f"{day}.txt"
    lines = index.read_text("utf-8").split("\n") if index.exists() else []
    parts = (line.partition("\t") for line in lines if line)
    return {name: packed for name, _, packed in parts}


def read_whole(paths: Paths, day: str, *, always: bool = True) -> None:
    """Read all files of a date from now on, or no longer."""
    if always:
        files.write_text(_whole(paths, day), "")
    else:
        _whole(paths, day).unlink(missing_ok=True)


def is_read_whole(paths: Paths, day: str) -> bool:
    """Whether a date's partition does not stand for its files."""
    return _whole(paths, day).exists()


def forget(paths: Paths) -> None:
    """Forget every date, before everything is entered again."""
    shutil.rmtree(folder(paths), ignore_errors=True)


def _whole(paths: Paths, day: str) -> Path:
    return folder(paths) / f"{day}.whole"


def folder(paths: Paths) -> Path:
    """Where the index lies, and what exists only while a date is built."""
    return paths.staging / "_state" / "dates"
