"""The board as the answers that the page and machines get. Pure: ``now`` is an argument."""

from datetime import datetime, timedelta

from aforo.counting.doors import Crossings, Door, Doors
from aforo.live.state import LiveState, undone_by
from aforo.models import MINUTE_MS, EventPhase, FeedStatus, ScheduledEvent, to_ms
from aforo.web import schemas
from aforo.wording import natural_key

_TREND = timedelta(minutes=15)
_LATENESS_OF = timedelta(minutes=15)
_MOST_CORRECTIONS = 200  # told with the state; all of them are under /api/v1/corrections


def state(board: LiveState, now: datetime, timezone: str, stale_after: float) -> schemas.State:
    """All but the curves."""
    event, upcoming = board.event, board.signs.upcoming()
    return schemas.State(
        now=now,
        timezone=timezone,
        phase=board.phase.value,
        event=_event(event) if event else None,
        next=_event(upcoming) if upcoming else None,
        evening=board.evening,
        series=board.changes,
        zones=zones(board, now),
        doors=doors(board, now),
        trust=data_quality(board, now, stale_after),
        alerts=alerts(board),
        corrections=corrections(board)[-_MOST_CORRECTIONS:],
    )


def zones(board: LiveState, now: datetime) -> list[schemas.ZoneState]:
    """Every zone of the settings that is counted, in their order."""
    told = []
    moment = _at(board, now)
    for zone in board.zones:
        if zone.name not in board.occupancies:
            continue
        stored, occupancy = board.occupancies[zone.name], board.occupancy(zone.name)
        told.append(
            schemas.ZoneState(
                name=zone.name,
                count=occupancy.count,
                stored=stored.count,
                provisional=board.provisional and occupancy != stored,
                entries=occupancy.entries,
                exits=occupancy.exits,
                swallowed=occupancy.unmatched_exits,
                capacity=zone.capacity or None,
                percent=round(100 * occupancy.count / zone.capacity, 1) if zone.capacity else None,
                warning=zone.warning,
                full=zone.full,
                level=board.levels.known(zone.name),
                trend=occupancy.count - board.count_at(zone.name, moment - _TREND),
            )
        )
    return told


def _event(event: ScheduledEvent) -> schemas.EventState:
    since, until = event.window
    return schemas.EventState(name=event.name, day=event.day.isoformat(), since=since, until=until)


def _at(board: LiveState, now: datetime) -> datetime:
    """Now, or the event's end once that is past."""
    return min(now, board.event.window.until) if board.event else now


def doors(board: LiveState, now: datetime) -> list[schemas.DoorState]:
    """The doors of the history, most used first where names say nothing."""
    until_ms = to_ms(_at(board, now))
    extra = Doors()
    if board.pending.active:
        for one, verdict in board.pending.passages():
            extra.add(one, verdict)
    more = {door.name: door for door in extra}
    told = [_door(door, more.get(door.name), until_ms, board) for door in board.doors if door.people]
    told += [
        _door(door, None, until_ms, board)
        for name, door in more.items()
        if door.people and name not in {known.name for known in board.doors}
    ]
    return sorted(told, key=lambda door: natural_key(door.name))


def _door(door: Door, more: Door | None, until_ms: int, board: LiveState) -> schemas.DoorState:
    def since(minutes: int) -> Crossings:
        start = until_ms - until_ms % MINUTE_MS - (minutes - 1) * MINUTE_MS
        passed = door.between(start, until_ms)
        return passed.plus(more.between(start, until_ms)) if more else passed

    total = door.total.plus(more.total) if more else door.total
    return schemas.DoorState(
        name=door.name,
        zone=door.zone,
        entries=total.entries,
        exits=total.exits,
        total=total.total,
        last_5=since(5).total,
        last_15=since(15).total,
        silent=door.name in board.silent_doors,
    )


def data_quality(board: LiveState, now: datetime, stale_after: float) -> schemas.Trust:
    """How old the number is, and what it is missing."""
    as_of = board.as_of()
    age = max(0.0, (_at(board, now) - as_of).total_seconds()) if as_of is not None else None
    signs = board.signs
    return schemas.Trust(
        as_of=as_of,
        age=age,
        stale=age is not None and age > stale_after and board.phase is not EventPhase.OVER,
        stored_at=board.stored_at,
        database=_link(signs.database_down_since()),
        acc=_link(signs.link_down_since()),
        cameras=cameras(board, now),
        lateness=_lateness(board, now),
        refused=dict(board.refused.most_common()),
        stored=board.stored,
        repeated=board.repeated,
        pending=signs.pending(),
    )


def _link(down_since: datetime | None) -> schemas.LinkState:
    return schemas.LinkState(up=down_since is None, since=down_since)


def cameras(board: LiveState, now: datetime) -> list[schemas.CameraState]:
    """Every camera that is followed: a camera answers when all servers that know it do. Those in trouble first."""
    feeds: dict[str, list[FeedStatus]] = {}
    for status in board.feeds.values():
        feeds.setdefault(status.feed.camera_id, []).append(status)
    states = [_camera(camera_id, statuses, board, now) for camera_id, statuses in feeds.items()]
    return sorted(states, key=lambda camera: (camera.answers, -camera.behind, natural_key(camera.name)))


def _camera(camera_id: str, feeds: list[FeedStatus], board: LiveState, now: datetime) -> schemas.CameraState:
    known = [status for status in feeds if not status.unknown]
    failing = [status.failing_since for status in known if status.failing_since is not None]
    until = min(board.known_until(status.feed, status.read_until) for status in known or feeds)
    return schemas.CameraState(
        id=camera_id,
        name=board.camera_names.get(camera_id, "") or camera_id,
        answers=bool(known) and not failing,
        unknown=not known,
        since=min(failing, default=None),
        known_until=until,
        behind=max(0.0, (_at(board, now) - until).total_seconds()),
    )


def _lateness(board: LiveState, now: datetime) -> schemas.LatenessState | None:
    seconds = sorted(sample.seconds for sample in board.lateness if sample.at >= now - _LATENESS_OF)
    if not seconds:
        return None
    return schemas.LatenessState(
        median=round(seconds[len(seconds) // 2], 1),
        p95=round(seconds[int(len(seconds) * 0.95)], 1),
        longest=round(seconds[-1], 1),
        passages=len(seconds),
    )


def alerts(board: LiveState) -> list[schemas.AlertState]:
    """What is on, newest first, then the last ones that are over."""
    return [schemas.AlertState.model_validate(alert, from_attributes=True) for alert in board.alerts]


def corrections(board: LiveState) -> list[schemas.CorrectionState]:
    """The event's corrections, oldest first."""
    undone = {undone_by(correction) for correction in board.corrections.values()}
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
        for correction in sorted(board.corrections.values(), key=lambda correction: (correction.at, correction.id))
    ]


def series(board: LiveState) -> schemas.Series:
    """The whole evening by the minute."""
    return schemas.Series(
        evening=board.evening,
        series=board.changes,
        zones={zone.name: _curve(board, zone.name) for zone in board.zones if zone.name in board.occupancies},
        doors={door.name: _door_curve(door) for door in board.doors if door.people},
    )


def _curve(board: LiveState, zone: str) -> schemas.ZoneCurve:
    own = board.series[zone]
    pending = board.pending.stretches(zone) if board.pending.active else {}
    steps = list(own.deltas(pending).items())
    return schemas.ZoneCurve(
        initial=own.initial,
        minutes=[minute // 1000 for minute, _ in steps],
        entries=[stretch.entries for _, stretch in steps],
        exits=[stretch.exits for _, stretch in steps],
        net=[stretch.net for _, stretch in steps],
        floor=[stretch.floor for _, stretch in steps],
        count=[count for _, count in own.curve(pending)],
    )


def _door_curve(door: Door) -> schemas.DoorCurve:
    minutes = sorted(door.minutes)
    return schemas.DoorCurve(
        minutes=[minute // 1000 for minute in minutes],
        entries=[door.minutes[minute].entries for minute in minutes],
        exits=[door.minutes[minute].exits for minute in minutes],
        total=[door.minutes[minute].total for minute in minutes],
    )


def series_delta(board: LiveState, since: int) -> dict[str, object]:
    """What changed in the series after ``since``: minutes anew, as [entries, exits, net, floor] and [in, out, all]."""
    zones_touched, doors_touched = board.touched(since)
    found: dict[str, dict[str, dict[int, list[int]]]] = {"zones": {}, "doors": {}}
    for zone, minute in zones_touched:
        stretch = board.stretch(zone, minute)
        values = [stretch.entries, stretch.exits, stretch.net, stretch.floor]
        found["zones"].setdefault(zone, {})[minute // 1000] = values
    for key, minute in doors_touched:
        door = board.doors.get(key)
        passed = door.minutes[minute]
        if door.people:
            found["doors"].setdefault(door.name, {})[minute // 1000] = [passed.entries, passed.exits, passed.total]
    return {"since": since, "series": board.changes, "evening": board.evening, **found}
