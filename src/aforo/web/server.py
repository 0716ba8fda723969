"""uvicorn, tamed: it is given a bound socket, touches no signals, ends nothing but itself."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Generator

import uvicorn

from aforo.web.app import make_app
from aforo.web.connection_guard import guarded
from aforo.web.dependencies import WebContext
from aforo.web.rate_limits import Limits
from aforo.web.sse import Broadcaster

_GOODBYE = 2  # seconds that answers under way may take at the end
_KEEP_ALIVE = 15  # seconds
_BACKLOG = 128
_LONGEST_HEAD = 16_384  # bytes of a request's line and headers


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals to the program."""
        yield


async def serve(
    rooms: WebContext,
    listening: socket.socket,
    tls: ssl.SSLContext | None,
    ready: asyncio.Event,
    leaving: asyncio.Event,
) -> None:
    """Serve on a bound socket until ``leaving`` is set; ``ready`` is set meanwhile."""
    limits = Limits()
    hub = Broadcaster(rooms.board, rooms.clock, rooms.timezone, rooms.stale_after)
    app = await asyncio.to_thread(make_app, rooms, hub, limits)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # its greetings are English, and a flood's faults many
    config = uvicorn.Config(
        app,
        http=guarded(limits),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_GOODBYE,
        backlog=_BACKLOG,
        h11_max_incomplete_event_size=_LONGEST_HEAD,
    )
    config.load()
    config.ssl = tls
    server = _Server(config)
    async with asyncio.TaskGroup() as tasks:
        feeding = tasks.create_task(hub.run(), name="aforo-web-hub")
        running = tasks.create_task(server.serve([listening]), name="aforo-web-server")
        ready.set()
        left = tasks.create_task(leaving.wait())
        await asyncio.wait([left, running, feeding], return_when=asyncio.FIRST_COMPLETED)
        hub.close()
        server.should_exit = True
        await asyncio.wait([running])
        left.cancel()
        feeding.cancel()
