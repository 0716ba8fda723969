"""The shows: found again after a restart or an edit of the schedule, opened, closed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, func, select

from aforo.models import Classification, EventSource, Feed, Occupancy, ScheduledEvent, Window, from_ms, to_ms
from aforo.storage.backends.connection import DatabaseConnection
from aforo.storage.event_ledger import EventLedger, Judge
from aforo.storage.minute_totals import MinuteTotals
from aforo.storage.quarantine import Quarantine
from aforo.storage.record_cache import CachedRecord, RecordCache
from aforo.storage.schema import tables
from aforo.storage.site_tables.names import Names
from aforo.storage.site_tables.tables import NOBODY


@dataclass(slots=True)
class EventRecord:
    """An event in the store. ``checkpoints`` and ``occupancies`` are as of its opening.

    ``classify`` and ``rules`` are those it was opened with: they say what the ledger's entries mean.
    """

    id: int
    event: ScheduledEvent
    checkpoints: dict[Feed, datetime]
    occupancies: dict[str, Occupancy]
    closed: bool
    classify: Callable[[EventSource], Classification] = field(repr=False)
    rules: str = field(repr=False)


class EventRecords:
    """Opens and closes shows, inside a transaction of ``link``."""

    def __init__(  # noqa: PLR0913 -- all that follows an edited show
        self,
        link: DatabaseConnection,
        books: RecordCache,
        ledger: EventLedger,
        minutes: MinuteTotals,
        *,
        owed: Quarantine,
        names: Names,
    ) -> None:
        self._link = link
        self._books = books
        self._ledger = ledger
        self._owed = owed
        self._minutes = minutes
        self._names = names

    def open(
        self, connection: Connection, event: ScheduledEvent, judge: Judge, rules: str, opened_ms: int
    ) -> tuple[CachedRecord, list[CachedRecord]]:
        """The show of that event: one stored already, as schedule and rules have it now, or a new one.

        Also returns the shows that had to yield a part of their time to it, and whose rows in the zones' tables follow.
        """
        found = self._adoptable(connection, event)
        if found is None:
            book = self._insert(connection, event, rules, opened_ms)
        else:
            book = self._books.open(connection, found)
            if (book.event, book.rules) != (event, rules):
                self._edit(connection, book, event, judge, rules)
        others = self._overlapping(connection, event)
        cut = [self._cut(connection, other, book, judge) for other, _ in others if other != book.show_id]
        if cut:
            book = self._books.open(connection, book.show_id)
        strays = self._adopt_strays(connection, book, judge)
        if strays is not None or cut:
            self._owed.note(connection, book, judge)  # they may have come by other rules
            self._minutes.recount(connection, book, judge)
            self._books.bump_revision(connection, book)
        # The row of a name that several shows have belongs to the one that was opened last.
        return book, [one for one in (*cut, *(strays or ())) if not self._has_namesake(connection, one)]

    def close(self, connection: Connection, book: CachedRecord, now: datetime) -> None:
        """Note that the show is over and compared."""
        if not book.closed:
            book.closed = True
            self._books.bump_revision(connection, book, closed_ms=to_ms(now))

    def last_open(self, connection: Connection) -> ScheduledEvent | None:
        """The latest show that was never closed."""
        shows = tables.shows.c
        row = connection.execute(
            select(tables.shows).where(shows.closed_ms.is_(None)).order_by(shows.starts_ms.desc(), shows.id.desc())
        ).first()
        if row is None:
            return None
        window = Window(from_ms(row.starts_ms), from_ms(row.ends_ms))
        return ScheduledEvent(date.fromisoformat(row.day), row.name, window)

    def _edit(
        self, connection: Connection, book: CachedRecord, event: ScheduledEvent, judge: Judge, rules: str
    ) -> None:
        """Bring a stored show to what the schedule and the rules say now."""
        before, since_ms = book.event, to_ms(event.window.since)
        moved, judged_anew = before.window != event.window, book.rules != rules
        self._names.follow(connection, before, event, shared=self._has_namesake(connection, book))
        if judged_anew or since_ms < book.since_ms:
            # They claim that all is stored since the old start, or by rules that left some of it out.
            self._books.clear_checkpoints(connection, book)
        self._books.edit(connection, book, event, rules, reopened=moved or judged_anew)
        if judged_anew:
            self._owed.note(connection, book, judge)
        if moved or judged_anew:
            self._minutes.recount(connection, book, judge)

    def _cut(self, connection: Connection, show_id: int, winner: CachedRecord, judge: Judge) -> CachedRecord:
        """By the schedule, part of a stored show's time is the winner's: so are the events in it."""
        book = self._books.open(connection, show_id)
        since_ms, until_ms = max(book.since_ms, winner.since_ms), min(book.until_ms, winner.until_ms)
        self._ledger.hand_over(connection, book, winner, since_ms, until_ms)
        self._books.hand_over(connection, {book.show_id}, winner, since_ms, until_ms)
        before = book.event
        since, until = before.window
        if since < winner.event.window.since:
            window = Window(since, winner.event.window.since)
        else:
            window = Window(min(winner.event.window.until, until), until)
        event = ScheduledEvent(before.day, before.name, window)
        self._names.follow(connection, before, event)
        self._names.pass_on(connection, NOBODY, winner.event.name, since_ms, until_ms)
        self._books.edit(connection, book, event, book.rules, reopened=False)
        self._minutes.recount(connection, book, judge)
        if window.since == window.until:
            self.close(connection, book, window.until)
        return book

    def _adopt_strays(self, connection: Connection, book: CachedRecord, judge: Judge) -> list[CachedRecord] | None:
        """Take the events in the show's time that were stored for shows which no longer have it; None: there are none.

        The schedule cut another show short, or split it, after they were stored. Returns the shows that had to give a
        correction too: it counted at their end.
        """
        strays = self._ledger.owners(connection, book) - {book.show_id}
        if not strays:
            return None
        names = connection.scalars(select(tables.shows.c.name).where(tables.shows.c.id.in_(strays))).all()
        for name in {NOBODY, *names}:
            self._names.pass_on(connection, name, book.event.name, book.since_ms, book.until_ms)
        self._ledger.adopt(connection, book)
        givers = self._books.hand_over(connection, strays, book, book.since_ms, book.until_ms)
        book.forget_steps()
        others = [self._books.open(connection, show_id) for show_id in givers]
        for other in others:
            self._minutes.recount(connection, other, judge)
            self._books.bump_revision(connection, other)
        return others

    def _adoptable(self, connection: Connection, event: ScheduledEvent) -> int | None:
        """The stored show that is this one, edited: of the same name, or with most of its time."""
        candidates = []
        for show_id, stored in self._overlapping(connection, event):
            common = min(stored.window.until, event.window.until) - max(stored.window.since, event.window.since)
            shorter = min(_length(stored.window), _length(event.window))
            if stored.name == event.name or common * 2 >= shorter:
                candidates.append((stored.name == event.name, common, show_id))
        return max(candidates)[2] if candidates else None

    def _overlapping(self, connection: Connection, event: ScheduledEvent) -> list[tuple[int, ScheduledEvent]]:
        since_ms, until_ms = map(to_ms, event.window)
        shows = tables.shows.c
        rows = connection.execute(
            select(tables.shows).where(
                shows.starts_ms < until_ms, shows.ends_ms > since_ms, shows.starts_ms < shows.ends_ms
            )
        ).all()
        return [
            (row.id, ScheduledEvent(event.day, row.name, Window(from_ms(row.starts_ms), from_ms(row.ends_ms))))
            for row in rows
        ]

    def _has_namesake(self, connection: Connection, book: CachedRecord) -> bool:
        """Whether another show bears that show's name: the zones' tables have one row for both."""
        shows = tables.shows.c
        alike = (shows.name == book.event.name, shows.id != book.show_id, shows.starts_ms < shows.ends_ms)
        return bool(connection.scalar(select(func.count()).where(*alike)))

    def _insert(self, connection: Connection, event: ScheduledEvent, rules: str, opened_ms: int) -> CachedRecord:
        show_id = (connection.scalar(select(func.max(tables.shows.c.id))) or 0) + 1
        since_ms, until_ms = map(to_ms, event.window)
        row = (show_id, event.day.isoformat(), event.name, since_ms, until_ms, rules, 1, opened_ms, None)
        self._link.insert(connection, tables.shows, [row])
        return self._books.open(connection, show_id)


def _length(window: Window) -> timedelta:
    return window.until - window.since
