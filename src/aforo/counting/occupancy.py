"""Movements → aforo, whatever the order in which they came to be known.

The occupancy of a zone is a running count in event-time order that never goes below zero. What a run of movements does
to a count is always ``count → max(floor, count + net)``, and two such functions one after the other are again one. So
an event is kept as one ``OccupancyDelta`` per minute: a late camera event changes its own minute alone, and the
occupancy is the composition of the minutes' deltas in order.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Self

from aforo.models import Occupancy

_MOST_DIGITS = 18  # of a thisId that is surely a BIGINT


class OccupancyDelta(NamedTuple):
    """What a run of movements does to the count ``x`` it meets: it leaves ``max(floor, x + net)``.

    ``net`` is entries less exits plus corrections. ``peak_net`` and ``peak_floor`` give in the same way the highest
    count on the way: ``max(peak_floor, x + peak_net)``.
    """

    entries: int = 0
    exits: int = 0
    net: int = 0
    floor: int = 0
    peak_net: int = 0
    peak_floor: int = 0

    @classmethod
    def of(cls, deltas: Iterable[int]) -> Self:
        """The stretch of single passages (+1, -1), already in event-time order."""
        entries = exits = net = floor = peak_net = peak_floor = 0
        for delta in deltas:
            if delta > 0:
                entries += delta
            else:
                exits -= delta
            net += delta
            floor = max(0, floor + delta)
            peak_net = max(peak_net, net)
            peak_floor = max(peak_floor, floor)
        return cls(entries, exits, net, floor, peak_net, peak_floor)

    @classmethod
    def correction(cls, delta: int) -> Self:
        """The stretch of an operator's correction: it moves the count, and is neither an entry nor an exit."""
        return cls(0, 0, delta, max(0, delta), max(0, delta), max(0, delta))

    def then(self, later: Self) -> Self:
        """This stretch followed by a later one."""
        return type(self)(
            self.entries + later.entries,
            self.exits + later.exits,
            self.net + later.net,
            max(later.floor, self.floor + later.net),
            max(self.peak_net, self.net + later.peak_net),
            max(self.peak_floor, later.peak_floor, self.floor + later.peak_net),
        )

    def after(self, count: int) -> int:
        """The count it leaves where it met ``count``."""
        return max(self.floor, count + self.net)

    def peak(self, count: int) -> int:
        """The highest count on the way, ``count`` itself included."""
        return max(self.peak_floor, count + self.peak_net)

    def occupancy(self, zone: str, initial: int = 0) -> Occupancy:
        """The aforo of a zone that started the evening with ``initial`` inside and lived this stretch."""
        count = self.after(initial)
        return Occupancy(zone, self.entries, self.exits, count, swallowed=count - initial - self.net)


def whole(stretches: Mapping[int, OccupancyDelta]) -> OccupancyDelta:
    """All of an evening: its stretches by minute, put in order and joined."""
    joined = OccupancyDelta()
    for minute in sorted(stretches):
        joined = joined.then(stretches[minute])
    return joined


def seq(this_id: str) -> int:
    """The place of an event within its millisecond: its thisId as a number, 0 where it is none."""
    return int(this_id) if len(this_id) <= _MOST_DIGITS and this_id.isascii() and this_id.isdigit() else 0
