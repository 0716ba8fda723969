"""Checks on this machine: the settings, and all that ``aforo run`` requires of the machine before it starts."""

import os
import shutil
import socket
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from aforo.cli.check.results import Line, failed, failure, ok, warning
from aforo.errors import AforoError, BadCameras, os_reason
from aforo.inputs.camera_list import load_cameras
from aforo.inputs.schedule import Schedule
from aforo.models import ScheduledEvent
from aforo.preconditions import PRECONDITIONS, exposed_secrets
from aforo.settings import Row, Settings, WebSettings, rows
from aforo.wording import plural

_DEFAULT_ORIGIN = "valor de fábrica"
_MOST_EVENTS = 3  # of the next events, on their line
_SPARE_SPACE = 200 * 1024 * 1024  # bytes beyond what the log itself may take
_NO_SPACE = 50 * 1024 * 1024  # bytes: what the database of one event may take


def settings_lines(settings: Settings) -> list[Line]:
    """Return the lines about the settings: which ones were set and where, what is doubtful or dangerous."""
    given = [row for row in rows().values() if settings.origin(row.name) != _DEFAULT_ORIGIN]
    values = [f"{row.name} = {_value(settings, row)}   ({settings.origin(row.name)})" for row in given]
    lines = [ok("settings", f"Ajustes propios: {len(given)}. Los demás, de fábrica (docs/ajustes.md).", values)]
    if not settings.acc.verify:
        lines.append(
            warning(
                "settings.verify",
                "acc.verify está apagado: cualquiera podría hacerse pasar por el servidor.",
                "Ponga acc.fingerprint (la huella está abajo) o acc.ca_file, y quite acc.verify.",
            )
        )
    lines += [warning("settings.doubt", doubt, "Corríjalo, o déjelo si es lo que quiere.") for doubt in settings.doubts]
    lines += [
        warning(
            "settings.secrets",
            f"{path} contiene secretos y otros usuarios de esta máquina pueden leerlo.",
            f"chmod 600 '{path}'",
        )
        for path in exposed_secrets(settings)
    ]
    return lines


def _value(settings: Settings, row: Row) -> str:
    if row.secret and not _is_file_database(settings, row):
        return "(puesto; no se muestra)"
    section, _, name = row.name.partition(".")
    value = getattr(getattr(settings, section), name) if name else getattr(settings, section)
    if isinstance(value, SecretStr):
        return value.get_secret_value() if _is_file_database(settings, row) else "(puesto; no se muestra)"
    if isinstance(value, list):
        return f"{len(value)} elementos"
    return str(value)


def _is_file_database(settings: Settings, row: Row) -> bool:
    """Return whether the setting is the address of a database in a file, which contains no password."""
    return row.name == "database.url" and settings.database.url.get_secret_value().startswith("sqlite:///")


def precondition_lines(settings: Settings, now: datetime) -> list[Line]:
    """Return the lines about everything that ``aforo run`` requires of this machine; ``now`` is aware."""
    where_it_holds: Mapping[str, Callable[[], Line | None]] = {
        "log": lambda: _log_line(settings),
        "schedule": lambda: _schedule_line(settings, now),
        "cameras": lambda: _cameras_line(settings),
        "web": lambda: _web_line(settings.web),
        "report": lambda: _report_line(settings),
    }
    lines: list[Line | None] = []
    for precondition in PRECONDITIONS:
        error = precondition.fault(settings)
        if error is not None:
            lines.append(failed(precondition.topic, error))
        elif precondition.topic in where_it_holds:
            lines.append(where_it_holds[precondition.topic]())
            if precondition.topic == "schedule":
                lines.append(_namesakes_line(settings))
    return [line for line in lines if line is not None]


def allowed_cameras(settings: Settings) -> frozenset[str]:
    """Return the allowed cameras; none where their file cannot be used, which has a line of its own."""
    try:
        return load_cameras(settings.monitor.cameras_file)
    except BadCameras:
        return frozenset()


def _schedule_line(settings: Settings, now: datetime) -> Line:
    """Return the line about the schedule, with the next events."""
    timezone = settings.monitor.timezone
    schedule = Schedule.load(settings.monitor.schedule_file, timezone)
    upcoming = [event for event in schedule.events if event.window.until > now]
    path = settings.monitor.schedule_file
    if not upcoming:
        what = f"{path}: {plural(len(schedule.events), 'evento')}, ninguno por venir."
        return warning("schedule", what, f"Escriba el próximo evento en {path}.")
    described = [_described(event, now, timezone) for event in upcoming[:_MOST_EVENTS]]
    return ok("schedule", f"{path}: {plural(len(upcoming), 'evento')} por venir.", described)


def _namesakes_line(settings: Settings) -> Line | None:
    """Return a warning about events of the same name, which share a row of the zones' tables; None without any."""
    schedule = Schedule.load(settings.monitor.schedule_file, settings.monitor.timezone)
    days: defaultdict[str, list[str]] = defaultdict(list)
    for event in schedule.events:
        days[event.name].append(str(event.day))
    shared = [f"«{name}»: {', '.join(some)}" for name, some in days.items() if len(some) > 1]
    if not shared:
        return None
    what = "Hay eventos con el mismo nombre: en las tablas de las zonas comparten una fila, que es la del último."
    remedy = "Dé a cada uno su nombre, por ejemplo con la fecha; el aforo de los demás está solo en aforo_minutes."
    return warning("schedule.names", what, remedy, shared)


def _described(event: ScheduledEvent, now: datetime, timezone: ZoneInfo) -> str:
    since, until = (instant.astimezone(timezone) for instant in event.window)
    last = f"{until:%H:%M}" if until.date() == since.date() else f"{until:%H:%M} del día siguiente"
    running = "  (en curso)" if event.window.since <= now else ""
    return f"{since:%Y-%m-%d}, de {since:%H:%M} a {last}: «{event.name}»{running}"


def _cameras_line(settings: Settings) -> Line:
    cameras = load_cameras(settings.monitor.cameras_file)
    return ok("cameras", f"{settings.monitor.cameras_file}: {plural(len(cameras), 'cámara')}.")


def _log_line(settings: Settings) -> Line:
    """Return the line about the log's disk: whether it has enough space."""
    log = settings.log
    if log.file is None:
        return ok("log", "Sin archivo de registro (log.file vacío): solo la consola.")
    folder = log.file.absolute().parent
    free = shutil.disk_usage(folder).free
    needed = log.max_bytes * (log.backups + 1) + _SPARE_SPACE
    if free < needed:
        what = f"Al disco de {folder} le quedan {_size(free)}; con el registro puede necesitar {_size(needed)}."
        return warning("log.space", what, "Libere espacio, o baje log.max_bytes o log.backups.")
    return ok("log", f"{log.file}: se puede escribir; quedan {_size(free)} en el disco.")


def _report_line(settings: Settings) -> Line | None:
    folder = settings.report.folder
    return ok("report", f"{folder}: se puede escribir.") if folder is not None else None


def _web_line(web: WebSettings) -> Line:
    """Return the line about the page's port."""
    if web.port == 0:
        return ok("web", "Sin página (web.port = 0).")
    where = f"{web.host}:{web.port}"
    family = socket.AF_INET6 if ":" in web.host else socket.AF_INET
    with socket.socket(family) as probe:
        if os.name != "nt":  # this option would let two programs listen on one port there
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((web.host, web.port))
        except OSError as exc:
            what = f"La página no puede escuchar en {where} ({os_reason(exc)})."
            remedy = "Si no es el propio programa, que ya está en marcha, cambie web.port o web.host."
            return warning("web", what, f"{remedy} El conteo no depende de la página.")
    return ok("web", f"La página puede escuchar en {where}.")


def space_line(topic: str, folder: Path, least: int) -> Line:
    """Return the line about a disk's free space: a warning below ``least`` bytes, a failure if no event fits."""
    free = 0
    with suppress(OSError):
        free = shutil.disk_usage(folder).free
    if free < min(least, _NO_SPACE):
        what = f"Al disco de {folder} le quedan {_size(free)}: no cabe un evento."
        return failure(topic, what, "Libere espacio antes de empezar.")
    if free < least:
        return warning(topic, f"Quedan {_size(free)} en el disco de {folder}.", "Libere espacio antes del evento.")
    return ok(topic, f"Quedan {_size(free)} en el disco de {folder}.")


def _size(number: int) -> str:
    return f"{number / 1024**3:.1f} GB" if number >= 1024**3 else f"{number / 1024**2:.0f} MB"


def broken_settings(error: AforoError) -> list[Line]:
    """Return the only line that there is when the settings cannot be read."""
    return [failure("settings", str(error), "Corrija ese ajuste y repita.")]
