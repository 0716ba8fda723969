"""Zones that are added up. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from aforo.models import Occupancy


def summed(name: str, occupancies: Iterable[Occupancy]) -> Occupancy:
    """The occupancy of a total: every figure is the sum of the zones'."""
    parts = list(occupancies)
    return Occupancy(
        name,
        sum(one.entries for one in parts),
        sum(one.exits for one in parts),
        sum(one.count for one in parts),
        sum(one.unmatched_exits for one in parts),
    )


def summed_curve(curves: Sequence[tuple[int, Mapping[int, int]]]) -> list[tuple[int, int]]:
    """The sum at the end of each minute in which a zone moved.

    ``curves``: of each zone its count at the start, and its count at the end of each minute in which it moved.
    """
    counts = [initial for initial, _ in curves]
    found = []
    for minute in sorted({minute for _, curve in curves for minute in curve}):
        counts = [curve.get(minute, count) for (_, curve), count in zip(curves, counts, strict=True)]
        found.append((minute, sum(counts)))
    return found
