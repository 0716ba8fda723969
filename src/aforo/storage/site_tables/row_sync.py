"""Each zone's aforo in its table. A table that refuses it is left out for a while: it holds up nothing."""

import logging
from collections.abc import Container, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from aforo.models import Zone
from aforo.storage.record_cache import CachedRecord
from aforo.storage.site_tables.tables import SiteTables, ZoneRefused

_log = logging.getLogger(__name__)

_LEFT_OUT = timedelta(seconds=60)  # until a table that refused a row is tried again


class ZoneRows:
    """Writes the zones' tables in the transaction that changes the aforo; they can be made again from our own."""

    def __init__(self, legacy: SiteTables, zones: Sequence[Zone]) -> None:
        self._legacy = legacy
        self._zones = zones
        self._refused: dict[str, datetime | None] = {}
        self._left_out: set[str] = set()
        self._taken: set[str] = set()

    def begin(self, now: datetime | None) -> None:
        """A piece of work begins: tables that refused their row lately rest; without ``now`` every one is tried."""
        self._left_out = {
            zone
            for zone, since in self._refused.items()
            if now is not None and since is not None and now - since < _LEFT_OUT
        }
        self._taken.clear()

    def refused(self, error: ZoneRefused, now: datetime | None) -> None:
        """A table refused its row: it is left out of this piece of work, and told of once."""
        if error.zone in self._left_out:
            raise error
        if error.zone not in self._refused:
            _log.error("%s Todo lo demás se guarda; el aforo de %s está en aforo_minutes.", error, error.zone)
        self._refused[error.zone] = now
        self._left_out.add(error.zone)
        self._taken.clear()

    def stored(self) -> None:
        """The piece of work is committed: the tables that took their rows again are as good as any."""
        for zone in self._taken & self._refused.keys():
            del self._refused[zone]
            _log.info("La tabla de la zona %s vuelve a admitir el aforo.", zone)

    def rename(self, connection: Connection, old: str, new: str) -> None:
        """The show has another name: so has its row in every table that allows it. Raises ZoneRefused."""
        for zone in self._zones:
            if zone.name not in self._left_out:
                self._legacy.rename_zone(connection, zone.name, old, new)

    def write(self, connection: Connection, book: CachedRecord, only: Container[str] | None = None) -> None:
        """Write the aforo of all zones, or ``only`` of some. Raises ZoneRefused."""
        due = [zone for zone in self._zones if only is None or zone.name in only or zone.name in self._refused]
        for zone, occupancy in book.occupancies(due).items():
            if zone not in self._left_out:
                self._legacy.set_aforo(connection, zone, book.event.name, occupancy.count)
                self._taken.add(zone)
