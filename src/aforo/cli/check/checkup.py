"""The checkup: everything that an event needs, tried out; one line each, with what to do."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from rich.console import Console

from aforo.background import background_task
from aforo.cli.check.alerts import alert_lines
from aforo.cli.check.avigilon import AvigilonCheck
from aforo.cli.check.database import database_lines
from aforo.cli.check.local import allowed_cameras, broken_settings, precondition_lines, settings_lines
from aforo.cli.check.progress import Progress
from aforo.cli.check.push import push_lines
from aforo.cli.check.results import Line, Printer, State, count, to_document
from aforo.cli.check.rule_coverage import rule_lines
from aforo.cli.console import Output
from aforo.clock import Clock, SystemClock
from aforo.counting.rules import Rules
from aforo.errors import AforoError
from aforo.models import Rule
from aforo.redaction import Mask
from aforo.reference_clock import ReferenceClock
from aforo.settings import Settings, zones_from


def main(load: Callable[[], Settings], *, as_json: bool = False, days: int = 3) -> int:
    """Check everything and print the lines; returns 0 if nothing failed, otherwise 1.

    ``load`` reads the settings; its AforoError is a line like any other. ``days``: how far back the names are read.
    """
    mask = Mask()
    output = Output(mask)
    printer = Printer(Console(file=sys.stdout), output)
    write = (lambda _: None) if as_json else printer.write
    lines = asyncio.run(checkup(load, SystemClock(), days, write, mask, say=output.notes))
    if as_json:
        output.document(to_document(lines))
    else:
        printer.sum_up(lines)
    return 1 if count(lines, State.FAILURE) else 0


async def checkup(  # noqa: PLR0913 -- what is checked, and what the console needs
    load: Callable[[], Settings],
    clock: Clock,
    days: int,
    write: Callable[[list[Line]], None],
    mask: Mask | None = None,
    *,
    say: Callable[[str], object] = lambda _: None,
) -> list[Line]:
    """Return all lines; ``write`` receives each as soon as the lines before it are known.

    The database is checked at the same time as the server. ``mask`` learns the secrets. ``say`` receives what is waited
    for, where that takes longer than a moment.
    """
    try:
        settings = await asyncio.to_thread(load)
    except AforoError as exc:
        lines = broken_settings(exc)
        write(lines)
        return lines
    mask = mask or Mask()
    mask.know(settings.secrets())
    progress = Progress(say)
    async with background_task(progress.run(), name="aforo-check-progress"):
        return await _Checkup(settings, ReferenceClock.of(clock), days, write, mask, progress).all()


@dataclass(slots=True)
class _Checkup:
    settings: Settings
    clock: Clock
    days: int
    write: Callable[[list[Line]], None]
    mask: Mask
    progress: Progress
    lines: list[Line] = field(default_factory=list)

    async def all(self) -> list[Line]:
        begin = self.progress.begin
        database = asyncio.create_task(asyncio.to_thread(database_lines, self.settings))
        begin("Se miran los archivos de esta máquina")
        self._add(await asyncio.to_thread(self._local_lines))
        begin("Se prueban las direcciones de los avisos")
        async for line in alert_lines(self.settings):
            self._add([line])
        cameras = await asyncio.to_thread(allowed_cameras, self.settings)
        avigilon = AvigilonCheck(self.settings.acc, cameras, self.days, self.clock, self.mask, begin)
        async with aclosing(avigilon.lines()) as server_lines:
            async for line in server_lines:
                self._add([line])
        async for line in push_lines(self.settings, self.clock, self.mask, begin):
            self._add([line])
        self._add(self._rule_lines(avigilon))
        begin("Se espera a la base de datos")
        self._add(await database)
        return self.lines

    def _add(self, lines: Sequence[Line]) -> None:
        if self.settings.log.level == "DEBUG":
            lines = [replace(line, details=[*line.details, *line.technical]) for line in lines]
        self.lines += lines
        self.write(list(lines))

    def _local_lines(self) -> list[Line]:
        return [*settings_lines(self.settings), *precondition_lines(self.settings, self.clock.now())]

    def _rule_lines(self, avigilon: AvigilonCheck) -> list[Line]:
        if not avigilon.sources:
            return []
        zones = zones_from(self.settings.zones)
        history = [Rule.of(rule) for rule in self.settings.events.stored]
        return rule_lines(avigilon.sources, Rules(history, zones), history, zones)
