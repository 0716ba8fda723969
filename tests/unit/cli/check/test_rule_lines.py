"""What `aforo check` says about the names that the cameras sent."""

from collections import Counter

from aforo.cli.check.results import Line, State
from aforo.cli.check.rule_coverage import rule_lines
from aforo.counting.rules import Rules
from aforo.models import EventSource, Rule, Zone
from aforo.settings import Settings, zones_from

ENTER, EXIT = "OBJECT_COUNTING_ENTER", "OBJECT_COUNTING_EXIT"
Sent = tuple[str, str, str, int]  # camera, name, activity, how many


def lines(*sent: Sent, zones: tuple[Zone, ...] | None = None) -> dict[str, list[Line]]:
    settings = Settings()
    history = [Rule.of(rule) for rule in settings.events.stored]
    zones = zones_from(settings.zones) if zones is None else zones
    seen: dict[str, Counter[EventSource]] = {}
    for camera, name, activity, number in sent:
        seen.setdefault(camera, Counter())[EventSource(f"id of {camera}", name, "", activity)] = number
    found: dict[str, list[Line]] = {}
    for line in rule_lines(seen, Rules(history, zones), history, zones):
        found.setdefault(line.topic, []).append(line)
    return found


def test_a_name_with_several_meanings_has_its_activities_beside_it() -> None:
    (line,) = lines(("C1", "PUERTA 1", ENTER, 9), ("C1", "PUERTA 1", EXIT, 9), ("C2", "PUERTA 2", "", 1))["names"]
    assert line.details == [
        f"«PUERTA 1» ({ENTER}): historial, + Personas en el estadio",
        f"«PUERTA 1» ({EXIT}): historial, − Personas en el estadio",
        "«PUERTA 2»: historial",
    ]


def test_each_door_that_counts_one_direction_is_named_with_its_camera() -> None:
    found = lines(
        ("C1", "PUERTA 1", ENTER, 90), ("C1", "PUERTA 1", EXIT, 80),
        ("C2", "PUERTA 2", ENTER, 30),
        ("C3", "AFORO ENTRADA SENCIA", ENTER, 40), ("C4", "AFORO ENTRADA SENCIA", EXIT, 2),
    )  # fmt: skip
    (line,) = found["names.one_way"]
    assert line.state is State.WARNING
    assert line.details == [
        "«AFORO ENTRADA SENCIA», de C3: solo entradas en Personas en el estadio (40)",
        "«AFORO ENTRADA SENCIA», de C4: solo salidas en Personas en el estadio (2)",
        "«PUERTA 2», de C2: solo entradas en Personas en el estadio (30)",
    ]


def test_the_lanes_of_a_car_park_are_all_right() -> None:
    found = lines(
        ("C1", "AFORO ENTRADA PARQUEADERO NORTE", ENTER, 90), ("C2", "AFORO SALIDA PARQUEADERO NORTE", EXIT, 80)
    )
    assert "names.one_way" not in found


def test_two_zones_of_one_crossing_are_a_warning_unless_one_lies_in_the_other() -> None:
    def zone(name: str, within: str = "") -> Zone:
        return Zone(name, "", (Rule.of("contains:PUERTA"),), (Rule.of("contains:SALE"),), within=within)

    sent = ("C1", "PUERTA 1", ENTER, 9)
    (line,) = lines(sent, zones=(zone("Estadio"), zone("Palco")))["names.two_zones"]
    assert line.what == "«PUERTA 1» cuenta en Estadio y Palco."
    assert "within" in line.remedy
    assert "names.two_zones" not in lines(sent, zones=(zone("Estadio"), zone("Palco", "Estadio")))


def test_a_rule_that_is_a_table_is_named_when_nothing_matches_it() -> None:
    zone = Zone("Palco", "", (Rule.of({"name": "contains:PUERTA", "activity": EXIT}),), ())
    (line,) = lines(("C1", "PUERTA 1", ENTER, 9), zones=(zone,))["names.unused"]
    assert f'entradas de Palco: {{name = "contains:PUERTA", activity = "equals:{EXIT}"}}' in line.details
