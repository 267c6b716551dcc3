"""Hard times: full disks, clocks that jump, two runs at once, spoiled files, a run cut off.

Each trouble ends with its reason said, loses nothing, and the run after it leaves the store as
if the trouble had never been. docs/when-things-go-wrong.md tells the same to the user.
"""

import gc
import gzip
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import IO, Any

import nbformat
import pytest

from lib import (
    archive,
    catalogue,
    files,
    ingest,
    marts,
    origins,
    page,
    raw,
    sources,
    staging,
    staging_files,
    warehouse,
)
from lib.config import Config, Device, Ingestion
from lib.demo.catalogue import SENSOR, TV
from lib.demo.faults import Fault
from lib.demo.simulated import SimulatedHouse
from lib.demo.standin import StandIn
from lib.errors import BadRawFile, ConfigError, SourceRejected
from lib.journal import Entry, Journal
from lib.paths import NOTEBOOKS, ROOT, Paths
from lib.spans import merge, missing
from lib.staged_date import Report
from lib.times import iso, parse_instant, to_ms

NOW = datetime(2026, 4, 22, 15, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOUSE = SimulatedHouse()
DEVICES = (SENSOR, TV)
CONFIG = Config(
    devices=(Device(id=SENSOR, name="Sensor"), Device(id=TV, name="TV")),
    ingestion=Ingestion(retention_days=2, calls_per_s=1000),
)
FULL, READ_ONLY = "No space left on device", "Read-only file system"


# ---- The cloud, a store, and what a store holds --------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with StandIn(HOUSE, now=NOW, retention_days=2) as stand_in:
        yield stand_in


def address(standin: StandIn) -> dict[str, str]:
    """The environment that leads to the stand-in as the configured cloud."""
    return {
        "ACCESS_ID": standin.access_id,
        "ACCESS_SECRET": standin.access_secret,
        "API_ENDPOINT": standin.endpoint,
        "TUYA_CA_BUNDLE": str(standin.ca_bundle),
    }


@pytest.fixture
def cloud(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    server.faults.clear()
    server.clock.move_to(NOW)
    server.clock.skew_s = 0.0
    for name, value in address(server).items():
        monkeypatch.setenv(name, value)
    return server


def collect(store: Paths, now: datetime = NOW) -> ingest.Report:
    """Collect at the instant that this computer takes for now."""
    with sources.opened("cloud", store, CONFIG, now=now) as opened:
        return ingest.run(store, opened, CONFIG, now=now)


def prepare(store: Paths) -> Report:
    """Stage what is new and build the marts."""
    report = staging.run(store, CONFIG)
    marts.run(store, CONFIG)
    return report


# Where and when a row was taken in says nothing of what it is.
STAGED = "* EXCLUDE (filename, ingestion_timestamp_utc, ingested_by)"
ORDER = "ORDER BY device_id, event_time, event_id, code"


def rows(store: Paths) -> list[tuple[str | None, ...]]:
    """All staged rows in the order of their key, without where and when they were taken in."""
    return made(store)["staging"]


def made(store: Paths) -> dict[str, list[tuple[str | None, ...]]]:
    """What was made of the raw rows: staged rows, and every mart by its dates, as text."""
    found = {"staging": []} if not warehouse.has_rows(store.staging) else {}
    folders = [store.staging, *(f for f in sorted(store.marts.glob("*")) if f.name[0] != "_")]
    with warehouse.connect() as connection:
        for folder in (folder for folder in folders if warehouse.has_rows(folder)):
            wanted, order = (STAGED, ORDER) if folder == store.staging else ("*", "ORDER BY ALL")
            query = f"SELECT COLUMNS({wanted})::VARCHAR FROM read_parquet($f) {order}"
            given = {"f": warehouse.partitions(folder)}
            found[folder.name] = connection.execute(query, given).fetchall()
    return found


@cache
def known(folder: Path) -> dict[str, list[tuple[str | None, ...]]]:
    """The same of a store that does not change any more."""
    return made(Paths.at(folder))


def keys(store: Paths) -> list[tuple[str, int, int, str | None]]:
    """The keys of all staged rows: device, time in ms, event and code."""
    query = "SELECT device_id, epoch_ms(event_time), event_id, code FROM read_parquet($f)"
    with warehouse.connect() as connection:
        return connection.execute(query, {"f": warehouse.partitions(store.staging)}).fetchall()


def served(start: datetime, end: datetime) -> set[tuple[str, int, int, str | None]]:
    """The keys of the rows that the cloud had in [start, end]."""
    return {
        (device, row.event_time_ms, row.event_id, row.code)
        for device in DEVICES
        for row in HOUSE.rows(device, to_ms(start), to_ms(end) + 1)
    }


def whole(store: Paths) -> list[Entry]:
    """The journal's entries; each line of it is one, and each file is what its line says."""
    entries = Journal(store.journal).all()
    for entry in entries:
        if entry.rows or entry.complete:
            staging_files.verify(store.raw / entry.file, entry)
    return entries


def leftovers(folder: Path) -> list[str]:
    """Files that were begun and never finished."""
    found = [file for file in folder.rglob("*") if file.name.endswith(".tmp")]
    return [str(file.relative_to(folder)) for file in found]


def moved(folder: Path, target: Path) -> Paths:
    """A copy of a store in another place."""
    shutil.copytree(folder, target, symlinks=True)
    return Paths.at(target)


@pytest.fixture(scope="module")
def good(server: StandIn, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Copies of a store to which nothing ever happened, after each step and an hour later."""
    folder = tmp_path_factory.mktemp("good")
    store = Paths.at(folder / "store")
    server.clock.move_to(NOW)
    kept = {}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in address(server).items():
            patch.setenv(name, value)
        for name, step in {
            "nothing": lambda: store.data.mkdir(),
            "collected": lambda: collect(store),
            "staged": lambda: staging.run(store, CONFIG),
            "built": lambda: marts.run(store, CONFIG),
            "an hour later": lambda: (
                server.clock.move_to(NOW + HOUR),
                collect(store, NOW + HOUR),
                prepare(store),
            ),
        }.items():
            step()  # type: ignore[no-untyped-call]
            kept[name] = moved(store.data, folder / name.replace(" ", "-")).data
    assert len(rows(store)) > 1000
    return kept


# ---- A process of its own, on a small disk of its own where there must be one ---------------


def cells(name: str, **given: str) -> None:
    """Run the code of a notebook in this process, as papermill would in a kernel."""
    book = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    space: dict[str, Any] = {}
    for cell in (cell for cell in book.cells if cell.cell_type == "code"):
        exec(cell.source, space)
        if "parameters" in cell.metadata.get("tags", ()):
            space |= given


def draw(store: Paths) -> None:
    """Draw the figures into a run's folder, then put them where the page reads them."""
    run_dir = store.runs / f"run-{len(list(store.runs.glob('*')))}"
    run_dir.mkdir(parents=True)
    cells("10_energy", data_dir=str(store.data), run_dir=str(run_dir))
    page.promote(run_dir, store)


STEPS: dict[str, Callable[[Paths], Any]] = {
    "ingest": collect,
    "stage": lambda store: staging.run(store, CONFIG),
    "build": lambda store: marts.run(store, CONFIG),
    "draw": draw,
}


def shell(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def do_mount(disk: str, kib: int) -> None:
    """Put an empty small disk over a folder."""
    shell("mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", disk)


def do_unmount(disk: str) -> None:
    shell("umount", disk)


def do_copy(source: str, target: str) -> None:
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)


def do_fill(disk: str, leave_kib: int) -> None:
    """Fill a disk up to some room."""
    free_kib = shutil.disk_usage(disk).free // 1024
    with (Path(disk) / "ballast").open("wb") as ballast:
        ballast.write(b"\0" * 1024 * (free_kib - leave_kib))


def do_make_room(disk: str) -> None:
    (Path(disk) / "ballast").unlink()


def do_protect(disk: str, mode: str) -> None:
    """Mount a disk for reading only (ro), or for writing again (rw)."""
    shell("mount", "-o", f"remount,{mode}", disk)


def do_step(name: str, data: str, now: str = "") -> None:
    store = Paths.at(data)
    if now:
        collect(store, parse_instant(now))
    else:
        STEPS[name](store)


def do_tcc(words: list[str]) -> list[Any]:
    """Run the command as the user would: exit code, and what it printed."""
    code = "from lib.cli import app; app()"
    env = os.environ | {"COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], env=env, capture_output=True, text=True, check=False
    )
    return [done.returncode, done.stdout, done.stderr]


def serve() -> None:
    """Do what the lines of the standard input say, and answer each with a line."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the work prints is no answer
    for line in sys.stdin:
        order = json.loads(line)
        answer: dict[str, Any] = {}
        try:
            answer["result"] = globals()[f"do_{order.pop('do')}"](**order)
        except Exception as error:  # noqa: BLE001 (an answer too)
            answer["error"] = f"{type(error).__name__}: {error}"
        gc.collect()  # a traceback may hold a file open, and the disk with it
        print(json.dumps(answer), file=answers, flush=True)


class Worker:
    """Another process that does what it is told."""

    def __init__(self, env: dict[str, str], *prefix: str) -> None:
        code = "from tests.test_hard_times import serve; serve()"
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-c", code],
            env=os.environ | env,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin and self._process.stdout
        self._in: IO[str] = self._process.stdin
        self._out: IO[str] = self._process.stdout

    def ask(self, do: str, **given: Any) -> None:
        """Give an order without waiting for the answer."""
        print(json.dumps({"do": do} | given), file=self._in, flush=True)

    def answer(self) -> dict[str, Any]:
        """Wait for the answer to the order given first."""
        found: dict[str, Any] = json.loads(self._out.readline() or '{"error": "it died"}')
        return found

    def trouble(self, do: str, **given: Any) -> str:
        """Do something and say what went wrong, or nothing."""
        self.ask(do, **given)
        return str(self.answer().get("error", ""))

    def __call__(self, do: str, **given: Any) -> Any:
        """Do something that must go well."""
        self.ask(do, **given)
        answer = self.answer()
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def close(self) -> None:
        self._in.close()
        self._process.wait(20)
        self._out.close()


def own_mounts(folder: Path) -> list[str]:
    """The command that gives a process mounts of its own, as root or as a user."""
    mount = ("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder))
    for flags in ("-m", "-rm"):
        prefix = ["unshare", flags, "--propagation", "private"]
        with suppress(OSError):
            if not subprocess.run([*prefix, *mount], capture_output=True, check=False).returncode:
                return prefix
    return []


class Disk:
    """A worker with a small disk of its own, which nobody else sees."""

    def __init__(self, env: dict[str, str], folder: Path, prefix: list[str]) -> None:
        self.folder, self.work = folder, Worker(env, *prefix)

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    def __call__(self, do: str, **given: Any) -> Any:
        return self.work(do, disk=str(self.folder), **given)

    def begin(self, store: Path, kib: int = 3000) -> None:
        """An empty disk with a copy of a store."""
        self.work.trouble("unmount", disk=str(self.folder))
        self("mount", kib=kib)
        self.work("copy", source=str(store), target=self.data)

    def trouble(self, step: str) -> str:
        return self.work.trouble("step", name=step, data=self.data)

    def look(self, target: Path) -> Paths:
        """A copy of the store on the disk."""
        self.work("copy", source=self.data, target=str(target))
        return Paths.at(target)


@pytest.fixture(scope="module")
def disk_worker(server: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    folder = tmp_path_factory.mktemp("disk")
    if not (prefix := own_mounts(folder)):
        pytest.skip("no small disk: neither unshare -m nor unshare -rm may mount a tmpfs here")
    disk = Disk(address(server), folder, prefix)
    yield disk
    disk.work.close()


@pytest.fixture
def disk(disk_worker: Disk, cloud: StandIn) -> Disk:
    return disk_worker


BEFORE = {"ingest": "nothing", "stage": "collected", "build": "staged", "draw": "built"}
AFTER = ("ingest", "stage", "build")


def mended(disk: Disk, step: str) -> None:
    """The rest of the run once the disk takes what is written: it must go well."""
    names = [*AFTER, "draw"] if step == "draw" else AFTER
    for name in names[names.index(step) :]:
        assert disk.trouble(name) == ""


@pytest.mark.parametrize(
    ("step", "leave_kib"),
    [
        *[("ingest", kib) for kib in (0, 12, 40)],
        *[("stage", kib) for kib in (0, 20)],
        *[("build", kib) for kib in (0, 60)],
    ],
)
def test_a_full_disk_stops_a_step_with_its_reason_and_nothing_is_lost(
    disk: Disk, good: dict[str, Path], tmp_path: Path, step: str, leave_kib: int
) -> None:
    disk.begin(good[BEFORE[step]])
    disk("fill", leave_kib=leave_kib)
    said = disk.trouble(step)
    assert FULL in said, said
    spoiled = disk.look(tmp_path / "full")
    whole(spoiled)
    assert leftovers(spoiled.data) == []
    disk("make_room")
    mended(disk, step)
    after = disk.look(tmp_path / "after")
    assert made(after) == known(good["built"])
    assert leftovers(after.data) == []


@pytest.mark.parametrize("step", ["ingest", "stage", "build"])
def test_a_disk_for_reading_only_stops_a_step_and_changes_nothing(
    disk: Disk, good: dict[str, Path], tmp_path: Path, step: str
) -> None:
    disk.begin(good[BEFORE[step]])
    disk("protect", mode="ro")
    assert READ_ONLY in disk.trouble(step)
    before, seen = Paths.at(good[BEFORE[step]]), disk.look(tmp_path / "seen")
    assert made(seen) == made(before)
    disk("protect", mode="rw")
    mended(disk, step)
    assert made(disk.look(tmp_path / "after")) == known(good["built"])


def digests(folder: Path) -> dict[str, str]:
    """The digest of each file of a folder, hidden ones included."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.mark.slow
@pytest.mark.parametrize("leave_kib", [0, 40])
def test_figures_on_a_full_disk_leave_the_old_ones_in_place(
    disk: Disk, good: dict[str, Path], tmp_path: Path, leave_kib: int
) -> None:
    disk.begin(good["built"])
    assert disk.trouble("draw") == ""
    old = digests(disk.look(tmp_path / "drawn").figures)
    assert len(old) >= 9
    disk("fill", leave_kib=leave_kib)
    assert FULL in disk.trouble("draw")
    assert digests(disk.look(tmp_path / "full").figures) == old
    disk("make_room")
    mended(disk, "draw")
    after = disk.look(tmp_path / "after")
    assert digests(after.figures) == old and leftovers(after.data) == []


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_the_command_says_what_is_wrong_with_the_disk_in_a_paragraph(
    disk: Disk, good: dict[str, Path], trouble: str
) -> None:
    disk.begin(good["built"])
    if trouble == "full":
        disk("fill", leave_kib=0)
    else:
        disk("protect", mode="ro")
    words = ["stage", "--rebuild", "--now", iso(NOW), "--data-dir", disk.data]
    code, out, err = disk.work("tcc", words=words)
    disk("protect", mode="rw")
    assert code == 1
    said = " ".join((out + err).split())
    assert (FULL if trouble == "full" else READ_ONLY) in said
    assert disk.data in said and "Traceback" not in said


# ---- Clocks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("jump_h", [-2, 2])
def test_a_clock_that_jumps_and_stays_loses_nothing_once_it_is_right_again(
    cloud: StandIn, store: Paths, jump_h: int
) -> None:
    wrong = range(3, 9)  # hours during which this computer's clock is off
    for hour in range(13):
        true = NOW + hour * HOUR
        cloud.clock.move_to(true)
        collect(store, true + (jump_h * HOUR if hour in wrong else 0 * HOUR))
        staging.run(store, CONFIG)
    end = NOW + 12 * HOUR
    margin = timedelta(seconds=CONFIG.ingestion.margin_s)
    found = keys(store)
    assert len(found) == len(set(found))
    assert set(found) >= served(NOW - 2 * DAY, end - margin)
    assert set(found) <= served(NOW - 3 * DAY, end)
    whole(store)


@pytest.mark.parametrize("jump_h", [-2, 2])
def test_a_clock_by_which_the_cloud_refuses_signatures_is_named_and_loses_nothing(
    cloud: StandIn, good: dict[str, Path], tmp_path: Path, jump_h: int
) -> None:
    store = moved(good["built"], tmp_path / "store")
    before = made(store)
    cloud.clock.move_to(NOW + HOUR)
    cloud.clock.skew_s = -3600.0 * jump_h  # this computer is ahead by as much
    refused = _refusal(store, NOW + HOUR + jump_h * HOUR)
    assert refused.code == 1013
    assert "clock" in refused.remedy
    assert made(store) == before
    cloud.clock.skew_s = 0.0
    assert collect(store, NOW + HOUR).left == 0
    prepare(store)
    assert rows(store) == known(good["an hour later"])["staging"]


def _refusal(store: Paths, now: datetime) -> SourceRejected:
    """The refusal of a collection, raised or reported."""
    with pytest.raises(SourceRejected) as caught:
        collect(store, now).raise_if_stopped()
    return caught.value


@pytest.mark.parametrize("now", ["1970-01-01T00:10:00Z", "1999-12-31T23:30:00Z"])
def test_a_clock_before_2000_is_refused_by_the_cloud_and_leaves_nothing_behind(
    cloud: StandIn, good: dict[str, Path], tmp_path: Path, now: str
) -> None:
    store, clock = moved(good["built"], tmp_path / "store"), parse_instant(now)
    entries, before = Journal(store.journal).all(), made(store)
    cloud.clock.move_to(NOW + HOUR)
    cloud.clock.skew_s = (NOW - clock).total_seconds()
    assert "clock" in _refusal(store, clock).remedy
    prepare(store)
    assert Journal(store.journal).all() == entries and made(store) == before
    cloud.clock.skew_s = 0.0
    collect(store, NOW + HOUR)
    prepare(store)
    assert made(store) == known(good["an hour later"])


# ---- Two at once ----------------------------------------------------------------------------


LEAVES = "another collection is under way in this folder. Nothing is lost"


def test_two_collections_at_once_keep_every_row_whole(
    cloud: StandIn, good: dict[str, Path], tmp_path: Path
) -> None:
    """As where somebody runs the notebook by hand while `tcc run` collects."""
    store = Paths.at(tmp_path / "store")
    workers = [Worker(address(cloud)) for _ in range(2)]
    try:
        for hour in range(2):
            cloud.clock.move_to(NOW + hour * HOUR)
            for worker in workers:
                worker.ask("step", name="ingest", data=str(store.data), now=iso(cloud.clock.now))
            ends = [str(worker.answer().get("error", "")) for worker in workers]
            assert "" in ends and all(not end or LEAVES in end for end in ends), ends
    finally:
        for worker in workers:
            worker.close()
    lines = store.journal.read_bytes().splitlines()
    assert len(whole(store)) == len(lines) and len(lines) == len({*lines})
    assert leftovers(store.data) == []
    assert prepare(store).quarantined == []
    assert made(store) == known(good["an hour later"])


# ---- Spoiled files --------------------------------------------------------------------------


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip_a_byte(file: Path) -> None:
    """Flip a byte that the unpacked text survives: only the checksum tells."""
    packed = file.read_bytes()
    for position in range(len(packed) - 9, 20, -1):
        spoiled = bytearray(packed)
        spoiled[position] ^= 1
        file.write_bytes(spoiled)
        with warehouse.connect() as connection, suppress(Exception):
            staging_reads = "SELECT count(*) FROM read_json($f)"
            if connection.execute(staging_reads, {"f": str(file)}).fetchall():
                return
    raise AssertionError("no byte of it can be flipped without DuckDB's noticing")


def empty(file: Path) -> None:
    file.write_bytes(b"")


def api_error(file: Path) -> None:
    said = b'{"code":28841002,"msg":"No permissions.","success":false,"t":1}'
    file.write_bytes(gzip.compress(said))


SPOILS = [cut_short, flip_a_byte, empty, api_error]


def full_file(store: Paths) -> Entry:
    """The entry of a whole file with rows of the newest day."""
    entries = Journal(store.journal).all()
    return next(e for e in reversed(entries) if e.rows > 50 and e.device_id == TV)


@pytest.mark.parametrize("spoil", SPOILS)
@pytest.mark.parametrize("when", ["collected", "built"])
def test_a_spoiled_raw_file_is_set_aside_and_its_window_asked_again(
    cloud: StandIn,
    good: dict[str, Path],
    tmp_path: Path,
    spoil: Callable[[Path], None],
    when: str,
) -> None:
    """`built`: the file goes bad after it was staged; the next rows of its date show it."""
    store = moved(good[when], tmp_path / "store")
    entry = full_file(store)
    spoil(store.raw / entry.file)
    cloud.clock.move_to(NOW + HOUR)
    if when == "built":
        collect(store, NOW + HOUR)
    report = prepare(store)
    assert [file.name for file in report.quarantined] == [Path(entry.file).name]
    assert raw.reason(report.quarantined[0])["file"] == entry.file
    (finding,) = [f for f in report.findings if f.name == "tcc.staging.quarantined"]
    for word in (str(report.quarantined[0]), "faltam", "tcc import"):  # where, risk, remedy
        assert word in finding.text
    assert finding.data["what"] and finding.data["remedy"]
    others = [e for e in Journal(store.journal).all() if e.file != entry.file and e.rows]
    kept = {row[0:1] for row in keys(store)}
    assert kept == {(TV,), (SENSOR,)} and len(others) >= 5  # everything else goes on
    asked_at = NOW + HOUR if when == "collected" else NOW + 2 * HOUR
    cloud.clock.move_to(NOW + HOUR)
    collect(store, asked_at)
    prepare(store)
    assert {*known(good["an hour later"])["staging"]} <= {*rows(store)}
    whole(store)


def test_a_spoiled_raw_file_that_the_cloud_forgot_costs_its_own_rows_only(
    cloud: StandIn, good: dict[str, Path], tmp_path: Path
) -> None:
    store = moved(good["collected"], tmp_path / "store")
    entry = full_file(store)
    cut_short(store.raw / entry.file)
    prepare(store)
    lost = served(entry.start, entry.end - timedelta(milliseconds=1))
    lost = {key for key in lost if key[0] == entry.device_id}
    found = set(keys(store))
    assert found and not found & lost
    assert len(found) + len(lost) == len(keys(Paths.at(good["built"])))
    (back,) = [e for e in Journal(store.journal).all() if e.file == entry.file]
    assert (back.complete, back.rows) == (False, 0)


def test_no_flipped_bit_of_a_raw_file_passes_for_other_rows(
    good: dict[str, Path], tmp_path: Path
) -> None:
    store = moved(good["collected"], tmp_path / "store")
    entry = min((e for e in Journal(store.journal).all() if e.rows), key=lambda e: e.rows)
    file = store.raw / entry.file
    packed, told = file.read_bytes(), staging_files.verify(file, entry)
    noticed = 0
    for position in range(0, len(packed), max(1, len(packed) // 300)):
        spoiled = bytearray(packed)
        spoiled[position] ^= 1 << (position % 8)
        file.write_bytes(spoiled)
        try:
            assert staging_files.verify(file, entry) == told
        except BadRawFile as error:
            noticed += 1
            assert entry.file in error.where and error.risk and error.remedy
    assert noticed > 250


def test_a_journal_with_a_torn_last_line_is_closed_and_its_file_found_again(
    cloud: StandIn, good: dict[str, Path], tmp_path: Path
) -> None:
    store = moved(good["collected"], tmp_path / "store")
    entered = Journal(store.journal).all()
    store.journal.write_bytes(store.journal.read_bytes()[:-60])
    cloud.clock.move_to(NOW + HOUR)
    collect(store, NOW + HOUR)
    report = prepare(store)
    assert report.quarantined == []
    (finding,) = [f for f in report.findings if f.name == "tcc.staging.adopted"]
    assert (finding.data["files"], finding.data["first"]) == (1, entered[-1].file)
    assert str(store.journal) in finding.text and "Nada se perdeu" in finding.text
    assert made(store) == known(good["an hour later"])
    assert {e.file for e in entered} <= {e.file for e in whole(store)}


@pytest.mark.parametrize(
    ("when", "spoil"), [("collected", "deleted"), ("built", "deleted"), ("built", "of zeros")]
)
def test_a_lost_journal_is_made_again_from_the_files(
    cloud: StandIn, good: dict[str, Path], tmp_path: Path, when: str, spoil: str
) -> None:
    store = moved(good[when], tmp_path / "store")
    entered = Journal(store.journal).all()
    size = store.journal.stat().st_size
    store.journal.unlink()
    if spoil == "of zeros":  # what a power cut may leave of a file
        store.journal.write_bytes(b"\0" * size)
    cloud.clock.move_to(NOW + HOUR)
    assert collect(store, NOW + HOUR).left == 0
    report = prepare(store)
    (finding,) = [f for f in report.findings if f.name == "tcc.staging.adopted"]
    assert finding.data["files"] == len(entered)
    assert {e.file for e in entered} <= {e.file for e in whole(store)}
    assert made(store) == known(good["an hour later"])


# ---- A store that moved ---------------------------------------------------------------------


def test_a_store_that_was_moved_goes_on_where_it_stood(
    cloud: StandIn, good: dict[str, Path], tmp_path: Path
) -> None:
    old = moved(good["built"], tmp_path / "old")
    catalogue.refresh(old)
    old.data.rename(tmp_path / "a place {with} [odd] name")
    store = Paths.at(tmp_path / "a place {with} [odd] name")
    cloud.clock.move_to(NOW + HOUR)
    report = collect(store, NOW + HOUR)
    assert report.left == 0 and report.planned <= 2 * len(DEVICES)
    staged = prepare(store)
    assert staged.dates == ["2026-04-22"] and staged.findings == []
    assert made(store) == known(good["an hour later"])
    catalogue.refresh(store)
    with warehouse.connect(store.catalogue) as connection:
        count = connection.execute("SELECT count(*) FROM readings").fetchall()
    assert count == [(len(keys(store)),)]
    assert not (tmp_path / "old").exists()


# ---- A run cut off --------------------------------------------------------------------------


def alive(command: str) -> list[int]:
    """The processes of this machine whose command line or environment names a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            if command.encode() in told and int(process.name) != os.getpid():
                found.append(int(process.name))
    return found


def until(true: Callable[[], Any], seconds: float = 60) -> None:
    """Wait for another process."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def started(cloud: StandIn, store: Paths, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A `tcc run` that hangs in the middle of its collection, in a kernel."""
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps({SENSOR: "Sensor", TV: "TV"}))
    hang = cloud.faults.add(Fault("hang", path=f"{TV}/logs", after=1, times=None))
    code = "from lib.cli import app; app()"
    words = ("run", "--now", iso(NOW), "--no-pdf", "--data-dir", str(store.data))
    env = os.environ | {"DEVICE_MAPPING_PATH": str(mapping), "COLUMNS": "200"}
    env |= {"TMPDIR": str(tmp_path), "A_MARK": f"run of {tmp_path}"}
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: hang.done or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_cut_off_leaves_no_kernel_and_no_lock_and_the_next_completes_it(
    cloud: StandIn,
    store: Paths,
    tmp_path: Path,
    started: "subprocess.Popen[str]",
    sign: signal.Signals,
    code: int,
) -> None:
    mark = f"A_MARK=run of {tmp_path}"
    assert len(alive(mark)) == 3  # the command, the process that forks, and its kernel
    match = "another run is under way"
    with pytest.raises(ConfigError, match=match) as busy, origins.alone(store):
        pass
    assert busy.value.where and busy.value.risk and busy.value.remedy
    started.send_signal(sign)
    assert started.wait(20) == code
    assert alive(mark) == []
    assert not list(tmp_path.glob("tcc-*"))  # the kernel's sockets
    with files.locked(store.data / "run.lock", busy=ConfigError("busy")):
        pass
    assert not (store.runs / "latest").exists()
    whole(store)
    cloud.faults.clear()
    assert collect(store).left == 0
    prepare(store)
    margin = timedelta(seconds=CONFIG.ingestion.margin_s)
    assert set(keys(store)) >= served(NOW - 2 * DAY, NOW - margin)
    own = [e for e in whole(store) if e.device_id == TV and e.complete]
    held = merge((e.start, e.end) for e in own)
    assert missing((NOW - 2 * DAY, NOW - margin), held) == []


def test_a_second_start_leaves_with_a_sentence(store: Paths) -> None:
    with origins.alone(store):
        code, _, err = do_tcc(["stage", "--data-dir", str(store.data)])
    said = " ".join(err.split())
    assert code == 1 and "Traceback" not in said
    assert f"{store.data}: another run is under way in this folder." in said
    assert "Nothing is lost" in said and "Wait for it to end" in said


def test_a_run_told_to_end_leaves_the_signal_as_it_was(store: Paths) -> None:
    with pytest.raises(SystemExit) as left, origins.alone(store):
        signal.raise_signal(signal.SIGTERM)
    assert left.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    with origins.alone(store):
        pass


def test_files_are_found_again_in_an_empty_store(store: Paths) -> None:
    store.raw.mkdir(parents=True)
    assert archive.adopt_strays(store, entered=set(), scanned_at=None) == ([], [])


TYPESET = """
import sys
from pathlib import Path
from lib import latexmk, origins
from lib.paths import Paths
store, here = Paths.at(sys.argv[1]), Path(sys.argv[1])
with origins.alone(store):
    latexmk.run(latexmk.Job(here, "x", here / "build", (), 0), timeout_s=60)
"""


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_page_cut_off_leaves_no_latex(
    store: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sign: signal.Signals
) -> None:
    """LaTeX has a session of its own, which Ctrl+C does not reach."""
    fake, mark = tmp_path / "latexmk", tmp_path / "pid"
    fake.write_text(f"#!/bin/sh\necho $$ > {mark}.new; mv {mark}.new {mark}; exec sleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    store.data.mkdir()
    command = [sys.executable, "-c", TYPESET, str(store.data)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as process:
        until(mark.exists)
        process.send_signal(sign)
        process.communicate(timeout=20)
    assert process.returncode == (-signal.SIGINT if sign == signal.SIGINT else 143)
    assert not Path(f"/proc/{mark.read_text().strip()}").exists()
