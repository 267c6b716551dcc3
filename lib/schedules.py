"""What starts `tcc run` every hour without a daemon: the lines of cron, the units of systemd.

Belongs here: their text, for this project, this environment and one store. Does not belong here:
putting them in place (`schedule_places.py`), recognising any schedule (`doctor_schedule.py`).

A store, a settings file and a search path are named in them, never a secret.
"""

import os
import re
import shlex
import shutil
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lib.credentials import Environment
from lib.errors import ConfigError
from lib.paths import DEFAULT_DATA, ROOT, Paths

WAIT_S = 600  # for a run that began by hand, or is not over
AFTER_BOOT_S = 120  # for the network to be there
AT_MOST = "55min"
KEEP_LOGS_DAYS = 30
SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin")
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")


@dataclass(frozen=True)
class Timetable:
    """What is started, where and when; `name` tells one schedule from another."""

    name: str
    minute: int
    program: Path
    words: tuple[str, ...]
    logs: Path
    root: Path = ROOT
    folders: tuple[str, ...] = SYSTEM_PATH  # where programs such as latexmk are looked for
    settings: Path | None = None  # TCC_ENV_FILE, a path

    @property
    def command(self) -> tuple[str, ...]:
        """The command and its words."""
        return (str(self.program), *self.words)

    @property
    def unit(self) -> str:
        """The name of its units and of its lines in a crontab."""
        return f"tcc-{self.name}"


def planned(paths: Paths, *, name: str = "run", minute: int = 0, page: bool = True) -> Timetable:
    """The timetable of a store in this environment. Raises ConfigError."""
    program = Path(sysconfig.get_path("scripts")) / "tcc"
    if not program.exists():
        raise ConfigError("tcc itself is not installed.", where=str(program), remedy="make setup")
    if not NAME.fullmatch(name):
        raise ConfigError(
            "a schedule's name has small letters, digits and hyphens.",
            where=repr(name),
            remedy="Choose another one with --name.",
        )
    words = ["run", "--wait", str(WAIT_S), *([] if page else ["--no-pdf"])]
    words += [] if paths.data == DEFAULT_DATA else ["--data-dir", str(paths.data)]
    settings = os.environ.get("TCC_ENV_FILE")
    table = Timetable(
        *(name, minute, program, tuple(words), paths.data / "logs"),
        folders=_folders(),
        settings=Path(settings).absolute() if settings else None,
    )
    return _writable_in_a_line(table)


def _folders() -> tuple[str, ...]:
    """The system's folders of programs, after that of LaTeX where it is elsewhere."""
    latex = shutil.which("latexmk")
    own = [str(Path(latex).parent)] if latex else []
    return tuple(dict.fromkeys([*(one for one in own if one not in SYSTEM_PATH), *SYSTEM_PATH]))


def _writable_in_a_line(table: Timetable) -> Timetable:
    for text in (*table.command, str(table.root), str(table.logs), str(table.settings)):
        if not text.isprintable():
            raise ConfigError(
                "a path with control characters stands in no crontab and in no unit.",
                where=repr(text),
                remedy="Rename the folder.",
            )
    return table


def unseen() -> list[str]:
    """Variables of this shell that a schedule would not know of: they belong in `.env`."""
    fields = Environment.model_fields.values()
    aliases = [getattr(f.validation_alias, "choices", [f.validation_alias]) for f in fields]
    names = [str(name) for choices in aliases for name in choices]
    return [name for name in names if os.environ.get(name)]


# ---- cron --------------------------------------------------------------------------------


def marks(name: str) -> tuple[str, str]:
    """The lines between which ours stand in a crontab."""
    return f"# tcc-{name}: begin (made by tcc schedule cron)", f"# tcc-{name}: end"


def crontab(table: Timetable) -> list[str]:
    """The lines for a crontab: each hour, and once after a start of the computer."""
    begin, end = marks(table.name)
    job = cron_job(table)
    return [begin, f"{table.minute} * * * * {job}", f"@reboot sleep {AFTER_BOOT_S}; {job}", end]


def cron_job(table: Timetable) -> str:
    """The command of a line, which `sh` takes as it stands.

    A log for each day; those older than a month go. What comes before the run cannot keep it
    from running, and a run that cannot be started says so by cron's mail.
    """
    steps = (
        "umask 077",
        f"L={_cron(table.logs)}",
        'mkdir -p "$L"',
        f"find \"$L\" -name '{table.unit}-*.log' -mtime +{KEEP_LOGS_DAYS} -delete",
        f"{_variables(table)} {_polite()} {' '.join(map(_cron, table.command))}"
        f' >> "$L"/{table.unit}-$(date +\\%F).log 2>&1',
    )
    return f"cd {_cron(table.root)} && {{ {'; '.join(steps)}; }}"


def _variables(table: Timetable) -> str:
    """What the run's environment is told, before its command."""
    return " ".join(f"{name}={_cron(value)}" for name, value in _environment(table).items())


def _environment(table: Timetable) -> dict[str, str]:
    given = {"PATH": ":".join(table.folders)}
    return given | ({"TCC_ENV_FILE": str(table.settings)} if table.settings else {})


def _polite() -> str:
    """After what people do: nice, and ionice where there is one."""
    return "nice -n 10" + (" ionice -c 3" if shutil.which("ionice") else "")


def _cron(text: str | Path) -> str:
    """A word for the shell in a crontab, where a percent sign ends the command."""
    return shlex.quote(str(text)).replace("%", "\\%")


# ---- systemd -----------------------------------------------------------------------------


def units(table: Timetable) -> dict[str, str]:
    """The texts of the service and of its timer, by file name. The journal keeps its log."""
    return {f"{table.unit}.service": _service(table), f"{table.unit}.timer": _timer(table)}


def _service(table: Timetable) -> str:
    given = [f"{name}={value}" for name, value in _environment(table).items()]
    return _lines(
        f"# Made by: tcc schedule systemd --name {table.name}",
        "[Unit]",
        "Description=One hour of the energy logs (tcc run)",
        "",
        "[Service]",
        "Type=oneshot",
        f"WorkingDirectory={_percent(str(table.root))}",
        *(f"Environment={_quoted(one)}" for one in given),
        f"ExecStart=:{' '.join(map(_quoted, table.command))}",
        f"TimeoutStartSec={AT_MOST}",
        "KillSignal=SIGINT",
        "UMask=0077",
        "Nice=10",
        "IOSchedulingClass=idle",
        "NoNewPrivileges=true",
    )


def _timer(table: Timetable) -> str:
    """A timer that catches up with the hour that a computer slept through, and wakes none."""
    return _lines(
        f"# Made by: tcc schedule systemd --name {table.name}",
        "[Unit]",
        "Description=Every hour: the energy logs (tcc run)",
        "",
        "[Timer]",
        f"OnCalendar=*-*-* *:{table.minute:02}:00",
        "Persistent=true",
        "WakeSystem=false",
        "AccuracySec=30s",
        "",
        "[Install]",
        "WantedBy=timers.target",
    )


def _lines(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def _percent(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    """A word of a unit file; the colon before a command keeps its dollar signs."""
    if re.fullmatch(r"[\w/.,:=+@-]+", word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return _percent(f'"{escaped}"')


def without(lines: Iterable[str], name: str) -> list[str]:
    """The lines of a crontab that are not of this schedule. Raises ConfigError.

    Where a mark is missing nothing is guessed: a line of somebody else's might go.
    """
    begin, end = marks(name)
    kept, inside = [], False
    for line in lines:
        if line in (begin, end) and inside == (line == begin):
            raise _torn(name)
        if line == begin:
            inside = True
        elif line == end:
            inside = False
        elif not inside:
            kept.append(line)
    if inside:
        raise _torn(name)
    return kept


def _torn(name: str) -> ConfigError:
    return ConfigError(
        f"of the lines of tcc-{name} in the crontab the first or the last is missing.",
        where="crontab -l",
        risk="Nothing was changed.",
        remedy="Take what is left of them out by hand (crontab -e), then install again.",
    )
