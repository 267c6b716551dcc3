"""All that Dagster loads, in one object; workspace.yaml names this module.

Put here the list of what there is. Keep every line that does something elsewhere.
"""

from dagster import Definitions, in_process_executor

from orchestration import assets, checks, schedules
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
    ],
    asset_checks=[checks.newest_partition],
    jobs=[schedules.tuya_processing_job],
    schedules=[schedules.hourly_schedule],
    resources={
        "tuya": credentials,
        "run": PipelineRun(tuya=credentials),
        "duckdb": in_memory(),
    },
    executor=in_process_executor,
)
