"""Server-sent events: the full state on connecting, then what changes, a few times a second at most, and a heartbeat.

Where the program ends, the last frame says so and holds the final state: it is no lost connection.

Each frame is made once for all clients. A client that is slow to read loses frames and then gets a full state: what is
kept for it is bounded, and nobody waits for it.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from aforo.clock import Clock, SystemClock, wait_until_set
from aforo.live.state import LiveState
from aforo.web import schemas, serializers
from aforo.web.auth import Visitor

MAX_QUEUED_FRAMES = 16  # for a client that is slow to read

_HEARTBEAT = 1.0  # real seconds between two frames when nothing changes
_MIN_INTERVAL = 0.25  # real seconds between two frames at least
_MAX_CLIENTS = 80
_MAX_CLIENTS_PER_ADDRESS = 60  # one address does not take all places
_RETRY_MS = 1_000  # what a browser waits before it connects again


class TooManyClients(Exception):
    """The stream has as many clients as it takes, of all addresses or of that one."""


_ANYBODY = Visitor(may_read=True)


class Client:
    """The frames that wait to be sent to one client. ``needs_state``: a full state is due before the next frame."""

    def __init__(self, visitor: Visitor = _ANYBODY, address: str = "") -> None:
        self.visitor = visitor
        self.address = address
        self.needs_state = True
        self.closed = False
        self._frames: deque[bytes] = deque()
        self._ready = asyncio.Event()

    def offer(self, frame: bytes) -> None:
        """Queue a frame; a client whose queue is full loses all of it, and needs a full state."""
        if self.needs_state:
            return
        if len(self._frames) >= MAX_QUEUED_FRAMES:
            self._frames.clear()
            self.needs_state = True
        else:
            self._frames.append(frame)
        self._ready.set()

    def close(self) -> None:
        """End the stream at once: no more frames come."""
        self._frames.clear()
        self.finish()

    def finish(self, *last: bytes) -> None:
        """End the stream after the frames that wait and these last ones."""
        self._frames.extend(last)
        self.closed = True
        self._ready.set()

    async def next(self) -> bytes | None:
        """Return the next frame; None where a full state is due, or where the stream ends (``closed``)."""
        while not self._frames and not self.needs_state and not self.closed:
            self._ready.clear()
            await self._ready.wait()
        return self._frames.popleft() if self._frames else None


class Broadcaster:
    """Sends the changes of the live state to the clients of the stream.

    Frames go at the pace of real time, however fast the clock of a demo runs. ``stale_after`` is in seconds;
    ``first``: the zone or total that the page shows first.
    """

    def __init__(self, live: LiveState, clock: Clock, timezone: str, stale_after: float, first: str = "") -> None:
        self._live = live
        self._clock = clock
        self._timezone = timezone
        self._stale_after = stale_after
        self._first = first
        self._real_time = SystemClock()
        self._changed = asyncio.Event()
        self._clients: dict[Client, None] = {}  # oldest first
        self._sent: dict[str, str] = {}  # each field of the state, as it was last sent
        self._sent_changes = 0
        self._sent_generation = 0
        self._state = b""
        self._state_until = -1.0
        self._series = b""
        self._series_version = (-1, -1)
        self._series_until = -1.0

    async def run(self) -> None:
        """Send frames until cancelled."""
        with self._live.listening(self._changed.set):
            while True:
                await wait_until_set(self._changed, self._real_time, _HEARTBEAT)
                self._changed.clear()
                self._live.refresh()
                self._end_expired()
                if self._clients:
                    self._send_changes()
                self._live.latency.sent(self._clock.now(), to_anybody=bool(self._clients))
                await self._real_time.sleep(_MIN_INTERVAL)

    def close(self) -> None:
        """End all streams: the program ends. The last frame holds the state as it stays."""
        if not self._clients:
            return
        self._send_changes()
        last = _frame("end", self._current_state().model_dump_json().encode())
        for client in self._clients:
            client.finish(last)

    def end_session(self, session: str) -> None:
        """End the streams of a session that was logged out."""
        for client in self._clients:
            if client.visitor.session == session:
                client.close()

    async def follow(self, visitor: Visitor = _ANYBODY, address: str = "") -> AsyncIterator[bytes]:
        """Yield one client's frames. Raises TooManyClients.

        A client that has shown neither session nor read token gives way to one that has.
        """
        if not self._has_place(address) and not (visitor.identified and self._make_way(address)):
            raise TooManyClients
        client = Client(visitor, address)
        if not self._clients:
            self._sent_changes, self._sent_generation = self._live.changes, self._live.generation
        self._clients[client] = None
        try:
            yield f"retry: {_RETRY_MS}\n\n".encode()
            while True:
                if client.needs_state and not client.closed:
                    client.needs_state = False
                    self._sent.clear()  # this state may lie between two frames: the next frame holds all fields
                    yield _frame("state", self.state())
                frame = await client.next()
                if frame is not None:
                    yield frame
                elif client.closed:
                    return
        finally:
            self._clients.pop(client, None)

    def state(self) -> bytes:
        """Return the full state as JSON; it is made anew at most four times a second."""
        if self._real_time.monotonic() >= self._state_until:
            self._state = self._current_state().model_dump_json().encode()
            self._state_until = self._real_time.monotonic() + _MIN_INTERVAL
        return self._state

    def series(self) -> bytes:
        """Return the series as JSON; they are made anew at most twice a second, and only after a change."""
        version = (self._live.generation, self._live.changes)
        if self._series_version != version and self._real_time.monotonic() >= self._series_until:
            self._series = serializers.series(self._live).model_dump_json().encode()
            self._series_version = version
            self._series_until = self._real_time.monotonic() + 2 * _MIN_INTERVAL
        return self._series

    @property
    def clients(self) -> int:
        """How many clients follow the stream."""
        return len(self._clients)

    def _has_place(self, address: str) -> bool:
        return len(self._clients) < _MAX_CLIENTS and self._followed_by(address) < _MAX_CLIENTS_PER_ADDRESS

    def _followed_by(self, address: str) -> int:
        return sum(client.address == address for client in self._clients)

    def _make_way(self, address: str) -> bool:
        """End the oldest stream of a client that is not identified; return whether that made a place."""
        whose = address if self._followed_by(address) >= _MAX_CLIENTS_PER_ADDRESS else None
        yielding = (client for client in self._clients if not client.visitor.identified)
        client = next((client for client in yielding if whose in (None, client.address)), None)
        if client is not None:
            client.close()
            del self._clients[client]
        return client is not None

    def _end_expired(self) -> None:
        now = self._clock.now().timestamp()
        for client in self._clients:
            if client.visitor.until <= now:
                client.close()

    def _current_state(self) -> schemas.State:
        return serializers.state(self._live, self._clock.now(), self._timezone, self._stale_after, self._first)

    def _send_changes(self) -> None:
        """Send what changed since the last frame; always the time, so that a client can detect a broken connection."""
        state = self._current_state().model_dump(mode="json")
        changed: dict[str, Any] = {"now": state["now"]}
        for name, value in state.items():
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            if self._sent.get(name) != text:
                self._sent[name] = text
                changed[name] = value
        if self._sent_generation == self._live.generation and self._live.changes > self._sent_changes:
            changed["patch"] = serializers.series_delta(self._live, self._sent_changes)
        self._sent_changes, self._sent_generation = self._live.changes, self._live.generation
        frame = _frame("change", json.dumps(changed, ensure_ascii=False, separators=(",", ":")).encode())
        for client in self._clients:
            client.offer(frame)


def _frame(kind: str, data: bytes) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"
