"""The ledger: every event once. What a batch holds that is not there yet, and what its entries mean."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select

from aforo.counting.occupancy import TimedMovement, seq
from aforo.models import DAY_MS, EPOCH, CameraEvent, Classification, EventSource, from_ms
from aforo.storage.backends.connection import DatabaseConnection
from aforo.storage.lookup_tables import LookupTables
from aforo.storage.record_cache import CachedRecord
from aforo.storage.schema import tables
from aforo.storage.site_tables.local_time import STRETCH_MS
from aforo.storage.site_tables.tables import NOBODY, HistoryRow, SiteTables

Identity = tuple[int, int, str]  # (occurred_ms, number of the server, this_id): the ledger's key
Judge = Callable[[EventSource], Classification]  # what a camera event means

NOT_HISTORY, WRITTEN, REFUSED = 0, 1, 2  # what the column ``history`` says


class _Meaning(NamedTuple):
    """What events that say the same share: their entries' last columns, whether they are history, what they move."""

    columns: tuple[int, int, int, int]
    history: bool
    moves: Sequence[tuple[str, int]]


class Entry(NamedTuple):
    """A row of the ledger."""

    occurred_ms: int
    server: int
    this_id: str
    source: int
    history: int


class EventLedger:
    """Reads and writes aforo_events, and the history rows that its entries mean, inside a transaction of ``link``."""

    def __init__(self, link: DatabaseConnection, directory: LookupTables, legacy: SiteTables) -> None:
        self._link = link
        self._directory = directory
        self._legacy = legacy

    def new(self, connection: Connection, events: Sequence[CameraEvent]) -> dict[Identity, CameraEvent]:
        """The events that the ledger does not have yet, each once, in the ledger's order."""
        by_key = self._keyed(connection, events)
        for known in self._known(connection, sorted({key[0] for key in by_key})):
            by_key.pop(known, None)
        return {key: by_key[key] for key in sorted(by_key)}

    def _keyed(self, connection: Connection, events: Sequence[CameraEvent]) -> dict[Identity, CameraEvent]:
        servers = self._directory.server_numbers(connection, {event[0] for event in events})
        # By position and without a call per event: this runs for every event that was ever asked for.
        this_ids = [event[1] for event in events]
        keys = [
            (
                (age := event[2] - EPOCH).days * DAY_MS + age.seconds * 1000 + age.microseconds // 1000,
                servers[event[0]],
                event[1],
            )
            for event in events
        ]
        if not tables.are_keys(this_ids):
            keys = [(occurred_ms, server, tables.fit_key(this_id)) for occurred_ms, server, this_id in keys]
        return dict(zip(keys, events, strict=True))

    def add(  # noqa: PLR0913 -- all that one batch causes
        self,
        connection: Connection,
        book: CachedRecord,
        new: Mapping[Identity, CameraEvent],
        judge: Judge,
        seen_ms: int,
        *,
        history: bool = True,
    ) -> dict[str, list[TimedMovement]]:
        """Store new events and their history rows; returns the movements that they are, per zone and in order.

        Without ``history`` the rows for that table are noted as refused. Raises StoreRejectedRow.
        """
        # What an event says, all but when and which one: some dozens of different ones, so that each is looked at once.
        said = [event[3:] for event in new.values()]
        kinds = set(said)
        numbers = self._directory.source_numbers(connection, kinds)
        written = WRITTEN if history else REFUSED
        meaning = {}
        for one in kinds:
            verdict = judge(EventSource._make(one))
            columns = (numbers[one], book.show_id, written if verdict.history else NOT_HISTORY, seen_ms)
            meaning[one] = _Meaning(columns, verdict.history, verdict.movements)
        # By position and without a call per event: this runs for every event of the evening.
        meant = [meaning[one] for one in said]
        self._link.insert(connection, tables.events, [key + means[0] for key, means in zip(new, meant, strict=True)])
        if history:
            kept = [(key[0], one) for key, one, means in zip(new, said, meant, strict=True) if means[1]]
            self._add_history(connection, book, kept)
        return self._steps(connection, [(*key, means[2]) for key, means in zip(new, meant, strict=True) if means[2]])

    def steps(
        self, connection: Connection, book: CachedRecord, span: tuple[int, int], judge: Judge
    ) -> dict[str, list[TimedMovement]]:
        """The movements of a show in ``[since, until)`` (epoch ms), corrections too, per zone and in order."""
        since_ms, until_ms = max(span[0], book.since_ms), min(span[1], book.until_ms)
        inside = self._inside(book, since_ms, until_ms)
        table = tables.events.c
        sources = connection.scalars(select(table.source).where(*inside).distinct()).all()
        classifications = self.classifications(connection, sources, judge)
        moving = {source: verdict.movements for source, verdict in classifications.items() if verdict.movements}
        if len(moving) <= self._link.dialect.most_parameters:  # most of an evening are doors, which move no zone
            inside.append(table.source.in_(moving))
        rows = connection.execute(
            select(table.occurred_ms, table.server, table.this_id, table.source).where(*inside)
        ).all()
        found = self._steps(connection, [(*row[:3], moving[row[3]]) for row in rows if row[3] in moving])
        for zone, corrections in book.corrections.items():
            mine = [step for step in corrections if since_ms <= step[0] < until_ms]
            if mine:
                found[zone] = sorted(found.get(zone, []) + mine)
        return found

    def hand_over(
        self, connection: Connection, book: CachedRecord, winner: CachedRecord, since_ms: int, until_ms: int
    ) -> None:
        """The entries of a show in ``[since_ms, until_ms)`` belong to another one."""
        table = tables.events
        span = (table.c.occurred_ms >= since_ms, table.c.occurred_ms < until_ms, table.c.show_id == book.show_id)
        connection.execute(table.update().where(*span).values(show_id=winner.show_id))

    def owners(self, connection: Connection, book: CachedRecord) -> set[int]:
        """The shows that the entries in a show's window belong to."""
        table = tables.events.c
        inside = (table.occurred_ms >= book.since_ms, table.occurred_ms < book.until_ms)
        return set(connection.scalars(select(table.show_id).where(*inside).distinct()))

    def has(self, connection: Connection, since_ms: int, until_ms: int) -> bool:
        """Whether it has any entry in ``[since_ms, until_ms)``, of whatever show."""
        table = tables.events.c
        inside = (table.occurred_ms >= since_ms, table.occurred_ms < until_ms)
        return connection.execute(select(table.occurred_ms).where(*inside).limit(1)).first() is not None

    def adopt(self, connection: Connection, book: CachedRecord) -> None:
        """All entries in a show's window belong to it."""
        table = tables.events
        inside = (table.c.occurred_ms >= book.since_ms, table.c.occurred_ms < book.until_ms)
        others = table.c.show_id != book.show_id
        connection.execute(table.update().where(*inside, others).values(show_id=book.show_id))

    def counts(self, connection: Connection, book: CachedRecord) -> dict[str, int]:
        """Events per camera inside the window."""
        table = tables.events.c
        counted: Counter[int] = Counter()
        for since_ms in range(book.since_ms, book.until_ms, STRETCH_MS):  # what the database sorts at once stays small
            inside = self._inside(book, since_ms, min(since_ms + STRETCH_MS, book.until_ms))
            rows = connection.execute(select(table.source, func.count()).where(*inside).group_by(table.source))
            counted.update({source: count for source, count in rows})  # noqa: C416 -- rows are no pairs to mypy
        sources = self._directory.sources(connection, counted)
        found: Counter[str] = Counter()
        for source, count in counted.items():
            found[sources[source].camera_id] += count
        return dict(found)

    def _known(self, connection: Connection, instants: Sequence[int]) -> list[Identity]:
        """The keys that the ledger has at those instants."""
        rows = self._link.dialect.among(connection, tables.events, Entry._fields[:3], "occurred_ms", instants)
        return [(row[0], row[1], row[2]) for row in rows]

    def _steps(
        self, connection: Connection, moving: Sequence[tuple[int, int, str, Sequence[tuple[str, int]]]]
    ) -> dict[str, list[TimedMovement]]:
        found: defaultdict[str, list[TimedMovement]] = defaultdict(list)
        servers = self._directory.servers(connection, {row[1] for row in moving})
        for occurred_ms, server, this_id, moves in moving:
            for zone, delta in moves:
                found[zone].append((occurred_ms, seq(this_id), servers[server], this_id, delta))
        for steps in found.values():
            steps.sort()
        return dict(found)

    def entries(self, connection: Connection, book: CachedRecord, since_ms: int, until_ms: int) -> list[Entry]:
        """A show's entries in ``[since_ms, until_ms)``, in order, in its window or not."""
        table = tables.events.c
        rows = connection.execute(
            select(table.occurred_ms, table.server, table.this_id, table.source, table.history)
            .where(*self._inside(book, since_ms, until_ms))
            .order_by(table.occurred_ms, table.server, table.this_id)
        )
        return [Entry(*row) for row in rows.all()]

    def entries_at(self, connection: Connection, book: CachedRecord, keys: Set[Identity]) -> list[Entry]:
        """A show's entries of those keys."""
        columns = (*Entry._fields, "show_id")
        instants = sorted({key[0] for key in keys})
        rows = self._link.dialect.among(connection, tables.events, columns, "occurred_ms", instants)
        return [Entry(*row[:5]) for row in rows if row[5] == book.show_id and tuple(row[:3]) in keys]

    def entries_of(self, connection: Connection, book: CachedRecord, events: Sequence[CameraEvent]) -> list[Entry]:
        """A show's entries of those events."""
        return self.entries_at(connection, book, self._keyed(connection, events).keys()) if events else []

    def event(self, connection: Connection, entry: Entry) -> CameraEvent:
        """What an entry says, in whole."""
        server = self._directory.servers(connection, {entry.server})[entry.server]
        source = self._directory.sources(connection, {entry.source})[entry.source]
        return CameraEvent(server, entry.this_id, from_ms(entry.occurred_ms), *source)

    def classifications(
        self, connection: Connection, sources_said: Iterable[int], judge: Judge
    ) -> dict[int, Classification]:
        """What those sources mean."""
        numbers = set(sources_said)
        sources = self._directory.sources(connection, numbers)
        return {number: judge(sources[number]) for number in numbers}

    def add_history(self, connection: Connection, book: CachedRecord, entries: Sequence[Entry]) -> None:
        """Write the history rows of those entries. Raises StoreRejectedRow."""
        sources = self._directory.sources(connection, {entry.source for entry in entries})
        self._add_history(connection, book, [(entry.occurred_ms, sources[entry.source]) for entry in entries])

    def _add_history(
        self, connection: Connection, book: CachedRecord, kept: Sequence[tuple[int, Sequence[str]]]
    ) -> None:
        texts = self._legacy.local_texts([occurred_ms for occurred_ms, _ in kept])
        show, since_ms, until_ms = book.event.name, book.since_ms, book.until_ms
        rows: list[HistoryRow] = [
            (name, area, activity, camera_id, text, show if since_ms <= occurred_ms < until_ms else NOBODY)
            for (occurred_ms, (camera_id, name, area, activity)), text in zip(kept, texts, strict=True)
        ]
        self._legacy.add_history(connection, rows)

    def _inside(self, book: CachedRecord, since_ms: int, until_ms: int) -> list[ColumnElement[bool]]:
        """The show's entries in ``[since_ms, until_ms)``."""
        table = tables.events.c
        return [table.occurred_ms >= since_ms, table.occurred_ms < until_ms, table.show_id == book.show_id]
