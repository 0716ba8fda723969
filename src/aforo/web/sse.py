"""The live stream: a full state on connecting, then what changes, at most a few times a second, and a heartbeat.

Each frame is made once for everybody. A client that is slow to read loses frames and then gets a full state: what is
kept for it is bounded, and nobody waits for it.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from aforo.clock import Clock, SystemClock, wait_until_set
from aforo.live.state import LiveState
from aforo.web import serializers

_HEARTBEAT = 1.0  # real seconds between two frames when nothing changes
_PACE = 0.25  # real seconds between two frames at least
_MOST_FRAMES = 16  # kept for a client that is slow to read
_MOST_OF_ONE = 60  # clients of one address: one that opens many leaves room for the walls
RETRY_MS = 1_000  # what a browser is told to wait before it connects again


class TooManyClients(Exception):
    """The stream has as many clients as it takes, of all addresses or of that one."""


class Client:
    """What waits to be sent to one client."""

    def __init__(self, address: str = "") -> None:
        self.address = address
        self.lost = True  # it has no full state yet
        self._frames: deque[bytes] = deque()
        self._some = asyncio.Event()
        self.closed = False

    def offer(self, frame: bytes) -> None:
        """Queue a frame; a client that does not keep up loses all that waits."""
        if self.lost:
            return
        if len(self._frames) >= _MOST_FRAMES:
            self._frames.clear()
            self.lost = True
        else:
            self._frames.append(frame)
        self._some.set()

    def close(self) -> None:
        """No more frames come."""
        self.closed = True
        self._some.set()

    async def next(self) -> bytes | None:
        """The next frame; None where a full state is due, or where the stream ends (``closed``)."""
        while not self._frames and not self.lost and not self.closed:
            self._some.clear()
            await self._some.wait()
        return self._frames.popleft() if self._frames and not self.closed else None


class Broadcaster:
    """Follows the board and feeds the clients of the stream."""

    def __init__(
        self, board: LiveState, clock: Clock, timezone: str, stale_after: float, most_clients: int = 80
    ) -> None:
        self._board = board
        self._clock = clock
        self._timezone = timezone
        self._stale_after = stale_after
        self._most_clients = most_clients
        self._pace = SystemClock()  # frames go at the pace of those who look, however fast an evening is played
        self._changed = asyncio.Event()
        self._clients: set[Client] = set()
        self._told: dict[str, str] = {}
        self._told_series = 0
        self._told_evening = 0
        self._fresh_until = -1.0
        self._full = b""
        self._series: tuple[tuple[int, int], bytes] = ((-1, -1), b"")
        self._series_until = -1.0

    @property
    def clients(self) -> int:
        """How many follow the stream."""
        return len(self._clients)

    async def run(self) -> None:
        """Send frames until cancelled."""
        self._board.listeners.append(self._changed.set)
        try:
            while True:
                await wait_until_set(self._changed, self._pace, _HEARTBEAT)
                self._changed.clear()
                self._board.look()
                if self._clients:
                    self._send()
                await self._pace.sleep(_PACE)
        finally:
            self._board.listeners.remove(self._changed.set)

    def close(self) -> None:
        """End all streams."""
        for client in self._clients:
            client.close()

    async def follow(self, address: str = "") -> AsyncIterator[bytes]:
        """One client's stream. Raises TooManyClients."""
        of_one = sum(client.address == address for client in self._clients)
        if len(self._clients) >= self._most_clients or of_one >= _MOST_OF_ONE:
            raise TooManyClients
        client = Client(address)
        if not self._clients:
            self._told_series, self._told_evening = self._board.changes, self._board.evening
        self._clients.add(client)
        try:
            yield f"retry: {RETRY_MS}\n\n".encode()
            while not client.closed:
                if client.lost:
                    client.lost = False
                    self._told.clear()  # the next frame tells all: this state may lie between two frames
                    yield _frame("state", self.state())
                frame = await client.next()
                if frame is not None:
                    yield frame
        finally:
            self._clients.discard(client)

    def state(self) -> bytes:
        """The full state as JSON; made anew at most four times a second."""
        if self._pace.monotonic() >= self._fresh_until:
            self._full = self._look().model_dump_json().encode()
            self._fresh_until = self._pace.monotonic() + _PACE
        return self._full

    def series(self) -> bytes:
        """The curves as JSON; made anew at most twice a second, and only when something moved."""
        version = (self._board.evening, self._board.changes)
        if self._series[0] != version and self._pace.monotonic() >= self._series_until:
            self._series = (version, serializers.series(self._board).model_dump_json().encode())
            self._series_until = self._pace.monotonic() + 2 * _PACE
        return self._series[1]

    def _look(self) -> Any:
        return serializers.state(self._board, self._clock.now(), self._timezone, self._stale_after)

    def _send(self) -> None:
        """What changed since the last frame; always the time, so that a client knows that the line is alive."""
        state = self._look().model_dump(mode="json")
        changed: dict[str, Any] = {"now": state["now"]}
        for name, value in state.items():
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            if self._told.get(name) != text:
                self._told[name] = text
                changed[name] = value
        if self._told_evening == self._board.evening and self._board.changes > self._told_series:
            changed["patch"] = serializers.patch(self._board, self._told_series)
        self._told_series, self._told_evening = self._board.changes, self._board.evening
        frame = _frame("change", json.dumps(changed, ensure_ascii=False, separators=(",", ":")).encode())
        for client in self._clients:
            client.offer(frame)


def _frame(kind: str, data: bytes) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"
