"""What is remembered of a show between two transactions.

It is valid only while the show's ``revision`` in the database is the one it was read at: each transaction that changes
anything of the show makes it grow, so that a second process can never make what is remembered here wrong. Whoever fails
in mid-transaction throws it away.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Connection, null, select

from aforo.counting.occupancy import CORRECTION, MinuteDelta, OccupancyDelta, TimedMovement
from aforo.counting.zone_series import ZoneSeries
from aforo.errors import StoreUnavailable
from aforo.models import Feed, Occupancy, ScheduledEvent, Window, Zone, from_ms, to_ms
from aforo.storage.backends.connection import DatabaseConnection
from aforo.storage.schema import tables

_MOST_STEPS = 60_000  # movements remembered, some 10 MB: those of the minutes that a catch-up goes through


@dataclass(slots=True)
class CachedRecord:
    """One show as the database had it at ``revision``. Instants are epoch ms."""

    show_id: int
    event: ScheduledEvent
    since_ms: int
    until_ms: int
    rules: str
    closed: bool
    revision: int
    curves: dict[str, ZoneSeries] = field(default_factory=dict)
    checkpoints: dict[Feed, int] = field(default_factory=dict)
    corrections: dict[str, list[TimedMovement]] = field(default_factory=dict)
    _steps: OrderedDict[tuple[str, int], list[TimedMovement]] = field(default_factory=OrderedDict)
    _steps_kept: int = 0

    def occupancies(self, zones: Iterable[Zone]) -> dict[str, Occupancy]:
        """Each zone's aforo."""
        return {zone.name: self._whole(zone.name).occupancy(zone.name, zone.initial) for zone in zones}

    def has(self, occurred_ms: int) -> bool:
        """Whether that instant is in its window."""
        return self.since_ms <= occurred_ms < self.until_ms

    def curve(self, zone: str) -> ZoneSeries:
        """The zone's minutes."""
        return self.curves.setdefault(zone, ZoneSeries())

    def movements(self, minute: int) -> int:
        """How many movements a minute has, in all zones."""
        known = [curve.get(minute) for curve in self.curves.values()]
        return sum(one.delta.entries + one.delta.exits for one in known if one is not None)

    def recall(self, zone: str, minute: int) -> list[TimedMovement] | None:
        """All movements of a minute in order, where they are remembered."""
        steps = self._steps.get((zone, minute))
        if steps is not None:
            self._steps.move_to_end((zone, minute))
        return steps

    def remember(self, zone: str, minute: int, steps: list[TimedMovement]) -> None:
        """Keep all movements of a minute; those of the minute longest unused make room."""
        self._steps_kept += len(steps) - len(self._steps.pop((zone, minute), ()))
        self._steps[zone, minute] = steps
        while self._steps_kept > _MOST_STEPS:
            _, forgotten = self._steps.popitem(last=False)
            self._steps_kept -= len(forgotten)

    def forget_steps(self) -> None:
        """The rules or the window have changed: what moved in a minute is read anew."""
        self._steps.clear()
        self._steps_kept = 0

    def correction_step(self, correction_id: str, delta: int, at_ms: int) -> TimedMovement:
        """A correction as a movement: after all passages of its millisecond, and never outside the window."""
        return min(max(at_ms, self.since_ms), self.until_ms - 1), CORRECTION, "", correction_id, delta

    def _whole(self, zone: str) -> OccupancyDelta:
        curve = self.curves.get(zone)
        return OccupancyDelta() if curve is None else curve.total()


class RecordCache:
    """Reads shows, remembering the one in use, and writes what of them changes."""

    def __init__(self, link: DatabaseConnection) -> None:
        self._link = link
        self._book: CachedRecord | None = None

    def forget(self) -> None:
        """What is remembered may be ahead of the database, or behind it: read it anew next time."""
        self._book = None

    def open(self, connection: Connection, show_id: int) -> CachedRecord:
        """The show as it is now. Raises StoreUnavailable where its row is gone (a database put back in mid-event)."""
        row = connection.execute(select(tables.shows).where(tables.shows.c.id == show_id)).one_or_none()
        if row is None:
            raise StoreUnavailable(f"La base de datos {self._link.name} ya no tiene el evento {show_id}.")
        book = self._book
        if book is not None and book.show_id == show_id and book.revision == row.revision:
            return book
        window = Window(from_ms(row.starts_ms), from_ms(row.ends_ms))
        book = CachedRecord(
            show_id=row.id,
            event=ScheduledEvent(date.fromisoformat(row.day), row.name, window),
            since_ms=row.starts_ms,
            until_ms=row.ends_ms,
            rules=row.rules,
            closed=row.closed_ms is not None,
            revision=row.revision,
            curves=self._curves(connection, show_id),
            checkpoints=self._checkpoints(connection, show_id),
        )
        self.read_corrections(connection, book)
        self._book = book
        return book

    def bump_revision(self, connection: Connection, book: CachedRecord, **changes: Any) -> None:
        """Something of the show changes in this transaction."""
        book.revision += 1
        shows = tables.shows
        connection.execute(shows.update().where(shows.c.id == book.show_id).values(revision=book.revision, **changes))

    def edit(
        self, connection: Connection, book: CachedRecord, event: ScheduledEvent, rules: str, *, reopened: bool
    ) -> None:
        """Give a show another name, window or rules; ``reopened``: it is no longer over and compared."""
        book.event, book.rules, book.closed = event, rules, book.closed and not reopened
        book.since_ms, book.until_ms = to_ms(event.window.since), to_ms(event.window.until)
        # Not a parameter: of None a driver asks the server for the type, and that may end the transaction.
        changes: dict[str, object] = {"closed_ms": null()} if reopened else {}
        self.bump_revision(
            connection,
            book,
            day=event.day.isoformat(),
            name=event.name,
            starts_ms=book.since_ms,
            ends_ms=book.until_ms,
            rules=rules,
            **changes,
        )
        self.read_corrections(connection, book)
        book.forget_steps()

    def read_corrections(self, connection: Connection, book: CachedRecord) -> None:
        """The show's corrections, each where it belongs in the window as it is now."""
        table = tables.corrections
        rows = connection.execute(select(table).where(table.c.show_id == book.show_id))
        found: defaultdict[str, list[TimedMovement]] = defaultdict(list)
        for row in rows:
            found[row.zone].append(book.correction_step(row.id, row.delta, row.at_ms))
        book.corrections = dict(found)

    def hand_over(
        self, connection: Connection, show_ids: Collection[int], book: CachedRecord, since_ms: int, until_ms: int
    ) -> set[int]:
        """The corrections of those shows in ``[since_ms, until_ms)`` belong to another; returns whose there were."""
        table = tables.corrections
        mine = (table.c.show_id.in_(show_ids), table.c.at_ms >= since_ms, table.c.at_ms < until_ms)
        givers = set(connection.scalars(select(table.c.show_id).where(*mine)))
        if givers:
            connection.execute(table.update().where(*mine).values(show_id=book.show_id))
            self.read_corrections(connection, book)
        return givers

    def move_checkpoints(self, connection: Connection, book: CachedRecord, until: Mapping[Feed, int]) -> bool:
        """Let checkpoints advance, never go back; tells whether any did."""
        until = {Feed(*map(tables.fit_key, feed)): ms for feed, ms in until.items()}
        known = book.checkpoints
        new = {feed: ms for feed, ms in until.items() if feed not in known}
        moved = {feed: ms for feed, ms in until.items() if feed in known and known[feed] < ms}
        self._link.insert(
            connection, tables.checkpoints, [(book.show_id, *feed, ms) for feed, ms in sorted(new.items())]
        )
        self._link.update(
            connection, tables.checkpoints, [(book.show_id, *feed, ms) for feed, ms in sorted(moved.items())]
        )
        known.update(new)
        known.update(moved)
        return bool(new or moved)

    def clear_checkpoints(self, connection: Connection, book: CachedRecord) -> None:
        """Everything has to be asked again."""
        connection.execute(tables.checkpoints.delete().where(tables.checkpoints.c.show_id == book.show_id))
        book.checkpoints.clear()

    def _curves(self, connection: Connection, show_id: int) -> dict[str, ZoneSeries]:
        rows = connection.execute(select(tables.minutes).where(tables.minutes.c.show_id == show_id)).all()
        found: defaultdict[str, dict[int, MinuteDelta]] = defaultdict(dict)
        for _, zone, minute_ms, *stretch, last_ms in rows:
            found[zone][minute_ms] = MinuteDelta(OccupancyDelta(*stretch), last_ms)
        return {zone: ZoneSeries(0, minutes) for zone, minutes in found.items()}

    def _checkpoints(self, connection: Connection, show_id: int) -> dict[Feed, int]:
        table = tables.checkpoints.c
        rows = connection.execute(
            select(table.server_id, table.camera_id, table.until_ms).where(table.show_id == show_id)
        )
        return {Feed(server_id, camera_id): until_ms for server_id, camera_id, until_ms in rows}
