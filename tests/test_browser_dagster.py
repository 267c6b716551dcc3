"""Dagster's page as `make dagster` serves it, in Debian's Chromium, on the demo house.

The tests follow one another as a person would: the graph, a click, its notebook, a bad day.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import duckdb
import pytest
from playwright.sync_api import Page, expect

from lib.paths import ROOT, Paths
from tests import browser

COLLECTED, STAGED, ORDERED = "raw_tuya_logs", "staging_tuya_logs", "staging_order"
ANALYSED = ["energy", "voltage", "control_chart", "tariff", "data_quality"]
ASSETS = [COLLECTED, STAGED, "marts", *ANALYSED, "monograph"]
RUN_MS = 180_000  # a run waits in the queue where the hour struck just before

pytestmark = [pytest.mark.slow, browser.needs_chromium]


class Dagster(NamedTuple):
    """A server on a store and an instance of its own."""

    address: str
    store: Paths


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """A folder inside the project's: Dagster opens no notebook outside of where it was started."""
    browser.IN_THE_PROJECT.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="dagster-", dir=browser.IN_THE_PROJECT) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def dagster(scratch: Path) -> Iterator[Dagster]:
    """The server of `make dagster` with the project's dagster.yaml, on a week of raw rows."""
    store, port = Paths.at(scratch / "data"), browser.free_port()
    browser.done(browser.tcc(store.data, "ingest", "--source", "demo"))
    settings = (ROOT / "dagster.yaml").read_text("utf-8")
    (scratch / "dagster.yaml").write_text(settings.replace("data/dagster", f"{scratch}/dagster"))
    own = {"INSTANCE": str(scratch), "DAGSTER_FLAGS": f"-p {port}"}
    command = browser.made("dagster", settled="setup-test tex", **own)
    address = f"http://127.0.0.1:{port}"
    with browser.serving(command, browser.environment(store.data), scratch / "log"):
        browser.until(lambda: browser.answers(f"{address}/server_info"))
        yield Dagster(address, store)


@pytest.fixture(scope="module")
def page(dagster: Dagster) -> Iterator[Page]:
    with browser.chromium() as page:
        yield page


def test_the_graph_shows_every_asset(dagster: Dagster, page: Page) -> None:
    _show_graph(dagster, page)
    browser.keep(page, "dagster_graph")


def test_the_schedule_is_shown_running(dagster: Dagster, page: Page) -> None:
    page.goto(f"{dagster.address}/locations/tcc/schedules/hourly_schedule")
    expect(page.get_by_role("row", name=re.compile("^Schedule")).first).to_contain_text(
        "(0 * * * *)"
    )
    expect(page.get_by_role("row", name=re.compile("^Execution timezone"))).to_contain_text(
        "America/Sao_Paulo"
    )
    expect(page.get_by_role("row", name="Running").get_by_role("checkbox")).to_be_checked()
    browser.keep(page, "dagster_schedule")


def test_a_click_collects_and_its_notebook_opens_from_the_metadata(
    dagster: Dagster, page: Page
) -> None:
    _materialise(dagster, page, COLLECTED)
    expect(page.get_by_role("row", name=re.compile("^windows_confirmed"))).to_be_visible()
    browser.keep(page, "dagster_materialised")
    _show_graph(dagster, page)
    page.locator("svg").get_by_text(COLLECTED, exact=True).click()
    page.get_by_role("button", name="View Notebook").click()
    notebook = page.frame_locator("iframe").locator("body")
    expect(notebook).to_contain_text("Coleta")
    expect(notebook.locator(".jp-OutputArea-output").first).to_be_visible()
    browser.keep(page, "dagster_notebook")


def test_a_check_that_fails_is_shown_as_failed(dagster: Dagster, page: Page) -> None:
    browser.done(browser.tcc(dagster.store.data, "stage"))
    _disorder(dagster.store)
    _materialise(dagster, page, STAGED)
    page.goto(f"{dagster.address}/assets/{STAGED}?view=checks&checkDetail={ORDERED}")
    expect(page.get_by_text("Evaluation result")).to_be_visible()
    expect(page.get_by_text("Failed", exact=True).first).to_be_visible(timeout=RUN_MS)
    expect(page.get_by_role("row", name=re.compile(r"^offenders [1-9]"))).to_be_visible()
    browser.keep(page, "dagster_failed_check")


def _show_graph(dagster: Dagster, page: Page) -> None:
    """Open the graph of all assets, its groups unfolded."""
    page.goto(f"{dagster.address}/asset-groups")
    page.get_by_role("button", name="settings", exact=True).click()
    groups = page.get_by_role("menuitem", name=re.compile("(Expand|Collapse) all groups"))
    if "Expand" in groups.inner_text():  # the page remembers how it was left
        groups.click()
    page.keyboard.press("Escape")
    expect(groups).to_be_hidden()
    for name in ASSETS:
        expect(page.locator("svg").get_by_text(name, exact=True)).to_be_visible()


def _materialise(dagster: Dagster, page: Page, asset: str) -> None:
    """Click Materialize on an asset's own page, and wait for the green sign of it."""
    page.goto(f"{dagster.address}/assets/{asset}?view=overview")
    expect(page.get_by_text("Never materialized")).to_be_visible()
    page.get_by_role("button", name="Materialize").first.click()
    status = page.get_by_role("link", name=re.compile("seconds? ago|minutes? ago"))
    expect(status.first).to_be_visible(timeout=RUN_MS)
    page.reload()


def _disorder(store: Paths) -> None:
    """Turn the newest staged date upside down, as a program that is not ours might."""
    newest = max(store.staging.glob("event_date=*/data_0.parquet"))
    spoiled = newest.with_suffix(".spoiled")
    rows = f"SELECT * FROM read_parquet('{newest}', hive_partitioning = false)"
    duckdb.sql(f"COPY ({rows} ORDER BY event_time DESC) TO '{spoiled}' (FORMAT parquet)")
    spoiled.replace(newest)
