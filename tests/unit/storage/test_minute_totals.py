"""Which minutes of an event are read together: few trips to the database, in bounded memory."""

from collections.abc import Callable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from aforo.storage.minute_totals import MOST_MINUTES, MOST_MOVEMENTS, spans

MINUTE = 60_000


def read_together(minutes: Sequence[int], movements: Callable[[int], int]) -> list[tuple[int, int]]:
    found = spans([minute * MINUTE for minute in minutes], lambda start: movements(start // MINUTE))
    return [(since // MINUTE, until // MINUTE) for since, until in found]


def test_quiet_minutes_are_read_together_and_busy_ones_one_by_one() -> None:
    assert read_together(range(100, 130), lambda _: 80) == [(100, 115), (115, 130)]
    assert read_together(range(100, 103), lambda _: 2 * MOST_MOVEMENTS) == [(100, 101), (101, 102), (102, 103)]
    assert read_together([100, 110], lambda minute: 2_000 if 100 < minute < 110 else 1) == [(100, 101), (110, 111)]
    assert read_together([], lambda _: 1) == []


@given(st.sets(st.integers(0, 200)), st.lists(st.integers(0, 2 * MOST_MOVEMENTS), min_size=201, max_size=201))
def test_every_minute_is_read_once_and_no_read_is_too_much(wanted: set[int], camera_events: list[int]) -> None:
    found = read_together(sorted(wanted), camera_events.__getitem__)
    read = [minute for since, until in found for minute in range(since, until)]
    assert len(read) == len(set(read))
    assert wanted <= set(read)
    for since, until in found:
        assert until - since <= MOST_MINUTES
        assert until - since == 1 or sum(camera_events[since:until]) <= MOST_MOVEMENTS
