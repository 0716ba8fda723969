"""How much anybody may ask: buckets that fill with time. Pure: ``seconds`` is an argument; memory is bounded."""

from collections import Counter, OrderedDict
from typing import NamedTuple

_MOST_ADDRESSES = 4_096


class Budget(NamedTuple):
    """So many at once, and so many a second after that."""

    burst: float
    rate: float


class Buckets:
    """A bucket for each address. The addresses that were quiet longest are forgotten first."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, seconds: float) -> float:
        """Take one; returns 0, or the seconds to wait where there is none left."""
        level, at = self._levels.pop(address, (self._budget.burst, seconds))
        level = min(self._budget.burst, level + (seconds - at) * self._budget.rate)
        wait = 0.0 if level >= 1 else (1 - level) / self._budget.rate
        self._levels[address] = (level if wait else level - 1, seconds)
        while len(self._levels) > _MOST_ADDRESSES:
            self._levels.popitem(last=False)
        return wait


class Limits:
    """All budgets of the page. A flood costs its sender's address; the rest go on."""

    most_connections = 256
    most_of_one = 96

    def __init__(self) -> None:
        self.requests = Buckets(Budget(200, 60))
        self.all_requests = Buckets(Budget(400, 200))
        self.connections = Buckets(Budget(150, 40))
        self.logins = Buckets(Budget(6, 1 / 15))
        self.all_logins = Buckets(Budget(30, 1))
        self.open: Counter[str] = Counter()
        self.refused = 0

    def admit(self, address: str, seconds: float) -> bool:
        """Whether one more connection of an address is taken; ``leave`` gives its place back."""
        full = self.open.total() >= self.most_connections or self.open[address] >= self.most_of_one
        if full or self.connections.take(address, seconds):
            self.refused += 1
            return False
        self.open[address] += 1
        return True

    def leave(self, address: str) -> None:
        """A connection that was admitted is closed."""
        self.open[address] -= 1
        if self.open[address] <= 0:
            del self.open[address]
