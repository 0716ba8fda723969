"""The logged-out sessions in the database, so that they stay ended after a restart."""

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime

from aforo.background import SerialQueue
from aforo.storage import Database
from aforo.web.auth import Visitor

_log = logging.getLogger(__name__)

_PATIENCE = 2.0  # real seconds that a logout, and the end of the page, wait for the database


class SessionArchive:
    """Stores and reads the ids of logged-out sessions. While the database is away they wait in memory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writes = SerialQueue("aforo-web-session", _log, failure="El cierre de una sesión no se pudo guardar: %s")

    async def ended(self, now: datetime) -> frozenset[str]:
        """Return the ids of the logged-out sessions that have not expired by themselves (``now``: aware UTC)."""
        return await self._database.ended_sessions(now)

    async def end(self, visitor: Visitor, now: datetime) -> None:
        """Store that a session was logged out; where that takes long, it goes on after the call."""
        expires = datetime.fromtimestamp(visitor.until, UTC)
        write = self._writes.add(self._database.end_session(visitor.session, expires, now))
        await asyncio.wait([write], timeout=_PATIENCE)

    async def close(self) -> None:
        """Wait a moment for what is not stored yet."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self._writes.join()
        self._writes.cancel()
