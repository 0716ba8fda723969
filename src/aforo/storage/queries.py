"""What page, log, event report and machines read of an event: doors, ledger, lateness, what was recovered, who ran."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Connection, and_, func, literal_column, or_, select

from aforo.counting.occupancy import OccupancyDelta
from aforo.models import MINUTE_MS, CameraEvent, Classification, EventSource, Occupancy, Window, from_ms, to_ms
from aforo.storage.corrections import Correction
from aforo.storage.event_ledger import SLICE_MS
from aforo.storage.journal import OUTAGES, JournalEntry, JournalKind, gaps, incidents
from aforo.storage.lookup_tables import LookupTables
from aforo.storage.record_cache import CachedRecord
from aforo.storage.records import EventRecord, EventRecords
from aforo.storage.schema import tables

# Not parameters: SQL Server takes two parameters, in SELECT and in GROUP BY, for two different divisors.
_MINUTE: ColumnElement[int] = literal_column(str(MINUTE_MS), BigInteger)
_TENTH: ColumnElement[int] = literal_column("100", BigInteger)


class DoorMinute(NamedTuple):
    """How many events of the history a source had in one minute."""

    source: EventSource
    minute_ms: int
    events: int


@dataclass(frozen=True, slots=True)
class StoredHistory:
    """An event so far, as stored: each zone by minute (epoch ms), the history's sources by minute, the corrections."""

    minutes: Mapping[str, Mapping[int, OccupancyDelta]] = field(default_factory=dict)
    doors: Sequence[DoorMinute] = ()
    corrections: Sequence[Correction] = ()


@dataclass(frozen=True, slots=True)
class StoredFigures:
    """What the database holds of an event at its close, after a recount.

    ``history_rows``: the rows of eventos_Analisis with its name, inside its window. ``rejected_zones``: those whose
    table rejects their row.
    """

    occupancies: dict[str, Occupancy]
    events_by_camera: dict[str, int]
    history_rows: int
    rejected_zones: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ReportSnapshot:
    """All that an event report is made of.

    ``database``: its name, for people. ``same_day``: the records of the same date, by their start. ``entries``: the
    event's journal, and the outages of the database during the event that belong to none. ``recovered``: how many
    camera events of an outage (by its entry's id; see ``incidents``) were first seen after its end. ``gaps``: when no
    program ran, with the number of camera events recovered later. ``lateness``: how many camera events were first seen
    so many seconds after they happened. ``learned``: the journal's entries of what was learned of all events.
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
    learned: Sequence[JournalEntry] = ()


class Cursor(NamedTuple):
    """A place in the ledger: the key of the last event of a page (``server`` and ``source`` are numbers)."""

    occurred_ms: int
    server: int
    this_id: str
    source: int


class Queries:
    """Reads of events, inside a transaction."""

    def __init__(self, lookup: LookupTables, records: EventRecords) -> None:
        self._lookup = lookup
        self._records = records

    def doors(self, connection: Connection, cached: CachedRecord, since_ms: int) -> list[DoorMinute]:
        """The history's sources, minute by minute, from the minute of ``since_ms`` on."""
        table = tables.events.c
        minute = (table.occurred_ms // _MINUTE).label("minute")
        rows: list[Any] = []
        for first in range(max(since_ms - since_ms % MINUTE_MS, cached.since_ms), cached.until_ms, SLICE_MS):
            # A minute may lie in two slices.
            rows += connection.execute(
                select(minute, table.source, func.count())
                .where(table.occurred_ms >= first, table.occurred_ms < min(first + SLICE_MS, cached.until_ms))
                .where(table.show_id == cached.record_id, table.history > 0)
                .group_by(minute, table.source)
            )
        sources = self._lookup.sources(connection, {source for _, source, _ in rows})
        found: Counter[tuple[int, str, EventSource]] = Counter()
        for start, number, count in rows:
            found[start * MINUTE_MS, sources[number].name, sources[number]] += count
        return [DoorMinute(source, start, count) for (start, _, source), count in sorted(found.items())]

    def events(
        self, connection: Connection, cached: CachedRecord, after: Cursor | None, limit: int
    ) -> tuple[list[CameraEvent], Cursor | None]:
        """A page of the event's camera events in time order, and where the next one starts; None at the end."""
        table = tables.events.c
        query = select(table.occurred_ms, table.server, table.this_id, table.source).where(
            table.show_id == cached.record_id, table.occurred_ms < cached.until_ms
        )
        if after is None:
            query = query.where(table.occurred_ms >= cached.since_ms)
        else:
            instant, server, this_id, source = after
            same = table.occurred_ms == instant
            query = query.where(
                table.occurred_ms >= instant,
                or_(
                    table.occurred_ms > instant,
                    and_(same, table.server > server),
                    and_(same, table.server == server, table.this_id > this_id),
                    and_(same, table.server == server, table.this_id == this_id, table.source > source),
                ),
            )
        order = (table.occurred_ms, table.server, table.this_id, table.source)
        rows = connection.execute(query.order_by(*order).limit(limit)).all()
        servers = self._lookup.servers(connection, {row.server for row in rows})
        sources = self._lookup.sources(connection, {row.source for row in rows})
        page = [
            CameraEvent(servers[row.server], row.this_id, from_ms(row.occurred_ms), *sources[row.source])
            for row in rows
        ]
        return page, Cursor(*rows[-1]) if len(rows) == limit else None

    def records_on(self, connection: Connection, day: date) -> list[EventRecord]:
        """The records of the events scheduled for that date, by their start; they can only be read."""
        return [
            EventRecord(stored.id, stored.event, {}, {}, closed, _read_only, stored.rules)
            for stored, closed in self._records.on(connection, day)
        ]

    def lateness(self, connection: Connection, cached: CachedRecord) -> list[tuple[float, int]]:
        """How many camera events were first seen so many seconds (to a tenth) after they happened, in order."""
        table = tables.events.c
        late = ((table.seen_ms - table.occurred_ms) // _TENTH).label("late")
        rows = connection.execute(
            select(late, func.count()).where(*_inside(cached)).group_by(late).order_by(late)
        ).all()
        return [(tenths / 10, count) for tenths, count in rows]

    def recovered(
        self, connection: Connection, cached: CachedRecord, entries: Sequence[JournalEntry], now: datetime
    ) -> dict[int, int]:
        """How many camera events of each outage that is over, by its entry's id, were first seen after its end.

        Of the outages that a report lists.
        """
        found = {}
        for entry in incidents(entries, cached.event.window, now):
            if entry.kind in OUTAGES and entry.ended is not None:
                cameras = {entry.subject} if entry.kind == JournalKind.CAMERA_AWAY else None
                found[entry.id] = self._caught_up(connection, cached, Window(entry.began, entry.ended), cameras)
        return found

    def gaps(
        self, connection: Connection, cached: CachedRecord, entries: Iterable[JournalEntry], now: datetime
    ) -> list[tuple[Window, int]]:
        """When, inside the event, no program ran, and how many camera events were recovered later."""
        lived = Window(cached.event.window.since, min(cached.event.window.until, now))
        runs = [entry for entry in entries if entry.kind == JournalKind.INSTANCE]
        return [(window, self._caught_up(connection, cached, window, None)) for window in gaps(runs, lived)]

    def _caught_up(
        self, connection: Connection, cached: CachedRecord, window: Window, cameras: Collection[str] | None
    ) -> int:
        """How many camera events of the window were first seen after its end; of these cameras, or of all."""
        table = tables.events.c
        since_ms, until_ms = map(to_ms, window)
        rows = connection.execute(
            select(table.source, func.count())
            .where(*_inside(cached), table.occurred_ms >= since_ms, table.occurred_ms < until_ms)
            .where(table.seen_ms >= until_ms)
            .group_by(table.source)
        ).all()
        sources = self._lookup.sources(connection, {source for source, _ in rows})
        return sum(count for source, count in rows if cameras is None or sources[source].camera_id in cameras)


def _inside(cached: CachedRecord) -> tuple[ColumnElement[bool], ...]:
    table = tables.events.c
    return table.occurred_ms >= cached.since_ms, table.occurred_ms < cached.until_ms, table.show_id == cached.record_id


def _read_only(source: EventSource) -> Classification:
    raise RuntimeError(f"{source}: the record of a past event classifies nothing")
