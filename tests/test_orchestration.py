"""Dagster's wiring: the graph, the schedule, the checks and one whole job on the demo house."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
import yaml
from dagster import AssetKey, DagsterInstance, DefaultScheduleStatus, materialize
from dagster import ExecuteInProcessResult as Result
from dagster._core.errors import DagsterResourceFunctionError

from lib import files, origins, pipeline
from lib.errors import ConfigError
from lib.findings import Finding, dump
from lib.paths import ROOT, Paths
from orchestration import assets, checks
from orchestration.definitions import defs
from orchestration.resources import PipelineRun, TuyaCredentials, in_memory
from tests.conftest import digest

# Dagster's own code, where one resource holds another.
pytestmark = pytest.mark.filterwarnings("ignore:InitResourceContext.dagster_run:DeprecationWarning")

CANARY = "0123456789abcdef-canary"  # pragma: allowlist secret
NOW = "2026-04-22T15:00:00Z"
JOB = "tuya_processing_job"
ANALYSED = ["energy", "voltage", "control_chart", "tariff", "data_quality"]
CHAIN = ["raw_tuya_logs", "staging_tuya_logs", "marts", *ANALYSED, "monograph"]
PARENTS = [[], CHAIN[:1], CHAIN[1:2], *[CHAIN[2:3]] * len(ANALYSED), sorted(ANALYSED)]
BLOCKING = Finding("tcc.test.blocking", "Um achado que bloqueia.", {"n": 1}, blocks=True)


@pytest.fixture
def here(store: Paths, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """An empty store that Dagster finds as its own."""
    monkeypatch.setenv("TCC_DATA_DIR", str(store.data))
    return store


# ---- What there is -----------------------------------------------------------------------


def test_each_asset_stands_on_the_one_before_it() -> None:
    graph = defs.resolve_asset_graph()
    parents = {
        key.to_user_string(): sorted(p.to_user_string() for p in graph.get(key).parent_keys)
        for key in graph.get_all_asset_keys()
    }
    assert parents == dict(zip(CHAIN, PARENTS, strict=True))


def test_each_step_has_its_checks_and_those_before_the_page_block() -> None:
    graph = defs.resolve_asset_graph()
    blocking = {
        (key.asset_key.to_user_string(), key.name): graph.get_check_spec(key).blocking
        for key in graph.asset_check_keys
    }
    assert blocking == {
        ("raw_tuya_logs", "findings"): False,
        ("staging_tuya_logs", "findings"): False,
        ("staging_tuya_logs", "staging_date"): True,
        ("staging_tuya_logs", "staging_order"): True,
        ("marts", "findings"): False,
        **{(name, "findings"): True for name in ANALYSED},
    }


def test_every_sql_check_is_shown() -> None:
    written = {file.stem for file in (ROOT / "lib" / "sql" / "checks").glob("*.sql")}
    shown = {key.name for key in defs.resolve_asset_graph().asset_check_keys}
    assert written <= shown


def test_the_job_runs_every_asset_and_check() -> None:
    job = defs.resolve_job_def(JOB)
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == set(CHAIN)
    assert len(job.asset_layer.asset_graph.asset_check_keys) == 5 + len(ANALYSED)


def test_the_schedule_is_hourly_in_the_site_s_time_zone_and_on() -> None:
    schedule = defs.resolve_schedule_def("hourly_schedule")
    assert schedule.cron_schedule == "0 * * * *"
    assert schedule.execution_timezone == "America/Sao_Paulo"
    assert schedule.job_name == JOB
    assert schedule.default_status == DefaultScheduleStatus.RUNNING


def test_an_asset_s_body_has_at_most_ten_lines() -> None:
    source = (ROOT / "orchestration" / "assets.py").read_text("utf-8")
    bodies = [part.split("\n@asset")[0] for part in source.split("\n@asset")[1:]]
    assert len(bodies) == len(CHAIN)
    assert max(len(body.split("\n\n\n")[0].splitlines()) for body in bodies) <= 10


def test_definitions_load_without_any_environment_variable(tmp_path: Path) -> None:
    load = "import orchestration.definitions as d; print(d.credentials.access_id)"
    done = subprocess.run(
        [sys.executable, "-c", load], cwd=ROOT, env={}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "None\n"), done.stderr


def test_the_instance_keeps_its_storage_under_data_and_reports_nothing() -> None:
    instance = yaml.safe_load((ROOT / "dagster.yaml").read_text("utf-8"))
    assert instance["storage"]["sqlite"]["base_dir"] == "data/dagster"
    assert instance["concurrency"]["runs"]["max_concurrent_runs"] == 1
    assert not instance["telemetry"]["enabled"] and not instance["nux"]["enabled"]


def test_the_workspace_loads_the_definitions() -> None:
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text("utf-8"))
    modules = [item["python_module"]["module_name"] for item in workspace["load_from"]]
    assert modules == ["orchestration.definitions"]


# ---- Before anything runs ----------------------------------------------------------------


def test_half_a_pair_of_credentials_stops_the_run_and_is_not_repeated(
    here: Paths, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUYA_ACCESS_SECRET", CANARY)
    tuya = TuyaCredentials.from_environment()
    with DagsterInstance.ephemeral() as instance:
        with pytest.raises(DagsterResourceFunctionError) as caught:
            materialize(
                [assets.raw_tuya_logs],
                instance=instance,
                resources={"run": PipelineRun(tuya=tuya)},
            )
        logged = [str(e) for run in instance.get_runs() for e in instance.all_logs(run.run_id)]
        run_config = [run.run_config for run in instance.get_runs()]
    assert isinstance(caught.value.__cause__, ConfigError)
    assert "TUYA_ACCESS_ID is missing" in str(caught.value.__cause__)
    assert any("TUYA_ACCESS_ID is missing" in line for line in logged)
    assert CANARY not in f"{logged}{run_config}{capfd.readouterr()}{tuya!r}"
    assert not here.runs.exists()


def test_half_a_pair_of_credentials_is_an_alarm_of_a_measured_store(
    here: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    origins.claim(here, origins.Origin("measured"), now=datetime(2026, 4, 22, tzinfo=UTC))
    monkeypatch.setenv("TUYA_ACCESS_SECRET", CANARY)
    with (
        DagsterInstance.ephemeral() as instance,
        pytest.raises(DagsterResourceFunctionError),
    ):
        materialize(
            [assets.raw_tuya_logs],
            instance=instance,
            resources={"run": PipelineRun(tuya=TuyaCredentials.from_environment())},
        )
    told = json.loads(here.alarms.read_text())["on"]
    assert [*told] == ["failed/01_ingest"]
    assert "TUYA_ACCESS_ID is missing" in told["failed/01_ingest"]["what"]


def test_credentials_are_named_by_their_variables_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCESS_ID", CANARY)
    monkeypatch.setenv("TUYA_ACCESS_SECRET", CANARY)
    named = TuyaCredentials.from_environment()
    assert (named.access_id, named.access_secret) == ("ACCESS_ID", "TUYA_ACCESS_SECRET")
    assert named.region is None


def test_two_runs_never_write_at_the_same_time(here: Paths) -> None:
    with files.locked(here.data / "run.lock", busy=ConfigError("not expected")):
        result = materialize(
            [assets.raw_tuya_logs],
            resources={"run": PipelineRun(tuya=TuyaCredentials())},
            raise_on_error=False,
        )
    failed = result.failure_data_for_node("raw_tuya_logs")
    assert failed and "another run is under way" in str(failed.error)
    assert not here.runs.exists()


# ---- Checks ------------------------------------------------------------------------------


def test_rows_that_offend_a_check_are_counted(here: Paths) -> None:
    target = here.staging / "event_date=2026-03-14" / "data_0.parquet"
    target.parent.mkdir(parents=True)
    row = "'plug' AS device_id, TIMESTAMPTZ '{}+00' AS event_time, 7 AS event_id, 'x' AS code"
    times = ("2026-03-14 12:00", "2026-03-14 12:00", "2026-03-15 00:00")
    query = " UNION ALL ".join(f"SELECT {row.format(time)}" for time in times)
    duckdb.sql(f"COPY ({query}) TO '{target}'")
    found = {r.check_name: r for r in checks.newest_partition(duckdb=in_memory())}
    counts = {name: result.metadata["offenders"].value for name, result in found.items()}
    assert counts == {"staging_date": 1, "staging_order": 1}
    assert not any(result.passed for result in found.values())


def test_an_empty_store_offends_no_check(here: Paths) -> None:
    found = list(checks.newest_partition(duckdb=in_memory()))
    assert len(found) == 2 and all(result.passed for result in found)


@pytest.mark.parametrize(("found", "passed"), [([], True), ([BLOCKING], False)])
def test_only_blocking_findings_fail_their_check(found: list[Finding], passed: bool) -> None:
    mild = Finding("tcc.test.mild", "Um achado.")
    result = checks.judged("energy", [mild, *found])
    assert result.passed == passed
    assert result.metadata["findings"].value == 1 + len(found)
    assert result.metadata["blocking"].value == len(found)


# ---- The whole job, on the demo house ----------------------------------------------------


class Done:
    """A job that ran once in a store of its own, and an instance to run more in."""

    def __init__(self, paths: Paths, instance: DagsterInstance) -> None:
        self.paths, self.instance = paths, instance
        keys = CHAIN if shutil.which("latexmk") else CHAIN[:-1]
        self.first = self.run(*keys, days=1)

    def run(self, *keys: str, **given: object) -> Result:
        """Run some assets of the job with their checks."""
        job = defs.resolve_job_def(JOB)
        return job.execute_in_process(
            instance=self.instance,
            asset_selection=[AssetKey(key) for key in keys],
            run_config={"resources": {"run": {"config": {"now": NOW, **given}}}},
            raise_on_error=False,
        )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    folder = tmp_path_factory.mktemp("orchestration")
    with pytest.MonkeyPatch.context() as patch, DagsterInstance.ephemeral() as instance:
        for name in ("TUYA_ACCESS_ID", "TUYA_ACCESS_SECRET", "ACCESS_ID", "ACCESS_SECRET"):
            patch.delenv(name, raising=False)
        patch.setenv("TCC_ENV_FILE", str(folder / "no.env"))
        patch.setenv("TCC_DATA_DIR", str(folder / "data"))
        yield Done(Paths.at(), instance)


@pytest.fixture
def again(done: Done, monkeypatch: pytest.MonkeyPatch) -> Done:
    """The same store, for further runs in it."""
    monkeypatch.setenv("TCC_DATA_DIR", str(done.paths.data))
    return done


def materialised(result: Result) -> dict[str, dict[str, object]]:
    """The metadata of each asset that was materialised."""
    events = [e.materialization for e in result.get_asset_materialization_events()]
    return {
        event.asset_key.to_user_string(): {k: v.value for k, v in event.metadata.items()}
        for event in events
    }


@pytest.mark.slow
def test_the_job_materialises_each_asset_with_numbers_and_its_notebook(done: Done) -> None:
    shown = materialised(done.first)
    assert done.first.success
    assert list(shown)[:3] == CHAIN[:3]
    assert set(shown) >= set(CHAIN[:-1])
    for name in CHAIN[:-1]:
        assert isinstance(shown[name]["seconds"], float) and shown[name]["seconds"] > 0
        assert isinstance(shown[name]["findings"], int)
        assert isinstance(shown[name]["rows"], int) and shown[name]["rows"] > 0
        assert Path(str(shown[name]["html"])).stat().st_size > 10_000
        assert Path(str(shown[name]["notebook"])).exists()
    raw = shown["raw_tuya_logs"]
    assert raw["windows"] == raw["windows_confirmed"]
    assert 80 < float(str(shown["energy"]["coverage_pct"])) <= 100
    assert [shown[name]["figures"] for name in ANALYSED] == [6, 3, 2, 4, 2]
    assert all(e.passed for e in done.first.get_asset_check_evaluations())
    assert len(done.first.get_asset_check_evaluations()) == 5 + len(ANALYSED)


@pytest.mark.slow
def test_the_job_leaves_what_tcc_run_leaves(done: Done) -> None:
    record = json.loads((done.paths.runs / "latest" / "run.json").read_text("utf-8"))
    steps = [step["name"] for step in record["steps"]]
    assert record["ok"] and record["now"] == NOW
    assert steps[:3] == ["01_ingest", "02_stage", "03_marts"]
    assert set(steps[3:-1]) == set(pipeline.ANALYSE)
    assert sorted(file.suffix for file in (done.paths.runs / "latest").glob("0*")) == [
        *[".html"] * 3,
        *[".ipynb"] * 3,
    ]
    assert done.paths.catalogue.exists()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("latexmk"), reason="latexmk is missing: no page can be set")
def test_a_blocking_finding_keeps_the_page_from_being_set(again: Done) -> None:
    shown = materialised(again.first)
    assert int(str(shown["monograph"]["pages"])) > 5
    assert Path(str(shown["monograph"]["pdf"])) == again.paths.pdf
    before = digest(again.paths.pdf)

    ground = (again.paths.runs / "latest").resolve() / "findings" / "02_stage.json"
    harmless = ground.read_text("utf-8")
    ground.write_text(dump([BLOCKING]), "utf-8")
    try:
        blocked = again.run(*ANALYSED, "monograph")
    finally:
        ground.write_text(harmless, "utf-8")
    record = json.loads(newest_run(again.paths).read_text("utf-8"))

    assert not blocked.success
    assert "monograph" not in materialised(blocked)
    failed = [e for e in blocked.get_asset_check_evaluations() if not e.passed]
    shown_failed = {e.asset_key.to_user_string(): e.metadata["blocking"].value for e in failed}
    assert shown_failed == dict.fromkeys(ANALYSED, 1)
    assert [(s["name"], s["status"]) for s in record["steps"]][-1] == ("monograph", "skipped")
    assert not record["ok"] and BLOCKING.name in record["steps"][-1]["error"]
    assert digest(again.paths.pdf) == before


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("latexmk"), reason="latexmk is missing: no page can be set")
def test_the_page_alone_is_set_on_what_an_earlier_run_analysed(again: Done) -> None:
    figure = again.paths.figures / "energia_diaria.pdf"
    figure.unlink()
    result = again.run("monograph")
    assert result.success and figure.exists()


def newest_run(paths: Paths) -> Path:
    """The record of the run that ended last."""
    return max(paths.runs.glob("[0-9]*/run.json"), key=lambda file: file.stat().st_mtime_ns)
