"""Which cameras a site has, which of them sent something lately, and which count."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta

from aforo.avigilon.client import AvigilonClient
from aforo.avigilon.payloads import Camera, Server
from aforo.counting.rules import Rules
from aforo.errors import AccBadRequest, AccUnknownCamera
from aforo.models import CameraEvent, EventSource, Window

_ENOUGH = 2_000  # events of a camera in one day, or of a server, after which nothing older is read
_FIRST_WINDOW = timedelta(hours=1)  # read of a whole server; each further one is four times as long


async def site_cameras(client: AvigilonClient, servers: Sequence[Server], until: datetime, days: int) -> list[Camera]:
    """Return the cameras that a server lists, then those of which only events are known. Raises AccError.

    The list may be of one server only; of each server the latest events in the ``days`` before ``until`` are read.
    """
    cameras = await client.cameras()
    listed = {camera.id for camera in cameras}
    found = await asyncio.gather(*(_cameras_with_events(client, server.id, until, days) for server in servers))
    sending = {camera_id: server.id for server, ids in zip(servers, found, strict=True) for camera_id in ids}
    unlisted = [Camera(camera_id, "", "", None, server_id) for camera_id, server_id in sending.items()]
    return cameras + [camera for camera in unlisted if camera.id not in listed]


async def _cameras_with_events(client: AvigilonClient, server_id: str, until: datetime, days: int) -> set[str]:
    """The cameras of a server's latest events."""
    first, width = until - timedelta(days=days), _FIRST_WINDOW
    cameras: set[str] = set()
    events = 0
    while until > first and events < _ENOUGH:
        since = max(first, until - width)
        async for event in _events(client, server_id, None, Window(since, until)):
            cameras.add(event.camera_id)
            events += 1
        until, width = since, width * 4
    return cameras


async def _events(
    client: AvigilonClient, server_id: str, camera_ids: Sequence[str] | None, window: Window
) -> AsyncIterator[CameraEvent]:
    """The events of those cameras; none where the server does not have them, which is normal for another's camera."""
    try:
        async with aclosing(client.events(server_id, camera_ids, window)) as pages:
            async for page in pages:
                for event in page.events:
                    yield event
    except AccUnknownCamera:
        return
    except AccBadRequest:
        if camera_ids is not None:
            raise  # else a server that gives nothing without deviceIds


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
    reads = [recent_sources(client, camera.id, home_servers(camera, servers), until, days) for camera in cameras]
    answers = await asyncio.gather(*reads)
    return [
        camera
        for camera, (sources, _) in zip(cameras, answers, strict=True)
        if any(rules.classify(source).exclusion is None for source in sources)
    ]


async def recent_sources(
    client: AvigilonClient, camera_id: str, servers: Sequence[str], until: datetime, days: int
) -> tuple[Counter[EventSource], bool]:
    """Count the sources of the events that a camera sent in the ``days`` before ``until``, the latest day first.

    ``servers``: those that may have it, its own first; that one does not know it is normal. The second value is False
    where older days were left out because there was enough. Raises AccError.
    """
    sources: Counter[EventSource] = Counter()
    for days_left in reversed(range(days)):
        since = until - timedelta(days=1)
        for server in servers:
            async for event in _events(client, server, (camera_id,), Window(since, until)):
                sources[event.source] += 1
            if sources and server == servers[0]:
                break  # a camera's own server comes first
        if sources.total() >= _ENOUGH:
            return sources, days_left == 0
        until = since
    return sources, True


def home_servers(camera: Camera, servers: Sequence[Server]) -> list[str]:
    """Return the servers that may have a camera: its own first, where it names one that is known, then the others."""
    return sorted((server.id for server in servers), key=lambda server_id: server_id != camera.server_id)
