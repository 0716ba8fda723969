"""Watches the clocks: asks the server when the machine's clock moves, in a doubt, and now and then between events."""

from collections.abc import Callable

from aforo.avigilon.client import AvigilonClient
from aforo.clock import SystemClock
from aforo.reference_clock import ReferenceClock

_CHECK_INTERVAL = 1.0  # real seconds


async def watch_time(client: AvigilonClient, clock: ReferenceClock, on_step: Callable[[], None]) -> None:
    """Watch until cancelled; ``on_step`` is called after a clock's step began or ended."""
    real_time = SystemClock()
    while True:
        if clock.wants_answer():
            await client.ask_time()
        if clock.check():
            on_step()
        await real_time.sleep(_CHECK_INTERVAL)
