"""How many crossed each door, and which way."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from aforo.counting.doors import OTHER_DOORS, Crossings, Doors, SourceMinute, by_source_and_minute, crossings, minute_of
from aforo.models import MINUTE_MS, CameraEvent, Classification, EventSource, Movement, to_ms

START = datetime(2026, 3, 7, 21, tzinfo=UTC)
HISTORY = Classification(True, ())


def event(number: int, seconds: float, name: str = "PUERTA 1", activity: str = "OBJECT_COUNTING_ENTER") -> CameraEvent:
    return CameraEvent("srv", str(number), START + timedelta(seconds=seconds), "A", name, "", activity)


def test_the_zones_rule_gives_the_direction_and_else_the_cameras_activity() -> None:
    enters, leaves = [Movement("Norte", 1)], [Movement("Norte", -1)]
    assert crossings("OBJECT_COUNTING_EXIT", enters, 2) == Crossings(entries=2)
    assert crossings("OBJECT_COUNTING_ENTER", leaves, 2) == Crossings(exits=2)
    assert crossings("OBJECT_COUNTING_ENTER", [], 1) == Crossings(entries=1)
    assert crossings("OBJECT_LEAVES", [], 1) == Crossings(exits=1)
    assert crossings("OBJECT_PRESENT", [], 3) == Crossings(others=3)


def test_a_doors_minutes_add_up() -> None:
    doors = Doors()
    minute = to_ms(START)
    source = EventSource("A", " Puerta 1 ", "", "OBJECT_COUNTING_ENTER")
    assert doors.add(SourceMinute(source, minute), HISTORY, 4) == "PUERTA 1"
    doors.add(SourceMinute(source._replace(activity="OBJECT_COUNTING_EXIT"), minute + MINUTE_MS), HISTORY)
    door = doors.get("PUERTA 1")
    assert (door.name, door.camera_id, door.people, door.zone) == ("Puerta 1", "A", True, "")
    assert (door.total, door.total.total) == (Crossings(4, 1), 5)
    assert door.between(minute, minute + MINUTE_MS) == Crossings(4)
    assert door.between(minute + 1, minute + 2 * MINUTE_MS) == Crossings(0, 1), "only minutes that begin inside"


def test_however_many_names_come_the_doors_are_bounded() -> None:
    doors = Doors()
    for number in range(500):
        doors.add(SourceMinute(EventSource("A", f"PUERTA {number}", "", ""), 0), HISTORY)
    found = list(doors)
    assert len(found) == 401
    assert found[-1].name == OTHER_DOORS
    assert sum(door.total.total for door in found) == 500


@given(st.lists(st.tuples(st.integers(0, 600), st.sampled_from(["PUERTA 1", "PUERTA 2"])), max_size=60))
def test_events_are_counted_once_by_source_and_minute(moments: list[tuple[int, str]]) -> None:
    events = [event(number, seconds, name) for number, (seconds, name) in enumerate(sorted(moments))]
    counted: dict[SourceMinute, int] = {}
    for reported, count in by_source_and_minute(events):
        assert reported not in counted
        counted[reported] = count
    expected: dict[SourceMinute, int] = {}
    for one in events:
        key = SourceMinute(one.source, minute_of(one))
        expected[key] = expected.get(key, 0) + 1
    assert counted == expected
