"""The only room that speaks SQL: the ledger, the stadium's tables, and what follows from each new event."""

from aforo.store.account import Account
from aforo.store.corrections import Correction
from aforo.store.journal import Note
from aforo.store.reading import Cursor, DoorMinute
from aforo.store.rehearsal import Rehearsal
from aforo.store.script import schema_sql
from aforo.store.shows import Show
from aforo.store.store import Store
from aforo.store.writer import Writer

__all__ = [
    "Account",
    "Correction",
    "Cursor",
    "DoorMinute",
    "Note",
    "Rehearsal",
    "Show",
    "Store",
    "Writer",
    "schema_sql",
]
