"""What should have been counted: the plain rules, applied one passage after the other, with nothing clever.

It shares no code with the program under test, so that a mistake there is not repeated here.
"""

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from aforo.simulator.event_log import Crossing, EventLog, instant_of, milliseconds

BOGOTA = ZoneInfo("America/Bogota")


class ZoneTexts(NamedTuple):
    """A zone's rules as texts, ``contains:TEXT`` or ``equals:TEXT``, and the aforo it starts with."""

    name: str
    entries: tuple[str, ...]
    exits: tuple[str, ...]
    initial: int = 0


class RuleTexts(NamedTuple):
    """The rules as texts: what is stored in the history, and the zones."""

    stored: tuple[str, ...]
    zones: tuple[ZoneTexts, ...]


STADIUM = RuleTexts(
    stored=("contains:PUERTA", "contains:AFORO ENTRADA SENCIA", "equals:INGRESO PERSONAS ENTRADA MARATON"),
    zones=(
        ZoneTexts(
            "Parqueadero Norte",
            ("contains:AFORO ENTRADA PARQUEADERO NORTE",),
            ("contains:AFORO SALIDA PARQUEADERO NORTE",),
        ),
        ZoneTexts("Campinsito", ("contains:ENTRADA VEHICULAR CAMPINSITO",), ("contains:SALIDA VEHICULAR CAMPINSITO",)),
        ZoneTexts("Zona Sur", ("contains:INGRESO PARQUEADERO SUR",), ("contains:SALIDA PARQUEADERO SUR",)),
    ),
)


class HistoryRow(NamedTuple):
    """A row that eventos_Analisis should hold; ``timestamp`` is Bogotá wall time, naive, to the millisecond."""

    analytic_event_name: str
    area: str
    activity: str
    camera_id: str
    timestamp: datetime


class ZoneTruth(NamedTuple):
    """What a zone should say at the end of the window."""

    entries: int
    exits: int
    aforo: int
    swallowed: int


class Answer(NamedTuple):
    """The truth about a window. ``accepted``: passages by camera that count for the history or for a zone."""

    history: list[HistoryRow]
    zones: dict[str, ZoneTruth]
    accepted: dict[str, int]


def _fits(rules: tuple[str, ...], name: str) -> bool:
    for rule in rules:
        kind, text = rule.split(":", 1)
        if kind == "equals" and name.upper() == text.upper():
            return True
        if kind == "contains" and text.upper() in name.upper():
            return True
    return False


class Oracle:
    """Answers for any window [since, until), aware UTC, and any set of allowed cameras."""

    def __init__(self, recording: EventLog, rules: RuleTexts = STADIUM) -> None:
        self._recording = recording
        self._rules = rules

    def tell(self, since: datetime, until: datetime, cameras: Collection[str]) -> Answer:
        """All of it: the history rows in time order, each zone, and how many passages count, by camera."""
        passages = self._sorted(since, until, cameras)
        stored = {name: _fits(self._rules.stored, name) for name in {passage.kind.name for passage in passages}}
        history = [self._row(passage) for passage in passages if stored[passage.kind.name]]
        zones, moved = {}, {name for name, kept in stored.items() if kept}
        for zone in self._rules.zones:
            steps = {name: _step(zone, name) for name in stored}
            moved |= {name for name, step in steps.items() if step}
            zones[zone.name] = _walk(zone.initial, [steps[passage.kind.name] for passage in passages])
        accepted = Counter(passage.kind.camera_id for passage in passages if passage.kind.name in moved)
        return Answer(history, zones, dict(accepted))

    def _sorted(self, since: datetime, until: datetime, cameras: Collection[str]) -> list[Crossing]:
        passages = self._recording.passages(milliseconds(since), milliseconds(until), cameras)
        return sorted(passages, key=lambda passage: (passage.at, passage.number, passage.kind.server_id))

    def _row(self, passage: Crossing) -> HistoryRow:
        kind = passage.kind
        wall = instant_of(passage.at).astimezone(BOGOTA).replace(tzinfo=None)
        return HistoryRow(kind.name, kind.area or "", kind.activity, kind.camera_id, wall)


def _step(zone: ZoneTexts, name: str) -> int:
    """+1 for an entry, -1 for an exit, 0 for neither and for what claims to be both."""
    return _fits(zone.entries, name) - _fits(zone.exits, name)


def _walk(initial: int, steps: list[int]) -> ZoneTruth:
    entries = exits = swallowed = 0
    aforo = initial
    for step in steps:
        if step > 0:
            entries += 1
            aforo += 1
        elif step < 0:
            exits += 1
            if aforo == 0:
                swallowed += 1
            else:
                aforo -= 1
    return ZoneTruth(entries, exits, aforo, swallowed)
