"""When Dagster runs what: the job over all assets, every hour.

Put here jobs and schedules. Keep out what a run does: an hour that was missed needs no catching
up, for collection asks for every window that is not held.
Concept: https://docs.dagster.io/guides/automate/schedules
"""

from dagster import (
    AssetSelection,
    DefaultScheduleStatus,
    ScheduleDefinition,
    define_asset_job,
    in_process_executor,
)

from lib import config

# One process: its assets share one lock, and kernels weigh enough.
tuya_processing_job = define_asset_job(
    "tuya_processing_job", selection=AssetSelection.all(), executor_def=in_process_executor
)

hourly_schedule = ScheduleDefinition(
    name="hourly_schedule",
    job=tuya_processing_job,
    cron_schedule="0 * * * *",
    execution_timezone=config.load().site.time_zone,
    default_status=DefaultScheduleStatus.RUNNING,
)
