"""Alarms: when one is on, who is told of it and how often, and that no secret is told with it."""

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lib import (
    alarms,
    attempts,
    cli,
    credentials,
    files,
    notify,
    origins,
    pipeline,
    raw,
    runs,
    usage,
)
from lib import status as standing
from lib.alarm_kinds import judged
from lib.alarms import Outcome, Told
from lib.attempts import Attempt
from lib.config import Alarms, Config, Device, Ingestion
from lib.errors import ConfigError, NotebookFailed, SourceUnavailable
from lib.journal import Window
from lib.paths import Paths
from lib.pipeline import Order, Step
from lib.progress import Progress
from lib.status import Watched
from lib.times import iso, stamp, to_ms

NOW = datetime(2026, 4, 22, 15, tzinfo=UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
PASSWORD, TOKEN = "mark3d-passw0rd", "mark3dToken0123456789"  # pragma: allowlist secret
LISTED = [{"id": "plug", "name": "Geladeira"}]


@dataclass
class Inbox:
    """A server of the user's own that takes messages, or refuses them with a status."""

    port: int = 0
    status: int = 200
    got: list[dict[str, Any]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"json://ana:{PASSWORD}@127.0.0.1:{self.port}/{TOKEN}"


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    """A message server that TCC_NOTIFY names."""
    box = Inbox()
    with serving(box):
        monkeypatch.setenv("TCC_NOTIFY", box.address)
        yield box


@contextmanager
def serving(box: Inbox) -> Iterator[None]:
    """Serve an inbox for a block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if box.status == 200:
                box.got.append(json.loads(body))
            self.send_response(box.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        box.port = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True, args=(0.02,)).start()
        yield
        server.shutdown()


@pytest.fixture
def real(store: Paths) -> Paths:
    """A store of measured rows with one device in its list."""
    origins.claim(store, origins.Origin("measured"), now=NOW)
    listed(store, LISTED)
    return store


def listed(store: Paths, devices: list[dict[str, str]], at: datetime = NOW) -> None:
    files.write_text(store.registry / "devices" / f"{stamp(at)}_devices.json", json.dumps(devices))


def hold(
    store: Paths,
    start_h: float,
    end_h: float,
    *,
    rows_h: tuple[float, ...] = (),
    device: str = "plug",
    now: datetime = NOW,
    complete: bool = True,
) -> None:
    """Keep a window asked at its end, both in hours before now, with rows of so long ago."""
    window = Window(device, now - start_h * HOUR, now - end_h * HOUR)
    rows = [
        {"code": "cur_power", "event_id": 7, "event_time": to_ms(now - h * HOUR), "value": "1"}
        for h in rows_h
    ]
    given: dict[str, Any] = {"asked_at": max(window.end, now), "ingested_by": "tcc/1", "pages": 1}
    raw.write_window(store, window, rows, complete=complete, **given)


def watch(store: Paths, now: datetime = NOW, config: Config | None = None, **went: Any) -> Told:
    return alarms.watch(store, config or Config(), Outcome(**went), now=now)


def keys(told: Told) -> list[str]:
    return [alarm.key for alarm in told.on]


def texts(told: Told) -> str:
    return "\n".join(f"{word} {line}" for word, line in told.lines())


# ---- When one is on ----------------------------------------------------------------------


def device(expires_h: float | None = None, silent_h: float = 0.0) -> Watched:
    return Watched("plug", "Geladeira", expires_h, silent_h, None)


def attempt(code: int | None, at: datetime = NOW) -> Attempt:
    return Attempt(at, 1, 0, 0, 1, stopped="SourceRejected", code=code)


@pytest.mark.parametrize(
    ("given", "on"),
    [
        ({}, []),
        ({"devices": [device(expires_h=95.9)]}, ["horizon/plug"]),
        ({"devices": [device(expires_h=96)]}, []),
        ({"devices": [device(expires_h=0)]}, ["horizon/plug"]),
        ({"devices": [device(silent_h=24)]}, ["silent/plug"]),
        ({"devices": [device(silent_h=23.9)]}, []),
        ({"devices": [device(10, 30)]}, ["horizon/plug", "silent/plug"]),
        ({"calls": 23_400}, ["quota"]),
        ({"calls": 23_399}, []),
        ({"last": attempt(28841004)}, ["quota"]),
        ({"last": attempt(28841002)}, ["trial"]),
        ({"last": attempt(1004)}, []),
        ({"last": attempt(None)}, []),
        ({"failed": {"02_stage": "x.ipynb: cell 3 raised"}}, ["failed/02_stage"]),
    ],
)
def test_an_alarm_is_on_from_its_limit_on(given: dict[str, Any], on: list[str]) -> None:
    found = judged(given.pop("devices", []), Config(), now=NOW, **given)
    assert [alarm.key for alarm in found] == on
    assert all(alarm.what and alarm.risk and alarm.remedy for alarm in found)


def test_the_limits_are_the_users() -> None:
    config = Config(alarms=Alarms(horizon_h=10, silent_h=2, quota_pct=50))
    found = judged([device(10.5, 2.0)], config, now=NOW, calls=13_000)
    assert [alarm.key for alarm in found] == ["quota", "silent/plug"]
    none = Config(ingestion=Ingestion(monthly_calls=0))
    assert judged([], none, now=NOW, calls=10**6) == []


def test_a_memory_shorter_than_the_horizon_is_no_alarm_for_ever() -> None:
    config = Config(ingestion=Ingestion(retention_days=3))
    assert judged([device(71.9)], config, now=NOW) == []
    assert [alarm.key for alarm in judged([device(35.9)], config, now=NOW)] == ["horizon/plug"]


def test_expiring_logs_name_the_device_and_the_hours_left() -> None:
    soon, gone = (str(judged([device(h)], Config(), now=NOW)[0]) for h in (41.2, 0))
    assert "Geladeira (plug)" in soon and "in 41 h" in soon and "tcc ingest" in soon
    assert "are expiring now" in gone


# ---- What is known of a device -----------------------------------------------------------


@pytest.mark.parametrize(
    ("windows", "silent_h"),
    [
        ([(168, 0, (30.0,))], 30),
        ([(168, 0, ())], 168),  # never heard
        ([(168, 26, (150.0,)), (26, 0, ())], 150),
        ([(168, 48, (150.0,)), (40, 0, ())], 40),  # what was not asked is no silence
        ([(168, 30, (30.5,))], 0.5),  # nothing is known of what was not asked yet
        ([], 0),
    ],
)
def test_silence_is_time_asked_in_whole_without_a_row(
    real: Paths, windows: list[tuple[float, float, tuple[float, ...]]], silent_h: float
) -> None:
    for start_h, end_h, rows_h in windows:
        hold(real, start_h, end_h, rows_h=rows_h)
    (found,) = standing.watched(real, Config(), now=NOW)
    assert found.silent_h == pytest.approx(silent_h, abs=0.01)


def test_rows_count_before_they_are_staged_and_bad_files_do_not(real: Paths) -> None:
    hold(real, 168, 2, rows_h=(100.0,))
    hold(real, 5, 0, rows_h=(1.0, 4.0))
    assert standing.watched(real, Config(), now=NOW)[0].silent_h == pytest.approx(1)
    newest = max(real.raw.glob("plug/*/*.gz"), key=lambda file: file.stat().st_mtime_ns)
    newest.write_bytes(newest.read_bytes()[:20])
    assert standing.watched(real, Config(), now=NOW)[0].silent_h == pytest.approx(100)


def test_devices_that_are_not_asked_raise_no_alarm(real: Paths) -> None:
    hold(real, 168, 100, device="of-an-old-archive")
    hold(real, 168, 0, rows_h=(1.0,))
    assert keys(watch(real)) == []
    left = [*LISTED, {"id": "gone", "name": "Ferro", "left": iso(NOW - 30 * DAY)}]
    listed(real, left, NOW + SECOND)  # type: ignore[arg-type]
    assert keys(watch(real)) == []


def test_a_device_that_was_listed_and_never_answered_raises_the_horizon(real: Paths) -> None:
    assert keys(watch(real)) == ["horizon/plug"]
    named = Config(devices=(Device(id="plug2", name="TV"),))
    assert keys(watch(real, config=named)) == ["horizon/plug2"]


# ---- Who is told, and how often ----------------------------------------------------------


def test_one_message_an_event_none_in_the_next_hours_and_one_when_it_is_over(
    real: Paths, inbox: Inbox
) -> None:
    hold(real, 168, 80, rows_h=(80.1,))
    told = [watch(real, NOW + n * HOUR) for n in range(4)]
    assert [keys(one) for one in told] == [["horizon/plug"]] * 4
    assert [alarm.since for one in told for alarm in one.on] == [NOW] * 4
    assert len(inbox.got) == 1
    assert inbox.got[0]["title"] == "Casa: 1 alarm"
    assert "Geladeira (plug)" in inbox.got[0]["message"]

    hold(real, 80, -4, rows_h=(-4.0,))
    clear = [watch(real, NOW + n * HOUR) for n in (4, 5)]
    assert [keys(one) for one in clear] == [[], []]
    assert [len(one.over) for one in clear] == [1, 0]
    assert [one["title"] for one in inbox.got[1:]] == ["Casa: 1 over"]


def test_a_run_sends_one_message_with_all_that_is_new_and_over(real: Paths, inbox: Inbox) -> None:
    listed(real, [*LISTED, {"id": "tv", "name": "TV"}], NOW + SECOND)
    hold(real, 168, 0, rows_h=(0.5,))
    watch(real)
    hold(real, 168, 0, rows_h=(40.0,), device="tv")
    watch(real, failed={"02_stage": "it stopped."}, unheard={"02_stage", "03_marts"})
    assert [one["title"] for one in inbox.got] == ["Casa: 1 alarm", "Casa: 2 alarms, 1 over"]
    assert inbox.got[1]["message"].count("ALARM") == 2
    assert inbox.got[1]["message"].count("OVER, no longer so: TV (tv)") == 1


def test_an_alarm_that_comes_back_is_another_event(real: Paths, inbox: Inbox) -> None:
    for n, failed in enumerate(({"02_stage": "a"}, {}, {"02_stage": "b"}, {"02_stage": "c"})):
        hold(real, 168 - n, -n, rows_h=(-n + 0.1,))
        watch(real, NOW + n * HOUR, failed=failed)
    assert [one["title"] for one in inbox.got] == ["Casa: 1 alarm", "Casa: 1 over", "Casa: 1 alarm"]


def test_a_message_that_nobody_took_is_sent_again_at_the_next_run(
    real: Paths, inbox: Inbox, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    inbox.status = 500
    with caplog.at_level(1):
        for name in ("apprise", "urllib3", "urllib3.connectionpool"):
            caplog.set_level(1, logger=name)
        first = watch(real)
        second = watch(real, NOW + HOUR)
        inbox.status = 200
        third = watch(real, NOW + 2 * HOUR)
    assert [len(one.notes) for one in (first, second, third)] == [1, 1, 0]
    assert first.notes[0].startswith("address 1 (json) of TCC_NOTIFY")
    assert len(inbox.got) == 1
    captured = capfd.readouterr()
    seen = "".join((texts(first), caplog.text, captured.out, captured.err, repr(first)))
    seen += real.alarms.read_text()
    assert not [secret for secret in (PASSWORD, TOKEN, str(inbox.port)) if secret in seen]


def test_each_address_is_told_for_itself(
    real: Paths, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Inbox(status=503)
    with serving(other):
        monkeypatch.setenv("TCC_NOTIFY", f"{inbox.address}, {other.address}")
        hold(real, 168, 80, rows_h=(80.1,))
        watch(real)
        other.status = 200
        watch(real, NOW + HOUR)
        watch(real, NOW + 2 * HOUR)
    assert (len(inbox.got), len(other.got)) == (1, 1)


@pytest.mark.parametrize("wrong", ["nonsense-address", "json://", "moon://abcdefgh", "json://[::1"])
def test_a_wrong_address_is_named_by_its_number_only(
    real: Paths, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setenv("TCC_NOTIFY", wrong)
    (note,) = watch(real).notes
    assert "address 1 (" in note and wrong not in note


def test_nobody_has_to_be_told(real: Paths) -> None:
    assert keys(watch(real)) == ["horizon/plug"]
    assert watch(real, NOW + HOUR).on[0].since == NOW


def test_an_address_that_is_named_later_hears_of_what_is_on(
    real: Paths, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCC_NOTIFY", "")
    watch(real)
    monkeypatch.setenv("TCC_NOTIFY", inbox.address)
    watch(real, NOW + HOUR)
    assert "Since 2026-04-22 15:00 UTC" in inbox.got[0]["message"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"on": {"a": 1}, "told": {}}'])
def test_a_memory_that_cannot_be_read_tells_once_more(real: Paths, inbox: Inbox, text: str) -> None:
    watch(real)
    real.alarms.write_text(text)
    watch(real, NOW + HOUR)
    watch(real, NOW + 2 * HOUR)
    assert len(inbox.got) == 2


def test_a_memory_that_cannot_be_written_is_a_note(real: Paths, inbox: Inbox) -> None:
    real.alarms.mkdir()
    told = watch(real)
    assert len(inbox.got) == 1
    assert [note for note in told.notes if "alarms.json" in note]


def test_a_message_too_long_for_a_service_comes_in_several_and_repeats_nothing(
    real: Paths, inbox: Inbox
) -> None:
    listed(real, [{"id": f"plug{n}", "name": f"Tomada {n}"} for n in range(60)], NOW + SECOND)
    watch(real)
    assert [one["title"] for one in inbox.got] == ["Casa: 60 alarms", "Casa: 60 alarms (2)"]
    assert all(len(one["message"]) <= notify.MOST_CHARACTERS for one in inbox.got)
    said = "\n".join(one["message"] for one in inbox.got)
    assert all(f"Tomada {n} (plug{n})" in said for n in range(60))
    assert said.count("Run tcc ingest") == 1


def test_hours_that_expired_unread_are_told_once_and_over_a_day_later(
    real: Paths, inbox: Inbox
) -> None:
    hold(real, 168, 0, rows_h=(0.1,))
    back = NOW + 9 * DAY
    told = []
    for hours in (0, 1, 30):
        at = back + hours * HOUR
        hold(real, 168 if not hours else 4, 0, rows_h=(0.1,), now=at)
        told.append(watch(real, at))
    assert [keys(one) for one in told] == [["lost"], ["lost"], []]
    assert "2026-04-22 15:00 to 2026-04-24 15:00 UTC expired unread: Geladeira 48.0 h" in texts(
        told[0]
    )
    assert [one["title"] for one in inbox.got] == ["Casa: 1 alarm", "Casa: 1 over"]
    assert inbox.got[1]["message"].startswith("OVER, no longer so: Logs of")


@pytest.mark.parametrize("kind", ["simulated", "recorded"])
def test_of_rows_that_are_not_measured_nothing_is_sent(
    store: Paths, inbox: Inbox, kind: origins.Kind
) -> None:
    origins.claim(store, origins.Origin(kind, "casa"), now=NOW)
    listed(store, LISTED)
    told = watch(store)
    assert keys(told) == ["horizon/plug"]
    assert texts(told).startswith(f"alarm {kind.upper()}: ")
    assert (inbox.got, told.heard, store.alarms.exists()) == ([], False, False)


def test_a_failure_stays_on_until_its_step_comes_to_its_end(real: Paths) -> None:
    hold(real, 168, 0, rows_h=(0.1,))
    every = {"01_ingest", "02_stage"}
    assert keys(watch(real, failed={"02_stage": "x."}, unheard=every)) == ["failed/02_stage"]
    assert keys(watch(real, unheard={"02_stage"})) == ["failed/02_stage"]
    assert keys(alarms.current(real, Config(), now=NOW)) == ["failed/02_stage"]
    assert keys(watch(real, unheard={"01_ingest"})) == []


def test_the_months_calls_and_what_stopped_the_collection(real: Paths, inbox: Inbox) -> None:
    hold(real, 168, 0, rows_h=(0.1,))
    hold(real, 1, -1, rows_h=(-1.0,))
    usage.add(real, NOW, 24_000)
    assert keys(watch(real)) == ["quota"]
    attempts.append(real, attempt(28841002))
    told = watch(real, NOW + HOUR)
    assert keys(told) == ["trial", "quota"]
    assert "24,000 of 26,000 calls of this month are used (92 %)" in texts(told)
    attempts.append(real, Attempt(NOW, 1, 1, 0, 1))
    later = datetime(2026, 5, 1, tzinfo=UTC)
    hold(real, 168, 0, rows_h=(0.1,), now=later)
    assert keys(watch(real, later)) == ["lost"]  # nine days without a run
    titles = [one["title"] for one in inbox.got]
    assert titles == ["Casa: 1 alarm", "Casa: 1 alarm", "Casa: 1 alarm, 2 over"]


# ---- At the end of every run -------------------------------------------------------------

STAGE = Order(steps=("02_stage",), now=iso(NOW), page=False)


def test_a_run_that_ends_is_judged(real: Paths, inbox: Inbox) -> None:
    hold(real, 168, 0, rows_h=(0.1,))
    stopped = NotebookFailed("cell 3 raised OSError: no room. More.", where="02_stage.ipynb")
    with pipeline.begun(real, Config(), STAGE) as failed:
        failed.steps.append(Step("02_stage", "failed", error=stopped))
        failed.steps.append(Step("03_marts", "skipped"))
    assert keys(failed.alarms) == ["failed/02_stage"]
    assert failed.alarms.heard and not failed.ok
    assert "02_stage: 02_stage.ipynb: cell 3 raised OSError: no room. More. What" in texts(
        failed.alarms
    )
    with pipeline.begun(real, Config(), STAGE) as good:
        good.steps.append(Step("02_stage", "ok"))
    assert (good.alarms.heard, len(good.alarms.over)) == (False, 1)
    assert [one["title"] for one in inbox.got] == ["Casa: 1 alarm", "Casa: 1 over"]


def test_a_page_that_is_not_set_for_want_of_latex_is_no_alarm(real: Paths) -> None:
    hold(real, 168, 0, rows_h=(0.1,))
    with pipeline.begun(real, Config(), STAGE) as this:
        missing = SourceUnavailable("latexmk is not installed.")
        this.steps.append(Step(pipeline.PAGE, pipeline.NOT_SET, error=missing))
    assert keys(this.alarms) == []


def test_a_run_cut_short_by_the_unforeseen_is_an_alarm_and_still_fails(
    real: Paths, inbox: Inbox
) -> None:
    hold(real, 168, 0, rows_h=(0.1,))
    with (
        pytest.raises(OSError, match="No space left") as caught,
        pipeline.begun(real, Config(), STAGE) as this,
    ):
        this.steps.append(Step("02_stage", "failed"))
        raise OSError(28, f"No space left on {inbox.address}")
    assert len(inbox.got) == 1
    assert "failed at 02_stage: OSError: [Errno 28] No space left" in inbox.got[0]["message"]
    noted = "".join(caught.value.__notes__)
    assert "No space left on ***" in noted and PASSWORD not in noted + str(inbox.got)


def test_a_run_that_could_not_begin_is_an_alarm(
    real: Paths, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(real, 168, 0, rows_h=(0.1,))
    monkeypatch.setenv("TUYA_ACCESS_ID", "abcdefghij0123456789")
    for _ in range(2):
        with (
            pytest.raises(ConfigError, match="TUYA_ACCESS_SECRET is missing"),
            pipeline.begun(real, Config(), Order(now=iso(NOW))),
        ):
            pass
    assert len(inbox.got) == 1
    assert (
        "failed at 01_ingest: environment or no.env: TUYA_ACCESS_SECRET is missing."
        in (inbox.got[0]["message"])
    )
    assert not real.runs.exists()


def test_settings_that_cannot_be_read_are_an_alarm(
    real: Paths, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(real, 168, 0, rows_h=(0.1,))
    monkeypatch.setenv("TUYA_ACCESS_ID", "abcdefghij0123456789")
    monkeypatch.setenv("DEVICE_MAPPING_PATH", "nowhere.json")
    with pytest.raises(ConfigError, match=r"nowhere\.json"):
        cli._settings(real, Order(now=iso(NOW)))
    assert "DEVICE_MAPPING_PATH names 'nowhere.json'" in inbox.got[0]["message"]


def test_a_second_start_or_a_slip_of_the_pen_is_no_alarm(real: Paths, inbox: Inbox) -> None:
    with origins.alone(real), pytest.raises(ConfigError, match="another run"):
        pipeline.run(real, Config(), STAGE)
    with pytest.raises(ConfigError, match="ISO 8601"):
        pipeline.run(real, Config(), Order(now="yesterday"))
    assert inbox.got == [] and not real.alarms.exists()


def test_alarms_never_cost_a_run(
    real: Paths, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError(f"at {inbox.address}")

    monkeypatch.setattr(alarms, "judged", broken)
    with pipeline.begun(real, Config(), STAGE) as this:
        this.steps.append(Step("02_stage", "ok"))
    assert this.ok and not this.alarms.heard
    (note,) = this.alarms.notes
    assert "ZeroDivisionError" in note and TOKEN not in note


# ---- Secrets -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "secrets", "plain"),
    [
        ("ntfys://ntfy.sh/casa-81hf72k", ["casa-81hf72k"], ["ntfy.sh"]),
        ("ntfy://topic-81hf72k", ["topic-81hf72k"], []),
        ("tgram://123456789:AAF_xyz-1/987654321", ["123456789", "AAF_xyz-1", "987654321"], []),
        (
            "mailtos://maria.s:s3nha%40x@smtp.casa.br"  # pragma: allowlist secret
            "?to=ana@casa.br,bia@casa.br",
            ["maria.s", "s3nha%40x", "s3nha@x", "ana@casa.br", "bia@casa.br"],
            ["smtp.casa.br"],
        ),
        (
            "https://discord.com/api/webhooks/12345678/aBcDeF",
            ["12345678", "aBcDeF"],
            ["discord.com", "webhooks"],
        ),
        ("json://localhost:8080/metadata", ["json://localhost:8080/metadata"], ["metadata"]),
    ],
)
def test_an_address_and_its_parts_are_secrets(
    monkeypatch: pytest.MonkeyPatch, address: str, secrets: list[str], plain: list[str]
) -> None:
    monkeypatch.setenv("TCC_NOTIFY", address)
    known = credentials.secret_values()
    assert {address, *secrets} <= known
    assert not known & set(plain)


def test_addresses_are_parted_by_blanks_or_by_commas_before_a_scheme(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    env = tmp_path / "a.env"
    env.write_text('TCC_NOTIFY="a://b1, c://d,e://f?to=x@y,z@w\tg://h,"\n')
    monkeypatch.setenv("TCC_ENV_FILE", str(env))
    assert notify.addresses() == ["a://b1", "c://d", "e://f?to=x@y,z@w", "g://h"]
    assert "e://f?to=x@y,z@w" in credentials.secret_values()


def test_sending_leaves_the_loggers_as_they_were(inbox: Inbox) -> None:
    assert notify.send(inbox.address, "t", "b")
    names = ("apprise", "urllib3", "urllib3.connectionpool", "requests")
    assert not any(logging.getLogger(name).disabled for name in names)


@pytest.mark.parametrize(("mode", "bad"), [(0o600, 0), (0o640, 1), (0o604, 1), (0o400, 0)])
def test_files_of_secrets_that_others_can_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, bad: int
) -> None:
    monkeypatch.delenv("TCC_ENV_FILE")
    for name in (".env", "tinytuya.json"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(mode)
    assert len(credentials.exposed(tmp_path)) == 2 * bad
    assert credentials.exposed(tmp_path / "elsewhere") == []


# ---- One run at a time -------------------------------------------------------------------

HOLD = (
    "import sys, time; from lib import origins; from lib.paths import Paths\n"
    "with origins.alone(Paths.at(sys.argv[1])):\n"
    "    print('held', flush=True); time.sleep(float(sys.argv[2]))"
)


def holder(store: Paths, seconds: float) -> "subprocess.Popen[str]":
    """Another process that holds the store for some seconds."""
    command = [sys.executable, "-c", HOLD, str(store.data), str(seconds)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout and child.stdout.readline() == "held\n"
    return child


def test_the_lock_of_a_killed_process_is_no_obstacle(store: Paths) -> None:
    with holder(store, 600) as child:
        with pytest.raises(ConfigError, match="another run is under way"), origins.alone(store):
            pass
        child.kill()
        child.wait()
        assert (store.data / "run.lock").exists()
        with runs.alone(store, wait_s=0, show=pipeline.quiet):
            pass


def test_a_second_start_waits_as_long_as_it_is_told(store: Paths) -> None:
    shown: list[str] = []

    def show(step: str) -> Progress:
        shown.append(step)
        return pipeline.quiet(step)

    with holder(store, 1.0), runs.alone(store, wait_s=60, show=show):
        assert shown == ["waiting"]
    began = time.monotonic()
    with (
        holder(store, 600) as child,
        pytest.raises(ConfigError, match="another run"),
    ):
        try:
            with runs.alone(store, wait_s=0.2, show=show):
                pass
        finally:
            child.kill()
    assert time.monotonic() - began < 30


def test_wait_is_an_option_of_the_commands(real: Paths) -> None:
    """After the wait this run is refused for what it is, not for the one that was under way."""
    words = ("--wait", "60", "--source", "demo", "--data-dir", str(real.data))
    for command in ("run", "ingest"):
        script = [sys.executable, "-c", "from lib.cli import app; app()", command, *words]
        with holder(real, 4):
            done = subprocess.run(script, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 1
        assert "must not mix" in done.stderr and "another run" not in done.stderr
