"""Whose name the rows of the stadium's tables bear, through every edit of the schedule.

A history row bears the name of the show whose time it lies in, and none ("") where no show has that time any more: then
nobody counts it for an event, it is still there, and it gets its name back with the time. Nothing is ever deleted.
"""

import logging

from sqlalchemy import Connection

from aforo.models import ScheduledEvent, to_ms
from aforo.storage.event_ledger import EventLedger
from aforo.storage.site_tables.row_sync import ZoneRows
from aforo.storage.site_tables.tables import NOBODY, NameRefused, SiteTables

_log = logging.getLogger(__name__)


class Names:
    """Renames rows in the transaction that edits a show. A table that refuses that keeps the names it has."""

    def __init__(self, ledger: EventLedger, legacy: SiteTables, zone_rows: ZoneRows) -> None:
        self._ledger = ledger
        self._legacy = legacy
        self._zone_rows = zone_rows
        self._left_out = False
        self._told = ""

    def begin(self) -> None:
        """A piece of work begins: the table is tried."""
        self._left_out = False

    def refused(self, error: NameRefused) -> None:
        """The history's table refused it: it is left out of this piece of work, and told of once."""
        if self._left_out:
            raise error
        if str(error) != self._told:
            self._told = str(error)
            _log.error("%s Las filas ya guardadas conservan el nombre de evento que tenían.", error)
        self._left_out = True

    def follow(
        self, connection: Connection, before: ScheduledEvent, after: ScheduledEvent, *, shared: bool = False
    ) -> None:
        """A show is edited: its rows follow its name and its window. Raises NameRefused or ZoneRefused.

        ``shared``: another show bears the old name too, and keeps the zones' rows.
        """
        (since, until), (new_since, new_until) = (tuple(map(to_ms, event.window)) for event in (before, after))
        lost = ((since, min(until, new_since)), (max(since, new_until), until))
        gained = ((new_since, min(since, new_until)), (max(until, new_since), new_until))
        for span in lost:
            self.pass_on(connection, before.name, NOBODY, *span)
        self.pass_on(connection, before.name, after.name, max(since, new_since), min(until, new_until))
        if any(self._ledger.has(connection, *span) for span in (*lost, *gained)):
            # Last: a column that rounds to seconds or minutes shows both sides of the end as the same time.
            self.pass_on(connection, NOBODY, after.name, new_since, new_until)
        if before.name != after.name and not shared:
            self._zone_rows.rename(connection, before.name, after.name)

    def pass_on(self, connection: Connection, old: str, new: str, since_ms: int, until_ms: int) -> None:
        """The rows in ``[since_ms, until_ms)`` that bear one name bear another. Raises NameRefused."""
        # Without an index the whole table is gone through: not for a time of which nothing was stored.
        if old != new and not self._left_out and self._ledger.has(connection, since_ms, until_ms):
            self._legacy.rename_history(connection, old, new, since_ms, until_ms)
