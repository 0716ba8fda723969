"""How many crossed each door, minute by minute. Pure.

A minute is named by the epoch millisecond of its start. What is kept grows with the minutes of the event and with the
number of doors, never with the number of camera events.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from aforo.models import MINUTE_MS, CameraEvent, Classification, EventSource, Movement, comparable, to_ms

_MOST_DOORS = 400  # names come from outside: the rest of them share one line
OTHER_DOORS = "OTRAS"


class Crossings(NamedTuple):
    """How many crossed a door: inwards, outwards, and in a direction that is not known."""

    entries: int = 0
    exits: int = 0
    others: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.entries + self.exits + self.others

    def plus(self, other: "Crossings") -> "Crossings":
        """Both together."""
        return Crossings(self.entries + other.entries, self.exits + other.exits, self.others + other.others)


class SourceMinute(NamedTuple):
    """The camera events of one source in one minute."""

    source: EventSource
    minute: int


class Door:
    """A name that is counted: its crossings by minute, and the camera that reports them.

    ``last_ms``: the last crossing whose instant is known, in epoch milliseconds; 0 where none is. ``zone`` is "" where
    it moves none; ``people``: it goes into the history, as the doors for people do.
    """

    __slots__ = ("camera_id", "last_ms", "minutes", "name", "people", "total", "zone")

    def __init__(self, name: str, zone: str, *, people: bool) -> None:
        self.name = name
        self.zone = zone
        self.people = people
        self.camera_id = ""
        self.last_ms = 0
        self.total = Crossings()
        self.minutes: dict[int, Crossings] = {}

    def add(self, minute: int, crossings: Crossings) -> None:
        """Count these as well in that minute."""
        self.total = self.total.plus(crossings)
        self.minutes[minute] = self.minutes.get(minute, Crossings()).plus(crossings)

    def between(self, since_ms: int, until_ms: int) -> Crossings:
        """How many in the minutes that begin in ``[since_ms, until_ms)``."""
        crossings = Crossings()
        for minute in range(since_ms - since_ms % MINUTE_MS, until_ms, MINUTE_MS):
            if minute >= since_ms and minute in self.minutes:
                crossings = crossings.plus(self.minutes[minute])
        return crossings


class Doors:
    """Every name that is counted, by its text as ``comparable`` returns it."""

    def __init__(self) -> None:
        self._doors: dict[str, Door] = {}

    def __iter__(self) -> Iterator[Door]:
        return iter(self._doors.values())

    def add(self, reported: SourceMinute, classification: Classification, count: int = 1) -> str:
        """Count ``count`` camera events of a source and minute; returns the key of the door that they belong to."""
        source = reported.source
        key = comparable(source.name)
        if key not in self._doors and len(self._doors) >= _MOST_DOORS:
            key = OTHER_DOORS
        door = self._doors.get(key)
        if door is None:
            zones = [movement.zone for movement in classification.movements]
            name = source.name.strip() if key != OTHER_DOORS else key
            door = self._doors[key] = Door(name, zones[0] if zones else "", people=classification.history)
        door.camera_id = source.camera_id
        door.add(reported.minute, crossings(source.activity, classification.movements, count))
        return key

    def mark(self, events: Sequence[CameraEvent]) -> None:
        """Take when each door last counted from camera events that were added, in time order."""
        for (_, name, *_), at in {event[3:]: event[2] for event in events}.items():
            door = self._doors.get(comparable(name))
            if door is not None:
                door.last_ms = max(door.last_ms, to_ms(at))

    def get(self, key: str) -> Door:
        """The door of that key; raises KeyError."""
        return self._doors[key]


def crossings(activity: str, movements: Iterable[Movement], count: int) -> Crossings:
    """``count`` crossings, inwards or outwards as the zone's rule says, else as the camera's activity does."""
    deltas = [movement.delta for movement in movements]
    inwards = deltas[0] > 0 if deltas else "ENTER" in activity
    outwards = deltas[0] < 0 if deltas else "EXIT" in activity or "LEAVE" in activity
    return Crossings(count if inwards else 0, count if outwards else 0, count if not (inwards or outwards) else 0)


def minute_of(event: CameraEvent) -> int:
    """The minute in which a camera event occurred, as the epoch millisecond of its start."""
    return to_ms(event.occurred_at) // MINUTE_MS * MINUTE_MS


def source_minute(event: CameraEvent) -> SourceMinute:
    """The source and the minute of a camera event."""
    return SourceMinute(event.source, minute_of(event))


def by_source_and_minute(events: Sequence[CameraEvent]) -> Iterator[tuple[SourceMinute, int]]:
    """How many there are of each source and minute, of events in time order."""
    first = 0
    while first < len(events):
        minute = minute_of(events[first])
        # A search, not a division per event: this runs for everything that is stored.
        end = bisect_left(events, minute + MINUTE_MS, first, key=lambda event: to_ms(event[2]))
        for key, count in Counter([event[3:] for event in events[first:end]]).items():
            yield SourceMinute(EventSource._make(key), minute), count
        first = end
