"""Calls an address of the operators' own after every good turn, so that silence raises an alarm elsewhere.

It has a task of its own: an address that hangs or refuses holds up no turn, and is told once. The address is a secret.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from aforo.alerting.rules import stale_seconds
from aforo.background import background_task
from aforo.clock import Clock
from aforo.live.state import LiveState
from aforo.models import EventPhase

_log = logging.getLogger(__name__)

_TIMEOUT = 10.0  # seconds for one call
_SLACK = 30.0  # seconds that a good turn may take beyond its interval


class Heartbeat:
    """Calls ``url`` every ``interval`` seconds, as long as all is well; not before ``ready``: nobody has let us in."""

    def __init__(self, url: str, interval: float, board: LiveState, clock: Clock, ready: asyncio.Event) -> None:
        self._url = url
        self._interval = interval
        self._board = board
        self._clock = clock
        self._ready = ready
        self._failing = False

    async def run(self) -> None:
        """Go on until cancelled."""
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            while True:
                await self._clock.sleep(self._interval)
                if self.well():
                    await self._call(session)

    def well(self) -> bool:
        """The last turn was good: the number is of now and stored; or there is nothing to count and that is right."""
        board = self._board
        if not self._ready.is_set() or board.signs.database_down_since() is not None:
            return False
        if board.phase not in {EventPhase.WATCHING, EventPhase.CLOSING}:
            return board.signs.link_down_since() is None
        age = stale_seconds(board, self._clock.now())
        return age is not None and age <= 2 * self._interval + _SLACK

    async def _call(self, session: aiohttp.ClientSession) -> None:
        try:
            async with session.get(self._url, allow_redirects=False) as answer:
                failure = "" if answer.status < 400 else f"respuesta {answer.status}"
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as exc:
            failure = type(exc).__name__
        if failure and not self._failing:
            _log.warning(
                "La dirección de monitor.heartbeat_url no acepta la señal de vida (%s). El conteo sigue; puede sonar la"
                " alarma de fuera.",
                failure,
            )
        elif self._failing and not failure:
            _log.info("La dirección de monitor.heartbeat_url vuelve a aceptar la señal de vida.")
        self._failing = bool(failure)


@asynccontextmanager
async def beating(
    url: str, interval: float, board: LiveState, clock: Clock, ready: asyncio.Event
) -> AsyncIterator[None]:
    """Call the address inside the ``with``, from ``ready`` on; an empty one: nothing is called."""
    if not url:
        yield
        return
    heartbeat = Heartbeat(url, interval, board, clock, ready)
    async with background_task(heartbeat.run(), name="aforo-heartbeat"):
        yield
