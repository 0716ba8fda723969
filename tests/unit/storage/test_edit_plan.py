"""What opening an event changes in the database, by what is stored and by the schedule and the rules."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aforo.models import ScheduledEvent, Window
from aforo.storage.edit_plan import OpeningPlan, RecordEdit, StoredEvent, TimeGiven, plan_opening

DAY = date(2026, 1, 17)
START = datetime(2026, 1, 17, 21, tzinfo=UTC)


def window(since: float, until: float) -> Window:
    """Hours after the start."""
    return Window(START + timedelta(hours=since), START + timedelta(hours=until))


def event(name: str, since: float, until: float) -> ScheduledEvent:
    return ScheduledEvent(DAY, name, window(since, until))


def stored(id_: int, name: str, since: float, until: float, rules: str = "r") -> StoredEvent:
    return StoredEvent(id_, event(name, since, until), rules)


def test_an_event_that_nothing_stored_overlaps_is_new() -> None:
    assert plan_opening(event("A", 0, 7), "r", []) == OpeningPlan(None, None, ())


def test_a_stored_event_that_is_up_to_date_is_not_edited() -> None:
    assert plan_opening(event("A", 0, 7), "r", [stored(3, "A", 0, 7)]) == OpeningPlan(3, None, ())


@pytest.mark.parametrize(
    ("now", "rules", "recount", "clear_checkpoints"),
    [
        (event("B", 0, 7), "r", False, False),  # renamed
        (event("A", 0, 8), "r", True, False),  # a later end
        (event("A", 1, 7), "r", True, False),  # a later start
        (event("A", -1, 7), "r", True, True),  # an earlier start: nothing was read for that time
        (event("A", 0, 7), "other", True, True),
        (ScheduledEvent(DAY + timedelta(days=1), "A", window(0, 7)), "r", False, False),  # listed under another date
    ],
)
def test_what_follows_from_an_edit(now: ScheduledEvent, rules: str, recount: bool, clear_checkpoints: bool) -> None:
    plan = plan_opening(now, rules, [stored(3, "A", 0, 7)])
    assert plan.record_id == 3
    assert plan.edit == RecordEdit(event("A", 0, 7), now, rules != "r", clear_checkpoints)
    assert plan.edit.recount == recount


def test_the_same_name_counts_more_than_the_time_in_common() -> None:
    plan = plan_opening(event("A", 0, 6), "r", [stored(1, "B", 0, 5), stored(2, "A", 5, 9)])
    assert plan.record_id == 2
    assert plan.given == (TimeGiven(1, window(0, 5), window(5, 5)),)
    assert plan.given[0].ends


def test_another_name_needs_half_of_the_shorter_ones_time() -> None:
    assert plan_opening(event("B", 0, 4), "r", [stored(1, "A", 2, 10)]).record_id == 1
    assert plan_opening(event("B", 0, 4), "r", [stored(1, "A", 2.1, 10)]).record_id is None


def test_of_several_the_one_with_the_most_time_in_common_is_edited() -> None:
    plan = plan_opening(event("C", 0, 6), "r", [stored(1, "A", 0, 2), stored(2, "B", 2, 6)])
    assert plan.record_id == 2
    assert [giver.id for giver in plan.given] == [1]


@pytest.mark.parametrize(
    ("other", "given", "left"),
    [
        (stored(1, "A", -6, 1), window(0, 1), window(-6, 0)),  # it keeps its beginning
        (stored(1, "A", 3, 11), window(3, 4), window(4, 11)),  # it keeps its end
        (stored(1, "A", -9, 9), window(0, 4), window(-9, 0)),  # of both, the beginning
    ],
)
def test_an_overlapping_event_gives_the_time_in_common(other: StoredEvent, given: Window, left: Window) -> None:
    opened = ScheduledEvent(DAY, "B", window(0, 4))
    plan = plan_opening(opened, "r", [stored(2, "B", 0, 4), other])
    assert plan == OpeningPlan(2, None, (TimeGiven(1, given, left),))
    assert not plan.given[0].ends


_hours = st.tuples(st.integers(-5, 15), st.integers(1, 9)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(_hours, st.lists(_hours, max_size=4))
def test_what_is_left_to_the_others_overlaps_the_opened_event_no_more(
    opened: tuple[int, int], others: list[tuple[int, int]]
) -> None:
    overlapping = [
        stored(number, f"E{number}", *hours)
        for number, hours in enumerate(others)
        if hours[0] < opened[1] and hours[1] > opened[0]
    ]
    plan = plan_opening(event("X", *opened), "r", overlapping)
    assert {giver.id for giver in plan.given} | {plan.record_id} - {None} == {one.id for one in overlapping}
    since, until = window(*opened)
    for giver in plan.given:
        assert giver.left.until <= since or giver.left.since >= until or giver.ends
        assert giver.left.since <= giver.left.until
