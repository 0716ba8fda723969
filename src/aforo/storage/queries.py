"""What the page, the log and machines read of a show: doors, the ledger page by page."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, and_, func, literal_column, or_, select

from aforo.counting.occupancy import OccupancyDelta
from aforo.models import MINUTE_MS, CameraEvent, Occupancy, Window, from_ms
from aforo.storage.corrections import Correction
from aforo.storage.journal import JournalEntry
from aforo.storage.lookup_tables import LookupTables
from aforo.storage.record_cache import CachedRecord
from aforo.storage.records import EventRecord
from aforo.storage.schema import tables
from aforo.storage.site_tables.local_time import STRETCH_MS


class DoorMinute(NamedTuple):
    """How many events one analytic name of the history had in one minute, by activity."""

    name: str
    activity: str
    minute_ms: int
    events: int


@dataclass(frozen=True, slots=True)
class StoredHistory:
    """An event so far, as stored: each zone by minute (epoch ms), the history's names by minute, the corrections."""

    minutes: Mapping[str, Mapping[int, OccupancyDelta]] = field(default_factory=dict)
    doors: Sequence[DoorMinute] = ()
    corrections: Sequence[Correction] = ()


@dataclass(frozen=True, slots=True)
class StoredFigures:
    """What the database holds of an event at its close, after a recount.

    ``history_rows``: the rows of eventos_Analisis with its name, inside its window.
    """

    occupancies: dict[str, Occupancy]
    events_by_camera: dict[str, int]
    history_rows: int


@dataclass(frozen=True, slots=True)
class ReportSnapshot:
    """All that an event report is made of.

    ``database``: its name, for people. ``same_day``: the records of the same date, by their start. ``entries``: the
    event's journal, and the outages of the database that no event was open for and that it lived through.
    ``recovered``: how many events of an outage (by its entry's id) were first seen after its end. ``gaps``: when no
    program was running, with the number of events recovered later. ``lateness``: how many events were first seen so
    many seconds after they happened.
    """

    record: EventRecord
    database: str
    same_day: Sequence[EventRecord]
    history: StoredHistory
    events_by_camera: Mapping[str, int]
    history_rows: int
    lateness: Sequence[tuple[float, int]]
    entries: Sequence[JournalEntry]
    recovered: Mapping[int, int]
    gaps: Sequence[tuple[Window, int]]


class Cursor(NamedTuple):
    """A place in the ledger: the key of the last event of a page (``server`` is the server's number)."""

    occurred_ms: int
    server: int
    this_id: str


def doors(connection: Connection, directory: LookupTables, book: CachedRecord, since_ms: int) -> list[DoorMinute]:
    """The history's names, minute by minute, from the minute of ``since_ms`` on."""
    table = tables.events.c
    # Not a parameter: SQL Server takes two parameters, in SELECT and in GROUP BY, for two different divisors.
    minute = (table.occurred_ms // literal_column(str(MINUTE_MS), BigInteger)).label("minute")
    rows: list[Any] = []
    for first in range(max(since_ms - since_ms % MINUTE_MS, book.since_ms), book.until_ms, STRETCH_MS):
        # A stretch at a time: what the database sorts at once stays small. A minute may lie in two of them.
        rows += connection.execute(
            select(minute, table.source, func.count())
            .where(table.occurred_ms >= first, table.occurred_ms < min(first + STRETCH_MS, book.until_ms))
            .where(table.show_id == book.show_id, table.history > 0)
            .group_by(minute, table.source)
        )
    sources = directory.sources(connection, {source for _, source, _ in rows})
    found: Counter[tuple[int, str, str]] = Counter()
    for start, number, count in rows:
        source = sources[number]
        found[start * MINUTE_MS, source.name, source.activity] += count
    return [DoorMinute(name, activity, start, count) for (start, name, activity), count in sorted(found.items())]


def events(
    connection: Connection, directory: LookupTables, book: CachedRecord, after: Cursor | None, limit: int
) -> tuple[list[CameraEvent], Cursor | None]:
    """A page of the show's events in time order, and where the next one starts; None at the end."""
    table = tables.events.c
    query = select(table.occurred_ms, table.server, table.this_id, table.source).where(
        table.show_id == book.show_id, table.occurred_ms < book.until_ms
    )
    if after is None:
        query = query.where(table.occurred_ms >= book.since_ms)
    else:
        instant, server, this_id = after
        same = table.occurred_ms == instant
        query = query.where(
            table.occurred_ms >= instant,
            or_(
                table.occurred_ms > instant,
                and_(same, table.server > server),
                and_(same, table.server == server, table.this_id > this_id),
            ),
        )
    rows = connection.execute(query.order_by(table.occurred_ms, table.server, table.this_id).limit(limit)).all()
    servers = directory.servers(connection, {row.server for row in rows})
    sources = directory.sources(connection, {row.source for row in rows})
    page = [
        CameraEvent(servers[row.server], row.this_id, from_ms(row.occurred_ms), *sources[row.source]) for row in rows
    ]
    return page, Cursor(*rows[-1][:3]) if len(rows) == limit else None
