"""Which doors count nothing, or far too much, for what the doors like them count. Pure statistics.

The model. In each minute and direction the rate of a door is a ratio times what the other doors count: they show how
many people are on their way. The ratio follows the door slowly, as a Gamma distribution whose memory fades and that
returns to what earlier events showed. People come in groups, whose arrivals are Poisson: ``exp(-expected / size)`` is
the chance of counting nobody. How large groups are is estimated from all minutes in which somebody was expected.

A door is silent where that chance is small enough since its last passage. How small was set by simulated events of
twenty doors: one in twenty of them may hold a false alarm. `bench/silence.py` measures it. The ratio of a door changes
most where a rush begins or ends; so no more is expected than the ratio of the last minutes before the silence gives,
nor than a level that doubles every six minutes.
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from aforo.counting.doors import Crossings, Door, Doors
from aforo.models import MINUTE_MS

_MEMORY = 0.5 ** (1 / 45)  # of a ratio, kept from one minute to the next: half of it for 45 minutes
_SHORT_MEMORY = 0.5 ** (1 / 4)  # the same for what it was lately: a door may be emptying before the others
_LEVEL_MEMORY = 0.8  # the same for how many passages were expected
_RISE, _DOUBLES_IN, _LEAST_LEVEL = 1.5, 6.0, 0.3  # what may be expected since the last passage: see _bounded
_KNOWN = 25.0  # passages that earlier events of the same kind are worth
_UNKNOWN = 1.0  # passages that an even share among the doors is worth, without earlier events
_SIZES = (1.0, 1.25, 1.6, 2.0, 2.5, 3.2, 4.0, 6.0)  # mean group sizes that are weighed against each other
_SURE = 15.5  # groups expected and none seen
_ENOUGH = 12.0  # the same, where more would take longer than is hoped for
_SHORTEST = 2.6  # minutes without a passage that are looked at
_FAST = 4.0  # passages a minute with which that is enough
_SLOW_WITHIN = 14.0  # minutes that a quieter door gets
_LONGEST = 240  # minutes that are caught up at once, of not more than twenty doors

_EXCESS_MINUTES = 8
_EXCESS = 3.0  # times what is expected
_EXCESS_LEAST = 30  # passages in those minutes
_EXCESS_SURE = 20.0  # log-likelihood ratio, in groups
_TAKEN, _TAKEN_MORE = 3.0, 5.0  # a minute counts for the ratios up to so many times what is expected, and so many more


class DoorCondition(StrEnum):
    """What the counts of a door show. UNKNOWN: too few people are expected to tell a silence from chance."""

    COUNTS = "counts"
    SILENT = "silent"
    EXCESS = "excess"
    UNKNOWN = "unknown"


class DoorActivity(NamedTuple):
    """A door now: passages expected in a minute, and since when (epoch ms) it is silent or counts too much."""

    condition: DoorCondition
    expected: float
    since_ms: int | None = None


History = Mapping[str, Crossings]  # by the door's key: its crossings in earlier events of the same kind


@dataclass(slots=True)
class _Run:
    """Minutes in which a door counted nobody, with how many passages were expected in each.

    ``level``: passages a minute that may be expected at its begin.
    """

    since_ms: int
    level: float = _LEAST_LEVEL
    expected: list[float] = field(default_factory=list)
    alarmed: bool = False


class _Ratio:
    """A door's passages to those of the other doors, by direction, both fading towards what is known beforehand."""

    __slots__ = ("_kept", "_others", "_others_before", "_own", "_own_before")

    def __init__(self, own: list[float], others: list[float], kept: float) -> None:
        self._own_before, self._others_before, self._kept = own, others, kept
        self._own, self._others = list(own), list(others)

    @property
    def known(self) -> float:
        """Passages that it rests on."""
        return sum(self._own)

    def values(self) -> list[float]:
        """The ratio in each direction."""
        return [own / others for own, others in zip(self._own, self._others, strict=True)]

    def surprise(self, others: Iterable[float]) -> float:
        """Passages expected while the other doors count so many; less, as far as the ratio is not sure."""
        return sum(o * math.log1p(now / known) for o, known, now in zip(self._own, self._others, others, strict=True))

    def take(self, own: Iterable[float], others: Iterable[float]) -> None:
        """Take a minute."""
        kept, back = self._kept, 1 - self._kept
        for place, (mine, theirs) in enumerate(zip(own, others, strict=True)):
            self._own[place] = kept * self._own[place] + back * self._own_before[place] + mine
            self._others[place] = kept * self._others[place] + back * self._others_before[place] + theirs


@dataclass(slots=True)
class _State:
    """What is known of a door. ``lately``: its ratios when it last counted; ``level``: passages expected in a minute.

    ``recent``: passages, those expected, and what that rests on, of the last minutes.
    """

    ratio: _Ratio
    short: _Ratio
    lately: list[float]
    run: _Run
    level: float = _LEAST_LEVEL
    excess_since: int | None = None
    recent: deque[tuple[int, float, float]] = field(default_factory=lambda: deque(maxlen=_EXCESS_MINUTES))

    def bounded(self, surprise: float, others: Iterable[float], minute: int) -> float:
        """Return what was expected in a minute without passages: no more than the ratio of lately gives.

        Nor more than the level when the door last counted lets grow: a rush reaches some doors minutes before others.
        """
        lately = sum(ratio * now for ratio, now in zip(self.lately, others, strict=True))
        grown = 2 ** min(20.0, max(0.0, (minute - self.run.since_ms) / MINUTE_MS) / _DOUBLES_IN)
        return min(surprise, lately, self.run.level * grown)


class GroupSizes:
    """How large the groups are in which people come: each mean size, by how well it explains minutes without any."""

    def __init__(self) -> None:
        self._likelihoods = [-0.3 * abs(math.log(size / 1.6)) for size in _SIZES]
        self._weights: list[float] = []

    def add(self, expected: float, *, none: bool) -> None:
        """Take a minute in which so many passages were expected, and whether there were none."""
        if expected > 0.05:
            self._weights = []
            for place, size in enumerate(_SIZES):
                chance = math.exp(-expected / size)
                self._likelihoods[place] += -expected / size if none else math.log1p(-chance)

    def surprise(self, expected: float) -> float:
        """Return −log of the chance of none where so many passages are expected."""
        chance = sum(w * math.exp(-expected / size) for w, size in zip(self._shares(), _SIZES, strict=True))
        return -math.log(chance) if chance > 0 else math.inf

    @property
    def mean(self) -> float:
        """The mean group size."""
        return sum(w * size for w, size in zip(self._shares(), _SIZES, strict=True))

    def _shares(self) -> list[float]:
        if not self._weights:
            most = max(self._likelihoods)
            weights = [math.exp(one - most) for one in self._likelihoods]
            self._weights = [weight / sum(weights) for weight in weights]
        return self._weights


class DoorWatch:
    """Follows the doors of one event, minute by minute."""

    def __init__(self, history: History | None = None) -> None:
        self._history = history or {}
        self._states: dict[str, _State] = {}
        self._sizes = GroupSizes()
        self._minute: int | None = None  # the next one to take

    def update(self, doors: Doors, since_ms: int, until_ms: int) -> dict[str, DoorActivity]:
        """Return each door's activity by its name; ``doors`` hold all that happened in ``[since_ms, until_ms)``.

        Called again as time goes on. ``since_ms``: the event's start.
        """
        known = list(doors)
        if self._minute is None:
            first = until_ms - min(_LONGEST, max(20, 20 * _LONGEST // max(1, len(known)))) * MINUTE_MS
            self._minute = max(first, since_ms) // MINUTE_MS * MINUTE_MS
        while self._minute + MINUTE_MS <= until_ms:
            self._take(known, self._minute)
            self._minute += MINUTE_MS
        counts = self._counts(known, self._minute)
        together = _together(known, counts)
        knowable = self._least_knowable()
        return {
            door.name: self._activity(door, _less(together[door.people], counts[door.name]), until_ms, knowable)
            for door in known
        }

    @property
    def group_size(self) -> float:
        """The mean size of the groups in which people come, as estimated."""
        return self._sizes.mean

    def _take(self, doors: list[Door], minute: int) -> None:
        """Take a whole minute."""
        counts = self._counts(doors, minute)
        together = _together(doors, counts)
        for door in doors:
            state = self._states.get(door.name) or self._begin(door, doors, minute)
            mine = counts[door.name]
            theirs = _less(together[door.people], mine)
            total = door.minutes.get(minute, Crossings()).total
            surprise = state.ratio.surprise(theirs)
            self._follow_excess(state, minute, total, surprise, state.ratio.known)
            state.level = _LEVEL_MEMORY * state.level + (1 - _LEVEL_MEMORY) * surprise
            expected = state.bounded(surprise, theirs, minute)
            state.ratio.take(mine, theirs)
            state.short.take(mine, theirs)
            self._follow_run(state, door, minute, total, expected)

    def _follow_run(self, state: _State, door: Door, minute: int, total: int, expected: float) -> None:
        if not total:
            state.run.expected.append(expected)
            return
        if not state.run.alarmed:
            for one in state.run.expected:
                self._sizes.add(one, none=True)
        self._sizes.add(expected, none=False)
        end = minute + MINUTE_MS
        last = door.last_ms if minute <= door.last_ms < end else end
        level = max(_RISE * state.level, _LEAST_LEVEL)
        state.run = _Run(last, level, [expected * (end - last) / MINUTE_MS])
        state.lately = state.short.values()

    def _follow_excess(self, state: _State, minute: int, total: int, expected: float, known: float) -> None:
        state.recent.append((total, expected, known))
        if len(state.recent) < _EXCESS_MINUTES:
            return
        number = sum(one[0] for one in state.recent)
        # More, where little is known of the door.
        wanted = max(sum(one[1] for one in state.recent), 1.0) * (1 + 2 * math.sqrt(self._sizes.mean / max(known, 1.0)))
        clumps = 2 * self._sizes.mean - 1
        ratio = (number * math.log(number / wanted) - number + wanted) / clumps if number > wanted else 0.0
        least = min(one[0] for one in state.recent)
        if number >= _EXCESS_LEAST and number >= _EXCESS * wanted and ratio >= _EXCESS_SURE and least > 0:
            begin = minute - (_EXCESS_MINUTES - 1) * MINUTE_MS
            state.excess_since = begin if state.excess_since is None else state.excess_since
        elif number < 2 * wanted or not state.recent[-1][0]:
            state.excess_since = None

    def _activity(self, door: Door, partial: list[float], until_ms: int, knowable: float) -> DoorActivity:
        state = self._states.get(door.name)
        if state is None or self._minute is None:
            return DoorActivity(DoorCondition.UNKNOWN, 0.0)
        expected = sum([one[1] for one in state.recent]) / max(1, len(state.recent))
        if state.excess_since is not None:
            return DoorActivity(DoorCondition.EXCESS, expected, state.excess_since)
        counted = door.last_ms >= self._minute or self._minute in door.minutes
        run = state.run
        if not counted and (run.alarmed or self._is_silent(state, partial, until_ms)):
            run.alarmed = True
            return DoorActivity(DoorCondition.SILENT, expected, run.since_ms)
        return DoorActivity(DoorCondition.COUNTS if expected >= knowable else DoorCondition.UNKNOWN, expected)

    def _is_silent(self, state: _State, partial: list[float], until_ms: int) -> bool:
        minutes = (until_ms - state.run.since_ms) / MINUTE_MS
        if minutes < _SHORTEST or self._minute is None:
            return False
        now = state.bounded(state.ratio.surprise(partial), partial, self._minute)
        expected = sum(state.run.expected) + now
        groups = self._sizes.surprise(expected)
        return groups >= _SURE or (groups >= _ENOUGH and (minutes >= _SLOW_WITHIN or expected >= _FAST * minutes))

    def _least_knowable(self) -> float:
        """Passages a minute that suffice to notice a silence in time."""
        return _ENOUGH * self._sizes.mean / _SLOW_WITHIN

    def _begin(self, door: Door, doors: list[Door], minute: int) -> _State:
        like = [one for one in doors if one.people == door.people and one is not door]
        past = self._history.get(door.name)
        prior, others = [], []
        for place in range(3):
            own = past[place] if past is not None else 0
            rest = sum(known[place] for one in like if (known := self._history.get(one.name)) is not None)
            if past is not None and rest:
                strength = max(_UNKNOWN, min(_KNOWN, own))
                prior.append(strength if own else 0.1)
                others.append(strength * rest / max(own, 1))
            else:
                prior.append(_UNKNOWN)
                others.append(_UNKNOWN * max(1, len(like)))
        ratio = _Ratio(prior, others, _MEMORY)
        state = _State(ratio, _Ratio(prior, others, _SHORT_MEMORY), ratio.values(), _Run(minute))
        self._states[door.name] = state
        return state

    def _counts(self, doors: list[Door], minute: int) -> dict[str, list[float]]:
        """What each door counted, but no more than it may: one that counts far too much must not make others silent."""
        found = {}
        for door in doors:
            crossings = door.minutes.get(minute, Crossings())
            state = self._states.get(door.name)
            most = math.inf
            if state is not None and state.recent:
                most = _TAKEN * max(one[1] for one in state.recent) + _TAKEN_MORE
            share = min(1.0, most / crossings.total) if crossings.total else 1.0
            found[door.name] = [share * one for one in crossings]
        return found


def _together(doors: Iterable[Door], counts: Mapping[str, list[float]]) -> dict[bool, list[float]]:
    """What all doors count: those for people, and the others, which are for cars."""
    found = {True: [0.0, 0.0, 0.0], False: [0.0, 0.0, 0.0]}
    for door in doors:
        for place, count in enumerate(counts[door.name]):
            found[door.people][place] += count
    return found


def _less(together: list[float], own: list[float]) -> list[float]:
    return [max(0.0, total - mine) for total, mine in zip(together, own, strict=True)]
