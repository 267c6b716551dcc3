"""Secrets are nowhere: every stage fails on purpose, then every byte that was written is read.

The cloud is the stand-in over TLS with marked credentials; its device lists carry marked
personal fields, its tokens are known here, and its refusals repeat what they should not.
"""

import base64
import gzip
import html
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import matplotlib
import nbformat
import pandas as pd
import pypdf
import pytest
import tinytuya
from matplotlib.figure import Figure
from pydantic import SecretStr

from lib import notebooks, notify, pipeline, warehouse
from lib.credentials import Credentials
from lib.demo import kinds
from lib.demo.access import CLOUD_UID, TOKEN_PATH
from lib.demo.catalogue import SENSOR, TV
from lib.demo.faults import Fault
from lib.demo.registry import FAKE_MARKERS
from lib.demo.simulated import SimulatedHouse
from lib.demo.standin import StandIn
from lib.demo.state import Refusal
from lib.errors import NotebookFailed, SourceError
from lib.journal import Journal
from lib.paths import NOTEBOOKS, ROOT, Paths
from lib.times import DAY, HOUR, iso, parse_instant, to_ms
from lib.tuya import TuyaCloud

NOW = parse_instant("2026-04-22T15:00:00Z")
ACCESS_ID = "marked0access0id0000"
ACCESS_SECRET = "marked0access0secret000000000000"  # pragma: allowlist secret
PERSON, PASSWORD = "marked-person", "marked%2Fpass-word"  # pragma: allowlist secret
HOOK, OTHER_HOOK, NO_ADDRESS = "MarkedHook0Token1", "MarkedHook0Token2", "MarkedHook0Token3"
needs_tex = pytest.mark.skipif(not shutil.which("latexmk"), reason="latexmk is not installed")


# ---- The search ---------------------------------------------------------------------------


def forms(secret: str) -> set[bytes]:
    """A secret as it may stand in a file: plain, quoted, in HTML, in JSON, in base64."""
    plain = {secret, quote(secret, safe=""), html.escape(secret), json.dumps(secret)[1:-1]}
    # Where it begins at another byte than each third, base64 of it reads otherwise.
    shifted = [base64.b64encode(b"\0" * n + secret.encode())[4:-4] for n in range(3)]
    return {form.encode() for form in plain} | {form for form in shifted if len(form) >= 8}


def contents(file: Path) -> Iterator[bytes]:
    """A file as it lies there, and what a reader of its kind would see in it."""
    content = file.read_bytes()
    yield content
    if content[:2] == b"\x1f\x8b":
        yield unpacked(content)
    if content[:4] == b"PAR1":
        with suppress(Exception), warehouse.connect() as connection:  # or a part of one
            rows = connection.execute("SELECT * FROM read_parquet($f)", {"f": str(file)})
            yield repr(rows.fetchall()).encode()
    if content[:5] == b"%PDF-":
        yield from texts(file, content)


def unpacked(content: bytes) -> bytes:
    """What can be unpacked of a file, whole or not."""
    reader, found = zlib.decompressobj(wbits=31), b""
    for start in range(0, len(content), 64):
        with suppress(zlib.error):
            found += reader.decompress(content[start : start + 64])
    return found


def texts(file: Path, content: bytes) -> Iterator[bytes]:
    """The streams of a PDF, and its words without the gaps that a typesetter leaves."""
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", content, re.DOTALL):
        with suppress(zlib.error):
            yield zlib.decompressobj().decompress(stream)
    with suppress(pypdf.errors.PyPdfError):
        words = "".join(page.extract_text() for page in pypdf.PdfReader(file).pages)
        yield "".join(words.split()).encode()


def sightings(folders: Iterable[Path], secrets: Iterable[str]) -> list[str]:
    """Where any of the secrets stands: in names, in files and in what is packed in them."""
    wanted = {form: secret for secret in secrets for form in forms(secret)}
    any_of = re.compile(b"|".join(re.escape(form) for form in sorted(wanted, key=len)))
    found = []
    for folder in folders:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = str(file.relative_to(folder))
            for text in (name.encode(), *contents(file)):
                found += [f"{name}: {wanted[form]}" for form in {*any_of.findall(text)}]
    return sorted({*found})


def planted() -> dict[str, Callable[[Path], object]]:
    """Ways in which a secret may lie in a file."""
    row = pd.DataFrame({"value": [ACCESS_SECRET] * 50})

    def printed(file: Path) -> None:
        figure = Figure()
        figure.text(0.1, 0.5, f"x {ACCESS_SECRET}")
        figure.savefig(file)

    packed = gzip.compress(b"before " * 50 + ACCESS_SECRET.encode() + os.urandom(5000))
    return {
        "plain.txt": lambda file: file.write_text(f"a{ACCESS_SECRET}b"),
        "rows.json.gz": lambda file: file.write_bytes(gzip.compress(ACCESS_SECRET.encode())),
        "cut_short.json.gz": lambda file: file.write_bytes(packed[:-900]),
        "data_0.parquet": lambda file: row.to_parquet(file, compression="zstd"),
        "figure.pdf": printed,
        "header.txt": lambda file: file.write_bytes(
            base64.b64encode(f"user:{ACCESS_SECRET}".encode())
        ),
        f"{ACCESS_SECRET}.txt": lambda file: file.write_text(""),
        "lib.log": lambda file: file.write_text(f"GET /?secret={quote(ACCESS_SECRET)} HTTP/1.1"),
    }


def test_the_search_finds_a_secret_however_it_lies_there(tmp_path: Path) -> None:
    for number, (name, plant) in enumerate(planted().items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert sightings([folder], [ACCESS_SECRET]) == []
        plant(folder / name)
        assert sightings([folder], [ACCESS_SECRET]) == [f"{name}: {ACCESS_SECRET}"]
        assert sightings([folder], [ACCESS_ID, "marked-other-secret"]) == []


def test_the_search_finds_secrets_with_odd_characters(tmp_path: Path) -> None:
    secret = "p&ss/w<r\"d's\\of açaí"  # pragma: allowlist secret
    for number, form in enumerate(forms(secret)):
        (tmp_path / f"{number}.txt").write_bytes(b"x" + form)
    found = sightings([tmp_path], [secret])
    assert len(found) == len(forms(secret)) == 7


# ---- The marked cloud ---------------------------------------------------------------------


@contextmanager
def marked_cloud() -> Iterator[StandIn]:
    """A stand-in with marked credentials, whose refusals repeat them and the token."""
    marks = {"access_id": ACCESS_ID, "access_secret": ACCESS_SECRET}
    with (
        StandIn(SimulatedHouse(), now=NOW, retention_days=2, **marks) as standin,
        pytest.MonkeyPatch.context() as patch,
    ):
        token = standin.tokens.grant()["access_token"]
        for kind, code, told in (("sign_invalid", 1004, ""), ("permission_denied", 1106, token)):
            echo = f"no: {ACCESS_ID} with {ACCESS_SECRET} {told}"
            patch.setitem(kinds.REFUSALS, kind, Refusal(code, echo))
        yield standin


def tokens(standin: StandIn) -> set[str]:
    """The two tokens that the cloud gives at this time."""
    told = standin.tokens.grant()
    return {str(told["access_token"]), str(told["refresh_token"])}


def access(standin: StandIn) -> Credentials:
    return Credentials(
        access_id=SecretStr(ACCESS_ID),
        access_secret=SecretStr(ACCESS_SECRET),
        host=standin.endpoint.removeprefix("https://"),
        ca_bundle=standin.ca_bundle,
    )


# ---- Loggers and errors, in this process ---------------------------------------------------

TALKERS = ("tinytuya", "tinytuya.Cloud", "urllib3", "urllib3.connectionpool", "requests", "apprise")


class Ears(logging.Handler):
    """Hears every logger at every level, also those that do not pass on what they say."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(f"{record.name} {record.getMessage()} {record.exc_info}")


@pytest.fixture
def ears(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ears]:
    ears, call = Ears(), logging.Logger.callHandlers
    levels = {name: logging.getLogger(name).level for name in ("", *TALKERS)}

    def heard(self: logging.Logger, record: logging.LogRecord) -> None:
        ears.emit(record)
        call(self, record)

    monkeypatch.setattr(logging.Logger, "callHandlers", heard)
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield ears
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def client(standin: StandIn) -> TuyaCloud:
    return TuyaCloud(access(standin), timeout_s=10, pause=lambda pause_s: None)


CALLS: dict[str, Callable[[TuyaCloud], object]] = {
    TOKEN_PATH: TuyaCloud.check,
    "associated-users": TuyaCloud.devices,
    "specification": lambda cloud: cloud.specification(TV),
    "/logs": lambda cloud: [*cloud.log_pages(TV, to_ms(NOW - DAY), to_ms(NOW))],
}


def failures(standin: StandIn) -> Iterator[SourceError]:
    """Every call of the client, each refused in several ways."""
    for path, call in CALLS.items():
        # Only a client that has a token can be told of it.
        of_token = ["permission_denied"] if path != TOKEN_PATH else []
        for kind in ("sign_invalid", *of_token, "token_expired", "html_502"):
            standin.faults.clear()
            standin.faults.add(Fault(kind, path=path, times=None))
            with closing(client(standin)) as cloud, pytest.raises(SourceError) as caught:
                call(cloud)
            yield caught.value
    standin.faults.clear()


def told(error: BaseException) -> str:
    """All that an error says: itself, its traceback and what it stands on."""
    return "".join([str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)])


def seen_in(text: str, secrets: Iterable[str]) -> list[str]:
    """The secrets that a text holds in any form."""
    return [s for s in secrets if any(form in text.encode() for form in forms(s))]


def test_no_logger_and_no_error_of_the_client_repeats_a_secret(ears: Ears) -> None:
    secrets = {ACCESS_ID, ACCESS_SECRET, *FAKE_MARKERS, CLOUD_UID}
    with marked_cloud() as standin, closing(client(standin)) as cloud:
        assert cloud.devices()
        seen = [told(error) for error in failures(standin)]
        secrets |= tokens(standin)
        said = [repr(cloud), repr(vars(cloud)), repr(access(standin)), str(access(standin))]
    logging.getLogger("tinytuya").debug("heard")
    assert len(seen) == 15 and ears.said[-1].startswith("tinytuya heard")
    assert any(line.startswith("urllib3.connectionpool") for line in ears.said)
    for text in (*seen, *ears.said, *said):
        assert seen_in(text, secrets) == [], text


def test_tinytuyas_own_debugging_says_nothing_of_the_cloud(
    ears: Ears, capfd: pytest.CaptureFixture[str]
) -> None:
    """With `tinytuya.set_debug()`, as its own documentation advises."""
    root = logging.getLogger()
    before = list(root.handlers)
    tinytuya.set_debug(True, False)
    try:
        with marked_cloud() as standin, closing(client(standin)) as cloud:
            secrets = {ACCESS_ID, ACCESS_SECRET, *FAKE_MARKERS, *tokens(standin)}
            assert cloud.devices()
    finally:
        tinytuya.set_debug(False)
        root.handlers[:] = before
    out, err = capfd.readouterr()
    assert seen_in("\n".join([out, err, *ears.said]), secrets) == []


@contextmanager
def mailbox() -> Iterator[tuple[str, list[str]]]:
    """An address that takes messages, and what came there."""
    taken: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"json://{PERSON}:{PASSWORD}@127.0.0.1:{server.server_port}/{HOOK}", taken
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


CLOSED = f"json://{PERSON}:{PASSWORD}@127.0.0.1:9/{OTHER_HOOK}"
NONSENSE = f"nonsense://{PERSON}@{NO_ADDRESS}/"
OF_ADDRESSES = {PERSON, PASSWORD, HOOK, OTHER_HOOK, NO_ADDRESS, CLOSED, NONSENSE}


def test_no_logger_repeats_an_address_of_notifications(
    ears: Ears, capfd: pytest.CaptureFixture[str]
) -> None:
    with mailbox() as (taken_at, taken):
        assert notify.send(taken_at, "a title", "a body")
        for address in (CLOSED, NONSENSE, f"//{NO_ADDRESS}", f"mailto://{PERSON}:{PASSWORD}@"):
            assert not notify.send(address, "a title", "a body")
    out, err = capfd.readouterr()
    assert len(taken) == 1 and "a body" in taken[0]
    assert seen_in("\n".join([out, err, *ears.said, *taken]), OF_ADDRESSES | {taken_at}) == []


# ---- Executed notebooks --------------------------------------------------------------------


def book(folder: Path, *sources: str) -> Path:
    """A notebook whose first cell holds its parameters."""
    written = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    written.cells[0].metadata["tags"] = ["parameters"]
    written.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
    nbformat.write(written, folder / "leaky.ipynb")
    return folder / "leaky.ipynb"


def test_secrets_with_odd_characters_are_taken_out_of_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = "p&ss/w<r\"d's\\of açaí-marked"  # pragma: allowlist secret
    monkeypatch.setenv("A_PASSWORD", odd)
    monkeypatch.setenv("TUYA_ACCESS_SECRET", ACCESS_SECRET)
    talk = (
        "import html, json, os, urllib.parse\nodd = os.environ['A_PASSWORD']\n"
        "print(odd, repr(odd), json.dumps(odd), html.escape(odd), urllib.parse.quote(odd))\n"
        "display({'of': odd})\nraise RuntimeError(dict(os.environ))"
    )
    with pytest.raises(NotebookFailed) as caught:
        notebooks.run(book(tmp_path, "x = 1", talk), tmp_path / "run {of} today", {})
    kept = tmp_path / "run {of} today"
    assert sorted(file.name for file in kept.iterdir()) == ["leaky.html", "leaky.ipynb"]
    assert sightings([kept], [odd, ACCESS_SECRET]) == []
    assert seen_in(told(caught.value).split("The above exception")[-1], [odd]) == []
    assert "RuntimeError" in (kept / "leaky.html").read_text("utf-8")


def test_a_run_killed_after_a_secret_was_printed_leaves_none_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    talk = "import os\nprint(dict(os.environ))"
    source = book(tmp_path, "x = 1", talk, "import time\nopen('/dev/null')\ntime.sleep(60)")
    code = (
        "from pathlib import Path; from lib import notebooks; "
        f"notebooks.run(Path({str(source)!r}), Path({str(tmp_path / 'kept')!r}), {{}})"
    )
    env = os.environ | {"TUYA_ACCESS_SECRET": ACCESS_SECRET, "TMPDIR": str(tmp_path / "kept")}
    process = subprocess.Popen([sys.executable, "-c", code], env=env, cwd=ROOT)
    copy, end = tmp_path / "kept" / source.name, time.monotonic() + 60
    while not (copy.exists() and "TUYA_ACCESS_SECRET" in copy.read_text("utf-8")):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    assert "***" in copy.read_text("utf-8")
    assert sightings([tmp_path / "kept"], [ACCESS_SECRET]) == []


# ---- The whole pipeline, failing at every stage ---------------------------------------------

# Every process of the run, kernels too, writes what any logger says at DEBUG into a file.
LISTEN = f"""
import logging, os
_file = logging.FileHandler(os.path.join(os.environ["LISTENED"], f"{{os.getpid()}}.log"))
_call = logging.Logger.callHandlers
def _heard(self, record):
    _file.handle(record)
    _call(self, record)
logging.Logger.callHandlers = _heard
for _name in {("", *TALKERS, "papermill", "nbclient", "traitlets", "jupyter_client")}:
    logging.getLogger(_name).setLevel(logging.DEBUG)
"""
# An analysis that falls over with all it knows, in place of the real one.
LEAK = """
import os
from lib.credentials import credentials, environment
print(dict(os.environ), credentials().access_secret.get_secret_value())
known = environment().notify.get_secret_value(), credentials().access_id.get_secret_value()
raise RuntimeError(f"{dict(os.environ)} and {known}")
"""


@dataclass
class BadDay:
    """A store and all else that its runs wrote, what they said, and the secrets they knew."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    codes: dict[str, int] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)

    @property
    def store(self) -> Paths:
        return Paths.at(self.folder / "store" / "data")

    def tcc(self, stage: str, *words: str, code: str = "") -> None:
        """Run the command; what it prints is a file to be searched like any other."""
        code += "from lib.cli import app; app()"
        command = [sys.executable, "-c", code, *words, "--data-dir", str(self.store.data)]
        done = subprocess.run(
            command, env=self.env, cwd=ROOT, capture_output=True, timeout=300, check=False
        )
        self.codes[stage] = done.returncode
        (self.folder / "said" / f"{stage}.out").write_bytes(done.stdout)
        (self.folder / "said" / f"{stage}.err").write_bytes(done.stderr)

    def said(self, stage: str) -> str:
        both = [(self.folder / "said" / f"{stage}.{end}").read_text() for end in ("out", "err")]
        return " ".join("".join(both).split())


@pytest.fixture(scope="module")
def bad_day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BadDay]:
    """Run the whole pipeline again and again, failing at one stage after the other."""
    day = BadDay(tmp_path_factory.mktemp("s"))
    hidden = tmp_path_factory.mktemp("hidden")  # what the user wrote: it is not searched
    with marked_cloud() as standin, mailbox() as (taken_at, taken):
        _set_up(day, hidden, standin, taken_at)
        for stage in (_sign_in, _list, _logs, _marts, _staging, _whole, _page, _analysis):
            stage(day, standin)
            standin.faults.clear()
            day.secrets |= tokens(standin)
        day.taken = taken
        (day.folder / "said" / "messages.txt").write_text("\n".join(taken))
        yield day


def _set_up(day: BadDay, hidden: Path, standin: StandIn, taken_at: str) -> None:
    for name in ("home", "t", "log", "said", "store"):
        (day.folder / name).mkdir()
    (hidden / "sitecustomize.py").write_text(LISTEN)
    (hidden / "mapping.json").write_text(json.dumps({SENSOR: "Sensor", TV: "TV"}))
    notify_to = f"TCC_NOTIFY={taken_at} {CLOSED} {NONSENSE}\n"
    (hidden / "the.env").write_text(f"ACCESS_SECRET={ACCESS_SECRET}\n{notify_to}")
    (hidden / "the.env").chmod(0o600)
    day.secrets = {ACCESS_ID, ACCESS_SECRET, *FAKE_MARKERS, CLOUD_UID, *OF_ADDRESSES, taken_at}
    day.env = os.environ | {
        "ACCESS_ID": ACCESS_ID,
        "API_ENDPOINT": standin.endpoint,
        "TUYA_CA_BUNDLE": str(standin.ca_bundle),
        "DEVICE_MAPPING_PATH": str(hidden / "mapping.json"),
        "TCC_ENV_FILE": str(hidden / "the.env"),
        "PYTHONPATH": f"{hidden}:{ROOT}",
        "MPLCONFIGDIR": matplotlib.get_configdir(),  # or its cache of fonts is made anew
        "LISTENED": str(day.folder / "log"),
        "HOME": str(day.folder / "home"),
        "TMPDIR": str(day.folder / "t"),
        "COLUMNS": "200",
    }


def _sign_in(day: BadDay, standin: StandIn) -> None:
    standin.faults.add(Fault("sign_invalid", path=TOKEN_PATH, times=None))
    day.tcc("sign-in", "ingest", "--now", iso(NOW))


def _list(day: BadDay, standin: StandIn) -> None:
    standin.faults.add(Fault("sign_invalid", path="associated-users", times=None))
    day.tcc("list", "ingest", "--now", iso(NOW))


def _logs(day: BadDay, standin: StandIn) -> None:
    """One device is refused with the cloud's own words, the other one in the midst of its logs."""
    standin.faults.add(Fault("permission_denied", path=f"{SENSOR}/logs", times=None))
    standin.faults.add(Fault("subscription_expired", path=f"{TV}/logs", after=6, times=None))
    day.tcc("logs", "ingest", "--now", iso(NOW))


def _marts(day: BadDay, standin: StandIn) -> None:
    """A raw file is cut short, which staging sets aside; the marts cannot be written."""
    entry = next(e for e in Journal(day.store.journal).all() if e.rows)
    file = day.store.raw / entry.file
    file.write_bytes(file.read_bytes()[:-30])
    day.store.marts.write_text("in the way")
    day.tcc("marts", "stage", "--now", iso(NOW))
    day.store.marts.unlink()


def _staging(day: BadDay, standin: StandIn) -> None:
    shutil.rmtree(day.store.staging)
    day.store.staging.write_text("in the way")
    day.tcc("staging", "stage", "--now", iso(NOW))
    day.store.staging.unlink()


def _whole(day: BadDay, standin: StandIn) -> None:
    """A run that goes well up to LaTeX, which prints its environment and stops at an error."""
    standin.clock.move_to(NOW + HOUR)
    path = day.env["PATH"]
    if latexmk := shutil.which("latexmk"):
        wrapper = Path(day.env["PYTHONPATH"].partition(":")[0]) / "latexmk"
        wrapper.write_text(
            f'#!/bin/sh\nenv > "$TMPDIR/latex.env"\nexec {latexmk} "$@" -usepretex=\'\\nonsense\'\n'
        )
        wrapper.chmod(0o755)
        day.env["PATH"] = f"{wrapper.parent}:{path}"
    day.tcc("whole", "run", "--now", iso(NOW + HOUR))
    day.env["PATH"] = path


def _page(day: BadDay, standin: StandIn) -> None:
    """The page after all, so that there is something of everything."""
    day.tcc("page", "pdf")


def _analysis(day: BadDay, standin: StandIn) -> None:
    """The notebook of the analysis falls over with the environment in its traceback."""
    changed = nbformat.read(NOTEBOOKS / "10_energy.ipynb", as_version=4)
    changed.cells.insert(3, nbformat.v4.new_code_cell(LEAK))
    folder = Path(day.env["PYTHONPATH"].partition(":")[0])
    nbformat.write(changed, folder / "10_energy.ipynb")
    path = f"from pathlib import Path; execution.NOTEBOOKS = Path({str(folder)!r});"
    day.tcc(
        "analysis", "analyse", "--now", iso(NOW + HOUR), code=f"from lib import execution; {path}"
    )


STAGES = {
    "sign-in": "1004",
    "list": "1004",
    "logs": "28841002",
    "marts": "03_marts.ipynb",
    "staging": "02_stage.ipynb",
    "analysis": "RuntimeError",
}


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_failed_as_it_was_meant_to(bad_day: BadDay, stage: str) -> None:
    assert bad_day.codes[stage] == 1, bad_day.said(stage)
    assert STAGES[stage] in bad_day.said(stage)


@needs_tex
@pytest.mark.slow
def test_latex_failed_as_it_was_meant_to(bad_day: BadDay) -> None:
    assert bad_day.codes["whole"] == 1
    assert "TypesettingFailed" in bad_day.said("whole")
    assert "pdflatex" in bad_day.said("whole")
    assert "PATH=" in (bad_day.folder / "t" / "latex.env").read_text()
    assert bad_day.codes["page"] == 0, bad_day.said("page")
    assert bad_day.store.pdf.stat().st_size > 50_000


@pytest.mark.slow
def test_the_runs_wrote_what_runs_write(bad_day: BadDay) -> None:
    """Else the search has nothing to search."""
    for step in ("01_ingest", "02_stage", "03_marts", "10_energy"):
        assert f"{step} ok" in bad_day.said("whole")
    store = bad_day.store
    for pattern in ("raw/*/*/*.gz", "quarantine/**/*.gz", "runs/*/*.html", "staging/*/*.parquet"):
        assert list(store.data.glob(pattern)), pattern
    assert any("_partial" in file.name for file in store.raw.rglob("*.gz"))
    assert len(list((bad_day.folder / "log").glob("*.log"))) >= 12  # commands and kernels
    logged = "".join(f.read_text() for f in (bad_day.folder / "log").glob("*.log"))
    assert len(logged.splitlines()) > 100 and "/v1.0/" in logged
    executed = [json.loads(f.read_text()) for f in store.runs.glob("*/10_energy.ipynb")]
    leaked = [json.dumps(one) for one in executed if "RuntimeError" in json.dumps(one)]
    assert leaked and "ACCESS_ID" in leaked[0] and "***" in leaked[0]
    assert bad_day.taken and "not sent" in bad_day.said("logs")


@pytest.mark.slow
def test_no_byte_that_was_written_holds_a_secret(bad_day: BadDay) -> None:
    assert len(bad_day.secrets) >= 17
    assert sightings([bad_day.folder], bad_day.secrets) == []
    assert pipeline.STEPS  # what is run here is what is run every hour


@pytest.mark.slow
def test_the_search_of_that_store_would_have_found_them(bad_day: BadDay) -> None:
    raw = next(iter(bad_day.store.raw.glob("*/*/*.gz")))
    spoiled = bad_day.store.data / "planted.json.gz"
    text = gzip.decompress(raw.read_bytes()) + "\n".join(bad_day.secrets).encode()
    spoiled.write_bytes(gzip.compress(text))
    try:
        found = sightings([bad_day.store.data], bad_day.secrets)
        assert {line.partition(": ")[2] for line in found} == bad_day.secrets
    finally:
        spoiled.unlink()
