"""How long a camera event takes to the screen: visible to a search, stored, sent to a page. Pure."""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import accumulate

from aforo.models import CameraEvent, identity_number

BOUNDS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 7.5, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0)  # seconds

_FOLLOWED_FOR = timedelta(minutes=15)  # an event that is read later than that is caught up, not late
_MOST_FOLLOWED = 30_000  # events that are read and not stored yet, and events that are stored and not sent yet


class Stage(StrEnum):
    """What has happened to a camera event: a search had it, it was committed, it was sent to a page that is open."""

    VISIBLE = "visible"
    STORED = "stored"
    SHOWN = "shown"


class Histogram:
    """Seconds, counted in steps that end at ``BOUNDS``."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self._total = 0.0

    def add(self, seconds: float) -> None:
        """Count one; less than zero, where two clocks differ, counts as zero."""
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self._total += max(0.0, seconds)

    @property
    def count(self) -> int:
        """How many were counted."""
        return sum(self._counts)

    @property
    def total(self) -> float:
        """The sum of all seconds."""
        return self._total

    def bound(self, share: float) -> float | None:
        """Return the seconds within which so many of them lie: the end of a step; None beyond the last."""
        bounds = zip((*BOUNDS, None), self.cumulative(), strict=True)
        return next(bound for bound, count in bounds if count >= share * self.count)

    def cumulative(self) -> list[int]:
        """Return how many were counted up to each bound, and in all."""
        return list(accumulate(self._counts))


class Latency:
    """Follows the new camera events of the event that is shown, and counts how old each is at each stage.

    When an event became visible is known no better than when a read had it. Left out: what is older than a quarter of
    an hour when it is read, and cameras whose clocks are off, which the caller leaves out.
    """

    def __init__(self) -> None:
        self._histograms = {stage: Histogram() for stage in Stage}
        self._of_event = {stage: Histogram() for stage in Stage}
        self._read_at: dict[int, datetime] = {}
        self._unsent: deque[datetime] = deque(maxlen=_MOST_FOLLOWED)

    @property
    def histograms(self) -> dict[Stage, Histogram]:
        """The seconds since the camera event, by stage."""
        return self._histograms

    @property
    def of_event(self) -> dict[Stage, Histogram]:
        """The same since the event that is shown was opened."""
        return self._of_event

    def begin_event(self) -> None:
        """Another event is shown from now on."""
        self._of_event = {stage: Histogram() for stage in Stage}

    def page_read(self, events: Iterable[CameraEvent], now: datetime) -> None:
        """A read had these events at ``now``."""
        since = now - _FOLLOWED_FOR
        for event in events:
            if event.occurred_at >= since and len(self._read_at) < _MOST_FOLLOWED:
                self._read_at.setdefault(identity_number(event), now)

    def committed(self, batch: Iterable[CameraEvent], new: Sequence[CameraEvent], now: datetime) -> None:
        """A batch was committed at ``now``; ``new``: what of it is counted here."""
        read_at = {key: at for event in batch if (at := self._read_at.pop(key := identity_number(event), None))}
        for event in new:
            at = read_at.get(identity_number(event))
            if at is not None:
                self._add(Stage.VISIBLE, event.occurred_at, at)
                self._add(Stage.STORED, event.occurred_at, now)
                self._unsent.append(event.occurred_at)

    def sent(self, now: datetime, *, to_anybody: bool) -> None:
        """What was committed has been sent, where a page is open."""
        if to_anybody:
            for occurred_at in self._unsent:
                self._add(Stage.SHOWN, occurred_at, now)
        self._unsent.clear()

    def _add(self, stage: Stage, occurred_at: datetime, now: datetime) -> None:
        for histogram in (self._histograms[stage], self._of_event[stage]):
            histogram.add((now - occurred_at).total_seconds())
