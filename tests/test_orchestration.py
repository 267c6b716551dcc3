"""Dagster's wiring: the graph, the schedule, the checks and one whole job on the demo house."""

import json
import re
import shutil
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import duckdb
import pytest
import yaml
from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetCheckSeverity,
    AssetKey,
    AssetSelection,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    Definitions,
    SkipReason,
    asset,
    build_run_status_sensor_context,
    build_sensor_context,
    define_asset_job,
    materialize,
)
from dagster import ExecuteInProcessResult as Result
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)
from PIL import Image

from lib import (
    alarms,
    files,
    freshness,
    origins,
    pipeline,
    store_dates,
    thumbnails,
    warehouse,
)
from lib.config import Config, Runs
from lib.errors import ConfigError
from lib.findings import Finding, dump
from lib.paths import ROOT, Paths
from lib.times import DAY
from orchestration import assets, checks, dates, sensors
from orchestration.definitions import defs
from orchestration.resources import TOLD, PipelineRun, TuyaCredentials, in_memory
from tests.conftest import digest
from tests.test_alarms import LISTED, Inbox, hold, listed, serving

# Dagster's own code, where one resource holds another.
pytestmark = pytest.mark.filterwarnings("ignore:InitResourceContext.dagster_run:DeprecationWarning")

CLOCK = datetime(2026, 4, 22, 15, tzinfo=UTC)
STARTED, FAILURE = DagsterRunStatus.STARTED, DagsterEventType.RUN_FAILURE
IMAGE = re.compile(r"data:image/png;base64,([^)]+)\)")

CANARY = "0123456789abcdef-canary"  # pragma: allowlist secret
NOW = "2026-04-22T15:00:00Z"
JOB = "tuya_processing_job"
ANALYSED = ["energy", "voltage", "control_chart", "tariff", "data_quality"]
CHAIN = ["raw_tuya_logs", "staging_tuya_logs", "marts", *ANALYSED, "monograph"]
BLOCKING = Finding("tcc.test.blocking", "Um achado que bloqueia.", {"n": 1}, blocks=True)


@pytest.fixture
def here(store: Paths, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """An empty store that Dagster finds as its own."""
    monkeypatch.setenv("TCC_DATA_DIR", str(store.data))
    return store


# ---- What there is -----------------------------------------------------------------------

TOLD_TO_DAGSTER = {
    "assets": {
        "raw_tuya_logs": "collect",
        "staging_tuya_logs": "prepare < raw_tuya_logs",
        "marts": "prepare < staging_tuya_logs",
        "energy": "analyse < marts",
        "voltage": "analyse < marts",
        "control_chart": "analyse < marts",
        "tariff": "analyse < marts",
        "data_quality": "analyse < marts",
        "monograph": "page < control_chart data_quality energy tariff voltage",
        "rebuilt_dates": "rebuild",
    },
    "checks": {
        "raw_tuya_logs": "findings freshness",
        "staging_tuya_logs": "findings staging_date! staging_order!",
        "marts": "findings",
        **dict.fromkeys(ANALYSED, "findings!"),
        "rebuilt_dates": "findings staging_date staging_order",
    },
    "jobs": {"tuya_processing_job": " ".join(sorted(CHAIN)), "rebuild_dates_job": "rebuilt_dates"},
    "schedules": {"hourly_schedule": "0 * * * * America/Sao_Paulo tuya_processing_job RUNNING"},
    "sensors": {
        "failed_run": "RUN_STATUS every 30 s RUNNING",
        "freshness": "STANDARD every 1800 s RUNNING",
        "old_runs": "STANDARD every 1800 s RUNNING",
    },
}


def test_dagster_is_told_of_these_assets_checks_jobs_schedules_and_sensors() -> None:
    """A snapshot; `!` marks a check that blocks what comes after its asset."""
    graph = defs.resolve_asset_graph()
    checks: dict[str, list[str]] = {}
    for key in sorted(graph.asset_check_keys, key=str):
        mark = "!" if graph.get_check_spec(key).blocking else ""
        checks.setdefault(key.asset_key.to_user_string(), []).append(f"{key.name}{mark}")
    jobs = {name: defs.resolve_job_def(name) for name in TOLD_TO_DAGSTER["jobs"]}
    schedules, sensors = list(defs.schedules or ()), list(defs.sensors or ())
    assert {
        "assets": {
            key.to_user_string(): described(graph, key) for key in graph.get_all_asset_keys()
        },
        "checks": {asset: " ".join(sorted(names)) for asset, names in checks.items()},
        "jobs": {
            name: " ".join(
                sorted(key.to_user_string() for key in job.asset_layer.executable_asset_keys)
            )
            for name, job in jobs.items()
        },
        "schedules": {
            one.name: f"{one.cron_schedule} {one.execution_timezone} {one.job_name} "
            f"{one.default_status.value}"
            for one in schedules
        },
        "sensors": {
            one.name: f"{one.sensor_type.value} every {one.minimum_interval_seconds or 30} s "
            f"{one.default_status.value}"
            for one in sensors
        },
    } == TOLD_TO_DAGSTER
    assert len(jobs[JOB].asset_layer.asset_graph.asset_check_keys) == 6 + len(ANALYSED)
    assert jobs[JOB].partitions_def is None and jobs["rebuild_dates_job"].partitions_def


def described(graph: AssetGraph, key: AssetKey) -> str:
    """The group of an asset and what it stands on, e.g. `analyse < marts`."""
    node = graph.get(key)
    parents = sorted(parent.to_user_string() for parent in node.parent_keys)
    return " < ".join(filter(None, [node.group_name, " ".join(parents)]))


def test_every_sql_check_is_shown() -> None:
    written = {file.stem for file in (ROOT / "lib" / "sql" / "checks").glob("*.sql")}
    shown = {key.name for key in defs.resolve_asset_graph().asset_check_keys}
    assert written <= shown


def test_every_check_says_what_it_looks_for_and_those_on_staging_can_be_asked_for_alone() -> None:
    graph = defs.resolve_asset_graph()
    said = {key: graph.get_check_spec(key).description for key in graph.asset_check_keys}
    assert all(text and len(text) > 20 for text in said.values())
    assert checks.newest_partition.can_subset
    order = next(text for key, text in said.items() if key.name == "staging_order")
    assert order and order.startswith("Offenders: rows not in ascending order of device")


def test_an_asset_s_body_has_at_most_ten_lines() -> None:
    source = (ROOT / "orchestration" / "assets.py").read_text("utf-8")
    bodies = [part.split("\n@asset")[0] for part in source.split("\n@asset")[1:]]
    assert len(bodies) == len(CHAIN)
    assert max(len(body.split("\n\n\n")[0].splitlines()) for body in bodies) <= 10


@pytest.mark.parametrize("env", [{}, {"DEVICE_MAPPING_PATH": "/nowhere/mapping.json"}])
def test_definitions_load_whatever_the_environment_lacks(env: dict[str, str]) -> None:
    load = "import orchestration.definitions as d; print(d.credentials.access_id)"
    done = subprocess.run(
        *([sys.executable, "-c", load],),
        **{"cwd": ROOT, "env": env, "capture_output": True, "text": True, "check": False},
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


HALF = {"TUYA_ACCESS_SECRET": CANARY}
NO_MAPPING = {"DEVICE_MAPPING_PATH": "/nowhere/mapping.json"}
MISSING = [
    (HALF, "TUYA_ACCESS_ID is missing."),
    ({"TUYA_ACCESS_ID": CANARY, "TUYA_ACCESS_SECRET": CANARY}, "TUYA_REGION is missing."),
    ({}, "there are no Tuya credentials, but"),
    (NO_MAPPING, "DEVICE_MAPPING_PATH names '/nowhere/mapping.json', which does not exist."),
]


@pytest.mark.parametrize(("env", "said"), MISSING)
def test_what_is_missing_is_the_run_s_failure_in_one_sentence_and_an_alarm(
    here: Paths,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    env: dict[str, str],
    said: str,
) -> None:
    origins.claim(here, origins.Origin("measured"), now=datetime(2026, 4, 22, tzinfo=UTC))
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with DagsterInstance.ephemeral() as instance:
        result = collected(instance)
        (run,) = instance.get_runs()
        logged = [str(event) for event in instance.all_logs(run.run_id)]
        page = f"{run.run_config}{run.tags}{TuyaCredentials.from_environment()!r}"
    failed = result.failure_data_for_node("raw_tuya_logs")
    assert failed and failed.user_failure_data and failed.error
    sentence = str(failed.user_failure_data.description)
    assert said in sentence and "\n" not in sentence
    assert failed.error.cause is None and "Traceback" not in sentence
    assert CANARY not in f"{logged}{page}{capfd.readouterr()}"
    assert not here.runs.exists()
    alarm = json.loads(here.alarms.read_text())["on"]
    assert [*alarm] == ["failed/01_ingest"] and said in alarm["failed/01_ingest"]["what"]
    assert run.tags[TOLD] == "yes"


def collected(instance: DagsterInstance) -> Result:
    """Run the first asset alone, with the credentials that the environment names now."""
    run = PipelineRun(tuya=TuyaCredentials.from_environment())
    return materialize(
        [assets.raw_tuya_logs], instance=instance, resources={"run": run}, raise_on_error=False
    )


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
    assert not here.runs.exists() and not here.alarms.exists()


# ---- Checks ------------------------------------------------------------------------------


def test_rows_that_offend_a_check_are_counted(here: Paths) -> None:
    target = here.staging / "event_date=2026-03-14" / "data_0.parquet"
    target.parent.mkdir(parents=True)
    row = "'plug' AS device_id, TIMESTAMPTZ '{}+00' AS event_time, 7 AS event_id, 'x' AS code"
    times = ("2026-03-14 12:00", "2026-03-14 12:00", "2026-03-15 00:00")
    query = " UNION ALL ".join(f"SELECT {row.format(time)}" for time in times)
    duckdb.sql(f"COPY ({query}) TO '{target}'")
    found = {r.check_name: r for r in evaluated()}
    counts = {name: result.metadata["offenders"].value for name, result in found.items()}
    assert counts == {"staging_date": 1, "staging_order": 1}
    assert not any(result.passed for result in found.values())
    assert [one.check_name for one in evaluated("staging_date")] == ["staging_date"]


def evaluated(*names: str) -> list[AssetCheckEvaluation]:
    """What the checks on staging say, or those of some names."""
    keys = [AssetCheckKey(AssetKey("staging_tuya_logs"), name) for name in names]
    asked = AssetSelection.checks(*(keys or [checks.newest_partition]))
    job = define_asset_job("looked_at", selection=asked)
    looked_at = Definitions(
        asset_checks=[checks.newest_partition], jobs=[job], resources={"duckdb": in_memory()}
    )
    with DagsterInstance.ephemeral() as instance:
        result = looked_at.resolve_job_def("looked_at").execute_in_process(
            instance=instance, raise_on_error=False
        )
    return result.get_asset_check_evaluations()


def test_an_empty_store_offends_no_check(here: Paths) -> None:
    found = evaluated()
    assert len(found) == 2 and all(result.passed for result in found)


@pytest.mark.parametrize(("found", "passed"), [([], True), ([BLOCKING], False)])
def test_only_blocking_findings_fail_their_check(found: list[Finding], passed: bool) -> None:
    mild = Finding("tcc.test.mild", "Um achado.")
    result = checks.judged("energy", [mild, *found])
    assert result.passed == passed
    assert result.metadata["findings"].value == 1 + len(found)
    assert result.metadata["blocking"].value == len(found)


# ---- Between the runs --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("windows", "state", "severity"),
    [
        ([(168, 1)], "fresh", None),
        ([(168, 30)], "late", "WARN"),  # a silent device would not be seen as one
        ([(168, 120), (110, 1)], "late", "WARN"),  # a hole of which 48 h are left
        ([(168, 150), (140, 1)], "expiring", "ERROR"),  # 18 h are left
        ([(150, 1)], "expiring", "ERROR"),  # the oldest hours are forgotten right now
    ],
)
def test_freshness_follows_the_newest_complete_window_and_what_expires(
    store: Paths, windows: list[tuple[float, float]], state: str, severity: str | None
) -> None:
    origins.claim(store, origins.Origin("measured"), now=CLOCK)
    listed(store, LISTED)
    for window in windows:
        hold(store, *window)
    told = alarms.current(store, Config(), now=CLOCK)
    found = freshness.of(store, Config(), told, now=CLOCK)
    said = checks.weighed(found)
    assert (found.state, said["passed"]) == (state, severity is None)
    assert severity in (None, said["severity"].value)
    assert said["metadata"]["behind_h"] == windows[-1][1]
    assert said["metadata"]["devices_late"] == int(state != "fresh")


def test_freshness_is_judged_without_a_run_and_sends_what_expires(
    here: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    with build_sensor_context() as context:
        assert isinstance(sensors.freshness_between_runs(context), SkipReason)
    origins.claim(here, origins.Origin("measured"), now=CLOCK)
    listed(here, LISTED)
    hold(here, 168, 1)  # long ago, by the computer's clock
    with serving(box := Inbox()):
        monkeypatch.setenv("TCC_NOTIFY", box.address)
        for _ in range(2):
            with build_sensor_context() as context:
                (told,) = sensors.freshness_between_runs(context).asset_events
    assert (told.asset_key, told.check_name) == (AssetKey("raw_tuya_logs"), "freshness")
    assert not told.passed and told.severity == AssetCheckSeverity.ERROR
    assert len(box.got) == 1 and "are expiring now" in str(box.got)


def test_a_run_that_was_killed_is_told_once_and_one_that_told_itself_is_not(
    here: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    origins.claim(here, origins.Origin("measured"), now=CLOCK)
    with serving(box := Inbox()), DagsterInstance.ephemeral() as instance:
        monkeypatch.setenv("TCC_NOTIFY", box.address)
        said = [str(failed(instance, killed(instance))) for _ in range(2)]
        assert all("worker is gone" in one for one in said)
        assert len(box.got) == 1 and "worker is gone" in str(box.got)

        monkeypatch.setenv("TUYA_ACCESS_SECRET", CANARY)
        collected(instance)
        run = instance.get_runs(limit=1)[0]
        before = here.alarms.read_bytes()
        assert "by itself" in str(failed(instance, run))
        assert here.alarms.read_bytes() == before and CANARY not in str(box.got)


def test_a_failure_that_a_later_run_made_good_is_not_told(here: Paths) -> None:
    origins.claim(here, origins.Origin("measured"), now=CLOCK)
    with DagsterInstance.ephemeral() as instance:
        run = killed(instance)
        later = instance.create_run_for_job(defs.resolve_job_def(JOB))
        for event in ("PIPELINE_START", "PIPELINE_SUCCESS"):
            report(instance, later, event)
        assert "went well" in str(failed(instance, run))
    assert not here.alarms.exists()


def killed(instance: DagsterInstance) -> DagsterRun:
    """A run of the job that Dagster itself had to declare failed."""
    run = instance.create_run_for_job(defs.resolve_job_def(JOB))
    report(instance, run, "PIPELINE_START")
    instance.report_run_failed(run, message="The run worker is gone.")
    return run


def report(instance: DagsterInstance, run: DagsterRun, event: str) -> None:
    instance.report_dagster_event(DagsterEvent(event, run.job_name), run.run_id)


def failed(instance: DagsterInstance, run: DagsterRun) -> SkipReason:
    """What the failure sensor does about a run."""
    (record,) = instance.get_records_for_run(run.run_id, of_type=FAILURE).records
    event = record.event_log_entry.dagster_event
    assert event
    known = instance.get_run_by_id(run.run_id)
    assert known
    context = build_run_status_sensor_context("failed_run", event, instance, known)
    told: SkipReason = sensors.failed_run(context.for_run_failure())
    return told


def test_old_runs_go_with_their_events_but_never_one_that_is_under_way(tmp_path: Path) -> None:
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        good, bad, under_way, newest = (
            materialize([nothing], instance=instance).dagster_run.run_id,
            killed(instance).run_id,
            instance.create_run_for_job(defs.resolve_job_def(JOB), status=STARTED).run_id,
            materialize([nothing], instance=instance).dagster_run.run_id,
        )
        keep, now = Runs(keep_days=30, keep_failed_days=90, keep_newest=1), datetime.now(UTC)
        assert sensors.forget(instance, keep, now + 29 * DAY) == 0
        assert sensors.forget(instance, keep, now + 31 * DAY) == 1
        assert {run.run_id for run in instance.get_runs()} == {bad, under_way, newest}
        assert instance.get_records_for_run(good).records == []
        assert sensors.forget(instance, Runs(keep_days=0, keep_failed_days=0), now + 999 * DAY) == 0
        assert sensors.forget(instance, keep, now + 91 * DAY) == 1
        assert {run.run_id for run in instance.get_runs()} == {under_way, newest}


@asset
def nothing() -> None:
    """An asset that takes no time."""


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


def materialisations(result: Result) -> list[DagsterEvent]:
    return result.get_asset_materialization_events()


def materialised(result: Result) -> dict[str, dict[str, object]]:
    """The metadata of each asset that was materialised."""
    events = [e.materialization for e in materialisations(result)]
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
        assert shown[name]["unchanged"] == 0
    newest_s = {float(str(shown[name]["newest_event_s"])) for name in CHAIN[:2]}
    assert len(newest_s) == 1 and newest_s <= {shown[n]["newest_event"] for n in CHAIN[:2]}
    raw = shown["raw_tuya_logs"]
    assert raw["windows"] == raw["windows_confirmed"] != 0
    assert Path(str(shown["marts"]["catalogue"])) == done.paths.catalogue
    assert 80 < float(str(shown["energy"]["coverage_pct"])) <= 100
    assert [shown[name]["figures"] for name in ANALYSED] == [6, 3, 2, 4, 2]
    assert all(e.passed for e in done.first.get_asset_check_evaluations())
    assert len(done.first.get_asset_check_evaluations()) == 6 + len(ANALYSED)


@pytest.mark.slow
def test_figures_are_shown_as_small_images(done: Done) -> None:
    for name in ANALYSED:
        shown = materialised(done.first)[name]
        pictures = [b64decode(one) for one in IMAGE.findall(str(shown["figures_seen"]))]
        assert len(pictures) == shown["figures"]
        assert all(one.startswith(b"\x89PNG") for one in pictures)
        assert 500 < max(map(len, pictures)) <= thumbnails.MOST_BYTES


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
    assert int(str(shown["monograph"]["claims"])) > 5 and shown["monograph"]["rebuilt"] == 1
    assert float(str(shown["monograph"]["build_seconds"])) > 0
    told = str(shown["monograph"]["text"]).splitlines()
    assert len(told) == max(1, int(str(shown["monograph"]["findings"])))
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


@pytest.mark.slow
def test_a_step_that_is_not_run_again_shows_what_still_stands(again: Done) -> None:
    before = materialised(again.first)["voltage"]
    shown = materialised(again.run("voltage"))["voltage"]
    assert shown["unchanged"] in (0, 1)
    assert (shown["notebook"] == before["notebook"]) == bool(shown["unchanged"])
    assert ("figures_seen" in shown) == (not shown["unchanged"])
    same = ("rows", "coverage_pct", "values", "figures", "newest_event_s")
    assert {key: shown[key] for key in same} == {key: before[key] for key in same}


@pytest.mark.slow
def test_chosen_dates_are_made_anew_in_one_run_with_a_row_count_each(again: Done) -> None:
    table = again.paths.staging
    days = [f"{day}" for day in store_dates.of(table)][-2:]
    before = [digest(warehouse.partition(table, day)) for day in days]
    job = defs.resolve_job_def("rebuild_dates_job")
    ends = (ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG)
    span = dict(zip(ends, days, strict=True))
    result = job.execute_in_process(instance=again.instance, tags=span)
    told = {e.partition: e.materialization.metadata for e in materialisations(result)}
    assert [*told] == days
    assert all(int(str(one["rows"].value)) > 0 for one in told.values())
    assert [digest(warehouse.partition(table, day)) for day in days] == before
    seen = [event.asset_key for event in result.get_asset_observation_events()]
    assert seen == [AssetKey("staging_tuya_logs"), AssetKey("marts")]
    record = json.loads(newest_run(again.paths).read_text("utf-8"))
    assert [(s["name"], s["status"]) for s in record["steps"]] == [
        *[("02_stage", "ok"), ("03_marts", "ok")]
    ]
    kept = json.loads((newest_run(again.paths).parent / "findings" / "02_stage.json").read_text())
    judged = {e.check_name: e for e in result.get_asset_check_evaluations()}
    assert {*judged} == {"findings", *checks.ON_STAGED}
    assert all(one.passed for one in judged.values())
    assert judged["findings"].metadata["findings"].value == len(kept)


def test_dates_without_raw_files_are_refused_in_one_sentence(here: Paths) -> None:
    with DagsterInstance.ephemeral() as instance:
        key = dates.daily.get_last_partition_key()
        job = defs.resolve_job_def("rebuild_dates_job")
        result = job.execute_in_process(instance=instance, partition_key=key, raise_on_error=False)
    told = result.failure_data_for_node("rebuilt_dates")
    assert told and told.user_failure_data
    assert "holds a raw file. Nothing was changed." in str(told.user_failure_data.description)


def test_a_figure_of_any_size_becomes_a_small_one(tmp_path: Path) -> None:
    noise = Image.effect_noise((1300, 900), 90)
    noise.save(tmp_path / "noise.png")
    small = thumbnails.png(tmp_path / "noise.png", most_bytes=9_000)
    with Image.open(BytesIO(small)) as opened:
        assert opened.mode == "P" and opened.width <= 320
    assert len(small) <= 9_000
    assert thumbnails.png(tmp_path / "noise.png", most_bytes=100) == b""


def newest_run(paths: Paths) -> Path:
    """The record of the run that ended last."""
    return max(paths.runs.glob("[0-9]*/run.json"), key=lambda file: file.stat().st_mtime_ns)
