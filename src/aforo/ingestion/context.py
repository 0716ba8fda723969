"""The rooms that an evening needs, side by side, and what they tell each other."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from aforo.avigilon import AvigilonClient
from aforo.clock import Clock
from aforo.counting.rules import Rules
from aforo.errors import AccError
from aforo.ingestion.cycle_stats import CycleStats
from aforo.ingestion.poller import Poller
from aforo.inputs.camera_list import CamerasFile
from aforo.inputs.schedule import ScheduleFile
from aforo.live.state import LiveState
from aforo.models import Batch, CommitResult, Feed, ScheduledEvent
from aforo.settings import MonitorSettings
from aforo.storage import Database, EventRecord

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class RunContext:
    """Made by the composition root. ``servers`` and ``names`` (of cameras, by id): what ACC last said of the site.

    ``listed_at``: when (aware UTC) the site last named each server.

    ``seen``: somebody looks at the board; else nothing is painted on it but which event it is, and the zones' counts.
    """

    settings: MonitorSettings
    clock: Clock
    stopping: asyncio.Event
    timezone: ZoneInfo
    schedule: ScheduleFile
    cameras: CamerasFile
    acc: AvigilonClient
    rules: Rules
    database: Database
    board: LiveState
    seen: bool
    tally: CycleStats = field(default_factory=CycleStats)
    servers: list[str] = field(default_factory=list)
    listed_at: dict[str, datetime] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    async def show(self, event: ScheduledEvent) -> EventRecord:
        """Open that event's show: what is read from now on belongs to it."""
        return await self.database.open_record(event, self.rules.classify, self.rules.fingerprint)

    async def discover(self, doubted: frozenset[str] = frozenset()) -> None:
        """Ask which servers the site has, and how its cameras are called. What was known stays: it may restart.

        Of the ``doubted`` those are left out that this list does not have, until another has them again.
        """
        try:
            listed = [server.id for server in await self.acc.servers()]
            self.listed_at.update(dict.fromkeys(listed, self.clock.now()))
            for gone in doubted.difference(listed):
                _log.info("El sitio ya no tiene el servidor %s: no se le pregunta, a no ser que vuelva.", gone)
                self.servers.remove(gone)
            self.know(listed)
            self.names.update({camera.id: camera.name for camera in await self.acc.cameras() if camera.name})
        except AccError as error:
            if not self.servers:
                _log.warning("Todavía no se sabe qué servidores tiene el sitio: %s", error)

    def know(self, servers: Iterable[str]) -> None:
        """These servers belong to the site, whatever a list of a moment says."""
        self.servers = list(dict.fromkeys([*self.servers, *servers]))

    async def recall(self, show: EventRecord) -> None:
        """Give the board what the store knows of the evening."""
        if not self.seen:
            return
        history = await self.database.stored_history(show)
        self.picture(lambda: self.board.recall(history))

    @property
    def allowed(self) -> frozenset[str]:
        """The cameras that count, as the allow list has them now."""
        return self.cameras.cameras

    def feeds(self) -> list[Feed]:
        """Every allowed camera on every server: a camera's events may lie on another server than its own."""
        return [Feed(server, camera) for server in self.servers for camera in sorted(self.allowed)]

    def turns(self) -> Poller:
        """Turns that ask, sift and store through these rooms."""
        return Poller(
            acc=self.acc,
            rules=self.rules,
            sink=self.database,
            clock=self.clock,
            stopping=self.stopping,
            timezone=self.timezone,
            on_read=self.read,
            name=self.feed_name,
        )

    def name(self, camera_id: str) -> str:
        """How a person knows a camera: its name at ACC, where that is known, and always its id."""
        name = self.names.get(camera_id)
        return f"«{name}» ({camera_id})" if name else camera_id

    def feed_name(self, feed: Feed) -> str:
        """The same, with its server where the site has several: each is asked about every camera."""
        return self.name(feed.camera_id) + (f" en el servidor {feed.server_id}" if len(self.servers) > 1 else "")

    def local(self, instant: datetime) -> str:
        """An instant as the stadium's clocks show it."""
        return instant.astimezone(self.timezone).strftime("%H:%M:%S")

    def read(self, batch: Batch) -> None:
        """A page was read and sifted."""
        self.tally.read(batch)
        if self.seen:
            self.picture(lambda: self.board.read(batch))

    def stored(self, batch: Batch, stored: CommitResult) -> None:
        """What the database calls after each transaction."""
        self.tally.stored(batch, stored)
        if self.seen:
            self.picture(lambda: self.board.apply(stored, self.clock.now(), batch))
        else:
            self.board.occupancies.update(stored.occupancies)  # they are told in the log as well

    def picture(self, change: Callable[[], None]) -> None:
        """Change the live picture. A fault of ours there must not touch the counting."""
        try:
            change()
        except Exception:  # noqa: BLE001 -- whatever it is, the evening goes on
            _log.exception("Error interno en la imagen en vivo; el conteo sigue.")
