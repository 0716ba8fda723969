"""Which journal entries meet a window, and when no program ran."""

from datetime import UTC, datetime, timedelta

import pytest

from aforo.models import Window
from aforo.storage.journal import JournalEntry, JournalKind, gaps, touches

START = datetime(2026, 1, 17, 21, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(hours=1))


def minutes(count: float) -> datetime:
    return START + timedelta(minutes=count)


def entry(began: float, ended: float | None, kind: JournalKind = JournalKind.INSTANCE) -> JournalEntry:
    return JournalEntry(1, 1, kind, "", minutes(began), None if ended is None else minutes(ended), "")


@pytest.mark.parametrize(
    ("began", "ended", "meets"),
    [(-5, -1, False), (-5, 0, False), (-5, 1, True), (59, 70, True), (60, 70, False), (-5, None, True)],
)
def test_an_entry_touches_a_window_that_it_shares_time_with(began: float, ended: float | None, meets: bool) -> None:
    assert touches(entry(began, ended), WINDOW, now=minutes(90)) is meets


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([], []),  # nothing is known of who ran
        ([(-10, 61)], []),
        ([(-10, 20), (20.4, 60)], []),  # a restart
        ([(-10, 20), (21, 60)], [(20, 21)]),
        ([(5, 60)], [(0, 5)]),
        ([(-10, 54)], [(54, 60)]),
        ([(-10, 56)], []),  # signs of life are some minutes apart
        ([(30, 60), (-10, 20)], [(20, 30)]),  # in whatever order
        ([(-10, 50), (0, 20), (40, 60)], []),  # two at once
        ([(70, 80)], [(0, 60)]),
    ],
)
def test_gaps_are_when_no_program_ran(runs: list[tuple[float, float]], expected: list[tuple[float, float]]) -> None:
    found = list(gaps([entry(*run) for run in runs], WINDOW))
    assert found == [Window(minutes(since), minutes(until)) for since, until in expected]
