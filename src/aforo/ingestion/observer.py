"""What the ingestion reports: immutable values, through an interface that is independent of the readers."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from aforo.errors import StoreError
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
from aforo.storage import EventRecord

_log = logging.getLogger(__name__)


class IngestionObserver:
    """Called by the ingestion as its events go on, each time with whose event it is; does nothing itself.

    An event may be closed beside another one that is watched. Methods must be quick, but for the two that may read
    from the database. ``GuardedObserver`` logs what they raise.
    """

    async def event_opened(self, record: EventRecord, feeds: Sequence[FeedStatus]) -> None:
        """An event is watched from now on, or goes on after a restart or an edit of the schedule; these are its feeds.

        What a feed was read until has been committed.
        """

    async def recounted(self, record: EventRecord, occupancies: Mapping[str, Occupancy]) -> None:
        """The database counted the whole event anew: each zone's occupancy."""

    def phase_changed(self, record: EventRecord, phase: EventPhase) -> None:
        """The event entered a phase."""

    def feeds_followed(self, record: EventRecord, feeds: Sequence[FeedStatus]) -> None:
        """These are all feeds of the event that are read now; others are not read any more."""

    def feeds_changed(self, record: EventRecord, feeds: Sequence[FeedStatus]) -> None:
        """These feeds stand otherwise than before."""

    def page_read(self, record: EventRecord, batch: Batch) -> None:
        """A page was read and classified."""

    def committed(self, record: EventRecord, batch: Batch, result: CommitResult) -> None:
        """A transaction was committed."""

    def lateness_measured(self, record: EventRecord, feeds: Sequence[FeedLateness]) -> None:
        """So late did the camera events of these feeds become visible, in this event so far."""

    def close_waits(self, record: EventRecord, until: datetime) -> None:
        """The close waits until then (aware UTC) for late camera events."""

    def reconciled(self, record: EventRecord, result: ReconciliationResult) -> None:
        """The event was closed: what the comparison came to."""

    def cameras_listed(self, names: Mapping[str, str]) -> None:
        """The site's cameras: their names at ACC ("" where they have none)."""

    def health_changed(self, spans: Sequence[FaultSpan]) -> None:
        """ACC reported otherwise of the cameras' health: all faults, over or not, by their begin."""


class GuardedObserver(IngestionObserver):
    """Passes everything on to another observer and logs what that raises: a fault there must not touch the counting.

    A StoreError is raised all the same: it is the database's, not the observer's.
    """

    def __init__(self, observer: IngestionObserver) -> None:
        self._observer = observer

    async def event_opened(self, record: EventRecord, feeds: Sequence[FeedStatus]) -> None:
        """Pass it on. Raises StoreError."""
        with _logged():
            await self._observer.event_opened(record, feeds)

    async def recounted(self, record: EventRecord, occupancies: Mapping[str, Occupancy]) -> None:
        """Pass it on. Raises StoreError."""
        with _logged():
            await self._observer.recounted(record, occupancies)

    def phase_changed(self, record: EventRecord, phase: EventPhase) -> None:
        """Pass it on."""
        with _logged():
            self._observer.phase_changed(record, phase)

    def feeds_followed(self, record: EventRecord, feeds: Sequence[FeedStatus]) -> None:
        """Pass it on."""
        with _logged():
            self._observer.feeds_followed(record, feeds)

    def feeds_changed(self, record: EventRecord, feeds: Sequence[FeedStatus]) -> None:
        """Pass it on; not called for none."""
        if feeds:
            with _logged():
                self._observer.feeds_changed(record, feeds)

    def page_read(self, record: EventRecord, batch: Batch) -> None:
        """Pass it on."""
        with _logged():
            self._observer.page_read(record, batch)

    def committed(self, record: EventRecord, batch: Batch, result: CommitResult) -> None:
        """Pass it on."""
        with _logged():
            self._observer.committed(record, batch, result)

    def lateness_measured(self, record: EventRecord, feeds: Sequence[FeedLateness]) -> None:
        """Pass it on; not called for none."""
        if feeds:
            with _logged():
                self._observer.lateness_measured(record, feeds)

    def close_waits(self, record: EventRecord, until: datetime) -> None:
        """Pass it on."""
        with _logged():
            self._observer.close_waits(record, until)

    def reconciled(self, record: EventRecord, result: ReconciliationResult) -> None:
        """Pass it on."""
        with _logged():
            self._observer.reconciled(record, result)

    def cameras_listed(self, names: Mapping[str, str]) -> None:
        """Pass it on."""
        with _logged():
            self._observer.cameras_listed(names)

    def health_changed(self, spans: Sequence[FaultSpan]) -> None:
        """Pass it on."""
        with _logged():
            self._observer.health_changed(spans)


@contextmanager
def _logged() -> Iterator[None]:
    try:
        yield
    except StoreError:
        raise
    except Exception:  # noqa: BLE001 -- whatever it is, the event goes on
        _log.exception("Error interno en la imagen en vivo; el conteo sigue.")
