"""``aforo check``: everything that the evening needs, looked at beforehand; a line each, with what to do."""

import asyncio
import sys
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from rich.console import Console

from aforo.cli.check.avigilon import AvigilonCheck
from aforo.cli.check.database import database_lines
from aforo.cli.check.local import (
    broken_settings,
    camera_file_lines,
    log_lines,
    schedule_lines,
    settings_lines,
    web_lines,
)
from aforo.cli.check.results import Line, Printer, State, as_json, count
from aforo.cli.check.rule_coverage import name_lines
from aforo.clock import Clock, SystemClock
from aforo.counting.rules import Rules
from aforo.errors import AforoError
from aforo.models import Matcher
from aforo.settings import Settings, zones_from

__all__ = ["Line", "State", "checkup", "main"]


def main(load: Callable[[], Settings], *, as_program: bool = False, days: int = 3) -> int:
    """Look at everything and tell it; 0 where nothing failed, else 1. ``days``: how far back the names are read.

    ``load`` reads the settings; what it raises is a line like any other.
    """
    printer = Printer(Console(file=sys.stdout))
    show = (lambda _: None) if as_program else printer.show
    lines = asyncio.run(checkup(load, SystemClock(), days, show))
    if as_program:
        sys.stdout.write(f"{as_json(lines)}\n")
    else:
        printer.sum_up(lines)
    return 1 if count(lines, State.FAILURE) else 0


async def checkup(
    load: Callable[[], Settings], clock: Clock, days: int, show: Callable[[list[Line]], None]
) -> list[Line]:
    """All lines; ``show`` is given each as soon as those before it are known. Nobody waits for the database."""
    try:
        settings = load()
    except AforoError as exc:
        lines = broken_settings(exc)
        show(lines)
        return lines
    return await _Checkup(settings, clock, days, show).all()


@dataclass(slots=True)
class _Checkup:
    settings: Settings
    clock: Clock
    days: int
    show: Callable[[list[Line]], None]

    async def all(self) -> list[Line]:
        database = asyncio.create_task(asyncio.to_thread(database_lines, self.settings))
        lines, cameras = await asyncio.to_thread(self._ground)
        self.show(lines)
        visit = AvigilonCheck(self.settings.acc, cameras, self.days, self.clock)
        async with aclosing(visit.lines()) as told:
            async for line in told:
                lines.append(line)
                self.show([line])
        for more in (self._names(visit), await database):
            lines += more
            self.show(more)
        return lines

    def _ground(self) -> tuple[list[Line], frozenset[str]]:
        cameras, allowed = camera_file_lines(self.settings)
        lines = [
            *settings_lines(self.settings),
            *log_lines(self.settings),
            *web_lines(self.settings.web),
            *schedule_lines(self.settings, self.clock.now()),
            *cameras,
        ]
        return lines, allowed

    def _names(self, visit: AvigilonCheck) -> list[Line]:
        if not visit.names:
            return []
        zones = zones_from(self.settings.zones)
        history = [Matcher.parse(rule) for rule in self.settings.events.stored]
        return name_lines(visit.names, Rules(history, zones), history, zones)
