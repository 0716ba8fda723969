"""One event from its first poll cycle to its end: what changes meanwhile is taken up, and nothing is left out."""

import asyncio
import json
import logging
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.ingestion.memory import CAMERAS, END, START, Ingestion, at, ingestion

from aforo.errors import AccUnreachable, StoreRejectedRow
from aforo.ingestion.event_runner import EventRunner
from aforo.models import EventPhase, Feed
from aforo.storage import JournalKind


async def runner_of(parts: Ingestion) -> EventRunner:
    return EventRunner(parts.context, await parts.record())


async def test_it_watches_until_the_end_and_its_grace(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with ingestion(tmp_path, grace=60.0) as parts:
        for minute in range(0, 60, 5):
            parts.server.add("A", minute + 0.5)
        parts.server.add("B", 59.9)
        runner = await runner_of(parts)
        await runner.watch()
        assert END + timedelta(seconds=60) <= parts.clock.now() < END + timedelta(seconds=180)
        assert len(parts.database.ledger) == 13
        assert parts.recorder.opened == [runner.event]
        assert parts.recorder.names["A"] == "Puerta A"
        assert any(line.startswith("Vuelta hasta 16:") for line in caplog.messages)
        assert "Norte: aforo 13 (entradas 13, salidas 0, salidas con la zona en cero 0)." in caplog.messages


async def test_it_ends_at_a_stop(tmp_path: Path) -> None:
    async with ingestion(tmp_path) as parts:
        runner = await runner_of(parts)
        watching = asyncio.create_task(runner.watch())
        await parts.clock.sleep(300)
        parts.context.stopping.set()
        await watching
        assert parts.clock.now() < at(7)


async def test_an_end_moved_in_mid_event_is_followed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with ingestion(tmp_path) as parts:
        late = parts.server.add("A", 75)
        runner = await runner_of(parts)
        watching = asyncio.create_task(runner.watch())
        await parts.clock.sleep(600)
        parts.schedule(Alargado=(START, at(90)))
        await watching
        assert (runner.event.name, runner.event.window.until) == ("Alargado", at(90))
        assert parts.clock.now() >= at(90)
        assert (late.server_id, late.this_id) in parts.database.ledger
        assert [event.name for event in parts.recorder.opened] == ["Concierto A", "Alargado"]
        assert "El horario de «Concierto A» cambió: «Alargado», de 16:00:00 a 17:30:00." in caplog.messages


async def test_an_edit_that_the_database_does_not_take_leaves_the_old_times(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with ingestion(tmp_path) as parts:
        runner = await runner_of(parts)
        watching = asyncio.create_task(runner.watch())
        await parts.clock.sleep(600)
        parts.database.rejects = StoreRejectedRow("El nombre no cabe.")
        parts.schedule(Alargado=(START, at(90)))
        await watching
        assert runner.event.name == "Concierto A"
        assert any("El cambio no se pudo aplicar" in line for line in caplog.messages)


async def test_a_cancelled_event_is_left(tmp_path: Path) -> None:
    async with ingestion(tmp_path) as parts:
        runner = await runner_of(parts)
        watching = asyncio.create_task(runner.watch())
        await parts.clock.sleep(600)
        parts.schedule(Mañana=(START + timedelta(days=1), END + timedelta(days=1)))
        await watching
        assert runner.cancelled
        assert parts.recorder.phases == [EventPhase.WAITING]
        assert parts.clock.now() < at(15)


async def test_cameras_added_in_mid_event_are_read_from_its_start(tmp_path: Path) -> None:
    async with ingestion(tmp_path, cameras=["A"]) as parts:
        parts.server.add("B", 1)
        runner = await runner_of(parts)
        watching = asyncio.create_task(runner.watch())
        await parts.clock.sleep(600)
        assert not parts.database.ledger
        parts.allow(*CAMERAS)
        await watching
        assert len(parts.database.ledger) == 1
        assert {feed.camera_id for feed in parts.recorder.feeds} == set(CAMERAS)


async def test_a_site_that_cannot_be_listed_yet_is_listed_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with ingestion(tmp_path) as parts:
        parts.server.list_error = AccUnreachable("Sin conexión.")
        parts.server.add("A", 1)
        runner = await runner_of(parts)
        watching = asyncio.create_task(runner.watch())
        await parts.clock.sleep(300)
        assert not parts.server.queries
        assert any("Todavía no se sabe qué servidores tiene el sitio" in line for line in caplog.messages)
        parts.server.list_error = None
        await watching
        assert len(parts.database.ledger) == 1


async def test_a_server_that_joins_later_is_read_too(tmp_path: Path) -> None:
    async with ingestion(tmp_path) as parts:
        parts.server.add("A", 1, server="new")
        runner = await runner_of(parts)
        watching = asyncio.create_task(runner.watch())
        await parts.clock.sleep(400)
        parts.server.server_ids.append("new")
        await watching
        assert len(parts.database.ledger) == 1
        assert {feed.server_id for feed in parts.recorder.feeds} == {"srv", "new"}


async def test_a_server_of_earlier_events_that_left_the_site_is_let_go(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with ingestion(tmp_path) as parts:
        parts.context.site.add_servers(["gone"])
        runner = await runner_of(parts)
        await runner.watch()
        assert {feed.server_id for feed in parts.recorder.feeds} == {"srv"}
        assert any("ya no tiene el servidor gone" in line for line in caplog.messages)


async def test_a_server_whose_clock_is_behind_is_read_by_its_clock(tmp_path: Path) -> None:
    async with ingestion(tmp_path, grace=60.0) as parts:
        tell_time(parts, -120)
        await parts.clock.sleep(4)
        tell_time(parts, -120)
        runner = await runner_of(parts)
        await runner.watch()
        assert parts.clock.now() >= END + timedelta(seconds=120)
        horizons = [window.until for _, _, window in parts.server.queries]
        assert all(horizon <= END for horizon in horizons)
        assert max(horizons) == END


async def test_an_event_goes_on_while_a_jump_of_the_servers_clock_is_in_doubt(tmp_path: Path) -> None:
    async with ingestion(tmp_path, grace=60.0) as parts:
        tell_time(parts, 0)
        watching = asyncio.create_task((await runner_of(parts)).watch())
        await parts.clock.sleep(600)
        for _ in range(40):
            tell_time(parts, 5 * 3600)
            await parts.clock.sleep(5)
        assert parts.context.clock.now() > END + timedelta(hours=3), "it stayed"
        assert not watching.done(), "the machine's clock disputes it"
        parts.server.queries.clear()
        await parts.clock.sleep(120)
        windows = [window for _, _, window in parts.server.queries]
        assert all(window.since <= at(16) for window in windows), "what both clocks have not passed is read again"
        assert {window.until for window in windows} == {END}
        await watching
        assert parts.clock.now() >= END + timedelta(seconds=60)


async def test_what_was_read_by_a_clock_that_was_ahead_is_read_again(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=at(10), grace=60.0) as parts:
        parts.database.checkpoints = {Feed("srv", camera): at(40) for camera in CAMERAS}
        watching = asyncio.create_task((await runner_of(parts)).watch())
        event = parts.server.add("A", minutes=11)
        await parts.clock.sleep(180)
        assert event in parts.database.ledger.values()
        parts.context.stopping.set()
        await watching


def tell_time(parts: Ingestion, ahead: float) -> None:
    """An answer of a server whose clock is so many seconds ahead."""
    now = parts.clock.monotonic()
    parts.context.clock.read_server(parts.clock.now() + timedelta(seconds=ahead), now, now)


async def test_a_restart_goes_on_from_the_checkpoints(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=at(30)) as parts:
        parts.database.checkpoints = {Feed("srv", camera): at(28) for camera in CAMERAS}
        runner = await runner_of(parts)
        watching = asyncio.create_task(runner.watch())
        await parts.clock.sleep(30)
        assert min(window.since for _, _, window in parts.server.queries) == at(26), "the overlap is read again"
        assert parts.recorder.names["A"] == "Puerta A", "the cameras have their names at once"
        parts.context.stopping.set()
        await watching


async def test_a_restart_waits_for_what_an_earlier_run_found_late(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    known = {"server": "srv", "camera": "A", "events": 9, "late": {"150": 9}, "worst": [140.0, 200.0], "clock": None}
    async with ingestion(tmp_path, starts=at(50)) as parts:
        record = await parts.record()
        kind, now = JournalKind.LATENESS, parts.clock.now()
        await parts.database.begin_entry(kind, "", now, detail=json.dumps([known]), record=record, ended=now)
        runner = EventRunner(parts.context, record)
        await runner.watch()
        assert parts.recorder.lateness[Feed("srv", "A")].worst == (140.0, 200.0)
        await runner.close()
        assert parts.recorder.close_waited_until == END + timedelta(seconds=205)
        assert END + timedelta(seconds=205) <= parts.clock.now() < END + timedelta(seconds=300)
        assert parts.recorder.phases == [EventPhase.CLOSING, EventPhase.CLOSING, EventPhase.OVER]
        assert any("se espera por los últimos hasta las 17:03:25" in line for line in caplog.messages)


async def test_a_punctual_event_is_closed_after_its_grace(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=at(50)) as parts:
        runner = await runner_of(parts)
        await runner.watch()
        await runner.close()
        assert parts.recorder.close_waited_until is None
        assert parts.clock.now() < END + timedelta(seconds=90)
