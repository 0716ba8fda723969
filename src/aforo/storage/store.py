"""What the rest of the program may do with the database. Synchronous, one thread at a time; see Database."""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import URL, Connection

from aforo.counting.occupancy import OccupancyDelta
from aforo.errors import BadSetting, StoreNotReady
from aforo.instances import has_died
from aforo.models import Batch, CameraEvent, CommitResult, Occupancy, ScheduledEvent, Total, Zone, from_ms, to_ms
from aforo.storage.backends.connection import DatabaseConnection
from aforo.storage.backends.errors import AfterFailure
from aforo.storage.column_text import ZONE_LENGTH, fit
from aforo.storage.corrections import Correction, CorrectionResult, Corrections
from aforo.storage.event_ledger import Classify, EventLedger
from aforo.storage.journal import Journal, JournalEntry, JournalKind, touches
from aforo.storage.lookup_tables import LookupTables
from aforo.storage.minute_totals import MinuteTotals
from aforo.storage.preflight import Preflight, dry_run
from aforo.storage.push_shares import PushShare, PushShares
from aforo.storage.quarantine import Quarantine, QuarantinedEvents, Transact
from aforo.storage.queries import Cursor, DoorMinute, Queries, ReportSnapshot, StoredFigures, StoredHistory
from aforo.storage.record_cache import MOST_MOVEMENTS, CachedRecord, RecordCache
from aforo.storage.records import EventRecord, EventRecords
from aforo.storage.schema import migrate
from aforo.storage.schema.grants import check_rights
from aforo.storage.sessions import EndedSessions
from aforo.storage.site_tables.history import HistoryRows
from aforo.storage.site_tables.row_sync import EventNames, ZoneRows
from aforo.storage.site_tables.tables import RenameRejected, SiteTables, ZoneRowRejected

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Store:
    """The database, used from one thread. ``open`` comes first; after a failure the next call reconnects.

    Every method raises StoreUnavailable where the same call may work later, StoreRejectedLogin, StoreNotReady or
    StoreRejectedRow. A call that raises has changed nothing, unless the connection was lost during the commit: the same
    call again is always safe.
    """

    def __init__(
        self,
        url: URL | str,
        zones: Sequence[Zone],
        timezone: ZoneInfo,
        *,
        totals: Sequence[Total] = (),
        most_cached: int = MOST_MOVEMENTS,
    ) -> None:
        """``most_cached``: movements kept in memory, which spare reading their minutes again."""
        for section, named in (("zones", zones), ("totals", totals)):
            for one in named:
                if len(one.name) > ZONE_LENGTH:
                    raise BadSetting(f"{section}.name «{one.name}» es demasiado largo: hasta {ZONE_LENGTH} caracteres.")
        self._zones = tuple(zones)
        self._with_table = tuple(zone for zone in zones if zone.table)
        self._zone_totals = tuple(totals)
        self._database = DatabaseConnection(url)
        self._cache = RecordCache(self._database, most_cached)
        self._site_tables = SiteTables(self._database, self._with_table, timezone)
        self._zone_rows = ZoneRows(self._site_tables, self._with_table)
        self._lookup = LookupTables(self._database)
        self._ledger = EventLedger(self._database, self._lookup, HistoryRows(self._site_tables))
        self._totals = MinuteTotals(self._database, self._ledger)
        self._corrections = Corrections(self._database, self._cache, self._totals)
        self._quarantine = Quarantine(self._database, self._ledger)
        self._names = EventNames(self._ledger, self._site_tables, self._zone_rows)
        self._records = EventRecords(
            self._database, self._cache, self._ledger, self._totals, quarantine=self._quarantine, names=self._names
        )
        self._journal = Journal(self._database)
        self._queries = Queries(self._lookup, self._records)
        self._sessions = EndedSessions(self._database)
        self._push_shares = PushShares(self._database, has_died)
        self._newest = True  # our tables are of the newest version
        self._database.on_reconnected = self._prepare_again
        # The last batch, and what its commit stored, while the answer to that commit is not known.
        self._unanswered: tuple[Batch, CommitResult] | None = None

    @property
    def name(self) -> str:
        """The database, for people; without secrets."""
        return self._database.name

    @property
    def reached(self) -> bool:
        """Whether a connection to the database has come about."""
        return self._database.reached

    def open(self) -> None:
        """Connect, bring our tables to this version, find or create the site tables.

        Where this account may not bring our tables to this version, the earlier ones are used, and that is logged.
        """
        try:
            self._prepare()
        except migrate.UpgradeRejected as error:
            self._prepare(upgrade=False)
            _log.warning("%s", error)

    def revert(self, target: str) -> str | None:
        """Bring our tables back to an earlier version; returns the version they had, None where there are none."""
        with self._database.write() as connection:
            return migrate.revert(connection, self._database.backend, target)

    def close(self) -> None:
        """Close the connection. Raises nothing."""
        self._database.close()

    def misfits(self, event_names: Collection[str] = (), camera_ids: Collection[str] = ()) -> list[str]:
        """What the site tables cannot keep as it is, in Spanish: by their types, and of these texts by length.

        It is not fatal: our own tables keep the full values. ``open`` comes first.
        """
        return self._site_tables.misfits({"nombre_evento": event_names, "evento": event_names, "cameraId": camera_ids})

    def dry_run(self, event_names: Collection[str] = ()) -> Preflight:
        """Do all that the job does to the database, and roll it back; raises what the job would. Needs no ``open``."""
        return dry_run(self._database, self._site_tables, self._with_table, [fit(name) for name in event_names])

    # The write path.

    def open_record(
        self, event: ScheduledEvent, classify: Classify, rules: str, now: datetime | None = None
    ) -> EventRecord:
        """The record of a scheduled event: stored already (then brought to what schedule and ``rules`` say) or new.

        ``rules`` is a text that changes whenever ``classify`` or a zone does. Each zone's table gets its row at once.
        """
        opened_ms = to_ms(event.window.since if now is None else now)
        event = replace(event, name=fit(event.name))

        def work(connection: Connection) -> EventRecord:
            cached, others = self._records.open(connection, event, classify, rules, opened_ms)
            for other in (*others, cached):
                self._zone_rows.write(connection, other)
            if self._newest:
                self._records.keep_totals(connection, cached, self._zone_totals)
            return EventRecord(
                id=cached.record_id,
                event=cached.event,
                checkpoints={feed: from_ms(until_ms) for feed, until_ms in cached.checkpoints.items()},
                occupancies=cached.occupancies(self._zones),
                closed=cached.closed,
                classify=classify,
                rules=rules,
            )

        record = self._write(work)
        self._quarantine.write_all(self._on(record), classify)
        return record

    def add(self, record: EventRecord, batch: Batch, now: datetime, *, history: bool = True) -> CommitResult:
        """Store in one transaction what is new of a batch, and all that follows. The database decides what is new.

        Called again with the same batch, after the answer to a commit was lost, it returns what that commit stored.
        Without ``history`` the history's table is left alone (it rejected a row), and the rows are quarantined.
        """

        def work(connection: Connection) -> CommitResult:
            cached = self._open(connection, record)
            events, until = batch.events, {feed: to_ms(instant) for feed, instant in batch.checkpoints.items()}
            if cached.event.window != record.event.window:  # edited by another process: this one has read another time
                events, until = [one for one in events if cached.has(to_ms(one.occurred_at))], {}
            new = self._ledger.new(connection, events) if events else {}
            if self._cache.move_checkpoints(connection, cached, until) or new:
                self._cache.bump_revision(connection, cached)
            minutes: dict[str, dict[int, OccupancyDelta]] = {}
            if new:
                added = self._ledger.add(connection, cached, new, record.classify, to_ms(now), history=history)
                minutes = self._totals.count(connection, cached, added, record.classify)
                self._zone_rows.write(connection, cached, minutes)
            stored = CommitResult(list(new.values()), len(events) - len(new), cached.occupancies(self._zones), minutes)
            if not new and self._unanswered is not None and self._unanswered[0] is batch:
                # That commit was done: what it stored is returned now, with the occupancies and minutes of now.
                stored = replace(
                    self._unanswered[1],
                    occupancies=stored.occupancies,
                    minutes={
                        zone: {minute: cached.zone_series(zone).delta(minute) for minute in deltas}
                        for zone, deltas in self._unanswered[1].minutes.items()
                    },
                )
            self._unanswered = batch, stored
            return stored

        stored = self._write(work, now)
        self._unanswered = None
        return stored

    def write_history(self, record: EventRecord, events: Sequence[CameraEvent]) -> list[QuarantinedEvents]:
        """Write the history rows of events that were stored without; returns those that the table rejects, by reason.

        Several transactions; each leaves everything right.
        """
        return self._quarantine.write_of(self._on(record), events, record.classify)

    def correct(self, record: EventRecord, correction: Correction, *, count: int | None = None) -> CorrectionResult:
        """Apply an operator's correction, once however often it is requested.

        With ``count`` its delta is what the zone lacks of that count. A zone holds no less than nobody: where fewer
        people are there than the correction takes away, it takes away only those, and is stored so.
        """

        def work(connection: Connection) -> CorrectionResult:
            cached = self._open(connection, record)
            present = cached.occupancies(self._zones)[correction.zone].count
            wanted = correction.delta if count is None else count - present
            limited = replace(correction, delta=max(wanted, -present))
            if self._corrections.apply(connection, cached, limited, record.classify):
                self._zone_rows.write(connection, cached, {correction.zone})
            return CorrectionResult(
                cached.occupancies(self._zones),
                cached.zone_series(correction.zone).deltas(),
                self._corrections.read(connection, cached),
            )

        return self._write(work, correction.at)

    def recount(self, record: EventRecord) -> dict[str, Occupancy]:
        """Recount everything from the ledger: minutes, the zones' tables, the quarantined rows of the history."""

        def work(connection: Connection) -> dict[str, Occupancy]:
            cached = self._open(connection, record)
            if self._totals.recount(connection, cached, record.classify):
                self._cache.bump_revision(connection, cached)
            self._zone_rows.write(connection, cached)
            return cached.occupancies(self._zones)

        occupancies = self._write(work)
        self._quarantine.write_all(self._on(record), record.classify)
        return occupancies

    def stored_figures(self, record: EventRecord) -> StoredFigures:
        """Recount everything from the ledger; return what the comparison at the close needs."""
        occupancies = self.recount(record)
        with self._database.read() as connection:
            cached = self._cache.open(connection, record.id)
            counts = self._ledger.counts(connection, cached)
            rows = self._history_count(connection, cached)
            return StoredFigures(occupancies, counts, rows, self._zone_rows.rejected)

    def close_record(self, record: EventRecord, now: datetime) -> None:
        """Store that the event is over and compared."""
        self._write(lambda connection: self._records.close(connection, self._cache.open(connection, record.id), now))

    # Reads.

    def open_events(self) -> list[ScheduledEvent]:
        """The events that were opened and never closed, by their start."""
        with self._database.read() as connection:
            return self._records.never_closed(connection)

    def records_on(self, day: date) -> list[EventRecord]:
        """The records of the events scheduled for that date, by their start; they can only be read."""
        with self._database.read() as connection:
            return self._queries.records_on(connection, day)

    def events_by_camera(self, record: EventRecord) -> dict[str, int]:
        """The ledger's events per camera, inside the event's window."""
        with self._database.read() as connection:
            return self._ledger.counts(connection, self._cache.open(connection, record.id))

    def history_count(self, record: EventRecord) -> int:
        """The rows of eventos_Analisis with the event's name, inside its window."""
        with self._database.read() as connection:
            return self._history_count(connection, self._cache.open(connection, record.id))

    def occupancies(self, record: EventRecord) -> dict[str, Occupancy]:
        """Each zone's occupancy as the database has it now."""
        with self._database.read() as connection:
            return self._cache.open(connection, record.id).occupancies(self._zones)

    def minutes(self, record: EventRecord) -> dict[str, dict[int, OccupancyDelta]]:
        """What each minute (epoch ms of its start) did to each zone's count."""
        with self._database.read() as connection:
            return self._minutes_of(self._cache.open(connection, record.id))

    def doors(self, record: EventRecord, since: datetime | None = None) -> list[DoorMinute]:
        """The people counts: events per source of the history and minute, from the minute of ``since`` on."""
        with self._database.read() as connection:
            cached = self._cache.open(connection, record.id)
            return self._queries.doors(connection, cached, cached.since_ms if since is None else to_ms(since))

    def corrections(self, record: EventRecord) -> list[Correction]:
        """The event's corrections, oldest first."""
        with self._database.read() as connection:
            return self._corrections.read(connection, self._cache.open(connection, record.id))

    def events(
        self, record: EventRecord, after: Cursor | None = None, limit: int = 500
    ) -> tuple[list[CameraEvent], Cursor | None]:
        """A page of the event's camera events in time order, and where the next page starts (None at the end)."""
        with self._database.read() as connection:
            return self._queries.events(connection, self._cache.open(connection, record.id), after, limit)

    def stored_history(self, record: EventRecord) -> StoredHistory:
        """The event so far: zones and doors by minute, and the corrections."""
        with self._database.read() as connection:
            return self._stored_history(connection, self._cache.open(connection, record.id))

    def report_snapshot(self, record: EventRecord, now: datetime) -> ReportSnapshot:
        """All that the event report needs."""
        with self._database.read() as connection:
            cached = self._cache.open(connection, record.id)
            entries = self._journal.read(connection, record.id, None)
            entries += [
                entry
                for entry in self._journal.read(connection, None, JournalKind.DATABASE_AWAY)
                if entry.record_id is None and touches(entry, record.event.window, now)
            ]
            return ReportSnapshot(
                record=record,
                database=self.name,
                same_day=self._queries.records_on(connection, record.event.day),
                history=self._stored_history(connection, cached),
                events_by_camera=self._ledger.counts(connection, cached),
                history_rows=self._history_count(connection, cached),
                lateness=self._queries.lateness(connection, cached),
                entries=entries,
                recovered=self._queries.recovered(connection, cached, entries, now),
                gaps=self._queries.gaps(connection, cached, entries, now),
                learned=self._journal.read(connection, None, JournalKind.LEARNED),
            )

    # The page's sessions.

    def end_session(self, key: str, expires: datetime, now: datetime) -> None:
        """Store that a session of the page was logged out; those that have expired by themselves are deleted.

        The tables of an earlier version have no place for it: then nothing is stored.
        """
        if self._newest:
            self._write(lambda connection: self._sessions.end(connection, key, expires, now))

    def ended_sessions(self, now: datetime) -> frozenset[str]:
        """The keys of the sessions that were logged out and have not expired by themselves."""
        if not self._newest:
            return frozenset()
        with self._database.read() as connection:
            return self._sessions.ended(connection, now)

    # The pushes.

    def renew_push(self, url: str, instance: str, token: str, now: datetime, alive_for: timedelta) -> PushShare | None:
        """Store that a process receives pushes at an address; returns its share.

        None where the tables are those of an earlier version, which have no place for it.
        """
        if not self._newest:
            return None
        return self._write(lambda connection: self._push_shares.renew(connection, url, instance, token, now, alive_for))

    def leave_push(self, url: str, instance: str, now: datetime, alive_for: timedelta) -> bool:
        """Store that a process receives no more pushes; True where it is the last: it stays until ``drop_push``."""
        return self._newest and self._write(
            lambda connection: self._push_shares.leave(connection, url, instance, now, alive_for)
        )

    def drop_push(self, url: str, instance: str) -> None:
        """Store that the last process has deleted the webhook."""
        if self._newest:
            self._write(lambda connection: self._push_shares.drop(connection, url, instance))

    # The journal.

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
        record_id = None if record is None else record.id
        return self._write(
            lambda connection: self._journal.begin(
                connection, kind, subject, began, detail=detail, record_id=record_id, ended=ended
            )
        )

    def end_entry(self, entry_id: int, ended: datetime) -> None:
        """Store the end of a journal entry; an entry that has an end keeps it."""
        self._write(lambda connection: self._journal.end(connection, entry_id, ended))

    def entries(self, record: EventRecord | None = None, kind: JournalKind | None = None) -> list[JournalEntry]:
        """The journal, oldest first; of one event or kind where that is given."""
        with self._database.read() as connection:
            return self._journal.read(connection, None if record is None else record.id, kind)

    def plan_comparisons(
        self, record: EventRecord, due: Sequence[datetime], now: datetime, *, first: bool = False
    ) -> bool:
        """Store when an event is to be compared again, in place of all that was planned before.

        With ``first``, nothing is done where any comparison was ever planned; then it returns False.
        """

        def work(connection: Connection) -> bool:
            if first and self._journal.read(connection, record.id, JournalKind.COMPARISON):
                return False
            self._journal.end_comparisons(connection, record.id, now)
            for instant in due:
                self._journal.begin(connection, JournalKind.COMPARISON, "", instant, record_id=record.id)
            return True

        return self._write(work)

    def end_comparisons(self, record: EventRecord, now: datetime) -> None:
        """Store that the comparisons that were due by now are made."""
        self._write(lambda connection: self._journal.end_comparisons(connection, record.id, now, due_by=now))

    def planned_comparisons(self) -> list[tuple[ScheduledEvent, datetime]]:
        """The comparisons that are planned and not made, each with its event, by the time at which they are due."""
        with self._database.read() as connection:
            entries = self._journal.read(connection, None, JournalKind.COMPARISON)
            due = [(entry.record_id, entry.began) for entry in entries if entry.ended is None]
            events = self._records.of_ids(connection, {record_id for record_id, _ in due if record_id is not None})
        planned = [(events[record_id], began) for record_id, began in due if record_id in events]
        return sorted(planned, key=lambda one: one[1])

    def beat(
        self, record: EventRecord, instance: str, began: datetime, now: datetime, every: timedelta
    ) -> list[JournalEntry]:
        """Store a sign of life of a running program; returns the entries of the other programs alive on that event.

        ``every``: how far apart the signs of life are.
        """
        with self._database.write() as connection:
            return self._journal.beat(connection, record.id, instance, began, now, every)

    def _prepare(self, *, upgrade: bool = True) -> None:
        with self._database.write() as connection:
            self._newest = migrate.ensure(connection, self._database.backend, upgrade=upgrade)
            self._ledger.key_has_camera = self._newest
            self._site_tables.prepare(connection)
            check_rights(connection, self._database.backend, *self._site_tables.names, newest=self._newest)

    def _prepare_again(self) -> None:
        """After another connection: where the database has none of our tables, it is another one, and gets them."""
        self._cache.invalidate()
        self._lookup.invalidate()
        with self._database.read() as connection:
            prepared = migrate.version(connection) is not None
        if not prepared:
            self._prepare()

    def _history_count(self, connection: Connection, cached: CachedRecord) -> int:
        return self._site_tables.history_count(connection, cached.event.name, cached.since_ms, cached.until_ms)

    def _minutes_of(self, cached: CachedRecord) -> dict[str, dict[int, OccupancyDelta]]:
        series = cached.series
        return {zone.name: series[zone.name].deltas() if zone.name in series else {} for zone in self._zones}

    def _stored_history(self, connection: Connection, cached: CachedRecord) -> StoredHistory:
        doors = self._queries.doors(connection, cached, cached.since_ms)
        return StoredHistory(self._minutes_of(cached), doors, self._corrections.read(connection, cached))

    def _open(self, connection: Connection, record: EventRecord) -> CachedRecord:
        """The record as it is now. Raises StoreNotReady where another process has opened it with other rules since."""
        cached = self._cache.open(connection, record.id)
        if cached.rules != record.rules:
            raise StoreNotReady(
                f"Otro proceso abrió «{cached.event.name}» en {self.name} con otras reglas o zonas.",
                "Este no guarda nada más: contaría de otra manera.",
                "Deje un solo proceso, con los ajustes que valen.",
            )
        return cached

    def _on(self, record: EventRecord) -> Transact:
        """Transactions on that record."""

        def transact(work: Callable[[Connection, CachedRecord], _T]) -> _T:
            return self._write(lambda connection: work(connection, self._open(connection, record)))

        return transact

    def _write(self, work: Callable[[Connection], _T], now: datetime | None = None) -> _T:
        """Run a piece of work in one writing transaction, without the statements that a site table rejects."""
        self._zone_rows.begin(now)
        self._names.begin()
        while True:
            try:
                with self._database.write() as connection:
                    result = work(connection)
            except BaseException as error:  # whatever ended the transaction, what it cached was not committed
                self._cache.invalidate()
                self._lookup.invalidate()
                if self._after(error, now) is AfterFailure.RAISE:
                    raise
            else:
                self._zone_rows.committed()
                self._cache.committed()
                return result

    def _after(self, error: BaseException, now: datetime | None) -> AfterFailure:
        """What to do after a transaction failed."""
        match error:
            case ZoneRowRejected():
                repeat = self._zone_rows.leave_out(error, now)
            case RenameRejected():
                repeat = self._names.leave_out(error)
            case _:
                repeat = False
        return AfterFailure.REPEAT if repeat else AfterFailure.RAISE
