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


def everything(crowd: Scenario) -> list[Crossing]:
    cameras = [camera.id for camera in crowd.cameras]
    day = timedelta(days=1)
    return list(crowd.recording.passages(milliseconds(START - day), milliseconds(END + day), cameras))


def inside(passage: Crossing) -> bool:
    return milliseconds(START) <= passage.at < milliseconds(END)


def test_the_same_seed_makes_the_same_evening() -> None:
    first, again, other = (everything(Scenario(plan(seed=seed))) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_an_evening_holds_what_spoils_a_naive_count() -> None:
    crowd = Scenario(plan(events=5_000))
    passages = everything(crowd)
    answer = crowd.truth().tell(START, END, crowd.allowed)
    seen = {passage.kind.name for passage in passages}

    assert sum(map(inside, passages)) >= 5_000
    assert {passage.at for passage in passages} >= {milliseconds(START) - 1, milliseconds(START), milliseconds(END)}
    assert {passage.kind.camera_id for passage in passages if inside(passage)} >= set(crowd.strangers)
    assert seen >= {"AFORO SALIDA SENCIA NORTE", "INGRESO PERSONAS ENTRADA MARATON 2", "PARQUEADERO ORIENTE"}
    assert len(answer.history) < sum(answer.accepted.values()) < sum(map(inside, passages))
    assert all(answer.zones[zone].swallowed > 0 and answer.zones[zone].aforo > 0 for zone in ZONES)


def test_people_come_before_the_match_and_go_after_it() -> None:
    crowd = Scenario(plan(events=5_000))
    middle = milliseconds(START + (END - START) / 2)
    doors = [passage for passage in everything(crowd) if passage.kind.name.startswith("PUERTA") and inside(passage)]
    early = Counter(passage.kind.activity for passage in doors if passage.at < middle)
    late = Counter(passage.kind.activity for passage in doors if passage.at >= middle)
    assert early["OBJECT_COUNTING_ENTER"] > 5 * early["OBJECT_COUNTING_EXIT"]
    assert late["OBJECT_COUNTING_EXIT"] > 5 * late["OBJECT_COUNTING_ENTER"]


@pytest.mark.parametrize("cameras", [1, 3, 17, 300])
def test_any_number_of_cameras_sees_the_whole_stadium(cameras: int) -> None:
    crowd = Scenario(plan(cameras=cameras, events=3_000, quiet=2))
    assert len(crowd.allowed) == len(set(crowd.allowed)) == cameras + 2
    assert all(55 <= len(camera.id) <= 80 for camera in crowd.cameras)
    zones = crowd.truth().tell(START, END, crowd.allowed).zones
    assert all(zones[zone].entries and zones[zone].exits for zone in ZONES)
    assert not {passage.kind.camera_id for passage in everything(crowd)} & set(crowd.quiet)


def test_this_id_grows_with_time_on_each_server_and_is_not_unique_across_them() -> None:
    crowd = Scenario(plan(servers=2))
    numbers: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for passage in everything(crowd):
        numbers[passage.kind.server_id].append((passage.number, passage.at))
    for of_server in numbers.values():
        assert len({number for number, _ in of_server}) == len(of_server)
        instants = [at for _, at in sorted(of_server)]
        assert instants == sorted(instants)
    first, second = ({number for number, _ in of_server} for of_server in numbers.values())
    assert first & second


def test_while_the_first_server_is_down_the_second_records_its_cameras() -> None:
    crowd = Scenario(plan(servers=2))
    homes = {camera.id: camera.server_id for camera in crowd.cameras}
    away = [passage for passage in everything(crowd) if passage.kind.server_id != homes[passage.kind.camera_id]]
    assert away
    assert {passage.kind.server_id for passage in away} == {crowd.servers[1].id}


def test_a_burst_is_dense_but_fits_a_page_each_millisecond() -> None:
    crowd = Scenario(plan(burst=3_000))
    per_millisecond = Counter(passage.at for passage in everything(crowd))
    per_second = Counter(passage.at // 1000 for passage in everything(crowd))
    assert max(per_second.values()) >= 3_000
    assert 20 < max(per_millisecond.values()) < 500


@pytest.mark.parametrize("allowed", [True, False])
def test_entries_and_exits_share_a_millisecond_only_where_the_plan_lets_them(allowed: bool) -> None:
    crowd = Scenario(plan(events=20_000, burst=500, opposite_ties=allowed))
    signs: defaultdict[tuple[str, int], set[bool]] = defaultdict(set)
    for passage in everything(crowd):
        for zone in ("PARQUEADERO NORTE", "VEHICULAR CAMPINSITO", "PARQUEADERO SUR"):
            if zone in passage.kind.name.upper():
                signs[zone, passage.at].add("SALIDA" in passage.kind.name.upper())
    coinciding = {zone for (zone, _), both in signs.items() if len(both) == 2}
    assert len(coinciding) == (3 if allowed else 0)


def test_what_is_added_later_is_part_of_the_truth() -> None:
    crowd = Scenario(plan())
    before = crowd.truth().tell(START, END, crowd.allowed)
    crowd.add(crowd.allowed[0], "AFORO ENTRADA PARQUEADERO NORTE", END - timedelta(milliseconds=1))
    crowd.add(crowd.allowed[0], "PUERTA 99", START)
    after = crowd.truth().tell(START, END, crowd.allowed)
    assert after.zones["Parqueadero Norte"].aforo == before.zones["Parqueadero Norte"].aforo + 1
    assert len(after.history) == len(before.history) + 1
