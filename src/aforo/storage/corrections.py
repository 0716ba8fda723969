"""Operators' corrections: each is kept, counted once, and read again."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from aforo.counting.occupancy import OccupancyDelta
from aforo.models import Occupancy, from_ms, to_ms
from aforo.storage.backends.connection import DatabaseConnection
from aforo.storage.event_ledger import Judge
from aforo.storage.minute_totals import MinuteTotals
from aforo.storage.record_cache import CachedRecord, RecordCache
from aforo.storage.schema import tables


@dataclass(frozen=True, slots=True)
class Correction:
    """An operator's correction of a zone. ``id`` is the caller's (a UUID): the same id is applied once, ever."""

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
    """Reads and writes aforo_corrections, inside a transaction of ``link``."""

    def __init__(self, link: DatabaseConnection, books: RecordCache, minutes: MinuteTotals) -> None:
        self._link = link
        self._books = books
        self._minutes = minutes

    def apply(self, connection: Connection, book: CachedRecord, correction: Correction, judge: Judge) -> bool:
        """Count it in its minute, unless it is there already; tells whether it was new."""
        known = select(tables.corrections.c.id).where(tables.corrections.c.id == correction.id)
        if connection.scalar(known) is not None:
            return False
        at_ms = to_ms(correction.at)
        texts = (tables.fit(correction.reason), tables.fit(correction.author))
        row = (correction.id, book.show_id, correction.zone, correction.delta, *texts, at_ms)
        self._link.insert(connection, tables.corrections, [row])
        step = book.correction_step(correction.id, correction.delta, at_ms)
        book.corrections.setdefault(correction.zone, []).append(step)
        self._books.bump_revision(connection, book)
        self._minutes.count(connection, book, {correction.zone: [step]}, judge)
        return True

    def read(self, connection: Connection, book: CachedRecord) -> list[Correction]:
        """The show's corrections, oldest first."""
        table = tables.corrections
        mine = select(table).where(table.c.show_id == book.show_id).order_by(table.c.at_ms, table.c.id)
        return [
            Correction(row.id, row.zone, row.delta, row.reason, row.author, from_ms(row.at_ms))
            for row in connection.execute(mine)
        ]
