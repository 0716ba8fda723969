"""What the ingestion takes from ACC's pushes: hints about what to read, never a count. Pure but for ``HintSink``.

A hint waits a moment for others, so that one request answers several, and is asked for again, ever later, until a read
has its event. How long a server's search lags behind its pushes is measured by that, and waited for from then on.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from aforo.avigilon import EventQuery
from aforo.models import CameraEvent, Feed, Window, from_ms, to_ms

_JOIN = 0.2  # seconds in which hints are joined
_GIVEN_UP = 30.0  # seconds after the push, and about 18 tries: the live reads and the poll cycles have it
_LATER, _AT_LEAST = 1.25, 0.1  # each try is made when the hint is that much older than at the one before; seconds
_GAP = timedelta(seconds=2)  # events further apart are asked for by themselves
_WIDEST = timedelta(seconds=30)
_SLACK = timedelta(milliseconds=50)  # around the instants of a window
_MOST_WAITING = 5_000  # hints; what is more is left to a live read
_MOST_SEEN = 20_000  # events that were read lately: a push that comes twice, or late, costs nothing
_RATE, _BURST = 8.0, 8.0  # requests per second for hints, and how many at once after a pause
_LAG_SHARE, _LAG_DECAY = 0.3, 0.9  # of a new observation of the lag; where the first try finds the event


class HintSink(Protocol):
    """Where hints go. Both methods return at once and raise nothing; a hint that proves wrong costs one request."""

    def camera_event_seen(self, server_id: str, camera_id: str, occurred_at: datetime) -> None:
        """ACC pushed an event of that feed; ``occurred_at`` is aware UTC."""
        ...

    def something_missed(self, server_id: str | None, why: str) -> None:
        """Pushes of a server (None: of all) may be missing: those feeds are read at once. ``why``: for the log."""
        ...


_Key = tuple[str, datetime]  # camera and instant


@dataclass(slots=True)
class _Hint:
    """``missed_at``: when the last answer came that did not have the event yet; ``asked``: a request is under way."""

    feed: Feed
    occurred_at: datetime
    pushed_at: float
    due_at: float
    tries: int = 0
    missed_at: float | None = None
    asked: bool = False


class HintQuery(NamedTuple):
    """A query that answers some hints."""

    query: EventQuery
    keys: tuple[_Key, ...]


class HintQueue:
    """The hints of one event whose camera events no read has had yet. Times are seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._waiting: dict[_Key, _Hint] = {}
        self._seen: dict[_Key, None] = {}
        self._lags: defaultdict[str, float] = defaultdict(float)
        self._requests = _BURST
        self._counted_at = 0.0
        self._used = False

    def __len__(self) -> int:
        return len(self._waiting)

    def lag(self, server_id: str) -> float:
        """How many seconds a server's search lags behind its pushes, as far as is known."""
        return self._lags[server_id]

    def add(self, feed: Feed, occurred_at: datetime, now: float) -> bool:
        """Take a hint; False where too many wait."""
        self._used = True
        occurred_at = from_ms(to_ms(occurred_at))  # as the search gives it
        key = feed.camera_id, occurred_at
        if key in self._waiting or key in self._seen:
            return True
        if len(self._waiting) >= _MOST_WAITING:
            return False
        self._waiting[key] = _Hint(feed, occurred_at, now, now + max(_JOIN, self._lags[feed.server_id]))
        return True

    def page_read(self, events: Iterable[CameraEvent], now: float) -> None:
        """Take what a read of any kind had: those hints are done."""
        if not self._used:
            return
        for event in events:
            key = event.camera_id, event.occurred_at
            self._seen[key] = None
            if (hint := self._waiting.pop(key, None)) is not None:
                self._measure(hint, now)
        while len(self._seen) > _MOST_SEEN:
            del self._seen[next(iter(self._seen))]

    def due_at(self, now: float) -> float:
        """When the next request for hints may be sent; never (infinity) while none waits."""
        due = min((hint.due_at for hint in self._waiting.values() if not hint.asked), default=math.inf)
        self._refill(now)
        return max(due, now + max(0.0, 1 - self._requests) / _RATE)

    def take_due(self, now: float, cameras_per_query: Callable[[str], int]) -> list[HintQuery]:
        """Return what to ask now, within the budget: the oldest hints first, and with them all that may be asked."""
        self._refill(now)
        if not any(hint.due_at <= now for hint in self._waiting.values() if not hint.asked):
            return []
        groups: defaultdict[tuple[str, str], list[_Hint]] = defaultdict(list)
        for hint in self._waiting.values():
            if not hint.asked and (hint.due_at <= now or self._may_join(hint, now)):
                server_id, camera_id = hint.feed
                groups[server_id, "" if cameras_per_query(server_id) > 1 else camera_id].append(hint)
        found: list[HintQuery] = []
        for (server_id, _), hints in groups.items():
            for near in _near_each_other(hints):
                found += _queries(server_id, near, cameras_per_query(server_id))
        found.sort(key=lambda one: min(self._waiting[key].pushed_at for key in one.keys))
        taken = found[: int(self._requests)]
        self._requests -= len(taken)
        for one in taken:
            for key in one.keys:
                self._waiting[key].asked = True
        return taken

    def end(self, query: HintQuery, now: float, *, answered: bool) -> None:
        """The request is over: what it did not bring is asked for again later, or left to the poll cycles."""
        for key in query.keys:
            hint = self._waiting.get(key)
            if hint is None:
                continue
            hint.asked = False
            hint.tries += 1
            if answered:
                hint.missed_at = now
            hint.due_at = hint.pushed_at + _LATER * (now - hint.pushed_at) + _AT_LEAST
            if now - hint.pushed_at >= _GIVEN_UP:
                del self._waiting[key]

    def clear(self) -> None:
        """Drop all hints: the poll cycles have their events."""
        self._waiting.clear()

    def _may_join(self, hint: _Hint, now: float) -> bool:
        """Whether a hint that was not asked for yet may be asked for with others."""
        return hint.tries == 0 and now >= hint.pushed_at + self._lags[hint.feed.server_id]

    def _measure(self, hint: _Hint, now: float) -> None:
        """Learn from an event that is found how long the search lags: not longer than now, but than the last miss."""
        lag = self._lags[hint.feed.server_id]
        if hint.missed_at is not None:
            lag += _LAG_SHARE * (hint.missed_at - hint.pushed_at - lag)
        else:
            lag = min(lag, now - hint.pushed_at) * _LAG_DECAY
        self._lags[hint.feed.server_id] = lag if lag > _JOIN / 4 else 0.0

    def _refill(self, now: float) -> None:
        self._requests = min(_BURST, self._requests + _RATE * max(0.0, now - self._counted_at))
        self._counted_at = now


def _near_each_other(hints: Iterable[_Hint]) -> list[list[_Hint]]:
    """Return the hints in groups whose events are close in time."""
    groups: list[list[_Hint]] = []
    for hint in sorted(hints, key=lambda one: one.occurred_at):
        last = groups[-1] if groups else None
        if (
            last
            and hint.occurred_at - last[-1].occurred_at <= _GAP
            and hint.occurred_at - last[0].occurred_at < _WIDEST
        ):
            last.append(hint)
        else:
            groups.append([hint])
    return groups


def _queries(server_id: str, hints: Iterable[_Hint], most_cameras: int) -> list[HintQuery]:
    """Return the queries for hints of one server, with at most so many cameras each."""
    by_camera: defaultdict[str, list[_Hint]] = defaultdict(list)
    for hint in hints:
        by_camera[hint.feed.camera_id].append(hint)
    cameras = sorted(by_camera)
    found = []
    for first in range(0, len(cameras), most_cameras):
        chosen = tuple(cameras[first : first + most_cameras])
        together = [hint for camera in chosen for hint in by_camera[camera]]
        instants = [hint.occurred_at for hint in together]
        window = Window(min(instants) - _SLACK, max(instants) + _SLACK)
        keys = tuple((hint.feed.camera_id, hint.occurred_at) for hint in together)
        found.append(HintQuery(EventQuery(server_id, chosen, window), keys))
    return found
