"""Journals that this process works on an event, and warns of another process that does."""

import logging
from datetime import datetime, timedelta

from aforo.clock import Clock
from aforo.instances import has_died, new_instance
from aforo.storage import Database, EventRecord

_log = logging.getLogger("aforo.alerting.incidents")


class InstanceBeacon:
    """Renews this process's entry in the journal of an event, and lists the other processes with a recent one."""

    def __init__(self, database: Database, clock: Clock, every: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._every = every
        self._instance = new_instance()
        self._started = clock.monotonic()
        self._began: datetime | None = None
        self._others: set[str] = set()

    def reset(self) -> None:
        """Empty the list of other processes: another event is open."""
        self._others = set()

    async def beat(self, record: EventRecord) -> None:
        """Renew the entry; log each other process that begins or ends to work on the event. Raises StoreError."""
        now = self._clock.now()
        if self._began is None:  # before the first login the clock may have been wrong
            self._began = now - timedelta(seconds=self._clock.monotonic() - self._started)
        entries = await self._database.beat(record, self._instance, self._began, now, self._every)
        alive = {entry.subject for entry in entries if not has_died(entry.subject)}
        for other in sorted(alive - self._others):
            _log.warning(
                "Otro proceso trabaja en este mismo evento y esta misma base (%s). Nada se cuenta dos veces, pero basta"
                " con uno: compruebe si debe estar.",
                other,
            )
        for other in sorted(self._others - alive):
            _log.info("El otro proceso (%s) ya no trabaja en este evento.", other)
        self._others = alive
