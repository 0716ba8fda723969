"""What must hold on this machine before the job starts: one list, which ``run`` requires and ``check`` shows.

What only the cameras' server and the database can answer is not in it: both commands try these with the same code.
"""

import logging
import os
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from aforo import push, web
from aforo.alerting import verify_addresses
from aforo.errors import AforoError, BadSetting, LogUnwritable, os_reason
from aforo.inputs.camera_list import load_cameras
from aforo.inputs.schedule import Schedule
from aforo.settings import Settings, rows

_log = logging.getLogger(__name__)

_EVERYBODY, _GROUP_TOO = 0o007, 0o077  # bits of a file's mode


class Precondition(NamedTuple):
    """One thing that must hold. ``topic`` names it for programs; ``verify`` raises AforoError where it does not.

    ``can_wait``: a start in the middle of an event goes on without it, and logs that: the count does not depend on it.
    """

    topic: str
    verify: Callable[[Settings], object]
    can_wait: bool = False

    def fault(self, settings: Settings) -> AforoError | None:
        """Return why it does not hold; None where it does."""
        try:
            self.verify(settings)
        except AforoError as error:
            return error
        return None


def require(settings: Settings, now: datetime) -> None:
    """Raise the AforoError of the first precondition that does not hold.

    ``now`` is aware, and shows whether an event is on.
    """
    for precondition in PRECONDITIONS:
        error = precondition.fault(settings)
        if error is not None and not (precondition.can_wait and _is_event_on(settings, now)):
            raise error
        if error is not None:
            _log.error("%s Hay un evento en curso: se cuenta igual.", error)


def exposed_secrets(settings: Settings) -> list[Path]:
    """Return the files with secrets, the page's key among them, that other users of this machine may read."""
    if os.name == "nt":  # a file's rights come from its folder there, and mode bits mean nothing
        return []
    secrets = (row for row in rows().values() if row.secret and not _is_sqlite(settings, row.name))
    files = [_file_of(settings.origin(row.name)) for row in secrets]
    files += [settings.web.key_file, settings.push.key_file]
    return sorted({file for file in files if file is not None and file.is_file() and _is_exposed(file)})


def _is_exposed(file: Path) -> bool:
    """Return whether others may read it. Of a file of another owner, this account reads it by its group."""
    found = file.stat()
    own = not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
    return bool(found.st_mode & (_GROUP_TOO if own else _EVERYBODY))


def _is_sqlite(settings: Settings, name: str) -> bool:
    """Return whether the setting is the address of a database in a file, which contains no password."""
    return name == "database.url" and settings.database.url.get_secret_value().startswith("sqlite:///")


def _file_of(origin: str) -> Path | None:
    """Return the file of an origin such as ``aforo.toml:7`` or ``archivo secretos/clave (…)``, None if it has none."""
    text = origin.removeprefix("archivo ").partition(" (")[0]
    path = Path(text.rpartition(":")[0] or text)
    return path if path.is_file() else None


def _is_event_on(settings: Settings, now: datetime) -> bool:
    return _schedule(settings).active(now) is not None


def _schedule(settings: Settings) -> Schedule:
    return Schedule.load(settings.monitor.schedule_file, settings.monitor.timezone)


def _verify_log(settings: Settings) -> None:
    if settings.log.file is None:
        return
    try:
        try_to_write(settings.log.file)
    except OSError as exc:
        raise LogUnwritable(
            f"{settings.log.file} no se puede escribir ({os_reason(exc)}).",
            remedy="Dé permiso de escritura en esa carpeta o cambie el ajuste log.file.",
        ) from exc


def _verify_report_folder(settings: Settings) -> None:
    folder = settings.report.folder
    if folder is None:
        return
    try:
        _try_to_fill(folder)
    except OSError as exc:
        raise BadSetting(
            f"La carpeta de las actas, {folder}, no se puede usar ({os_reason(exc)}).",
            "Al cierre no se podría hacer el acta.",
            "Dé permiso de escritura en ella, o cambie el ajuste report.folder.",
        ) from exc


def _try_to_fill(folder: Path) -> None:
    """Raise OSError if files cannot be written into the folder, or it cannot be made; leaves nothing."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    with tempfile.NamedTemporaryFile(dir=there):
        return


def try_to_write(path: Path) -> None:
    """Raise OSError if the file cannot be written; leaves no file."""
    if path.exists():
        with path.open("ab"):
            return
    with tempfile.NamedTemporaryFile(dir=path.absolute().parent):
        return


PRECONDITIONS = (
    Precondition("settings.acc", Settings.require_acc),
    Precondition("log", _verify_log),
    Precondition("schedule", _schedule),
    Precondition("cameras", lambda settings: load_cameras(settings.monitor.cameras_file)),
    Precondition("web", lambda settings: settings.web.port and web.verify(settings.web)),
    Precondition("push", lambda settings: settings.push.url and push.verify(settings.push)),
    Precondition("alerts", lambda settings: verify_addresses(settings.alerts)),
    Precondition("report", _verify_report_folder, can_wait=True),
)
