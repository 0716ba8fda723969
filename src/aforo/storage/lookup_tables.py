"""Servers and sources by number: the texts that camera events share are stored once, and cached."""

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from aforo.models import EventSource
from aforo.storage.backends.connection import DatabaseConnection
from aforo.storage.column_text import fit, fit_key
from aforo.storage.schema import tables

_MOST_CACHED = 100_000  # texts come from outside: however many there are, memory is bounded
_AT_ONCE = 500  # in one IN list


class LookupTables:
    """Numbers servers and sources inside a writing transaction; a number never changes."""

    def __init__(self, database: DatabaseConnection) -> None:
        self._database = database
        self._server_numbers: dict[str, int] = {}
        self._source_numbers: dict[tuple[str, ...], int] = {}
        self._servers: dict[int, str] = {}
        self._sources: dict[int, EventSource] = {}

    def invalidate(self) -> None:
        """Drop all that is cached: the numbers of a failed transaction are not in the database."""
        for texts_or_numbers in (self._server_numbers, self._source_numbers, self._servers, self._sources):
            texts_or_numbers.clear()

    def server_numbers(self, connection: Connection, server_ids: Iterable[str]) -> dict[str, int]:
        """The number of each server, numbering new ones."""
        wanted = set(server_ids)
        if not wanted <= self._server_numbers.keys():
            table = tables.servers
            known = {row.server_id: row.id for row in connection.execute(select(table))}
            for server_id in sorted(wanted - self._server_numbers.keys()):
                fitted = fit_key(server_id)
                if fitted not in known:
                    known[fitted] = max(known.values(), default=0) + 1
                    self._database.insert(connection, table, [(known[fitted], fitted)])
                self._server_numbers[server_id] = known[fitted]
        return self._server_numbers

    def source_numbers(self, connection: Connection, sources: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], int]:
        """The number of each source, numbering new ones."""
        if len(self._source_numbers) > _MOST_CACHED:
            self._source_numbers.clear()
        new = {raw: _fitted(raw) for raw in set(sources) - self._source_numbers.keys()}
        if new:
            known = self._of_cameras(connection, {source.camera_id for source in new.values()})
            unknown = sorted(set(new.values()) - known.keys())
            last = connection.scalar(select(func.max(tables.sources.c.id))) or 0 if unknown else 0
            numbered = dict(zip(unknown, range(last + 1, last + 1 + len(unknown)), strict=True))
            self._database.insert(
                connection, tables.sources, [(number, *source) for source, number in numbered.items()]
            )
            known.update(numbered)
            self._source_numbers.update({raw: known[source] for raw, source in new.items()})
        return self._source_numbers

    def servers(self, connection: Connection, numbers: Iterable[int]) -> dict[int, str]:
        """The servers of those numbers, and maybe more."""
        if not self._servers.keys() >= set(numbers):
            self._servers = {row.id: row.server_id for row in connection.execute(select(tables.servers))}
        return self._servers

    def sources(self, connection: Connection, numbers: Iterable[int]) -> dict[int, EventSource]:
        """The sources of those numbers, and maybe more."""
        if len(self._sources) > _MOST_CACHED:
            self._sources.clear()
        new = sorted(set(numbers) - self._sources.keys())
        table = tables.sources
        for first in range(0, len(new), _AT_ONCE):
            rows = connection.execute(select(table).where(table.c.id.in_(new[first : first + _AT_ONCE])))
            self._sources.update({number: EventSource(*texts) for number, *texts in rows})
        return self._sources

    def _of_cameras(self, connection: Connection, camera_ids: set[str]) -> dict[EventSource, int]:
        table = tables.sources
        known: dict[EventSource, int] = {}
        wanted = sorted(camera_ids)
        for first in range(0, len(wanted), _AT_ONCE):
            mine = table.c.camera_id.in_(wanted[first : first + _AT_ONCE])
            rows = connection.execute(select(table).where(mine).order_by(table.c.id.desc()))
            known.update({EventSource(*texts): number for number, *texts in rows})
        return known


def _fitted(raw: tuple[str, ...]) -> EventSource:
    camera_id, *texts = raw
    return EventSource(fit_key(camera_id), *map(fit, texts))
