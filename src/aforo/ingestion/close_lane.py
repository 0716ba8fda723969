"""How many fetches the closes may have under way, so that they do not hold up an event that is watched."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_SHARE = 4  # beside an event that is watched, the closes have a quarter of the requests at once


class CloseLane:
    """All closes share it: as many fetches as requests at once while no event is watched, else a part of them."""

    def __init__(self, concurrency: int) -> None:
        """``concurrency``: requests at once (``acc.concurrency``)."""
        self._concurrency = concurrency
        self._watched = 0
        self._under_way = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Leave the requests to an event that is watched, inside the ``async with``."""
        self._watched += 1
        try:
            yield
        finally:
            self._watched -= 1
            await self._notify()

    @asynccontextmanager
    async def fetch(self) -> AsyncIterator[None]:
        """Have a fetch of a close under way, once fewer are under way."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._under_way < self._most)
            self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            await self._notify()

    @property
    def _most(self) -> int:
        return max(1, self._concurrency // _SHARE) if self._watched else self._concurrency

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify(max(0, self._most - self._under_way))
