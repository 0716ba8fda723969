import random

import pytest

from aforo.counting.door_activity import DoorActivity, DoorCondition, DoorWatch
from aforo.counting.doors import Doors, SourceMinute
from aforo.models import MINUTE_MS, Classification, EventSource

HISTORY = Classification(True, ())
DOORS = 10


def watched(
    rate: float,
    *,
    others: float = 8.0,
    dies: int = 60,
    returns: int = 90,
    lasts: int = 90,
    extra: int = 0,
    seed: int = 1,
) -> list[DoorActivity]:
    """What is said, minute by minute, of a door that dies (or counts ``extra`` a minute more) in that minute."""
    chance = random.Random(seed)
    doors, watch = Doors(), DoorWatch()
    said = []
    for minute in range(90):
        for number in range(DOORS):
            mean = rate if number == 0 else others
            count = sum(chance.random() < mean / 60 for _ in range(60))
            if number == 0 and dies <= minute < returns:
                count = count + extra if extra else 0
            if count:
                name = f"PUERTA {number}"
                source = EventSource("c", name, "", "OBJECT_COUNTING_ENTER")
                key = doors.add(SourceMinute(source, minute * MINUTE_MS), HISTORY, count)
                doors.get(key).last_ms = minute * MINUTE_MS + 59_000
        said.append(watch.update(doors, 0, (minute + 1) * MINUTE_MS)["PUERTA 0"])
    return said


@pytest.mark.parametrize(("rate", "within"), [(20, 3), (6, 3), (2, 14)])
def test_a_door_that_dies_is_silent_since_it_last_counted(rate: float, within: int) -> None:
    said = watched(rate)
    conditions = [one.condition for one in said]
    assert DoorCondition.SILENT not in conditions[:60]
    assert conditions[60 + within] is DoorCondition.SILENT
    since = said[60 + within].since_ms
    assert since is not None
    assert 55 * MINUTE_MS < since <= 60 * MINUTE_MS


def test_a_door_that_counts_again_is_not_silent() -> None:
    said = watched(20, dies=60, returns=70)
    assert said[69].condition is DoorCondition.SILENT
    assert {one.condition for one in said[70:]} == {DoorCondition.COUNTS}


def test_of_a_quiet_door_a_silence_cannot_be_known() -> None:
    said = watched(0.2)
    assert {one.condition for one in said[30:70]} == {DoorCondition.UNKNOWN}
    assert 0.02 < said[59].expected < 0.6


def test_where_all_doors_are_silent_no_single_one_is() -> None:
    said = watched(20, others=0.0, dies=60)
    assert DoorCondition.SILENT not in {one.condition for one in said}


def test_a_door_that_counts_far_too_much_is_in_excess_and_makes_no_other_silent() -> None:
    said = watched(3, extra=60)
    assert DoorCondition.EXCESS not in {one.condition for one in said[:60]}
    assert said[69].condition is DoorCondition.EXCESS


def test_before_anything_was_counted_nothing_is_known() -> None:
    assert DoorWatch().update(Doors(), 0, 60 * MINUTE_MS) == {}
