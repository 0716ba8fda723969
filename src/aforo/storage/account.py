"""What the morning after is told from the database: past shows, how late events came, what was caught up, who ran."""

from collections.abc import Collection
from datetime import date, datetime, timedelta

from sqlalchemy import BigInteger, ColumnElement, Connection, func, literal_column, select

from aforo.models import Classification, ScheduledEvent, Window, from_ms, to_ms
from aforo.storage.backends.connection import DatabaseConnection
from aforo.storage.journal import Journal, JournalEntry
from aforo.storage.lookup_tables import LookupTables
from aforo.storage.record_cache import RecordCache
from aforo.storage.records import EventRecord
from aforo.storage.schema import tables

# The journal's kinds. An instance is a running program: its note's end is its last sign of life.
INSTANCE, RECONCILIATION = "instance", "reconciliation"
ACC_AWAY, CAMERA_AWAY, DATABASE_AWAY, ROW_REFUSED = "acc", "camera", "database", "row"
# Not a parameter: SQL Server takes two parameters, in SELECT and in GROUP BY, for two different divisors.
_TENTH_MS: ColumnElement[int] = literal_column("100", BigInteger)
_ALIVE_FOR = 3  # a program is taken for gone after so many missed signs of life


class PastEvents:
    """Reads of shows that may be long over. Raises what the store raises; it changes nothing but signs of life."""

    def __init__(self, link: DatabaseConnection, books: RecordCache, directory: LookupTables, journal: Journal) -> None:
        self._link = link
        self._books = books
        self._directory = directory
        self._journal = journal

    def records_on(self, day: date) -> list[EventRecord]:
        """The shows that the schedule had under that date, by their start; to be read, not to be added to."""
        table = tables.shows
        query = select(table).where(table.c.day == day.isoformat()).order_by(table.c.starts_ms, table.c.id)
        with self._link.read() as connection:
            return [
                EventRecord(
                    id=row.id,
                    event=ScheduledEvent(day, row.name, Window(from_ms(row.starts_ms), from_ms(row.ends_ms))),
                    checkpoints={},
                    occupancies={},
                    closed=row.closed_ms is not None,
                    verdict=_unjudged,
                    rules=row.rules,
                )
                for row in connection.execute(query).all()
            ]

    def lateness(self, show: EventRecord) -> list[tuple[float, int]]:
        """How many of the show's events were first seen so many seconds (to a tenth) after they happened, in order."""
        table = tables.events.c
        late = ((table.seen_ms - table.occurred_ms) // _TENTH_MS).label("late")
        with self._link.read() as connection:
            rows = connection.execute(
                select(late, func.count()).where(*self._mine(connection, show)).group_by(late).order_by(late)
            ).all()
        return [(tenths / 10, count) for tenths, count in rows]

    def caught_up(self, show: EventRecord, window: Window, cameras: Collection[str] | None = None) -> int:
        """How many events of the window were first seen after its end; of these cameras, or of all."""
        table = tables.events.c
        since_ms, until_ms = map(to_ms, window)
        with self._link.read() as connection:
            rows = connection.execute(
                select(table.source, func.count())
                .where(*self._mine(connection, show), table.occurred_ms >= since_ms, table.occurred_ms < until_ms)
                .where(table.seen_ms >= until_ms)
                .group_by(table.source)
            ).all()
            sources = self._directory.sources(connection, {source for source, _ in rows})
        return sum(count for source, count in rows if cameras is None or sources[source].camera_id in cameras)

    def beat(
        self, show: EventRecord, instance: str, began: datetime, now: datetime, every: timedelta
    ) -> list[JournalEntry]:
        """A sign of life of a running program; returns the other programs alive on that show.

        ``every``: how far apart the signs are.
        """
        table = tables.journal.c
        mine = (table.kind == INSTANCE, table.subject == instance, table.show_id == show.id)
        with self._link.write() as connection:
            ended = {"ended_ms": to_ms(now)}
            if connection.execute(tables.journal.update().where(*mine).values(ended)).rowcount == 0:
                self._journal.begin(connection, INSTANCE, instance, began, show_id=show.id, ended=now)
            notes = self._journal.read(connection, show.id, INSTANCE)
        oldest = now - _ALIVE_FOR * every
        return [note for note in notes if note.subject != instance and (note.ended or note.began) >= oldest]

    def _mine(self, connection: Connection, show: EventRecord) -> tuple[ColumnElement[bool], ...]:
        book = self._books.open(connection, show.id)
        table = tables.events.c
        inside = (table.occurred_ms >= book.since_ms, table.occurred_ms < book.until_ms)
        return (*inside, table.show_id == show.id)


def _unjudged(name: str) -> Classification:
    raise RuntimeError(f"{name}: a past show's names are not judged anew")
