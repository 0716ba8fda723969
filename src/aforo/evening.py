"""One event from its start to its closing line: the turns, what is told after each, and the last look at everything."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from aforo.acc import Acc
from aforo.board import Board, Past, Phase
from aforo.cameras import CamerasFile
from aforo.clock import Clock, wait_until_set
from aforo.coverage import Coverage
from aforo.errors import AccError
from aforo.model import Batch, Feed, Occupancy, ScheduledEvent, Stored
from aforo.rules import Rules
from aforo.schedule import ScheduleFile
from aforo.settings import MonitorSettings
from aforo.store import Show, Store, Writer
from aforo.tally import Tally, occupancy_line, reasons, total
from aforo.turn import Census, Errand, Turns

_log = logging.getLogger(__name__)

# At the close, while the server answers for other cameras: how long a camera that does not is still asked.
_CAMERA_PATIENCE = 30.0
_MOST_SKEW = timedelta(minutes=10)  # a server further away than that has no clock to follow


@dataclass(slots=True, frozen=True)
class Rooms:
    """The rooms that an evening needs, made by the composition root."""

    settings: MonitorSettings
    clock: Clock
    stopping: asyncio.Event
    timezone: ZoneInfo
    schedule: ScheduleFile
    cameras: CamerasFile
    acc: Acc
    rules: Rules
    store: Store
    writer: Writer
    board: Board
    tally: Tally = field(default_factory=Tally)
    names: dict[str, str] = field(default_factory=dict)

    def name(self, camera_id: str) -> str:
        """How a person knows a camera: its name at ACC, where that is known, and always its id."""
        name = self.names.get(camera_id)
        return f"«{name}» ({camera_id})" if name else camera_id

    async def show(self, event: ScheduledEvent) -> Show:
        """Open that event's show: what is read from now on belongs to it."""
        return await self.writer.show(event, self.rules.verdict, self.rules.fingerprint)

    def read(self, batch: Batch) -> None:
        """A page was read and sifted."""
        self.tally.read(batch)
        self._picture(lambda: self.board.read(batch))

    def stored(self, batch: Batch, stored: Stored) -> None:
        """What the writer calls after each transaction."""
        self.tally.stored(batch, stored)
        self._picture(lambda: self.board.apply(stored, self.clock.now(), batch))

    def _picture(self, change: Callable[[], None]) -> None:
        """Change the live picture. A fault of ours there must not touch the counting."""
        try:
            change()
        except Exception:  # noqa: BLE001 -- whatever it is, the evening goes on
            _log.exception("Error interno en la imagen en vivo; el conteo sigue.")


class Evening:
    """Watches one event and closes it."""

    def __init__(self, rooms: Rooms, show: Show) -> None:
        self._rooms = rooms
        self._show = show
        self._servers: list[str] = []
        self._coverage = Coverage(show.event.window, timedelta(seconds=rooms.settings.overlap))
        self._told: dict[str, Occupancy] = {}
        self._unknown: set[str] = set()
        self._follow()
        rooms.board.open(show, self._coverage, rooms.clock.now())

    @property
    def event(self) -> ScheduledEvent:
        """The show that is watched, as the schedule has it now."""
        return self._show.event

    async def watch(self) -> None:
        """Turn after turn until the event and its grace are over, or until a stop."""
        rooms = self._rooms
        await self._recall()
        async with self._turns() as turns:
            while not rooms.stopping.is_set() and (left := self._left()) > 0:
                started = rooms.clock.monotonic()
                await self._refresh()
                self._coverage.begin_turn()
                deadline = started + rooms.settings.interval
                await turns.turn(self._errand(self._coverage, self._horizon()), deadline)
                self._report()
                wait = min(deadline - rooms.clock.monotonic(), left)
                await wait_until_set(rooms.stopping, rooms.clock, wait)

    async def close(self) -> bool:
        """Ask for the whole event once more, store what was missing, compare. True when nothing stayed unanswered."""
        rooms = self._rooms
        _log.info("Cierre de «%s»: se vuelve a pedir el evento entero para comparar.", self.event.name)
        await self._discover()
        coverage = Coverage(self.event.window, timedelta(0))
        rooms.board.phase, rooms.board.coverage = Phase.CLOSING, coverage
        census = Census()
        complete = await self._sweep(coverage, census)
        if rooms.stopping.is_set():
            return False
        await rooms.writer.drain()
        rooms.board.occupancies.update(await rooms.writer.call(rooms.store.rebuild, self._show))
        await self._recall()
        self._report()
        in_store = await rooms.writer.call(rooms.store.counts, self._show)
        in_history = await rooms.writer.call(rooms.store.history_count, self._show)
        self._tell_reconciliation(coverage, census, in_store, in_history)
        if complete:
            await rooms.writer.call(rooms.store.close_show, self._show, rooms.clock.now())
        rooms.board.phase = Phase.OVER
        return complete

    async def _sweep(self, coverage: Coverage, census: Census) -> bool:
        """Ask until all is answered. A camera that fails is given up after a while, a server that is away later."""
        rooms = self._rooms
        until = self.event.window.until
        started = rooms.clock.monotonic()
        async with self._turns() as turns:
            while not rooms.stopping.is_set():
                step = rooms.clock.monotonic() + rooms.settings.interval
                if not self._servers:
                    await self._discover()
                coverage.follow(self._feeds(), {})
                if await turns.turn(self._errand(coverage, until, census), step) and self._servers:
                    return True
                waited = rooms.clock.monotonic() - started
                if waited >= (_CAMERA_PATIENCE if self._only_cameras_fail(coverage) else rooms.settings.close_patience):
                    return False
                if not self._servers:
                    await wait_until_set(rooms.stopping, rooms.clock, step - rooms.clock.monotonic())
        return False

    def _only_cameras_fail(self, coverage: Coverage) -> bool:
        behind = coverage.behind(self.event.window.until).values()
        return (
            self._rooms.acc.link_down_since is None
            and bool(behind)
            and all(state.failing_since is not None for state in behind)
        )

    def _tell_reconciliation(
        self, coverage: Coverage, census: Census, in_store: dict[str, int], in_history: int
    ) -> None:
        for camera in sorted(census.valid.keys() | in_store.keys()):
            acc, stored = census.valid[camera], in_store.get(camera, 0)
            level = logging.INFO if acc == stored else logging.WARNING
            _log.log(
                level,
                "Cierre, cámara %s: ACC %d, base %d, diferencia %d.",
                self._rooms.name(camera),
                acc,
                stored,
                acc - stored,
            )
        for feed, state in coverage.behind(self.event.window.until).items():
            _log.error(
                "Cierre, cámara %s: no contestó (%s). Puede faltar lo suyo desde %s: repita con «aforo backfill %s».",
                self._rooms.name(feed.camera_id),
                state.error,
                self._local(state.answered_until),
                self.event.day,
            )
        acc, stored = census.valid.total(), sum(in_store.values())
        _log.log(
            logging.INFO if (acc, census.history) == (stored, in_history) else logging.WARNING,
            "Cierre de «%s»: ACC tiene %d eventos válidos y la base %d (diferencia %d); del historial, ACC %d y"
            " eventos_Analisis %d (diferencia %d). Rechazados: %s.",
            self.event.name,
            acc,
            stored,
            acc - stored,
            census.history,
            in_history,
            census.history - in_history,
            reasons(census.refused) or "ninguno",
        )

    def _turns(self) -> Turns:
        rooms = self._rooms
        return Turns(
            acc=rooms.acc,
            rules=rooms.rules,
            sink=rooms.writer,
            clock=rooms.clock,
            stopping=rooms.stopping,
            timezone=rooms.timezone,
            on_read=rooms.read,
            name=rooms.name,
        )

    async def _refresh(self) -> None:
        """Take what changed in the two files while the event runs: its end, its name, the cameras."""
        rooms = self._rooms
        if await asyncio.to_thread(rooms.schedule.refresh):
            now_scheduled = rooms.schedule.schedule.overlapping(self.event.window)
            if now_scheduled is not None and now_scheduled != self.event:
                _log.info("El horario de «%s» cambió: %s.", self.event.name, self._span(now_scheduled))
                await rooms.writer.drain()
                self._show = await rooms.show(now_scheduled)
                self._coverage = Coverage(now_scheduled.window, timedelta(seconds=rooms.settings.overlap))
                self._follow()
                rooms.board.open(self._show, self._coverage, rooms.clock.now())
                await self._recall()
        if await asyncio.to_thread(rooms.cameras.refresh):
            _log.info("La lista de cámaras cambió: ahora son %d.", len(self._cameras()))
            self._follow()
        if not self._servers:
            await self._discover()

    async def _recall(self) -> None:
        """Give the board what the store knows of the evening."""
        rooms, store, show = self._rooms, self._rooms.store, self._show

        def past() -> Past:
            return Past(store.minutes(show), store.doors(show), store.corrections(show))

        rooms.board.recall(await rooms.writer.call(past))

    async def _discover(self) -> None:
        """Ask which servers the site has, and how its cameras are called. What was known stays where that fails."""
        rooms = self._rooms
        try:
            self._servers = [server.id for server in await rooms.acc.servers()]
            rooms.names.update({camera.id: camera.name for camera in await rooms.acc.cameras() if camera.name})
        except AccError as error:
            if not self._servers:
                _log.warning("Todavía no se sabe qué servidores tiene el sitio: %s", error)
        self._follow()

    def _follow(self) -> None:
        self._coverage.follow(self._feeds(), self._show.checkpoints)

    def _errand(self, coverage: Coverage, horizon: datetime, census: Census | None = None) -> Errand:
        return Errand(self.event, self._cameras(), coverage, horizon, census)

    def _feeds(self) -> list[Feed]:
        return [Feed(server, camera) for server in self._servers for camera in sorted(self._cameras())]

    def _cameras(self) -> frozenset[str]:
        return self._rooms.cameras.cameras

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
        rooms = self._rooms
        cameras = rooms.tally.cleared()
        for camera, tally in sorted(cameras.items()):
            level = logging.INFO if tally.new or tally.refused else logging.DEBUG
            _log.log(level, "Cámara %s: %s.", rooms.name(camera) if camera else "(sin identificar)", tally)
        if cameras:
            _log.info("Vuelta hasta %s: %s.", self._local(self._horizon()), total(cameras))
        for zone, occupancy in rooms.board.occupancies.items():
            if self._told.get(zone) != occupancy:
                self._told[zone] = occupancy
                _log.info("%s.", occupancy_line(occupancy))
        for name, verdict in rooms.rules.news():
            if verdict.refusal is not None:
                _log.warning(
                    "El nombre analítico «%s» no se cuenta: %s. Si debe contar, añada una regla.", name, verdict.refusal
                )
            elif len(verdict.movements) > 1:
                zones = ", ".join(movement.zone for movement in verdict.movements)
                _log.warning("El nombre analítico «%s» cuenta en varias zonas: %s. Revise las reglas.", name, zones)
        for camera in self._coverage.unknown_cameras() - self._unknown:
            self._unknown.add(camera)
            _log.warning(
                "Ningún servidor conoce la cámara %s: revise ids_camaras_permitidas.json con «aforo cameras».", camera
            )

    def _local(self, instant: datetime) -> str:
        return instant.astimezone(self._rooms.timezone).strftime("%H:%M:%S")

    def _span(self, event: ScheduledEvent) -> str:
        return f"«{event.name}», de {self._local(event.window.since)} a {self._local(event.window.until)}"
