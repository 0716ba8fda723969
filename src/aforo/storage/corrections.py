"""Operators' corrections: each is kept, counted once, and read again."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from aforo.counting.occupancy import OccupancyDelta
from aforo.models import Occupancy, from_ms, to_ms
from aforo.storage.backends.connection import DatabaseConnection
from aforo.storage.column_text import fit
from aforo.storage.event_ledger import Classify
from aforo.storage.minute_totals import MinuteTotals
from aforo.storage.record_cache import CachedRecord, RecordCache
from aforo.storage.schema import tables


@dataclass(frozen=True, slots=True)
class Correction:
    """An operator's correction of a zone. ``id`` is the caller's (a UUID): it is applied once, ever."""

    id: str
    zone: str
    delta: int
    reason: str
    author: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CorrectionResult:
    """What holds after a correction: each zone's aforo, the corrected zone by minute, the event's corrections."""

    occupancies: dict[str, Occupancy]
    minutes: dict[int, OccupancyDelta]
    corrections: list[Correction]


class Corrections:
    """Reads and writes aforo_corrections, inside a transaction of ``database``."""

    def __init__(self, database: DatabaseConnection, cache: RecordCache, totals: MinuteTotals) -> None:
        self._database = database
        self._cache = cache
        self._totals = totals

    def apply(self, connection: Connection, cached: CachedRecord, correction: Correction, classify: Classify) -> bool:
        """Store and count a correction, unless it is there already; returns whether it was new."""
        known = select(tables.corrections.c.id).where(tables.corrections.c.id == correction.id)
        if connection.scalar(known) is not None:
            return False
        at_ms = to_ms(correction.at)
        reason, author = fit(correction.reason), fit(correction.author)
        row = (correction.id, cached.record_id, correction.zone, correction.delta, reason, author, at_ms)
        self._database.insert(connection, tables.corrections, [row])
        movement = cached.correction_movement(correction.id, correction.delta, at_ms)
        cached.corrections.setdefault(correction.zone, []).append(movement)
        self._cache.bump_revision(connection, cached)
        self._totals.count(connection, cached, {correction.zone: [movement]}, classify)
        return True

    def read(self, connection: Connection, cached: CachedRecord) -> list[Correction]:
        """The event's corrections, oldest first."""
        table = tables.corrections
        mine = select(table).where(table.c.show_id == cached.record_id).order_by(table.c.at_ms, table.c.id)
        return [
            Correction(row.id, row.zone, row.delta, row.reason, row.author, from_ms(row.at_ms))
            for row in connection.execute(mine)
        ]
