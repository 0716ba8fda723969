"""Whether the server answers: one log line when it is lost and one when it is back, whatever the number of requests.

A camera that fails does not mean a lost server: while requests about other subjects are answered, the server is there.
A subject that failed meanwhile is known to fail by itself, also when nothing else is requested later.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime

from aforo.avigilon.errors import NoConnection
from aforo.clock import Clock
from aforo.errors import AccError
from aforo.wording import duration

_log = logging.getLogger(__name__)
_FAILURES_IN_DOUBT = 3  # of one subject, without an answer about any other in between: perhaps the server is lost
_MAX_PROBES = 8  # kept, so that one of them is about a subject that does not fail
_PROBE_SECONDS = 5.0  # a request that was answered lately is answered soon, or not at all…
_PROBE_TIMES = 2.0  # …where it took long, in twice that time, and within ``acc.timeout``


class ConnectionMonitor:
    """Derives from answers and failures whether the server is there.

    A subject is what a request is about, as text. ``down_since``: aware UTC, the first failure of the outage that goes
    on; None while the server answers.
    """

    def __init__(self, clock: Clock, host: str) -> None:
        self.down_since: datetime | None = None
        self._clock = clock
        self._host = host
        self._answers = 0
        self._first_failure: tuple[datetime, float] | None = None  # the second by the monotonic clock
        self._failures: Counter[str] = Counter()
        self._fails_by_itself: set[str] = set()
        self._events_lost = False

    def mark(self) -> int:
        """Return a mark for ``failed`` and ``answered_since``."""
        return self._answers

    def answered_since(self, mark: int) -> bool:
        """Return whether the server has answered anything since ``mark`` was taken."""
        return self._answers != mark

    def is_well(self, subject: str) -> bool:
        """Return whether no request about ``subject`` has failed since one was answered."""
        return subject not in self._failures and subject not in self._fails_by_itself

    def answered(self, subject: str, *, events: bool = True) -> None:
        """Record that the server answered about ``subject``, be it with an error of its API.

        A server that was lost while ``events`` were requested is back when it sends events: only they can be counted.
        """
        if self.down_since is not None and self._events_lost and not events:
            return
        self._events_lost &= not events
        self._answers += 1
        self._fails_by_itself.update(self._failures)
        self._fails_by_itself.discard(subject)
        if self._first_failure is None:
            return
        failed_at = self._first_failure[1]
        self._first_failure = None
        self._failures.clear()
        if self.down_since is not None:
            lasted = self._clock.monotonic() - failed_at
            self.down_since = None
            _log.warning("El servidor de cámaras %s vuelve a contestar, tras %s.", self._host, duration(lasted))

    def failed(self, subject: str, mark: int, error: AccError, *, events: bool = True) -> bool:
        """Record that a request about ``subject`` was given up; ``mark`` was taken when it began.

        Return True where this does not show whether the server is there: then a probe must, and ``lost`` follows where
        it is not answered.
        """
        unconnected = isinstance(error, NoConnection)
        self._events_lost |= events
        if self.down_since is not None:
            return not unconnected
        if subject in self._fails_by_itself and not unconnected:
            return False
        self._note_first_failure()
        self._failures[subject] += 1
        if self.answered_since(mark):
            return False
        if unconnected:
            self.lost(error)
            return False
        return len(self._failures) > 1 or self._failures[subject] >= _FAILURES_IN_DOUBT

    def lost(self, error: AccError) -> None:
        """Record that the server answers nothing."""
        if self.down_since is None:
            self.down_since = self._note_first_failure()
            _log.error("Sin servidor de cámaras %s: %s Se sigue intentando y nada se pierde.", self._host, error.what)

    def _note_first_failure(self) -> datetime:
        """Return when the failures began that no answer has ended: now, where this is the first."""
        if self._first_failure is None:
            self._first_failure = self._clock.now(), self._clock.monotonic()
        return self._first_failure[0]


class LivenessProbe:
    """Repeats a request that was answered lately, to learn whether the server still answers anything."""

    def __init__(self, monitor: ConnectionMonitor, clock: Clock, timeout: float) -> None:
        self._monitor = monitor
        self._clock = clock
        self._timeout = timeout
        self._answered: dict[str, tuple[Callable[[], Awaitable[object]], float]] = {}

    def remember(self, subject: str, repeat: Callable[[], Awaitable[object]], seconds: float) -> None:
        """Keep a request that was answered, one for each of the latest subjects, and the seconds that it took."""
        self._answered.pop(subject, None)
        self._answered[subject] = repeat, seconds
        if len(self._answered) > _MAX_PROBES:
            del self._answered[next(iter(self._answered))]

    async def another_is_answered(self, subject: str) -> bool:
        """Return whether the server answers about another subject than this one, preferably one that does not fail."""
        others = [other for other in self._answered if other != subject]
        well = [other for other in others if self._monitor.is_well(other)]
        mark = self._monitor.mark()
        if others:
            other = (well or others)[-1]
            repeat, seconds = self._answered[other]
            patience = min(max(_PROBE_SECONDS, _PROBE_TIMES * seconds), self._timeout)
            try:
                async with self._clock.timeout(patience):
                    await repeat()
            except (AccError, TimeoutError) as error:
                _log.debug("El servidor tampoco contesta por %s: %r", other, error)
        return self._monitor.answered_since(mark)
