"""The doctor: every check against the real stand-in, the one next step, and no secret shown."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from lib import attempts, doctor, files, origins, raw, usage
from lib.attempts import Attempt, Unanswered
from lib.demo import catalogue
from lib.demo.faults import Fault
from lib.demo.simulated import SimulatedHouse
from lib.demo.standin import StandIn
from lib.doctor_checks import Check
from lib.doctor_schedule import Places, found
from lib.doctor_store import room
from lib.errors import ConfigError
from lib.journal import Entry, Window
from lib.paths import Paths
from lib.times import iso

NOW = datetime(2026, 4, 22, 15, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WRONG = "wrong0secret0wrong0secret0wrong0"  # pragma: allowlist secret
ADDRESS = "json://user:hidden0pass0word@127.0.0.1:9/hook"  # pragma: allowlist secret
NAMES = [name for steps in (doctor.FIRST, doctor.CLOUD, doctor.REST) for name, *_ in steps]
OF_THE_CLOUD = [name for name, *_ in doctor.CLOUD]


@pytest.fixture(scope="module")
def running() -> Iterator[StandIn]:
    with StandIn(SimulatedHouse(), now=NOW) as standin:
        yield standin


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project folder without settings."""
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A computer without a schedule of its own; its programs come first in PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    program(programs / "crontab", "exit 1")
    return programs


@pytest.fixture
def cloud(
    running: StandIn, machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StandIn]:
    """The stand-in as the configured cloud, without faults."""
    authority = tmp_path / "ca.pem"
    authority.write_bytes(running.ca_bundle.read_bytes())
    monkeypatch.setenv("TUYA_ACCESS_ID", running.access_id)
    monkeypatch.setenv("TUYA_ACCESS_SECRET", running.access_secret)
    monkeypatch.setenv("API_ENDPOINT", running.endpoint)
    monkeypatch.setenv("TUYA_CA_BUNDLE", str(authority))
    yield running
    running.faults.clear()
    running.clock.skew_s = 0


def program(file: Path, script: str) -> None:
    """A program of the system, as a shell script."""
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


@dataclass(frozen=True)
class Seen:
    """What the doctor found, by name, and what it printed."""

    checks: dict[str, Check]
    next: str
    ok: bool
    text: str
    json: str

    def states(self, state: str) -> list[str]:
        return [name for name, check in self.checks.items() if check.state == state]


def seen(store: Paths, root: Path, now: datetime = NOW) -> Seen:
    """Call the doctor; what holds of every visit is asserted here."""
    examined = doctor.examine(store, iso(now), root=root, pause=lambda wait_s: None)
    out = Console(file=StringIO(), width=80)
    doctor.show(out, examined)
    text = out.file.getvalue()  # type: ignore[attr-defined]
    checks = {check.name: check for check in examined.checks}
    assert list(checks) == NAMES
    lines = text.splitlines()
    assert [line for line in lines if "Next:" in line] == lines[-1:]
    assert max(map(len, lines[:-1])) <= 80
    assert lines[-1] == f"Next: {examined.next_step}"
    assert all(check.remedy for check in checks.values() if check.state in ("bad", "warning"))
    assert examined.ok == all(check.state != "bad" for check in checks.values())
    return Seen(checks, examined.next_step, examined.ok, text, examined.json())


def contents(folder: Path) -> dict[str, bytes]:
    found = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): file.read_bytes() for file in found}


def hold(store: Paths, device: str, *, start_h: float = 170, end_h: float = 0.1) -> Entry:
    """Keep a window with one row at its end, given in hours before now."""
    end = NOW - end_h * HOUR
    row = {"code": "cur_power", "event_id": 7, "event_time": int(end.timestamp() * 1000) - 1000}
    return raw.write_window(
        store,
        Window(device, NOW - start_h * HOUR, end),
        [row | {"value": "1"}],
        asked_at=NOW - 0.1 * HOUR,
        ingested_by="tcc/1",
        complete=True,
        pages=1,
    )


def collected(store: Paths, **more: object) -> None:
    """Enter a collection six minutes ago into the record."""
    plain = {"planned": 2, "confirmed": 2, "rows": 2, "calls": 20, **more}
    attempts.append(store, Attempt(at=NOW - 0.1 * HOUR, **plain))  # type: ignore[arg-type]


@pytest.fixture
def kept(store: Paths) -> Paths:
    """A measured store in which all is well."""
    origins.claim(store, origins.Origin("measured"), now=NOW)
    devices = [{"id": own, "name": own[4:]} for own in (catalogue.FRIDGE, catalogue.TV)]
    files.write_text(
        store.registry / "devices" / "20260422T140000Z_devices.json", json.dumps(devices)
    )
    for device in devices:
        hold(store, device["id"])
    attempts.append(store, Attempt(NOW - 2 * DAY, planned=2, confirmed=2, rows=2, calls=4000))
    collected(store)
    usage.add(store, NOW, 5000)
    return store


def healthy(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alarms have an address, the crontab a line, and LaTeX all packages."""
    monkeypatch.setenv("TCC_NOTIFY", ADDRESS)
    program(machine / "crontab", 'echo "# mine"; echo "0 * * * * cd /x && .venv/bin/tcc run"')
    program(machine / "latexmk", "exit 0")
    program(machine / "kpsewhich", 'for name in "$@"; do echo "/tex/$name"; done')


# ---- The whole ---------------------------------------------------------------------------


def test_where_all_is_well_every_tick_is_good_and_nothing_is_to_do(
    cloud: StandIn, machine: Path, kept: Paths, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy(machine, monkeypatch)
    before, asked = contents(kept.data), cloud.counters.total_requests
    found = seen(kept, root)
    assert found.states("good") == NAMES, found.text
    assert (found.next, found.ok) == (doctor.NOTHING, True)
    assert found.text.count("✓") == len(NAMES)
    calls = cloud.counters.total_requests - asked
    assert calls == 4  # a token, the list, a specification, a log
    after = contents(kept.data)
    assert usage.used(kept, NOW) == 5000 + calls
    assert {name for name in before | after if before.get(name) != after.get(name)} == {
        kept.usage.name
    }


def test_json_says_the_same_for_scripts(cloud: StandIn, kept: Paths, root: Path) -> None:
    found = seen(kept, root)
    plain = json.loads(found.json)
    assert (plain["next"], plain["ok"]) == (found.next, found.ok)
    told = {check["name"]: (check["state"], check["said"]) for check in plain["checks"]}
    assert told == {name: (check.state, check.said) for name, check in found.checks.items()}


def test_no_secret_is_shown_whatever_the_cloud_repeats(
    cloud: StandIn, kept: Paths, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCC_NOTIFY", ADDRESS)
    secrets = [cloud.access_id, cloud.access_secret, ADDRESS, "hidden0pass0word"]
    echo = Fault("unauthorised", path="associated-users", times=None)
    for fault in (None, echo):
        if fault:
            cloud.faults.add(fault)
        found = seen(kept, root)
        assert not [secret for secret in secrets if secret in found.text + found.json]
    parrot = Check("bad", f"the cloud said {cloud.access_id}", f"not {ADDRESS}", (ADDRESS,))
    monkeypatch.setattr(doctor, "FIRST", (("Parrot", lambda visit: parrot, ()),))
    monkeypatch.setattr(doctor, "CLOUD", ())
    monkeypatch.setattr(doctor, "REST", ())
    repeated = doctor.examine(kept, iso(NOW), root=root)
    assert repeated.checks[0].said == "the cloud said ***"
    assert not [secret for secret in secrets if secret in repeated.json()]


def test_the_newcomer_has_one_next_step_and_no_error(store: Paths) -> None:
    environment = os.environ | {"COLUMNS": "80"}
    command = [sys.executable, "-c", "from lib.cli import app; app()", "doctor", "--data-dir"]
    done = subprocess.run(
        [*command, str(store.data)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if "Next:" in line] == lines[-1:]
    assert ".env" in lines[-1] and "make demo" in lines[-1]
    assert "✗" not in done.stdout
    assert not store.data.exists()


def test_the_command_exits_with_1_and_prints_json(store: Paths) -> None:
    origins.claim(store, origins.Origin("measured"), now=NOW)
    command = [sys.executable, "-c", "from lib.cli import app; app()", "doctor", "--json"]
    done = subprocess.run(
        [*command, "--data-dir", str(store.data)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    plain = json.loads(done.stdout)
    assert (done.returncode, plain["ok"]) == (1, False)
    assert "TUYA_ACCESS_ID" in plain["next"]


def test_the_newcomer_s_checks_name_what_they_wait_for(
    machine: Path, store: Paths, root: Path
) -> None:
    found = seen(store, root)
    assert found.ok and found.states("bad") == []
    assert found.states("warning")[0] == "Credentials"
    assert {found.checks[name].said for name in OF_THE_CLOUD} == {"See Credentials."}
    assert set(OF_THE_CLOUD) < set(found.states("not checked"))


def test_a_bad_check_comes_before_an_earlier_warning(
    machine: Path, store: Paths, root: Path
) -> None:
    (root / "config.toml").write_text("[site]\nnominal_voltage_v = 12\n")
    origins.claim(store, origins.Origin("simulated", "casa"), now=NOW)
    first = seen(store, root)
    assert first.states("bad") == ["Settings"]
    assert "README" in first.next and not first.ok
    store.source.write_text("x{")
    assert seen(store, root).states("bad") == ["Settings", "Origin"]


def test_a_clock_that_is_none_is_refused(store: Paths, root: Path) -> None:
    with pytest.raises(ConfigError, match="ISO 8601"):
        doctor.examine(store, "yesterday", root=root)


# ---- The cloud ---------------------------------------------------------------------------


def test_a_wrong_secret_stops_at_the_sign_in(
    cloud: StandIn, kept: Paths, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUYA_ACCESS_SECRET", WRONG)
    found = seen(kept, root)
    assert found.states("bad") == ["Sign-in"]
    assert "1004" in found.checks["Sign-in"].said
    assert "TUYA_ACCESS_SECRET" in found.next and not found.ok
    assert found.checks["Cloud host"].state == found.checks["Clock"].state == "good"
    for name in ("Device list", "Specification", "Logs", "Devices"):
        assert found.checks[name].said == "See Sign-in."
    assert WRONG not in found.text + found.json


def test_an_unknown_region_is_named_before_anything_is_asked(
    cloud: StandIn, kept: Paths, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("API_ENDPOINT")
    monkeypatch.setenv("TUYA_REGION", "br")
    before = cloud.counters.total_requests
    found = seen(kept, root)
    assert found.states("bad") == ["Credentials"]
    assert found.next.startswith("Use one of cn, us")
    assert cloud.counters.total_requests == before


def test_the_wrong_data_centre_leads_to_the_region(cloud: StandIn, kept: Paths, root: Path) -> None:
    cloud.faults.add(Fault("client_invalid", path="/v1.0/token", times=None))
    found = seen(kept, root)
    assert found.states("bad") == ["Sign-in"]
    assert "1005" in found.checks["Sign-in"].said
    assert "TUYA_REGION" in found.next


@pytest.mark.parametrize(
    ("skew_s", "state", "way"),
    [
        (0, "good", ""),
        (-25, "good", "ahead of"),
        (100, "warning", "behind"),
        (-100, "warning", "ahead of"),
        (270, "bad", "behind"),
    ],
)
def test_the_clock_is_compared_with_the_cloud_s(
    cloud: StandIn, kept: Paths, root: Path, skew_s: int, state: str, way: str
) -> None:
    cloud.clock.skew_s = skew_s
    found = seen(kept, root)
    clock = found.checks["Clock"]
    assert clock.state == state
    assert way in clock.said
    shown_s = int(clock.said.split()[0]) if way else 0
    assert abs(shown_s - abs(skew_s)) <= 2
    assert found.checks["Sign-in"].state == "good"
    assert ("network time" in found.next) == (state != "good")


def test_a_clock_so_far_off_that_1013_comes_shows_by_how_much(
    cloud: StandIn, kept: Paths, root: Path
) -> None:
    cloud.clock.skew_s = -1200
    found = seen(kept, root)
    assert found.states("bad") == ["Sign-in", "Clock"]
    assert "1013" in found.checks["Sign-in"].said
    ahead_s = int(found.checks["Clock"].said.replace(",", "").split()[0])
    assert abs(ahead_s - 1200) <= 2
    assert "network time" in found.next


def test_a_refused_list_leaves_a_known_device_to_be_asked(
    cloud: StandIn, kept: Paths, root: Path
) -> None:
    cloud.faults.add(Fault("permission_denied", path="associated-users", times=None))
    found = seen(kept, root)
    assert found.states("bad") == ["Device list"]
    assert "1106" in found.checks["Device list"].said
    assert "Link App Account" in found.next or "link the app account" in found.next
    assert found.checks["Logs"].state == found.checks["Specification"].state == "good"
    assert found.checks["Devices"].state == "not checked"


def test_a_refused_list_with_no_device_known_says_so(
    cloud: StandIn, store: Paths, root: Path
) -> None:
    cloud.faults.add(Fault("permission_denied", path="associated-users", times=None))
    found = seen(store, root)
    assert found.states("bad") == ["Device list"]
    assert "No device is known" in found.checks["Specification"].said
    assert "No device is known" in found.checks["Logs"].said


def test_refused_logs_are_the_next_step(cloud: StandIn, kept: Paths, root: Path) -> None:
    cloud.faults.add(Fault("unauthorised", path="logs", times=None))
    found = seen(kept, root)
    assert found.states("bad") == ["Logs"]
    assert "28841105" in found.checks["Logs"].said
    assert "authorise" in found.next and not found.ok


def test_reports_in_place_of_logs_are_a_warning(cloud: StandIn, kept: Paths, root: Path) -> None:
    cloud.faults.add(Fault("unauthorised", path="/logs", times=None))
    found = seen(kept, root)
    assert found.checks["Logs"].state == "warning"
    assert "online and offline" in found.checks["Logs"].said


@pytest.mark.parametrize(
    ("kind", "code", "remedy"),
    [
        ("quota", "28841004", "first of the month"),
        ("subscription_expired", "28841002", "trial"),
        ("suspended", "28841107", "data cent"),
    ],
)
def test_a_refused_project_is_one_bad_check_and_costs_no_further_calls(
    cloud: StandIn, kept: Paths, root: Path, kind: str, code: str, remedy: str
) -> None:
    cloud.faults.add(Fault(kind, times=None))
    before = cloud.counters.total_requests
    found = seen(kept, root)
    assert found.states("bad") == ["Device list", *(["Quota"] if kind == "quota" else [])]
    assert code in found.checks["Device list"].said
    assert remedy in found.next.lower()
    assert found.checks["Logs"].said == "See Device list."
    assert cloud.counters.total_requests - before == 2  # the token and the list


def test_a_cloud_that_is_not_there_is_bad_and_stops_what_needs_it(
    cloud: StandIn, kept: Paths, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_ENDPOINT", "https://127.0.0.1:9")
    found = seen(kept, root)
    assert found.states("bad") == ["Cloud host"]
    assert "127.0.0.1:9" in found.checks["Cloud host"].said
    assert "network" in found.next
    assert {found.checks[name].said for name in OF_THE_CLOUD[1:]} == {"See Cloud host."}


def test_a_server_of_an_unknown_authority_is_not_trusted(
    cloud: StandIn, kept: Paths, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TUYA_CA_BUNDLE")
    found = seen(kept, root)
    assert found.states("bad") == ["Cloud host"]
    assert "TUYA_CA_BUNDLE" in found.next


def test_a_cloud_that_stops_answering_costs_few_calls(
    cloud: StandIn, kept: Paths, root: Path
) -> None:
    cloud.faults.add(Fault("html_502", times=None))
    before = cloud.counters.total_requests
    found = seen(kept, root)
    assert found.states("bad") == ["Device list"]
    assert found.checks["Logs"].said == "See Device list."
    assert cloud.counters.total_requests - before <= 5


def test_devices_named_but_not_listed_are_named(cloud: StandIn, kept: Paths, root: Path) -> None:
    lines = [f'[[devices]]\nid = "{catalogue.TV}"\nname = "TV"', '[[devices]]\nid = "gone1"']
    (root / "config.toml").write_text("\n".join([*lines, 'name = "Ferro velho"\n']))
    found = seen(kept, root)
    check = found.checks["Devices"]
    assert check.state == "warning"
    assert "10 listed, 2 named" in check.said and "1 of these not listed" in check.said
    assert "Ferro velho" in check.remedy
    assert found.checks["Logs"].said.startswith("Granted: TV")


# ---- This computer -----------------------------------------------------------------------


def test_credentials_say_where_they_come_from(
    cloud: StandIn, kept: Paths, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "the environment" in seen(kept, root).checks["Credentials"].said
    monkeypatch.delenv("TUYA_ACCESS_ID")
    monkeypatch.delenv("TUYA_ACCESS_SECRET")
    wizard = {"apiKey": cloud.access_id, "apiSecret": cloud.access_secret, "apiRegion": "us"}
    (root / "tinytuya.json").write_text(json.dumps(wizard))
    assert "tinytuya.json" in seen(kept, root).checks["Credentials"].said
    env = tmp_path / "no.env"
    env.write_text(f"ACCESS_ID={cloud.access_id}\nACCESS_SECRET={cloud.access_secret}\n")
    assert "no.env" in seen(kept, root).checks["Credentials"].said
    monkeypatch.setenv("ACCESS_ID", cloud.access_id)
    assert "the environment and no.env" in seen(kept, root).checks["Credentials"].said


def test_half_a_pair_is_bad(
    cloud: StandIn, kept: Paths, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TUYA_ACCESS_SECRET")
    found = seen(kept, root)
    assert found.states("bad") == ["Credentials"]
    assert "TUYA_ACCESS_SECRET" in found.checks["Credentials"].said


def test_real_rows_without_credentials_are_bad(machine: Path, kept: Paths, root: Path) -> None:
    found = seen(kept, root)
    assert found.states("bad") == ["Credentials"]
    assert "TUYA_ACCESS_ID" in found.next


def test_a_recorded_series_needs_no_credentials(machine: Path, store: Paths, root: Path) -> None:
    origins.claim(store, origins.Origin("recorded", "UCI", "CC BY 4.0"), now=NOW)
    found = seen(store, root)
    assert found.checks["Credentials"].state == "not checked"
    assert "TUYA" not in found.next


def test_secrets_that_others_can_read_are_a_warning_with_the_command(
    machine: Path, store: Paths, root: Path, tmp_path: Path
) -> None:
    env = tmp_path / "no.env"
    env.write_text("")
    env.chmod(0o644)
    check = seen(store, root).checks["Secret files"]
    assert (check.state, check.remedy) == ("warning", f"Run: chmod 600 {env}")
    env.chmod(0o600)
    assert seen(store, root).checks["Secret files"].state == "good"


def test_a_store_that_is_a_file_stops_what_needs_it(
    machine: Path, store: Paths, root: Path
) -> None:
    store.data.write_text("")
    found = seen(store, root)
    assert found.states("bad") == ["Store"]
    assert str(store.data) in found.next
    assert found.checks["Disk"].said == found.checks["Integrity"].said == "See Store."


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_that_may_not_be_written_to_is_bad(machine: Path, store: Paths, root: Path) -> None:
    store.raw.mkdir(parents=True)
    store.raw.chmod(0o500)
    try:
        assert seen(store, root).states("bad") == ["Store"]
    finally:
        store.raw.chmod(0o700)


def test_missing_latex_packages_are_named_with_the_command(
    machine: Path, store: Paths, root: Path
) -> None:
    program(machine / "latexmk", "exit 0")
    program(machine / "kpsewhich", 'for n in "$@"; do [ $n = siunitx.sty ] || echo "/t/$n"; done')
    check = seen(store, root).checks["TeX"]
    assert check.state == "warning"
    assert "siunitx.sty" in check.said
    assert "apt-get install" in check.remedy and "texlive-science" in check.remedy


def test_without_latex_the_rest_is_looked_at(
    machine: Path, store: Paths, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(machine))
    check = seen(store, root).checks["TeX"]
    assert (check.state, "latexmk" in check.said) == ("warning", True)


def test_nobody_to_tell_is_a_warning_for_devices_of_one_s_own(
    cloud: StandIn, kept: Paths, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert seen(kept, root).checks["Alarms"].state == "warning"
    monkeypatch.setenv("TCC_NOTIFY", f"{ADDRESS} json://127.0.0.1")
    check = seen(kept, root).checks["Alarms"]
    assert (check.state, check.said) == ("good", "Alarms go to 2 address(es).")


# ---- The store ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("used", "state"), [(18_700, "good"), (18_800, "warning"), (26_000, "bad")]
)
def test_calls_are_projected_to_the_end_of_the_month(
    machine: Path, store: Paths, root: Path, used: int, state: str
) -> None:
    """21.625 of 30 days are gone, so 18,700 become 25,942 and 18,800 become 26,081."""
    usage.add(store, NOW, used)
    check = seen(store, root).checks["Quota"]
    by_hand = round(used * 30 / 21.625)
    assert check.said == f"{used:,} of 26,000 calls this month, about {by_hand:,} by its end."
    assert check.state == state


def test_the_days_to_come_cost_as_many_calls_as_the_last(
    machine: Path, store: Paths, root: Path
) -> None:
    usage.add(store, NOW, 3000)
    for ago, calls in ((3 * DAY, 2500), (23 * HOUR, 100), (HOUR, 100)):
        attempts.append(store, Attempt(NOW - ago, planned=1, confirmed=1, rows=1, calls=calls))
    said = seen(store, root).checks["Quota"].said
    assert f"about {3000 + 200 * 8.375:,.0f} by its end" in said


def test_the_first_day_says_nothing_of_the_month(machine: Path, store: Paths, root: Path) -> None:
    usage.add(store, NOW, 5000)
    attempts.append(store, Attempt(NOW - HOUR, planned=1, confirmed=1, rows=1, calls=5000))
    check = seen(store, root).checks["Quota"]
    assert (check.state, "too early" in check.said) == ("good", True)


def test_a_quota_nearly_spent_is_a_warning(machine: Path, store: Paths, root: Path) -> None:
    attempts.append(store, Attempt(NOW - 2 * DAY, planned=1, confirmed=1, rows=1, calls=1))
    usage.add(store, NOW, 23_399)
    assert seen(store, root).checks["Quota"].state == "good"
    usage.add(store, NOW, 1)
    assert seen(store, root).checks["Quota"].state == "warning"


def test_without_a_limit_calls_are_only_counted(machine: Path, store: Paths, root: Path) -> None:
    (root / "config.toml").write_text("[ingestion]\nmonthly_calls = 0\n")
    usage.add(store, NOW, 90_000)
    check = seen(store, root).checks["Quota"]
    assert (check.state, "90,000" in check.said) == ("good", True)


def test_silent_devices_are_marked_and_the_oldest_comes_first(
    cloud: StandIn, kept: Paths, root: Path
) -> None:
    start, end = NOW - 170 * HOUR, NOW - 0.1 * HOUR
    listed = kept.registry / "devices" / "20260422T143000Z_devices.json"
    known = [{"id": own, "name": own[4:]} for own in (catalogue.FRIDGE, catalogue.TV)]
    files.write_text(listed, json.dumps([*known, {"id": "still", "name": "Parada"}]))
    raw.write_window(
        kept, Window("still", start, end), [], asked_at=end, ingested_by="t", complete=True, pages=1
    )
    check = seen(kept, root).checks["Newest events"]
    assert check.state == "warning" and "1 of 3" in check.said
    assert "Parada" in check.remedy
    assert [line[0] for line in check.details] == ["!", " ", " "]
    assert check.details[0].endswith("Parada") and "none of late" in check.details[0]
    assert "2026-04-22 14:5" in check.details[1] and "expires in 167.9 h" in check.details[1]


@pytest.mark.parametrize(
    ("end_h", "state"), [(0.1, "good"), (71, "good"), (73, "warning"), (145, "bad"), (169, "bad")]
)
def test_hours_until_unread_logs_expire(
    cloud: StandIn, kept: Paths, root: Path, end_h: float, state: str
) -> None:
    other = "late"
    hold(kept, other, end_h=end_h)
    listed = kept.registry / "devices" / "20260422T143000Z_devices.json"
    files.write_text(listed, json.dumps([{"id": other, "name": "Atrasada"}]))
    check = seen(kept, root).checks["Unread logs"]
    assert check.state == state
    assert f"Atrasada first: the oldest expire in {max(168 - end_h, 0):.1f} h" in check.said


def test_what_the_last_collection_left_out_is_told_by_device(
    cloud: StandIn, kept: Paths, root: Path
) -> None:
    start = NOW - 9 * HOUR
    missing = [
        Unanswered(catalogue.TV, start, start + 2 * HOUR, "SourceUnavailable", 500),
        Unanswered(catalogue.TV, start + 3 * HOUR, start + 4 * HOUR, "SourceUnavailable", 500),
        Unanswered(catalogue.FRIDGE, start, start + HOUR, "quota"),
    ]
    collected(kept, unanswered=tuple(missing), confirmed=0)
    check = seen(kept, root).checks["Collection"]
    assert check.state == "warning"
    assert [line.split()[0] for line in check.details] == ["3.0", "1.0"]
    assert "SourceUnavailable 500" in check.details[0] and "quota" in check.details[1]
    assert "The next run asks again" in check.remedy


def test_a_collection_that_was_stopped_is_bad_with_the_remedy_of_its_code(
    cloud: StandIn, kept: Paths, root: Path
) -> None:
    collected(kept, stopped="SourceRejected", code=28841002)
    found = seen(kept, root)
    assert found.states("bad") == ["Collection"]
    assert "28841002" in found.checks["Collection"].said
    assert "trial" in found.next.lower()
    collected(kept, stopped="OutOfTime")
    assert seen(kept, root).checks["Collection"].state == "good"


def test_a_failed_run_is_told(cloud: StandIn, kept: Paths, root: Path) -> None:
    record = kept.runs / "20260422T145400Z" / "run.json"
    files.write_text(record, json.dumps({"ok": False, "steps": []}))
    check = seen(kept, root).checks["Collection"]
    assert (check.state, str(record) in check.remedy) == ("warning", True)


def test_a_record_that_cannot_be_read_is_a_bad_check_and_no_crash(
    cloud: StandIn, kept: Paths, root: Path
) -> None:
    files.write_text(kept.runs / "20260422T145400Z" / "run.json", "{")
    found = seen(kept, root)
    assert not found.ok
    assert "Collection" in found.states("bad")
    assert found.checks["Disk"].state == "good"


def test_the_store_s_growth_says_how_long_the_disk_lasts(
    cloud: StandIn, kept: Paths, root: Path
) -> None:
    """24 MB over the 7.1 days that the journal spans."""
    part = kept.staging / "event_date=2026-04-22" / "part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 24_000_000)
    assert "the store grows 3 MB a day" in seen(kept, root).checks["Disk"].said


@pytest.mark.parametrize(
    ("free", "daily", "state"),
    [
        (10**12, 0, "good"),
        (2 * 10**9, 10**6, "good"),
        (9 * 10**8, 10**3, "warning"),
        (2 * 10**9, 7 * 10**7, "warning"),
        (2 * 10**9, 7 * 10**8, "bad"),
        (9 * 10**7, 0, "bad"),
    ],
)
def test_room_is_judged_by_bytes_and_by_days(free: int, daily: int, state: str) -> None:
    assert room(free, daily) == state


def test_files_that_are_missing_are_counted(cloud: StandIn, kept: Paths, root: Path) -> None:
    entry = hold(kept, catalogue.TV)
    (kept.raw / entry.file).unlink()
    found = seen(kept, root)
    assert found.states("bad") == ["Integrity"]
    assert "3 raw files on record, 1 missing" in found.checks["Integrity"].said
    assert entry.file in found.next


def test_a_file_set_aside_counts_until_something_answers_for_its_window(
    cloud: StandIn, kept: Paths, root: Path
) -> None:
    entry = hold(kept, "third")
    file = kept.raw / entry.file
    raw.set_aside(kept, file, raw.bad_file(file, "it is odd"), entry)
    check = seen(kept, root).checks["Integrity"]
    assert (check.state, "1 in quarantine" in check.said) == ("warning", True)
    hold(kept, "third")
    check = seen(kept, root).checks["Integrity"]
    assert (check.state, "1 in quarantine" in check.said) == ("good", True)


def test_lines_cut_short_are_counted_and_a_journal_of_nothing_else_is_bad(
    cloud: StandIn, kept: Paths, root: Path
) -> None:
    files.append_line(kept.journal, '{"file": "cut')
    check = seen(kept, root).checks["Integrity"]
    assert (check.state, "1 line(s) of the journal cut short" in check.said) == ("good", True)
    kept.journal.write_text("cut\n")
    assert seen(kept, root).checks["Integrity"].state == "bad"


# ---- The schedule ------------------------------------------------------------------------


def test_a_crontab_and_a_fresh_collection_are_good(
    cloud: StandIn, machine: Path, kept: Paths, root: Path
) -> None:
    line = "0 * * * * cd /x && TOKEN=hidden0in0the0crontab .venv/bin/tcc run"
    program(machine / "crontab", f'echo "# tcc run"; echo "{line}"')
    found = seen(kept, root)
    check = found.checks["Schedule"]
    assert check.state == "good"
    assert "crontab -l (line 2)" in check.said and "0.1 h ago" in check.said
    assert "hidden0in0the0crontab" not in found.text + found.json


def test_a_schedule_that_is_not_kept_is_bad(
    cloud: StandIn, machine: Path, kept: Paths, root: Path
) -> None:
    program(machine / "crontab", 'echo "0 * * * * cd /x && tools/env tcc ingest"')
    check = seen(kept, root, NOW + 3 * HOUR).checks["Schedule"]
    assert check.state == "bad"
    assert "3.1 h ago" in check.said and "crontab -l" in check.remedy


def test_collections_that_nothing_starts_are_a_warning_with_the_command_to_run(
    cloud: StandIn, kept: Paths, root: Path
) -> None:
    check = seen(kept, root).checks["Schedule"]
    assert check.state == "warning"
    assert check.remedy == "Run: tcc schedule cron --install"


def test_before_the_first_collection_the_next_step_is_to_run(
    cloud: StandIn, machine: Path, store: Paths, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy(machine, monkeypatch)
    found = seen(store, root)
    assert found.ok
    assert found.states("warning") == ["Schedule"]
    assert found.next == "Run: tcc run"


def test_schedules_are_found_where_systems_keep_them(tmp_path: Path, machine: Path) -> None:
    places = Places(tmp_path / "home", tmp_path / "etc", tmp_path / "proc")
    root = tmp_path / "project"
    root.mkdir(exist_ok=True)
    assert [*found(places, root)] == []

    files.write_text(places.etc / "cron.d" / "other", "0 * * * * root make run\n# tcc run\n")
    files.write_text(places.etc / "cron.d" / "tcc", f"\n0 * * * * me make -C {root} run\n")
    units = places.home / ".config" / "systemd" / "user"
    files.write_text(units / "tcc.service", "[Service]\nExecStart=/x/.venv/bin/tcc run\n")
    files.write_text(units / "tcc.timer", "[Timer]\nOnCalendar=hourly\n")
    files.write_text(units / "backup.service", "[Service]\nExecStart=/usr/bin/backup\n")
    files.write_text(units / "backup.timer", "[Timer]\nOnCalendar=hourly\n")
    daemons = {"100": root, "200": tmp_path}
    for process, folder in daemons.items():
        command = "python\0-m\0dagster._daemon\0run\0"
        files.write_text(places.processes / process / "cmdline", command)
        (places.processes / process / "cwd").symlink_to(folder)

    starters = {one.place: one.enable for one in found(places, root)}
    assert starters == {
        f"{places.etc / 'cron.d' / 'tcc'} (line 2)": "",
        str(units / "tcc.timer"): "Run: systemctl --user enable --now tcc.timer",
        "Dagster's daemon (process 100)": "",
    }
    wants = units / "timers.target.wants"
    wants.mkdir()
    (wants / "tcc.timer").symlink_to(units / "tcc.timer")
    assert {one.place: one.enable for one in found(places, root)}[str(units / "tcc.timer")] == ""


def test_the_demo_house_needs_no_schedule(machine: Path, store: Paths, root: Path) -> None:
    origins.claim(store, origins.Origin("simulated", "casa"), now=NOW)
    hold(store, catalogue.TV)
    found = seen(store, root)
    assert found.checks["Schedule"].state == found.checks["Unread logs"].state == "not checked"
    assert found.ok
