"""The store's door: what the rest of the program may ask of the database. Synchronous, one thread at a time."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import URL, Connection

from aforo.counting.occupancy import OccupancyDelta
from aforo.errors import BadSetting, StoreNotReady
from aforo.models import (
    Batch,
    CameraEvent,
    Classification,
    CommitResult,
    EventSource,
    Occupancy,
    ScheduledEvent,
    Zone,
    from_ms,
    to_ms,
)
from aforo.storage import queries
from aforo.storage.account import PastEvents
from aforo.storage.backends.connection import DatabaseConnection
from aforo.storage.corrections import Correction, CorrectionResult, Corrections
from aforo.storage.event_ledger import EventLedger
from aforo.storage.journal import Journal, JournalEntry, JournalKind, touches
from aforo.storage.lookup_tables import LookupTables
from aforo.storage.minute_totals import MinuteTotals
from aforo.storage.quarantine import Quarantine, QuarantinedEvents, Transact
from aforo.storage.queries import Cursor, DoorMinute, ReportSnapshot, StoredFigures, StoredHistory
from aforo.storage.record_cache import CachedRecord, RecordCache
from aforo.storage.records import EventRecord, EventRecords
from aforo.storage.schema import migrate, rights, tables
from aforo.storage.schema.preflight import Preflight, dry_run
from aforo.storage.site_tables.names import Names
from aforo.storage.site_tables.row_sync import ZoneRows
from aforo.storage.site_tables.tables import NameRefused, SiteTables, ZoneRefused

_T = TypeVar("_T")


class Store:
    """The database of the job. ``open`` comes first; whatever fails, the next call starts from a fresh connection.

    Every method raises StoreUnavailable where the same call may work later, StoreRejectedLogin, StoreNotReady or
    StoreRejectedRow. A call that raises has changed nothing, but for a connection lost in the very commit: the same
    call again is always safe. ``account`` tells of past shows.
    """

    def __init__(self, url: URL | str, zones: Sequence[Zone], timezone: ZoneInfo) -> None:
        for zone in zones:
            if len(zone.name) > tables.ZONE_LENGTH:
                raise BadSetting(f"zones.name «{zone.name}» es demasiado largo: hasta {tables.ZONE_LENGTH} caracteres.")
        self._zones = tuple(zones)
        self._link = DatabaseConnection(url)
        self._books = RecordCache(self._link)
        self._legacy = SiteTables(self._link, self._zones, timezone)
        self._zone_rows = ZoneRows(self._legacy, self._zones)
        self._directory = LookupTables(self._link)
        self._ledger = EventLedger(self._link, self._directory, self._legacy)
        self._minutes = MinuteTotals(self._link, self._ledger)
        self._corrections = Corrections(self._link, self._books, self._minutes)
        self._owed = Quarantine(self._link, self._ledger)
        self._names = Names(self._ledger, self._legacy, self._zone_rows)
        self._shows = EventRecords(
            self._link, self._books, self._ledger, self._minutes, owed=self._owed, names=self._names
        )
        self._journal = Journal(self._link)
        self._unanswered: tuple[Batch, CommitResult] | None = None  # what was to be committed when the answer was lost
        self._past = PastEvents(self._directory, self._journal)

    @property
    def name(self) -> str:
        """The database, for people; without secrets."""
        return self._link.name

    def open(self) -> None:
        """Connect, bring our tables to this version, find or create the stadium's tables."""
        with self._link.write() as connection:
            migrate.ensure(connection, self._link.dialect)
            self._legacy.prepare(connection)
            rights.check(connection, self._link.dialect, *self._legacy.names)

    def misfits(self, event_names: Collection[str] = (), camera_ids: Collection[str] = ()) -> list[str]:
        """What the stadium's tables cannot keep as it is, in Spanish: by their types, and of these texts by length.

        It is not fatal: our own tables keep the full values. ``open`` comes first.
        """
        return self._legacy.misfits({"nombre_evento": event_names, "evento": event_names, "cameraId": camera_ids})

    def dry_run(self, event_names: Collection[str] = ()) -> Preflight:
        """Do all that the job does to the database, and take it back; raises what the job would. Needs no ``open``."""
        return dry_run(self._link, self._legacy, self._zones, [tables.fit(name) for name in event_names])

    def close(self) -> None:
        """Let go of the connection. Raises nothing."""
        self._link.close()

    def open_record(
        self,
        event: ScheduledEvent,
        verdict: Callable[[EventSource], Classification],
        rules: str,
        now: datetime | None = None,
    ) -> EventRecord:
        """The show of a scheduled event: stored already (then brought to what the schedule and ``rules`` say) or new.

        ``rules`` is a text that changes whenever ``verdict`` or a zone does. Each zone's table gets its row at once.
        """
        opened_ms = to_ms(event.window.since if now is None else now)
        event = replace(event, name=tables.fit(event.name))

        def work(connection: Connection) -> EventRecord:
            book, others = self._shows.open(connection, event, verdict, rules, opened_ms)
            for other in (*others, book):
                self._zone_rows.write(connection, other)
            return EventRecord(
                id=book.show_id,
                event=book.event,
                checkpoints={feed: from_ms(until_ms) for feed, until_ms in book.checkpoints.items()},
                occupancies=book.occupancies(self._zones),
                closed=book.closed,
                classify=verdict,
                rules=rules,
            )

        show = self._write(work)
        self._owed.write_all(self._on(show), verdict)
        return show

    def add(self, show: EventRecord, batch: Batch, now: datetime, *, history: bool = True) -> CommitResult:
        """Store in one transaction what is new of a batch, and all that follows. The database decides what is new.

        Called again with the same batch, since the answer to a commit was lost, it tells what that commit stored.
        Without ``history`` the stadium's history table is left alone (it refused the row), and the ledger notes it.
        """

        def work(connection: Connection) -> CommitResult:
            book = self._open_book(connection, show)
            events, until = batch.events, {feed: to_ms(instant) for feed, instant in batch.checkpoints.items()}
            if book.event.window != show.event.window:  # edited by another process: this one has asked for another time
                events, until = [one for one in events if book.has(to_ms(one.occurred_at))], {}
            new = self._ledger.new(connection, events) if events else {}
            if self._books.move_checkpoints(connection, book, until) or new:
                self._books.bump_revision(connection, book)
            minutes: dict[str, dict[int, OccupancyDelta]] = {}
            if new:
                steps = self._ledger.add(connection, book, new, show.classify, to_ms(now), history=history)
                minutes = self._minutes.count(connection, book, steps, show.classify)
                self._zone_rows.write(connection, book, minutes)
            stored = CommitResult(list(new.values()), len(events) - len(new), book.occupancies(self._zones), minutes)
            if not new and self._unanswered is not None and self._unanswered[0] is batch:
                # It had been committed: what it stored is told now, with what has come of it since.
                stored = replace(self._unanswered[1], occupancies=stored.occupancies)
            self._unanswered = batch, stored
            return stored

        stored = self._write(work, now)
        self._unanswered = None
        return stored

    def write_history(self, show: EventRecord, events: Sequence[CameraEvent]) -> list[QuarantinedEvents]:
        """Write the history rows of events that were stored without; returns those that the table refuses, by reason.

        Some transactions; each leaves everything right.
        """
        return self._owed.write_of(self._on(show), events, show.classify)

    def events_by_camera(self, record: EventRecord) -> dict[str, int]:
        """The ledger's events per camera, inside the event's window."""
        with self._link.read() as connection:
            return self._ledger.counts(connection, self._books.open(connection, record.id))

    def history_count(self, record: EventRecord) -> int:
        """The rows of eventos_Analisis with the event's name, inside its window."""
        with self._link.read() as connection:
            return self._history_count(connection, self._books.open(connection, record.id))

    def _history_count(self, connection: Connection, book: CachedRecord) -> int:
        return self._legacy.history_count(connection, book.event.name, book.since_ms, book.until_ms)

    def stored_figures(self, record: EventRecord) -> StoredFigures:
        """Recount everything from the ledger; return what the comparison at the close needs."""
        occupancies = self.recount(record)
        with self._link.read() as connection:
            book = self._books.open(connection, record.id)
            counts = self._ledger.counts(connection, book)
            return StoredFigures(occupancies, counts, self._history_count(connection, book))

    def recount(self, show: EventRecord) -> dict[str, Occupancy]:
        """Recount everything from the ledger: minutes, the zones' tables, the quarantined rows of the history."""

        def work(connection: Connection) -> dict[str, Occupancy]:
            book = self._open_book(connection, show)
            if self._minutes.recount(connection, book, show.classify):
                self._books.bump_revision(connection, book)
            self._zone_rows.write(connection, book)
            return book.occupancies(self._zones)

        occupancies = self._write(work)
        self._owed.write_all(self._on(show), show.classify)
        return occupancies

    def close_record(self, show: EventRecord, now: datetime) -> None:
        """Note that the show is over and compared."""
        self._write(lambda connection: self._shows.close(connection, self._books.open(connection, show.id), now))

    def last_open_event(self) -> ScheduledEvent | None:
        """The latest show that was opened and never closed."""
        with self._link.read() as connection:
            return self._shows.last_open(connection)

    def correct(self, record: EventRecord, correction: Correction, *, count: int | None = None) -> CorrectionResult:
        """Apply an operator's correction, once however often it is requested.

        With ``count`` its delta is what the zone lacks of that count. A zone holds no less than nobody: where fewer
        people are there than the correction takes away, it takes away only those, and is stored so.
        """

        def work(connection: Connection) -> CorrectionResult:
            book = self._open_book(connection, record)
            present = book.occupancies(self._zones)[correction.zone].count
            wanted = correction.delta if count is None else count - present
            limited = replace(correction, delta=max(wanted, -present))
            if self._corrections.apply(connection, book, limited, record.classify):
                self._zone_rows.write(connection, book, {correction.zone})
            return CorrectionResult(
                book.occupancies(self._zones),
                book.curve(correction.zone).deltas(),
                self._corrections.read(connection, book),
            )

        return self._write(work, correction.at)

    def occupancies(self, show: EventRecord) -> dict[str, Occupancy]:
        """Each zone's aforo as the database has it now."""
        with self._link.read() as connection:
            return self._books.open(connection, show.id).occupancies(self._zones)

    def minutes(self, record: EventRecord) -> dict[str, dict[int, OccupancyDelta]]:
        """What each minute (epoch ms of its start) did to each zone's count."""
        with self._link.read() as connection:
            return self._minutes_of(self._books.open(connection, record.id))

    def doors(self, record: EventRecord, since: datetime | None = None) -> list[DoorMinute]:
        """The people counts: events per name of the history, activity and minute, from the minute of ``since`` on."""
        with self._link.read() as connection:
            book = self._books.open(connection, record.id)
            return queries.doors(connection, self._directory, book, book.since_ms if since is None else to_ms(since))

    def corrections(self, record: EventRecord) -> list[Correction]:
        """The event's corrections, oldest first."""
        with self._link.read() as connection:
            return self._corrections.read(connection, self._books.open(connection, record.id))

    def stored_history(self, record: EventRecord) -> StoredHistory:
        """The event so far: zones and doors by minute, and the corrections."""
        with self._link.read() as connection:
            return self._stored_history(connection, self._books.open(connection, record.id))

    def report_snapshot(self, record: EventRecord, now: datetime) -> ReportSnapshot:
        """All that the event report needs."""
        with self._link.read() as connection:
            book = self._books.open(connection, record.id)
            entries = self._journal.read(connection, record.id, None)
            entries += [
                entry
                for entry in self._journal.read(connection, None, JournalKind.DATABASE_AWAY)
                if entry.show_id is None and touches(entry, record.event.window, now)
            ]
            return ReportSnapshot(
                record=record,
                database=self.name,
                same_day=self._past.records_on(connection, record.event.day),
                history=self._stored_history(connection, book),
                events_by_camera=self._ledger.counts(connection, book),
                history_rows=self._history_count(connection, book),
                lateness=self._past.lateness(connection, book),
                entries=entries,
                recovered=self._past.recovered(connection, book, entries),
                gaps=self._past.gaps(connection, book, entries, now),
            )

    def records_on(self, day: date) -> list[EventRecord]:
        """The records of the events scheduled for that date, by their start; they can only be read."""
        with self._link.read() as connection:
            return self._past.records_on(connection, day)

    def beat(
        self, record: EventRecord, instance: str, began: datetime, now: datetime, every: timedelta
    ) -> list[JournalEntry]:
        """Store a sign of life of a running program; returns the entries of the other programs alive on that event.

        ``every``: how far apart the signs of life are.
        """
        with self._link.write() as connection:
            return self._past.beat(connection, record.id, instance, began, now, every)

    def _minutes_of(self, book: CachedRecord) -> dict[str, dict[int, OccupancyDelta]]:
        curves = book.curves
        return {zone.name: curves[zone.name].deltas() if zone.name in curves else {} for zone in self._zones}

    def _stored_history(self, connection: Connection, book: CachedRecord) -> StoredHistory:
        doors = queries.doors(connection, self._directory, book, book.since_ms)
        return StoredHistory(self._minutes_of(book), doors, self._corrections.read(connection, book))

    def events(
        self, show: EventRecord, after: Cursor | None = None, limit: int = 500
    ) -> tuple[list[CameraEvent], Cursor | None]:
        """A page of the show's events in time order, and where the next page starts (None at the end)."""
        with self._link.read() as connection:
            return queries.events(connection, self._directory, self._books.open(connection, show.id), after, limit)

    def begin_entry(  # noqa: PLR0913 -- the columns of the journal
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
        show_id = None if record is None else record.id
        return self._write(
            lambda connection: self._journal.begin(
                connection, kind, subject, began, detail=detail, show_id=show_id, ended=ended
            )
        )

    def end_entry(self, entry_id: int, ended: datetime) -> None:
        """Store the end of a journal entry; an entry that has an end keeps it."""
        self._write(lambda connection: self._journal.end(connection, entry_id, ended))

    def entries(self, record: EventRecord | None = None, kind: JournalKind | None = None) -> list[JournalEntry]:
        """The journal, oldest first; of one event or kind where that is given."""
        with self._link.read() as connection:
            return self._journal.read(connection, None if record is None else record.id, kind)

    def _open_book(self, connection: Connection, show: EventRecord) -> CachedRecord:
        """The show as it is now. Raises StoreNotReady where another process has opened it with other rules since."""
        book = self._books.open(connection, show.id)
        if book.rules != show.rules:
            raise StoreNotReady(
                f"Otro proceso abrió «{book.event.name}» en {self.name} con otras reglas o zonas.",
                "Este no guarda nada más: contaría de otra manera.",
                "Deje un solo proceso, con los ajustes que valen.",
            )
        return book

    def _on(self, show: EventRecord) -> Transact:
        """Transactions on that show."""

        def transact(work: Callable[[Connection, CachedRecord], _T]) -> _T:
            return self._write(lambda connection: work(connection, self._open_book(connection, show)))

        return transact

    def _write(self, work: Callable[[Connection], _T], now: datetime | None = None) -> _T:
        """Run a piece of work in one writing transaction; a zone's table that refuses its row is left out of it."""
        self._zone_rows.begin(now)
        self._names.begin()
        while True:
            try:
                with self._link.write() as connection:
                    done = work(connection)
                self._zone_rows.stored()
            except BaseException as error:
                self._books.forget()  # what is remembered may be ahead of the database now
                self._directory.forget()
                if isinstance(error, ZoneRefused):
                    self._zone_rows.refused(error, now)
                elif isinstance(error, NameRefused):
                    self._names.refused(error)
                else:
                    raise
            else:
                return done
