"""What a zone's count went through, minute by minute. Pure.

A minute is named by the epoch millisecond of its start. What is kept grows with the minutes of the event, never with
the number of camera events.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping

from aforo.counting.occupancy import MinuteDelta, OccupancyDelta


class ZoneSeries:
    """The minutes of one zone in which something moved.

    The deltas up to each minute are kept composed, so that a count costs what has changed since, not what is stored.
    ``initial``: the count at the event's start.
    """

    def __init__(self, initial: int = 0, minutes: Mapping[int, MinuteDelta] | None = None) -> None:
        self.initial = initial
        self._minutes = dict(minutes or {})
        self._order = sorted(self._minutes)
        self._composed: list[OccupancyDelta] = []

    def __iter__(self) -> Iterator[int]:
        return iter(self._order)

    def __contains__(self, minute: int) -> bool:
        return minute in self._minutes

    def get(self, minute: int) -> MinuteDelta | None:
        """The minute that starts at that epoch millisecond; None where nothing moved."""
        return self._minutes.get(minute)

    def delta(self, minute: int) -> OccupancyDelta:
        """What happened in a minute; the neutral delta where nothing moved."""
        known = self._minutes.get(minute)
        return OccupancyDelta() if known is None else known.delta

    def put(self, minute: int, value: MinuteDelta) -> None:
        """Set one minute."""
        if minute not in self._minutes:
            insort(self._order, minute)
        self._minutes[minute] = value
        del self._composed[bisect_left(self._order, minute) :]

    def remove(self, minute: int) -> None:
        """Take out a minute in which nothing moved after all; raises KeyError where it is not there."""
        del self._minutes[minute]
        place = bisect_left(self._order, minute)
        del self._order[place], self._composed[place:]

    def total(self) -> OccupancyDelta:
        """All minutes, composed."""
        return self._until(len(self._order))

    def deltas(self, pending: Mapping[int, OccupancyDelta] | None = None) -> dict[int, OccupancyDelta]:
        """The delta of each minute in order; what is not stored yet comes at its minute's end."""
        if not pending:
            return {minute: self._minutes[minute].delta for minute in self._order}
        minutes = sorted(self._minutes.keys() | pending.keys())
        return {minute: self.delta(minute).then(pending.get(minute, OccupancyDelta())) for minute in minutes}

    def count(self, until_ms: int, pending: Mapping[int, OccupancyDelta]) -> int:
        """The count after the minutes that begin before an instant."""
        if not pending:
            return self._until(bisect_left(self._order, until_ms)).after(self.initial)
        count = self.initial
        for minute, delta in self.deltas(pending).items():
            if minute >= until_ms:
                break
            count = delta.after(count)
        return count

    def curve(self, pending: Mapping[int, OccupancyDelta]) -> list[tuple[int, int]]:
        """The count at the end of each minute in which something moved."""
        count, curve = self.initial, []
        for minute, delta in self.deltas(pending).items():
            count = delta.after(count)
            curve.append((minute, count))
        return curve

    def _until(self, place: int) -> OccupancyDelta:
        """The first ``place`` minutes, composed."""
        composed = self._composed
        for minute in self._order[len(composed) : place]:
            delta = self._minutes[minute].delta
            composed.append(composed[-1].then(delta) if composed else delta)
        return composed[place - 1] if place else OccupancyDelta()
