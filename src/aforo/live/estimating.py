"""Estimates the people in each zone beside the count, every few seconds."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

from aforo.background import background_task
from aforo.clock import Clock, SystemClock, wait_until_set
from aforo.errors import StoreError
from aforo.live.estimates import DoorCounts, KnownEvent, estimates, shown
from aforo.live.state import LiveEstimate, LiveState
from aforo.settings import Settings
from aforo.storage import Database, EventRecord, JournalEntry, JournalKind

_log = logging.getLogger(__name__)

_PAUSE = 2.0  # real seconds between two estimates at least: a demo's clock runs faster
_AGAIN = 30.0  # real seconds after which the journal is read again though nothing passed
_PATIENCE = 5.0  # real seconds for the database to give the journal


class Estimator:
    """Makes the estimates of the event that is shown, and puts them into the live state.

    They are made in a thread: with many doors one takes longer than the event loop may be held.
    """

    def __init__(self, settings: Settings, live: LiveState, database: Database, clock: Clock) -> None:
        self._settings = settings
        self._live = live
        self._database = database
        self._clock = clock
        self._real_time = SystemClock()
        self._changed = asyncio.Event()
        self._failed: EventRecord | None = None  # whose failure is logged
        self._journal: tuple[int, Sequence[JournalEntry], Sequence[JournalEntry]] | None = None

    async def run(self) -> None:
        """Estimate until cancelled."""
        with self._live.listening(self._changed.set):
            while True:
                await wait_until_set(self._changed, self._real_time, _AGAIN)
                try:
                    await self.refresh()
                except Exception:  # noqa: BLE001 -- one event that cannot be estimated is no reason to leave out the next
                    self._live.update_estimates({})
                    if self._failed is not self._live.record:
                        self._failed = self._live.record
                        _log.exception("Error interno al estimar el aforo; el conteo sigue, sin su intervalo.")
                self._changed.clear()  # what the estimates themselves changed is no reason to make them again
                await self._real_time.sleep(_PAUSE)

    async def refresh(self) -> None:
        """Estimate once, by what is known now."""
        record = self._live.record
        if record is None:
            return
        entries, learned = await self._read(record)
        if self._live.record is not record:
            return
        now = self._clock.now()
        at, unread = self._live.newest_and_unread() or (now, {})
        at = min(at, now)
        known = replace(self._known(record, entries, learned), unread=unread)
        counts = {name: self._live.occupancy(name).count for name in (*known.deltas, *self._live.total_occupancies)}
        made = await asyncio.to_thread(self._estimate, known, at, counts)
        if self._live.record is record:
            self._live.update_estimates(made)

    async def _read(self, record: EventRecord) -> tuple[Sequence[JournalEntry], Sequence[JournalEntry]]:
        """Return the event's journal and what was learned of all events; while the database is away, as read last."""
        if self._journal is None or self._journal[0] != record.id:
            self._journal = record.id, (), ()
        _, entries, learned = self._journal
        if self._database.down_since is None:
            try:
                async with asyncio.timeout(_PATIENCE):
                    entries = await self._database.entries(record)
                    learned = learned or await self._database.entries(kind=JournalKind.LEARNED)
            except (TimeoutError, StoreError) as error:
                _log.debug("Sin el diario del evento para estimar el aforo: %s", error)
            else:
                self._journal = record.id, entries, learned
        return entries, learned

    def _known(
        self, record: EventRecord, entries: Sequence[JournalEntry], learned: Sequence[JournalEntry]
    ) -> KnownEvent:
        live = self._live
        return KnownEvent(
            id=record.id,
            event=record.event,
            zones=self._settings.zones,
            totals=self._settings.totals,
            timezone=self._settings.monitor.timezone,
            doors=[DoorCounts(door.name, door.zone, door.camera_id, dict(door.minutes)) for door in live.doors],
            deltas={name: live.deltas(name) for name in live.occupancies},
            corrections=list(live.corrections.values()),
            entries=entries,
            learned=learned,
        )

    def _estimate(self, known: KnownEvent, at: datetime, counts: dict[str, int]) -> dict[str, LiveEstimate]:
        limit = self._settings.estimate.unreliable
        return {
            name: shown(one, counts[name], limit, known.timezone)
            for name, one in estimates(known, at).items()
            if name in counts
        }


@asynccontextmanager
async def estimating(settings: Settings, live: LiveState, database: Database, clock: Clock) -> AsyncIterator[None]:
    """Estimate inside the ``with``. A failure here is logged and touches nothing else."""
    async with background_task(
        Estimator(settings, live, database, clock).run(),
        name="aforo-estimates",
        log=_log,
        failure="Error interno al estimar el aforo; el conteo sigue, sin su intervalo.",
    ):
        yield
