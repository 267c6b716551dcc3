"""The pipeline's steps as Dagster assets: one per notebook, and the monograph.

Put here assets of a few lines: run the step that `tcc run` runs, show what became of it. Keep
what a step does in its notebook and in lib/.
Concept: https://docs.dagster.io/guides/build/assets

An asset's value names the runs that it stands on, step by step, so that the page can be set
again, or a run resumed, on what an earlier run analysed.
"""

from collections.abc import Iterator

from dagster import AssetCheckResult, AssetIn, Failure, MaterializeResult, asset

from lib import findings, pipeline, runs
from lib.errors import StaleArtifact
from orchestration import metadata
from orchestration.checks import findings_check, judged
from orchestration.resources import PipelineRun

Ground = dict[str, str]  # step -> name of the run that did it
Made = Iterator[MaterializeResult[Ground] | AssetCheckResult]


@asset(group_name="collect", check_specs=[findings_check("raw_tuya_logs")])
def raw_tuya_logs(run: PipelineRun) -> Made:
    """The answers of the cloud, as they came: every window that was not held is asked."""
    yield from _made(run, "raw_tuya_logs", "01_ingest", {})


@asset(group_name="prepare", check_specs=[findings_check("staging_tuya_logs")])
def staging_tuya_logs(run: PipelineRun, raw_tuya_logs: Ground) -> Made:
    """Typed, unique rows: one Parquet file for each UTC date."""
    yield from _made(run, "staging_tuya_logs", "02_stage", raw_tuya_logs)


@asset(group_name="prepare", check_specs=[findings_check("marts")])
def marts(run: PipelineRun, staging_tuya_logs: Ground) -> Made:
    """Energy, voltage, gaps and states of each date, and the catalogue over them."""
    yield from _made(run, "marts", "03_marts", staging_tuya_logs)


@asset(group_name="analyse", check_specs=[findings_check("energy", blocking=True)])
def energy(run: PipelineRun, marts: Ground) -> Made:
    """Figures, tables and numbers of the house's energy."""
    yield from _made(run, "energy", "10_energy", marts)


@asset(group_name="analyse", check_specs=[findings_check("voltage", blocking=True)])
def voltage(run: PipelineRun, marts: Ground) -> Made:
    """Voltage at the outlets against PRODIST and EN 50160, always indicative."""
    yield from _made(run, "voltage", "11_voltage", marts)


@asset(group_name="analyse", check_specs=[findings_check("control_chart", blocking=True)])
def control_chart(run: PipelineRun, marts: Ground) -> Made:
    """Days on which a device's consumption changed, by control charts with a frozen Phase I."""
    yield from _made(run, "control_chart", "12_control_chart", marts)


@asset(group_name="analyse", check_specs=[findings_check("tariff", blocking=True)])
def tariff(run: PipelineRun, marts: Ground) -> Made:
    """What the energy costs, by device and tariff post, with dated rates."""
    yield from _made(run, "tariff", "13_tariff", marts)


@asset(group_name="analyse", check_specs=[findings_check("data_quality", blocking=True)])
def data_quality(run: PipelineRun, marts: Ground) -> Made:
    """What is lost for ever and why, what was not logged, and the calendar of coverage."""
    yield from _made(run, "data_quality", "14_data_quality", marts)


@asset(group_name="page", ins={name.partition("_")[2]: AssetIn() for name in pipeline.ANALYSE})
def monograph(run: PipelineRun, **analysed: Ground) -> MaterializeResult[None]:
    """The PDF, set again only where something printed has changed."""
    for ground in analysed.values():
        _stand_on(run.this, ground)
    step = pipeline.set_page(run.this)
    _raise(run.this, step)
    return MaterializeResult(metadata=metadata.printed(run.this, step))


def _made(run: PipelineRun, key: str, name: str, ground: Ground) -> Made:
    """Run a notebook as `tcc run` does, and show what became of it. Raises Failure."""
    this = run.this
    _stand_on(this, ground)
    step = pipeline.run_step(this, name)
    _raise(this, step)
    found = findings.load(this.kept[name] / "findings" / f"{name}.json")
    weighed = pipeline.findings_of(this) if name in pipeline.ANALYSE else found
    yield MaterializeResult(
        value=ground | {name: this.kept[name].name},
        metadata=metadata.of(this, step, findings=len(found)),
    )
    yield judged(key, weighed)


def _stand_on(this: pipeline.Run, ground: Ground) -> None:
    """Count what earlier steps wrote, perhaps in another run, as this run's ground.

    Raises Failure where that run is no longer kept.
    """
    try:
        this.kept |= {name: runs.folder_of(this.paths, run) for name, run in ground.items()}
    except StaleArtifact as error:
        raise Failure(str(error), allow_retries=False) from error


def _raise(this: pipeline.Run, step: pipeline.Step) -> None:
    """Let Dagster know of a failed step in one sentence, with the notebook that shows it."""
    if step.status not in pipeline.DONE:
        text = str(step.error or f"{step.name} is skipped: a step before it failed.")
        raise Failure(text, metadata.executed(this, step), allow_retries=False) from step.error
