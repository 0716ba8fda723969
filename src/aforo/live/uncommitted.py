"""Camera events that were read and are not committed: the provisional part of the count, while the database is away.

Pure. While the database is there, only the batches that were committed lately are kept. While it is away each event is
counted once: one that was committed and is read again, and one that two batches share, too.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from aforo.counting.doors import SourceMinute, minute_of, source_minute
from aforo.counting.occupancy import OccupancyDelta, TimedMovement, timed_movement
from aforo.models import Batch, CameraEvent, Classification, EventSource

Identity = tuple[str, str, datetime, str]

_MOST_RECENT = 30_000  # events kept as committed: more than any overlap reads again
_NO_MOVEMENTS: Mapping[int, dict[Identity, TimedMovement]] = {}


class UncommittedEvents:
    """The events that are read and not committed; there are none unless ``active``: while the database is away."""

    def __init__(self) -> None:
        self._active = False
        self._recent: deque[tuple[datetime, list[CameraEvent]]] = deque()
        self._recent_events = 0
        self._committed: set[Identity] = set()
        self._taken: dict[int, Batch] = {}
        self._events: dict[Identity, tuple[SourceMinute, Classification]] = {}
        self._movements: defaultdict[str, defaultdict[int, dict[Identity, TimedMovement]]] = defaultdict(
            lambda: defaultdict(dict)
        )

    def __len__(self) -> int:
        return len(self._events)

    @property
    def active(self) -> bool:
        """Whether the events that wait are followed."""
        return self._active

    def activate(self) -> None:
        """Follow the events that wait from now on: the database is away."""
        if not self._active:
            self._active = True
            self._committed = {_identity(event) for _, events in self._recent for event in events}

    def deactivate(self) -> None:
        """Drop all events: the database is back and has them."""
        self._active = False
        for kept in (self._committed, self._taken, self._events, self._movements):
            kept.clear()

    def clear(self) -> None:
        """Drop everything: another event begins."""
        self.deactivate()
        self._recent.clear()
        self._recent_events = 0

    def committed(self, batch: Batch, now: datetime, read_again_within: timedelta) -> None:
        """Take a batch as committed; its events are kept as long as they may be read again."""
        self._recent.append((now, batch.events))
        self._recent_events += len(batch.events)
        while self._recent and (self._recent[0][0] < now - read_again_within or self._recent_events > _MOST_RECENT):
            self._recent_events -= len(self._recent.popleft()[1])
        if self._active:
            for event in batch.events:
                self._committed.add(_identity(event))
                self._drop(_identity(event))

    def follow(
        self,
        waiting: Iterable[Batch],
        classify: Callable[[EventSource], Classification],
        may_be_new: Callable[[CameraEvent], bool],
    ) -> bool:
        """Take the batches that wait and return whether any is new.

        ``may_be_new``: whether an event may be missing in the database, by the checkpoints.
        """
        batches = {id(batch): batch for batch in waiting}
        new = [batch for key, batch in batches.items() if key not in self._taken]
        for batch in new:
            self._take(batch, classify, may_be_new)
        self._taken = batches
        return bool(new)

    def deltas(self, zone: str) -> Mapping[int, OccupancyDelta]:
        """Return what is not committed of a zone, by minute."""
        return {
            minute: OccupancyDelta.of([movement[4] for movement in sorted(movements.values())])
            for minute, movements in self._movements.get(zone, _NO_MOVEMENTS).items()
            if movements
        }

    def minutes(self) -> Iterable[tuple[str, int]]:
        """Return the zones and minutes that hold, or held, something that is not committed."""
        return [(zone, minute) for zone, minutes in self._movements.items() for minute in minutes]

    def crossings(self) -> Iterable[tuple[SourceMinute, Classification]]:
        """Return what is not committed, for the doors: each event's source and minute, and what it means."""
        return self._events.values()

    def _take(
        self,
        batch: Batch,
        classify: Callable[[EventSource], Classification],
        may_be_new: Callable[[CameraEvent], bool],
    ) -> None:
        for event in batch.events:
            identity = _identity(event)
            if identity in self._committed or identity in self._events or not may_be_new(event):
                continue
            classification = classify(event.source)
            self._events[identity] = (source_minute(event), classification)
            for zone, delta in classification.movements:
                self._movements[zone][minute_of(event)][identity] = timed_movement(event, delta)

    def _drop(self, identity: Identity) -> None:
        known = self._events.pop(identity, None)
        if known is not None:
            reported, classification = known
            for zone, _ in classification.movements:
                self._movements[zone][reported.minute].pop(identity, None)


def _identity(event: CameraEvent) -> Identity:
    return event.server_id, event.this_id, event.occurred_at, event.camera_id
