"""The composition root: builds the parts and runs events until a stop is requested."""

import asyncio
import gc
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from aforo import web
from aforo.alerting import notifying_alerts, recording_incidents, sending_heartbeats
from aforo.avigilon import AvigilonClient, watch_time
from aforo.background import Backoff, background_task
from aforo.clock import Clock, SystemClock, wait_until_set
from aforo.counting.rules import Rules
from aforo.errors import AccError, AccUnreachable
from aforo.ingestion.close_lane import CloseLane
from aforo.ingestion.context import RunContext
from aforo.ingestion.cycle_log import CycleLogs
from aforo.ingestion.health_watch import HealthWatch
from aforo.ingestion.live_reader import LiveReaders
from aforo.ingestion.observer import GuardedObserver, IngestionObserver
from aforo.ingestion.reconciliation import Reconciliation
from aforo.ingestion.schedule_queue import ScheduleQueue
from aforo.ingestion.schedule_runner import ScheduleRunner, log_nothing_now, past_events
from aforo.ingestion.site import SiteDirectory
from aforo.inputs.camera_list import CamerasFile
from aforo.inputs.schedule import ScheduleFile
from aforo.live.estimating import estimating
from aforo.live.freshness import behind
from aforo.live.latency import Latency
from aforo.live.observer import LiveObserver
from aforo.live.state import HealthProbes, LiveState
from aforo.models import EventPhase, Outcome, Rule, ScheduledEvent
from aforo.os_service.sd_notify import Notifier, notifying
from aforo.os_service.shutdown import STOP_PATIENCE, ShutdownRequest, stop_on_signals, until_stopped
from aforo.preconditions import exposed_secrets, require
from aforo.push import Pushes
from aforo.redaction import Mask
from aforo.reference_clock import ReferenceClock
from aforo.reporting.after_close import after_close
from aforo.settings import Settings, totals_from, zones_from
from aforo.storage import Database, EventRecord, Store
from aforo.wording import clock_step, problem_lines

_log = logging.getLogger(__name__)

_LOGIN_BACKOFF = Backoff(first=3.0, longest=3.0, least=1 / 3)  # a server that does not answer: every 1 to 3 seconds
_LOGIN_AGAIN = 300.0  # seconds until a service tries a rejected login again: servers lock accounts after many attempts
# Events are tuples that no cycle holds: to search for cycles every 700 objects costs a catch-up a tenth of its time.
_OBJECTS_BETWEEN_SEARCHES = 50_000
_EXIT_CODES = {Outcome.RECONCILED: 0, Outcome.RESERVED: 6, Outcome.NOT_COMPARED: 5}


def main(  # noqa: PLR0913 -- the options of the command
    settings: Settings,
    *,
    no_wait: bool = False,
    backfill: date | None = None,
    continuous: bool = False,
    stopper: ShutdownRequest | None = None,
    mask: Mask | None = None,
) -> int:
    """Run the job with the machine's clock until its event is over or it is stopped; returns the exit code.

    ``mask`` is the log's. Stopped by a signal, or by ``stopper``. ``continuous``: event after event, day after day.
    """
    _log.info("Carpeta de trabajo: %s", Path.cwd())
    clock = SystemClock()
    require(settings, clock.now())
    for file in exposed_secrets(settings):
        _log.warning("%s contiene secretos y otros usuarios de esta máquina pueden leerlo: chmod 600 '%s'", file, file)
    stopping = asyncio.Event()
    monitor = Monitor(settings, clock, stopping, mask)

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

    def __init__(self, settings: Settings, clock: Clock, stopping: asyncio.Event, mask: Mask | None = None) -> None:
        self._settings = settings
        self._clock = ReferenceClock.of(clock)
        self._stopping = stopping
        self._mask = mask or Mask(settings.secrets())
        self._timezone = settings.monitor.timezone
        self._schedule = ScheduleFile(settings.monitor.schedule_file, self._timezone)
        self._cameras = CamerasFile(settings.monitor.cameras_file)
        zones = zones_from(settings.zones)
        self._rules = Rules(map(Rule.of, settings.events.stored), zones)
        totals = totals_from(settings.totals)
        self._store = Store(settings.database.address(), zones, self._timezone, totals=totals)
        self._login_refused = ""
        self._outcomes: dict[int, Outcome] = {}  # of the last close of each event, by the record's id
        self.ready = asyncio.Event()
        self.live = LiveState(settings.zones, totals=settings.totals)

    async def run(self, *, no_wait: bool = False, continuous: bool = False) -> int:
        """Watch the day's event, waiting for it if need be; returns the exit code.

        ``continuous``: go on with the next one, day after day, until stopped.
        """
        if no_wait and await self._nothing_is_due():
            log_nothing_now()
            return 0
        async with self._opened(observed=True, patient=continuous) as (context, database, left_open):
            self.ready.set()
            queue = ScheduleQueue(self._schedule, self._timezone, left_open)
            runner = ScheduleRunner(context, queue, partial(self._closed, database), continuous=continuous)
            return self._exit_code(complete=await runner.run(no_wait=no_wait))

    async def backfill(self, day: date) -> int:
        """Do the same job over the past events of a date, as fast as it goes; returns the exit code."""
        if any(event.window.until > self._clock.now() for event in self._schedule.schedule.on(day)):
            await self._ask_time()
        events = past_events(self._schedule.schedule, day, self._clock.now())
        async with self._opened(observed=False, patient=False) as (context, database, _):
            queue = ScheduleQueue(self._schedule, self._timezone)
            runner = ScheduleRunner(context, queue, partial(self._closed, database))
            return self._exit_code(complete=await runner.backfill(events))

    async def _closed(
        self, database: Database, context: RunContext, record: EventRecord, reconciliation: Reconciliation
    ) -> None:
        self._outcomes[record.id] = reconciliation.outcome
        latency = self.live.latency if self.live.displays(record) else Latency()
        await after_close(database, self._settings, context, record, reconciliation, latency=latency)

    def _exit_code(self, *, complete: bool) -> int:
        """Return the code for the worst outcome of the events that were closed; a stop leaves none."""
        outcomes = set() if self._stopping.is_set() else set(self._outcomes.values())
        if not complete:
            outcomes.add(Outcome.NOT_COMPARED)
        worst = (Outcome.NOT_COMPARED, Outcome.RESERVED)
        return _EXIT_CODES[next((one for one in worst if one in outcomes), Outcome.RECONCILED)]

    def status(self) -> str:
        """Return the state of the job in one line, for the service manager."""
        if not self.ready.is_set():
            return self._login_refused or "Conectando con la base de datos y con el servidor de cámaras"
        event, zones = self.live.event, [*self.live.occupancies.values(), *self.live.total_occupancies.values()]
        if event is None or self.live.phase in {EventPhase.WAITING, EventPhase.OVER}:
            return "Esperando el próximo evento"
        counts = ", ".join(f"{occupancy.zone} {occupancy.count}" for occupancy in zones)
        beside = "".join(f" «{other.name}» {phase}." for other, phase in self.live.beside)
        return f"«{event.name}» {self.live.phase}: {counts}.{beside} {' '.join(self.problems()[:2])}".strip()

    def problems(self) -> list[str]:
        """Return what fails right now, as Spanish sentences; empty when nothing does."""
        probes = self.live.probes
        late = behind(self.live.feeds.values(), self._clock.now())
        lines = problem_lines(
            pending=probes.pending() if probes.database_down_since() is not None else None,
            server_up=probes.link_down_since() is None,
            faults=[
                (self.live.camera_names.get(span.camera_id) or span.camera_id, span.fault)
                for span in self.live.fault_spans
                if span.ended is None
            ],
            silent_cameras=[f"{status.feed.camera_id[:16]}…" for status in late if status.failing_since],
        )
        return lines + [clock_step(step) for step in probes.current_clock_steps()]

    async def _nothing_is_due(self) -> bool:
        """Return whether no event is due, by this machine's clock and by the server's."""
        queue = ScheduleQueue(self._schedule, self._timezone)
        if not queue.due(self._clock.now()):
            await self._ask_time()
        return not queue.due(self._clock.now())

    async def _ask_time(self) -> None:
        """Have the clock learn the server's time before anything else is done; without an answer it is this machine's.

        No login is needed for that.
        """
        if not self._settings.acc.url:
            return
        with suppress(AccError):
            async with AvigilonClient(self._settings.acc, self._clock) as client:
                await client.ask_time()
                await client.learn_time()

    @asynccontextmanager
    async def _opened(
        self, *, observed: bool, patient: bool
    ) -> AsyncIterator[tuple[RunContext, Database, list[ScheduledEvent]]]:
        """Connect the database, then the cameras' server; gives the events that were never closed, too.

        ``observed``: with page, alerts, journal and heartbeat. ``patient``: a rejected login is tried again.
        """
        async with (
            AvigilonClient(self._settings.acc, self._clock, mask=self._mask) as client,
            Database(self._store, self._clock) as database,
        ):
            observer = LiveObserver(self.live, database, self._clock) if observed else IngestionObserver()
            context = self._context(client, database, GuardedObserver(observer))
            database.on_stored = context.committed
            database.on_corrected = context.corrected
            pushes = Pushes(
                self._settings.push,
                client=client,
                database=database,
                sink=context.live,
                clock=self._clock,
                notify=self.live.notify,
            )
            probes = HealthProbes(
                database_down_since=lambda: database.down_since,
                link_down_since=lambda: client.link_down_since,
                waiting=lambda: database.waiting(self.live.record) if self.live.record is not None else (),
                pending=lambda: database.pending,
                upcoming=lambda: self._schedule.schedule.next(self._clock.now()),
                file_faults=lambda: {file.path.name: file.fault for file in (self._schedule, self._cameras)},
                clock_steps=lambda: self._clock.steps,
                current_clock_steps=lambda: self._clock.current_steps,
                clock_skew=lambda: self._clock.skew,
                push=pushes.status,
            )
            self.live.connect(probes)
            await database.open()
            left_open = await database.open_events()
            observers = observing(self._settings, self.live, self._clock, database, self.ready)
            watching = background_task(
                watch_time(client, self._clock, self.live.notify),
                name="aforo-time",
                log=_log,
                failure="Error interno al comparar los relojes; el conteo sigue, con la última hora que se supo.",
            )
            async with watching, observers if observed else nullcontext():
                await self._first_login(client, mid_event=bool(left_open), service=patient)
                await client.learn_time()
                async with pushes.receiving() if observed else nullcontext():
                    yield context, database, left_open
                    await self._drain(database)
            await client.logout()

    def _context(self, client: AvigilonClient, database: Database, observer: IngestionObserver) -> RunContext:
        site = SiteDirectory(client, self._clock, observer)
        return RunContext(
            settings=self._settings.monitor,
            clock=self._clock,
            stopping=self._stopping,
            schedule=self._schedule,
            cameras=self._cameras,
            client=client,
            database=database,
            rules=self._rules,
            observer=observer,
            site=site,
            logs=CycleLogs(site, self._rules, self._timezone, totals_from(self._settings.totals)),
            health=HealthWatch(client, site, lambda: self._cameras.cameras, self._clock),
            close_lane=CloseLane(self._settings.acc.concurrency),
            live=LiveReaders(self._settings.acc.load / 100),
        )

    async def _drain(self, database: Database) -> None:
        """Store what still waits. A database that stays down does not hold the end up: it is read again next time."""
        try:
            async with self._clock.timeout(STOP_PATIENCE):
                await database.drain()
        except TimeoutError:
            _log.warning("No se pudo guardar todo antes de salir: lo que falta se vuelve a pedir la próxima vez.")

    async def _first_login(self, client: AvigilonClient, *, mid_event: bool, service: bool) -> None:
        """Log in. A server that does not answer is tried for a while; for as long as it takes, in mid-event.

        In a service a rejected login is logged and tried again after a while: nobody would start the service anew.
        """
        while True:
            try:
                return await self._login(client, patient=mid_event or service)
            except AccError as error:
                if not service:
                    raise
                if self._stopping.is_set():
                    return None
                self._login_refused = error.what
                _log.error("%s Se vuelve a intentar en %.0f minutos.", error, _LOGIN_AGAIN / 60)
                if await wait_until_set(self._stopping, self._clock, _LOGIN_AGAIN):
                    return None

    async def _login(self, client: AvigilonClient, *, patient: bool) -> None:
        started = self._clock.monotonic()

        def repeatable(error: Exception) -> bool:
            waited = self._clock.monotonic() - started
            impatient = not patient and waited >= self._settings.monitor.start_patience
            return isinstance(error, AccUnreachable) and not self._stopping.is_set() and not impatient

        sleep = partial(wait_until_set, self._stopping, self._clock)
        await _LOGIN_BACKOFF.retry(client.login, sleep=sleep, repeatable=repeatable)


@asynccontextmanager
async def observing(
    settings: Settings, live: LiveState, clock: Clock, database: Database, ready: asyncio.Event
) -> AsyncIterator[web.Page | None]:
    """Run page, alerts, incident journal, heartbeat and estimates inside the ``with``; gives the page, if there is one.

    ``ready`` is set after the first login. Raises BadSetting for a page that would be open to the network without a
    password.
    """
    timezone = settings.monitor.timezone
    zones = zones_from(settings.zones)

    def make_store() -> Store:
        return Store(settings.database.address(), zones, timezone)

    corrections, events = web.CorrectionService(live, database, clock), web.EventReader(live, make_store)
    archive = web.SessionArchive(database)
    context = web.WebContext(
        settings.web, live, clock, timezone.key, settings.alerts.stale, corrections, events, archive
    )
    interval = settings.monitor.interval
    heartbeat = settings.monitor.heartbeat_url.get_secret_value()
    async with (
        notifying_alerts(settings.alerts, live, clock, database),
        recording_incidents(live, clock, database, timedelta(seconds=interval)),
        sending_heartbeats(heartbeat, interval, live, clock, ready),
        estimating(settings, live, database, clock),
        web.serving(context) as page,
    ):
        yield page
