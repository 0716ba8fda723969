"""The only room that speaks SQL: the ledger, the stadium's tables, and what follows from each new event."""

from aforo.storage.account import PastEvents
from aforo.storage.corrections import Correction
from aforo.storage.journal import JournalEntry
from aforo.storage.queries import Cursor, DoorMinute
from aforo.storage.records import EventRecord
from aforo.storage.schema.grants import schema_sql
from aforo.storage.schema.preflight import Preflight
from aforo.storage.store import Store
from aforo.storage.writer import Database

__all__ = [
    "Correction",
    "Cursor",
    "Database",
    "DoorMinute",
    "EventRecord",
    "JournalEntry",
    "PastEvents",
    "Preflight",
    "Store",
    "schema_sql",
]
