"""Readiness, watchdog and status messages for systemd; none where no service manager is configured.

The protocol is one datagram of ``NAME=value`` lines to the socket that ``NOTIFY_SOCKET`` names. A binding would be one
more package, for Linux only.
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from aforo.background import background_task
from aforo.clock import SystemClock, wait_until_set
from aforo.outside_text import visible

_log = logging.getLogger(__name__)

_STATUS_EVERY = 10.0  # seconds between two messages, unless the watchdog needs more
_LONGEST_STATUS = 400  # characters


class Notifier:
    """Sends messages to the service manager; ``watchdog`` is its timeout in seconds, 0 means none."""

    def __init__(self, address: str = "", watchdog: float = 0.0) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog = watchdog

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Notifier":
        """Return the notifier that the service manager's variables describe; without them, one that sends nothing."""
        address = environ.get("NOTIFY_SOCKET", "") if hasattr(socket, "AF_UNIX") else ""
        is_ours = environ.get("WATCHDOG_PID", "") in {"", str(os.getpid())}
        microseconds = environ.get("WATCHDOG_USEC", "") if is_ours else ""
        return cls(address, int(microseconds) / 1_000_000 if microseconds.isdigit() else 0.0)

    @property
    def enabled(self) -> bool:
        """Whether there is a service manager to send to."""
        return bool(self._address)

    def send(self, *lines: str) -> None:
        """Send these lines as one message; a failure is only logged, since the job does not depend on it."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
                connection.setblocking(False)
                connection.sendto("\n".join(lines).encode(), self._address)
        except OSError as exc:
            _log.debug("El gestor de servicios no toma el mensaje: %s", exc)


@asynccontextmanager
async def notifying(
    notifier: Notifier, ready: asyncio.Event, stopping: asyncio.Event, status: Callable[[], str]
) -> AsyncIterator[None]:
    """Send status, readiness, watchdog and stop messages inside the ``with``.

    The event loop itself sends the watchdog messages: if it hangs, they stop, and the manager restarts the service.
    """
    if not notifier.enabled:
        yield
        return
    try:
        async with background_task(_send_messages(notifier, ready, stopping, status), name="aforo-notify"):
            yield
    finally:
        notifier.send("STOPPING=1", "STATUS=Terminando")


async def _send_messages(
    notifier: Notifier, ready: asyncio.Event, stopping: asyncio.Event, status: Callable[[], str]
) -> None:
    every = min(_STATUS_EVERY, notifier.watchdog / 3) if notifier.watchdog else _STATUS_EVERY
    clock = SystemClock()
    sent_ready = sent_stopping = False
    while True:
        lines = [f"STATUS={visible(' '.join(status().split()))[:_LONGEST_STATUS]}", "WATCHDOG=1"]
        if ready.is_set() and not sent_ready:
            sent_ready = True
            lines.insert(0, "READY=1")
        if stopping.is_set() and not sent_stopping:
            sent_stopping = True
            lines.insert(0, "STOPPING=1")
        notifier.send(*lines)
        if sent_stopping:
            await clock.sleep(every)
        else:
            await wait_until_set(stopping if sent_ready else ready, clock, every)
