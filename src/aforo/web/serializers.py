"""Makes the API's responses from the live state. Pure: ``now`` is an argument."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

from aforo.counting.door_activity import DoorActivity, DoorCondition
from aforo.counting.doors import Crossings, Door
from aforo.counting.lateness import summarize
from aforo.live.state import LiveEstimate, LiveState, undone_by
from aforo.models import MINUTE_MS, EventPhase, FeedStatus, Occupancy, PushStatus, ScheduledEvent, from_ms, to_ms
from aforo.settings import TotalSettings, ZoneSettings
from aforo.web import schemas
from aforo.wording import natural_key, one_way_line

_NOT_WATCHED = DoorActivity(DoorCondition.UNKNOWN, 0.0)
_TREND = timedelta(minutes=15)
_LATENESS_WINDOW = timedelta(minutes=15)
_MOST_FAULTS = 200  # of all cameras in the state, the last ones; the journal has all
_MAX_CORRECTIONS = 200  # in the state; all of them are under /api/v1/corrections


def state(live: LiveState, now: datetime, timezone: str, stale_after: float, first: str = "") -> schemas.State:
    """Return everything but the series. ``first``: the zone or total that the page shows first."""
    event, upcoming = live.event, live.probes.upcoming()
    return schemas.State(
        now=now,
        timezone=timezone,
        phase=live.phase.value,
        close_waits_until=live.close_waits_until,
        event=_event(event) if event else None,
        next=_event(upcoming) if upcoming else None,
        beside=[schemas.BesideState(name=other.name, phase=phase.value) for other, phase in live.beside],
        evening=live.generation,
        series=live.changes,
        first=first,
        zones=zones(live, now),
        totals=totals(live, now),
        doors=doors(live, now),
        one_way=one_way(live),
        trust=data_quality(live, now, stale_after),
        reconciliation=_reconciliation(live),
        alerts=alerts(live),
        corrections=corrections(live)[-_MAX_CORRECTIONS:],
    )


def zones(live: LiveState, now: datetime) -> list[schemas.ZoneState]:
    """Return every zone of the settings that is counted, in their order."""
    return [
        schemas.ZoneState(**_counted(live, zone, stored, now), within=zone.within)
        for zone in live.zones
        if (stored := live.occupancies.get(zone.name)) is not None
    ]


def totals(live: LiveState, now: datetime) -> list[schemas.TotalState]:
    """Return every total of the settings whose zones are counted, in their order."""
    occupancies = live.total_occupancies
    return [
        schemas.TotalState(**_counted(live, total, stored, now), zones=total.zones)
        for total in live.totals
        if (stored := occupancies.get(total.name)) is not None
    ]


def _counted(
    live: LiveState, counted: ZoneSettings | TotalSettings, stored: Occupancy, now: datetime
) -> dict[str, Any]:
    """Return what the states of a zone and of a total share; ``stored``: its occupancy as committed."""
    name, capacity, occupancy = counted.name, counted.capacity, live.occupancy(counted.name)
    return {
        "name": name,
        "count": occupancy.count,
        "stored": stored.count,
        "provisional": live.provisional and occupancy != stored,
        "entries": occupancy.entries,
        "exits": occupancy.exits,
        "swallowed": occupancy.unmatched_exits,
        "capacity": capacity or None,
        "percent": round(100 * occupancy.count / capacity, 1) if capacity else None,
        "warning": counted.warning,
        "full": counted.full,
        "level": live.level(name),
        "trend": _trend(live, counted, occupancy.count, now),
        "corrected": _corrected(live, counted),
        "interval": _interval(live.estimates.get(name)),
    }


def _interval(one: LiveEstimate | None) -> schemas.IntervalState | None:
    if one is None:
        return None
    return schemas.IntervalState(
        low=one.low, mode=one.mode, high=one.high, reliable=not one.unreliable, why=one.because
    )


def bands(live: LiveState) -> dict[str, schemas.BandSeries]:
    """Return between what and what each zone and total lay, at each quarter of an hour."""
    return {
        name: schemas.BandSeries(
            minutes=[to_ms(band.at) // 1000 for band in one.bands],
            low=[band.low for band in one.bands],
            mode=[band.mode for band in one.bands],
            high=[band.high for band in one.bands],
        )
        for name, one in live.estimates.items()
    }


def _trend(live: LiveState, counted: ZoneSettings | TotalSettings, count: int, now: datetime) -> int:
    """Return how the count changed lately by itself: a correction is no flow."""
    since = to_ms(_event_time(live, now) - _TREND)
    return count - live.count_at(counted.name, from_ms(since)) - _corrected(live, counted, since)


def _corrected(live: LiveState, counted: ZoneSettings | TotalSettings, since_ms: int = 0) -> int:
    """Return the sum of the corrections, from the minutes that begin at or after ``since_ms`` (epoch ms)."""
    names = counted.zones if isinstance(counted, TotalSettings) else [counted.name]
    return sum(
        correction.delta
        for correction in live.corrections.values()
        if correction.zone in names and to_ms(correction.at) // MINUTE_MS * MINUTE_MS >= since_ms
    )


def _event(event: ScheduledEvent) -> schemas.EventState:
    since, until = event.window
    return schemas.EventState(name=event.name, day=event.day.isoformat(), since=since, until=until)


def _reconciliation(live: LiveState) -> schemas.ReconciliationState | None:
    result = live.reconciliation
    if result is None:
        return None
    return schemas.ReconciliationState(
        outcome=result.outcome,
        reservations=[
            schemas.ReservationState.model_validate(one, from_attributes=True) for one in result.reservations
        ],
    )


def _event_time(live: LiveState, now: datetime) -> datetime:
    """Return now, or the event's end once that is past."""
    return min(now, live.event.window.until) if live.event else now


def doors(live: LiveState, now: datetime) -> list[schemas.DoorState]:
    """Return the doors by name; while the database is away, with what is read and not stored yet."""
    until_ms = to_ms(_event_time(live, now))
    uncommitted_by_name = {door.name: door for door in live.uncommitted_doors()}
    states = [_door(door, uncommitted_by_name.get(door.name), until_ms, live) for door in live.doors if door.people]
    states += [
        _door(door, None, until_ms, live)
        for name, door in uncommitted_by_name.items()
        if door.people and name not in {known.name for known in live.doors}
    ]
    return sorted(states, key=lambda door: natural_key(door.name))


def one_way(live: LiveState) -> list[schemas.OneWayDoorState]:
    """Return the doors that count one direction only, by zone and name."""
    return [
        schemas.OneWayDoorState(
            zone=door.zone,
            name=door.name,
            camera=door.camera_id,
            camera_name=live.camera_names.get(door.camera_id) or door.camera_id,
            counts="entries" if door.entries else "exits",
            number=door.number,
            text=one_way_line(door.name, door.zone, entries=door.entries),
        )
        for door in live.one_way_doors
    ]


def _door(door: Door, uncommitted: Door | None, until_ms: int, live: LiveState) -> schemas.DoorState:
    def since(minutes: int) -> Crossings:
        start = until_ms - until_ms % MINUTE_MS - (minutes - 1) * MINUTE_MS
        crossings = door.between(start, until_ms)
        return crossings.plus(uncommitted.between(start, until_ms)) if uncommitted else crossings

    total = door.total.plus(uncommitted.total) if uncommitted else door.total
    activity = live.door_activity().get(door.name, _NOT_WATCHED)
    return schemas.DoorState(
        name=door.name,
        zone=door.zone,
        entries=total.entries,
        exits=total.exits,
        total=total.total,
        last_5=since(5).total,
        last_15=since(15).total,
        silent=door.name in live.silent_doors,
        activity=activity.condition,
        expected=round(activity.expected, 1),
    )


def data_quality(live: LiveState, now: datetime, stale_after: float) -> schemas.Trust:
    """Return how old the count is, and what it lacks."""
    as_of = live.as_of()
    age = max(0.0, (_event_time(live, now) - as_of).total_seconds()) if as_of is not None else None
    return schemas.Trust(
        as_of=as_of,
        age=age,
        stale=age is not None and age > stale_after and live.phase is not EventPhase.OVER,
        catching_up=live.catching_up(now, timedelta(seconds=stale_after)),
        stored_at=live.stored_at,
        database=_link(live.probes.database_down_since()),
        acc=_link(live.probes.link_down_since()),
        cameras=cameras(live, now),
        lateness=_lateness(live, now),
        delivery=_delivery(live),
        refused=dict(Counter(live.excluded).most_common()),
        stored=live.stored,
        repeated=live.repeated,
        pending=live.probes.pending(),
        push=_pushes(live.probes.push()),
    )


def _pushes(status: PushStatus | None) -> schemas.PushesState | None:
    return None if status is None else schemas.PushesState(state=status.state, since=status.since, reason=status.reason)


def _link(down_since: datetime | None) -> schemas.LinkState:
    return schemas.LinkState(up=down_since is None, since=down_since)


def cameras(live: LiveState, now: datetime) -> list[schemas.CameraState]:
    """Return every camera that is read, failing ones first. A camera answers when all servers that have it do."""
    feeds: dict[str, list[FeedStatus]] = {}
    for status in live.feeds.values():
        feeds.setdefault(status.feed.camera_id, []).append(status)
    faults: defaultdict[str, list[schemas.FaultState]] = defaultdict(list)
    for camera_id, fault, began, ended in live.fault_spans[-_MOST_FAULTS:]:
        faults[camera_id].append(schemas.FaultState(kind=fault, since=began, until=ended))
    states = [_camera(camera_id, feeds[camera_id], faults[camera_id], live, now) for camera_id in feeds]
    return sorted(states, key=lambda one: (one.answers and not is_blind(one), -one.behind, natural_key(one.name)))


def is_blind(camera: schemas.CameraState) -> bool:
    """Return whether ACC reports now a fault of the camera with which it cannot count."""
    return any(fault.until is None for fault in camera.faults)


def _camera(
    camera_id: str, feeds: list[FeedStatus], faults: list[schemas.FaultState], live: LiveState, now: datetime
) -> schemas.CameraState:
    known = [status for status in feeds if not status.unknown]
    failing = [status.failing_since for status in known if status.failing_since is not None]
    until = min(live.known_until(status.feed, status.read_until) for status in known or feeds)
    return schemas.CameraState(
        id=camera_id,
        name=live.camera_names.get(camera_id, "") or camera_id,
        answers=bool(known) and not failing,
        unknown=not known and camera_id not in live.camera_names,
        since=min(failing, default=None),
        known_until=until,
        behind=max(0.0, (_event_time(live, now) - until).total_seconds()),
        faults=faults,
        clock_offset=live.clock_offsets.get(camera_id),
        late=sum(live.late_events(status.feed) for status in feeds),
    )


def _lateness(live: LiveState, now: datetime) -> schemas.LatenessState | None:
    seconds = sorted(sample.seconds for sample in live.lateness if sample.at >= now - _LATENESS_WINDOW)
    if not seconds:
        return None
    return schemas.LatenessState(
        median=round(seconds[len(seconds) // 2], 1),
        p95=round(seconds[int(len(seconds) * 0.95)], 1),
        longest=round(seconds[-1], 1),
        passages=len(seconds),
    )


def _delivery(live: LiveState) -> schemas.DeliveryState | None:
    summary = summarize(live.measured_lateness.values())
    if not summary.events:
        return None
    return schemas.DeliveryState(
        passages=summary.events, late=summary.late, median=summary.median, p95=summary.p95, worst=summary.worst
    )


def alerts(live: LiveState) -> list[schemas.AlertState]:
    """Return the active alerts, newest first, then the last ones that ended."""
    return [schemas.AlertState.model_validate(alert, from_attributes=True) for alert in live.alerts]


def corrections(live: LiveState) -> list[schemas.CorrectionState]:
    """Return the event's corrections, oldest first."""
    undone = {undone_by(correction) for correction in live.corrections.values()}
    return [
        schemas.CorrectionState(
            id=correction.id,
            zone=correction.zone,
            delta=correction.delta,
            reason=correction.reason,
            author=correction.author,
            at=correction.at,
            undoes=undone_by(correction),
            undone=correction.id in undone,
        )
        for correction in sorted(live.corrections.values(), key=lambda correction: (correction.at, correction.id))
    ]


def series(live: LiveState) -> schemas.Series:
    """Return the whole event by the minute."""
    return schemas.Series(
        evening=live.generation,
        series=live.changes,
        zones={zone.name: _curve(live, zone.name) for zone in live.zones if zone.name in live.occupancies},
        totals={name: _total_curve(live, name) for name in live.total_occupancies},
        bands=bands(live),
        doors={door.name: _door_curve(door) for door in live.doors if door.people},
    )


def _curve(live: LiveState, zone: str) -> schemas.ZoneCurve:
    deltas = live.deltas(zone)
    return schemas.ZoneCurve(
        initial=live.initial(zone),
        minutes=[minute // 1000 for minute in deltas],
        entries=[delta.entries for delta in deltas.values()],
        exits=[delta.exits for delta in deltas.values()],
        net=[delta.net for delta in deltas.values()],
        floor=[delta.floor for delta in deltas.values()],
        count=[count for _, count in live.curve(zone)],
    )


def _total_curve(live: LiveState, name: str) -> schemas.TotalCurve:
    curve = live.curve(name)
    flows = live.flows(name)
    return schemas.TotalCurve(
        minutes=[minute // 1000 for minute, _ in curve],
        entries=[flows[minute][0] for minute, _ in curve],
        exits=[flows[minute][1] for minute, _ in curve],
        count=[count for _, count in curve],
    )


def _door_curve(door: Door) -> schemas.DoorCurve:
    minutes = sorted(door.minutes)
    return schemas.DoorCurve(
        minutes=[minute // 1000 for minute in minutes],
        entries=[door.minutes[minute].entries for minute in minutes],
        exits=[door.minutes[minute].exits for minute in minutes],
        total=[door.minutes[minute].total for minute in minutes],
    )


def series_delta(live: LiveState, since: int) -> dict[str, object]:
    """Return the minutes that changed after ``since``: [entries, exits, net, floor] and [entries, exits, total]."""
    zone_minutes, door_minutes = live.touched(since)
    changed: dict[str, dict[str, dict[int, list[int]]]] = {"zones": {}, "doors": {}}
    for zone, minute in zone_minutes:
        delta = live.delta(zone, minute)
        values = [delta.entries, delta.exits, delta.net, delta.floor]
        changed["zones"].setdefault(zone, {})[minute // 1000] = values
    for key, minute in door_minutes:
        door = live.doors.get(key)
        if door.people:
            crossings = door.minutes[minute]
            values = [crossings.entries, crossings.exits, crossings.total]
            changed["doors"].setdefault(door.name, {})[minute // 1000] = values
    return {"since": since, "series": live.changes, "evening": live.generation, **changed}
