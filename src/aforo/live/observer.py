"""Brings what the ingestion reports into the live state."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from aforo.clock import Clock
from aforo.ingestion.observer import IngestionObserver
from aforo.live.door_history import past_doors
from aforo.live.state import LiveState
from aforo.models import (
    Batch,
    CommitResult,
    EventPhase,
    FaultSpan,
    FeedLateness,
    FeedStatus,
    Occupancy,
    ReconciliationResult,
)
from aforo.storage import Database, EventRecord, JournalKind


class LiveObserver(IngestionObserver):
    """Keeps ``live`` up to date; reads the event's own history when it is opened or recounted.

    Of an event that is not shown, because another one is watched, only the phase is kept, and the sums of all events.
    """

    def __init__(self, live: LiveState, database: Database, clock: Clock) -> None:
        self._live = live
        self._database = database
        self._clock = clock

    async def event_opened(self, record: EventRecord, feeds: Sequence[FeedStatus]) -> None:
        """Open that event with its feeds, then read what the database has of it. Raises StoreError."""
        if not self._live.would_display(record):
            self._live.enter(record, EventPhase.WATCHING)
            return
        self._live.open(record, self._clock.now(), feeds)
        history = await self._database.stored_history(record)
        past = past_doors(await self._database.entries(kind=JournalKind.DOORS), record.id)
        if self._live.displays(record):
            self._live.load(history, past)

    async def recounted(self, record: EventRecord, occupancies: Mapping[str, Occupancy]) -> None:
        """Take the zones and the history as they are after a recount. Raises StoreError."""
        if not self._live.displays(record):
            return
        history = await self._database.stored_history(record)
        if self._live.displays(record):
            self._live.recount(occupancies, history)

    def phase_changed(self, record: EventRecord, phase: EventPhase) -> None:
        """Set the phase."""
        self._live.enter(record, phase)

    def feeds_followed(self, record: EventRecord, feeds: Sequence[FeedStatus]) -> None:
        """Set these feeds and no others."""
        if self._live.displays(record):
            self._live.follow(feeds)

    def feeds_changed(self, record: EventRecord, feeds: Sequence[FeedStatus]) -> None:
        """Set how these feeds stand."""
        if self._live.displays(record):
            self._live.update_feeds(feeds, self._clock.now())

    def page_read(self, record: EventRecord, batch: Batch) -> None:
        """Count what was excluded."""
        if self._live.displays(record):
            self._live.page_read(batch, self._clock.now())

    def reconciled(self, record: EventRecord, result: ReconciliationResult) -> None:
        """Set what the comparison came to."""
        if self._live.displays(record):
            self._live.reconcile(result)
        else:
            self._live.reconcile_beside(record, result.outcome)

    def committed(self, record: EventRecord, batch: Batch, result: CommitResult) -> None:
        """Take what was committed."""
        if self._live.displays(record):
            self._live.committed(result, self._clock.now(), batch)
        else:
            self._live.committed_beside(result, self._clock.now())

    def cameras_listed(self, names: Mapping[str, str]) -> None:
        """Take the site's cameras."""
        self._live.list_cameras(names)

    def health_changed(self, spans: Sequence[FaultSpan]) -> None:
        """Take what ACC reports of the cameras' health."""
        self._live.update_health(spans)

    def lateness_measured(self, record: EventRecord, feeds: Sequence[FeedLateness]) -> None:
        """Set how late these feeds are."""
        if self._live.displays(record):
            self._live.measure_lateness(feeds, self._clock.now())

    def close_waits(self, record: EventRecord, until: datetime) -> None:
        """Set until when the close waits."""
        if self._live.displays(record):
            self._live.wait_at_close(until)
