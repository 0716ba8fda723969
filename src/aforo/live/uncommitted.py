"""What was read and is not stored yet: the part of the count that is provisional while the database is away. Pure.

In good times nothing is done here but to remember which batches were stored lately. Only when the database is away are
events gone through, each once: what was stored before and is read again, and what two batches share, counts once.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from aforo.counting.doors import SourceMinute, minute_of, source_minute
from aforo.counting.occupancy import OccupancyDelta, TimedMovement, timed_movement
from aforo.models import Batch, CameraEvent, Classification, EventSource

Identity = tuple[str, str, datetime]

_MOST_RECENT = 30_000  # events remembered as stored: more than any look back reads again


class UncommittedEvents:
    """The events that are read and not stored, known while ``active``: while the database is away."""

    def __init__(self) -> None:
        self.active = False
        self._recent: deque[tuple[datetime, list[CameraEvent]]] = deque()
        self._recent_events = 0
        self._stored: set[Identity] = set()
        self._taken: dict[int, Batch] = {}
        self._events: dict[Identity, tuple[SourceMinute, Classification]] = {}
        self._steps: defaultdict[str, defaultdict[int, dict[Identity, TimedMovement]]] = defaultdict(
            lambda: defaultdict(dict)
        )

    def __len__(self) -> int:
        return len(self._events)

    def stored(self, batch: Batch, now: datetime, remember: timedelta) -> None:
        """A batch is in the database; its events are remembered for ``remember``, in which they may be read again."""
        self._recent.append((now, batch.events))
        self._recent_events += len(batch.events)
        while self._recent and (self._recent[0][0] < now - remember or self._recent_events > _MOST_RECENT):
            self._recent_events -= len(self._recent.popleft()[1])
        if self.active:
            for event in batch.events:
                self._stored.add(_identity(event))
                self._drop(_identity(event))

    def activate(self) -> None:
        """The database is away: from now on events are known."""
        if not self.active:
            self.active = True
            self._stored = {_identity(event) for _, events in self._recent for event in events}

    def deactivate(self) -> None:
        """The database is there and has everything."""
        self.active = False
        for kept in (self._stored, self._taken, self._events, self._steps):
            kept.clear()

    def clear(self) -> None:
        """Another evening begins."""
        self.deactivate()
        self._recent.clear()
        self._recent_events = 0

    def follow(
        self,
        waiting: Iterable[Batch],
        verdict: Callable[[EventSource], Classification],
        counts: Callable[[CameraEvent], bool],
    ) -> bool:
        """Take the batches that wait; tells whether any is new.

        ``verdict`` says what a source means; ``counts`` whether an event may be new, by the checkpoints.
        """
        batches = {id(batch): batch for batch in waiting}
        new = [batch for key, batch in batches.items() if key not in self._taken]
        for batch in new:
            self._take(batch, verdict, counts)
        self._taken = batches
        return bool(new)

    def stretches(self, zone: str) -> Mapping[int, OccupancyDelta]:
        """What is not stored of a zone, by minute."""
        return {
            minute: OccupancyDelta.of([movement[4] for movement in sorted(steps.values())])
            for minute, steps in self._steps.get(zone, _NO_STEPS).items()
            if steps
        }

    def minutes(self) -> Iterable[tuple[str, int]]:
        """The zones and minutes that hold, or held, something that is not stored."""
        return [(zone, minute) for zone, minutes in self._steps.items() for minute in minutes]

    def passages(self) -> Iterable[tuple[SourceMinute, Classification]]:
        """What is not stored, for the doors: each event with what its name means."""
        return self._events.values()

    def _take(
        self, batch: Batch, classify: Callable[[EventSource], Classification], counts: Callable[[CameraEvent], bool]
    ) -> None:
        for event in batch.events:
            identity = _identity(event)
            if identity in self._stored or identity in self._events or not counts(event):
                continue
            verdict = classify(event.source)
            self._events[identity] = (source_minute(event), verdict)
            for zone, delta in verdict.movements:
                self._steps[zone][minute_of(event)][identity] = timed_movement(event, delta)

    def _drop(self, identity: Identity) -> None:
        passage = self._events.pop(identity, None)
        if passage is not None:
            for zone, _ in passage[1].movements:
                self._steps[zone][passage[0].minute].pop(identity, None)


_NO_STEPS: Mapping[int, dict[Identity, TimedMovement]] = {}


def _identity(event: CameraEvent) -> Identity:
    return event.server_id, event.this_id, event.occurred_at
