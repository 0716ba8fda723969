"""The snapshot of an event and the settings → the figures of its report. Pure."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from aforo import __version__
from aforo.counting.doors import Crossings, crossings
from aforo.counting.occupancy import OccupancyDelta, composed
from aforo.counting.rules import Rules
from aforo.live.state import undone_by
from aforo.models import EventSource, Matcher, Zone, from_ms
from aforo.reporting.data import (
    CameraFigures,
    CorrectionFigures,
    DoorFigures,
    EventReport,
    Flow,
    Incident,
    Lateness,
    ZoneFigures,
)
from aforo.settings import Settings, zones_from
from aforo.storage import Correction, DoorMinute, JournalEntry, JournalKind, ReportSnapshot, StoredHistory, touches
from aforo.wording import natural_key

SLOT_MS = 300_000  # the width of a bar: five minutes
_SHORTEST = timedelta(seconds=5)  # what was over sooner held up nothing
_ECHO = timedelta(minutes=3)  # cameras may be told of a little before their server is given up…
_AFTER_ECHO = timedelta(minutes=10)  # …and answer again some turns after it does


def collect(snapshot: ReportSnapshot, settings: Settings, now: datetime) -> EventReport:
    """Every figure of an event."""
    show, history = snapshot.record, snapshot.history
    zones = zones_from(settings.zones)
    rules = Rules(map(Matcher.parse, settings.events.stored), zones)
    notes = [note for note in snapshot.entries if note.record_id is not None]
    compared = _last(notes, JournalKind.RECONCILIATION)
    told: dict[str, Any] = json.loads(compared.detail) if compared else {}
    return EventReport(
        name=show.event.name,
        day=show.event.day,
        since=show.event.window.since,
        until=show.event.window.until,
        timezone=settings.monitor.timezone.key,
        made_at=now,
        version=__version__,
        database=snapshot.database,
        compared_at=compared.began if compared else None,
        complete=bool(told.get("complete")),
        rules_changed=rules.fingerprint != show.rules,
        zones=_zones(history, zones),
        doors=_doors(history.doors, rules),
        cameras=_cameras(snapshot.events_by_camera, told),
        history_acc=told.get("history"),
        history_stored=snapshot.history_rows,
        refused=dict(Counter(told.get("refused", {})).most_common()),
        lateness=percentiles(snapshot.lateness),
        corrections=_corrections(history.corrections),
        incidents=sorted(_incidents(snapshot, now), key=lambda incident: incident.began),
        alerts=_alerts(notes),
    )


def _last(notes: Iterable[JournalEntry], kind: str) -> JournalEntry | None:
    return next((note for note in sorted(notes, key=lambda note: -note.id) if note.kind == kind), None)


def _zones(history: StoredHistory, zones: Sequence[Zone]) -> list[ZoneFigures]:
    minutes = history.minutes
    corrected: Counter[str] = Counter()
    for correction in history.corrections:
        corrected[correction.zone] += correction.delta
    return [_zone(zone, minutes.get(zone.name, {}), corrected[zone.name]) for zone in zones]


def _zone(zone: Zone, minutes: Mapping[int, OccupancyDelta], corrected: int) -> ZoneFigures:
    occupancy = composed(minutes).occupancy(zone.name, zone.initial)
    count = peak = zone.initial
    peak_at: datetime | None = None
    curve = []
    for start in sorted(minutes):
        highest = minutes[start].peak(count)
        if highest > peak:
            peak, peak_at = highest, from_ms(start)
        count = minutes[start].after(count)
        curve.append((from_ms(start), count))
    return ZoneFigures(
        name=zone.name,
        table=zone.table,
        capacity=zone.capacity,
        initial=zone.initial,
        entries=occupancy.entries,
        exits=occupancy.exits,
        swallowed=occupancy.unmatched_exits,
        corrected=corrected,
        count=occupancy.count,
        peak=peak,
        peak_at=peak_at,
        curve=curve,
        minutes=[Flow(from_ms(start), minutes[start].entries, minutes[start].exits) for start in sorted(minutes)],
    )


def _doors(minutes: Iterable[DoorMinute], rules: Rules) -> list[DoorFigures]:
    slots: defaultdict[str, defaultdict[int, Crossings]] = defaultdict(lambda: defaultdict(Crossings))
    names: dict[str, str] = {}
    for name, activity, minute_ms, events in minutes:
        key = name.upper().strip()
        names.setdefault(key, name.strip())
        slot = minute_ms - minute_ms % SLOT_MS
        ways = crossings(activity, rules.classify(EventSource("", name, "", activity)).movements, events)
        slots[key][slot] = slots[key][slot].plus(ways)
    return [_door(names[key], slots[key]) for key in sorted(slots, key=natural_key)]


def _door(name: str, slots: Mapping[int, Crossings]) -> DoorFigures:
    total = Crossings()
    for ways in slots.values():
        total = total.plus(ways)
    busiest = max(slots, key=lambda slot: (slots[slot].total, -slot))
    flows = [Flow(from_ms(slot), *slots[slot]) for slot in sorted(slots)]
    return DoorFigures(name, *total, from_ms(busiest), flows)


def _cameras(stored: Mapping[str, int], told: Mapping[str, Any]) -> list[CameraFigures]:
    compared: Mapping[str, Mapping[str, Any]] = told.get("cameras", {})
    found = []
    for camera in stored.keys() | compared.keys():
        said = compared.get(camera, {})
        acc = said.get("acc", 0) if told else None
        found.append(
            CameraFigures(camera, said.get("name", ""), acc, stored.get(camera, 0), said.get("unanswered", ""))
        )
    return sorted(found, key=lambda camera: natural_key(camera.name or camera.id))


def _corrections(corrections: Sequence[Correction]) -> list[CorrectionFigures]:
    undone = {undone_by(correction) for correction in corrections}
    return [
        CorrectionFigures(one.at, one.zone, one.delta, one.reason, one.author, one.id in undone) for one in corrections
    ]


def _incidents(snapshot: ReportSnapshot, now: datetime) -> Iterator[Incident]:
    """What went wrong for a while, with what was caught up when it was over."""
    for note in _without_echoes(snapshot.entries):
        lasted = (note.ended or now) - note.began
        told = note.kind == JournalKind.ROW_REFUSED or lasted >= _SHORTEST
        if told and note.kind in _TELLERS and touches(note, snapshot.record.event.window, now):
            what, why = _TELLERS[note.kind](note)
            yield Incident(note.kind, what, note.began, note.ended, why, snapshot.recovered.get(note.id))
    for (since, until), recovered in snapshot.gaps:
        yield Incident(JournalKind.INSTANCE, "El programa no estaba en marcha", since, until, "", recovered)


def _without_echoes(notes: Sequence[JournalEntry]) -> Iterator[JournalEntry]:
    """The notes without those of cameras that only fell silent because their server did."""
    away = [note for note in notes if note.kind == JournalKind.ACC_AWAY]
    for note in notes:
        inside = any(
            server.ended is not None
            and note.ended is not None
            and server.began - _ECHO <= note.began <= server.ended
            and note.ended <= server.ended + _AFTER_ECHO
            for server in away
        )
        if note.kind != JournalKind.CAMERA_AWAY or not inside:
            yield note


def _of_acc(note: JournalEntry) -> tuple[str, str]:
    return "El servidor de cámaras no respondía", note.detail


def _of_database(note: JournalEntry) -> tuple[str, str]:
    return "La base de datos no respondía", note.detail


def _of_camera(note: JournalEntry) -> tuple[str, str]:
    detail: dict[str, str] = json.loads(note.detail)
    return f"No contestaba {detail['name'] or note.subject}", detail["why"]


def _of_row(note: JournalEntry) -> tuple[str, str]:
    return "Una tabla no admitió una fila", note.detail


_TELLERS: Mapping[str, Callable[[JournalEntry], tuple[str, str]]] = {
    JournalKind.ACC_AWAY: _of_acc,
    JournalKind.DATABASE_AWAY: _of_database,
    JournalKind.CAMERA_AWAY: _of_camera,
    JournalKind.ROW_REFUSED: _of_row,
}


def _alerts(notes: Iterable[JournalEntry]) -> list[Incident]:
    told = [(note, json.loads(note.detail)) for note in notes if note.kind == JournalKind.ALERT]
    return [Incident(detail["kind"], detail["text"], note.began, note.ended) for note, detail in told]


def percentiles(histogram: Sequence[tuple[float, int]]) -> Lateness:
    """The percentiles of (seconds, how many), in order."""
    total = sum(count for _, count in histogram)
    if not total:
        return Lateness()

    def at(share: float) -> float:
        seen = 0
        for seconds, count in histogram:
            seen += count
            if seen >= share * total:
                return max(0.0, seconds)
        return max(0.0, histogram[-1][0])

    over = sum(count for seconds, count in histogram if seconds > 60)
    return Lateness(at(0.5), at(0.95), at(0.99), max(0.0, histogram[-1][0]), over)
