"""What a checkup finds: one line each, for a person on the console or for a program as JSON."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rich.console import Console
from rich.text import Text

from aforo import __version__
from aforo.errors import AforoError
from aforo.wording import plural


class State(StrEnum):
    """How a thing stands. Only a failure makes the exit code 1."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"
    SKIPPED = "skipped"


_SHOWN = {
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
    "acc": "Servidor de cámaras",
    "names": "Nombres analíticos",
    "database": "Base de datos",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at. ``topic`` is for programs (``acc.login``); the rest is Spanish.

    ``remedy`` says what to do where the state is not ok; ``details`` are shown below the line.
    """

    topic: str
    state: State
    what: str
    remedy: str = ""
    details: Sequence[str] = ()

    @property
    def section(self) -> str:
        """The part of the topic before the dot."""
        return self.topic.partition(".")[0]


def ok(topic: str, what: str, details: Sequence[str] = ()) -> Line:
    """All is well."""
    return Line(topic, State.OK, what, details=details)


def warning(topic: str, what: str, remedy: str, details: Sequence[str] = ()) -> Line:
    """The job runs, but somebody should look at this."""
    return Line(topic, State.WARNING, what, remedy, details)


def failure(topic: str, what: str, remedy: str, details: Sequence[str] = ()) -> Line:
    """The job cannot run, or counts wrong."""
    return Line(topic, State.FAILURE, what, remedy, details)


def skipped(topic: str, what: str, remedy: str = "Arregle antes lo de arriba y repita.") -> Line:
    """It could not be looked at, because of a line above."""
    return Line(topic, State.SKIPPED, what, remedy)


def failed(topic: str, error: AforoError) -> Line:
    """The line of an error of ours."""
    what = f"{error.what} {error.meaning}".strip()
    return failure(topic, what, error.remedy or "La solución, en docs/solucion-de-problemas.md.")


class Printer:
    """Writes lines as they come, each section under its title."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._section = ""

    def show(self, lines: Iterable[Line]) -> None:
        """Write these lines."""
        for line in lines:
            if line.section != self._section:
                self._section = line.section
                self._write(Text(f"\n{_TITLES.get(line.section, line.section)}", style="bold"))
            self._write(self._line(line))
            if line.remedy and line.state is not State.OK:
                self._write(Text(f"               → {line.remedy}"))
            for detail in line.details:
                self._write(Text(f"                 {detail}", style="dim"))

    def sum_up(self, lines: Sequence[Line]) -> None:
        """The last line: how many of each."""
        failures, warnings = count(lines, State.FAILURE), count(lines, State.WARNING)
        text, style = "Todo está bien.", "bold green"
        if failures:
            text, style = f"{plural(failures, 'fallo')}, {plural(warnings, 'aviso')}: así no debe empezar.", "bold red"
        elif warnings:
            text, style = f"Puede empezar, con {plural(warnings, 'aviso')}.", "bold yellow"
        self._write(Text(f"\n{text}", style=style))

    def _line(self, line: Line) -> Text:
        mark, word, style = _SHOWN[line.state]
        return Text.assemble("  ", (f"{mark} {word:10}", style), " ", line.what)

    def _write(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True, highlight=False)


def count(lines: Iterable[Line], state: State) -> int:
    """How many lines are in that state."""
    return sum(line.state is state for line in lines)


def as_json(lines: Sequence[Line]) -> str:
    """All lines as one JSON object."""
    document = {
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
    return json.dumps(document, ensure_ascii=False, indent=2)
