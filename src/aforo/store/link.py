"""One connection, owned by one thread, made anew whenever it has failed."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Table, bindparam, make_url
from sqlalchemy.engine import Engine
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from aforo.errors import BadSetting, StoreRejectedRow
from aforo.store.border import border
from aforo.store.dialects import Dialect, dialect_for

_log = logging.getLogger(__name__)


class Link:
    """The way to the database: transactions that write, one writer at a time, and transactions that only read."""

    def __init__(self, url: URL | str) -> None:
        self.dialect: Dialect = dialect_for(_parsed(url))
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        self._statements: dict[tuple[str, tuple[str, ...]], str] = {}

    @property
    def name(self) -> str:
        """The database, for people; without secrets."""
        return self.dialect.name

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, alone among writers: committed at the end, or as if it had never been.

        Raises StoreUnavailable, StoreRejectedLogin, StoreNotReady or StoreRejectedRow for what the driver raises.
        """
        with self._transaction() as connection:
            self.dialect.lock_writers(connection)
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One transaction that only reads; all of it as of one instant. Raises like ``write``."""
        with self._transaction() as connection:
            self.dialect.begin_read(connection)
            yield connection

    def insert(self, connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert whole rows, each a tuple in the order of the table's columns."""
        if rows:
            self.dialect.insert_rows(connection, self._insert_statement(table), rows)

    def update(
        self,
        connection: Connection,
        table: Table,
        rows: Sequence[tuple[Any, ...]],
        columns: tuple[str, ...] = (),
    ) -> None:
        """Update by primary key: rows hold the key, then the other columns (or ``columns``), in the table's order."""
        if rows:
            self.dialect.insert_rows(
                connection,
                self._update_statement(table, columns),
                [(*row[len(table.primary_key.columns) :], *row[: len(table.primary_key.columns)]) for row in rows],
            )

    def close(self) -> None:
        """Let go of the connection. Raises nothing."""
        connection, self._connection = self._connection, None
        if connection is not None:
            _quietly(connection.close)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with border(self.name, self.dialect.classify):
            connection = self._connected()
            try:
                yield connection
                connection.commit()
            except StoreRejectedRow:
                _quietly(connection.rollback)
                raise
            except BaseException:
                # Whatever the connection is worth now, a fresh one costs little and is known to be good.
                _quietly(connection.rollback)
                self.close()
                raise

    def _connected(self) -> Connection:
        if self._connection is None:
            if self._engine is None:
                self._engine = self.dialect.engine()
            connection = self._engine.connect()
            try:
                self.dialect.prepare(connection)
                connection.commit()
            except BaseException:
                _quietly(connection.close)
                raise
            self._connection = connection
        return self._connection

    def _update_statement(self, table: Table, columns: tuple[str, ...]) -> str:
        statement = self._statements.get((table.name, columns or ("*",)))
        if statement is None:
            keys = list(table.primary_key.columns)
            values = [column for column in table.columns if column.name in columns or not (columns or column in keys)]
            update = (
                table.update()
                .where(*(column == bindparam(f"key_{column.name}") for column in keys))
                .values({column: bindparam(f"new_{column.name}") for column in values})
            )
            statement = self._statements[table.name, columns or ("*",)] = str(update.compile(self._engine))
        return statement

    def _insert_statement(self, table: Table) -> str:
        statement = self._statements.get((table.name, ()))
        if statement is None:
            compiled = table.insert().compile(self._engine, column_keys=[column.key for column in table.columns])
            statement = self._statements[table.name, ()] = str(compiled)
        return statement


def _parsed(url: URL | str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as exc:
        # The text is not repeated: it may hold a password.
        raise BadSetting("database.url no es una URL de SQLAlchemy, como sqlite:///aforo.db.") from exc


def _quietly(action: Any) -> None:
    """Undo after a failure: an error of it must not hide the first one."""
    try:
        action()
    except SQLAlchemyError as exc:
        _log.debug("Al deshacer tras un fallo: %s", type(exc).__name__)
