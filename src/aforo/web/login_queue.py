"""Checks passwords one at a time: a hash takes 32 MB and a tenth of a second."""

import asyncio
import heapq
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from aforo.web.auth import verify_password

_MAX_WAITING = 64


class LoginQueueFull(Exception):
    """Others wait, whose addresses have tried less."""


class LoginQueue:
    """The passwords that wait to be checked; those of addresses that have tried least come first."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="aforo-web-login")
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._arrivals = count()
        self._busy = False

    async def matches(self, password: str, password_hash: str, tried: float) -> bool:
        """Return whether the hash belongs to the password. Raises LoginQueueFull.

        ``tried``: how much the address has tried of late.
        """
        await self._turn(tried)
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, verify_password, password, password_hash)
        finally:
            self._next()

    async def _turn(self, tried: float) -> None:
        if not self._busy:
            self._busy = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (tried, next(self._arrivals), turn))
        if len(self._waiting) > _MAX_WAITING:
            last = max(self._waiting)
            self._waiting.remove(last)
            heapq.heapify(self._waiting)
            last[2].set_exception(LoginQueueFull())
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._next()
            raise

    def _next(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._busy = False
