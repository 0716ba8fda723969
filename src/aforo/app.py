"""The composition root: makes the rooms, chooses the event, lets its evening run. Only it knows the order."""

import asyncio
import gc
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from datetime import date, timedelta
from functools import partial

from aforo import web
from aforo.alerting.heartbeat import beating
from aforo.alerting.incidents import chronicling
from aforo.alerting.notifier import watching
from aforo.avigilon import AvigilonClient
from aforo.background import Backoff
from aforo.clock import Clock, SystemClock, wait_until_set
from aforo.counting.rules import Rules
from aforo.errors import AccError, AccUnreachable, BadCommand
from aforo.ingestion.context import RunContext
from aforo.ingestion.event_runner import EventRunner
from aforo.ingestion.schedule_queue import ScheduleQueue
from aforo.inputs.camera_list import CamerasFile
from aforo.inputs.schedule import ScheduleFile
from aforo.live.state import HealthProbes, LiveState
from aforo.models import EventPhase, Matcher, ScheduledEvent
from aforo.os_service.sd_notify import Notifier, notifying
from aforo.os_service.shutdown import STOP_PATIENCE, ShutdownRequest, stop_on_signals, until_stopped
from aforo.reporting.after_close import Morning
from aforo.settings import Settings, zones_from
from aforo.storage import Database, Store
from aforo.wording import trouble_lines

_log = logging.getLogger(__name__)

_LOOK_AT_FILES = 5.0  # seconds between two looks at the schedule while waiting for an event
_CLOSE_AGAIN = timedelta(minutes=15)  # a service closes again what it could not compare
_LOGIN_BACKOFF = Backoff(first=3.0, longest=3.0, least=1 / 3)  # a server that does not answer: every 1 to 3 seconds
_LOGIN_AGAIN = 300.0  # seconds until a service tries a refused login again: servers lock accounts that insist
# Events are tuples that no cycle holds: to search for cycles every 700 objects costs a catch-up a tenth of its time.
_OBJECTS_BETWEEN_SEARCHES = 50_000
_INCOMPLETE = 5  # exit code: the event ended, and not everything could be compared


def main(
    settings: Settings,
    *,
    no_wait: bool = False,
    backfill: date | None = None,
    continuous: bool = False,
    stopper: ShutdownRequest | None = None,
) -> int:
    """Run the job with the machine's clock until its event is over or it is stopped; returns the exit code.

    Stopped by a signal, or by ``stopper``. ``continuous``: event after event, day after day.
    """
    stopping = asyncio.Event()
    monitor = Monitor(settings, SystemClock(), stopping)

    async def job() -> int:
        if stopper is None:
            stop_on_signals(stopping)
        else:
            stopper.attach(asyncio.get_running_loop(), stopping)
        async with notifying(Notifier.of(os.environ), monitor.ready, stopping, monitor.status):
            work = (
                monitor.run(no_wait=no_wait, continuous=continuous) if backfill is None else monitor.backfill(backfill)
            )
            return await until_stopped(asyncio.create_task(work), stopping)

    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_SEARCHES)
    return asyncio.run(job())


class Monitor:
    """The job: from the two files to the four tables. Made, it has read the files: raises BadSchedule, BadCameras."""

    def __init__(self, settings: Settings, clock: Clock, stopping: asyncio.Event) -> None:
        self._settings = settings
        self._clock = clock
        self._stopping = stopping
        self._timezone = settings.monitor.timezone
        self._schedule = ScheduleFile(settings.monitor.schedule_file, self._timezone)
        self._cameras = CamerasFile(settings.monitor.cameras_file)
        zones = zones_from(settings.zones)
        self._rules = Rules(map(Matcher.parse, settings.events.stored), zones)
        self._store = Store(settings.database.address(), zones, self._timezone)
        self._agenda = ScheduleQueue(self._schedule, self._timezone)
        self._patient = False
        self._refused = ""
        self.ready = asyncio.Event()
        self.board = LiveState(settings.zones)
        self._morning = Morning(settings)
        self._open: RunContext | None = None

    async def run(self, *, no_wait: bool = False, continuous: bool = False) -> int:
        """Watch the day's event, waiting for it if need be; returns the exit code.

        ``continuous``: go on with the next one, day after day, until stopped.
        """
        if no_wait and self._agenda.due(self._clock.now()) is None:
            return self._nothing_now()
        self._patient = continuous
        day, complete = self._agenda.day_of(self._clock.now()), True
        async with self._rooms(seen=True) as (rooms, interrupted):
            self._agenda.interrupted = interrupted
            self.ready.set()
            while not self._stopping.is_set():
                event = self._agenda.due(self._clock.now())
                if event is not None:
                    complete &= await self._evening(rooms, event)
                    if not continuous and self._agenda.is_done(event) and not self._agenda.more_today(event, day):
                        return 0 if complete or self._stopping.is_set() else _INCOMPLETE
                elif no_wait:
                    return self._nothing_now()
                else:
                    await self._wait_for_event()
        return 0

    def status(self) -> str:
        """How the job stands, in one line, for whoever asks the service manager."""
        if not self.ready.is_set():
            return self._refused or "Conectando con la base de datos y con el servidor de cámaras"
        event, zones = self.board.event, self.board.occupancies.values()
        if event is None or self.board.phase in {EventPhase.WAITING, EventPhase.OVER}:
            return "Esperando el próximo evento"
        counts = ", ".join(f"{occupancy.zone} {occupancy.count}" for occupancy in zones)
        return f"«{event.name}» {self.board.phase}: {counts}. {' '.join(self.troubles()[:2])}".strip()

    def troubles(self) -> list[str]:
        """What is not well right now, as Spanish sentences; empty when all is."""
        if self._open is None:
            return []
        database, acc, coverage = self._open.database, self._open.acc, self.board.coverage
        behind = coverage.behind(self._clock.now()) if coverage is not None else {}
        return trouble_lines(
            pending=database.pending if database.down_since is not None else None,
            server_up=acc.link_down_since is None,
            silent_cameras=[f"{feed.camera_id[:16]}…" for feed, state in behind.items() if state.failing_since],
        )

    async def backfill(self, day: date) -> int:
        """Do the same job over the past events of a date, as fast as it goes; returns the exit code."""
        events = self._schedule.schedule.on(day)
        if not events:
            raise BadCommand(f"No hay ningún evento programado el {day}.", remedy="Revise eventos_programados.json.")
        if events[-1].window.until > self._clock.now():
            raise BadCommand(
                f"El evento del {day} aún no ha terminado.", remedy="Use «aforo run», que lo recupera todo."
            )
        complete = True
        async with self._rooms(seen=False) as (rooms, _):
            for event in events:
                show = await rooms.show(event)
                complete &= await self._close(rooms, EventRunner(rooms, show))
        return 0 if complete or self._stopping.is_set() else _INCOMPLETE

    @asynccontextmanager
    async def _rooms(self, *, seen: bool) -> AsyncIterator[tuple[RunContext, ScheduledEvent | None]]:
        """The rooms, open: the database is there, the session too; and the event that a kill left open, if any."""
        async with (
            AvigilonClient(self._settings.acc, self._clock) as acc,
            Database(self._store, self._clock) as database,
        ):
            rooms = RunContext(
                settings=self._settings.monitor,
                clock=self._clock,
                stopping=self._stopping,
                timezone=self._timezone,
                schedule=self._schedule,
                cameras=self._cameras,
                acc=acc,
                rules=self._rules,
                database=database,
                board=self.board,
                seen=seen,
                names=self.board.camera_names,
            )
            self._open = rooms
            database.on_stored = rooms.stored
            self.board.signs = HealthProbes(
                database_down_since=lambda: database.down_since,
                link_down_since=lambda: acc.link_down_since,
                waiting=lambda: database.waiting,
                pending=lambda: database.pending,
                upcoming=lambda: self._agenda.next(self._clock.now()),
            )
            await database.open()
            interrupted = await database.last_open_event()
            eyes = observers(self._settings, self.board, self._clock, database, self.ready)
            async with eyes if seen else nullcontext():
                await self._first_login(acc, patient=interrupted is not None)
                yield rooms, interrupted
                await self._leave(database)
            await acc.logout()

    async def _leave(self, database: Database) -> None:
        """Store what still waits. A database that stays away does not hold the end up: it is asked again next time."""
        try:
            async with self._clock.timeout(STOP_PATIENCE):
                await database.drain()
        except TimeoutError:
            _log.warning("No se pudo guardar todo antes de salir: lo que falta se vuelve a pedir la próxima vez.")

    async def _first_login(self, acc: AvigilonClient, *, patient: bool) -> None:
        """Log in. A server that does not answer is tried for a while; for as long as it takes, in mid-event.

        A service has nobody to mend a refused login and start it anew: it is told, and tried again after a while.
        """
        while True:
            try:
                return await self._login(acc, patient=patient or self._patient)
            except AccError as error:
                if not self._patient:
                    raise
                if self._stopping.is_set():
                    return None
                self._refused = error.what
                _log.error("%s Se vuelve a intentar en %.0f minutos.", error, _LOGIN_AGAIN / 60)
                if await wait_until_set(self._stopping, self._clock, _LOGIN_AGAIN):
                    return None

    async def _login(self, acc: AvigilonClient, *, patient: bool) -> None:
        started = self._clock.monotonic()

        def repeatable(error: Exception) -> bool:
            waited = self._clock.monotonic() - started
            impatient = not patient and waited >= self._settings.monitor.start_patience
            return isinstance(error, AccUnreachable) and not self._stopping.is_set() and not impatient

        sleep = partial(wait_until_set, self._stopping, self._clock)
        await _LOGIN_BACKOFF.retry(acc.login, sleep=sleep, repeatable=repeatable)

    async def _evening(self, rooms: RunContext, event: ScheduledEvent) -> bool:
        show = await rooms.show(event)
        now = self._clock.now()
        if show.closed and (event.day < self._agenda.day_of(now) or self._agenda.another_is_on(event, now)):
            self._agenda.done(event)  # complete: yesterday's, past midnight, or one that must not hold up the next
            return True
        evening = EventRunner(rooms, show)
        _log.info("Evento «%s»: %d cámaras.", event.name, len(self._cameras.cameras))
        await evening.watch()
        if evening.cancelled:
            return True
        self._agenda.done(event, evening.event)
        if self._stopping.is_set():
            return False
        complete = await self._close(rooms, evening)
        if not complete and self._patient:
            self._agenda.close_again(evening.event, self._clock.now() + _CLOSE_AGAIN)
            _log.warning("El cierre de «%s» se repite en %d minutos.", event.name, _CLOSE_AGAIN.total_seconds() // 60)
        return complete

    async def _close(self, rooms: RunContext, evening: EventRunner) -> bool:
        """Close an evening and leave its act; False when the server or the database was away to the last."""
        told = await evening.close()
        if not self._stopping.is_set():
            await self._morning(rooms, evening.show, told)
        return not told.given_up

    def _nothing_now(self) -> int:
        _log.info("Ahora no hay ningún evento; no se espera (--no-wait).")
        return 0

    async def _wait_for_event(self) -> None:
        """Wait until something is due, the schedule's file changes, or a stop."""
        upcoming = self._agenda.next(self._clock.now())
        if upcoming is None:
            _log.info("No hay ningún evento próximo en %s: se espera a que cambie.", self._schedule.path)
        else:
            start = upcoming.window.since.astimezone(self._timezone)
            _log.info("Próximo evento: «%s», el %s.", upcoming.name, start.strftime("%Y-%m-%d a las %H:%M:%S"))
        due = self._agenda.next_due(self._clock.now())
        while not self._stopping.is_set() and not await self._schedule.refreshed():
            left = (due - self._clock.now()).total_seconds() if due else _LOOK_AT_FILES
            if left <= 0:
                return
            await wait_until_set(self._stopping, self._clock, min(left, _LOOK_AT_FILES))


@asynccontextmanager
async def observers(
    settings: Settings, board: LiveState, clock: Clock, database: Database, ready: asyncio.Event
) -> AsyncIterator[web.Page | None]:
    """Show the page, warn and take notes inside the ``with``; gives the page, None where the settings want none.

    ``ready`` is set once the cameras' server has let us in. Raises BadSetting for a page that would be open to the
    network without a password.
    """
    timezone = settings.monitor.timezone
    zones = zones_from(settings.zones)

    def another() -> Store:
        return Store(settings.database.address(), zones, timezone)

    corrections, events = web.CorrectionService(board, database, clock), web.EventReader(board, another)
    rooms = web.WebContext(settings.web, board, clock, timezone.key, settings.alerts.stale, corrections, events)
    interval = settings.monitor.interval
    heartbeat = settings.monitor.heartbeat_url.get_secret_value()
    async with (
        watching(settings.alerts, board, clock, database),
        chronicling(board, clock, database, timedelta(seconds=interval)),
        beating(heartbeat, interval, board, clock, ready),
        web.serving(rooms) as page,
    ):
        yield page
