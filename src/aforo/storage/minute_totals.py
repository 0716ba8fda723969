"""What each minute did to each zone's count: updated with new movements, or recounted from the ledger."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection

from aforo.counting.occupancy import MinuteDelta, OccupancyDelta, TimedMovement
from aforo.models import MINUTE_MS
from aforo.storage.backends.connection import DatabaseConnection
from aforo.storage.event_ledger import SLICE_MS, Classify, EventLedger
from aforo.storage.record_cache import CachedRecord
from aforo.storage.schema import tables

# Minutes read at once: each read is two trips to the database, but memory must not grow with the event.
MOST_MINUTES = 15
MOST_MOVEMENTS = 3_000

Place = tuple[str, int]  # a zone, and the epoch ms at which a minute of it starts


class MinuteTotals:
    """Writes aforo_minutes, inside a transaction of ``database``."""

    def __init__(self, database: DatabaseConnection, ledger: EventLedger) -> None:
        self._database = database
        self._ledger = ledger

    def count(
        self,
        connection: Connection,
        cached: CachedRecord,
        new: Mapping[str, Sequence[TimedMovement]],
        classify: Classify,
    ) -> dict[str, dict[int, OccupancyDelta]]:
        """Add movements that are new in the ledger to their minutes; returns these minutes, by zone."""
        changed: dict[Place, MinuteDelta] = {}
        unknown: list[Place] = []
        for zone, movements in new.items():
            inside = (one for one in movements if cached.since_ms <= one[0] < cached.until_ms)
            for start, added in _by_minute(inside):
                minute = _extended(cached, zone, start, added)
                if minute is None:
                    unknown.append((zone, start))
                else:
                    changed[zone, start] = minute
        changed.update(self._read(connection, cached, unknown, classify))
        self._write(connection, cached, changed)
        counted: defaultdict[str, dict[int, OccupancyDelta]] = defaultdict(dict)
        for (zone, start), minute in changed.items():
            counted[zone][start] = minute.delta
        return dict(counted)

    def recount(self, connection: Connection, cached: CachedRecord, classify: Classify) -> bool:
        """Make all minutes from the ledger again; returns whether any differed."""
        right: dict[Place, MinuteDelta] = {}
        first = cached.since_ms - cached.since_ms % MINUTE_MS
        for since_ms in range(first, cached.until_ms, SLICE_MS):
            found = self._ledger.movements(connection, cached, (since_ms, since_ms + SLICE_MS), classify)
            for zone, movements in found.items():
                right.update({(zone, start): MinuteDelta.of(run) for start, run in _by_minute(movements)})
        there = {(zone, start): series.get(start) for zone, series in cached.series.items() for start in series}
        gone = sorted(there.keys() - right.keys())
        changed = {place: minute for place, minute in right.items() if there.get(place) != minute}
        self._delete(connection, cached, gone)
        self._write(connection, cached, changed)
        return bool(gone or changed)

    def _read(
        self, connection: Connection, cached: CachedRecord, places: list[Place], classify: Classify
    ) -> dict[Place, MinuteDelta]:
        """Those minutes from the ledger; the other minutes that are read with them are cached too."""
        read: dict[Place, MinuteDelta] = {}
        wanted = set(places)
        for span in spans(sorted({start for _, start in places}), cached.movement_count):
            for zone, movements in self._ledger.movements(connection, cached, span, classify).items():
                for start, run in _by_minute(movements):
                    cached.keep_movements(zone, start, run)
                    if (zone, start) in wanted:
                        read[zone, start] = MinuteDelta.of(run)
        return read

    def _write(self, connection: Connection, cached: CachedRecord, changed: Mapping[Place, MinuteDelta]) -> None:
        new: list[tuple[Any, ...]] = []
        known: list[tuple[Any, ...]] = []
        for (zone, start), minute in sorted(changed.items()):
            series = cached.zone_series(zone)
            row = (cached.record_id, zone, start, *minute.delta, minute.last_ms)
            (known if start in series else new).append(row)
            series.put(start, minute)
        self._database.insert(connection, tables.minutes, new)
        self._database.update(connection, tables.minutes, known)

    def _delete(self, connection: Connection, cached: CachedRecord, places: Iterable[Place]) -> None:
        table = tables.minutes.c
        for zone, start in places:
            place = (table.show_id == cached.record_id, table.zone == zone, table.minute_ms == start)
            connection.execute(tables.minutes.delete().where(*place))
            cached.series[zone].remove(start)


def _extended(cached: CachedRecord, zone: str, start: int, added: list[TimedMovement]) -> MinuteDelta | None:
    """A minute with new movements; None where they come between others of it, and these are not cached."""
    known = cached.zone_series(zone).get(start)
    if known is None:
        cached.keep_movements(zone, start, added)
        return MinuteDelta.of(added)
    others = cached.movements(zone, start)
    if added[0][0] > known.last_ms:
        if others is not None:
            cached.keep_movements(zone, start, others + added)
        return known.then(MinuteDelta.of(added))
    if others is None:
        return None
    movements = sorted(others + added)
    cached.keep_movements(zone, start, movements)
    return MinuteDelta.of(movements)


def spans(starts: Sequence[int], movement_count: Callable[[int], int]) -> Iterator[tuple[int, int]]:
    """Few intervals ``[since, until)`` of epoch ms that hold these minutes, none too large.

    ``movement_count``: how many movements a minute has.
    """
    since = until = starts[0] if starts else 0
    held = 0
    for start in starts:
        more = sum(movement_count(minute) for minute in range(until, start + MINUTE_MS, MINUTE_MS))
        if until > since and (held + more > MOST_MOVEMENTS or start - since >= MOST_MINUTES * MINUTE_MS):
            yield since, until
            since, held, more = start, 0, movement_count(start)
        until, held = start + MINUTE_MS, held + more
    if until > since:
        yield since, until


def _by_minute(movements: Iterable[TimedMovement]) -> Iterator[tuple[int, list[TimedMovement]]]:
    """Ordered movements, minute by minute, each with the epoch ms of its start."""
    for minute, run in groupby(movements, key=lambda movement: movement[0] // MINUTE_MS):
        yield minute * MINUTE_MS, list(run)
