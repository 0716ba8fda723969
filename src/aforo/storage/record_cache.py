"""What is cached of an event record between two transactions.

It is valid only while the record's ``revision`` in the database is the one it was read at: each transaction that
changes anything of the event increments it, so that a second process cannot make the cached record wrong. A failed
transaction drops it.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Connection, and_, null, or_, select

from aforo.counting.occupancy import CORRECTION, MinuteDelta, OccupancyDelta, TimedMovement
from aforo.counting.zone_series import ZoneSeries
from aforo.errors import StoreReplaced
from aforo.models import Feed, Occupancy, ScheduledEvent, Window, Zone, from_ms, to_ms
from aforo.storage.backends.connection import DatabaseConnection
from aforo.storage.column_text import fit_key
from aforo.storage.schema import tables

MOST_MOVEMENTS = 60_000  # movements cached, some 10 MB: those of the minutes that a catch-up goes through
_MOST_RECORDS = 3  # cached at once: an event that is watched, and those before it that are closed beside it


@dataclass(slots=True)
class CachedRecord:
    """An event record as the database had it at ``revision``. Instants are epoch ms.

    ``namesake_day``: of a later event with that name, whose are the rows of the name in the zones' tables; "" without.
    """

    record_id: int
    event: ScheduledEvent
    since_ms: int
    until_ms: int
    rules: str
    closed: bool
    revision: int
    namesake_day: str = ""
    series: dict[str, ZoneSeries] = field(default_factory=dict)
    checkpoints: dict[Feed, int] = field(default_factory=dict)
    corrections: dict[str, list[TimedMovement]] = field(default_factory=dict)
    most_movements: int = MOST_MOVEMENTS
    _movements: OrderedDict[tuple[str, int], list[TimedMovement]] = field(default_factory=OrderedDict)
    _movements_kept: int = 0

    def occupancies(self, zones: Iterable[Zone]) -> dict[str, Occupancy]:
        """Each zone's occupancy."""
        return {zone.name: self._total(zone.name).occupancy(zone.name, zone.initial) for zone in zones}

    def has(self, occurred_ms: int) -> bool:
        """Whether that instant is in its window."""
        return self.since_ms <= occurred_ms < self.until_ms

    def zone_series(self, zone: str) -> ZoneSeries:
        """The zone's minutes."""
        return self.series.setdefault(zone, ZoneSeries())

    def movement_count(self, minute: int) -> int:
        """How many movements a minute has, in all zones."""
        known = [series.get(minute) for series in self.series.values()]
        return sum(one.delta.entries + one.delta.exits for one in known if one is not None)

    def movements(self, zone: str, minute: int) -> list[TimedMovement] | None:
        """All movements of a minute in order; None where they are not cached."""
        movements = self._movements.get((zone, minute))
        if movements is not None:
            self._movements.move_to_end((zone, minute))
        return movements

    def keep_movements(self, zone: str, minute: int, movements: list[TimedMovement]) -> None:
        """Cache all movements of a minute, at the cost of those of the minutes longest unused."""
        self._movements_kept += len(movements) - len(self._movements.pop((zone, minute), ()))
        self._movements[zone, minute] = movements
        while self._movements_kept > self.most_movements:
            _, dropped = self._movements.popitem(last=False)
            self._movements_kept -= len(dropped)

    def drop_movements(self) -> None:
        """Drop the cached movements: the rules or the window have changed."""
        self._movements.clear()
        self._movements_kept = 0

    def correction_movement(self, correction_id: str, delta: int, at_ms: int) -> TimedMovement:
        """A correction as a movement: after all others of its millisecond, and never outside the window."""
        return min(max(at_ms, self.since_ms), self.until_ms - 1), CORRECTION, "", correction_id, delta

    def _total(self, zone: str) -> OccupancyDelta:
        series = self.series.get(zone)
        return OccupancyDelta() if series is None else series.total()


class RecordCache:
    """Reads event records, caches those in use, and writes what of them changes."""

    def __init__(self, database: DatabaseConnection, most_movements: int = MOST_MOVEMENTS) -> None:
        self._database = database
        self._most_movements = most_movements
        self._records: OrderedDict[int, CachedRecord] = OrderedDict()  # by id, the one unused for longest first
        self._opened_ms: dict[int, int] = {}  # by id, of the records read in this transaction
        self._committed: dict[int, tuple[int, int]] = {}  # by id: when it was opened (epoch ms), its newest revision

    def invalidate(self) -> None:
        """Drop the cached records: they may be ahead of the database, or behind it."""
        self._records.clear()
        self._opened_ms.clear()

    def committed(self) -> None:
        """What was read and changed is committed: a database that lacks it later is another one."""
        for record_id, opened_ms in self._opened_ms.items():
            if record_id in self._records:
                self._committed[record_id] = opened_ms, self._records[record_id].revision
        self._opened_ms.clear()

    def open(self, connection: Connection, record_id: int) -> CachedRecord:
        """The record as it is now. Raises StoreReplaced where its row is gone, or is another one or an older one."""
        row = connection.execute(
            select(tables.event_records).where(tables.event_records.c.id == record_id)
        ).one_or_none()
        opened_ms, revision = self._committed.get(record_id, (None, 0))
        if row is None or opened_ms not in {None, row.opened_ms} or row.revision < revision:
            self.invalidate()
            self._committed.clear()
            raise StoreReplaced(
                f"La base de datos {self._database.name} no es la de antes: la borraron, cambiaron o restauraron.",
                "Lo que le falta del evento en curso se vuelve a pedir a las cámaras; las correcciones, no.",
                "Revise quién la tocó, y repita las correcciones de aforo que falten.",
            )
        self._opened_ms[record_id] = row.opened_ms
        cached = self._records.get(record_id)
        if cached is not None and cached.revision == row.revision:
            self._records.move_to_end(record_id)
            return cached
        window = Window(from_ms(row.starts_ms), from_ms(row.ends_ms))
        cached = CachedRecord(
            record_id=row.id,
            event=ScheduledEvent(date.fromisoformat(row.day), row.name, window),
            since_ms=row.starts_ms,
            until_ms=row.ends_ms,
            rules=row.rules,
            closed=row.closed_ms is not None,
            revision=row.revision,
            namesake_day=self._later_namesake(connection, row),
            series=self._series(connection, record_id),
            checkpoints=self._checkpoints(connection, record_id),
            most_movements=self._most_movements,
        )
        self.read_corrections(connection, cached)
        self._records[record_id] = cached
        self._records.move_to_end(record_id)
        while len(self._records) > _MOST_RECORDS:
            self._records.popitem(last=False)
        return cached

    def bump_revision(self, connection: Connection, cached: CachedRecord, **changes: Any) -> None:
        """Increment the revision, and write other columns: something of the event changes in this transaction."""
        cached.revision += 1
        table = tables.event_records
        connection.execute(
            table.update().where(table.c.id == cached.record_id).values(revision=cached.revision, **changes)
        )

    def edit(
        self, connection: Connection, cached: CachedRecord, event: ScheduledEvent, rules: str, *, reopened: bool
    ) -> None:
        """Give a record another name, window or rules; ``reopened``: it is no longer over and compared."""
        cached.event, cached.rules, cached.closed = event, rules, cached.closed and not reopened
        cached.since_ms, cached.until_ms = to_ms(event.window.since), to_ms(event.window.until)
        # Not a parameter: for None a driver queries the type, and that may end the transaction.
        changes: dict[str, object] = {"closed_ms": null()} if reopened else {}
        self.bump_revision(
            connection,
            cached,
            day=event.day.isoformat(),
            name=event.name,
            starts_ms=cached.since_ms,
            ends_ms=cached.until_ms,
            rules=rules,
            **changes,
        )
        self.read_corrections(connection, cached)
        cached.drop_movements()

    def read_corrections(self, connection: Connection, cached: CachedRecord) -> None:
        """Read the event's corrections, each where it belongs in the window as it is now."""
        table = tables.corrections
        rows = connection.execute(select(table).where(table.c.show_id == cached.record_id))
        found: defaultdict[str, list[TimedMovement]] = defaultdict(list)
        for row in rows:
            found[row.zone].append(cached.correction_movement(row.id, row.delta, row.at_ms))
        cached.corrections = dict(found)

    def reassign_corrections(
        self, connection: Connection, record_ids: Collection[int], cached: CachedRecord, since_ms: int, until_ms: int
    ) -> set[int]:
        """Give the corrections of those records in ``[since_ms, until_ms)`` to another; returns which had any."""
        table = tables.corrections
        mine = (table.c.show_id.in_(record_ids), table.c.at_ms >= since_ms, table.c.at_ms < until_ms)
        givers = set(connection.scalars(select(table.c.show_id).where(*mine)))
        if givers:
            connection.execute(table.update().where(*mine).values(show_id=cached.record_id))
            self.read_corrections(connection, cached)
            for record_id in givers:
                self._records.pop(record_id, None)  # it is read again, without them
        return givers

    def move_checkpoints(self, connection: Connection, cached: CachedRecord, until: Mapping[Feed, int]) -> bool:
        """Advance checkpoints, never back; returns whether any advanced."""
        until = {Feed(*map(fit_key, feed)): ms for feed, ms in until.items()}
        known = cached.checkpoints
        new = {feed: ms for feed, ms in until.items() if feed not in known}
        moved = {feed: ms for feed, ms in until.items() if feed in known and known[feed] < ms}
        self._database.insert(
            connection, tables.checkpoints, [(cached.record_id, *feed, ms) for feed, ms in sorted(new.items())]
        )
        self._database.update(
            connection, tables.checkpoints, [(cached.record_id, *feed, ms) for feed, ms in sorted(moved.items())]
        )
        known.update(new)
        known.update(moved)
        return bool(new or moved)

    def clear_checkpoints(self, connection: Connection, cached: CachedRecord) -> None:
        """Delete the checkpoints: everything has to be read again."""
        connection.execute(tables.checkpoints.delete().where(tables.checkpoints.c.show_id == cached.record_id))
        cached.checkpoints.clear()

    def bump_namesakes(self, connection: Connection, cached: CachedRecord, name: str) -> None:
        """Increment the revision of the other events of that name: whose its rows are has changed."""
        table = tables.event_records
        others = (table.c.name == name, table.c.id != cached.record_id)
        connection.execute(table.update().where(*others).values(revision=table.c.revision + 1))
        cached.namesake_day = self._later_namesake(
            connection, connection.execute(select(table).where(table.c.id == cached.record_id)).one()
        )

    def _later_namesake(self, connection: Connection, row: Any) -> str:
        table = tables.event_records.c
        later = or_(table.starts_ms > row.starts_ms, and_(table.starts_ms == row.starts_ms, table.id > row.id))
        if row.starts_ms >= row.ends_ms:  # no time is left to it: any other comes first
            later = table.id != row.id
        query = select(table.day).where(table.name == row.name, later, table.starts_ms < table.ends_ms)
        return str(connection.scalars(query.order_by(table.starts_ms).limit(1)).first() or "")

    def _series(self, connection: Connection, record_id: int) -> dict[str, ZoneSeries]:
        rows = connection.execute(select(tables.minutes).where(tables.minutes.c.show_id == record_id)).all()
        found: defaultdict[str, dict[int, MinuteDelta]] = defaultdict(dict)
        for _, zone, minute_ms, *delta, last_ms in rows:
            found[zone][minute_ms] = MinuteDelta(OccupancyDelta(*delta), last_ms)
        return {zone: ZoneSeries(0, minutes) for zone, minutes in found.items()}

    def _checkpoints(self, connection: Connection, record_id: int) -> dict[Feed, int]:
        table = tables.checkpoints.c
        rows = connection.execute(
            select(table.server_id, table.camera_id, table.until_ms).where(table.show_id == record_id)
        )
        return {Feed(server_id, camera_id): until_ms for server_id, camera_id, until_ms in rows}
