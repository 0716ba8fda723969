"""What has been read until when, and what to read next. Pure: ``now`` is an argument.

A feed's window stays open until it is read: a failure moves no checkpoint, and what was read of the window before it is
not read again. The feed is paused for a while and then read alone, so that one failing camera never delays the others.
"""

import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from aforo.avigilon import EventQuery, Lane
from aforo.errors import AccError
from aforo.ingestion.feed_state import FeedState
from aforo.ingestion.server_health import ServerHealth
from aforo.models import Feed, FeedStatus, Window

_NO_EPOCH = -1  # of a fetch that moves no checkpoint


class PlannedFetch(NamedTuple):
    """A query that is due.

    ``epoch``: of which opening of the planner; an answer to a fetch from before a reopening moves nothing.
    """

    query: EventQuery
    lane: Lane
    epoch: int = 0

    @classmethod
    def beside(cls, query: EventQuery, lane: Lane = Lane.SUSPECT) -> "PlannedFetch":
        """A fetch beside the poll cycles: it moves no checkpoint, and takes no connection that the others need."""
        return cls(query, lane, _NO_EPOCH)


class FetchPlanner:
    """The feeds of one event: ``window`` is the whole of it; each poll cycle looks back ``overlap`` for late events."""

    def __init__(self, window: Window, overlap: timedelta, chance: random.Random | None = None) -> None:
        self.window = window
        self._overlap = overlap
        self._chance = chance or random.Random()  # noqa: S311 -- jitter, not a secret
        self._feeds: dict[Feed, FeedState] = {}
        self._health = ServerHealth(self._feeds)
        self._changed: set[Feed] = set()
        self._fetches_read = 0
        self._epoch = 0

    @property
    def feeds(self) -> Mapping[Feed, FeedState]:
        """The feeds that are followed."""
        return MappingProxyType(self._feeds)

    @property
    def is_reading(self) -> bool:
        """Whether a fetch of a feed that is well is under way."""
        return any(state.reading and not state.failures for state in self._feeds.values())

    def well(self) -> list[Feed]:
        """The feeds that answered last, with others or alone."""
        return [
            feed for feed, state in self._feeds.items() if state.answered and not state.alone and not state.failures
        ]

    @property
    def fetches_read(self) -> int:
        """How many fetches were read whole."""
        return self._fetches_read

    def follow(self, feeds: Iterable[Feed], checkpoints: Mapping[Feed, datetime]) -> None:
        """Follow exactly these feeds: new ones from their checkpoint or from the event's start; others are let go."""
        wanted = dict.fromkeys(feeds)
        for feed in self._feeds.keys() - wanted.keys():
            del self._feeds[feed]
        for feed in wanted:
            if feed in self._feeds:
                continue
            read_until = max(self.window.since, checkpoints.get(feed, self.window.since))
            self._feeds[feed] = FeedState(read_until, max(self.window.since, read_until - self._overlap))

    def begin_cycle(self, now: datetime | None = None, overlaps: Mapping[Feed, timedelta] | None = None) -> None:
        """Begin a poll cycle: every feed without a fetch under way looks back for late events.

        What was read beyond ``now``, by a clock that has been set back since, is read again. ``overlaps``: how far, for
        the feeds that look back further than the others.
        """
        overlaps = overlaps or {}
        for feed, state in self._feeds.items():
            if not state.reading:
                if now is not None and state.read_until > now:
                    state.read_until = max(self.window.since, now)
                    self._changed.add(feed)
                overlap = max(self._overlap, overlaps.get(feed, self._overlap))
                state.next_since = max(self.window.since, state.read_until - overlap)

    def due_fetches(
        self, horizon: datetime, now: datetime, cameras_per_query: Callable[[str], int], limit: float = math.inf
    ) -> list[PlannedFetch]:
        """What to read now, of at most ``limit`` feeds, each marked as being read.

        ``cameras_per_query``: how many a server takes. Where not all may be read, those go first that have not failed,
        or not for the longest time.
        """
        self._mark_servers(self._health.assess(now))
        alike: defaultdict[tuple[str, Window], list[str]] = defaultdict(list)
        fetches = []
        due = [(feed, state) for feed, state in self._feeds.items() if state.is_due(horizon, now)]
        if limit < len(due):
            due = sorted(due, key=lambda one: one[1].failed_at or self.window.since)[: int(limit)]
        for feed, state in due:
            state.reading = True
            window = state.next_window(horizon)
            if state.alone:
                query = EventQuery(feed.server_id, (feed.camera_id,), window)
                lane = Lane.SUSPECT if state.failures else Lane.POLL
                fetches.append(PlannedFetch(query, lane, self._epoch))
            else:
                alike[feed.server_id, window].append(feed.camera_id)
        for (server_id, window), cameras in alike.items():
            size = cameras_per_query(server_id)
            fetches += [
                PlannedFetch(
                    EventQuery(server_id, tuple(cameras[first : first + size]), window), Lane.POLL, self._epoch
                )
                for first in range(0, len(cameras), size)
            ]
        return fetches

    def mark_read(self, fetch: PlannedFetch, events: int) -> list[Feed]:
        """The fetch was read whole, with so many events; returns the feeds that are well again after a failure."""
        recovered = []
        self._fetches_read += 1
        for feed, state in self._states_of(fetch):
            if fetch.epoch != self._epoch:
                continue
            if state.failing_since is not None:
                recovered.append(feed)
            state.mark_read(fetch.query.window.until, events, self.window.until - self.window.since)
        return recovered

    def mark_page(self, fetch: PlannedFetch) -> None:
        """A page of the fetch was read."""
        for feed in fetch.query.feeds:
            if feed in self._feeds:
                self._feeds[feed].page_seen = True

    def advance(self, fetch: PlannedFetch, until: datetime, now: float) -> dict[Feed, datetime]:
        """All of the fetch before ``until`` was read ``now`` (monotonic); return the checkpoints, to store with it.

        None for feeds that were read further before, and none at all when the fetch is from before a reopening.
        """
        if fetch.epoch != self._epoch:
            return {}
        checkpoints = {}
        for feed in fetch.query.feeds:
            state = self._feeds.get(feed)
            if state is not None:
                state.advance(until)
                state.answered_at = now
                self._changed.add(feed)
                if until >= state.read_until:
                    checkpoints[feed] = until
        return checkpoints

    def next_fetch(self, fetch: PlannedFetch, horizon: datetime) -> PlannedFetch | None:
        """The same cameras' next window up to ``horizon``, marked as being read; None when they are there."""
        states = [state for _, state in self._states_of(fetch)]
        if len(states) < len(fetch.query.cameras) or any(state.next_since >= horizon for state in states):
            return None
        for state in states:
            state.reading = True
        return PlannedFetch(fetch.query._replace(window=states[0].next_window(horizon)), Lane.POLL, self._epoch)

    def mark_failed(self, fetch: PlannedFetch, error: AccError, now: datetime) -> list[Feed]:
        """The fetch failed; returns the feeds that were well until now.

        Several cameras read together are read again at once, each alone: only then is it known which of them fails.
        """
        newly_failing = []
        for feed, state in self._states_of(fetch):
            state.alone = True
            if len(fetch.query.cameras) > 1:
                continue
            if state.failing_since is None:
                state.failing_since = now
                newly_failing.append(feed)
            if state.failing_alone_since is None and not self._health.is_failing(feed.server_id):
                state.failing_alone_since = now
            state.mark_failed(fetch.query.window, error, now, self._chance)
        return newly_failing

    def reopen(self, server_id: str) -> None:
        """What that server answered cannot be trusted: read everything of it again, each camera alone."""
        self._epoch += 1
        for feed, state in self._feeds.items():
            if feed.server_id == server_id:
                state.read_until = state.next_since = self.window.since
                state.alone = True
        self._mark_servers({server_id})

    def end_rest(self, feeds: Iterable[Feed]) -> None:
        """Let these feeds be due again at once."""
        for feed in feeds:
            self._feeds[feed].resting_until = None

    def behind(self, horizon: datetime) -> dict[Feed, FeedState]:
        """The feeds not read up to ``horizon``, without the cameras that their server does not have."""
        return {feed: state for feed, state in self._feeds.items() if state.read_until < horizon and not state.unknown}

    def server_down(self, now: datetime) -> None:
        """No server answers: until ``server_up``, failures are not charged to single cameras."""
        self._mark_servers(self._health.mark_down(now))

    def server_up(self, now: datetime) -> None:
        """The servers answer again: no feed is paused any longer."""
        self._mark_servers(self._health.mark_up(now))

    def next_rest_ends(self) -> datetime | None:
        """The first instant at which a paused feed is due again; None when none is paused."""
        rests = [state.resting_until for state in self._feeds.values() if state.resting_until and not state.reading]
        return min(rests, default=None)

    def unknown_cameras(self) -> set[str]:
        """The cameras that no server of the site has."""
        return self._health.unknown_cameras()

    def statuses(self) -> list[FeedStatus]:
        """How each feed stands now."""
        return [self._status(feed, state) for feed, state in self._feeds.items()]

    def take_changed(self) -> list[FeedStatus]:
        """How those feeds stand that changed since the last call."""
        changed, self._changed = self._changed, set()
        return [self._status(feed, self._feeds[feed]) for feed in changed if feed in self._feeds]

    def _status(self, feed: Feed, state: FeedState) -> FeedStatus:
        return FeedStatus(
            feed=feed,
            read_until=state.read_until,
            failing_since=state.failing_since,
            failing_alone_since=state.failing_alone_since,
            server_failing=self._health.is_failing(feed.server_id),
            server_recovered_at=self._health.recovered_at(feed.server_id),
            unknown=state.unknown,
            answered=state.answered,
            error=str(state.error or ""),
        )

    def _mark_servers(self, server_ids: set[str]) -> None:
        if server_ids:
            self._changed.update(feed for feed in self._feeds if feed.server_id in server_ids)

    def _states_of(self, fetch: PlannedFetch) -> Iterator[tuple[Feed, FeedState]]:
        for feed in fetch.query.feeds:
            state = self._feeds.get(feed)
            if state is not None:
                state.reading = False
                self._changed.add(feed)
                yield feed, state
