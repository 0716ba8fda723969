from datetime import UTC, datetime

import pytest

from aforo.models import Occupancy
from aforo.reference_clock import ClockStep, ClockStepKind
from aforo.wording import (
    clock_name,
    clock_step,
    duration,
    duration_in_tenths,
    duration_to_the_second,
    grouped,
    natural_key,
    occupancy_line,
    plural,
    problem_lines,
)


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (999, "999"), (1_000, "1.000"), (1_234_567, "1.234.567")])
def test_grouped(number: int, text: str) -> None:
    assert grouped(number) == text


def test_plural() -> None:
    assert [plural(number, "fallo") for number in (0, 1, 2)] == ["0 fallos", "1 fallo", "2 fallos"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7_260, "2 h 1 min"), (3_600, "1 h")]
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7_265, "2 h 1 min 5 s"), (3_600, "1 h 0 s")],
)
def test_duration_to_the_second(seconds: float, text: str) -> None:
    assert duration_to_the_second(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0,0 s"), (4.21, "4,2 s"), (59.97, "60,0 s"), (200, "3 min 20 s"), (7_200, "2 h 0 min"), (7_265, "2 h 1 min")],
)
def test_duration_in_tenths(seconds: float, text: str) -> None:
    assert duration_in_tenths(seconds) == text


def test_natural_key_sorts_numbers_by_their_value() -> None:
    names = ["PUERTA 10", "Puerta 2", "PUERTA", "puerta 02 B", "ENTRADA 3"]
    assert sorted(names, key=natural_key) == ["ENTRADA 3", "PUERTA", "Puerta 2", "puerta 02 B", "PUERTA 10"]


def test_natural_key_takes_any_name() -> None:
    names = ["", "9" * 40, "a1", "²", "٣"]
    assert sorted(names, key=natural_key) == ["", "a1", "²", "٣", "9" * 40]


def test_occupancy_line() -> None:
    line = "Norte: aforo 7 (entradas 9, salidas 3, salidas con la zona en cero 1)"
    assert occupancy_line(Occupancy("Norte", 9, 3, 7, 1)) == line


def test_problem_lines_are_empty_without_a_failure() -> None:
    assert problem_lines(pending=None, server_up=True, silent_cameras=[]) == []


def test_problem_lines_name_silent_cameras_only_while_the_server_is_up() -> None:
    assert problem_lines(pending=None, server_up=True, silent_cameras=["P1", "P2"]) == [
        "La cámara P1 no contesta; su tiempo queda pendiente.",
        "La cámara P2 no contesta; su tiempo queda pendiente.",
    ]
    assert problem_lines(pending=3, server_up=False, silent_cameras=["P1"], stale=True) == [
        "La base de datos no responde; por guardar: 3 eventos. Nada se pierde.",
        "El servidor de cámaras no responde: se recuperará todo lo que falte.",
        "El aforo no es de ahora.",
    ]


@pytest.mark.parametrize(
    ("kind", "seconds", "name", "sentence"),
    [
        ("machine", 17_999.4, "reloj de este equipo (+5 h)", "va adelantado 5 h respecto"),
        ("machine", -119.8, "reloj de este equipo (-2 min 0 s)", "va atrasado 2 min 0 s respecto"),
        ("machine alone", 86_400.0 * 365, "reloj de este equipo (+365 días)", "saltó 365 días hacia delante"),
        ("server", -3_600.0, "reloj del servidor de cámaras (-1 h)", "servidor de cámaras saltó 1 h hacia atrás"),
        ("pause", 900.0, "reloj de este equipo (+15 min 0 s)", "Este equipo estuvo parado 15 min 0 s"),
    ],
)
def test_a_step_of_a_clock(kind: str, seconds: float, name: str, sentence: str) -> None:
    step = ClockStep(ClockStepKind(kind), seconds, datetime(2026, 1, 27, tzinfo=UTC))
    assert clock_name(step) == name
    assert sentence in clock_step(step)
