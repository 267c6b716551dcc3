"""Schedules of cron and systemd: what is printed works, what is installed goes again."""

import os
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from lib import doctor_schedule, files, schedule_places, schedules
from lib.doctor_schedule import Places
from lib.errors import ConfigError
from lib.journal import Journal
from lib.paths import DEFAULT_DATA, ROOT, Paths
from lib.schedules import Timetable

# A crontab that keeps its lines in a file beside it: the user's own is nobody's to try out on.
KEEPS = """here=$(dirname "$0")/kept
case "$1" in
-l) [ -f "$here" ] && cat "$here" || { echo "no crontab for me" >&2; exit 1; } ;;
-) cat > "$here" ;;
*) exit 2 ;;
esac"""
OTHERS = "MAILTO=me\n# mine\n5 4 * * 0 /usr/bin/backup --name 'tcc run'\n\n"
REAL_CRONTAB = shutil.which("crontab")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and programs of its own: neither the user's crontab nor his systemd is touched."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("TCC_ENV_FILE")
    program(programs / "crontab", KEEPS)
    program(programs / "systemctl", 'echo "$@" >> "$(dirname "$0")/asked"')
    return programs


def program(file: Path, script: str) -> None:
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def kept(machine: Path) -> str:
    return (machine / "kept").read_text()


def tcc(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "from lib.cli import app; app()", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def hourly(table: Timetable) -> str:
    """The command of the hourly line, as cron gives it to the shell."""
    return schedules.crontab(table)[1].removeprefix(f"{table.minute} * * * * ").replace("\\%", "%")


# ---- What is written ---------------------------------------------------------------------


def test_the_line_names_folder_program_store_and_log_and_no_other_variable(
    machine: Path, monkeypatch: pytest.MonkeyPatch, store: Paths
) -> None:
    monkeypatch.setenv("TUYA_ACCESS_SECRET", "hidden0in0the0shell")
    begin, line, after_boot, end = schedules.crontab(schedules.planned(store, minute=7))
    assert line.startswith(f"7 * * * * cd {ROOT} && {{ umask 077; ")
    assert f"/tcc run --wait 600 --data-dir {store.data} >> " in line
    assert after_boot.removeprefix("@reboot sleep 120; ") == line.removeprefix("7 * * * * ")
    assert begin.startswith("#") and end.startswith("#")
    units = "".join(schedules.units(schedules.planned(store)).values())
    assert "hidden0in0the0shell" not in line + units
    assert re.findall(r"\b([A-Z_]{2,})=", line) == ["PATH"]
    assert schedules.unseen() == ["TUYA_ACCESS_SECRET"]


def test_the_project_s_own_store_needs_no_name(machine: Path) -> None:
    table = schedules.planned(Paths.at())
    assert table.words == ("run", "--wait", "600")
    assert table.logs == DEFAULT_DATA / "logs"


def test_another_settings_file_is_named_and_not_read(
    machine: Path, monkeypatch: pytest.MonkeyPatch, store: Paths
) -> None:
    monkeypatch.setenv("TCC_ENV_FILE", "/safe/my.env")
    table = schedules.planned(store)
    assert " TCC_ENV_FILE=/safe/my.env nice " in hourly(table)
    assert "\nEnvironment=TCC_ENV_FILE=/safe/my.env\n" in schedules.units(table)["tcc-run.service"]


def test_latex_is_found_where_it_is_installed(machine: Path, store: Paths) -> None:
    program(machine / "latexmk", "exit 0")
    assert schedules.planned(store).folders[0] == str(machine)
    assert f"PATH={machine}:/usr/local/bin:" in hourly(schedules.planned(store))


@pytest.mark.parametrize("name", ["", "Run", "a b", "x;y", "../x", "-x"])
def test_a_name_that_is_no_name_is_refused(name: str, store: Paths) -> None:
    with pytest.raises(ConfigError, match="small letters"):
        schedules.planned(store, name=name)


def test_a_folder_with_a_line_end_in_its_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="control characters"):
        schedules.planned(Paths.at(tmp_path / "a\n* * * * * rm"))


@pytest.mark.parametrize("folder", ["plain", "with space", "50%", "it's", 'a"b', "$HOME", "`x`"])
def test_any_folder_reaches_the_program_as_it_is(tmp_path: Path, folder: str) -> None:
    """The line is done by the shell; cron's percent sign is undone before, as cron does."""
    here = tmp_path / folder
    here.mkdir()
    program(here / "tcc", 'printf "%s\\n" "$PWD" "$@" "$(umask)"; echo wrong >&2')
    words = ("run", "--data-dir", str(here / "data"))
    table = Timetable("run", 0, here / "tcc", words, here / "data" / "logs", root=here)
    subprocess.run(["sh", "-c", hourly(table)], check=True, timeout=30)
    (log,) = (here / "data" / "logs").iterdir()
    assert log.read_text().splitlines() == [str(here), *words, "0077", "wrong"]
    assert re.fullmatch(r"tcc-run-\d{4}-\d\d-\d\d\.log", log.name)
    assert log.stat().st_mode & 0o077 == 0


def test_logs_grow_day_by_day_and_go_after_a_month(tmp_path: Path) -> None:
    program(tmp_path / "tcc", "echo ran")
    table = Timetable("run", 0, tmp_path / "tcc", ("run",), tmp_path / "logs", root=tmp_path)
    for name, days in {"tcc-run-old.log": 40, "tcc-run-new.log": 3, "mine.log": 40}.items():
        made = files.write_text(tmp_path / "logs" / name, "x").stat().st_mtime
        then = made - timedelta(days=days).total_seconds()
        os.utime(tmp_path / "logs" / name, (then, then))
    for _ in range(2):
        subprocess.run(["sh", "-c", hourly(table)], check=True, timeout=30)
    left = {file.name: file.read_text() for file in (tmp_path / "logs").iterdir()}
    today = left.keys() - {"tcc-run-new.log", "mine.log"}
    assert [left[name] for name in today] == ["ran\nran\n"]
    assert {"tcc-run-new.log", "mine.log"} <= left.keys()


def test_what_comes_before_a_run_cannot_keep_it_from_running(tmp_path: Path) -> None:
    program(tmp_path / "tcc", f"touch {tmp_path / 'ran'}")
    table = Timetable("run", 0, tmp_path / "tcc", ("run",), tmp_path / "logs", root=tmp_path)
    command = hourly(table).replace("find ", "false; find-that-is-absent ")
    subprocess.run(["sh", "-c", command], capture_output=True, check=False, timeout=30)
    assert (tmp_path / "ran").exists()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@pytest.mark.parametrize("folder", ["plain", "with space", "50%", 'a"b', "$HOME"])
def test_systemd_takes_the_units(
    tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    here, programs = tmp_path / folder, tmp_path / "an environment, 50% of $HOME"
    for made in (here, programs):
        made.mkdir()
    tool = programs / "tcc"
    program(tool, "exit 0")
    table = Timetable("run", 5, tool, ("run", "--data-dir", str(here)), here, root=here)
    for name, text in schedules.units(table).items():
        files.write_text(tmp_path / "units" / name, text)
    names = [str(tmp_path / "units" / name) for name in schedules.units(table)]
    command = ["systemd-analyze", "verify", "--user", "--man=no", *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    ours = [line for line in done.stderr.splitlines() if "tcc-run" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_reads_the_timer_as_every_hour(store: Paths) -> None:
    timer = schedules.units(schedules.planned(store, minute=5))["tcc-run.timer"]
    when = re.search(r"OnCalendar=(.*)", timer)
    assert when and "Persistent=true" in timer and "WakeSystem=false" in timer
    command = ["systemd-analyze", "calendar", "--iterations=3", when[1]]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert len(re.findall(r":05:00", done.stdout)) >= 3


@pytest.mark.skipif(not REAL_CRONTAB, reason="cron is not installed")
def test_cron_takes_the_lines(store: Paths, tmp_path: Path) -> None:
    """Debian's `crontab -n` looks at the syntax and installs nothing."""
    lines = "\n".join(schedules.crontab(schedules.planned(store))) + "\n"
    file = files.write_text(tmp_path / "tab", lines)
    told = subprocess.run([str(REAL_CRONTAB), "-h"], capture_output=True, text=True, check=False)
    if "dry run" not in told.stderr + told.stdout:
        pytest.skip("this crontab has no dry run")
    command = [str(REAL_CRONTAB), "-n", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    file.write_text(lines.replace("* * * *", "* * * 99", 1))
    assert subprocess.run(command, capture_output=True, check=False, timeout=30).returncode != 0


# ---- Cron, installed ---------------------------------------------------------------------


def test_installing_twice_leaves_one_schedule_and_every_other_line(
    machine: Path, store: Paths
) -> None:
    (machine / "kept").write_text(OTHERS)
    table = schedules.planned(store)
    assert "are now in" in schedule_places.install_cron(table).done[0]
    assert "stand in" in schedule_places.install_cron(table).done[0]
    assert kept(machine) == OTHERS + "\n".join(schedules.crontab(table)) + "\n"


def test_another_minute_takes_the_place_of_the_first(machine: Path, store: Paths) -> None:
    schedule_places.install_cron(schedules.planned(store))
    schedule_places.install_cron(schedules.planned(store, minute=30))
    assert re.findall(r"^(\d+) \*", kept(machine), re.M) == ["30"]


def test_two_names_stand_side_by_side_and_go_one_by_one(machine: Path, store: Paths) -> None:
    (machine / "kept").write_text(OTHERS)
    for name in ("run", "run-2"):
        schedule_places.install_cron(schedules.planned(store, name=name))
    schedule_places.remove_cron("run")
    assert kept(machine).startswith(OTHERS + "# tcc-run-2: begin")
    schedule_places.remove_cron("run-2")
    assert kept(machine) == OTHERS
    assert "has no lines" in schedule_places.remove_cron("run").done[0]


def test_a_crontab_that_cannot_be_read_is_not_replaced(machine: Path, store: Paths) -> None:
    program(
        machine / "crontab", f'[ "$1" = -l ] || touch {machine}/written; echo denied >&2; exit 1'
    )
    with pytest.raises(ConfigError, match="it refuses: denied"):
        schedule_places.install_cron(schedules.planned(store))
    assert not (machine / "written").exists()


def test_lines_without_their_end_are_left_to_the_user(machine: Path, store: Paths) -> None:
    begin, _ = schedules.marks("run")
    (machine / "kept").write_text(f"{begin}\n{OTHERS}")
    for change in (
        lambda: schedule_places.install_cron(schedules.planned(store)),
        lambda: schedule_places.remove_cron("run"),
    ):
        with pytest.raises(ConfigError, match="the first or the last is missing"):
            change()
    assert kept(machine) == f"{begin}\n{OTHERS}"


def test_a_schedule_of_another_project_is_not_replaced(machine: Path, store: Paths) -> None:
    other = Timetable("run", 0, Path("/x/tcc"), ("run",), Path("/x/logs"), root=Path("/x"))
    schedule_places.install_cron(other)
    before = kept(machine)
    with pytest.raises(ConfigError, match="of another folder"):
        schedule_places.install_cron(schedules.planned(store))
    assert kept(machine) == before


def test_without_cron_the_error_names_what_else_there_is(
    machine: Path, store: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = schedules.planned(store)
    (machine / "crontab").unlink()
    monkeypatch.setenv("PATH", str(machine))
    with pytest.raises(ConfigError, match="not installed") as caught:
        schedule_places.install_cron(table)
    assert "tcc schedule systemd" in caught.value.remedy


# ---- systemd, installed ------------------------------------------------------------------


def test_units_are_written_switched_on_and_taken_out(
    machine: Path, store: Paths, tmp_path: Path
) -> None:
    folder = schedule_places.units_folder()
    assert folder == tmp_path / "home" / ".config" / "systemd" / "user"
    for _ in range(2):
        schedule_places.install_units(schedules.planned(store))
    assert sorted(file.name for file in folder.iterdir()) == ["tcc-run.service", "tcc-run.timer"]
    asked = ["--user daemon-reload", "--user enable --now tcc-run.timer"]
    assert (machine / "asked").read_text().splitlines() == asked * 2
    schedule_places.remove_units("run")
    assert list(folder.iterdir()) == []
    asked = ["--user disable --now tcc-run.timer", "--user daemon-reload"]
    assert (machine / "asked").read_text().splitlines()[-2:] == asked
    assert "There is no tcc-run" in schedule_places.remove_units("run").done[0]


def test_where_systemd_does_not_answer_the_commands_are_told(machine: Path, store: Paths) -> None:
    program(machine / "systemctl", 'echo "Failed to connect to bus" >&2; exit 1')
    placed = schedule_places.install_units(schedules.planned(store))
    assert len(placed.done) == 2
    reload, enable = placed.left[:2]
    assert reload == "systemctl --user daemon-reload"
    assert enable == "systemctl --user enable --now tcc-run.timer"


def test_units_of_another_project_are_not_replaced(machine: Path, store: Paths) -> None:
    other = Timetable("run", 0, Path("/x/tcc"), ("run",), Path("/x/logs"), root=Path("/x"))
    schedule_places.install_units(other)
    with pytest.raises(ConfigError, match="of another folder"):
        schedule_places.install_units(schedules.planned(store))


# ---- The command and the doctor ----------------------------------------------------------


def test_the_doctor_recognises_what_was_installed(
    machine: Path, store: Paths, tmp_path: Path
) -> None:
    places = Places(tmp_path / "home", tmp_path / "etc", tmp_path / "proc")
    assert list(doctor_schedule.found(places, ROOT)) == []
    table = schedules.planned(store)
    schedule_places.install_cron(table)
    schedule_places.install_units(table)
    timer = schedule_places.units_folder() / "tcc-run.timer"
    starters = {one.place: one.enable for one in doctor_schedule.found(places, ROOT)}
    assert starters == {
        "crontab -l (line 2)": "",
        str(timer): "Run: systemctl --user enable --now tcc-run.timer",
    }


def test_the_command_prints_and_installs_nothing_by_itself(machine: Path, store: Paths) -> None:
    table = schedules.planned(store)
    done = tcc("schedule", "cron", "--data-dir", str(store.data))
    assert done.stdout.splitlines() == schedules.crontab(table)
    assert "tcc schedule cron --install" in done.stderr
    done = tcc("schedule", "systemd", "--data-dir", str(store.data))
    assert all(text in done.stdout for text in schedules.units(table).values())
    assert not (machine / "kept").exists() and not (machine / "asked").exists()


def test_the_command_installs_removes_and_names_what_a_schedule_does_not_see(
    machine: Path, store: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUYA_ACCESS_ID", "hidden0id")
    done = tcc("schedule", "cron", "--install", "--data-dir", str(store.data))
    assert done.returncode == 0, done.stderr
    assert "TUYA_ACCESS_ID" in done.stderr and "hidden0id" not in done.stdout + done.stderr
    assert len(kept(machine).splitlines()) == 4
    assert tcc("schedule", "cron", "--remove").returncode == 0
    assert kept(machine) == ""
    assert tcc("schedule", "systemd", "--install", "--remove").returncode == 2


@pytest.mark.slow
def test_the_printed_line_collects_an_hour_as_cron_runs_it(
    machine: Path, store: Paths, tmp_path: Path
) -> None:
    """In the environment that cron gives, by `sh`, with a first run of the demo house before."""
    no_env = str(tmp_path / "no.env")
    words = ["run", "--source", "demo", "--days", "1", "--no-pdf", "--data-dir", str(store.data)]
    first = [str(schedules.planned(store).program), *words]
    subprocess.run(first, check=True, capture_output=True, timeout=300)
    before = Journal(store.journal).last()
    done = tcc("schedule", "cron", "--no-pdf", "--data-dir", str(store.data))
    job = done.stdout.splitlines()[1].removeprefix("0 * * * * ").replace("\\%", "%")
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "LOGNAME": "me"}
    ran = subprocess.run(
        ["/bin/sh", "-c", job], env=env | {"TCC_ENV_FILE": no_env}, capture_output=True, timeout=300
    )
    (log,) = (store.data / "logs").iterdir()
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b""), log.read_text()
    assert "Run of 2026-04-22T16:00:00Z kept in" in log.read_text()
    after = Journal(store.journal).last()
    assert before and after and after.asked_at - before.asked_at >= timedelta(minutes=59)
