"""Turns authentic pushes into hints, after they have been answered."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from datetime import timedelta

from aforo.avigilon import Push, PushKind, decode_push
from aforo.clock import Clock
from aforo.http_server.bounded_log import BoundedLog
from aforo.ingestion.hints import HintSink

_log = logging.getLogger(__name__)

_MOST_WAITING = 8 * 1024 * 1024  # bytes of pushes that wait to be read
_BEFORE, _AFTER = timedelta(hours=1), timedelta(minutes=5)  # from now: an event further away is no news


class Inbox:
    """The authentic pushes that wait to be read, up to a bound.

    ``last_at`` is when the last push arrived, on the
    clock's monotonic scale, None before the first; ``on_arrival`` is called with each.
    """

    def __init__(self, sink: HintSink, clock: Clock) -> None:
        self.last_at: float | None = None
        self.on_arrival: Callable[[], None] = lambda: None
        self._sink = sink
        self._clock = clock
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._overflowed = False
        self._filled = asyncio.Event()
        self._bounded_log = BoundedLog(_log, lines=1)

    def put(self, body: bytes) -> None:
        """Take an authentic push; where too much waits, it is dropped and all feeds are read instead."""
        self.last_at = self._clock.monotonic()
        self.on_arrival()
        if self._size + len(body) > _MOST_WAITING:
            self._overflowed = True
        else:
            self._waiting.append(body)
            self._size += len(body)
        self._filled.set()

    async def run(self) -> None:
        """Read what arrives, until cancelled."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._waiting:
                body = self._waiting.popleft()
                self._size -= len(body)
                self._read(body)
                await self._clock.sleep(0)
            if self._overflowed:
                self._overflowed = False
                self._sink.something_missed(None, "llegaron más notificaciones de las que se pueden leer")

    def _read(self, body: bytes) -> None:
        try:
            push = decode_push(body)
        except ValueError:
            self._bounded_log.warning(
                "Una notificación de ACC no se puede leer: se consultan todas las cámaras en su lugar. El conteo sigue."
            )
            self._sink.something_missed(None, "una notificación no se puede leer")
            return
        if push.kind is PushKind.HELLO:
            self._sink.something_missed(None, "un servidor se ha vuelto a conectar")
        self._hint(push)

    def _hint(self, push: Push) -> None:
        now = self._clock.now()
        recent = [sighting for sighting in push.sightings if -_BEFORE <= sighting.occurred_at - now <= _AFTER]
        for sighting in recent:
            if sighting.server_id:
                self._sink.camera_event_seen(*sighting)
        if not all(sighting.server_id for sighting in recent):
            self._sink.something_missed(None, "una notificación no dice de qué servidor es")
