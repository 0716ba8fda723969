"""The database as asyncio code uses it: one thread, a bounded queue, retries while the database is away."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from itertools import islice
from typing import ParamSpec, Self, TypeVar

from aforo.clock import Clock, wait_until_set
from aforo.errors import StoreError, StoreRejectedRow, StoreUnavailable
from aforo.models import Batch, CameraEvent, Classification, CommitResult, EventSource, Occupancy, ScheduledEvent
from aforo.storage.complaints import Complaints
from aforo.storage.corrections import Correction, CorrectionResult
from aforo.storage.journal import JournalEntry, JournalKind
from aforo.storage.quarantine import QuarantinedEvents
from aforo.storage.queries import ReportSnapshot, StoredFigures, StoredHistory
from aforo.storage.records import EventRecord
from aforo.storage.schema import tables
from aforo.storage.store import Store
from aforo.wording import duration_to_the_second

_log = logging.getLogger(__name__)
_P = ParamSpec("_P")
_T = TypeVar("_T")

_FIRST_PAUSE = 0.1  # seconds before a second try; then twice as long each time
_LONGEST_PAUSE = 15.0
_TOLD_AFTER = 2  # failures in a row before it is told: a deadlock or a moment's lock is no outage


class Database:
    """Stores batches in the order they came, retrying for ever while the database is away.

    Use as an async context manager. ``on_stored`` is called on the loop after each transaction. Leaving it finishes
    the transaction under way; batches still waiting are dropped (``drain`` first), and will be asked of ACC again,
    because their checkpoints were not stored either.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        most_waiting: int = 30_000,
        most_together: int = 8_000,
        chance: random.Random | None = None,
    ) -> None:
        self.on_stored: Callable[[Batch, CommitResult], None] | None = None
        self.down_since: datetime | None = None
        self._store = store
        self._clock = clock
        self._most_waiting = most_waiting
        self._most_together = most_together
        self._chance = chance or random.Random()  # noqa: S311 -- jitter, not a secret
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="aforo-store")
        self._queue: deque[tuple[EventRecord, Batch]] = deque()
        self._pending = 0
        self._work, self._room, self._idle, self._stopping = (asyncio.Event() for _ in range(4))
        self._room.set()
        self._idle.set()
        self._record: EventRecord | None = None
        self._was_there = False
        self._failing = 0  # calls that have failed and are tried again
        self._failures = 0
        self._outages: list[tuple[datetime, datetime]] = []
        self._complaints = Complaints()
        self._task: asyncio.Task[None] | None = None

    @property
    def pending(self) -> int:
        """Events read and not yet stored."""
        return self._pending

    @property
    def waiting(self) -> list[Batch]:
        """The batches read and not yet stored, oldest first; the one that is being stored among them."""
        return [batch for _, batch in self._queue]

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._store_all(), name="aforo-writer")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def open(self) -> None:
        """Connect, bring our tables to this version, find or create the stadium's tables."""
        await self._call(self._store.open)

    async def last_open_event(self) -> ScheduledEvent | None:
        """The latest event that was opened and never closed."""
        return await self._call(self._store.last_open_event)

    async def open_record(
        self, event: ScheduledEvent, verdict: Callable[[EventSource], Classification], rules: str
    ) -> EventRecord:
        """Open the record of that event, once all before it is stored; what is put from now on belongs to it."""
        await self.drain()
        self._record = await self._call(self._store.open_record, event, verdict, rules, self._clock.now())
        return self._record

    async def put(self, batch: Batch) -> None:
        """Hand over a batch of the show that is open; waits while too many events are waiting to be stored."""
        if self._record is None:
            raise RuntimeError("open_record() comes before put()")
        while self._pending and self._pending + len(batch.events) > self._most_waiting:
            self._room.clear()
            await self._wait(self._room)
        self._queue.append((self._record, batch))
        self._pending += len(batch.events)
        self._idle.clear()
        self._work.set()

    async def drain(self) -> None:
        """Wait until everything put so far, and meanwhile, is stored."""
        await self._wait(self._idle)

    async def recount(self, record: EventRecord) -> dict[str, Occupancy]:
        """Recount everything from the ledger: minutes, the zones' tables, the quarantined rows of the history."""
        return await self._call(self._store.recount, record)

    async def stored_figures(self, record: EventRecord) -> StoredFigures:
        """Recount everything from the ledger; return what the comparison at the close needs."""
        return await self._call(self._store.stored_figures, record)

    async def close_record(self, record: EventRecord, now: datetime) -> None:
        """Store that the event is over and compared."""
        await self._call(self._store.close_record, record, now)

    async def events_by_camera(self, record: EventRecord) -> dict[str, int]:
        """The ledger's events per camera, inside the event's window."""
        return await self._call(self._store.events_by_camera, record)

    async def history_count(self, record: EventRecord) -> int:
        """The rows of eventos_Analisis with the event's name, inside its window."""
        return await self._call(self._store.history_count, record)

    async def stored_history(self, record: EventRecord) -> StoredHistory:
        """The event so far: zones and doors by minute, and the corrections."""
        return await self._call(self._store.stored_history, record)

    async def correct(
        self, record: EventRecord, correction: Correction, *, count: int | None = None
    ) -> CorrectionResult:
        """Apply a correction, once for each id; with ``count``, by as much as the zone lacks of that count."""
        return await self._call(self._store.correct, record, correction, count=count)

    async def records_on(self, day: date) -> list[EventRecord]:
        """The records of the events scheduled for that date, by their start; they can only be read."""
        return await self._call(self._store.records_on, day)

    async def report_snapshot(self, record: EventRecord, now: datetime) -> ReportSnapshot:
        """All that the event report needs."""
        return await self._call(self._store.report_snapshot, record, now)

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
        """Store in the journal that something began (and is over, with ``ended``); returns the entry's id."""
        return await self._call(
            self._store.begin_entry, kind, subject, began, detail=detail, record=record, ended=ended
        )

    async def end_entry(self, entry_id: int, ended: datetime) -> None:
        """Store the end of a journal entry; an entry that has an end keeps it."""
        await self._call(self._store.end_entry, entry_id, ended)

    async def entries(self, record: EventRecord | None = None, kind: JournalKind | None = None) -> list[JournalEntry]:
        """The journal, oldest first; of one event or kind where that is given."""
        return await self._call(self._store.entries, record, kind)

    async def beat(
        self, record: EventRecord, instance: str, began: datetime, now: datetime, every: timedelta
    ) -> list[JournalEntry]:
        """Store a sign of life of a running program; returns the entries of the other programs alive on that event."""
        return await self._call(self._store.beat, record, instance, began, now, every)

    async def stop(self) -> None:
        """End after the transaction under way, close the store. Safe to call twice. Raises what the writer died of."""
        task, self._task = self._task, None
        if task is None:
            return
        self._stopping.set()
        self._work.set()
        await asyncio.wait([task])
        if self._pending:
            _log.warning("Quedan %d eventos leídos sin guardar: se piden otra vez al volver a empezar.", self._pending)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._store.close)
        self._thread.shutdown(wait=False)
        task.result()

    async def _call(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run a method of the store in its thread, between two transactions, again and again while it is unavailable.

        Raises what else it raises, such as StoreRejectedLogin at the start. Once the database has been there, wrong
        rights or a changed password are waited out too: somebody is mending them. While stopping, nothing is.
        """
        failing = False
        try:
            while True:
                try:
                    result = await self._in_thread(lambda: function(*args, **kwargs))
                except StoreRejectedRow:
                    raise
                except StoreError as error:
                    if not self._was_there and not isinstance(error, StoreUnavailable):
                        raise
                    self._failing += not failing
                    failing = True
                    await self._failed(error)
                    if self._stopping.is_set():
                        raise
                else:
                    break
        finally:
            self._failing -= failing
        self._worked()
        return result

    async def _store_all(self) -> None:
        while not self._stopping.is_set():
            await self._work.wait()
            self._work.clear()
            while self._queue and not self._stopping.is_set():
                show, batch, taken = self._together()
                try:
                    await self._write(show, batch)
                except StoreError:
                    if not self._stopping.is_set():
                        raise
                    return
                for _ in range(taken):
                    self._queue.popleft()
                self._pending -= len(batch.events)
                self._room.set()
                await self._note_outages(show)
            if not self._queue:
                self._idle.set()

    def _together(self) -> tuple[EventRecord, Batch, int]:
        """The next batches of one show as one, up to so many events; they leave the queue when they are stored."""
        show, first = self._queue[0]
        whole = Batch(list(first.events), checkpoints=dict(first.checkpoints))
        taken = 1
        for other, batch in islice(self._queue, 1, None):
            if other is not show or len(whole.events) + len(batch.events) > self._most_together:
                break
            whole.events += batch.events
            whole.checkpoints.update(batch.checkpoints)
            taken += 1
        return show, whole, taken

    async def _write(self, show: EventRecord, batch: Batch) -> None:
        stored = await self._accepted(show, batch)
        if stored is None:
            await self._write_apart(show, batch)
        else:
            self._tell(batch, stored)

    async def _write_apart(self, show: EventRecord, batch: Batch) -> None:
        """Some row is refused: again with texts that any database can hold, else the history's rows after the ledger's.

        So a row that the history's table refuses delays neither the count nor the other rows.
        """
        cleaned = Batch([_cleaned(event) for event in batch.events], checkpoints=batch.checkpoints)
        stored = await self._accepted(show, cleaned) if cleaned.events != batch.events else None
        if stored is not None:
            self._tell(batch, stored)
            return
        now = self._clock.now()
        stored = await self._call(self._store.add, show, cleaned, now, history=False)
        self._tell(batch, stored)
        for refused in await self._call(self._store.write_history, show, stored.new):
            await self._complain(show, refused, now)

    async def _accepted(self, show: EventRecord, batch: Batch) -> CommitResult | None:
        """What was stored; None where a row is refused, and so nothing was."""
        try:
            return await self._call(self._store.add, show, batch, self._clock.now())
        except StoreRejectedRow:
            return None

    async def _complain(self, show: EventRecord, refused: QuarantinedEvents, now: datetime) -> None:
        detail = self._complaints.of(refused, now)
        if detail is not None:
            subject = refused.first.name
            await self.begin_entry(JournalKind.ROW_REFUSED, subject, now, detail=detail, record=show, ended=now)

    def _tell(self, batch: Batch, stored: CommitResult) -> None:
        if self.on_stored is None:
            return
        try:
            self.on_stored(batch, stored)
        except Exception:  # noqa: BLE001 -- a listener's fault must not stop the counting
            _log.exception("Error interno al contar lo guardado; lo guardado está bien.")

    async def _in_thread(self, function: Callable[[], _T]) -> _T:
        """Run in the store's thread. A cancellation waits for its end: a transaction is never left in the air."""
        running = asyncio.get_running_loop().run_in_executor(self._thread, function)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise

    async def _failed(self, error: StoreError) -> None:
        self._failures += 1
        if self.down_since is None:
            self.down_since = self._clock.now()
        if self._failures == _TOLD_AFTER:
            _log.error("%s Los eventos leídos esperan en memoria y el intento se repite.", error)
        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(self._failures, 30))
        await wait_until_set(self._stopping, self._clock, self._chance.uniform(longest / 2, longest))

    def _worked(self) -> None:
        self._was_there = True
        if self._failing:  # reads may work while writes do not: a full disk, a read-only replica
            return
        failures, self._failures = self._failures, 0
        since, self.down_since = self.down_since, None
        if since is None or failures < _TOLD_AFTER:
            return
        now = self._clock.now()
        self._outages.append((since, now))
        lasted = duration_to_the_second((now - since).total_seconds())
        _log.warning("La base de datos %s vuelve a responder tras %s.", self._store.name, lasted)

    async def _note_outages(self, show: EventRecord) -> None:
        while self._outages:
            since, until = self._outages[0]
            await self.begin_entry(JournalKind.DATABASE_AWAY, self._store.name, since, ended=until, record=show)
            del self._outages[0]

    async def _wait(self, event: asyncio.Event) -> None:
        """Wait for the event. Raises what the writer died of: it must be heard of, not waited for."""
        waiting = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait({waiting, *([self._task] if self._task else ())}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._task is not None and self._task.done():
            self._task.result()


def _cleaned(event: CameraEvent) -> CameraEvent:
    """The event with texts that any database can hold."""
    return CameraEvent(
        server_id=tables.fit_key(event.server_id),
        this_id=tables.fit_key(event.this_id),
        occurred_at=event.occurred_at,
        camera_id=tables.fit_key(event.camera_id),
        name=tables.fit(event.name),
        area=tables.fit(event.area),
        activity=tables.fit(event.activity),
    )
