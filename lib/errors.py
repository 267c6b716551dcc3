"""The error tree, once. Belongs here: classes. Does not belong here: handling.

PipelineError
├─ ConfigError            a setting, credential or mapping is missing or wrong    terminal
├─ StoreMismatch          simulated, recorded and measured rows must not mix      terminal
├─ SourceError            the cloud did not give what was asked
│  ├─ SourceUnavailable   time-out, 5xx, HTML, throttling                         transient
│  ├─ TokenExpired        the token must be renewed                               transient
│  ├─ TruncatedPull       a window ended before its last page                     transient
│  ├─ OutOfTime           the run's own time is over                              transient
│  ├─ SourceRejected      credentials, subscription, quota, clock                 terminal
│  └─ DeviceRejected      this device only: not linked, removed, unsupported      terminal
├─ DataError              what came cannot be used as it is
│  └─ BadRawFile          cut short, not JSON, an API error saved as a log        terminal
├─ NotebookError
│  ├─ NotebookSignature   a parameter the notebook does not have                  terminal
│  └─ NotebookFailed      a cell raised; the executed copy is kept                terminal
└─ ManuscriptError        the page cannot be printed
   ├─ UnknownValue        the text asks for a key that nothing wrote              terminal
   ├─ ClaimError          a claim beside a sentence cannot be judged              terminal
   │  └─ FalseClaim       the numbers say something else                          terminal
   ├─ StaleArtifact       a figure or number older than the data it speaks of     terminal
   ├─ NothingToPrint      no row has come yet                                     terminal
   └─ TypesettingFailed   LaTeX stopped                                           terminal
      └─ LatexMissing     it is not installed                                     terminal

Every error says what happened, where, what is at risk and what to do.
"""


class Transient:
    """Mix-in: the same call may succeed later."""


class Terminal:
    """Mix-in: the same call will fail again until somebody changes something."""


class PipelineError(Exception):
    """What happened, where, what is at risk and what to do, kept apart as attributes."""

    def __init__(self, what: str, *, where: str = "", risk: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.risk, self.remedy = what, where, risk, remedy

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return " ".join(part for part in (head, self.risk, self.remedy) if part)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.__dict__)


def _rebuild(cls: type[PipelineError], state: dict[str, object]) -> PipelineError:
    """Bring an error back from another process with all it said."""
    error = cls.__new__(cls)
    Exception.__init__(error, state["what"])
    error.__dict__.update(state)
    return error


class ConfigError(Terminal, PipelineError):
    """A setting, a credential or a mapping file is missing or wrong."""


class StoreMismatch(Terminal, PipelineError):
    """The data folder holds rows of another kind: simulated, recorded or measured."""


class SourceError(PipelineError):
    """The cloud did not give what was asked; `code` is its own number, if it gave one."""

    def __init__(self, what: str, *, code: int | None = None, **parts: str) -> None:
        super().__init__(what, **parts)
        self.code = code


class SourceUnavailable(Transient, SourceError):
    """No usable answer: time-out, dropped connection, server error, HTML, too many calls."""


class TokenExpired(Transient, SourceError):
    """The token ended, whatever the text of the answer says."""


class TruncatedPull(Transient, SourceError):
    """A window ended before its last page; the pages that came are kept."""


class OutOfTime(Transient, SourceError):
    """The run's own time is over; what is left is asked for at the next one."""


class SourceRejected(Terminal, SourceError):
    """The cloud refuses the project: credentials, region, subscription, quota or clock."""


class DeviceRejected(Terminal, SourceError):
    """The cloud refuses one device; the others go on."""


class DataError(PipelineError):
    """What came cannot be used as it is; it is set aside, never dropped."""


class BadRawFile(Terminal, DataError):
    """A raw file that is cut short, is not JSON or holds something else than log rows."""


class NotebookError(PipelineError):
    """A notebook could not be run to its end."""


class NotebookSignature(Terminal, NotebookError):
    """A parameter that the notebook does not have, or of another type."""


class NotebookFailed(Terminal, NotebookError):
    """A cell raised; the executed copy and its HTML are kept as evidence."""


class ManuscriptError(PipelineError):
    """The page cannot be printed as it stands; the last good PDF stays."""


class UnknownValue(Terminal, ManuscriptError):
    """The text asks for a number, table or figure that nothing wrote."""


class ClaimError(Terminal, ManuscriptError):
    """A claim beside a sentence that cannot be judged: unclear, or without a number."""


class FalseClaim(ClaimError):
    """A sentence that the numbers do not bear out, or no longer."""


class StaleArtifact(Terminal, ManuscriptError):
    """A figure or number that no longer stands on the data it names."""


class TypesettingFailed(Terminal, ManuscriptError):
    """LaTeX stopped; the file, line and first message are in the error."""


class LatexMissing(TypesettingFailed):
    """LaTeX is not installed; everything but the PDF can be done."""


class NothingToPrint(Terminal, ManuscriptError):
    """No row has come yet, so there is nothing to speak of."""
