"""Pages of runs in a browser, and which runs are kept: files, links, words, and no secret."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from lib import files, origins, pipeline, run_list, run_pages, runs
from lib.alarms import Told
from lib.config import Config, Runs, Site
from lib.errors import ConfigError, ManuscriptError, NotebookFailed, StaleArtifact
from lib.findings import Finding, dump
from lib.notify import Alarm
from lib.page import Vintage
from lib.paths import Paths
from lib.steps import PAGE, STEPS, Order, Run, Step
from lib.times import iso, stamp

NOW = datetime(2026, 4, 22, 15, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BLOCKS = Finding("tcc.energy.scale", "Geladeira: a escala mudou de 1 para 0,1.", blocks=True)
VINTAGE = Vintage(NOW - 7 * DAY, NOW, NOW - HOUR, 0.996, 1000, "00ff", True, "Simulados.")


class Page(HTMLParser):
    """What a browser would find: its text, its tags, and all that it points at."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file, self.tags, self.links, self.attributes, self.words = file, [], [], [], []
        self.source = file.read_text("utf-8")
        self.feed(self.source)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] != ["style"]:
            self.words.append(data)

    def is_plain(self) -> None:
        """Nothing runs, nothing comes from elsewhere, and every link leads to a file."""
        assert not {"script", "iframe", "object", "link", "form", "base"} & set(self.tags)
        assert [name for name in self.attributes if name.startswith("on")] == []
        assert "url(" not in self.source and "@import" not in self.source
        for link in self.links:
            assert "://" not in link and not link.startswith(("/", "javascript:", "data:"))
            assert (self.file.parent / unquote(link)).exists(), link


def ended(
    store: Paths,
    steps: Sequence[Step],
    *,
    now: datetime = NOW,
    found: dict[str, list[Finding]] | None = None,
    told: Told | None = None,
    site: str = "Casa",
) -> Run:
    """A run that ended so, with its notebooks, findings and a figure, recorded."""
    config = Config(site=Site(name=site))
    this = Run(store, config, Order(), "demo", now, runs.new_folder(store, now))
    this.steps, this.alarms = list(steps), told or Told()
    this.kept = {s.name: this.folder for s in steps if s.status in ("ok", "failed")}
    for name in this.kept.keys() - {PAGE}:
        files.write_text(this.folder / f"{name}.html", "<p>executed</p>")
        files.write_text(this.folder / f"{name}.ipynb", "{}")
    for name, own in (found or {}).items():
        files.write_text(this.folder / "findings" / f"{name}.json", dump(own))
    all_found = [one for own in (found or {}).values() for one in own]
    record = {"steps": map(vars, this.steps), "kept": this.kept, "found": all_found}
    runs.record(this.folder, now=now, ok=this.ok, **record)
    return this


def figure(this: Run, name: str, caption: str, notebook: str = "10_energy") -> None:
    told = {"name": name, "caption": caption, "notebook": notebook}
    for suffix, text in ((".png", "png"), (".pdf", "pdf"), (".json", json.dumps(told))):
        files.write_text(this.folder / "figures" / f"{name}{suffix}", text)


def well(page: bool = True) -> list[Step]:
    names = [*STEPS, PAGE] if page else STEPS
    return [Step(name, "ok", seconds) for seconds, name in enumerate(names, 1)]


# ---- The page of a run -------------------------------------------------------------------


def test_a_page_lists_notebooks_findings_and_figures_and_leads_to_them(store: Paths) -> None:
    origins.claim(store, origins.Origin("simulated", "casa", "Nenhum valor foi medido."), now=NOW)
    found = [Finding("tcc.energy.apart", "O contador difere em 7,5 %.")]
    this = ended(store, well(), found={"10_energy": found})
    figure(this, "energia diária", "Energia diária, P10--P90")
    files.write_text(
        this.folder / "values" / "14_data_quality.json",
        json.dumps({"notebook": "14_data_quality", "vintage": VINTAGE.record()}),
    )
    page = Page(run_pages.write(this))
    page.is_plain()
    assert page.file == this.folder / "index.html"
    assert "Execução de 22 abr. 2026, 12h00" in page.text
    assert "Nenhum valor foi medido." in page.text
    assert "dados até 22 abr. 2026, 11h00, cobertura 99,6 %, dados simulados" in page.text
    assert "Energia 10_energy concluída 4,0 s 1 abrir · .ipynb" in page.text
    assert "O contador difere em 7,5 %. Energia · tcc.energy.apart" in page.text
    assert "Energia diária, P10–P90" in page.text
    for link in (
        "10_energy.html",
        "figures/energia%20di%C3%A1ria.png",
        "run.json",
        "../index.html",
    ):
        assert link in page.links
    spent = sum(range(1, len(STEPS) + 2))
    assert f"{spent},0 s somando as etapas" in page.text


def test_measured_rows_carry_no_mark_of_a_simulation(store: Paths) -> None:
    origins.claim(store, origins.Origin("measured"), now=NOW)
    page = Page(run_pages.write(ended(store, well())))
    assert "simulad" not in page.source.lower()


def test_a_failed_run_says_what_failed_and_which_alarms_are_on(store: Paths) -> None:
    error = NotebookFailed("cell 3 raised KeyError", where="02_stage.ipynb", remedy="Run again.")
    steps = [
        Step("01_ingest", "ok", 2),
        Step("02_stage", "failed", 65, error),
        Step(PAGE, "skipped"),
    ]
    told = Told([Alarm("failed/02_stage", "The run failed at 02_stage.")], notes=["mail refused"])
    page = Page(run_pages.write(ended(store, steps, told=told)))
    page.is_plain()
    assert "12h00 falhou" in page.text
    assert "02_stage.ipynb: cell 3 raised KeyError Run again." in page.text
    assert "Tratamento 02_stage falhou 1 min 05 s — abrir" in page.text
    assert "Monografia monograph não executada — — —" in page.text
    assert "alarme The run failed at 02_stage." in page.text
    assert "não enviado mail refused" in page.text
    assert "falhou" in Page(store.runs / "index.html").text


def test_a_page_that_findings_keep_from_being_set_is_told_from_a_failure(store: Paths) -> None:
    steps = [*well(page=False), Step(PAGE, "skipped", error=ManuscriptError("1 finding blocks."))]
    page = Page(run_pages.write(ended(store, steps, found={"10_energy": [BLOCKS]})))
    assert "12h00 página retida" in page.text
    assert "bloqueia a página Geladeira" in page.text and "1 1 bloqueia" in page.text
    assert "falhou" not in page.text


def test_steps_of_an_earlier_run_are_named_with_it(store: Paths) -> None:
    earlier = ended(store, well(page=False), found={"10_energy": [BLOCKS]})
    figure(earlier, "energia", "Energia")
    later = ended(store, [Step(PAGE, "ok", 3)], now=NOW + HOUR)
    later.kept |= earlier.kept
    page = Page(run_pages.write(later))
    page.is_plain()
    assert f"Energia 10_energy feita antes de {earlier.folder.name} — 1" in page.text
    assert f"../{earlier.folder.name}/figures/energia.png" in page.links


def test_what_comes_from_outside_is_text_and_never_markup(store: Paths) -> None:
    evil = '"><img src=x onerror=alert(1)><script>alert(2)</script>&amp;'
    found = [Finding(evil, evil, blocks=True)]
    steps = [
        Step("10_energy", "failed", 1, NotebookFailed(evil, where=evil)),
        Step(PAGE, "skipped"),
    ]
    this = ended(store, steps, found={"10_energy": found}, site=evil, told=Told(notes=[evil]))
    figure(this, "a'b\"c<d", evil)
    page = Page(run_pages.write(this))
    page.is_plain()
    assert page.text.count(evil) >= 6
    Page(store.runs / "index.html").is_plain()


def test_no_page_holds_a_secret_however_it_is_spelled(
    store: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "s3cr3t'\"<&>\\ção"  # pragma: allowlist secret
    monkeypatch.setenv("TUYA_ACCESS_SECRET", secret)
    error = NotebookFailed(f"cell 1 raised KeyError: {secret}", where="10_energy.ipynb")
    steps = [Step("10_energy", "failed", 1, error)]
    found = {"10_energy": [Finding("tcc.x", f"valor {secret}")]}
    told = Told([Alarm("x", f"all of {secret}")])
    this = ended(store, steps, found=found, told=told)
    figure(this, "f", f"caption {secret}")
    source = Page(run_pages.write(this, OSError(28, secret))).source
    assert source.count("***") >= 5
    assert "s3cr3t" not in source + (store.runs / "index.html").read_text("utf-8")


def test_a_run_cut_short_has_a_page_too_and_still_fails(store: Paths) -> None:
    origins.claim(store, origins.Origin("measured"), now=NOW)
    order = Order(steps=("02_stage",), now=iso(NOW), page=False)
    with (
        pytest.raises(OSError, match="No space left"),
        pipeline.begun(store, Config(), order) as this,
    ):
        this.steps.append(Step("02_stage", "failed"))
        raise OSError(28, "No space left on device")
    page = Page(this.folder / "index.html")
    page.is_plain()
    assert "12h00 interrompida" in page.text and "OSError: [Errno 28] No space left" in page.text
    assert "interrompida" in Page(store.runs / "index.html").text


def test_a_run_that_ends_leaves_its_page_and_the_list(store: Paths) -> None:
    order = Order(steps=("02_stage",), now=iso(NOW), page=False)
    with pipeline.begun(store, Config(), order) as this:
        this.steps.append(Step("02_stage", "ok", 1))
    assert list(this.alarms.notes) == []
    Page(this.folder / "index.html").is_plain()
    assert "latest/index.html" in Page(store.runs / "index.html").links


def test_a_page_that_cannot_be_written_fails_no_run(store: Paths) -> None:
    order = Order(steps=("02_stage",), now=iso(NOW), page=False)
    with pipeline.begun(store, Config(), order) as this:
        this.steps.append(Step("02_stage", "ok", 1))
        (this.folder / "index.html").mkdir()
    assert this.ok and (store.runs / "latest").exists()
    assert "page could not be written" in this.alarms.notes[0]


# ---- The list of all runs ----------------------------------------------------------------


def test_the_list_has_the_newest_first_and_the_last_good_one_as_latest(store: Paths) -> None:
    for hours in (0, 1, 14):
        run_pages.write(ended(store, well(), now=NOW + hours * HOUR))
    bad = ended(store, [Step("01_ingest", "failed", 1)], now=NOW + 15 * HOUR)
    (store.runs / stamp(NOW + 2 * HOUR)).mkdir()  # killed before its record
    run_pages.write(bad)
    page = Page(store.runs / "index.html")
    page.is_plain()
    names = [stamp(NOW + hours * HOUR) for hours in (15, 14, 1, 0)]
    assert page.links == ["latest/index.html", *(f"{name}/index.html" for name in names)]
    assert "5 execuções guardadas" in page.text
    assert "A última que chegou ao fim: 23 abr. 2026, 02h00" in page.text
    days = page.text.index("23 abr. 2026 03h00"), page.text.index("22 abr. 2026 14h00 interrompida")
    assert days[0] < days[1]
    assert f"02h00 concluída {len(STEPS) + 1} de {len(STEPS) + 1}" in page.text
    assert "Coleta: falhou" in page.text


def test_the_list_counts_findings_and_those_that_block(store: Paths) -> None:
    found = {"10_energy": [BLOCKS, Finding("tcc.x", "x")]}
    run_pages.write(ended(store, [*well(page=False), Step(PAGE, "skipped")], found=found))
    text = Page(store.runs / "index.html").text
    assert f"página retida {len(STEPS)} de {len(STEPS) + 1} 36,0 s 2 1 bloqueia" in text


def test_two_runs_of_one_instant_are_two_in_their_order(store: Paths) -> None:
    names = [ended(store, well()).folder.name for _ in range(11)]
    assert [one.name for one in runs.every(store)] == names
    assert names[-1].endswith("-11")


@pytest.mark.parametrize("text", ["{", "[]", "null", "\udcff", '{"ok": false}'])
def test_a_record_that_cannot_be_read_does_not_keep_the_list_from_being_written(
    store: Paths, text: str
) -> None:
    folder = store.runs / stamp(NOW)
    folder.mkdir(parents=True)
    (folder / "run.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    files.write_text(folder / "findings" / "02_stage.json", "{")
    run_pages.write(ended(store, well(), now=NOW + HOUR))
    assert "2 execuções" in Page(store.runs / "index.html").text


def test_only_the_newest_thousand_are_listed(store: Paths) -> None:
    for hours in range(run_list.MOST + 2):
        (store.runs / stamp(NOW + hours * HOUR)).mkdir(parents=True)
    file = run_list.write(store, name="Casa", time_zone="UTC")
    page = Page(file)
    assert page.text.count("interrompida") == run_list.MOST
    assert "E 2 mais antigas, só nas suas pastas" in page.text


def test_a_store_without_runs_has_an_empty_list(store: Paths) -> None:
    page = Page(run_list.write(store, name="Casa", time_zone="UTC"))
    assert "Nenhuma execução ainda." in page.text


# ---- Which runs are kept -----------------------------------------------------------------

KEEP = Config(runs=Runs(keep_days=30, keep_failed_days=90, keep_newest=2))
FAILED = [Step("01_ingest", "failed", 1)]


def left(store: Paths) -> list[str]:
    return sorted(one.name for one in store.runs.iterdir() if one.name != "latest")


def days_ago(days: float) -> datetime:
    return NOW - days * DAY


def test_old_runs_go_and_failed_ones_later(store: Paths) -> None:
    for days in (100, 91, 89, 31):
        ended(store, FAILED, now=days_ago(days))
    for days in (32, 31, 29, 0):
        ended(store, well(page=False), now=days_ago(days))
    gone = runs.prune(store, KEEP, NOW)
    assert gone == [stamp(days_ago(days)) for days in (100, 91, 32)] + [f"{stamp(days_ago(31))}-2"]
    assert left(store) == [stamp(days_ago(days)) for days in (89, 31, 29, 0)]
    assert runs.prune(store, KEEP, NOW) == []


def test_the_newest_stay_however_old(store: Paths) -> None:
    for days in (1000, 900, 800):
        ended(store, FAILED, now=days_ago(days))
    assert runs.prune(store, KEEP, NOW) == [stamp(days_ago(1000))]


def test_latest_and_the_run_that_set_the_page_stay(store: Paths) -> None:
    for days in (60, 50):
        ended(store, well(), now=days_ago(days))  # the second one set the page that is in place
    for days in (40, 39):
        ended(store, well(page=False), now=days_ago(days))  # the second one is latest
    for days in (2, 1):
        ended(store, FAILED, now=days_ago(days))
    assert runs.prune(store, KEEP, NOW) == [stamp(days_ago(60)), stamp(days_ago(40))]
    assert (store.runs / "latest" / "run.json").exists()


def test_a_run_that_another_stands_on_stays_with_it(store: Paths) -> None:
    first, second, other = (ended(store, FAILED, now=days_ago(days)) for days in (200, 190, 180))
    runs.record(
        *(second.folder,), now=second.now, ok=False, steps=(), kept={"02_stage": first.folder}
    )
    later = ended(store, FAILED, now=days_ago(1))
    runs.record(
        *(later.folder,), now=later.now, ok=False, steps=(), kept={"10_energy": second.folder}
    )
    ended(store, FAILED, now=NOW)
    assert runs.prune(store, KEEP, NOW) == [other.folder.name]


def test_a_run_whose_conflicts_are_still_counted_stays(store: Paths) -> None:
    def conflict(date: str) -> dict[str, list[Finding]]:
        told = Finding("tcc.staging.conflict", "duas vezes", {"date": date, "conflicting": 3})
        return {"02_stage": [told]}

    for days, date in ((120, "2025-12-01"), (110, "2025-12-01"), (105, "2025-12-02")):
        ended(store, FAILED, now=days_ago(days), found=conflict(date))
    for days in (2, 1):
        ended(store, FAILED, now=days_ago(days))
    assert runs.prune(store, KEEP, NOW) == [stamp(days_ago(120))]


def test_zero_days_keep_runs_for_ever(store: Paths) -> None:
    for days in (3000, 2000, 1000):
        ended(store, FAILED if days == 2000 else well(page=False), now=days_ago(days))
    for_ever = Config(runs=Runs(keep_days=0, keep_failed_days=0, keep_newest=1))
    assert runs.prune(store, for_ever, NOW) == []


def test_nothing_but_folders_of_runs_is_touched(store: Paths, tmp_path: Path) -> None:
    for days in (2, 1):
        ended(store, FAILED, now=days_ago(days))
    elsewhere = tmp_path / "elsewhere"
    files.write_text(elsewhere / "mine.txt", "x")
    (store.runs / "20200101T000000Z").symlink_to(elsewhere)
    (store.runs / "2020-mine").mkdir()
    (store.runs / "20201399T000000Z").mkdir()
    files.write_text(store.runs / "20200102T000000Z", "a file")
    before = left(store)
    assert runs.prune(store, KEEP, NOW) == []
    assert left(store) == before and (elsewhere / "mine.txt").exists()


def test_what_a_killed_removal_left_goes_with_the_next(store: Paths) -> None:
    files.write_text(store.runs / ".pruned-20200101T000000Z" / "run.json", "{}")
    runs.prune(store, KEEP, NOW)
    assert list(store.runs.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may remove anything")
def test_a_folder_that_cannot_be_removed_stays_for_the_next_time(store: Paths) -> None:
    for days in (120, 110, 2, 1):
        ended(store, FAILED, now=days_ago(days))
    store.runs.chmod(0o555)
    try:
        assert runs.prune(store, KEEP, NOW) == []
    finally:
        store.runs.chmod(0o755)
    assert len(runs.prune(store, KEEP, NOW)) == 2


def test_a_run_prunes_as_it_ends_and_lists_what_is_left(store: Paths) -> None:
    for days in (120, 110):
        run_pages.write(ended(store, well(), now=days_ago(days)))
    order = Order(steps=("02_stage",), now=iso(NOW), page=False)
    keep = Config(runs=Runs(keep_newest=1))
    with pipeline.begun(store, keep, order) as this:
        this.steps.append(Step("02_stage", "ok", 1))
    assert left(store) == [stamp(days_ago(110)), this.folder.name, "index.html"]
    assert "2 execuções guardadas" in Page(store.runs / "index.html").text


def test_a_run_that_is_no_longer_kept_is_named_with_what_to_do(store: Paths) -> None:
    kept = ended(store, well()).folder
    assert runs.folder_of(store, kept.name) == kept
    with pytest.raises(StaleArtifact, match="no longer kept") as caught:
        runs.folder_of(store, "20200101T000000Z")
    assert "Run everything again" in caught.value.remedy


def test_dagster_says_so_too(store: Paths) -> None:
    dagster = pytest.importorskip("dagster")
    from orchestration import assets

    this = ended(store, well())
    with pytest.raises(dagster.Failure, match="no longer kept"):
        assets._stand_on(this, {"10_energy": "20200101T000000Z"})


@pytest.mark.parametrize("value", ["-1", '"x"'])
def test_a_wrong_setting_is_named(tmp_path: Path, value: str) -> None:
    from lib import config

    (tmp_path / "config.toml").write_text(f"[runs]\nkeep_days = {value}\n")
    with pytest.raises(ConfigError, match=r"runs\.keep_days"):
        config.load(tmp_path)
