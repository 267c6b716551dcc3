"""What `tcc doctor` looks at on this computer: environment, settings, secrets, LaTeX.

Belongs here: what a check is, what the checks share, checks that need neither rows nor cloud.
Does not belong here: the store (`doctor_store.py`), the cloud (`doctor_cloud.py`), the schedule
(`doctor_schedule.py`), the order of the checks and the next step (`doctor.py`).
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import lib
from lib import config, credentials, latexmk, origins, status
from lib.attempts import Attempt, every
from lib.config import Config
from lib.credentials import Credentials, Environment
from lib.errors import SourceError
from lib.journal import Entry, Journal
from lib.origins import Origin
from lib.paths import TCC, Paths
from lib.status import Status, Watched
from lib.tuya import TuyaCloud

State = Literal["good", "warning", "bad", "not checked"]
COMMAND_S = 10  # how long a program of the system may take to answer
PACKAGE = re.compile(r"^\\RequirePackage(?:\[[^]]*\])?\{([\w-]+)\}", re.MULTILINE)
# What monografia.tex itself loads that is in none of LaTeX's basic packages.
DOCUMENT = ("abntex2.cls", "abntex2cite.sty", "brazil.ldf", "lmodern.sty", "microtype.sty")
FILL = "Fill TUYA_ACCESS_ID, TUYA_ACCESS_SECRET and TUYA_REGION in .env"


@dataclass(frozen=True)
class Check:
    """What a check found: its state, a sentence, what to do, and lines of detail.

    After one that `stops` the checks that need it are left out.
    """

    state: State
    said: str
    remedy: str = ""
    details: tuple[str, ...] = ()
    stops: bool = False
    name: str = ""


def good(said: str, details: Iterable[str] = ()) -> Check:
    """All is well."""
    return Check("good", said, details=tuple(details))


def warning(said: str, remedy: str, details: Iterable[str] = ()) -> Check:
    """It works, but something should be done."""
    return Check("warning", said, remedy, tuple(details))


def bad(said: str, remedy: str, details: Iterable[str] = (), *, stops: bool = False) -> Check:
    """It does not work, or something is being lost."""
    return Check("bad", said, remedy, tuple(details), stops)


def unchecked(said: str) -> Check:
    """There is nothing to look at, or an earlier check failed."""
    return Check("not checked", said, stops=True)


@dataclass
class Visit:
    """What the checks look at, and what the earlier ones found out for the later ones.

    `judged_at` is the clock of the store: a simulated one lives at its last collection.
    """

    paths: Paths
    root: Path
    now: datetime
    judged_at: datetime
    pause: Callable[[float], None]
    config: Config = field(default_factory=Config)
    origin: Origin | None = None
    access: Credentials | None = None
    cloud: TuyaCloud | None = None
    listed: list[dict[str, Any]] | None = None
    refused: SourceError | None = None  # why there is no list
    asked: str = ""  # the device whose specification and log are asked for
    codes: tuple[str, ...] = ()  # what it reports

    @property
    def measured(self) -> bool:
        """Whether the rows are the user's own, or will be."""
        return self.origin.kind == "measured" if self.origin else self.access is not None

    @cached_property
    def watched(self) -> list[Watched]:
        """How long each device that is asked is silent, and when its unread logs expire."""
        return status.watched(self.paths, self.config, now=self.judged_at)

    @cached_property
    def entries(self) -> list[Entry]:
        """The journal, of a file entered twice the later line."""
        return Journal(self.paths.journal).all()

    @cached_property
    def status(self) -> Status:
        """The store as `tcc status` sees it."""
        return status.of(self.paths, self.config, now=self.judged_at)

    @cached_property
    def attempts(self) -> list[Attempt]:
        """All collections, oldest first."""
        return every(self.paths)


def python(visit: Visit) -> Check:
    """The interpreter, and the packages that the project names."""
    version = ".".join(map(str, sys.version_info[:3]))
    try:
        needed = metadata.requires("tcc-energia") or []
    except metadata.PackageNotFoundError:
        return warning(f"Python {version}; tcc itself is not installed.", "Run: make setup")
    names = [re.split(r"[^\w.-]", line)[0] for line in needed]
    if absent := [name for name in names if not _installed(name)]:
        return bad(f"Python {version} lacks {', '.join(absent)}.", "Run: make setup")
    return good(f"{version} in {sys.prefix}, tcc {lib.__version__}, all {len(names)} packages.")


def _installed(name: str) -> bool:
    return bool(list(metadata.distributions(name=name)))


def settings(visit: Visit) -> Check:
    """config.toml and the names of devices."""
    visit.config = config.load(visit.root)
    return good(f"config.toml is in order; {len(visit.config.devices)} device(s) named.")


def store(visit: Visit) -> Check:
    """Whether the store can be written to; nothing is written to find out."""
    paths = visit.paths
    data = next(one for one in (paths.data, *paths.data.parents) if one.exists())
    if not data.is_dir():
        remedy = f"Move the file {data} away, or name another folder with --data-dir."
        return bad(f"{data} is a file.", remedy, stops=True)
    for place in (data, paths.raw, paths.runs, paths.journal):
        if place.exists() and not os.access(place, os.W_OK | (os.X_OK if place.is_dir() else 0)):
            remedy = f"Make {place} writable for this user (chown, mount), or use --data-dir."
            return bad(f"{place} cannot be written to.", remedy)
    return good(f"{paths.data} {'can be written to' if data == paths.data else 'can be made'}.")


def origin(visit: Visit) -> Check:
    """Whether the rows of the store are measured, simulated or recorded."""
    visit.origin = origins.of(visit.paths)
    if visit.origin is None:
        return good("Nothing has been collected yet.")
    named = f" ({visit.origin.name})" if visit.origin.name else ""
    return good(f"{visit.origin.kind.capitalize()} rows{named}.")


def access(visit: Visit) -> Check:
    """Whether there are credentials and where they come from; never what they are."""
    visit.access = credentials.credentials(visit.root)
    if visit.access:
        return good(f"Found in {_found_in(visit.root)}.")
    if visit.origin and visit.origin.kind == "recorded":
        return unchecked("None, and a recorded series needs none.")
    if visit.origin and visit.origin.kind == "measured":
        return bad("There are none, and the store holds real rows.", f"{FILL}.", stops=True)
    remedy = f"{FILL} (README, Your own devices), or see the demo house: make demo"
    return Check("warning", "There are none; the demo house works without.", remedy, stops=True)


def _found_in(root: Path) -> str:
    """The places that the pair is read from, by their names."""
    file, env = Path(os.environ.get("TCC_ENV_FILE") or ".env"), credentials.environment(root)
    given = {name.upper() for name, value in os.environ.items() if value}
    places = [
        "the environment" if given & _names(part) else file.name
        for part in ("access_id", "access_secret")
        if getattr(env, part)
    ]
    return " and ".join(dict.fromkeys(places)) or "tinytuya.json"


def _names(part: str) -> set[str]:
    """The variables that a part of the pair may stand in."""
    alias: Any = Environment.model_fields[part].validation_alias
    return set(alias.choices)


def secret_files(visit: Visit) -> Check:
    """Whether other users of this computer can read files with secrets."""
    if found := credentials.exposed(visit.root):
        names = " ".join(map(str, found))
        return warning(f"Other users can read {names}.", f"Run: chmod 600 {names}")
    return good("Nobody else can read them, or there are none.")


def tex(visit: Visit) -> Check:
    """LaTeX, and the packages that the document loads."""
    if absent := [name for name in ("latexmk", "kpsewhich") if not shutil.which(name)]:
        return warning(f"There is no {absent[0]}: all but the PDF is made.", latexmk.install())
    style = (TCC / "tcc.sty").read_text("utf-8")
    wanted = {*DOCUMENT, *(f"{name}.sty" for name in PACKAGE.findall(style))}
    found = {Path(line).name for line in output("kpsewhich", *sorted(wanted))}
    if lacking := sorted(wanted - found):
        return warning(f"LaTeX lacks {', '.join(lacking)}: there is no PDF.", latexmk.install())
    return good(f"latexmk and the {len(wanted)} packages asked for are there.")


def output(*command: str) -> list[str]:
    """The lines that a program of the system prints; none where it is absent or hangs."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.decode("utf-8", "replace").splitlines()


def notifications(visit: Visit) -> Check:
    """How many addresses are told of alarms; never which."""
    if not visit.measured:
        return unchecked("No alarms without devices of your own.")
    if count := len(credentials.notify_addresses(visit.root)):
        return good(f"Alarms go to {count} address(es).")
    remedy = "Name an address in TCC_NOTIFY (.env), e.g. ntfy://TOPIC: README, Settings."
    return warning("Nobody is told of alarms: TCC_NOTIFY is empty.", remedy)
