"""Zones that are added up."""

from hypothesis import given
from hypothesis import strategies as st

from aforo.counting.totals import summed_curve, sums
from aforo.models import Occupancy, Total

NORTH, SOUTH = Occupancy("Norte", 5, 2, 3, 0), Occupancy("Sur", 1, 4, 0, 3)


def test_every_figure_is_the_sum_of_the_zones() -> None:
    both = Total("Carros", ("Norte", "Sur"))
    assert sums([both], {"Norte": NORTH, "Sur": SOUTH}) == {"Carros": Occupancy("Carros", 6, 6, 3, 3)}


def test_a_total_of_a_zone_that_is_not_counted_has_no_figure() -> None:
    assert sums([Total("Carros", ("Norte", "Sur"))], {"Norte": NORTH}) == {}


def test_between_two_minutes_a_zone_keeps_its_count() -> None:
    assert summed_curve([(2, {60: 5, 180: 1}), (10, {120: 11})]) == [(60, 15), (120, 16), (180, 12)]
    assert summed_curve([]) == []


@given(st.lists(st.tuples(st.integers(0, 9), st.dictionaries(st.integers(0, 20), st.integers(0, 99))), max_size=4))
def test_the_curve_is_the_sum_at_each_of_its_minutes(curves: list[tuple[int, dict[int, int]]]) -> None:
    for minute, count in summed_curve(curves):
        parts = []
        for initial, curve in curves:
            before = [at for at in curve if at <= minute]
            parts.append(curve[max(before)] if before else initial)
        assert count == sum(parts)
