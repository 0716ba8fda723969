"""uvicorn's HTTP protocol with limits: for how long a connection may be idle or unread.

It works below the application. uvicorn's own limits leave silent, half-sent and unread connections open.
"""

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from aforo.clock import SystemClock
from aforo.web.places import Place, Places

_CHECK_INTERVAL = 5.0  # seconds between two checks of a connection
_MAX_SILENCE = 20.0  # seconds within which a request must have arrived whole
_MAX_UNREAD = 20.0  # seconds that a client may leave unread what it is sent

_clock = SystemClock()


class GuardedConnection(H11Protocol):
    """One connection. ``ended`` is set once it is lost.

    Its requests find in ``scope["state"]["keep_place"]`` what keeps its place for good.
    """

    def __init__(self, config: Config, server_state: ServerState, places: Places, place: Place) -> None:
        super().__init__(config, server_state, {"keep_place": lambda: places.keep(place)})
        self.ended = asyncio.Event()
        self._place = place
        self._quiet_since = 0.0
        self._unread_since: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to serve, and to check."""
        self._place.close = transport.abort
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=65_536)
        self._quiet_since = _clock.monotonic()
        self._timer = self.loop.call_later(_CHECK_INTERVAL, self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        """End what serves the connection."""
        super().connection_lost(exc)
        self.ended.set()
        if self._timer is not None:
            self._timer.cancel()

    def pause_writing(self) -> None:
        """Note since when the client does not read."""
        self._unread_since = _clock.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that the client reads."""
        self._unread_since = None
        super().resume_writing()

    def on_response_complete(self) -> None:
        """Note that the next request may begin."""
        self._quiet_since = _clock.monotonic()
        super().on_response_complete()

    def _check(self) -> None:
        now = _clock.monotonic()
        cycle: Any = self.cycle
        responding = cycle is not None and not cycle.response_complete and not cycle.more_body
        silent = not responding and now - self._quiet_since > _MAX_SILENCE
        unread = self._unread_since is not None and now - self._unread_since > _MAX_UNREAD
        if silent or unread:
            self.transport.abort()
        else:
            self._timer = self.loop.call_later(_CHECK_INTERVAL, self._check)
