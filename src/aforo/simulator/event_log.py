"""The recorded events of the simulated servers, in columns, found by camera and time.

Two million crossings have to fit into memory, and a page of a thousand has to be found at once. So a crossing is two
numbers in columns (its kind, its ``thisId``) and one *key* in the list of its server and camera: an integer of the
milliseconds since ``origin``, the crossing's place in the columns, and a mark. Keys sort by time.
"""

from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_MARK_BITS = 2
_PLACE_BITS = 26  # 67 million crossings
SHIFT = _MARK_BITS + _PLACE_BITS  # leaves 35 bits and the sign for milliseconds: a year on either side of the origin
PLACE_MASK = (1 << _PLACE_BITS) - 1
MARK_MASK = (1 << _MARK_BITS) - 1
START, STOP, NOISE = 0, 1, 2  # marks: the event that opens a crossing, the one that counts, a broken one beside it

_STARTS_BEFORE = 700  # milliseconds from a crossing's START event to its STOP
_FIRST_NUMBER = 9_871  # near a power of ten, so that a client that sorts thisId as text fails
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Server(NamedTuple):
    """One server of the site."""

    id: str
    name: str


class Camera(NamedTuple):
    """One camera, as ``/cameras`` has it. ``state`` is its connectionState; ``server_id`` its own server."""

    id: str
    name: str
    server_id: str
    state: str
    model: str


class Kind(NamedTuple):
    """The fields that crossings have in common. ``area`` None is written as null."""

    server_id: str
    camera_id: str
    name: str
    area: str | None
    activity: str
    subclass: str


class Crossing(NamedTuple):
    """One recorded crossing. ``at`` is in milliseconds since 1970, UTC; ``number`` is its ``thisId``."""

    at: int
    number: int
    kind: Kind


def milliseconds(instant: datetime) -> int:
    """Return the milliseconds since 1970 of an aware instant, rounded down."""
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def instant_of(at: int) -> datetime:
    """Return the aware UTC instant of milliseconds since 1970."""
    return _EPOCH + timedelta(milliseconds=at)


def place_of(key: int) -> int:
    """Return the place of a key's crossing in the columns."""
    return key >> _MARK_BITS & PLACE_MASK


class EventLog:
    """The crossings of one site. Keys count from ``origin``, a whole second in milliseconds since 1970."""

    def __init__(self, origin: datetime, servers: Iterable[Server]) -> None:
        self.origin = milliseconds(origin.replace(microsecond=0))
        self.kinds: list[Kind] = []
        self.kind_of = array("I")
        self.numbers = array("q")
        self._known: dict[Kind, int] = {}
        self._feeds: dict[str, dict[str, array[int]]] = {server.id: {} for server in servers}
        self._next_number = dict.fromkeys(self._feeds, _FIRST_NUMBER)
        self.on_added: Callable[[int], None] | None = None  # called with the key of each further crossing

    def __len__(self) -> int:
        return len(self.numbers)

    def kind(self, kind: Kind) -> int:
        """Return the number of a kind; a new kind gets the next one."""
        known = self._known.get(kind)
        if known is None:
            known = self._known[kind] = len(self.kinds)
            self.kinds.append(kind)
            self._feeds[kind.server_id].setdefault(kind.camera_id, array("q"))
        return known

    def record(self, crossings: Iterable[tuple[int, int]]) -> None:
        """Record crossings, each (milliseconds since 1970, number of its kind), sorted by time."""
        lists = [self._feeds[kind.server_id][kind.camera_id] for kind in self.kinds]
        servers = [kind.server_id for kind in self.kinds]
        origin, next_number = self.origin, self._next_number
        for place, (at, kind) in enumerate(crossings, start=len(self.numbers)):
            number = next_number[servers[kind]]
            next_number[servers[kind]] = number + 2  # the crossing's START event took the one before
            self.kind_of.append(kind)
            self.numbers.append(number)
            lists[kind].append((at - origin) << SHIFT | place << _MARK_BITS | STOP)

    def add(self, at: int, kind: Kind) -> Crossing:
        """Record one further crossing at any time (milliseconds since 1970)."""
        known = self.kind(kind)
        place = len(self.numbers)
        number = self._next_number[kind.server_id]
        self._next_number[kind.server_id] = number + 2
        key = (at - self.origin) << SHIFT | place << _MARK_BITS | STOP
        insort(self._feeds[kind.server_id][kind.camera_id], key)
        self.kind_of.append(known)
        self.numbers.append(number)
        if self.on_added is not None:
            self.on_added(key)
        return Crossing(at, number, kind)

    def stops(self, server_id: str, camera_ids: Iterable[str] | None, since: int, until: int) -> list[int]:
        """Return the keys of the STOP events of [since, until), oldest first.

        Times are milliseconds since 1970; ``camera_ids`` None means every camera.
        """
        feeds = self._feeds[server_id]
        first, last = (since - self.origin) << SHIFT, (until - self.origin) << SHIFT
        keys: list[int] = []
        for camera_id in feeds if camera_ids is None else dict.fromkeys(camera_ids):
            feed = feeds.get(camera_id)
            if feed is not None:
                keys += feed[bisect_left(feed, first) : bisect_left(feed, last)]
        keys.sort()
        return keys

    def starts(self, server_id: str, camera_ids: Iterable[str] | None, since: int, until: int) -> list[int]:
        """Return the keys of the START events of [since, until), oldest first."""
        stops = self.stops(server_id, camera_ids, since + _STARTS_BEFORE, until + _STARTS_BEFORE)
        return [key - (_STARTS_BEFORE << SHIFT) + START - STOP for key in stops]

    def next_at(self, since: int) -> int | None:
        """Return when the first event from ``since`` on is (milliseconds since 1970), START or STOP; None: none is."""
        first = (since - self.origin) << SHIFT
        feeds = [feed for feeds in self._feeds.values() for feed in feeds.values()]
        following = [feed[place] for feed in feeds for place in (bisect_left(feed, first),) if place < len(feed)]
        return self.at(min(following)) if following else None

    def at(self, key: int) -> int:
        """Return the time of a key in milliseconds since 1970."""
        return (key >> SHIFT) + self.origin

    def camera_of(self, key: int) -> str:
        """Return the camera of a key's crossing."""
        return self.kinds[self.kind_of[place_of(key)]].camera_id

    def crossings(self, since: int, until: int, camera_ids: Iterable[str]) -> Iterator[Crossing]:
        """Yield the crossings of these cameras in [since, until), server by server, each oldest first."""
        wanted = list(dict.fromkeys(camera_ids))
        for server_id in self._feeds:
            for key in self.stops(server_id, wanted, since, until):
                place = place_of(key)
                yield Crossing(self.at(key), self.numbers[place], self.kinds[self.kind_of[place]])
