"""Dagster's asset checks: what must hold of what was written, shown beside its asset.

Put here checks of a written partition, of a run's findings, of how fresh the rows are. Keep the
SQL in lib/sql/checks (a check returns the offending rows), and what raises a finding and what
counts as late in lib/.
Concept: https://docs.dagster.io/guides/test/asset-checks
"""

from collections.abc import Iterable, Iterator
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    MetadataValue,
    asset_check,
    multi_asset_check,
)
from dagster_duckdb import DuckDBResource

from lib import alarms, checks, config, freshness, origins, warehouse
from lib.findings import Finding
from lib.freshness import Freshness
from lib.paths import Paths
from orchestration import metadata
from orchestration.resources import in_one_sentence

FINDINGS = "findings"
FRESH = "freshness"
COLLECTED = "raw_tuya_logs"
STAGED = "staging_tuya_logs"
ON_STAGED = checks.names("staging")


def findings_check(asset: str, *, blocking: bool = False) -> AssetCheckSpec:
    """The check that an asset's findings let the page be set; blocking only before the page."""
    text = "None of the findings blocks the page. Each one stands in the executed notebook."
    return AssetCheckSpec(FINDINGS, asset=asset, blocking=blocking, description=text)


def judged(asset: str, found: list[Finding]) -> AssetCheckResult:
    """Whether findings let the page be set, with their number and their sentences."""
    blocking = sum(finding.blocks for finding in found)
    sentences = "\n".join(f"- {finding}" for finding in found)
    return AssetCheckResult(
        check_name=FINDINGS,
        asset_key=asset,
        passed=not blocking,
        severity=AssetCheckSeverity.ERROR,
        metadata={
            "findings": len(found),
            "blocking": blocking,
            "text": MetadataValue.md(sentences or "Nenhum achado."),
        },
    )


def partition_checks(asset: str, *, blocking: bool = False) -> list[AssetCheckSpec]:
    """The checks that staging holds what it writes to, shown beside an asset."""
    return [
        AssetCheckSpec(name, asset=asset, blocking=blocking, description=said)
        for name, said in checks.described("staging").items()
    ]


@multi_asset_check(
    specs=partition_checks(STAGED, blocking=True),
    description="The newest partition, by the SQL that staging itself is held to.",
    can_subset=True,  # else Dagster's page cannot execute one of them
)
def newest_partition(
    context: AssetCheckExecutionContext, duckdb: DuckDBResource
) -> Iterator[AssetCheckResult]:
    """Count the rows of the newest staged date that offend each check that was asked for."""
    asked = {key.name for key in context.selected_asset_check_keys}
    store = Paths.at()
    newest = metadata.newest_date(store.staging)
    for result in on_partitions(store, duckdb, STAGED, [newest] if newest else []):
        if result.check_name in asked:
            yield result


def on_partitions(
    store: Paths, duckdb: DuckDBResource, asset: str, days: Iterable[str]
) -> list[AssetCheckResult]:
    """How many rows of some staged dates offend each check; good where there is none."""
    offenders = dict.fromkeys(ON_STAGED, 0)
    with duckdb.get_connection() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for day in days:
            file = warehouse.partition(store.staging, day)
            for name, rows in checks.offenders(connection, "staging", file, day).items():
                offenders[name] += len(rows)
    return [
        AssetCheckResult(
            check_name=name, asset_key=asset, passed=not count, metadata={"offenders": count}
        )
        for name, count in offenders.items()
    ]


@asset_check(
    asset=COLLECTED,
    name=FRESH,
    description="Each device's newest complete window, and what the cloud forgets next. Warning: "
    "behind, or an alarm of expiring logs is on. Error: less than a day is left, or logs expired. "
    "Judged in each run and, by the sensor freshness, also where no run comes to its end.",
)
def fresh() -> AssetCheckResult:
    """Judge at the store's own clock how far each device is behind."""
    with in_one_sentence():
        paths, settings = Paths.at(), config.load()
        now = origins.clock(paths)
        told = alarms.current(paths, settings, now=now)
        found = freshness.of(paths, settings, told, now=now)
    return AssetCheckResult(asset_key=COLLECTED, check_name=FRESH, **weighed(found))


def weighed(found: Freshness) -> dict[str, Any]:
    """What a check says of a store's freshness: passed, a warning or an error, with numbers."""
    severe = found.state == "expiring"
    return {
        "passed": found.state == "fresh",
        "severity": AssetCheckSeverity.ERROR if severe else AssetCheckSeverity.WARN,
        "metadata": metadata.behind(found),
    }
