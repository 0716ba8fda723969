"""What systemd is told of a running service: ready, still alive, what it is at, stopping. Silent anywhere else.

The protocol is one datagram of ``NAME=value`` lines to the socket that ``NOTIFY_SOCKET`` names. Forty lines here, where
a binding would be one more package that only runs on Linux.
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

from aforo.clock import SystemClock, wait_until_set

_log = logging.getLogger(__name__)

_STATUS_EVERY = 10.0  # seconds between two texts, where no watchdog wants to hear more often
_LONGEST_STATUS = 400  # characters


class Notifier:
    """Sends to the service manager; ``watchdog`` is how often (seconds) it must hear of us, 0: never."""

    def __init__(self, address: str = "", watchdog: float = 0.0) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog = watchdog

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Notifier":
        """The one that the service manager's variables describe; a silent one where there are none."""
        address = environ.get("NOTIFY_SOCKET", "") if hasattr(socket, "AF_UNIX") else ""
        meant = environ.get("WATCHDOG_PID", "") in {"", str(os.getpid())}
        microseconds = environ.get("WATCHDOG_USEC", "") if meant else ""
        return cls(address, int(microseconds) / 1_000_000 if microseconds.isdigit() else 0.0)

    @property
    def speaks(self) -> bool:
        """There is somebody to tell."""
        return bool(self._address)

    def send(self, *lines: str) -> None:
        """Send these lines as one message. A manager that does not take it is not worth a failure."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
                wire.setblocking(False)
                wire.sendto("\n".join(lines).encode(), self._address)
        except OSError as exc:
            _log.debug("El gestor de servicios no toma el mensaje: %s", exc)


@asynccontextmanager
async def notifying(
    notifier: Notifier, ready: asyncio.Event, stopping: asyncio.Event, status: Callable[[], str]
) -> AsyncIterator[None]:
    """Tell the manager inside the ``with``: that the job waits, that it is ``ready``, that it lives, that it stops.

    The sign of life comes from the loop itself: a loop that hangs falls silent, and the manager starts it anew.
    """
    if not notifier.speaks:
        yield
        return
    task = asyncio.create_task(_tell(notifier, ready, stopping, status), name="aforo-notify")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        notifier.send("STOPPING=1", "STATUS=Terminando")


async def _tell(notifier: Notifier, ready: asyncio.Event, stopping: asyncio.Event, status: Callable[[], str]) -> None:
    every = min(_STATUS_EVERY, notifier.watchdog / 3) if notifier.watchdog else _STATUS_EVERY
    clock = SystemClock()
    told = ended = False
    while True:
        lines = [f"STATUS={' '.join(status().split())[:_LONGEST_STATUS]}", "WATCHDOG=1"]
        if ready.is_set() and not told:
            told = True
            lines.insert(0, "READY=1")
        if stopping.is_set() and not ended:
            ended = True
            lines.insert(0, "STOPPING=1")
        notifier.send(*lines)
        await wait_until_set(stopping if told else ready, clock, every) if not ended else await clock.sleep(every)
