"""How current the count is, from how each feed stands. Pure."""

from collections.abc import Iterable
from datetime import datetime

from aforo.models import FeedStatus


def unknown_cameras(feeds: Iterable[FeedStatus]) -> set[str]:
    """The cameras that no server of the site has."""
    feeds = list(feeds)
    known = {status.feed.camera_id for status in feeds if not status.unknown}
    return {status.feed.camera_id for status in feeds} - known


def waited_for(feeds: Iterable[FeedStatus]) -> list[FeedStatus]:
    """The feeds that the count waits for: all but cameras that fail by themselves, or are another server's."""
    feeds = list(feeds)
    unknown = unknown_cameras(feeds)
    return [
        status
        for status in feeds
        if status.failing_alone_since is None and (not status.unknown or status.feed.camera_id in unknown)
    ]


def silences(feeds: Iterable[FeedStatus]) -> dict[str, datetime | None]:
    """The cameras that are not well, and since when each is silent by itself; None: that cannot be known (yet).

    It is counted from when their server was last back: while it was down nobody could answer.
    """
    feeds = list(feeds)
    unknown = unknown_cameras(feeds)
    silent: dict[str, datetime | None] = {}
    for status in feeds:
        camera_id = status.feed.camera_id
        if status.failing_since is None or (status.unknown and camera_id not in unknown):
            continue
        since = None if status.server_failing else status.failing_alone_since
        if since is not None and status.server_recovered_at is not None:
            since = max(since, status.server_recovered_at)
        known = silent.get(camera_id)
        silent[camera_id] = min(known, since) if known and since else known or since
    return silent


def behind(feeds: Iterable[FeedStatus], horizon: datetime) -> list[FeedStatus]:
    """The feeds not read up to ``horizon``, without the cameras that their server does not have."""
    return [status for status in feeds if status.read_until < horizon and not status.unknown]
