"""The minutes of a show: what new movements change of them, and all of them made anew."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection

from aforo.counting.occupancy import MinuteDelta, OccupancyDelta, TimedMovement
from aforo.models import MINUTE_MS
from aforo.storage.backends.connection import DatabaseConnection
from aforo.storage.event_ledger import EventLedger, Judge
from aforo.storage.record_cache import CachedRecord
from aforo.storage.schema import tables
from aforo.storage.site_tables.local_time import STRETCH_MS

# Minutes read at once: each time is two trips to the database, but memory must not grow with the crowd.
MOST_TOGETHER = 15
MOST_MOVEMENTS = 3_000

Place = tuple[str, int]  # a zone, and the epoch ms at which a minute of it starts


class MinuteTotals:
    """Writes aforo_minutes, inside a transaction of ``link``."""

    def __init__(self, link: DatabaseConnection, ledger: EventLedger) -> None:
        self._link = link
        self._ledger = ledger

    def count(
        self, connection: Connection, book: CachedRecord, new: Mapping[str, Sequence[TimedMovement]], judge: Judge
    ) -> dict[str, dict[int, OccupancyDelta]]:
        """Take movements that are new in the ledger into their minutes; returns these minutes, by zone."""
        changed: dict[Place, MinuteDelta] = {}
        unknown: list[Place] = []
        for zone, steps in new.items():
            for start, run in _by_minute(step for step in steps if book.since_ms <= step[0] < book.until_ms):
                minute = _joined(book, zone, start, run)
                if minute is None:
                    unknown.append((zone, start))
                else:
                    changed[zone, start] = minute
        changed.update(self._read(connection, book, unknown, judge))
        self._write(connection, book, changed)
        counted: defaultdict[str, dict[int, OccupancyDelta]] = defaultdict(dict)
        for (zone, start), minute in changed.items():
            counted[zone][start] = minute.delta
        return dict(counted)

    def recount(self, connection: Connection, book: CachedRecord, judge: Judge) -> bool:
        """Make all minutes anew from the ledger; tells whether any differed."""
        right: dict[Place, MinuteDelta] = {}
        first = book.since_ms - book.since_ms % MINUTE_MS
        for since_ms in range(first, book.until_ms, STRETCH_MS):
            for zone, steps in self._ledger.steps(connection, book, (since_ms, since_ms + STRETCH_MS), judge).items():
                right.update({(zone, start): MinuteDelta.of(run) for start, run in _by_minute(steps)})
        there = {(zone, start): curve.get(start) for zone, curve in book.curves.items() for start in curve}
        gone = sorted(there.keys() - right.keys())
        changed = {place: minute for place, minute in right.items() if there.get(place) != minute}
        self._delete(connection, book, gone)
        self._write(connection, book, changed)
        return bool(gone or changed)

    def _read(
        self, connection: Connection, book: CachedRecord, places: list[Place], judge: Judge
    ) -> dict[Place, MinuteDelta]:
        """Those minutes from the ledger; what is read of other zones on the way is remembered too."""
        read: dict[Place, MinuteDelta] = {}
        wanted = set(places)
        for span in stretches(sorted({start for _, start in places}), book.movements):
            for zone, steps in self._ledger.steps(connection, book, span, judge).items():
                for start, run in _by_minute(steps):
                    book.remember(zone, start, run)
                    if (zone, start) in wanted:
                        read[zone, start] = MinuteDelta.of(run)
        return read

    def _write(self, connection: Connection, book: CachedRecord, changed: Mapping[Place, MinuteDelta]) -> None:
        new: list[tuple[Any, ...]] = []
        known: list[tuple[Any, ...]] = []
        for (zone, start), minute in sorted(changed.items()):
            curve = book.curve(zone)
            row = (book.show_id, zone, start, *minute.delta, minute.last_ms)
            (known if start in curve else new).append(row)
            curve.put(start, minute)
        self._link.insert(connection, tables.minutes, new)
        self._link.update(connection, tables.minutes, known)

    def _delete(self, connection: Connection, book: CachedRecord, places: Iterable[Place]) -> None:
        table = tables.minutes.c
        for zone, start in places:
            mine = (table.show_id == book.show_id, table.zone == zone, table.minute_ms == start)
            connection.execute(tables.minutes.delete().where(*mine))
            book.curves[zone].remove(start)


def _joined(book: CachedRecord, zone: str, start: int, run: list[TimedMovement]) -> MinuteDelta | None:
    """The minute with new movements in it; None where its others are not remembered and come in between."""
    known = book.curve(zone).get(start)
    if known is None:
        book.remember(zone, start, run)
        return MinuteDelta.of(run)
    others = book.recall(zone, start)
    if run[0][0] > known.last_ms:
        if others is not None:
            book.remember(zone, start, others + run)
        return known.then(MinuteDelta.of(run))
    if others is None:
        return None
    steps = sorted(others + run)
    book.remember(zone, start, steps)
    return MinuteDelta.of(steps)


def stretches(starts: Sequence[int], movements: Callable[[int], int]) -> Iterator[tuple[int, int]]:
    """Few stretches of time, ``[since, until)``, that hold these minutes; ``movements``: how many a minute has."""
    since = until = starts[0] if starts else 0
    held = 0
    for start in starts:
        more = sum(movements(minute) for minute in range(until, start + MINUTE_MS, MINUTE_MS))
        if until > since and (held + more > MOST_MOVEMENTS or start - since >= MOST_TOGETHER * MINUTE_MS):
            yield since, until
            since, held, more = start, 0, movements(start)
        until, held = start + MINUTE_MS, held + more
    if until > since:
        yield since, until


def _by_minute(steps: Iterable[TimedMovement]) -> Iterator[tuple[int, list[TimedMovement]]]:
    """Ordered movements, minute by minute, each with the epoch ms of its start."""
    for minute, run in groupby(steps, key=lambda step: step[0] // MINUTE_MS):
        yield minute * MINUTE_MS, list(run)
