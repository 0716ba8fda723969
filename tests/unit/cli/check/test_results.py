"""The lines of a checkup, printed for a person."""

import io

import pytest
from rich.console import Console

from aforo.cli.check.results import Line, Printer, failure, ok, skipped, warning
from aforo.cli.console import Output

LINES = [
    ok("settings", "Ajustes propios: 1.", ["acc.url = x"]),
    warning("settings.verify", "acc.verify está apagado.", "Póngalo."),
    failure("acc.login", "No deja entrar.", "Revise la clave."),
    skipped("acc.cameras", "Sin sesión no se sabe nada."),
]


def printed(lines: list[Line]) -> str:
    output = io.StringIO()
    printer = Printer(Console(file=output, width=200), Output())
    printer.write(lines)
    printer.sum_up(lines)
    return output.getvalue()


def test_each_section_has_a_title_and_each_line_its_remedy_and_details() -> None:
    assert printed(LINES).splitlines() == [
        "",
        "Ajustes",
        "  ✔ bien       Ajustes propios: 1.",
        "                 acc.url = x",
        "  ! aviso      acc.verify está apagado.",
        "               → Póngalo.",
        "",
        "Servidor de cámaras",
        "  ✘ FALLO      No deja entrar.",
        "               → Revise la clave.",
        "  · no se miró Sin sesión no se sabe nada.",
        "               → Arregle antes lo de arriba y repita.",
        "",
        "1 fallo, 1 aviso: así no debe empezar.",
    ]


@pytest.mark.parametrize(
    ("lines", "last"),
    [
        (LINES[:1], "Todo está bien."),
        (LINES[:2], "Puede empezar, con 1 aviso."),
        (LINES[2:3] * 2, "2 fallos, 0 avisos: así no debe empezar."),
    ],
)
def test_the_last_line_counts_failures_and_warnings(lines: list[Line], last: str) -> None:
    assert printed(lines).splitlines()[-1] == last
