"""What a collection asked for and what came of it.

Belongs here: the report, its findings and its line in the record of collections. Does not
belong here: asking (`ingest.py`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from lib.attempts import Attempt, Unanswered
from lib.errors import OutOfTime, SourceError
from lib.findings import Finding
from lib.plan import Question
from lib.times import iso


@dataclass
class Report:
    """What a run asked for and what came of it; `stopped` ended it early.

    `again` counts the confirmed questions about what was held already, `unasked` are those
    that the end of the run left, `left_out` those that the quota did not allow, `skipped` the
    others of a device that was refused.
    """

    planned: int = 0
    confirmed: int = 0
    again: int = 0
    rows: int = 0
    calls: int = 0
    seconds: float = 0.0
    failures: dict[Question, SourceError] = field(default_factory=dict)
    unasked: list[Question] = field(default_factory=list)
    left_out: list[Question] = field(default_factory=list)
    skipped: dict[Question, SourceError] = field(default_factory=dict)
    reports_only: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    stopped: SourceError | None = None

    @property
    def left(self) -> int:
        """Questions that the next run must ask again."""
        return self.planned - self.confirmed

    def skip(self, question: Question) -> None:
        """Enter a question that is not asked because its device was refused before."""
        for other, error in self.failures.items():
            if other.device_id == question.device_id:
                self.skipped[question] = error

    def raise_if_stopped(self) -> None:
        """Raise what ended the run early, if anything did."""
        if self.stopped:
            raise self.stopped

    def attempt(self, at: datetime) -> Attempt:
        """The line of this run in the record of collections."""
        stopped = self.stopped
        return Attempt(
            at=at,
            planned=self.planned,
            confirmed=self.confirmed,
            rows=self.rows,
            calls=self.calls,
            unanswered=(
                *(_unanswered(*failure) for failure in self.failures.items()),
                *(_unanswered(*skipped) for skipped in self.skipped.items()),
                *(_unanswered(one, stopped) for one in self.unasked),
                *(Unanswered(o.device_id, o.start, o.end, "quota") for o in self.left_out),
            ),
            stopped=type(stopped).__name__ if stopped else "",
            code=stopped.code if stopped else None,
        )


def _unanswered(question: Question, error: SourceError | None) -> Unanswered:
    cause = type(error).__name__ if error else "interrupted"
    code = error.code if error else None
    return Unanswered(question.device_id, question.start, question.end, cause, code)


def out_of_time(left: int) -> OutOfTime:
    """The error that ends a run at its deadline, with so many questions left."""
    return OutOfTime(
        f"the run's time is over with {left} questions left.",
        risk="They are asked at the next run, oldest first; the cloud forgets after 7 days.",
        remedy="If it lasts, raise run_deadline_s in config.toml.",
    )


def failed(question: Question, error: SourceError) -> Finding:
    """The finding that names a span which was asked for and not confirmed."""
    return Finding(
        "tcc.ingest.window_failed",
        f"A janela {question} não foi confirmada: {error}",
        {"device_id": question.device_id, "code": error.code, "error": type(error).__name__},
    )


def reports_only(device_ids: Iterable[str]) -> Finding:
    """The finding that says that the cloud gave reports of values and nothing else."""
    own = sorted(device_ids)
    return Finding(
        "tcc.ingest.reports_only",
        f"De {len(own)} dispositivo(s) a nuvem só forneceu relatórios de valores (report-logs): "
        "faltam as linhas de entrada e saída da rede, e a causa de uma lacuna fica por saber. No "
        "console da Tuya, em Service API, autorize IoT Core e Device Log Query.",
        {"device_ids": own},
    )


def left_out(questions: Iterable[Question], monthly_calls: int) -> Finding:
    """The finding that says what the month's calls did not allow."""
    own = [*questions]
    missing = [one for one in own if one.why == "missing"]
    oldest = min((one.start for one in missing), default=None)
    since = f", a mais antiga desde {iso(oldest)}" if oldest else ""
    return Finding(
        "tcc.ingest.left_out",
        f"A cota de {monthly_calls} chamadas por mês deixou de fora {len(missing)} janela(s) que "
        f"falta(m){since} e {len(own) - len(missing)} conferência(s) do que já se tem. O que está "
        "a um dia de expirar é pedido mesmo assim. Se a cota do projeto for outra, corrija "
        "monthly_calls em config.toml.",
        {"missing": len(missing), "again": len(own) - len(missing)},
    )
