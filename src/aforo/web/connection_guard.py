"""uvicorn's HTTP protocol with limits: how many connections, how fast, and for how long one may be idle or unread.

It works below the application: a rejected connection costs some microseconds. uvicorn's own limits leave silent,
half-sent and unread connections open.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from aforo.clock import SystemClock
from aforo.web.rate_limits import RateLimits

_CHECK_INTERVAL = 5.0  # seconds between two checks of a connection
_MAX_SILENCE = 20.0  # seconds within which a request must have arrived whole
_MAX_UNREAD = 20.0  # seconds that a client may leave unread what it is sent

_clock = SystemClock()


def guarded_protocol(limits: RateLimits) -> type[H11Protocol]:
    """Return uvicorn's protocol class with these limits."""

    class GuardedProtocol(H11Protocol):
        """One connection."""

        _accepted = False
        _address = ""
        _quiet_since = 0.0
        _unread_since: float | None = None
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            peer = transport.get_extra_info("peername")
            self._address = str(peer[0]) if peer else "local"
            self._accepted = limits.open_connection(self._address, _clock.monotonic())
            if not self._accepted:
                transport.abort()
                return
            super().connection_made(transport)
            transport.set_write_buffer_limits(high=65_536)
            self._quiet_since = _clock.monotonic()
            self._timer = self.loop.call_later(_CHECK_INTERVAL, self._check)

        def data_received(self, data: bytes) -> None:
            if self._accepted:
                super().data_received(data)

        def connection_lost(self, exc: Exception | None) -> None:
            if self._accepted:
                limits.close_connection(self._address)
                super().connection_lost(exc)
            if self._timer is not None:
                self._timer.cancel()

        def pause_writing(self) -> None:
            self._unread_since = _clock.monotonic()
            super().pause_writing()

        def resume_writing(self) -> None:
            self._unread_since = None
            super().resume_writing()

        def on_response_complete(self) -> None:
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

    return GuardedProtocol
