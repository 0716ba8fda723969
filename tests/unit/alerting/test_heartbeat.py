"""The call elsewhere: after good turns only, told once when it fails, never holding anything up."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from aiohttp import web
from tests.fake_clock import FakeClock

from aforo.alerting.heartbeat import Heartbeat, beating
from aforo.live.state import HealthProbes, LiveState
from aforo.models import (
    Batch,
    Classification,
    CommitResult,
    EventPhase,
    Feed,
    FeedStatus,
    Occupancy,
    ScheduledEvent,
    Window,
)
from aforo.storage import EventRecord

READY = asyncio.Event()
READY.set()


class Elsewhere:
    """A monitoring service of the operators' own."""

    def __init__(self) -> None:
        self.calls = 0
        self.status = 200
        self.url = ""

    async def answer(self, _: web.Request) -> web.Response:
        self.calls += 1
        return web.Response(status=self.status)


@pytest.fixture
async def elsewhere() -> AsyncIterator[Elsewhere]:
    one = Elsewhere()
    app = web.Application()
    app.router.add_get("/ping/secreto", one.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}/ping/secreto"
    yield one
    await runner.cleanup()


def watching(clock: FakeClock) -> tuple[LiveState, Feed]:
    """A board in mid-event, with one camera."""
    window = Window(clock.now() - timedelta(hours=1), clock.now() + timedelta(hours=3))
    event = ScheduledEvent(window.since.date(), "A", window)
    feed = Feed("s", "c")
    board = LiveState()
    show = EventRecord(
        1, event, {}, {"Norte": Occupancy("Norte", 0, 0, 0, 0)}, False, lambda _: Classification(False, ()), ""
    )
    board.open(show, clock.now())
    board.follow([FeedStatus(feed, clock.now())])
    return board, feed


async def test_it_calls_while_turns_are_good_and_is_silent_when_they_are_not(
    elsewhere: Elsewhere, fake_clock: FakeClock
) -> None:
    board, feed = watching(fake_clock)
    async with beating(elsewhere.url, 60.0, board, fake_clock, READY):
        await fake_clock.sleep(125)
        assert elsewhere.calls == 2
        await fake_clock.sleep(600)
        assert elsewhere.calls == 2, "the number has grown old: silence"
        board.apply(CommitResult([], 0, {}), fake_clock.now(), Batch(checkpoints={feed: fake_clock.now()}))
        await fake_clock.sleep(61)
        assert elsewhere.calls == 3
        board.signs = HealthProbes(database_down_since=fake_clock.now)
        await fake_clock.sleep(300)
        assert elsewhere.calls == 3, "the database is away: silence"


async def test_between_two_events_it_calls_as_well(elsewhere: Elsewhere, fake_clock: FakeClock) -> None:
    board = LiveState()
    assert board.phase is EventPhase.WAITING
    async with beating(elsewhere.url, 60.0, board, fake_clock, READY):
        await fake_clock.sleep(200)
    assert elsewhere.calls == 3


async def test_a_job_that_was_never_let_in_is_silent(elsewhere: Elsewhere, fake_clock: FakeClock) -> None:
    board, ready = LiveState(), asyncio.Event()
    async with beating(elsewhere.url, 60.0, board, fake_clock, ready):
        await fake_clock.sleep(400)
        assert elsewhere.calls == 0, "a refused login may last all night: somebody must hear of it"
        ready.set()
        await fake_clock.sleep(61)
        assert elsewhere.calls == 1
        board.signs = HealthProbes(link_down_since=fake_clock.now)
        await fake_clock.sleep(200)
        assert elsewhere.calls == 1


async def test_a_refusal_is_told_once_and_its_end_too(
    elsewhere: Elsewhere, fake_clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "aforo")
    elsewhere.status = 500
    async with beating(elsewhere.url, 60.0, LiveState(), fake_clock, READY):
        await fake_clock.sleep(200)
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        elsewhere.status = 200
        await fake_clock.sleep(130)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "secreto" not in caplog.text


async def test_nobody_listens(fake_clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    task = asyncio.create_task(Heartbeat("http://127.0.0.1:9/x", 60.0, LiveState(), fake_clock, READY).run())
    await fake_clock.sleep(200)
    task.cancel()
    assert len(caplog.records) == 1
