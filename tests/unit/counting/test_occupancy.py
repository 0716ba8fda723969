"""Order, repetition and lateness never change the occupancy: the deltas give the same as one plain loop."""

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from aforo.counting.occupancy import OccupancyDelta, composed

deltas = st.lists(st.sampled_from([1, -1]), max_size=60)


def plain_count(movements: list[int], initial: int) -> tuple[int, int, int]:
    """The mission's words as a loop: the count, the exits at zero, the highest count."""
    count, unmatched, peak = initial, 0, initial
    for delta in movements:
        if count + delta < 0:
            unmatched += 1
        else:
            count += delta
        peak = max(peak, count)
    return count, unmatched, peak


@given(deltas, st.integers(0, 5))
def test_one_delta_gives_what_the_loop_gives(movements: list[int], initial: int) -> None:
    total = OccupancyDelta.of(movements)
    count, unmatched, peak = plain_count(movements, initial)
    occupancy = total.occupancy("Norte", initial)
    assert (occupancy.count, occupancy.unmatched_exits, total.peak(initial)) == (count, unmatched, peak)
    assert (occupancy.entries, occupancy.exits) == (movements.count(1), movements.count(-1))


@given(deltas, st.lists(st.integers(0, 60), max_size=8), st.integers(0, 5))
def test_any_cut_into_minutes_gives_the_same(movements: list[int], cuts: list[int], initial: int) -> None:
    edges = [0, *sorted(min(cut, len(movements)) for cut in cuts), len(movements)]
    pieces = {
        minute: OccupancyDelta.of(movements[start:end]) for minute, (start, end) in enumerate(itertools.pairwise(edges))
    }
    shuffled = dict(random.Random(len(movements)).sample(sorted(pieces.items()), len(pieces)))
    assert composed(shuffled) == OccupancyDelta.of(movements)
    assert composed(shuffled).occupancy("Norte", initial) == OccupancyDelta.of(movements).occupancy("Norte", initial)


@given(st.lists(deltas, min_size=3, max_size=3))
def test_joining_does_not_depend_on_the_grouping(parts: list[list[int]]) -> None:
    a, b, c = map(OccupancyDelta.of, parts)
    assert a.then(b).then(c) == a.then(b.then(c))
    assert OccupancyDelta().then(a) == a.then(OccupancyDelta()) == a


def test_an_exit_at_zero_leaves_it_at_zero_and_is_counted() -> None:
    occupancy = OccupancyDelta.of([-1, -1, 1]).occupancy("Norte")
    assert (occupancy.count, occupancy.unmatched_exits) == (1, 2)


def test_a_correction_moves_the_count_and_is_neither_entry_nor_exit() -> None:
    total = OccupancyDelta.of([1, 1]).then(OccupancyDelta.correction(12)).then(OccupancyDelta.of([-1]))
    occupancy = total.occupancy("Norte", initial=3)
    assert (occupancy.entries, occupancy.exits, occupancy.count, occupancy.unmatched_exits) == (2, 1, 16, 0)
    assert total.peak(3) == 17


def test_a_correction_below_zero_stops_at_zero() -> None:
    assert OccupancyDelta.of([1]).then(OccupancyDelta.correction(-5)).occupancy("Norte").count == 0
