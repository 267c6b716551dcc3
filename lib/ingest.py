"""Ask for what is not held; write; confirm.

Belongs here: a run over the plan's questions, several devices side by side. Does not belong
here: what to ask (`plan.py`, `budget.py`), one answer (`answers.py`), what is reported
(`collected.py`), which failures end a run (`refusals.py`).
"""

import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from lib import answers, attempts, budget, collected, files, plan, registry, usage
from lib.answers import Answer
from lib.collected import Report
from lib.config import Config
from lib.errors import ConfigError, DeviceRejected, OutOfTime, SourceError, TruncatedPull
from lib.journal import Journal
from lib.paths import Paths
from lib.plan import Known, Question
from lib.progress import Progress, silent
from lib.refusals import Refusals
from lib.sources import Source

REFUSED = {"SourceRejected", "DeviceRejected"}
# A clock ahead of the cloud's by less is right, and by more the cloud would refuse it.
SKEW_S = 5.0, 3600.0


def run(
    paths: Paths,
    source: Source,
    config: Config,
    *,
    now: datetime,
    progress: Progress = silent,
) -> Report:
    """Ask for every span that is not held, and once a day for all again, and keep what comes.

    Raises SourceError where not even the list of devices can be had, and ConfigError where
    another collection is under way; any later failure is in the report, and what came before
    it is kept.
    """
    with files.locked(paths.raw / ".collect.lock", busy=_busy(paths)):
        collection = _Collection(paths, source, config, now, progress)
        try:
            collection.ask_all()
        except SourceError as error:
            collection.report.stopped = error
            raise
        finally:
            collection.record()
    return collection.report


def _busy(paths: Paths) -> ConfigError:
    return ConfigError(
        "another collection is under way in this folder.",
        where=str(paths.raw),
        risk="Nothing is lost: the next run asks for all that is not held.",
        remedy="Wait for it to end, then start again.",
    )


class _Collection:
    """One run at an instant: its questions, and what the threads that ask them share."""

    def __init__(
        self, paths: Paths, source: Source, config: Config, now: datetime, progress: Progress
    ) -> None:
        self._paths, self._source, self._settings = paths, source, config.ingestion
        self._now, self._progress = now, progress
        self._began, self._calls_before = time.monotonic(), source.cloud.calls
        self._counted = 0
        self._lock = threading.RLock()
        self._left: deque[Question] = deque()
        self._codes: dict[str, list[str]] = {}
        self._new: set[str] = set()
        self._twice: set[Question] = set()
        self._refused = Refusals(())
        self.report = Report()
        source.cloud.until = self._began + self._settings.run_deadline_s

    def ask_all(self) -> None:
        """Plan, and ask side by side until nothing is left or the run must stop."""
        source = self._source
        self.report.findings = registry.refresh(
            self._paths, source.cloud, source.devices, now=self._now
        )
        self._count()
        self._plan()
        with ThreadPoolExecutor(self._settings.side_by_side, thread_name_prefix="tcc") as pool:
            try:
                workers = [pool.submit(self._work) for _ in range(self._settings.side_by_side)]
                for worker in workers:
                    worker.result()
            finally:  # after Ctrl+C or on a full disk the other threads end too
                self.report.unasked = [*self._left]
                self._left.clear()
        if not self.report.stopped:
            self._tell("")

    def _plan(self) -> None:
        """Fill the queue: what is missing, oldest first, then what is due again."""
        since = self._now - timedelta(days=self._settings.retention_days + 2)
        entries = Journal(self._paths.journal).recent(since)
        past = plan.known(entries, self._settings, now=self._now)
        devices = registry.asked(self._paths, self._source.devices, self._now)
        wanted = plan.questions(past, devices, self._settings, now=self._now)
        if self._settings.monthly_calls and self._source.origin.kind == "measured":
            wanted = self._affordable(wanted, past, devices)
        refused = self._refused_last_time()
        self._left.extend(sorted(wanted, key=lambda one: one.device_id in refused))
        self._new = {device for device in devices if device not in past.rows_h}
        self._codes = {device: registry.codes(self._paths, device) for device in devices}
        self._refused = Refusals(question.device_id for question in wanted)
        self.report.planned = len(wanted)

    def _affordable(
        self, wanted: list[Question], past: Known, devices: list[str]
    ) -> list[Question]:
        """What of the plan this month's calls allow; the rest is left out, and said."""
        settings, report = self._settings, self.report
        hour = timedelta(hours=settings.overlap_h + 1)
        ordinary = [Question(device, self._now - hour, self._now) for device in devices]
        hourly = 1 + sum(plan.pages(question, past, settings) for question in ordinary)
        spent = usage.used(self._paths, self._now)
        allowed = budget.allowance(spent, hourly, settings, now=self._now)
        taken, report.left_out = budget.fit(
            wanted, lambda one: plan.pages(one, past, settings), allowed, settings, now=self._now
        )
        if any(question.why == "missing" for question in report.left_out):
            report.findings.append(collected.left_out(report.left_out, settings.monthly_calls))
        return taken

    def _refused_last_time(self) -> set[str]:
        """The devices whose questions come after those that are answered."""
        last = attempts.last(self._paths)
        missed = last.unanswered if last else ()
        return {one.device_id for one in missed if one.cause in REFUSED}

    def _work(self) -> None:
        while question := self._next():
            self._ask(question)

    def _next(self) -> Question | None:
        """The next question of a device that was not refused; none where the run must stop."""
        with self._lock:
            while self._left and not self.report.stopped:
                self._tell(str(self._left[0]))
                if time.monotonic() > self._began + self._settings.run_deadline_s:
                    self.report.stopped = collected.out_of_time(len(self._left))
                    return None
                question = self._left.popleft()
                if question.device_id not in self._refused:
                    return question
                self.report.skip(question)
        return None

    def _ask(self, question: Question) -> None:
        """Ask a question, keep what came and enter how it went."""
        device = question.device_id
        answer = answers.pull(
            self._source.cloud,
            question,
            self._codes[device],
            self._settings.span_pages,
            new=device in self._new,
        )
        with self._lock:  # one writer: rows in the order of the journal
            at, by = self._asked_at(), self._source.origin.ingested_by
            answers.keep(self._paths, question, answer, asked_at=at, ingested_by=by)
            self._enter(question, answer)
            self._count()

    def _enter(self, question: Question, answer: Answer) -> None:
        """Take into the report how a question went; one too long is asked anew in parts."""
        report = self.report
        report.rows += len(answer.rows)
        report.confirmed += answer.whole
        report.again += answer.whole and question.why == "again"
        report.reports_only |= {question.device_id} if answer.reports_only else set()
        if isinstance(answer.error, OutOfTime):
            self._left.appendleft(question)
            report.stopped = report.stopped or collected.out_of_time(len(self._left))
        elif answer.parts:
            parts = question.parts(answer.parts)
            report.planned += len(parts) - 1
            self._left.extendleft(reversed(parts))
        elif isinstance(answer.error, TruncatedPull) and question not in self._twice:
            self._twice.add(question)  # what broke off is asked once more from its first page
            self._left.appendleft(question)
        else:
            if answer.error:
                report.failures[question] = answer.error
            ends = self._refused.end(question.device_id, answer.error)
            report.stopped = report.stopped or ends

    def _asked_at(self) -> datetime:
        """When the cloud was asked: to the minute, and by its clock where this one is ahead."""
        minutes = (time.monotonic() - self._began) // 60
        ahead_s = -self._source.cloud.skew_s
        believed = SKEW_S[0] < ahead_s < SKEW_S[1]
        return self._now + timedelta(minutes=minutes, seconds=-round(ahead_s) if believed else 0)

    def _count(self) -> None:
        """Write down the calls made since the last time: a killed run has made them too."""
        calls = self._source.cloud.calls - self._calls_before
        usage.add(self._paths, self._now, calls - self._counted)
        self._counted = calls

    def _tell(self, text: str) -> None:
        self._progress(self.report.planned - len(self._left), self.report.planned, text)

    def record(self) -> None:
        """Complete the report and enter the run into the record of collections."""
        report, failures = self.report, self.report.failures
        self._count()
        report.calls, report.seconds = self._counted, time.monotonic() - self._began
        gone = {str(d["id"]) for d in registry.known(self._paths) if d.get("left")}
        report.findings += [
            collected.failed(question, error)
            for question, error in failures.items()
            if not (isinstance(error, DeviceRejected) and question.device_id in gone)
        ]
        if report.reports_only:
            report.findings.append(collected.reports_only(report.reports_only))
        if any(isinstance(error, DeviceRejected) for error in failures.values()):
            registry.ask_again(self._paths)
        attempts.append(self._paths, report.attempt(self._asked_at()))
