"""Calls an address of the operators' own after every good poll cycle, so that its silence raises an alarm elsewhere.

It has a task of its own: an address that does not answer delays no cycle. The address is a secret.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from aforo.alerting.rules import RUNNING, stale_seconds
from aforo.background import background_task
from aforo.clock import Clock
from aforo.live.state import LiveState

_log = logging.getLogger(__name__)

_TIMEOUT = 10.0  # seconds for one call
_SLACK = 30.0  # seconds that a good cycle may take beyond its interval


class Heartbeat:
    """Calls ``url`` every ``interval`` seconds while all is well; not before ``ready``, set after the first login."""

    def __init__(self, url: str, interval: float, live: LiveState, clock: Clock, ready: asyncio.Event) -> None:
        self._url = url
        self._interval = interval
        self._live = live
        self._clock = clock
        self._ready = ready
        self._failing = False

    async def run(self) -> None:
        """Call until cancelled."""
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            while True:
                await self._clock.sleep(self._interval)
                if self.is_well():
                    await self._call(session)

    def is_well(self) -> bool:
        """Return whether the count is current and stored or, without an event under way, the server answers."""
        live = self._live
        if not self._ready.is_set() or live.probes.database_down_since() is not None:
            return False
        if live.phase not in RUNNING:
            return live.probes.link_down_since() is None
        age = stale_seconds(live, self._clock.now())
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
async def sending_heartbeats(
    url: str, interval: float, live: LiveState, clock: Clock, ready: asyncio.Event
) -> AsyncIterator[None]:
    """Call the address inside the ``with``, from ``ready`` on; with an empty one nothing is called."""
    if not url:
        yield
        return
    heartbeat = Heartbeat(url, interval, live, clock, ready)
    async with background_task(heartbeat.run(), name="aforo-heartbeat"):
        yield
