"""Dagster's asset checks: what must hold of what was written, shown beside its asset.

Put here checks of a written partition, of a run's findings, of how fresh the rows are. Keep the
SQL in lib/sql/checks (a check returns the offending rows), and what raises a finding and what
counts as late in lib/.
Concept: https://docs.dagster.io/guides/test/asset-checks
"""

from collections.abc import Iterator
from typing import Any

from dagster import (
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


@multi_asset_check(
    specs=[AssetCheckSpec(name, asset=STAGED, blocking=True) for name in ON_STAGED],
    description="The newest partition, by the SQL that staging itself is held to.",
)
def newest_partition(duckdb: DuckDBResource) -> Iterator[AssetCheckResult]:
    """Count the rows of the newest staged date that offend each check."""
    for name, offenders in _offenders(Paths.at(), duckdb).items():
        count = {"offenders": offenders}
        yield AssetCheckResult(
            check_name=name, asset_key=STAGED, passed=not offenders, metadata=count
        )


def _offenders(store: Paths, duckdb: DuckDBResource) -> dict[str, int]:
    """For each check on staging, how many rows of the newest date offend it."""
    if (day := metadata.newest_date(store.staging)) is None:
        return dict.fromkeys(ON_STAGED, 0)
    file = warehouse.partition(store.staging, day)
    with duckdb.get_connection() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = checks.offenders(connection, "staging", file, day)
    return {name: len(rows) for name, rows in found.items()}


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
