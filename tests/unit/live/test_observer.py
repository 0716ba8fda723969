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
from aforo.models import AlertKind, Feed, FeedStatus, ScheduledEvent, Window
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
