"""What has been answered until when, what to ask next, and which camera is in trouble. Pure: ``now`` is an argument.

A feed's window stays open until it is answered: a failure moves nothing, it only makes the feed rest for a while and
be asked alone, so that one camera's trouble never holds up the others.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from operator import itemgetter
from typing import NamedTuple

from aforo.avigilon import EventQuery
from aforo.errors import AccError
from aforo.ingestion.feed_state import FeedState
from aforo.models import Feed, Window

_FEW = 2  # cameras that may fail at once, each by itself, however few there are in all
# So far apart cameras may begin to fail of one trouble of their server's: each is found out by a timeout of its own.
_GATHERS = timedelta(minutes=2)


class PlannedFetch(NamedTuple):
    """A query that is due. ``suspect``: its camera failed lately; it is read in a lane of its own.

    ``epoch``: of which opening of the planner; an answer to a fetch from before a reopening moves nothing.
    """

    query: EventQuery
    suspect: bool
    epoch: int = 0


class FetchPlanner:
    """The feeds of one event: ``window`` is the whole of it; each turn looks back ``overlap`` for what came late.

    ``answers`` counts the questions that were answered.
    """

    def __init__(self, window: Window, overlap: timedelta, chance: random.Random | None = None) -> None:
        self.window = window
        self._overlap = overlap
        self._chance = chance or random.Random()  # noqa: S311 -- jitter, not a secret
        self.feeds: dict[Feed, FeedState] = {}
        self.answers = 0
        self._epoch = 0
        self._away = False
        self._in_trouble: set[str] = set()
        self._well_since: dict[str, datetime] = {}

    def follow(self, feeds: Iterable[Feed], checkpoints: Mapping[Feed, datetime]) -> None:
        """Follow exactly these feeds: new ones from their checkpoint or from the event's start; others are let go."""
        wanted = dict.fromkeys(feeds)
        for feed in self.feeds.keys() - wanted.keys():
            del self.feeds[feed]
        for feed in wanted:
            if feed in self.feeds:
                continue
            answered = max(self.window.since, checkpoints.get(feed, self.window.since))
            self.feeds[feed] = FeedState(answered, max(self.window.since, answered - self._overlap))

    def begin_cycle(self) -> None:
        """A new turn: every feed that is not being asked looks back for what came late."""
        for state in self.feeds.values():
            if not state.asking:
                state.ask_from = max(self.window.since, state.answered_until - self._overlap)

    def asks(
        self, horizon: datetime, now: datetime, together: Callable[[str], int], most: float = math.inf
    ) -> list[PlannedFetch]:
        """What to ask now, of ``most`` feeds, each marked as being asked; ``together``: how many a server takes.
        Where not all may be asked, those go first that have not failed, or not for the longest time.
        """
        self._judge(now)
        alike: defaultdict[tuple[str, Window], list[str]] = defaultdict(list)
        asks = []
        due = [(feed, state) for feed, state in self.feeds.items() if state.due(horizon, now)]
        if most < len(due):
            due = sorted(due, key=lambda one: one[1].failed_at or self.window.since)[: int(most)]
        for feed, state in due:
            state.asking = True
            window = state.next_window(horizon)
            if state.alone:
                asks.append(
                    PlannedFetch(EventQuery(feed.server_id, (feed.camera_id,), window), state.failures > 0, self._epoch)
                )
            else:
                alike[feed.server_id, window].append(feed.camera_id)
        for (server_id, window), cameras in alike.items():
            most = together(server_id)
            asks += [
                PlannedFetch(EventQuery(server_id, tuple(cameras[first : first + most]), window), False, self._epoch)
                for first in range(0, len(cameras), most)
            ]
        return asks

    def answered(self, ask: PlannedFetch, events: int) -> list[Feed]:
        """The ask was answered whole, with so many events; returns the feeds that are well again after a failure."""
        recovered = []
        self.answers += 1
        for feed, state in self._asked(ask):
            if ask.epoch != self._epoch:
                continue
            if state.failing_since is not None:
                recovered.append(feed)
            state.answered(ask.query.window.until, events, self.window)
        return recovered

    def checkpoints(self, ask: PlannedFetch) -> dict[Feed, datetime]:
        """Until when the answer brings its feeds; nowhere when it is from before a reopening."""
        return dict.fromkeys(ask.query.feeds, ask.query.window.until) if ask.epoch == self._epoch else {}

    def following(self, ask: PlannedFetch, horizon: datetime) -> PlannedFetch | None:
        """The same cameras' next window up to ``horizon``, marked as being asked; None when they are there."""
        states = [state for _, state in self._asked(ask)]
        if len(states) < len(ask.query.cameras) or any(state.ask_from >= horizon for state in states):
            return None
        for state in states:
            state.asking = True
        return PlannedFetch(ask.query._replace(window=states[0].next_window(horizon)), False, self._epoch)

    def failed(self, ask: PlannedFetch, error: AccError, now: datetime) -> list[Feed]:
        """The ask was not answered; returns the feeds that were well until now.

        Several cameras asked together are asked again at once, each alone: only then is it known whose trouble it is.
        """
        fallen = []
        for feed, state in self._asked(ask):
            state.alone = True
            if len(ask.query.cameras) > 1:
                continue
            if state.failing_since is None:
                state.failing_since = now
                fallen.append(feed)
            if state.own_since is None and not self.in_trouble(feed.server_id):
                state.own_since = now
            state.failed(ask.query.window, error, now, self._chance)
        return fallen

    def reopen(self, server_id: str) -> None:
        """What that server answered cannot be trusted: ask it for everything anew, each camera alone."""
        self._epoch += 1
        for feed, state in self.feeds.items():
            if feed.server_id == server_id:
                state.answered_until = state.ask_from = self.window.since
                state.alone = True

    def behind(self, horizon: datetime) -> dict[Feed, FeedState]:
        """The feeds not answered up to ``horizon``, cameras that their server does not know left out."""
        return {
            feed: state for feed, state in self.feeds.items() if state.answered_until < horizon and not state.absent
        }

    def lost(self, now: datetime) -> None:
        """The server does not answer at all: whatever fails until ``wake`` says nothing of a camera."""
        if not self._away:
            self._away = True
            for server_id in {feed.server_id for feed in self.feeds}:
                self._disown(server_id, now)

    def wake(self, now: datetime) -> None:
        """The server is back: nobody rests any longer."""
        self._away = False
        self._well_since.update((feed.server_id, now) for feed in self.feeds)
        for state in self.feeds.values():
            if not state.absent:
                state.resting_until = None

    def in_trouble(self, server_id: str) -> bool:
        """That server does not answer, or not for most of its cameras: who fails on it does not fail by itself."""
        return self._away or server_id in self._in_trouble

    def waited_for(self) -> list[Feed]:
        """The feeds that the count waits for: all but cameras that fail by themselves, or are another server's."""
        unknown = self.unknown_cameras()
        return [
            feed
            for feed, state in self.feeds.items()
            if state.own_since is None and (not state.absent or feed.camera_id in unknown)
        ]

    def silences(self) -> dict[str, datetime | None]:
        """The cameras that are not well, and since when each is silent by itself; None: that cannot be told (yet).

        It is counted from when their server was last back: while it was away nobody could answer.
        """
        unknown = self.unknown_cameras()
        silent: dict[str, datetime | None] = {}
        for feed, state in self.feeds.items():
            if state.failing_since is None or (state.absent and feed.camera_id not in unknown):
                continue
            since = None if self.in_trouble(feed.server_id) else state.own_since
            if since is not None:
                since = max(since, self._well_since.get(feed.server_id, since))
            known = silent.get(feed.camera_id)
            silent[feed.camera_id] = min(known, since) if known and since else known or since
        return silent

    def next_rest_ends(self) -> datetime | None:
        """The first instant at which a resting feed is due again; None when none rests."""
        rests = [state.resting_until for state in self.feeds.values() if state.resting_until and not state.asking]
        return min(rests, default=None)

    def unknown_cameras(self) -> set[str]:
        """The cameras that no server of the site knows."""
        known = {feed.camera_id for feed, state in self.feeds.items() if not state.absent}
        return {feed.camera_id for feed in self.feeds} - known

    def _judge(self, now: datetime) -> None:
        """Find the servers that fail for most of their cameras, and those that do so no longer."""
        unknown = self.unknown_cameras()
        failing: Counter[str] = Counter()
        cameras: Counter[str] = Counter()
        for feed, state in self.feeds.items():
            if not state.absent or feed.camera_id in unknown:
                cameras[feed.server_id] += 1
                back = self._well_since.get(feed.server_id)
                failing[feed.server_id] += state.failed_at is not None and (back is None or state.failed_at >= back)
        troubled = {one for one, count in failing.items() if count > max(_FEW, cameras[one] / 2)}
        for server_id in troubled - self._in_trouble:
            self._disown(server_id, now)
        self._well_since.update(dict.fromkeys(self._in_trouble - troubled, now))
        self._in_trouble = troubled

    def _disown(self, server_id: str, now: datetime) -> None:
        """The last failures, one close to the other, were not the cameras' own. Who failed long before still does."""
        own = [(state.own_since, state) for feed, state in self.feeds.items() if feed.server_id == server_id]
        for since, state in sorted(((since, state) for since, state in own if since), key=itemgetter(0), reverse=True):
            if now - since > _GATHERS:
                break
            now, state.own_since = since, None

    def _asked(self, ask: PlannedFetch) -> Iterable[tuple[Feed, FeedState]]:
        for feed in ask.query.feeds:
            state = self.feeds.get(feed)
            if state is not None:
                state.asking = False
                yield feed, state
