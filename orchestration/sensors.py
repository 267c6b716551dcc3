"""What Dagster's daemon looks at between the runs: failures, freshness, runs that are too old.

Put here sensors of a few lines. Keep what is late and what is worth an alarm in lib/.
Concept: https://docs.dagster.io/guides/automate/sensors
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetKey,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunFailureSensorContext,
    RunsFilter,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    run_failure_sensor,
    sensor,
)

from lib import alarms, config, freshness, origins, pipeline
from lib.errors import ConfigError, PipelineError
from lib.paths import Paths
from lib.sections import Runs
from orchestration.checks import COLLECTED, FRESH, weighed
from orchestration.resources import TOLD
from orchestration.schedules import tuya_processing_job

GOOD, BAD = [DagsterRunStatus.SUCCESS], [DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
AT_A_TIME = 100  # old runs that one look removes: a sensor is given a minute
HALF_AN_HOUR_S = 1800


@run_failure_sensor(
    monitored_jobs=[tuya_processing_job],
    default_status=DefaultSensorStatus.RUNNING,
    description="Sends the alarm of a run that could not judge itself: killed, timed out, stopped "
    "by Dagster. What a run has told by itself is not told again.",
)
def failed_run(context: RunFailureSensorContext) -> SkipReason:
    """Tell the user's addresses of a failed run that could not, unless a later one went well."""
    run = context.dagster_run
    if TOLD in run.tags:
        return SkipReason("The run has judged its failure by itself.")
    if _made_good(context.instance, run):
        return SkipReason("A later run went well.")
    error = PipelineError(f"Dagster's run {run.run_id[:8]} ended early: {_said(context)}")
    told = pipeline.alarmed(Paths.at(), _settings(), _order(run), error=error)
    return SkipReason("\n".join(f"{word}: {line}" for word, line in told.lines()))


@sensor(
    name=FRESH,
    minimum_interval_seconds=HALF_AN_HOUR_S,
    default_status=DefaultSensorStatus.RUNNING,
    description="The check freshness of raw_tuya_logs, also where runs fail or do not begin; sends "
    "the alarms of expiring logs.",
)
def freshness_between_runs() -> SensorResult | SkipReason:
    """Judge how far each device is behind, and tell what is new of it, outside of any run."""
    paths, settings = Paths.at(), _settings()
    if origins.of(paths) is None:
        return SkipReason("Nothing has been collected yet.")
    now, outcome = origins.clock(paths), alarms.Outcome(unheard={*pipeline.STEPS, pipeline.PAGE})
    told = alarms.watch(paths, settings, outcome, now=now)
    found = freshness.of(paths, settings, told, now=now)
    shown = AssetCheckEvaluation(asset_key=AssetKey(COLLECTED), check_name=FRESH, **weighed(found))
    return SensorResult(asset_events=[shown], skip_reason=f"Entered: {found.state}.")


@sensor(
    minimum_interval_seconds=HALF_AN_HOUR_S,
    default_status=DefaultSensorStatus.RUNNING,
    description="Removes Dagster's own records of old runs, as long as [runs] in config.toml says; "
    "none that is under way.",
)
def old_runs(context: SensorEvaluationContext) -> SkipReason:
    """Forget runs, their events and their logs; the folders in data/runs go by themselves."""
    gone = forget(context.instance, _settings().runs, datetime.now(UTC))
    return SkipReason(f"{gone} old run(s) removed.")


def forget(instance: DagsterInstance, keep: Runs, now: datetime) -> int:
    """Remove ended runs that are older than their kind is kept, and say how many; see [runs]."""
    newest = {run.run_id for run in instance.get_runs(limit=keep.keep_newest)}
    gone = [run_id for run_id in _too_old(instance, keep, now) if run_id not in newest]
    for run_id in gone:
        instance.delete_run(run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    return len(gone)


def _too_old(instance: DagsterInstance, keep: Runs, now: datetime) -> Iterator[str]:
    for statuses, days in ((GOOD, keep.keep_days), (BAD, keep.keep_failed_days)):
        if days:
            old = RunsFilter(statuses=statuses, updated_before=now - timedelta(days=days))
            found = instance.get_run_records(old, limit=AT_A_TIME, ascending=True)
            yield from (record.dagster_run.run_id for record in found)


def _made_good(instance: DagsterInstance, run: DagsterRun) -> bool:
    """Whether a run of the same job went well after this one had failed."""
    record = instance.get_run_record_by_id(run.run_id)
    since = record.update_timestamp if record else None
    later = RunsFilter(job_name=run.job_name, statuses=GOOD, updated_after=since)
    return bool(instance.get_run_records(later, limit=1))


def _said(context: RunFailureSensorContext) -> str:
    """What Dagster says of a failure: of the step that failed, else of the run."""
    failed = next(iter(context.get_step_failure_events()), None)
    error = failed.step_failure_data.error if failed else None
    message = error.message if error else context.failure_event.message
    return (message or "no reason is known.").strip()


def _order(run: DagsterRun) -> pipeline.Order:
    """The source that a run was told to collect from: only measured rows are worth a message."""
    told: Any = run.run_config
    for name in ("resources", "run", "config"):
        told = told.get(name) or {}
    return pipeline.Order(source=told.get("source", "auto"))


def _settings() -> config.Config:
    """The settings; wrong ones must not keep an alarm from being sent, and have defaults."""
    try:
        return config.load()
    except ConfigError:
        return config.Config()
