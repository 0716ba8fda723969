"""The stadium's own tables: eventos_Analisis and one per zone. Made where missing, else used as found."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Integer,
    MetaData,
    Table,
    Unicode,
    bindparam,
    func,
    inspect,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.dialects import mssql
from sqlalchemy.engine.reflection import Inspector
from sqlalchemy.types import NullType, TypeEngine

from aforo.errors import StoreNotReady, StoreRejectedRow
from aforo.model import Zone
from aforo.settings.models import HISTORY_TABLE
from aforo.store.border import legacy_border
from aforo.store.link import Link
from aforo.store.local import LocalTimes

HISTORY_COLUMNS = ("analyticEventName", "area", "activity", "cameraId", "timestamp", "nombre_evento")
ZONE_COLUMNS = ("evento", "aforo")
HistoryRow = tuple[str, str, str, str, str, str]  # as HISTORY_COLUMNS, the timestamp as ISO wall time

_TEXT = Unicode(255)
_TIME = DateTime().with_variant(mssql.DATETIME2(precision=3), "mssql")  # type: ignore[no-untyped-call]
_TYPES: dict[str, TypeEngine[Any]] = {"timestamp": _TIME, "aforo": Integer()}


@dataclass(frozen=True, slots=True)
class Found:
    """A table of the stadium's as it is: ``columns`` maps the document's names to the columns of ``table``."""

    table: Table
    columns: dict[str, Column[Any]]


class ZoneRefused(StoreRejectedRow):
    """A zone's table does not take its aforo."""

    def __init__(self, what: str, zone: str) -> None:
        self.zone = zone
        super().__init__(what)


class Legacy:
    """The four tables. ``prepare`` first; every other method is called inside a transaction of ``link``."""

    def __init__(self, link: Link, zones: Sequence[Zone], timezone: ZoneInfo) -> None:
        self._link = link
        self._zone_tables = {zone.name: zone.table for zone in zones}
        self._local = LocalTimes(timezone)
        self._history: Found | None = None
        self._zones: dict[str, Found] = {}
        self._insert_history = ""

    def prepare(self, connection: Connection) -> None:
        """Find or create the tables. Raises StoreNotReady for a table without a column that the document gives it."""
        inspector = inspect(connection)
        self._history = self._find_or_create(connection, inspector, HISTORY_TABLE, HISTORY_COLUMNS)
        self._zones = {
            name: self._find_or_create(connection, inspector, table, ZONE_COLUMNS)
            for name, table in self._zone_tables.items()
        }
        values: dict[Column[Any], ColumnElement[Any]] = {
            self._history.columns[name]: bindparam(f"new_{name}", type_=Unicode()) for name in HISTORY_COLUMNS
        }
        timestamp = self._history.columns["timestamp"]
        values[timestamp] = self._link.dialect.local_time(values[timestamp])
        self._insert_history = str(self._history.table.insert().values(values).compile(connection.engine))

    def local_texts(self, instants: Iterable[int]) -> list[str]:
        """Epoch milliseconds as the stadium's wall time."""
        return self._local.texts(instants)

    def add_history(self, connection: Connection, rows: Sequence[HistoryRow]) -> None:
        """Insert history rows. Raises StoreRejectedRow where the table refuses one for what it holds."""
        if rows:
            with legacy_border(HISTORY_TABLE, self._link.name, self._link.dialect.classify):
                self._link.dialect.insert_rows(connection, self._insert_history, rows)

    def set_aforo(self, connection: Connection, zone: str, evento: str, aforo: int) -> None:
        """Write a zone's aforo where it differs: UPDATE, or INSERT where the event has no row yet."""
        found = self._zones[zone]
        evento_column, aforo_column = (found.columns[name] for name in ZONE_COLUMNS)
        with self._zone_border(zone):
            there = connection.scalars(select(aforo_column).where(evento_column == evento)).all()
            if not there:
                connection.execute(found.table.insert().values({evento_column: evento, aforo_column: aforo}))
            elif any(value != aforo for value in there):
                connection.execute(found.table.update().where(evento_column == evento).values({aforo_column: aforo}))

    def rename_history(self, connection: Connection, old: str, new: str, since_ms: int, until_ms: int) -> None:
        """The history rows of that time belong to a show of another name."""
        history = self._found_history()
        name = history.columns["nombre_evento"]
        mine = [name == old, *self._inside(history.columns["timestamp"], since_ms, until_ms)]
        with legacy_border(HISTORY_TABLE, self._link.name, self._link.dialect.classify):
            connection.execute(history.table.update().where(*mine).values({name: new}))

    def rename_zones(self, connection: Connection, old: str, new: str) -> None:
        """The show has another name: so have its rows, but where the new name has one already."""
        for zone, found in self._zones.items():
            evento = found.columns["evento"]
            with self._zone_border(zone):
                if not connection.scalars(select(evento).where(evento == new)).all():
                    connection.execute(found.table.update().where(evento == old).values({evento: new}))

    def _zone_border(self, zone: str) -> AbstractContextManager[None]:
        dialect, refused = self._link.dialect, partial(ZoneRefused, zone=zone)
        return legacy_border(self._zone_tables[zone], self._link.name, dialect.classify, refused)

    def history_count(self, connection: Connection, name: str, since_ms: int, until_ms: int) -> int:
        """How many history rows of that event lie in ``[since_ms, until_ms)``."""
        history = self._found_history()
        inside = self._inside(history.columns["timestamp"], since_ms, until_ms)
        count = select(func.count()).select_from(history.table).where(history.columns["nombre_evento"] == name, *inside)
        return int(connection.scalar(count) or 0)

    def _inside(self, timestamp: Column[Any], since_ms: int, until_ms: int) -> list[Any]:
        since, until = (
            self._link.dialect.local_time(literal(text, Unicode())) for text in self.local_texts((since_ms, until_ms))
        )
        # The plain name: compared as what it is, without the column type's own conversion of Python values.
        plain: ColumnElement[Any] = type_coerce(timestamp, NullType())
        return [plain >= since, plain < until]

    def _found_history(self) -> Found:
        assert self._history is not None, "prepare() first"  # noqa: S101
        return self._history

    def _find_or_create(
        self, connection: Connection, inspector: Inspector, name: str, columns: tuple[str, ...]
    ) -> Found:
        schema, _, bare = name.rpartition(".")
        where = self._link.dialect.schema(schema)
        there = [*inspector.get_table_names(where), *inspector.get_view_names(where)]
        actual = next((table for table in there if table.lower() == bare.lower()), None)
        if actual is None:
            made = Table(
                bare, MetaData(), *(Column(column, _TYPES.get(column, _TEXT)) for column in columns), schema=where
            )
            made.create(connection)
            return Found(made, {column: made.c[column] for column in columns})
        return self._as_found(inspector, actual, where, columns)

    def _as_found(self, inspector: Inspector, name: str, schema: str | None, wanted: tuple[str, ...]) -> Found:
        there = {column["name"].lower(): column for column in inspector.get_columns(name, schema)}
        missing = [column for column in wanted if column.lower() not in there]
        if missing:
            raise StoreNotReady(
                f"La tabla {name} de {self._link.name} existe, pero le faltan columnas: {', '.join(missing)}.",
                "No se toca nada.",
                "Añádalas o cambie el nombre de la tabla en los ajustes.",
            )
        columns = [Column(there[column.lower()]["name"], there[column.lower()]["type"]) for column in wanted]
        table = Table(name, MetaData(), *columns, schema=schema)
        return Found(table, dict(zip(wanted, columns, strict=True)))
