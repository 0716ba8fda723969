"""Which processes receive pushes at an address: they share one token, and one of them keeps the webhook."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, select

from aforo.models import to_ms
from aforo.storage.backends.connection import DatabaseConnection
from aforo.storage.column_text import fit_key
from aforo.storage.schema import tables


class PushShare(NamedTuple):
    """What a process has of the pushes at an address.

    ``token``: the webhook's. ``keeps``: whether this process is the one that changes the webhook. ``alone``: whether no
    other one is alive.
    """

    token: str
    keeps: bool
    alone: bool


class PushShares:
    """Reads and writes aforo_push, inside a transaction of ``database``."""

    def __init__(self, database: DatabaseConnection, has_died: Callable[[str], bool]) -> None:
        self._database = database
        self._has_died = has_died

    def renew(  # noqa: PLR0913, PLR0917 -- the columns
        self, connection: Connection, url: str, instance: str, token: str, now: datetime, alive_for: timedelta
    ) -> PushShare:
        """Store a sign of life of a process at an address; returns its share.

        ``token`` is taken where no process had one: a webhook that a killed process left goes on with its own. A
        process that gave no sign for ``alive_for``, or is known to have died, is dropped; the keeper stays the keeper
        while it lives.
        """
        table, instance = tables.push, fit_key(instance)
        rows = connection.execute(select(table).where(table.c.url == url).order_by(table.c.instance)).all()
        oldest = to_ms(now - alive_for)
        gone = [
            row.instance
            for row in rows
            if row.instance != instance and (row.seen_ms < oldest or self._has_died(row.instance))
        ]
        if gone:
            connection.execute(table.delete().where(table.c.url == url, table.c.instance.in_(gone)))
        others = [row for row in rows if row.instance not in {instance, *gone}]
        own = next((row for row in rows if row.instance == instance), None)
        dead = [row for row in rows if row.instance in gone]
        shared = next((row.token for row in [*others, own, *dead] if row is not None), token)
        keeps = not any(row.keeps for row in others)
        row = (url, instance, shared, int(keeps), to_ms(now))
        if own is None:
            self._database.insert(connection, table, [row])
        else:
            self._database.update(connection, table, [row])
        return PushShare(shared, keeps, not others)

    def leave(self, connection: Connection, url: str, instance: str, now: datetime, alive_for: timedelta) -> bool:
        """Drop a process that receives no more, where others do; the last one stays, as the keeper: then True.

        So the last one can delete the webhook before another process makes a new one. Then ``drop`` it.
        """
        if self.renew(connection, url, instance, "", now, alive_for).alone:
            return True
        self.drop(connection, url, instance)
        return False

    def drop(self, connection: Connection, url: str, instance: str) -> None:
        """Drop a process."""
        table = tables.push
        connection.execute(table.delete().where(table.c.url == url, table.c.instance == fit_key(instance)))
