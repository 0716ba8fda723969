"""Tasks that run beside the count, calls that must keep their order, and the pauses between repeated attempts."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_never,
    wait_exponential,
    wait_random_exponential,
)
from tenacity.wait import wait_combine

_T = TypeVar("_T")


@asynccontextmanager
async def background_task(
    work: Coroutine[Any, Any, None], *, name: str, log: logging.Logger | None = None, failure: str = ""
) -> AsyncIterator[asyncio.Task[None]]:
    """Run ``work`` as a task beside the body of the ``async with``; cancel it and wait for its end afterwards.

    With ``failure``, an exception of ``work`` is logged to ``log`` under that sentence, with its traceback, and goes no
    further: the body does not notice it. Without, it is raised when the ``async with`` ends.
    """
    guarded = _guarded(work, log or logging.getLogger(__name__), failure=failure) if failure else work
    task = asyncio.create_task(guarded, name=name)
    task.add_done_callback(lambda _: work.close())  # a task that is cancelled before its first step never awaits it
    try:
        yield task
    finally:
        await cancel_and_wait(task)
        if not task.cancelled():
            task.result()


async def cancel_and_wait(task: asyncio.Task[Any]) -> None:
    """Cancel the task and wait for its end; what it raised stays with it."""
    task.cancel()
    await asyncio.wait([task])


async def _guarded(work: Coroutine[Any, Any, None], log: logging.Logger, failure: str) -> None:
    try:
        await work
    except Exception:  # a fault beside the count must not end the count; the log has all of it
        log.exception(failure)


class SerialQueue:
    """Runs coroutines one after the other, in the order in which they were added.

    A coroutine that waits for the database holds up those behind it, so that only one of them retries. A failure is
    logged to ``log`` as ``failure``, a format with one ``%s`` for the error, and holds up nothing.
    """

    def __init__(self, name: str, log: logging.Logger, *, failure: str) -> None:
        self._name = name
        self._log = log
        self._failure = failure
        self._tasks: set[asyncio.Task[Any]] = set()
        self._turn = asyncio.Lock()  # first come, first served

    def add(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Run ``work`` after everything added before; the task gives its result or raises its error."""
        task = asyncio.create_task(self._in_order(work), name=self._name)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._finished(done, work))
        return task

    async def join(self) -> None:
        """Wait until everything that was added, and is added meanwhile, has run."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def cancel(self) -> None:
        """Cancel what has not run to its end."""
        for task in self._tasks:
            task.cancel()

    async def _in_order(self, work: Coroutine[Any, Any, _T]) -> _T:
        async with self._turn:
            return await work

    def _finished(self, task: asyncio.Task[Any], work: Coroutine[Any, Any, Any]) -> None:
        work.close()  # cancelled while it waited for its place: it was never awaited
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error(self._failure, error)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses between attempts, in seconds: random, below a ceiling that grows from ``first`` by ``factor``.

    The ceiling stops growing at ``longest``. A pause is drawn between the share ``least`` of the ceiling and the
    ceiling: with 0.0, clients that lost a server at the same instant come back spread over the whole pause.
    ``attempts``: how many are made in all; None: no limit.
    """

    first: float
    longest: float
    factor: float = 2.0
    least: float = 0.0
    attempts: int | None = None

    def pause(self, failures: int) -> float:
        """Return the pause after that many failures (1 or more)."""
        state = RetryCallState(AsyncRetrying(), fn=None, args=(), kwargs={})
        state.attempt_number = failures
        return self._wait()(state)

    async def retry(
        self,
        attempt: Callable[[], Awaitable[_T]],
        *,
        sleep: Callable[[float], Awaitable[object]],
        repeatable: Callable[[Exception], bool],
        on_repeat: Callable[[Exception], None] | None = None,
    ) -> _T:
        """Await ``attempt()`` until it succeeds, and return its result.

        Only errors for which ``repeatable`` holds are followed by another attempt; any other, and the last one, are
        raised as they are. ``sleep`` takes the pause: a clock's ``sleep``, or one that a stop cuts short. There is no
        limit in seconds: tenacity would measure it with the machine's clock, not with the one that is handed in.
        ``on_repeat`` is called with the error before each pause.
        """
        try:
            return await attempt()  # a success does not pass through tenacity, which costs 0.1 ms of processor a call
        except Exception as error:  # noqa: BLE001 -- raised again as tenacity's first attempt
            failures = [error]

        def repeated(error: BaseException) -> bool:
            return isinstance(error, Exception) and repeatable(error)  # never a cancellation

        def before_pause(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome is not None else None
            if on_repeat is not None and isinstance(error, Exception):
                on_repeat(error)

        async def attempted() -> _T:
            if failures:
                raise failures.pop()
            return await attempt()

        async def pause(seconds: float) -> None:
            await sleep(seconds)

        retrying = AsyncRetrying(
            sleep=pause,
            wait=self._wait(),
            stop=stop_never if self.attempts is None else stop_after_attempt(self.attempts),
            retry=retry_if_exception(repeated),
            before_sleep=before_pause,
            reraise=True,
        )
        result: _T = await retrying(attempted)
        return result

    def _wait(self) -> wait_combine:
        fixed, drawn = self.least, 1.0 - self.least
        return wait_combine(
            wait_exponential(self.first * fixed, self.longest * fixed, self.factor),
            wait_random_exponential(self.first * drawn, self.longest * drawn, self.factor),
        )
