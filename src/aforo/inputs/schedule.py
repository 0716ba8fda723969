"""The schedule ``eventos_programados.json``: which event is on, which comes next.

``{"2025-01-20": {"nombre": "Concierto A", "hora_inicio": "16:00", "hora_fin": "23:00"}}``; a date may also hold a list.
Times are local. ``hora_fin`` at or before ``hora_inicio`` is on the next day. When clocks change, a time that exists
twice or not at all is taken so that the event is the longer.
"""

import logging
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

from aforo.errors import BadSchedule
from aforo.inputs.watched_file import WatchedFile, line_of, read_json
from aforo.models import ScheduledEvent, Window
from aforo.outside_text import LONGEST_TEXT, bounded, well_formed

_log = logging.getLogger(__name__)

UNCLOSED_FOR = timedelta(hours=24)  # a start within that time closes an event that a kill left open
_SHAPE = (
    'Se admite {"2025-01-20": {"nombre": "Concierto A", "hora_inicio": "16:00", "hora_fin": "23:00"}}, '
    "con una lista de eventos donde un día tiene varios."
)
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
_DAY = re.compile(r"2\d{3}-\d{2}-\d{2}")  # astronomers' years would overflow datetime


@dataclass(frozen=True, slots=True)
class Schedule:
    """All scheduled events, by their start; no two overlap."""

    events: tuple[ScheduledEvent, ...]

    @classmethod
    def load(cls, path: Path, timezone: ZoneInfo) -> Self:
        """Read the file; raises BadSchedule with file, date, position and what is allowed."""
        document, text = read_json(path, BadSchedule, _SHAPE)
        if not isinstance(document, dict):
            raise BadSchedule(f"{path} no es un objeto JSON con fechas.", remedy=_SHAPE)
        events: list[ScheduledEvent] = []
        for key, entry in document.items():
            place = f"{path}{line_of(text, key)}, fecha «{key}»"
            events += _on_day(_day(key, place), entry, place, timezone)
        events.sort(key=lambda event: event.window)
        _check_overlaps(events, path)
        return cls(tuple(events))

    def active(self, now: datetime) -> ScheduledEvent | None:
        """Return the event that is on at that instant (aware), one that began yesterday included."""
        return next((event for event in self.events if event.window.since <= now < event.window.until), None)

    def next(self, now: datetime) -> ScheduledEvent | None:
        """Return the first event that begins after that instant."""
        return next((event for event in self.events if event.window.since > now), None)

    def on(self, day: date) -> list[ScheduledEvent]:
        """Return the events of that date's key, by their start."""
        return [event for event in self.events if event.day == day]

    def edited(self, event: ScheduledEvent) -> ScheduledEvent | None:
        """Find an event again after its name or its times changed; None where nothing is left of its time.

        Of those that share some of its time: the one of its name, else the one that shares most.
        """
        since, until = event.window
        found = [one for one in self.events if one.window.since < until and since < one.window.until]
        shared = {one: min(until, one.window.until) - max(since, one.window.since) for one in found}
        return max(found, key=lambda one: (one.name == event.name, shared[one]), default=None)


class ScheduleFile(WatchedFile[Schedule]):
    """The watched schedule file; the constructor raises BadSchedule."""

    def __init__(self, path: Path, timezone: ZoneInfo) -> None:
        super().__init__(path, partial(Schedule.load, timezone=timezone))

    @property
    def schedule(self) -> Schedule:
        """The valid version."""
        return self.value


def check_event(day: str, entry: dict[str, str], timezone: ZoneInfo) -> None:
    """Raise BadSchedule if this is not a valid date and event of the file."""
    _on_day(_day(day, f"«{day}»"), entry, "El evento", timezone)


def _day(key: str, place: str) -> date:
    try:
        if _DAY.fullmatch(key):
            return date.fromisoformat(key)
    except ValueError:
        pass  # rejected below, like a key of another shape
    raise BadSchedule(f"{place}: no es una fecha.", remedy="Se admite AAAA-MM-DD, como 2025-01-20.")


def _on_day(day: date, entry: Any, place: str, timezone: ZoneInfo) -> list[ScheduledEvent]:
    if isinstance(entry, list):
        return [_event(day, one, f"{place}, evento {number}", timezone) for number, one in enumerate(entry, start=1)]
    return [_event(day, entry, place, timezone)]


def _event(day: date, entry: Any, place: str, timezone: ZoneInfo) -> ScheduledEvent:
    if not isinstance(entry, dict):
        raise BadSchedule(f"{place}: no es un evento.", remedy=_SHAPE)
    name = entry.get("nombre")
    if not isinstance(name, str) or not name.strip():
        raise BadSchedule(f"{place}: falta nombre.", remedy="Se admite un texto no vacío.")
    starts, ends = _time(entry, "hora_inicio", place), _time(entry, "hora_fin", place)
    last_day = day if ends > starts else day + timedelta(days=1)
    if bounded(name.strip()) != name.strip():
        _log.warning("%s: el nombre tiene más de %d caracteres; se usa acortado.", place, LONGEST_TEXT)
    window = Window(min(_instants(day, starts, timezone)), max(_instants(last_day, ends, timezone)))
    return ScheduledEvent(day, bounded(well_formed(name.strip())), window)


def _time(entry: dict[str, Any], key: str, place: str) -> time:
    value = entry.get(key)
    found = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        what = f"{place}: falta {key}." if key not in entry else f"{place}: {key} «{value}» no es una hora."
        raise BadSchedule(what, remedy="Se admite HH:MM o HH:MM:SS, de 00:00 a 23:59:59, entre comillas.")
    return time(int(found[1]), int(found[2]), int(found[3] or 0))


def _instants(day: date, local: time, timezone: ZoneInfo) -> list[datetime]:
    """Return the instants that this local time can mean: one, or two when clocks change."""
    return [datetime.combine(day, local.replace(fold=fold), timezone).astimezone(UTC) for fold in (0, 1)]


def _check_overlaps(events: list[ScheduledEvent], path: Path) -> None:
    for earlier, later in pairwise(events):
        if later.window.since < earlier.window.until:
            raise BadSchedule(
                f"{path}: «{earlier.name}» ({earlier.day}) y «{later.name}» ({later.day}) se cruzan.",
                remedy="Se admiten varios eventos al día, si cada uno empieza cuando el anterior ya acabó. "
                "Una hora_fin que no es posterior a hora_inicio es del día siguiente.",
            )
