"""Hedged requests: one that is not answered in a few times the usual time is sent again beside the first.

Servers that answer almost everything at once may leave single requests without any answer, for ever. Only a second
request tells the two cases apart: a server that is merely slow answers the first one sooner, and then fewer are sent.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from aforo.avigilon.errors import Overdue, TimedOut
from aforo.avigilon.transport import Response
from aforo.background import cancel_and_wait
from aforo.clock import Clock
from aforo.errors import AccError

_log = logging.getLogger(__name__)
Send = Callable[[], Awaitable[Response]]

_SAMPLES = 200  # the latest requests that were answered
_PERCENTILE = 0.95
_TIMES = 3.0  # the usual time
_LEAST = 1.0  # seconds: no request is sent again sooner
_UNKNOWN = 3.0  # seconds, before anything was answered
_TOKEN_TIMES = 2.0  # a token's page is waited for twice as long: it cannot be asked for beside
_GROWTH = 1.5  # each request beside the first is waited for that much longer than the one before
_SHARE = 4  # one in so many of ``acc.concurrency`` may be sent beside another one
_MOST_ROUNDS = 10  # of requests beside one: more than fit into any timeout
_SUSPECT_ROUNDS = 2  # beside one about a camera that failed lately: perhaps it never answers
_RECHECK = 1.0  # seconds: meanwhile it may have become known what the server usually takes
_RECOVERY = 0.97  # of a caution, for each request that is answered in time
_MOST_CAUTION = 32.0


class _Caution:
    """How much longer to wait, since impatience was in vain: a factor of 1 or more."""

    def __init__(self) -> None:
        self.factor = 1.0

    def judge(self, *, helped: bool) -> None:
        """Take whether impatience helped."""
        self.factor = max(1.0, self.factor / 2) if helped else min(_MOST_CAUTION, self.factor * 2)

    def reset(self) -> None:
        """Take that what was waited for came."""
        self.factor = 1.0

    def ease(self) -> None:
        """Take that a request was answered in time."""
        self.factor = max(1.0, self.factor * _RECOVERY)


class AnswerTimes:
    """How long requests of one kind take, by the latest that were answered, and how long to wait for one therefore.

    ``start``: the seconds to wait before any was answered. ``keep_second``: until then, the request beside the first is
    kept as the first one is: perhaps both take long.
    """

    def __init__(self, start: float = _UNKNOWN, *, keep_second: bool = True) -> None:
        self.hedges = _Caution()
        self.tokens = _Caution()
        self._start = start
        self._keep_second = keep_second
        self._seconds: deque[float] = deque(maxlen=_SAMPLES)
        self._token_seconds: deque[float] = deque(maxlen=_SAMPLES)

    def record(self, seconds: float) -> None:
        """Record a request that was answered whole."""
        self._seconds.append(seconds)

    def record_token(self, seconds: float) -> None:
        """Record that the page of a token came whole."""
        self._token_seconds.append(seconds)
        self.tokens.reset()

    def patience(self, timeout: float) -> float:
        """Return after how many seconds without an answer to send a request again.

        Caution delays that to half of the timeout at most, so that it goes on being tried.
        """
        usual = self._a_few_times()
        return max(usual, min(usual * self.hedges.factor, timeout / 2))

    def patience_beside(self, timeout: float, number: int) -> float:
        """Return for how many seconds to wait for the ``number``-th request beside the first, before the next."""
        if self._keep_second and not self._seconds:
            return timeout
        return self.patience(timeout) * _GROWTH ** (number - 1)

    def token_patience(self, timeout: float) -> float:
        """Return after how many seconds without an answer to give a page token up."""
        longest = max(self._a_few_times(), _TIMES * _percentile(self._token_seconds))
        return min(timeout, longest * _TOKEN_TIMES * self.tokens.factor)

    def attempt_patience(self, timeout: float) -> float:
        """Return after how many seconds without an answer to drop a request that is sent once."""
        return min(timeout, self._a_few_times() * self.tokens.factor)

    def usual(self) -> float:
        """Return the 95th percentile in seconds, 0.0 before anything was answered."""
        return _percentile(self._seconds)

    def _a_few_times(self) -> float:
        return max(_LEAST, _TIMES * self.usual()) if self._seconds else self._start


class Hedging:
    """Sends requests, and those that hang once more.

    ``slots`` bounds how many are sent beside another one at once, so that those that hang do not take what is there for
    the others. ``light``: kinds of requests that cost the server little.
    """

    def __init__(self, clock: Clock, timeout: float, concurrency: int, light: Iterable[str] = ()) -> None:
        self._clock = clock
        self._timeout = timeout
        self._slots = asyncio.Semaphore(slots(concurrency))
        self._light = frozenset(light)
        self._times: dict[str, AnswerTimes] = {}

    async def answer(self, kind: str, send: Send, *, suspect: bool = False) -> Response:
        """Send a request that may be repeated, and again while it is not answered; return the first answer.

        The first request is kept until its timeout, since a server that has become slow answers it first; those beside
        it replace each other. ``kind``: requests that take alike long; ``suspect``: perhaps it is never answered.
        Raises what the first request raises.
        """
        times = self._times_of(kind)
        began = self._clock.monotonic()
        first = asyncio.create_task(self._timed(times.record, send))
        again: asyncio.Task[tuple[Response, float] | None] | None = None
        sent_again = asyncio.Event()
        try:
            if await self._is_done_within(first, lambda: times.patience(self._timeout)):
                times.hedges.ease()
                return first.result()
            rounds = _SUSPECT_ROUNDS if suspect else _MOST_ROUNDS
            again = asyncio.create_task(self._send_again(times, send, rounds, sent_again))
            await asyncio.wait({first, again}, return_when=asyncio.FIRST_COMPLETED)
            if not first.done() and (answered := again.result()) is not None:
                response, seconds = answered
                times.hedges.judge(helped=2 * seconds < self._clock.monotonic() - began)
                return response
            response = await first
            if sent_again.is_set():
                times.hedges.judge(helped=False)
            return response
        finally:
            for task in (first, again):
                if task is not None and not task.done():
                    await cancel_and_wait(task)

    async def follow(self, kind: str, send: Callable[[float], Awaitable[Response]]) -> Response:
        """Send a request that must not be repeated, with the seconds to wait for it.

        Raises Overdue where it is not answered though others would be by then, and what the request raises.
        """
        times = self._times_of(kind)
        seconds = times.token_patience(self._timeout)
        try:
            response = await self._timed(times.record_token, lambda: send(seconds))
        except TimedOut as error:
            times.tokens.judge(helped=False)
            if seconds < self._timeout:
                raise Overdue(error.what) from error
            raise
        return response

    async def attempt(self, kind: str, send: Callable[[float], Awaitable[Response]]) -> Response:
        """Send a request, with the seconds to wait for it, that is not worth a second one.

        That is a few times the usual time; longer, each time, while none is answered within it. Raises what the request
        raises.
        """
        times = self._times_of(kind)
        try:
            response = await self._timed(times.record, lambda: send(times.attempt_patience(self._timeout)))
        except TimedOut:
            times.tokens.judge(helped=False)
            raise
        times.tokens.reset()
        return response

    def _times_of(self, kind: str) -> AnswerTimes:
        """Return what is known of a kind. A server that is slow in all else is expected to be slow in a new kind."""
        if kind not in self._times:
            start = max([_UNKNOWN, *(_TIMES * other.usual() for other in self._times.values())])
            self._times[kind] = AnswerTimes(start, keep_second=kind not in self._light)
        return self._times[kind]

    async def _timed(self, record: Callable[[float], None], send: Send) -> Response:
        began = self._clock.monotonic()
        response = await send()
        if response.status < 400:
            record(self._clock.monotonic() - began)
        return response

    async def _is_done_within(self, task: "asyncio.Task[Response]", seconds: Callable[[], float]) -> bool:
        """Wait for the task that long at most. What ``seconds`` returns may change meanwhile."""
        waited = 0.0
        while not task.done() and (left := seconds() - waited) > 0:
            step = min(left, _RECHECK)
            try:
                async with self._clock.timeout(step):
                    await asyncio.wait({task})
            except TimeoutError:
                waited += step
        return task.done()

    async def _send_again(
        self, times: AnswerTimes, send: Send, rounds: int, sent: asyncio.Event
    ) -> tuple[Response, float] | None:
        """Send it again, each time instead of the one before; return the answer and its seconds, None without any.

        ``sent`` is set once a slot was free for it.
        """
        for number in range(1, rounds + 1):
            async with self._slots:
                sent.set()
                _log.debug("Una consulta sin respuesta se pide otra vez a la par.")
                began = self._clock.monotonic()
                attempt = asyncio.create_task(self._timed(times.record, send))
                try:
                    await self._is_done_within(attempt, lambda: times.patience_beside(self._timeout, number))  # noqa: B023
                finally:
                    await cancel_and_wait(attempt)
            answer = _answer_of(attempt)
            if answer is not None:
                return answer, self._clock.monotonic() - began
            if not attempt.cancelled():  # it failed at once
                await self._clock.sleep(times.patience_beside(self._timeout, number))
        return None


def slots(concurrency: int) -> int:
    """Return how many requests may be sent beside another one at once."""
    return max(1, concurrency // _SHARE)


def _percentile(seconds: Iterable[float]) -> float:
    ordered = sorted(seconds)
    return ordered[math.ceil(_PERCENTILE * len(ordered)) - 1] if ordered else 0.0


def _answer_of(attempt: "asyncio.Task[Response]") -> Response | None:
    """Return what a request beside the first brought; None where that is nothing, or only a failure of the server."""
    if attempt.cancelled() or isinstance(attempt.exception(), AccError):
        return None
    response = attempt.result()
    return response if response.status < 500 and response.status != 429 else None
