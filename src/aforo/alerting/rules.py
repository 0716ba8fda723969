"""The conditions that are checked, read from the live state. Pure: ``now`` is an argument."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from aforo.alerting.engine import Condition, ZoneLevels
from aforo.counting.door_activity import DoorCondition
from aforo.live.freshness import silences
from aforo.live.state import LiveState
from aforo.models import AlertKind, CameraFault, EventPhase, ZoneLevel
from aforo.settings import AlertsSettings, TotalSettings, ZoneSettings
from aforo.wording import clock_name, clock_offset_text, clock_step, grouped

_LATE_FOR = timedelta(minutes=15)  # after the last late event nothing is said of it any more
_MOST_NAMES = 3  # of cameras in one sentence

_RECONFIGURED_FOR = timedelta(minutes=15)  # after somebody changed a camera's settings that is shown
_MEANWHILE = "Mientras tanto, cuente a mano."
_FAULTS = {
    CameraFault.DISCONNECTED: (
        AlertKind.CAMERA_DISCONNECTED,
        "ACC da por desconectada la cámara {}: desde ahora no se cuenta lo que pasa ante ella. Revise su corriente, su"
        f" cable y su red. {_MEANWHILE}",
    ),
    CameraFault.NO_VIDEO: (
        AlertKind.CAMERA_NO_VIDEO,
        "ACC no recibe video de la cámara {}: desde ahora no se cuenta lo que pasa ante ella. Revise la cámara y su"
        f" cable. {_MEANWHILE}",
    ),
    CameraFault.TAMPERED: (
        AlertKind.CAMERA_TAMPERED,
        "ACC da por tapada o movida la cámara {}: lo que pasa ante ella puede no contarse. Mire su imagen en ACC y, si"
        f" hace falta, vuelva a orientarla. {_MEANWHILE}",
    ),
    CameraFault.NOT_RECORDING: (
        AlertKind.CAMERA_NOT_RECORDING,
        "ACC dejó de grabar la cámara {}: lo que pasa ante ella puede no contarse. Revise en ACC su grabación."
        f" {_MEANWHILE}",
    ),
    CameraFault.RECONFIGURED: (
        AlertKind.CAMERA_RECONFIGURED,
        "Alguien cambió en ACC los ajustes de la cámara {}: desde ahora puede contar de otra manera. Compruebe en ACC"
        " su regla de analítica.",
    ),
}

RUNNING = frozenset({EventPhase.WATCHING, EventPhase.CLOSING})


def stale_seconds(live: LiveState, now: datetime) -> float | None:
    """Return the age of the count in seconds; None while there is none."""
    as_of = live.as_of()
    if as_of is None or live.event is None:
        return None
    return max(0.0, (min(now, live.event.window.until) - as_of).total_seconds())


def conditions(live: LiveState, settings: AlertsSettings, levels: ZoneLevels, now: datetime) -> list[Condition]:
    """Return all conditions; between two events only those of the database, the input files and the clocks."""
    found = [_database(live, settings, now), *_files(live), *_clocks(live)]
    age = stale_seconds(live, now)
    if live.phase in RUNNING and age is not None:
        fresh = age <= settings.stale
        found.append(_stale(live, age, settings, now))
        found += _zones(live, levels, fresh=fresh)
        found += _cameras(live, settings, now)
        found += _faults(live, now)
        found += _doors(live, settings, fresh=fresh)
        found += _floods(live, settings, now)
        found += _lateness(live, now)
    return found


def _database(live: LiveState, settings: AlertsSettings, now: datetime) -> Condition:
    since = live.probes.database_down_since()
    down = since is not None and settings.database_down > 0 and now - since >= timedelta(seconds=settings.database_down)
    text = "Sin base de datos: se cuenta en memoria."
    return Condition(AlertKind.DATABASE_DOWN, "", down if since is None or down else None, text)


def _files(live: LiveState) -> Iterator[Condition]:
    """Give a condition for each input file: the version on disk cannot be used, and an older one is in force."""
    for name, fault in live.probes.file_faults().items():
        yield Condition(AlertKind.BROKEN_FILE, name, bool(fault), f"{fault} Sigue en vigor la versión anterior.")


def _clocks(live: LiveState) -> Iterator[Condition]:
    """Give a condition for each step of a clock that lasts; one that is over has none."""
    for step in live.probes.current_clock_steps():
        yield Condition(AlertKind.CLOCK, clock_name(step), True, clock_step(step))


def _stale(live: LiveState, age: float, settings: AlertsSettings, now: datetime) -> Condition:
    """Return the condition that the count is old. It does not begin in the first catch-up, which the page shows."""
    text = f"El aforo no es de ahora: más de {settings.stale / 60:.0f} min de atraso."
    catching_up = live.catching_up(now, timedelta(seconds=settings.stale))
    return Condition(AlertKind.STALE, "", (None if catching_up else True) if age > settings.stale else False, text)


def _zones(live: LiveState, levels: ZoneLevels, *, fresh: bool) -> Iterator[Condition]:
    """Give the conditions of zones and totals. While the count is old none begins or ends: it may be rising."""
    for zone in live.zones:
        if zone.name in live.occupancies:
            yield from _levels(live, zone, zone.name, levels, fresh=fresh)
    for total in live.totals:
        if total.name in live.total_occupancies:
            yield from _levels(live, total, f"La suma {total.name}", levels, fresh=fresh)


def _levels(
    live: LiveState, counted: ZoneSettings | TotalSettings, called: str, levels: ZoneLevels, *, fresh: bool
) -> Iterator[Condition]:
    if not counted.capacity:
        return
    count = live.occupancy(counted.name).count
    percent = 100 * count / counted.capacity
    level = levels.update(counted.name, percent, counted.warning, counted.full) if fresh else levels.level(counted.name)
    for kind, on, word in (
        (AlertKind.ZONE_WARNING, {ZoneLevel.WARNING, ZoneLevel.FULL}, "casi llena"),
        (AlertKind.ZONE_FULL, {ZoneLevel.FULL}, "llena"),
    ):
        text = f"{called} está {word}: {grouped(count)} de {grouped(counted.capacity)}."
        yield Condition(kind, counted.name, level in on if fresh else None, text)


def _cameras(live: LiveState, settings: AlertsSettings, now: datetime) -> Iterator[Condition]:
    """Give a condition for each camera. While the server is away none begins or ends, nor before a camera was read."""
    if not settings.camera_gone:
        return
    server_away = live.probes.link_down_since() is not None
    silent = silences(live.feeds.values())
    answered = {feed.camera_id for feed, status in live.feeds.items() if status.answered}
    for camera in dict.fromkeys(feed.camera_id for feed in live.feeds):
        name = live.camera_names.get(camera) or camera
        known = not server_away and (camera in silent or camera in answered)
        gone = _is_gone(camera, silent, settings, now) if known else None
        yield Condition(AlertKind.CAMERA_GONE, name, gone, f"No contesta: {name}.")


def _faults(live: LiveState, now: datetime) -> Iterator[Condition]:
    """Give a condition for each fault of a camera that ACC reports, and for a while for each change of its settings.

    Its subject is the camera's id: after a restart the name is not known at once.
    """
    for camera, fault, began, ended in live.fault_spans:
        if ended is None or (not fault.blinds and now - began < _RECONFIGURED_FOR):
            name = live.camera_names.get(camera) or camera
            kind, text = _FAULTS[fault]
            yield Condition(kind, camera, True, text.format(name))


def _lateness(live: LiveState, now: datetime) -> Iterator[Condition]:
    """Give the condition that events come late, and one for each camera whose clock is off."""
    names = [live.camera_names.get(camera) or camera for camera in live.late_cameras(now - _LATE_FOR)]
    shown = ", ".join(names[:_MOST_NAMES]) + (f" y {len(names) - _MOST_NAMES} más" if len(names) > _MOST_NAMES else "")
    text = f"Llegan eventos tarde: el aforo de ahora va atrasado en lo de {shown}."
    yield Condition(AlertKind.LATE_EVENTS, "", bool(names), text)
    for camera, offset in live.clock_offsets.items():
        name = live.camera_names.get(camera) or camera
        yield Condition(AlertKind.CAMERA_CLOCK, name, True, f"El reloj de {name} va {clock_offset_text(offset)}.")


def _is_gone(
    camera: str, silent: Mapping[str, datetime | None], settings: AlertsSettings, now: datetime
) -> bool | None:
    if camera not in silent:
        return False
    since = silent[camera]
    return True if since is not None and now - since >= timedelta(seconds=settings.camera_gone) else None


def _floods(live: LiveState, settings: AlertsSettings, now: datetime) -> Iterator[Condition]:
    """Give a condition for each camera with more events than people make. All of them are stored."""
    if not settings.camera_rate:
        return
    for camera, busiest in live.busiest_minutes(now).items():
        name = live.camera_names.get(camera) or camera
        text = (
            f"{name} da más de {settings.camera_rate:g} eventos por segundo: se guardan todos, pero revise esa cámara."
        )
        yield Condition(AlertKind.EVENT_FLOOD, name, busiest > 60 * settings.camera_rate, text)


def _doors(live: LiveState, settings: AlertsSettings, *, fresh: bool) -> Iterator[Condition]:
    """Give two conditions for each door: silent, and counting far too much.

    While its camera fails or is reported as blind, or the count is old, neither begins nor ends.
    """
    if not settings.silent_door or live.event is None:
        return
    failing = {feed.camera_id for feed, status in live.feeds.items() if status.failing_since is not None}
    failing |= {span.camera_id for span in live.fault_spans if span.ended is None}
    activity = live.door_activity() if fresh else {}
    for door in live.doors:
        now = None if door.camera_id in failing else activity.get(door.name)
        shown = now.condition if now is not None else None
        # From what cannot be known neither follows; one that counts again is not silent.
        known = None if shown in {None, DoorCondition.UNKNOWN} else shown
        yield Condition(
            AlertKind.SILENT_DOOR,
            door.name,
            None if known is None else known is DoorCondition.SILENT,
            f"{door.name} no cuenta a nadie, y por lo que cuentan las demás debería. Mande a alguien a mirar la puerta"
            " y su cámara; si está cerrada, no pasa nada.",
        )
        yield Condition(
            AlertKind.DOOR_EXCESS,
            door.name,
            None if known is None else known is DoorCondition.EXCESS,
            f"{door.name} cuenta mucho más de lo que corresponde: el aforo puede estar alto. Mire si algo se mueve ante"
            " su cámara y, si hace falta, corrija el aforo.",
        )
