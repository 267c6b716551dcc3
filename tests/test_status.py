"""Status: where a store stands, with numbers computed by hand."""

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from lib import attempts, files, origins, raw, status, terminal, usage
from lib.attempts import Attempt, Unanswered
from lib.config import Config, Device
from lib.journal import Entry, Journal, Window
from lib.paths import Paths

NOW = datetime(2026, 4, 22, 15, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def hold(store: Paths, device: str, start_h: float, end_h: float, **more: object) -> Entry:
    """Keep an empty window, given in hours before now."""
    window = Window(device, NOW - start_h * HOUR, NOW - end_h * HOUR)
    given = {"asked_at": window.end, "ingested_by": "tcc/1", "complete": True, **more}
    return raw.write_window(store, window, [], **given)  # type: ignore[arg-type]


def of(store: Paths, now: datetime = NOW, **more: object) -> dict[str, status.DeviceStatus]:
    found = status.of(store, Config(**more), now=now)  # type: ignore[arg-type]
    return {device.device_id: device for device in found.devices}


def test_an_empty_store_has_nothing_to_tell(store: Paths) -> None:
    found = status.of(store, Config(), now=NOW)
    assert (found.origin, found.devices, found.files, found.quarantined) == (None, [], 0, 0)
    assert found.last_run is None and not store.data.exists()


@pytest.mark.parametrize(
    ("windows", "expires_h", "held_until_h"),
    [
        ([(168, 5)], 163, 5),  # the oldest unread instant is 5 h old: 168 - 5 h are left
        ([(168, 0)], None, 0),  # nothing is unread
        ([(200, 100), (100, 2)], 166, 2),
        ([(168, 100), (90, 1)], 68, 1),  # a gap from 100 h to 90 h before now: 168 - 100 h
        ([(100, 0)], 0, 0),  # the oldest hours are being forgotten right now
        ([(400, 300)], 0, 300),
        ([(150, 160)], 0, None),  # an empty span holds nothing
    ],
)
def test_hours_until_unread_logs_expire(
    store: Paths,
    windows: list[tuple[float, float]],
    expires_h: float | None,
    held_until_h: float | None,
) -> None:
    for start_h, end_h in windows:
        hold(store, "plug", start_h, end_h)
    plug = of(store)["plug"]
    assert plug.expires_h == expires_h
    held_until = None if held_until_h is None else NOW - held_until_h * HOUR
    assert plug.held_until == held_until


def test_partial_files_do_not_count_as_read(store: Paths) -> None:
    hold(store, "plug", 168, 48)
    hold(store, "plug", 48, 0, complete=False)
    plug = of(store)["plug"]
    assert (plug.expires_h, plug.held_until) == (120, NOW - 2 * DAY)


def test_the_hours_left_follow_the_clock_and_the_clouds_memory(store: Paths) -> None:
    hold(store, "plug", 168, 5)
    assert of(store, NOW + 10 * HOUR)["plug"].expires_h == 153
    assert of(store, ingestion={"retention_days": 1})["plug"].expires_h == 19
    assert of(store, NOW + 30 * DAY)["plug"].expires_h == 0


def test_a_device_that_never_answered_is_shown_as_being_forgotten(store: Paths) -> None:
    """It was refused from the start: no file speaks of it, and its logs expire all the same."""
    hold(store, "plug", 168, 0)
    listed = json.dumps([{"id": "plug", "name": "Tomada"}, {"id": "refused", "name": "Medidor"}])
    files.write_text(store.registry / "devices" / "20260422T150000Z_devices.json", listed)
    found = of(store)
    assert [device.name for device in found.values()] == ["Medidor", "Tomada"]
    assert (found["refused"].expires_h, found["refused"].held_until) == (0, None)


def test_each_device_stands_for_itself_under_the_name_the_user_gave(store: Paths) -> None:
    hold(store, "plug-1", 168, 1)
    hold(store, "plug-2", 168, 7)
    found = of(store, devices=(Device(id="plug-2", name="Geladeira"),))
    assert [(d.name, d.expires_h) for d in found.values()] == [("Geladeira", 161), ("plug-1", 167)]
    assert all((d.rows, d.newest_event, d.gaps, d.gap_h) == (0, None, 0, 0) for d in found.values())


def test_a_file_in_quarantine_is_counted_and_its_window_open_again(store: Paths) -> None:
    entry = hold(store, "plug", 100, 10)
    hold(store, "plug", 168, 100)
    hold(store, "plug", 10, 0)
    assert of(store)["plug"].expires_h is None
    file = store.raw / entry.file
    raw.set_aside(store, file, raw.bad_file(file, "it is odd"), entry)
    assert status.of(store, Config(), now=NOW).quarantined == 1
    assert of(store)["plug"].expires_h == 68


def test_a_store_that_is_not_measured_has_its_own_clock(store: Paths) -> None:
    hold(store, "plug", 10, 9)
    assert abs(origins.clock(store) - datetime.now(UTC)) < timedelta(seconds=5)
    origins.claim(store, origins.Origin("simulated", "casa"), now=NOW)
    assert origins.clock(store) == NOW - 9 * HOUR
    assert origins.clock(store, "2026-01-01T00:00Z") == datetime(2026, 1, 1, tzinfo=UTC)
    last = Journal(store.journal).last()
    assert last and last.asked_at == NOW - 9 * HOUR


def test_the_newest_run_is_told(store: Paths) -> None:
    files.write_text(store.runs / "20260422T150000Z" / "run.json", json.dumps({"ok": False}))
    found = status.of(store, Config(), now=NOW)
    assert found.last_run == {"ok": False, "folder": "20260422T150000Z"}


def printed(store: Paths, **more: object) -> str:
    out = Console(width=120, record=True, file=io.StringIO())
    config = Config(**more)  # type: ignore[arg-type]
    terminal.print_status(out, store, status.of(store, config, now=NOW))
    return out.export_text()


def test_the_months_calls_are_told_of_measured_rows(store: Paths) -> None:
    hold(store, "plug", 168, 0)
    usage.add(store, NOW - 40 * DAY, 5_000)
    usage.add(store, NOW, 8_112)
    assert "calls this month" not in printed(store)
    origins.claim(store, origins.Origin("measured"), now=NOW)
    assert "calls this month: 8,112 of 26,000 (31 %)\n" in printed(store)
    assert "calls this month: 8,112\n" in printed(store, ingestion={"monthly_calls": 0})


def test_what_stopped_the_last_collection_is_told(store: Paths) -> None:
    hold(store, "plug", 168, 0)
    left = Unanswered("plug", NOW - HOUR, NOW, "SourceRejected", 28841004)
    attempts.append(store, Attempt(NOW, 2, 1, 0, 3, (left,), "SourceRejected", 28841004))
    assert "2026-04-22 15:00 UTC: stopped by SourceRejected (28841004), 1 span(s)" in printed(store)
    attempts.append(store, Attempt(NOW, 2, 2, 0, 3))
    assert "stopped by" not in printed(store)
