"""What files hold, as hashes: by content, so that an equal file written again is no change.

Belongs here: hashing the files of a store and remembering the hashes of those that lie as they
lay. Does not belong here: what stands on them (`grounds.py`).

Like git's index, a file of the same place, size, inode and times to the nanosecond is not read
again; every file of ours is replaced whole, which gives it another inode. The memory is only a
cache: without it everything is read.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from lib import files
from lib.paths import Paths

Contents = dict[str, str]  # a file's name under the data folder -> hash of what it holds
Seen = dict[str, tuple[list[int], str]]


def of(paths: Paths, found: Iterable[Path]) -> Contents:
    """The SHA-256 of each file of a store, by its name under the data folder.

    A file that goes away meanwhile is left out.
    """
    seen, new = _load(_cache(paths)), Seen()
    for file in sorted(found):
        name = file.relative_to(paths.data).as_posix()
        try:
            state = _state(file)
            known = seen.get(name)
            new[name] = (state, known[1] if known and known[0] == state else sha256(file))
        except FileNotFoundError:
            continue
    if any(seen.get(name) != entry for name, entry in new.items()):
        kept = {name: entry for name, entry in seen.items() if (paths.data / name).exists()}
        text = json.dumps(kept | new, separators=(",", ":"))
        files.write_text(_cache(paths), text + "\n", durable=False)
    return {name: digest for name, (_, digest) in new.items()}


def tables(paths: Paths) -> list[Path]:
    """The partitions of staging and of every mart."""
    return [*paths.staging.glob("*=*/*.parquet"), *paths.marts.glob("*/*=*/*.parquet")]


def by_folder(contents: Mapping[str, str]) -> Contents:
    """One hash for each table: of the names and hashes of its partitions."""
    folders: dict[str, list[str]] = {}
    for name, digest in sorted(contents.items()):
        table = name.partition("/event_date=")[0].partition("/local_date=")[0]
        folders.setdefault(table, []).append(f"{name} {digest}")
    return {table: text_hash("\n".join(lines)) for table, lines in folders.items()}


def sha256(file: Path) -> str:
    """The SHA-256 of a file."""
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def text_hash(text: str) -> str:
    """The SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _state(file: Path) -> list[int]:
    known = file.stat()
    return [known.st_size, known.st_ino, known.st_mtime_ns, known.st_ctime_ns]


def _cache(paths: Paths) -> Path:
    return paths.data / "contents.json"


def _load(file: Path) -> Seen:
    try:
        return {name: (state, digest) for name, (state, digest) in _plain(file).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _plain(file: Path) -> dict[str, tuple[list[int], str]]:
    plain: dict[str, tuple[list[int], str]] = json.loads(file.read_text("utf-8"))
    return plain
