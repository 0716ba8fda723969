"""The only place that reads the clock or waits on it. It is handed in, so that a test can replace it."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """The program's access to time. ``now`` is aware UTC; every duration is in seconds."""

    def now(self) -> datetime:
        """The instant, aware UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, from an arbitrary origin."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that long; less than zero counts as zero."""
        ...

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Cancel what runs inside after that long; it then raises TimeoutError."""
        ...


class SystemClock:
    """The machine's clock. ``speed`` above 1 makes a demo's event pass in a minute, from ``starts_at`` on."""

    def __init__(self, speed: float = 1.0, starts_at: datetime | None = None) -> None:
        self._speed = speed
        self._origin = time.monotonic()
        self._starts_at = starts_at

    def now(self) -> datetime:
        """The instant, aware UTC; for a sped-up clock, the instant of the event that it plays."""
        if self._starts_at is None:
            return datetime.now(UTC)
        return self._starts_at + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Seconds since the clock was made, times its speed."""
        return (time.monotonic() - self._origin) * self._speed

    async def sleep(self, seconds: float) -> None:
        """Wait that long by this clock."""
        await asyncio.sleep(max(0.0, seconds) / self._speed)

    def timeout(self, seconds: float) -> asyncio.Timeout:
        """Cancel what runs inside after that long in real seconds: the network does not speed up with a demo."""
        return asyncio.timeout(seconds)


async def wait_until_set(event: asyncio.Event, clock: Clock, seconds: float) -> bool:
    """Wait for the event at most that long; True when it was set. Raises nothing of its own."""
    if event.is_set():
        return True
    waiting = asyncio.ensure_future(event.wait())
    sleeping = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({waiting, sleeping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        sleeping.cancel()
    return event.is_set()
