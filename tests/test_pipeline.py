"""One run from the demo house to the page: what it leaves behind, and what stops it."""

import json
import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pypdf import PdfReader
from pypdf.generic import DictionaryObject

from lib import config, files, notebooks, origins, pipeline, raw, sources
from lib.config import Config
from lib.demo.recorded import recorded_house
from lib.errors import ConfigError, NotebookFailed, StoreMismatch
from lib.findings import Finding, dump
from lib.journal import Journal, Window
from lib.paths import Paths
from lib.pipeline import Order, Run
from lib.times import parse_instant
from tests.rows import CONFIG, at, build, contents, keep, report, staged, table

NOW = "2026-04-22T15:00:00Z"
DEMO = Order(source="demo", now=NOW, days=2)

needs_tex = pytest.mark.skipif(not shutil.which("latexmk"), reason="latexmk is not installed")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of the demo house with its page, shared by the tests that only look at it."""
    store = Paths.at(tmp_path_factory.mktemp("demo") / "data")
    return pipeline.run(store, Config(), DEMO)


pytestmark = pytest.mark.slow


@needs_tex
def test_a_run_leaves_the_page_with_its_figures_and_numbers(done: Run) -> None:
    assert done.errors == []
    assert [step.status for step in done.steps] == ["ok"] * (len(pipeline.STEPS) + 1)
    assert done.built and done.built.pages >= 15
    assert done.built.warnings == ()
    store = done.paths
    sidecars = [json.loads(file.read_text()) for file in store.figures.glob("*.json")]
    assert len(sidecars) >= 4
    assert all(sidecar["simulated"] for sidecar in sidecars)
    assert {sidecar["notebook"] for sidecar in sidecars} == set(pipeline.ANALYSE)
    written = json.loads((store.generated / "values" / "10_energy.json").read_text())
    assert len(written["values"]) >= 10
    assert len(written["tables"]) >= 1


@needs_tex
def test_every_page_says_that_the_data_is_simulated(done: Run) -> None:
    assert done.built
    command = ["pdftotext", "-layout", str(done.built.pdf), "-"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    pages = text.split("\f")[:-1]
    assert len(pages) == done.built.pages
    assert [n for n, page in enumerate(pages) if "simulad" not in page.lower()] == []
    assert "??" not in text


@needs_tex
def test_the_pdf_holds_what_an_archive_asks_for(done: Run) -> None:
    """As far as it can be seen without a validator: PDF/A-2b is declared, not proven."""
    reader = PdfReader(done.paths.pdf)
    root, info = reader.root_object, reader.metadata
    told = ElementTree.fromstring(root["/Metadata"].get_object().get_data())
    said = {one.tag.partition("}")[2]: "".join(one.itertext()) for one in told.iter()}
    assert (said["part"], said["conformance"]) == ("2", "B")
    assert info and (said["title"], said["creator"]) == (info.title, info.author)
    assert (said["description"], said["Producer"]) == (info.subject, info.producer)
    assert info.creation_date is None and "Date" not in str(said)
    (colours,) = root["/OutputIntents"]
    profile = colours.get_object()["/DestOutputProfile"].get_object()
    assert profile["/N"] == 3 and profile.get_data()[16:20] == b"RGB "
    assert len(reader.trailer["/ID"]) == 2

    numbers = {*reader.xref_objStm, *(n for own in reader.xref.values() for n in own)}
    objects = [reader.get_object(number) for number in numbers]
    held = [one for one in objects if isinstance(one, DictionaryObject)]
    fonts = [one for one in held if one.get("/Type") == "/FontDescriptor"]
    assert len(fonts) > 10
    drawn = {str(one["/FontDescriptor"]["/FontName"]) for one in held
             if one.get("/Subtype") == "/Type3"}  # fmt: skip
    assert all("/FontFile" in one or str(one["/FontName"]) in drawn for one in fonts)
    links = [one for one in held if one.get("/Subtype") == "/Link"]
    assert len(links) > 100 and {link["/F"] for link in links} == {4}  # they print
    assert {link["/A"]["/S"] for link in links if "/A" in link} == {"/GoTo", "/URI"}
    assert not {"/JS", "/AA", "/EF", "/TR", "/OCProperties"} & {key for one in held for key in one}
    assert {str(one["/Filter"]) for one in held if "/Filter" in one} == {"/FlateDecode"}


def test_the_printed_energy_is_the_one_the_house_really_used(done: Run) -> None:
    """The mains meter's counter against the simulation's own truth, over the same window."""
    from lib.demo import catalogue
    from lib.demo.simulated import SimulatedHouse
    from lib.times import to_ms

    written = json.loads((done.paths.generated / "values" / "10_energy.json").read_text())
    window = written["vintage"]["window"]
    start, end = (to_ms(parse_instant(window[key])) for key in ("start", "end"))
    true_kwh = SimulatedHouse().true_energy_wh(catalogue.METER, start, end) / 1000
    assert written["values"]["energia.total"]["value"] == pytest.approx(true_kwh, rel=0.01)


def test_the_executed_notebooks_and_the_record_of_the_run_are_kept(done: Run) -> None:
    for step in pipeline.STEPS:
        assert (done.folder / f"{step}.ipynb").stat().st_size > 0
        assert (done.folder / f"{step}.html").stat().st_size > 0
    record = json.loads((done.folder / "run.json").read_text())
    assert record["ok"] is True
    assert (done.paths.runs / "latest").resolve() == done.folder.resolve()


def test_the_raw_rows_say_that_they_are_simulated(done: Run) -> None:
    assert set(staged(done.paths)["ingested_by"].str.split(" ").str[1]) == {"simulated"}


def test_an_hour_later_only_that_hour_is_new(done: Run, tmp_path: Path) -> None:
    store = Paths.at(tmp_path / "data")
    shutil.copytree(done.paths.data, store.data, symlinks=True)
    before = contents(store)
    now = sources.instant("demo", store)
    assert now - done.now == timedelta(hours=1)
    later = pipeline.run(store, Config(), Order(source="demo", page=False))
    assert later.errors == []
    after = contents(store)
    changed = {name for name in after if before.get(name) != after[name]}
    dates = {name.split("event_date=")[1] for name in changed}
    assert dates == {"2026-04-22"}
    assert len(after["staging/event_date=2026-04-22"]) > len(
        before["staging/event_date=2026-04-22"]
    )


def test_an_hour_of_empty_answers_reaches_the_marts_as_silence(store: Paths) -> None:
    def ask(first: int, end: int, rows: list[raw.Row]) -> None:
        window = Window("plug01", at(f"10 {first}:00"), at(f"10 {end}:00"))
        told = {"asked_at": at(f"10 {end}:10"), "ingested_by": "tcc/0", "complete": True}
        raw.write_window(store, window, rows, **told)

    def hours() -> list[tuple[float, float, float]]:
        """What is known of 12, 15 and 16 h: observed, silent, not asked. [s]"""
        found = table(store, "availability_hourly").set_index("hour_start")
        columns = ["observed_s", "silent_s", "not_asked_s"]
        return [tuple(found.loc[at(f"10 {hour}:00"), columns]) for hour in (12, 15, 16)]

    ask(10, 16, [report("10 11:30", "cur_power", "1")])
    build(store)
    assert hours() == [(3600, 0, 0), (0, 3600, 0), (0, 0, 3600)]
    ask(16, 17, [])
    order = Order(steps=pipeline.PREPARE, now="2026-03-10T17:10:00Z", page=False)
    assert pipeline.run(store, CONFIG, order).ok
    assert hours() == [(3600, 0, 0), (0, 3600, 0), (0, 3600, 0)]
    day = table(store, "availability").set_index("local_date").loc["2026-03-10"]
    # From 11:30 for the gap limit of 3 h it was observed; from 10 h to 17 h it was asked about.
    assert (day["observed_s"], day["silent_s"]) == (3 * 3600, 4 * 3600)


def test_a_second_run_in_the_same_folder_leaves_with_a_sentence(store: Paths) -> None:
    with (
        files.locked(store.data / "run.lock", busy=ConfigError("busy")),
        pytest.raises(ConfigError, match="another run is under way"),
    ):
        pipeline.run(store, Config(), DEMO)
    assert not store.raw.exists()


def test_a_failed_notebook_stops_what_follows_and_keeps_its_evidence(store: Paths) -> None:
    keep(store, [report("10 12:00", "cur_power", "1")])
    store.staging.write_text("a file in the way")
    this = pipeline.run(store, Config(), Order(steps=pipeline.STEPS[1:], now=NOW))
    skipped = ["skipped"] * (len(pipeline.STEPS) - 1)  # the other notebooks, and the page
    assert [step.status for step in this.steps] == ["failed", *skipped]
    assert isinstance(this.errors[0], NotebookFailed)
    assert "NotADirectoryError" in (this.folder / "02_stage.html").read_text()
    assert not (store.runs / "latest").exists()
    assert not store.pdf.exists()


def test_a_blocking_finding_keeps_the_page_from_being_set(
    done: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Paths.at(tmp_path / "data")
    shutil.copytree(done.paths.data, store.data, symlinks=True)
    printed = store.pdf.read_bytes() if store.pdf.exists() else None
    original = notebooks.run

    def run(notebook: Path, folder: Path, parameters: dict[str, object]) -> object:
        result = original(notebook, folder, parameters)
        finding = Finding("tcc.test.blocks", "a escala mudou", blocks=True)
        files.write_text(folder / "findings" / f"{notebook.stem}.json", dump([finding]))
        return result

    monkeypatch.setattr(notebooks, "run", run)
    this = pipeline.run(store, Config(), replace(DEMO, steps=pipeline.ANALYSE))
    assert this.steps[-1].status == "skipped"
    assert "tcc.test.blocks" in str(this.errors[0])
    assert (store.pdf.read_bytes() if store.pdf.exists() else None) == printed


def test_without_latex_all_but_the_page_is_done(
    done: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Paths.at(tmp_path / "data")
    shutil.copytree(done.paths.data, store.data, symlinks=True)
    shutil.rmtree(store.generated.parent)
    monkeypatch.setenv("PATH", str(tmp_path))
    this = pipeline.run(store, Config(), replace(DEMO, steps=pipeline.ANALYSE))
    statuses = [*["unchanged"] * (len(pipeline.ANALYSE) - 1), "ok", "not set"]
    assert [step.status for step in this.steps] == statuses
    assert this.ok
    assert "apt-get install" in str(this.errors[0])
    assert list(store.figures.glob("*.pdf"))
    assert not store.pdf.exists()


def test_the_demo_house_never_enters_a_store_of_real_rows(store: Paths) -> None:
    origins.claim(store, origins.Origin("measured"), now=parse_instant(NOW))
    keep(store, [report("10 12:00", "cur_power", "1")])
    with pytest.raises(StoreMismatch, match="must not mix"):
        pipeline.run(store, config.load(), replace(DEMO, days=0, page=False))
    assert len(Journal(store.journal).all()) == 1
    assert not store.runs.exists()


def test_a_simulated_store_gives_way_to_a_recorded_series_whole(
    done: Run, tmp_path: Path, shared_data: Path
) -> None:
    store = Paths.at(tmp_path / "data")
    shutil.copytree(done.paths.data, store.data, symlinks=True)
    series = str(shared_data / "tuya_plug")
    this = pipeline.run(store, Config(), Order(source="replay", series=series, page=False))
    assert this.errors == []
    assert this.moved_aside
    kept = Paths.at(this.moved_aside)
    assert contents(kept) == contents(done.paths)
    assert len(Journal(kept.journal).all()) == len(Journal(done.paths.journal).all())
    assert set(staged(store)["ingested_by"].str.split(" ").str[1]) == {"recorded"}
    house, held = recorded_house(series), origins.of(store)
    assert held and (held.kind, held.name) == ("recorded", house.name)
    assert (held.attribution, held.time_zone) == (house.attribution, "Etc/GMT+3")
