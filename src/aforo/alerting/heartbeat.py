"""Calls an address of the operators' own after every good poll cycle, so that its silence raises an alarm elsewhere.

It has a task of its own: an address that does not answer delays no cycle. The address is a secret.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from aforo.alerting.http_client import client_session
from aforo.alerting.rules import RUNNING, stale_seconds
from aforo.background import background_task
from aforo.clock import Clock
from aforo.connections import connection_reason
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
        async with client_session(_TIMEOUT) as session:
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
        failure = await send_heartbeat(session, self._url)
        if failure and not self._failing:
            _log.warning(
                "La dirección de monitor.heartbeat_url no acepta la señal de vida (%s). El conteo sigue; puede sonar la"
                " alarma de fuera.",
                failure,
            )
        elif self._failing and not failure:
            _log.info("La dirección de monitor.heartbeat_url vuelve a aceptar la señal de vida.")
        self._failing = bool(failure)


async def send_heartbeat(session: aiohttp.ClientSession, url: str) -> str:
    """Call the address once; return in Spanish why it did not take the call, "" where it did."""
    try:
        async with session.get(url, allow_redirects=False) as answer:
            return "" if answer.status < 400 else f"respuesta {answer.status}"
    except aiohttp.InvalidURL:
        return "no es una dirección http o https"
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as exc:
        return connection_reason(exc)


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
