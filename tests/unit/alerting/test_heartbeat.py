"""The heartbeat: sent after good poll cycles only, a failure logged once, nothing held up."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from aiohttp import web
from tests.fake_clock import FakeClock

from aforo.alerting.heartbeat import Heartbeat, sending_heartbeats
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
    """A live state in mid-event, with one camera."""
    window = Window(clock.now() - timedelta(hours=1), clock.now() + timedelta(hours=3))
    event = ScheduledEvent(window.since.date(), "A", window)
    feed = Feed("s", "c")
    live = LiveState()
    record = EventRecord(
        1, event, {}, {"Norte": Occupancy("Norte", 0, 0, 0, 0)}, False, lambda _: Classification(False, ()), ""
    )
    live.open(record, clock.now())
    live.follow([FeedStatus(feed, clock.now())])
    return live, feed


async def test_it_calls_while_poll_cycles_are_good(elsewhere: Elsewhere, fake_clock: FakeClock) -> None:
    live, feed = watching(fake_clock)
    async with sending_heartbeats(elsewhere.url, 60.0, live, fake_clock, READY):
        await fake_clock.sleep(125)
        assert elsewhere.calls == 2
        await fake_clock.sleep(600)
        assert elsewhere.calls == 2, "the number has grown old: silence"
        live.committed(CommitResult([], 0, {}), fake_clock.now(), Batch(checkpoints={feed: fake_clock.now()}))
        await fake_clock.sleep(61)
        assert elsewhere.calls == 3
        live.connect(HealthProbes(database_down_since=fake_clock.now))
        await fake_clock.sleep(300)
        assert elsewhere.calls == 3, "the database is away: silence"


async def test_it_calls_between_two_events(elsewhere: Elsewhere, fake_clock: FakeClock) -> None:
    live = LiveState()
    assert live.phase is EventPhase.WAITING
    async with sending_heartbeats(elsewhere.url, 60.0, live, fake_clock, READY):
        await fake_clock.sleep(200)
    assert elsewhere.calls == 3


async def test_it_does_not_call_before_the_first_login(elsewhere: Elsewhere, fake_clock: FakeClock) -> None:
    live, ready = LiveState(), asyncio.Event()
    async with sending_heartbeats(elsewhere.url, 60.0, live, fake_clock, ready):
        await fake_clock.sleep(400)
        assert elsewhere.calls == 0, "a rejected login may last for the whole event: somebody must notice"
        ready.set()
        await fake_clock.sleep(61)
        assert elsewhere.calls == 1
        live.connect(HealthProbes(link_down_since=fake_clock.now))
        await fake_clock.sleep(200)
        assert elsewhere.calls == 1


async def test_a_refusal_and_its_end_are_logged_once(
    elsewhere: Elsewhere, fake_clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "aforo")
    elsewhere.status = 500
    async with sending_heartbeats(elsewhere.url, 60.0, LiveState(), fake_clock, READY):
        await fake_clock.sleep(200)
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        elsewhere.status = 200
        await fake_clock.sleep(130)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "secreto" not in caplog.text


async def test_an_absent_receiver_is_logged_once(fake_clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    task = asyncio.create_task(Heartbeat("http://127.0.0.1:9/x", 60.0, LiveState(), fake_clock, READY).run())
    await fake_clock.sleep(200)
    task.cancel()
    assert len(caplog.records) == 1
