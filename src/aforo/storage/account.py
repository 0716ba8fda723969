"""Reads of events that may be long over: how late their camera events came, what was recovered, who ran."""

from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta

from sqlalchemy import BigInteger, ColumnElement, Connection, func, literal_column, select

from aforo.models import Classification, EventSource, ScheduledEvent, Window, from_ms, to_ms
from aforo.storage.journal import Journal, JournalEntry, JournalKind, gaps, touches
from aforo.storage.lookup_tables import LookupTables
from aforo.storage.record_cache import CachedRecord
from aforo.storage.records import EventRecord
from aforo.storage.schema import tables

# Not a parameter: SQL Server takes two parameters, in SELECT and in GROUP BY, for two different divisors.
_TENTH_MS: ColumnElement[int] = literal_column("100", BigInteger)
_ALIVE_FOR = 3  # a program is taken for gone after so many missed signs of life
_OUTAGES = frozenset({JournalKind.ACC_AWAY, JournalKind.CAMERA_AWAY, JournalKind.DATABASE_AWAY})


class PastEvents:
    """Reads of events that may be long over, inside a transaction; it changes nothing but signs of life."""

    def __init__(self, directory: LookupTables, journal: Journal) -> None:
        self._directory = directory
        self._journal = journal

    def records_on(self, connection: Connection, day: date) -> list[EventRecord]:
        """The records of the events scheduled for that date, by their start; they can only be read."""
        table = tables.shows
        query = select(table).where(table.c.day == day.isoformat()).order_by(table.c.starts_ms, table.c.id)
        return [
            EventRecord(
                id=row.id,
                event=ScheduledEvent(day, row.name, Window(from_ms(row.starts_ms), from_ms(row.ends_ms))),
                checkpoints={},
                occupancies={},
                closed=row.closed_ms is not None,
                classify=_read_only,
                rules=row.rules,
            )
            for row in connection.execute(query).all()
        ]

    def lateness(self, connection: Connection, book: CachedRecord) -> list[tuple[float, int]]:
        """How many events were first seen so many seconds (to a tenth) after they happened, in order."""
        table = tables.events.c
        late = ((table.seen_ms - table.occurred_ms) // _TENTH_MS).label("late")
        rows = connection.execute(select(late, func.count()).where(*_inside(book)).group_by(late).order_by(late)).all()
        return [(tenths / 10, count) for tenths, count in rows]

    def recovered(self, connection: Connection, book: CachedRecord, entries: Iterable[JournalEntry]) -> dict[int, int]:
        """How many events of each outage that is over, by its entry's id, were first seen after its end."""
        found = {}
        for entry in entries:
            if entry.kind in _OUTAGES and entry.ended is not None and touches(entry, book.event.window, entry.ended):
                cameras = {entry.subject} if entry.kind == JournalKind.CAMERA_AWAY else None
                found[entry.id] = self._caught_up(connection, book, Window(entry.began, entry.ended), cameras)
        return found

    def gaps(
        self, connection: Connection, book: CachedRecord, entries: Iterable[JournalEntry], now: datetime
    ) -> list[tuple[Window, int]]:
        """When, inside the event, no program was running, and how many events were recovered later."""
        lived = Window(book.event.window.since, min(book.event.window.until, now))
        runs = [entry for entry in entries if entry.kind == JournalKind.INSTANCE]
        return [(window, self._caught_up(connection, book, window, None)) for window in gaps(runs, lived)]

    def beat(  # noqa: PLR0913, PLR0917 -- the columns of the journal
        self, connection: Connection, show_id: int, instance: str, began: datetime, now: datetime, every: timedelta
    ) -> list[JournalEntry]:
        """Store a sign of life of a running program; returns the entries of the other programs alive on that event."""
        table = tables.journal.c
        mine = (table.kind == str(JournalKind.INSTANCE), table.subject == instance, table.show_id == show_id)
        ended = {"ended_ms": to_ms(now)}
        if connection.execute(tables.journal.update().where(*mine).values(ended)).rowcount == 0:
            self._journal.begin(connection, JournalKind.INSTANCE, instance, began, show_id=show_id, ended=now)
        entries = self._journal.read(connection, show_id, JournalKind.INSTANCE)
        oldest = now - _ALIVE_FOR * every
        return [entry for entry in entries if entry.subject != instance and (entry.ended or entry.began) >= oldest]

    def _caught_up(
        self, connection: Connection, book: CachedRecord, window: Window, cameras: Collection[str] | None
    ) -> int:
        """How many events of the window were first seen after its end; of these cameras, or of all."""
        table = tables.events.c
        since_ms, until_ms = map(to_ms, window)
        rows = connection.execute(
            select(table.source, func.count())
            .where(*_inside(book), table.occurred_ms >= since_ms, table.occurred_ms < until_ms)
            .where(table.seen_ms >= until_ms)
            .group_by(table.source)
        ).all()
        sources = self._directory.sources(connection, {source for source, _ in rows})
        return sum(count for source, count in rows if cameras is None or sources[source].camera_id in cameras)


def _inside(book: CachedRecord) -> tuple[ColumnElement[bool], ...]:
    table = tables.events.c
    return table.occurred_ms >= book.since_ms, table.occurred_ms < book.until_ms, table.show_id == book.show_id


def _read_only(name: EventSource) -> Classification:
    raise RuntimeError(f"{name}: the record of a past event classifies nothing")
