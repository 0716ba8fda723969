"""What to warn of, looked up on the board. Pure: ``now`` is an argument."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from aforo.alerting.engine import Condition, ZoneLevels, silent_doors
from aforo.live.freshness import silences
from aforo.live.state import LiveState
from aforo.models import AlertKind, EventPhase, ZoneLevel, to_ms
from aforo.settings import AlertsSettings
from aforo.wording import grouped

RUNNING = frozenset({EventPhase.WATCHING, EventPhase.CLOSING})


def stale_seconds(board: LiveState, now: datetime) -> float | None:
    """How old the number is; None while there is none."""
    as_of = board.as_of()
    if as_of is None or board.event is None:
        return None
    return max(0.0, (min(now, board.event.window.until) - as_of).total_seconds())


def conditions(board: LiveState, settings: AlertsSettings, levels: ZoneLevels, now: datetime) -> list[Condition]:
    """All that there is to look at now; nothing between two evenings."""
    found = [_database(board, settings, now)]
    age = stale_seconds(board, now)
    if board.phase in RUNNING and age is not None:
        fresh = age <= settings.stale
        found.append(_stale(age, settings))
        found += _zones(board, levels, fresh=fresh)
        found += _cameras(board, settings, now)
        found += _doors(board, settings, fresh=fresh)
    return found


def _database(board: LiveState, settings: AlertsSettings, now: datetime) -> Condition:
    since = board.signs.database_down_since()
    down = since is not None and settings.database_down > 0 and now - since >= timedelta(seconds=settings.database_down)
    text = "Sin base de datos: se cuenta en memoria."
    return Condition(AlertKind.DATABASE_DOWN, "", down if since is None or down else None, text)


def _stale(age: float, settings: AlertsSettings) -> Condition:
    text = f"El aforo no es de ahora: más de {settings.stale / 60:.0f} min de atraso."
    return Condition(AlertKind.STALE, "", age > settings.stale, text)


def _zones(board: LiveState, levels: ZoneLevels, *, fresh: bool) -> Iterator[Condition]:
    """Each zone's level. While the number is old nothing is begun or ended: it may be on its way up or down."""
    for zone in board.zones:
        if zone.name not in board.occupancies or not zone.capacity:
            continue
        count = board.occupancy(zone.name).count
        percent = 100 * count / zone.capacity
        level = levels.level(zone.name, percent, zone.warning, zone.full) if fresh else levels.known(zone.name)
        for kind, on, word in (
            (AlertKind.ZONE_WARNING, {ZoneLevel.WARNING, ZoneLevel.FULL}, "casi llena"),
            (AlertKind.ZONE_FULL, {ZoneLevel.FULL}, "llena"),
        ):
            text = f"{zone.name} está {word}: {grouped(count)} de {grouped(zone.capacity)}."
            yield Condition(kind, zone.name, level in on if fresh else None, text)


def _cameras(board: LiveState, settings: AlertsSettings, now: datetime) -> Iterator[Condition]:
    """Each camera that does not answer though its server does. While that is away nothing is begun or ended."""
    if not settings.camera_gone:
        return
    away = board.signs.link_down_since() is not None
    silent = silences(board.feeds.values())
    heard = {feed.camera_id for feed, status in board.feeds.items() if status.answered}
    for camera in dict.fromkeys(feed.camera_id for feed in board.feeds):
        name = board.camera_names.get(camera) or camera
        told = not away and (camera in silent or camera in heard)
        gone = _gone(camera, silent, settings, now) if told else None
        yield Condition(AlertKind.CAMERA_GONE, name, gone, f"No contesta: {name}.")


def _gone(camera: str, silences: Mapping[str, datetime | None], settings: AlertsSettings, now: datetime) -> bool | None:
    if camera not in silences:
        return False
    since = silences[camera]
    return True if since is not None and now - since >= timedelta(seconds=settings.camera_gone) else None


def _doors(board: LiveState, settings: AlertsSettings, *, fresh: bool) -> Iterator[Condition]:
    as_of = board.as_of()
    if not settings.silent_door or as_of is None or board.event is None:
        return
    failing = {feed.camera_id for feed, status in board.feeds.items() if status.failing_since is not None}
    until = to_ms(as_of)
    since = until - int(settings.silent_door * 1000)
    told = silent_doors(board.doors, since, until) if fresh else {}
    minutes = f"{settings.silent_door / 60:.0f}"
    for door in board.doors:
        silent = None if door.camera_id in failing else told.get(door.name)
        yield Condition(AlertKind.SILENT_DOOR, door.name, silent, f"{door.name}: {minutes} min sin contar a nadie.")
