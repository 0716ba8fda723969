"""History rows that eventos_Analisis does not take: kept in the ledger, marked, and written again later.

Quarantined are also the rows that changed rules make due for events stored before: they are written in the same way.
"""

import logging
import random
import re
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection, func, select

from aforo.errors import StoreRejectedRow
from aforo.models import DAY_MS, CameraEvent
from aforo.storage.backends.connection import DatabaseConnection
from aforo.storage.column_text import fit
from aforo.storage.event_ledger import NOT_HISTORY, QUARANTINED, SLICE_MS, WRITTEN, Classify, Entry, EventLedger
from aforo.storage.record_cache import CachedRecord
from aforo.storage.schema import tables

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

_MARGIN_MS = 2 * DAY_MS  # how far from its window an event's older entries are looked for
_MOST_FAILURES = 200  # rejected transactions at one opening: a table that rejects everything must not delay the event
_SAMPLES = 2  # rows that stand for all rows of their source
_REPORT_INTERVAL = timedelta(minutes=10)
_MOST_REASONS = 50  # a reason may contain the row's values, in unforeseen ways
_LONGEST_DETAIL = 4_000  # characters of the journal's text
_VALUE = re.compile(r"'[^']*'|\"[^\"]*\"|«[^»]*»|\([^)]*\)|\d+")  # what differs between rows, in a server's sentence


class Transact(Protocol):
    """Runs a piece of work on one event record in a transaction of its own."""

    def __call__(self, work: Callable[[Connection, CachedRecord], _T]) -> _T:
        """What the work returns; raises what Store raises."""
        ...


class RejectedEntries(NamedTuple):
    """Entries whose history rows are rejected, and the reason given for the first."""

    reason: str
    entries: list[Entry]


class QuarantinedEvents(NamedTuple):
    """Camera events whose history rows are rejected for one reason: how many, and the first of them."""

    reason: str
    number: int
    first: CameraEvent


class Quarantine:
    """Finds the quarantined rows, and writes them."""

    def __init__(self, database: DatabaseConnection, ledger: EventLedger) -> None:
        self._database = database
        self._ledger = ledger

    def add_due(self, connection: Connection, cached: CachedRecord, classify: Classify) -> None:
        """Quarantine the rows that are due by changed rules and were not before."""
        for since_ms in self._slices(connection, cached, NOT_HISTORY):
            entries = self._entries(connection, cached, since_ms, NOT_HISTORY)
            meanings = self._ledger.classifications(connection, (entry.source for entry in entries), classify)
            self._mark(connection, [entry for entry in entries if meanings[entry.source].history], QUARANTINED)

    def write_of(
        self, transact: Transact, events: Sequence[CameraEvent], classify: Classify
    ) -> list[QuarantinedEvents]:
        """Write the quarantined rows of those events; returns the rejected ones, by reason."""
        entries = transact(lambda connection, cached: self._ledger.entries_of(connection, cached, events))
        due = [entry for entry in entries if entry.history == QUARANTINED]
        rejected = write_except_rejected(due, lambda some: self._write(transact, some, classify))
        return transact(lambda connection, _: [self._described(connection, one) for one in rejected])

    def write_all(self, transact: Transact, classify: Classify) -> None:
        """Write all quarantined rows of an event, and log how that went: the table or the rules may be mended."""
        try:
            written = transact(lambda connection, cached: self._write_slices(connection, cached, classify))
            reason = ""
        except StoreRejectedRow:
            written, reason = self._write_except_rejected(transact, classify)
        if reason:
            _log.warning("Sigue habiendo filas que no se admiten. %s", reason)
        if written:
            _log.info("%d filas que faltaban en la tabla del historial ya están en ella.", written)

    def _write_slices(self, connection: Connection, cached: CachedRecord, classify: Classify) -> int:
        return sum(
            self._write_due(connection, cached, self._entries(connection, cached, since_ms, QUARANTINED), classify)
            for since_ms in self._slices(connection, cached, QUARANTINED)
        )

    def _write_except_rejected(self, transact: Transact, classify: Classify) -> tuple[int, str]:
        """Slice by slice, without the rejected rows; how many were written, and why others were not."""
        written, failures, reason = 0, 0, ""

        def attempt(some: Sequence[Entry]) -> None:
            nonlocal written, failures, reason
            try:
                written += self._write(transact, some, classify)
            except StoreRejectedRow as error:
                failures, reason = failures + 1, str(error)
                raise

        def due(since_ms: int) -> list[Entry]:
            return transact(lambda connection, cached: self._entries(connection, cached, since_ms, QUARANTINED))

        for since_ms in transact(lambda connection, cached: list(self._slices(connection, cached, QUARANTINED))):
            if failures < _MOST_FAILURES:
                write_except_rejected(due(since_ms), attempt, _MOST_FAILURES - failures)
        return written, reason

    def _write(self, transact: Transact, some: Sequence[Entry], classify: Classify) -> int:
        """Write, in a transaction of its own, what of these entries is still quarantined."""

        def work(connection: Connection, cached: CachedRecord) -> int:
            entries = self._ledger.entries_at(connection, cached, {entry[:4] for entry in some})
            due = [entry for entry in entries if entry.history == QUARANTINED]
            return self._write_due(connection, cached, due, classify)

        return transact(work)

    def _write_due(
        self, connection: Connection, cached: CachedRecord, entries: Sequence[Entry], classify: Classify
    ) -> int:
        meanings = self._ledger.classifications(connection, (entry.source for entry in entries), classify)
        due = [entry for entry in entries if meanings[entry.source].history]
        self._ledger.add_history(connection, cached, due)
        self._mark(connection, due, WRITTEN)
        return len(due)

    def _mark(self, connection: Connection, entries: Sequence[Entry], history: int) -> None:
        rows = [(*entry[:4], history) for entry in entries]
        self._database.update(connection, tables.events, rows, columns=("history",))

    def _slices(self, connection: Connection, cached: CachedRecord, history: int) -> Iterator[int]:
        """Where an event's entries of that kind lie: the begins of slices of time (epoch ms)."""
        table = tables.events.c
        # The window may have been another when they were stored; a ledger of many seasons is not searched for that.
        around = (table.occurred_ms >= cached.since_ms - _MARGIN_MS, table.occurred_ms < cached.until_ms + _MARGIN_MS)
        bounds = select(func.min(table.occurred_ms), func.max(table.occurred_ms))
        first, last = connection.execute(
            bounds.where(*around, table.show_id == cached.record_id, table.history == history)
        ).one()
        return iter(()) if first is None else iter(range(first, last + 1, SLICE_MS))

    def _entries(self, connection: Connection, cached: CachedRecord, since_ms: int, history: int) -> list[Entry]:
        entries = self._ledger.entries(connection, cached, since_ms, since_ms + SLICE_MS)
        return [entry for entry in entries if entry.history == history]

    def _described(self, connection: Connection, rejected: RejectedEntries) -> QuarantinedEvents:
        first = self._ledger.event(connection, min(rejected.entries))
        return QuarantinedEvents(rejected.reason, len(rejected.entries), first)


def write_except_rejected(
    entries: Sequence[Entry], write: Callable[[Sequence[Entry]], object], most_tries: int | None = None
) -> list[RejectedEntries]:
    """Write all rows but those that ``write`` rejects (StoreRejectedRow); returns these, by reason.

    ``write`` takes rows in one transaction, and ignores those that are there already. Rejected rows are split in halves
    until each stands alone, or until ``write`` was called ``most_tries`` times (by default some for each doubling of
    the rows, hardly more than there are rows). Rows that are still together with a rejected one by then are returned
    with it.
    """
    # Whether a table rejects a row mostly depends on its source, so that rows of one source stay together. The order
    # differs each time, so that rows which were given up with a rejected one are not always beside the same one.
    places: defaultdict[int, float] = defaultdict(random.random)
    order = sorted(random.sample(entries, len(entries)), key=lambda entry: places[entry.source])
    default = min(len(order) + 2, 8 * len(order).bit_length() + 8)
    tries = _Tries(write, default if most_tries is None else most_tries)
    rejected: defaultdict[str, list[Entry]] = defaultdict(list)
    waiting = deque([(order, "")] if order else [])
    while waiting:  # breadth first: a part with many rejected rows must not use up the tries of the others
        part, reason = waiting.popleft()
        if tries.left:
            rejection = tries.rejection(part)
            if rejection is None:
                continue
            reason = rejection
            if not _is_all_rejected(part, tries):
                middle = len(part) // 2
                waiting.extend([(part[:middle], reason), (part[middle:], reason)])
                continue
        rejected[reason] += part
    return [RejectedEntries(reason, some) for reason, some in rejected.items()]


class _Tries:
    """So many calls of ``write``."""

    def __init__(self, write: Callable[[Sequence[Entry]], object], left: int) -> None:
        self._write = write
        self.left = left

    def rejection(self, entries: Sequence[Entry]) -> str | None:
        """Why the rows were rejected; None where they were written."""
        self.left -= 1
        try:
            self._write(entries)
        except StoreRejectedRow as error:
            return str(error)
        return None


def _is_all_rejected(part: Sequence[Entry], tries: _Tries) -> bool:
    """Whether all rows of a rejected part are: it is one row, or of one source of which some by chance are alone."""
    if len(part) == 1:
        return True
    if len({entry.source for entry in part}) > 1:
        return False
    samples = random.sample(part, _SAMPLES)
    return all(tries.left and tries.rejection([entry]) is not None for entry in samples)


class QuarantineLog:
    """Logs rejected rows: each new reason at once, then every ten minutes, not row by row."""

    def __init__(self) -> None:
        self._logged: dict[str, datetime] = {}
        self._unlogged: Counter[str] = Counter()

    def add(self, events: QuarantinedEvents, now: datetime) -> str | None:
        """Log rejected rows if they are due; returns the journal's text for them, None where nothing was logged."""
        reason = _VALUE.sub("…", events.reason)
        if reason not in self._logged and len(self._logged) >= _MOST_REASONS:
            reason = ""
        self._unlogged[reason] += events.number
        logged = self._logged.get(reason)
        if logged is not None and now - logged < _REPORT_INTERVAL:
            return None
        self._logged[reason] = now
        number = self._unlogged.pop(reason)
        if number == 1:
            _log.error(
                "La base de datos no admite este evento, que queda solo en aforo_events: %r. %s",
                events.first, events.reason,
            )  # fmt: skip
            return fit(f"{events.first!r}: {events.reason}", _LONGEST_DETAIL)
        _log.error(
            "La base de datos no admite %d eventos, que quedan solo en aforo_events; uno de ellos: %r. %s",
            number, events.first, events.reason,
        )  # fmt: skip
        return fit(f"{number} eventos, como {events.first!r}: {events.reason}", _LONGEST_DETAIL)
