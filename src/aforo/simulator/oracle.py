"""What should have been counted: the rules, applied to one crossing after the other in the simplest way.

It shares no code with the program under test, so that a mistake there is not repeated here.
"""

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from aforo.simulator.event_log import Crossing, EventLog, instant_of, milliseconds
from aforo.simulator.faults import Faults

BOGOTA = ZoneInfo("America/Bogota")


class ZoneTexts(NamedTuple):
    """A zone's rules as texts, ``contains:TEXT`` or ``equals:TEXT``, and its occupancy at the start.

    With ``activities``, it counts instead what the history stores: entries of the first activity, exits of the second.
    """

    name: str
    entries: tuple[str, ...] = ()
    exits: tuple[str, ...] = ()
    initial: int = 0
    activities: tuple[str, str] | None = None


class RuleTexts(NamedTuple):
    """The rules as texts: which events are stored in the history, and the zones."""

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
        ZoneTexts("Personas en el estadio", activities=("OBJECT_COUNTING_ENTER", "OBJECT_COUNTING_EXIT")),
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
    """The expected counts of a zone at the end of the window."""

    entries: int
    exits: int
    aforo: int
    swallowed: int


class Answer(NamedTuple):
    """The truth about a window. ``accepted``: crossings by camera that count for the history or for a zone."""

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
    """Computes the expected counts of any window and set of allowed cameras."""

    def __init__(self, event_log: EventLog, rules: RuleTexts = STADIUM, faults: Faults | None = None) -> None:
        self._event_log = event_log
        self._rules = rules
        self._faults = faults or Faults()

    def between(self, since: datetime, until: datetime, cameras: Collection[str]) -> Answer:
        """Return the truth about [since, until), aware UTC: history rows in time order, zones, and counts by camera."""
        crossings = self._sorted(since, until, cameras)
        stored = {name: _fits(self._rules.stored, name) for name in {crossing.kind.name for crossing in crossings}}
        history = [self._row(crossing) for crossing in crossings if stored[crossing.kind.name]]
        zones, counted = {}, {name for name, kept in stored.items() if kept}
        for zone in self._rules.zones:
            if zone.activities is not None:
                moves = [_by_activity(zone.activities, one.kind.activity) * stored[one.kind.name] for one in crossings]
                zones[zone.name] = _count(zone.initial, moves)
                continue
            deltas = {name: _delta(zone, name) for name in stored}
            counted |= {name for name, delta in deltas.items() if delta}
            zones[zone.name] = _count(zone.initial, [deltas[crossing.kind.name] for crossing in crossings])
        accepted = Counter(crossing.kind.camera_id for crossing in crossings if crossing.kind.name in counted)
        return Answer(history, zones, dict(accepted))

    def _sorted(self, since: datetime, until: datetime, cameras: Collection[str]) -> list[Crossing]:
        crossings = [
            one
            for one in self._event_log.crossings(milliseconds(since), milliseconds(until), cameras)
            if self._faults.records(one.kind.camera_id, instant_of(one.at))
        ]
        return sorted(crossings, key=lambda crossing: (crossing.at, crossing.number, crossing.kind.server_id))

    def _row(self, crossing: Crossing) -> HistoryRow:
        kind = crossing.kind
        wall = instant_of(crossing.at).astimezone(BOGOTA).replace(tzinfo=None)
        return HistoryRow(kind.name, kind.area or "", kind.activity, kind.camera_id, wall)


def _delta(zone: ZoneTexts, name: str) -> int:
    """Return +1 for an entry, -1 for an exit, 0 for neither and for both."""
    return _fits(zone.entries, name) - _fits(zone.exits, name)


def _by_activity(activities: tuple[str, str], activity: str) -> int:
    return (activity == activities[0]) - (activity == activities[1])


def _count(initial: int, deltas: list[int]) -> ZoneTruth:
    entries = exits = swallowed = 0
    aforo = initial
    for delta in deltas:
        if delta > 0:
            entries += 1
            aforo += 1
        elif delta < 0:
            exits += 1
            if aforo == 0:
                swallowed += 1
            else:
                aforo -= 1
    return ZoneTruth(entries, exits, aforo, swallowed)
