"""Chosen UTC dates of staging and marts, made anew from Dagster's page: one partition a date.

Put here the partitions and the asset that a person launches. Keep what is done with a date in
lib/chosen_dates.py. An asset of its own, so that the hourly job has no partitions: it finds by
itself which dates new rows touch.
Concept: https://docs.dagster.io/guides/build/partitions-and-backfills/backfilling-data
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime

from dagster import (
    AssetExecutionContext,
    AssetObservation,
    AssetSpec,
    BackfillPolicy,
    DailyPartitionsDefinition,
    MaterializeResult,
    multi_asset,
)

from lib import chosen_dates, config, origins, store_dates
from lib.errors import ConfigError
from lib.paths import Paths
from orchestration import metadata
from orchestration.resources import in_one_sentence

EARLIEST = date(2026, 1, 1)
Rebuilt = Iterator[AssetObservation | MaterializeResult[None]]


def _first() -> datetime:
    """Where the partitions begin: the store's oldest date as this was loaded.

    Of an empty store before the demo house's days: what it will hold is not known yet.
    """
    try:
        day = store_dates.first(Paths.at())
    except ConfigError:  # each run says it, in one sentence
        day = None
    return datetime.combine(day or EARLIEST, datetime.min.time(), UTC)


daily = DailyPartitionsDefinition(start_date=_first(), timezone="UTC", end_offset=1)


REBUILT = AssetSpec(
    "rebuilt_dates",
    description="Staging and marts of chosen UTC dates, anew from the raw files, as by "
    "`tcc stage --from --to`. The hourly job needs none of it.",
    group_name="rebuild",
    partitions_def=daily,
)


@multi_asset(specs=[REBUILT], backfill_policy=BackfillPolicy.single_run())
def rebuilt_dates(context: AssetExecutionContext) -> Rebuilt:
    """Make the dates of a range anew in one run, and say what became of each."""
    days = [date.fromisoformat(key) for key in context.partition_keys]
    with in_one_sentence(), origins.alone(paths := Paths.at()):
        report = chosen_dates.rebuild(paths, config.load(), days[0], days[-1])
    for day, rows in metadata.rows_of(paths.staging, days).items():
        context.add_asset_metadata({"rows": rows}, partition_key=day)
    yield from _observed(report)
    yield MaterializeResult(metadata=metadata.rebuilt(report))


def _observed(report: chosen_dates.Report) -> Iterator[AssetObservation]:
    """Say on the pages of staging and marts that dates of theirs were made anew, and how many."""
    staged, built = report.staged, report.built
    yield AssetObservation("staging_tuya_logs", metadata={"dates_rebuilt": len(staged.dates)})
    yield AssetObservation("marts", metadata={"dates_rebuilt": len(built.dates)})
