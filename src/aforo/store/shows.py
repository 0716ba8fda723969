"""The shows: found again after a restart or an edit of the schedule, opened, closed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import Connection, func, select

from aforo.model import Feed, Occupancy, ScheduledEvent, Verdict, Window
from aforo.store import tables
from aforo.store.books import Book, Books
from aforo.store.ledger import Ledger
from aforo.store.legacy import Legacy
from aforo.store.link import Link
from aforo.store.local import from_ms, to_ms
from aforo.store.minutes import Minutes


@dataclass(slots=True)
class Show:
    """An event in the store. ``checkpoints`` and ``occupancies`` are as of its opening.

    ``verdict`` and ``rules`` are those it was opened with: they say what the ledger's entries mean.
    """

    id: int
    event: ScheduledEvent
    checkpoints: dict[Feed, datetime]
    occupancies: dict[str, Occupancy]
    closed: bool
    verdict: Callable[[str], Verdict] = field(repr=False)
    rules: str = field(repr=False)


class Shows:
    """Opens and closes shows, inside a transaction of ``link``."""

    def __init__(self, link: Link, books: Books, ledger: Ledger, minutes: Minutes, legacy: Legacy) -> None:
        self._link = link
        self._books = books
        self._ledger = ledger
        self._minutes = minutes
        self._legacy = legacy

    def open(
        self,
        connection: Connection,
        event: ScheduledEvent,
        verdict: Callable[[str], Verdict],
        rules: str,
        opened_ms: int,
    ) -> Book:
        """The show of that event: the stored one whose window overlaps, as the schedule has it now; else a new one."""
        found = self._overlapping(connection, event)
        if found is None:
            return self._insert(connection, event, rules, opened_ms)
        book = self._books.open(connection, found)
        if (book.event, book.rules) != (event, rules):
            self._edit(connection, book, event, verdict, rules)
        return book

    def close(self, connection: Connection, book: Book, now: datetime) -> None:
        """Note that the show is over and compared."""
        if not book.closed:
            book.closed = True
            self._books.turn_page(connection, book, closed_ms=to_ms(now))

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
        self,
        connection: Connection,
        book: Book,
        event: ScheduledEvent,
        verdict: Callable[[str], Verdict],
        rules: str,
    ) -> None:
        """Bring a stored show to what the schedule and the rules say now."""
        since_ms, until_ms = map(to_ms, event.window)
        moved, judged_anew = book.event.window != event.window, book.rules != rules
        if book.event.name != event.name:
            self._legacy.rename(connection, book.event.name, event.name, book.since_ms, book.until_ms)
        if judged_anew or since_ms < book.since_ms:
            # They claim that all is stored since the old start, or by rules that left some of it out.
            self._books.clear_checkpoints(connection, book)
        book.event, book.rules, book.since_ms, book.until_ms = event, rules, since_ms, until_ms
        changes: dict[str, object] = {"closed_ms": None} if moved or judged_anew else {}
        book.closed = book.closed and not changes
        self._books.turn_page(
            connection,
            book,
            day=event.day.isoformat(),
            name=event.name,
            starts_ms=since_ms,
            ends_ms=until_ms,
            rules=rules,
            **changes,
        )
        if judged_anew:
            self._ledger.write_owed(connection, book, verdict)
        if moved or judged_anew:
            self._books.read_corrections(connection, book)
            book.forget_steps()
            self._minutes.recount(connection, book, verdict)

    def _overlapping(self, connection: Connection, event: ScheduledEvent) -> int | None:
        """Shows never overlap in time: one that does is the same, edited. The same name goes first."""
        since_ms, until_ms = map(to_ms, event.window)
        shows = tables.shows.c
        rows = connection.execute(
            select(shows.id, shows.name)
            .where(shows.starts_ms < until_ms, shows.ends_ms > since_ms)
            .order_by(shows.id.desc())
        ).all()
        return min(rows, key=lambda row: row.name != event.name).id if rows else None

    def _insert(self, connection: Connection, event: ScheduledEvent, rules: str, opened_ms: int) -> Book:
        show_id = (connection.scalar(select(func.max(tables.shows.c.id))) or 0) + 1
        since_ms, until_ms = map(to_ms, event.window)
        row = (show_id, event.day.isoformat(), event.name, since_ms, until_ms, rules, 1, opened_ms, None)
        self._link.insert(connection, tables.shows, [row])
        return self._books.open(connection, show_id)
