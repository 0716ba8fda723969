"""The places of connections, in all and by address, and who gives way when they run out. Pure."""

from collections import Counter
from collections.abc import Callable

MAX_CONNECTIONS = 256
MAX_CONNECTIONS_PER_ADDRESS = 96


class Place:
    """The place of one connection. ``close`` ends the connection at once."""

    def __init__(self, address: str, close: Callable[[], None]) -> None:
        self.address = address
        self.close = close


class Places:
    """All places. A connection that has not been kept (``keep``) gives way to a new one.

    The oldest of them goes, of the address that has most of them. ``without_limit``: addresses that may take all
    places, those of proxies.
    """

    def __init__(
        self,
        without_limit: frozenset[str] = frozenset(),
        *,
        most: int = MAX_CONNECTIONS,
        most_per_address: int = MAX_CONNECTIONS_PER_ADDRESS,
    ) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self.gave_way = 0  # connections that were closed for a new one
        self._without_limit = without_limit
        self._open: dict[Place, None] = {}
        self._yielding: dict[Place, None] = {}  # oldest first
        self._by_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, place: Place) -> bool:
        return place in self._open

    def is_limited(self, address: str) -> bool:
        """Return whether the address is that of one visitor, and not of a proxy."""
        return address not in self._without_limit

    def admit(self, address: str, close: Callable[[], None]) -> Place | None:
        """Return a place for a new connection; None where all are taken by connections that do not give way."""
        crowded = self._by_address[address] >= self._most_per_address and self.is_limited(address)
        if crowded and not self.make_way(address):
            return None
        if len(self._open) >= self._most and not self.make_way():
            return None
        place = Place(address, close)
        self._open[place] = self._yielding[place] = None
        self._by_address[address] += 1
        return place

    def make_way(self, address: str | None = None) -> bool:
        """Close a connection that gives way, of that address if one is given; return whether there was one."""
        candidates = [place for place in self._yielding if address in (None, place.address)]
        if not candidates:
            return False
        held = Counter(place.address for place in candidates)
        most = max(held.values())
        place = next(place for place in candidates if held[place.address] == most)
        self.gave_way += 1
        self.free(place)
        place.close()
        return True

    def keep(self, place: Place) -> None:
        """Keep a place for good: its connection has shown that it may be here."""
        self._yielding.pop(place, None)

    def free(self, place: Place) -> None:
        """Give a place back; a second call does nothing."""
        if place not in self._open:
            return
        del self._open[place]
        self._yielding.pop(place, None)
        self._by_address[place.address] -= 1
        if not self._by_address[place.address]:
            del self._by_address[place.address]

    def close_all(self) -> None:
        """Close every connection."""
        for place in list(self._open):
            self.free(place)
            place.close()
