"""All that Dagster loads, in one object; workspace.yaml names this module.

Put here the list of what there is. Keep every line that does something elsewhere.
"""

from dagster import Definitions, in_process_executor

from orchestration import assets, checks, dates, schedules, sensors
from orchestration.resources import PipelineRun, TuyaCredentials, in_memory

credentials = TuyaCredentials.from_environment()

defs = Definitions(
    assets=[
        assets.raw_tuya_logs,
        assets.staging_tuya_logs,
        assets.marts,
        assets.energy,
        assets.voltage,
        assets.control_chart,
        assets.tariff,
        assets.data_quality,
        assets.monograph,
        dates.rebuilt_dates,
    ],
    asset_checks=[checks.newest_partition, checks.fresh],
    jobs=[schedules.tuya_processing_job, schedules.rebuild_dates_job],
    schedules=[schedules.hourly_schedule],
    sensors=[sensors.failed_run, sensors.freshness_between_runs, sensors.old_runs],
    resources={
        "tuya": credentials,
        "run": PipelineRun(tuya=credentials),
        "duckdb": in_memory(),
    },
    executor=in_process_executor,
)
