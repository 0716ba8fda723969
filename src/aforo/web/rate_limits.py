"""Rate limits: token buckets per address, and the number of open connections. Pure; memory is bounded."""

from collections import Counter, OrderedDict
from typing import NamedTuple

MAX_ADDRESSES = 4_096  # buckets kept
MAX_CONNECTIONS = 256
MAX_CONNECTIONS_PER_ADDRESS = 96


class Budget(NamedTuple):
    """``burst`` requests at once, and ``rate`` a second after that."""

    burst: float
    rate: float


class TokenBuckets:
    """A token bucket for each address. Those that were not used for longest are dropped first."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, seconds: float) -> float:
        """Take one token at ``seconds`` (monotonic); return 0, or the seconds to wait where none is left."""
        level, at = self._levels.pop(address, (self._budget.burst, seconds))
        level = min(self._budget.burst, level + (seconds - at) * self._budget.rate)
        wait = 0.0 if level >= 1 else (1 - level) / self._budget.rate
        self._levels[address] = (level if wait else level - 1, seconds)
        while len(self._levels) > MAX_ADDRESSES:
            self._levels.popitem(last=False)
        return wait


class RateLimits:
    """All limits of the page. A flood uses up its sender's budget; other addresses are still served."""

    def __init__(self) -> None:
        self._requests = TokenBuckets(Budget(200, 60))
        self._all_requests = TokenBuckets(Budget(400, 200))
        self._connections = TokenBuckets(Budget(150, 40))
        self._logins = TokenBuckets(Budget(6, 1 / 15))
        self._all_logins = TokenBuckets(Budget(30, 1))
        self._open: Counter[str] = Counter()

    def take_request(self, address: str, seconds: float) -> float:
        """Count a request; return 0, or the seconds after which the address may try again."""
        return self._requests.take(address, seconds) or self._all_requests.take("", seconds)

    def take_login(self, address: str, seconds: float) -> float:
        """Count an attempt to log in; return 0, or the seconds after which the address may try again."""
        return self._logins.take(address, seconds) or self._all_logins.take("", seconds)

    def open_connection(self, address: str, seconds: float) -> bool:
        """Return whether one more connection of an address is accepted; ``close_connection`` frees its place."""
        full = self._open.total() >= MAX_CONNECTIONS or self._open[address] >= MAX_CONNECTIONS_PER_ADDRESS
        if full or self._connections.take(address, seconds):
            return False
        self._open[address] += 1
        return True

    def close_connection(self, address: str) -> None:
        """Free the place of an accepted connection."""
        self._open[address] -= 1
        if self._open[address] <= 0:
            del self._open[address]
