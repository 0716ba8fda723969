"""The reading of one planned fetch: all pages of its window, classified, into the sink."""

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Callable, Sequence, Set
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from aforo.avigilon import Lane, QueryBatching
from aforo.clock import Clock
from aforo.counting.rules import Rules
from aforo.errors import AccError, AccIncomplete, AccUnreachable
from aforo.ingestion.fetch_planner import FetchPlanner, PlannedFetch
from aforo.ingestion.lateness import LatenessMeter, Reading, ReadKind
from aforo.ingestion.source_count import SourceCount, WindowCount
from aforo.models import Batch, CameraEvent, Feed, Page, Window
from aforo.storage import EventRecord

_log = logging.getLogger(__name__)

# A query for several cameras that has no page by then is split: one hanging camera must not hold up the others.
_JOINT_PATIENCE = 5.0  # seconds


class EventClient(Protocol):
    """What the ingestion needs of the cameras' server."""

    @property
    def link_down_since(self) -> datetime | None:
        """Since when (aware UTC) no server answers; None while one does."""
        ...

    def events(
        self, server_id: str, camera_ids: Sequence[str], window: Window, *, lane: Lane = Lane.POLL
    ) -> AsyncGenerator[Page, None]:
        """Read all camera events in the window, page by page. Raises AccError."""
        ...


class Sink(Protocol):
    """Where classified pages go: waits when too much is waiting to be stored."""

    async def put(self, record: EventRecord, batch: Batch) -> None:
        """Take a batch of that event."""
        ...


@dataclass(slots=True, frozen=True)
class PollCycle:
    """One pass over all that is due: the event's record, its cameras, the planner, how far to read.

    With a ``count``, ACC's events are counted for the comparison at the close, and each camera is read alone: the
    comparison must not depend on what a server does with several. ``lateness`` measures how late its events came.
    """

    record: EventRecord
    cameras: Set[str]
    planner: FetchPlanner
    horizon: datetime
    count: SourceCount | None = None
    lateness: LatenessMeter | None = None


@dataclass(slots=True, frozen=True)
class _Followers:
    """What counts and measures while a window is read, why ever; either may be missing."""

    kind: ReadKind
    count: WindowCount | None
    lateness: LatenessMeter | None
    reading: Reading | None

    def page_read(self, batch: Batch, now: datetime) -> None:
        """A classified page was read at ``now``."""
        if self.count is not None:
            self.count.add_page(batch)
        if self.lateness is not None and self.reading is not None:
            self.lateness.page_read(self.reading, batch.events, now)

    def reached(self, until: datetime) -> None:
        """All of the window before ``until`` is read."""
        if self.count is not None:
            self.count.settle(until)
        if self.lateness is not None and self.reading is not None:
            self.lateness.reached(self.reading, until)


class Fetcher:
    """Reads planned fetches. ``on_page`` is called with each classified page and whose it is.

    ``on_events`` is called before with the camera events that an answer had, whatever they mean.
    """

    def __init__(  # noqa: PLR0913 -- the parts that a fetch needs
        self,
        *,
        client: EventClient,
        batching: QueryBatching,
        rules: Rules,
        sink: Sink,
        clock: Clock,
        on_page: Callable[[EventRecord, Batch], None],
        on_events: Callable[[Sequence[CameraEvent]], None],
        feed_label: Callable[[Feed], str],
    ) -> None:
        self._client = client
        self._batching = batching
        self._rules = rules
        self._sink = sink
        self._clock = clock
        self._on_page = on_page
        self._on_events = on_events
        self._feed_label = feed_label
        self._reported_incomplete: set[str] = set()

    async def read(self, cycle: PollCycle, fetch: PlannedFetch, kind: ReadKind = ReadKind.POLL) -> int:
        """Read all of a window into the sink; returns how many events it had. Raises AccError.

        Pages carry the checkpoints up to which they complete the reading: a failure costs only what came after the last
        of them. What was read before an error is stored: the rest may never come. ``kind``: why it is read.
        """
        waiting: Batch | None = None
        events = 0
        reached = fetch.query.window.since
        followers = self._followers(cycle, fetch, kind)
        try:
            async with aclosing(self._pages(fetch)) as pages:
                async for page in pages:
                    self._batching.record_page(fetch.query, page)
                    cycle.planner.mark_page(fetch)
                    events += len(page.events)
                    self._on_events(page.events)
                    if page.events or page.malformed:
                        if waiting is not None:
                            await self._put(cycle, waiting)
                        waiting = self._rules.classify_page(page, cycle.record.event, cycle.cameras)
                        followers.page_read(waiting, self._clock.now())
                    if page.read_until is not None:
                        reached = page.read_until
                        await self._put_reached(cycle, fetch, waiting, followers, reached)
                        waiting = None
        except AccIncomplete as error:
            self._report_incomplete(fetch, error)  # all that could be had was given: reading again would give no more
            if cycle.count is not None:
                cycle.count.incomplete.update(fetch.query.cameras)
        except AccError:
            if waiting is not None:
                await self._put(cycle, waiting)
            raise
        if reached < fetch.query.window.until:
            await self._put_reached(cycle, fetch, waiting, followers, fetch.query.window.until)
        return events

    async def _put(self, cycle: PollCycle, batch: Batch) -> None:
        """Put a batch, and report it before it can be stored: one that is cancelled here is read again."""
        await self._sink.put(cycle.record, batch)
        self._on_page(cycle.record, batch)

    async def _put_reached(
        self, cycle: PollCycle, fetch: PlannedFetch, batch: Batch | None, followers: "_Followers", until: datetime
    ) -> None:
        """Put what completes the reading up to ``until``, with its checkpoints, so that one transaction stores both."""
        last = batch or Batch()
        last.checkpoints = cycle.planner.advance(fetch, until, self._clock.monotonic())
        if followers.kind is ReadKind.LIVE:
            last.live_until = dict.fromkeys(fetch.query.feeds, until)
        followers.reached(until)
        await self._put(cycle, last)

    def _followers(self, cycle: PollCycle, fetch: PlannedFetch, kind: ReadKind) -> "_Followers":
        count = cycle.count.window(fetch.query) if cycle.count is not None else None
        now = self._clock.now()
        reading = cycle.lateness.begin(fetch.query, now, kind) if cycle.lateness is not None else None
        return _Followers(kind, count, cycle.lateness, reading)

    async def read_cross_checked(self, cycle: PollCycle, fetch: PlannedFetch) -> int:
        """Read a joint query while one of its cameras is also read alone; returns how many events it had.

        A contradiction opens all of that server anew. Raises AccError.
        """
        cross_check = asyncio.create_task(self._batching.cross_check(fetch.query))
        try:
            events = await self.read(cycle, fetch)
            alone = await cross_check
        finally:
            cross_check.cancel()
        if self._batching.is_contradicted(fetch.query, alone, self._clock.now()):
            cycle.planner.reopen(fetch.query.server_id)
            if cycle.lateness is not None:
                cycle.lateness.distrust(fetch.query.server_id)
            raise AccUnreachable("La respuesta por varias cámaras juntas no trae lo que una sola sí.")
        return events

    def _report_incomplete(self, fetch: PlannedFetch, error: AccIncomplete) -> None:
        if error.what not in self._reported_incomplete:
            self._reported_incomplete.add(error.what)
            single = len(fetch.query.cameras) == 1
            _log.error("%s: %s", self._feed_label(fetch.query.feeds[0]) if single else cameras_of(fetch), error)

    async def _pages(self, fetch: PlannedFetch) -> AsyncGenerator[Page, None]:
        query = fetch.query
        patience = _JOINT_PATIENCE if len(query.cameras) > 1 else math.inf
        reading = self._client.events(query.server_id, query.cameras, query.window, lane=fetch.lane)
        async with aclosing(reading) as pages:
            while True:
                try:
                    async with self._clock.timeout(patience) if patience < math.inf else nullcontext():
                        page = await anext(pages)
                except StopAsyncIteration:
                    return
                except TimeoutError as exc:
                    raise AccUnreachable(f"{len(query.cameras)} cámaras juntas no contestan a tiempo.") from exc
                yield page


def cameras_of(fetch: PlannedFetch) -> str:
    """The cameras of a fetch in words."""
    cameras = fetch.query.cameras
    return f"{len(cameras)} cámaras" if len(cameras) > 1 else f"la cámara {cameras[0]}"
