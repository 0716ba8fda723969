"""Zones that are added up. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from aforo.models import Occupancy, Total

_Minute = TypeVar("_Minute", int, datetime)


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


def sums(totals: Iterable[Total], occupancies: Mapping[str, Occupancy]) -> dict[str, Occupancy]:
    """The occupancy of each total whose zones are all counted."""
    return {
        total.name: summed(total.name, (occupancies[zone] for zone in total.zones))
        for total in totals
        if occupancies.keys() >= set(total.zones)
    }


def summed_curve(curves: Sequence[tuple[int, Mapping[_Minute, int]]]) -> list[tuple[_Minute, int]]:
    """The sum at the end of each minute in which a zone moved, in order.

    ``curves``: of each zone its count at the start, and its count at the end of each minute in which it moved.
    """
    counts = [initial for initial, _ in curves]
    found = []
    for minute in sorted({minute for _, curve in curves for minute in curve}):
        counts = [curve.get(minute, count) for (_, curve), count in zip(curves, counts, strict=True)]
        found.append((minute, sum(counts)))
    return found
