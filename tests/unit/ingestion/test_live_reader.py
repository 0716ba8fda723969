"""Live reads and hint reads beside the poll cycles: sooner counted, never twice, no checkpoint moved, no harm."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.unit.ingestion.memory import CAMERAS, END, Ingestion, at, ingestion

from aforo.avigilon import Lane
from aforo.clock import wait_until_set
from aforo.errors import AccUnreachable
from aforo.ingestion.event_runner import EventRunner
from aforo.models import Batch, CommitResult, Window
from aforo.storage import EventRecord


class StoredAt:
    """When each camera event was stored, by its id."""

    def __init__(self, parts: Ingestion) -> None:
        self.instants: dict[str, datetime] = {}
        self._parts = parts
        self._next = parts.database.on_stored
        parts.database.on_stored = self

    def __call__(self, record: EventRecord, batch: Batch, result: CommitResult) -> None:
        for event in result.new:
            assert event.this_id not in self.instants
            self.instants[event.this_id] = self._parts.clock.now()
        self._next(record, batch, result)

    def delays(self) -> list[float]:
        occurred = {
            event.this_id: event.occurred_at for events in self._parts.server.events_of.values() for event in events
        }
        return sorted((instant - occurred[this_id]).total_seconds() for this_id, instant in self.instants.items())


async def watch(parts: Ingestion, minutes: float = 12) -> None:
    """Watch the event's first minutes, or until a stop."""
    runner = EventRunner(parts.context, await parts.record())
    watching = asyncio.create_task(runner.watch())
    await wait_until_set(parts.context.stopping, parts.clock, 60 * minutes)
    parts.context.stopping.set()
    await watching


def crossings(parts: Ingestion, every: float, until: float = 10) -> None:
    for number in range(int(60 * until / every)):
        parts.server.add(CAMERAS[number % 3], number * every / 60)


async def test_crossings_are_stored_within_the_live_interval(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=at(0.02), live_interval=5.0) as parts:
        stored = StoredAt(parts)
        crossings(parts, every=7)
        await watch(parts)
        delays = stored.delays()
        assert len(delays) == len(parts.database.ledger) == 85
        assert delays[int(0.95 * len(delays))] <= 6
        assert parts.database.checkpoints.values()


async def test_without_live_reads_the_poll_cycles_are_as_before(tmp_path: Path) -> None:
    async with ingestion(tmp_path) as parts:
        stored = StoredAt(parts)
        crossings(parts, every=7)
        await watch(parts)
        assert stored.delays()[int(0.95 * 85)] > 30


async def test_a_live_read_moves_no_checkpoint(tmp_path: Path) -> None:
    async with ingestion(tmp_path, live_interval=5.0) as parts:
        parts.server.add("A", 2.5)
        watching = asyncio.create_task(watch(parts))
        await parts.clock.sleep(170)
        assert len(parts.database.ledger) == 1
        assert set(parts.database.checkpoints.values()) == {at(2)}
        parts.context.stopping.set()
        await watching


async def test_the_log_adds_up_with_live_reads(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with ingestion(tmp_path, live_interval=5.0) as parts:
        crossings(parts, every=20)
        await watch(parts)
    cycles = [line for line in caplog.messages if line.startswith("Vuelta hasta")]
    assert len(cycles) >= 9
    stored = 0
    for line in cycles:
        numbers = [int(word) for word in line.partition(": ")[2].replace(",", "").split() if word.isdigit()]
        received, new, already, rejected = numbers[:4]
        assert received == new + already + rejected
        stored += new
    assert stored == len(parts.database.ledger) == 30


async def test_live_reads_join_cameras_only_where_the_server_takes_it(tmp_path: Path) -> None:
    async with ingestion(tmp_path, live_interval=5.0) as parts:
        crossings(parts, every=2, until=10)
        asked = parts.server.queries
        await watch(parts)
        late = [
            cameras
            for _, cameras, window in asked
            if at(8) < window.until and window.until - window.since < timedelta(seconds=60)
        ]
        assert set(late) == {CAMERAS}


async def test_a_server_that_fails_every_third_time_loses_nothing_and_no_camera_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with ingestion(tmp_path, live_interval=5.0) as parts:
        count = 0

        def fault(_server: str, _cameras: Sequence[str], window: Window) -> None:
            nonlocal count
            if window.until - window.since < timedelta(seconds=60):  # a live read
                count += 1
                if count % 3 == 0:
                    raise AccUnreachable("El servidor dio un error 500.")

        parts.server.fault = fault
        stored = StoredAt(parts)
        crossings(parts, every=7)
        await watch(parts)
        assert len(parts.database.ledger) == 85
        assert count > 40
        assert stored.delays()[int(0.85 * 85)] <= 25  # the first minute's come with the first poll cycle
        assert not any(status.failing_since for status in parts.recorder.feeds.values())
    assert not any(record.levelno >= logging.WARNING for record in caplog.records)


async def test_a_hint_is_stored_within_a_second(tmp_path: Path) -> None:
    async with ingestion(tmp_path, live_interval=60.0) as parts:
        stored = StoredAt(parts)
        watching = asyncio.create_task(watch(parts))
        await parts.clock.sleep(100)
        for number in range(15):
            event = parts.server.add(CAMERAS[number % 3], (100 + number * 30) / 60)
            await parts.clock.sleep((event.occurred_at - parts.clock.now()).total_seconds() + 0.05)
            parts.context.live.camera_event_seen("srv", event.camera_id, event.occurred_at)
            parts.context.live.camera_event_seen("srv", event.camera_id, event.occurred_at)
        await watching
        assert len(stored.delays()) == 15
        assert stored.delays()[-1] <= 0.5
        assert not any(feed.late for feed in parts.recorder.lateness.values())


async def test_hints_that_say_nothing_cost_nothing(tmp_path: Path) -> None:
    async with ingestion(tmp_path, live_interval=60.0) as parts:
        runner = EventRunner(parts.context, await parts.record())
        parts.context.live.camera_event_seen("srv", "A", at(1))  # before anything is read
        watching = asyncio.create_task(runner.watch())
        await parts.clock.sleep(70)
        before = len(parts.server.queries)
        parts.context.live.camera_event_seen("srv", "X", at(1))  # not allowed
        parts.context.live.camera_event_seen("other", "A", at(1))  # of no known server
        parts.context.live.camera_event_seen("srv", "A", END)  # after the end
        parts.context.live.camera_event_seen("srv", "A", at(-1))
        await parts.clock.sleep(20)
        assert len(parts.server.queries) == before
        parts.context.stopping.set()
        await watching
        parts.context.live.camera_event_seen("srv", "A", at(1))  # nobody watches


async def test_what_may_be_missed_is_read_at_once(tmp_path: Path) -> None:
    async with ingestion(tmp_path, live_interval=60.0) as parts:
        event = parts.server.add("A", 1.5)
        watching = asyncio.create_task(watch(parts))
        await parts.clock.sleep(91)
        assert not parts.database.ledger
        parts.context.live.something_missed(None, "ACC ha vuelto a conectar")
        await parts.clock.sleep(1)
        assert list(parts.database.ledger.values()) == [event]
        parts.context.stopping.set()
        await watching


async def test_a_search_that_lags_is_waited_for(tmp_path: Path) -> None:
    async with ingestion(tmp_path, live_interval=5.0) as parts:
        parts.server.lag = 20.0
        stored = StoredAt(parts)
        crossings(parts, every=7)
        await watch(parts)
        late = stored.delays()
        assert len(late) == 85
        assert late[len(late) // 2] <= 26


async def test_nothing_is_read_live_while_server_or_database_are_away(tmp_path: Path) -> None:
    async with ingestion(tmp_path, live_interval=5.0) as parts:
        crossings(parts, every=2)
        watching = asyncio.create_task(watch(parts))
        await parts.clock.sleep(200)
        parts.database.down_since = parts.clock.now()
        await parts.clock.sleep(10)
        before = len(parts.server.queries)
        parts.context.live.camera_event_seen("srv", "A", parts.clock.now())
        parts.context.live.something_missed(None, "prueba")
        await parts.clock.sleep(25)
        assert len(parts.server.queries) == before
        parts.database.down_since = None
        await parts.clock.sleep(6)
        assert len(parts.server.queries) > before
        parts.context.stopping.set()
        await watching


async def test_a_live_read_that_hangs_holds_up_no_poll_cycle(tmp_path: Path) -> None:
    async with ingestion(tmp_path, live_interval=5.0) as parts:

        async def hang(*_: object) -> None:
            await asyncio.Event().wait()

        crossings(parts, every=7)
        real = parts.server.events

        async def events(server_id, camera_ids, window, *, lane=Lane.POLL):  # type: ignore[no-untyped-def]
            if lane is Lane.LIVE and at(3) < window.until < at(6):
                await hang()
            async for page in real(server_id, camera_ids, window, lane=lane):
                yield page

        parts.server.events = events  # type: ignore[method-assign]
        await watch(parts)
        assert len(parts.database.ledger) == 85
