"""What happened during an event: outages, gaps, alerts, rejected rows; each with its begin and its end."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, func, select

from aforo.models import CameraFault, FaultSpan, Window, from_ms, to_ms
from aforo.storage.backends.connection import DatabaseConnection
from aforo.storage.column_text import fit
from aforo.storage.schema import tables

_RESTART = timedelta(seconds=30)  # between two runs of the program: less is a restart, and no gap
_ALIVE_FOR = 3  # a program counts as gone after so many missing signs of life
_SILENCE = timedelta(minutes=5)  # without a sign of life at the end of an event: the program did not run
_SHORTEST = timedelta(seconds=5)  # an incident that was over sooner held up nothing
_BEFORE_OUTAGE = timedelta(minutes=3)  # cameras may fail a little before their server counts as away…
_AFTER_OUTAGE = timedelta(minutes=10)  # …and answer again some poll cycles after it does


class JournalKind(StrEnum):
    """What a journal entry is about.

    An instance is a running program: its entry's end is its last sign of life. A comparison that is planned after the
    close begins when it is due, and ends when it was made or left out. A count is of a zone (its subject) at one
    instant, by hand or by tickets. What was learned of a zone, and how many crossed each door, begins when its event
    did; the last entry is valid.
    """

    INSTANCE = "instance"
    RECONCILIATION = "reconciliation"
    COMPARISON = "comparison"
    ACC_AWAY = "acc"
    CAMERA_AWAY = "camera"
    DATABASE_AWAY = "database"
    DATABASE_REPLACED = "database replaced"
    ROW_REFUSED = "row"
    DISCONNECTED = "disconnected"
    NO_VIDEO = "no video"
    TAMPERED = "tampered"
    NOT_RECORDING = "not recording"
    RECONFIGURED = "reconfigured"
    CLOCK = "clock"
    LATENESS = "lateness"
    ALERT = "alert"
    ALERT_SENT = "alert sent"
    COUNT = "count"
    LEARNED = "learned"
    DOORS = "doors"


OUTAGES = frozenset({JournalKind.ACC_AWAY, JournalKind.CAMERA_AWAY, JournalKind.DATABASE_AWAY})
FAULT_KINDS = {
    CameraFault.DISCONNECTED: JournalKind.DISCONNECTED,
    CameraFault.NO_VIDEO: JournalKind.NO_VIDEO,
    CameraFault.TAMPERED: JournalKind.TAMPERED,
    CameraFault.NOT_RECORDING: JournalKind.NOT_RECORDING,
    CameraFault.RECONFIGURED: JournalKind.RECONFIGURED,
}
_FAULTS = {kind: fault for fault, kind in FAULT_KINDS.items()}
_LISTED = frozenset({JournalKind.ROW_REFUSED, JournalKind.CLOCK, *_FAULTS})  # however short they were


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One thing that happened. ``ended`` is None while it lasts; ``record_id`` None where it belongs to no event."""

    id: int
    record_id: int | None
    kind: str
    subject: str
    began: datetime
    ended: datetime | None
    detail: str


def fault_spans(entries: Iterable[JournalEntry]) -> list[FaultSpan]:
    """Return the faults of cameras that a journal holds, by their begin; the subject of an entry is the camera's id."""
    found = [
        FaultSpan(entry.subject, _FAULTS[JournalKind(entry.kind)], entry.began, entry.ended)
        for entry in entries
        if entry.kind in _FAULTS
    ]
    return sorted(found, key=lambda span: span.began)


def touches(entry: JournalEntry, window: Window, now: datetime) -> bool:
    """Whether an entry, or what it has lasted until ``now``, meets a window."""
    return entry.began < window.until and (entry.ended or now) > window.since


def incidents(entries: Sequence[JournalEntry], window: Window, now: datetime) -> Iterator[JournalEntry]:
    """The entries that a report lists: outages that lasted some seconds in that window, faults of cameras,
    rejected rows, steps of a clock, and a database that was replaced.

    Cameras that did not answer only because their server did not are left out.
    """
    for entry in _without_echoes(entries):
        long_enough = entry.kind in OUTAGES and (entry.ended or now) - entry.began >= _SHORTEST
        listed = (long_enough or entry.kind in _LISTED) and touches(entry, window, now)
        if listed or entry.kind == JournalKind.DATABASE_REPLACED:  # at the close it matters as well
            yield entry


def _without_echoes(entries: Sequence[JournalEntry]) -> Iterator[JournalEntry]:
    """The entries without those of cameras that did not answer only because their server did not."""
    outages = [entry for entry in entries if entry.kind == JournalKind.ACC_AWAY]
    for entry in entries:
        inside = any(
            outage.ended is not None
            and entry.ended is not None
            and outage.began - _BEFORE_OUTAGE <= entry.began <= outage.ended
            and entry.ended <= outage.ended + _AFTER_OUTAGE
            for outage in outages
        )
        if entry.kind != JournalKind.CAMERA_AWAY or not inside:
            yield entry


def gaps(runs: Iterable[JournalEntry], window: Window) -> Iterator[Window]:
    """The parts of a window in which no program ran, by the entries of those that did; none where there are none."""
    ordered = sorted(runs, key=lambda entry: entry.began)
    if not ordered:
        return
    alive_until = window.since
    for entry in ordered:
        if min(entry.began, window.until) - alive_until > _RESTART:
            yield Window(alive_until, min(entry.began, window.until))
        alive_until = max(alive_until, entry.ended or entry.began)
    if window.until - alive_until > _SILENCE:
        yield Window(alive_until, window.until)


class Journal:
    """Reads and writes aforo_journal, inside a transaction of ``database``."""

    def __init__(self, database: DatabaseConnection) -> None:
        self._database = database

    def begin(  # noqa: PLR0913 -- the columns
        self,
        connection: Connection,
        kind: str,
        subject: str,
        began: datetime,
        *,
        detail: str = "",
        record_id: int | None = None,
        ended: datetime | None = None,
    ) -> int:
        """Store that something began (and, with ``ended``, is over already); returns the entry's id.

        Called again with the same values, after the answer to a commit was lost, it returns the same entry.
        """
        table = tables.journal
        ended_ms = None if ended is None else to_ms(ended)
        row = (record_id, str(kind), fit(subject), to_ms(began), ended_ms, detail)
        alike = select(table).where(table.c.kind == row[1], table.c.began_ms == row[3])
        there: int | None = next((known.id for known in connection.execute(alike) if tuple(known)[1:] == row), None)
        if there is not None:
            return there
        entry_id: int = (connection.scalar(select(func.max(table.c.id))) or 0) + 1
        self._database.insert(connection, table, [(entry_id, *row)])
        return entry_id

    def end(self, connection: Connection, entry_id: int, ended: datetime) -> None:
        """Store an entry's end; an entry that has an end keeps it."""
        table = tables.journal
        connection.execute(
            table.update().where(table.c.id == entry_id, table.c.ended_ms.is_(None)).values(ended_ms=to_ms(ended))
        )

    def end_comparisons(
        self, connection: Connection, record_id: int, now: datetime, *, due_by: datetime | None = None
    ) -> None:
        """Store that an event's planned comparisons are over: those due by then, or all of them."""
        for entry in self.read(connection, record_id, JournalKind.COMPARISON):
            if due_by is None or entry.began <= due_by:
                self.end(connection, entry.id, now)

    def read(self, connection: Connection, record_id: int | None, kind: JournalKind | None) -> list[JournalEntry]:
        """The entries, oldest first; of one event or kind where that is given."""
        table = tables.journal
        query = select(table).order_by(table.c.id)
        if record_id is not None:
            query = query.where(table.c.show_id == record_id)
        if kind is not None:
            query = query.where(table.c.kind == str(kind))
        return [
            JournalEntry(
                row.id,
                row.show_id,
                row.kind,
                row.subject,
                from_ms(row.began_ms),
                None if row.ended_ms is None else from_ms(row.ended_ms),
                row.detail,
            )
            for row in connection.execute(query)
        ]

    def beat(  # noqa: PLR0913, PLR0917 -- the columns
        self,
        connection: Connection,
        record_id: int,
        instance: str,
        began: datetime,
        now: datetime,
        every: timedelta,
    ) -> list[JournalEntry]:
        """Store a sign of life of a running program; returns the entries of the other programs alive on that event."""
        entries = self.read(connection, record_id, JournalKind.INSTANCE)
        own = next((entry.id for entry in entries if entry.subject == instance), None)
        # Not by the number of rows that an UPDATE changed: SQL Server gives none in a session with NOCOUNT on.
        if own is None:
            self.begin(connection, JournalKind.INSTANCE, instance, began, record_id=record_id, ended=now)
        else:
            table = tables.journal
            connection.execute(table.update().where(table.c.id == own).values(ended_ms=to_ms(now)))
        oldest = now - _ALIVE_FOR * every
        return [entry for entry in entries if entry.subject != instance and (entry.ended or entry.began) >= oldest]
