"""Event records: found again after a restart or an edit of the schedule, opened, closed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, func, select

from aforo.models import Feed, Occupancy, ScheduledEvent, Total, Window, from_ms, to_ms
from aforo.storage.backends.connection import DatabaseConnection
from aforo.storage.edit_plan import RecordEdit, StoredEvent, TimeGiven, plan_opening
from aforo.storage.event_ledger import Classify, EventLedger
from aforo.storage.minute_totals import MinuteTotals
from aforo.storage.quarantine import Quarantine
from aforo.storage.record_cache import CachedRecord, RecordCache
from aforo.storage.schema import tables
from aforo.storage.site_tables.row_sync import EventNames
from aforo.storage.site_tables.tables import NO_EVENT


@dataclass(slots=True)
class EventRecord:
    """An event as the database holds it. ``checkpoints`` and ``occupancies`` are as of its opening.

    ``classify`` and ``rules`` are those it was opened with: they give the meaning of the ledger's entries.
    ``generation`` is the database's when it was opened: a record of a database that was replaced since is of no use.
    """

    id: int
    event: ScheduledEvent
    checkpoints: dict[Feed, datetime]
    occupancies: dict[str, Occupancy]
    closed: bool
    classify: Classify = field(repr=False)
    rules: str = field(repr=False)
    generation: int = 0


class EventRecords:
    """Opens and closes event records, inside a transaction of ``database``."""

    def __init__(  # noqa: PLR0913 -- all that an edited event changes
        self,
        database: DatabaseConnection,
        cache: RecordCache,
        ledger: EventLedger,
        totals: MinuteTotals,
        *,
        quarantine: Quarantine,
        names: EventNames,
    ) -> None:
        self._database = database
        self._cache = cache
        self._ledger = ledger
        self._totals = totals
        self._quarantine = quarantine
        self._names = names

    def open(
        self, connection: Connection, event: ScheduledEvent, classify: Classify, rules: str, opened_ms: int
    ) -> tuple[CachedRecord, list[CachedRecord]]:
        """The record of that event: one stored already, brought to what schedule and rules say now, or a new one.

        Also returns the records whose rows in the zones' tables follow: those that gave a part of their time to it, and
        the one that the name it had belongs to now.
        """
        plan = plan_opening(event, rules, self._overlapping(connection, event))
        if plan.record_id is None:
            cached = self._insert(connection, event, rules, opened_ms)
            self._cache.bump_namesakes(connection, cached, event.name)
        else:
            cached = self._cache.open(connection, plan.record_id)
            if plan.edit is not None:
                self._edit(connection, cached, plan.edit, classify, rules)
        shortened = [self._give_time_to(connection, cached, given, classify) for given in plan.given]
        if shortened:
            cached.drop_movements()  # those of the time that it was given are missing
        givers = self._claim_events(connection, cached, classify)
        if givers is not None or shortened:
            self._quarantine.add_due(connection, cached, classify)  # they may have been stored by other rules
            self._totals.recount(connection, cached, classify)
            self._cache.bump_revision(connection, cached)
        if shortened:
            self._cache.bump_namesakes(connection, cached, event.name)
        before = event.name if plan.edit is None else plan.edit.before.name
        heirs = [] if before == event.name else self._newest(connection, before)
        return cached, [*shortened, *(givers or ()), *heirs]

    def keep_totals(self, connection: Connection, cached: CachedRecord, totals: Sequence[Total]) -> None:
        """Store what the totals add up in an event, in place of what they did when it was last opened."""
        table = tables.totals
        wanted = {(cached.record_id, total.name, zone) for total in totals for zone in total.zones}
        stored = {tuple(row) for row in connection.execute(select(table).where(table.c.show_id == cached.record_id))}
        if stored != wanted:
            connection.execute(table.delete().where(table.c.show_id == cached.record_id))
            self._database.insert(connection, table, sorted(wanted))

    def close(self, connection: Connection, cached: CachedRecord, now: datetime) -> None:
        """Store that the event is over and compared."""
        if not cached.closed:
            cached.closed = True
            self._cache.bump_revision(connection, cached, closed_ms=to_ms(now))

    def never_closed(self, connection: Connection) -> list[ScheduledEvent]:
        """The events that were never closed, by their start."""
        table = tables.event_records
        query = select(table).where(table.c.closed_ms.is_(None)).order_by(table.c.starts_ms, table.c.id)
        return [_event_of(row) for row in connection.execute(query).all()]

    def of_ids(self, connection: Connection, record_ids: Collection[int]) -> dict[int, ScheduledEvent]:
        """The events of these records, by the record's id."""
        rows = connection.execute(select(tables.event_records).where(tables.event_records.c.id.in_(record_ids)))
        return {row.id: _event_of(row) for row in rows.all()}

    def on(self, connection: Connection, day: date) -> list[tuple[StoredEvent, bool]]:
        """The events scheduled for that date, by their start, each with whether it is closed."""
        table = tables.event_records
        query = select(table).where(table.c.day == day.isoformat()).order_by(table.c.starts_ms, table.c.id)
        rows = connection.execute(query).all()
        return [(StoredEvent(row.id, _event_of(row), row.rules), row.closed_ms is not None) for row in rows]

    def _edit(
        self, connection: Connection, cached: CachedRecord, edit: RecordEdit, classify: Classify, rules: str
    ) -> None:
        shared = self._has_namesake(connection, cached)
        self._names.follow(connection, edit.before, edit.after, shared=shared)
        if edit.clear_checkpoints:
            self._cache.clear_checkpoints(connection, cached)
        self._cache.edit(connection, cached, edit.after, rules, reopened=edit.recount)
        for name in {edit.before.name, edit.after.name}:
            self._cache.bump_namesakes(connection, cached, name)
        if edit.rules_changed:
            self._quarantine.add_due(connection, cached, classify)
        if edit.recount:
            self._totals.recount(connection, cached, classify)

    def _give_time_to(
        self, connection: Connection, receiver: CachedRecord, given: TimeGiven, classify: Classify
    ) -> CachedRecord:
        """Give a part of a stored event's time to another, with the camera events and corrections in it."""
        cached = self._cache.open(connection, given.id)
        since_ms, until_ms = map(to_ms, given.given)
        self._ledger.reassign(connection, cached, receiver, since_ms, until_ms)
        self._cache.reassign_corrections(connection, {cached.record_id}, receiver, since_ms, until_ms)
        before = cached.event
        after = ScheduledEvent(before.day, before.name, given.left)
        self._names.follow(connection, before, after)
        self._names.rename_history(connection, NO_EVENT, receiver.event.name, since_ms, until_ms)
        self._cache.edit(connection, cached, after, cached.rules, reopened=False)
        self._cache.bump_namesakes(connection, cached, before.name)
        self._totals.recount(connection, cached, classify)
        if given.ends:
            self.close(connection, cached, given.left.until)
        return cached

    def _claim_events(
        self, connection: Connection, cached: CachedRecord, classify: Classify
    ) -> list[CachedRecord] | None:
        """Take the camera events in an event's time that belong to records without that time; None: there are none.

        The schedule shortened or split another event after they were stored. Returns the records that gave a correction
        too: it counted at their end.
        """
        owners = self._ledger.owners(connection, cached) - {cached.record_id}
        if not owners:
            return None
        table = tables.event_records.c
        names = connection.scalars(select(table.name).where(table.id.in_(owners))).all()
        for name in {NO_EVENT, *names}:
            self._names.rename_history(connection, name, cached.event.name, cached.since_ms, cached.until_ms)
        self._ledger.claim(connection, cached)
        givers = self._cache.reassign_corrections(connection, owners, cached, cached.since_ms, cached.until_ms)
        cached.drop_movements()
        others = [self._cache.open(connection, record_id) for record_id in givers]
        for other in others:
            self._totals.recount(connection, other, classify)
            self._cache.bump_revision(connection, other)
        return others

    def _overlapping(self, connection: Connection, event: ScheduledEvent) -> list[StoredEvent]:
        """The stored events that share some time with an event."""
        since_ms, until_ms = map(to_ms, event.window)
        table = tables.event_records.c
        overlap = (table.starts_ms < until_ms, table.ends_ms > since_ms, table.starts_ms < table.ends_ms)
        rows = connection.execute(select(tables.event_records).where(*overlap)).all()
        return [StoredEvent(row.id, _event_of(row), row.rules) for row in rows]

    def _newest(self, connection: Connection, name: str) -> list[CachedRecord]:
        """The newest event of that name, if there is one."""
        table = tables.event_records.c
        alike = select(table.id).where(table.name == name, table.starts_ms < table.ends_ms)
        newest = connection.scalars(alike.order_by(table.starts_ms.desc(), table.id.desc()).limit(1)).first()
        return [] if newest is None else [self._cache.open(connection, newest)]

    def _has_namesake(self, connection: Connection, cached: CachedRecord) -> bool:
        """Whether another event has that event's name: the zones' tables have one row for both."""
        table = tables.event_records.c
        alike = (table.name == cached.event.name, table.id != cached.record_id, table.starts_ms < table.ends_ms)
        return bool(connection.scalar(select(func.count()).where(*alike)))

    def _insert(self, connection: Connection, event: ScheduledEvent, rules: str, opened_ms: int) -> CachedRecord:
        table = tables.event_records
        record_id = (connection.scalar(select(func.max(table.c.id))) or 0) + 1
        since_ms, until_ms = map(to_ms, event.window)
        row = (record_id, event.day.isoformat(), event.name, since_ms, until_ms, rules, 1, opened_ms, None)
        self._database.insert(connection, table, [row])
        return self._cache.open(connection, record_id)


def _event_of(row: Any) -> ScheduledEvent:
    """The event of a row of aforo_shows."""
    return ScheduledEvent(date.fromisoformat(row.day), row.name, Window(from_ms(row.starts_ms), from_ms(row.ends_ms)))
