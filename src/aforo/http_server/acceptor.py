"""Accepts connections: each is counted before its TLS handshake, which may take ten seconds.

asyncio's own server hands a connection over after its handshake, so that silent ones are not counted, and logs a
traceback for each connection that it cannot accept while the process has no descriptor left.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol

from aforo.clock import SystemClock
from aforo.errors import os_reason
from aforo.http_server.addresses import network_of
from aforo.http_server.places import Place, Places
from aforo.http_server.rate_limits import AddressLimit

if TYPE_CHECKING:
    from aforo.http_server.connection_guard import GuardedConnection

_BACKLOG = 1_024  # a full one makes a client wait for a second until it tries again
_HANDSHAKE_TIMEOUT = 10.0  # seconds
_CLOSE_TIMEOUT = 5.0  # seconds that a TLS connection may take to end
_PAUSE = 1.0  # seconds after which accepting is tried again
_TOGETHER = 16  # connections accepted before anything else runs
_TURNS_TO_END = 50  # of the loop, at most; four or so are usual
_TRIES = 8  # to get a lower descriptor
_RESERVED = 96  # descriptors that are left to the log, the database and the cameras' server

_clock = SystemClock()


def descriptor_ceiling() -> int:
    """Return the descriptor from which on no more connections are taken.

    The system hands out the lowest free number: where it is near the limit, the process has few left.
    """
    if sys.platform == "win32":
        return sys.maxsize
    import resource  # noqa: PLC0415 -- not on Windows

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit - min(_RESERVED, limit // 2)


class Refusals(Protocol):
    """What logs and counts the connections that are not served."""

    def refused(self, kind: str, address: str) -> None:
        """A connection was closed: ``kind`` is connection_rate, descriptors or places."""
        ...

    def accept_failed(self, reason: str) -> None:
        """No connection can be accepted for now; ``reason`` is Spanish."""
        ...

    def handshake_failed(self) -> None:
        """A TLS handshake was broken off."""
        ...


class Acceptor:
    """Accepts connections on ``listener``. ``make_protocol`` makes the protocol that serves a place."""

    def __init__(  # noqa: PLR0913 -- what decides on a connection, each by its name
        self,
        listener: socket.socket,
        tls: ssl.SSLContext | None,
        make_protocol: Callable[[Place], GuardedConnection],
        *,
        places: Places,
        limit: AddressLimit,
        refusals: Refusals,
    ) -> None:
        self._listener = listener
        self._tls = tls
        self._make_protocol = make_protocol
        self._places = places
        self._limit = limit
        self._log = refusals
        self._ceiling = descriptor_ceiling()
        self._connections: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Accept until cancelled."""
        loop = asyncio.get_running_loop()
        self._listener.listen(_BACKLOG)
        accepted = 0
        while True:
            try:
                connection, peer = await loop.sock_accept(self._listener)
            except OSError as exc:
                await self._recover(exc)
                continue
            await self._admit(connection, str(peer[0]) if peer else "")
            accepted += 1
            if accepted % _TOGETHER == 0:  # sock_accept gives no turn to others while connections wait
                await _clock.sleep(0)

    async def close(self) -> None:
        """End all connections and wait until they have ended."""
        self._places.close_all()
        if self._connections:
            await asyncio.wait(self._connections, timeout=_PAUSE)

    async def _let_end(self) -> None:
        """Wait until connections that gave way have given their descriptors back: some turns of the loop."""
        for _ in range(_TURNS_TO_END):
            if len(self._connections) <= len(self._places):
                break
            await _clock.sleep(0)

    async def _recover(self, error: OSError) -> None:
        """Log why no connection can be accepted, and wait; raises the error where the listener is closed."""
        if self._listener.fileno() < 0:
            raise error
        if isinstance(error, ConnectionError):  # it was gone before it could be accepted
            return
        self._places.make_way()
        self._log.accept_failed(os_reason(error))
        await _clock.sleep(_PAUSE)

    async def _admit(self, connection: socket.socket, host: str) -> None:
        """Begin to serve a connection, or close it."""
        address = network_of(host)
        if self._places.is_limited(address) and self._limit.take(address, _clock.monotonic()):
            self._log.refused("connection_rate", host)
            connection.close()
            return
        if connection.fileno() >= self._ceiling:
            self._log.refused("descriptors", host)
            lower = await self._lowered(connection)
            if lower is None:
                return
            connection = lower
        gave_way = self._places.gave_way
        place = self._places.admit(address, partial(_shut, connection))
        if place is None or self._places.gave_way > gave_way:
            self._log.refused("places", host)
        if place is None:
            connection.close()
            return
        task = asyncio.create_task(self._serve(connection, place), name="aforo-http-connection")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        await self._let_end()

    async def _lowered(self, connection: socket.socket) -> socket.socket | None:
        """Return the connection on a descriptor below the ceiling that another one gave back; None if none does.

        A connection that stayed above the ceiling would hide from the next one how few descriptors are left.
        """
        with connection, contextlib.suppress(OSError):
            for _ in range(_TRIES):  # the rest of the program may take what was given back
                if not self._places.make_way():
                    break
                await self._let_end()
                lower = connection.dup()
                if lower.fileno() < self._ceiling:
                    return lower
                lower.close()
        return None

    async def _serve(self, connection: socket.socket, place: Place) -> None:
        """Serve a connection from its handshake to its end; frees its place."""
        loop = asyncio.get_running_loop()
        times = {"ssl_handshake_timeout": _HANDSHAKE_TIMEOUT, "ssl_shutdown_timeout": _CLOSE_TIMEOUT}
        try:
            _, protocol = await loop.connect_accepted_socket(
                partial(self._make_protocol, place), connection, ssl=self._tls, **times if self._tls else {}
            )
            await protocol.ended.wait()
        except OSError:  # the other side broke the handshake off, or was too slow
            _shut(connection)
            if place in self._places:
                self._log.handshake_failed()
        finally:
            self._places.free(place)


def _shut(connection: socket.socket) -> None:
    """End a connection whose handshake goes on: its transport reads the end, and closes it."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
