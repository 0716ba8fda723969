"""The history rows that are due and not there: refused by their table, or due by rules that were changed later."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection, func, select

from aforo.errors import StoreRejectedRow
from aforo.models import CameraEvent
from aforo.storage.apart import Refused, write_apart
from aforo.storage.backends.connection import DatabaseConnection
from aforo.storage.event_ledger import NOT_HISTORY, REFUSED, WRITTEN, Entry, EventLedger, Judge
from aforo.storage.record_cache import CachedRecord
from aforo.storage.schema import tables
from aforo.storage.site_tables.local_time import STRETCH_MS

_T = TypeVar("_T")
_MARGIN_MS = 2 * 86_400_000  # how far from its window a show's older entries are looked for
_MOST_TRIES = 200  # refused transactions, at one opening: a table that refuses all must not keep the evening waiting

_log = logging.getLogger(__name__)


class Transact(Protocol):
    """Runs a piece of work on one show in a transaction of its own."""

    def __call__(self, work: Callable[[Connection, CachedRecord], _T]) -> _T:
        """What the work returns; raises what the store raises."""
        ...


class QuarantinedEvents(NamedTuple):
    """Events of the ledger whose history rows their table refuses, for one reason: how many, and the first of them."""

    reason: str
    number: int
    first: CameraEvent


class Quarantine:
    """Finds the rows that are owed, and writes them."""

    def __init__(self, link: DatabaseConnection, ledger: EventLedger) -> None:
        self._link = link
        self._ledger = ledger

    def note(self, connection: Connection, book: CachedRecord, judge: Judge) -> None:
        """The rules have changed: note what is due now and was not before. It is written like what was refused."""
        for since_ms in self._stretches(connection, book, NOT_HISTORY):
            entries = self._entries(connection, book, since_ms, NOT_HISTORY)
            classifications = self._ledger.classifications(connection, (entry.source for entry in entries), judge)
            self._mark(connection, [entry for entry in entries if classifications[entry.source].history], REFUSED)

    def write_of(self, transact: Transact, events: Sequence[CameraEvent], judge: Judge) -> list[QuarantinedEvents]:
        """Write the rows of events that the ledger has without them, all but those that the table refuses."""
        entries = transact(lambda connection, book: self._ledger.entries_of(connection, book, events))
        owed = [entry for entry in entries if entry.history == REFUSED]
        refused = write_apart(owed, lambda some: self._write(transact, some, judge))
        return transact(lambda connection, _: [self._described(connection, one) for one in refused])

    def write_all(self, transact: Transact, judge: Judge) -> None:
        """Write all that is owed of the show: the tables or the rules may have been mended. Tells how that went."""
        try:
            written = transact(lambda connection, book: self._write_stretches(connection, book, judge))
            reason = ""
        except StoreRejectedRow:
            written, reason = self._write_patiently(transact, judge)
        if reason:
            _log.warning("Sigue habiendo filas que no se admiten. %s", reason)
        if written:
            _log.info("%d filas que faltaban en la tabla del historial ya están en ella.", written)

    def _write_stretches(self, connection: Connection, book: CachedRecord, judge: Judge) -> int:
        return sum(
            self._write_due(connection, book, self._entries(connection, book, since_ms, REFUSED), judge)
            for since_ms in self._stretches(connection, book, REFUSED)
        )

    def _write_patiently(self, transact: Transact, judge: Judge) -> tuple[int, str]:
        """Stretch by stretch, without the refused rows; how many were written, and why others were not."""
        written, failed, reason = 0, 0, ""

        def attempt(some: Sequence[Entry]) -> None:
            nonlocal written, failed, reason
            try:
                written += self._write(transact, some, judge)
            except StoreRejectedRow as error:
                failed, reason = failed + 1, str(error)
                raise

        def owed(since_ms: int) -> list[Entry]:
            return transact(lambda connection, book: self._entries(connection, book, since_ms, REFUSED))

        for since_ms in transact(lambda connection, book: list(self._stretches(connection, book, REFUSED))):
            if failed < _MOST_TRIES:
                write_apart(owed(since_ms), attempt, _MOST_TRIES - failed)
        return written, reason

    def _write(self, transact: Transact, some: Sequence[Entry], judge: Judge) -> int:
        """In a transaction of its own: what of these entries is owed still, whatever another process did meanwhile."""

        def work(connection: Connection, book: CachedRecord) -> int:
            entries = self._ledger.entries_at(connection, book, {entry[:3] for entry in some})
            return self._write_due(connection, book, [one for one in entries if one.history == REFUSED], judge)

        return transact(work)

    def _write_due(self, connection: Connection, book: CachedRecord, entries: Sequence[Entry], judge: Judge) -> int:
        classifications = self._ledger.classifications(connection, (entry.source for entry in entries), judge)
        due = [entry for entry in entries if classifications[entry.source].history]
        self._ledger.add_history(connection, book, due)
        self._mark(connection, due, WRITTEN)
        return len(due)

    def _mark(self, connection: Connection, entries: Sequence[Entry], history: int) -> None:
        rows = [(*entry[:3], history) for entry in entries]
        self._link.update(connection, tables.events, rows, columns=("history",))

    def _stretches(self, connection: Connection, book: CachedRecord, history: int) -> Iterator[int]:
        """Where a show's entries of that kind lie, a stretch of time after the other (epoch ms)."""
        table = tables.events.c
        # The window may have been another when they came; a ledger of many seasons is not searched for that.
        around = (table.occurred_ms >= book.since_ms - _MARGIN_MS, table.occurred_ms < book.until_ms + _MARGIN_MS)
        bounds = select(func.min(table.occurred_ms), func.max(table.occurred_ms))
        first, last = connection.execute(
            bounds.where(*around, table.show_id == book.show_id, table.history == history)
        ).one()
        return iter(()) if first is None else iter(range(first, last + 1, STRETCH_MS))

    def _entries(self, connection: Connection, book: CachedRecord, since_ms: int, history: int) -> list[Entry]:
        entries = self._ledger.entries(connection, book, since_ms, since_ms + STRETCH_MS)
        return [entry for entry in entries if entry.history == history]

    def _described(self, connection: Connection, refused: Refused) -> QuarantinedEvents:
        first = min(refused.entries)
        return QuarantinedEvents(refused.reason, len(refused.entries), self._ledger.event(connection, first))
