"""Virtual time for real programs: nine hours of match in seconds, with real sockets, real TLS and a real writer thread.

    async with FakeClock(start) as clock:
        clock.busy = lambda: writer.pending > 0   # what the loop cannot see: work in threads of its own
        await program.run()

Time is constant while anything happens. Only when the loop has nothing to do for ``idle`` real seconds, nothing runs
in an executor and ``busy()`` is false, it jumps to the next instant for which a waiter is registered.
"""

import asyncio
import heapq
import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from itertools import count
from types import TracebackType
from typing import Any, Self

LIMIT = 300.0  # real seconds after which a test that still runs counts as hung; on a busy machine all is slow


class HungError(Exception):
    """The test ran longer in real time than any test should."""


class FakeClock:
    """An ``aforo.clock.Clock`` whose time jumps. ``busy`` may be set at any time; ``jumps`` counts the jumps."""

    def __init__(
        self,
        start: datetime = datetime(2026, 1, 27, 19, tzinfo=UTC),
        *,
        busy: Callable[[], bool] = lambda: False,
        idle: float = 0.002,
        limit: float = LIMIT,
    ) -> None:
        self._start = start
        self._elapsed = 0.0
        self._waiting: list[tuple[float, int, Callable[[], object], Callable[[], bool]]] = []
        self._order = count()
        self._idle = idle
        self._limit = limit
        self._in_threads = 0
        self.busy = busy
        self.jumps = 0

    # What aforo.clock.Clock promises.

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.wake_at(self._elapsed + seconds, lambda: woken.set_result(None), lambda: not woken.done())
        await woken

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        return _Timeout(self, seconds)

    # What a test may do with it.

    def advance(self, seconds: float) -> None:
        """Move time by hand, and wake each waiter whose instant has come."""
        self._jump_to(self._elapsed + seconds)

    async def __aenter__(self) -> Self:
        loop: Any = asyncio.get_running_loop()
        self._loop = loop
        self._selector = loop._selector
        loop._selector = _Selector(self._selector, self._select)
        self._run_in_executor = loop.run_in_executor
        loop.run_in_executor = self._counted
        self._until = time.monotonic() + self._limit
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._loop._selector = self._selector
        self._loop.run_in_executor = self._run_in_executor

    def wake_at(self, instant: float, wake: Callable[[], object], wanted: Callable[[], bool]) -> None:
        """Call ``wake`` at that instant of ``monotonic`` if it is still ``wanted`` then."""
        heapq.heappush(self._waiting, (instant, next(self._order), wake, wanted))

    def _jump_to(self, instant: float) -> None:
        self._elapsed = max(self._elapsed, instant)
        while self._waiting and self._waiting[0][0] <= self._elapsed:
            _, _, wake, wanted = heapq.heappop(self._waiting)
            if wanted():
                wake()

    def _next(self) -> float | None:
        while self._waiting and not self._waiting[0][3]():
            heapq.heappop(self._waiting)
        return self._waiting[0][0] if self._waiting else None

    def _select(self, timeout: float | None) -> Any:
        """Wait for sockets, threads and timers as the loop does; where nothing can happen, time jumps."""
        if timeout is not None and timeout <= self._idle:
            return self._selector.select(timeout)
        if found := self._selector.select(self._idle):
            return found
        if time.monotonic() > self._until:
            raise HungError(f"{self._limit:g} s real, {timedelta(seconds=self._elapsed)} virtual")
        instant = self._next()
        if instant is not None and not self._in_threads and not self.busy():
            self.jumps += 1
            self._jump_to(instant)
        return []

    def _counted(self, executor: Executor | None, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        self._in_threads += 1
        future: asyncio.Future[Any] = self._run_in_executor(executor, function, *arguments)
        future.add_done_callback(self._back)
        return future

    def _back(self, _future: object) -> None:
        self._in_threads -= 1


class _Selector:
    """A loop's selector with ``select`` replaced."""

    def __init__(self, real: Any, select: Callable[[float | None], Any]) -> None:
        self._real = real
        self.select = select

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class _Timeout:
    """``asyncio.timeout`` by virtual time."""

    def __init__(self, clock: FakeClock, seconds: float) -> None:
        self._clock = clock
        self._deadline = clock.monotonic() + seconds
        self._inner = asyncio.timeout(None)
        self._inside = False

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        self._inside = True
        self._clock.wake_at(self._deadline, self._expire, lambda: self._inside)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inside = False
        await self._inner.__aexit__(kind, exc, trace)

    def _expire(self) -> None:
        self._inner.reschedule(asyncio.get_running_loop().time())
