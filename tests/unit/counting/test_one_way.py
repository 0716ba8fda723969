"""Doors that count one direction only."""

import pytest

from aforo.counting.one_way import Directions, OneWayDoor
from aforo.models import Classification, EventSource, Movement


def directions(*counted: tuple[str, str, int, int]) -> Directions:
    """Doors as (zone, name, entries, exits); each is at a camera of its own name."""
    made = Directions()
    for zone, name, entries, exits in counted:
        for delta, count in ((1, entries), (-1, exits)):
            if count:
                source = EventSource(f"CAM {name}", name, "", "")
                made.add(source, Classification(True, (Movement(zone, delta),)), count)
    return made


def test_a_door_without_exits_beside_doors_with_both() -> None:
    made = directions(("Z", "PUERTA 1", 100, 60), ("Z", "ENTRADA", 40, 0))
    assert made.one_way(complete=False, surely=True) == [OneWayDoor("Z", "ENTRADA", "CAM ENTRADA", True, 40)]


def test_a_door_without_entries() -> None:
    made = directions(("Z", "PUERTA 1", 60, 100), ("Z", "SALIDA", 0, 40))
    (door,) = made.one_way(complete=False, surely=True)
    assert (door.name, door.entries, door.number) == ("SALIDA", False, 40)


@pytest.mark.parametrize(("exits", "surely"), [(19, []), (20, ["ENTRADA"])])
def test_chance_is_left_out_while_people_come(exits: int, surely: list[str]) -> None:
    """Of 100 entries at the other door 20 went out again: of 40 here, 8 would have."""
    made = directions(("Z", "PUERTA 1", 100, exits), ("Z", "ENTRADA", 40, 0))
    assert [door.name for door in made.one_way(complete=False, surely=True)] == surely
    assert [door.name for door in made.one_way(complete=True, surely=False)] == ["ENTRADA"]


def test_lanes_of_a_car_park_are_not_meant() -> None:
    made = directions(("P", "INGRESO", 300, 0), ("P", "SALIDA", 0, 280))
    assert made.one_way(complete=True, surely=True) == made.one_way(complete=True, surely=False) == []


def test_before_anybody_leaves_nothing_is_known() -> None:
    made = directions(("Z", "PUERTA 1", 300, 0), ("Z", "PUERTA 2", 200, 0))
    assert made.one_way(complete=False, surely=True) == []
    assert len(made.one_way(complete=True, surely=True)) == 2
    assert len(made.one_way(complete=False, surely=True, by_rule={"Z"})) == 2


def test_one_name_at_two_cameras_is_two_doors_and_its_spellings_are_one() -> None:
    made = Directions()
    for camera, name, delta in (("A", "Puerta 1", 1), ("A", "PUERTA  1 ", -1), ("B", "PUERTA 1", 1)):
        made.add(EventSource(camera, name, "", ""), Classification(True, (Movement("Z", delta),)), 50)
    assert [(door.camera_id, door.name) for door in made.one_way(complete=False, surely=True)] == [("B", "PUERTA 1")]


def test_a_flood_of_names_takes_bounded_memory() -> None:
    made = directions(*(("Z", f"N{number}", 1, 0) for number in range(5_000)))
    assert len(made.one_way(complete=True, surely=False)) == 2_000
