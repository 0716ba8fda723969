"""What is remembered of a show between two transactions, and the minutes and checkpoints that it writes.

It is valid only while the show's ``revision`` in the database is the one it was read at: each transaction that changes
anything of the show makes it grow, so that a second process can never make what is remembered here wrong. Whoever fails
in mid-transaction throws it away.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Connection, bindparam, select, true

from aforo.errors import StoreUnavailable
from aforo.model import Feed, Occupancy, ScheduledEvent, Window, Zone
from aforo.occupancy import Stretch
from aforo.store import tables
from aforo.store.curve import Curve, Minute, Step, by_minute, minute_of
from aforo.store.link import Link
from aforo.store.local import MINUTE_MS, from_ms

MovementRow = tuple[int, str, int, int, str, str, int, bool]  # as tables.movements
_AFTER_ALL = 2**63 - 1  # the seq of a correction


@dataclass(slots=True)
class Book:
    """One show as the database had it at ``revision``."""

    show_id: int
    event: ScheduledEvent
    since_ms: int
    until_ms: int
    rules: str
    closed: bool
    revision: int
    curves: dict[str, Curve] = field(default_factory=dict)
    checkpoints: dict[Feed, int] = field(default_factory=dict)

    def occupancies(self, zones: Iterable[Zone]) -> dict[str, Occupancy]:
        """Each zone's aforo."""
        return {
            zone.name: (self.curves[zone.name].whole() if zone.name in self.curves else Stretch()).occupancy(
                zone.name, zone.initial
            )
            for zone in zones
        }


def correction_row(book: Book, correction_id: str, zone: str, delta: int, at_ms: int) -> MovementRow:
    """The movement of a correction: after all passages of its millisecond, and never outside the window."""
    occurred_ms = min(max(at_ms, book.since_ms), book.until_ms - 1)
    return book.show_id, zone, occurred_ms, _AFTER_ALL, "", correction_id, delta, True


class Books:
    """Reads and writes what the shows' tables say, remembering the show in use."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._book: Book | None = None

    def forget(self) -> None:
        """What is remembered may be ahead of the database, or behind it: read it anew next time."""
        self._book = None

    def open(self, connection: Connection, show_id: int) -> Book:
        """The show as it is now. Raises StoreUnavailable where its row is gone (a database put back in mid-event)."""
        row = connection.execute(select(tables.shows).where(tables.shows.c.id == show_id)).one_or_none()
        if row is None:
            raise StoreUnavailable(f"La base de datos {self._link.name} ya no tiene el evento {show_id}.")
        book = self._book
        if book is not None and book.show_id == show_id and book.revision == row.revision:
            return book
        self._book = None
        book = Book(
            show_id=row.id,
            event=ScheduledEvent(
                date.fromisoformat(row.day), row.name, Window(from_ms(row.starts_ms), from_ms(row.ends_ms))
            ),
            since_ms=row.starts_ms,
            until_ms=row.ends_ms,
            rules=row.rules,
            closed=row.closed_ms is not None,
            revision=row.revision,
            curves=self._curves(connection, show_id),
            checkpoints=self._checkpoints(connection, show_id),
        )
        self._book = book
        return book

    def turn_page(self, connection: Connection, book: Book, **changes: Any) -> None:
        """Something of the show changes in this transaction."""
        book.revision += 1
        shows = tables.shows
        connection.execute(shows.update().where(shows.c.id == book.show_id).values(revision=book.revision, **changes))

    def count(self, connection: Connection, book: Book, new: Sequence[MovementRow]) -> dict[str, dict[int, Stretch]]:
        """Take new movements, already inserted, into their minutes; returns these minutes, by zone."""
        touched: defaultdict[str, list[Step]] = defaultdict(list)
        for _, zone, occurred_ms, _, _, _, delta, correction in sorted(new):
            if book.since_ms <= occurred_ms < book.until_ms:
                touched[zone].append(Step(occurred_ms, delta, correction))
        changed: dict[tuple[str, int], Minute] = {}
        for zone, steps in touched.items():
            curve = book.curves.setdefault(zone, Curve({}))
            stale = []
            for start, run in by_minute(steps, MINUTE_MS):
                known = curve.get(start)
                if known is None:
                    changed[zone, start] = minute_of(run)
                elif run[0].occurred_ms > known.last_ms:
                    fresh = minute_of(run)
                    changed[zone, start] = Minute(known.stretch.then(fresh.stretch), fresh.last_ms)
                else:
                    stale.append(start)
            for start, minute in self._recounted(connection, book, zone, stale).items():
                changed[zone, start] = minute
        self._write_minutes(connection, book, changed)
        counted: dict[str, dict[int, Stretch]] = {zone: {} for zone in touched}
        for (zone, start), minute in changed.items():
            counted[zone][start] = minute.stretch
        return counted

    def recount(self, connection: Connection, book: Book) -> set[str]:
        """Make all minutes anew from the movements inside the window; returns the zones where any differed."""
        movements = tables.movements
        zones = connection.scalars(select(movements.c.zone).where(movements.c.show_id == book.show_id).distinct()).all()
        different: set[str] = set()
        for zone in {*zones, *book.curves}:
            right = self._counted(connection, book, zone, book.since_ms, book.until_ms)
            curve = book.curves.setdefault(zone, Curve({}))
            changed = {(zone, start): minute for start, minute in right.items() if curve.get(start) != minute}
            gone = [start for start in curve if start not in right]
            if changed or gone:
                different.add(zone)
                self._delete_minutes(connection, book, zone, gone)
                self._write_minutes(connection, book, changed)
        return different

    def place_corrections(self, connection: Connection, book: Book) -> None:
        """Make the show's corrections count anew, each where it belongs in the window as it is now."""
        movements, corrections = tables.movements, tables.corrections
        connection.execute(
            movements.delete().where(movements.c.show_id == book.show_id, movements.c.correction == true())
        )
        rows = connection.execute(select(corrections).where(corrections.c.show_id == book.show_id))
        moves = [correction_row(book, row.id, row.zone, row.delta, row.at_ms) for row in rows]
        self._link.insert(connection, movements, sorted(moves))

    def move_checkpoints(self, connection: Connection, book: Book, until: Mapping[Feed, int]) -> bool:
        """Let checkpoints advance, never go back; tells whether any did."""
        known = book.checkpoints
        new = {feed: ms for feed, ms in until.items() if feed not in known}
        moved = {feed: ms for feed, ms in until.items() if feed in known and known[feed] < ms}
        self._link.insert(
            connection, tables.checkpoints, [(book.show_id, *feed, ms) for feed, ms in sorted(new.items())]
        )
        if moved:
            table = tables.checkpoints
            statement = (
                table.update()
                .where(
                    table.c.show_id == bindparam("at_show"),
                    table.c.server_id == bindparam("at_server"),
                    table.c.camera_id == bindparam("at_camera"),
                )
                .values(until_ms=bindparam("new_until"))
            )
            connection.execute(
                statement,
                [
                    {"at_show": book.show_id, "at_server": feed[0], "at_camera": feed[1], "new_until": ms}
                    for feed, ms in sorted(moved.items())
                ],
            )
        known.update(new)
        known.update(moved)
        return bool(new or moved)

    def clear_checkpoints(self, connection: Connection, book: Book) -> None:
        """Everything has to be asked again."""
        connection.execute(tables.checkpoints.delete().where(tables.checkpoints.c.show_id == book.show_id))
        book.checkpoints.clear()

    def _curves(self, connection: Connection, show_id: int) -> dict[str, Curve]:
        minutes = tables.minutes.c
        rows = connection.execute(select(tables.minutes).where(minutes.show_id == show_id))
        found: defaultdict[str, dict[int, Minute]] = defaultdict(dict)
        for _, zone, minute_ms, *stretch, last_ms in rows:
            found[zone][minute_ms] = Minute(Stretch(*stretch), last_ms)
        return {zone: Curve(rows) for zone, rows in found.items()}

    def _checkpoints(self, connection: Connection, show_id: int) -> dict[Feed, int]:
        table = tables.checkpoints.c
        rows = connection.execute(
            select(table.server_id, table.camera_id, table.until_ms).where(table.show_id == show_id)
        )
        return {Feed(server_id, camera_id): until_ms for server_id, camera_id, until_ms in rows}

    def _recounted(self, connection: Connection, book: Book, zone: str, starts: Sequence[int]) -> dict[int, Minute]:
        """Minutes made anew, neighbours read together."""
        counted: dict[int, Minute] = {}
        first = 0
        for place, start in enumerate(starts):
            if place + 1 < len(starts) and starts[place + 1] == start + MINUTE_MS:
                continue
            since, until = max(starts[first], book.since_ms), min(start + MINUTE_MS, book.until_ms)
            counted.update(self._counted(connection, book, zone, since, until))
            first = place + 1
        return counted

    def _counted(self, connection: Connection, book: Book, zone: str, since: int, until: int) -> dict[int, Minute]:
        table = tables.movements.c
        rows = connection.execute(
            select(table.occurred_ms, table.delta, table.correction)
            .where(table.show_id == book.show_id, table.zone == zone)
            .where(table.occurred_ms >= since, table.occurred_ms < until)
            .order_by(table.occurred_ms, table.seq, table.server_id, table.this_id)
        )
        return {start: minute_of(run) for start, run in by_minute(map(Step._make, rows), MINUTE_MS)}

    def _write_minutes(self, connection: Connection, book: Book, changed: Mapping[tuple[str, int], Minute]) -> None:
        new: list[tuple[Any, ...]] = []
        known: list[tuple[Any, ...]] = []
        for (zone, start), minute in sorted(changed.items()):
            row = (book.show_id, zone, start, *minute.stretch, minute.last_ms)
            (known if start in book.curves[zone] else new).append(row)
            book.curves[zone].put(start, minute)
        self._link.insert(connection, tables.minutes, new)
        if known:
            table = tables.minutes
            keys, values = list(table.primary_key.columns), [c for c in table.columns if not c.primary_key]
            statement = (
                table.update()
                .where(*(column == bindparam(f"at_{column.name}") for column in keys))
                .values({column: bindparam(f"new_{column.name}") for column in values})
            )
            names = [f"{'at' if column.primary_key else 'new'}_{column.name}" for column in table.columns]
            connection.execute(statement, [dict(zip(names, row, strict=True)) for row in known])

    def _delete_minutes(self, connection: Connection, book: Book, zone: str, starts: Sequence[int]) -> None:
        table = tables.minutes.c
        for start in starts:
            mine = (table.show_id == book.show_id, table.zone == zone, table.minute_ms == start)
            connection.execute(tables.minutes.delete().where(*mine))
        if starts:
            left = {start: minute for start in book.curves[zone] if (minute := book.curves[zone].get(start))}
            book.curves[zone] = Curve({start: minute for start, minute in left.items() if start not in set(starts)})
