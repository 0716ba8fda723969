"""Brings what the ingestion reports into the live state."""

from collections.abc import Mapping, Sequence

from aforo.clock import Clock
from aforo.ingestion.observer import IngestionObserver
from aforo.live.state import LiveState
from aforo.models import Batch, CommitResult, EventPhase, FeedStatus, Occupancy
from aforo.storage import Database, EventRecord


class LiveObserver(IngestionObserver):
    """Keeps ``live`` up to date; reads the event's own history when it is opened or recounted."""

    def __init__(self, live: LiveState, database: Database, clock: Clock) -> None:
        self._live = live
        self._database = database
        self._clock = clock

    async def event_opened(self, record: EventRecord, feeds: Sequence[FeedStatus]) -> None:
        """Open that event with its feeds, then read what the database has of it. Raises StoreError."""
        self._live.open(record, self._clock.now(), feeds)
        self._live.load(await self._database.stored_history(record))

    async def recounted(self, record: EventRecord, occupancies: Mapping[str, Occupancy]) -> None:
        """Take the zones and the history as they are after a recount. Raises StoreError."""
        self._live.recount(occupancies, await self._database.stored_history(record))

    def phase_changed(self, phase: EventPhase) -> None:
        """Set the phase."""
        self._live.enter(phase)

    def feeds_followed(self, feeds: Sequence[FeedStatus]) -> None:
        """Set these feeds and no others."""
        self._live.follow(feeds)

    def feeds_changed(self, feeds: Sequence[FeedStatus]) -> None:
        """Set how these feeds stand."""
        self._live.update_feeds(feeds)

    def page_read(self, batch: Batch) -> None:
        """Count what was excluded."""
        self._live.page_read(batch)

    def committed(self, batch: Batch, result: CommitResult) -> None:
        """Take what was committed."""
        self._live.committed(result, self._clock.now(), batch)

    def cameras_named(self, names: Mapping[str, str]) -> None:
        """Add the cameras' names."""
        self._live.name_cameras(names)
