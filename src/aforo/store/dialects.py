"""All that differs between databases, in one place."""

import sqlite3
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import URL, ColumnElement, Connection, create_engine
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import NullPool

from aforo.errors import StoreNotReady
from aforo.store.border import Allows

_BUSY_TIMEOUT = 1.0  # seconds SQLite itself waits for another writer; longer waits are the Writer's, who tells of them
_CACHE_KIB = 32_768  # of pages in memory: an evening's newest part, whatever the size of the file
_ROWS_AT_ONCE = 200  # in one INSERT: with our widest table far below the parameters that any SQLite takes
_CHECKPOINT_PAGES = 4_000  # pages (16 MB) of WAL before they are moved to the file: fewer rewrites of the same page


class Dialect(Protocol):
    """What the store asks of a kind of database."""

    name: str
    most_parameters: int

    def engine(self) -> Engine: ...  # noqa: D102 -- makes connections, none pooled
    def prepare(self, connection: Connection) -> None: ...  # noqa: D102 -- once per fresh connection
    def lock_writers(self, connection: Connection) -> None: ...  # noqa: D102 -- opens the one writing transaction
    def begin_read(self, connection: Connection) -> None: ...  # noqa: D102 -- opens a transaction that only reads
    def classify(self, exc: DBAPIError) -> Allows: ...  # noqa: D102
    def local_time(self, value: ColumnElement[str]) -> ColumnElement[Any]: ...  # noqa: D102 -- ISO text → a timestamp
    def schema(self, name: str) -> str | None: ...  # noqa: D102 -- as the database takes it
    def insert_rows(self, connection: Connection, sql: str, rows: Sequence[tuple[Any, ...]]) -> None: ...  # noqa: D102


class Sqlite:
    """SQLite, the embedded default: one file, WAL, one writer at a time by BEGIN IMMEDIATE."""

    most_parameters = 500  # in one IN list

    def __init__(self, url: URL) -> None:
        self._url = url
        self.name = f"SQLite {url.database or 'en memoria'}"

    def engine(self) -> Engine:
        """Make connections in autocommit mode: BEGIN is said by ``lock_writers`` and ``begin_read``."""
        self._check_folder()
        arguments = {"timeout": _BUSY_TIMEOUT, "isolation_level": None, "check_same_thread": False}
        return create_engine(self._url, poolclass=NullPool, connect_args=arguments, hide_parameters=True)

    def _check_folder(self) -> None:
        if not self._url.database or self._url.database == ":memory:":
            return
        folder = Path(self._url.database).absolute().parent
        if not folder.is_dir():
            raise StoreNotReady(
                f"No existe la carpeta {folder}, donde debe estar la base de datos.",
                remedy="Créela o cambie el ajuste database.url.",
            )

    def prepare(self, connection: Connection) -> None:
        """Set up a fresh connection. NORMAL may lose the last commits in a power cut, never half of one."""
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            f"cache_size=-{_CACHE_KIB}",
            f"wal_autocheckpoint={_CHECKPOINT_PAGES}",
            "temp_store=MEMORY",
        ):
            connection.exec_driver_sql(f"PRAGMA {pragma}")

    def lock_writers(self, connection: Connection) -> None:
        """Begin, as the only writer."""
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def begin_read(self, connection: Connection) -> None:
        """Begin; all that is read is of one instant."""
        connection.exec_driver_sql("BEGIN")

    def classify(self, exc: DBAPIError) -> Allows:
        """What an error of sqlite3 allows, by SQLite's own code."""
        code = getattr(exc.orig, "sqlite_errorcode", None)
        if isinstance(exc, IntegrityError):
            unique = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}
            return Allows.UNIQUE if code in unique else Allows.ROW
        if code is None:
            return Allows.ROW if "binding parameter" in str(exc.orig) else Allows.RETRY
        primary = code & 0xFF
        if primary in {sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH}:
            return Allows.ROW
        mend = {
            sqlite3.SQLITE_ERROR,
            sqlite3.SQLITE_READONLY,
            sqlite3.SQLITE_PERM,
            sqlite3.SQLITE_AUTH,
            sqlite3.SQLITE_CORRUPT,
            sqlite3.SQLITE_NOTADB,
        }
        return Allows.READY if primary in mend else Allows.RETRY

    def local_time(self, value: ColumnElement[str]) -> ColumnElement[Any]:
        """SQLite keeps times as text: the value itself."""
        return value

    def schema(self, name: str) -> str | None:  # noqa: ARG002 -- other databases have some
        """SQLite has no schemas: ``dbo.Aforo`` is the table ``Aforo``."""
        return None

    def insert_rows(self, connection: Connection, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a compiled statement for every row; an INSERT for many rows at a time, which takes half as long.

        The driver lets go of the interpreter at every step: fewer steps also leave the rest of the program in peace.
        """
        start, values, one = sql.partition(" VALUES ")
        whole = len(rows) - len(rows) % _ROWS_AT_ONCE if values else 0
        for first in range(0, whole, _ROWS_AT_ONCE):
            several = tuple(chain.from_iterable(rows[first : first + _ROWS_AT_ONCE]))
            connection.exec_driver_sql(f"{start}{values}{', '.join([one] * _ROWS_AT_ONCE)}", several)
        if whole < len(rows):
            connection.exec_driver_sql(sql, list(rows[whole:]))


def dialect_for(url: URL) -> Dialect:
    """The dialect of a database URL. Raises StoreNotReady for a database that is not supported."""
    if url.get_backend_name() == "sqlite":
        return Sqlite(url)
    raise StoreNotReady(
        f"No se admite la base de datos «{url.get_backend_name()}».", remedy="Use SQL Server o SQLite (database.url)."
    )
