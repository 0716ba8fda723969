"""Order, repetition and lateness never change the aforo: the stretches say the same as one plain loop."""

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from aforo.counting.occupancy import OccupancyDelta, composed

deltas = st.lists(st.sampled_from([1, -1]), max_size=60)


def plain_count(passages: list[int], initial: int) -> tuple[int, int, int]:
    """The mission's words as a loop: the count, the exits swallowed at zero, the highest count."""
    count, swallowed, peak = initial, 0, initial
    for delta in passages:
        if count + delta < 0:
            swallowed += 1
        else:
            count += delta
        peak = max(peak, count)
    return count, swallowed, peak


@given(deltas, st.integers(0, 5))
def test_one_stretch_says_what_the_loop_says(passages: list[int], initial: int) -> None:
    stretch = OccupancyDelta.of(passages)
    count, swallowed, peak = plain_count(passages, initial)
    occupancy = stretch.occupancy("Norte", initial)
    assert (occupancy.count, occupancy.unmatched_exits, stretch.peak(initial)) == (count, swallowed, peak)
    assert (occupancy.entries, occupancy.exits) == (passages.count(1), passages.count(-1))


@given(deltas, st.lists(st.integers(0, 60), max_size=8), st.integers(0, 5))
def test_any_cut_into_minutes_gives_the_same(passages: list[int], cuts: list[int], initial: int) -> None:
    edges = [0, *sorted(min(cut, len(passages)) for cut in cuts), len(passages)]
    pieces = {
        minute: OccupancyDelta.of(passages[start:end]) for minute, (start, end) in enumerate(itertools.pairwise(edges))
    }
    shuffled = dict(random.Random(len(passages)).sample(sorted(pieces.items()), len(pieces)))
    assert composed(shuffled) == OccupancyDelta.of(passages)
    assert composed(shuffled).occupancy("Norte", initial) == OccupancyDelta.of(passages).occupancy("Norte", initial)


@given(st.lists(deltas, min_size=3, max_size=3))
def test_joining_does_not_depend_on_the_grouping(parts: list[list[int]]) -> None:
    a, b, c = map(OccupancyDelta.of, parts)
    assert a.then(b).then(c) == a.then(b.then(c))
    assert OccupancyDelta().then(a) == a.then(OccupancyDelta()) == a


def test_an_exit_at_zero_leaves_it_at_zero_and_is_counted() -> None:
    occupancy = OccupancyDelta.of([-1, -1, 1]).occupancy("Norte")
    assert (occupancy.count, occupancy.unmatched_exits) == (1, 2)


def test_a_correction_moves_the_count_and_is_neither_entry_nor_exit() -> None:
    stretch = OccupancyDelta.of([1, 1]).then(OccupancyDelta.correction(12)).then(OccupancyDelta.of([-1]))
    occupancy = stretch.occupancy("Norte", initial=3)
    assert (occupancy.entries, occupancy.exits, occupancy.count, occupancy.unmatched_exits) == (2, 1, 16, 0)
    assert stretch.peak(3) == 17


def test_a_correction_below_zero_stops_at_zero() -> None:
    assert OccupancyDelta.of([1]).then(OccupancyDelta.correction(-5)).occupancy("Norte").count == 0
