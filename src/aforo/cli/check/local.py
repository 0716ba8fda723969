"""Checks on this machine: settings, the two files, the log's folder, the page's port."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from aforo.cli.check.results import Line, failed, failure, ok, warning
from aforo.errors import AforoError, BadCameras, BadSchedule, BadSetting, os_reason
from aforo.inputs.camera_list import load_cameras
from aforo.inputs.schedule import Schedule
from aforo.models import ScheduledEvent
from aforo.settings import Row, Settings, WebSettings, rows
from aforo.wording import plural

_DEFAULT_ORIGIN = "valor de fábrica"
_MOST_EVENTS = 3  # of the next events, on their line
_SPARE_SPACE = 200 * 1024 * 1024  # bytes beyond what the log itself may take
_NO_SPACE = 50 * 1024 * 1024  # bytes: what the database of one event may take
_OTHERS = 0o077  # what group and others may do with a file


def settings_lines(settings: Settings) -> list[Line]:
    """Return the lines about the settings: which ones were set and where, what is missing or dangerous."""
    given = [row for row in rows().values() if settings.origin(row.name) != _DEFAULT_ORIGIN]
    values = [f"{row.name} = {_value(settings, row)}   ({settings.origin(row.name)})" for row in given]
    lines = [ok("settings", f"Ajustes propios: {len(given)}. Los demás, de fábrica (docs/ajustes.md).", values)]
    try:
        settings.require_acc()
    except BadSetting as exc:
        lines.append(failure("settings.acc", str(exc), "O use «aforo init», que pregunta y lo escribe."))
    if not settings.acc.verify:
        lines.append(
            warning(
                "settings.verify",
                "acc.verify está apagado: cualquiera podría hacerse pasar por el servidor.",
                "Ponga acc.fingerprint (la huella está abajo) o acc.ca_file, y quite acc.verify.",
            )
        )
    lines += [warning("settings.doubt", doubt, "Corríjalo, o déjelo si es lo que quiere.") for doubt in settings.doubts]
    lines += _readable_secrets(settings, given)
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


def _readable_secrets(settings: Settings, given: Iterable[Row]) -> list[Line]:
    """Return warnings about files with secrets that other users of this machine may read."""
    if os.name == "nt":  # a file's rights come from its folder there, and mode bits mean nothing
        return []
    files = {
        _file_of(settings.origin(row.name)) for row in given if row.secret and not _is_file_database(settings, row)
    }
    return [
        warning(
            "settings.secrets",
            f"{path} contiene secretos y otros usuarios de esta máquina pueden leerlo.",
            f"chmod 600 '{path}'",
        )
        for path in sorted(file for file in files if file is not None)
        if path.stat().st_mode & _OTHERS
    ]


def _is_file_database(settings: Settings, row: Row) -> bool:
    """Return whether the setting is the address of a database in a file, which contains no password."""
    return row.name == "database.url" and settings.database.url.get_secret_value().startswith("sqlite:///")


def _file_of(origin: str) -> Path | None:
    """Return the file of an origin such as ``aforo.toml:7`` or ``archivo secretos/clave (…)``, None if it has none."""
    text = origin.removeprefix("archivo ").partition(" (")[0]
    path = Path(text.rpartition(":")[0] or text)
    return path if path.is_file() else None


def schedule_lines(settings: Settings, now: datetime) -> list[Line]:
    """Return the line about the schedule, with the next events."""
    timezone = settings.monitor.timezone
    try:
        schedule = Schedule.load(settings.monitor.schedule_file, timezone)
    except BadSchedule as exc:
        return [failed("schedule", exc)]
    upcoming = [event for event in schedule.events if event.window.until > now]
    path = settings.monitor.schedule_file
    if not upcoming:
        what = f"{path}: {plural(len(schedule.events), 'evento')}, ninguno por venir."
        return [warning("schedule", what, f"Escriba el próximo evento en {path}.")]
    described = [_described(event, now, timezone) for event in upcoming[:_MOST_EVENTS]]
    return [ok("schedule", f"{path}: {plural(len(upcoming), 'evento')} por venir.", described)]


def _described(event: ScheduledEvent, now: datetime, timezone: ZoneInfo) -> str:
    since, until = (instant.astimezone(timezone) for instant in event.window)
    last = f"{until:%H:%M}" if until.date() == since.date() else f"{until:%H:%M} del día siguiente"
    running = "  (en curso)" if event.window.since <= now else ""
    return f"{since:%Y-%m-%d}, de {since:%H:%M} a {last}: «{event.name}»{running}"


def camera_file_lines(settings: Settings) -> tuple[list[Line], frozenset[str]]:
    """Return the line about the allow list, and its cameras."""
    try:
        cameras = load_cameras(settings.monitor.cameras_file)
    except BadCameras as exc:
        return [failed("cameras", exc)], frozenset()
    return [ok("cameras", f"{settings.monitor.cameras_file}: {plural(len(cameras), 'cámara')}.")], cameras


def log_lines(settings: Settings) -> list[Line]:
    """Return the lines about the log: whether it can be written, and whether its disk has enough space."""
    log = settings.log
    if log.file is None:
        return [ok("log", "Sin archivo de registro (log.file vacío): solo la consola.")]
    folder = log.file.absolute().parent
    try:
        try_to_write(log.file, folder)
        free = shutil.disk_usage(folder).free
    except OSError as exc:
        remedy = "Dé permiso de escritura en esa carpeta o cambie el ajuste log.file."
        return [failure("log", f"{log.file} no se puede escribir ({os_reason(exc)}).", remedy)]
    needed = log.max_bytes * (log.backups + 1) + _SPARE_SPACE
    if free < needed:
        what = f"Al disco de {folder} le quedan {_size(free)}; con el registro puede necesitar {_size(needed)}."
        return [warning("log.space", what, "Libere espacio, o baje log.max_bytes o log.backups.")]
    return [ok("log", f"{log.file}: se puede escribir; quedan {_size(free)} en el disco.")]


def try_to_write(path: Path, folder: Path) -> None:
    """Raise OSError if the file cannot be written in that folder; leaves no file."""
    if path.exists():
        with path.open("ab"):
            return
    with tempfile.NamedTemporaryFile(dir=folder):
        return


def web_lines(web: WebSettings) -> list[Line]:
    """Return the line about the page's port."""
    if web.port == 0:
        return [ok("web", "Sin página (web.port = 0).")]
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
            return [warning("web", what, f"{remedy} El conteo no depende de la página.")]
    return [ok("web", f"La página puede escuchar en {where}.")]


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
