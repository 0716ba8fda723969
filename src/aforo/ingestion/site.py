"""The servers and cameras of the site, as ACC last listed them."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from typing import Protocol

from aforo.avigilon import Camera, Server
from aforo.clock import Clock
from aforo.counting.camera_health import CameraHealth
from aforo.errors import AccError
from aforo.ingestion.observer import IngestionObserver
from aforo.models import CameraEvent, FaultSpan, Feed, HealthEvent

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
        self._health = CameraHealth()
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
    def fault_spans(self) -> list[FaultSpan]:
        """The faults of cameras that ACC reported, over or not, by their begin."""
        return self._health.spans()

    @property
    def lists_all(self) -> bool:
        """Whether there is a list of the cameras, and no entry of the last one was unusable."""
        return self._lists_all

    def _take(self, cameras: Sequence[Camera]) -> None:
        self._lists_all = not self._client.unusable.get("cámaras")
        for camera in cameras:
            self._names[camera.id] = camera.name or self._names.get(camera.id, "")
        self._observer.cameras_listed(self._names)
        self.take_states(cameras)

    def take_states(self, cameras: Sequence[Camera]) -> None:
        """Take from a list which cameras are connected: those that one server says to be, whatever others say."""
        said: defaultdict[str, set[bool | None]] = defaultdict(set)
        for camera in cameras:
            said[camera.id].add(camera.connected)
        connected = {
            camera_id: True if True in some else None if None in some else False for camera_id, some in said.items()
        }
        self._report(changed=self._health.take_connected(connected, self._clock.now()))

    def take_health(self, events: Iterable[HealthEvent]) -> None:
        """Take what events of ACC say of the cameras' health."""
        self._report(changed=self._health.take_events(events))

    def take_counted(self, events: Sequence[CameraEvent]) -> None:
        """Take new camera events, in time order: a camera that counts again is not blind."""
        self._report(changed=self._health.take_counted(events))

    def restore_health(self, spans: Iterable[FaultSpan]) -> None:
        """Take the faults that an earlier process journaled."""
        self._report(changed=self._health.restore(spans))

    def _report(self, *, changed: bool) -> None:
        if changed:
            self._observer.health_changed(self._health.spans())

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
