"""One event's evening: asks what is due, sifts each page, hands it to the writer. The order of it, and nothing else."""

import asyncio
import logging
import math
import random
from collections.abc import AsyncGenerator, Callable, Sequence, Set
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from aforo.avigilon import AvigilonClient, QueryBatching
from aforo.clock import Clock, wait_until_set
from aforo.counting.rules import Rules
from aforo.errors import AccDenied, AccError, AccIncomplete, AccRejectedLogin, AccUnreachable
from aforo.ingestion.fetch_planner import FetchPlanner, PlannedFetch
from aforo.ingestion.source_count import SourceCount
from aforo.models import Batch, Feed, Page, ScheduledEvent

_log = logging.getLogger(__name__)

# A question about several cameras that has no page by then is split: one hanging camera must not hold up the others.
_GROUP_PATIENCE = 5.0
_PROBE = 6.0  # seconds, at most, between two questions to a server that is away
_TOGETHER = 0.05  # seconds: failures so close to each other are seen to in one go, for there may be thousands


class Sink(Protocol):
    """Where sifted pages go: waits when too much is waiting to be stored."""

    async def put(self, batch: Batch) -> None:
        """Take a batch."""
        ...


@dataclass(slots=True, frozen=True)
class PollCycle:
    """What a turn is for: the event, its cameras, the feeds, how far to go; with a census, ACC's events are counted.

    For a census each camera is asked alone: the last word must not lean on what a server does with several.
    """

    event: ScheduledEvent
    cameras: Set[str]
    coverage: FetchPlanner
    horizon: datetime
    census: SourceCount | None = None


class Poller:
    """Asks what is due and stores the answers. Use as an async context manager: leaving it ends its asks."""

    def __init__(  # noqa: PLR0913 -- the rooms that an evening needs, handed in one by one
        self,
        *,
        acc: AvigilonClient,
        rules: Rules,
        sink: Sink,
        clock: Clock,
        stopping: asyncio.Event,
        timezone: ZoneInfo,
        on_read: Callable[[Batch], None],
        name: Callable[[Feed], str],
    ) -> None:
        self._acc = acc
        self._rules = rules
        self._sink = sink
        self._clock = clock
        self._stopping = stopping
        self._timezone = timezone
        self._on_read = on_read
        self._name = name
        self._progress = asyncio.Event()
        self._asks: set[asyncio.Task[None]] = set()
        self._together = QueryBatching(acc)
        self._told: set[Feed] = set()
        self._incomplete: set[str] = set()
        self._refused: set[str] = set()
        self._was_down = False
        self._probe_at = -math.inf

    async def __aenter__(self) -> "Poller":
        self._stop = asyncio.create_task(self._wake_to_stop())
        return self

    async def __aexit__(self, *_: object) -> None:
        under_way = {self._stop, *self._asks}
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    async def _wake_to_stop(self) -> None:
        await self._stopping.wait()
        self._progress.set()

    async def turn(self, errand: PollCycle, deadline: float) -> bool:
        """Ask until all of the errand is answered, or until ``deadline`` (the clock's monotonic seconds) is past.

        A feed that hangs goes on being asked after the turn. True when all was answered.
        """
        self._together.begin_cycle()
        coverage, horizon = errand.coverage, errand.horizon
        most = self._together.max_cameras if errand.census is None else _alone
        while not self._stopping.is_set():
            self._progress.clear()
            now = self._clock.now()
            self._start(errand, coverage.asks(horizon, now, most, self._most_now(coverage)))
            if not coverage.behind(horizon) and not self._asks:
                await self._together.prove()
                return True
            remaining = deadline - self._clock.monotonic()
            if remaining <= 0:
                break
            if (
                await wait_until_set(self._progress, self._clock, min(remaining, self._rest(coverage, now)))
                and self._asks
            ):
                await self._clock.sleep(_TOGETHER)
        return False

    def _most_now(self, coverage: FetchPlanner) -> float:
        """How many feeds may be asked now. A server that is away is only probed; once it is back, nobody rests."""
        down = self._acc.link_down_since is not None
        if down:
            coverage.lost(self._clock.now())
        elif self._was_down:
            coverage.wake(self._clock.now())
        self._was_down = down
        if not down:
            return math.inf
        if self._asks or self._clock.monotonic() < self._probe_at:
            return 0
        self._probe_at = self._clock.monotonic() + random.uniform(0.5, 1.0) * _PROBE  # noqa: S311 -- jitter
        return 1

    def _rest(self, coverage: FetchPlanner, now: datetime) -> float:
        """Seconds until a resting feed is due again, or a server that is away is probed again: one probe at a time."""
        if self._was_down:
            return math.inf if self._asks else max(self._probe_at - self._clock.monotonic(), _TOGETHER)
        rest_ends = coverage.next_rest_ends()
        return max((rest_ends - now).total_seconds(), _TOGETHER) if rest_ends else math.inf

    def _start(self, errand: PollCycle, asks: Sequence[PlannedFetch]) -> None:
        to_check = self._together.pick_cross_check([ask.query for ask in asks])
        for ask in asks:
            task = asyncio.create_task(self._pursue(errand, ask, check=ask.query is to_check))
            self._asks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._asks.discard(task)
        if not self._asks:
            self._progress.set()

    async def _pursue(self, errand: PollCycle, first: PlannedFetch, *, check: bool) -> None:
        ask: PlannedFetch | None = first
        while ask is not None and not self._stopping.is_set():
            try:
                read = await (self._read_and_check(errand, ask) if check else self._read(errand, ask))
            except AccError as error:
                self._failed(errand.coverage, ask, error)
                return
            except Exception as error:  # noqa: BLE001 -- a fault of ours must cost one answer, not the evening
                _log.exception("Error interno al leer %s; la ventana queda abierta y se vuelve a pedir.", _names(ask))
                self._failed(errand.coverage, ask, AccUnreachable(f"Error interno ({type(error).__name__})."))
                return
            self._answered(errand.coverage, ask, read)
            ask = errand.coverage.following(ask, errand.horizon)

    async def _read_and_check(self, errand: PollCycle, ask: PlannedFetch) -> int:
        """Read a common answer while its witness is asked alone; a contradiction opens all of that server anew."""
        witness = asyncio.create_task(self._together.cross_check(ask.query))
        try:
            read = await self._read(errand, ask)
            alone = await witness
        finally:
            witness.cancel()
        if self._together.is_contradicted(ask.query, alone, self._clock.now()):
            errand.coverage.reopen(ask.query.server_id)
            raise AccUnreachable("La respuesta por varias cámaras juntas no trae lo que una sola sí.")
        return read

    async def _read(self, errand: PollCycle, ask: PlannedFetch) -> int:
        """Read all of a window into the sink, page by page; the last page carries the checkpoints."""
        waiting: Batch | None = None
        read = 0
        heard = errand.census.window(ask.query.server_id) if errand.census is not None else None
        try:
            async with aclosing(self._pages(ask)) as pages:
                async for page in pages:
                    batch = self._rules.classify_page(page, errand.event, errand.cameras)
                    self._on_read(batch)
                    self._together.record_page(ask.query, page)
                    if heard is not None:
                        heard.add_page(batch)
                    if waiting is not None:
                        await self._sink.put(waiting)
                    waiting = batch
                    read += len(page.events)
        except AccIncomplete as error:
            self._note_incomplete(ask, error)  # all that could be had was given: asking again would give no more
        except AccError:
            if waiting is not None:
                await self._sink.put(waiting)  # what was read counts now: the rest may never come
            raise
        if errand.census is not None and heard is not None:
            errand.census.add(ask.query.cameras[0], heard)
        last = waiting or Batch()
        last.checkpoints = errand.coverage.checkpoints(ask)
        await self._sink.put(last)
        return read

    def _note_incomplete(self, ask: PlannedFetch, error: AccIncomplete) -> None:
        if error.what not in self._incomplete:
            self._incomplete.add(error.what)
            _log.error(
                "%s: %s", self._name(next(iter(ask.query.feeds))) if len(ask.query.cameras) == 1 else _names(ask), error
            )

    async def _pages(self, ask: PlannedFetch) -> AsyncGenerator[Page, None]:
        patience = _GROUP_PATIENCE if len(ask.query.cameras) > 1 else math.inf
        async with aclosing(
            self._acc.events(ask.query.server_id, ask.query.cameras, ask.query.window, suspect=ask.suspect)
        ) as pages:
            while True:
                try:
                    async with self._clock.timeout(patience) if patience < math.inf else nullcontext():
                        page = await anext(pages)
                except StopAsyncIteration:
                    return
                except TimeoutError as exc:
                    raise AccUnreachable(f"{len(ask.query.cameras)} cámaras juntas no contestan a tiempo.") from exc
                yield page

    def _answered(self, coverage: FetchPlanner, ask: PlannedFetch, read: int) -> None:
        self._together.record_success(ask.query)
        if self._was_down:
            self._progress.set()
        if self._refused:
            self._refused.clear()
            _log.warning("El servidor de cámaras vuelve a aceptar el inicio de sesión.")
        for feed in coverage.answered(ask, read):
            if feed in self._told:
                self._told.discard(feed)
                _log.info("La cámara %s vuelve a contestar; lo que faltaba está recuperado.", self._name(feed))

    def _failed(self, coverage: FetchPlanner, ask: PlannedFetch, error: AccError) -> None:
        fallen = coverage.failed(ask, error, self._clock.now())
        self._together.record_failure(ask.query)
        self._progress.set()
        if isinstance(error, AccRejectedLogin) and not isinstance(error, AccDenied):
            if fallen and error.what not in self._refused:
                self._refused.add(error.what)
                _log.error("%s", error)
            return  # told once, for all cameras: none can be asked without a session
        if self._acc.link_down_since is not None:
            return  # told once, by the client, for all cameras
        for feed in fallen:
            self._told.add(feed)
            _log.warning(
                "La cámara %s no se pudo leer desde %s: %s Su ventana queda abierta y se vuelve a pedir.",
                self._name(feed),
                ask.query.window.since.astimezone(self._timezone).strftime("%H:%M:%S"),
                error,
            )


def _alone(_server_id: str) -> int:
    return 1


def _names(ask: PlannedFetch) -> str:
    return f"{len(ask.query.cameras)} cámaras" if len(ask.query.cameras) > 1 else f"la cámara {ask.query.cameras[0]}"
