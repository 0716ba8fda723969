"""The evening minute by minute: what each zone's count lived through, and how many passed each door. Pure.

A minute is named by the epoch millisecond of its start. What is kept grows with the minutes of the evening and with the
number of doors, never with the number of events.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from aforo.counting.occupancy import OccupancyDelta, seq
from aforo.models import MINUTE_MS, CameraEvent, Classification, Movement, to_ms

_MOST_DOORS = 400  # names come from outside: the rest of them share one line
OTHER_DOORS = "OTRAS"


class Step(NamedTuple):
    """One movement that is read and not stored yet, in the order in which the store would count it."""

    occurred_ms: int
    seq: int
    server_id: str
    this_id: str
    delta: int


class ZoneSeries:
    """One zone's evening: a ``OccupancyDelta`` for each minute in which something moved."""

    def __init__(self, initial: int = 0) -> None:
        self.initial = initial
        self._minutes: dict[int, OccupancyDelta] = {}

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._minutes))

    def put(self, minute: int, stretch: OccupancyDelta) -> None:
        """Set what a minute lived."""
        self._minutes[minute] = stretch

    def get(self, minute: int) -> OccupancyDelta:
        """What a minute lived; nothing, where nothing moved."""
        return self._minutes.get(minute, OccupancyDelta())

    def steps(self, pending: Mapping[int, OccupancyDelta]) -> Iterator[tuple[int, OccupancyDelta]]:
        """Each minute in order with what it lived, what is not stored yet put at the minute's end."""
        for minute in sorted(self._minutes.keys() | pending.keys()):
            yield minute, self.get(minute).then(pending.get(minute, OccupancyDelta()))

    def count(self, until_ms: int, pending: Mapping[int, OccupancyDelta]) -> int:
        """The count that the minutes before an instant leave."""
        count = self.initial
        for minute, stretch in self.steps(pending):
            if minute >= until_ms:
                break
            count = stretch.after(count)
        return count

    def curve(self, pending: Mapping[int, OccupancyDelta]) -> list[tuple[int, int]]:
        """The count at the end of each minute in which something moved."""
        count, curve = self.initial, []
        for minute, stretch in self.steps(pending):
            count = stretch.after(count)
            curve.append((minute, count))
        return curve


class Passed(NamedTuple):
    """How many passed a door: inwards, outwards, and where the camera does not tell."""

    entries: int = 0
    exits: int = 0
    others: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.entries + self.exits + self.others

    def plus(self, other: "Passed") -> "Passed":
        """Both together."""
        return Passed(self.entries + other.entries, self.exits + other.exits, self.others + other.others)


class Counted(NamedTuple):
    """What of an event matters for its door."""

    name: str
    activity: str
    camera_id: str
    minute: int


class Door:
    """A name that is counted: its passages by minute, and the camera that sees them.

    ``zone`` is "" where it moves none; ``people`` tells that it goes into the history, as the doors for people do.
    """

    __slots__ = ("camera_id", "minutes", "name", "people", "total", "zone")

    def __init__(self, name: str, zone: str, *, people: bool) -> None:
        self.name = name
        self.zone = zone
        self.people = people
        self.camera_id = ""
        self.total = Passed()
        self.minutes: dict[int, Passed] = {}

    def count(self, minute: int, passed: Passed) -> None:
        """So many more in that minute."""
        self.total = self.total.plus(passed)
        self.minutes[minute] = self.minutes.get(minute, Passed()).plus(passed)

    def since(self, since_ms: int, until_ms: int) -> Passed:
        """How many in the minutes that begin in [since, until)."""
        passed = Passed()
        for minute in range(since_ms - since_ms % MINUTE_MS, until_ms, MINUTE_MS):
            if minute >= since_ms and minute in self.minutes:
                passed = passed.plus(self.minutes[minute])
        return passed


class Doors:
    """Every name that is counted, by its upper-cased text."""

    def __init__(self) -> None:
        self._doors: dict[str, Door] = {}

    def __iter__(self) -> Iterator[Door]:
        return iter(self._doors.values())

    def count(self, event: "Counted", verdict: Classification, count: int = 1) -> str:
        """Count passages of a name; returns the door that they are counted at."""
        key = event.name.upper().strip()
        if key not in self._doors and len(self._doors) >= _MOST_DOORS:
            key = OTHER_DOORS
        door = self._doors.get(key)
        if door is None:
            zones = [movement.zone for movement in verdict.movements]
            name = event.name.strip() if key != OTHER_DOORS else key
            door = self._doors[key] = Door(name, zones[0] if zones else "", people=verdict.history)
        door.camera_id = event.camera_id
        door.count(event.minute, passed(event.activity, verdict.movements, count))
        return key

    def get(self, key: str) -> Door:
        """The door of an upper-cased name."""
        return self._doors[key]


def passed(activity: str, movements: Iterable[Movement], count: int) -> Passed:
    """Which way a passage went: as its zone's rule says, else as the camera's activity does."""
    deltas = [movement.delta for movement in movements]
    inwards = deltas[0] > 0 if deltas else "ENTER" in activity
    outwards = deltas[0] < 0 if deltas else "EXIT" in activity or "LEAVE" in activity
    return Passed(count if inwards else 0, count if outwards else 0, count if not (inwards or outwards) else 0)


def minute_of(event: CameraEvent) -> int:
    """The minute in which an event occurred, as the epoch millisecond of its start."""
    return to_ms(event.occurred_at) // MINUTE_MS * MINUTE_MS


def counted(event: CameraEvent) -> Counted:
    """What of an event matters for its door."""
    return Counted(event.name, event.activity, event.camera_id, minute_of(event))


def tallied(events: Sequence[CameraEvent]) -> Iterator[tuple[Counted, int]]:
    """How many there were of each kind and minute, of events in time order; a kind may be given in parts."""
    first = 0
    while first < len(events):
        minute = minute_of(events[first])
        # Looked for, not worked out for each event: this runs for everything that is stored.
        past = bisect_left(events, minute + MINUTE_MS, first, key=lambda event: to_ms(event[2]))
        said = Counter([event[3:] for event in events[first:past]])
        for (camera_id, name, _, activity), count in said.items():
            yield Counted(name, activity, camera_id, minute), count
        first = past


def step_of(event: CameraEvent, delta: int) -> Step:
    """A movement that is not stored yet."""
    return Step(to_ms(event.occurred_at), seq(event.this_id), event.server_id, event.this_id, delta)
