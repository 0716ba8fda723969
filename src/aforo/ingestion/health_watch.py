"""Asks ACC each minute how its cameras are, beside the poll cycles: connection states, and events about their health.

The search that the count is made of is left as it is: health topics have a search of their own, without cameras, one
for each server. Nothing that fails here delays or changes what is counted.
"""

import logging
from collections.abc import AsyncIterator, Callable, Container, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from aforo.avigilon import Camera
from aforo.clock import Clock
from aforo.errors import AccBadRequest, AccDenied, AccError, AccUnknownCamera
from aforo.ingestion.site import SiteDirectory
from aforo.models import HealthEvent, Window

_log = logging.getLogger(__name__)

INTERVAL = 60.0  # seconds between two checks
_OVERLAP = timedelta(minutes=2)  # read again each time, for events that become visible late
_LONG_OVERLAP = timedelta(minutes=45)  # the same, every so many checks
_CHECKS_TO_LONG_OVERLAP = 10
_BEFORE = timedelta(hours=12)  # before the first check: a camera may have failed in the morning
_LIST_TOPICS_AGAIN = timedelta(minutes=15)  # after a failure that may pass

_DEFINITE = (AccBadRequest, AccDenied, AccUnknownCamera)  # the same request would be answered in the same way


class HealthClient(Protocol):
    """What the watch needs of the cameras' server. Reads are sent once, and have no consequences for others."""

    @property
    def link_down_since(self) -> datetime | None:
        """Since when (aware UTC) no server answers; None while one does."""
        ...

    async def connection_states(self) -> list[Camera]:
        """The cameras that this user may see. Raises AccError."""
        ...

    async def health_topics(self) -> list[str]:
        """The topics about cameras' health that the server knows. Raises AccError."""
        ...

    async def health_events(self, server_id: str, topics: Sequence[str], window: Window) -> list[HealthEvent]:
        """A server's events of those topics. Raises AccError."""
        ...


class HealthWatch:
    """Brings what ACC says of the health of ``cameras()``, those that are counted, into the site's directory."""

    def __init__(
        self, client: HealthClient, site: SiteDirectory, cameras: Callable[[], Container[str]], clock: Clock
    ) -> None:
        self._client = client
        self._site = site
        self._cameras = cameras
        self._clock = clock
        self._topics: list[str] | None = None  # None: not known yet
        self._list_topics_at: datetime | None = None
        self._unable: set[str] = set()  # servers that do not answer for health topics as asked
        self._read_until: dict[str, datetime] = {}
        self._checks = 0
        self._checked_at = float("-inf")
        self._reported = False

    async def run(self) -> None:
        """Check each minute, until cancelled."""
        while True:
            await self.check()
            await self._clock.sleep(INTERVAL)

    async def check(self) -> None:
        """Read what is new. Nothing where another event's watch has just done it, or no server answers."""
        now = self._clock.monotonic()
        if self._client.link_down_since is not None or now - self._checked_at < INTERVAL / 2:
            return
        self._checked_at = now
        self._checks += 1
        failures = [error async for error in self._read()]
        if failures and not self._reported:
            _log.warning(
                "ACC no informa del estado de las cámaras (%s): una que falle solo se notará porque deja de contar.",
                failures[0].what,
            )
        self._reported = bool(failures)

    async def _read(self) -> AsyncIterator[AccError]:
        """Read the events, then the states, which are of now; yield what fails."""
        topics = await self._known_topics()
        for server_id in self._site.servers if topics else ():
            try:
                await self._read_events(server_id, topics)
            except AccError as error:
                yield error
        try:
            self._site.take_states(await self._client.connection_states())
        except AccError as error:
            yield error

    async def _read_events(self, server_id: str, topics: Sequence[str]) -> None:
        if server_id in self._unable:
            return
        now = self._clock.now().replace(microsecond=0)
        long = self._checks % _CHECKS_TO_LONG_OVERLAP == 0
        known = self._read_until.get(server_id)
        since = now - _BEFORE if known is None else min(known, now) - (_LONG_OVERLAP if long else _OVERLAP)
        try:
            events = await self._client.health_events(server_id, topics, Window(since, now))
        except _DEFINITE as error:
            self._unable.add(server_id)
            _log.info("El servidor %s no da eventos del estado de las cámaras: %s", server_id, error.what)
            return
        self._read_until[server_id] = now
        allowed = self._cameras()
        self._site.take_health(event for event in events if event.camera_id in allowed)

    async def _known_topics(self) -> Sequence[str]:
        """The topics to ask for: those that the server lists; none where it has no list, for good."""
        now = self._clock.now()
        if self._topics is None and (self._list_topics_at is None or now >= self._list_topics_at):
            self._list_topics_at = now + _LIST_TOPICS_AGAIN
            try:
                self._topics = await self._client.health_topics()
            except _DEFINITE as error:
                self._topics = []
                _log.info("El servidor de cámaras no dice de qué eventos informa: %s", error.what)
            except AccError as error:
                _log.debug("Todavía no se sabe de qué eventos informa el servidor de cámaras: %s", error.what)
        return self._topics or ()
