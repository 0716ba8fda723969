"""A clock that can be set wrong while it runs."""

from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from aforo.clock import Clock


class ShiftedClock:
    """Another clock whose ``now`` is off by what ``shift`` sets; it waits and times as the other one."""

    def __init__(self, clock: Clock, seconds: float = 0.0) -> None:
        self._clock = clock
        self._offset = timedelta(seconds=seconds)

    def shift(self, seconds: float) -> None:
        """Be ahead of the other clock by so much from now on; less than zero: behind."""
        self._offset = timedelta(seconds=seconds)

    def now(self) -> datetime:
        """The instant, aware UTC."""
        return self._clock.now() + self._offset

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait that long."""
        await self._clock.sleep(seconds)

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Cancel what runs inside after that long; it then raises TimeoutError."""
        return self._clock.timeout(seconds)
