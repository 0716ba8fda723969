"""The request to end the job, by signals or from another thread, and the time that the job has for it."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

_log = logging.getLogger(__name__)

STOP_PATIENCE = 15.0  # seconds from a stop until the job is cancelled; service managers wait longer


class ShutdownRequest:
    """Stops the job from another thread, that of a Windows service."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._stop: Callable[[], object] = self.stopped.set

    def attach(self, loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
        """Connect the request with the job that now runs in that loop."""

        def stop() -> None:
            loop.call_soon_threadsafe(stopping.set)

        self._stop = stop
        if self.stopped.is_set():
            stop()

    def stop(self) -> None:
        """Request the end of the job; from any thread, at any time."""
        self.stopped.set()
        self._stop()


def stop_on_signals(stopping: asyncio.Event) -> None:
    """Let Ctrl-C and a service's stop end the job cleanly, and a second one at once; on Windows too."""
    loop = asyncio.get_running_loop()

    def stop(number: int, _frame: object) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        loop.call_soon_threadsafe(stopping.set)
        _log.info("Se recibió la orden de terminar: se guarda lo leído y se sale.")

    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)


async def until_stopped(job: asyncio.Task[int], stopping: asyncio.Event, patience: float = STOP_PATIENCE) -> int:
    """Wait for the job and return its exit code; after a stop, at most ``patience`` seconds, then return 0."""
    stop = asyncio.create_task(stopping.wait())
    both: set[asyncio.Task[Any]] = {job, stop}
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    try:
        async with asyncio.timeout(patience if stopping.is_set() else None):
            return await job
    except TimeoutError:
        _log.warning("No se pudo guardar todo antes de salir: lo que falta se vuelve a pedir en el próximo arranque.")
        return 0
