"""Keeps the rows of the site tables in step with the event records: each zone's count, and the events' names."""

import logging
from collections.abc import Container, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from aforo.models import ScheduledEvent, Zone, to_ms
from aforo.storage.event_ledger import EventLedger
from aforo.storage.record_cache import CachedRecord
from aforo.storage.site_tables.tables import NO_EVENT, RenameRejected, SiteTables, ZoneRowRejected

_log = logging.getLogger(__name__)

_LEFT_OUT = timedelta(seconds=60)  # until a table that rejected a row is tried again


class ZoneRows:
    """Writes the zones' tables in the transaction that changes the occupancy.

    A table that rejects its row is left out for a while: it delays nothing, and can be made again from our own tables.
    """

    def __init__(self, site_tables: SiteTables, zones: Sequence[Zone]) -> None:
        self._site_tables = site_tables
        self._zones = zones
        self._rejected: dict[str, datetime | None] = {}
        self._left_out: set[str] = set()
        self._written: set[str] = set()
        self._logged_namesakes: set[int] = set()

    @property
    def rejected(self) -> Sequence[str]:
        """The zones whose table rejected its row when it was last written."""
        return tuple(self._rejected)

    def begin(self, now: datetime | None) -> None:
        """Begin a transaction: tables that rejected their row lately are left out; without ``now`` all are tried."""
        self._left_out = {
            zone
            for zone, since in self._rejected.items()
            if now is not None and since is not None and now - since < _LEFT_OUT
        }
        self._written.clear()

    def leave_out(self, error: ZoneRowRejected, now: datetime | None) -> bool:
        """Leave the table that rejected its row out of this transaction; False where it is left out already."""
        if error.zone in self._left_out:
            return False
        if error.zone not in self._rejected:
            _log.error("%s Todo lo demás se guarda; el aforo de %s está en aforo_minutes.", error, error.zone)
        self._rejected[error.zone] = now
        self._left_out.add(error.zone)
        self._written.clear()
        return True

    def committed(self) -> None:
        """Log which tables accept their rows again."""
        for zone in self._written & self._rejected.keys():
            del self._rejected[zone]
            _log.info("La tabla de la zona %s vuelve a admitir el aforo.", zone)

    def rename(self, connection: Connection, old: str, new: str) -> None:
        """Give the event's row its new name in every table. Raises ZoneRowRejected."""
        for zone in self._zones:
            if zone.name not in self._left_out:
                self._site_tables.rename_zone(connection, zone.name, old, new)

    def write(self, connection: Connection, cached: CachedRecord, only: Container[str] | None = None) -> None:
        """Write the count of all zones, or ``only`` of some. Raises ZoneRowRejected.

        The row of a name belongs to the newest event of that name: an earlier one leaves it, and that is logged.
        """
        if cached.namesake_day:
            self._log_namesake(cached)
            return
        due = [zone for zone in self._zones if only is None or zone.name in only or zone.name in self._rejected]
        for zone, occupancy in cached.occupancies(due).items():
            if zone not in self._left_out:
                self._site_tables.set_aforo(connection, zone, cached.event.name, occupancy.count)
                self._written.add(zone)

    def _log_namesake(self, cached: CachedRecord) -> None:
        if cached.record_id not in self._logged_namesakes:
            self._logged_namesakes.add(cached.record_id)
            _log.warning(
                "«%s», del %s, se llama igual que un evento posterior, el del %s: la fila de ese nombre en las tablas"
                " de las zonas es del posterior y no se toca. El aforo de este está en aforo_minutes y en su acta.",
                cached.event.name, cached.event.day, cached.namesake_day,
            )  # fmt: skip


class EventNames:
    """Renames rows in the transaction that edits an event. A table that rejects that keeps the names it has.

    A history row has the name of the event in whose window it lies, and none ("") where no event has that time any
    more: then no event counts it, it is still there, and it gets its name back with the time. Nothing is ever deleted.
    """

    def __init__(self, ledger: EventLedger, site_tables: SiteTables, zone_rows: ZoneRows) -> None:
        self._ledger = ledger
        self._site_tables = site_tables
        self._zone_rows = zone_rows
        self._left_out = False
        self._logged = ""

    def begin(self) -> None:
        """Begin a transaction: the history's table is tried."""
        self._left_out = False

    def leave_out(self, error: RenameRejected) -> bool:
        """Leave the history's table out of this transaction; False where it is left out already."""
        if self._left_out:
            return False
        if str(error) != self._logged:
            self._logged = str(error)
            _log.error("%s Las filas ya guardadas conservan el nombre de evento que tenían.", error)
        self._left_out = True
        return True

    def follow(
        self, connection: Connection, before: ScheduledEvent, after: ScheduledEvent, *, shared: bool = False
    ) -> None:
        """Bring an edited event's rows to its new name and window. Raises RenameRejected or ZoneRowRejected.

        ``shared``: another event has the old name too, and keeps the zones' rows.
        """
        (since, until), (new_since, new_until) = (tuple(map(to_ms, event.window)) for event in (before, after))
        lost = ((since, min(until, new_since)), (max(since, new_until), until))
        gained = ((new_since, min(since, new_until)), (max(until, new_since), new_until))
        for span in lost:
            self.rename_history(connection, before.name, NO_EVENT, *span)
        self.rename_history(connection, before.name, after.name, max(since, new_since), min(until, new_until))
        if any(self._ledger.has(connection, *span) for span in (*lost, *gained)):
            # Last: a column that rounds to seconds or minutes shows both sides of the end as the same time.
            self.rename_history(connection, NO_EVENT, after.name, new_since, new_until)
        if before.name != after.name and not shared:
            self._zone_rows.rename(connection, before.name, after.name)

    def rename_history(self, connection: Connection, old: str, new: str, since_ms: int, until_ms: int) -> None:
        """Give the history rows in ``[since_ms, until_ms)`` of one name another one. Raises RenameRejected."""
        # Without an index the whole table is scanned: not for a time in which nothing was stored.
        if old != new and not self._left_out and self._ledger.has(connection, since_ms, until_ms):
            self._site_tables.rename_history(connection, old, new, since_ms, until_ms)
