"""SQL Server, through whichever driver there is: set-based writes, one writer at a time by an application lock."""

import json
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import compress
from operator import not_
from typing import Any

from sqlalchemy import (
    URL,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    SmallInteger,
    String,
    Table,
    Unicode,
    UnicodeText,
    Update,
    cast,
    collate,
    create_engine,
    event,
    func,
    literal,
    literal_column,
)
from sqlalchemy.dialects import mssql
from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import NullPool
from sqlalchemy.types import TypeEngine

from aforo.errors import StoreNotReady, StoreUnavailable
from aforo.storage.backends import tsql
from aforo.storage.backends.backend import DRAINED, LOCAL_TIME, Shortener
from aforo.storage.backends.drivers import LONG_TIMEOUT, STATEMENT_TIMEOUT, choose_driver
from aforo.storage.backends.errors import Recovery, classify_sql_server
from aforo.storage.column_text import BINARY, fit, fit_bytes

_log = logging.getLogger(__name__)

_LONGEST_VARCHAR = 8_000
_LONGEST_IN_JSON = 2_000  # characters, each two UTF-16 units at most: of more than 4,000 OPENJSON loses some or all
_NARROW = (mssql.VARCHAR, mssql.CHAR, mssql.TEXT)  # one code page; anything else becomes "?"
# CONVERT's style for yyyy-mm-dd hh:mi:ss.mmm, whatever the session's language.
_ISO: ColumnElement[int] = literal_column("121")
_ESCAPED = re.compile(r'["\\\x00-\x1f\x7f]')
_NOT_TAKEN = frozenset({-1, -2, -3})  # sp_getapplock: timed out, cancelled, deadlock victim
_MILLIS = 3  # decimals of a second
_MILLISECONDS: ColumnElement[Any] = literal_column("datetime2(3)")


class SqlServer:
    """The ``Backend`` of SQL Server. Rows travel as one JSON parameter (see ``tsql``) where it reads it."""

    most_parameters = 1_000

    def __init__(self, url: URL, *, try_json: bool = True) -> None:
        """``try_json``: write by JSON if the database reads it."""
        self._driver = choose_driver(url)
        self._json = try_json
        self._logged = False
        self.name = self._driver.name

    def engine(self) -> Engine:
        """Make connections with the driver that was chosen, and log which."""
        if not self._logged:
            self._logged = True
            _log.info("%s: %s.", self.name, self._driver.why)
        options: dict[str, Any] = {"fast_executemany": True} if self._driver.batches else {}
        engine = create_engine(
            f"{self._driver.dialect}://", creator=self._driver.connect, hide_parameters=True,
            use_insertmanyvalues=False, poolclass=NullPool, pool_reset_on_return=None, **options,
        )  # fmt: skip
        event.listen(engine, "after_cursor_execute", _drain)
        return engine

    def identity(self) -> object:
        """What the tables hold shows whether a server's database was restored."""
        return None

    def leave(self, connection: Connection) -> None:
        """A server keeps its databases apart."""

    def prepare(self, connection: Connection) -> bool:
        """Set the session up, and see whether this database reads JSON (since 2016, compatibility level 130)."""
        connection.exec_driver_sql(tsql.SET_UP)
        if not self._json:
            return True
        try:
            connection.exec_driver_sql(tsql.PROBE).all()
        except DBAPIError as exc:
            if classify_sql_server(exc) not in {Recovery.READY, Recovery.STATEMENT}:
                raise
            self._json = False
            _log.info("%s no conoce OPENJSON (nivel de compatibilidad < 130): se escribe fila a fila.", self.name)
        return self._json

    def lock_writers(self, connection: Connection) -> None:
        """Take the application lock; it ends with the transaction."""
        taken = connection.exec_driver_sql(tsql.LOCK).scalar()
        if taken in _NOT_TAKEN:
            raise StoreUnavailable(f"Otro proceso está escribiendo en {self.name}.", "Se sigue intentando.")
        if taken is None or taken < 0:
            raise StoreNotReady(f"{self.name} no da el bloqueo de aplicación (sp_getapplock: {taken}).")

    def confirm(self, connection: Connection) -> None:
        """The lock is gone where a trigger or an unseen error has rolled the transaction back."""
        if connection.exec_driver_sql(tsql.LOCKED).scalar() != "Exclusive":
            raise StoreUnavailable(f"{self.name} deshizo la transacción por su cuenta.", "Se repite entera.")

    def begin_read(self, connection: Connection) -> None:
        """The drivers begin by themselves."""

    def classify(self, exc: DBAPIError) -> Recovery:
        """What an error allows, whichever driver raises it."""
        return Recovery.UNIQUE if isinstance(exc, IntegrityError) else classify_sql_server(exc)

    def insert(self, connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert some thousand rows with each statement."""
        fields = [_field(column) for column in table.columns]
        plain, odd = _sorted_out(rows) if self._json else ([], list(rows))
        _with_json(connection, tsql.insert(_name(table), fields), plain)
        if odd:
            _run(connection, tsql.insert_one(_name(table), fields), odd)

    def update(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Update some thousand rows with each statement."""
        keys = [_field(column) for column in table.primary_key.columns]
        others = [_field(table.c[name]) for name in columns]
        plain, odd = _sorted_out(rows) if self._json else ([], list(rows))
        _with_json(connection, tsql.update(_name(table), keys, others), plain)
        if odd:
            turned = [(*row[len(keys) :], *row[: len(keys)]) for row in odd]
            _run(connection, tsql.update_one(_name(table), keys, others), turned)

    def among(
        self, connection: Connection, table: Table, columns: Sequence[str], key: str, values: Sequence[int]
    ) -> Iterable[Sequence[Any]]:
        """Select by one JSON list, or by lists of parameters."""
        field = _field(table.c[key])
        if self._json:
            sql = tsql.among(_name(table), columns, field)
            return connection.exec_driver_sql(sql, (json.dumps(list(values)),)).all()
        found: list[Sequence[Any]] = []
        for first in range(0, len(values), self.most_parameters):
            chunk = tuple(values[first : first + self.most_parameters])
            found += connection.exec_driver_sql(tsql.among_some(_name(table), columns, field, len(chunk)), chunk).all()
        return found

    def as_stored(self, column: Column[Any], value: str) -> ColumnElement[Any]:
        """The value as the column would keep it: rounded by its type, or in the letters of its collation."""
        given: ColumnElement[Any] = literal(value, Unicode(4000))
        if column.info.get(LOCAL_TIME):
            if isinstance(column.type, String):
                return given
            return cast(func.convert(_MILLISECONDS, given, _ISO), column.type)
        if isinstance(column.type, _NARROW):
            collation = column.type.collation
            return cast(
                collate(given, collation) if collation else given, mssql.VARCHAR(column.type.length or _LONGEST_VARCHAR)
            )
        return given

    @contextmanager
    def long_statements(self, connection: Connection) -> Iterator[None]:
        """Raise the driver's limit on the time of a statement meanwhile."""
        raw, driver_error = connection.connection.dbapi_connection, connection.dialect.loaded_dbapi.Error
        _set_timeout(raw, LONG_TIMEOUT, driver_error)
        try:
            yield
        finally:
            _set_timeout(raw, STATEMENT_TIMEOUT, driver_error)

    def limited_to_one(self, update: Update, mine: ColumnElement[bool]) -> Update:  # noqa: ARG002 -- no index leads to it
        """The first row of a scan."""
        return update.prefix_with("TOP (1)")

    def shortener(self, column: Column[Any]) -> Shortener | None:
        """To the declared length; none for ``max`` and for what is not text."""
        kind = column.type
        if not isinstance(kind, String) or column.info.get(LOCAL_TIME) or not isinstance(kind.length, int):
            return None
        return partial(fit_bytes if _is_utf8(kind) else fit, length=kind.length)

    def schema(self, name: str) -> str | None:
        """The schema that is named, or the account's own."""
        return name or None

    def refined_type(
        self, connection: Connection, table: str, schema: str | None, column: ReflectedColumn
    ) -> TypeEngine[Any]:
        """A ``datetime2`` with the decimals that it keeps."""
        if not isinstance(column["type"], mssql.DATETIME2):
            return column["type"]
        decimals = connection.exec_driver_sql(tsql.DECIMALS, (table, column["name"], schema or "")).scalar()
        return mssql.DATETIME2(precision=decimals)  # type: ignore[no-untyped-call]

    def missing_rights(self, connection: Connection, wanted: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Query which of the rights this account lacks."""
        if not self._json:
            return []
        rows = connection.exec_driver_sql(tsql.RIGHTS, (json.dumps([list(right) for right in wanted]),)).all()
        return [(row[0], row[1]) for row in rows]

    def misfits(self, column: Column[Any]) -> list[str]:
        """What the column's type rounds, or which letters it cannot hold."""
        kind = column.type
        if column.info.get(LOCAL_TIME):
            return _time_misfits(kind)
        if isinstance(kind, _NARROW) and not _is_utf8(kind):
            return ["es varchar: las letras que su intercalación no conoce, como los emoji, se guardan como «?»."]
        if isinstance(kind, mssql.TINYINT):
            return ["es tinyint: no admite un aforo mayor que 255."]
        if isinstance(kind, SmallInteger):
            return ["es smallint: no admite un aforo mayor que 32767."]
        return []


def _set_timeout(raw: Any, seconds: int, driver_error: type[Exception]) -> None:
    with suppress(driver_error):  # of a broken connection: the next statement fails as well
        raw.timeout = seconds


def _sorted_out(rows: Sequence[tuple[Any, ...]]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The rows that JSON carries as they are, and those with a text that is long or to be escaped."""
    if not any(_is_odd(value) for row in rows for value in row if isinstance(value, str)):
        return list(rows), []
    odd = [any(_is_odd(value) for value in row if isinstance(value, str)) for row in rows]
    return list(compress(rows, map(not_, odd))), list(compress(rows, odd))


def _is_odd(text: str) -> bool:
    """Whether JSON may change the text: not every server undoes the escaping or keeps a long text whole."""
    return len(text) > _LONGEST_IN_JSON or _ESCAPED.search(text) is not None


def _with_json(connection: Connection, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
    for first in range(0, len(rows), tsql.ROWS):
        # Escaped to plain ASCII: no driver's idea of the text's encoding can change it.
        _run(connection, sql, (json.dumps(rows[first : first + tsql.ROWS], separators=(",", ":")),))


def _run(connection: Connection, sql: str, parameters: Any) -> None:
    connection.exec_driver_sql(sql, parameters, execution_options={DRAINED: True})


def _drain(*event_: Any) -> None:
    """A trigger's own results come first and its error last: read all of them, or the error is never raised."""
    _connection, cursor, _sql, _parameters, context, _many = event_
    if context is not None and context.execution_options.get(DRAINED):
        while cursor.nextset():
            pass


def _name(table: Table) -> str:
    return f"{table.schema}.{table.name}" if table.schema else table.name


def _field(column: Column[Any]) -> tsql.Field:
    kind = column.type
    if column.info.get(LOCAL_TIME):
        converted = "{}" if isinstance(kind, String) else "CONVERT(datetime2(3), {}, 121)"
        return tsql.Field(column.name, "nvarchar(30)", converted=converted)
    if isinstance(kind, String):
        # In one size: a value that is too long is rejected by the table, not cut before it.
        return tsql.Field(
            column.name,
            "nvarchar(max)" if isinstance(kind, UnicodeText) else "nvarchar(4000)",
            BINARY if column.primary_key else "",
        )
    return tsql.Field(column.name, _whole_number(kind))


def _is_utf8(kind: String) -> bool:
    """Whether a column keeps every letter, and its length is one of bytes (since 2019)."""
    return isinstance(kind, _NARROW) and (kind.collation or "").upper().endswith("UTF8")


def _whole_number(kind: TypeEngine[Any]) -> str:
    if isinstance(kind, BigInteger):
        return "bigint"
    return "smallint" if isinstance(kind, SmallInteger) else "int"


def _time_misfits(kind: TypeEngine[Any]) -> list[str]:
    if isinstance(kind, mssql.DATETIMEOFFSET):
        return ["es datetimeoffset: se guarda la hora de Bogotá con desfase +00:00."]
    if isinstance(kind, mssql.SMALLDATETIME):
        return ["es smalldatetime: redondea al minuto."]
    if isinstance(kind, mssql.DATETIME2):
        short = kind.precision is not None and kind.precision < _MILLIS
        return [f"es datetime2({kind.precision}): no guarda los milisegundos enteros."] if short else []
    if isinstance(kind, String):
        return ["es texto: se guarda como AAAA-MM-DD hh:mm:ss.mmm."]
    if isinstance(kind, DateTime):
        return ["es datetime: redondea a 3 milésimas."]
    return [f"es {kind!r}: no guarda fecha y hora."]
