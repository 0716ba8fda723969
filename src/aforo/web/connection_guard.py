"""The connections: how many, how fast, and for how long one may be idle, half said or not read. Below the application.

What is refused here costs some microseconds: a flood does not reach the code that answers.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from aforo.clock import SystemClock
from aforo.web.rate_limits import Limits

_LOOK = 5.0  # seconds between two looks at a connection
_MOST_SILENCE = 20.0  # seconds in which a request must be there, whole
_MOST_UNREAD = 20.0  # seconds that a client may leave what it is sent unread

_clock = SystemClock()


def guarded(limits: Limits) -> type[H11Protocol]:
    """uvicorn's protocol with these limits."""

    class Guarded(H11Protocol):
        """One connection."""

        _admitted = False
        _address = ""
        _quiet_since = 0.0
        _unread_since: float | None = None
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            peer = transport.get_extra_info("peername")
            self._address = str(peer[0]) if peer else "local"
            self._admitted = limits.admit(self._address, _clock.monotonic())
            if not self._admitted:
                transport.abort()
                return
            super().connection_made(transport)
            transport.set_write_buffer_limits(high=65_536)
            self._quiet_since = _clock.monotonic()
            self._timer = self.loop.call_later(_LOOK, self._look)

        def data_received(self, data: bytes) -> None:
            if self._admitted:
                super().data_received(data)

        def connection_lost(self, exc: Exception | None) -> None:
            if self._admitted:
                limits.leave(self._address)
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

        def _look(self) -> None:
            now = _clock.monotonic()
            cycle: Any = self.cycle
            answering = cycle is not None and not cycle.response_complete and not cycle.more_body
            silent = not answering and now - self._quiet_since > _MOST_SILENCE
            unread = self._unread_since is not None and now - self._unread_since > _MOST_UNREAD
            if silent or unread:
                self.transport.abort()
            else:
                self._timer = self.loop.call_later(_LOOK, self._look)

    return Guarded
