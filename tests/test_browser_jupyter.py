"""JupyterLab as `make lab` serves it, in Debian's Chromium, while the hourly run writes."""

import json
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import NamedTuple

import pytest
from playwright.sync_api import Locator, Page, expect

from lib.paths import NOTEBOOKS, Paths
from lib.warehouse import connect, partitions
from tests import browser

LAB = shutil.which("jupyter-lab", path=browser.programs(".venv-lab"))
KERNEL = "Python 3 (ipykernel) | Idle"
RUN_MS = 180_000
# What another Jupyter of this person may say: no token, another kernel of the same name.
NO_TOKEN = {"IdentityProvider": {"token": ""}, "ServerApp": {"token": ""}}
NOT_OURS = {"argv": ["false"], "display_name": "Another program's", "language": "python"}

pytestmark = [
    pytest.mark.slow,
    browser.needs_chromium,
    pytest.mark.skipif(LAB is None, reason="no JupyterLab: make setup-lab"),
]


class Lab(NamedTuple):
    """A server on a copy of the notebooks, which Run All would change."""

    address: str
    token: str
    notebooks: Path
    store: Paths


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A week of the demo house, staged, never analysed."""
    data = tmp_path_factory.mktemp("lab") / "data"
    for command in (["ingest", "--source", "demo"], ["stage"]):
        browser.done(browser.tcc(data, *command))
    return Paths.at(data)


@pytest.fixture(scope="module")
def lab(store: Paths) -> Iterator[Lab]:
    """The server of `make lab`, beside what else this person may have installed."""
    scratch = store.data.parent
    shutil.copytree(NOTEBOOKS, scratch / "root" / "notebooks")
    _write(scratch / "theirs" / "jupyter_server_config.json", NO_TOKEN)
    _write(scratch / "share" / "kernels" / "python3" / "kernel.json", NOT_OURS)
    flags = f"--no-browser --port 0 --ServerApp.root_dir={scratch / 'root'}"
    command = browser.made(
        "lab", settled="setup-lab", LAB_HOME=str(scratch / "home"), LAB_FLAGS=flags
    )
    folders = {"CONFIG": "theirs", "DATA": "share", "RUNTIME": "runtime"}
    env = {f"JUPYTER_{name}_DIR": str(scratch / folder) for name, folder in folders.items()}
    with browser.serving(command, browser.environment(store.data, **env), scratch / "log"):
        browser.until(lambda: [*(scratch / "runtime").glob("jpserver-*-open.html")])
        said = json.loads(next((scratch / "runtime").glob("jpserver-*.json")).read_text())
        yield Lab(said["url"], said["token"], scratch / "root" / "notebooks", store)


@pytest.fixture(scope="module")
def page(lab: Lab) -> Iterator[Page]:
    with browser.chromium() as page:
        yield page


def _write(file: Path, content: object) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(content))


def test_without_its_token_the_page_asks_for_it(lab: Lab, page: Page) -> None:
    page.goto(lab.address)
    expect(page.get_by_label("Password or token:")).to_be_visible()
    browser.keep(page, "jupyter_token")
    assert page.request.get(f"{lab.address}api/contents").status == 403
    assert lab.address.startswith("http://127.0.0.1:")


def test_with_it_90_explore_stands_first_and_nothing_else_is_asked(lab: Lab, page: Page) -> None:
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url))
    page.goto(f"{lab.address}?token={lab.token}")
    expect(page.get_by_role("tab", name="90_explore.ipynb", selected=True)).to_be_visible()
    expect(page.get_by_text(KERNEL)).to_be_visible()
    browser.keep(page, "jupyter_first_page")
    elsewhere = {url for url in asked if url.startswith("http")}
    assert [url for url in elsewhere if not url.startswith(lab.address)] == []
    expect(page.get_by_text("Jupyter news")).to_have_count(0)


@pytest.mark.parametrize(("name", "figures"), [("90_explore", 2), ("10_energy", 6)])
def test_all_of_a_notebook_runs_while_the_hourly_run_writes(
    lab: Lab, page: Page, name: str, figures: int
) -> None:
    page.locator(".jp-DirListing-item", has_text=f"{name}.ipynb").dblclick()
    expect(page.get_by_role("tab", name=f"{name}.ipynb", selected=True)).to_be_visible()
    expect(page.get_by_text(KERNEL)).to_be_visible()
    book, before = page.locator(".jp-NotebookPanel:visible"), _newest_event(lab.store)
    with _hour_after_hour(lab.store):
        try:
            _run_all(page, book)
        finally:
            _keep_whole(page, book, f"jupyter_{name}")
    assert _newest_event(lab.store) > before
    shown = book.locator(".jp-OutputArea img")
    expect(shown).to_have_count(figures)
    assert all(_visible(image) for image in shown.all())
    for kind in ("error", "stderr"):
        expect(book.locator(f'[data-mime-type="application/vnd.jupyter.{kind}"]')).to_have_count(0)


@contextmanager
def _hour_after_hour(store: Paths) -> Iterator[None]:
    """Collect another hour and write every partition again, over and over, in the meantime."""
    enough = Event()
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(_write_until, enough, store)
        try:
            yield
        finally:
            enough.set()
        writing.result()


def _write_until(enough: Event, store: Paths) -> None:
    """Write at least once; a command that fails is an error."""
    browser.done(browser.tcc(store.data, "ingest", "--source", "demo"))
    browser.done(browser.tcc(store.data, "stage"))
    while not enough.is_set():
        browser.done(browser.tcc(store.data, "stage", "--rebuild"))


def _run_all(page: Page, book: Locator) -> None:
    """Click Run All Cells and wait for the number beside each cell of code."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    prompts = book.locator(".jp-CodeCell .jp-InputArea-prompt")
    ran = re.compile(r"\[\d+\]:")  # a cell that waits has [*], one after an error keeps [ ]
    expect(prompts).to_have_text([ran] * prompts.count(), timeout=RUN_MS)


def _keep_whole(page: Page, book: Locator, name: str) -> None:
    """Keep a picture of the whole notebook, in a window as high as it."""
    usual = page.viewport_size
    height = book.locator(".jp-WindowedPanel-outer").evaluate("it => it.scrollHeight")
    page.set_viewport_size({"width": 1400, "height": height + 150})
    book.locator(".jp-Cell").first.scroll_into_view_if_needed()
    browser.keep(page, name)
    if usual:
        page.set_viewport_size(usual)


def _visible(image: Locator) -> bool:
    """Whether a figure is drawn, with pixels of its own and a place on the page."""
    image.scroll_into_view_if_needed()
    drawn = image.evaluate("it => it.complete && it.naturalWidth > 100 && it.naturalHeight > 100")
    return bool(drawn) and image.is_visible()


def _newest_event(store: Paths) -> datetime:
    """The newest staged event, which an hourly run moves on."""
    query = "SELECT max(event_time) FROM read_parquet($files)"
    with connect() as connection:
        row = connection.execute(query, {"files": partitions(store.staging)}).fetchone()
    assert row and isinstance(row[0], datetime)
    return row[0]
