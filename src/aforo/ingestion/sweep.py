"""Which windows are read again beside the overlap, for camera events that become visible late. Pure.

Every part of a feed is read again at each of the ``SWEEP_AGES``. What another read has brought that far already is not
read again: the overlap reaches the first ages, a late start all of them. Where the sweep falls behind, its windows
become longer, not more.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from aforo.avigilon import EventQuery
from aforo.models import Feed, Window

SWEEP_AGES = tuple(timedelta(minutes=minutes) for minutes in (2, 5, 15, 45))
_WIDEST = timedelta(minutes=10)  # of the windows that are read when they are due
_LONGEST_WINDOW = timedelta(minutes=30)  # of those that are read later: bounds what is read at once after a restart
_AHEAD_EVERY = timedelta(minutes=10)  # between two reads of what lies ahead of the server's time
_SHORTEST_AHEAD = timedelta(seconds=10)
_KNOWN_AHEAD_EVERY = timedelta(minutes=1)  # where a camera's clock is known to be ahead
_REST = timedelta(minutes=1)  # after a failure, of the whole server


class LastRead(NamedTuple):
    """A read of some instant: it was sent at ``at`` (aware UTC), and the next one is due within ``next_within``.

    ``next_within`` None: at the next poll cycle.
    """

    at: datetime
    next_within: timedelta | None


class LiveWindows(NamedTuple):
    """The live reads of a feed since its last poll cycle: the last one was of ``window`` and was sent at ``at``.

    All of ``[since, window.since)`` was last read when it was at least ``margin`` old.
    """

    since: datetime
    window: Window
    at: datetime
    margin: timedelta = timedelta.max

    def next(self, window: Window, sent: datetime) -> "LiveWindows":
        """Return this with one more read; only that one where it leaves something out between them."""
        if window.since > self.window.until:
            return LiveWindows(window.since, window, sent)
        return LiveWindows(min(self.since, window.since), window, sent, min(self.margin, self.at - window.since))

    def last_read(self, instant: datetime) -> LastRead | None:
        """The last of them that read an instant, as far as it is known; None where none did."""
        if not self.since <= instant < self.window.until:
            return None
        return LastRead(self.at if instant >= self.window.since else instant + self.margin, None)


@dataclass(slots=True)
class FeedReads:
    """When a feed was read: all before ``until`` once, ``[since, until)`` last at ``at``; what was read ``live`` since.

    ``swept``: for each of ``SWEEP_AGES``, the instant before which everything was read at that age or later.
    ``overlapped``: the same for the age that the ``overlap`` reaches, where that is less than all of these.
    """

    since: datetime
    until: datetime
    at: datetime
    swept: list[datetime]
    overlapped: datetime
    overlap: timedelta = SWEEP_AGES[0]
    live: LiveWindows | None = None

    @classmethod
    def until_checkpoint(cls, begin: datetime, checkpoint: datetime, overlap: timedelta = SWEEP_AGES[0]) -> "FeedReads":
        """The reads of a feed that was read from ``begin`` to its checkpoint, sweeps included, by an earlier run."""
        swept = [max(begin, checkpoint - age - width_of(age)) for age in SWEEP_AGES]
        since = max(begin, checkpoint - min(overlap, SWEEP_AGES[0]))
        return cls(since, checkpoint, checkpoint, swept, since, overlap)

    def copy(self) -> "FeedReads":
        """Return what was read by now."""
        return replace(self, swept=list(self.swept))

    def add(self, window: Window, sent: datetime) -> None:
        """Add a window that was read whole by a fetch sent at ``sent``."""
        for index, age in enumerate(SWEEP_AGES):
            if window.since <= self.swept[index]:
                self.swept[index] = max(self.swept[index], min(window.until, sent - age))
        if window.since <= self.overlapped:
            self.overlapped = max(self.overlapped, min(window.until, sent - self.overlap))
        if window.until >= self.until:
            self.since, self.until, self.at = window.since, window.until, sent
            if self.live is not None and self.live.window.until <= window.until:
                self.live = None

    def add_live(self, window: Window, sent: datetime) -> None:
        """Add a window that was read whole by a live read sent at ``sent``."""
        self.live = LiveWindows(window.since, window, sent) if self.live is None else self.live.next(window, sent)

    def last_read(self, instant: datetime) -> LastRead | None:
        """The last read of an instant, as far as it is known; None where it was not read."""
        live = self.live.last_read(instant) if self.live is not None else None
        if instant >= self.until:
            return live
        found = LastRead(instant, timedelta(0))
        if instant < self.overlapped:
            found = LastRead(instant + self.overlap, _until_next_sweep(self.overlap))
        for index, age in enumerate(SWEEP_AGES):
            if instant < self.swept[index]:
                found = max(found, LastRead(instant + age, _until_next_sweep(age)))
        if instant >= self.since and self.at >= found.at:
            found = LastRead(self.at, None)
        return live if live is not None and live.at >= found.at else found


def _until_next_sweep(age: timedelta) -> timedelta:
    """Within how long what was read at that age is read at the next one; zero after the last."""
    return next((2 * later - age for later in SWEEP_AGES if later > age), timedelta(0))


def width_of(age: timedelta) -> timedelta:
    """How long the windows are that are read again at that age."""
    return min(age / 2, _WIDEST)


class SweepQuery(NamedTuple):
    """A query of the sweep. ``ahead``: of what lies ahead of the server's time."""

    query: EventQuery
    ahead: bool = False


class Sweep:
    """Chooses what the sweep of one event reads next; ``reads`` are kept up to date by whoever reads."""

    def __init__(self, window: Window, reads: Mapping[Feed, FeedReads]) -> None:
        self._window = window
        self._reads = reads
        self._ahead_at: dict[Feed, datetime] = {}
        self._resting_until: dict[str, datetime] = {}

    def due(
        self,
        feeds: Iterable[Feed],
        now: datetime,
        cameras_per_query: Callable[[str], int],
        known_ahead: Callable[[Feed], bool] | None = None,
    ) -> list[SweepQuery]:
        """The queries that are due of these feeds, the most overdue first; ``feeds``: those that answer."""
        alike: defaultdict[tuple[str, Window, bool], list[str]] = defaultdict(list)
        overdue: dict[tuple[str, Window, bool], float] = {}
        for feed in feeds:
            reads = self._reads.get(feed)
            if reads is None or now < self._resting_until.get(feed.server_id, now):
                continue
            ahead = known_ahead is not None and known_ahead(feed)
            for window, is_ahead, widths in (self._most_overdue(reads, now), self._ahead(feed, now, known=ahead)):
                if window is not None:
                    key = feed.server_id, window, is_ahead
                    alike[key].append(feed.camera_id)
                    overdue[key] = max(widths, overdue.get(key, 0.0))
        found = []
        for key in sorted(overdue, key=overdue.__getitem__, reverse=True):
            (server_id, window, is_ahead), cameras, size = key, alike[key], cameras_per_query(key[0])
            found += [
                SweepQuery(EventQuery(server_id, tuple(cameras[first : first + size]), window), is_ahead)
                for first in range(0, len(cameras), size)
            ]
        return found

    def mark_asked(self, sweep_query: SweepQuery, now: datetime) -> None:
        """The query is being sent."""
        if sweep_query.ahead:
            self._ahead_at.update(dict.fromkeys(sweep_query.query.feeds, now))

    def mark_failed(self, sweep_query: SweepQuery, now: datetime) -> None:
        """The query failed: the sweep of that server rests for a while. What was not read stays due."""
        self._resting_until[sweep_query.query.server_id] = now + _REST

    def _ahead(self, feed: Feed, now: datetime, *, known: bool) -> tuple[Window | None, bool, float]:
        """What lies ahead of the server's time, and how overdue it is."""
        every = _KNOWN_AHEAD_EVERY if known else _AHEAD_EVERY
        due = (now - self._ahead_at.get(feed, self._window.since)) / every
        inside = self._window.until - now > _SHORTEST_AHEAD
        return Window(now, self._window.until) if inside and due >= 1 else None, True, due

    def _most_overdue(self, reads: FeedReads, now: datetime) -> tuple[Window | None, bool, float]:
        """The window of a feed that is most overdue, in widths of its age's windows; None where none is."""
        found: Window | None = None
        longest = 0.0
        for index, age in enumerate(SWEEP_AGES):
            begin, width = reads.swept[index], width_of(age)
            until = min(now - age, reads.until)
            if until < self._window.until:
                until = self._floor(until, width)
            widths = (until - begin) / width
            # A few milliseconds are left open by every read before: they are read with the next window.
            if until > begin and widths > max(longest, 0.05):
                since = self._floor(begin, width)
                longest, found = widths, Window(since, min(until, since + max(width, _LONGEST_WINDOW)))
        return found, False, longest

    def _floor(self, instant: datetime, width: timedelta) -> datetime:
        """The last edge of a window up to that instant: all feeds have the same edges, so that they can be joined."""
        return max(self._window.since, self._window.since + width * math.floor((instant - self._window.since) / width))
