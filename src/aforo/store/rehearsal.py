"""All that the job does to the database, done once and taken back: what is missing is known before the evening."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import inspect

from aforo.model import Zone
from aforo.settings.models import HISTORY_TABLE
from aforo.store import rights, schema, tables
from aforo.store.journal import Journal
from aforo.store.legacy import Legacy
from aforo.store.link import Link
from aforo.store.local import from_ms

_EVENT = "aforo check"  # the event of the rows that are taken back
_AT_MS = 0


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What was found. ``version``: of our tables, None where there are none yet; the stadium's tables, there or not."""

    version: str | None
    newest: str
    there: Sequence[str]
    missing: Sequence[str]


class _TakenBackError(Exception):
    """Ends the transaction without a commit."""


def rehearse(link: Link, legacy: Legacy, zones: Sequence[Zone]) -> Rehearsal:
    """Create what is missing, write a row into each table, and take all of it back. Raises StoreError."""
    found: list[Rehearsal] = []
    try:
        with link.write() as connection:
            inspector = inspect(connection)
            wanted = [HISTORY_TABLE, *(zone.table for zone in zones)]
            known = {name.lower() for name in (*inspector.get_table_names(), *inspector.get_view_names())}
            there = [name for name in wanted if name.rpartition(".")[2].lower() in known]
            missing = [name for name in wanted if name not in there]
            found.append(Rehearsal(schema.version(connection), schema.HEAD, there, missing))
            schema.ensure(connection, link.dialect)
            legacy.prepare(connection)
            rights.check(connection, link.dialect, legacy.names)
            (timestamp,) = legacy.local_texts((_AT_MS,))
            legacy.add_history(connection, [(_EVENT, "", "", "", timestamp, _EVENT)])
            for zone in zones:
                for aforo in (0, 1):  # INSERT, then UPDATE
                    legacy.set_aforo(connection, zone.name, _EVENT, aforo)
            journal = Journal(link)
            note = journal.begin(connection, "check", _EVENT, from_ms(_AT_MS))
            journal.end(connection, note, from_ms(_AT_MS))
            connection.execute(tables.journal.delete().where(tables.journal.c.id == note))
            raise _TakenBackError  # noqa: TRY301 -- the way to end the transaction
    except _TakenBackError:
        return found[0]
