"""SQLite, the embedded default: one file, WAL, one writer at a time by BEGIN IMMEDIATE."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Column, ColumnElement, Connection, Table, Unicode, Update, bindparam, create_engine, literal
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import NullPool
from sqlalchemy.types import TypeEngine

from aforo.errors import StoreNotReady
from aforo.storage.backends.backend import Shortener
from aforo.storage.backends.errors import Recovery

BUSY_TIMEOUT = 1.0  # seconds SQLite itself waits for another writer; Database waits longer, and logs it
_CACHE_KIB = 16_384  # of pages in memory: an event's newest part, whatever the size of the file
_ROWS_AT_ONCE = (1_000, 100)  # in one INSERT, where SQLite takes so many parameters: it did not before 3.32
_CHECKPOINT_PAGES = 4_000  # pages (16 MB) of WAL before they are moved to the file: fewer rewrites of the same page

_compiler = pysqlite.dialect()
# What an error allows, by SQLite's extended code or, where that is not here, by its primary one (the low byte).
_RECOVERIES = {
    sqlite3.SQLITE_CONSTRAINT_UNIQUE: Recovery.UNIQUE,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: Recovery.UNIQUE,
    sqlite3.SQLITE_CONSTRAINT: Recovery.ROW,
    sqlite3.SQLITE_TOOBIG: Recovery.ROW,
    sqlite3.SQLITE_MISMATCH: Recovery.ROW,
    sqlite3.SQLITE_ERROR: Recovery.READY,
    sqlite3.SQLITE_READONLY: Recovery.READY,
    sqlite3.SQLITE_PERM: Recovery.READY,
    sqlite3.SQLITE_AUTH: Recovery.READY,
    sqlite3.SQLITE_CORRUPT: Recovery.READY,
    sqlite3.SQLITE_NOTADB: Recovery.READY,
}


class Sqlite:
    """The ``Backend`` of SQLite."""

    most_parameters = 500

    def __init__(self, url: URL) -> None:
        self._url = url
        self._log: tuple[int, int] | None = None  # the write-ahead log that this process last wrote to
        self._statements: dict[tuple[str, tuple[str, ...]], str] = {}
        self.name = f"SQLite {url.database or 'en memoria'}"

    def engine(self) -> Engine:
        """Make connections in autocommit mode: BEGIN is sent by ``lock_writers`` and ``begin_read``."""
        self._check_folder()
        arguments = {"timeout": BUSY_TIMEOUT, "isolation_level": None, "check_same_thread": False}
        return create_engine(
            self._url, poolclass=NullPool, pool_reset_on_return=None, connect_args=arguments, hide_parameters=True
        )

    def _check_folder(self) -> None:
        if not self._url.database or self._url.database == ":memory:":
            return
        folder = Path(self._url.database).absolute().parent
        if not folder.is_dir():
            raise StoreNotReady(
                f"No existe la carpeta {folder}, donde debe estar la base de datos.",
                remedy="Créela o cambie el ajuste database.url.",
            )

    def identity(self) -> object:
        """The file itself, not its name: it may be removed or replaced while it is open. None where it is missing."""
        in_memory = not self._url.database or self._url.database == ":memory:"
        return None if in_memory else self._identity_of("")

    def leave(self, connection: Connection) -> None:
        """Bring the old file up to date and remove its write-ahead log, which SQLite would apply to the new file.

        Only the log that this connection wrote to: another process may have begun one for the new file.
        """
        if self._log is not None and self._identity_of("-wal") == self._log:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            for suffix in ("-wal", "-shm"):
                Path(f"{self._url.database}{suffix}").unlink(missing_ok=True)

    def _identity_of(self, suffix: str) -> tuple[int, int] | None:
        try:
            found = Path(f"{self._url.database}{suffix}").stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def prepare(self, connection: Connection) -> bool:
        """Set up a fresh connection. NORMAL may lose the last commits in a power cut, never half of one."""
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            f"cache_size=-{_CACHE_KIB}",
            f"wal_autocheckpoint={_CHECKPOINT_PAGES}",
            "temp_store=MEMORY",
        ):
            connection.exec_driver_sql(f"PRAGMA {pragma}")
        return True

    def lock_writers(self, connection: Connection) -> None:
        """Begin, as the only writer."""
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        self._log = self._identity_of("-wal")

    def confirm(self, connection: Connection) -> None:
        """SQLite never ends a transaction without an error."""

    def begin_read(self, connection: Connection) -> None:
        """Begin; all that is read is of one instant."""
        connection.exec_driver_sql("BEGIN")

    def classify(self, exc: DBAPIError) -> Recovery:
        """What an error of sqlite3 allows, by SQLite's own code; errors of the module itself have none."""
        code = getattr(exc.orig, "sqlite_errorcode", None)
        if code is None:
            unfit = isinstance(exc, IntegrityError) or "binding parameter" in str(exc.orig)
            return Recovery.ROW if unfit else Recovery.RETRY
        return _RECOVERIES.get(code) or _RECOVERIES.get(code & 0xFF, Recovery.RETRY)

    def insert(self, connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert many rows at a time, which takes half as long as one by one.

        The driver releases the interpreter at every step: fewer steps also disturb the rest of the program less.
        """
        sql = self._insert_statement(table)
        start, values, one = sql.partition(" VALUES ")
        raw: Any = connection.connection.dbapi_connection
        most = raw.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // len(table.columns)
        first = 0
        for size in (min(size, most) for size in _ROWS_AT_ONCE):
            while len(rows) - first >= size:
                several = tuple(chain.from_iterable(rows[first : first + size]))
                connection.exec_driver_sql(f"{start}{values}{', '.join([one] * size)}", several)
                first += size
        if first < len(rows):
            connection.exec_driver_sql(sql, list(rows[first:]))

    def update(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Update row by row: no network lies between."""
        keys = len(table.primary_key.columns)
        connection.exec_driver_sql(
            self._update_statement(table, tuple(columns)), [(*row[keys:], *row[:keys]) for row in rows]
        )

    def among(
        self, connection: Connection, table: Table, columns: Sequence[str], key: str, values: Sequence[int]
    ) -> Iterable[Sequence[Any]]:
        """Select by IN lists of a few sizes, so that few statements are prepared."""
        for first in range(0, len(values), self.most_parameters):
            chunk = list(values[first : first + self.most_parameters])
            chunk += chunk[-1:] * (_rounded(len(chunk), self.most_parameters) - len(chunk))
            marks = ",".join("?" * len(chunk))
            sql = f"SELECT {', '.join(columns)} FROM {table.name} WHERE {key} IN ({marks})"  # noqa: S608 -- our names
            yield from connection.exec_driver_sql(sql, tuple(chunk)).all()

    def as_stored(self, column: Column[Any], value: str) -> ColumnElement[Any]:  # noqa: ARG002 -- all text is kept as it is
        """SQLite keeps every text, and times as text: the value itself."""
        return literal(value, Unicode())

    def long_statements(self, connection: Connection) -> AbstractContextManager[None]:  # noqa: ARG002 -- no statement has an end
        """SQLite interrupts no statement."""
        return nullcontext()

    def limited_to_one(self, update: Update, mine: ColumnElement[bool]) -> Update:
        """Mine: a scan of some million rows takes a second here."""
        return update.where(mine)

    def shortener(self, column: Column[Any]) -> Shortener | None:  # noqa: ARG002 -- lengths mean nothing to SQLite
        """SQLite accepts any length."""
        return None

    def schema(self, name: str) -> str | None:  # noqa: ARG002 -- other databases have some
        """SQLite has no schemas: ``dbo.Aforo`` is the table ``Aforo``."""
        return None

    def refined_type(
        self,
        connection: Connection,  # noqa: ARG002
        table: str,  # noqa: ARG002
        schema: str | None,  # noqa: ARG002
        column: ReflectedColumn,
    ) -> TypeEngine[Any]:
        """A type is only a name to SQLite."""
        return column["type"]

    def missing_rights(
        self,
        connection: Connection,  # noqa: ARG002
        wanted: Sequence[tuple[str, str]],  # noqa: ARG002
    ) -> list[tuple[str, str]]:
        """Whoever may write the file may do all."""
        return []

    def misfits(self, column: Column[Any]) -> list[str]:  # noqa: ARG002
        """SQLite keeps everything as it is."""
        return []

    def _insert_statement(self, table: Table) -> str:
        place = (table.name, ())
        if place not in self._statements:
            compiled = table.insert().compile(dialect=_compiler, column_keys=[column.key for column in table.columns])
            self._statements[place] = str(compiled)
        return self._statements[place]

    def _update_statement(self, table: Table, columns: tuple[str, ...]) -> str:
        place = (table.name, columns)
        if place not in self._statements:
            update = (
                table.update()
                .where(*(column == bindparam(f"key_{column.name}") for column in table.primary_key.columns))
                .values({table.c[name]: bindparam(f"new_{name}") for name in columns})
            )
            self._statements[place] = str(update.compile(dialect=_compiler))
        return self._statements[place]


def _rounded(count: int, most: int) -> int:
    """A few sizes of IN list are prepared, not hundreds; the rest of one is filled up with what it has already."""
    size = 8
    while size < count:
        size *= 4
    return min(size, most)
