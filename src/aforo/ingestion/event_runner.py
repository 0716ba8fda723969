"""One event from its start to its closing line: poll cycle after poll cycle, then the close."""

import logging
from collections.abc import AsyncIterator, Callable, Container
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from aforo.background import background_task
from aforo.clock import wait_until_set
from aforo.errors import StoreRejectedRow, StoreReplaced
from aforo.ingestion.context import RunContext
from aforo.ingestion.fetch import PollCycle
from aforo.ingestion.fetch_planner import FetchPlanner
from aforo.ingestion.lateness import LONGEST_WAIT, LatenessMeter
from aforo.ingestion.lateness_log import LatenessLog
from aforo.ingestion.live_reader import LiveReader
from aforo.ingestion.poller import Poller
from aforo.ingestion.reconciliation import Reconciler, Reconciliation
from aforo.ingestion.sweep import Sweep
from aforo.ingestion.sweeper import Sweeper, SweepWork
from aforo.inputs.schedule import Schedule
from aforo.models import EventPhase, ScheduledEvent
from aforo.reference_clock import NOTEWORTHY
from aforo.storage import EventRecord, fault_spans

_log = logging.getLogger(__name__)

_REFRESH_SITE = 300.0  # seconds between two lists of the site's servers
_CHECK_END = 5.0  # seconds between two checks of whether an event is over whose end is in doubt
_LAST_READ = timedelta(seconds=5)  # after the latest instant at which a late event is expected


class EventRunner:
    """Watches one event and closes it.

    ``schedule``: what the event was taken from; a later one may have edited it. ``others``: the events that are watched
    or closed beside it, which an edit does not make this one.
    """

    def __init__(
        self,
        context: RunContext,
        record: EventRecord,
        schedule: Schedule | None = None,
        others: Callable[[], Container[ScheduledEvent]] = frozenset,
    ) -> None:
        self._context = context
        self._schedule = schedule or context.schedule.schedule
        self._edited: ScheduledEvent | None = None
        self._others = others
        self._cancelled = False
        self._log = context.logs.begin(record)
        settings = context.settings
        self._lateness = LatenessMeter(
            *(timedelta(seconds=seconds) for seconds in (settings.interval, settings.overlap, settings.grace))
        )
        self._live: LiveReader | None = None
        self._settled_at: datetime | None = None  # when what a comparison found late should all have come
        self._lateness_log = LatenessLog(self._lateness, context)
        self._take(record)

    @property
    def record(self) -> EventRecord:
        """The record of the event that is watched."""
        return self._record

    @property
    def event(self) -> ScheduledEvent:
        """The event as it is watched."""
        return self._record.event

    @property
    def edited(self) -> ScheduledEvent | None:
        """The event as the schedule has it since it was edited: the database may not have taken that, or not yet."""
        return self._edited

    @property
    def cancelled(self) -> bool:
        """The event is no longer scheduled."""
        return self._cancelled

    async def watch(self) -> None:
        """Read poll cycle after poll cycle until the event and its grace are over, or until a stop."""
        context = self._context
        if not context.clock.is_past(self._ends):  # a close reads the servers of its event by itself
            context.site.add_servers(feed.server_id for feed in self._record.checkpoints)
            self._follow()
        await self._lateness_log.restore(self._record)
        context.site.restore_health(fault_spans(await context.database.entries(self._record)))
        await self._report_opened()
        if self._doubtful_servers():
            await self._refresh_site()
        refreshing = background_task(
            self._keep_site_fresh(),
            name="aforo-site",
            log=_log,
            failure="Error interno al preguntar qué servidores tiene el sitio; el conteo sigue con los conocidos.",
        )
        live = self._reading_live()
        checking = background_task(
            context.health.run(),
            name="aforo-health",
            log=_log,
            failure="Error interno al preguntar cómo están las cámaras; el conteo sigue, sin saberlo.",
        )
        async with self._reading() as (poller, sweeper), context.close_lane.watching(), refreshing, live, checking:
            while not context.stopping.is_set() and not context.clock.is_past(self._ends):
                started = context.clock.monotonic()
                await self._follow_database()
                await self._reread_files()
                if self._cancelled:
                    return
                await self._run_cycle(poller, sweeper, started, self._ends)

    async def close(self) -> Reconciliation:
        """Wait for late events where some were late, read the whole event once more, store what was missing, compare.

        Where that still finds late ones, more of them may come: the close waits once more for as long as the latest was
        late, and compares again, until nothing late is found or the longest wait is over. Where the first answer says
        that the event is not over, since the machine's clock is ahead, it is watched until it is.
        """
        context = self._context
        while True:
            await self._wait_for_late_events()
            known = self._lateness.late_events
            reconciler, reconciliation = await self._reconcile(again=False)
            if reconciliation.too_early and not context.stopping.is_set():
                _log.warning(
                    "«%s» no ha terminado según la hora del servidor de cámaras: se sigue vigilando.", self.event.name
                )
                await self.watch()
                if not self._cancelled:
                    continue
            if self._cancelled:
                return reconciliation
            if not context.stopping.is_set() and self._lateness.late_events > known:
                self._settled_at = context.clock.now() + self._lateness.close_waits() + _LAST_READ
            if context.stopping.is_set() or context.clock.is_past(self._last_late_event_at()):
                break
        if not context.stopping.is_set():
            self._write_log()
            reconciler.write_log(reconciliation)
        return reconciliation

    @asynccontextmanager
    async def _reading(self, *, closing: bool = False) -> AsyncIterator[tuple[Poller, Sweeper]]:
        """Inside it poll cycles can be run, and the sweep goes on beside them."""
        context, sweeper = self._context, self._context.sweeper()
        sweeping = background_task(
            sweeper.run(),
            name="aforo-sweep",
            log=_log,
            failure="Error interno en el repaso de lo ya leído; el conteo sigue, y el cierre lo vuelve a pedir todo.",
        )
        async with context.poller(closing=closing) as poller, sweeping:
            yield poller, sweeper

    @asynccontextmanager
    async def _reading_live(self) -> AsyncIterator[None]:
        """Inside it live reads go on beside the poll cycles, and hints are taken."""
        context = self._context
        self._live = reader = context.live_reader()
        context.live.begin(self._record, reader)
        reading = background_task(
            reader.run(),
            name="aforo-live",
            log=_log,
            failure="Error interno en las lecturas en vivo; el conteo sigue, con las vueltas de siempre.",
        )
        try:
            async with reading:
                yield
        finally:
            self._live = None
            context.live.end(reader)

    async def _run_cycle(self, poller: Poller, sweeper: Sweeper, started: float, ends: datetime) -> None:
        """Run a poll cycle that began at ``started``; wait until the next one is due, or until the end of them all."""
        context = self._context
        self._begin_measuring()
        self._planner.begin_cycle(context.clock.earliest, self._lateness.overlaps())
        deadline = started + context.settings.interval
        cycle = PollCycle(
            self._record, context.cameras.cameras, self._planner, self._horizon(), lateness=self._lateness
        )
        sweeper.begin_cycle(SweepWork(cycle, self._sweep))
        if self._live is not None:
            self._live.begin_cycle(cycle)
        await poller.run_cycle(cycle, deadline)
        self._write_log()
        left = (ends - context.clock.now()).total_seconds()
        wait = min(deadline - context.clock.monotonic(), left if left > 0 else _CHECK_END)
        await wait_until_set(context.stopping, context.clock, wait)

    def _begin_measuring(self) -> None:
        """Measure lateness by the clock as it is now; not at all while it is disputed by much what time it is.

        By a little it often is: a server that is busy stamps a Date that is some seconds old.
        """
        clock = self._context.clock
        self._lateness.begin_cycle(clock.now(), clock.monotonic())
        if clock.doubt > NOTEWORTHY:
            self._lateness.distrust()

    async def _wait_for_late_events(self) -> None:
        """Go on reading after the event's grace for as long as its events were late; nothing where none was."""
        context, announced = self._context, None
        if context.stopping.is_set() or context.clock.is_past(self._last_late_event_at()):
            return
        context.observer.phase_changed(self._record, EventPhase.CLOSING)
        async with self._reading(closing=True) as (poller, sweeper):
            while not context.stopping.is_set() and not context.clock.is_past(until := self._last_late_event_at()):
                if until != announced:
                    announced = until
                    self._lateness_log.write_close_waits(self.event, until)
                    context.observer.close_waits(self._record, until)
                await self._follow_database()
                await self._run_cycle(poller, sweeper, context.clock.monotonic(), until)

    async def compare_again(self) -> tuple[Reconciliation, int]:
        """Do the same some time after the close; also returns how many camera events that found and stored."""
        before = await self._context.database.events_by_camera(self._record)
        _, reconciliation = await self._reconcile(again=True)
        found = sum(reconciliation.stored.values()) - sum(before.values()) if reconciliation.compared else 0
        if found and not self._context.stopping.is_set():
            self._write_log()
        return reconciliation, max(0, found)

    async def _reconcile(self, *, again: bool) -> tuple[Reconciler, Reconciliation]:
        since = self.event.window.since
        now = self._context.clock.monotonic()  # for what an earlier process read
        read = {
            feed: now if state.answered_at is None else state.answered_at
            for feed, state in self._planner.feeds.items()
            if state.read_until > since
        }
        while True:
            self._begin_measuring()
            await self._follow_database()
            reconciler = Reconciler(self._context, self._record, read, self._lateness, again=again)
            try:
                reconciliation = await reconciler.run()
            except StoreReplaced:
                continue
            return reconciler, reconciliation

    def end(self) -> None:
        """End the event's log, and measure no more."""
        self._context.logs.end(self._log)
        self._context.lateness_meters.pop(self._record.id, None)

    def _take(self, record: EventRecord) -> None:
        """Watch that record from now on."""
        context = self._context
        self._record = record
        context.logs.begin(record, self._log).open_record(record.occupancies)
        self._planner = FetchPlanner(record.event.window, timedelta(seconds=context.settings.overlap))
        context.lateness_meters[record.id] = self._lateness
        if self._live is not None:
            context.live.begin(record, self._live)
        self._lateness.open(record.event.window.since)
        self._sweep = Sweep(record.event.window, self._lateness.reads)
        self._follow()

    async def _report_opened(self) -> None:
        await self._context.observer.event_opened(self._record, self._planner.statuses())

    async def _follow_database(self) -> None:
        """Open the record again where the database was replaced: what it lacks is read from ACC again."""
        while self._record.generation != self._context.database.generation:
            self._log.dropped()
            try:
                await self._reopen(self.event)
            except StoreReplaced:
                continue  # once more, meanwhile

    async def _reread_files(self) -> None:
        """Take what changed in the two files while the event runs: its end, its name, the cameras."""
        context = self._context
        await context.schedule.refreshed()
        if context.schedule.schedule != self._schedule:  # who watches another event may have read the file again
            self._schedule = context.schedule.schedule
            scheduled = self._schedule.edited(self.event)
            if scheduled is None or scheduled in self._others():
                self._cancel()
            elif scheduled != self.event:
                self._edited = scheduled
                times = f"de {context.local(scheduled.window.since)} a {context.local(scheduled.window.until)}"
                _log.info("El horario de «%s» cambió: «%s», %s.", self.event.name, scheduled.name, times)
                await self._reopen(scheduled)
        await context.cameras.refreshed()
        if context.cameras.cameras != self._cameras:
            _log.info("La lista de cámaras cambió: ahora son %d.", len(context.cameras.cameras))
            self._follow(report=True)
        if not context.site.servers:
            await context.site.refresh()
        self._follow_site()

    async def _refresh_site(self) -> None:
        """List the site's servers. Those that are known from earlier events only, and have left it, are let go."""
        await self._context.site.refresh(self._doubtful_servers())
        self._follow_site()

    def _doubtful_servers(self) -> frozenset[str]:
        """The servers that gave nothing of this event, and that the site has not listed since it began."""
        site = self._context.site
        gave = {feed.server_id for feed, state in self._planner.feeds.items() if state.answered}
        gave.update(feed.server_id for feed in self._record.checkpoints)
        return frozenset(site.servers) - gave - site.listed_since(self.event.window.since)

    def _cancel(self) -> None:
        """The event is no longer scheduled. What was counted stays; should it come back, it goes on from there."""
        self._cancelled = True
        self._context.observer.phase_changed(self._record, EventPhase.WAITING)
        text = "«%s» ya no está en %s: se deja de vigilar. Lo contado queda; si vuelve al programa, se sigue donde iba."
        _log.warning(text, self.event.name, self._context.schedule.path)

    async def _keep_site_fresh(self) -> None:
        """List the site's servers again and again beside the poll cycles: one may have been restarting.

        At once where the servers are known from before a restart, and the cameras' names are not.
        """
        site = self._context.site
        if site.servers and not site.cameras:
            await self._refresh_site()
        while True:
            await self._context.clock.sleep(_REFRESH_SITE)
            await self._refresh_site()

    async def _reopen(self, scheduled: ScheduledEvent) -> None:
        try:
            record = await self._context.open_record(scheduled)
        except StoreRejectedRow as error:
            _log.error("El cambio no se pudo aplicar y sigue el horario anterior: %s", error)
        else:
            self._context.lateness_meters.pop(self._record.id, None)
            self._take(record)
            await self._report_opened()

    def _follow_site(self) -> None:
        """Follow the servers of the site where they are others than before, whoever has listed them."""
        if self._context.site.servers != self._servers:
            self._follow(report=True)

    def _follow(self, *, report: bool = False) -> None:
        self._cameras, self._servers = self._context.cameras.cameras, self._context.site.servers
        feeds = self._context.feeds()
        self._planner.follow(feeds, self._record.checkpoints)
        self._lateness.follow(feeds, self._record.checkpoints)
        if report:
            self._context.observer.feeds_followed(self._record, self._planner.statuses())

    @property
    def _ends(self) -> datetime:
        """When the event and its grace are over."""
        return self.event.window.until + timedelta(seconds=self._context.settings.grace)

    def _horizon(self) -> datetime:
        """Until when to read now."""
        return min(self._context.clock.now(), self.event.window.until)

    def _last_late_event_at(self) -> datetime:
        """When the last late event is expected; the event's end where none was late by more than the grace."""
        wait, until = self._lateness.close_waits(), self.event.window.until
        late = wait > timedelta(seconds=self._context.settings.grace)
        expected = until + (wait + _LAST_READ if late else timedelta(0))
        return expected if self._settled_at is None else max(expected, min(self._settled_at, until + LONGEST_WAIT))

    def _write_log(self) -> None:
        name = self.event.name if self._context.logs.several else ""
        self._log.write(self._horizon(), self._planner.unknown_cameras(), name)
        self._lateness_log.write(self._record)
