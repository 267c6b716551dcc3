"""Sources: which one is opened, and that rows of two kinds never share a store."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lib import origins, raw, sources
from lib.config import Config, Device
from lib.demo.catalogue import TV
from lib.demo.simulated import SimulatedHouse
from lib.demo.standin import StandIn
from lib.errors import ConfigError, SourceRejected, StoreMismatch
from lib.journal import Journal, Window
from lib.paths import Paths
from lib.sources import Origin
from tests.scripted import SECRET, by_path, server

NOW = datetime(2026, 4, 22, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)
MEASURED, SIMULATED = Origin("measured"), Origin("simulated", "casa", "inventado")
RECORDED = Origin("recorded", "UCI", "CC BY 4.0", ("main",))


def fill(store: Paths) -> dict[str, bytes]:
    """A file in each place that a store has; their contents by their names."""
    raw.write_window(
        store,
        Window("plug", NOW - HOUR, NOW),
        [{"code": "x", "event_time": 1_776_869_999_000}],
        asked_at=NOW,
        ingested_by="tcc/1 simulated",
        complete=True,
    )
    folders = (store.registry, store.staging, store.marts, store.runs, store.quarantine)
    for folder in (*folders, store.figures, store.generated):
        (folder / "deep").mkdir(parents=True, exist_ok=True)
        (folder / "deep" / "file").write_text(str(folder))
    for file in (store.catalogue, store.pdf):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(file))
    return contents(store.data)


def contents(folder: Path) -> dict[str, bytes]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


# ---- Which source ------------------------------------------------------------------------


def test_without_credentials_auto_is_the_demo_house_and_with_them_the_cloud(
    store: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sources.resolve("auto", store) == "demo"
    for name, value in (("ID", "some-id"), ("SECRET", "some-secret")):
        monkeypatch.setenv(f"TUYA_ACCESS_{name}", value)
    monkeypatch.setenv("TUYA_REGION", "us")
    assert sources.resolve("auto", store) == "cloud"
    assert sources.resolve("demo", store) == "demo"


def test_the_cloud_without_credentials_is_refused_and_nothing_is_claimed(store: Paths) -> None:
    with (
        pytest.raises(ConfigError, match="TUYA_ACCESS_ID") as caught,
        sources.opened("cloud", store, Config(), now=NOW),
    ):
        pytest.fail("opened without credentials")
    assert "--source demo" in caught.value.remedy
    assert origins.of(store) is None


def test_the_cloud_may_be_any_server_that_speaks_the_protocol(
    store: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`API_ENDPOINT` and `TUYA_CA_BUNDLE` lead the real source to a stand-in."""
    config = Config(devices=(Device(id=TV, name="TV"),))
    with StandIn(SimulatedHouse(), now=NOW) as standin:
        monkeypatch.setenv("ACCESS_ID", standin.access_id)
        monkeypatch.setenv("ACCESS_SECRET", standin.access_secret)
        monkeypatch.setenv("API_ENDPOINT", standin.endpoint)
        monkeypatch.setenv("TUYA_CA_BUNDLE", str(standin.ca_bundle))
        with sources.opened("auto", store, config, now=NOW) as source:
            assert len(source.cloud.devices()) == 10
    assert source.devices == config.devices
    assert source.origin == origins.of(store) == MEASURED
    assert source.origin.ingested_by.startswith("tcc/") and " " not in source.origin.ingested_by


def test_the_demo_house_says_that_it_is_simulated(store: Paths) -> None:
    users_own = Config(devices=(Device(id="my-own-device", name="x"),))
    with sources.opened("demo", store, users_own, now=NOW) as source:
        assert len(source.cloud.devices()) == 10
        window = ("demo0000sensorquarto10", 1_776_870_000_000, 1_776_873_600_000)
        before = [row for page in source.cloud.log_pages(*window) for row in page.rows]
        source.move_to(NOW + HOUR)
        after = [row for page in source.cloud.log_pages(*window) for row in page.rows]
    assert len(before) <= 1 < len(after)
    assert source.devices == () and source.origin == origins.of(store)
    assert source.origin.simulated and source.origin.ingested_by.endswith(" simulated")
    assert "simulada" in source.origin.name


# ---- The clock ---------------------------------------------------------------------------


def test_the_demo_house_is_an_hour_later_at_each_run(store: Paths) -> None:
    assert sources.instant("demo", store) == sources.instant("auto", store) == sources.DEMO_NOW
    for _ in range(2):
        now = sources.instant("demo", store)
        window = Window("plug", now - HOUR, now)
        raw.write_window(store, window, [], asked_at=now, ingested_by="tcc/1", complete=True)
    assert sources.instant("demo", store) == sources.DEMO_NOW + 2 * HOUR


def test_a_given_clock_is_taken_as_it_is(store: Paths) -> None:
    for name in ("demo", "cloud", "auto"):
        assert sources.instant(name, store, "2026-03-14T09:00:00-03:00") == datetime(
            2026, 3, 14, 12, tzinfo=UTC
        )
    with pytest.raises(ConfigError, match="ISO 8601"):
        sources.instant("demo", store, "yesterday")


def test_the_cloud_has_the_computers_clock_to_the_second(store: Paths) -> None:
    now = sources.instant("cloud", store)
    assert abs(datetime.now(UTC) - now) < timedelta(seconds=5) and now.microsecond == 0


# ---- What a store holds ------------------------------------------------------------------


@pytest.mark.parametrize("origin", [MEASURED, SIMULATED, RECORDED])
def test_a_store_remembers_what_it_holds(store: Paths, origin: Origin) -> None:
    assert origins.of(store) is None
    origins.claim(store, origin, now=NOW)
    assert origins.of(store) == origin
    before = fill(store)
    origins.claim(store, origin, now=NOW + HOUR)
    assert contents(store.data) == before


@pytest.mark.parametrize(
    ("held", "wanted"),
    [
        (MEASURED, SIMULATED),
        (MEASURED, RECORDED),
        (RECORDED, MEASURED),
        (RECORDED, SIMULATED),
        (RECORDED, Origin("recorded", "plug")),
        (SIMULATED, Origin("simulated", "another house")),
    ],
)
def test_rows_of_two_kinds_never_share_a_store(store: Paths, held: Origin, wanted: Origin) -> None:
    origins.claim(store, held, now=NOW)
    before = fill(store)
    with pytest.raises(StoreMismatch, match="--data-dir") as caught:
        origins.claim(store, wanted, now=NOW)
    assert held.kind in caught.value.what and wanted.kind in caught.value.what
    assert contents(store.data) == before


@pytest.mark.parametrize("wanted", [MEASURED, RECORDED])
def test_a_simulated_store_gives_way_to_real_rows_whole(store: Paths, wanted: Origin) -> None:
    origins.claim(store, SIMULATED, now=NOW)
    before = fill(store)
    origins.claim(store, wanted, now=NOW)
    assert origins.of(store) == wanted
    assert Journal(store.journal).all() == []
    aside = store.data / "simulated-20260422T150000Z"
    assert sorted(contents(aside).values()) == sorted(before.values())
    assert {f.name for f in store.data.iterdir() if f.is_file()} == {"source.json"}
    assert not [f for f in (store.raw, store.staging, store.marts) if f.exists()]
    assert not any(store.figures.iterdir()) and not any(store.generated.iterdir())
    assert origins.of(Paths.at(aside)) == SIMULATED
    assert len(Journal(Paths.at(aside).journal).all()) == 1


def test_a_store_of_real_rows_without_credentials_says_what_is_missing(store: Paths) -> None:
    origins.claim(store, MEASURED, now=NOW)
    with pytest.raises(ConfigError, match="no Tuya credentials, but") as caught:
        sources.resolve("auto", store)
    assert ".env" in caught.value.remedy


def test_the_demo_house_is_refused_in_a_store_of_real_rows(store: Paths) -> None:
    origins.claim(store, MEASURED, now=NOW)
    with pytest.raises(StoreMismatch), sources.opened("demo", store, Config(), now=NOW):
        pytest.fail("opened over real rows")


# ---- Before a store changes for the cloud ------------------------------------------------


@contextmanager
def cloud_at(answer: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A cloud that answers every call alike, and the environment that leads to it."""
    asked: list[str] = []
    with server(folder, by_path(lambda path: answer, asked)) as access:
        monkeypatch.setenv("ACCESS_ID", "id")
        monkeypatch.setenv("ACCESS_SECRET", SECRET)
        monkeypatch.setenv("API_ENDPOINT", f"https://{access.host}")
        monkeypatch.setenv("TUYA_CA_BUNDLE", str(access.ca_bundle))
        yield asked


def claimed(way: str, store: Paths) -> None:
    """Claim the store for the cloud, as the pipeline or as the notebook does."""
    if way == "prepared":
        sources.prepared("cloud", store, now=NOW)
    else:
        with sources.opened("cloud", store, Config(), now=NOW):
            pass


@pytest.mark.parametrize("way", ["prepared", "opened"])
@pytest.mark.parametrize("code", [1004, 1005, 1114, 28841002])
def test_refused_credentials_leave_a_simulated_store_where_it_is(
    store: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, code: int
) -> None:
    origins.claim(store, SIMULATED, now=NOW)
    before = fill(store)
    with (
        cloud_at(code, tmp_path, monkeypatch),
        pytest.raises(SourceRejected, match=str(code)),
    ):
        claimed(way, store)
    assert origins.of(store) == SIMULATED and contents(store.data) == before


def test_a_wrong_secret_leaves_an_empty_store_unclaimed(
    store: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StandIn(SimulatedHouse(), now=NOW) as standin:
        monkeypatch.setenv("ACCESS_ID", standin.access_id)
        monkeypatch.setenv("ACCESS_SECRET", "x" * 32)
        monkeypatch.setenv("API_ENDPOINT", standin.endpoint)
        monkeypatch.setenv("TUYA_CA_BUNDLE", str(standin.ca_bundle))
        with pytest.raises(SourceRejected, match="1004"):
            sources.prepared("cloud", store, now=NOW)
        assert standin.counters.total_requests == 1
    assert origins.of(store) is None


def test_a_cloud_that_gives_no_token_changes_nothing(
    store: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origins.claim(store, SIMULATED, now=NOW)
    with cloud_at({}, tmp_path, monkeypatch) as asked:
        monkeypatch.delenv("TUYA_CA_BUNDLE")
        with pytest.raises(SourceRejected, match="not trusted"):
            sources.prepared("cloud", store, now=NOW)
    assert asked == []
    assert origins.of(store) == SIMULATED


@pytest.mark.parametrize("way", ["prepared", "opened"])
@pytest.mark.parametrize("answer", [{"devices": []}, 1106, 28841105])
def test_a_good_token_claims_the_store_at_one_call_and_never_again(
    store: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, answer: Any
) -> None:
    origins.claim(store, SIMULATED, now=NOW)
    with cloud_at(answer, tmp_path, monkeypatch) as asked:
        claimed(way, store)
        assert origins.of(store) == MEASURED and len(asked) == 1
        claimed("prepared", store)
        claimed("opened", store)
        assert len(asked) == 1


def test_a_recorded_store_is_refused_before_the_cloud_is_asked(
    store: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origins.claim(store, RECORDED, now=NOW)
    with cloud_at({}, tmp_path, monkeypatch) as asked, pytest.raises(StoreMismatch):
        sources.prepared("cloud", store, now=NOW)
    assert asked == []


@pytest.mark.parametrize(
    "text",
    [
        *("x{", "", "[]", "null", "{}", '"measured"', '{"kind": "stolen"}', '{"kind": []}'),
        '{"kind": "measured", "name": 7}',
        '{"kind": "measured", "mains": "main"}',
    ],
)
def test_a_broken_mark_is_an_error_with_its_name_and_changes_nothing(
    store: Paths, text: str
) -> None:
    store.data.mkdir()
    store.source.write_text(text)
    for look in (
        lambda: origins.of(store),
        lambda: origins.claim(store, MEASURED, now=NOW),
        lambda: origins.clock(store),
    ):
        with pytest.raises(ConfigError) as caught:
            look()
        assert caught.value.where == str(store.source)
        assert caught.value.risk and caught.value.remedy
    assert store.source.read_text() == text


def test_the_mark_that_the_message_proposes_is_understood(store: Paths) -> None:
    store.data.mkdir()
    store.source.write_text('{"kind": "measured"}')
    assert origins.of(store) == MEASURED
