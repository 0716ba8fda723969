"""Rate limits: token buckets by address, by session and in all. Pure; memory is bounded."""

import math
from collections import OrderedDict
from typing import NamedTuple

MAX_ADDRESSES = 4_096  # kept
_KNOWN_FOR = 12 * 3600.0  # seconds: an event and its set-up


class Budget(NamedTuple):
    """``burst`` requests at once, and ``rate`` a second after that."""

    burst: float
    rate: float


class TokenBuckets:
    """A token bucket for each key. Those that were not used for longest are dropped first."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, seconds: float) -> float:
        """Take one token at ``seconds`` (monotonic); return 0, or the seconds to wait where none is left."""
        level = self._budget.burst - self.used(key, seconds)
        wait = 0.0 if level >= 1 else (1 - level) / self._budget.rate
        self._levels[key] = (level if wait else level - 1, seconds)
        self._levels.move_to_end(key)
        while len(self._levels) > MAX_ADDRESSES:
            self._levels.popitem(last=False)
        return wait

    def give_back(self, key: str, seconds: float) -> None:
        """Undo a ``take`` that gave a token."""
        self._levels[key] = (self._budget.burst - max(0.0, self.used(key, seconds) - 1), seconds)

    def used(self, key: str, seconds: float) -> float:
        """Return how many tokens the key lacks of a full bucket at ``seconds``."""
        level, at = self._levels.get(key, (self._budget.burst, seconds))
        return max(0.0, self._budget.burst - level - (seconds - at) * self._budget.rate)


class KnownAddresses:
    """The addresses from which somebody has shown a session or the read token of late."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, float] = OrderedDict()

    def add(self, address: str, seconds: float) -> None:
        """Note that somebody is in from that address, at ``seconds`` (monotonic)."""
        self._seen[address] = seconds
        self._seen.move_to_end(address)
        while len(self._seen) > MAX_ADDRESSES:
            self._seen.popitem(last=False)

    def holds(self, address: str, seconds: float) -> bool:
        """Return whether somebody was in from that address within the last hours."""
        return seconds - self._seen.get(address, -math.inf) < _KNOWN_FOR


class AddressLimit:
    """A budget for ``each`` address, and one for ``together`` all.

    Outside the budget for all is what an address takes within the small budget ``quiet``, and all that a ``known`` one
    takes: a flood from many addresses keeps out neither one that asks for little nor one from which somebody is in.
    """

    def __init__(self, known: KnownAddresses, *, each: Budget, quiet: Budget, together: Budget) -> None:
        self._known = known
        self._each = TokenBuckets(each)
        self._quiet = TokenBuckets(quiet)
        self._together = TokenBuckets(together)

    def take(self, address: str, seconds: float) -> float:
        """Count one; return 0, or the seconds after which the address may try again."""
        if wait := self._each.take(address, seconds):
            return wait
        if self._known.holds(address, seconds) or not self._quiet.take(address, seconds):
            return 0.0
        return self._together.take("", seconds)

    def give_back(self, address: str, seconds: float) -> None:
        """Undo a ``take`` that was not refused, in the address's own budget."""
        self._each.give_back(address, seconds)

    def used(self, address: str, seconds: float) -> float:
        """Return how much of its budget the address has used."""
        return self._each.used(address, seconds)
