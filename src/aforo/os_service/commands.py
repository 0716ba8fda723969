"""``aforo service``: the job as a service of the machine, systemd's or Windows's."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from subprocess import list2cmdline

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from aforo.errors import BadCommand
from aforo.os_service import systemd, windows
from aforo.settings import Settings, load

__all__ = ["Wish", "main"]

_NOT_RUNNING = 3  # exit code, as systemctl's


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for. ``only_print``: show the unit, change nothing."""

    action: str
    name: str = "aforo"
    user: str = ""
    credentials: Path | None = None
    config: Path | None = None
    only_print: bool = False


def main(wish: Wish) -> int:
    """Do it; returns the exit code. Raises BadCommand, BadSetting."""
    if os.name == "nt":
        return _on_windows(wish)
    if wish.action == "uninstall":
        return _say(systemd.uninstall(wish.name))
    if wish.action == "status":
        text, running = systemd.status(wish.name)
        return _say(text) if running else _say(text) or _NOT_RUNNING
    folder = Path.cwd()
    settings = load(os.environ, config=wish.config)
    plan = systemd.Plan(
        name=wish.name,
        folder=folder,
        user=wish.user or systemd.owner(folder),
        credentials=_whole(wish.credentials),
        config=_whole(wish.config),
        writable=_writable(settings, folder),
        read=_read(settings, folder, wish.config),
    )
    return _say(systemd.unit_text(plan).rstrip("\n") if wish.only_print else systemd.install(plan))


def _on_windows(wish: Wish) -> int:
    if wish.action == "uninstall":
        return _say(windows.uninstall(wish.name))
    if wish.action == "status":
        text, running = windows.status(wish.name)
        return _say(text) if running else _say(text) or _NOT_RUNNING
    if wish.credentials is not None:
        raise BadCommand(
            "--credentials es de systemd.",
            remedy="En Windows use acc.password_file o el Administrador de credenciales.",
        )
    plan = windows.Plan(wish.name, Path.cwd(), wish.user, _whole(wish.config))
    if wish.only_print:
        return _say("\n".join(map(list2cmdline, windows.create_commands(plan))))
    return _say(windows.install(plan))


def _writable(settings: Settings, folder: Path) -> list[Path]:
    """The folders outside ``folder`` that the job writes into: log, acts, a database in a file."""
    paths = [settings.log.file.parent if settings.log.file else folder, settings.report.folder or folder]
    try:
        url = make_url(settings.database.address())
        if url.get_backend_name() == "sqlite" and url.database:
            paths.append(Path(url.database).parent)
    except ArgumentError:
        pass  # told when the job starts
    return [path.absolute() for path in paths if not path.absolute().is_relative_to(folder)]


def _read(settings: Settings, folder: Path, config: Path | None) -> list[Path]:
    """The files without which the service does not start, its Python first."""
    monitor = settings.monitor
    files = [Path(".env"), config or Path("aforo.toml"), monitor.schedule_file, monitor.cameras_file]
    return [Path(sys.executable), *(folder / file for file in files)]


def _whole(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()


def _say(text: str) -> int:
    sys.stdout.write(f"{text}\n")
    return 0
