"""What an evening lived through: outages, gaps, alerts, refused rows; each with its beginning and its end."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, func, select

from aforo.models import Window, from_ms, to_ms
from aforo.storage.backends.connection import DatabaseConnection
from aforo.storage.schema import tables

_RESTART = timedelta(seconds=30)  # between two runs of the program: less is a restart, and no gap
_SILENCE = timedelta(minutes=5)  # without a sign of life at the end of an event: the program did not run


class JournalKind(StrEnum):
    """What a journal entry is about.

    An instance is a running program: its entry's end is its last sign of life.
    """

    INSTANCE = "instance"
    RECONCILIATION = "reconciliation"
    ACC_AWAY = "acc"
    CAMERA_AWAY = "camera"
    DATABASE_AWAY = "database"
    ROW_REFUSED = "row"
    ALERT = "alert"
    ALERT_SENT = "alert sent"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One thing that happened. ``ended`` is None while it lasts; ``show_id`` None where it belongs to no show."""

    id: int
    show_id: int | None
    kind: str
    subject: str
    began: datetime
    ended: datetime | None
    detail: str


def touches(entry: JournalEntry, window: Window, now: datetime) -> bool:
    """Whether an entry, or what it has lasted until ``now``, meets a window."""
    return entry.began < window.until and (entry.ended or now) > window.since


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
    """Reads and writes aforo_journal, inside a transaction of ``link``."""

    def __init__(self, link: DatabaseConnection) -> None:
        self._link = link

    def begin(  # noqa: PLR0913 -- the columns
        self,
        connection: Connection,
        kind: str,
        subject: str,
        began: datetime,
        *,
        detail: str = "",
        show_id: int | None = None,
        ended: datetime | None = None,
    ) -> int:
        """Note that something began (and, with ``ended``, is over already); returns its id.

        It is noted once: asked again, since the answer to a commit was lost, it is the same note.
        """
        table = tables.journal
        ended_ms = None if ended is None else to_ms(ended)
        row = (show_id, str(kind), tables.fit(subject), to_ms(began), ended_ms, detail)
        alike = select(table).where(table.c.kind == row[1], table.c.began_ms == row[3])
        there: int | None = next((known.id for known in connection.execute(alike) if tuple(known)[1:] == row), None)
        if there is not None:
            return there
        note_id: int = (connection.scalar(select(func.max(table.c.id))) or 0) + 1
        self._link.insert(connection, table, [(note_id, *row)])
        return note_id

    def end(self, connection: Connection, note_id: int, ended: datetime) -> None:
        """Note that it is over; once noted, it stays."""
        table = tables.journal
        connection.execute(
            table.update().where(table.c.id == note_id, table.c.ended_ms.is_(None)).values(ended_ms=to_ms(ended))
        )

    def read(self, connection: Connection, show_id: int | None, kind: JournalKind | None) -> list[JournalEntry]:
        """The notes, oldest first; of one show or kind where that is given."""
        table = tables.journal
        query = select(table).order_by(table.c.id)
        if show_id is not None:
            query = query.where(table.c.show_id == show_id)
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
