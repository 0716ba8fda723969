from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from aforo.simulator import Crossing, Scenario, ScenarioPlan
from aforo.simulator.event_log import milliseconds

START = datetime(2026, 11, 20, 23, tzinfo=UTC)
END = START + timedelta(hours=4)
ZONES = ("Parqueadero Norte", "Campinsito", "Zona Sur")


def plan(**changes: object) -> ScenarioPlan:
    return ScenarioPlan(START, END, **changes)  # type: ignore[arg-type]


def everything(scenario: Scenario) -> list[Crossing]:
    cameras = [camera.id for camera in scenario.cameras]
    day = timedelta(days=1)
    return list(scenario.event_log.crossings(milliseconds(START - day), milliseconds(END + day), cameras))


def inside(crossing: Crossing) -> bool:
    return milliseconds(START) <= crossing.at < milliseconds(END)


def test_the_same_seed_makes_the_same_event() -> None:
    first, again, other = (everything(Scenario(plan(seed=seed))) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_an_event_has_what_breaks_a_naive_count() -> None:
    scenario = Scenario(plan(events=5_000))
    crossings = everything(scenario)
    answer = scenario.truth().between(START, END, scenario.allowed)
    seen = {crossing.kind.name for crossing in crossings}

    assert sum(map(inside, crossings)) >= 5_000
    assert {crossing.at for crossing in crossings} >= {milliseconds(START) - 1, milliseconds(START), milliseconds(END)}
    assert {crossing.kind.camera_id for crossing in crossings if inside(crossing)} >= set(scenario.strangers)
    assert seen >= {"AFORO SALIDA SENCIA NORTE", "INGRESO PERSONAS ENTRADA MARATON 2", "PARQUEADERO ORIENTE"}
    assert len(answer.history) < sum(answer.accepted.values()) < sum(map(inside, crossings))
    assert all(answer.zones[zone].swallowed > 0 and answer.zones[zone].aforo > 0 for zone in ZONES)


def test_people_come_before_the_match_and_go_after_it() -> None:
    scenario = Scenario(plan(events=5_000))
    middle = milliseconds(START + (END - START) / 2)
    doors = [
        crossing for crossing in everything(scenario) if crossing.kind.name.startswith("PUERTA") and inside(crossing)
    ]
    early = Counter(crossing.kind.activity for crossing in doors if crossing.at < middle)
    late = Counter(crossing.kind.activity for crossing in doors if crossing.at >= middle)
    assert early["OBJECT_COUNTING_ENTER"] > 5 * early["OBJECT_COUNTING_EXIT"]
    assert late["OBJECT_COUNTING_EXIT"] > 5 * late["OBJECT_COUNTING_ENTER"]


@pytest.mark.parametrize("cameras", [1, 3, 17, 300])
def test_any_number_of_cameras_sees_the_whole_stadium(cameras: int) -> None:
    scenario = Scenario(plan(cameras=cameras, events=3_000, quiet=2))
    assert len(scenario.allowed) == len(set(scenario.allowed)) == cameras + 2
    assert all(55 <= len(camera.id) <= 80 for camera in scenario.cameras)
    zones = scenario.truth().between(START, END, scenario.allowed).zones
    assert all(zones[zone].entries and zones[zone].exits for zone in ZONES)
    assert not {crossing.kind.camera_id for crossing in everything(scenario)} & set(scenario.quiet)


def test_this_id_grows_with_time_on_each_server_and_is_not_unique_across_them() -> None:
    scenario = Scenario(plan(servers=2))
    numbers: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for crossing in everything(scenario):
        numbers[crossing.kind.server_id].append((crossing.number, crossing.at))
    for of_server in numbers.values():
        assert len({number for number, _ in of_server}) == len(of_server)
        instants = [at for _, at in sorted(of_server)]
        assert instants == sorted(instants)
    first, second = ({number for number, _ in of_server} for of_server in numbers.values())
    assert first & second


def test_while_the_first_server_is_down_the_second_records_its_cameras() -> None:
    scenario = Scenario(plan(servers=2))
    homes = {camera.id: camera.server_id for camera in scenario.cameras}
    away = [crossing for crossing in everything(scenario) if crossing.kind.server_id != homes[crossing.kind.camera_id]]
    assert away
    assert {crossing.kind.server_id for crossing in away} == {scenario.servers[1].id}


def test_a_burst_is_dense_but_fits_a_page_each_millisecond() -> None:
    scenario = Scenario(plan(burst=3_000))
    per_millisecond = Counter(crossing.at for crossing in everything(scenario))
    per_second = Counter(crossing.at // 1000 for crossing in everything(scenario))
    assert max(per_second.values()) >= 3_000
    assert 20 < max(per_millisecond.values()) < 500


@pytest.mark.parametrize("allowed", [True, False])
def test_entries_and_exits_share_a_millisecond_only_where_the_plan_lets_them(allowed: bool) -> None:
    scenario = Scenario(plan(events=20_000, burst=500, opposite_ties=allowed))
    signs: defaultdict[tuple[str, int], set[bool]] = defaultdict(set)
    for crossing in everything(scenario):
        for zone in ("PARQUEADERO NORTE", "VEHICULAR CAMPINSITO", "PARQUEADERO SUR"):
            if zone in crossing.kind.name.upper():
                signs[zone, crossing.at].add("SALIDA" in crossing.kind.name.upper())
    coinciding = {zone for (zone, _), both in signs.items() if len(both) == 2}
    assert len(coinciding) == (3 if allowed else 0)


def test_what_is_added_later_is_part_of_the_truth() -> None:
    scenario = Scenario(plan())
    before = scenario.truth().between(START, END, scenario.allowed)
    scenario.add(scenario.allowed[0], "AFORO ENTRADA PARQUEADERO NORTE", END - timedelta(milliseconds=1))
    scenario.add(scenario.allowed[0], "PUERTA 99", START)
    after = scenario.truth().between(START, END, scenario.allowed)
    assert after.zones["Parqueadero Norte"].aforo == before.zones["Parqueadero Norte"].aforo + 1
    assert len(after.history) == len(before.history) + 1
