"""A cameras' server and a database in memory: the ingestion without HTTP and without SQL, on a virtual clock."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.fake_clock import FakeClock

from aforo.avigilon import Camera, Lane, Server
from aforo.avigilon.query_batching import BatchLimits
from aforo.counting.rules import Rules
from aforo.errors import AccError
from aforo.ingestion.close_lane import CloseLane
from aforo.ingestion.context import RunContext
from aforo.ingestion.cycle_log import CycleLogs
from aforo.ingestion.health_watch import HealthWatch
from aforo.ingestion.observer import IngestionObserver
from aforo.ingestion.site import SiteDirectory
from aforo.inputs.camera_list import CamerasFile
from aforo.inputs.schedule import ScheduleFile
from aforo.models import (
    Batch,
    CameraEvent,
    Classification,
    CommitResult,
    EventPhase,
    EventSource,
    FaultSpan,
    Feed,
    FeedLateness,
    FeedStatus,
    HealthEvent,
    Occupancy,
    Page,
    ReconciliationResult,
    Rule,
    ScheduledEvent,
    Window,
    Zone,
)
from aforo.reference_clock import ReferenceClock
from aforo.settings import MonitorSettings
from aforo.storage import EventRecord, JournalEntry, JournalKind, StoredFigures

BOGOTA = ZoneInfo("America/Bogota")
START = datetime(2026, 1, 27, 21, tzinfo=UTC)  # 16:00 in Bogotá
END = START + timedelta(hours=1)
DAY = date(2026, 1, 27)
EVENT = ScheduledEvent(DAY, "Concierto A", Window(START, END))
NORTH = Zone("Norte", "", (Rule.of("contains:ENTRA"),), (Rule.of("contains:SALE"),))
CAMERAS = ("A", "B", "C")


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


@dataclass
class MemoryServer:
    """Events that become visible ``lag`` seconds after they occur.

    ``fault``: called with each query; what it raises is its answer.
    ``edit``: called with each page, its cameras and its number; what it returns is given instead.
    ``hanging``: cameras whose queries never end. ``page_size``: events in a page. ``down``: no server answers.
    """

    clock: FakeClock
    events_of: dict[str, list[CameraEvent]] = field(default_factory=dict)
    server_ids: list[str] = field(default_factory=lambda: ["srv"])
    fault: Callable[[str, Sequence[str], Window], None] = lambda *_: None
    edit: Callable[[Page, Sequence[str], int], Page] = lambda page, *_: page
    hanging: set[str] = field(default_factory=set)
    page_size: int = 2
    seconds: float = 0.01
    lag: float = 0.0
    list_error: AccError | None = None
    unusable_servers: int = 0
    unusable_cameras: int = 0
    listed: list[Camera] | None = None
    link_down_since: datetime | None = None
    batch_limits: BatchLimits = field(default_factory=lambda: BatchLimits("srv"))
    queries: list[tuple[str, tuple[str, ...], Window]] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    health: list[HealthEvent] = field(default_factory=list)
    health_error: AccError | None = None
    topics_error: AccError | None = None
    states_error: AccError | None = None
    health_queries: list[tuple[str, Window]] = field(default_factory=list)

    def add(self, camera: str, minutes: float, name: str = "ENTRA", server: str = "srv") -> CameraEvent:
        number = sum(map(len, self.events_of.values())) + 1
        event = CameraEvent(server, str(number), at(minutes), camera, name, "", "OBJECT_COUNTING_ENTER")
        self.events_of.setdefault(camera, []).append(event)
        return event

    async def learn_time(self) -> None:
        pass  # it gives no Date

    @property
    def unusable(self) -> dict[str, int]:
        return {"servidores": self.unusable_servers, "cámaras": self.unusable_cameras}

    async def servers(self) -> list[Server]:
        if self.list_error is not None:
            raise self.list_error
        return [Server(server_id, server_id) for server_id in self.server_ids]

    async def cameras(self) -> list[Camera]:
        if self.listed is not None:
            return self.listed
        return [Camera(camera, f"Puerta {camera}", "CONNECTED", True, "srv") for camera in CAMERAS]

    async def connection_states(self) -> list[Camera]:
        if self.states_error is not None:
            raise self.states_error
        return await self.cameras()

    async def health_topics(self) -> list[str]:
        if self.topics_error is not None:
            raise self.topics_error
        return self.topics

    async def health_events(self, server_id: str, topics: Sequence[str], window: Window) -> list[HealthEvent]:
        assert topics == self.topics
        self.health_queries.append((server_id, window))
        if self.health_error is not None:
            raise self.health_error
        return [event for event in self.health if window.since <= event.occurred_at < window.until]

    async def events(
        self, server_id: str, camera_ids: Sequence[str], window: Window, *, lane: Lane = Lane.POLL
    ) -> AsyncGenerator[Page, None]:
        del lane
        self.queries.append((server_id, tuple(camera_ids), window))
        await self.clock.sleep(self.seconds)
        if self.hanging & set(camera_ids):
            await asyncio.Event().wait()
        self.fault(server_id, camera_ids, window)
        found = sorted(
            (
                event
                for camera in camera_ids
                for event in self.events_of.get(camera, [])
                if event.server_id == server_id and window.since <= event.occurred_at < window.until <= self.clock.now()
                if event.occurred_at <= self.clock.now() - timedelta(seconds=self.lag)
            ),
            key=lambda event: event.occurred_at,
        )
        for first in range(0, max(1, len(found)), self.page_size):
            following = first + self.page_size
            read_until = found[following].occurred_at if following < len(found) else window.until
            yield self.edit(Page(found[first:following], (), read_until), camera_ids, first // self.page_size)


@dataclass
class MemoryDatabase:
    """Keeps each camera event once. ``blocked``: nothing is stored and no call returns until it is set again."""

    clock: FakeClock
    on_stored: Callable[[EventRecord, Batch, CommitResult], None] = lambda *_: None
    ledger: dict[tuple[str, str], CameraEvent] = field(default_factory=dict)
    stored_for: Counter[str] = field(default_factory=Counter)
    checkpoints: dict[Feed, datetime] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)
    journal: list[JournalEntry] = field(default_factory=list)
    opened: list[ScheduledEvent] = field(default_factory=list)
    planned: list[tuple[ScheduledEvent, datetime]] = field(default_factory=list)
    ever_planned: set[str] = field(default_factory=set)
    answering: asyncio.Event = field(default_factory=asyncio.Event)
    down_since: datetime | None = None
    pending: int = 0
    rejects: Exception | None = None
    generation: int = 0

    def __post_init__(self) -> None:
        self.answering.set()

    async def open_record(
        self, event: ScheduledEvent, classify: Callable[[EventSource], Classification], rules: str
    ) -> EventRecord:
        if self.rejects is not None:
            raise self.rejects
        self.opened.append(event)
        self._classify = classify
        return EventRecord(
            len(self.opened),
            event,
            dict(self.checkpoints),
            self._occupancies(),
            event.name in self.closed,
            classify,
            rules,
        )

    async def put(self, record: EventRecord, batch: Batch) -> None:
        await self.answering.wait()
        new = [event for event in batch.events if (event.server_id, event.this_id) not in self.ledger]
        self.ledger.update({(event.server_id, event.this_id): event for event in new})
        self.stored_for[record.event.name] += len(new)
        for feed, until in batch.checkpoints.items():
            self.checkpoints[feed] = max(until, self.checkpoints.get(feed, until))
        self.on_stored(record, batch, CommitResult(new, len(batch.events) - len(new), self._occupancies()))

    def events_of(self, name: str) -> int:
        """How many camera events were stored for the event of that name."""
        return self.stored_for[name]

    async def drain(self, record: EventRecord | None = None) -> None:
        del record
        await self.answering.wait()

    async def stored_figures(self, record: EventRecord) -> StoredFigures:
        await self.answering.wait()
        del record
        events = self.ledger.values()
        return StoredFigures(self._occupancies(), dict(Counter(event.camera_id for event in events)), 0)

    async def events_by_camera(self, record: EventRecord) -> dict[str, int]:
        del record
        return dict(Counter(event.camera_id for event in self.ledger.values()))

    async def plan_comparisons(
        self, record: EventRecord, due: Sequence[datetime], now: datetime, *, first: bool = False
    ) -> bool:
        del now
        if first and record.event.name in self.ever_planned:
            return False
        self.ever_planned.add(record.event.name)
        self.planned = [(record.event, instant) for instant in due]
        return True

    async def end_comparisons(self, record: EventRecord, now: datetime) -> None:
        del record
        self.planned = [(event, due) for event, due in self.planned if due > now]

    async def planned_comparisons(self) -> list[tuple[ScheduledEvent, datetime]]:
        return self.planned

    async def entries(self, record: EventRecord | None = None, kind: JournalKind | None = None) -> list[JournalEntry]:
        del record
        return [entry for entry in self.journal if kind is None or entry.kind == kind]

    async def begin_entry(
        self,
        kind: JournalKind,
        subject: str,
        began: datetime,
        *,
        detail: str = "",
        record: EventRecord | None = None,
        ended: datetime | None = None,
    ) -> int:
        await self.answering.wait()
        record_id = None if record is None else record.id
        self.journal.append(JournalEntry(len(self.journal), record_id, kind, subject, began, ended, detail))
        return len(self.journal)

    async def close_record(self, record: EventRecord, now: datetime) -> None:
        del now
        self.closed.append(record.event.name)

    def _occupancies(self) -> dict[str, Occupancy]:
        entries = sum("ENTRA" in event.name for event in self.ledger.values())
        exits = len(self.ledger) - entries
        return {"Norte": Occupancy("Norte", entries, exits, max(0, entries - exits), 0)}


class Recorder(IngestionObserver):
    """Keeps what was reported."""

    def __init__(self) -> None:
        self.phases: list[EventPhase] = []
        self.opened: list[ScheduledEvent] = []
        self.recounts = 0
        self.feeds: dict[Feed, FeedStatus] = {}
        self.changes = 0
        self.pages = 0
        self.commits = 0
        self.names: dict[str, str] = {}
        self.fault_spans: list[FaultSpan] = []
        self.results: list[ReconciliationResult] = []
        self.lateness: dict[Feed, FeedLateness] = {}
        self.close_waited_until: datetime | None = None

    async def event_opened(self, record: EventRecord, feeds: Sequence[FeedStatus]) -> None:
        self.opened.append(record.event)
        self.feeds = {status.feed: status for status in feeds}

    async def recounted(self, record: EventRecord, occupancies: Any) -> None:
        del record, occupancies
        self.recounts += 1

    def phase_changed(self, record: EventRecord, phase: EventPhase) -> None:
        del record
        self.phases.append(phase)

    def feeds_followed(self, record: EventRecord, feeds: Sequence[FeedStatus]) -> None:
        del record
        self.feeds = {status.feed: status for status in feeds}

    def feeds_changed(self, record: EventRecord, feeds: Sequence[FeedStatus]) -> None:
        del record
        self.changes += 1
        self.feeds.update((status.feed, status) for status in feeds)

    def page_read(self, record: EventRecord, batch: Batch) -> None:
        del record, batch
        self.pages += 1

    def committed(self, record: EventRecord, batch: Batch, result: CommitResult) -> None:
        del record, batch, result
        self.commits += 1

    def cameras_listed(self, names: Any) -> None:
        self.names = dict(names)

    def health_changed(self, spans: Sequence[FaultSpan]) -> None:
        self.fault_spans = list(spans)

    def reconciled(self, record: EventRecord, result: ReconciliationResult) -> None:
        del record
        self.results.append(result)

    def lateness_measured(self, record: EventRecord, feeds: Sequence[FeedLateness]) -> None:
        del record
        self.lateness.update((one.feed, one) for one in feeds)

    def close_waits(self, record: EventRecord, until: datetime) -> None:
        del record
        self.close_waited_until = until


@dataclass
class Ingestion:
    """The parts of one test."""

    folder: Path
    clock: FakeClock
    server: MemoryServer
    database: MemoryDatabase
    recorder: Recorder
    context: RunContext

    def schedule(self, **events: tuple[datetime, datetime]) -> None:
        """Write the schedule: a name and its start and end for each event."""
        document: dict[str, list[dict[str, str]]] = {}
        for name, (since, until) in events.items():
            begins, ends = since.astimezone(BOGOTA), until.astimezone(BOGOTA)
            entry = {"nombre": name, "hora_inicio": f"{begins:%H:%M:%S}", "hora_fin": f"{ends:%H:%M:%S}"}
            document.setdefault(str(begins.date()), []).append(entry)
        write(self.folder / "schedule.json", document)

    def allow(self, *cameras: str) -> None:
        write(self.folder / "cameras.json", list(cameras))

    async def record(self) -> EventRecord:
        return await self.context.open_record(EVENT)


def write(path: Path, document: object) -> None:
    path.write_text(json.dumps(document), encoding="utf-8")


@asynccontextmanager
async def ingestion(
    folder: Path, *, starts: datetime = START, cameras: Sequence[str] = CAMERAS, **settings: Any
) -> AsyncIterator[Ingestion]:
    """The ingestion of an event from 16:00 to 17:00, with these cameras, between a server and a database in memory."""
    write(folder / "schedule.json", {"2026-01-27": {"nombre": EVENT.name, "hora_inicio": "16:00", "hora_fin": "17:00"}})
    write(folder / "cameras.json", list(cameras))
    async with FakeClock(starts, idle=0.0002) as clock:  # no sockets: nothing comes by itself
        server, database, recorder = MemoryServer(clock), MemoryDatabase(clock), Recorder()
        monitor = MonitorSettings(
            schedule_file=folder / "schedule.json",
            cameras_file=folder / "cameras.json",
            **{"interval": 60.0, "live_interval": 60.0} | settings,
        )
        rules = Rules([], [NORTH])
        site = SiteDirectory(server, clock, recorder)
        cameras_file = await asyncio.to_thread(CamerasFile, folder / "cameras.json")
        context = RunContext(
            settings=monitor,
            clock=ReferenceClock(clock),
            stopping=asyncio.Event(),
            schedule=await asyncio.to_thread(ScheduleFile, folder / "schedule.json", BOGOTA),
            cameras=cameras_file,
            client=server,
            database=database,
            rules=rules,
            observer=recorder,
            site=site,
            health=HealthWatch(server, site, lambda: cameras_file.cameras, clock),
            logs=CycleLogs(site, rules, BOGOTA),
            close_lane=CloseLane(8),
        )
        database.on_stored = context.committed
        yield Ingestion(folder, clock, server, database, recorder, context)
