"""Is the server there? Told once when it is lost and once when it is back, whatever the number of requests.

One camera's own trouble is not a lost server: while others are answered, the link is up, and who fails meanwhile is
known to fail by itself, also when later nobody else is asked.
"""

import logging
from collections import Counter
from datetime import datetime

from aforo.avigilon.errors import NoConnection
from aforo.clock import Clock
from aforo.errors import AccError
from aforo.wording import duration

_log = logging.getLogger("aforo.avigilon")
_STUBBORN = 3  # a question fails so often alone, and nobody is answered in between: perhaps the server is lost


class ConnectionMonitor:
    """``down_since``: aware UTC, the first failure of the outage that goes on; None while the server answers."""

    def __init__(self, clock: Clock, host: str) -> None:
        self.down_since: datetime | None = None
        self._clock = clock
        self._host = host
        self._answers = 0
        self._first_failure: datetime | None = None
        self._failing: Counter[str] = Counter()
        self._by_itself: set[str] = set()
        self._no_events = False

    def mark(self) -> int:
        """A mark to hand to ``failed``: what was answered since then shows that the server is there."""
        return self._answers

    def is_well(self, subject: str) -> bool:
        """Nothing about it has failed since it was last answered."""
        return subject not in self._failing and subject not in self._by_itself

    def answered(self, subject: str, *, events: bool = True) -> None:
        """The server gave a proper answer about ``subject``, be it a refusal.

        A server that was lost while asked for ``events`` is back when it gives events: only they can be counted.
        """
        if self.down_since is not None and self._no_events and not events:
            return
        self._no_events &= not events
        self._answers += 1
        self._by_itself.update(self._failing)
        self._by_itself.discard(subject)
        if self._first_failure is None:
            return
        self._first_failure = None
        self._failing.clear()
        if self.down_since is not None:
            lasted = (self._clock.now() - self.down_since).total_seconds()
            self.down_since = None
            _log.warning("El servidor de cámaras %s vuelve a contestar, tras %s.", self._host, duration(lasted))

    def failed(self, subject: str, mark: int, error: AccError, *, events: bool = True) -> bool:
        """A request was given up; ``subject`` says about what, ``mark`` when it began.

        True where this cannot tell whether the server is there: another question must (``lost``, if none is answered).
        """
        nobody_listens = isinstance(error, NoConnection)
        self._no_events |= events
        if self.down_since is not None:
            return not nobody_listens
        if subject in self._by_itself and not nobody_listens:
            return False
        if self._first_failure is None:
            self._first_failure = self._clock.now()
        self._failing[subject] += 1
        if self._answers != mark:
            return False
        if nobody_listens:
            self.lost(error)
            return False
        return len(self._failing) > 1 or self._failing[subject] >= _STUBBORN

    def lost(self, error: AccError) -> None:
        """Nobody is answered."""
        if self.down_since is None:
            self.down_since = self._first_failure or self._clock.now()
            _log.error("Sin servidor de cámaras %s: %s Se sigue intentando y nada se pierde.", self._host, error.what)
