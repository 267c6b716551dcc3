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
from lib.errors import ConfigError
from orchestration.dates import rebuilt_dates


def _time_zone() -> str:
    """The site's zone; with wrong settings the default one, for a run then says what is wrong.

    Zones of whole hours, which all sites have, give an hourly schedule the same ticks.
    """
    try:
        return config.load().site.time_zone
    except ConfigError:
        return config.Config().site.time_zone


# One process: its assets share one lock, and kernels weigh enough.
tuya_processing_job = define_asset_job(
    "tuya_processing_job",
    description="From the cloud to the page: all that `tcc run` does.",
    selection=AssetSelection.all() - AssetSelection.assets(rebuilt_dates),
    executor_def=in_process_executor,
)

rebuild_dates_job = define_asset_job(
    "rebuild_dates_job",
    description="Staging and marts of chosen UTC dates, anew: launched by a person.",
    selection=AssetSelection.assets(rebuilt_dates),
    executor_def=in_process_executor,
)

hourly_schedule = ScheduleDefinition(
    name="hourly_schedule",
    job=tuya_processing_job,
    cron_schedule="0 * * * *",
    execution_timezone=_time_zone(),
    default_status=DefaultScheduleStatus.RUNNING,
)
