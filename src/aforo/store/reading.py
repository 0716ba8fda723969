"""What the page, the log and machines read of a show: doors, corrections, the ledger page by page."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, and_, func, or_, select

from aforo.model import AccEvent
from aforo.store import tables
from aforo.store.books import Book
from aforo.store.local import MINUTE_MS, from_ms


@dataclass(frozen=True, slots=True)
class Correction:
    """An operator's correction of a zone. ``id`` is the caller's (a UUID): the same id is applied once, ever."""

    id: str
    zone: str
    delta: int
    reason: str
    author: str
    at: datetime


class DoorMinute(NamedTuple):
    """How many events one analytic name of the history had in one minute, by activity."""

    name: str
    activity: str
    minute_ms: int
    events: int


class Cursor(NamedTuple):
    """A place in the ledger: the key of the last event of a page."""

    occurred_ms: int
    server_id: str
    this_id: str


def doors(connection: Connection, book: Book, since_ms: int) -> list[DoorMinute]:
    """The history's names, minute by minute, from the minute of ``since_ms`` on."""
    table = tables.events.c
    minute = (table.occurred_ms // MINUTE_MS).label("minute")
    since = max(since_ms - since_ms % MINUTE_MS, book.since_ms)
    rows = connection.execute(
        select(table.name, table.activity, minute, func.count())
        .where(table.occurred_ms >= since, table.occurred_ms < book.until_ms)
        .where(table.show_id == book.show_id, table.history > 0)
        .group_by(table.name, table.activity, minute)
        .order_by(minute, table.name, table.activity)
    )
    return [DoorMinute(name, activity, start * MINUTE_MS, count) for name, activity, start, count in rows]


def corrections(connection: Connection, book: Book) -> list[Correction]:
    """The show's corrections, oldest first."""
    table = tables.corrections
    rows = connection.execute(select(table).where(table.c.show_id == book.show_id).order_by(table.c.at_ms, table.c.id))
    return [Correction(row.id, row.zone, row.delta, row.reason, row.author, from_ms(row.at_ms)) for row in rows]


def events(
    connection: Connection, book: Book, after: Cursor | None, limit: int
) -> tuple[list[AccEvent], Cursor | None]:
    """A page of the show's events in time order, and where the next one starts; None at the end."""
    table = tables.events.c
    query = select(tables.events).where(table.show_id == book.show_id, table.occurred_ms < book.until_ms)
    if after is None:
        query = query.where(table.occurred_ms >= book.since_ms)
    else:
        same_instant = and_(table.occurred_ms == after.occurred_ms, table.server_id == after.server_id)
        query = query.where(
            table.occurred_ms >= after.occurred_ms,
            or_(
                table.occurred_ms > after.occurred_ms,
                and_(table.occurred_ms == after.occurred_ms, table.server_id > after.server_id),
                and_(same_instant, table.this_id > after.this_id),
            ),
        )
    rows = connection.execute(query.order_by(table.occurred_ms, table.server_id, table.this_id).limit(limit)).all()
    page = [
        AccEvent(row.server_id, row.this_id, from_ms(row.occurred_ms), row.camera_id, row.name, row.area, row.activity)
        for row in rows
    ]
    full = len(rows) == limit
    return page, Cursor(rows[-1].occurred_ms, rows[-1].server_id, rows[-1].this_id) if full else None
