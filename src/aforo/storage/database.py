"""The database as asyncio code uses it: one thread, a bounded queue, retries while the database is away."""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from itertools import islice
from typing import ParamSpec, Self, TypeVar

from aforo.background import Backoff
from aforo.clock import Clock, wait_until_set
from aforo.errors import StoreError, StoreRejectedRow, StoreReplaced, StoreUnavailable
from aforo.models import Batch, CameraEvent, CommitResult, Occupancy, ScheduledEvent
from aforo.storage.backends.errors import AfterFailure
from aforo.storage.column_text import fit, fit_key
from aforo.storage.corrections import Correction, CorrectionResult
from aforo.storage.event_ledger import Classify
from aforo.storage.journal import JournalEntry, JournalKind
from aforo.storage.push_shares import PushShare
from aforo.storage.quarantine import QuarantineLog
from aforo.storage.queries import ReportSnapshot, StoredFigures, StoredHistory
from aforo.storage.records import EventRecord
from aforo.storage.store import Store
from aforo.wording import duration_to_the_second

_log = logging.getLogger(__name__)
_P = ParamSpec("_P")
_T = TypeVar("_T")

_BACKOFF = Backoff(first=0.2, longest=15.0, least=0.5)
_LOGGED_AFTER = 2  # failures in a row before an outage is logged: a deadlock or a moment's lock is none


@dataclass(slots=True)
class _EventQueue:
    """The batches of one event that are read and not stored, oldest first; ``pending``: how many events they hold."""

    batches: deque[tuple[EventRecord, Batch]] = field(default_factory=deque)
    pending: int = 0

    def joined(self, most_together: int) -> tuple[EventRecord, Batch, int]:
        """The next batches as one, and how many they are; ``remove`` takes them out when they are stored."""
        record, first = self.batches[0]
        joined = Batch(list(first.events), checkpoints=dict(first.checkpoints), live_until=dict(first.live_until))
        taken = 1
        for other, batch in islice(self.batches, 1, None):
            if other is not record or len(joined.events) + len(batch.events) > most_together:
                break
            joined.events += batch.events
            joined.checkpoints.update(batch.checkpoints)
            joined.live_until.update(batch.live_until)
            taken += 1
        return record, joined, taken

    def remove(self, taken: int) -> None:
        """Take out so many batches, from the oldest on."""
        for _ in range(taken):
            _, batch = self.batches.popleft()
            self.pending -= len(batch.events)


class Database:
    """Stores the batches of each event in the order they came, and answers reads between them.

    Events take turns, a transaction each, so that what is read of one does not wait for all that is read of another.
    Whatever fails because the database is away is tried again until it is back.

    Use as an async context manager. ``on_stored`` is called on the loop after each transaction that stored a batch,
    ``on_corrected`` with the zones' occupancies after each correction of an event; ``down_since`` is the begin (aware
    UTC) of the outage that lasts, if any. Leaving the context finishes the transaction under way; batches still waiting
    are dropped (``drain`` first), and will be read from ACC again, because their checkpoints were not stored either.

    Every method waits while the database is away, and raises what the method of that name of Store raises besides.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        most_waiting: int = 30_000,
        most_together: int = 8_000,
    ) -> None:
        """``most_waiting``: camera events of one event that wait; ``most_together``: those of one transaction."""
        self.on_stored: Callable[[EventRecord, Batch, CommitResult], None] | None = None
        self.on_corrected: Callable[[EventRecord, Mapping[str, Occupancy]], None] | None = None
        self.down_since: datetime | None = None
        self._down_at = 0.0  # the same by the monotonic clock
        self._store = store
        self._clock = clock
        self._most_waiting = most_waiting
        self._most_together = most_together
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="aforo-store")
        self._queues: OrderedDict[int, _EventQueue] = OrderedDict()  # by record id, the next one in turn first
        self._work, self._progress, self._stopping = (asyncio.Event() for _ in range(3))
        self._was_available = False
        self._retrying = 0  # calls that have failed and are tried again
        self._failures = 0
        self._incidents: list[tuple[JournalKind, datetime, datetime]] = []  # that are not in the journal yet
        self._quarantine_log = QuarantineLog()
        self._task: asyncio.Task[None] | None = None
        self._generation = 0
        self._replaced: StoreReplaced | None = None  # the last one

    @property
    def generation(self) -> int:
        """Grows whenever the database turns out to be another one, or an older state of it.

        What waited to be stored is dropped then: records have to be opened again, and read from what is stored there.
        """
        return self._generation

    @property
    def pending(self) -> int:
        """Camera events read and not yet stored."""
        return sum(queue.pending for queue in self._queues.values())

    def waiting(self, record: EventRecord) -> list[Batch]:
        """The event's batches read and not yet stored, oldest first; the one that is being stored among them."""
        queue = self._queues.get(record.id)
        return [batch for _, batch in queue.batches] if queue is not None else []

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._store_all(), name="aforo-writer")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """End after the transaction under way, close the store. Safe to call twice. Raises what ended the writing."""
        task, self._task = self._task, None
        if task is None:
            return
        self._stopping.set()
        self._work.set()
        await asyncio.wait([task])
        if self.pending:
            _log.warning("Quedan %d eventos leídos sin guardar: se piden otra vez al volver a empezar.", self.pending)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._store.close)
        self._thread.shutdown(wait=False)
        task.result()

    # The queues of batches.

    async def put(self, record: EventRecord, batch: Batch) -> None:
        """Enqueue a batch of that event; waits while too much of the event is waiting to be stored.

        A batch of a record that was opened before the database was replaced is dropped: it is read again.
        """
        while (queue := self._queues.get(record.id)) is not None and queue.pending:
            if queue.pending + len(batch.events) <= self._most_waiting:
                break
            await self._wait_for_progress()
        if record.generation != self._generation:
            return
        queue = self._queues.setdefault(record.id, _EventQueue())
        queue.batches.append((record, batch))
        queue.pending += len(batch.events)
        self._work.set()

    async def drain(self, record: EventRecord | None = None) -> None:
        """Wait until everything put so far, and meanwhile, is stored; of that event only, where one is given."""
        while self._queues if record is None else record.id in self._queues:
            await self._wait_for_progress()

    # The methods of Store.

    async def open(self) -> None:
        """Connect, bring our tables to this version, find or create the site tables."""
        await self._call(self._store.open)

    async def open_events(self) -> list[ScheduledEvent]:
        """The events that were opened and never closed, by their start."""
        return await self._call(self._store.open_events)

    async def open_record(self, event: ScheduledEvent, classify: Classify, rules: str) -> EventRecord:
        """Open the record of that event, once all that was read of its time is stored: this may edit its record."""
        since, until = event.window
        for record in [queue.batches[0][0] for queue in self._queues.values()]:  # they change while one is waited for
            if record.event.window.since < until and since < record.event.window.until:
                await self.drain(record)
        try:
            record = await self._call(self._store.open_record, event, classify, rules, self._clock.now())
        except StoreReplaced:  # now that this is known, the record is opened in the database as it is
            record = await self._call(self._store.open_record, event, classify, rules, self._clock.now())
        record.generation = self._generation
        return record

    async def recount(self, record: EventRecord) -> dict[str, Occupancy]:
        """Recount everything from the ledger: minutes, the zones' tables, the quarantined rows of the history."""
        return await self._call(self._store.recount, self._current(record))

    async def stored_figures(self, record: EventRecord) -> StoredFigures:
        """Recount everything from the ledger; return what the comparison at the close needs."""
        return await self._call(self._store.stored_figures, self._current(record))

    async def close_record(self, record: EventRecord, now: datetime) -> None:
        """Store that the event is over and compared."""
        await self._call(self._store.close_record, self._current(record), now)

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
        result = await self._call(self._store.correct, self._current(record), correction, count=count)
        if self.on_corrected is not None:
            self.on_corrected(record, result.occupancies)
        return result

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

    async def plan_comparisons(
        self, record: EventRecord, due: Sequence[datetime], now: datetime, *, first: bool = False
    ) -> bool:
        """Store when an event is to be compared again, in place of what was planned; ``first``: only where none was."""
        return await self._call(self._store.plan_comparisons, self._current(record), due, now, first=first)

    async def end_comparisons(self, record: EventRecord, now: datetime) -> None:
        """Store that the comparisons that were due by now are made."""
        await self._call(self._store.end_comparisons, record, now)

    async def planned_comparisons(self) -> list[tuple[ScheduledEvent, datetime]]:
        """The comparisons that are planned and not made, each with its event, by the time at which they are due."""
        return await self._call(self._store.planned_comparisons)

    async def beat(
        self, record: EventRecord, instance: str, began: datetime, now: datetime, every: timedelta
    ) -> list[JournalEntry]:
        """Store a sign of life of a running program; returns the entries of the other programs alive on that event."""
        return await self._call(self._store.beat, record, instance, began, now, every)

    async def end_session(self, key: str, expires: datetime, now: datetime) -> None:
        """Store that a session of the page was logged out; those that have expired by themselves are deleted."""
        await self._call(self._store.end_session, key, expires, now)

    async def ended_sessions(self, now: datetime) -> frozenset[str]:
        """The keys of the sessions that were logged out and have not expired by themselves."""
        return await self._call(self._store.ended_sessions, now)

    async def renew_push(self, url: str, instance: str, token: str, alive_for: timedelta) -> PushShare | None:
        """Store that a process receives pushes at an address; returns its share, None without a table for it."""
        return await self._call(self._store.renew_push, url, instance, token, self._clock.now(), alive_for)

    async def leave_push(self, url: str, instance: str, alive_for: timedelta) -> bool:
        """Store that a process receives no more pushes; True where it is the last: it stays until ``drop_push``."""
        return await self._call(self._store.leave_push, url, instance, self._clock.now(), alive_for)

    async def drop_push(self, url: str, instance: str) -> None:
        """Store that the last process has deleted the webhook."""
        await self._call(self._store.drop_push, url, instance)

    async def _store_all(self) -> None:
        while not self._stopping.is_set():
            await self._work.wait()
            self._work.clear()
            while self._queues and not self._stopping.is_set():
                record_id, queue = next(iter(self._queues.items()))
                record, batch, taken = queue.joined(self._most_together)
                try:
                    await self._add(record, batch)
                    await self._store_incidents(record)
                except StoreReplaced:
                    continue  # nothing waits any more
                except StoreError:
                    if not self._stopping.is_set():
                        raise
                    return
                self._progress.set()
                if self._queues.get(record_id) is not queue:  # dropped meanwhile: the database was replaced
                    continue
                queue.remove(taken)
                self._queues.move_to_end(record_id)
                if not queue.batches:
                    del self._queues[record_id]

    async def _add(self, record: EventRecord, batch: Batch) -> None:
        """Store a batch. Where a row is rejected: with texts that any database can hold, else without history rows.

        So a row that the history's table rejects delays neither the count nor the other rows. A live read that found
        nothing has nothing to store.
        """
        if not batch.events and not batch.checkpoints:
            self._notify(record, batch, CommitResult((), 0, {}))
            return
        stored = await self._accepted(record, batch)
        if stored is None:
            cleaned = Batch([_cleaned(event) for event in batch.events], checkpoints=batch.checkpoints)
            stored = await self._accepted(record, cleaned) if cleaned.events != batch.events else None
            if stored is None:
                await self._add_quarantined(record, cleaned, batch)
                return
        self._notify(record, batch, stored)

    async def _accepted(self, record: EventRecord, batch: Batch) -> CommitResult | None:
        """What was stored; None where a row is rejected, and so nothing was stored."""
        try:
            return await self._call(self._store.add, record, batch, self._clock.now())
        except StoreRejectedRow:
            return None

    async def _add_quarantined(self, record: EventRecord, batch: Batch, read: Batch) -> None:
        """Store a batch (``read``: as it was read) without its history rows, then those that are not rejected."""
        now = self._clock.now()
        stored = await self._call(self._store.add, record, batch, now, history=False)
        self._notify(record, read, stored)
        for rejected in await self._call(self._store.write_history, record, stored.new):
            detail = self._quarantine_log.add(rejected, now)
            if detail is not None:
                subject = rejected.first.name
                await self.begin_entry(JournalKind.ROW_REFUSED, subject, now, detail=detail, record=record, ended=now)

    def _notify(self, record: EventRecord, batch: Batch, stored: CommitResult) -> None:
        if self.on_stored is None:
            return
        try:
            self.on_stored(record, batch, stored)
        except Exception:  # noqa: BLE001 -- a listener's fault must not stop the counting
            _log.exception("Error interno al contar lo guardado; lo guardado está bien.")

    async def _call(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run a method of the store in its thread, between two transactions, as often as its failures allow."""
        retried = False
        try:
            while True:
                try:
                    result = await self._in_thread(partial(function, *args, **kwargs))
                except StoreReplaced as error:
                    self._begin_generation(error)
                    raise
                except StoreError as error:
                    if self._after(error) is AfterFailure.RAISE:
                        raise
                    self._retrying += not retried
                    retried = True
                    await self._pause(error)
                    if self._stopping.is_set():
                        raise
                else:
                    break
        finally:
            self._retrying -= retried
        self._succeeded()
        return result

    def _begin_generation(self, error: StoreReplaced) -> None:
        """The database is another one: what waits belongs to the one before."""
        _log.error("%s", error)
        self._generation += 1
        self._replaced = error
        self._incidents.append((JournalKind.DATABASE_REPLACED, self._clock.now(), self._clock.now()))
        self._queues.clear()
        self._progress.set()

    def _current(self, record: EventRecord) -> EventRecord:
        """The record. Raises StoreReplaced where it was opened before the database was replaced."""
        if record.generation != self._generation and self._replaced is not None:
            raise self._replaced
        return record

    def _after(self, error: StoreError) -> AfterFailure:
        """What to do after a call failed.

        Once the database was available, missing rights or a changed password are waited out too: somebody mends them.
        """
        if isinstance(error, StoreRejectedRow):
            return AfterFailure.RAISE
        wait = self._was_available or isinstance(error, StoreUnavailable)
        return AfterFailure.RETRY if wait else AfterFailure.RAISE

    async def _in_thread(self, function: Callable[[], _T]) -> _T:
        """Run in the store's thread. A cancellation waits for its end, so that no transaction is left open."""
        running = asyncio.get_running_loop().run_in_executor(self._thread, function)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise

    async def _pause(self, error: StoreError) -> None:
        """Wait before the next try, longer each time, or until a stop."""
        self._failures += 1
        if self.down_since is None:
            self.down_since, self._down_at = self._clock.now(), self._clock.monotonic()
        if self._failures == _LOGGED_AFTER:
            _log.error("%s Los eventos leídos esperan en memoria y el intento se repite.", error)
            _log.debug("Lo que dice el controlador de la base de datos: %s", error.detail)
        await wait_until_set(self._stopping, self._clock, _BACKOFF.pause(self._failures))

    def _succeeded(self) -> None:
        """End the outage, if there was one."""
        self._was_available = True
        if self._retrying:  # reads may work while writes do not: a full disk, a read-only replica
            return
        failures, self._failures = self._failures, 0
        since, self.down_since = self.down_since, None
        if since is None or failures < _LOGGED_AFTER:
            return
        now, lasted = self._clock.now(), self._clock.monotonic() - self._down_at
        began = now - timedelta(seconds=lasted)  # the clock may go by another time than it did then
        self._incidents.append((JournalKind.DATABASE_AWAY, began, now))
        _log.warning(
            "La base de datos %s vuelve a responder tras %s.", self._store.name, duration_to_the_second(lasted)
        )

    async def _store_incidents(self, record: EventRecord) -> None:
        while self._incidents:
            kind, since, until = self._incidents[0]
            await self.begin_entry(kind, self._store.name, since, record=record, ended=until)
            del self._incidents[0]

    async def _wait_for_progress(self) -> None:
        """Wait for the end of a transaction. Raises what ended the writing: else the wait would never end."""
        self._progress.clear()
        waiting = asyncio.ensure_future(self._progress.wait())
        try:
            await asyncio.wait({waiting, *([self._task] if self._task else ())}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._task is not None and self._task.done():
            self._task.result()


def _cleaned(event: CameraEvent) -> CameraEvent:
    """The event with texts that any database can hold."""
    return CameraEvent(
        server_id=fit_key(event.server_id),
        this_id=fit_key(event.this_id),
        occurred_at=event.occurred_at,
        camera_id=fit_key(event.camera_id),
        name=fit(event.name),
        area=fit(event.area),
        activity=fit(event.activity),
    )
