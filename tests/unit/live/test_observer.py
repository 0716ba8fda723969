"""While an event's history is read from the database, page and alerts have the state of its feeds."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.fake_clock import FakeClock

from aforo.alerting.engine import Condition, ZoneLevels
from aforo.alerting.rules import conditions
from aforo.counting.rules import Rules
from aforo.live.observer import LiveObserver
from aforo.live.state import LiveState
from aforo.models import (
    AlertKind,
    Batch,
    CameraEvent,
    CommitResult,
    EventPhase,
    Feed,
    FeedStatus,
    Occupancy,
    Outcome,
    ReconciliationResult,
    ScheduledEvent,
    Window,
)
from aforo.settings import AlertsSettings
from aforo.storage import Database, EventRecord, Store, StoredHistory

START = datetime(2026, 11, 24, 21, tzinfo=UTC)
NOW = START + timedelta(hours=2)
EVENT = ScheduledEvent(date(2026, 11, 24), "Partido", Window(START, START + timedelta(hours=4)))
FEED = Feed("srv", "A")


class SlowHistory(Database):
    """A database that gives no history before ``given`` is set; ``requested`` is set when one is requested."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        super().__init__(Store(f"sqlite:///{folder / 'a.db'}", (), ZoneInfo("America/Bogota")), clock)
        self.requested, self.given = asyncio.Event(), asyncio.Event()

    async def stored_history(self, record: EventRecord) -> StoredHistory:
        self.requested.set()
        await self.given.wait()
        return await super().stored_history(record)


@pytest.mark.parametrize("again", [False, True])
async def test_an_event_that_goes_on_is_neither_old_nor_without_cameras(tmp_path: Path, *, again: bool) -> None:
    """After a restart, or when the schedule was edited (``again``): no alert begins or ends by that alone."""
    rules = Rules([], [])
    async with FakeClock(NOW) as clock, SlowHistory(tmp_path, clock) as database:
        await database.open()
        record = await database.open_record(EVENT, rules.classify, rules.fingerprint)
        live = LiveState()
        observer = LiveObserver(live, database, clock)
        statuses = [FeedStatus(FEED, NOW - timedelta(minutes=1))]
        if again:
            database.given.set()
            await observer.event_opened(record, statuses)
            database.given.clear()
            database.requested.clear()
        opening = asyncio.create_task(observer.event_opened(record, statuses))
        await database.requested.wait()
        found = {condition.kind: condition for condition in conditions(live, AlertsSettings(), ZoneLevels(0.0), NOW)}
        database.given.set()
        await opening
    assert found[AlertKind.STALE].holds is False
    assert found[AlertKind.CAMERA_GONE] == Condition(AlertKind.CAMERA_GONE, "A", None, "No contesta: A.")


async def test_what_is_read_of_an_event_beside_does_not_touch_the_one_that_is_displayed(tmp_path: Path) -> None:
    rules = Rules([], [])
    later = ScheduledEvent(EVENT.day, "Segundo", Window(EVENT.window.until, EVENT.window.until + timedelta(hours=2)))
    statuses = [FeedStatus(FEED, NOW)]
    async with FakeClock(NOW) as clock, SlowHistory(tmp_path, clock) as database:
        database.given.set()
        await database.open()
        first = await database.open_record(EVENT, rules.classify, rules.fingerprint)
        second = await database.open_record(later, rules.classify, rules.fingerprint)
        live = LiveState()
        observer = LiveObserver(live, database, clock)
        await observer.event_opened(first, statuses)
        await observer.event_opened(second, statuses)
        other = FeedStatus(Feed("srv", "B"), NOW)
        observer.feeds_followed(first, [other])
        observer.feeds_changed(first, [other])
        await observer.event_opened(first, [other])
        await observer.recounted(first, {"Norte": Occupancy("Norte", 1, 0, 1, 0)})
        event = CameraEvent("srv", "1", START, "A", "PUERTA", "", "")
        observer.committed(first, Batch([event]), CommitResult([event], 2, {"Norte": Occupancy("Norte", 1, 0, 1, 0)}))
        observer.phase_changed(first, EventPhase.CLOSING)
    assert (live.event, live.phase, dict(live.feeds)) == (later, EventPhase.WATCHING, {FEED: statuses[0]})
    assert (dict(live.occupancies), list(live.lateness), live.as_of()) == ({}, [], NOW)
    assert (live.stored, live.repeated) == (1, 2), "the sums are of all events"
    assert list(live.beside) == [(EVENT, EventPhase.CLOSING)]
    observer.reconciled(first, ReconciliationResult(Outcome.RESERVED))
    assert list(live.beside) == [(EVENT, Outcome.RESERVED)]
    assert live.reconciliation is None, "that is of the event that is displayed"
