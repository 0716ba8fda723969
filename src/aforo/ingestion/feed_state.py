"""How one feed stands: what of it is read, what is read next, how long it is paused after a failure. Pure."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from aforo.errors import AccError, AccUnknownCamera, AccWindowTooLarge
from aforo.models import Window

_FIRST_REST = timedelta(seconds=1)  # after a first failure; doubles with each further one
_LONGEST_REST = timedelta(seconds=30)
_FIRST_REST_TOO_LARGE = timedelta(minutes=5)  # each further try costs the server thousands of requests again
_LONGEST_REST_TOO_LARGE = timedelta(hours=1)
_REST_UNKNOWN = timedelta(minutes=5)  # a camera that the server does not have may be added during the event
_FIRST_WINDOW = timedelta(minutes=15)  # read at once in a catch-up, before anything is known of a feed
_SHORTEST_WINDOW = timedelta(minutes=1)
_BUSY = 6_000  # events in one answer above which the next window is halved: bounds memory and what a kill repeats
_QUIET = 1_500  # events below which the next window is four times as long: fewer requests


@dataclass(slots=True)
class FeedState:
    """How one feed stands: all before ``read_until`` has been read, the next window begins at ``next_since``.

    ``reading``: a fetch of it is under way. ``alone``: it is read by itself, not with other cameras. ``failing_since``
    is None while it is well; ``failing_alone_since``: since when it fails while its server answers for the other
    cameras. A failure that it shares with most of them is the server's, and is not charged to the camera.
    ``failed_at``: the last failure; ``answered``: it has answered, last at ``answered_at`` (monotonic seconds).
    ``page_seen``: at least a page of it came, be it of a window that was never read whole.
    """

    read_until: datetime
    next_since: datetime
    window_size: timedelta = _FIRST_WINDOW
    reading: bool = False
    alone: bool = False
    failures: int = 0
    failing_since: datetime | None = None
    failing_alone_since: datetime | None = None
    failed_at: datetime | None = None
    answered: bool = False
    answered_at: float | None = None
    page_seen: bool = False
    resting_until: datetime | None = None
    error: AccError | None = None

    @property
    def unknown(self) -> bool:
        """The server answers that it has no such camera."""
        return isinstance(self.error, AccUnknownCamera)

    def is_due(self, horizon: datetime, now: datetime) -> bool:
        """Whether something before ``horizon`` is open, no fetch is under way, and the feed is not paused."""
        rested = self.resting_until is None or self.resting_until <= now
        return not self.reading and rested and self.next_since < horizon

    def next_window(self, horizon: datetime) -> Window:
        """The window to read next, as long as the last answers let expect to be bearable."""
        longest = max(self.window_size, self.read_until - self.next_since + _SHORTEST_WINDOW)
        return Window(self.next_since, min(horizon, self.next_since + longest))

    def advance(self, until: datetime) -> None:
        """All before ``until`` is read: after a failure of the window the reading goes on from there.

        Only what had not been read before ends the pauses: a part that always fails may follow one that never does.
        """
        self.next_since = until
        self.answered = True
        if until > self.read_until:
            self.read_until, self.failures = until, 0

    def mark_read(self, until: datetime, events: int, longest: timedelta) -> None:
        """All before ``until`` is read, with so many events; no later window is longer than ``longest``."""
        self.advance(until)
        self.failures, self.resting_until = 0, None
        self.error = self.failing_since = self.failing_alone_since = self.failed_at = None
        self.alone = False
        if events > _BUSY:
            self.window_size = max(_SHORTEST_WINDOW, self.window_size / 2)
        elif events < _QUIET:
            self.window_size = min(self.window_size * 4, longest)

    def mark_failed(self, window: Window, error: AccError, now: datetime, chance: random.Random) -> None:
        """A fetch of it alone failed: it is paused, ever longer. A window too large is read in pieces."""
        self.failures += 1
        self.failed_at = now
        self.error = error
        self.resting_until = now + self._rest(chance)
        if isinstance(error, AccWindowTooLarge):
            self.window_size = max(_SHORTEST_WINDOW, (window.until - window.since) / 2)

    def _rest(self, chance: random.Random) -> timedelta:
        if self.unknown:
            return _REST_UNKNOWN
        too_large = isinstance(self.error, AccWindowTooLarge)
        first, most = (_FIRST_REST_TOO_LARGE, _LONGEST_REST_TOO_LARGE) if too_large else (_FIRST_REST, _LONGEST_REST)
        longest = min(most, first * float(2 ** min(self.failures - 1, 10)))
        return longest * chance.uniform(0.5, 1.0)
