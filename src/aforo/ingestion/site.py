"""The servers and cameras of the site, as ACC last listed them."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from typing import Protocol

from aforo.avigilon import Camera, Server
from aforo.clock import Clock
from aforo.errors import AccError
from aforo.ingestion.observer import IngestionObserver
from aforo.models import Feed, Window

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


class Connections:
    """Which cameras ACC reported as disconnected, from one list of the cameras to the next. Instants are aware UTC."""

    def __init__(self) -> None:
        self._down_since: dict[str, datetime] = {}
        self._over: list[tuple[str, Window]] = []

    @property
    def down_since(self) -> Mapping[str, datetime]:
        """The cameras that are disconnected by the last list, and since which list."""
        return self._down_since

    def take(self, cameras: Sequence[Camera], now: datetime) -> None:
        """Take a list. A camera is disconnected where no server that lists it says otherwise."""
        connected: defaultdict[str, set[bool | None]] = defaultdict(set)
        for camera in cameras:
            connected[camera.id].add(camera.connected)
        for camera_id, said in connected.items():
            if said == {False}:
                self._down_since.setdefault(camera_id, now)
            elif True in said and camera_id in self._down_since:
                self._over.append((camera_id, Window(self._down_since.pop(camera_id), now)))

    def during(self, window: Window) -> dict[str, list[tuple[datetime, datetime | None]]]:
        """When each camera was disconnected in a window; None: it still is."""
        found: defaultdict[str, list[tuple[datetime, datetime | None]]] = defaultdict(list)
        for camera_id, down in self._over:
            if down.since < window.until and down.until > window.since:
                found[camera_id].append(down)
        for camera_id, since in self._down_since.items():
            if since < window.until:
                found[camera_id].append((since, None))
        return dict(found)


class SiteDirectory:
    """Which servers are read, and what the cameras are called."""

    def __init__(self, client: SiteLister, clock: Clock, observer: IngestionObserver) -> None:
        self._client = client
        self._clock = clock
        self._observer = observer
        self._servers: list[str] = []
        self._listed_at: dict[str, datetime] = {}
        self._names: dict[str, str] = {}
        self._connections = Connections()
        self._lists_all = False

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
            known = set(self._servers)  # who watches another event may have left one out meanwhile
            for gone in (doubtful & known) - set(listed) if whole else ():
                _log.info("El sitio ya no tiene el servidor %s: no se le pregunta, a no ser que vuelva.", gone)
                self._servers.remove(gone)
            self.add_servers(listed)
            self._take(await self._client.cameras())
        except AccError as error:
            if not self._servers:
                _log.warning("Todavía no se sabe qué servidores tiene el sitio: %s", error)

    @property
    def cameras(self) -> Set[str]:
        """The cameras that a server has listed; none where no list could be had yet."""
        return self._names.keys()

    @property
    def connections(self) -> "Connections":
        """Which cameras ACC reported as disconnected, and when."""
        return self._connections

    @property
    def lists_all(self) -> bool:
        """Whether there is a list of the cameras, and no entry of the last one was unusable."""
        return self._lists_all

    def _take(self, cameras: Sequence[Camera]) -> None:
        self._lists_all = not self._client.unusable.get("cámaras")
        for camera in cameras:
            self._names[camera.id] = camera.name or self._names.get(camera.id, "")
        self._connections.take(cameras, self._clock.now())
        self._observer.cameras_listed(self._names, self._connections.down_since)

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
