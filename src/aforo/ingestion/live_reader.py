"""Reads beside the poll cycles what has just happened, so that it is counted sooner: live reads, and reads by hints.

A live read asks all feeds for what came since the last read of them; a hint read asks for what ACC has pushed. Both
store what they find and move no checkpoint: the poll cycles read every window whether or not these reads came, and the
ledger keeps each event once. A read that fails or hangs is dropped. It has connections of its own.
"""

import asyncio
import logging
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from aforo.avigilon import BatchingClient, EventQuery, Lane, QueryBatching
from aforo.background import cancel_and_wait
from aforo.clock import wait_until_set
from aforo.errors import AccError
from aforo.ingestion.fetch import Fetcher, PollCycle, cameras_of
from aforo.ingestion.fetch_planner import FetchPlanner, PlannedFetch
from aforo.ingestion.hints import HintQuery, HintQueue, HintSink
from aforo.ingestion.lateness import ReadKind
from aforo.ingestion.live_pace import LivePace
from aforo.models import CameraEvent, CommitResult, Feed, Window
from aforo.reference_clock import ReferenceClock
from aforo.storage import EventRecord

_log = logging.getLogger(__name__)

_LEAST_MARGIN, _MOST_MARGIN = timedelta(seconds=2), timedelta(seconds=30)


class LiveReader:
    """Reads one event live. ``database_is_down``: nothing is read while it is."""

    def __init__(  # noqa: PLR0913 -- the parts that it needs
        self,
        *,
        fetcher: Fetcher,
        batching: QueryBatching,
        client: BatchingClient,
        clock: ReferenceClock,
        pace: LivePace,
        database_is_down: Callable[[], bool],
    ) -> None:
        self._fetcher = fetcher
        self._batching = batching
        self._client = client
        self._clock = clock
        self._pace = pace
        self._database_is_down = database_is_down
        self._hints = HintQueue()
        self._cycle: PollCycle | None = None
        self._margins: Mapping[str, timedelta] = {}
        self._read_at: dict[Feed, datetime] = {}
        self._begun, self._paced, self._hinted = (asyncio.Event() for _ in range(3))

    def begin_cycle(self, cycle: PollCycle) -> None:
        """A poll cycle has begun: read beside it, with its planner and its measurement."""
        self._cycle = cycle
        if cycle.lateness is not None:
            self._margins = cycle.lateness.usually_visible_within()
        self._batching.begin_cycle()
        self._read_at = {feed: at for feed, at in self._read_at.items() if feed in cycle.planner.feeds}
        self._begun.set()

    async def run(self) -> None:
        """Read until cancelled."""
        await self._begun.wait()
        tasks = [asyncio.create_task(work) for work in (self._read_hints(), self._read_live())]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                await cancel_and_wait(task)

    # What happens meanwhile.

    def committed(self, result: CommitResult) -> None:
        """A transaction of the event was committed."""
        if result.new:
            self._pace.news(self._clock.monotonic())
            self._paced.set()

    def page_read(self, events: Sequence[CameraEvent]) -> None:
        """A page of the event's cameras was read, by whatever read."""
        self._hints.page_read(events, self._clock.monotonic())

    def camera_event_seen(self, server_id: str, camera_id: str, occurred_at: datetime) -> None:
        """Take a hint, where it is about the event and about a feed that is followed."""
        if self._cycle is None or camera_id not in self._cycle.cameras:
            return
        planner, feed = self._cycle.planner, Feed(server_id, camera_id)
        if feed not in planner.feeds or not planner.window.since <= occurred_at < planner.window.until:
            return
        if not self._hints.add(feed, occurred_at, self._clock.monotonic()):
            self.something_missed()
        self._hinted.set()

    def something_missed(self) -> None:
        """Read everything as soon as the load allows it."""
        self._pace.hurry()
        self._paced.set()

    # Live reads.

    async def _read_live(self) -> None:
        while True:
            self._paced.clear()
            await _wait(self._paced, self._clock, self._pace.due_at)
            if self._clock.monotonic() < self._pace.due_at:
                continue
            self._pace.begin(self._clock.monotonic())
            if self._cycle is not None and not self._is_away() and (due := self._due_queries(self._cycle.planner)):
                succeeded = await self._read_all(self._cycle, due)
                self._pace.end(self._clock.monotonic(), failed=not succeeded)

    async def _read_all(self, cycle: PollCycle, due: Sequence[EventQuery]) -> bool:
        """Read one query after the other; False where one failed, or where they take too long."""
        began = self._clock.monotonic()
        for query in due:
            sent = self._clock.now()
            if self._is_away() or self._clock.monotonic() - began > self._pace.most_seconds:
                return False
            if not await self._read(cycle, query, ReadKind.LIVE):
                return False
            self._read_at.update(dict.fromkeys(query.feeds, sent))
        return True

    def _due_queries(self, planner: FetchPlanner) -> list[EventQuery]:
        """The queries of a live read, those first that were read longest ago.

        Left out: feeds that fail, that are being caught up, or that a poll cycle has just read.
        """
        now = self._clock.now()
        alike: defaultdict[tuple[str, Window], list[str]] = defaultdict(list)
        for feed in planner.well():
            read_until = planner.feeds[feed].read_until
            last = min(now, max(read_until, self._read_at.get(feed, read_until)))
            since = max(planner.window.since, last - self._margin(feed.server_id))
            window = Window(since, min(now, planner.window.until))
            worth = self._pace.is_worth_reading((now - read_until).total_seconds(), (now - last).total_seconds())
            if worth and window.since < window.until:
                alike[feed.server_id, window].append(feed.camera_id)
        found = []
        for server_id, window in sorted(alike, key=lambda key: key[1].since):
            cameras, size = alike[server_id, window], self._batching.max_cameras(server_id)
            found += [
                EventQuery(server_id, tuple(cameras[first : first + size]), window)
                for first in range(0, len(cameras), size)
            ]
        return found

    def _margin(self, server_id: str) -> timedelta:
        """How far a live read looks back before the last one: as far as that server's events usually are late."""
        usual = self._margins.get(server_id, timedelta(0)) + _LEAST_MARGIN
        return min(_MOST_MARGIN, usual)

    # Reads by hints.

    async def _read_hints(self) -> None:
        reading: set[asyncio.Task[None]] = set()
        try:
            while True:
                self._hinted.clear()
                now = self._clock.monotonic()
                await _wait(self._hinted, self._clock, self._hints.due_at(now))
                now = self._clock.monotonic()
                if self._cycle is None or self._is_away():
                    self._hints.clear()
                    continue
                for query in self._hints.take_due(now, self._batching.max_cameras):
                    task = asyncio.create_task(self._read_hint(self._cycle, query))
                    reading.add(task)
                    task.add_done_callback(reading.discard)
                    task.add_done_callback(lambda _: self._hinted.set())
        finally:
            for task in list(reading):
                await cancel_and_wait(task)

    async def _read_hint(self, cycle: PollCycle, query: HintQuery) -> None:
        answered = await self._read(cycle, query.query, ReadKind.HINT)
        self._hints.end(query, self._clock.monotonic(), answered=answered)

    async def _read(self, cycle: PollCycle, query: EventQuery, kind: ReadKind) -> bool:
        """Read a window into the database; whether it was answered whole."""
        fetch = PlannedFetch.beside(query, Lane.LIVE)
        try:
            await self._fetcher.read(cycle, fetch, kind)
        except AccError as error:
            _log.debug("Una lectura en vivo de %s se deja: %s", cameras_of(fetch), error)
            return False
        except Exception:  # noqa: BLE001 -- a fault of ours must cost one answer: the poll cycle reads the window too
            _log.exception(
                "Error interno al leer en vivo %s; la vuelta siguiente lo vuelve a pedir.", cameras_of(fetch)
            )
            return False
        return True

    def _is_away(self) -> bool:
        return self._client.link_down_since is not None or self._database_is_down()


async def _wait(event: asyncio.Event, clock: ReferenceClock, instant: float) -> None:
    """Wait for the event until an instant of the monotonic clock at most."""
    if instant == math.inf:
        await event.wait()
    elif instant > clock.monotonic():
        await wait_until_set(event, clock, instant - clock.monotonic())


class LiveReaders(HintSink):
    """The live readers of the events that are watched; hints go to all of them.

    ``load``: the share of the time, from 0 to 1, in which the requests of the live reads may be under way.
    """

    def __init__(self, load: float = 0.2) -> None:
        self.load = load
        self._readers: dict[int, LiveReader] = {}

    def begin(self, record: EventRecord, reader: LiveReader) -> None:
        """That reader reads the event from now on, and no other one."""
        self.end(reader)
        self._readers[record.id] = reader

    def end(self, reader: LiveReader) -> None:
        """The reader ends."""
        self._readers = {record_id: other for record_id, other in self._readers.items() if other is not reader}

    def committed(self, record: EventRecord, result: CommitResult) -> None:
        """A transaction of that event was committed."""
        if (reader := self._readers.get(record.id)) is not None:
            reader.committed(result)

    def page_read(self, events: Sequence[CameraEvent]) -> None:
        """A page was read, by whatever read of whatever event."""
        for reader in self._readers.values():
            reader.page_read(events)

    def camera_event_seen(self, server_id: str, camera_id: str, occurred_at: datetime) -> None:
        """ACC pushed an event of that feed."""
        for reader in self._readers.values():
            reader.camera_event_seen(server_id, camera_id, occurred_at)

    def something_missed(self, server_id: str | None, why: str) -> None:
        """Pushes may be missing: all feeds are read at once, of whatever server, for that is few requests."""
        _log.debug("Se pregunta ya por todas las cámaras (%s): %s", server_id or "todos los servidores", why)
        for reader in self._readers.values():
            reader.something_missed()
