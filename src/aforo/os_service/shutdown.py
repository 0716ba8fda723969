"""How the job is told to end, and how long it may take: signals, or another thread where no signal comes."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

_log = logging.getLogger(__name__)

STOP_PATIENCE = 15.0  # seconds from a stop until the job is cancelled: a service manager waits longer than that


class ShutdownRequest:
    """Stops the job from another thread: a Windows service's."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._stop: Callable[[], object] = self.stopped.set

    def attach(self, loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
        """The job runs now in that loop."""

        def stop() -> None:
            loop.call_soon_threadsafe(stopping.set)

        self._stop = stop
        if self.stopped.is_set():
            stop()

    def stop(self) -> None:
        """End the job cleanly; from any thread, at any time."""
        self.stopped.set()
        self._stop()


def stop_on_signals(stopping: asyncio.Event) -> None:
    """Ctrl-C and a service's stop end the job cleanly; the second one ends it at once. On Windows too."""
    loop = asyncio.get_running_loop()

    def stop(number: int, _frame: object) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        loop.call_soon_threadsafe(stopping.set)
        _log.info("Se recibió la orden de terminar: se guarda lo leído y se sale.")

    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)


async def until_stopped(work: asyncio.Task[int], stopping: asyncio.Event) -> int:
    """The work's exit code. After a stop it has some seconds to store what it read, then it is left as it is."""
    stop = asyncio.create_task(stopping.wait())
    both: set[asyncio.Task[Any]] = {work, stop}
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    try:
        async with asyncio.timeout(STOP_PATIENCE if stopping.is_set() else None):
            return await work
    except TimeoutError:
        _log.warning("No se pudo guardar todo antes de salir: lo que falta se vuelve a pedir en el próximo arranque.")
        return 0
