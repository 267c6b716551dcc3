"""The command `tcc` as people and cron call it: a process with its output and exit code."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib import origins, warehouse
from lib.demo import catalogue
from lib.demo.faults import Fault
from lib.demo.simulated import SimulatedHouse
from lib.demo.standin import StandIn
from lib.paths import Paths
from lib.times import parse_instant
from tests.rows import contents, report, staged

NOW = "2026-04-10T12:00:00Z"
IDS = (catalogue.FRIDGE, catalogue.TV)


def tcc(*words: str | Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run `tcc` with the environment of the test and some variables more."""
    command = [sys.executable, "-c", "from lib.cli import app; app()", *map(str, words)]
    env = os.environ | variables | {"COLUMNS": "200"}
    return subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=240, check=False
    )


def keys(store: Paths, device: str) -> list[tuple[int, int, str | None]]:
    """The keys of a device's staged rows: time in ms, type and code."""
    query = "SELECT epoch_ms(event_time), event_id, code FROM read_parquet($f) WHERE device_id = $d"
    with warehouse.connect() as connection:
        given = {"f": warehouse.partitions(store.staging), "d": device}
        return connection.execute(query, given).fetchall()


@pytest.fixture(scope="module")
def cloud() -> Iterator[StandIn]:
    """A server that speaks Tuya's protocol, which the command knows by its address only."""
    with StandIn(SimulatedHouse(), now=parse_instant(NOW)) as standin:
        yield standin


@pytest.fixture
def access(cloud: StandIn, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment that leads to the server, and two of its devices by name."""
    mapping = tmp_path / "device_mapping.json"
    fridge, tv = IDS
    names = {fridge: "Geladeira da cozinha", tv: {"name": "TV", "on_off_code": "switch_1"}}
    mapping.write_text(json.dumps(names))
    yield {
        "ACCESS_ID": cloud.access_id,
        "ACCESS_SECRET": cloud.access_secret,
        "API_ENDPOINT": cloud.endpoint,
        "TUYA_CA_BUNDLE": str(cloud.ca_bundle),
        "DEVICE_MAPPING_PATH": str(mapping),
    }
    cloud.faults.clear()


def test_an_empty_store_says_what_to_do_next(store: Paths) -> None:
    done = tcc("status", "--data-dir", store.data)
    assert done.returncode == 0
    assert "holds nothing yet. Next: tcc run" in done.stdout


@pytest.mark.slow
def test_the_cloud_is_read_by_its_address_and_everything_served_is_staged(
    cloud: StandIn, access: dict[str, str], store: Paths
) -> None:
    done = tcc("run", "--now", NOW, "--data-dir", store.data, "--no-pdf", **access)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = staged(store)
    assert set(rows["device_name"]) == {"Geladeira da cozinha", "TV"}
    now = parse_instant(NOW)
    start = round(now.timestamp() * 1000) - 7 * 86_400_000
    for device in IDS:
        served = cloud.house.rows(device, start, start + 7 * 86_400_000 - 120_000)
        found = keys(store, device)
        assert len(found) == len(set(found))
        assert set(found) == {(row.event_time_ms, row.event_id, row.code) for row in served}
    assert not (rows["ingested_by"].str.contains("simulated")).any()
    status = tcc("status", "--now", NOW, "--data-dir", store.data, **access)
    assert "Geladeira da cozinha" in status.stdout
    assert "measured rows" in status.stdout


def test_a_wrong_secret_is_one_clear_sentence_and_exit_1(
    access: dict[str, str], store: Paths
) -> None:
    wrong = "wrong0secret0wrong0secret0wrong0"  # pragma: allowlist secret
    done = tcc(
        "ingest", "--now", NOW, "--data-dir", store.data, **access | {"ACCESS_SECRET": wrong}
    )
    assert done.returncode == 1
    assert "1004" in done.stderr
    assert "TUYA_ACCESS_SECRET" in done.stderr
    assert wrong not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_half_a_pair_of_credentials_is_an_error_and_not_the_demo_house(store: Paths) -> None:
    done = tcc("run", "--data-dir", store.data, TUYA_ACCESS_ID="abcdefghij0123456789")
    assert done.returncode == 1
    assert "TUYA_ACCESS_SECRET is missing" in done.stderr
    assert not store.raw.exists()


def test_an_unknown_region_is_an_error_and_not_china(store: Paths) -> None:
    pair = {"TUYA_ACCESS_ID": "abcdefghij0123456789", "TUYA_ACCESS_SECRET": "0123456789" * 3}
    done = tcc("ingest", "--data-dir", store.data, **pair, TUYA_REGION="br")
    assert done.returncode == 1
    assert "TUYA_REGION" in done.stderr
    assert "us, az" in done.stderr


def test_a_refused_page_fails_the_run_but_keeps_what_came(
    cloud: StandIn, access: dict[str, str], store: Paths
) -> None:
    cloud.faults.add(Fault("subscription_expired", path="/logs", after=6, times=None))
    done = tcc("ingest", "--now", NOW, "--data-dir", store.data, **access)
    assert done.returncode == 1
    assert "28841002" in done.stderr
    assert list(store.raw.glob("*/*/*_logs*.json.gz"))
    assert list(store.runs.glob("*/01_ingest.html"))


def test_a_device_that_never_answers_is_an_alarm_and_exit_2(
    access: dict[str, str], store: Paths, tmp_path: Path
) -> None:
    mapping, env = Path(access["DEVICE_MAPPING_PATH"]), tmp_path / "the secrets.env"
    mapping.write_text(json.dumps({catalogue.TV: "TV", "bf0000000000000000gone": "Ferro"}))
    env.write_text("")
    env.chmod(0o644)
    given = access | {"TCC_ENV_FILE": str(env)}
    done = tcc("ingest", "--now", NOW, "--data-dir", store.data, **given)
    assert done.returncode == 2, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    assert "alarm Ferro (bf0000000000000000gone): logs that nobody has read" in said
    assert "TV" not in done.stdout.partition("alarm ")[2]
    assert done.stderr.count(f"Run: chmod 600 '{env}'") == 1
    status = tcc("status", "--now", NOW, "--data-dir", store.data, **given)
    assert status.returncode == 0
    assert "calls this month: " in status.stdout and " of 26,000 (0 %)" in status.stdout
    assert "Ferro (bf0000000000000000gone): logs that" in " ".join(status.stdout.split())


@pytest.mark.parametrize("now", ["yesterday", "2026-13-01"])
def test_a_clock_that_is_none_is_an_error(now: str, store: Paths) -> None:
    done = tcc("ingest", "--source", "demo", "--now", now, "--data-dir", store.data)
    assert done.returncode == 1
    assert "ISO 8601" in done.stderr


def test_importing_an_archive_and_staging_it(store: Paths, tmp_path: Path) -> None:
    file, broken = tmp_path / "old.json", tmp_path / "broken.json"
    file.write_text(json.dumps({"result": {"logs": [report("10 12:00", "cur_power", "853")]}}))
    broken.write_text('[{"code": "cur_po')
    done = tcc("import", broken, file, "--device", "plug01", "--data-dir", store.data)
    assert done.returncode == 1
    assert str(broken) in done.stderr
    assert "1 rows kept" in done.stdout
    assert tcc("stage", "--data-dir", store.data).returncode == 0
    before = contents(store)
    again = tcc("import", file, "--device", "plug01", "--data-dir", store.data)
    assert "nothing added" in again.stdout
    assert tcc("stage", "--data-dir", store.data).returncode == 0
    assert contents(store) == before
    assert staged(store)["value_num"].tolist() == [85.3]


def test_an_archive_without_rows_is_imported_with_nothing_in_it(
    store: Paths, tmp_path: Path
) -> None:
    empty, none = tmp_path / "empty.json", tmp_path / "none.json"
    empty.write_text('{"result": {"has_next": false}, "success": true}')
    none.write_text("[]")
    done = tcc("import", empty, none, "--device", "plug01", "--data-dir", store.data)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("0 rows in it") == 2
    assert "Next:" not in done.stdout
    assert not store.raw.exists()


def test_an_import_waits_for_the_run_that_holds_the_store(store: Paths, tmp_path: Path) -> None:
    file = tmp_path / "old.json"
    file.write_text(json.dumps([report("10 12:00", "cur_power", "853")]))
    words = ("import", file, "--device", "plug01", "--data-dir", store.data)
    with origins.alone(store):
        busy = tcc(*words)
        run = tcc("stage", "--data-dir", store.data)
    assert busy.returncode == run.returncode == 1
    assert "another run is under way in this folder" in busy.stderr
    assert busy.stderr.strip() == run.stderr.strip()  # in the same words
    assert not store.raw.exists()
    assert tcc(*words).returncode == 0


@pytest.mark.parametrize("command", ["status", "stage", "import"])
def test_a_broken_mark_of_the_store_is_one_sentence(
    store: Paths, tmp_path: Path, command: str
) -> None:
    store.data.mkdir()
    store.source.write_text("x{")
    file = tmp_path / "old.json"
    file.write_text(json.dumps([report("10 12:00", "cur_power", "853")]))
    rest = (file, "--device", "plug01") if command == "import" else ()
    done = tcc(command, *rest, "--data-dir", store.data)
    assert done.returncode == 1
    assert "source.json: cannot be read" in done.stderr
    assert "Traceback" not in done.stderr
    assert store.source.read_text() == "x{"


def test_refused_credentials_leave_the_demo_house_where_it_is(
    access: dict[str, str], store: Paths
) -> None:
    house = origins.Origin("simulated", "casa")
    origins.claim(store, house, now=parse_instant(NOW))
    store.raw.mkdir()
    wrong = access | {"ACCESS_SECRET": "x" * 32}
    done = tcc("ingest", "--now", NOW, "--data-dir", store.data, **wrong)
    assert done.returncode == 1
    assert "1004" in done.stderr
    assert "gave way" not in done.stdout
    assert origins.of(store) == house and store.raw.exists()


def test_a_failed_import_leaves_the_demo_house_where_it_is(store: Paths, tmp_path: Path) -> None:
    now = parse_instant(NOW)
    origins.claim(store, origins.Origin("simulated", "casa"), now=now)
    store.raw.mkdir()
    broken = tmp_path / "broken.json"
    broken.write_text('["no row"]')
    done = tcc("import", broken, "--device", "plug01", "--data-dir", store.data)
    assert done.returncode == 1
    assert "item 1 of its list is no log row" in done.stderr
    assert "Next:" not in done.stdout
    assert origins.of(store) == origins.Origin("simulated", "casa")
    assert store.raw.exists()


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("")
    done = tcc("run", "--data-dir", taken, "--no-pdf")
    assert done.returncode == 1
    assert str(taken) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "--source", "moon"), "none of auto"),
        (("run", "--source", "demo", "--series", "uci"), "--series is for"),
        (("run", "--source", "replay"), "--series is missing"),
        (("run", "--days", "-3"), "greater than or equal to 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(words: tuple[str, ...], said: str) -> None:
    done = tcc(*words)
    assert done.returncode == 2
    assert said in done.stderr


def test_an_empty_store_prints_no_page(store: Paths) -> None:
    assert tcc("analyse", "--data-dir", store.data).returncode == 0
    done = tcc("pdf", "--data-dir", store.data)
    assert done.returncode == 1
    assert "no log row has come yet" in done.stderr
    assert not store.pdf.exists()


def test_every_command_has_help() -> None:
    listed = tcc("--help").stdout
    for command in ("run", "ingest", "stage", "analyse", "pdf", "status", "replay", "import"):
        assert command in listed
        assert tcc(command, "--help").returncode == 0
