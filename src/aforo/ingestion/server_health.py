"""Which servers of the site fail as a whole. Pure.

A camera that fails together with most others of its server does not fail by itself.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from operator import itemgetter

from aforo.ingestion.feed_state import FeedState
from aforo.models import Feed

_FEW = 2  # cameras that may fail at once, each by itself, however few there are in all
# The time within which cameras may begin to fail for one fault of their server: each has a timeout of its own.
_GATHERS = timedelta(minutes=2)


class ServerHealth:
    """Assesses the servers from their feeds' states, and takes back what was charged to single cameras.

    Each method that may change how feeds stand returns the ids of the servers whose feeds it may have changed.
    """

    def __init__(self, feeds: Mapping[Feed, FeedState]) -> None:
        self._feeds = feeds
        self._all_down = False
        self._failing: set[str] = set()
        self._recovered_at: dict[str, datetime] = {}

    def is_failing(self, server_id: str) -> bool:
        """That server does not answer, or not for most of its cameras."""
        return self._all_down or server_id in self._failing

    def recovered_at(self, server_id: str) -> datetime | None:
        """When (aware UTC) that server was last back after it failed as a whole; None where it never did."""
        return self._recovered_at.get(server_id)

    def mark_down(self, now: datetime) -> set[str]:
        """No server answers: until ``mark_up``, failures are not charged to single cameras."""
        if self._all_down:
            return set()
        self._all_down = True
        servers = {feed.server_id for feed in self._feeds}
        for server_id in servers:
            self._discharge(server_id, now)
        return servers

    def mark_up(self, now: datetime) -> set[str]:
        """The servers answer again: no feed is paused any longer."""
        self._all_down = False
        servers = {feed.server_id for feed in self._feeds}
        self._recovered_at.update(dict.fromkeys(servers, now))
        for state in self._feeds.values():
            if not state.unknown:
                state.resting_until = None
        return servers

    def assess(self, now: datetime) -> set[str]:
        """Find the servers that fail for most of their cameras, and those that do so no longer."""
        unknown = self.unknown_cameras()
        failing: Counter[str] = Counter()
        cameras: Counter[str] = Counter()
        for feed, state in self._feeds.items():
            if not state.unknown or feed.camera_id in unknown:
                cameras[feed.server_id] += 1
                back = self._recovered_at.get(feed.server_id)
                failing[feed.server_id] += state.failed_at is not None and (back is None or state.failed_at >= back)
        failing_servers = {server for server, count in failing.items() if count > max(_FEW, cameras[server] / 2)}
        changed = failing_servers ^ self._failing
        for server_id in failing_servers - self._failing:
            self._discharge(server_id, now)
        self._recovered_at.update(dict.fromkeys(self._failing - failing_servers, now))
        self._failing = failing_servers
        return changed

    def unknown_cameras(self) -> set[str]:
        """The cameras that no server of the site has."""
        known = {feed.camera_id for feed, state in self._feeds.items() if not state.unknown}
        return {feed.camera_id for feed in self._feeds} - known

    def _discharge(self, server_id: str, now: datetime) -> None:
        """Charge the last failures, one close to the other, to the server; who failed long before still fails alone."""
        alone = [
            (state.failing_alone_since, state) for feed, state in self._feeds.items() if feed.server_id == server_id
        ]
        by_time = sorted(((since, state) for since, state in alone if since), key=itemgetter(0), reverse=True)
        for since, state in by_time:
            if now - since > _GATHERS:
                break
            now, state.failing_alone_since = since, None
