"""The sessions of the page that were logged out: their cookies stay signed until they expire."""

from datetime import datetime

from sqlalchemy import Connection, select

from aforo.models import to_ms
from aforo.storage.backends.connection import DatabaseConnection
from aforo.storage.schema import tables


class EndedSessions:
    """Reads and writes aforo_ended_sessions, inside a transaction of ``database``."""

    def __init__(self, database: DatabaseConnection) -> None:
        self._database = database

    def end(self, connection: Connection, key: str, expires: datetime, now: datetime) -> None:
        """Store the key of a session, once; delete the keys of sessions that have expired by themselves."""
        table = tables.ended_sessions
        connection.execute(table.delete().where(table.c.expires_ms <= to_ms(now)))
        if connection.execute(select(table.c.session_key).where(table.c.session_key == key)).first() is None:
            self._database.insert(connection, table, [(key, to_ms(expires))])

    def ended(self, connection: Connection, now: datetime) -> frozenset[str]:
        """The keys of the sessions that were logged out and have not expired by themselves."""
        table = tables.ended_sessions.c
        return frozenset(connection.scalars(select(table.session_key).where(table.expires_ms > to_ms(now))))
