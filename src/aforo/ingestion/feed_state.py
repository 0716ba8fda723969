"""How one feed stands: what of it is answered, what is asked next, how long it rests after a failure. Pure."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from aforo.errors import AccError, AccUnknownCamera, AccWindowTooLarge
from aforo.models import Window

_FIRST_REST = timedelta(seconds=1)  # after a first failure; doubles with each further one
_LONGEST_REST = timedelta(seconds=30)
_FIRST_ENDLESS_REST = timedelta(minutes=5)  # each further try costs the server thousands of requests again
_LONGEST_ENDLESS_REST = timedelta(hours=1)
_ABSENT_REST = timedelta(minutes=5)  # a camera that the server does not know may be added during the evening
_FIRST_STRETCH = timedelta(minutes=15)  # how much of a catch-up is asked at once, before anything is known of a feed
_SHORTEST_STRETCH = timedelta(minutes=1)
_BUSY = 6_000  # events in one answer above which the next stretch is halved: bounds memory and what a kill repeats
_QUIET = 1_500  # events below which the next stretch is four times as long: fewer requests


@dataclass(slots=True)
class FeedState:
    """How one feed stands: all before ``answered_until`` has been answered, the next window opens at ``ask_from``.

    ``failing_since`` is None when it is well; ``own_since``: since when it fails by itself, while its server answers
    for the others. A failure that it shares with most of them is the server's trouble, and says nothing of the camera.
    ``failed_at``: the last failure; ``heard``: it has answered.
    """

    answered_until: datetime
    ask_from: datetime
    stretch: timedelta = _FIRST_STRETCH
    asking: bool = False
    alone: bool = False
    failures: int = 0
    failing_since: datetime | None = None
    own_since: datetime | None = None
    failed_at: datetime | None = None
    heard: bool = False
    resting_until: datetime | None = None
    error: AccError | None = None

    @property
    def absent(self) -> bool:
        """The server says that it has no such camera."""
        return isinstance(self.error, AccUnknownCamera)

    def due(self, horizon: datetime, now: datetime) -> bool:
        """Whether it is to be asked: something before ``horizon`` is open, it is not being asked, and does not rest."""
        rested = self.resting_until is None or self.resting_until <= now
        return not self.asking and rested and self.ask_from < horizon

    def next_window(self, horizon: datetime) -> Window:
        """What to ask next, as long a stretch as the last answers let expect to be bearable."""
        longest = max(self.stretch, self.answered_until - self.ask_from + _SHORTEST_STRETCH)
        return Window(self.ask_from, min(horizon, self.ask_from + longest))

    def answered(self, until: datetime, events: int, whole: Window) -> None:
        """All before ``until`` is answered, with so many events; ``whole``: no stretch is longer than that."""
        self.ask_from = until
        self.answered_until = max(self.answered_until, until)
        self.heard, self.failures, self.resting_until, self.error = True, 0, None, None
        self.failing_since = self.own_since = self.failed_at = None
        self.alone = False
        if events > _BUSY:
            self.stretch = max(_SHORTEST_STRETCH, self.stretch / 2)
        elif events < _QUIET:
            self.stretch = min(self.stretch * 4, whole.until - whole.since)

    def failed(self, window: Window, error: AccError, now: datetime, chance: random.Random) -> None:
        """It was asked alone, in vain: it rests, the longer the more often. An endless window is asked in pieces."""
        self.failures += 1
        self.failed_at = now
        self.error = error
        self.resting_until = now + self._rest(chance)
        if isinstance(error, AccWindowTooLarge):
            self.stretch = max(_SHORTEST_STRETCH, (window.until - window.since) / 2)

    def _rest(self, chance: random.Random) -> timedelta:
        if self.absent:
            return _ABSENT_REST
        endless = isinstance(self.error, AccWindowTooLarge)
        first, most = (_FIRST_ENDLESS_REST, _LONGEST_ENDLESS_REST) if endless else (_FIRST_REST, _LONGEST_REST)
        longest = min(most, first * float(2 ** min(self.failures - 1, 10)))
        return longest * chance.uniform(0.5, 1.0)
