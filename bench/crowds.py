"""Simulated events with a known truth, for the judgement of intervals: venues, their cameras, and what operators know.

The figures below were fixed before any estimate was seen, and come from what is published, so far as it is:

- Makers promise 95 to 98 %, and more than 98 % for the best (retailsensing.com; iris-GmbH of its passenger counters);
  in use, camera analytics have 90 to 95 % and less in dense crowds (foorir.com). Hence 90 to 98 % here, another for
  each venue.
- Cameras miss far more than they double, because people hide one another (ariadne.inc on occlusion): on average three
  of four errors are misses. Counters of a kind err to one side together, entries and exits not equally (Olivo,
  Maternini and Barabino, The Open Transportation Journal 2019, 13, 250): hence an error common to a venue's doors,
  another of each door, and another again of each direction.
- Misses grow with the flow (Duives and others, Journal of Advanced Transportation 2018, 7328074, on counting cameras
  at large events), and drift with light and weather.
- At football games a quarter come alone, and groups are of about four (Ruback and others, Environment and Behavior
  2013, 45, 239); elsewhere up to 70 % walk in groups (Moussaïd and others, PLoS ONE 2010, e10047).
"""

import random
from dataclasses import dataclass, replace
from math import exp, log

from aforo.simulator import Crowd, CrowdDoor, CrowdPlan, Misses

ACCURACY = (0.90, 0.98)
SHARE_OF_MISSES = (3.0, 1.0)  # parameters of a beta distribution: 0.75 on average
PEOPLE = (500, 30_000)
DOORS = (4, 25)
PEOPLE_OF_A_DOOR = 3_000  # at most, on average: a door lets no more in and out
HOURS = (3.0, 8.0)
GROUPS = ((1.0,), (0.55, 0.3, 0.1, 0.05), (0.5, 0.2, 0.12, 0.1, 0.05, 0.03))
ONE_WAY_VENUES = 0.4
BLIND_EVENTS = 0.5
BLIND_MINUTES = (10.0, 0.8)  # median, and the standard deviation of the logarithm
INSIDE_EVENTS = 0.4
INSIDE = (0.005, 0.05)
EMPTY_KNOWN_VENUES = 0.5
PAST_EVENTS = 10
COUNT_SD = 0.015  # of a manual count or of scanned tickets


@dataclass(frozen=True, slots=True)
class Venue:
    """What stays from event to event. ``empty_known``: its operators know that nobody is inside in the end."""

    people: int
    minutes: int
    doors: tuple[CrowdDoor, ...]
    crowding: float
    clumping: float
    group_sizes: tuple[float, ...]
    empty_known: bool


@dataclass(frozen=True, slots=True)
class SimulatedEvent:
    """An event: its crowd, and what is known of it while it runs.

    ``blind``: for each door, half-open windows of minutes in which its camera recorded nothing. ``initial``: how many
    the operators say were inside at the start, 0 where they say nothing. ``entries``, ``exits``: recorded, by door and
    minute.
    """

    crowd: Crowd
    blind: tuple[tuple[tuple[int, int], ...], ...]
    initial: int
    entries: tuple[tuple[int, ...], ...]
    exits: tuple[tuple[int, ...], ...]
    empty_known: bool

    @property
    def minutes(self) -> int:
        """How long it lasts."""
        return self.crowd.plan.minutes

    def count(self, minute: int) -> int:
        """The count alone when that minute begins: never below zero, whatever the order within a minute."""
        aforo = self.initial
        for now in range(minute):
            aforo = max(0, aforo + sum(door[now] for door in self.entries) - sum(door[now] for door in self.exits))
        return aforo


@dataclass(frozen=True, slots=True)
class ManualCount:
    """A manual count: how many were said to be inside when that minute began, and its standard deviation."""

    minute: int
    value: int
    sd: float


def venue(chance: random.Random) -> Venue:
    """A venue: its size, its doors, and how wrong their cameras are in the long run."""
    doors = chance.randint(*DOORS)
    most = min(PEOPLE[1], doors * PEOPLE_OF_A_DOOR)
    wrong = 1.0 - chance.uniform(*ACCURACY)
    missing = chance.betavariate(*SHARE_OF_MISSES)
    crowding = chance.uniform(0.0, 1.0)
    missed, doubled = wrong * missing / (1.0 + crowding / 2), wrong * (1.0 - missing)
    one_way = chance.sample(range(doors), chance.randint(1, 1 + doors // 5)) if chance.random() < ONE_WAY_VENUES else []
    return Venue(
        people=round(exp(chance.uniform(log(PEOPLE[0]), log(most)))),
        minutes=round(60 * chance.uniform(*HOURS)),
        doors=tuple(_door(chance, missed, doubled, counts_exits=n not in one_way) for n in range(doors)),
        crowding=crowding,
        clumping=chance.uniform(0.0, 0.6),
        group_sizes=chance.choice(GROUPS),
        empty_known=chance.random() < EMPTY_KNOWN_VENUES,
    )


def _door(chance: random.Random, missed: float, doubled: float, *, counts_exits: bool) -> CrowdDoor:
    use = chance.lognormvariate(0.0, 0.6)
    missed, doubled = missed * chance.lognormvariate(0.0, 0.5), doubled * chance.lognormvariate(0.0, 0.7)
    return CrowdDoor(
        entries=use,
        # of the doors that count no exits, half let nobody out
        exits=use * chance.lognormvariate(0.0, 0.3) * (1.0 if counts_exits else chance.choice((0.0, chance.random()))),
        counts_exits=counts_exits,
        of_entries=_varied(chance, Misses(missed, doubled), 0.15),
        of_exits=_varied(chance, Misses(missed, doubled), 0.15),
    )


def _varied(chance: random.Random, misses: Misses, by: float) -> Misses:
    most = 0.3
    return Misses(
        min(most, misses.missed * chance.lognormvariate(0.0, by)),
        min(most, misses.doubled * chance.lognormvariate(0.0, by)),
    )


def event(at: Venue, chance: random.Random) -> SimulatedEvent:
    """One event at a venue: its own size, light and faults."""
    people = round(min(PEOPLE[1], max(PEOPLE[0], at.people * chance.lognormvariate(0.0, 0.25))))
    light = chance.lognormvariate(0.0, 0.2)
    drift = exp(chance.uniform(-0.5, 0.7))
    inside = round(people * chance.uniform(*INSIDE)) if chance.random() < INSIDE_EVENTS else 0
    plan = CrowdPlan(
        doors=tuple(_today(door, chance, light, drift) for door in at.doors),
        minutes=at.minutes,
        people=people,
        inside=inside,
        staying=chance.uniform(0.0, 0.004 if at.empty_known else 0.02),
        returning=chance.uniform(0.0, 0.05),
        group_sizes=at.group_sizes,
        arrival=(chance.uniform(0.15, 0.35), chance.uniform(0.05, 0.12)),
        departure=(chance.uniform(0.80, 0.90), chance.uniform(0.02, 0.05)),
        crowding=at.crowding,
        clumping=at.clumping,
    )
    crowd = Crowd.of(plan, chance.getrandbits(32))
    blind = _blind(len(at.doors), at.minutes, chance)
    counted_by_hand = chance.random() < 0.5
    initial = round(inside * (1.0 + chance.gauss(0.0, 0.05))) if counted_by_hand else 0
    entries = tuple(_seen(door.entries, dark) for door, dark in zip(crowd.counted, blind, strict=True))
    exits = tuple(_seen(door.exits, dark) for door, dark in zip(crowd.counted, blind, strict=True))
    return SimulatedEvent(crowd, blind, initial, entries, exits, at.empty_known)


def _today(door: CrowdDoor, chance: random.Random, light: float, drift: float) -> CrowdDoor:
    """A door on one day: the day's light, and what differs at this door."""
    entries, exits = (
        _varied(chance, Misses(misses.missed * light, misses.doubled), 0.15)
        for misses in (door.of_entries, door.of_exits)
    )
    return replace(door, of_entries=entries, of_exits=exits, drift=drift * chance.lognormvariate(0.0, 0.2))


def _blind(doors: int, minutes: int, chance: random.Random) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Outages of one to three cameras in some of the events; one in ten lasts until the end."""
    windows: list[tuple[tuple[int, int], ...]] = [()] * doors
    if chance.random() < BLIND_EVENTS:
        for door in chance.sample(range(doors), chance.randint(1, 3)):
            since = chance.randrange(minutes)
            lasts = chance.lognormvariate(log(BLIND_MINUTES[0]), BLIND_MINUTES[1])
            until = minutes if chance.random() < 0.1 else min(minutes, since + max(1, round(lasts)))
            windows[door] = ((since, until),)
    return tuple(windows)


def _seen(counted: list[int], blind: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
    return tuple(
        0 if any(since <= minute < until for since, until in blind) else count for minute, count in enumerate(counted)
    )


def manual_count(one: SimulatedEvent, chance: random.Random) -> ManualCount:
    """A manual count between the rushes of an event."""
    minute = round(one.minutes * chance.uniform(0.3, 0.75))
    inside = one.crowd.inside(minute)
    sd = max(5.0, COUNT_SD * inside)
    return ManualCount(minute, max(0, round(inside + chance.gauss(0.0, sd))), sd)
