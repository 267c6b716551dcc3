r"""The text as it is printed: which keys and claims stand in it, with file and line.

Belongs here: following `\input`, comments, and the branches of `\sehaval`, `\sosimulado` and
`\sogravado` that the values choose; the whole text in one piece with its values filled in. Does
not belong here: what the values say (`typesetting.py`), judging claims (`claims.py`).

It reads TeX's braces and comments, not its macros: a key that is put together by a macro of one's
own is not seen; then `composed` is true.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lib.claim_language import Claim
from lib.errors import ClaimError
from lib.typesetting import Typeset

MAIN = "monografia"
TEXTS = ("*.tex", "capitulos/**/*.tex")
_TOKEN = re.compile(
    r"(?P<verbatim>\\verb\*?(?P<mark>[^\w\s*]).*?(?P=mark)"
    r"|\\begin\{(?P<kind>verbatim\*?|Verbatim|lstlisting)\}.*?\\end\{(?P=kind)\})"
    r"|(?P<comment>%[^\n]*)"
    r"|\\(?P<command>sehaval|valsafra|val|figdata|tabdata)\s*\{\s*(?P<key>[^{}]*?)\s*\}"
    r"|\\(?P<either>sosimulado|sogravado)(?![A-Za-z@])"
    r"|\\(?:input|include)\s*\{(?P<file>[^{}]*)\}"
    r"|(?P<word>\\(?:[A-Za-z@]+|.))|(?P<brace>[{}])|(?P<text>[^\\%{}]+)",
    re.DOTALL,
)
_CLAIM = re.compile(r"%+\s*afirma\b\s*:?(.*)", re.IGNORECASE)


@dataclass(frozen=True)
class Use:
    """A key that the text uses: its file and line, the command, and whether it is printed."""

    where: str
    command: str
    key: str
    printed: bool


@dataclass
class Text:
    """What stands in the text; `flat` is all of it in one piece, values filled in.

    `claims` are those beside printed sentences, `idle` those in branches that are not.
    """

    uses: list[Use] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    idle: list[Claim] = field(default_factory=list)
    words: set[str] = field(default_factory=set)
    composed: bool = False
    flat: str = ""


def files(folder: Path, patterns: tuple[str, ...] = TEXTS) -> list[Path]:
    """The files of a folder that match, each once, in order."""
    return sorted({file for pattern in patterns for file in folder.glob(pattern)})


def places(source: Path, command: str, key: str) -> list[str]:
    """File and line of each use of a key, comments left out."""
    use = re.compile(rf"^(?:[^%\\]|\\.)*\\{command}\s*\{{\s*{re.escape(key)}\s*\}}")
    return [
        f"{source.name}/{file.relative_to(source).as_posix()}:{number}"
        for file in files(source)
        for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1)
        if use.match(line)
    ]


def read(source: Path, ready: Typeset) -> Text:
    """Read the text from its main file on; other files of it too, as not printed.

    Raises ClaimError for a claim that stands beside no sentence.
    """
    text, reached = Text(), set[Path]()
    reader = _Reader(source, ready, text, reached)
    main = source / f"{MAIN}.tex"
    if main.exists():
        text.flat = reader.file(main, printed=True)
    for file in files(source):
        if file not in reached:
            reader.file(file, printed=False)
    return text


@dataclass
class _Reader:
    source: Path
    ready: Typeset
    text: Text
    reached: set[Path]
    chain: list[Path] = field(default_factory=list)  # the file being read and those it is within

    def file(self, file: Path, *, printed: bool) -> str:
        """Read a file and those that it inputs; gives what is printed of it."""
        self.reached.add(file)
        self.chain.append(file)
        flat = "".join(_Walk(self, file, printed).pieces())
        self.chain.pop()
        return flat

    def inputs(self, name: str) -> Path | None:
        """The file of the text that an \\input names; None for one that is generated."""
        file = self.source / (name if name.endswith(".tex") else f"{name}.tex")
        return file if file.exists() and file not in self.chain else None


@dataclass
class _Group:
    """A pair of braces: whether it is printed, and a branch of a choice.

    `next` says of the groups that come next within it, as branches, whether they are printed.
    """

    printed: bool
    branch: bool = False
    next: list[bool] = field(default_factory=list)


class _Walk:
    """A file from its first token to its last, by the groups that are open."""

    def __init__(self, reader: _Reader, file: Path, printed: bool) -> None:
        self.reader, self.text, self.content = reader, reader.text, file.read_text("utf-8")
        self.name = f"{reader.source.name}/{file.relative_to(reader.source).as_posix()}"
        self.open = [_Group(printed)]

    def pieces(self) -> Iterator[str]:
        """What is printed, token by token."""
        for found in _TOKEN.finditer(self.content):
            kind, group = next(k for k in _KINDS if found[k] is not None), self.open[-1]
            if kind != "comment" and not (found[0] == "{" or found[0].isspace()):
                group.next = []
            between = bool(group.next)
            piece: str = getattr(self, f"_{kind}")(found)
            if group.printed and not between:
                yield piece

    @property
    def _printed(self) -> bool:
        return self.open[-1].printed

    def _where(self, at: int) -> str:
        return f"{self.name}:{self.content.count(chr(10), 0, at) + 1}"

    def _verbatim(self, found: re.Match[str]) -> str:
        return found[0]

    _text = _verbatim

    def _comment(self, found: re.Match[str]) -> str:
        if claim := _CLAIM.match(found[0]):
            sentence = self._sentence(found.start(), found.end())
            told = Claim(self._where(found.start()), claim[1].strip(), sentence)
            if not sentence:
                raise _lonely(told)
            (self.text.claims if self._printed else self.text.idle).append(told)
        return "%"

    def _sentence(self, start: int, end: int) -> str:
        """What stands before a comment on its line, else on the next line that is no comment."""
        before = self.content[self.content.rfind("\n", 0, start) + 1 : start].strip()
        following = (line.strip() for line in self.content[end:].split("\n")[1:])
        return before or next((line for line in following if not line.startswith("%")), "")

    def _command(self, found: re.Match[str]) -> str:
        command, key, ready = found["command"], found["key"], self.reader.ready
        if "#" in key or "\\" in key:
            self.text.composed = True
            return found[0]
        self.text.uses.append(Use(self._where(found.start()), command, key, self._printed))
        if command == "sehaval":
            return self._choose(key not in ready.missing)
        return ready.printed.get((command, key), found[0])

    def _either(self, found: re.Match[str]) -> str:
        ready = self.reader.ready
        return self._choose(ready.simulated if found["either"] == "sosimulado" else ready.recorded)

    def _choose(self, first: bool) -> str:
        self.open[-1].next = [first, not first]
        return ""

    def _file(self, found: re.Match[str]) -> str:
        if file := self.reader.inputs(found["file"].strip()):
            return self.reader.file(file, printed=self._printed)
        return found[0]

    def _word(self, found: re.Match[str]) -> str:
        if self._printed:
            self.text.words.add(found[0])
        return self.reader.ready.words.get(found[0], found[0])

    def _brace(self, found: re.Match[str]) -> str:
        group = self.open[-1]
        if found[0] == "{":
            branch = bool(group.next)
            self.open.append(_Group(group.printed and (not branch or group.next.pop(0)), branch))
            return "" if branch else "{"
        if len(self.open) > 1:
            self.open.pop()
        return "" if group.branch else "}"


_KINDS = ("verbatim", "comment", "command", "either", "file", "word", "brace", "text")


def _lonely(claim: Claim) -> ClaimError:
    return ClaimError(
        f"the claim '{claim.text}' stands beside no sentence.",
        where=claim.where,
        risk="Nobody would know which sentence is no longer true.",
        remedy="Put it at the end of a sentence's line, or on a line directly before it.",
    )
