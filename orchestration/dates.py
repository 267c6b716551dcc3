"""Chosen UTC dates of staging and marts, made anew from Dagster's page: one partition a date.

Put here the partitions and the asset that a person launches. Keep what is done with a date in
lib/. An asset of its own, so that the hourly job has no partitions: it finds by itself which dates
new rows touch.
Concept: https://docs.dagster.io/guides/build/partitions-and-backfills/backfilling-data
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime

from dagster import (
    AssetCheckResult,
    AssetExecutionContext,
    AssetObservation,
    AssetSpec,
    BackfillPolicy,
    DailyPartitionsDefinition,
    MaterializeResult,
    multi_asset,
)
from dagster_duckdb import DuckDBResource

from lib import chosen_dates, config, pipeline, store_dates
from lib.errors import ConfigError
from lib.paths import Paths
from lib.pipeline import PREPARE, Order
from orchestration import metadata
from orchestration.checks import findings_check, judged, on_partitions, partition_checks
from orchestration.resources import in_one_sentence

EARLIEST = date(2026, 1, 1)
NAME = "rebuilt_dates"
Rebuilt = Iterator[AssetObservation | AssetCheckResult | MaterializeResult[None]]


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
    NAME,
    description="Staging and marts of chosen UTC dates, anew from the raw files, as by "
    "`tcc stage --from --to`. The hourly job needs none of it.",
    group_name="rebuild",
    partitions_def=daily,
)


@multi_asset(
    specs=[REBUILT],
    check_specs=[findings_check(NAME), *partition_checks(NAME)],
    backfill_policy=BackfillPolicy.single_run(),
)
def rebuilt_dates(context: AssetExecutionContext, duckdb: DuckDBResource) -> Rebuilt:
    """Make the dates of a range anew by the notebooks of both steps, and say what came of each."""
    days = [date.fromisoformat(key) for key in context.partition_keys]
    this = _rebuilt(days)
    rows = metadata.rows_of(this.paths.staging, days)
    for day, count in rows.items():
        context.add_asset_metadata({"rows": count}, partition_key=day)
    yield from _observed(sum(map(bool, rows.values())))
    yield MaterializeResult(metadata=metadata.rebuilt(this, rows=rows, findings=len(this.findings)))
    yield judged(NAME, this.findings)
    yield from on_partitions(this.paths, duckdb, NAME, [day for day in rows if rows[day]])


def _rebuilt(days: list[date]) -> pipeline.Run:
    """A run of both steps on a span of dates, kept as one of `tcc stage` is. Raises Failure."""
    first, last = str(days[0]), str(days[-1])
    with in_one_sentence():
        chosen_dates.chosen(paths := Paths.at(), first, last)  # before anything runs
        order = Order(steps=PREPARE, first_date=first, last_date=last, page=False)
        this = pipeline.run(paths, config.load(), order)
        for error in this.errors:
            raise error
    return this


def _observed(dates: int) -> Iterator[AssetObservation]:
    """Say on the pages of staging and marts that dates of theirs were made anew, and how many."""
    for asset in ("staging_tuya_logs", "marts"):
        yield AssetObservation(asset, metadata={"dates_rebuilt": dates})
