"""The page on a stage: real store, writer, board, alerts and web server; only the cameras' events are handed in.

The evening's time stands where the test puts it: ``play`` moves it on, and stores what the crowd did until then.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from aforo import web
from aforo.alerting.notifier import watching
from aforo.clock import SystemClock
from aforo.counting.rules import Rules
from aforo.live.state import HealthProbes, LiveState
from aforo.models import Batch, CameraEvent, CommitResult, Feed, FeedStatus, Matcher, Page, ScheduledEvent, Window
from aforo.settings import STADIUM_ZONES, AlertsSettings, OperatorSettings, WebSettings, ZoneSettings, zones_from
from aforo.simulator import Scenario, ScenarioPlan
from aforo.simulator.event_log import instant_of, milliseconds
from aforo.storage import Database, Store
from aforo.web.auth import hash_password

START = datetime(2026, 11, 24, 21, tzinfo=UTC)  # 16:00 in Bogotá
BOGOTA = ZoneInfo("America/Bogota")
PASSWORD = "Campín 1938"
STORED = ("contains:PUERTA", "contains:AFORO ENTRADA SENCIA", "equals:INGRESO PERSONAS ENTRADA MARATON")
CAPACITIES = (800, 520, 420)


class StageClock(SystemClock):
    """The evening's time stands still until the test moves it; waiting is short and real."""

    def __init__(self, now: datetime) -> None:
        super().__init__()
        self.instant = now

    def now(self) -> datetime:
        return self.instant

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.05))


def operators(*names: str) -> list[OperatorSettings]:
    return [OperatorSettings(name=name, password_hash=SecretStr(hash_password(PASSWORD))) for name in names]


def capped_zones(capacities: Sequence[int] = CAPACITIES) -> list[ZoneSettings]:
    return [
        zone.model_copy(update={"capacity": capacity}) for zone, capacity in zip(STADIUM_ZONES, capacities, strict=True)
    ]


@dataclass
class Stage:
    """Everything that a test may touch."""

    clock: StageClock
    crowd: Scenario
    event: ScheduledEvent
    board: LiveState
    rules: Rules
    database: Database
    path: Path
    url: str = ""
    played: datetime = field(default=START)

    async def play(self, until: datetime, *, stored: bool = True, silent: Sequence[str] = ()) -> None:
        """Let the evening go on until then; cameras in ``silent`` are not asked. ``stored``: wait for the database."""
        fresh: defaultdict[str, list[CameraEvent]] = defaultdict(list)
        cameras = [camera for camera in self.crowd.allowed if camera not in silent]
        for passage in self.crowd.event_log.crossings(milliseconds(self.played), milliseconds(until), cameras):
            kind = passage.kind
            instant, area = instant_of(passage.at), kind.area or ""
            fresh[kind.camera_id].append(
                CameraEvent(
                    kind.server_id, str(passage.number), instant, kind.camera_id, kind.name, area, kind.activity
                )
            )
        self.clock.instant = self.played = until
        for camera in cameras:
            batch = self.rules.classify_page(Page(fresh[camera]), self.event, frozenset(self.crowd.allowed))
            for feed in [feed for feed in self.board.feeds if feed.camera_id == camera]:
                self.change_feed(feed, read_until=until)
                batch.checkpoints[feed] = until
            self.board.read(batch)
            await self.database.put(batch)
        if stored:
            await self.database.drain()
        self.board.notify()

    def change_feed(self, feed: Feed, **changes: Any) -> None:
        """Let a feed stand otherwise; ``changes`` are fields of FeedStatus."""
        self.board.update_feeds([replace(self.board.feeds[feed], **changes)])

    def at(self, minutes: float) -> datetime:
        """So many minutes after the event's start."""
        return START + timedelta(minutes=minutes)


@asynccontextmanager
async def staged(
    folder: Path,
    *,
    settings: WebSettings | None = None,
    alerts: AlertsSettings | None = None,
    zones: Sequence[ZoneSettings] | None = None,
    crowd: Scenario | None = None,
    port: int = 0,
    shown: bool = True,
) -> AsyncIterator[Stage]:
    """A stage with the page open."""
    crowd = crowd or Scenario(ScenarioPlan(START, START + timedelta(hours=7), cameras=24, events=9_000, servers=1))
    zones = list(zones or capped_zones())
    event = ScheduledEvent(date(2026, 11, 24), "Millonarios – Santa Fe", Window(START, START + timedelta(hours=7)))
    clock = StageClock(START)
    rules = Rules(map(Matcher.parse, STORED), zones_from(zones))
    path = folder / "stage.db"
    address = f"sqlite:///{path}"

    def make_store() -> Store:
        return Store(address, zones_from(zones), BOGOTA)

    board = LiveState(zones)
    async with Database(make_store(), clock) as database:

        def on_stored(batch: Batch, stored: CommitResult) -> None:
            board.apply(stored, clock.now(), batch)

        database.on_stored = on_stored
        board.signs = HealthProbes(
            database_down_since=lambda: database.down_since,
            waiting=lambda: database.waiting,
            pending=lambda: database.pending,
        )
        await database.open()
        show = await database.open_record(event, rules.classify, rules.fingerprint)
        board.camera_names.update({camera.id: camera.name for camera in crowd.cameras})
        board.open(show, clock.now())
        board.follow([FeedStatus(Feed(crowd.servers[0].id, camera), event.window.since) for camera in crowd.allowed])
        board.recall(await database.stored_history(show))
        stage = Stage(clock, crowd, event, board, rules, database, path)
        corrections, events = web.CorrectionService(board, database, clock), web.EventReader(board, make_store)
        settings = (settings or WebSettings(operators=operators("Ana Ruiz"))).model_copy(update={"port": port or 8080})
        stale_after = (alerts or AlertsSettings()).stale
        context = web.WebContext(settings, board, clock, "America/Bogota", stale_after, corrections, events)
        async with (
            watching(alerts or AlertsSettings(), board, clock, database),
            web.serving(context, free_port=not port) as page,
        ):
            assert page is not None
            if shown:
                async with asyncio.timeout(10):
                    await page.ready.wait()
            stage.url = page.url
            yield stage
