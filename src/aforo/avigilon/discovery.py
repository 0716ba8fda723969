"""Which cameras of a site sent something lately, and which of them count."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime, timedelta

from aforo.avigilon.client import AvigilonClient
from aforo.avigilon.payloads import Camera, Server
from aforo.counting.rules import Rules
from aforo.models import EventSource, Window

_ENOUGH = 2_000  # events of a camera in one day, after which no older day is read


async def cameras_that_count(  # noqa: PLR0913 -- the site's lists, the rules and the time
    client: AvigilonClient,
    cameras: Sequence[Camera],
    servers: Sequence[Server],
    *,
    rules: Rules,
    until: datetime,
    days: int,
) -> list[Camera]:
    """Return the cameras that, in the ``days`` before ``until``, sent an event that a rule counts. Raises AccError."""
    reads = [recent_names(client, camera.id, home_servers(camera, servers), until, days) for camera in cameras]
    answers = await asyncio.gather(*reads)
    return [
        camera
        for camera, (names, _) in zip(cameras, answers, strict=True)
        if any(rules.classify(EventSource(camera.id, name, "", "")).exclusion is None for name in names)
    ]


async def recent_names(
    client: AvigilonClient, camera_id: str, servers: Sequence[str], until: datetime, days: int
) -> tuple[Counter[str], bool]:
    """Count the event names that a camera sent in the ``days`` before ``until``, the latest day first.

    The second value is False where older days were left out because there was enough. Raises AccError.
    """
    names: Counter[str] = Counter()
    for days_left in reversed(range(days)):
        since = until - timedelta(days=1)
        for server in servers:
            async with aclosing(client.events(server, (camera_id,), Window(since, until))) as pages:
                async for page in pages:
                    names.update(event.name for event in page.events if event.camera_id == camera_id)
        if names.total() >= _ENOUGH:
            return names, days_left == 0
        until = since
    return names, True


def home_servers(camera: Camera, servers: Sequence[Server]) -> list[str]:
    """Return the servers that may have a camera: its own, or every one where it names none that is known."""
    return [server.id for server in servers if server.id == camera.server_id] or [server.id for server in servers]
