"""The parts that an event runner needs, made by the composition root."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from aforo.avigilon import BatchingClient, QueryBatching
from aforo.counting.rules import Rules
from aforo.ingestion.close_lane import CloseLane
from aforo.ingestion.cycle_log import CycleLogs
from aforo.ingestion.fetch import EventClient, Fetcher, Sink
from aforo.ingestion.health_watch import HealthClient, HealthWatch
from aforo.ingestion.lateness import LatenessMeter
from aforo.ingestion.live_pace import LivePace
from aforo.ingestion.live_reader import LiveReader, LiveReaders
from aforo.ingestion.observer import IngestionObserver
from aforo.ingestion.poller import Poller
from aforo.ingestion.site import SiteDirectory, SiteLister
from aforo.ingestion.sweeper import Sweeper
from aforo.inputs.camera_list import CamerasFile
from aforo.inputs.schedule import ScheduleFile
from aforo.models import Batch, Classification, CommitResult, EventSource, Feed, Occupancy, ScheduledEvent
from aforo.reference_clock import ReferenceClock
from aforo.settings import MonitorSettings
from aforo.storage import EventRecord, JournalEntry, JournalKind, StoredFigures


class CameraServer(EventClient, BatchingClient, SiteLister, HealthClient, Protocol):
    """What the ingestion needs of the Avigilon client."""

    async def learn_time(self) -> None:
        """Ask again where the first answer gave a time far from the machine's, until it is seen to go on."""
        ...


class EventDatabase(Sink, Protocol):
    """What the ingestion needs of the database; see ``storage.Database``."""

    @property
    def down_since(self) -> datetime | None:
        """Since when (aware UTC) the database does not answer; None while it does."""
        ...

    @property
    def pending(self) -> int:
        """Events read and not yet stored."""
        ...

    @property
    def generation(self) -> int:
        """Grows whenever the database turns out to be another one: records have to be opened again."""
        ...

    async def open_record(
        self, event: ScheduledEvent, classify: Callable[[EventSource], Classification], rules: str
    ) -> EventRecord:
        """Open the record of that event. Raises StoreError."""
        ...

    async def drain(self, record: EventRecord | None = None) -> None:
        """Wait until everything put so far is stored; of that event only, where one is given. Raises StoreError."""
        ...

    async def stored_figures(self, record: EventRecord) -> StoredFigures:
        """Recount everything from the ledger; return what the comparison at the close needs. Raises StoreError."""
        ...

    async def events_by_camera(self, record: EventRecord) -> dict[str, int]:
        """The ledger's events per camera, inside the event's window. Raises StoreError."""
        ...

    async def plan_comparisons(
        self, record: EventRecord, due: Sequence[datetime], now: datetime, *, first: bool = False
    ) -> bool:
        """Store when an event is to be compared again, in place of what was planned; ``first``: only where none was.

        Returns whether that was done. Raises StoreError.
        """
        ...

    async def end_comparisons(self, record: EventRecord, now: datetime) -> None:
        """Store that the comparisons that were due by now are made. Raises StoreError."""
        ...

    async def planned_comparisons(self) -> list[tuple[ScheduledEvent, datetime]]:
        """The comparisons that are planned and not made, each with its event. Raises StoreError."""
        ...

    async def entries(self, record: EventRecord | None = None, kind: JournalKind | None = None) -> list[JournalEntry]:
        """The journal, oldest first; of one event or kind where that is given. Raises StoreError."""
        ...

    async def begin_entry(  # noqa: PLR0913 -- the columns of the journal
        self,
        kind: JournalKind,
        subject: str,
        began: datetime,
        *,
        detail: str = "",
        record: EventRecord | None = None,
        ended: datetime | None = None,
    ) -> int:
        """Store in the journal that something began (and is over, with ``ended``). Raises StoreError."""
        ...

    async def close_record(self, record: EventRecord, now: datetime) -> None:
        """Store that the event is over and compared. Raises StoreError."""
        ...


@dataclass(frozen=True, slots=True)
class RunContext:
    """The parts that an event runner needs. ``stopping`` is set when a stop is requested.

    ``live``: the live readers of the events that are watched; it takes hints. ``lateness_meters``: by the record's id,
    of the events that are watched or closed now.
    """

    settings: MonitorSettings
    clock: ReferenceClock
    stopping: asyncio.Event
    schedule: ScheduleFile
    cameras: CamerasFile
    client: CameraServer
    database: EventDatabase
    rules: Rules
    observer: IngestionObserver
    site: SiteDirectory
    health: HealthWatch
    logs: CycleLogs
    close_lane: CloseLane
    live: LiveReaders = field(default_factory=LiveReaders)
    lateness_meters: dict[int, LatenessMeter] = field(default_factory=dict)

    @property
    def timezone(self) -> ZoneInfo:
        """The stadium's time zone."""
        return self.settings.timezone

    async def open_record(self, event: ScheduledEvent) -> EventRecord:
        """Open the record of that event. Raises StoreError."""
        return await self.database.open_record(event, self.rules.classify, self.rules.fingerprint)

    def feeds(self) -> list[Feed]:
        """Every allowed camera on every server."""
        return self.site.feeds(self.cameras.cameras)

    def poller(self, *, closing: bool = False, observed: bool = True) -> Poller:
        """A poller that reads, classifies and stores with these parts; for a close, in the lane of the closes.

        Without ``observed``, how the feeds stand is not reported.
        """
        batching = QueryBatching(self.client)
        return Poller(
            client=self.client,
            batching=batching,
            fetcher=self._fetcher(batching),
            lane=self.close_lane.fetch if closing else nullcontext,
            clock=self.clock,
            stopping=self.stopping,
            observer=self.observer if observed else IngestionObserver(),
            timezone=self.timezone,
            feed_label=self.site.feed_label,
        )

    def sweeper(self) -> Sweeper:
        """A sweeper that reads, classifies and stores with these parts."""
        batching = QueryBatching(self.client)
        return Sweeper(fetcher=self._fetcher(batching), batching=batching, client=self.client, clock=self.clock)

    def live_reader(self) -> LiveReader:
        """A reader of what has just happened that reads, classifies and stores with these parts."""
        batching = QueryBatching(self.client)
        return LiveReader(
            fetcher=self._fetcher(batching),
            batching=batching,
            client=self.client,
            clock=self.clock,
            pace=LivePace(self.settings.live_interval, self.settings.interval, self.live.load),
            database_is_down=lambda: self.database.down_since is not None,
        )

    def _fetcher(self, batching: QueryBatching) -> Fetcher:
        return Fetcher(
            client=self.client,
            batching=batching,
            rules=self.rules,
            sink=self.database,
            clock=self.clock,
            on_page=self.page_read,
            on_events=self.live.page_read,
            feed_label=self.site.feed_label,
        )

    def local(self, instant: datetime) -> str:
        """Return an instant in the stadium's local time."""
        return instant.astimezone(self.timezone).strftime("%H:%M:%S")

    def page_read(self, record: EventRecord, batch: Batch) -> None:
        """Report a classified page to the event's log and the observer.

        Not one that the database has dropped, since it was replaced after the record was opened: it is read again.
        """
        if record.generation != self.database.generation:
            return
        self.logs.of(record).page_read(batch)
        self.observer.page_read(record, batch)

    def committed(self, record: EventRecord, batch: Batch, result: CommitResult) -> None:
        """Report a committed transaction to the event's log and the observer."""
        meter = self.lateness_meters.get(record.id)
        if meter is not None:
            meter.committed(batch, result)
        self.live.committed(record, result)
        self.logs.of(record).committed(batch, result)
        self.site.take_counted(result.new)
        self.observer.committed(record, batch, result)

    def corrected(self, record: EventRecord, occupancies: Mapping[str, Occupancy]) -> None:
        """Report an operator's correction to the event's log."""
        self.logs.of(record).recounted(occupancies)
