import random
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from statistics import fmean, pvariance

import pytest

from aforo.simulator import (
    Crowd,
    CrowdDoor,
    CrowdOptions,
    CrowdPlan,
    CrowdTruth,
    DoorMinutes,
    Misses,
    Scenario,
    ScenarioPlan,
)
from aforo.simulator.crowd import instants
from aforo.simulator.event_log import instant_of, milliseconds

MINUTES = 300
START = datetime(2026, 11, 20, 23, tzinfo=UTC)
END = START + timedelta(minutes=MINUTES)


def plan(*doors: CrowdDoor, people: int = 6_000, **changes: object) -> CrowdPlan:
    return CrowdPlan(doors or (CrowdDoor(), CrowdDoor()), MINUTES, people, **changes)  # type: ignore[arg-type]


def total(minutes: DoorMinutes) -> tuple[int, int]:
    return sum(minutes.entries), sum(minutes.exits)


def test_the_same_seed_makes_the_same_crowd() -> None:
    some = plan(CrowdDoor(of_entries=Misses(0.1, 0.1)), clumping=0.3)
    assert Crowd.of(some, 4) == Crowd.of(some, 4) != Crowd.of(some, 5)


def test_the_truth_is_who_was_there_plus_who_came_less_who_left() -> None:
    crowd = Crowd.of(plan(inside=120, returning=0.1, staying=0.02, group_sizes=(1, 2, 1)), 1)
    came, left = (sum(column) for column in zip(*map(total, crowd.crossed), strict=True))
    steps = [sum(d.entries[m] - d.exits[m] for d in crowd.crossed) for m in range(MINUTES)]
    assert came > 6_000  # who comes back enters twice
    assert [crowd.inside(minute) for minute in range(MINUTES + 1)] == list(accumulate(steps, initial=120))
    assert crowd.inside(MINUTES) == 120 + came - left
    assert min(map(crowd.inside, range(MINUTES + 1))) >= 0
    assert 60 <= crowd.inside(MINUTES) <= 240


def test_cameras_without_faults_count_the_truth() -> None:
    crowd = Crowd.of(plan(inside=50), 2)
    assert crowd.counted == crowd.crossed


def test_misses_and_doubles_are_of_the_door_and_of_the_direction() -> None:
    wrong = CrowdDoor(of_entries=Misses(0.10, 0.02), of_exits=Misses(0.0, 0.05))
    crowd = Crowd.of(plan(wrong, CrowdDoor(), people=40_000), 3)
    (entries, exits), (counted_entries, counted_exits) = total(crowd.crossed[0]), total(crowd.counted[0])
    assert counted_entries / entries == pytest.approx(0.9 * 1.02, abs=0.01)
    assert counted_exits / exits == pytest.approx(1.05, abs=0.01)
    assert crowd.counted[1] == crowd.crossed[1]


def test_misses_grow_where_many_cross_and_drift_over_the_event() -> None:
    door = CrowdDoor(of_entries=Misses(0.05))
    steady = plan(door, people=40_000, arrival=(0.5, 0.2), departure=(0.99, 0.01), staying=1.0)

    def missed(some: CrowdPlan, first: int, last: int) -> float:
        crowd = Crowd.of(some, 4)
        crossed, counted = (sum(one[0].entries[first:last]) for one in (crowd.crossed, crowd.counted))
        return 1 - counted / crossed

    assert missed(steady, 0, MINUTES) == pytest.approx(0.05, abs=0.005)
    crowded = CrowdPlan(**{name: getattr(steady, name) for name in steady.__slots__} | {"crowding": 1.0})
    assert missed(crowded, 100, 200) == pytest.approx(0.10, abs=0.01)  # hundreds a minute: twice as many misses
    drifting = plan(CrowdDoor(of_entries=Misses(0.05), drift=4.0), people=40_000, arrival=(0.5, 0.2), staying=1.0)
    assert missed(drifting, 225, MINUTES) > 2 * missed(drifting, 0, 75)


def test_a_one_way_door_lets_people_out_and_counts_none_of_them() -> None:
    crowd = Crowd.of(plan(CrowdDoor(counts_exits=False), CrowdDoor()), 5)
    assert total(crowd.crossed[0])[1] > 1_000
    assert total(crowd.counted[0])[1] == 0
    assert crowd.counted[1] == crowd.crossed[1]


def test_groups_cross_in_one_minute_and_spread_the_counts() -> None:
    def spread(*group_sizes: float) -> float:
        crowd = Crowd.of(plan(CrowdDoor(), people=3_000, arrival=(0.5, 5.0), group_sizes=group_sizes), 6)
        return pvariance(crowd.crossed[0].entries) / fmean(crowd.crossed[0].entries)

    assert spread(1.0) < 1.4
    assert spread(0.0, 0.0, 0.0, 1.0) > 3.0  # groups of four: four times the variance of people who come alone


def test_a_door_counts_double_from_a_minute_on() -> None:
    crowd = Crowd.of(plan(CrowdDoor(doubles_from=100)), 7)
    for crossed, counted in zip(crowd.crossed[0].entries, crowd.counted[0].entries[:100], strict=False):
        assert counted == crossed
    assert crowd.counted[0].exits[100:] == [2 * people for people in crowd.crossed[0].exits[100:]]


@pytest.mark.parametrize(("crossed", "counted"), [(5, 5), (5, 3), (5, 8), (0, 0)])
def test_recorded_instants_are_those_of_crossings_and_second_events_about_them(crossed: int, counted: int) -> None:
    happened, recorded = instants(crossed, counted, 60_000, random.Random(1))
    assert (len(happened), len(recorded)) == (crossed, counted)
    assert all(60_000 <= at < 120_000 for at in (*happened, *recorded))
    assert {at for at in recorded if at not in happened} <= {at + 400 for at in happened}
    assert len(set(recorded) & set(happened)) == min(crossed, counted)


def test_the_truth_counts_the_crossings_of_an_instant() -> None:
    truth = CrowdTruth(10, {"a": ([1_000, 3_000], [4_000]), "b": ([], [3_000])})
    instants = [instant_of(at) for at in (999, 1_000, 2_999, 3_000, 4_000)]
    assert [truth.inside(at) for at in instants] == [10, 11, 11, 11, 10]
    assert truth.inside(instants[-1], {"a"}) == 1
    assert truth.inside(instants[-1], ["b"]) == -1


def recorded(crowd: CrowdOptions | None) -> Scenario:
    return Scenario(ScenarioPlan(START, END, cameras=20, events=500, crowd=crowd))


def test_a_scenario_s_crowd_is_recorded_at_its_doors_and_its_cars_as_ever() -> None:
    options = CrowdOptions(people=3_000, inside=50, missed=0.0, doubled=0.0)
    scenario = recorded(options)
    truth = scenario.crowd
    assert truth is not None
    crossings = [
        one
        for one in scenario.event_log.crossings(milliseconds(START), milliseconds(END), scenario.allowed)
        if one.kind.subclass.startswith("PERSON") and one.kind.activity.startswith("OBJECT_COUNTING")
    ]
    one_way = {camera.id for camera in scenario.cameras[7:9]}  # Sencia Sur, Maratón
    for share in (0.3, 0.5, 0.95):
        at = START + share * (END - START)
        by_door = dict.fromkeys(truth.doors, 0)
        for one in crossings:
            if one.at <= milliseconds(at):
                by_door[one.kind.camera_id] += 1 if one.kind.activity.endswith("ENTER") else -1
        for camera_id, balance in by_door.items():
            uncounted = balance - truth.inside(at, {camera_id})
            assert uncounted >= 0 if camera_id in one_way else uncounted == 0
        assert truth.inside(at) == 50 + sum(truth.inside(at, {door}) for door in truth.doors)
    assert {one.kind.camera_id for one in crossings} == set(truth.doors)
    zones = scenario.truth().between(START, END, scenario.allowed).zones
    assert all(zones[name].entries > 20 for name in ("Parqueadero Norte", "Campinsito", "Zona Sur"))
    assert recorded(None).crowd is None


def test_what_the_doors_count_differs_from_the_crowd_s_truth() -> None:
    scenario = recorded(CrowdOptions(people=6_000, missed=0.1, doubled=0.0, spread=0.0, crowding=0.0))
    truth, late = scenario.crowd, START + 0.6 * (END - START)
    assert truth is not None
    history = scenario.truth().between(START, late, scenario.allowed).history
    counted = sum(1 if row.activity.endswith("ENTER") else -1 for row in history)
    assert counted / truth.inside(late) == pytest.approx(0.9, abs=0.02)
