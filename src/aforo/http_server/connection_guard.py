"""uvicorn's HTTP protocol with limits: for how long a connection may be idle or unread.

It works below the application. uvicorn's own limits leave silent, half-sent and unread connections open.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from aforo.clock import SystemClock
from aforo.http_server.places import Place, Places

_RESPONSE_TIMEOUT = 2  # seconds that responses under way may take at the end
_MAX_HEAD = 16_384  # bytes of a request's line and headers
_CHECK_INTERVAL = 5.0  # seconds between two checks of a connection
_MAX_SILENCE = 20.0  # seconds within which a request must have arrived whole
_MAX_UNREAD = 20.0  # seconds that a client may leave unread what it is sent

_clock = SystemClock()


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers: the program has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def guarded_server(
    app: Callable[..., Any], places: Places, **options: Any
) -> tuple[uvicorn.Server, Callable[[Place], "GuardedConnection"]]:
    """Return a server for an ASGI application, with no socket of its own, and what makes its connections.

    ``options`` are those of ``uvicorn.Config``.
    """
    # uvicorn logs its start in English, and a line for each malformed request and each cut response of a flood.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    config = Config(
        app,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_RESPONSE_TIMEOUT,
        h11_max_incomplete_event_size=_MAX_HEAD,
        **options,
    )
    config.load()
    server = _Server(config)
    return server, lambda place: GuardedConnection(config, server.server_state, places, place)


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
