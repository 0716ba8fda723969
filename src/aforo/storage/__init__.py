"""The only room that speaks SQL: the ledger, the stadium's tables, and what follows from each new event."""

from aforo.storage.account import Account
from aforo.storage.corrections import Correction
from aforo.storage.journal import Note
from aforo.storage.queries import Cursor, DoorMinute
from aforo.storage.records import Show
from aforo.storage.schema.grants import schema_sql
from aforo.storage.schema.preflight import Rehearsal
from aforo.storage.store import Store
from aforo.storage.writer import Writer

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
