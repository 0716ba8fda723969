"""A crowd with a truth of its own: people who cross doors, minute by minute, and what the doors' cameras make of it.

Cameras miss people and count some twice; they miss more where many cross at once, and more or less as the light
changes. So the truth about how many are inside is another than the count. The same plan and seed make the same crowd.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import exp, log
from typing import NamedTuple

CROWDED = 60  # crossings of a door in a minute from which misses grow no further
_OWN_DOOR = 0.5  # the part of the groups that leave by the door by which they came
_LATECOMERS = 0.06
_EARLY_LEAVERS = 0.05
_STAY = 5  # minutes that a group is inside at least
_AWAY = (4, 20)  # minutes outside of those who come back
_MOST_MISSED = 0.95


class Misses(NamedTuple):
    """How wrong a camera counts in one direction, as shares of the crossings where nobody crowds, halfway through."""

    missed: float = 0.0
    doubled: float = 0.0


_RIGHT = Misses()


@dataclass(frozen=True, slots=True)
class CrowdDoor:
    """A door of the crowd.

    ``entries``, ``exits``: how many use it, relative to the other doors. ``counts_exits`` False: a one-way door, whose
    exits happen but are not recorded. ``drift``: misses at the event's end over those at its start.
    """

    entries: float = 1.0
    exits: float = 1.0
    counts_exits: bool = True
    of_entries: Misses = _RIGHT
    of_exits: Misses = _RIGHT
    drift: float = 1.0


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
