"""Doors that count one direction only: whoever goes the other way stays counted, or never was. Pure."""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from aforo.models import Classification, EventSource, comparable

_SURELY_SOME = 8.0  # crossings expected and none counted: by chance once in three thousand times (e⁻⁸)
_MOST_DOORS = 2_000  # names come from outside: what comes after them is left out

_Door = tuple[str, str, str]  # zone, name as ``comparable`` returns it, camera
_Key = TypeVar("_Key", bound=Hashable)


class OneWayDoor(NamedTuple):
    """A door, a name at a camera, of which a zone gets ``entries`` only (or exits only): ``number`` of them."""

    zone: str
    name: str
    camera_id: str
    entries: bool
    number: int


class Directions:
    """How many entries and exits each zone got from each of its doors."""

    def __init__(self) -> None:
        self._counts: dict[_Door, tuple[int, int]] = {}
        self._names: dict[_Door, str] = {}

    def add(self, source: EventSource, classification: Classification, count: int) -> None:
        """Count ``count`` camera events of a source."""
        for zone, delta in classification.movements:
            door = (zone, comparable(source.name), source.camera_id)
            if door not in self._counts and len(self._counts) >= _MOST_DOORS:
                continue
            entries, exits = self._counts.get(door, (0, 0))
            self._counts[door] = (entries + count, exits) if delta > 0 else (entries, exits + count)
            self._names.setdefault(door, source.name.strip())

    def one_way(self, *, complete: bool, surely: bool, by_rule: Collection[str] = ()) -> list[OneWayDoor]:
        """Return the doors that count one direction only, in order.

        A zone whose doors all count one direction, some entries and some exits, has lanes: none of them is meant.
        ``complete``: everybody who came in has had the time to leave; before, a zone without any exit (or entry) says
        nothing. ``surely``: only doors whose zone's two-way doors let expect a crossing in the other direction.
        ``by_rule``: zones with rules for one direction only.
        """
        zones: defaultdict[str, dict[_Door, tuple[int, int]]] = defaultdict(dict)
        for door, counts in self._counts.items():
            zones[door[0]][door] = counts
        found = [
            door
            for zone, doors in zones.items()
            for door in one_way_of(doors, complete=complete or zone in by_rule, surely=surely)
        ]
        return sorted(
            OneWayDoor(door[0], self._names[door], door[2], bool(self._counts[door][0]), sum(self._counts[door]))
            for door in found
        )


def one_way_of(counts: Mapping[_Key, tuple[int, int]], *, complete: bool, surely: bool) -> Iterator[_Key]:
    """Give the doors of one zone that count one direction only, by the entries and exits of each."""
    both = [door for door in counts.values() if all(door)]
    entries, exits = (sum(door[way] for door in both) for way in (0, 1))
    if not both and (not complete or len({bool(door[0]) for door in counts.values()}) > 1):
        return
    for key, door in counts.items():
        expected = _SURELY_SOME
        if both and surely:
            expected = door[0] * exits / entries if door[0] else door[1] * entries / exits
        if not all(door) and expected >= _SURELY_SOME:
            yield key
