"""The terminal view: progress of the event, zones and totals, recovery, last log lines."""

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from rich.align import Align
from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aforo.models import Occupancy, ScheduledEvent
from aforo.outside_text import visible
from aforo.wording import grouped, interval

_BARS = " ▁▂▃▄▅▆▇█"
_COLORS = ("cyan", "green", "magenta", "yellow", "blue")
_PANELS = 4  # zones and totals that stand beside each other; more are a list
_LEVELS = {logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "red"}


class ViewState(Protocol):
    """The state that a view draws: the live state, or what a running service answers."""

    @property
    def event(self) -> ScheduledEvent | None: ...  # noqa: D102 -- as in LiveState
    @property
    def phase(self) -> str: ...  # noqa: D102
    @property
    def occupancies(self) -> Mapping[str, Occupancy]: ...  # noqa: D102
    @property
    def total_occupancies(self) -> Mapping[str, Occupancy]: ...  # noqa: D102
    @property
    def curves(self) -> Mapping[str, Sequence[tuple[datetime, int]]]: ...  # noqa: D102
    @property
    def intervals(self) -> Mapping[str, tuple[int, int]]: ...  # noqa: D102
    @property
    def stored(self) -> int: ...  # noqa: D102
    @property
    def repeated(self) -> int: ...  # noqa: D102


class LastRecords(logging.Handler):
    """Keeps the last log records for the view."""

    def __init__(self, lines: int = 40, level: int = logging.INFO) -> None:
        super().__init__(level)
        self.records: deque[logging.LogRecord] = deque(maxlen=lines)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record, except the line of each camera in each poll cycle, which would displace all others."""
        if "Cámara %s: %s" not in str(record.msg):
            self.records.append(record)


@dataclass(slots=True)
class View:
    """One drawing. ``now`` is aware UTC; ``problems`` are Spanish sentences; ``page`` is the page's URL.

    ``first``: the zone or total that stands before all others.
    """

    state: ViewState
    now: datetime
    timezone: ZoneInfo
    problems: Sequence[str]
    log: LastRecords
    page: str = ""
    log_title: str = "Registro"
    first: str = ""

    def __rich__(self) -> RenderableType:
        layout = Layout()
        layout.split_column(
            Layout(self._header(), size=5),
            Layout(self._zones(), size=max(9, min(len(self._counted()) + 2, 16))),
            Layout(self._problems(), size=6),
            Layout(self._last_lines()),
        )
        return layout

    def _header(self) -> RenderableType:
        event = self.state.event
        if event is None:
            return Panel("Esperando el evento…", title="Aforo")
        done, duration = self.now - event.window.since, event.window.until - event.window.since
        bar = ProgressBar(total=duration.total_seconds(), completed=max(0.0, min(done, duration).total_seconds()))
        stored, repeated = map(grouped, (self.state.stored, self.state.repeated))
        counts = f"{stored} eventos guardados · {repeated} repetidos, no contados de nuevo"
        line = Table.grid(expand=True)
        line.add_column()
        line.add_column(justify="right")
        line.add_row(Text(f"{self._clock(self.now)}   {visible(self.state.phase)}"), counts)
        window = f"{self._clock(event.window.since)}–{self._clock(event.window.until)}"
        page = Text(f"Página: {self.page}") if self.page else None
        return Panel(Group(line, bar), title=Text(f"Aforo · {visible(event.name)} · {window}"), subtitle=page)

    def _counted(self) -> list[Occupancy]:
        """Return zones and totals: the one that comes first, then each total before the zones."""
        counted = [*self.state.total_occupancies.values(), *self.state.occupancies.values()]
        return sorted(counted, key=lambda occupancy: occupancy.zone != self.first)

    def _zones(self) -> RenderableType:
        counted = self._counted()
        row = Layout()
        alone = len(counted) if len(counted) <= _PANELS else 1
        parts = [
            Layout(self._zone(occupancy, _COLORS[number % len(_COLORS)]))
            for number, occupancy in enumerate(counted[:alone])
        ]
        if counted[alone:]:
            parts.append(Layout(self._list(counted[alone:])))
        row.split_row(*parts or [Layout(Panel(""))])
        return row

    def _list(self, counted: Sequence[Occupancy]) -> RenderableType:
        table = Table.grid(expand=True, padding=(0, 1))
        table.add_column(ratio=1, no_wrap=True)
        for _ in range(3):
            table.add_column(justify="right", no_wrap=True)
        for number, one in enumerate(counted, 1):
            figures = self._count(one), f"+{grouped(one.entries)}", f"−{grouped(one.exits)}"
            style = f"bold {_COLORS[number % len(_COLORS)]}"
            table.add_row(Text(visible(one.zone)), Text(figures[0], style=style), *map(Text, figures[1:]))
        return Panel(table, title="Zonas: aforo, entradas, salidas")

    def _zone(self, occupancy: Occupancy, color: str) -> RenderableType:
        curve = self.state.curves.get(occupancy.zone, [])
        return Panel(
            Group(
                Align.center(Text(self._count(occupancy), style=f"bold {color}")),
                Align.center(Text(f"entradas {grouped(occupancy.entries)} · salidas {grouped(occupancy.exits)}")),
                Align.center(Text(f"salidas con la zona en cero: {grouped(occupancy.unmatched_exits)}", style="dim")),
                *(Align.center(Text(line, style=color)) for line in self._spark(curve)),
            ),
            title=Text(visible(occupancy.zone)),
        )

    def _count(self, occupancy: Occupancy) -> str:
        bounds = self.state.intervals.get(occupancy.zone)
        return grouped(occupancy.count) + (f" · {interval(*bounds)}" if bounds is not None else "")

    def _spark(self, curve: Sequence[tuple[datetime, int]]) -> list[str]:
        event = self.state.event
        return [] if event is None else sparkline(curve, event, self.now)

    def _problems(self) -> RenderableType:
        if not self.problems:
            return Panel(Text("Todo contesta y todo está guardado.", style="green"), title="Recuperación")
        return Panel(Text("\n".join(map(visible, self.problems[:4])), style="yellow"), title="Recuperación")

    def _last_lines(self) -> RenderableType:
        records = list(self.log.records)[-12:]
        lines = [Text(visible(record.getMessage()), style=_LEVELS.get(record.levelno, "")) for record in records]
        return Panel(Group(*lines), title=self.log_title)

    def _clock(self, instant: datetime) -> str:
        return instant.astimezone(self.timezone).strftime("%H:%M")


def sparkline(
    curve: Sequence[tuple[datetime, int]], event: ScheduledEvent, now: datetime, *, width: int = 32, height: int = 3
) -> list[str]:
    """Draw the curve from the event's start until now in lines of blocks.

    Each column is the occupancy at the end of its part of the event.
    """
    since, until = event.window
    step = max((until - since) / width, timedelta(seconds=1))
    highest = max((count for _, count in curve), default=0) or 1
    levels = []
    last = place = 0
    for number in range(1, width + 1):
        if since + (number - 1) * step > now:
            break
        while place < len(curve) and curve[place][0] <= since + number * step:
            last = curve[place][1]
            place += 1
        levels.append(round(last / highest * height * (len(_BARS) - 1)))
    lines = []
    for line in range(height - 1, -1, -1):
        filled = (min(max(level - line * (len(_BARS) - 1), 0), len(_BARS) - 1) for level in levels)
        lines.append("".join(_BARS[eighths] for eighths in filled).ljust(width))
    return lines
