"""A crowd with a truth of its own: people who cross doors, minute by minute, and what the doors' cameras make of it.

Cameras miss people and count some twice; they miss more where many cross at once, and more or less as the light
changes. So the truth about how many are inside is another than the count. The same plan and seed make the same crowd.
"""

import random
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from math import exp, log
from typing import NamedTuple

from aforo.simulator.event_log import milliseconds

CROWDED = 60  # crossings of a door in a minute from which misses grow no further
_OWN_DOOR = 0.5  # the part of the groups that leave by the door by which they came
_LATECOMERS = 0.06
_EARLY_LEAVERS = 0.05
_STAY = 5  # minutes that a group is inside at least
_AWAY = (4, 20)  # minutes outside of those who come back
_MOST_MISSED = 0.95
_MINUTE_MS = 60_000
_FRIENDS = (0.5, 0.2, 0.12, 0.1, 0.05, 0.03)  # groups of one to six
_AGAIN_MS = 400  # from a crossing to the second event about it


class Misses(NamedTuple):
    """How wrong a camera counts in one direction, as shares of the crossings where nobody crowds, halfway through."""

    missed: float = 0.0
    doubled: float = 0.0


_RIGHT = Misses()


@dataclass(frozen=True, slots=True)
class CrowdDoor:
    """A door of the crowd.

    ``entries``, ``exits``: how many use it, relative to the other doors. ``counts_exits`` False: a one-way door, whose
    exits happen but are not recorded. ``drift``: misses at the event's end over those at its start. ``doubles_from``:
    the minute from which every crossing is counted twice.
    """

    entries: float = 1.0
    exits: float = 1.0
    counts_exits: bool = True
    of_entries: Misses = _RIGHT
    of_exits: Misses = _RIGHT
    drift: float = 1.0
    doubles_from: int | None = None


@dataclass(frozen=True, slots=True)
class CrowdPlan:
    """The crowd to make.

    ``minutes``: how long the event lasts. ``people``: how many come; ``inside``: how many are inside at the start.
    ``staying``: the share of them all that is inside at the end. ``returning``: the share that goes out and comes back.
    ``group_sizes``: weights of groups of 1, 2, 3, … people, who cross in the same minute. ``arrival``, ``departure``:
    the middle and the width of each rush, as shares of the event. ``crowding``: by how much of itself a share of misses
    grows where ``CROWDED`` or more cross in a minute. ``clumping``: the relative standard deviation of that share from
    minute to minute.
    """

    doors: tuple[CrowdDoor, ...]
    minutes: int
    people: int
    inside: int = 0
    staying: float = 0.01
    returning: float = 0.0
    group_sizes: tuple[float, ...] = (1.0,)
    arrival: tuple[float, float] = (0.22, 0.09)
    departure: tuple[float, float] = (0.88, 0.035)
    crowding: float = 0.0
    clumping: float = 0.0


@dataclass(frozen=True, slots=True)
class DoorMinutes:
    """The crossings of a door, by the minute of the event."""

    entries: list[int]
    exits: list[int]


@dataclass(frozen=True, slots=True)
class Crowd:
    """What happened (``crossed``) and what was recorded (``counted``), door by door."""

    plan: CrowdPlan
    crossed: tuple[DoorMinutes, ...]
    counted: tuple[DoorMinutes, ...]
    _inside: list[int] = field(repr=False)

    def inside(self, minute: int) -> int:
        """Return how many are truly inside when that minute of the event begins; 0 is the start."""
        return self._inside[minute]

    @classmethod
    def of(cls, plan: CrowdPlan, seed: int) -> "Crowd":
        """Return the crowd of a plan."""
        chance = random.Random(seed)
        crossed = _crossed(plan, chance)
        counted = tuple(
            _counted(door, minutes, plan, chance) for door, minutes in zip(plan.doors, crossed, strict=True)
        )
        steps = (sum(door.entries[minute] - door.exits[minute] for door in crossed) for minute in range(plan.minutes))
        return cls(plan, crossed, counted, list(accumulate(steps, initial=plan.inside)))


def _crossed(plan: CrowdPlan, chance: random.Random) -> tuple[DoorMinutes, ...]:
    doors = tuple(DoorMinutes([0] * plan.minutes, [0] * plan.minutes) for _ in plan.doors)
    come, there = _groups(plan.people, plan, chance), _groups(plan.inside, plan, chance)
    entered = chance.choices(doors, [door.entries for door in plan.doors], k=len(come))
    exits = list(accumulate(door.exits for door in plan.doors))
    by_other = chance.choices(doors, cum_weights=exits, k=len(come) + len(there))
    one_way = {id(minutes) for door, minutes in zip(plan.doors, doors, strict=True) if not door.exits}
    for number, size in enumerate([*come, *there]):
        since, left_by = 0, by_other[number]
        if number < len(come):
            since = _within(plan.arrival, plan.minutes, chance, _LATECOMERS)
            door = entered[number]
            door.entries[since] += size
            if id(door) not in one_way and chance.random() < _OWN_DOOR:
                left_by = door
        if chance.random() < plan.returning:
            since = _out_and_back(size, since, left_by, chance)
        if chance.random() >= plan.staying:
            until = _within(plan.departure, plan.minutes, chance, _EARLY_LEAVERS)
            if until < since + _STAY:
                until = max(since + _STAY, _within(plan.departure, plan.minutes, chance))
            if until < plan.minutes:
                left_by.exits[until] += size
    return doors


def _groups(people: int, plan: CrowdPlan, chance: random.Random) -> list[int]:
    """Return the sizes of groups that are so many people together."""
    sizes = range(1, len(plan.group_sizes) + 1)
    weights = list(accumulate(plan.group_sizes))
    groups: list[int] = []
    while people > 0:
        for size in chance.choices(sizes, cum_weights=weights, k=1 + people // len(sizes)):
            groups.append(min(size, people))
            people -= groups[-1]
            if not people:
                break
    return groups


def _within(rush: tuple[float, float], minutes: int, chance: random.Random, strays: float = 0.0) -> int:
    """Return a minute of the event near the middle of a rush; ``strays`` come at any time."""
    if chance.random() < strays:
        return chance.randrange(minutes)
    middle, width = rush
    while True:
        minute = int(chance.gauss(middle, width) * minutes)
        if 0 <= minute < minutes:
            return minute


def _out_and_back(size: int, since: int, door: DoorMinutes, chance: random.Random) -> int:
    """Let a group go out and come back by one door, and return the minute in which it is inside for good."""
    out = since + _STAY + chance.randrange(90)
    back = out + chance.randint(*_AWAY)
    if back >= len(door.exits):
        return since
    door.exits[out] += size
    door.entries[back] += size
    return back


def _counted(door: CrowdDoor, crossed: DoorMinutes, plan: CrowdPlan, chance: random.Random) -> DoorMinutes:
    entries = _recorded(crossed.entries, door.of_entries, door.drift, plan, chance)
    exits = [0] * plan.minutes
    if door.counts_exits:
        exits = _recorded(crossed.exits, door.of_exits, door.drift, plan, chance)
    if door.doubles_from is not None:
        for counted in (entries, exits):
            counted[door.doubles_from :] = [2 * count for count in counted[door.doubles_from :]]
    return DoorMinutes(entries, exits)


def _recorded(
    crossed: Sequence[int], misses: Misses, drift: float, plan: CrowdPlan, chance: random.Random
) -> list[int]:
    recorded = [0] * len(crossed)
    shape = plan.clumping**-2 if plan.clumping else 0.0
    for minute, people in enumerate(crossed):
        if not people:
            continue
        missed = misses.missed * exp(log(drift) * (minute / len(crossed) - 0.5))
        missed *= 1 + plan.crowding * min(1.0, people / CROWDED)
        if shape:
            missed *= chance.gammavariate(shape, 1 / shape)
        seen = people - _binomial(people, min(missed, _MOST_MISSED), chance)
        recorded[minute] = seen + _binomial(seen, misses.doubled, chance)
    return recorded


def _binomial(trials: int, share: float, chance: random.Random) -> int:
    """Return how many of the trials succeed, found by the gaps between successes (for small shares)."""
    if share <= 0.0:
        return 0
    log_of_failure, place, successes = log(1.0 - share), 0.0, 0
    while True:
        place += 1 + int(log(1.0 - chance.random()) / log_of_failure)
        if place > trials:
            return successes
        successes += 1


def instants(crossed: int, counted: int, minute: int, chance: random.Random) -> tuple[list[int], list[int]]:
    """Return when people crossed within a minute, and when they were recorded: milliseconds since 1970.

    ``minute`` is the instant at which it begins. What is counted beyond the crossings is a second event about one.
    """
    happened = [minute + chance.randrange(_MINUTE_MS - _AGAIN_MS) for _ in range(crossed)]
    once = chance.sample(happened, min(crossed, counted))
    return happened, once + [at + _AGAIN_MS for at in chance.choices(happened, k=counted - len(once))]


class CrowdTruth:
    """How many people were truly inside at an instant.

    ``inside``: how many there were at the start; ``steps``: by door, the instants (milliseconds since 1970) at which
    somebody came in, and at which somebody went out.
    """

    def __init__(self, inside: int, steps: Mapping[str, tuple[Sequence[int], Sequence[int]]]) -> None:
        self._inside = inside
        self._steps = {door: (sorted(entries), sorted(exits)) for door, (entries, exits) in steps.items()}

    @property
    def doors(self) -> tuple[str, ...]:
        """The doors by which people come and go, each by the id of its camera."""
        return tuple(self._steps)

    def inside(self, at: datetime, doors: Collection[str] | None = None) -> int:
        """Return how many are inside at an aware instant; crossings of that millisecond are over.

        With ``doors``, only what these contribute: those who came in by them less those who left by them.
        """
        until = milliseconds(at)
        balance = sum(
            bisect_right(entries, until) - bisect_right(exits, until) for entries, exits in self._chosen(doors)
        )
        return balance if doors is not None else self._inside + balance

    def _chosen(self, doors: Collection[str] | None) -> Iterator[tuple[list[int], list[int]]]:
        return (steps for door, steps in self._steps.items() if doors is None or door in doors)


@dataclass(frozen=True, slots=True)
class CrowdOptions:
    """A crowd at a scenario's doors, and how wrong their cameras count it.

    ``missed``, ``doubled``: shares that the cameras have in common; ``spread``: the standard deviation of their
    logarithm from door to door. ``doubling``: the number of a door, from 1, that counts each crossing twice from
    ``doubling_at`` on, a share of the event; 0: none. The rest is as in ``CrowdPlan`` and ``CrowdDoor``.
    """

    people: int = 10_000
    inside: int = 0
    missed: float = 0.04
    doubled: float = 0.01
    spread: float = 0.4
    drift: float = 1.2
    crowding: float = 0.5
    clumping: float = 0.3
    staying: float = 0.005
    returning: float = 0.02
    doubling: int = 0
    doubling_at: float = 0.0

    def plan(self, use: Iterable[tuple[float, float, bool]], minutes: int, chance: random.Random) -> CrowdPlan:
        """Return the crowd at doors of which ``use`` gives entries, exits and whether exits are counted."""

        def misses() -> Misses:
            return Misses(
                self.missed * chance.lognormvariate(0.0, self.spread),
                self.doubled * chance.lognormvariate(0.0, self.spread),
            )

        from_minute = {self.doubling: int(self.doubling_at * minutes)}
        doors = tuple(
            CrowdDoor(entries, exits, counts_exits, misses(), misses(), self.drift, from_minute.get(number))
            for number, (entries, exits, counts_exits) in enumerate(use, start=1)
        )
        return CrowdPlan(
            doors,
            minutes,
            self.people,
            inside=self.inside,
            staying=self.staying,
            returning=self.returning,
            group_sizes=_FRIENDS,
            crowding=self.crowding,
            clumping=self.clumping,
        )
