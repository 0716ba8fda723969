"""Compute the figures of an event report from the database's snapshot and the settings. Pure."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from aforo import __version__
from aforo.counting.doors import Crossings, Doors, SourceMinute, crossings
from aforo.counting.occupancy import OccupancyDelta, composed
from aforo.counting.one_way import Directions
from aforo.counting.rules import Rules
from aforo.counting.totals import summed_curve
from aforo.ingestion.reservations import ComparedEvent, reservations
from aforo.live.estimates import DoorCounts, KnownEvent, because, estimates, wider
from aforo.live.state import undone_by
from aforo.models import Reservation, ReservationKind, Rule, Total, Zone, comparable, from_ms
from aforo.reporting.data import (
    CameraFigures,
    ClockFigures,
    CorrectionFigures,
    CountFigures,
    Delivery,
    DoorFigures,
    EstimateFigures,
    EventReport,
    Flow,
    Incident,
    IntervalFigures,
    LateCamera,
    Latency,
    Lateness,
    OneWayFigures,
    ZoneFigures,
)
from aforo.settings import Settings, totals_from, zones_from
from aforo.storage import (
    FAULT_KINDS,
    Correction,
    DoorMinute,
    JournalEntry,
    JournalKind,
    ManualCount,
    ReportSnapshot,
    StoredHistory,
    incidents,
)
from aforo.wording import natural_key

_SLOT_MS = 300_000  # the width of a bar: five minutes


def compute_report(snapshot: ReportSnapshot, settings: Settings, now: datetime) -> EventReport:
    """Return every figure of an event; ``now`` is when the report is made."""
    record, history = snapshot.record, snapshot.history
    zones = zones_from(settings.zones)
    estimated = _estimates(known_of(snapshot, settings), settings)
    figures = _zones(history, zones, estimated)
    rules = Rules(map(Rule.of, settings.events.stored), zones)
    entries = [entry for entry in snapshot.entries if entry.record_id is not None]
    compared = _last(entries, JournalKind.RECONCILIATION)
    result: dict[str, Any] = json.loads(compared.detail) if compared else {}
    return EventReport(
        name=record.event.name,
        day=record.event.day,
        since=record.event.window.since,
        until=record.event.window.until,
        timezone=settings.monitor.timezone.key,
        made_at=now,
        version=__version__,
        database=snapshot.database,
        compared_at=compared.began if compared else None,
        complete=bool(result.get("complete")),
        rules_changed=rules.fingerprint != record.rules,
        zones=figures,
        totals=[_total(total, figures, estimated.get(total.name)) for total in totals_from(settings.totals)],
        doors=_doors(history.doors, rules),
        cameras=_cameras(snapshot.events_by_camera, result),
        history_acc=result.get("history"),
        history_stored=snapshot.history_rows,
        refused=dict(Counter(result.get("refused", {})).most_common()),
        reservations=_reservations(record.event.day, result),
        lateness=percentiles(snapshot.lateness),
        delivery=_delivery(entries),
        corrections=_corrections(history.corrections),
        incidents=sorted(_incidents(snapshot, now), key=lambda incident: incident.began),
        alerts=_alerts(entries),
        counts=_counts(entries),
        one_way=_one_way(history.doors, rules, zones),
        latency=_latency(entries),
    )


def known_of(snapshot: ReportSnapshot, settings: Settings) -> KnownEvent:
    """Return what is known of an event, as estimates need it."""
    rules = Rules(map(Rule.of, settings.events.stored), zones_from(settings.zones))
    doors = Doors()
    for source, minute_ms, events in snapshot.history.doors:
        doors.add(SourceMinute(source, minute_ms), rules.classify(source), events)
    return KnownEvent(
        id=snapshot.record.id,
        event=snapshot.record.event,
        zones=settings.zones,
        totals=settings.totals,
        timezone=settings.monitor.timezone,
        doors=[DoorCounts(door.name, door.zone, door.camera_id, door.minutes) for door in doors],
        deltas=snapshot.history.minutes,
        corrections=snapshot.history.corrections,
        entries=[entry for entry in snapshot.entries if entry.record_id == snapshot.record.id],
        learned=snapshot.learned,
    )


def _estimates(known: KnownEvent, settings: Settings) -> dict[str, EstimateFigures]:
    found = {}
    for name, one in estimates(known, known.event.window.until).items():
        band = [IntervalFigures(*interval) for interval in one.bands]
        end = IntervalFigures(known.event.window.until, one.low, one.mode, one.high)
        peak = max(band, key=lambda interval: interval.mode, default=end)
        limit = settings.estimate.unreliable
        unreliable = wider(peak.high - peak.low, peak.mode, limit)
        found[name] = EstimateFigures(end, peak, because(one, known.timezone), unreliable, band)
    return found


def _counts(entries: Iterable[JournalEntry]) -> list[CountFigures]:
    found = []
    for entry in entries:
        count = ManualCount.of(entry)
        if count is not None:
            error = round(count.error)
            found.append(CountFigures(entry.began, entry.subject, count.value, error, count.entries, count.author))
    return sorted(found, key=lambda one: one.at)


def _last(entries: Iterable[JournalEntry], kind: str) -> JournalEntry | None:
    return max((entry for entry in entries if entry.kind == kind), key=lambda entry: entry.id, default=None)


def _zones(
    history: StoredHistory, zones: Sequence[Zone], estimated: Mapping[str, EstimateFigures]
) -> list[ZoneFigures]:
    minutes = history.minutes
    corrected: Counter[str] = Counter()
    for correction in history.corrections:
        corrected[correction.zone] += correction.delta
    return [_zone(zone, minutes.get(zone.name, {}), corrected[zone.name], estimated.get(zone.name)) for zone in zones]


def _zone(
    zone: Zone, minutes: Mapping[int, OccupancyDelta], corrected: int, estimated: EstimateFigures | None
) -> ZoneFigures:
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
        estimate=estimated,
    )


def _total(total: Total, zones: Sequence[ZoneFigures], estimated: EstimateFigures | None) -> ZoneFigures:
    parts = [zone for zone in zones if zone.name in total.zones]
    curve = summed_curve([(part.initial, dict(part.curve)) for part in parts])
    flows: defaultdict[datetime, Crossings] = defaultdict(Crossings)
    for flow in (flow for part in parts for flow in part.minutes):
        flows[flow.at] = flows[flow.at].plus(Crossings(flow.entries, flow.exits))
    initial = sum(part.initial for part in parts)
    peak_at, peak = max(curve, key=lambda one: one[1], default=(None, initial))
    return ZoneFigures(
        name=total.name,
        table="",
        capacity=total.capacity,
        initial=initial,
        entries=sum(part.entries for part in parts),
        exits=sum(part.exits for part in parts),
        swallowed=sum(part.swallowed for part in parts),
        corrected=sum(part.corrected for part in parts),
        count=sum(part.count for part in parts),
        peak=max(peak, initial),
        peak_at=peak_at if peak > initial else None,
        curve=curve,
        minutes=[Flow(at, *flows[at]) for at in sorted(flows)],
        zones=[part.name for part in parts],
        estimate=estimated,
    )


def _doors(minutes: Iterable[DoorMinute], rules: Rules) -> list[DoorFigures]:
    slots: defaultdict[str, defaultdict[int, Crossings]] = defaultdict(lambda: defaultdict(Crossings))
    names: dict[str, str] = {}
    for source, minute_ms, events in minutes:
        key = comparable(source.name)
        names.setdefault(key, source.name.strip())
        slot = minute_ms - minute_ms % _SLOT_MS
        counted = crossings(source.activity, rules.classify(source).movements, events)
        slots[key][slot] = slots[key][slot].plus(counted)
    return [_door(names[key], slots[key]) for key in sorted(slots, key=natural_key)]


def _door(name: str, slots: Mapping[int, Crossings]) -> DoorFigures:
    total = Crossings()
    for counted in slots.values():
        total = total.plus(counted)
    busiest = max(slots, key=lambda slot: (slots[slot].total, -slot))
    flows = [Flow(from_ms(slot), *slots[slot]) for slot in sorted(slots)]
    return DoorFigures(name, *total, from_ms(busiest), flows)


def _one_way(minutes: Iterable[DoorMinute], rules: Rules, zones: Sequence[Zone]) -> list[OneWayFigures]:
    directions = Directions()
    for source, _, events in minutes:
        directions.add(source, rules.classify(source), events)
    by_rule = {zone.name for zone in zones if not (zone.entries and zone.exits)}
    found = directions.one_way(complete=True, surely=True, by_rule=by_rule)
    return [OneWayFigures(door.name, door.zone, door.entries, door.number) for door in found]


def _cameras(stored: Mapping[str, int], result: Mapping[str, Any]) -> list[CameraFigures]:
    compared: Mapping[str, Mapping[str, Any]] = result.get("cameras", {})
    figures = []
    for camera in stored.keys() | compared.keys():
        row = compared.get(camera, {})
        acc = row.get("acc", 0) if result else None
        figures.append(
            CameraFigures(camera, row.get("name", ""), acc, stored.get(camera, 0), row.get("unanswered", ""))
        )
    return sorted(figures, key=lambda camera: natural_key(camera.name or camera.id))


def _reservations(day: date, result: Mapping[str, Any]) -> list[Reservation]:
    """Return the reservations of the close; of one of release 1.0, which stored none, what its figures show."""
    if "reservations" in result:
        return [Reservation(**one | {"kind": ReservationKind(one["kind"])}) for one in result["reservations"]]
    if not result:
        return []
    cameras: Mapping[str, Mapping[str, Any]] = result.get("cameras", {})
    acc = {camera: row.get("acc", 0) for camera, row in cameras.items()}
    event = ComparedEvent(
        day=day,
        cameras=cameras.keys(),
        acc=acc,
        stored=acc,
        history=(0, 0),
        rejected=result.get("refused", {}),
        active={camera for camera, count in acc.items() if count},
        unanswered={camera for camera, row in cameras.items() if row.get("unanswered")},
        listed=cameras.keys(),
        names={camera: row.get("name", "") for camera, row in cameras.items()},
    )
    return reservations(event)


def _corrections(corrections: Sequence[Correction]) -> list[CorrectionFigures]:
    undone = {undone_by(correction) for correction in corrections}
    return [
        CorrectionFigures(one.at, one.zone, one.delta, one.reason, one.author, one.id in undone) for one in corrections
    ]


def _incidents(snapshot: ReportSnapshot, now: datetime) -> Iterator[Incident]:
    """Give the outages and the gaps of the program, each with how many events were recovered after it."""
    for entry in incidents(snapshot.entries, snapshot.record.event.window, now):
        what, why = _DESCRIPTIONS[entry.kind](entry)
        yield Incident(entry.kind, what, entry.began, entry.ended, why, snapshot.recovered.get(entry.id))
    for (since, until), recovered in snapshot.gaps:
        yield Incident(JournalKind.INSTANCE, "El programa no estaba en marcha", since, until, "", recovered)


def _server_away(entry: JournalEntry) -> tuple[str, str]:
    return "El servidor de cámaras no respondía", entry.detail


def _database_away(entry: JournalEntry) -> tuple[str, str]:
    return "La base de datos no respondía", entry.detail


def _database_replaced(entry: JournalEntry) -> tuple[str, str]:
    return "La base de datos fue borrada, cambiada o restaurada", entry.detail


def _camera_away(entry: JournalEntry) -> tuple[str, str]:
    detail: dict[str, str] = json.loads(entry.detail)
    return f"No contestaba {detail['name'] or entry.subject}", detail["why"]


def _camera_fault(entry: JournalEntry) -> tuple[str, str]:
    detail: dict[str, str] = json.loads(entry.detail)
    return _FAULTS[entry.kind].format(detail["name"] or entry.subject), detail["why"]


def _row_quarantined(entry: JournalEntry) -> tuple[str, str]:
    return "Una tabla no admitió una fila", entry.detail


def _clock_stepped(entry: JournalEntry) -> tuple[str, str]:
    return entry.detail, ""


_FAULTS: Mapping[str, str] = {
    JournalKind.DISCONNECTED: "ACC daba por desconectada la cámara {}",
    JournalKind.NO_VIDEO: "ACC no recibía video de la cámara {}",
    JournalKind.TAMPERED: "ACC daba por tapada o movida la cámara {}",
    JournalKind.NOT_RECORDING: "ACC no grababa la cámara {}",
    JournalKind.RECONFIGURED: "Alguien cambió en ACC los ajustes de la cámara {}",
}
_DESCRIPTIONS: Mapping[str, Callable[[JournalEntry], tuple[str, str]]] = {
    JournalKind.ACC_AWAY: _server_away,
    JournalKind.DATABASE_AWAY: _database_away,
    JournalKind.DATABASE_REPLACED: _database_replaced,
    JournalKind.CAMERA_AWAY: _camera_away,
    **dict.fromkeys(FAULT_KINDS.values(), _camera_fault),
    JournalKind.ROW_REFUSED: _row_quarantined,
    JournalKind.CLOCK: _clock_stepped,
}


def _alerts(entries: Iterable[JournalEntry]) -> list[Incident]:
    alerts = [(entry, json.loads(entry.detail)) for entry in entries if entry.kind == JournalKind.ALERT]
    return [Incident(detail["kind"], detail["text"], entry.began, entry.ended) for entry, detail in alerts]


def _delivery(entries: Iterable[JournalEntry]) -> Delivery | None:
    """Return what was measured until the last close that measured anything."""
    closes = [entry for entry in entries if entry.kind == JournalKind.RECONCILIATION]
    measured = [json.loads(entry.detail).get("lateness") for entry in sorted(closes, key=lambda entry: entry.id)]
    found = [one for one in measured if one and (one["events"] or one["clocks"])]
    if not found:
        return None
    cameras = [LateCamera(**camera) for camera in found[-1]["cameras"]]
    clocks = [ClockFigures(**clock) for clock in found[-1]["clocks"]]
    return Delivery(**found[-1] | {"cameras": cameras, "clocks": clocks})


def _latency(entries: Iterable[JournalEntry]) -> dict[str, Latency]:
    """Return what the last close says that followed anything live."""
    closes = [entry for entry in entries if entry.kind == JournalKind.RECONCILIATION]
    found = [json.loads(entry.detail).get("latency") for entry in sorted(closes, key=lambda entry: entry.id)]
    last: Mapping[str, dict[str, Any]] = next((one for one in reversed(found) if one), {})
    return {stage: Latency(**figures) for stage, figures in last.items()}


def percentiles(histogram: Sequence[tuple[float, int]]) -> Lateness:
    """Return the percentiles of a histogram: (seconds, how many events), in ascending order."""
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
