from datetime import UTC, datetime, timedelta

import pytest

from aforo.simulator import Fault, Faults, HistoryRow, Kind, Oracle, RuleTexts, Server, ZoneTexts, ZoneTruth
from aforo.simulator.event_log import EventLog, milliseconds

START = datetime(2026, 11, 20, 23, tzinfo=UTC)
END = START + timedelta(hours=4)
RULES = RuleTexts(
    stored=("contains:PUERTA", "equals:MARATON"),
    zones=(ZoneTexts("Norte", ("contains:ENTRADA",), ("contains:SALIDA",)), ZoneTexts("Sur", ("equals:SUR",), (), 7)),
)


def event_log(*crossings: tuple[float, str], servers: str = "A") -> EventLog:
    """What camera C recorded: seconds after START and the analytic's name, on server A unless said otherwise."""
    made = EventLog(START, [Server("A", "ACC-1"), Server("B", "ACC-2")])
    for number, (seconds, name) in enumerate(crossings):
        server = servers[number % len(servers)]
        made.add(
            milliseconds(START + timedelta(seconds=seconds)),
            Kind(server, "C", name, None, "OBJECT_COUNTING_ENTER", "PERSON"),
        )
    return made


def zone(*crossings: tuple[float, str], servers: str = "A") -> ZoneTruth:
    return Oracle(event_log(*crossings, servers=servers), RULES).between(START, END, {"C"}).zones["Norte"]


def test_an_exit_at_zero_leaves_it_at_zero_and_is_counted() -> None:
    assert zone((1, "SALIDA"), (2, "ENTRADA"), (3, "entrada 2"), (4, "Salida")) == ZoneTruth(2, 2, 1, swallowed=1)


def test_time_decides_not_the_order_of_arrival() -> None:
    assert zone((2, "ENTRADA"), (1, "SALIDA")) == ZoneTruth(1, 1, 1, swallowed=1)
    assert zone((1, "ENTRADA"), (2, "SALIDA")) == ZoneTruth(1, 1, 0, swallowed=0)


def test_in_one_millisecond_the_number_decides() -> None:
    assert zone((1, "SALIDA"), (1, "ENTRADA")).aforo == 1
    assert zone((1, "ENTRADA"), (1, "SALIDA")).aforo == 0


def test_the_number_is_compared_as_a_number() -> None:
    earlier = [(0.5, "SUR")] * 63  # takes the numbers up to 9995: the next ones are 9997, 9999, 10001
    exit_first = zone(*earlier, (0.9, "SUR"), (1, "SALIDA"), (1, "SUR"), (1, "ENTRADA"))
    assert exit_first == ZoneTruth(1, 1, 1, swallowed=1)


def test_equal_numbers_of_two_servers_go_by_server() -> None:
    assert zone((1, "ENTRADA"), (1, "SALIDA"), servers="BA").aforo == 1
    assert zone((1, "ENTRADA"), (1, "SALIDA"), servers="AB").aforo == 0


def test_the_window_is_half_open_and_only_allowed_cameras_count() -> None:
    duration = (END - START).total_seconds()
    made = event_log((-0.001, "ENTRADA"), (0, "ENTRADA"), (duration - 0.001, "ENTRADA"), (duration, "ENTRADA"))
    assert Oracle(made, RULES).between(START, END, {"C"}).zones["Norte"].entries == 2
    assert Oracle(made, RULES).between(START, END, {"D"}).zones["Norte"].entries == 0


@pytest.mark.parametrize(
    ("name", "stored"),
    [("Puerta 1", True), ("LA PUERTA", True), ("MARATON", True), ("maraton", True), ("MARATON 2", False), ("", False)],
)
def test_the_history_follows_the_rules(name: str, stored: bool) -> None:
    answer = Oracle(event_log((1, name)), RULES).between(START, END, {"C"})
    assert [row.analytic_event_name for row in answer.history] == ([name] if stored else [])
    assert answer.accepted == ({"C": 1} if stored else {})


def test_a_history_row_has_bogotas_wall_time() -> None:
    answer = Oracle(event_log((3661.048, "PUERTA 1")), RULES).between(START, END, {"C"})
    wall = datetime(2026, 11, 20, 19, 1, 1, 48_000)  # noqa: DTZ001 -- wall time
    assert answer.history == [HistoryRow("PUERTA 1", "", "OBJECT_COUNTING_ENTER", "C", wall)]


def test_a_zone_starts_with_its_initial_aforo_and_a_name_for_both_counts_for_none() -> None:
    answer = Oracle(event_log((1, "SUR"), (2, "ENTRADA Y SALIDA")), RULES).between(START, END, {"C"})
    assert answer.zones == {"Norte": ZoneTruth(0, 0, 0, 0), "Sur": ZoneTruth(1, 0, 8, 0)}
    assert answer.accepted == {"C": 1}


def test_what_a_dead_camera_sees_is_not_part_of_the_truth() -> None:
    made = event_log((10, "PUERTA 1"), (20, "PUERTA 1"), (30, "PUERTA 1"))
    dead = Fault(since=START + timedelta(seconds=15), until=START + timedelta(seconds=25), cameras=frozenset({"C"}))
    recorded = [row.timestamp.second for row in Oracle(made, RULES).between(START, END, {"C"}).history]
    without = Oracle(made, RULES, Faults(on={"camera_dead": dead})).between(START, END, {"C"}).history
    assert recorded == [10, 20, 30]
    assert [row.timestamp.second for row in without] == [10, 30]
