"""When the next live read is due: soon while crossings come and answers are quick, never above the load."""

import pytest

from aforo.ingestion.live_pace import LivePace


def read(pace: LivePace, *, seconds: float = 0.05, failed: bool = False) -> tuple[float, float]:
    """Make a live read when it is due; return when it began and when the next one is due."""
    began = max(0.0, pace.due_at)
    pace.begin(began)
    pace.end(began + seconds, failed=failed)
    return began, pace.due_at


def test_it_stays_short_while_crossings_come() -> None:
    pace = LivePace(5, 60, 0.2)
    for _ in range(100):
        began, due = read(pace)
        assert due - began == pytest.approx(5)
        pace.news(began)


def test_while_nothing_happens_it_becomes_longer_and_the_first_crossing_shortens_it() -> None:
    pace = LivePace(5, 60, 0.2)
    pauses = [due - began for began, due in (read(pace) for _ in range(30))]
    assert pauses[:10] == pytest.approx([5.0] * 10)
    assert pauses == sorted(pauses)
    assert pauses[-1] == pytest.approx(60)
    began = pace.due_at - 60
    pace.news(began + 20)
    assert pace.due_at - began == pytest.approx(5)


def test_failures_make_it_longer_though_crossings_come() -> None:
    pace = LivePace(5, 60, 0.2)
    pauses = []
    for _ in range(6):
        began, due = read(pace, failed=True)
        pace.news(began)
        pauses.append(due - began)
    assert pauses == pytest.approx([10, 20, 40, 60, 60, 60])
    began, due = read(pace)
    assert due - began == pytest.approx(5)


@pytest.mark.parametrize("load", [0.01, 0.2, 1.0])
@pytest.mark.parametrize("seconds", [0.01, 0.9, 2.5, 20.0])
def test_no_more_of_the_time_than_the_load_is_spent(load: float, seconds: float) -> None:
    pace = LivePace(1, 60, load)
    first, due = 0.0, 0.0
    for _ in range(50):
        began, due = read(pace, seconds=seconds)
        pace.news(began)
        pace.hurry()
    assert 50 * seconds / (due - first) <= load * 1.000001


def test_a_hurry_comes_at_once_and_once() -> None:
    pace = LivePace(5, 60, 0.2)
    began, due = read(pace)
    pace.hurry()
    assert pace.due_at == pytest.approx(began + 0.05 / 0.2)
    again, due = read(pace)
    assert due - again == pytest.approx(5)


def test_there_is_none_where_the_poll_cycles_come_as_often_but_in_a_hurry() -> None:
    pace = LivePace(5, 5, 0.2)
    assert pace.due_at == float("inf")
    pace.hurry()
    assert pace.due_at < 0
    read(pace)
    assert pace.due_at == float("inf")


def test_a_feed_that_is_caught_up_or_was_just_read_is_left_out() -> None:
    pace = LivePace(5, 60, 0.2)
    assert pace.is_worth_reading(behind=60, age=5)
    assert not pace.is_worth_reading(behind=3600, age=5)
    assert not pace.is_worth_reading(behind=1, age=1)
