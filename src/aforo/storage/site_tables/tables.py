"""The site tables: eventos_Analisis and one per zone."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Update, func, inspect, select, type_coerce
from sqlalchemy.types import NullType

from aforo.errors import StoreRejectedRow
from aforo.models import Zone, from_ms
from aforo.settings import HISTORY_TABLE
from aforo.storage.backends.backend import DRAINED
from aforo.storage.backends.connection import DatabaseConnection
from aforo.storage.backends.error_translation import site_table_errors
from aforo.storage.site_tables.reflection import ReflectedTable, find_or_create

_MILLI_TEXTS = tuple(f"{milli:03d}" for milli in range(1000))
_MOST_SECONDS = 10_000  # texts that are kept: some hours, a megabyte
HISTORY_COLUMNS = ("analyticEventName", "area", "activity", "cameraId", "timestamp", "nombre_evento")
ZONE_COLUMNS = ("evento", "aforo")
NO_EVENT = ""  # the nombre_evento of a row in whose time there is no event any more
HistoryRow = tuple[str, str, str, str, str, str]  # as HISTORY_COLUMNS, the timestamp as ISO wall time


class LocalTimes:
    """Wall time of one time zone as ``YYYY-MM-DD HH:MM:SS.mmm``."""

    def __init__(self, timezone: ZoneInfo) -> None:
        self._timezone = timezone
        self._seconds: dict[int, str] = {}

    def texts(self, instants: Iterable[int]) -> list[str]:
        """One text per instant (epoch milliseconds)."""
        seconds, second = self._seconds, self._second
        return [(seconds.get(ms // 1000) or second(ms // 1000)) + _MILLI_TEXTS[ms % 1000] for ms in instants]

    def _second(self, second: int) -> str:
        if len(self._seconds) >= _MOST_SECONDS:
            self._seconds.clear()
        local = from_ms(second * 1000).astimezone(self._timezone)
        text = self._seconds[second] = local.strftime("%Y-%m-%d %H:%M:%S.")
        return text


class ZoneRowRejected(StoreRejectedRow):
    """A zone's table rejects its row."""

    def __init__(self, what: str, zone: str) -> None:
        self.zone = zone
        super().__init__(what)


class RenameRejected(StoreRejectedRow):
    """The history's table rejects the renaming of its rows."""


class SiteTables:
    """The history's table and the zones'. ``prepare`` comes first; all else happens inside a transaction."""

    def __init__(self, database: DatabaseConnection, zones: Sequence[Zone], timezone: ZoneInfo) -> None:
        self._database = database
        self._zone_tables = {zone.name: zone.table for zone in zones}
        self._local = LocalTimes(timezone)
        self._found: ReflectedTable | None = None
        self._zones: dict[str, ReflectedTable] = {}

    def prepare(self, connection: Connection) -> None:
        """Find or create the tables. Raises StoreNotReady for a table that cannot be used as it is."""
        inspector, backend = inspect(connection), self._database.backend
        self._found = find_or_create(connection, inspector, backend, HISTORY_TABLE, HISTORY_COLUMNS)
        self._zones = {
            name: find_or_create(connection, inspector, backend, table, ZONE_COLUMNS)
            for name, table in self._zone_tables.items()
        }

    @property
    def names(self) -> tuple[str, list[str]]:
        """The history's table and the zones', as the database calls them."""
        return str(self._history.table), [str(found.table) for found in self._zones.values()]

    def local_texts(self, instants: Iterable[int]) -> list[str]:
        """Epoch milliseconds as the site's wall time."""
        return self._local.texts(instants)

    def add_history(self, connection: Connection, rows: Sequence[HistoryRow]) -> None:
        """Insert history rows. Raises StoreRejectedRow where the table rejects one for its values."""
        if rows:
            with self._history_errors():
                self._database.insert(connection, self._history.table, self._fitted(rows))

    def set_aforo(self, connection: Connection, zone: str, evento: str, aforo: int) -> None:
        """Write a zone's aforo where it differs: UPDATE, or INSERT where the event has no row yet."""
        found = self._zones[zone]
        column, value = found.columns["aforo"], found.fit("evento", evento)
        with self._zone_errors(zone):
            mine = self._is(found, "evento", evento)
            there = connection.scalars(select(column).where(mine)).all()
            if not there:
                self._database.insert(connection, found.table, [(value, aforo)])
            elif any(not _same(known, aforo) for known in there):
                self._update(connection, found.table.update().where(mine).values({column: aforo}))

    def rename_history(self, connection: Connection, old: str, new: str, since_ms: int, until_ms: int) -> None:
        """Give the history rows of that time and name another name. Raises RenameRejected."""
        history = self._history
        mine = [self._is(history, "nombre_evento", old), *self._inside(since_ms, until_ms)]
        with self._name_errors(), self._database.backend.long_statements(connection):
            self._update(connection, self._renaming(new).where(*mine))

    def try_renaming(self, connection: Connection, old: str, new: str) -> None:
        """Rename one row, that event's or any, in a transaction that is rolled back. Raises RenameRejected."""
        with self._name_errors():
            mine = self._is(self._history, "nombre_evento", old)
            self._update(connection, self._database.backend.limited_to_one(self._renaming(new), mine))

    def rename_zone(self, connection: Connection, zone: str, old: str, new: str) -> None:
        """Give an event's row another name, unless that name has a row already. Raises ZoneRowRejected."""
        found = self._zones[zone]
        evento = found.columns["evento"]
        with self._zone_errors(zone):
            if not connection.scalars(select(evento).where(self._is(found, "evento", new))).all():
                mine = self._is(found, "evento", old)
                renaming = found.table.update().values({evento: self._stored(found, "evento", new)})
                self._update(connection, renaming.where(mine))

    def history_count(self, connection: Connection, name: str, since_ms: int, until_ms: int) -> int:
        """How many history rows of that event lie in ``[since_ms, until_ms)``."""
        history = self._history
        mine = [self._is(history, "nombre_evento", name), *self._inside(since_ms, until_ms)]
        with self._database.backend.long_statements(connection):
            return int(connection.scalar(select(func.count()).select_from(history.table).where(*mine)) or 0)

    def misfits(self, texts: dict[str, Collection[str]]) -> list[str]:
        """What the tables cannot keep as it is, in Spanish: by their types, and of these texts by column."""
        found_misfits = []
        for found in (self._history, *self._zones.values()):
            for name, column in found.columns.items():
                found_misfits += [
                    f"{found.table.name}.{column.name}: {what}" for what in self._database.backend.misfits(column)
                ]
                found_misfits += [
                    f"{found.table.name}.{column.name}: «{text}» no cabe y se guarda como «{found.fit(name, text)}»."
                    for text in texts.get(name, ())
                    if found.fit(name, text) != text
                ]
        return found_misfits

    @property
    def _history(self) -> ReflectedTable:
        assert self._found is not None, "prepare() first"  # noqa: S101
        return self._found

    def _fitted(self, rows: Sequence[HistoryRow]) -> Sequence[HistoryRow]:
        """The rows with texts that their columns accept; sources are few, so each is cut once."""
        found = self._history
        if not any(found.shorteners):
            return rows
        first = HISTORY_COLUMNS[:4]
        cut = {row[:4]: row[:4] for row in rows}
        for texts in cut:
            name, area, activity, camera_id = (found.fit(*one) for one in zip(first, texts, strict=True))
            cut[texts] = (name, area, activity, camera_id)
        events = {event: found.fit("nombre_evento", event) for event in {row[5] for row in rows}}
        return [(*cut[row[:4]], row[4], events[row[5]]) for row in rows]

    def _is(self, found: ReflectedTable, name: str, text: str) -> ColumnElement[bool]:
        return found.columns[name] == self._stored(found, name, text)

    def _stored(self, found: ReflectedTable, name: str, text: str) -> ColumnElement[Any]:
        return self._database.backend.as_stored(found.columns[name], found.fit(name, text))

    def _inside(self, since_ms: int, until_ms: int) -> list[ColumnElement[bool]]:
        """The timestamps in ``[since_ms, until_ms)``, as the column's type rounds them."""
        timestamp = self._history.columns["timestamp"]
        first, last = (
            self._database.backend.as_stored(timestamp, text) for text in self.local_texts((since_ms, until_ms - 1))
        )
        # The plain name: compared as what it is, without the column type's own conversion of Python values.
        plain: ColumnElement[Any] = type_coerce(timestamp, NullType())
        return [plain >= first, plain <= last]

    def _renaming(self, new: str) -> Update:
        history = self._history
        return history.table.update().values(
            {history.columns["nombre_evento"]: self._stored(history, "nombre_evento", new)}
        )

    def _update(self, connection: Connection, update: Update) -> None:
        connection.execute(update, execution_options={DRAINED: True})

    def _history_errors(self) -> AbstractContextManager[None]:
        return site_table_errors(HISTORY_TABLE, self._database.name, self._database.backend.classify)

    def _name_errors(self) -> AbstractContextManager[None]:
        return site_table_errors(HISTORY_TABLE, self._database.name, self._database.backend.classify, RenameRejected)

    def _zone_errors(self, zone: str) -> AbstractContextManager[None]:
        backend, rejected = self._database.backend, partial(ZoneRowRejected, zone=zone)
        return site_table_errors(self._zone_tables[zone], self._database.name, backend.classify, rejected)


def _same(known: object, aforo: int) -> bool:
    """Whether a row holds that count already, whatever the column's type."""
    try:
        return int(str(known)) == aforo
    except ValueError:
        return False
