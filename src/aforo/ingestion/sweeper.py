"""Reads the sweep's queries beside the poll cycles, one after the other, while no ordinary fetch is under way."""

import asyncio
import logging
from typing import NamedTuple

from aforo.avigilon import BatchingClient, QueryBatching
from aforo.clock import Clock
from aforo.errors import AccError
from aforo.ingestion.fetch import Fetcher, PollCycle
from aforo.ingestion.fetch_planner import PlannedFetch
from aforo.ingestion.sweep import Sweep

_log = logging.getLogger(__name__)

_LEAST = 2  # queries of the sweep in a poll cycle, where the cycle before had fewer fetches
_IDLE_CHECK = 1.0  # seconds between two checks whether ordinary fetches are under way


class SweepWork(NamedTuple):
    """What is swept: the event's sweep, and the poll cycle that has begun."""

    cycle: PollCycle
    sweep: Sweep


class Sweeper:
    """Sends what the sweep has due. Its failures are nobody's: what was not read stays due."""

    def __init__(self, *, fetcher: Fetcher, batching: QueryBatching, client: BatchingClient, clock: Clock) -> None:
        self._fetcher = fetcher
        self._batching = batching
        self._client = client
        self._clock = clock
        self._work: SweepWork | None = None
        self._begun = asyncio.Event()
        self._fetches_read = 0

    def begin_cycle(self, work: SweepWork) -> None:
        """A poll cycle has begun: send what is due beside it."""
        self._work = work
        self._begun.set()

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await self._begun.wait()
            self._begun.clear()
            if self._work is not None:
                await self._sweep(self._work)

    async def _sweep(self, work: SweepWork) -> None:
        """Send what is due in one poll cycle: no more queries than the cycle before had fetches.

        One of them is sent at any rate, the others while no ordinary fetch is under way.
        """
        cycle, sweep = work
        planner, lateness = cycle.planner, cycle.lateness
        self._batching.begin_cycle()
        allowed = max(_LEAST, planner.fetches_read - self._fetches_read)
        self._fetches_read = planner.fetches_read
        known_ahead = lateness.is_ahead if lateness is not None else None
        due = sweep.due(planner.well(), self._clock.now(), self._batching.max_cameras, known_ahead)
        for number, sweep_query in enumerate(due[:allowed]):
            while planner.is_reading and not self._begun.is_set():
                await self._clock.sleep(_IDLE_CHECK)
            if self._client.link_down_since is not None or (number > 0 and self._begun.is_set()):
                return
            sweep.mark_asked(sweep_query, self._clock.now())
            try:
                await self._fetcher.read(cycle, PlannedFetch.beside(sweep_query.query))
            except AccError as error:
                _log.debug("El repaso se queda para después: %s", error)
                sweep.mark_failed(sweep_query, self._clock.now())
                return
