"""What is not known of a zone's people, as linear forms of independent unknowns. Pure.

The sizes are argued in ``estimate``. Every form counts each unknown in its own spreads, in people.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from enum import StrEnum
from itertools import accumulate
from operator import mul
from typing import NamedTuple

from aforo.models import MINUTE_MS, Window, to_ms

FACTOR = 1.055  # people for each counted crossing: 1 / 0.948, the middle of 15 % too few and 5 % too many
COMMON = 0.065  # spread of what all doors have in common, in the long run
_COMMON_EVENT = 0.012  # …of one event
_COMMON_DRIFT = 0.006  # …in an hour of an event, as a random walk: light, rain, density
BALANCE = 0.02  # between entries and exits of all doors, in the long run
_BALANCE_EVENT = 0.01
DOOR = 0.05  # of both directions of a door
_DOOR_EVENT = 0.02
_DOOR_DRIFT = 0.01  # in an hour
ONE_DIRECTION = 0.03  # of one direction of a door
_ONE_DIRECTION_EVENT = 0.015
_CHANCE = 0.3  # variance for each counted crossing: people come in groups, and hide each other in them
_ARRIVALS = 3.0  # variance for each crossing that is expected and not seen: groups again
_BLIND = 0.3  # relative spread of what is expected of a door from the others
_BLIND_UNKNOWN = 0.8  # …where the door itself has never been seen
_ONE_WAY = (0.5, 0.4)  # of what its share of the other direction would be: the part that passes uncounted
_NO_OTHER_WAY = (0.25, 0.25)  # …of its own crossings, where nobody counts the other direction
_CORRECTION = (0.5, 0.5)  # of a plain correction: people that passed where nobody counts, or a miscount repaired
_LEAST_SPREAD = 0.5  # people: of an exact number
_HOUR_MS = 60 * MINUTE_MS
_CONSTRAINT_STEP_MS = 15 * MINUTE_MS
_NEARLY_EMPTY = 0.3  # of the crossings: twice what entries and exits may differ by


class Door(NamedTuple):
    """One direction of a counted door: ``direction`` is +1 for entries into the zone, -1 for exits."""

    zone: str
    name: str
    camera: str
    direction: int

    @property
    def reverse(self) -> "Door":
        """The other direction."""
        return self._replace(direction=-self.direction)


DoorMinutes = Mapping[Door, Mapping[int, int]]  # crossings by the epoch millisecond at which the minute starts


class Anchor(NamedTuple):
    """That many people were in the zone at that instant (aware UTC), give or take ``sd``: a manual count, or nobody."""

    zone: str
    at: datetime
    value: float
    sd: float = 0.0


class EntriesAnchor(NamedTuple):
    """That many had entered the zone since the start by that instant (aware UTC), give or take ``sd``: tickets."""

    zone: str
    until: datetime
    value: float
    sd: float = 0.0


class Moved(NamedTuple):
    """An operator's plain correction of the count by ``delta`` at that instant (aware UTC)."""

    at: datetime
    delta: int


class Cause(StrEnum):
    """What the width of an interval comes from."""

    COMMON = "common"  # what all cameras miss alike
    BALANCE = "balance"  # that entries and exits are not counted alike
    DOORS = "doors"  # what single doors miss
    DRIFT = "drift"  # that it changes during the event
    CHANCE = "chance"  # single crossings
    BLIND = "blind"  # minutes in which a camera could not see
    ONE_WAY = "one_way"  # doors that count one direction only
    CORRECTIONS = "corrections"  # of operators
    COUNTS = "counts"  # the error of the manual and ticket counts themselves


class Jump(NamedTuple):
    """People who came or went where nobody counts: known only by a count at that instant (epoch ms)."""

    at_ms: int
    spread: float


class Form(NamedTuple):
    """People as a linear form of what is not known: the occupancy at an instant, or the entries until then.

    ``offset`` is what no factor concerns; ``counted`` the signed crossings of each door of the event until then.
    ``event`` holds the parts of the factors that are this event's alone, ``fixed`` what is no factor; which part comes
    from which cause is the event's ``event_causes`` and ``fixed_causes``. ``crossings``: entries and exits, counted and
    expected, that chance had a part in.
    """

    offset: float
    counted: Sequence[float]
    event: Sequence[float]
    fixed: Sequence[float]
    crossings: tuple[float, float, float, float]

    @property
    def expected(self) -> float:
        """What it is before anything else is known."""
        return self.offset + FACTOR * sum(self.counted)


class Observation(NamedTuple):
    """That a form has a value at an instant (epoch ms), give or take ``sd``."""

    at_ms: int
    form: Form
    value: float
    sd: float


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    """The covariance of two forms by unknowns that are counted in their own spreads."""
    return float(sum(map(mul, one, other)))


def chance(one: Form, other: Form) -> float:
    """How two forms vary together by chance: by the crossings that both have, which are those until the earlier one."""
    shared = [min(mine, theirs) for mine, theirs in zip(one.crossings, other.crossings, strict=True)]
    return _CHANCE * (shared[0] + shared[1]) + _ARRIVALS * (shared[2] + shared[3])


class _Running:
    """Passages by the minute, cumulated."""

    def __init__(self, minutes: Mapping[int, float]) -> None:
        self.starts = sorted(minutes)
        self.sums = list(accumulate((minutes[minute] for minute in self.starts), initial=0.0))

    @property
    def total(self) -> float:
        return self.sums[-1]

    def before(self, at_ms: int) -> float:
        """How many in the minutes that begin before an instant."""
        return self.sums[bisect_left(self.starts, at_ms)]


class _Unseen(NamedTuple):
    """Passages of a door that nobody counted, as they are expected, and the mean and the spread of their factor."""

    cause: Cause
    direction: int
    run: _Running
    mean: float
    spread: float


class ZoneEvent:
    """One zone of one event, as far as it is known at an instant (epoch ms): it makes the forms of it."""

    def __init__(  # noqa: PLR0913, PLR0917 -- what is known of a zone
        self,
        zone: str,
        minutes: DoorMinutes,
        until_ms: int,
        blind: Mapping[Door, Sequence[Window]],
        one_way: Set[Door],
        moved: Sequence[Moved],
        initial: float,
        jumps: Sequence[Jump] = (),
    ) -> None:
        self.doors = sorted(door for door in {*minutes, *blind} if door.zone == zone)
        self._zone = zone
        self._until_ms = until_ms
        counted = {
            door: {minute: count for minute, count in minutes.get(door, {}).items() if minute < until_ms}
            for door in self.doors
        }
        self._runs = [_Running(counted[door]) for door in self.doors]
        self._first_ms = min((run.starts[0] for run in self._runs if run.starts), default=until_ms)
        names = sorted({(door.name, door.camera) for door in self.doors})
        self._places = [names.index((door.name, door.camera)) for door in self.doors]
        self._steps = list(range(self._first_ms + _HOUR_MS, until_ms, _HOUR_MS))
        self._at_steps = [[run.before(step) for run in self._runs] for step in self._steps]
        self._initial = initial
        self._moved = [(to_ms(one.at), one.delta) for one in moved if to_ms(one.at) <= until_ms and one.delta]
        self._jumps = jumps
        self._unseen = [*self._while_blind(counted, blind), *self._other_ways(counted, one_way)]
        pairs = len(names)
        self.event_causes = [Cause.COMMON, Cause.BALANCE, *[Cause.DOORS] * (pairs + len(self.doors))]
        self.event_causes += [Cause.DRIFT] * (len(self._steps) * (1 + pairs))
        self.fixed_causes = [Cause.CORRECTIONS] * (len(self._moved) + len(jumps)) + [
            unseen.cause for unseen in self._unseen
        ]
        self._pairs = pairs

    def near_empty(self) -> list[Form]:
        """The occupancy at the quarters of an hour at which the zone may have been near empty, and now."""
        quarters = range(self._first_ms + _CONSTRAINT_STEP_MS, self._until_ms, _CONSTRAINT_STEP_MS)
        forms = map(self.occupancy, [*quarters, self._until_ms])
        # Where the net is a good part of all crossings, no factor that is possible brings it to nothing.
        return [form for form in forms if sum(form.counted) < _NEARLY_EMPTY * sum(form.crossings)]

    def occupancy(self, at_ms: int) -> Form:
        """The people inside at an instant."""
        return self._form(at_ms, (1, -1))

    def entries(self, at_ms: int) -> Form:
        """The people that had entered by an instant."""
        return self._form(at_ms, (1,))

    def observations(self, anchors: Iterable[Anchor | EntriesAnchor]) -> list[Observation]:
        """What is known of the zone until now, in time order."""
        found = []
        for anchor in anchors:
            entries = isinstance(anchor, EntriesAnchor)
            at_ms = to_ms(anchor.until if isinstance(anchor, EntriesAnchor) else anchor.at)
            if anchor.zone == self._zone and at_ms <= self._until_ms:
                form = self.entries(at_ms) if entries else self.occupancy(at_ms)
                found.append(Observation(at_ms, form, anchor.value, max(_LEAST_SPREAD, anchor.sd)))
        return sorted(found, key=lambda one: one.at_ms)

    def _form(self, at_ms: int, directions: tuple[int, ...]) -> Form:
        signs = [door.direction if door.direction in directions else 0 for door in self.doors]
        until = [run.before(at_ms) for run in self._runs]
        counted = [count * sign for count, sign in zip(until, signs, strict=True)]
        entered = sum(one for one in counted if one > 0)
        left = -sum(one for one in counted if one < 0)
        event = [_COMMON_EVENT * (entered - left), _BALANCE_EVENT * (entered + left) / 2]
        event += [_DOOR_EVENT * one for one in self._by_door(counted)]
        event += [_ONE_DIRECTION_EVENT * one for one in counted]
        for step, known in zip(self._steps, self._at_steps, strict=True):
            if step >= at_ms:
                event += [0.0] * (1 + self._pairs)
                continue
            since = [(count - before) * sign for count, before, sign in zip(until, known, signs, strict=True)]
            event.append(_COMMON_DRIFT * sum(since))
            event += [_DOOR_DRIFT * one for one in self._by_door(since)]
        offset = self._initial if -1 in directions else 0.0
        fixed = []
        for moved_ms, delta in self._moved:
            moved = delta if moved_ms <= at_ms and -1 in directions else 0
            offset += _CORRECTION[0] * moved
            fixed.append(_CORRECTION[1] * moved)
        fixed += [jump.spread if jump.at_ms <= at_ms and -1 in directions else 0.0 for jump in self._jumps]
        expected = [0.0, 0.0]
        for unseen in self._unseen:
            people = FACTOR * unseen.run.before(at_ms) if unseen.direction in directions else 0.0
            offset += unseen.direction * people * unseen.mean
            fixed.append(unseen.direction * people * unseen.spread)
            expected[unseen.direction < 0] += people * unseen.mean
        return Form(offset, counted, event, fixed, (entered, left, expected[0], expected[1]))

    def _by_door(self, counted: Sequence[float]) -> list[float]:
        """Both directions of each door together."""
        sums = [0.0] * (max(self._places, default=-1) + 1)
        for place, count in zip(self._places, counted, strict=True):
            sums[place] += count
        return sums

    def _while_blind(
        self, counted: Mapping[Door, Mapping[int, int]], blind: Mapping[Door, Sequence[Window]]
    ) -> Iterable[_Unseen]:
        """What each door is expected to have had while its camera could not see, by what the others had meanwhile."""
        hidden = {door: self._minutes_of(blind[door]) for door in self.doors if door in blind}
        seen = {
            door: {minute: count for minute, count in counted[door].items() if minute not in hidden.get(door, ())}
            for door in self.doors
        }
        minutes_so_far = max(1, (self._until_ms - self._first_ms) // MINUTE_MS)
        for door, gone in hidden.items():
            others: dict[int, float] = {}
            like = [one for one in self.doors if one.direction == door.direction and one != door]
            for one in like:
                for minute, count in seen[one].items():
                    others[minute] = others.get(minute, 0.0) + count
            own = sum(seen[door].values())
            elsewhere = sum(count for minute, count in others.items() if minute not in gone)
            if own and elsewhere:
                share, spread = own / elsewhere, math.hypot(_BLIND, 1 / math.sqrt(own))
                expected = {minute: share * others.get(minute, 0.0) for minute in gone}
            elif own:
                rate = own / max(1, minutes_so_far - len(gone))
                expected, spread = dict.fromkeys(gone, rate), _BLIND_UNKNOWN
            else:
                expected = {minute: others.get(minute, 0.0) / max(1, len(like)) for minute in gone}
                spread = _BLIND_UNKNOWN
            lacking = {minute: max(0.0, people - counted[door].get(minute, 0)) for minute, people in expected.items()}
            yield _Unseen(Cause.BLIND, door.direction, _Running(lacking), 1.0, spread)

    def _minutes_of(self, windows: Sequence[Window]) -> set[int]:
        """The minutes that meet some windows, so far."""
        found: set[int] = set()
        for since, until in windows:
            first = max(to_ms(since), self._first_ms) // MINUTE_MS * MINUTE_MS
            found.update(range(first, min(to_ms(until), self._until_ms), MINUTE_MS))
        return found

    def _other_ways(self, counted: Mapping[Door, Mapping[int, int]], one_way: Set[Door]) -> Iterable[_Unseen]:
        """What passed one-way doors in the other direction, by the share that they have of their own direction."""
        both = [door for door in self.doors if door not in one_way and door.reverse in counted]
        for door in self.doors:
            if door not in one_way:
                continue
            mine = _Running(counted[door])
            ahead = sum(sum(counted[one].values()) for one in both if one.direction == door.direction)
            if not ahead:
                yield _Unseen(Cause.ONE_WAY, -door.direction, mine, *_NO_OTHER_WAY)
                continue
            back: dict[int, float] = {}
            for one in both:
                if one.direction != door.direction:
                    for minute, count in counted[one].items():
                        back[minute] = back.get(minute, 0.0) + count * mine.total / ahead
            yield _Unseen(Cause.ONE_WAY, -door.direction, _Running(back), *_ONE_WAY)
