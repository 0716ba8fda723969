"""A zone's minutes, composed up to each one: the same as composing all of them anew."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aforo.counting.occupancy import CORRECTION, MinuteDelta, OccupancyDelta, TimedMovement, composed
from aforo.counting.zone_series import ZoneSeries
from aforo.models import MINUTE_MS

steps = st.lists(st.sampled_from([1, -1]), min_size=1, max_size=8)


def movements(minute: int, deltas: list[int]) -> list[TimedMovement]:
    return [(minute * MINUTE_MS + number, number, "srv", str(number), delta) for number, delta in enumerate(deltas)]


def minute_delta(minute: int, deltas: list[int]) -> MinuteDelta:
    return MinuteDelta.of(movements(minute, deltas))


@given(st.lists(st.tuples(st.integers(0, 9), steps), max_size=25), st.integers(0, 3))
def test_whatever_the_order_of_the_minutes_the_counts_are_those_of_a_plain_loop(
    puts: list[tuple[int, list[int]]], initial: int
) -> None:
    series = ZoneSeries(initial)
    known: dict[int, OccupancyDelta] = {}
    for minute, deltas in puts:
        series.put(minute * MINUTE_MS, minute_delta(minute, deltas))
        known[minute * MINUTE_MS] = OccupancyDelta.of(deltas)
        assert series.total() == composed(known)
    assert series.deltas() == dict(sorted(known.items()))
    count, curve = initial, []
    for minute in sorted(known):
        count = known[minute].after(count)
        curve.append((minute, count))
    assert series.curve({}) == curve
    for minute, count in curve:
        assert series.count(minute + 1, {}) == count
    assert series.count(0, {}) == initial


@given(
    st.lists(st.tuples(st.integers(0, 5), steps), max_size=10),
    st.lists(st.tuples(st.integers(0, 5), steps), max_size=6),
)
def test_what_is_not_stored_comes_at_its_minutes_end(
    stored: list[tuple[int, list[int]]], waiting: list[tuple[int, list[int]]]
) -> None:
    series, known = ZoneSeries(), dict[int, OccupancyDelta]()
    for minute, deltas in stored:
        series.put(minute * MINUTE_MS, minute_delta(minute, deltas))
        known[minute * MINUTE_MS] = OccupancyDelta.of(deltas)
    pending = {minute * MINUTE_MS: OccupancyDelta.of(deltas) for minute, deltas in waiting}
    both = {
        minute: known.get(minute, OccupancyDelta()).then(pending.get(minute, OccupancyDelta()))
        for minute in known.keys() | pending.keys()
    }
    assert series.deltas(pending) == dict(sorted(both.items()))
    for minute in both:
        until = {one: delta for one, delta in both.items() if one <= minute}
        assert series.count(minute + 1, pending) == composed(until).after(0)


def test_a_minute_taken_out_is_gone() -> None:
    series = ZoneSeries(0, {0: minute_delta(0, [1, 1]), MINUTE_MS: minute_delta(1, [-1])})
    assert series.total().after(0) == 1
    series.remove(0)
    assert (list(series), series.get(0), series.delta(0)) == ([MINUTE_MS], None, OccupancyDelta())
    assert 0 not in series
    assert series.total().after(0) == 0
    with pytest.raises(KeyError):
        series.remove(0)


def test_a_correction_inside_a_minute_is_neither_entry_nor_exit() -> None:
    run = movements(0, [1, 1])
    run.append((1, CORRECTION, "", "fix", 5))
    run.append((2, 0, "srv", "9", -1))
    minute = MinuteDelta.of(run)
    occupancy = minute.delta.occupancy("Norte")
    assert (occupancy.entries, occupancy.exits, occupancy.count, minute.last_ms) == (2, 1, 6, 2)


@given(steps, steps)
def test_a_later_part_of_a_minute_can_be_joined(first: list[int], second: list[int]) -> None:
    whole = movements(0, first + second)
    parts = [MinuteDelta.of(part) for part in (whole[: len(first)], whole[len(first) :])]
    joined = list(itertools.accumulate(parts, MinuteDelta.then))[-1]
    assert joined == MinuteDelta.of(whole)
