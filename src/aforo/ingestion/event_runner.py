"""One event from its start to its closing line: turn after turn, what is told after each, then the close."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from aforo.clock import wait_until_set
from aforo.errors import StoreRejectedRow
from aforo.ingestion.context import RunContext
from aforo.ingestion.cycle_stats import total
from aforo.ingestion.fetch_planner import FetchPlanner
from aforo.ingestion.poller import PollCycle
from aforo.ingestion.reconciliation import Reconciler, Reconciliation
from aforo.models import EventPhase, Occupancy, ScheduledEvent
from aforo.storage import EventRecord
from aforo.wording import occupancy_line

_log = logging.getLogger(__name__)

_DISCOVER_AGAIN = 300.0  # seconds
_MOST_SKEW = timedelta(minutes=10)  # a server further away than that has no clock to follow


class EventRunner:
    """Watches one event and closes it."""

    def __init__(self, rooms: RunContext, show: EventRecord) -> None:
        self._rooms = rooms
        self.cancelled = False
        self._told: dict[str, Occupancy] = {}
        self._unknown: set[str] = set()
        self._open(show)

    @property
    def show(self) -> EventRecord:
        """The show that is watched."""
        return self._show

    @property
    def event(self) -> ScheduledEvent:
        """It as the schedule has it now."""
        return self._show.event

    async def watch(self) -> None:
        """Turn after turn until the event and its grace are over, or until a stop."""
        rooms = self._rooms
        await rooms.recall(self._show)
        if self._doubted():
            await self._discover()
        async with rooms.turns() as turns, self._rediscovering():
            while not rooms.stopping.is_set() and (left := self._left()) > 0:
                started = rooms.clock.monotonic()
                await self._refresh()
                if self.cancelled:
                    return
                self._coverage.begin_cycle()
                deadline = started + rooms.settings.interval
                await turns.turn(PollCycle(self.event, rooms.allowed, self._coverage, self._horizon()), deadline)
                self._report()
                wait = min(deadline - rooms.clock.monotonic(), left)
                await wait_until_set(rooms.stopping, rooms.clock, wait)

    async def close(self) -> Reconciliation:
        """Ask for the whole event once more, store what was missing, compare."""
        since = self.event.window.since
        seen = {feed for feed, state in self._coverage.feeds.items() if state.answered_until > since}
        closing = Reconciler(self._rooms, self._show, seen)
        told = await closing.run()
        if not self._rooms.stopping.is_set():
            self._report()
            closing.tell(told)
        return told

    def _open(self, show: EventRecord) -> None:
        self._show = show
        self._rooms.know(feed.server_id for feed in show.checkpoints)
        self._coverage = FetchPlanner(show.event.window, timedelta(seconds=self._rooms.settings.overlap))
        self._follow()
        self._rooms.picture(lambda: self._rooms.board.open(show, self._coverage, self._rooms.clock.now()))

    async def _refresh(self) -> None:
        """Take what changed in the two files while the event runs: its end, its name, the cameras."""
        rooms = self._rooms
        if await rooms.schedule.refreshed():
            scheduled = rooms.schedule.schedule.overlapping(self.event.window)
            if scheduled is None:
                self._cancel()
            elif scheduled != self.event:
                span = f"de {rooms.local(scheduled.window.since)} a {rooms.local(scheduled.window.until)}"
                _log.info("El horario de «%s» cambió: «%s», %s.", self.event.name, scheduled.name, span)
                await self._reopen(scheduled)
        if await rooms.cameras.refreshed():
            _log.info("La lista de cámaras cambió: ahora son %d.", len(rooms.allowed))
            self._follow()
        if not rooms.servers:
            await rooms.discover()
            self._follow()

    async def _discover(self) -> None:
        """Ask which servers the site has. Those that are known from earlier evenings only, and have left it, go."""
        known = list(self._rooms.servers)
        await self._rooms.discover(self._doubted())
        if self._rooms.servers != known:
            self._follow()

    def _doubted(self) -> frozenset[str]:
        """The servers that gave nothing of this event, and that the site has not named since it began."""
        rooms, since = self._rooms, self.event.window.since
        gave = {feed.server_id for feed, state in self._coverage.feeds.items() if state.heard}
        gave.update(feed.server_id for feed in self._show.checkpoints)
        return frozenset(rooms.servers) - gave - {one for one, at in rooms.listed_at.items() if at >= since}

    def _cancel(self) -> None:
        """The event is no longer scheduled. What was counted stays; should it come back, it goes on from there."""
        self.cancelled = True
        self._rooms.board.phase = EventPhase.WAITING
        text = "«%s» ya no está en %s: se deja de vigilar. Lo contado queda; si vuelve al programa, se sigue donde iba."
        _log.warning(text, self.event.name, self._rooms.schedule.path)

    @asynccontextmanager
    async def _rediscovering(self) -> AsyncIterator[None]:
        """Ask again and again which servers the site has, beside the turns: one may have been restarting."""

        async def ask() -> None:
            while True:
                await self._rooms.clock.sleep(_DISCOVER_AGAIN)
                await self._discover()

        asking = asyncio.create_task(ask())
        try:
            yield
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def _reopen(self, scheduled: ScheduledEvent) -> None:
        try:
            show = await self._rooms.show(scheduled)
        except StoreRejectedRow as error:
            _log.error("El cambio no se pudo aplicar y sigue el horario anterior: %s", error)
        else:
            self._open(show)
            await self._rooms.recall(show)

    def _follow(self) -> None:
        self._coverage.follow(self._rooms.feeds(), self._show.checkpoints)

    def _behind_us(self) -> timedelta:
        """How far the server's clock is behind ours: its events of now can only be seen then."""
        skew = self._rooms.acc.clock_skew
        return max(timedelta(0), -skew) if skew is not None and skew > -_MOST_SKEW else timedelta(0)

    def _horizon(self) -> datetime:
        return min(self._rooms.clock.now() - self._behind_us(), self.event.window.until)

    def _left(self) -> float:
        ends = self.event.window.until + timedelta(seconds=self._rooms.settings.grace) + self._behind_us()
        return (ends - self._rooms.clock.now()).total_seconds()

    def _report(self) -> None:
        """What the turn did, step by step."""
        rooms = self._rooms
        cameras = rooms.tally.cleared()
        for camera, tally in sorted(cameras.items()):
            level = logging.INFO if tally.new or tally.refused else logging.DEBUG
            _log.log(level, "Cámara %s: %s.", rooms.name(camera) if camera else "(sin identificar)", tally)
        if cameras:
            _log.info("Vuelta hasta %s: %s.", rooms.local(self._horizon()), total(cameras))
        for zone, occupancy in rooms.board.occupancies.items():
            if self._told.get(zone) != occupancy:
                self._told[zone] = occupancy
                _log.info("%s.", occupancy_line(occupancy))
        self._report_oddities()

    def _report_oddities(self) -> None:
        """Each once: names that no rule or two zones take, cameras that nobody knows."""
        rooms = self._rooms
        for name, verdict in rooms.rules.take_new_names():
            if verdict.exclusion is not None:
                text = "El nombre analítico «%s» no se cuenta: %s. Si debe contar, añada una regla."
                _log.warning(text, name, verdict.exclusion)
            elif verdict.ambiguous:
                text = (
                    "El nombre analítico «%s» sería entrada y salida de una zona: no cuenta en ella. Revise las reglas."
                )
                _log.warning(text, name)
            elif len(verdict.movements) > 1:
                zones = ", ".join(movement.zone for movement in verdict.movements)
                _log.warning("El nombre analítico «%s» cuenta en varias zonas: %s. Revise las reglas.", name, zones)
        for camera in self._coverage.unknown_cameras() - self._unknown:
            self._unknown.add(camera)
            text = "Ningún servidor conoce la cámara %s: revise ids_camaras_permitidas.json con «aforo cameras»."
            _log.warning(text, rooms.name(camera))
