"""The servers and cameras of the site, as ACC last listed them."""

import logging
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from typing import Protocol

from aforo.avigilon import Camera, Server
from aforo.clock import Clock
from aforo.errors import AccError
from aforo.ingestion.observer import IngestionObserver
from aforo.models import Feed

_log = logging.getLogger(__name__)


class SiteLister(Protocol):
    """What the directory needs of a client."""

    @property
    def unusable(self) -> Mapping[str, int]:
        """How many entries of the last list of «servidores» and of «cámaras» could not be used."""
        ...

    async def servers(self) -> list[Server]:
        """Every server of the site. Raises AccError."""
        ...

    async def cameras(self) -> list[Camera]:
        """The cameras that this user may see. Raises AccError."""
        ...


class SiteDirectory:
    """Which servers are read, and what the cameras are called."""

    def __init__(self, client: SiteLister, clock: Clock, observer: IngestionObserver) -> None:
        self._client = client
        self._clock = clock
        self._observer = observer
        self._servers: list[str] = []
        self._listed_at: dict[str, datetime] = {}
        self._names: dict[str, str] = {}

    @property
    def servers(self) -> Sequence[str]:
        """The ids of the servers that are read."""
        return tuple(self._servers)

    async def refresh(self, doubtful: Set[str] = frozenset()) -> None:
        """List the servers and the cameras' names. What was known stays: a server that is not listed may be restarting.

        Of the ``doubtful`` those are left out that this list does not have, until another list has them again.
        """
        try:
            listed = [server.id for server in await self._client.servers()]
            self._listed_at.update(dict.fromkeys(listed, self._clock.now()))
            whole = not self._client.unusable.get("servidores")  # an entry that cannot be read may be one of them
            for gone in doubtful - set(listed) if whole else ():
                _log.info("El sitio ya no tiene el servidor %s: no se le pregunta, a no ser que vuelva.", gone)
                self._servers.remove(gone)
            self.add_servers(listed)
            self._names.update({camera.id: camera.name for camera in await self._client.cameras() if camera.name})
            self._observer.cameras_named(self._names)
        except AccError as error:
            if not self._servers:
                _log.warning("Todavía no se sabe qué servidores tiene el sitio: %s", error)

    def add_servers(self, server_ids: Iterable[str]) -> None:
        """Read these servers as well."""
        self._servers = list(dict.fromkeys([*self._servers, *server_ids]))

    def listed_since(self, instant: datetime) -> set[str]:
        """The servers that the site has listed since an instant (aware UTC)."""
        return {server_id for server_id, at in self._listed_at.items() if at >= instant}

    def feeds(self, cameras: Iterable[str]) -> list[Feed]:
        """Each of the cameras on every server: a camera's events may lie on another server than its own."""
        return [Feed(server_id, camera) for server_id in self._servers for camera in sorted(cameras)]

    def camera_name(self, camera_id: str) -> str:
        """The camera's name at ACC, "" where it is not known."""
        return self._names.get(camera_id, "")

    def camera_label(self, camera_id: str) -> str:
        """Return how messages name a camera: its name at ACC, where that is known, and always its id."""
        name = self._names.get(camera_id)
        return f"«{name}» ({camera_id})" if name else camera_id

    def feed_label(self, feed: Feed) -> str:
        """The same, with its server where the site has several: each is queried for every camera."""
        server = f" en el servidor {feed.server_id}" if len(self._servers) > 1 else ""
        return self.camera_label(feed.camera_id) + server
