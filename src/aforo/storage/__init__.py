"""The only package that contains SQL: the ledger, the site tables, and all that follows from a new camera event."""

from aforo.storage.corrections import Correction, CorrectionResult
from aforo.storage.database import Database
from aforo.storage.journal import FAULT_KINDS, JournalEntry, JournalKind, fault_spans, incidents
from aforo.storage.manual_counts import ManualCount
from aforo.storage.preflight import Preflight
from aforo.storage.push_shares import PushShare
from aforo.storage.queries import Cursor, DoorMinute, ReportSnapshot, StoredFigures, StoredHistory
from aforo.storage.records import EventRecord
from aforo.storage.schema.grants import schema_back, schema_sql
from aforo.storage.sqlite_file import require_existing, sqlite_file
from aforo.storage.store import Store

__all__ = [
    "FAULT_KINDS",
    "Correction",
    "CorrectionResult",
    "Cursor",
    "Database",
    "DoorMinute",
    "EventRecord",
    "JournalEntry",
    "JournalKind",
    "ManualCount",
    "Preflight",
    "PushShare",
    "ReportSnapshot",
    "Store",
    "StoredFigures",
    "StoredHistory",
    "fault_spans",
    "incidents",
    "require_existing",
    "schema_back",
    "schema_sql",
    "sqlite_file",
]
