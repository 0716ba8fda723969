"""When to read: runs what the planner has due, for one poll cycle after the other."""

import asyncio
import logging
import math
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from zoneinfo import ZoneInfo

from aforo.avigilon import QueryBatching
from aforo.clock import Clock, wait_until_set
from aforo.errors import AccDenied, AccError, AccRejectedLogin, AccUnreachable
from aforo.ingestion.fetch import EventClient, Fetcher, PollCycle, cameras_of
from aforo.ingestion.fetch_planner import FetchPlanner, PlannedFetch
from aforo.ingestion.observer import IngestionObserver
from aforo.models import Feed

_log = logging.getLogger(__name__)

_PROBE_INTERVAL = 6.0  # seconds, at most, between two requests to a server that is down
_GATHER = 0.05  # seconds: failures so close to each other are handled in one go, for there may be thousands


class Poller:
    """Reads what is due and stores the answers. An async context manager: leaving it cancels fetches under way.

    Each fetch is read inside a ``lane()``, which may have it wait.
    """

    def __init__(  # noqa: PLR0913 -- the parts that a poller needs
        self,
        *,
        client: EventClient,
        batching: QueryBatching,
        fetcher: Fetcher,
        lane: Callable[[], AbstractAsyncContextManager[object]],
        clock: Clock,
        stopping: asyncio.Event,
        observer: IngestionObserver,
        timezone: ZoneInfo,
        feed_label: Callable[[Feed], str],
    ) -> None:
        self._client = client
        self._batching = batching
        self._fetcher = fetcher
        self._lane = lane
        self._clock = clock
        self._stopping = stopping
        self._observer = observer
        self._timezone = timezone
        self._feed_label = feed_label
        self._progress = asyncio.Event()
        self._fetches: set[asyncio.Task[None]] = set()
        self._reported_failing: set[Feed] = set()
        self._reported_logins: set[str] = set()
        self._cycle: PollCycle | None = None
        self._was_down = False
        self._probe_at = -math.inf

    async def __aenter__(self) -> "Poller":
        self._stop = asyncio.create_task(self._wake_on_stop())
        return self

    async def __aexit__(self, *_: object) -> None:
        under_way = {self._stop, *self._fetches}
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    async def _wake_on_stop(self) -> None:
        await self._stopping.wait()
        self._progress.set()

    async def run_cycle(self, cycle: PollCycle, deadline: float) -> bool:
        """Read until all of the cycle is read, or until ``deadline`` (the clock's monotonic seconds) is past.

        A fetch that hangs goes on after the cycle. True when all was read.
        """
        self._batching.begin_cycle()
        self._cycle, planner, horizon = cycle, cycle.planner, cycle.horizon
        cameras_per_query = self._batching.max_cameras if cycle.count is None else _one
        while not self._stopping.is_set():
            self._progress.clear()
            now = self._clock.now()
            self._start(cycle, planner.due_fetches(horizon, now, cameras_per_query, self._feed_limit(planner)))
            self._report_changed(planner)
            if not planner.behind(horizon) and not self._fetches:
                await self._batching.prove()
                return True
            remaining = deadline - self._clock.monotonic()
            if remaining <= 0:
                break
            timeout = min(remaining, self._seconds_to_next_due(planner, now))
            if await wait_until_set(self._progress, self._clock, timeout) and self._fetches:
                await self._clock.sleep(_GATHER)
        return False

    def _feed_limit(self, planner: FetchPlanner) -> float:
        """How many feeds may be read now. A server that is down is only probed; once it is back, no feed is paused."""
        down = self._client.link_down_since is not None
        if down:
            planner.server_down(self._clock.now())
        elif self._was_down:
            planner.server_up(self._clock.now())
        self._was_down = down
        if not down:
            return math.inf
        if self._fetches or self._clock.monotonic() < self._probe_at:
            return 0
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 -- not a secret
        self._probe_at = self._clock.monotonic() + jitter * _PROBE_INTERVAL
        return 1

    def _seconds_to_next_due(self, planner: FetchPlanner, now: datetime) -> float:
        """Until a paused feed is due again, or a server that is down is probed again: one probe at a time."""
        if self._was_down:
            return math.inf if self._fetches else max(self._probe_at - self._clock.monotonic(), _GATHER)
        rest_ends = planner.next_rest_ends()
        return max((rest_ends - now).total_seconds(), _GATHER) if rest_ends else math.inf

    def _start(self, cycle: PollCycle, fetches: Sequence[PlannedFetch]) -> None:
        cross_checked = self._batching.pick_cross_check([fetch.query for fetch in fetches])
        for fetch in fetches:
            task = asyncio.create_task(self._run(cycle, fetch, cross_check=fetch.query is cross_checked))
            self._fetches.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._fetches.discard(task)
        if not self._fetches:
            self._progress.set()

    async def _run(self, cycle: PollCycle, first: PlannedFetch, *, cross_check: bool) -> None:
        """Read a fetch and the same cameras' next windows, until they are at the horizon or one fails."""
        fetch: PlannedFetch | None = first
        read = self._fetcher.read_cross_checked if cross_check else self._fetcher.read
        while fetch is not None and not self._stopping.is_set():
            try:
                async with self._lane():
                    events = await read(cycle, fetch)
            except AccError as error:
                self._failed(cycle.planner, fetch, error)
                return
            except Exception:  # noqa: BLE001 -- a fault of ours must cost one answer, not the event
                _log.exception(
                    "Error interno al leer %s; la ventana queda abierta y se vuelve a pedir.", cameras_of(fetch)
                )
                self._failed(cycle.planner, fetch, AccUnreachable("Error interno al leer: es un fallo del programa."))
                return
            self._succeeded(cycle.planner, fetch, events)
            fetch = cycle.planner.next_fetch(fetch, cycle.horizon)

    def _report_changed(self, planner: FetchPlanner) -> None:
        """Report which feeds changed; not those of a planner that an edit of the schedule has replaced."""
        if self._cycle is not None and planner is self._cycle.planner:
            self._observer.feeds_changed(self._cycle.record, planner.take_changed())

    def _succeeded(self, planner: FetchPlanner, fetch: PlannedFetch, events: int) -> None:
        self._batching.record_success(fetch.query)
        if self._was_down:
            self._progress.set()
        if self._reported_logins:
            self._reported_logins.clear()
            _log.warning("El servidor de cámaras vuelve a aceptar el inicio de sesión.")
        for feed in planner.mark_read(fetch, events):
            if feed in self._reported_failing:
                self._reported_failing.discard(feed)
                _log.info("La cámara %s vuelve a contestar; lo que faltaba está recuperado.", self._feed_label(feed))
        self._report_changed(planner)

    def _failed(self, planner: FetchPlanner, fetch: PlannedFetch, error: AccError) -> None:
        newly_failing = planner.mark_failed(fetch, error, self._clock.now())
        self._batching.record_failure(fetch.query)
        self._progress.set()
        self._report_changed(planner)
        if isinstance(error, AccRejectedLogin) and not isinstance(error, AccDenied):
            if newly_failing and error.what not in self._reported_logins:
                self._reported_logins.add(error.what)
                _log.error("%s", error)
            return  # logged once, for all cameras: none can be read without a session
        if self._client.link_down_since is not None:
            return  # logged once, by the client, for all cameras
        for feed in newly_failing:
            self._reported_failing.add(feed)
            _log.warning(
                "La cámara %s no se pudo leer desde %s: %s Su ventana queda abierta y se vuelve a pedir.",
                self._feed_label(feed),
                fetch.query.window.since.astimezone(self._timezone).strftime("%H:%M:%S"),
                error,
            )


def _one(_server_id: str) -> int:
    return 1
