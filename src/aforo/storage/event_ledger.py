"""The ledger: every camera event once. Which events of a batch are new, and what its entries mean."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select

from aforo.counting.occupancy import TimedMovement, seq
from aforo.models import DAY_MS, EPOCH, MINUTE_MS, CameraEvent, Classification, EventSource, from_ms
from aforo.storage.backends.connection import DatabaseConnection
from aforo.storage.column_text import are_keys, fit_key
from aforo.storage.lookup_tables import LookupTables
from aforo.storage.record_cache import CachedRecord
from aforo.storage.schema import tables
from aforo.storage.site_tables.history import HistoryRows

SLICE_MS = 5 * MINUTE_MS  # how much of an event is read at once: memory, and what the database sorts, stay small
NOT_HISTORY, WRITTEN, QUARANTINED = 0, 1, 2  # values of the column ``history``

# (occurred_ms, number of the server, this_id, camera_id). The ledger's key has the source in the camera's place: the
# same camera event read again, by whatever name, has the same identity.
Identity = tuple[int, int, str, str]
Key = tuple[int, int, str, int]
Classify = Callable[[EventSource], Classification]


class _Meaning(NamedTuple):
    """What all events of a source share: their entries' last columns, whether they are history, their movements."""

    columns: tuple[int, int, int, int]
    history: bool
    movements: Sequence[tuple[str, int]]


class Entry(NamedTuple):
    """A row of the ledger."""

    occurred_ms: int
    server: int
    this_id: str
    source: int
    history: int


class EventLedger:
    """Reads and writes aforo_events, and the history rows of new entries, inside a transaction of ``database``.

    ``key_has_camera`` is False with the tables of the first version: their key lets two cameras of a server have no
    event of the same ``thisId`` and millisecond.
    """

    def __init__(self, database: DatabaseConnection, lookup: LookupTables, history: HistoryRows) -> None:
        self.key_has_camera = True
        self._database = database
        self._lookup = lookup
        self._history = history

    def new(self, connection: Connection, events: Sequence[CameraEvent]) -> dict[Identity, CameraEvent]:
        """The events that are not in the ledger yet, each once, in the ledger's order."""
        by_identity = self._identified(connection, events)
        for row in self._rows_at(connection, by_identity):
            by_identity.pop(row, None)
        return {identity: by_identity[identity] for identity in sorted(by_identity)}

    def add(  # noqa: PLR0913 -- all that one batch causes
        self,
        connection: Connection,
        cached: CachedRecord,
        new: Mapping[Identity, CameraEvent],
        classify: Classify,
        seen_ms: int,
        *,
        history: bool = True,
    ) -> dict[str, list[TimedMovement]]:
        """Store new events and their history rows; returns their movements, per zone and in order.

        Without ``history`` their history rows are quarantined. Raises StoreRejectedRow.
        """
        # The source of an event is all of it but its instant and its id: some dozens, so that each is classified once.
        event_sources = [event[3:] for event in new.values()]
        sources = set(event_sources)
        numbers = self._lookup.source_numbers(connection, sources)
        written = WRITTEN if history else QUARANTINED
        meanings = {}
        for source in sources:
            classification = classify(EventSource._make(source))
            state = written if classification.history else NOT_HISTORY
            columns = (numbers[source], cached.record_id, state, seen_ms)
            meanings[source] = _Meaning(columns, classification.history, classification.movements)
        # By position and without a call per event: this runs for every camera event.
        meant = [meanings[source] for source in event_sources]
        self._database.insert(
            connection, tables.events, [one[:3] + meaning[0] for one, meaning in zip(new, meant, strict=True)]
        )
        if history:
            kept = [
                (one[0], source) for one, source, meaning in zip(new, event_sources, meant, strict=True) if meaning[1]
            ]
            self._history.add(connection, cached, kept)
        return self._movements(
            connection, [(*one[:3], meaning[2]) for one, meaning in zip(new, meant, strict=True) if meaning[2]]
        )

    def movements(
        self, connection: Connection, cached: CachedRecord, span: tuple[int, int], classify: Classify
    ) -> dict[str, list[TimedMovement]]:
        """The movements of an event in ``[since, until)`` (epoch ms), with corrections, per zone and in order."""
        since_ms, until_ms = max(span[0], cached.since_ms), min(span[1], cached.until_ms)
        inside = _inside(cached, since_ms, until_ms)
        table = tables.events.c
        sources = connection.scalars(select(table.source).where(*inside).distinct()).all()
        classifications = self.classifications(connection, sources, classify)
        moving = {source: meaning.movements for source, meaning in classifications.items() if meaning.movements}
        if len(moving) <= self._database.backend.most_parameters:  # most events are of doors, which move no zone
            inside.append(table.source.in_(moving))
        rows = connection.execute(
            select(table.occurred_ms, table.server, table.this_id, table.source).where(*inside)
        ).all()
        found = self._movements(connection, [(*row[:3], moving[row[3]]) for row in rows if row[3] in moving])
        for zone, corrections in cached.corrections.items():
            due = [correction for correction in corrections if since_ms <= correction[0] < until_ms]
            if due:
                found[zone] = sorted(found.get(zone, []) + due)
        return found

    def reassign(
        self, connection: Connection, cached: CachedRecord, receiver: CachedRecord, since_ms: int, until_ms: int
    ) -> None:
        """Give an event's entries in ``[since_ms, until_ms)`` to another event."""
        table = tables.events
        given = (table.c.occurred_ms >= since_ms, table.c.occurred_ms < until_ms, table.c.show_id == cached.record_id)
        connection.execute(table.update().where(*given).values(show_id=receiver.record_id))

    def owners(self, connection: Connection, cached: CachedRecord) -> set[int]:
        """The records that the entries in an event's window belong to."""
        table = tables.events.c
        inside = (table.occurred_ms >= cached.since_ms, table.occurred_ms < cached.until_ms)
        return set(connection.scalars(select(table.show_id).where(*inside).distinct()))

    def has(self, connection: Connection, since_ms: int, until_ms: int) -> bool:
        """Whether it has any entry in ``[since_ms, until_ms)``, of whatever event."""
        table = tables.events.c
        inside = (table.occurred_ms >= since_ms, table.occurred_ms < until_ms)
        return connection.execute(select(table.occurred_ms).where(*inside).limit(1)).first() is not None

    def claim(self, connection: Connection, cached: CachedRecord) -> None:
        """Give all entries in an event's window to it."""
        table = tables.events
        inside = (table.c.occurred_ms >= cached.since_ms, table.c.occurred_ms < cached.until_ms)
        others = table.c.show_id != cached.record_id
        connection.execute(table.update().where(*inside, others).values(show_id=cached.record_id))

    def counts(self, connection: Connection, cached: CachedRecord) -> dict[str, int]:
        """Events per camera inside the window."""
        table = tables.events.c
        counted: Counter[int] = Counter()
        for since_ms in range(cached.since_ms, cached.until_ms, SLICE_MS):
            inside = _inside(cached, since_ms, min(since_ms + SLICE_MS, cached.until_ms))
            rows = connection.execute(select(table.source, func.count()).where(*inside).group_by(table.source))
            counted.update({source: count for source, count in rows})  # noqa: C416 -- rows are no pairs to mypy
        sources = self._lookup.sources(connection, counted)
        found: Counter[str] = Counter()
        for source, count in counted.items():
            found[sources[source].camera_id] += count
        return dict(found)

    def entries(self, connection: Connection, cached: CachedRecord, since_ms: int, until_ms: int) -> list[Entry]:
        """An event's entries in ``[since_ms, until_ms)``, in order, in its window or not."""
        table = tables.events.c
        rows = connection.execute(
            select(table.occurred_ms, table.server, table.this_id, table.source, table.history)
            .where(*_inside(cached, since_ms, until_ms))
            .order_by(table.occurred_ms, table.server, table.this_id, table.source)
        )
        return [Entry(*row) for row in rows.all()]

    def entries_at(self, connection: Connection, cached: CachedRecord, keys: Set[Key]) -> list[Entry]:
        """An event's entries of those keys."""
        return [entry for entry in self._entries_at(connection, cached, keys) if entry[:4] in keys]

    def entries_of(self, connection: Connection, cached: CachedRecord, events: Sequence[CameraEvent]) -> list[Entry]:
        """An event's entries of those camera events."""
        identities = self._identified(connection, events)
        entries = self._entries_at(connection, cached, identities)
        cameras = self._cameras(connection, {entry.source for entry in entries})
        return [entry for entry in entries if (*entry[:3], cameras[entry.source]) in identities]

    def event(self, connection: Connection, entry: Entry) -> CameraEvent:
        """The camera event of an entry."""
        server = self._lookup.servers(connection, {entry.server})[entry.server]
        source = self._lookup.sources(connection, {entry.source})[entry.source]
        return CameraEvent(server, entry.this_id, from_ms(entry.occurred_ms), *source)

    def classifications(
        self, connection: Connection, sources: Iterable[int], classify: Classify
    ) -> dict[int, Classification]:
        """What the sources of those numbers mean."""
        numbers = set(sources)
        known = self._lookup.sources(connection, numbers)
        return {number: classify(known[number]) for number in numbers}

    def add_history(self, connection: Connection, cached: CachedRecord, entries: Sequence[Entry]) -> None:
        """Write the history rows of those entries. Raises StoreRejectedRow."""
        sources = self._lookup.sources(connection, {entry.source for entry in entries})
        self._history.add(connection, cached, [(entry.occurred_ms, sources[entry.source]) for entry in entries])

    def _rows_at(self, connection: Connection, identities: Iterable[Identity]) -> Iterator[Identity]:
        """The identities of all entries at the instants of those."""
        rows = self._among(connection, Entry._fields[:4], identities)
        cameras = self._cameras(connection, {row[3] for row in rows})
        return ((row[0], row[1], row[2], cameras[row[3]]) for row in rows)

    def _entries_at(self, connection: Connection, cached: CachedRecord, keys: Iterable[Identity | Key]) -> list[Entry]:
        """An event's entries at the instants of those keys."""
        rows = self._among(connection, (*Entry._fields, "show_id"), keys)
        return [Entry(*row[:5]) for row in rows if row[5] == cached.record_id]

    def _among(
        self, connection: Connection, columns: Sequence[str], keys: Iterable[Identity | Key]
    ) -> Sequence[Sequence[Any]]:
        instants = sorted({key[0] for key in keys})
        return list(self._database.backend.among(connection, tables.events, columns, "occurred_ms", instants))

    def _cameras(self, connection: Connection, sources: Set[int]) -> dict[int, str]:
        """The camera in the identity of those sources' events."""
        if not self.key_has_camera:
            return dict.fromkeys(sources, "")
        known = self._lookup.sources(connection, sources)
        return {source: known[source].camera_id for source in sources}

    def _identified(self, connection: Connection, events: Sequence[CameraEvent]) -> dict[Identity, CameraEvent]:
        servers = self._lookup.server_numbers(connection, {event[0] for event in events})
        # By position and without a call per event: this runs for every camera event that is ever read.
        this_ids = [event[1] for event in events]
        with_camera = self.key_has_camera
        cameras = {camera_id: fit_key(camera_id) if with_camera else "" for camera_id in {event[3] for event in events}}
        identities = [
            (
                (age := event[2] - EPOCH).days * DAY_MS + age.seconds * 1000 + age.microseconds // 1000,
                servers[event[0]],
                event[1],
                cameras[event[3]],
            )
            for event in events
        ]
        if not are_keys(this_ids):
            identities = [(*one[:2], fit_key(one[2]), one[3]) for one in identities]
        return dict(zip(identities, events, strict=True))

    def _movements(
        self, connection: Connection, moving: Sequence[tuple[int, int, str, Sequence[tuple[str, int]]]]
    ) -> dict[str, list[TimedMovement]]:
        """The movements of keys with what each moves, per zone and in order."""
        found: defaultdict[str, list[TimedMovement]] = defaultdict(list)
        servers = self._lookup.servers(connection, {row[1] for row in moving})
        for occurred_ms, server, this_id, moves in moving:
            for zone, delta in moves:
                found[zone].append((occurred_ms, seq(this_id), servers[server], this_id, delta))
        for movements in found.values():
            movements.sort()
        return dict(found)


def _inside(cached: CachedRecord, since_ms: int, until_ms: int) -> list[ColumnElement[bool]]:
    """The event's entries in ``[since_ms, until_ms)``."""
    table = tables.events.c
    return [table.occurred_ms >= since_ms, table.occurred_ms < until_ms, table.show_id == cached.record_id]
