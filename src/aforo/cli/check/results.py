"""The lines of a checkup, for a person on the console or for a program as JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.text import Text

from aforo import __version__
from aforo.cli.console import Output
from aforo.errors import AforoError, StoreError
from aforo.wording import plural


class State(StrEnum):
    """The result of one check. Only a failure makes the exit code 1."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"
    SKIPPED = "skipped"


_MARKS = {
    State.OK: ("✔", "bien", "green"),
    State.WARNING: ("!", "aviso", "yellow"),
    State.FAILURE: ("✘", "FALLO", "bold red"),
    State.SKIPPED: ("·", "no se miró", "dim"),
}
_TITLES = {
    "settings": "Ajustes",
    "schedule": "Programa de eventos",
    "cameras": "Cámaras permitidas",
    "log": "Registro",
    "web": "Página",
    "alerts": "Avisos",
    "push": "Notificaciones del servidor de cámaras",
    "report": "Acta",
    "acc": "Servidor de cámaras",
    "names": "Nombres analíticos",
    "database": "Base de datos",
}


@dataclass(frozen=True, slots=True)
class Line:
    """The result of one check. ``topic`` is for programs (``acc.login``); the rest is Spanish.

    ``remedy`` says what to do if the state is not ok; ``details`` are written below the line. ``technical``, what a
    driver said in its own language, is a detail for whoever asks for it (``--verbose``).
    """

    topic: str
    state: State
    what: str
    remedy: str = ""
    details: Sequence[str] = ()
    technical: Sequence[str] = ()

    @property
    def section(self) -> str:
        """The part of the topic before the dot."""
        return self.topic.partition(".")[0]


def ok(topic: str, what: str, details: Sequence[str] = ()) -> Line:
    """Return the line of a check that passed."""
    return Line(topic, State.OK, what, details=details)


def warning(topic: str, what: str, remedy: str, details: Sequence[str] = ()) -> Line:
    """Return a line for what does not stop the job, but needs attention."""
    return Line(topic, State.WARNING, what, remedy, details)


def failure(topic: str, what: str, remedy: str, details: Sequence[str] = ()) -> Line:
    """Return a line for what stops the job, or makes it count wrong."""
    return Line(topic, State.FAILURE, what, remedy, details)


def skipped(topic: str, what: str, remedy: str = "Arregle antes lo de arriba y repita.") -> Line:
    """Return the line of a check that an earlier failure made impossible."""
    return Line(topic, State.SKIPPED, what, remedy)


def failed(topic: str, error: AforoError) -> Line:
    """Return the line of an AforoError."""
    what = f"{error.what} {error.meaning}".strip()
    line = failure(topic, what, error.remedy or "La solución, en docs/solucion-de-problemas.md.")
    return replace(line, technical=technical(error))


def technical(error: AforoError) -> Sequence[str]:
    """Return what the database's driver said, for whoever administers the database."""
    detail = error.detail if isinstance(error, StoreError) else ""
    return [f"Lo que dice el controlador: {detail}"] if detail else []


class Printer:
    """Prints lines, each section below its title."""

    def __init__(self, console: Console, output: Output) -> None:
        self._console = console
        self._shown = output.shown
        self._section = ""

    def write(self, lines: Iterable[Line]) -> None:
        """Print these lines."""
        for line in lines:
            if line.section != self._section:
                self._section = line.section
                self._print(Text(f"\n{_TITLES.get(line.section, line.section)}", style="bold"))
            self._print(self._line(line))
            if line.remedy and line.state is not State.OK:
                self._print(Text(f"               → {self._shown(line.remedy)}"))
            for detail in line.details:
                self._print(Text(f"                 {self._shown(detail)}", style="dim"))

    def sum_up(self, lines: Sequence[Line]) -> None:
        """Print the last line: the numbers of failures and warnings."""
        failures, warnings = count(lines, State.FAILURE), count(lines, State.WARNING)
        text, style = "Todo está bien.", "bold green"
        if failures:
            text, style = f"{plural(failures, 'fallo')}, {plural(warnings, 'aviso')}: así no debe empezar.", "bold red"
        elif warnings:
            text, style = f"Puede empezar, con {plural(warnings, 'aviso')}.", "bold yellow"
        self._print(Text(f"\n{text}", style=style))

    def _line(self, line: Line) -> Text:
        mark, word, style = _MARKS[line.state]
        return Text.assemble("  ", (f"{mark} {word:10}", style), " ", self._shown(line.what))

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True, highlight=False)


def count(lines: Iterable[Line], state: State) -> int:
    """Return how many lines have that state."""
    return sum(line.state is state for line in lines)


def to_document(lines: Sequence[Line]) -> dict[str, Any]:
    """Return all lines as one object, for programs."""
    return {
        "ok": not count(lines, State.FAILURE),
        "version": __version__,
        "lines": [
            {
                "topic": line.topic,
                "state": line.state,
                "what": line.what,
                "remedy": line.remedy,
                "details": list(line.details),
            }
            for line in lines
        ],
    }
