"""One connection, owned by one thread, made anew whenever it has failed."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Table, make_url
from sqlalchemy.engine import Engine
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from aforo.errors import BadSetting, StoreRejectedRow
from aforo.storage.backends import backend_for
from aforo.storage.backends.backend import Backend
from aforo.storage.backends.error_translation import translated_errors

_log = logging.getLogger(__name__)
# It logs, at length and in English, each broken connection that it cannot close; nobody has to act on that.
logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)


class DatabaseConnection:
    """Transactions that write, one writer at a time, and transactions that only read.

    ``on_reconnected`` is called before the first transaction of each connection but the first.
    """

    def __init__(self, url: URL | str) -> None:
        self.on_reconnected: Callable[[], None] | None = None
        self.backend: Backend = backend_for(_parsed(url))
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        self._identity: object = None
        self._has_connected = False

    @property
    def reached(self) -> bool:
        """Whether a connection has come about."""
        return self._has_connected

    @property
    def name(self) -> str:
        """The database, for people; without secrets."""
        return self.backend.name

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, alone among writers: committed at the end, or rolled back.

        Raises StoreUnavailable, StoreRejectedLogin, StoreNotReady or StoreRejectedRow for what the driver raises.
        """
        with self._transaction() as connection:
            self.backend.lock_writers(connection)
            yield connection
            self.backend.confirm(connection)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One transaction that only reads: of one instant in SQLite, each statement of its own in SQL Server.

        Raises like ``write``.
        """
        with self._transaction() as connection:
            self.backend.begin_read(connection)
            yield connection

    def insert(self, connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert whole rows, each a tuple in the order of the table's columns."""
        if rows:
            self.backend.insert(connection, table, rows)

    def update(
        self, connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]], columns: tuple[str, ...] = ()
    ) -> None:
        """Update by primary key: rows hold the key, then the other columns (or ``columns``), in the table's order."""
        if rows:
            others = columns or tuple(column.name for column in table.columns if not column.primary_key)
            self.backend.update(connection, table, others, rows)

    def close(self) -> None:
        """Close the connection. Raises nothing."""
        connection, self._connection = self._connection, None
        if connection is not None:
            _quietly(connection.close)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with translated_errors(self.name, self.backend.classify):
            connection = self._connected()
            try:
                yield connection
                connection.commit()
            except StoreRejectedRow:
                if not _quietly(connection.rollback):
                    self.close()
                raise
            except BaseException:
                # Whatever the connection is worth now, a fresh one costs little and is known to be good.
                _quietly(connection.rollback)
                self.close()
                raise

    def _connected(self) -> Connection:
        if self._connection is not None and self.backend.identity() != self._identity:
            self.backend.leave(self._connection)
            self.close()
        if self._connection is None:
            self._connection = self._connect()
            self._identity = self.backend.identity()
            reconnected, self._has_connected = self._has_connected, True
            if reconnected and self.on_reconnected is not None:
                self.on_reconnected()
        return self._connection

    def _connect(self) -> Connection:
        if self._engine is None:
            self._engine = self.backend.engine()
        while True:
            connection, prepared = self._engine.connect(), False
            try:
                prepared = self.backend.prepare(connection)
                if prepared:
                    connection.commit()
                    return connection
            finally:
                if not prepared:
                    _quietly(connection.close)


def _parsed(url: URL | str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        # The text is not repeated, nor is the cause, which repeats it: it may hold a password.
        raise BadSetting("database.url no es una URL de SQLAlchemy, como sqlite:///aforo.db.") from None


def _quietly(action: Callable[[], object]) -> bool:
    """Undo after a failure: an error of it must not hide the first one. Returns whether it went well."""
    try:
        action()
    except SQLAlchemyError as exc:
        _log.debug("Al deshacer tras un fallo: %s", type(exc).__name__)
        return False
    return True
