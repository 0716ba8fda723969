"""How often the live reads come: often while crossings come and answers are quick, seldom otherwise. Pure."""

import math

_SLOWER = 1.5  # the interval grows by it with each live read while nothing happens…
_QUIET = 60.0  # …for so many seconds
_FAILED = 2.0  # and by it with each one that fails


class LivePace:
    """When the next live read is due. All times are in seconds of the monotonic clock.

    ``shortest`` and ``longest``: between the begins of two live reads; where the poll cycles come as often, there are
    none. ``load``: the share of the time, from 0 to 1, in which their requests may be under way.
    """

    def __init__(self, shortest: float, longest: float, load: float) -> None:
        self._shortest = shortest
        self._longest = longest
        self._load = load
        self._interval = shortest
        self._began = self._rested_at = self._news_at = -math.inf
        self._hurried = self._failing = False

    @property
    def most_seconds(self) -> float:
        """How long one live read may take: with more, the poll cycles are as quick."""
        return self._longest * self._load

    @property
    def due_at(self) -> float:
        """When the next live read is due; never (infinity) where there are none and nothing is in a hurry."""
        if self._hurried:
            return self._rested_at
        return max(self._rested_at, self._began + self._interval) if self._shortest < self._longest else math.inf

    def is_worth_reading(self, behind: float, age: float) -> bool:
        """Return whether to read a feed, ``behind`` seconds after all of it was read and ``age`` after the last read.

        A feed that is caught up is left to the poll cycles; one that was read a moment ago has nothing new.
        """
        return behind <= 2 * self._longest and age >= self._shortest / 2

    def begin(self, now: float) -> None:
        """A live read begins, or is left out."""
        self._began = now
        self._hurried = False
        if self._news_at == -math.inf:
            self._news_at = now

    def end(self, now: float, *, failed: bool) -> None:
        """The live read that has begun is over: its requests were under way since then."""
        self._rested_at = now + (now - self._began) * (1 / self._load - 1)
        recovered, self._failing = self._failing and not failed, failed
        if failed:
            self._interval = min(self._longest, self._interval * _FAILED)
        elif recovered or now - self._news_at <= _QUIET:
            self._interval = self._shortest
        else:
            self._interval = min(self._longest, self._interval * _SLOWER)

    def news(self, now: float) -> None:
        """Crossings were stored, whatever read them. After a failure that shortens nothing."""
        self._news_at = now
        if not self._failing:
            self._interval = self._shortest

    def hurry(self) -> None:
        """Something may have been missed: the next live read is due as soon as the load allows it."""
        self._hurried = True
