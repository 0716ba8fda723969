"""The shows: found again after a restart or an edit of the schedule, opened, closed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, func, select

from aforo.model import Feed, Occupancy, ScheduledEvent, Verdict, Window
from aforo.store import tables
from aforo.store.books import Book, Books
from aforo.store.ledger import Ledger
from aforo.store.legacy import Legacy
from aforo.store.link import Link
from aforo.store.local import from_ms, to_ms


@dataclass(slots=True)
class Show:
    """An event in the store. ``checkpoints`` and ``occupancies`` are as of its opening."""

    id: int
    event: ScheduledEvent
    checkpoints: dict[Feed, datetime]
    occupancies: dict[str, Occupancy]
    closed: bool


class Shows:
    """Opens and closes shows, inside a transaction of ``link``."""

    def __init__(self, link: Link, books: Books, ledger: Ledger, legacy: Legacy) -> None:
        self._link = link
        self._books = books
        self._ledger = ledger
        self._legacy = legacy

    def open(
        self,
        connection: Connection,
        event: ScheduledEvent,
        verdict: Callable[[str], Verdict],
        rules: str,
        now: datetime | None,
    ) -> Book:
        """The show of that event: the stored one whose window overlaps, as the schedule has it now; else a new one."""
        found = self._overlapping(connection, event)
        if found is None:
            return self._insert(connection, event, rules, now)
        book = self._books.open(connection, found)
        before = book.event
        new_rules = book.rules != rules
        if before == event and not new_rules:
            return book
        since_ms, until_ms = map(to_ms, event.window)
        if before.name != event.name:
            self._legacy.rename(connection, before.name, event.name, book.since_ms, book.until_ms)
        if new_rules or since_ms < book.since_ms:
            self._books.clear_checkpoints(connection, book)
        closed = book.closed and not new_rules and before.window == event.window
        span = (min(since_ms, book.since_ms), max(until_ms, book.until_ms))
        book.event, book.rules, book.closed = event, rules, closed
        book.since_ms, book.until_ms = since_ms, until_ms
        changes: dict[str, Any] = {
            "day": event.day.isoformat(),
            "name": event.name,
            "starts_ms": since_ms,
            "ends_ms": until_ms,
        }
        if not closed:
            changes["closed_ms"] = None
        self._books.turn_page(connection, book, rules=rules, **changes)
        if new_rules:
            self._ledger.resift(connection, (book.show_id, event.name), span, verdict)
        if new_rules or before.window != event.window:
            self._books.place_corrections(connection, book)
            self._books.recount(connection, book)
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
        return ScheduledEvent(
            date.fromisoformat(row.day), row.name, Window(from_ms(row.starts_ms), from_ms(row.ends_ms))
        )

    def _overlapping(self, connection: Connection, event: ScheduledEvent) -> int | None:
        since_ms, until_ms = map(to_ms, event.window)
        shows = tables.shows.c
        rows = connection.execute(
            select(shows.id, shows.name)
            .where(shows.starts_ms < until_ms, shows.ends_ms > since_ms)
            .order_by(shows.id.desc())
        ).all()
        rows = sorted(rows, key=lambda row: row.name != event.name)
        return rows[0].id if rows else None

    def _insert(self, connection: Connection, event: ScheduledEvent, rules: str, now: datetime | None) -> Book:
        show_id = (connection.scalar(select(func.max(tables.shows.c.id))) or 0) + 1
        since_ms, until_ms = map(to_ms, event.window)
        opened_ms = to_ms(now) if now is not None else since_ms
        day = event.day.isoformat()
        row = (show_id, day, event.name, since_ms, until_ms, rules, 1, opened_ms, None)
        self._link.insert(connection, tables.shows, [row])
        return self._books.open(connection, show_id)
