"""Movements → occupancy, whatever the order in which they become known. Pure.

The occupancy of a zone is a running count in event-time order that never goes below zero. What a run of movements does
to a count is always ``count → max(floor, count + net)``, and two such functions one after the other are again one. So
an event is kept as one ``OccupancyDelta`` per minute: a late camera event changes its own minute alone, and the
occupancy is the composition of the minutes' deltas in order.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate, groupby
from operator import sub
from typing import NamedTuple, Self

from aforo.models import CameraEvent, Occupancy, to_ms

_MOST_DIGITS = 18  # of a thisId that is surely a BIGINT
CORRECTION = 2**63 - 1  # the seq of a correction: it comes after all movements of its millisecond

# One movement: (occurred_ms, seq, server_id, this_id, delta), where seq is the thisId as a number. Tuples sort in
# event-time order by themselves; a plain one is made in a fifth of the time of a named one, and there are millions.
TimedMovement = tuple[int, int, str, str, int]


class OccupancyDelta(NamedTuple):
    """What a run of movements does to the count ``x`` before it: afterwards it is ``max(floor, x + net)``.

    ``net`` is entries less exits plus corrections. ``peak_net`` and ``peak_floor`` give in the same way the highest
    count on the way: ``max(peak_floor, x + peak_net)``. The neutral element of ``then`` is ``OccupancyDelta()``.
    """

    entries: int = 0
    exits: int = 0
    net: int = 0
    floor: int = 0
    peak_net: int = 0
    peak_floor: int = 0

    @classmethod
    def of(cls, deltas: Sequence[int]) -> Self:
        """The delta of single movements (+1, -1), already in event-time order; no loop runs in Python code."""
        nets = list(accumulate(deltas, initial=0))
        # A count that starts at zero and never goes below it is the net less the lowest net so far.
        floors = list(map(sub, nets, accumulate(nets, min)))
        net = nets[-1]
        entries = (len(deltas) + net) // 2
        return cls(entries, entries - net, net, floors[-1], max(nets), max(floors))

    @classmethod
    def correction(cls, delta: int) -> Self:
        """The delta of an operator's correction: it moves the count, and is neither an entry nor an exit."""
        return cls(0, 0, delta, max(0, delta), max(0, delta), max(0, delta))

    def then(self, later: Self) -> Self:
        """This delta followed by a later one."""
        return type(self)(
            self.entries + later.entries,
            self.exits + later.exits,
            self.net + later.net,
            max(later.floor, self.floor + later.net),
            max(self.peak_net, self.net + later.peak_net),
            max(self.peak_floor, later.peak_floor, self.floor + later.peak_net),
        )

    def after(self, count: int) -> int:
        """The count afterwards, where it was ``count`` before."""
        return max(self.floor, count + self.net)

    def peak(self, count: int) -> int:
        """The highest count on the way, ``count`` itself included."""
        return max(self.peak_floor, count + self.peak_net)

    def occupancy(self, zone: str, initial: int = 0) -> Occupancy:
        """The occupancy of a zone that began the event with ``initial`` inside and then had this delta."""
        count = self.after(initial)
        return Occupancy(zone, self.entries, self.exits, count, unmatched_exits=count - initial - self.net)


class MinuteDelta(NamedTuple):
    """One minute of a zone: what its movements do to the count, and the instant of the last of them (epoch ms)."""

    delta: OccupancyDelta
    last_ms: int = 0

    @classmethod
    def of(cls, movements: Sequence[TimedMovement]) -> "MinuteDelta":
        """The minute that these movements make; they are in order and not empty."""
        deltas = [movement[4] for movement in movements]
        if max([movement[1] for movement in movements]) < CORRECTION:
            return cls(OccupancyDelta.of(deltas), movements[-1][0])
        total = OccupancyDelta()
        for correction, run in groupby(movements, key=lambda movement: movement[1] == CORRECTION):
            deltas = [movement[4] for movement in run]
            for part in map(OccupancyDelta.correction, deltas) if correction else (OccupancyDelta.of(deltas),):
                total = total.then(part)
        return cls(total, movements[-1][0])

    def then(self, later: "MinuteDelta") -> "MinuteDelta":
        """This minute followed by what comes after all that is in it."""
        return MinuteDelta(self.delta.then(later.delta), later.last_ms)


def composed(deltas: Mapping[int, OccupancyDelta]) -> OccupancyDelta:
    """All of an event: its deltas by minute, in order, one after the other."""
    total = OccupancyDelta()
    for minute in sorted(deltas):
        total = total.then(deltas[minute])
    return total


def seq(this_id: str) -> int:
    """The place of a camera event within its millisecond: its thisId as a number, 0 where it is none."""
    return int(this_id) if len(this_id) <= _MOST_DIGITS and this_id.isascii() and this_id.isdigit() else 0


def timed_movement(event: CameraEvent, delta: int) -> TimedMovement:
    """The movement ``delta`` (+1 or -1) of a camera event."""
    return to_ms(event.occurred_at), seq(event.this_id), event.server_id, event.this_id, delta
